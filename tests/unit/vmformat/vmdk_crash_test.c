/* SPDX-License-Identifier: MIT */
/*
 * The order of writes of a sparse VMDK in place: each prefix of what was done to the file, and prefixes of which
 * writes since the last sync are missing, must be a disk that qemu-img check finds nothing in, and that has all
 * that was flushed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/overlay_rig.h"

#include "tests/unit/crash_rig.h"
#include "tests/unit/vmformat/test_writable.h"

#define TABLE_SPAN (32ull << 20) /* under one grain table */
#define CAPACITY (2 * TABLE_SPAN + (1u << 20) + 512)
#define UNCLEAN 72 /* the byte of the header */

static const uint64_t windows[WINDOWS] = { 0, TABLE_SPAN - (256u << 10), 2 * TABLE_SPAN + (512u << 10) };

struct fixture {
	struct rig rig;
	struct test_writable files;
	struct record log;
	struct model model;
};

static struct disk *open_disk(struct fixture *f)
{
	struct error e = { 0 };
	struct disk *disk = NULL;

	if (disk_open_in_place("overlay.qcow2", &f->files.files, &disk, &e) < 0)
		fail_msg("%s", e.text);
	return disk;
}

static uint8_t unclean(const struct rig *rig)
{
	int fd = rig_overlay_fd(rig);
	uint8_t byte = 0xff;

	assert_int_equal(pread(fd, &byte, 1, UNCLEAN), 1);
	close(fd);
	return byte;
}

static void run(struct fixture *f, uint64_t seed)
{
	struct disk_io io = recorder(&f->log);
	struct disk *disk = open_disk(f);

	disk->writer->set_io(disk, &io);
	run_operations(disk, &io, &f->log, &f->model, seed);
	assert_int_equal(unclean(&f->rig), 1);
	disk_close(disk);
	assert_int_equal(unclean(&f->rig), 0);
}

static struct fixture *make_run(uint64_t seed)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char command[256];

	assert_non_null(f);
	f->model.windows = windows;
	rig_init(&f->rig, CAPACITY);
	write_base(&f->rig, &f->model);
	snprintf(f->rig.origin_path, sizeof(f->rig.origin_path), "%s/origin.vmdk", f->rig.folder);
	snprintf(command, sizeof(command), "qemu-img convert -f raw -O vmdk %s %s", f->rig.base_path,
	         f->rig.origin_path);
	assert_int_equal(system(command), 0);
	rig_copy(f->rig.origin_path, f->rig.overlay_path);
	test_writable_init(&f->files, f->rig.folder);
	run(f, seed);
	return f;
}

static void free_run(struct fixture *f)
{
	test_writable_free(&f->files);
	record_free(&f->log);
	rig_clean(&f->rig);
	free(f);
}

/* And it can be used: a session after the crash finds all, writes, and closes the file properly. */
static void judge(struct fixture *f, unsigned flushes)
{
	uint8_t sector[DISK_SECTOR];
	struct disk *disk;

	assert_int_equal(rig_check_as("vmdk", f->rig.overlay_path), RIG_SOUND);
	disk = open_disk(f);
	assert_holds(&f->model, disk, flushes);
	assert_int_equal(disk_read(disk, windows[1], sector, sizeof(sector)), 0);
	assert_int_equal(rig_write(disk, NULL, windows[1], sector, sizeof(sector)), 0);
	assert_int_equal(disk->writer->flush(disk), 0);
	disk_close(disk);
	assert_int_equal(unclean(&f->rig), 0);
	assert_int_equal(rig_check_as("vmdk", f->rig.overlay_path), RIG_SOUND);
	disk = open_disk(f);
	assert_holds(&f->model, disk, flushes);
	disk_close(disk);
}

static void vmdk_of_every_prefix_of_its_writes_has_all_that_was_flushed(void **state)
{
	struct fixture *f;

	(void)state;
	RIG_NEEDS_QEMU_IMG();
	f = make_run(0x1234567);
	assert_true(f->model.flushes > 10);
	for (size_t n = 0; n <= f->log.count; n++) {
		crash(&f->rig, &f->log, n, NULL);
		judge(f, flushes_in(&f->log, n));
	}
	free_run(f);
}

static void vmdk_survives_power_loss_that_drops_unsynced_writes(void **state)
{
	uint64_t lose = 77;
	struct fixture *f;

	(void)state;
	RIG_NEEDS_QEMU_IMG();
	for (uint64_t seed = 1; seed <= 2; seed++) {
		f = make_run(seed * 0x9e3779b97f4a7c15);
		for (unsigned i = 0; i < 60; i++) {
			size_t n = (size_t)(rig_random(&lose) % (f->log.count + 1));

			crash(&f->rig, &f->log, n, &lose);
			judge(f, flushes_in(&f->log, n));
		}
		free_run(f);
	}
}

/* Whatever of a session is on the disk, the mark and the new content ID are, too. */
static void nothing_is_written_before_the_mark_and_the_content_id(void **state)
{
	struct fixture *f;
	size_t syncs = 0;

	(void)state;
	RIG_NEEDS_QEMU_IMG();
	f = make_run(5);
	for (size_t i = 0; i < f->log.count && syncs < 2; i++) {
		const struct event *event = &f->log.events[i];

		if (event->kind == SYNC)
			syncs++;
		else if (event->kind == WRITE)
			assert_true(event->length == 8 || (event->length == 1 && event->offset == UNCLEAN));
		else
			assert_int_equal(event->kind, FLUSHED); /* with nothing written yet */
	}
	assert_int_equal(syncs, 2);
	free_run(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmdk_of_every_prefix_of_its_writes_has_all_that_was_flushed),
		cmocka_unit_test(vmdk_survives_power_loss_that_drops_unsynced_writes),
		cmocka_unit_test(nothing_is_written_before_the_mark_and_the_content_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
