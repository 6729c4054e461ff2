/* SPDX-License-Identifier: MIT */
#include "tests/unit/video/vga_rig.h"

#define MEMORY (4u << 20)

static int setup(void **state)
{
	*state = rig_new(MEMORY);
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void identity_capabilities_and_limits(void **state)
{
	struct rig *g = *state;

	assert_int_equal(vbe_value(g, 0), 0xb0c5);
	vbe(g, 0, 0xb0c2);
	assert_int_equal(vbe_value(g, 0), 0xb0c2);
	vbe(g, 0, 0xb0c6);
	assert_int_equal(vbe_value(g, 0), 0xb0c2);
	assert_int_equal(vbe_value(g, 10), MEMORY >> 16);
	assert_int_equal(vbe_value(g, 11), 0xffff);
	vbe(g, 4, 0x02);
	assert_int_equal(vbe_value(g, 1), 2560);
	assert_int_equal(vbe_value(g, 2), 1600);
	assert_int_equal(vbe_value(g, 3), 32);
	vbe(g, 4, 0);
	vbe(g, 1, 2560);
	vbe(g, 1, 2561);
	assert_int_equal(vbe_value(g, 1), 2560);
	vbe(g, 1, 0);
	assert_int_equal(vbe_value(g, 1), 2560);
	vbe(g, 2, 1601);
	assert_int_equal(vbe_value(g, 2), 480);
	vbe(g, 3, 12);
	assert_int_equal(vbe_value(g, 3), 8);
	vbe(g, 5, 0xffff);
	assert_int_equal(vbe_value(g, 5), (MEMORY >> 16) - 1);
}

static void a_new_mode_is_clear_unless_asked_otherwise(void **state)
{
	struct rig *g = *state;

	poke(g, rig_lfb(g) + 1000, 0x12);
	vbe(g, 4, 0xc1);
	assert_int_equal(peek(g, rig_lfb(g) + 1000), 0x12);
	vbe(g, 6, 1000);
	vbe(g, 8, 3);
	vbe(g, 9, 4);
	vbe(g, 4, 0);
	vbe(g, 4, 0x41);
	assert_int_equal(peek(g, rig_lfb(g) + 1000), 0);
	assert_int_equal(vbe_value(g, 6), 640);
	assert_int_equal(vbe_value(g, 7), MEMORY / 640);
	assert_int_equal(vbe_value(g, 8), 0);
	assert_int_equal(vbe_value(g, 9), 0);
}

static void a_pixel_in_the_linear_frame_buffer_is_exactly_damaged(void **state)
{
	struct rig *g = *state;

	vbe_mode(g, 1280, 800, 32);
	refresh(g);
	assert_int_equal(g->screen.width, 1280);
	assert_int_equal(g->screen.height, 800);
	assert_true(g->screen.size_changed);
	screen_clean(&g->screen);
	poke32(g, rig_lfb(g) + (1280 * 500 + 700) * 4, 0x00336699);
	poke32(g, rig_lfb(g) + (1280 * 501 + 703) * 4, 0x00ffffff);
	refresh(g);
	assert_int_equal(pixel(g, 700, 500), 0x336699);
	assert_damage(g, 700, 500, 4, 2);
	assert_int_equal(g->told, 2);
	refresh(g);
	assert_int_equal(g->told, 2);
}

static void only_dirty_lines_are_looked_at(void **state)
{
	struct rig *g = *state;

	vbe_mode(g, 640, 480, 32);
	refresh(g);
	screen_clean(&g->screen);
	g->config.memory[640 * 4 * 100] = 1; /* behind the dirty log's back */
	poke(g, rig_lfb(g) + 640 * 4 * 300, 1);
	refresh(g);
	assert_damage(g, 0, 300, 1, 1);
}

static void every_depth_has_its_pixels(void **state)
{
	static const struct {
		uint16_t bpp;
		uint32_t raw, expected;
	} rows[] = {
		{ 15, 0x7c00, 0xff0000 },   { 15, 0x03e0, 0x00ff00 },   { 15, 0x0010, 0x000084 },
		{ 16, 0xf800, 0xff0000 },   { 16, 0x07e0, 0x00ff00 },   { 16, 0x0021, 0x000408 },
		{ 24, 0x123456, 0x123456 }, { 32, 0x89abcd, 0x89abcd },
	};
	struct rig *g = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned bytes = (rows[i].bpp + 7u) / 8;
		vbe_mode(g, 801, 600, rows[i].bpp);
		for (unsigned b = 0; b < bytes; b++)
			poke(g, rig_lfb(g) + (801 * 599 + 800) * bytes + b, (uint8_t)(rows[i].raw >> 8 * b));
		refresh(g);
		assert_int_equal(g->screen.width, 801);
		assert_int_equal(pixel(g, 800, 599), rows[i].expected);
		assert_int_equal(pixel(g, 799, 599), 0);
	}
}

