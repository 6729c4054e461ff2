/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: what Windows, macOS and VirtualBox write into their disks. UUIDs in their byte order,
 * UTF-16, and paths like .\base.vhd, which lead to the disk below. All bytes are foreign.
 */
#ifndef VITRINE_FOREIGN_TEXT_H
#define VITRINE_FOREIGN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/disk.h"

#define GUID_SIZE 16
#define GUID_TEXT_SIZE 37 /* with the NUL */

/* 83ed0ec3-24c8-49a6-a959-5e4bd1288480; the first three parts are little-endian in the bytes. */
void guid_format(const uint8_t guid[GUID_SIZE], char ret_text[GUID_TEXT_SIZE]);

bool guid_is_nil(const uint8_t guid[GUID_SIZE]);

/* A malloc'ed UTF-8 text, up to the first NUL; what is no character becomes U+FFFD. NULL: no memory. */
char *utf16_decode(const uint8_t *bytes, size_t length, bool big_endian);

/* "%20" becomes a blank, in place. */
void url_decode(char *text);

/* As beside_set_parent(), but what has no name in it adds none: a disk may name its parent in several ways. */
int foreign_parent(struct disk *disk, const char *written);

#endif
