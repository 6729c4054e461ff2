/* SPDX-License-Identifier: MIT */
/*
 * qemu-img and qemu-io as judges of VDI, VHD and VHDX: what they wrote, with each of their options, is read as
 * they read it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_judge.h"

/* What qemu-img calls a format, and its options; each keeps the size that was asked for. */
struct kind {
	const char *format, *options;
};

static const struct kind kinds[] = {
	{ "vdi", "static=off" },
	{ "vdi", "static=on" },
	{ "vpc", "subformat=dynamic,force_size=on" },
	{ "vpc", "subformat=fixed,force_size=on" },
	{ "vhdx", "subformat=dynamic" },
	{ "vhdx", "subformat=dynamic,block_size=1048576,log_size=2097152" },
	{ "vhdx", "subformat=dynamic,block_size=33554432,block_state_zero=off" },
	{ "vhdx", "subformat=fixed" },
	{ "vhdx", "subformat=fixed,block_size=2097152" },
};

/* Whole blocks; not; one sector. */
static const uint64_t sizes[] = { 16 * MIB, 37 * MIB + 7 * 512, 512 };

static void begin(struct test_dir *dir)
{
	test_dir_init(dir);
	need_program(dir, "qemu-img");
	need_program(dir, "qemu-io");
}

static void disks_are_read_as_their_judge_wrote_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
			struct test_dir dir;

			begin(&dir);
			make_raw(&dir, "raw.img", sizes[j], (unsigned)(i * 10 + j));
			judge(&dir, "qemu-img convert -f raw -O %s -o %s raw.img disk", kinds[i].format,
			      kinds[i].options);
			check_opens_same(&dir, "raw.img", "disk");
			test_dir_free(&dir);
		}
}

static void disks_written_at_random_are_read_as_their_judge_reads_them(void **state)
{
	const uint64_t size = 61 * MIB + 3 * 512;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct test_dir dir;
		uint64_t found = size;

		begin(&dir);
		judge(&dir, "qemu-img create -f %s -o %s disk %llu", kinds[i].format, kinds[i].options,
		      (unsigned long long)size);
		scribble(&dir, kinds[i].format, "disk", found, (unsigned)i);
		scribble(&dir, kinds[i].format, "disk", found, (unsigned)i + 100);
		check_as_judged(&dir, kinds[i].format, "disk");
		test_dir_free(&dir);
	}
}

