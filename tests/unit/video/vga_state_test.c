/* SPDX-License-Identifier: MIT */
#include "tests/unit/video/vga_rig.h"

#define RANDOM_ACCESSES 100000

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* One thing that a guest without sense could do. */
static void random_access(struct rig *g, uint32_t *seed)
{
	static const uint16_t index_ports[] = { 0x3c4, 0x3ce, 0x3d4, 0x3b4 };
	static const struct mode *const modes[] = { &mode_3, &mode_4, &mode_6, &mode_12, &mode_13 };
	uint32_t what = next_random(seed), where = next_random(seed), value = next_random(seed);

	switch (what % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
		fake_out(g->f, (uint16_t)(0x3b0 + where % 0x30), 1 + value % 2, value >> 4);
		break;
	case 4:
	case 5: /* an index that exists, so that the data counts */
		fake_outw(g->f, index_ports[where % 4], (uint16_t)(value << 8 | (where >> 4) % 26));
		break;
	case 6:
	case 7:
		vbe(g, where % 12, (uint16_t)(value >> (where >> 8) % 16));
		break;
	case 8:
	case 9:
	case 10:
		poke32(g, 0xa0000 + where % 0x1fffd, value);
		break;
	case 11:
		poke32(g, rig_lfb(g) + where % (g->config.memory_size - 4), value);
		break;
	case 12:
		fake_in(g->f, (uint16_t)(0x3b0 + where % 0x30), 1);
		peek(g, 0xa0000 + value % 0x20000);
		break;
	case 13:
		fake_write(g->f, rig_mmio(g) + where % 0xffc, 1u << value % 3, value >> 3);
		break;
	case 14:
		clock_advance(g->f->board.clock, value * 100ull);
		if (where % 8 == 0)
			set_mode(g, modes[value % ARRAY_SIZE(modes)]);
		break;
	default:
		if (where % 8 == 0)
			vbe(g, 4, (uint16_t)(value & 0xe3));
	}
}

static void a_guest_without_sense_does_no_harm(void **state)
{
	static const size_t sizes[] = { 256u << 10, 512u << 10, 2u << 20 };

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct rig *g = rig_new(sizes[i]);
		uint32_t seed = i + 1;

		for (unsigned n = 0; n < RANDOM_ACCESSES; n++) {
			random_access(g, &seed);
			if (n % 100 == 99)
				refresh(g);
			assert_true(g->screen.width <= SCREEN_MAX_WIDTH && g->screen.height <= SCREEN_MAX_HEIGHT);
			assert_true(g->screen.x1 <= g->screen.width && g->screen.y1 <= g->screen.height);
		}
		rig_free(g);
	}
}

/* A guest that keeps its picture on and plays with what shapes it. */
static void random_drawing(struct rig *g, uint32_t *seed)
{
	static const struct mode *const modes[] = { &mode_3, &mode_4, &mode_6, &mode_12, &mode_13 };
	static const uint16_t depths[] = { 4, 8, 15, 16, 24, 32 };
	static const uint8_t shaping[] = { 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x13, 0x14, 0x17, 0x18 };
	uint32_t what = next_random(seed) % 400, where = next_random(seed), value = next_random(seed);

	if (what < 2) {
		vbe(g, 4, 0);
		set_mode(g, modes[value % ARRAY_SIZE(modes)]);
	} else if (what < 3) {
		vbe_mode(g, (uint16_t)(32 + value % 400), (uint16_t)(16 + where % 300), depths[where % 6]);
	} else if (what < 5) {
		uint8_t index = shaping[where % ARRAY_SIZE(shaping)];
		crtc(g, index, (uint8_t)(index == 0x17 ? value | 0x80 : value));
	} else if (what < 6) {
		attr(g, (uint8_t)(0x10 + where % 5), (uint8_t)value);
	} else if (what < 8) {
		seq(g, 2, 0x0f);
		vbe(g, 5 + where % 5, (uint16_t)(value % 300));
	} else if (what < 9) {
		set_color(g, (uint8_t)(where % 16), (uint8_t)value, (uint8_t)(value >> 6), (uint8_t)(value >> 12));
	} else if (what < 10) {
		clock_advance(g->f->board.clock, NS_PER_SECOND / 10);
	} else if (what < 12) {
		poke32(g, rig_lfb(g) + where % (g->config.memory_size - 4), value);
	} else {
		poke(g, 0xa0000 + where % 0x20000, (uint8_t)value);
	}
}

static void assert_same_picture(struct rig *g, struct rig *other)
{
	size_t length;
	void *saved = fake_save(g->d, &length);

	assert_int_equal(fake_load(other->d, saved, length), 0);
	free(saved);
	clock_stop(other->f->board.clock);
	clock_set(other->f->board.clock, clock_now(g->f->board.clock));
	if (g->screen.width) /* dark modes keep the last size */
		screen_resize(&other->screen, g->screen.width, g->screen.height);
	refresh(other);
	assert_int_equal(g->screen.width, other->screen.width);
	assert_int_equal(g->screen.height, other->screen.height);
	assert_memory_equal(g->screen.pixels, other->screen.pixels, (size_t)g->screen.width * g->screen.height * 4);
}

