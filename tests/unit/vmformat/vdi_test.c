/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_blocks.h"
#include "tests/unit/vmformat/test_vdi.h"
#include "vmformat/vdi.h"

#define BLOCK 8192u
#define BLOCKS 2001u
#define CAPACITY (2000 * BLOCK + 1536)
#define ZERO 0xfffffffeu

/* ---- helpers ---- */

/* Blocks 0 to 2 (adjacent), 700 (before them in the file: no), the last; 5 is zeros. */
static void make_dynamic(struct test_vdi *t, uint32_t extra)
{
	test_vdi_init(t, TEST_VDI_NORMAL, CAPACITY, BLOCK, extra, 1);
	test_vdi_add(t, 0, 10);
	test_vdi_add(t, 1, 11);
	test_vdi_add(t, 2, 12);
	test_vdi_add(t, 2000, 13);
	test_vdi_add(t, 700, 14);
	test_vdi_entry(t, 5, ZERO);
}

/* ---- where bytes are ---- */

static void vdi_blocks_are_found(void **state)
{
	static const uint32_t extras[] = { 0, 512, 4096 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(extras); i++) {
		struct test_memory m;
		struct test_vdi t;
		struct disk *disk;

		test_memory_init(&m);
		make_dynamic(&t, extras[i]);
		finish_image(&m, "a.vdi", &t.image);
		disk = open_disk(&m, "a.vdi");
		assert_string_equal(disk->format->name, "vdi");
		assert_int_equal(disk->capacity, CAPACITY);
		check_content(disk, 0, BLOCK, 10, 0);
		check_content(disk, BLOCK + 700, 1000, 11, 700);
		check_content(disk, 700 * BLOCK, BLOCK, 14, 0);
		check_content(disk, 2000 * BLOCK, 1536, 13, 0);
		check_zeros(disk, 3 * BLOCK, 697 * BLOCK);
		/* With something between them, blocks are not adjacent. */
		assert_int_equal(map(disk, 100, 10 * BLOCK).length, extras[i] ? BLOCK - 100 : 3 * BLOCK - 100);
		disk_close(disk);
		test_memory_free(&m);
	}
}

static void vdi_runs_end_where_their_kind_ends(void **state)
{
	struct test_memory m;
	struct test_vdi t;
	struct disk_extent extent;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t, 0);
	finish_image(&m, "a.vdi", &t.image);
	disk = open_disk(&m, "a.vdi");
	extent = map(disk, 3 * BLOCK + 1, CAPACITY - 4 * BLOCK);
	assert_int_equal(extent.kind, DISK_ZERO);
	assert_int_equal(extent.length, 697 * BLOCK - 1); /* what is absent and what is zero are one to a guest */
	extent = map(disk, 2000 * BLOCK, 1536);
	assert_int_equal(extent.kind, DISK_DATA);
	assert_int_equal(extent.length, 1536);
	extent = map(disk, 701 * BLOCK, 1200 * BLOCK);
	assert_int_equal(extent.length, 1024 * BLOCK); /* at most that many at once */
	disk_close(disk);
	test_memory_free(&m);
}

static void vdi_fixed_is_read_by_its_map(void **state)
{
	struct test_memory m;
	struct test_vdi t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	test_vdi_init(&t, TEST_VDI_FIXED, 10 * BLOCK, BLOCK, 0, 1);
	for (uint32_t i = 0; i < 10; i++)
		test_vdi_add(&t, 9 - i, i); /* not the order that VirtualBox makes, but one that it reads */
	finish_image(&m, "a.vdi", &t.image);
	disk = open_disk(&m, "a.vdi");
	for (uint32_t i = 0; i < 10; i++)
		check_content(disk, i * BLOCK, BLOCK, 9 - i, 0);
	disk_close(disk);
	test_memory_free(&m);
}

static void vdi_of_any_number_of_bytes_has_whole_sectors(void **state)
{
	struct test_memory m;
	struct test_vdi t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t, 0);
	le64_store(t.image.bytes + 368, CAPACITY - 511);
	finish_image(&m, "a.vdi", &t.image);
	disk = open_disk(&m, "a.vdi");
	assert_int_equal(disk->capacity, CAPACITY);
	disk_close(disk);
	test_memory_free(&m);
}

