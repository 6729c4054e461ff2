/* SPDX-License-Identifier: MIT */
/* vitrine-net as it runs, sandbox and all: this test is its broker, its guests, and the servers of the host around it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/net/nat/config.h"
#include "tiny_guest.h"
#include "vmformat/bytes.h"

static const uint8_t here[4] = { 127, 0, 0, 1 }, resolver[4] = { 127, 0, 0, 77 }, resolver2[4] = { 127, 0, 0, 78 };
static const uint8_t gateway[4] = { 10, 0, 2, 2 }, nameserver[4] = { 10, 0, 2, 3 };

struct rig {
	pid_t pid;
	int control;
	struct guest guests[NAT_MAX_NICS];
	unsigned count;
	struct nat_report report;
};

/* ---- the process ---- */

static void become_vitrine_net(int control, const int *frames, unsigned count)
{
	int moved[1 + NAT_MAX_NICS];

	moved[0] = fcntl(control, F_DUPFD, 100);
	for (unsigned i = 0; i < count; i++)
		moved[1 + i] = fcntl(frames[i], F_DUPFD, 100);
	for (unsigned i = 0; i <= count; i++)
		dup2(moved[i], NAT_CONTROL_FD + (int)i);
	close_range(NAT_FRAME_FD + count, ~0u, 0);
	execl(VITRINE_NET, "vitrine-net", (char *)NULL);
	_exit(126);
}

static void spawn(struct rig *r, unsigned count)
{
	int control[2], ours[NAT_MAX_NICS], theirs[NAT_MAX_NICS];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	for (unsigned i = 0; i < count; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0)
		become_vitrine_net(control[1], theirs, count);
	close(control[1]);
	r->control = control[0];
	r->count = count;
	for (unsigned i = 0; i < count; i++) {
		close(theirs[i]);
		guest_init(&r->guests[i], ours[i], (uint8_t)(2 + i));
	}
}

static struct rig *start(const struct nat_start *wish)
{
	struct rig *r = calloc(1, sizeof(*r));
	union nat_message m = { .start = *wish };
	struct pollfd p = { .events = POLLIN };

	m.start.version = NAT_VERSION;
	m.start.nic_count = MAX(wish->nic_count, 1u);
	spawn(r, m.start.nic_count);
	assert_int_equal(nat_send(r->control, &m, NAT_START), 0);
	p.fd = r->control;
	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_int_equal(nat_receive(r->control, &m, FROM_NAT), 0);
	assert_int_equal(m.header.type, NAT_REPORT);
	r->report = m.report;
	for (unsigned i = 0; i < r->count; i++)
		guest_arp(&r->guests[i], (uint8_t[]){ 10, 0, (uint8_t)(2 + i), 2 });
	return r;
}

/* Its exit status; it must have lived until now, and end when its broker goes. */
static void stop(struct rig *r)
{
	int status;

	assert_int_equal(waitpid(r->pid, &status, WNOHANG), 0);
	close(r->control);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	for (unsigned i = 0; i < r->count; i++)
		close(r->guests[i].fd);
	free(r);
}

/* ---- the host's side ---- */

static struct sockaddr_in address(const uint8_t ip[4], uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	memcpy(&a.sin_addr, ip, 4);
	return a;
}

/* A server; *port 0: any. -1: not possible here (errno). */
static int serve(int type, const uint8_t ip[4], uint16_t *port)
{
	struct sockaddr_in a = address(ip, *port);
	socklen_t length = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || (type == SOCK_STREAM && listen(fd, 5) < 0)) {
		close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &length), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static bool readable(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, wait_ms) == 1;
}

static int accept_one(int server)
{
	assert_true(readable(server, GUEST_WAIT_MS));
	return accept(server, NULL, NULL);
}

/* An address of this host that is not its loopback. */
static bool outer_address(uint8_t ret_ip[4])
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (struct ifaddrs *i = all; i && !found; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && !(i->ifa_flags & IFF_LOOPBACK)) {
			memcpy(ret_ip, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, 4);
			found = true;
		}
	freeifaddrs(all);
	return found;
}

static void skip_because(const char *why)
{
	print_message("SKIPPED: %s\n", why);
	skip();
}

/* A port that is free now. */
static uint16_t free_port(int type)
{
	uint16_t port = 0;
	int fd = serve(type, here, &port);

	assert_true(fd >= 0);
	close(fd);
	return port;
}

/* ---- tests ---- */

