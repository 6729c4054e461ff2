/* SPDX-License-Identifier: MIT */
/*
 * The .xz file format 1.1.0: streams of blocks, each of which can be unpacked by itself, and an index of them at the
 * end. liblzma reads the index and unpacks the blocks; here is only which one holds what is asked for.
 */
#include "vmformat/xz.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/packed.h"

#define INPUT (64u << 10)
/* Each read that misses the cache unpacks a whole block, and each worker has one in memory. xz -T0 makes blocks of
 * 24 MiB, pixz of 16; a file without blocks is one, however large. */
#define MAX_BLOCK (32u << 20)
/* Of the index in memory: 16 bytes a block, so enough for 2 million of them: 2 TB in blocks of 1 MiB. */
#define INDEX_MEMORY (64ull << 20)
#define MAX_PADDING 1024u /* words of zeros behind the end: tapes and `truncate` make a few */
#define ISO_SECTOR 2048u

struct xz {
	struct file file;
	lzma_index *index; /* read only from open on */
	uint64_t size;     /* unpacked; the capacity is this, filled up to a sector */
};

/* ---- the index ---- */

static int index_failed(const struct file *file, lzma_ret code, struct error *e)
{
	switch (code) {
	case LZMA_MEM_ERROR:
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	case LZMA_MEMLIMIT_ERROR:
		return error_set(e, -EFBIG,
		                 "%s has more blocks than any program makes. Unpack it first, then open what "
		                 "was in it.",
		                 file->name);
	default:
		return error_set(e, -EINVAL, "%s is damaged: its index of blocks is wrong. Download it again.",
		                 file->name);
	}
}

/* The decoder walks from stream to stream, from the file's end to its beginning. */
static int walk(lzma_stream *s, const struct file *file, struct error *e)
{
	uint8_t *input = malloc(INPUT);
	uint64_t offset = 0;
	lzma_ret code = LZMA_OK;
	int r = input ? 0 : -ENOMEM;

	while (r == 0 && (code == LZMA_OK || code == LZMA_SEEK_NEEDED)) {
		size_t length;

		if (code == LZMA_SEEK_NEEDED) {
			offset = s->seek_pos;
			s->avail_in = 0;
		}
		length = offset < file->size ? (size_t)MIN(file->size - offset, INPUT) : 0;
		if (!s->avail_in && length) {
			r = file_read(file, offset, input, length);
			offset += length;
			s->next_in = input;
			s->avail_in = length;
		}
		if (r == 0)
			code = lzma_code(s, offset >= file->size ? LZMA_FINISH : LZMA_RUN);
	}
	free(input);
	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", file->name, strerror(-r));
	return code == LZMA_STREAM_END ? 0 : index_failed(file, code, e);
}

/* Section 2.1.2: a stream ends in "YZ"; 2.2: zeros may follow, in fours. */
static bool ends_as_xz(const struct file *file)
{
	uint64_t end = file->size;
	uint8_t last[4] = { 0 };

	for (unsigned i = 0; i < MAX_PADDING && end >= 4 && !file_read(file, end - 4, last, 4); i++, end -= 4)
		if (le32_load(last))
			return last[2] == 'Y' && last[3] == 'Z';
	return false;
}

static int read_index(const struct file *file, lzma_index **ret_index, struct error *e)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_index *index = NULL;
	lzma_ret code;
	int r;

	if (!ends_as_xz(file))
		return disk_truncated(e, file->name, file->size, 0);
	code = lzma_file_info_decoder(&s, &index, INDEX_MEMORY, file->size);
	r = code == LZMA_OK ? walk(&s, file, e) : index_failed(file, code, e);
	lzma_end(&s);
	if (r == 0 && !index)
		r = index_failed(file, LZMA_DATA_ERROR, e);
	*ret_index = r == 0 ? index : NULL;
	return r;
}

int xz_unpacked_size(const struct file *file, uint64_t *ret_size, struct error *e)
{
	lzma_index *index;
	int r = read_index(file, &index, e);

	if (r < 0)
		return r;
	*ret_size = lzma_index_uncompressed_size(index);
	lzma_index_end(index, NULL);
	return 0;
}

static uint64_t largest_block(const lzma_index *index)
{
	lzma_index_iter at;
	uint64_t largest = 0;

	lzma_index_iter_init(&at, index);
	while (!lzma_index_iter_next(&at, LZMA_INDEX_ITER_NONEMPTY_BLOCK))
		largest = MAX(largest, at.block.uncompressed_size);
	return largest;
}

/* ---- map and unpack ---- */

static int xz_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	const struct xz *xz = disk->private;
	uint64_t start, end;
	lzma_index_iter at;

	lzma_index_iter_init(&at, xz->index);
	/* What only fills up the last sector belongs to the last block. */
	if (lzma_index_iter_locate(&at, MIN(offset, xz->size - 1)))
		return -EIO;
	start = at.block.uncompressed_file_offset;
	end = start + at.block.uncompressed_size;
	if (end == xz->size)
		end = disk->capacity;
	*ret_extent = (struct disk_extent){
		.kind = DISK_PACKED,
		.length = MIN(length, end - offset),
		.unit_offset = start,
		.unit_length = (uint32_t)(end - start),
		.unit_key = at.block.compressed_file_offset,
	};
	return 0;
}

/* A dictionary larger than the block is memory for nothing: no match leads to before the block's beginning. */
static void shrink_dictionary(lzma_filter *filters, uint64_t size)
{
	for (; filters->id != LZMA_VLI_UNKNOWN; filters++)
		if (filters->id == LZMA_FILTER_LZMA2) {
			lzma_options_lzma *options = filters->options;

			options->dict_size = MIN(options->dict_size, (uint32_t)MAX(size, LZMA_DICT_SIZE_MIN));
		}
}

