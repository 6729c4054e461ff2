/* SPDX-License-Identifier: MIT */
/*
 * One extent of grains: header, grain directory, grain tables, grains; each level holds sector numbers of the
 * next in the same file. There are always just these levels, so no table can lead in a circle; tables that
 * overlap show the guest nothing but its own file. Every number is checked where it is used, and nothing is
 * read before it is asked for.
 */
#include "vmformat/vmdk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/unpacker.h"

/*
 * Chapter "Hosted Sparse Extents", struct SparseExtentHeader: byte offsets. Places and sizes in it are in
 * sectors.
 */
enum {
	HEADER_VERSION = 4,
	HEADER_FLAGS = 8,
	HEADER_CAPACITY = 12,
	HEADER_GRAIN_SIZE = 20,
	HEADER_DESCRIPTOR_OFFSET = 28,
	HEADER_DESCRIPTOR_SIZE = 36,
	HEADER_NUM_GTES_PER_GT = 44,
	HEADER_RGD_OFFSET = 48,
	HEADER_GD_OFFSET = 56,
	HEADER_NEWLINES = 73,
	HEADER_COMPRESS_ALGORITHM = 77,
	HEADER_SIZE = 512,
};

enum {
	FLAG_NEWLINE_TEST = 1u << 0,
	FLAG_REDUNDANT_TABLE = 1u << 1,
	FLAG_ZEROED_GRAINS = 1u << 2,
	FLAG_COMPRESSED = 1u << 16,
	FLAG_MARKERS = 1u << 17,
};

enum { COMPRESSION_NONE = 0, COMPRESSION_DEFLATE = 1 };

#define GD_AT_END UINT64_MAX
#define GTES_PER_GT 512u /* the specification allows no other */
#define TABLE_SIZE (GTES_PER_GT * 4)
#define GTE_UNALLOCATED 0u
#define GTE_ZEROED 1u

/*
 * Grains: "a power of 2 and greater than or equal to 8 sectors". All known writers use 128 sectors; 2 MiB
 * bounds the buffers that unpacking takes on each worker.
 */
#define MIN_GRAIN_SECTORS 8u
#define MAX_GRAIN_SECTORS 4096u

/*
 * Chapter "Stream-Optimized": the footer is the second sector from the end, before the end-of-stream marker.
 */
#define FOOTER_FROM_END 1024u

/* A grain marker: the grain's first sector (8 bytes), bytes of compressed data (4), the data. */
#define MARKER_SIZE 12u

/*
 * Grain tables, 2 KiB each, kept where (extent, table) falls: a run of 128 tables has no collision. With
 * grains of 64 KiB that is 4 GiB of disk for 256 KiB of memory, more than a guest works on at once.
 */
#define CACHE_SLOTS 128u
#define TABLES_OF_2_GB 64u /* the usual piece of a split disk: the next one goes on where its tables end */

struct cache_slot {
	bool valid;
	unsigned extent;
	uint64_t table;
	uint32_t entries[GTES_PER_GT];
};

struct vmdk_cache {
	pthread_mutex_t lock; /* guards slots; never held during I/O */
	struct cache_slot *slots;
	struct unpacker_pool unpackers;
};

struct vmdk_cache *vmdk_cache_new(void)
{
	struct vmdk_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->slots = calloc(CACHE_SLOTS, sizeof(*cache->slots));
	if (!cache->slots) {
		free(cache);
		return NULL;
	}
	pthread_mutex_init(&cache->lock, NULL);
	unpacker_pool_init(&cache->unpackers);
	return cache;
}

void vmdk_cache_free(struct vmdk_cache *cache)
{
	if (!cache)
		return;
	unpacker_pool_free(&cache->unpackers);
	pthread_mutex_destroy(&cache->lock);
	free(cache->slots);
	free(cache);
}

/* ---- opening ---- */

/* Signatures of what is refused with a reason. */
static const struct {
	const char *signature, *reason;
	size_t length;
} cousins[] = {
	{ "COWD", "a redo log of ESX or VMware 3, which has only what changed since a snapshot", 4 },
	{ "\xbe\xba\xfe\xca\0\0\0\0", "a space-efficient disk of ESXi (seSparse)", 8 },
};

bool vmdk_sparse_probe(const uint8_t *head, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(cousins); i++)
		if (length >= cousins[i].length && memcmp(head, cousins[i].signature, cousins[i].length) == 0)
			return true;
	return length >= 4 && memcmp(head, "KDMV", 4) == 0;
}

static int check_signature(const uint8_t *header, const char *name, struct error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(cousins); i++)
		if (memcmp(header, cousins[i].signature, cousins[i].length) == 0)
			return error_set(e, -ENOTSUP,
			                 "%s is %s; Vitrine does not play it. In VMware, export the machine as OVF.",
			                 name, cousins[i].reason);
	if (memcmp(header, "KDMV", 4) != 0)
		return error_set(e, -EINVAL,
		                 "%s does not begin as a sparse VMDK file does. It is another kind of file or damaged; "
		                 "download or copy it again.",
		                 name);
	return 0;
}

