/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: what is in a zip and where, so that stored members can be played where they lie (libarchive
 * does not tell that). Only the directory and the members' headers are read. What has no place in an appliance is
 * left out with a remark: links, devices, names that lead outside.
 */
#ifndef VITRINE_ZIP_H
#define VITRINE_ZIP_H

#include "vmformat/appliance.h"

/* APPNOTE.TXT 4.4.5: the methods that are unpacked here or elsewhere */
#define ZIP_STORED 0u
#define ZIP_DEFLATED 8u
#define ZIP_BZIP2 12u
#define ZIP_LZMA 14u
#define ZIP_ZSTD 93u
#define ZIP_XZ 95u
#define ZIP_PPMD 98u

#define ZIP_MAX_MEMBERS 8192u /* as of an OVA: a package of chunks of 2 GB, as large as the largest disk, has fewer */

struct zip_member {
	char *name;    /* UTF-8, '/' separated, relative, without "." and ".." */
	uint64_t data; /* where its bytes begin in the file */
	uint64_t packed, size;
	uint32_t crc;
	uint16_t method;
	bool is_encrypted;
};

struct zip {
	struct zip_member *members;
	unsigned count;
};

bool zip_probe(const uint8_t *head, size_t n);
/* Fills zip (zeroed), to be freed also after a failure. a: for remarks. */
int zip_read(const struct file *file, struct zip *zip, struct appliance *a, struct error *e);
void zip_free(struct zip *zip);
/* Of those that cannot be unpacked: "Deflate64", or "an unusual method". */
const char *zip_method_name(uint16_t method);

#endif
