/* SPDX-License-Identifier: MIT */
/* Private to vmformat: members of a zip by the methods that libarchive unpacks, from beginning to end. */
#ifndef VITRINE_ZIPPED_H
#define VITRINE_ZIPPED_H

#include "vmformat/unpack.h"
#include "vmformat/zip.h"

/* bzip2, LZMA, zstd and PPMd (APPNOTE.TXT 4.4.5). Not Deflate64, nor the methods of the last century. */
bool zipped_is_known(uint16_t method);

/* m's bytes into u, for which unpack_begin() was called; unpack_end() is called here. *ret_crc: of what came out. */
int zipped_unpack(const struct file *file, const struct zip_member *m, struct unpack *u, uint32_t *ret_crc,
                  struct error *e);

#endif
