/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/legacy/legacy.h"
#include "tests/unit/fake_board.h"
#include "tests/unit/legacy/twins.h"

#define HZ 1193182ull

struct rig {
	struct fake_board *f;
	struct device *d;
};

static const struct device_config config = { .id = "pit", .port = 0x40, .irq_count = 1, .irqs = { 0 } };

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->f = fake_board_new();
	r->d = fake_board_create(r->f, &pit_class, &config);
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

static void out(struct rig *r, uint16_t port, uint8_t v)
{
	fake_outb(r->f, port, v);
}

static uint8_t in(struct rig *r, uint16_t port)
{
	return fake_inb(r->f, port);
}

static void pass(struct rig *r, uint64_t ns)
{
	clock_advance(r->f->board.clock, ns);
}

/* Moves to the first moment of the tick that is `ticks` after that of now. */
static void pass_ticks(struct rig *r, uint64_t ticks)
{
	uint64_t now = clock_now(r->f->board.clock);
	uint64_t to = (uint64_t)((unsigned __int128)now * HZ / NS_PER_SECOND) + ticks;

	pass(r, (uint64_t)(((unsigned __int128)to * NS_PER_SECOND + HZ - 1) / HZ) - now);
}

/* control: mode << 1 | bcd; access is both bytes */
static void program(struct rig *r, unsigned counter, uint8_t control, uint16_t count)
{
	out(r, 0x43, (uint8_t)(counter << 6 | 0x30 | control));
	out(r, (uint16_t)(0x40 + counter), (uint8_t)count);
	out(r, (uint16_t)(0x40 + counter), (uint8_t)(count >> 8));
}

static uint16_t latched(struct rig *r, unsigned counter)
{
	uint8_t low;

	out(r, 0x43, (uint8_t)(counter << 6));
	low = in(r, (uint16_t)(0x40 + counter));
	return (uint16_t)(low | in(r, (uint16_t)(0x40 + counter)) << 8);
}

static bool output2(struct rig *r)
{
	return in(r, 0x61) & 0x20;
}

static unsigned edges(struct rig *r)
{
	return r->f->irq_edges[0];
}

/* ---- modes ---- */

static void mode_0_interrupts_once_at_its_end(void **state)
{
	struct rig *r = *state;

	program(r, 0, 0 << 1, 1000);
	pass_ticks(r, 999);
	assert_int_equal(edges(r), 0);
	assert_int_equal(latched(r, 0), 1);
	pass_ticks(r, 1);
	assert_int_equal(edges(r), 1);
	pass_ticks(r, 1);
	assert_int_equal(latched(r, 0), 0xffff); /* counts on */
	pass(r, NS_PER_SECOND);
	assert_int_equal(edges(r), 1);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
}

static void mode_0_output_falls_with_the_first_byte_and_counting_stops(void **state)
{
	struct rig *r = *state;

	out(r, 0x61, 1);
	program(r, 2, 0 << 1, 10);
	assert_false(output2(r));
	pass_ticks(r, 10);
	assert_true(output2(r));
	out(r, 0x42, 20);
	assert_false(output2(r));
	pass_ticks(r, 100);
	assert_false(output2(r));
	out(r, 0x42, 0);
	pass_ticks(r, 19);
	assert_false(output2(r));
	pass_ticks(r, 1);
	assert_true(output2(r));
}

static void mode_0_gate_holds_the_count(void **state)
{
	struct rig *r = *state;

	out(r, 0x61, 1);
	program(r, 2, 0 << 1, 100);
	pass_ticks(r, 40);
	out(r, 0x61, 0);
	pass_ticks(r, 1000);
	assert_int_equal(latched(r, 2), 60);
	assert_false(output2(r));
	out(r, 0x61, 1);
	pass_ticks(r, 59);
	assert_false(output2(r));
	pass_ticks(r, 1);
	assert_true(output2(r));
}

