/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "player/geometry.h"

static void assert_rectangle(struct rectangle r, int x, int y, int width, int height)
{
	assert_int_equal(r.x, x);
	assert_int_equal(r.y, y);
	assert_int_equal(r.width, width);
	assert_int_equal(r.height, height);
}

static void a_fitting_window_shows_every_pixel_once(void **state)
{
	struct placement p = geometry_place(640, 480, 640, 480);

	(void)state;
	assert_true(p.crisp);
	assert_rectangle(p.area, 0, 0, 640, 480);
}

static void whole_factors_are_crisp(void **state)
{
	struct placement p = geometry_place(320, 200, 960, 640);

	(void)state;
	assert_true(p.crisp);
	assert_rectangle(p.area, 0, 20, 960, 600);
}

static void a_scale_just_above_a_whole_factor_becomes_it(void **state)
{
	struct placement p = geometry_place(640, 480, 700, 525);

	(void)state;
	assert_true(p.crisp);
	assert_rectangle(p.area, 30, 22, 640, 480);
}

static void other_scales_keep_the_aspect_and_touch_two_edges(void **state)
{
	struct placement p = geometry_place(640, 480, 960, 1000);

	(void)state;
	assert_false(p.crisp);
	assert_rectangle(p.area, 0, 140, 960, 720);
}

static void a_small_window_shows_the_whole_screen(void **state)
{
	struct placement p = geometry_place(2560, 1600, 320, 200);

	(void)state;
	assert_false(p.crisp);
	assert_rectangle(p.area, 0, 0, 320, 200);
}

static void nothing_is_placed_without_a_size(void **state)
{
	(void)state;
	assert_int_equal(geometry_place(0, 480, 640, 480).area.width, 0);
	assert_int_equal(geometry_place(640, 0, 640, 480).area.height, 0);
	assert_int_equal(geometry_place(640, 480, 0, 480).area.width, 0);
	assert_int_equal(geometry_place(640, 480, 640, -1).area.width, 0);
}

static void crisp_damage_is_exact(void **state)
{
	struct placement p = geometry_place(320, 200, 960, 640);

	(void)state;
	assert_rectangle(geometry_damage(&p, (struct rectangle){ 10, 20, 3, 4 }, 1), 30, 80, 9, 12);
}

static void damage_on_hidpi_covers_broken_logical_pixels(void **state)
{
	struct placement p = geometry_place(101, 101, 101, 101);

	(void)state;
	/* device pixels 5 to 7 lie in the logical pixels 2 and 3 */
	assert_rectangle(geometry_damage(&p, (struct rectangle){ 5, 5, 3, 3 }, 2), 2, 2, 2, 2);
}

static void empty_damage_needs_no_drawing(void **state)
{
	struct placement p = geometry_place(640, 480, 640, 480), nothing = { 0 };

	(void)state;
	assert_int_equal(geometry_damage(&p, (struct rectangle){ 5, 5, 0, 3 }, 1).width, 0);
	assert_int_equal(geometry_damage(&nothing, (struct rectangle){ 0, 0, 640, 480 }, 1).width, 0);
}

/* Every device pixel that a guest pixel can colour lies in the logical rectangle, which lies in the widget. */
static void damage_always_covers_what_changed_and_stays_inside(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		int factor = 1 + rand() % 3, guest_width = 1 + rand() % 2560, guest_height = 1 + rand() % 1600;
		int width = (1 + rand() % 1500) * factor, height = (1 + rand() % 1000) * factor;
		struct rectangle damage = { .x = rand() % guest_width, .y = rand() % guest_height };
		damage.width = 1 + rand() % (guest_width - damage.x);
		damage.height = 1 + rand() % (guest_height - damage.y);
		struct placement p = geometry_place(guest_width, guest_height, width, height);
		struct rectangle r = geometry_damage(&p, damage, factor);

		assert_true(p.area.x >= 0 && p.area.y >= 0);
		assert_true(p.area.x + p.area.width <= width && p.area.y + p.area.height <= height);
		assert_true(r.x >= 0 && r.y >= 0 && r.width > 0 && r.height > 0);
		assert_true((r.x + r.width) * factor <= width + factor - 1);
		assert_true((r.y + r.height) * factor <= height + factor - 1);
		assert_true(r.x * factor <= p.area.x + damage.x * p.scale + 1e-6);
		assert_true(r.y * factor <= p.area.y + damage.y * p.scale + 1e-6);
		double right = p.area.x + (damage.x + damage.width) * p.scale;
		double bottom = p.area.y + (damage.y + damage.height) * p.scale;
		assert_true((r.x + r.width) * factor >=
		            (right < p.area.x + p.area.width ? right : p.area.x + p.area.width) - 1e-6);
		assert_true((r.y + r.height) * factor >=
		            (bottom < p.area.y + p.area.height ? bottom : p.area.y + p.area.height) - 1e-6);
	}
}

