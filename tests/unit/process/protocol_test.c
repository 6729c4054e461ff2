/* SPDX-License-Identifier: MIT */
/* The wire between broker and core: every message, and what a broken or hostile peer could make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/protocol.h"
#include "vmformat/bytes.h"

#define SIZE(member) sizeof(((union message *)0)->member)
#define FIELD(member, field) offsetof(union message, member.field), SIZE(member.field)

struct sample {
	enum message_type type;
	enum message_side from;
	size_t length;
	unsigned nfds;
	union message message; /* the least that is sound */
	struct {
		size_t offset, size;
	} texts[3];
};

static const struct sample samples[] = {
	{ MESSAGE_START,
	  FROM_BROKER,
	  SIZE(start),
	  START_FDS,
	  { .start = { .version = PROTOCOL_VERSION } },
	  { { FIELD(start, name) }, { FIELD(start, drive) } } },
	{ MESSAGE_OPENED, FROM_BROKER, SIZE(opened), 1, { .opened = { .status = 0 } }, { { FIELD(opened, text) } } },
	{ MESSAGE_COMMAND, FROM_BROKER, SIZE(command), 0, { .command = { .command = COMMAND_PAUSE } }, { { 0 } } },
	{ MESSAGE_KEY, FROM_BROKER, SIZE(key), 0, { .key = { .code = 30, .down = 1 } }, { { 0 } } },
	{ MESSAGE_POINTER, FROM_BROKER, SIZE(pointer), 0, { .pointer = { .dx = -3, .buttons = 31 } }, { { 0 } } },
	{ MESSAGE_POINTER_ABSOLUTE,
	  FROM_BROKER,
	  SIZE(pointer_absolute),
	  0,
	  { .pointer_absolute = { .x = POINTER_RANGE, .dz = -1, .buttons = 31 } },
	  { { 0 } } },
	{ MESSAGE_CD_INSERT,
	  FROM_BROKER,
	  SIZE(cd_insert),
	  1,
	  { .cd_insert = { .drive = 3 } },
	  { { FIELD(cd_insert, name) } } },
	{ MESSAGE_SERIAL_INPUT, FROM_BROKER, SIZE(serial), 0, { .serial = { .count = MESSAGE_CHUNK } }, { { 0 } } },
	{ MESSAGE_ANSWER, FROM_BROKER, SIZE(answer), 0, { .answer = { .accept = 1 } }, { { 0 } } },
	{ MESSAGE_HELLO, FROM_CORE, SIZE(hello), 0, { .hello = { .version = PROTOCOL_VERSION } }, { { 0 } } },
	{ MESSAGE_OPEN,
	  FROM_CORE,
	  SIZE(open),
	  0,
	  { .open = { .role = OPEN_OVERLAY } },
	  { { FIELD(open, fingerprint) }, { FIELD(open, machine) }, { FIELD(open, name) } } },
	{ MESSAGE_MACHINE,
	  FROM_CORE,
	  SIZE(machine),
	  0,
	  { .machine = { .cd_count = MESSAGE_MAX_CDS } },
	  { { FIELD(machine, fingerprint) }, { FIELD(machine, name) }, { FIELD(machine, guest_os) } } },
	{ MESSAGE_STATE,
	  FROM_CORE,
	  SIZE(state),
	  0,
	  { .state = { .state = STATE_FAILED, .reason = OFF_ERROR } },
	  { { FIELD(state, text) } } },
	{ MESSAGE_SCREEN,
	  FROM_CORE,
	  SIZE(screen),
	  0,
	  { .screen = { .width = 640, .height = 480, .x = 1, .dx = 639 } },
	  { { 0 } } },
	{ MESSAGE_CD, FROM_CORE, SIZE(cd), 0, { .cd = { .present = 1 } }, { { FIELD(cd, name) } } },
	{ MESSAGE_SERIAL_OUTPUT, FROM_CORE, SIZE(serial), 0, { .serial = { .port = 255 } }, { { 0 } } },
	{ MESSAGE_NOTICE,
	  FROM_CORE,
	  SIZE(notice),
	  0,
	  { .notice = { .level = NOTICE_WARNING } },
	  { { FIELD(notice, text) } } },
	{ MESSAGE_QUESTION,
	  FROM_CORE,
	  SIZE(question),
	  0,
	  { .question = { .kind = QUESTION_DIGEST } },
	  { { FIELD(question, text) }, { FIELD(question, accept) }, { FIELD(question, reject) } } },
	{ MESSAGE_TEXT_SCREEN,
	  FROM_CORE,
	  SIZE(text_screen),
	  0,
	  { .text_screen = { .columns = 132, .rows = 60 } },
	  { { 0 } } },
	{ MESSAGE_PROGRESS,
	  FROM_CORE,
	  SIZE(progress),
	  0,
	  { .progress = { .done = 5, .total = 5 } },
	  { { FIELD(progress, what) } } },
	{ MESSAGE_POINTER_MODE, FROM_CORE, SIZE(pointer_mode), 0, { .pointer_mode = { .absolute = 1 } }, { { 0 } } },
	{ MESSAGE_OUTPUT, FROM_CORE, SIZE(output), 0, { .output = { .count = 1, .last = 1 } }, { { 0 } } },
	{ MESSAGE_LICENSE, FROM_CORE, SIZE(license), 0, { .license = { .last = 1 } }, { { FIELD(license, text) } } },
	{ MESSAGE_NETWORK, FROM_BROKER, SIZE(network), 1, { .network = { .nic = NAT_MAX_NICS - 1 } }, { { 0 } } },
	{ MESSAGE_CABLE, FROM_BROKER, SIZE(cable), 0, { .cable = { .connected = 1 } }, { { 0 } } },
	{ MESSAGE_NETWORK_WANTED,
	  FROM_CORE,
	  SIZE(network_wanted),
	  0,
	  { .network_wanted = { .nic_count = 1,
	                        .forward_count = NAT_MAX_FORWARDS - 15,
	                        .forwards = { { .host_port = 8443, .guest_port = 443 } } } },
	  { { 0 } } },
};

