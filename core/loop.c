/* SPDX-License-Identifier: MIT */
#include "core/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

struct loop {
	int epoll, wake, timer;
	struct clock *clock;
	atomic_bool quit;
	pthread_mutex_t lock; /* the queue; a leaf */
	struct loop_work *first, **last;
	unsigned queued;
	struct loop_source wake_source, timer_source;
};

static void wake(void *context)
{
	struct loop *l = context;
	uint64_t one = 1;

	if (write(l->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
		abort(); /* an eventfd has no other way to fail; a lost wake-up would hang the machine */
}

/* In whose round this thread is. */
static _Thread_local const struct loop *current;

/* A timer that is set within a round is seen when the next one begins (arm_timer()): each tick of the PIT would wake the loop twice. */
static void wake_for_timer(void *context)
{
	if (context != current)
		wake(context);
}

static void drain_wake(void *context, uint32_t events)
{
	struct loop *l = context;
	uint64_t count;

	(void)events;
	if (read(l->wake, &count, sizeof(count)) < 0)
		return;
}

static void drain_timer(void *context, uint32_t events)
{
	struct loop *l = context;
	uint64_t count;

	(void)events;
	if (read(l->timer, &count, sizeof(count)) < 0)
		return;
}

struct loop *loop_new(struct clock *clock)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->clock = clock;
	l->last = &l->first;
	pthread_mutex_init(&l->lock, NULL);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	l->wake_source = (struct loop_source){ l->wake, EPOLLIN, drain_wake, l };
	l->timer_source = (struct loop_source){ l->timer, EPOLLIN, drain_timer, l };
	if (l->epoll < 0 || l->wake < 0 || l->timer < 0 || loop_add(l, &l->wake_source) < 0 ||
	    loop_add(l, &l->timer_source) < 0) {
		loop_free(l);
		return NULL;
	}
	if (clock)
		clock_set_wake(clock, wake_for_timer, l);
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->clock)
		clock_set_wake(l->clock, NULL, NULL);
	close(l->epoll);
	close(l->wake);
	close(l->timer);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

int loop_add(struct loop *l, struct loop_source *source)
{
	struct epoll_event event = { .events = source->events, .data.ptr = source };

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

void loop_modify(struct loop *l, struct loop_source *source)
{
	struct epoll_event event = { .events = source->events, .data.ptr = source };

	epoll_ctl(l->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

void loop_remove(struct loop *l, struct loop_source *source)
{
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, source->fd, NULL);
}

void loop_post(struct loop *l, struct loop_work *work)
{
	bool first;

	pthread_mutex_lock(&l->lock);
	if (work->queued) {
		pthread_mutex_unlock(&l->lock);
		return;
	}
	first = !l->first;
	work->queued = 1;
	work->next = NULL;
	*l->last = work;
	l->last = &work->next;
	l->queued++;
	pthread_mutex_unlock(&l->lock);
	if (first)
		wake(l);
}

void loop_cancel(struct loop *l, struct loop_work *work)
{
	struct loop_work **at = &l->first;

	pthread_mutex_lock(&l->lock);
	while (*at && *at != work)
		at = &(*at)->next;
	if (*at) {
		*at = work->next;
		work->queued = 0;
		l->queued--;
		if (!*at)
			l->last = at;
	}
	pthread_mutex_unlock(&l->lock);
}

static struct loop_work *take_work(struct loop *l)
{
	struct loop_work *work;

	pthread_mutex_lock(&l->lock);
	work = l->first;
	if (work) {
		l->first = work->next;
		if (!l->first)
			l->last = &l->first;
		work->queued = 0;
		l->queued--;
	}
	pthread_mutex_unlock(&l->lock);
	return work;
}

/* What was queued by now. What is posted meanwhile waits for the next round: a guest that keeps one work going (it prints without
 * end) holds up neither timers nor messages. */
static void run_work(struct loop *l)
{
	struct loop_work *work;
	unsigned count;
	bool more;

	pthread_mutex_lock(&l->lock);
	count = l->queued;
	pthread_mutex_unlock(&l->lock);
	while (count-- && (work = take_work(l)))
		work->run(work);
	pthread_mutex_lock(&l->lock);
	more = l->first;
	pthread_mutex_unlock(&l->lock);
	if (more)
		wake(l);
}

void loop_quit(struct loop *l)
{
	atomic_store(&l->quit, true);
	wake(l);
}

/* Guest time and CLOCK_MONOTONIC run alike while the machine runs, so the distance is what the timer needs. */
static void arm_timer(struct loop *l)
{
	uint64_t next = l->clock ? clock_next(l->clock) : TIMER_OFF;
	uint64_t now = l->clock ? clock_now(l->clock) : 0;
	uint64_t wait = next == TIMER_OFF ? 0 : next > now ? next - now : 1;
	struct itimerspec spec = { .it_value = { (time_t)(wait / NS_PER_SECOND), (long)(wait % NS_PER_SECOND) } };

	timerfd_settime(l->timer, 0, &spec, NULL);
}

void loop_run_once(struct loop *l, int timeout_ms)
{
	const struct loop *outer = current; /* a drain is a round within a round */
	struct epoll_event events[16];
	int n;

	current = l;
	if (l->clock)
		arm_timer(l);
	n = epoll_wait(l->epoll, events, 16, timeout_ms);
	for (int i = 0; i < n; i++) {
		struct loop_source *source = events[i].data.ptr;

		source->ready(source->context, events[i].events);
	}
	run_work(l);
	if (l->clock)
		clock_run(l->clock);
	current = outer;
}

void loop_run(struct loop *l)
{
	while (!atomic_load(&l->quit))
		loop_run_once(l, -1);
	atomic_store(&l->quit, false);
}
