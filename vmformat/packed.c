/* SPDX-License-Identifier: MIT */
#include "vmformat/packed.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "vmformat/bytes.h"
#include "vmformat/disk.h"
#include "vmformat/disk_formats.h"
#include "vmformat/iso.h"
#include "vmformat/ova.h"
#include "vmformat/ovf.h"
#include "vmformat/raw.h"
#include "vmformat/vmx.h"
#include "vmformat/wrap.h"

#define INPUT (64u << 10)
/* xz -9 needs 65 MiB; what wants more was made with an option that nobody sets for a download. */
#define XZ_MEMORY (128ull << 20)

struct packed {
	enum packed_kind kind;
	const struct file *file;
	uint64_t offset; /* of what input[] is filled with next */
	size_t at, left; /* of input[] */
	bool ended;
	z_stream z;
	lzma_stream xz;
	uint8_t input[INPUT];
};

static int start(struct packed *p)
{
	/* zlib's windowBits: negative for bare deflate, 16 more for gzip. */
	if (p->kind != PACKED_XZ)
		return inflateInit2(&p->z, p->kind == PACKED_GZIP ? MAX_WBITS + 16 : -MAX_WBITS) == Z_OK ? 0 : -ENOMEM;
	return lzma_stream_decoder(&p->xz, XZ_MEMORY, LZMA_CONCATENATED) == LZMA_OK ? 0 : -ENOMEM;
}

int packed_open(enum packed_kind kind, const struct file *file, struct packed **ret_packed, struct error *e)
{
	struct packed *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	if (p) {
		p->kind = kind;
		p->file = file;
		p->xz = (lzma_stream)LZMA_STREAM_INIT;
		r = start(p);
	}
	if (r < 0) {
		free(p);
		return error_set(e, r, "%s: not enough memory to unpack it", file->name);
	}
	*ret_packed = p;
	return 0;
}

void packed_close(struct packed *p)
{
	if (!p)
		return;
	if (p->kind == PACKED_XZ)
		lzma_end(&p->xz);
	else
		inflateEnd(&p->z);
	free(p);
}

uint64_t packed_taken(const struct packed *p)
{
	return p->offset - p->left;
}

static int refill(struct packed *p, struct error *e)
{
	size_t length = (size_t)MIN(p->file->size - p->offset, INPUT);
	int r;

	if (p->left || !length)
		return 0;
	r = file_read(p->file, p->offset, p->input, length);
	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", p->file->name, strerror(-r));
	p->offset += length;
	p->at = 0;
	p->left = length;
	return 0;
}

static int damaged(const struct packed *p, struct error *e)
{
	return error_set(e, -EIO, "%s is damaged at about byte %llu; it cannot be unpacked. Download it again.",
	                 p->file->name, (unsigned long long)packed_taken(p));
}

/* gzip(1) plays members one after the other as one, and leaves out zeros and anything else behind the last. */
static int next_member(struct packed *p, struct error *e)
{
	int r = refill(p, e);

	if (r < 0)
		return r;
	if (p->kind == PACKED_GZIP && p->left >= 1 && p->input[p->at] == 0x1f)
		return inflateReset(&p->z) == Z_OK ? 0 : damaged(p, e);
	p->ended = true;
	return 0;
}

/* Returns 1 when it wants more input than there is. */
static int step_zlib(struct packed *p, uint8_t **to, size_t *room, struct error *e)
{
	size_t asked = MIN(*room, 1u << 30);
	int r;

	p->z.next_in = p->input + p->at;
	p->z.avail_in = (uInt)p->left;
	p->z.next_out = *to;
	p->z.avail_out = (uInt)asked;
	r = inflate(&p->z, Z_NO_FLUSH);
	p->at += p->left - p->z.avail_in;
	p->left = p->z.avail_in;
	*to += asked - p->z.avail_out;
	*room -= asked - p->z.avail_out;
	if (r == Z_STREAM_END)
		return next_member(p, e);
	if (r == Z_BUF_ERROR)
		return 1;
	return r == Z_OK ? 0 : r == Z_MEM_ERROR ? -ENOMEM : damaged(p, e);
}

