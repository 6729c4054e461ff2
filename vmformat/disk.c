/* SPDX-License-Identifier: MIT */
#include "vmformat/disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "vmformat/bytes.h"
#include "vmformat/disk_formats.h"
#include "vmformat/raw.h"
#include "vmformat/vhd.h"
#include "vmformat/vmdk.h"

/*
 * What the probes see: up to the end of the volume descriptors of a disc, 16 sectors of 2,048 bytes from
 * sector 16 on.
 */
#define HEAD_SIZE (64u << 10)

static int read_head(const struct file *file, uint8_t *head, struct error *e)
{
	size_t length = (size_t)MIN(file->size, HEAD_SIZE);
	int r = file_read(file, 0, head, length);

	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", file->name, strerror(-r));
	memset(head + length, 0, HEAD_SIZE - length);
	return 0;
}

static const struct disk_format *find_by_content(const struct file *file, const uint8_t *head, struct error *e)
{
	if (vhd_is_fixed(file)) /* its first bytes are a guest's */
		return &vhd_format;
	if (disk_refuse_foreign(file, head, HEAD_SIZE, e) < 0)
		return NULL;
	for (const struct disk_format *const *format = disk_formats; *format; format++)
		if ((*format)->probe(file, head, HEAD_SIZE))
			return *format;
	error_set(e, -EINVAL, "%s is no disk image that Vitrine knows", file->name);
	return NULL;
}

static int probe(const struct file *file, const struct disk_format **ret_format, struct error *e)
{
	struct error refusal = { 0 };
	uint8_t *head;
	int r;

	if (file->size == 0)
		return error_set(e, -ENODATA, "%s is empty; the download probably failed. Download it again.",
		                 file->name);
	head = malloc(HEAD_SIZE);
	if (!head)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	r = read_head(file, head, &refusal);
	*ret_format = r < 0 ? NULL : find_by_content(file, head, &refusal);
	free(head);
	return *ret_format ? 0 : error_set(e, refusal.code, "%s", refusal.text);
}

static int open_with(const struct disk_format *format, struct file *file, const struct files *files,
                     struct disk **ret_disk, struct error *e)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	int r;

	if (!disk)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	disk->format = format;
	snprintf(disk->name, sizeof(disk->name), "%s", file->name);
	r = format->open(disk, file, files, e);
	if (r < 0) {
		disk_close(disk);
		return r;
	}
	*ret_disk = disk;
	return 0;
}

/* file is a piece of the split disk that the descriptor `whole` describes. */
static int open_whole(struct file *file, struct file *whole, const struct files *files, struct disk **ret_disk,
                      struct error *e)
{
	int r = open_with(&vmdk_format, whole, files, ret_disk, e);

	file_close(r < 0 ? whole : file);
	return r;
}

/* Without what lies below it. */
static int open_layer(struct file *file, const struct files *files, struct disk **ret_disk, struct error *e)
{
	const struct disk_format *format;
	struct file whole;
	int r;

	/* Before its content is looked at: a flat piece has only what a guest wrote. */
	if (vmdk_find_whole(file, files, &whole))
		return open_whole(file, &whole, files, ret_disk, e);
	r = probe(file, &format, e);
	if (r < 0)
		return r;
	return open_with(format, file, files, ret_disk, e);
}

static int open_layer_as(const char *name, struct file *file, const struct files *files, struct disk **ret_disk,
                         struct error *e)
{
	for (const struct disk_format *const *format = disk_formats; *format; format++)
		if (strcmp((*format)->name, name) == 0)
			return open_with(*format, file, files, ret_disk, e);
	return error_set(e, -EINVAL, "%s: there is no disk format \"%s\"", file->name, name);
}

/* The first of the names that leads to a file. What is told of a failure is the first name's: the likeliest one. */
static int open_parent_file(const struct disk *disk, const struct files *files, struct file *ret_file, struct error *e)
{
	struct error first = { 0 };
	int first_code = 0;

	for (unsigned i = 0; i < DISK_MAX_PARENT_NAMES && disk->parent_names[i]; i++) {
		struct error failure = { 0 };
		int r = files_open(files, disk->parent_names[i], ret_file, &failure);

		if (r == 0)
			return 0;
		if (i == 0) {
			first = failure;
			first_code = r;
		}
	}
	return error_set(e, first_code, "%s holds only changes to %s, which is missing: %s. %s", disk->name,
	                 disk->parent_names[0], first.text,
	                 disk->parent_advice ? disk->parent_advice : "Put it beside.");
}

