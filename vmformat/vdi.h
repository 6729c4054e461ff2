/* SPDX-License-Identifier: MIT */
/* Private to vmformat: VirtualBox's own disks (VDI), version 1.1. */
#ifndef VITRINE_VDI_H
#define VITRINE_VDI_H

#include "vmformat/disk.h"

extern const struct disk_format vdi_format;

#endif
