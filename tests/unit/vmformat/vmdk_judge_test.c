/* SPDX-License-Identifier: MIT */
/* qemu-img and qemu-io as judges of chains: they make and write the layers, and what they read through them is the truth. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_esx.h"
#include "tests/unit/vmformat/test_judge.h"
#include "tests/unit/vmformat/test_vmdk.h"

#define SIZE (40 * MIB + 3 * 512)

static void make_base(struct test_dir *dir, const char *options, unsigned seed)
{
	make_raw(dir, "raw.img", SIZE, seed);
	judge(dir, "qemu-img convert -f raw -O vmdk -o %s raw.img base.vmdk", options);
}

static void add_layer(struct test_dir *dir, const char *options, const char *parent, const char *name, unsigned seed)
{
	judge(dir, "qemu-img create -f vmdk -o %s -b %s -F vmdk %s", options, parent, name);
	scribble(dir, "vmdk", name, SIZE, seed);
}

static void vmdk_chains_are_read_as_their_judge_reads_them(void **state)
{
	static const struct {
		const char *base, *middle, *top;
	} cases[] = {
		{ "subformat=monolithicSparse", "subformat=monolithicSparse",
		  "subformat=monolithicSparse,zeroed_grain=on" },
		{ "subformat=monolithicFlat", "subformat=monolithicSparse,zeroed_grain=on",
		  "subformat=twoGbMaxExtentSparse" },
		{ "subformat=twoGbMaxExtentSparse", "subformat=twoGbMaxExtentSparse",
		  "subformat=monolithicSparse,compat6=on" },
		{ "subformat=twoGbMaxExtentFlat", "subformat=monolithicSparse",
		  "subformat=monolithicSparse,hwversion=7" },
		{ "subformat=streamOptimized", "subformat=monolithicSparse", "subformat=monolithicSparse" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_dir dir;

		test_dir_init(&dir);
		need_program(&dir, "qemu-img");
		need_program(&dir, "qemu-io");
		make_base(&dir, cases[i].base, i);
		add_layer(&dir, cases[i].middle, "base.vmdk", "middle.vmdk", 100 + i);
		add_layer(&dir, cases[i].top, "middle.vmdk", "top.vmdk", 200 + i);
		check_as_judged(&dir, "vmdk", "top.vmdk");
		check_as_judged(&dir, "vmdk", "middle.vmdk");
		check_opens_same(&dir, "raw.img", "base.vmdk");
		test_dir_free(&dir);
	}
}

static void vmdk_chain_is_refused_when_its_judge_changed_the_base(void **state)
{
	struct test_dir dir;
	struct error e = { 0 };
	struct disk *disk;
	struct file file;

	(void)state;
	test_dir_init(&dir);
	need_program(&dir, "qemu-img");
	need_program(&dir, "qemu-io");
	make_base(&dir, "subformat=monolithicSparse", 1);
	add_layer(&dir, "subformat=monolithicSparse", "base.vmdk", "top.vmdk", 2);
	scribble(&dir, "vmdk", "base.vmdk", SIZE, 3);
	file = test_dir_open(&dir, "top.vmdk");
	assert_int_equal(disk_open(&file, &dir.files, &disk, &e), -ESTALE);
	assert_non_null(strstr(e.text, "base.vmdk, but that disk was changed after the snapshot"));
	file_close(&file);
	check_as_judged(&dir, "vmdk", "base.vmdk");
	test_dir_free(&dir);
}

/* 20 layers, each over the one before. */
static void vmdk_chain_of_20_is_read_as_its_judge_reads_it(void **state)
{
	struct test_dir dir;
	char parent[32] = "base.vmdk", name[32];

	(void)state;
	test_dir_init(&dir);
	need_program(&dir, "qemu-img");
	need_program(&dir, "qemu-io");
	make_base(&dir, "subformat=monolithicSparse", 1);
	for (unsigned i = 1; i < 20; i++) {
		snprintf(name, sizeof(name), "base-%06u.vmdk", i);
		add_layer(&dir, "subformat=monolithicSparse,zeroed_grain=on", parent, name, i);
		memcpy(parent, name, sizeof(parent));
	}
	check_as_judged(&dir, "vmdk", name);
	test_dir_free(&dir);
}

