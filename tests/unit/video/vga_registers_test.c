/* SPDX-License-Identifier: MIT */
#include "tests/unit/video/vga_rig.h"

#define SMALL (256u << 10)

static int setup(void **state)
{
	*state = rig_new(SMALL);
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void unused_bits_read_as_zero(void **state)
{
	static const struct {
		uint16_t port;
		uint8_t index, expected;
	} rows[] = {
		{ 0x3c4, 0, 0x03 },    { 0x3c4, 1, 0x3d },    { 0x3c4, 2, 0x0f },    { 0x3c4, 3, 0x3f },
		{ 0x3c4, 4, 0x0e },    { 0x3c4, 5, 0 },       { 0x3c4, 255, 0 },     { 0x3ce, 0, 0x0f },
		{ 0x3ce, 1, 0x0f },    { 0x3ce, 2, 0x0f },    { 0x3ce, 3, 0x1f },    { 0x3ce, 4, 0x03 },
		{ 0x3ce, 5, 0x7b },    { 0x3ce, 6, 0x0f },    { 0x3ce, 7, 0x0f },    { 0x3ce, 8, 0xff },
		{ 0x3ce, 9, 0 },       { 0x3d4, 0x08, 0x7f }, { 0x3d4, 0x0a, 0x3f }, { 0x3d4, 0x0b, 0x7f },
		{ 0x3d4, 0x14, 0x7f }, { 0x3d4, 0x17, 0xef }, { 0x3d4, 0x18, 0xff }, { 0x3d4, 0x19, 0 },
		{ 0x3d4, 0xff, 0 },
	};
	struct rig *g = *state;

	fake_outb(g->f, 0x3c2, 0x67);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_outw(g->f, rows[i].port, 0xff00 | rows[i].index);
		assert_int_equal(fake_inb(g->f, rows[i].port), rows[i].index);
		assert_int_equal(fake_inb(g->f, rows[i].port + 1), rows[i].expected);
	}
	fake_outb(g->f, 0x3c2, 0xff);
	assert_int_equal(fake_inb(g->f, 0x3cc), 0xef);
}

static void protected_crtc_registers_keep_their_values(void **state)
{
	struct rig *g = *state;

	set_mode(g, &mode_3);
	crtc(g, 0x11, 0x8e);
	crtc(g, 0x00, 0x11);
	crtc(g, 0x07, 0x00);
	crtc(g, 0x08, 0x05);
	fake_outb(g->f, 0x3d4, 0x00);
	assert_int_equal(fake_inb(g->f, 0x3d5), 0x5f);
	fake_outb(g->f, 0x3d4, 0x07);
	assert_int_equal(fake_inb(g->f, 0x3d5), 0x0f); /* line compare bit 8 alone is free */
	fake_outb(g->f, 0x3d4, 0x08);
	assert_int_equal(fake_inb(g->f, 0x3d5), 0x05);
}

static void attribute_flip_flop_is_reset_by_status_read(void **state)
{
	struct rig *g = *state;

	fake_outb(g->f, 0x3c2, 0x67);
	fake_in(g->f, 0x3da, 1);
	fake_outb(g->f, 0x3c0, 0x10); /* an index: data is expected, but */
	fake_in(g->f, 0x3da, 1);
	fake_outb(g->f, 0x3c0, 0x12);
	fake_outb(g->f, 0x3c0, 0x0a);
	assert_int_equal(fake_inb(g->f, 0x3c1), 0x0a);
	fake_outb(g->f, 0x3c0, 0x10);
	assert_int_equal(fake_inb(g->f, 0x3c1), 0x00);
	assert_int_equal(fake_inb(g->f, 0x3c0), 0x10);
}

static void registers_answer_at_3bx_in_monochrome_and_at_3dx_in_color(void **state)
{
	struct rig *g = *state;

	fake_outb(g->f, 0x3c2, 0x66);
	fake_outw(g->f, 0x3b4, 0x550e);
	assert_int_equal(fake_inb(g->f, 0x3b5), 0x55);
	assert_int_equal(fake_inb(g->f, 0x3d5), 0xff);
	fake_outw(g->f, 0x3d4, 0x110e);
	assert_int_equal(fake_inb(g->f, 0x3b5), 0x55);
	fake_outb(g->f, 0x3ba, 0x0f);
	assert_int_equal(fake_inb(g->f, 0x3ca), 0x0b);
	fake_outb(g->f, 0x3c2, 0x67);
	assert_int_equal(fake_inb(g->f, 0x3b5), 0xff);
	fake_outb(g->f, 0x3d4, 0x0e);
	assert_int_equal(fake_inb(g->f, 0x3d5), 0x55);
}