static union message ready(const struct sample *s)
{
	union message m = s->message;

	m.header = (struct message_header){
		.type = (uint16_t)s->type, .nfds = (uint16_t)s->nfds, .length = (uint32_t)s->length, .serial = 1
	};
	return m;
}

static bool is_sound(const union message *m, const struct sample *s)
{
	return message_check(m, s->length, m->header.nfds, s->from);
}

static void every_message_is_accepted_from_its_side_only(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		union message m = ready(&samples[i]);

		assert_true(is_sound(&m, &samples[i]));
		assert_false(message_check(&m, samples[i].length, m.header.nfds, !samples[i].from));
	}
}

static void any_other_length_is_rejected(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		for (size_t length = 0; length <= sizeof(union message); length++) {
			union message m = ready(&samples[i]);

			m.header.length = (uint32_t)length;
			assert_int_equal(message_check(&m, length, m.header.nfds, samples[i].from),
			                 length == samples[i].length);
		}
		union message m = ready(&samples[i]);

		m.header.length++; /* what arrived is right, what it claims is not */
		assert_false(message_check(&m, samples[i].length, m.header.nfds, samples[i].from));
	}
}

static void descriptors_must_be_as_many_as_said_and_allowed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		for (unsigned nfds = 0; nfds <= MESSAGE_MAX_FDS; nfds++) {
			union message m = ready(&samples[i]);
			bool eject = samples[i].type == MESSAGE_CD_INSERT && nfds == 0;

			assert_int_equal(message_check(&m, samples[i].length, nfds, samples[i].from),
			                 nfds == samples[i].nfds);
			m.header.nfds = (uint16_t)nfds;
			assert_int_equal(is_sound(&m, &samples[i]), nfds == samples[i].nfds || eject);
		}
	}
}

