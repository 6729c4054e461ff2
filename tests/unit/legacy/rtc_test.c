/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/legacy/legacy.h"
#include "tests/unit/fake_board.h"
#include "tests/unit/legacy/twins.h"

#define IRQ 8
#define EPOCH 1709164798 /* Wednesday 2024-02-28 23:59:58 */

struct rig {
	struct fake_board *f;
	struct device *d;
};

static const struct rtc_config setup_data = {
	.epoch = EPOCH,
	.memory_below_4g = 3ull << 30,
	.memory_above_4g = 5ull << 30,
	.boot_order = { 3, 2, 1 },
	.cpus = 4,
};
static const struct device_config config = {
	.id = "rtc", .port = 0x70, .irq_count = 1, .irqs = { IRQ }, .extra = &setup_data
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->f = fake_board_new();
	r->d = fake_board_create(r->f, &rtc_class, &config);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	fake_board_free(r->f);
	free(r);
	return 0;
}

static uint8_t get(struct rig *r, uint8_t index)
{
	fake_outb(r->f, 0x70, index);
	return fake_inb(r->f, 0x71);
}

static void set(struct rig *r, uint8_t index, uint8_t v)
{
	fake_outb(r->f, 0x70, index);
	fake_outb(r->f, 0x71, v);
}

static void pass(struct rig *r, uint64_t ns)
{
	clock_advance(r->f->board.clock, ns);
}

/* century, year, month, day, hour, minute, second as the registers say them */
static void assert_time(struct rig *r, uint64_t expected)
{
	static const uint8_t registers[] = { 0x32, 9, 8, 7, 4, 2, 0 };
	uint64_t found = 0;

	for (unsigned i = 0; i < sizeof(registers); i++)
		found = found << 8 | get(r, registers[i]);
	assert_int_equal(found, expected);
}

static void set_time(struct rig *r, uint64_t time)
{
	static const uint8_t registers[] = { 0, 2, 4, 7, 8, 9, 0x32 };

	for (unsigned i = 0; i < sizeof(registers); i++)
		set(r, registers[i], (uint8_t)(time >> 8 * i));
}

/* ---- time ---- */

static void clock_starts_at_the_epoch_in_bcd(void **state)
{
	struct rig *r = *state;

	assert_int_equal(get(r, 0x0b), 0x02);
	assert_int_equal(get(r, 0x0d), 0x80);
	assert_time(r, 0x20240228235958);
	assert_int_equal(get(r, 6), 4);
	pass(r, 2 * NS_PER_SECOND);
	assert_time(r, 0x20240229000000);
	assert_int_equal(get(r, 6), 5);
	pass(r, 86400 * NS_PER_SECOND);
	assert_time(r, 0x20240301000000);
}

static void formats_follow_register_b(void **state)
{
	struct rig *r = *state;

	set(r, 0x0b, 0x06);
	assert_int_equal(get(r, 4), 23);
	assert_int_equal(get(r, 9), 24);
	assert_int_equal(get(r, 0x32), 20);
	set(r, 0x0b, 0x00);
	assert_int_equal(get(r, 4), 0x91); /* 11 pm */
	pass(r, 2 * NS_PER_SECOND);
	assert_int_equal(get(r, 4), 0x12); /* midnight is 12 am */
	pass(r, 12 * 3600 * NS_PER_SECOND);
	assert_int_equal(get(r, 4), 0x92); /* noon is 12 pm */
	set(r, 4, 0x85);
	set(r, 0x0b, 0x02);
	assert_int_equal(get(r, 4), 0x17);
}

static void set_stops_the_clock_and_takes_a_new_time(void **state)
{
	struct rig *r = *state;

	pass(r, NS_PER_SECOND / 4);
	set(r, 0x0b, 0x82);
	pass(r, 10 * NS_PER_SECOND);
	assert_time(r, 0x20240228235958);
	set_time(r, 0x19991231235959);
	assert_time(r, 0x19991231235959);
	set(r, 0x0b, 0x02);
	assert_time(r, 0x19991231235959);
	pass(r, NS_PER_SECOND * 3 / 4 - 1); /* the divider went on: the second ends where it would have */
	assert_time(r, 0x19991231235959);
	pass(r, 1);
	assert_time(r, 0x20000101000000);
	assert_int_equal(get(r, 6), 7);
}

