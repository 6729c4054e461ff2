/* SPDX-License-Identifier: MIT */
/* Any bytes as a manifest, checked against files that are all the same: each step must come nearer to the end. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmformat/manifest.h"

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static int open_same(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	int fd;

	(void)files;
	if (*name == 'x')
		return error_set(e, -ENOENT, "%s: no such file", name);
	fd = memfd_create("same", 0);
	require(fd >= 0 && write(fd, "content", 7) == 7, "file");
	return file_from_fd(fd, name, ret_file, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct files files = { .open = open_same };
	struct manifest *m;
	struct error e = { 0 };
	unsigned steps = 0;
	int r;

	if (manifest_parse((const char *)data, size, "fuzz.mf", &files, &m, &e) < 0) {
		require(e.code < 0 && *e.text, "an error without words");
		return 0;
	}
	while ((r = manifest_check_step(m, 3, &e)) != 0) {
		require(++steps <= 4 * manifest_count(m), "no end");
		require(r == 1 || e.code == r, "an error without words");
		error_clear(&e);
	}
	require(manifest_bytes_done(m) <= 7ull * manifest_count(m), "more was read than there is");
	manifest_free(m);
	return 0;
}
