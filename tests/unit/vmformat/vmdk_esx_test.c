/* SPDX-License-Identifier: MIT */
/* ESX's sparse extents: COWD (vmfsSparse) and seSparse. vmdk_judge_test.c lets QEMU read what is written here. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_disks.h"
#include "tests/unit/vmformat/test_esx.h"

#define CAPACITY 40001u /* sectors: two tables with grains of 8, and a last grain of one sector */
#define LAST (CAPACITY / 8)

#define BASE "# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType=\"vmfs\"\nRW 40001 VMFS \"base-flat.vmdk\"\n"
#define TOP "# Disk DescriptorFile\nCID=2\nparentCID=00000001\nparentFileNameHint=\"base.vmdk\"\n"

static void add(struct test_esx *t, uint32_t grain, uint32_t seed)
{
	uint8_t content[4096];

	test_fill(content, t->grain, seed);
	test_esx_add(t, grain, content);
}

/* Grains 0, 1 and 2 in a row, 3 elsewhere, 4100 in the second table, and the last one, which is whole in the file. */
static void make_extent(struct test_esx *t, bool se)
{
	static const uint32_t grains[] = { 0, 1, 2, 4100, 3, LAST };

	if (se)
		test_sesparse_init(t, CAPACITY);
	else
		test_cowd_init(t, CAPACITY, 8);
	for (size_t i = 0; i < ARRAY_SIZE(grains); i++)
		add(t, grains[i], grains[i]);
	if (se) {
		test_sesparse_mark(t, 7, 1);
		test_sesparse_mark(t, 8, 2);
	}
}

static void write_extent(struct test_memory *m, const char *name, const struct test_esx *t)
{
	test_memory_write(m, name, t->bytes, t->size);
	test_memory_resize(m, name, t->size);
}

/* The extent as a snapshot of a flat disk whose grain i has content 1000 + i, where it has content. */
static void write_snapshot(struct test_memory *m, const struct test_esx *t)
{
	static uint8_t flat[16 * 4096];

	for (uint32_t i = 0; i < 16; i++)
		test_fill(flat + (size_t)i * 4096, 4096, 1000 + i);
	test_memory_init(m);
	test_memory_write(m, "base-flat.vmdk", flat, sizeof(flat));
	test_memory_resize(m, "base-flat.vmdk", (uint64_t)CAPACITY * 512);
	write_text(m, "base.vmdk", BASE);
	write_extent(m, t->se ? "top-sesparse.vmdk" : "top-delta.vmdk", t);
	write_text(m, "top.vmdk",
	           t->se ? TOP "createType=\"seSparse\"\nRW 40001 SESPARSE \"top-sesparse.vmdk\"\n"
	                 : TOP "createType=\"vmfsSparse\"\nRW 40001 VMFSSPARSE \"top-delta.vmdk\"\n");
}

/* What the snapshot is refused with when it is opened. */
static void check_bad(struct test_esx *t, int code, const char *words)
{
	struct test_memory m;

	write_snapshot(&m, t);
	check_refused(&m, "top.vmdk", code, words);
	test_memory_free(&m);
	test_esx_free(t);
}

static int map_grain(struct test_esx *t, uint32_t grain, struct disk_extent *ret_extent)
{
	struct test_memory m;
	struct disk *disk;
	int r;

	write_snapshot(&m, t);
	disk = open_disk(&m, "top.vmdk");
	r = disk->format->map(disk, (uint64_t)grain * 4096, 512, ret_extent);
	disk_close(disk);
	test_memory_free(&m);
	test_esx_free(t);
	return r;
}

static void esx_snapshots_are_read_over_their_disk(void **state)
{
	(void)state;
	for (unsigned se = 0; se < 2; se++) {
		uint8_t expected[4096], found[512];
		struct disk_extent extent;
		struct test_memory m;
		struct test_esx t;
		struct disk *disk;

		make_extent(&t, se);
		write_snapshot(&m, &t);
		disk = open_disk(&m, se ? "top-sesparse.vmdk" : "top-delta.vmdk"); /* the piece leads to the whole */
		assert_string_equal(disk->name, "top.vmdk");
		assert_int_equal(disk->capacity, (uint64_t)CAPACITY * 512);
		for (uint32_t i = 0; i < 4; i++)
			check_grain(disk, i * 4096, i);
		for (uint32_t i = 4; i < 16; i++)
			if (se && (i == 7 || i == 8))
				check_zeros(disk, i * 4096, 4096);
			else
				check_grain(disk, i * 4096, 1000 + i);
		check_grain(disk, 4100 * 4096, 4100);
		test_fill(expected, sizeof(expected), LAST);
		assert_int_equal(disk_read(disk, (uint64_t)LAST * 4096, found, 512), 0);
		assert_memory_equal(found, expected, 512);
		assert_int_equal(disk_map(disk, 100, 1 << 20, &extent, NULL), 0);
		assert_int_equal(extent.length, 3 * 4096 - 100);
		disk_close(disk);
		test_memory_free(&m);
		test_esx_free(&t);
	}
}

