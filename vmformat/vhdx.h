/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: Hyper-V's disks, by [MS-VHDX]. vhdx_open.c takes headers and metadata, vhdx.c finds blocks,
 * vhdx_log.c knows what a crashed writer left to be done.
 *
 * A VHDX that was not closed has a log of changes to its tables. As nothing is written here, the log is not
 * replayed into the file but lies over it: an index of the ranges that it changes, in the order of the file,
 * through which all is read.
 */
#ifndef VITRINE_VHDX_H
#define VITRINE_VHDX_H

#include <stdbool.h>
#include <stdint.h>

#include "vmformat/bytes.h"
#include "vmformat/disk.h"
#include "vmformat/foreign_text.h"

#define VHDX_PAGE 4096u               /* the log's unit */
#define VHDX_UNIT (1u << 20)          /* of all places and sizes of regions, log and blocks */
#define VHDX_HEADER_SECTION VHDX_UNIT /* what lies before all regions, section 2.2 */
#define VHDX_SECTORS_PER_BITMAP (1u << 23)
#define VHDX_MAX_CAPACITY (64ull << 40) /* section 2.6.2.2 */

extern const struct disk_format vhdx_format;

struct vhdx_log;

struct vhdx_range {
	uint64_t offset, length;
};

struct vhdx {
	struct file file;
	uint64_t end; /* of the file, once its log is replayed */
	struct vhdx_log *log;
	struct table_cache *tables;
	struct vhdx_range log_range, bat, metadata;
	uint32_t block;
	uint64_t blocks;
	uint32_t chunk; /* blocks whose sectors one bitmap describes; its entry in the BAT follows theirs */
	bool has_parent;
	uint8_t data_write_guid[GUID_SIZE];
	char linkage[2][GUID_TEXT_SIZE + 2]; /* data write GUIDs of the parent, "{...}" as its locator has them */
};

static inline bool vhdx_overlap(const struct vhdx_range *a, const struct vhdx_range *b)
{
	return ranges_overlap(a->offset, a->length, b->offset, b->length);
}

/* Fills all but tables; file is set already, and stays the caller's on failure. */
int vhdx_parse(struct disk *disk, struct vhdx *vhdx, struct error *e);

/* Reads as if the log were replayed; context is a struct vhdx. A table_read. */
int vhdx_read(const void *context, uint64_t offset, void *buffer, size_t length);

/* ---- the log ---- */

/* CRC-32C (Castagnoli) of bytes, where the 4 at `field` count as zero. SIZE_MAX: all count. */
uint32_t vhdx_crc32c(const uint8_t *bytes, size_t length, size_t field);

/* Goes on with the CRC of what came before (0: nothing did). */
uint32_t vhdx_crc32c_add(uint32_t crc, const uint8_t *bytes, size_t length);

/* Finds and indexes what is to be replayed of the log in [offset, offset + length) of the file. *file is borrowed until
 * vhdx_log_free(). */
int vhdx_log_open(const struct file *file, const uint8_t guid[GUID_SIZE], uint64_t offset, uint32_t length,
                  struct vhdx_log **ret_log, struct error *e);
void vhdx_log_free(struct vhdx_log *log);

/* How long the file is once the log is replayed: what is added reads as zeros. */
uint64_t vhdx_log_file_end(const struct vhdx_log *log);

enum vhdx_log_kind { VHDX_LOG_UNTOUCHED, VHDX_LOG_ZERO, VHDX_LOG_PAGE };

struct vhdx_log_piece {
	enum vhdx_log_kind kind;
	uint64_t length; /* from the asked offset: 1 to the asked length */
	uint64_t page;   /* PAGE: for vhdx_log_page(); it covers the VHDX_PAGE bytes around the asked offset */
};

/* log may be NULL: nothing is touched. */
struct vhdx_log_piece vhdx_log_find(const struct vhdx_log *log, uint64_t offset, uint64_t length);

int vhdx_log_page(const struct vhdx_log *log, uint64_t page, uint8_t ret_bytes[VHDX_PAGE]);

#endif
