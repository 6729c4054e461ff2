/* SPDX-License-Identifier: MIT */
/*
 * The block engine: one struct block per drive, with a disk or none in it. Devices submit, workers do the I/O,
 * completions come back on the I/O thread with the device's lock held. All formats go through here.
 *
 * Requests of one block may complete in any order; a flush completes when all writes that completed before it was
 * submitted are on stable storage. The block owns its disk and overlay.
 */
#ifndef VITRINE_BLOCK_H
#define VITRINE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmformat/disk.h"
#include "vmformat/error.h"

struct block;
struct block_engine;
struct device;
struct loop;

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD /* reads as zeros afterwards */ };

/* As IOV_MAX; a PRD table of 64 KiB has 8,192 entries: devices cut longer ones in requests. */
#define BLOCK_MAX_IOV 1024
#define BLOCK_MAX_LENGTH (32u << 20) /* bytes of one request: ATA's largest, 65,536 sectors */

struct block_request {
	enum block_op op;
	uint64_t offset;         /* bytes, multiple of 512 */
	uint32_t length;         /* bytes, multiple of 512; 0 for a flush */
	const struct iovec *iov; /* length bytes in all; guest RAM or the device's buffer. Both must stay until done */
	unsigned iov_count;
	struct device *device; /* whose lock is held when done is called */
	/* result 0, or -EIO, -ENOSPC, -ENOMEDIUM, -EROFS (the device reports it as its data sheet says). */
	void (*done)(struct device *d, struct block_request *r, int result);
	/* the engine's */
	struct block_request *next;
	struct block *block;
	int result;
};

/* workers: threads shared by all blocks of the machine. loop NULL: synchronous, for tests and tools: block_poll()
 * completes. */
struct block_engine *block_engine_new(struct loop *loop, unsigned workers);
/* The same; setup is each worker's first act (the sandbox's filter for its role). */
struct block_engine *block_engine_new_with_setup(struct loop *loop, unsigned workers, void (*setup)(void *context),
                                                 void *context);
/* I/O thread, after all blocks have been freed. Harmless on NULL. */
void block_engine_free(struct block_engine *engine);

/* One drive, empty. name as in the .vmx: "scsi0:0". NULL: no memory. */
struct block *block_new(struct block_engine *engine, const char *name);
/* Drains, brings what was written to stable storage as far as that goes, and closes the medium. The drive's device
 * must still be there if requests are left. Harmless on NULL. */
void block_free(struct block *b);

/* Puts a medium in, or NULL to take it out (after a drain). Takes over disk and overlay_fd on success. overlay_fd >=
 * 0: a writable qcow2 overlay on it (see qcow2.h), else the medium is written in place if the disk has a writer,
 * and read only if it has none. I/O thread or before the run. An error when the medium that was in cannot be
 * brought to stable storage: it stays in then. */
int block_set_medium(struct block *b, struct disk *disk, int overlay_fd, struct error *e);

bool block_has_medium(const struct block *b);
bool block_read_only(const struct block *b);
uint64_t block_capacity(const struct block *b); /* bytes; 0: no medium */
const char *block_name(const struct block *b);

/* Never blocks; done is always called later, never from inside submit. A request outside the capacity is -EIO. */
void block_submit(struct block *b, struct block_request *r);

/* I/O thread: flushes if something was written since the last flush, as a real disk empties its cache by itself. A guest that
 * never asks for it (DOS) loses no more than that to a crash. Does not wait. */
void block_keep(struct block *b);

/* On the I/O thread (or a test's), no device lock held: waits until nothing is in flight and all done callbacks have
 * run. Only requests that a stop has put aside (below) are left: they wait for block_retry(). */
void block_drain(struct block *b);
/* Synchronous engines: runs what was submitted and its done callbacks. Returns how many. */
unsigned block_poll(struct block_engine *engine);

/*
 * What a CD drive and the person at the window share (I/O thread; the device is told with its lock held).
 * A drive registers once; the machine calls block_change_medium() for insert and eject.
 */
struct block_drive_ops {
	void (*medium_changed)(struct device *d, struct block *b); /* a new medium, or none, is in now */
	void (*eject_request)(struct device *d, struct block *b);  /* the person pressed the button of a locked tray */
};
void block_set_drive(struct block *b, struct device *d, const struct block_drive_ops *ops);
/* The guest locked or opened the tray (device callbacks). Tells the watcher below. */
void block_set_locked(struct block *b, bool locked);
bool block_locked(const struct block *b);
void block_eject(struct block *b); /* the guest ejects: the medium goes out as soon as the I/O thread gets there */
/* Called on the I/O thread when the medium or the lock changed. */
void block_set_watcher(struct block *b, void (*changed)(void *context, struct block *b), void *context);
/* The person inserts (disk) or ejects (NULL). -EBUSY: the guest has locked the tray; it was asked (eject_request).
 * force: as the paper clip would. Takes over disk on success. */
int block_change_medium(struct block *b, struct disk *disk, bool force, struct error *e);

/* When an I/O error of the host must stop the machine instead of reaching the guest (disk full, lost stick): called on
 * the I/O thread with the words, once until block_retry(); the failed requests wait and are retried by that. stop NULL:
 * errors reach the guest, those of waiting requests too: to be set before devices are destroyed. What is wrong with the
 * image itself (a file that is too short, a damaged unit) always reaches the guest, as -EIO. */
void block_engine_set_stop(struct block_engine *engine,
                           void (*stop)(void *context, struct block *b, const struct error *e), void *context);
void block_retry(struct block_engine *engine);
/* I/O thread, after a drain: b's waiting requests reach their device as errors. Before a reset, which a disk's command does not
 * survive either: retried later, a write would bring to the disk what the next system has put into that RAM. */
void block_give_up(struct block *b);

#endif
