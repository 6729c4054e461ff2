/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "vmformat/bytes.h"
#include "vmformat/table_cache.h"

#define PAGE 512u
#define PAGES 8u
#define SIZE (100 * PAGE + 7) /* the last page is cut */

/* Byte i is what this says of i; reading counts. */
struct source {
	atomic_uint reads;
	int failure;
};

static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 7 + offset / PAGE);
}

static int read_source(const void *context, uint64_t offset, void *buffer, size_t length)
{
	struct source *source = (struct source *)(uintptr_t)context; /* const is for real files */
	uint8_t *to = buffer;

	source->reads++;
	assert_true(range_within(offset, length, SIZE));
	for (size_t i = 0; i < length; i++)
		to[i] = byte_at(offset + i);
	return source->failure;
}

static void check(struct table_cache *cache, uint64_t offset, size_t length)
{
	uint8_t found[3 * PAGE];

	assert_int_equal(table_cache_read(cache, offset, found, length), 0);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(found[i], byte_at(offset + i));
}

static void table_cache_reads_each_page_once(void **state)
{
	struct source source = { 0 };
	struct table_cache *cache = table_cache_new(PAGE, PAGES, read_source, &source, SIZE);

	(void)state;
	for (unsigned i = 0; i < PAGES * PAGE; i += 4)
		check(cache, i, 4);
	assert_int_equal(source.reads, PAGES);
	check(cache, 100, 3 * PAGE); /* over four pages */
	assert_int_equal(source.reads, PAGES);
	check(cache, PAGES * PAGE, 4); /* takes the place of page 0 */
	check(cache, 0, 4);
	assert_int_equal(source.reads, PAGES + 2);
	table_cache_free(cache);
}

static void table_cache_ends_where_the_file_ends(void **state)
{
	struct source source = { 0 };
	struct table_cache *cache = table_cache_new(PAGE, PAGES, read_source, &source, SIZE);
	uint8_t byte[16];

	(void)state;
	check(cache, SIZE - 7, 7);
	check(cache, SIZE - 10, 10);
	assert_int_equal(table_cache_read(cache, SIZE - 7, byte, 8), -ENODATA);
	assert_int_equal(table_cache_read(cache, SIZE, byte, 1), -ENODATA);
	assert_int_equal(table_cache_read(cache, UINT64_MAX, byte, 2), -ENODATA);
	table_cache_free(cache);
	table_cache_free(NULL);
}

static void table_cache_keeps_nothing_of_a_failed_read(void **state)
{
	struct source source = { .failure = -EIO };
	struct table_cache *cache = table_cache_new(PAGE, PAGES, read_source, &source, SIZE);
	uint8_t byte;

	(void)state;
	assert_int_equal(table_cache_read(cache, 0, &byte, 1), -EIO);
	source.failure = 0;
	check(cache, 0, 1);
	assert_int_equal(source.reads, 2);
	table_cache_free(cache);
}

static struct source shared_source;
static struct table_cache *shared;
static atomic_uint wrong;

static void *read_at_random(void *seed)
{
	uint32_t number = (uint32_t)(uintptr_t)seed;

	for (unsigned i = 0; i < 20000; i++) {
		uint8_t found[4];
		uint64_t offset;

		number = number * 1664525u + 1013904223u;
		offset = (number >> 8) % (SIZE - 4);
		if (table_cache_read(shared, offset, found, 4) < 0)
			wrong++;
		for (unsigned j = 0; j < 4; j++)
			wrong += found[j] != byte_at(offset + j);
	}
	return NULL;
}

static void table_cache_serves_several_threads(void **state)
{
	pthread_t threads[4];

	(void)state;
	shared = table_cache_new(PAGE, PAGES, read_source, &shared_source, SIZE);
	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_at_random, (void *)(i + 1)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	table_cache_free(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_cache_reads_each_page_once),
		cmocka_unit_test(table_cache_ends_where_the_file_ends),
		cmocka_unit_test(table_cache_keeps_nothing_of_a_failed_read),
		cmocka_unit_test(table_cache_serves_several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
