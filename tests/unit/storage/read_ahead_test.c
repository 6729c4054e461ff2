/* SPDX-License-Identifier: MIT */
/* The window alone, then the engine's workers on a disk of compressed units that counts what is asked of it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/device.h"
#include "core/loop.h"
#include "core/storage/block.h"
#include "core/storage/read_ahead.h"
#include "vmformat/bytes.h"

#define PIECE READ_AHEAD_PIECE
#define CAPACITY (100ull * PIECE)
#define WORKERS 3u

static unsigned claims(struct read_ahead *a, uint64_t *ret_first)
{
	uint64_t at;
	unsigned count = 0;

	while (read_ahead_claim(a, &at)) {
		if (!count++)
			*ret_first = at;
		assert_int_equal(at % PIECE, 0);
	}
	return count;
}

/* ---- the window ---- */

static void nothing_is_read_ahead_of_a_disk_without_compressed_units(void **state)
{
	struct read_ahead a = { 0 };
	uint64_t at;

	(void)state;
	for (uint64_t offset = 0; offset < CAPACITY; offset += PIECE)
		assert_false(read_ahead_note(&a, offset, PIECE, CAPACITY));
	assert_false(read_ahead_claim(&a, &at));
}

static void a_stream_opens_a_window_that_slides_and_repeats_nothing(void **state)
{
	struct read_ahead a = { .wanted = true };
	uint64_t first = 0;

	(void)state;
	assert_false(read_ahead_note(&a, 5 * PIECE, 4096, CAPACITY)); /* one request is no stream */
	assert_true(read_ahead_note(&a, 5 * PIECE + 4096, 4096, CAPACITY));
	assert_int_equal(claims(&a, &first), READ_AHEAD_WINDOW / PIECE);
	assert_int_equal(first, 6 * PIECE);
	assert_false(read_ahead_note(&a, 5 * PIECE + 8192, 4096, CAPACITY)); /* not a piece further */
	for (unsigned i = 3; i < PIECE / 4096; i++)
		read_ahead_note(&a, 5 * PIECE + i * 4096, 4096, CAPACITY);
	assert_int_equal(claims(&a, &first), 0);
	read_ahead_note(&a, 6 * PIECE, 4096, CAPACITY);
	assert_int_equal(claims(&a, &first), 1);
	assert_int_equal(first, 22 * PIECE);
}

static void a_long_request_is_shared_but_does_not_reach_beyond_itself(void **state)
{
	struct read_ahead a = { .wanted = true };
	uint64_t first = 0;

	(void)state;
	assert_true(read_ahead_note(&a, 10 * PIECE, 4 * PIECE, CAPACITY));
	assert_int_equal(claims(&a, &first), 3);
	assert_int_equal(first, 11 * PIECE);
}

static void a_window_ends_with_the_disk(void **state)
{
	struct read_ahead a = { .wanted = true, .expected = 98 * PIECE };
	uint64_t first = 0;

	(void)state;
	assert_true(read_ahead_note(&a, 98 * PIECE, 512, CAPACITY));
	assert_int_equal(claims(&a, &first), 1);
	assert_int_equal(first, 99 * PIECE);
	assert_false(read_ahead_note(&a, CAPACITY - 512, 512, CAPACITY));
}

static void units_longer_than_a_piece_are_claimed_once(void **state)
{
	struct read_ahead a = { .wanted = true };
	uint64_t at;

	(void)state;
	read_ahead_note(&a, 0, 8 * PIECE, CAPACITY);
	assert_true(read_ahead_claim(&a, &at));
	read_ahead_skip(&a, 4 * PIECE);
	assert_true(read_ahead_claim(&a, &at));
	assert_int_equal(at, 4 * PIECE);
	read_ahead_stop(&a);
	assert_false(read_ahead_claim(&a, &at));
}

/* ---- the engine ---- */

/* Units of one piece; what is in one, its number says. Beyond half of the disk bytes are stored, in extents of a sector. */
struct packed {
	atomic_uint unpacked[CAPACITY / PIECE];
	int fd;
	unsigned company;         /* so many workers are to unpack at once, then each goes on; 0: each as it comes */
	unsigned arrived, lonely; /* lonely: waited for the others in vain */
	pthread_mutex_t lock;
	pthread_cond_t all_here;
};

