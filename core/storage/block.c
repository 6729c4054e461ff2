/* SPDX-License-Identifier: MIT */
#include "core/storage/block.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "core/device.h"
#include "core/loop.h"
#include "core/storage/block_io.h"
#include "core/storage/read_ahead.h"
#include "vmformat/disk_write.h"
#include "vmformat/qcow2.h"

#define MAX_WORKERS 16            /* disks and page cache are busy with fewer */
#define COMPLETIONS_PER_ROUND 256 /* of the loop, which has timers and messages to serve, too */
#define WORKER_STACK (128u << 10) /* libdeflate and libc need a few KiB; only touched pages cost memory */

struct queue {
	struct block_request *first, **last;
};

struct worker {
	struct block_engine *engine;
	unsigned index;
	pthread_t thread;
	struct block_io io;
};

struct block_engine {
	struct loop *loop; /* NULL: synchronous */
	void (*setup)(void *context);
	void *setup_context;
	struct worker *workers; /* worker_count; at least one, whose buffers block_poll() uses */
	unsigned worker_count;
	struct unit_cache *units;

	struct block *blocks; /* changed by the I/O thread under the lock; workers read it there */

	/* The I/O thread's. */
	struct loop_work work;
	void (*stop)(void *context, struct block *b, const struct error *e);
	void *stop_context;

	pthread_mutex_t lock;     /* a leaf: all below, and each block's counters */
	pthread_cond_t submitted; /* workers wait */
	pthread_cond_t finished;  /* the I/O thread waits: a request is done, a block's medium is idle */
	struct queue waiting, done, parked;
	unsigned returning; /* workers that are awake without a request, and look for one before they wait */
	bool stopped, quit;
};

enum block_event { EVENT_EJECT = 1, EVENT_NOTIFY = 2 };

struct block {
	struct block_engine *engine;
	struct block *next;
	char name[32];

	/* Written by the I/O thread under the engine's lock; workers read it there. */
	struct disk *disk; /* the overlay if there is one; NULL: no medium */
	bool writable;
	bool changing;    /* the medium is about to change: workers leave its requests alone */
	unsigned running; /* on workers: requests, and pieces that are unpacked ahead */
	struct read_ahead ahead;
	unsigned in_flight, parked;

	/* Devices read these on any thread. */
	_Atomic uint64_t capacity;
	atomic_bool has_medium, read_only, locked, unkept;
	atomic_uint events;

	/* The I/O thread's. */
	struct device *device;
	const struct block_drive_ops *ops;
	void (*changed)(void *context, struct block *b);
	void *changed_context;
	bool closing; /* nothing is put aside any more */
	bool keeping; /* the request below is under way */
	struct block_request keep;
};

/* ---- queues ---- */

static void queue_init(struct queue *q)
{
	*q = (struct queue){ NULL, &q->first };
}

static void queue_push(struct queue *q, struct block_request *r)
{
	r->next = NULL;
	*q->last = r;
	q->last = &r->next;
}

/* The first request of b (NULL: of any block whose medium is not changing). */
static struct block_request *queue_take(struct queue *q, const struct block *b)
{
	for (struct block_request **p = &q->first; *p; p = &(*p)->next) {
		struct block_request *r = *p;

		if (b ? r->block != b : r->block->changing)
			continue;
		*p = r->next;
		if (!*p)
			q->last = p;
		return r;
	}
	return NULL;
}

/* ---- workers ---- */

static bool iov_holds(const struct block_request *r)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < r->iov_count; i++)
		bytes += r->iov[i].iov_len;
	return bytes >= r->length;
}

/* -ERANGE: never the host's fault, the guest gets -EIO. */
static int check_range(const struct disk *disk, const struct block_request *r)
{
	if (r->op == BLOCK_FLUSH)
		return 0;
	if (r->offset % DISK_SECTOR || r->length % DISK_SECTOR || r->length > BLOCK_MAX_LENGTH ||
	    !range_within(r->offset, r->length, disk->capacity))
		return -ERANGE;
	if (r->op == BLOCK_DISCARD)
		return 0;
	return r->iov_count <= BLOCK_MAX_IOV && iov_holds(r) ? 0 : -ERANGE;
}

