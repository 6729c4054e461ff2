/* SPDX-License-Identifier: MIT */
#include "core/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/device.h"
#include "core/state.h"

struct clock {
	pthread_mutex_t lock;
	bool manual, running;
	uint64_t now;        /* manual or stopped: guest time; running: guest time at `started` */
	uint64_t started;    /* CLOCK_MONOTONIC at clock_start() */
	uint64_t round;      /* counts clock_run() */
	struct timer *first; /* by deadline */
	void (*wake)(void *context);
	void *context;
};

static uint64_t host_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

struct clock *clock_new(bool manual)
{
	struct clock *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->manual = manual;
	return c;
}

void clock_free(struct clock *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static uint64_t now_locked(struct clock *c)
{
	return c->running && !c->manual ? c->now + host_now() - c->started : c->now;
}

uint64_t clock_now(struct clock *c)
{
	uint64_t now;

	pthread_mutex_lock(&c->lock);
	now = now_locked(c);
	pthread_mutex_unlock(&c->lock);
	return now;
}

static void wake_locked(struct clock *c)
{
	if (c->wake)
		c->wake(c->context);
}

void clock_start(struct clock *c)
{
	pthread_mutex_lock(&c->lock);
	if (!c->running) {
		c->running = true;
		c->started = host_now();
		wake_locked(c);
	}
	pthread_mutex_unlock(&c->lock);
}

void clock_stop(struct clock *c)
{
	pthread_mutex_lock(&c->lock);
	c->now = now_locked(c);
	c->running = false;
	pthread_mutex_unlock(&c->lock);
}

void clock_set(struct clock *c, uint64_t now)
{
	pthread_mutex_lock(&c->lock);
	c->now = now;
	c->started = host_now();
	pthread_mutex_unlock(&c->lock);
}

void timer_init(struct timer *t, struct device *d, void (*fire)(struct device *, struct timer *))
{
	*t = (struct timer){ .fire = fire, .device = d, .deadline = TIMER_OFF };
}

static void unlink_timer(struct clock *c, struct timer *t)
{
	struct timer **at = &c->first;

	if (t->deadline == TIMER_OFF)
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->deadline = TIMER_OFF;
}

void timer_set(struct clock *c, struct timer *t, uint64_t deadline)
{
	struct timer **at = &c->first;

	pthread_mutex_lock(&c->lock);
	unlink_timer(c, t);
	if (deadline != TIMER_OFF) {
		while (*at && (*at)->deadline <= deadline)
			at = &(*at)->next;
		t->deadline = deadline;
		t->round = c->round;
		t->next = *at;
		*at = t;
		if (at == &c->first)
			wake_locked(c);
	}
	pthread_mutex_unlock(&c->lock);
}

int timer_state(struct clock *c, struct state *s, const char *name, struct timer *t)
{
	uint64_t deadline = t->deadline;

	state_u64(s, name, &deadline);
	if (state_loading(s) && !state_error(s))
		timer_set(c, t, deadline);
	return state_error(s);
}

void clock_remove_device(struct clock *c, struct device *d)
{
	struct timer *next;

	pthread_mutex_lock(&c->lock);
	for (struct timer *t = c->first; t; t = next) {
		next = t->next;
		if (t->device == d)
			unlink_timer(c, t);
	}
	pthread_mutex_unlock(&c->lock);
}

uint64_t clock_next(struct clock *c)
{
	uint64_t deadline;

	pthread_mutex_lock(&c->lock);
	deadline = c->running && c->first ? c->first->deadline : TIMER_OFF;
	pthread_mutex_unlock(&c->lock);
	return deadline;
}

void clock_set_wake(struct clock *c, void (*wake)(void *context), void *context)
{
	pthread_mutex_lock(&c->lock);
	c->wake = wake;
	c->context = context;
	pthread_mutex_unlock(&c->lock);
}

/* The first timer that is due and was armed before this round, or NULL. */
static struct timer *first_due(struct clock *c, uint64_t limit)
{
	struct timer *t;

	pthread_mutex_lock(&c->lock);
	t = c->running ? c->first : NULL;
	while (t && t->round == c->round)
		t = t->next;
	if (t && t->deadline > limit)
		t = NULL;
	pthread_mutex_unlock(&c->lock);
	return t;
}

static void next_round(struct clock *c)
{
	pthread_mutex_lock(&c->lock);
	c->round++;
	pthread_mutex_unlock(&c->lock);
}

/* The device's lock comes before the clock's: by the time both are held the device may have moved or stopped the timer. */
static void fire(struct clock *c, struct timer *t, uint64_t limit)
{
	bool due;

	device_lock(t->device);
	pthread_mutex_lock(&c->lock);
	due = t->deadline <= limit && t->deadline != TIMER_OFF;
	if (due)
		unlink_timer(c, t);
	pthread_mutex_unlock(&c->lock);
	if (due)
		t->fire(t->device, t);
	device_unlock(t->device);
}

void clock_run(struct clock *c)
{
	uint64_t now = clock_now(c);
	struct timer *t;

	next_round(c);
	while ((t = first_due(c, now)))
		fire(c, t, now);
}

void clock_advance(struct clock *c, uint64_t ns)
{
	uint64_t end = clock_now(c) + ns;
	struct timer *t;

	for (next_round(c); (t = first_due(c, end)); next_round(c)) {
		uint64_t deadline = t->deadline;

		if (deadline > clock_now(c))
			clock_set(c, deadline);
		fire(c, t, end);
	}
	clock_set(c, end);
}
