/* SPDX-License-Identifier: MIT */
/*
 * The Intel 8254 timer at config->port with what a PC hangs on it: interrupt 0 on counter 0, the
 * speaker and its gate on counter 2, both switched at port 0x61. Facts: Intel 8254 data sheet
 * (231164).
 *
 * Nothing counts: a counter knows at which tick it was loaded, and all else (its value, its output,
 * its next edge) is worked out when somebody asks. Ticks are those of the 1.193182 MHz clock since
 * power-on, converted by exact arithmetic from guest time, so a day has 103,090,924,800 of them and
 * none is lost to rounding. pit_sync() comes first in every callback: it brings the chip to the
 * present before anything is read or changed.
 */
#include "core/legacy/legacy.h"

#include <errno.h>

#include "core/legacy/speaker.h"
#include "core/legacy/tick.h"

#define COUNTERS 3
#define PORT61 0x61 /* where every PC has it: not the timer chip's, but nothing else works these wires */
#define SPEAKER_STEP (10 * NS_PER_MS)
#define NEVER INT64_MAX
#define TICK_LIMIT (INT64_C(1) << 53) /* of a saved state: 239 years, which are 2^62.7 ns: no sum of two overflows */

/* The host is not woken more often, however short the period: a guest that asks for more gets one
 * interrupt for several edges. */
#define SHORTEST_WAIT (50 * NS_PER_US)

#define REFRESH_TICKS 18 /* counter 1 as the BIOS has always programmed it: 15 us between two refreshes of memory */

enum access { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };
enum mode { INTERRUPT_ON_END, ONE_SHOT, RATE_GENERATOR, SQUARE_WAVE, SOFTWARE_STROBE, HARDWARE_STROBE };
enum port61 {
	PORT61_GATE = 1 << 0,
	PORT61_SPEAKER = 1 << 1,
	PORT61_WRITABLE = 0x0f,
	PORT61_REFRESH = 1 << 4,
	PORT61_OUT = 1 << 5
};
enum read_back { READ_BACK_NO_COUNT = 1 << 5, READ_BACK_NO_STATUS = 1 << 4 };

struct counter {
	uint8_t mode, access;
	bool bcd;
	bool gate;
	bool written;      /* the count register has a count since the last control word */
	bool counting;     /* the counting element was loaded; held while the gate forbids */
	uint32_t reg;      /* the count register: 1 to 65536 */
	uint32_t count;    /* what the counting element was loaded with */
	int64_t start;     /* tick of that load; after a gate's pause moved on, as if there had been none */
	int64_t held;      /* ticks counted when the gate went low */
	int64_t reload_at; /* tick at which reg becomes count; NEVER: not waiting */
	uint8_t low_byte;  /* written, waits for the high one */
	bool write_high, read_high;
	bool count_latched, status_latched;
	uint16_t latch;
	uint8_t status;
};

struct pit {
	struct device device;
	struct region region, port61_region;
	struct counter counters[COUNTERS];
	uint8_t port61;
	struct tick tick;  /* of interrupt 0 */
	int64_t seen;      /* tick up to which edges of counter 0 have been counted */
	uint64_t retry_at; /* guest ns: for the next interrupt that is owed */
	struct timer timer, sound_timer;
	struct speaker speaker;
};

/* ---- time ---- */

static int64_t ticks_at(uint64_t ns)
{
	return (int64_t)((unsigned __int128)ns * PIT_HZ / NS_PER_SECOND);
}

/* The first moment at which ticks_at() gives this tick. */
static uint64_t ns_at(int64_t tick)
{
	return (uint64_t)(((unsigned __int128)tick * NS_PER_SECOND + PIT_HZ - 1) / PIT_HZ);
}

static uint64_t units_at(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * (PIT_HZ * SPEAKER_TICK) / NS_PER_SECOND);
}

/* ---- a counter ---- */

static bool is_periodic(const struct counter *c)
{
	return c->mode == RATE_GENERATOR || c->mode == SQUARE_WAVE;
}

static bool gate_triggers(const struct counter *c)
{
	return c->mode == ONE_SHOT || c->mode == HARDWARE_STROBE;
}

static bool is_held(const struct counter *c)
{
	return !c->gate && !gate_triggers(c);
}

static int64_t elapsed(const struct counter *c, int64_t now)
{
	int64_t d = is_held(c) ? c->held : now - c->start;

	return MAX(d, 0);
}

/* Clocks of a square wave's high half: the longer one. */
static uint32_t high_half(uint32_t count)
{
	return (count + 1) / 2;
}

