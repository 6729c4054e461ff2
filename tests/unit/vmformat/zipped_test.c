/* SPDX-License-Identifier: MIT */
/* Zips whose members are not deflated: 7-Zip, Python, xz and zstd pack, the plain file is the judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libdeflate.h>

#include "test_keep.h"
#include "vmformat/appliance.h"
#include "vmformat/bytes.h"
#include "vmformat/zip.h"

#define DISK_SIZE (3u << 20)
#define NAME "disk.img"

struct rig {
	struct test_dir dir;
	struct test_keep keep;
	struct files files;
	uint8_t bytes[DISK_SIZE];
	uint8_t found[DISK_SIZE];
	struct error e;
};

/* Like text, random, and zeros. */
static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	uint32_t seed = 12345;

	for (uint32_t i = 0; i < DISK_SIZE; i++) {
		seed = seed * 1664525 + 1013904223;
		rig->bytes[i] = i >> 20 == 2            ? 0
		                : i % (1 << 20) < 65536 ? (uint8_t)(seed >> 24)
		                                        : (uint8_t)("0123456789abcdef"[seed >> 28]);
	}
	test_dir_init(&rig->dir);
	test_keep_init(&rig->keep);
	rig->files = rig->dir.files;
	rig->files.keep = &rig->keep.keep;
	test_dir_write(&rig->dir, NAME, rig->bytes, DISK_SIZE);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	test_keep_free(&rig->keep);
	test_dir_free(&rig->dir);
	free(rig);
	return 0;
}

static bool can_run(const char *tool)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", tool);
	return system(command) == 0;
}

/* In the folder. Skips the test when the tool is missing. */
static void run(struct rig *rig, const char *tool, const char *arguments)
{
	char command[512];

	if (!can_run(tool)) {
		printf("SKIPPED: %s is not installed\n", tool);
		skip();
	}
	snprintf(command, sizeof(command), "cd %s && { %s %s; } >/dev/null 2>&1", rig->dir.path, tool, arguments);
	assert_int_equal(system(command), 0);
}

/* a.zip, by 7-Zip */
static void pack(struct rig *rig, const char *method, const char *what)
{
	char arguments[128];

	run(rig, "rm", "-f a.zip");
	snprintf(arguments, sizeof(arguments), "a -tzip -mm=%s a.zip %s", method, what);
	run(rig, "7z", arguments);
}

static const char *const methods[] = { "BZip2", "LZMA", "PPMd", "xz" };

static int open_zip(struct rig *rig, struct appliance **ret_appliance)
{
	struct file source = test_dir_open(&rig->dir, "a.zip");
	int r;

	error_clear(&rig->e);
	r = appliance_open(&source, &rig->files, ret_appliance, &rig->e);
	if (r < 0) {
		assert_int_equal(rig->e.code, r);
		file_close(&source);
	}
	return r;
}

static void assert_plays(struct rig *rig)
{
	struct appliance *a;
	struct disk *disk;

	if (open_zip(rig, &a) < 0)
		fail_msg("%s", rig->e.text);
	assert_int_equal(appliance_open_disk(a, appliance_find_drive(a, "ide0:0"), &disk, &rig->e), 0);
	assert_string_equal(disk->format->name, "raw");
	assert_int_equal(disk->capacity, DISK_SIZE);
	assert_int_equal(disk_read(disk, 0, rig->found, DISK_SIZE), 0);
	assert_memory_equal(rig->found, rig->bytes, DISK_SIZE);
	disk_close(disk);
	appliance_free(a);
}

/* Unpacked once, found again, and then forgotten for the next. */
static void assert_is_unpacked_once(struct rig *rig)
{
	assert_plays(rig);
	assert_true(rig->keep.told > 0);
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-0"), DISK_SIZE);
	test_keep_again(&rig->keep);
	assert_plays(rig);
	assert_int_equal(rig->keep.told, 0);
	test_keep_free(&rig->keep);
	test_keep_init(&rig->keep);
}

static void assert_refused(struct rig *rig, int code, const char *words)
{
	struct appliance *a;

	test_keep_again(&rig->keep);
	assert_int_equal(open_zip(rig, &a), code);
	if (!strstr(rig->e.text, words))
		fail_msg("\"%s\" is not in: %s", words, rig->e.text);
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-0"), 0); /* nothing is left behind */
	assert_int_equal(test_keep_size(&rig->keep, KEEP_RECORD), 0);
}

