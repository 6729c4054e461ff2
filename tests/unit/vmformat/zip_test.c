/* SPDX-License-Identifier: MIT */
/* Zips that no program writes: each says something untrue about itself. Written byte by byte, as APPNOTE.TXT has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "test_keep.h"
#include "vmformat/appliance.h"
#include "vmformat/bytes.h"
#include "vmformat/zip.h"

#define DISK_SIZE 4096u

struct member {
	const char *name;
	const char *local_name; /* NULL: the same */
	uint16_t method, flags;
	uint32_t packed, size; /* as announced */
	uint32_t crc;
	uint32_t mode;     /* of Unix, 0: none */
	uint32_t local;    /* where the directory says that it begins */
	bool lies_local;   /* use that instead of where it does */
	const void *bytes; /* `length` of them */
	size_t length;
};

struct rig {
	uint8_t *zip;
	size_t size, room;
	struct member members[8];
	unsigned count;
	uint8_t disk[DISK_SIZE];
	uint8_t deflated[DISK_SIZE * 2];
	size_t deflated_length;
	struct test_keep keep;
	struct files files;
	struct error e;
};

/* ---- writing ---- */

static uint8_t *put(struct rig *rig, const void *bytes, size_t length)
{
	uint8_t *at;

	if (rig->size + length > rig->room) {
		rig->room = (rig->size + length) * 2;
		rig->zip = realloc(rig->zip, rig->room);
	}
	at = rig->zip + rig->size;
	memset(at, 0, length);
	if (bytes)
		memcpy(at, bytes, length);
	rig->size += length;
	return at;
}

static void put_local(struct rig *rig, struct member *m)
{
	const char *name = m->local_name ? m->local_name : m->name;
	uint8_t *at;

	if (!m->lies_local)
		m->local = (uint32_t)rig->size;
	at = put(rig, NULL, 30);
	memcpy(at, "PK\3\4", 4);
	le16_store(at + 8, m->method);
	le32_store(at + 14, m->crc);
	le32_store(at + 18, m->packed);
	le32_store(at + 22, m->size);
	le16_store(at + 26, (uint16_t)strlen(name));
	put(rig, name, strlen(name));
	put(rig, m->bytes, m->length);
}

static void put_entry(struct rig *rig, const struct member *m)
{
	uint8_t *at = put(rig, NULL, 46);

	memcpy(at, "PK\1\2", 4);
	at[5] = m->mode ? 3 : 0;
	le16_store(at + 8, m->flags);
	le16_store(at + 10, m->method);
	le32_store(at + 16, m->crc);
	le32_store(at + 20, m->packed);
	le32_store(at + 24, m->size);
	le16_store(at + 28, (uint16_t)strlen(m->name));
	le32_store(at + 38, m->mode << 16);
	le32_store(at + 42, m->local);
	put(rig, m->name, strlen(m->name));
}

static void put_end(struct rig *rig, uint32_t directory, unsigned count)
{
	uint8_t *at;
	uint32_t size = (uint32_t)rig->size - directory;

	at = put(rig, NULL, 22);
	memcpy(at, "PK\5\6", 4);
	le16_store(at + 8, (uint16_t)count);
	le16_store(at + 10, (uint16_t)count);
	le32_store(at + 12, size);
	le32_store(at + 16, directory);
}

static struct member *stored(struct rig *rig, const char *name)
{
	struct member *m = &rig->members[rig->count++];

	*m = (struct member){ .name = name,
		              .packed = DISK_SIZE,
		              .size = DISK_SIZE,
		              .crc = (uint32_t)crc32(0, rig->disk, DISK_SIZE),
		              .bytes = rig->disk,
		              .length = DISK_SIZE };
	return m;
}

static struct member *deflated(struct rig *rig, const char *name)
{
	struct member *m = stored(rig, name);

	m->method = ZIP_DEFLATED;
	m->packed = (uint32_t)rig->deflated_length;
	m->bytes = rig->deflated;
	m->length = rig->deflated_length;
	return m;
}

