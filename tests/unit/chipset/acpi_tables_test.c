/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "acpi_board.h"

/* ---- the BIOS: what SeaBIOS does with the loader's script, on two pieces of memory ---- */

#define TABLES_AT 0x03ffc000u
#define RSDP_AT 0x000f5a00u

struct firmware {
	struct acpi_tables t;
	bool allocated[2]; /* RSDP, tables */
};

static uint8_t *file_of(struct firmware *fw, const char *name, uint32_t *ret_address, size_t *ret_size)
{
	bool tables = !strcmp(name, "etc/acpi/tables");

	if (!tables)
		assert_string_equal(name, "etc/acpi/rsdp");
	*ret_address = tables ? TABLES_AT : RSDP_AT;
	*ret_size = tables ? fw->t.tables_size : sizeof(fw->t.rsdp);
	return tables ? fw->t.tables : fw->t.rsdp;
}

static uint8_t sum(const uint8_t *bytes, size_t count)
{
	uint8_t total = 0;

	for (size_t i = 0; i < count; i++)
		total = (uint8_t)(total + bytes[i]);
	return total;
}

static void allocate(struct firmware *fw, const uint8_t *entry)
{
	bool tables = !strcmp((const char *)entry + 4, "etc/acpi/tables");

	assert_int_equal(entry[64], tables ? 1 : 2); /* high memory; F segment, where it is looked for */
	assert_int_equal(le32_load(entry + 60), tables ? 64 : 16);
	assert_false(fw->allocated[tables]);
	fw->allocated[tables] = true;
}

static void add_pointer(struct firmware *fw, const uint8_t *entry)
{
	uint32_t to_address, from_address, offset = le32_load(entry + 116);
	size_t to_size, from_size;
	uint8_t *to = file_of(fw, (const char *)entry + 4, &to_address, &to_size);
	unsigned width = entry[120];
	uint64_t value = 0;

	file_of(fw, (const char *)entry + 60, &from_address, &from_size);
	assert_true(fw->allocated[0] && fw->allocated[1]);
	assert_true(width == 4 || width == 8);
	assert_true(range_within(offset, width, to_size));
	memcpy(&value, to + offset, width);
	assert_true(value < from_size);
	value += from_address;
	memcpy(to + offset, &value, width);
}

static void add_checksum(struct firmware *fw, const uint8_t *entry)
{
	uint32_t address, at = le32_load(entry + 60), start = le32_load(entry + 64), length = le32_load(entry + 68);
	size_t size;
	uint8_t *file = file_of(fw, (const char *)entry + 4, &address, &size);

	assert_true(at < size && range_within(start, length, size) && at >= start && at < start + length);
	file[at] = (uint8_t)(file[at] - sum(file + start, length));
}

static void run_loader(struct firmware *fw)
{
	void (*const commands[])(struct firmware *, const uint8_t *) = { NULL, allocate, add_pointer, add_checksum };

	assert_int_equal(fw->t.loader_size % ACPI_LOADER_ENTRY, 0);
	for (size_t at = 0; at < fw->t.loader_size; at += ACPI_LOADER_ENTRY) {
		uint32_t command = le32_load(fw->t.loader + at);

		assert_in_range(command, 1, 3);
		commands[command](fw, fw->t.loader + at);
	}
}

static struct firmware boot(const struct acpi_board *board)
{
	struct firmware fw = { 0 };

	assert_int_equal(acpi_tables_build(board, &fw.t), 0);
	run_loader(&fw);
	return fw;
}

/* The table at a guest address: inside the file, with its length and a sum of 0. */
static const uint8_t *table_at(const struct firmware *fw, uint64_t address, const char *signature)
{
	const uint8_t *table = fw->t.tables + (address - TABLES_AT);

	assert_true(address >= TABLES_AT && range_within(address - TABLES_AT, 36, fw->t.tables_size));
	assert_memory_equal(table, signature, 4);
	assert_true(range_within(address - TABLES_AT, le32_load(table + 4), fw->t.tables_size));
	assert_int_equal(address % 16, 0);
	if (strcmp(signature, "FACS") != 0)
		assert_int_equal(sum(table, le32_load(table + 4)), 0);
	return table;
}

