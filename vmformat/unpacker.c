/* SPDX-License-Identifier: MIT */
#include "vmformat/unpacker.h"

#include <stdlib.h>

void unpacker_pool_init(struct unpacker_pool *pool)
{
	pool->idle = NULL;
	pthread_mutex_init(&pool->lock, NULL);
}

static void unpacker_free(struct unpacker *u)
{
	if (u->deflate)
		libdeflate_free_decompressor(u->deflate);
	ZSTD_freeDCtx(u->zstd);
	free(u->packed);
	free(u->unit);
	free(u);
}

void unpacker_pool_free(struct unpacker_pool *pool)
{
	while (pool->idle) {
		struct unpacker *u = pool->idle;

		pool->idle = u->next;
		unpacker_free(u);
	}
	pthread_mutex_destroy(&pool->lock);
}

static struct unpacker *unpacker_new(uint32_t size)
{
	struct unpacker *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->size = size;
	u->deflate = libdeflate_alloc_decompressor();
	u->zstd = ZSTD_createDCtx();
	u->packed = malloc(unpacker_packed_limit(size));
	u->unit = malloc(size);
	if (u->deflate && u->zstd && u->packed && u->unit)
		return u;
	unpacker_free(u);
	return NULL;
}

struct unpacker *unpacker_get(struct unpacker_pool *pool, uint32_t size)
{
	struct unpacker *u;

	pthread_mutex_lock(&pool->lock);
	u = pool->idle;
	if (u)
		pool->idle = u->next;
	pthread_mutex_unlock(&pool->lock);
	if (u && u->size >= size)
		return u;
	if (u) /* extents of one disk may have different grains */
		unpacker_free(u);
	return unpacker_new(size);
}

void unpacker_put(struct unpacker_pool *pool, struct unpacker *u)
{
	pthread_mutex_lock(&pool->lock);
	u->next = pool->idle;
	pool->idle = u;
	pthread_mutex_unlock(&pool->lock);
}
