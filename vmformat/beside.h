/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: the files that a disk image names (extents, parents), which lie beside it.
 *
 * struct files counts names from the appliance's folder, which may be above that of the image ("disks/a.vmdk" names
 * "a-s001.vmdk"). When the user opened the image itself, its name does not count from there. So both are tried.
 */
#ifndef VITRINE_BESIDE_H
#define VITRINE_BESIDE_H

#include "vmformat/disk.h"

#define BESIDE_NAME 512u /* a folder and a name, each cut at 255 bytes by struct file or by the file system */

/* What the appliance calls the file: "debian.ova: disks/a.vmdk" is disks/a.vmdk in there. */
const char *beside_own_name(const char *name);

/* "disks/a.vmdk" -> "a.vmdk" */
const char *beside_base_name(const char *name);

/* Opens what the image called `asking` says lies beside it. */
int beside_open(const char *asking, const char *name, const struct files *files, struct file *ret_file,
                struct error *e);

/* The same file, to be written. */
int beside_open_writable(const char *asking, const char *name, const struct files *files, struct file *ret_file,
                         struct error *e);

/*
 * Fills disk->parent_names with what may lead to the parent that is written as `written` (UTF-8): beside the disk as it
 * stands; and, for an absolute path of another computer (also of Windows) or one that leads out of the folder, what has
 * the path's last component. -EINVAL without words: there is no name in it. -ENOMEM.
 */
int beside_set_parent(struct disk *disk, const char *written);

#endif
