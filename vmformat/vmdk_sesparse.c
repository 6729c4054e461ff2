/* SPDX-License-Identifier: MIT */
/*
 * seSparse, "space-efficient sparse": ESXi's snapshots of disks beyond 2 TB, and of all since 6.5. VMware has not published
 * the format; its facts are known from images and from QEMU's reader.
 */
#include <errno.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/vmdk_grains.h"

/* The constant header: 64-bit numbers by byte offset. Places and sizes are in sectors. */
enum {
	HEADER_VERSION = 8,
	HEADER_CAPACITY = 16,
	HEADER_GRAIN_SIZE = 24,
	HEADER_TABLE_SIZE = 32,
	HEADER_FLAGS = 40,
	HEADER_VOLATILE_OFFSET = 80,
	HEADER_DIRECTORY_OFFSET = 128,
	HEADER_DIRECTORY_SIZE = 136,
	HEADER_TABLES_OFFSET = 144,
	HEADER_TABLES_SIZE = 152,
	HEADER_GRAINS_OFFSET = 192,
	HEADER_SIZE = 512,
};

/* The volatile header: what changes while the disk is open. */
enum { VOLATILE_REPLAY_JOURNAL = 24 };

#define VERSION 0x0000000200000001ull /* 2.1 */
#define VOLATILE_MAGIC 0x00000000cafecafeull

/* ESXi writes no others. */
#define GRAIN_SECTORS 8u
#define TABLE_SECTORS 64u
#define TABLE_SIZE (TABLE_SECTORS * DISK_SECTOR)
#define GTES_PER_GT (TABLE_SIZE / 8)
#define PAGE_ENTRIES (VMDK_PAGE / 8)
#define PAGES_PER_TABLE (TABLE_SIZE / VMDK_PAGE)

/* The upper four bits of an entry are its kind. A directory's entry is a table's number. */
#define DIRECTORY_ALLOCATED 0x10000000u /* the upper half of its entry */
enum { GTE_UNALLOCATED = 0, GTE_UNMAPPED = 1 /* by the guest */, GTE_ZERO = 2, GTE_ALLOCATED = 3 };

static const struct fixed_field {
	unsigned offset;
	const char *name;
	uint64_t value;
	const char *rule;
} fixed_fields[] = {
	{ HEADER_GRAIN_SIZE, "the grain size", GRAIN_SECTORS, "8" },
	{ HEADER_TABLE_SIZE, "the size of a grain table", TABLE_SECTORS, "64" },
	{ HEADER_FLAGS, "the flags' value", 0, "0" },
};

static int check_fixed_fields(const uint8_t *header, const char *name, struct error *e)
{
	uint64_t version = le64_load(header + HEADER_VERSION);

	if (version != VERSION)
		return error_set(e, -ENOTSUP, "%s has version %u.%u of the seSparse format; Vitrine knows only 2.1",
		                 name, (unsigned)(version >> 32), (unsigned)version);
	for (size_t i = 0; i < ARRAY_SIZE(fixed_fields); i++) {
		const struct fixed_field *field = &fixed_fields[i];

		if (le64_load(header + field->offset) != field->value)
			return vmdk_damaged(e, name, field->name, le64_load(header + field->offset), field->rule);
	}
	return 0;
}

/* What the journal still holds, the tables lack. */
static int check_volatile(const uint8_t *header, const struct file *file, struct error *e)
{
	uint64_t sector = le64_load(header + HEADER_VOLATILE_OFFSET), offset;
	uint8_t changing[HEADER_SIZE];
	int r;

	if (sector == 0 || !vmdk_place(file, sector, sizeof(changing), &offset))
		return vmdk_damaged(e, file->name, "the changing header's place", sector, "a sector of the file");
	r = vmdk_read_header(file, offset, changing, sizeof(changing), e);
	if (r < 0)
		return r;
	if (le64_load(changing) != VOLATILE_MAGIC)
		return vmdk_damaged(e, file->name, "the changing header's signature", le64_load(changing),
		                    "3405695742");
	if (le64_load(changing + VOLATILE_REPLAY_JOURNAL))
		return error_set(
			e, -ENOTSUP,
			"%s was not closed properly: changes wait in its journal. In ESXi, start the machine once "
			"and shut it down, or delete its snapshots, then copy its files again.",
			file->name);
	return 0;
}