static void texts_without_end_are_rejected(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		for (size_t t = 0; t < 3 && samples[i].texts[t].size; t++) {
			union message m = ready(&samples[i]);

			memset((char *)&m + samples[i].texts[t].offset, 'x', samples[i].texts[t].size);
			assert_false(is_sound(&m, &samples[i]));
			((char *)&m)[samples[i].texts[t].offset + samples[i].texts[t].size - 1] = 0;
			assert_true(is_sound(&m, &samples[i]));
		}
	}
}

static const struct sample *sample_of(enum message_type type)
{
	const struct sample *s = samples;

	while (s->type != type)
		s++;
	return s;
}

static void texts_that_are_not_utf8_are_rejected(void **state)
{
	static const char *const bad[] = { "\xff",         "\xc0\xaf",         "\xe0\x80\xaf",
		                           "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3",
		                           "\x80",         "\xe2\x82",         "a\xf8\x88\x80\x80\x80" };
	static const char *const good[] = {
		"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x92\xbf", "\xf4\x8f\xbf\xbf"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad) + ARRAY_SIZE(good); i++) {
		bool is_bad = i < ARRAY_SIZE(bad);
		union message m = ready(sample_of(MESSAGE_NOTICE));

		strcpy(m.notice.text, is_bad ? bad[i] : good[i - ARRAY_SIZE(bad)]);
		assert_int_equal(is_sound(&m, sample_of(MESSAGE_NOTICE)), !is_bad);
	}
}

/* One field of a sound message set to a value that it may not have. */
#define BAD(type, member, field, value)                                                \
	{                                                                              \
		type, offsetof(union message, member.field), SIZE(member.field), value \
	}

