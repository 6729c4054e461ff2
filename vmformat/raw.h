/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: a file whose bytes are the disk's bytes. Raw is that and nothing else; an ISO is that
 * with larger sectors.
 *
 * A file may end within a sector. What the file has of the last one is answered as a PACKED unit, filled up
 * with zeros: the bytes behind a window (the next member of a tar) are never shown to a guest.
 */
#ifndef VITRINE_RAW_H
#define VITRINE_RAW_H

#include "vmformat/disk.h"

extern const struct disk_format raw_format;

/* As disk_format.open, for sectors of sector_size bytes (a multiple of DISK_SECTOR). */
int raw_open_sectors(struct disk *disk, struct file *file, uint32_t sector_size, struct error *e);
void raw_close(struct disk *disk);
int raw_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent);
int raw_unpack(struct disk *disk, const struct disk_extent *extent, void *buffer);

#endif
