/* SPDX-License-Identifier: MIT */
/*
 * A VMDK that is written in place, as VMware does it (chapter "The Descriptor File"): "CID: a random 32-bit value
 * updated the first time the content of the virtual disk is modified after the virtual disk is opened". Of a chain
 * only this disk is written, never its parents. A disk that others call their parent no longer fits them then: so
 * they notice.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "vmformat/bytes.h"
#include "vmformat/vmdk_disk.h"
#include "vmformat/vmdk_live.h"

#define FLAT_UNIT (64u << 10)           /* zeros are looked for in pieces of this size; a flat extent takes any */
#define SPLIT_LARGEST (2ull << 30)      /* bytes: what "twoGbMaxExtent" promises */
#define SINGLE_LARGEST (UINT64_MAX / 2) /* no promise */

/* ---- the content ID ---- */

/* As many digits as before, so that not one other byte of the text moves. */
static bool new_cid(const struct vmdk *v, char ret_digits[9], uint32_t *ret_cid)
{
	uint32_t mask = v->cid_length >= 8 ? UINT32_MAX : (1u << (4 * v->cid_length)) - 1;

	do {
		if (getrandom(ret_cid, sizeof(*ret_cid), 0) != sizeof(*ret_cid))
			return false;
		*ret_cid &= mask;
	} while (*ret_cid == v->cid || *ret_cid == VMDK_NO_PARENT);
	snprintf(ret_digits, 9, "%0*x", (int)v->cid_length, *ret_cid);
	return true;
}

/* A cut between two sectors leaves a mixture of both IDs, which is no less another one. */
static int write_cid(struct vmdk *v)
{
	struct vmdk_identity *id = v->identity;
	char digits[9];
	uint32_t cid;
	int r;

	if (!v->cid_length)
		return 0;
	if (!new_cid(v, digits, &cid))
		return -EIO;
	r = disk_pwrite(&id->io, id->file.fd, digits, v->cid_length, id->offset);
	if (r < 0)
		return r;
	r = disk_sync(&id->io, id->file.fd);
	if (r < 0)
		id->failed = r;
	else
		v->cid = cid;
	return r;
}

/* Before the first write is on the disk, the new ID is. */
static int prepare(struct vmdk *v)
{
	struct vmdk_identity *id = v->identity;
	int r;

	pthread_mutex_lock(&id->lock);
	r = id->failed;
	if (r == 0 && !id->is_new) {
		r = write_cid(v);
		id->is_new = r == 0;
	}
	pthread_mutex_unlock(&id->lock);
	return r;
}

/* ---- writing ---- */

static int begin(struct disk *disk, uint64_t offset, uint32_t length, struct disk_write *ret_write)
{
	struct vmdk *v = disk->private;
	struct vmdk_extent *extent;
	int r;

	if (length == 0 || !range_within(offset, length, disk->capacity))
		return -EINVAL;
	r = prepare(v);
	if (r < 0)
		return r;
	extent = vmdk_find_extent(v, offset);
	offset -= extent->start;
	length = (uint32_t)MIN(length, extent->length - offset);
	if (extent->live)
		r = vmdk_live_begin(extent->live, offset, length, ret_write);
	else
		*ret_write = (struct disk_write){ .fd = extent->file.fd,
			                          .fd_offset = extent->file.start + offset,
			                          .length = length };
	ret_write->part = (unsigned)(extent - v->extents);
	return r;
}

static void end(struct disk *disk, struct disk_write *write, int result)
{
	struct vmdk *v = disk->private;
	struct vmdk_extent *extent = &v->extents[write->part];

	if (extent->live)
		vmdk_live_end(extent->live, write, result);
	else
		atomic_store(&extent->wrote, true);
}

static bool is_zero_below(const struct disk *disk, uint64_t offset, uint64_t length)
{
	while (disk->parent && length && offset < disk->parent->capacity) {
		struct disk_extent extent;

		length = MIN(length, disk->parent->capacity - offset);
		if (disk_map(disk->parent, offset, length, &extent, NULL) < 0 || extent.kind != DISK_ZERO)
			return false;
		offset += extent.length;
		length -= extent.length;
	}
	return true;
}

static int zero_flat(struct vmdk *v, struct vmdk_extent *extent, uint64_t offset, uint64_t length)
{
	const struct disk_io *io = &v->identity->io;
	int r = io->punch(io->context, extent->file.fd, (off_t)(extent->file.start + offset), (off_t)length);

	atomic_store(&extent->wrote, true);
	return r < 0 ? -EOPNOTSUPP : 0;
}

static int zero_some(struct disk *disk, uint64_t offset, uint64_t length, uint64_t *ret_done)
{
	struct vmdk *v = disk->private;
	struct vmdk_extent *extent = vmdk_find_extent(v, offset);
	int r;

	*ret_done = MIN(length, extent->length - (offset - extent->start));
	if (!extent->live)
		return zero_flat(v, extent, offset - extent->start, *ret_done);
	r = vmdk_live_zero(extent->live, offset - extent->start, *ret_done, ret_done);
	if (r == -ENOENT)
		r = is_zero_below(disk, offset, *ret_done) ? 0 : -EOPNOTSUPP;
	return r;
}