static void dac_reads_and_writes_by_separate_indices(void **state)
{
	struct rig *g = *state;

	set_color(g, 5, 0xff, 0x20, 0x01);
	assert_int_equal(fake_inb(g->f, 0x3c7), 0);
	assert_int_equal(fake_inb(g->f, 0x3c8), 6);
	fake_outb(g->f, 0x3c7, 5);
	assert_int_equal(fake_inb(g->f, 0x3c7), 3);
	assert_int_equal(fake_inb(g->f, 0x3c9), 0x3f); /* six bits */
	assert_int_equal(fake_inb(g->f, 0x3c9), 0x20);
	assert_int_equal(fake_inb(g->f, 0x3c9), 0x01);
	fake_outb(g->f, 0x3c8, 5); /* two bytes of three: the colour stays */
	fake_outb(g->f, 0x3c9, 1);
	fake_outb(g->f, 0x3c9, 2);
	fake_outb(g->f, 0x3c7, 5);
	assert_int_equal(fake_inb(g->f, 0x3c9), 0x3f);
	vbe(g, 4, 0x20);
	set_color(g, 255, 0xfe, 0, 0);
	assert_int_equal(fake_inb(g->f, 0x3c8), 0);
	fake_outb(g->f, 0x3c7, 255);
	assert_int_equal(fake_inb(g->f, 0x3c9), 0xfe); /* eight bits */
	fake_outb(g->f, 0x3c6, 0x5a);
	assert_int_equal(fake_inb(g->f, 0x3c6), 0x5a);
}

/* Polls like a program does; returns how many times each edge was seen in one second of guest time. */
static void count_edges(struct rig *g, unsigned *ret_vertical, unsigned *ret_horizontal)
{
	uint8_t last = fake_inb(g->f, 0x3da);

	*ret_vertical = *ret_horizontal = 0;
	for (unsigned i = 0; i < 200000; i++) {
		clock_advance(g->f->board.clock, 5000);
		uint8_t now = fake_inb(g->f, 0x3da);
		assert_true(!(now & 8) || now & 1); /* no picture during retrace */
		*ret_vertical += (now & ~last & 8) != 0;
		*ret_horizontal += (now & ~last & 1) != 0;
		last = now;
	}
}

static void retrace_bits_follow_guest_time(void **state)
{
	struct rig *g = *state;
	unsigned vertical, horizontal;

	set_mode(g, &mode_3);
	count_edges(g, &vertical, &horizontal);
	assert_in_range(vertical, 69, 71);         /* 70.09 Hz */
	assert_in_range(horizontal, 27500, 28500); /* 400 lines of 449 are shown */
	set_mode(g, &mode_12);
	count_edges(g, &vertical, &horizontal);
	assert_in_range(vertical, 59, 60); /* 59.94 Hz */
	clock_stop(g->f->board.clock);
	assert_int_equal(fake_inb(g->f, 0x3da), fake_inb(g->f, 0x3da));
}

static void retrace_comes_even_from_registers_that_make_no_frame(void **state)
{
	struct rig *g = *state;
	unsigned vertical, horizontal;

	fake_outb(g->f, 0x3c2, 0x67); /* all others as reset left them */
	count_edges(g, &vertical, &horizontal);
	assert_in_range(vertical, 59, 61);
	for (uint8_t i = 0; i < 25; i++)
		crtc(g, i, 0xff);
	count_edges(g, &vertical, &horizontal);
	assert_in_range(vertical, 59, 61);
}

