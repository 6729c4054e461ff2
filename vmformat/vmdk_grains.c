/* SPDX-License-Identifier: MIT */
/*
 * What the kinds of sparse extents have in common: a directory of tables of grains, each level naming places of the next in
 * the same file. There are always just these levels, so no table can lead in a circle; tables that overlap show the guest
 * nothing but its own file. Every number is checked where it is used, and nothing is read before it is asked for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/vmdk_grains.h"
#include "vmformat/vmdk_live.h"

/*
 * Pages of tables, 2 KiB each, kept where (extent, page) falls: a run of 512 pages has no collision. With grains of 64 KiB
 * that is 16 GiB of disk for 1 MiB of memory, more than a guest works on at once; with those of one sector, 128 MiB.
 */
#define CACHE_SLOTS 512u
#define PAGES_OF_2_GB 64u /* the usual piece of a split disk: the next one goes on where its tables end */

struct cache_slot {
	bool valid;
	unsigned extent;
	uint64_t page;
	uint8_t raw[VMDK_PAGE];
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

struct unpacker_pool *vmdk_cache_unpackers(struct vmdk_cache *cache)
{
	return &cache->unpackers;
}

/* ---- opening ---- */

static const struct vmdk_layout *const layouts[] = { &vmdk_hosted_layout, &vmdk_cowd_layout, &vmdk_sesparse_layout };

static const struct vmdk_layout *find_layout(const uint8_t *head, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (length >= layouts[i]->signature_length &&
		    memcmp(head, layouts[i]->signature, layouts[i]->signature_length) == 0)
			return layouts[i];
	return NULL;
}

bool vmdk_sparse_probe(const uint8_t *head, size_t length)
{
	return find_layout(head, length) != NULL;
}

int vmdk_damaged(struct error *e, const char *name, const char *field, uint64_t value, const char *rule)
{
	return error_set(e, -EINVAL,
	                 "%s: %s in the header is %llu, but must be %s. The file is damaged; download or copy it "
	                 "again.",
	                 name, field, (unsigned long long)value, rule);
}

bool vmdk_place(const struct file *file, uint64_t sector, uint64_t length, uint64_t *ret_offset)
{
	return !mul_overflows(sector, (uint64_t)DISK_SECTOR, ret_offset) &&
	       range_within(*ret_offset, length, file->size);
}

int vmdk_read_header(const struct file *file, uint64_t offset, uint8_t *header, size_t length, struct error *e)
{
	int r = file_read(file, offset, header, length);

	if (r == -ENODATA)
		return disk_truncated(e, file->name, file->size, offset + length);
	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", file->name, strerror(-r));
	return 0;
}

int vmdk_no_place(const struct vmdk_sparse *s, const struct file *file, const char *what, uint64_t sector,
                  uint64_t length, struct error *e)
{
	/* Tables lie before the data they lead to: further away than all data there is no place for them. */
	if (sector < s->capacity / DISK_SECTOR)
		return disk_truncated(e, file->name, file->size, sector * DISK_SECTOR + length);
	return vmdk_damaged(e, file->name, what, sector, "a sector of the file");
}

static int parse(struct vmdk_sparse *s, const struct file *file, struct error *e)
{
	uint8_t head[VMDK_SIGNATURE];
	int r = vmdk_read_header(file, 0, head, sizeof(head), e);

	if (r < 0)
		return r;
	s->layout = find_layout(head, sizeof(head));
	if (!s->layout)
		return error_set(e, -EINVAL,
		                 "%s does not begin as a sparse VMDK file does. It is another kind of file or damaged; "
		                 "download or copy it again.",
		                 file->name);
	return s->layout->parse(s, file, e);
}

int vmdk_sparse_open(struct vmdk_sparse *s, struct file *file, struct vmdk_cache *cache, unsigned number,
                     struct error *e)
{
	int r;

	*s = (struct vmdk_sparse){ .file = FILE_CLOSED, .cache = cache, .number = number };
	r = parse(s, file, e);
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

/* ---- tables ---- */

static uint64_t page_span(const struct vmdk_sparse *s)
{
	return (uint64_t)s->grain * s->layout->page_entries;
}

/*
 * A copy of one page, from the cache if it is there. Two threads may read the same one at the same time; both are right.
 */
static int get_page(const struct vmdk_sparse *s, uint64_t page, uint8_t raw[VMDK_PAGE])
{
	struct vmdk_cache *cache = s->cache;
	struct cache_slot *slot = &cache->slots[(page + s->number * PAGES_OF_2_GB) % CACHE_SLOTS];
	bool hit;
	int r;

	if (s->live)
		return vmdk_live_page(s->live, page, raw);
	pthread_mutex_lock(&cache->lock);
	hit = slot->valid && slot->extent == s->number && slot->page == page;
	if (hit)
		memcpy(raw, slot->raw, VMDK_PAGE);
	pthread_mutex_unlock(&cache->lock);
	if (hit)
		return 0;
	r = s->layout->read_page(s, page, raw);
	if (r < 0)
		return -EIO;
	pthread_mutex_lock(&cache->lock);
	slot->valid = true;
	slot->extent = s->number;
	slot->page = page;
	memcpy(slot->raw, raw, VMDK_PAGE);
	pthread_mutex_unlock(&cache->lock);
	return 0;
}

int vmdk_read_page_at(const struct vmdk_sparse *s, uint64_t offset, uint8_t raw[VMDK_PAGE])
{
	if (!range_within(offset, VMDK_PAGE, s->file.size))
		return -EIO;
	return file_read(&s->file, offset, raw, VMDK_PAGE);
}

uint32_t vmdk_grain_length(const struct vmdk_sparse *s, uint64_t start)
{
	return (uint32_t)MIN((uint64_t)s->grain, s->capacity - start);
}

/* ---- where bytes are ---- */

/* What must be in the file of a grain; how long a packed one is, only its marker knows. */
static uint32_t stored_length(const struct vmdk_sparse *s, uint64_t start)
{
	return s->compressed ? VMDK_MARKER : vmdk_grain_length(s, start);
}

/* The grain with entry `index` of its page, which begins at `start`. -EIO: the entry is damaged. */
static int find_grain(const struct vmdk_sparse *s, const uint8_t *raw, unsigned index, uint64_t start,
                      struct vmdk_grain *ret_grain)
{
	int r = s->layout->entry(s, raw, index, ret_grain);

