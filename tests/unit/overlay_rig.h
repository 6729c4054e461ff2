/* SPDX-License-Identifier: MIT */
/*
 * For tests of overlays: a temporary folder with a base (a raw file that qemu-img can read too) and an overlay file;
 * the base as a struct disk whose stretches of 96 KiB are, in turn, stored, zeros, packed, stored; and qemu-img as
 * judge. Everything asserts (cmocka). Include <cmocka.h> (with its four headers) before this file.
 */
#ifndef VITRINE_OVERLAY_RIG_H
#define VITRINE_OVERLAY_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmformat/bytes.h"
#include "vmformat/disk.h"
#include "vmformat/qcow2.h"

#define RIG_HELPER __attribute__((unused)) static
#define RIG_STRETCH (96u << 10)

struct rig {
	char folder[64], base_path[96], overlay_path[96];
	char origin_path[96]; /* what the written file began as; "": it was empty */
	uint64_t capacity;
	bool unpack_fails; /* what the base answers to unpack() */
};

/* ---- numbers that are the same on every run ---- */

RIG_HELPER uint64_t rig_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

RIG_HELPER void rig_fill(uint64_t *state, uint8_t *buffer, size_t length)
{
	for (size_t i = 0; i + 8 <= length; i += 8)
		le64_store(buffer + i, rig_random(state));
}

/* ---- the base ---- */

struct rig_base {
	struct rig *rig;
	int fd;
};

static const enum disk_extent_kind rig_kinds[] = { DISK_DATA, DISK_ZERO, DISK_PACKED, DISK_DATA };

RIG_HELPER enum disk_extent_kind rig_kind(uint64_t offset)
{
	return rig_kinds[offset / RIG_STRETCH % ARRAY_SIZE(rig_kinds)];
}

RIG_HELPER int rig_base_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	const struct rig_base *base = disk->private;
	uint64_t begin = offset / RIG_STRETCH * RIG_STRETCH;

	*ret_extent = (struct disk_extent){
		.kind = rig_kind(offset),
		.length = MIN(length, begin + RIG_STRETCH - offset),
		.fd = base->fd,
		.fd_offset = offset,
		.unit_offset = begin,
		.unit_length = (uint32_t)MIN(RIG_STRETCH, disk->capacity - begin),
		.unit_key = begin,
	};
	return 0;
}

RIG_HELPER int rig_base_unpack(struct disk *disk, const struct disk_extent *extent, void *buffer)
{
	const struct rig_base *base = disk->private;

	if (base->rig->unpack_fails)
		return -EIO;
	assert_int_equal(pread(base->fd, buffer, extent->unit_length, (off_t)extent->unit_key), extent->unit_length);
	return 0;
}

RIG_HELPER void rig_base_close(struct disk *disk)
{
	struct rig_base *base = disk->private;

	close(base->fd);
	free(base);
}

static const struct disk_format rig_base_format = {
	.name = "rig",
	.close = rig_base_close,
	.map = rig_base_map,
	.unpack = rig_base_unpack,
};

RIG_HELPER struct disk *rig_open_base(struct rig *rig)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	struct rig_base *base = calloc(1, sizeof(*base));

	assert_true(disk && base);
	*base = (struct rig_base){ rig, open(rig->base_path, O_RDONLY | O_CLOEXEC) };
	assert_true(base->fd >= 0);
	*disk = (struct disk){
		.format = &rig_base_format, .capacity = rig->capacity, .unit_limit = RIG_STRETCH, .private = base
	};
	snprintf(disk->name, sizeof(disk->name), "debian.vmdk");
	return disk;
}

/* Puts bytes into the base, but where it says zeros; changes them to what it then has. */
RIG_HELPER void rig_write_base(struct rig *rig, uint64_t offset, uint8_t *data, size_t length)
{
	int fd = open(rig->base_path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < length; i += DISK_SECTOR)
		if (rig_kind(offset + i) == DISK_ZERO)
			memset(data + i, 0, DISK_SECTOR);
	assert_int_equal(pwrite(fd, data, length, (off_t)offset), (ssize_t)length);
	close(fd);
}

/* ---- folder and overlay ---- */

RIG_HELPER void rig_init(struct rig *rig, uint64_t capacity)
{
	int fd;

	*rig = (struct rig){ .capacity = capacity };
	snprintf(rig->folder, sizeof(rig->folder), "/tmp/vitrine-overlay-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	snprintf(rig->base_path, sizeof(rig->base_path), "%s/base.raw", rig->folder);
	snprintf(rig->overlay_path, sizeof(rig->overlay_path), "%s/overlay.qcow2", rig->folder);
	fd = open(rig->base_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)capacity), 0);
	close(fd);
}

