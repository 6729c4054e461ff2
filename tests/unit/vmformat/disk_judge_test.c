/* SPDX-License-Identifier: MIT */
/*
 * qemu-img as judge: it converts a raw disk with random content and holes to each kind of VMDK, and what we
 * read must be the raw disk again. xorriso is the judge of labels.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <spawn.h>
#include <sys/wait.h>

#include "tests/unit/vmformat/test_files.h"
#include "vmformat/bytes.h"
#include "vmformat/disk.h"
#include "vmformat/iso.h"

#define MIB (1ull << 20)

extern char **environ;

/* Runs a program in the folder. 127: it is not installed. */
static int run_in(const struct test_dir *dir, const char *const *arguments)
{
	posix_spawn_file_actions_t actions;
	int status = 0;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addfchdir_np(&actions, dir->fd);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "messages", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	status = posix_spawnp(&pid, arguments[0], &actions, NULL, (char **)(uintptr_t)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (status)
		return 127;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void need_program(struct test_dir *dir, const char *program)
{
	if (run_in(dir, (const char *const[]){ program, "--version", NULL }) != 127)
		return;
	test_dir_free(dir); /* skip() does not return */
	print_message("SKIPPED: %s is not installed\n", program);
	skip();
}

/*
 * Random runs of 512 bytes to 300 KiB and holes of up to an eighth of the disk; the last sector always has
 * content.
 */
static void make_raw(struct test_dir *dir, const char *name, uint64_t size, unsigned seed)
{
	static uint8_t content[300 << 10];
	int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t at = 0;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	srandom(seed);
	while (at < size) {
		size_t length = (size_t)MIN((1 + (uint64_t)random() % (sizeof(content) / 512)) * 512, size - at);

		for (size_t i = 0; i < length; i++)
			content[i] = (uint8_t)(i / 4096 % 3 ? random() >> 8 : (long)i);
		assert_int_equal(pwrite(fd, content, length, (off_t)at), (ssize_t)length);
		at += length + ((uint64_t)random() << 20 | (uint64_t)random()) % (size / 8) / 512 * 512;
	}
	assert_int_equal(pwrite(fd, content, 512, (off_t)(size - 512)), 512);
	close(fd);
}

/* Reads all of the disk, in pieces that fit no grain, and compares it with the raw file. */
static void check_same(struct test_dir *dir, const char *raw_name, struct disk *disk)
{
	static uint8_t expected[(1 << 20) + 12345], found[sizeof(expected)];
	struct file raw = test_dir_open(dir, raw_name);

	assert_int_equal(disk->capacity, raw.size);
	for (uint64_t at = 0; at < raw.size; at += sizeof(found)) {
		size_t length = (size_t)MIN(sizeof(found), raw.size - at);

		assert_int_equal(file_read(&raw, at, expected, length), 0);
		memset(found, 0xa5, length);
		assert_int_equal(disk_read(disk, at, found, length), 0);
		if (memcmp(found, expected, length) != 0)
			fail_msg("%s differs between bytes %llu and %llu", disk->name, (unsigned long long)at,
			         (unsigned long long)(at + length));
	}
	file_close(&raw);
}

static void check_opens_same(struct test_dir *dir, const char *raw_name, const char *name)
{
	struct file file = test_dir_open(dir, name);
	struct error e = { 0 };
	struct disk *disk;

	if (disk_open(&file, &dir->files, &disk, &e) < 0)
		fail_msg("%s", e.text);
	check_same(dir, raw_name, disk);
	disk_close(disk);
}

static void convert(struct test_dir *dir, const char *raw_name, const char *name, const char *options)
{
	assert_int_equal(run_in(dir, (const char *const[]){ "qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o",
	                                                    options, raw_name, name, NULL }),
	                 0);
}

/*
 * The judge's VMDK of this kind, opened by its descriptor or file and by one of its pieces (NULL: it has
 * none).
 */
static void check_kind(const char *options, uint64_t size, const char *piece)
{
	struct test_dir dir;

	test_dir_init(&dir);
	need_program(&dir, "qemu-img");
	make_raw(&dir, "raw.img", size, (unsigned)size ^ (unsigned)strlen(options));
	convert(&dir, "raw.img", "disk.vmdk", options);
	if (!piece || size < 1024 * MIB) /* a large one is read only once, to save time */
		check_opens_same(&dir, "raw.img", "disk.vmdk");
	if (piece)
		check_opens_same(&dir, "raw.img", piece);
	test_dir_free(&dir);
}

/* Sizes: whole grains; not; more than one grain table; one sector. */
static const uint64_t sizes[] = { 16 * MIB, 5 * MIB + 7 * 512, 100 * MIB + 129 * 512, 512 };

static void vmdk_monolithic_sparse_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		check_kind("subformat=monolithicSparse", sizes[i], NULL);
}

static void vmdk_with_zeroed_grains_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	check_kind("subformat=monolithicSparse,zeroed_grain=on", sizes[2], NULL);
}

static void vmdk_of_version_6_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	check_kind("subformat=monolithicSparse,compat6=on", sizes[1], NULL);
}