	if (r == 0 && ret_grain->kind == DISK_DATA &&
	    !range_within(ret_grain->offset, stored_length(s, start), s->file.size))
		r = -EIO;
	if (ret_grain->kind == DISK_PARENT && !s->is_delta)
		ret_grain->kind = DISK_ZERO;
	return r;
}

/* Extends *ret_extent over neighbours, up to the end of the page. */
static void extend_run(const struct vmdk_sparse *s, const uint8_t *raw, uint64_t start, uint64_t wanted,
                       struct vmdk_grain grain, struct disk_extent *ret_extent)
{
	unsigned i = (unsigned)(start / s->grain % s->layout->page_entries);
	struct vmdk_grain next;

	while (ret_extent->length < wanted && ++i < s->layout->page_entries) {
		start += s->grain;
		if (start >= s->capacity || find_grain(s, raw, i, start, &next) < 0 || next.kind != grain.kind ||
		    (next.kind == DISK_DATA && next.offset != grain.offset + s->grain))
			break;
		ret_extent->length += vmdk_grain_length(s, start);
		grain = next;
	}
	ret_extent->length = MIN(ret_extent->length, wanted);
}

int vmdk_sparse_map(const struct vmdk_sparse *s, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	uint64_t start = offset - offset % s->grain;
	struct vmdk_grain grain;
	uint8_t raw[VMDK_PAGE];
	int r = get_page(s, offset / page_span(s), raw);

	if (r == 0)
		r = find_grain(s, raw, (unsigned)(start / s->grain % s->layout->page_entries), start, &grain);
	if (r < 0)
		return r;
	*ret_extent = (struct disk_extent){
		.kind = grain.kind,
		.length = MIN(length, start + vmdk_grain_length(s, start) - offset),
	};
	if (grain.kind == DISK_DATA && s->compressed) {
		ret_extent->kind = DISK_PACKED;
		ret_extent->unit_offset = start;
		ret_extent->unit_length = vmdk_grain_length(s, start);
		ret_extent->unit_key = grain.offset;
		return 0;
	}
	if (grain.kind == DISK_DATA) {
		ret_extent->fd = s->file.fd;
		ret_extent->fd_offset = s->file.start + grain.offset + (offset - start);
	}
	extend_run(s, raw, start, length, grain, ret_extent);
	return 0;
}

/*
 * The end of the furthest grain that a page names within reason: no file is longer than its disk, its tables and markers.
 */
static uint64_t furthest_end(const struct vmdk_sparse *s, uint64_t page, const uint8_t *raw)
{
	uint64_t limit = s->capacity + s->capacity / 16 + (1u << 20), furthest = 0, start = page * page_span(s);

	for (unsigned i = 0; i < s->layout->page_entries && start < s->capacity; i++, start += s->grain) {
		struct vmdk_grain grain;
		uint64_t end;

		if (s->layout->entry(s, raw, i, &grain) < 0 || grain.kind != DISK_DATA)
			continue;
		end = grain.offset + stored_length(s, start);
		if (end <= limit)
			furthest = MAX(furthest, end);
	}
	return furthest;
}

int vmdk_sparse_check_end(const struct vmdk_sparse *s, unsigned samples, struct error *e)
{
	uint64_t pages = (s->capacity + page_span(s) - 1) / page_span(s), needed = 0;
	unsigned count = s->has_footer ? 0 : (unsigned)MIN(pages, (uint64_t)samples); /* it ends with its end */

	for (unsigned i = 1; i <= count; i++) {
		uint64_t page = pages * i / count - 1;
		uint8_t raw[VMDK_PAGE];

		/* Damage is told when the guest comes there: what is left can still be rescued. */
		if (s->layout->read_page(s, page, raw) == 0)
			needed = MAX(needed, furthest_end(s, page, raw));
	}
	if (needed > s->file.size)
		return disk_truncated(e, s->file.name, s->file.size, needed);
	return 0;
}