static struct nat_forward forward(uint8_t protocol, uint16_t host_port, uint16_t guest_port)
{
	return (struct nat_forward){
		.protocol = protocol, .address = { 127, 0, 0, 1 }, .host_port = host_port, .guest_port = guest_port
	};
}

static void a_guest_gets_an_address_a_router_and_a_name_server(void **state)
{
	struct rig *r = start(&(struct nat_start){ 0 });
	struct lease lease;

	(void)state;
	assert_true(guest_dhcp(&r->guests[0], &lease));
	assert_memory_equal(lease.ip, ((uint8_t[]){ 10, 0, 2, 15 }), 4);
	assert_memory_equal(lease.router, gateway, 4);
	assert_memory_equal(lease.nameserver, nameserver, 4);
	stop(r);
}

static void each_card_has_a_network_of_its_own(void **state)
{
	struct rig *r = start(&(struct nat_start){ .nic_count = 3 });
	struct lease lease;

	(void)state;
	for (uint8_t i = 0; i < 3; i++) {
		assert_true(guest_dhcp(&r->guests[i], &lease));
		assert_memory_equal(lease.ip, ((uint8_t[]){ 10, 0, (uint8_t)(2 + i), 15 }), 4);
	}
	stop(r);
}

static void the_gateway_answers_an_echo(void **state)
{
	struct rig *r = start(&(struct nat_start){ 0 });

	(void)state;
	assert_true(guest_ping(&r->guests[0], gateway));
	stop(r);
}

static void an_echo_reaches_another_host_where_ping_sockets_are_allowed(void **state)
{
	int probe = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	uint8_t outer[4];
	struct rig *r;

	(void)state;
	if (probe < 0)
		skip_because("this host allows no ping sockets (net.ipv4.ping_group_range)");
	close(probe);
	if (!outer_address(outer))
		skip_because("this host has no address but its loopback");
	r = start(&(struct nat_start){ 0 });
	assert_true(guest_ping(&r->guests[0], outer));
	assert_false(guest_ping(&r->guests[0], here));
	stop(r);
}

/* Asks and answers one "name"; returns whether it came through. */
static bool asks(struct guest *g, int server, uint16_t from)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);
	uint8_t answer[32], ip[4];
	uint16_t port;

	guest_udp_send(g, nameserver, from, 53, "who?", 4);
	if (!readable(server, GUEST_QUIET_MS))
		return false;
	assert_int_equal(recvfrom(server, answer, sizeof(answer), 0, (struct sockaddr *)&peer, &length), 4);
	assert_memory_equal(answer, "who?", 4);
	assert_int_equal(sendto(server, "me", 2, 0, (struct sockaddr *)&peer, length), 2);
	assert_int_equal(guest_udp_receive(g, from, answer, sizeof(answer), ip, &port, GUEST_WAIT_MS), 2);
	assert_memory_equal(ip, nameserver, 4);
	assert_int_equal(port, 53);
	return true;
}

static void names_are_asked_of_the_hosts_server_and_follow_its_changes(void **state)
{
	uint16_t port = 53;
	int first = serve(SOCK_DGRAM, resolver, &port), second = serve(SOCK_DGRAM, resolver2, &port);
	struct nat_start wish = { 0 };
	union nat_message m = { .nameservers = { .servers = { { 0 }, { 0 } } } };
	struct rig *r;

	(void)state;
	if (first < 0 || second < 0)
		skip_because("port 53 of 127.0.0.77 cannot be bound (run as root)");
	memcpy(wish.servers.ipv4, resolver, 4);
	r = start(&wish);
	assert_true(asks(&r->guests[0], first, 5001));
	usleep(1200000); /* libslirp looks at resolv.conf once a second: now it must do so behind the door */
	assert_true(asks(&r->guests[0], first, 5002));
	memcpy(m.nameservers.servers.ipv4, resolver2, 4);
	assert_int_equal(nat_send(r->control, &m, NAT_NAMESERVERS), 0);
	usleep(1200000);
	assert_true(asks(&r->guests[0], second, 5003));
	close(first);
	close(second);
	stop(r);
}

