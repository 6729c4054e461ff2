/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: the pages of a disk image's tables that were used last. A format reads each entry where it
 * needs it, as if from the file; opening so costs the same for 1 GB and for 2 TB, and memory is bounded.
 *
 * Threads: table_cache_read() from any; the lock is not held during I/O. Pages lie where their number falls, so a
 * run of tables has no collision.
 */
#ifndef VITRINE_TABLE_CACHE_H
#define VITRINE_TABLE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#define TABLE_PAGE_MAX 4096u

struct table_cache;

/* As file_read(); context is borrowed. */
typedef int table_read(const void *context, uint64_t offset, void *buffer, size_t length);

/* Pages of page_size bytes (at most TABLE_PAGE_MAX) of what `read` reads and has `size` bytes. NULL: no memory. */
struct table_cache *table_cache_new(uint32_t page_size, uint32_t pages, table_read *read, const void *context,
                                    uint64_t size);

/* -ENODATA: not within size; else what `read` says. */
int table_cache_read(struct table_cache *cache, uint64_t offset, void *buffer, size_t length);

void table_cache_free(struct table_cache *cache);

#endif
