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

#define CLUSTER QCOW2_CLUSTER
#define L2_SPAN (512ull << 20)
#define CAPACITY (2 * L2_SPAN + (1u << 20))
#define WINDOWS 3
#define WINDOW_SECTORS 1024 /* 512 KiB of the disk at each place that is written to */
#define SECTORS (WINDOWS * WINDOW_SECTORS)
#define OPERATIONS 80

static const uint64_t windows[WINDOWS] = { 0, L2_SPAN - (256u << 10), 2 * L2_SPAN + (512u << 10) };

/* ---- the record ---- */

enum event_kind { WRITE, SYNC, SIZE, PUNCH, FLUSHED };

struct event {
	enum event_kind kind;
	uint64_t offset, length;
	uint8_t *data;
};

struct record {
	struct event events[8192];
	size_t count;
};

static void record(struct record *log, enum event_kind kind, uint64_t offset, uint64_t length, const void *data)
{
	struct event *e = &log->events[log->count++];

	assert_true(log->count < ARRAY_SIZE(log->events));
	*e = (struct event){ kind, offset, length, NULL };
	if (data) {
		e->data = malloc(length);
		assert_non_null(e->data);
		memcpy(e->data, data, length);
	}
}

static ssize_t record_pwrite(void *context, int fd, const void *data, size_t length, off_t offset)
{
	record(context, WRITE, (uint64_t)offset, length, data);
	return pwrite(fd, data, length, offset);
}

static int record_fdatasync(void *context, int fd)
{
	(void)fd;
	record(context, SYNC, 0, 0, NULL);
	return 0;
}

static int record_ftruncate(void *context, int fd, off_t size)
{
	record(context, SIZE, (uint64_t)size, 0, NULL);
	return ftruncate(fd, size);
}

static int record_punch(void *context, int fd, off_t offset, off_t length)
{
	record(context, PUNCH, (uint64_t)offset, (uint64_t)length, NULL);
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

static void apply(int fd, const struct event *e)
{
	switch (e->kind) {
	case WRITE:
		assert_int_equal(pwrite(fd, e->data, e->length, (off_t)e->offset), (ssize_t)e->length);
		break;
	case SIZE:
		assert_int_equal(ftruncate(fd, (off_t)e->offset), 0);
		break;
	case PUNCH:
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)e->offset, (off_t)e->length);
		break;
	default:
		break;
	}
}

/* ---- what each sector may hold ---- */

/* A sector is filled with its tag; 0 is zeros. tags[s] are all that it ever had, the newest last. */
struct history {
	uint64_t tags[64];
	unsigned count;
};

struct model {
	struct history sectors[SECTORS];
	/* durable[f][s]: which of them was the newest when flush f had ended. */
	uint8_t durable[64][SECTORS];
	unsigned flushes;
};

static uint64_t sector_offset(unsigned sector)
{
	return windows[sector / WINDOW_SECTORS] + (uint64_t)(sector % WINDOW_SECTORS) * DISK_SECTOR;
}

static void fill_sector(uint8_t *to, uint64_t tag)
{
	for (unsigned i = 0; i < DISK_SECTOR; i += 8)
		le64_store(to + i, tag);
}

static void remember(struct model *m, unsigned sector, uint64_t tag)
{
	struct history *h = &m->sectors[sector];

	assert_true(h->count < ARRAY_SIZE(h->tags));
	h->tags[h->count++] = tag;
}

/* The content of all sectors must be their newest durable one, or a later one. */
static void assert_holds(const struct model *m, struct disk *overlay, unsigned flushes)
{
	static uint8_t data[WINDOW_SECTORS * DISK_SECTOR];

	for (unsigned s = 0; s < SECTORS; s++) {
		const struct history *h = &m->sectors[s];
		const uint8_t *at = data + s % WINDOW_SECTORS * DISK_SECTOR;
		unsigned oldest = flushes ? m->durable[flushes - 1][s] : 0;
		bool found = false;

		if (s % WINDOW_SECTORS == 0)
			assert_int_equal(disk_read(overlay, sector_offset(s), data, sizeof(data)), 0);
		for (unsigned i = 8; i < DISK_SECTOR; i += 8)
			assert_int_equal(le64_load(at + i), le64_load(at));
		for (unsigned i = oldest; i < h->count && !found; i++)
			found = h->tags[i] == le64_load(at);
		if (!found)
			print_error("sector %u has %llx\n", s, (unsigned long long)le64_load(at));
		assert_true(found);
	}
}

