/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/overlay_rig.h"

#include <dirent.h>
#include <pthread.h>

#include "core/device.h"
#include "core/loop.h"
#include "core/storage/block.h"

#define CAPACITY (4u << 20)

/* ---- a drive that remembers what it was told ---- */

struct drive {
	struct device device;
	unsigned done, changed, asked;
	int result;
	bool locked_in_callback;
};

static void note(struct drive *d)
{
	/* The engine holds the lock for us: nobody else gets it. */
	d->locked_in_callback = pthread_mutex_trylock(&d->device.lock) == EBUSY;
}

static void drive_done(struct device *device, struct block_request *r, int result)
{
	struct drive *d = container_of(device, struct drive, device);

	(void)r;
	note(d);
	d->done++;
	d->result = result;
}

static void drive_changed(struct device *device, struct block *b)
{
	struct drive *d = container_of(device, struct drive, device);

	(void)b;
	note(d);
	d->changed++;
}

static void drive_asked(struct device *device, struct block *b)
{
	struct drive *d = container_of(device, struct drive, device);

	(void)b;
	note(d);
	d->asked++;
}

static const struct block_drive_ops drive_ops = { drive_changed, drive_asked };

static void count_change(void *context, struct block *b)
{
	unsigned *count = context;

	(void)b;
	(*count)++;
}

/* ---- the fixture: a synchronous engine, a drive, a base of random bytes ---- */

struct fixture {
	struct rig rig;
	struct drive drive;
	struct block_engine *engine;
	struct block *block;
	struct block_request request;
	struct iovec iov;
	uint8_t data[CAPACITY], buffer[CAPACITY];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	uint64_t seed = 42;

	assert_non_null(f);
	rig_init(&f->rig, CAPACITY);
	rig_fill(&seed, f->data, CAPACITY);
	rig_write_base(&f->rig, 0, f->data, CAPACITY);
	pthread_mutex_init(&f->drive.device.lock, NULL);
	f->engine = block_engine_new(NULL, 0);
	assert_non_null(f->engine);
	f->block = block_new(f->engine, "ide1:0");
	assert_non_null(f->block);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	block_free(f->block);
	block_engine_free(f->engine);
	pthread_mutex_destroy(&f->drive.device.lock);
	rig_clean(&f->rig);
	free(f);
	return 0;
}

static void put_in(struct fixture *f, bool writable)
{
	struct error e = { 0 };

	assert_int_equal(
		block_set_medium(f->block, rig_open_base(&f->rig), writable ? rig_overlay_fd(&f->rig) : -1, &e), 0);
}

static void submit(struct fixture *f, enum block_op op, uint64_t offset, uint32_t length)
{
	f->iov = (struct iovec){ f->buffer, MIN(length, CAPACITY) };
	f->request = (struct block_request){ .op = op,
		                             .offset = offset,
		                             .length = length,
		                             .iov = &f->iov,
		                             .iov_count = 1,
		                             .device = &f->drive.device,
		                             .done = drive_done };
	block_submit(f->block, &f->request);
}

static int perform(struct fixture *f, enum block_op op, uint64_t offset, uint32_t length)
{
	unsigned before = f->drive.done;

	submit(f, op, offset, length);
	assert_int_equal(f->drive.done, before);
	block_poll(f->engine);
	assert_int_equal(f->drive.done, before + 1);
	assert_true(f->drive.locked_in_callback);
	return f->drive.result;
}

/* ---- results ---- */

static void block_without_medium_says_so(void **state)
{
	struct fixture *f = *state;

	assert_false(block_has_medium(f->block));
	assert_true(block_read_only(f->block));
	assert_int_equal(block_capacity(f->block), 0);
	assert_int_equal(perform(f, BLOCK_READ, 0, 512), -ENOMEDIUM);
	assert_int_equal(perform(f, BLOCK_FLUSH, 0, 0), -ENOMEDIUM);
}

static void block_reads_stored_packed_and_zero_stretches(void **state)
{
	struct fixture *f = *state;

	put_in(f, false);
	assert_true(block_has_medium(f->block));
	assert_int_equal(block_capacity(f->block), CAPACITY);
	assert_int_equal(perform(f, BLOCK_READ, 0, CAPACITY), 0);
	assert_memory_equal(f->buffer, f->data, CAPACITY);
	assert_int_equal(perform(f, BLOCK_READ, 2 * RIG_STRETCH + 1024, 512), 0);
	assert_memory_equal(f->buffer, f->data + 2 * RIG_STRETCH + 1024, 512);
}

