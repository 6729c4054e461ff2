/* SPDX-License-Identifier: MIT */
/*
 * Builds VHDX images by [MS-VHDX]: headers, a log of 1 MiB, metadata, BAT, blocks of 1 MiB. As test_image.h.
 * Places are fixed, so that tests can change any field and seal again.
 */
#ifndef VITRINE_TEST_VHDX_H
#define VITRINE_TEST_VHDX_H

#include "tests/unit/vmformat/test_image.h"
#include "vmformat/vhdx.h"

#define TEST_VHDX_MIB (1u << 20)

enum {
	TEST_VHDX_HEADER_1 = 64 << 10,
	TEST_VHDX_HEADER_2 = 128 << 10,
	TEST_VHDX_REGIONS_1 = 192 << 10,
	TEST_VHDX_REGIONS_2 = 256 << 10,
	TEST_VHDX_LOG = 1 << 20,
	TEST_VHDX_METADATA = 2 << 20,
	TEST_VHDX_ITEMS = TEST_VHDX_METADATA + (64 << 10), /* parameters, size, sector sizes, id: each 16 bytes */
	TEST_VHDX_LOCATOR = TEST_VHDX_ITEMS + 4096,
	TEST_VHDX_BAT = 3 << 20,
	TEST_VHDX_BLOCKS = 4 << 20,
};

enum { TEST_VHDX_PRESENT = 6, TEST_VHDX_PARTIAL = 7 };

#define TEST_VHDX_CHUNK 4096u /* blocks of 1 MiB per bitmap */

struct test_vhdx {
	struct test_image image;
	unsigned items, pairs;
	size_t text; /* where the locator's next text goes */
};

TEST_IMAGE_HELPER void test_vhdx_sum(uint8_t *bytes, size_t length)
{
	le32_store(bytes + 4, vhdx_crc32c(bytes, length, 4));
}

TEST_IMAGE_HELPER void test_vhdx_guid(uint8_t *to, const char *text)
{
	unsigned a, b, c, d[8];

	assert_true(sscanf(text, "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x", &a, &b, &c, d, d + 1, d + 2, d + 3, d + 4,
	                   d + 5, d + 6, d + 7) == 11);
	le32_store(to, a);
	le16_store(to + 4, (uint16_t)b);
	le16_store(to + 6, (uint16_t)c);
	for (unsigned i = 0; i < 8; i++)
		to[8 + i] = (uint8_t)d[i];
}

/* After changes to headers and region tables. */
TEST_IMAGE_HELPER void test_vhdx_seal(struct test_vhdx *t)
{
	uint8_t *bytes = t->image.bytes;

	test_vhdx_sum(bytes + TEST_VHDX_HEADER_1, 4096);
	test_vhdx_sum(bytes + TEST_VHDX_HEADER_2, 4096);
	test_vhdx_sum(bytes + TEST_VHDX_REGIONS_1, 65536);
	test_vhdx_sum(bytes + TEST_VHDX_REGIONS_2, 65536);
}

/* Header 2 is the current one. id fills the data write GUID. */
TEST_IMAGE_HELPER void test_vhdx_header(uint8_t *header, uint64_t sequence, uint8_t id)
{
	memcpy(header, "head", 4);
	le64_store(header + 8, sequence);
	memset(header + 16, 0xaa, 16);
	memset(header + 32, id, 16);
	le16_store(header + 66, 1);
	le32_store(header + 68, TEST_VHDX_MIB);
	le64_store(header + 72, TEST_VHDX_LOG);
}

TEST_IMAGE_HELPER uint8_t *test_vhdx_region(uint8_t *table, const char *guid, uint64_t offset, uint32_t length,
                                            uint32_t required)
{
	uint32_t number = le32_load(table + 8);
	uint8_t *entry = table + 16 + number * 32;

	test_vhdx_guid(entry, guid);
	le64_store(entry + 16, offset);
	le32_store(entry + 24, length);
	le32_store(entry + 28, required);
	le32_store(table + 8, number + 1);
	return entry;
}

