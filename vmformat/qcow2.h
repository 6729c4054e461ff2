/* SPDX-License-Identifier: MIT */
/*
 * The overlay: a writable qcow2 version 3 file over a read-only disk (QEMU's docs/interop/qcow2.txt names the fields).
 *
 * It answers map() as any disk; the caller does the bulk I/O, between qcow2_write_begin() and qcow2_write_end(). All
 * calls but open, close and qcow2_set_io() may come from several threads at once. Clusters never move and are never
 * freed, so what map() answered stays readable. Nothing is kept until qcow2_flush(): data, then tables, each in the
 * order that leaves at worst unused clusters behind when the power goes. After a failed fsync the kernel may have
 * dropped what it could not write, and we no longer have it: from then on begin, zero and flush fail, and the file
 * stays what the last good flush made of it.
 */
#ifndef VITRINE_QCOW2_H
#define VITRINE_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmformat/disk.h"
#include "vmformat/disk_write.h"
#include "vmformat/error.h"

#define QCOW2_CLUSTER 65536u
#define QCOW2_MAX_CAPACITY (1ull << 46) /* 64 TiB: VMware's largest disk is 62, VHDX's 64 */
#define QCOW2_FINGERPRINT 64            /* characters at most */

/*
 * Opens the overlay of base in fd (read and write). An empty file becomes a new overlay, as does one whose first flush
 * a crash cut short (its header, written last, is still zeros).
 *
 * The file has no backing file name, so that `qemu-img check FILE` needs no base; our own header extension says which
 * base it belongs to. To rescue data without us: `qemu-img rebase -u -b BASE -F vmdk FILE`, then `qemu-img convert`. We
 * open it after that as before.
 *
 * fingerprint says which base this is; "" for qcow2_base_fingerprint(base). An fd that is read only gives an overlay
 * that is. fd and base are taken over on success and untouched on failure. -EINVAL: not an overlay of ours or damaged;
 * -ESTALE: of another base; -ENOTSUP: changed by another program into what we do not write; -EFBIG: a limit.
 */
int qcow2_overlay_open(int fd, const char *name, struct disk *base, const char *fingerprint, struct disk **ret_overlay,
                       struct error *e);

/* What tells one base from the next version of it: SHA-256 (cut) of its capacity, its first 64 KiB (partition
 * table), the 64 KiB at 1 MiB (where today's first file system has its superblock) and the last (GPT's copy). */
int qcow2_base_fingerprint(struct disk *base, char ret_hex[33], struct error *e);

/* Waits for other writes to the same clusters (two partial writes of one new cluster follow each other) and may have
 * to flush tables. A thread has one write at a time. */
int qcow2_write_begin(struct disk *overlay, uint64_t offset, uint32_t length, struct disk_write *ret_write);
/* result 0: all was written, the clusters are linked. Else they are given back. */
void qcow2_write_end(struct disk *overlay, struct disk_write *write, int result);

/* Whole clusters (the last may be cut by the capacity) read as zeros from now on; their space goes back to the file
 * system. */
int qcow2_zero(struct disk *overlay, uint64_t offset, uint64_t length);

/* All writes that ended before are on stable storage when this succeeds. After a failure: see above, and -ENOSPC of
 * a table write (not of fsync) may be tried again. */
int qcow2_flush(struct disk *overlay);

/* True after a failed fsync: only opening the overlay again helps. */
bool qcow2_failed(struct disk *overlay);

void qcow2_set_io(struct disk *overlay, const struct disk_io *io);

#endif
