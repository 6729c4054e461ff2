/* SPDX-License-Identifier: MIT */
#include "core/chipset/acpi_tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/chipset/aml.h"
#include "core/chipset/chipset.h"

#define TABLES_MAX 65536 /* the largest board's are a fifth of that */
#define HEADER 36
#define FACS_SIZE 64 /* and its alignment (5.2.10) */
#define FADT_SIZE 244
#define ALIGNMENT 16 /* not asked for, but no board has them at odd addresses */

#define SCI 9
#define LOCAL_APIC 0xfee00000u
#define IO_APIC 0xfec00000u
#define LEVEL_ACTIVE_HIGH 0x0d /* MPS INTI flags (table 5.26) */

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE "etc/acpi/rsdp"

struct builder {
	struct acpi_tables *t;
	struct aml out; /* used as a buffer of bytes by all tables */
	bool full;
};

/* ---- the loader's script ---- */

enum loader_command { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3 };
enum loader_zone { LOADER_HIGH = 1, LOADER_FSEG = 2 };
#define LOADER_FILE 56 /* bytes of a file's name */

static uint8_t *add_entry(struct builder *b, enum loader_command command, const char *file)
{
	uint8_t *entry = b->t->loader + b->t->loader_size;

	if (b->t->loader_size == sizeof(b->t->loader)) {
		b->full = true;
		return b->t->loader;
	}
	b->t->loader_size += ACPI_LOADER_ENTRY;
	le32_store(entry, command);
	memcpy(entry + 4, file, strlen(file));
	return entry + 4 + LOADER_FILE;
}

static void load(struct builder *b, const char *file, uint32_t alignment, enum loader_zone zone)
{
	uint8_t *entry = add_entry(b, LOADER_ALLOCATE, file);

	le32_store(entry, alignment);
	entry[4] = zone;
}

/* The pointer at `offset` of `file` holds an offset in the tables so far; the BIOS adds where it put them. */
static void add_pointer(struct builder *b, const char *file, size_t offset, uint8_t size)
{
	uint8_t *entry = add_entry(b, LOADER_ADD_POINTER, file);

	memcpy(entry, TABLES_FILE, sizeof(TABLES_FILE));
	le32_store(entry + LOADER_FILE, (uint32_t)offset);
	entry[LOADER_FILE + 4] = size;
}

static void add_checksum(struct builder *b, const char *file, size_t at, size_t start, size_t length)
{
	uint8_t *entry = add_entry(b, LOADER_ADD_CHECKSUM, file);

	le32_store(entry, (uint32_t)at);
	le32_store(entry + 4, (uint32_t)start);
	le32_store(entry + 8, (uint32_t)length);
}

/* ---- tables ---- */

static size_t begin_table(struct builder *b, const char signature[4], uint8_t revision)
{
	uint8_t header[HEADER] = { 0 };
	size_t at;

	while (b->out.used % ALIGNMENT && !b->out.full)
		aml_byte(&b->out, 0);
	at = b->out.used;
	memcpy(header, signature, 4);
	header[8] = revision;
	memcpy(header + 10, "VITRN ", 6);
	memcpy(header + 16, "VITRINE ", 8);
	le32_store(header + 24, 1);
	memcpy(header + 28, "VTRN", 4);
	le32_store(header + 32, 1);
	aml_bytes(&b->out, header, sizeof(header));
	return at;
}

static void end_table(struct builder *b, size_t at)
{
	if (b->out.full)
		return;
	le32_store(b->out.data + at + 4, (uint32_t)(b->out.used - at));
	add_checksum(b, TABLES_FILE, at + 9, at, b->out.used - at);
}

static size_t add_facs(struct builder *b)
{
	uint8_t raw[FACS_SIZE] = "FACS";
	size_t at = b->out.used;

	le32_store(raw + 4, FACS_SIZE);
	raw[32] = 1; /* version */
	aml_bytes(&b->out, raw, sizeof(raw));
	return at;
}

/* Revision 1: integers have 32 bits in every system. */
static size_t add_dsdt(struct builder *b, const struct acpi_board *board)
{
	size_t at = begin_table(b, "DSDT", 1);

	acpi_dsdt_write(&b->out, board);
	end_table(b, at);
	return at;
}