static int perform(struct block_io *io, struct disk *disk, bool writable, const struct block_request *r)
{
	int err;

	if (!disk)
		return -ENOMEDIUM;
	err = check_range(disk, r);
	if (err < 0)
		return err;
	if (!writable && (r->op == BLOCK_WRITE || r->op == BLOCK_DISCARD))
		return -EROFS;
	switch (r->op) {
	case BLOCK_READ:
		return block_io_read(io, disk, r->offset, r->iov, r->length);
	case BLOCK_WRITE:
		return block_io_write(io, disk, r->offset, r->iov, r->length);
	case BLOCK_DISCARD:
		return block_io_discard(io, disk, r->offset, r->length);
	default:
		return writable ? disk->writer->flush(disk) : 0;
	}
}

/* What b's workers have met and may read next. Locked, before a request is performed. */
static void note_read(struct block_engine *e, struct block *b, const struct block_request *r)
{
	if (r->op == BLOCK_READ && b->disk && check_range(b->disk, r) == 0 &&
	    read_ahead_note(&b->ahead, r->offset, r->length, b->disk->capacity))
		pthread_cond_broadcast(&e->submitted);
}

/* Unpacks one piece ahead of what is read. Locked on entry and exit; false: there was none. */
static bool work_ahead(struct block_engine *e, struct block_io *io)
{
	struct block *b = e->blocks;
	struct disk *disk;
	uint64_t offset, end;

	while (b && (b->changing || !read_ahead_claim(&b->ahead, &offset)))
		b = b->next;
	if (!b)
		return false;
	b->running++;
	disk = b->disk;
	pthread_mutex_unlock(&e->lock);
	end = block_io_unpack(io, disk, offset, (uint32_t)MIN(READ_AHEAD_PIECE, disk->capacity - offset));
	pthread_mutex_lock(&e->lock);
	read_ahead_skip(&b->ahead, end);
	b->running--;
	pthread_cond_signal(&e->finished);
	return true;
}

/* struct block_io's meanwhile: this worker would wait for a unit that another one is unpacking. */
static bool help(void *context)
{
	struct worker *w = context;
	bool some;

	pthread_mutex_lock(&w->engine->lock);
	some = work_ahead(w->engine, &w->io);
	pthread_mutex_unlock(&w->engine->lock);
	return some;
}

/* Takes and performs one request. Locked on entry and exit; false: there was none. */
static bool work_once(struct block_engine *e, struct block_io *io)
{
	struct block_request *r = queue_take(&e->waiting, NULL);
	struct disk *disk;
	struct block *b;
	bool writable;
	int result;

	if (!r)
		return false;
	b = r->block;
	b->running++;
	disk = b->disk;
	writable = b->writable;
	note_read(e, b, r);
	io->met_packed = false;
	pthread_mutex_unlock(&e->lock);
	result = perform(io, disk, writable, r);
	pthread_mutex_lock(&e->lock);
	b->running--;
	b->ahead.wanted |= io->met_packed;
	r->result = result;
	queue_push(&e->done, r);
	pthread_cond_signal(&e->finished);
	return true;
}

