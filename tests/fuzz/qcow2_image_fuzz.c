/* SPDX-License-Identifier: MIT */
/*
 * qcow2 images that others made. The first byte chooses what the rest is: a whole file, or patches (3 bytes place, 1 byte
 * length, that many bytes) on a good image of each kind. "base" leads to a raw disk, every other name to the image itself.
 * What map() answers is held against disk.h's contract.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/fuzz/disk_walk.h"
#include "tests/unit/vmformat/test_qcow2.h"

#define CLUSTERS 300u

enum { WHOLE_FILE, VERSION_2, VERSION_3, SMALL, EXTENDED, DEFLATE, ZSTD, DATA_FILE, RAW_DATA_FILE, CHAIN, KINDS };

static const struct {
	unsigned version, cluster_bits;
	uint64_t features;
} shapes[KINDS] = {
	[VERSION_2] = { 2, 12, 0 },
	[VERSION_3] = { 3, 12, INCOMPATIBLE_DIRTY },
	[SMALL] = { 3, 9, 0 },
	[EXTENDED] = { 3, 14, INCOMPATIBLE_EXTENDED_L2 },
	[DEFLATE] = { 3, 12, 0 },
	[ZSTD] = { 3, 12, INCOMPATIBLE_COMPRESSION },
	[DATA_FILE] = { 3, 9, INCOMPATIBLE_DATA_FILE },
	[RAW_DATA_FILE] = { 3, 9, INCOMPATIBLE_DATA_FILE },
	[CHAIN] = { 3, 12, 0 },
};

static struct test_qcow2 bases[KINDS];

static void fill(uint8_t *bytes, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length; i++) {
		seed = seed * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(seed >> 24 & 0x0f);
	}
}

static void add(struct test_qcow2 *t, unsigned kind, uint32_t cluster)
{
	static uint8_t content[1 << 14];

	fill(content, t->cluster, cluster);
	if (kind == DEFLATE)
		test_qcow2_add_packed(t, cluster, content, t->cluster);
	else if (kind == ZSTD)
		test_qcow2_add_zstd(t, cluster, content, t->cluster);
	else if (kind == DATA_FILE)
		be64_store(test_qcow2_entry(t, cluster), (uint64_t)cluster * t->cluster | ENTRY_COPIED);
	else
		test_qcow2_add(t, cluster, content);
	if (kind == EXTENDED)
		be64_store(test_qcow2_entry(t, cluster) + 8, 0x00ff00000000f7ffull);
}

static void make_base(unsigned kind)
{
	struct test_qcow2 *t = &bases[kind];

	test_qcow2_init(t, shapes[kind].version, shapes[kind].cluster_bits,
	                ((uint64_t)CLUSTERS << shapes[kind].cluster_bits) - 512, shapes[kind].features);
	for (uint32_t cluster = 0; cluster < 20; cluster += 1 + cluster / 3)
		add(t, kind, cluster);
	if (kind == VERSION_3)
		be64_store(test_qcow2_entry(t, 7), ENTRY_ZERO);
	if (shapes[kind].features & INCOMPATIBLE_DATA_FILE)
		test_qcow2_extension(t, EXTENSION_DATA_FILE, "data", 4);
	if (kind == RAW_DATA_FILE)
		be64_store(t->bytes + H_AUTOCLEAR, AUTOCLEAR_RAW_DATA_FILE);
	if (kind == CHAIN)
		test_qcow2_backing(t, "base", "raw");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	for (unsigned kind = VERSION_2; kind < KINDS; kind++)
		make_base(kind);
	return 0;
}

/* Makes the image; malloc'ed. */
static uint8_t *make_image(unsigned kind, const uint8_t *data, size_t size, size_t *ret_size)
{
	size_t length = kind == WHOLE_FILE ? size : bases[kind].size;
	uint8_t *image = malloc(length + 1);

	assert_non_null(image);
	*ret_size = length;
	memcpy(image, kind == WHOLE_FILE ? data : bases[kind].bytes, length);
	while (kind != WHOLE_FILE && size >= 4) {
		size_t place = (le16_load(data) | (size_t)data[2] << 16) % length;
		size_t count = MIN(MIN(data[3] % 16u + 1, size - 4), length - place);

		memcpy(image + place, data + 4, count);
		data += 4 + count;
		size -= 4 + count;
	}
	return image;
}

struct image_files {
	struct files files;
	int fd;
	unsigned opens;
};

static int open_image(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	struct image_files *f = files->context;
	int fd;

	if (++f->opens > 100)
		return error_set(e, -EMFILE, "%s: too many", name);
	if (strcmp(name, "base") != 0)
		return file_from_fd(fcntl(f->fd, F_DUPFD_CLOEXEC, 0), name, ret_file, e);
	fd = memfd_create("base", MFD_CLOEXEC);
	assert_true(fd >= 0 && ftruncate(fd, (9 << 12) + 100) == 0);
	return file_from_fd(fd, name, ret_file, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_files files = { .files.open = open_image, .files.context = &files };
	struct file file = FILE_CLOSED;
	struct error e = { 0 };
	struct disk *disk;
	size_t length;
	uint8_t *image;

	if (size < 1)
		return 0;
	image = make_image(data[0] % KINDS, data + 1, size - 1, &length);
	files.fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(files.fd >= 0 && write(files.fd, image, length) == (ssize_t)length);
	free(image);
	assert_true(file_from_fd(fcntl(files.fd, F_DUPFD_CLOEXEC, 0), "a.qcow2", &file, NULL) == 0);
	if (disk_open_as("qcow2", &file, &files.files, &disk, &e) == 0) {
		walk(disk, QCOW2_MAX_CAPACITY);
		disk_close(disk);
	} else {
		assert_true(e.code < 0 && e.text[0]); /* every refusal has its words */
	}
	file_close(&file);
	close(files.fd);
	return 0;
}
