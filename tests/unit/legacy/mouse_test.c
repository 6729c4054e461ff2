/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/legacy/legacy.h"
#include "tests/unit/fake_board.h"

#define LEFT 1u
#define RIGHT 2u
#define MIDDLE 4u
#define SIDE 8u
#define EXTRA 16u

struct rig {
	struct fake_board *f;
	struct device *d;
};

static int setup(void **state)
{
	struct device_config config = { .id = "i8042", .port = 0x60, .irq_count = 2, .irqs = { 1, 12 } };
	struct rig *r = calloc(1, sizeof(*r));

	r->f = fake_board_new();
	r->d = fake_board_create(r->f, &i8042_class, &config);
	fake_outb(r->f, 0x64, 0x60);
	fake_outb(r->f, 0x60, 0x03);
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

static void pass(struct rig *r, uint64_t ns)
{
	clock_advance(r->f->board.clock, ns);
}

/* The next byte of the mouse that is there now; -1: none. */
static int receive(struct rig *r)
{
	if ((fake_inb(r->f, 0x64) & 0x21) != 0x21)
		return -1;
	return fake_inb(r->f, 0x60);
}

static void send(struct rig *r, uint8_t v)
{
	fake_outb(r->f, 0x64, 0xd4);
	fake_outb(r->f, 0x60, v);
}

#define expect(r, ...)                                                          \
	do {                                                                    \
		const int expected_[] = { __VA_ARGS__ };                        \
		for (size_t i_ = 0; i_ < sizeof(expected_) / sizeof(int); i_++) \
			assert_int_equal(receive(r), expected_[i_]);            \
		assert_int_equal(receive(r), -1);                               \
	} while (0)

static void acknowledged(struct rig *r, uint8_t v)
{
	send(r, v);
	expect(r, 0xfa);
}

static void set_rates(struct rig *r, uint8_t a, uint8_t b, uint8_t c)
{
	const uint8_t rates[] = { a, b, c };

	for (unsigned i = 0; i < 3; i++) {
		acknowledged(r, 0xf3);
		acknowledged(r, rates[i]);
	}
}

static void move(struct rig *r, int dx, int dy, int dz, unsigned buttons)
{
	device_lock(r->d);
	i8042_pointer(r->d, dx, dy, dz, buttons);
	device_unlock(r->d);
}

/* ---- commands ---- */

static void reset_passes_its_self_test(void **state)
{
	struct rig *r = *state;

	send(r, 0xff);
	expect(r, 0xfa, 0xaa, 0x00);
	send(r, 0xf2);
	expect(r, 0xfa, 0x00);
}

static void status_request_tells_settings_and_buttons(void **state)
{
	struct rig *r = *state;

	send(r, 0xe9);
	expect(r, 0xfa, 0x00, 0x02, 100);
	acknowledged(r, 0xe7);
	acknowledged(r, 0xe8);
	acknowledged(r, 0x03);
	acknowledged(r, 0xf3);
	acknowledged(r, 200);
	acknowledged(r, 0xf4);
	move(r, 0, 0, 0, LEFT);
	while (receive(r) >= 0)
		;
	send(r, 0xe9);
	expect(r, 0xfa, 0x34, 0x03, 200);
	move(r, 0, 0, 0, RIGHT | MIDDLE);
	pass(r, NS_PER_SECOND);
	while (receive(r) >= 0)
		;
	send(r, 0xe9);
	expect(r, 0xfa, 0x33, 0x03, 200);
	acknowledged(r, 0xf6);
	send(r, 0xe9);
	expect(r, 0xfa, 0x03, 0x02, 100);
}

static void bad_commands_and_arguments_are_refused(void **state)
{
	struct rig *r = *state;

	send(r, 0xe1); /* TrackPoint's secondary id: not one */
	expect(r, 0xfe);
	send(r, 0x55);
	expect(r, 0xfe);
	acknowledged(r, 0xf3);
	send(r, 0);
	expect(r, 0xfe);
	acknowledged(r, 0xe8);
	send(r, 4);
	expect(r, 0xfe);
	send(r, 0xe9);
	expect(r, 0xfa, 0x00, 0x02, 100);
}

static void wrap_mode_echoes_all_but_reset(void **state)
{
	struct rig *r = *state;

	acknowledged(r, 0xee);
	send(r, 0xf4);
	expect(r, 0xf4);
	send(r, 0x12);
	expect(r, 0x12);
	acknowledged(r, 0xec);
	acknowledged(r, 0xf4);
	acknowledged(r, 0xee);
	send(r, 0xff);
	expect(r, 0xfa, 0xaa, 0x00);
}

static void remote_mode_reports_only_when_asked(void **state)
{
	struct rig *r = *state;

	acknowledged(r, 0xf0);
	acknowledged(r, 0xf4);
	move(r, 5, -3, 0, LEFT);
	pass(r, NS_PER_SECOND);
	assert_int_equal(receive(r), -1);
	send(r, 0xeb);
	expect(r, 0xfa, 0x09, 5, 3);
	send(r, 0xeb);
	expect(r, 0xfa, 0x09, 0, 0);
	acknowledged(r, 0xea);
	move(r, 1, 0, 0, LEFT);
	expect(r, 0x09, 1, 0);
}

/* ---- probing sequences ---- */

static void intellimouse_knock_gives_a_wheel(void **state)
{
	struct rig *r = *state;

	set_rates(r, 200, 100, 80);
	send(r, 0xf2);
	expect(r, 0xfa, 0x03);
	acknowledged(r, 0xf4);
	move(r, 0, 0, 1, 0);
	expect(r, 0x08, 0, 0, 1); /* towards the user is positive */
	pass(r, NS_PER_SECOND);
	move(r, 0, 0, -2, SIDE);
	expect(r, 0x08, 0, 0, 0xfe);
}

static void explorer_knock_gives_five_buttons(void **state)
{
	struct rig *r = *state;

	set_rates(r, 200, 100, 80);
	set_rates(r, 200, 200, 80);
	send(r, 0xf2);
	expect(r, 0xfa, 0x04);
	acknowledged(r, 0xf4);
	move(r, 2, 0, -1, SIDE);
	expect(r, 0x08, 2, 0, 0x1f);
	pass(r, NS_PER_SECOND);
	move(r, 0, 0, 0, EXTRA | LEFT);
	expect(r, 0x09, 0, 0, 0x20);
}

static void reset_takes_the_wheel_away(void **state)
{
	struct rig *r = *state;

	set_rates(r, 200, 100, 80);
	send(r, 0xff);
	expect(r, 0xfa, 0xaa, 0x00);
	send(r, 0xf2);
	expect(r, 0xfa, 0x00);
}

/* psmouse: identify, disable, then one maker's secret knock after the other; only Microsoft's may succeed. */
static void linux_psmouse_probe_finds_an_explorer(void **state)
{
	struct rig *r = *state;
	static const uint8_t sliced[] = { 0, 0, 0, 0 };

	send(r, 0xf2);
	expect(r, 0xfa, 0x00);
	acknowledged(r, 0xf5);
	for (unsigned i = 0; i < 4; i++) { /* Synaptics: 47 must not be the second byte */
		acknowledged(r, 0xe8);
		acknowledged(r, sliced[i]);
	}
	send(r, 0xe9);
	expect(r, 0xfa, 0x00, 0x00, 100);
	acknowledged(r, 0xe8); /* Genius: 00 33 55 must not come */
	acknowledged(r, 3);
	for (unsigned i = 0; i < 3; i++)
		acknowledged(r, 0xe6);
	send(r, 0xe9);
	expect(r, 0xfa, 0x00, 0x03, 100);
	acknowledged(r, 0xe8); /* Logitech: no buttons told */
	acknowledged(r, 0);
	for (unsigned i = 0; i < 3; i++)
		acknowledged(r, 0xe6);
	send(r, 0xe9);
	expect(r, 0xfa, 0x00, 0x00, 100);
	for (unsigned i = 0; i < 3; i++) /* ALPS */
		acknowledged(r, 0xe7);
	send(r, 0xe9);
	expect(r, 0xfa, 0x10, 0x00, 100);
	send(r, 0xe1);
	expect(r, 0xfe);
	set_rates(r, 200, 100, 80);
	send(r, 0xf2);
	expect(r, 0xfa, 0x03);
	set_rates(r, 200, 200, 80);
	send(r, 0xf2);
	expect(r, 0xfa, 0x04);
	acknowledged(r, 0xf3);
	acknowledged(r, 100);
	acknowledged(r, 0xe8);
	acknowledged(r, 3);
	acknowledged(r, 0xe6);
	acknowledged(r, 0xf4);
	move(r, 1, 2, 0, RIGHT);
	expect(r, 0x2a, 1, 0xfe, 0);
}

static void windows_i8042prt_setup_works(void **state)
{
	struct rig *r = *state;

	send(r, 0xff);
	expect(r, 0xfa, 0xaa, 0x00);
	send(r, 0xf2);
	expect(r, 0xfa, 0x00);
	acknowledged(r, 0xe8); /* number of buttons: resolution 0, scaling three times, status */
	acknowledged(r, 0);
	for (unsigned i = 0; i < 3; i++)
		acknowledged(r, 0xe6);
	send(r, 0xe9);
	expect(r, 0xfa, 0x00, 0x00, 100);
	set_rates(r, 200, 100, 80);
	send(r, 0xf2);
	expect(r, 0xfa, 0x03);
	set_rates(r, 200, 200, 80);
	send(r, 0xf2);
	expect(r, 0xfa, 0x04);
	acknowledged(r, 0xf3);
	acknowledged(r, 100);
	acknowledged(r, 0xe8);
	acknowledged(r, 3);
	r->f->irq_edges[12] = 0;
	acknowledged(r, 0xf4);
	assert_int_equal(r->f->irq_edges[12], 1);
}

/* ---- reports ---- */

static void motion_and_buttons_are_reported_with_interrupts(void **state)
{
	struct rig *r = *state;

	acknowledged(r, 0xf4);
	r->f->irq_edges[12] = 0;
	move(r, 10, 20, 0, LEFT);
	assert_int_equal(r->f->irq_edges[12], 1);
	expect(r, 0x29, 10, 0xec); /* down the screen is negative for the mouse */
	assert_int_equal(r->f->irq_edges[12], 3);
	pass(r, NS_PER_SECOND);
	move(r, -1, -1, 0, MIDDLE);
	expect(r, 0x1c, 0xff, 1);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
}

static void disabled_mouse_is_silent_and_forgets(void **state)
{
	struct rig *r = *state;

	move(r, 10, 10, 0, LEFT);
	assert_int_equal(receive(r), -1);
	acknowledged(r, 0xf4);
	pass(r, NS_PER_SECOND);
	assert_int_equal(receive(r), -1);
	move(r, 1, 0, 0, LEFT);
	expect(r, 0x09, 1, 0);
}

static void motion_adds_up_while_nobody_reads(void **state)
{
	struct rig *r = *state;
	int x = 0, y = 0, reports = 0, first;

	acknowledged(r, 0xf4);
	for (int i = 0; i < 1000; i++) {
		move(r, 1, 2, 0, 0);
		pass(r, NS_PER_MS);
	}
	assert_in_range(r->f->irq_edges[12], 0, 4); /* no storm: one byte waits */
	while ((first = receive(r)) >= 0) {
		int dx = receive(r), dy = receive(r);

		assert_int_equal(first & 0xc8, 0x08); /* no overflow: nothing was lost */
		x += dx - (first & 0x10 ? 256 : 0);
		y += dy - (first & 0x20 ? 256 : 0);
		reports++;
		pass(r, 10 * NS_PER_MS);
	}
	assert_int_equal(x, 1000);
	assert_int_equal(y, -2000);
	assert_in_range(reports, 8, 10);
}

static void motion_beyond_all_bounds_sets_the_overflow_bits(void **state)
{
	struct rig *r = *state;

	acknowledged(r, 0xf4);
	move(r, INT32_MAX, INT32_MIN, INT32_MIN, 0);
	expect(r, 0xc8, 255, 255);
	do /* the 4096 that are kept */
		pass(r, 10 * NS_PER_MS);
	while (receive(r) >= 0);
	move(r, INT32_MIN, 0, INT32_MAX, 0);
	expect(r, 0x58, 1, 0);
}

static void reports_keep_to_the_sample_rate(void **state)
{
	struct rig *r = *state;
	unsigned reports = 0;

	acknowledged(r, 0xf3);
	acknowledged(r, 40);
	acknowledged(r, 0xf4);
	for (int i = 0; i < 1000; i++) {
		move(r, 1, 0, 0, 0);
		if (receive(r) >= 0) {
			receive(r);
			receive(r);
			reports++;
		}
		pass(r, NS_PER_MS);
	}
	assert_in_range(reports, 38, 41);
}

static void short_click_between_two_samples_is_not_lost(void **state)
{
	struct rig *r = *state;

	acknowledged(r, 0xf4);
	move(r, 1, 0, 0, 0);
	expect(r, 0x08, 1, 0);
	move(r, 0, 0, 0, LEFT);
	move(r, 0, 0, 0, 0);
	pass(r, 10 * NS_PER_MS);
	expect(r, 0x09, 0, 0);
	pass(r, 10 * NS_PER_MS);
	expect(r, 0x08, 0, 0);
	pass(r, NS_PER_SECOND);
	assert_int_equal(receive(r), -1);
}

static void scaling_doubles_large_steps_in_stream_mode(void **state)
{
	struct rig *r = *state;
	static const int steps[][2] = { { 1, 1 }, { 2, 1 }, { 3, 3 }, { 4, 6 }, { 5, 9 }, { 6, 12 }, { 100, 200 } };

	acknowledged(r, 0xe7);
	acknowledged(r, 0xf4);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		move(r, steps[i][0], 0, 0, 0);
		expect(r, 0x08, steps[i][1], 0);
		pass(r, NS_PER_SECOND);
	}
}