/* Entry n of the RSDT or XSDT: 0 FADT, 1 MADT. */
static const uint8_t *find(const struct firmware *fw, bool extended, unsigned n, const char *signature)
{
	const uint8_t *root = extended ? table_at(fw, le64_load(fw->t.rsdp + 24), "XSDT")
	                               : table_at(fw, le32_load(fw->t.rsdp + 16), "RSDT");
	unsigned width = extended ? 8 : 4;

	assert_int_equal(le32_load(root + 4), 36 + 2 * width);
	return table_at(fw, extended ? le64_load(root + 36 + 8 * n) : le32_load(root + 36 + 4 * n), signature);
}

static void the_root_pointer_leads_to_every_table_by_both_ways(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < RIG_KINDS; kind++) {
		struct acpi_rig rig = acpi_rig_new(kind, 2);
		struct firmware fw = boot(&rig.board);

		assert_memory_equal(fw.t.rsdp, "RSD PTR ", 8);
		assert_int_equal(sum(fw.t.rsdp, 20), 0);
		assert_int_equal(sum(fw.t.rsdp, 36), 0);
		assert_ptr_equal(find(&fw, false, 0, "FACP"), find(&fw, true, 0, "FACP"));
		assert_ptr_equal(find(&fw, false, 1, "APIC"), find(&fw, true, 1, "APIC"));
		acpi_tables_free(&fw.t);
		acpi_rig_free(&rig);
	}
}

static void the_fadt_names_the_registers_that_the_south_bridge_has(void **state)
{
	struct acpi_rig rig = acpi_rig_new(RIG_GENERIC, 1);
	struct firmware fw = boot(&rig.board);
	const uint8_t *f = find(&fw, false, 0, "FACP");

	(void)state;
	assert_int_equal(le32_load(f + 4), 244);
	assert_int_equal(le32_load(table_at(&fw, le32_load(f + 36), "FACS") + 4), 64);
	assert_int_equal(le32_load(f + 36) % 64, 0);
	table_at(&fw, le32_load(f + 40), "DSDT");
	assert_int_equal(le64_load(f + 132), 0);
	assert_int_equal(le64_load(f + 140), le32_load(f + 40));
	assert_int_equal(le16_load(f + 46), 9);
	assert_int_equal(le32_load(f + 48), 0xb2);
	assert_int_equal(le32_load(f + 56), 0x600);
	assert_int_equal(le32_load(f + 64), 0x604);
	assert_int_equal(le32_load(f + 76), 0x608);
	assert_int_equal(le64_load(f + 120), 0xcf9);
	assert_int_equal(f[128], 6);
	assert_int_equal(le32_load(f + 112) & (1 << 4), 0);      /* the power button is the fixed one */
	assert_int_equal(le32_load(f + 112) & (1 << 8), 0);      /* the timer has 24 bits */
	assert_int_not_equal(le32_load(f + 112) & (1 << 10), 0); /* there is a reset register */
	acpi_tables_free(&fw.t);
	acpi_rig_free(&rig);
}

