/* SPDX-License-Identifier: MIT */
#include "tests/unit/video/vga_rig.h"

static int setup(void **state)
{
	*state = rig_new(256u << 10);
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void sixteen_color_pixels_come_from_four_planes(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	refresh(g);
	assert_int_equal(g->screen.width, 640);
	assert_int_equal(g->screen.height, 480);
	screen_clean(&g->screen);
	gc(g, 5, 2); /* write mode 2: one colour, masked */
	for (unsigned i = 0; i < 8; i++) {
		gc(g, 8, (uint8_t)(0x80 >> i));
		peek(g, 0xa0000 + 80 * 100 + 10);
		poke(g, 0xa0000 + 80 * 100 + 10, (uint8_t)(i + 5));
	}
	refresh(g);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pixel(g, 80 + i, 100), test_color((uint8_t)(i + 5)));
	assert_damage(g, 80, 100, 8, 1);
	attr(g, 0x12, 0x03); /* only planes 0 and 1 */
	refresh(g);
	assert_int_equal(pixel(g, 81, 100), test_color(2));
}

static void attribute_palette_and_color_select_choose_dac_entries(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	attr(g, 0, 0x2a);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0), test_color(0x2a));
	attr(g, 0x14, 0x0d);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0), test_color(0xea));
	attr(g, 0x10, 0x81);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0), test_color(0xda));
	fake_outb(g->f, 0x3c6, 0x0f);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0), test_color(0x0a));
	set_color(g, 0x0a, 63, 32, 0);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0), 0xff8200);
}

static void mode_13_pixels_are_doubled_both_ways(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_13);
	refresh(g);
	assert_int_equal(g->screen.width, 640);
	assert_int_equal(g->screen.height, 400);
	screen_clean(&g->screen);
	poke(g, 0xa0000 + 320 * 50 + 101, 0x99);
	refresh(g);
	assert_damage(g, 202, 100, 2, 2);
	assert_int_equal(pixel(g, 202, 100), test_color(0x99));
	assert_int_equal(pixel(g, 203, 101), test_color(0x99));
	refresh(g);
	assert_no_damage(g);
}

static void mode_x_pages_and_pans(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_13);
	seq(g, 4, 0x06);
	crtc(g, 0x14, 0x00);
	crtc(g, 0x17, 0xe3);
	seq(g, 2, 0x04);
	poke(g, 0xa0000 + 16000 + 80 * 3 + 1, 0x55); /* pixel 6 of line 3 of the second page */
	refresh(g);
	assert_int_equal(pixel(g, 12, 6), test_color(0));
	crtc(g, 0x0c, 16000 >> 8);
	crtc(g, 0x0d, 16000 & 0xff);
	refresh(g);
	assert_int_equal(pixel(g, 12, 6), test_color(0x55));
	attr(g, 0x13, 4); /* two of its pixels */
	refresh(g);
	assert_int_equal(pixel(g, 8, 6), test_color(0x55));
	assert_int_equal(pixel(g, 12, 6), test_color(0));
	crtc(g, 0x08, 0x20); /* and a byte, four pixels */
	refresh(g);
	assert_int_equal(pixel(g, 0, 6), test_color(0x55));
}

static void split_screen_may_stand_still_while_the_rest_pans(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	poke(g, 0xa0000, 0x80);
	crtc(g, 0x18, 0x0f);
	crtc(g, 0x07, 0x2e);
	crtc(g, 0x09, 0x00); /* line compare 15 */
	attr(g, 0x13, 7);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0), test_color(0));
	assert_int_equal(pixel(g, 0, 16), test_color(0));
	attr(g, 0x10, 0x21);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0), test_color(0));
	assert_int_equal(pixel(g, 0, 15), test_color(0));
	assert_int_equal(pixel(g, 0, 16), test_color(15));
}

static void a_line_around_the_end_of_the_planes_is_kept_up(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	crtc(g, 0x0c, 0xff);
	crtc(g, 0x0d, 0xf0);
	refresh(g);
	screen_clean(&g->screen);
	poke(g, 0xa0000, 0xff);
	refresh(g);
	assert_damage(g, 128, 0, 8, 1);
}

static void cga_modes_interleave_two_banks(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_4);
	poke(g, 0xb8000, 0x1b);      /* 0 1 2 3 */
	poke(g, 0xb8001, 0xe4);      /* 3 2 1 0 */
	poke(g, 0xba000 + 80, 0xc0); /* line 3 */
	refresh(g);
	assert_int_equal(g->screen.width, 640);
	assert_int_equal(g->screen.height, 400);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pixel(g, 2 * i, 0), test_color((uint8_t)i));
		assert_int_equal(pixel(g, 8 + 2 * i, 1), test_color((uint8_t)(3 - i)));
	}
	assert_int_equal(pixel(g, 0, 6), test_color(3));
	assert_int_equal(pixel(g, 0, 7), test_color(3));
	assert_int_equal(pixel(g, 0, 8), test_color(0));
	set_mode(g, &mode_6);
	poke(g, 0xba000, 0x01);
	refresh(g);
	assert_int_equal(g->screen.width, 640);
	assert_int_equal(pixel(g, 7, 2), test_color(9));
	assert_int_equal(pixel(g, 7, 3), test_color(9));
}

static void odd_sizes_are_clipped_to_the_screen(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	crtc(g, 0x01, 0xff);
	crtc(g, 0x12, 0xff);
	crtc(g, 0x07, 0xff);
	crtc(g, 0x13, 0xff);
	crtc(g, 0x0c, 0xff);
	crtc(g, 0x0d, 0xff);
	seq(g, 1, 0x08);
	refresh(g);
	assert_int_equal(g->screen.width, 2560);
	assert_int_equal(g->screen.height, 1024);
	gc(g, 6, 0); /* as text */
	crtc(g, 0x09, 0);
	refresh(g);
	assert_int_equal(g->screen.width, 142 * 18);
	assert_int_equal(g->screen.columns, 132);
	assert_int_equal(g->screen.rows, 60);
}

static void nothing_is_shown_before_the_first_mode(void **state)
{
	struct rig *g = *state;

	refresh(g);
	assert_int_equal(g->screen.width, 0);
	assert_int_equal(g->told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(sixteen_color_pixels_come_from_four_planes),
		RIG_TEST(attribute_palette_and_color_select_choose_dac_entries),
		RIG_TEST(mode_13_pixels_are_doubled_both_ways),
		RIG_TEST(mode_x_pages_and_pans),
		RIG_TEST(split_screen_may_stand_still_while_the_rest_pans),
		RIG_TEST(a_line_around_the_end_of_the_planes_is_kept_up),
		RIG_TEST(cga_modes_interleave_two_banks),
		RIG_TEST(odd_sizes_are_clipped_to_the_screen),
		RIG_TEST(nothing_is_shown_before_the_first_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
