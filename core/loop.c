/* SPDX-License-Identifier: MIT */
#include "core/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "vmformat/bytes.h"

struct loop {
	int epoll, wake;
	struct clock *clock;
	atomic_bool quit;
	pthread_mutex_t lock; /* the queue; a leaf */
	struct loop_work *first, **last;
	unsigned queued;
	struct loop_source wake_source;
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

/* A timer that is set within a round is seen when the next one begins (time_left()): each tick of the PIT would wake the loop twice. */
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

/* Linux before 5.11 has no such call; what then waited for nothing would never wait. */
static bool can_wait(const struct loop *l)
{
	struct epoll_event event;

	return epoll_pwait2(l->epoll, &event, 1, &(struct timespec){ 0 }, NULL) >= 0;
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
	l->wake_source = (struct loop_source){ l->wake, EPOLLIN, drain_wake, l };
	if (l->epoll < 0 || l->wake < 0 || loop_add(l, &l->wake_source) < 0 || !can_wait(l)) {
		loop_free(l);
		return NULL;
	}
	if (clock) {
		clock_set_wake(clock, wake_for_timer, l);
		prctl(PR_SET_TIMERSLACK, 1); /* else the kernel may let a guest's timer be 50 us late */
	}
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

/* How long a round may wait, in ns; TIMER_OFF: for ever. Guest time and the host's run alike while the machine runs, so the distance to
 * the next deadline is the host's, too. */
static uint64_t time_left(struct loop *l, int timeout_ms)
{
	uint64_t limit = timeout_ms < 0 ? TIMER_OFF : (uint64_t)timeout_ms * NS_PER_MS;
	uint64_t next = l->clock ? clock_next(l->clock) : TIMER_OFF;
	uint64_t now = next == TIMER_OFF ? 0 : clock_now(l->clock);

	return next == TIMER_OFF ? limit : MIN(next > now ? next - now : 0, limit);
}

/* The deadline is an argument of the wait, not a timer of its own: two system calls less for each tick of the PIT. */
void loop_run_once(struct loop *l, int timeout_ms)
{
	const struct loop *outer = current; /* a drain is a round within a round */
	uint64_t wait = time_left(l, timeout_ms);
	struct timespec timeout = { (time_t)(wait / NS_PER_SECOND), (long)(wait % NS_PER_SECOND) };
	struct epoll_event events[16];
	int n;

	current = l;
	n = epoll_pwait2(l->epoll, events, 16, wait == TIMER_OFF ? NULL : &timeout, NULL);
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