static void vmdk_monolithic_flat_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		check_kind("subformat=monolithicFlat", sizes[i], "disk-flat.vmdk");
}

static void vmdk_stream_optimized_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		check_kind("subformat=streamOptimized", sizes[i], NULL);
}

static void vmdk_split_sparse_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	check_kind("subformat=twoGbMaxExtentSparse", sizes[1], "disk-s001.vmdk");
	check_kind("subformat=twoGbMaxExtentSparse", 2200 * MIB + 512, "disk-s002.vmdk");
}

static void vmdk_split_flat_is_read_as_its_judge_wrote_it(void **state)
{
	(void)state;
	check_kind("subformat=twoGbMaxExtentFlat", sizes[1], "disk-f001.vmdk");
	check_kind("subformat=twoGbMaxExtentFlat", 2200 * MIB + 512, "disk-f002.vmdk");
}

static void raw_is_read_as_it_is(void **state)
{
	struct test_dir dir;

	(void)state;
	test_dir_init(&dir);
	make_raw(&dir, "raw.img", sizes[1], 1);
	check_opens_same(&dir, "raw.img", "raw.img");
	test_dir_free(&dir);
}

/* The judge reads half of our truth: what it calls a snapshot, we refuse. */
static void vmdk_snapshot_of_the_judge_is_refused(void **state)
{
	struct test_dir dir;
	struct error e = { 0 };
	struct disk *disk;
	struct file file;

	(void)state;
	test_dir_init(&dir);
	need_program(&dir, "qemu-img");
	make_raw(&dir, "raw.img", sizes[1], 1);
	convert(&dir, "raw.img", "base.vmdk", "subformat=monolithicSparse");
	assert_int_equal(run_in(&dir, (const char *const[]){ "qemu-img", "create", "-f", "vmdk", "-b", "base.vmdk",
	                                                     "-F", "vmdk", "child.vmdk", NULL }),
	                 0);
	file = test_dir_open(&dir, "child.vmdk");
	assert_int_equal(disk_open(&file, &dir.files, &disk, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "a snapshot of \"base.vmdk\""));
	file_close(&file);
	test_dir_free(&dir);
}

static void vmdk_of_the_judge_cut_anywhere_is_never_read_wrongly(void **state)
{
	static const char *const kinds[] = { "subformat=monolithicSparse", "subformat=streamOptimized" };
	static uint8_t expected[5 * MIB + 7 * 512], found[sizeof(expected)];
	struct test_dir dir;

	(void)state;
	test_dir_init(&dir);
	need_program(&dir, "qemu-img");
	make_raw(&dir, "raw.img", sizeof(expected), 1);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct file file, raw = test_dir_open(&dir, "raw.img");
		uint64_t size, step;

		convert(&dir, "raw.img", "disk.vmdk", kinds[i]);
		assert_int_equal(file_read(&raw, 0, expected, sizeof(expected)), 0);
		file_close(&raw);
		file = test_dir_open(&dir, "disk.vmdk");
		step = file.size / 37;
		for (size = file.size - 512; size > step; size -= step) {
			struct error e = { 0 };
			struct disk *disk;
			struct file cut;

			assert_int_equal(file_window(&file, 0, size, "disk.vmdk", &cut, NULL), 0);
			if (disk_open(&cut, &dir.files, &disk, &e) < 0) {
				assert_non_null(strstr(e.text, "the download was probably interrupted"));
				file_close(&cut);
				continue;
			}
			assert_true(disk_read(disk, 0, found, sizeof(found)) < 0 ||
			            memcmp(found, expected, sizeof(found)) == 0);
			disk_close(disk);
		}
		file_close(&file);
	}
	test_dir_free(&dir);
}

static void iso_label_is_what_its_judge_wrote(void **state)
{
	struct test_dir dir;
	char label[ISO_LABEL_SIZE];
	struct disk *disk;
	struct file file;

	(void)state;
	test_dir_init(&dir);
	need_program(&dir, "xorriso");
	test_dir_write(&dir, "content", "x", 1);
	assert_int_equal(run_in(&dir, (const char *const[]){ "xorriso", "-as", "mkisofs", "-J", "-V", "Judge 12 amd64",
	                                                     "-o", "disc.iso", "content", NULL }),
	                 0);
	file = test_dir_open(&dir, "disc.iso");
	assert_int_equal(disk_open(&file, &dir.files, &disk, NULL), 0);
	assert_string_equal(disk->format->name, "iso");
	assert_int_equal(iso_label(disk, label), 0);
	assert_string_equal(label, "Judge 12 amd64");
	disk_close(disk);
	test_dir_free(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmdk_monolithic_sparse_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_with_zeroed_grains_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_of_version_6_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_monolithic_flat_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_stream_optimized_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_split_sparse_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(vmdk_split_flat_is_read_as_its_judge_wrote_it),
		cmocka_unit_test(raw_is_read_as_it_is),
		cmocka_unit_test(vmdk_snapshot_of_the_judge_is_refused),
		cmocka_unit_test(vmdk_of_the_judge_cut_anywhere_is_never_read_wrongly),
		cmocka_unit_test(iso_label_is_what_its_judge_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
