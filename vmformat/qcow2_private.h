/* SPDX-License-Identifier: MIT */
/*
 * What qcow2.c (use) and qcow2_open.c (header, creation, checks) share.
 *
 * Where a cluster of the disk lives is said by L1 table -> L2 table -> entry. That is the truth; the reference counts,
 * which qemu-img check wants to agree with it, are derived: a bit per cluster of the file in memory, 0 or 1 on disk.
 */
#ifndef VITRINE_QCOW2_PRIVATE_H
#define VITRINE_QCOW2_PRIVATE_H

#include <pthread.h>

#include "vmformat/bytes.h"
#include "vmformat/qcow2.h"
#include "vmformat/qcow2_layout.h"

#define CLUSTER QCOW2_CLUSTER
#define CLUSTER_BITS 16
#define TABLE_PAGE 4096u /* tables are written in pieces of this size */
#define PAGES_PER_TABLE (CLUSTER / TABLE_PAGE)
#define L2_ENTRIES (CLUSTER / 8)
#define L2_SPAN ((uint64_t)L2_ENTRIES * CLUSTER) /* bytes of disk under one L2 table: 512 MiB */
#define REFS_PER_BLOCK (CLUSTER / 2)             /* 16-bit counts */
#define REFS_PER_PAGE (TABLE_PAGE / 2)

/* An L2 table in memory, in the file's byte order. One with dirty pages or pins is not dropped. */
struct qcow2_table {
	struct qcow2_table *next;
	uint64_t offset; /* in the file */
	uint64_t last_use;
	uint32_t l1_index;
	uint16_t dirty; /* a bit per page */
	unsigned pins;
	uint8_t raw[CLUSTER];
};

/* The L1 and the refcount table: whole in memory, their size fixed when the overlay is opened. */
struct flat_table {
	uint64_t offset;
	uint32_t entries, pages;
	uint8_t *raw;
	uint64_t *dirty; /* a bit per page */
};

struct qcow2 {
	int fd;
	bool read_only; /* fd is: for --dump */
	struct disk_io io;

	pthread_mutex_t flush_lock;    /* one commit at a time; taken before lock */
	pthread_mutex_t lock;          /* all below. Held while an L2 table is read, never over a sync */
	struct disk_write_locks locks; /* by cluster of the disk */

	struct flat_table l1, refs;
	struct qcow2_table **tables; /* by L1 index; NULL: not in memory */
	struct qcow2_table *cached;
	unsigned cached_count, dirty_tables;
	uint64_t use_count;

	uint64_t max_clusters;  /* the file can never need more */
	uint64_t file_clusters; /* its size */
	uint64_t fresh_from;    /* clusters from here on were never written */
	uint64_t free_hint;     /* no free cluster before this one */
	uint64_t *used;         /* a bit per cluster of the file */
	uint64_t *refs_dirty;   /* a bit per page of reference counts */

	uint8_t header[TABLE_PAGE];
	bool header_dirty;
	int failed; /* negative errno of the fsync that failed */
};

static inline bool bit_test(const uint64_t *bits, uint64_t n)
{
	return bits[n / 64] >> (n % 64) & 1;
}

static inline void bit_set(uint64_t *bits, uint64_t n)
{
	bits[n / 64] |= 1ull << (n % 64);
}

static inline void bit_clear(uint64_t *bits, uint64_t n)
{
	bits[n / 64] &= ~(1ull << (n % 64));
}

extern const struct disk_format qcow2_overlay_format;
extern const struct disk_writer qcow2_writer;

uint64_t flat_get(const struct flat_table *t, uint64_t index);
void flat_set(struct flat_table *t, uint64_t index, uint64_t value); /* and marks it dirty */

/* Finds 1 to wanted free clusters in a row, with reference counts to write them down in, and takes them. */
int qcow2_allocate(struct qcow2 *q, uint64_t wanted, uint64_t *ret_first, uint64_t *ret_count);
/* Makes sure that the reference counts of these REFS_PER_BLOCK clusters have a block. */
int qcow2_ensure_refblock(struct qcow2 *q, uint64_t block);
void qcow2_render_refcounts(const struct qcow2 *q, uint64_t page, uint8_t *ret_raw);
int qcow2_read(const struct qcow2 *q, uint64_t offset, void *buffer, size_t length);
/* Writes all that is dirty, in order. */
int qcow2_commit(struct qcow2 *q);
void qcow2_free(struct qcow2 *q); /* not fd */

#endif
