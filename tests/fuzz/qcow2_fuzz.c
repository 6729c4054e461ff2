/* SPDX-License-Identifier: MIT */
/*
 * Overlays from hostile files. The input is either a whole file or (first byte odd) patches of a sound overlay made
 * here, each 2 bytes page, 2 bytes offset, 1 byte length, bytes; then the overlay is mapped, written, zeroed, flushed
 * and opened again.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmformat/bytes.h"
#include "vmformat/qcow2.h"

#define L2_SPAN (1ull << 29)                     /* what an L2 table of one cluster holds */
#define CAPACITY (L2_SPAN + QCOW2_CLUSTER + 512) /* two L2 tables: each is looked through at every opening */
#define SOUND_SIZE (32u * QCOW2_CLUSTER)

static int zero_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	(void)disk, (void)offset;
	*ret_extent = (struct disk_extent){ .kind = DISK_ZERO, .length = length };
	return 0;
}

static void zero_close(struct disk *disk)
{
	(void)disk;
}

static const struct disk_format zero_format = { .name = "zero", .map = zero_map, .close = zero_close };

static int try_open(int fd, struct disk **ret_overlay)
{
	struct disk *base = calloc(1, sizeof(*base));
	struct error e = { 0 };
	int r;

	if (!base)
		abort();
	*base = (struct disk){ .format = &zero_format, .capacity = CAPACITY };
	r = qcow2_overlay_open(fd, "fuzz", base, "f", ret_overlay, &e);
	if (r < 0) {
		if (!e.code || !e.text[0])
			abort(); /* a refusal without words */
		disk_close(base);
	}
	return r;
}

/* Begin and end without the data, which no table depends on. */
static void touch(struct disk *overlay, uint64_t offset, uint32_t length, int result)
{
	while (length) {
		struct disk_write w;

		if (qcow2_write_begin(overlay, offset, length, &w) < 0)
			return;
		if (w.length == 0 || w.length > length || w.head > offset ||
		    !range_within(offset + w.length, w.tail, CAPACITY))
			abort();
		qcow2_write_end(overlay, &w, result);
		offset += w.length;
		length -= w.length;
	}
}

static void map_range(struct disk *overlay, uint64_t at, uint64_t end)
{
	struct disk_extent extent;

	for (; at < end; at += extent.length) {
		if (disk_map(overlay, at, end - at, &extent, NULL) < 0)
			extent.length = MIN(QCOW2_CLUSTER, end - at);
		if (extent.length == 0 || extent.length > end - at)
			abort();
	}
}

/* The first page and the last entries of each L2 table: to look at all of them takes ten times as long. */
static void map_all(struct disk *overlay)
{
	for (uint64_t table = 0; table < CAPACITY; table += L2_SPAN) {
		uint64_t end = MIN(table + L2_SPAN, CAPACITY);

		map_range(overlay, table, MIN(table + 512 * QCOW2_CLUSTER, end));
		map_range(overlay, end - MIN(2 * QCOW2_CLUSTER, end - table), end);
	}
}

static void use(struct disk *overlay)
{
	map_all(overlay);
	touch(overlay, 512, 3 * QCOW2_CLUSTER, 0);
	touch(overlay, (1ull << 29) - 4096, 8192, 0);
	touch(overlay, 9 * QCOW2_CLUSTER, 8 * QCOW2_CLUSTER, -5);
	qcow2_zero(overlay, 0, 64 * QCOW2_CLUSTER);
	touch(overlay, 4096, 512, 0);
	qcow2_flush(overlay);
	map_all(overlay);
}

static uint8_t sound[SOUND_SIZE];

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd = memfd_create("sound", MFD_CLOEXEC), copy = dup(fd);
	struct disk *overlay;

	(void)argc, (void)argv;
	if (fd < 0 || copy < 0 || try_open(fd, &overlay) < 0)
		abort();
	touch(overlay, 0, 4 * QCOW2_CLUSTER, 0);
	touch(overlay, 1ull << 29, QCOW2_CLUSTER, 0);
	touch(overlay, CAPACITY - 512, 512, 0);
	qcow2_zero(overlay, QCOW2_CLUSTER, QCOW2_CLUSTER);
	disk_close(overlay);
	if (pread(copy, sound, sizeof(sound), 0) < 0)
		abort();
	close(copy);
	return 0;
}

/* Its pages that are not zeros: the rest are holes. */
static void make_sound(int fd)
{
	static const uint8_t zeros[4096];

	if (ftruncate(fd, SOUND_SIZE) < 0)
		abort();
	for (unsigned at = 0; at < SOUND_SIZE; at += sizeof(zeros))
		if (memcmp(sound + at, zeros, sizeof(zeros)) != 0 && pwrite(fd, sound + at, sizeof(zeros), at) < 0)
			abort();
}

static void apply_patches(int fd, const uint8_t *data, size_t size)
{
	while (size >= 6) {
		off_t at = (le16_load(data) % (SOUND_SIZE / 4096)) * 4096 + le16_load(data + 2) % 4096;
		size_t length = MIN(data[4] % 32 + 1u, size - 5);

		if (pwrite(fd, data + 5, length, at) < 0)
			abort();
		data += 5 + length;
		size -= 5 + length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct disk *overlay;

	if (fd < 0)
		abort();
	if (size && data[0] & 1) {
		make_sound(fd);
		apply_patches(fd, data + 1, size - 1);
	} else if (size > 1 && pwrite(fd, data + 1, size - 1, 0) < 0) {
		abort();
	}
	if (try_open(fd, &overlay) < 0) {
		close(fd);
		return 0;
	}
	fd = dup(fd);
	use(overlay);
	disk_close(overlay);
	/* What we made of it must be sound for ourselves. */
	if (try_open(fd, &overlay) < 0)
		abort();
	use(overlay);
	disk_close(overlay);
	return 0;
}
