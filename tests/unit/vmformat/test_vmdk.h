/* SPDX-License-Identifier: MIT */
/*
 * Writes sparse VMDK extents byte by byte for tests, to the specification and with any field spoilt
 * afterwards.
 *
 * Layout: header, descriptor (sectors 1 to 20), grain directory, all grain tables, grains.
 * test_sparse_as_stream() turns the same content into a stream: the directory and its tables behind the
 * grains, found through the footer. Include <cmocka.h> (with its four headers) before this file.
 */
#ifndef VITRINE_TEST_VMDK_H
#define VITRINE_TEST_VMDK_H

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"

#define TEST_VMDK_HELPER __attribute__((unused)) static

enum { TEST_VMDK_COMPRESSED = 0x30000, TEST_VMDK_ZEROED = 4, TEST_VMDK_REDUNDANT = 2 };
enum { TEST_VMDK_DESCRIPTOR = 512, TEST_VMDK_GD = 21 * 512 };

struct test_sparse {
	uint8_t *bytes;
	size_t size, room;
	uint64_t capacity, grain; /* sectors */
	uint32_t tables;
	size_t gd; /* byte offset of the grain directory */
};

/* Appends zeros up to a size of whole sectors; returns where they begin. */
TEST_VMDK_HELPER size_t test_sparse_append(struct test_sparse *t, size_t length)
{
	size_t at = t->size;

	t->size += (length + 511) / 512 * 512;
	if (t->size > t->room) {
		t->room = 2 * t->size;
		t->bytes = realloc(t->bytes, t->room);
		assert_non_null(t->bytes);
	}
	memset(t->bytes + at, 0, t->size - at);
	return at;
}

TEST_VMDK_HELPER void test_sparse_init(struct test_sparse *t, uint64_t capacity, uint64_t grain, uint32_t flags)
{
	uint8_t *header;

	*t = (struct test_sparse){ .capacity = capacity, .grain = grain, .gd = TEST_VMDK_GD };
	t->tables = (uint32_t)((capacity + grain * 512 - 1) / (grain * 512));
	test_sparse_append(t, TEST_VMDK_GD + (t->tables * 4 + 511) / 512 * 512 + t->tables * 2048);
	header = t->bytes;
	memcpy(header, "KDMV", 4);
	le32_store(header + 4, flags & TEST_VMDK_COMPRESSED ? 3 : 1);
	le32_store(header + 8, flags | 1);
	le64_store(header + 12, capacity);
	le64_store(header + 20, grain);
	le32_store(header + 44, 512);
	le64_store(header + 56, TEST_VMDK_GD / 512);
	le64_store(header + 64, t->size / 512);
	memcpy(header + 73, "\n \r\n", 4);
	le16_store(header + 77, flags & TEST_VMDK_COMPRESSED ? 1 : 0);
	for (uint32_t i = 0; i < t->tables; i++)
		le32_store(t->bytes + t->gd + i * 4, (uint32_t)((t->size - (t->tables - i) * 2048) / 512));
}

TEST_VMDK_HELPER void test_sparse_descriptor(struct test_sparse *t, const char *text)
{
	assert_true(strlen(text) <= 20 * 512);
	le64_store(t->bytes + 28, 1);
	le64_store(t->bytes + 36, 20);
	memset(t->bytes + TEST_VMDK_DESCRIPTOR, 0, 20 * 512);
	memcpy(t->bytes + TEST_VMDK_DESCRIPTOR, text, strlen(text));
}

/* The byte offset of a grain table, and of a grain's entry in it. */
TEST_VMDK_HELPER size_t test_sparse_table(const struct test_sparse *t, uint32_t table)
{
	return (size_t)le32_load(t->bytes + t->gd + table * 4) * 512;
}

TEST_VMDK_HELPER size_t test_sparse_entry(const struct test_sparse *t, uint32_t grain)
{
	return test_sparse_table(t, grain / 512) + grain % 512 * 4;
}

/* Appends a grain, all of it, and links it. Returns its byte offset. */
TEST_VMDK_HELPER size_t test_sparse_add(struct test_sparse *t, uint32_t grain, const uint8_t *content)
{
	size_t at = test_sparse_append(t, t->grain * 512);

	memcpy(t->bytes + at, content, t->grain * 512);
	le32_store(t->bytes + test_sparse_entry(t, grain), (uint32_t)(at / 512));
	return at;
}

/* Appends a compressed grain of `length` bytes and links it. Returns the byte offset of its marker. */
TEST_VMDK_HELPER size_t test_sparse_add_packed(struct test_sparse *t, uint32_t grain, const uint8_t *content,
                                               size_t length)
{
	struct libdeflate_compressor *deflate = libdeflate_alloc_compressor(6);
	size_t bound = libdeflate_zlib_compress_bound(deflate, length), size, at;
	uint8_t *packed = malloc(bound);

	assert_non_null(packed);
	size = libdeflate_zlib_compress(deflate, content, length, packed, bound);
	assert_true(size > 0);
	at = test_sparse_append(t, 12 + size);
	le64_store(t->bytes + at, grain * t->grain);
	le32_store(t->bytes + at + 8, (uint32_t)size);
	memcpy(t->bytes + at + 12, packed, size);
	le32_store(t->bytes + test_sparse_entry(t, grain), (uint32_t)(at / 512));
	free(packed);
	libdeflate_free_compressor(deflate);
	return at;
}

TEST_VMDK_HELPER void test_sparse_marker(struct test_sparse *t, uint64_t sectors, uint32_t type)
{
	size_t at = test_sparse_append(t, 512);

	le64_store(t->bytes + at, sectors);
	le32_store(t->bytes + at + 12, type);
}

/*
 * Tables and directory move behind the grains, each after its marker; then footer and end-of-stream marker.
 */
TEST_VMDK_HELPER void test_sparse_as_stream(struct test_sparse *t)
{
	size_t gd_size = (t->tables * 4 + 511) / 512 * 512, old_gd = t->gd, footer;

	for (uint32_t i = 0; i < t->tables; i++) {
		size_t from = test_sparse_table(t, i), to;

		test_sparse_marker(t, 4, 1);
		to = test_sparse_append(t, 2048);
		memcpy(t->bytes + to, t->bytes + from, 2048);
		memset(t->bytes + from, 0xee, 2048);
		le32_store(t->bytes + old_gd + i * 4, (uint32_t)(to / 512));
	}
	test_sparse_marker(t, gd_size / 512, 2);
	t->gd = test_sparse_append(t, gd_size);
	memcpy(t->bytes + t->gd, t->bytes + old_gd, gd_size);
	memset(t->bytes + old_gd, 0xee, gd_size);
	test_sparse_marker(t, 1, 3);
	footer = test_sparse_append(t, 512);
	memcpy(t->bytes + footer, t->bytes, 512);
	le64_store(t->bytes + footer + 56, t->gd / 512);
	le64_store(t->bytes + 56, UINT64_MAX);
	test_sparse_append(t, 512);
}

TEST_VMDK_HELPER void test_sparse_free(struct test_sparse *t)
{
	free(t->bytes);
	t->bytes = NULL;
}

/* Content that compresses a little and differs from one seed to the next. */
TEST_VMDK_HELPER void test_fill(uint8_t *bytes, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length; i++) {
		seed = seed * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(seed >> 24 & (i / 512 % 2 ? 0xff : 0x07));
	}
}

#endif
