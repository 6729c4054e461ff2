/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "player/sound.h"

#define FRAMES 64

/* Frame i holds i to the left and -i to the right. */
static struct sound_ring *make_ring(uint32_t read, uint32_t written)
{
	struct sound_ring *ring = calloc(1, sizeof(*ring));

	assert_non_null(ring);
	atomic_store(&ring->read, read);
	atomic_store(&ring->written, written);
	for (uint32_t i = read; i != written; i++) {
		ring->samples[i % SOUND_FRAMES * 2] = (int16_t)(i & 0x3fff);
		ring->samples[i % SOUND_FRAMES * 2 + 1] = (int16_t) - (int16_t)(i & 0x3fff);
	}
	return ring;
}

static void what_was_written_is_played_in_order_then_silence(void **state)
{
	struct sound_ring *ring = make_ring(100, 110);
	int16_t samples[FRAMES * 2];
	uint32_t read = 100;

	(void)state;
	assert_int_equal(sound_ring_waiting(ring, read), 10);
	assert_int_equal(sound_ring_take(ring, &read, samples, FRAMES), 10);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(samples[2 * i], 100 + i);
		assert_int_equal(samples[2 * i + 1], -(100 + i));
	}
	for (int i = 20; i < FRAMES * 2; i++)
		assert_int_equal(samples[i], 0);
	assert_int_equal(atomic_load(&ring->read), 110);
	assert_int_equal(sound_ring_take(ring, &read, samples, FRAMES), 0);
	free(ring);
}

static void the_ring_and_its_counters_wrap(void **state)
{
	uint32_t read = UINT32_MAX - 20;
	struct sound_ring *ring = make_ring(read, read + 50);
	int16_t samples[FRAMES * 2];

	(void)state;
	assert_int_equal(sound_ring_take(ring, &read, samples, FRAMES), 50);
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(samples[2 * i], (int16_t)((UINT32_MAX - 20 + i) & 0x3fff));
	assert_int_equal(read, 29);
	free(ring);
}

static void a_lying_counter_reads_no_more_than_the_ring(void **state)
{
	struct sound_ring *ring = make_ring(0, 0);
	int16_t *samples = calloc(SOUND_FRAMES * 2, sizeof(*samples) * 2);
	uint32_t read = 5;

	(void)state;
	atomic_store(&ring->written, 0x80000000u);
	assert_int_equal(sound_ring_waiting(ring, read), SOUND_FRAMES);
	assert_int_equal(sound_ring_take(ring, &read, samples, SOUND_FRAMES * 2), SOUND_FRAMES);
	assert_int_equal(read, 0x80000000u);
	atomic_store(&ring->written, 3); /* backwards */
	assert_int_equal(sound_ring_take(ring, &read, samples, SOUND_FRAMES * 2), SOUND_FRAMES);
	free(samples);
	free(ring);
}

static void the_cores_change_of_our_index_is_ignored(void **state)
{
	struct sound_ring *ring = make_ring(10, 20);
	int16_t samples[FRAMES * 2];
	uint32_t read = 10;

	(void)state;
	atomic_store(&ring->read, 0xdeadbeef);
	assert_int_equal(sound_ring_take(ring, &read, samples, 4), 4);
	assert_int_equal(samples[0], 10);
	assert_int_equal(atomic_load(&ring->read), 14);
	free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_played_in_order_then_silence),
		cmocka_unit_test(the_ring_and_its_counters_wrap),
		cmocka_unit_test(a_lying_counter_reads_no_more_than_the_ring),
		cmocka_unit_test(the_cores_change_of_our_index_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
