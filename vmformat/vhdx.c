/* SPDX-License-Identifier: MIT */
/*
 * [MS-VHDX]: two headers, of which the newer sound one counts; two copies of the table of regions; a region of
 * metadata; a region with the table of blocks (the BAT); blocks. There are just these levels, so nothing can lead
 * in a circle. All numbers are little-endian, and all is read through the log (vhdx_log.c).
 */
#include "vmformat/vhdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/table_cache.h"

/* Section 2.5.1, BAT Entry. */
enum block_state {
	BLOCK_NOT_PRESENT = 0,
	BLOCK_UNDEFINED = 1,
	BLOCK_ZERO = 2,
	BLOCK_UNMAPPED = 3,
	BLOCK_UNMAPPED_0_95 = 5, /* the same, in the draft that QEMU was written from */
	BLOCK_FULLY_PRESENT = 6,
	BLOCK_PARTIALLY_PRESENT = 7,
};

#define ENTRY_STATE 7u
#define ENTRY_PLACE (~(uint64_t)(VHDX_UNIT - 1)) /* bits 20 on are the place in MiB: so, in bytes */

#define BITMAP_SIZE VHDX_UNIT
/* 512 KiB of tables: the BAT of 2 TiB in blocks of 32 MiB, or bitmaps of 2 GiB. */
#define PAGES 128u
#define ENTRIES_PER_PAGE (VHDX_PAGE / 8ull)
#define MAX_RUN 512u /* blocks that map() answers for at once: a page */
/* Pages of the BAT that are read to find out whether the file was cut: not more for a larger one. */
#define END_SAMPLES 16u
#define SLACK (1ull << 30) /* what writers leave free between blocks: Hyper-V lets a file grow by several at once */

static bool vhdx_probe(const struct file *file, const uint8_t *head, size_t head_length)
{
	(void)file;
	return head_length >= 8 && memcmp(head, "vhdxfile", 8) == 0;
}

/* ---- reading ---- */

/* As the file will be when its log is replayed. A table_read. */
int vhdx_read(const void *context, uint64_t offset, void *buffer, size_t length)
{
	const struct vhdx *vhdx = context;
	uint8_t *to = buffer, page[VHDX_PAGE];
	int r = range_within(offset, length, vhdx->end) ? 0 : -ENODATA;

	while (length && r == 0) {
		struct vhdx_log_piece piece = vhdx_log_find(vhdx->log, offset, length);
		size_t part = (size_t)piece.length;

		if (piece.kind == VHDX_LOG_PAGE) {
			r = vhdx_log_page(vhdx->log, piece.page, page);
			if (r == 0)
				memcpy(to, page + offset % VHDX_PAGE, part);
		} else if (piece.kind == VHDX_LOG_ZERO || offset >= vhdx->file.size) {
			memset(to, 0, part);
		} else {
			part = (size_t)MIN(part, vhdx->file.size - offset);
			r = file_read(&vhdx->file, offset, to, part);
		}
		to += part;
		offset += part;
		length -= part;
	}
	return r;
}

/* ---- blocks and parent ---- */

/* Section 2.6.2.6.3: a merge changes the parent's GUID; while it lasts, the second one is right. */
static int vhdx_check_parent(const struct disk *disk, const struct disk *parent, struct error *e)
{
	const struct vhdx *vhdx = disk->private, *below = parent->private;
	char guid[GUID_TEXT_SIZE];

	guid_format(below->data_write_guid, guid);
	for (size_t i = 0; i < ARRAY_SIZE(vhdx->linkage); i++)
		if (vhdx->linkage[i][0] == '{' && strncasecmp(vhdx->linkage[i] + 1, guid, strlen(guid)) == 0)
			return 0;
	return error_set(
		e, -EINVAL,
		"%s holds changes to another state of %s: it needs the one with the id %s, which now has {%s}. "
		"Either it was written to since, or it is another disk; put the right copy in its place.",
		disk->name, parent->name, vhdx->linkage[0], guid);
}

static int get_entry(const struct vhdx *vhdx, uint64_t index, uint64_t *ret_entry)
{
	uint8_t raw[8];
	int r = table_cache_read(vhdx->tables, vhdx->bat.offset + index * 8, raw, sizeof(raw));

	*ret_entry = le64_load(raw);
	return r;
}

