/* SPDX-License-Identifier: MIT */
/* qemu-img and qemu-io as judges of qcow2: they make and write images of every kind; what they read is the truth. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_judge.h"

#define SIZE (24 * MIB + 5 * 512)

static void need_judges(struct test_dir *dir)
{
	test_dir_init(dir);
	need_program(dir, "qemu-img");
	need_program(dir, "qemu-io");
}

static const char *const kinds[] = {
	"compat=0.10",
	"compat=0.10,cluster_size=512",
	"compat=1.1",
	"compat=1.1,cluster_size=512",
	"compat=1.1,cluster_size=4k",
	"compat=1.1,cluster_size=2M",
	"compat=1.1,lazy_refcounts=on,refcount_bits=1",
	"compat=1.1,refcount_bits=64",
	"compat=1.1,extended_l2=on,cluster_size=16k",
	"compat=1.1,extended_l2=on",
	"compat=1.1,extended_l2=on,cluster_size=2M",
};

/* libqcow is older than subclusters. */
static void check_libqcow(struct test_dir *dir, const char *kind)
{
	if (strstr(kind, "extended") || run_in(dir, (const char *const[]){ "qcowinfo", "a.qcow2", NULL }) == 127)
		return;
	check_said(dir, "(25168384 bytes)");
	check_said(dir, strstr(kind, "0.10") ? ": 2" : ": 3");
}

static void qcow2_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct test_dir dir;

		need_judges(&dir);
		make_raw(&dir, "raw.img", SIZE, i);
		judge(&dir, "qemu-img convert -f raw -O qcow2 -o %s raw.img a.qcow2", kinds[i]);
		check_opens_same(&dir, "raw.img", "a.qcow2");
		check_libqcow(&dir, kinds[i]);
		scribble(&dir, "qcow2", "a.qcow2", SIZE, i);
		check_as_judged(&dir, "qcow2", "a.qcow2");
		test_dir_free(&dir);
	}
}

static void qcow2_of_compressed_clusters_is_read_as_its_judge_wrote_it(void **state)
{
	static const char *const packed[] = {
		"compat=0.10",
		"compat=1.1,cluster_size=512",
		"compat=1.1,cluster_size=2M",
		"compat=1.1,compression_type=zlib,extended_l2=on",
		"compat=1.1,compression_type=zstd",
		"compat=1.1,compression_type=zstd,cluster_size=4k",
		"compat=1.1,compression_type=zstd,cluster_size=2M",
		"compat=1.1,compression_type=zstd,extended_l2=on,cluster_size=32k",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(packed); i++) {
		struct test_dir dir;

		need_judges(&dir);
		make_raw(&dir, "raw.img", i % 2 ? SIZE : 5 * MIB + 512, i);
		judge(&dir, "qemu-img convert -c -f raw -O qcow2 -o %s raw.img a.qcow2", packed[i]);
		check_opens_same(&dir, "raw.img", "a.qcow2");
		scribble(&dir, "qcow2", "a.qcow2", 5 * MIB, i);
		check_as_judged(&dir, "qcow2", "a.qcow2");
		test_dir_free(&dir);
	}
}

static void qcow2_preallocated_is_read_as_its_judge_wrote_it(void **state)
{
	static const char *const ways[] = { "metadata", "falloc", "full" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		struct test_dir dir;

		need_judges(&dir);
		judge(&dir, "qemu-img create -f qcow2 -o preallocation=%s a.qcow2 %llu", ways[i], SIZE);
		check_as_judged(&dir, "qcow2", "a.qcow2");
		scribble(&dir, "qcow2", "a.qcow2", SIZE, i);
		check_as_judged(&dir, "qcow2", "a.qcow2");
		test_dir_free(&dir);
	}
}

