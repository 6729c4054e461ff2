/* SPDX-License-Identifier: MIT */
#include "core/protocol.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/video/screen.h"
#include "vmformat/bytes.h"

#define MAX_TEXTS 5
#define MAX_DEBUG_PORT 255u  /* message_serial.port: the debug console */
#define POINTER_LIMIT 100000 /* counts in one message: wider than any desktop; keeps sums of them within an int */

/* ---- what each message must hold, beyond its shape ---- */

static bool start_is_sound(const union message *m)
{
	const struct message_start *s = &m->start;
	unsigned nfds = s->mode == START_PLAY ? START_FDS : START_FDS_TOOL;

	return s->version == PROTOCOL_VERSION && s->mode <= START_DUMP && s->header.nfds == nfds && s->reserved == 0 &&
	       s->local_time_offset >= -86400 && s->local_time_offset <= 86400;
}

static bool opened_is_sound(const union message *m)
{
	return m->opened.status <= 0 && m->header.nfds == (m->opened.status == 0);
}

static bool command_is_sound(const union message *m)
{
	return m->command.command < COMMAND_COUNT;
}

static bool key_is_sound(const union message *m)
{
	return m->key.code < KEY_CNT && m->key.down <= 1;
}

static bool within_limit(int32_t v)
{
	return v >= -POINTER_LIMIT && v <= POINTER_LIMIT;
}

static bool pointer_is_sound(const union message *m)
{
	const struct message_pointer *p = &m->pointer;

	return within_limit(p->dx) && within_limit(p->dy) && within_limit(p->dz) && p->buttons < 1u << 5;
}

static bool pointer_absolute_is_sound(const union message *m)
{
	const struct message_pointer_absolute *p = &m->pointer_absolute;

	return p->x <= POINTER_RANGE && p->y <= POINTER_RANGE && within_limit(p->dz) && p->buttons < 1u << 5;
}

static bool cd_insert_is_sound(const union message *m)
{
	return m->cd_insert.drive < MESSAGE_MAX_CDS && m->cd_insert.force <= 1;
}

static bool serial_is_sound(const union message *m)
{
	return m->serial.port <= MAX_DEBUG_PORT && m->serial.count <= MESSAGE_CHUNK;
}

static bool answer_is_sound(const union message *m)
{
	return m->answer.accept <= 1;
}

static bool hello_is_sound(const union message *m)
{
	return m->hello.version == PROTOCOL_VERSION;
}

static bool open_is_sound(const union message *m)
{
	return m->open.role < OPEN_ROLES;
}

static bool machine_is_sound(const union message *m)
{
	return m->machine.cd_count <= MESSAGE_MAX_CDS;
}

static bool state_is_sound(const union message *m)
{
	return m->state.state < STATE_COUNT && m->state.reason <= OFF_ERROR;
}

static bool screen_is_sound(const union message *m)
{
	const struct message_screen *s = &m->screen;

	return s->width <= SCREEN_MAX_WIDTH && s->height <= SCREEN_MAX_HEIGHT && range_within(s->x, s->dx, s->width) &&
	       range_within(s->y, s->dy, s->height);
}

static bool cd_is_sound(const union message *m)
{
	return m->cd.drive < MESSAGE_MAX_CDS && m->cd.present <= 1 && m->cd.locked <= 1;
}

static bool notice_is_sound(const union message *m)
{
	return m->notice.level < NOTICE_LEVELS;
}

static bool question_is_sound(const union message *m)
{
	return m->question.kind < QUESTION_KINDS;
}

static bool text_screen_is_sound(const union message *m)
{
	const struct message_text_screen *t = &m->text_screen;

	return t->columns <= 132 && t->rows <= 60; /* cells[] has room for the product */
}

static bool output_is_sound(const union message *m)
{
	return m->output.count <= MESSAGE_CHUNK && m->output.last <= 1;
}

static bool pointer_mode_is_sound(const union message *m)
{
	return m->pointer_mode.absolute <= 1;
}

static bool network_is_sound(const union message *m)
{
	return m->network.nic < NAT_MAX_NICS && m->header.nfds == 1 && m->network.reserved == 0;
}

static bool cable_is_sound(const union message *m)
{
	return m->cable.nic < NAT_MAX_NICS && m->cable.connected <= 1;
}

static bool network_wanted_is_sound(const union message *m)
{
	const struct message_network_wanted *w = &m->network_wanted;

	if (w->nic_count < 1 || w->nic_count > NAT_MAX_NICS || w->flags & ~(uint32_t)NAT_HOST_LOOPBACK ||
	    w->forward_count > NAT_MAX_FORWARDS || w->reserved)
		return false;
	for (unsigned i = 0; i < w->forward_count; i++)
		if (!nat_forward_is_sound(&w->forwards[i]))
			return false;
	return true;
}

