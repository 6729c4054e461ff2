/* SPDX-License-Identifier: MIT */
/*
 * Unpacked units (grains, clusters) of compressed disks, shared by the block workers: a guest reads a grain of 64 KiB
 * in several requests, and each byte of it costs the unpacking of all. Thread safe; a unit that two workers want is
 * unpacked once.
 */
#ifndef VITRINE_UNIT_CACHE_H
#define VITRINE_UNIT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/storage/block_io.h"
#include "vmformat/disk.h"

struct unit;

/* The unit of a PACKED extent of owner; to be put back. -EIO: it is damaged. Of io, `meanwhile` is called as long as somebody else
 * is unpacking it. */
int unit_cache_get(struct block_io *io, struct disk *owner, const struct disk_extent *extent, struct unit **ret_unit);
/* For later: unpacks it if nobody has it or is at it. Its errors are for who reads it; false: it cannot be had. */
bool unit_cache_prepare(struct unit_cache *cache, struct disk *owner, const struct disk_extent *extent);
void unit_cache_put(struct unit_cache *cache, struct unit *unit);
const uint8_t *unit_data(const struct unit *unit);

#endif
