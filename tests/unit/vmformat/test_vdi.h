/* SPDX-License-Identifier: MIT */
/* Builds VDI images of version 1.1: header, map, blocks. As test_image.h. */
#ifndef VITRINE_TEST_VDI_H
#define VITRINE_TEST_VDI_H

#include <stdio.h>

#include "tests/unit/vmformat/test_image.h"

enum { TEST_VDI_MAP = 512 };
enum { TEST_VDI_NORMAL = 1, TEST_VDI_FIXED, TEST_VDI_UNDO, TEST_VDI_DIFFERENCING };

struct test_vdi {
	struct test_image image;
	uint32_t block, extra, data;
};

/* id fills the UUID, id + 100 the one that changes with the content. */
TEST_IMAGE_HELPER void test_vdi_init(struct test_vdi *t, uint32_t type, uint64_t capacity, uint32_t block,
                                     uint32_t extra, uint8_t id)
{
	uint32_t blocks = (uint32_t)((capacity + block - 1) / block);
	uint8_t *header;

	*t = (struct test_vdi){ .block = block, .extra = extra, .data = TEST_VDI_MAP + (blocks * 4 + 511) / 512 * 512 };
	test_image_append(&t->image, t->data);
	header = t->image.bytes;
	memset(header + TEST_VDI_MAP, 0xff, blocks * 4);
	snprintf((char *)header, 64, "<<< Oracle VM VirtualBox Disk Image >>>\n");
	le32_store(header + 64, 0xbeda107f);
	le32_store(header + 68, 0x10001);
	le32_store(header + 72, 400);
	le32_store(header + 76, type);
	le32_store(header + 340, TEST_VDI_MAP);
	le32_store(header + 344, t->data);
	le32_store(header + 360, 512);
	le64_store(header + 368, capacity);
	le32_store(header + 376, block);
	le32_store(header + 380, extra);
	le32_store(header + 384, blocks);
	memset(header + 392, id, 16);
	memset(header + 408, id + 100, 16);
}

TEST_IMAGE_HELPER void test_vdi_entry(struct test_vdi *t, uint32_t block, uint32_t value)
{
	le32_store(t->image.bytes + TEST_VDI_MAP + block * 4, value);
}

/* Appends a block with content of this seed. */
TEST_IMAGE_HELPER void test_vdi_add(struct test_vdi *t, uint32_t block, uint32_t seed)
{
	uint32_t number = le32_load(t->image.bytes + 388);
	size_t at = test_image_append(&t->image, t->extra + t->block);

	memset(t->image.bytes + at, 0xee, t->extra);
	test_content(t->image.bytes + at + t->extra, t->block, seed);
	test_vdi_entry(t, block, number);
	le32_store(t->image.bytes + 388, number + 1);
}

TEST_IMAGE_HELPER void test_vdi_parent(struct test_vdi *t, uint8_t id)
{
	memset(t->image.bytes + 424, id, 16);
	memset(t->image.bytes + 440, id + 100, 16);
}

#endif
