/* SPDX-License-Identifier: MIT */
/* Private to vmformat: the signatures of what we know by sight but do not play. */
#ifndef VITRINE_DISK_FORMATS_H
#define VITRINE_DISK_FORMATS_H

#include "vmformat/disk.h"

/*
 * -ENOTSUP or -EINVAL with the reason in e when head (the file's first bytes) belongs to such a file; else 0.
 */
int disk_refuse_foreign(const struct file *file, const uint8_t *head, size_t head_length, struct error *e);

#endif
