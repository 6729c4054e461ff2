/* SPDX-License-Identifier: MIT */
#include "player/model.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

/* A name like "guest<U+202E>gpj.exe" would be shown as something else than it is; so would one of two lines. */
static bool misleading(gunichar c)
{
	return g_unichar_iscntrl(c) || c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
	       (c >= 0x2066 && c <= 0x2069);
}

/* Returns how much was written, without the 0. */
static size_t copy_text(char *to, size_t size, const char *from, const char *allowed)
{
	size_t used = 0;

	while (*from != '\0') {
		gunichar c = g_utf8_get_char_validated(from, -1);
		if (c == (gunichar)-1 || c == (gunichar)-2)
			break;
		size_t count = (size_t)(g_utf8_next_char(from) - from);
		bool replace = misleading(c) && (c >= 0x80 || strchr(allowed, (int)c) == NULL);
		if (used + (replace ? 1 : count) >= size)
			break;
		if (replace)
			to[used++] = ' ';
		else
			used += (size_t)g_unichar_to_utf8(c, to + used);
		from += count;
	}
	to[used] = '\0';
	return used;
}

void model_copy_text(char *to, size_t size, const char *from)
{
	copy_text(to, size, from, "");
}

#define COPY_TEXT(to, from) model_copy_text((to), sizeof(to), (from))

static int take_hello(struct model *m, const union message *message)
{
	if (m->greeted || message->hello.version != PROTOCOL_VERSION)
		return -EPROTO;
	m->greeted = true;
	return 0;
}

static int take_machine(struct model *m, const union message *message)
{
	if (m->described || message->machine.cd_count > MESSAGE_MAX_CDS)
		return -EPROTO;
	m->described = true;
	m->preparing = false;
	m->cd_count = message->machine.cd_count;
	COPY_TEXT(m->name, message->machine.name);
	return MODEL_MACHINE | MODEL_CD;
}

static int take_state(struct model *m, const union message *message)
{
	const struct message_state *s = &message->state;

	if (s->state >= STATE_COUNT || s->reason > OFF_ERROR)
		return -EPROTO;
	/* Only a machine that was described can be on; it fails and goes off at any time, its description being
	 * unreadable. */
	if (!m->described && (s->state == STATE_RUNNING || s->state == STATE_PAUSED))
		return -EPROTO;
	m->state = s->state;
	m->reason = s->reason;
	COPY_TEXT(m->text, s->text);
	return MODEL_STATE;
}

static int take_screen(struct model *m, const union message *message)
{
	const struct message_screen *s = &message->screen;
	int changes = 0;

	if (s->x > s->width || s->dx > s->width - s->x || s->y > s->height || s->dy > s->height - s->y)
		return -EPROTO;
	if (m->width != s->width || m->height != s->height)
		changes = MODEL_MACHINE; /* the window fits itself to a new size */
	m->width = s->width;
	m->height = s->height;
	m->damage = (struct rectangle){ (int)s->x, (int)s->y, (int)s->dx, (int)s->dy };
	return changes | MODEL_SCREEN;
}

static int take_cd(struct model *m, const union message *message)
{
	const struct message_cd *c = &message->cd;

	if (c->drive >= m->cd_count)
		return -EPROTO;
	m->cds[c->drive].present = c->present != 0;
	m->cds[c->drive].locked = c->locked != 0;
	COPY_TEXT(m->cds[c->drive].name, c->name);
	return MODEL_CD;
}

static int take_notice(struct model *m, const union message *message)
{
	if (message->notice.level >= NOTICE_LEVELS)
		return -EPROTO;
	m->notice_level = message->notice.level;
	COPY_TEXT(m->notice, message->notice.text);
	return MODEL_NOTICE;
}

static int take_license(struct model *m, const union message *message)
{
	size_t room = sizeof(m->license) - m->license_length;

	if (m->license_whole || strlen(message->license.text) >= room)
		return -EPROTO;
	m->license_length += copy_text(m->license + m->license_length, room, message->license.text, "\n\t");
	m->license_whole = message->license.last != 0;
	return 0;
}

static int take_question(struct model *m, const union message *message)
{
	const struct message_question *q = &message->question;

	if (m->asking || q->kind >= QUESTION_ALL_KINDS || (q->kind == QUESTION_LICENSE && !m->license_whole))
		return -EPROTO;
	m->asking = true;
	m->question_serial = q->header.serial;
	m->question_kind = (enum question_kind)q->kind;
	/* The broker's own words may have lines; the core's may not. */
	copy_text(m->question, sizeof(m->question), q->text, q->kind >= QUESTION_KINDS ? "\n" : "");
	COPY_TEXT(m->accept, q->accept);
	COPY_TEXT(m->reject, q->reject);
	return MODEL_QUESTION;
}

static int take_pointer_mode(struct model *m, const union message *message)
{
	if (message->pointer_mode.absolute > 1)
		return -EPROTO;
	m->absolute = message->pointer_mode.absolute;
	return MODEL_POINTER;
}

static int take_listening(struct model *m, const union message *message)
{
	m->port_count = MIN(message->listening.count, NAT_MAX_FORWARDS);
	memcpy(m->ports, message->listening.ports, sizeof(m->ports));
	return MODEL_PORTS;
}

static int take_progress(struct model *m, const union message *message)
{
	const struct message_progress *p = &message->progress;

	if (m->described || p->done > p->total)
		return -EPROTO;
	m->preparing = true;
	m->prepared = p->done;
	m->to_prepare = p->total;
	COPY_TEXT(m->preparing_what, p->what);
	return MODEL_PROGRESS;
}

/* The other ports and the debug console have no place in the window. */
static int take_serial(struct model *m, const union message *message)
{
	const struct message_serial *s = &message->serial;

	if (s->count > sizeof(m->said))
		return -EPROTO;
	if (s->port != 0)
		return 0;
	m->said_count = s->count;
	memcpy(m->said, s->data, s->count);
	return MODEL_SERIAL;
}

static const struct {
	enum message_type type;
	int (*take)(struct model *m, const union message *message);
} takers[] = {
	{ MESSAGE_HELLO, take_hello },
	{ MESSAGE_MACHINE, take_machine },
	{ MESSAGE_STATE, take_state },
	{ MESSAGE_SCREEN, take_screen },
	{ MESSAGE_CD, take_cd },
	{ MESSAGE_NOTICE, take_notice },
	{ MESSAGE_LICENSE, take_license },
	{ MESSAGE_QUESTION, take_question },
	{ MESSAGE_POINTER_MODE, take_pointer_mode },
	{ MESSAGE_SERIAL_OUTPUT, take_serial },
	{ MESSAGE_LISTENING, take_listening },
	{ MESSAGE_PROGRESS, take_progress },
};

int model_update(struct model *m, const union message *message)
{
	/* The sandbox is shut before the first word about the appliance: a core that skips the greeting is not ours. */
	if (!m->greeted && message->header.type != MESSAGE_HELLO && message->header.type != MESSAGE_STATE)
		return -EPROTO;
	for (size_t i = 0; i < G_N_ELEMENTS(takers); i++)
		if (takers[i].type == message->header.type)
			return takers[i].take(m, message);
	return -EPROTO;
}

void model_answered(struct model *m)
{
	m->asking = false;
}
