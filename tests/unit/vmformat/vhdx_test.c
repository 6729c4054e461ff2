/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_blocks.h"
#include "tests/unit/vmformat/test_vhdx.h"

#define BLOCK TEST_VHDX_MIB
#define CAPACITY (5000ull * BLOCK + 1536) /* two chunks */

/* ---- helpers ---- */

/* Blocks 0 and 1 (adjacent), 4097 (in the second chunk), the last. */
static void make_dynamic(struct test_vhdx *t)
{
	test_vhdx_init(t, CAPACITY, false, 1);
	test_vhdx_add(t, 0, TEST_VHDX_PRESENT, 10);
	test_vhdx_add(t, 1, TEST_VHDX_PRESENT, 11);
	test_vhdx_add(t, 5000, TEST_VHDX_PRESENT, 12);
	test_vhdx_add(t, 4097, TEST_VHDX_PRESENT, 13);
}

/* ---- where bytes are ---- */

static void vhdx_crc_is_castagnoli(void **state)
{
	const uint8_t digits[] = "123456789", zeros[9] = { 49, 50, 0, 0, 0, 0, 55, 56, 57 };

	(void)state;
	assert_int_equal(vhdx_crc32c(digits, 9, SIZE_MAX), 0xe3069283);
	assert_int_equal(vhdx_crc32c(digits, 9, 2), vhdx_crc32c(zeros, 9, SIZE_MAX));
	assert_int_equal(vhdx_crc32c_add(vhdx_crc32c_add(0, digits, 4), digits + 4, 5), 0xe3069283);
}

static void vhdx_blocks_are_found(void **state)
{
	struct test_memory m;
	struct test_vhdx t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	finish_image(&m, "a.vhdx", &t.image);
	disk = open_disk(&m, "a.vhdx");
	assert_string_equal(disk->format->name, "vhdx");
	assert_int_equal(disk->capacity, CAPACITY);
	assert_int_equal(disk->unit_limit, 0);
	check_content(disk, 0, BLOCK, 10, 0);
	check_content(disk, BLOCK + 700, 1000, 11, 700);
	check_content(disk, 4097ull * BLOCK, BLOCK, 13, 0);
	check_content(disk, 5000ull * BLOCK, 1536, 12, 0);
	check_zeros(disk, 2 * BLOCK, 3 * BLOCK);
	assert_int_equal(map(disk, 100, 10 * BLOCK).length, 2 * BLOCK - 100);
	assert_int_equal(map(disk, 2 * BLOCK, 1000ull * BLOCK).length, 512ull * BLOCK); /* at most that many at once */
	assert_int_equal(map(disk, 4000ull * BLOCK, 1000ull * BLOCK).length, 97 * BLOCK); /* over the bitmap's entry */
	disk_close(disk);
	test_memory_free(&m);
}

static void vhdx_block_states_that_hold_nothing_are_zeros(void **state)
{
	static const unsigned states[] = { 0, 1, 2, 3, 5 };
	struct test_memory m;
	struct test_vhdx t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	for (unsigned i = 0; i < ARRAY_SIZE(states); i++)
		le64_store(test_vhdx_entry(&t, 100 + i), (7ull << 20) | states[i]); /* their place means nothing */
	finish_image(&m, "a.vhdx", &t.image);
	disk = open_disk(&m, "a.vhdx");
	check_zeros(disk, 99ull * BLOCK, 7 * BLOCK);
	assert_int_equal(map(disk, 99ull * BLOCK, 7 * BLOCK).length, 7 * BLOCK);
	disk_close(disk);
	test_memory_free(&m);
}

