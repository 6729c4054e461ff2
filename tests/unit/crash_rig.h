/* SPDX-License-Identifier: MIT */
/*
 * For tests of what a power cut leaves: everything that a writable disk does to its one file (rig->overlay_path,
 * which began as rig->origin_path, or empty) is recorded; then any prefix of the record, with or without some of
 * the writes since the last sync, is played into a new file. Everything asserts (cmocka). Include
 * tests/unit/overlay_rig.h before this file.
 */
#ifndef VITRINE_CRASH_RIG_H
#define VITRINE_CRASH_RIG_H

#define CRASH_HELPER __attribute__((unused)) static
#define CRASH_UNIT 65536u /* bytes that are zeroed at once: a cluster, or a usual grain */

#define WINDOWS 3
#define WINDOW_SECTORS 1024 /* 512 KiB of the disk at each place that is written to */
#define SECTORS (WINDOWS * WINDOW_SECTORS)
#define OPERATIONS 80

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

CRASH_HELPER void record(struct record *log, enum event_kind kind, uint64_t offset, uint64_t length, const void *data)
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

CRASH_HELPER ssize_t record_pwrite(void *context, int fd, const void *data, size_t length, off_t offset)
{
	record(context, WRITE, (uint64_t)offset, length, data);
	return pwrite(fd, data, length, offset);
}

CRASH_HELPER int record_fdatasync(void *context, int fd)
{
	(void)fd;
	record(context, SYNC, 0, 0, NULL);
	return 0;
}

CRASH_HELPER int record_ftruncate(void *context, int fd, off_t size)
{
	record(context, SIZE, (uint64_t)size, 0, NULL);
	return ftruncate(fd, size);
}

CRASH_HELPER int record_punch(void *context, int fd, off_t offset, off_t length)
{
	record(context, PUNCH, (uint64_t)offset, (uint64_t)length, NULL);
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

CRASH_HELPER void apply(int fd, const struct event *e)
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
	const uint64_t *windows; /* of WINDOW_SECTORS each: where the disk is written */
	struct history sectors[SECTORS];
	/* durable[f][s]: which of them was the newest when flush f had ended. */
	uint8_t durable[64][SECTORS];
	unsigned flushes;
};

CRASH_HELPER uint64_t sector_offset(const struct model *m, unsigned sector)
{
	return m->windows[sector / WINDOW_SECTORS] + (uint64_t)(sector % WINDOW_SECTORS) * DISK_SECTOR;
}

CRASH_HELPER void fill_sector(uint8_t *to, uint64_t tag)
{
	for (unsigned i = 0; i < DISK_SECTOR; i += 8)
		le64_store(to + i, tag);
}

CRASH_HELPER void remember(struct model *m, unsigned sector, uint64_t tag)
{
	struct history *h = &m->sectors[sector];

	assert_true(h->count < ARRAY_SIZE(h->tags));
	h->tags[h->count++] = tag;
}

/* The content of all sectors must be their newest durable one, or a later one. */
CRASH_HELPER void assert_holds(const struct model *m, struct disk *disk, unsigned flushes)
{
	static uint8_t data[WINDOW_SECTORS * DISK_SECTOR];

	for (unsigned s = 0; s < SECTORS; s++) {
		const struct history *h = &m->sectors[s];
		const uint8_t *at = data + s % WINDOW_SECTORS * DISK_SECTOR;
		unsigned oldest = flushes ? m->durable[flushes - 1][s] : 0;
		bool found = false;

		if (s % WINDOW_SECTORS == 0)
			assert_int_equal(disk_read(disk, sector_offset(m, s), data, sizeof(data)), 0);
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

CRASH_HELPER void write_base(struct rig *rig, struct model *m)
{
	static uint8_t data[WINDOW_SECTORS * DISK_SECTOR];

	for (unsigned w = 0; w < WINDOWS; w++) {
		for (unsigned i = 0; i < WINDOW_SECTORS; i++)
			fill_sector(data + i * DISK_SECTOR, 0xba5e000000000000 | (w * WINDOW_SECTORS + i));
		rig_write_base(rig, m->windows[w], data, sizeof(data));
		for (unsigned i = 0; i < WINDOW_SECTORS; i++)
			remember(m, w * WINDOW_SECTORS + i, le64_load(data + i * DISK_SECTOR));
	}
}

CRASH_HELPER void write_some(struct disk *disk, const struct disk_io *io, struct model *m, uint64_t *seed)
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
	assert_int_equal(rig_write(disk, io, m->windows[window] + first * DISK_SECTOR, data, count * DISK_SECTOR), 0);
}

CRASH_HELPER void zero_some(struct disk *disk, struct model *m, uint64_t *seed)
{
	enum { PER_CLUSTER = CRASH_UNIT / DISK_SECTOR };
	unsigned window = (unsigned)(rig_random(seed) % WINDOWS);
	unsigned first = (unsigned)(rig_random(seed) % (WINDOW_SECTORS / PER_CLUSTER)) * PER_CLUSTER;

	for (unsigned i = 0; i < PER_CLUSTER; i++)
		remember(m, window * WINDOW_SECTORS + first + i, 0);
	assert_int_equal(disk->writer->zero(disk, m->windows[window] + first * DISK_SECTOR, CRASH_UNIT), 0);
}

CRASH_HELPER void flush(struct disk *disk, struct record *log, struct model *m)
{
	assert_int_equal(disk->writer->flush(disk), 0);
	for (unsigned s = 0; s < SECTORS; s++)
		m->durable[m->flushes][s] = (uint8_t)(m->sectors[s].count - 1);
	m->flushes++;
	record(log, FLUSHED, 0, 0, NULL);
}

/* What a guest does: writes, zeros, flushes. The last flush is at the end. */
CRASH_HELPER void run_operations(struct disk *disk, const struct disk_io *io, struct record *log, struct model *m,
                                 uint64_t seed)
{
	for (unsigned i = 0; i < OPERATIONS; i++) {
		uint64_t dice = rig_random(&seed) % 16;

		if (dice < 3)
			flush(disk, log, m);
		else if (dice < 6)
			zero_some(disk, m, &seed);
		else
			write_some(disk, io, m, &seed);
	}
	flush(disk, log, m);
}

CRASH_HELPER struct disk_io recorder(struct record *log)
{
	return (struct disk_io){ record_pwrite, record_fdatasync, record_ftruncate, record_punch, log };
}

/* ---- the crash ---- */

/* The file after the first `count` events; of those since the last sync, lose picks which did not make it. */
CRASH_HELPER void crash(struct rig *rig, const struct record *log, size_t count, uint64_t *lose)
{
	size_t synced = 0;
	int fd;

	for (size_t i = 0; i < count; i++)
		if (log->events[i].kind == SYNC)
			synced = i;
	unlink(rig->overlay_path);
	if (*rig->origin_path)
		rig_copy(rig->origin_path, rig->overlay_path);
	fd = rig_overlay_fd(rig);
	for (size_t i = 0; i < count; i++)
		if (i < synced || !lose || rig_random(lose) % 2)
			apply(fd, &log->events[i]);
	close(fd);
}

CRASH_HELPER unsigned flushes_in(const struct record *log, size_t count)
{
	unsigned flushes = 0;

	for (size_t i = 0; i < count; i++)
		flushes += log->events[i].kind == FLUSHED;
	return flushes;
}

CRASH_HELPER void record_free(struct record *log)
{
	for (size_t i = 0; i < log->count; i++)
		free(log->events[i].data);
}

#endif
