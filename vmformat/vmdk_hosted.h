/* SPDX-License-Identifier: MIT */
/*
 * Private to the hosted sparse extents: their header and tables, for who reads them (vmdk_sparse.c) and who writes them
 * (vmdk_live.c).
 */
#ifndef VITRINE_VMDK_HOSTED_H
#define VITRINE_VMDK_HOSTED_H

#include <stdint.h>

/*
 * Chapter "Hosted Sparse Extents", struct SparseExtentHeader: byte offsets. Places and sizes in it are in
 * sectors.
 */
enum {
	HEADER_VERSION = 4,
	HEADER_FLAGS = 8,
	HEADER_CAPACITY = 12,
	HEADER_GRAIN_SIZE = 20,
	HEADER_DESCRIPTOR_OFFSET = 28,
	HEADER_DESCRIPTOR_SIZE = 36,
	HEADER_NUM_GTES_PER_GT = 44,
	HEADER_RGD_OFFSET = 48,
	HEADER_GD_OFFSET = 56,
	HEADER_UNCLEAN_SHUTDOWN = 72, /* a byte */
	HEADER_NEWLINES = 73,
	HEADER_COMPRESS_ALGORITHM = 77,
	HEADER_SIZE = 512,
};

enum {
	FLAG_NEWLINE_TEST = 1u << 0,
	FLAG_REDUNDANT_TABLE = 1u << 1,
	FLAG_ZEROED_GRAINS = 1u << 2,
	FLAG_COMPRESSED = 1u << 16,
	FLAG_MARKERS = 1u << 17,
};

enum { COMPRESSION_NONE = 0, COMPRESSION_DEFLATE = 1 };

#define GD_AT_END UINT64_MAX
#define GTES_PER_GT 512u /* the specification allows no other */
#define TABLE_SIZE (GTES_PER_GT * 4)
#define GTE_UNALLOCATED 0u
#define GTE_ZEROED 1u

#endif
