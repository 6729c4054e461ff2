/* SPDX-License-Identifier: MIT */
/* What map() and unpack() of a disk answer all over it, held against disk.h's contract. Before test helpers that want cmocka. */
#ifndef VITRINE_DISK_WALK_H
#define VITRINE_DISK_WALK_H

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmformat/bytes.h"
#include "vmformat/disk.h"

#define assert_true(condition) ((condition) ? (void)0 : abort())
#define assert_false(condition) assert_true(!(condition))
#define assert_non_null(pointer) assert_true((pointer) != NULL)

static inline void check_extent(struct disk *owner, uint64_t offset, uint64_t length, const struct disk_extent *x)
{
	uint64_t size;
	uint8_t *unit;

	assert_true(x->length >= 1 && x->length <= length);
	assert_true(x->kind != DISK_PARENT);
	if (x->kind == DISK_DATA) {
		size = (uint64_t)lseek(x->fd, 0, SEEK_END);
		assert_true(range_within(x->fd_offset, x->length, size));
	}
	if (x->kind != DISK_PACKED)
		return;
	assert_true(x->unit_length >= 1 && x->unit_length <= owner->unit_limit);
	assert_true(offset >= x->unit_offset && offset + x->length <= x->unit_offset + x->unit_length);
	unit = malloc(x->unit_length);
	assert_non_null(unit);
	owner->format->unpack(owner, x, unit);
	free(unit);
}

static inline void walk(struct disk *disk, uint64_t max_capacity)
{
	uint64_t offset = 0, step = MAX(disk->capacity / 64, 1u);

	assert_true(disk->capacity > 0 && disk->capacity % DISK_SECTOR == 0 && disk->capacity <= max_capacity);
	for (unsigned i = 0; i < 200 && offset < disk->capacity; i++) {
		/* Seldom all that is left: long runs are looked at entry by entry. */
		uint64_t wanted = MIN(disk->capacity - offset, i % 32 ? 128u << 10 : UINT64_MAX);
		struct disk_extent extent;
		struct disk *owner;

		if (disk_map(disk, offset, wanted, &extent, &owner) == 0) {
			check_extent(owner, offset, wanted, &extent);
			offset += i % 4 ? extent.length : step;
		} else {
			offset += step;
		}
	}
}

#endif
