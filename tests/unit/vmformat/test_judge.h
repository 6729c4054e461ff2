/* SPDX-License-Identifier: MIT */
/*
 * Programs that judge: they run in a test's folder, and what they wrote must be read as what they read. Everything asserts
 * (cmocka). Include <cmocka.h> (with its four headers) before this file.
 */
#ifndef VITRINE_TEST_JUDGE_H
#define VITRINE_TEST_JUDGE_H

#include <spawn.h>
#include <sys/wait.h>

#include "tests/unit/vmformat/test_files.h"
#include "vmformat/bytes.h"
#include "vmformat/disk.h"

#define MIB (1ull << 20)
#define TEST_JUDGE_HELPER __attribute__((unused)) static

extern char **environ;

/* Runs a program in the folder, where it leaves what it says in "output" and "messages". 127: it is not installed. */
TEST_JUDGE_HELPER int run_in(const struct test_dir *dir, const char *const *arguments)
{
	posix_spawn_file_actions_t actions;
	int status = 0;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addfchdir_np(&actions, dir->fd);
	posix_spawn_file_actions_addopen(&actions, 1, "output", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_addopen(&actions, 2, "messages", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	status = posix_spawnp(&pid, arguments[0], &actions, NULL, (char **)(uintptr_t)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (status == ENOENT)
		return 127;
	if (status)
		fail_msg("%s cannot be started: %s", arguments[0], strerror(status));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

TEST_JUDGE_HELPER void need_program(struct test_dir *dir, const char *program)
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
TEST_JUDGE_HELPER void make_raw(struct test_dir *dir, const char *name, uint64_t size, unsigned seed)
{
	static uint8_t content[300 << 10];
	int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t at = 0;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	srandom(seed);
	while (at < size) {
		uint64_t run = (1 + (uint64_t)random() % (sizeof(content) / 512)) * 512;
		size_t length = (size_t)MIN(run, size - at);

		for (size_t i = 0; i < length; i++)
			content[i] = (uint8_t)(i / 4096 % 3 ? random() >> 8 : (long)i);
		assert_int_equal(pwrite(fd, content, length, (off_t)at), (ssize_t)length);
		at += length + ((uint64_t)random() << 20 | (uint64_t)random()) % (size / 8) / 512 * 512;
	}
	assert_int_equal(pwrite(fd, content, 512, (off_t)(size - 512)), 512);
	close(fd);
}

/* Reads all of the disk, in pieces that fit no grain, and compares it with the raw file. */
TEST_JUDGE_HELPER void check_same(struct test_dir *dir, const char *raw_name, struct disk *disk)
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

TEST_JUDGE_HELPER void check_opens_same(struct test_dir *dir, const char *raw_name, const char *name)
{
	struct file file = test_dir_open(dir, name);
	struct error e = { 0 };
	struct disk *disk;

	if (disk_open(&file, &dir->files, &disk, &e) < 0)
		fail_msg("%s", e.text);
	check_same(dir, raw_name, disk);
	disk_close(disk);
}

/* What the last program said when it failed. */
TEST_JUDGE_HELPER const char *complaint(struct test_dir *dir)
{
	static char text[512];
	struct file file = test_dir_open(dir, "messages");

	memset(text, 0, sizeof(text));
	assert_int_equal(file_read(&file, 0, text, (size_t)MIN(file.size, sizeof(text) - 1)), 0);
	file_close(&file);
	return text;
}

/* Runs a command line of words without quotes or blanks in them; it must succeed. */
TEST_JUDGE_HELPER void judge(struct test_dir *dir, const char *format, ...) __attribute__((format(printf, 2, 3)));

TEST_JUDGE_HELPER void judge(struct test_dir *dir, const char *format, ...)
{
	char line[512], *rest = line, *words[32];
	unsigned count = 0;
	va_list args;
	int code;

	va_start(args, format);
	assert_true(vsnprintf(line, sizeof(line), format, args) < (int)sizeof(line));
	va_end(args);
	do {
		assert_true(count < ARRAY_SIZE(words));
		words[count] = strsep(&rest, " ");
	} while (words[count++]);
	code = run_in(dir, (const char *const *)words);
	if (code != 0)
		fail_msg("%s ... %s failed (%d): %s", words[0], words[count - 2], code, complaint(dir));
}

/* What the last program said on its standard output has these words. */
TEST_JUDGE_HELPER void check_said(struct test_dir *dir, const char *words)
{
	char text[4096] = "";
	struct file file = test_dir_open(dir, "output");

	assert_int_equal(file_read(&file, 0, text, (size_t)MIN(file.size, sizeof(text) - 1)), 0);
	file_close(&file);
	if (!strstr(text, words))
		fail_msg("the judge does not say \"%s\": %s", words, text);
}

#define SCRIBBLES 24

/* qemu-io writes patterns and zeros over random places of an image, up to 200,000 bytes each. */
TEST_JUDGE_HELPER void scribble(struct test_dir *dir, const char *format, const char *name, uint64_t size,
                                unsigned seed)
{
	static char commands[SCRIBBLES][80];
	const char *arguments[5 + 2 * SCRIBBLES] = { "qemu-io", "-f", format };
	unsigned count = 3;

	srandom(seed);
	for (unsigned i = 0; i < SCRIBBLES; i++) {
		uint64_t length = 512 * (1 + (uint64_t)random() % 390);
		uint64_t offset = ((uint64_t)random() << 20 ^ (uint64_t)random()) % (size - length) / 512 * 512;
		char kind[16] = "-z";

		if (i % 4)
			snprintf(kind, sizeof(kind), "-P %u", 1 + (unsigned)random() % 255);
		snprintf(commands[i], sizeof(commands[i]), "write %s %llu %llu", kind, (unsigned long long)offset,
		         (unsigned long long)length);
		arguments[count++] = "-c";
		arguments[count++] = commands[i];
	}
	arguments[count] = name;
	if (run_in(dir, arguments) != 0)
		fail_msg("qemu-io ... %s failed: %s", name, complaint(dir));
}

/* What the judge makes of the image is the truth. */
TEST_JUDGE_HELPER void check_as_judged(struct test_dir *dir, const char *format, const char *name)
{
	judge(dir, "qemu-img convert -f %s -O raw %s judged.img", format, name);
	check_opens_same(dir, "judged.img", name);
}

#endif
