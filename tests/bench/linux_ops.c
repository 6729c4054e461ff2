/* SPDX-License-Identifier: MIT */
/*
 * What the Linux guest of linux.sh measures with, linked statically; each figure is a line "guest: WORDS: NUMBER UNIT".
 *   linux_ops disk DEVICE               direct reads and writes of 4 KB and 1 MB, one after the other and at random
 *   linux_ops net ADDRESS PORT          what comes from and goes to `linux_ops serve PORT` over one connection each
 *   linux_ops serve PORT                beside the VMMs, for ever
 * Each kind takes SECONDS by the guest's own clock.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 3
#define MEGABYTE (1u << 20)
#define CHUNK (64u << 10)

static void die(const char *what)
{
	printf("guest: FAILED: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- disk ---- */

static void measure_disk(int fd, uint64_t size, uint32_t block, bool random, bool writes)
{
	uint64_t blocks = size / block, done = 0, at = 0;
	double begin, end;
	char *buffer = aligned_alloc(4096, block);

	if (!buffer)
		die("memory");
	memset(buffer, 0x5a, block); /* a host may know zeros for what they are */
	srandom(1);
	begin = now();
	do {
		off_t offset = (off_t)((random ? (uint64_t)rand() % blocks : at++ % blocks) * block);
		ssize_t n = writes ? pwrite(fd, buffer, block, offset) : pread(fd, buffer, block, offset);

		if (n != (ssize_t)block)
			die(writes ? "write" : "read");
		done++;
		end = now();
	} while (end < begin + SECONDS);
	printf("guest: %s %s %s: %.2f /s\n", block == MEGABYTE ? "1M" : "4k", random ? "random" : "sequential",
	       writes ? "writes" : "reads", (double)done / (end - begin));
	free(buffer);
}

static void disk(const char *device)
{
	int fd = open(device, O_RDWR | O_DIRECT);
	off_t size = lseek(fd, 0, SEEK_END);

	if (fd < 0 || size < MEGABYTE)
		die(device);
	for (int i = 0; i < 8; i++) /* reads first: what was written is read from another place */
		measure_disk(fd, (uint64_t)size, i & 2 ? MEGABYTE : 4096, i & 1, i & 4);
	if (fsync(fd) < 0)
		die("fsync");
	close(fd);
}

/* ---- network ---- */

/* The client's first byte says what it wants: to receive, or to send. */
static void serve_one(int fd)
{
	static char buffer[CHUNK];
	char wish;

	if (read(fd, &wish, 1) != 1)
		return;
	if (wish == 'r')
		while (write(fd, buffer, CHUNK) > 0)
			;
	else
		while (read(fd, buffer, CHUNK) > 0)
			;
}

static void serve(uint16_t port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, fd;

	signal(SIGPIPE, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(listener, 4) < 0)
		die("listen");
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		serve_one(fd);
		close(fd);
	}
}

static int ask(const char *address, uint16_t port, char wish)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    write(fd, &wish, 1) != 1)
		die(address);
	return fd;
}

static void receive(const char *address, uint16_t port)
{
	static char buffer[CHUNK];
	int fd = ask(address, port, 'r');
	double begin = 0, end;
	uint64_t sum = 0;
	ssize_t n;

	do { /* from the first bytes on: the connection's making is not counted */
		n = read(fd, buffer, CHUNK);
		if (n <= 0)
			die("receive");
		end = now();
		begin = begin > 0 ? begin : end;
		sum += end > begin ? (uint64_t)n : 0;
	} while (end < begin + SECONDS);
	close(fd);
	printf("guest: receives: %.3f MB/s\n", (double)sum / 1e6 / (end - begin));
}

/* Until the server has closed, which it does when it has all: what still waits in buffers is not counted as sent before. */
static void transmit(const char *address, uint16_t port)
{
	static char buffer[CHUNK];
	int fd = ask(address, port, 't');
	double begin = now();
	uint64_t sum = 0;
	ssize_t n;

	do {
		n = write(fd, buffer, CHUNK);
		if (n <= 0)
			die("transmit");
		sum += (uint64_t)n;
	} while (now() < begin + SECONDS);
	shutdown(fd, SHUT_WR);
	if (read(fd, buffer, 1) != 0)
		die("the end");
	close(fd);
	printf("guest: transmits: %.3f MB/s\n", (double)sum / 1e6 / (now() - begin));
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "disk")) {
		disk(argv[2]);
	} else if (argc == 3 && !strcmp(argv[1], "serve")) {
		serve((uint16_t)atoi(argv[2]));
	} else if (argc == 4 && !strcmp(argv[1], "net")) {
		receive(argv[2], (uint16_t)atoi(argv[3]));
		transmit(argv[2], (uint16_t)atoi(argv[3]));
	} else {
		return 2;
	}
	return 0;
}
