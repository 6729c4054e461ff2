/* SPDX-License-Identifier: MIT */
/* Private to vmformat: a .7z, which libarchive unpacks from beginning to end (its members are mostly one stream). */
#ifndef VITRINE_SEVENZIP_H
#define VITRINE_SEVENZIP_H

#include "vmformat/appliance.h"
#include "vmformat/unpack.h"

/* A dictionary is memory. 7-Zip's largest preset (-mx=9) takes 256 MiB since version 23; the rest is for the
 * executables beside a disk, of which one filter (BCJ2) wants a part in memory. */
#define SEVENZIP_MEMORY (320ull << 20)
#define SEVENZIP_MAX_MEMBERS 8192u /* folders and links, too: as of a zip */

/* Names are converted to UTF-8 by a locale, which libc reads from files: call this once before a sandbox shuts.
 * Without it they are looked for then, and when there is none, only ASCII is right in names. */
void sevenzip_warm_locale(void);

/* All that is a file into u, which was restarted; unpack_commit() and unpack_abandon() are the caller's. a: for
 * remarks. */
int sevenzip_unpack(const struct file *file, struct unpack *u, struct appliance *a, struct error *e);

/* Its headers alone, before: -EFBIG if unpacking takes too much memory, or there are too many files. */
int sevenzip_check(const struct file *file, struct error *e);

/* -EFBIG in words: `name` wants more than SEVENZIP_MEMORY. */
int sevenzip_refuse_memory(const char *name, uint64_t memory, struct error *e);

#endif