/* ---- the run that is recorded ---- */

static void write_base(struct rig *rig, struct model *m)
{
	static uint8_t data[WINDOW_SECTORS * DISK_SECTOR];

	for (unsigned w = 0; w < WINDOWS; w++) {
		for (unsigned i = 0; i < WINDOW_SECTORS; i++)
			fill_sector(data + i * DISK_SECTOR, 0xba5e000000000000 | (w * WINDOW_SECTORS + i));
		rig_write_base(rig, windows[w], data, sizeof(data));
		for (unsigned i = 0; i < WINDOW_SECTORS; i++)
			remember(m, w * WINDOW_SECTORS + i, le64_load(data + i * DISK_SECTOR));
	}
}

static void write_some(struct disk *overlay, const struct disk_io *io, struct model *m, uint64_t *seed)
{
	static uint8_t data[WINDOW_SECTORS * DISK_SECTOR];
	unsigned window = (unsigned)(rig_random(seed) % WINDOWS), first = (unsigned)(rig_random(seed) % WINDOW_SECTORS);
	unsigned count = 1 + (unsigned)(rig_random(seed) % (rig_random(seed) % 4 ? 16 : 400));

	count = MIN(count, WINDOW_SECTORS - first);
	for (unsigned i = 0; i < count; i++) {
		uint64_t tag = rig_random(seed);

		fill_sector(data + i * DISK_SECTOR, tag);
		remember(m, window * WINDOW_SECTORS + first + i, tag);
	}
	assert_int_equal(rig_write(overlay, io, windows[window] + first * DISK_SECTOR, data, count * DISK_SECTOR), 0);
}

static void zero_some(struct disk *overlay, struct model *m, uint64_t *seed)
{
	enum { PER_CLUSTER = CLUSTER / DISK_SECTOR };
	unsigned window = (unsigned)(rig_random(seed) % WINDOWS);
	unsigned first = (unsigned)(rig_random(seed) % (WINDOW_SECTORS / PER_CLUSTER)) * PER_CLUSTER;

	for (unsigned i = 0; i < PER_CLUSTER; i++)
		remember(m, window * WINDOW_SECTORS + first + i, 0);
	assert_int_equal(qcow2_zero(overlay, windows[window] + first * DISK_SECTOR, CLUSTER), 0);
}

static void flush(struct disk *overlay, struct record *log, struct model *m)
{
	assert_int_equal(qcow2_flush(overlay), 0);
	for (unsigned s = 0; s < SECTORS; s++)
		m->durable[m->flushes][s] = (uint8_t)(m->sectors[s].count - 1);
	m->flushes++;
	record(log, FLUSHED, 0, 0, NULL);
}

/* From the first flush of an empty file on. */
static void run(struct rig *rig, struct record *log, struct model *m, uint64_t seed)
{
	struct disk_io io = { record_pwrite, record_fdatasync, record_ftruncate, record_punch, log };
	struct disk *overlay = rig_open(rig);

	qcow2_set_io(overlay, &io);
	for (unsigned i = 0; i < OPERATIONS; i++) {
		uint64_t dice = rig_random(&seed) % 16;

		if (dice < 3)
			flush(overlay, log, m);
		else if (dice < 6)
			zero_some(overlay, m, &seed);
		else
			write_some(overlay, &io, m, &seed);
	}
	flush(overlay, log, m);
	disk_close(overlay);
}

/* ---- the crash ---- */

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

/* The file after the first `count` events; of those since the last sync, lose picks which did not make it. */
static void crash(struct rig *rig, const struct record *log, size_t count, uint64_t *lose)
{
	size_t synced = 0;
	int fd;

	for (size_t i = 0; i < count; i++)
		if (log->events[i].kind == SYNC)
			synced = i;
	unlink(rig->overlay_path);
	fd = rig_overlay_fd(rig);
	for (size_t i = 0; i < count; i++)
		if (i < synced || !lose || rig_random(lose) % 2)
			apply(fd, &log->events[i]);
	close(fd);
}

static unsigned flushes_in(const struct record *log, size_t count)
{
	unsigned flushes = 0;

	for (size_t i = 0; i < count; i++)
		flushes += log->events[i].kind == FLUSHED;
	return flushes;
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
	rig_init(&f->rig, CAPACITY);
	write_base(&f->rig, &f->model);
	run(&f->rig, &f->log, &f->model, seed);
	return f;
}

static void free_run(struct fixture *f)
{
	for (size_t i = 0; i < f->log.count; i++)
		free(f->log.events[i].data);
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
