/* SPDX-License-Identifier: MIT */
/* Packed appliances against the tools that pack them: gzip, xz, zip and 7z make the files, the plain file is the
 * judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libdeflate.h>

#include "test_keep.h"
#include "vmformat/appliance.h"
#include "vmformat/bytes.h"

#define MEBIBYTE (1u << 20)
#define DISK_SIZE (5u * MEBIBYTE + 100) /* several of gzip's units, and a part of a sector */

#define VMX_TEXT                                                                         \
	"config.version = \"8\"\nvirtualHW.version = \"10\"\ndisplayName = \"Packed\"\n" \
	"guestOS = \"other\"\nmemsize = \"64\"\nide0:0.present = \"TRUE\"\n"             \
	"ide0:0.fileName = \"disk.vmdk\"\n"
#define FLAT_DESCRIPTOR                                                        \
	"# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n" \
	"createType=\"monolithicFlat\"\nRW %u FLAT \"disk-flat.vmdk\" 0\n"

struct rig {
	struct test_dir dir;
	struct test_keep keep;
	struct files files;   /* of the folder, with the keep */
	const uint8_t *bytes; /* of disk.img */
	struct error e;
};

/* Like text, random, and holes: what makes deflate's blocks of all kinds. */
static int make_bytes(void **state)
{
	uint8_t *bytes = malloc(DISK_SIZE);
	uint32_t seed = 12345;

	for (uint32_t i = 0; i < DISK_SIZE; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = i >> 20 & 1   ? 0
		           : i >> 21 & 1 ? (uint8_t)(seed >> 24)
		                         : (uint8_t)("0123456789abcdef"[seed >> 28]);
	}
	bytes[510] = 0x55;
	bytes[511] = 0xaa;
	*state = bytes;
	return 0;
}

static int free_bytes(void **state)
{
	free(*state);
	return 0;
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	test_dir_init(&rig->dir);
	test_keep_init(&rig->keep);
	rig->files = rig->dir.files;
	rig->files.keep = &rig->keep.keep;
	rig->bytes = *state;
	test_dir_write(&rig->dir, "disk.img", rig->bytes, DISK_SIZE);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	test_keep_free(&rig->keep);
	test_dir_free(&rig->dir);
	*state = NULL;
	free(rig);
	return 0;
}

/* In the folder. Skips the test when the tool is missing. */
static void run(struct rig *rig, const char *tool, const char *arguments)
{
	char command[512];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", tool);
	if (system(command) != 0) {
		printf("SKIPPED: %s is not installed\n", tool);
		skip();
	}
	snprintf(command, sizeof(command), "cd %s && { %s %s; } >/dev/null 2>&1", rig->dir.path, tool, arguments);
	assert_int_equal(system(command), 0);
}

static struct appliance *open_packed(struct rig *rig, const char *name)
{
	struct file source = test_dir_open(&rig->dir, name);
	struct appliance *a = NULL;
	int r;

	error_clear(&rig->e);
	r = appliance_open(&source, &rig->files, &a, &rig->e);
	if (r < 0)
		print_message("%s\n", rig->e.text);
	assert_int_equal(r, 0);
	assert_int_equal(source.fd, -1);
	return a;
}

/* The words are in rig->e. */
static int refuse_packed(struct rig *rig, const char *name)
{
	struct file source = test_dir_open(&rig->dir, name);
	struct appliance *a = NULL;
	int r;

	error_clear(&rig->e);
	r = appliance_open(&source, &rig->files, &a, &rig->e);
	assert_true(r < 0);
	assert_int_equal(rig->e.code, r);
	file_close(&source);
	return r;
}

