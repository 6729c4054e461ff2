/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "player/console_rule.h"

#define WIDTH 720
#define HEIGHT 400

static const struct rectangle whole = { 0, 0, WIDTH, HEIGHT }, line = { 0, 16, 300, 16 }, cursor = { 9, 30, 9, 2 };

static bool drawn(struct console_rule *r, struct rectangle damage, int64_t now)
{
	return console_rule_drawn(r, damage, WIDTH, HEIGHT, true, now);
}

static struct console_rule started(void)
{
	struct console_rule r;

	console_rule_start(&r, 0);
	return r;
}

static void words_beside_a_still_screen_bring_the_console(void **state)
{
	struct console_rule r = started();

	(void)state;
	drawn(&r, whole, 1000); /* the firmware */
	console_rule_said(&r, 100, 2000);
	assert_int_equal(console_rule_wait(&r, 2000), 2000);
	assert_int_equal(console_rule_wait(&r, 3999), 1);
	assert_int_equal(console_rule_wait(&r, 4000), 0);
	assert_int_equal(console_rule_wait(&r, 4000), -1); /* once */
}

static void a_silent_guest_brings_nothing(void **state)
{
	struct console_rule r = started();

	(void)state;
	assert_int_equal(console_rule_wait(&r, 1000000), -1);
	console_rule_said(&r, CONSOLE_WORDS - 1, 5000);
	assert_int_equal(console_rule_wait(&r, 1000000), -1);
	console_rule_said(&r, 1, 5000);
	assert_int_equal(console_rule_wait(&r, 1000000), 0);
}

static void a_guest_that_says_the_same_on_both_is_left_alone(void **state)
{
	struct console_rule r = started();

	(void)state;
	for (int64_t now = 0; now < 60000; now += 700) {
		console_rule_said(&r, 80, now);
		assert_int_not_equal(console_rule_wait(&r, now), 0);
		drawn(&r, line, now + 20);
		console_rule_said(&r, 80, now + 40); /* the last line is written to the port a moment later */
		assert_int_not_equal(console_rule_wait(&r, now + 40), 0);
	}
	assert_int_equal(console_rule_wait(&r, 1000000), -1);
}

static void a_cursor_that_blinks_is_no_drawing(void **state)
{
	struct console_rule r = started();

	(void)state;
	console_rule_said(&r, 100, 1000);
	for (int64_t now = 1000; now < 3000; now += 133)
		drawn(&r, cursor, now);
	assert_int_equal(console_rule_wait(&r, 3000), 0);
}

static void a_screen_of_one_colour_is_no_drawing(void **state)
{
	struct console_rule r = started();

	(void)state;
	console_rule_said(&r, 100, 1000);
	assert_false(console_rule_drawn(&r, whole, WIDTH, HEIGHT, false, 2900));
	assert_int_equal(console_rule_wait(&r, 3000), 0);
	assert_false(console_rule_drawn(&r, whole, WIDTH, HEIGHT, false, 3100));
	assert_true(console_rule_drawn(&r, whole, WIDTH, HEIGHT, true, 3200));
}

static void a_guest_that_draws_after_all_gets_its_screen_back_once(void **state)
{
	struct console_rule r = started();

	(void)state;
	console_rule_said(&r, 100, 1000);
	assert_int_equal(console_rule_wait(&r, 3000), 0);
	assert_false(drawn(&r, line, 4000)); /* too little to turn the page for */
	assert_true(drawn(&r, whole, 5000));
	assert_false(drawn(&r, whole, 6000));
	console_rule_said(&r, 10000, 20000);
	assert_int_equal(console_rule_wait(&r, 30000), -1);
}

static void what_the_user_chose_stays(void **state)
{
	struct console_rule r = started();

	(void)state;
	console_rule_said(&r, 100, 1000);
	console_rule_chosen(&r);
	assert_int_equal(console_rule_wait(&r, 10000), -1);

	r = started();
	console_rule_said(&r, 100, 1000);
	assert_int_equal(console_rule_wait(&r, 3000), 0);
	console_rule_chosen(&r);
	assert_false(drawn(&r, whole, 5000));
}

static void a_user_at_the_screen_is_not_interrupted(void **state)
{
	struct console_rule r = started();

	(void)state;
	console_rule_said(&r, 100, 1000);
	console_rule_touched(&r, 2900);
	assert_int_equal(console_rule_wait(&r, 3000), -1);
	console_rule_said(&r, 100, 4000);
	assert_int_equal(console_rule_wait(&r, 4000), 1900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_beside_a_still_screen_bring_the_console),
		cmocka_unit_test(a_silent_guest_brings_nothing),
		cmocka_unit_test(a_guest_that_says_the_same_on_both_is_left_alone),
		cmocka_unit_test(a_cursor_that_blinks_is_no_drawing),
		cmocka_unit_test(a_screen_of_one_colour_is_no_drawing),
		cmocka_unit_test(a_guest_that_draws_after_all_gets_its_screen_back_once),
		cmocka_unit_test(what_the_user_chose_stays),
		cmocka_unit_test(a_user_at_the_screen_is_not_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
