/* SPDX-License-Identifier: MIT */
/*
 * A PS/2 mouse with wheel and five buttons: Microsoft IntelliMouse (id 3) and IntelliMouse Explorer
 * (id 4) when a driver knocks.
 *
 * Motion is not queued but added up: a report is made when the controller asks for a byte and the
 * sample time has come. So a guest that reads slowly gets fewer and longer reports, never old ones,
 * and nothing runs while the mouse lies still.
 */
#include "core/legacy/ps2.h"

#include <errno.h>

#include "core/clock.h"
#include "vmformat/bytes.h"

#define BUTTONS_STANDARD 0x07
#define BUTTONS_EXTRA 0x18

/* Motion that a guest is behind by. More than a few screens would only make its pointer run on
 * after the hand has stopped. */
#define MOTION_MAX 4096

/* A report carries 9 bits. The most negative value is kept out: some drivers negate. */
#define DELTA_MAX 255

static void set_defaults(struct ps2_mouse *m)
{
	m->rate = 100;
	m->resolution = 2; /* 4 counts a millimetre */
	m->scaling = m->remote = m->wrap = m->reporting = false;
	m->dx = m->dy = m->dz = 0;
	m->overflow_x = m->overflow_y = m->poked = false;
	m->packet.count = 0;
}

void ps2_mouse_reset(struct ps2_mouse *m)
{
	*m = (struct ps2_mouse){ 0 };
	set_defaults(m);
}

/* ---- motion ---- */

static void accumulate(int32_t *sum, int delta, bool *overflow)
{
	int64_t v = (int64_t)*sum + delta;

	if (overflow && (v > MOTION_MAX || v < -MOTION_MAX))
		*overflow = true;
	*sum = (int32_t)MAX(-MOTION_MAX, MIN(MOTION_MAX, v));
}

void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int dz, unsigned buttons)
{
	m->pressed |= (uint8_t)(buttons & ~m->buttons & (BUTTONS_STANDARD | BUTTONS_EXTRA));
	m->buttons = buttons & (BUTTONS_STANDARD | BUTTONS_EXTRA);
	if (!m->reporting && !m->remote)
		return;
	accumulate(&m->dx, dx, &m->overflow_x);
	accumulate(&m->dy, dy == INT32_MIN ? INT32_MAX : -dy, &m->overflow_y); /* the mouse counts upwards */
	if (m->id)
		accumulate(&m->dz, dz, NULL);
}

void ps2_mouse_poke(struct ps2_mouse *m)
{
	m->poked = m->reporting;
}

static uint8_t visible_buttons(const struct ps2_mouse *m)
{
	uint8_t mask = m->id == 4 ? BUTTONS_STANDARD | BUTTONS_EXTRA : BUTTONS_STANDARD;

	return (m->buttons | m->pressed) & mask;
}

static bool has_news(const struct ps2_mouse *m)
{
	return m->poked || m->dx || m->dy || m->dz || visible_buttons(m) != m->reported;
}

/* Takes as much of *sum as fits into limits; the rest is for the next report. */
static int take(int32_t *sum, int low, int high)
{
	int v = MAX(low, MIN(high, *sum));

	*sum -= v;
	return v;
}

/* 2:1 scaling: small movements stay fine, large ones double (Technical Reference, "Set Scaling
 * 2:1"). */
static int scale(const struct ps2_mouse *m, int v)
{
	static const uint8_t fine[] = { 0, 1, 1, 3, 6, 9 };
	int size = v < 0 ? -v : v;

	if (!m->scaling || m->remote)
		return v;
	size = size < 6 ? fine[size] : 2 * size;
	size = MIN(size, DELTA_MAX);
	return v < 0 ? -size : size;
}

static uint8_t wheel_byte(struct ps2_mouse *m)
{
	int dz = take(&m->dz, -8, 7);

	if (m->id == 3)
		return (uint8_t)dz;
	return (uint8_t)((dz & 0x0f) | (visible_buttons(m) & BUTTONS_EXTRA) << 1);
}

