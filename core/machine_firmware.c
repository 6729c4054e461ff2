/* SPDX-License-Identifier: MIT */
/* What the BIOS is told: memory map, boot order, CPUs (QEMU's docs/specs/fw_cfg.rst; SeaBIOS, docs/Runtime_config.md). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/machine_private.h"

/* bios.bootOrder's words, and how the CMOS (RTC register 0x3d) counts them. */
static const struct {
	const char *word;
	uint8_t cmos;
	enum appliance_drive_kind kind;
} boot_words[] = {
	{ "floppy", 1, DRIVE_FLOPPY },
	{ "hdd", 2, DRIVE_DISK },
	{ "cdrom", 3, DRIVE_CDROM },
	{ "ethernet", 4, DRIVE_DISK },
};

#define DEFAULT_BOOT_ORDER "hdd,cdrom" /* VMware: hard disk, CD, network */

static void boot_path(const struct machine *m, const struct appliance *a, const struct appliance_drive *drive,
                      char *ret_path, size_t size)
{
	unsigned device = a->origin == ORIGIN_VMWARE ? 7 : 1; /* the IDE function's: machine.c's tables */

	if (drive->bus == APPLIANCE_IDE)
		snprintf(ret_path, size, "/pci@i0cf8/ide@%x,1/drive@%x/disk@%x", device, drive->controller,
		         drive->unit);
	else
		cards_boot_path(m, drive, ret_path, size);
}

/* Adds the drives of one kind as SeaBIOS spells their place. Those that the list does not hold any more come last. */
static void list_drives(struct machine *m, const struct appliance *a, enum appliance_drive_kind kind)
{
	size_t used = strlen(m->boot_list);
	char path[96];

	for (unsigned i = 0; i < a->drive_count; i++) {
		const struct appliance_drive *drive = &a->drives[i];

		if (drive->kind != kind || !machine_has_place(a, drive))
			continue;
		boot_path(m, a, drive, path, sizeof(path));
		if (used + strlen(path) + 2 > sizeof(m->boot_list))
			return;
		used += (size_t)sprintf(m->boot_list + used, "%s%s", used ? "\n" : "", path);
	}
}

void firmware_boot_order(struct machine *m, const struct appliance *a)
{
	const char *at = *a->boot_order ? a->boot_order : DEFAULT_BOOT_ORDER;
	unsigned count = 0;

	while (*at && count < ARRAY_SIZE(m->boot_order)) {
		size_t length = strcspn(at, ", ");

		for (size_t i = 0; i < ARRAY_SIZE(boot_words); i++) {
			if (strlen(boot_words[i].word) != length || strncasecmp(at, boot_words[i].word, length))
				continue;
			m->boot_order[count++] = boot_words[i].cmos;
			if (boot_words[i].cmos != 4)
				list_drives(m, a, boot_words[i].kind);
		}
		at += length + strspn(at + length, ", ");
	}
}

#define E820_RAM 1
#define E820_ENTRY 20 /* le64 address, le64 length, le32 type */

static size_t memory_map_entries(const struct machine *m, uint8_t *to)
{
	le64_store(to, 0);
	le64_store(to + 8, m->ram_low_size);
	le32_store(to + 16, E820_RAM);
	if (!m->ram_high.size)
		return E820_ENTRY;
	le64_store(to + 20, 1ull << 32);
	le64_store(to + 28, m->ram_high.size);
	le32_store(to + 36, E820_RAM);
	return 2 * E820_ENTRY;
}

int firmware_add_fw_cfg(struct machine *m, struct error *e)
{
	uint8_t e820[2 * E820_ENTRY], ram_size[8], cpus[2], no[2] = { 0 }, override[4] = { 1 };
	const struct fw_cfg_item items[] = {
		{ FW_CFG_UUID, NULL, m->uuid, sizeof(m->uuid) },
		{ FW_CFG_RAM_SIZE, NULL, ram_size, sizeof(ram_size) },
		{ FW_CFG_NOGRAPHIC, NULL, no, sizeof(no) },
		{ FW_CFG_NB_CPUS, NULL, cpus, sizeof(cpus) },
		{ FW_CFG_MAX_CPUS, NULL, cpus, sizeof(cpus) },
		/* Without it SeaBIOS waits 2.5 seconds for somebody to press Escape; whoever wants another order writes
		 * bios.bootOrder. */
		{ FW_CFG_BOOT_MENU, NULL, no, sizeof(no) },
		{ FW_CFG_IRQ0_OVERRIDE, NULL, override, sizeof(override) },
		{ 0, "etc/e820", e820, memory_map_entries(m, e820) },
		{ 0, "bootorder", m->boot_list, strlen(m->boot_list) + 1 },
		{ 0, "etc/acpi/rsdp", m->acpi.rsdp, sizeof(m->acpi.rsdp) },
		{ 0, "etc/acpi/tables", m->acpi.tables, m->acpi.tables_size },
		{ 0, "etc/table-loader", m->acpi.loader, m->acpi.loader_size },
		{ 0, "etc/smbios/smbios-anchor", m->smbios.anchor, sizeof(m->smbios.anchor) },
		{ 0, "etc/smbios/smbios-tables", m->smbios.tables, m->smbios.size },
	};
	struct fw_cfg_config list = { .items = items, .count = ARRAY_SIZE(items) };

	le64_store(ram_size, m->memory);
	le16_store(cpus, (uint16_t)m->cpus);
	return machine_add(m, &fw_cfg_class, &(struct device_config){ .id = "fw_cfg", .port = 0x510, .extra = &list },
	                   NULL, e);
}
