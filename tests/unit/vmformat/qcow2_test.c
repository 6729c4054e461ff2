/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/overlay_rig.h"

#include <pthread.h>
#include <time.h>

#define CLUSTER QCOW2_CLUSTER
#define L2_SPAN (512ull << 20)
#define SIZE (L2_SPAN + (8u << 20) + 3584) /* two L2 tables, a last cluster that is cut */

/* ---- looking at it ---- */

static void write_byte(struct disk *overlay, uint64_t offset, uint8_t value, uint32_t length)
{
	uint8_t *data = malloc(length);

	assert_non_null(data);
	memset(data, value, length);
	assert_int_equal(rig_write(overlay, NULL, offset, data, length), 0);
	free(data);
}

static void assert_reads(struct disk *disk, uint64_t offset, uint8_t value, size_t length)
{
	uint8_t *data = malloc(length);

	assert_non_null(data);
	assert_int_equal(disk_read(disk, offset, data, length), 0);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(data[i], value);
	free(data);
}

static enum disk_extent_kind kind_at(struct disk *overlay, uint64_t offset)
{
	struct disk_extent extent;

	assert_int_equal(overlay->format->map(overlay, offset, DISK_SECTOR, &extent), 0);
	return extent.kind;
}

static uint64_t file_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

static void patch(const struct rig *rig, uint64_t offset, const void *bytes, size_t length)
{
	int fd = rig_overlay_fd(rig);

	assert_int_equal(pwrite(fd, bytes, length, (off_t)offset), (ssize_t)length);
	close(fd);
}

static uint64_t peek64(const struct rig *rig, uint64_t offset)
{
	uint8_t raw[8];
	int fd = rig_overlay_fd(rig);

	assert_int_equal(pread(fd, raw, 8, (off_t)offset), 8);
	close(fd);
	return be64_load(raw);
}

static void patch64(const struct rig *rig, uint64_t offset, uint64_t value)
{
	uint8_t raw[8];

	be64_store(raw, value);
	patch(rig, offset, raw, 8);
}

/* The overlay's first L2 table in the file. */
static uint64_t first_l2(const struct rig *rig)
{
	return peek64(rig, peek64(rig, 40)) & 0x00fffffffffffe00ull;
}

static void assert_refused(struct rig *rig, int code, const char *words)
{
	struct error e = { 0 };
	struct disk *overlay;

	assert_int_equal(rig_try_open(rig, &overlay, &e), code);
	if (!strstr(e.text, words))
		print_error("\"%s\" is not in: %s\n", words, e.text);
	assert_non_null(strstr(e.text, words));
}

/* An overlay with one written cluster at 0 and one at L2_SPAN. */
static void make_overlay(struct rig *rig)
{
	struct disk *overlay;

	rig_init(rig, SIZE);
	overlay = rig_open(rig);
	write_byte(overlay, 0, 0x11, CLUSTER);
	write_byte(overlay, L2_SPAN, 0x22, CLUSTER);
	disk_close(overlay);
}

/* ---- what it keeps ---- */

static void overlay_new_is_accepted_by_qemu_img(void **state)
{
	struct rig rig;

	(void)state;
	RIG_NEEDS_QEMU_IMG();
	rig_init(&rig, SIZE);
	disk_close(rig_open(&rig));
	assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	rig_clean(&rig);
}

static void overlay_keeps_what_was_written(void **state)
{
	struct rig rig;
	struct disk *overlay;

	(void)state;
	make_overlay(&rig);
	overlay = rig_open(&rig);
	assert_reads(overlay, 0, 0x11, CLUSTER);
	assert_reads(overlay, L2_SPAN, 0x22, CLUSTER);
	assert_int_equal(kind_at(overlay, CLUSTER), DISK_PARENT);
	assert_int_equal(kind_at(overlay, L2_SPAN + CLUSTER), DISK_PARENT);
	disk_close(overlay);
	if (rig_has_qemu_img())
		assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	rig_clean(&rig);
}

