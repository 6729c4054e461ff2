/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_files.h"
#include "vmformat/bytes.h"
#include "vmformat/disk.h"

/* ---- a disk made of a table, to test what is common to all formats ---- */

struct table_extent {
	enum disk_extent_kind kind;
	uint64_t begin, end;
};

struct table_disk {
	struct disk disk;
	const struct table_extent *extents; /* ended by end 0 */
	int fd;
	unsigned closed;
};

static int table_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	struct table_disk *t = container_of(disk, struct table_disk, disk);
	const struct table_extent *x = t->extents;

	while (x->end && offset >= x->end)
		x++;
	if (!x->end)
		return -EIO;
	*ret_extent = (struct disk_extent){
		.kind = x->kind,
		.length = MIN(length, x->end - offset),
		.fd = t->fd,
		.fd_offset = offset,
		.unit_offset = x->begin,
		.unit_length = (uint32_t)(x->end - x->begin),
	};
	return 0;
}

/* A unit is full of the number of its first sector. */
static int table_unpack(struct disk *disk, const struct disk_extent *extent, void *buffer)
{
	(void)disk;
	if (extent->unit_offset >= 64 * DISK_SECTOR)
		return -EIO;
	memset(buffer, (int)(extent->unit_offset / DISK_SECTOR), extent->unit_length);
	return 0;
}

static unsigned table_disks_closed;

static void table_close(struct disk *disk)
{
	(void)disk;
	table_disks_closed++;
}

static const struct disk_format table_format = {
	.name = "table",
	.close = table_close,
	.map = table_map,
	.unpack = table_unpack,
};

static struct disk *table_disk(const struct table_extent *extents, uint64_t sectors, struct disk *parent)
{
	struct table_disk *t = calloc(1, sizeof(*t)); /* its disk comes first: disk_close() frees all of it */

	assert_non_null(t);
	t->disk = (struct disk){ .format = &table_format, .capacity = sectors * DISK_SECTOR, .parent = parent };
	t->extents = extents;
	t->fd = -1;
	return &t->disk;
}

static void disk_map_follows_the_chain(void **state)
{
	static const struct table_extent bottom[] = { { DISK_PACKED, 0, 1024 }, { 0 } };
	static const struct table_extent middle[] = { { DISK_PARENT, 0, 1536 }, { DISK_ZERO, 1536, 4096 }, { 0 } };
	static const struct table_extent top[] = { { DISK_PARENT, 0, 4096 }, { 0 } };
	struct disk *lowest = table_disk(bottom, 2, NULL);
	struct disk *disk = table_disk(top, 8, table_disk(middle, 8, lowest)), *owner;
	struct disk_extent extent;

	(void)state;
	table_disks_closed = 0;
	assert_int_equal(disk_map(disk, 512, 3584, &extent, &owner), 0);
	assert_int_equal(extent.kind, DISK_PACKED);
	assert_int_equal(extent.length, 512);
	assert_ptr_equal(owner, lowest);
	/*
	 * The lowest disk is the smallest: behind its end are zeros, as far as the middle one says "ask
	 * below".
	 */
	assert_int_equal(disk_map(disk, 1024, 3072, &extent, NULL), 0);
	assert_int_equal(extent.kind, DISK_ZERO);
	assert_int_equal(extent.length, 512);
	assert_int_equal(disk_map(disk, 1536, 2560, &extent, &owner), 0);
	assert_int_equal(extent.kind, DISK_ZERO);
	assert_int_equal(extent.length, 2560);
	disk_close(disk);
	assert_int_equal(table_disks_closed, 3);
}

static void disk_map_without_a_parent_reads_as_zeros(void **state)
{
	static const struct table_extent top[] = { { DISK_PARENT, 0, 4096 }, { 0 } };
	struct disk *disk = table_disk(top, 8, NULL);
	struct disk_extent extent;

	(void)state;
	assert_int_equal(disk_map(disk, 0, 4096, &extent, NULL), 0);
	assert_int_equal(extent.kind, DISK_ZERO);
	assert_int_equal(extent.length, 4096);
	disk_close(disk);
}

static void disk_map_outside_the_capacity_is_an_error(void **state)
{
	static const struct table_extent all[] = { { DISK_ZERO, 0, UINT64_MAX }, { 0 } };
	struct disk *disk = table_disk(all, 8, NULL);
	struct disk_extent extent;
	uint8_t byte;

	(void)state;
	assert_int_equal(disk_map(disk, 4095, 2, &extent, NULL), -EINVAL);
	assert_int_equal(disk_map(disk, 4096, 1, &extent, NULL), -EINVAL);
	assert_int_equal(disk_map(disk, UINT64_MAX, 2, &extent, NULL), -EINVAL);
	assert_int_equal(disk_map(disk, 0, 0, &extent, NULL), -EINVAL);
	assert_int_equal(disk_read(disk, 4096, &byte, 1), -EINVAL);
	assert_int_equal(disk_read(disk, 4095, &byte, 1), 0);
	disk_close(disk);
}

static void disk_read_puts_extents_together(void **state)
{
	static const struct table_extent extents[] = {
		{ DISK_PACKED, 512, 1024 },
		{ DISK_ZERO, 1024, 1536 },
		{ DISK_PACKED, 1536, 2560 },
		{ DISK_PACKED, 32768, 33280 },
		{ 0 },
	};
	struct disk *disk = table_disk(extents, 80, NULL);
	uint8_t found[1500];

	(void)state;
	memset(found, 0xaa, sizeof(found));
	assert_int_equal(disk_read(disk, 1000, found, sizeof(found)), 0);
	for (unsigned i = 0; i < sizeof(found); i++)
		assert_int_equal(found[i], i < 24 ? 1 : i < 536 ? 0 : 3);
	assert_int_equal(disk_read(disk, 32768, found, 512), -EIO);
	disk_close(disk);
	disk_close(NULL);
}

