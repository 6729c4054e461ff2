/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_disks.h"
#include "vmformat/vmdk.h"

#define HEADING "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"

/*
 * Extents of every type, one after the other: 8 sectors flat (from sector 3 of its file), 16 zero, 64 sparse,
 * 20 of 64 packed.
 */
static void write_mixed(struct test_memory *m)
{
	uint8_t flat[3 * 512 + GRAIN_BYTES];

	test_memory_init(m);
	memset(flat, 0xee, sizeof(flat));
	test_fill(flat + 3 * 512, GRAIN_BYTES, 11);
	test_memory_write(m, "mixed-flat.vmdk", flat, sizeof(flat));
	write_sparse(m, "mixed-s002.vmdk", 64, 7, 22, 0, NULL);
	write_sparse(m, "mixed-s003.vmdk", 64, 2, 33, TEST_VMDK_COMPRESSED, NULL);
	write_text(m, "mixed.vmdk",
	           HEADING "createType=\"custom\"\nRW 8 FLAT \"mixed-flat.vmdk\" 3\nRW 16 ZERO\n"
	                   "RDONLY 64 SPARSE \"mixed-s002.vmdk\"\nRW 20 SPARSE \"mixed-s003.vmdk\"\n"
	                   "NOACCESS 8 FLAT \"secret\"\n");
}

static void check_mixed(struct disk *disk)
{
	uint8_t expected[GRAIN_BYTES], found[GRAIN_BYTES];
	struct disk_extent extent;

	assert_int_equal(disk->capacity, (8 + 16 + 64 + 20 + 8) * 512);
	assert_int_equal(disk->unit_limit, GRAIN_BYTES);
	check_grain(disk, 0, 11);
	check_zeros(disk, 8 * 512, (16 + 56) * 512);
	check_grain(disk, (24 + 56) * 512, 22);
	check_zeros(disk, 88 * 512, 16 * 512);
	/* Half of this grain is behind the extent's end: the unit is cut there. */
	assert_int_equal(disk_map(disk, 104 * 512, 12 * 512, &extent, NULL), 0);
	assert_int_equal(extent.kind, DISK_PACKED);
	assert_int_equal(extent.unit_offset, 104 * 512);
	assert_int_equal(extent.unit_length, 4 * 512);
	assert_int_equal(extent.length, 4 * 512);
	test_fill(expected, sizeof(expected), 33);
	assert_int_equal(disk_read(disk, 104 * 512, found, 4 * 512), 0);
	assert_memory_equal(found, expected, 4 * 512);
	assert_int_equal(disk_map(disk, 108 * 512, 512, &extent, NULL), -EACCES);
}

static void vmdk_extents_of_all_types_make_one_disk(void **state)
{
	struct test_memory m;
	struct disk *disk;

	(void)state;
	write_mixed(&m);
	disk = open_disk(&m, "mixed.vmdk");
	assert_string_equal(disk->format->name, "vmdk");
	check_mixed(disk);
	disk_close(disk);
	test_memory_free(&m);
}

static void vmdk_any_piece_opens_the_whole(void **state)
{
	static const char *const pieces[] = { "mixed-flat.vmdk", "mixed-s002.vmdk", "mixed-s003.vmdk" };
	struct test_memory m;

	(void)state;
	write_mixed(&m);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct disk *disk = open_disk(&m, pieces[i]);

		assert_string_equal(disk->name, "mixed.vmdk");
		check_mixed(disk);
		disk_close(disk);
	}
	test_memory_free(&m);
}

static void vmdk_piece_with_a_bad_descriptor_tells_what_is_wrong_with_it(void **state)
{
	struct test_memory m;

	(void)state;
	write_mixed(&m);
	write_text(&m, "mixed.vmdk", "# Disk DescriptorFile\nrubbish\n");
	check_refused(&m, "mixed-s002.vmdk", -EINVAL, "mixed.vmdk, line 2: \"rubbish\"");
	test_memory_free(&m);
}

static void vmdk_piece_of_another_disk_is_not_taken_for_ours(void **state)
{
	struct test_memory m;
	struct disk *disk;
	uint8_t flat[1024] = { 1 };

	(void)state;
	test_memory_init(&m);
	test_memory_write(&m, "a-flat.vmdk", flat, sizeof(flat));
	write_text(&m, "a.vmdk", HEADING "RW 8 ZERO\n");
	disk = open_disk(&m, "a-flat.vmdk");
	assert_string_equal(disk->format->name, "raw");
	disk_close(disk);
	test_memory_free(&m);
}