static bool counter_out(const struct counter *c, int64_t now)
{
	int64_t d = elapsed(c, now);

	if (!c->counting)
		return c->mode != INTERRUPT_ON_END;
	switch (c->mode) {
	case INTERRUPT_ON_END:
	case ONE_SHOT:
		return d >= c->count;
	case RATE_GENERATOR:
		return !c->gate || d % c->count != c->count - 1;
	case SQUARE_WAVE:
		return !c->gate || d % c->count < high_half(c->count);
	default: /* strobes */
		return d != c->count;
	}
}

/* A square wave counts down by two, once in each half. */
static uint32_t square_value(const struct counter *c, int64_t d)
{
	uint32_t phase = (uint32_t)(d % c->count), half = high_half(c->count);

	phase = phase < half ? phase : phase - half;
	return (c->count & ~1u) - 2 * phase;
}

static uint16_t to_bcd(uint32_t v)
{
	return (uint16_t)(v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12);
}

static uint16_t counter_value(const struct counter *c, int64_t now)
{
	int64_t d = c->counting ? elapsed(c, now) : 0, wrap = c->bcd ? 10000 : 65536, v;

	if (c->mode == SQUARE_WAVE)
		v = square_value(c, d);
	else if (c->mode == RATE_GENERATOR)
		v = c->count - d % c->count;
	else
		v = c->count + wrap - d % wrap;
	return c->bcd ? to_bcd((uint32_t)v) : (uint16_t)v;
}

/* Rising edges of OUT after tick `from` up to and with `to`. */
static uint64_t edges_between(const struct counter *c, int64_t from, int64_t to)
{
	int64_t end;

	if (!c->counting || is_held(c) || from >= to)
		return 0;
	if (is_periodic(c))
		return (uint64_t)(elapsed(c, to) / c->count - elapsed(c, from) / c->count);
	end = c->start + c->count + (c->mode >= SOFTWARE_STROBE);
	return end > from && end <= to;
}

static int64_t next_edge(const struct counter *c, int64_t now)
{
	int64_t end;

	if (!c->counting || is_held(c))
		return NEVER;
	if (is_periodic(c))
		return MAX(c->start, now - elapsed(c, now) % c->count) + c->count;
	end = c->start + c->count + (c->mode >= SOFTWARE_STROBE);
	return end > now ? end : NEVER;
}

static void counter_start(struct counter *c, int64_t now)
{
	c->count = c->reg;
	c->start = now;
	c->held = 0;
	c->counting = true;
	c->reload_at = NEVER;
}

/* A new count of a running wave waits for the end of the period, of a square wave for the end of
 * the half. */
static int64_t reload_moment(const struct counter *c, int64_t now)
{
	int64_t d = elapsed(c, now), period_begin = now - d % c->count;

	if (c->mode == SQUARE_WAVE && d % c->count < high_half(c->count))
		return period_begin + high_half(c->count);
	return period_begin + c->count;
}

static void counter_reload(struct counter *c)
{
	int64_t at = c->reload_at;
	bool low_half = (at - c->start) % c->count != 0;

	counter_start(c, low_half ? at - high_half(c->reg) : at);
}

static void counter_load(struct counter *c, uint16_t raw, int64_t now)
{
	uint32_t v = raw, zero = c->bcd ? 10000 : 65536;

	if (c->bcd)
		v = (raw >> 12) * 1000 + (raw >> 8 & 15) * 100 + (raw >> 4 & 15) * 10 + (raw & 15);
	if (v == 1 && is_periodic(c))
		v = 2; /* 1 is illegal: no output could follow */
	c->reg = v ? v : zero;
	c->written = true;
	if (gate_triggers(c))
		return;
	if (is_periodic(c) && c->counting && !is_held(c))
		c->reload_at = reload_moment(c, now);
	else
		counter_start(c, now);
}

static void counter_set_gate(struct counter *c, bool gate, int64_t now)
{
	bool was_held = is_held(c);
	int64_t d = elapsed(c, now);

	if (gate == c->gate)
		return;
	c->gate = gate;
	if (!gate && is_held(c))
		c->held = d;
	else if (gate && (is_periodic(c) || gate_triggers(c)) && c->written)
		counter_start(c, now);
	else if (gate && was_held)
		c->start = now - d;
}