static void finish(struct rig *rig)
{
	uint32_t directory;

	for (unsigned i = 0; i < rig->count; i++)
		put_local(rig, &rig->members[i]);
	directory = (uint32_t)rig->size;
	for (unsigned i = 0; i < rig->count; i++)
		put_entry(rig, &rig->members[i]);
	put_end(rig, directory, rig->count);
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	z_stream z = { 0 };

	for (unsigned i = 0; i < DISK_SIZE; i++)
		rig->disk[i] = (uint8_t)(i * i >> 5);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = rig->disk;
	z.avail_in = DISK_SIZE;
	z.next_out = rig->deflated;
	z.avail_out = sizeof(rig->deflated);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	rig->deflated_length = z.total_out;
	deflateEnd(&z);
	test_keep_init(&rig->keep);
	rig->files = (struct files){ .open = test_no_files_open, .keep = &rig->keep.keep };
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	test_keep_free(&rig->keep);
	free(rig->zip);
	free(rig);
	return 0;
}

static int try_open(struct rig *rig, struct appliance **ret_appliance)
{
	struct file source = test_file("a.zip", rig->zip, rig->size);
	int r = appliance_open(&source, &rig->files, ret_appliance, &rig->e);

	if (r < 0) {
		assert_int_equal(rig->e.code, r);
		file_close(&source);
	}
	return r;
}

static void assert_plays(struct rig *rig, const char *remarked)
{
	struct appliance *a;
	uint8_t found[DISK_SIZE];
	struct disk *disk;
	bool said = !remarked;
	int r = try_open(rig, &a);

	if (r < 0)
		print_message("%s\n", rig->e.text);
	assert_int_equal(r, 0);
	assert_int_equal(appliance_open_disk(a, appliance_find_drive(a, "ide0:0"), &disk, &rig->e), 0);
	assert_int_equal(disk_read(disk, 0, found, sizeof(found)), 0);
	assert_memory_equal(found, rig->disk, sizeof(found));
	for (unsigned i = 0; i < a->remark_count; i++)
		said |= remarked && !strcmp(a->remarks[i].subject, remarked);
	assert_true(said);
	disk_close(disk);
	appliance_free(a);
}

static void assert_refused(struct rig *rig, int code, const char *words)
{
	struct appliance *a;

	assert_int_equal(try_open(rig, &a), code);
	if (!strstr(rig->e.text, words))
		print_message("%s\n", rig->e.text);
	assert_non_null(strstr(rig->e.text, words));
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-0"), 0); /* nothing is left behind */
}

/* ---- what is right ---- */

static void zip_as_it_should_be_plays(void **state)
{
	struct rig *rig = *state;

	stored(rig, "disk.img");
	finish(rig);
	assert_plays(rig, NULL);
	assert_int_equal(rig->keep.opened, 0);
}

static void zip_deflated_as_it_should_be_plays(void **state)
{
	struct rig *rig = *state;

	deflated(rig, "disk.img");
	finish(rig);
	assert_plays(rig, NULL);
}

static void zip_with_a_comment_plays(void **state)
{
	struct rig *rig = *state;

	stored(rig, "disk.img");
	finish(rig);
	le16_store(rig->zip + rig->size - 2, 30);
	put(rig, "PK\5\6 is how a directory ends. ", 30);
	assert_plays(rig, NULL);
}

/* ---- names ---- */

static void zip_names_that_lead_outside_are_left_out(void **state)
{
	static const char *const names[] = { "../disk.img",  "/etc/disk.img", "a/../../disk.img",
		                             "C:\\disk.img", "..\\disk.img",  "a/.." };
	struct rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		char shown[64];

		rig->count = 0;
		rig->size = 0;
		stored(rig, names[i]);
		stored(rig, "good.img");
		finish(rig);
		snprintf(shown, sizeof(shown), "%s", names[i]);
		for (char *p = shown; *p; p++)
			*p = *p == '\\' ? '/' : *p;
		assert_plays(rig, shown);
	}
}

static void zip_links_devices_and_fifos_are_left_out(void **state)
{
	static const uint32_t modes[] = { S_IFLNK | 0777, S_IFCHR | 0666, S_IFBLK | 0666, S_IFIFO | 0666,
		                          S_IFSOCK | 0666 };
	struct rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		rig->count = 0;
		rig->size = 0;
		stored(rig, "other.img")->mode = modes[i];
		stored(rig, "good.img")->mode = S_IFREG | 0644;
		finish(rig);
		assert_plays(rig, "other.img");
	}
}