static void block_reads_into_a_thousand_pieces(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[BLOCK_MAX_IOV];
	uint32_t length = 0;

	put_in(f, false);
	for (unsigned i = 0; i < BLOCK_MAX_IOV; i++) {
		iov[i] = (struct iovec){ f->buffer + length, i % 5 * 200 };
		length += i % 5 * 200;
	}
	iov[BLOCK_MAX_IOV - 1].iov_len += 512 - length % 512;
	length += 512 - length % 512;
	f->request = (struct block_request){ .op = BLOCK_READ,
		                             .offset = 512,
		                             .length = length,
		                             .iov = iov,
		                             .iov_count = BLOCK_MAX_IOV,
		                             .device = &f->drive.device,
		                             .done = drive_done };
	block_submit(f->block, &f->request);
	assert_int_equal(block_poll(f->engine), 1);
	assert_int_equal(f->drive.result, 0);
	assert_memory_equal(f->buffer, f->data + 512, length);
}

static void block_read_only_medium_refuses_writes(void **state)
{
	struct fixture *f = *state;

	put_in(f, false);
	assert_int_equal(perform(f, BLOCK_WRITE, 0, 512), -EROFS);
	assert_int_equal(perform(f, BLOCK_DISCARD, 0, 512), -EROFS);
	assert_int_equal(perform(f, BLOCK_FLUSH, 0, 0), 0);
}

static void block_keeps_writes_that_nobody_flushed_and_only_those(void **state)
{
	struct fixture *f = *state;

	put_in(f, true);
	block_keep(f->block);
	assert_int_equal(block_poll(f->engine), 0); /* nothing to keep */
	assert_int_equal(perform(f, BLOCK_WRITE, 0, 512), 0);
	block_keep(f->block);
	block_keep(f->block);
	assert_int_equal(block_poll(f->engine), 1);
	block_keep(f->block);
	assert_int_equal(block_poll(f->engine), 0);
	assert_int_equal(perform(f, BLOCK_WRITE, 0, 512), 0);
	assert_int_equal(perform(f, BLOCK_FLUSH, 0, 0), 0);
	block_keep(f->block);
	assert_int_equal(block_poll(f->engine), 0); /* the guest did */
}

static void block_bad_ranges_are_io_errors(void **state)
{
	struct fixture *f = *state;

	put_in(f, true);
	assert_int_equal(perform(f, BLOCK_READ, CAPACITY, 512), -EIO);
	assert_int_equal(perform(f, BLOCK_READ, CAPACITY - 512, 1024), -EIO);
	assert_int_equal(perform(f, BLOCK_READ, UINT64_MAX - 511, 512), -EIO);
	assert_int_equal(perform(f, BLOCK_READ, 100, 512), -EIO);
	assert_int_equal(perform(f, BLOCK_WRITE, 0, 100), -EIO);
	assert_int_equal(perform(f, BLOCK_DISCARD, CAPACITY, 512), -EIO);
	assert_int_equal(perform(f, BLOCK_READ, 0, BLOCK_MAX_LENGTH + 512), -EIO);
}

static void block_write_is_read_back_and_survives(void **state)
{
	struct fixture *f = *state;
	struct error e = { 0 };

	put_in(f, true);
	memset(f->buffer, 0x5a, 1024);
	assert_int_equal(perform(f, BLOCK_WRITE, 3 * 65536 - 512, 1024), 0);
	assert_int_equal(block_set_medium(f->block, NULL, -1, &e), 0);
	put_in(f, true);
	memset(f->data + 3 * 65536 - 512, 0x5a, 1024);
	assert_int_equal(perform(f, BLOCK_READ, 0, CAPACITY), 0);
	assert_memory_equal(f->buffer, f->data, CAPACITY);
}

static void block_short_base_file_is_an_io_error_of_the_guest(void **state)
{
	struct fixture *f = *state;

	put_in(f, false);
	assert_int_equal(truncate(f->rig.base_path, RIG_STRETCH / 2), 0);
	assert_int_equal(perform(f, BLOCK_READ, 0, 512), 0);
	assert_int_equal(perform(f, BLOCK_READ, RIG_STRETCH / 2, 512), -EIO);
}

