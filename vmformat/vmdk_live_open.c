/* SPDX-License-Identifier: MIT */
/* A sparse extent before its first write: may it be written, where are its tables, did its last writer close it? */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmformat/vmdk_live_private.h"

/* The entries of a table count sectors in 32 bits: 2 TiB of file, which is 65,536 tables of 64 KiB grains. A
 * quarter of that grain size is the smallest seen; each table costs 32 bytes of memory while they are checked. */
#define MAX_TABLES (1u << 18)
#define LARGEST_FILE ((uint64_t)UINT32_MAX * DISK_SECTOR)

#define NOT_IN_PLACE "so it cannot be written in place"

static int refuse(const struct vmdk_sparse *s, const char *why, struct error *e)
{
	return error_set(e, -ENOTSUP, "%s %s, " NOT_IN_PLACE, s->file.name, why);
}

/* ---- what kind it is ---- */

int vmdk_live_check(const struct vmdk_sparse *s, struct error *e)
{
	if (s->layout != &vmdk_hosted_layout)
		return refuse(s, "is a snapshot of ESX", e);
	if (s->compressed || s->has_footer)
		return refuse(s, "is compressed (streamOptimized), which is made to be read", e);
	if (s->file.start)
		return refuse(s, "lies within another file", e);
	return 0;
}

static int check_header(const struct vmdk_sparse *s, const uint8_t *header, struct error *e)
{
	const uint32_t known = FLAG_NEWLINE_TEST | FLAG_REDUNDANT_TABLE | FLAG_ZEROED_GRAINS;
	uint32_t flags = le32_load(header + HEADER_FLAGS);

	if (le32_load(header + HEADER_VERSION) > 2)
		return refuse(s, "keeps track of its changes for a backup program (version 3)", e);
	if (flags & ~known)
		return refuse(s, "has features that Vitrine does not know", e);
	if (!s->directories[0] || (flags & FLAG_REDUNDANT_TABLE && !s->directories[1]))
		return refuse(s, "has lost one of its two directories of tables", e);
	return 0;
}

/* ---- the places of its tables ---- */

static int read_places(struct vmdk_live *l, unsigned copy)
{
	size_t length = (size_t)l->table_count * 4;
	uint8_t *raw;
	int r;

	if (!l->s->directories[copy])
		return 0;
	raw = malloc(length);
	l->places[copy] = calloc(l->table_count, sizeof(uint32_t));
	r = raw && l->places[copy] ? file_read(&l->s->file, l->s->directories[copy], raw, length) : -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < l->table_count; i++)
		l->places[copy][i] = le32_load(raw + i * 4);
	free(raw);
	return r;
}

static int compare_spans(const void *a, const void *b)
{
	const struct live_span *x = a, *y = b;

	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static void add_span(struct vmdk_live *l, uint64_t begin, uint64_t length)
{
	l->taken[l->taken_count++] = (struct live_span){ begin, begin + length };
}

/* Joins what touches. False: two overlap, or one is not in the file. */
static bool join_spans(struct vmdk_live *l)
{
	size_t count = 0;

	qsort(l->taken, l->taken_count, sizeof(*l->taken), compare_spans);
	for (size_t i = 0; i < l->taken_count; i++) {
		struct live_span span = l->taken[i];

		if (span.end > l->size || (count && span.begin < l->taken[count - 1].end))
			return false;
		if (count && span.begin == l->taken[count - 1].end)
			l->taken[count - 1].end = span.end;
		else
			l->taken[count++] = span;
	}
	l->taken_count = count;
	return true;
}

/*
 * "All the grain tables are created when the sparse extent is created" (chapter "Hosted Sparse Extents"): an
 * extent that lacks some is not written. One table within another, or within the header, would be spoilt by the
 * first write.
 */
static int take_places(struct vmdk_live *l, struct error *e)
{
	const struct vmdk_sparse *s = l->s;

	l->taken = calloc(2 * (size_t)l->table_count + 4, sizeof(*l->taken));
	if (!l->taken)
		return error_set(e, -ENOMEM, "%s: not enough memory", s->file.name);
	add_span(l, 0, HEADER_SIZE);
	if (s->descriptor_length)
		add_span(l, s->descriptor_offset, s->descriptor_length);
	for (unsigned copy = 0; copy < 2; copy++) {
		if (!l->places[copy])
			continue;
		add_span(l, s->directories[copy], (uint64_t)l->table_count * 4);
		for (uint32_t i = 0; i < l->table_count; i++) {
			if (!l->places[copy][i])
				return refuse(s, "lacks some of its tables", e);
			add_span(l, (uint64_t)l->places[copy][i] * DISK_SECTOR, TABLE_SIZE);
		}
	}
	if (!join_spans(l))
		return refuse(s, "has tables that lie over each other or behind its end; it is damaged", e);
	return 0;
}

/* ---- what its tables name ---- */

static bool is_behind_end(const struct vmdk_live *l, uint32_t entry, uint64_t start)
{
	return vmdk_live_is_place(l, entry) &&
	       !range_within((uint64_t)entry * DISK_SECTOR, vmdk_grain_length(l->s, start), l->size_found);
}

/* Does an entry of the table lead behind the end, and that of its spare copy (NULL: there is none), too? */
static bool leads_behind_end(const struct vmdk_live *l, uint32_t number, const uint8_t *raw, const uint8_t *spare)
{
	uint64_t start = (uint64_t)number * GTES_PER_GT * l->s->grain;

	for (unsigned i = 0; i < GTES_PER_GT && start < l->s->capacity; i++, start += l->s->grain)
		if (is_behind_end(l, le32_load(raw + i * 4), start) &&
		    (!spare || is_behind_end(l, le32_load(spare + i * 4), start)))
			return true;
	return false;
}

/* 1: it does. */
static int check_table(const struct vmdk_live *l, uint32_t number)
{
	uint8_t raw[VMDK_PAGE], spare[VMDK_PAGE];
	int r = vmdk_read_page_at(l->s, (uint64_t)l->places[0][number] * DISK_SECTOR, raw);

	if (r < 0 || !leads_behind_end(l, number, raw, NULL))
		return r;
	if (!l->places[1] || vmdk_read_page_at(l->s, (uint64_t)l->places[1][number] * DISK_SECTOR, spare) < 0)
		return 1;
	return leads_behind_end(l, number, raw, spare);
}

/*
 * A copy that was cut, or a host that lost its power, leaves entries behind the end. New grains go just there: two
 * grains of the disk would share a place, and each write to the one spoil the other. To find them takes all tables,
 * 64 MiB of a disk of 1 TiB.
 */
static int check_tables(struct vmdk_live *l, struct error *e)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < l->table_count; i++)
		r = check_table(l, i);
	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", l->s->file.name, strerror(-r));
	return r ? refuse(l->s, "has places for data behind its end: it was cut or is damaged", e) : 0;
}

