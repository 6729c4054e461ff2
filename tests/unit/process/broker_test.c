/* SPDX-License-Identifier: MIT */
/*
 * The broker against cores of all kinds. This program is also the fake core: the broker starts it with --core-fd, and
 * what it is to do arrives as the drive's name in START.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/broker.h"
#include "vmformat/bytes.h"

static char appliance[64];
static char text[MESSAGE_TEXT];

/* ---- the fake core ---- */

static void say(int s, union message *m, enum message_type type)
{
	message_send(s, m, type, 0, NULL, 0);
}

static void greet(int s)
{
	union message m = { .hello = { .version = PROTOCOL_VERSION } };

	say(s, &m, MESSAGE_HELLO);
}

static void notice(int s, const char *words)
{
	union message m = { .notice = { .level = NOTICE_INFO } };

	message_copy_text(m.notice.text, sizeof(m.notice.text), words);
	say(s, &m, MESSAGE_NOTICE);
}

static void be_polite(int s, const struct message_start *start)
{
	greet(s);
	notice(s, start->name);
}

static void forget_greeting(int s, const struct message_start *start)
{
	notice(s, start->name);
}

static void greet_twice(int s, const struct message_start *start)
{
	(void)start;
	greet(s);
	greet(s);
}

static void send_garbage(int s, const struct message_start *start)
{
	char junk[200];

	(void)start;
	memset(junk, 0x5a, sizeof(junk));
	greet(s);
	if (send(s, junk, sizeof(junk), 0) < 0)
		_exit(9);
}

static void talk_like_a_broker(int s, const struct message_start *start)
{
	union message m = { .command = { .command = COMMAND_RUN } };

	(void)start;
	greet(s);
	say(s, &m, MESSAGE_COMMAND);
}

static void send_descriptors(int s, const struct message_start *start)
{
	union message m = { .notice = { .level = NOTICE_INFO } };
	int fds[] = { 0, 1 };

	(void)start;
	greet(s);
	message_send(s, &m, MESSAGE_NOTICE, 0, fds, 2);
}

/* Asks for `name` and tells how it went. */
static void open_one(int s, const char *name)
{
	union message m = { .open = { .role = OPEN_NAMED } };
	int fds[MESSAGE_MAX_FDS];
	char words[64];
	unsigned nfds;
	uint32_t serial;

	message_copy_text(m.open.name, sizeof(m.open.name), name);
	say(s, &m, MESSAGE_OPEN);
	serial = m.header.serial;
	if (message_receive(s, &m, FROM_BROKER, fds, &nfds) < 0 || m.header.type != MESSAGE_OPENED ||
	    m.header.serial != serial)
		_exit(8);
	snprintf(words, sizeof(words), "%d %u", m.opened.status, nfds);
	notice(s, words);
	while (nfds)
		close(fds[--nfds]);
}

static void open_files(int s, const struct message_start *start)
{
	greet(s);
	open_one(s, start->name);
	open_one(s, "../../etc/passwd");
}

static void open_for_ever(int s, const struct message_start *start)
{
	greet(s);
	for (;;)
		open_one(s, start->name);
}

static void die_with_words(int s, const struct message_start *start)
{
	(void)start;
	greet(s);
	fprintf(stderr, "assertion \033[1mfailed\n");
	fflush(stderr);
	abort();
}

/* What does a core hold at birth? */
static void list_descriptors(int s, const struct message_start *start)
{
	char words[256] = "", target[128], link[64];
	size_t used = 0;

	(void)start;
	greet(s);
	for (int fd = 0; fd < 64; fd++) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = 0;
		used += (size_t)snprintf(words + used, sizeof(words) - used, "%d=%.10s ", fd, target);
	}
	notice(s, words);
}

static void list_environment(int s, const struct message_start *start)
{
	(void)start;
	greet(s);
	notice(s, getenv("VITRINE_TEST_SECRET") ? getenv("VITRINE_TEST_SECRET") : "nothing");
}

static void sleep_for_ever(int s, const struct message_start *start)
{
	(void)start;
	greet(s);
	for (;;)
		pause();
}

static const struct {
	const char *name;
	void (*play)(int s, const struct message_start *start);
} parts[] = {
	{ "polite", be_polite },
	{ "no-hello", forget_greeting },
	{ "two-hellos", greet_twice },
	{ "garbage", send_garbage },
	{ "wrong-side", talk_like_a_broker },
	{ "descriptors", send_descriptors },
	{ "open", open_files },
	{ "open-for-ever", open_for_ever },
	{ "last-words", die_with_words },
	{ "list-descriptors", list_descriptors },
	{ "environment", list_environment },
	{ "sleep", sleep_for_ever },
};

static int fake_core(int s)
{
	int fds[MESSAGE_MAX_FDS];
	union message m;
	unsigned nfds;

	if (message_receive(s, &m, FROM_BROKER, fds, &nfds) < 0 || m.header.type != MESSAGE_START)
		return 7;
	while (nfds)
		close(fds[--nfds]);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strcmp(parts[i].name, m.start.drive))
			parts[i].play(s, &m.start);
	return 0;
}

