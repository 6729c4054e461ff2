/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/video/screen.h"

static void assert_box(const struct screen *s, unsigned x0, unsigned y0, unsigned x1, unsigned y1)
{
	assert_int_equal(s->x0, x0);
	assert_int_equal(s->y0, y0);
	assert_int_equal(s->x1, x1);
	assert_int_equal(s->y1, y1);
}

static void damage_grows_to_hold_all_rectangles(void **state)
{
	struct screen s = { .width = 100, .height = 80 };

	(void)state;
	screen_damage(&s, 10, 20, 5, 6);
	assert_box(&s, 10, 20, 15, 26);
	screen_damage(&s, 50, 2, 1, 1);
	assert_box(&s, 10, 2, 51, 26);
	screen_clean(&s);
	screen_damage(&s, 0, 0, 1, 1);
	assert_box(&s, 0, 0, 1, 1);
}

static void damage_is_clipped_to_the_screen(void **state)
{
	struct screen s = { .width = 100, .height = 80 };

	(void)state;
	screen_damage(&s, 100, 0, 5, 5);
	screen_damage(&s, 0, 80, 5, 5);
	screen_damage(&s, 3, 3, 0, 5);
	assert_true(s.x0 >= s.x1);
	screen_damage(&s, 90, 70, UINT32_MAX, UINT32_MAX);
	assert_box(&s, 90, 70, 100, 80);
}

static void resize_clips_and_damages_all(void **state)
{
	struct screen s = { 0 };

	(void)state;
	screen_resize(&s, 5000, 0);
	assert_int_equal(s.width, SCREEN_MAX_WIDTH);
	assert_int_equal(s.height, 1);
	assert_true(s.size_changed);
	assert_box(&s, 0, 0, SCREEN_MAX_WIDTH, 1);
	screen_clean(&s);
	assert_false(s.size_changed);
	screen_resize(&s, SCREEN_MAX_WIDTH, 1);
	assert_false(s.size_changed);
	assert_box(&s, 0, 0, SCREEN_MAX_WIDTH, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_grows_to_hold_all_rectangles),
		cmocka_unit_test(damage_is_clipped_to_the_screen),
		cmocka_unit_test(resize_clips_and_damages_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