/* Without force_size, the disk has as many sectors as its geometry, which all who read it must see alike. */
static void vhd_of_virtual_pc_has_the_size_of_its_geometry(void **state)
{
	static const char *const options[] = { "subformat=dynamic", "subformat=fixed" };
	static const uint64_t bytes[] = { 512, 5 * MIB, 100 * MIB + 512, 127ull << 30 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		for (size_t j = 0; j < ARRAY_SIZE(bytes); j++) {
			struct test_dir dir;
			struct file file;
			struct disk *disk;

			begin(&dir);
			judge(&dir, "qemu-img create -f vpc -o %s disk.vhd %llu", options[i],
			      (unsigned long long)bytes[j]);
			if (bytes[j] > MIB)
				scribble(&dir, "vpc", "disk.vhd", bytes[j], (unsigned)j);
			if (bytes[j] < 1000 * MIB)
				check_as_judged(&dir, "vpc", "disk.vhd");
			file = test_dir_open(&dir, "disk.vhd");
			assert_int_equal(disk_open(&file, &dir.files, &disk, NULL), 0);
			assert_true(disk->capacity >= bytes[j] && disk->capacity < bytes[j] + bytes[j] / 100 + 2 * MIB);
			disk_close(disk);
			test_dir_free(&dir);
		}
}

/* The largest that the judge makes, with something at their ends: all is found without reading what lies between. */
static void large_disks_are_read_as_their_judge_reads_them(void **state)
{
	static const struct {
		struct kind kind;
		const char *size, *last;
	} cases[] = {
		{ { "vdi", "static=off" }, "2199023255552", "write -P 7 2199023255040 512" },
		{ { "vpc", "subformat=dynamic,force_size=on" }, "2190433320960", "write -P 7 2190433320448 512" },
		{ { "vhdx", "subformat=dynamic" }, "2199023255552", "write -P 7 2199023255040 512" },
		{ { "vhdx", "subformat=dynamic,block_size=268435456" },
		  "70368744177664",
		  "write -P 7 70368744177152 512" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_dir dir;
		struct disk_extent extent;
		struct disk *disk;
		struct file file;
		uint8_t found[1024];

		begin(&dir);
		judge(&dir, "qemu-img create -f %s -o %s disk %s", cases[i].kind.format, cases[i].kind.options,
		      cases[i].size);
		assert_int_equal(run_in(&dir, (const char *const[]){ "qemu-io", "-f", cases[i].kind.format, "-c",
		                                                     cases[i].last, "disk", NULL }),
		                 0);
		file = test_dir_open(&dir, "disk");
		assert_int_equal(disk_open(&file, &dir.files, &disk, NULL), 0);
		assert_int_equal(disk->capacity, strtoull(cases[i].size, NULL, 10));
		assert_int_equal(disk_read(disk, disk->capacity - 1024, found, 1024), 0);
		assert_int_equal(found[511], 0);
		assert_int_equal(found[512], 7);
		assert_int_equal(found[1023], 7);
		assert_int_equal(disk_map(disk, 0, disk->capacity, &extent, NULL), 0);
		assert_int_equal(extent.kind, DISK_ZERO);
		disk_close(disk);
		test_dir_free(&dir);
	}
}

/* The judge makes disks of nothing, which are no use to a guest. */
static void disks_of_no_sector_are_refused(void **state)
{
	static const struct kind empty[] = { { "vdi", "static=off" },
		                             { "vpc", "force_size=on" },
		                             { "vhdx", "subformat=dynamic" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
		struct test_dir dir;
		struct error e = { 0 };
		struct disk *disk;
		struct file file;

		begin(&dir);
		judge(&dir, "qemu-img create -f %s -o %s disk 0", empty[i].format, empty[i].options);
		file = test_dir_open(&dir, "disk");
		assert_int_equal(disk_open(&file, &dir.files, &disk, &e), -EINVAL);
		assert_non_null(strstr(e.text, "disk: the disk's size"));
		file_close(&file);
		test_dir_free(&dir);
	}
}

static void check_cut(struct test_dir *dir, const char *name, const uint8_t *expected, uint8_t *found, size_t length)
{
	struct file file = test_dir_open(dir, name);
	uint64_t step = file.size / 41;

	for (uint64_t size = file.size - 512; size > step; size -= step) {
		struct error e = { 0 };
		struct disk *disk;
		struct file cut;

		assert_int_equal(file_window(&file, 0, size, name, &cut, NULL), 0);
		if (disk_open(&cut, &dir->files, &disk, &e) < 0) {
			if (!strstr(e.text, "the download was probably interrupted"))
				fail_msg("%s, cut to %llu: %s", name, (unsigned long long)size, e.text);
			file_close(&cut);
			continue;
		}
		assert_true(disk_read(disk, 0, found, length) < 0 || memcmp(found, expected, length) == 0);
		disk_close(disk);
	}
	file_close(&file);
}

static void disks_of_the_judge_cut_anywhere_are_never_read_wrongly(void **state)
{
	static const struct {
		struct kind kind;
		const char *name;
	} cases[] = {
		{ { "vdi", "static=off" }, "disk.vdi" },
		{ { "vpc", "subformat=dynamic,force_size=on" }, "disk.vhd" },
		{ { "vpc", "subformat=fixed,force_size=on" }, "disk.vhd" },
		{ { "vhdx", "subformat=dynamic,block_size=1048576" }, "disk.vhdx" },
		{ { "vhdx", "subformat=fixed" }, "disk.vhdx" },
	};
	static uint8_t expected[5 * MIB + 7 * 512], found[sizeof(expected)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_dir dir;
		struct file raw;

		begin(&dir);
		make_raw(&dir, "raw.img", sizeof(expected), 1);
		raw = test_dir_open(&dir, "raw.img");
		assert_int_equal(file_read(&raw, 0, expected, sizeof(expected)), 0);
		file_close(&raw);
		judge(&dir, "qemu-img convert -f raw -O %s -o %s raw.img %s", cases[i].kind.format,
		      cases[i].kind.options, cases[i].name);
		check_cut(&dir, cases[i].name, expected, found, sizeof(expected));
		test_dir_free(&dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_are_read_as_their_judge_wrote_them),
		cmocka_unit_test(disks_written_at_random_are_read_as_their_judge_reads_them),
		cmocka_unit_test(vhd_of_virtual_pc_has_the_size_of_its_geometry),
		cmocka_unit_test(large_disks_are_read_as_their_judge_reads_them),
		cmocka_unit_test(disks_of_no_sector_are_refused),
		cmocka_unit_test(disks_of_the_judge_cut_anywhere_are_never_read_wrongly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
