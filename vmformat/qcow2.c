/* SPDX-License-Identifier: MIT */
#include "vmformat/qcow2.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmformat/qcow2_private.h"

#define CACHED_TABLES 32 /* 2 MiB of memory for 16 GiB of disk in use at a time */
#define DIRTY_TABLES 16  /* then a writer commits first, so that clean ones are left to drop */
#define GROW_CLUSTERS 16 /* the file grows by 1 MiB (a hole) at a time: one ftruncate for 16 new clusters */

void qcow2_set_io(struct disk *overlay, const struct disk_io *io)
{
	struct qcow2 *q = overlay->private;

	q->io = *io;
}

int qcow2_read(const struct qcow2 *q, uint64_t offset, void *buffer, size_t length)
{
	const struct file whole = { .fd = q->fd, .size = q->file_clusters * CLUSTER };

	return file_read(&whole, offset, buffer, length);
}

uint64_t flat_get(const struct flat_table *t, uint64_t index)
{
	assert(index < t->entries);
	return be64_load(t->raw + index * 8);
}

void flat_set(struct flat_table *t, uint64_t index, uint64_t value)
{
	assert(index < t->entries);
	be64_store(t->raw + index * 8, value);
	bit_set(t->dirty, index * 8 / TABLE_PAGE);
}

/* ---- clusters of the file ---- */

static void mark_refcount(struct qcow2 *q, uint64_t cluster)
{
	bit_set(q->refs_dirty, cluster / REFS_PER_PAGE);
}

static uint64_t find_free(const struct qcow2 *q)
{
	for (uint64_t c = q->free_hint; c < q->max_clusters;) {
		uint64_t taken = q->used[c / 64] >> (c % 64);

		if (~taken & (UINT64_MAX >> (c % 64)))
			return MIN(c + (uint64_t)__builtin_ctzll(~taken), q->max_clusters);
		c = (c / 64 + 1) * 64;
	}
	return q->max_clusters;
}

/* Under the lock: nobody writes behind the end of the file, so growing it cannot cut anything off. */
static int grow_file(struct qcow2 *q, uint64_t clusters)
{
	if (clusters <= q->file_clusters)
		return 0;
	clusters = MIN(div_round_up(clusters, GROW_CLUSTERS) * GROW_CLUSTERS, q->max_clusters);
	while (q->io.ftruncate(q->io.context, q->fd, (off_t)(clusters * CLUSTER)) < 0)
		if (errno != EINTR)
			return -errno;
	q->file_clusters = clusters;
	return 0;
}

static void take(struct qcow2 *q, uint64_t first, uint64_t count)
{
	for (uint64_t c = first; c < first + count; c++) {
		bit_set(q->used, c);
		mark_refcount(q, c);
	}
	if (first == q->free_hint)
		q->free_hint = first + count;
}

static void give_back(struct qcow2 *q, uint64_t first, uint64_t count)
{
	for (uint64_t c = first; c < first + count; c++) {
		bit_clear(q->used, c);
		mark_refcount(q, c);
	}
	q->free_hint = MIN(q->free_hint, first);
	q->fresh_from = MAX(q->fresh_from, first + count); /* some of it may have been written */
}

static void use_as_refblock(struct qcow2 *q, uint64_t cluster, uint64_t block)
{
	take(q, cluster, 1);
	flat_set(&q->refs, block, cluster * CLUSTER);
	for (unsigned i = 0; i < PAGES_PER_TABLE; i++)
		bit_set(q->refs_dirty, block * PAGES_PER_TABLE + i);
}

int qcow2_allocate(struct qcow2 *q, uint64_t wanted, uint64_t *ret_first, uint64_t *ret_count)
{
	uint64_t first, end, count = 1;
	int r;

	for (;;) {
		first = find_free(q);
		if (first >= q->max_clusters)
			return -EFBIG; /* every cluster of the disk has one already: only a damaged file comes here */
		r = grow_file(q, first + 1);
		if (r < 0)
			return r;
		if (flat_get(&q->refs, first / REFS_PER_BLOCK))
			break;
		/* The first cluster of a range without reference counts becomes their block, and counts itself. */
		use_as_refblock(q, first, first / REFS_PER_BLOCK);
	}
	end = MIN(first + wanted, (first / REFS_PER_BLOCK + 1) * REFS_PER_BLOCK);
	end = MIN(end, q->max_clusters);
	while (first + count < end && !bit_test(q->used, first + count))
		count++;
	r = grow_file(q, first + count);
	if (r < 0)
		return r;
	take(q, first, count);
	*ret_first = first;
	*ret_count = count;
	return 0;
}

