/* SPDX-License-Identifier: MIT */
/*
 * The DSDT: what a guest cannot find out by asking the hardware. Interrupts are wired through the south bridge's PIRQ registers
 * alone: nothing reaches the I/O APIC's pins from 16 up, so the links serve with and without APIC, and there is no _PIC to tell
 * them apart.
 */
#include <stdio.h>

#include "core/chipset/acpi_tables.h"
#include "core/chipset/aml.h"
#include "core/chipset/chipset.h"

#define PIRQS 4
#define PIRQ_OFF 0x80
#define PRESENT_OFF 0x09 /* _STA: present and working, not enabled */
#define PRESENT_ON 0x0b
#define FIRST_INTERRUPT 5 /* where the number is in an extended interrupt descriptor */

/* What SeaBIOS hands out to BARs: pciinit.c, i440fx_mem_addr_setup(). Ports: all but the configuration mechanism's. */
#define PCI_HOLE_END 0xfebfffffu

static uint32_t pci_hole(const struct acpi_board *board)
{
	return board->memory_below_4g <= 0x80000000u ? 0x80000000u : 0xc0000000u;
}

#define NAME 12 /* room for a name with a number in it; four characters of it are used */

/* ---- interrupt links ---- */

/* And(PRQn, mask, target), where target is a local or, as AML_ZERO, nowhere. */
static void and_register(struct aml *a, const char *reg, uint32_t mask, enum aml_op target)
{
	aml_op(a, AML_AND);
	aml_path(a, reg);
	aml_integer(a, mask);
	aml_op(a, target);
}

static void write_status(struct aml *a, const char *reg)
{
	aml_begin_method(a, "_STA", 0);
	aml_begin(a, AML_IF);
	and_register(a, reg, PIRQ_OFF, AML_ZERO);
	aml_op(a, AML_RETURN);
	aml_integer(a, PRESENT_OFF);
	aml_end(a);
	aml_op(a, AML_RETURN);
	aml_integer(a, PRESENT_ON);
	aml_end(a);
}

/* The number is put into the one buffer RES_: a method that made names of its own could not run twice at once. */
static void write_current(struct aml *a, const char *reg)
{
	aml_name(a, "RES");
	aml_begin_resources(a);
	aml_interrupts(a, &(uint8_t){ 0 }, 1);
	aml_end(a);
	aml_begin_method(a, "_CRS", 0);
	and_register(a, reg, 0x0f, AML_LOCAL0);
	aml_begin(a, AML_IF);
	and_register(a, reg, PIRQ_OFF, AML_ZERO);
	aml_op(a, AML_STORE);
	aml_integer(a, 0);
	aml_op(a, AML_LOCAL0);
	aml_end(a);
	aml_op(a, AML_STORE);
	aml_op(a, AML_LOCAL0);
	aml_op(a, AML_INDEX);
	aml_path(a, "RES");
	aml_integer(a, FIRST_INTERRUPT);
	aml_op(a, AML_ZERO);
	aml_op(a, AML_RETURN);
	aml_path(a, "RES");
	aml_end(a);
}

static void write_setting(struct aml *a, const char *reg)
{
	aml_begin_method(a, "_SRS", 1);
	aml_op(a, AML_AND);
	aml_op(a, AML_DEREF_OF);
	aml_op(a, AML_INDEX);
	aml_op(a, AML_ARG0);
	aml_integer(a, FIRST_INTERRUPT);
	aml_op(a, AML_ZERO);
	aml_integer(a, 0x0f);
	aml_path(a, reg);
	aml_end(a);
	aml_begin_method(a, "_DIS", 0);
	aml_op(a, AML_OR);
	aml_path(a, reg);
	aml_integer(a, PIRQ_OFF);
	aml_path(a, reg);
	aml_end(a);
}

static void write_link(struct aml *a, unsigned n)
{
	/* What SeaBIOS takes (10, 11) and the one more that ISA leaves free. The MADT says of these that they are level. */
	static const uint8_t possible[] = { 5, 10, 11 };
	char name[] = "LNKA", reg[32];

	name[3] = (char)('A' + n);
	snprintf(reg, sizeof(reg), "\\_SB.PCI0.ISA.PRQ%u", n);
	aml_begin_named(a, AML_DEVICE, name);
	aml_name_eisa_id(a, "_HID", "PNP0C0F");
	aml_name_integer(a, "_UID", n + 1);
	aml_name(a, "_PRS");
	aml_begin_resources(a);
	aml_interrupts(a, possible, ARRAY_SIZE(possible));
	aml_end(a);
	write_status(a, reg);
	write_current(a, reg);
	write_setting(a, reg);
	aml_end(a);
}

