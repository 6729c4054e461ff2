/* SPDX-License-Identifier: MIT */
/*
 * For tests of the block engine with an overlay: a guest that reads, writes, discards and flushes at random in a few
 * windows of its disk, with many requests in flight, and compares all that it reads with a plain copy in memory; qemu-img
 * judges the overlay. Everything asserts (cmocka). One guest at a time. Include <cmocka.h> (with its four headers) before.
 */
#ifndef VITRINE_OVERLAY_GUEST_H
#define VITRINE_OVERLAY_GUEST_H

#include "tests/unit/overlay_rig.h"

#include "core/loop.h"
#include "core/storage/block.h"

#define GUEST_HELPER __attribute__((unused)) static

#define WINDOW (3u << 20)
#define WINDOWS 3
#define SLOTS 16 /* requests in flight */
#define MAX_REQUEST (512u << 10)

struct slot_request {
	struct block_request request;
	struct iovec iov[8];
	uint8_t *buffer;
	unsigned window;
	uint32_t at; /* in the window */
	bool busy;
};

struct guest {
	struct rig rig; /* its base_path: what the base has, as a raw file */
	struct disk *(*open_base)(struct guest *g);
	bool in_place;                  /* that is a disk with a writer: there is no overlay */
	void (*judge)(struct guest *g); /* NULL: qemu-img of the overlay */
	void *context;                  /* of these */
	uint64_t windows[WINDOWS];      /* where the guest works */
	struct loop *loop;
	struct block_engine *engine;
	struct block *block;
	uint8_t *model[WINDOWS];
	struct slot_request slots[SLOTS];
	uint64_t seed;
	unsigned done;
};

static struct guest *the_guest; /* done callbacks have only the device, and there is none */

/* ---- requests ---- */

static void request_done(struct device *d, struct block_request *r, int result)
{
	struct slot_request *s = container_of(r, struct slot_request, request);
	const uint8_t *expected = the_guest->model[s->window] + s->at;

	(void)d;
	assert_int_equal(result, 0);
	if (r->op == BLOCK_READ)
		assert_memory_equal(s->buffer, expected, r->length);
	s->busy = false;
	the_guest->done++;
}

/* Requests in flight may complete in any order: those that touch the same bytes wait. */
static bool overlaps(const struct guest *g, unsigned window, uint32_t at, uint32_t length)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		const struct slot_request *s = &g->slots[i];

		if (s->busy && s->window == window && s->at < at + length && at < s->at + s->request.length)
			return true;
	}
	return false;
}

static unsigned scatter(struct guest *g, struct slot_request *s, uint32_t length)
{
	unsigned count = 0;
	uint32_t at = 0;

	while (at < length) {
		uint32_t n = length - at;

		if (count < 7)
			n = MIN(n, 1 + (uint32_t)(rig_random(&g->seed) % MAX_REQUEST));
		s->iov[count++] = (struct iovec){ s->buffer + at, n };
		at += n;
	}
	return count;
}

static void submit_random(struct guest *g, struct slot_request *s)
{
	static const enum block_op ops[] = { BLOCK_READ,  BLOCK_READ,  BLOCK_READ,  BLOCK_WRITE,
		                             BLOCK_WRITE, BLOCK_WRITE, BLOCK_WRITE, BLOCK_DISCARD };
	bool small = rig_random(&g->seed) % 4;
	enum block_op op = ops[rig_random(&g->seed) % ARRAY_SIZE(ops)];
	unsigned window = (unsigned)(rig_random(&g->seed) % WINDOWS);
	uint32_t at = (uint32_t)(rig_random(&g->seed) % (WINDOW / 512)) * 512;
	uint32_t length = 512 * (1 + (uint32_t)(rig_random(&g->seed) % (small ? 16 : MAX_REQUEST / 512)));

	length = MIN(length, WINDOW - at);
	if (rig_random(&g->seed) % 64 == 0)
		op = BLOCK_FLUSH, length = 0;
	if (overlaps(g, window, at, length))
		return;
	s->window = window;
	s->at = at;
	s->busy = true;
	s->request = (struct block_request){
		.op = op, .offset = g->windows[window] + at, .length = length, .iov = s->iov, .done = request_done
	};
	s->request.iov_count = scatter(g, s, length);
	if (op == BLOCK_WRITE) {
		rig_fill(&g->seed, s->buffer, length);
		if (rig_random(&g->seed) % 4 == 0) /* whole clusters of zeros, which are not stored, lie in some */
			memset(s->buffer, 0, length - rig_random(&g->seed) % length);
		memcpy(g->model[window] + at, s->buffer, length);
	} else if (op == BLOCK_DISCARD) {
		memset(g->model[window] + at, 0, length);
	}
	block_submit(g->block, &s->request);
}

