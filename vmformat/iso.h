/* SPDX-License-Identifier: MIT */
/*
 * Images of optical discs: ISO 9660 (ECMA-119) and UDF (ECMA-167). Only the volume descriptors are read, to
 * tell the format, to notice a cut download and to show the label; file systems are the guest's business.
 */
#ifndef VITRINE_ISO_H
#define VITRINE_ISO_H

#include "vmformat/disk.h"

#define ISO_LABEL_SIZE 129 /* bytes; holds all of ISO 9660's labels, UDF's longest may be cut (at a character) */

extern const struct disk_format iso_format;

/*
 * The disc's label in UTF-8 for people to read: Joliet's, else ISO 9660's, else UDF's. "" if there is none,
 * or if the disk is no disc. Control characters become '?'. -errno: the image could not be read (ret_label is
 * "" then).
 */
int iso_label(struct disk *disk, char ret_label[ISO_LABEL_SIZE]);

#endif
