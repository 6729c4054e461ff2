/* SPDX-License-Identifier: MIT */
/*
 * Writes ESX's sparse extents byte by byte for tests: COWD (vmfsSparse) and seSparse, with any field spoilt afterwards. All
 * tables lie before the grains; seSparse has its own where ESXi puts them. Include <cmocka.h> (with its four headers)
 * before this file.
 */
#ifndef VITRINE_TEST_ESX_H
#define VITRINE_TEST_ESX_H

#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"

#define TEST_ESX_HELPER __attribute__((unused)) static

#ifndef TEST_SESPARSE_GD
#define TEST_SESPARSE_GD (4096 * 512)
#endif

#define TEST_ESX_GTES 4096u /* entries in a table, of both kinds */

enum {
	TEST_COWD_GD = 4 * 512,
	TEST_SESPARSE_VOLATILE = 512,
};

struct test_esx {
	uint8_t *bytes;
	size_t size, room;
	uint64_t capacity;    /* sectors */
	uint32_t grain;       /* bytes */
	bool se;              /* seSparse */
	size_t gd, gt, first; /* byte offsets: directory, tables, grains */
	uint32_t tables;
};

TEST_ESX_HELPER size_t test_esx_append(struct test_esx *t, size_t length)
{
	size_t at = t->size;

	t->size += length;
	if (t->size > t->room) {
		t->room = 2 * t->size;
		t->bytes = realloc(t->bytes, t->room);
		assert_non_null(t->bytes);
	}
	memset(t->bytes + at, 0, length);
	return at;
}

TEST_ESX_HELPER size_t test_esx_sectors(size_t bytes)
{
	return (bytes + 511) / 512;
}

TEST_ESX_HELPER void test_cowd_init(struct test_esx *t, uint32_t capacity, uint32_t grain_sectors)
{
	*t = (struct test_esx){ .capacity = capacity, .grain = grain_sectors * 512, .gd = TEST_COWD_GD };
	t->tables = (uint32_t)((capacity + (uint64_t)grain_sectors * TEST_ESX_GTES - 1) /
	                       ((uint64_t)grain_sectors * TEST_ESX_GTES));
	test_esx_append(t, TEST_COWD_GD + test_esx_sectors(t->tables * 4) * 512);
	t->gt = test_esx_append(t, (size_t)t->tables * TEST_ESX_GTES * 4);
	t->first = t->size;
	memcpy(t->bytes, "COWD", 4);
	le32_store(t->bytes + 4, 1);
	le32_store(t->bytes + 8, 3);
	le32_store(t->bytes + 12, capacity);
	le32_store(t->bytes + 16, grain_sectors);
	le32_store(t->bytes + 20, TEST_COWD_GD / 512);
	le32_store(t->bytes + 24, t->tables);
	le32_store(t->bytes + 28, (uint32_t)(t->size / 512));
	for (uint32_t i = 0; i < t->tables; i++)
		le32_store(t->bytes + t->gd + i * 4, (uint32_t)((t->gt + (size_t)i * TEST_ESX_GTES * 4) / 512));
}

TEST_ESX_HELPER void test_sesparse_init(struct test_esx *t, uint64_t capacity)
{
	static const uint64_t places[] = { 1, 1, 2, 2, 2048, 2048 }; /* changing header, journal's header, journal */
	size_t directory;

	*t = (struct test_esx){ .capacity = capacity, .grain = 4096, .se = true, .gd = TEST_SESPARSE_GD };
	t->tables = (uint32_t)((capacity + 8 * TEST_ESX_GTES - 1) / (8 * TEST_ESX_GTES));
	directory = test_esx_sectors(t->tables * 8) * 512;
	test_esx_append(t, TEST_SESPARSE_GD + directory);
	t->gt = test_esx_append(t, (size_t)t->tables * TEST_ESX_GTES * 8);
	t->first = t->size;
	le64_store(t->bytes, 0xcafebabe);
	le64_store(t->bytes + 8, 0x0000000200000001);
	le64_store(t->bytes + 16, capacity);
	le64_store(t->bytes + 24, 8);
	le64_store(t->bytes + 32, 64);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
		le64_store(t->bytes + 80 + i * 8, places[i]);
	le64_store(t->bytes + 128, t->gd / 512);
	le64_store(t->bytes + 136, directory / 512);
	le64_store(t->bytes + 144, t->gt / 512);
	le64_store(t->bytes + 152, (uint64_t)t->tables * 64);
	le64_store(t->bytes + 192, t->first / 512);
	le64_store(t->bytes + 200, capacity);
	le64_store(t->bytes + TEST_SESPARSE_VOLATILE, 0xcafecafe);
	for (uint32_t i = 0; i < t->tables; i++)
		le64_store(t->bytes + t->gd + i * 8, 0x1000000000000000 | i);
}

/* The byte offset of a grain's entry. */
TEST_ESX_HELPER size_t test_esx_entry(const struct test_esx *t, uint32_t grain)
{
	return t->gt + (size_t)grain * (t->se ? 8 : 4);
}

/* Links a grain to the stored one of this number. */
TEST_ESX_HELPER void test_esx_link(struct test_esx *t, uint32_t grain, uint64_t number)
{
	if (t->se)
		le64_store(t->bytes + test_esx_entry(t, grain),
		           0x3000000000000000 | (number & 0xfff) << 48 | number >> 12);
	else
		le32_store(t->bytes + test_esx_entry(t, grain), (uint32_t)((t->first + number * t->grain) / 512));
}

/* Appends a grain and links it. Returns its byte offset. */
TEST_ESX_HELPER size_t test_esx_add(struct test_esx *t, uint32_t grain, const uint8_t *content)
{
	size_t at = test_esx_append(t, t->grain);

	memcpy(t->bytes + at, content, t->grain);
	test_esx_link(t, grain, (at - t->first) / t->grain);
	return at;
}

/* seSparse: kind 1, unmapped by the guest, or 2, zero. */
TEST_ESX_HELPER void test_sesparse_mark(struct test_esx *t, uint32_t grain, uint64_t kind)
{
	le64_store(t->bytes + test_esx_entry(t, grain), kind << 60);
}

TEST_ESX_HELPER void test_esx_free(struct test_esx *t)
{
	free(t->bytes);
	t->bytes = NULL;
}

#endif
