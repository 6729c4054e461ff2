/* SPDX-License-Identifier: MIT */
/*
 * A packed disc (.iso.gz, .iso.xz, .zip) on its way into a drive of a running machine. It is looked through on a thread of its
 * own, for an index of a gzip file takes seconds; the result is told on the loop's thread. Nothing is written: the index is kept
 * in memory, and what would have to be unpacked to a file is refused. Made, told and freed on the loop's thread.
 */
#ifndef VITRINE_CD_IMAGE_H
#define VITRINE_CD_IMAGE_H

#include "core/loop.h"
#include "vmformat/disk.h"

struct cd_image;

/* For images that are not packed: every further name is refused. */
extern const struct files cd_image_files;

/* Once, unless it is freed before. disk is the receiver's; NULL: e says why. The receiver may free the cd_image. */
typedef void (*cd_image_ready)(void *context, struct disk *disk, const struct error *e);

/* Takes over *file on success. loop is borrowed. */
int cd_image_open(struct file *file, struct loop *loop, cd_image_ready ready, void *context,
                  struct cd_image **ret_image, struct error *e);
/* Stops and joins. Harmless on NULL. */
void cd_image_free(struct cd_image *image);

#endif