static void a_connection_reaches_a_server_beside_the_host(void **state)
{
	static uint8_t sent[20000], got[sizeof(sent)];
	uint8_t outer[4], words[64];
	uint16_t port = 0;
	int server, peer;
	size_t count = 0;
	struct rig *r;

	(void)state;
	if (!outer_address(outer))
		skip_because("this host has no address but its loopback");
	server = serve(SOCK_STREAM, outer, &port);
	assert_true(server >= 0);
	r = start(&(struct nat_start){ 0 });
	assert_int_equal(guest_tcp_connect(&r->guests[0], outer, port), TCP_OPEN);
	peer = accept_one(server);
	assert_int_equal(send(peer, "hello", 5, 0), 5);
	assert_int_equal(guest_tcp_receive(&r->guests[0], words, sizeof(words)), 5);
	assert_memory_equal(words, "hello", 5);
	/* One frame as a card with segmentation offload has it. */
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 / 3);
	guest_tcp_send(&r->guests[0], sent, sizeof(sent));
	while (count < sizeof(got) && readable(peer, GUEST_WAIT_MS)) {
		ssize_t n = recv(peer, got + count, sizeof(got) - count, 0);

		assert_true(n > 0);
		count += (size_t)n;
	}
	assert_int_equal(count, sizeof(got));
	assert_memory_equal(got, sent, sizeof(got));
	close(peer);
	close(server);
	stop(r);
}

static void a_long_download_loses_nothing_when_the_guest_is_slow(void **state)
{
	static uint8_t data[65536];
	uint8_t outer[4];
	uint16_t port = 0;
	int server, peer;
	uint32_t sent = 0, got = 0;
	struct rig *r;

	(void)state;
	if (!outer_address(outer))
		skip_because("this host has no address but its loopback");
	server = serve(SOCK_STREAM, outer, &port);
	r = start(&(struct nat_start){ 0 });
	assert_int_equal(guest_tcp_connect(&r->guests[0], outer, port), TCP_OPEN);
	peer = accept_one(server);
	fcntl(peer, F_SETFL, O_NONBLOCK);
	while (got < 2u << 20) {
		for (size_t i = 0; i < 65536; i++)
			data[i] = (uint8_t)((sent + i) / 251);
		ssize_t n = send(peer, data, 65536, MSG_NOSIGNAL);

		sent += n > 0 ? (uint32_t)n : 0;
		size_t length = guest_tcp_receive(&r->guests[0], data, 65536);

		assert_true(length > 0);
		for (size_t i = 0; i < length; i++)
			assert_int_equal(data[i], (uint8_t)((got + i) / 251));
		got += (uint32_t)length;
	}
	close(peer);
	close(server);
	stop(r);
}

/* With a UDP forward libslirp's own ban is off (nat.c), and ours must hold alone. */
static void loopback_is_refused(const struct nat_start *start_wish)
{
	static const uint8_t zero[4] = { 0 }, other[4] = { 127, 1, 2, 3 };
	struct nat_start wish = *start_wish;
	uint16_t port = 0, port2, udp_port = 0;
	int server = serve(SOCK_STREAM, (uint8_t[]){ 0, 0, 0, 0 }, &port), at_resolver, udp;
	struct rig *r;
	struct guest *g;

	port2 = 0;
	at_resolver = serve(SOCK_STREAM, resolver, &port2);
	udp = serve(SOCK_DGRAM, here, &udp_port);
	assert_true(server >= 0 && at_resolver >= 0 && udp >= 0);
	memcpy(wish.servers.ipv4, resolver, 4);
	r = start(&wish);
	g = &r->guests[0];
	assert_int_not_equal(guest_tcp_connect(g, gateway, port), TCP_OPEN);
	assert_int_equal(guest_tcp_connect(g, here, port), TCP_UNREACHABLE);
	assert_int_equal(guest_tcp_connect(g, other, port), TCP_UNREACHABLE);
	assert_int_not_equal(guest_tcp_connect(g, zero, port), TCP_OPEN);
	assert_int_equal(guest_tcp_connect(g, nameserver, port2),
	                 TCP_UNREACHABLE); /* another port of a resolver on the host */
	guest_udp_send(g, here, 6000, udp_port, "x", 1);
	guest_udp_send(g, gateway, 6000, udp_port, "x", 1);
	guest_udp_send(g, zero, 6000, udp_port, "x", 1);
	assert_false(readable(server, GUEST_QUIET_MS));
	assert_false(readable(at_resolver, 0));
	assert_false(readable(udp, 0));
	close(server);
	close(at_resolver);
	close(udp);
	stop(r);
}

static void the_hosts_loopback_is_refused(void **state)
{
	(void)state;
	loopback_is_refused(&(struct nat_start){ 0 });
}