int qcow2_ensure_refblock(struct qcow2 *q, uint64_t block)
{
	uint64_t cluster, count;
	int r;

	if (flat_get(&q->refs, block))
		return 0;
	r = qcow2_allocate(q, 1, &cluster, &count);
	if (r < 0)
		return r;
	if (!flat_get(&q->refs, block)) /* else it came with the allocation, and the spare one is given back */
		use_as_refblock(q, cluster, block);
	else
		give_back(q, cluster, 1);
	return 0;
}

void qcow2_render_refcounts(const struct qcow2 *q, uint64_t page, uint8_t *ret_raw)
{
	for (uint64_t i = 0; i < REFS_PER_PAGE; i++) {
		uint64_t cluster = page * REFS_PER_PAGE + i;

		be16_store(ret_raw + i * 2, cluster < q->max_clusters && bit_test(q->used, cluster));
	}
}

/* ---- L2 tables in memory ---- */

static void table_mark(struct qcow2 *q, struct qcow2_table *t, uint16_t pages)
{
	if (!t->dirty && pages)
		q->dirty_tables++;
	t->dirty |= pages;
}

static void entry_set(struct qcow2 *q, struct qcow2_table *t, uint64_t index, uint64_t entry)
{
	be64_store(t->raw + index * 8, entry);
	table_mark(q, t, (uint16_t)(1u << (index * 8 / TABLE_PAGE)));
}

/* Drops the clean table that was used longest ago. All dirty or in use: the cache grows by as many as there are
 * threads. */
static void make_room(struct qcow2 *q)
{
	struct qcow2_table **oldest = NULL, *t;

	if (q->cached_count < CACHED_TABLES)
		return;
	for (struct qcow2_table **p = &q->cached; *p; p = &(*p)->next)
		if (!(*p)->dirty && !(*p)->pins && (!oldest || (*p)->last_use < (*oldest)->last_use))
			oldest = p;
	if (!oldest)
		return;
	t = *oldest;
	*oldest = t->next;
	q->tables[t->l1_index] = NULL;
	q->cached_count--;
	free(t);
}

static struct qcow2_table *add_table(struct qcow2 *q, uint32_t l1_index)
{
	struct qcow2_table *t;

	make_room(q);
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->l1_index = l1_index;
	t->next = q->cached;
	q->cached = t;
	q->cached_count++;
	q->tables[l1_index] = t;
	return t;
}

static void drop_newest(struct qcow2 *q)
{
	struct qcow2_table *t = q->cached;

	q->cached = t->next;
	q->tables[t->l1_index] = NULL;
	q->cached_count--;
	free(t);
}

static int load_table(struct qcow2 *q, uint32_t l1_index, struct qcow2_table **ret_table)
{
	struct qcow2_table *t = add_table(q, l1_index);
	int r;

	if (!t)
		return -ENOMEM;
	t->offset = flat_get(&q->l1, l1_index) & ENTRY_OFFSET;
	r = qcow2_read(q, t->offset, t->raw, CLUSTER);
	if (r < 0) {
		drop_newest(q);
		return r;
	}
	*ret_table = t;
	return 0;
}

static int new_table(struct qcow2 *q, uint32_t l1_index, struct qcow2_table **ret_table)
{
	uint64_t cluster, count;
	struct qcow2_table *t;
	int r = qcow2_allocate(q, 1, &cluster, &count);

	if (r < 0)
		return r;
	t = add_table(q, l1_index);
	if (!t) {
		give_back(q, cluster, 1);
		return -ENOMEM;
	}
	t->offset = cluster * CLUSTER;
	table_mark(q, t, UINT16_MAX); /* the cluster may hold an old crash's leavings */
	flat_set(&q->l1, l1_index, t->offset | ENTRY_COPIED);
	*ret_table = t;
	return 0;
}

