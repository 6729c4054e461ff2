/* SPDX-License-Identifier: MIT */
/* 82371AB (PIIX4) function 3: power management (Intel 290562, chapter 7), as far as ACPI's fixed hardware goes: PM1 event and
 * control registers, the power management timer, the power button; and what the FADT (acpi_tables.c, and SeaBIOS's own) names beside
 * them: the APM ports as SMI_CMD, and a GPE block. */
#include <errno.h>
#include <string.h>

#include "core/chipset/chipset.h"

#define PMBASE 0x40
#define DEVACTB 0x58
#define DEVACTB_APMC_EN (1u << 25)
#define PMREGMISC 0x80 /* bit 0: the I/O space answers */
#define SMBBA 0x90
#define SMBHSTCFG 0xd2

#define PM1_STS 0x00
#define PM1_EN 0x02
#define PM1_CNT 0x04
#define PM_TMR 0x08
#define PM_SIZE ACPI_PM_SIZE

#define TMR_STS 0x0001
#define PWRBTN_STS 0x0100
#define RTC_STS 0x0400
#define WAK_STS 0x8000
#define PM1_EVENTS (TMR_STS | 0x0020 /* global */ | PWRBTN_STS | RTC_STS)
#define SCI_EN 0x0001
#define SLP_TYP_SHIFT 10
#define SLP_EN 0x2000
#define SLP_TYP_OFF 0 /* 7.2.4: 000 is soft off */

#define PM_TIMER_HZ 3579545u
#define PM_TIMER_HALF (1u << 23) /* TMR_STS is set when bit 23 changes */

struct piix4_pm {
	struct pci_device pci;
	struct region io, apm, gpe;
	uint16_t base; /* where io is mapped, 0: not */
	uint8_t apmc, apms;
	uint16_t gpe_enable;
	uint16_t status, enable, control;
	uint32_t registers[PM_SIZE / 4]; /* those that only remember: general purpose events, clock control */
	struct timer half;               /* the next change of bit 23, running while its interrupt is enabled */
	uint64_t half_seen;              /* how many such changes have been turned into TMR_STS */
	void (*power_off)(void *context);
	void *context;
};

static uint64_t ticks_at(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * PM_TIMER_HZ / NS_PER_SECOND);
}

static uint64_t time_of(uint64_t ticks)
{
	return (uint64_t)(((unsigned __int128)ticks * NS_PER_SECOND + PM_TIMER_HZ - 1) / PM_TIMER_HZ);
}

static void update(struct piix4_pm *p)
{
	struct device *d = &p->pci.device;
	uint64_t halves = ticks_at(device_now(d)) / PM_TIMER_HALF;

	if (halves != p->half_seen)
		p->status |= TMR_STS;
	p->half_seen = halves;
	timer_set(d->board->clock, &p->half, p->enable & TMR_STS ? time_of((halves + 1) * PM_TIMER_HALF) : TIMER_OFF);
	device_set_irq(d, 0, p->control & SCI_EN && p->status & p->enable & PM1_EVENTS);
}

static void half_passed(struct device *d, struct timer *t)
{
	(void)t;
	update((struct piix4_pm *)d);
}

void piix4_pm_power_button(struct device *d)
{
	struct piix4_pm *p = (struct piix4_pm *)d;

	p->status |= PWRBTN_STS;
	update(p);
}

/* All registers as bytes, so that a guest may read any of them in any width. */
static uint8_t register_byte(struct piix4_pm *p, unsigned at)
{
	uint8_t raw[PM_SIZE];

	for (unsigned i = 0; i < PM_SIZE / 4; i++)
		le32_store(raw + 4 * i, p->registers[i]);
	le16_store(raw + PM1_STS, p->status);
	le16_store(raw + PM1_EN, p->enable);
	le16_store(raw + PM1_CNT, p->control);
	le32_store(raw + PM_TMR, ticks_at(device_now(&p->pci.device)) & 0xffffff);
	return raw[at];
}

