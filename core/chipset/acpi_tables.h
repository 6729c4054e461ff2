/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables of the board (ACPI 6.5; in the form of ACPI 2.0 and 3.0, which systems from Windows 2000 on take), and the
 * script that makes the BIOS put them into memory (fw_cfg's "etc/table-loader"). Made once, from the parts list: nothing in
 * them comes from a guest, and they never change.
 */
#ifndef VITRINE_ACPI_TABLES_H
#define VITRINE_ACPI_TABLES_H

#include "core/chipset/pci.h"

#define ACPI_MAX_CPUS 64   /* local APICs of a byte's id, less than the tables have room for */
#define ACPI_MAX_BRIDGES 8 /* on the root bus; VMware's board has five */
#define ACPI_MAX_SERIALS 4

#define ACPI_RSDP_SIZE 36
#define ACPI_LOADER_ENTRY 128
#define ACPI_LOADER_ENTRIES 18

/* A bridge on the root bus. */
struct acpi_bridge {
	const struct pci_bus *bus; /* behind it */
	uint8_t devfn;
	uint8_t devices;     /* how many slots are behind it: 32, 1 for a root port */
	uint16_t first_slot; /* the number (_SUN) of its device 0; the others follow */
};

struct acpi_board {
	const struct pci_bus *root;
	uint8_t isa_devfn; /* the south bridge, whose registers 0x60-0x63 steer PIRQ A-D */
	unsigned cpus;     /* APIC ids 0 up */
	uint64_t memory_below_4g;
	/* Devices of the root bus that are slots, numbered as devices: a guest calls what is in them ens3. What is in the
	 * others it calls by its place, enp0s3. */
	uint32_t slots;
	struct acpi_bridge bridges[ACPI_MAX_BRIDGES];
	unsigned bridge_count;
	struct {
		uint16_t port; /* 0: none */
		uint8_t irq;
	} serials[ACPI_MAX_SERIALS];
};

/* The three files that SeaBIOS reads. */
struct acpi_tables {
	uint8_t *tables; /* etc/acpi/tables; malloc'ed */
	size_t tables_size;
	uint8_t rsdp[ACPI_RSDP_SIZE];                            /* etc/acpi/rsdp */
	uint8_t loader[ACPI_LOADER_ENTRIES * ACPI_LOADER_ENTRY]; /* etc/table-loader */
	size_t loader_size;
};

/* -ENOMEM; -E2BIG: more CPUs or bridges than the limits above. */
int acpi_tables_build(const struct acpi_board *board, struct acpi_tables *ret_tables);
void acpi_tables_free(struct acpi_tables *t);

struct aml;
/* acpi_dsdt.c: the definition block's terms. */
void acpi_dsdt_write(struct aml *a, const struct acpi_board *board);

#endif
