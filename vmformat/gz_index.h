/* SPDX-License-Identifier: MIT */
/* Private to gz: the index, as gz_index.c makes and reads it and gz.c uses it. */
#ifndef VITRINE_GZ_INDEX_H
#define VITRINE_GZ_INDEX_H

#include "vmformat/gz.h"

#define GZ_WINDOW 32768u /* RFC 1951: no match is farther back */
/* The bytes between two points are unpacked for each read that misses the cache: some ten milliseconds. Smaller ones
 * make the index larger, which has up to 32 KiB for each. */
#define GZ_SPACING (2u << 20)
/* Points are possible only between deflate's blocks, which gzip and pigz make of at most 4 MB of zeros. A file with
 * larger ones is made by hand or by an optimiser (zopfli). */
#define GZ_MAX_UNIT (32u << 20)

struct gz_point {
	uint64_t out, in;       /* bytes before it, unpacked and packed */
	uint64_t window;        /* where in the kept file, packed by zlib */
	uint32_t window_length; /* 0: nothing before it is needed */
	uint32_t crc;           /* CRC-32 of what is unpacked from here to the next point */
	uint8_t bits;           /* of the byte before `in` that belong to what follows */
	bool is_header;         /* a gzip header lies here, not deflate's next block */
};

struct gz_index {
	struct file kept;
	struct gz_point *points; /* the first one at 0 */
	uint32_t count;
	uint64_t packed_size, size; /* of the file it is an index of; what comes out */
};

/* Where the unit that begins with a point ends. */
static inline uint64_t gz_unit_end(const struct gz_index *index, uint32_t point)
{
	return point + 1 < index->count ? index->points[point + 1].out : index->size;
}

#endif
