/* SPDX-License-Identifier: MIT */
/*
 * A folder whose files may be written in place: what the broker grants, without its questions. Everything asserts
 * (cmocka). Include <cmocka.h> (with its four headers) before this file.
 */
#ifndef VITRINE_TEST_WRITABLE_H
#define VITRINE_TEST_WRITABLE_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "vmformat/files.h"

#define TEST_WRITABLE_HELPER __attribute__((unused)) static

struct test_writable {
	struct files files;
	int fd;
	unsigned written; /* how many files were opened for writing */
};

TEST_WRITABLE_HELPER int test_writable_open_as(const struct files *files, const char *name, int flags,
                                               struct file *ret_file, struct error *e)
{
	const struct test_writable *w = files->context;
	int fd = openat(w->fd, name, flags | O_CLOEXEC | O_NOFOLLOW), r;

	if (fd < 0)
		return error_set(e, -errno, "%s: %s", name, strerror(errno));
	r = file_from_fd(fd, name, ret_file, e);
	if (r < 0)
		close(fd);
	return r;
}

TEST_WRITABLE_HELPER int test_writable_read(const struct files *files, const char *name, struct file *ret_file,
                                            struct error *e)
{
	return test_writable_open_as(files, name, O_RDONLY, ret_file, e);
}

TEST_WRITABLE_HELPER int test_writable_write(const struct files *files, const char *name, struct file *ret_file,
                                             struct error *e)
{
	struct test_writable *w = files->context;

	w->written++;
	return test_writable_open_as(files, name, O_RDWR, ret_file, e);
}

TEST_WRITABLE_HELPER void test_writable_init(struct test_writable *w, const char *folder)
{
	*w = (struct test_writable){ .fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	assert_true(w->fd >= 0);
	w->files = (struct files){ .open = test_writable_read, .open_writable = test_writable_write, .context = w };
}

TEST_WRITABLE_HELPER void test_writable_free(struct test_writable *w)
{
	close(w->fd);
}

#endif
