/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: files unpacked once, into files that struct keep supplies. Zeros become holes.
 *
 * What is complete is written into the record "kept", last; without it all begins anew. So: unpack_open(); when it has
 * what is wanted (unpack_name(), unpack_size()), there is nothing to do; else unpack_restart(), for each file
 * unpack_begin(), unpack_write(), unpack_end(), and then unpack_commit(). Whoever fails calls unpack_abandon(),
 * which gives the room back. One thread.
 */
#ifndef VITRINE_UNPACK_H
#define VITRINE_UNPACK_H

#include <stdbool.h>

#include "vmformat/keep.h"
#include "vmformat/files.h"

#define UNPACK_KEY 32    /* bytes that change when the download does */
#define UNPACK_UNKNOWN 0 /* a size that only unpacking tells */
#define UNPACK_MAX_RATIO 10000u

struct unpack;

/* `wrapper` is the download, for words. -ENOTSUP with words: nothing can be kept here. */
int unpack_open(const struct files *files, const char *wrapper, const char *fingerprint, const char *title,
                const uint8_t key[UNPACK_KEY], struct unpack **ret_unpack, struct error *e);
void unpack_free(struct unpack *u); /* harmless on NULL */

/* What is there, complete. */
unsigned unpack_count(const struct unpack *u);
const char *unpack_name(const struct unpack *u, unsigned i);
uint64_t unpack_size(const struct unpack *u, unsigned i);
/* A second handle of it, called `name` in errors. */
int unpack_file(const struct unpack *u, unsigned i, const char *name, struct file *ret_file, struct error *e);

/* Forgets all, and empties the first `expected` files. -EBUSY with words: another process has it. */
int unpack_restart(struct unpack *u, unsigned expected, struct error *e);
/* -ENOSPC in words when size and what is kept free do not fit on that disk. */
int unpack_check_space(const struct unpack *u, uint64_t size, struct error *e);
/* size: what the download announces, no byte more or less comes; or UNPACK_UNKNOWN. packed: bytes it has in the
 * download; 0: unknown. */
int unpack_begin(struct unpack *u, const char *name, uint64_t size, uint64_t packed, struct error *e);
int unpack_write(struct unpack *u, const void *bytes, size_t length, struct error *e);
int unpack_end(struct unpack *u, struct error *e);
int unpack_commit(struct unpack *u, struct error *e);
void unpack_abandon(struct unpack *u);
/* To be called between two writes: done of total bytes of the download. -ECANCELED with words. */
int unpack_progress(const struct unpack *u, uint64_t done, uint64_t total, struct error *e);

#endif
