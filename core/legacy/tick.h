/* SPDX-License-Identifier: MIT */
/*
 * Ticks that were not taken. A guest that counts timer interrupts loses time when one arrives while
 * the last is still pending (its CPU was busy, or ours was). KVM says so; such ticks are owed and
 * delivered later, at twice the programmed rate, until the guest has caught up. Every period is
 * first owed, then paid if it is delivered: late and lost ticks are the same thing.
 */
#ifndef VITRINE_TICK_H
#define VITRINE_TICK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/clock.h"

/* A guest that took no tick for longer (stopped in a debugger, interrupts off) does better to find
 * out by its other clocks than to run at double speed for ever. */
#define TICK_OWED_MAX (10 * NS_PER_SECOND)

/* Nobody keeps time by interrupts that are nearer than this: sound played through the speaker is
 * not made up for. */
#define TICK_SHORTEST (100 * NS_PER_US)

struct tick {
	uint32_t owed;
};

/* `count` periods have gone by. */
static inline void tick_elapsed(struct tick *t, uint64_t count, uint64_t period)
{
	uint64_t limit = period < TICK_SHORTEST ? 1 : TICK_OWED_MAX / period, owed = t->owed + count;

	limit = limit ? limit : 1;
	t->owed = (uint32_t)(owed < limit ? owed : limit);
}

/* One was tried; status as irq_line_set() returns it. A masked interrupt is nobody's loss. */
static inline void tick_tried(struct tick *t, int status)
{
	if (status < 0)
		t->owed = 0;
	else if (status > 0 && t->owed)
		t->owed--;
}

/* When to try the next one that is owed: half a period after this one. */
static inline uint64_t tick_deadline(const struct tick *t, uint64_t now, uint64_t period)
{
	return t->owed ? now + period / 2 : TIMER_OFF;
}

#endif