static void overlay_partial_write_copies_the_rest_from_the_base(void **state)
{
	uint8_t data[CLUSTER], got[CLUSTER];
	uint64_t seed = 5;
	struct rig rig;
	struct disk *overlay;

	(void)state;
	rig_init(&rig, SIZE);
	rig_fill(&seed, data, sizeof(data));
	rig_write_base(&rig, 0, data, sizeof(data));
	overlay = rig_open(&rig);
	write_byte(overlay, 1024, 0xaa, 512);
	disk_close(overlay);
	overlay = rig_open(&rig);
	assert_int_equal(disk_read(overlay, 0, got, sizeof(got)), 0);
	memset(data + 1024, 0xaa, 512);
	assert_memory_equal(got, data, sizeof(data));
	disk_close(overlay);
	rig_clean(&rig);
}

static void overlay_zeroed_clusters_hide_the_base(void **state)
{
	uint8_t data[2 * CLUSTER];
	uint64_t seed = 5, size;
	struct rig rig;
	struct disk *overlay;

	(void)state;
	rig_init(&rig, SIZE);
	rig_fill(&seed, data, sizeof(data));
	rig_write_base(&rig, 0, data, sizeof(data));
	overlay = rig_open(&rig);
	write_byte(overlay, 0, 0xaa, CLUSTER);
	assert_int_equal(qcow2_zero(overlay, 0, 2 * CLUSTER), 0);
	assert_reads(overlay, 0, 0, 2 * CLUSTER);
	disk_close(overlay);
	overlay = rig_open(&rig);
	assert_int_equal(kind_at(overlay, 0), DISK_ZERO);
	assert_int_equal(kind_at(overlay, CLUSTER), DISK_ZERO);
	/* The cluster that was there is taken again, with zeros around the data. */
	size = file_size(rig.overlay_path);
	write_byte(overlay, 512, 0xbb, 512);
	assert_reads(overlay, 0, 0, 512);
	assert_reads(overlay, 512, 0xbb, 512);
	assert_reads(overlay, 1024, 0, CLUSTER - 1024);
	disk_close(overlay);
	assert_int_equal(file_size(rig.overlay_path), size);
	if (rig_has_qemu_img())
		assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	rig_clean(&rig);
}

static void overlay_zeroing_an_empty_base_costs_nothing(void **state)
{
	struct rig rig;
	struct disk *overlay;
	const uint64_t hole = RIG_STRETCH / CLUSTER * CLUSTER + CLUSTER; /* a cluster within the base's zeros */

	(void)state;
	rig_init(&rig, SIZE);
	overlay = rig_open(&rig);
	assert_int_equal(rig_kind(hole), DISK_ZERO);
	assert_int_equal(qcow2_zero(overlay, hole, CLUSTER), 0);
	assert_int_equal(kind_at(overlay, hole), DISK_PARENT);
	disk_close(overlay);
	assert_int_equal(peek64(&rig, peek64(&rig, 40)), 0); /* no L2 table */
	rig_clean(&rig);
}

static void overlay_of_more_tables_than_the_cache_holds_is_complete(void **state)
{
	enum { TABLES = 100 };
	struct rig rig;
	struct disk *overlay;

	(void)state;
	rig_init(&rig, TABLES * L2_SPAN);
	overlay = rig_open(&rig);
	for (unsigned i = 0; i < TABLES; i++)
		write_byte(overlay, i * L2_SPAN + i * CLUSTER, (uint8_t)(i + 1), CLUSTER);
	for (unsigned i = 0; i < TABLES; i++)
		assert_reads(overlay, i * L2_SPAN + i * CLUSTER, (uint8_t)(i + 1), CLUSTER);
	disk_close(overlay);
	overlay = rig_open(&rig);
	for (unsigned i = 0; i < TABLES; i++)
		assert_reads(overlay, i * L2_SPAN + i * CLUSTER, (uint8_t)(i + 1), CLUSTER);
	disk_close(overlay);
	if (rig_has_qemu_img())
		assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	rig_clean(&rig);
}

