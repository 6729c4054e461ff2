/* SPDX-License-Identifier: MIT */
/*
 * Moves the bytes of a request between its iovecs and a disk: what a block worker does, one request at a time. Several
 * workers may use one disk and one unit cache; a struct block_io belongs to one of them.
 *
 * All functions return 0 or a negative errno. BLOCK_IO_DAMAGED: the image itself is bad at that place (a short file, a
 * damaged unit), which trying again will not change and the guest may be told; everything else went wrong on the host.
 */
#ifndef VITRINE_BLOCK_IO_H
#define VITRINE_BLOCK_IO_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/storage/block.h"

#define BLOCK_IO_DAMAGED (-EBADMSG)

struct disk;
struct unit_cache;

/* Unpacked units of compressed disks. */
struct unit_cache *unit_cache_new(void);
void unit_cache_free(struct unit_cache *cache);
/* Forgets every unit that nobody is reading: a disk is about to be closed, and its address may come again. */
void unit_cache_clear(struct unit_cache *cache);

struct block_io {
	struct unit_cache *units; /* shared, borrowed */
	/* A read has to wait for a unit that another worker is unpacking: does something useful, which must not read by this
	 * block_io. False: there is nothing to do. May be NULL. */
	bool (*meanwhile)(void *context);
	void *context;
	bool met_packed;                        /* a read met a compressed unit; for the caller to clear */
	uint8_t *bounce;                        /* two units of a disk that is written, allocated when first needed */
	uint32_t bounce_unit;                   /* how long each is */
	struct iovec pieces[BLOCK_MAX_IOV + 2]; /* of one transfer: the data, and what surrounds it in a new cluster */
};
void block_io_release(struct block_io *io); /* what it allocated itself */

int block_io_read(struct block_io *io, struct disk *disk, uint64_t offset, const struct iovec *iov, uint32_t length);
/* Unpacks the compressed units of [offset, offset + length), which is inside the disk, into the cache, and waits for nobody; what
 * fails is left for who reads it. Returns where the last of them ends, 0: there was none. */
uint64_t block_io_unpack(struct block_io *io, struct disk *disk, uint64_t offset, uint32_t length);
/* disk: one with a writer. */
int block_io_write(struct block_io *io, struct disk *disk, uint64_t offset, const struct iovec *iov, uint32_t length);
int block_io_discard(struct block_io *io, struct disk *disk, uint64_t offset, uint32_t length);

#endif
