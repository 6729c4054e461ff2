/* SPDX-License-Identifier: MIT */
/* qcow2 images that others made: where their bytes are, and a test for every fault. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>

#include "tests/unit/vmformat/test_disks.h"
#include "tests/unit/vmformat/test_qcow2.h"
#include "vmformat/qcow2_image.h"

#define BITS 12u
#define CLUSTER_BYTES GRAIN_BYTES
#define CAPACITY (600u * CLUSTER_BYTES - 512u) /* two L2 tables, and a last cluster that is cut */
#define LAST 599u

_Static_assert(CLUSTER_BYTES == 1u << BITS, "the helpers' grains are clusters here");

static void store(struct test_memory *m, const char *name, const struct test_qcow2 *t)
{
	test_memory_write(m, name, t->bytes, t->size);
	test_memory_resize(m, name, t->size);
}

static void add(struct test_qcow2 *t, uint32_t cluster, uint32_t seed)
{
	uint8_t content[CLUSTER_BYTES];

	test_fill(content, sizeof(content), seed);
	test_qcow2_add(t, cluster, content);
}

/* Clusters 0, 1 and 2 in a row, 520 in the second table, 4 elsewhere; 6 zero. */
static void make_image(struct test_qcow2 *t, unsigned version, uint64_t features)
{
	static const uint32_t clusters[] = { 0, 1, 2, 520, 4 };

	test_qcow2_init(t, version, BITS, CAPACITY, features);
	for (size_t i = 0; i < ARRAY_SIZE(clusters); i++)
		add(t, clusters[i], clusters[i]);
	if (version == 3)
		be64_store(test_qcow2_entry(t, 6), ENTRY_ZERO);
}

/* The image is opened with what `spoil` made of it, and refused with these words. */
static void check_bad(struct test_qcow2 *t, int code, const char *words)
{
	struct test_memory m;

	test_memory_init(&m);
	store(&m, "a.qcow2", t);
	check_refused(&m, "a.qcow2", code, words);
	test_memory_free(&m);
	test_qcow2_free(t);
}

/* Opens, and asks where a cluster is. */
static int map_cluster(struct test_qcow2 *t, uint32_t cluster, struct disk_extent *ret_extent)
{
	struct test_memory m;
	struct disk *disk;
	int r;

	test_memory_init(&m);
	store(&m, "a.qcow2", t);
	disk = open_disk(&m, "a.qcow2");
	r = disk->format->map(disk, (uint64_t)cluster * CLUSTER_BYTES, CLUSTER_BYTES, ret_extent);
	disk_close(disk);
	test_memory_free(&m);
	test_qcow2_free(t);
	return r;
}

static int read_cluster(struct test_qcow2 *t, uint32_t cluster)
{
	static uint8_t found[1 << 16];
	struct test_memory m;
	struct disk *disk;
	uint64_t offset = (uint64_t)cluster * t->cluster;
	int r;

	test_memory_init(&m);
	store(&m, "a.qcow2", t);
	disk = open_disk(&m, "a.qcow2");
	r = disk_read(disk, offset, found, (size_t)MIN(MIN(t->cluster, sizeof(found)), disk->capacity - offset));
	disk_close(disk);
	test_memory_free(&m);
	test_qcow2_free(t);
	return r;
}

/* ---- where bytes are ---- */

static void qcow2_clusters_are_found(void **state)
{
	(void)state;
	for (unsigned version = 2; version <= 3; version++) {
		struct test_qcow2 t;
		struct test_memory m;
		struct disk_extent extent;
		struct disk *disk;

		test_memory_init(&m);
		make_image(&t, version, 0);
		store(&m, "a.img", &t);
		disk = open_disk(&m, "a.img");
		assert_string_equal(disk->format->name, "qcow2");
		assert_int_equal(disk->capacity, CAPACITY);
		assert_int_equal(disk->unit_limit, CLUSTER_BYTES);
		check_grain(disk, 0, 0);
		check_grain(disk, 2 * CLUSTER_BYTES, 2);
		check_grain(disk, 4 * CLUSTER_BYTES, 4);
		check_grain(disk, 520 * CLUSTER_BYTES, 520);
		check_zeros(disk, 5 * CLUSTER_BYTES, 515 * CLUSTER_BYTES);
		assert_int_equal(disk_map(disk, 100, CAPACITY - 100, &extent, NULL), 0);
		assert_int_equal(extent.kind, DISK_DATA);
		assert_int_equal(extent.length, 3 * CLUSTER_BYTES - 100);
		assert_int_equal(disk->format->map(disk, 3 * CLUSTER_BYTES, 4096, &extent), 0);
		assert_int_equal(extent.kind, DISK_PARENT);
		disk_close(disk);
		test_memory_free(&m);
		test_qcow2_free(&t);
	}
}

