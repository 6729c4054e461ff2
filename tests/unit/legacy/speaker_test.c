/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/audio/sound_ring.h"
#include "core/legacy/legacy.h"
#include "tests/unit/fake_board.h"

#define HZ 1193182u

struct rig {
	struct fake_board *f;
	struct device *d;
	struct sound_ring ring;
	int16_t *heard; /* all frames, one channel */
	size_t count;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct pit_config sound = { .sound = &r->ring };
	struct device_config config = { .id = "pit", .port = 0x40, .irq_count = 1, .irqs = { 0 }, .extra = &sound };

	r->f = fake_board_new();
	r->heard = calloc(SOUND_RATE * 20, sizeof(*r->heard));
	r->d = fake_board_create(r->f, &pit_class, &config);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	fake_board_free(r->f);
	free(r->heard);
	free(r);
	return 0;
}

/* The player: takes what is there but for `rest` frames, so that it never runs dry. */
static void take(struct rig *r, uint32_t rest)
{
	uint32_t at = atomic_load(&r->ring.read), written = atomic_load(&r->ring.written);

	for (; written - at > rest && written - at <= SOUND_FRAMES; at++) {
		const int16_t *frame = &r->ring.samples[at % SOUND_FRAMES * 2];

		assert_int_equal(frame[0], frame[1]);
		r->heard[r->count++] = frame[0];
	}
	atomic_store(&r->ring.read, at);
}

static void play(struct rig *r, unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 50) {
		clock_advance(r->f->board.clock, 50 * NS_PER_MS);
		take(r, 100);
	}
}

static void tone(struct rig *r, unsigned count)
{
	fake_outb(r->f, 0x43, 0xb6);
	fake_outb(r->f, 0x42, (uint8_t)count);
	fake_outb(r->f, 0x42, (uint8_t)(count >> 8));
	fake_outb(r->f, 0x61, 3);
}

static unsigned rising_crossings(const int16_t *frames, size_t count)
{
	unsigned crossings = 0;

	for (size_t i = 1; i < count; i++)
		crossings += frames[i - 1] < 0 && frames[i] >= 0;
	return crossings;
}

/* Mean over whole milliseconds, far below the level of the wave if no DC is left. */
static int mean(const int16_t *frames, size_t count)
{
	int64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += frames[i];
	return (int)(sum / (int64_t)count);
}

/* The last second heard, without the player's cushion of silence. */
static const int16_t *last_second(const struct rig *r)
{
	return r->heard + r->count - SOUND_RATE;
}

static void tone_has_its_frequency(void **state)
{
	static const unsigned tones[] = { 100, 440, 1000, 4186 };
	struct rig *r = *state;

	for (unsigned i = 0; i < 4; i++) {
		tone(r, HZ / tones[i]);
		r->count = 0;
		play(r, 1500);
		assert_in_range(rising_crossings(last_second(r), SOUND_RATE), tones[i] - 3, tones[i] + 3);
		assert_in_range(abs(mean(last_second(r), SOUND_RATE)), 0, 60);
	}
}

static void frames_keep_pace_with_guest_time(void **state)
{
	struct rig *r = *state;
	size_t before;

	tone(r, HZ / 1000);
	play(r, 500);
	before = r->count;
	play(r, 10000);
	assert_in_range(r->count - before, 480000 - 480, 480000 + 480);
}

static void steady_player_hears_no_gap(void **state)
{
	struct rig *r = *state;
	uint32_t fill;

	tone(r, HZ / 1000);
	for (unsigned i = 0; i < 1000; i++) {
		clock_advance(r->f->board.clock, 10 * NS_PER_MS);
		fill = atomic_load(&r->ring.written) - atomic_load(&r->ring.read);
		assert_in_range(fill, 480, 2500);
		atomic_fetch_add(&r->ring.read, 480);
	}
}

static void silence_follows_without_a_click_and_without_a_timer(void **state)
{
	struct rig *r = *state;
	size_t end;

	tone(r, HZ / 440);
	play(r, 500);
	fake_outb(r->f, 0x61, 0);
	r->count = 0;
	play(r, 1000);
	take(r, 0);
	end = r->count;
	assert_true(end > 0);
	assert_in_range(abs(r->heard[end - 1]), 0, 1); /* the cone came to rest ... */
	for (size_t i = 1000; i < end; i++)            /* ... slowly, once the wave's last edge is over */
		assert_in_range(abs(r->heard[i] - r->heard[i - 1]), 0, 40);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
	play(r, 1000);
	assert_int_equal(r->count, end); /* silence is not written */
}

