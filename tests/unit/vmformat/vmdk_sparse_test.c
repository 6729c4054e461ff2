/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "tests/unit/vmformat/test_files.h"
#include "tests/unit/vmformat/test_vmdk.h"
#include "vmformat/vmdk.h"

#define GRAIN 8u /* sectors */
#define GRAIN_BYTES (GRAIN * 512)
#define CAPACITY 10001u /* sectors: 3 grain tables, and a last grain of one sector */
#define LAST_GRAIN (CAPACITY / GRAIN)

/* ---- helpers ---- */

struct fixture {
	struct test_sparse t;
	struct vmdk_cache *cache;
	struct vmdk_sparse s;
	struct error e;
};

static int open_extent(struct fixture *f)
{
	struct file file = test_file("a.vmdk", f->t.bytes, f->t.size);
	int r;

	error_clear(&f->e);
	f->cache = vmdk_cache_new();
	assert_non_null(f->cache);
	r = vmdk_sparse_open(&f->s, &file, f->cache, 0, &f->e);
	file_close(&file);
	if (r < 0)
		vmdk_cache_free(f->cache);
	return r;
}

static void close_extent(struct fixture *f)
{
	vmdk_sparse_close(&f->s);
	vmdk_cache_free(f->cache);
}

/* An extent with some grains: 0, 1, 2 adjacent in the file, 3 elsewhere, 600 and the last one. */
static void make_plain(struct fixture *f, uint32_t flags)
{
	static const uint32_t grains[] = { 0, 1, 2, 600, 3, LAST_GRAIN };
	uint8_t content[GRAIN_BYTES];

	*f = (struct fixture){ 0 };
	test_sparse_init(&f->t, CAPACITY, GRAIN, flags);
	for (unsigned i = 0; i < ARRAY_SIZE(grains); i++) {
		test_fill(content, sizeof(content), grains[i]);
		test_sparse_add(&f->t, grains[i], content);
	}
}

static void make_packed(struct fixture *f)
{
	static const uint32_t grains[] = { 0, 1, 600 };
	uint8_t content[GRAIN_BYTES];

	*f = (struct fixture){ 0 };
	test_sparse_init(&f->t, CAPACITY, GRAIN, TEST_VMDK_COMPRESSED);
	for (unsigned i = 0; i < ARRAY_SIZE(grains); i++) {
		test_fill(content, sizeof(content), grains[i]);
		test_sparse_add_packed(&f->t, grains[i], content, sizeof(content));
	}
	test_fill(content, sizeof(content), LAST_GRAIN);
	test_sparse_add_packed(&f->t, LAST_GRAIN, content, 512);
}

static struct disk_extent map(const struct fixture *f, uint64_t offset, uint64_t length)
{
	struct disk_extent extent;

	assert_int_equal(vmdk_sparse_map(&f->s, offset, length, &extent), 0);
	assert_in_range(extent.length, 1, length);
	return extent;
}

static void check_content(uint32_t grain, const struct disk_extent *extent)
{
	uint8_t expected[GRAIN_BYTES], found[GRAIN_BYTES];
	size_t length = (size_t)MIN(extent->length, sizeof(found));

	test_fill(expected, sizeof(expected), grain);
	assert_int_equal(pread(extent->fd, found, length, (off_t)extent->fd_offset), (ssize_t)length);
	assert_memory_equal(found, expected, length);
}

static void check_open_refused(struct fixture *f, int code, const char *words)
{
	assert_int_equal(open_extent(f), code);
	assert_int_equal(f->e.code, code);
	if (!strstr(f->e.text, words))
		fail_msg("\"%s\" lacks \"%s\"", f->e.text, words);
}

/* ---- where bytes are ---- */