static void assert_same_bytes(struct rig *rig, struct disk *disk)
{
	uint8_t *found = malloc(MEBIBYTE);
	uint32_t seed = 7;

	assert_int_equal(disk->capacity, (DISK_SIZE + 511) / 512 * 512);
	for (unsigned i = 0; i < 30; i++) {
		uint32_t offset, length;

		seed = seed * 1664525 + 1013904223;
		offset = (uint32_t)((uint64_t)seed * DISK_SIZE >> 32);
		length = MIN(i % 10 == 0 ? MEBIBYTE : seed % 70000 + 1, DISK_SIZE - offset);
		assert_int_equal(disk_read(disk, offset, found, length), 0);
		assert_memory_equal(found, rig->bytes + offset, length);
	}
	assert_int_equal(disk_read(disk, DISK_SIZE - 600, found, 600), 0);
	assert_memory_equal(found, rig->bytes + DISK_SIZE - 600, 600);
	free(found);
}

static void assert_plays_disk(struct rig *rig, struct appliance *a, const char *format)
{
	const struct appliance_drive *drive = appliance_find_drive(a, "ide0:0");
	struct disk *disk;
	int r;

	assert_non_null(drive);
	r = appliance_open_disk(a, drive, &disk, &rig->e);
	if (r < 0)
		print_message("%s\n", rig->e.text);
	assert_int_equal(r, 0);
	assert_string_equal(disk->format->name, format);
	assert_same_bytes(rig, disk);
	disk_close(disk);
}

/* Twice: what the first time makes serves the second. Returns what progress() was called the second time. */
static unsigned play_twice(struct rig *rig, const char *name, const char *format)
{
	for (unsigned i = 0; i < 2; i++) {
		struct appliance *a;
		char fingerprint[33];

		test_keep_again(&rig->keep);
		a = open_packed(rig, name);
		assert_plays_disk(rig, a, format);
		assert_int_equal(appliance_fingerprint(a, fingerprint, &rig->e), 0);
		if (*rig->keep.fingerprint)
			assert_string_equal(fingerprint, rig->keep.fingerprint);
		appliance_free(a);
	}
	return rig->keep.told;
}

/* ---- xz ---- */

static void xz_in_blocks_is_read_in_place(void **state)
{
	struct rig *rig = *state;

	run(rig, "xz", "-k -1 --block-size=1MiB disk.img");
	assert_int_equal(play_twice(rig, "disk.img.xz", "xz"), 0);
	assert_int_equal(rig->keep.opened, 0); /* nothing is kept */
}

static void xz_with_every_check_and_several_streams_is_read_in_place(void **state)
{
	struct rig *rig = *state;

	run(rig, "head", "-c 2000000 disk.img > part1");
	run(rig, "tail", "-c +2000001 disk.img > part2");
	run(rig, "xz", "-1 --check=crc32 --block-size=700KiB part1");
	run(rig, "xz", "-9 --x86 --lzma2=preset=1,dict=64MiB --check=sha256 --block-size=3MiB part2");
	run(rig, "cat", "part1.xz part2.xz > disk.img.xz");
	assert_int_equal(play_twice(rig, "disk.img.xz", "xz"), 0);
}

static void xz_with_one_large_block_is_unpacked_once(void **state)
{
	struct rig *rig = *state;

	run(rig, "truncate", "-s 40M disk.img");
	run(rig, "xz", "-k -1 -T1 disk.img");
	for (unsigned i = 0; i < 2; i++) {
		struct appliance *a;
		struct disk *disk;
		uint8_t found[4096];

		test_keep_again(&rig->keep);
		a = open_packed(rig, "disk.img.xz");
		assert_true(i ? !rig->keep.told : rig->keep.told > 0);
		assert_int_equal(appliance_open_disk(a, appliance_find_drive(a, "ide0:0"), &disk, &rig->e), 0);
		assert_string_equal(disk->format->name, "raw");
		assert_int_equal(disk->capacity, 40 * MEBIBYTE);
		assert_int_equal(disk_read(disk, 4096 * 5, found, sizeof(found)), 0);
		assert_memory_equal(found, rig->bytes + 4096 * 5, sizeof(found));
		assert_string_equal(a->name, "disk");
		disk_close(disk);
		appliance_free(a);
	}
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-0"), 40 * MEBIBYTE);
}

