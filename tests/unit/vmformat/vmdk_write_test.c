/* SPDX-License-Identifier: MIT */
/* Disks in place: what is refused before the first byte, the content ID, the mark in the header, and what a bad
 * table can spoil. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vmformat/test_files.h"
#include "tests/unit/vmformat/test_vmdk.h"
#include "tests/unit/vmformat/test_writable.h"
#include "vmformat/disk_write.h"

#define HEADING "# Disk DescriptorFile\nversion=1\nCID=0badcafe\nparentCID=ffffffff\n"
#define SPARSE_TEXT HEADING "createType=\"monolithicSparse\"\nRW 1024 SPARSE \"a.vmdk\"\n"
#define GRAIN 8u /* sectors */
#define GRAIN_BYTES (GRAIN * 512)
#define SECTORS 1024u /* 128 grains: one table */

struct rig {
	struct test_dir dir;
	struct test_writable files;
};

static void setup(struct rig *r)
{
	test_dir_init(&r->dir);
	test_writable_init(&r->files, r->dir.path);
}

static void teardown(struct rig *r)
{
	test_writable_free(&r->files);
	test_dir_free(&r->dir);
}

static uint8_t *content_of(struct rig *r, const char *name, size_t *ret_size)
{
	struct file file = test_dir_open(&r->dir, name);
	uint8_t *bytes = malloc(file.size);

	assert_non_null(bytes);
	assert_int_equal(file_read(&file, 0, bytes, file.size), 0);
	*ret_size = file.size;
	file_close(&file);
	return bytes;
}

static struct disk *open_disk(struct rig *r, const char *name)
{
	struct error e = { 0 };
	struct disk *disk = NULL;

	if (disk_open_in_place(name, &r->files.files, &disk, &e) < 0)
		fail_msg("%s", e.text);
	return disk;
}

/* Whole units: the tests write nothing that would need what lies beside. Data and entries, as the engine does it. */
static int write_fill(struct disk *disk, uint64_t offset, uint8_t fill, uint32_t length)
{
	uint8_t data[GRAIN_BYTES];

	memset(data, fill, sizeof(data));
	while (length) {
		struct disk_write w;
		int r = disk->writer->begin(disk, offset, MIN(length, GRAIN_BYTES), &w);

		if (r < 0)
			return r;
		assert_int_equal(w.head + w.tail, 0);
		assert_int_equal(pwrite(w.fd, data, w.length, (off_t)w.fd_offset), w.length);
		disk->writer->end(disk, &w, 0);
		offset += w.length;
		length -= w.length;
	}
	return 0;
}

static void check_fill(struct disk *disk, uint64_t offset, uint8_t fill, uint32_t length)
{
	uint8_t byte;

	for (uint32_t i = 0; i < length; i += 511) {
		assert_int_equal(disk_read(disk, offset + i, &byte, 1), 0);
		assert_int_equal(byte, fill);
	}
}

/* A sparse disk with a spare copy of its one table, and one grain. */
static void make_sparse(struct test_sparse *t, const char *text)
{
	uint8_t grain[GRAIN_BYTES];
	size_t rgd, rgt;

	memset(grain, 0x11, sizeof(grain));
	test_sparse_init(t, SECTORS, GRAIN, TEST_VMDK_REDUNDANT);
	test_sparse_descriptor(t, text);
	rgd = test_sparse_append(t, 512);
	rgt = test_sparse_append(t, 2048);
	le64_store(t->bytes + 48, rgd / 512);
	le32_store(t->bytes + rgd, (uint32_t)(rgt / 512));
	test_sparse_append(t, (GRAIN_BYTES - t->size % GRAIN_BYTES) % GRAIN_BYTES);
	test_sparse_add(t, 0, grain);
	memcpy(t->bytes + rgt, t->bytes + test_sparse_table(t, 0), 2048);
}

static size_t spare_table(const struct test_sparse *t)
{
	return (size_t)le32_load(t->bytes + le64_load(t->bytes + 48) * 512) * 512;
}

