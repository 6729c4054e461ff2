/* SPDX-License-Identifier: MIT */
/* The digest thread, with a manifest that is wrong at once and a loop that only remembers what is posted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <unistd.h>

#include "core/verify.c"

static struct loop_work *_Atomic queued;

void loop_post(struct loop *l, struct loop_work *work)
{
	(void)l;
	queued = work;
}

void loop_cancel(struct loop *l, struct loop_work *work)
{
	(void)l;
	if (queued == work)
		queued = NULL;
}

int manifest_check_step(struct manifest *m, size_t budget, struct error *e)
{
	(void)m, (void)budget;
	e->code = -EBADMSG;
	return -EBADMSG;
}

void error_clear(struct error *e)
{
	*e = (struct error){ 0 };
}

static void found(void *context, const struct error *e)
{
	(void)context, (void)e;
}

/* The loop is still run, for drives that are drained, when the machine is taken apart. */
static void nothing_is_left_with_the_loop_when_it_ends(void **state)
{
	struct verify *v = verify_start(NULL, NULL, found, NULL);

	(void)state;
	assert_non_null(v);
	while (!queued)
		usleep(1000);
	verify_free(v);
	assert_null(queued);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_with_the_loop_when_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
