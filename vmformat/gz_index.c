/* SPDX-License-Identifier: MIT */
/*
 * Making, keeping and reading the index of a gzip file. The kept file: a header, the windows one after the other,
 * the table of points. The header is written last, when all the rest is on the disk, so that a file that was not
 * finished has none. It is ours, but read as if it were not: whoever can write it is not trusted with more than the
 * guest's bytes.
 */
#include "vmformat/gz_index.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "vmformat/bytes.h"

#define INPUT (256u << 10)
#define OUTPUT (256u << 10)
#define MAX_POINTS (1u << 20) /* a disk of 2 TB, 40 MB of memory; beyond it is unpacked once */

/* Offsets in the header, and in a point. All little endian. */
enum {
	AT_MAGIC = 0,
	AT_VERSION = 8,
	AT_COUNT = 12,
	AT_KEY = 16,
	AT_PACKED_SIZE = 48,
	AT_SIZE = 56,
	AT_TABLE = 64,
	AT_TABLE_CRC = 72,
	AT_HEADER_CRC = 76,
	HEADER_SIZE = 80,
	FIRST_WINDOW = 4096,
	POINT_OUT = 0,
	POINT_IN = 8,
	POINT_WINDOW = 16,
	POINT_WINDOW_LENGTH = 24,
	POINT_CRC = 28,
	POINT_BITS = 32,
	POINT_IS_HEADER = 33,
	POINT_SIZE = 40,
};
#define MAGIC "VITRINGZ"
#define VERSION 1u

struct builder {
	const struct file *file;
	const struct keep *keep;
	struct error *e;
	struct gz_index *index;
	z_stream z;
	uint64_t offset; /* of the next input */
	uint64_t kept_end;
	uint32_t room; /* points allocated */
	uint32_t crc;  /* since the last point */
	uint8_t input[INPUT], output[OUTPUT];
};

void gz_index_free(struct gz_index *index)
{
	if (!index)
		return;
	file_close(&index->kept);
	free(index->points);
	free(index);
}

/* ---- writing ---- */

static void store_point(uint8_t *raw, const struct gz_point *point)
{
	memset(raw, 0, POINT_SIZE);
	le64_store(raw + POINT_OUT, point->out);
	le64_store(raw + POINT_IN, point->in);
	le64_store(raw + POINT_WINDOW, point->window);
	le32_store(raw + POINT_WINDOW_LENGTH, point->window_length);
	le32_store(raw + POINT_CRC, point->crc);
	raw[POINT_BITS] = point->bits;
	raw[POINT_IS_HEADER] = point->is_header;
}

static int write_index(struct builder *b, const uint8_t key[GZ_KEY])
{
	const struct gz_index *index = b->index;
	size_t length = (size_t)index->count * POINT_SIZE;
	uint8_t header[HEADER_SIZE] = MAGIC, *table = malloc(length);
	int fd = index->kept.fd, r = -ENOMEM;

	if (table) {
		for (uint32_t i = 0; i < index->count; i++)
			store_point(table + (size_t)i * POINT_SIZE, &index->points[i]);
		r = file_write_all(fd, b->kept_end, table, length);
	}
	le32_store(header + AT_VERSION, VERSION);
	le32_store(header + AT_COUNT, index->count);
	memcpy(header + AT_KEY, key, GZ_KEY);
	le64_store(header + AT_PACKED_SIZE, index->packed_size);
	le64_store(header + AT_SIZE, index->size);
	le64_store(header + AT_TABLE, b->kept_end);
	le32_store(header + AT_TABLE_CRC, table ? libdeflate_crc32(0, table, length) : 0);
	le32_store(header + AT_HEADER_CRC, libdeflate_crc32(0, header, AT_HEADER_CRC));
	free(table);
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	if (r == 0)
		r = file_write_all(fd, 0, header, sizeof(header));
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	return r;
}

/* ---- making ---- */

static int store_window(struct builder *b, struct gz_point *point)
{
	uint8_t window[GZ_WINDOW], packed[GZ_WINDOW + 64]; /* compressBound() of it: 15 bytes more */
	uLongf packed_length = sizeof(packed);
	uInt length = 0;
	int r;

	if (inflateGetDictionary(&b->z, window, &length) != Z_OK)
		return -EIO;
	if (!length)
		return 0;
	if (compress2(packed, &packed_length, window, length, Z_BEST_SPEED) != Z_OK)
		return -ENOMEM;
	if (b->keep->room && b->kept_end + packed_length > b->keep->room)
		return -EFBIG;
	r = file_write_all(b->index->kept.fd, b->kept_end, packed, packed_length);
	point->window = b->kept_end;
	point->window_length = (uint32_t)packed_length;
	b->kept_end += packed_length;
	return r;
}