static void vmdk_flat_piece_without_a_descriptor_is_raw(void **state)
{
	static const char *const names[] = { "a-flat.vmdk", "a-f001.vmdk" };
	uint8_t flat[1024] = { 1, 2, 3 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct test_memory m;
		struct disk *disk;

		test_memory_init(&m);
		test_memory_write(&m, names[i], flat, sizeof(flat));
		disk = open_disk(&m, names[i]);
		assert_string_equal(disk->format->name, "raw");
		disk_close(disk);
		test_memory_free(&m);
	}
}

static void vmdk_sparse_piece_without_a_descriptor_asks_for_it(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_sparse(&m, "a-s002.vmdk", 64, 0, 1, 0, NULL);
	check_refused(&m, "a-s002.vmdk", -ENOENT, "a-s002.vmdk is one piece of a split disk, and \"a.vmdk\"");
	test_memory_free(&m);
}

static void vmdk_names_that_only_look_like_pieces_open_alone(void **state)
{
	static const char *const names[] = { "disk-s01.vmdk",  "disks001.vmdk", "-s001.vmdk", "flat.vmdk",
		                             "disk-x001.vmdk", "disk-001.vmdk", ".vmdk",      "disk-s001.img" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct test_memory m;
		struct disk *disk;

		test_memory_init(&m);
		write_sparse(&m, names[i], 64, 3, 5, 0, NULL);
		disk = open_disk(&m, names[i]);
		assert_int_equal(m.opens, 1); /* by this test; no descriptor was looked for */
		check_grain(disk, 3 * GRAIN_BYTES, 5);
		disk_close(disk);
		test_memory_free(&m);
	}
}

static void vmdk_monolithic_opens_under_any_name(void **state)
{
	struct test_memory m;
	struct disk *disk;

	(void)state;
	test_memory_init(&m);
	write_sparse(&m, "renamed.vmdk", 60, 3, 5, 0,
	             HEADING "createType=\"monolithicSparse\"\nRW 60 SPARSE \"before.vmdk\"\n");
	disk = open_disk(&m, "renamed.vmdk");
	assert_int_equal(disk->capacity, 60 * 512);
	check_grain(disk, 3 * GRAIN_BYTES, 5);
	disk_close(disk);
	test_memory_free(&m);
}

static void vmdk_embedded_descriptor_ends_with_its_first_zero(void **state)
{
	static const char text[] = HEADING "RW 60 SPARSE \"a\"\n\0left from a longer text";
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_sparse(&m, "a.vmdk", 60, 3, 5, 0, HEADING);
	assert_int_equal(pwrite(test_memory_fd(&m, "a.vmdk"), text, sizeof(text), 512), sizeof(text));
	disk_close(open_disk(&m, "a.vmdk"));
	test_memory_free(&m);
}

static void vmdk_embedded_list_of_several_pieces_is_refused(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_sparse(&m, "a.vmdk", 60, 3, 5, 0, HEADING "RW 60 SPARSE \"a\"\nRW 60 SPARSE \"b\"\n");
	check_refused(&m, "a.vmdk", -ENOTSUP, "the first of 2 pieces");
	test_memory_free(&m);
}

static void vmdk_missing_extent_names_descriptor_line_and_file(void **state)
{
	struct test_memory m;

	(void)state;
	write_mixed(&m);
	write_text(&m, "lost.vmdk", HEADING "RW 16 ZERO\nRW 8 FLAT \"lost-f002.vmdk\" 0\n");
	check_refused(&m, "lost.vmdk", -ENOENT,
	              "lost.vmdk, line 6: \"lost-f002.vmdk\", a piece of this disk, is missing. Put all files");
	test_memory_free(&m);
}

static int refusing_open(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	(void)files;
	(void)ret_file;
	return error_set(e, name[0] == '/' ? -EACCES : -EXDEV, "refused");
}

static void vmdk_extent_outside_the_folder_is_refused_in_words(void **state)
{
	static const struct files refusing = { .open = refusing_open };
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{ HEADING "RW 8 FLAT \"../../etc/shadow\" 0\n", -EXDEV },
		{ HEADING "RW 8 FLAT \"/dev/sda\" 0\n", -EACCES },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct file file = test_file("a.vmdk", cases[i].text, strlen(cases[i].text));
		struct error e = { 0 };
		struct disk *disk;

		assert_int_equal(disk_open(&file, &refusing, &disk, &e), cases[i].code);
		assert_non_null(strstr(e.text, "a.vmdk, line 5: "));
		assert_non_null(strstr(e.text, "lies outside the appliance's folder"));
		file_close(&file);
	}
}

