/* SPDX-License-Identifier: MIT */
/*
 * For fuzz targets of disk formats: a good image that each input patches, so that the fuzzer gets behind the
 * header from the start. An input is rows of 4 bytes place (little-endian), 1 byte count, count % 16 + 1 bytes.
 * The image lies in a mapped memfd; after each input, what was touched is put back. What map() answers is held
 * against disk.h's contract.
 */
#ifndef VITRINE_PATCHED_IMAGE_H
#define VITRINE_PATCHED_IMAGE_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define assert_true(condition) ((condition) ? (void)0 : abort())
#define assert_non_null(pointer) assert_true((pointer) != NULL)

#include "vmformat/bytes.h"
#include "vmformat/disk.h"

#define MAX_TOUCHED 256u

struct patched_image {
	uint8_t *base, *bytes; /* as it was; as it is in fd */
	size_t size;
	int fd;
	unsigned touched;
	struct {
		size_t place, length;
	} ranges[MAX_TOUCHED];
};

static void patched_init(struct patched_image *p, const uint8_t *bytes, size_t size)
{
	p->fd = memfd_create("image", MFD_CLOEXEC);
	p->size = size;
	p->base = malloc(size);
	assert_true(p->fd >= 0 && p->base && ftruncate(p->fd, (off_t)size) == 0);
	p->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
	assert_true(p->bytes != MAP_FAILED);
	memcpy(p->base, bytes, size);
	memcpy(p->bytes, bytes, size);
}

/* Before bytes are changed: false: no more can be. */
static bool patched_touch(struct patched_image *p, size_t place, size_t length)
{
	if (p->touched == MAX_TOUCHED)
		return false;
	p->ranges[p->touched].place = place;
	p->ranges[p->touched++].length = length;
	return true;
}

/* Was anything in this range changed? */
__attribute__((unused)) static bool patched_in(const struct patched_image *p, size_t place, size_t length)
{
	for (unsigned i = 0; i < p->touched; i++)
		if (ranges_overlap(p->ranges[i].place, p->ranges[i].length, place, length))
			return true;
	return false;
}

static void patched_apply(struct patched_image *p, const uint8_t *data, size_t size)
{
	while (size >= 6 && p->touched < MAX_TOUCHED / 2) { /* the rest is for sums */
		size_t place = le32_load(data) % p->size;
		size_t count = MIN(MIN(data[4] % 16u + 1, size - 5), p->size - place);

		patched_touch(p, place, count);
		memcpy(p->bytes + place, data + 5, count);
		data += 5 + count;
		size -= 5 + count;
	}
}

static void patched_restore(struct patched_image *p)
{
	for (unsigned i = 0; i < p->touched; i++)
		memcpy(p->bytes + p->ranges[i].place, p->base + p->ranges[i].place, p->ranges[i].length);
	p->touched = 0;
}

/* ---- what a disk must do ---- */

static void check_extent(const struct disk *disk, struct disk *owner, uint64_t offset, uint64_t length,
                         const struct disk_extent *x)
{
	uint8_t *unit;

	assert_true(x->length >= 1 && x->length <= length && x->kind != DISK_PARENT);
	if (x->kind == DISK_DATA)
		assert_true(range_within(x->fd_offset, x->length, (uint64_t)lseek(x->fd, 0, SEEK_END)));
	if (x->kind != DISK_PACKED)
		return;
	assert_true(x->unit_length >= 1 && x->unit_length <= owner->unit_limit);
	assert_true(offset >= x->unit_offset && offset + x->length <= x->unit_offset + x->unit_length);
	assert_true(x->unit_offset + x->unit_length <= disk->capacity);
	unit = malloc(x->unit_length);
	assert_non_null(unit);
	owner->format->unpack(owner, x, unit);
	free(unit);
}

static void walk(struct disk *disk)
{
	uint64_t offset = 0, step = MAX(disk->capacity / 64, 1u);

	assert_true(disk->capacity > 0 && disk->capacity % DISK_SECTOR == 0 && disk->capacity <= 64ull << 40);
	for (unsigned i = 0; i < 200 && offset < disk->capacity; i++) {
		struct disk_extent extent;
		struct disk *owner;

		if (disk_map(disk, offset, disk->capacity - offset, &extent, &owner) == 0) {
			check_extent(disk, owner, offset, disk->capacity - offset, &extent);
			offset += i % 4 ? extent.length : step;
		} else {
			offset += step;
		}
	}
}

struct parent_files {
	struct files files;
	const struct patched_image *parent;
	unsigned opens;
};

/* Every name leads to the same parent. */
static int open_parent_image(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	struct parent_files *f = files->context;

	assert_true(*name && ++f->opens <= DISK_MAX_CHAIN * DISK_MAX_PARENT_NAMES);
	return file_from_fd(fcntl(f->parent->fd, F_DUPFD_CLOEXEC, 0), "parent", ret_file, e);
}

static void open_and_walk(const char *format, int fd, const struct patched_image *parent)
{
	struct parent_files f = { .files = { .open = open_parent_image, .context = &f }, .parent = parent };
	struct error e = { 0 };
	struct disk *disk;
	struct file file;

	assert_true(file_from_fd(fcntl(fd, F_DUPFD_CLOEXEC, 0), "a", &file, NULL) == 0);
	if (disk_open_as(format, &file, &f.files, &disk, &e) == 0) {
		walk(disk);
		disk_close(disk);
	} else {
		assert_true(e.code < 0 && e.text[0]); /* every refusal has its words */
	}
	file_close(&file);
}

/* The input is a file. */
static void open_whole(const char *format, const uint8_t *data, size_t size, const struct patched_image *parent)
{
	int fd = memfd_create("whole", MFD_CLOEXEC);

	assert_true(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	open_and_walk(format, fd, parent);
	close(fd);
}

#endif