/* *ret_table is NULL when there is none and create is false. */
static int get_table(struct qcow2 *q, uint64_t offset, bool create, struct qcow2_table **ret_table)
{
	uint32_t l1_index = (uint32_t)(offset / L2_SPAN);
	int r = 0;

	*ret_table = q->tables[l1_index];
	if (!*ret_table && flat_get(&q->l1, l1_index))
		r = load_table(q, l1_index, ret_table);
	else if (!*ret_table && create)
		r = new_table(q, l1_index, ret_table);
	if (r == 0 && *ret_table)
		(*ret_table)->last_use = ++q->use_count;
	return r;
}

/* ---- map ---- */

/* What an entry means. DATA and ALLOCATED_ZERO name a cluster of the file. */
enum meaning { ABSENT, ZERO, ALLOCATED_ZERO, DATA, DAMAGED };

static enum meaning entry_decode(const struct qcow2 *q, uint64_t entry, uint64_t *ret_cluster)
{
	uint64_t offset = entry & ENTRY_OFFSET;

	*ret_cluster = offset / CLUSTER;
	if (entry & (ENTRY_COMPRESSED | ENTRY_RESERVED) || offset % CLUSTER || *ret_cluster >= q->file_clusters)
		return DAMAGED;
	if (entry & ENTRY_ZERO)
		return offset ? ALLOCATED_ZERO : ZERO;
	return offset ? DATA : ABSENT;
}

struct run {
	enum meaning meaning;
	uint64_t host;  /* first cluster in the file */
	uint64_t count; /* clusters */
};

/* Clusters from index on, at most limit, that can be treated alike: same meaning, in a row in the file. */
static struct run find_run(const struct qcow2 *q, const struct qcow2_table *t, uint64_t index, uint64_t limit)
{
	struct run run = { .count = 1 };

	limit = MIN(limit, L2_ENTRIES - index);
	run.meaning = entry_decode(q, be64_load(t->raw + index * 8), &run.host);
	while (run.count < limit) {
		uint64_t cluster;
		enum meaning meaning = entry_decode(q, be64_load(t->raw + (index + run.count) * 8), &cluster);

		if (meaning != run.meaning || (cluster != run.host + run.count && run.host))
			break;
		run.count++;
	}
	return run;
}

/* Clusters that a range touches from offset on. */
static uint64_t clusters_of(uint64_t offset, uint64_t length)
{
	return div_round_up(offset % CLUSTER + length, CLUSTER);
}

static int overlay_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	static const enum disk_extent_kind kinds[] = {
		[ABSENT] = DISK_PARENT,
		[ZERO] = DISK_ZERO,
		[ALLOCATED_ZERO] = DISK_ZERO,
		[DATA] = DISK_DATA,
	};
	struct qcow2 *q = disk->private;
	struct run run = { ABSENT, 0, L2_ENTRIES - offset / CLUSTER % L2_ENTRIES };
	struct qcow2_table *table;
	int r;

	pthread_mutex_lock(&q->lock);
	r = get_table(q, offset, false, &table);
	if (r == 0 && table)
		run = find_run(q, table, offset / CLUSTER % L2_ENTRIES, clusters_of(offset, length));
	pthread_mutex_unlock(&q->lock);
	if (r == 0 && run.meaning == DAMAGED)
		r = -EIO;
	if (r < 0)
		return r;
	*ret_extent = (struct disk_extent){
		.kind = kinds[run.meaning],
		.length = MIN(length, run.count * CLUSTER - offset % CLUSTER),
		.fd = q->fd,
		.fd_offset = run.host * CLUSTER + offset % CLUSTER,
	};
	return 0;
}

/* ---- writes ---- */

/* Before a thread locks anything: tables that may be dropped must be left. */
static int relieve_cache(struct qcow2 *q)
{
	bool full;
	int r;

	pthread_mutex_lock(&q->lock);
	full = q->dirty_tables >= DIRTY_TABLES;
	r = q->read_only ? -EROFS : q->failed;
	pthread_mutex_unlock(&q->lock);
	return r < 0 || !full ? r : qcow2_commit(q);
}