static int decode_header(const struct xz *xz, const lzma_index_iter *at, lzma_block *block)
{
	uint8_t header[LZMA_BLOCK_HEADER_SIZE_MAX];
	uint64_t offset = at->block.compressed_file_offset;
	int r = file_read(&xz->file, offset, header, 1);

	if (r < 0)
		return r;
	if (header[0] == 0)
		return -EIO; /* that would be the index */
	block->header_size = lzma_block_header_size_decode(header[0]);
	r = file_read(&xz->file, offset, header, block->header_size);
	if (r < 0)
		return r;
	if (lzma_block_header_decode(block, NULL, header) != LZMA_OK)
		return -EIO;
	/* What the header says and what the index says is the same. */
	return lzma_block_compressed_size(block, at->block.unpadded_size) == LZMA_OK ? 0 : -EIO;
}

static int code_error(lzma_ret code)
{
	return code == LZMA_OK || code == LZMA_STREAM_END ? 0 : code == LZMA_MEM_ERROR ? -ENOMEM : -EIO;
}

static int decode(const struct xz *xz, lzma_stream *s, uint64_t offset, uint64_t left)
{
	uint8_t *input = malloc(INPUT);
	lzma_ret code = LZMA_OK;
	int r = input ? 0 : -ENOMEM;

	while (r == 0 && code == LZMA_OK) {
		size_t length = (size_t)MIN(left, INPUT);

		if (!s->avail_in && length) {
			r = file_read(&xz->file, offset, input, length);
			offset += length;
			left -= length;
			s->next_in = input;
			s->avail_in = length;
		}
		if (r == 0)
			code = lzma_code(s, LZMA_RUN);
	}
	free(input);
	if (r < 0)
		return r;
	return code_error(code);
}

static int unpack_block(const struct xz *xz, const lzma_index_iter *at, uint8_t *buffer)
{
	lzma_filter filters[LZMA_FILTERS_MAX + 1] = { { .id = LZMA_VLI_UNKNOWN } };
	lzma_block block = { .check = at->stream.flags->check, .filters = filters };
	lzma_stream s = LZMA_STREAM_INIT;
	int r = decode_header(xz, at, &block);

	if (r == 0) {
		shrink_dictionary(filters, at->block.uncompressed_size);
		r = code_error(lzma_block_decoder(&s, &block));
	}
	s.next_out = buffer;
	s.avail_out = (size_t)at->block.uncompressed_size;
	if (r == 0)
		r = decode(xz, &s, at->block.compressed_file_offset + block.header_size,
		           at->block.total_size - block.header_size);
	if (r == 0 && s.avail_out)
		r = -EIO;
	lzma_end(&s);
	lzma_filters_free(filters, NULL);
	return r;
}

static int xz_unpack(struct disk *disk, const struct disk_extent *extent, void *buffer)
{
	const struct xz *xz = disk->private;
	lzma_index_iter at;

	lzma_index_iter_init(&at, xz->index);
	if (lzma_index_iter_locate(&at, extent->unit_offset) || at.block.uncompressed_size > extent->unit_length)
		return -EIO;
	memset((uint8_t *)buffer + at.block.uncompressed_size, 0, extent->unit_length - at.block.uncompressed_size);
	return unpack_block(xz, &at, buffer);
}

/* ---- open ---- */

static bool xz_probe(const struct file *file, const uint8_t *head, size_t head_length)
{
	static const uint8_t magic[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };

	(void)file;
	return head_length >= sizeof(magic) && !memcmp(head, magic, sizeof(magic));
}

static void xz_close(struct disk *disk)
{
	struct xz *xz = disk->private;

	if (!xz)
		return;
	lzma_index_end(xz->index, NULL);
	file_close(&xz->file);
	free(xz);
	disk->private = NULL;
}

static int set_capacity(struct disk *disk, struct xz *xz, uint32_t sector, struct error *e)
{
	uint64_t largest = largest_block(xz->index);

	xz->size = lzma_index_uncompressed_size(xz->index);
	if (xz->size < DISK_SECTOR)
		return error_set(e, -EINVAL, "%s holds only %llu bytes, less than one sector of a disk", disk->name,
		                 (unsigned long long)xz->size);
	if (largest > MAX_BLOCK)
		return error_set(
			e, -EFBIG,
			"%s was packed in blocks of up to %llu MiB, too large to be read in place (%u MiB are the "
			"limit). Unpack it first, then open what was in it.",
			disk->name, (unsigned long long)(largest >> 20), MAX_BLOCK >> 20);
	disk->capacity = (xz->size + sector - 1) / sector * sector;
	disk->unit_limit = (uint32_t)largest + sector;
	return 0;
}

static int xz_open(struct disk *disk, struct file *file, const struct files *files, struct error *e)
{
	struct xz *xz = disk->private = calloc(1, sizeof(*xz));
	int r;

	(void)files;
	if (!xz)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	xz->file = *file; /* borrowed until nothing can fail any more */
	r = read_index(file, &xz->index, e);
	if (r == 0)
		r = set_capacity(disk, xz, DISK_SECTOR, e);
	if (r == 0)
		r = packed_check_disk(disk, xz->size, "xz", e);
	if (r == 0 && disk->is_cdrom)
		r = set_capacity(disk, xz, ISO_SECTOR, e);
	if (r < 0) {
		xz->file = FILE_CLOSED;
		return r;
	}
	*file = FILE_CLOSED;
	return 0;
}

const struct disk_format xz_format = {
	.name = "xz",
	.probe = xz_probe,
	.open = xz_open,
	.close = xz_close,
	.map = xz_map,
	.unpack = xz_unpack,
};