static void mode_1_is_triggered_and_retriggered_by_the_gate(void **state)
{
	struct rig *r = *state;

	program(r, 2, 1 << 1, 100);
	assert_true(output2(r));
	pass_ticks(r, 500);
	assert_true(output2(r));
	out(r, 0x61, 1);
	assert_false(output2(r));
	pass_ticks(r, 60);
	out(r, 0x61, 0);
	out(r, 0x61, 1);
	pass_ticks(r, 99);
	assert_false(output2(r));
	pass_ticks(r, 1);
	assert_true(output2(r));
}

static void mode_2_counts_down_and_is_low_for_one_tick(void **state)
{
	struct rig *r = *state;

	out(r, 0x61, 1);
	program(r, 2, 2 << 1, 5);
	for (int i = 0; i < 3; i++) {
		for (uint16_t n = 5; n >= 1; n--) {
			assert_int_equal(latched(r, 2), n);
			assert_int_equal(output2(r), n != 1);
			pass_ticks(r, 1);
		}
	}
	out(r, 0x61, 0);
	assert_true(output2(r)); /* the gate forces it high */
	pass_ticks(r, 3);
	out(r, 0x61, 1); /* and starts anew */
	assert_int_equal(latched(r, 2), 5);
}

static void mode_3_halves_even_and_odd_counts(void **state)
{
	static const char *const even = "1100", *const odd = "11100";
	struct rig *r = *state;

	out(r, 0x61, 1);
	program(r, 2, 3 << 1, 4);
	for (int i = 0; i < 12; i++, pass_ticks(r, 1))
		assert_int_equal(output2(r), even[i % 4] == '1');
	program(r, 2, 3 << 1, 5);
	for (int i = 0; i < 15; i++, pass_ticks(r, 1))
		assert_int_equal(output2(r), odd[i % 5] == '1');
	program(r, 2, 7 << 1, 100); /* mode 7 is mode 3 */
	assert_int_equal(latched(r, 2), 100);
	pass_ticks(r, 10);
	assert_int_equal(latched(r, 2), 80);
	pass_ticks(r, 45);
	assert_int_equal(latched(r, 2), 90);
}

static void modes_4_and_5_strobe_for_one_tick(void **state)
{
	struct rig *r = *state;

	out(r, 0x61, 1);
	program(r, 2, 4 << 1, 10);
	pass_ticks(r, 9);
	assert_true(output2(r));
	pass_ticks(r, 1);
	assert_false(output2(r));
	pass_ticks(r, 1);
	assert_true(output2(r));
	program(r, 2, 5 << 1, 10);
	pass_ticks(r, 10);
	assert_true(output2(r)); /* not triggered yet */
	out(r, 0x61, 0);
	out(r, 0x61, 1);
	pass_ticks(r, 10);
	assert_false(output2(r));
	pass_ticks(r, 1);
	assert_true(output2(r));
	program(r, 0, 4 << 1, 10);
	pass_ticks(r, 11);
	assert_int_equal(edges(r), 1);
}

static void new_count_of_a_wave_waits_for_its_turn(void **state)
{
	struct rig *r = *state;

	program(r, 0, 2 << 1, 1000);
	pass_ticks(r, 300);
	out(r, 0x40, 500 & 0xff);
	out(r, 0x40, 500 >> 8);
	assert_int_equal(latched(r, 0), 700);
	pass_ticks(r, 700);
	assert_int_equal(edges(r), 1);
	assert_int_equal(latched(r, 0), 500);
	pass_ticks(r, 500);
	assert_int_equal(edges(r), 2);
	out(r, 0x61, 1);
	program(r, 2, 3 << 1, 1000);
	pass_ticks(r, 300);
	out(r, 0x42, 100);
	out(r, 0x42, 0);
	pass_ticks(r, 199); /* the high half ends as it began ... */
	assert_true(output2(r));
	pass_ticks(r, 1);
	assert_false(output2(r));
	pass_ticks(r, 49); /* ... and the low half is of the new count */
	assert_false(output2(r));
	pass_ticks(r, 1);
	assert_true(output2(r));
}

/* ---- access ---- */