static void eight_bit_modes_use_the_dac_in_both_widths(void **state)
{
	struct rig *g = *state;

	vbe_mode(g, 640, 480, 8);
	set_color(g, 7, 0x3f, 0x10, 0x00);
	poke(g, rig_lfb(g) + 640 + 2, 7);
	refresh(g);
	assert_int_equal(pixel(g, 2, 1), 0xff4100);
	vbe(g, 4, 0xe1);
	set_color(g, 7, 0x81, 0x10, 0x01);
	refresh(g);
	assert_int_equal(pixel(g, 2, 1), 0x811001);
}

static void sixteen_colors_are_planar_with_an_offset(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	vbe_mode(g, 800, 600, 4);
	fake_outb(g->f, 0x3c2, 0xe3);
	seq(g, 2, 0x05);
	poke(g, 0xa0000 + 100 * 3 + 1, 0x80); /* pixel 8 of line 3 */
	refresh(g);
	assert_int_equal(g->screen.width, 800);
	assert_int_equal(pixel(g, 8, 3), test_color(5));
	vbe(g, 8, 5);
	vbe(g, 9, 1);
	refresh(g);
	assert_int_equal(pixel(g, 3, 2), test_color(5));
	vbe(g, 6, 1600);
	assert_int_equal(vbe_value(g, 7), MEMORY / 4 / 200);
}

static void banks_move_the_window_through_memory(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_13);
	vbe_mode(g, 640, 480, 8);
	refresh(g);
	screen_clean(&g->screen);
	vbe(g, 5, 2);
	int slot = rig_slot_at(g, 0xa0000);
	assert_true(slot >= 0);
	assert_ptr_equal(g->slots[slot]->host, g->config.memory + 0x20000);
	poke(g, 0xa0000, 0x21);
	vbe(g, 5, 1); /* what was written through the old bank is not forgotten */
	poke(g, 0xaffff, 0x22);
	refresh(g);
	assert_int_equal(g->config.memory[0x20000], 0x21);
	assert_int_equal(g->config.memory[0x1ffff], 0x22);
	assert_damage(g, 0x1ffff % 640, 204, 2, 1);
	assert_int_equal(peek(g, 0xb8000), 0xff);
	vbe(g, 5, 0xffff);
	poke(g, 0xaffff, 0x23);
	assert_int_equal(g->config.memory[MEMORY - 1], 0x23);
}

static void virtual_width_and_offsets_choose_what_is_seen(void **state)
{
	struct rig *g = *state;

	vbe_mode(g, 640, 480, 32);
	vbe(g, 6, 1000);
	assert_int_equal(vbe_value(g, 6), 1000);
	assert_int_equal(vbe_value(g, 7), MEMORY / 4000);
	vbe(g, 8, 100);
	vbe(g, 9, 20);
	poke32(g, rig_lfb(g) + (1000 * 25 + 103) * 4, 0xabcdef);
	refresh(g);
	assert_int_equal(pixel(g, 3, 5), 0xabcdef);
	vbe(g, 6, 10); /* narrower than the screen: not possible */
	assert_int_equal(vbe_value(g, 6), 640);
}

static void offsets_beyond_memory_wrap_around(void **state)
{
	static const uint16_t depths[] = { 4, 8, 15, 16, 24, 32 };
	struct rig *g = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(depths); i++) {
		vbe_mode(g, 2560, 1600, depths[i]);
		vbe(g, 6, 0xffff);
		vbe(g, 8, 0xffff);
		vbe(g, 9, 0xffff);
		refresh(g);
		vbe(g, 6, 2561);
		refresh(g);
		assert_int_equal(g->screen.height, 1600);
	}
	vbe_mode(g, 640, 480, 32);
	vbe(g, 9, MEMORY / 2560);
	poke32(g, rig_lfb(g), 0x010203);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0) | pixel(g, 1, 1), 0);
	/* memory ends within the first line */
	assert_int_equal(pixel(g, (MEMORY % 2560) / 4, 0), 0x010203);
}

static void leaving_vbe_returns_to_the_vga_mode(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_3);
	vbe_mode(g, 1024, 768, 16);
	refresh(g);
	assert_int_equal(g->screen.columns, 0);
	vbe(g, 4, 0);
	assert_int_equal(vbe_value(g, 5), 0);
	refresh(g);
	assert_int_equal(g->screen.width, 720);
	assert_int_equal(g->screen.columns, 80);
	assert_int_equal(rig_slot_at(g, 0xa0000), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(identity_capabilities_and_limits),
		RIG_TEST(a_new_mode_is_clear_unless_asked_otherwise),
		RIG_TEST(a_pixel_in_the_linear_frame_buffer_is_exactly_damaged),
		RIG_TEST(only_dirty_lines_are_looked_at),
		RIG_TEST(every_depth_has_its_pixels),
		RIG_TEST(eight_bit_modes_use_the_dac_in_both_widths),
		RIG_TEST(sixteen_colors_are_planar_with_an_offset),
		RIG_TEST(banks_move_the_window_through_memory),
		RIG_TEST(virtual_width_and_offsets_choose_what_is_seen),
		RIG_TEST(offsets_beyond_memory_wrap_around),
		RIG_TEST(leaving_vbe_returns_to_the_vga_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
