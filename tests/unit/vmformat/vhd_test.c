/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_blocks.h"
#include "tests/unit/vmformat/test_vhd.h"
#include "vmformat/vhd.h"

#define BLOCK 8192u /* 16 sectors */
#define CAPACITY (1000 * BLOCK + 1536)
#define ALL UINT64_MAX

/* ---- helpers ---- */

/* Seals, ends with the footer, writes and frees. */
static void finish(struct test_memory *m, const char *name, struct test_vhd *t)
{
	test_vhd_seal(t);
	test_vhd_finish(t);
	finish_image(m, name, &t->image);
}

/* A dynamic disk with blocks 0, 1, 500 and the last. */
static void make_dynamic(struct test_vhd *t)
{
	test_vhd_init(t, TEST_VHD_DYNAMIC, CAPACITY, BLOCK, 1);
	test_vhd_add(t, 0, ALL, 10);
	test_vhd_add(t, 500, ALL, 11);
	test_vhd_add(t, 1000, ALL, 12);
	test_vhd_add(t, 1, 0x00f1, 13);
}

static void check_faulty(struct test_vhd *t, int code, const char *words)
{
	test_vhd_seal(t);
	test_vhd_finish(t);
	check_faulty_image("a.vhd", &t->image, code, words);
}

/* ---- fixed ---- */

static void make_fixed(struct test_vhd *t, uint64_t capacity)
{
	test_vhd_init(t, TEST_VHD_FIXED, capacity, 0, 1);
	test_image_append(&t->image, (size_t)capacity);
	test_content(t->image.bytes, BLOCK, 1);
}

static void vhd_fixed_is_what_lies_before_its_footer(void **state)
{
	struct test_memory m;
	struct test_vhd t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_fixed(&t, 40 * BLOCK);
	finish(&m, "a.img", &t);
	disk = open_disk(&m, "a.img"); /* the name tells nothing, the footer does */
	assert_string_equal(disk->format->name, "vhd");
	assert_int_equal(disk->capacity, 40 * BLOCK);
	check_content(disk, 0, BLOCK, 1, 0);
	assert_int_equal(map(disk, 512, 39 * BLOCK).length, 39 * BLOCK);
	disk_close(disk);
	test_memory_free(&m);
}

static void vhd_of_old_virtual_pc_has_a_footer_of_511_bytes(void **state)
{
	struct test_memory m;
	struct test_vhd t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_fixed(&t, 4 * BLOCK);
	test_vhd_finish(&t);
	t.image.size--;
	put_image(&m, "a.vhd", &t.image);
	disk = open_disk(&m, "a.vhd");
	assert_int_equal(disk->capacity, 4 * BLOCK);
	check_content(disk, 0, BLOCK, 1, 0);
	disk_close(disk);
	test_image_free(&t.image);
	test_memory_free(&m);
}

/* Whatever a guest wrote into the first sectors of a fixed disk, it stays a fixed disk. */
static void vhd_fixed_with_the_head_of_another_format_stays_one(void **state)
{
	static const char *const heads[] = { "KDMV",     "QFI\xfb", "# Disk DescriptorFile\n",
		                             "vhdxfile", "PK\3\4",  "conectix" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct test_memory m;
		struct test_vhd t;
		struct disk *disk;
		size_t length = strlen(heads[i]);
		char found[32];

		test_memory_init(&m);
		make_fixed(&t, 4 * BLOCK);
		memcpy(t.image.bytes, heads[i], length);
		finish(&m, "a.vhd", &t);
		disk = open_disk(&m, "a.vhd");
		assert_string_equal(disk->format->name, "vhd");
		assert_int_equal(disk_read(disk, 0, found, length), 0);
		assert_memory_equal(found, heads[i], length);
		disk_close(disk);
		test_memory_free(&m);
	}
}