/* A guest divides by its range and multiplies by its size: it must arrive at the pixel that lies under the pointer. */
static void positions_lead_back_to_their_pixels(void **state)
{
	static const int sizes[][4] = {
		{ 640, 480, 640, 480 }, { 640, 480, 1300, 1000 }, { 1920, 1080, 1920, 1080 }, { 720, 400, 1500, 800 }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct placement p = geometry_place(sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3]);
		unsigned x, y;

		for (int px = 0; px < sizes[i][0]; px++) {
			int at = p.area.x + (int)((px + 0.5) * p.scale);
			assert_true(geometry_position(&p, at, p.area.y, 0xffff, &x, &y));
			assert_int_equal((int)((x >> 1) * (unsigned)sizes[i][0] / 0x8000), px);
			assert_int_equal((y >> 1) * (unsigned)sizes[i][1] / 0x8000, 0);
		}
	}
}

static void a_position_beside_the_screen_is_its_edge(void **state)
{
	struct placement p = geometry_place(640, 480, 1000, 480);
	unsigned x, y;

	(void)state;
	assert_true(geometry_position(&p, 180, 0, 0xffff, &x, &y));
	assert_true(x < 103 && y < 137);
	assert_false(geometry_position(&p, 179, 240, 0xffff, &x, &y));
	assert_int_equal(x, 0);
	assert_false(geometry_position(&p, 820, 240, 0xffff, &x, &y));
	assert_int_equal(x, 0xffff);
	assert_false(geometry_position(&p, -1e9, 1e9, 0xffff, &x, &y));
	assert_int_equal(x, 0);
	assert_int_equal(y, 0xffff);
	p = geometry_place(0, 0, 1000, 480); /* nothing is shown yet */
	assert_false(geometry_position(&p, 5, 5, 0xffff, &x, &y));
	assert_int_equal(x, 0);
}

static void a_window_never_grows_beyond_its_monitor(void **state)
{
	int width, height;

	(void)state;
	geometry_natural_size(800, 600, (struct rectangle){ .width = 1920, .height = 1000 }, &width, &height);
	assert_int_equal(width, 800);
	assert_int_equal(height, 600);
	geometry_natural_size(2560, 1600, (struct rectangle){ .width = 1280, .height = 1000 }, &width, &height);
	assert_int_equal(width, 1280);
	assert_int_equal(height, 800);
	geometry_natural_size(2560, 1, (struct rectangle){ .width = 10, .height = 10 }, &width, &height);
	assert_int_equal(width, 10);
	assert_int_equal(height, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fitting_window_shows_every_pixel_once),
		cmocka_unit_test(whole_factors_are_crisp),
		cmocka_unit_test(a_scale_just_above_a_whole_factor_becomes_it),
		cmocka_unit_test(other_scales_keep_the_aspect_and_touch_two_edges),
		cmocka_unit_test(a_small_window_shows_the_whole_screen),
		cmocka_unit_test(nothing_is_placed_without_a_size),
		cmocka_unit_test(crisp_damage_is_exact),
		cmocka_unit_test(damage_on_hidpi_covers_broken_logical_pixels),
		cmocka_unit_test(empty_damage_needs_no_drawing),
		cmocka_unit_test(damage_always_covers_what_changed_and_stays_inside),
		cmocka_unit_test(positions_lead_back_to_their_pixels),
		cmocka_unit_test(a_position_beside_the_screen_is_its_edge),
		cmocka_unit_test(a_window_never_grows_beyond_its_monitor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