/* A dictionary is memory; `xz -9` has 64 MiB. The .xz file format 1.1.0, sections 3.1 and 5.3.1. */
static void xz_that_wants_gigabytes_of_memory_is_refused_in_words(void **state)
{
	struct rig *rig = *state;
	uint8_t header[1024 + 4];
	uint32_t length;
	int fd;

	run(rig, "xz", "-k -1 -T1 disk.img");
	fd = openat(rig->dir.fd, "disk.img.xz", O_RDWR | O_CLOEXEC);
	assert_true(pread(fd, header, sizeof(header), 12) > 64);
	length = header[0] * 4u;
	assert_int_equal(le32_load(header + 1), 0x012100 | 16u << 24); /* no sizes, then LZMA2 alone, 1 MiB: 16 */
	header[4] = 40;                                                /* 4 GiB */
	le32_store(header + length, libdeflate_crc32(0, header, length));
	assert_int_equal(pwrite(fd, header, length + 4, 12), length + 4);
	close(fd);
	assert_int_equal(refuse_packed(rig, "disk.img.xz"), -EFBIG);
	assert_non_null(strstr(rig->e.text, "of memory are needed"));
}

static void xz_that_was_cut_is_told_as_such(void **state)
{
	struct rig *rig = *state;

	run(rig, "xz", "-k -1 --block-size=1MiB disk.img");
	run(rig, "truncate", "-s 1000001 disk.img.xz");
	assert_int_equal(refuse_packed(rig, "disk.img.xz"), -ENODATA);
	assert_non_null(strstr(rig->e.text, "the download was probably interrupted"));
}

static void xz_damaged_block_is_an_error_and_the_others_are_read(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;
	struct disk *disk;
	uint8_t found[512];

	run(rig, "xz", "-k -1 --block-size=1MiB disk.img");
	run(rig, "dd", "if=/dev/zero of=disk.img.xz bs=1 seek=900000 count=64 conv=notrunc");
	a = open_packed(rig, "disk.img.xz");
	assert_int_equal(appliance_open_disk(a, appliance_find_drive(a, "ide0:0"), &disk, &rig->e), 0);
	assert_int_equal(disk_read(disk, 0, found, sizeof(found)), 0);
	assert_memory_equal(found, rig->bytes, sizeof(found));
	{
		unsigned bad = 0;

		for (uint64_t at = 0; at < disk->capacity; at += MEBIBYTE)
			bad += disk_read(disk, at, found, sizeof(found)) == -EIO;
		assert_int_equal(bad, 1);
	}
	disk_close(disk);
	appliance_free(a);
}

/* ---- gzip ---- */

static void gzip_is_indexed_once_and_read_in_place(void **state)
{
	struct rig *rig = *state;

	run(rig, "gzip", "-k -6 disk.img");
	assert_int_equal(play_twice(rig, "disk.img.gz", "gz"), 0);
	assert_int_equal(rig->keep.opened, 1);
	assert_true(test_keep_size(&rig->keep, KEEP_RECORD) < MEBIBYTE);
	assert_string_equal(rig->keep.title, "disk");
}

/* In memory, where a disc is put into a drive: a small file may have a large one. What is too large is unpacked. */
static void gzip_index_has_no_more_room_than_it_is_given(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;

	run(rig, "gzip", "-k -1 disk.img");
	rig->keep.keep.room = 8192;
	a = open_packed(rig, "disk.img.gz");
	assert_plays_disk(rig, a, "raw");
	appliance_free(a);
	assert_true(test_keep_size(&rig->keep, KEEP_RECORD) < 8192);
}

static void gzip_of_several_members_is_one_disk(void **state)
{
	struct rig *rig = *state;

	run(rig, "split", "-b 100000 disk.img piece-");
	run(rig, "gzip", "-1 piece-*");
	run(rig, "cat", "piece-*.gz > disk.img.gz; head -c 1000 /dev/zero >> disk.img.gz");
	assert_int_equal(play_twice(rig, "disk.img.gz", "gz"), 0);
}

