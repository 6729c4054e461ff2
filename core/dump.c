/* SPDX-License-Identifier: MIT */
#include "core/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmformat/bytes.h"

#define CHUNK (1u << 20)
#define HOLE 65536u /* zeros of this size and alignment become a hole, too */

struct output {
	int fd;
	bool sparse;    /* zeros may be left out */
	uint64_t start; /* sparse: where in the file the disk begins */
};

static int write_all(const struct output *o, const uint8_t *data, size_t length, uint64_t offset)
{
	while (length) {
		ssize_t n = o->sparse ? pwrite(o->fd, data, length, (off_t)(o->start + offset))
		                      : write(o->fd, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

/* A fresh regular file reads as zeros where nothing is written. Others (pipes, devices, >>, 1<>) get every byte. */
static struct output look_at_output(int fd)
{
	struct output o = { .fd = fd };
	int flags = fcntl(fd, F_GETFL);
	off_t at = lseek(fd, 0, SEEK_CUR);
	struct stat st;

	if (flags >= 0 && !(flags & O_APPEND) && at >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size <= at) {
		o.sparse = true;
		o.start = (uint64_t)at;
	}
	return o;
}

static int write_chunk(const struct output *o, const uint8_t *data, size_t length, uint64_t offset)
{
	int err = 0;

	if (!o->sparse)
		return write_all(o, data, length, offset);
	for (size_t at = 0; at < length && !err; at += HOLE) {
		size_t n = MIN(length - at, HOLE);

		if (!bytes_are_zero(data + at, n))
			err = write_all(o, data + at, n, offset + at);
	}
	return err;
}

struct piece {
	uint64_t length;
	bool is_hole; /* can be skipped, however large */
};

/* What to copy next: to the end of a packed unit, so that none is unpacked twice; at most a chunk, or what the unit
 * has. */
static int next_piece(struct disk *disk, const struct output *o, uint64_t offset, size_t room, struct piece *ret_piece)
{
	uint64_t left = disk->capacity - offset;
	struct disk_extent extent;
	int err = disk_map(disk, offset, left, &extent, NULL);

	*ret_piece = (struct piece){ .length = MIN(left, CHUNK - offset % CHUNK) };
	if (!err && extent.kind == DISK_ZERO && o->sparse)
		*ret_piece = (struct piece){ .length = extent.length, .is_hole = true };
	else if (!err && extent.kind == DISK_PACKED && extent.unit_length > CHUNK)
		ret_piece->length = MIN(extent.length, room);
	return err;
}

/* The largest unit of the disk or of one below it, but no less than a chunk. */
static size_t buffer_size(const struct disk *disk)
{
	size_t size = CHUNK;

	for (; disk; disk = disk->parent)
		size = MAX(size, disk->unit_limit);
	return size;
}

static int dump_disk(struct disk *disk, const struct output *o, uint8_t *buffer, size_t room, struct error *e)
{
	uint64_t offset = 0;
	int err = 0;

	while (offset < disk->capacity && !err) {
		struct piece piece;

		err = next_piece(disk, o, offset, room, &piece);
		if (!err && !piece.is_hole) {
			err = disk_read(disk, offset, buffer, piece.length);
			if (!err && (err = write_chunk(o, buffer, piece.length, offset)))
				return error_set(e, err, "The output cannot be written beyond byte %llu: %s",
				                 (unsigned long long)offset, strerror(-err));
		}
		if (!err)
			offset += piece.length;
	}
	if (err)
		return error_set(e, err,
		                 "%s: the disk cannot be read at byte %llu: %s. What came before is in the output",
		                 disk->name, (unsigned long long)offset, strerror(-err));
	if (o->sparse && ftruncate(o->fd, (off_t)(o->start + disk->capacity)) < 0)
		return error_set(e, -errno, "The output cannot be made %llu bytes long: %s",
		                 (unsigned long long)disk->capacity, strerror(errno));
	return 0;
}

/* Names the drives that could have been meant. */
static int refuse_drive(const struct session *s, struct error *e)
{
	char list[512] = "";
	size_t used = 0;

	for (unsigned i = 0; i < s->appliance->drive_count && used + 40 < sizeof(list); i++) {
		char name[32];

		if (s->appliance->drives[i].backing != BACKING_IMAGE &&
		    s->appliance->drives[i].backing != BACKING_BLANK)
			continue;
		appliance_drive_name(&s->appliance->drives[i], name);
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "", name);
	}
	if (!used)
		return error_set(e, -ENOENT, "%s has no drive with an image in it", s->start.name);
	return error_set(e, -ENOENT, "%s has no drive %s with an image in it; it has: %s", s->start.name,
	                 s->start.drive, list);
}

int dump_drive(struct session *s, struct error *e)
{
	struct output o = look_at_output(s->fds[START_FD_OUTPUT]);
	const struct appliance_drive *drive;
	struct disk *disk;
	uint8_t *buffer;
	int err = session_open_appliance(s, e);

	if (err)
		return err;
	drive = appliance_find_drive(s->appliance, s->start.drive);
	if (!drive || (drive->backing != BACKING_IMAGE && drive->backing != BACKING_BLANK))
		return refuse_drive(s, e);
	err = session_open_for_reading(s, drive, &disk, e);
	if (err)
		return err;
	buffer = malloc(buffer_size(disk));
	err = buffer ? dump_disk(disk, &o, buffer, buffer_size(disk), e) : error_set(e, -ENOMEM, "Out of memory");
	free(buffer);
	disk_close(disk);
	return err;
}