/* A register block in I/O space: the 32-bit address that all systems read, and the generic one of ACPI 2.0. */
static void add_block(uint8_t *fadt, unsigned at, unsigned generic_at, uint32_t port, unsigned bytes)
{
	uint8_t *generic = fadt + generic_at;

	if (at)
		le32_store(fadt + at, port);
	generic[0] = 1; /* I/O space */
	generic[1] = (uint8_t)(8 * bytes);
	le64_store(generic + 4, port);
}

#define FADT_FIRMWARE_CTRL 36
#define FADT_DSDT 40
#define FADT_X_DSDT 140

enum fadt_flags { /* table 5.10 */
	          WBINVD = 1 << 0,
	          PROC_C1 = 1 << 2,    /* every CPU has HLT */
	          SLP_BUTTON = 1 << 5, /* no fixed sleep button; PWR_BUTTON is clear: there is a fixed power button */
	          FIX_RTC = 1 << 6,    /* the RTC's alarm does not wake through PM1_STS */
	          RESET_REG_SUP = 1 << 10,
	          USE_PLATFORM_CLOCK =
	                  1 << 15, /* Windows keeps time by the PM timer, which stands still with the machine */
};

#define LEGACY_DEVICES 1 /* IAPC_BOOT_ARCH */
#define HAS_8042 2
#define CMOS_CENTURY 0x32
#define NO_C_STATE 0xfff /* a latency beyond what is used */

/* X_FIRMWARE_CTRL stays 0: it is for a FACS above 4 GiB, and with both Linux takes it for two. */
static void fill_fadt(uint8_t *f, size_t facs, size_t dsdt)
{
	le32_store(f + FADT_FIRMWARE_CTRL, (uint32_t)facs);
	le32_store(f + FADT_DSDT, (uint32_t)dsdt);
	le64_store(f + FADT_X_DSDT, dsdt);
	f[44] = 1; /* INT_MODEL of ACPI 1.0: APICs */
	le16_store(f + 46, SCI);
	le32_store(f + 48, ACPI_SMI_CMD);
	f[52] = ACPI_ENABLE;
	f[53] = ACPI_DISABLE;
	add_block(f, 56, 148, ACPI_PM_BASE, 4);     /* PM1a events */
	add_block(f, 64, 172, ACPI_PM_BASE + 4, 2); /* PM1a control */
	add_block(f, 76, 208, ACPI_PM_BASE + 8, 4); /* PM timer, 24 bits of it */
	add_block(f, 80, 220, ACPI_GPE_BASE, ACPI_GPE_SIZE);
	f[88] = 4;
	f[89] = 2;
	f[91] = 4;
	f[92] = ACPI_GPE_SIZE;
	le16_store(f + 96, NO_C_STATE);
	le16_store(f + 98, NO_C_STATE);
	f[108] = CMOS_CENTURY;
	le16_store(f + 109, LEGACY_DEVICES | HAS_8042);
	le32_store(f + 112, WBINVD | PROC_C1 | SLP_BUTTON | FIX_RTC | RESET_REG_SUP | USE_PLATFORM_CLOCK);
	add_block(f, 0, 116, 0xcf9, 1); /* RESET_REG */
	f[128] = 0x06;                  /* hard reset, CPU reset */
}

/* Revision 4, as VMware's and VirtualBox's boards have: whoever ran there has seen it. */
static size_t add_fadt(struct builder *b, size_t facs, size_t dsdt)
{
	uint8_t body[FADT_SIZE] = { 0 };
	size_t at = begin_table(b, "FACP", 4);

	fill_fadt(body, facs, dsdt);
	aml_bytes(&b->out, body + HEADER, sizeof(body) - HEADER);
	add_pointer(b, TABLES_FILE, at + FADT_FIRMWARE_CTRL, 4);
	add_pointer(b, TABLES_FILE, at + FADT_DSDT, 4);
	add_pointer(b, TABLES_FILE, at + FADT_X_DSDT, 8);
	end_table(b, at);
	return at;
}

static void add_override(struct builder *b, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	uint8_t raw[10] = { 2, sizeof(raw), 0 /* ISA */, irq };

	le32_store(raw + 4, gsi);
	le16_store(raw + 8, flags);
	aml_bytes(&b->out, raw, sizeof(raw));
}