static void vhdx_newer_sound_header_counts(void **state)
{
	static const struct {
		uint64_t first, second; /* sequence numbers; 0: damaged */
		uint16_t bad;           /* which of them must not count: it has version 9 */
	} cases[] = { { 6, 7, 1 }, { 9, 7, 2 }, { 0, 7, 1 }, { 9, 0, 2 }, { 1, UINT64_MAX, 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_memory m;
		struct test_vhdx t;

		test_memory_init(&m);
		make_dynamic(&t);
		le64_store(t.image.bytes + TEST_VHDX_HEADER_1 + 8, cases[i].first);
		le64_store(t.image.bytes + TEST_VHDX_HEADER_2 + 8, cases[i].second);
		le16_store(t.image.bytes + (cases[i].bad == 1 ? TEST_VHDX_HEADER_1 : TEST_VHDX_HEADER_2) + 66, 9);
		test_vhdx_seal(&t);
		if (!cases[i].first)
			t.image.bytes[TEST_VHDX_HEADER_1 + 3000] ^= 1;
		if (!cases[i].second)
			t.image.bytes[TEST_VHDX_HEADER_2 + 3000] ^= 1;
		finish_image(&m, "a.vhdx", &t.image);
		disk_close(open_disk(&m, "a.vhdx"));
		test_memory_free(&m);
	}
}

static void vhdx_second_region_table_is_a_spare(void **state)
{
	struct test_memory m;
	struct test_vhdx t;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	t.image.bytes[TEST_VHDX_REGIONS_1 + 60000] ^= 1;
	put_image(&m, "a.vhdx", &t.image);
	disk_close(open_disk(&m, "a.vhdx"));
	t.image.bytes[TEST_VHDX_REGIONS_2 + 60000] ^= 1;
	put_image(&m, "a.vhdx", &t.image);
	check_refused(&m, "a.vhdx", -EINVAL, "a.vhdx: both copies of its region table are damaged");
	test_image_free(&t.image);
	test_memory_free(&m);
}

static void vhdx_with_unknown_parts_is_played_only_if_they_are_not_required(void **state)
{
	static const char guid[] = "12345678-9abc-def0-1234-56789abcdef0";

	(void)state;
	for (uint32_t required = 0; required < 2; required++)
		for (unsigned metadata = 0; metadata < 2; metadata++) {
			struct test_memory m;
			struct test_vhdx t;

			test_memory_init(&m);
			make_dynamic(&t);
			if (metadata)
				test_vhdx_item(&t, guid, 0, 0, required * 4);
			else
				test_vhdx_region(t.image.bytes + TEST_VHDX_REGIONS_1, guid, 1, 1, required);
			test_vhdx_seal(&t);
			finish_image(&m, "a.vhdx", &t.image);
			if (required)
				check_refused(&m, "a.vhdx", -ENOTSUP,
				              metadata ? "does not know (metadata 12345678-9abc-def0-1234-56789abcdef0)"
				                       : "does not know (region 12345678-9abc-def0-1234-56789abcdef0)");
			else
				disk_close(open_disk(&m, "a.vhdx"));
			test_memory_free(&m);
		}
}

static void vhdx_metadata_of_users_is_not_ours(void **state)
{
	struct test_memory m;
	struct test_vhdx t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	/* The GUID of the disk's size, but a user's. */
	test_vhdx_item(&t, "2fa54224-cd1b-4876-b211-5dbed83bf4b8", TEST_VHDX_ITEMS - TEST_VHDX_METADATA, 8, 1);
	finish_image(&m, "a.vhdx", &t.image);
	disk = open_disk(&m, "a.vhdx");
	assert_int_equal(disk->capacity, CAPACITY);
	disk_close(disk);
	test_memory_free(&m);
}

static uint64_t bytes_read_so_far(void)
{
	unsigned long long n = 0;
	FILE *file = fopen("/proc/self/io", "r");

	if (!file || fscanf(file, "rchar: %llu", &n) != 1)
		n = 0;
	if (file)
		fclose(file);
	return n;
}

/* A table of 512 MiB: a few pages of it tell whether the file was cut. */
static void vhdx_opens_without_reading_its_table(void **state)
{
	uint64_t before;
	struct test_memory m;
	struct test_vhdx t;
	struct disk_extent extent;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	test_vhdx_init(&t, 64ull << 40, false, 1);
	le32_store(t.image.bytes + TEST_VHDX_REGIONS_1 + 16 + 24, 1024u << 20);
	test_vhdx_seal(&t);
	finish_image(&m, "a.vhdx", &t.image);
	test_memory_resize(&m, "a.vhdx", 2048ull << 20);
	before = bytes_read_so_far();
	disk = open_disk(&m, "a.vhdx");
	assert_in_range(bytes_read_so_far() - before, 0, 320 << 10);
	assert_int_equal(disk->capacity, 64ull << 40);
	assert_int_equal(disk_map(disk, (64ull << 40) - 512, 512, &extent, NULL), 0);
	assert_int_equal(extent.kind, DISK_ZERO);
	disk_close(disk);
	test_memory_free(&m);
}

/* ---- faults ---- */

static void vhdx_with_a_wrong_field_is_refused(void **state)
{
	enum { H = TEST_VHDX_HEADER_2, R = TEST_VHDX_REGIONS_1, M = TEST_VHDX_METADATA, I = TEST_VHDX_ITEMS };
	static const struct {
		size_t place, size;
		uint64_t value;
		int code;
		const char *words;
	} cases[] = {
		{ H + 66, 2, 2, -ENOTSUP, "a.vhdx has version 2 of the VHDX format; Vitrine knows 1" },
		{ H + 72, 8, 4096, -EINVAL, "the place of its log is 4096, but must be whole MiB behind the headers" },
		{ H + 72, 8, 0, -EINVAL, "the place of its log is 0" },
		{ H + 68, 4, 4096, -EINVAL, "the place of its log is" },
		{ H + 72, 8, 2u << 20, -EINVAL, "its log, table of blocks and metadata overlap" },
		{ R + 8, 4, 2048, 0, NULL }, /* the second copy is sound */
		{ R + 16 + 16, 8, 0, -EINVAL, "the place of a region is 0, but must be whole MiB" },
		{ R + 16 + 16, 8, (3u << 20) + 512, -EINVAL, "the place of a region is 3146240" },
		{ R + 16 + 16, 8, 1ull << 60, -EINVAL, "the place of a region is 1152921504606846976, but must be in" },
		{ R + 16 + 16, 8, 1ull << 30, -ENODATA, "a.vhdx ends after 8.4 MB of 1.1 GB" },
		{ R + 16 + 24, 4, 0, -EINVAL, "the place of a region" },
		{ R + 16 + 24, 4, 512, -EINVAL, "the place of a region" },
		{ R + 16 + 16, 8, 2u << 20, -EINVAL, "its log, table of blocks and metadata overlap" },
		{ R + 48, 8, 0x42002dc27766, -ENOTSUP, "a part of the VHDX format that Vitrine does not know" },
		{ R + 8, 4, 1, -EINVAL, "a.vhdx lacks its metadata" },
		{ R + 8, 4, 0, -EINVAL, "a.vhdx lacks its table of blocks" },
		{ M, 1, 'x', -EINVAL, "its table of metadata is damaged" },
		{ M + 10, 2, 2048, -EINVAL, "its table of metadata is damaged" },
		{ M + 10, 2, 0, -EINVAL, "its metadata lacks the file parameters" },
		{ M + 10, 2, 1, -EINVAL, "its metadata lacks the virtual disk size" },
		{ M + 32 + 16, 4, 100, -EINVAL,
		  "its file parameters has 8 bytes at 100 of the metadata, which cannot be" },
		{ M + 32 + 16, 4, UINT32_MAX, -EINVAL, "its file parameters has" },
		{ M + 32 + 20, 4, 7, -EINVAL, "its file parameters has 7 bytes" },
		{ M + 32 + 20, 4, UINT32_MAX, -EINVAL, "its file parameters has" },
		{ I, 4, 1u << 19, -EINVAL, "the block size is 524288, but must be a power of two from 1 to 256 MiB" },
		{ I, 4, 1u << 29, -EINVAL, "the block size is 536870912" },
		{ I, 4, 3u << 20, -EINVAL, "the block size is 3145728" },
		{ I + 4, 4, 2, -EINVAL, "its metadata lacks the parent locator" },
		{ I + 16, 8, 0, -EINVAL, "the disk's size is 0" },
		{ I + 16, 8, 1000, -EINVAL, "the disk's size is 1000, but must be whole sectors" },
		{ I + 16, 8, (64ull << 40) + 512, -EINVAL, "the disk's size is 70368744178176" },
		{ I + 16, 8, 64ull << 40, -EINVAL, "the size of its table of blocks is 1048576, but must be enough" },
		{ I + 32, 4, 4096, -ENOTSUP,
		  "a.vhdx is a disk with sectors of 4,096 bytes; the drives of Vitrine have 512" },
		{ I + 32, 4, 1024, -EINVAL, "the logical sector size is 1024" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_memory m;
		struct test_vhdx t;
		uint8_t value[8];

		make_dynamic(&t);
		le64_store(value, cases[i].value);
		memcpy(t.image.bytes + cases[i].place, value, cases[i].size);
		test_vhdx_seal(&t);
		if (cases[i].code) {
			check_faulty_image("a.vhdx", &t.image, cases[i].code, cases[i].words);
			continue;
		}
		test_memory_init(&m);
		finish_image(&m, "a.vhdx", &t.image);
		disk_close(open_disk(&m, "a.vhdx"));
		test_memory_free(&m);
	}
}

static void vhdx_with_a_region_twice_is_refused(void **state)
{
	struct test_vhdx t;

	(void)state;
	make_dynamic(&t);
	test_vhdx_region(t.image.bytes + TEST_VHDX_REGIONS_1, "2dc27766-f623-4200-9d64-115e9bfd4a08", 5u << 20,
	                 1u << 20, 1);
	test_vhdx_seal(&t);
	check_faulty_image("a.vhdx", &t.image, -EINVAL, "the place of a second region of a kind is 5242880");
}

static void vhdx_with_two_damaged_headers_is_refused(void **state)
{
	struct test_vhdx t;

	(void)state;
	make_dynamic(&t);
	t.image.bytes[TEST_VHDX_HEADER_1] ^= 1;
	t.image.bytes[TEST_VHDX_HEADER_2 + 4095] ^= 1;
	check_faulty_image("a.vhdx", &t.image, -EINVAL, "a.vhdx: both of its headers are damaged");
}

static void vhdx_that_was_cut_is_refused_wherever(void **state)
{
	struct test_vhdx t;

	(void)state;
	make_dynamic(&t);
	for (size_t size = t.image.size - 1; size > 8; size = size * 4 / 5) {
		struct test_memory m;

		test_memory_init(&m);
		test_memory_write(&m, "a.vhdx", t.image.bytes, size);
		check_refused(&m, "a.vhdx", -ENODATA, "the download was probably interrupted");
		test_memory_free(&m);
	}
	test_image_free(&t.image);
}

/* Over headers, log, metadata, BAT; behind the end; in a state that there is not; partly present without a parent. */
static void vhdx_block_in_a_wrong_place_is_an_error_there_alone(void **state)
{
	static const struct {
		uint64_t entry;
		int code;
	} cases[] = {
		{ 0 | 6, -EIO },       { 1 << 20 | 6, -EIO },          { 2 << 20 | 6, -EIO },
		{ 3 << 20 | 6, -EIO }, { UINT64_MAX << 20 | 6, -EIO }, { 4 << 20 | 4, -EIO },
		{ 4 << 20 | 7, -EIO }, { 50ull << 40 | 6, -ENODATA },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_memory m;
		struct test_vhdx t;
		struct disk *disk;
		uint8_t byte;

		test_memory_init(&m);
		make_dynamic(&t);
		le64_store(test_vhdx_entry(&t, 70), cases[i].entry);
		finish_image(&m, "a.vhdx", &t.image);
		disk = open_disk(&m, "a.vhdx");
		assert_int_equal(disk_read(disk, 70ull * BLOCK, &byte, 1), cases[i].code);
		check_content(disk, 4097ull * BLOCK, BLOCK, 13, 0);
		disk_close(disk);
		test_memory_free(&m);
	}
}

/* In the first and the last page of its table; what an entry of a bitmap says is no block's place. */
static void vhdx_block_behind_the_end_is_a_cut_file(void **state)
{
	static const uint32_t blocks[] = { 70, 5000 };
	struct test_memory m;
	struct test_vhdx t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		make_dynamic(&t);
		le64_store(test_vhdx_entry(&t, blocks[i]), 1000ull << 20 | 6);
		check_faulty_image("a.vhdx", &t.image, -ENODATA, "a.vhdx ends after 8.4 MB of 1.0 GB");
	}
	test_memory_init(&m);
	make_dynamic(&t);
	le64_store(test_vhdx_entry(&t, TEST_VHDX_CHUNK - 1) + 8, 1000ull << 20 | 6);
	finish_image(&m, "a.vhdx", &t.image);
	disk_close(open_disk(&m, "a.vhdx"));
	test_memory_free(&m);
}

/* A block over two blocks of a run: the second of them lies in the BAT, so the run ends before. */
static void vhdx_run_of_blocks_ends_before_a_wrong_one(void **state)
{
	struct test_memory m;
	struct test_vhdx t;
	struct disk *disk;
	uint8_t byte;

	(void)state;
	test_memory_init(&m);
	make_dynamic(&t);
	le32_store(t.image.bytes + TEST_VHDX_REGIONS_1 + 16 + 16, 5u << 20);
	memcpy(t.image.bytes + (5u << 20), t.image.bytes + TEST_VHDX_BAT, BLOCK);
	test_vhdx_seal(&t);
	finish_image(&m, "a.vhdx", &t.image);
	disk = open_disk(&m, "a.vhdx");
	assert_int_equal(map(disk, 0, 2 * BLOCK).length, BLOCK);
	assert_int_equal(disk_read(disk, BLOCK, &byte, 1), -EIO);
	disk_close(disk);
	test_memory_free(&m);
}

/* ---- differencing ---- */

#define GUID_OF_ONES "{01010101-0101-0101-0101-010101010101}"
#define GUID_OF_NINES "{09090909-0909-0909-0909-090909090909}"

/* Block 0: sectors 0, 1, 9 and the last; 1: none, zeros; 4097: all; 5000: sector 1. */
static void make_child(struct test_vhdx *t, const char *linkage)
{
	size_t bitmap;

	test_vhdx_init(t, CAPACITY, true, 2);
	test_vhdx_locator(t, "parent_linkage", linkage);
	test_vhdx_add(t, 0, TEST_VHDX_PARTIAL, 20);
	le64_store(test_vhdx_entry(t, 1), 2);
	test_vhdx_add(t, 4097, TEST_VHDX_PRESENT, 21);
	test_vhdx_add(t, 5000, TEST_VHDX_PARTIAL, 22);
	bitmap = test_vhdx_bitmap(t, 0);
	t->image.bytes[bitmap] = 0x03;
	t->image.bytes[bitmap + 1] = 0x02;
	t->image.bytes[bitmap + 255] = 0x80;
	bitmap = test_vhdx_bitmap(t, 1);
	t->image.bytes[bitmap + (5000 - 4096) * 256] = 0x02;
}

static void check_child(struct disk *disk)
{
	check_content(disk, 0, 2 * 512, 20, 0);
	check_content(disk, 2 * 512, 7 * 512, 10, 2 * 512);
	check_content(disk, 9 * 512, 512, 20, 9 * 512);
	check_content(disk, 10 * 512, BLOCK - 11 * 512, 10, 10 * 512);
	check_content(disk, BLOCK - 512, 512, 20, BLOCK - 512);
	check_zeros(disk, BLOCK, BLOCK);
	check_content(disk, 4097ull * BLOCK, BLOCK, 21, 0);
	check_content(disk, 5000ull * BLOCK, 512, 12, 0);
	check_content(disk, 5000ull * BLOCK + 512, 512, 22, 512);
	check_content(disk, 5000ull * BLOCK + 1024, 512, 12, 1024);
}

static void make_base(struct test_memory *m)
{
	struct test_vhdx t;

	make_dynamic(&t);
	finish_image(m, "base.vhdx", &t.image);
}

static void vhdx_parent_is_found_by_each_kind_of_name(void **state)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
		{ "relative_path", ".\\base.vhdx" },
		{ "relative_path", "..\\base\\base.vhdx" },
		{ "volume_path", "\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\VMs\\base.vhdx" },
		{ "absolute_win32_path", "\\\\?\\C:\\VMs\\base.vhdx" },
		{ "absolute_win32_path", "C:\\base.vhdx" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_memory m;
		struct test_vhdx t;
		struct disk *disk;

		test_memory_init(&m);
		make_base(&m);
		make_child(&t, GUID_OF_ONES);
		test_vhdx_locator(&t, cases[i].key, cases[i].value);
		finish_image(&m, "child.vhdx", &t.image);
		disk = open_disk(&m, "child.vhdx");
		check_child(disk);
		disk_close(disk);
		test_memory_free(&m);
	}
}