static uint64_t pm_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct piix4_pm *p = (struct piix4_pm *)d;
	uint64_t value = 0;

	(void)r;
	if (offset == PM_TMR && size == 4) /* hot: operating systems keep time by it */
		return ticks_at(device_now(d)) & 0xffffff;
	update(p);
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)register_byte(p, (unsigned)offset + i) << 8 * i;
	return value;
}

static void write_control(struct piix4_pm *p, uint16_t value)
{
	p->control = value & (uint16_t)~SLP_EN;
	if (value & SLP_EN && (value >> SLP_TYP_SHIFT & 7) == SLP_TYP_OFF)
		p->power_off(p->context);
}

/* Byte by byte, for the same reason; a control write takes effect with the byte that has SLP_EN. */
static void write_byte(struct piix4_pm *p, unsigned at, uint8_t value)
{
	unsigned shift = 8 * (at & 1);
	uint16_t wide = (uint16_t)(value << shift), keep = (uint16_t) ~(0xff << shift);

	switch (at & ~1u) {
	case PM1_STS:
		p->status &= (uint16_t) ~(wide & (PM1_EVENTS | WAK_STS));
		break;
	case PM1_EN:
		p->enable = (uint16_t)((p->enable & keep) | wide) & PM1_EVENTS;
		break;
	case PM1_CNT:
		write_control(p, (uint16_t)((p->control & keep) | wide));
		break;
	case PM_TMR:
	case PM_TMR + 2:
		break; /* read only */
	default:
		p->registers[at / 4] &= ~(0xffu << 8 * (at & 3));
		p->registers[at / 4] |= (uint32_t)value << 8 * (at & 3);
	}
}

static void pm_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct piix4_pm *p = (struct piix4_pm *)d;

	(void)r;
	update(p);
	for (unsigned i = 0; i < size; i++)
		write_byte(p, (unsigned)offset + i, (uint8_t)(value >> 8 * i));
	update(p);
}

static const struct region_ops pm_ops = { .read = pm_read, .write = pm_write };

static uint64_t apm_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct piix4_pm *p = (struct piix4_pm *)d;

	(void)r, (void)size;
	return offset ? p->apms : p->apmc;
}

/* A write to APMC would raise an SMI, whose handler switches ACPI on and off (ACPI 6.5, 4.8.2.5). There is no SMM: done here. */
static void apm_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct piix4_pm *p = (struct piix4_pm *)d;

	(void)r, (void)size;
	if (offset) {
		p->apms = (uint8_t)value;
		return;
	}
	p->apmc = (uint8_t)value;
	if (p->apmc == ACPI_ENABLE)
		p->control |= SCI_EN;
	else if (p->apmc == ACPI_DISABLE)
		p->control &= (uint16_t)~SCI_EN;
	update(p);
}

static const struct region_ops apm_ops = { .read = apm_read, .write = apm_write, .max_size = 1 };

/* No general purpose event ever happens. Were nobody here, all would read as pending, and SeaBIOS's DSDT would unplug the PCI slots. */
static uint64_t gpe_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct piix4_pm *p = (struct piix4_pm *)d;

	(void)r, (void)size;
	return offset < ACPI_GPE_SIZE / 2 ? 0 : p->gpe_enable >> 8 * (offset & 1) & 0xff;
}

static void gpe_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct piix4_pm *p = (struct piix4_pm *)d;
	unsigned shift = 8 * (offset & 1);

	(void)r, (void)size;
	if (offset >= ACPI_GPE_SIZE / 2)
		p->gpe_enable = (uint16_t)((p->gpe_enable & ~(0xffu << shift)) | (value & 0xff) << shift);
}

static const struct region_ops gpe_ops = { .read = gpe_read, .write = gpe_write, .max_size = 1 };

static void map_io(struct piix4_pm *p)
{
	uint16_t base = p->pci.config[PMREGMISC] & 1 ? le16_load(p->pci.config + PMBASE) & 0xffc0 : 0;

	if (base == p->base)
		return;
	p->base = base;
	if (base)
		bus_map(p->pci.device.board->bus, &p->io, base);
	else
		bus_unmap(p->pci.device.board->bus, &p->io);
}