RIG_HELPER void rig_clean(struct rig *rig)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", rig->folder);
	assert_int_equal(system(command), 0);
}

RIG_HELPER void rig_copy(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "cp --sparse=always %s %s", from, to);
	assert_int_equal(system(command), 0);
}

RIG_HELPER int rig_overlay_fd(const struct rig *rig)
{
	int fd = open(rig->overlay_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* The overlay over its base, which is then owned by it; or the error. */
RIG_HELPER int rig_try_open(struct rig *rig, struct disk **ret_overlay, struct error *e)
{
	struct disk *base = rig_open_base(rig);
	int fd = rig_overlay_fd(rig);
	int r = qcow2_overlay_open(fd, "ide0-0.qcow2", base, "0123456789abcdef", ret_overlay, e);

	if (r < 0) {
		close(fd);
		disk_close(base);
	}
	return r;
}

RIG_HELPER struct disk *rig_open(struct rig *rig)
{
	struct error e = { 0 };
	struct disk *overlay;
	int r = rig_try_open(rig, &overlay, &e);

	if (r < 0)
		print_error("%s\n", e.text);
	assert_int_equal(r, 0);
	return overlay;
}

/* ---- a small engine: all writes of one thread, through a seam (NULL: the real call) ---- */

RIG_HELPER int rig_write_run(struct disk *overlay, const struct disk_io *seam, uint64_t offset, const uint8_t *data,
                             const struct disk_write *w)
{
	size_t length = (size_t)w->head + w->length + w->tail;
	off_t at = (off_t)(w->fd_offset - w->head);
	uint8_t *whole = malloc(length);
	ssize_t n;

	assert_non_null(whole);
	assert_int_equal(disk_read(overlay, offset - w->head, whole, w->head), 0);
	memcpy(whole + w->head, data, w->length);
	assert_int_equal(disk_read(overlay, offset + w->length, whole + w->head + w->length, w->tail), 0);
	n = seam ? seam->pwrite(seam->context, w->fd, whole, length, at) : pwrite(w->fd, whole, length, at);
	free(whole);
	return n == (ssize_t)length ? 0 : -EIO;
}

RIG_HELPER int rig_write(struct disk *overlay, const struct disk_io *seam, uint64_t offset, const uint8_t *data,
                         uint32_t length)
{
	while (length) {
		struct disk_write w;
		int r = overlay->writer->begin(overlay, offset, length, &w);

		if (r < 0)
			return r;
		r = rig_write_run(overlay, seam, offset, data, &w);
		overlay->writer->end(overlay, &w, r);
		if (r < 0)
			return r;
		offset += w.length;
		data += w.length;
		length -= w.length;
	}
	return 0;
}

/* ---- qemu-img ---- */

RIG_HELPER bool rig_has_qemu_img(void)
{
	return system("command -v qemu-img >/dev/null") == 0;
}

#define RIG_NEEDS_QEMU_IMG()                                     \
	do {                                                     \
		if (!rig_has_qemu_img()) {                       \
			print_message("SKIPPED: no qemu-img\n"); \
			skip();                                  \
		}                                                \
	} while (0)

enum rig_verdict { RIG_SOUND = 0, RIG_CORRUPT = 2, RIG_LEAKS = 3 };

RIG_HELPER enum rig_verdict rig_check_as(const char *format, const char *path)
{
	char command[256];
	int status;

	snprintf(command, sizeof(command), "qemu-img check -q -f %s %s >/dev/null 2>&1", format, path);
	status = system(command);
	assert_true(WIFEXITED(status));
	return (enum rig_verdict)WEXITSTATUS(status);
}

RIG_HELPER enum rig_verdict rig_check(const char *path)
{
	return rig_check_as("qcow2", path);
}

/* Sets the base in a copy of the overlay, as a person would to rescue data, and compares the whole with a raw file. */
RIG_HELPER bool rig_qemu_reads(const struct rig *rig, const char *expected_path)
{
	char command[768];

	snprintf(command, sizeof(command),
	         "cp --sparse=always %s %s/rescue.qcow2 && qemu-img rebase -u -f qcow2 -F raw -b %s %s/rescue.qcow2 && "
	         "qemu-img compare -q -f raw -F qcow2 %s %s/rescue.qcow2",
	         rig->overlay_path, rig->folder, rig->base_path, rig->folder, expected_path, rig->folder);
	return system(command) == 0;
}

#endif
