/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_files.h"
#include "vmformat/bytes.h"
#include "vmformat/disk.h"
#include "vmformat/iso.h"

#define SECTOR 2048u

/* A disc of 300 sectors, written field by field; offsets are those of ECMA-119 and ECMA-167. */
struct image {
	uint8_t bytes[300 * SECTOR];
};

static struct image image; /* too large for the stack of a thread; each test starts with wipe() */

static uint8_t *sector(unsigned number)
{
	return image.bytes + number * SECTOR;
}

static void wipe(void)
{
	memset(&image, 0, sizeof(image));
}

static void put_descriptor(unsigned number, uint8_t type, const char *label)
{
	uint8_t *s = sector(number);

	s[0] = type;
	memcpy(s + 1, "CD001\1", 6);
	memset(s + 40, ' ', 32);
	memcpy(s + 40, label, strlen(label));
	le32_store(s + 80, 300);
	le16_store(s + 128, SECTOR);
}

static void put_joliet(unsigned number, const char *label)
{
	uint8_t *s = sector(number);

	put_descriptor(number, 2, "");
	memcpy(s + 88, "%/E", 3);
	for (unsigned i = 0; i < 16; i++)
		be16_store(s + 40 + 2 * i, i < strlen(label) ? (uint8_t)label[i] : ' ');
}

static void put_udf_tag(unsigned number, uint16_t tag)
{
	uint8_t *s = sector(number), sum = 0;

	le16_store(s, tag);
	s[4] = 0;
	for (unsigned i = 0; i < 16; i++)
		sum = (uint8_t)(sum + s[i]);
	s[4] = sum;
}

static void put_udf(const char *label, size_t length, uint32_t sequence_bytes)
{
	memcpy(sector(16) + 1, "BEA01", 5);
	memcpy(sector(17) + 1, "NSR02", 5);
	le32_store(sector(256) + 16, sequence_bytes);
	le32_store(sector(256) + 20, 260);
	put_udf_tag(256, 2);
	put_udf_tag(260, 1);
	memcpy(sector(261) + 84, label, length);
	sector(261)[84 + 127] = (uint8_t)length;
	put_udf_tag(261, 6);
	put_udf_tag(262, 8);
}

static struct disk *open_image(size_t length)
{
	struct file file = test_file("a.iso", image.bytes, length);
	struct error e = { 0 };
	struct disk *disk;

	if (disk_open(&file, &test_no_files, &disk, &e) < 0)
		fail_msg("%s", e.text);
	return disk;
}

static void check_label(const char *expected)
{
	struct disk *disk = open_image(sizeof(image.bytes));
	char label[ISO_LABEL_SIZE];

	assert_true(disk->is_cdrom);
	assert_int_equal(iso_label(disk, label), 0);
	assert_string_equal(label, expected);
	disk_close(disk);
}

static void iso_is_told_by_content_and_has_large_sectors(void **state)
{
	uint8_t tail[SECTOR], expected[SECTOR] = { 0 };
	struct disk *disk;

	(void)state;
	wipe();
	put_descriptor(16, 1, "X");
	put_descriptor(17, 255, "");
	memset(sector(299), 0x77, SECTOR);
	disk = open_image(sizeof(image.bytes) - 1000); /* tools cut padding at any byte */
	assert_string_equal(disk->format->name, "iso");
	assert_true(disk->is_cdrom);
	assert_int_equal(disk->capacity, sizeof(image.bytes));
	assert_int_equal(disk_read(disk, 299 * SECTOR, tail, SECTOR), 0);
	memset(expected, 0x77, SECTOR - 1000);
	assert_memory_equal(tail, expected, SECTOR);
	disk_close(disk);
}

static void iso_label_is_trimmed(void **state)
{
	(void)state;
	wipe();
	put_descriptor(16, 1, "DEBIAN 12 ");
	put_descriptor(17, 255, "");
	check_label("DEBIAN 12");
}

static void iso_label_of_joliet_is_preferred(void **state)
{
	(void)state;
	wipe();
	put_descriptor(16, 1, "DEBIAN_12");
	put_joliet(17, "Debian \xfc");
	put_descriptor(18, 255, "");
	check_label("Debian \xc3\xbc");
}