static int damaged(struct error *e, const char *name, const char *field, uint64_t value, const char *rule)
{
	return error_set(e, -EINVAL,
	                 "%s: %s in the header is %llu, but must be %s. The file is damaged; download or copy it "
	                 "again.",
	                 name, field, (unsigned long long)value, rule);
}

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
		return damaged(e, name, "the capacity", capacity, "from 1 sector to 64 TiB");
	if (!is_power_of_two(grain) || grain < MIN_GRAIN_SECTORS || grain > MAX_GRAIN_SECTORS)
		return damaged(e, name, "the grain size", grain, "a power of two from 8 to 4096");
	if (gtes != GTES_PER_GT)
		return damaged(e, name, "the number of entries in a grain table", gtes, "512");
	s->capacity = capacity * DISK_SECTOR;
	s->grain = (uint32_t)grain * DISK_SECTOR;
	return 0;
}

/* A place in the file, in sectors, to bytes. False: bytes there are behind the end of the file. */
static bool place(const struct file *file, uint64_t sector, uint64_t length, uint64_t *ret_offset)
{
	return !mul_overflows(sector, (uint64_t)DISK_SECTOR, ret_offset) &&
	       range_within(*ret_offset, length, file->size);
}

static int take_directories(struct vmdk_sparse *s, const uint8_t *header, const struct file *file, struct error *e)
{
	uint64_t gd = le64_load(header + HEADER_GD_OFFSET), rgd = le64_load(header + HEADER_RGD_OFFSET);
	uint64_t length = directory_entries(s) * 4;

	if (gd == 0 || gd == GD_AT_END)
		return damaged(e, file->name, "the grain directory's place", gd, "a sector of the file");
	if (!place(file, gd, length, &s->directories[0])) {
		/*
		 * Directories lie before the data they lead to: further away than all data there is no place
		 * for them.
		 */
		if (gd < s->capacity / DISK_SECTOR)
			return disk_truncated(e, file->name, file->size, gd * DISK_SECTOR + length);
		return damaged(e, file->name, "the grain directory's place", gd, "a sector of the file");
	}
	/* The second copy is a spare part: an unusable one is no reason to refuse the disk. */
	if (!(le32_load(header + HEADER_FLAGS) & FLAG_REDUNDANT_TABLE) || !place(file, rgd, length, &s->directories[1]))
		s->directories[1] = 0;
	return 0;
}

static int take_descriptor(struct vmdk_sparse *s, const uint8_t *header, const struct file *file, struct error *e)
{
	uint64_t offset = le64_load(header + HEADER_DESCRIPTOR_OFFSET),
		 size = le64_load(header + HEADER_DESCRIPTOR_SIZE);

	if (offset == 0 || size == 0)
		return 0;
	if (size > VMDK_MAX_DESCRIPTOR / DISK_SECTOR)
		return damaged(e, file->name, "the size of the description", size, "at most 2048 sectors");
	if (!place(file, offset, size * DISK_SECTOR, &s->descriptor_offset))
		return offset < s->capacity / DISK_SECTOR
		               ? disk_truncated(e, file->name, file->size, (offset + size) * DISK_SECTOR)
		               : damaged(e, file->name, "the description's place", offset, "a sector of the file");
	s->descriptor_length = size * DISK_SECTOR;
	return 0;
}

static int check_header(const uint8_t *header, const char *name, struct error *e)
{
	int r = check_signature(header, name, e);

	if (r == 0)
		r = check_newlines(header, name, e);
	if (r == 0)
		r = check_kind(header, name, e);
	return r;
}

static int read_header(const struct file *file, uint64_t offset, uint8_t header[HEADER_SIZE], struct error *e)
{
	int r = file_read(file, offset, header, HEADER_SIZE);

	if (r == -ENODATA)
		return disk_truncated(e, file->name, file->size, HEADER_SIZE);
	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", file->name, strerror(-r));
	return 0;
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
	r = read_header(file, file->size - FOOTER_FROM_END, header, e);
	if (r < 0)
		return r;
	if (memcmp(header, "KDMV", 4) != 0)
		return disk_truncated(e, file->name, file->size, 0);
	return check_header(header, file->name, e);
}

