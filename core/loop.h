/* SPDX-License-Identifier: MIT */
/*
 * The I/O thread: epoll over descriptors, the clock's timers and posted work. Sources are added and removed on the I/O thread or
 * before it runs, but not removed from inside a ready(): the round goes on with what it has. loop_post() may be called from any
 * thread.
 */
#ifndef VITRINE_LOOP_H
#define VITRINE_LOOP_H

#include <stdint.h>

struct loop;
struct clock;

struct loop_source {
	int fd;          /* borrowed */
	uint32_t events; /* EPOLLIN ... */
	void (*ready)(void *context, uint32_t events);
	void *context;
};

struct loop_work { /* embedded by the poster; must stay until run. Posting one that is queued does nothing */
	void (*run)(struct loop_work *work);
	struct loop_work *next;
	int queued;
};

/* On the thread that will run it: with a clock (which may be NULL) that thread's waits are exact. NULL: no memory or descriptors,
 * or a Linux before 5.11. */
struct loop *loop_new(struct clock *clock);
void loop_free(struct loop *l);
int loop_add(struct loop *l, struct loop_source *source); /* borrowed; negative errno */
void loop_modify(struct loop *l,
                 struct loop_source *source); /* waits for source->events as they now are; also from ready() */
void loop_remove(struct loop *l, struct loop_source *source);
void loop_post(struct loop *l, struct loop_work *work);
void loop_cancel(struct loop *l, struct loop_work *work); /* takes it out if it is queued; I/O thread */
void loop_quit(struct loop *l);                           /* any thread: loop_run() returns */
void loop_run(struct loop *l);                            /* on the I/O thread, until loop_quit() */
void loop_run_once(struct loop *l, int timeout_ms);       /* one round; for drains and tests */

#endif
