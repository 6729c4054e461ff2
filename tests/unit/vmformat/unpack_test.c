/* SPDX-License-Identifier: MIT */
/* Unpacking once, by itself: room, lies about sizes, records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test_keep.h"
#include "vmformat/bytes.h"
#include "vmformat/unpack.h"

#define GIBIBYTE (1ull << 30)
#define FINGERPRINT "0123456789abcdef0123456789abcdef"

/* The disk becomes full after so many bytes; UINT64_MAX: never. */
static uint64_t room = UINT64_MAX;

/* Instead of libc's, for what is linked statically. */
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	if (length > room) {
		errno = ENOSPC;
		return -1;
	}
	room -= room == UINT64_MAX ? 0 : length;
	return syscall(SYS_pwrite64, fd, bytes, length, offset);
}

struct rig {
	struct test_keep keep;
	struct files files;
	struct unpack *unpack;
	struct error e;
	uint8_t key[UNPACK_KEY];
};

static void reopen(struct rig *rig)
{
	unpack_free(rig->unpack);
	error_clear(&rig->e);
	assert_int_equal(unpack_open(&rig->files, "a.zip", FINGERPRINT, "a", rig->key, &rig->unpack, &rig->e), 0);
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	test_keep_init(&rig->keep);
	rig->files = (struct files){ .open = test_no_files_open, .keep = &rig->keep.keep };
	reopen(rig);
	*state = rig;
	room = UINT64_MAX;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	unpack_free(rig->unpack);
	test_keep_free(&rig->keep);
	free(rig);
	return 0;
}

static void put_file(struct rig *rig, const char *name, size_t length)
{
	uint8_t *bytes = malloc(length + 1);

	memset(bytes, 0x5a, length);
	assert_int_equal(unpack_begin(rig->unpack, name, length, 0, &rig->e), 0);
	assert_int_equal(unpack_write(rig->unpack, bytes, length, &rig->e), 0);
	assert_int_equal(unpack_end(rig->unpack, &rig->e), 0);
	free(bytes);
}

static void what_was_committed_is_there_the_next_time(void **state)
{
	struct rig *rig = *state;
	struct file file;
	uint8_t found[3];

	assert_int_equal(unpack_count(rig->unpack), 0);
	assert_int_equal(unpack_restart(rig->unpack, 2, &rig->e), 0);
	put_file(rig, "vm/a.vmx", 3);
	put_file(rig, "vm/b.vmdk", 300000);
	assert_int_equal(unpack_commit(rig->unpack, &rig->e), 0);
	reopen(rig);
	assert_int_equal(unpack_count(rig->unpack), 2);
	assert_string_equal(unpack_name(rig->unpack, 1), "vm/b.vmdk");
	assert_int_equal(unpack_size(rig->unpack, 1), 300000);
	assert_int_equal(unpack_file(rig->unpack, 0, "x", &file, &rig->e), 0);
	assert_int_equal(file_read(&file, 0, found, 3), 0);
	assert_memory_equal(found, "ZZZ", 3);
	file_close(&file);
}

static void what_was_not_committed_counts_for_nothing(void **state)
{
	struct rig *rig = *state;

	put_file(rig, "a", 1000);
	reopen(rig);
	assert_int_equal(unpack_count(rig->unpack), 0);
}

static void record_of_another_download_counts_for_nothing(void **state)
{
	struct rig *rig = *state;

	put_file(rig, "a", 1000);
	assert_int_equal(unpack_commit(rig->unpack, &rig->e), 0);
	rig->key[5] ^= 1;
	reopen(rig);
	assert_int_equal(unpack_count(rig->unpack), 0);
}

static void damaged_record_counts_for_nothing(void **state)
{
	struct rig *rig = *state;
	uint64_t size;

	put_file(rig, "a", 1000);
	put_file(rig, "b", 1000);
	assert_int_equal(unpack_commit(rig->unpack, &rig->e), 0);
	size = test_keep_size(&rig->keep, KEEP_RECORD);
	for (uint64_t at = 0; at < size; at++) {
		int fd = test_keep_fd(&rig->keep, KEEP_RECORD);
		uint8_t byte, wrong;

		assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
		wrong = byte ^ 0xff;
		assert_int_equal(pwrite(fd, &wrong, 1, (off_t)at), 1);
		reopen(rig);
		assert_int_equal(unpack_count(rig->unpack), 0);
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
		close(fd);
	}
	reopen(rig);
	assert_int_equal(unpack_count(rig->unpack), 2);
}

static void too_little_room_is_said_with_both_figures(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(unpack_begin(rig->unpack, "a", 9000000 * GIBIBYTE, 8000000 * GIBIBYTE, &rig->e), -ENOSPC);
	assert_non_null(strstr(rig->e.text, "a.zip must be unpacked to be played, for which 9663"));
	assert_non_null(strstr(rig->e.text, " TB must be free"));
	assert_non_null(strstr(rig->e.text, "state folder"));
	assert_non_null(strstr(rig->e.text, " has "));
}

