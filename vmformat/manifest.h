/* SPDX-License-Identifier: MIT */
/*
 * The manifest of an OVF package (DSP0243 section 5.1, "OVF package manifest"): lines "SHA256(name)= hexdigits", in SHA1,
 * SHA256 and SHA512 and any spacing. Checking reads whole files, so it is cut in steps that a worker thread calls while the
 * machine runs. A manifest is used by one thread at a time.
 */
#ifndef VITRINE_MANIFEST_H
#define VITRINE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "vmformat/error.h"
#include "vmformat/files.h"

struct manifest;

/* Parses text. files resolves the names in it and must outlive the manifest. */
int manifest_parse(const char *text, size_t length, const char *name, const struct files *files,
                   struct manifest **ret_manifest, struct error *e);
void manifest_free(struct manifest *m);

unsigned manifest_count(const struct manifest *m);      /* files listed */
uint64_t manifest_bytes_done(const struct manifest *m); /* read so far */

/* Reads and hashes up to `budget` bytes. 1: more to do. 0: all digests are right. -EBADMSG: e names the file whose content
 * does not match; -ENOENT a listed file is missing; other negative errno: it could not be read. After an error the next
 * call goes on with the next file. */
int manifest_check_step(struct manifest *m, size_t budget, struct error *e);

#endif
