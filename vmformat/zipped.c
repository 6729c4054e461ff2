/* SPDX-License-Identifier: MIT */
/*
 * libarchive is given a zip of one member, whose header is written here, and then that member's bytes: its own
 * reading of headers and directories, of which it has two, sees nothing foreign. What it unpacks is what zip.c
 * found.
 *
 * It asks libc for the local time of that header's time stamp. libc looks for /etc/localtime then, which does not
 * exist in the sandbox, and goes by UTC; nobody looks at the time.
 */
#include "vmformat/zipped.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/sevenzip.h"

#define CHUNK (256u << 10)
#define NAME "a"            /* libarchive wants one */
#define EXTRA (4u + 2 * 8u) /* 4.5.3: both sizes in 64 bits, whatever they are */
#define LOCAL_SIZE 30u
#define HEADER (LOCAL_SIZE + sizeof(NAME) - 1 + EXTRA)
#define LZMA_START 9u /* 5.8.8: the version, the length of the properties, which is 5; one byte, the dictionary */

struct reader {
	const struct file *file;
	const struct zip_member *member;
	struct unpack *u;
	struct error *e;
	struct archive *archive;
	uint64_t taken; /* of the member */
	bool has_header;
	int code; /* what a callback found, which libarchive does not hand on */
	uint8_t header[HEADER], input[CHUNK], output[CHUNK];
};

bool zipped_is_known(uint16_t method)
{
	return method == ZIP_BZIP2 || method == ZIP_LZMA || method == ZIP_ZSTD || method == ZIP_PPMD;
}

/* ---- what libarchive calls ---- */

/* 4.3.7 */
static void write_header(uint8_t header[HEADER], const struct zip_member *m)
{
	uint8_t *extra = header + HEADER - EXTRA;

	memcpy(header, "PK\3\4", 4);
	le16_store(header + 8, m->method);
	le32_store(header + 14, m->crc);
	le32_store(header + 18, UINT32_MAX);
	le32_store(header + 22, UINT32_MAX);
	le16_store(header + 26, sizeof(NAME) - 1);
	le16_store(header + 28, EXTRA);
	memcpy(header + LOCAL_SIZE, NAME, sizeof(NAME) - 1);
	le16_store(extra, 1);
	le16_store(extra + 2, EXTRA - 4);
	le64_store(extra + 4, m->size);
	le64_store(extra + 12, m->packed);
}

static int report_progress(struct reader *r)
{
	return unpack_progress(r->u, r->member->data + r->taken, r->file->size, r->e);
}

static la_ssize_t read_more(struct archive *archive, void *context, const void **ret_bytes)
{
	struct reader *r = context;
	size_t length = (size_t)MIN(r->member->packed - r->taken, CHUNK);

	(void)archive;
	if (!r->has_header) {
		r->has_header = true;
		*ret_bytes = r->header;
		return HEADER;
	}
	r->code = length ? file_read(r->file, r->member->data + r->taken, r->input, length) : 0;
	if (r->code < 0)
		return -1;
	r->taken += length;
	*ret_bytes = r->input;
	return (la_ssize_t)length;
}

/* ---- one member ---- */

static int damaged(const struct reader *r, const char *how)
{
	return error_set(r->e, -EIO, "%s is damaged: %s cannot be unpacked (%.200s). Download it again.", r->file->name,
	                 r->member->name, how);
}

static int failed(const struct reader *r)
{
	const char *words = archive_error_string(r->archive);

	if (r->code < 0)
		return error_set(r->e, r->code, "%s cannot be read: %s", r->file->name, strerror(-r->code));
	return damaged(r, words ? words : "its bytes make no sense");
}

/*
 * libarchive gives a decompressor what a member declares. Only LZMA declares it without a sane limit: PPMd's
 * 8 bits say up to 256 MiB, bzip2 takes 4 MiB, and libzstd itself refuses windows beyond 128 MiB. Older versions of
 * libarchive take LZMA's first bytes without looking how many there are.
 */
static int check_memory(const struct reader *r)
{
	uint8_t start[LZMA_START];
	uint64_t dictionary;
	int code;

	if (r->member->method != ZIP_LZMA)
		return 0;
	if (r->member->packed < LZMA_START)
		return damaged(r, "it is too short");
	code = file_read(r->file, r->member->data, start, LZMA_START);
	if (code < 0)
		return error_set(r->e, code, "%s cannot be read: %s", r->file->name, strerror(-code));
	dictionary = le32_load(start + 5);
	return dictionary > SEVENZIP_MEMORY ? sevenzip_refuse_memory(r->file->name, dictionary, r->e) : 0;
}

static int open_archive(struct reader *r)
{
	struct archive *archive = r->archive = archive_read_new();
	struct archive_entry *entry;

	if (!archive)
		return error_set(r->e, -ENOMEM, "%s: not enough memory", r->file->name);
	if (archive_read_support_format_zip_streamable(archive) != ARCHIVE_OK ||
	    archive_read_open(archive, r, NULL, read_more, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(archive, &entry) != ARCHIVE_OK)
		return failed(r);
	return 0;
}

/*
 * As many bytes as are announced, and never whether there are more: libarchive 3.6 calls zstd's cut when its last
 * bytes fill a buffer, as a disk's do. The checksum says what the end would. Cancel is asked for whenever something
 * came out, for a bomb's few bytes are taken at once.
 */
static int unpack_data(struct reader *r, uint32_t *ret_crc)
{
	uint64_t left = r->member->size;
	int code = 0;

	while (left && code == 0) {
		la_ssize_t n = archive_read_data(r->archive, r->output, (size_t)MIN(left, CHUNK));

		if (n < 0)
			return failed(r);
		if (n == 0)
			break; /* unpack_end() has the words */
		left -= (uint64_t)n;
		*ret_crc = libdeflate_crc32(*ret_crc, r->output, (size_t)n);
		code = unpack_write(r->u, r->output, (size_t)n, r->e);
		if (code == 0)
			code = report_progress(r);
	}
	return code < 0 ? code : unpack_end(r->u, r->e);
}

int zipped_unpack(const struct file *file, const struct zip_member *m, struct unpack *u, uint32_t *ret_crc,
                  struct error *e)
{
	struct reader *r = calloc(1, sizeof(*r));
	int code;

	*ret_crc = 0;
	if (!r)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	r->file = file; /* one by one: a whole struct on the stack would be half a megabyte */
	r->member = m;
	r->u = u;
	r->e = e;
	write_header(r->header, m);
	code = check_memory(r);
	if (code == 0)
		code = open_archive(r);
	if (code == 0)
		code = unpack_data(r, ret_crc);
	archive_read_free(r->archive);
	free(r);
	return code;
}
