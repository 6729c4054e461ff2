/* SPDX-License-Identifier: MIT */
/* A guest's day: thousands of random requests through the engine and the overlay, against a plain copy in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/overlay_rig.h"

#include <sys/stat.h>

#include "core/loop.h"
#include "core/storage/block.h"

#define L2_SPAN (512ull << 20)
#define CAPACITY (2 * L2_SPAN + (3u << 20) + 1536) /* the last cluster is cut */
#define WINDOW (3u << 20)
#define WINDOWS 3
#define SLOTS 16 /* requests in flight */
#define MAX_REQUEST (512u << 10)

/* Where the guest works; elsewhere the disk is empty. */
static const uint64_t windows[WINDOWS] = { 0, L2_SPAN - WINDOW / 2, CAPACITY - WINDOW };

struct slot_request {
	struct block_request request;
	struct iovec iov[8];
	uint8_t *buffer;
	unsigned window;
	uint32_t at; /* in the window */
	bool busy;
};

struct guest {
	struct rig rig;
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
		.op = op, .offset = windows[window] + at, .length = length, .iov = s->iov, .done = request_done
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
				                             .offset = windows[w] + at,
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
	char path[128];
	int fd;

	if (!rig_has_qemu_img())
		return;
	assert_int_equal(rig_check(g->rig.overlay_path), RIG_SOUND);
	snprintf(path, sizeof(path), "%s/expected.raw", g->rig.folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, CAPACITY), 0);
	for (unsigned w = 0; w < WINDOWS; w++)
		assert_int_equal(pwrite(fd, g->model[w], WINDOW, (off_t)windows[w]), WINDOW);
	close(fd);
	assert_true(rig_qemu_reads(&g->rig, path));
}

/* ---- the machine ---- */

static void plug(struct guest *g)
{
	struct error e = { 0 };

	g->block = block_new(g->engine, "scsi0:0");
	assert_non_null(g->block);
	assert_int_equal(block_set_medium(g->block, rig_open_base(&g->rig), rig_overlay_fd(&g->rig), &e), 0);
	assert_false(block_read_only(g->block));
	assert_int_equal(block_capacity(g->block), CAPACITY);
}

static struct guest *make_guest(uint64_t seed, bool threads)
{
	struct guest *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	the_guest = g;
	g->seed = seed;
	rig_init(&g->rig, CAPACITY);
	for (unsigned w = 0; w < WINDOWS; w++) {
		g->model[w] = malloc(WINDOW);
		assert_non_null(g->model[w]);
		rig_fill(&g->seed, g->model[w], WINDOW);
		rig_write_base(&g->rig, windows[w], g->model[w], WINDOW);
	}
	for (unsigned i = 0; i < SLOTS; i++) {
		g->slots[i].buffer = malloc(MAX_REQUEST);
		assert_non_null(g->slots[i].buffer);
	}
	g->loop = threads ? loop_new(NULL) : NULL;
	g->engine = block_engine_new(g->loop, 4);
	assert_non_null(g->engine);
	plug(g);
	return g;
}

static void free_guest(struct guest *g)
{
	block_free(g->block);
	block_engine_free(g->engine);
	loop_free(g->loop);
	for (unsigned w = 0; w < WINDOWS; w++)
		free(g->model[w]);
	for (unsigned i = 0; i < SLOTS; i++)
		free(g->slots[i].buffer);
	rig_clean(&g->rig);
	free(g);
}

static void days(uint64_t seed, bool threads)
{
	struct guest *g = make_guest(seed, threads);

	assert_whole_windows(g);
	for (unsigned day = 0; day < 5; day++) {
		play(g, 800);
		assert_whole_windows(g);
		flush(g);
		assert_qemu_img_agrees(g);
		play(g, 100);
		block_free(g->block);
		plug(g);
		assert_whole_windows(g);
	}
	assert_qemu_img_agrees(g);
	free_guest(g);
}

static void overlay_agrees_with_a_plain_copy_after_random_requests(void **state)
{
	(void)state;
	if (!rig_has_qemu_img())
		print_message("SKIPPED: comparison by qemu-img: there is none\n");
	days(0x5eed, false);
}

static void overlay_agrees_with_a_plain_copy_with_four_workers(void **state)
{
	(void)state;
	days(0xfeed, true);
}

static void write_fill(struct guest *g, uint32_t at, uint8_t fill, uint32_t length)
{
	struct slot_request *s = &g->slots[0];

	memset(s->buffer, fill, length);
	memset(g->model[0] + at, fill, length);
	s->window = 0;
	s->at = at;
	s->iov[0] = (struct iovec){ s->buffer, length };
	s->request = (struct block_request){ .op = BLOCK_WRITE,
		                             .offset = windows[0] + at,
		                             .length = length,
		                             .iov = s->iov,
		                             .iov_count = 1,
		                             .done = request_done };
	block_submit(g->block, &s->request);
	block_drain(g->block);
}

static uint64_t room_taken(const struct guest *g)
{
	struct stat st;

	assert_int_equal(stat(g->rig.overlay_path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* But for the clusters at both ends, which hold other bytes too. What is stored already stays where it is. */
static void zeros_that_a_guest_writes_take_no_room(void **state)
{
	struct guest *g = make_guest(7, false);
	uint64_t before;

	(void)state;
	write_fill(g, 3 * QCOW2_CLUSTER, 0x55, QCOW2_CLUSTER);
	flush(g);
	before = room_taken(g);
	write_fill(g, 512, 0, MAX_REQUEST);
	flush(g);
	assert_in_range(room_taken(g) - before, 0, 2 * QCOW2_CLUSTER);
	assert_whole_windows(g);
	assert_qemu_img_agrees(g);
	write_fill(g, QCOW2_CLUSTER, 0x77, 2 * QCOW2_CLUSTER);
	assert_whole_windows(g);
	free_guest(g);
}

/* A discard that is no whole cluster must leave zeros too, whatever was there. */
static void discard_of_any_alignment_reads_as_zeros(void **state)
{
	static const struct {
		uint32_t at, length;
	} cases[] = {
		{ 512, 512 },    { 65536 - 512, 1024 }, { 65536, 65536 },
		{ 512, 131072 }, { 131072 - 512, 512 }, { 0, WINDOW },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guest *g = make_guest(i + 1, false);
		struct slot_request *s = &g->slots[0];

		for (unsigned w = 0; w < WINDOWS; w++) {
			memset(g->model[w] + cases[i].at, 0, cases[i].length);
			s->window = w;
			s->at = cases[i].at;
			s->request = (struct block_request){ .op = BLOCK_DISCARD,
				                             .offset = windows[w] + cases[i].at,
				                             .length = cases[i].length,
				                             .done = request_done };
			block_submit(g->block, &s->request);
			block_drain(g->block);
		}
		assert_whole_windows(g);
		flush(g);
		assert_qemu_img_agrees(g);
		free_guest(g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlay_agrees_with_a_plain_copy_after_random_requests),
		cmocka_unit_test(overlay_agrees_with_a_plain_copy_with_four_workers),
		cmocka_unit_test(zeros_that_a_guest_writes_take_no_room),
		cmocka_unit_test(discard_of_any_alignment_reads_as_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