/* Finds the run of clusters at offset, waiting until nobody is in the way of locking it. */
static int find_unlocked_run(struct qcow2 *q, uint64_t offset, uint64_t length, bool zeroing, struct disk_write *write,
                             struct run *ret_run)
{
	for (;;) {
		int r = get_table(q, offset, true, &write->table);

		if (r < 0)
			return r;
		*ret_run = find_run(q, write->table, offset / CLUSTER % L2_ENTRIES, clusters_of(offset, length));
		if (ret_run->meaning == DAMAGED)
			return -EIO;
		write->begin = offset / CLUSTER;
		write->end = write->begin + ret_run->count;
		write->exclusive = zeroing || ret_run->meaning != DATA;
		if (!disk_write_must_wait(&q->locks, write))
			return 0;
		pthread_cond_wait(&q->locks.released, &q->lock);
	}
}

static int place_write(struct qcow2 *q, uint64_t offset, uint32_t length, struct disk_write *write)
{
	struct run run;
	int r = find_unlocked_run(q, offset, length, false, write, &run);

	if (r < 0)
		return r;
	if (run.meaning == ABSENT || run.meaning == ZERO) {
		r = qcow2_allocate(q, run.count, &run.host, &run.count);
		if (r < 0)
			return r;
		write->end = write->begin + run.count;
		write->fresh = run.host >= q->fresh_from;
	}
	write->host = run.host;
	write->fd_offset = run.host * CLUSTER + offset % CLUSTER;
	write->length = (uint32_t)MIN(length, run.count * CLUSTER - offset % CLUSTER);
	write->table->pins++;
	disk_write_lock(&q->locks, write);
	return 0;
}

int qcow2_write_begin(struct disk *overlay, uint64_t offset, uint32_t length, struct disk_write *ret_write)
{
	struct qcow2 *q = overlay->private;
	uint64_t end;
	int r;

	if (length == 0 || !range_within(offset, length, overlay->capacity))
		return -EINVAL;
	r = relieve_cache(q);
	if (r < 0)
		return r;
	*ret_write = (struct disk_write){ .fd = q->fd };
	pthread_mutex_lock(&q->lock);
	r = place_write(q, offset, length, ret_write);
	pthread_mutex_unlock(&q->lock);
	if (r < 0 || !ret_write->exclusive)
		return r;
	end = offset + ret_write->length;
	ret_write->head = offset % CLUSTER;
	ret_write->tail = (uint32_t)(MIN(div_round_up(end, CLUSTER) * CLUSTER, overlay->capacity) - end);
	return 0;
}

static void link_clusters(struct qcow2 *q, const struct disk_write *write)
{
	for (uint64_t c = write->begin; c < write->end; c++)
		entry_set(q, write->table, c % L2_ENTRIES, ((write->host + c - write->begin) * CLUSTER) | ENTRY_COPIED);
}

/* A failed write leaves the entries as they were: clusters that were allocated for it have no owner, those that were
 * zeros before keep theirs. */
static void unplace(struct qcow2 *q, const struct disk_write *write)
{
	uint64_t owner;

	entry_decode(q, be64_load(write->table->raw + write->begin % L2_ENTRIES * 8), &owner);
	if (owner != write->host)
		give_back(q, write->host, write->end - write->begin);
}

void qcow2_write_end(struct disk *overlay, struct disk_write *write, int result)
{
	struct qcow2 *q = overlay->private;

	pthread_mutex_lock(&q->lock);
	if (write->exclusive && result == 0)
		link_clusters(q, write);
	else if (write->exclusive)
		unplace(q, write);
	write->table->pins--;
	disk_write_unlock(&q->locks, write);
	pthread_mutex_unlock(&q->lock);
}

/* ---- zeros ---- */

/* True when the disk below has only zeros there anyway: a trim of a mostly empty disk then costs no tables. */
static bool parent_is_zero(struct disk *overlay, uint64_t offset, uint64_t length)
{
	length = MIN(length, overlay->capacity - offset);
	while (length) {
		struct disk_extent extent;

		if (disk_map(overlay->parent, offset, length, &extent, NULL) < 0 || extent.kind != DISK_ZERO)
			return false;
		offset += extent.length;
		length -= extent.length;
	}
	return true;
}