static void the_madt_has_every_cpu_and_the_overrides_that_the_wiring_needs(void **state)
{
	struct acpi_rig rig = acpi_rig_new(RIG_VMWARE, 8);
	struct firmware fw = boot(&rig.board);
	const uint8_t *m = find(&fw, true, 1, "APIC");
	unsigned cpus = 0, io_apics = 0, level = 0, timer = 0;

	(void)state;
	for (size_t at = 44; at < le32_load(m + 4); at += m[at + 1]) {
		const uint8_t *entry = m + at;

		assert_true(entry[1] >= 6 && at + entry[1] <= le32_load(m + 4));
		if (entry[0] == 0) {
			assert_int_equal(entry[2], cpus);
			assert_int_equal(entry[3], cpus++);
			assert_int_equal(entry[4], 1);
		} else if (entry[0] == 1) {
			io_apics++;
			assert_int_equal(le32_load(entry + 4), 0xfec00000);
		} else if (entry[0] == 2) {
			timer += entry[3] == 0 && le32_load(entry + 4) == 2;
			level |= entry[3] == le32_load(entry + 4) && le16_load(entry + 8) == 0x0d ? 1u << entry[3] : 0;
		}
	}
	assert_int_equal(cpus, 8);
	assert_int_equal(io_apics, 1);
	assert_int_equal(timer, 1);
	assert_int_equal(level, 1 << 5 | 1 << 9 | 1 << 10 | 1 << 11);
	acpi_tables_free(&fw.t);
	acpi_rig_free(&rig);
}

static void too_many_cpus_or_bridges_are_refused(void **state)
{
	struct acpi_rig rig = acpi_rig_new(RIG_VMWARE, ACPI_MAX_CPUS);
	struct acpi_tables t;

	(void)state;
	assert_int_equal(acpi_tables_build(&rig.board, &t), 0);
	acpi_tables_free(&t);
	rig.board.cpus++;
	assert_int_equal(acpi_tables_build(&rig.board, &t), -E2BIG);
	rig.board.cpus = 0;
	assert_int_equal(acpi_tables_build(&rig.board, &t), -E2BIG);
	rig.board.cpus = 1;
	rig.board.bridge_count = ACPI_MAX_BRIDGES + 1;
	assert_int_equal(acpi_tables_build(&rig.board, &t), -E2BIG);
	assert_null(t.tables);
	acpi_rig_free(&rig);
}

/* ---- _PRT against the wires ---- */

/* The links of the nth _PRT in the DSDT: one of "ABCD" per entry, in order. */
static size_t read_routing(const struct firmware *fw, unsigned n, char *to, size_t room)
{
	const uint8_t *f = find(fw, true, 0, "FACP"), *dsdt = table_at(fw, le32_load(f + 40), "DSDT");
	const uint8_t *end = dsdt + le32_load(dsdt + 4), *at = dsdt;
	size_t count = 0;

	for (unsigned seen = 0; seen <= n; seen++) {
		at = memmem(at, (size_t)(end - at), "\x08_PRT\x12", 6);
		assert_non_null(at);
		at += 6;
	}
	/* The first link is inside this package: read on until the next object's name, or the end. */
	end = memmem(at, (size_t)(end - at), "_ADR", 4) ?: end;
	while (count < room && (at = memmem(at, (size_t)(end - at), "\\._SB_LNK", 9))) {
		to[count++] = (char)at[9];
		at += 10;
	}
	return count;
}

struct card {
	struct pci_device pci;
};

static int card_create(struct device *d, const struct device_config *config, struct error *e)
{
	const struct pci_identity identity = { .vendor = 1,
		                               .device = 2,
		                               .interrupt_pin = *(const uint8_t *)config->extra };

	return pci_device_init(&((struct card *)d)->pci, config, &identity, e);
}

static const struct device_class card_class = { .name = "card", .size = sizeof(struct card), .create = card_create };

/* Plugs a card in, raises its pin, and says which PIRQ it came out of: 'A' to 'D'. */
static char wired_to(struct acpi_rig *rig, struct pci_bus *bus, unsigned device, unsigned pin)
{
	static const unsigned gsis[] = { 5, 10, 11, 12 };
	uint8_t pin_register = (uint8_t)(pin + 1);
	struct device *d;
	struct error e;
	char found = 0;

	assert_int_equal(device_create(&card_class, &rig->f->board,
	                               &(struct device_config){ .id = "card",
	                                                        .pci_bus = bus,
	                                                        .pci_devfn = PCI_DEVFN(device, 1),
	                                                        .extra = &pin_register },
	                               &d, &e),
	                 0);
	for (unsigned i = 0; i < 4; i++)
		pci_bus_route(rig->root, i, gsis[i]);
	pci_set_irq(d->pci, true);
	for (unsigned i = 0; i < 4; i++)
		if (rig->f->irq_level[gsis[i]])
			found = (char)('A' + i);
	device_destroy(d);
	return found;
}