static void esx_extents_without_a_parent_end_in_zeros(void **state)
{
	(void)state;
	for (unsigned se = 0; se < 2; se++) {
		struct test_memory m;
		struct test_esx t;
		struct disk *disk;

		make_extent(&t, se);
		test_memory_init(&m);
		write_extent(&m, "a-s001.vmdk", &t);
		write_text(&m, "a.vmdk",
		           se ? "# Disk DescriptorFile\nRW 8 ZERO\nRW 40001 SESPARSE \"a-s001.vmdk\"\n"
		              : "# Disk DescriptorFile\nRW 8 ZERO\nRW 40000 SPARSE \"a-s001.vmdk\"\n");
		disk = open_disk(&m, "a.vmdk");
		check_zeros(disk, 0, 4096);
		check_grain(disk, 4096, 0);
		check_zeros(disk, 6 * 4096, 4096);
		disk_close(disk);
		test_memory_free(&m);
		test_esx_free(&t);
	}
}

static void esx_grains_of_one_sector_are_found(void **state)
{
	uint8_t expected[512], found[512];
	struct disk_extent extent;
	struct test_memory m;
	struct test_esx t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	test_cowd_init(&t, 10000, 1);
	add(&t, 5000, 1);
	add(&t, 5001, 2);
	write_extent(&m, "a-delta.vmdk", &t);
	write_text(&m, "a.vmdk", "# Disk DescriptorFile\nRW 10000 VMFSSPARSE \"a-delta.vmdk\"\n");
	disk = open_disk(&m, "a.vmdk");
	test_fill(expected, sizeof(expected), 2);
	assert_int_equal(disk_read(disk, 5001 * 512, found, 512), 0);
	assert_memory_equal(found, expected, 512);
	assert_int_equal(disk_map(disk, 5000 * 512, 4096, &extent, NULL), 0);
	assert_int_equal(extent.length, 1024);
	disk_close(disk);
	test_memory_free(&m);
	test_esx_free(&t);
}

static void esx_extent_alone_asks_for_its_description(void **state)
{
	(void)state;
	for (unsigned se = 0; se < 2; se++) {
		struct test_memory m;
		struct test_esx t;

		make_extent(&t, se);
		test_memory_init(&m);
		write_extent(&m, "a-delta.vmdk", &t);
		write_extent(&m, "renamed.vmdk", &t);
		check_refused(&m, "a-delta.vmdk", -ENOENT, "a-delta.vmdk is one piece of a split disk, and \"a.vmdk\"");
		check_refused(&m, "renamed.vmdk", -ENOENT,
		              "renamed.vmdk is one piece of an ESX disk. Open the description of the disk instead");
		test_memory_free(&m);
		test_esx_free(&t);
	}
}

static void esx_cut_file_says_so(void **state)
{
	(void)state;
	for (unsigned se = 0; se < 2; se++) {
		struct test_esx t;

		make_extent(&t, se);
		t.size -= 4096;
		check_bad(&t, -ENODATA, "the download was probably interrupted");
		make_extent(&t, se);
		t.size = se ? 300 : 2047;
		check_bad(&t, -ENODATA, "the download was probably interrupted");
	}
}

