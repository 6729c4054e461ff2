/* SPDX-License-Identifier: MIT */
/* The disk: which point of the index serves a read, and inflate from there. RFC 1951 and 1952; zlib does the work. */
#include "vmformat/gz.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "vmformat/bytes.h"
#include "vmformat/gz_index.h"
#include "vmformat/packed.h"

#define INPUT (64u << 10)
#define TRAILER 8u /* RFC 1952 section 2.3: CRC32, ISIZE */
#define ISO_SECTOR 2048u

struct gz {
	struct file file;
	const struct gz_index *index; /* borrowed */
};

/* The last point at or before offset; there is always the first. */
static uint32_t find_point(const struct gz_index *index, uint64_t offset)
{
	uint32_t low = 0, high = index->count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (index->points[middle].out <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static int gz_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	const struct gz *gz = disk->private;
	uint32_t point = find_point(gz->index, offset);
	uint64_t start = gz->index->points[point].out, end = gz_unit_end(gz->index, point);

	if (point + 1 == gz->index->count)
		end = disk->capacity; /* with what fills up the last sector */
	*ret_extent = (struct disk_extent){
		.kind = DISK_PACKED,
		.length = MIN(length, end - offset),
		.unit_offset = start,
		.unit_length = (uint32_t)(end - start),
		.unit_key = point,
	};
	return 0;
}

/* ---- inflate from a point ---- */

struct inflater {
	const struct gz *gz;
	z_stream z;
	uint64_t offset; /* of the next input */
	bool with_header;
	uint8_t input[INPUT];
};

static int set_window(struct inflater *f, const struct gz_point *point)
{
	const struct file *kept = &f->gz->index->kept;
	uint8_t window[GZ_WINDOW];
	uLongf length = sizeof(window);
	int r;

	if (!point->window_length)
		return 0;
	r = file_read(kept, point->window, f->input, point->window_length); /* gz_index.c has checked the length */
	if (r < 0)
		return r;
	if (uncompress(window, &length, f->input, point->window_length) != Z_OK ||
	    inflateSetDictionary(&f->z, window, (uInt)length) != Z_OK)
		return -EIO;
	return 0;
}

static int enter(struct inflater *f, const struct gz_point *point)
{
	uint8_t byte;
	int r = inflateInit2(&f->z, point->is_header ? MAX_WBITS + 16 : -MAX_WBITS) == Z_OK ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	f->offset = point->in;
	f->with_header = point->is_header;
	if (point->bits) {
		r = file_read(&f->gz->file, point->in - 1, &byte, 1);
		if (r == 0 && inflatePrime(&f->z, point->bits, byte >> (8 - point->bits)) != Z_OK)
			r = -EIO;
	}
	return r < 0 ? r : set_window(f, point);
}

static int refill(struct inflater *f)
{
	size_t length = (size_t)MIN(f->gz->file.size - f->offset, INPUT);
	int r;

	if (f->z.avail_in)
		return 0;
	r = length ? file_read(&f->gz->file, f->offset, f->input, length)
	           : -EIO; /* it was all there when it was indexed */
	if (r < 0)
		return r;
	f->offset += length;
	f->z.next_in = f->input;
	f->z.avail_in = (uInt)length;
	return 0;
}

/* One member has ended, another follows: entered behind its header, zlib has left the trailer to us. */
static int next_member(struct inflater *f)
{
	for (unsigned left = f->with_header ? 0 : TRAILER; left;) {
		unsigned n;
		int r = refill(f);

		if (r < 0)
			return r;
		n = MIN(left, f->z.avail_in);
		f->z.next_in += n;
		f->z.avail_in -= n;
		left -= n;
	}
	f->with_header = true;
	return inflateReset2(&f->z, MAX_WBITS + 16) == Z_OK ? 0 : -EIO;
}

static int inflate_unit(struct inflater *f, uint8_t *buffer, uint32_t length)
{
	int r = 0;

	f->z.next_out = buffer;
	f->z.avail_out = length;
	while (f->z.avail_out && r == 0) {
		int code;

		r = refill(f);
		code = r == 0 ? inflate(&f->z, Z_NO_FLUSH) : Z_OK;
		if (code == Z_STREAM_END && f->z.avail_out)
			r = next_member(f);
		else if (code != Z_OK && code != Z_STREAM_END)
			r = code == Z_MEM_ERROR ? -ENOMEM : -EIO;
	}
	return r;
}

static int gz_unpack(struct disk *disk, const struct disk_extent *extent, void *buffer)
{
	const struct gz *gz = disk->private;
	const struct gz_point *point = &gz->index->points[extent->unit_key];
	uint32_t length = (uint32_t)(gz_unit_end(gz->index, (uint32_t)extent->unit_key) - point->out);
	struct inflater *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->gz = gz;
	r = enter(f, point);
	if (r == 0)
		r = inflate_unit(f, buffer, length);
	inflateEnd(&f->z);
	free(f);
	if (r == -ENODATA)
		return -EIO;
	if (r == 0 && libdeflate_crc32(0, buffer, length) != point->crc)
		return -EIO; /* the file has changed since, or the index is damaged */
	memset((uint8_t *)buffer + length, 0, extent->unit_length - length);
	return r;
}

/* ---- open ---- */

static bool gz_probe(const struct file *file, const uint8_t *head, size_t head_length)
{
	(void)file;
	return head_length >= 3 && head[0] == 0x1f && head[1] == 0x8b && head[2] == 8; /* RFC 1952 section 2.3.1 */
}

static void gz_close(struct disk *disk)
{
	struct gz *gz = disk->private;

	if (!gz)
		return;
	file_close(&gz->file);
	free(gz);
	disk->private = NULL;
}

static void set_capacity(struct disk *disk, const struct gz_index *index, uint32_t sector)
{
	uint64_t largest = 0;

	for (uint32_t i = 0; i < index->count; i++)
		largest = MAX(largest, gz_unit_end(index, i) - index->points[i].out);
	disk->capacity = (index->size + sector - 1) / sector * sector;
	disk->unit_limit = (uint32_t)largest + sector;
}

static int gz_open(struct disk *disk, struct file *file, const struct files *files, struct error *e)
{
	const struct gz_index *index = files->gz_index;
	struct gz *gz;
	int r;

	if (!index || index->packed_size != file->size)
		return error_set(e, -ENOTSUP, "%s is compressed with gzip. Unpack it first, then open what was in it.",
		                 file->name);
	if (index->size < DISK_SECTOR)
		return error_set(e, -EINVAL, "%s holds only %llu bytes, less than one sector of a disk", file->name,
		                 (unsigned long long)index->size);
	gz = disk->private = calloc(1, sizeof(*gz));
	if (!gz)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	gz->file = *file; /* borrowed until nothing can fail any more */
	gz->index = index;
	set_capacity(disk, index, DISK_SECTOR);
	r = packed_check_disk(disk, index->size, "gzip", e);
	if (r < 0) {
		gz->file = FILE_CLOSED;
		return r;
	}
	if (disk->is_cdrom)
		set_capacity(disk, index, ISO_SECTOR);
	*file = FILE_CLOSED;
	return 0;
}

const struct disk_format gz_format = {
	.name = "gz",
	.probe = gz_probe,
	.open = gz_open,
	.close = gz_close,
	.map = gz_map,
	.unpack = gz_unpack,
};
