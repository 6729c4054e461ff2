/* SPDX-License-Identifier: MIT */
/*
 * Writes qcow2 images byte by byte for tests, to the specification and with any field spoilt afterwards: header, L1 table,
 * L2 tables, then clusters as they are added. Reference counts are left out: no reader needs them. Include <cmocka.h>
 * (with its four headers) before this file.
 */
#ifndef VITRINE_TEST_QCOW2_H
#define VITRINE_TEST_QCOW2_H

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "vmformat/bytes.h"
#include "vmformat/qcow2_layout.h"

#define TEST_QCOW2_HELPER __attribute__((unused)) static

struct test_qcow2 {
	uint8_t *bytes;
	size_t size, room;
	uint64_t capacity;
	uint32_t cluster, tables, entry_size, entries; /* entries of one L2 table */
	size_t l1, l2, extension;                      /* byte offsets; extension: where the next one goes */
};

/* Appends zeros; returns where they begin. */
TEST_QCOW2_HELPER size_t test_qcow2_append(struct test_qcow2 *t, size_t length)
{
	size_t at = t->size;

	t->size += length;
	if (t->size > t->room) {
		t->room = 2 * t->size;
		t->bytes = realloc(t->bytes, t->room);
		assert_non_null(t->bytes);
	}
	memset(t->bytes + at, 0, t->size - at);
	return at;
}

TEST_QCOW2_HELPER void test_qcow2_init(struct test_qcow2 *t, unsigned version, unsigned cluster_bits, uint64_t capacity,
                                       uint64_t features)
{
	*t = (struct test_qcow2){ .capacity = capacity, .cluster = 1u << cluster_bits };
	t->entry_size = features & INCOMPATIBLE_EXTENDED_L2 ? 16 : 8;
	t->entries = t->cluster / t->entry_size;
	t->tables = (uint32_t)div_round_up(capacity, (uint64_t)t->entries * t->cluster);
	test_qcow2_append(t, t->cluster);
	t->l1 = test_qcow2_append(t, div_round_up((uint64_t)t->tables * 8, t->cluster) * t->cluster);
	t->l2 = test_qcow2_append(t, (size_t)t->tables * t->cluster);
	be32_store(t->bytes + H_MAGIC, QCOW2_MAGIC);
	be32_store(t->bytes + H_VERSION, version);
	be32_store(t->bytes + H_CLUSTER_BITS, cluster_bits);
	be64_store(t->bytes + H_SIZE, capacity);
	be32_store(t->bytes + H_L1_SIZE, t->tables);
	be64_store(t->bytes + H_L1_OFFSET, t->l1);
	t->extension = version == 2 ? QCOW2_V2_HEADER : H_END + 8;
	if (version > 2) {
		be64_store(t->bytes + H_INCOMPATIBLE, features);
		be32_store(t->bytes + H_REFCOUNT_ORDER, 4);
		be32_store(t->bytes + H_LENGTH, H_END + 8);
		t->bytes[H_COMPRESSION] = features & INCOMPATIBLE_COMPRESSION ? 1 : 0;
	}
	for (uint32_t i = 0; i < t->tables; i++)
		be64_store(t->bytes + t->l1 + i * 8, (t->l2 + (size_t)i * t->cluster) | ENTRY_COPIED);
}

TEST_QCOW2_HELPER void test_qcow2_extension(struct test_qcow2 *t, uint32_t type, const void *data, uint32_t length)
{
	be32_store(t->bytes + t->extension, type);
	be32_store(t->bytes + t->extension + 4, length);
	memcpy(t->bytes + t->extension + 8, data, length);
	t->extension += 8 + div_round_up(length, 8) * 8;
}

/* After the extensions. format "": not given. */
TEST_QCOW2_HELPER void test_qcow2_backing(struct test_qcow2 *t, const char *name, const char *format)
{
	if (*format)
		test_qcow2_extension(t, EXTENSION_BACKING_FORMAT, format, (uint32_t)strlen(format));
	be64_store(t->bytes + H_BACKING_OFFSET, t->extension + 8);
	be32_store(t->bytes + H_BACKING_LENGTH, (uint32_t)strlen(name));
	memcpy(t->bytes + t->extension + 8, name, strlen(name));
}

/* The L2 entry of a cluster of the disk. */
TEST_QCOW2_HELPER uint8_t *test_qcow2_entry(const struct test_qcow2 *t, uint32_t cluster)
{
	return t->bytes + t->l2 + (size_t)cluster * t->entry_size;
}

/* Appends a cluster and links it. Returns its byte offset. */
TEST_QCOW2_HELPER size_t test_qcow2_add(struct test_qcow2 *t, uint32_t cluster, const uint8_t *content)
{
	size_t at;

	test_qcow2_append(t, div_round_up(t->size, t->cluster) * t->cluster - t->size);
	at = test_qcow2_append(t, t->cluster);
	memcpy(t->bytes + at, content, t->cluster);
	be64_store(test_qcow2_entry(t, cluster), at | ENTRY_COPIED);
	return at;
}

/* Links a cluster to packed bytes. */
TEST_QCOW2_HELPER size_t test_qcow2_link_packed(struct test_qcow2 *t, uint32_t cluster, const void *packed, size_t size)
{
	size_t at = test_qcow2_append(t, size);
	unsigned x = 62 - ((unsigned)__builtin_ctz(t->cluster) - 8);
	uint64_t sectors = (at % 512 + size - 1) / 512;

	memcpy(t->bytes + at, packed, size);
	be64_store(test_qcow2_entry(t, cluster), ENTRY_COMPRESSED | sectors << x | at);
	return at;
}

/* Appends a deflated cluster of `length` bytes and links it. */
TEST_QCOW2_HELPER size_t test_qcow2_add_packed(struct test_qcow2 *t, uint32_t cluster, const uint8_t *content,
                                               size_t length)
{
	struct libdeflate_compressor *deflate = libdeflate_alloc_compressor(6);
	size_t bound = libdeflate_deflate_compress_bound(deflate, length), size, at;
	uint8_t *packed = malloc(bound);

	assert_non_null(packed);
	size = libdeflate_deflate_compress(deflate, content, length, packed, bound);
	assert_true(size > 0);
	at = test_qcow2_link_packed(t, cluster, packed, size);
	free(packed);
	libdeflate_free_compressor(deflate);
	return at;
}

TEST_QCOW2_HELPER size_t test_qcow2_add_zstd(struct test_qcow2 *t, uint32_t cluster, const uint8_t *content,
                                             size_t length)
{
	size_t bound = ZSTD_compressBound(length), size, at;
	uint8_t *packed = malloc(bound);

	assert_non_null(packed);
	size = ZSTD_compress(packed, bound, content, length, 3);
	assert_false(ZSTD_isError(size));
	at = test_qcow2_link_packed(t, cluster, packed, size);
	free(packed);
	return at;
}

TEST_QCOW2_HELPER void test_qcow2_free(struct test_qcow2 *t)
{
	free(t->bytes);
	t->bytes = NULL;
}

#endif
