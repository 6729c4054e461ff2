/* SPDX-License-Identifier: MIT */
/* Hosted sparse extents and stream-optimized ones: header and footer, grain directories and tables, compressed grains. */
#include <errno.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/vmdk_grains.h"
#include "vmformat/vmdk_hosted.h"

/* Grains: "a power of 2 and greater than or equal to 8 sectors". */
#define MIN_GRAIN_SECTORS 8u

/*
 * Chapter "Stream-Optimized": the footer is the second sector from the end, before the end-of-stream marker.
 */
#define FOOTER_FROM_END 1024u

_Static_assert(TABLE_SIZE == VMDK_PAGE, "a table is a page");

/* ---- opening ---- */

static int check_newlines(const uint8_t *header, const char *name, struct error *e)
{
	if (!(le32_load(header + HEADER_FLAGS) & FLAG_NEWLINE_TEST) ||
	    memcmp(header + HEADER_NEWLINES, "\n \r\n", 4) == 0)
		return 0;
	return error_set(e, -EINVAL,
	                 "%s was damaged on its way: its line ends were changed as in a text. Transfer it again in "
	                 "binary mode.",
	                 name);
}

static int check_kind(const uint8_t *header, const char *name, struct error *e)
{
	uint32_t version = le32_load(header + HEADER_VERSION), flags = le32_load(header + HEADER_FLAGS);
	uint16_t algorithm = le16_load(header + HEADER_COMPRESS_ALGORITHM);

	/* 2 adds zeroed grains, 3 adds change tracking, which does not concern a reader. */
	if (version < 1 || version > 3)
		return error_set(e, -ENOTSUP, "%s has version %u of the VMDK format; Vitrine knows 1 to 3", name,
		                 version);
	if (!(flags & FLAG_COMPRESSED))
		return 0;
	if (algorithm != COMPRESSION_DEFLATE)
		return error_set(e, -ENOTSUP, "%s is compressed by method %u; the VMDK format knows only 1 (deflate)",
		                 name, algorithm);
	if (!(flags & FLAG_MARKERS))
		return error_set(e, -ENOTSUP,
		                 "%s is compressed but has no grain markers, which no known program writes", name);
	return 0;
}

static uint64_t directory_entries(const struct vmdk_sparse *s)
{
	uint64_t table_span = (uint64_t)s->grain * GTES_PER_GT;

	return (s->capacity + table_span - 1) / table_span;
}

static int take_geometry(struct vmdk_sparse *s, const uint8_t *header, const char *name, struct error *e)
{
	uint64_t capacity = le64_load(header + HEADER_CAPACITY), grain = le64_load(header + HEADER_GRAIN_SIZE);
	uint32_t gtes = le32_load(header + HEADER_NUM_GTES_PER_GT);

	if (capacity == 0 || capacity > VMDK_MAX_CAPACITY / DISK_SECTOR)
		return vmdk_damaged(e, name, "the capacity", capacity, "from 1 sector to 64 TiB");
	if (!is_power_of_two(grain) || grain < MIN_GRAIN_SECTORS || grain > VMDK_MAX_GRAIN)
		return vmdk_damaged(e, name, "the grain size", grain, "a power of two from 8 to 4096");
	if (gtes != GTES_PER_GT)
		return vmdk_damaged(e, name, "the number of entries in a grain table", gtes, "512");
	s->capacity = capacity * DISK_SECTOR;
	s->grain = (uint32_t)grain * DISK_SECTOR;
	return 0;
}

/* Sectors; 0: the header has none, or it is not in the file. */
static uint64_t usable(const struct file *file, uint64_t sector, uint64_t length)
{
	uint64_t offset;

	return sector != 0 && sector != GD_AT_END && vmdk_place(file, sector, length, &offset) ? offset : 0;
}

/*
 * The second directory leads to tables of its own. It is a spare part: an unusable one is no reason to refuse the disk, and
 * where the first one is unusable, it takes its place.
 */
static int take_directories(struct vmdk_sparse *s, const uint8_t *header, const struct file *file, struct error *e)
{
	uint64_t gd = le64_load(header + HEADER_GD_OFFSET), rgd = le64_load(header + HEADER_RGD_OFFSET);
	uint64_t length = directory_entries(s) * 4;

	if (!(le32_load(header + HEADER_FLAGS) & FLAG_REDUNDANT_TABLE))
		rgd = 0;
	s->directories[0] = usable(file, gd, length);
	s->directories[1] = usable(file, rgd, length);
	if (s->directories[0] || s->directories[1])
		return 0;
	if (gd == 0 || gd == GD_AT_END)
		return vmdk_damaged(e, file->name, "the grain directory's place", gd, "a sector of the file");
	return vmdk_no_place(s, file, "the grain directory's place", gd, length, e);
}

static int take_descriptor(struct vmdk_sparse *s, const uint8_t *header, const struct file *file, struct error *e)
{
	uint64_t offset = le64_load(header + HEADER_DESCRIPTOR_OFFSET),
		 size = le64_load(header + HEADER_DESCRIPTOR_SIZE);

	if (offset == 0 || size == 0)
		return 0;
	if (size > VMDK_MAX_DESCRIPTOR / DISK_SECTOR)
		return vmdk_damaged(e, file->name, "the size of the description", size, "at most 2048 sectors");
	if (!vmdk_place(file, offset, size * DISK_SECTOR, &s->descriptor_offset))
		return offset < s->capacity / DISK_SECTOR
		               ? disk_truncated(e, file->name, file->size, (offset + size) * DISK_SECTOR)
		               : vmdk_damaged(e, file->name, "the description's place", offset, "a sector of the file");
	s->descriptor_length = size * DISK_SECTOR;
	return 0;
}

