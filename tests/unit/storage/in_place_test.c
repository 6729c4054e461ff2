/* SPDX-License-Identifier: MIT */
/*
 * Disks that are written in place: thousands of random requests through the engine into disks that qemu-img made,
 * against a plain copy in memory; then qemu-img checks them and reads the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/storage/overlay_guest.h"
#include "tests/unit/vmformat/test_writable.h"

#define PIECE 2147418112ull                     /* as qemu-img splits a disk */
#define CAPACITY (PIECE + (40ull << 20) + 1536) /* the last grain is cut */

struct in_place {
	struct test_writable files;
	const char *format, *name; /* as qemu-img calls it; of the disk */
};

static void run(const struct guest *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A command in the test's folder, which must succeed. */
static void run(const struct guest *g, const char *format, ...)
{
	char command[512], all[640];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	snprintf(all, sizeof(all), "cd %s && { %s; } >messages 2>&1 || { cat messages; false; }", g->rig.folder,
	         command);
	assert_int_equal(system(all), 0);
}

static struct disk *open_in_place(struct guest *g)
{
	const struct in_place *p = g->context;
	struct error e = { 0 };
	struct disk *disk = NULL;

	if (disk_open_in_place(p->name, &p->files.files, &disk, &e) < 0)
		fail_msg("%s", e.text);
	return disk;
}

static void judge(struct guest *g)
{
	const struct in_place *p = g->context;
	char path[128];
	int fd;

	run(g, "cp --sparse=always base.raw expected.raw");
	snprintf(path, sizeof(path), "%s/expected.raw", g->rig.folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (unsigned w = 0; w < WINDOWS; w++)
		assert_int_equal(pwrite(fd, g->model[w], WINDOW, (off_t)g->windows[w]), WINDOW);
	close(fd);
	if (strcmp(p->format, "raw") != 0)
		run(g, "qemu-img check -q -f %s %s", p->format, p->name);
	run(g, "qemu-img compare -q -f raw -F %s expected.raw %s", p->format, p->name);
	run(g, "! test -e copy.vmdk || cmp parent.vmdk copy.vmdk"); /* a parent is as it was */
}

/* make: the shell command that makes `name` of base.raw. */
static void days(const char *make, const char *format, const char *name, bool threads)
{
	struct in_place p = { .format = format, .name = name };
	struct guest *g;

	RIG_NEEDS_QEMU_IMG();
	g = calloc(1, sizeof(*g));
	assert_non_null(g);
	*g = (struct guest){ .open_base = open_in_place,
		             .in_place = true,
		             .judge = judge,
		             .context = &p,
		             .windows = { 0, PIECE - WINDOW / 2 - 512, CAPACITY - WINDOW } };
	rig_init(&g->rig, CAPACITY);
	for (unsigned w = 0; w < WINDOWS; w++) {
		static uint8_t data[WINDOW];
		uint64_t seed = w + 1;

		rig_fill(&seed, data, sizeof(data));
		rig_write_base(&g->rig, g->windows[w], data, sizeof(data)); /* with holes */
	}
	run(g, "%s", make);
	test_writable_init(&p.files, g->rig.folder);
	guest_start(g, 0xbeef, threads);
	guest_days(g, 2, 1000);
	guest_stop(g);
	test_writable_free(&p.files);
	rig_clean(&g->rig);
	free(g);
}

#define CONVERT(options, name) "qemu-img convert -f raw -O vmdk -o " options " base.raw " name

static void raw_disk_takes_random_requests(void **state)
{
	(void)state;
	days("cp --sparse=always base.raw disk.img", "raw", "disk.img", false);
}

static void monolithic_flat_disk_takes_random_requests(void **state)
{
	(void)state;
	days(CONVERT("subformat=monolithicFlat", "disk.vmdk"), "vmdk", "disk.vmdk", false);
}

static void monolithic_sparse_disk_takes_random_requests(void **state)
{
	(void)state;
	days(CONVERT("subformat=monolithicSparse", "disk.vmdk"), "vmdk", "disk.vmdk", false);
}

static void monolithic_sparse_disk_takes_random_requests_from_four_workers(void **state)
{
	(void)state;
	days(CONVERT("subformat=monolithicSparse", "disk.vmdk"), "vmdk", "disk.vmdk", true);
}

static void blank_grains_with_zeros_flag_take_random_requests(void **state)
{
	(void)state;
	days(CONVERT("subformat=monolithicSparse,zeroed_grain=on", "disk.vmdk"), "vmdk", "disk.vmdk", false);
}

static void split_sparse_disk_takes_random_requests(void **state)
{
	(void)state;
	days(CONVERT("subformat=twoGbMaxExtentSparse", "disk.vmdk"), "vmdk", "disk.vmdk", true);
}

static void split_flat_disk_takes_random_requests(void **state)
{
	(void)state;
	days(CONVERT("subformat=twoGbMaxExtentFlat", "disk.vmdk"), "vmdk", "disk.vmdk", true);
}

/* The base is as it was: qemu-img, which checks its CID, opens the chain. */
static void delta_takes_random_requests_and_leaves_its_parent(void **state)
{
	(void)state;
	days(CONVERT("subformat=monolithicSparse",
	             "parent.vmdk") " && cp parent.vmdk copy.vmdk && "
	                            "qemu-img create -f vmdk -F vmdk -b parent.vmdk disk.vmdk",
	     "vmdk", "disk.vmdk", true);
}

static void delta_that_can_say_zeros_takes_random_requests(void **state)
{
	(void)state;
	days(CONVERT("subformat=monolithicSparse",
	             "parent.vmdk") " && "
	                            "qemu-img create -f vmdk -o zeroed_grain=on -F vmdk -b parent.vmdk disk.vmdk",
	     "vmdk", "disk.vmdk", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_disk_takes_random_requests),
		cmocka_unit_test(monolithic_flat_disk_takes_random_requests),
		cmocka_unit_test(monolithic_sparse_disk_takes_random_requests),
		cmocka_unit_test(monolithic_sparse_disk_takes_random_requests_from_four_workers),
		cmocka_unit_test(blank_grains_with_zeros_flag_take_random_requests),
		cmocka_unit_test(split_sparse_disk_takes_random_requests),
		cmocka_unit_test(split_flat_disk_takes_random_requests),
		cmocka_unit_test(delta_takes_random_requests_and_leaves_its_parent),
		cmocka_unit_test(delta_that_can_say_zeros_takes_random_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