/* Makes one report of what has gathered; returns its length. */
static size_t make_report(struct ps2_mouse *m, uint8_t *out)
{
	int dx = scale(m, take(&m->dx, -DELTA_MAX, DELTA_MAX)), dy = scale(m, take(&m->dy, -DELTA_MAX, DELTA_MAX));

	out[0] = (uint8_t)(0x08 | (visible_buttons(m) & BUTTONS_STANDARD) | (dx < 0) << 4 | (dy < 0) << 5 |
	                   m->overflow_x << 6 | m->overflow_y << 7);
	out[1] = (uint8_t)dx;
	out[2] = (uint8_t)dy;
	if (m->id)
		out[3] = wheel_byte(m);
	m->overflow_x = m->overflow_y = m->poked = false;
	m->reported = visible_buttons(m);
	m->pressed = 0;
	memcpy(m->last_packet, out, sizeof(m->last_packet));
	return m->id ? 4 : 3;
}

/* ---- to the controller ---- */

static bool streams(const struct ps2_mouse *m)
{
	return m->reporting && !m->remote && !m->wrap && !m->command;
}

uint64_t ps2_mouse_deadline(const struct ps2_mouse *m)
{
	return streams(m) && !m->packet.count && !m->replies.count && has_news(m) ? m->next_report : TIMER_OFF;
}

int ps2_mouse_read(struct ps2_mouse *m, uint64_t now)
{
	uint8_t report[4] = { 0 };

	if (m->replies.count)
		return ps2_pop(&m->replies);
	if (!m->packet.count && streams(m) && has_news(m) && now >= m->next_report) {
		size_t count = make_report(m, report);

		for (size_t i = 0; i < count; i++)
			ps2_push(&m->packet, report[i]);
		m->next_report = now + NS_PER_SECOND / m->rate;
	}
	return ps2_pop(&m->packet);
}

/* ---- commands ---- */

static void reply(struct ps2_mouse *m, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ps2_push(&m->replies, bytes[i]);
}

static void reply_byte(struct ps2_mouse *m, uint8_t byte)
{
	reply(m, &byte, 1);
}

static void reply_status(struct ps2_mouse *m)
{
	uint8_t left = m->buttons & 1, right = m->buttons >> 1 & 1, middle = m->buttons >> 2 & 1;
	uint8_t modes = (uint8_t)(m->remote << 6 | m->reporting << 5 | m->scaling << 4);

	reply(m, (uint8_t[]){ (uint8_t)(modes | left << 2 | middle << 1 | right), m->resolution, m->rate }, 3);
}

static void reply_report(struct ps2_mouse *m)
{
	uint8_t report[4] = { 0 };
	size_t count = make_report(m, report);

	reply(m, report, count);
}

/* The knock that drivers use to find a wheel: three sample rates in a row. */
static void note_rate(struct ps2_mouse *m, uint8_t rate)
{
	memmove(m->rates, m->rates + 1, 2);
	m->rates[2] = rate;
	if (!memcmp(m->rates, (uint8_t[]){ 200, 100, 80 }, 3))
		m->id = 3;
	else if (!memcmp(m->rates, (uint8_t[]){ 200, 200, 80 }, 3))
		m->id = 4;
}

static bool set_rate(struct ps2_mouse *m, uint8_t rate)
{
	static const uint8_t rates[] = { 10, 20, 40, 60, 80, 100, 200 };

	if (!memchr(rates, rate, sizeof(rates)))
		return false;
	m->rate = rate;
	note_rate(m, rate);
	return true;
}

static void take_argument(struct ps2_mouse *m, uint8_t byte)
{
	bool good;

	if (m->command == 0xe8) {
		good = byte <= 3;
		m->resolution = good ? byte : m->resolution;
	} else {
		good = set_rate(m, byte);
	}
	m->command = 0;
	reply_byte(m, good ? PS2_ACK : PS2_RESEND);
}

static void self_test(struct ps2_mouse *m)
{
	uint8_t buttons = m->buttons;

	ps2_mouse_reset(m);
	m->buttons = m->reported = buttons;
	reply(m, (uint8_t[]){ PS2_ACK, PS2_BAT_PASSED, 0 }, 3);
}

