/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: the disks of Virtual PC and old Hyper-V, by Microsoft's "Virtual Hard Disk Image Format
 * Specification" 1.0.
 */
#ifndef VITRINE_VHD_H
#define VITRINE_VHD_H

#include <stdbool.h>

#include "vmformat/disk.h"

extern const struct disk_format vhd_format;

/*
 * Does a good footer say that all before it is the content of a disk? Then its first bytes are a guest's, and must
 * not be taken for those of another format, nor of an appliance.
 */
bool vhd_is_fixed(const struct file *file);

#endif