static void counter_control(struct counter *c, uint8_t v)
{
	bool gate = c->gate;
	uint8_t mode = v >> 1 & 7;

	*c = (struct counter){ .mode = mode > HARDWARE_STROBE ? mode & 3 : mode,
		               .access = v >> 4 & 3,
		               .bcd = v & 1,
		               .gate = gate,
		               .count = 65536,
		               .reg = 65536,
		               .reload_at = NEVER };
}

static void latch_count(struct counter *c, int64_t now)
{
	if (c->count_latched)
		return;
	c->latch = counter_value(c, now);
	c->count_latched = true;
}

static void latch_status(struct counter *c, int64_t now)
{
	bool null_count = !c->written || c->reload_at != NEVER || !c->counting;

	if (c->status_latched)
		return;
	c->status = (uint8_t)(counter_out(c, now) << 7 | null_count << 6 | c->access << 4 | c->mode << 1 | c->bcd);
	c->status_latched = true;
}

static void counter_write(struct counter *c, uint8_t v, int64_t now)
{
	if (c->access == ACCESS_BOTH && !c->write_high) {
		c->low_byte = v;
		c->write_high = true;
		if (c->mode == INTERRUPT_ON_END)
			c->counting = false;
		return;
	}
	c->write_high = false;
	if (c->access == ACCESS_LOW)
		counter_load(c, v, now);
	else
		counter_load(c, (uint16_t)(v << 8 | (c->access == ACCESS_BOTH ? c->low_byte : 0)), now);
}

static uint8_t counter_read(struct counter *c, int64_t now)
{
	uint16_t v = c->count_latched ? c->latch : counter_value(c, now);
	bool high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high);

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	c->read_high = c->access == ACCESS_BOTH && !c->read_high;
	if (!c->read_high)
		c->count_latched = false;
	return (uint8_t)(high ? v >> 8 : v);
}

/* ---- interrupt 0 ---- */

static int pulse_irq(struct pit *p)
{
	int status;

	if (!p->device.irq_count)
		return -1;
	status = irq_line_set(&p->device.irqs[0], true);
	irq_line_set(&p->device.irqs[0], false);
	return status;
}

/* Counts counter 0's edges up to now, over a reload. */
static uint64_t collect_edges(struct pit *p, int64_t now)
{
	struct counter *c = &p->counters[0];
	int64_t until = MIN(now, c->reload_at);
	uint64_t edges = edges_between(c, p->seen, until);

	if (c->reload_at <= now) {
		counter_reload(c);
		edges += edges_between(c, until, now);
	}
	p->seen = now;
	return edges;
}

static void run_ticks(struct pit *p, uint64_t now_ns, int64_t now)
{
	const struct counter *c = &p->counters[0];
	uint64_t edges = collect_edges(p, now), period;

	if (!is_periodic(c)) { /* who asks for one interrupt and has one pending has what he wanted */
		if (edges)
			pulse_irq(p);
		return;
	}
	period = ns_at(c->count);
	tick_elapsed(&p->tick, edges, period);
	if (!edges && now_ns < p->retry_at)
		return;
	if (p->tick.owed)
		tick_tried(&p->tick, pulse_irq(p));
	p->retry_at = tick_deadline(&p->tick, now_ns, period);
}

static void arm_timer(struct pit *p, uint64_t now_ns, int64_t now)
{
	int64_t edge = MIN(next_edge(&p->counters[0], now), p->counters[0].reload_at);
	uint64_t deadline = edge == NEVER ? TIMER_OFF : ns_at(edge);

	if (deadline != TIMER_OFF && is_periodic(&p->counters[0])) {
		deadline = MIN(deadline, p->retry_at);
		if (ns_at(p->counters[0].count) < SHORTEST_WAIT)
			deadline = MAX(deadline, now_ns + SHORTEST_WAIT);
	}
	if (deadline != p->timer.deadline)
		timer_set(p->device.board->clock, &p->timer, deadline);
}

/* ---- speaker ---- */

static struct speaker_input speaker_input(const struct pit *p, int64_t now)
{
	const struct counter *c = &p->counters[2];
	struct speaker_input in = { .origin = (uint64_t)MAX(c->start, 0) * SPEAKER_TICK };

	if (!(p->port61 & PORT61_SPEAKER))
		return (struct speaker_input){ .low = UINT64_MAX };
	if (!c->counting || is_held(c) || c->mode >= SOFTWARE_STROBE)
		return (struct speaker_input){ .low = counter_out(c, now) ? 0 : UINT64_MAX };
	if (c->mode == INTERRUPT_ON_END || c->mode == ONE_SHOT) {
		in.low = (uint64_t)c->count * SPEAKER_TICK;
		return in;
	}
	in.period = (uint64_t)c->count * SPEAKER_TICK;
	in.high = (uint64_t)(c->mode == SQUARE_WAVE ? high_half(c->count) : c->count - 1) * SPEAKER_TICK;
	return in;
}

