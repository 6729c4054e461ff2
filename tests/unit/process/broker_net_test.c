/* SPDX-License-Identifier: MIT */
/*
 * The broker between a core and vitrine-net, the real one. This program is also the fake core: it asks for a network, and
 * tells by notices what it finds on its cables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../net/tiny_guest.h"
#include "core/broker.h"
#include "core/broker_net.h"
#include "vmformat/bytes.h"

static const uint8_t here[4] = { 127, 0, 0, 1 };
static char appliance[64], resolv[64];
static uint16_t forwarded; /* a port of the host that is free */

/* ---- the fake core ---- */

static void notice(int s, const char *words)
{
	union message m = { .notice = { .level = NOTICE_INFO } };

	message_copy_text(m.notice.text, sizeof(m.notice.text), words);
	message_send(s, &m, MESSAGE_NOTICE, 0, NULL, 0);
}

static void ask(int s, const struct message_network_wanted *wish)
{
	union message m = { .hello = { .version = PROTOCOL_VERSION } };

	message_send(s, &m, MESSAGE_HELLO, 0, NULL, 0);
	m.network_wanted = *wish;
	message_send(s, &m, MESSAGE_NETWORK_WANTED, 0, NULL, 0);
}

static int receive_cable(int s)
{
	int fds[MESSAGE_MAX_FDS];
	union message m;
	unsigned nfds;

	for (;;) {
		if (message_receive(s, &m, FROM_BROKER, fds, &nfds) < 0)
			_exit(0);
		if (m.header.type == MESSAGE_NETWORK && m.network.nic == 0)
			return fds[0];
		while (nfds)
			close(fds[--nfds]);
	}
}

/* On each cable that comes: an address by DHCP; then waits for its end. */
static void use_network(int s, uint16_t port)
{
	static struct guest g;
	struct message_network_wanted wish = { .nic_count = 2, .forward_count = 3 };

	wish.forwards[0] = (struct nat_forward){ NAT_TCP, { 0 }, { 127, 0, 0, 1 }, port, 443 };
	wish.forwards[1] = (struct nat_forward){ NAT_TCP, { 0 }, { 127, 0, 0, 1 }, 80, 80 };
	wish.forwards[2] = (struct nat_forward){ NAT_TCP, { 0 }, { 0, 0, 0, 0 }, port, 22 };
	wish.flags = NAT_HOST_LOOPBACK;
	ask(s, &wish);
	for (;;) {
		struct lease lease;
		struct pollfd p = { .fd = receive_cable(s), .events = POLLIN };

		guest_init(&g, p.fd, 2);
		notice(s, guest_dhcp(&g, &lease) ? "online" : "no answer");
		while (recv(p.fd, g.frame, sizeof(g.frame), 0) > 0)
			;
		notice(s, "cable pulled");
		close(p.fd);
	}
}

/* Sends what comes for a name server back to whom the host's resolv.conf says. */
static void ask_for_names(int s, uint16_t port)
{
	static struct guest g;
	static const uint8_t nameserver[4] = { 10, 0, 2, 3 };

	(void)port;
	ask(s, &(struct message_network_wanted){ .nic_count = 1 });
	guest_init(&g, receive_cable(s), 2);
	for (;;) {
		guest_udp_send(&g, nameserver, 5000, 53, "who?", 4);
		usleep(100000);
	}
}

static void ask_twice(int s, uint16_t port)
{
	(void)port;
	ask(s, &(struct message_network_wanted){ .nic_count = 1 });
	ask(s, &(struct message_network_wanted){ .nic_count = 1 });
	pause();
}

static void ask_the_person_too(int s, uint16_t port)
{
	union message m = { .question = { .kind = QUESTION_DIGEST } };
	int fds[MESSAGE_MAX_FDS];
	unsigned nfds;

	(void)port;
	ask(s, &(struct message_network_wanted){ .nic_count = 1, .flags = NAT_HOST_LOOPBACK });
	message_send(s, &m, MESSAGE_QUESTION, 0, NULL, 0);
	while (message_receive(s, &m, FROM_BROKER, fds, &nfds) == 0)
		if (m.header.type == MESSAGE_ANSWER)
			notice(s, "answered");
}