static void qcow2_zero_clusters_hide_what_is_below(void **state)
{
	struct disk_extent extent;
	struct test_qcow2 t;

	(void)state;
	make_image(&t, 3, 0);
	be64_store(test_qcow2_entry(&t, 2), be64_load(test_qcow2_entry(&t, 2)) | ENTRY_ZERO); /* preallocated */
	assert_int_equal(map_cluster(&t, 2, &extent), 0);
	assert_int_equal(extent.kind, DISK_ZERO);
	make_image(&t, 3, 0);
	assert_int_equal(map_cluster(&t, 6, &extent), 0);
	assert_int_equal(extent.kind, DISK_ZERO);
	assert_int_equal(extent.length, CLUSTER_BYTES);
}

static void qcow2_in_a_tar_is_read_in_place(void **state)
{
	struct test_qcow2 t;
	struct file tar, member;
	struct disk *disk;
	uint8_t *bytes;

	(void)state;
	make_image(&t, 3, 0);
	bytes = calloc(1, t.size + 1024);
	assert_non_null(bytes);
	memcpy(bytes + 512, t.bytes, t.size);
	tar = test_file("a.ova", bytes, t.size + 1024);
	free(bytes);
	assert_int_equal(file_window(&tar, 512, t.size, "a.ova: a.qcow2", &member, NULL), 0);
	file_close(&tar);
	assert_int_equal(disk_open(&member, &test_no_files, &disk, NULL), 0);
	check_grain(disk, 520 * CLUSTER_BYTES, 520);
	disk_close(disk);
	test_qcow2_free(&t);
}

static void qcow2_last_cluster_is_cut_by_the_capacity_and_by_the_file(void **state)
{
	uint8_t expected[CLUSTER_BYTES], found[CLUSTER_BYTES];
	struct test_memory m;
	struct test_qcow2 t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_image(&t, 3, 0);
	add(&t, LAST, LAST);
	t.size -= 1000; /* 512 of them the disk does not have; the others were never written */
	store(&m, "a.qcow2", &t);
	disk = open_disk(&m, "a.qcow2");
	test_fill(expected, sizeof(expected), LAST);
	memset(expected + CLUSTER_BYTES - 1000, 0, 1000);
	assert_int_equal(disk_read(disk, LAST * CLUSTER_BYTES, found, CLUSTER_BYTES - 512), 0);
	assert_memory_equal(found, expected, CLUSTER_BYTES - 512);
	disk_close(disk);
	test_memory_free(&m);
	test_qcow2_free(&t);
}

static void qcow2_capacity_is_rounded_up_to_sectors(void **state)
{
	struct test_memory m;
	struct test_qcow2 t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	test_qcow2_init(&t, 3, BITS, 2 * CLUSTER_BYTES + 1, 0);
	add(&t, 2, 9);
	store(&m, "a.qcow2", &t);
	disk = open_disk(&m, "a.qcow2");
	assert_int_equal(disk->capacity, 2 * CLUSTER_BYTES + 512);
	check_zeros(disk, 0, 2 * CLUSTER_BYTES);
	disk_close(disk);
	test_memory_free(&m);
	test_qcow2_free(&t);
}

/* ---- subclusters ---- */

#define EXTENDED_BITS 14u
#define SUBCLUSTER 512u

static void set_subclusters(struct test_qcow2 *t, uint32_t cluster, uint32_t allocated, uint32_t zero)
{
	be64_store(test_qcow2_entry(t, cluster) + 8, (uint64_t)zero << 32 | allocated);
}

static void make_extended(struct test_qcow2 *t)
{
	static uint8_t content[1u << EXTENDED_BITS];

	test_qcow2_init(t, 3, EXTENDED_BITS, 4u << EXTENDED_BITS, INCOMPATIBLE_EXTENDED_L2);
	test_fill(content, sizeof(content), 1);
	test_qcow2_add(t, 1, content);
	set_subclusters(t, 1, 0x0000fff7, 0x00ff0000);
}

static void qcow2_subclusters_have_a_kind_each(void **state)
{
	static const struct {
		unsigned from, count;
		enum disk_extent_kind kind;
	} runs[] = { { 0, 3, DISK_DATA },
		     { 3, 1, DISK_PARENT },
		     { 4, 12, DISK_DATA },
		     { 16, 8, DISK_ZERO },
		     { 24, 40, DISK_PARENT } };
	struct test_memory m;
	struct test_qcow2 t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_extended(&t);
	store(&m, "a.qcow2", &t);
	disk = open_disk(&m, "a.qcow2");
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		uint64_t offset = (1u << EXTENDED_BITS) + runs[i].from * SUBCLUSTER;
		struct disk_extent extent;

		assert_int_equal(disk->format->map(disk, offset, 40 * SUBCLUSTER, &extent), 0);
		assert_int_equal(extent.kind, runs[i].kind);
		assert_int_equal(extent.length, runs[i].count * SUBCLUSTER);
		if (extent.kind == DISK_DATA)
			assert_int_equal(extent.fd_offset, (be64_load(test_qcow2_entry(&t, 1)) & ENTRY_OFFSET) +
			                                           runs[i].from * SUBCLUSTER);
	}
	disk_close(disk);
	test_memory_free(&m);
	test_qcow2_free(&t);
}