static void gzip_of_large_members_is_entered_in_their_middle(void **state)
{
	struct rig *rig = *state;

	run(rig, "split", "-b 2500001 disk.img piece-");
	run(rig, "gzip", "-9 piece-*");
	run(rig, "cat", "piece-*.gz > disk.img.gz");
	assert_int_equal(play_twice(rig, "disk.img.gz", "gz"), 0);
}

static void gzip_index_is_made_anew_when_the_file_changes(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;

	run(rig, "gzip", "-k -1 disk.img");
	a = open_packed(rig, "disk.img.gz");
	appliance_free(a);
	run(rig, "touch", "-d 2020-01-01 disk.img.gz");
	test_keep_again(&rig->keep);
	a = open_packed(rig, "disk.img.gz");
	assert_true(rig->keep.told > 0);
	assert_plays_disk(rig, a, "gz");
	appliance_free(a);
}

static void gzip_index_that_was_not_finished_is_made_anew(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;

	run(rig, "gzip", "-k -1 disk.img");
	rig->keep.cancel_after = 3;
	assert_int_equal(refuse_packed(rig, "disk.img.gz"), -ECANCELED);
	assert_int_equal(test_keep_size(&rig->keep, KEEP_RECORD), 0);
	rig->keep.cancel_after = 0;
	test_keep_again(&rig->keep);
	a = open_packed(rig, "disk.img.gz");
	assert_plays_disk(rig, a, "gz");
	appliance_free(a);
}

static void gzip_damaged_index_is_made_anew(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;

	run(rig, "gzip", "-k -1 disk.img");
	for (unsigned at = 0; at < 80; at += 7) {
		uint8_t byte;
		int fd;

		test_keep_again(&rig->keep);
		a = open_packed(rig, "disk.img.gz");
		assert_true(rig->keep.told > 0);
		appliance_free(a);
		fd = test_keep_fd(&rig->keep, KEEP_RECORD);
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
	}
}

static void gzip_that_another_window_is_indexing_is_busy(void **state)
{
	struct rig *rig = *state;

	run(rig, "gzip", "-k -1 disk.img");
	rig->keep.read_only = true;
	assert_int_equal(refuse_packed(rig, "disk.img.gz"), -EBUSY);
	assert_non_null(strstr(rig->e.text, "another window"));
}

static void gzip_that_was_cut_is_told_as_such(void **state)
{
	struct rig *rig = *state;

	run(rig, "gzip", "-k -1 disk.img");
	run(rig, "truncate", "-s 1000001 disk.img.gz");
	assert_int_equal(refuse_packed(rig, "disk.img.gz"), -ENODATA);
	assert_non_null(strstr(rig->e.text, "the download was probably interrupted"));
}

static void gzip_with_wrong_checksum_is_refused(void **state)
{
	struct rig *rig = *state;

	run(rig, "gzip", "-k -1 disk.img");
	run(rig, "dd", "if=/dev/zero of=disk.img.gz bs=1 seek=900000 count=64 conv=notrunc");
	assert_int_equal(refuse_packed(rig, "disk.img.gz"), -EIO);
	assert_non_null(strstr(rig->e.text, "is damaged"));
}

static void gzip_that_was_unpacked_on_its_way_plays(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;

	run(rig, "cp", "disk.img disk.img.gz"); /* a browser that leaves the name */
	a = open_packed(rig, "disk.img.gz");
	assert_plays_disk(rig, a, "raw");
	appliance_free(a);
}

static void gzip_is_refused_where_nothing_can_be_kept(void **state)
{
	struct rig *rig = *state;

	run(rig, "gzip", "-k -1 disk.img");
	rig->files.keep = NULL;
	assert_int_equal(refuse_packed(rig, "disk.img.gz"), -ENOTSUP);
	assert_non_null(strstr(rig->e.text, "Unpack it first"));
}

static void packed_vmdk_is_unpacked_once(void **state)
{
	static const char *const packers[][2] = { { "gzip", "disk.vmdk.gz" }, { "xz", "disk.vmdk.xz" } };
	struct rig *rig = *state;

	run(rig, "qemu-img", "convert -O vmdk disk.img disk.vmdk");
	for (unsigned i = 0; i < 2; i++) {
		run(rig, packers[i][0], "-k -1 disk.vmdk");
		assert_int_equal(play_twice(rig, packers[i][1], "vmdk"), 0);
	}
}