static void command_register_switches_ports_and_memory(void **state)
{
	struct rig *g = *state;
	uint64_t value;

	set_mode(g, &mode_13);
	assert_true(rig_slot_at(g, 0xa0000) >= 0);
	pci_config_write(g->d->pci, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_false(bus_read(g->f->board.bus, BUS_PORT, 0x3cc, 1, &value));
	assert_false(bus_read(g->f->board.bus, BUS_PORT, 0x1ce, 2, &value));
	assert_true(rig_slot_at(g, 0xa0000) >= 0);
	pci_config_write(g->d->pci, PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_int_equal(fake_inb(g->f, 0x3cc), 0x63);
	assert_int_equal(rig_slot_at(g, 0xa0000), -1);
	assert_false(bus_read(g->f->board.bus, BUS_MMIO, 0xa0000, 1, &value));
	pci_config_write(g->d->pci, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	assert_true(rig_slot_at(g, 0xa0000) >= 0);
}

static void rom_bar_shows_the_vga_bios(void **state)
{
	struct rig *g = *state;

	assert_int_equal(pci_config_read(g->d->pci, PCI_VENDOR_ID, 4), 0x11111234);
	assert_int_equal(pci_config_read(g->d->pci, PCI_REVISION, 4) >> 8, 0x030000);
	pci_config_write(g->d->pci, PCI_ROM_ADDRESS, 4, 0xfffff800);
	assert_int_equal(pci_config_read(g->d->pci, PCI_ROM_ADDRESS, 4), 0xfffff000);
	pci_config_write(g->d->pci, PCI_ROM_ADDRESS, 4, 0xfb000001);
	assert_int_equal(peek(g, 0xfb000000), 0x55);
	assert_int_equal(peek(g, 0xfb000001), 0xaa);
	poke(g, 0xfb000000, 0);
	assert_int_equal(peek(g, 0xfb000000), 0x55);
	pci_config_write(g->d->pci, PCI_ROM_ADDRESS, 4, 0xfb000000);
	assert_int_equal(rig_slot_at(g, 0xfb000000), -1);
}

/* What Linux' bochs-drm does. */
static void mmio_bar_holds_ports_and_vbe_registers(void **state)
{
	struct rig *g = *state;
	uint64_t mmio = rig_mmio(g);

	fake_write(g->f, mmio + 0x402, 1, 0x01);
	fake_read(g->f, mmio + 0x41a, 1);
	fake_write(g->f, mmio + 0x400, 1, 0x20);
	assert_int_equal(fake_inb(g->f, 0x3cc), 0x01);
	assert_int_equal(fake_inb(g->f, 0x3c0), 0x20);
	fake_write(g->f, mmio + 0x404, 2, 0x0302);
	assert_int_equal(fake_read(g->f, mmio + 0x405, 1), 0x03);
	assert_int_equal(fake_read(g->f, mmio + 0x500, 2), 0xb0c5);
	assert_int_equal(fake_read(g->f, mmio + 0x514, 2), SMALL >> 16);
	fake_write(g->f, mmio + 0x502, 2, 800);
	assert_int_equal(vbe_value(g, 1), 800);
	fake_write(g->f, mmio + 0x502, 1, 1);
	assert_int_equal(vbe_value(g, 1), 800);
	assert_int_equal(fake_read(g->f, mmio + 0x100, 2), 0xffff);
	assert_int_equal(fake_read(g->f, mmio + 0x516, 2), 0xffff);
	assert_int_equal(fake_read(g->f, mmio + 0xffc, 4), 0xffffffff);
}

static void video_memory_of_an_odd_size_is_refused(void **state)
{
	struct rig *g = *state;
	static const size_t sizes[] = { 0, 128u << 10, 3u << 20, 512u << 20 };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct vga_config c = g->config;
		struct error e = { 0 };
		struct device *d;

		c.memory_size = sizes[i];
		struct device_config config = { .id = "vga1", .pci_bus = g->bus, .pci_devfn = 8, .extra = &c };
		assert_int_equal(device_create(&vga_class, &g->f->board, &config, &d, &e), -EINVAL);
		assert_non_null(strstr(e.text, "vga1"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(unused_bits_read_as_zero),
		RIG_TEST(protected_crtc_registers_keep_their_values),
		RIG_TEST(attribute_flip_flop_is_reset_by_status_read),
		RIG_TEST(registers_answer_at_3bx_in_monochrome_and_at_3dx_in_color),
		RIG_TEST(dac_reads_and_writes_by_separate_indices),
		RIG_TEST(retrace_bits_follow_guest_time),
		RIG_TEST(retrace_comes_even_from_registers_that_make_no_frame),
		RIG_TEST(command_register_switches_ports_and_memory),
		RIG_TEST(rom_bar_shows_the_vga_bios),
		RIG_TEST(mmio_bar_holds_ports_and_vbe_registers),
		RIG_TEST(video_memory_of_an_odd_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
