/* SPDX-License-Identifier: MIT */
/* What vmdk.c (opening, reading) and vmdk_write.c (writing in place) share. */
#ifndef VITRINE_VMDK_DISK_H
#define VITRINE_VMDK_DISK_H

#include <stdatomic.h>

#include "vmformat/disk_write.h"
#include "vmformat/vmdk.h"

enum extent_kind { EXTENT_FLAT, EXTENT_SPARSE, EXTENT_ZERO, EXTENT_NOACCESS };

struct vmdk_extent {
	enum extent_kind kind;
	uint64_t start, length;    /* bytes of the disk */
	struct file file;          /* FLAT; the window begins with the extent's first byte */
	struct vmdk_sparse sparse; /* SPARSE */
	struct vmdk_live *live;    /* SPARSE, written in place; owned */
	atomic_bool wrote;         /* FLAT, written in place: since the last sync */
};

/* Of a disk that is written in place: where its content ID stands, which is another one after the first write. */
struct vmdk_identity {
	struct file file; /* a handle of what the description is in */
	uint64_t offset;  /* of the digits in there */
	struct disk_io io;
	pthread_mutex_t flush_lock; /* one flush at a time: what the first is syncing, the second may not call synced */
	pthread_mutex_t lock;       /* the next two */
	bool is_new;                /* it has been written since the disk was opened */
	int failed;                 /* negative errno of an fsync that failed, here or of a flat extent */
};

struct vmdk {
	struct vmdk_cache *cache;
	bool has_cid;
	uint32_t cid, parent_cid;
	size_t cid_offset;              /* of its digits in the description's text */
	unsigned cid_length;            /* 0: it has none */
	bool tracks_changes;            /* another program's file knows which blocks were written */
	bool is_split;                  /* into pieces of up to 2 GB */
	struct vmdk_identity *identity; /* written in place; NULL: read only */
	unsigned extent_count;
	struct vmdk_extent extents[]; /* by start, without gaps */
};

/* The extent with this offset, which is inside the disk. */
struct vmdk_extent *vmdk_find_extent(struct vmdk *v, uint64_t offset);

/*
 * Makes an open disk writable; its extents were opened for writing. text: the file with its description,
 * text_offset: where that begins. -ENOTSUP: it is of a kind that cannot be written in place; e says why.
 */
int vmdk_make_writable(struct disk *disk, const struct file *text, uint64_t text_offset, struct error *e);
int vmdk_check_writable(const struct disk *disk, struct error *e);
void vmdk_end_writing(struct vmdk *v); /* flushes, closes properly. Harmless on one that is read only */

#endif