static void vmdk_grains_are_found(void **state)
{
	struct fixture f;
	struct disk_extent extent;

	(void)state;
	make_plain(&f, 0);
	assert_int_equal(open_extent(&f), 0);
	assert_int_equal(f.s.capacity, CAPACITY * 512);
	extent = map(&f, 600 * GRAIN_BYTES, GRAIN_BYTES);
	assert_int_equal(extent.kind, DISK_DATA);
	assert_int_equal(extent.length, GRAIN_BYTES);
	check_content(600, &extent);
	extent = map(&f, 3 * GRAIN_BYTES + 1000, 50);
	assert_int_equal(extent.kind, DISK_DATA);
	assert_int_equal(extent.length, 50);
	assert_int_equal(extent.fd_offset % GRAIN_BYTES % 512, 1000 % 512);
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_adjacent_grains_become_one_extent(void **state)
{
	struct fixture f;
	struct disk_extent extent;

	(void)state;
	make_plain(&f, 0);
	assert_int_equal(open_extent(&f), 0);
	extent = map(&f, 100, 1 << 20);
	assert_int_equal(extent.kind, DISK_DATA);
	assert_int_equal(extent.length, 3 * GRAIN_BYTES - 100); /* 3 lies elsewhere in the file */
	extent = map(&f, 3 * GRAIN_BYTES, GRAIN_BYTES);
	check_content(3, &extent);
	extent = map(&f, 4 * GRAIN_BYTES, UINT32_MAX);
	assert_int_equal(extent.kind, DISK_ZERO);
	assert_int_equal(extent.length, 508 * GRAIN_BYTES); /* to the end of the grain table */
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_window_of_a_tar_is_respected(void **state)
{
	struct fixture f;
	struct disk_extent extent;
	struct file tar, window;
	uint8_t *bytes;

	(void)state;
	make_plain(&f, 0);
	bytes = calloc(1, f.t.size + 1024);
	assert_non_null(bytes);
	memcpy(bytes + 512, f.t.bytes, f.t.size);
	tar = test_file("a.ova", bytes, f.t.size + 1024);
	free(bytes);
	assert_int_equal(file_window(&tar, 512, f.t.size, "a.ova: a.vmdk", &window, NULL), 0);
	file_close(&tar);
	f.cache = vmdk_cache_new();
	assert_int_equal(vmdk_sparse_open(&f.s, &window, f.cache, 0, &f.e), 0);
	assert_int_equal(window.fd, -1);
	extent = map(&f, 600 * GRAIN_BYTES, GRAIN_BYTES);
	check_content(600, &extent);
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_last_grain_is_cut_by_the_capacity(void **state)
{
	struct fixture f;
	struct disk_extent extent;

	(void)state;
	make_plain(&f, 0);
	f.t.size -= GRAIN_BYTES - 512; /* the file need not have what the capacity leaves out */
	assert_int_equal(open_extent(&f), 0);
	extent = map(&f, LAST_GRAIN * GRAIN_BYTES, 512);
	assert_int_equal(extent.length, 512);
	check_content(LAST_GRAIN, &extent);
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_zeroed_grains_are_zero_only_with_their_flag(void **state)
{
	struct fixture f;
	struct disk_extent extent;

	(void)state;
	make_plain(&f, TEST_VMDK_ZEROED);
	le32_store(f.t.bytes + test_sparse_entry(&f.t, 5), 1);
	assert_int_equal(open_extent(&f), 0);
	extent = map(&f, 4 * GRAIN_BYTES, 4 * GRAIN_BYTES);
	assert_int_equal(extent.kind, DISK_ZERO);
	assert_int_equal(extent.length, 4 * GRAIN_BYTES);
	close_extent(&f);
	le32_store(f.t.bytes + 8, 1);
	assert_int_equal(open_extent(&f), 0);
	extent = map(&f, 5 * GRAIN_BYTES, GRAIN_BYTES);
	assert_int_equal(extent.kind, DISK_DATA);
	assert_int_equal(extent.fd_offset, 512);
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_missing_grain_table_reads_as_zeros(void **state)
{
	struct fixture f;
	struct disk_extent extent;

	(void)state;
	make_plain(&f, 0);
	le32_store(f.t.bytes + f.t.gd + 4, 0);
	assert_int_equal(open_extent(&f), 0);
	extent = map(&f, 512 * GRAIN_BYTES, 1u << 30);
	assert_int_equal(extent.kind, DISK_ZERO);
	assert_int_equal(extent.length, 512 * GRAIN_BYTES);
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_opening_reads_no_table_and_maps_read_one(void **state)
{
	struct fixture f;
	struct disk_extent extent;

	(void)state;
	make_plain(&f, 0);
	memset(f.t.bytes + test_sparse_table(&f.t, 0), 0xff, 2048); /* damage elsewhere does not matter */
	assert_int_equal(open_extent(&f), 0);
	extent = map(&f, 600 * GRAIN_BYTES, GRAIN_BYTES);
	check_content(600, &extent);
	assert_int_equal(vmdk_sparse_map(&f.s, 0, 512, &extent), -EIO);
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_tables_that_share_a_cache_slot_do_not_mix(void **state)
{
	enum { TABLES = 300 };
	struct fixture f = { 0 };
	uint8_t content[GRAIN_BYTES];

	(void)state;
	test_sparse_init(&f.t, TABLES * 512 * GRAIN, GRAIN, 0);
	for (uint32_t i = 0; i < TABLES; i++) {
		test_fill(content, sizeof(content), i);
		test_sparse_add(&f.t, i * 512 + i, content);
	}
	assert_int_equal(open_extent(&f), 0);
	for (unsigned round = 0; round < 2; round++)
		for (uint32_t i = 0; i < TABLES; i++) {
			uint32_t table = round ? i : i * 128 % TABLES;
			struct disk_extent extent = map(&f, (table * 512ull + table) * GRAIN_BYTES, GRAIN_BYTES);

			assert_int_equal(extent.kind, DISK_DATA);
			check_content(table, &extent);
		}
	close_extent(&f);
	test_sparse_free(&f.t);
}

/* ---- damage in tables ---- */

static void vmdk_grain_behind_the_end_of_the_file_is_an_error(void **state)
{
	struct fixture f;
	struct disk_extent extent;

	(void)state;
	make_plain(&f, 0);
	le32_store(f.t.bytes + test_sparse_entry(&f.t, 2), UINT32_MAX);
	assert_int_equal(open_extent(&f), 0);
	assert_int_equal(map(&f, 0, 1 << 20).length, 2 * GRAIN_BYTES);
	assert_int_equal(vmdk_sparse_map(&f.s, 2 * GRAIN_BYTES, 512, &extent), -EIO);
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_truncated_grain_table_is_rejected(void **state)
{
	struct fixture f;
	struct disk_extent extent;

	(void)state;
	make_plain(&f, 0);
	le32_store(f.t.bytes + f.t.gd, (uint32_t)(f.t.size / 512 - 3)); /* 2,048 bytes do not fit */
	le32_store(f.t.bytes + f.t.gd + 4, UINT32_MAX);
	assert_int_equal(open_extent(&f), 0);
	assert_int_equal(vmdk_sparse_map(&f.s, 0, 512, &extent), -EIO);
	assert_int_equal(vmdk_sparse_map(&f.s, 512 * GRAIN_BYTES, 512, &extent), -EIO);
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_redundant_directory_serves_when_the_first_is_damaged(void **state)
{
	struct fixture f;
	struct disk_extent extent;
	size_t rgd;

	(void)state;
	make_plain(&f, TEST_VMDK_REDUNDANT);
	rgd = test_sparse_append(&f.t, 512);
	memcpy(f.t.bytes + rgd, f.t.bytes + f.t.gd, 512);
	le64_store(f.t.bytes + 48, rgd / 512);
	le32_store(f.t.bytes + f.t.gd + 4, UINT32_MAX);
	assert_int_equal(open_extent(&f), 0);
	extent = map(&f, 600 * GRAIN_BYTES, GRAIN_BYTES);
	assert_int_equal(extent.kind, DISK_DATA);
	check_content(600, &extent);
	close_extent(&f);
	le64_store(f.t.bytes + 48, UINT64_MAX / 4); /* an unusable one is left alone */
	assert_int_equal(open_extent(&f), 0);
	assert_int_equal(vmdk_sparse_map(&f.s, 600 * GRAIN_BYTES, 512, &extent), -EIO);
	close_extent(&f);
	test_sparse_free(&f.t);
}

/* Zero, behind the end of the file, or with a table that is missing: what the second one leads to is right. */
static void vmdk_redundant_directory_takes_the_place_of_a_lost_one(void **state)
{
	enum { HEADER_GD = 56 };
	static const uint64_t places[] = { 0, 1 << 30, UINT64_MAX - 5, TEST_VMDK_GD / 512 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct disk_extent extent;
		struct fixture f;
		size_t rgd;

		make_plain(&f, TEST_VMDK_REDUNDANT);
		rgd = test_sparse_append(&f.t, 512);
		memcpy(f.t.bytes + rgd, f.t.bytes + f.t.gd, 512);
		le64_store(f.t.bytes + 48, rgd / 512);
		le64_store(f.t.bytes + HEADER_GD, places[i]);
		memset(f.t.bytes + f.t.gd, 0, 512); /* where it still is one, it has lost its tables */
		assert_int_equal(open_extent(&f), 0);
		extent = map(&f, 600 * GRAIN_BYTES, GRAIN_BYTES);
		assert_int_equal(extent.kind, DISK_DATA);
		check_content(600, &extent);
		close_extent(&f);
		/* Without its flag it counts for nothing. */
		le32_store(f.t.bytes + 8, 1);
		if (places[i] != TEST_VMDK_GD / 512)
			check_open_refused(&f, -EINVAL, "the grain directory's place");
		test_sparse_free(&f.t);
	}
}

static void vmdk_table_that_only_the_redundant_directory_lacks_is_used(void **state)
{
	struct disk_extent extent;
	struct fixture f;
	size_t rgd;

	(void)state;
	make_plain(&f, TEST_VMDK_REDUNDANT);
	rgd = test_sparse_append(&f.t, 512);
	le64_store(f.t.bytes + 48, rgd / 512);
	assert_int_equal(open_extent(&f), 0);
	extent = map(&f, 600 * GRAIN_BYTES, GRAIN_BYTES);
	check_content(600, &extent);
	close_extent(&f);
	/* Damaged in one and missing in the other: that is not "unallocated". */
	le32_store(f.t.bytes + f.t.gd + 4, UINT32_MAX);
	assert_int_equal(open_extent(&f), 0);
	assert_int_equal(vmdk_sparse_map(&f.s, 600 * GRAIN_BYTES, 512, &extent), -EIO);
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_tables_that_point_to_themselves_end(void **state)
{
	struct fixture f;
	struct disk_extent extent;

	(void)state;
	make_plain(&f, 0);
	for (unsigned i = 0; i < 3; i++) /* the directory is a grain table of itself */
		le32_store(f.t.bytes + f.t.gd + i * 4, (uint32_t)(f.t.gd / 512));
	assert_int_equal(open_extent(&f), 0);
	extent = map(&f, 0, GRAIN_BYTES);
	assert_int_equal(extent.fd_offset, f.t.gd);
	close_extent(&f);
	test_sparse_free(&f.t);
}

/* ---- damage in the header ---- */

static void vmdk_header_fields_are_checked(void **state)
{
	static const struct {
		unsigned offset, bytes;
		uint64_t value;
		int code;
		const char *words;
	} cases[] = {
		{ 0, 4, 0x12345678, -EINVAL, "does not begin as a sparse VMDK" },
		{ 4, 4, 0, -ENOTSUP, "version 0" },
		{ 4, 4, 4, -ENOTSUP, "version 4" },
		{ 8, 4, 0x10001, -ENOTSUP, "method 0" },
		{ 12, 8, 0, -EINVAL, "capacity in the header is 0" },
		{ 12, 8, (64ull << 31) + 1, -EINVAL, "capacity" },
		{ 12, 8, UINT64_MAX, -EINVAL, "capacity" },
		{ 12, 8, 1ull << 55, -EINVAL, "capacity" },
		{ 20, 8, 0, -EINVAL, "grain size in the header is 0" },
		{ 20, 8, 4, -EINVAL, "grain size" },
		{ 20, 8, 12, -EINVAL, "grain size" },
		{ 20, 8, 8192, -EINVAL, "grain size" },
		{ 20, 8, 1ull << 63, -EINVAL, "grain size" },
		{ 44, 4, 511, -EINVAL, "entries in a grain table" },
		{ 44, 4, 0, -EINVAL, "entries in a grain table" },
		{ 56, 8, 0, -EINVAL, "grain directory's place in the header is 0" },
		{ 56, 8, UINT64_MAX / 512 + 1, -EINVAL, "grain directory's place" },
		{ 56, 8, UINT64_MAX - 1, -EINVAL, "grain directory's place" },
		{ 56, 8, CAPACITY - 1, -ENODATA, "a.vmdk ends after" },
		{ 73, 4, 0x0a0a0a0a, -EINVAL, "binary mode" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;

		make_plain(&f, 0);
		for (unsigned b = 0; b < cases[i].bytes; b++)
			f.t.bytes[cases[i].offset + b] = (uint8_t)(cases[i].value >> 8 * b);
		check_open_refused(&f, cases[i].code, cases[i].words);
		test_sparse_free(&f.t);
	}
}

static void vmdk_headers_of_all_versions_are_read(void **state)
{
	(void)state;
	for (uint32_t version = 1; version <= 3; version++) {
		struct disk_extent extent;
		struct fixture f;

		make_plain(&f, TEST_VMDK_ZEROED);
		le32_store(f.t.bytes + 4, version);
		le32_store(f.t.bytes + test_sparse_entry(&f.t, 5), 1);
		assert_int_equal(open_extent(&f), 0);
		extent = map(&f, 600 * GRAIN_BYTES, GRAIN_BYTES);
		check_content(600, &extent);
		extent = map(&f, 5 * GRAIN_BYTES, GRAIN_BYTES);
		assert_int_equal(extent.kind, DISK_ZERO);
		close_extent(&f);
		test_sparse_free(&f.t);
	}
}

static void vmdk_directory_of_the_largest_disk_must_be_in_the_file(void **state)
{
	struct fixture f;

	(void)state;
	make_plain(&f, 0);
	le64_store(f.t.bytes + 12, 64ull << 31);
	check_open_refused(&f, -ENODATA, " KB of 134.2 MB; the download");
	test_sparse_free(&f.t);
}

static void vmdk_embedded_descriptor_must_lie_in_the_file(void **state)
{
	static const struct {
		uint64_t offset, size;
		int code;
		const char *words;
	} cases[] = {
		{ 1, 2049, -EINVAL, "size of the description" },
		{ 1, UINT64_MAX, -EINVAL, "size of the description" },
		{ UINT64_MAX / 512 + 1, 1, -EINVAL, "description's place" },
		{ CAPACITY - 1, 1, -ENODATA, "ends after" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;

		make_plain(&f, 0);
		le64_store(f.t.bytes + 28, cases[i].offset);
		le64_store(f.t.bytes + 36, cases[i].size);
		check_open_refused(&f, cases[i].code, cases[i].words);
		test_sparse_free(&f.t);
	}
}

static void vmdk_cut_within_its_header_says_so(void **state)
{
	struct fixture f;

	(void)state;
	make_plain(&f, 0);
	f.t.size = 100;
	check_open_refused(&f, -ENODATA, "a.vmdk ends after 100 of 512 bytes; the download was probably interrupted");
	test_sparse_free(&f.t);
}

static void vmdk_cut_download_is_told_by_its_tables(void **state)
{
	struct fixture f;

	(void)state;
	make_plain(&f, 0);
	assert_int_equal(open_extent(&f), 0);
	assert_int_equal(vmdk_sparse_check_end(&f.s, 3, &f.e), 0);
	close_extent(&f);
	f.t.size -= GRAIN_BYTES;
	assert_int_equal(open_extent(&f), 0);
	assert_int_equal(vmdk_sparse_check_end(&f.s, 3, &f.e), -ENODATA);
	assert_non_null(strstr(f.e.text, "interrupted"));
	close_extent(&f);
	test_sparse_free(&f.t);
	/* A wild entry is damage, not a cut. */
	make_plain(&f, 0);
	le32_store(f.t.bytes + test_sparse_entry(&f.t, 7), UINT32_MAX);
	assert_int_equal(open_extent(&f), 0);
	assert_int_equal(vmdk_sparse_check_end(&f.s, 3, &f.e), 0);
	close_extent(&f);
	test_sparse_free(&f.t);
}

/* ---- streams ---- */

static void check_unpacks(struct fixture *f, uint32_t grain, uint32_t expected_length)
{
	struct disk_extent extent = map(f, (uint64_t)grain * GRAIN_BYTES + 7, 100);
	uint8_t expected[GRAIN_BYTES], found[GRAIN_BYTES];

	assert_int_equal(extent.kind, DISK_PACKED);
	assert_int_equal(extent.length, 100);
	assert_int_equal(extent.unit_offset, (uint64_t)grain * GRAIN_BYTES);
	assert_int_equal(extent.unit_length, expected_length);
	test_fill(expected, sizeof(expected), grain);
	assert_int_equal(vmdk_sparse_unpack(&f->s, extent.unit_offset, extent.unit_key, found, extent.unit_length), 0);
	assert_memory_equal(found, expected, expected_length);
}

static void vmdk_stream_is_read_through_its_footer(void **state)
{
	struct fixture f;

	(void)state;
	make_packed(&f);
	test_sparse_as_stream(&f.t);
	assert_int_equal(open_extent(&f), 0);
	assert_true(f.s.compressed);
	check_unpacks(&f, 0, GRAIN_BYTES);
	check_unpacks(&f, 1, GRAIN_BYTES);
	check_unpacks(&f, 600, GRAIN_BYTES);
	check_unpacks(&f, LAST_GRAIN, 512);
	assert_int_equal(map(&f, 2 * GRAIN_BYTES, 512).kind, DISK_ZERO);
	assert_int_equal(vmdk_sparse_check_end(&f.s, 3, &f.e), 0);
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_stream_may_pack_the_last_grain_whole(void **state)
{
	struct fixture f;
	uint8_t content[GRAIN_BYTES];

	(void)state;
	make_packed(&f);
	test_fill(content, sizeof(content), LAST_GRAIN);
	test_sparse_add_packed(&f.t, LAST_GRAIN, content, sizeof(content));
	test_sparse_as_stream(&f.t);
	assert_int_equal(open_extent(&f), 0);
	check_unpacks(&f, LAST_GRAIN, 512);
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_stream_without_its_footer_was_cut(void **state)
{
	struct fixture f;

	(void)state;
	make_packed(&f);
	test_sparse_as_stream(&f.t);
	f.t.size -= 512;
	check_open_refused(&f, -ENODATA, "a.vmdk ends too early, after ");
	f.t.size = 1024;
	check_open_refused(&f, -ENODATA, "a.vmdk ends too early, after 1.0 KB; the download was probably interrupted");
	test_sparse_free(&f.t);
}

static void vmdk_footer_that_points_to_a_footer_is_rejected(void **state)
{
	struct fixture f;

	(void)state;
	make_packed(&f);
	test_sparse_as_stream(&f.t);
	le64_store(f.t.bytes + f.t.size - 1024 + 56, UINT64_MAX);
	check_open_refused(&f, -EINVAL, "grain directory's place");
	le64_store(f.t.bytes + f.t.size - 1024 + 56, f.t.gd / 512);
	le64_store(f.t.bytes + f.t.size - 1024 + 20, 3);
	check_open_refused(&f, -EINVAL, "grain size");
	test_sparse_free(&f.t);
}

static void vmdk_stream_without_markers_is_refused(void **state)
{
	struct fixture f;

	(void)state;
	make_packed(&f);
	le32_store(f.t.bytes + 8, 0x10001);
	check_open_refused(&f, -ENOTSUP, "no grain markers");
	test_sparse_free(&f.t);
}

/*
 * Spoils the marker or data of grain 1 of a fresh stream by storing value at offset from its marker;
 * unpacking fails.
 */
static void check_spoilt(unsigned offset, uint32_t value)
{
	struct fixture f;
	struct disk_extent extent;
	uint8_t found[GRAIN_BYTES];
	size_t marker;

	make_packed(&f);
	marker = (size_t)le32_load(f.t.bytes + test_sparse_entry(&f.t, 1)) * 512;
	le32_store(f.t.bytes + marker + offset, value);
	assert_int_equal(open_extent(&f), 0);
	extent = map(&f, GRAIN_BYTES, GRAIN_BYTES);
	assert_int_equal(vmdk_sparse_unpack(&f.s, extent.unit_offset, extent.unit_key, found, extent.unit_length),
	                 -EIO);
	check_unpacks(&f, 0, GRAIN_BYTES); /* the next one is fine */
	close_extent(&f);
	test_sparse_free(&f.t);
}

static void vmdk_grain_marker_is_checked(void **state)
{
	(void)state;
	check_spoilt(0, 0);                   /* the first sector of another grain */
	check_spoilt(4, 1);                   /* its upper half */
	check_spoilt(8, 0);                   /* a metadata marker */
	check_spoilt(8, 2 * GRAIN_BYTES + 1); /* more than any compressor makes */
	check_spoilt(8, UINT32_MAX);
	check_spoilt(8, 20); /* the data ends too early */
}

static void vmdk_damaged_compressed_data_is_an_error(void **state)
{
	(void)state;
	check_spoilt(12, 0xffffffff);
	check_spoilt(100, 0xdeadbeef);
}

static void vmdk_grain_that_unpacks_to_another_length_is_an_error(void **state)
{
	static const uint32_t lengths[] = { 512, GRAIN_BYTES - 1, GRAIN_BYTES + 1, 8 * GRAIN_BYTES };
	uint8_t content[8 * GRAIN_BYTES] = { 0 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint8_t found[GRAIN_BYTES];
		struct disk_extent extent;
		struct fixture f;

		make_packed(&f);
		test_sparse_add_packed(&f.t, 7, content, lengths[i]);
		assert_int_equal(open_extent(&f), 0);
		extent = map(&f, 7 * GRAIN_BYTES, GRAIN_BYTES);
		assert_int_equal(
			vmdk_sparse_unpack(&f.s, extent.unit_offset, extent.unit_key, found, extent.unit_length), -EIO);
		close_extent(&f);
		test_sparse_free(&f.t);
	}
}

static void vmdk_packed_grain_cut_by_the_end_of_the_file_is_an_error(void **state)
{
	struct fixture f;
	struct disk_extent extent;
	uint8_t found[512];

	(void)state;
	make_packed(&f);
	f.t.size = (size_t)le32_load(f.t.bytes + test_sparse_entry(&f.t, LAST_GRAIN)) * 512 + 20;
	assert_int_equal(open_extent(&f), 0);
	extent = map(&f, LAST_GRAIN * GRAIN_BYTES, 512);
	assert_int_equal(vmdk_sparse_unpack(&f.s, extent.unit_offset, extent.unit_key, found, extent.unit_length),
	                 -EIO);
	close_extent(&f);
	f.t.size -= 10; /* and within the marker */
	assert_int_equal(open_extent(&f), 0);
	assert_int_equal(vmdk_sparse_map(&f.s, LAST_GRAIN * GRAIN_BYTES, 512, &extent), -EIO);
	close_extent(&f);
	test_sparse_free(&f.t);
}

/* ---- threads ---- */

/* cmocka's assertions belong to the main thread: returns f when all was right, else NULL. */
static void *read_often(void *context)
{
	struct fixture *f = context;
	uint8_t expected[GRAIN_BYTES], found[GRAIN_BYTES];

	for (unsigned i = 0; i < 2000; i++) {
		uint32_t grain = i % 2 ? 600 : i % 3 ? 0 : 1;
		struct disk_extent extent;

		test_fill(expected, sizeof(expected), grain);
		if (vmdk_sparse_map(&f->s, grain * GRAIN_BYTES, 512, &extent) < 0 || extent.kind != DISK_PACKED ||
		    vmdk_sparse_unpack(&f->s, extent.unit_offset, extent.unit_key, found, GRAIN_BYTES) < 0 ||
		    memcmp(found, expected, GRAIN_BYTES) != 0)
			return NULL;
	}
	return f;
}

static void vmdk_may_be_read_by_several_threads(void **state)
{
	pthread_t threads[4];
	struct fixture f;

	(void)state;
	make_packed(&f);
	assert_int_equal(open_extent(&f), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_often, &f), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, &f);
	}
	close_extent(&f);
	test_sparse_free(&f.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmdk_grains_are_found),
		cmocka_unit_test(vmdk_adjacent_grains_become_one_extent),
		cmocka_unit_test(vmdk_window_of_a_tar_is_respected),
		cmocka_unit_test(vmdk_last_grain_is_cut_by_the_capacity),
		cmocka_unit_test(vmdk_zeroed_grains_are_zero_only_with_their_flag),
		cmocka_unit_test(vmdk_missing_grain_table_reads_as_zeros),
		cmocka_unit_test(vmdk_opening_reads_no_table_and_maps_read_one),
		cmocka_unit_test(vmdk_tables_that_share_a_cache_slot_do_not_mix),
		cmocka_unit_test(vmdk_grain_behind_the_end_of_the_file_is_an_error),
		cmocka_unit_test(vmdk_truncated_grain_table_is_rejected),
		cmocka_unit_test(vmdk_redundant_directory_serves_when_the_first_is_damaged),
		cmocka_unit_test(vmdk_redundant_directory_takes_the_place_of_a_lost_one),
		cmocka_unit_test(vmdk_table_that_only_the_redundant_directory_lacks_is_used),
		cmocka_unit_test(vmdk_tables_that_point_to_themselves_end),
		cmocka_unit_test(vmdk_header_fields_are_checked),
		cmocka_unit_test(vmdk_headers_of_all_versions_are_read),
		cmocka_unit_test(vmdk_directory_of_the_largest_disk_must_be_in_the_file),
		cmocka_unit_test(vmdk_embedded_descriptor_must_lie_in_the_file),
		cmocka_unit_test(vmdk_cut_within_its_header_says_so),
		cmocka_unit_test(vmdk_cut_download_is_told_by_its_tables),
		cmocka_unit_test(vmdk_stream_is_read_through_its_footer),
		cmocka_unit_test(vmdk_stream_may_pack_the_last_grain_whole),
		cmocka_unit_test(vmdk_stream_without_its_footer_was_cut),
		cmocka_unit_test(vmdk_footer_that_points_to_a_footer_is_rejected),
		cmocka_unit_test(vmdk_stream_without_markers_is_refused),
		cmocka_unit_test(vmdk_grain_marker_is_checked),
		cmocka_unit_test(vmdk_damaged_compressed_data_is_an_error),
		cmocka_unit_test(vmdk_grain_that_unpacks_to_another_length_is_an_error),
		cmocka_unit_test(vmdk_packed_grain_cut_by_the_end_of_the_file_is_an_error),
		cmocka_unit_test(vmdk_may_be_read_by_several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