static void bcd_counts_in_decimal(void **state)
{
	struct rig *r = *state;

	out(r, 0x61, 1);
	program(r, 2, 2 << 1 | 1, 0x1000);
	pass_ticks(r, 1);
	assert_int_equal(latched(r, 2), 0x0999);
	pass_ticks(r, 900);
	assert_int_equal(latched(r, 2), 0x0099);
	program(r, 2, 0 << 1 | 1, 0x0000); /* 10000 */
	assert_int_equal(latched(r, 2), 0x0000);
	pass_ticks(r, 1);
	assert_int_equal(latched(r, 2), 0x9999);
}

static void single_byte_access_sets_the_other_to_zero(void **state)
{
	struct rig *r = *state;

	out(r, 0x61, 1);
	out(r, 0x43, 0x94); /* counter 2, low byte, mode 2 */
	out(r, 0x42, 0x80);
	pass_ticks(r, 1);
	assert_int_equal(in(r, 0x42), 0x7f);
	assert_int_equal(in(r, 0x42), 0x7f);
	out(r, 0x43, 0xa4); /* high byte */
	out(r, 0x42, 0x12);
	pass_ticks(r, 1);
	assert_int_equal(in(r, 0x42), 0x11);
}

static void latch_holds_until_it_is_read(void **state)
{
	struct rig *r = *state;

	program(r, 0, 2 << 1, 1000);
	pass_ticks(r, 100);
	out(r, 0x43, 0x00);
	pass_ticks(r, 100);
	out(r, 0x43, 0x00); /* ignored */
	assert_int_equal(in(r, 0x40), 900 & 0xff);
	pass_ticks(r, 100);
	assert_int_equal(in(r, 0x40), 900 >> 8);
	assert_int_equal(in(r, 0x40), 700 & 0xff);
}

static void read_back_gives_status_then_count(void **state)
{
	struct rig *r = *state;

	out(r, 0x43, 0x34);
	out(r, 0x43, 0xe2); /* status of counter 0: nothing loaded yet */
	assert_int_equal(in(r, 0x40), 0xc0 | 0x34);
	program(r, 0, 2 << 1, 1000);
	out(r, 0x43, 0xc2); /* both */
	pass_ticks(r, 10);
	assert_int_equal(in(r, 0x40), 0x80 | 0x34);
	assert_int_equal(in(r, 0x40), 1000 & 0xff);
	assert_int_equal(in(r, 0x40), 1000 >> 8);
	out(r, 0x40, 0);
	out(r, 0x40, 4);
	out(r, 0x43, 0xe2);
	assert_int_equal(in(r, 0x40) & 0x40, 0x40); /* null count: waits for the period's end */
}

static void control_port_cannot_be_read(void **state)
{
	assert_int_equal(in(*state, 0x43), 0xff);
}

/* ---- what systems do ---- */

static void seabios_timer_setup_gives_18_ticks_a_second(void **state)
{
	struct rig *r = *state;

	out(r, 0x43, 0x34);
	out(r, 0x40, 0);
	out(r, 0x40, 0);
	pass(r, 10 * NS_PER_SECOND);
	assert_int_equal(edges(r), 10 * HZ / 65536);
}

/* pit_calibrate_tsc(): mode 0 on counter 2, waiting for OUT in port 0x61. */
static void linux_pit_calibrate_tsc_measures_50_ms(void **state)
{
	struct rig *r = *state;
	uint16_t latch = (uint16_t)(HZ / 20);
	uint64_t start;

	out(r, 0x61, (uint8_t)((in(r, 0x61) & ~0x02) | 0x01));
	out(r, 0x43, 0xb0);
	out(r, 0x42, latch & 0xff);
	out(r, 0x42, latch >> 8);
	start = clock_now(r->f->board.clock);
	while (!(in(r, 0x61) & 0x20))
		pass(r, NS_PER_US);
	assert_in_range(clock_now(r->f->board.clock) - start, 49998 * NS_PER_US, 50002 * NS_PER_US);
}

