/* SPDX-License-Identifier: MIT */
#include "vmformat/disk_write.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- the seam ---- */

static ssize_t real_pwrite(void *context, int fd, const void *data, size_t length, off_t offset)
{
	(void)context;
	return pwrite(fd, data, length, offset);
}

static int real_fdatasync(void *context, int fd)
{
	(void)context;
	return fdatasync(fd);
}

static int real_ftruncate(void *context, int fd, off_t size)
{
	(void)context;
	return ftruncate(fd, size);
}

static int real_punch(void *context, int fd, off_t offset, off_t length)
{
	(void)context;
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

const struct disk_io disk_real_io = { real_pwrite, real_fdatasync, real_ftruncate, real_punch, NULL };

int disk_pwrite(const struct disk_io *io, int fd, const void *data, size_t length, uint64_t offset)
{
	const uint8_t *at = data;

	while (length) {
		ssize_t n = io->pwrite(io->context, fd, at, length, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

int disk_sync(const struct disk_io *io, int fd)
{
	while (io->fdatasync(io->context, fd) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* ---- writes under way ---- */

bool disk_write_must_wait(const struct disk_write_locks *locks, const struct disk_write *write)
{
	for (const struct disk_write *w = locks->first; w; w = w->next)
		if (w->begin < write->end && write->begin < w->end && (w->exclusive || write->exclusive))
			return true;
	return false;
}

void disk_write_lock(struct disk_write_locks *locks, struct disk_write *write)
{
	write->next = locks->first;
	locks->first = write;
}

void disk_write_unlock(struct disk_write_locks *locks, struct disk_write *write)
{
	for (struct disk_write **p = &locks->first; *p; p = &(*p)->next)
		if (*p == write) {
			*p = write->next;
			break;
		}
	pthread_cond_broadcast(&locks->released);
}