static int zero(struct disk *disk, uint64_t offset, uint64_t length)
{
	int r = range_within(offset, length, disk->capacity) ? prepare(disk->private) : -EINVAL;

	while (r == 0 && length) {
		uint64_t done;

		r = zero_some(disk, offset, length, &done);
		offset += done;
		length -= done;
	}
	return r;
}

/* ---- flushing ---- */

static int sync_flat(struct vmdk *v, struct vmdk_extent *extent)
{
	struct vmdk_identity *id = v->identity;
	int r;

	if (!atomic_exchange(&extent->wrote, false))
		return 0;
	r = disk_sync(&id->io, extent->file.fd);
	if (r < 0) {
		pthread_mutex_lock(&id->lock);
		id->failed = r;
		pthread_mutex_unlock(&id->lock);
	}
	return r;
}

static int failure(struct vmdk *v)
{
	int r;

	pthread_mutex_lock(&v->identity->lock);
	r = v->identity->failed;
	pthread_mutex_unlock(&v->identity->lock);
	return r;
}

static int flush(struct disk *disk)
{
	struct vmdk *v = disk->private;
	int r;

	pthread_mutex_lock(&v->identity->flush_lock);
	r = failure(v);
	for (unsigned i = 0; r == 0 && i < v->extent_count; i++)
		r = v->extents[i].live ? vmdk_live_flush(v->extents[i].live) : sync_flat(v, &v->extents[i]);
	pthread_mutex_unlock(&v->identity->flush_lock);
	return r;
}

static bool failed(struct disk *disk)
{
	struct vmdk *v = disk->private;

	for (unsigned i = 0; i < v->extent_count; i++)
		if (v->extents[i].live && vmdk_live_failed(v->extents[i].live))
			return true;
	return failure(v) < 0;
}

static void set_io(struct disk *disk, const struct disk_io *io)
{
	struct vmdk *v = disk->private;

	v->identity->io = *io;
	for (unsigned i = 0; i < v->extent_count; i++)
		if (v->extents[i].live)
			vmdk_live_set_io(v->extents[i].live, io);
}

static const struct disk_writer vmdk_writer = {
	.begin = begin,
	.end = end,
	.zero = zero,
	.flush = flush,
	.failed = failed,
	.set_io = set_io,
};

/* ---- opening and closing ---- */

static int open_live(struct disk *disk, struct error *e)
{
	struct vmdk *v = disk->private;
	int r = 0;

	disk->write_unit = FLAT_UNIT;
	for (unsigned i = 0; r == 0 && i < v->extent_count; i++) {
		struct vmdk_extent *extent = &v->extents[i];

		if (extent->kind != EXTENT_SPARSE)
			continue;
		r = vmdk_live_open(&extent->sparse, extent->length, v->is_split ? SPLIT_LARGEST : SINGLE_LARGEST,
		                   &extent->live, e);
		disk->write_unit = MAX(disk->write_unit, extent->sparse.grain);
	}
	return r;
}

int vmdk_check_writable(const struct disk *disk, struct error *e)
{
	const struct vmdk *v = disk->private;
	int r = 0;

	if (v->tracks_changes)
		return error_set(e, -ENOTSUP,
		                 "%s is watched by a backup program (changeTrackPath), which would miss what Vitrine "
		                 "changes, so it cannot be written in place",
		                 disk->name);
	for (unsigned i = 0; r == 0 && i < v->extent_count; i++)
		if (v->extents[i].kind == EXTENT_SPARSE)
			r = vmdk_live_check(&v->extents[i].sparse, e);
	return r;
}

int vmdk_make_writable(struct disk *disk, const struct file *text, uint64_t text_offset, struct error *e)
{
	struct vmdk *v = disk->private;
	int r = vmdk_check_writable(disk, e);

	if (r < 0)
		return r;
	v->identity = calloc(1, sizeof(*v->identity));
	if (!v->identity)
		return error_set(e, -ENOMEM, "%s: not enough memory", disk->name);
	v->identity->file = FILE_CLOSED;
	v->identity->io = disk_real_io;
	pthread_mutex_init(&v->identity->flush_lock, NULL);
	pthread_mutex_init(&v->identity->lock, NULL);
	r = file_window(text, 0, text->size, text->name, &v->identity->file, e);
	v->identity->offset = text->start + text_offset + v->cid_offset;
	if (r == 0)
		r = open_live(disk, e);
	if (r == 0)
		disk->writer = &vmdk_writer;
	return r;
}

void vmdk_end_writing(struct vmdk *v)
{
	if (!v->identity)
		return;
	for (unsigned i = 0; i < v->extent_count; i++) {
		struct vmdk_extent *extent = &v->extents[i];

		sync_flat(v, extent);
		vmdk_live_close(extent->live);
		extent->live = NULL;
		extent->sparse.live = NULL;
	}
	file_close(&v->identity->file);
	pthread_mutex_destroy(&v->identity->lock);
	pthread_mutex_destroy(&v->identity->flush_lock);
	free(v->identity);
	v->identity = NULL;
}