/* ---- telling formats ---- */

static void check_refused(const char *name, const void *bytes, size_t length, int code, const char *words)
{
	struct file file = test_file(name, bytes, length);
	struct error e = { 0 };
	struct disk *disk;

	assert_int_equal(disk_open(&file, &test_no_files, &disk, &e), code);
	assert_int_equal(e.code, code);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" lacks \"%s\"", e.text, words);
	assert_true(file.fd >= 0); /* the caller keeps what was refused */
	file_close(&file);
}

static void disk_of_a_format_not_played_is_named(void **state)
{
	static const struct {
		size_t offset, length;
		const char *signature;
		int code;
		const char *words;
	} cases[] = {
		{ 0, 4, "QED\0", -ENOTSUP, "a.img is a QED disk, which Vitrine does not play. Convert a copy" },
		{ 64, 4, "\x7f\x10\xda\xbe", -ENOTSUP, "a.img has version 0.0 of the VDI format" },
		{ 0, 8, "conectix", -EINVAL, "a.img: the checksum of its footer is wrong" },
		{ 0, 8, "vhdxfile", -ENODATA, "a.img ends too early" },
		{ 0, 3, "\x1f\x8b\x08", -ENOTSUP, "compressed with gzip. Unpack it first" },
		{ 0, 4, "PK\3\4", -ENOTSUP, "a ZIP archive" },
		{ 0, 15, "<!DOCTYPE html>", -EINVAL, "a web page, not a disk" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t bytes[1024] = { 0 };

		memcpy(bytes + cases[i].offset, cases[i].signature, cases[i].length);
		check_refused("a.img", bytes, sizeof(bytes), cases[i].code, cases[i].words);
	}
}

static void disk_that_is_empty_is_refused(void **state)
{
	(void)state;
	check_refused("a.img", NULL, 0, -ENODATA, "a.img is empty; the download probably failed");
}

static void disk_without_any_signature_is_raw(void **state)
{
	static const char *const names[] = { "a.img", "a.iso", "a.vmdk", "a" };
	uint8_t zeros[1024] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct file file = test_file(names[i], zeros, sizeof(zeros));
		struct disk *disk;

		assert_int_equal(disk_open(&file, &test_no_files, &disk, NULL), 0);
		assert_string_equal(disk->format->name, "raw");
		assert_string_equal(disk->name, names[i]);
		disk_close(disk);
	}
}

static void disk_opened_as_raw_is_raw_whatever_a_guest_wrote(void **state)
{
	uint8_t bytes[1024] = "KDMV", found[4];
	struct file file = test_file("a.img", bytes, sizeof(bytes));
	struct disk *disk;

	(void)state;
	assert_int_equal(disk_open_as("raw", &file, &test_no_files, &disk, NULL), 0);
	assert_int_equal(disk_read(disk, 0, found, 4), 0);
	assert_memory_equal(found, "KDMV", 4);
	disk_close(disk);
	check_refused("a.img", bytes, sizeof(bytes), -ENOTSUP,
	              "version 0 of the VMDK format"); /* the user's word is content */
}

static void disk_opened_as_an_unknown_format_is_an_error(void **state)
{
	uint8_t bytes[1024] = { 0 };
	struct file file = test_file("a.img", bytes, sizeof(bytes));
	struct error e = { 0 };
	struct disk *disk;

	(void)state;
	assert_int_equal(disk_open_as("punch cards", &file, &test_no_files, &disk, &e), -EINVAL);
	assert_non_null(strstr(e.text, "no disk format \"punch cards\""));
	file_close(&file);
}

/* ---- words ---- */

static void truncation_is_told_in_fitting_units(void **state)
{
	static const struct {
		uint64_t size, needed;
		const char *text;
	} cases[] = {
		{ 1000000000, 3200000000,
		  "debian.vmdk ends after 1.0 of 3.2 GB; the download was probably interrupted. "
		  "Download it again." },
		{ 20000000, 3200000000, "debian.vmdk ends after 20.0 MB of 3.2 GB; " },
		{ 3199999999, 3200000000, "debian.vmdk ends after 3199999999 of 3200000000 bytes; " },
		{ 1500000000000, 2000000000000, "debian.vmdk ends after 1.5 of 2.0 TB; " },
		{ 100, 512, "debian.vmdk ends after 100 of 512 bytes; " },
		{ 1000000000, 0, "debian.vmdk ends too early, after 1.0 GB; " },
		{ 0, 0, "debian.vmdk ends too early, after 0 bytes; " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error e = { 0 };

		assert_int_equal(disk_truncated(&e, "debian.vmdk", cases[i].size, cases[i].needed), -ENODATA);
		assert_memory_equal(e.text, cases[i].text, strlen(cases[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk_map_follows_the_chain),
		cmocka_unit_test(disk_map_without_a_parent_reads_as_zeros),
		cmocka_unit_test(disk_map_outside_the_capacity_is_an_error),
		cmocka_unit_test(disk_read_puts_extents_together),
		cmocka_unit_test(disk_of_a_format_not_played_is_named),
		cmocka_unit_test(disk_that_is_empty_is_refused),
		cmocka_unit_test(disk_without_any_signature_is_raw),
		cmocka_unit_test(disk_opened_as_raw_is_raw_whatever_a_guest_wrote),
		cmocka_unit_test(disk_opened_as_an_unknown_format_is_an_error),
		cmocka_unit_test(truncation_is_told_in_fitting_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
