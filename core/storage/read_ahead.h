/* SPDX-License-Identifier: MIT */
/*
 * What idle block workers unpack before it is asked for. Inflating a grain takes ten times as long as copying it, so a compressed
 * disk is worth it, and no other: the host's kernel reads ahead by itself. A long request, and one that goes on where the last
 * ended, open a window; workers with nothing to do claim it piece by piece and leave the units in the cache.
 *
 * Plain data, the engine's lock held. Offsets and lengths are bytes of the disk.
 */
#ifndef VITRINE_READ_AHEAD_H
#define VITRINE_READ_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

/* A piece is one unit of most disks, a VMDK's grain; the window a quarter of the unit cache, which several drives share. */
#define READ_AHEAD_PIECE (64u << 10)
#define READ_AHEAD_WINDOW (1u << 20)

struct read_ahead {
	bool wanted;       /* a compressed unit has been met */
	uint64_t expected; /* where the last request ended */
	uint64_t next, end;
};

/* A worker is about to read this. True: there is now something to claim. */
bool read_ahead_note(struct read_ahead *a, uint64_t offset, uint32_t length, uint64_t capacity);
/* The next piece, whole pieces from offset 0 on. False: nothing is left. */
bool read_ahead_claim(struct read_ahead *a, uint64_t *ret_offset);
/* A unit was found to reach up to there: longer than a piece. */
void read_ahead_skip(struct read_ahead *a, uint64_t offset);
void read_ahead_stop(struct read_ahead *a);

#endif
