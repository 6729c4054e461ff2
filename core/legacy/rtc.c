/* SPDX-License-Identifier: MIT */
/*
 * The MC146818 clock with 256 bytes of CMOS: index and data of the first 128 at config->port
 * (0x70), of the upper 128 two above, as in the PIIX4. Facts: Motorola MC146818 data sheet; the
 * CMOS cells are those that SeaBIOS reads.
 *
 * The clock does not tick: its registers are worked out from guest time when somebody looks, its
 * flags when somebody looks or an interrupt is enabled, and only then does a timer run. While SET
 * or a divider reset stops the clock, the registers are bytes.
 */
#include "core/legacy/legacy.h"

#include <errno.h>

#include "core/legacy/tick.h"

#define CYCLES 32768 /* of the crystal, a second */
#define UIP_BEFORE_UPDATE (244 * NS_PER_US)
#define DAY_SECONDS 86400

/* Four digits hold 10,000 years, 25 cycles of the calendar. The first second of the year 0, since 1970. */
#define YEAR_0 (-62167219200)
#define ALL_YEARS (25 * INT64_C(146097) * DAY_SECONDS)

enum cmos {
	SECONDS,
	SECONDS_ALARM,
	MINUTES,
	MINUTES_ALARM,
	HOURS,
	HOURS_ALARM,
	WEEKDAY,
	DAY,
	MONTH,
	YEAR,
	REGISTER_A,
	REGISTER_B,
	REGISTER_C,
	REGISTER_D,
	CMOS_EQUIPMENT = 0x14,
	CMOS_BASE_MEMORY = 0x15,
	CMOS_EXTENDED_MEMORY = 0x17,
	CMOS_CHECKED = 0x10,
	CMOS_CHECKSUM = 0x2e,
	CMOS_EXTENDED_MEMORY_2 = 0x30,
	CMOS_CENTURY = 0x32,
	CMOS_MEMORY_ABOVE_16M = 0x34,
	CMOS_BOOT_THIRD = 0x38,
	CMOS_BOOT = 0x3d,
	CMOS_MEMORY_ABOVE_4G = 0x5b,
	CMOS_CPUS = 0x5f,
	CMOS_UPPER_BANK = 0x80,
	CMOS_SIZE = 0x100
};
enum register_a { A_UIP = 0x80, A_DIVIDER = 0x70, A_DIVIDER_RESET = 0x60, A_DIVIDER_32K = 0x20, A_RATE = 0x0f };
enum register_b {
	B_SET = 0x80,
	B_PERIODIC = 0x40,
	B_ALARM = 0x20,
	B_UPDATE = 0x10,
	B_SQUARE_WAVE = 0x08,
	B_BINARY = 0x04,
	B_24_HOURS = 0x02,
	B_ENABLES = B_PERIODIC | B_ALARM | B_UPDATE
};
enum register_c { C_IRQ = 0x80, C_PERIODIC = 0x40, C_ALARM = 0x20, C_UPDATE = 0x10 }; /* as the enables of B */

#define D_VALID 0x80 /* the battery is good */
#define HOURS_PM 0x80
#define ALARM_ANY 0xc0 /* both top bits: every second, minute, hour */

struct rtc {
	struct device device;
	struct region region;
	uint8_t cmos[CMOS_SIZE];
	uint8_t index; /* bit 7: NMI is masked; remembered for whoever reads it back */
	uint8_t upper_index;
	int64_t seconds;   /* since 1970, when the divider was at `divider` */
	int64_t divider;   /* guest ns at which the divider chain last began a second that we count from */
	uint64_t synced;   /* guest ns up to which flags are worked out */
	struct tick tick;  /* of the periodic interrupt */
	uint64_t retry_at; /* guest ns: for the next one that is owed */
	struct timer timer;
};

/* ---- calendar: not the C library's, which may read a time zone file when the sandbox allows no
 * more ---- */