/* ---- zips written here, of bytes that a tool packed ---- */

struct zip_file {
	uint8_t *bytes;
	size_t size, data, directory;
};

/* APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16, and nothing that need not be there. */
static void write_zip(struct rig *rig, uint16_t method, const void *packed, size_t length, uint32_t size)
{
	enum { LOCAL = 30, ENTRY = 46, END = 22, NAME_LENGTH = sizeof(NAME) - 1 };
	size_t directory = LOCAL + NAME_LENGTH + length, total = directory + ENTRY + NAME_LENGTH + END;
	uint8_t *zip = calloc(1, total), *entry = zip + directory, *end = entry + ENTRY + NAME_LENGTH;

	memcpy(zip, "PK\3\4", 4);
	memcpy(zip + LOCAL, NAME, NAME_LENGTH);
	memcpy(zip + LOCAL + NAME_LENGTH, packed, length);
	memcpy(entry, "PK\1\2", 4);
	memcpy(entry + ENTRY, NAME, NAME_LENGTH);
	memcpy(end, "PK\5\6", 4);
	le16_store(zip + 8, method);
	le16_store(entry + 10, method);
	le32_store(entry + 16, libdeflate_crc32(0, rig->bytes, MIN(size, DISK_SIZE)));
	le32_store(entry + 20, (uint32_t)length);
	le32_store(entry + 24, size);
	le16_store(entry + 28, NAME_LENGTH);
	memcpy(zip + 14, entry + 16, 14); /* the same */
	le16_store(end + 8, 1);
	le16_store(end + 10, 1);
	le32_store(end + 12, ENTRY + NAME_LENGTH);
	le32_store(end + 16, (uint32_t)directory);
	test_dir_write(&rig->dir, "a.zip", zip, total);
	free(zip);
}

static size_t read_back(struct rig *rig, const char *name, uint8_t **ret_bytes)
{
	struct file f = test_dir_open(&rig->dir, name);
	size_t size = (size_t)f.size;

	*ret_bytes = malloc(size + 1);
	assert_int_equal(file_read(&f, 0, *ret_bytes, size), 0);
	file_close(&f);
	return size;
}

static void write_zip_of(struct rig *rig, uint16_t method, const char *name)
{
	uint8_t *packed;
	size_t length = read_back(rig, name, &packed);

	write_zip(rig, method, packed, length, DISK_SIZE);
	free(packed);
}

/* a.zip of one member, as it lies there. */
static struct zip_file load_zip(struct rig *rig)
{
	struct zip_file z = { 0 };

	z.size = read_back(rig, "a.zip", &z.bytes);
	z.data = 30u + le16_load(z.bytes + 26) + le16_load(z.bytes + 28);
	z.directory = le32_load(z.bytes + z.size - 6);
	return z;
}

static void store_zip(struct rig *rig, struct zip_file *z)
{
	test_dir_write(&rig->dir, "a.zip", z->bytes, z->size);
	free(z->bytes);
}

/* ---- what plays ---- */

static void zip_of_every_method_that_7zip_has_is_unpacked_once(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(methods); i++) {
		pack(rig, methods[i], NAME);
		assert_is_unpacked_once(rig);
	}
}

static void zip_of_pythons_methods_is_unpacked_once(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 2; i++) {
		run(rig, "python3",
		    i ? "-c 'import zipfile; zipfile.ZipFile(\"a.zip\", \"w\", zipfile.ZIP_LZMA).write(\"disk.img\")'"
		      : "-c 'import zipfile; zipfile.ZipFile(\"a.zip\", \"w\", "
		        "zipfile.ZIP_BZIP2).write(\"disk.img\")'");
		assert_is_unpacked_once(rig);
	}
}

static void zip_of_zstd_is_unpacked_once(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 3; i++) {
		run(rig, "zstd",
		    i == 0   ? "-q -f -3 " NAME " -o packed"
		    : i == 1 ? "-q -f -19 --no-check --long=27 " NAME " -o packed"
		             : "-q -f -1 < " NAME " > packed");
		write_zip_of(rig, ZIP_ZSTD, "packed");
		if (can_run("7z"))
			run(rig, "7z", "t a.zip"); /* what is written here is a zip */
		assert_is_unpacked_once(rig);
	}
}