static void command_cuts_a_report_short(void **state)
{
	struct rig *r = *state;

	acknowledged(r, 0xf4);
	move(r, 7, 0, 0, 0);
	send(r, 0xf2);
	expect(r, 0x08, 0xfa, 0x00); /* the first byte was with the controller already */
}

static void mouse_waits_while_its_clock_is_held(void **state)
{
	struct rig *r = *state;

	acknowledged(r, 0xf4);
	fake_outb(r->f, 0x64, 0xa7);
	move(r, 7, 0, 0, 0);
	pass(r, NS_PER_SECOND);
	assert_int_equal(receive(r), -1);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
	fake_outb(r->f, 0x64, 0xa8);
	expect(r, 0x08, 7, 0);
}

static void state_holds_mid_report(void **state)
{
	struct rig *r = *state, *copy;
	void *other = NULL, *saved;
	size_t length;

	setup(&other);
	copy = other;
	set_rates(r, 200, 100, 80);
	acknowledged(r, 0xf4);
	move(r, 7, 300, 1, RIGHT);
	receive(r);
	move(r, 1, 1, 0, RIGHT | LEFT);
	saved = fake_save(r->d, &length);
	clock_set(copy->f->board.clock, clock_now(r->f->board.clock));
	assert_int_equal(fake_load(copy->d, saved, length), 0);
	expect(copy, 7, 1, 1);
	pass(copy, NS_PER_SECOND);
	expect(copy, 0x2b, 1, 0xd2, 0);
	free(saved);
	teardown(&other);
}