static int check_header(const uint8_t *header, const char *name, struct error *e)
{
	int r = check_newlines(header, name, e);

	return r == 0 ? check_kind(header, name, e) : r;
}

/*
 * The footer is the header again, with the grain directory's place, which the writer of a stream knows only
 * at its end.
 */
static int read_footer(const struct file *file, uint8_t header[HEADER_SIZE], struct error *e)
{
	int r;

	if (file->size < HEADER_SIZE + FOOTER_FROM_END)
		return disk_truncated(e, file->name, file->size, 0);
	r = vmdk_read_header(file, file->size - FOOTER_FROM_END, header, HEADER_SIZE, e);
	if (r < 0)
		return r;
	if (memcmp(header, "KDMV", 4) != 0)
		return disk_truncated(e, file->name, file->size, 0);
	return check_header(header, file->name, e);
}

static int hosted_parse(struct vmdk_sparse *s, const struct file *file, struct error *e)
{
	uint8_t header[HEADER_SIZE];
	int r = vmdk_read_header(file, 0, header, sizeof(header), e);

	if (r == 0)
		r = check_header(header, file->name, e);
	if (r == 0)
		r = take_geometry(s, header, file->name, e);
	if (r == 0)
		r = take_descriptor(s, header, file, e); /* the footer's copy of these two may be empty */
	if (r == 0 && le64_load(header + HEADER_GD_OFFSET) == GD_AT_END) {
		r = read_footer(file, header, e);
		if (r == 0)
			r = take_geometry(s, header, file->name, e);
		s->has_footer = true;
	}
	if (r == 0)
		r = take_directories(s, header, file, e);
	if (r < 0)
		return r;
	s->compressed = le32_load(header + HEADER_FLAGS) & FLAG_COMPRESSED;
	s->zeroed_grains = le32_load(header + HEADER_FLAGS) & FLAG_ZEROED_GRAINS;
	return 0;
}

/* ---- grain tables ---- */

/*
 * Reads one table through one of the directories. -ENOENT: it has no such table, all its grains are
 * unallocated.
 */
static int read_table_from(const struct vmdk_sparse *s, uint64_t directory, uint64_t table, uint8_t raw[VMDK_PAGE])
{
	uint8_t entry[4];
	int r = directory ? file_read(&s->file, directory + table * 4, entry, sizeof(entry)) : -ENOENT;

	if (r < 0)
		return r;
	return le32_load(entry) ? vmdk_read_page_at(s, (uint64_t)le32_load(entry) * DISK_SECTOR, raw) : -ENOENT;
}

/* A table that only one directory has was lost by the other. */
static int hosted_read_page(const struct vmdk_sparse *s, uint64_t page, uint8_t raw[VMDK_PAGE])
{
	int r = read_table_from(s, s->directories[0], page, raw);

	if (r < 0 && s->directories[1]) {
		int second = read_table_from(s, s->directories[1], page, raw);

		r = second == 0 || !s->directories[0] ? second : r;
	}
	if (r != -ENOENT)
		return r;
	memset(raw, 0, VMDK_PAGE);
	return 0;
}

static int hosted_entry(const struct vmdk_sparse *s, const uint8_t *raw, unsigned index, struct vmdk_grain *ret_grain)
{
	uint32_t entry = le32_load(raw + index * 4);

	*ret_grain = (struct vmdk_grain){ .kind = DISK_DATA, .offset = (uint64_t)entry * DISK_SECTOR };
	if (entry == GTE_UNALLOCATED)
		ret_grain->kind = DISK_PARENT;
	else if (entry == GTE_ZEROED && s->zeroed_grains)
		ret_grain->kind = DISK_ZERO;
	return 0;
}

/* ---- compressed grains ---- */

/* The marker must name the grain that was looked for: a table that leads elsewhere is damaged. */
static int read_packed(const struct vmdk_sparse *s, uint64_t unit_offset, uint64_t key, uint8_t *packed,
                       uint32_t *ret_size)
{
	uint8_t marker[VMDK_MARKER];
	int r = file_read(&s->file, key, marker, sizeof(marker));

	if (r < 0)
		return r;
	*ret_size = le32_load(marker + 8);
	if (le64_load(marker) != unit_offset / DISK_SECTOR || *ret_size == 0 ||
	    *ret_size > unpacker_packed_limit(s->grain))
		return -EIO;
	r = file_read(&s->file, key + VMDK_MARKER, packed, *ret_size);
	return r == -ENODATA ? -EIO : r;
}

int vmdk_sparse_unpack(const struct vmdk_sparse *s, uint64_t unit_offset, uint64_t unit_key, void *buffer,
                       uint32_t limit)
{
	struct unpacker *u = unpacker_get(vmdk_cache_unpackers(s->cache), s->grain);
	size_t unpacked = 0;
	uint32_t size = 0;
	int r;

	if (!u)
		return -ENOMEM;
	r = read_packed(s, unit_offset, unit_key, u->packed, &size);
	/* Writers pack the last grain whole, or only what the capacity leaves of it. */
	if (r == 0 && (libdeflate_zlib_decompress(u->deflate, u->packed, size, limit == s->grain ? buffer : u->unit,
	                                          s->grain, &unpacked) != LIBDEFLATE_SUCCESS ||
	               (unpacked != s->grain && unpacked != vmdk_grain_length(s, unit_offset))))
		r = -EIO;
	if (r == 0 && limit < s->grain)
		memcpy(buffer, u->unit, limit);
	unpacker_put(vmdk_cache_unpackers(s->cache), u);
	return r;
}

const struct vmdk_layout vmdk_hosted_layout = {
	.signature = "KDMV",
	.signature_length = 4,
	.page_entries = GTES_PER_GT,
	.parse = hosted_parse,
	.read_page = hosted_read_page,
	.entry = hosted_entry,
};