/* What is drawn step by step must be what is drawn from nothing: a missed change would leave its trace. */
static void partial_refreshes_add_up_to_a_full_one(void **state)
{
	struct rig *g = rig_new(256u << 10), *other = rig_new(256u << 10);
	uint32_t seed = 77;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned n = 0; n < 150; n++) {
			if (round < 50)
				random_access(g, &seed);
			else
				random_drawing(g, &seed);
			if (n % 30 == 29)
				refresh(g);
		}
		assert_same_picture(g, other);
	}
	rig_free(g);
	rig_free(other);
}

/* Saved between two accesses that belong together. */
static void latches_and_half_written_colors_are_saved(void **state)
{
	struct rig *g = rig_new(256u << 10), *other = rig_new(256u << 10);
	size_t length;
	void *saved;

	(void)state;
	set_mode(g, &mode_12);
	le32_store(g->config.memory + 40, 0x12345678);
	gc(g, 5, 1);
	peek(g, 0xa000a);
	fake_outb(g->f, 0x3c8, 9);
	fake_outb(g->f, 0x3c9, 1);
	fake_outb(g->f, 0x3c9, 2);
	saved = fake_save(g->d, &length);
	assert_int_equal(fake_load(other->d, saved, length), 0);
	free(saved);
	poke(other, 0xa000b, 0);
	assert_int_equal(le32_load(other->config.memory + 44), 0x12345678);
	fake_outb(other->f, 0x3c9, 3);
	fake_outb(other->f, 0x3c7, 9);
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(fake_inb(other->f, 0x3c9), i);
	rig_free(g);
	rig_free(other);
}

static void state_contract_holds(void **state)
{
	struct fake_board *keeper = fake_board_new();
	struct pci_bus *bus = pci_bus_new_root(&keeper->board); /* the twins get their own */
	struct vga_config c = { .memory_size = 256u << 10, .rom = rig_rom, .rom_size = sizeof(rig_rom) };

	(void)state;
	c.memory = memory_allocate(keeper->board.memory, c.memory_size);
	struct device_config config = { .id = "vga", .pci_bus = bus, .extra = &c };
	for (unsigned seed = 1; seed <= 5; seed++)
		fake_check_state(&vga_class, &config, seed);
	pci_bus_free(bus);
	fake_board_free(keeper);
}

static void a_load_shows_the_saved_picture_and_maps_its_windows(void **state)
{
	struct rig *g = rig_new(256u << 10), *other = rig_new(256u << 10);
	size_t length;
	void *saved;

	(void)state;
	set_mode(g, &mode_13);
	poke(g, 0xa0005, 0x77);
	saved = fake_save(g->d, &length);
	set_mode(other, &mode_13); /* the same registers and another picture, already shown */
	refresh(other);
	seq(other, 4, 0x06);
	assert_int_equal(rig_slot_at(other, 0xa0000), -1);
	assert_int_equal(fake_load(other->d, saved, length), 0);
	free(saved);
	refresh(other);
	assert_int_equal(pixel(other, 10, 0), test_color(0x77));
	assert_int_equal(peek(other, 0xa0005), 0x77);
	assert_true(rig_slot_at(other, 0xa0000) >= 0);
	rig_free(g);
	rig_free(other);
}

/* Changes the one byte of field `name` (or its byte `at`) in a saved stream. */
static void spoil(uint8_t *saved, size_t length, const char *name, size_t at, uint8_t value)
{
	uint8_t *field = memmem(saved, length, name, strlen(name));

	assert_non_null(field);
	field[strlen(name) + 4 + at] = value;
}

static void impossible_values_are_refused_and_harmless(void **state)
{
	static const struct {
		const char *name;
		size_t at;
		uint8_t value;
	} rows[] = {
		{ "\x0d"
		  "dac_component",
		  0, 3 },
		{ "\x09"
		  "dac_state",
		  0, 1 },
		{ "\x0a"
		  "attr_index",
		  0, 0x40 },
		{ "\x03"
		  "seq",
		  0, 0xff },
		{ "\x02"
		  "gc",
		  4, 0x04 },
		{ "\x04"
		  "attr",
		  0x14, 0x10 },
		{ "\x07"
		  "vbe_bpp",
		  0, 12 },
		{ "\x08"
		  "vbe_xres",
		  1, 0xff },
		{ "\x08"
		  "vbe_yres",
		  1, 0xff },
		{ "\x08"
		  "vbe_bank",
		  1, 0xff },
		{ "\x06"
		  "vbe_id",
		  0, 0 },
		{ "\x04"
		  "misc",
		  0, 0x10 },
	};
	struct rig *g = rig_new(256u << 10);

	(void)state;
	set_mode(g, &mode_12);
	vbe_mode(g, 640, 480, 8);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t length;
		void *saved = fake_save(g->d, &length);
		struct rig *other = rig_new(256u << 10);

		spoil(saved, length, rows[i].name, rows[i].at, rows[i].value);
		assert_int_equal(fake_load(other->d, saved, length), -EINVAL);
		refresh(other);
		set_color(other, 1, 1, 1, 1);
		rig_free(other);
		free(saved);
	}
	rig_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_without_sense_does_no_harm),
		cmocka_unit_test(partial_refreshes_add_up_to_a_full_one),
		cmocka_unit_test(latches_and_half_written_colors_are_saved),
		cmocka_unit_test(state_contract_holds),
		cmocka_unit_test(a_load_shows_the_saved_picture_and_maps_its_windows),
		cmocka_unit_test(impossible_values_are_refused_and_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