/* The cluster stays allocated, so that a later write finds it; only its space is returned. It may fail: the entry
 * says zeros. */
static void punch(const struct qcow2 *q, uint64_t host, uint64_t count)
{
	q->io.punch(q->io.context, q->fd, (off_t)(host * CLUSTER), (off_t)(count * CLUSTER));
}

static void zero_entries(struct qcow2 *q, const struct disk_write *write, const struct run *run)
{
	for (uint64_t i = 0; i < run->count; i++)
		entry_set(q, write->table, (write->begin + i) % L2_ENTRIES,
		          run->meaning == DATA ? ((run->host + i) * CLUSTER) | ENTRY_COPIED | ENTRY_ZERO : ENTRY_ZERO);
}

/* One run of clusters of one table. */
static int zero_run(struct disk *overlay, uint64_t offset, uint64_t length, uint64_t *ret_done)
{
	struct qcow2 *q = overlay->private;
	struct disk_write write = { .fd = q->fd };
	struct run run = { .count = 0 };
	int r = relieve_cache(q);

	if (r < 0)
		return r;
	pthread_mutex_lock(&q->lock);
	r = find_unlocked_run(q, offset, length, true, &write, &run);
	if (r == 0 && (run.meaning == ABSENT || run.meaning == DATA))
		zero_entries(q, &write, &run);
	if (r == 0 && run.meaning == DATA) {
		/* Punched with the clusters locked: a later write must not be caught by it. */
		disk_write_lock(&q->locks, &write);
		pthread_mutex_unlock(&q->lock);
		punch(q, run.host, run.count);
		pthread_mutex_lock(&q->lock);
		disk_write_unlock(&q->locks, &write);
	}
	pthread_mutex_unlock(&q->lock);
	*ret_done = run.count * CLUSTER;
	return r;
}

/* The stretch of [offset, offset + length) that the overlay leaves to a parent that has nothing there; 0: it does
 * not begin so. */
static int skip_empty(struct disk *overlay, uint64_t offset, uint64_t length, uint64_t *ret_length)
{
	struct disk_extent extent;
	int r = overlay_map(overlay, offset, length, &extent);

	*ret_length = 0;
	if (r < 0 || extent.kind != DISK_PARENT)
		return r;
	while (*ret_length < extent.length && parent_is_zero(overlay, offset + *ret_length, CLUSTER))
		*ret_length += CLUSTER;
	return 0;
}

int qcow2_zero(struct disk *overlay, uint64_t offset, uint64_t length)
{
	if (!range_within(offset, length, overlay->capacity) || offset % CLUSTER ||
	    (length % CLUSTER && offset + length != overlay->capacity))
		return -EINVAL;
	while (length) {
		uint64_t done;
		int r = skip_empty(overlay, offset, length, &done);

		if (r == 0 && done == 0)
			r = zero_run(overlay, offset, length, &done);
		if (r < 0)
			return r;
		done = MIN(done, length);
		offset += done;
		length -= done;
	}
	return 0;
}

/* ---- commit ---- */

/* In the order in which they reach the disk. A page may name only what is on the disk already, so a sync lies
 * between kinds; reference counts name nothing, and one too many is a leak at worst. */
enum page_kind { PAGE_REFCOUNTS, PAGE_REFTABLE, PAGE_L2, PAGE_L1, PAGE_HEADER, PAGE_KINDS };

struct page {
	enum page_kind kind;
	uint32_t number;
	uint64_t offset;           /* in the file */
	struct qcow2_table *table; /* PAGE_L2: pinned */
};

/* Copies of all that was dirty at one moment, so that other threads may go on. */
struct batch {
	struct page *pages;
	uint8_t *data;
	size_t count, limit;
};

static uint64_t next_bit(const uint64_t *bits, uint64_t from, uint64_t limit)
{
	while (from < limit && !bit_test(bits, from))
		from = bits[from / 64] >> (from % 64) ? from + 1 : (from / 64 + 1) * 64;
	return MIN(from, limit);
}

