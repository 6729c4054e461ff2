/* SPDX-License-Identifier: MIT */
/*
 * Sparse VMDKs that are written in place. An input: 1 byte (odd: a snapshot), 1 byte how many patches of the good
 * image follow, each 2 bytes place, 1 byte length, that many bytes; then operations, 4 bytes each. Whatever the
 * tables say: what was written is read again, and header, directories and description (but for the mark and the
 * content ID) are as before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/disk_walk.h"

#include "tests/unit/vmformat/test_vmdk.h"
#include "vmformat/disk_write.h"
#include "vmformat/vmdk.h"

#define GRAIN 8u
#define GRAIN_BYTES (GRAIN * 512)
#define SECTORS 8300u /* 3 grain tables, the last grain is cut */
#define MAX_OPERATIONS 64

#define TEXT "# Disk DescriptorFile\nversion=1\nCID=0badcafe\n"
static const char plain_text[] = TEXT "RW 8300 SPARSE \"a.vmdk\"\n";
static const char delta_text[] = TEXT "parentCID=1\nparentFileNameHint=\"base.vmdk\"\nRW 8300 SPARSE \"a.vmdk\"\n";
static const char base_text[] = "# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\nRW 8300 ZERO\n";

static struct test_sparse images[2];

static void make_image(struct test_sparse *t, const char *text)
{
	static const uint32_t grains[] = { 0, 1, 2, 511, 512, 700 };
	uint8_t content[GRAIN_BYTES];
	size_t rgd, tables;

	test_sparse_init(t, SECTORS, GRAIN, TEST_VMDK_REDUNDANT | TEST_VMDK_ZEROED);
	test_sparse_descriptor(t, text);
	rgd = test_sparse_append(t, 512);
	tables = test_sparse_append(t, (size_t)t->tables * 2048);
	le64_store(t->bytes + 48, rgd / 512);
	for (uint32_t i = 0; i < t->tables; i++)
		le32_store(t->bytes + rgd + i * 4, (uint32_t)((tables + i * 2048) / 512));
	for (size_t i = 0; i < ARRAY_SIZE(grains); i++) {
		memset(content, (int)grains[i], sizeof(content));
		test_sparse_add(t, grains[i], content);
	}
	for (uint32_t i = 0; i < t->tables; i++)
		memcpy(t->bytes + tables + i * 2048, t->bytes + test_sparse_table(t, i), 2048);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make_image(&images[0], plain_text);
	make_image(&images[1], delta_text);
	return 0;
}

/* ---- the file ---- */

struct image_files {
	struct files files;
	int fd;
};

static int open_writable(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	const struct image_files *f = files->context;

	return file_from_fd(fcntl(f->fd, F_DUPFD_CLOEXEC, 0), name, ret_file, e);
}

static int open_base(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	(void)files;
	assert_true(fd >= 0 && write(fd, base_text, strlen(base_text)) > 0);
	return file_from_fd(fd, name, ret_file, e);
}

/* Bytes that no write may change. */
struct kept {
	uint64_t offset, length;
	uint8_t *bytes;
};

static void keep(struct kept *k, const uint8_t *image, size_t size, uint64_t sector, uint64_t length)
{
	*k = (struct kept){ 0 };
	if (sector > UINT32_MAX || !range_within(sector * 512, length, size))
		return;
	*k = (struct kept){ sector * 512, length, malloc(length + 1) };
	assert_non_null(k->bytes);
	memcpy(k->bytes, image + k->offset, length);
}

static void check_kept(struct kept *k, int fd, bool is_text)
{
	uint8_t *now = malloc(k->length + 1);
	size_t differing = 0;

	assert_true(now && (!k->bytes || pread(fd, now, k->length, (off_t)k->offset) == (ssize_t)k->length));
	for (uint64_t i = 0; k->bytes && i < k->length; i++)
		differing += now[i] != k->bytes[i] && k->offset + i != 72;
	assert_true(differing <= (is_text ? 8u : 0u));
	free(now);
	free(k->bytes);
}