/* Returns the item's entry in the metadata table. Its content is at 16 bytes for each item before it. */
TEST_IMAGE_HELPER uint8_t *test_vhdx_item(struct test_vhdx *t, const char *guid, uint32_t offset, uint32_t length,
                                          uint32_t flags)
{
	uint8_t *table = t->image.bytes + TEST_VHDX_METADATA, *entry = table + 32 + t->items * 32;

	test_vhdx_guid(entry, guid);
	le32_store(entry + 16, offset);
	le32_store(entry + 20, length);
	le32_store(entry + 24, flags);
	le16_store(table + 10, (uint16_t)++t->items);
	return entry;
}

TEST_IMAGE_HELPER uint8_t *test_vhdx_content(struct test_vhdx *t, unsigned item)
{
	return t->image.bytes + TEST_VHDX_ITEMS + item * 16;
}

TEST_IMAGE_HELPER void test_vhdx_init(struct test_vhdx *t, uint64_t capacity, bool has_parent, uint8_t id)
{
	static const char *const guids[] = {
		"caa16737-fa36-4d43-b3b6-33f0aa44e76b", "2fa54224-cd1b-4876-b211-5dbed83bf4b8",
		"8141bf1d-a96f-4709-ba47-f233a8faab5f", "cda348c7-445d-4471-9cc9-e9885251c556",
		"beca12ab-b2e6-4523-93ef-c309e000c746",
	};
	static const uint32_t lengths[] = { 8, 8, 4, 4, 16 };

	*t = (struct test_vhdx){ .text = TEST_VHDX_LOCATOR + 512 };
	test_image_append(&t->image, TEST_VHDX_BLOCKS);
	memcpy(t->image.bytes, "vhdxfile", 8);
	test_vhdx_header(t->image.bytes + TEST_VHDX_HEADER_1, 6, 0xbb);
	test_vhdx_header(t->image.bytes + TEST_VHDX_HEADER_2, 7, id);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *table = t->image.bytes + (i ? TEST_VHDX_REGIONS_2 : TEST_VHDX_REGIONS_1);

		memcpy(table, "regi", 4);
		test_vhdx_region(table, "2dc27766-f623-4200-9d64-115e9bfd4a08", TEST_VHDX_BAT, TEST_VHDX_MIB, 1);
		test_vhdx_region(table, "8b7ca206-4790-4b9a-b8fe-575f050f886e", TEST_VHDX_METADATA, TEST_VHDX_MIB, 1);
	}
	memcpy(t->image.bytes + TEST_VHDX_METADATA, "metadata", 8);
	for (unsigned i = 0; i < 5; i++)
		test_vhdx_item(t, guids[i], TEST_VHDX_ITEMS - TEST_VHDX_METADATA + i * 16, lengths[i], 4);
	le32_store(test_vhdx_content(t, 0), TEST_VHDX_MIB);
	le32_store(test_vhdx_content(t, 0) + 4, has_parent ? 2 : 0);
	le64_store(test_vhdx_content(t, 1), capacity);
	le32_store(test_vhdx_content(t, 2), 512);
	le32_store(test_vhdx_content(t, 3), 4096);
	test_vhdx_seal(t);
}

TEST_IMAGE_HELPER uint8_t *test_vhdx_entry(struct test_vhdx *t, uint32_t block)
{
	return t->image.bytes + TEST_VHDX_BAT + (block + block / TEST_VHDX_CHUNK) * 8;
}

/* Appends a block with content of this seed. Returns its place. */
TEST_IMAGE_HELPER size_t test_vhdx_add(struct test_vhdx *t, uint32_t block, unsigned block_state, uint32_t seed)
{
	size_t at = test_image_append(&t->image, TEST_VHDX_MIB);

	test_content(t->image.bytes + at, TEST_VHDX_MIB, seed);
	le64_store(test_vhdx_entry(t, block), at | block_state);
	return at;
}

/* Appends the bitmap of a chunk, all bits 0. Returns its place. */
TEST_IMAGE_HELPER size_t test_vhdx_bitmap(struct test_vhdx *t, uint32_t chunk)
{
	size_t at = test_image_append(&t->image, TEST_VHDX_MIB);

	le64_store(test_vhdx_entry(t, chunk * TEST_VHDX_CHUNK + TEST_VHDX_CHUNK - 1) + 8, at | TEST_VHDX_PRESENT);
	return at;
}