static int open_parent(struct disk *disk, const struct files *files, struct error *e)
{
	struct file file;
	int r = open_parent_file(disk, files, &file, e);

	if (r < 0)
		return r;
	r = disk->parent_format ? open_layer_as(disk->parent_format, &file, files, &disk->parent, e)
	                        : open_layer(&file, files, &disk->parent, e);
	if (r < 0) {
		file_close(&file);
		return r;
	}
	return disk->format->check_parent ? disk->format->check_parent(disk, disk->parent, e) : 0;
}

/* On failure the disk is closed. */
static int open_parents(struct disk *disk, const struct files *files, struct error *e)
{
	unsigned depth = 1;
	int r = 0;

	for (struct disk *layer = disk; r == 0 && layer && layer->parent_names[0]; layer = layer->parent)
		if (depth++ < DISK_MAX_CHAIN)
			r = open_parent(layer, files, e);
		else
			r = error_set(
				e, -ELOOP,
				"%s lies over more than %d disks, one of which probably leads back to itself (%s). "
				"Correct what they call their parent.",
				disk->name, DISK_MAX_CHAIN - 1, layer->parent_names[0]);
	if (r < 0)
		disk_close(disk);
	return r;
}

/* as NULL: by content. A parent may fail when its child has taken over the file already: the caller gets a second handle. */
static int open_chain(const char *as, struct file *file, const struct files *files, struct disk **ret_disk,
                      struct error *e)
{
	struct disk *disk = NULL;
	struct file again;
	int r = file_window(file, 0, file->size, file->name, &again, e);

	if (r < 0)
		return r;
	r = as ? open_layer_as(as, file, files, &disk, e) : open_layer(file, files, &disk, e);
	if (r < 0) {
		file_close(&again);
		return r;
	}
	r = open_parents(disk, files, e);
	if (r < 0) {
		*file = again;
		return r;
	}
	file_close(&again);
	*ret_disk = disk;
	return 0;
}

int disk_open(struct file *file, const struct files *files, struct disk **ret_disk, struct error *e)
{
	return open_chain(NULL, file, files, ret_disk, e);
}

int disk_open_as(const char *format, struct file *file, const struct files *files, struct disk **ret_disk,
                 struct error *e)
{
	return open_chain(format, file, files, ret_disk, e);
}

/* ---- in place ---- */

bool disk_is_raw_by_name(const char *name)
{
	static const char *const endings[] = { ".img", ".raw" };
	size_t length = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (length > 4 && strcasecmp(name + length - 4, endings[i]) == 0)
			return true;
	return false;
}

static int refuse_format(const char *name, const struct disk_format *format, struct error *e)
{
	return error_set(e, -ENOTSUP,
	                 "%s is %s, and only VMDK and raw disks (.img, .raw) are written, so it cannot be written in "
	                 "place",
	                 name, format->name);
}

int disk_check_in_place(const struct disk *disk, struct error *e)
{
	bool misnamed = disk->format == &raw_format && !disk_is_raw_by_name(disk->name);

	if (!disk->format->check_writable || misnamed)
		return refuse_format(disk->name, disk->format, e);
	return disk->format->check_writable(disk, e);
}

static int find_writable_format(const struct file *file, const struct files *files,
                                const struct disk_format **ret_format, struct error *e)
{
	struct file whole;
	int r;

	*ret_format = &raw_format;
	if (disk_is_raw_by_name(file->name))
		return 0;
	if (vmdk_find_whole(file, files, &whole)) {
		r = error_set(e, -ENOTSUP, "%s is a piece of %s, so it cannot be written in place", file->name,
		              whole.name);
		file_close(&whole);
		return r;
	}
	r = probe(file, ret_format, e);
	if (r == 0 && *ret_format != &vmdk_format)
		r = refuse_format(file->name, *ret_format, e);
	return r;
}

static int open_writable_layer(struct file *file, const struct files *files, struct disk **ret_disk, struct error *e)
{
	const struct disk_format *format;
	struct disk *disk;
	int r = find_writable_format(file, files, &format, e);

	if (r < 0)
		return r;
	disk = calloc(1, sizeof(*disk));
	if (!disk)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	disk->format = format;
	disk->in_place = true;
	snprintf(disk->name, sizeof(disk->name), "%s", file->name);
	r = format->open(disk, file, files, e);
	if (r == 0)
		*ret_disk = disk;
	else
		disk_close(disk);
	return r;
}

int disk_open_in_place(const char *name, const struct files *files, struct disk **ret_disk, struct error *e)
{
	struct disk *disk = NULL;
	struct file file;
	int r = files->open_writable ? files->open_writable(files, name, &file, e) : -EACCES;

	if (r < 0)
		return error_set(e, r, "%s may not be written", name);
	r = open_writable_layer(&file, files, &disk, e);
	if (r < 0)
		file_close(&file);
	else
		r = open_parents(disk, files, e);
	if (r == 0)
		*ret_disk = disk;
	return r;
}