struct date {
	int64_t year;
	int month, day; /* from 1 */
};

/* Days since 1970-01-01 of the Gregorian calendar; years begin in March, so that the odd day comes
 * last. 400 years are added to keep divisions positive. */
static int64_t days_from_date(struct date date)
{
	int64_t y = date.year - (date.month <= 2) + 400;
	int64_t day_of_year = (153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1;

	return 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468 - 146097;
}

static struct date date_from_days(int64_t days)
{
	int64_t z = days + 719468 + 146097, era = z / 146097, d = z % 146097; /* 146097 days are 400 years */
	int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365, day_of_year = d - (365 * y + y / 4 - y / 100);
	int month = (int)(5 * day_of_year + 2) / 153;

	return (struct date){ .year = y + era * 400 - 400 + (month >= 10),
		              .month = month < 10 ? month + 3 : month - 9,
		              .day = (int)day_of_year - (153 * month + 2) / 5 + 1 };
}

/* After 9999 comes 0. */
static int64_t wrap_time(int64_t t)
{
	int64_t since_year_0 = (t % ALL_YEARS - YEAR_0) % ALL_YEARS;

	return YEAR_0 + since_year_0 + (since_year_0 < 0 ? ALL_YEARS : 0);
}

/* ---- time and registers ---- */

static bool divider_runs(const struct rtc *r)
{
	return (r->cmos[REGISTER_A] & A_DIVIDER_RESET) != A_DIVIDER_RESET;
}

static bool clock_runs(const struct rtc *r)
{
	return divider_runs(r) && !(r->cmos[REGISTER_B] & B_SET);
}

static uint64_t since_divider(const struct rtc *r, uint64_t now)
{
	return (int64_t)now > r->divider ? now - (uint64_t)r->divider : 0;
}

static int64_t time_at(const struct rtc *r, uint64_t now)
{
	return wrap_time(r->seconds + (int64_t)(since_divider(r, now) / NS_PER_SECOND));
}

static uint8_t encode(const struct rtc *r, unsigned v)
{
	return (uint8_t)(r->cmos[REGISTER_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static unsigned decode(const struct rtc *r, uint8_t v)
{
	return r->cmos[REGISTER_B] & B_BINARY ? v : (v >> 4) * 10u + (v & 15);
}

static uint8_t encode_hour(const struct rtc *r, unsigned hour)
{
	if (r->cmos[REGISTER_B] & B_24_HOURS)
		return encode(r, hour);
	return encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOURS_PM : 0);
}

static unsigned decode_hour(const struct rtc *r, uint8_t v)
{
	if (r->cmos[REGISTER_B] & B_24_HOURS)
		return decode(r, v);
	return decode(r, v & ~HOURS_PM) % 12 + (v & HOURS_PM ? 12 : 0);
}

static bool is_time_register(uint8_t index)
{
	return index == SECONDS || index == MINUTES || index == HOURS || (index >= WEEKDAY && index <= YEAR) ||
	       index == CMOS_CENTURY;
}

static void time_to_registers(struct rtc *r, int64_t t)
{
	int64_t days = (t - YEAR_0) / DAY_SECONDS + YEAR_0 / DAY_SECONDS;
	unsigned second = (unsigned)((t - YEAR_0) % DAY_SECONDS);
	struct date date = date_from_days(days);

	r->cmos[SECONDS] = encode(r, second % 60);
	r->cmos[MINUTES] = encode(r, second / 60 % 60);
	r->cmos[HOURS] = encode_hour(r, second / 3600);
	/* the year 0 began on a Saturday, the seventh day */
	r->cmos[WEEKDAY] = encode(r, (unsigned)((t - YEAR_0) / DAY_SECONDS + 6) % 7 + 1);
	r->cmos[DAY] = encode(r, (unsigned)date.day);
	r->cmos[MONTH] = encode(r, (unsigned)date.month);
	r->cmos[YEAR] = encode(r, (unsigned)(date.year % 100));
	r->cmos[CMOS_CENTURY] = encode(r, (unsigned)(date.year / 100));
}

/* Whatever the guest wrote is some time: a 31st of April is the 1st of May. The day of the week
 * follows from the date. */
static int64_t time_from_registers(const struct rtc *r)
{
	unsigned month = decode(r, r->cmos[MONTH]);
	struct date date = {
		.year = decode(r, r->cmos[CMOS_CENTURY]) * 100 + decode(r, r->cmos[YEAR]),
		.month = (int)MAX(1u, MIN(12u, month)),
		.day = (int)decode(r, r->cmos[DAY]),
	};

	return wrap_time(days_from_date(date) * DAY_SECONDS + decode_hour(r, r->cmos[HOURS]) * 3600 +
	                 decode(r, r->cmos[MINUTES]) * 60 + decode(r, r->cmos[SECONDS]));
}

static void look_at_clock(struct rtc *r, uint64_t now)
{
	if (clock_runs(r))
		time_to_registers(r, time_at(r, now));
}

/* The registers were written, or the clock starts: they are the time of this second. */
static void set_clock(struct rtc *r, uint64_t now)
{
	if (clock_runs(r))
		r->seconds = time_from_registers(r) - (int64_t)(since_divider(r, now) / NS_PER_SECOND);
}

/* ---- flags and interrupts ---- */

/* Cycles between two periodic interrupts; 0: none. Table 5 of the data sheet for 32 kHz. */
static uint64_t periodic_cycles(const struct rtc *r)
{
	unsigned rate = r->cmos[REGISTER_A] & A_RATE;

	if (!rate || !divider_runs(r))
		return 0;
	return 1u << ((rate <= 2 ? rate + 7 : rate) - 1);
}

static uint64_t cycles_at(const struct rtc *r, uint64_t now)
{
	return (uint64_t)((unsigned __int128)since_divider(r, now) * CYCLES / NS_PER_SECOND);
}

static uint64_t ns_from_cycles(uint64_t cycles)
{
	return (uint64_t)(((unsigned __int128)cycles * NS_PER_SECOND + CYCLES - 1) / CYCLES);
}

/* The line follows the flags. Returns what became of the interrupt, as irq_line_set(). */
static int update_irq(struct rtc *r)
{
	uint8_t *c = &r->cmos[REGISTER_C];

	*c = (uint8_t)(*c & ~C_IRQ) | (*c & r->cmos[REGISTER_B] & B_ENABLES ? C_IRQ : 0);
	return r->device.irq_count ? irq_line_set(&r->device.irqs[0], *c & C_IRQ) : -1;
}

/* Tells the guest of one period: if it has not read the last one's flag, it will not see this one. */
static int raise_periodic(struct rtc *r)
{
	if (r->cmos[REGISTER_C] & C_PERIODIC)
		return 0;
	r->cmos[REGISTER_C] |= C_PERIODIC;
	return update_irq(r);
}

static void run_periodic(struct rtc *r, uint64_t now)
{
	uint64_t cycles = periodic_cycles(r), edges, period;

	if (!cycles)
		return;
	edges = now > r->synced ? cycles_at(r, now) / cycles - cycles_at(r, r->synced) / cycles : 0;
	if (!(r->cmos[REGISTER_B] & B_PERIODIC)) {
		r->cmos[REGISTER_C] |= edges ? C_PERIODIC : 0;
		return;
	}
	period = ns_from_cycles(cycles);
	tick_elapsed(&r->tick, edges, period);
	if (!edges && now < r->retry_at)
		return;
	if (r->tick.owed)
		tick_tried(&r->tick, raise_periodic(r));
	r->retry_at = tick_deadline(&r->tick, now, period);
}

static bool alarm_matches(uint8_t alarm, unsigned alarm_value, unsigned value)
{
	return alarm >= ALARM_ANY || alarm_value == value;
}

/* The first second after t that the alarm is set for, or INT64_MAX (an hour 25). A day has no more
 * than 24 + 60 + 60 steps of this search, from hour to hour, then minutes, then seconds; the day
 * after is the same again. */
static int64_t next_alarm(const struct rtc *r, int64_t t)
{
	const uint8_t *alarm = r->cmos;

	t++;
	for (int step = 0; step < 2 * (24 + 60 + 60); step++) {
		unsigned second = (unsigned)((t - YEAR_0) % DAY_SECONDS);

		if (!alarm_matches(alarm[HOURS_ALARM], decode_hour(r, alarm[HOURS_ALARM]), second / 3600))
			t += 3600 - second % 3600;
		else if (!alarm_matches(alarm[MINUTES_ALARM], decode(r, alarm[MINUTES_ALARM]), second / 60 % 60))
			t += 60 - second % 60;
		else if (!alarm_matches(alarm[SECONDS_ALARM], decode(r, alarm[SECONDS_ALARM]), second % 60))
			t++;
		else
			return t;
	}
	return INT64_MAX;
}

static void run_update(struct rtc *r, uint64_t now)
{
	int64_t before = time_at(r, r->synced), after = time_at(r, now);

	if (!clock_runs(r) || after <= before)
		return;
	r->cmos[REGISTER_C] |= C_UPDATE;
	if (next_alarm(r, before) <= after)
		r->cmos[REGISTER_C] |= C_ALARM;
}

/* The guest ns at which the clock will have gone on by this many seconds. */
static uint64_t ns_of_second(const struct rtc *r, uint64_t now, int64_t ahead)
{
	uint64_t begun = since_divider(r, now) / NS_PER_SECOND * NS_PER_SECOND;

	return (uint64_t)r->divider + begun + (uint64_t)ahead * NS_PER_SECOND;
}

/* The timer runs for interrupts that are enabled and whose flag the guest has read. */
static uint64_t next_event(const struct rtc *r, uint64_t now)
{
	uint8_t wanted = r->cmos[REGISTER_B] & B_ENABLES & ~r->cmos[REGISTER_C];
	uint64_t at = TIMER_OFF, cycles = periodic_cycles(r);
	int64_t t = time_at(r, now), alarm;

	if (wanted & B_PERIODIC && cycles) {
		at = (uint64_t)r->divider + ns_from_cycles((cycles_at(r, now) / cycles + 1) * cycles);
		at = MIN(at, r->retry_at);
	}
	if (!clock_runs(r))
		return at;
	if (wanted & B_UPDATE)
		at = MIN(at, ns_of_second(r, now, 1));
	if (wanted & B_ALARM) {
		alarm = next_alarm(r, t);
		at = MIN(at, alarm == INT64_MAX ? TIMER_OFF : ns_of_second(r, now, alarm - t));
	}
	return at;
}

/* Works out the flags up to now; first in every callback. */
static uint64_t rtc_sync(struct rtc *r)
{
	uint64_t now = device_now(&r->device);

	run_periodic(r, now);
	run_update(r, now);
	r->synced = now;
	update_irq(r);
	return now;
}

static void rtc_arm(struct rtc *r, uint64_t now)
{
	uint64_t at = next_event(r, now);

	if (at != r->timer.deadline)
		timer_set(r->device.board->clock, &r->timer, at);
}

static void timer_fired(struct device *d, struct timer *t)
{
	struct rtc *r = (struct rtc *)d;

	(void)t;
	rtc_arm(r, rtc_sync(r));
}

static void forget_ticks(struct rtc *r)
{
	r->tick = (struct tick){ 0 };
	r->retry_at = TIMER_OFF;
}

/* ---- ports ---- */

static void write_a(struct rtc *r, uint8_t v, uint64_t now)
{
	bool ran = divider_runs(r);

	look_at_clock(r, now);
	if ((v ^ r->cmos[REGISTER_A]) & A_RATE)
		forget_ticks(r);
	r->cmos[REGISTER_A] = v & ~A_UIP;
	if (!ran && divider_runs(r)) { /* the first update comes half a second after the reset ends */
		r->divider = (int64_t)now - (int64_t)NS_PER_SECOND / 2;
		set_clock(r, now);
	}
}

static void write_b(struct rtc *r, uint8_t v, uint64_t now)
{
	bool ran = clock_runs(r);

	look_at_clock(r, now);
	if ((v ^ r->cmos[REGISTER_B]) & B_PERIODIC)
		forget_ticks(r);
	if (v & B_SET)
		v &= ~B_UPDATE;
	r->cmos[REGISTER_B] = v;
	if (!ran)
		set_clock(r, now);
	update_irq(r);
}

static uint8_t cmos_read(struct rtc *r, uint8_t index, uint64_t now)
{
	uint8_t v;

	if (is_time_register(index))
		look_at_clock(r, now);
	v = r->cmos[index];
	if (index == REGISTER_A && clock_runs(r) &&
	    since_divider(r, now) % NS_PER_SECOND >= NS_PER_SECOND - UIP_BEFORE_UPDATE)
		v |= A_UIP;
	if (index == REGISTER_C) {
		r->cmos[REGISTER_C] = 0;
		update_irq(r);
	}
	return v;
}

static void cmos_write(struct rtc *r, uint8_t index, uint8_t v, uint64_t now)
{
	if (index == REGISTER_A) {
		write_a(r, v, now);
	} else if (index == REGISTER_B) {
		write_b(r, v, now);
	} else if (is_time_register(index)) {
		look_at_clock(r, now);
		r->cmos[index] = v;
		set_clock(r, now);
	} else if (index != REGISTER_C && index != REGISTER_D) {
		r->cmos[index] = v;
	}
}

static uint8_t selected(const struct rtc *r, uint64_t offset)
{
	return offset < 2 ? r->index & 0x7f : CMOS_UPPER_BANK | (r->upper_index & 0x7f);
}

static uint64_t rtc_read(struct device *d, struct region *region, uint64_t offset, unsigned size)
{
	struct rtc *r = (struct rtc *)d;
	uint64_t now = rtc_sync(r);
	uint8_t v;

	(void)region, (void)size;
	if (offset == 0)
		return r->index;
	if (offset == 2)
		return r->upper_index;
	v = cmos_read(r, selected(r, offset), now);
	rtc_arm(r, now);
	return v;
}

static void rtc_write(struct device *d, struct region *region, uint64_t offset, unsigned size, uint64_t value)
{
	struct rtc *r = (struct rtc *)d;
	uint64_t now = rtc_sync(r);

	(void)region, (void)size;
	if (offset == 0)
		r->index = (uint8_t)value;
	else if (offset == 2)
		r->upper_index = (uint8_t)value;
	else
		cmos_write(r, selected(r, offset), (uint8_t)value, now);
	rtc_arm(r, now);
}

static const struct region_ops rtc_ops = { .read = rtc_read, .write = rtc_write, .max_size = 1 };

/* ---- device ---- */

static void store_size(struct rtc *r, unsigned at, uint64_t units)
{
	le16_store(r->cmos + at, (uint16_t)MIN(units, UINT16_MAX));
}

static void fill_cmos(struct rtc *r, const struct rtc_config *config)
{
	uint64_t below = config->memory_below_4g, above = MIN(config->memory_above_4g >> 16, 0xffffffu);
	uint64_t extended = below > 1 << 20 ? (below - (1 << 20)) >> 10 : 0;
	unsigned sum = 0;

	r->cmos[REGISTER_A] = A_DIVIDER_32K | 6; /* 1024 Hz */
	r->cmos[REGISTER_B] = B_24_HOURS;
	r->cmos[REGISTER_D] = D_VALID;
	r->cmos[CMOS_EQUIPMENT] = 0x06; /* FPU, PS/2 mouse */
	store_size(r, CMOS_BASE_MEMORY, 640);
	store_size(r, CMOS_EXTENDED_MEMORY, extended);
	store_size(r, CMOS_EXTENDED_MEMORY_2, extended);
	store_size(r, CMOS_MEMORY_ABOVE_16M, below > 16 << 20 ? (below - (16 << 20)) >> 16 : 0);
	store_size(r, CMOS_MEMORY_ABOVE_4G, above & 0xffff);
	r->cmos[CMOS_MEMORY_ABOVE_4G + 2] = (uint8_t)(above >> 16);
	r->cmos[CMOS_BOOT] = (uint8_t)((config->boot_order[0] & 15) | config->boot_order[1] << 4);
	r->cmos[CMOS_BOOT_THIRD] = (uint8_t)(config->boot_order[2] << 4);
	r->cmos[CMOS_CPUS] = (uint8_t)(config->cpus ? config->cpus - 1 : 0);
	for (unsigned i = CMOS_CHECKED; i < CMOS_CHECKSUM; i++)
		sum += r->cmos[i];
	be16_store(r->cmos + CMOS_CHECKSUM, (uint16_t)sum);
}

static int rtc_create(struct device *d, const struct device_config *config, struct error *e)
{
	static const struct rtc_config nothing;
	const struct rtc_config *extra = config->extra ? config->extra : &nothing;
	struct rtc *r = (struct rtc *)d;

	(void)e;
	timer_init(&r->timer, d, timer_fired);
	r->seconds = wrap_time(extra->epoch);
	fill_cmos(r, extra);
	r->region = (struct region){ .name = "rtc", .ops = &rtc_ops, .device = d, .size = 4, .space = BUS_PORT };
	bus_map(d->board->bus, &r->region, config->port);
	return 0;
}

/* A battery keeps time and memory; the reset line clears what could interrupt. */
static void rtc_reset(struct device *d)
{
	struct rtc *r = (struct rtc *)d;
	uint64_t now = rtc_sync(r);

	r->cmos[REGISTER_B] &= ~(B_ENABLES | B_SQUARE_WAVE);
	r->cmos[REGISTER_C] = 0;
	forget_ticks(r);
	update_irq(r);
	rtc_arm(r, now);
}

static void state_s64(struct state *s, const char *name, int64_t *v, int64_t low, int64_t high)
{
	uint64_t raw = (uint64_t)*v;

	state_u64(s, name, &raw);
	if ((int64_t)raw < low || (int64_t)raw > high)
		state_fail(s, -EINVAL, name);
	else
		*v = (int64_t)raw;
}

static int rtc_state(struct device *d, struct state *s)
{
	struct rtc *r = (struct rtc *)d;
	const int64_t far = 2 * ALL_YEARS, divider_first = -(int64_t)NS_PER_SECOND;

	state_bytes(s, "cmos", r->cmos, sizeof(r->cmos));
	state_u8(s, "index", &r->index);
	state_u8(s, "upper_index", &r->upper_index);
	state_s64(s, "seconds", &r->seconds, -far, far);
	state_s64(s, "divider", &r->divider, divider_first, INT64_MAX / 2);
	state_u64(s, "synced", &r->synced);
	state_u32(s, "owed", &r->tick.owed);
	state_u64(s, "retry_at", &r->retry_at);
	timer_state(d->board->clock, s, "timer", &r->timer);
	if (state_loading(s) && state_error(s))
		rtc_reset(d); /* half a state is none */
	update_irq(r);
	return state_error(s);
}

const struct device_class rtc_class = {
	.name = "rtc",
	.summary = "MC146818 clock with CMOS memory",
	.size = sizeof(struct rtc),
	.state_version = 2,
	.create = rtc_create,
	.reset = rtc_reset,
	.state = rtc_state,
};
