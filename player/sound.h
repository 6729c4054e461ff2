/* SPDX-License-Identifier: MIT */
/*
 * Plays a core's sound ring with SDL 2. No audio device is touched before the first sample arrives, and none is held
 * while the guest has been silent for some seconds.
 *
 * Create, run and free on the main thread; SDL reads the ring on its own. The ring must outlive the player.
 */
#ifndef VITRINE_PLAYER_SOUND_H
#define VITRINE_PLAYER_SOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/audio/sound_ring.h"

struct sound;

/* trouble: called once at most, with a sentence, when samples came and no device could be opened. */
struct sound *sound_new(struct sound_ring *ring, void (*trouble)(void *context, const char *text), void *context);
void sound_set_running(struct sound *s, bool running); /* false: silence at once */
void sound_free(struct sound *s);

/* Takes up to `frames` frames and fills the rest with silence; returns how many were taken. *read is the caller's own
 * index: the one in the ring is only told to the core, who might have changed it. */
size_t sound_ring_take(struct sound_ring *ring, uint32_t *read, int16_t *samples, size_t frames);
/* Frames that wait; 0 to SOUND_FRAMES whatever the core wrote. */
size_t sound_ring_waiting(const struct sound_ring *ring, uint32_t read);

#endif