static void the_hosts_loopback_is_refused_beside_a_udp_forward(void **state)
{
	struct nat_start wish = { .forward_count = 1, .forwards = { forward(NAT_UDP, free_port(SOCK_DGRAM), 53) } };

	(void)state;
	loopback_is_refused(&wish);
}

static void the_hosts_loopback_is_open_if_the_user_wants_it(void **state)
{
	struct rig *r = start(&(struct nat_start){ .flags = NAT_HOST_LOOPBACK });
	uint16_t port = 0;
	int server = serve(SOCK_STREAM, here, &port);

	(void)state;
	assert_int_equal(guest_tcp_connect(&r->guests[0], gateway, port), TCP_OPEN);
	close(accept_one(server));
	close(server);
	stop(r);
}

static void the_hosts_loopback_is_refused_in_ipv6_too(void **state)
{
	static const uint8_t one[16] = { [15] = 1 }, mapped[16] = { [10] = 255, 255, 127, 0, 0, 1 };
	static const uint8_t host[16] = { 0xfd, 'V', 'i', 't', 'r', 'i', 0, 2, [15] = 2 };
	struct rig *r = start(&(struct nat_start){ 0 });
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	socklen_t length = sizeof(a);
	int server = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	uint16_t port;

	(void)state;
	if (server < 0 || bind(server, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(server, 5) < 0) {
		stop(r);
		skip_because("this host has no IPv6");
	}
	getsockname(server, (struct sockaddr *)&a, &length);
	port = ntohs(a.sin6_port);
	assert_int_not_equal(guest_tcp6_connect(&r->guests[0], one, port), TCP_OPEN);
	assert_int_not_equal(guest_tcp6_connect(&r->guests[0], mapped, port), TCP_OPEN);
	assert_int_not_equal(guest_tcp6_connect(&r->guests[0], host, port), TCP_OPEN);
	assert_false(readable(server, GUEST_QUIET_MS));
	close(server);
	stop(r);
}

static void a_router_is_advertised_in_ipv6_and_answers(void **state)
{
	static const uint8_t routers[16] = { 0xff, 2, [15] = 2 };
	static const uint8_t host[16] = { 0xfd, 'V', 'i', 't', 'r', 'i', 0, 2, [15] = 2 };
	struct rig *r = start(&(struct nat_start){ 0 });
	uint8_t body[28] = { 0 };

	(void)state;
	assert_int_equal(guest_icmp6(&r->guests[0], routers, 133, body, 4, 134), 134);
	memcpy(body + 4, host, 16);
	assert_int_equal(guest_icmp6(&r->guests[0], host, 128, body, 8, 129), 129);
	stop(r);
}

static void a_forwarded_tcp_port_leads_into_the_guest(void **state)
{
	uint16_t port = free_port(SOCK_STREAM);
	struct nat_start wish = { .forward_count = 1, .forwards = { forward(NAT_TCP, port, 443) } };
	struct rig *r = start(&wish);
	struct sockaddr_in a = address(here, port);
	struct lease lease;
	char words[16];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(r->report.forward_errors[0], 0);
	assert_true(guest_dhcp(&r->guests[0], &lease));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_true(guest_tcp_accept(&r->guests[0], 443));
	assert_memory_equal(r->guests[0].far_ip, gateway, 4);
	assert_int_equal(send(fd, "GET /", 5, 0), 5);
	assert_int_equal(guest_tcp_receive(&r->guests[0], words, sizeof(words)), 5);
	assert_memory_equal(words, "GET /", 5);
	guest_tcp_send(&r->guests[0], "200", 3);
	assert_true(readable(fd, GUEST_WAIT_MS));
	assert_int_equal(recv(fd, words, sizeof(words), 0), 3);
	close(fd);
	stop(r);
}

static void a_forwarded_udp_port_leads_into_the_guest_and_its_answer_back(void **state)
{
	uint16_t port = free_port(SOCK_DGRAM), from;
	struct nat_start wish = { .forward_count = 1, .forwards = { forward(NAT_UDP, port, 53) } };
	struct rig *r = start(&wish);
	struct sockaddr_in a = address(here, port);
	uint8_t words[16], ip[4];
	uint16_t other_port = 0;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), other = serve(SOCK_DGRAM, here, &other_port);

	(void)state;
	assert_int_equal(r->report.forward_errors[0], 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(fd, "ask", 3, 0), 3);
	assert_int_equal(guest_udp_receive(&r->guests[0], 53, words, sizeof(words), ip, &from, GUEST_WAIT_MS), 3);
	guest_udp_send(&r->guests[0], ip, 53, from, "answer", 6);
	assert_true(readable(fd, GUEST_WAIT_MS));
	assert_int_equal(recv(fd, words, sizeof(words), 0), 6);
	/* But from that port it reaches nobody who has not asked. */
	guest_udp_send(&r->guests[0], ip, 53, other_port, "x", 1);
	assert_false(readable(other, GUEST_QUIET_MS));
	close(fd);
	close(other);
	stop(r);
}