static const struct {
	enum message_type type;
	size_t offset, size;
	uint64_t value;
} bad_fields[] = {
	BAD(MESSAGE_START, start, version, PROTOCOL_VERSION + 1),
	BAD(MESSAGE_START, start, mode, START_DUMP + 1),
	BAD(MESSAGE_START, start, mode, START_DESCRIBE), /* with the descriptors of PLAY */
	BAD(MESSAGE_START, start, local_time_offset, 86401),
	BAD(MESSAGE_START, start, header.reserved, 1),
	BAD(MESSAGE_OPENED, opened, status, 5),
	BAD(MESSAGE_OPENED, opened, status, (uint64_t)-2 /* and a descriptor */),
	BAD(MESSAGE_COMMAND, command, command, COMMAND_COUNT),
	BAD(MESSAGE_KEY, key, code, 0x300),
	BAD(MESSAGE_KEY, key, down, 2),
	BAD(MESSAGE_POINTER, pointer, dx, 0x7fffffff),
	BAD(MESSAGE_POINTER, pointer, dy, 0x80000000),
	BAD(MESSAGE_POINTER, pointer, buttons, 32),
	BAD(MESSAGE_POINTER_ABSOLUTE, pointer_absolute, x, POINTER_RANGE + 1),
	BAD(MESSAGE_POINTER_ABSOLUTE, pointer_absolute, y, 0xffffffff),
	BAD(MESSAGE_POINTER_ABSOLUTE, pointer_absolute, dz, 0x80000000),
	BAD(MESSAGE_POINTER_ABSOLUTE, pointer_absolute, buttons, 32),
	BAD(MESSAGE_POINTER_MODE, pointer_mode, absolute, 2),
	BAD(MESSAGE_CD_INSERT, cd_insert, drive, MESSAGE_MAX_CDS),
	BAD(MESSAGE_CD_INSERT, cd_insert, force, 2),
	BAD(MESSAGE_SERIAL_INPUT, serial, count, MESSAGE_CHUNK + 1),
	BAD(MESSAGE_SERIAL_INPUT, serial, port, 256),
	BAD(MESSAGE_ANSWER, answer, accept, 2),
	BAD(MESSAGE_HELLO, hello, version, 0),
	BAD(MESSAGE_PROGRESS, progress, done, 6),
	BAD(MESSAGE_OPEN, open, role, OPEN_ROLES),
	BAD(MESSAGE_LICENSE, license, last, 2),
	BAD(MESSAGE_MACHINE, machine, cd_count, MESSAGE_MAX_CDS + 1),
	BAD(MESSAGE_STATE, state, state, STATE_COUNT),
	BAD(MESSAGE_STATE, state, reason, OFF_ERROR + 1),
	BAD(MESSAGE_SCREEN, screen, width, 2561),
	BAD(MESSAGE_SCREEN, screen, height, 1601),
	BAD(MESSAGE_SCREEN, screen, x, 2),
	BAD(MESSAGE_SCREEN, screen, dx, 0xffffffff),
	BAD(MESSAGE_SCREEN, screen, dy, 481),
	BAD(MESSAGE_SCREEN, screen, y, 481),
	BAD(MESSAGE_CD, cd, drive, MESSAGE_MAX_CDS),
	BAD(MESSAGE_CD, cd, present, 2),
	BAD(MESSAGE_CD, cd, locked, 2),
	BAD(MESSAGE_NOTICE, notice, level, NOTICE_LEVELS),
	BAD(MESSAGE_QUESTION, question, kind, QUESTION_KINDS),
	BAD(MESSAGE_TEXT_SCREEN, text_screen, columns, 133),
	BAD(MESSAGE_TEXT_SCREEN, text_screen, rows, 61),
	BAD(MESSAGE_OUTPUT, output, count, MESSAGE_CHUNK + 1),
	BAD(MESSAGE_OUTPUT, output, last, 2),
	BAD(MESSAGE_NETWORK, network, nic, NAT_MAX_NICS),
	BAD(MESSAGE_CABLE, cable, nic, NAT_MAX_NICS),
	BAD(MESSAGE_CABLE, cable, connected, 2),
	BAD(MESSAGE_NETWORK_WANTED, network_wanted, nic_count, 0),
	BAD(MESSAGE_NETWORK_WANTED, network_wanted, nic_count, NAT_MAX_NICS + 1),
	BAD(MESSAGE_NETWORK_WANTED, network_wanted, flags, 2),
	BAD(MESSAGE_NETWORK_WANTED, network_wanted, forward_count, NAT_MAX_FORWARDS + 1),
	BAD(MESSAGE_NETWORK_WANTED, network_wanted, forward_count, 2), /* the second has no ports */
	BAD(MESSAGE_NETWORK_WANTED, network_wanted, forwards[0].protocol, NAT_PROTOCOLS),
	BAD(MESSAGE_NETWORK_WANTED, network_wanted, forwards[0].host_port, 0),
	BAD(MESSAGE_NETWORK_WANTED, network_wanted, forwards[0].guest_port, 0),
};

static void fields_out_of_range_are_rejected(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_fields); i++) {
		const struct sample *s = samples;

		while (s->type != bad_fields[i].type)
			s++;
		union message m = ready(s);

		memcpy((char *)&m + bad_fields[i].offset, &bad_fields[i].value, bad_fields[i].size);
		if (is_sound(&m, s))
			fail_msg("bad field %zu of message type %d was accepted", i, s->type);
	}
}

/* What the broker tells its own caller must not come from a core. */
static void the_brokers_own_words_are_on_no_wire(void **state)
{
	union message m = { .listening = { .count = 1 } };

	(void)state;
	m.header = (struct message_header){ .type = MESSAGE_LISTENING, .length = sizeof(m.listening) };
	assert_false(message_check(&m, sizeof(m.listening), 0, FROM_CORE));
	assert_false(message_check(&m, sizeof(m.listening), 0, FROM_BROKER));
}

static void unknown_types_are_rejected(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 65536; type++) {
		union message m = { .header = { .type = (uint16_t)type, .length = sizeof(m.header) } };

		assert_false(message_check(&m, sizeof(m.header), 0, FROM_BROKER));
		assert_false(message_check(&m, sizeof(m.header), 0, FROM_CORE));
	}
}

/* ---- the socket ---- */

static void open_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

