/* SPDX-License-Identifier: MIT */
/*
 * stopwatch [-t SECONDS] [-m TEXT] COMMAND [ARGUMENT]...: starts COMMAND and measures when its guest speaks. An
 * argument "@" within COMMAND stands for the file into which the debug console (port 0x402) is to be written: a pipe of ours.
 * Prints two figures in microseconds: from fork to the first byte, and from there to the end of TEXT (0 without -m).
 * The command is killed then. Exit status 1: it ended, or SECONDS went by (default 60), before that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONSOLE "/proc/self/fd/9"
#define CONSOLE_FD 9

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "stopwatch: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* "file:@" and "path=@" are common spellings, so the sign may be part of an argument. */
static char *with_console(char *argument)
{
	char *at = strchr(argument, '@'), *text;

	if (!at || at[1])
		return argument;
	if (asprintf(&text, "%.*s%s", (int)(at - argument), argument, CONSOLE) < 0)
		die("memory");
	return text;
}

static pid_t start(char **command, int console)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(console, CONSOLE_FD) < 0)
		_exit(127);
	execvp(command[0], command);
	fprintf(stderr, "stopwatch: %s: %s\n", command[0], strerror(errno));
	_exit(127);
}

/* Reads until the mark has come, byte by byte: a mark may be cut in two by a read. */
static bool listen_for(int console, const char *mark, int64_t deadline, int64_t *ret_first, int64_t *ret_mark)
{
	size_t length = strlen(mark), filled = 0;
	char window[256] = "", c;

	*ret_first = 0;
	for (;;) {
		struct pollfd p = { .fd = console, .events = POLLIN };
		int64_t left = deadline - now_us();

		if (left <= 0 || poll(&p, 1, (int)(left / 1000) + 1) < 0 || (p.revents && read(console, &c, 1) != 1))
			return false;
		if (!p.revents)
			continue;
		if (!*ret_first)
			*ret_first = now_us();
		if (length && filled == length)
			memmove(window, window + 1, --filled);
		if (length)
			window[filled++] = c;
		if (filled == length && !memcmp(window, mark, length)) {
			*ret_mark = now_us();
			return true;
		}
	}
}

int main(int argc, char **argv)
{
	int64_t begin, first, marked, seconds = 60;
	const char *mark = "";
	int option, ends[2];
	bool heard;
	pid_t pid;

	while ((option = getopt(argc, argv, "+t:m:")) != -1) {
		if (option == 't')
			seconds = atoi(optarg);
		else if (option == 'm')
			mark = optarg;
		else
			return 2;
	}
	if (optind >= argc || strlen(mark) >= 256)
		return 2;
	for (int i = optind; i < argc; i++)
		argv[i] = with_console(argv[i]);
	if (pipe2(ends, O_CLOEXEC) < 0)
		die("pipe");
	begin = now_us();
	pid = start(argv + optind, ends[1]);
	close(ends[1]);
	heard = listen_for(ends[0], mark, begin + seconds * 1000000, &first, &marked);
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (!heard)
		return 1;
	printf("%lld %lld\n", (long long)(first - begin), (long long)(*mark ? marked - first : 0));
	return 0;
}