/* quick_pit_calibrate(): reads pairs of bytes of a running mode 0 counter and waits for each high byte in turn. */
static void linux_quick_pit_calibrate_sees_every_high_byte(void **state)
{
	struct rig *r = *state;

	out(r, 0x61, (uint8_t)((in(r, 0x61) & ~0x02) | 0x01));
	out(r, 0x43, 0xb0);
	out(r, 0x42, 0xff);
	out(r, 0x42, 0xff);
	for (int msb = 0xff; msb > 0xe0; msb--) {
		unsigned seen = 0;

		for (;;) {
			in(r, 0x42);
			if (in(r, 0x42) != msb)
				break;
			seen++;
			pass(r, 2 * NS_PER_US);
		}
		assert_in_range(seen, 100, 115); /* 256 ticks are 214 us */
	}
}

static void refresh_bit_toggles_every_15_us(void **state)
{
	struct rig *r = *state;
	unsigned toggles = 0;
	uint8_t last = in(r, 0x61) & 0x10;

	for (int i = 0; i < 10000; i++) {
		pass(r, NS_PER_US);
		toggles += (in(r, 0x61) & 0x10) != last;
		last = in(r, 0x61) & 0x10;
	}
	assert_in_range(toggles, 662, 664);
}

static void port_61_keeps_its_low_bits(void **state)
{
	struct rig *r = *state;

	out(r, 0x61, 0xff);
	assert_int_equal(in(r, 0x61) & 0xcf, 0x0f);
	out(r, 0x61, 0x00);
	assert_int_equal(in(r, 0x61) & 0xcf, 0x00);
}

/* ---- ticks ---- */

static void a_day_has_all_its_ticks(void **state)
{
	struct rig *r = *state;

	program(r, 0, 2 << 1, 0);
	pass(r, 86400 * NS_PER_SECOND);
	assert_int_equal(edges(r), 86400 * HZ / 65536); /* 1,573,042 */
	r->f->irq_edges[0] = 0;
	program(r, 0, 3 << 1, 1193);
	pass(r, 3600 * NS_PER_SECOND);
	assert_in_range(edges(r), 3600 * HZ / 1193, 3600 * HZ / 1193 + 1);
}

static void coalesced_ticks_are_made_up_for(void **state)
{
	struct rig *r = *state;
	uint64_t period = 1193 * NS_PER_SECOND / HZ;
	unsigned lost;

	program(r, 0, 2 << 1, 1193);
	pass(r, 100 * period + period / 4);
	assert_int_equal(edges(r), 100);
	r->f->irq_status = 0;
	pass(r, 50 * period);
	r->f->irq_status = 1;
	lost = 50;
	r->f->irq_edges[0] = 0;
	pass(r, 50 * period); /* at twice the rate ... */
	assert_in_range(edges(r), 50 + lost - 2, 50 + lost);
	pass(r, 10 * period); /* ... until all are there, and no more */
	assert_int_equal(edges(r), 60 + lost);
	pass(r, 40 * period);
	assert_int_equal(edges(r), 100 + lost);
}

static void owed_ticks_are_limited_to_ten_seconds(void **state)
{
	struct rig *r = *state;

	program(r, 0, 2 << 1, 11932);
	r->f->irq_status = 0;
	pass(r, 100 * NS_PER_SECOND);
	r->f->irq_status = 1;
	r->f->irq_edges[0] = 0;
	pass(r, 100 * NS_PER_SECOND);
	assert_in_range(edges(r), 10990, 11010); /* 100 a second: 10000 and the 1000 that were kept */
}

static void masked_ticks_are_nobodys_loss(void **state)
{
	struct rig *r = *state;

	program(r, 0, 2 << 1, 11932);
	r->f->irq_status = -1;
	pass(r, 5 * NS_PER_SECOND);
	r->f->irq_status = 1;
	r->f->irq_edges[0] = 0;
	pass(r, NS_PER_SECOND);
	assert_in_range(edges(r), 99, 101);
}

