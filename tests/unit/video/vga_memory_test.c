/* SPDX-License-Identifier: MIT */
#include "tests/unit/video/vga_rig.h"

static int setup(void **state)
{
	*state = rig_new(1u << 20);
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

/* The four planes' bytes at offset, plane 0 lowest, from the linear side. */
static uint32_t planes(struct rig *g, unsigned offset)
{
	return le32_load(g->config.memory + offset * 4);
}

static void set_planes(struct rig *g, unsigned offset, uint32_t value)
{
	le32_store(g->config.memory + offset * 4, value);
}

static void write_mode_0_rotates_sets_and_masks(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	seq(g, 2, 0x0b);
	poke(g, 0xa0010, 0x5a);
	assert_int_equal(planes(g, 0x10), 0x5a005a5a); /* plane 2 is not in the map mask */
	seq(g, 2, 0x0f);
	gc(g, 3, 0x03);
	poke(g, 0xa0011, 0x81);
	assert_int_equal(planes(g, 0x11), 0x30303030);
	gc(g, 3, 0);
	gc(g, 1, 0x06);
	gc(g, 0, 0x02);
	poke(g, 0xa0012, 0x3c);
	assert_int_equal(planes(g, 0x12), 0x3c00ff3c);
	gc(g, 1, 0);
	set_planes(g, 0x13, 0x44332211);
	gc(g, 8, 0x0f);
	peek(g, 0xa0013);
	poke(g, 0xa0013, 0xff);
	assert_int_equal(planes(g, 0x13), 0x4f3f2f1f);
}

static void logic_unit_combines_with_the_latches(void **state)
{
	const uint32_t set = 0xff00ff00, latch = 0x04aa04ab; /* set/reset 1 in planes 1 and 3 */
	const uint32_t expected[] = { set, set & latch, set | latch, set ^ latch };
	struct rig *g = *state;

	set_mode(g, &mode_12);
	gc(g, 1, 0x0f);
	gc(g, 0, 0x0a);
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		set_planes(g, 5, latch);
		peek(g, 0xa0005);
		gc(g, 3, (uint8_t)(i << 3));
		poke(g, 0xa0005, 0);
		assert_int_equal(planes(g, 5), expected[i]);
	}
}

static void write_mode_1_copies_latches(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	set_planes(g, 1, 0x12345678);
	gc(g, 5, 1);
	peek(g, 0xa0001);
	seq(g, 2, 0x07);
	poke(g, 0xa0002, 0xee);
	assert_int_equal(planes(g, 2), 0x00345678);
}

static void write_mode_2_expands_a_color(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	gc(g, 5, 2);
	gc(g, 8, 0xf0);
	set_planes(g, 9, 0x01020304);
	peek(g, 0xa0009);
	poke(g, 0xa0009, 0xf5);
	assert_int_equal(planes(g, 9), 0x01f203f4);
}

static void write_mode_3_masks_set_reset_with_the_data(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	gc(g, 5, 3);
	gc(g, 0, 0x09);
	gc(g, 3, 4);
	gc(g, 8, 0x3c);
	set_planes(g, 7, 0xaaaaaaaa);
	peek(g, 0xa0007);
	poke(g, 0xa0007, 0xf0); /* rotated 0f, mask 0c */
	assert_int_equal(planes(g, 7), 0xaea2a2ae);
}

static void read_mode_1_compares_colors(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	set_planes(g, 3, 0xf0ccaa00); /* pixels, left first: 14 12 10 8 6 4 2 0 */
	gc(g, 5, 8);
	gc(g, 2, 0x0e);
	gc(g, 7, 0x0f);
	assert_int_equal(peek(g, 0xa0003), 0x80);
	gc(g, 7, 0x08);
	assert_int_equal(peek(g, 0xa0003), 0xf0);
	gc(g, 7, 0x00);
	assert_int_equal(peek(g, 0xa0003), 0xff);
	gc(g, 5, 0);
	gc(g, 4, 2);
	assert_int_equal(peek(g, 0xa0003), 0xcc);
}

static void odd_even_spreads_text_over_two_planes(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_3);
	poke(g, 0xb8004, 'A');
	poke(g, 0xb8005, 0x17);
	assert_int_equal(planes(g, 4), 0x1741);
	assert_int_equal(planes(g, 5), 0);
	assert_int_equal(peek(g, 0xb8004), 'A');
	assert_int_equal(peek(g, 0xb8005), 0x17);
}

static void window_answers_only_in_its_range(void **state)
{
	static const struct {
		uint8_t misc;
		uint64_t inside, outside;
	} rows[] = {
		{ 0x01, 0xbfff0, 0 },
		{ 0x05, 0xaffff, 0xb0000 },
		{ 0x09, 0xb7fff, 0xb8000 },
		{ 0x0d, 0xbffff, 0xb7fff },
	};
	struct rig *g = *state;

	set_mode(g, &mode_12);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		gc(g, 6, rows[i].misc);
		poke(g, rows[i].inside, 0x77);
		assert_int_equal(peek(g, rows[i].inside), 0x77);
		if (!rows[i].outside)
			continue;
		poke(g, rows[i].outside, 0x77);
		assert_int_equal(peek(g, rows[i].outside), 0xff);
	}
	fake_outb(g->f, 0x3c2, 0xe1); /* RAM disabled */
	assert_int_equal(peek(g, 0xb8000), 0xff);
}