static void vdi_last_block_may_be_cut_by_the_capacity(void **state)
{
	struct test_memory m;
	struct test_vdi t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	test_vdi_init(&t, TEST_VDI_NORMAL, CAPACITY, BLOCK, 0, 1);
	test_vdi_add(&t, 2000, 13);
	t.image.size -= BLOCK - 1536;
	finish_image(&m, "a.vdi", &t.image);
	disk = open_disk(&m, "a.vdi");
	check_content(disk, 2000 * BLOCK, 1536, 13, 0);
	disk_close(disk);
	test_memory_free(&m);
}

static void vdi_opens_without_reading_its_map(void **state)
{
	struct test_memory m;
	struct test_vdi t;
	struct disk_extent extent;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	test_vdi_init(&t, TEST_VDI_NORMAL, BLOCK, BLOCK, 0, 1);
	le64_store(t.image.bytes + 368, 2ull << 40);
	le32_store(t.image.bytes + 376, 1u << 20);
	le32_store(t.image.bytes + 384, 2u << 20);
	le32_store(t.image.bytes + 344, 16u << 20);
	finish_image(&m, "a.vdi", &t.image);
	test_memory_resize(&m, "a.vdi", 16u << 20); /* the map is a hole: all blocks are said to be at 0 */
	disk = open_disk(&m, "a.vdi");
	assert_int_equal(disk->capacity, 2ull << 40);
	assert_int_equal(disk_map(disk, 1ull << 40, 512, &extent, NULL), -ENODATA);
	disk_close(disk);
	test_memory_free(&m);
}

/* ---- faults ---- */

static void vdi_with_a_wrong_header_is_refused(void **state)
{
	static const struct {
		size_t place, size;
		uint64_t value;
		int code;
		const char *words;
	} cases[] = {
		{ 68, 4, 0x00000002, -ENOTSUP,
		  "a.vdi has version 0.2 of the VDI format; Vitrine knows 1.1. Let VirtualBox" },
		{ 68, 4, 0x00020000, -ENOTSUP, "version 2.0" },
		{ 72, 4, 100, -EINVAL, "its own size in the header is 100, but must be at least 384" },
		{ 72, 4, UINT32_MAX, -EINVAL,
		  "the place of the block map in the header is 512, but must be behind the header" },
		{ 76, 4, 0, -EINVAL, "the type in the header is 0, but must be from 1 to 4" },
		{ 76, 4, 5, -EINVAL, "the type in the header is 5" },
		{ 340, 4, 100, -EINVAL, "the place of the block map in the header is 100" },
		{ 344, 4, 8192, -EINVAL,
		  "the place of the blocks in the header is 8192, but must be behind their map" },
		{ 360, 4, 4096, -EINVAL, "the sector size in the header is 4096, but must be 512" },
		{ 368, 8, 0, -EINVAL, "the disk's size in the header is 0" },
		{ 368, 8, UINT64_MAX, -EINVAL, "the disk's size in the header is 18446744073709551615" },
		{ 368, 8, (uint64_t)BLOCKS * BLOCK + 1, -EINVAL,
		  "the number of blocks in the header is 2001, but must be enough" },
		{ 376, 4, 0, -EINVAL, "the block size in the header is 0" },
		{ 376, 4, 12288, -EINVAL, "the block size in the header is 12288, but must be a power of two" },
		{ 376, 4, 1u << 31, -EINVAL, "the block size in the header is 2147483648" },
		{ 380, 4, UINT32_MAX, -EINVAL, "the size of a block's extra data in the header is 4294967295" },
		{ 384, 4, UINT32_MAX, -EINVAL, "the place of the blocks in the header is" },
		{ 388, 4, BLOCKS + 1, -EINVAL, "the number of blocks in use in the header is 2002" },
		{ 388, 4, 1000, -ENODATA, "the download was probably interrupted" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_vdi t;

		make_dynamic(&t, 0);
		if (cases[i].size == 8)
			le64_store(t.image.bytes + cases[i].place, cases[i].value);
		else
			le32_store(t.image.bytes + cases[i].place, (uint32_t)cases[i].value);
		check_faulty_image("a.vdi", &t.image, cases[i].code, cases[i].words);
	}
}

static void vdi_that_was_cut_is_refused_wherever(void **state)
{
	struct test_vdi t;

	(void)state;
	make_dynamic(&t, 512);
	for (size_t size = t.image.size - BLOCK; size > 100; size = size * 3 / 4) {
		struct test_memory m;

		test_memory_init(&m);
		test_memory_write(&m, "a.vdi", t.image.bytes, size);
		check_refused(&m, "a.vdi", -ENODATA, "the download was probably interrupted");
		test_memory_free(&m);
	}
	test_image_free(&t.image);
}

static void vdi_block_behind_the_end_is_an_error_there_alone(void **state)
{
	static const uint32_t entries[] = { 5, 1u << 20, 0xfffffffd };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		struct test_memory m;
		struct test_vdi t;
		struct disk *disk;
		uint8_t byte;

		test_memory_init(&m);
		make_dynamic(&t, 0);
		test_vdi_entry(&t, 7, entries[i]);
		finish_image(&m, "a.vdi", &t.image);
		disk = open_disk(&m, "a.vdi");
		assert_int_equal(disk_read(disk, 7 * BLOCK, &byte, 1), -ENODATA);
		check_content(disk, 700 * BLOCK, BLOCK, 14, 0);
		disk_close(disk);
		test_memory_free(&m);
	}
}