static void put(struct rig *r, const char *name, struct test_sparse *t)
{
	test_dir_write(&r->dir, name, t->bytes, t->size);
}

/* ---- the content ID ---- */

static void assert_only_cid_changed(const uint8_t *before, const uint8_t *after, size_t length, unsigned digits)
{
	const char *cid = memmem(before, length, "CID=", 4);
	size_t at = (size_t)(cid + 4 - (const char *)before);

	assert_non_null(cid);
	assert_memory_equal(after, before, at);
	assert_memory_equal(after + at + digits, before + at + digits, length - at - digits);
	assert_memory_not_equal(after + at, before + at, digits);
	assert_int_equal(strspn((const char *)after + at, "0123456789abcdef"), digits);
}

static void first_write_changes_the_content_id_and_no_other_byte(void **state)
{
	static const struct {
		const char *text;
		unsigned digits;
	} cases[] = {
		{ HEADING "createType=\"monolithicFlat\"\nRW 1024 FLAT \"a-flat.vmdk\" 0\n", 8 },
		{ "# Disk DescriptorFile\r\nversion=1\r\nCID=1A2 \r\nparentCID=ffffffff\r\n"
		  "RW 1024 FLAT \"a-flat.vmdk\" 0\r\n",
		  3 },
	};
	static const uint8_t zeros[SECTORS * 512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *text = cases[i].text;
		struct disk *disk;
		uint8_t *found;
		struct rig r;
		size_t size;

		setup(&r);
		test_dir_write(&r.dir, "a.vmdk", text, strlen(text));
		test_dir_write(&r.dir, "a-flat.vmdk", zeros, sizeof(zeros));
		disk = open_disk(&r, "a.vmdk");
		assert_int_equal(disk->writer->flush(disk), 0);
		disk_close(disk);
		found = content_of(&r, "a.vmdk", &size);
		assert_memory_equal(found, text, strlen(text)); /* only opened */
		free(found);
		disk = open_disk(&r, "a.vmdk");
		assert_int_equal(write_fill(disk, 0, 1, 512), 0);
		disk_close(disk);
		found = content_of(&r, "a.vmdk", &size);
		assert_int_equal(size, strlen(text));
		assert_only_cid_changed((const uint8_t *)text, found, size, cases[i].digits);
		free(found);
		teardown(&r);
	}
}

static void embedded_content_id_changes_once_a_session(void **state)
{
	struct test_sparse t;
	uint8_t *first, *second;
	struct disk *disk;
	struct rig r;
	size_t size;

	(void)state;
	setup(&r);
	make_sparse(&t, SPARSE_TEXT);
	put(&r, "a.vmdk", &t);
	disk = open_disk(&r, "a.vmdk");
	assert_int_equal(write_fill(disk, 0, 2, GRAIN_BYTES), 0);
	first = content_of(&r, "a.vmdk", &size);
	assert_only_cid_changed(t.bytes + 512, first + 512, 20 * 512, 8);
	assert_int_equal(first[72], 1); /* not closed properly yet */
	assert_int_equal(write_fill(disk, 0, 3, GRAIN_BYTES), 0);
	disk_close(disk);
	second = content_of(&r, "a.vmdk", &size);
	assert_memory_equal(second + 512, first + 512, 20 * 512);
	assert_int_equal(second[72], 0);
	free(first);
	free(second);
	free(t.bytes);
	teardown(&r);
}

static void parents_are_only_read(void **state)
{
	static const char delta[] = "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=0badcafe\n"
				    "parentFileNameHint=\"base.vmdk\"\ncreateType=\"monolithicSparse\"\n"
				    "RW 1024 SPARSE \"a.vmdk\"\n";
	struct test_sparse base, t;
	uint8_t *after;
	struct disk *disk;
	struct rig r;
	size_t size;

	(void)state;
	setup(&r);
	make_sparse(&base, SPARSE_TEXT);
	put(&r, "base.vmdk", &base);
	make_sparse(&t, delta);
	put(&r, "a.vmdk", &t);
	disk = open_disk(&r, "a.vmdk");
	assert_int_equal(r.files.written, 1);
	assert_null(disk->parent->writer);
	assert_int_equal(write_fill(disk, 2 * GRAIN_BYTES, 9, GRAIN_BYTES), 0);
	disk_close(disk);
	after = content_of(&r, "base.vmdk", &size);
	assert_memory_equal(after, base.bytes, base.size);
	free(after);
	free(base.bytes);
	free(t.bytes);
	teardown(&r);
}

