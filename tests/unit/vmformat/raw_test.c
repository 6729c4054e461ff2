/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_files.h"
#include "vmformat/bytes.h"
#include "vmformat/disk.h"

static struct disk *open_raw(const void *bytes, size_t length)
{
	struct file file = test_file("a.img", bytes, length);
	struct error e = { 0 };
	struct disk *disk;

	assert_int_equal(disk_open_as("raw", &file, &test_no_files, &disk, &e), 0);
	assert_int_equal(file.fd, -1); /* taken over */
	return disk;
}

static void raw_bytes_are_the_disks_bytes(void **state)
{
	uint8_t bytes[4096], found[4096];
	struct disk_extent extent;
	struct disk *disk;

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	disk = open_raw(bytes, sizeof(bytes));
	assert_int_equal(disk->capacity, sizeof(bytes));
	assert_int_equal(disk->unit_limit, 0);
	assert_false(disk->is_cdrom);
	assert_int_equal(disk_map(disk, 513, 1000, &extent, NULL), 0);
	assert_int_equal(extent.kind, DISK_DATA);
	assert_int_equal(extent.length, 1000);
	assert_int_equal(extent.fd_offset, 513);
	assert_int_equal(disk_read(disk, 1, found, 4095), 0);
	assert_memory_equal(found, bytes + 1, 4095);
	disk_close(disk);
}

static void raw_last_sector_is_filled_up_with_zeros(void **state)
{
	uint8_t bytes[1200], found[1536], expected[1536] = { 0 };
	struct disk *disk;

	(void)state;
	memset(bytes, 0x5a, sizeof(bytes));
	memcpy(expected, bytes, sizeof(bytes));
	disk = open_raw(bytes, sizeof(bytes));
	assert_int_equal(disk->capacity, 1536);
	assert_int_equal(disk->unit_limit, 512);
	assert_int_equal(disk_read(disk, 0, found, sizeof(found)), 0);
	assert_memory_equal(found, expected, sizeof(expected));
	assert_int_equal(disk_read(disk, 1190, found, 20), 0);
	assert_memory_equal(found, expected + 1190, 20);
	disk_close(disk);
}

static void raw_member_of_a_tar_never_shows_what_follows(void **state)
{
	uint8_t bytes[2048], found[1024];
	struct file tar, member;
	struct disk *disk;

	(void)state;
	memset(bytes, 0xee, sizeof(bytes));
	memset(bytes + 512, 0x11, 700);
	tar = test_file("a.ova", bytes, sizeof(bytes));
	assert_int_equal(file_window(&tar, 512, 700, "a.ova: a.img", &member, NULL), 0);
	file_close(&tar);
	assert_int_equal(disk_open_as("raw", &member, &test_no_files, &disk, NULL), 0);
	assert_int_equal(disk->capacity, 1024);
	assert_int_equal(disk_read(disk, 0, found, sizeof(found)), 0);
	for (unsigned i = 0; i < sizeof(found); i++)
		assert_int_equal(found[i], i < 700 ? 0x11 : 0);
	disk_close(disk);
}

static void raw_smaller_than_a_sector_is_refused(void **state)
{
	uint8_t bytes[511] = { 0 };
	struct file file = test_file("a.img", bytes, sizeof(bytes));
	struct error e = { 0 };
	struct disk *disk;

	(void)state;
	assert_int_equal(disk_open_as("raw", &file, &test_no_files, &disk, &e), -EINVAL);
	assert_non_null(strstr(e.text, "a.img has only 511 bytes"));
	assert_true(file.fd >= 0); /* still the caller's */
	file_close(&file);
}

static void raw_file_cut_while_open_is_an_error(void **state)
{
	uint8_t bytes[2048] = { 0 }, found[2048];
	struct file file = test_file("a.img", bytes, sizeof(bytes));
	struct disk *disk;
	int fd = file.fd;

	(void)state;
	assert_int_equal(disk_open_as("raw", &file, &test_no_files, &disk, NULL), 0);
	assert_int_equal(ftruncate(fd, 1000), 0);
	assert_int_equal(disk_read(disk, 0, found, 512), 0);
	assert_int_equal(disk_read(disk, 0, found, 2048), -ENODATA);
	disk_close(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_bytes_are_the_disks_bytes),
		cmocka_unit_test(raw_last_sector_is_filled_up_with_zeros),
		cmocka_unit_test(raw_member_of_a_tar_never_shows_what_follows),
		cmocka_unit_test(raw_smaller_than_a_sector_is_refused),
		cmocka_unit_test(raw_file_cut_while_open_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