static int take_geometry(struct vmdk_sparse *s, const uint8_t *header, const struct file *file, struct error *e)
{
	uint64_t capacity = le64_load(header + HEADER_CAPACITY), sector, needed;

	if (capacity == 0 || capacity > VMDK_MAX_CAPACITY / DISK_SECTOR)
		return vmdk_damaged(e, file->name, "the capacity", capacity, "from 1 sector to 64 TiB");
	s->capacity = capacity * DISK_SECTOR;
	s->grain = GRAIN_SECTORS * DISK_SECTOR;
	s->never_alone = true;
	needed = (capacity + GRAIN_SECTORS * GTES_PER_GT - 1) / (GRAIN_SECTORS * GTES_PER_GT) * 8;
	sector = le64_load(header + HEADER_DIRECTORY_SIZE);
	if (sector < (needed + DISK_SECTOR - 1) / DISK_SECTOR)
		return vmdk_damaged(e, file->name, "the size of the grain directory", sector,
		                    "what the capacity needs");
	sector = le64_load(header + HEADER_DIRECTORY_OFFSET);
	if (sector == 0)
		return vmdk_damaged(e, file->name, "the grain directory's place", 0, "a sector of the file");
	if (!vmdk_place(file, sector, needed, &s->directories[0]))
		return vmdk_no_place(s, file, "the grain directory's place", sector, needed, e);
	sector = le64_load(header + HEADER_TABLES_OFFSET);
	if (!vmdk_place(file, sector, 0, &s->tables))
		return vmdk_no_place(s, file, "the grain tables' place", sector, 0, e);
	sector = le64_load(header + HEADER_GRAINS_OFFSET);
	if (!vmdk_place(file, sector, 0, &s->grains))
		return vmdk_no_place(s, file, "the grains' place", sector, 0, e);
	return 0;
}

static int sesparse_parse(struct vmdk_sparse *s, const struct file *file, struct error *e)
{
	uint8_t header[HEADER_SIZE];
	int r = vmdk_read_header(file, 0, header, sizeof(header), e);

	if (r == 0)
		r = check_fixed_fields(header, file->name, e);
	if (r == 0)
		r = take_geometry(s, header, file, e);
	return r == 0 ? check_volatile(header, file, e) : r;
}

/* Both halves are 32 bits, so that the sums below cannot overflow: the file is no longer than 2^63. */
static int sesparse_read_page(const struct vmdk_sparse *s, uint64_t page, uint8_t raw[VMDK_PAGE])
{
	uint8_t entry[8];
	int r = file_read(&s->file, s->directories[0] + page / PAGES_PER_TABLE * 8, entry, sizeof(entry));

	if (r < 0)
		return r;
	if (le64_load(entry) == 0) {
		memset(raw, 0, VMDK_PAGE);
		return 0;
	}
	if (le32_load(entry + 4) != DIRECTORY_ALLOCATED)
		return -EIO;
	return vmdk_read_page_at(
		s, s->tables + (uint64_t)le32_load(entry) * TABLE_SIZE + page % PAGES_PER_TABLE * VMDK_PAGE, raw);
}

/* A grain's number is turned by 12 bits in 60: its upper 12 are the number's lowest. */
static uint64_t grain_number(uint64_t entry)
{
	return (entry >> 48 & 0xfff) | (entry & 0xffffffffffffull) << 12;
}

static int sesparse_entry(const struct vmdk_sparse *s, const uint8_t *raw, unsigned index, struct vmdk_grain *ret_grain)
{
	uint64_t entry = le64_load(raw + index * 8), number = grain_number(entry);

	*ret_grain = (struct vmdk_grain){ .kind = DISK_ZERO };
	switch (entry >> 60) {
	case GTE_UNALLOCATED:
		ret_grain->kind = DISK_PARENT;
		return entry ? -EIO : 0;
	case GTE_UNMAPPED:
	case GTE_ZERO:
		return 0;
	case GTE_ALLOCATED:
		ret_grain->kind = DISK_DATA;
		if (number >= VMDK_MAX_CAPACITY / s->grain) /* keeps the sum below 64 bits, too */
			return -EIO;
		ret_grain->offset = s->grains + number * s->grain;
		return 0;
	}
	return -EIO;
}

const struct vmdk_layout vmdk_sesparse_layout = {
	.signature = "\xbe\xba\xfe\xca\0\0\0\0",
	.signature_length = 8,
	.page_entries = PAGE_ENTRIES,
	.parse = sesparse_parse,
	.read_page = sesparse_read_page,
	.entry = sesparse_entry,
};
