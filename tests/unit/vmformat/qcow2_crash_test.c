/* SPDX-License-Identifier: MIT */
/*
 * The order of writes: everything that an overlay does to its file is recorded; then each prefix of the record, and
 * prefixes of which writes since the last sync are missing, as when the power goes, must still be an overlay that
 * qemu-img check finds at most leaks in, and that has all that was flushed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/overlay_rig.h"

#include "tests/unit/crash_rig.h"

#define L2_SPAN (512ull << 20)
#define CAPACITY (2 * L2_SPAN + (1u << 20))
static const uint64_t windows[WINDOWS] = { 0, L2_SPAN - (256u << 10), 2 * L2_SPAN + (512u << 10) };

/* From the first flush of an empty file on. */
static void run(struct rig *rig, struct record *log, struct model *m, uint64_t seed)
{
	struct disk_io io = recorder(log);
	struct disk *overlay = rig_open(rig);

	qcow2_set_io(overlay, &io);
	run_operations(overlay, &io, log, m, seed);
	disk_close(overlay);
}

/* ---- judging ---- */

static bool header_written(const struct rig *rig)
{
	uint8_t magic[4] = { 0 };
	int fd = rig_overlay_fd(rig);
	ssize_t n = pread(fd, magic, 4, 0);

	close(fd);
	return n == 4 && be32_load(magic) == 0x514649fb;
}

/* Before the very first flush ended, there is no qcow2 file yet: it starts anew, and nothing was promised. */
static void judge(struct rig *rig, const struct model *m, unsigned flushes)
{
	struct disk *overlay;

	if (header_written(rig)) {
		enum rig_verdict verdict = rig_check(rig->overlay_path);

		assert_true(verdict == RIG_SOUND || verdict == RIG_LEAKS);
	} else {
		assert_int_equal(flushes, 0);
	}
	overlay = rig_open(rig);
	assert_holds(m, overlay, flushes);
	/* And it can be used: leaks are found again. */
	assert_int_equal(qcow2_flush(overlay), 0);
	disk_close(overlay);
	assert_int_equal(rig_check(rig->overlay_path), RIG_SOUND);
}

struct fixture {
	struct rig rig;
	struct record log;
	struct model model;
};

static struct fixture *make_run(uint64_t seed)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->model.windows = windows;
	rig_init(&f->rig, CAPACITY);
	write_base(&f->rig, &f->model);
	run(&f->rig, &f->log, &f->model, seed);
	return f;
}

static void free_run(struct fixture *f)
{
	record_free(&f->log);
	rig_clean(&f->rig);
	free(f);
}

static void overlay_of_every_prefix_of_its_writes_has_all_that_was_flushed(void **state)
{
	struct fixture *f;

	(void)state;
	RIG_NEEDS_QEMU_IMG();
	f = make_run(0x1234567);
	assert_true(f->model.flushes > 10);
	for (size_t n = 0; n <= f->log.count; n++) {
		crash(&f->rig, &f->log, n, NULL);
		judge(&f->rig, &f->model, flushes_in(&f->log, n));
	}
	free_run(f);
}

static void overlay_survives_power_loss_that_drops_unsynced_writes(void **state)
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
			judge(&f->rig, &f->model, flushes_in(&f->log, n));
		}
		free_run(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlay_of_every_prefix_of_its_writes_has_all_that_was_flushed),
		cmocka_unit_test(overlay_survives_power_loss_that_drops_unsynced_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