static void reprogramming_forgets_what_is_owed(void **state)
{
	struct rig *r = *state;

	program(r, 0, 2 << 1, 11932);
	r->f->irq_status = 0;
	pass(r, 5 * NS_PER_SECOND);
	r->f->irq_status = 1;
	program(r, 0, 2 << 1, 11932);
	r->f->irq_edges[0] = 0;
	pass(r, NS_PER_SECOND);
	assert_in_range(edges(r), 99, 101);
}

/* The I/O thread was not scheduled for a while: time jumps over many periods at once. */
static void late_host_delivers_all_ticks_but_no_storm(void **state)
{
	struct rig *r = *state;

	program(r, 0, 2 << 1, 11932);
	clock_set(r->f->board.clock, clock_now(r->f->board.clock) + NS_PER_SECOND);
	r->f->irq_edges[0] = 0;
	clock_run(r->f->board.clock);
	assert_int_equal(edges(r), 1);
	pass(r, NS_PER_SECOND * 21 / 20);
	assert_in_range(edges(r), 202, 206); /* two seconds' worth */
}

static void paused_guest_finds_no_storm(void **state)
{
	struct rig *r = *state;

	program(r, 0, 2 << 1, 1193);
	pass(r, NS_PER_SECOND);
	r->f->irq_edges[0] = 0;
	clock_stop(r->f->board.clock);
	pit_class.pause(r->d);
	clock_run(r->f->board.clock);
	assert_int_equal(edges(r), 0);
	clock_start(r->f->board.clock);
	pass(r, 100 * NS_PER_MS);
	assert_in_range(edges(r), 99, 101);
}

static void shortest_periods_do_not_flood_the_host(void **state)
{
	struct rig *r = *state;

	program(r, 0, 2 << 1, 1); /* illegal, taken as 2 */
	pass(r, NS_PER_SECOND);
	assert_in_range(edges(r), 1000, 20001);
}

static void unused_chip_runs_no_timer(void **state)
{
	struct rig *r = *state;

	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
	out(r, 0x61, 1);
	program(r, 2, 3 << 1, 1000);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
	out(r, 0x43, 0x30); /* Linux's pit_shutdown() */
	out(r, 0x40, 0);
	out(r, 0x40, 0);
	pass(r, NS_PER_SECOND);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
}

/* ---- contract ---- */

static void state_holds_ticks_that_are_owed(void **state)
{
	struct rig *r = *state, *copy;
	void *other = NULL, *saved;
	size_t length;

	setup(&other);
	copy = other;
	program(r, 0, 2 << 1, 11932);
	r->f->irq_status = 0;
	pass(r, NS_PER_SECOND);
	saved = fake_save(r->d, &length);
	clock_set(copy->f->board.clock, clock_now(r->f->board.clock));
	assert_int_equal(fake_load(copy->d, saved, length), 0);
	pass(copy, 2 * NS_PER_SECOND);
	assert_in_range(edges(copy), 298, 302);
	free(saved);
	teardown(&other);
}

static void damaged_state_is_refused_or_harmless(void **state)
{
	struct rig *r = *state;
	uint8_t *saved, *bad;
	size_t length;

	program(r, 0, 2 << 1, 11932);
	program(r, 2, 3 << 1, 1193);
	out(r, 0x61, 3);
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
			in(r, (uint16_t)(0x40 + rand() % 4));
			out(r, (uint16_t)(0x40 + rand() % 4), (uint8_t)rand());
			out(r, 0x61, (uint8_t)rand());
		}
	}
	free(saved);
	free(bad);
}

static void contract_holds(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 40; seed++)
		fake_check_state(&pit_class, &config, seed);
}

static uint64_t act(struct twin *t)
{
	unsigned counter = twin_random(t, 3);
	uint8_t v = (uint8_t)twin_random(t, 256);

	switch (twin_random(t, 10)) {
	case 0:
		fake_outb(t->f, 0x43, (uint8_t)(counter << 6 | (v & 0x3f)));
		return 0;
	case 1:
		fake_outb(t->f, 0x43, 0xc0 | v);
		return 0;
	case 2:
		fake_outb(t->f, 0x61, v);
		return 0;
	case 3:
		fake_outb(t->f, 0x43, 0x34);
		fake_outb(t->f, 0x40, 0x10);
		fake_outb(t->f, 0x40, 0x10);
		return 0;
	case 4:
		fake_outb(t->f, (uint16_t)(0x40 + counter), v);
		return 0;
	case 5:
		clock_advance(t->f->board.clock, v * 100 * NS_PER_US);
		return 0;
	case 6:
		clock_advance(t->f->board.clock, v * NS_PER_US);
		return 0;
	case 7:
		t->f->irq_status = v & 1;
		return 0;
	default:
		return fake_inb(t->f, v & 1 ? 0x61 : (uint16_t)(0x40 + counter));
	}
}

