/* SPDX-License-Identifier: MIT */
/*
 * fake_check_state() with somebody who knows how to talk to the chip: act() does one sensible
 * random thing (a command with its argument, a key, a byte typed) and returns what it read. After a
 * save in mid-talk, the original and a copy that loaded the state must answer alike, interrupt
 * alike and have the same timer running. A field that state() forgot is found so.
 */
#ifndef VITRINE_TWINS_H
#define VITRINE_TWINS_H

#include <stdlib.h>

#include "tests/unit/fake_board.h"

struct twin {
	struct fake_board *f;
	struct device *d;
	uint32_t random;
};

static inline uint32_t twin_random(struct twin *t, uint32_t below)
{
	t->random = t->random * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(t->random >> 8) * below >> 24);
}

static inline void twin_copy(struct twin *b, struct twin *a)
{
	size_t length, length_b;
	void *saved = fake_save(a->d, &length), *saved_b;

	clock_set(b->f->board.clock, clock_now(a->f->board.clock));
	b->f->irq_status = a->f->irq_status;
	assert_int_equal(fake_load(b->d, saved, length), 0);
	saved_b = fake_save(b->d, &length_b);
	assert_int_equal(length, length_b);
	assert_memory_equal(saved, saved_b, length);
	memcpy(b->f->irq_edges, a->f->irq_edges, sizeof(a->f->irq_edges)); /* the load raised what was high */
	b->random = a->random;
	free(saved);
	free(saved_b);
}

static inline void check_twins(const struct device_class *class, const struct device_config *config,
                               uint64_t (*act)(struct twin *), unsigned seeds)
{
	for (unsigned seed = 1; seed <= seeds; seed++) {
		struct twin a = { .f = fake_board_new(), .random = seed * 2654435761u };
		struct twin b = { .f = fake_board_new() };

		a.d = fake_board_create(a.f, class, config);
		b.d = fake_board_create(b.f, class, config);
		for (unsigned i = 20 + twin_random(&a, 100); i; i--)
			act(&a);
		twin_copy(&b, &a);
		for (unsigned i = 0; i < 100; i++) {
			uint64_t from_a = act(&a), from_b = act(&b);

			if (from_a != from_b)
				fail_msg("seed %u, act %u after the load: %llx, the original %llx", seed, i,
				         (unsigned long long)from_b, (unsigned long long)from_a);
			assert_memory_equal(a.f->irq_level, b.f->irq_level, sizeof(a.f->irq_level));
			assert_memory_equal(a.f->irq_edges, b.f->irq_edges, sizeof(a.f->irq_edges));
			assert_int_equal(clock_next(a.f->board.clock), clock_next(b.f->board.clock));
		}
		fake_board_free(a.f);
		fake_board_free(b.f);
	}
}

#endif