static void qcow2_subclusters_that_contradict_themselves_are_damage(void **state)
{
	struct test_qcow2 t;

	(void)state;
	make_extended(&t);
	set_subclusters(&t, 1, 1, 1);
	assert_int_equal(read_cluster(&t, 1), -EIO);
	make_extended(&t);
	set_subclusters(&t, 2, 1, 0); /* allocated, but there is no cluster */
	assert_int_equal(read_cluster(&t, 2), -EIO);
	make_extended(&t);
	be64_store(test_qcow2_entry(&t, 2), ENTRY_ZERO);
	assert_int_equal(read_cluster(&t, 2), -EIO);
	test_qcow2_init(&t, 3, 13, 1 << 20, INCOMPATIBLE_EXTENDED_L2);
	check_bad(&t, -EINVAL, "the cluster size (a power of two) in the header is 13, but must be 14 or more with");
}

/* ---- compressed clusters ---- */

static void qcow2_compressed_clusters_are_unpacked(void **state)
{
	uint8_t content[CLUSTER_BYTES], found[CLUSTER_BYTES];

	(void)state;
	for (unsigned zstd = 0; zstd < 2; zstd++) {
		struct test_memory m;
		struct test_qcow2 t;
		struct disk_extent extent;
		struct disk *disk;

		test_memory_init(&m);
		test_qcow2_init(&t, 3, BITS, CAPACITY, zstd ? INCOMPATIBLE_COMPRESSION : 0);
		for (uint32_t i = 0; i < 3; i++) {
			uint32_t cluster = i == 2 ? LAST : i; /* that one is cut by the capacity, but packed whole */

			test_fill(content, sizeof(content), cluster);
			(zstd ? test_qcow2_add_zstd : test_qcow2_add_packed)(&t, cluster, content, sizeof(content));
		}
		test_qcow2_append(&t, 3); /* the file ends within a sector */
		store(&m, "a.qcow2", &t);
		disk = open_disk(&m, "a.qcow2");
		check_grain(disk, 0, 0);
		check_grain(disk, CLUSTER_BYTES, 1);
		assert_int_equal(disk_map(disk, CLUSTER_BYTES + 700, 5000, &extent, NULL), 0);
		assert_int_equal(extent.kind, DISK_PACKED);
		assert_int_equal(extent.unit_offset, CLUSTER_BYTES);
		assert_int_equal(extent.unit_length, CLUSTER_BYTES);
		assert_int_equal(extent.length, CLUSTER_BYTES - 700);
		assert_int_equal(disk_read(disk, LAST * CLUSTER_BYTES, found, CLUSTER_BYTES - 512), 0);
		assert_memory_equal(found, content, CLUSTER_BYTES - 512);
		disk_close(disk);
		test_memory_free(&m);
		test_qcow2_free(&t);
	}
}

static void qcow2_damaged_compressed_cluster_is_an_error(void **state)
{
	(void)state;
	for (unsigned zstd = 0; zstd < 2; zstd++) {
		uint8_t content[CLUSTER_BYTES];
		struct test_qcow2 t;
		size_t at;

		test_fill(content, sizeof(content), 1);
		test_qcow2_init(&t, 3, BITS, CAPACITY, zstd ? INCOMPATIBLE_COMPRESSION : 0);
		at = (zstd ? test_qcow2_add_zstd : test_qcow2_add_packed)(&t, 1, content, sizeof(content));
		memset(t.bytes + at, 0xff, 8);
		assert_int_equal(read_cluster(&t, 1), -EIO);
		/* Sound, but too little. */
		test_qcow2_init(&t, 3, BITS, CAPACITY, zstd ? INCOMPATIBLE_COMPRESSION : 0);
		(zstd ? test_qcow2_add_zstd : test_qcow2_add_packed)(&t, 1, content, sizeof(content) - 512);
		assert_int_equal(read_cluster(&t, 1), -EIO);
	}
}

static void qcow2_compressed_bomb_does_not_go_off(void **state)
{
	static uint8_t zeros[64u << 20];

	(void)state;
	for (unsigned zstd = 0; zstd < 2; zstd++) {
		struct test_qcow2 t;

		test_qcow2_init(&t, 3, 16, 1 << 20, zstd ? INCOMPATIBLE_COMPRESSION : 0);
		(zstd ? test_qcow2_add_zstd : test_qcow2_add_packed)(&t, 1, zeros, sizeof(zeros));
		assert_int_equal(read_cluster(&t, 1), -EIO);
	}
}

/* All 62 bits: the largest size and the furthest place that the entry can say. */
static void qcow2_compressed_cluster_larger_than_any_is_an_error(void **state)
{
	struct test_qcow2 t;
	struct disk_extent extent;

	(void)state;
	for (unsigned bits = 9; bits <= 21; bits += 4) {
		test_qcow2_init(&t, 3, bits, 1 << bits, 0);
		be64_store(test_qcow2_entry(&t, 0), UINT64_MAX >> 1);
		assert_int_equal(read_cluster(&t, 0), -ENODATA);
	}
	/* The largest size in the last bytes of the file. */
	make_image(&t, 3, 0);
	be64_store(test_qcow2_entry(&t, 0), ENTRY_COMPRESSED | (0xfull << 58) | (t.size - 100));
	check_bad(&t, -ENODATA, "a.qcow2 ends after 36.9 of");
	make_image(&t, 3, 0);
	be64_store(test_qcow2_entry(&t, 0), ENTRY_COMPRESSED | (0xfull << 58) | 100);
	assert_int_equal(map_cluster(&t, 0, &extent), 0);
	assert_int_equal(extent.unit_length, CLUSTER_BYTES);
}

