/* SPDX-License-Identifier: MIT */
/*
 * A pointer to an immutable table that many threads read and few replace.
 *
 * Readers bracket each look-up with snapshot_enter/snapshot_leave and must not block in between. A writer (one at a time, by its
 * own lock) publishes a new table; snapshot_replace() returns the old one when the last reader has left it, so it can be freed.
 * A guest can move a BAR a million times: nothing may pile up, hence no "free it at the end".
 */
#ifndef VITRINE_SNAPSHOT_H
#define VITRINE_SNAPSHOT_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#define SNAPSHOT_STRIPES 16u

/* Every exit of every CPU comes through here: readers that counted themselves in one place would wait for that cache line longer than
 * for all else (measured: 140 instead of 25 cycles a look-up on two CPUs). So each thread counts itself in a line of its own. */
struct snapshot_stripe {
	_Atomic unsigned readers[2];
	uint64_t apart[7];
};

struct snapshot {
	_Atomic(void *) table;
	_Atomic unsigned epoch;
	uint64_t apart[6];
	struct snapshot_stripe stripes[SNAPSHOT_STRIPES];
};

struct snapshot_ticket {
	unsigned stripe, side;
};

/* Below SNAPSHOT_STRIPES, the same for a thread as long as it lives. Threads may share one; that is slower, and nothing else. */
unsigned snapshot_stripe(void);

/* Returns the table (NULL: none yet); ret_ticket goes to snapshot_leave(). */
static inline void *snapshot_enter(struct snapshot *s, struct snapshot_ticket *ret_ticket)
{
	*ret_ticket = (struct snapshot_ticket){ snapshot_stripe(), atomic_load(&s->epoch) & 1 };
	atomic_fetch_add(&s->stripes[ret_ticket->stripe].readers[ret_ticket->side], 1);
	return atomic_load(&s->table);
}

static inline void snapshot_leave(struct snapshot *s, struct snapshot_ticket ticket)
{
	atomic_fetch_sub(&s->stripes[ticket.stripe].readers[ticket.side], 1);
}

/* A reader may have read the epoch before a flip and entered after it: two flips make sure that it was waited for. */
static inline void *snapshot_replace(struct snapshot *s, void *table)
{
	void *old = atomic_exchange(&s->table, table);

	for (int i = 0; i < 2; i++) {
		unsigned before = atomic_fetch_add(&s->epoch, 1) & 1;

		for (unsigned k = 0; k < SNAPSHOT_STRIPES; k++)
			while (atomic_load(&s->stripes[k].readers[before]))
				sched_yield();
	}
	return old;
}

#endif
