/* SPDX-License-Identifier: MIT */
/*
 * Images that grow in memory, for the builders of test_vdi.h, test_vhd.h and test_vhdx.h; also used by fuzz
 * targets. Everything asserts. Include <cmocka.h> (with its four headers), or define assert_true() and
 * assert_non_null(), before this file.
 */
#ifndef VITRINE_TEST_IMAGE_H
#define VITRINE_TEST_IMAGE_H

#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"

#define TEST_IMAGE_HELPER __attribute__((unused)) static

struct test_image {
	uint8_t *bytes;
	size_t size;
};

/* Adds zeros. Returns where they begin. */
TEST_IMAGE_HELPER size_t test_image_append(struct test_image *image, size_t length)
{
	size_t at = image->size;

	image->bytes = realloc(image->bytes, at + length);
	assert_non_null(image->bytes);
	memset(image->bytes + at, 0, length);
	image->size += length;
	return at;
}

TEST_IMAGE_HELPER void test_image_free(struct test_image *image)
{
	free(image->bytes);
	*image = (struct test_image){ 0 };
}

/* ASCII as UTF-16. Returns its length in bytes. */
TEST_IMAGE_HELPER size_t test_utf16(uint8_t *to, const char *text, bool big_endian)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++) {
		to[2 * i] = big_endian ? 0 : (uint8_t)text[i];
		to[2 * i + 1] = big_endian ? (uint8_t)text[i] : 0;
	}
	return 2 * length;
}

/* Content that differs from one seed to the next, and from zeros. */
TEST_IMAGE_HELPER void test_content(uint8_t *bytes, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length; i++) {
		seed = seed * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(seed >> 24 | 1);
	}
}

#endif