static void state_holds_settings_and_half_a_knock(void **state)
{
	struct rig *r = *state, *copy;
	void *other = NULL, *saved;
	size_t length;

	setup(&other);
	copy = other;
	acknowledged(r, 0xe8);
	acknowledged(r, 1);
	acknowledged(r, 0xf4);
	move(r, 1, 0, 0, 0);           /* waits with the controller ... */
	move(r, 300000, 300000, 0, 0); /* ... and this behind it */
	acknowledged(copy, 0xf3);
	saved = fake_save(r->d, &length);
	assert_int_equal(fake_load(copy->d, saved, length), 0);
	expect(copy, 0x08, 1, 0);
	pass(copy, 10 * NS_PER_MS);
	expect(copy, 0xe8, 255, 1);
	free(saved);
	while (receive(r) >= 0)
		;
	acknowledged(r, 0xf5);
	acknowledged(r, 0xe7);
	acknowledged(r, 0xf3);
	acknowledged(r, 200);
	acknowledged(r, 0xf3);
	acknowledged(r, 100);
	acknowledged(r, 0xf3);
	saved = fake_save(r->d, &length);
	assert_int_equal(fake_load(copy->d, saved, length), 0);
	acknowledged(copy, 80);
	send(copy, 0xf2);
	expect(copy, 0xfa, 0x03);
	send(copy, 0xe9);
	expect(copy, 0xfa, 0x10, 0x01, 80);
	free(saved);
	teardown(&other);
}

