/* SPDX-License-Identifier: MIT */
/*
 * How a format reaches bytes. A struct file is a window of a regular file: the whole of it, or one member of a tar.
 * A struct files resolves the names that an appliance writes (a .vmx names a disk, a descriptor names an extent).
 *
 * vmformat opens no path: the caller supplies the callback (the core asks the broker, tests use openat2, an OVA answers
 * with windows of itself). Reads are positioned (pread), so a struct file may be read from several threads at once.
 */
#ifndef VITRINE_FILES_H
#define VITRINE_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "vmformat/error.h"

struct file {
	int fd;         /* owned; -1: closed */
	uint64_t start; /* bytes: where the window begins in fd */
	uint64_t size;  /* bytes in the window */
	char name[256]; /* as a person knows it ("debian.ova: disk1.vmdk"), for errors; cut if longer */
};

#define FILE_CLOSED ((struct file){ .fd = -1 })

/* Reads exactly length bytes at offset of the window. -ENODATA: the window or the file ends before; else what pread says. */
int file_read(const struct file *f, uint64_t offset, void *buffer, size_t length);

/* Writes all of it to a file of ours (kept, unpacked, in memory); else what pwrite says. */
int file_write_all(int fd, uint64_t offset, const void *bytes, size_t length);

/* A second handle of the same window (dup), or of a part of it. -ERANGE when the part is not inside. */
int file_window(const struct file *f, uint64_t offset, uint64_t length, const char *name, struct file *ret_file,
                struct error *e);

/* Wraps fd (taken over on success) with its size by fstat. -EINVAL unless it is a regular file. */
int file_from_fd(int fd, const char *name, struct file *ret_file, struct error *e);

/* Closes; harmless on FILE_CLOSED and on NULL. */
void file_close(struct file *f);

struct gz_index;
struct keep;

struct files {
	/* Opens name (as written in the appliance: relative to its folder, '/' separated) for reading.
	 * Errors: -ENOENT no such file, -EXDEV it lies outside the folder, -EACCES refused, and others of open(2). */
	int (*open)(const struct files *files, const char *name, struct file *ret_file, struct error *e);
	/* The same for reading and writing: only a file that the user has agreed to have changed, and that nobody
	 * else writes. -EBUSY: somebody does. NULL: nothing may be written. */
	int (*open_writable)(const struct files *files, const char *name, struct file *ret_file, struct error *e);
	void *context;
	const struct keep *keep;         /* keep.h; NULL: nothing can be kept, so what would have to be is refused */
	const struct gz_index *gz_index; /* gz.h: of the one gzip file that can be read in place; NULL: none */
};

static inline int files_open(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	return files->open(files, name, ret_file, e);
}

#endif