static void run_sound(struct pit *p, uint64_t now_ns, int64_t now)
{
	struct counter *c = &p->counters[2];
	struct speaker_input in = speaker_input(p, now);

	if (c->reload_at <= now) {
		speaker_run(&p->speaker, &in, (uint64_t)c->reload_at * SPEAKER_TICK);
		counter_reload(c);
		in = speaker_input(p, now);
	}
	speaker_run(&p->speaker, &in, units_at(now_ns));
}

static void arm_sound_timer(struct pit *p, uint64_t now_ns, int64_t now)
{
	struct speaker_input in = speaker_input(p, now);
	bool busy = speaker_busy(&p->speaker, &in);

	if (busy != (p->sound_timer.deadline != TIMER_OFF))
		timer_set(p->device.board->clock, &p->sound_timer, busy ? now_ns + SPEAKER_STEP : TIMER_OFF);
}

/* ---- ports ---- */

/* Brings everything up to the present and returns it in ticks. */
static int64_t pit_sync(struct pit *p)
{
	uint64_t now_ns = device_now(&p->device);
	int64_t now = ticks_at(now_ns);

	run_ticks(p, now_ns, now);
	if (p->counters[1].reload_at <= now)
		counter_reload(&p->counters[1]);
	run_sound(p, now_ns, now);
	return now;
}

/* After a change, or when a timer has fired. */
static void pit_arm(struct pit *p)
{
	uint64_t now_ns = device_now(&p->device);
	int64_t now = ticks_at(now_ns);

	arm_timer(p, now_ns, now);
	arm_sound_timer(p, now_ns, now);
}

static void timer_fired(struct device *d, struct timer *t)
{
	struct pit *p = (struct pit *)d;

	(void)t;
	pit_sync(p);
	pit_arm(p);
}

static void forget_ticks(struct pit *p)
{
	p->tick = (struct tick){ 0 };
	p->retry_at = TIMER_OFF;
}

static void read_back(struct pit *p, uint8_t v, int64_t now)
{
	for (unsigned i = 0; i < COUNTERS; i++) {
		if (!(v & 2u << i))
			continue;
		if (!(v & READ_BACK_NO_STATUS))
			latch_status(&p->counters[i], now);
		if (!(v & READ_BACK_NO_COUNT))
			latch_count(&p->counters[i], now);
	}
}

static void control_write(struct pit *p, uint8_t v, int64_t now)
{
	unsigned n = v >> 6;

	if (n == COUNTERS) {
		read_back(p, v, now);
	} else if ((v >> 4 & 3) == ACCESS_LATCH) {
		latch_count(&p->counters[n], now);
	} else {
		counter_control(&p->counters[n], v);
		if (n == 0)
			forget_ticks(p); /* another period: nobody waits for the old one's */
	}
}

static uint64_t pit_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct pit *p = (struct pit *)d;
	int64_t now = pit_sync(p);

	(void)r, (void)size;
	pit_arm(p);
	return offset < COUNTERS ? counter_read(&p->counters[offset], now) : 0xff;
}

static void pit_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct pit *p = (struct pit *)d;
	int64_t now = pit_sync(p);

	(void)r, (void)size;
	if (offset < COUNTERS)
		counter_write(&p->counters[offset], (uint8_t)value, now);
	else
		control_write(p, (uint8_t)value, now);
	pit_arm(p);
}

static uint64_t port61_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct pit *p = (struct pit *)d;
	int64_t now = pit_sync(p);

	(void)r, (void)offset, (void)size;
	pit_arm(p);
	return p->port61 | (now / REFRESH_TICKS & 1 ? PORT61_REFRESH : 0) |
	       (counter_out(&p->counters[2], now) ? PORT61_OUT : 0);
}

static void port61_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct pit *p = (struct pit *)d;
	int64_t now = pit_sync(p);

	(void)r, (void)offset, (void)size;
	p->port61 = value & PORT61_WRITABLE;
	counter_set_gate(&p->counters[2], value & PORT61_GATE, now);
	pit_arm(p);
}

static const struct region_ops pit_ops = { .read = pit_read, .write = pit_write, .max_size = 1 };
static const struct region_ops port61_ops = { .read = port61_read, .write = port61_write, .max_size = 1 };