static void *read_often(void *context)
{
	struct disk *disk = context;
	uint8_t expected[CLUSTER_BYTES], found[CLUSTER_BYTES];

	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t cluster = i * 7 % 40;

		test_fill(expected, sizeof(expected), cluster);
		if (disk_read(disk, (uint64_t)cluster * CLUSTER_BYTES, found, sizeof(found)) < 0 ||
		    memcmp(found, expected, sizeof(found)) != 0)
			return NULL;
	}
	return disk;
}

static void qcow2_is_read_by_several_threads_at_once(void **state)
{
	uint8_t content[CLUSTER_BYTES];
	pthread_t threads[4];
	struct test_memory m;
	struct test_qcow2 t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	test_qcow2_init(&t, 3, BITS, CAPACITY, 0);
	for (uint32_t cluster = 0; cluster < 40; cluster++) {
		test_fill(content, sizeof(content), cluster);
		if (cluster % 3)
			test_qcow2_add_packed(&t, cluster, content, sizeof(content));
		else
			test_qcow2_add(&t, cluster, content);
	}
	store(&m, "a.qcow2", &t);
	disk = open_disk(&m, "a.qcow2");
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_often, disk), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, disk);
	}
	disk_close(disk);
	test_memory_free(&m);
	test_qcow2_free(&t);
}

/* ---- damaged tables ---- */

static void qcow2_damaged_entries_are_errors(void **state)
{
	static const struct {
		unsigned version;
		uint64_t flip; /* of the entry of cluster 1 */
		int code;
	} cases[] = {
		{ 3, 1ull << 1, -EIO },  { 3, 1ull << 8, -EIO }, { 3, 1ull << 61, -EIO },     { 3, 1ull << 56, -EIO },
		{ 2, ENTRY_ZERO, -EIO }, { 3, 1ull << 9, -EIO }, { 3, 1ull << 55, -ENODATA },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct disk_extent extent;
		struct test_qcow2 t;

		make_image(&t, cases[i].version, 0);
		be64_store(test_qcow2_entry(&t, 1), be64_load(test_qcow2_entry(&t, 1)) ^ cases[i].flip);
		assert_int_equal(map_cluster(&t, 1, &extent), cases[i].code);
	}
}

static void qcow2_damaged_l1_entries_are_errors(void **state)
{
	static const struct {
		uint64_t flip; /* of the first entry */
		int code;
	} cases[] = { { 1, -EIO }, { 1ull << 8, -EIO }, { 1ull << 62, -EIO }, { 1ull << 9, -EIO } };
	struct disk_extent extent;
	struct test_qcow2 t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_image(&t, 3, 0);
		be64_store(t.bytes + t.l1, be64_load(t.bytes + t.l1) ^ cases[i].flip);
		assert_int_equal(map_cluster(&t, 1, &extent), cases[i].code);
	}
	make_image(&t, 3, 0);
	be64_store(t.bytes + t.l1, 0);
	assert_int_equal(map_cluster(&t, 1, &extent), 0);
	assert_int_equal(extent.kind, DISK_PARENT);
}

/* The header as L1 table, the L1 table as L2 table, tables as content, one cluster twice: its own bytes, nothing else. */
static void qcow2_overlapping_tables_show_only_the_file_itself(void **state)
{
	uint8_t found[CLUSTER_BYTES];
	struct test_memory m;
	struct test_qcow2 t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_image(&t, 3, 0);
	be64_store(test_qcow2_entry(&t, 1), t.l2);
	be64_store(test_qcow2_entry(&t, 2), be64_load(test_qcow2_entry(&t, 0)));
	be64_store(t.bytes + t.l1 + 8, t.l1);
	store(&m, "a.qcow2", &t);
	disk = open_disk(&m, "a.qcow2");
	assert_int_equal(disk_read(disk, CLUSTER_BYTES, found, sizeof(found)), 0);
	assert_memory_equal(found, t.bytes + t.l2, sizeof(found));
	check_grain(disk, 2 * CLUSTER_BYTES, 0);
	assert_int_equal(disk_read(disk, 512 * CLUSTER_BYTES, found, sizeof(found)), 0);
	assert_memory_equal(found, t.bytes + t.l2, sizeof(found)); /* the L1 table's first entry leads there */
	disk_close(disk);
	test_memory_free(&m);
	test_qcow2_free(&t);
}

static void qcow2_cut_file_says_so(void **state)
{
	struct test_qcow2 t;

	(void)state;
	make_image(&t, 3, 0);
	t.size -= CLUSTER_BYTES; /* the last one that was added; its table is among the samples */
	check_bad(&t, -ENODATA, "a.qcow2 ends after 32.8 of 36.9 KB; the download was probably interrupted");
}