/* Adds a pair to the parent locator, which the first call makes. */
TEST_IMAGE_HELPER void test_vhdx_locator(struct test_vhdx *t, const char *key, const char *value)
{
	uint8_t *locator = t->image.bytes + TEST_VHDX_LOCATOR, *pair = locator + 20 + t->pairs * 12;

	if (!t->pairs) {
		test_vhdx_item(t, "a8d35f2d-b30b-454d-abf7-d3d84834ab0c", TEST_VHDX_LOCATOR - TEST_VHDX_METADATA, 8192,
		               4);
		test_vhdx_guid(locator, "b04aefb7-d19e-4a81-b789-25b8e9445913");
	}
	le32_store(pair, (uint32_t)(t->text - TEST_VHDX_LOCATOR));
	le16_store(pair + 8, (uint16_t)test_utf16(t->image.bytes + t->text, key, false));
	t->text += 2 * strlen(key);
	le32_store(pair + 4, (uint32_t)(t->text - TEST_VHDX_LOCATOR));
	le16_store(pair + 10, (uint16_t)test_utf16(t->image.bytes + t->text, value, false));
	t->text += 2 * strlen(value);
	le16_store(locator + 18, (uint16_t)++t->pairs);
}

/* ---- the log ---- */

struct test_vhdx_change {
	uint64_t offset, length; /* length: zeros; 0: a page */
	const uint8_t *page;
};

/* Says that the log is in use: all entries of this GUID count. */
TEST_IMAGE_HELPER void test_vhdx_use_log(struct test_vhdx *t, uint8_t id)
{
	memset(t->image.bytes + TEST_VHDX_HEADER_2 + 48, id, 16);
	test_vhdx_seal(t);
}

/* Sums up the entry at `at` of the log again. */
TEST_IMAGE_HELPER void test_vhdx_log_sum(struct test_vhdx *t, uint32_t at)
{
	uint8_t *log = t->image.bytes + TEST_VHDX_LOG;
	uint32_t length = le32_load(log + at + 8), crc = 0;

	le32_store(log + at + 4, 0);
	for (uint32_t done = 0; done < length; done += 4096)
		crc = vhdx_crc32c_add(crc, log + (at + done) % TEST_VHDX_MIB, 4096);
	le32_store(log + at + 4, crc);
}

/* Writes an entry at `at` of the log. Returns where the next one goes. */
TEST_IMAGE_HELPER uint32_t test_vhdx_log(struct test_vhdx *t, uint32_t at, uint8_t id, uint64_t sequence, uint32_t tail,
                                         const struct test_vhdx_change *changes, uint32_t count)
{
	uint32_t data = (64 + count * 32 + 4095) / 4096 * 4096;
	uint8_t *log = t->image.bytes + TEST_VHDX_LOG, *header = log + at;

	for (uint32_t done = 0; done < data; done += 4096)
		memset(log + (at + done) % TEST_VHDX_MIB, 0, 4096);
	memcpy(header, "loge", 4);
	le32_store(header + 12, tail);
	le64_store(header + 16, sequence);
	le32_store(header + 24, count);
	memset(header + 32, id, 16);
	le64_store(header + 48, t->image.size);
	le64_store(header + 56, t->image.size);
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *descriptor = log + (at + 64 + i * 32) % TEST_VHDX_MIB;
		uint8_t *sector = log + (at + data) % TEST_VHDX_MIB;

		memcpy(descriptor, changes[i].length ? "zero" : "desc", 4);
		le64_store(descriptor + 16, changes[i].offset);
		le64_store(descriptor + 24, sequence);
		if (changes[i].length) {
			le64_store(descriptor + 8, changes[i].length);
			continue;
		}
		memcpy(descriptor + 4, changes[i].page + 4092, 4);
		memcpy(descriptor + 8, changes[i].page, 8);
		memcpy(sector, changes[i].page, 4096);
		memcpy(sector, "data", 4);
		le32_store(sector + 4, (uint32_t)(sequence >> 32));
		le32_store(sector + 4092, (uint32_t)sequence);
		data += 4096;
	}
	le32_store(header + 8, data);
	test_vhdx_log_sum(t, at);
	return (at + data) % TEST_VHDX_MIB;
}

#endif
