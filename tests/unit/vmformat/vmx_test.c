/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forbid_opening.h"
#include "vmformat/bytes.h"
#include "vmformat/vmx.h"

static struct vmx_file *parse_bytes(const char *text, size_t length)
{
	struct error e = { 0 };
	struct vmx_file *vmx = NULL;

	if (vmx_parse(text, length, "test.vmx", &vmx, &e) < 0)
		fail_msg("%s", e.text);
	return vmx;
}

static struct vmx_file *parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void assert_value(const char *text, const char *key, const char *value)
{
	struct vmx_file *vmx = parse(text);

	assert_non_null(vmx_get(vmx, key));
	assert_string_equal(vmx_get(vmx, key), value);
	vmx_free(vmx);
}

static void assert_refused(const char *text, int code, const char *place)
{
	struct error e = { 0 };
	struct vmx_file *vmx;

	assert_int_equal(vmx_parse(text, strlen(text), "test.vmx", &vmx, &e), code);
	if (!strstr(e.text, place))
		fail_msg("\"%s\" does not name \"%s\"", e.text, place);
}

static struct appliance *describe(const char *text)
{
	struct vmx_file *vmx = parse(text);
	struct appliance *a = appliance_new();
	struct error e = { 0 };

	assert_non_null(a);
	if (vmx_to_appliance(vmx, a, &e) < 0)
		fail_msg("%s", e.text);
	vmx_free(vmx);
	return a;
}

static const struct appliance_remark *remark_on(const struct appliance *a, const char *subject)
{
	const struct appliance_remark *found = NULL;

	for (unsigned i = 0; i < a->remark_count; i++)
		if (!strcmp(a->remarks[i].subject, subject)) {
			if (found)
				fail_msg("two remarks on %s", subject);
			found = &a->remarks[i];
		}
	return found;
}

static const struct appliance_drive *drive(const struct appliance *a, const char *name)
{
	const struct appliance_drive *found = appliance_find_drive(a, name);

	if (!found)
		fail_msg("there is no %s", name);
	return found;
}

/* ---- the dictionary ---- */

static void vmx_keys_compare_without_case(void **state)
{
	(void)state;
	assert_value("MemSize = \"64\"\n", "memsize", "64");
	assert_value("memsize = \"64\"\n", "MEMSIZE", "64");
}

static void vmx_last_of_equal_keys_counts(void **state)
{
	(void)state;
	assert_value("a = \"1\"\nb = \"x\"\nA = \"2\"\n", "a", "2");
}

static void vmx_bare_and_quoted_values_are_read(void **state)
{
	(void)state;
	assert_value("memsize=64\n", "memsize", "64");
	assert_value("\tmemsize\t =  64 \t\r\n", "memsize", "64");
	assert_value("name = two words  # comment\n", "name", "two words");
	assert_value("name = a#b\n", "name", "a#b");
	assert_value("name = \"a # b\" # comment\n", "name", "a # b");
	assert_value("name =\nother = 1\n", "name", "");
	assert_value("name = # nothing\n", "name", "");
	assert_value("name = \"no newline\"", "name", "no newline");
	assert_value("name = \" kept \"\n", "name", " kept ");
}

static void vmx_escapes_are_resolved(void **state)
{
	(void)state;
	assert_value("n = \"say |22hi|22 |7C |0Aok\"\n", "n", "say \"hi\" | \nok");
	assert_value("n = \"|7c22\"\n", "n", "|22");
	/* Three characters of text become three bytes of UTF-8: what follows must not be lost. */
	assert_value(".encoding = \"windows-1252\"\nn = \"|80 5\"\n", "n", "\xe2\x82\xac 5");
	assert_value(".encoding = \"UTF-8\"\nn = \"|80|81x|2Fy\"\n", "n", "\xef\xbf\xbd\xef\xbf\xbdx/y");
	assert_value("n = \"a|zz|2\"\n", "n", "a|zz|2");
	assert_value("n = \"a|00b\"\n", "n", "a|00b");
	assert_value("n = \"|C3|A4\"\n", "n", "\xc3\xa4");
}

static void vmx_comments_hash_bang_and_byte_order_mark_are_skipped(void **state)
{
	(void)state;
	assert_value("#!/usr/bin/vmware\n\n  # comment = \"x\"\nkey = 1\n", "key", "1");
	assert_value("\xef\xbb\xbfkey = 1\n", "key", "1");
}