static void vhd_opened_as_raw_is_raw(void **state)
{
	struct test_memory m;
	struct test_vhd t;
	struct disk *disk;
	struct file file;

	(void)state;
	test_memory_init(&m);
	make_fixed(&t, BLOCK);
	finish(&m, "a-flat.vmdk", &t);
	file = test_memory_open(&m, "a-flat.vmdk");
	assert_int_equal(disk_open_as("raw", &file, &m.files, &disk, NULL), 0);
	assert_int_equal(disk->capacity, BLOCK + 512);
	disk_close(disk);
	test_memory_free(&m);
}

static void vhd_fixed_that_was_cut_is_told_by_its_name(void **state)
{
	struct test_memory m;
	struct test_vhd t;

	(void)state;
	test_memory_init(&m);
	make_fixed(&t, 4 * BLOCK);
	test_vhd_finish(&t);
	t.image.size -= BLOCK;
	put_image(&m, "a.VHD", &t.image);
	check_refused(&m, "a.VHD", -ENODATA,
	              "a.VHD ends too early, after 25.1 KB; the download was probably interrupted");
	test_image_free(&t.image);
	test_memory_free(&m);
}

static void vhd_fixed_with_less_content_than_its_size_is_refused(void **state)
{
	struct test_vhd t;

	(void)state;
	make_fixed(&t, 4 * BLOCK);
	be64_store(t.footer + 48, 5 * BLOCK);
	check_faulty(&t, -ENODATA, "a.vhd ends after 33.3 of 41.5 KB");
}

static void vhd_fixed_with_a_damaged_footer_is_refused(void **state)
{
	struct test_memory m;
	struct test_vhd t;

	(void)state;
	test_memory_init(&m);
	make_fixed(&t, BLOCK);
	test_vhd_finish(&t);
	t.image.bytes[t.image.size - 1] ^= 1;
	put_image(&m, "a.img", &t.image);
	check_refused(&m, "a.img", -EINVAL, "a.img: the checksum of its footer is wrong. The file is damaged");
	/* A copy at the beginning is only a guest's: a fixed disk has none. */
	memcpy(t.image.bytes, t.footer, 512);
	put_image(&m, "b.img", &t.image);
	check_refused(&m, "b.img", -EINVAL, "b.img: the checksum of its footer is wrong");
	test_image_free(&t.image);
	test_memory_free(&m);
}

/* ---- the size ---- */

static void vhd_size_is_the_geometry_only_of_those_who_show_that(void **state)
{
	static const struct {
		char creator[5];
		uint16_t cylinders;
		uint8_t heads, sectors;
		uint64_t capacity;
	} cases[] = {
		{ "vpc ", 10, 4, 17, 10 * 4 * 17 * 512 }, { "qemu", 10, 4, 17, 10 * 4 * 17 * 512 },
		{ "vpc ", 65535, 16, 255, 100 * BLOCK },  { "qemu", 0, 0, 0, 100 * BLOCK },
		{ "vpc ", 65535, 16, 17, 100 * BLOCK }, /* more than the file has */
		{ "qem2", 10, 4, 17, 100 * BLOCK },       { "win ", 10, 4, 17, 100 * BLOCK },
		{ "d2v ", 10, 4, 17, 100 * BLOCK },       { "tap\0", 10, 4, 17, 100 * BLOCK },
		{ "CTXS", 10, 4, 17, 100 * BLOCK },       { "vbox", 10, 4, 17, 100 * BLOCK },
		{ "vs  ", 10, 4, 17, 100 * BLOCK },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_memory m;
		struct test_vhd t;
		struct disk *disk;

		test_memory_init(&m);
		make_fixed(&t, 100 * BLOCK);
		memcpy(t.footer + 28, cases[i].creator, 4);
		be16_store(t.footer + 56, cases[i].cylinders);
		t.footer[58] = cases[i].heads;
		t.footer[59] = cases[i].sectors;
		finish(&m, "a.vhd", &t);
		disk = open_disk(&m, "a.vhd");
		assert_int_equal(disk->capacity, cases[i].capacity);
		disk_close(disk);
		test_memory_free(&m);
	}
}

