/* SPDX-License-Identifier: MIT */
#include "core/broker_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmformat/bytes.h"

/* The player's environment holds people's tokens; of it a program gets what a loader and sanitizers read. */
static void program_environment(char *ret_environment[], size_t size)
{
	static const char *const kept[] = { "LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=" };
	size_t count = 0;

	for (char **e = environ; *e && count + 1 < size; e++)
		for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
			if (!strncmp(*e, kept[i], strlen(kept[i])))
				ret_environment[count++] = *e;
	ret_environment[count] = NULL;
}

/*
 * Nothing but the handed descriptors and a pipe for last words: not even the player's terminal, which could be read from
 * and written escape sequences to. posix_spawn: no copy of the player's page tables.
 */
int spawn_program(const struct spawn *s, pid_t *ret_pid)
{
	char *environment[8];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t set;
	int err;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, s->log, 2);
	for (unsigned i = 0; i < s->count; i++)
		posix_spawn_file_actions_adddup2(&actions, s->fds[i], SPAWN_FIRST_FD + (int)i);
	/* A player's libraries leak theirs. */
	posix_spawn_file_actions_addclosefrom_np(&actions, SPAWN_FIRST_FD + (int)s->count);
	posix_spawnattr_init(&attributes);
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attributes, &set);
	sigfillset(&set);
	posix_spawnattr_setsigdefault(&attributes, &set);
	posix_spawnattr_setpgroup(&attributes, 0); /* Ctrl+C on the terminal is for the broker to judge */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	program_environment(environment, ARRAY_SIZE(environment));
	err = posix_spawn(ret_pid, s->path, &actions, &attributes, s->arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -err;
}

int spawn_raise(int fd)
{
	int raised = fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_FIRST_FD + SPAWN_MAX_FDS);

	close(fd);
	return raised;
}

static int hand_over(int pair[2], int ours, int *ret_ours, int *ret_theirs)
{
	int raised = spawn_raise(pair[!ours]);

	if (raised < 0) {
		close(pair[ours]);
		return -EMFILE;
	}
	*ret_ours = pair[ours];
	*ret_theirs = raised;
	return 0;
}

int spawn_pair(int *ret_ours, int *ret_theirs)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	return hand_over(pair, 0, ret_ours, ret_theirs);
}

int spawn_log(int *ret_ours, int *ret_theirs)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	return hand_over(pair, 0, ret_ours, ret_theirs);
}

bool spawn_wait(pid_t pid, int timeout_ms)
{
	struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	bool dead = p.fd >= 0 && poll(&p, 1, timeout_ms) > 0;

	if (p.fd >= 0)
		close(p.fd);
	return dead;
}