/* Random grains in runs, written to the file in another order than they have on the disk. */
static void fill_esx(struct test_esx *t, unsigned seed)
{
	uint32_t grains = (uint32_t)((t->capacity * 512 + t->grain - 1) / t->grain);
	static uint8_t content[64 << 10];

	srandom(seed);
	for (unsigned i = 0; i < 200; i++) {
		uint32_t first = (uint32_t)random() % grains, count = 1 + (uint32_t)random() % 8;

		for (uint32_t g = first; g < MIN(first + count, grains); g++) {
			test_fill(content, t->grain, (uint32_t)random());
			test_esx_add(t, g, content);
			if (t->se && i % 5 == 0)
				test_sesparse_mark(t, g, 1 + i % 2);
		}
	}
}

static void check_esx(struct test_esx *t, const char *type, const char *extent_type, uint64_t capacity, unsigned seed)
{
	struct test_dir dir;
	char text[400];

	test_dir_init(&dir);
	need_program(&dir, "qemu-img");
	fill_esx(t, seed);
	test_dir_write(&dir, "top-delta.vmdk", t->bytes, t->size);
	make_raw(&dir, "base-flat.vmdk", capacity * 512, seed);
	snprintf(text, sizeof(text),
	         "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n"
	         "RW %llu FLAT \"base-flat.vmdk\" 0\n",
	         (unsigned long long)capacity);
	test_dir_write(&dir, "base.vmdk", text, strlen(text));
	for (unsigned with_parent = 0; with_parent < 2; with_parent++) {
		snprintf(text, sizeof(text),
		         "# Disk DescriptorFile\nversion=1\nCID=00000002\nparentCID=%s\n%screateType=\"%s\"\n\n# "
		         "Extent description\n"
		         "RW %llu %s \"top-delta.vmdk\"\n\n# The Disk Data Base\n#DDB\n\n",
		         with_parent ? "00000001" : "ffffffff", with_parent ? "parentFileNameHint=\"base.vmdk\"\n" : "",
		         type, (unsigned long long)capacity, extent_type);
		test_dir_write(&dir, "top.vmdk", text, strlen(text));
		check_as_judged(&dir, "vmdk", "top.vmdk");
	}
	if (!t->se &&
	    run_in(&dir, (const char *const[]){ "vmdkinfo", "top.vmdk", NULL }) != 127) { /* it knows no seSparse */
		snprintf(text, sizeof(text), "(%llu bytes)", (unsigned long long)capacity * 512);
		check_said(&dir, text);
		check_said(&dir, "VMFS sparse");
	}
	test_dir_free(&dir);
	test_esx_free(t);
}

static void cowd_written_to_the_specification_is_read_as_its_judge_reads_it(void **state)
{
	static const uint32_t grains[] = { 1, 8, 128 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(grains); i++) {
		struct test_esx t;

		test_cowd_init(&t, 40000 + 128 * i, grains[i]);
		check_esx(&t, "vmfsSparse", "VMFSSPARSE", 40000 + 128 * i, i);
	}
}

static void sesparse_written_to_the_specification_is_read_as_its_judge_reads_it(void **state)
{
	struct test_esx t;

	(void)state;
	test_sesparse_init(&t, 80000);
	test_esx_append(&t, 5000 * 4096); /* so that the grains' numbers need all parts of an entry */
	check_esx(&t, "seSparse", "SESPARSE", 80000, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmdk_chains_are_read_as_their_judge_reads_them),
		cmocka_unit_test(vmdk_chain_is_refused_when_its_judge_changed_the_base),
		cmocka_unit_test(vmdk_chain_of_20_is_read_as_its_judge_reads_it),
		cmocka_unit_test(cowd_written_to_the_specification_is_read_as_its_judge_reads_it),
		cmocka_unit_test(sesparse_written_to_the_specification_is_read_as_its_judge_reads_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
