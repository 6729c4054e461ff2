/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a packed appliance (zip and 7z, most of all): opened, unpacked and read. Seeds: small zips
 * of all methods that are unpacked, and .7z, whose headers' checksums are mended here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libdeflate.h>

#include "vmformat/appliance.h"
#include "vmformat/bytes.h"
#include "vmformat/keep.h"

#define KEPT 16

static int kept[KEPT]; /* 0: the record, 1: "unpacked-0", ...; -1: not there yet */

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

static int open_kept(const struct keep *keep, const char *fingerprint, const char *title, const char *name, int *ret_fd,
                     struct error *e)
{
	unsigned i = 0;
	char path[64];

	(void)keep;
	require(strlen(fingerprint) == 32 && title, "a fingerprint and a title");
	if (strcmp(name, KEEP_RECORD) != 0) {
		require(strncmp(name, KEEP_UNPACKED, strlen(KEEP_UNPACKED)) == 0, "a name of ours");
		i = (unsigned)atoi(name + strlen(KEEP_UNPACKED)) + 1;
	}
	if (i >= KEPT)
		return error_set(e, -EMFILE, "enough for a fuzzer");
	if (kept[i] < 0)
		kept[i] = memfd_create("kept", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", kept[i]);
	*ret_fd = open(path, O_RDWR | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

static int tell_progress(const struct keep *keep, const char *what, uint64_t done, uint64_t total)
{
	static unsigned calls;

	(void)keep;
	(void)what;
	require(done <= total, "more than all");
	return ++calls % 4096 == 0 ? -ECANCELED : 0; /* and no input runs for ever */
}

static void read_drives(const struct appliance *a)
{
	uint8_t bytes[4096];

	for (unsigned i = 0; i < a->drive_count; i++) {
		struct error e = { 0 };
		struct disk *disk;

		if (appliance_open_disk(a, &a->drives[i], &disk, &e) < 0) {
			require(e.code < 0 && *e.text, "an error without words");
			continue;
		}
		disk_read(disk, 0, bytes, disk->capacity < sizeof(bytes) ? (size_t)disk->capacity : sizeof(bytes));
		disk_close(disk);
	}
}

static void mend_sevenzip(uint8_t *bytes, size_t size)
{
	uint64_t offset, length;

	if (size < 32 || memcmp(bytes, "7z\xbc\xaf\x27\x1c", 6) != 0)
		return;
	offset = le64_load(bytes + 12);
	length = le64_load(bytes + 20);
	if (range_within(offset, length, size - 32))
		le32_store(bytes + 28, libdeflate_crc32(0, bytes + 32 + offset, length));
	le32_store(bytes + 8, libdeflate_crc32(0, bytes + 12, 20));
}

static int make_file(const uint8_t *data, size_t size, struct file *ret_file)
{
	uint8_t *bytes = malloc(size + 1);
	int fd = memfd_create("fuzz", 0);
	bool good;

	require(bytes && fd >= 0, "a file");
	if (size)
		memcpy(bytes, data, size);
	mend_sevenzip(bytes, size);
	good = write(fd, bytes, size) == (ssize_t)size;
	free(bytes);
	return good ? file_from_fd(fd, "fuzz.zip", ret_file, NULL) : -EIO;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct keep keep = { .open = open_kept, .progress = tell_progress };
	const struct files files = { .open = open_nothing, .keep = &keep };
	struct appliance *a;
	struct file source;
	struct error e = { 0 };

	for (unsigned i = 0; i < KEPT; i++)
		kept[i] = -1;
	require(make_file(data, size, &source) == 0, "file");
	if (appliance_open(&source, &files, &a, &e) < 0) {
		require(e.code < 0 && *e.text, "an error without words");
		file_close(&source);
	} else {
		read_drives(a);
		appliance_free(a);
	}
	for (unsigned i = 0; i < KEPT; i++)
		if (kept[i] >= 0)
			close(kept[i]);
	return 0;
}