static void single_registers_can_be_set_while_it_runs(void **state)
{
	struct rig *r = *state;

	set(r, 2, 0x30);
	set(r, 9, 0x25);
	assert_time(r, 0x20250228233058);
	pass(r, 2 * NS_PER_SECOND);
	assert_time(r, 0x20250228233100);
}

static void nonsense_times_are_survived(void **state)
{
	struct rig *r = *state;

	for (unsigned seed = 0; seed < 256; seed++) {
		set(r, 0x0b, 0x80 | (seed & 6));
		for (uint8_t i = 0; i < 10; i++)
			set(r, i, (uint8_t)(seed * (i + 7u)));
		set(r, 0x32, (uint8_t)(seed * 3));
		set(r, 0x0b, 0x30 | (seed & 6));
		pass(r, 3 * NS_PER_SECOND);
		assert_int_equal(get(r, 0x0c) & 0x10, 0x10);
	}
}

static void update_in_progress_shows_244_us_before(void **state)
{
	struct rig *r = *state;

	pass(r, NS_PER_SECOND - 245 * NS_PER_US);
	assert_int_equal(get(r, 0x0a) & 0x80, 0);
	pass(r, 2 * NS_PER_US);
	assert_int_equal(get(r, 0x0a) & 0x80, 0x80);
	assert_int_equal(get(r, 0), 0x58);
	pass(r, 242 * NS_PER_US);
	assert_int_equal(get(r, 0x0a) & 0x80, 0x80);
	pass(r, NS_PER_US);
	assert_int_equal(get(r, 0x0a) & 0x80, 0);
	assert_int_equal(get(r, 0), 0x59);
}

/* Another clock on the same board, that begins at another time. */
static void begin_at(struct rig *r, int64_t epoch)
{
	struct rtc_config other = setup_data;
	struct device_config c = config;

	other.epoch = epoch;
	c.extra = &other;
	r->f->devices = NULL;
	device_destroy(r->d);
	r->d = fake_board_create(r->f, &rtc_class, &c);
}

static void any_epoch_is_survived(void **state)
{
	struct rig *r = *state;

	begin_at(r, INT64_MAX);
	get(r, 0);
	begin_at(r, INT64_MIN);
	get(r, 0);
}

static unsigned from_bcd(uint8_t v)
{
	return (v >> 4) * 10u + (v & 15);
}

static void every_day_of_the_calendar_is_right(void **state)
{
	struct rig *r = *state;
	struct tm tm;

	for (int64_t t = -3000 * 86400ll; t < 200000 * 86400ll; t += 4 * 86399) {
		time_t libc = t;

		begin_at(r, t);
		gmtime_r(&libc, &tm);
		assert_int_equal(from_bcd(get(r, 0x32)) * 100 + from_bcd(get(r, 9)), tm.tm_year + 1900);
		assert_int_equal(from_bcd(get(r, 8)), tm.tm_mon + 1);
		assert_int_equal(from_bcd(get(r, 7)), tm.tm_mday);
		assert_int_equal(get(r, 6), tm.tm_wday + 1);
		assert_int_equal(from_bcd(get(r, 4)), tm.tm_hour);
	}
}

static void year_0_follows_9999(void **state)
{
	struct rig *r = *state;

	set(r, 0x0b, 0x82);
	set_time(r, 0x99991231235959);
	set(r, 0x0b, 0x02);
	pass(r, NS_PER_SECOND);
	assert_time(r, 0x00000101000000);
}

/* ---- interrupts ---- */

static void update_interrupt_comes_each_second(void **state)
{
	struct rig *r = *state;

	set(r, 0x0b, 0x12);
	pass(r, NS_PER_SECOND - 1);
	assert_false(r->f->irq_level[IRQ]);
	pass(r, 1);
	assert_true(r->f->irq_level[IRQ]);
	assert_int_equal(get(r, 0x0c) & 0x90, 0x90);
	assert_false(r->f->irq_level[IRQ]);
	assert_int_equal(get(r, 0x0c), 0);
	for (unsigned i = 0; i < 10; i++) {
		pass(r, NS_PER_SECOND);
		get(r, 0x0c);
	}
	assert_int_equal(r->f->irq_edges[IRQ], 11);
	set(r, 0x0b, 0x92); /* SET clears the enable */
	assert_int_equal(get(r, 0x0b), 0x82);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
}