static size_t count_bits(const uint64_t *bits, uint64_t limit)
{
	size_t count = 0;

	for (uint64_t i = 0; i < div_round_up(limit, 64); i++)
		count += (size_t)__builtin_popcountll(bits[i]);
	return count;
}

static uint64_t refcount_pages(const struct qcow2 *q)
{
	return (uint64_t)q->refs.entries * PAGES_PER_TABLE;
}

static int batch_init(const struct qcow2 *q, struct batch *b)
{
	size_t limit = q->header_dirty + count_bits(q->refs_dirty, refcount_pages(q)) +
	               count_bits(q->refs.dirty, q->refs.pages) + count_bits(q->l1.dirty, q->l1.pages);

	for (const struct qcow2_table *t = q->cached; t; t = t->next)
		limit += (size_t)__builtin_popcount(t->dirty);
	*b = (struct batch){ .limit = limit };
	if (limit == 0)
		return 0;
	b->pages = malloc(limit * sizeof(*b->pages));
	b->data = malloc(limit * TABLE_PAGE);
	if (b->pages && b->data)
		return 0;
	free(b->pages);
	free(b->data);
	return -ENOMEM;
}

static uint8_t *batch_add(struct batch *b, struct page page)
{
	assert(b->count < b->limit);
	b->pages[b->count] = page;
	return b->data + b->count++ * TABLE_PAGE;
}

static void collect_refcounts(struct qcow2 *q, struct batch *b)
{
	uint64_t limit = refcount_pages(q);

	for (uint64_t p = next_bit(q->refs_dirty, 0, limit); p < limit; p = next_bit(q->refs_dirty, p + 1, limit)) {
		uint64_t block = flat_get(&q->refs, p / PAGES_PER_TABLE);

		qcow2_render_refcounts(q, p,
		                       batch_add(b, (struct page){ PAGE_REFCOUNTS, (uint32_t)p,
		                                                   block + p % PAGES_PER_TABLE * TABLE_PAGE }));
		bit_clear(q->refs_dirty, p);
	}
}

static void collect_flat(struct flat_table *t, enum page_kind kind, struct batch *b)
{
	for (uint64_t p = next_bit(t->dirty, 0, t->pages); p < t->pages; p = next_bit(t->dirty, p + 1, t->pages)) {
		memcpy(batch_add(b, (struct page){ kind, (uint32_t)p, t->offset + p * TABLE_PAGE }),
		       t->raw + p * TABLE_PAGE, TABLE_PAGE);
		bit_clear(t->dirty, p);
	}
}

static void collect_table(struct qcow2 *q, struct qcow2_table *t, struct batch *b)
{
	for (unsigned p = 0; p < PAGES_PER_TABLE; p++) {
		if (!(t->dirty >> p & 1))
			continue;
		memcpy(batch_add(b, (struct page){ PAGE_L2, p, t->offset + p * TABLE_PAGE, t }),
		       t->raw + p * TABLE_PAGE, TABLE_PAGE);
		t->pins++;
	}
	if (t->dirty)
		q->dirty_tables--;
	t->dirty = 0;
}

static void collect(struct qcow2 *q, struct batch *b)
{
	collect_refcounts(q, b);
	collect_flat(&q->refs, PAGE_REFTABLE, b);
	for (struct qcow2_table *t = q->cached; t; t = t->next)
		collect_table(q, t, b);
	collect_flat(&q->l1, PAGE_L1, b);
	if (q->header_dirty)
		memcpy(batch_add(b, (struct page){ PAGE_HEADER, 0, 0 }), q->header, TABLE_PAGE);
	q->header_dirty = false;
}

/* What was not written is dirty again. */
static void restore(struct qcow2 *q, const struct page *page)
{
	switch (page->kind) {
	case PAGE_REFCOUNTS:
		bit_set(q->refs_dirty, page->number);
		break;
	case PAGE_REFTABLE:
		bit_set(q->refs.dirty, page->number);
		break;
	case PAGE_L2:
		table_mark(q, page->table, (uint16_t)(1u << page->number));
		break;
	case PAGE_L1:
		bit_set(q->l1.dirty, page->number);
		break;
	default:
		q->header_dirty = true;
		break;
	}
}