/* A run of blocks is not merged beyond the file's end, nor into the numbers that mean something else. */
static void vdi_run_that_leaves_the_file_ends_there(void **state)
{
	struct test_memory m;
	struct test_vdi t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t, 0);
	for (uint32_t i = 0; i < 4; i++)
		test_vdi_entry(&t, 100 + i, 3 + i); /* 5 and 6 are not there */
	finish_image(&m, "a.vdi", &t.image);
	disk = open_disk(&m, "a.vdi");
	assert_int_equal(map(disk, 100 * BLOCK, 4 * BLOCK).length, 2 * BLOCK);
	disk_close(disk);
	test_memory_free(&m);
}

static void vdi_blocks_at_one_place_show_the_same(void **state)
{
	struct test_memory m;
	struct test_vdi t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t, 0);
	test_vdi_entry(&t, 800, 4);
	finish_image(&m, "a.vdi", &t.image);
	disk = open_disk(&m, "a.vdi");
	check_content(disk, 700 * BLOCK, BLOCK, 14, 0);
	check_content(disk, 800 * BLOCK, BLOCK, 14, 0);
	disk_close(disk);
	test_memory_free(&m);
}

/* ---- differencing ---- */

#define UUID_OF_ONES "01010101-0101-0101-0101-010101010101"

static void make_child(struct test_vdi *t, uint32_t type, uint8_t id, uint8_t parent)
{
	test_vdi_init(t, type, CAPACITY, BLOCK, 0, id);
	test_vdi_parent(t, parent);
	test_vdi_add(t, 1, 20);
	test_vdi_entry(t, 700, ZERO);
}

static void check_child(struct disk *disk)
{
	check_content(disk, 0, BLOCK, 10, 0);
	check_content(disk, BLOCK, BLOCK, 20, 0);
	check_content(disk, 2 * BLOCK, BLOCK, 12, 0);
	check_zeros(disk, 700 * BLOCK, BLOCK);
	check_content(disk, 2000 * BLOCK, 1536, 13, 0);
}

