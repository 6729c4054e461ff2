/* SPDX-License-Identifier: MIT */
/* COWD: ESX's redo logs ("vmfsSparse"), and the disks of VMware 3. Chapter "ESX Server Sparse Extents", struct COWDisk_Header. */
#include <errno.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/vmdk_grains.h"

/* Byte offsets. Places and sizes are in sectors. */
enum {
	HEADER_VERSION = 4,
	HEADER_CAPACITY = 12,
	HEADER_GRAIN_SIZE = 16,
	HEADER_GD_OFFSET = 20,
	HEADER_GD_ENTRIES = 24,
	HEADER_SIZE = 2048,
};

#define GTES_PER_GT 4096u
#define PAGE_ENTRIES (VMDK_PAGE / 4)
#define PAGES_PER_TABLE (GTES_PER_GT / PAGE_ENTRIES)

static int cowd_parse(struct vmdk_sparse *s, const struct file *file, struct error *e)
{
	uint8_t header[HEADER_SIZE];
	uint32_t capacity, grain, entries, directory;
	uint64_t needed;
	int r = vmdk_read_header(file, 0, header, sizeof(header), e);

	if (r < 0)
		return r;
	if (le32_load(header + HEADER_VERSION) != 1)
		return error_set(e, -ENOTSUP, "%s has version %u of the COWD format; Vitrine knows only 1", file->name,
		                 le32_load(header + HEADER_VERSION));
	capacity = le32_load(header + HEADER_CAPACITY);
	grain = le32_load(header + HEADER_GRAIN_SIZE);
	entries = le32_load(header + HEADER_GD_ENTRIES);
	directory = le32_load(header + HEADER_GD_OFFSET);
	if (capacity == 0)
		return vmdk_damaged(e, file->name, "the capacity", capacity, "1 sector or more");
	if (!is_power_of_two(grain) || grain > VMDK_MAX_GRAIN)
		return vmdk_damaged(e, file->name, "the grain size", grain, "a power of two up to 4096");
	s->capacity = (uint64_t)capacity * DISK_SECTOR;
	s->grain = grain * DISK_SECTOR;
	s->never_alone = true;
	needed = (capacity + (uint64_t)grain * GTES_PER_GT - 1) / ((uint64_t)grain * GTES_PER_GT);
	if (entries < needed)
		return vmdk_damaged(e, file->name, "the size of the grain directory", entries,
		                    "what the capacity needs");
	if (directory == 0)
		return vmdk_damaged(e, file->name, "the grain directory's place", 0, "a sector of the file");
	if (!vmdk_place(file, directory, needed * 4, &s->directories[0]))
		return vmdk_no_place(s, file, "the grain directory's place", directory, needed * 4, e);
	return 0;
}

static int cowd_read_page(const struct vmdk_sparse *s, uint64_t page, uint8_t raw[VMDK_PAGE])
{
	uint8_t entry[4];
	int r = file_read(&s->file, s->directories[0] + page / PAGES_PER_TABLE * 4, entry, sizeof(entry));

	if (r < 0)
		return r;
	if (le32_load(entry))
		return vmdk_read_page_at(
			s, (uint64_t)le32_load(entry) * DISK_SECTOR + page % PAGES_PER_TABLE * VMDK_PAGE, raw);
	memset(raw, 0, VMDK_PAGE);
	return 0;
}

static int cowd_entry(const struct vmdk_sparse *s, const uint8_t *raw, unsigned index, struct vmdk_grain *ret_grain)
{
	uint32_t entry = le32_load(raw + index * 4);

	(void)s;
	*ret_grain = (struct vmdk_grain){ entry ? DISK_DATA : DISK_PARENT, (uint64_t)entry * DISK_SECTOR };
	return 0;
}

const struct vmdk_layout vmdk_cowd_layout = {
	.signature = "COWD",
	.signature_length = 4,
	.page_entries = PAGE_ENTRIES,
	.parse = cowd_parse,
	.read_page = cowd_read_page,
	.entry = cowd_entry,
};