/* ---- PCI ---- */

/* Four entries a device, one a pin; a package's count is a byte, which 32 devices' 128 fit. */
static void write_routing(struct aml *a, const struct pci_bus *bus, unsigned devices)
{
	aml_name(a, "_PRT");
	aml_begin_package(a, devices * PIRQS);
	for (unsigned i = 0; i < devices * PIRQS; i++) {
		char link[] = "\\_SB.LNKA";

		link[8] = (char)('A' + pci_bus_pirq(bus, i / PIRQS, i % PIRQS));
		aml_begin_package(a, 4);
		aml_integer(a, i / PIRQS << 16 | 0xffff);
		aml_integer(a, i % PIRQS);
		aml_path(a, link);
		aml_integer(a, 0);
		aml_end(a);
	}
	aml_end(a);
}

static void write_slot(struct aml *a, unsigned device, unsigned number)
{
	char name[NAME];

	snprintf(name, sizeof(name), "SL%02X", device);
	aml_begin_named(a, AML_DEVICE, name);
	aml_name_integer(a, "_ADR", device << 16);
	aml_name_integer(a, "_SUN", number);
	aml_end(a);
}

static void write_bridge(struct aml *a, const struct acpi_bridge *bridge)
{
	char name[NAME];

	snprintf(name, sizeof(name), "BR%02X", bridge->devfn);
	aml_begin_named(a, AML_DEVICE, name);
	aml_name_integer(a, "_ADR", (uint32_t)(bridge->devfn >> 3) << 16 | (bridge->devfn & 7));
	write_routing(a, bridge->bus, bridge->devices);
	for (unsigned i = 0; i < bridge->devices; i++)
		write_slot(a, i, bridge->first_slot + i);
	aml_end(a);
}

static void write_host(struct aml *a, const struct acpi_board *board)
{
	aml_name_eisa_id(a, "_HID", "PNP0A03");
	aml_name_integer(a, "_UID", 1);
	aml_name(a, "_CRS");
	aml_begin_resources(a);
	aml_window(a, AML_SPACE_BUSES, 0, 0xff, false);
	aml_ports(a, 0xcf8, 8);
	aml_window(a, AML_SPACE_PORTS, 0, 0xcf7, false);
	aml_window(a, AML_SPACE_PORTS, 0xd00, 0xffff, false);
	aml_window(a, AML_SPACE_MEMORY, 0xa0000, 0xbffff, true); /* the VGA's */
	aml_window(a, AML_SPACE_MEMORY, pci_hole(board), PCI_HOLE_END, false);
	aml_end(a);
	write_routing(a, board->root, 32);
}

/* ---- ISA ---- */

/* What is always there, by Plug and Play's numbers. irq 0xff: none. */
static const struct isa_device {
	const char *name, *hid;
	struct {
		uint16_t base;
		uint8_t count;
	} ports[6];
	uint8_t irq;
} isa_devices[] = {
	{ "PIC", "PNP0000", { { 0x20, 2 }, { 0xa0, 2 }, { 0x4d0, 2 } }, 2 },
	{ "TIMR", "PNP0100", { { 0x40, 4 } }, 0 },
	{ "KBD", "PNP0303", { { 0x60, 1 }, { 0x64, 1 } }, 1 },
	{ "MOU", "PNP0F13", { { 0 } }, 12 },
	{ "SPKR", "PNP0800", { { 0x61, 1 } }, 0xff },
	{ "RTC", "PNP0B00", { { 0x70, 2 } }, 8 },
	{ "FPU", "PNP0C04", { { 0xf0, 16 } }, 13 },
	/* Ports that nobody else may have: A20, APM, power management, general purpose events. */
	{ "RSRC",
	  "PNP0C02",
	  { { 0x92, 1 }, { 0xb2, 2 }, { ACPI_PM_BASE, ACPI_PM_SIZE }, { ACPI_GPE_BASE, ACPI_GPE_SIZE } },
	  0xff },
};

static void write_isa_device(struct aml *a, const struct isa_device *d)
{
	aml_begin_named(a, AML_DEVICE, d->name);
	aml_name_eisa_id(a, "_HID", d->hid);
	aml_name(a, "_CRS");
	aml_begin_resources(a);
	for (unsigned i = 0; i < ARRAY_SIZE(d->ports) && d->ports[i].count; i++)
		aml_ports(a, d->ports[i].base, d->ports[i].count);
	if (d->irq != 0xff)
		aml_isa_irq(a, d->irq);
	aml_end(a);
	aml_end(a);
}