/* Clusters are linked without their data being written: the file stays a hole. */
static void allocate(struct disk *overlay, uint64_t offset, uint64_t length)
{
	while (length) {
		struct disk_write w;

		assert_int_equal(qcow2_write_begin(overlay, offset, (uint32_t)MIN(length, 32u << 20), &w), 0);
		qcow2_write_end(overlay, &w, 0);
		offset += w.length;
		length -= w.length;
	}
}

static void overlay_grows_its_reference_counts(void **state)
{
	const uint64_t bytes = 5ull << 30; /* of file: three blocks of counts */
	struct rig rig;
	struct disk *overlay;

	(void)state;
	RIG_NEEDS_QEMU_IMG();
	rig_init(&rig, 8ull << 30);
	overlay = rig_open(&rig);
	allocate(overlay, 0, bytes);
	disk_close(overlay);
	assert_true(file_size(rig.overlay_path) > bytes);
	assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	disk_close(rig_open(&rig));
	assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	rig_clean(&rig);
}

static void overlay_of_the_largest_disk_can_be_made(void **state)
{
	struct rig rig;
	struct disk *overlay;

	(void)state;
	rig_init(&rig, 1ull << 30);
	truncate(rig.base_path, 0);
	rig.capacity = QCOW2_MAX_CAPACITY;
	overlay = rig_open(&rig);
	write_byte(overlay, QCOW2_MAX_CAPACITY - CLUSTER, 0x77, CLUSTER);
	disk_close(overlay);
	overlay = rig_open(&rig);
	assert_reads(overlay, QCOW2_MAX_CAPACITY - CLUSTER, 0x77, CLUSTER);
	disk_close(overlay);
	if (rig_has_qemu_img())
		assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	rig_clean(&rig);
}

/* As qemu-img check -r leaves it when it rebuilds: only as long as the file needed then. */
static void overlay_short_refcount_table_is_replaced(void **state)
{
	struct rig rig;
	struct disk *overlay;
	uint8_t one[4] = { 0, 0, 0, 1 };

	(void)state;
	rig_init(&rig, 1ull << 30);
	rig.capacity = QCOW2_MAX_CAPACITY;
	overlay = rig_open(&rig);
	write_byte(overlay, 4 * CLUSTER, 0x77, CLUSTER);
	disk_close(overlay);
	assert_int_equal(peek64(&rig, 56) >> 32, 5);
	patch(&rig, 56, one, 4);
	overlay = rig_open(&rig);
	assert_reads(overlay, 4 * CLUSTER, 0x77, CLUSTER);
	assert_int_equal(peek64(&rig, 56) >> 32, 5);
	disk_close(overlay);
	disk_close(rig_open(&rig)); /* counts of the old table are put right */
	if (rig_has_qemu_img())
		assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	rig_clean(&rig);
}

static void overlay_wrong_reference_counts_are_put_right(void **state)
{
	struct rig rig;
	uint8_t wrong[64];

	(void)state;
	RIG_NEEDS_QEMU_IMG();
	make_overlay(&rig);
	memset(wrong, 0, sizeof(wrong));
	wrong[41] = 1; /* everything free, and a leak */
	patch(&rig, peek64(&rig, peek64(&rig, 48)), wrong, sizeof(wrong));
	assert_int_equal(rig_check(rig.overlay_path), RIG_CORRUPT);
	disk_close(rig_open(&rig));
	assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	rig_clean(&rig);
}

