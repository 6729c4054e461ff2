/* SPDX-License-Identifier: MIT */
/*
 * Optical discs: probe, open and label. The input is laid over the places that are looked at: sectors 16 to
 * 31 (volume descriptors) and from sector 256 on (UDF's anchor and what it names); the rest of the disc is
 * zeros.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmformat/bytes.h"
#include "vmformat/disk.h"
#include "vmformat/iso.h"

#define SECTOR 2048u
#define require(condition) ((condition) ? (void)0 : abort())

/*
 * Every other sum would be refused and nothing behind it tested: an input that ends with an odd byte gets
 * right ones.
 */
static void correct_sums(uint8_t *bytes, size_t length)
{
	for (size_t at = 0; at + 16 <= length; at += SECTOR) {
		uint8_t sum = 0;

		for (size_t i = 0; i < 16; i++)
			sum = (uint8_t)(sum + (i == 4 ? 0 : bytes[at + i]));
		bytes[at + 4] = sum;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char label[ISO_LABEL_SIZE];
	size_t half = size / 2;
	uint8_t *udf = malloc(size - half + 1);
	struct error e = { 0 };
	struct disk *disk;
	struct file file;
	int fd = memfd_create("disc", MFD_CLOEXEC);

	require(fd >= 0 && udf);
	memcpy(udf, data + half, size - half);
	if (size && data[size - 1] & 1)
		correct_sums(udf, size - half);
	require(pwrite(fd, data, half, 16 * SECTOR) == (ssize_t)half);
	require(pwrite(fd, udf, size - half, 256 * SECTOR) == (ssize_t)(size - half));
	free(udf);
	require(file_from_fd(fd, "fuzz.iso", &file, NULL) == 0);
	if (disk_open_as("iso", &file, NULL, &disk, &e) == 0) {
		require(disk->is_cdrom && disk->capacity % SECTOR == 0);
		require(iso_label(disk, label) == 0);
		require(memchr(label, 0, sizeof(label)) != NULL);
		for (const char *c = label; *c; c++)
			require((unsigned char)*c >= 0x20 && *c != 0x7f);
		disk_close(disk);
	} else {
		require(e.code < 0 && e.text[0]);
	}
	file_close(&file);
	return 0;
}