static void vmx_syntax_errors_name_line_and_column(void **state)
{
	(void)state;
	assert_refused("a = \"1\"\nb = \"2\n", -EINVAL, "line 2, column 5");
	assert_refused("a = \"1\"\n\n  just words\n", -EINVAL, "line 3, column 8");
	assert_refused("= \"1\"\n", -EINVAL, "line 1, column 1");
	assert_refused("a = \"1\" x\n", -EINVAL, "line 1, column 9");
	assert_refused("a = b\"c\"\n", -EINVAL, "line 1, column 6");
	assert_refused("a = \"\xc3\xa4\xc3\xa4\" x\n", -EINVAL, "line 1, column 10");
	assert_refused("a = \"1\"\r\n\"b\" = 1\r\n", -EINVAL, "line 2, column 1");
}

static void vmx_zero_byte_is_rejected(void **state)
{
	struct error e = { 0 };
	struct vmx_file *vmx;

	(void)state;
	assert_int_equal(vmx_parse("a = 1\nb\0", 8, "t", &vmx, &e), -EINVAL);
	assert_non_null(strstr(e.text, "line 2, column 2"));
}

static void vmx_oversized_texts_and_keys_are_rejected(void **state)
{
	size_t size = VMX_MAX_SIZE + 1;
	char *text = malloc(size);
	struct error e = { 0 };
	struct vmx_file *vmx;

	(void)state;
	memset(text, '\n', size);
	assert_int_equal(vmx_parse(text, size, "t", &vmx, &e), -EFBIG);
	error_clear(&e);
	for (size_t i = 0; i + 4 < size; i += 4)
		memcpy(text + i, "a=1\n", 4);
	assert_int_equal(vmx_parse(text, size - 1, "t", &vmx, &e), -EFBIG);
	error_clear(&e);
	memset(text, 'k', 300);
	strcpy(text + 300, "=1\n");
	assert_int_equal(vmx_parse(text, 303, "t", &vmx, &e), -EINVAL);
	free(text);
}

/* ---- encodings ---- */

static void vmx_encodings_are_decoded(void **state)
{
	(void)state;
	assert_value(".encoding = \"UTF-8\"\nn = \"\xe4\xb8\xad\"\n", "n", "\xe4\xb8\xad");
	assert_value(".encoding = \"windows-1252\"\nn = \"\xe4\x80\"\n", "n", "\xc3\xa4\xe2\x82\xac");
	assert_value("n = \"\xd6\xd0\xce\xc4\"\n.encoding = \"GBK\"\n", "n", "\xe4\xb8\xad\xe6\x96\x87");
	assert_value(".encoding = \"shift_jis\"\nn = \"\x93\xfa\x96{\"\n", "n", "\xe6\x97\xa5\xe6\x9c\xac");
}

/* 0x7c and 0x5c are second bytes of two-byte characters: no escape, no separator. */
static void vmx_second_bytes_are_not_taken_for_escapes(void **state)
{
	(void)state;
	assert_value(".encoding = \"Shift_JIS\"\nn = \"\x83|22\\x\"\n", "n",
	             "\xe3\x83\x9d"
	             "22\\x");
	assert_value(".encoding = \"GBK\"\nn = \"\x81|22\"\n", "n",
	             "\xe4\xba\x85"
	             "22");
}

static void vmx_without_encoding_is_utf8_or_windows_1252(void **state)
{
	(void)state;
	assert_value("n = \"\xc3\xa4\"\n", "n", "\xc3\xa4");
	assert_value("n = \"\xe4\"\n", "n", "\xc3\xa4");
}

static void vmx_undecodable_bytes_are_replaced_and_remarked(void **state)
{
	struct appliance *a = describe(".encoding = \"UTF-8\"\nmemsize = 64\ndisplayName = \"a\xff"
	                               "b\"\n");

	(void)state;
	assert_string_equal(a->name, "a\xef\xbf\xbd"
	                             "b");
	assert_non_null(remark_on(a, "displayName"));
	appliance_free(a);
	a = describe(".encoding = \"KOI8-R\"\nmemsize = 64\ndisplayName = \"a\xff\"\n");
	assert_string_equal(a->name, "a\xef\xbf\xbd");
	assert_non_null(strstr(remark_on(a, "displayName")->text, "KOI8-R"));
	appliance_free(a);
}

static int parse_in_sandbox(void)
{
	static const char *const texts[] = {
		".encoding = \"GBK\"\nn = \"\xd6\xd0\"\n",
		".encoding = \"windows-1252\"\nn = \"\xe4\"\n",
		".encoding = \"Shift_JIS\"\nn = \"\x93\xfa\"\n",
	};
	struct error e = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct vmx_file *vmx;
		char *value;

		if (vmx_parse(texts[i], strlen(texts[i]), "t", &vmx, &e) < 0)
			return 3;
		value = strdup(vmx_get(vmx, "n"));
		if (strstr(value, "\xef\xbf\xbd") || vmx_set(vmx, "copy", value, &e) < 0)
			return 4;
		free(value);
		vmx_free(vmx);
	}
	return 0;
}

