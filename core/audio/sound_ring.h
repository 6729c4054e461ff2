/* SPDX-License-Identifier: MIT */
/*
 * The PCM ring between core and player: a shared memfd that the player made and sealed. The core writes frames ahead of the
 * player's read position; the player plays silence when it is empty. Both sides treat the other's index as hostile: only
 * differences modulo the ring are used, clipped to its size.
 */
#ifndef VITRINE_SOUND_RING_H
#define VITRINE_SOUND_RING_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#define SOUND_RATE 48000u  /* frames a second */
#define SOUND_CHANNELS 2u  /* interleaved signed 16 bit, native order */
#define SOUND_FRAMES 8192u /* in the ring: 170 ms */

struct sound_ring {
	_Atomic uint32_t written; /* frames, counts up and wraps; the core's */
	_Atomic uint32_t read;    /* frames; the player's */
	uint32_t reserved[14];
	int16_t samples[SOUND_FRAMES * SOUND_CHANNELS];
};
static_assert(sizeof(struct sound_ring) == 64 + SOUND_FRAMES * SOUND_CHANNELS * 2, "shared layout");

#endif