/* ---- what is refused ---- */

static void spoil_compressed(struct test_sparse *t)
{
	le32_store(t->bytes + 4, 3);
	le32_store(t->bytes + 8, TEST_VMDK_COMPRESSED | 1);
	le16_store(t->bytes + 77, 1);
}

static void spoil_version(struct test_sparse *t)
{
	le32_store(t->bytes + 4, 3);
}

static void spoil_flags(struct test_sparse *t)
{
	t->bytes[9] = 1;
}

static void spoil_no_table(struct test_sparse *t)
{
	le32_store(t->bytes + t->gd, 0);
}

static void spoil_spare_directory(struct test_sparse *t)
{
	le64_store(t->bytes + 48, 0);
}

static void spoil_shared_tables(struct test_sparse *t)
{
	le32_store(t->bytes + le64_load(t->bytes + 48) * 512, le32_load(t->bytes + t->gd));
}

static void spoil_table_in_header(struct test_sparse *t)
{
	le32_store(t->bytes + t->gd, 0x7fffffff);
}

static void spoil_table_in_description(struct test_sparse *t)
{
	le32_store(t->bytes + t->gd, 17); /* behind the text: no entries */
}

static void spoil_directory_in_description(struct test_sparse *t)
{
	le64_store(t->bytes + 48, 2);
}

static void spoil_watched(struct test_sparse *t)
{
	test_sparse_descriptor(t, SPARSE_TEXT "changeTrackPath=\"a-ctk.vmdk\"\n");
}

static void disk_that_cannot_be_written_soundly_is_refused_untouched(void **state)
{
	static const struct {
		void (*spoil)(struct test_sparse *t);
		const char *words;
	} cases[] = {
		{ spoil_compressed, "streamOptimized" },
		{ spoil_version, "version 3" },
		{ spoil_flags, "does not know" },
		{ spoil_no_table, "lacks some of its tables" },
		{ spoil_spare_directory, "directories" },
		{ spoil_shared_tables, "over each other" },
		{ spoil_table_in_header, "behind its end" },
		{ spoil_table_in_description, "over each other" },
		{ spoil_directory_in_description, "lacks some of its tables" },
		{ spoil_watched, "backup" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error e = { 0 };
		struct test_sparse t;
		struct disk *disk;
		uint8_t *after;
		struct rig r;
		size_t size;

		setup(&r);
		make_sparse(&t, SPARSE_TEXT);
		cases[i].spoil(&t);
		put(&r, "a.vmdk", &t);
		assert_int_equal(disk_open_in_place("a.vmdk", &r.files.files, &disk, &e), -ENOTSUP);
		if (!strstr(e.text, cases[i].words) || !strstr(e.text, "so it cannot be written in place"))
			fail_msg("case %zu: %s", i, e.text);
		after = content_of(&r, "a.vmdk", &size);
		assert_int_equal(size, t.size);
		assert_memory_equal(after, t.bytes, size);
		free(after);
		free(t.bytes);
		teardown(&r);
	}
}

static void descriptor_with_a_part_that_is_not_to_be_written_is_refused(void **state)
{
	static const char *const lines[] = { "RDONLY 1024 FLAT \"a-flat.vmdk\" 0", "RW 1024 ZERO",
		                             "NOACCESS 1024 FLAT \"a-flat.vmdk\" 0" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct error e = { 0 };
		struct disk *disk;
		char text[256];
		struct rig r;

		setup(&r);
		snprintf(text, sizeof(text), HEADING "createType=\"custom\"\n%s\n", lines[i]);
		test_dir_write(&r.dir, "a.vmdk", text, strlen(text));
		assert_int_equal(disk_open_in_place("a.vmdk", &r.files.files, &disk, &e), -ENOTSUP);
		assert_non_null(strstr(e.text, "line 6"));
		teardown(&r);
	}
}

static void other_formats_and_pieces_are_refused(void **state)
{
	static const char text[] = HEADING "createType=\"monolithicFlat\"\nRW 1024 FLAT \"a-flat.vmdk\" 0\n";
	static uint8_t content[SECTORS * 512] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3 };
	struct error e = { 0 };
	struct disk *disk;
	struct rig r;

	(void)state;
	setup(&r);
	test_dir_write(&r.dir, "a.vmdk", text, strlen(text));
	test_dir_write(&r.dir, "a-flat.vmdk", content, sizeof(content));
	test_dir_write(&r.dir, "b.vmdk", content, sizeof(content));
	test_dir_write(&r.dir, "part.img", content, sizeof(content) - 1);
	assert_int_equal(disk_open_in_place("a-flat.vmdk", &r.files.files, &disk, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "a piece of a.vmdk"));
	error_clear(&e);
	assert_int_equal(disk_open_in_place("b.vmdk", &r.files.files, &disk, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "qcow2"));
	error_clear(&e);
	assert_int_equal(disk_open_in_place("part.img", &r.files.files, &disk, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "within a sector"));
	error_clear(&e);
	r.files.files.open_writable = NULL;
	assert_int_equal(disk_open_in_place("a.vmdk", &r.files.files, &disk, &e), -EACCES);
	teardown(&r);
}

