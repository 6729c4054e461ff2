/* SPDX-License-Identifier: MIT */
/* Private to vmformat: a flat disk packed by xz in blocks (xz -T0, --block-size, pixz): each block is unpacked by
 * itself. */
#ifndef VITRINE_XZ_H
#define VITRINE_XZ_H

#include "vmformat/disk.h"

/* open: -EFBIG with words when a block is too large to be unpacked for each read, -ENOTSUP when what is in it wants
 * a file of its own: both are to be unpacked once. */
extern const struct disk_format xz_format;

/* Bytes of what is in the file, from its own index. Errors as of xz_format.open. */
int xz_unpacked_size(const struct file *file, uint64_t *ret_size, struct error *e);

#endif