static int packed_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	struct packed *p = disk->private;
	uint64_t unit = offset / PIECE * PIECE;

	if (offset >= CAPACITY / 2)
		*ret_extent = (struct disk_extent){
			.kind = DISK_DATA, .length = MIN(length, 512), .fd = p->fd, .fd_offset = offset - CAPACITY / 2
		};
	else
		*ret_extent = (struct disk_extent){ .kind = DISK_PACKED,
			                            .length = MIN(length, unit + PIECE - offset),
			                            .unit_offset = unit,
			                            .unit_length = PIECE };
	return 0;
}

static void wait_for_company(struct packed *p)
{
	struct timespec limit;
	unsigned group;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 5;
	pthread_mutex_lock(&p->lock);
	group = p->arrived++ / p->company;
	pthread_cond_broadcast(&p->all_here);
	while (r == 0 && p->arrived / p->company <= group)
		r = pthread_cond_timedwait(&p->all_here, &p->lock, &limit);
	p->lonely += r != 0;
	pthread_mutex_unlock(&p->lock);
}

static int packed_unpack(struct disk *disk, const struct disk_extent *extent, void *buffer)
{
	struct packed *p = disk->private;
	uint64_t unit = extent->unit_offset / PIECE;

	atomic_fetch_add(&p->unpacked[unit], 1);
	if (p->company)
		wait_for_company(p);
	else
		usleep(2000); /* so that two workers are at it at once */
	memset(buffer, (int)unit, extent->unit_length);
	return 0;
}

static void packed_close(struct disk *disk)
{
	struct packed *p = disk->private;

	close(p->fd);
	disk->private = NULL;
}

static const struct disk_format packed_format = {
	.name = "packed", .close = packed_close, .map = packed_map, .unpack = packed_unpack
};

struct fixture {
	struct device device;
	struct loop *loop;
	struct block_engine *engine;
	struct block *block;
	struct packed packed;
	unsigned done;
	uint8_t buffer[8 * PIECE];
};

