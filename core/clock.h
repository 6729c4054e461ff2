/* SPDX-License-Identifier: MIT */
/*
 * Guest time and timers. Guest time is nanoseconds since power-on; it stands still while the machine is paused. Timers fire on
 * the I/O thread with their device's lock held. The clock's lock is a leaf. A test makes the clock manual and advances it.
 */
#ifndef VITRINE_CLOCK_H
#define VITRINE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_SECOND 1000000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_US 1000ull
#define TIMER_OFF UINT64_MAX

struct clock;
struct device;
struct state;

struct timer {
	void (*fire)(struct device *d, struct timer *t); /* the timer is off when called */
	struct device *device;
	uint64_t deadline; /* guest ns, TIMER_OFF: not running. Read by its device, written by the clock */
	uint64_t round;    /* the clock's: when it was armed */
	struct timer *next;
};

struct clock *clock_new(bool manual); /* starts stopped, at 0. NULL: no memory */
void clock_free(struct clock *c);

uint64_t clock_now(struct clock *c);
void clock_start(struct clock *c);             /* guest time goes on */
void clock_stop(struct clock *c);              /* guest time stands still */
void clock_set(struct clock *c, uint64_t now); /* while stopped: state load */

void timer_init(struct timer *t, struct device *d, void (*fire)(struct device *, struct timer *));
/* Arms for deadline (guest ns; the past fires at once) or TIMER_OFF. From callbacks of its own device only. */
void timer_set(struct clock *c, struct timer *t, uint64_t deadline);
/* A field of the device's state: the deadline; loading arms it. */
int timer_state(struct clock *c, struct state *s, const char *name, struct timer *t);
/* Takes all timers of a device out (destroy). */
void clock_remove_device(struct clock *c, struct device *d);

/* For the loop: the nearest deadline (TIMER_OFF: none), and fire once what is due: a timer that arms itself again for the past
 * waits for the next call, so that nothing else starves. wake is called (any thread, under the clock's
 * lock) when the nearest deadline has come closer. */
uint64_t clock_next(struct clock *c);
void clock_run(struct clock *c);
void clock_set_wake(struct clock *c, void (*wake)(void *context), void *context);
/* Manual clocks: moves time by ns, firing each timer at its own moment. */
void clock_advance(struct clock *c, uint64_t ns);

#endif
