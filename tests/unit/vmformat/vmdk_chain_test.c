/* SPDX-License-Identifier: MIT */
/* Delta disks: what VMware's snapshots and linked clones leave beside the disk that they were made of. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_disks.h"

#define SECTORS 64u

/* A monolithic sparse disk with content in one grain. hint NULL: it has no parent. */
static void write_layer(struct test_memory *m, const char *name, const char *cid, const char *parent_cid,
                        const char *hint, uint32_t grain, uint32_t seed)
{
	char text[600];

	snprintf(text, sizeof(text),
	         "# Disk DescriptorFile\nversion=1\nCID=%s\nparentCID=%s\n%s%s%sRW %u SPARSE \"x\"\n", cid,
	         hint ? parent_cid : "ffffffff", hint ? "parentFileNameHint=\"" : "", hint ? hint : "",
	         hint ? "\"\n" : "", SECTORS);
	write_sparse(m, name, SECTORS, grain, seed, TEST_VMDK_ZEROED, text);
}

static void write_chain(struct test_memory *m)
{
	test_memory_init(m);
	write_layer(m, "base.vmdk", "1111aaaa", NULL, NULL, 1, 10);
	write_layer(m, "base-000001.vmdk", "2222bbbb", "1111AAAA", "base.vmdk", 2, 20);
	write_layer(m, "base-000002.vmdk", "3333cccc", "2222bbbb", "base-000001.vmdk", 3, 30);
}

static void vmdk_delta_shows_its_parents_where_nothing_was_written(void **state)
{
	struct test_memory m;
	struct disk *disk;

	(void)state;
	write_chain(&m);
	disk = open_disk(&m, "base-000002.vmdk");
	check_zeros(disk, 0, GRAIN_BYTES);
	check_grain(disk, 1 * GRAIN_BYTES, 10);
	check_grain(disk, 2 * GRAIN_BYTES, 20);
	check_grain(disk, 3 * GRAIN_BYTES, 30);
	check_zeros(disk, 4 * GRAIN_BYTES, 4 * GRAIN_BYTES);
	assert_string_equal(disk->parent->name, "base-000001.vmdk");
	assert_string_equal(disk->parent->parent->name, "base.vmdk");
	assert_null(disk->parent->parent->parent);
	disk_close(disk);
	test_memory_free(&m);
}

static void vmdk_delta_hides_its_parent_where_it_was_written(void **state)
{
	struct test_memory m;
	struct disk *disk;
	struct test_sparse t;
	uint8_t one[4] = { 1 };

	(void)state;
	write_chain(&m);
	write_layer(&m, "top.vmdk", "4444dddd", "3333cccc", "base-000002.vmdk", 1, 40);
	/* Grain 2 becomes a zeroed one. */
	test_sparse_init(&t, SECTORS, 8, 0);
	assert_int_equal(pwrite(test_memory_fd(&m, "top.vmdk"), one, 4, (off_t)test_sparse_entry(&t, 2)), 4);
	test_sparse_free(&t);
	disk = open_disk(&m, "top.vmdk");
	check_grain(disk, 1 * GRAIN_BYTES, 40);
	check_zeros(disk, 2 * GRAIN_BYTES, GRAIN_BYTES);
	check_grain(disk, 3 * GRAIN_BYTES, 30);
	disk_close(disk);
	test_memory_free(&m);
}

static void vmdk_delta_in_several_pieces_lies_over_a_flat_disk(void **state)
{
	static uint8_t flat[SECTORS * 512];
	struct test_memory m;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	for (unsigned i = 0; i < SECTORS / 8; i++)
		test_fill(flat + i * GRAIN_BYTES, GRAIN_BYTES, 100 + i);
	test_memory_write(&m, "base-flat.vmdk", flat, sizeof(flat));
	write_text(&m, "base.vmdk",
	           "# Disk DescriptorFile\nCID=7\nparentCID=ffffffff\ncreateType=\"vmfs\"\n"
	           "RW 64 VMFS \"base-flat.vmdk\"\n");
	write_sparse(&m, "c-s001.vmdk", 32, 1, 1, 0, NULL);
	write_sparse(&m, "c-s002.vmdk", 32, 2, 2, 0, NULL);
	write_text(&m, "c.vmdk",
	           "# Disk DescriptorFile\nCID=8\nparentCID=00000007\nparentFileNameHint=\"base.vmdk\"\n"
	           "createType=\"twoGbMaxExtentSparse\"\nRW 32 SPARSE \"c-s001.vmdk\"\nRW 32 SPARSE \"c-s002.vmdk\"\n");
	disk = open_disk(&m, "c-s002.vmdk"); /* any piece opens the whole chain */
	for (unsigned i = 0; i < 8; i++)
		check_grain(disk, i * GRAIN_BYTES, i == 1 ? 1 : i == 6 ? 2 : 100 + i);
	disk_close(disk);
	test_memory_free(&m);
}

static void vmdk_delta_over_a_changed_parent_is_refused_in_words(void **state)
{
	struct test_memory m;

	(void)state;
	write_chain(&m);
	write_layer(&m, "base.vmdk", "1111aaab", NULL, NULL, 1, 10);
	check_refused(
		&m, "base-000002.vmdk", -ESTALE,
		"base-000001.vmdk holds the changes since a snapshot of base.vmdk, but that disk was changed after "
		"the snapshot or is another one (its content ID is 1111aaab, not 1111aaaa). Together they would");
	test_memory_free(&m);
}

static void vmdk_delta_over_a_missing_parent_says_which_file_is_wanted(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_layer(&m, "disks/a.vmdk", "2", "1", "base.vmdk", 2, 20);
	check_refused(&m, "disks/a.vmdk", -ENOENT,
	              "disks/a.vmdk holds only changes to disks/base.vmdk, which is missing");
	test_memory_free(&m);
}