static void zip_of_lzma_without_an_end_marker_is_unpacked_once(void **state)
{
	struct rig *rig = *state;

	pack(rig, "LZMA:eos=off", NAME);
	assert_is_unpacked_once(rig);
}

static void zip_may_mix_all_methods(void **state)
{
	static const char text[] = "config.version = \"8\"\nvirtualHW.version = \"10\"\nmemsize = \"64\"\n"
				   "ide0:0.present = \"TRUE\"\nide0:0.fileName = \"disk.img\"\n";
	struct rig *rig = *state;

	test_dir_write(&rig->dir, "machine.vmx", text, sizeof(text) - 1);
	test_dir_write(&rig->dir, "read.me", "Have fun", 8);
	pack(rig, "PPMd", NAME);
	run(rig, "7z", "a -tzip -mm=LZMA a.zip machine.vmx");
	run(rig, "7z", "a -tzip -mm=Copy a.zip read.me");
	assert_plays(rig);
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-2"), 0); /* the text and the disk */
}

/* ---- what is refused ---- */

static void zip_method_that_no_library_unpacks_is_refused_in_words(void **state)
{
	struct rig *rig = *state;

	pack(rig, "Deflate64", NAME);
	assert_refused(rig, -ENOTSUP, "disk.img is packed by Deflate64, which Vitrine cannot unpack. Unpack it with");
	write_zip(rig, 1, "abc", 3, 5);
	assert_refused(rig, -ENOTSUP, "by Shrink");
	write_zip(rig, 97, "abc", 3, 5);
	assert_refused(rig, -ENOTSUP, "by an unusual method");
}

static void zip_is_refused_where_nothing_can_be_kept(void **state)
{
	struct rig *rig = *state;

	rig->files.keep = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(methods); i++) {
		pack(rig, methods[i], NAME);
		assert_refused(rig, -ENOTSUP, "Unpack it first");
	}
}

/* 5.8.8: the dictionary is the last of the nine bytes before LZMA's own. */
static void zip_lzma_that_wants_gigabytes_of_memory_is_refused_in_words(void **state)
{
	struct rig *rig = *state;
	struct zip_file z;

	pack(rig, "LZMA", NAME);
	z = load_zip(rig);
	assert_int_equal(le16_load(z.bytes + z.data + 2), 5);
	le32_store(z.bytes + z.data + 5, 0xffffffffu);
	store_zip(rig, &z);
	assert_refused(rig, -EFBIG, "takes 4.3 GB of memory");
}

static void zip_lzma_that_ends_before_it_begins_is_refused(void **state)
{
	static const uint8_t start[] = { 9, 4, 5, 0, 93, 0, 0, 1, 0, 0 };
	struct rig *rig = *state;

	for (size_t length = 0; length <= sizeof(start); length++) {
		write_zip(rig, ZIP_LZMA, start, length, 1000);
		assert_refused(rig, -EIO, "disk.img cannot be unpacked");
	}
}

/* The .xz file format 1.1.0, 3.1 and 5.3.1: a block declares its dictionary. */
static void zip_xz_that_wants_gigabytes_of_memory_is_refused_in_words(void **state)
{
	struct rig *rig = *state;
	uint8_t *xz;
	size_t size, length;

	run(rig, "xz", "-k -1 -T1 " NAME);
	size = read_back(rig, NAME ".xz", &xz);
	length = xz[12] * 4u;
	assert_int_equal(le32_load(xz + 13), 0x012100 | 16u << 24); /* no sizes, then LZMA2 alone, 1 MiB: 16 */
	xz[16] = 40;                                                /* 4 GiB */
	le32_store(xz + 12 + length, libdeflate_crc32(0, xz + 12, length));
	write_zip(rig, ZIP_XZ, xz, size, DISK_SIZE);
	free(xz);
	assert_refused(rig, -EFBIG, "of memory are needed");
}