static void overlay_opens_read_only_for_a_dump(void **state)
{
	struct rig rig;
	struct disk *overlay, *base;
	struct disk_write w;
	struct error e = { 0 };

	(void)state;
	make_overlay(&rig);
	base = rig_open_base(&rig);
	assert_int_equal(qcow2_overlay_open(open(rig.overlay_path, O_RDONLY | O_CLOEXEC), "x", base, "0123456789abcdef",
	                                    &overlay, &e),
	                 0);
	assert_reads(overlay, 0, 0x11, CLUSTER);
	assert_int_equal(qcow2_write_begin(overlay, 0, 512, &w), -EROFS);
	assert_int_equal(qcow2_zero(overlay, 0, CLUSTER), -EROFS);
	disk_close(overlay);
	rig_clean(&rig);
}

/* ---- whose it is ---- */

static void overlay_of_another_base_is_refused(void **state)
{
	struct rig rig;
	struct disk *base, *overlay;
	struct error e = { 0 };
	int fd;

	(void)state;
	make_overlay(&rig);
	base = rig_open_base(&rig);
	fd = rig_overlay_fd(&rig);
	assert_int_equal(qcow2_overlay_open(fd, "ide0-0.qcow2", base, "fedcba9876543210", &overlay, &e), -ESTALE);
	assert_non_null(strstr(e.text, "belongs to another version of the download"));
	disk_close(base);
	close(fd);
	rig.capacity -= CLUSTER;
	assert_refused(&rig, -ESTALE, "belongs to another version of the download");
	rig_clean(&rig);
}

static void overlay_binds_itself_to_the_content_of_its_base(void **state)
{
	char before[33], after[33];
	uint8_t sector[512];
	struct rig rig;
	struct disk *base, *overlay;
	struct error e = { 0 };
	int fd;

	(void)state;
	rig_init(&rig, SIZE);
	base = rig_open_base(&rig);
	assert_int_equal(qcow2_base_fingerprint(base, before, &e), 0);
	assert_int_equal(qcow2_overlay_open(rig_overlay_fd(&rig), "x", base, "", &overlay, &e), 0);
	disk_close(overlay);
	memset(sector, 0x33, sizeof(sector));
	rig_write_base(&rig, 0, sector, sizeof(sector));
	base = rig_open_base(&rig);
	assert_int_equal(qcow2_base_fingerprint(base, after, &e), 0);
	assert_string_not_equal(before, after);
	fd = rig_overlay_fd(&rig);
	assert_int_equal(qcow2_overlay_open(fd, "x", base, "", &overlay, &e), -ESTALE);
	close(fd);
	disk_close(base);
	rig_clean(&rig);
}

static void overlay_survives_a_rescue_by_qemu_img(void **state)
{
	struct rig rig;
	struct disk *overlay;
	char command[512];

	(void)state;
	RIG_NEEDS_QEMU_IMG();
	make_overlay(&rig);
	snprintf(command, sizeof(command), "qemu-img rebase -u -f qcow2 -F raw -b %s %s", rig.base_path,
	         rig.overlay_path);
	assert_int_equal(system(command), 0);
	overlay = rig_open(&rig);
	assert_reads(overlay, 0, 0x11, CLUSTER);
	write_byte(overlay, CLUSTER, 0x33, CLUSTER);
	disk_close(overlay);
	assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	rig_clean(&rig);
}

/* ---- what it refuses ---- */