static void saved_in_mid_count_it_goes_on_alike(void **state)
{
	(void)state;
	check_twins(&pit_class, &config, act, 500);
}

/* A load at such a tick would be in the past when it is counted in ns of 64 bits: a timer that is due for ever. */
static void state_of_ticks_beyond_any_time_is_refused(void **state)
{
	static const uint8_t field[] = "\x05start\x08\0\0";
	struct rig *r = *state;
	uint8_t *saved, *start;
	size_t length;

	program(r, 0, 3, 1000);
	pass(r, NS_PER_SECOND);
	saved = fake_save(r->d, &length);
	start = memmem(saved, length, field, sizeof(field));
	assert_non_null(start);
	le64_store(start + sizeof(field), (uint64_t)(((unsigned __int128)HZ << 64) / NS_PER_SECOND));
	assert_int_equal(fake_load(r->d, saved, length), -EINVAL);
	clock_run(r->f->board.clock);
	assert_true(clock_next(r->f->board.clock) > clock_now(r->f->board.clock));
	free(saved);
}

static void random_use_is_survived(void **state)
{
	struct rig *r = *state;

	srand(3);
	for (int i = 0; i < 100000; i++) {
		uint16_t port = rand() % 5 ? (uint16_t)(0x40 + rand() % 4) : 0x61;

		if (rand() % 8 == 0)
			pass(r, (uint64_t)rand() % NS_PER_MS);
		r->f->irq_status = rand() % 3 - 1;
		if (rand() & 1)
			fake_in(r->f, port, 1u << rand() % 3);
		else
			fake_out(r->f, port, 1u << rand() % 3, (uint64_t)rand());
	}
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(mode_0_interrupts_once_at_its_end),
		test(mode_0_output_falls_with_the_first_byte_and_counting_stops),
		test(mode_0_gate_holds_the_count),
		test(mode_1_is_triggered_and_retriggered_by_the_gate),
		test(mode_2_counts_down_and_is_low_for_one_tick),
		test(mode_3_halves_even_and_odd_counts),
		test(modes_4_and_5_strobe_for_one_tick),
		test(new_count_of_a_wave_waits_for_its_turn),
		test(bcd_counts_in_decimal),
		test(single_byte_access_sets_the_other_to_zero),
		test(latch_holds_until_it_is_read),
		test(read_back_gives_status_then_count),
		test(control_port_cannot_be_read),
		test(seabios_timer_setup_gives_18_ticks_a_second),
		test(linux_pit_calibrate_tsc_measures_50_ms),
		test(linux_quick_pit_calibrate_sees_every_high_byte),
		test(refresh_bit_toggles_every_15_us),
		test(port_61_keeps_its_low_bits),
		test(a_day_has_all_its_ticks),
		test(coalesced_ticks_are_made_up_for),
		test(owed_ticks_are_limited_to_ten_seconds),
		test(masked_ticks_are_nobodys_loss),
		test(reprogramming_forgets_what_is_owed),
		test(late_host_delivers_all_ticks_but_no_storm),
		test(paused_guest_finds_no_storm),
		test(shortest_periods_do_not_flood_the_host),
		test(unused_chip_runs_no_timer),
		test(state_holds_ticks_that_are_owed),
		test(damaged_state_is_refused_or_harmless),
		test(contract_holds),
		test(saved_in_mid_count_it_goes_on_alike),
		test(state_of_ticks_beyond_any_time_is_refused),
		test(random_use_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