static int make_room(struct builder *b)
{
	struct gz_index *index = b->index;
	struct gz_point *points;

	if (index->count < b->room)
		return 0;
	if (index->count == MAX_POINTS)
		return -EFBIG;
	b->room = b->room ? b->room * 2 : 256;
	points = reallocarray(index->points, b->room, sizeof(*points));
	if (!points)
		return -ENOMEM;
	index->points = points;
	return 0;
}

/* Here, before what comes next. */
static int add_point(struct builder *b, bool is_header)
{
	struct gz_index *index = b->index;
	struct gz_point *point;
	int r = make_room(b);

	if (r < 0)
		return r;
	if (index->count)
		index->points[index->count - 1].crc = b->crc;
	b->crc = 0;
	point = &index->points[index->count++];
	*point = (struct gz_point){ .out = index->size, .in = b->offset - b->z.avail_in, .is_header = is_header };
	if (is_header)
		return 0;
	point->bits = b->z.data_type & 7;
	return store_window(b, point);
}

static uint64_t since_point(const struct builder *b)
{
	return b->index->size - b->index->points[b->index->count - 1].out;
}

static int refill(struct builder *b)
{
	size_t length = (size_t)MIN(b->file->size - b->offset, INPUT);
	int r;

	if (b->z.avail_in || !length)
		return 0;
	r = b->keep->progress(b->keep, b->file->name, b->offset, b->file->size);
	if (r < 0)
		return error_set(b->e, r, "%s was not looked through to its end, as you wished", b->file->name);
	r = file_read(b->file, b->offset, b->input, length);
	if (r < 0)
		return error_set(b->e, r, "%s cannot be read: %s", b->file->name, strerror(-r));
	b->offset += length;
	b->z.next_in = b->input;
	b->z.avail_in = (uInt)length;
	return 0;
}

/* 1: the end. What follows the last member is left out, as gzip(1) does. */
static int next_member(struct builder *b)
{
	int r = refill(b);

	if (r < 0)
		return r;
	if (!b->z.avail_in || b->z.next_in[0] != 0x1f)
		return 1;
	if (inflateReset(&b->z) != Z_OK)
		return -EIO;
	return since_point(b) >= GZ_SPACING ? add_point(b, true) : 0;
}

static int step(struct builder *b)
{
	size_t produced;
	int code, r = refill(b);

	if (r < 0)
		return r;
	b->z.next_out = b->output;
	b->z.avail_out = OUTPUT;
	code = inflate(&b->z, Z_BLOCK);
	produced = OUTPUT - b->z.avail_out;
	b->crc = libdeflate_crc32(b->crc, b->output, produced);
	b->index->size += produced;
	if (since_point(b) > GZ_MAX_UNIT)
		return -EFBIG;
	if (code == Z_STREAM_END)
		return next_member(b);
	if (code == Z_BUF_ERROR && !b->z.avail_in && b->offset == b->file->size)
		return disk_truncated(b->e, b->file->name, b->file->size, 0);
	if (code != Z_OK)
		return code == Z_MEM_ERROR ? -ENOMEM : -EIO;
	/* zlib.h, inflate(): 128 between two blocks, 64 in the last one. */
	if ((b->z.data_type & 128) && !(b->z.data_type & 64) && since_point(b) >= GZ_SPACING)
		return add_point(b, false);
	return 0;
}

static int make(struct builder *b, const uint8_t key[GZ_KEY])
{
	int r = ftruncate(b->index->kept.fd, 0) < 0 ? -errno : 0;

	if (r == 0)
		r = add_point(b, true);
	while (r == 0)
		r = step(b);
	if (r < 0)
		return r;
	if (b->index->count > 1 && !since_point(b))
		b->index->count--; /* an empty member at the end */
	else
		b->index->points[b->index->count - 1].crc = b->crc;
	r = write_index(b, key);
	b->index->kept.size = b->kept_end;
	return r;
}

static int explain(const struct builder *b, int code)
{
	const char *name = b->file->name;

	switch (code) {
	case -EIO:
		return error_set(b->e, code,
		                 "%s is damaged at about byte %llu; it cannot be unpacked. Download it again.", name,
		                 (unsigned long long)(b->offset - b->z.avail_in));
	case -EFBIG:
		return error_set(b->e, code, "%s was packed so that it cannot be read in the middle", name);
	case -ENOSPC:
	case -EDQUOT:
		return error_set(b->e, code,
		                 "The index of %s cannot be kept: the disk that holds Vitrine's state folder is "
		                 "full. Make room and try again.",
		                 name);
	default:
		return error_set(b->e, code, "The index of %s cannot be made: %s", name, strerror(-code));
	}
}