/* ---- after a crash ---- */

static int mend_page(struct vmdk_live *l, uint32_t number)
{
	uint8_t second[VMDK_PAGE];
	struct vmdk_page *page;
	int r = vmdk_live_load(l, number, &page);

	if (r == 0 && l->places[1] &&
	    (vmdk_read_page_at(l->s, (uint64_t)l->places[1][number] * DISK_SECTOR, second) < 0 ||
	     memcmp(second, page->raw, VMDK_PAGE) != 0))
		vmdk_live_mark_dirty(l, page);
	return r;
}

/* The first copy is right wherever it can be: flushed entries are in both. */
int vmdk_live_mend(struct vmdk_live *l)
{
	const unsigned batch = 512;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < l->table_count; i++) {
		pthread_mutex_lock(&l->lock);
		r = mend_page(l, i);
		pthread_mutex_unlock(&l->lock);
		if (r == 0 && i % batch == batch - 1)
			r = vmdk_live_commit_locked(l);
	}
	return r < 0 ? r : vmdk_live_commit_locked(l);
}

/* ---- opening and freeing ---- */

void vmdk_live_free(struct vmdk_live *l)
{
	for (uint32_t i = 0; l->pages && i < l->table_count; i++)
		free(l->pages[i]);
	free(l->pages);
	free(l->grown);
	free(l->places[0]);
	free(l->places[1]);
	free(l->taken);
	pthread_cond_destroy(&l->locks.released);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->flush_lock);
	free(l);
}

/* All grains that are not there yet may come, and a few that failed writes have lost. */
static uint64_t growth(const struct vmdk_live *l)
{
	uint64_t grains = l->s->capacity / l->s->grain + 1;

	return (grains + grains / 64 + 16) * l->s->grain;
}

static int check(struct vmdk_live *l, const uint8_t *header, uint64_t largest, struct error *e)
{
	uint64_t span = (uint64_t)l->s->grain * GTES_PER_GT, tables = (l->s->capacity + span - 1) / span;
	int r;

	if (tables > MAX_TABLES)
		return refuse(l->s, "has more tables than Vitrine writes", e);
	l->table_count = (uint32_t)tables;
	l->pages = calloc(tables, sizeof(struct vmdk_page *));
	l->grown = calloc(tables, sizeof(bool));
	r = l->pages && l->grown ? read_places(l, 0) : -ENOMEM;
	if (r == 0)
		r = read_places(l, 1);
	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", l->s->file.name, strerror(-r));
	l->size = l->size_found = l->s->file.size;
	r = take_places(l, e);
	if (r == 0)
		r = check_tables(l, e);
	l->end = l->fresh_from = (l->size + l->s->grain - 1) / l->s->grain * l->s->grain;
	l->limit = MIN(l->end + growth(l), MIN(LARGEST_FILE, MAX(largest, l->end)));
	l->was_unclean = header[HEADER_UNCLEAN_SHUTDOWN];
	return r;
}

int vmdk_live_open(struct vmdk_sparse *s, uint64_t length, uint64_t largest, struct vmdk_live **ret_live,
                   struct error *e)
{
	uint8_t header[HEADER_SIZE];
	struct vmdk_live *l;
	int r = vmdk_read_header(&s->file, 0, header, sizeof(header), e);

	if (r == 0)
		r = vmdk_live_check(s, e);
	if (r == 0)
		r = check_header(s, header, e);
	if (r < 0)
		return r;
	l = calloc(1, sizeof(*l));
	if (!l)
		return error_set(e, -ENOMEM, "%s: not enough memory", s->file.name);
	l->s = s;
	l->io = disk_real_io;
	l->length = length;
	pthread_mutex_init(&l->flush_lock, NULL);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->locks.released, NULL);
	r = check(l, header, largest, e);
	if (r < 0) {
		vmdk_live_free(l);
		return r;
	}
	s->file.size = l->limit; /* what readers compare a grain's place with: what it has now is l's */
	s->live = l;
	*ret_live = l;
	return 0;
}