/* As a core does that has read its appliance: the state folder first. */
static void ask_with_state(int s, uint16_t port)
{
	struct message_network_wanted wish = { .nic_count = 1, .flags = NAT_HOST_LOOPBACK, .forward_count = 1 };
	union message m = { .hello = { .version = PROTOCOL_VERSION } };
	int fds[MESSAGE_MAX_FDS];
	unsigned nfds;

	message_send(s, &m, MESSAGE_HELLO, 0, NULL, 0);
	m = (union message){ .open = { .role = OPEN_CONFIGURATION,
		                       .fingerprint = "0123456789abcdef0123456789abcdef",
		                       .machine = "m" } };
	message_send(s, &m, MESSAGE_OPEN, 0, NULL, 0);
	if (message_receive(s, &m, FROM_BROKER, fds, &nfds) < 0 || m.header.type != MESSAGE_OPENED || nfds != 1)
		_exit(8);
	wish.forwards[0] = (struct nat_forward){ NAT_TCP, { 0 }, { 0, 0, 0, 0 }, port, 22 };
	m.network_wanted = wish;
	message_send(s, &m, MESSAGE_NETWORK_WANTED, 0, NULL, 0);
	while (receive_cable(s) >= 0)
		notice(s, "online");
}

static const struct {
	const char *name;
	void (*play)(int s, uint16_t port);
} parts[] = { { "use", use_network },
	      { "names", ask_for_names },
	      { "twice", ask_twice },
	      { "questions", ask_the_person_too },
	      { "state", ask_with_state } };

static int fake_core(int s)
{
	int fds[MESSAGE_MAX_FDS];
	union message m;
	unsigned nfds, port = 0;
	char part[32];

	if (message_receive(s, &m, FROM_BROKER, fds, &nfds) < 0 || m.header.type != MESSAGE_START)
		return 7;
	while (nfds)
		close(fds[--nfds]);
	sscanf(m.start.drive, "%31s %u", part, &port);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strcmp(parts[i].name, part))
			parts[i].play(s, (uint16_t)port);
	return 0;
}

/* ---- the broker's side ---- */

static struct broker *start_with(const char *part, bool asks, uint32_t flags)
{
	char drive[32], text[MESSAGE_TEXT];
	struct broker_options options = { .core_path = "/proc/self/exe",
		                          .appliance = appliance,
		                          .mode = START_DESCRIBE,
		                          .flags = flags,
		                          .asks = asks,
		                          .drive = drive,
		                          .output_fd = -1 };
	struct broker *b;

	snprintf(drive, sizeof(drive), "%s %u", part, forwarded);
	if (broker_start(&options, &b, text) < 0)
		fail_msg("%s", text);
	return b;
}

static struct broker *start(const char *part, bool asks)
{
	return start_with(part, asks, 0);
}

static int receive(struct broker *b, union message *m)
{
	for (;;) {
		struct pollfd p = { .fd = broker_socket(b), .events = POLLIN };
		int result;

		if (poll(&p, 1, 20000) <= 0)
			return -ETIME;
		result = broker_receive(b, m);
		if (result && result != -EAGAIN)
			return result;
	}
}

/* The next notice with these words in it; LISTENING is kept in passing. */
static struct message_listening listening;

static void expect_notice(struct broker *b, const char *words)
{
	union message m;

	for (;;) {
		int result = receive(b, &m);

		if (result != 1)
			fail_msg("%d while waiting for \"%s\"", result, words);
		if (m.header.type == MESSAGE_LISTENING)
			listening = m.listening;
		if (m.header.type == MESSAGE_NOTICE && strstr(m.notice.text, words))
			return;
	}
}

static bool host_listens(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool open;

	memcpy(&a.sin_addr, here, 4);
	open = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	close(fd);
	return open;
}

static void what_is_refused_is_told_and_the_rest_works(void **state)
{
	struct broker *b = start("use", false);

	(void)state;
	memset(&listening, 0, sizeof(listening));
	expect_notice(b, "ports below 1024");
	expect_notice(b, "other computers could reach the machine");
	expect_notice(b, "vitrine.hostLoopback");
	expect_notice(b, "online");
	while (!listening.count) {
		union message m;

		assert_int_equal(receive(b, &m), 1);
		if (m.header.type == MESSAGE_LISTENING)
			listening = m.listening;
	}
	assert_int_equal(listening.count, 1);
	assert_int_equal(listening.ports[0].host_port, forwarded);
	assert_int_equal(listening.ports[0].guest_port, 443);
	assert_true(host_listens(forwarded));
	assert_false(host_listens(80));
	broker_free(b);
	assert_false(host_listens(forwarded)); /* it ended with its broker */
}

static void expect_question(struct broker *b, enum question_kind kind, union message *m)
{
	do
		assert_int_equal(receive(b, m), 1);
	while (m->header.type != MESSAGE_QUESTION);
	assert_int_equal(m->question.kind, kind);
}

static void answer(struct broker *b, bool accept)
{
	union message m = { .answer = { .accept = accept } };

	assert_int_equal(broker_send(b, &m, MESSAGE_ANSWER, 1), 0);
}

