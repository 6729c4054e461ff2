/* SPDX-License-Identifier: MIT */
#include "core/legacy/speaker.h"

#include <stdlib.h>

#include "vmformat/bytes.h"

#define SPEAKER_LEVEL 8192    /* a quarter of full scale: a square wave is loud */
#define SPEAKER_FRACTION 14   /* bits; SPEAKER_LEVEL << 14 leaves room for the filter's swing in 32 bits */
#define SPEAKER_FADE 96       /* frames: 2 ms */
#define SPEAKER_CAPACITOR 512 /* frames: lets pass what is above 15 Hz, so that no DC stays and no click comes */
#define SPEAKER_CUSHION 1536  /* frames of silence ahead of a sound: the player's buffer and our 10 ms steps */
#define SPEAKER_BACKLOG (SOUND_FRAMES * SPEAKER_FRAME) /* units: the ring holds no more, so older sound is skipped */
#define SPEAKER_HIGHEST_HZ 20000                       /* waves above are heard as their mean */
#define SPEAKER_CHUNK 128                              /* frames */

/* ---- the ring ---- */

static uint32_t ring_fill(const struct sound_ring *ring)
{
	uint32_t fill = atomic_load_explicit(&ring->written, memory_order_relaxed) -
	                atomic_load_explicit(&ring->read, memory_order_acquire);

	return MIN(fill, SOUND_FRAMES); /* the player's index may say anything */
}

/* What does not fit is lost: nobody has listened for 170 ms. */
static void ring_write(struct sound_ring *ring, const int16_t *frames, uint32_t count)
{
	uint32_t at = atomic_load_explicit(&ring->written, memory_order_relaxed);

	count = MIN(count, SOUND_FRAMES - ring_fill(ring));
	for (uint32_t i = 0; i < count; i++) {
		int16_t *sample = &ring->samples[(at + i) % SOUND_FRAMES * SOUND_CHANNELS];

		sample[0] = sample[1] = frames[i];
	}
	atomic_store_explicit(&ring->written, at + count, memory_order_release);
}

static void ring_cushion(struct sound_ring *ring)
{
	static const int16_t silence[SPEAKER_CUSHION];

	if (!ring_fill(ring))
		ring_write(ring, silence, SPEAKER_CUSHION);
}

/* ---- the input ---- */

static bool is_wave(const struct speaker_input *in)
{
	return in->period >= PIT_HZ * SPEAKER_TICK / SPEAKER_HIGHEST_HZ;
}

static uint64_t high_since_origin(const struct speaker_input *in, uint64_t t)
{
	uint64_t d = t > in->origin ? t - in->origin : 0;

	if (!in->period)
		return d > in->low ? d - in->low : 0;
	return d / in->period * in->high + MIN(d % in->period, in->high);
}

/* For how long of [from, to), at most a frame, the input is high. */
static uint64_t high_between(const struct speaker_input *in, uint64_t from, uint64_t to)
{
	if (in->period && !is_wave(in))
		return (to - from) * in->high / in->period;
	return high_since_origin(in, to) - high_since_origin(in, from);
}

static int32_t level(uint64_t high)
{
	return (int32_t)(high * SPEAKER_LEVEL / SPEAKER_FRAME);
}

bool speaker_busy(const struct speaker *s, const struct speaker_input *in)
{
	int32_t next;

	if (!s->ring)
		return false;
	if (is_wave(in) || abs(s->output) >= 1 << SPEAKER_FRACTION)
		return true;
	if (!in->period && in->low != UINT64_MAX && s->now < in->origin + in->low)
		return true;
	/* Constant: but does the cone rest there? The rounding of a mean moves nothing that could
	 * be heard. */
	next = level(s->high + high_between(in, s->now, s->frame_end));
	return abs(next - s->last_input) > SPEAKER_LEVEL / 512;
}

/* ---- the cone ---- */

static int16_t next_frame(struct speaker *s, int32_t input)
{
	int32_t sample;

	s->output += (input - s->last_input) * (1 << SPEAKER_FRACTION);
	s->output -= s->output / SPEAKER_CAPACITOR;
	s->last_input = input;
	sample = s->output / (1 << SPEAKER_FRACTION);
	if (s->fade < SPEAKER_FADE)
		sample = sample * (int32_t)s->fade++ / SPEAKER_FADE;
	return (int16_t)sample;
}

static void render(struct speaker *s, const struct speaker_input *in, uint64_t now)
{
	int16_t frames[SPEAKER_CHUNK];
	uint32_t count = 0;

	while (s->frame_end <= now) {
		s->high += high_between(in, s->now, s->frame_end);
		frames[count++] = next_frame(s, level(s->high));
		s->now = s->frame_end;
		s->frame_end += SPEAKER_FRAME;
		s->high = 0;
		if (count == SPEAKER_CHUNK) {
			ring_write(s->ring, frames, count);
			count = 0;
		}
	}
	ring_write(s->ring, frames, count);
	s->high += high_between(in, s->now, now);
	s->now = now;
}

void speaker_run(struct speaker *s, const struct speaker_input *in, uint64_t now)
{
	if (now <= s->now)
		return;
	if (!speaker_busy(s, in)) { /* silence is not written */
		s->now = now;
		s->frame_end = now + SPEAKER_FRAME;
		s->high = 0;
		return;
	}
	if (now - s->now > SPEAKER_BACKLOG) {
		s->now = now - SPEAKER_BACKLOG;
		s->frame_end = s->now + SPEAKER_FRAME;
		s->high = 0;
	}
	if (s->frame_end <= now)
		ring_cushion(s->ring);
	render(s, in, now);
}

void speaker_reset(struct speaker *s, uint64_t now)
{
	*s = (struct speaker){ .ring = s->ring, .now = now, .frame_end = now + SPEAKER_FRAME, .fade = SPEAKER_FADE };
}

void speaker_pause(struct speaker *s)
{
	int32_t from = s->output / (1 << SPEAKER_FRACTION);
	int16_t frames[SPEAKER_FADE];

	if (!s->ring || !from)
		return;
	for (int32_t i = 0; i < SPEAKER_FADE; i++)
		frames[i] = (int16_t)(from * (SPEAKER_FADE - 1 - i) / SPEAKER_FADE);
	ring_write(s->ring, frames, SPEAKER_FADE);
	s->fade = 0;
}
