/* SPDX-License-Identifier: MIT */
/*
 * Disks of images in memory, for tests: opening them well or badly, and what is read from them. Everything asserts
 * (cmocka). Include <cmocka.h> (with its four headers) before this file.
 */
#ifndef VITRINE_TEST_DISKS_H
#define VITRINE_TEST_DISKS_H

#include "tests/unit/vmformat/test_files.h"
#include "tests/unit/vmformat/test_vmdk.h"
#include "vmformat/disk.h"

#define TEST_DISK_HELPER __attribute__((unused)) static
#define GRAIN_BYTES 4096u

TEST_DISK_HELPER void write_text(struct test_memory *m, const char *name, const char *text)
{
	test_memory_write(m, name, text, strlen(text));
}

TEST_DISK_HELPER int try_open(struct test_memory *m, const char *name, struct disk **ret_disk, struct error *e)
{
	struct file file = test_memory_open(m, name);
	int r;

	error_clear(e);
	r = disk_open(&file, &m->files, ret_disk, e);
	assert_int_equal(file.fd >= 0, r < 0); /* taken over on success only */
	file_close(&file);
	return r;
}

TEST_DISK_HELPER struct disk *open_disk(struct test_memory *m, const char *name)
{
	struct error e = { 0 };
	struct disk *disk;

	if (try_open(m, name, &disk, &e) < 0)
		fail_msg("%s", e.text);
	return disk;
}

TEST_DISK_HELPER void check_refused(struct test_memory *m, const char *name, int code, const char *words)
{
	struct error e = { 0 };
	struct disk *disk;

	assert_int_equal(try_open(m, name, &disk, &e), code);
	assert_int_equal(e.code, code);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" lacks \"%s\"", e.text, words);
}

/* Writes a sparse extent with one grain, whose content is made from seed. */
TEST_DISK_HELPER void write_sparse(struct test_memory *m, const char *name, uint64_t sectors, uint32_t grain,
                                   uint32_t seed, uint32_t flags, const char *descriptor)
{
	uint8_t content[GRAIN_BYTES];
	struct test_sparse t;

	test_sparse_init(&t, sectors, 8, flags);
	test_fill(content, sizeof(content), seed);
	if (flags & TEST_VMDK_COMPRESSED)
		test_sparse_add_packed(&t, grain, content, sizeof(content));
	else
		test_sparse_add(&t, grain, content);
	if (descriptor)
		test_sparse_descriptor(&t, descriptor);
	test_memory_write(m, name, t.bytes, t.size);
	test_sparse_free(&t);
}

TEST_DISK_HELPER void check_grain(struct disk *disk, uint64_t offset, uint32_t seed)
{
	uint8_t expected[GRAIN_BYTES], found[GRAIN_BYTES];

	test_fill(expected, sizeof(expected), seed);
	assert_int_equal(disk_read(disk, offset, found, sizeof(found)), 0);
	assert_memory_equal(found, expected, sizeof(found));
}

TEST_DISK_HELPER void check_zeros(struct disk *disk, uint64_t offset, size_t length)
{
	uint8_t *found = malloc(length);

	assert_non_null(found);
	assert_int_equal(disk_read(disk, offset, found, length), 0);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(found[i], 0);
	free(found);
}

#endif