static void unread_flag_keeps_the_line_up_and_the_timer_off(void **state)
{
	struct rig *r = *state;

	set(r, 0x0b, 0x12);
	pass(r, 10 * NS_PER_SECOND);
	assert_int_equal(r->f->irq_edges[IRQ], 1);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
	assert_int_equal(get(r, 0x0c) & 0x90, 0x90);
	pass(r, NS_PER_SECOND);
	assert_int_equal(r->f->irq_edges[IRQ], 2);
}

static void flags_come_without_interrupts_too(void **state)
{
	struct rig *r = *state;

	get(r, 0x0c);
	pass(r, 2 * NS_PER_MS);
	assert_int_equal(get(r, 0x0c), 0x40); /* 1024 Hz is what the BIOS leaves in A */
	pass(r, NS_PER_SECOND);
	assert_int_equal(get(r, 0x0c), 0x50);
	assert_int_equal(r->f->irq_edges[IRQ], 0);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
}

static unsigned periodic_interrupts(struct rig *r, uint64_t ns)
{
	unsigned count = 0;

	for (uint64_t end = clock_now(r->f->board.clock) + ns; clock_now(r->f->board.clock) < end;) {
		pass(r, 30518); /* faster than any rate */
		if (r->f->irq_level[IRQ])
			count += get(r, 0x0c) >> 6 & 1;
	}
	return count;
}

static void periodic_rates_are_those_of_the_table(void **state)
{
	struct rig *r = *state;
	static const unsigned hz[] = { 0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2 };

	for (unsigned rate = 0; rate < 16; rate++) {
		set(r, 0x0b, 0x02);
		set(r, 0x0a, (uint8_t)(0x20 | rate));
		get(r, 0x0c);
		set(r, 0x0b, 0x42);
		assert_in_range(periodic_interrupts(r, 2 * NS_PER_SECOND), 2 * hz[rate] - !!rate, 2 * hz[rate] + 1);
	}
}

static void periodic_interrupts_are_exact_over_an_hour(void **state)
{
	struct rig *r = *state;
	unsigned count = 0;

	set(r, 0x0a, 0x2a); /* 64 Hz: Windows */
	set(r, 0x0b, 0x42);
	for (unsigned i = 0; i < 3600 * 64; i++) {
		pass(r, NS_PER_SECOND / 64);
		count += get(r, 0x0c) >> 6 & 1;
	}
	assert_int_equal(count, 3600 * 64);
}

static void missed_periodic_interrupts_are_made_up_for(void **state)
{
	struct rig *r = *state;
	unsigned count;

	set(r, 0x0a, 0x2a);
	set(r, 0x0b, 0x42);
	pass(r, NS_PER_SECOND); /* the guest does not read C for a second */
	assert_int_equal(r->f->irq_edges[IRQ], 1);
	count = get(r, 0x0c) >> 6 & 1;
	count += periodic_interrupts(r, 3 * NS_PER_SECOND);
	assert_in_range(count, 4 * 64 - 1, 4 * 64 + 1);
	assert_in_range(periodic_interrupts(r, NS_PER_SECOND), 63, 65);
	r->f->irq_status = 0; /* or reads C, but KVM had the last one still pending */
	periodic_interrupts(r, NS_PER_SECOND);
	r->f->irq_status = 1;
	assert_in_range(periodic_interrupts(r, 3 * NS_PER_SECOND), 4 * 64 - 3, 4 * 64 + 1);
}

static void missed_interrupts_are_limited(void **state)
{
	struct rig *r = *state;

	set(r, 0x0a, 0x2a);
	set(r, 0x0b, 0x42);
	pass(r, 1000 * NS_PER_SECOND);
	get(r, 0x0c);
	assert_in_range(periodic_interrupts(r, 20 * NS_PER_SECOND), 30 * 64 - 2, 30 * 64 + 1);
}