/* libzstd's own limit, of which libarchive's header says nothing: 128 MiB. RFC 8878, 3.1.1.1. */
static void zip_zstd_that_wants_gigabytes_of_memory_is_refused_in_words(void **state)
{
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x03, 0x00, 0x00, 0x00 };
	struct rig *rig = *state;

	write_zip(rig, ZIP_ZSTD, frame, sizeof(frame), 1000); /* a window of 2 GiB */
	assert_refused(rig, -EIO, "memory");
}

static void zip_damaged_in_the_middle_is_refused_in_words(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(methods); i++) {
		struct zip_file z;

		pack(rig, methods[i], NAME);
		z = load_zip(rig);
		memset(z.bytes + z.data + (z.directory - z.data) / 2, 0x55, 64);
		store_zip(rig, &z);
		assert_refused(rig, -EIO, "is damaged");
	}
}

static void zip_with_a_wrong_checksum_is_refused_in_words(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(methods); i++) {
		struct zip_file z;

		pack(rig, methods[i], NAME);
		z = load_zip(rig);
		z.bytes[z.directory + 16] ^= 1;
		store_zip(rig, &z);
		assert_refused(rig, -EIO, "is damaged");
	}
}

static void zip_that_is_not_as_long_as_it_says_is_refused(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(methods); i++) {
		struct zip_file z;

		pack(rig, methods[i / 2], NAME);
		z = load_zip(rig);
		le32_store(z.bytes + z.directory + 24, i % 2 ? DISK_SIZE + 1000 : DISK_SIZE - 1000);
		store_zip(rig, &z);
		test_keep_again(&rig->keep);
		assert_true(open_zip(rig, &a) < 0);
		assert_non_null(strstr(rig->e.text, "is damaged"));
		assert_int_equal(test_keep_size(&rig->keep, "unpacked-0"), 0);
	}
}

static void zip_bomb_of_bzip2_is_refused(void **state)
{
	struct rig *rig = *state;

	run(rig, "truncate", "-s 0 " NAME);
	run(rig, "truncate", "-s 100M " NAME);
	pack(rig, "BZip2", NAME);
	assert_refused(rig, -EFBIG, "more than 10000 times as many");
}

/* What it says about itself is small, and what comes out is not. */
static void zip_bomb_that_lies_about_its_size_is_refused(void **state)
{
	struct rig *rig = *state;
	struct zip_file z;

	run(rig, "truncate", "-s 0 " NAME);
	run(rig, "truncate", "-s 100M " NAME);
	pack(rig, "BZip2", NAME);
	z = load_zip(rig);
	le32_store(z.bytes + z.directory + 24, 512);
	store_zip(rig, &z);
	assert_refused(rig, -EIO, "the checksum of disk.img is wrong");
}

static void zip_cancelled_unpacking_gives_its_room_back(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(methods); i++) {
		pack(rig, methods[i], NAME);
		rig->keep.cancel_after = 3;
		assert_refused(rig, -ECANCELED, "as you wished");
		rig->keep.cancel_after = 0;
		assert_is_unpacked_once(rig);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(zip_of_every_method_that_7zip_has_is_unpacked_once),
		TEST(zip_of_pythons_methods_is_unpacked_once),
		TEST(zip_of_zstd_is_unpacked_once),
		TEST(zip_of_lzma_without_an_end_marker_is_unpacked_once),
		TEST(zip_may_mix_all_methods),
		TEST(zip_method_that_no_library_unpacks_is_refused_in_words),
		TEST(zip_is_refused_where_nothing_can_be_kept),
		TEST(zip_lzma_that_wants_gigabytes_of_memory_is_refused_in_words),
		TEST(zip_lzma_that_ends_before_it_begins_is_refused),
		TEST(zip_xz_that_wants_gigabytes_of_memory_is_refused_in_words),
		TEST(zip_zstd_that_wants_gigabytes_of_memory_is_refused_in_words),
		TEST(zip_damaged_in_the_middle_is_refused_in_words),
		TEST(zip_with_a_wrong_checksum_is_refused_in_words),
		TEST(zip_that_is_not_as_long_as_it_says_is_refused),
		TEST(zip_bomb_of_bzip2_is_refused),
		TEST(zip_bomb_that_lies_about_its_size_is_refused),
		TEST(zip_cancelled_unpacking_gives_its_room_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
