/* SPDX-License-Identifier: MIT */
/*
 * A folder of a test's own, with what the broker is asked for: root/vm, the appliance's folder, with vm/disks;
 * root/outside; root/state, which is $XDG_STATE_HOME. Everything asserts: include <cmocka.h> before this file.
 */
#ifndef VITRINE_TEST_ROOT_H
#define VITRINE_TEST_ROOT_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROOT_HELPER __attribute__((unused)) static

static char root[64];

/* Four of them are good at a time. */
ROOT_HELPER const char *in_root(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
	return path;
}

ROOT_HELPER void write_file(const char *name, const char *content)
{
	FILE *f = fopen(in_root(name), "w");

	assert_non_null(f);
	fputs(content, f);
	fclose(f);
}

ROOT_HELPER void make_root(void)
{
	static const char *const folders[] = { "vm", "vm/disks", "outside", "state" };

	strcpy(root, "/tmp/vitrine-process-XXXXXX");
	assert_non_null(mkdtemp(root));
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		assert_int_equal(mkdir(in_root(folders[i]), 0700), 0);
	setenv("XDG_STATE_HOME", in_root("state"), 1);
}

ROOT_HELPER int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

ROOT_HELPER int remove_tree(const char *path)
{
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The end of a group of tests. */
ROOT_HELPER int remove_root(void **state)
{
	(void)state;
	return remove_tree(root);
}

#endif