static void zip_with_two_files_of_one_name_is_refused(void **state)
{
	struct rig *rig = *state;

	stored(rig, "disk.img");
	stored(rig, "./disk.img");
	finish(rig);
	assert_refused(rig, -EINVAL, "two files named disk.img");
}

static void zip_member_with_two_names_is_refused(void **state)
{
	struct rig *rig = *state;

	stored(rig, "disk.img")->local_name = "risk.img";
	finish(rig);
	assert_refused(rig, -EINVAL, "a file has two names");
}

static void zip_name_with_an_end_in_it_is_refused(void **state)
{
	struct rig *rig = *state;

	stored(rig, "disk?img");
	finish(rig);
	for (size_t i = 0; i + 8 <= rig->size; i++)
		if (!memcmp(rig->zip + i, "disk?img", 8))
			rig->zip[i + 4] = 0;
	assert_refused(rig, -EINVAL, "a name is none");
}

static void zip_folders_of_macos_and_pieces_are_no_candidates(void **state)
{
	struct rig *rig = *state;

	stored(rig, "__MACOSX/._disk.img");
	stored(rig, "vm/.hidden.img");
	stored(rig, "vm/disk-s001.vmdk");
	stored(rig, "vm/good.img");
	finish(rig);
	assert_plays(rig, NULL);
}

/* ---- places and sizes ---- */

/* The second member's header lies in the first one's bytes, and so do its own. */
static void zip_bomb_of_overlapping_members_is_refused(void **state)
{
	struct rig *rig = *state;
	struct member *second;

	stored(rig, "disk.img");
	second = stored(rig, "b.img");
	second->lies_local = true;
	second->local = 30 + 8; /* where the first one's bytes begin */
	second->packed = second->size = 100;
	memset(rig->disk, 0, 35);
	memcpy(rig->disk, "PK\3\4", 4);
	le16_store(rig->disk + 26, 5);
	memcpy(rig->disk + 30, "b.img", 5);
	finish(rig);
	assert_refused(rig, -EINVAL, "share the same bytes");
}

static void zip_member_beyond_the_end_is_refused(void **state)
{
	struct rig *rig = *state;
	struct member *m = stored(rig, "disk.img");

	m->packed = m->size = DISK_SIZE + 1000000;
	finish(rig);
	assert_refused(rig, -EINVAL, "reaches beyond its end");
}

static void zip_member_that_begins_nowhere_is_refused(void **state)
{
	struct rig *rig = *state;
	struct member *m = stored(rig, "disk.img");

	m->lies_local = true;
	m->local = 0x7fffff00;
	finish(rig);
	assert_refused(rig, -EINVAL, "begins outside it");
	rig->size = 0;
	m->local = 7;
	finish(rig);
	error_clear(&rig->e);
	assert_refused(rig, -EINVAL, "is not where its directory says");
}

static void zip_stored_member_with_two_sizes_is_refused(void **state)
{
	struct rig *rig = *state;

	stored(rig, "disk.img")->size = DISK_SIZE * 2;
	finish(rig);
	assert_refused(rig, -EINVAL, "two sizes");
}

static void zip_member_that_promises_the_impossible_is_refused(void **state)
{
	struct rig *rig = *state;

	deflated(rig, "disk.img")->size = 0xfffffff0;
	finish(rig);
	assert_refused(rig, -EFBIG, "is said to become 4294967280 bytes");
}

static void zip_member_longer_than_it_says_is_refused(void **state)
{
	struct rig *rig = *state;

	deflated(rig, "disk.img")->size = DISK_SIZE - 1;
	finish(rig);
	assert_refused(rig, -EINVAL, "is longer than");
}

static void zip_member_shorter_than_it_says_is_refused(void **state)
{
	struct rig *rig = *state;

	deflated(rig, "disk.img")->size = DISK_SIZE + 1;
	finish(rig);
	assert_refused(rig, -EINVAL, "has only 4096 of the 4097 bytes");
}

static void zip_member_of_no_size_that_has_one_is_refused(void **state)
{
	struct rig *rig = *state;

	deflated(rig, "disk.img")->size = 0;
	finish(rig);
	assert_refused(rig, -EIO, "is damaged");
}