/* ---- operations ---- */

static void write_some(struct disk *disk, uint64_t offset, uint32_t length, uint8_t fill)
{
	uint8_t data[4 * GRAIN_BYTES], back[sizeof(data)];
	struct disk_write w;
	int r = disk->writer->begin(disk, offset, length, &w);

	if (r < 0)
		return;
	assert_true(w.length >= 1 && w.length <= length && w.head <= offset && w.head < GRAIN_BYTES &&
	            w.tail < GRAIN_BYTES && range_within(offset + w.length, w.tail, disk->capacity));
	assert_true(w.head + w.length + w.tail <= sizeof(data));
	r = disk_read(disk, offset - w.head, data, w.head);
	memset(data + w.head, fill, w.length);
	if (r == 0)
		r = disk_read(disk, offset + w.length, data + w.head + w.length, w.tail);
	if (r == 0) {
		size_t whole = w.head + w.length + w.tail;

		assert_true(pwrite(w.fd, data, whole, (off_t)(w.fd_offset - w.head)) == (ssize_t)whole);
	}
	disk->writer->end(disk, &w, r);
	if (r < 0)
		return;
	assert_true(disk_read(disk, offset, back, w.length) == 0);
	for (uint32_t i = 0; i < w.length; i++)
		assert_true(back[i] == fill);
}

static void operate(struct disk *disk, const uint8_t *data, size_t size)
{
	for (unsigned i = 0; i < MAX_OPERATIONS && size >= 4; i++, data += 4, size -= 4) {
		uint64_t offset = (uint64_t)(le16_load(data) % (disk->capacity / 512)) * 512;
		uint32_t length = (data[2] % 16 + 1) * 512u;

		length = (uint32_t)MIN(length, disk->capacity - offset);
		if (data[3] % 16 == 0)
			disk->writer->flush(disk);
		else if (data[3] % 4 == 0)
			disk->writer->zero(disk, offset, length);
		else
			write_some(disk, offset, length, data[3]);
	}
}

static void play(struct image_files *files, const uint8_t *image, size_t size, const uint8_t *data, size_t left)
{
	struct kept kept[4];
	struct error e = { 0 };
	struct disk *disk;

	keep(&kept[0], image, size, 0, 512);
	keep(&kept[1], image, size, le64_load(image + 56), 12);
	keep(&kept[2], image, size, le64_load(image + 48), 12);
	keep(&kept[3], image, size, le64_load(image + 28), MIN(le64_load(image + 36), 2048u) * 512);
	if (disk_open_in_place("a.vmdk", &files->files, &disk, &e) == 0) {
		assert_non_null(disk->writer);
		operate(disk, data, left);
		walk(disk, VMDK_MAX_CAPACITY);
		disk_close(disk);
	} else {
		assert_true(e.code < 0 && e.text[0]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		check_kept(&kept[i], files->fd, i == 3);
}

/* Returns how much of the input the patches are. */
static size_t patch(uint8_t *image, size_t image_size, const uint8_t *data, size_t size, unsigned patches)
{
	size_t used = 0;

	while (patches-- && size - used >= 3) {
		size_t place = le16_load(data + used) % image_size;
		size_t count = MIN(MIN(data[used + 2] % 16u + 1, size - used - 3), image_size - place);

		memcpy(image + place, data + used + 3, count);
		used += 3 + count;
	}
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_files files = { .files = {
					     .open = open_base, .open_writable = open_writable, .context = &files } };
	const struct test_sparse *t;
	uint8_t *image;

	size_t used;

	if (size < 2)
		return 0;
	t = &images[data[0] % 2];
	image = malloc(t->size);
	assert_non_null(image);
	memcpy(image, t->bytes, t->size);
	used = 2 + patch(image, t->size, data + 2, size - 2, data[1]);
	files.fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(files.fd >= 0 && write(files.fd, image, t->size) == (ssize_t)t->size);
	play(&files, image, t->size, data + used, size - used);
	free(image);
	close(files.fd);
	return 0;
}
