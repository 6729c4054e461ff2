/* SPDX-License-Identifier: MIT */
/* A struct keep in memory, for tests of what is unpacked or indexed once. Include <cmocka.h> and test_files.h before. */
#ifndef VITRINE_TEST_KEEP_H
#define VITRINE_TEST_KEEP_H

#include <stdbool.h>

#include "tests/unit/vmformat/test_files.h"
#include "vmformat/keep.h"

#define TEST_KEEP_FILES 64

struct test_keep {
	struct keep keep;
	struct test_memory memory; /* only for its entries */
	char fingerprint[40], title[64];
	unsigned told;         /* calls of progress() */
	unsigned cancel_after; /* 0: never */
	uint64_t last_done, last_total;
	bool read_only; /* another process has it */
};

TEST_FILE_HELPER int test_keep_open(const struct keep *keep, const char *fingerprint, const char *title,
                                    const char *name, int *ret_fd, struct error *e)
{
	struct test_keep *k = keep->context;
	char path[64];

	(void)e;
	assert_true(!strcmp(name, KEEP_RECORD) || !strncmp(name, KEEP_UNPACKED, strlen(KEEP_UNPACKED)));
	assert_true(!*k->fingerprint || !strcmp(k->fingerprint, fingerprint)); /* one folder for one life */
	assert_int_equal(strlen(fingerprint), 32);
	snprintf(k->fingerprint, sizeof(k->fingerprint), "%s", fingerprint);
	snprintf(k->title, sizeof(k->title), "%s", title);
	test_memory_write(&k->memory, name, NULL, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", test_memory_fd(&k->memory, name));
	*ret_fd = open(path, (k->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	assert_true(*ret_fd >= 0);
	return 0;
}

TEST_FILE_HELPER int test_keep_progress(const struct keep *keep, const char *what, uint64_t done, uint64_t total)
{
	struct test_keep *k = keep->context;

	assert_non_null(what);
	assert_true(done <= total);
	k->last_done = done;
	k->last_total = total;
	return ++k->told == k->cancel_after ? -ECANCELED : 0;
}

TEST_FILE_HELPER void test_keep_init(struct test_keep *k)
{
	memset(k, 0, sizeof(*k));
	k->keep = (struct keep){ .open = test_keep_open, .progress = test_keep_progress, .context = k };
	test_memory_init(&k->memory);
}

/* Another run of the player: the same files, no calls yet. */
TEST_FILE_HELPER void test_keep_again(struct test_keep *k)
{
	k->fingerprint[0] = '\0';
	k->told = 0;
}

TEST_FILE_HELPER uint64_t test_keep_size(struct test_keep *k, const char *name)
{
	struct stat st;
	int fd = test_memory_fd(&k->memory, name);

	if (fd < 0)
		return 0;
	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

TEST_FILE_HELPER void test_keep_free(struct test_keep *k)
{
	test_memory_free(&k->memory);
}

#endif