static void *worker_main(void *context)
{
	struct worker *w = context;
	struct block_engine *e = w->engine;
	char name[16];

	if (e->setup)
		e->setup(e->setup_context);
	snprintf(name, sizeof(name), "block-%u", w->index);
	prctl(PR_SET_NAME, name);
	pthread_mutex_lock(&e->lock);
	while (!e->quit) {
		if (!work_once(e, &w->io)) {
			if (!work_ahead(e, &w->io))
				pthread_cond_wait(&e->submitted, &e->lock);
			continue;
		}
		e->returning++;
		pthread_mutex_unlock(&e->lock);
		loop_post(e->loop, &e->work);
		pthread_mutex_lock(&e->lock);
		e->returning--;
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

/* ---- completion, on the I/O thread ---- */

/* Trouble of the host that a person can mend, as opposed to an answer for the guest. */
static bool is_host_failure(int result)
{
	switch (result) {
	case 0:
	case -ENOMEDIUM:
	case -EROFS:
	case -ERANGE:
	case BLOCK_IO_DAMAGED:
		return false;
	default:
		return true;
	}
}

static int result_for_guest(int result)
{
	switch (result) {
	case 0:
	case -ENOMEDIUM:
	case -EROFS:
	case -ENOSPC:
		return result;
	case -EDQUOT:
		return -ENOSPC;
	default:
		return -EIO;
	}
}

static void describe_failure(struct block *b, const struct block_request *r, struct error *ret_error)
{
	const char *verb = r->op == BLOCK_READ ? "reading from" : "writing to";
	const char *medium = b->disk ? b->disk->name : "a medium that is gone";

	*ret_error = (struct error){ 0 };
	if (b->writable && b->disk->writer->failed(b->disk))
		error_set(ret_error, r->result,
		          "%s: the changes in %s could not be brought to the disk (%s); the last of them may be lost. "
		          "Check that "
		          "disk, then close the machine and start it again.",
		          b->name, medium, strerror(-r->result));
	else if (r->result == -ENOSPC || r->result == -EDQUOT)
		error_set(ret_error, r->result,
		          "%s: no space is left for the changes in %s. Free some space, then press Run.", b->name,
		          medium);
	else
		error_set(ret_error, r->result,
		          "%s: %s %s failed: %s. See whether its drive is still there, then press Run.", b->name, verb,
		          medium, strerror(-r->result));
}

static struct block_request *take_done(struct block_engine *e)
{
	struct block_request *r;

	pthread_mutex_lock(&e->lock);
	r = e->done.first;
	if (r)
		r = queue_take(&e->done, r->block);
	pthread_mutex_unlock(&e->lock);
	return r;
}

static void park(struct block_engine *e, struct block_request *r)
{
	struct block *b = r->block;
	struct error words;
	bool first;

	describe_failure(b, r, &words);
	pthread_mutex_lock(&e->lock);
	queue_push(&e->parked, r);
	b->parked++;
	first = !e->stopped;
	e->stopped = true;
	pthread_mutex_unlock(&e->lock);
	if (first)
		e->stop(e->stop_context, b, &words);
}

/* The request belongs to its device again once done is called: it may be submitted from there. */
static void deliver(struct block_engine *e, struct block_request *r)
{
	struct device *d = r->device;
	struct block *b = r->block;

	r->result = result_for_guest(r->result);
	if (d)
		device_lock(d);
	r->done(d, r, r->result);
	if (d)
		device_unlock(d);
	pthread_mutex_lock(&e->lock);
	b->in_flight--;
	pthread_mutex_unlock(&e->lock);
}

/* Of up to limit requests; returns how many were delivered. */
static unsigned run_completions(struct block_engine *e, unsigned limit)
{
	struct block_request *r;
	unsigned count = 0;

	while (limit-- && (r = take_done(e))) {
		if (e->stop && !r->block->closing && is_host_failure(r->result)) {
			park(e, r);
			continue;
		}
		deliver(e, r);
		count++;
	}
	return count;
}

static void run_events(struct block_engine *e);
static void wake_io_thread(struct block_engine *e);

static void run_work(struct loop_work *work)
{
	struct block_engine *e = container_of(work, struct block_engine, work);
	bool more;

	run_completions(e, COMPLETIONS_PER_ROUND);
	run_events(e);
	pthread_mutex_lock(&e->lock);
	more = e->done.first;
	pthread_mutex_unlock(&e->lock);
	if (more)
		wake_io_thread(e);
}

static void wake_io_thread(struct block_engine *e)
{
	if (e->loop)
		loop_post(e->loop, &e->work);
}

/* Synchronous engines: everything in the queue, on this thread. */
static void work_here(struct block_engine *e)
{
	pthread_mutex_lock(&e->lock);
	while (work_once(e, &e->workers[0].io))
		;
	pthread_mutex_unlock(&e->lock);
}

unsigned block_poll(struct block_engine *engine)
{
	unsigned total = 0, count;

	do {
		if (!engine->loop)
			work_here(engine);
		count = run_completions(engine, UINT_MAX);
		total += count;
	} while (count);
	run_events(engine);
	return total;
}

/* ---- the engine ---- */

static void stop_workers(struct block_engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->quit = true;
	pthread_cond_broadcast(&e->submitted);
	pthread_mutex_unlock(&e->lock);
	for (unsigned i = 0; e->loop && i < e->worker_count; i++)
		pthread_join(e->workers[i].thread, NULL);
}

void block_engine_free(struct block_engine *engine)
{
	if (!engine)
		return;
	stop_workers(engine);
	if (engine->loop)
		loop_cancel(engine->loop, &engine->work);
	if (engine->workers)
		block_io_release(&engine->workers[0].io);
	for (unsigned i = 1; i < engine->worker_count; i++)
		block_io_release(&engine->workers[i].io);
	free(engine->workers);
	unit_cache_free(engine->units);
	pthread_cond_destroy(&engine->submitted);
	pthread_cond_destroy(&engine->finished);
	pthread_mutex_destroy(&engine->lock);
	free(engine);
}

/* worker_count counts those that run, so that a failure half-way can be undone. */
static int start_workers(struct block_engine *e, unsigned count)
{
	pthread_attr_t attributes;
	int r = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, WORKER_STACK);
	while (r == 0 && e->worker_count < count) {
		struct worker *w = &e->workers[e->worker_count];

		w->engine = e;
		w->index = e->worker_count;
		r = pthread_create(&w->thread, &attributes, worker_main, w);
		if (r == 0)
			e->worker_count++;
	}
	pthread_attr_destroy(&attributes);
	return -r;
}

struct block_engine *block_engine_new_with_setup(struct loop *loop, unsigned workers, void (*setup)(void *context),
                                                 void *context)
{
	struct block_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	workers = loop ? MAX(1, MIN(workers, MAX_WORKERS)) : 1;
	e->loop = loop;
	e->setup = setup;
	e->setup_context = context;
	e->work.run = run_work;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->submitted, NULL);
	pthread_cond_init(&e->finished, NULL);
	queue_init(&e->waiting);
	queue_init(&e->done);
	queue_init(&e->parked);
	e->workers = calloc(workers, sizeof(*e->workers));
	e->units = unit_cache_new();
	for (unsigned i = 0; e->workers && i < workers; i++)
		e->workers[i].io = (struct block_io){ .units = e->units, .meanwhile = help, .context = &e->workers[i] };
	if (!e->workers || !e->units || (loop && start_workers(e, workers) < 0)) {
		block_engine_free(e);
		return NULL;
	}
	return e;
}

