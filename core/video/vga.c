/* SPDX-License-Identifier: MIT */
/*
 * The video card: a VGA with Bochs' VBE extensions as the PCI function 1234:1111 ("standard VGA"; QEMU's
 * docs/specs/standard-vga describes its BARs). BAR 0 is the linear frame buffer, BAR 2 the registers once more,
 * and the ROM holds the VGA BIOS.
 */
#include "core/video/vga_private.h"

#include <errno.h>
#include <stdlib.h>

#define MMIO_SIZE 0x1000
#define MMIO_VGA 0x400 /* ports 0x3c0-0x3df, a byte each */
#define MMIO_VGA_SIZE 0x20
#define MMIO_VBE 0x500     /* the VBE registers, two bytes each */
#define ROM_MAX (1u << 20) /* one option ROM has at most 128 KiB (a byte counts 512 byte units); several may follow */

static uint64_t mmio_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct vga *v = (struct vga *)d;
	uint64_t value = 0;

	(void)r;
	if (offset >= MMIO_VBE && offset < MMIO_VBE + 2 * VBE_COUNT) {
		value = vbe_read(v, (unsigned)(offset - MMIO_VBE) / 2);
		return offset & 1 ? value >> 8 : value;
	}
	if (offset < MMIO_VGA || offset + size > MMIO_VGA + MMIO_VGA_SIZE)
		return UINT64_MAX;
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)vga_port_read(v, (uint16_t)(0x3c0 + offset - MMIO_VGA + i)) << 8 * i;
	return value;
}

/* A VBE register is written as a word or not at all: half of a mode would be set otherwise. */
static void mmio_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vga *v = (struct vga *)d;

	(void)r;
	if (offset >= MMIO_VBE && offset < MMIO_VBE + 2 * VBE_COUNT) {
		if (size == 2 && !(offset & 1))
			vbe_write(v, (unsigned)(offset - MMIO_VBE) / 2, (uint16_t)value);
		return;
	}
	if (offset < MMIO_VGA || offset + size > MMIO_VGA + MMIO_VGA_SIZE)
		return;
	for (unsigned i = 0; i < size; i++)
		vga_port_write(v, (uint16_t)(0x3c0 + offset - MMIO_VGA + i), (uint8_t)(value >> 8 * i));
}

static const struct region_ops mmio_ops = { .read = mmio_read, .write = mmio_write, .max_size = 2 };

/* ---- what the command register switches: the addresses that a VGA has without any BAR ---- */

static void decode(struct vga *v, struct region *r, uint64_t base, bool on)
{
	struct bus *bus = v->pci.device.board->bus;

	if (on && !r->mapped)
		bus_map(bus, r, base);
	else if (!on)
		bus_unmap(bus, r);
}

static void decode_update(struct vga *v)
{
	uint16_t command = le16_load(v->pci.config + PCI_COMMAND);

	decode(v, &v->ports, 0x3b0, command & PCI_COMMAND_IO);
	decode(v, &v->vbe_ports, 0x1ce, command & PCI_COMMAND_IO);
	decode(v, &v->planes, VGA_WINDOW_BASE, command & PCI_COMMAND_MEMORY);
	vga_window_update(v);
}

static void config_written(struct pci_device *p, unsigned reg, unsigned size)
{
	(void)size;
	if ((reg & ~3u) == PCI_COMMAND)
		decode_update((struct vga *)p);
}

/* ---- life ---- */

static int check_config(const struct device_config *config, const struct vga_config *c, struct error *e)
{
	if (!c || !c->memory || !is_power_of_two(c->memory_size) || c->memory_size < VGA_MEMORY_MIN ||
	    c->memory_size > VGA_MEMORY_MAX)
		return error_set(e, -EINVAL, "%s: video memory must be a power of two from 256 KiB to 256 MiB",
		                 config->id);
	if (c->rom && (!c->rom_size || c->rom_size > ROM_MAX))
		return error_set(e, -EINVAL, "%s: a VGA BIOS of %zu bytes is not one; install the package seabios",
		                 config->id, c->rom_size);
	return 0;
}