static void vmdk_extents_lie_beside_their_descriptor(void **state)
{
	struct test_memory m;
	struct disk *disk;
	uint8_t content[GRAIN_BYTES];

	(void)state;
	test_memory_init(&m);
	test_fill(content, sizeof(content), 1);
	test_memory_write(&m, "disks/a-flat.vmdk", content, sizeof(content));
	test_fill(content, sizeof(content), 2);
	test_memory_write(&m, "a-flat.vmdk", content, sizeof(content));
	write_text(&m, "disks/a.vmdk", HEADING "RW 8 FLAT \"a-flat.vmdk\" 0\n");
	write_text(&m, "home/a.vmdk", HEADING "RW 8 FLAT \"a-flat.vmdk\" 0\n");
	disk = open_disk(&m, "disks/a.vmdk");
	check_grain(disk, 0, 1);
	disk_close(disk);
	disk = open_disk(&m, "disks/a-flat.vmdk");
	assert_string_equal(disk->name, "disks/a.vmdk");
	check_grain(disk, 0, 1);
	disk_close(disk);
	disk = open_disk(&m, "home/a.vmdk"); /* as the user typed it, from another folder than names count from */
	check_grain(disk, 0, 2);
	disk_close(disk);
	test_memory_free(&m);
}

static void vmdk_flat_extent_is_raw_whatever_a_guest_wrote(void **state)
{
	struct test_memory m;
	struct disk *disk;
	uint8_t found[4];

	(void)state;
	test_memory_init(&m);
	write_sparse(&m, "a-flat.vmdk", 64, 0, 1, 0, NULL); /* begins with KDMV */
	write_text(&m, "a.vmdk", HEADING "RW 8 FLAT \"a-flat.vmdk\" 0\n");
	disk = open_disk(&m, "a-flat.vmdk");
	assert_int_equal(disk->capacity, GRAIN_BYTES);
	assert_int_equal(disk_read(disk, 0, found, 4), 0);
	assert_memory_equal(found, "KDMV", 4);
	disk_close(disk);
	test_memory_free(&m);
}

static void vmdk_cut_flat_extent_says_so(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	test_memory_resize(&m, "debian-flat.vmdk", 1000000000);
	write_text(&m, "debian.vmdk", HEADING "RW 6250000 VMFS \"debian-flat.vmdk\"\n");
	check_refused(&m, "debian.vmdk", -ENODATA,
	              "debian-flat.vmdk ends after 1.0 of 3.2 GB; the download was probably "
	              "interrupted. Download it again.");
	test_memory_resize(&m, "debian-flat.vmdk", 3200000000);
	disk_close(open_disk(&m, "debian.vmdk"));
	write_text(&m, "debian.vmdk", HEADING "RW 6250000 FLAT \"debian-flat.vmdk\" 1\n");
	check_refused(&m, "debian.vmdk", -ENODATA, "debian-flat.vmdk ends after 3200000000 of 3200000512 bytes");
	test_memory_free(&m);
}

static void vmdk_cut_sparse_disk_says_so(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_sparse(&m, "a.vmdk", 4096, 500, 1, 0, HEADING);
	test_memory_resize(&m, "a.vmdk", 15000);
	check_refused(&m, "a.vmdk", -ENODATA,
	              "a.vmdk ends after 15.0 of 17.4 KB; the download was probably interrupted");
	test_memory_free(&m);
}

static void vmdk_sparse_extent_smaller_than_declared_is_refused(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_sparse(&m, "a-s001.vmdk", 64, 0, 1, 0, NULL);
	write_text(&m, "a.vmdk", HEADING "RW 65 SPARSE \"a-s001.vmdk\"\n");
	check_refused(&m, "a.vmdk", -EINVAL,
	              "a.vmdk, line 5: 65 sectors of \"a-s001.vmdk\" are needed, but it has only 64");
	test_memory_free(&m);
}

static void vmdk_sparse_extent_of_another_kind_is_refused(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_text(&m, "a.vmdk", HEADING "RW 65 SPARSE \"a.vmdk\"\n"); /* itself: no circle, just no sparse extent */
	check_refused(&m, "a.vmdk", -EINVAL, "a.vmdk does not begin as a sparse VMDK file does");
	write_text(&m, "a.vmdk", HEADING "RW 65 SPARSE \"b.vmdk\"\n");
	test_memory_resize(&m, "b.vmdk", 4096);
	check_refused(&m, "a.vmdk", -EINVAL, "b.vmdk does not begin as a sparse VMDK file does");
	test_memory_free(&m);
}

static void vmdk_descriptor_without_extents_is_refused(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_text(&m, "a.vmdk", HEADING);
	check_refused(&m, "a.vmdk", -EINVAL, "a.vmdk lists no extents");
	test_memory_free(&m);
}

