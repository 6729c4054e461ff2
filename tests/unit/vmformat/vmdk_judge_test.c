/* SPDX-License-Identifier: MIT */
/* qemu-img and qemu-io as judges of chains: they make and write the layers, and what they read through them is the truth. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_judge.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmdk_chains_are_read_as_their_judge_reads_them),
		cmocka_unit_test(vmdk_chain_is_refused_when_its_judge_changed_the_base),
		cmocka_unit_test(vmdk_chain_of_20_is_read_as_its_judge_reads_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