/* A guest writes the first bytes of a raw disk: they must not make it another format. */
static void image_is_raw_by_its_name_whatever_a_guest_wrote(void **state)
{
	static uint8_t content[SECTORS * 512];
	struct disk *disk;
	struct rig r;

	(void)state;
	setup(&r);
	test_dir_write(&r.dir, "a.img", content, sizeof(content));
	disk = open_disk(&r, "a.img");
	assert_int_equal(write_fill(disk, 0, 'K', 512), 0);
	disk_close(disk);
	memcpy(content, SPARSE_TEXT, sizeof(SPARSE_TEXT));
	test_dir_write(&r.dir, "a.img", content, sizeof(content));
	disk = open_disk(&r, "a.img");
	assert_string_equal(disk->format->name, "raw");
	check_fill(disk, 0, '#', 1);
	disk_close(disk);
	teardown(&r);
}

/* ---- tables ---- */

/* An entry that names the header, the description or a table would have the guest write there. */
static void grain_over_a_table_is_not_written(void **state)
{
	struct test_sparse t;
	size_t places[4], size;

	(void)state;
	make_sparse(&t, SPARSE_TEXT);
	places[0] = 512;
	places[1] = t.gd;
	places[2] = test_sparse_table(&t, 0);
	places[3] = spare_table(&t) + 1024;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct disk *disk;
		uint8_t *after;
		struct rig r;

		setup(&r);
		for (unsigned copy = 0; copy < 2; copy++)
			le32_store(t.bytes + (copy ? spare_table(&t) : test_sparse_table(&t, 0)) + 4,
			           (uint32_t)(places[i] / 512));
		put(&r, "a.vmdk", &t);
		disk = open_disk(&r, "a.vmdk");
		assert_int_equal(write_fill(disk, GRAIN_BYTES, 0xee, GRAIN_BYTES), -EIO);
		assert_int_equal(disk->writer->zero(disk, GRAIN_BYTES, GRAIN_BYTES), -EIO);
		assert_int_equal(write_fill(disk, 2 * GRAIN_BYTES, 0x22, GRAIN_BYTES), 0); /* others go on */
		disk_close(disk);
		after = content_of(&r, "a.vmdk", &size);
		assert_memory_equal(after + t.gd, t.bytes + t.gd, 512);
		assert_memory_equal(after, t.bytes, 72);
		free(after);
		teardown(&r);
	}
	free(t.bytes);
}