static void block_damaged_unit_is_an_io_error_and_not_kept(void **state)
{
	struct fixture *f = *state;

	put_in(f, false);
	f->rig.unpack_fails = true;
	assert_int_equal(perform(f, BLOCK_READ, 2 * RIG_STRETCH, 512), -EIO);
	f->rig.unpack_fails = false;
	assert_int_equal(perform(f, BLOCK_READ, 2 * RIG_STRETCH, 512), 0);
	assert_memory_equal(f->buffer, f->data + 2 * RIG_STRETCH, 512);
	f->rig.unpack_fails = true; /* from the cache now */
	assert_int_equal(perform(f, BLOCK_READ, 2 * RIG_STRETCH + 512, 512), 0);
}

static void block_overlay_of_another_base_leaves_the_drive_empty(void **state)
{
	struct fixture *f = *state;
	struct error e = { 0 };
	struct disk *base;
	int fd;

	put_in(f, true);
	assert_int_equal(block_set_medium(f->block, NULL, -1, &e), 0);
	memset(f->data, 0x99, 512);
	rig_write_base(&f->rig, 0, f->data, 512);
	base = rig_open_base(&f->rig);
	fd = rig_overlay_fd(&f->rig);
	assert_int_equal(block_set_medium(f->block, base, fd, &e), -ESTALE);
	assert_non_null(strstr(e.text, "another version of the download"));
	assert_false(block_has_medium(f->block));
	disk_close(base);
	close(fd);
}

/* ---- trouble of the host ---- */

struct stops {
	unsigned count;
	char text[1024];
};

static void on_stop(void *context, struct block *b, const struct error *e)
{
	struct stops *s = context;

	(void)b;
	s->count++;
	snprintf(s->text, sizeof(s->text), "%s", e->text);
}

/* The base's descriptor, replaced for a while by one that cannot be read. */
struct broken {
	int fd, saved;
};