static bool license_is_sound(const union message *m)
{
	return m->license.last <= 1;
}

static bool progress_is_sound(const union message *m)
{
	return m->progress.done <= m->progress.total;
}

/* ---- the table ---- */

struct text_field {
	uint16_t offset, size; /* size 0: none */
};

struct shape {
	enum message_type type;
	enum message_side from;
	uint32_t length;
	unsigned max_fds; /* the exact number, where it varies, is the check's affair */
	bool (*is_sound)(const union message *m);
	struct text_field texts[MAX_TEXTS];
};

#define SIZE(member) sizeof(((union message *)0)->member)
#define TEXT(member, field)                                               \
	{                                                                 \
		offsetof(union message, member.field), SIZE(member.field) \
	}

static const struct shape shapes[] = {
	{ MESSAGE_START,
	  FROM_BROKER,
	  SIZE(start),
	  START_FDS,
	  start_is_sound,
	  { TEXT(start, name), TEXT(start, drive) } },
	{ MESSAGE_OPENED, FROM_BROKER, SIZE(opened), 1, opened_is_sound, { TEXT(opened, text) } },
	{ MESSAGE_COMMAND, FROM_BROKER, SIZE(command), 0, command_is_sound, { { 0 } } },
	{ MESSAGE_KEY, FROM_BROKER, SIZE(key), 0, key_is_sound, { { 0 } } },
	{ MESSAGE_POINTER, FROM_BROKER, SIZE(pointer), 0, pointer_is_sound, { { 0 } } },
	{ MESSAGE_POINTER_ABSOLUTE, FROM_BROKER, SIZE(pointer_absolute), 0, pointer_absolute_is_sound, { { 0 } } },
	{ MESSAGE_CD_INSERT, FROM_BROKER, SIZE(cd_insert), 1, cd_insert_is_sound, { TEXT(cd_insert, name) } },
	{ MESSAGE_SERIAL_INPUT, FROM_BROKER, SIZE(serial), 0, serial_is_sound, { { 0 } } },
	{ MESSAGE_ANSWER, FROM_BROKER, SIZE(answer), 0, answer_is_sound, { { 0 } } },
	{ MESSAGE_HELLO, FROM_CORE, SIZE(hello), 0, hello_is_sound, { { 0 } } },
	{ MESSAGE_OPEN,
	  FROM_CORE,
	  SIZE(open),
	  0,
	  open_is_sound,
	  { TEXT(open, fingerprint), TEXT(open, machine), TEXT(open, name), TEXT(open, drive), TEXT(open, content) } },
	{ MESSAGE_MACHINE,
	  FROM_CORE,
	  SIZE(machine),
	  0,
	  machine_is_sound,
	  { TEXT(machine, fingerprint), TEXT(machine, name), TEXT(machine, guest_os) } },
	{ MESSAGE_STATE, FROM_CORE, SIZE(state), 0, state_is_sound, { TEXT(state, text) } },
	{ MESSAGE_SCREEN, FROM_CORE, SIZE(screen), 0, screen_is_sound, { { 0 } } },
	{ MESSAGE_CD, FROM_CORE, SIZE(cd), 0, cd_is_sound, { TEXT(cd, name) } },
	{ MESSAGE_SERIAL_OUTPUT, FROM_CORE, SIZE(serial), 0, serial_is_sound, { { 0 } } },
	{ MESSAGE_NOTICE, FROM_CORE, SIZE(notice), 0, notice_is_sound, { TEXT(notice, text) } },
	{ MESSAGE_QUESTION,
	  FROM_CORE,
	  SIZE(question),
	  0,
	  question_is_sound,
	  { TEXT(question, text), TEXT(question, accept), TEXT(question, reject) } },
	{ MESSAGE_TEXT_SCREEN, FROM_CORE, SIZE(text_screen), 0, text_screen_is_sound, { { 0 } } },
	{ MESSAGE_OUTPUT, FROM_CORE, SIZE(output), 0, output_is_sound, { { 0 } } },
	{ MESSAGE_POINTER_MODE, FROM_CORE, SIZE(pointer_mode), 0, pointer_mode_is_sound, { { 0 } } },
	{ MESSAGE_NETWORK, FROM_BROKER, SIZE(network), 1, network_is_sound, { { 0 } } },
	{ MESSAGE_CABLE, FROM_BROKER, SIZE(cable), 0, cable_is_sound, { { 0 } } },
	{ MESSAGE_NETWORK_WANTED, FROM_CORE, SIZE(network_wanted), 0, network_wanted_is_sound, { { 0 } } },
	{ MESSAGE_LICENSE, FROM_CORE, SIZE(license), 0, license_is_sound, { TEXT(license, text) } },
	{ MESSAGE_PROGRESS, FROM_CORE, SIZE(progress), 0, progress_is_sound, { TEXT(progress, what) } },
};