struct block_engine *block_engine_new(struct loop *loop, unsigned workers)
{
	return block_engine_new_with_setup(loop, workers, NULL, NULL);
}

/* Takes requests out of the parked: b's, or all for NULL. Locked. */
static void unpark(struct block_engine *e, struct block *b, struct queue *to)
{
	struct block_request *r;

	while (e->parked.first && (r = queue_take(&e->parked, b ? b : e->parked.first->block))) {
		r->block->parked--;
		queue_push(to, r);
	}
}

void block_engine_set_stop(struct block_engine *engine,
                           void (*stop)(void *context, struct block *b, const struct error *e), void *context)
{
	engine->stop = stop;
	engine->stop_context = context;
	if (stop)
		return;
	pthread_mutex_lock(&engine->lock);
	engine->stopped = false;
	unpark(engine, NULL, &engine->done);
	pthread_mutex_unlock(&engine->lock);
	wake_io_thread(engine);
}

void block_retry(struct block_engine *engine)
{
	pthread_mutex_lock(&engine->lock);
	engine->stopped = false;
	unpark(engine, NULL, &engine->waiting);
	pthread_cond_broadcast(&engine->submitted);
	pthread_mutex_unlock(&engine->lock);
}

void block_give_up(struct block *b)
{
	struct block_engine *e = b->engine;
	struct block_request *r;
	struct queue given_up;

	queue_init(&given_up);
	pthread_mutex_lock(&e->lock);
	unpark(e, b, &given_up);
	e->stopped = e->parked.first;
	pthread_mutex_unlock(&e->lock);
	while ((r = queue_take(&given_up, b)))
		deliver(e, r);
}