int disk_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent,
             struct disk **ret_owner)
{
	if (length == 0 || !range_within(offset, length, disk->capacity))
		return -EINVAL;
	for (;;) {
		int r = disk->format->map(disk, offset, length, ret_extent);

		if (r < 0)
			return r;
		if (ret_owner)
			*ret_owner = disk;
		if (ret_extent->kind != DISK_PARENT)
			return 0;
		length = ret_extent->length;
		disk = disk->parent;
		/* A parent may be smaller than its child; what lies behind its end was never written. */
		if (!disk || offset >= disk->capacity) {
			ret_extent->kind = DISK_ZERO;
			return 0;
		}
		length = MIN(length, disk->capacity - offset);
	}
}

static int read_data(const struct disk_extent *extent, uint8_t *to)
{
	/*
	 * Formats answer only with ranges that they found to be inside the file; it may have been cut since.
	 */
	const struct file window = { .fd = extent->fd, .start = extent->fd_offset, .size = extent->length };

	return file_read(&window, 0, to, (size_t)extent->length);
}

static int read_packed(struct disk *owner, const struct disk_extent *extent, uint64_t offset, uint8_t *to)
{
	uint8_t *unit = malloc(extent->unit_length);
	int r;

	if (!unit)
		return -ENOMEM;
	r = owner->format->unpack(owner, extent, unit);
	if (r == 0)
		memcpy(to, unit + (offset - extent->unit_offset), (size_t)extent->length);
	free(unit);
	return r;
}

int disk_read(struct disk *disk, uint64_t offset, void *buffer, size_t length)
{
	uint8_t *to = buffer;

	while (length) {
		struct disk_extent extent;
		struct disk *owner;
		int r = disk_map(disk, offset, length, &extent, &owner);

		if (r < 0)
			return r;
		if (extent.kind == DISK_DATA)
			r = read_data(&extent, to);
		else if (extent.kind == DISK_PACKED)
			r = read_packed(owner, &extent, offset, to);
		else
			memset(to, 0, (size_t)extent.length);
		if (r < 0)
			return r;
		to += extent.length;
		offset += extent.length;
		length -= (size_t)extent.length;
	}
	return 0;
}

void disk_close(struct disk *disk)
{
	while (disk) {
		struct disk *parent = disk->parent;

		disk->format->close(disk);
		for (unsigned i = 0; i < DISK_MAX_PARENT_NAMES; i++)
			free(disk->parent_names[i]);
		free(disk);
		disk = parent;
	}
}

/* An amount as file managers and download pages show it: decimal units, one digit behind the point. */
struct amount {
	char number[24];
	const char *unit;
};

static struct amount amount_of(uint64_t bytes)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = { { "TB", 1000000000000 }, { "GB", 1000000000 }, { "MB", 1000000 }, { "KB", 1000 } };
	struct amount amount = { .unit = "bytes" };

	snprintf(amount.number, sizeof(amount.number), "%llu", (unsigned long long)bytes);
	for (unsigned i = 0; i < ARRAY_SIZE(units); i++)
		if (bytes >= units[i].bytes) {
			snprintf(amount.number, sizeof(amount.number), "%.1f", (double)bytes / (double)units[i].bytes);
			amount.unit = units[i].name;
			break;
		}
	return amount;
}

void disk_amount(uint64_t bytes, char ret_text[32])
{
	struct amount amount = amount_of(bytes);

	snprintf(ret_text, 32, "%.20s %s", amount.number, amount.unit);
}

int disk_truncated(struct error *e, const char *name, uint64_t size, uint64_t needed)
{
	static const char advice[] = "the download was probably interrupted. Download it again.";
	struct amount has = amount_of(size), needs = amount_of(needed);

	if (needed == 0)
		return error_set(e, -ENODATA, "%s ends too early, after %s %s; %s", name, has.number, has.unit, advice);
	if (strcmp(has.unit, needs.unit) != 0)
		return error_set(e, -ENODATA, "%s ends after %s %s of %s %s; %s", name, has.number, has.unit,
		                 needs.number, needs.unit, advice);
	if (strcmp(has.number, needs.number) != 0)
		return error_set(e, -ENODATA, "%s ends after %s of %s %s; %s", name, has.number, needs.number,
		                 needs.unit, advice);
	return error_set(e, -ENODATA, "%s ends after %llu of %llu bytes; %s", name, (unsigned long long)size,
	                 (unsigned long long)needed, advice);
}