/* Layers of all formats that can have a parent, over all that can be one. */
static void qcow2_chains_are_read_as_their_judge_reads_them(void **state)
{
	static const struct {
		const char *base_format, *base, *middle, *top;
	} cases[] = {
		{ "raw", "size=0", "compat=0.10", "compat=1.1" },
		{ "vmdk", "subformat=streamOptimized", "compat=1.1,cluster_size=512", "compat=1.1,extended_l2=on" },
		{ "vmdk", "subformat=monolithicFlat", "compat=1.1,extended_l2=on,cluster_size=16k", "cluster_size=2M" },
		{ "vdi", "static=off", "compat=1.1", "compat=1.1,cluster_size=4k" },
		{ "vpc", "subformat=dynamic,force_size=on", "compat=0.10", "compat=1.1" },
		{ "vhdx", "subformat=dynamic", "compat=1.1,extended_l2=on", "compat=1.1" },
		{ "qcow2", "compression_type=zstd", "compat=1.1,extended_l2=on", "compat=0.10,cluster_size=4k" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_dir dir;

		need_judges(&dir);
		make_raw(&dir, "raw.img", SIZE, i);
		judge(&dir, "qemu-img convert -f raw -O %s -o %s raw.img base", cases[i].base_format, cases[i].base);
		judge(&dir, "qemu-img create -f qcow2 -b base -F %s -o %s middle", cases[i].base_format,
		      cases[i].middle);
		scribble(&dir, "qcow2", "middle", SIZE, 100 + i);
		/* Larger than what is below it, by more than a cluster. */
		judge(&dir, "qemu-img create -f qcow2 -b middle -F qcow2 -o %s top %llu", cases[i].top, SIZE + 3 * MIB);
		scribble(&dir, "qcow2", "top", SIZE + 3 * MIB, 200 + i);
		check_as_judged(&dir, "qcow2", "top");
		check_as_judged(&dir, "qcow2", "middle");
		test_dir_free(&dir);
	}
}

static void qcow2_with_snapshots_shows_its_present_state(void **state)
{
	struct test_dir dir;

	(void)state;
	for (unsigned i = 1; i < ARRAY_SIZE(kinds); i += 4) { /* refcounts of one bit have no place for snapshots */
		need_judges(&dir);
		make_raw(&dir, "raw.img", SIZE, i);
		judge(&dir, "qemu-img convert -f raw -O qcow2 -o %s raw.img a.qcow2", kinds[i]);
		judge(&dir, "qemu-img snapshot -c first a.qcow2");
		scribble(&dir, "qcow2", "a.qcow2", SIZE, 1);
		judge(&dir, "qemu-img snapshot -c second a.qcow2");
		scribble(&dir, "qcow2", "a.qcow2", SIZE, 2);
		check_as_judged(&dir, "qcow2", "a.qcow2");
		judge(&dir, "qemu-img snapshot -a first a.qcow2");
		check_opens_same(&dir, "raw.img", "a.qcow2");
		test_dir_free(&dir);
	}
}

static void qcow2_with_a_data_file_is_read_as_its_judge_reads_it(void **state)
{
	static const char *const options[] = {
		"data_file=a.raw",
		"data_file=a.raw,data_file_raw=on",
		"data_file=a.raw,cluster_size=4k",
		"data_file=a.raw,extended_l2=on",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		struct test_dir dir;

		need_judges(&dir);
		judge(&dir, "qemu-img create -f qcow2 -o %s a.qcow2 %llu", options[i], SIZE);
		check_as_judged(&dir, "qcow2", "a.qcow2");
		scribble(&dir, "qcow2", "a.qcow2", SIZE, i);
		check_as_judged(&dir, "qcow2", "a.qcow2");
		test_dir_free(&dir);
	}
}

static void qcow2_of_sizes_that_fit_nothing_is_read_as_its_judge_reads_it(void **state)
{
	static const unsigned sizes[] = { 512, 1024, 65536 - 512, 65536 + 512, 999936 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct test_dir dir;

		need_judges(&dir);
		make_raw(&dir, "raw.img", sizes[i], i);
		judge(&dir, "qemu-img convert %s -f raw -O qcow2 raw.img a.qcow2", i % 2 ? "-c" : "-q");
		check_opens_same(&dir, "raw.img", "a.qcow2");
		test_dir_free(&dir);
	}
}

static void qcow2_of_2_tb_opens_as_a_small_one(void **state)
{
	static const char *const options[] = { "cluster_size=64k", "cluster_size=2M",
		                               "cluster_size=64k,extended_l2=on" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		struct test_dir dir;
		struct file file;
		struct disk *disk;
		uint8_t found[4096];

		need_judges(&dir);
		judge(&dir, "qemu-img create -f qcow2 -o %s a.qcow2 2T", options[i]);
		assert_int_equal(
			run_in(&dir, (const char *const[]){ "qemu-io", "-f", "qcow2", "-c",
		                                            "write -P 77 2199023251456 4096", "a.qcow2", NULL }),
			0);
		file = test_dir_open(&dir, "a.qcow2");
		assert_int_equal(disk_open(&file, &dir.files, &disk, NULL), 0);
		assert_int_equal(disk->capacity, 2ull << 40);
		assert_int_equal(disk_read(disk, (2ull << 40) - 4096, found, sizeof(found)), 0);
		assert_int_equal(found[4095 - 3 * 512], 0x4d);
		assert_int_equal(disk_read(disk, 1ull << 40, found, sizeof(found)), 0);
		assert_int_equal(found[0], 0);
		disk_close(disk);
		test_dir_free(&dir);
	}
}

static void qcow2_of_the_judge_cut_anywhere_is_never_read_wrongly(void **state)
{
	static const char *const ways[] = { "-o cluster_size=64k", "-c",
		                            "-c -o compression_type=zstd,cluster_size=4k" };
	static uint8_t expected[5 * MIB + 7 * 512], found[sizeof(expected)];
	struct test_dir dir;

	(void)state;
	need_judges(&dir);
	make_raw(&dir, "raw.img", sizeof(expected), 1);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct file file, raw = test_dir_open(&dir, "raw.img");
		uint64_t size, step;
		unsigned refused = 0;

		judge(&dir, "qemu-img convert -f raw -O qcow2 %s raw.img a.qcow2", ways[i]);
		assert_int_equal(file_read(&raw, 0, expected, sizeof(expected)), 0);
		file_close(&raw);
		file = test_dir_open(&dir, "a.qcow2");
		step = file.size / 37;
		for (size = file.size - 65536; size > step; size -= step) {
			struct error e = { 0 };
			struct disk *disk;
			struct file cut;

			assert_int_equal(file_window(&file, 0, size, "a.qcow2", &cut, NULL), 0);
			if (disk_open(&cut, &dir.files, &disk, &e) < 0) {
				assert_non_null(strstr(e.text, "the download was probably interrupted"));
				file_close(&cut);
				refused++;
				continue;
			}
			assert_true(disk_read(disk, 0, found, sizeof(found)) < 0);
			disk_close(disk);
		}
		assert_true(refused > 30);
		file_close(&file);
	}
	test_dir_free(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qcow2_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(qcow2_of_compressed_clusters_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(qcow2_preallocated_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(qcow2_chains_are_read_as_their_judge_reads_them),
		cmocka_unit_test(qcow2_with_snapshots_shows_its_present_state),
		cmocka_unit_test(qcow2_with_a_data_file_is_read_as_its_judge_reads_it),
		cmocka_unit_test(qcow2_of_sizes_that_fit_nothing_is_read_as_its_judge_reads_it),
		cmocka_unit_test(qcow2_of_2_tb_opens_as_a_small_one),
		cmocka_unit_test(qcow2_of_the_judge_cut_anywhere_is_never_read_wrongly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
