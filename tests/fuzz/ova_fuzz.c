/* SPDX-License-Identifier: MIT */
/* Any bytes as an .ova; header checksums are mended first, or nearly every input would end there. Seeds: small tars. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmformat/manifest.h"
#include "vmformat/ova.h"

#define BLOCK 512u

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static int open_nothing(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	(void)files;
	(void)ret_file;
	return error_set(e, -ENOENT, "%s: no such file", name);
}

/* Every block that has the magic is a header. */
static void mend_checksums(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
		unsigned sum = 0;
		char text[8];

		if (memcmp(data + at + 257, "ustar", 5))
			continue;
		memset(data + at + 148, ' ', 8);
		for (size_t i = 0; i < BLOCK; i++)
			sum += data[at + i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(data + at + 148, text, 7);
	}
}

static void check_manifest(struct appliance *a)
{
	struct manifest *m = appliance_manifest(a);
	struct error e = { 0 };
	unsigned errors = 0;
	int r;

	while (m && (r = manifest_check_step(m, 4096, &e)) != 0) {
		if (r < 0)
			require(e.code == r && ++errors <= manifest_count(m), "more errors than files");
		error_clear(&e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct files files = { .open = open_nothing };
	struct appliance *a = appliance_new();
	uint8_t *copy = malloc(size + 1);
	struct file source;
	struct error e = { 0 };
	int fd = memfd_create("fuzz", 0);

	require(a && copy && fd >= 0, "set-up");
	memcpy(copy, data, size);
	mend_checksums(copy, size);
	require(write(fd, copy, size) == (ssize_t)size && file_from_fd(fd, "fuzz.ova", &source, NULL) == 0, "file");
	a->inner = files;
	a->outer = &files;
	ova_probe(copy, size);
	if (ova_open(a, &source, &files, &e) < 0)
		require(e.code < 0 && *e.text, "an error without words");
	else
		check_manifest(a);
	appliance_free(a);
	file_close(&source);
	free(copy);
	return 0;
}
