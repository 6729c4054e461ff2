/* SPDX-License-Identifier: MIT */
/* Packed discs for a drive of a running machine: gzip, xz and zip make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/cd_image.c"
#include "tests/unit/vmformat/test_judge.h"

#define SIZE ((5u << 20) + 2048) /* several of gzip's units */

static unsigned roles_entered;

int sandbox_enter_role(enum sandbox_role role)
{
	assert_int_equal(role, SANDBOX_WORKER);
	roles_entered++;
	return 0;
}

struct rig {
	struct test_dir dir;
	struct loop *loop;
	struct cd_image *image;
	uint8_t *bytes;
	struct disk *disk;
	struct error error;
	unsigned told;
};

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	test_dir_init(&rig->dir);
	rig->loop = loop_new(NULL);
	rig->bytes = malloc(SIZE);
	assert_true(rig->loop && rig->bytes);
	for (uint32_t i = 0; i < SIZE; i++)
		rig->bytes[i] = (uint8_t)((i * 2654435761u >> 28) + i / 4096);
	memset(rig->bytes + 16 * 2048, 0, 4 * 2048);
	memcpy(rig->bytes + 16 * 2048, "\1CD001\1", 7);
	memcpy(rig->bytes + 17 * 2048, "\377CD001\1", 7);
	test_dir_write(&rig->dir, "a.iso", rig->bytes, SIZE);
	roles_entered = 0;
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	cd_image_free(rig->image);
	disk_close(rig->disk);
	loop_free(rig->loop);
	test_dir_free(&rig->dir);
	free(rig->bytes);
	free(rig);
	return 0;
}

static void ready(void *context, struct disk *disk, const struct error *e)
{
	struct rig *rig = context;

	rig->disk = disk;
	rig->error = *e;
	rig->told++;
	cd_image_free(rig->image); /* as its receivers do */
	rig->image = NULL;
}

static void start(struct rig *rig, const char *name)
{
	struct file file = test_dir_open(&rig->dir, name);

	assert_int_equal(cd_image_open(&file, rig->loop, ready, rig, &rig->image, &rig->error), 0);
	assert_int_equal(file.fd, -1);
}

static void insert(struct rig *rig, const char *name)
{
	start(rig, name);
	while (!rig->told)
		loop_run_once(rig->loop, 100);
	assert_int_equal(rig->told, 1);
	assert_int_equal(roles_entered, 1);
}

static void assert_inserted(struct rig *rig, const char *name)
{
	uint8_t *found = malloc(SIZE);

	assert_non_null(found);
	insert(rig, name);
	if (!rig->disk)
		fail_msg("%s", rig->error.text);
	assert_true(rig->disk->is_cdrom);
	assert_int_equal(rig->disk->capacity, SIZE);
	assert_int_equal(disk_read(rig->disk, 0, found, SIZE), 0);
	assert_memory_equal(found, rig->bytes, SIZE);
	free(found);
}

static void assert_refused(struct rig *rig, const char *name, const char *words)
{
	insert(rig, name);
	assert_null(rig->disk);
	assert_true(rig->error.code < 0);
	if (!strstr(rig->error.text, words))
		fail_msg("\"%s\" is not in: %s", words, rig->error.text);
}

static void pack(struct rig *rig, const char *program, const char *const *arguments)
{
	need_program(&rig->dir, program);
	assert_int_equal(run_in(&rig->dir, arguments), 0);
}

static void disc_in_gzip_is_read_by_an_index_in_memory(void **state)
{
	struct rig *rig = *state;

	pack(rig, "gzip", (const char *const[]){ "gzip", "-1", "a.iso", NULL });
	assert_inserted(rig, "a.iso.gz");
}

static void disc_in_xz_is_read_where_it_lies(void **state)
{
	struct rig *rig = *state;

	pack(rig, "xz", (const char *const[]){ "xz", "-0", "--block-size=1MiB", "a.iso", NULL });
	assert_inserted(rig, "a.iso.xz");
}

static void disc_that_is_stored_in_a_zip_is_read_where_it_lies(void **state)
{
	struct rig *rig = *state;

	pack(rig, "zip", (const char *const[]){ "zip", "-0", "a.zip", "a.iso", NULL });
	assert_inserted(rig, "a.zip");
}

static void disc_that_would_have_to_be_unpacked_is_refused_in_words(void **state)
{
	struct rig *rig = *state;

	pack(rig, "zip", (const char *const[]){ "zip", "-6", "a.zip", "a.iso", NULL });
	assert_refused(rig, "a.zip",
	               "a.zip was packed so that it can be read only from its beginning to its end. Unpack it");
}

static void machine_in_a_zip_is_no_disc(void **state)
{
	static const char text[] = "config.version = \"8\"\nmemsize = \"64\"\n";
	struct rig *rig = *state;

	test_dir_write(&rig->dir, "a.vmx", text, strlen(text));
	pack(rig, "zip", (const char *const[]){ "zip", "-0", "a.zip", "a.vmx", NULL });
	assert_refused(rig, "a.zip", "a.zip holds a machine, not a disc");
}

static void damaged_package_is_refused_in_words(void **state)
{
	struct rig *rig = *state;

	test_dir_write(&rig->dir, "a.iso.gz", "\x1f\x8b\x08\0\0\0\0\0\0\3garbage", 17);
	assert_refused(rig, "a.iso.gz", "a.iso.gz");
}

static void image_that_is_not_wanted_any_more_is_not_told(void **state)
{
	struct rig *rig = *state;

	pack(rig, "gzip", (const char *const[]){ "gzip", "-1", "a.iso", NULL });
	for (unsigned i = 0; i < 20; i++) {
		start(rig, "a.iso.gz");
		if (i % 2)
			usleep(i * 1000);
		cd_image_free(rig->image);
		rig->image = NULL;
		loop_run_once(rig->loop, 0);
		assert_int_equal(rig->told, 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(disc_in_gzip_is_read_by_an_index_in_memory),
		TEST(disc_in_xz_is_read_where_it_lies),
		TEST(disc_that_is_stored_in_a_zip_is_read_where_it_lies),
		TEST(disc_that_would_have_to_be_unpacked_is_refused_in_words),
		TEST(machine_in_a_zip_is_no_disc),
		TEST(damaged_package_is_refused_in_words),
		TEST(image_that_is_not_wanted_any_more_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