/* The next descriptor that would be given out: tells whether one leaked. */
static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void a_message_arrives_with_its_descriptors(void **state)
{
	union message out = ready(&samples[0]), in;
	int pair[2], fds[START_FDS], got[MESSAGE_MAX_FDS];
	unsigned nfds;

	(void)state;
	open_pair(pair);
	for (unsigned i = 0; i < START_FDS; i++)
		assert_true((fds[i] = open("/dev/null", O_RDONLY)) >= 0);
	strcpy(out.start.name, "debian.ova");
	assert_int_equal(message_send(pair[0], &out, MESSAGE_START, 0, fds, START_FDS), 0);
	assert_int_equal(message_receive(pair[1], &in, FROM_BROKER, got, &nfds), 0);
	assert_int_equal(nfds, START_FDS);
	assert_string_equal(in.start.name, "debian.ova");
	assert_int_not_equal(in.header.serial, 0);
	for (unsigned i = 0; i < nfds; i++) {
		assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
		close(got[i]);
		close(fds[i]);
	}
	close(pair[0]);
	close(pair[1]);
}

static void an_answer_repeats_the_serial(void **state)
{
	union message out = { .opened = { .status = -ENOENT } }, in;
	int pair[2], got[MESSAGE_MAX_FDS];
	unsigned nfds;

	(void)state;
	open_pair(pair);
	assert_int_equal(message_send(pair[0], &out, MESSAGE_OPENED, 4711, NULL, 0), 0);
	assert_int_equal(message_receive(pair[1], &in, FROM_BROKER, got, &nfds), 0);
	assert_int_equal(in.header.serial, 4711);
	close(pair[0]);
	close(pair[1]);
}

static void send_raw(int socket, const void *data, size_t length, const int *fds, unsigned nfds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 32)];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { (void *)data, length };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		*CMSG_FIRSTHDR(&h) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int) * nfds),
			                               .cmsg_level = SOL_SOCKET,
			                               .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&h)), fds, sizeof(int) * nfds);
	}
	assert_true(sendmsg(socket, &h, 0) == (ssize_t)length);
}

static void garbage_is_a_broken_peer_and_leaks_no_descriptor(void **state)
{
	int pair[2], fds[32], got[MESSAGE_MAX_FDS], before;
	char junk[sizeof(union message) + 100];
	union message in;
	unsigned nfds;

	(void)state;
	open_pair(pair);
	memset(junk, 0xa5, sizeof(junk));
	for (unsigned i = 0; i < 32; i++)
		fds[i] = 0;
	before = next_fd();
	for (size_t length = 1; length < sizeof(junk); length += 61) {
		for (unsigned n = 0; n <= 32; n += 8) {
			send_raw(pair[0], junk, length, fds, n);
			assert_int_equal(message_receive(pair[1], &in, FROM_CORE, got, &nfds), -EPROTO);
			assert_int_equal(nfds, 0);
			assert_int_equal(next_fd(), before);
		}
	}
	close(pair[0]);
	close(pair[1]);
}

static void an_empty_packet_is_no_message(void **state)
{
	int pair[2], fd = 0, got[MESSAGE_MAX_FDS], before;
	union message in;
	unsigned nfds;

	(void)state;
	open_pair(pair);
	before = next_fd();
	send_raw(pair[0], "", 0, &fd, 1);
	assert_int_equal(message_receive(pair[1], &in, FROM_CORE, got, &nfds), -EPROTO);
	assert_int_equal(next_fd(), before);
	close(pair[0]);
	close(pair[1]);
}

static void a_closed_socket_is_told_apart(void **state)
{
	union message m = { .command = { .command = COMMAND_RUN } };
	int pair[2], got[MESSAGE_MAX_FDS];
	unsigned nfds;

	(void)state;
	open_pair(pair);
	close(pair[0]);
	assert_int_equal(message_receive(pair[1], &m, FROM_CORE, got, &nfds), -EPIPE);
	assert_int_equal(message_send(pair[1], &m, MESSAGE_COMMAND, 0, NULL, 0), -EPIPE); /* and no SIGPIPE */
	close(pair[1]);
}