/* ---- the header ---- */

static void qcow2_header_faults_are_refused_in_words(void **state)
{
	static const struct {
		enum header_field field;
		unsigned bytes;
		uint64_t value;
		int code;
		const char *words;
	} cases[] = {
		{ H_VERSION, 4, 1, -ENOTSUP, "version 1 of the qcow format" },
		{ H_VERSION, 4, 4, -ENOTSUP, "version 4 of the qcow format; Vitrine knows 2 and 3" },
		{ H_CLUSTER_BITS, 4, 8, -EINVAL, "the cluster size (a power of two) in the header is 8" },
		{ H_CLUSTER_BITS, 4, 22, -EINVAL, "must be from 9 to 21" },
		{ H_CLUSTER_BITS, 4, UINT32_MAX, -EINVAL, "must be from 9 to 21" },
		{ H_LENGTH, 4, 96, -EINVAL, "its own length" },
		{ H_LENGTH, 4, 107, -EINVAL, "its own length" },
		{ H_LENGTH, 4, 0xfffffff8, -EINVAL, "its own length" },
		{ H_SIZE, 8, 0, -EINVAL, "the size of the disk in the header is 0" },
		{ H_SIZE, 8, (1ull << 46) + 1, -EINVAL, "from 1 byte to 64 TiB" },
		{ H_SIZE, 8, UINT64_MAX, -EINVAL, "from 1 byte to 64 TiB" },
		{ H_L1_SIZE, 4, 1, -EINVAL, "the number of L1 entries in the header is 1" },
		{ H_L1_OFFSET, 8, 0, -EINVAL, "the L1 table's place in the header is 0" },
		{ H_L1_OFFSET, 8, 4608, -EINVAL, "the L1 table's place" },
		{ H_L1_OFFSET, 8, 1 << 20, -ENODATA, "a.qcow2 ends after 36.9 KB of 1.0 MB" },
		{ H_L1_OFFSET, 8, 1ull << 60, -EINVAL, "must be inside the file" },
		{ H_CRYPT, 4, 1, -ENOTSUP, "a.qcow2 is encrypted (AES)" },
		{ H_CRYPT, 4, 2, -ENOTSUP, "a.qcow2 is encrypted (LUKS)" },
		{ H_CRYPT, 4, 3, -EINVAL, "the method of encryption in the header is 3" },
		{ H_INCOMPATIBLE, 8, INCOMPATIBLE_CORRUPT, -EINVAL, "marked as damaged by the program that wrote it" },
		{ H_INCOMPATIBLE, 8, INCOMPATIBLE_COMPRESSION, -EINVAL, "the compression type in the header is 0" },
		{ H_INCOMPATIBLE, 8, 1ull << 63, -ENOTSUP, "that Vitrine does not know: (incompatible bit 63)" },
		{ H_INCOMPATIBLE, 8, INCOMPATIBLE_DATA_FILE, -EINVAL, "does not say in which one" },
		{ H_COMPRESSION, 1, 1, -EINVAL, "must be 0 without its feature bit" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t value[8];
		struct test_qcow2 t;

		make_image(&t, 3, 0);
		be64_store(value, cases[i].value);
		memcpy(t.bytes + cases[i].field, value + 8 - cases[i].bytes, cases[i].bytes);
		check_bad(&t, cases[i].code, cases[i].words);
	}
}

static void qcow2_of_an_unknown_compression_is_refused(void **state)
{
	struct test_qcow2 t;

	(void)state;
	make_image(&t, 3, INCOMPATIBLE_COMPRESSION);
	t.bytes[H_COMPRESSION] = 2;
	check_bad(&t, -ENOTSUP, "compressed by method 2; Vitrine knows 0 (deflate) and 1 (zstd)");
}

static void qcow2_too_short_for_a_header_is_refused(void **state)
{
	struct test_qcow2 t;

	(void)state;
	make_image(&t, 3, 0);
	t.size = 100;
	check_bad(&t, -ENODATA, "a.qcow2 ends after 100 of 104 bytes");
}

static void qcow2_unknown_feature_is_refused_by_its_name(void **state)
{
	uint8_t table[3 * 48] = { 0 };
	struct test_qcow2 t;

	(void)state;
	memcpy(table, "\1\5compatible feature of that number", 35);
	memcpy(table + 48, "\0\5time travel", 13);
	memset(table + 98, 'x', 46); /* a name that ends with its place */
	table[97] = 6;
	make_image(&t, 3, 0);
	test_qcow2_extension(&t, EXTENSION_FEATURE_NAMES, table, sizeof(table));
	be64_store(t.bytes + H_INCOMPATIBLE, 1 << 5);
	check_bad(&t, -ENOTSUP, "a feature of qcow2 that Vitrine does not know: time travel (incompatible bit 5)");
	make_image(&t, 3, 0);
	test_qcow2_extension(&t, EXTENSION_FEATURE_NAMES, table, sizeof(table));
	be64_store(t.bytes + H_INCOMPATIBLE, 1 << 6);
	check_bad(&t, -ENOTSUP, "xxxxxx (incompatible bit 6)");
}

static void qcow2_extension_beyond_its_cluster_is_refused(void **state)
{
	struct test_qcow2 t;

	(void)state;
	make_image(&t, 3, 0);
	test_qcow2_extension(&t, EXTENSION_FEATURE_NAMES, "", 0);
	be32_store(t.bytes + t.extension - 4, UINT32_MAX);
	check_bad(&t, -EINVAL, "the length of an extension in the header is 4294967295");
}

static void qcow2_that_was_not_closed_properly_is_read(void **state)
{
	struct disk_extent extent;
	struct test_qcow2 t;

	(void)state;
	make_image(&t, 3, INCOMPATIBLE_DIRTY);
	be64_store(t.bytes + H_COMPATIBLE, 1); /* lazy refcounts: what we do not read is out of date */
	be64_store(t.bytes + H_AUTOCLEAR, 1);
	assert_int_equal(map_cluster(&t, 1, &extent), 0);
	assert_int_equal(extent.kind, DISK_DATA);
}

static void qcow2_huge_l1_table_costs_nothing(void **state)
{
	struct disk_extent extent;
	struct test_qcow2 t;

	(void)state;
	make_image(&t, 3, 0);
	be32_store(t.bytes + H_L1_SIZE, UINT32_MAX);
	assert_int_equal(map_cluster(&t, 1, &extent), 0);
	/* 64 TiB in clusters of 512 bytes: its table has 16 GiB. */
	test_qcow2_init(&t, 3, 9, 1 << 20, 0);
	be64_store(t.bytes + H_SIZE, 1ull << 46);
	be32_store(t.bytes + H_L1_SIZE, UINT32_MAX);
	check_bad(&t, -ENODATA, "of 17.2 GB; the download was probably interrupted");
}

/* ---- backing files ---- */

static void write_child(struct test_memory *m, const char *name, const char *backing, const char *format)
{
	struct test_qcow2 t;

	make_image(&t, 3, 0);
	test_qcow2_backing(&t, backing, format);
	store(m, name, &t);
	test_qcow2_free(&t);
}

static void qcow2_unallocated_clusters_are_the_backing_files(void **state)
{
	static const char *const names[] = { "base.img", "file:base.img", "/images/base.img", "../base.img" };
	uint8_t base[10 * CLUSTER_BYTES];

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		test_fill(base + (size_t)i * CLUSTER_BYTES, CLUSTER_BYTES, 50 + i);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct test_memory m;
		struct disk *disk;

		test_memory_init(&m);
		test_memory_write(&m, "base.img", base, sizeof(base));
		write_child(&m, "a.qcow2", names[i], "raw");
		disk = open_disk(&m, "a.qcow2");
		check_grain(disk, CLUSTER_BYTES, 1);
		check_grain(disk, 3 * CLUSTER_BYTES, 53);
		check_zeros(disk, 6 * CLUSTER_BYTES, CLUSTER_BYTES);
		check_grain(disk, 9 * CLUSTER_BYTES, 59);
		check_zeros(disk, 10 * CLUSTER_BYTES, 510 * CLUSTER_BYTES); /* behind its end */
		disk_close(disk);
		test_memory_free(&m);
	}
}