static void vdi_parent_is_found_by_its_uuid(void **state)
{
	static const char *const names[] = { "{" UUID_OF_ONES "}.vdi", UUID_OF_ONES ".vdi",
		                             "Snapshots/{" UUID_OF_ONES "}.vdi" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		for (uint32_t type = TEST_VDI_UNDO; type <= TEST_VDI_DIFFERENCING; type++) {
			struct test_memory m;
			struct test_vdi t;
			struct disk *disk;

			test_memory_init(&m);
			make_dynamic(&t, 0);
			finish_image(&m, names[i], &t.image);
			make_child(&t, type, 2, 1);
			finish_image(&m, "child.vdi", &t.image);
			disk = open_disk(&m, "child.vdi");
			check_child(disk);
			disk_close(disk);
			test_memory_free(&m);
		}
}

static void vdi_without_its_parent_tells_what_to_do(void **state)
{
	struct test_memory m;
	struct test_vdi t;

	(void)state;
	test_memory_init(&m);
	make_child(&t, TEST_VDI_DIFFERENCING, 2, 1);
	finish_image(&m, "child.vdi", &t.image);
	check_refused(&m, "child.vdi", -ENOENT,
	              "child.vdi holds only changes to {" UUID_OF_ONES "}.vdi, which is missing");
	check_refused(&m, "child.vdi", -ENOENT, "VBoxManage showmediuminfo tells which of your disks has it");
	test_memory_free(&m);
}

static void vdi_over_another_disk_of_that_name_is_refused(void **state)
{
	struct test_memory m;
	struct test_vdi t;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t, 0);
	memset(t.image.bytes + 392, 7, 16);
	finish_image(&m, "{" UUID_OF_ONES "}.vdi", &t.image);
	make_child(&t, TEST_VDI_DIFFERENCING, 2, 1);
	finish_image(&m, "child.vdi", &t.image);
	check_refused(&m, "child.vdi", -EINVAL,
	              "child.vdi holds changes to another disk than {" UUID_OF_ONES
	              "}.vdi, which has the UUID 07070707-0707-0707-0707-070707070707");
	test_memory_free(&m);
}

static void vdi_over_a_disk_that_was_written_to_since_is_refused(void **state)
{
	struct test_memory m;
	struct test_vdi t;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t, 0);
	memset(t.image.bytes + 408, 7, 16);
	finish_image(&m, "{" UUID_OF_ONES "}.vdi", &t.image);
	make_child(&t, TEST_VDI_DIFFERENCING, 2, 1);
	finish_image(&m, "child.vdi", &t.image);
	check_refused(&m, "child.vdi", -EINVAL, "which was written to since; together they would show a damaged disk");
	test_memory_free(&m);
}

static void vdi_that_does_not_know_its_parent_is_refused(void **state)
{
	struct test_vdi t;

	(void)state;
	make_child(&t, TEST_VDI_DIFFERENCING, 2, 0);
	check_faulty_image("a.vdi", &t.image, -EINVAL,
	                   "a.vdi holds only changes to another disk, but does not say to which");
}

static void vdi_that_leads_back_to_itself_is_refused(void **state)
{
	struct test_memory m;
	struct test_vdi t;

	(void)state;
	test_memory_init(&m);
	make_child(&t, TEST_VDI_DIFFERENCING, 1, 1);
	finish_image(&m, "{" UUID_OF_ONES "}.vdi", &t.image);
	check_refused(&m, "{" UUID_OF_ONES "}.vdi", -ELOOP, "leads back to itself");
	test_memory_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vdi_blocks_are_found),
		cmocka_unit_test(vdi_runs_end_where_their_kind_ends),
		cmocka_unit_test(vdi_fixed_is_read_by_its_map),
		cmocka_unit_test(vdi_of_any_number_of_bytes_has_whole_sectors),
		cmocka_unit_test(vdi_last_block_may_be_cut_by_the_capacity),
		cmocka_unit_test(vdi_opens_without_reading_its_map),
		cmocka_unit_test(vdi_with_a_wrong_header_is_refused),
		cmocka_unit_test(vdi_that_was_cut_is_refused_wherever),
		cmocka_unit_test(vdi_block_behind_the_end_is_an_error_there_alone),
		cmocka_unit_test(vdi_run_that_leaves_the_file_ends_there),
		cmocka_unit_test(vdi_blocks_at_one_place_show_the_same),
		cmocka_unit_test(vdi_parent_is_found_by_its_uuid),
		cmocka_unit_test(vdi_without_its_parent_tells_what_to_do),
		cmocka_unit_test(vdi_over_another_disk_of_that_name_is_refused),
		cmocka_unit_test(vdi_over_a_disk_that_was_written_to_since_is_refused),
		cmocka_unit_test(vdi_that_does_not_know_its_parent_is_refused),
		cmocka_unit_test(vdi_that_leads_back_to_itself_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