static void damaged_entry_is_taken_from_the_spare_table(void **state)
{
	struct test_sparse t;
	struct disk *disk;
	uint8_t *after;
	struct rig r;
	size_t size;

	(void)state;
	setup(&r);
	make_sparse(&t, SPARSE_TEXT);
	le32_store(t.bytes + test_sparse_entry(&t, 0), 0xfffffff0);
	put(&r, "a.vmdk", &t);
	disk = open_disk(&r, "a.vmdk");
	check_fill(disk, 0, 0x11, GRAIN_BYTES);
	assert_int_equal(write_fill(disk, 3 * GRAIN_BYTES, 0x33, GRAIN_BYTES), 0);
	disk_close(disk);
	after = content_of(&r, "a.vmdk", &size);
	assert_memory_equal(after + test_sparse_table(&t, 0), after + spare_table(&t), 2048);
	disk = open_disk(&r, "a.vmdk");
	check_fill(disk, 0, 0x11, GRAIN_BYTES);
	check_fill(disk, 3 * GRAIN_BYTES, 0x33, GRAIN_BYTES);
	disk_close(disk);
	free(after);
	free(t.bytes);
	teardown(&r);
}

/* A file that is cut within its data: where the next grain goes, another one is said to be. */
static void entry_behind_the_end_is_no_place_for_a_new_grain(void **state)
{
	const size_t end = 2u << 20; /* further away than the samples of disk_open() believe */
	struct error e = { 0 };
	struct disk *disk = NULL;
	struct test_sparse t;
	uint8_t *after;
	struct rig r;
	size_t size;

	(void)state;
	setup(&r);
	make_sparse(&t, SPARSE_TEXT);
	test_sparse_append(&t, end - t.size);
	le32_store(t.bytes + test_sparse_entry(&t, 1), end / 512);
	put(&r, "spare.vmdk", &t);
	le32_store(t.bytes + spare_table(&t) + 4, end / 512);
	put(&r, "a.vmdk", &t);
	assert_int_equal(disk_open_in_place("a.vmdk", &r.files.files, &disk, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "behind its end"));
	after = content_of(&r, "a.vmdk", &size);
	assert_int_equal(size, end);
	assert_memory_equal(after, t.bytes, end);
	free(after);

	disk = open_disk(&r, "spare.vmdk"); /* which has none there */
	assert_int_equal(write_fill(disk, 2 * GRAIN_BYTES, 0x22, GRAIN_BYTES), 0);
	check_fill(disk, GRAIN_BYTES, 0, GRAIN_BYTES);
	assert_int_equal(write_fill(disk, GRAIN_BYTES, 0x33, GRAIN_BYTES), 0);
	check_fill(disk, 2 * GRAIN_BYTES, 0x22, GRAIN_BYTES);
	disk_close(disk);
	disk = open_disk(&r, "spare.vmdk");
	check_fill(disk, GRAIN_BYTES, 0x33, GRAIN_BYTES);
	check_fill(disk, 2 * GRAIN_BYTES, 0x22, GRAIN_BYTES);
	disk_close(disk);
	free(t.bytes);
	teardown(&r);
}

/* The entry for zeros is 1, which as a place would lie behind the end of a file without data. */
static void zeroed_grain_of_a_file_without_data_is_written(void **state)
{
	const uint32_t grain = 64u << 10;
	struct test_sparse t;
	struct disk *disk;
	struct rig r;

	(void)state;
	setup(&r);
	test_sparse_init(&t, SECTORS, grain / 512, TEST_VMDK_ZEROED);
	test_sparse_descriptor(&t, SPARSE_TEXT);
	le32_store(t.bytes + test_sparse_entry(&t, 0), 1);
	put(&r, "a.vmdk", &t);
	disk = open_disk(&r, "a.vmdk");
	check_fill(disk, 0, 0, grain);
	disk_close(disk);
	free(t.bytes);
	teardown(&r);
}