static void vmdk_delta_over_another_kind_of_file_is_refused(void **state)
{
	static const uint8_t zeros[4096];
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_layer(&m, "a.vmdk", "2", "1", "base.vmdk", 2, 20);
	test_memory_write(&m, "base.vmdk", zeros, sizeof(zeros));
	check_refused(&m, "a.vmdk", -EINVAL, "base.vmdk, which should be a VMDK disk but is raw");
	write_text(&m, "base.vmdk", "# Disk DescriptorFile\nRW 64 ZERO\n");
	test_memory_resize(&m, "base.vmdk", 34);
	check_refused(&m, "a.vmdk", -EINVAL, "base.vmdk, which has no content ID (CID)");
	test_memory_free(&m);
}

static void vmdk_parent_is_found_as_it_is_written_or_beside(void **state)
{
	/* Where the delta is, what it calls its parent, where that is (NULL: nowhere). */
	static const struct {
		const char *delta, *hint, *parent;
	} cases[] = {
		{ "a.vmdk", "base.vmdk", "base.vmdk" },
		{ "a.vmdk", "old/base.vmdk", "old/base.vmdk" },
		{ "a.vmdk", "..\\\\Base\\base.vmdk", "base.vmdk" },
		{ "disks/a.vmdk", "base.vmdk", "disks/base.vmdk" },
		{ "disks/a.vmdk", "base.vmdk", "base.vmdk" },
		{ "disks/a.vmdk", "../base.vmdk", "disks/../base.vmdk" },
		{ "a.vmdk", "/vmfs/volumes/4a-b/vm/base.vmdk", "base.vmdk" },
		{ "disks/a.vmdk", "/vmfs/volumes/4a-b/vm/base.vmdk", "disks/base.vmdk" },
		{ "a.vmdk", "/vmfs/volumes/base.vmdk", "/vmfs/volumes/base.vmdk" },
		{ "a.vmdk", "C:\\Users\\Eva\\base.vmdk", "base.vmdk" },
		{ "a.vmdk", "C:base.vmdk", "base.vmdk" },
		{ "a.vmdk", "\\\\server\\share\\base.vmdk", "base.vmdk" },
		{ "a.vmdk", "old/base.vmdk", "new/base.vmdk" },
		{ "disks/a.vmdk", "/x/base.vmdk", "y/base.vmdk" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool found = i + 2 < ARRAY_SIZE(cases);
		struct test_memory m;

		test_memory_init(&m);
		write_layer(&m, cases[i].delta, "2", "1", cases[i].hint, 2, 20);
		write_layer(&m, cases[i].parent, "1", NULL, NULL, 1, 10);
		if (found) {
			struct disk *disk = open_disk(&m, cases[i].delta);

			check_grain(disk, GRAIN_BYTES, 10);
			check_grain(disk, 2 * GRAIN_BYTES, 20);
			disk_close(disk);
		} else {
			check_refused(&m, cases[i].delta, -ENOENT, "which is missing");
		}
		test_memory_free(&m);
	}
}

static void vmdk_parent_without_a_name_is_refused(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_layer(&m, "a.vmdk", "2", "1", "folder/", 2, 20);
	check_refused(&m, "a.vmdk", -EINVAL, "a.vmdk, line 4: \"folder/\" is no name of a disk");
	test_memory_free(&m);
}

static void vmdk_delta_of_itself_ends(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_layer(&m, "a.vmdk", "5", "5", "a.vmdk", 2, 20);
	check_refused(&m, "a.vmdk", -ELOOP, "a.vmdk lies over more than 63 disks, one of which probably leads back");
	write_layer(&m, "a.vmdk", "5", "6", "b.vmdk", 2, 20);
	write_layer(&m, "b.vmdk", "6", "5", "a.vmdk", 2, 20);
	check_refused(&m, "b.vmdk", -ELOOP, "leads back");
	assert_true(m.opens < 200);
	test_memory_free(&m);
}

static void vmdk_delta_larger_than_its_parent_ends_in_zeros(void **state)
{
	struct test_memory m;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	write_layer(&m, "a.vmdk", "2", "1", "base.vmdk", 2, 20);
	write_sparse(&m, "base.vmdk", 16, 1, 10, 0,
	             "# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\nRW 16 SPARSE \"x\"\n");
	disk = open_disk(&m, "a.vmdk");
	check_grain(disk, GRAIN_BYTES, 10);
	check_grain(disk, 2 * GRAIN_BYTES, 20);
	check_zeros(disk, 3 * GRAIN_BYTES, 5 * GRAIN_BYTES);
	disk_close(disk);
	test_memory_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmdk_delta_shows_its_parents_where_nothing_was_written),
		cmocka_unit_test(vmdk_delta_hides_its_parent_where_it_was_written),
		cmocka_unit_test(vmdk_delta_in_several_pieces_lies_over_a_flat_disk),
		cmocka_unit_test(vmdk_delta_over_a_changed_parent_is_refused_in_words),
		cmocka_unit_test(vmdk_delta_over_a_missing_parent_says_which_file_is_wanted),
		cmocka_unit_test(vmdk_delta_over_another_kind_of_file_is_refused),
		cmocka_unit_test(vmdk_parent_is_found_as_it_is_written_or_beside),
		cmocka_unit_test(vmdk_parent_without_a_name_is_refused),
		cmocka_unit_test(vmdk_delta_of_itself_ends),
		cmocka_unit_test(vmdk_delta_larger_than_its_parent_ends_in_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