static int get_block(const struct vhdx *vhdx, uint64_t block, uint64_t *ret_entry)
{
	return get_entry(vhdx, block + block / vhdx->chunk, ret_entry);
}

static bool is_stored(uint64_t entry)
{
	return (entry & ENTRY_STATE) == BLOCK_FULLY_PRESENT || (entry & ENTRY_STATE) == BLOCK_PARTIALLY_PRESENT;
}

/* What is not stored is zeros or the parent's; false: there is no such state. */
static bool absent_kind(const struct vhdx *vhdx, uint64_t entry, enum disk_extent_kind *ret_kind)
{
	switch (entry & ENTRY_STATE) {
	case BLOCK_NOT_PRESENT:
		*ret_kind = vhdx->has_parent ? DISK_PARENT : DISK_ZERO;
		return true;
	case BLOCK_UNDEFINED:
	case BLOCK_ZERO:
	case BLOCK_UNMAPPED:
	case BLOCK_UNMAPPED_0_95:
		*ret_kind = DISK_ZERO;
		return true;
	default:
		return false;
	}
}

/* A block over the headers, the log or a table is a lie. */
static bool is_misplaced(const struct vhdx *vhdx, uint64_t place, uint64_t length)
{
	const struct vhdx_range here = { place, length };

	return place < VHDX_HEADER_SECTION || place > VHDX_MAX_CAPACITY * 2 || vhdx_overlap(&here, &vhdx->log_range) ||
	       vhdx_overlap(&here, &vhdx->bat) || vhdx_overlap(&here, &vhdx->metadata);
}

/* Does what follows `block`, with entry `before`, go on in the same way? */
static bool goes_on(const struct vhdx *vhdx, uint64_t before, uint64_t entry)
{
	enum disk_extent_kind a, b;

	if (is_stored(before))
		return (before & ENTRY_STATE) == BLOCK_FULLY_PRESENT && (entry & ENTRY_STATE) == BLOCK_FULLY_PRESENT &&
		       (entry & ENTRY_PLACE) == (before & ENTRY_PLACE) + vhdx->block &&
		       !is_misplaced(vhdx, entry & ENTRY_PLACE, vhdx->block);
	return absent_kind(vhdx, before, &a) && absent_kind(vhdx, entry, &b) && a == b;
}

/* Bytes from `within` of a block on that lie as the first of them, at most `length`. */
static uint64_t measure_blocks(const struct vhdx *vhdx, uint64_t block, uint64_t entry, uint64_t within,
                               uint64_t length)
{
	uint64_t found = vhdx->block - within;

	for (unsigned i = 1; i < MAX_RUN && found < length && block + i < vhdx->blocks; i++) {
		uint64_t next;

		if (get_block(vhdx, block + i, &next) < 0 || !goes_on(vhdx, entry, next))
			break;
		entry = next;
		found += vhdx->block;
	}
	return MIN(found, length);
}

/*
 * How many sectors from that at `offset` of the disk on have bits as its own, of `wanted`. Bit 0 of byte 0 is the
 * first.
 */
static int measure_bits(const struct vhdx *vhdx, uint64_t offset, uint32_t wanted, bool *ret_bit, uint32_t *ret_count)
{
	uint64_t bitmap = offset / vhdx->block / vhdx->chunk, entry;
	uint32_t sector = (uint32_t)(offset / DISK_SECTOR % VHDX_SECTORS_PER_BITMAP), bytes, count = 0;
	uint8_t bits[DISK_SECTOR]; /* for 2 MiB of disk; more is answered for in parts */
	int r = get_entry(vhdx, bitmap * (vhdx->chunk + 1ull) + vhdx->chunk, &entry);

	if (r < 0)
		return r;
	if ((entry & ENTRY_STATE) != BLOCK_FULLY_PRESENT || is_misplaced(vhdx, entry & ENTRY_PLACE, BITMAP_SIZE))
		return -EIO;
	bytes = MIN((uint32_t)sizeof(bits), (sector % 8 + wanted + 7) / 8);
	r = table_cache_read(vhdx->tables, (entry & ENTRY_PLACE) + sector / 8, bits, bytes);
	if (r < 0)
		return r;
	for (uint32_t i = sector % 8; i / 8 < bytes && count < wanted; i++, count++) {
		bool bit = bits[i / 8] >> i % 8 & 1;

		if (count == 0)
			*ret_bit = bit;
		else if (bit != *ret_bit)
			break;
	}
	*ret_count = count;
	return 0;
}

