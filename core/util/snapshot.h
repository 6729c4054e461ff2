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

struct snapshot {
	_Atomic(void *) table;
	_Atomic unsigned epoch;
	_Atomic unsigned readers[2];
};

/* Returns the table (NULL: none yet); ret_ticket goes to snapshot_leave(). */
static inline void *snapshot_enter(struct snapshot *s, unsigned *ret_ticket)
{
	*ret_ticket = atomic_load(&s->epoch) & 1;
	atomic_fetch_add(&s->readers[*ret_ticket], 1);
	return atomic_load(&s->table);
}

static inline void snapshot_leave(struct snapshot *s, unsigned ticket)
{
	atomic_fetch_sub(&s->readers[ticket], 1);
}

/* A reader may have read the epoch before a flip and entered after it: two flips make sure that it was waited for. */
static inline void *snapshot_replace(struct snapshot *s, void *table)
{
	void *old = atomic_exchange(&s->table, table);

	for (int i = 0; i < 2; i++) {
		unsigned before = atomic_fetch_add(&s->epoch, 1) & 1;

		while (atomic_load(&s->readers[before]))
			sched_yield();
	}
	return old;
}

#endif
