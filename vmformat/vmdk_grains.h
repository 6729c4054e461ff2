/* SPDX-License-Identifier: MIT */
/*
 * Private to the sparse VMDK extents: what each kind of them tells vmdk_grains.c.
 *
 * Their tables are read in pages of 2 KiB, which is a hosted sparse extent's whole grain table and a part of the others'.
 * parse() is called by one thread, the rest by any, without a lock.
 */
#ifndef VITRINE_VMDK_GRAINS_H
#define VITRINE_VMDK_GRAINS_H

#include "vmformat/unpacker.h"
#include "vmformat/vmdk.h"

#define VMDK_PAGE 2048u
#define VMDK_SIGNATURE 8u /* bytes of the longest one */
#define VMDK_MARKER 12u /* a grain marker: the grain's first sector (8 bytes), bytes of compressed data (4), the data */

/* 2 MiB bounds the buffers that unpacking takes on each worker. All known writers use 128 sectors, 8 or 1. */
#define VMDK_MAX_GRAIN 4096u /* sectors */

/* What an entry of a table says. */
struct vmdk_grain {
	enum disk_extent_kind kind; /* ZERO, DATA, or PARENT: not in this extent */
	uint64_t offset;            /* DATA: bytes in the file; not checked yet */
};

struct vmdk_layout {
	const char *signature;
	size_t signature_length;
	unsigned page_entries; /* in a page of a table */
	/* Reads the header: capacity, grain, and what the functions below need of s. s->file is not open yet. */
	int (*parse)(struct vmdk_sparse *s, const struct file *file, struct error *e);
	/* Reads a page of the tables, counted over the whole extent. Zeros where there is no table. */
	int (*read_page)(const struct vmdk_sparse *s, uint64_t page, uint8_t raw[VMDK_PAGE]);
	/* -EIO: it is damaged. */
	int (*entry)(const struct vmdk_sparse *s, const uint8_t *raw, unsigned index, struct vmdk_grain *ret_grain);
};

extern const struct vmdk_layout vmdk_hosted_layout;   /* vmdk_sparse.c: "KDMV", of VMware's desktop programs */
extern const struct vmdk_layout vmdk_cowd_layout;     /* vmdk_cowd.c: "COWD", ESX's redo logs */
extern const struct vmdk_layout vmdk_sesparse_layout; /* vmdk_sesparse.c: ESXi's snapshots of large disks */

/* For the layouts: helpers of vmdk_grains.c. */

/* -EINVAL: the header's field is wrong. */
int vmdk_damaged(struct error *e, const char *name, const char *field, uint64_t value, const char *rule);
/* A place in the file, in sectors, to bytes. False: bytes there are behind the end of the file. */
bool vmdk_place(const struct file *file, uint64_t sector, uint64_t length, uint64_t *ret_offset);
/* Says why a table has no place: the file was cut, or its header is damaged. */
int vmdk_no_place(const struct vmdk_sparse *s, const struct file *file, const char *what, uint64_t sector,
                  uint64_t length, struct error *e);
int vmdk_read_header(const struct file *file, uint64_t offset, uint8_t *header, size_t length, struct error *e);
int vmdk_read_page_at(const struct vmdk_sparse *s, uint64_t offset, uint8_t raw[VMDK_PAGE]);
/* How much of the grain at `start` counts: the last one may be cut by the capacity. */
uint32_t vmdk_grain_length(const struct vmdk_sparse *s, uint64_t start);
struct unpacker_pool *vmdk_cache_unpackers(struct vmdk_cache *cache);

#endif