static void alarm_comes_at_its_time(void **state)
{
	struct rig *r = *state;

	set(r, 5, 0x00);
	set(r, 3, 0x01);
	set(r, 1, 0x03);
	set(r, 0x0b, 0x22);
	pass(r, 64 * NS_PER_SECOND);
	assert_int_equal(r->f->irq_edges[IRQ], 0);
	pass(r, NS_PER_SECOND);
	assert_true(r->f->irq_level[IRQ]);
	assert_int_equal(get(r, 0x0c) & 0xa0, 0xa0);
	assert_time(r, 0x20240229000103);
	pass(r, 86399 * NS_PER_SECOND);
	assert_false(r->f->irq_level[IRQ]);
	pass(r, NS_PER_SECOND); /* and the day after */
	assert_true(r->f->irq_level[IRQ]);
}

static unsigned alarms_in(struct rig *r, unsigned seconds)
{
	unsigned count = 0;

	for (unsigned i = 0; i < seconds; i++) {
		pass(r, NS_PER_SECOND);
		count += get(r, 0x0c) >> 5 & 1;
	}
	return count;
}

static void alarm_wildcards_match_everything(void **state)
{
	struct rig *r = *state;

	set(r, 5, 0xff);
	set(r, 3, 0xc0);
	set(r, 1, 0x30);
	set(r, 0x0b, 0x22);
	assert_int_equal(alarms_in(r, 600), 10);
	set(r, 1, 0xc0);
	assert_int_equal(alarms_in(r, 100), 100);
	set(r, 3, 0x15);
	set(r, 1, 0x00);
	assert_int_equal(alarms_in(r, 7200), 2);
	set(r, 5, 0x25); /* no such hour */
	assert_int_equal(alarms_in(r, 100), 0);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
}

static void alarm_understands_12_hours(void **state)
{
	struct rig *r = *state;

	set(r, 5, 0x81); /* 1 pm */
	set(r, 3, 0x00);
	set(r, 1, 0x00);
	set(r, 0x0b, 0x20);
	pass(r, (2 + 13 * 3600) * NS_PER_SECOND - 1);
	assert_false(r->f->irq_level[IRQ]);
	pass(r, 1);
	assert_true(r->f->irq_level[IRQ]);
}

/* ---- what systems do ---- */

/* mc146818_set_time(): SET, divider reset, registers, B back, A back; the first update half a second later. */
static void linux_set_time_starts_half_a_second_before_the_update(void **state)
{
	struct rig *r = *state;
	uint8_t b = get(r, 0x0b), a = get(r, 0x0a) & 0x7f;

	pass(r, 123 * NS_PER_MS);
	set(r, 0x0b, b | 0x80);
	set(r, 0x0a, a | 0x70);
	set_time(r, 0x20300405060708);
	set(r, 0x0b, b);
	pass(r, 7 * NS_PER_SECOND);
	assert_time(r, 0x20300405060708);
	set(r, 0x0a, a);
	pass(r, NS_PER_SECOND / 2 - 1);
	assert_time(r, 0x20300405060708);
	pass(r, 1);
	assert_time(r, 0x20300405060709);
}

/* rtc_cmos: C is read until empty, D's VRT must be set; old kernels wait for UIP to rise and fall. */
static void linux_rtc_cmos_probe_finds_a_running_clock(void **state)
{
	struct rig *r = *state;
	unsigned polls = 0;

	assert_true(get(r, 0x0d) & 0x80);
	set(r, 0x0b, get(r, 0x0b) & ~0x70);
	get(r, 0x0c);
	assert_int_equal(get(r, 0x0c), 0);
	assert_int_equal(get(r, 0x0b) & 0x06, 0x02); /* 24 hours, BCD */
	while (!(get(r, 0x0a) & 0x80) && polls++ < 100000)
		pass(r, 20 * NS_PER_US);
	assert_in_range(polls, 1, 50000);
	while (get(r, 0x0a) & 0x80)
		pass(r, 20 * NS_PER_US);
	assert_int_equal(get(r, 0), 0x59);
}

