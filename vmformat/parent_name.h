/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: what disks of Windows and VirtualBox call the disk that they lie over, as names that can be tried
 * beside the appliance.
 *
 * Their names are UTF-16, with backslashes and drive letters, and often absolute on a computer that is not this one. Only
 * a relative one is tried as it is; of each, the last component is tried, too. All bytes are foreign.
 */
#ifndef VITRINE_PARENT_NAME_H
#define VITRINE_PARENT_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/disk.h"

#define GUID_SIZE 16
#define GUID_TEXT_SIZE 37 /* with the NUL */

/* 83ed0ec3-24c8-49a6-a959-5e4bd1288480, from the byte order of Windows and VirtualBox: the first three parts little-endian. */
void guid_format(const uint8_t guid[GUID_SIZE], char ret_text[GUID_TEXT_SIZE]);

bool guid_is_nil(const uint8_t guid[GUID_SIZE]);

/* A malloc'ed UTF-8 text, up to the first NUL; what is no character becomes U+FFFD. NULL: no memory. */
char *utf16_decode(const uint8_t *bytes, size_t length, bool big_endian);

/* Adds what this path means to disk->parent_names, unless it is there already or there is no room. -ENOMEM. */
int parent_name_add(struct disk *disk, const char *path);

/* The same of a file: URL as macOS writes it. */
int parent_name_add_url(struct disk *disk, const char *url);

#endif
