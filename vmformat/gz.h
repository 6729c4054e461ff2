/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: a flat disk packed by gzip, read in place with an index of access points: what inflate needs to
 * begin in the middle. The index is made in one pass over the file and kept (keep.h), so that the next time costs
 * nothing.
 *
 * gz_index_open() is called by one thread; afterwards an index is read only, and serves any number of disks, which
 * must be closed before it is freed. It is found by a disk through files->gz_index.
 */
#ifndef VITRINE_GZ_H
#define VITRINE_GZ_H

#include "vmformat/disk.h"
#include "vmformat/keep.h"

#define GZ_KEY 32 /* bytes that change when the file does */

struct gz_index;

extern const struct disk_format gz_format;

/*
 * The index of file, whose content has `key`: read from `kept` (taken over, also on failure) if it is there and
 * whole, else made, written there and said to keep->progress. kept_is_ours: we may write. -EFBIG: inflate cannot be
 * entered often enough for that; the file is to be unpacked once. -ECANCELED; -EIO, -ENODATA: damaged, cut; -ENOSPC.
 */
int gz_index_open(const struct file *file, const uint8_t key[GZ_KEY], int kept, bool kept_is_ours,
                  const struct keep *keep, struct gz_index **ret_index, struct error *e);
void gz_index_free(struct gz_index *index); /* harmless on NULL */

#endif