static void vmdk_descriptor_may_be_filled_up_with_zeros_only_at_its_end(void **state)
{
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	write_text(&m, "a.vmdk", HEADING "RW 8 ZERO\n");
	test_memory_resize(&m, "a.vmdk", 1024);
	disk_close(open_disk(&m, "a.vmdk"));
	assert_int_equal(pwrite(test_memory_fd(&m, "a.vmdk"), "\nRW 8 ZERO", 10, 1014), 10);
	check_refused(&m, "a.vmdk", -EINVAL, "zero bytes");
	test_memory_resize(&m, "a.vmdk", (1 << 20) + 1);
	check_refused(&m, "a.vmdk", -EFBIG, "1 MiB");
	test_memory_free(&m);
}

/* As qemu-img leaves it when the new CID has fewer digits than the one before. */
static void vmdk_descriptor_that_became_shorter_ends_with_its_zero(void **state)
{
	static const char text[] = HEADING "RW 8 ZERO\n\0\"\n";
	struct test_memory m;

	(void)state;
	test_memory_init(&m);
	test_memory_write(&m, "a.vmdk", text, sizeof(text));
	test_memory_resize(&m, "a.vmdk", 512);
	disk_close(open_disk(&m, "a.vmdk"));
	test_memory_free(&m);
}

static void vmdk_stream_in_a_tar_is_read_in_place(void **state)
{
	uint8_t content[GRAIN_BYTES], *tar;
	struct file outer, member;
	struct test_sparse t;
	struct disk *disk;

	(void)state;
	test_sparse_init(&t, 64, 8, TEST_VMDK_COMPRESSED);
	test_fill(content, sizeof(content), 9);
	test_sparse_add_packed(&t, 4, content, sizeof(content));
	test_sparse_descriptor(&t, HEADING "createType=\"streamOptimized\"\nRW 64 SPARSE \"x\"\n");
	test_sparse_as_stream(&t);
	tar = calloc(1, t.size + 2048);
	assert_non_null(tar);
	memcpy(tar + 1024, t.bytes, t.size);
	outer = test_file("a.ova", tar, t.size + 2048);
	free(tar);
	assert_int_equal(file_window(&outer, 1024, t.size, "a.ova: disk-s001.vmdk", &member, NULL), 0);
	file_close(&outer);
	assert_int_equal(disk_open(&member, &test_no_files, &disk, NULL), 0);
	assert_int_equal(disk->unit_limit, GRAIN_BYTES);
	check_zeros(disk, 0, 4 * GRAIN_BYTES);
	check_grain(disk, 4 * GRAIN_BYTES, 9);
	disk_close(disk);
	test_sparse_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmdk_extents_of_all_types_make_one_disk),
		cmocka_unit_test(vmdk_any_piece_opens_the_whole),
		cmocka_unit_test(vmdk_piece_with_a_bad_descriptor_tells_what_is_wrong_with_it),
		cmocka_unit_test(vmdk_piece_of_another_disk_is_not_taken_for_ours),
		cmocka_unit_test(vmdk_flat_piece_without_a_descriptor_is_raw),
		cmocka_unit_test(vmdk_sparse_piece_without_a_descriptor_asks_for_it),
		cmocka_unit_test(vmdk_names_that_only_look_like_pieces_open_alone),
		cmocka_unit_test(vmdk_monolithic_opens_under_any_name),
		cmocka_unit_test(vmdk_embedded_descriptor_ends_with_its_first_zero),
		cmocka_unit_test(vmdk_embedded_list_of_several_pieces_is_refused),
		cmocka_unit_test(vmdk_missing_extent_names_descriptor_line_and_file),
		cmocka_unit_test(vmdk_extent_outside_the_folder_is_refused_in_words),
		cmocka_unit_test(vmdk_extents_lie_beside_their_descriptor),
		cmocka_unit_test(vmdk_flat_extent_is_raw_whatever_a_guest_wrote),
		cmocka_unit_test(vmdk_cut_flat_extent_says_so),
		cmocka_unit_test(vmdk_cut_sparse_disk_says_so),
		cmocka_unit_test(vmdk_sparse_extent_smaller_than_declared_is_refused),
		cmocka_unit_test(vmdk_sparse_extent_of_another_kind_is_refused),
		cmocka_unit_test(vmdk_descriptor_without_extents_is_refused),
		cmocka_unit_test(vmdk_descriptor_may_be_filled_up_with_zeros_only_at_its_end),
		cmocka_unit_test(vmdk_descriptor_that_became_shorter_ends_with_its_zero),
		cmocka_unit_test(vmdk_stream_in_a_tar_is_read_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