static void packed_disk_with_a_signature_at_its_end_is_not_taken_for_raw(void **state)
{
	static const char *const packers[][2] = { { "gzip", "fixed.vhd.gz" }, { "xz", "fixed.vhd.xz" } };
	struct rig *rig = *state;
	uint8_t footer[512] = "conectix";

	run(rig, "cp", "disk.img fixed.vhd");
	run(rig, "truncate", "-s %512 fixed.vhd");
	test_dir_write(&rig->dir, "footer", footer, sizeof(footer));
	run(rig, "cat", "footer >> fixed.vhd");
	for (unsigned i = 0; i < 2; i++) {
		struct file source;
		struct appliance *a = NULL;

		run(rig, packers[i][0], i ? "-k -1 --block-size=1MiB fixed.vhd" : "-k -1 fixed.vhd");
		test_keep_again(&rig->keep);
		source = test_dir_open(&rig->dir, packers[i][1]);
		if (appliance_open(&source, &rig->files, &a, &rig->e) == 0)
			appliance_free(a);
		else
			file_close(&source);
		assert_int_equal(test_keep_size(&rig->keep, "unpacked-0") / 512, (DISK_SIZE + 511) / 512 + 1);
	}
}

static void packed_tar_is_opened_as_a_package(void **state)
{
	struct rig *rig = *state;

	run(rig, "tar", "-cf a.ova disk.img");
	run(rig, "gzip", "-1 a.ova");
	refuse_packed(rig, "a.ova.gz");
	assert_non_null(strstr(rig->e.text, "a.ova is a tar without an .ovf"));
}

static void packed_iso_is_a_disc(void **state)
{
	uint8_t iso[2048 * 20] = { 0 };
	struct rig *rig = *state;
	struct appliance *a;

	memcpy(iso + 16 * 2048, "\1CD001\1", 7);
	memcpy(iso + 17 * 2048, "\377CD001\1", 7);
	test_dir_write(&rig->dir, "a.iso", iso, sizeof(iso));
	run(rig, "xz", "-k a.iso");
	run(rig, "gzip", "-k a.iso");
	for (unsigned i = 0; i < 2; i++) {
		struct disk *disk;

		test_keep_again(&rig->keep);
		a = open_packed(rig, i ? "a.iso.gz" : "a.iso.xz");
		assert_int_equal(appliance_open_disk(a, appliance_find_drive(a, "ide1:0"), &disk, &rig->e), 0);
		assert_true(disk->is_cdrom);
		assert_int_equal(disk->capacity, sizeof(iso));
		disk_close(disk);
		appliance_free(a);
		test_keep_free(&rig->keep);
		test_keep_init(&rig->keep);
	}
}

static void packed_twice_is_refused(void **state)
{
	static const char *const names[] = { "disk.img.gz.gz", "disk.img.gz.xz", "twice.zip", "twice.7z",
		                             "deflated.zip" };
	struct rig *rig = *state;

	run(rig, "gzip", "-k -1 disk.img");
	run(rig, "gzip", "-c disk.img.gz > disk.img.gz.gz");
	run(rig, "xz", "-k -0 disk.img.gz");
	run(rig, "zip", "-0 twice.zip disk.img.gz");
	run(rig, "7z", "a -mx=1 twice.7z disk.img.gz");
	run(rig, "zip", "-1 inner.zip disk.img");
	run(rig, "zip", "-1 deflated.zip inner.zip");
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		test_keep_again(&rig->keep);
		assert_int_equal(refuse_packed(rig, names[i]), -ENOTSUP);
		assert_non_null(strstr(rig->e.text, "packed once more"));
	}
}

/* ---- zip ---- */

