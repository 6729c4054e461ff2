/* SPDX-License-Identifier: MIT */
/* What broker and vitrine-net say to each other, and how a resolv.conf is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/net/nat/config.h"
#include "vmformat/bytes.h"

static union nat_message start_message(void)
{
	union nat_message m = { .start = { .header = { NAT_START, sizeof(struct nat_start) },
		                           .version = NAT_VERSION,
		                           .nic_count = 1,
		                           .forward_count = 1,
		                           .forwards = { { .host_port = 1, .guest_port = 65535 } } } };

	return m;
}

static bool is_sound(const union nat_message *m)
{
	return nat_check(m, m->header.length, FROM_NAT_BROKER);
}

static void a_start_is_accepted_from_the_broker_only(void **state)
{
	union nat_message m = start_message();

	(void)state;
	assert_true(is_sound(&m));
	assert_false(nat_check(&m, m.header.length, FROM_NAT));
	assert_false(nat_check(&m, m.header.length - 1, FROM_NAT_BROKER));
	assert_false(nat_check(&m, 4, FROM_NAT_BROKER));
	m.header.length++;
	assert_false(nat_check(&m, sizeof(m.start), FROM_NAT_BROKER));
}

static void numbers_out_of_range_are_rejected(void **state)
{
	static const struct {
		size_t offset, size;
		uint32_t value;
	} bad[] = {
		{ offsetof(struct nat_start, version), 4, NAT_VERSION + 1 },
		{ offsetof(struct nat_start, flags), 4, 2 },
		{ offsetof(struct nat_start, nic_count), 4, 0 },
		{ offsetof(struct nat_start, nic_count), 4, NAT_MAX_NICS + 1 },
		{ offsetof(struct nat_start, forward_count), 4, NAT_MAX_FORWARDS + 1 },
		{ offsetof(struct nat_start, forward_count), 4, 2 },
		{ offsetof(struct nat_start, forwards[0].protocol), 1, NAT_PROTOCOLS },
		{ offsetof(struct nat_start, forwards[0].host_port), 2, 0 },
		{ offsetof(struct nat_start, forwards[0].guest_port), 2, 0 },
		{ offsetof(struct nat_start, header.type), 4, 99 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		union nat_message m = start_message();

		memcpy((char *)&m + bad[i].offset, &bad[i].value, bad[i].size);
		if (is_sound(&m))
			fail_msg("bad field %zu was accepted", i);
	}
}

static void a_report_holds_errnos(void **state)
{
	union nat_message m = { .report = { .header = { NAT_REPORT, sizeof(struct nat_report) } } };

	(void)state;
	assert_true(nat_check(&m, sizeof(m.report), FROM_NAT));
	m.report.forward_errors[15] = -EADDRINUSE;
	assert_true(nat_check(&m, sizeof(m.report), FROM_NAT));
	m.report.forward_errors[15] = 1;
	assert_false(nat_check(&m, sizeof(m.report), FROM_NAT));
	m.report.forward_errors[15] = -4096;
	assert_false(nat_check(&m, sizeof(m.report), FROM_NAT));
}

static void messages_travel_and_nonsense_is_told(void **state)
{
	union nat_message m = start_message(), big = { .header = { 0 } }, in;
	char more[sizeof(big) + 64] = { 0 };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(nat_receive(pair[1], &in, FROM_NAT_BROKER), -EAGAIN);
	assert_int_equal(nat_send(pair[0], &m, NAT_START), 0);
	assert_int_equal(nat_receive(pair[1], &in, FROM_NAT_BROKER), 0);
	assert_memory_equal(&in, &m, sizeof(m.start));
	memcpy(more, &m, sizeof(m));
	assert_int_equal(send(pair[0], more, sizeof(more), 0), sizeof(more));
	assert_int_equal(nat_receive(pair[1], &in, FROM_NAT_BROKER), -EPROTO);
	close(pair[0]);
	assert_int_equal(nat_receive(pair[1], &in, FROM_NAT_BROKER), -EPIPE);
	assert_int_equal(nat_send(pair[1], &m, NAT_START), -EPIPE);
	close(pair[1]);
}

static void the_first_name_server_of_each_family_counts(void **state)
{
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	struct nat_servers s;

	(void)state;
	nat_read_resolv_conf("# nameserver 1.1.1.1\n;nameserver 1.1.1.1\nsearch a\nnameserver\t 9.8.7.6 \r\n"
	                     "nameserver fe80::1%eth0\nnameserver 2001:db8::1\nnameserver 5.5.5.5\n",
	                     &s);
	assert_memory_equal(s.ipv4, ((uint8_t[]){ 9, 8, 7, 6 }), 4);
	assert_memory_equal(s.ipv6, v6, 16);
}

static void without_a_name_server_the_host_is_asked(void **state)
{
	static const char *const texts[] = { "",
		                             "nameserver",
		                             "nameserver ",
		                             "nameserverx 1.2.3.4\n",
		                             "nameserver 1.2.3\n",
		                             "nameserver fe80::1%eth0\n",
		                             "nameserver 1.2.3.4.5.6.7.8.9.1.2.3.4.5.6.7.8.9.1.2.3.4.5.6.7\n" };
	struct nat_servers s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		nat_read_resolv_conf(texts[i], &s);
		assert_memory_equal(s.ipv4, ((uint8_t[]){ 127, 0, 0, 1 }), 4);
	}
	nat_read_resolv_conf("nameserver 1.2.3.4", &s); /* no newline at the end */
	assert_int_equal(s.ipv4[3], 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_is_accepted_from_the_broker_only),
		cmocka_unit_test(numbers_out_of_range_are_rejected),
		cmocka_unit_test(a_report_holds_errnos),
		cmocka_unit_test(messages_travel_and_nonsense_is_told),
		cmocka_unit_test(the_first_name_server_of_each_family_counts),
		cmocka_unit_test(without_a_name_server_the_host_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
