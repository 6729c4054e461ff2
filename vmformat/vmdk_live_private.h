/* SPDX-License-Identifier: MIT */
/* What vmdk_live.c (use) and vmdk_live_open.c (checks before the first write) share. */
#ifndef VITRINE_VMDK_LIVE_PRIVATE_H
#define VITRINE_VMDK_LIVE_PRIVATE_H

#include "vmformat/bytes.h"
#include "vmformat/vmdk_grains.h"
#include "vmformat/vmdk_hosted.h"
#include "vmformat/vmdk_live.h"

/* A grain table in memory, in the file's byte order. A dirty or pinned one is not dropped. */
struct vmdk_page {
	uint32_t number;
	unsigned pins;
	bool dirty;
	bool damaged; /* has an entry that leads out of the file or over a table, and nobody knows the right one */
	uint8_t raw[VMDK_PAGE];
};

/* Bytes of the file that hold no grain. */
struct live_span {
	uint64_t begin, end;
};

struct vmdk_live {
	struct vmdk_sparse *s;
	struct disk_io io;
	uint64_t length, limit;
	uint32_t table_count;
	uint32_t *places[2];     /* sector of each table; [1] NULL: there are no redundant ones */
	struct live_span *taken; /* sorted, with gaps between them */
	size_t taken_count;
	uint64_t size_found; /* of the file when it was opened: no entry that we did not write leads behind it */
	bool was_unclean;    /* its last writer did not close it */

	pthread_mutex_t flush_lock; /* one commit at a time; taken before lock */
	bool marked;                /* in the header; changed with both locks */

	pthread_mutex_t lock;          /* all below. Held while a table is read, never over a sync */
	struct disk_write_locks locks; /* by grain */
	struct vmdk_page **pages;      /* by number; NULL: not in memory */
	bool *grown;                   /* by number: it has entries of ours, which may lead behind size_found */
	unsigned loaded, dirty;
	uint32_t hand;       /* where the search for one to drop goes on */
	uint64_t size;       /* of the file */
	uint64_t end;        /* where the next grain goes */
	uint64_t fresh_from; /* what lies from here on was never written */
	bool wrote;          /* data, since the last sync */
	int failed;          /* negative errno of the fsync that failed */
};

/* Does the entry name a place in the file? Not where the grain is absent, or zeros by flag. */
bool vmdk_live_is_place(const struct vmdk_live *l, uint32_t entry);
/* Can the grain that begins at `start` have this entry? Else it would lie over a table, or outside the file. Locked. */
bool vmdk_live_is_sound(const struct vmdk_live *l, uint32_t entry, uint64_t start);
/* Brings the page into memory. Locked. */
int vmdk_live_load(struct vmdk_live *l, uint32_t number, struct vmdk_page **ret_page);
void vmdk_live_mark_dirty(struct vmdk_live *l, struct vmdk_page *page);

/* Makes both copies of all tables alike after a crash. With the flush lock. */
int vmdk_live_mend(struct vmdk_live *l);
int vmdk_live_commit(struct vmdk_live *l);        /* takes the flush lock */
int vmdk_live_commit_locked(struct vmdk_live *l); /* with the flush lock */
void vmdk_live_free(struct vmdk_live *l);

#endif