static void full_disk_on_the_way_gives_the_room_back(void **state)
{
	struct rig *rig = *state;
	uint8_t *bytes = calloc(1, 1u << 20);

	memset(bytes, 1, 1u << 20);
	put_file(rig, "first", 100000);
	room = 2u << 20;
	assert_int_equal(unpack_begin(rig->unpack, "second", 4u << 20, 0, &rig->e), 0);
	assert_int_equal(unpack_write(rig->unpack, bytes, 1u << 20, &rig->e), 0);
	assert_int_equal(unpack_write(rig->unpack, bytes, 1u << 20, &rig->e), 0);
	assert_int_equal(unpack_write(rig->unpack, bytes, 1u << 20, &rig->e), -ENOSPC);
	assert_non_null(strstr(rig->e.text, "has become full. What was unpacked is removed again."));
	unpack_abandon(rig->unpack);
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-0"), 0);
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-1"), 0);
	free(bytes);
}

static void what_a_killed_run_has_left_is_emptied_before_room_is_counted(void **state)
{
	struct rig *rig = *state;

	put_file(rig, "a", 100000);
	put_file(rig, "b", 100000);
	reopen(rig);
	assert_int_equal(unpack_restart(rig->unpack, 2, &rig->e), 0);
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-0"), 0);
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-1"), 0);
}

static void bomb_by_its_announcement_is_refused(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(unpack_begin(rig->unpack, "a", 10000 * GIBIBYTE, 10u << 20, &rig->e), -EFBIG);
	assert_non_null(strstr(rig->e.text, "made to do harm"));
}

static void bomb_without_an_announcement_is_stopped(void **state)
{
	struct rig *rig = *state;
	uint8_t *zeros = calloc(1, 1u << 20);
	int r = 0;

	assert_int_equal(unpack_begin(rig->unpack, "a", UNPACK_UNKNOWN, 10000, &rig->e), 0);
	for (unsigned i = 0; i < 200 && r == 0; i++)
		r = unpack_write(rig->unpack, zeros, 1u << 20, &rig->e);
	assert_int_equal(r, -EFBIG);
	assert_non_null(strstr(rig->e.text, "made to do harm"));
	free(zeros);
}

static void more_than_was_announced_is_refused(void **state)
{
	struct rig *rig = *state;
	uint8_t bytes[101] = { 0 };

	assert_int_equal(unpack_begin(rig->unpack, "a.img", 100, 0, &rig->e), 0);
	assert_int_equal(unpack_write(rig->unpack, bytes, 60, &rig->e), 0);
	assert_int_equal(unpack_write(rig->unpack, bytes, 41, &rig->e), -EINVAL);
	assert_non_null(strstr(rig->e.text, "a.img is longer than the 100 bytes"));
}

static void less_than_was_announced_is_refused(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(unpack_begin(rig->unpack, "a.img", 100, 0, &rig->e), 0);
	assert_int_equal(unpack_write(rig->unpack, "abc", 3, &rig->e), 0);
	assert_int_equal(unpack_end(rig->unpack, &rig->e), -EINVAL);
	assert_non_null(strstr(rig->e.text, "a.img has only 3 of the 100 bytes"));
}

static void zeros_become_holes_wherever_they_begin(void **state)
{
	struct rig *rig = *state;
	uint8_t *bytes = calloc(1, 1u << 20), *found = malloc(1u << 20);
	struct file file;
	struct stat st;

	bytes[0] = bytes[5000] = bytes[300000] = bytes[(1u << 20) - 8193] = 1;
	assert_int_equal(unpack_begin(rig->unpack, "a", UNPACK_UNKNOWN, 0, &rig->e), 0);
	for (unsigned at = 0; at < 1u << 20; at += 4099) /* pieces of any size */
		assert_int_equal(unpack_write(rig->unpack, bytes + at, MIN(4099, (1u << 20) - at), &rig->e), 0);
	assert_int_equal(unpack_end(rig->unpack, &rig->e), 0);
	assert_int_equal(unpack_file(rig->unpack, 0, "a", &file, &rig->e), 0);
	assert_int_equal(file.size, 1u << 20);
	assert_int_equal(file_read(&file, 0, found, 1u << 20), 0);
	assert_memory_equal(found, bytes, 1u << 20);
	assert_int_equal(fstat(file.fd, &st), 0);
	assert_true(st.st_blocks * 512 <= 4 * 4096);
	file_close(&file);
	free(bytes);
	free(found);
}

static void more_files_than_any_machine_has_are_refused(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < KEEP_MAX_FILES; i++)
		put_file(rig, "a", 0);
	assert_int_equal(unpack_begin(rig->unpack, "a", 1, 0, &rig->e), -EFBIG);
}

static void reader_beside_a_writer_waits(void **state)
{
	struct rig *rig = *state;

	rig->keep.read_only = true;
	reopen(rig);
	assert_int_equal(unpack_restart(rig->unpack, 1, &rig->e), -EBUSY);
	assert_non_null(strstr(rig->e.text, "another window"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_was_committed_is_there_the_next_time),
		TEST(what_was_not_committed_counts_for_nothing),
		TEST(record_of_another_download_counts_for_nothing),
		TEST(damaged_record_counts_for_nothing),
		TEST(too_little_room_is_said_with_both_figures),
		TEST(full_disk_on_the_way_gives_the_room_back),
		TEST(what_a_killed_run_has_left_is_emptied_before_room_is_counted),
		TEST(bomb_by_its_announcement_is_refused),
		TEST(bomb_without_an_announcement_is_stopped),
		TEST(more_than_was_announced_is_refused),
		TEST(less_than_was_announced_is_refused),
		TEST(zeros_become_holes_wherever_they_begin),
		TEST(more_files_than_any_machine_has_are_refused),
		TEST(reader_beside_a_writer_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