static void a_forward_that_cannot_listen_is_reported_and_the_rest_goes_on(void **state)
{
	uint16_t taken = 0, port = free_port(SOCK_STREAM);
	int holder = serve(SOCK_STREAM, here, &taken);
	struct nat_start wish = { .forward_count = 2,
		                  .forwards = { forward(NAT_TCP, taken, 80), forward(NAT_TCP, port, 80) } };
	struct rig *r = start(&wish);

	(void)state;
	assert_int_equal(r->report.forward_errors[0], -EADDRINUSE);
	assert_int_equal(r->report.forward_errors[1], 0);
	assert_true(guest_ping(&r->guests[0], gateway));
	close(holder);
	stop(r);
}

static void nonsense_in_frames_is_survived(void **state)
{
	struct rig *r = start(&(struct nat_start){ 0 });
	uint8_t frame[1514];

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		size_t length = 14 + (size_t)rand() % (sizeof(frame) - 14);

		for (size_t k = 0; k < length; k++)
			frame[k] = (uint8_t)rand();
		frame[12] = (uint8_t[]){ 0x08, 0x08, 0x86 }[i % 3];
		frame[13] = (uint8_t[]){ 0x00, 0x06, 0xdd }[i % 3];
		frame[14] = i % 3 == 2 ? 0x60 : 0x45;
		if (i % 2)
			be16_store(frame + 16, (uint16_t)(length - 14));
		guest_raw(&r->guests[0], frame, length);
		while (recv(r->guests[0].fd, frame, sizeof(frame), MSG_DONTWAIT) > 0)
			;
	}
	assert_true(guest_ping(&r->guests[0], gateway));
	stop(r);
}

static void a_card_that_goes_ends_it(void **state)
{
	struct rig *r = start(&(struct nat_start){ 0 });
	int status;

	(void)state;
	close(r->guests[0].fd);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	assert_int_equal(status, 0);
	close(r->control);
	free(r);
}

static void a_start_message_that_is_none_is_refused(void **state)
{
	struct rig r = { 0 };
	int status, null = open("/dev/null", O_WRONLY), error = dup(2);

	(void)state;
	dup2(null, 2);
	spawn(&r, 1);
	dup2(error, 2);
	assert_int_equal(send(r.control, "nonsense", 8, 0), 8);
	assert_int_equal(waitpid(r.pid, &status, 0), r.pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	close(r.control);
	close(r.guests[0].fd);
	close(null);
	close(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_gets_an_address_a_router_and_a_name_server),
		cmocka_unit_test(each_card_has_a_network_of_its_own),
		cmocka_unit_test(the_gateway_answers_an_echo),
		cmocka_unit_test(an_echo_reaches_another_host_where_ping_sockets_are_allowed),
		cmocka_unit_test(names_are_asked_of_the_hosts_server_and_follow_its_changes),
		cmocka_unit_test(a_connection_reaches_a_server_beside_the_host),
		cmocka_unit_test(a_long_download_loses_nothing_when_the_guest_is_slow),
		cmocka_unit_test(the_hosts_loopback_is_refused),
		cmocka_unit_test(the_hosts_loopback_is_refused_beside_a_udp_forward),
		cmocka_unit_test(the_hosts_loopback_is_open_if_the_user_wants_it),
		cmocka_unit_test(the_hosts_loopback_is_refused_in_ipv6_too),
		cmocka_unit_test(a_router_is_advertised_in_ipv6_and_answers),
		cmocka_unit_test(a_forwarded_tcp_port_leads_into_the_guest),
		cmocka_unit_test(a_forwarded_udp_port_leads_into_the_guest_and_its_answer_back),
		cmocka_unit_test(a_forward_that_cannot_listen_is_reported_and_the_rest_goes_on),
		cmocka_unit_test(nonsense_in_frames_is_survived),
		cmocka_unit_test(a_card_that_goes_ends_it),
		cmocka_unit_test(a_start_message_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
