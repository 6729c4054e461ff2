/* SPDX-License-Identifier: MIT */
/*
 * The loudspeaker: turns what the timer chip does to it into frames of the sound ring. The chip
 * tells it every change of its input before the change (speaker_run with the old input), so that
 * sound made by switching alone (RealSound, PWM) comes out too. Under the pit's lock. Time is in
 * units of 1/SOUND_RATE of a PIT tick, so that ticks and frames are both whole numbers.
 */
#ifndef VITRINE_SPEAKER_H
#define VITRINE_SPEAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/audio/sound_ring.h"

#define PIT_HZ 1193182ull
#define SPEAKER_TICK SOUND_RATE /* units in a tick of the PIT */
#define SPEAKER_FRAME PIT_HZ    /* units in a frame */

/* What drives the cone from `origin` on: low for `low` units, then either high for ever (period 0)
 * or a wave that is high for `high` of each `period`. */
struct speaker_input {
	uint64_t origin, low, high, period;
};

struct speaker {
	struct sound_ring *ring; /* NULL: nobody listens */
	uint64_t now;            /* units: rendered so far */
	uint64_t frame_end;      /* units: when the frame being gathered is complete */
	uint64_t high;           /* units of that frame that the input was high */
	int32_t last_input;
	int32_t output; /* after the coupling capacitor, SPEAKER_FRACTION bits of fraction */
	uint32_t fade;  /* frames since the sound came back, up to SPEAKER_FADE */
};

/* The cone at rest at this time. It is not saved: after a load it starts from there. */
void speaker_reset(struct speaker *s, uint64_t now);
/* Renders up to `now` with this input. */
void speaker_run(struct speaker *s, const struct speaker_input *input, uint64_t now);
/* Whether this input makes sound, or the last one still does: to be run again soon. */
bool speaker_busy(const struct speaker *s, const struct speaker_input *input);
/* Guest time will stand still: brings the cone to rest without a click. */
void speaker_pause(struct speaker *s);

#endif
