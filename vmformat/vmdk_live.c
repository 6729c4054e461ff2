/* SPDX-License-Identifier: MIT */
#include "vmformat/vmdk_live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/vmdk_live_private.h"

#define PAGES_LOADED 2048u /* 4 MiB of memory for 64 GiB of disk in use at a time, with grains of 64 KiB */
#define PAGES_DIRTY 1024u  /* then a writer commits first, so that clean ones are left to drop */

static uint64_t div_round_up(uint64_t n, uint64_t by)
{
	return n / by + (n % by != 0);
}

/* ---- tables in memory ---- */

/* The first span that ends behind `offset`. */
static size_t find_taken(const struct vmdk_live *l, uint64_t offset)
{
	size_t low = 0, high = l->taken_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->taken[middle].end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool vmdk_live_is_place(const struct vmdk_live *l, uint32_t entry)
{
	return entry != GTE_UNALLOCATED && !(entry == GTE_ZEROED && l->s->zeroed_grains);
}

/*
 * Whether two entries name the same grain is not looked for: it would take a bit for each sector of the file.
 * Whoever made such a file shows and harms only the content of this disk, which is the guest's.
 */
bool vmdk_live_is_sound(const struct vmdk_live *l, uint32_t entry, uint64_t start)
{
	uint64_t offset = (uint64_t)entry * DISK_SECTOR, length = vmdk_grain_length(l->s, start);
	bool grown = l->grown[start / l->s->grain / GTES_PER_GT];
	size_t i;

	if (!vmdk_live_is_place(l, entry))
		return true;
	if (!range_within(offset, length, grown ? l->size : l->size_found))
		return false;
	i = find_taken(l, offset);
	return i == l->taken_count || l->taken[i].begin >= offset + length;
}

void vmdk_live_mark_dirty(struct vmdk_live *l, struct vmdk_page *page)
{
	l->dirty += !page->dirty;
	page->dirty = true;
}

/* Drops clean ones. All dirty or in use: there are as many more as there are threads. */
static void make_room(struct vmdk_live *l)
{
	for (uint32_t steps = l->table_count; l->loaded >= PAGES_LOADED && steps; steps--) {
		struct vmdk_page *page = l->pages[l->hand];

		if (page && !page->dirty && !page->pins) {
			free(page);
			l->pages[l->hand] = NULL;
			l->loaded--;
		}
		l->hand = (l->hand + 1) % l->table_count;
	}
}

static int read_copy(const struct vmdk_live *l, unsigned copy, uint32_t number, uint8_t raw[VMDK_PAGE])
{
	return vmdk_read_page_at(l->s, (uint64_t)l->places[copy][number] * DISK_SECTOR, raw);
}

/* What a crash or a bad sector spoilt in the first copy may be whole in the second. */
static void repair(struct vmdk_live *l, struct vmdk_page *page)
{
	enum { UNREAD, READ, LOST } spare = l->places[1] ? UNREAD : LOST;
	uint64_t start = (uint64_t)page->number * GTES_PER_GT * l->s->grain;
	uint8_t second[VMDK_PAGE];

	for (unsigned i = 0; i < GTES_PER_GT && start < l->s->capacity; i++, start += l->s->grain) {
		if (vmdk_live_is_sound(l, le32_load(page->raw + i * 4), start))
			continue;
		if (spare == UNREAD)
			spare = read_copy(l, 1, page->number, second) < 0 ? LOST : READ;
		if (spare == LOST || !vmdk_live_is_sound(l, le32_load(second + i * 4), start)) {
			page->damaged = true;
			continue;
		}
		memcpy(page->raw + i * 4, second + i * 4, 4);
		vmdk_live_mark_dirty(l, page);
	}
}

int vmdk_live_load(struct vmdk_live *l, uint32_t number, struct vmdk_page **ret_page)
{
	struct vmdk_page *page = l->pages[number];
	int r;

	*ret_page = page;
	if (page)
		return 0;
	make_room(l);
	page = calloc(1, sizeof(*page));
	if (!page)
		return -ENOMEM;
	page->number = number;
	r = read_copy(l, 0, number, page->raw);
	if (r < 0) {
		free(page);
		return r == -ENODATA ? -EIO : r;
	}
	repair(l, page);
	l->pages[number] = page;
	l->loaded++;
	*ret_page = page;
	return 0;
}

/* What a reader gets of such an entry is a place behind any end: -EIO. */
static void hide_damage(const struct vmdk_live *l, uint32_t number, uint8_t raw[VMDK_PAGE])
{
	uint64_t start = (uint64_t)number * GTES_PER_GT * l->s->grain;

	for (unsigned i = 0; i < GTES_PER_GT && start < l->s->capacity; i++, start += l->s->grain)
		if (!vmdk_live_is_sound(l, le32_load(raw + i * 4), start))
			le32_store(raw + i * 4, UINT32_MAX);
}

int vmdk_live_page(struct vmdk_live *l, uint64_t page, uint8_t raw[2048])
{
	struct vmdk_page *found;
	int r;

	pthread_mutex_lock(&l->lock);
	r = page < l->table_count ? vmdk_live_load(l, (uint32_t)page, &found) : -EIO;
	if (r == 0)
		memcpy(raw, found->raw, VMDK_PAGE);
	if (r == 0 && found->damaged)
		hide_damage(l, found->number, raw);
	pthread_mutex_unlock(&l->lock);
	return r;
}

/* ---- the mark in the header ---- */

static int fail(struct vmdk_live *l, int code)
{
	pthread_mutex_lock(&l->lock);
	l->failed = code;
	pthread_mutex_unlock(&l->lock);
	return code;
}

static int sync_file(struct vmdk_live *l)
{
	int r = disk_sync(&l->io, l->s->file.fd);

	return r < 0 ? fail(l, r) : 0;
}

static int write_mark(struct vmdk_live *l, uint8_t unclean)
{
	int r = disk_pwrite(&l->io, l->s->file.fd, &unclean, 1, HEADER_UNCLEAN_SHUTDOWN);

	return r < 0 ? r : sync_file(l);
}

/* On the disk before anything else is. */
static int mark(struct vmdk_live *l)
{
	int r = 0;

	pthread_mutex_lock(&l->flush_lock);
	if (!l->marked) {
		r = write_mark(l, 1);
		if (r == 0 && l->was_unclean)
			r = vmdk_live_mend(l);
		pthread_mutex_lock(&l->lock);
		l->marked = r == 0;
		pthread_mutex_unlock(&l->lock);
	}
	pthread_mutex_unlock(&l->flush_lock);
	return r;
}

/* Before a thread locks anything: the header says that there is a writer, and tables that may be dropped are left. */
static int prepare(struct vmdk_live *l)
{
	bool full, marked;
	int r;

	pthread_mutex_lock(&l->lock);
	full = l->dirty >= PAGES_DIRTY;
	marked = l->marked;
	r = l->failed;
	pthread_mutex_unlock(&l->lock);
	if (r == 0 && !marked)
		r = mark(l);
	return r < 0 || !full ? r : vmdk_live_commit(l);
}

/* ---- runs of grains ---- */

enum meaning { ABSENT, ZERO, DATA, DAMAGED };

/* Neighbouring grains of one table that are alike; DATA: one behind the other in the file. */
struct run {
	enum meaning meaning;
	uint64_t host; /* bytes */
	uint64_t count;
};

static enum meaning decode(const struct vmdk_live *l, const struct vmdk_page *page, uint64_t grain, uint64_t *ret_host)
{
	uint32_t entry = le32_load(page->raw + grain % GTES_PER_GT * 4);

	*ret_host = (uint64_t)entry * DISK_SECTOR;
	if (!vmdk_live_is_sound(l, entry, grain * l->s->grain))
		return DAMAGED;
	if (entry == GTE_UNALLOCATED)
		return ABSENT;
	return entry == GTE_ZEROED && l->s->zeroed_grains ? ZERO : DATA;
}

static struct run find_run(const struct vmdk_live *l, const struct vmdk_page *page, uint64_t grain, uint64_t wanted)
{
	struct run run = { .count = 1 };
	uint64_t host;

	run.meaning = decode(l, page, grain, &run.host);
	while (run.count < wanted && (grain + run.count) % GTES_PER_GT &&
	       decode(l, page, grain + run.count, &host) == run.meaning &&
	       (run.meaning != DATA || host == run.host + run.count * l->s->grain))
		run.count++;
	return run;
}

static uint64_t grains_of(const struct vmdk_live *l, uint64_t offset, uint64_t length)
{
	return div_round_up(offset % l->s->grain + length, l->s->grain);
}

/* Finds the run at offset, waiting until nobody is in the way of locking it. Locked. */
static int find_unlocked_run(struct vmdk_live *l, uint64_t offset, uint64_t length, bool zeroing,
                             struct disk_write *write, struct run *ret_run)
{
	uint64_t grain = offset / l->s->grain;

	for (;;) {
		int r = vmdk_live_load(l, (uint32_t)(grain / GTES_PER_GT), &write->page);

		if (r < 0)
			return r;
		*ret_run = find_run(l, write->page, grain, grains_of(l, offset, length));
		if (ret_run->meaning == DAMAGED)
			return -EIO;
		write->begin = grain;
		write->end = grain + ret_run->count;
		write->exclusive = zeroing || ret_run->meaning != DATA;
		if (!disk_write_must_wait(&l->locks, write))
			return 0;
		pthread_cond_wait(&l->locks.released, &l->lock);
	}
}

/* ---- writes ---- */

/* At the end of the file, which grows by them. Locked. */
static int allocate(struct vmdk_live *l, uint64_t count, uint64_t *ret_host)
{
	uint64_t end = l->end + count * l->s->grain;

	if (end > l->limit)
		return -EFBIG;
	while (end > l->size) {
		if (l->io.ftruncate(l->io.context, l->s->file.fd, (off_t)end) == 0)
			l->size = end;
		else if (errno != EINTR)
			return -errno;
	}
	*ret_host = l->end;
	l->end = end;
	return 0;
}

static int place_write(struct vmdk_live *l, uint64_t offset, uint32_t length, struct disk_write *write)
{
	struct run run;
	int r = find_unlocked_run(l, offset, length, false, write, &run);

	if (r == 0 && run.meaning != DATA) {
		r = allocate(l, run.count, &run.host);
		write->fresh = run.host >= l->fresh_from;
	}
	if (r < 0)
		return r;
	write->host = run.host;
	write->fd_offset = run.host + offset % l->s->grain;
	write->length = (uint32_t)MIN(length, run.count * l->s->grain - offset % l->s->grain);
	write->page->pins++;
	disk_write_lock(&l->locks, write);
	return 0;
}

int vmdk_live_begin(struct vmdk_live *l, uint64_t offset, uint32_t length, struct disk_write *ret_write)
{
	uint64_t end;
	int r = prepare(l);

	if (r < 0)
		return r;
	*ret_write = (struct disk_write){ .fd = l->s->file.fd };
	pthread_mutex_lock(&l->lock);
	r = place_write(l, offset, length, ret_write);
	pthread_mutex_unlock(&l->lock);
	if (r < 0 || !ret_write->exclusive)
		return r;
	end = offset + ret_write->length;
	ret_write->head = (uint32_t)(offset % l->s->grain);
	ret_write->tail = (uint32_t)(MIN(div_round_up(end, l->s->grain) * l->s->grain, l->length) - end);
	return 0;
}

static void link_grains(struct vmdk_live *l, const struct disk_write *write)
{
	for (uint64_t g = write->begin; g < write->end; g++)
		le32_store(write->page->raw + g % GTES_PER_GT * 4,
		           (uint32_t)((write->host + (g - write->begin) * l->s->grain) / DISK_SECTOR));
	l->grown[write->page->number] = true;
	vmdk_live_mark_dirty(l, write->page);
}

/* The place is given back if it is still the last one; else it is lost to this file, as after a crash. */
static void unplace(struct vmdk_live *l, const struct disk_write *write)
{
	uint64_t end = write->host + (write->end - write->begin) * l->s->grain;

	if (l->end == end)
		l->end = write->host;
	l->fresh_from = MAX(l->fresh_from, end); /* some of it may have been written */
}

void vmdk_live_end(struct vmdk_live *l, struct disk_write *write, int result)
{
	pthread_mutex_lock(&l->lock);
	if (write->exclusive && result == 0)
		link_grains(l, write);
	else if (write->exclusive)
		unplace(l, write);
	l->wrote = true;
	write->page->pins--;
	disk_write_unlock(&l->locks, write);
	pthread_mutex_unlock(&l->lock);
}

/* ---- zeros ---- */

/* Grains keep their place, so that nothing is lost to the file; only their space goes back to the file system. */
static int punch(struct vmdk_live *l, struct disk_write *write, uint64_t at, uint64_t length)
{
	int r;

	write->page->pins++;
	disk_write_lock(&l->locks, write); /* a later write must not be caught by it */
	pthread_mutex_unlock(&l->lock);
	r = l->io.punch(l->io.context, l->s->file.fd, (off_t)(at), (off_t)length);
	pthread_mutex_lock(&l->lock);
	l->wrote = true;
	write->page->pins--;
	disk_write_unlock(&l->locks, write);
	return r < 0 ? -EOPNOTSUPP : 0;
}

/* In a delta, an absent grain is the parent's: only version 2 of the format can say that it is zeros. */
static int zero_absent(struct vmdk_live *l, const struct disk_write *write, uint64_t offset, uint64_t length)
{
	uint64_t whole = MIN((write->end - write->begin) * l->s->grain, l->length - write->begin * l->s->grain);

	if (!l->s->is_delta)
		return 0;
	if (!l->s->zeroed_grains || offset % l->s->grain || length < whole)
		return -ENOENT;
	for (uint64_t g = write->begin; g < write->end; g++)
		le32_store(write->page->raw + g % GTES_PER_GT * 4, GTE_ZEROED);
	vmdk_live_mark_dirty(l, write->page);
	return 0;
}

int vmdk_live_zero(struct vmdk_live *l, uint64_t offset, uint64_t length, uint64_t *ret_done)
{
	struct disk_write write = { .fd = l->s->file.fd };
	struct run run = { .count = 0 };
	int r = prepare(l);

	if (r < 0)
		return r;
	pthread_mutex_lock(&l->lock);
	r = find_unlocked_run(l, offset, length, true, &write, &run);
	*ret_done = MIN(length, run.count * l->s->grain - offset % l->s->grain);
	if (r == 0 && run.meaning == DATA)
		r = punch(l, &write, run.host + offset % l->s->grain, *ret_done);
	else if (r == 0 && run.meaning == ABSENT)
		r = zero_absent(l, &write, offset, *ret_done);
	pthread_mutex_unlock(&l->lock);
	return r;
}

/* ---- commit ---- */

/* Copies of all pages that were dirty at one moment, so that other threads may go on. */
struct batch {
	struct vmdk_page **pages; /* pinned */
	uint8_t *data;
	size_t count;
};

static int collect(struct vmdk_live *l, struct batch *b)
{
	*b = (struct batch){ 0 };
	if (!l->dirty)
		return 0;
	b->pages = malloc(l->dirty * sizeof(struct vmdk_page *));
	b->data = malloc((size_t)l->dirty * VMDK_PAGE);
	if (!b->pages || !b->data) {
		free(b->pages);
		free(b->data);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < l->table_count && l->dirty; i++) {
		struct vmdk_page *page = l->pages[i];

		if (!page || !page->dirty)
			continue;
		memcpy(b->data + b->count * VMDK_PAGE, page->raw, VMDK_PAGE);
		b->pages[b->count++] = page;
		page->pins++;
		page->dirty = false;
		l->dirty--;
	}
	return 0;
}

/* What was not written is dirty again. */
static void settle(struct vmdk_live *l, struct batch *b, int result)
{
	for (size_t i = 0; i < b->count; i++) {
		if (result < 0)
			vmdk_live_mark_dirty(l, b->pages[i]);
		b->pages[i]->pins--;
	}
	free(b->pages);
	free(b->data);
}

/* One copy of the tables; those that lie behind each other in one go. */
static int write_copy(struct vmdk_live *l, const struct batch *b, const uint32_t *places)
{
	int r = 0;

	for (size_t i = 0, n; r == 0 && i < b->count; i += n) {
		uint64_t place = places[b->pages[i]->number];

		for (n = 1; i + n < b->count; n++)
			if (places[b->pages[i + n]->number] != place + n * (VMDK_PAGE / DISK_SECTOR))
				break;
		r = disk_pwrite(&l->io, l->s->file.fd, b->data + i * VMDK_PAGE, n * VMDK_PAGE, place * DISK_SECTOR);
	}
	return r;
}

/* Grains first: an entry on the disk may only name what is on the disk. Then both copies, the spare one first: each of
 * their entries is either the old or the new one, and both are right until this has ended. */
static int write_batch(struct vmdk_live *l, const struct batch *b)
{
	int r = sync_file(l);

	if (r < 0 || b->count == 0)
		return r;
	if (l->places[1])
		r = write_copy(l, b, l->places[1]);
	if (r == 0)
		r = write_copy(l, b, l->places[0]);
	return r < 0 ? r : sync_file(l);
}

int vmdk_live_commit_locked(struct vmdk_live *l)
{
	struct batch batch;
	bool idle;
	int r;

	pthread_mutex_lock(&l->lock);
	r = l->failed;
	idle = !l->wrote && !l->dirty;
	if (r == 0 && !idle)
		r = collect(l, &batch);
	if (r == 0)
		l->wrote = false;
	pthread_mutex_unlock(&l->lock);
	if (r < 0 || idle)
		return r;
	r = write_batch(l, &batch);
	pthread_mutex_lock(&l->lock);
	settle(l, &batch, r);
	pthread_mutex_unlock(&l->lock);
	return r;
}

int vmdk_live_commit(struct vmdk_live *l)
{
	int r;

	pthread_mutex_lock(&l->flush_lock);
	r = vmdk_live_commit_locked(l);
	pthread_mutex_unlock(&l->flush_lock);
	return r;
}

int vmdk_live_flush(struct vmdk_live *l)
{
	return vmdk_live_commit(l);
}

bool vmdk_live_failed(struct vmdk_live *l)
{
	bool failed;

	pthread_mutex_lock(&l->lock);
	failed = l->failed < 0;
	pthread_mutex_unlock(&l->lock);
	return failed;
}

void vmdk_live_set_io(struct vmdk_live *l, const struct disk_io *io)
{
	l->io = *io;
}

/* The last flush's error has no way out from here: who wants to know flushes before. */
void vmdk_live_close(struct vmdk_live *l)
{
	if (!l)
		return;
	if (vmdk_live_commit(l) == 0 && l->marked)
		write_mark(l, 0);
	vmdk_live_free(l);
}
