/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forbid_opening.h"
#include "same_appliance.h"
#include "test_files.h"
#include "test_qcow2.h"
#include "test_vdi.h"
#include "test_vhd.h"
#include "test_vhdx.h"
#include "test_vmdk.h"
#include "vmformat/appliance.h"
#include "vmformat/bytes.h"
#include "vmformat/vmx.h"

#define MEBIBYTE (1u << 20)

/* ---- a folder in memory ---- */

static int set_up(void **state)
{
	struct test_memory *memory = malloc(sizeof(*memory));

	test_memory_init(memory);
	*state = memory;
	return 0;
}

static int tear_down(void **state)
{
	test_memory_free(*state);
	free(*state);
	return 0;
}

/* An empty disk of `size` bytes with one byte at `offset` that tells it from others. */
static void write_disk(struct test_memory *memory, const char *name, uint64_t size, uint64_t offset, uint8_t mark)
{
	test_memory_resize(memory, name, size);
	assert_int_equal(pwrite(test_memory_fd(memory, name), &mark, 1, (off_t)offset), 1);
}

/* An ISO 9660 image of 64 sectors: a primary volume descriptor and the set's end (ECMA-119, 8.4 and 8.3). */
static void write_iso(struct test_memory *memory, const char *name, const char *label)
{
	uint8_t *image = calloc(64, 2048), *primary = image + 16 * 2048, *end = image + 17 * 2048;

	memcpy(primary, "\1CD001\1", 7);
	memset(primary + 8, ' ', 64);
	memcpy(primary + 40, label, strlen(label));
	le32_store(primary + 80, 64);
	be32_store(primary + 84, 64);
	le16_store(primary + 120, 1);
	be16_store(primary + 122, 1);
	le16_store(primary + 124, 1);
	be16_store(primary + 126, 1);
	le16_store(primary + 128, 2048);
	be16_store(primary + 130, 2048);
	primary[881] = 1;
	memcpy(end,
	       "\xff"
	       "CD001\1",
	       7);
	test_memory_write(memory, name, image, 64 * 2048);
	free(image);
}

static struct appliance *open_ok(struct test_memory *memory, const char *name)
{
	struct file file = test_memory_open(memory, name);
	struct appliance *a = NULL;
	struct error e = { 0 };

	if (appliance_open(&file, &memory->files, &a, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(file.fd, -1); /* taken over */
	return a;
}

static void assert_open_fails(struct test_memory *memory, const char *name, int code, const char *words)
{
	struct file file = test_memory_open(memory, name);
	struct appliance *a = NULL;
	struct error e = { 0 };

	assert_int_equal(appliance_open(&file, &memory->files, &a, &e), code);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" does not say \"%s\"", e.text, words);
	assert_true(file.fd >= 0); /* still the caller's */
	file_close(&file);
}

static struct appliance *open_text(struct test_memory *memory, const char *name, const char *text)
{
	test_memory_resize(memory, name, 0);
	test_memory_write(memory, name, text, strlen(text));
	return open_ok(memory, name);
}

static const struct appliance_drive *drive(const struct appliance *a, const char *name)
{
	const struct appliance_drive *found = appliance_find_drive(a, name);

	if (!found)
		fail_msg("there is no %s", name);
	return found;
}

static struct disk *open_disk(const struct appliance *a, const char *name)
{
	struct disk *disk = NULL;
	struct error e = { 0 };