static void config_written(struct pci_device *pci, unsigned reg, unsigned size)
{
	(void)reg, (void)size;
	map_io(container_of(pci, struct piix4_pm, pci));
}

static int piix4_pm_create(struct device *d, const struct device_config *config, struct error *e)
{
	static const struct pci_identity identity = { .vendor = 0x8086,
		                                      .device = 0x7113,
		                                      .class_code = 0x068000,
		                                      .subsystem_vendor = 0x1af4,
		                                      .subsystem = 0x1100,
		                                      .revision = 3,
		                                      .interrupt_pin = 1 };
	struct piix4_pm *p = (struct piix4_pm *)d;
	const struct piix4_pm_config *wires = config->extra;
	int r = pci_device_init(&p->pci, config, &identity, e);

	if (r < 0)
		return r;
	p->power_off = wires->power_off;
	p->context = wires->context;
	timer_init(&p->half, d, half_passed);
	le16_store(p->pci.write_mask + PMBASE, 0xffc0);
	memset(p->pci.write_mask + 0x44, 0xff, 0x3c); /* counters and device resources: remembered */
	p->pci.write_mask[PMREGMISC] = 1;
	le16_store(p->pci.write_mask + SMBBA, 0xfff0);
	p->pci.write_mask[SMBHSTCFG] = 0x0f;
	p->pci.config_written = config_written;
	p->io = (struct region){ .name = "pm", .ops = &pm_ops, .device = d, .size = PM_SIZE, .space = BUS_PORT };
	p->apm = (struct region){ .name = "apm", .ops = &apm_ops, .device = d, .size = 2, .space = BUS_PORT };
	p->gpe = (struct region){
		.name = "gpe0", .ops = &gpe_ops, .device = d, .size = ACPI_GPE_SIZE, .space = BUS_PORT
	};
	bus_map(d->board->bus, &p->apm, ACPI_SMI_CMD);
	bus_map(d->board->bus, &p->gpe, ACPI_GPE_BASE);
	return 0;
}

static void piix4_pm_reset(struct device *d)
{
	struct piix4_pm *p = (struct piix4_pm *)d;

	pci_device_reset(&p->pci);
	le16_store(p->pci.config + PMBASE, 1); /* bit 0: an I/O address */
	memset(p->pci.config + 0x44, 0, 0x3c);
	/* SeaBIOS sets up SMM, and waits for an SMI that never comes, unless it finds APMC_EN set. */
	le32_store(p->pci.config + DEVACTB, DEVACTB_APMC_EN);
	p->pci.config[PMREGMISC] = 0;
	le32_store(p->pci.config + SMBBA, 1);
	p->status = p->enable = p->control = 0;
	p->apmc = p->apms = 0;
	p->gpe_enable = 0;
	memset(p->registers, 0, sizeof(p->registers));
	map_io(p);
	p->half_seen = ticks_at(device_now(d)) / PM_TIMER_HALF;
	update(p);
}

static int piix4_pm_state(struct device *d, struct state *s)
{
	struct piix4_pm *p = (struct piix4_pm *)d;

	pci_device_state(&p->pci, s);
	state_u16(s, "status", &p->status);
	state_u16(s, "enable", &p->enable);
	state_u16(s, "control", &p->control);
	state_u8(s, "apmc", &p->apmc);
	state_u8(s, "apms", &p->apms);
	state_u16(s, "gpe-enable", &p->gpe_enable);
	for (unsigned i = 0; i < PM_SIZE / 4; i++)
		state_u32(s, "register", &p->registers[i]);
	state_u64(s, "half-seen", &p->half_seen);
	timer_state(d->board->clock, s, "half", &p->half);
	if (state_loading(s) && !state_error(s)) {
		map_io(p);
		device_set_irq(d, 0, p->control & SCI_EN && p->status & p->enable & PM1_EVENTS);
	}
	return state_error(s);
}

const struct device_class piix4_pm_class = {
	.name = "piix4-pm",
	.summary = "power management 82371AB",
	.size = sizeof(struct piix4_pm),
	.state_version = 1,
	.create = piix4_pm_create,
	.reset = piix4_pm_reset,
	.state = piix4_pm_state,
};
