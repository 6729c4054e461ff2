/* SPDX-License-Identifier: MIT */
/*
 * A VGA on a fake board, as a guest with KVM below it meets it: an access goes to the mapped slot, and marks its
 * page dirty there, or else to the bus. The standard modes' register values are those of the IBM VGA BIOS.
 */
#ifndef VITRINE_VGA_RIG_H
#define VITRINE_VGA_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/video/vga.h"
#include "tests/unit/fake_board.h"

#define RIG_SLOTS 8
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown) /* the file has these two */

struct rig {
	struct fake_board *f;
	struct pci_bus *bus;
	struct device *d;
	struct screen screen;
	struct vga_config config;
	const struct slot *slots[RIG_SLOTS]; /* mapped now */
	uint64_t *dirty[RIG_SLOTS];
	unsigned told; /* calls of screen.changed */
};

static const uint8_t rig_rom[512] = { 0x55, 0xaa, 1, 0xcb };

static void rig_slot_changed(void *context, const struct slot *slot, bool mapped)
{
	struct rig *g = context;
	unsigned i = 0;

	while (i < RIG_SLOTS && g->slots[i] != (mapped ? NULL : slot))
		i++;
	assert_true(i < RIG_SLOTS);
	free(g->dirty[i]);
	g->slots[i] = mapped ? slot : NULL;
	g->dirty[i] = mapped ? calloc(slot->size / 4096 / 64 + 1, 8) : NULL;
}

static void rig_slot_dirty(void *context, const struct slot *slot, uint64_t *bitmap)
{
	struct rig *g = context;

	for (unsigned i = 0; i < RIG_SLOTS; i++) {
		if (g->slots[i] != slot)
			continue;
		for (unsigned word = 0; word < (slot->size / 4096 + 63) / 64; word++) {
			bitmap[word] |= g->dirty[i][word];
			g->dirty[i][word] = 0;
		}
	}
}

static inline void rig_told(void *context, struct screen *s)
{
	(void)s;
	((struct rig *)context)->told++;
}

static inline struct rig *rig_new(size_t memory_size)
{
	struct rig *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	g->f = fake_board_new();
	/* A real board's RAM leaves room for the VGA below 1 MiB. */
	memory_unmap(g->f->board.memory, &g->f->ram);
	memory_set_listener(g->f->board.memory, &(struct memory_listener){ rig_slot_changed, rig_slot_dirty, g });
	g->screen = (struct screen){ .pixels = calloc(1, SCREEN_BYTES), .changed = rig_told, .context = g };
	g->bus = pci_bus_new_root(&g->f->board);
	g->config = (struct vga_config){
		.screen = &g->screen, .memory_size = memory_size, .rom = rig_rom, .rom_size = sizeof(rig_rom)
	};
	g->config.memory = memory_allocate(g->f->board.memory, memory_size);
	g->d = fake_board_create(
		g->f, &vga_class,
		&(struct device_config){
			.id = "vga", .pci_bus = g->bus, .pci_devfn = PCI_DEVFN(2, 0), .extra = &g->config });
	fake_map_bars(g->d->pci);
	return g;
}

static inline void rig_free(struct rig *g)
{
	/* the slots are unmapped while the listener still has its context */
	fake_board_free(g->f);
	pci_bus_free(g->bus);
	for (unsigned i = 0; i < RIG_SLOTS; i++)
		free(g->dirty[i]);
	free(g->screen.pixels);
	free(g);
}

static inline uint64_t rig_lfb(struct rig *g)
{
	return pci_config_read(g->d->pci, PCI_BAR0, 4) & ~0xfu;
}

static inline uint64_t rig_mmio(struct rig *g)
{
	return pci_config_read(g->d->pci, PCI_BAR0 + 8, 4) & ~0xfu;
}

/* The slot that a guest's access to address reaches, or NULL: it exits to the bus. */
static inline int rig_slot_at(struct rig *g, uint64_t address)
{
	for (int i = 0; i < RIG_SLOTS; i++) {
		if (g->slots[i] && address >= g->slots[i]->base && address < g->slots[i]->base + g->slots[i]->size)
			return i;
	}
	return -1;
}

