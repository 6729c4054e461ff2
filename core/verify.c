/* SPDX-License-Identifier: MIT */
#include "core/verify.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/sandbox.h"
#include "vmformat/bytes.h"

#define STEP (1u << 20) /* bytes between two looks at `stop`: a few milliseconds of hashing */

struct verify {
	struct manifest *manifest; /* the thread's */
	struct loop *loop;
	struct loop_work work;
	verify_found found;
	void *context;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop, waits;
	struct error error; /* written before `work` is posted, read by the loop's thread while this one waits */
};

static void tell(struct loop_work *work)
{
	struct verify *v = container_of(work, struct verify, work);

	v->found(v->context, &v->error);
}

static bool is_stopped(struct verify *v)
{
	bool stop;

	pthread_mutex_lock(&v->lock);
	stop = v->stop;
	pthread_mutex_unlock(&v->lock);
	return stop;
}

static void tell_and_wait(struct verify *v)
{
	pthread_mutex_lock(&v->lock);
	v->waits = true;
	loop_post(v->loop, &v->work);
	while (v->waits && !v->stop)
		pthread_cond_wait(&v->changed, &v->lock);
	pthread_mutex_unlock(&v->lock);
}

static void *run(void *context)
{
	struct verify *v = context;
	int more = 1;

	if (sandbox_enter_role(SANDBOX_WORKER) < 0)
		abort(); /* a thread that cannot be narrowed must not read hostile bytes */
	while (more && !is_stopped(v)) {
		error_clear(&v->error);
		more = manifest_check_step(v->manifest, STEP, &v->error);
		if (more <= 0)
			tell_and_wait(v); /* the last one, too: verify_free() lets it go */
	}
	return NULL;
}

struct verify *verify_start(struct manifest *manifest, struct loop *loop, verify_found found, void *context)
{
	struct verify *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	*v = (struct verify){
		.manifest = manifest, .loop = loop, .work = { .run = tell }, .found = found, .context = context
	};
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->changed, NULL);
	if (pthread_create(&v->thread, NULL, run, v) == 0)
		return v;
	pthread_cond_destroy(&v->changed);
	pthread_mutex_destroy(&v->lock);
	free(v);
	return NULL;
}

static void signal_thread(struct verify *v, bool stop)
{
	pthread_mutex_lock(&v->lock);
	v->waits = false;
	v->stop = stop;
	pthread_cond_signal(&v->changed);
	pthread_mutex_unlock(&v->lock);
}

void verify_go_on(struct verify *v)
{
	signal_thread(v, false);
}

void verify_free(struct verify *v)
{
	if (!v)
		return;
	signal_thread(v, true);
	pthread_join(v->thread, NULL);
	loop_cancel(v->loop, &v->work); /* posted, and not told any more */
	pthread_cond_destroy(&v->changed);
	pthread_mutex_destroy(&v->lock);
	free(v);
}