static void settle(struct qcow2 *q, struct batch *b, int result)
{
	for (size_t i = 0; i < b->count; i++) {
		if (result < 0)
			restore(q, &b->pages[i]);
		if (b->pages[i].table)
			b->pages[i].table->pins--;
	}
	free(b->pages);
	free(b->data);
}

static int sync_file(struct qcow2 *q)
{
	int r = disk_sync(&q->io, q->fd);

	if (r < 0) {
		pthread_mutex_lock(&q->lock);
		q->failed = r;
		pthread_mutex_unlock(&q->lock);
	}
	return r;
}

/* Writes the pages of one kind from *at on; neighbours in one go. */
static int write_pages(const struct qcow2 *q, const struct batch *b, enum page_kind kind, size_t *at)
{
	while (*at < b->count && b->pages[*at].kind == kind) {
		uint64_t offset = b->pages[*at].offset;
		size_t n = 1;
		int r;

		while (*at + n < b->count && b->pages[*at + n].kind == kind &&
		       b->pages[*at + n].offset == offset + n * TABLE_PAGE)
			n++;
		r = disk_pwrite(&q->io, q->fd, b->data + *at * TABLE_PAGE, n * TABLE_PAGE, offset);
		if (r < 0)
			return r;
		*at += n;
	}
	return 0;
}

static int write_batch(struct qcow2 *q, const struct batch *b)
{
	size_t at = 0;
	int r = write_pages(q, b, PAGE_REFCOUNTS, &at);

	while (r == 0 && at < b->count) {
		/* A kind that follows must find on the disk what it names; the first time, that is the guest's data
		 * too. */
		r = sync_file(q);
		if (r == 0)
			r = write_pages(q, b, b->pages[at].kind, &at);
	}
	return r < 0 ? r : sync_file(q);
}

int qcow2_commit(struct qcow2 *q)
{
	struct batch batch;
	int r;

	if (q->read_only)
		return 0;
	pthread_mutex_lock(&q->flush_lock);
	pthread_mutex_lock(&q->lock);
	r = q->failed;
	if (r == 0)
		r = batch_init(q, &batch);
	if (r == 0)
		collect(q, &batch);
	pthread_mutex_unlock(&q->lock);
	if (r == 0) {
		r = write_batch(q, &batch);
		pthread_mutex_lock(&q->lock);
		settle(q, &batch, r);
		pthread_mutex_unlock(&q->lock);
	}
	pthread_mutex_unlock(&q->flush_lock);
	return r;
}

int qcow2_flush(struct disk *overlay)
{
	return qcow2_commit(overlay->private);
}

bool qcow2_failed(struct disk *overlay)
{
	struct qcow2 *q = overlay->private;
	bool failed;

	pthread_mutex_lock(&q->lock);
	failed = q->failed < 0;
	pthread_mutex_unlock(&q->lock);
	return failed;
}

/* ---- the end ---- */

static void flat_free(struct flat_table *t)
{
	free(t->raw);
	free(t->dirty);
}

void qcow2_free(struct qcow2 *q)
{
	if (!q)
		return;
	while (q->cached)
		drop_newest(q);
	flat_free(&q->l1);
	flat_free(&q->refs);
	free(q->tables);
	free(q->used);
	free(q->refs_dirty);
	pthread_cond_destroy(&q->locks.released);
	pthread_mutex_destroy(&q->lock);
	pthread_mutex_destroy(&q->flush_lock);
	free(q);
}

/* The last flush's error has no way out from here: who wants to know flushes before. */
static void overlay_close(struct disk *disk)
{
	struct qcow2 *q = disk->private;

	qcow2_commit(q);
	close(q->fd);
	qcow2_free(q);
}

const struct disk_writer qcow2_writer = {
	.begin = qcow2_write_begin,
	.end = qcow2_write_end,
	.zero = qcow2_zero,
	.flush = qcow2_flush,
	.failed = qcow2_failed,
	.set_io = qcow2_set_io,
};

/* Not in the table of disk_formats.c: an overlay is opened by qcow2_overlay_open() alone. */
const struct disk_format qcow2_overlay_format = {
	.name = "qcow2",
	.close = overlay_close,
	.map = overlay_map,
};