/* ---- requests ---- */

void block_submit(struct block *b, struct block_request *r)
{
	struct block_engine *e = b->engine;

	r->block = b;
	if (r->op != BLOCK_READ)
		atomic_store(&b->unkept, r->op != BLOCK_FLUSH);
	pthread_mutex_lock(&e->lock);
	b->in_flight++;
	/* A guest with one request at a time sends the next while the worker of the last is still awake. Waking another
	 * would take longer than a small read. */
	if (e->waiting.first || !e->returning)
		pthread_cond_signal(&e->submitted);
	queue_push(&e->waiting, r);
	pthread_mutex_unlock(&e->lock);
}

static void kept(struct device *d, struct block_request *r, int result)
{
	(void)d;
	r->block->keeping = false;
	if (result < 0)
		atomic_store(&r->block->unkept, true);
}

void block_keep(struct block *b)
{
	if (b->keeping || !atomic_load(&b->unkept) || atomic_load(&b->read_only))
		return;
	b->keeping = true;
	b->keep = (struct block_request){ .op = BLOCK_FLUSH, .done = kept };
	block_submit(b, &b->keep);
}

/* Nothing is under way, nor will be by itself. Locked. */
static bool is_idle(struct block *b)
{
	read_ahead_stop(&b->ahead);
	return b->in_flight == b->parked && !b->running;
}

void block_drain(struct block *b)
{
	struct block_engine *e = b->engine;
	bool idle;

	do {
		if (!e->loop)
			work_here(e);
		run_completions(e, UINT_MAX);
		pthread_mutex_lock(&e->lock);
		while (!(idle = is_idle(b)) && e->loop && !e->done.first)
			pthread_cond_wait(&e->finished, &e->lock);
		pthread_mutex_unlock(&e->lock);
	} while (!idle);
}

/* ---- blocks and media ---- */

struct block *block_new(struct block_engine *engine, const char *name)
{
	struct block *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->engine = engine;
	atomic_store(&b->read_only, true);
	snprintf(b->name, sizeof(b->name), "%s", name);
	pthread_mutex_lock(&engine->lock);
	b->next = engine->blocks;
	engine->blocks = b;
	pthread_mutex_unlock(&engine->lock);
	return b;
}

/* Waits for the workers to leave the old medium. Requests that have not begun meet the new one, parked ones too. */
static void swap_medium(struct block *b, struct disk *disk, bool writable)
{
	struct block_engine *e = b->engine;
	struct disk *old;

	pthread_mutex_lock(&e->lock);
	b->changing = true;
	while (b->running)
		pthread_cond_wait(&e->finished, &e->lock);
	b->ahead = (struct read_ahead){ 0 };
	old = b->disk;
	b->disk = disk;
	b->writable = writable;
	b->changing = false;
	atomic_store(&b->capacity, disk ? disk->capacity : 0);
	atomic_store(&b->read_only, !writable);
	atomic_store(&b->has_medium, disk != NULL);
	unpark(e, b, &e->waiting);
	pthread_cond_broadcast(&e->submitted);
	pthread_mutex_unlock(&e->lock);
	unit_cache_clear(e->units);
	disk_close(old);
}