static int add_rom(struct vga *v, const struct vga_config *c, struct error *e)
{
	size_t size = VGA_PAGE;

	while (size < c->rom_size)
		size *= 2;
	v->rom = (struct slot){ .name = "vga-rom", .size = size, .flags = SLOT_READONLY | SLOT_NO_DMA };
	v->rom.host = memory_allocate(v->pci.device.board->memory, size);
	if (!v->rom.host)
		return error_set(e, -ENOMEM, "%s: not enough memory for the VGA BIOS; close other programs",
		                 v->pci.device.id);
	memcpy(v->rom.host, c->rom, c->rom_size);
	pci_add_bar(&v->pci, PCI_ROM_BAR, PCI_BAR_MEMORY, NULL, &v->rom);
	return 0;
}

static void name_regions(struct vga *v)
{
	v->ports = (struct region){ .name = "vga-ports", .ops = &vga_port_ops, .size = 0x30, .space = BUS_PORT };
	v->vbe_ports = (struct region){ .name = "vbe-ports", .ops = &vbe_port_ops, .size = 3, .space = BUS_PORT };
	v->planes = (struct region){ .name = "vga-planes",
		                     .ops = &vga_planes_ops,
		                     .size = VGA_WINDOW_SIZE,
		                     .space = BUS_MMIO,
		                     .coalesced = true };
	v->mmio = (struct region){ .name = "vga-mmio", .ops = &mmio_ops, .size = MMIO_SIZE, .space = BUS_MMIO };
	v->ports.device = v->vbe_ports.device = v->planes.device = v->mmio.device = &v->pci.device;
	v->lfb = (struct slot){
		.name = "vga-lfb", .size = v->memory_size, .host = v->memory, .flags = SLOT_LOG_DIRTY | SLOT_NO_DMA
	};
	v->window = (struct slot){ .name = "vga-window", .flags = SLOT_LOG_DIRTY | SLOT_NO_DMA };
}

static int vga_create(struct device *d, const struct device_config *config, struct error *e)
{
	static const struct pci_identity identity = {
		.vendor = 0x1234,
		.device = 0x1111,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class_code = 0x030000,
	};
	struct vga *v = (struct vga *)d;
	const struct vga_config *c = config->extra;
	int r = check_config(config, c, e);

	if (r < 0)
		return r;
	v->screen = c->screen;
	v->memory = c->memory;
	v->memory_size = (uint32_t)c->memory_size;
	v->dirty = calloc(v->memory_size / VGA_PAGE / 8, 1);
	v->lfb_dirty = calloc(v->memory_size / VGA_PAGE / 8, 1);
	if (!v->dirty || !v->lfb_dirty)
		return -ENOMEM;
	name_regions(v);
	r = pci_device_init(&v->pci, config, &identity, e);
	if (r < 0)
		return r;
	pci_add_bar(&v->pci, 0, PCI_BAR_MEMORY_PREFETCH, NULL, &v->lfb);
	pci_add_bar(&v->pci, 2, PCI_BAR_MEMORY, &v->mmio, NULL);
	v->pci.config_written = config_written;
	return c->rom ? add_rom(v, c, e) : 0;
}

static void vga_destroy(struct device *d)
{
	struct vga *v = (struct vga *)d;

	memory_unmap(d->board->memory, &v->window);
	free(v->dirty);
	free(v->lfb_dirty);
}

/* Video memory keeps its content, as memory chips do; the VGA BIOS clears it. */
static void vga_reset(struct device *d)
{
	struct vga *v = (struct vga *)d;

	pci_device_reset(&v->pci);
	vga_registers_reset(v);
	vbe_reset(v);
	decode_update(v);
	v->redraw = true;
}

static int vga_state(struct device *d, struct state *s)
{
	struct vga *v = (struct vga *)d;

	pci_device_state(&v->pci, s);
	vga_registers_state(v, s);
	vbe_state(v, s);
	state_bytes(s, "memory", v->memory, v->memory_size);
	if (state_loading(s)) {
		decode_update(v);
		v->redraw = true;
	}
	return state_error(s);
}

const struct device_class vga_class = {
	.name = "vga",
	.summary = "VGA with Bochs VBE (PCI 1234:1111)",
	.size = sizeof(struct vga),
	.state_version = 1,
	.create = vga_create,
	.destroy = vga_destroy,
	.reset = vga_reset,
	.state = vga_state,
};