static void a_person_who_is_there_is_asked_first(void **state)
{
	struct broker *b = start("use", true);
	union message m;

	(void)state;
	expect_question(b, QUESTION_NETWORK, &m);
	assert_non_null(strstr(m.question.text, "own services"));
	assert_non_null(strstr(m.question.text, "(0.0.0.0)"));
	assert_null(strstr(m.question.text, "port 80 ")); /* that is no question */
	assert_int_equal(broker_net_process(b), 0);
	answer(b, true);
	expect_notice(b, "ports below 1024");
	expect_notice(b, "online"); /* no other refusal in between: the test below has them */
	broker_free(b);
}

static void a_no_leaves_the_rest(void **state)
{
	struct broker *b = start("use", true);
	union message m;

	(void)state;
	expect_question(b, QUESTION_NETWORK, &m);
	answer(b, false);
	expect_notice(b, "other computers could reach the machine");
	expect_notice(b, "vitrine.hostLoopback");
	expect_notice(b, "online");
	broker_free(b);
}

/* Whether a start asks; answers so. */
static bool asks(uint32_t flags, bool accept)
{
	struct broker *b = start_with("state", true, flags);
	bool asked = false;
	union message m;

	for (;;) {
		assert_int_equal(receive(b, &m), 1);
		if (m.header.type == MESSAGE_QUESTION) {
			asked = true;
			answer(b, accept);
		}
		if (m.header.type == MESSAGE_NOTICE && !strcmp(m.notice.text, "online"))
			break;
	}
	broker_free(b);
	return asked;
}

static void a_yes_is_kept_for_what_it_was_about(void **state)
{
	char home[] = "/tmp/vitrine-consent-XXXXXX", command[64];
	uint16_t port = forwarded;
	struct broker *b;

	(void)state;
	assert_non_null(mkdtemp(home));
	setenv("XDG_STATE_HOME", home, 1);
	assert_true(asks(0, false));                  /* a no is not kept */
	assert_true(asks(START_AS_DOWNLOADED, true)); /* nor is a yes of such a run */
	assert_true(asks(0, true));
	assert_false(asks(0, true));
	assert_true(asks(START_AS_DOWNLOADED, true));
	forwarded++; /* another port is another question */
	assert_true(asks(0, false));
	forwarded = port;
	assert_false(asks(0, true));
	b = start("state", false); /* without a person it holds as well */
	expect_notice(b, "online");
	broker_free(b);
	unsetenv("XDG_STATE_HOME");
	snprintf(command, sizeof(command), "rm -r %s", home);
	assert_int_equal(system(command), 0);
}

/* The core's question and the broker's come one after the other, whoever is first. */
static void two_questions_are_asked_one_by_one(void **state)
{
	struct broker *b = start("questions", true);
	enum question_kind first;
	union message m;
	int result;

	(void)state;
	do
		assert_int_equal(receive(b, &m), 1);
	while (m.header.type != MESSAGE_QUESTION);
	first = m.question.kind;
	for (struct timespec pause = { 0, 300000000 }; nanosleep(&pause, &pause);)
		;
	while ((result = broker_receive(b, &m)) >= 0)
		assert_false(result == 1 && m.header.type == MESSAGE_QUESTION);
	answer(b, true);
	expect_question(b, first == QUESTION_NETWORK ? QUESTION_DIGEST : QUESTION_NETWORK, &m);
	answer(b, true);
	expect_notice(b, "answered"); /* the core's own answer came to the core */
	broker_free(b);
}

static void a_dead_network_is_told_and_started_again(void **state)
{
	struct broker *b = start("use", false);
	pid_t first;

	(void)state;
	expect_notice(b, "online");
	first = broker_net_process(b);
	assert_true(first > 0);
	kill(first, SIGKILL);
	expect_notice(b, "was interrupted: its program ended (signal 9");
	expect_notice(b, "online");
	assert_int_not_equal(broker_net_process(b), first);
	assert_true(host_listens(forwarded));
	broker_free(b);
}

static void a_network_that_dies_and_dies_is_given_up(void **state)
{
	struct broker *b = start("use", false);

	(void)state;
	for (unsigned i = 0; i < NET_RESTARTS; i++) {
		expect_notice(b, "online");
		kill(broker_net_process(b), SIGKILL);
		expect_notice(b, "was interrupted");
	}
	expect_notice(b, "online");
	kill(broker_net_process(b), SIGKILL);
	expect_notice(b, "The machine is offline: its network program has ended 6 times");
	assert_int_equal(broker_net_process(b), 0);
	broker_free(b);
}