/* Its last writer crashed between the two copies. */
static void unclean_disk_has_like_tables_before_it_is_written(void **state)
{
	struct test_sparse t;
	struct disk *disk;
	uint8_t *after;
	struct rig r;
	size_t size;

	(void)state;
	setup(&r);
	make_sparse(&t, SPARSE_TEXT);
	t.bytes[72] = 1;
	le32_store(t.bytes + spare_table(&t) + 40, (uint32_t)(t.size / 512 - GRAIN));
	put(&r, "a.vmdk", &t);
	disk = open_disk(&r, "a.vmdk");
	assert_int_equal(write_fill(disk, 0, 0x44, GRAIN_BYTES), 0); /* no entry changes */
	disk_close(disk);
	after = content_of(&r, "a.vmdk", &size);
	assert_memory_equal(after + spare_table(&t), after + test_sparse_table(&t, 0), 2048);
	assert_int_equal(after[72], 0);
	free(after);
	free(t.bytes);
	teardown(&r);
}

static void disk_that_was_only_read_stays_unclean(void **state)
{
	struct test_sparse t;
	uint8_t *after;
	struct rig r;
	size_t size;

	(void)state;
	setup(&r);
	make_sparse(&t, SPARSE_TEXT);
	t.bytes[72] = 1;
	put(&r, "a.vmdk", &t);
	disk_close(open_disk(&r, "a.vmdk"));
	after = content_of(&r, "a.vmdk", &size);
	assert_memory_equal(after, t.bytes, size);
	free(after);
	free(t.bytes);
	teardown(&r);
}

/* ---- trouble of the host ---- */

struct trouble {
	bool sync_fails, table_fails;
};

static ssize_t trouble_pwrite(void *context, int fd, const void *data, size_t length, off_t offset)
{
	const struct trouble *t = context;

	if (!t->table_fails)
		return pwrite(fd, data, length, offset);
	errno = ENOSPC;
	return -1;
}

static int trouble_sync(void *context, int fd)
{
	const struct trouble *t = context;

	(void)fd;
	errno = EIO;
	return t->sync_fails ? -1 : 0;
}

static int trouble_truncate(void *context, int fd, off_t size)
{
	(void)context;
	return ftruncate(fd, size);
}

static int trouble_punch(void *context, int fd, off_t offset, off_t length)
{
	(void)context;
	(void)fd;
	(void)offset;
	(void)length;
	errno = EOPNOTSUPP;
	return -1;
}

static void full_host_disk_may_be_tried_again_and_a_failed_sync_not(void **state)
{
	struct trouble trouble = { 0 };
	const struct disk_io io = { trouble_pwrite, trouble_sync, trouble_truncate, trouble_punch, &trouble };
	struct test_sparse t;
	struct disk *disk;
	struct rig r;

	(void)state;
	setup(&r);
	make_sparse(&t, SPARSE_TEXT);
	put(&r, "a.vmdk", &t);
	disk = open_disk(&r, "a.vmdk");
	disk->writer->set_io(disk, &io);
	assert_int_equal(write_fill(disk, GRAIN_BYTES, 0x55, GRAIN_BYTES), 0);
	trouble.table_fails = true;
	assert_int_equal(disk->writer->flush(disk), -ENOSPC);
	assert_false(disk->writer->failed(disk));
	trouble.table_fails = false;
	assert_int_equal(disk->writer->flush(disk), 0);
	assert_int_equal(disk->writer->zero(disk, GRAIN_BYTES, GRAIN_BYTES), -EOPNOTSUPP); /* no holes on this host */
	check_fill(disk, GRAIN_BYTES, 0x55, GRAIN_BYTES);
	assert_int_equal(write_fill(disk, 2 * GRAIN_BYTES, 0x66, GRAIN_BYTES), 0);
	trouble.sync_fails = true;
	assert_int_equal(disk->writer->flush(disk), -EIO);
	trouble.sync_fails = false;
	assert_true(disk->writer->failed(disk));
	assert_int_equal(disk->writer->flush(disk), -EIO);
	assert_int_equal(write_fill(disk, 0, 1, GRAIN_BYTES), -EIO);
	disk_close(disk);
	disk = open_disk(&r, "a.vmdk");
	check_fill(disk, GRAIN_BYTES, 0x55, GRAIN_BYTES);
	check_fill(disk, 2 * GRAIN_BYTES, 0, GRAIN_BYTES);
	disk_close(disk);
	free(t.bytes);
	teardown(&r);
}

