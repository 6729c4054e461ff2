/* SPDX-License-Identifier: MIT */
#include "vmformat/raw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"

struct raw {
	struct file file;
	uint64_t tail; /* where the last sector begins that the file only has a part of; the capacity if it has all */
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
	(void)files;
	return raw_open_sectors(disk, file, DISK_SECTOR, e);
}

const struct disk_format raw_format = {
	.name = "raw",
	.probe = raw_probe,
	.open = raw_open,
	.close = raw_close,
	.map = raw_map,
	.unpack = raw_unpack,
};