static void overlay_bad_headers_are_refused_in_words(void **state)
{
	static const struct {
		unsigned offset;
		uint8_t value;
		int code;
		const char *words;
	} cases[] = {
		{ 0, 'X', -EINVAL, "no qcow2 file" },
		{ 7, 2, -ENOTSUP, "version 3" },
		{ 23, 17, -ENOTSUP, "64 KiB" },
		{ 35, 1, -ENOTSUP, "encrypted" },
		{ 39, 9, -EINVAL, "L1 table" },
		{ 39, 0, -EINVAL, "L1 table" },
		{ 31, 1, -ENOTSUP, "resized" },
		{ 47, 1, -EINVAL, "wrong place of the L1 table" },
		{ 40, 1, -EINVAL, "wrong place of the L1 table" },
		{ 55, 1, -EINVAL, "wrong place of the refcount table" },
		{ 48, 0xff, -EINVAL, "wrong place of the refcount table" },
		{ 59, 0, -EINVAL, "wrong size of the refcount table" },
		{ 56, 1, -EINVAL, "wrong size of the refcount table" },
		{ 63, 1, -ENOTSUP, "snapshots" },
		{ 79, 1, -EINVAL, "not closed properly" },
		{ 79, 2, -EINVAL, "marked as damaged" },
		{ 79, 4, -ENOTSUP, "features" },
		{ 72, 0x80, -ENOTSUP, "features" },
		{ 95, 1, -ENOTSUP, "additions" },
		{ 99, 3, -ENOTSUP, "16 bits" },
		{ 103, 0xff, -EINVAL, "no overlay that Vitrine made" },
		{ 100, 0xff, -EINVAL, "no overlay that Vitrine made" },
		{ 104, 0x99, -EINVAL, "no overlay that Vitrine made" },
		{ 108, 0xff, -EINVAL, "no overlay that Vitrine made" },
		{ 120, 0xff, -ESTALE, "another version" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig;

		make_overlay(&rig);
		patch(&rig, cases[i].offset, &cases[i].value, 1);
		assert_refused(&rig, cases[i].code, cases[i].words);
		rig_clean(&rig);
	}
}

static void overlay_bad_entries_are_refused(void **state)
{
	static const struct {
		bool in_l1;
		uint64_t entry;
		int code;
		const char *words;
	} cases[] = {
		{ true, 1ull << 63 | 0x7fff0000, -EINVAL, "wrong place of an L2 table" },
		{ true, 1ull << 63 | 0x10200, -EINVAL, "wrong place of an L2 table" },
		{ true, 1ull << 63, -EINVAL, "reserved bits" },
		{ true, 1, -EINVAL, "reserved bits" },
		{ true, 1ull << 63 | 0x10000, -EINVAL, "two owners" },
		{ false, 1ull << 62 | 0x10000, -ENOTSUP, "compressed" },
		{ false, 2, -EINVAL, "reserved bits" },
		{ false, 1ull << 63 | 0x7fff0000, -EINVAL, "wrong place of a cluster" },
		{ false, 1ull << 63 | 0x200, -EINVAL, "wrong place of a cluster" },
		{ false, 1ull << 63 | 0x10000, -EINVAL, "two owners" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig rig;

		make_overlay(&rig);
		patch64(&rig, cases[i].in_l1 ? peek64(&rig, 40) : first_l2(&rig) + 8, cases[i].entry);
		assert_refused(&rig, cases[i].code, cases[i].words);
		rig_clean(&rig);
	}
}

static void overlay_two_entries_of_one_cluster_are_refused(void **state)
{
	struct rig rig;

	(void)state;
	make_overlay(&rig);
	patch64(&rig, first_l2(&rig) + 8, peek64(&rig, first_l2(&rig)));
	assert_refused(&rig, -EINVAL, "two owners");
	rig_clean(&rig);
}

static void overlay_that_ends_in_its_tables_is_refused(void **state)
{
	struct rig rig;

	(void)state;
	make_overlay(&rig);
	assert_int_equal(truncate(rig.overlay_path, 0x28000), 0);
	assert_refused(&rig, -EINVAL, "damaged");
	assert_int_equal(truncate(rig.overlay_path, 200), 0);
	assert_refused(&rig, -EINVAL, "damaged");
	rig_clean(&rig);
}

static void overlay_larger_than_its_disk_could_make_it_is_refused(void **state)
{
	struct rig rig;

	(void)state;
	make_overlay(&rig);
	assert_int_equal(truncate(rig.overlay_path, 64ll << 30), 0);
	assert_refused(&rig, -EFBIG, "larger");
	rig_clean(&rig);
}

static void overlay_of_which_only_zeros_were_written_starts_anew(void **state)
{
	struct rig rig;
	struct disk *overlay;

	(void)state;
	rig_init(&rig, SIZE);
	close(rig_overlay_fd(&rig));
	assert_int_equal(truncate(rig.overlay_path, 1 << 20), 0);
	overlay = rig_open(&rig);
	write_byte(overlay, 0, 0x44, CLUSTER);
	disk_close(overlay);
	overlay = rig_open(&rig);
	assert_reads(overlay, 0, 0x44, CLUSTER);
	disk_close(overlay);
	rig_clean(&rig);
}

/* An entry that goes bad while the overlay is open (another program wrote it) is an I/O error, not a place to write
 * to. */
static void overlay_entry_that_turns_bad_is_an_io_error(void **state)
{
	struct rig rig;
	struct disk *overlay;
	struct disk_extent extent;
	struct disk_write w;

	(void)state;
	make_overlay(&rig);
	overlay = rig_open(&rig);
	patch64(&rig, first_l2(&rig), 1ull << 63 | 0x7fffffff0000);
	assert_int_equal(overlay->format->map(overlay, 0, 512, &extent), -EIO);
	assert_int_equal(qcow2_write_begin(overlay, 0, 512, &w), -EIO);
	assert_int_equal(qcow2_zero(overlay, 0, CLUSTER), -EIO);
	disk_close(overlay);
	rig_clean(&rig);
}

/* ---- when the host fails ---- */

struct faults {
	int sync_error, write_error, size_error; /* errno, 0: none */
	unsigned syncs;
};

static ssize_t faulty_pwrite(void *context, int fd, const void *data, size_t length, off_t offset)
{
	struct faults *f = context;

	if (f->write_error) {
		errno = f->write_error;
		return -1;
	}
	return pwrite(fd, data, length, offset);
}

static int faulty_fdatasync(void *context, int fd)
{
	struct faults *f = context;

	f->syncs++;
	if (f->sync_error) {
		errno = f->sync_error;
		return -1;
	}
	return fdatasync(fd);
}

static int faulty_ftruncate(void *context, int fd, off_t size)
{
	struct faults *f = context;

	if (f->size_error) {
		errno = f->size_error;
		return -1;
	}
	return ftruncate(fd, size);
}

static int faulty_punch(void *context, int fd, off_t offset, off_t length)
{
	(void)context, (void)fd, (void)offset, (void)length;
	errno = EOPNOTSUPP;
	return -1;
}

static void set_faults(struct disk *overlay, struct faults *f)
{
	struct disk_io io = { faulty_pwrite, faulty_fdatasync, faulty_ftruncate, faulty_punch, f };

	qcow2_set_io(overlay, &io);
}

static void overlay_failed_fsync_is_never_forgotten(void **state)
{
	struct faults f = { .sync_error = EIO };
	struct rig rig;
	struct disk *overlay;
	struct disk_write w;

	(void)state;
	make_overlay(&rig);
	overlay = rig_open(&rig);
	set_faults(overlay, &f);
	write_byte(overlay, CLUSTER, 0x55, CLUSTER);
	assert_int_equal(qcow2_flush(overlay), -EIO);
	f.sync_error = 0; /* the kernel reports it once and forgets */
	assert_int_equal(qcow2_flush(overlay), -EIO);
	assert_true(qcow2_failed(overlay));
	assert_int_equal(qcow2_write_begin(overlay, 0, 512, &w), -EIO);
	assert_int_equal(qcow2_zero(overlay, 0, CLUSTER), -EIO);
	assert_reads(overlay, 0, 0x11, CLUSTER);
	disk_close(overlay);
	/* Only the table that points to lost data was kept back. */
	overlay = rig_open(&rig);
	assert_int_equal(kind_at(overlay, CLUSTER), DISK_PARENT);
	assert_reads(overlay, 0, 0x11, CLUSTER);
	disk_close(overlay);
	rig_clean(&rig);
}

static void overlay_flush_can_be_tried_again_when_the_disk_was_full(void **state)
{
	struct faults f = { .write_error = ENOSPC };
	struct rig rig;
	struct disk *overlay;

	(void)state;
	make_overlay(&rig);
	overlay = rig_open(&rig);
	write_byte(overlay, CLUSTER, 0x55, CLUSTER);
	set_faults(overlay, &f);
	assert_int_equal(qcow2_flush(overlay), -ENOSPC);
	f.write_error = 0;
	assert_int_equal(qcow2_flush(overlay), 0);
	disk_close(overlay);
	overlay = rig_open(&rig);
	assert_reads(overlay, CLUSTER, 0x55, CLUSTER);
	disk_close(overlay);
	if (rig_has_qemu_img())
		assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	rig_clean(&rig);
}

static void overlay_failed_write_gives_its_clusters_back(void **state)
{
	struct rig rig;
	struct disk *overlay;
	struct disk_write first, second;

	(void)state;
	make_overlay(&rig);
	overlay = rig_open(&rig);
	assert_int_equal(qcow2_write_begin(overlay, CLUSTER, CLUSTER, &first), 0);
	qcow2_write_end(overlay, &first, -ENOSPC);
	assert_int_equal(kind_at(overlay, CLUSTER), DISK_PARENT);
	assert_int_equal(qcow2_write_begin(overlay, CLUSTER, 512, &second), 0);
	assert_int_equal(second.fd_offset, first.fd_offset);
	assert_false(second.fresh); /* the first may have written some */
	assert_int_equal(second.tail, CLUSTER - 512);
	qcow2_write_end(overlay, &second, -ENOSPC);
	disk_close(overlay);
	if (rig_has_qemu_img())
		assert_int_equal(rig_check(rig.overlay_path), RIG_SOUND);
	rig_clean(&rig);
}

static void overlay_that_cannot_grow_reports_it_and_goes_on_later(void **state)
{
	struct faults f = { .size_error = EFBIG };
	struct rig rig;
	struct disk *overlay;
	struct disk_write w;

	(void)state;
	make_overlay(&rig);
	overlay = rig_open(&rig);
	set_faults(overlay, &f);
	assert_int_equal(qcow2_write_begin(overlay, 2 * CLUSTER, 8u << 20, &w), -EFBIG);
	f.size_error = 0;
	write_byte(overlay, 2 * CLUSTER, 0x66, CLUSTER);
	assert_reads(overlay, 2 * CLUSTER, 0x66, CLUSTER);
	disk_close(overlay);
	rig_clean(&rig);
}

static void overlay_flush_syncs_twice_with_new_clusters_and_once_without(void **state)
{
	struct faults f = { 0 };
	struct rig rig;
	struct disk *overlay;

	(void)state;
	make_overlay(&rig);
	overlay = rig_open(&rig);
	set_faults(overlay, &f);
	write_byte(overlay, CLUSTER, 0x55, CLUSTER);
	assert_int_equal(qcow2_flush(overlay), 0);
	assert_int_equal(f.syncs, 2);
	write_byte(overlay, CLUSTER, 0x56, CLUSTER);
	assert_int_equal(qcow2_flush(overlay), 0);
	assert_int_equal(f.syncs, 3);
	disk_close(overlay);
	rig_clean(&rig);
}

/* ---- several threads ---- */

struct racer {
	struct disk *overlay;
	uint64_t offset;
	uint8_t value;
	int ended;
};

static void *race(void *context)
{
	struct racer *racer = context;
	uint8_t data[512];

	memset(data, racer->value, sizeof(data));
	if (rig_write(racer->overlay, NULL, racer->offset, data, sizeof(data)) < 0)
		abort();
	__atomic_store_n(&racer->ended, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void overlay_partial_writes_of_one_cluster_follow_each_other(void **state)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	uint8_t data[512];
	struct rig rig;
	struct racer racer;
	struct disk_write w;
	pthread_t thread;

	(void)state;
	rig_init(&rig, SIZE);
	racer = (struct racer){ rig_open(&rig), 512, 0x77, 0 };
	assert_int_equal(qcow2_write_begin(racer.overlay, 0, 512, &w), 0);
	assert_int_equal(pthread_create(&thread, NULL, race, &racer), 0);
	nanosleep(&moment, NULL);
	assert_int_equal(__atomic_load_n(&racer.ended, __ATOMIC_SEQ_CST), 0);
	memset(data, 0x66, sizeof(data));
	assert_int_equal(rig_write_run(racer.overlay, NULL, 0, data, &w), 0);
	qcow2_write_end(racer.overlay, &w, 0);
	pthread_join(thread, NULL);
	assert_reads(racer.overlay, 0, 0x66, 512);
	assert_reads(racer.overlay, 512, 0x77, 512);
	disk_close(racer.overlay);
	rig_clean(&rig);
}

static void overlay_writes_in_place_do_not_wait_for_each_other(void **state)
{
	struct rig rig;
	struct disk *overlay;
	struct disk_write first, second;

	(void)state;
	make_overlay(&rig);
	overlay = rig_open(&rig);
	assert_int_equal(qcow2_write_begin(overlay, 0, 512, &first), 0);
	assert_int_equal(qcow2_write_begin(overlay, 512, 512, &second), 0);
	assert_int_equal(first.head + first.tail, 0);
	qcow2_write_end(overlay, &first, 0);
	qcow2_write_end(overlay, &second, 0);
	disk_close(overlay);
	rig_clean(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlay_new_is_accepted_by_qemu_img),
		cmocka_unit_test(overlay_keeps_what_was_written),
		cmocka_unit_test(overlay_partial_write_copies_the_rest_from_the_base),
		cmocka_unit_test(overlay_zeroed_clusters_hide_the_base),
		cmocka_unit_test(overlay_zeroing_an_empty_base_costs_nothing),
		cmocka_unit_test(overlay_of_more_tables_than_the_cache_holds_is_complete),
		cmocka_unit_test(overlay_grows_its_reference_counts),
		cmocka_unit_test(overlay_of_the_largest_disk_can_be_made),
		cmocka_unit_test(overlay_short_refcount_table_is_replaced),
		cmocka_unit_test(overlay_wrong_reference_counts_are_put_right),
		cmocka_unit_test(overlay_opens_read_only_for_a_dump),
		cmocka_unit_test(overlay_of_another_base_is_refused),
		cmocka_unit_test(overlay_binds_itself_to_the_content_of_its_base),
		cmocka_unit_test(overlay_survives_a_rescue_by_qemu_img),
		cmocka_unit_test(overlay_bad_headers_are_refused_in_words),
		cmocka_unit_test(overlay_bad_entries_are_refused),
		cmocka_unit_test(overlay_two_entries_of_one_cluster_are_refused),
		cmocka_unit_test(overlay_that_ends_in_its_tables_is_refused),
		cmocka_unit_test(overlay_larger_than_its_disk_could_make_it_is_refused),
		cmocka_unit_test(overlay_of_which_only_zeros_were_written_starts_anew),
		cmocka_unit_test(overlay_entry_that_turns_bad_is_an_io_error),
		cmocka_unit_test(overlay_failed_fsync_is_never_forgotten),
		cmocka_unit_test(overlay_flush_can_be_tried_again_when_the_disk_was_full),
		cmocka_unit_test(overlay_failed_write_gives_its_clusters_back),
		cmocka_unit_test(overlay_that_cannot_grow_reports_it_and_goes_on_later),
		cmocka_unit_test(overlay_flush_syncs_twice_with_new_clusters_and_once_without),
		cmocka_unit_test(overlay_partial_writes_of_one_cluster_follow_each_other),
		cmocka_unit_test(overlay_writes_in_place_do_not_wait_for_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