/* A guest wrote a header into its disk: where the format is written down, it stays content. */
static void qcow2_backing_file_called_raw_is_raw_whatever_a_guest_wrote(void **state)
{
	struct test_memory m;
	struct test_qcow2 t;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	make_image(&t, 3, 0);
	store(&m, "base.img", &t);
	test_qcow2_free(&t);
	write_child(&m, "a.qcow2", "base.img", "raw");
	disk = open_disk(&m, "a.qcow2");
	assert_string_equal(disk->parent->format->name, "raw");
	disk_close(disk);
	write_child(&m, "a.qcow2", "base.img", "");
	disk = open_disk(&m, "a.qcow2");
	assert_string_equal(disk->parent->format->name, "qcow2");
	disk_close(disk);
	test_memory_free(&m);
}

static void qcow2_backing_names_that_are_no_files_are_refused(void **state)
{
	static const struct {
		const char *name, *format, *words;
		int code;
	} cases[] = {
		{ "json:{\"driver\":\"nbd\"}", "raw", "a.qcow2 needs \"json:{\"driver\":\"nbd\"}\" as its backing file",
		  -ENOTSUP },
		{ "nbd://localhost/x", "raw", "reads only files that lie beside the disk", -ENOTSUP },
		{ "ssh:host/x", "", "reads only files that lie beside the disk", -ENOTSUP },
		{ "base", "luks", "has the format \"luks\", which Vitrine does not play", -ENOTSUP },
		{ "folder/", "raw", "\"folder/\" is no name of a backing file", -EINVAL },
		{ "gone.img", "raw", "a.qcow2 holds only changes to gone.img, which is missing", -ENOENT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct test_memory m;

		test_memory_init(&m);
		write_child(&m, "a.qcow2", cases[i].name, cases[i].format);
		check_refused(&m, "a.qcow2", cases[i].code, cases[i].words);
		assert_int_equal(m.opens, strcmp(cases[i].name, "gone.img") == 0 ? 2 : 1); /* nothing was asked for */
		test_memory_free(&m);
	}
}

static void qcow2_damaged_backing_names_are_refused(void **state)
{
	struct test_qcow2 t;

	(void)state;
	make_image(&t, 3, 0);
	test_qcow2_backing(&t, "base.img", "");
	t.bytes[be64_load(t.bytes + H_BACKING_OFFSET) + 2] = '\0';
	check_bad(&t, -EINVAL, "the name of its backing file is damaged");
	make_image(&t, 3, 0);
	test_qcow2_backing(&t, "base.img", "");
	be32_store(t.bytes + H_BACKING_LENGTH, 1024);
	check_bad(&t, -EINVAL, "damaged (1024 bytes; at most 1023");
	make_image(&t, 3, 0);
	test_qcow2_backing(&t, "base.img", "");
	be64_store(t.bytes + H_BACKING_OFFSET, UINT64_MAX - 3);
	check_bad(&t, -EINVAL, "the place of the backing file's name");
}

static void qcow2_chain_that_leads_back_to_itself_ends(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_child(&m, "a.qcow2", "a.qcow2", "qcow2");
	check_refused(&m, "a.qcow2", -ELOOP, "one of which probably leads back to itself");
	write_child(&m, "a.qcow2", "b.qcow2", "");
	write_child(&m, "b.qcow2", "a.qcow2", "");
	check_refused(&m, "a.qcow2", -ELOOP, "one of which probably leads back to itself");
	test_memory_free(&m);
}

/* ---- data files ---- */

static void write_data_image(struct test_memory *m, const char *data_name, uint64_t autoclear, uint64_t entry)
{
	struct test_qcow2 t;

	test_qcow2_init(&t, 3, BITS, 16 * CLUSTER_BYTES, INCOMPATIBLE_DATA_FILE);
	test_qcow2_extension(&t, EXTENSION_DATA_FILE, data_name, (uint32_t)strlen(data_name));
	be64_store(t.bytes + H_AUTOCLEAR, autoclear);
	be64_store(test_qcow2_entry(&t, 0), ENTRY_COPIED);
	be64_store(test_qcow2_entry(&t, 3), entry);
	store(m, "disks/a.qcow2", &t);
	test_qcow2_free(&t);
}

static void write_data(struct test_memory *m, const char *name)
{
	uint8_t data[16 * CLUSTER_BYTES];

	for (uint32_t i = 0; i < 16; i++)
		test_fill(data + (size_t)i * CLUSTER_BYTES, CLUSTER_BYTES, 70 + i);
	test_memory_write(m, name, data, sizeof(data));
}

static void qcow2_data_file_has_the_clusters(void **state)
{
	struct test_memory m;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	write_data(&m, "disks/a.raw");
	write_data_image(&m, "a.raw", 0, 3 * CLUSTER_BYTES | ENTRY_COPIED);
	disk = open_disk(&m, "disks/a.qcow2");
	check_grain(disk, 0, 70);
	check_zeros(disk, CLUSTER_BYTES, CLUSTER_BYTES);
	check_grain(disk, 3 * CLUSTER_BYTES, 73);
	disk_close(disk);
	write_data_image(&m, "a.raw", AUTOCLEAR_RAW_DATA_FILE, 0); /* needs no tables */
	disk = open_disk(&m, "disks/a.qcow2");
	for (uint32_t i = 0; i < 16; i++)
		check_grain(disk, (uint64_t)i * CLUSTER_BYTES, 70 + i);
	disk_close(disk);
	test_memory_free(&m);
}

static void qcow2_data_file_with_clusters_elsewhere_is_damage(void **state)
{
	static const uint64_t entries[] = { 4 * CLUSTER_BYTES | ENTRY_COPIED, ENTRY_COMPRESSED | 4096 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		struct disk_extent extent;
		struct test_memory m;
		struct disk *disk;

		test_memory_init(&m);
		write_data(&m, "a.raw");
		write_data_image(&m, "a.raw", 0, entries[i]);
		disk = open_disk(&m, "disks/a.qcow2");
		assert_int_equal(disk_map(disk, 3 * CLUSTER_BYTES, 512, &extent, NULL), -EIO);
		disk_close(disk);
		test_memory_free(&m);
	}
}

static void qcow2_data_file_faults_are_refused_in_words(void **state)
{
	struct test_memory m;
	struct test_qcow2 t;

	(void)state;
	test_memory_init(&m);
	write_data_image(&m, "a.raw", 0, 0);
	check_refused(&m, "disks/a.qcow2", -ENOENT,
	              "has its content in a.raw, which cannot be opened: a.raw: no such file");
	write_data_image(&m, "nbd:host:1", 0, 0);
	check_refused(&m, "disks/a.qcow2", -ENOTSUP, "as its data file; Vitrine reads only files");
	write_data(&m, "a.raw");
	test_memory_resize(&m, "a.raw", 15 * CLUSTER_BYTES);
	write_data_image(&m, "a.raw", AUTOCLEAR_RAW_DATA_FILE, 0);
	check_refused(&m, "disks/a.qcow2", -ENODATA, "a.raw ends after 61.4 of 65.5 KB");
	test_qcow2_init(&t, 3, BITS, 8 * CLUSTER_BYTES, INCOMPATIBLE_DATA_FILE);
	test_qcow2_extension(&t, EXTENSION_DATA_FILE, "a.raw", 5);
	test_qcow2_backing(&t, "base.img", "raw");
	be64_store(t.bytes + H_AUTOCLEAR, AUTOCLEAR_RAW_DATA_FILE);
	store(&m, "b.qcow2", &t);
	test_qcow2_free(&t);
	check_refused(&m, "b.qcow2", -EINVAL,
	              "says that a.raw is all of the disk, and that there is another one below it");
	test_memory_free(&m);
}

/* ---- our own overlays ---- */

static void qcow2_overlay_of_ours_is_no_disk_of_its_own(void **state)
{
	uint8_t binding[B_NAME + 11] = { 0 };
	struct test_memory m;
	struct test_qcow2 t;

	(void)state;
	memcpy(binding + B_NAME, "debian.vmdk", 11);
	make_image(&t, 3, 0);
	test_qcow2_extension(&t, EXTENSION_BINDING, binding, sizeof(binding));
	check_bad(&t, -EINVAL,
	          "a.qcow2 holds what was changed in a machine that Vitrine plays, not a disk of its own. Open "
	          "what the machine was opened from (its disk is debian.vmdk)");
	make_image(&t, 3, 0);
	test_qcow2_extension(&t, EXTENSION_BINDING, binding, 5);
	check_bad(&t, -EINVAL, "not a disk of its own");
	/* As qemu-img rebase leaves it for a rescue: a chain like any other. */
	test_memory_init(&m);
	write_data(&m, "base.img");
	make_image(&t, 3, 0);
	test_qcow2_extension(&t, EXTENSION_BINDING, binding, sizeof(binding));
	test_qcow2_backing(&t, "base.img", "raw");
	store(&m, "a.qcow2", &t);
	disk_close(open_disk(&m, "a.qcow2"));
	test_memory_free(&m);
	test_qcow2_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qcow2_clusters_are_found),
		cmocka_unit_test(qcow2_zero_clusters_hide_what_is_below),
		cmocka_unit_test(qcow2_in_a_tar_is_read_in_place),
		cmocka_unit_test(qcow2_last_cluster_is_cut_by_the_capacity_and_by_the_file),
		cmocka_unit_test(qcow2_capacity_is_rounded_up_to_sectors),
		cmocka_unit_test(qcow2_subclusters_have_a_kind_each),
		cmocka_unit_test(qcow2_subclusters_that_contradict_themselves_are_damage),
		cmocka_unit_test(qcow2_compressed_clusters_are_unpacked),
		cmocka_unit_test(qcow2_damaged_compressed_cluster_is_an_error),
		cmocka_unit_test(qcow2_compressed_bomb_does_not_go_off),
		cmocka_unit_test(qcow2_compressed_cluster_larger_than_any_is_an_error),
		cmocka_unit_test(qcow2_is_read_by_several_threads_at_once),
		cmocka_unit_test(qcow2_damaged_entries_are_errors),
		cmocka_unit_test(qcow2_damaged_l1_entries_are_errors),
		cmocka_unit_test(qcow2_overlapping_tables_show_only_the_file_itself),
		cmocka_unit_test(qcow2_cut_file_says_so),
		cmocka_unit_test(qcow2_header_faults_are_refused_in_words),
		cmocka_unit_test(qcow2_of_an_unknown_compression_is_refused),
		cmocka_unit_test(qcow2_too_short_for_a_header_is_refused),
		cmocka_unit_test(qcow2_unknown_feature_is_refused_by_its_name),
		cmocka_unit_test(qcow2_extension_beyond_its_cluster_is_refused),
		cmocka_unit_test(qcow2_that_was_not_closed_properly_is_read),
		cmocka_unit_test(qcow2_huge_l1_table_costs_nothing),
		cmocka_unit_test(qcow2_unallocated_clusters_are_the_backing_files),
		cmocka_unit_test(qcow2_backing_file_called_raw_is_raw_whatever_a_guest_wrote),
		cmocka_unit_test(qcow2_backing_names_that_are_no_files_are_refused),
		cmocka_unit_test(qcow2_damaged_backing_names_are_refused),
		cmocka_unit_test(qcow2_chain_that_leads_back_to_itself_ends),
		cmocka_unit_test(qcow2_data_file_has_the_clusters),
		cmocka_unit_test(qcow2_data_file_with_clusters_elsewhere_is_damage),
		cmocka_unit_test(qcow2_data_file_faults_are_refused_in_words),
		cmocka_unit_test(qcow2_overlay_of_ours_is_no_disk_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