static void a_poke_is_one_report_without_motion(void **state)
{
	struct rig *r = *state;

	i8042_poke_pointer(r->d); /* nobody has enabled it: not owed later either */
	send(r, 0xf4);
	assert_int_equal(receive(r), 0xfa);
	pass(r, 100 * NS_PER_MS);
	assert_int_equal(receive(r), -1);
	for (int i = 0; i < 10; i++) /* the first starts a report; those that come meanwhile are worth one more */
		i8042_poke_pointer(r->d);
	for (int i = 0; i < 2; i++) {
		pass(r, 100 * NS_PER_MS);
		assert_true(r->f->irq_level[12]);
		assert_int_equal(receive(r), 0x08);
		assert_int_equal(receive(r), 0);
		assert_int_equal(receive(r), 0);
	}
	pass(r, 100 * NS_PER_MS);
	assert_int_equal(receive(r), -1);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(reset_passes_its_self_test),
		test(status_request_tells_settings_and_buttons),
		test(bad_commands_and_arguments_are_refused),
		test(wrap_mode_echoes_all_but_reset),
		test(remote_mode_reports_only_when_asked),
		test(intellimouse_knock_gives_a_wheel),
		test(explorer_knock_gives_five_buttons),
		test(reset_takes_the_wheel_away),
		test(linux_psmouse_probe_finds_an_explorer),
		test(windows_i8042prt_setup_works),
		test(motion_and_buttons_are_reported_with_interrupts),
		test(disabled_mouse_is_silent_and_forgets),
		test(motion_adds_up_while_nobody_reads),
		test(motion_beyond_all_bounds_sets_the_overflow_bits),
		test(reports_keep_to_the_sample_rate),
		test(short_click_between_two_samples_is_not_lost),
		test(scaling_doubles_large_steps_in_stream_mode),
		test(command_cuts_a_report_short),
		test(mouse_waits_while_its_clock_is_held),
		test(state_holds_mid_report),
		test(state_holds_settings_and_half_a_knock),
		test(a_poke_is_one_report_without_motion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