static int parse_header(struct vmdk_sparse *s, const struct file *file, struct error *e)
{
	uint8_t header[HEADER_SIZE];
	int r = read_header(file, 0, header, e);

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

int vmdk_sparse_open(struct vmdk_sparse *s, struct file *file, struct vmdk_cache *cache, unsigned number,
                     struct error *e)
{
	int r;

	*s = (struct vmdk_sparse){ .file = FILE_CLOSED, .cache = cache, .number = number };
	r = parse_header(s, file, e);
	if (r < 0)
		return r;
	s->file = *file;
	*file = FILE_CLOSED;
	return 0;
}

void vmdk_sparse_close(struct vmdk_sparse *s)
{
	file_close(&s->file);
}

/* ---- grain tables ---- */

/*
 * Reads one table through one of the directories. -ENOENT: it has no such table, all its grains are
 * unallocated.
 */
static int read_table_from(const struct vmdk_sparse *s, uint64_t directory, uint64_t table, uint32_t *entries)
{
	uint8_t raw[TABLE_SIZE];
	uint64_t offset;
	int r = file_read(&s->file, directory + table * 4, raw, 4);

	if (r < 0)
		return r;
	if (le32_load(raw) == 0)
		return -ENOENT;
	if (!place(&s->file, le32_load(raw), TABLE_SIZE, &offset))
		return -EIO;
	r = file_read(&s->file, offset, raw, TABLE_SIZE);
	for (unsigned i = 0; r == 0 && i < GTES_PER_GT; i++)
		entries[i] = le32_load(raw + i * 4);
	return r;
}

static int read_table(const struct vmdk_sparse *s, uint64_t table, uint32_t entries[GTES_PER_GT])
{
	int r = read_table_from(s, s->directories[0], table, entries);

	if (r < 0 && r != -ENOENT && s->directories[1])
		r = read_table_from(s, s->directories[1], table, entries);
	if (r == -ENOENT) {
		memset(entries, 0, TABLE_SIZE);
		return 0;
	}
	return r < 0 ? -EIO : 0;
}

/*
 * A copy of one table, from the cache if it is there. Two threads may read the same one at the same time;
 * both are right.
 */
static int get_table(const struct vmdk_sparse *s, uint64_t table, uint32_t entries[GTES_PER_GT])
{
	struct vmdk_cache *cache = s->cache;
	struct cache_slot *slot = &cache->slots[(table + s->number * TABLES_OF_2_GB) % CACHE_SLOTS];
	bool hit;
	int r;

	pthread_mutex_lock(&cache->lock);
	hit = slot->valid && slot->extent == s->number && slot->table == table;
	if (hit)
		memcpy(entries, slot->entries, TABLE_SIZE);
	pthread_mutex_unlock(&cache->lock);
	if (hit)
		return 0;
	r = read_table(s, table, entries);
	if (r < 0)
		return r;
	pthread_mutex_lock(&cache->lock);
	*slot = (struct cache_slot){ .valid = true, .extent = s->number, .table = table };
	memcpy(slot->entries, entries, TABLE_SIZE);
	pthread_mutex_unlock(&cache->lock);
	return 0;
}

/* What an entry stands for; a DATA one may be compressed. */
static enum disk_extent_kind entry_kind(const struct vmdk_sparse *s, uint32_t entry)
{
	if (entry == GTE_UNALLOCATED)
		return s->is_delta ? DISK_PARENT : DISK_ZERO;
	return entry == GTE_ZEROED && s->zeroed_grains ? DISK_ZERO : DISK_DATA;
}

/* How much of the grain at `start` counts: the last one may be cut by the capacity. */
static uint32_t grain_length(const struct vmdk_sparse *s, uint64_t start)
{
	return (uint32_t)MIN((uint64_t)s->grain, s->capacity - start);
}

/* What must be in the file of a grain; how long a packed one is, only its marker knows. */
static uint32_t stored_length(const struct vmdk_sparse *s, uint64_t start)
{
	return s->compressed ? MARKER_SIZE : grain_length(s, start);
}

static bool is_stored(const struct vmdk_sparse *s, uint32_t entry, uint64_t start)
{
	uint64_t offset;

	return place(&s->file, entry, stored_length(s, start), &offset);
}

/* Does the grain after one with entry `before` go on where that one ends, in the same way? */
static bool goes_on(const struct vmdk_sparse *s, uint32_t before, uint32_t entry, uint64_t start)
{
	enum disk_extent_kind kind = entry_kind(s, before);

	if (kind != entry_kind(s, entry))
		return false;
	return kind != DISK_DATA || (entry == (uint64_t)before + s->grain / DISK_SECTOR && is_stored(s, entry, start));
}

/* Extends *ret_extent over neighbours, up to the end of the grain table. */
static void extend_run(const struct vmdk_sparse *s, const uint32_t *entries, uint64_t start, uint64_t wanted,
                       struct disk_extent *ret_extent)
{
	unsigned i = (unsigned)(start / s->grain % GTES_PER_GT);

	while (ret_extent->length < wanted && i + 1 < GTES_PER_GT) {
		start += s->grain;
		if (start >= s->capacity || !goes_on(s, entries[i], entries[i + 1], start))
			break;
		ret_extent->length += grain_length(s, start);
		i++;
	}
	ret_extent->length = MIN(ret_extent->length, wanted);
}

int vmdk_sparse_map(const struct vmdk_sparse *s, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	uint64_t start = offset - offset % s->grain, place_in_file;
	uint32_t entries[GTES_PER_GT], entry;
	int r = get_table(s, start / s->grain / GTES_PER_GT, entries);

	if (r < 0)
		return r;
	entry = entries[start / s->grain % GTES_PER_GT];
	if (entry_kind(s, entry) == DISK_DATA && !is_stored(s, entry, start))
		return -EIO;
	place_in_file = (uint64_t)entry * DISK_SECTOR;
	*ret_extent = (struct disk_extent){
		.kind = entry_kind(s, entry),
		.length = MIN(length, start + grain_length(s, start) - offset),
	};
	if (ret_extent->kind == DISK_DATA && s->compressed) {
		ret_extent->kind = DISK_PACKED;
		ret_extent->unit_offset = start;
		ret_extent->unit_length = grain_length(s, start);
		ret_extent->unit_key = place_in_file;
		return 0;
	}
	if (ret_extent->kind == DISK_DATA) {
		ret_extent->fd = s->file.fd;
		ret_extent->fd_offset = s->file.start + place_in_file + (offset - start);
	}
	extend_run(s, entries, start, length, ret_extent);
	return 0;
}

/*
 * The end of the furthest grain that a table names within reason: no file is longer than its disk, its tables
 * and markers.
 */
static uint64_t furthest_end(const struct vmdk_sparse *s, uint64_t table, const uint32_t *entries)
{
	uint64_t limit = s->capacity + s->capacity / 16 + (1u << 20), furthest = 0;
	uint64_t start = table * GTES_PER_GT * s->grain;

	for (unsigned i = 0; i < GTES_PER_GT && start < s->capacity; i++, start += s->grain) {
		uint64_t end = (uint64_t)entries[i] * DISK_SECTOR + stored_length(s, start);

		if (entry_kind(s, entries[i]) == DISK_DATA && end <= limit)
			furthest = MAX(furthest, end);
	}
	return furthest;
}

int vmdk_sparse_check_end(const struct vmdk_sparse *s, unsigned samples, struct error *e)
{
	uint64_t tables = directory_entries(s), needed = 0;
	unsigned count = s->has_footer ? 0 : (unsigned)MIN(tables, (uint64_t)samples); /* it ends with its end */

	for (unsigned i = 1; i <= count; i++) {
		uint32_t entries[GTES_PER_GT];
		uint64_t table = tables * i / count - 1;

		/* Damage is told when the guest comes there: what is left can still be rescued. */
		if (read_table(s, table, entries) == 0)
			needed = MAX(needed, furthest_end(s, table, entries));
	}
	if (needed > s->file.size)
		return disk_truncated(e, s->file.name, s->file.size, needed);
	return 0;
}

/* ---- compressed grains ---- */

/* The marker must name the grain that was looked for: a table that leads elsewhere is damaged. */
static int read_packed(const struct vmdk_sparse *s, uint64_t unit_offset, uint64_t key, uint8_t *packed,
                       uint32_t *ret_size)
{
	uint8_t marker[MARKER_SIZE];
	int r = file_read(&s->file, key, marker, sizeof(marker));

	if (r < 0)
		return r;
	*ret_size = le32_load(marker + 8);
	if (le64_load(marker) != unit_offset / DISK_SECTOR || *ret_size == 0 ||
	    *ret_size > unpacker_packed_limit(s->grain))
		return -EIO;
	r = file_read(&s->file, key + MARKER_SIZE, packed, *ret_size);
	return r == -ENODATA ? -EIO : r;
}

int vmdk_sparse_unpack(const struct vmdk_sparse *s, uint64_t unit_offset, uint64_t unit_key, void *buffer,
                       uint32_t limit)
{
	struct unpacker *u = unpacker_get(&s->cache->unpackers, s->grain);
	size_t unpacked = 0;
	uint32_t size = 0;
	int r;

	if (!u)
		return -ENOMEM;
	r = read_packed(s, unit_offset, unit_key, u->packed, &size);
	/* Writers pack the last grain whole, or only what the capacity leaves of it. */
	if (r == 0 && (libdeflate_zlib_decompress(u->deflate, u->packed, size, limit == s->grain ? buffer : u->unit,
	                                          s->grain, &unpacked) != LIBDEFLATE_SUCCESS ||
	               (unpacked != s->grain && unpacked != grain_length(s, unit_offset))))
		r = -EIO;
	if (r == 0 && limit < s->grain)
		memcpy(buffer, u->unit, limit);
	unpacker_put(&s->cache->unpackers, u);
	return r;
}
