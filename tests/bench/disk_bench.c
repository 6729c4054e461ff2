/* SPDX-License-Identifier: MIT */
/*
 * disk_bench [-w] [-o OVERLAY] [-t WORKERS] [-d DEPTH] [-c COUNT] [-s BYTES] [-S STEP] [-f FLUSH] DISK
 *     COUNT reads (-w: writes) of BYTES, each STEP further than the last and around the end, DEPTH of them at a time, by
 *     the block engine as a machine has it. -o: in a new overlay. -f: a flush after so many. It is what
 *     "qemu-img bench" does, so both do the same work.
 * disk_bench -n TIMES DISK     opens it (with a new overlay if -o is given) so often
 * disk_bench -i [-t THREADS] DISK  inflates all grains of a streamOptimized VMDK from memory to memory, with libdeflate alone
 * disk_bench -x FILE...        puts files out of the host's page cache
 * Prints microseconds: of the requests alone, or of one opening; with -u of processor time, which a busy host lengthens less.
 * Names resolve in the current folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/storage/block.h"
#include "vmformat/bytes.h"
#include "vmformat/disk.h"

#define MAX_DEPTH 64
#define MAX_THREADS 16

struct options {
	clockid_t clock;
	bool write, inflate, evict;
	const char *overlay;
	uint64_t workers, depth, count, size, step, flush, opens;
};

static const struct {
	char letter;
	size_t place;
} numbers[] = {
	{ 't', offsetof(struct options, workers) }, { 'd', offsetof(struct options, depth) },
	{ 'c', offsetof(struct options, count) },   { 's', offsetof(struct options, size) },
	{ 'S', offsetof(struct options, step) },    { 'f', offsetof(struct options, flush) },
	{ 'n', offsetof(struct options, opens) },
};

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "disk_bench: %s: %s\n", what, why);
	exit(1);
}

static int64_t now_us(const struct options *o)
{
	struct timespec t;

	clock_gettime(o->clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- opening ---- */

static int open_here(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC), r;

	(void)files;
	if (fd < 0)
		return error_set(e, -errno, "%s: %s", name, strerror(errno));
	r = file_from_fd(fd, name, ret_file, e);
	if (r < 0)
		close(fd);
	return r;
}

static const struct files here = { .open = open_here };

static struct block *insert(struct block_engine *engine, const struct options *o, const char *name)
{
	struct block *b = block_new(engine, "bench");
	struct error e = { 0 };
	struct file file;
	struct disk *disk;
	int overlay = -1;