static struct broken break_base(const struct fixture *f)
{
	struct stat base, st;
	int folder = open(f->rig.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* reads give EISDIR */

	assert_true(folder >= 0);
	assert_int_equal(stat(f->rig.base_path, &base), 0);
	for (int fd = 3; fd < 64; fd++)
		if (fstat(fd, &st) == 0 && st.st_ino == base.st_ino && st.st_dev == base.st_dev) {
			struct broken broken = { fd, dup(fd) };

			assert_int_equal(dup2(folder, fd), fd);
			close(folder);
			return broken;
		}
	fail();
	return (struct broken){ -1, -1 };
}

static void mend_base(struct broken broken)
{
	dup2(broken.saved, broken.fd);
	close(broken.saved);
}

static void block_host_failure_stops_the_machine_and_is_retried(void **state)
{
	struct fixture *f = *state;
	struct stops stops = { 0 };
	struct broken broken;

	put_in(f, true);
	block_engine_set_stop(f->engine, on_stop, &stops);
	broken = break_base(f);
	submit(f, BLOCK_READ, 0, 512);
	block_drain(f->block); /* returns: nothing is in flight */
	assert_int_equal(f->drive.done, 0);
	assert_int_equal(stops.count, 1);
	assert_non_null(strstr(stops.text, "ide1:0"));
	block_retry(f->engine);
	block_drain(f->block);
	assert_int_equal(stops.count, 2); /* not mended yet */
	mend_base(broken);
	block_retry(f->engine);
	block_drain(f->block);
	assert_int_equal(stops.count, 2);
	assert_int_equal(f->drive.done, 1);
	assert_int_equal(f->drive.result, 0);
	assert_memory_equal(f->buffer, f->data, 512);
}

static void block_waiting_requests_get_their_error_when_nobody_stops(void **state)
{
	struct fixture *f = *state;
	struct stops stops = { 0 };
	struct broken broken;

	put_in(f, false);
	broken = break_base(f);
	block_engine_set_stop(f->engine, on_stop, &stops);
	submit(f, BLOCK_READ, 0, 512);
	block_drain(f->block);
	assert_int_equal(f->drive.done, 0);
	block_engine_set_stop(f->engine, NULL, NULL);
	block_drain(f->block);
	assert_int_equal(f->drive.done, 1);
	assert_int_equal(f->drive.result, -EIO);
	mend_base(broken);
}

/* The RAM of a write that is given up belongs to somebody else afterwards; the next failure is told again. */
static void block_requests_that_are_given_up_are_not_retried(void **state)
{
	struct fixture *f = *state;
	struct stops stops = { 0 };
	struct broken broken;

	put_in(f, true);
	block_engine_set_stop(f->engine, on_stop, &stops);
	broken = break_base(f);
	submit(f, BLOCK_READ, 0, 512);
	block_drain(f->block);
	assert_int_equal(f->drive.done, 0);
	block_give_up(f->block);
	assert_int_equal(f->drive.done, 1);
	assert_int_equal(f->drive.result, -EIO);
	submit(f, BLOCK_READ, 0, 512);
	block_drain(f->block);
	assert_int_equal(stops.count, 2);
	mend_base(broken);
	block_give_up(f->block);
	assert_int_equal(f->drive.done, 2);
	block_retry(f->engine);
	block_drain(f->block);
	assert_int_equal(f->drive.done, 2);
}

static void block_damaged_image_does_not_stop_the_machine(void **state)
{
	struct fixture *f = *state;
	struct stops stops = { 0 };

	put_in(f, false);
	block_engine_set_stop(f->engine, on_stop, &stops);
	f->rig.unpack_fails = true;
	assert_int_equal(perform(f, BLOCK_READ, 2 * RIG_STRETCH, 512), -EIO);
	assert_int_equal(perform(f, BLOCK_READ, CAPACITY, 512), -EIO);
	assert_int_equal(stops.count, 0);
}

/* ---- CD drives ---- */

static void cd_insert_and_eject_tell_drive_and_watcher(void **state)
{
	struct fixture *f = *state;
	struct error e = { 0 };
	unsigned watched = 0;

	block_set_drive(f->block, &f->drive.device, &drive_ops);
	block_set_watcher(f->block, count_change, &watched);
	assert_int_equal(block_change_medium(f->block, rig_open_base(&f->rig), false, &e), 0);
	assert_true(block_has_medium(f->block));
	assert_true(block_read_only(f->block));
	assert_int_equal(f->drive.changed, 1);
	assert_true(f->drive.locked_in_callback);
	assert_int_equal(watched, 1);
	assert_int_equal(block_change_medium(f->block, NULL, false, &e), 0);
	assert_false(block_has_medium(f->block));
	assert_int_equal(f->drive.changed, 2);
	assert_int_equal(watched, 2);
}

static void cd_locked_tray_asks_the_guest_unless_forced(void **state)
{
	struct fixture *f = *state;
	struct error e = { 0 };
	unsigned watched = 0;

	put_in(f, false);
	block_set_drive(f->block, &f->drive.device, &drive_ops);
	block_set_watcher(f->block, count_change, &watched);
	block_set_locked(f->block, true);
	block_poll(f->engine);
	assert_int_equal(watched, 1);
	assert_int_equal(block_change_medium(f->block, NULL, false, &e), -EBUSY);
	assert_true(block_has_medium(f->block));
	assert_int_equal(f->drive.asked, 1);
	assert_int_equal(f->drive.changed, 0);
	error_clear(&e);
	assert_int_equal(block_change_medium(f->block, NULL, true, &e), 0);
	assert_false(block_has_medium(f->block));
	assert_false(block_locked(f->block));
}

static void cd_guest_ejects_later_not_from_within(void **state)
{
	struct fixture *f = *state;

	put_in(f, false);
	block_set_drive(f->block, &f->drive.device, &drive_ops);
	block_eject(f->block);
	assert_true(block_has_medium(f->block));
	assert_int_equal(f->drive.changed, 0);
	block_poll(f->engine);
	assert_false(block_has_medium(f->block));
	assert_int_equal(f->drive.changed, 1);
}

static void cd_eject_of_the_old_disc_does_not_take_the_new_one(void **state)
{
	struct fixture *f = *state;
	struct error e = { 0 };

	put_in(f, false);
	block_eject(f->block);
	assert_int_equal(block_change_medium(f->block, rig_open_base(&f->rig), false, &e), 0);
	block_poll(f->engine);
	assert_true(block_has_medium(f->block));
}

static void cd_cached_units_of_the_old_disc_are_not_read_from_the_new_one(void **state)
{
	struct fixture *f = *state;
	struct error e = { 0 };

	put_in(f, false);
	assert_int_equal(perform(f, BLOCK_READ, 2 * RIG_STRETCH, 512), 0);
	memset(f->data + 2 * RIG_STRETCH, 0x31, 512);
	rig_write_base(&f->rig, 2 * RIG_STRETCH, f->data + 2 * RIG_STRETCH, 512);
	/* The allocator likes to give the old disk's memory to the new one. */
	assert_int_equal(block_change_medium(f->block, NULL, false, &e), 0);
	assert_int_equal(block_change_medium(f->block, rig_open_base(&f->rig), false, &e), 0);
	assert_int_equal(perform(f, BLOCK_READ, 2 * RIG_STRETCH, 512), 0);
	assert_memory_equal(f->buffer, f->data + 2 * RIG_STRETCH, 512);
}

/* ---- threads ---- */

static bool has_thread(const char *name)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	bool found = false;