static void a_network_is_wanted_once(void **state)
{
	struct broker *b = start("twice", false);
	union message m;
	int result;

	(void)state;
	do
		result = receive(b, &m);
	while (result == 1);
	assert_int_equal(result, -EPROTO);
	broker_free(b);
}

static void a_missing_program_leaves_the_machine_offline_in_words(void **state)
{
	struct broker *b;

	(void)state;
	setenv("VITRINE_NET", "/nonexistent", 1);
	b = start("use", false);
	expect_notice(b, "The machine is offline: /nonexistent cannot be run");
	broker_free(b);
	setenv("VITRINE_NET", VITRINE_NET, 1);
}

static void the_command_line_grants_what_a_file_cannot(void **state)
{
	struct nat_forward outside = { NAT_TCP, { 0 }, { 0, 0, 0, 0 }, 8080, 80 }, low = outside;
	char text[MESSAGE_TEXT];

	(void)state;
	low.host_port = 1023;
	assert_true(broker_net_judge(&outside, 0, text) < 0);
	assert_int_equal(broker_net_judge(&outside, START_LISTEN_OUTSIDE, text), 0);
	assert_true(broker_net_judge(&low, START_LISTEN_OUTSIDE, text) < 0);
	memcpy(low.address, (uint8_t[]){ 192, 168, 1, 1 }, 4);
	low.host_port = 1024;
	assert_true(broker_net_judge(&low, START_HOST_LOOPBACK, text) < 0);
}

static void write_resolv(const char *nameserver)
{
	FILE *f = fopen(resolv, "w");

	assert_non_null(f);
	fprintf(f, "search example.org\nnameserver %s\n", nameserver);
	fclose(f);
}

static int name_server(const uint8_t ip[4])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(&a.sin_addr, ip, 4);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Serves the broker until the name server is asked something. */
static bool is_asked(struct broker *b, int server)
{
	for (unsigned i = 0; i < 200; i++) { /* 20 s, on a busy host */
		struct pollfd p[] = { { .fd = server, .events = POLLIN },
			              { .fd = broker_socket(b), .events = POLLIN } };
		union message m;

		poll(p, 2, 100);
		if (p[0].revents)
			return true;
		while (broker_receive(b, &m) >= 0)
			;
	}
	return false;
}

static void name_servers_follow_the_hosts_file(void **state)
{
	int first = name_server((uint8_t[]){ 127, 0, 0, 77 }), second = name_server((uint8_t[]){ 127, 0, 0, 78 });
	struct broker *b;

	(void)state;
	if (first < 0 || second < 0) {
		print_message("SKIPPED: port 53 of 127.0.0.77 cannot be bound (run as root)\n");
		skip();
	}
	write_resolv("127.0.0.77");
	b = start("names", false);
	assert_true(is_asked(b, first));
	write_resolv("127.0.0.78");
	assert_true(is_asked(b, second));
	broker_free(b);
	close(first);
	close(second);
}

static int prepare(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t length = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	memcpy(&a.sin_addr, here, 4);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || getsockname(fd, (struct sockaddr *)&a, &length) < 0)
		return -1;
	forwarded = ntohs(a.sin_port);
	close(fd);
	setenv("VITRINE_NET", VITRINE_NET, 1);
	strcpy(resolv, "/tmp/vitrine-resolv-XXXXXX");
	close(mkstemp(resolv));
	setenv("VITRINE_RESOLV_CONF", resolv, 1);
	strcpy(appliance, "/tmp/vitrine-appliance-XXXXXX");
	fd = mkstemp(appliance);
	return fd < 0 ? -1 : close(fd);
}

static int tidy(void **state)
{
	(void)state;
	unlink(resolv);
	return unlink(appliance);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_refused_is_told_and_the_rest_works),
		cmocka_unit_test(a_person_who_is_there_is_asked_first),
		cmocka_unit_test(a_no_leaves_the_rest),
		cmocka_unit_test(a_yes_is_kept_for_what_it_was_about),
		cmocka_unit_test(two_questions_are_asked_one_by_one),
		cmocka_unit_test(a_dead_network_is_told_and_started_again),
		cmocka_unit_test(a_network_that_dies_and_dies_is_given_up),
		cmocka_unit_test(a_network_is_wanted_once),
		cmocka_unit_test(a_missing_program_leaves_the_machine_offline_in_words),
		cmocka_unit_test(the_command_line_grants_what_a_file_cannot),
		cmocka_unit_test(name_servers_follow_the_hosts_file),
	};

	if (argc == 3 && !strcmp(argv[1], "--core-fd"))
		return fake_core(atoi(argv[2]));
	return cmocka_run_group_tests(tests, prepare, tidy);
}