static void seabios_finds_memory_boot_order_and_cpus(void **state)
{
	struct rig *r = *state;

	assert_int_equal(get(r, 0x15) | get(r, 0x16) << 8, 640);
	assert_int_equal(get(r, 0x17) | get(r, 0x18) << 8, 0xffff);
	assert_int_equal(get(r, 0x30) | get(r, 0x31) << 8, 0xffff);
	assert_int_equal(get(r, 0x34) | get(r, 0x35) << 8, ((3 << 10) - 16) * 16);
	assert_int_equal(get(r, 0x5b) | get(r, 0x5c) << 8 | get(r, 0x5d) << 16, 5 << 14);
	assert_int_equal(get(r, 0x3d), 0x23);
	assert_int_equal(get(r, 0x38), 0x10);
	assert_int_equal(get(r, 0x5f), 3);
	assert_int_equal(get(r, 0x10), 0);
	assert_int_equal(get(r, 0x12), 0);
	/* SeaBIOS's int 15/83: periodic interrupt by B, then C until it is silent */
	set(r, 0x0b, get(r, 0x0b) | 0x40);
	pass(r, NS_PER_MS);
	assert_true(r->f->irq_level[IRQ]);
	assert_true(get(r, 0x0c) & 0x40);
	set(r, 0x0b, get(r, 0x0b) & ~0x40);
}

static void small_memory_is_described_exactly(void **state)
{
	struct rig *r = *state;
	struct rtc_config small = { .memory_below_4g = 8 << 20, .cpus = 1 };
	struct device_config other = { .id = "rtc2", .port = 0x270, .extra = &small };

	fake_board_create(r->f, &rtc_class, &other);
	fake_outb(r->f, 0x270, 0x17);
	assert_int_equal(fake_inb(r->f, 0x271), 7168 & 0xff);
	fake_outb(r->f, 0x270, 0x18);
	assert_int_equal(fake_inb(r->f, 0x271), 7168 >> 8);
	fake_outb(r->f, 0x270, 0x34);
	assert_int_equal(fake_inb(r->f, 0x271), 0);
}

static void cmos_memory_has_two_banks_and_survives_reset(void **state)
{
	struct rig *r = *state;

	set(r, 0x0f, 0x0a); /* the shutdown code of a warm start */
	fake_outb(r->f, 0x72, 0x0f);
	fake_outb(r->f, 0x73, 0x55);
	fake_outb(r->f, 0x70, 0x80 | 0x0f); /* NMI masked */
	assert_int_equal(fake_inb(r->f, 0x71), 0x0a);
	assert_int_equal(fake_inb(r->f, 0x70), 0x8f);
	assert_int_equal(fake_inb(r->f, 0x73), 0x55);
	set(r, 0x0b, 0x72);
	pass(r, 2 * NS_PER_SECOND);
	assert_true(r->f->irq_level[IRQ]);
	device_lock(r->d);
	rtc_class.reset(r->d);
	device_unlock(r->d);
	assert_false(r->f->irq_level[IRQ]);
	assert_int_equal(get(r, 0x0b), 0x02);
	assert_int_equal(get(r, 0x0f), 0x0a);
	assert_time(r, 0x20240229000000);
	set(r, 0x0d, 0x00);
	assert_int_equal(get(r, 0x0d), 0x80);
}

/* ---- contract ---- */

static void state_holds_time_and_owed_interrupts(void **state)
{
	struct rig *r = *state, *copy;
	void *other = NULL, *saved;
	size_t length;

	setup(&other);
	copy = other;
	set(r, 9, 0x31);
	set(r, 0x0a, 0x2a);
	set(r, 0x0b, 0x42);
	pass(r, 4 * NS_PER_SECOND);
	get(r, 0x0c);
	saved = fake_save(r->d, &length);
	clock_set(copy->f->board.clock, clock_now(r->f->board.clock));
	assert_int_equal(fake_load(copy->d, saved, length), 0);
	assert_time(copy, 0x20310301000002);
	assert_in_range(periodic_interrupts(copy, 10 * NS_PER_SECOND), 14 * 64 - 2, 14 * 64 + 1);
	free(saved);
	teardown(&other);
}

static void damaged_state_is_refused_or_harmless(void **state)
{
	struct rig *r = *state;
	uint8_t *saved, *bad;
	size_t length;

	set(r, 0x0b, 0x72);
	pass(r, NS_PER_SECOND);
	saved = fake_save(r->d, &length);
	bad = malloc(length);
	srand(1);
	for (int i = 0; i < 5000; i++) {
		memcpy(bad, saved, length);
		for (int n = 0; n <= i % 4; n++)
			bad[(size_t)rand() % length] = (uint8_t)rand();
		fake_load(r->d, bad, (size_t)rand() % 8 ? length : (size_t)rand() % length);
		pass(r, NS_PER_MS);
		for (int n = 0; n < 5; n++) {
			get(r, (uint8_t)rand() % 14);
			set(r, (uint8_t)rand() % 14, (uint8_t)rand());
		}
	}
	free(saved);
	free(bad);
}

