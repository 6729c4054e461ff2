/* SPDX-License-Identifier: MIT */
#include "vmformat/table_cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"

struct table_cache {
	uint32_t page_size, pages;
	table_read *read;
	const void *context;
	uint64_t size;
	pthread_mutex_t lock; /* guards what follows; never held during I/O */
	uint64_t *numbers;    /* of the page in each slot */
	uint8_t *bytes;       /* touched, and so in memory, only as pages come */
};

struct table_cache *table_cache_new(uint32_t page_size, uint32_t pages, table_read *read, const void *context,
                                    uint64_t size)
{
	struct table_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	*cache = (struct table_cache){ page_size, pages, read, context, size, .lock = PTHREAD_MUTEX_INITIALIZER };
	cache->numbers = malloc(pages * sizeof(*cache->numbers));
	cache->bytes = malloc((size_t)pages * page_size);
	if (!cache->numbers || !cache->bytes) {
		table_cache_free(cache);
		return NULL;
	}
	memset(cache->numbers, 0xff, pages * sizeof(*cache->numbers)); /* no page has this number */
	return cache;
}

void table_cache_free(struct table_cache *cache)
{
	if (!cache)
		return;
	pthread_mutex_destroy(&cache->lock);
	free(cache->numbers);
	free(cache->bytes);
	free(cache);
}

/* Part of one page. Two threads may read the same page at the same time; both are right. */
static int read_part(struct table_cache *cache, uint64_t number, uint32_t from, void *buffer, uint32_t length)
{
	uint32_t slot = (uint32_t)(number % cache->pages);
	uint64_t start = number * cache->page_size;
	uint8_t page[TABLE_PAGE_MAX], *kept = cache->bytes + (size_t)slot * cache->page_size;
	size_t valid = (size_t)MIN(cache->page_size, cache->size - start);
	bool hit;
	int r;

	pthread_mutex_lock(&cache->lock);
	hit = cache->numbers[slot] == number;
	if (hit)
		memcpy(buffer, kept + from, length);
	pthread_mutex_unlock(&cache->lock);
	if (hit)
		return 0;
	r = cache->read(cache->context, start, page, valid);
	if (r < 0)
		return r;
	memcpy(buffer, page + from, length);
	pthread_mutex_lock(&cache->lock);
	cache->numbers[slot] = number;
	memcpy(kept, page, valid);
	pthread_mutex_unlock(&cache->lock);
	return 0;
}

int table_cache_read(struct table_cache *cache, uint64_t offset, void *buffer, size_t length)
{
	uint8_t *to = buffer;

	if (!range_within(offset, length, cache->size))
		return -ENODATA;
	while (length) {
		uint32_t from = (uint32_t)(offset % cache->page_size);
		uint32_t part = (uint32_t)MIN(length, cache->page_size - from);
		int r = read_part(cache, offset / cache->page_size, from, to, part);

		if (r < 0)
			return r;
		to += part;
		offset += part;
		length -= part;
	}
	return 0;
}