static void write_machine(struct rig *rig)
{
	char text[512];

	run(rig, "mkdir", "-p vm");
	snprintf(text, sizeof(text), FLAT_DESCRIPTOR, (DISK_SIZE + 511) / 512);
	test_dir_write(&rig->dir, "vm/disk.vmdk", text, strlen(text));
	test_dir_write(&rig->dir, "vm/machine.vmx", VMX_TEXT, strlen(VMX_TEXT));
	run(rig, "cp", "disk.img vm/disk-flat.vmdk");
	run(rig, "truncate", "-s %512 vm/disk-flat.vmdk");
}

static void zip_stored_members_are_played_where_they_lie(void **state)
{
	struct rig *rig = *state;

	write_machine(rig);
	run(rig, "zip", "-0 -r a.zip vm");
	assert_int_equal(play_twice(rig, "a.zip", "vmdk"), 0);
	assert_int_equal(rig->keep.opened, 0); /* nothing is kept */
}

static void zip_deflated_members_are_unpacked_once(void **state)
{
	struct rig *rig = *state;

	write_machine(rig);
	run(rig, "zip", "-6 -r a.zip vm");
	assert_int_equal(play_twice(rig, "a.zip", "vmdk"), 0);
	assert_string_equal(rig->keep.title, "a");
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-2") != 0, true); /* text, descriptor, disk */
}

static void zip_may_have_both_kinds(void **state)
{
	struct rig *rig = *state;

	write_machine(rig);
	run(rig, "zip", "-6 -n -flat.vmdk -r a.zip vm");
	assert_int_equal(play_twice(rig, "a.zip", "vmdk"), 0);
	for (unsigned i = 0; i < 3; i++) {
		char name[32];

		snprintf(name, sizeof(name), KEEP_UNPACKED "%u", i);
		assert_true(test_keep_size(&rig->keep, name) < MEBIBYTE);
	}
}

static void zip_in_the_zip64_form_is_read(void **state)
{
	struct rig *rig = *state;

	run(rig, "zip", "-0 -fz a.zip disk.img");
	assert_int_equal(play_twice(rig, "a.zip", "raw"), 0);
	test_keep_again(&rig->keep);
	run(rig, "zip", "-6 - - < disk.img > stream.zip"); /* its sizes lie behind the data */
	assert_int_equal(play_twice(rig, "stream.zip", "raw"), 0);
}

static void zip_of_one_disk_is_that_disk(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;

	test_dir_write(&rig->dir, "README.txt", "Have fun", 8);
	run(rig, "zip", "-0 a.zip disk.img README.txt");
	a = open_packed(rig, "a.zip");
	assert_string_equal(a->name, "disk");
	assert_plays_disk(rig, a, "raw");
	appliance_free(a);
}

static void zip_of_several_disks_lists_them(void **state)
{
	struct rig *rig = *state;

	run(rig, "cp", "disk.img second.img");
	run(rig, "zip", "-0 a.zip disk.img second.img");
	assert_int_equal(refuse_packed(rig, "a.zip"), -EINVAL);
	assert_non_null(strstr(rig->e.text, "more than one disk"));
	assert_non_null(strstr(rig->e.text, "disk.img, second.img"));
}

static void zip_of_several_machines_lists_them(void **state)
{
	struct rig *rig = *state;

	test_dir_write(&rig->dir, "a.vmx", VMX_TEXT, strlen(VMX_TEXT));
	test_dir_write(&rig->dir, "b.vmx", VMX_TEXT, strlen(VMX_TEXT));
	run(rig, "zip", "-0 a.zip a.vmx b.vmx disk.img");
	assert_int_equal(refuse_packed(rig, "a.zip"), -EINVAL);
	assert_non_null(strstr(rig->e.text, "more than one machine: a.vmx, b.vmx"));
}

static void zip_that_is_encrypted_is_refused_in_words(void **state)
{
	struct rig *rig = *state;

	run(rig, "zip", "-0 -P secret a.zip disk.img");
	assert_int_equal(refuse_packed(rig, "a.zip"), -ENOTSUP);
	assert_non_null(strstr(rig->e.text, "is encrypted"));
}