/* ---- device ---- */

static int pit_create(struct device *d, const struct device_config *config, struct error *e)
{
	struct pit *p = (struct pit *)d;

	(void)e;
	if (config->extra)
		p->speaker.ring = ((const struct pit_config *)config->extra)->sound;
	timer_init(&p->timer, d, timer_fired);
	timer_init(&p->sound_timer, d, timer_fired);
	p->region = (struct region){ .name = "pit", .ops = &pit_ops, .device = d, .size = 4, .space = BUS_PORT };
	p->port61_region =
		(struct region){ .name = "port 61", .ops = &port61_ops, .device = d, .size = 1, .space = BUS_PORT };
	bus_map(d->board->bus, &p->region, config->port);
	bus_map(d->board->bus, &p->port61_region, PORT61);
	return 0;
}

/* The chip has no reset line and wakes up in any state; this one waits for the BIOS in silence. */
static void pit_reset(struct device *d)
{
	struct pit *p = (struct pit *)d;
	uint64_t now_ns = device_now(d);

	for (unsigned i = 0; i < COUNTERS; i++) {
		counter_control(&p->counters[i], ACCESS_BOTH << 4 | SQUARE_WAVE << 1);
		p->counters[i].gate = i != 2;
	}
	p->port61 = 0;
	p->seen = ticks_at(now_ns);
	forget_ticks(p);
	speaker_reset(&p->speaker, units_at(now_ns));
	pit_arm(p);
}

static void pit_pause(struct device *d)
{
	speaker_pause(&((struct pit *)d)->speaker);
}

static void state_tick(struct state *s, const char *name, int64_t *v)
{
	uint64_t raw = (uint64_t)*v;

	state_u64(s, name, &raw);
	*v = (int64_t)raw;
	if (*v != NEVER && (*v < -65536 || *v > TICK_LIMIT))
		state_fail(s, -EINVAL, name);
}

static bool is_count(const struct counter *c, uint32_t count)
{
	return count > is_periodic(c) && count <= 65536;
}

static void counter_state(struct counter *c, struct state *s)
{
	state_u8(s, "mode", &c->mode);
	state_u8(s, "access", &c->access);
	state_bool(s, "bcd", &c->bcd);
	state_bool(s, "gate", &c->gate);
	state_bool(s, "written", &c->written);
	state_bool(s, "counting", &c->counting);
	state_u32(s, "reg", &c->reg);
	state_u32(s, "count", &c->count);
	state_tick(s, "start", &c->start);
	state_tick(s, "held", &c->held);
	state_tick(s, "reload_at", &c->reload_at);
	state_u8(s, "low_byte", &c->low_byte);
	state_bool(s, "write_high", &c->write_high);
	state_bool(s, "read_high", &c->read_high);
	state_bool(s, "count_latched", &c->count_latched);
	state_bool(s, "status_latched", &c->status_latched);
	state_u16(s, "latch", &c->latch);
	state_u8(s, "status", &c->status);
	if (c->mode > HARDWARE_STROBE || c->access > ACCESS_BOTH || c->access == ACCESS_LATCH)
		state_fail(s, -EINVAL, "mode");
	if (!is_count(c, c->count) || !is_count(c, c->reg) || c->start == NEVER || c->held == NEVER)
		state_fail(s, -EINVAL, "count");
}

static int pit_state(struct device *d, struct state *s)
{
	struct pit *p = (struct pit *)d;

	for (unsigned i = 0; i < COUNTERS; i++)
		counter_state(&p->counters[i], s);
	state_u8(s, "port61", &p->port61);
	state_u32(s, "owed", &p->tick.owed);
	state_tick(s, "seen", &p->seen);
	state_u64(s, "retry_at", &p->retry_at);
	timer_state(d->board->clock, s, "timer", &p->timer);
	if (!state_loading(s))
		return state_error(s);
	if (p->port61 & ~PORT61_WRITABLE || p->seen == NEVER)
		state_fail(s, -EINVAL, "port61");
	if (state_error(s))
		pit_reset(d); /* half a state is none */
	speaker_reset(&p->speaker, units_at(device_now(d)));
	arm_sound_timer(p, device_now(d), ticks_at(device_now(d)));
	return state_error(s);
}

const struct device_class pit_class = {
	.name = "pit",
	.summary = "8254 timer with the PC speaker",
	.size = sizeof(struct pit),
	.state_version = 1,
	.create = pit_create,
	.reset = pit_reset,
	.pause = pit_pause,
	.state = pit_state,
};