static size_t add_madt(struct builder *b, const struct acpi_board *board)
{
	static const uint8_t level[] = { 5, SCI, 10, 11 }; /* what the links and the SCI may be on */
	uint8_t fixed[8], io_apic[12] = { 1, sizeof(io_apic), 0 /* id, as its register reads after reset */ };
	size_t at = begin_table(b, "APIC", 1);

	le32_store(fixed, LOCAL_APIC);
	le32_store(fixed + 4, 1); /* PCAT_COMPAT: 8259s are there too */
	aml_bytes(&b->out, fixed, sizeof(fixed));
	for (unsigned i = 0; i < board->cpus; i++)
		aml_bytes(&b->out, (uint8_t[8]){ 0, 8, (uint8_t)i, (uint8_t)i, 1 }, 8);
	le32_store(io_apic + 4, IO_APIC);
	aml_bytes(&b->out, io_apic, sizeof(io_apic));
	add_override(b, 0, 2, 0); /* kvm.c's routing */
	for (size_t i = 0; i < ARRAY_SIZE(level); i++)
		add_override(b, level[i], level[i], LEVEL_ACTIVE_HIGH);
	aml_bytes(&b->out, (uint8_t[6]){ 4, 6, 0xff /* all CPUs */, 0, 0, 1 }, 6); /* NMI on LINT1 */
	end_table(b, at);
	return at;
}

/* RSDT (4-byte pointers) or XSDT (8). */
static size_t add_root(struct builder *b, const char signature[4], uint8_t width, const size_t *tables, size_t count)
{
	size_t at = begin_table(b, signature, 1);

	for (size_t i = 0; i < count; i++) {
		uint8_t raw[8];

		le64_store(raw, tables[i]);
		add_pointer(b, TABLES_FILE, b->out.used, width);
		aml_bytes(&b->out, raw, width);
	}
	end_table(b, at);
	return at;
}

static void fill_rsdp(struct builder *b, size_t rsdt, size_t xsdt)
{
	uint8_t *r = b->t->rsdp;

	memcpy(r, "RSD PTR ", 8);
	memcpy(r + 9, "VITRN ", 6);
	r[15] = 2; /* ACPI 2.0 */
	le32_store(r + 16, (uint32_t)rsdt);
	le32_store(r + 20, ACPI_RSDP_SIZE);
	le64_store(r + 24, xsdt);
	add_pointer(b, RSDP_FILE, 16, 4);
	add_pointer(b, RSDP_FILE, 24, 8);
	add_checksum(b, RSDP_FILE, 8, 0, 20);
	add_checksum(b, RSDP_FILE, 32, 0, ACPI_RSDP_SIZE);
}

int acpi_tables_build(const struct acpi_board *board, struct acpi_tables *t)
{
	struct builder b = { .t = t };
	size_t facs, tables[2], rsdt, xsdt;

	*t = (struct acpi_tables){ 0 };
	if (!board->cpus || board->cpus > ACPI_MAX_CPUS || board->bridge_count > ACPI_MAX_BRIDGES)
		return -E2BIG;
	t->tables = malloc(TABLES_MAX);
	if (!t->tables)
		return -ENOMEM;
	b.out = (struct aml){ .data = t->tables, .size = TABLES_MAX };
	load(&b, RSDP_FILE, 16, LOADER_FSEG);
	load(&b, TABLES_FILE, FACS_SIZE, LOADER_HIGH);
	facs = add_facs(&b);
	tables[0] = add_fadt(&b, facs, add_dsdt(&b, board));
	tables[1] = add_madt(&b, board);
	rsdt = add_root(&b, "RSDT", 4, tables, ARRAY_SIZE(tables));
	xsdt = add_root(&b, "XSDT", 8, tables, ARRAY_SIZE(tables));
	fill_rsdp(&b, rsdt, xsdt);
	t->tables_size = b.out.used;
	if (!b.full && !b.out.full)
		return 0;
	acpi_tables_free(t);
	return -E2BIG;
}

void acpi_tables_free(struct acpi_tables *t)
{
	free(t->tables);
	*t = (struct acpi_tables){ 0 };
}
