/* SPDX-License-Identifier: MIT */
#include "core/util/snapshot.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define READERS 3
#define REPLACEMENTS 500

struct scene {
	struct snapshot snapshot;
	atomic_bool end;
	atomic_uint bad, looks;
};

/* An entry is valid while nobody has got it back from snapshot_replace(). */
static void *read_on(void *context)
{
	struct scene *scene = context;
	struct snapshot_ticket ticket;

	while (!atomic_load(&scene->end)) {
		const atomic_bool *valid = snapshot_enter(&scene->snapshot, &ticket);

		for (int i = 0; i < 20; i++)
			if (valid && !atomic_load(valid))
				atomic_fetch_add(&scene->bad, 1);
		snapshot_leave(&scene->snapshot, ticket);
		atomic_fetch_add(&scene->looks, 1);
		sched_yield();
	}
	return NULL;
}

static void a_table_comes_back_when_its_last_reader_has_left(void **state)
{
	static atomic_bool tables[2];
	struct scene *scene = calloc(1, sizeof(*scene));
	pthread_t readers[READERS];

	(void)state;
	assert_non_null(scene);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_on, scene), 0);
	for (int i = 0; i < REPLACEMENTS || atomic_load(&scene->looks) < 100; i++) {
		atomic_bool *old;

		atomic_store(&tables[i % 2], true);
		old = snapshot_replace(&scene->snapshot, &tables[i % 2]);
		assert_ptr_equal(old, i ? &tables[(i + 1) % 2] : NULL);
		if (old)
			atomic_store(old, false);
	}
	atomic_store(&scene->end, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(atomic_load(&scene->bad), 0);
	free(scene);
}

static void *which_stripe(void *context)
{
	unsigned *ret_stripe = context;

	*ret_stripe = snapshot_stripe();
	return NULL;
}

static void threads_that_begin_one_after_another_count_apart(void **state)
{
	unsigned stripes[SNAPSHOT_STRIPES];
	bool used[SNAPSHOT_STRIPES] = { false };
	pthread_t thread;

	(void)state;
	for (unsigned i = 0; i < SNAPSHOT_STRIPES; i++) {
		assert_int_equal(pthread_create(&thread, NULL, which_stripe, &stripes[i]), 0);
		pthread_join(thread, NULL);
		assert_in_range(stripes[i], 0, SNAPSHOT_STRIPES - 1);
		assert_false(used[stripes[i]]);
		used[stripes[i]] = true;
	}
	assert_int_equal(snapshot_stripe(), snapshot_stripe());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_comes_back_when_its_last_reader_has_left),
		cmocka_unit_test(threads_that_begin_one_after_another_count_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
