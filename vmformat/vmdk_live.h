/* SPDX-License-Identifier: MIT */
/*
 * Private to VMDK: a hosted sparse extent that is written in place.
 *
 * New grains go to the end of the file; their entries are kept in memory until vmdk_live_flush(), which brings the
 * data to the disk before the entries, and those into both copies of a table. What a crash leaves is at worst
 * grains that nobody names, and copies that differ where nothing was promised yet. Before the first write the
 * header says "not closed properly" (uncleanShutdown), until vmdk_live_close(). Threads as in disk_write.h;
 * offsets count from the extent's begin.
 */
#ifndef VITRINE_VMDK_LIVE_H
#define VITRINE_VMDK_LIVE_H

#include "vmformat/disk_write.h"
#include "vmformat/vmdk.h"

struct vmdk_live;

/*
 * s->file must be open for writing and nobody's else; s is borrowed, and read through what is opened here from now
 * on. length: bytes of the extent that the disk uses. largest: bytes that the file may grow to. All tables must
 * have their own place in the file, so that no grain can be written over them, and none of their entries may lead
 * behind its end, where new grains go. -ENOTSUP: a kind that is not written, or tables that are not as the
 * specification wants them; e says so.
 */
int vmdk_live_open(struct vmdk_sparse *s, uint64_t length, uint64_t largest, struct vmdk_live **ret_live,
                   struct error *e);
/* Flushes, and takes the mark from the header if all went well. Harmless on NULL. */
void vmdk_live_close(struct vmdk_live *l);

/* Of an extent that is open for reading: is it of a kind that can be? -ENOTSUP. */
int vmdk_live_check(const struct vmdk_sparse *s, struct error *e);

/* A copy of one page of the tables with all that was written. */
int vmdk_live_page(struct vmdk_live *l, uint64_t page, uint8_t raw[2048]);

int vmdk_live_begin(struct vmdk_live *l, uint64_t offset, uint32_t length, struct disk_write *ret_write);
void vmdk_live_end(struct vmdk_live *l, struct disk_write *write, int result);
/* Zeros 1 to length bytes, *ret_done. -EOPNOTSUPP: none, they must be written; -ENOENT: or the disk below has
 * zeros there. */
int vmdk_live_zero(struct vmdk_live *l, uint64_t offset, uint64_t length, uint64_t *ret_done);
int vmdk_live_flush(struct vmdk_live *l);
bool vmdk_live_failed(struct vmdk_live *l);
void vmdk_live_set_io(struct vmdk_live *l, const struct disk_io *io);

#endif