static void cowd_header_faults_are_refused_in_words(void **state)
{
	static const struct {
		unsigned offset;
		uint32_t value;
		int code;
		const char *words;
	} cases[] = {
		{ 4, 2, -ENOTSUP, "version 2 of the COWD format" },
		{ 12, 0, -EINVAL, "the capacity in the header is 0" },
		{ 12, 4000, -EINVAL, "40001 sectors of \"top-delta.vmdk\" are needed, but it has only 4000" },
		{ 12, UINT32_MAX, -EINVAL, "the size of the grain directory in the header is 2" },
		{ 16, 0, -EINVAL, "the grain size in the header is 0" },
		{ 16, 7, -EINVAL, "the grain size in the header is 7" },
		{ 16, 8192, -EINVAL, "a power of two up to 4096" },
		{ 20, 0, -EINVAL, "the grain directory's place in the header is 0" },
		{ 20, UINT32_MAX, -EINVAL, "the grain directory's place in the header is 4294967295" },
		{ 20, 30000, -ENODATA, "the download was probably interrupted" },
		{ 24, 1, -EINVAL, "the size of the grain directory in the header is 1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_esx t;

		make_extent(&t, false);
		le32_store(t.bytes + cases[i].offset, cases[i].value);
		check_bad(&t, cases[i].code, cases[i].words);
	}
}

static void sesparse_header_faults_are_refused_in_words(void **state)
{
	static const struct {
		unsigned offset;
		uint64_t value;
		int code;
		const char *words;
	} cases[] = {
		{ 8, 0x0000000300000000, -ENOTSUP, "version 3.0 of the seSparse format" },
		{ 16, 0, -EINVAL, "the capacity in the header is 0" },
		{ 16, UINT64_MAX, -EINVAL, "the capacity" },
		{ 16, 64ull << 31, -EINVAL, "the size of the grain directory in the header is 1" },
		{ 24, 16, -EINVAL, "the grain size in the header is 16" },
		{ 32, 1ull << 40, -EINVAL, "the size of a grain table" },
		{ 40, 1, -EINVAL, "the flags" },
		{ 80, 0, -EINVAL, "the changing header's place in the header is 0" },
		{ 80, UINT64_MAX, -EINVAL, "the changing header's place" },
		{ 80, 3, -EINVAL, "the changing header's signature" },
		{ 128, 0, -EINVAL, "the grain directory's place in the header is 0" },
		{ 128, UINT64_MAX, -EINVAL, "the grain directory's place" },
		{ 136, 0, -EINVAL, "the size of the grain directory" },
		{ 144, UINT64_MAX, -EINVAL, "the grain tables' place" },
		{ 192, UINT64_MAX, -EINVAL, "the grains' place" },
		{ 512 + 24, 1, -ENOTSUP, "changes wait in its journal. In ESXi, start the machine once" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_esx t;

		make_extent(&t, true);
		le64_store(t.bytes + cases[i].offset, cases[i].value);
		check_bad(&t, cases[i].code, cases[i].words);
	}
}

static void esx_damaged_directory_entries_are_errors(void **state)
{
	static const struct {
		bool se;
		uint64_t value;
		int code;
	} cases[] = {
		{ false, UINT32_MAX, -EIO },
		{ true, 0x2000000000000000, -EIO },
		{ true, 0x1000000100000000, -EIO },
		{ true, 0x10000000ffffffff, -EIO },
		{ true, 1, -EIO },
		{ false, 0, 0 },
		{ true, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct disk_extent extent;
		struct test_esx t;

		make_extent(&t, cases[i].se);
		if (cases[i].se)
			le64_store(t.bytes + t.gd, cases[i].value);
		else
			le32_store(t.bytes + t.gd, (uint32_t)cases[i].value);
		assert_int_equal(map_grain(&t, 1, &extent), cases[i].code);
		if (cases[i].code == 0)
			assert_int_equal(extent.kind, DISK_PARENT);
	}
}

static void esx_damaged_entries_are_errors(void **state)
{
	static const struct {
		bool se;
		uint64_t value;
	} cases[] = {
		{ false, UINT32_MAX },        { true, 1 },
		{ true, 0x4000000000000000 }, { true, 0xf000000000000000 },
		{ true, 0x3fffffffffffffff }, { true, 0x3000ffffffffffff },
		{ true, 0x3000000000000fff },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct disk_extent extent;
		struct test_esx t;

		make_extent(&t, cases[i].se);
		if (cases[i].se)
			le64_store(t.bytes + test_esx_entry(&t, 1), cases[i].value);
		else
			le32_store(t.bytes + test_esx_entry(&t, 1), (uint32_t)cases[i].value);
		assert_int_equal(map_grain(&t, 1, &extent), -EIO);
	}
}

/* Tables as content, one grain twice, a table that is the directory: its own bytes, nothing else. */
static void esx_overlapping_tables_show_only_the_file_itself(void **state)
{
	uint8_t found[4096];
	struct test_memory m;
	struct test_esx t;
	struct disk *disk;

	(void)state;
	make_extent(&t, false);
	le32_store(t.bytes + test_esx_entry(&t, 1), (uint32_t)(t.gt / 512));
	le32_store(t.bytes + test_esx_entry(&t, 2), le32_load(t.bytes + test_esx_entry(&t, 0)));
	le32_store(t.bytes + t.gd + 4, (uint32_t)(t.gd / 512));
	write_snapshot(&m, &t);
	disk = open_disk(&m, "top.vmdk");
	assert_int_equal(disk_read(disk, 4096, found, sizeof(found)), 0);
	assert_memory_equal(found, t.bytes + t.gt, sizeof(found));
	check_grain(disk, 2 * 4096, 0);
	assert_int_equal(disk_read(disk, 4096ull * 4096, found, sizeof(found)), 0);
	assert_memory_equal(found, t.bytes + t.gt, sizeof(found)); /* the directory's first entry leads there */
	disk_close(disk);
	test_memory_free(&m);
	test_esx_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(esx_snapshots_are_read_over_their_disk),
		cmocka_unit_test(esx_extents_without_a_parent_end_in_zeros),
		cmocka_unit_test(esx_grains_of_one_sector_are_found),
		cmocka_unit_test(esx_extent_alone_asks_for_its_description),
		cmocka_unit_test(esx_cut_file_says_so),
		cmocka_unit_test(cowd_header_faults_are_refused_in_words),
		cmocka_unit_test(sesparse_header_faults_are_refused_in_words),
		cmocka_unit_test(esx_damaged_directory_entries_are_errors),
		cmocka_unit_test(esx_damaged_entries_are_errors),
		cmocka_unit_test(esx_overlapping_tables_show_only_the_file_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