static const struct shape *shape_of(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}

/* ---- texts ---- */

/* Length of the UTF-8 character at s, 1 to 4; 0: none (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF), or a
 * control character: texts quote foreign names and end on terminals, which obey those below U+0020 and U+0080 to U+009F. */
static size_t utf8_length(const unsigned char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
	uint32_t code = length ? s[0] & (0xffu >> length) : 0;

	for (size_t i = 1; i < length; i++) {
		if (s[i] >> 6 != 2)
			return 0; /* also the text's end */
		code = code << 6 | (s[i] & 0x3f);
	}
	if ((code < 0x20 && code != '\n' && code != '\t' && code) || (code >= 0x7f && code < 0xa0))
		return 0;
	if (length > 1 && (code < least[length] || code > 0x10ffff || code >> 11 == 0x1b))
		return 0;
	return length;
}

static bool text_is_sound(const char *text, size_t size)
{
	size_t length;

	if (!memchr(text, 0, size))
		return false;
	for (; *text; text += length) {
		length = utf8_length((const unsigned char *)text);
		if (!length)
			return false;
	}
	return true;
}

void message_copy_text(char *to, size_t size, const char *text)
{
	size_t used = 0;

	while (*text) {
		size_t length = utf8_length((const unsigned char *)text);

		if (used + MAX(length, 1) >= size)
			break;
		if (length)
			memcpy(to + used, text, length);
		else
			to[used] = '?';
		used += MAX(length, 1);
		text += MAX(length, 1);
	}
	memset(to + used, 0, size - used);
}

bool message_check(const union message *m, size_t length, unsigned nfds, enum message_side from)
{
	const struct shape *shape;

	if (length < sizeof(m->header))
		return false;
	shape = shape_of(m->header.type);
	if (!shape || shape->from != from || length != shape->length || m->header.length != shape->length)
		return false;
	if (m->header.nfds != nfds || nfds > shape->max_fds || m->header.reserved)
		return false;
	for (size_t i = 0; i < MAX_TEXTS; i++)
		if (shape->texts[i].size &&
		    !text_is_sound((const char *)m + shape->texts[i].offset, shape->texts[i].size))
			return false;
	return shape->is_sound(m);
}

/* ---- the socket ---- */

union control {
	char bytes[CMSG_SPACE(sizeof(int) * MESSAGE_MAX_FDS)];
	struct cmsghdr align;
};

int message_send(int socket, union message *m, enum message_type type, uint32_t serial, const int *fds, unsigned nfds)
{
	static _Atomic uint32_t count;
	const struct shape *shape = shape_of((uint16_t)type);
	struct iovec iov = { m, shape ? shape->length : 0 };
	union control control = { { 0 } };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	assert(shape && nfds <= MESSAGE_MAX_FDS);
	m->header = (struct message_header){ .type = (uint16_t)type,
		                             .nfds = (uint16_t)nfds,
		                             .length = shape->length,
		                             .serial = serial ? serial : atomic_fetch_add(&count, 1) + 1 };
	if (nfds) {
		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		*CMSG_FIRSTHDR(&h) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int) * nfds),
			                               .cmsg_level = SOL_SOCKET,
			                               .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&h)), fds, sizeof(int) * nfds);
	}
	while (sendmsg(socket, &h, MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
	}
	return 0;
}

/* Collects every descriptor that came, so that none can leak; returns how many. */
static unsigned take_descriptors(struct msghdr *h, int ret_fds[MESSAGE_MAX_FDS])
{
	unsigned count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (count < MESSAGE_MAX_FDS)
				ret_fds[count++] = fd;
			else
				close(fd);
		}
	}
	return count;
}

int message_receive(int socket, union message *m, enum message_side from, int ret_fds[MESSAGE_MAX_FDS],
                    unsigned *ret_nfds)
{
	struct iovec iov = { m, sizeof(*m) };
	union control control;
	struct msghdr h = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	unsigned nfds;
	ssize_t n;

	*ret_nfds = 0;
	/* ECONNRESET comes once, when the peer closed without having read all; its last words are still queued behind
	 * it. */
	do
		n = recvmsg(socket, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return errno == ENOTCONN ? -EPIPE : -errno;
	nfds = take_descriptors(&h, ret_fds);
	if (n == 0 && nfds == 0)
		return -EPIPE;
	if (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || !message_check(m, (size_t)n, nfds, from)) {
		while (nfds)
			close(ret_fds[--nfds]);
		return -EPROTO;
	}
	*ret_nfds = nfds;
	return 0;
}