static void play(struct guest *g, unsigned requests)
{
	unsigned end = g->done + requests;

	while (g->done < end) {
		struct slot_request *s = &g->slots[rig_random(&g->seed) % SLOTS];

		if (!s->busy)
			submit_random(g, s);
		else if (g->loop)
			loop_run_once(g->loop, 10);
		else
			block_poll(g->engine);
	}
	block_drain(g->block);
}

/* ---- looking at the result ---- */

static void assert_whole_windows(struct guest *g)
{
	struct slot_request *s = &g->slots[0];

	for (unsigned w = 0; w < WINDOWS; w++)
		for (uint32_t at = 0; at < WINDOW; at += MAX_REQUEST) {
			s->window = w;
			s->at = at;
			s->iov[0] = (struct iovec){ s->buffer, MAX_REQUEST };
			s->request = (struct block_request){ .op = BLOCK_READ,
				                             .offset = g->windows[w] + at,
				                             .length = MAX_REQUEST,
				                             .iov = s->iov,
				                             .iov_count = 1,
				                             .done = request_done };
			block_submit(g->block, &s->request);
			block_drain(g->block);
		}
}

static void flush(struct guest *g)
{
	struct slot_request *s = &g->slots[0];

	s->request = (struct block_request){ .op = BLOCK_FLUSH, .done = request_done };
	block_submit(g->block, &s->request);
	block_drain(g->block);
}

/* While the machine still has it open: a flush is enough. */
static void assert_qemu_img_agrees(struct guest *g)
{
	char path[128], command[256];
	int fd;

	if (!rig_has_qemu_img())
		return;
	assert_int_equal(rig_check(g->rig.overlay_path), RIG_SOUND);
	snprintf(path, sizeof(path), "%s/expected.raw", g->rig.folder);
	snprintf(command, sizeof(command), "cp --sparse=always %s %s", g->rig.base_path, path);
	assert_int_equal(system(command), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (unsigned w = 0; w < WINDOWS; w++)
		assert_int_equal(pwrite(fd, g->model[w], WINDOW, (off_t)g->windows[w]), WINDOW);
	close(fd);
	assert_true(rig_qemu_reads(&g->rig, path));
}

/* ---- the machine ---- */

static void plug(struct guest *g)
{
	struct error e = { 0 };

	g->block = block_new(g->engine, "scsi0:0");
	assert_non_null(g->block);
	assert_int_equal(block_set_medium(g->block, g->open_base(g), g->in_place ? -1 : rig_overlay_fd(&g->rig), &e),
	                 0);
	assert_false(block_read_only(g->block));
	assert_int_equal(block_capacity(g->block), g->rig.capacity);
}

/* With the disk in, and what its base has in the windows read from base_path. threads: real workers. */
static void guest_start(struct guest *g, uint64_t seed, bool threads)
{
	int fd = open(g->rig.base_path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	the_guest = g;
	g->seed = seed;
	for (unsigned w = 0; w < WINDOWS; w++) {
		g->model[w] = malloc(WINDOW);
		assert_non_null(g->model[w]);
		assert_int_equal(pread(fd, g->model[w], WINDOW, (off_t)g->windows[w]), WINDOW);
	}
	close(fd);
	for (unsigned i = 0; i < SLOTS; i++) {
		g->slots[i].buffer = malloc(MAX_REQUEST);
		assert_non_null(g->slots[i].buffer);
	}
	g->loop = threads ? loop_new(NULL) : NULL;
	g->engine = block_engine_new(g->loop, 4);
	assert_non_null(g->engine);
	plug(g);
}

/* What is in rig is the caller's. */
static void guest_stop(struct guest *g)
{
	block_free(g->block);
	block_engine_free(g->engine);
	loop_free(g->loop);
	for (unsigned w = 0; w < WINDOWS; w++)
		free(g->model[w]);
	for (unsigned i = 0; i < SLOTS; i++)
		free(g->slots[i].buffer);
}

/* Some days, each with `requests`, a look at everything, a judge, a few more requests and a restart. */
GUEST_HELPER void guest_days(struct guest *g, unsigned days, unsigned requests)
{
	void (*judge)(struct guest *) = g->judge ? g->judge : assert_qemu_img_agrees;

	assert_whole_windows(g);
	for (unsigned day = 0; day < days; day++) {
		play(g, requests);
		assert_whole_windows(g);
		flush(g);
		judge(g);
		play(g, requests / 8);
		block_free(g->block);
		plug(g);
		assert_whole_windows(g);
	}
	judge(g);
}

#endif