static void write_serial(struct aml *a, unsigned n, uint16_t port, uint8_t irq)
{
	char name[NAME];

	snprintf(name, sizeof(name), "COM%X", n + 1);
	aml_begin_named(a, AML_DEVICE, name);
	aml_name_eisa_id(a, "_HID", "PNP0501");
	aml_name_integer(a, "_UID", n + 1);
	aml_name(a, "_CRS");
	aml_begin_resources(a);
	aml_ports(a, port, 8);
	aml_isa_irq(a, irq);
	aml_end(a);
	aml_end(a);
}

static void write_isa(struct aml *a, const struct acpi_board *board)
{
	char name[NAME];

	aml_begin_named(a, AML_DEVICE, "ISA");
	aml_name_integer(a, "_ADR", (uint32_t)(board->isa_devfn >> 3) << 16 | (board->isa_devfn & 7));
	aml_op(a, AML_REGION);
	aml_path(a, "PIRQ");
	aml_byte(a, 2); /* PCI configuration space */
	aml_integer(a, PIIX4_PIRQRC);
	aml_integer(a, PIRQS);
	aml_begin_named(a, AML_FIELD, "PIRQ");
	aml_byte(a, 1); /* bytes, no lock, other bits are kept */
	for (unsigned i = 0; i < PIRQS; i++) {
		snprintf(name, sizeof(name), "PRQ%X", i);
		aml_field(a, name, 8);
	}
	aml_end(a);
	for (size_t i = 0; i < ARRAY_SIZE(isa_devices); i++)
		write_isa_device(a, &isa_devices[i]);
	for (unsigned i = 0; i < ACPI_MAX_SERIALS; i++)
		if (board->serials[i].port)
			write_serial(a, i, board->serials[i].port, board->serials[i].irq);
	aml_end(a);
}

/* ---- CPUs ---- */

/* Systems before Windows Vista do not know ACPI0007, and ask for a driver: it is there for those that say they do. */
static void write_cpu_status(struct aml *a)
{
	aml_begin_method(a, "CPST", 0);
	aml_begin(a, AML_IF);
	aml_op(a, AML_COND_REF_OF);
	aml_path(a, "\\_OSI");
	aml_op(a, AML_ZERO);
	aml_begin(a, AML_IF);
	aml_path(a, "\\_OSI");
	aml_string(a, "Windows 2006");
	aml_op(a, AML_RETURN);
	aml_integer(a, 0x0f);
	aml_end(a);
	aml_end(a);
	aml_op(a, AML_RETURN);
	aml_integer(a, 0);
	aml_end(a);
}

static void write_cpus(struct aml *a, unsigned cpus)
{
	char name[NAME];

	write_cpu_status(a);
	for (unsigned i = 0; i < cpus; i++) {
		snprintf(name, sizeof(name), "CP%02X", i);
		aml_begin_named(a, AML_DEVICE, name);
		aml_name(a, "_HID");
		aml_string(a, "ACPI0007");
		aml_name_integer(a, "_UID", i); /* the MADT's processor id */
		aml_begin_method(a, "_STA", 0);
		aml_op(a, AML_RETURN);
		aml_path(a, "CPST");
		aml_end(a);
		aml_end(a);
	}
}

/* ---- all ---- */

/* S5: SLP_TYP 0 for both of ACPI's control registers (82371AB 7.2.4), of which there is one. */
static void write_soft_off(struct aml *a)
{
	aml_name(a, "\\_S5");
	aml_begin_package(a, 4);
	for (unsigned i = 0; i < 4; i++)
		aml_integer(a, 0);
	aml_end(a);
}

void acpi_dsdt_write(struct aml *a, const struct acpi_board *board)
{
	write_soft_off(a);
	aml_begin_named(a, AML_SCOPE, "\\_SB");
	write_cpus(a, board->cpus);
	aml_begin_named(a, AML_DEVICE, "PCI0");
	write_host(a, board);
	write_isa(a, board);
	for (unsigned i = 0; i < 32; i++)
		if (board->slots >> i & 1)
			write_slot(a, i, i);
	for (unsigned i = 0; i < board->bridge_count; i++)
		write_bridge(a, &board->bridges[i]);
	aml_end(a);
	for (unsigned i = 0; i < PIRQS; i++)
		write_link(a, i);
	aml_end(a);
}