static void vhdx_parent_in_a_merge_is_told_by_the_second_linkage(void **state)
{
	struct test_memory m;
	struct test_vhdx t;

	(void)state;
	test_memory_init(&m);
	make_base(&m);
	make_child(&t, GUID_OF_NINES);
	test_vhdx_locator(&t, "parent_linkage2", GUID_OF_ONES);
	test_vhdx_locator(&t, "relative_path", "base.vhdx");
	finish_image(&m, "child.vhdx", &t.image);
	disk_close(open_disk(&m, "child.vhdx"));
	test_memory_free(&m);
}

static void vhdx_over_another_state_of_its_parent_is_refused(void **state)
{
	struct test_memory m;
	struct test_vhdx t;

	(void)state;
	test_memory_init(&m);
	make_base(&m);
	make_child(&t, GUID_OF_NINES);
	test_vhdx_locator(&t, "relative_path", "base.vhdx");
	finish_image(&m, "child.vhdx", &t.image);
	check_refused(
		&m, "child.vhdx", -EINVAL,
		"child.vhdx holds changes to another state of base.vhdx: it needs the one with the id " GUID_OF_NINES
		", which now has " GUID_OF_ONES);
	test_memory_free(&m);
}

static void vhdx_without_its_parent_is_refused(void **state)
{
	struct test_memory m;
	struct test_vhdx t;

	(void)state;
	test_memory_init(&m);
	make_child(&t, GUID_OF_ONES);
	test_vhdx_locator(&t, "relative_path", ".\\base.vhdx");
	finish_image(&m, "child.vhdx", &t.image);
	check_refused(&m, "child.vhdx", -ENOENT, "child.vhdx holds only changes to base.vhdx, which is missing");
	test_memory_free(&m);
}