static inline void poke(struct rig *g, uint64_t address, uint8_t value)
{
	int i = rig_slot_at(g, address);

	if (i < 0 || g->slots[i]->flags & SLOT_READONLY) {
		bus_write(g->f->board.bus, BUS_MMIO, address, 1, value);
		return;
	}
	uint64_t offset = address - g->slots[i]->base;
	g->slots[i]->host[offset] = value;
	g->dirty[i][offset / 4096 / 64] |= 1ull << offset / 4096 % 64;
}

static inline uint8_t peek(struct rig *g, uint64_t address)
{
	int i = rig_slot_at(g, address);
	uint64_t value;

	if (i >= 0)
		return g->slots[i]->host[address - g->slots[i]->base];
	bus_read(g->f->board.bus, BUS_MMIO, address, 1, &value);
	return (uint8_t)value;
}

static inline void poke32(struct rig *g, uint64_t address, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		poke(g, address + i, (uint8_t)(value >> 8 * i));
}

static inline void refresh(struct rig *g)
{
	device_lock(g->d);
	vga_refresh(g->d);
	device_unlock(g->d);
}

static inline uint32_t pixel(struct rig *g, unsigned x, unsigned y)
{
	return g->screen.pixels[(size_t)y * g->screen.width + x] & 0xffffff;
}

/* The damage is exactly this rectangle; forgets it. */
static inline void assert_damage(struct rig *g, unsigned x, unsigned y, unsigned width, unsigned height)
{
	assert_int_equal(g->screen.x0, x);
	assert_int_equal(g->screen.y0, y);
	assert_int_equal(g->screen.x1, x + width);
	assert_int_equal(g->screen.y1, y + height);
	screen_clean(&g->screen);
}

static inline void assert_no_damage(struct rig *g)
{
	assert_true(g->screen.x0 >= g->screen.x1);
}

/* ---- registers ---- */

static inline void seq(struct rig *g, uint8_t index, uint8_t value)
{
	fake_outw(g->f, 0x3c4, value << 8 | index);
}

static inline void gc(struct rig *g, uint8_t index, uint8_t value)
{
	fake_outw(g->f, 0x3ce, value << 8 | index);
}

static inline void crtc(struct rig *g, uint8_t index, uint8_t value)
{
	fake_outw(g->f, 0x3d4, value << 8 | index);
}

static inline void attr(struct rig *g, uint8_t index, uint8_t value)
{
	fake_in(g->f, 0x3da, 1);
	fake_outb(g->f, 0x3c0, index);
	fake_outb(g->f, 0x3c0, value);
	fake_outb(g->f, 0x3c0, 0x20);
}

static inline void vbe(struct rig *g, uint16_t index, uint16_t value)
{
	fake_outw(g->f, 0x1ce, index);
	fake_outw(g->f, 0x1cf, value);
}

static inline uint16_t vbe_value(struct rig *g, uint16_t index)
{
	fake_outw(g->f, 0x1ce, index);
	return fake_inw(g->f, 0x1cf);
}

static inline void vbe_mode(struct rig *g, uint16_t width, uint16_t height, uint16_t bpp)
{
	vbe(g, 4, 0);
	vbe(g, 1, width);
	vbe(g, 2, height);
	vbe(g, 3, bpp);
	vbe(g, 4, 0x41);
	fake_outb(g->f, 0x3c2, 0x67);
	fake_in(g->f, 0x3da, 1);
	fake_outb(g->f, 0x3c0, 0x20);
}

static inline void set_color(struct rig *g, uint8_t index, uint8_t red, uint8_t green, uint8_t blue)
{
	fake_outb(g->f, 0x3c8, index);
	fake_outb(g->f, 0x3c9, red);
	fake_outb(g->f, 0x3c9, green);
	fake_outb(g->f, 0x3c9, blue);
}