static void vhd_size_that_cannot_be_is_refused(void **state)
{
	static const uint64_t sizes[] = { 0, 511, 1025, (64ull << 40) + 512, UINT64_MAX - 511 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct test_vhd t;

		make_dynamic(&t);
		be64_store(t.footer + 48, sizes[i]);
		check_faulty(&t, -EINVAL, "a.vhd: the disk's size is");
	}
}

/* ---- dynamic ---- */

static void vhd_blocks_are_found(void **state)
{
	struct test_memory m;
	struct test_vhd t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	finish(&m, "a.vhd", &t);
	disk = open_disk(&m, "a.vhd");
	assert_int_equal(disk->capacity, CAPACITY);
	check_content(disk, 0, BLOCK, 10, 0);
	check_content(disk, 500 * BLOCK + 1000, 5000, 11, 1000);
	check_content(disk, 1000 * BLOCK, 1536, 12, 0);
	check_zeros(disk, 2 * BLOCK, 498 * BLOCK);
	assert_int_equal(map(disk, 2 * BLOCK + 5, 600 * BLOCK).length, 256 * BLOCK - 5); /* at most that many at once */
	assert_int_equal(map(disk, 300 * BLOCK, 600 * BLOCK).length, 200 * BLOCK);
	disk_close(disk);
	test_memory_free(&m);
}

static void vhd_sectors_without_their_bit_are_zeros(void **state)
{
	struct test_memory m;
	struct test_vhd t;
	struct disk_extent extent;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t); /* block 1: sectors 0, 4 to 7 */
	finish(&m, "a.vhd", &t);
	disk = open_disk(&m, "a.vhd");
	check_content(disk, BLOCK, 512, 13, 0);
	check_zeros(disk, BLOCK + 512, 3 * 512);
	check_content(disk, BLOCK + 4 * 512, 4 * 512, 13, 4 * 512);
	check_zeros(disk, BLOCK + 8 * 512, 8 * 512);
	extent = map(disk, BLOCK + 700, BLOCK);
	assert_int_equal(extent.kind, DISK_ZERO);
	assert_int_equal(extent.length, 3 * 512 - 188);
	extent = map(disk, BLOCK + 5 * 512 + 1, BLOCK);
	assert_int_equal(extent.kind, DISK_DATA);
	assert_int_equal(extent.length, 3 * 512 - 1);
	disk_close(disk);
	test_memory_free(&m);
}

/* 8 MiB: its bitmap is larger than what is looked at at once. */
static void vhd_with_large_blocks_is_read(void **state)
{
	const uint32_t block = 8u << 20;
	struct test_memory m;
	struct test_vhd t;
	struct disk *disk;
	uint8_t found[512], expected[512];
	size_t at;

	(void)state;
	test_memory_init(&m);
	test_vhd_init(&t, TEST_VHD_DYNAMIC, 2 * block, block, 1);
	at = test_vhd_add(&t, 1, 0, 5);
	memset(t.image.bytes + at, 0xff, t.bitmap - 1);
	finish(&m, "a.vhd", &t);
	disk = open_disk(&m, "a.vhd");
	assert_int_equal(map(disk, block, block).length, 2u << 20);
	assert_int_equal(map(disk, 2 * block - 9 * 512, 9 * 512).length, 512);
	check_zeros(disk, 2 * block - 8 * 512, 8 * 512);
	assert_int_equal(disk_read(disk, block, found, 512), 0);
	test_content(expected, 512, 5);
	assert_memory_equal(found, expected, 512);
	disk_close(disk);
	test_memory_free(&m);
}