static void zip_member_with_a_wrong_checksum_is_refused(void **state)
{
	struct rig *rig = *state;

	deflated(rig, "disk.img")->crc ^= 1;
	finish(rig);
	assert_refused(rig, -EIO, "the checksum of disk.img is wrong");
}

static void zip_member_with_damaged_bytes_is_refused(void **state)
{
	struct rig *rig = *state;

	deflated(rig, "disk.img");
	memset(rig->deflated + 100, 0xff, 50);
	finish(rig);
	assert_refused(rig, -EIO, "is damaged");
}

/* ---- the directory ---- */

static void zip_with_more_files_than_any_appliance_is_refused(void **state)
{
	struct rig *rig = *state;

	stored(rig, "disk.img");
	finish(rig);
	le16_store(rig->zip + rig->size - 12, ZIP_MAX_MEMBERS + 1);
	assert_refused(rig, -EFBIG, "more than any appliance");
}

static void zip_directory_that_ends_too_early_is_refused(void **state)
{
	struct rig *rig = *state;

	stored(rig, "disk.img");
	finish(rig);
	le16_store(rig->zip + rig->size - 12, 2);
	assert_refused(rig, -EINVAL, "its directory ends too early");
}

static void zip_directory_outside_is_refused(void **state)
{
	struct rig *rig = *state;

	stored(rig, "disk.img");
	finish(rig);
	le32_store(rig->zip + rig->size - 6, 0x70000000);
	assert_refused(rig, -EINVAL, "its directory lies outside it");
}

static void zip_that_was_cut_is_told_as_such(void **state)
{
	struct rig *rig = *state;

	stored(rig, "disk.img");
	finish(rig);
	rig->size -= 30;
	assert_refused(rig, -ENODATA, "the download was probably interrupted");
}

static void zip_cut_anywhere_is_refused(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;
	size_t whole;

	deflated(rig, "disk.img");
	finish(rig);
	whole = rig->size;
	for (rig->size = 4; rig->size < whole; rig->size += 1 + rig->size / 50) {
		error_clear(&rig->e);
		test_keep_again(&rig->keep);
		assert_true(try_open(rig, &a) < 0);
	}
}

static void zip_of_nothing_is_refused(void **state)
{
	struct rig *rig = *state;

	finish(rig);
	assert_refused(rig, -EINVAL, "holds no file");
}

static void zip_of_files_that_are_neither_is_refused_with_their_names(void **state)
{
	struct rig *rig = *state;

	stored(rig, "a.txt");
	stored(rig, "b.txt");
	finish(rig);
	assert_refused(rig, -EINVAL, "a.txt, b.txt");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(zip_as_it_should_be_plays),
		TEST(zip_deflated_as_it_should_be_plays),
		TEST(zip_with_a_comment_plays),
		TEST(zip_names_that_lead_outside_are_left_out),
		TEST(zip_links_devices_and_fifos_are_left_out),
		TEST(zip_with_two_files_of_one_name_is_refused),
		TEST(zip_member_with_two_names_is_refused),
		TEST(zip_name_with_an_end_in_it_is_refused),
		TEST(zip_folders_of_macos_and_pieces_are_no_candidates),
		TEST(zip_bomb_of_overlapping_members_is_refused),
		TEST(zip_member_beyond_the_end_is_refused),
		TEST(zip_member_that_begins_nowhere_is_refused),
		TEST(zip_stored_member_with_two_sizes_is_refused),
		TEST(zip_member_that_promises_the_impossible_is_refused),
		TEST(zip_member_longer_than_it_says_is_refused),
		TEST(zip_member_shorter_than_it_says_is_refused),
		TEST(zip_member_of_no_size_that_has_one_is_refused),
		TEST(zip_member_with_a_wrong_checksum_is_refused),
		TEST(zip_member_with_damaged_bytes_is_refused),
		TEST(zip_with_more_files_than_any_appliance_is_refused),
		TEST(zip_directory_that_ends_too_early_is_refused),
		TEST(zip_directory_outside_is_refused),
		TEST(zip_that_was_cut_is_told_as_such),
		TEST(zip_cut_anywhere_is_refused),
		TEST(zip_of_nothing_is_refused),
		TEST(zip_of_files_that_are_neither_is_refused_with_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
