/* SPDX-License-Identifier: MIT */
/* Builds VHD images by the specification: footer, second header, BAT, blocks with bitmaps. As test_image.h. */
#ifndef VITRINE_TEST_VHD_H
#define VITRINE_TEST_VHD_H

#include "tests/unit/vmformat/test_image.h"

enum { TEST_VHD_FIXED = 2, TEST_VHD_DYNAMIC = 3, TEST_VHD_DIFFERENCING = 4 };
enum { TEST_VHD_HEADER = 512, TEST_VHD_BAT = 1536 };

struct test_vhd {
	struct test_image image;
	uint8_t footer[512];
	uint32_t block, bitmap;
};

TEST_IMAGE_HELPER void test_vhd_sum(uint8_t *bytes, size_t length, size_t field)
{
	uint32_t sum = 0;

	be32_store(bytes + field, 0);
	for (size_t i = 0; i < length; i++)
		sum += bytes[i];
	be32_store(bytes + field, ~sum);
}

/* After a change to the footer: sums it up, and copies it to where the copy is. */
TEST_IMAGE_HELPER void test_vhd_seal(struct test_vhd *t)
{
	test_vhd_sum(t->footer, 512, 64);
	if (t->block) {
		memcpy(t->image.bytes, t->footer, 512);
		test_vhd_sum(t->image.bytes + TEST_VHD_HEADER, 1024, 36);
	}
}

/* block 0: a fixed disk, to whose image the content is appended. id fills the unique id. */
TEST_IMAGE_HELPER void test_vhd_init(struct test_vhd *t, uint32_t type, uint64_t capacity, uint32_t block, uint8_t id)
{
	*t = (struct test_vhd){ .block = block };
	memcpy(t->footer, "conectix", 8);
	be32_store(t->footer + 8, 2);
	be32_store(t->footer + 12, 0x10000);
	be64_store(t->footer + 16, block ? TEST_VHD_HEADER : UINT64_MAX);
	memcpy(t->footer + 28, "win ", 4);
	be64_store(t->footer + 40, capacity);
	be64_store(t->footer + 48, capacity);
	be32_store(t->footer + 60, type);
	memset(t->footer + 68, id, 16);
	if (block) {
		uint32_t blocks = (uint32_t)((capacity + block - 1) / block);
		uint8_t *header;

		t->bitmap = (block / 4096 + 511) / 512 * 512;
		test_image_append(&t->image, TEST_VHD_BAT + (blocks * 4 + 511) / 512 * 512);
		memset(t->image.bytes + TEST_VHD_BAT, 0xff, t->image.size - TEST_VHD_BAT);
		header = t->image.bytes + TEST_VHD_HEADER;
		memcpy(header, "cxsparse", 8);
		be64_store(header + 8, UINT64_MAX);
		be64_store(header + 16, TEST_VHD_BAT);
		be32_store(header + 24, 0x10000);
		be32_store(header + 28, blocks);
		be32_store(header + 32, block);
	}
	test_vhd_seal(t);
}

/*
 * Appends a block whose sectors have content of this seed where bits says so (bit 0: the first sector). Returns
 * its place.
 */
TEST_IMAGE_HELPER size_t test_vhd_add(struct test_vhd *t, uint32_t block, uint64_t bits, uint32_t seed)
{
	size_t at = test_image_append(&t->image, t->bitmap + t->block);

	be32_store(t->image.bytes + TEST_VHD_BAT + block * 4, (uint32_t)(at / 512));
	for (unsigned i = 0; i < t->block / 512 && i < 64; i++)
		if (bits >> i & 1)
			t->image.bytes[at + i / 8] |= (uint8_t)(0x80 >> i % 8);
	test_content(t->image.bytes + at + t->bitmap, t->block, seed);
	return at;
}

TEST_IMAGE_HELPER void test_vhd_parent_id(struct test_vhd *t, uint8_t id)
{
	memset(t->image.bytes + TEST_VHD_HEADER + 40, id, 16);
	test_vhd_seal(t);
}

/* Appends the name and fills the next locator (0 to 7). The Macintosh's is UTF-8. */
TEST_IMAGE_HELPER void test_vhd_locator(struct test_vhd *t, unsigned number, const char *platform, const char *name)
{
	size_t at = test_image_append(&t->image, 512), length;
	uint8_t *locator = t->image.bytes + TEST_VHD_HEADER + 576 + number * 24;

	if (platform[0] == 'M')
		length = strlen(strcpy((char *)t->image.bytes + at, name));
	else
		length = test_utf16(t->image.bytes + at, name, false);
	memcpy(locator, platform, 4);
	be32_store(locator + 4, 512);
	be32_store(locator + 8, (uint32_t)length);
	be64_store(locator + 16, at);
	test_vhd_seal(t);
}

TEST_IMAGE_HELPER void test_vhd_finish(struct test_vhd *t)
{
	size_t at = test_image_append(&t->image, 512);

	memcpy(t->image.bytes + at, t->footer, 512);
}

#endif