static void iso_label_of_a_supplement_that_is_not_joliet_is_ignored(void **state)
{
	(void)state;
	wipe();
	put_descriptor(16, 1, "RIGHT");
	put_descriptor(17, 2, "WRONG");
	put_descriptor(18, 255, "");
	put_descriptor(19, 1, "BEHIND");
	check_label("RIGHT");
}

static void iso_label_has_no_control_characters(void **state)
{
	(void)state;
	wipe();
	put_descriptor(16, 1, "A\x1b[31mB\x7f\x9b");
	put_descriptor(17, 255, "");
	check_label("A?[31mB??");
}

static void iso_label_of_udf_is_read(void **state)
{
	(void)state;
	wipe();
	put_udf("\x08Windows\xe9", 9, 16 * SECTOR);
	check_label("Windows\xc3\xa9");
	wipe();
	put_udf("\x10\x30\x42\x00q\xd8\x00", 7, 16 * SECTOR);
	check_label("\xe3\x81\x82q?");
}

static void iso_label_of_damaged_udf_is_empty(void **state)
{
	(void)state;
	wipe();
	put_udf("\x08Name", 5, UINT32_MAX);
	check_label("Name"); /* the sequence is as long as we care to look */
	sector(256)[4]++;
	check_label("");
	put_udf_tag(256, 2);
	le32_store(sector(256) + 20, UINT32_MAX);
	put_udf_tag(256, 2);
	check_label("");
	put_udf("\x09Name", 5, 16 * SECTOR); /* no such compression ID */
	check_label("");
	sector(261)[84] = 8;
	sector(261)[84 + 127] = 255;
	check_label("");
}

static void iso_label_longer_than_its_room_is_cut_at_a_character(void **state)
{
	char field[127], expected[2 * 64 + 1] = "";

	(void)state;
	wipe();
	field[0] = 8;
	memset(field + 1, 0xe9, sizeof(field) - 1);
	put_udf(field, sizeof(field), 16 * SECTOR);
	for (unsigned i = 0; i < 64; i++)
		strcat(expected, "\xc3\xa9");
	check_label(expected);
}

static void iso_label_of_a_disk_is_empty(void **state)
{
	struct disk *disk;
	char label[ISO_LABEL_SIZE] = "x";

	(void)state;
	wipe();
	disk = open_image(sizeof(image.bytes));
	assert_string_equal(disk->format->name, "raw");
	assert_int_equal(iso_label(disk, label), 0);
	assert_string_equal(label, "");
	disk_close(disk);
}

static void iso_cut_after_its_first_descriptor_has_a_label(void **state)
{
	struct disk *disk;
	char label[ISO_LABEL_SIZE];

	(void)state;
	wipe();
	put_descriptor(16, 1, "SHORT");
	disk = open_image(17 * SECTOR);
	assert_int_equal(iso_label(disk, label), 0);
	assert_string_equal(label, "SHORT");
	disk_close(disk);
}

static void iso_cut_download_says_so(void **state)
{
	struct file file;
	struct error e = { 0 };
	struct disk *disk;

	(void)state;
	wipe();
	put_descriptor(16, 1, "X");
	le32_store(sector(16) + 80, 1 << 20);
	file = test_file("debian.iso", image.bytes, sizeof(image.bytes));
	assert_int_equal(disk_open(&file, &test_no_files, &disk, &e), -ENODATA);
	assert_non_null(
		strstr(e.text, "debian.iso ends after 614.4 KB of 2.1 GB; the download was probably interrupted"));
	file_close(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iso_is_told_by_content_and_has_large_sectors),
		cmocka_unit_test(iso_label_is_trimmed),
		cmocka_unit_test(iso_label_of_joliet_is_preferred),
		cmocka_unit_test(iso_label_of_a_supplement_that_is_not_joliet_is_ignored),
		cmocka_unit_test(iso_label_has_no_control_characters),
		cmocka_unit_test(iso_label_of_udf_is_read),
		cmocka_unit_test(iso_label_of_damaged_udf_is_empty),
		cmocka_unit_test(iso_label_longer_than_its_room_is_cut_at_a_character),
		cmocka_unit_test(iso_label_of_a_disk_is_empty),
		cmocka_unit_test(iso_cut_after_its_first_descriptor_has_a_label),
		cmocka_unit_test(iso_cut_download_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