/* The bytes at `place` of the file, unless the log has newer ones. ret_extent->length is how many are asked for. */
static int map_place(const struct disk *disk, uint64_t offset, uint64_t place, struct disk_extent *ret_extent)
{
	const struct vhdx *vhdx = disk->private;
	struct vhdx_log_piece piece = vhdx_log_find(vhdx->log, place, ret_extent->length);
	uint64_t left = place < vhdx->file.size ? vhdx->file.size - place : 0;

	ret_extent->length = piece.length;
	if (piece.kind == VHDX_LOG_PAGE) {
		ret_extent->kind = DISK_PACKED;
		ret_extent->unit_offset = offset - place % VHDX_PAGE; /* blocks are whole pages in the disk, too */
		ret_extent->unit_length = (uint32_t)MIN(VHDX_PAGE, disk->capacity - ret_extent->unit_offset);
		ret_extent->unit_key = piece.page;
		return 0;
	}
	ret_extent->kind = DISK_ZERO;
	if (piece.kind == VHDX_LOG_ZERO || (!left && range_within(place, piece.length, vhdx->end)))
		return 0;
	/* Only whole sectors of the file: what lies behind its end may be another's. */
	if (left < ret_extent->length)
		ret_extent->length = left / DISK_SECTOR * DISK_SECTOR;
	ret_extent->kind = DISK_DATA;
	ret_extent->fd = vhdx->file.fd;
	ret_extent->fd_offset = vhdx->file.start + place;
	return ret_extent->length ? 0 : -ENODATA;
}

static int map_partial(const struct disk *disk, uint64_t offset, uint64_t length, uint64_t place,
                       struct disk_extent *ret_extent)
{
	const struct vhdx *vhdx = disk->private;
	uint64_t odd = offset % DISK_SECTOR, wanted = MIN(length, vhdx->block - offset % vhdx->block);
	uint32_t count;
	bool bit;
	int r = measure_bits(vhdx, offset, (uint32_t)((odd + wanted + DISK_SECTOR - 1) / DISK_SECTOR), &bit, &count);

	if (r < 0)
		return r;
	*ret_extent = (struct disk_extent){
		.kind = DISK_PARENT,
		.length = MIN(wanted, (uint64_t)count * DISK_SECTOR - odd),
	};
	return bit ? map_place(disk, offset, place, ret_extent) : 0;
}

static int vhdx_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	const struct vhdx *vhdx = disk->private;
	uint64_t block = offset / vhdx->block, within = offset % vhdx->block, entry, place;
	int r = get_block(vhdx, block, &entry);

	if (r < 0)
		return r;
	place = entry & ENTRY_PLACE;
	if (is_stored(entry) && is_misplaced(vhdx, place, vhdx->block))
		return -EIO;
	if ((entry & ENTRY_STATE) == BLOCK_PARTIALLY_PRESENT)
		return vhdx->has_parent ? map_partial(disk, offset, length, place + within, ret_extent) : -EIO;
	*ret_extent = (struct disk_extent){ .length = measure_blocks(vhdx, block, entry, within, length) };
	if (is_stored(entry))
		return map_place(disk, offset, place + within, ret_extent);
	return absent_kind(vhdx, entry, &ret_extent->kind) ? 0 : -EIO;
}

static int vhdx_unpack(struct disk *disk, const struct disk_extent *extent, void *buffer)
{
	const struct vhdx *vhdx = disk->private;
	uint8_t page[VHDX_PAGE];
	int r = vhdx_log_page(vhdx->log, extent->unit_key, page);

	if (r == 0)
		memcpy(buffer, page, extent->unit_length);
	return r;
}

/* ---- opening ---- */

/*
 * Where a file ends at most whose blocks and bitmaps lie one after the other: an entry that leads further is
 * damaged, which is told when the guest comes there, for what is left can still be rescued.
 */
