/* SPDX-License-Identifier: MIT */
#include "core/storage/unit_cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "vmformat/bytes.h"

/* 64 grains of 64 KiB: what four streams of 1 MiB read-ahead have in the air. More would be memory that the host's
 * page cache, which holds the compressed bytes, uses better. */
#define MAX_BYTES (4u << 20)
/* The units of gzip and xz are megabytes, and each costs tenths of a second: with fewer than these, two streams of
 * reads would have the same ones unpacked in turn. Bounded for xz's largest, of which a few stay. */
#define LARGE_UNITS 8u
#define MAX_LARGE_BYTES (128u << 20)

struct unit {
	struct unit *next; /* most recently used first */
	struct disk *owner;
	uint64_t offset;
	uint32_t length;
	unsigned users;
	bool ready; /* else its first user is unpacking it */
	int result; /* of that */
	uint8_t data[];
};

struct unit_cache {
	pthread_mutex_t lock;
	pthread_cond_t unpacked;
	struct unit *units;
	size_t bytes;
	size_t limit; /* MAX_BYTES, more since there was a large unit */
};

struct unit_cache *unit_cache_new(void)
{
	struct unit_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->limit = MAX_BYTES;
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->unpacked, NULL);
	return cache;
}

static void unlink_unit(struct unit_cache *cache, struct unit *unit)
{
	for (struct unit **u = &cache->units; *u; u = &(*u)->next)
		if (*u == unit) {
			*u = unit->next;
			break;
		}
}

static void drop(struct unit_cache *cache, struct unit *unit)
{
	unlink_unit(cache, unit);
	cache->bytes -= unit->length;
	free(unit);
}

/* Drops what was used longest ago until limit is met; what is in use stays, so the cache may exceed it by a unit per
 * worker. */
static void shrink(struct unit_cache *cache, size_t limit)
{
	while (cache->bytes > limit) {
		struct unit *oldest = NULL;

		for (struct unit *u = cache->units; u; u = u->next)
			if (!u->users)
				oldest = u;
		if (!oldest)
			return;
		drop(cache, oldest);
	}
}

void unit_cache_clear(struct unit_cache *cache)
{
	pthread_mutex_lock(&cache->lock);
	shrink(cache, 0);
	pthread_mutex_unlock(&cache->lock);
}

void unit_cache_free(struct unit_cache *cache)
{
	if (!cache)
		return;
	unit_cache_clear(cache);
	pthread_cond_destroy(&cache->unpacked);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static struct unit *find(struct unit_cache *cache, const struct disk *owner, const struct disk_extent *extent)
{
	for (struct unit *u = cache->units; u; u = u->next)
		if (u->owner == owner && u->offset == extent->unit_offset && u->length == extent->unit_length)
			return u;
	return NULL;
}

static void to_front(struct unit_cache *cache, struct unit *unit)
{
	unlink_unit(cache, unit);
	unit->next = cache->units;
	cache->units = unit;
}

static struct unit *add(struct unit_cache *cache, struct disk *owner, const struct disk_extent *extent)
{
	struct unit *unit;

	cache->limit = MAX(cache->limit, MIN((size_t)extent->unit_length * LARGE_UNITS, MAX_LARGE_BYTES));
	shrink(cache, cache->limit - MIN(cache->limit, extent->unit_length));
	unit = malloc(sizeof(*unit) + extent->unit_length);
	if (!unit)
		return NULL;
	*unit = (struct unit){
		.next = cache->units, .owner = owner, .offset = extent->unit_offset, .length = extent->unit_length
	};
	cache->units = unit;
	cache->bytes += unit->length;
	return unit;
}

/* Locked on entry and exit. */
static void unpack(struct unit_cache *cache, struct unit *unit, const struct disk_extent *extent)
{
	int r;

	pthread_mutex_unlock(&cache->lock);
	r = unit->owner->format->unpack(unit->owner, extent, unit->data);
	pthread_mutex_lock(&cache->lock);
	unit->result = r;
	unit->ready = true;
	pthread_cond_broadcast(&cache->unpacked);
}

/* A unit that could not be unpacked is not kept: the cause may go away (a stick is plugged in again). */
static void release(struct unit_cache *cache, struct unit *unit)
{
	if (--unit->users == 0 && unit->result < 0)
		drop(cache, unit);
}

/* The unit, with one user more, which the caller unpacks if it is new. Locked. NULL: no memory. */
static struct unit *use(struct unit_cache *cache, struct disk *owner, const struct disk_extent *extent)
{
	struct unit *unit = find(cache, owner, extent);
	bool is_new = !unit;

	if (is_new)
		unit = add(cache, owner, extent);
	if (!unit)
		return NULL;
	unit->users++;
	if (is_new)
		unpack(cache, unit, extent);
	return unit;
}

/* Locked on entry and exit. A worker that waited for the next unit in line would leave the unpacking to the other one. */
static void await(struct block_io *io, struct unit *unit)
{
	struct unit_cache *cache = io->units;
	bool busy = io->meanwhile;

	while (!unit->ready) {
		if (busy) {
			pthread_mutex_unlock(&cache->lock);
			busy = io->meanwhile(io->context);
			pthread_mutex_lock(&cache->lock);
		} else {
			pthread_cond_wait(&cache->unpacked, &cache->lock);
		}
	}
}

int unit_cache_get(struct block_io *io, struct disk *owner, const struct disk_extent *extent, struct unit **ret_unit)
{
	struct unit_cache *cache = io->units;
	struct unit *unit;
	int r = -ENOMEM;

	if (extent->unit_length > owner->unit_limit)
		return -EIO;
	pthread_mutex_lock(&cache->lock);
	unit = use(cache, owner, extent);
	if (unit) {
		await(io, unit);
		to_front(cache, unit);
		r = unit->result;
		if (r < 0)
			release(cache, unit);
	}
	pthread_mutex_unlock(&cache->lock);
	*ret_unit = unit;
	return r;
}

bool unit_cache_prepare(struct unit_cache *cache, struct disk *owner, const struct disk_extent *extent)
{
	struct unit *unit = NULL;
	bool good = false;

	if (extent->unit_length > owner->unit_limit)
		return false;
	pthread_mutex_lock(&cache->lock);
	unit = use(cache, owner, extent);
	if (unit) {
		good = unit->result == 0;
		release(cache, unit);
	}
	pthread_mutex_unlock(&cache->lock);
	return good;
}

void unit_cache_put(struct unit_cache *cache, struct unit *unit)
{
	pthread_mutex_lock(&cache->lock);
	release(cache, unit);
	pthread_mutex_unlock(&cache->lock);
}

const uint8_t *unit_data(const struct unit *unit)
{
	return unit->data;
}
