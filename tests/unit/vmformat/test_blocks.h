/* SPDX-License-Identifier: MIT */
/*
 * What tests of VDI, VHD and VHDX share: images of the builders as files, and blocks whose content is test_content() of a
 * seed. Everything asserts (cmocka). Include <cmocka.h> (with its four headers) before this file.
 */
#ifndef VITRINE_TEST_BLOCKS_H
#define VITRINE_TEST_BLOCKS_H

#include "tests/unit/vmformat/test_disks.h"
#include "tests/unit/vmformat/test_image.h"

#define TEST_BLOCKS_HELPER __attribute__((unused)) static

TEST_BLOCKS_HELPER void put_image(struct test_memory *m, const char *name, const struct test_image *image)
{
	test_memory_resize(m, name, image->size);
	test_memory_write(m, name, image->bytes, image->size);
}

/* Writes and frees. */
TEST_BLOCKS_HELPER void finish_image(struct test_memory *m, const char *name, struct test_image *image)
{
	put_image(m, name, image);
	test_image_free(image);
}

/* The image alone in memory is refused like this. Frees it. */
TEST_BLOCKS_HELPER void check_faulty_image(const char *name, struct test_image *image, int code, const char *words)
{
	struct test_memory m;

	test_memory_init(&m);
	finish_image(&m, name, image);
	check_refused(&m, name, code, words);
	test_memory_free(&m);
}

/* The disk has there the bytes of a block's content behind the first `skip`. */
TEST_BLOCKS_HELPER void check_content(struct disk *disk, uint64_t offset, size_t length, uint32_t seed, size_t skip)
{
	uint8_t *expected = malloc(skip + length), *found = calloc(1, length);

	assert_true(expected && found);
	test_content(expected, skip + length, seed);
	assert_int_equal(disk_read(disk, offset, found, length), 0);
	assert_memory_equal(found, expected + skip, length);
	free(expected);
	free(found);
}

TEST_BLOCKS_HELPER struct disk_extent map(struct disk *disk, uint64_t offset, uint64_t length)
{
	struct disk_extent extent;

	assert_int_equal(disk_map(disk, offset, length, &extent, NULL), 0);
	assert_in_range(extent.length, 1, length);
	return extent;
}

#endif