static void gate_or_data_bit_alone_make_no_sound(void **state)
{
	struct rig *r = *state;

	tone(r, HZ / 440);
	fake_outb(r->f, 0x61, 1);
	play(r, 500);
	r->count = 0;
	play(r, 500);
	assert_int_equal(r->count, 0);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
}

static void ultrasound_is_silence(void **state)
{
	struct rig *r = *state;

	tone(r, 20); /* 60 kHz: programs "switch off" the speaker so */
	play(r, 1000);
	r->count = 0;
	play(r, 500);
	assert_int_equal(r->count, 0);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
}

static void switching_the_data_bit_makes_sound(void **state)
{
	struct rig *r = *state;

	fake_outb(r->f, 0x43, 0xb6); /* counter 2 waits: its output is high */
	for (unsigned i = 0; i < 3000; i++) {
		fake_outb(r->f, 0x61, i & 1 ? 2 : 0);
		clock_advance(r->f->board.clock, 500 * NS_PER_US);
		if (i % 100 == 99)
			take(r, 100);
	}
	assert_in_range(rising_crossings(last_second(r), SOUND_RATE), 997, 1003);
}

static void pulse_width_modulation_makes_sound(void **state)
{
	struct rig *r = *state;
	size_t from;
	int low = 0, high = 0;

	/* RealSound: mode 0, the count is the sample, 16 kHz; here a 250 Hz square of narrow and wide pulses */
	fake_outb(r->f, 0x61, 3);
	fake_outb(r->f, 0x43, 0x90);
	for (unsigned i = 0; i < 16000; i++) {
		fake_outb(r->f, 0x42, i / 32 % 2 ? 10 : 60);
		clock_advance(r->f->board.clock, 62500);
		if (i % 800 == 799)
			take(r, 100);
	}
	from = r->count - 2000;
	for (size_t i = from; i < r->count; i++) {
		low = MIN(low, r->heard[i]);
		high = MAX(high, r->heard[i]);
	}
	assert_true(high - low > 3000);
}

static void pause_fades_and_stops(void **state)
{
	struct rig *r = *state;
	size_t end;

	tone(r, HZ / 440);
	play(r, 501);
	clock_stop(r->f->board.clock);
	device_lock(r->d);
	pit_class.pause(r->d);
	device_unlock(r->d);
	take(r, 0);
	assert_int_equal(r->heard[r->count - 1], 0);
	end = r->count;
	clock_run(r->f->board.clock);
	take(r, 0);
	assert_int_equal(r->count, end);
	clock_start(r->f->board.clock);
	play(r, 100);
	assert_true(r->count > end + 4000);
	assert_in_range(abs(r->heard[end + 1536]), 0, 100); /* fades in again */
}

static void full_ring_and_hostile_player_are_survived(void **state)
{
	struct rig *r = *state;

	tone(r, HZ / 440);
	clock_advance(r->f->board.clock, 5 * NS_PER_SECOND);
	assert_int_equal(atomic_load(&r->ring.written), SOUND_FRAMES); /* nobody plays: full, not overrun */
	srand(1);
	for (int i = 0; i < 1000; i++) {
		atomic_store(&r->ring.read, (uint32_t)rand() * 3u);
		if (i % 3 == 0)
			atomic_store(&r->ring.written, (uint32_t)rand() * 3u);
		clock_advance(r->f->board.clock, 20 * NS_PER_MS);
	}
}

static void sound_goes_on_after_a_state_load(void **state)
{
	struct rig *r = *state, *copy;
	void *other = NULL, *saved;
	size_t length;

	setup(&other);
	copy = other;
	tone(r, HZ / 1000);
	play(r, 200);
	saved = fake_save(r->d, &length);
	clock_set(copy->f->board.clock, clock_now(r->f->board.clock));
	assert_int_equal(fake_load(copy->d, saved, length), 0);
	play(copy, 1500);
	assert_in_range(rising_crossings(last_second(copy), SOUND_RATE), 997, 1003);
	free(saved);
	teardown(&other);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(tone_has_its_frequency),
		test(frames_keep_pace_with_guest_time),
		test(steady_player_hears_no_gap),
		test(silence_follows_without_a_click_and_without_a_timer),
		test(gate_or_data_bit_alone_make_no_sound),
		test(ultrasound_is_silence),
		test(switching_the_data_bit_makes_sound),
		test(pulse_width_modulation_makes_sound),
		test(pause_fades_and_stops),
		test(full_ring_and_hostile_player_are_survived),
		test(sound_goes_on_after_a_state_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
