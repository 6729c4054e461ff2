/* SPDX-License-Identifier: MIT */
/* What is put into a drive while the machine runs: one image, packed or not. */
#include "vmformat/appliance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmformat/bytes.h"
#include "vmformat/wrap.h"

bool appliance_is_packed(const struct file *file)
{
	uint8_t head[64];
	size_t length = (size_t)MIN(file->size, sizeof(head));

	return file_read(file, 0, head, length) == 0 && wrap_probe(head, length);
}

/* ---- what lives as long as the disk ---- */

static void package_close(struct disk *disk)
{
	appliance_free(disk->private);
}

static int package_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	(void)disk, (void)offset;
	*ret_extent = (struct disk_extent){ .kind = DISK_ZERO, .length = length, .fd = -1 }; /* as below any disk */
	return 0;
}

/* Not in the table of disk_formats.c: no file is one. */
static const struct disk_format package_format = { .name = "package", .close = package_close, .map = package_map };

/* The lowest of the chain, for that is closed last. */
static int put_below(struct disk *disk, struct appliance *a, struct error *e)
{
	struct disk *package = calloc(1, sizeof(*package));

	if (!package)
		return error_set(e, -ENOMEM, "%s: not enough memory", disk->name);
	package->format = &package_format;
	package->capacity = disk->capacity;
	package->private = a;
	snprintf(package->name, sizeof(package->name), "%s", disk->name);
	while (disk->parent)
		disk = disk->parent;
	disk->parent = package;
	return 0;
}

/* ---- opening ---- */

static const struct appliance_drive *image_of(const struct appliance *a)
{
	for (unsigned i = 0; a->source_is_drive && i < a->drive_count; i++)
		if (a->drives[i].backing == BACKING_IMAGE)
			return &a->drives[i];
	return NULL;
}

static int open_packed(struct appliance *a, const char *name, struct disk **ret_disk, struct error *e)
{
	const struct appliance_drive *drive = image_of(a);
	int r;

	if (!drive)
		return error_set(e, -EINVAL, "%s holds a machine, not a disc. Open it by itself.", name);
	r = appliance_open_disk(a, drive, ret_disk, e);
	if (r < 0)
		return r;
	r = put_below(*ret_disk, a, e);
	if (r < 0)
		disk_close(*ret_disk);
	return r;
}

int appliance_open_medium(struct file *file, const struct files *files, struct disk **ret_disk, struct error *e)
{
	struct appliance *a;
	char name[sizeof(file->name)];
	int r;

	if (!appliance_is_packed(file))
		return disk_open(file, files, ret_disk, e);
	snprintf(name, sizeof(name), "%s", file->name);
	r = appliance_open(file, files, &a, e);
	if (r < 0)
		return r;
	r = open_packed(a, name, ret_disk, e);
	if (r < 0)
		appliance_free(a);
	return r;
}