void block_free(struct block *b)
{
	struct block_engine *e;

	if (!b)
		return;
	e = b->engine;
	b->closing = true;
	pthread_mutex_lock(&e->lock);
	unpark(e, b, &e->done);
	pthread_mutex_unlock(&e->lock);
	block_drain(b);
	swap_medium(b, NULL, false);
	pthread_mutex_lock(&e->lock);
	for (struct block **p = &e->blocks; *p; p = &(*p)->next)
		if (*p == b) {
			*p = b->next;
			break;
		}
	pthread_mutex_unlock(&e->lock);
	free(b);
}

static int flush_medium(struct block *b, struct error *e)
{
	int r = b->writable ? b->disk->writer->flush(b->disk) : 0;

	if (r < 0)
		return error_set(e, r,
		                 "%s: the changes in %s could not be brought to the disk: %s. Free some space or check "
		                 "that disk.",
		                 b->name, b->disk->name, strerror(-r));
	return 0;
}

int block_set_medium(struct block *b, struct disk *disk, int overlay_fd, struct error *e)
{
	struct disk *top = disk;
	char name[sizeof(b->name) + sizeof(".qcow2")];
	int r = flush_medium(b, e);

	if (r == 0 && disk && overlay_fd >= 0) {
		snprintf(name, sizeof(name), "%s.qcow2", b->name);
		/* As the file in the state folder is called: with a colon, qemu-img would take it for a protocol. */
		for (char *c = name; *c; c++)
			if (*c == ':')
				*c = '-';
		r = qcow2_overlay_open(overlay_fd, name, disk, "", &top, e);
	}
	if (r < 0)
		return r;
	swap_medium(b, top, top && top->writer);
	return 0;
}

bool block_has_medium(const struct block *b)
{
	return atomic_load(&b->has_medium);
}

bool block_read_only(const struct block *b)
{
	return atomic_load(&b->read_only);
}

uint64_t block_capacity(const struct block *b)
{
	return atomic_load(&b->capacity);
}

const char *block_name(const struct block *b)
{
	return b->name;
}

/* ---- CD drives ---- */

void block_set_drive(struct block *b, struct device *d, const struct block_drive_ops *ops)
{
	b->device = d;
	b->ops = ops;
}

void block_set_watcher(struct block *b, void (*changed)(void *context, struct block *b), void *context)
{
	b->changed = changed;
	b->changed_context = context;
}

static void raise_event(struct block *b, enum block_event event)
{
	atomic_fetch_or(&b->events, event);
	wake_io_thread(b->engine);
}

void block_set_locked(struct block *b, bool locked)
{
	if (atomic_exchange(&b->locked, locked) != locked)
		raise_event(b, EVENT_NOTIFY);
}

bool block_locked(const struct block *b)
{
	return atomic_load(&b->locked);
}

void block_eject(struct block *b)
{
	raise_event(b, EVENT_EJECT);
}

static void tell_drive(struct block *b, void (*callback)(struct device *d, struct block *b))
{
	if (!callback)
		return;
	device_lock(b->device);
	callback(b->device, b);
	device_unlock(b->device);
}

static void change_medium(struct block *b, struct disk *disk)
{
	atomic_fetch_and(&b->events, ~(unsigned)EVENT_EJECT); /* meant for the old one */
	swap_medium(b, disk, false);
	tell_drive(b, b->ops ? b->ops->medium_changed : NULL);
	if (b->changed)
		b->changed(b->changed_context, b);
}

int block_change_medium(struct block *b, struct disk *disk, bool force, struct error *e)
{
	if (atomic_load(&b->locked) && !force) {
		tell_drive(b, b->ops ? b->ops->eject_request : NULL);
		return error_set(e, -EBUSY, "%s is in use by the guest, which was asked to let go of the disc.",
		                 b->name);
	}
	if (force)
		atomic_store(&b->locked, false);
	change_medium(b, disk);
	return 0;
}

static void run_events(struct block_engine *e)
{
	for (struct block *b = e->blocks; b; b = b->next) {
		unsigned events = atomic_exchange(&b->events, 0);

		if (events & EVENT_EJECT)
			change_medium(b, NULL);
		else if (events && b->changed)
			b->changed(b->changed_context, b);
	}
}
