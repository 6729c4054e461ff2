/* SPDX-License-Identifier: MIT */
/* A guest's day: thousands of random requests through the engine and the overlay, against a plain copy in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/storage/overlay_guest.h"

#define L2_SPAN (512ull << 20)
#define CAPACITY (2 * L2_SPAN + (3u << 20) + 1536) /* the last cluster is cut */

static struct disk *open_rig_base(struct guest *g)
{
	return rig_open_base(&g->rig);
}

/* Elsewhere the disk is empty. */
static struct guest *make_guest(uint64_t seed, bool threads)
{
	struct guest *g = calloc(1, sizeof(*g));
	uint8_t *bytes = malloc(WINDOW);
	uint64_t content = seed;

	assert_true(g && bytes);
	rig_init(&g->rig, CAPACITY);
	g->open_base = open_rig_base;
	g->windows[1] = L2_SPAN - WINDOW / 2;
	g->windows[2] = CAPACITY - WINDOW;
	for (unsigned w = 0; w < WINDOWS; w++) {
		rig_fill(&content, bytes, WINDOW);
		rig_write_base(&g->rig, g->windows[w], bytes, WINDOW);
	}
	free(bytes);
	guest_start(g, seed, threads);
	return g;
}

static void free_guest(struct guest *g)
{
	guest_stop(g);
	rig_clean(&g->rig);
	free(g);
}

static void days(uint64_t seed, bool threads)
{
	struct guest *g = make_guest(seed, threads);

	guest_days(g, 5, 800);
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
		                             .offset = g->windows[0] + at,
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
				                             .offset = g->windows[w] + cases[i].at,
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
