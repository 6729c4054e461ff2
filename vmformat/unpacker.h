/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: what one thread needs to unpack a compressed unit (a grain, a cluster). A pool belongs to one disk
 * and keeps as many as threads ever unpacked at the same time. All calls but init and free may come from any thread.
 */
#ifndef VITRINE_UNPACKER_H
#define VITRINE_UNPACKER_H

#include <libdeflate.h>
#include <pthread.h>
#include <stdint.h>
#include <zstd.h>

struct unpacker {
	struct unpacker *next;
	struct libdeflate_decompressor *deflate;
	ZSTD_DCtx *zstd;
	uint8_t *packed, *unit;
	uint32_t size; /* bytes of unit; packed has unpacker_packed_limit(size) */
};

struct unpacker_pool {
	pthread_mutex_t lock; /* guards idle; never held while unpacking */
	struct unpacker *idle;
};

/* Bytes that a packed unit may have. Deflate's stored blocks add 5 bytes in 16 KiB at worst, fixed codes an eighth; zstd
 * adds less; nothing sane doubles its input, and qcow2 has no room to say more. */
#define unpacker_packed_limit(size) (2 * (size))

void unpacker_pool_init(struct unpacker_pool *pool);
void unpacker_pool_free(struct unpacker_pool *pool);

/* One for units of size bytes, to be put back. NULL: no memory. */
struct unpacker *unpacker_get(struct unpacker_pool *pool, uint32_t size);
void unpacker_put(struct unpacker_pool *pool, struct unpacker *u);

#endif
