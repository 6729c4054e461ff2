/* SPDX-License-Identifier: MIT */
/*
 * A kept index of a gzip file that somebody has changed. The first byte: even, the whole file follows; odd, patches
 * of the right one: 2 bytes place, 1 byte length, that many bytes. Its checksums are mended.
 */
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "vmformat/bytes.h"
#include "vmformat/disk.h"
#include "vmformat/gz.h"

/* Two points, the second with little behind it: to inflate 2 MiB takes longer than all that is looked for here. */
#define DISK_SIZE ((2u << 20) + (192u << 10))
#define KEPT_MAX (256u << 10)
#define POINT_SIZE 40u

static struct file packed;
static uint8_t right[KEPT_MAX];
static size_t right_size;
static const uint8_t key[GZ_KEY];

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static int tell_progress(const struct keep *keep, const char *what, uint64_t done, uint64_t total)
{
	(void)keep;
	(void)what;
	(void)done;
	(void)total;
	return 0;
}

static const struct keep keep = { .progress = tell_progress };

/* Without compression: inflating dozens of megabytes for each input would leave no time to look for faults. */
static void pack(void)
{
	uint8_t *bytes = malloc(DISK_SIZE), *gz = malloc(DISK_SIZE * 2);
	z_stream z = { 0 };
	int fd = memfd_create("gz", 0);

	for (uint32_t i = 0; i < DISK_SIZE; i++)
		bytes[i] = (uint8_t)((i * 2654435761u >> 28) + i / 4096);
	require(deflateInit2(&z, Z_NO_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK,
	        "deflateInit2");
	z.next_in = bytes;
	z.avail_in = DISK_SIZE;
	z.next_out = gz;
	z.avail_out = DISK_SIZE * 2;
	require(deflate(&z, Z_FINISH) == Z_STREAM_END, "deflate");
	require(write(fd, gz, z.total_out) == (ssize_t)z.total_out && file_from_fd(fd, "a.gz", &packed, NULL) == 0,
	        "file");
	deflateEnd(&z);
	free(bytes);
	free(gz);
}

static void make_right(void)
{
	struct gz_index *index;
	int fd = memfd_create("kept", 0), again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ssize_t n;

	pack();
	require(gz_index_open(&packed, key, fd, true, &keep, &index, NULL) == 0, "the right index");
	gz_index_free(index);
	n = pread(again, right, sizeof(right), 0);
	require(n > 80, "its bytes");
	right_size = (size_t)n;
	close(again);
}

static void patch(uint8_t *kept, const uint8_t *data, size_t size)
{
	while (size > 3) {
		size_t place = le16_load(data), length = MIN(data[2], size - 3);

		if (place >= 0x8000) /* the table, at the end */
			place = right_size - MIN(right_size, 0x10000 - place);
		memcpy(kept + place, data + 3, MIN(length, KEPT_MAX - place));
		data += 3 + length;
		size -= 3 + length;
	}
}

static void mend(uint8_t *kept, size_t size)
{
	uint64_t table = le64_load(kept + 64), length = (uint64_t)le32_load(kept + 12) * POINT_SIZE;

	memcpy(kept, right, 12);
	memcpy(kept + 16, right + 16, 40);
	if (range_within(table, length, size))
		le32_store(kept + 72, libdeflate_crc32(0, kept + table, length));
	le32_store(kept + 76, libdeflate_crc32(0, kept, 76));
}

static void read_disk(const struct gz_index *index)
{
	const struct files files = { .gz_index = index };
	struct error e = { 0 };
	uint8_t bytes[512];
	struct file file;
	struct disk *disk;
	int r;

	require(file_window(&packed, 0, packed.size, "a.gz", &file, NULL) == 0, "a window");
	if (disk_open_as("gz", &file, &files, &disk, &e) < 0) {
		require(e.code < 0 && *e.text, "an error without words");
		file_close(&file);
		return;
	}
	/* The first unit has been read: disk_open_as() looks at what a disk begins with. */
	r = disk_read(disk, disk->capacity - sizeof(bytes), bytes, sizeof(bytes));
	require(r == 0 || r == -EIO || r == -ENOMEM, "an unknown failure");
	disk_close(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = calloc(1, KEPT_MAX);
	size_t length;
	struct gz_index *index;
	struct error e = { 0 };
	int fd = memfd_create("kept", 0);

	if (!right_size)
		make_right();
	length = !size || data[0] & 1 ? right_size : MIN(MAX(size - 1, 80), KEPT_MAX);
	if (size && !(data[0] & 1)) {
		memcpy(bytes, data + 1, MIN(size - 1, length));
	} else if (size) {
		memcpy(bytes, right, right_size);
		patch(bytes, data + 1, size - 1);
	}
	mend(bytes, length);
	require(fd >= 0 && write(fd, bytes, length) == (ssize_t)length, "kept");
	if (gz_index_open(&packed, key, fd, false, &keep, &index, &e) == 0) {
		read_disk(index);
		gz_index_free(index);
	} else {
		require(e.code == -EBUSY, "not ours, so not made anew");
	}
	free(bytes);
	return 0;
}