static uint64_t furthest_end(const struct vhdx *vhdx)
{
	uint64_t tables = vhdx->log_range.length + vhdx->bat.length + vhdx->metadata.length + VHDX_HEADER_SECTION;

	return tables + vhdx->blocks * vhdx->block + (vhdx->blocks / vhdx->chunk + 1) * BITMAP_SIZE + SLACK;
}

/* Where the last of the blocks ends that a page of the BAT names. */
static uint64_t end_of_page(const struct vhdx *vhdx, uint64_t page, uint64_t entries)
{
	uint64_t first = page * ENTRIES_PER_PAGE, count = MIN(ENTRIES_PER_PAGE, entries - first);
	uint64_t limit = furthest_end(vhdx), end = 0;
	uint8_t raw[VHDX_PAGE];

	if (table_cache_read(vhdx->tables, vhdx->bat.offset + page * VHDX_PAGE, raw, count * 8) < 0)
		return 0;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t entry = le64_load(raw + i * 8), place = entry & ENTRY_PLACE;
		bool of_bitmap = (first + i) % (vhdx->chunk + 1ull) == vhdx->chunk;

		if (!of_bitmap && is_stored(entry) && !is_misplaced(vhdx, place, vhdx->block) &&
		    place + vhdx->block <= limit)
			end = MAX(end, place + vhdx->block);
	}
	return end;
}

/* A file that was cut: some pages of the BAT tell, of a large disk not more than of a small one. */
static int check_end(const struct vhdx *vhdx, struct error *e)
{
	uint64_t entries = vhdx->blocks + (vhdx->blocks - 1) / vhdx->chunk, needed = 0;
	uint64_t pages = (entries + ENTRIES_PER_PAGE - 1) / ENTRIES_PER_PAGE, count = MIN(pages, END_SAMPLES);

	for (uint64_t sample = 1; sample <= count; sample++)
		needed = MAX(needed, end_of_page(vhdx, pages * sample / count - 1, entries));
	return needed > vhdx->end ? disk_truncated(e, vhdx->file.name, vhdx->file.size, needed) : 0;
}

/* vhdx->file is borrowed from the caller. */
static int parse(struct disk *disk, struct vhdx *vhdx, struct error *e)
{
	uint8_t type[8];
	int r = file_read(&vhdx->file, 0, type, sizeof(type));

	if (r == 0 && !vhdx_probe(&vhdx->file, type, sizeof(type)))
		return error_set(e, -EINVAL, "%s does not begin as a VHDX does. It is another kind of file or damaged.",
		                 vhdx->file.name);
	if (r < 0)
		return r == -ENODATA ? disk_truncated(e, vhdx->file.name, vhdx->file.size, VHDX_HEADER_SECTION)
		                     : error_set(e, r, "%s cannot be read: %s", vhdx->file.name, strerror(-r));
	r = vhdx_parse(disk, vhdx, e);
	if (r < 0)
		return r;
	disk->unit_limit = vhdx->log ? VHDX_PAGE : 0;
	vhdx->tables = table_cache_new(VHDX_PAGE, PAGES, vhdx_read, vhdx, vhdx->end);
	return vhdx->tables ? check_end(vhdx, e) : error_set(e, -ENOMEM, "%s: not enough memory", disk->name);
}

static int vhdx_open(struct disk *disk, struct file *file, const struct files *files, struct error *e)
{
	struct vhdx *vhdx = disk->private = calloc(1, sizeof(*vhdx));
	int r;

	(void)files;
	if (!vhdx)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	vhdx->file = *file;
	r = parse(disk, vhdx, e);
	if (r < 0)
		vhdx->file = FILE_CLOSED; /* still the caller's */
	else
		*file = FILE_CLOSED;
	return r;
}

static void vhdx_close(struct disk *disk)
{
	struct vhdx *vhdx = disk->private;

	if (!vhdx)
		return;
	table_cache_free(vhdx->tables);
	vhdx_log_free(vhdx->log);
	file_close(&vhdx->file);
	free(vhdx);
}

const struct disk_format vhdx_format = {
	.name = "vhdx",
	.probe = vhdx_probe,
	.open = vhdx_open,
	.close = vhdx_close,
	.map = vhdx_map,
	.unpack = vhdx_unpack,
	.check_parent = vhdx_check_parent,
};