	if (!b)
		fail(name, "no memory");
	if (o->overlay && (overlay = open(o->overlay, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
		fail(o->overlay, strerror(errno));
	if (files_open(&here, name, &file, &e) < 0 || disk_open(&file, &here, &disk, &e) < 0 ||
	    block_set_medium(b, disk, overlay, &e) < 0)
		fail(name, e.text);
	return b;
}

static void time_opening(const struct options *o, const char *name)
{
	struct block_engine *engine = block_engine_new(NULL, 1);
	int64_t begin = now_us(o);

	if (!engine)
		fail(name, "no memory");
	for (uint64_t i = 0; i < o->opens; i++)
		block_free(insert(engine, o, name));
	printf("%.1f\n", (double)(now_us(o) - begin) / (double)o->opens);
	block_engine_free(engine);
}

/* ---- requests ---- */

struct run;

struct slot {
	struct block_request request;
	struct iovec iov;
	struct run *run;
	bool busy;
};

struct run {
	const struct options *o;
	struct loop *loop;
	struct block *block;
	struct slot slots[MAX_DEPTH];
	uint64_t offset, left, since_flush;
	unsigned in_flight;
	bool flushing;
};

static void pump(struct run *run);

static void done(struct device *d, struct block_request *r, int result)
{
	struct slot *slot = container_of(r, struct slot, request);
	struct run *run = slot->run;

	(void)d;
	if (result < 0)
		fail("request", strerror(-result));
	slot->busy = false;
	run->in_flight--;
	run->flushing = false;
	pump(run);
}

static void submit(struct slot *slot, enum block_op op)
{
	struct run *run = slot->run;

	slot->request = (struct block_request){ .op = op, .offset = run->offset, .iov = &slot->iov, .iov_count = 1 };
	slot->request.length = op == BLOCK_FLUSH ? 0 : (uint32_t)run->o->size;
	slot->request.done = done;
	slot->busy = true;
	run->in_flight++;
	block_submit(run->block, &slot->request);
}

/* All that may be under way now. A flush waits for the requests before it, and those behind it wait for the flush. */
static void pump(struct run *run)
{
	const struct options *o = run->o;

	for (unsigned i = 0; i < o->depth && !run->flushing; i++) {
		bool flush = o->flush && run->since_flush && (run->since_flush == o->flush || !run->left);

		if (run->slots[i].busy)
			continue;
		if (flush ? run->in_flight : !run->left)
			break;
		run->flushing = flush;
		run->since_flush = flush ? 0 : run->since_flush + 1;
		submit(&run->slots[i], flush ? BLOCK_FLUSH : o->write ? BLOCK_WRITE : BLOCK_READ);
		if (!flush) {
			run->left--;
			run->offset = (run->offset + o->step) % block_capacity(run->block);
		}
	}
	if (!run->in_flight)
		loop_quit(run->loop);
}

static void time_requests(const struct options *o, const char *name)
{
	struct loop *loop = loop_new(NULL);
	struct block_engine *engine = loop ? block_engine_new(loop, (unsigned)o->workers) : NULL;
	struct run run = { .o = o, .loop = loop, .left = o->count };
	uint8_t *bytes = aligned_alloc(4096, o->size * o->depth);
	int64_t begin;

	if (!engine || !bytes)
		fail(name, "no memory");
	memset(bytes, 0xa5, o->size * o->depth);
	run.block = insert(engine, o, name);
	if (!block_capacity(run.block) || block_capacity(run.block) % o->size || o->step % o->size)
		fail(name, "its size, and the step, must be whole requests");
	for (unsigned i = 0; i < o->depth; i++)
		run.slots[i] = (struct slot){ .iov = { bytes + i * o->size, o->size }, .run = &run };
	begin = now_us(o);
	pump(&run);
	loop_run(loop);
	printf("%lld\n", (long long)(now_us(o) - begin));
	block_free(run.block);
	block_engine_free(engine);
	loop_free(loop);
	free(bytes);
}

/* ---- the limit ---- */

/* Markers of a stream (VMDK 5.0, "Stream-Optimized Compressed Sparse Extents"): a value and a size; size 0: so many sectors of
 * tables follow, else that many packed bytes. Grains are dealt to threads in turn. */
struct inflater {
	pthread_t thread;
	const uint8_t *bytes;
	size_t length, first;
	unsigned index, count;
};

static void *inflate_share(void *context)
{
	struct inflater *in = context;
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	static _Thread_local uint8_t grain[1 << 16];
	size_t at = in->first, number = 0, got;

	while (d && range_within(at, 12, in->length)) {
		uint64_t value = le64_load(in->bytes + at);
		uint32_t size = le32_load(in->bytes + at + 8);

		if (!size && !value)
			break;
		if (size && !range_within(at + 12, size, in->length))
			fail("inflate", "a grain leaves the file");
		if (size && number++ % in->count == in->index &&
		    libdeflate_zlib_decompress(d, in->bytes + at + 12, size, grain, sizeof(grain), &got))
			fail("inflate", "a grain is damaged");
		at += size ? (12 + size + 511) / 512 * 512 : 512 + value * 512;
	}
	libdeflate_free_decompressor(d);
	return NULL;
}

static void time_inflating(const struct options *o, const char *name)
{
	struct inflater threads[MAX_THREADS];
	struct error e = { 0 };
	struct file file;
	uint8_t *bytes;
	int64_t begin;

	if (files_open(&here, name, &file, &e) < 0)
		fail(name, e.text);
	bytes = malloc(file.size);
	if (!bytes || file.size < 512 || file_read(&file, 0, bytes, file.size) < 0)
		fail(name, "it cannot be read");
	begin = now_us(o);
	for (unsigned i = 0; i < o->workers; i++) {
		threads[i] = (struct inflater){ .bytes = bytes,
			                        .length = file.size,
			                        .first = le64_load(bytes + 64) * 512, /* overHead */
			                        .index = i,
			                        .count = (unsigned)o->workers };
		if (pthread_create(&threads[i].thread, NULL, inflate_share, &threads[i]))
			fail(name, "no thread");
	}
	for (unsigned i = 0; i < o->workers; i++)
		pthread_join(threads[i].thread, NULL);
	printf("%lld\n", (long long)(now_us(o) - begin));
	free(bytes);
	file_close(&file);
}

/* ---- the command line ---- */

static void evict(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		fail(name, strerror(errno));
	close(fd);
}

static bool take_option(struct options *o, int letter, const char *argument)
{
	o->write |= letter == 'w';
	o->inflate |= letter == 'i';
	o->evict |= letter == 'x';
	if (letter == 'u')
		o->clock = CLOCK_PROCESS_CPUTIME_ID;
	if (letter == 'o')
		o->overlay = argument;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (numbers[i].letter == letter)
			*(uint64_t *)((char *)o + numbers[i].place) = strtoull(argument, NULL, 0);
	return letter != '?';
}

static bool parse(struct options *o, int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "wixuo:t:d:c:s:S:f:n:")) != -1)
		if (!take_option(o, letter, optarg))
			return false;
	o->step = o->step ? o->step : o->size;
	return optind < argc && o->workers && o->workers <= MAX_THREADS && o->depth && o->depth <= MAX_DEPTH &&
	       o->count && o->size && o->size % DISK_SECTOR == 0 && o->size <= BLOCK_MAX_LENGTH;
}

int main(int argc, char **argv)
{
	struct options o = { .clock = CLOCK_MONOTONIC, .workers = 1, .depth = 1, .count = 1, .size = 65536 };

	if (!parse(&o, argc, argv)) {
		fprintf(stderr, "usage: see the top of disk_bench.c\n");
		return 2;
	}
	if (o.evict)
		for (int i = optind; i < argc; i++)
			evict(argv[i]);
	else if (o.inflate)
		time_inflating(&o, argv[optind]);
	else if (o.opens)
		time_opening(&o, argv[optind]);
	else
		time_requests(&o, argv[optind]);
	return 0;
}
