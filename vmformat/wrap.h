/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: an appliance or a disk that was packed for its way: .gz, .xz, .zip, .7z.
 *
 * Played in place where the format allows it: stored members of a zip are windows of it, xz in blocks and gzip with
 * an index (kept, see keep.h) are disk formats. Anything else is unpacked once, into kept files. What was packed
 * twice is refused.
 */
#ifndef VITRINE_WRAP_H
#define VITRINE_WRAP_H

#include "vmformat/appliance.h"

struct wrap;

/* Do these first bytes (n of them) begin one? */
bool wrap_probe(const uint8_t *head, size_t n);

/*
 * *ret_wrap NULL: source is none. Else ret_inner is what was in it, or FILE_CLOSED: then source itself is a disk
 * that is read in place. Names are to be resolved by wrap_files(). Sets a->fingerprint, for what is kept is found by
 * it. source is borrowed, files must outlive the wrap. After a failure there is nothing to free.
 */
int wrap_open(struct appliance *a, const struct file *source, const struct files *files, struct wrap **ret_wrap,
              struct file *ret_inner, struct error *e);
const struct files *wrap_files(const struct wrap *w);
void wrap_free(struct wrap *w); /* after every disk and file from it; harmless on NULL */

/* "a/b.img.gz" without ".gz"; other names as they are. malloc'ed; NULL: no memory. */
char *wrap_strip_name(const char *name);

/* Absolute, "C:", or with a ".." in it: no name that a member of an appliance has. */
bool wrap_leads_outside(const char *name);

#endif
