/* SPDX-License-Identifier: MIT */
/*
 * A disc of one file in memory: ISO 9660 level 1 (ECMA-119) with Rock Ridge (RRIP 1.09) and Joliet, so that every
 * guest sees the file's own name.
 */
#ifndef VITRINE_ISO_WRITE_H
#define VITRINE_ISO_WRITE_H

#include <stddef.h>
#include <stdint.h>

#define ISO_WRITE_MAX (64u << 20) /* bytes of the file: far more than a text for a guest has */

struct iso_file {
	const char *name;       /* "ovf-env.xml": ASCII, up to 64 characters */
	const char *short_name; /* "OVF_ENV.XML": 8.3, of A-Z, 0-9 and _ */
	const void *data;
	size_t length;
};

/* label: up to 11 of A-Z, 0-9 and _. time: seconds since 1970, for all of its dates. *ret_image is malloc'ed.
 * -ENOMEM; -EINVAL: too large, or a name that is none. */
int iso_write(const char *label, const struct iso_file *file, int64_t time, uint8_t **ret_image, size_t *ret_size);

#endif