static void vhd_window_of_a_tar_is_respected(void **state)
{
	struct file tar, window;
	struct test_vhd t;
	struct disk *disk;
	uint8_t *bytes;

	(void)state;
	make_dynamic(&t);
	test_vhd_finish(&t);
	bytes = calloc(1, t.image.size + 1024);
	assert_non_null(bytes);
	memcpy(bytes + 512, t.image.bytes, t.image.size);
	tar = test_file("a.ova", bytes, t.image.size + 1024);
	free(bytes);
	assert_int_equal(file_window(&tar, 512, t.image.size, "a.ova: a.vhd", &window, NULL), 0);
	file_close(&tar);
	assert_int_equal(disk_open(&window, &test_no_files, &disk, NULL), 0);
	check_content(disk, 500 * BLOCK, BLOCK, 11, 0);
	disk_close(disk);
	test_image_free(&t.image);
}

/* ---- faults of dynamic disks ---- */

static void vhd_with_a_damaged_footer_goes_by_its_copy(void **state)
{
	struct test_memory m;
	struct test_vhd t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	test_vhd_finish(&t);
	t.image.bytes[t.image.size - 400] ^= 1;
	put_image(&m, "a.vhd", &t.image);
	/* Not there at all, but all blocks are; an entry that leads nowhere was not cut off. */
	t.image.size -= 512;
	be32_store(t.image.bytes + TEST_VHD_BAT + 7 * 4, UINT32_MAX - 1);
	put_image(&m, "b.vhd", &t.image);
	for (unsigned i = 0; i < 2; i++) {
		disk = open_disk(&m, i ? "b.vhd" : "a.vhd");
		check_content(disk, 500 * BLOCK, BLOCK, 11, 0);
		disk_close(disk);
	}
	test_image_free(&t.image);
	test_memory_free(&m);
}

static void vhd_with_two_damaged_footers_is_refused(void **state)
{
	struct test_memory m;
	struct test_vhd t;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	test_vhd_finish(&t);
	t.image.bytes[t.image.size - 400] ^= 1;
	t.image.bytes[100] ^= 1;
	put_image(&m, "a.vhd", &t.image);
	check_refused(&m, "a.vhd", -EINVAL, "a.vhd: the checksum of its footer is wrong, and of its copy.");
	test_image_free(&t.image);
	test_memory_free(&m);
}

static void vhd_whose_copy_alone_is_damaged_is_played(void **state)
{
	struct test_memory m;
	struct test_vhd t;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	test_vhd_finish(&t);
	memset(t.image.bytes, 0, 512);
	put_image(&m, "a.vhd", &t.image);
	disk_close(open_disk(&m, "a.vhd"));
	test_image_free(&t.image);
	test_memory_free(&m);
}

static void vhd_that_was_cut_is_refused_wherever(void **state)
{
	struct test_vhd t;

	(void)state;
	make_dynamic(&t);
	test_vhd_finish(&t);
	for (size_t size = t.image.size - 513; size > 512; size = size * 9 / 10) {
		struct test_memory m;

		test_memory_init(&m);
		test_memory_write(&m, "a.vhd", t.image.bytes, size);
		check_refused(&m, "a.vhd", -ENODATA, "the download was probably interrupted");
		test_memory_free(&m);
	}
	test_image_free(&t.image);
}

