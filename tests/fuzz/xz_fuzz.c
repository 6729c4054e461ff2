/* SPDX-License-Identifier: MIT */
/* Any bytes as a disk in xz; the checksums of headers and index are mended first, or nearly every input would end
 * there. */
#include <errno.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmformat/bytes.h"
#include "vmformat/disk.h"

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static int open_nothing(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	(void)files;
	(void)ret_file;
	return error_set(e, -ENOENT, "%s: no such file", name);
}

/* Of the first block, the only one whose place is known. */
static void mend_block(uint8_t *xz, size_t size)
{
	size_t length = ((size_t)xz[12] + 1) * 4;

	if (xz[12] && range_within(12, length, size))
		le32_store(xz + 12 + length - 4, libdeflate_crc32(0, xz + 12, length - 4));
}

static void mend_index(uint8_t *xz, size_t size)
{
	uint64_t length = ((uint64_t)le32_load(xz + size - 8) + 1) * 4;

	if (length <= size - 24)
		le32_store(xz + size - 16, libdeflate_crc32(0, xz + size - 12 - length, length - 4));
}

static void mend(uint8_t *xz, size_t size)
{
	memcpy(xz, "\xfd\x37\x7a\x58\x5a\0", 6);
	memcpy(xz + size - 2, "YZ", 2);
	le32_store(xz + 8, libdeflate_crc32(0, xz + 6, 2));
	le32_store(xz + size - 12, libdeflate_crc32(0, xz + size - 8, 6));
	mend_block(xz, size);
	mend_index(xz, size);
}

static void read_all(struct disk *disk)
{
	uint8_t bytes[512];

	for (uint64_t at = 0, step = MAX(disk->capacity / 64, 512) / 512 * 512; at < disk->capacity; at += step) {
		int r = disk_read(disk, at, bytes, sizeof(bytes));

		require(r == 0 || r == -EIO || r == -ENODATA || r == -ENOMEM, "an unknown failure");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct files files = { .open = open_nothing };
	uint8_t *copy = malloc(size + 1);
	struct error e = { 0 };
	struct file file;
	struct disk *disk;
	int fd = memfd_create("fuzz", 0);

	memcpy(copy, data, size);
	if (size >= 32)
		mend(copy, size);
	require(fd >= 0 && write(fd, copy, size) == (ssize_t)size && file_from_fd(fd, "fuzz.xz", &file, NULL) == 0,
	        "file");
	if (disk_open_as("xz", &file, &files, &disk, &e) < 0) {
		require(e.code < 0 && *e.text, "an error without words");
		file_close(&file);
	} else {
		read_all(disk);
		disk_close(disk);
	}
	free(copy);
	return 0;
}
