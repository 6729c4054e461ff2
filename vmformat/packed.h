/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: compressed bytes from their beginning on, by zlib and liblzma, and what kind of content they
 * are. One thread. The file is borrowed. How much comes out is the caller's to limit; memory is limited here.
 */
#ifndef VITRINE_PACKED_H
#define VITRINE_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/disk.h"

/* DEFLATE: bare, as a zip's member. GZIP, XZ: with headers; several of them one after the other are one. */
enum packed_kind { PACKED_DEFLATE, PACKED_GZIP, PACKED_XZ };

struct packed;

int packed_open(enum packed_kind kind, const struct file *file, struct packed **ret_packed, struct error *e);
/* Fills buffer as far as there is something; *ret_count < length only at the end. -EIO: damaged, -ENODATA: cut, with
 * words. */
int packed_read(struct packed *p, void *buffer, size_t length, size_t *ret_count, struct error *e);
/* Bytes of the file that were taken so far. */
uint64_t packed_taken(const struct packed *p);
void packed_close(struct packed *p); /* harmless on NULL */

/* What decides how packed bytes are played. */
enum packed_content {
	CONTENT_FLAT,    /* a disk as it is: can be read in place */
	CONTENT_DISC,    /* an ISO image: the same, with larger sectors */
	CONTENT_WRAPPER, /* packed once more */
	CONTENT_OTHER,   /* a format or a text, which wants a file of its own */
};

#define PACKED_HEAD (64u << 10) /* what packed_content() looks at: as much as the formats' probes want */

/* head: PACKED_HEAD bytes, those behind length being zeros. */
enum packed_content packed_content(const uint8_t *head, size_t length, const char *name);
/* For formats, when they can map and unpack: `size` bytes are packed in it. Sets disk->is_cdrom; -ENOTSUP with words
 * when they are neither a flat disk nor a disc. */
int packed_check_disk(struct disk *disk, uint64_t size, const char *packer, struct error *e);

#endif