	if (appliance_open_disk(a, drive(a, name), &disk, &e) < 0)
		fail_msg("%s", e.text);
	return disk;
}

static uint8_t first_byte(const struct appliance *a, const char *name)
{
	struct disk *disk = open_disk(a, name);
	uint8_t byte;

	assert_int_equal(disk_read(disk, 0, &byte, 1), 0);
	disk_close(disk);
	return byte;
}

static char *to_vmx(const struct appliance *a)
{
	struct error e = { 0 };
	char *text = NULL;

	if (appliance_to_vmx(a, &text, &e) < 0)
		fail_msg("%s", e.text);
	return text;
}

static void apply(struct appliance *a, const char *text)
{
	struct error e = { 0 };

	if (appliance_apply_vmx(a, text, strlen(text), "edited.vmx", &e) < 0)
		fail_msg("%s", e.text);
}

static void fingerprint(struct test_memory *memory, const char *name, char ret_hex[33])
{
	struct appliance *a = open_ok(memory, name);
	struct error e = { 0 };

	if (appliance_fingerprint(a, ret_hex, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(strspn(ret_hex, "0123456789abcdef"), 32);
	appliance_free(a);
}

/* ---- opening ---- */

static void bare_disk_becomes_a_machine(void **state)
{
	struct test_memory *memory = *state;
	struct appliance *a;

	write_disk(memory, "my disk.img", 2 * MEBIBYTE, 0, 0x5a);
	a = open_ok(memory, "my disk.img");
	assert_string_equal(a->name, "my disk");
	assert_int_equal(a->origin, ORIGIN_OTHER);
	assert_int_equal(a->memory, 1024ull * MEBIBYTE);
	assert_int_equal(a->cpus, 1);
	assert_int_equal(a->drive_count, 2);
	assert_int_equal(drive(a, "ide0:0")->kind, DRIVE_DISK);
	assert_int_equal(drive(a, "ide0:0")->capacity, 2 * MEBIBYTE);
	assert_int_equal(drive(a, "ide1:0")->kind, DRIVE_CDROM);
	assert_int_equal(drive(a, "ide1:0")->backing, BACKING_NONE);
	assert_int_equal(first_byte(a, "ide0:0"), 0x5a);
	assert_int_equal(a->controller_count, 2);
	assert_null(appliance_manifest(a));
	appliance_free(a);
}

static void bare_qcow2_becomes_a_machine_with_what_lies_below_it(void **state)
{
	struct test_memory *memory = *state;
	struct test_qcow2 t;
	struct appliance *a;

	write_disk(memory, "base.img", MEBIBYTE, 0, 0x5b);
	test_qcow2_init(&t, 3, 16, 2 * MEBIBYTE, 0);
	test_qcow2_backing(&t, "base.img", "raw");
	test_memory_write(memory, "debian 12.qcow2", t.bytes, t.size);
	test_qcow2_free(&t);
	a = open_ok(memory, "debian 12.qcow2");
	assert_string_equal(a->name, "debian 12");
	assert_int_equal(drive(a, "ide0:0")->capacity, 2 * MEBIBYTE);
	assert_int_equal(first_byte(a, "ide0:0"), 0x5b);
	appliance_free(a);
}

/* As VMware leaves a machine with two snapshots, in a folder of its own below the .vmx. */
static void vmx_with_snapshots_plays_its_present_state(void **state)
{
	static const char vmx[] = "config.version = \"8\"\nide0:0.present = \"TRUE\"\n"
				  "ide0:0.fileName = \"disks/d-000002.vmdk\"\n";
	static const char base[] = "# Disk DescriptorFile\nCID=00000001\nparentCID=ffffffff\n"
				   "createType=\"monolithicFlat\"\nRW 2048 FLAT \"d-flat.vmdk\" 0\n";
	struct test_memory *memory = *state;
	struct appliance *a;

	write_disk(memory, "disks/d-flat.vmdk", MEBIBYTE, 0, 0x5c);
	test_memory_write(memory, "disks/d.vmdk", base, sizeof(base) - 1);
	for (unsigned i = 1; i <= 2; i++) {
		char name[32], text[200], parent[32] = "d.vmdk";
		struct test_sparse t;

		if (i == 2)
			strcpy(parent, "d-000001.vmdk");
		snprintf(name, sizeof(name), "disks/d-%06u.vmdk", i);
		snprintf(text, sizeof(text),
		         "# Disk DescriptorFile\nCID=%08x\nparentCID=%08x\nparentFileNameHint=\"%s\"\n"
		         "RW 2048 SPARSE \"%s\"\n",
		         i + 1, i, parent, name);
		test_sparse_init(&t, 2048, 8, 0);
		test_sparse_descriptor(&t, text);
		test_memory_write(memory, name, t.bytes, t.size);
		test_sparse_free(&t);
	}
	test_memory_write(memory, "a.vmx", vmx, sizeof(vmx) - 1);
	a = open_ok(memory, "a.vmx");
	assert_int_equal(first_byte(a, "ide0:0"), 0x5c);
	appliance_free(a);
}

/* A disk of another program becomes the same machine; what is opened later has the disk that is opened here. */
static void bare_disk_of_virtualbox_or_windows_becomes_a_machine(void **state)
{
	struct test_memory *memory = *state;
	struct appliance *a;
	struct test_vhdx vhdx;
	struct test_vdi vdi;

	test_vdi_init(&vdi, TEST_VDI_NORMAL, 2 * MEBIBYTE, MEBIBYTE, 0, 1);
	test_vdi_add(&vdi, 0, 7);
	test_memory_write(memory, "box.vdi", vdi.image.bytes, vdi.image.size);
	a = open_ok(memory, "box.vdi");
	assert_string_equal(a->name, "box");
	assert_int_equal(drive(a, "ide0:0")->capacity, 2 * MEBIBYTE);
	assert_int_equal(first_byte(a, "ide0:0"), vdi.image.bytes[vdi.data]);
	appliance_free(a);
	test_image_free(&vdi.image);

	test_vhdx_init(&vhdx, 3 * MEBIBYTE, false, 1);
	test_memory_write(memory, "hyper.vhdx", vhdx.image.bytes, vhdx.image.size);
	a = open_ok(memory, "hyper.vhdx");
	assert_int_equal(drive(a, "ide0:0")->capacity, 3 * MEBIBYTE);
	assert_int_equal(first_byte(a, "ide0:0"), 0);
	appliance_free(a);
	test_image_free(&vhdx.image);
}

/* All but the end of a fixed VHD is a guest's: the text of a machine there is not the machine. */
static void fixed_vhd_with_the_text_of_a_machine_stays_a_disk(void **state)
{
	static const char *const heads[] = { "config.version = \"8\"\ndisplayName = \"trap\"\n",
		                             "<?xml version=\"1.0\"?><Envelope "
		                             "xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\"/>" };
	struct test_memory *memory = *state;

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct appliance *a;
		struct test_vhd vhd;

		test_vhd_init(&vhd, TEST_VHD_FIXED, MEBIBYTE, 0, 1);
		test_image_append(&vhd.image, MEBIBYTE);
		memcpy(vhd.image.bytes, heads[i], strlen(heads[i]));
		test_vhd_finish(&vhd);
		test_memory_write(memory, "trap.vhd", vhd.image.bytes, vhd.image.size);
		a = open_ok(memory, "trap.vhd");
		assert_true(a->source_is_drive);
		assert_int_equal(drive(a, "ide0:0")->capacity, MEBIBYTE);
		assert_int_equal(first_byte(a, "ide0:0"), heads[i][0]);
		appliance_free(a);
		test_image_free(&vhd.image);
	}
}

static void iso_becomes_a_machine_that_boots_from_cd(void **state)
{
	struct test_memory *memory = *state;
	struct appliance *a;
	struct disk *disk;

	write_iso(memory, "rescue.iso", "RESCUE");
	a = open_ok(memory, "rescue.iso");
	assert_string_equal(a->name, "rescue");
	assert_string_equal(a->boot_order, "cdrom");
	assert_int_equal(a->drive_count, 1);
	assert_int_equal(drive(a, "ide1:0")->kind, DRIVE_CDROM);
	disk = open_disk(a, "ide1:0");
	assert_true(disk->is_cdrom);
	disk_close(disk);
	appliance_free(a);
}

static void content_tells_formats_not_the_name(void **state)
{
	struct test_memory *memory = *state;
	struct appliance *a = open_text(memory, "download", "# x\nmemsize = \"64\"\ndisplayName = \"A\"\n");

	assert_string_equal(a->name, "A");
	assert_int_equal(a->origin, ORIGIN_VMWARE);
	appliance_free(a);
	write_iso(memory, "mislabelled.vmx", "X");
	a = open_ok(memory, "mislabelled.vmx");
	assert_int_equal(drive(a, "ide1:0")->backing, BACKING_IMAGE);
	appliance_free(a);
}

static void empty_and_damaged_files_are_refused_in_words(void **state)
{
	struct test_memory *memory = *state;

	test_memory_resize(memory, "empty.ova", 0);
	assert_open_fails(memory, "empty.ova", -EINVAL, "empty.ova is empty");
	test_memory_write(memory, "bad.vmx", "memsize = \"6\nx", 14);
	assert_open_fails(memory, "bad.vmx", -EINVAL, "bad.vmx: line 1, column 11");
	test_memory_resize(memory, "large.vmx", VMX_MAX_SIZE + 1);
	{
		char *text = malloc(VMX_MAX_SIZE + 1);

		memset(text, '\n', VMX_MAX_SIZE + 1);
		test_memory_write(memory, "large.vmx", text, VMX_MAX_SIZE + 1);
		free(text);
	}
	assert_open_fails(memory, "large.vmx", -EFBIG, "large.vmx");
}

/* What a guest wrote into its flat disk must not be taken for a text of the user's. */
static void content_of_a_flat_piece_is_not_an_appliance(void **state)
{
	static const char descriptor[] = "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
					 "createType=\"monolithicFlat\"\nRW 2048 FLAT \"d-flat.vmdk\" 0\n"
					 "ddb.adapterType = \"ide\"\n";
	struct test_memory *memory = *state;
	char *text = malloc(MEBIBYTE);
	struct appliance *a;

	memset(text, '\n', MEBIBYTE);
	memcpy(text, "memsize = 4096\n", 15);
	test_memory_write(memory, "d-flat.vmdk", text, MEBIBYTE);
	test_memory_write(memory, "d.vmdk", descriptor, strlen(descriptor));
	free(text);
	a = open_ok(memory, "d-flat.vmdk");
	assert_int_equal(a->origin, ORIGIN_OTHER);
	assert_int_equal(first_byte(a, "ide0:0"), 'm');
	appliance_free(a);
}

static void vmx_resolves_relative_names_and_takes_its_name_from_the_file(void **state)
{
	struct test_memory *memory = *state;
	struct appliance *a;

	write_disk(memory, "sub/d.img", MEBIBYTE, 0, 7);
	a = open_text(memory, "box.vmx",
	              "memsize = 64\nide0:0.present = TRUE\nide0:0.fileName = \"sub\\d.img\"\n"
	              "ide0:1.present = TRUE\nide0:1.fileName = \"gone.img\"\nide1:0.present = TRUE\n"
	              "ide1:0.deviceType = \"cdrom-raw\"\n");
	assert_string_equal(a->name, "box");
	assert_int_equal(first_byte(a, "ide0:0"), 7);
	{
		struct error e = { 0 };
		struct disk *disk;

		assert_int_equal(appliance_open_disk(a, drive(a, "ide0:1"), &disk, &e), -ENOENT);
		assert_non_null(strstr(e.text, "gone.img"));
		error_clear(&e);
		assert_int_equal(appliance_open_disk(a, drive(a, "ide1:0"), &disk, &e), -EINVAL);
	}
	appliance_free(a);
}

/* ---- plain data ---- */

static void blank_disk_is_zeros_of_its_capacity(void **state)
{
	struct appliance *a = appliance_new();
	struct appliance_drive *blank = appliance_add_drive(a, DRIVE_DISK, APPLIANCE_SCSI, 0, 3);
	uint8_t buffer[1024];
	struct error e = { 0 };
	struct disk *disk;

	(void)state;
	blank->backing = BACKING_BLANK;
	blank->capacity = (3ull << 40) - 100;
	disk = open_disk(a, "scsi0:3");
	assert_int_equal(disk->capacity, 3ull << 40);
	memset(buffer, 1, sizeof(buffer));
	assert_int_equal(disk_read(disk, (3ull << 40) - sizeof(buffer), buffer, sizeof(buffer)), 0);
	for (size_t i = 0; i < sizeof(buffer); i++)
		assert_int_equal(buffer[i], 0);
	disk_close(disk);
	blank->capacity = UINT64_MAX;
	assert_int_equal(appliance_open_disk(a, blank, &disk, &e), -EFBIG);
	appliance_free(a);
}

static void limits_are_remarked_once(void **state)
{
	struct appliance *a = appliance_new();

	(void)state;
	for (unsigned i = 0; i < APPLIANCE_MAX_SERIALS; i++)
		assert_non_null(appliance_add_serial(a, i));
	assert_null(appliance_add_serial(a, 99));
	assert_null(appliance_add_serial(a, 100));
	assert_int_equal(a->remark_count, 1);
	for (unsigned i = 0; i < 2 * APPLIANCE_MAX_REMARKS; i++)
		appliance_remark(a, i, "x", "%s", "y");
	assert_int_equal(a->remark_count, APPLIANCE_MAX_REMARKS);
	assert_non_null(strstr(a->remarks[APPLIANCE_MAX_REMARKS - 1].text, "more"));
	appliance_free(a);
}

static void remarks_hold_no_control_characters(void **state)
{
	struct appliance *a = appliance_new();

	(void)state;
	appliance_remark(a, 1, "a\033[31m", "b\nc\033");
	assert_string_equal(a->remarks[0].subject, "a?[31m");
	assert_string_equal(a->remarks[0].text, "b c?");
	appliance_free(a);
}

static void drive_names_go_both_ways(void **state)
{
	static const char *const names[] = { "ide1:0", "scsi3:15", "sata0:29", "nvme2:1", "virtio0:0", "floppy1" };
	struct appliance *a = appliance_new();
	char name[32];

	(void)state;
	appliance_add_drive(a, DRIVE_CDROM, APPLIANCE_IDE, 1, 0);
	appliance_add_drive(a, DRIVE_DISK, APPLIANCE_SCSI, 3, 15);
	appliance_add_drive(a, DRIVE_DISK, APPLIANCE_SATA, 0, 29);
	appliance_add_drive(a, DRIVE_DISK, APPLIANCE_NVME, 2, 1);
	appliance_add_drive(a, DRIVE_DISK, APPLIANCE_VIRTIO, 0, 0);
	appliance_add_drive(a, DRIVE_FLOPPY, APPLIANCE_FLOPPY, 0, 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_ptr_equal(appliance_find_drive(a, names[i]), &a->drives[i]);
		appliance_drive_name(&a->drives[i], name);
		assert_string_equal(name, names[i]);
	}
	assert_null(appliance_find_drive(a, "scsi0:0"));
	appliance_free(a);
}

/* ---- fingerprints ---- */

static void fingerprint_stays_with_the_content(void **state)
{
	struct test_memory *memory = *state;
	char a[33], b[33], c[33], d[33], e[33];

	write_disk(memory, "one.img", 4 * MEBIBYTE, 100, 1);
	write_disk(memory, "dir/moved.img", 4 * MEBIBYTE, 100, 1);
	write_disk(memory, "new.img", 4 * MEBIBYTE, 100, 2);
	write_disk(memory, "partition.img", 4 * MEBIBYTE, MEBIBYTE + 1000, 1);
	write_disk(memory, "larger.img", 5 * MEBIBYTE, 100, 1);
	fingerprint(memory, "one.img", a);
	fingerprint(memory, "dir/moved.img", b);
	assert_string_equal(a, b);
	fingerprint(memory, "new.img", c);
	fingerprint(memory, "partition.img", d);
	fingerprint(memory, "larger.img", e);
	assert_string_not_equal(a, c);
	assert_string_not_equal(a, d);
	assert_string_not_equal(a, e);
	assert_string_not_equal(c, d);
}

static void fingerprint_of_a_vmx_ignores_its_text(void **state)
{
	struct test_memory *memory = *state;
	char before[33], after[33];

	write_disk(memory, "x.img", MEBIBYTE, 0, 1);
	write_disk(memory, "y.img", MEBIBYTE, 0, 2);
	appliance_free(open_text(
		memory, "a.vmx",
		"memsize = 64\nide0:0.present=1\nide0:0.fileName=x.img\nide0:1.present=1\nide0:1.fileName=y.img\n"));
	fingerprint(memory, "a.vmx", before);
	appliance_free(open_text(memory, "a.vmx",
	                         "memsize = 128\n displayName = z\nide0:0.present=1\nide0:0.fileName=y.img\n"
	                         "ide1:0.present=1\nide1:0.fileName=x.img\n"));
	fingerprint(memory, "a.vmx", after);
	assert_string_equal(before, after);
}

static void fingerprint_without_disks_is_of_uuid_and_name(void **state)
{
	struct test_memory *memory = *state;
	char a[33], b[33], c[33];

	appliance_free(open_text(memory, "a.vmx", "memsize = 64\ndisplayName = \"A\"\n"));
	fingerprint(memory, "a.vmx", a);
	appliance_free(open_text(memory, "b.vmx", "memsize = 128\ndisplayName = \"A\"\n"));
	fingerprint(memory, "b.vmx", b);
	appliance_free(open_text(memory, "c.vmx", "memsize = 64\ndisplayName = \"C\"\n"));
	fingerprint(memory, "c.vmx", c);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
}

static void fingerprint_of_an_ovf_is_of_its_bytes(void **state)
{
	struct appliance *a = appliance_new(), *b = appliance_new();
	char x[33], y[33];

	(void)state;
	appliance_hash_text(a, "<Envelope/>", 11);
	appliance_hash_text(b, "<Envelope />", 12);
	assert_int_equal(appliance_fingerprint(a, x, NULL), 0);
	assert_int_equal(appliance_fingerprint(b, y, NULL), 0);
	assert_string_not_equal(x, y);
	appliance_free(a);
	appliance_free(b);
}

static int prepare_nothing(void)
{
	return 0;
}

static int hash_a_text(void)
{
	struct appliance *a = appliance_new();
	char hex[33];

	appliance_hash_text(a, "x", 1);
	return appliance_fingerprint(a, hex, NULL) == 0 ? 0 : 3;
}

static void fingerprint_needs_no_configuration_file(void **state)
{
	(void)state;
	assert_needs_no_files(prepare_nothing, hash_a_text);
}

static void fingerprint_of_a_missing_disk_is_an_error(void **state)
{
	struct test_memory *memory = *state;
	struct appliance *a = open_text(memory, "a.vmx", "memsize = 64\nide0:0.present=1\nide0:0.fileName=gone.img\n");
	struct error e = { 0 };
	char hex[33];

	assert_int_equal(appliance_fingerprint(a, hex, &e), -ENOENT);
	assert_non_null(strstr(e.text, "gone.img"));
	appliance_free(a);
}

/* ---- the description as a text ---- */

static struct appliance *describe(const char *text, size_t length, const char *name)
{
	struct appliance *a = appliance_new();
	struct vmx_file *vmx;
	struct error e = { 0 };

	if (vmx_parse(text, length, name, &vmx, &e) < 0 || vmx_to_appliance(vmx, a, &e) < 0)
		fail_msg("%s", e.text);
	vmx_free(vmx);
	return a;
}

static void assert_round_trip(const struct appliance *a)
{
	char *text = to_vmx(a);
	struct appliance *again = describe(text, strlen(text), "written.vmx");
	const char *difference = different_appliance(a, again);

	if (difference)
		fail_msg("%s differs after:\n%s", difference, text);
	appliance_free(again);
	free(text);
}

/* An appliance with something other than the default in every field. */
static struct appliance *rich_appliance(void)
{
	struct appliance *a = appliance_new();
	struct appliance_drive *d;

	appliance_set_text(&a->name, "A \"name\" | with\nall # of it \xe4\xb8\xad");
	appliance_set_text(&a->guest_os, "windows9-64");
	appliance_set_text(&a->annotation, "line 1\nline 2");
	appliance_set_text(&a->uuid, "564d96afe646bd865c4d654e7736ef31");
	appliance_set_text(&a->sound, "hdaudio");
	appliance_set_text(&a->boot_order, "ethernet,floppy,cdrom,hdd");
	a->origin = ORIGIN_VIRTUALBOX;
	a->firmware = FIRMWARE_EFI;
	a->memory = 2052ull * MEBIBYTE;
	a->cpus = 6;
	a->cores_per_socket = 3;
	a->usb = true;
	a->rtc_local_time = false;
	a->rtc_difference = -3600;
	a->rtc_start = 1700000000;
	appliance_add_controller(a, APPLIANCE_IDE, 1, "piix3");
	appliance_add_controller(a, APPLIANCE_SCSI, 2, "lsisas1068")->pci_slot = 160;
	appliance_add_controller(a, APPLIANCE_VIRTIO, 0, "virtio-scsi");
	d = appliance_add_drive(a, DRIVE_CDROM, APPLIANCE_IDE, 1, 0);
	d->backing = BACKING_HOST;
	appliance_set_text(&d->file, "/dev/sr0");
	d->start_connected = false;
	d = appliance_add_drive(a, DRIVE_DISK, APPLIANCE_SCSI, 2, 0);
	d->backing = BACKING_IMAGE;
	d->capacity = 12345 * 512;
	d->mode = MODE_NONPERSISTENT;
	appliance_set_text(&d->file, "disk 1.vmdk");
	d = appliance_add_drive(a, DRIVE_DISK, APPLIANCE_SCSI, 2, 1);
	d->backing = BACKING_BLANK;
	d->capacity = 1000000;
	d->mode = MODE_INDEPENDENT_PERSISTENT;
	d = appliance_add_drive(a, DRIVE_CDROM, APPLIANCE_VIRTIO, 0, 200);
	d = appliance_add_drive(a, DRIVE_FLOPPY, APPLIANCE_FLOPPY, 0, 0);
	d->backing = BACKING_IMAGE;
	appliance_set_text(&d->file, "boot.flp");
	appliance_add_nic(a, 0, "virtio")->pci_slot = 192;
	appliance_set_text(&a->nics[0].network, "VM Network");
	appliance_set_text(&a->nics[0].mac, "00:0c:29:12:34:56");
	appliance_add_nic(a, 7, "e1000")->start_connected = false;
	appliance_set_text(&appliance_add_serial(a, 1)->backing, "file:/tmp/a:b");
	appliance_add_serial(a, 2);
	a->forwards[a->forward_count++] = (struct appliance_forward){ 2, FORWARD_TCP, { 127, 0, 0, 1 }, 8443, 443 };
	a->forwards[a->forward_count++] = (struct appliance_forward){ 15, FORWARD_UDP, { 10, 0, 0, 255 }, 65535, 1 };
	a->host_loopback = true;
	a->write_in_place = true;
	appliance_remark(a, 12, "odd.key", "It is odd.");
	return a;
}

static void every_field_survives_the_text(void **state)
{
	struct appliance *a = rich_appliance();
	struct appliance *plain = appliance_new();

	(void)state;
	assert_round_trip(a);
	assert_round_trip(plain);
	appliance_free(a);
	appliance_free(plain);
}

static void written_text_has_comments_and_remarks_and_raises_none_of_its_own(void **state)
{
	struct test_memory *memory = *state;
	struct appliance *a = rich_appliance();
	struct appliance *again;
	char *text = to_vmx(a);

	assert_non_null(strstr(text, "\n# line 12, odd.key: It is odd.\n"));
	assert_non_null(strstr(text, "\n# MiB, a multiple of 4.\nmemsize = \"2052\"\n"));
	appliance_free(a);
	free(text);
	write_disk(memory, "d.img", MEBIBYTE, 0, 1);
	a = open_ok(memory, "d.img");
	text = to_vmx(a);
	again = describe(text, strlen(text), "d.vmx");
	assert_int_equal(again->remark_count, 0);
	appliance_free(again);
	appliance_free(a);
	free(text);
}

/* ---- writing in place ---- */

static void own_text_may_ask_to_be_written_in_place_and_its_images_are_raw(void **state)
{
	static const char text[] = "memsize = 64\nvitrine.writeInPlace = \"TRUE\"\nide0:0.present=1\n"
				   "ide0:0.fileName=x.img\n";
	struct test_memory *memory = *state;
	char before[33], after[33];
	struct appliance *a;
	struct disk *disk;

	write_disk(memory, "x.img", MEBIBYTE, 0, 1);
	test_memory_write(memory, "x.img", "QFI\xfb\0\0\0\3", 8); /* by its guest */
	a = open_text(memory, "a.vmx", text);
	assert_true(a->write_in_place);
	assert_int_equal(a->remark_count, 0);
	assert_int_equal(appliance_open_disk(a, &a->drives[0], &disk, NULL), 0);
	assert_string_equal(disk->format->name, "raw");
	assert_null(disk->writer);
	disk_close(disk);
	assert_int_equal(appliance_open_disk_in_place(a, &a->drives[0], &disk, NULL), -EACCES); /* nobody grants it */
	appliance_fingerprint_in_place(a, before);
	appliance_free(a);
	write_disk(memory, "x.img", MEBIBYTE, 0, 2);
	a = open_ok(memory, "a.vmx");
	appliance_fingerprint_in_place(a, after);
	assert_string_equal(before, after);
	assert_int_equal(strlen(after), 32);
	appliance_free(a);
}

static void what_was_downloaded_in_one_file_is_never_written_in_place(void **state)
{
	struct test_memory *memory = *state;
	struct appliance *a;

	write_disk(memory, "d.img", MEBIBYTE, 0, 9);
	a = open_ok(memory, "d.img");
	apply(a, "memsize = 64\nvitrine.writeInPlace = \"TRUE\"\nide0:0.present=1\nide0:0.fileName=d.img\n");
	assert_false(a->write_in_place);
	assert_non_null(strstr(a->remarks[0].text, "overlay"));
	appliance_free(a);
}

/* ---- the user's edits over an appliance ---- */

static void edited_text_over_a_bare_disk_keeps_the_disk(void **state)
{
	struct test_memory *memory = *state;
	struct appliance *a;
	struct vmx_file *vmx;
	char before[33], after[33], *text;
	size_t length;

	write_disk(memory, "folder/d.img", MEBIBYTE, 0, 9);
	write_iso(memory, "extra.iso", "EXTRA");
	a = open_ok(memory, "folder/d.img");
	assert_int_equal(appliance_fingerprint(a, before, NULL), 0);
	text = to_vmx(a);
	assert_int_equal(vmx_parse(text, strlen(text), "d.vmx", &vmx, NULL), 0);
	assert_int_equal(vmx_set(vmx, "memsize", "2048", NULL), 0);
	assert_int_equal(vmx_set(vmx, "displayName", "Mine", NULL), 0);
	assert_int_equal(vmx_set(vmx, "ide1:0.deviceType", "cdrom-image", NULL), 0);
	assert_int_equal(vmx_set(vmx, "ide1:0.fileName", "extra.iso", NULL), 0);
	free(text);
	text = strdup(vmx_text(vmx, &length));
	vmx_free(vmx);
	apply(a, text);
	assert_int_equal(a->memory, 2048ull * MEBIBYTE);
	assert_string_equal(a->name, "Mine");
	assert_int_equal(a->origin, ORIGIN_OTHER);
	assert_int_equal(first_byte(a, "ide0:0"), 9); /* the opened file, although names resolve elsewhere */
	assert_int_equal(first_byte(a, "ide1:0"), 0);
	assert_int_equal(appliance_fingerprint(a, after, NULL), 0);
	assert_string_equal(before, after);
	appliance_free(a);
	free(text);
}

/* As an OVA answers: the member's bytes lie in the middle of the one file there is. */
static int open_member(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	const struct appliance *a = files->context;

	if (!strcmp(name, "disk1.img"))
		return file_window(&a->source, MEBIBYTE, MEBIBYTE, "box.ova: disk1.img", ret_file, e);
	return error_set(e, -ENOENT, "%s: no such member", name);
}

static void count_free(void *container)
{
	++*(unsigned *)container;
}

static struct appliance *container_appliance(struct test_memory *memory, unsigned *freed)
{
	struct appliance *a = appliance_new();
	struct appliance_drive *d;

	write_disk(memory, "box.ova", 3 * MEBIBYTE, MEBIBYTE, 0x77);
	a->source = test_memory_open(memory, "box.ova");
	a->outer = &memory->files;
	a->inner = (struct files){ .open = open_member, .context = a };
	a->container = freed;
	a->container_free = count_free;
	a->origin = ORIGIN_VIRTUALBOX;
	appliance_set_text(&a->name, "Box");
	appliance_hash_text(a, "<Envelope/>", 11);
	appliance_add_controller(a, APPLIANCE_SATA, 0, "ahci");
	d = appliance_add_drive(a, DRIVE_DISK, APPLIANCE_SATA, 0, 0);
	d->backing = BACKING_IMAGE;
	d->capacity = MEBIBYTE;
	appliance_set_text(&d->file, "disk1.img");
	appliance_remark(a, 4, "OVF thing", "It is not honoured.");
	return a;
}

static void edited_text_over_a_container_resolves_inside_it(void **state)
{
	unsigned freed = 0;
	struct appliance *a = container_appliance(*state, &freed), *same = container_appliance(*state, &freed);
	char *text = to_vmx(a);
	const char *difference;

	apply(a, text);
	difference = different_appliance(a, same);
	if (difference)
		fail_msg("%s differs", difference);
	assert_int_equal(first_byte(a, "sata0:0"), 0x77);
	assert_int_equal(a->origin, ORIGIN_VIRTUALBOX);
	assert_string_equal(a->remarks[0].subject, "OVF thing");
	apply(a, text);
	assert_int_equal(a->remark_count, 1); /* not said twice */
	assert_int_equal(freed, 0);
	appliance_free(a);
	appliance_free(same);
	assert_int_equal(freed, 2);
	free(text);
}

static void text_without_name_and_origin_keeps_them(void **state)
{
	unsigned freed = 0;
	struct appliance *a = container_appliance(*state, &freed);

	apply(a, "memsize = \"512\"\n");
	assert_string_equal(a->name, "Box");
	assert_int_equal(a->origin, ORIGIN_VIRTUALBOX);
	assert_int_equal(a->drive_count, 0);
	appliance_free(a);
}

static void faulty_edit_leaves_the_appliance_as_it_was(void **state)
{
	unsigned freed = 0;
	struct appliance *a = container_appliance(*state, &freed), *same = container_appliance(*state, &freed);
	struct error e = { 0 };

	assert_int_equal(appliance_apply_vmx(a, "memsize = \"5", 12, "edited.vmx", &e), -EINVAL);
	assert_non_null(strstr(e.text, "edited.vmx: line 1"));
	assert_null(different_appliance(a, same));
	assert_int_equal(first_byte(a, "sata0:0"), 0x77);
	appliance_free(a);
	appliance_free(same);
}

/* ---- real texts ---- */

static char *read_all(const char *path, size_t *ret_length)
{
	FILE *f = fopen(path, "rb");
	char *text = malloc(VMX_MAX_SIZE);

	assert_non_null(f);
	*ret_length = fread(text, 1, VMX_MAX_SIZE, f);
	fclose(f);
	return text;
}

static const struct {
	const char *file, *name;
	unsigned drives, nics, remarks;
	const char *scsi, *nic;
	enum appliance_firmware firmware;
} corpus[] = {
	/* each has a CD and an empty floppy drive; what is remarked on is the network's name, and EFI's nvram */
	{ "test-i-vmx-1.vmx", "BZ1308535_21disks", 23, 1, 1, "pvscsi", "vmxnet3", FIRMWARE_BIOS },
	{ "test-i-vmx-2.vmx", "Fedora 20", 3, 1, 1, "pvscsi", "vmxnet3", FIRMWARE_BIOS },
	{ "test-i-vmx-3.vmx", "RHEL 7.1 UEFI", 3, 1, 2, "pvscsi", "vmxnet3", FIRMWARE_EFI },
};

static void corpus_texts_are_described_as_expected(void **state)
{
	(void)state;
	if (!*VITRINE_CORPUS) {
		print_message("SKIPPED: no corpus (cmake -DVITRINE_CORPUS=...)\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(corpus); i++) {
		struct appliance *a;
		char path[512], *text;
		size_t length;

		snprintf(path, sizeof(path), "%s/vmx/%s", VITRINE_CORPUS, corpus[i].file);
		text = read_all(path, &length);
		a = describe(text, length, corpus[i].file);
		for (unsigned j = 0; j < a->remark_count; j++)
			print_message("%s:%u: %s: %s\n", corpus[i].file, a->remarks[j].line, a->remarks[j].subject,
			              a->remarks[j].text);
		assert_string_equal(a->name, corpus[i].name);
		assert_int_equal(a->memory, 2048ull * MEBIBYTE);
		assert_int_equal(a->drive_count, corpus[i].drives);
		assert_int_equal(a->nic_count, corpus[i].nics);
		assert_int_equal(a->firmware, corpus[i].firmware);
		assert_string_equal(a->nics[0].model, corpus[i].nic);
		assert_int_equal(a->remark_count, corpus[i].remarks);
		for (unsigned j = 0; j < a->controller_count; j++)
			if (a->controllers[j].bus == APPLIANCE_SCSI)
				assert_string_equal(a->controllers[j].model, corpus[i].scsi);
		assert_round_trip(a);
		appliance_free(a);
		free(text);
	}
}

#define IN_MEMORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fingerprint_needs_no_configuration_file), /* first: nothing was hashed yet */
		IN_MEMORY(bare_disk_becomes_a_machine),
		IN_MEMORY(bare_disk_of_virtualbox_or_windows_becomes_a_machine),
		IN_MEMORY(fixed_vhd_with_the_text_of_a_machine_stays_a_disk),
		IN_MEMORY(bare_qcow2_becomes_a_machine_with_what_lies_below_it),
		IN_MEMORY(vmx_with_snapshots_plays_its_present_state),
		IN_MEMORY(iso_becomes_a_machine_that_boots_from_cd),
		IN_MEMORY(content_tells_formats_not_the_name),
		IN_MEMORY(empty_and_damaged_files_are_refused_in_words),
		IN_MEMORY(content_of_a_flat_piece_is_not_an_appliance),
		IN_MEMORY(vmx_resolves_relative_names_and_takes_its_name_from_the_file),
		cmocka_unit_test(blank_disk_is_zeros_of_its_capacity),
		cmocka_unit_test(limits_are_remarked_once),
		cmocka_unit_test(remarks_hold_no_control_characters),
		cmocka_unit_test(drive_names_go_both_ways),
		IN_MEMORY(fingerprint_stays_with_the_content),
		IN_MEMORY(fingerprint_of_a_vmx_ignores_its_text),
		IN_MEMORY(fingerprint_without_disks_is_of_uuid_and_name),
		cmocka_unit_test(fingerprint_of_an_ovf_is_of_its_bytes),
		IN_MEMORY(fingerprint_of_a_missing_disk_is_an_error),
		cmocka_unit_test(every_field_survives_the_text),
		IN_MEMORY(written_text_has_comments_and_remarks_and_raises_none_of_its_own),
		IN_MEMORY(own_text_may_ask_to_be_written_in_place_and_its_images_are_raw),
		IN_MEMORY(what_was_downloaded_in_one_file_is_never_written_in_place),
		IN_MEMORY(edited_text_over_a_bare_disk_keeps_the_disk),
		IN_MEMORY(edited_text_over_a_container_resolves_inside_it),
		IN_MEMORY(text_without_name_and_origin_keeps_them),
		IN_MEMORY(faulty_edit_leaves_the_appliance_as_it_was),
		cmocka_unit_test(corpus_texts_are_described_as_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