static void place_of_a_failed_write_is_used_again(void **state)
{
	struct disk_write first, second;
	struct test_sparse t;
	struct disk *disk;
	struct rig r;

	(void)state;
	setup(&r);
	make_sparse(&t, SPARSE_TEXT);
	put(&r, "a.vmdk", &t);
	disk = open_disk(&r, "a.vmdk");
	assert_int_equal(disk->writer->begin(disk, GRAIN_BYTES + 512, 512, &first), 0);
	assert_int_equal(first.head, 512);
	assert_int_equal(first.tail, GRAIN_BYTES - 1024);
	assert_true(first.fresh);
	disk->writer->end(disk, &first, -ENOSPC);
	check_fill(disk, GRAIN_BYTES, 0, GRAIN_BYTES);
	assert_int_equal(disk->writer->begin(disk, 5 * GRAIN_BYTES, GRAIN_BYTES, &second), 0);
	assert_int_equal(second.fd_offset, first.fd_offset - 512);
	assert_false(second.fresh); /* a part of it may have been written */
	disk->writer->end(disk, &second, -ENOSPC);
	disk_close(disk);
	free(t.bytes);
	teardown(&r);
}

/* Whoever made the file so large: no write makes it larger than its kind may be. */
static void piece_of_2_gb_does_not_grow_further(void **state)
{
	static const char text[] = HEADING "createType=\"twoGbMaxExtentSparse\"\nRW 1024 SPARSE \"a-s001.vmdk\"\n";
	struct disk_write w;
	struct test_sparse t;
	struct disk *disk;
	struct rig r;
	char path[128];

	(void)state;
	setup(&r);
	make_sparse(&t, SPARSE_TEXT);
	put(&r, "a-s001.vmdk", &t);
	snprintf(path, sizeof(path), "%s/a-s001.vmdk", r.dir.path);
	assert_int_equal(truncate(path, 2ll << 30), 0);
	test_dir_write(&r.dir, "a.vmdk", text, strlen(text));
	disk = open_disk(&r, "a.vmdk");
	assert_int_equal(disk->writer->begin(disk, GRAIN_BYTES, GRAIN_BYTES, &w), -EFBIG);
	assert_int_equal(write_fill(disk, 0, 7, GRAIN_BYTES), 0);
	disk_close(disk);
	free(t.bytes);
	teardown(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_write_changes_the_content_id_and_no_other_byte),
		cmocka_unit_test(embedded_content_id_changes_once_a_session),
		cmocka_unit_test(parents_are_only_read),
		cmocka_unit_test(disk_that_cannot_be_written_soundly_is_refused_untouched),
		cmocka_unit_test(descriptor_with_a_part_that_is_not_to_be_written_is_refused),
		cmocka_unit_test(other_formats_and_pieces_are_refused),
		cmocka_unit_test(image_is_raw_by_its_name_whatever_a_guest_wrote),
		cmocka_unit_test(grain_over_a_table_is_not_written),
		cmocka_unit_test(damaged_entry_is_taken_from_the_spare_table),
		cmocka_unit_test(entry_behind_the_end_is_no_place_for_a_new_grain),
		cmocka_unit_test(zeroed_grain_of_a_file_without_data_is_written),
		cmocka_unit_test(unclean_disk_has_like_tables_before_it_is_written),
		cmocka_unit_test(disk_that_was_only_read_stays_unclean),
		cmocka_unit_test(full_host_disk_may_be_tried_again_and_a_failed_sync_not),
		cmocka_unit_test(place_of_a_failed_write_is_used_again),
		cmocka_unit_test(piece_of_2_gb_does_not_grow_further),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
