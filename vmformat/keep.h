/* SPDX-License-Identifier: MIT */
/*
 * Where vmformat keeps what it made of a download that cannot be played in place: an index of a gzip file, or what was
 * packed, unpacked once. The caller supplies it (the core: files of the appliance's state folder, by the broker).
 *
 * vmformat chooses the names: "kept", which says what is complete and is written last, and "unpacked-0",
 * "unpacked-1", ... Nothing of a foreign name is in them. Everything in these files is checked when it is read back.
 */
#ifndef VITRINE_KEEP_H
#define VITRINE_KEEP_H

#include <stdint.h>

#include "vmformat/error.h"

#define KEEP_MAX_FILES 1024u /* "unpacked-N": a disk of 2 TB in pieces of 2 GB, or the files of any package */
#define KEEP_RECORD "kept"
#define KEEP_UNPACKED "unpacked-"

struct keep {
	/* A file of this appliance's state folder, created empty if missing, for the caller to close. Read only when
	 * another process has it open: then it is to be read or not at all. title: what a new folder is called. */
	int (*open)(const struct keep *keep, const char *fingerprint, const char *title, const char *name, int *ret_fd,
	            struct error *e);
	/* Told often while something is made: done of total bytes of the download. -ECANCELED: the person wants no
	 * more. */
	int (*progress)(const struct keep *keep, const char *what, uint64_t done, uint64_t total);
	void *context;
	uint64_t room; /* bytes that an index may have, where it is kept in memory; 0: as the disk has */
};

#endif