static void routing_packages_say_how_the_pins_are_wired(void **state)
{
	struct acpi_rig rig = acpi_rig_new(RIG_VMWARE, 1);
	struct firmware fw = boot(&rig.board);

	(void)state;
	for (unsigned n = 0; n <= rig.board.bridge_count; n++) {
		struct pci_bus *bus = n ? rig.bridged[n - 1] : rig.root;
		unsigned devices = n ? rig.board.bridges[n - 1].devices : 32;
		char links[128];

		assert_int_equal(read_routing(&fw, n, links, sizeof(links)), devices * 4);
		for (unsigned i = 0; i < devices * 4; i++)
			assert_int_equal(links[i], wired_to(&rig, bus, i / 4, i % 4));
	}
	acpi_tables_free(&fw.t);
	acpi_rig_free(&rig);
}

/* ---- another's judgement ---- */

static int shell(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

static void write_table(const char *folder, const char *name, const uint8_t *table)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.aml", folder, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(table, le32_load(table + 4), 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

/* Disassembled and compiled again without a word of complaint. */
static void iasl_takes_the_tables_without_a_warning(void **state)
{
	char folder[] = "/tmp/vitrine-acpi-XXXXXX";

	(void)state;
	if (system("type iasl > /dev/null 2>&1")) {
		print_message("SKIPPED: iasl is missing (package acpica-tools)\n");
		skip();
	}
	assert_non_null(mkdtemp(folder));
	for (unsigned kind = 0; kind < RIG_KINDS; kind++) {
		struct acpi_rig rig = acpi_rig_new(kind, 8);
		struct firmware fw = boot(&rig.board);
		const uint8_t *f = find(&fw, true, 0, "FACP");

		write_table(folder, "dsdt", table_at(&fw, le32_load(f + 40), "DSDT"));
		write_table(folder, "facp", f);
		write_table(folder, "apic", find(&fw, true, 1, "APIC"));
		write_table(folder, "facs", table_at(&fw, le32_load(f + 36), "FACS"));
		assert_int_equal(
			shell("cd %s && for t in dsdt facp apic facs; do iasl -d $t.aml || exit; done > log 2>&1 && "
		              "! grep -i 'error\\|warning\\|invalid\\|incorrect' log",
		              folder),
			0);
		assert_int_equal(shell("cd %s && iasl -p again dsdt.dsl > log 2>&1; "
		                       "grep -q '0 Errors, 0 Warnings, 0 Remarks' log || { echo %s; cat log; false; }",
		                       folder, acpi_rig_names[kind]),
		                 0);
		/* Slot 33 behind VMware's bridge, slot 3 of the generic board's root bus; VirtualBox's has no numbers. */
		assert_int_equal(shell("cd %s && grep -q 'Name (_SUN, 0x%s' dsdt.dsl; echo $? | grep -q %d", folder,
		                       kind == RIG_VMWARE ? "21" : "03", kind == RIG_VIRTUALBOX),
		                 0);
		acpi_tables_free(&fw.t);
		acpi_rig_free(&rig);
	}
	if (!getenv("VITRINE_KEEP"))
		shell("rm -r %s", folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_root_pointer_leads_to_every_table_by_both_ways),
		cmocka_unit_test(the_fadt_names_the_registers_that_the_south_bridge_has),
		cmocka_unit_test(the_madt_has_every_cpu_and_the_overrides_that_the_wiring_needs),
		cmocka_unit_test(too_many_cpus_or_bridges_are_refused),
		cmocka_unit_test(routing_packages_say_how_the_pins_are_wired),
		cmocka_unit_test(iasl_takes_the_tables_without_a_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
