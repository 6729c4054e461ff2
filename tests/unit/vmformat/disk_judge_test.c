/* SPDX-License-Identifier: MIT */
/*
 * qemu-img as judge: it converts a raw disk with random content and holes to each kind of VMDK, and what we
 * read must be the raw disk again. xorriso is the judge of labels.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_judge.h"
#include "vmformat/iso.h"

static void convert(struct test_dir *dir, const char *raw_name, const char *name, const char *options)
{
	assert_int_equal(run_in(dir, (const char *const[]){ "qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o",
	                                                    options, raw_name, name, NULL }),
	                 0);
}

/*
 * The judge's VMDK of this kind, opened by its descriptor or file and by one of its pieces (NULL: it has
 * none).
 */
static void check_kind(const char *options, uint64_t size, const char *piece)
{
	struct test_dir dir;

	test_dir_init(&dir);
	need_program(&dir, "qemu-img");
	make_raw(&dir, "raw.img", size, (unsigned)size ^ (unsigned)strlen(options));
	convert(&dir, "raw.img", "disk.vmdk", options);
	if (!piece || size < 1024 * MIB) /* a large one is read only once, to save time */
		check_opens_same(&dir, "raw.img", "disk.vmdk");
	if (piece)
		check_opens_same(&dir, "raw.img", piece);
	test_dir_free(&dir);
}

/* Sizes: whole grains; not; more than one grain table; one sector. */
static const uint64_t sizes[] = { 16 * MIB, 5 * MIB + 7 * 512, 100 * MIB + 129 * 512, 512 };

static void vmdk_monolithic_sparse_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		check_kind("subformat=monolithicSparse", sizes[i], NULL);
}

static void vmdk_with_zeroed_grains_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	check_kind("subformat=monolithicSparse,zeroed_grain=on", sizes[2], NULL);
}

static void vmdk_of_version_6_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	check_kind("subformat=monolithicSparse,compat6=on", sizes[1], NULL);
}

static void vmdk_monolithic_flat_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		check_kind("subformat=monolithicFlat", sizes[i], "disk-flat.vmdk");
}

static void vmdk_stream_optimized_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		check_kind("subformat=streamOptimized", sizes[i], NULL);
}

static void vmdk_split_sparse_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	check_kind("subformat=twoGbMaxExtentSparse", sizes[1], "disk-s001.vmdk");
	check_kind("subformat=twoGbMaxExtentSparse", 2200 * MIB + 512, "disk-s002.vmdk");
}

static void vmdk_split_flat_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	check_kind("subformat=twoGbMaxExtentFlat", sizes[1], "disk-f001.vmdk");
	check_kind("subformat=twoGbMaxExtentFlat", 2200 * MIB + 512, "disk-f002.vmdk");
}

static void raw_is_read_as_it_is(void **state)
{
	struct test_dir dir;

	(void)state;
	test_dir_init(&dir);
	make_raw(&dir, "raw.img", sizes[1], 1);
	check_opens_same(&dir, "raw.img", "raw.img");
	test_dir_free(&dir);
}

static void vmdk_of_the_judge_cut_anywhere_is_never_read_wrongly(void **state)
{
	static const char *const kinds[] = { "subformat=monolithicSparse", "subformat=streamOptimized" };
	static uint8_t expected[5 * MIB + 7 * 512], found[sizeof(expected)];
	struct test_dir dir;

	(void)state;
	test_dir_init(&dir);
	need_program(&dir, "qemu-img");
	make_raw(&dir, "raw.img", sizeof(expected), 1);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct file file, raw = test_dir_open(&dir, "raw.img");
		uint64_t size, step;

		convert(&dir, "raw.img", "disk.vmdk", kinds[i]);
		assert_int_equal(file_read(&raw, 0, expected, sizeof(expected)), 0);
		file_close(&raw);
		file = test_dir_open(&dir, "disk.vmdk");
		step = file.size / 37;
		for (size = file.size - 512; size > step; size -= step) {
			struct error e = { 0 };
			struct disk *disk;
			struct file cut;

			assert_int_equal(file_window(&file, 0, size, "disk.vmdk", &cut, NULL), 0);
			if (disk_open(&cut, &dir.files, &disk, &e) < 0) {
				assert_non_null(strstr(e.text, "the download was probably interrupted"));
				file_close(&cut);
				continue;
			}
			assert_true(disk_read(disk, 0, found, sizeof(found)) < 0 ||
			            memcmp(found, expected, sizeof(found)) == 0);
			disk_close(disk);
		}
		file_close(&file);
	}
	test_dir_free(&dir);
}

static void iso_label_is_what_its_judge_wrote(void **state)
{
	struct test_dir dir;
	char label[ISO_LABEL_SIZE];
	struct disk *disk;
	struct file file;

	(void)state;
	test_dir_init(&dir);
	need_program(&dir, "xorriso");
	test_dir_write(&dir, "content", "x", 1);
	assert_int_equal(run_in(&dir, (const char *const[]){ "xorriso", "-as", "mkisofs", "-J", "-V", "Judge 12 amd64",
	                                                     "-o", "disc.iso", "content", NULL }),
	                 0);
	file = test_dir_open(&dir, "disc.iso");
	assert_int_equal(disk_open(&file, &dir.files, &disk, NULL), 0);
	assert_string_equal(disk->format->name, "iso");
	assert_int_equal(iso_label(disk, label), 0);
	assert_string_equal(label, "Judge 12 amd64");
	disk_close(disk);
	test_dir_free(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmdk_monolithic_sparse_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_with_zeroed_grains_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_of_version_6_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_monolithic_flat_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_stream_optimized_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_split_sparse_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_split_flat_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(raw_is_read_as_it_is),
		cmocka_unit_test(vmdk_of_the_judge_cut_anywhere_is_never_read_wrongly),
		cmocka_unit_test(iso_label_is_what_its_judge_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
