/* SPDX-License-Identifier: MIT */
/*
 * How a disk is written: the overlay, and a disk of the user's own that is written in place.
 *
 * As map() does for reads, begin() says where bytes go and the caller moves them; end() makes them count. All but
 * set_io may come from several threads at once. Nothing is kept until flush(): data, then tables, in an order that
 * a power cut cannot break. After a failed fsync the kernel may have dropped what it could not write, and we no
 * longer have it: from then on begin, zero and flush fail, and the file stays what the last good flush made of it.
 */
#ifndef VITRINE_DISK_WRITE_H
#define VITRINE_DISK_WRITE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmformat/disk.h"

/* A write between begin and end: the place for the next bytes, contiguous in the file. */
struct disk_write {
	int fd;             /* borrowed */
	uint64_t fd_offset; /* where the byte at the asked offset goes */
	uint32_t length;    /* of the asked length: 1 or more */
	/* A new unit must become whole: so many bytes of the disk's content before and after the data are to be read
	 * from the disk (which still shows the old) and written around the data. Each is less than disk->write_unit. */
	uint32_t head, tail;
	bool fresh; /* this place was never written: zeros in head and tail may be left out */

	/* The format's own. */
	uint64_t begin, end; /* units that are locked */
	bool exclusive;
	uint64_t host; /* the place in the file, in what the format counts */
	unsigned part; /* of a disk of several files */
	struct qcow2_table *table;
	struct vmdk_page *page;
	struct disk_write *next;
};

/* How a disk changes its files, as one seam: a test records the order of writes and syncs, or lets them fail. */
struct disk_io {
	ssize_t (*pwrite)(void *context, int fd, const void *data, size_t length, off_t offset);
	int (*fdatasync)(void *context, int fd);
	int (*ftruncate)(void *context, int fd, off_t size);
	int (*punch)(void *context, int fd, off_t offset, off_t length); /* fallocate(), PUNCH_HOLE | KEEP_SIZE */
	void *context;
};

extern const struct disk_io disk_real_io;

struct disk_writer {
	/* Waits for other writes to the same units (two partial writes of one new unit follow each other) and may
	 * have to flush tables. A thread has one write at a time. */
	int (*begin)(struct disk *disk, uint64_t offset, uint32_t length, struct disk_write *ret_write);
	/* result 0: all was written. Else the place is given back. */
	void (*end)(struct disk *disk, struct disk_write *write, int result);
	/* Whole units (the last may be cut by the capacity) read as zeros from now on; their space goes back to
	 * the file system where the format allows it. -EOPNOTSUPP: zeros are to be written like other bytes. */
	int (*zero)(struct disk *disk, uint64_t offset, uint64_t length);
	/* All writes that ended before are on stable storage when this succeeds. -ENOSPC of a table write (not of
	 * fsync) may be tried again. */
	int (*flush)(struct disk *disk);
	/* True after a failed fsync: only opening the disk again helps. */
	bool (*failed)(struct disk *disk);
	void (*set_io)(struct disk *disk, const struct disk_io *io); /* copied; its context must outlive the disk */
};

/* All of data, through the seam. */
int disk_pwrite(const struct disk_io *io, int fd, const void *data, size_t length, uint64_t offset);
/* fdatasync, through the seam. */
int disk_sync(const struct disk_io *io, int fd);

/*
 * The writes under way to one file. Shared with others that overwrite units in place; alone when units are new or
 * become zeros. There are as many writes as block workers, a handful. All calls with the lock that guards it.
 */
struct disk_write_locks {
	struct disk_write *first;
	pthread_cond_t released;
};

bool disk_write_must_wait(const struct disk_write_locks *locks, const struct disk_write *write);
void disk_write_lock(struct disk_write_locks *locks, struct disk_write *write);
void disk_write_unlock(struct disk_write_locks *locks, struct disk_write *write);

#endif