static void count_done(struct device *d, struct block_request *r, int result)
{
	struct fixture *f = container_of(d, struct fixture, device);

	(void)r;
	assert_int_equal(result, 0);
	f->done++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct disk *disk = calloc(1, sizeof(*disk));
	char path[] = "/tmp/vitrine-ahead-XXXXXX";
	struct error e = { 0 };

	assert_true(f && disk);
	pthread_mutex_init(&f->packed.lock, NULL);
	pthread_cond_init(&f->packed.all_here, NULL);
	f->packed.fd = mkstemp(path);
	unlink(path);
	assert_int_equal(ftruncate(f->packed.fd, CAPACITY / 2), 0);
	*disk = (struct disk){
		.format = &packed_format, .capacity = CAPACITY, .unit_limit = PIECE, .private = &f->packed
	};
	pthread_mutex_init(&f->device.lock, NULL);
	f->loop = loop_new(NULL);
	f->engine = block_engine_new(f->loop, WORKERS);
	f->block = block_new(f->engine, "scsi0:0");
	assert_int_equal(block_set_medium(f->block, disk, -1, &e), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	block_free(f->block);
	block_engine_free(f->engine);
	loop_free(f->loop);
	pthread_mutex_destroy(&f->device.lock);
	pthread_cond_destroy(&f->packed.all_here);
	pthread_mutex_destroy(&f->packed.lock);
	free(f);
	return 0;
}

static void read_at(struct fixture *f, uint64_t offset, uint32_t length)
{
	struct iovec iov = { f->buffer, length };
	struct block_request r = { .op = BLOCK_READ,
		                   .offset = offset,
		                   .length = length,
		                   .iov = &iov,
		                   .iov_count = 1,
		                   .device = &f->device,
		                   .done = count_done };
	unsigned before = f->done;

	block_submit(f->block, &r);
	while (f->done == before)
		loop_run_once(f->loop, 1000);
	for (uint32_t i = 0; i < length && offset + i < CAPACITY / 2; i += 512)
		assert_int_equal(f->buffer[i], (offset + i) / PIECE);
}

static unsigned unpacked(struct fixture *f, unsigned from, unsigned to)
{
	unsigned count = 0;

	for (unsigned i = from; i < to; i++) {
		assert_true(atomic_load(&f->packed.unpacked[i]) <= 1); /* never twice */
		count += atomic_load(&f->packed.unpacked[i]);
	}
	return count;
}

static void idle_workers_unpack_what_a_stream_reads_next(void **state)
{
	struct fixture *f = *state;

	read_at(f, 0, 4096);
	read_at(f, 4096, 4096);
	for (unsigned i = 0; i < 200 && unpacked(f, 1, 17) < 16; i++)
		usleep(10000);
	assert_int_equal(unpacked(f, 0, 17), 17);
	assert_int_equal(unpacked(f, 17, CAPACITY / PIECE), 0);
	for (unsigned i = 0; i < 8; i++)
		read_at(f, 8192 + i * 8ull * PIECE / 8, PIECE);
	unpacked(f, 0, CAPACITY / PIECE);
}

static void who_reads_a_long_request_unpacks_too_instead_of_waiting(void **state)
{
	struct fixture *f = *state;

	read_at(f, 40 * PIECE, 4096); /* there are compressed units */
	f->packed.company = WORKERS;
	read_at(f, 0, 2 * WORKERS * PIECE);
	assert_int_equal(unpacked(f, 0, 40), 2 * WORKERS);
	assert_int_equal(f->packed.lonely, 0);
}

static void random_reads_unpack_what_they_ask_for_alone(void **state)
{
	static const unsigned units[] = { 7, 3, 30, 12, 44, 9 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		read_at(f, units[i] * (uint64_t)PIECE + 512, 4096);
	block_drain(f->block);
	assert_int_equal(unpacked(f, 0, CAPACITY / PIECE), ARRAY_SIZE(units));
}

static void after_a_drain_nothing_is_unpacked(void **state)
{
	struct fixture *f = *state;
	unsigned count;

	read_at(f, 0, 4096);
	read_at(f, 4096, 4096);
	block_drain(f->block);
	count = unpacked(f, 0, CAPACITY / PIECE);
	usleep(50000);
	assert_int_equal(unpacked(f, 0, CAPACITY / PIECE), count);
}

/* System calls that read, of all threads; 0: this kernel does not count them. */
static unsigned long reads_of_this_process(void)
{
	char text[512] = { 0 };
	FILE *io = fopen("/proc/self/io", "re");
	const char *at;

	if (!io)
		return 0;
	at = fread(text, 1, sizeof(text) - 1, io) ? strstr(text, "syscr:") : NULL;
	fclose(io);
	return at ? strtoul(at + strlen("syscr:"), NULL, 10) : 0;
}

static void neighbouring_extents_are_read_at_once(void **state)
{
	struct fixture *f = *state;
	uint8_t pattern[4096];
	unsigned long before, after;

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + i / 512);
	assert_int_equal(pwrite(f->packed.fd, pattern, sizeof(pattern), 0), sizeof(pattern));
	before = reads_of_this_process();
	read_at(f, CAPACITY / 2, sizeof(pattern));
	after = reads_of_this_process();
	assert_memory_equal(f->buffer, pattern, sizeof(pattern));
	if (!after)
		skip();
	/* preadv() once, and a few of this test's and the loop's own */
	assert_in_range(after - before, 1, 1 + sizeof(pattern) / 512 / 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_read_ahead_of_a_disk_without_compressed_units),
		cmocka_unit_test(a_stream_opens_a_window_that_slides_and_repeats_nothing),
		cmocka_unit_test(a_long_request_is_shared_but_does_not_reach_beyond_itself),
		cmocka_unit_test(a_window_ends_with_the_disk),
		cmocka_unit_test(units_longer_than_a_piece_are_claimed_once),
		TEST(idle_workers_unpack_what_a_stream_reads_next),
		TEST(who_reads_a_long_request_unpacks_too_instead_of_waiting),
		TEST(random_reads_unpack_what_they_ask_for_alone),
		TEST(after_a_drain_nothing_is_unpacked),
		TEST(neighbouring_extents_are_read_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