static void chain_4_is_mapped_and_shares_memory_with_the_planes(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_13);
	int slot = rig_slot_at(g, 0xa0000);
	assert_true(slot >= 0);
	assert_int_equal(g->slots[slot]->size, 0x10000);
	assert_int_equal(g->slots[slot]->flags, SLOT_LOG_DIRTY | SLOT_NO_DMA);
	for (unsigned i = 0; i < 8; i++)
		poke(g, 0xa0100 + i, (uint8_t)(0x10 + i));
	assert_int_equal(g->config.memory[0x105], 0x15);
	seq(g, 4, 6); /* unchained: mode X */
	assert_int_equal(rig_slot_at(g, 0xa0000), -1);
	gc(g, 4, 1);
	assert_int_equal(peek(g, 0xa0040), 0x11);
	assert_int_equal(peek(g, 0xa0041), 0x15);
	seq(g, 2, 4);
	poke(g, 0xa0041, 0x99);
	seq(g, 2, 0xf);
	seq(g, 4, 0xe);
	assert_int_equal(peek(g, 0xa0106), 0x99);
}

static void chain_4_with_tricks_is_trapped(void **state)
{
	static const struct {
		uint16_t port;
		uint8_t index, value, usual;
	} rows[] = { { 0x3c4, 2, 0x0e, 0x0f }, { 0x3ce, 1, 1, 0 },       { 0x3ce, 3, 8, 0 },
		     { 0x3ce, 5, 0x41, 0x40 }, { 0x3ce, 5, 0x48, 0x40 }, { 0x3ce, 8, 0x7f, 0xff } };
	struct rig *g = *state;

	set_mode(g, &mode_13);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_outw(g->f, rows[i].port, rows[i].value << 8 | rows[i].index);
		assert_int_equal(rig_slot_at(g, 0xa0000), -1);
		fake_outw(g->f, rows[i].port, rows[i].usual << 8 | rows[i].index);
		assert_true(rig_slot_at(g, 0xa0000) >= 0);
	}
	seq(g, 2, 0x0e); /* plane 0 is protected */
	poke32(g, 0xa0000, 0x44332211);
	assert_int_equal(planes(g, 0), 0x44332200);
}

static void wide_accesses_are_bytes_in_order(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_12);
	bus_write(g->f->board.bus, BUS_MMIO, 0xa0020, 8, 0x8877665544332211);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(planes(g, 0x20 + i) & 0xff, 0x11 * (i + 1));
	uint64_t value;
	bus_read(g->f->board.bus, BUS_MMIO, 0xa0024, 4, &value);
	assert_int_equal(value, 0x88776655);
	assert_int_equal(planes(g, 0x27), 0x88888888);
}

static void a_window_on_a_board_full_of_ram_falls_back_to_the_trap(void **state)
{
	struct rig *g = *state;

	assert_true(memory_map(g->f->board.memory, &g->f->ram, 0));
	set_mode(g, &mode_13);
	bus_write(g->f->board.bus, BUS_MMIO, 0xa0007, 1, 0x42);
	assert_int_equal(g->config.memory[7], 0x42);
	vbe_mode(g, 320, 200, 8);
	vbe(g, 5, 2);
	bus_write(g->f->board.bus, BUS_MMIO, 0xa0007, 1, 0x43);
	assert_int_equal(g->config.memory[0x20007], 0x43);
	refresh(g);
}

/* GR6 asks for 128 KiB, the bank leaves 64: what lies behind video memory is ours, not the guest's. */
static void a_window_never_reaches_beyond_video_memory(void **state)
{
	struct rig *g = *state;
	const uint8_t *end = g->config.memory + g->config.memory_size;

	set_mode(g, &mode_13);
	vbe(g, 5, (uint16_t)(g->config.memory_size / 65536 - 1));
	gc(g, 6, 0x01);
	for (unsigned i = 0; i < RIG_SLOTS; i++)
		if (g->slots[i] && g->slots[i]->base == 0xa0000)
			assert_true(g->slots[i]->host + g->slots[i]->size <= end);
	bus_write(g->f->board.bus, BUS_MMIO, 0xb0007, 1, 0x42);
	assert_int_equal(g->config.memory[7], 0x42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(write_mode_0_rotates_sets_and_masks),
		RIG_TEST(logic_unit_combines_with_the_latches),
		RIG_TEST(write_mode_1_copies_latches),
		RIG_TEST(write_mode_2_expands_a_color),
		RIG_TEST(write_mode_3_masks_set_reset_with_the_data),
		RIG_TEST(read_mode_1_compares_colors),
		RIG_TEST(odd_even_spreads_text_over_two_planes),
		RIG_TEST(window_answers_only_in_its_range),
		RIG_TEST(chain_4_is_mapped_and_shares_memory_with_the_planes),
		RIG_TEST(chain_4_with_tricks_is_trapped),
		RIG_TEST(wide_accesses_are_bytes_in_order),
		RIG_TEST(a_window_never_reaches_beyond_video_memory),
		RIG_TEST(a_window_on_a_board_full_of_ram_falls_back_to_the_trap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