static int build(struct gz_index *index, const struct file *file, const uint8_t key[GZ_KEY], const struct keep *keep,
                 struct error *e)
{
	struct builder *b = calloc(1, sizeof(*b));
	int r = -ENOMEM;

	if (!b)
		return error_set(e, r, "%s: not enough memory", file->name);
	b->file = file;
	b->keep = keep;
	b->e = e;
	b->index = index;
	b->kept_end = FIRST_WINDOW;
	if (inflateInit2(&b->z, MAX_WBITS + 16) == Z_OK)
		r = make(b, key);
	inflateEnd(&b->z);
	if (r < 0) {
		explain(b, r);
		if (ftruncate(index->kept.fd, 0) < 0)
			r = -errno; /* which says no more than r does */
	}
	free(b);
	return r;
}

/* ---- reading ---- */

static bool load_point(const uint8_t *raw, const struct gz_index *index, struct gz_point *point)
{
	*point = (struct gz_point){
		.out = le64_load(raw + POINT_OUT),
		.in = le64_load(raw + POINT_IN),
		.window = le64_load(raw + POINT_WINDOW),
		.window_length = le32_load(raw + POINT_WINDOW_LENGTH),
		.crc = le32_load(raw + POINT_CRC),
		.bits = raw[POINT_BITS],
		.is_header = raw[POINT_IS_HEADER],
	};
	return raw[POINT_IS_HEADER] <= 1 && point->bits <= 7 && point->in <= index->packed_size &&
	       (point->in || !point->bits) && point->window_length <= GZ_WINDOW + 64 &&
	       range_within(point->window, point->window_length, index->kept.size);
}

/* They begin at 0 and grow by what a unit may have. */
static bool points_fit(const struct gz_index *index)
{
	if (index->points[0].out)
		return false;
	for (uint32_t i = 0; i < index->count; i++) {
		uint64_t start = index->points[i].out, end = gz_unit_end(index, i);

		if (end <= start || end - start > GZ_MAX_UNIT)
			return false;
	}
	return true;
}

static bool load_table(struct gz_index *index, uint64_t offset, uint32_t crc)
{
	size_t length = (size_t)index->count * POINT_SIZE;
	uint8_t *table = range_within(offset, length, index->kept.size) ? malloc(length) : NULL;
	bool good = table && file_read(&index->kept, offset, table, length) == 0 &&
	            libdeflate_crc32(0, table, length) == crc;

	index->points = good ? calloc(index->count, sizeof(*index->points)) : NULL;
	good = index->points != NULL;
	for (uint32_t i = 0; good && i < index->count; i++)
		good = load_point(table + (size_t)i * POINT_SIZE, index, &index->points[i]);
	free(table);
	return good && points_fit(index);
}

static bool load(struct gz_index *index, const uint8_t key[GZ_KEY])
{
	uint8_t header[HEADER_SIZE];

	if (file_read(&index->kept, 0, header, sizeof(header)) < 0 || memcmp(header, MAGIC, 8) != 0 ||
	    le32_load(header + AT_VERSION) != VERSION || memcmp(header + AT_KEY, key, GZ_KEY) != 0 ||
	    le64_load(header + AT_PACKED_SIZE) != index->packed_size ||
	    le32_load(header + AT_HEADER_CRC) != libdeflate_crc32(0, header, AT_HEADER_CRC))
		return false;
	index->count = le32_load(header + AT_COUNT);
	index->size = le64_load(header + AT_SIZE);
	if (!index->count || index->count > MAX_POINTS || index->size > INT64_MAX)
		return false;
	return load_table(index, le64_load(header + AT_TABLE), le32_load(header + AT_TABLE_CRC));
}

static void start_anew(struct gz_index *index)
{
	free(index->points);
	index->points = NULL;
	index->count = 0;
	index->size = 0;
}

int gz_index_open(const struct file *file, const uint8_t key[GZ_KEY], int kept, bool kept_is_ours,
                  const struct keep *keep, struct gz_index **ret_index, struct error *e)
{
	struct gz_index *index = calloc(1, sizeof(*index));
	int r = index ? file_from_fd(kept, "the kept index", &index->kept, e) : -ENOMEM;

	if (r < 0) {
		close(kept);
		free(index);
		return error_set(e, r, "%s: not enough memory", file->name);
	}
	index->packed_size = file->size;
	if (!load(index, key)) {
		start_anew(index);
		r = kept_is_ours ? build(index, file, key, keep, e)
		                 : error_set(e, -EBUSY,
		                             "%s is being looked through in another window. Wait until that is "
		                             "done, then try again.",
		                             file->name);
	}
	if (r < 0)
		gz_index_free(index);
	else
		*ret_index = index;
	return r;
}
