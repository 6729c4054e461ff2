/* SPDX-License-Identifier: MIT */
/*
 * 82441FX host bridge (Intel 290549). The first megabyte's upper quarter is cut in thirteen segments whose PAM registers say
 * whether reads and writes go to RAM or out to PCI, where the BIOS ROM answers in the last two.
 */
#include <errno.h>
#include <string.h>

#include "core/chipset/chipset.h"

#define PAM0 0x59
#define PAM_COUNT 7
#define SMRAM 0x72
#define SEGMENTS 13
#define SEGMENT_AREA 0xc0000u
#define PAM_READ 1 /* reads go to RAM */
#define PAM_WRITE 2

struct segment {
	struct slot slot;
	uint8_t mode; /* PAM_READ | PAM_WRITE as now mapped; 0xff: not mapped yet */
};

struct i440fx {
	struct pci_device pci;
	uint8_t *ram;
	const uint8_t *rom; /* the image's last 128 KiB or less: what lies below 1 MiB */
	size_t rom_size;
	struct segment segments[SEGMENTS];
};

/* Segment 0 is the BIOS's 64 KiB at 0xf0000 (PAM0, high nibble), the others are 16 KiB from 0xc0000 up. */
static uint32_t segment_base(unsigned n)
{
	return n ? SEGMENT_AREA + (n - 1) * 0x4000 : 0xf0000;
}

static uint8_t segment_mode(const struct i440fx *h, unsigned n)
{
	uint8_t pam = h->pci.config[PAM0 + (n + 1) / 2];

	return (n & 1 ? pam : pam >> 4) & (PAM_READ | PAM_WRITE);
}

/* What reads see that do not go to RAM: the ROM, or nobody. */
static const uint8_t *segment_rom(const struct i440fx *h, unsigned n)
{
	uint32_t rom_base = 0x100000 - (uint32_t)h->rom_size;

	return segment_base(n) >= rom_base ? h->rom + (segment_base(n) - rom_base) : NULL;
}

/*
 * KVM has no slot that reads ROM and writes RAM. That mode exists to copy the ROM onto itself, so the copy is made here and the
 * RAM mapped: the guest cannot tell the difference.
 */
static void map_segment(struct i440fx *h, unsigned n)
{
	struct segment *segment = &h->segments[n];
	struct memory *memory = h->pci.device.board->memory;
	const uint8_t *rom = segment_rom(h, n);
	uint8_t mode = segment_mode(h, n), *ram = h->ram + segment_base(n);

	if (mode == segment->mode)
		return;
	if (mode == PAM_WRITE && rom)
		memcpy(ram, rom, segment->slot.size);
	segment->mode = mode;
	memory_unmap(memory, &segment->slot);
	segment->slot.host = mode || !rom ? ram : (uint8_t *)rom; /* a READONLY slot is never written */
	segment->slot.flags = mode & PAM_WRITE ? 0 : SLOT_READONLY;
	if (mode || rom)
		memory_map(memory, &segment->slot, segment_base(n));
}

static void config_written(struct pci_device *p, unsigned reg, unsigned size)
{
	struct i440fx *h = container_of(p, struct i440fx, pci);

	if (reg + size <= PAM0 || reg >= PAM0 + PAM_COUNT)
		return;
	for (unsigned n = 0; n < SEGMENTS; n++)
		map_segment(h, n);
}

static int i440fx_create(struct device *d, const struct device_config *config, struct error *e)
{
	/* SeaBIOS looks for fw_cfg, and shadows RAM, only behind this subsystem id. */
	static const struct pci_identity identity = { .vendor = 0x8086,
		                                      .device = 0x1237,
		                                      .subsystem_vendor = 0x1af4,
		                                      .subsystem = 0x1100,
		                                      .class_code = 0x060000,
		                                      .revision = 2 };
	struct i440fx *h = (struct i440fx *)d;
	const struct i440fx_config *wires = config->extra;
	int r = pci_device_init(&h->pci, config, &identity, e);

	if (r < 0)
		return r;
	h->ram = wires->ram;
	h->rom_size = MIN(wires->bios_size, (size_t)0x20000);
	h->rom = wires->bios + wires->bios_size - h->rom_size;
	for (unsigned n = 0; n < SEGMENTS; n++)
		h->segments[n] =
			(struct segment){ .slot = { .name = "pam", .size = n ? 0x4000 : 0x10000 }, .mode = 0xff };
	memset(h->pci.write_mask + PAM0, 0x33, PAM_COUNT);
	h->pci.write_mask[PAM0] = 0x30;
	h->pci.write_mask[SMRAM] = 0x7f;
	h->pci.config_written = config_written;
	pci_bus_map_ports(config->pci_bus, d, wires->reset, wires->context);
	return 0;
}

static void i440fx_destroy(struct device *d)
{
	struct i440fx *h = (struct i440fx *)d;

	for (unsigned n = 0; n < SEGMENTS; n++)
		memory_unmap(d->board->memory, &h->segments[n].slot);
}

static void i440fx_reset(struct device *d)
{
	struct i440fx *h = (struct i440fx *)d;

	pci_device_reset(&h->pci);
	pci_bus_reset(h->pci.bus);
	memset(h->pci.config + PAM0, 0, PAM_COUNT);
	h->pci.config[SMRAM] = 0x02;
	config_written(&h->pci, PAM0, PAM_COUNT);
}

static int i440fx_state(struct device *d, struct state *s)
{
	struct i440fx *h = (struct i440fx *)d;

	pci_device_state(&h->pci, s);
	pci_bus_state(h->pci.bus, s);
	/* PAM_WRITE alone copies the ROM; when loading, RAM has its contents already. */
	if (state_loading(s) && !state_error(s))
		for (unsigned n = 0; n < SEGMENTS; n++) {
			if (segment_mode(h, n) == PAM_WRITE && h->segments[n].mode != PAM_WRITE)
				h->segments[n].mode = PAM_WRITE | PAM_READ, h->segments[n].slot.flags = 0;
			map_segment(h, n);
		}
	return state_error(s);
}

const struct device_class i440fx_class = {
	.name = "i440fx",
	.summary = "host bridge 82441FX",
	.size = sizeof(struct i440fx),
	.state_version = 1,
	.create = i440fx_create,
	.destroy = i440fx_destroy,
	.reset = i440fx_reset,
	.state = i440fx_state,
};
