/* SPDX-License-Identifier: MIT */
/* The three boards of core/machine.c as far as ACPI sees them, on a fake board. */
#ifndef VITRINE_TEST_ACPI_BOARD_H
#define VITRINE_TEST_ACPI_BOARD_H

#include "core/chipset/acpi_tables.h"
#include "core/chipset/chipset.h"
#include "fake_board.h"

struct acpi_rig {
	struct fake_board *f;
	struct pci_bus *root;
	struct pci_bus *bridged[ACPI_MAX_BRIDGES];
	struct acpi_board board;
};

enum acpi_rig_kind { RIG_GENERIC, RIG_VMWARE, RIG_VIRTUALBOX, RIG_KINDS };
static const char *const acpi_rig_names[] = { "generic", "vmware", "virtualbox" };

static inline void acpi_rig_bridge(struct acpi_rig *rig, unsigned device, unsigned slot, bool port)
{
	unsigned n = rig->board.bridge_count++;
	struct bridge_config config = {
		.vendor = 0x15ad, .device = port ? 0x07a0 : 0x0790, .express = port, .ret_bus = &rig->bridged[n]
	};

	fake_board_create(
		rig->f, &bridge_class,
		&(struct device_config){
			.id = "bridge", .pci_bus = rig->root, .pci_devfn = PCI_DEVFN(device, 0), .extra = &config });
	rig->board.bridges[n] = (struct acpi_bridge){ .bus = rig->bridged[n],
		                                      .devfn = PCI_DEVFN(device, 0),
		                                      .devices = port ? 1 : 32,
		                                      .first_slot = (uint16_t)slot };
}

static inline struct acpi_rig acpi_rig_new(enum acpi_rig_kind kind, unsigned cpus)
{
	struct acpi_rig rig = { .f = fake_board_new() };
	unsigned isa = kind == RIG_VMWARE ? 7 : 1;

	rig.root = pci_bus_new_root(&rig.f->board);
	rig.board = (struct acpi_board){ .root = rig.root,
		                         .isa_devfn = PCI_DEVFN(isa, 0),
		                         .cpus = cpus,
		                         .memory_below_4g = 1u << 30,
		                         .slots = kind == RIG_GENERIC  ? 0xfffffff8
		                                  : kind == RIG_VMWARE ? 0xfe1d7f7e
		                                                       : 0,
		                         .serials = { { 0x3f8, 4 }, { 0x2f8, 3 } } };
	fake_board_create(
		rig.f, &piix4_isa_class,
		&(struct device_config){ .id = "isa", .pci_bus = rig.root, .pci_devfn = rig.board.isa_devfn });
	if (kind == RIG_VMWARE) {
		acpi_rig_bridge(&rig, 0x11, 32, false);
		for (unsigned i = 0; i < 4; i++)
			acpi_rig_bridge(&rig, 0x15 + i, 160 + 32 * i, true);
	}
	return rig;
}

static inline void acpi_rig_free(struct acpi_rig *rig)
{
	fake_board_free(rig->f);
	pci_bus_free(rig->root);
}

#endif
