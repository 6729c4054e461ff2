/* SPDX-License-Identifier: MIT */
#include "vmformat/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmformat/bytes.h"

int file_read(const struct file *f, uint64_t offset, void *buffer, size_t length)
{
	char *to = buffer;

	if (!range_within(offset, length, f->size))
		return -ENODATA;
	while (length) {
		ssize_t n = pread(f->fd, to, length, (off_t)(f->start + offset));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		to += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

int file_write_all(int fd, uint64_t offset, const void *bytes, size_t length)
{
	const char *from = bytes;

	while (length) {
		ssize_t n = pwrite(fd, from, length, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		from += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

int file_window(const struct file *f, uint64_t offset, uint64_t length, const char *name, struct file *ret_file,
                struct error *e)
{
	int fd;

	if (!range_within(offset, length, f->size))
		return error_set(e, -ERANGE, "%s: bytes %llu to %llu are needed, but the file ends at %llu", f->name,
		                 (unsigned long long)offset, (unsigned long long)(offset + length),
		                 (unsigned long long)f->size);
	fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return error_set(e, -errno, "%s: %s", f->name, strerror(errno));
	*ret_file = (struct file){ .fd = fd, .start = f->start + offset, .size = length };
	snprintf(ret_file->name, sizeof(ret_file->name), "%s", name);
	return 0;
}

int file_from_fd(int fd, const char *name, struct file *ret_file, struct error *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(e, -errno, "%s: %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(e, -EINVAL, "%s is not a regular file; Vitrine opens only files", name);
	*ret_file = (struct file){ .fd = fd, .size = (uint64_t)st.st_size };
	snprintf(ret_file->name, sizeof(ret_file->name), "%s", name);
	return 0;
}

void file_close(struct file *f)
{
	if (!f || f->fd < 0)
		return;
	close(f->fd);
	*f = FILE_CLOSED;
}