static void vhd_with_a_wrong_header_is_refused(void **state)
{
	static const struct {
		size_t place, size; /* of a footer's field, or 1000 + of the header's */
		uint64_t value;
		int code;
		const char *words;
	} cases[] = {
		{ 12, 4, 0x20000, -ENOTSUP, "a.vhd has version 2.0 of the VHD format; Vitrine knows 1.0" },
		{ 60, 4, 0, -EINVAL, "the disk's type is 0, but must be 2 (fixed), 3 (dynamic) or 4 (differencing)" },
		{ 60, 4, 6, -EINVAL, "the disk's type is 6" },
		{ 16, 8, 1ull << 60, -EINVAL, "the place of its second header is 1152921504606846976, but must be in" },
		{ 16, 8, 1u << 27, -ENODATA, "the download was probably interrupted" },
		{ 16, 8, 0, -EINVAL, "its second header (\"cxsparse\") is damaged" },
		{ 1024, 4, 0x20000, -ENOTSUP, "version 2.0 of the dynamic VHD header" },
		{ 1016, 8, 0, -EINVAL, "the place of its table is 0, but must be behind its headers" },
		{ 1016, 8, 1024, -EINVAL, "the place of its table is 1024, but must be behind its headers" },
		{ 1016, 8, UINT64_MAX, -EINVAL, "the place of its table is 18446744073709551615, but must be in" },
		{ 1016, 8, 1u << 27, -ENODATA, "the download was probably interrupted" },
		{ 1028, 4, 1000, -EINVAL, "the number of entries in its table is 1000, but must be as many as blocks" },
		{ 1032, 4, 0, -EINVAL, "the block size is 0" },
		{ 1032, 4, 12288, -EINVAL, "the block size is 12288, but must be a power of two" },
		{ 1032, 4, 2048, -EINVAL, "the block size is 2048" },
		{ 1032, 4, 1u << 29, -EINVAL, "the block size is 536870912" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_vhd t;
		uint8_t *field;

		make_dynamic(&t);
		field = cases[i].place < 1000 ? t.footer + cases[i].place
		                              : t.image.bytes + TEST_VHD_HEADER + cases[i].place - 1000;
		if (cases[i].size == 8)
			be64_store(field, cases[i].value);
		else
			be32_store(field, (uint32_t)cases[i].value);
		check_faulty(&t, cases[i].code, cases[i].words);
	}
}

static void vhd_with_a_damaged_second_header_is_refused(void **state)
{
	struct test_memory m;
	struct test_vhd t;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	t.image.bytes[TEST_VHD_HEADER + 1000] ^= 1;
	test_vhd_finish(&t);
	put_image(&m, "a.vhd", &t.image);
	check_refused(&m, "a.vhd", -EINVAL, "a.vhd: its second header (\"cxsparse\") is damaged");
	test_image_free(&t.image);
	test_memory_free(&m);
}

/* A block's place over a header or the BAT, or behind the file: told when the guest comes there. */
static void vhd_block_in_a_wrong_place_is_an_error_there_alone(void **state)
{
	static const struct {
		uint32_t entry;
		int code;
	} cases[] = {
		{ 0, -EIO },
		{ 1, -EIO },
		{ 2, -EIO },
		{ 3, -EIO },
		{ 10, -EIO },
		{ 1u << 20, -ENODATA },
		{ UINT32_MAX - 1, -ENODATA },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_memory m;
		struct test_vhd t;
		struct disk *disk;
		uint8_t byte;

		test_memory_init(&m);
		make_dynamic(&t);
		be32_store(t.image.bytes + TEST_VHD_BAT + 7 * 4, cases[i].entry);
		finish(&m, "a.vhd", &t);
		disk = open_disk(&m, "a.vhd");
		assert_int_equal(disk_read(disk, 7 * BLOCK, &byte, 1), cases[i].code);
		check_content(disk, 500 * BLOCK, BLOCK, 11, 0);
		disk_close(disk);
		test_memory_free(&m);
	}
}

static void vhd_block_that_is_partly_behind_the_end_is_read_up_to_there(void **state)
{
	struct test_memory m;
	struct test_vhd t;
	struct disk *disk;
	uint8_t found[512];

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	/* The last block's place is moved so that its last sectors lie behind the footer. */
	be32_store(t.image.bytes + TEST_VHD_BAT + 7 * 4, (uint32_t)(t.image.size / 512 - 8));
	memset(t.image.bytes + t.image.size - 8 * 512, 0xff, 2);
	finish(&m, "a.vhd", &t);
	disk = open_disk(&m, "a.vhd");
	assert_int_equal(map(disk, 7 * BLOCK, BLOCK).length, 8 * 512); /* 7 of the old block, and the footer */
	assert_int_equal(disk_read(disk, 7 * BLOCK + 8 * 512, found, 512), -ENODATA);
	disk_close(disk);
	test_memory_free(&m);
}

static void vhd_opens_without_reading_its_table(void **state)
{
	struct test_memory m;
	struct test_vhd t;
	struct disk *disk;
	const uint64_t capacity = 2040ull << 30;
	uint8_t byte;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	be64_store(t.footer + 48, capacity);
	be32_store(t.image.bytes + TEST_VHD_HEADER + 28, (uint32_t)(capacity / (2u << 20)));
	be32_store(t.image.bytes + TEST_VHD_HEADER + 32, 2u << 20);
	be64_store(t.image.bytes + TEST_VHD_HEADER + 16, 1u << 20);
	test_vhd_seal(&t);
	put_image(&m, "a.vhd", &t.image);
	test_memory_resize(&m, "a.vhd", 16u << 20); /* the BAT is a hole: all blocks are said to be at 0 */
	assert_int_equal(pwrite(test_memory_fd(&m, "a.vhd"), t.footer, 512, (16 << 20) - 512), 512);
	disk = open_disk(&m, "a.vhd");
	assert_int_equal(disk->capacity, capacity);
	assert_int_equal(disk_read(disk, capacity - 1, &byte, 1), -EIO);
	disk_close(disk);
	test_image_free(&t.image);
	test_memory_free(&m);
}

/* ---- differencing ---- */

static void make_child(struct test_vhd *t, uint8_t id, uint8_t parent_id)
{
	test_vhd_init(t, TEST_VHD_DIFFERENCING, CAPACITY, BLOCK, id);
	test_vhd_parent_id(t, parent_id);
	test_vhd_add(t, 0, 0x0003, 20);
	test_vhd_add(t, 3, ALL, 21);
}

static void make_base(struct test_memory *m, const char *name)
{
	struct test_vhd t;

	make_dynamic(&t);
	finish(m, name, &t);
}

static void check_child(struct disk *disk)
{
	check_content(disk, 0, 2 * 512, 20, 0);
	check_content(disk, 2 * 512, BLOCK - 2 * 512, 10, 2 * 512);
	check_content(disk, BLOCK, 512, 13, 0);
	check_zeros(disk, BLOCK + 512, 3 * 512);
	check_content(disk, 3 * BLOCK, BLOCK, 21, 0);
	check_content(disk, 500 * BLOCK, BLOCK, 11, 0);
	check_zeros(disk, 600 * BLOCK, BLOCK);
}

static void vhd_parent_is_found_by_each_kind_of_name(void **state)
{
	static const struct {
		char platform[5];
		const char *name;
	} cases[] = {
		{ "W2ru", ".\\base.vhd" },
		{ "W2ru", "base.vhd" },
		{ "W2ru", "..\\elsewhere\\base.vhd" },
		{ "W2ku", "C:\\Virtual Machines\\base.vhd" },
		{ "W2ku", "\\\\server\\share\\base.vhd" },
		{ "MacX", "file://localhost/Volumes/My%20Disk/base%2Evhd" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_memory m;
		struct test_vhd t;
		struct disk *disk;

		test_memory_init(&m);
		make_base(&m, "base.vhd");
		make_child(&t, 2, 1);
		test_vhd_locator(&t, 3, cases[i].platform, cases[i].name);
		finish(&m, "child.vhd", &t);
		disk = open_disk(&m, "child.vhd");
		check_child(disk);
		disk_close(disk);
		test_memory_free(&m);
	}
}

static void vhd_parent_is_found_by_the_name_in_the_header(void **state)
{
	struct test_memory m;
	struct test_vhd t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_base(&m, "base.vhd");
	make_child(&t, 2, 1);
	test_utf16(t.image.bytes + TEST_VHD_HEADER + 64, "base.vhd", true);
	finish(&m, "child.vhd", &t);
	disk = open_disk(&m, "child.vhd");
	check_child(disk);
	disk_close(disk);
	test_memory_free(&m);
}

static void vhd_names_of_foreign_letters_are_decoded(void **state)
{
	/* "ä", U+1F4BF (a pair), half a pair. */
	static const uint8_t name[] = { 0xe4, 0, 0x3d, 0xd8, 0xbf, 0xdc, 0x3d, 0xd8, '.', 0, 'v', 0 };
	struct test_memory m;
	struct test_vhd t;
	uint8_t *locator;

	(void)state;
	test_memory_init(&m);
	make_base(&m, "\xc3\xa4\xf0\x9f\x92\xbf\xef\xbf\xbd.v");
	make_child(&t, 2, 1);
	test_vhd_locator(&t, 0, "W2ru", "");
	locator = t.image.bytes + TEST_VHD_HEADER + 576;
	memcpy(t.image.bytes + be64_load(locator + 16), name, sizeof(name));
	be32_store(locator + 8, sizeof(name));
	finish(&m, "child.vhd", &t);
	disk_close(open_disk(&m, "child.vhd"));
	test_memory_free(&m);
}

static void vhd_chain_of_three_is_read(void **state)
{
	struct test_memory m;
	struct test_vhd t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_base(&m, "base.vhd");
	make_child(&t, 2, 1);
	test_vhd_locator(&t, 0, "W2ru", ".\\base.vhd");
	finish(&m, "middle.vhd", &t);
	test_vhd_init(&t, TEST_VHD_DIFFERENCING, CAPACITY, BLOCK, 3);
	test_vhd_parent_id(&t, 2);
	test_vhd_locator(&t, 0, "W2ru", ".\\middle.vhd");
	test_vhd_add(&t, 500, 0x8000, 30);
	finish(&m, "top.vhd", &t);
	disk = open_disk(&m, "top.vhd");
	check_content(disk, 0, 2 * 512, 20, 0);
	check_content(disk, 500 * BLOCK, 15 * 512, 11, 0);
	check_content(disk, 500 * BLOCK + 15 * 512, 512, 30, 15 * 512);
	disk_close(disk);
	test_memory_free(&m);
}

static void vhd_over_another_disk_of_that_name_is_refused(void **state)
{
	struct test_memory m;
	struct test_vhd t;

	(void)state;
	test_memory_init(&m);
	make_base(&m, "base.vhd");
	make_child(&t, 2, 9);
	test_vhd_locator(&t, 0, "W2ru", ".\\base.vhd");
	finish(&m, "child.vhd", &t);
	check_refused(&m, "child.vhd", -EINVAL,
	              "child.vhd holds changes to another disk than base.vhd, though it has that name");
	test_memory_free(&m);
}

static void vhd_without_its_parent_is_refused(void **state)
{
	struct test_memory m;
	struct test_vhd t;

	(void)state;
	test_memory_init(&m);
	make_child(&t, 2, 1);
	test_vhd_locator(&t, 0, "W2ru", ".\\base.vhd");
	finish(&m, "child.vhd", &t);
	check_refused(&m, "child.vhd", -ENOENT, "child.vhd holds only changes to base.vhd, which is missing");
	test_memory_free(&m);
}

static void vhd_that_does_not_name_its_parent_is_refused(void **state)
{
	struct test_vhd t;

	(void)state;
	make_child(&t, 2, 1);
	test_vhd_locator(&t, 0, "W2ru", ".\\base.vhd");
	/* Longer than any path, and a place behind the end: both lead nowhere. */
	be32_store(t.image.bytes + TEST_VHD_HEADER + 576 + 8, 1u << 20);
	test_vhd_locator(&t, 1, "W2ku", "C:\\base.vhd");
	be64_store(t.image.bytes + TEST_VHD_HEADER + 576 + 24 + 16, UINT64_MAX - 10);
	test_vhd_locator(&t, 2, "W2ru", "..\\");
	check_faulty(&t, -EINVAL, "a.vhd holds only changes to another disk, but does not name it");
}

static void vhd_that_leads_back_to_itself_is_refused(void **state)
{
	struct test_memory m;
	struct test_vhd t;

	(void)state;
	test_memory_init(&m);
	make_child(&t, 1, 1);
	test_vhd_locator(&t, 0, "W2ru", ".\\child.vhd");
	finish(&m, "child.vhd", &t);
	check_refused(&m, "child.vhd", -ELOOP, "leads back to itself");
	assert_true(m.opens <= DISK_MAX_CHAIN + 1);
	test_memory_free(&m);
}

/* What it says lies below is a VHD: a guest's flat file of that name is not asked what it is. */
static void vhd_over_a_disk_of_another_format_is_refused(void **state)
{
	struct test_memory m;
	struct test_vhd t;
	uint8_t other[1024] = "QFI\xfb";

	(void)state;
	test_memory_init(&m);
	test_memory_write(&m, "base.vhd", other, sizeof(other));
	make_child(&t, 2, 1);
	test_vhd_locator(&t, 0, "W2ru", ".\\base.vhd");
	finish(&m, "child.vhd", &t);
	check_refused(&m, "child.vhd", -ENODATA, "base.vhd ends too early");
	test_memory_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vhd_fixed_is_what_lies_before_its_footer),
		cmocka_unit_test(vhd_of_old_virtual_pc_has_a_footer_of_511_bytes),
		cmocka_unit_test(vhd_fixed_with_the_head_of_another_format_stays_one),
		cmocka_unit_test(vhd_opened_as_raw_is_raw),
		cmocka_unit_test(vhd_fixed_that_was_cut_is_told_by_its_name),
		cmocka_unit_test(vhd_fixed_with_less_content_than_its_size_is_refused),
		cmocka_unit_test(vhd_fixed_with_a_damaged_footer_is_refused),
		cmocka_unit_test(vhd_size_is_the_geometry_only_of_those_who_show_that),
		cmocka_unit_test(vhd_size_that_cannot_be_is_refused),
		cmocka_unit_test(vhd_blocks_are_found),
		cmocka_unit_test(vhd_sectors_without_their_bit_are_zeros),
		cmocka_unit_test(vhd_with_large_blocks_is_read),
		cmocka_unit_test(vhd_window_of_a_tar_is_respected),
		cmocka_unit_test(vhd_with_a_damaged_footer_goes_by_its_copy),
		cmocka_unit_test(vhd_with_two_damaged_footers_is_refused),
		cmocka_unit_test(vhd_whose_copy_alone_is_damaged_is_played),
		cmocka_unit_test(vhd_that_was_cut_is_refused_wherever),
		cmocka_unit_test(vhd_with_a_wrong_header_is_refused),
		cmocka_unit_test(vhd_with_a_damaged_second_header_is_refused),
		cmocka_unit_test(vhd_block_in_a_wrong_place_is_an_error_there_alone),
		cmocka_unit_test(vhd_block_that_is_partly_behind_the_end_is_read_up_to_there),
		cmocka_unit_test(vhd_opens_without_reading_its_table),
		cmocka_unit_test(vhd_parent_is_found_by_each_kind_of_name),
		cmocka_unit_test(vhd_parent_is_found_by_the_name_in_the_header),
		cmocka_unit_test(vhd_names_of_foreign_letters_are_decoded),
		cmocka_unit_test(vhd_chain_of_three_is_read),
		cmocka_unit_test(vhd_over_another_disk_of_that_name_is_refused),
		cmocka_unit_test(vhd_without_its_parent_is_refused),
		cmocka_unit_test(vhd_that_does_not_name_its_parent_is_refused),
		cmocka_unit_test(vhd_that_leads_back_to_itself_is_refused),
		cmocka_unit_test(vhd_over_a_disk_of_another_format_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