static void command(struct ps2_mouse *m, uint8_t byte)
{
	reply_byte(m, PS2_ACK);
	switch (byte) {
	case 0xe6: /* Reset Scaling */
	case 0xe7: /* Set Scaling 2:1 */
		m->scaling = byte == 0xe7;
		break;
	case 0xe8: /* Set Resolution */
	case 0xf3: /* Set Sampling Rate */
		m->command = byte;
		break;
	case 0xe9: /* Status Request */
		reply_status(m);
		break;
	case 0xea: /* Set Stream Mode */
	case 0xf0: /* Set Remote Mode */
		m->remote = byte == 0xf0;
		break;
	case 0xeb: /* Read Data */
		reply_report(m);
		break;
	case 0xec: /* Reset Wrap Mode */
	case 0xee: /* Set Wrap Mode */
		m->wrap = byte == 0xee;
		break;
	case 0xf2: /* Read Device Type */
		reply_byte(m, m->id);
		break;
	case 0xf4: /* Enable: the past is not news */
		m->reporting = true;
		m->dx = m->dy = m->dz = 0;
		m->poked = false;
		m->pressed = 0;
		m->reported = visible_buttons(m);
		break;
	case 0xf5: /* Disable */
		m->reporting = false;
		break;
	case 0xf6: /* Set Default */
		set_defaults(m);
		break;
	default: /* takes the acknowledge back */
		m->replies.bytes[m->replies.count - 1] = PS2_RESEND;
	}
}

void ps2_mouse_write(struct ps2_mouse *m, uint8_t byte)
{
	m->packet.count = 0; /* a command cuts a report short; the driver waits for its acknowledge */
	if (byte == 0xff)
		self_test(m);
	else if (m->wrap && byte != 0xec)
		reply_byte(m, byte);
	else if (m->command)
		take_argument(m, byte);
	else if (byte == 0xfe)
		reply(m, m->last_packet, m->id ? 4 : 3);
	else
		command(m, byte);
}

/* ---- state ---- */

static bool motion_valid(int32_t v)
{
	return v >= -MOTION_MAX && v <= MOTION_MAX;
}

static bool valid(const struct ps2_mouse *m)
{
	return m->rate && (!m->id || m->id == 3 || m->id == 4) && m->resolution <= 3 &&
	       (!m->command || m->command == 0xe8 || m->command == 0xf3) && motion_valid(m->dx) &&
	       motion_valid(m->dy) && motion_valid(m->dz);
}

void ps2_mouse_state(struct ps2_mouse *m, struct state *s)
{
	state_buffer(s, "aux.replies", m->replies.bytes, &m->replies.count, sizeof(m->replies.bytes));
	state_buffer(s, "aux.packet", m->packet.bytes, &m->packet.count, sizeof(m->packet.bytes));
	state_bytes(s, "aux.last_packet", m->last_packet, sizeof(m->last_packet));
	state_u8(s, "aux.command", &m->command);
	state_u8(s, "aux.id", &m->id);
	state_u8(s, "aux.rate", &m->rate);
	state_bytes(s, "aux.rates", m->rates, sizeof(m->rates));
	state_u8(s, "aux.resolution", &m->resolution);
	state_bool(s, "aux.reporting", &m->reporting);
	state_bool(s, "aux.remote", &m->remote);
	state_bool(s, "aux.wrap", &m->wrap);
	state_bool(s, "aux.scaling", &m->scaling);
	state_u8(s, "aux.buttons", &m->buttons);
	state_u8(s, "aux.pressed", &m->pressed);
	state_u8(s, "aux.reported", &m->reported);
	state_u32(s, "aux.dx", (uint32_t *)&m->dx);
	state_u32(s, "aux.dy", (uint32_t *)&m->dy);
	state_u32(s, "aux.dz", (uint32_t *)&m->dz);
	state_bool(s, "aux.overflow_x", &m->overflow_x);
	state_bool(s, "aux.overflow_y", &m->overflow_y);
	state_bool(s, "aux.poked", &m->poked);
	state_u64(s, "aux.next_report", &m->next_report);
	if (state_loading(s) && !valid(m))
		state_fail(s, -EINVAL, "aux.rate");
}