/* ---- the broker's side ---- */

static struct broker *start(const char *part)
{
	struct broker_options options = { .core_path = "/proc/self/exe",
		                          .appliance = appliance,
		                          .mode = START_DESCRIBE,
		                          .drive = part,
		                          .output_fd = -1 };
	struct broker *b;

	if (broker_start(&options, &b, text) < 0)
		fail_msg("%s", text);
	return b;
}

/* Until a message for us comes, or an end. */
static int receive(struct broker *b, union message *m)
{
	int result;

	for (;;) {
		struct pollfd p = { .fd = broker_socket(b), .events = POLLIN };

		if (poll(&p, 1, 20000) <= 0)
			return -ETIME;
		result = broker_receive(b, m);
		if (result && result != -EAGAIN)
			return result;
	}
}

static void expect(struct broker *b, enum message_type type, union message *m)
{
	int result = receive(b, m);

	assert_int_equal(result, 1);
	assert_int_equal(m->header.type, type);
}

static void expect_notice(struct broker *b, const char *words)
{
	union message m;

	expect(b, MESSAGE_NOTICE, &m);
	assert_string_equal(m.notice.text, words);
}

static void a_core_is_started_and_heard(void **state)
{
	struct broker *b = start("polite");
	union message m;

	(void)state;
	assert_true(broker_core_pid(b) > 0);
	expect(b, MESSAGE_HELLO, &m);
	expect_notice(b, strrchr(appliance, '/') + 1); /* START's name has no folder */
	assert_int_equal(receive(b, &m), -EPIPE);
	assert_int_equal(broker_wait(b, 5000), 0);
	broker_free(b);
}

/* The broker must end a core that plays this part. */
static void expect_killed(const char *part)
{
	struct broker *b = start(part);
	union message m;
	int result;

	do
		result = receive(b, &m);
	while (result == 1);
	if (result != -EPROTO)
		fail_msg("%s: %d instead of -EPROTO", part, result);
	broker_wait(b, 5000);
	broker_free(b);
}

static void a_core_that_talks_nonsense_is_ended(void **state)
{
	(void)state;
	expect_killed("no-hello");
	expect_killed("two-hellos");
	expect_killed("garbage");
	expect_killed("wrong-side");
	expect_killed("descriptors");
}

static void a_core_that_opens_for_ever_is_ended(void **state)
{
	(void)state;
	expect_killed("open-for-ever");
}

static void files_are_opened_or_refused_for_the_core(void **state)
{
	struct broker *b = start("open");
	char refused[16];
	union message m;

	(void)state;
	expect(b, MESSAGE_HELLO, &m);
	expect_notice(b, "0 1");
	snprintf(refused, sizeof(refused), "%d 0", -EXDEV);
	expect_notice(b, refused);
	broker_free(b);
}

static void last_words_are_kept_and_harmless(void **state)
{
	struct broker *b = start("last-words");
	char words[512];
	union message m;

	(void)state;
	expect(b, MESSAGE_HELLO, &m);
	assert_int_equal(receive(b, &m), -EPIPE);
	assert_int_equal(WTERMSIG(broker_wait(b, 5000)), SIGABRT);
	assert_true(broker_last_words(b, words, sizeof(words)) > 0);
	assert_non_null(strstr(words, "failed"));
	assert_null(strchr(words, '\033'));
	broker_free(b);
}

static void a_core_is_born_with_four_descriptors(void **state)
{
	int leak = open("/etc/passwd", O_RDONLY); /* what libraries of a player leave open without close-on-exec */
	struct broker *b = start("list-descriptors");
	char wanted[] = "0=/dev/null 1=/dev/null 2=pipe:[";
	union message m;

	(void)state;
	expect(b, MESSAGE_HELLO, &m);
	expect(b, MESSAGE_NOTICE, &m);
	assert_memory_equal(m.notice.text, wanted, strlen(wanted));
	assert_non_null(strstr(m.notice.text, "3=socket:["));
	assert_null(strstr(m.notice.text, "4=/etc"));
	assert_null(strstr(m.notice.text, "passwd"));
	close(leak);
	broker_free(b);
}

