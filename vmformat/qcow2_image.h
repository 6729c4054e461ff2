/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: qcow2 images that others made, read only, versions 2 and 3 (QEMU's docs/interop/qcow2.txt).
 *
 * qcow2_image_open.c reads the header and what it leads to, qcow2_image.c says where bytes are. It shares nothing but the
 * layout with the overlay, which trusts a file that it made itself. Tables are read when they are needed; the cache of L2
 * tables is bounded, so that opening costs the same for 1 GB and 2 TB.
 */
#ifndef VITRINE_QCOW2_IMAGE_H
#define VITRINE_QCOW2_IMAGE_H

#include <stdbool.h>

#include "vmformat/bytes.h"
#include "vmformat/disk.h"
#include "vmformat/qcow2_layout.h"
#include "vmformat/table_cache.h"
#include "vmformat/unpacker.h"

extern const struct disk_format qcow2_image_format;

/* L2 tables are read in slices of a page: with the usual clusters each says where 32 MiB are, and 256 of them stand for
 * 8 GiB, more than a guest works on at once, in 1 MiB of memory. A table of 512 bytes is one slice. */
#define QCOW2_SLICE 4096u
#define QCOW2_CACHED_PAGES 256u

struct qcow2_image {
	struct file file;
	struct file data; /* clusters are in there, uncompressed, each where the disk has it; FILE_CLOSED: in file */
	bool raw_data;    /* and it needs no tables */
	bool version_2, extended, zstd;
	unsigned cluster_bits;
	uint32_t cluster;
	uint32_t unit; /* bytes that are allocated together: a cluster, or a 32nd of one with extended L2 entries */
	unsigned entry_size;   /* of an L2 entry */
	uint32_t slice_length; /* bytes of a slice: QCOW2_SLICE, or a whole table if that is smaller */
	uint64_t slice_span;   /* bytes of disk that a slice stands for */
	uint64_t l1_offset;

	struct table_cache *tables; /* pages of file */
	struct unpacker_pool unpackers;
};

/* Where the bytes of one unit are. */
struct qcow2_place {
	enum disk_extent_kind kind;
	uint64_t host;  /* DATA: offset in the file that has the data */
	uint64_t entry; /* the L2 entry */
};

/* -ENODATA: the file was cut. -EIO: a table is damaged. */
int qcow2_image_read_slice(const struct qcow2_image *q, uint64_t number, uint8_t raw[QCOW2_SLICE]);
/* Unit `index` of the slice that begins at `start` of the disk. -EIO: the entry is damaged. */
int qcow2_image_place(const struct qcow2_image *q, uint64_t start, const uint8_t *raw, uint64_t index,
                      struct qcow2_place *ret_place);
/* Where a compressed cluster's bytes begin in the file, and in how many they may be. */
void qcow2_image_packed(const struct qcow2_image *q, uint64_t entry, uint64_t *ret_host, uint32_t *ret_length);

int qcow2_image_open(struct disk *disk, struct file *file, const struct files *files, struct error *e);

#endif