static void contract_holds(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 40; seed++)
		fake_check_state(&rtc_class, &config, seed);
}

static uint64_t act(struct twin *t)
{
	uint8_t v = (uint8_t)twin_random(t, 256), index = (uint8_t)twin_random(t, 14);

	switch (twin_random(t, 10)) {
	case 0:
		fake_outb(t->f, 0x70, index);
		fake_outb(t->f, 0x71, v);
		return 0;
	case 1:
		fake_outb(t->f, 0x70, 0x0a);
		fake_outb(t->f, 0x71, 0x20 | (v & 15));
		return 0;
	case 2:
		fake_outb(t->f, 0x70, 0x0b);
		fake_outb(t->f, 0x71, 0x40 | (v & 0x36));
		return 0;
	case 3:
		clock_advance(t->f->board.clock, v * 4 * NS_PER_MS);
		return 0;
	case 4:
		clock_advance(t->f->board.clock, v * 4 * NS_PER_US);
		return 0;
	case 5:
		t->f->irq_status = v & 1;
		return 0;
	case 6:
		fake_outb(t->f, 0x70, 1); /* the alarm's second */
		fake_outb(t->f, 0x71, v);
		return 0;
	case 7:
		fake_outb(t->f, 0x72, v);
		fake_outb(t->f, 0x73, v);
		return 0;
	case 8:
		fake_outb(t->f, 0x70, 0x0c);
		return fake_inb(t->f, 0x71);
	default:
		return fake_inb(t->f, (uint16_t)(0x70 + v % 4));
	}
}

static void saved_at_any_moment_it_goes_on_alike(void **state)
{
	(void)state;
	check_twins(&rtc_class, &config, act, 500);
}

static void random_use_is_survived(void **state)
{
	struct rig *r = *state;

	srand(3);
	for (int i = 0; i < 100000; i++) {
		r->f->irq_status = rand() % 3 - 1;
		switch (rand() % 6) {
		case 0:
			pass(r, (uint64_t)rand() % NS_PER_SECOND);
			break;
		case 1:
		case 2:
			set(r, (uint8_t)rand() % 16, (uint8_t)rand());
			break;
		case 3:
			fake_in(r->f, (uint16_t)(0x70 + rand() % 4), 1u << rand() % 3);
			break;
		default:
			fake_out(r->f, (uint16_t)(0x70 + rand() % 4), 1u << rand() % 3, (uint64_t)rand());
		}
	}
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(clock_starts_at_the_epoch_in_bcd),
		test(formats_follow_register_b),
		test(set_stops_the_clock_and_takes_a_new_time),
		test(single_registers_can_be_set_while_it_runs),
		test(nonsense_times_are_survived),
		test(update_in_progress_shows_244_us_before),
		test(any_epoch_is_survived),
		test(every_day_of_the_calendar_is_right),
		test(year_0_follows_9999),
		test(update_interrupt_comes_each_second),
		test(unread_flag_keeps_the_line_up_and_the_timer_off),
		test(flags_come_without_interrupts_too),
		test(periodic_rates_are_those_of_the_table),
		test(periodic_interrupts_are_exact_over_an_hour),
		test(missed_periodic_interrupts_are_made_up_for),
		test(missed_interrupts_are_limited),
		test(alarm_comes_at_its_time),
		test(alarm_wildcards_match_everything),
		test(alarm_understands_12_hours),
		test(linux_set_time_starts_half_a_second_before_the_update),
		test(linux_rtc_cmos_probe_finds_a_running_clock),
		test(seabios_finds_memory_boot_order_and_cpus),
		test(small_memory_is_described_exactly),
		test(cmos_memory_has_two_banks_and_survives_reset),
		test(state_holds_time_and_owed_interrupts),
		test(damaged_state_is_refused_or_harmless),
		test(contract_holds),
		test(saved_at_any_moment_it_goes_on_alike),
		test(random_use_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