static int step_xz(struct packed *p, uint8_t **to, size_t *room, struct error *e)
{
	bool is_all = p->offset == p->file->size;
	lzma_ret r;

	p->xz.next_in = p->input + p->at;
	p->xz.avail_in = p->left;
	p->xz.next_out = *to;
	p->xz.avail_out = *room;
	r = lzma_code(&p->xz, is_all ? LZMA_FINISH : LZMA_RUN);
	p->at += p->left - p->xz.avail_in;
	p->left = p->xz.avail_in;
	*to = p->xz.next_out;
	*room = p->xz.avail_out;
	switch (r) {
	case LZMA_OK:
		return 0;
	case LZMA_STREAM_END:
		p->ended = true;
		return 0;
	case LZMA_BUF_ERROR:
		return 1;
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return error_set(e, -EFBIG,
		                 "%s was packed so that %llu MB of memory are needed to unpack it; %llu are "
		                 "the limit. Unpack it first, then open what was in it.",
		                 p->file->name, (unsigned long long)(lzma_memusage(&p->xz) >> 20),
		                 (unsigned long long)(XZ_MEMORY >> 20));
	default:
		return damaged(p, e);
	}
}

int packed_read(struct packed *p, void *buffer, size_t length, size_t *ret_count, struct error *e)
{
	uint8_t *to = buffer;
	size_t room = length;
	int r = 0;

	while (room && !p->ended && r == 0) {
		r = refill(p, e);
		if (r == 0)
			r = p->kind == PACKED_XZ ? step_xz(p, &to, &room, e) : step_zlib(p, &to, &room, e);
		if (r == 1 && p->left)
			r = damaged(p, e); /* input and room, and no progress */
		else if (r == 1 && p->offset < p->file->size)
			r = 0;
	}
	*ret_count = length - room;
	if (r == 1)
		return disk_truncated(e, p->file->name, p->file->size, 0);
	return r < 0 ? error_set(e, r, "%s cannot be unpacked: %s", p->file->name, strerror(-r)) : 0;
}

/* ---- content ---- */

enum packed_content packed_content(const uint8_t *head, size_t length, const char *name)
{
	struct file nothing = FILE_CLOSED; /* the formats' probes see the head alone */
	struct error reason = { 0 };

	if (wrap_probe(head, length))
		return CONTENT_WRAPPER;
	if (ova_probe(head, length) || ovf_probe(head, length) || vmx_probe(head, length, name) ||
	    disk_refuse_foreign(&nothing, head, PACKED_HEAD, &reason) < 0)
		return CONTENT_OTHER;
	for (const struct disk_format *const *format = disk_formats; *format; format++)
		if ((*format)->probe(&nothing, head, PACKED_HEAD))
			return *format == &raw_format   ? CONTENT_FLAT
			       : *format == &iso_format ? CONTENT_DISC
			                                : CONTENT_OTHER;
	return CONTENT_OTHER;
}

/* A fixed VHD has its signature only in its last sector (Virtual PC's "Virtual Hard Disk Image Format
 * Specification"). */
static bool ends_in_signature(const uint8_t sector[DISK_SECTOR])
{
	return !memcmp(sector, "conectix", 8);
}

int packed_check_disk(struct disk *disk, uint64_t size, const char *packer, struct error *e)
{
	size_t length = (size_t)MIN(size, PACKED_HEAD);
	uint8_t *head = calloc(1, PACKED_HEAD), last[DISK_SECTOR];
	enum packed_content content = CONTENT_OTHER;
	int r = head ? disk_read(disk, 0, head, length) : -ENOMEM;

	if (r == 0)
		content = packed_content(head, length, disk->name);
	free(head);
	if (r == 0)
		r = disk_read(disk, disk->capacity - DISK_SECTOR, last, DISK_SECTOR);
	if (r < 0)
		return error_set(e, r, "%s cannot be unpacked: %s. Download it again.", disk->name,
		                 r == -EIO ? "it is damaged" : strerror(-r));
	disk->is_cdrom = content == CONTENT_DISC;
	if ((content != CONTENT_FLAT && content != CONTENT_DISC) || ends_in_signature(last))
		return error_set(e, -ENOTSUP,
		                 "%s is packed by %s and holds more than the plain bytes of a disk. Unpack it "
		                 "first, then open what was in it.",
		                 disk->name, packer);
	return 0;
}
