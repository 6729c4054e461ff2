/* SPDX-License-Identifier: MIT */
/*
 * VMDK images. The first byte chooses what the rest is: a whole file, or patches (2 bytes place, 1 byte
 * length, that many bytes) on a good sparse extent, stream or descriptor, so that the fuzzer gets behind the
 * header from the start. Every name leads to the image itself. What map() answers is held against disk.h's
 * contract.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define assert_true(condition) ((condition) ? (void)0 : abort())
#define assert_non_null(pointer) assert_true((pointer) != NULL)

#include "tests/unit/vmformat/test_vmdk.h"
#include "vmformat/disk.h"
#include "vmformat/vmdk.h"

#define GRAIN 8u
#define SECTORS 8300u /* 3 grain tables, the last grain is cut */

static const char descriptor[] = "# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\ncreateType=\"custom\"\n"
				 "RW 8300 SPARSE \"a-s001.vmdk\"\nRW 8 FLAT \"a-f002.vmdk\" 3\nRW 9 ZERO\n";

enum { WHOLE_FILE, PLAIN, STREAM, MIXED, KINDS };

static struct test_sparse bases[KINDS];

static void add_grains(struct test_sparse *t, bool packed)
{
	static const uint32_t grains[] = { 0, 1, 2, 511, 512, 700 };
	uint8_t content[GRAIN * 512];

	for (size_t i = 0; i < ARRAY_SIZE(grains); i++) {
		test_fill(content, sizeof(content), grains[i]);
		if (packed)
			test_sparse_add_packed(t, grains[i], content, sizeof(content));
		else
			test_sparse_add(t, grains[i], content);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	test_sparse_init(&bases[PLAIN], SECTORS, GRAIN, TEST_VMDK_ZEROED);
	add_grains(&bases[PLAIN], false);
	test_sparse_descriptor(&bases[PLAIN], "# Disk DescriptorFile\nversion=1\nRW 8300 SPARSE \"a.vmdk\"\n");
	test_sparse_init(&bases[STREAM], SECTORS, GRAIN, TEST_VMDK_COMPRESSED);
	add_grains(&bases[STREAM], true);
	test_sparse_as_stream(&bases[STREAM]);
	test_sparse_init(&bases[MIXED], SECTORS, GRAIN, 0);
	add_grains(&bases[MIXED], false);
	return 0;
}

/* Makes the image; malloc'ed. */
static uint8_t *make_image(unsigned kind, const uint8_t *data, size_t size, size_t *ret_size)
{
	const struct test_sparse *base = &bases[kind];
	size_t length = kind == WHOLE_FILE ? size : base->size;
	uint8_t *image = malloc(length + 1);

	assert_non_null(image);
	*ret_size = length;
	if (kind == WHOLE_FILE) {
		memcpy(image, data, size);
		return image;
	}
	memcpy(image, base->bytes, length);
	while (size >= 3) {
		size_t place = le16_load(data) % length, count = MIN(MIN(data[2] % 16u + 1, size - 3), length - place);

		memcpy(image + place, data + 3, count);
		data += 3 + count;
		size -= 3 + count;
	}
	return image;
}

struct image_files {
	struct files files;
	int fd;
	unsigned opens;
};

static int open_image(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	struct image_files *f = files->context;

	if (++f->opens > 100)
		return error_set(e, -EMFILE, "%s: too many", name);
	return file_from_fd(fcntl(f->fd, F_DUPFD_CLOEXEC, 0), name, ret_file, e);
}

static void check_extent(struct disk *disk, struct disk *owner, uint64_t offset, uint64_t length,
                         const struct disk_extent *x)
{
	uint64_t size;
	uint8_t *unit;

	assert_true(x->length >= 1 && x->length <= length);
	assert_true(x->kind != DISK_PARENT);
	if (x->kind == DISK_DATA) {
		size = (uint64_t)lseek(x->fd, 0, SEEK_END);
		assert_true(range_within(x->fd_offset, x->length, size));
	}
	if (x->kind != DISK_PACKED)
		return;
	assert_true(x->unit_length >= 1 && x->unit_length <= disk->unit_limit);
	assert_true(offset >= x->unit_offset && offset + x->length <= x->unit_offset + x->unit_length);
	unit = malloc(x->unit_length);
	assert_non_null(unit);
	owner->format->unpack(owner, x, unit);
	free(unit);
}

static void walk(struct disk *disk)
{
	uint64_t offset = 0, step = MAX(disk->capacity / 64, 1u);

	assert_true(disk->capacity > 0 && disk->capacity % DISK_SECTOR == 0 && disk->capacity <= VMDK_MAX_CAPACITY);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_files files = { .files.open = open_image, .files.context = &files };
	struct file file = FILE_CLOSED, text = FILE_CLOSED;
	struct error e = { 0 };
	struct disk *disk;
	size_t length;
	unsigned kind;
	uint8_t *image;

	if (size < 1)
		return 0;
	kind = data[0] % KINDS;
	image = make_image(kind, data + 1, size - 1, &length);
	files.fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(files.fd >= 0 && write(files.fd, image, length) == (ssize_t)length);
	free(image);
	if (kind == MIXED) {
		int fd = memfd_create("text", MFD_CLOEXEC);

		assert_true(fd >= 0 && write(fd, descriptor, sizeof(descriptor) - 1) > 0);
		assert_true(file_from_fd(fd, "a.vmdk", &text, NULL) == 0);
	}
	assert_true(file_from_fd(fcntl(files.fd, F_DUPFD_CLOEXEC, 0), "a.vmdk", &file, NULL) == 0);
	if (disk_open_as("vmdk", kind == MIXED ? &text : &file, &files.files, &disk, &e) == 0) {
		walk(disk);
		disk_close(disk);
	} else {
		assert_true(e.code < 0 && e.text[0]); /* every refusal has its words */
	}
	file_close(&file);
	file_close(&text);
	close(files.fd);
	return 0;
}
