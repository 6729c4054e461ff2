/* SPDX-License-Identifier: MIT */
/* A struct keep in a temporary folder, for tests of what is unpacked or indexed once. Include <cmocka.h> before. */
#ifndef VITRINE_TEST_KEEP_H
#define VITRINE_TEST_KEEP_H

#include <stdbool.h>

#include "tests/unit/vmformat/test_files.h"
#include "vmformat/keep.h"

struct test_keep {
	struct keep keep;
	struct test_dir dir;
	char fingerprint[40], title[64];
	unsigned opened;       /* files */
	unsigned told;         /* calls of progress() */
	unsigned cancel_after; /* 0: never */
	bool read_only;        /* another process has it */
};

TEST_FILE_HELPER int test_keep_open(const struct keep *keep, const char *fingerprint, const char *title,
                                    const char *name, int *ret_fd, struct error *e)
{
	struct test_keep *k = keep->context;

	(void)e;
	assert_true(!strcmp(name, KEEP_RECORD) || !strncmp(name, KEEP_UNPACKED, strlen(KEEP_UNPACKED)));
	assert_true(!*k->fingerprint || !strcmp(k->fingerprint, fingerprint)); /* one folder for one life */
	snprintf(k->fingerprint, sizeof(k->fingerprint), "%s", fingerprint);
	snprintf(k->title, sizeof(k->title), "%s", title);
	*ret_fd = openat(k->dir.fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(*ret_fd >= 0);
	if (k->read_only) {
		close(*ret_fd);
		*ret_fd = openat(k->dir.fd, name, O_RDONLY | O_CLOEXEC);
	}
	k->opened++;
	return 0;
}

TEST_FILE_HELPER int test_keep_progress(const struct keep *keep, const char *what, uint64_t done, uint64_t total)
{
	struct test_keep *k = keep->context;

	assert_non_null(what);
	assert_true(done <= total);
	return ++k->told == k->cancel_after ? -ECANCELED : 0;
}

TEST_FILE_HELPER void test_keep_init(struct test_keep *k)
{
	memset(k, 0, sizeof(*k));
	k->keep = (struct keep){ .open = test_keep_open, .progress = test_keep_progress, .context = k };
	test_dir_init(&k->dir);
}

/* Another run of the player: the same files, no calls yet. */
TEST_FILE_HELPER void test_keep_again(struct test_keep *k)
{
	k->fingerprint[0] = '\0';
	k->told = k->opened = 0;
}

/* For the receiver to close. -1: there is none. */
TEST_FILE_HELPER int test_keep_fd(struct test_keep *k, const char *name)
{
	return openat(k->dir.fd, name, O_RDWR | O_CLOEXEC);
}

/* A missing file has 0. */
TEST_FILE_HELPER uint64_t test_keep_size(struct test_keep *k, const char *name)
{
	struct stat st;

	return fstatat(k->dir.fd, name, &st, 0) == 0 ? (uint64_t)st.st_size : 0;
}

TEST_FILE_HELPER void test_keep_free(struct test_keep *k)
{
	test_dir_free(&k->dir);
}

#endif
