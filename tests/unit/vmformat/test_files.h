/* SPDX-License-Identifier: MIT */
/*
 * Files for tests of vmformat, in two kinds that both end in a struct files:
 *
 * struct test_dir: a real, temporary folder, opened as the broker does it (openat2, beneath the folder only,
 * no symbolic links). struct test_memory: a few named memfds, for images that a test writes byte by byte; no
 * disk is touched. test_file() wraps bytes as one struct file. Everything asserts (cmocka) instead of
 * returning errors. One thread. Include <cmocka.h> (with its four headers) before this file.
 */
#ifndef VITRINE_TEST_FILES_H
#define VITRINE_TEST_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmformat/files.h"

#define TEST_FILE_HELPER __attribute__((unused)) static

/* A struct file of these bytes, for the receiver to close. */
TEST_FILE_HELPER struct file test_file(const char *name, const void *bytes, size_t length)
{
	struct file file;
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	if (length)
		assert_int_equal(pwrite(fd, bytes, length, 0), (ssize_t)length);
	assert_int_equal(file_from_fd(fd, name, &file, NULL), 0);
	return file;
}

/* A struct files for texts that name nothing: every name is missing. */
TEST_FILE_HELPER int test_no_files_open(const struct files *files, const char *name, struct file *ret_file,
                                        struct error *e)
{
	(void)files;
	(void)ret_file;
	return error_set(e, -ENOENT, "%s: no such file", name);
}

__attribute__((unused)) static const struct files test_no_files = { .open = test_no_files_open };

/* ---- memory ---- */

#define TEST_MEMORY_FILES 64

struct test_memory {
	struct files files;
	unsigned count, opens; /* opens: how often a name was asked for, found or not */
	struct {
		char name[256];
		int fd;
	} entries[TEST_MEMORY_FILES];
};

TEST_FILE_HELPER int test_memory_fd(struct test_memory *memory, const char *name)
{
	for (unsigned i = 0; i < memory->count; i++)
		if (strcmp(memory->entries[i].name, name) == 0)
			return memory->entries[i].fd;
	return -1;
}

TEST_FILE_HELPER int test_memory_files_open(const struct files *files, const char *name, struct file *ret_file,
                                            struct error *e)
{
	struct test_memory *memory = files->context;
	int fd = test_memory_fd(memory, name);

	memory->opens++;
	if (fd < 0)
		return error_set(e, -ENOENT, "%s: no such file", name);
	return file_from_fd(fcntl(fd, F_DUPFD_CLOEXEC, 0), name, ret_file, e);
}

TEST_FILE_HELPER void test_memory_init(struct test_memory *memory)
{
	memset(memory, 0, sizeof(*memory));
	memory->files = (struct files){ .open = test_memory_files_open, .context = memory };
}

/* Adds a file, or writes over the one of that name from byte 0 (without cutting it). */
TEST_FILE_HELPER void test_memory_write(struct test_memory *memory, const char *name, const void *bytes, size_t length)
{
	int fd = test_memory_fd(memory, name);

	if (fd < 0) {
		assert_true(memory->count < TEST_MEMORY_FILES);
		fd = memfd_create("test", MFD_CLOEXEC);
		assert_true(fd >= 0);
		memory->entries[memory->count].fd = fd;
		snprintf(memory->entries[memory->count++].name, sizeof(memory->entries[0].name), "%s", name);
	}
	if (length)
		assert_int_equal(pwrite(fd, bytes, length, 0), (ssize_t)length);
}

/* Sets the size of a file (added if it is new): cuts it, or lets it grow by a hole. */
TEST_FILE_HELPER void test_memory_resize(struct test_memory *memory, const char *name, uint64_t size)
{
	test_memory_write(memory, name, NULL, 0);
	assert_int_equal(ftruncate(test_memory_fd(memory, name), (off_t)size), 0);
}

/* Opens one as the user would, for the receiver to close. */
TEST_FILE_HELPER struct file test_memory_open(struct test_memory *memory, const char *name)
{
	struct file file;

	assert_int_equal(memory->files.open(&memory->files, name, &file, NULL), 0);
	return file;
}

TEST_FILE_HELPER void test_memory_free(struct test_memory *memory)
{
	for (unsigned i = 0; i < memory->count; i++)
		close(memory->entries[i].fd);
	memory->count = 0;
}

/* ---- a folder ---- */

struct test_dir {
	struct files files;
	char path[64]; /* for commands like qemu-img; no trailing slash */
	int fd;
};

TEST_FILE_HELPER int test_dir_files_open(const struct files *files, const char *name, struct file *ret_file,
                                         struct error *e)
{
	const struct test_dir *dir = files->context;
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir->fd, name, &how, sizeof(how)), r;

	if (fd < 0)
		return error_set(e, -errno, "%s: %s", name, strerror(errno));
	r = file_from_fd(fd, name, ret_file, e);
	if (r < 0)
		close(fd);
	return r;
}

/* A new folder below $TMPDIR, else /tmp. */
TEST_FILE_HELPER void test_dir_init(struct test_dir *dir)
{
	const char *parent = getenv("TMPDIR");

	snprintf(dir->path, sizeof(dir->path), "%s/vitrine-test-XXXXXX",
	         parent && strlen(parent) < 32 ? parent : "/tmp");
	assert_non_null(mkdtemp(dir->path));
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir->fd >= 0);
	dir->files = (struct files){ .open = test_dir_files_open, .context = dir };
}

/* Creates the file (cut first if it exists). */
TEST_FILE_HELPER void test_dir_write(struct test_dir *dir, const char *name, const void *bytes, size_t length)
{
	int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	if (length)
		assert_int_equal(pwrite(fd, bytes, length, 0), (ssize_t)length);
	close(fd);
}

/* Opens one as the user would, for the receiver to close. */
TEST_FILE_HELPER struct file test_dir_open(struct test_dir *dir, const char *name)
{
	struct file file;

	assert_int_equal(dir->files.open(&dir->files, name, &file, NULL), 0);
	return file;
}

TEST_FILE_HELPER int test_dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

TEST_FILE_HELPER void test_dir_free(struct test_dir *dir)
{
	close(dir->fd);
	nftw(dir->path, test_dir_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