static void vmx_warmed_encodings_need_no_files(void **state)
{
	(void)state;
	assert_needs_no_files(vmx_warm_encodings, parse_in_sandbox);
}

/* ---- writing ---- */

static void assert_set(const char *before, const char *key, const char *value, const char *after)
{
	struct vmx_file *vmx = parse(before);
	struct error e = { 0 };
	size_t length;

	if (vmx_set(vmx, key, value, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(vmx_get(vmx, key), value);
	assert_memory_equal(vmx_text(vmx, &length), after, strlen(after));
	assert_int_equal(length, strlen(after));
	vmx_free(vmx);
}

static void vmx_set_leaves_every_other_byte_alone(void **state)
{
	(void)state;
	assert_set("\xef\xbb\xbf# top\r\n a=1 # one\r\nB\t= \"2\"  # two\r\n\r\n", "b", "3",
	           "\xef\xbb\xbf# top\r\n a=1 # one\r\nB\t= \"3\"  # two\r\n\r\n");
	assert_set("a = 1 # one\nb = 2\n", "A", "x y", "a = \"x y\" # one\nb = 2\n");
	assert_set("a = \nb = 2\n", "a", "1", "a = \"1\"\nb = 2\n");
	assert_set("a = 1\na = 2\n", "a", "3", "a = 1\na = \"3\"\n");
}

static void vmx_set_appends_with_the_files_line_ending(void **state)
{
	(void)state;
	assert_set("a = 1\r\n", "b", "2", "a = 1\r\nb = \"2\"\r\n");
	assert_set("a = 1", "b", "2", "a = 1\nb = \"2\"\n");
	assert_set("", "b", "2", "b = \"2\"\n");
}

static void vmx_set_escapes(void **state)
{
	(void)state;
	assert_set("a = 1\n", "a", "\"|\n", "a = \"|22|7C|0A\"\n");
}

static void vmx_set_keeps_the_encoding(void **state)
{
	struct vmx_file *vmx;
	struct error e = { 0 };

	(void)state;
	assert_set(".encoding = \"GBK\"\nn = \"\xd6\xd0\"\n", "m", "\xe6\x96\x87",
	           ".encoding = \"GBK\"\nn = \"\xd6\xd0\"\nm = \"\xce\xc4\"\n");
	assert_set("n = \"\xe4\"\n", "m", "\xc3\xb6", "n = \"\xe4\"\nm = \"\xf6\"\n");
	vmx = parse(".encoding = \"windows-1252\"\nn = 1\n");
	assert_int_equal(vmx_set(vmx, "n", "\xe6\x96\x87", &e), -EILSEQ);
	assert_string_equal(vmx_get(vmx, "n"), "1");
	vmx_free(vmx);
}

/* "Ã©" in windows-1252 would be the UTF-8 of "é", and nothing else in the text would tell. */
static void vmx_set_refuses_what_would_read_back_differently(void **state)
{
	struct vmx_file *vmx = parse("n = \"\xe4\"\n");
	struct error e = { 0 };

	(void)state;
	assert_int_equal(vmx_set(vmx, "n", "\xc3\x83\xc2\xa9", &e), -EILSEQ);
	assert_string_equal(vmx_get(vmx, "n"), "\xc3\xa4");
	vmx_free(vmx);
}

static void vmx_set_refuses_bad_keys_and_encoding(void **state)
{
	struct vmx_file *vmx = parse("a = 1\n");
	struct error e = { 0 };

	(void)state;
	assert_int_equal(vmx_set(vmx, "a b", "1", &e), -EINVAL);
	assert_int_equal(vmx_set(vmx, "", "1", &e), -EINVAL);
	assert_int_equal(vmx_set(vmx, ".Encoding", "GBK", &e), -EINVAL);
	vmx_free(vmx);
}

/* ---- what keys mean ---- */

static void vmx_defaults_are_vmwares(void **state)
{
	struct appliance *a = describe("config.version = \"8\"\n");

	(void)state;
	assert_int_equal(a->memory, 32u << 20);
	assert_non_null(remark_on(a, "memsize"));
	assert_int_equal(a->cpus, 1);
	assert_int_equal(a->cores_per_socket, 1);
	assert_int_equal(a->firmware, FIRMWARE_BIOS);
	assert_int_equal(a->origin, ORIGIN_VMWARE);
	assert_int_equal(a->drive_count + a->controller_count + a->nic_count + a->serial_count, 0);
	assert_string_equal(a->boot_order, "");
	assert_false(a->usb);
	assert_string_equal(a->sound, "");
	appliance_free(a);
}

static void vmx_machine_fields_are_read(void **state)
{
	struct appliance *a =
		describe("displayName = \"A |22b|22\"\nannotation = \"x|0Ay\"\nguestOS = \"debian10-64\"\n"
	                 "memsize = \"1024\"\nnumvcpus = 4\ncpuid.coresPerSocket = 2\nfirmware = \"EFI\"\n"
	                 "uuid.bios = \"56 4D 96 af e6 46 bd 86-5c 4d 65 4e 77 36 ef 31\"\n"
	                 "bios.bootOrder = \"CDROM, hdd,ethernet1,ethernet0\"\n"
	                 "sound.present = TRUE\nehci.present = TRUE\n");

	(void)state;
	assert_string_equal(a->name, "A \"b\"");
	assert_string_equal(a->annotation, "x\ny");
	assert_string_equal(a->guest_os, "debian10-64");
	assert_int_equal(a->memory, 1ull << 30);
	assert_int_equal(a->cpus, 4);
	assert_int_equal(a->cores_per_socket, 2);
	assert_int_equal(a->firmware, FIRMWARE_EFI);
	assert_string_equal(a->uuid, "564d96afe646bd865c4d654e7736ef31");
	assert_string_equal(a->boot_order, "cdrom,hdd,ethernet");
	assert_string_equal(a->sound, "es1371");
	assert_true(a->usb);
	assert_false(a->rtc_local_time);
	assert_int_equal(a->remark_count, 0);
	appliance_free(a);
}

static void vmx_bad_values_keep_the_default_and_are_remarked(void **state)
{
	struct appliance *a = describe("memsize = \"1022\"\nnumvcpus = \"many\"\ncpuid.coresPerSocket = 3\n"
	                               "firmware = \"coreboot\"\nuuid.bios = \"12\"\nbios.bootOrder = \"usb,hdd\"\n");

	(void)state;
	assert_int_equal(a->memory, 1024u << 20);
	assert_int_equal(a->cpus, 1);
	assert_int_equal(a->cores_per_socket, 1);
	assert_string_equal(a->uuid, "");
	assert_string_equal(a->boot_order, "hdd");
	assert_int_equal(remark_on(a, "memsize")->line, 1);
	assert_int_equal(remark_on(a, "numvcpus")->line, 2);
	assert_int_equal(remark_on(a, "cpuid.coresPerSocket")->line, 3);
	assert_int_equal(remark_on(a, "firmware")->line, 4);
	assert_int_equal(remark_on(a, "uuid.bios")->line, 5);
	assert_int_equal(remark_on(a, "bios.bootOrder")->line, 6);
	appliance_free(a);
}

static void vmx_device_defaults_depend_on_the_guest(void **state)
{
	static const struct {
		const char *guest, *scsi, *ethernet;
		bool local;
	} guests[] = {
		{ "otherlinux", "buslogic", "vlance", false },    { "debian10-64", "lsilogic", "e1000", false },
		{ "winXPPro", "buslogic", "vlance", true },       { "windows9-64", "lsilogic", "e1000", true },
		{ "winNetStandard", "lsilogic", "vlance", true }, { "", "buslogic", "vlance", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		struct appliance *a;
		char text[256];

		snprintf(text, sizeof(text),
		         "memsize = 64\nguestOS = \"%s\"\nscsi0.present = TRUE\nethernet0.present = TRUE\n",
		         guests[i].guest);
		a = describe(text);
		assert_string_equal(a->controllers[0].model, guests[i].scsi);
		assert_string_equal(a->nics[0].model, guests[i].ethernet);
		assert_int_equal(a->rtc_local_time, guests[i].local);
		appliance_free(a);
	}
}

static void vmx_rtc_may_differ_from_utc_and_start_at_a_time(void **state)
{
	struct appliance *a = describe("memsize = 64\nguestOS = \"windows9-64\"\n");

	(void)state;
	assert_true(a->rtc_difference == APPLIANCE_NO_TIME);
	assert_true(a->rtc_start == APPLIANCE_NO_TIME);
	appliance_free(a);
	a = describe(
		"memsize = 64\nguestOS = \"windows9-64\"\nrtc.diffFromUTC = \"0\"\nrtc.startTime = \"1183647855\"\n");
	assert_true(a->rtc_difference == 0);
	assert_true(a->rtc_start == 1183647855);
	assert_int_equal(a->remark_count, 0);
	appliance_free(a);
	a = describe("memsize = 64\nrtc.diffFromUTC = \"-18000\"\nrtc.startTime = \"yesterday\"\n");
	assert_true(a->rtc_difference == -18000);
	assert_true(a->rtc_start == APPLIANCE_NO_TIME);
	assert_non_null(remark_on(a, "rtc.startTime"));
	appliance_free(a);
}

static const char drives_text[] =
	"memsize = 64\n"
	"scsi0.present = \"TRUE\"\nscsi0.virtualDev = \"LsiLogic\"\nscsi0.pciSlotNumber = \"160\"\n"
	"scsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"sub\\disk one.vmdk\"\nscsi0:0.mode = "
	"\"independent-nonpersistent\"\n"
	"scsi0:1.present = \"TRUE\"\nscsi0:1.deviceType = \"scsi-hardDisk\"\nscsi0:1.fileName = "
	"\"/vmfs/volumes/a\\b.vmdk\"\n"
	"scsi0:2.present = \"FALSE\"\nscsi0:2.fileName = \"no.vmdk\"\n"
	"ide0:0.present = \"TRUE\"\nide0:0.deviceType = \"ata-hardDisk\"\nide0:0.fileName = \"ide.vmdk\"\n"
	"ide0:1.present = \"TRUE\"\nide0:1.deviceType = \"cdrom-image\"\nide0:1.fileName = \"boot.iso\"\n"
	"ide0:1.startConnected = \"FALSE\"\n"
	"ide1:0.present = \"TRUE\"\nide1:0.deviceType = \"cdrom-raw\"\nide1:0.fileName = \"auto detect\"\n"
	"ide1:1.present = \"TRUE\"\nide1:1.deviceType = \"atapi-cdrom\"\nide1:1.fileName = \"/dev/sr0\"\n"
	"sata0.present = \"TRUE\"\n"
	"sata0:3.present = \"TRUE\"\nsata0:3.deviceType = \"cdrom-raw\"\nsata0:3.clientDevice = \"TRUE\"\n"
	"sata0:3.fileName = \"D:\"\n"
	"floppy0.fileType = \"file\"\nfloppy0.fileName = \"boot.flp\"\n";

static void vmx_drives_are_read(void **state)
{
	struct appliance *a = describe(drives_text);

	(void)state;
	assert_int_equal(a->drive_count, 8);
	assert_string_equal(drive(a, "scsi0:0")->file, "sub/disk one.vmdk");
	assert_int_equal(drive(a, "scsi0:0")->mode, MODE_INDEPENDENT_NONPERSISTENT);
	assert_string_equal(drive(a, "SCSI0:1")->file, "/vmfs/volumes/a\\b.vmdk");
	assert_null(appliance_find_drive(a, "scsi0:2"));
	assert_int_equal(drive(a, "ide0:0")->kind, DRIVE_DISK);
	assert_int_equal(drive(a, "ide0:1")->kind, DRIVE_CDROM);
	assert_int_equal(drive(a, "ide0:1")->backing, BACKING_IMAGE);
	assert_false(drive(a, "ide0:1")->start_connected);
	assert_true(drive(a, "ide0:0")->start_connected);
	assert_int_equal(drive(a, "ide1:0")->backing, BACKING_NONE);
	assert_int_equal(drive(a, "ide1:1")->backing, BACKING_HOST);
	assert_string_equal(drive(a, "ide1:1")->file, "/dev/sr0");
	assert_non_null(remark_on(a, "ide1:1.fileName"));
	assert_int_equal(drive(a, "sata0:3")->backing, BACKING_NONE);
	assert_int_equal(drive(a, "floppy0")->kind, DRIVE_FLOPPY);
	assert_int_equal(drive(a, "floppy0")->backing, BACKING_IMAGE);
	assert_int_equal(a->remark_count, 1);
	appliance_free(a);
}

static void vmx_controllers_are_read(void **state)
{
	struct appliance *a = describe(drives_text);

	(void)state;
	assert_int_equal(a->controller_count, 4); /* ide0, ide1, scsi0, sata0 */
	assert_int_equal(a->controllers[2].bus, APPLIANCE_SCSI);
	assert_string_equal(a->controllers[2].model, "lsilogic");
	assert_int_equal(a->controllers[2].pci_slot, 160);
	assert_string_equal(a->controllers[3].model, "ahci");
	assert_int_equal(a->controllers[3].pci_slot, -1);
	appliance_free(a);
}

static void vmx_disk_without_controller_is_left_out(void **state)
{
	struct appliance *a = describe("memsize = 64\nscsi0:0.present = TRUE\nscsi0:0.fileName = \"a.vmdk\"\n");

	(void)state;
	assert_int_equal(a->drive_count, 0);
	assert_int_equal(a->remark_count, 1);
	assert_non_null(remark_on(a, "scsi0:0"));
	appliance_free(a);
}

static void vmx_odd_drives_are_remarked(void **state)
{
	struct appliance *a = describe("memsize = 64\nide0:0.present = TRUE\nide0:1.present = TRUE\n"
	                               "ide0:1.deviceType = \"tape\"\nide1:0.present = TRUE\nide1:0.mode = \"append\"\n"
	                               "ide1:0.fileName = x.vmdk\nide2:0.present = TRUE\nide2:0.fileName = \"y\"\n");

	(void)state;
	assert_int_equal(a->drive_count, 1);
	assert_non_null(remark_on(a, "ide0:0"));
	assert_non_null(remark_on(a, "ide0:1.deviceType"));
	assert_non_null(remark_on(a, "ide1:0.mode"));
	assert_non_null(remark_on(a, "ide2:0.*"));
	assert_int_equal(a->remark_count, 4);
	appliance_free(a);
}

static void vmx_not_present_switches_off_a_namespace(void **state)
{
	struct appliance *a = describe(
		"memsize = 64\n"
		"scsi0.present = \"false\"\nscsi0.odd = 1\nscsi0:0.present = TRUE\nscsi0:0.fileName = x\n"
		"ide0.present = FALSE\nide0:0.present = TRUE\nide0:0.fileName = x\n"
		"ethernet0.present = FALSE\nethernet0.odd = 1\nethernet1.odd = 1\n"
		"serial0.present = FALSE\nserial0.fileName = x\nfloppy0.present = FALSE\nfloppy0.fileName = x\n"
		"gadget.present = FALSE\ngadget.level = 7\n");

	(void)state;
	assert_int_equal(a->drive_count + a->controller_count + a->nic_count + a->serial_count, 0);
	assert_null(remark_on(a, "gadget.level"));
	assert_null(remark_on(a, "ethernet0.odd"));
	assert_non_null(remark_on(a, "scsi0:0")); /* it says present itself */
	assert_int_equal(a->remark_count, 1);
	appliance_free(a);
}

static void vmx_network_cards_are_read(void **state)
{
	struct appliance *a = describe(
		"memsize = 64\nguestOS = \"debian10-64\"\n"
		"ethernet0.present = TRUE\nethernet0.addressType = \"generated\"\n"
		"ethernet0.generatedAddress = \"00:0C:29:4b:2b:8c\"\nethernet0.address = \"00:00:00:00:00:01\"\n"
		"ethernet0.connectionType = \"nat\"\nethernet0.pciSlotNumber = 33\n"
		"ethernet3.present = TRUE\nethernet3.virtualDev = \"VMXNET3\"\nethernet3.addressType = \"static\"\n"
		"ethernet3.address = \"00-50-56-00-00-02\"\nethernet3.networkName = \"VM Network\"\n"
		"ethernet3.startConnected = \"FALSE\"\n"
		"ethernet4.present = TRUE\nethernet4.generatedAddress = \"nonsense\"\n");

	(void)state;
	assert_int_equal(a->nic_count, 3);
	assert_string_equal(a->nics[0].model, "e1000");
	assert_string_equal(a->nics[0].mac, "00:0c:29:4b:2b:8c");
	assert_string_equal(a->nics[0].network, "nat");
	assert_int_equal(a->nics[0].pci_slot, 33);
	assert_true(a->nics[0].start_connected);
	assert_int_equal(a->nics[1].number, 3);
	assert_string_equal(a->nics[1].model, "vmxnet3");
	assert_string_equal(a->nics[1].mac, "00:50:56:00:00:02");
	assert_string_equal(a->nics[1].network, "VM Network");
	assert_false(a->nics[1].start_connected);
	assert_string_equal(a->nics[2].mac, "");
	assert_string_equal(a->nics[2].network, "bridged");
	assert_non_null(remark_on(a, "ethernet3.networkName"));
	assert_non_null(remark_on(a, "ethernet4.generatedAddress"));
	assert_int_equal(a->remark_count, 2);
	appliance_free(a);
}

static void vmx_forwarded_ports_are_read(void **state)
{
	static const uint8_t here[] = { 127, 0, 0, 1 }, all[] = { 0, 0, 0, 0 };
	struct appliance *a = describe("memsize = 64\nvitrine.forward0 = \"tcp:8443:443\"\n"
	                               "vitrine.forward3 = \"UDP:0.0.0.0:5353:53\"\nvitrine.forward4 = \"\"\n"
	                               "vitrine.hostLoopback = \"TRUE\"\n");

	(void)state;
	assert_int_equal(a->forward_count, 2);
	assert_int_equal(a->forwards[0].protocol, FORWARD_TCP);
	assert_memory_equal(a->forwards[0].address, here, 4);
	assert_int_equal(a->forwards[0].host_port, 8443);
	assert_int_equal(a->forwards[0].guest_port, 443);
	assert_int_equal(a->forwards[1].number, 3);
	assert_int_equal(a->forwards[1].protocol, FORWARD_UDP);
	assert_memory_equal(a->forwards[1].address, all, 4);
	assert_true(a->host_loopback);
	assert_int_equal(a->remark_count, 0);
	appliance_free(a);
}

static void vmx_malformed_forwards_are_remarked_and_left_out(void **state)
{
	static const char *const bad[] = { "tcp",
		                           "tcp:80",
		                           "tcp:0:80",
		                           "tcp:80:65536",
		                           "tcp:-1:80",
		                           "tcp:+8:80",
		                           "tcp: 8:80",
		                           "tcp:8:80 ",
		                           "tcp:00000080:80",
		                           "sctp:1:2",
		                           "tcp:1.2.3:80:80",
		                           "tcp:localhost:80:80",
		                           "tcp::80:80",
		                           "tcp:127.0.0.1:80:80:80",
		                           "tcp:80:80:",
		                           "tcp:127.0.0.1:80:80aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[256];
		struct appliance *a;

		snprintf(text, sizeof(text), "memsize = 64\nvitrine.forward1 = \"%s\"\n", bad[i]);
		a = describe(text);
		if (a->forward_count || !remark_on(a, "vitrine.forward1"))
			fail_msg("\"%s\" was taken", bad[i]);
		appliance_free(a);
	}
}

static void vmx_forwards_beyond_the_last_are_not_honoured(void **state)
{
	struct appliance *a = describe("memsize = 64\nvitrine.forward16 = \"tcp:8443:443\"\n");

	(void)state;
	assert_int_equal(a->forward_count, 0);
	assert_non_null(remark_on(a, "vitrine.forward16"));
	appliance_free(a);
}

static void vmx_serial_ports_are_remarked_and_never_connected(void **state)
{
	struct appliance *a = describe("memsize = 64\nserial0.present = TRUE\nserial0.fileType = \"pipe\"\n"
	                               "serial0.fileName = \"\\\\.\\pipe\\com\"\nserial0.tryNoRxLoss = \"TRUE\"\n"
	                               "serial1.present = TRUE\n");

	(void)state;
	assert_int_equal(a->serial_count, 2);
	assert_string_equal(a->serials[0].backing, "pipe:\\\\.\\pipe\\com");
	assert_string_equal(a->serials[1].backing, "");
	assert_int_equal(remark_on(a, "serial0")->line, 2);
	assert_non_null(remark_on(a, "serial1"));
	assert_int_equal(a->remark_count, 2);
	appliance_free(a);
}

static void vmx_what_is_not_honoured_is_remarked_once_per_namespace(void **state)
{
	struct appliance *a =
		describe("memsize = 64\n"
	                 "RemoteDisplay.vnc.present = TRUE\nRemoteDisplay.vnc.port = 5900\nremotedisplay.x = 1\n"
	                 "vhv.enable = \"TRUE\"\nguestinfo.userdata = \"abc\"\n"
	                 "sharedFolder0.present = TRUE\nsharedFolder0.hostPath = \"/home\"\n"
	                 "parallel0.present = TRUE\n"
	                 "tools.syncTime = \"FALSE\"\nsched.mem.min = 0\nhostCPUID.0 = 1\nsvga.vramSize = 1\n"
	                 "mem.hotadd = FALSE\npciBridge0.present = TRUE\nusb:0.present = TRUE\n");

	(void)state;
	assert_int_equal(remark_on(a, "RemoteDisplay.*")->line, 2);
	assert_non_null(strstr(remark_on(a, "RemoteDisplay.*")->text, "3 settings"));
	assert_non_null(strstr(remark_on(a, "RemoteDisplay.*")->text, "vnc.port"));
	assert_non_null(remark_on(a, "vhv.enable"));
	assert_non_null(remark_on(a, "guestinfo.userdata"));
	assert_non_null(remark_on(a, "sharedFolder0.*"));
	assert_non_null(remark_on(a, "parallel0.present"));
	assert_int_equal(a->remark_count, 5);
	for (unsigned i = 1; i < a->remark_count; i++)
		assert_true(a->remarks[i - 1].line <= a->remarks[i].line);
	appliance_free(a);
}

static void vmx_encrypted_machine_is_refused_in_words(void **state)
{
	struct vmx_file *vmx = parse("encryption.keySafe = \"vmware:key/...\"\nencryption.data = \"x\"\n");
	struct appliance *a = appliance_new();
	struct error e = { 0 };

	(void)state;
	assert_int_equal(vmx_to_appliance(vmx, a, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "encrypted"));
	appliance_free(a);
	vmx_free(vmx);
}

static void vmx_hostile_numbers_of_devices_are_bounded(void **state)
{
	size_t length = 0, size = 1u << 20;
	char *text = malloc(size);
	struct appliance *a;

	(void)state;
	for (unsigned c = 0; c < 4; c++)
		for (unsigned u = 0; u < 64; u++)
			length += (size_t)snprintf(text + length, size - length,
			                           "scsi%u.present=1\nscsi%u:%u.present=1\nscsi%u:%u.fileName=a\n"
			                           "nvme%u.present=1\nnvme%u:%u.present=1\nnvme%u:%u.fileName=a\n",
			                           c, c, u, c, u, c, c, u, c, u);
	for (unsigned i = 0; i < 5000; i++)
		length += (size_t)snprintf(text + length, size - length, "odd%u.x = 1\n", i);
	a = describe(text);
	assert_int_equal(a->drive_count, APPLIANCE_MAX_DRIVES);
	assert_int_equal(a->remark_count, APPLIANCE_MAX_REMARKS);
	appliance_free(a);
	free(text);
}

/* ---- telling it by content ---- */

static void vmx_probe_goes_by_content_first(void **state)
{
	static const struct {
		const char *text, *name;
		bool is_vmx;
	} cases[] = {
		{ "#!/usr/bin/vmware\n.encoding = x\n", "any", true },
		{ "\xef\xbb\xbf"
		  "foo = 1\nMemSize = \"1\"\n",
		  "any.img", true },
		{ "foo = 1\n", "a.VMX", true },
		{ "foo = 1\n", "a.txt", false },
		{ "<html>\nmemsize", "a.vmx", false },
		{ "# Disk DescriptorFile\nversion=1\nCID=1\n", "a.vmx", false },
		{ "SHA256(a)= 00\n", "a.mf", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (vmx_probe((const uint8_t *)cases[i].text, strlen(cases[i].text), cases[i].name) != cases[i].is_vmx)
			fail_msg("case %zu", i);
	assert_false(vmx_probe((const uint8_t *)"memsize = 1\0", 12, "a.vmx"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmx_warmed_encodings_need_no_files), /* first: nothing has opened a converter yet */
		cmocka_unit_test(vmx_keys_compare_without_case),
		cmocka_unit_test(vmx_last_of_equal_keys_counts),
		cmocka_unit_test(vmx_bare_and_quoted_values_are_read),
		cmocka_unit_test(vmx_escapes_are_resolved),
		cmocka_unit_test(vmx_comments_hash_bang_and_byte_order_mark_are_skipped),
		cmocka_unit_test(vmx_syntax_errors_name_line_and_column),
		cmocka_unit_test(vmx_zero_byte_is_rejected),
		cmocka_unit_test(vmx_oversized_texts_and_keys_are_rejected),
		cmocka_unit_test(vmx_encodings_are_decoded),
		cmocka_unit_test(vmx_second_bytes_are_not_taken_for_escapes),
		cmocka_unit_test(vmx_without_encoding_is_utf8_or_windows_1252),
		cmocka_unit_test(vmx_undecodable_bytes_are_replaced_and_remarked),
		cmocka_unit_test(vmx_set_leaves_every_other_byte_alone),
		cmocka_unit_test(vmx_set_appends_with_the_files_line_ending),
		cmocka_unit_test(vmx_set_escapes),
		cmocka_unit_test(vmx_set_keeps_the_encoding),
		cmocka_unit_test(vmx_set_refuses_what_would_read_back_differently),
		cmocka_unit_test(vmx_set_refuses_bad_keys_and_encoding),
		cmocka_unit_test(vmx_defaults_are_vmwares),
		cmocka_unit_test(vmx_machine_fields_are_read),
		cmocka_unit_test(vmx_bad_values_keep_the_default_and_are_remarked),
		cmocka_unit_test(vmx_device_defaults_depend_on_the_guest),
		cmocka_unit_test(vmx_rtc_may_differ_from_utc_and_start_at_a_time),
		cmocka_unit_test(vmx_drives_are_read),
		cmocka_unit_test(vmx_controllers_are_read),
		cmocka_unit_test(vmx_disk_without_controller_is_left_out),
		cmocka_unit_test(vmx_odd_drives_are_remarked),
		cmocka_unit_test(vmx_not_present_switches_off_a_namespace),
		cmocka_unit_test(vmx_network_cards_are_read),
		cmocka_unit_test(vmx_forwarded_ports_are_read),
		cmocka_unit_test(vmx_malformed_forwards_are_remarked_and_left_out),
		cmocka_unit_test(vmx_forwards_beyond_the_last_are_not_honoured),
		cmocka_unit_test(vmx_serial_ports_are_remarked_and_never_connected),
		cmocka_unit_test(vmx_what_is_not_honoured_is_remarked_once_per_namespace),
		cmocka_unit_test(vmx_encrypted_machine_is_refused_in_words),
		cmocka_unit_test(vmx_hostile_numbers_of_devices_are_bounded),
		cmocka_unit_test(vmx_probe_goes_by_content_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
