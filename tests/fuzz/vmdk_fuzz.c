/* SPDX-License-Identifier: MIT */
/*
 * VMDK images. The first byte chooses what the rest is: a whole file, or patches (2 bytes place, 1 byte
 * length, that many bytes) on a good extent of each kind, alone or under a descriptor, so that the fuzzer gets behind
 * the header from the start. Every name leads to the image itself, but "base.vmdk", which is what snapshots lie over.
 * What map() answers is held against disk.h's contract.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/disk_walk.h"

#define TEST_SESPARSE_GD (4 * 512) /* ESXi has it behind 2 MiB, which would be copied for each input */
#include "tests/unit/vmformat/test_esx.h"
#include "tests/unit/vmformat/test_vmdk.h"
#include "vmformat/vmdk.h"

#define GRAIN 8u
#define SECTORS 8300u /* 3 grain tables, the last grain is cut */

#define DELTA "# Disk DescriptorFile\nversion=1\nCID=2\nparentCID=1\nparentFileNameHint=\"base.vmdk\"\n"

enum { WHOLE_FILE, PLAIN, STREAM, MIXED, COWD, SESPARSE, EMBEDDED_DELTA, KINDS };

/* What the image is opened by; NULL: by itself. */
static const char *const descriptors[KINDS] = {
	[MIXED] = "# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\ncreateType=\"custom\"\n"
		  "RW 8300 SPARSE \"a-s001.vmdk\"\nRW 8 FLAT \"a-f002.vmdk\" 3\nRW 9 ZERO\n",
	[COWD] = DELTA "createType=\"vmfsSparse\"\nRW 8300 VMFSSPARSE \"a-delta.vmdk\"\n",
	[SESPARSE] = DELTA "createType=\"seSparse\"\nRW 8300 SESPARSE \"a-sesparse.vmdk\"\n",
};
static const char base_text[] = "# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\nRW 8000 ZERO\n";

static struct base {
	uint8_t *bytes;
	size_t size;
} bases[KINDS];

static void add_grains(struct test_sparse *t, bool packed)
{
	static const uint32_t grains[] = { 0, 1, 2, 511, 512, 700 };
	uint8_t content[GRAIN * 512];

	for (size_t i = 0; i < ARRAY_SIZE(grains); i++) {
		test_fill(content, sizeof(content), grains[i]);
		if (packed)
			test_sparse_add_packed(t, grains[i], content, sizeof(content));
		else
			test_sparse_add(t, grains[i], content);
	}
}

static void add_esx_grains(struct test_esx *t)
{
	static const uint32_t grains[] = { 0, 1, 2, 511, 512, 700 };
	uint8_t content[GRAIN * 512];

	for (size_t i = 0; i < ARRAY_SIZE(grains); i++) {
		test_fill(content, sizeof(content), grains[i]);
		test_esx_add(t, grains[i], content);
	}
}

static void make_hosted(unsigned kind, uint32_t flags, const char *text)
{
	struct test_sparse t;

	test_sparse_init(&t, SECTORS, GRAIN, flags);
	add_grains(&t, flags & TEST_VMDK_COMPRESSED);
	if (text)
		test_sparse_descriptor(&t, text);
	if (kind == STREAM)
		test_sparse_as_stream(&t);
	bases[kind] = (struct base){ t.bytes, t.size };
}

static void make_esx(unsigned kind)
{
	struct test_esx t;

	if (kind == COWD)
		test_cowd_init(&t, SECTORS, GRAIN);
	else
		test_sesparse_init(&t, SECTORS);
	add_esx_grains(&t);
	if (kind == SESPARSE)
		test_sesparse_mark(&t, 5, 2);
	bases[kind] = (struct base){ t.bytes, t.size };
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make_hosted(PLAIN, TEST_VMDK_ZEROED, "# Disk DescriptorFile\nversion=1\nRW 8300 SPARSE \"a.vmdk\"\n");
	make_hosted(STREAM, TEST_VMDK_COMPRESSED, NULL);
	make_hosted(MIXED, 0, NULL);
	make_hosted(EMBEDDED_DELTA, TEST_VMDK_ZEROED | TEST_VMDK_REDUNDANT, DELTA "RW 8300 SPARSE \"a.vmdk\"\n");
	make_esx(COWD);
	make_esx(SESPARSE);
	return 0;
}

/* Makes the image; malloc'ed. */
static uint8_t *make_image(unsigned kind, const uint8_t *data, size_t size, size_t *ret_size)
{
	const struct base *base = &bases[kind];
	size_t length = kind == WHOLE_FILE ? size : base->size;
	uint8_t *image = malloc(length + 1);

	assert_non_null(image);
	*ret_size = length;
	if (kind == WHOLE_FILE) {
		memcpy(image, data, size);
		return image;
	}
	memcpy(image, base->bytes, length);
	while (size >= 3) {
		size_t place = le16_load(data) % length, count = MIN(MIN(data[2] % 16u + 1, size - 3), length - place);

		memcpy(image + place, data + 3, count);
		data += 3 + count;
		size -= 3 + count;
	}
	return image;
}

static int text_fd(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) > 0);
	return fd;
}

struct image_files {
	struct files files;
	int fd;
	unsigned opens;
};

static int open_image(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	struct image_files *f = files->context;

	if (++f->opens > 100)
		return error_set(e, -EMFILE, "%s: too many", name);
	if (strcmp(name, "base.vmdk") == 0)
		return file_from_fd(text_fd(base_text), name, ret_file, e);
	return file_from_fd(fcntl(f->fd, F_DUPFD_CLOEXEC, 0), name, ret_file, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_files files = { .files.open = open_image, .files.context = &files };
	struct file file = FILE_CLOSED, text = FILE_CLOSED;
	struct error e = { 0 };
	struct disk *disk;
	size_t length;
	unsigned kind;
	uint8_t *image;

	if (size < 1)
		return 0;
	kind = data[0] % KINDS;
	image = make_image(kind, data + 1, size - 1, &length);
	files.fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(files.fd >= 0 && write(files.fd, image, length) == (ssize_t)length);
	free(image);
	if (descriptors[kind])
		assert_true(file_from_fd(text_fd(descriptors[kind]), "a.vmdk", &text, NULL) == 0);
	assert_true(file_from_fd(fcntl(files.fd, F_DUPFD_CLOEXEC, 0), "a.vmdk", &file, NULL) == 0);
	if (disk_open_as("vmdk", descriptors[kind] ? &text : &file, &files.files, &disk, &e) == 0) {
		walk(disk, VMDK_MAX_CAPACITY);
		disk_close(disk);
	} else {
		assert_true(e.code < 0 && e.text[0]); /* every refusal has its words */
	}
	file_close(&file);
	file_close(&text);
	close(files.fd);
	return 0;
}