static void zip_of_several_volumes_is_refused_in_words(void **state)
{
	struct rig *rig = *state;

	run(rig, "zip", "-0 -s 1m a.zip disk.img");
	assert_int_equal(refuse_packed(rig, "a.z01"), -ENOTSUP);
	assert_non_null(strstr(rig->e.text, "several volumes"));
	assert_int_equal(refuse_packed(rig, "a.zip"), -EINVAL); /* the last one, which begins anyhow */
	assert_non_null(strstr(rig->e.text, "several volumes"));
}

static void zip_symbolic_link_is_left_out_with_a_remark(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;
	bool remarked = false;

	run(rig, "ln", "-s /etc/passwd link.vmdk");
	run(rig, "zip", "-0 -y a.zip disk.img link.vmdk");
	a = open_packed(rig, "a.zip");
	for (unsigned i = 0; i < a->remark_count; i++)
		remarked |= !strcmp(a->remarks[i].subject, "link.vmdk");
	assert_true(remarked);
	assert_plays_disk(rig, a, "raw");
	appliance_free(a);
}

static void zip_cancelled_unpacking_gives_its_room_back(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;

	run(rig, "zip", "-6 a.zip disk.img");
	rig->keep.cancel_after = 5;
	assert_int_equal(refuse_packed(rig, "a.zip"), -ECANCELED);
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-0"), 0);
	assert_int_equal(test_keep_size(&rig->keep, KEEP_RECORD), 0);
	rig->keep.cancel_after = 0;
	test_keep_again(&rig->keep);
	a = open_packed(rig, "a.zip");
	assert_plays_disk(rig, a, "raw");
	appliance_free(a);
}

static void unpacked_zeros_are_holes(void **state)
{
	struct rig *rig = *state;
	struct stat st;

	run(rig, "zip", "-6 a.zip disk.img");
	appliance_free(open_packed(rig, "a.zip"));
	assert_int_equal(fstatat(rig->keep.dir.fd, "unpacked-0", &st, 0), 0);
	assert_int_equal(st.st_size, DISK_SIZE);
	assert_true((uint64_t)st.st_blocks * 512 < DISK_SIZE * 7ull / 10); /* two fifths of it are zeros */
}

static void unpacked_file_that_was_cut_is_unpacked_anew(void **state)
{
	struct rig *rig = *state;
	struct appliance *a;
	int fd;

	run(rig, "zip", "-6 a.zip disk.img");
	appliance_free(open_packed(rig, "a.zip"));
	fd = test_keep_fd(&rig->keep, "unpacked-0");
	assert_int_equal(ftruncate(fd, 5000), 0);
	close(fd);
	test_keep_again(&rig->keep);
	a = open_packed(rig, "a.zip");
	assert_true(rig->keep.told > 0);
	assert_plays_disk(rig, a, "raw");
	appliance_free(a);
}

/* ---- 7z ---- */

static void sevenzip_is_unpacked_once(void **state)
{
	struct rig *rig = *state;

	write_machine(rig);
	run(rig, "7z", "a -mx=1 a.7z vm");
	assert_int_equal(play_twice(rig, "a.7z", "vmdk"), 0);
}

static void sevenzip_names_may_be_any_unicode(void **state)
{
	struct rig *rig = *state;

	run(rig, "cp", "disk.img 'Gerät 日本.img'");
	run(rig, "7z", "a -mx=1 a.7z 'Gerät 日本.img'");
	for (unsigned i = 0; i < 2; i++) {
		struct appliance *a;

		test_keep_again(&rig->keep);
		a = open_packed(rig, "a.7z");
		assert_string_equal(a->name, "Gerät 日本");
		assert_plays_disk(rig, a, "raw");
		appliance_free(a);
	}
}