static void vhdx_that_leads_back_to_itself_is_refused(void **state)
{
	struct test_memory m;
	struct test_vhdx t;

	(void)state;
	test_memory_init(&m);
	make_child(&t, "{02020202-0202-0202-0202-020202020202}");
	test_vhdx_locator(&t, "relative_path", "child.vhdx");
	finish_image(&m, "child.vhdx", &t.image);
	check_refused(&m, "child.vhdx", -ELOOP, "leads back to itself");
	test_memory_free(&m);
}

static void vhdx_with_a_faulty_locator_is_refused(void **state)
{
	enum { L = TEST_VHDX_LOCATOR };
	static const struct {
		size_t place, size;
		uint64_t value;
		int code;
		const char *words;
	} cases[] = {
		{ L, 4, 0, -ENOTSUP, "lies over another disk that is no VHDX" },
		{ L + 18, 2, 0, -EINVAL, "does not say to which" },
		{ L + 18, 2, 1, -EINVAL, "does not say to which" },
		{ L + 20, 4, UINT32_MAX, -EINVAL, "does not say to which" },
		{ L + 24, 4, 8190, -EINVAL, "does not say to which" },
		{ L + 28, 2, UINT16_MAX, -EINVAL, "does not say to which" },
		{ L + 30, 2, UINT16_MAX, -EINVAL, "does not say to which" },
		{ L + 30, 2, 0, -EINVAL, "does not say to which" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_vhdx t;
		uint8_t value[8];

		make_child(&t, GUID_OF_ONES);
		test_vhdx_locator(&t, "relative_path", "base.vhdx");
		le64_store(value, cases[i].value);
		memcpy(t.image.bytes + cases[i].place, value, cases[i].size);
		check_faulty_image("a.vhdx", &t.image, cases[i].code, cases[i].words);
	}
}

static void vhdx_bitmap_that_is_not_there_is_an_error_there_alone(void **state)
{
	static const uint64_t entries[] = { 0, 1, 1 << 20 | 6, 3 << 20 | 6, UINT64_MAX << 20 | 6 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		struct test_memory m;
		struct test_vhdx t;
		struct disk *disk;
		uint8_t byte;

		test_memory_init(&m);
		make_base(&m);
		make_child(&t, GUID_OF_ONES);
		test_vhdx_locator(&t, "relative_path", "base.vhdx");
		le64_store(test_vhdx_entry(&t, 4095) + 8, entries[i]);
		finish_image(&m, "child.vhdx", &t.image);
		disk = open_disk(&m, "child.vhdx");
		assert_int_equal(disk_read(disk, 0, &byte, 1), -EIO);
		check_content(disk, 4097ull * BLOCK, BLOCK, 21, 0);
		disk_close(disk);
		test_memory_free(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vhdx_crc_is_castagnoli),
		cmocka_unit_test(vhdx_blocks_are_found),
		cmocka_unit_test(vhdx_block_states_that_hold_nothing_are_zeros),
		cmocka_unit_test(vhdx_newer_sound_header_counts),
		cmocka_unit_test(vhdx_second_region_table_is_a_spare),
		cmocka_unit_test(vhdx_with_unknown_parts_is_played_only_if_they_are_not_required),
		cmocka_unit_test(vhdx_metadata_of_users_is_not_ours),
		cmocka_unit_test(vhdx_opens_without_reading_its_table),
		cmocka_unit_test(vhdx_with_a_wrong_field_is_refused),
		cmocka_unit_test(vhdx_with_a_region_twice_is_refused),
		cmocka_unit_test(vhdx_with_two_damaged_headers_is_refused),
		cmocka_unit_test(vhdx_that_was_cut_is_refused_wherever),
		cmocka_unit_test(vhdx_block_in_a_wrong_place_is_an_error_there_alone),
		cmocka_unit_test(vhdx_block_behind_the_end_is_a_cut_file),
		cmocka_unit_test(vhdx_run_of_blocks_ends_before_a_wrong_one),
		cmocka_unit_test(vhdx_parent_is_found_by_each_kind_of_name),
		cmocka_unit_test(vhdx_parent_in_a_merge_is_told_by_the_second_linkage),
		cmocka_unit_test(vhdx_over_another_state_of_its_parent_is_refused),
		cmocka_unit_test(vhdx_without_its_parent_is_refused),
		cmocka_unit_test(vhdx_that_leads_back_to_itself_is_refused),
		cmocka_unit_test(vhdx_with_a_faulty_locator_is_refused),
		cmocka_unit_test(vhdx_bitmap_that_is_not_there_is_an_error_there_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
