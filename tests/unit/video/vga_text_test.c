/* SPDX-License-Identifier: MIT */
#include "tests/unit/video/vga_rig.h"

#define BLINK_PHASE (NS_PER_SECOND * 8 / 60)

/* Two glyphs whose lines are told from each other: 'A' is its line number in the high bits, 0xc4 a full line. */
static int setup(void **state)
{
	struct rig *g = rig_new(256u << 10);
	uint8_t lines[16], full[16];

	memset(full, 0xff, sizeof(full));
	for (unsigned i = 0; i < 16; i++)
		lines[i] = (uint8_t)(i << 4 | 1);
	set_mode(g, &mode_3);
	load_glyph(g, 0, 'A', lines, 16);
	load_glyph(g, 0, 0xc4, full, 16);
	load_glyph(g, 0x4000, 'A', full, 16);
	refresh(g);
	screen_clean(&g->screen);
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void assert_cell(struct rig *g, unsigned column, unsigned row, unsigned line, unsigned dots9, uint8_t front,
                        uint8_t back)
{
	for (unsigned x = 0; x < 9; x++) {
		uint32_t expected = test_color(dots9 >> (8 - x) & 1 ? front : back);

		assert_int_equal(pixel(g, column * 9 + x, row * 16 + line), expected);
	}
}

static void cells_become_pixels_of_the_loaded_font(void **state)
{
	struct rig *g = *state;

	assert_int_equal(g->screen.width, 720);
	assert_int_equal(g->screen.height, 400);
	set_text(g, 2, 3, 'A', 0x1e);
	refresh(g);
	for (unsigned line = 0; line < 16; line++)
		assert_cell(g, 2, 3, line, line << 5 | 2, 14, 1);
	assert_damage(g, 18, 48, 9, 16);
	set_text(g, 79, 24, 0xc4, 0x07); /* line graphics go on into the ninth dot */
	refresh(g);
	assert_cell(g, 79, 24, 8, 0x1ff, 7, 0);
	attr(g, 0x10, 0x08);
	refresh(g);
	assert_cell(g, 79, 24, 8, 0x1fe, 7, 0);
}

static void an_unchanged_screen_makes_no_damage(void **state)
{
	struct rig *g = *state;
	unsigned told;

	crtc(g, 0x0a, 0x20);
	set_text(g, 0, 0, 'A', 0x07);
	refresh(g);
	screen_clean(&g->screen);
	told = g->told;
	set_text(g, 0, 0, 'A', 0x07);
	clock_advance(g->f->board.clock, NS_PER_SECOND);
	refresh(g);
	assert_no_damage(g);
	assert_int_equal(g->told, told);
}

static void text_is_kept_for_reading(void **state)
{
	struct rig *g = *state;

	set_text(g, 0, 0, 'V', 0x07);
	set_text(g, 79, 24, '!', 0x07);
	refresh(g);
	assert_int_equal(g->screen.columns, 80);
	assert_int_equal(g->screen.rows, 25);
	assert_int_equal(g->screen.text[0], 'V');
	assert_int_equal(g->screen.text[80 * 24 + 79], '!');
	crtc(g, 0x0d, 80); /* scrolled by its start address */
	refresh(g);
	assert_int_equal(g->screen.text[80 * 23 + 79], '!');
	set_mode(g, &mode_13);
	refresh(g);
	assert_int_equal(g->screen.columns, 0);
}

static void cursor_has_its_shape_and_blinks_by_guest_time(void **state)
{
	struct rig *g = *state;

	crtc(g, 0x0f, 81); /* column 1 of row 1 */
	set_text(g, 1, 1, ' ', 0x2f);
	refresh(g);
	assert_cell(g, 1, 1, 12, 0, 15, 2);
	assert_cell(g, 1, 1, 13, 0x1ff, 15, 2);
	assert_cell(g, 1, 1, 14, 0x1ff, 15, 2);
	assert_cell(g, 1, 1, 15, 0, 15, 2);
	screen_clean(&g->screen);
	clock_advance(g->f->board.clock, BLINK_PHASE);
	refresh(g);
	assert_cell(g, 1, 1, 13, 0, 15, 2);
	assert_damage(g, 9, 16 + 13, 9, 2);
	clock_advance(g->f->board.clock, BLINK_PHASE);
	refresh(g);
	assert_damage(g, 9, 16 + 13, 9, 2);
	crtc(g, 0x0a, 0x2d); /* off */
	refresh(g);
	assert_cell(g, 1, 1, 13, 0, 15, 2);
	crtc(g, 0x0a, 0x0f); /* starts below its end */
	refresh(g);
	assert_cell(g, 1, 1, 15, 0, 15, 2);
}

static void attribute_bit_7_blinks_or_brightens(void **state)
{
	struct rig *g = *state;

	set_text(g, 5, 5, 'A', 0x9e);
	refresh(g);
	assert_cell(g, 5, 5, 15, 0x1e2, 14, 1);
	clock_advance(g->f->board.clock, 2 * BLINK_PHASE);
	refresh(g);
	assert_cell(g, 5, 5, 15, 0, 14, 1);
	attr(g, 0x10, 0x04);
	refresh(g);
	assert_cell(g, 5, 5, 15, 0x1e2, 14, 9);
}

static void second_font_shows_through_attribute_bit_3(void **state)
{
	struct rig *g = *state;

	set_text(g, 0, 2, 'A', 0x07);
	set_text(g, 1, 2, 'A', 0x0f);
	seq(g, 3, 0x04); /* map A: 1 */
	refresh(g);
	assert_cell(g, 0, 2, 1, 0x022, 7, 0);
	assert_cell(g, 1, 2, 1, 0x1fe, 15, 0);
}

static void a_changed_font_redraws_what_uses_it(void **state)
{
	static const uint8_t lines[16] = { 0x80 };
	struct rig *g = *state;

	set_text(g, 4, 4, 'A', 0x07);
	refresh(g);
	screen_clean(&g->screen);
	load_glyph(g, 0, 'A', lines, 1);
	refresh(g);
	assert_cell(g, 4, 4, 0, 0x100, 7, 0);
	assert_damage(g, 36, 64, 8, 1);
}

static void a_font_loaded_through_the_linear_window_is_seen(void **state)
{
	struct rig *g = *state;

	set_text(g, 4, 4, 'A', 0x07);
	refresh(g);
	seq(g, 2, 0x0f);
	gc(g, 5, 0x00);
	gc(g, 6, 0x04);
	seq(g, 4, 0x0e); /* chain-4: the window is mapped */
	assert_true(rig_slot_at(g, 0xa0000) >= 0);
	poke(g, 0xa0000 + ('A' * 32 + 5) * 4 + 2, 0xaa);
	seq(g, 4, 0x02);
	refresh(g);
	assert_cell(g, 4, 4, 5, 0xaa << 1, 7, 0);
}

static void columns_beyond_the_cell_cache_are_drawn(void **state)
{
	struct rig *g = *state;

	crtc(g, 0x01, 140);
	crtc(g, 0x13, 71);
	refresh(g);
	poke(g, 0xb8000 + 139 * 2, 'A');
	poke(g, 0xb8001 + 139 * 2, 0x07);
	refresh(g);
	assert_cell(g, 139, 0, 3, 0x31 << 1, 7, 0);
}

static void monochrome_underlines_attribute_1(void **state)
{
	struct rig *g = *state;

	crtc(g, 0x14, 0x0d);
	set_text(g, 0, 9, ' ', 0x01);
	set_text(g, 1, 9, ' ', 0x02);
	refresh(g);
	assert_cell(g, 0, 9, 13, 0x1ff, 1, 0);
	assert_cell(g, 0, 9, 12, 0, 1, 0);
	assert_cell(g, 1, 9, 13, 0, 2, 0);
}

static void eight_dots_forty_columns_and_fifty_rows(void **state)
{
	struct rig *g = *state;

	set_text(g, 1, 0, 'A', 0x07);
	seq(g, 1, 0x01);
	refresh(g);
	assert_int_equal(g->screen.width, 640);
	assert_int_equal(pixel(g, 8 + 7, 0), test_color(7));
	seq(g, 1, 0x09); /* half dot clock, 40 columns */
	crtc(g, 0x01, 39);
	refresh(g);
	assert_int_equal(g->screen.width, 640);
	assert_int_equal(g->screen.columns, 40);
	assert_int_equal(pixel(g, 16 + 14, 0), test_color(7));
	assert_int_equal(pixel(g, 16 + 15, 0), test_color(7));
	assert_int_equal(pixel(g, 16 + 13, 0), test_color(0));
	crtc(g, 0x09, 0x47);
	refresh(g);
	assert_int_equal(g->screen.rows, 50);
	crtc(g, 0x01, 131); /* 132 columns */
	seq(g, 1, 0x01);
	refresh(g);
	assert_int_equal(g->screen.width, 1056);
	assert_int_equal(g->screen.columns, 132);
}

static void split_screen_shows_the_memory_start_below(void **state)
{
	struct rig *g = *state;

	set_text(g, 0, 0, 'A', 0x07);
	crtc(g, 0x0d, 160);
	crtc(g, 0x09, 0x0f);
	crtc(g, 0x18, 199); /* line compare */
	crtc(g, 0x07, 0x0f);
	refresh(g);
	assert_int_equal(pixel(g, 7, 0), test_color(0));
	assert_int_equal(pixel(g, 7, 199), test_color(0));
	assert_int_equal(pixel(g, 7, 200), test_color(7));
}

static void panning_and_preset_row_scan_move_the_picture(void **state)
{
	struct rig *g = *state;

	set_text(g, 0, 0, 'A', 0x07);
	set_text(g, 0, 1, ' ', 0x07);
	attr(g, 0x13, 2); /* nine dots: 8, 0, 1, 2: three pixels */
	crtc(g, 0x08, 4);
	refresh(g);
	for (unsigned y = 0; y < 12; y++)
		assert_int_equal(pixel(g, 7 - 3, y), test_color(7));
	assert_int_equal(pixel(g, 7 - 3, 12), test_color(0));
	assert_int_equal(pixel(g, 0, 0), test_color(0));
	assert_int_equal(pixel(g, 3 - 3, 12 - 4), test_color(0));
	assert_int_equal(pixel(g, 3 - 3, 15 - 4), test_color(7)); /* line 15: 0xf1, its fourth dot */
}

static void video_off_is_black_and_comes_back(void **state)
{
	struct rig *g = *state;

	set_text(g, 0, 0, ' ', 0x70);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0), test_color(7));
	fake_in(g->f, 0x3da, 1);
	fake_outb(g->f, 0x3c0, 0x00);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0), 0);
	assert_int_equal(g->screen.width, 720);
	fake_in(g->f, 0x3da, 1);
	fake_outb(g->f, 0x3c0, 0x20);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0), test_color(7));
	seq(g, 1, 0x20);
	refresh(g);
	assert_int_equal(pixel(g, 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(cells_become_pixels_of_the_loaded_font),
		RIG_TEST(an_unchanged_screen_makes_no_damage),
		RIG_TEST(text_is_kept_for_reading),
		RIG_TEST(cursor_has_its_shape_and_blinks_by_guest_time),
		RIG_TEST(attribute_bit_7_blinks_or_brightens),
		RIG_TEST(second_font_shows_through_attribute_bit_3),
		RIG_TEST(a_changed_font_redraws_what_uses_it),
		RIG_TEST(a_font_loaded_through_the_linear_window_is_seen),
		RIG_TEST(columns_beyond_the_cell_cache_are_drawn),
		RIG_TEST(monochrome_underlines_attribute_1),
		RIG_TEST(eight_dots_forty_columns_and_fifty_rows),
		RIG_TEST(split_screen_shows_the_memory_start_below),
		RIG_TEST(panning_and_preset_row_scan_move_the_picture),
		RIG_TEST(video_off_is_black_and_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
