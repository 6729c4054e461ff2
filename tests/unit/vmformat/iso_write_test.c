/* SPDX-License-Identifier: MIT */
/* The judge of a disc is who else reads it: xorriso by Rock Ridge and by Joliet, our own reader by its label. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "test_files.h"
#include "vmformat/bytes.h"
#include "vmformat/iso.h"
#include "vmformat/iso_write.h"

#define TIME 1700000000

static uint8_t *make(const void *data, size_t length, size_t *ret_size)
{
	struct iso_file file = { "ovf-env.xml", "OVF_ENV.XML", data, length };
	uint8_t *image = NULL;

	assert_int_equal(iso_write("OVFENV", &file, TIME, &image, ret_size), 0);
	return image;
}

static void the_disc_has_whole_sectors_and_its_label(void **state)
{
	const size_t lengths[] = { 0, 1, 2047, 2048, 2049, 100000 };
	char label[ISO_LABEL_SIZE], data[100000];

	(void)state;
	memset(data, 'x', sizeof(data));
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct error e = { 0 };
		struct disk *disk;
		size_t size;
		uint8_t *image = make(data, lengths[i], &size);
		struct file file = test_file("ovf-env.iso", image, size);

		assert_int_equal(size, 25 * 2048 + (lengths[i] + 2047) / 2048 * 2048);
		assert_int_equal(disk_open(&file, &test_no_files, &disk, &e), 0);
		assert_true(disk->is_cdrom);
		assert_int_equal(iso_label(disk, label), 0);
		assert_string_equal(label, "OVFENV");
		disk_close(disk);
		free(image);
	}
}

static void names_that_no_disc_has_are_refused(void **state)
{
	static const struct iso_file wrong[] = {
		{ "", "A.B", "", 0 },
		{ "a/b", "A.B", "", 0 },
		{ "a", "AB", "", 0 },
		{ "a", "LONGERNAM.B", "", 0 },
		{ "a", "A.BCDE", "", 0 },
		{ "a", "a.B", "", 0 },
		{ "a", "A.B", "", ISO_WRITE_MAX + 1 },
		{ "12345678901234567890123456789012345678901234567890123456789012345", "A.B", "", 0 },
	};
	static const struct iso_file right = { "a", "A.B", "", 0 };
	uint8_t *image;
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(iso_write("X", &wrong[i], TIME, &image, &size), -EINVAL);
	assert_int_equal(iso_write("lower", &right, TIME, &image, &size), -EINVAL);
	assert_int_equal(iso_write("X", &right, INT64_MIN, &image, &size), -EINVAL);
	assert_int_equal(iso_write("X", &right, TIME, &image, &size), 0);
	free(image);
}

static bool runs(const char *command)
{
	return system(command) == 0;
}

static void other_programs_read_the_file_by_its_name(void **state)
{
	static const char *const readers[] = { "nojoliet" /* Rock Ridge */, "norock" /* Joliet */ };
	char command[512], data[5000], folder[] = "/tmp/vitrine-iso-XXXXXX", path[64];
	size_t size;
	uint8_t *image;
	FILE *f;

	(void)state;
	if (!runs("command -v xorriso >/dev/null")) {
		print_message("SKIPPED: xorriso is not installed\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)('a' + i % 23);
	image = make(data, sizeof(data), &size);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/disc.iso", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(image, 1, size, f), size);
	fclose(f);
	snprintf(path, sizeof(path), "%s/right", folder);
	f = fopen(path, "w");
	assert_int_equal(fwrite(data, 1, sizeof(data), f), sizeof(data));
	fclose(f);
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		snprintf(command, sizeof(command),
		         "cd %s && xorriso -abort_on WARNING -read_fs %s -osirrox on -indev disc.iso -extract "
		         "/ovf-env.xml %s "
		         ">%s.log 2>&1 && cmp right %s",
		         folder, readers[i], readers[i], readers[i], readers[i]);
		if (!runs(command))
			fail_msg("%s", command);
	}
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_true(runs(command));
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_disc_has_whole_sectors_and_its_label),
		cmocka_unit_test(names_that_no_disc_has_are_refused),
		cmocka_unit_test(other_programs_read_the_file_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