/* Colour i of the test palette, as set_mode() leaves it. */
static inline uint32_t test_color(uint8_t i)
{
	uint32_t red = i & 63, green = (i >> 2) & 63, blue = (63 - i) & 63;

	return (red << 2 | red >> 4) << 16 | (green << 2 | green >> 4) << 8 | blue << 2 | blue >> 4;
}

struct mode {
	uint8_t misc, seq[5], crtc[25], gc[9], attr[21];
};

static const struct mode mode_3 = {
	/* 80x25 text, 720x400 */
	0x67,
	{ 0x03, 0x00, 0x03, 0x00, 0x02 },
	{ 0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
	  0x00, 0x00, 0x00, 0x9c, 0x0e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff },
	{ 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x0c, 0x00, 0x0f, 0x08, 0x00 },
};

static const struct mode mode_4 = {
	/* 320x200 in four colours */
	0x63,
	{ 0x03, 0x09, 0x03, 0x00, 0x02 },
	{ 0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0x00, 0x00, 0x00,
	  0x00, 0x00, 0x00, 0x9c, 0x0e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff },
	{ 0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x0f, 0x00, 0xff },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x01, 0x00, 0x03, 0x00, 0x00 },
};

static const struct mode mode_6 = {
	/* 640x200 in two colours */
	0x63,
	{ 0x03, 0x01, 0x01, 0x00, 0x06 },
	{ 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0x00, 0x00, 0x00,
	  0x00, 0x00, 0x00, 0x9c, 0x0e, 0x8f, 0x28, 0x00, 0x96, 0xb9, 0xc2, 0xff },
	{ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0d, 0x00, 0xff },
	{ 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0x01, 0x00, 0x01, 0x00, 0x00 },
};

static const struct mode mode_12 = {
	/* 640x480 in 16 colours */
	0xe3,
	{ 0x03, 0x01, 0x0f, 0x00, 0x06 },
	{ 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00,
	  0x00, 0x00, 0x00, 0xea, 0x0c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff },
	{ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0f, 0xff },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x01, 0x00, 0x0f, 0x00, 0x00 },
};

static const struct mode mode_13 = {
	/* 320x200 in 256 colours, chain-4 */
	0x63,
	{ 0x03, 0x01, 0x0f, 0x00, 0x0e },
	{ 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0x00, 0x00, 0x00,
	  0x00, 0x00, 0x00, 0x9c, 0x0e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff },
	{ 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0f, 0xff },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0x00, 0x0f, 0x00, 0x00 },
};

static inline void set_mode(struct rig *g, const struct mode *m)
{
	fake_outb(g->f, 0x3c2, m->misc);
	for (uint8_t i = 0; i < sizeof(m->seq); i++)
		seq(g, i, m->seq[i]);
	for (uint8_t i = 0; i < sizeof(m->crtc); i++)
		crtc(g, i, m->crtc[i]);
	for (uint8_t i = 0; i < sizeof(m->gc); i++)
		gc(g, i, m->gc[i]);
	for (uint8_t i = 0; i < sizeof(m->attr); i++)
		attr(g, i, m->attr[i]);
	for (unsigned i = 0; i < 256; i++)
		set_color(g, (uint8_t)i, i & 63, i >> 2 & 63, (63 - i) & 63);
}

static inline void set_text(struct rig *g, unsigned column, unsigned row, uint8_t character, uint8_t attribute)
{
	uint64_t at = 0xb8000 + (row * 80 + column) * 2;

	poke(g, at, character);
	poke(g, at + 1, attribute);
}

/* Lines of one glyph, 32 of them, into the font at offset of plane 2; as a BIOS does it. */
static inline void load_glyph(struct rig *g, unsigned font, uint8_t character, const uint8_t *lines, unsigned count)
{
	seq(g, 2, 4);
	seq(g, 4, 7);
	gc(g, 4, 2);
	gc(g, 5, 0);
	gc(g, 6, 4);
	for (unsigned i = 0; i < count; i++)
		poke(g, 0xa0000 + font + character * 32 + i, lines[i]);
	seq(g, 2, 3);
	seq(g, 4, 2);
	gc(g, 4, 0);
	gc(g, 5, 0x10);
	gc(g, 6, 0x0e);
}

#endif
