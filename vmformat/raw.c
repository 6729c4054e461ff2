/* SPDX-License-Identifier: MIT */
#include "vmformat/raw.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/disk_write.h"

#define WRITE_UNIT (64u << 10) /* zeros are looked for in pieces of this size; a raw disk takes any */

struct raw {
	struct file file;
	uint64_t tail; /* where the last sector begins that the file only has a part of; the capacity if it has all */

	/* Written in place. */
	struct disk_io io;
	pthread_mutex_t flush_lock; /* one flush at a time: what the first is syncing, the second may not call synced */
	atomic_bool wrote;          /* since the last sync */
	atomic_int failed;          /* negative errno of the fsync that failed */
};

int raw_open_sectors(struct disk *disk, struct file *file, uint32_t sector_size, struct error *e)
{
	uint64_t part = file->size % sector_size;
	struct raw *raw;

	if (file->size < DISK_SECTOR)
		return error_set(e, -EINVAL,
		                 "%s has only %llu bytes, less than one sector of a disk; it is no disk image, or the "
		                 "download failed. Download it again.",
		                 file->name, (unsigned long long)file->size);
	raw = calloc(1, sizeof(*raw));
	if (!raw)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	disk->private = raw;
	disk->capacity = file->size - part + (part ? sector_size : 0);
	disk->unit_limit = part ? sector_size : 0;
	raw->tail = file->size - part;
	raw->file = *file;
	*file = FILE_CLOSED;
	return 0;
}

void raw_close(struct disk *disk)
{
	struct raw *raw = disk->private;

	if (!raw)
		return;
	if (disk->writer) {
		disk->writer->flush(disk);
		pthread_mutex_destroy(&raw->flush_lock);
	}
	file_close(&raw->file);
	free(raw);
	disk->private = NULL;
}

int raw_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	const struct raw *raw = disk->private;

	if (offset < raw->tail)
		*ret_extent = (struct disk_extent){
			.kind = DISK_DATA,
			.length = MIN(length, raw->tail - offset),
			.fd = raw->file.fd,
			.fd_offset = raw->file.start + offset,
		};
	else
		*ret_extent = (struct disk_extent){
			.kind = DISK_PACKED,
			.length = length,
			.unit_offset = raw->tail,
			.unit_length = (uint32_t)(disk->capacity - raw->tail),
		};
	return 0;
}

int raw_unpack(struct disk *disk, const struct disk_extent *extent, void *buffer)
{
	const struct raw *raw = disk->private;

	memset(buffer, 0, extent->unit_length);
	return file_read(&raw->file, raw->tail, buffer, (size_t)(raw->file.size - raw->tail));
}

/* ---- written in place ---- */

static int raw_begin(struct disk *disk, uint64_t offset, uint32_t length, struct disk_write *ret_write)
{
	struct raw *raw = disk->private;

	if (length == 0 || !range_within(offset, length, disk->capacity))
		return -EINVAL;
	*ret_write = (struct disk_write){ .fd = raw->file.fd, .fd_offset = raw->file.start + offset, .length = length };
	return atomic_load(&raw->failed);
}

static void raw_end(struct disk *disk, struct disk_write *write, int result)
{
	struct raw *raw = disk->private;

	(void)write;
	(void)result;
	atomic_store(&raw->wrote, true);
}

static int raw_zero(struct disk *disk, uint64_t offset, uint64_t length)
{
	struct raw *raw = disk->private;
	int r = atomic_load(&raw->failed);

	if (r < 0 || !range_within(offset, length, disk->capacity))
		return r < 0 ? r : -EINVAL;
	r = raw->io.punch(raw->io.context, raw->file.fd, (off_t)(raw->file.start + offset), (off_t)length);
	atomic_store(&raw->wrote, true);
	return r < 0 ? -EOPNOTSUPP : 0;
}

static int raw_flush(struct disk *disk)
{
	struct raw *raw = disk->private;
	int r;

	pthread_mutex_lock(&raw->flush_lock);
	r = atomic_load(&raw->failed);
	if (r == 0 && atomic_exchange(&raw->wrote, false)) {
		r = disk_sync(&raw->io, raw->file.fd);
		atomic_store(&raw->failed, r);
	}
	pthread_mutex_unlock(&raw->flush_lock);
	return r;
}

static bool raw_failed(struct disk *disk)
{
	struct raw *raw = disk->private;

	return atomic_load(&raw->failed) < 0;
}

static void raw_set_io(struct disk *disk, const struct disk_io *io)
{
	struct raw *raw = disk->private;

	raw->io = *io;
}

static const struct disk_writer raw_writer = {
	.begin = raw_begin,
	.end = raw_end,
	.zero = raw_zero,
	.flush = raw_flush,
	.failed = raw_failed,
	.set_io = raw_set_io,
};

static int partial(const char *name, struct error *e)
{
	return error_set(e, -ENOTSUP, "%s ends within a sector, so it cannot be written in place", name);
}

static int raw_check_writable(const struct disk *disk, struct error *e)
{
	return disk->unit_limit ? partial(disk->name, e) : 0;
}

static void make_writable(struct disk *disk)
{
	struct raw *raw = disk->private;

	raw->io = disk_real_io;
	pthread_mutex_init(&raw->flush_lock, NULL);
	disk->writer = &raw_writer;
	disk->write_unit = WRITE_UNIT;
}

/* Any bytes can be a disk; disk_open() asks raw last, after every format that has a signature. */
static bool raw_probe(const struct file *file, const uint8_t *head, size_t head_length)
{
	(void)file;
	(void)head;
	(void)head_length;
	return true;
}

static int raw_open(struct disk *disk, struct file *file, const struct files *files, struct error *e)
{
	int r = disk->in_place && file->size % DISK_SECTOR ? partial(file->name, e)
	                                                   : raw_open_sectors(disk, file, DISK_SECTOR, e);

	(void)files;
	if (r == 0 && disk->in_place)
		make_writable(disk);
	return r;
}

const struct disk_format raw_format = {
	.name = "raw",
	.probe = raw_probe,
	.open = raw_open,
	.close = raw_close,
	.map = raw_map,
	.unpack = raw_unpack,
	.check_writable = raw_check_writable,
};
