/* SPDX-License-Identifier: MIT */
/*
 * Starting vitrine-core and vitrine-net: programs that are born with nothing but what they are handed. Part of the broker;
 * one thread.
 */
#ifndef VITRINE_BROKER_SPAWN_H
#define VITRINE_BROKER_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#define SPAWN_FIRST_FD 3 /* the handed descriptors' numbers in the program */
#define SPAWN_MAX_FDS 16

struct spawn {
	const char *path;
	char *const *arguments;
	int fds[SPAWN_MAX_FDS]; /* become SPAWN_FIRST_FD and up; made by spawn_raise() */
	unsigned count;
	int log; /* becomes stderr; made by spawn_raise() */
};

/* A descriptor number above those that are dealt out, so that no dup2 in the child hits another. Closes fd; -1: none free. */
int spawn_raise(int fd);
/* 0 or negative errno. */
int spawn_program(const struct spawn *s, pid_t *ret_pid);
/* Both ends of a SOCK_SEQPACKET pair: ours, and one to be handed over. Negative errno: neither. */
int spawn_pair(int *ret_ours, int *ret_theirs);
/* A pipe for the program's stderr that never blocks: ours, and the end to be handed over. */
int spawn_log(int *ret_ours, int *ret_theirs);
/* False: still running after timeout_ms. */
bool spawn_wait(pid_t pid, int timeout_ms);

#endif