static void sevenzip_that_is_encrypted_is_refused_in_words(void **state)
{
	struct rig *rig = *state;

	run(rig, "7z", "a -mx=1 -psecret a.7z disk.img");
	run(rig, "7z", "a -mx=1 -psecret -mhe=on b.7z disk.img");
	assert_int_equal(refuse_packed(rig, "a.7z"), -ENOTSUP);
	assert_non_null(strstr(rig->e.text, "is encrypted"));
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-0"), 0);
	test_keep_again(&rig->keep);
	rig->keep.fingerprint[0] = '\0';
	assert_int_equal(refuse_packed(rig, "b.7z"), -ENOTSUP);
	assert_non_null(strstr(rig->e.text, "is encrypted"));
}

static void sevenzip_of_several_volumes_is_refused_in_words(void **state)
{
	struct rig *rig = *state;

	run(rig, "7z", "a -mx=0 -v1m a.7z disk.img");
	assert_int_equal(refuse_packed(rig, "a.7z.001"), -ENOTSUP);
	assert_non_null(strstr(rig->e.text, "several volumes"));
	assert_int_equal(refuse_packed(rig, "a.7z.002"), -EINVAL);
	assert_non_null(strstr(rig->e.text, "several volumes"));
}

static void sevenzip_that_was_cut_is_refused_and_gives_its_room_back(void **state)
{
	struct rig *rig = *state;

	run(rig, "7z", "a -mx=1 a.7z disk.img");
	run(rig, "truncate", "-s 1000000 a.7z");
	refuse_packed(rig, "a.7z");
	assert_int_equal(test_keep_size(&rig->keep, "unpacked-0"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(xz_in_blocks_is_read_in_place),
		TEST(xz_with_every_check_and_several_streams_is_read_in_place),
		TEST(xz_with_one_large_block_is_unpacked_once),
		TEST(xz_that_wants_gigabytes_of_memory_is_refused_in_words),
		TEST(xz_that_was_cut_is_told_as_such),
		TEST(xz_damaged_block_is_an_error_and_the_others_are_read),
		TEST(gzip_is_indexed_once_and_read_in_place),
		TEST(gzip_index_has_no_more_room_than_it_is_given),
		TEST(gzip_of_several_members_is_one_disk),
		TEST(gzip_of_large_members_is_entered_in_their_middle),
		TEST(gzip_index_is_made_anew_when_the_file_changes),
		TEST(gzip_index_that_was_not_finished_is_made_anew),
		TEST(gzip_damaged_index_is_made_anew),
		TEST(gzip_that_another_window_is_indexing_is_busy),
		TEST(gzip_that_was_cut_is_told_as_such),
		TEST(gzip_with_wrong_checksum_is_refused),
		TEST(gzip_that_was_unpacked_on_its_way_plays),
		TEST(gzip_is_refused_where_nothing_can_be_kept),
		TEST(packed_vmdk_is_unpacked_once),
		TEST(packed_disk_with_a_signature_at_its_end_is_not_taken_for_raw),
		TEST(packed_tar_is_opened_as_a_package),
		TEST(packed_iso_is_a_disc),
		TEST(packed_twice_is_refused),
		TEST(zip_stored_members_are_played_where_they_lie),
		TEST(zip_deflated_members_are_unpacked_once),
		TEST(zip_may_have_both_kinds),
		TEST(zip_in_the_zip64_form_is_read),
		TEST(zip_of_one_disk_is_that_disk),
		TEST(zip_of_several_disks_lists_them),
		TEST(zip_of_several_machines_lists_them),
		TEST(zip_that_is_encrypted_is_refused_in_words),
		TEST(zip_of_several_volumes_is_refused_in_words),
		TEST(zip_symbolic_link_is_left_out_with_a_remark),
		TEST(zip_cancelled_unpacking_gives_its_room_back),
		TEST(unpacked_zeros_are_holes),
		TEST(unpacked_file_that_was_cut_is_unpacked_anew),
		TEST(sevenzip_is_unpacked_once),
		TEST(sevenzip_names_may_be_any_unicode),
		TEST(sevenzip_that_is_encrypted_is_refused_in_words),
		TEST(sevenzip_of_several_volumes_is_refused_in_words),
		TEST(sevenzip_that_was_cut_is_refused_and_gives_its_room_back),
	};

	return cmocka_run_group_tests(tests, make_bytes, free_bytes);
}
