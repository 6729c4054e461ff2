/* SPDX-License-Identifier: MIT */
/* vitrine-net's door: the attempts of the core's, but for what is its trade, each in a child of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../attempts.h"
#include "core/net/nat/door.h"

static int run_in_child(int (*attempt)(void), bool behind)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		unsigned abi;

		silence();
		if (behind && door_shut(&abi) < 0)
			_exit(EXIT_BROKEN);
		_exit(attempt() < 0 ? EXIT_REFUSED : EXIT_DONE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* A guest's connections are made of these; where to is judged in calls.c. */
static bool is_its_trade(const struct attempt *a)
{
	return a->run == try_socket || a->run == try_connect;
}

static void every_other_attempt_fails_behind_the_door(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		int status = run_in_child(attempts[i].run, true);

		if (!is_its_trade(&attempts[i]) && !was_prevented(status))
			fail_msg("%s was possible (status 0x%x)", attempts[i].name, status);
		if (is_its_trade(&attempts[i]) && !was_done(status))
			fail_msg("%s was not possible (status 0x%x)", attempts[i].name, status);
	}
}

static int raw_socket(void)
{
	return result(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int packet_socket(void)
{
	return result(socket(AF_PACKET, SOCK_DGRAM, 0));
}

static int netlink_socket(void)
{
	return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int vsock_socket(void)
{
	return result(socket(40 /* AF_VSOCK */, SOCK_STREAM, 0));
}

static int listen_to_all(void)
{
	return result(listen(socket(AF_INET, SOCK_STREAM, 0), 1));
}

static int make_thread(void)
{
	return result(syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL, NULL,
	                      NULL, NULL));
}

static int change_interface(void)
{
	char request[64] = "lo";

	return result(ioctl(udp, 0x8913 /* SIOCGIFFLAGS */, request));
}

static int read_an_open_file(void)
{
	char byte;

	return result(pread(file, &byte, 1, 0));
}

static void no_socket_but_tcp_and_udp_is_made_and_none_listens(void **state)
{
	static int (*const tries[])(void) = { raw_socket,    packet_socket, netlink_socket,   vsock_socket,
		                              listen_to_all, make_thread,   change_interface, read_an_open_file };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++)
		if (!was_prevented(run_in_child(tries[i], true)))
			fail_msg("attempt %zu was possible", i);
	assert_true(was_done(run_in_child(change_interface, false)));
	assert_true(was_done(run_in_child(listen_to_all, false)));
	assert_true(was_done(run_in_child(netlink_socket, false)));
}

/* What libslirp does for a guest. */
static int do_its_work(void)
{
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1, n;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t length = sizeof(a);
	char *memory = malloc(1 << 20);

	if (tcp < 0 || udp6 < 0 || !memory)
		return -1;
	if (ioctl(tcp, FIONBIO, &one) < 0 || ioctl(tcp, FIONREAD, &n) < 0 || fcntl(tcp, F_SETFL, O_NONBLOCK) < 0 ||
	    setsockopt(tcp, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one)) < 0)
		return -2;
	if (sendto(udp, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)) < 0 && errno != ECONNREFUSED)
		return -3;
	if (getsockname(udp, (struct sockaddr *)&a, &length) < 0)
		return -4;
	free(memory);
	close(tcp);
	close(udp6);
	return 0;
}

static void it_can_do_its_work(void **state)
{
	(void)state;
	assert_true(was_done(run_in_child(do_its_work, true)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_other_attempt_fails_behind_the_door),
		cmocka_unit_test(no_socket_but_tcp_and_udp_is_made_and_none_listens),
		cmocka_unit_test(it_can_do_its_work),
	};

	return cmocka_run_group_tests(tests, attempts_prepare, NULL);
}