	assert_non_null(tasks);
	while ((entry = readdir(tasks))) {
		char path[300], text[32] = { 0 };
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(text, sizeof(text), file))
			found |= strncmp(text, name, strlen(name)) == 0;
		fclose(file);
	}
	closedir(tasks);
	return found;
}

static unsigned chain_left;

/* A device that submits the next from done, with the same request. */
static void chain_done(struct device *device, struct block_request *r, int result)
{
	assert_int_equal(result, 0);
	assert_int_equal(pthread_mutex_trylock(&device->lock), EBUSY);
	if (chain_left-- > 1)
		block_submit(r->block, r);
}

static void count_setup(void *context)
{
	__atomic_add_fetch((unsigned *)context, 1, __ATOMIC_SEQ_CST);
}

/* Guests whose requests end as fast as they are delivered must leave timers and messages their turn. */
static void block_completions_do_not_hold_the_loop(void **state)
{
	enum { REQUESTS = 1000 };
	struct fixture *f = *state;
	struct loop *loop = loop_new(NULL);
	struct block_engine *engine = block_engine_new(loop, 2);
	struct block *b = block_new(engine, "sata0:0"); /* empty: each fails at once */
	struct block_request *requests = calloc(REQUESTS, sizeof(*requests));
	unsigned before;

	f->iov = (struct iovec){ f->buffer, 512 };
	for (unsigned i = 0; i < REQUESTS; i++) {
		requests[i] = (struct block_request){ .op = BLOCK_READ,
			                              .length = 512,
			                              .iov = &f->iov,
			                              .iov_count = 1,
			                              .device = &f->drive.device,
			                              .done = drive_done };
		block_submit(b, &requests[i]);
	}
	usleep(300000); /* the workers have done them all, but for a very busy computer */
	do {
		before = f->drive.done;
		loop_run_once(loop, 1000);
		assert_true(f->drive.done - before <= 256);
	} while (f->drive.done < REQUESTS);
	block_free(b);
	block_engine_free(engine);
	loop_free(loop);
	free(requests);
}

/* Whether workers are just about to wait, still busy or asleep: none of the requests is forgotten. */
static void block_requests_of_any_rhythm_find_a_worker(void **state)
{
	enum { ROUNDS = 3000 };
	struct fixture *f = *state;
	struct loop *loop = loop_new(NULL);
	struct block_engine *engine = block_engine_new(loop, 2);
	struct block *b = block_new(engine, "sata0:0"); /* empty: each fails at once */
	struct block_request requests[3], request = { .op = BLOCK_READ, .length = 512, .iov = &f->iov, .iov_count = 1 };

	request.device = &f->drive.device;
	request.done = drive_done;
	f->iov = (struct iovec){ f->buffer, 512 };
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned count = 1 + round % 3;

		f->drive.done = 0;
		for (unsigned i = 0; i < count; i++) {
			requests[i] = request;
			block_submit(b, &requests[i]);
		}
		for (unsigned waits = 0; f->drive.done < count; waits++) {
			assert_true(waits < 10);
			loop_run_once(loop, 1000);
		}
		if (round % 16 == 0)
			usleep(100);
	}
	block_free(b);
	block_engine_free(engine);
	loop_free(loop);
}