static void the_last_words_of_a_peer_that_did_not_listen_arrive(void **state)
{
	union message m = { .command = { .command = COMMAND_RUN } }, words = { .state = { .state = STATE_OFF } };
	int pair[2], got[MESSAGE_MAX_FDS];
	unsigned nfds;

	(void)state;
	open_pair(pair);
	assert_int_equal(message_send(pair[0], &m, MESSAGE_COMMAND, 0, NULL, 0), 0); /* never read */
	assert_int_equal(message_send(pair[1], &words, MESSAGE_STATE, 0, NULL, 0), 0);
	close(pair[1]);
	assert_int_equal(message_receive(pair[0], &m, FROM_CORE, got, &nfds), 0);
	assert_int_equal(m.state.state, STATE_OFF);
	assert_int_equal(message_receive(pair[0], &m, FROM_CORE, got, &nfds), -EPIPE);
	close(pair[0]);
}

static void random_messages_never_pass_with_a_bad_frame(void **state)
{
	(void)state;
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		const struct sample *s = &samples[(unsigned)rand() % ARRAY_SIZE(samples)];
		union message m = ready(s);

		for (unsigned flips = 1 + (unsigned)rand() % 4; flips--;)
			((uint8_t *)&m)[(size_t)rand() % s->length] ^= (uint8_t)(1 << rand() % 8);
		if (!message_check(&m, s->length, s->nfds, s->from))
			continue;
		if (m.header.type != s->type)
			continue; /* became a sound message of another type and the same shape */
		for (size_t t = 0; t < 3 && s->texts[t].size; t++)
			assert_non_null(memchr((char *)&m + s->texts[t].offset, 0, s->texts[t].size));
		if (s->type == MESSAGE_SCREEN)
			assert_true((uint64_t)m.screen.x + m.screen.dx <= m.screen.width && m.screen.width <= 2560);
	}
}

/* ---- texts to send ---- */

static void copied_texts_are_cut_at_a_character_and_valid(void **state)
{
	char to[8];

	(void)state;
	message_copy_text(to, sizeof(to), "abcdef\xe2\x82\xac");
	assert_string_equal(to, "abcdef");
	message_copy_text(to, sizeof(to), "abcd\xe2\x82\xac!");
	assert_string_equal(to, "abcd\xe2\x82\xac");
	message_copy_text(to, sizeof(to), "a\xff\xc3z");
	assert_string_equal(to, "a??z");
	message_copy_text(to, sizeof(to), "a\033[\177\tb");
	assert_string_equal(to, "a?[?\tb");
	message_copy_text(to, sizeof(to),
	                  "a\xc2\x9b"
	                  "b"); /* U+009B begins a sequence as ESC [ does */
	assert_string_equal(to, "a??b");
	message_copy_text(to, sizeof(to), "");
	assert_memory_equal(to, "\0\0\0\0\0\0\0\0", 8); /* nothing of the stack goes to the peer */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_is_accepted_from_its_side_only),
		cmocka_unit_test(any_other_length_is_rejected),
		cmocka_unit_test(descriptors_must_be_as_many_as_said_and_allowed),
		cmocka_unit_test(texts_without_end_are_rejected),
		cmocka_unit_test(texts_that_are_not_utf8_are_rejected),
		cmocka_unit_test(fields_out_of_range_are_rejected),
		cmocka_unit_test(the_brokers_own_words_are_on_no_wire),
		cmocka_unit_test(unknown_types_are_rejected),
		cmocka_unit_test(a_message_arrives_with_its_descriptors),
		cmocka_unit_test(an_answer_repeats_the_serial),
		cmocka_unit_test(garbage_is_a_broken_peer_and_leaks_no_descriptor),
		cmocka_unit_test(an_empty_packet_is_no_message),
		cmocka_unit_test(a_closed_socket_is_told_apart),
		cmocka_unit_test(the_last_words_of_a_peer_that_did_not_listen_arrive),
		cmocka_unit_test(random_messages_never_pass_with_a_bad_frame),
		cmocka_unit_test(copied_texts_are_cut_at_a_character_and_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