static void the_users_environment_does_not_reach_the_core(void **state)
{
	struct broker *b;
	union message m;

	(void)state;
	setenv("VITRINE_TEST_SECRET", "token", 1);
	b = start("environment");
	expect(b, MESSAGE_HELLO, &m);
	expect_notice(b, "nothing");
	broker_free(b);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_core_that_does_not_end_is_killed(void **state)
{
	struct broker *b = start("sleep");
	double begin = now();
	union message m;

	(void)state;
	expect(b, MESSAGE_HELLO, &m);
	assert_int_equal(WTERMSIG(broker_wait(b, 100)), SIGKILL);
	assert_true(now() - begin < 10);
	broker_free(b);
}

static void a_core_that_does_not_read_cannot_hang_the_window(void **state)
{
	struct broker *b = start("sleep");
	double begin = now();
	int err = 0;

	(void)state;
	for (unsigned i = 0; i < 100000 && !err; i++)
		err = broker_command(b, COMMAND_PAUSE);
	assert_int_equal(err, -EAGAIN);
	assert_true(now() - begin < 20);
	broker_free(b);
}

static void freeing_the_broker_ends_the_core(void **state)
{
	struct broker *b = start("sleep");
	pid_t pid = broker_core_pid(b);

	(void)state;
	broker_free(b);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

/* ---- starts that fail ---- */

static void failing_start(struct broker_options options, const char *words)
{
	struct broker *b = NULL;

	options.output_fd = -1;
	assert_true(broker_start(&options, &b, text) < 0);
	assert_null(b);
	if (!strstr(text, words))
		fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static void failures_to_start_are_told_in_words(void **state)
{
	(void)state;
	failing_start((struct broker_options){ .core_path = "/proc/self/exe",
	                                       .appliance = "/nonexistent/debian.ova",
	                                       .mode = START_DESCRIBE },
	              "/nonexistent/debian.ova: No such file");
	failing_start(
		(struct broker_options){ .core_path = "/proc/self/exe", .appliance = "/tmp", .mode = START_DESCRIBE },
		"/tmp is a folder");
	failing_start((struct broker_options){ .core_path = "/nonexistent/vitrine-core",
	                                       .appliance = appliance,
	                                       .mode = START_DESCRIBE },
	              "/nonexistent/vitrine-core cannot be run");
	failing_start(
		(struct broker_options){ .core_path = "/etc/passwd", .appliance = appliance, .mode = START_DESCRIBE },
		"/etc/passwd");
}

static void missing_firmware_names_the_package(void **state)
{
	(void)state;
	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		print_message("SKIPPED: no /dev/kvm, which is looked for first\n");
		skip();
	}
	setenv("VITRINE_FIRMWARE", "/nonexistent", 1);
	failing_start(
		(struct broker_options){ .core_path = "/proc/self/exe", .appliance = appliance, .mode = START_PLAY },
		"$VITRINE_FIRMWARE is /nonexistent");
	unsetenv("VITRINE_FIRMWARE");
}

static void a_cd_that_cannot_be_opened_is_told_in_words(void **state)
{
	struct broker *b = start("sleep");

	(void)state;
	assert_int_equal(broker_insert_cd(b, 0, "/nonexistent.iso", false, text), -ENOENT);
	assert_non_null(strstr(text, "/nonexistent.iso"));
	assert_int_equal(broker_insert_cd(b, 0, "/dev/null", false, text), -EINVAL);
	assert_non_null(strstr(text, "not a regular file"));
	assert_int_equal(broker_insert_cd(b, 0, NULL, false, text), 0);
	broker_free(b);
}

static void garbage_in_starting_leaves_no_descriptor_open(void **state)
{
	struct broker_options options = {
		.core_path = "/nonexistent", .appliance = appliance, .mode = START_DESCRIBE, .output_fd = -1
	};
	struct broker *b;
	int before = dup(0), after;

	(void)state;
	close(before);
	for (unsigned i = 0; i < 20; i++)
		assert_true(broker_start(&options, &b, text) < 0);
	broker_free(start("polite"));
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

static int prepare(void **state)
{
	int fd;

	(void)state;
	strcpy(appliance, "/tmp/vitrine-appliance-XXXXXX");
	fd = mkstemp(appliance);
	return fd < 0 ? -1 : close(fd);
}

static int tidy(void **state)
{
	(void)state;
	return unlink(appliance);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_core_is_started_and_heard),
		cmocka_unit_test(a_core_that_talks_nonsense_is_ended),
		cmocka_unit_test(a_core_that_opens_for_ever_is_ended),
		cmocka_unit_test(files_are_opened_or_refused_for_the_core),
		cmocka_unit_test(last_words_are_kept_and_harmless),
		cmocka_unit_test(a_core_is_born_with_four_descriptors),
		cmocka_unit_test(the_users_environment_does_not_reach_the_core),
		cmocka_unit_test(a_core_that_does_not_end_is_killed),
		cmocka_unit_test(a_core_that_does_not_read_cannot_hang_the_window),
		cmocka_unit_test(freeing_the_broker_ends_the_core),
		cmocka_unit_test(failures_to_start_are_told_in_words),
		cmocka_unit_test(missing_firmware_names_the_package),
		cmocka_unit_test(a_cd_that_cannot_be_opened_is_told_in_words),
		cmocka_unit_test(garbage_in_starting_leaves_no_descriptor_open),
	};

	if (argc == 3 && !strcmp(argv[1], "--core-fd"))
		return fake_core(atoi(argv[2]));
	return cmocka_run_group_tests(tests, prepare, tidy);
}