static void block_completions_come_on_the_loop_and_may_submit(void **state)
{
	struct fixture *f = *state;
	struct loop *loop = loop_new(NULL);
	unsigned setups = 0;
	struct block_engine *engine = block_engine_new_with_setup(loop, 3, count_setup, &setups);
	struct block *b = block_new(engine, "scsi0:0");
	struct error e = { 0 };

	assert_int_equal(block_set_medium(b, rig_open_base(&f->rig), -1, &e), 0);
	f->iov = (struct iovec){ f->buffer, 4096 };
	f->request = (struct block_request){ .op = BLOCK_READ,
		                             .offset = 0,
		                             .length = 4096,
		                             .iov = &f->iov,
		                             .iov_count = 1,
		                             .device = &f->drive.device,
		                             .done = chain_done };
	chain_left = 500;
	block_submit(b, &f->request);
	while (chain_left)
		loop_run_once(loop, 1000);
	assert_memory_equal(f->buffer, f->data, 4096);
	chain_left = 200;
	block_submit(b, &f->request);
	block_drain(b);
	assert_int_equal(chain_left, 0);
	assert_true(has_thread("block-0"));
	assert_true(has_thread("block-2"));
	block_free(b);
	block_engine_free(engine);
	assert_int_equal(setups, 3);
	loop_free(loop);
}

/* Discs come and go while the guest reads. */
static unsigned reader_done;

static void reader_request_done(struct device *device, struct block_request *r, int result)
{
	(void)device;
	assert_true(result == 0 || result == -ENOMEDIUM);
	reader_done++;
	if (reader_done < 2000)
		block_submit(r->block, r);
}

static void cd_change_under_load_is_clean(void **state)
{
	struct fixture *f = *state;
	struct loop *loop = loop_new(NULL);
	struct block_engine *engine = block_engine_new(loop, 4);
	struct block *b = block_new(engine, "ide1:0");
	struct block_request requests[8];
	struct iovec iov[8];
	struct error e = { 0 };
	unsigned changes = 0;

	reader_done = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		iov[i] = (struct iovec){ f->buffer + i * 131072, 131072 };
		requests[i] = (struct block_request){ .op = BLOCK_READ,
			                              .offset = i * 262144,
			                              .length = 131072,
			                              .iov = &iov[i],
			                              .iov_count = 1,
			                              .device = &f->drive.device,
			                              .done = reader_request_done };
		block_submit(b, &requests[i]);
	}
	while (reader_done < 2000) {
		loop_run_once(loop, 10);
		assert_int_equal(block_change_medium(b, changes++ % 2 ? NULL : rig_open_base(&f->rig), false, &e), 0);
	}
	assert_true(changes > 10);
	block_free(b);
	block_engine_free(engine);
	loop_free(loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(block_without_medium_says_so),
		TEST(block_reads_stored_packed_and_zero_stretches),
		TEST(block_reads_into_a_thousand_pieces),
		TEST(block_read_only_medium_refuses_writes),
		TEST(block_keeps_writes_that_nobody_flushed_and_only_those),
		TEST(block_bad_ranges_are_io_errors),
		TEST(block_write_is_read_back_and_survives),
		TEST(block_short_base_file_is_an_io_error_of_the_guest),
		TEST(block_damaged_unit_is_an_io_error_and_not_kept),
		TEST(block_overlay_of_another_base_leaves_the_drive_empty),
		TEST(block_host_failure_stops_the_machine_and_is_retried),
		TEST(block_waiting_requests_get_their_error_when_nobody_stops),
		TEST(block_requests_that_are_given_up_are_not_retried),
		TEST(block_damaged_image_does_not_stop_the_machine),
		TEST(cd_insert_and_eject_tell_drive_and_watcher),
		TEST(cd_locked_tray_asks_the_guest_unless_forced),
		TEST(cd_guest_ejects_later_not_from_within),
		TEST(cd_eject_of_the_old_disc_does_not_take_the_new_one),
		TEST(cd_cached_units_of_the_old_disc_are_not_read_from_the_new_one),
		TEST(block_completions_do_not_hold_the_loop),
		TEST(block_requests_of_any_rhythm_find_a_worker),
		TEST(block_completions_come_on_the_loop_and_may_submit),
		TEST(cd_change_under_load_is_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
