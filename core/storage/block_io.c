/* SPDX-License-Identifier: MIT */
#include "core/storage/block_io.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/storage/unit_cache.h"
#include "vmformat/bytes.h"
#include "vmformat/disk.h"
#include "vmformat/disk_write.h"

/* Of longer ones so few fit into the cache that they would push out the one that is being read. */
#define AHEAD_UNIT_MAX (512u << 10)

void block_io_release(struct block_io *io)
{
	free(io->bounce);
	io->bounce = NULL;
	io->bounce_unit = 0;
}

/* ---- iovecs ---- */

/* Where we are in a request's iovecs. The engine has checked that they hold as many bytes as are taken. */
struct cursor {
	const struct iovec *iov;
	size_t skip; /* bytes of *iov that are done */
};

/* The next length bytes as iovecs; returns how many. */
static unsigned cursor_take(struct cursor *c, size_t length, struct iovec *ret_pieces)
{
	unsigned count = 0;

	while (length) {
		size_t n = MIN(c->iov->iov_len - c->skip, length);

		if (n)
			ret_pieces[count++] = (struct iovec){ (uint8_t *)c->iov->iov_base + c->skip, n };
		length -= n;
		c->skip += n;
		if (c->skip == c->iov->iov_len && length)
			*c = (struct cursor){ c->iov + 1, 0 };
	}
	return count;
}

static void cursor_fill(struct cursor *c, size_t length, const uint8_t *from)
{
	while (length) {
		struct iovec piece;
		size_t n = MIN(c->iov->iov_len - c->skip, length);

		cursor_take(c, n, &piece);
		if (n == 0) {
			*c = (struct cursor){ c->iov + 1, 0 };
			continue;
		}
		if (from)
			memcpy(piece.iov_base, from, n);
		else
			memset(piece.iov_base, 0, n);
		from = from ? from + n : NULL;
		length -= n;
	}
}

typedef ssize_t transfer_function(int fd, const struct iovec *iov, int count, off_t offset);

/* Until all pieces are done; uses them up. The end of the file is damage: formats map only what should be there. */
static int transfer(transfer_function *function, int fd, struct iovec *pieces, unsigned count, uint64_t offset)
{
	while (count) {
		ssize_t n = function(fd, pieces, (int)MIN(count, IOV_MAX), (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return BLOCK_IO_DAMAGED;
		offset += (uint64_t)n;
		for (; count && (size_t)n >= pieces->iov_len; count--)
			n -= (ssize_t)pieces++->iov_len;
		if (count)
			*pieces = (struct iovec){ (uint8_t *)pieces->iov_base + n, pieces->iov_len - (size_t)n };
	}
	return 0;
}

/* ---- reading ---- */

/* As disk_map(), with its promises checked once more, and its -EIO (bad tables) told from the host's. */
static int map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent,
               struct disk **ret_owner)
{
	int r = disk_map(disk, offset, length, ret_extent, ret_owner);

	if (r == -EIO || r == -ENODATA || r == -EINVAL)
		return BLOCK_IO_DAMAGED;
	if (r == 0 && (ret_extent->length == 0 || ret_extent->length > length))
		return BLOCK_IO_DAMAGED;
	return r;
}

static int read_extent(struct block_io *io, struct disk *owner, const struct disk_extent *extent, uint64_t offset,
                       struct cursor *to)
{
	struct unit *unit;
	int r;

	switch (extent->kind) {
	case DISK_DATA:
		return transfer(preadv, extent->fd, io->pieces, cursor_take(to, extent->length, io->pieces),
		                extent->fd_offset);
	case DISK_PACKED:
		io->met_packed = true;
		if (offset < extent->unit_offset ||
		    !range_within(offset - extent->unit_offset, extent->length, extent->unit_length))
			return BLOCK_IO_DAMAGED;
		r = unit_cache_get(io, owner, extent, &unit);
		if (r < 0)
			return r == -EIO || r == -ENODATA ? BLOCK_IO_DAMAGED : r;
		cursor_fill(to, extent->length, unit_data(unit) + (offset - extent->unit_offset));
		unit_cache_put(io->units, unit);
		return 0;
	default:
		cursor_fill(to, extent->length, NULL);
		return 0;
	}
}

/* Clusters that were allocated one after the other lie so in the file: one read serves them all. */
static bool joins(const struct disk_extent *a, const struct disk_extent *b)
{
	return a->kind == DISK_DATA && b->kind == DISK_DATA && a->fd == b->fd &&
	       a->fd_offset + a->length == b->fd_offset;
}

int block_io_read(struct block_io *io, struct disk *disk, uint64_t offset, const struct iovec *iov, uint32_t length)
{
	struct cursor to = { iov, 0 };
	struct disk_extent extent, next;
	struct disk *owner, *next_owner;
	int r = length ? map(disk, offset, length, &next, &next_owner) : 0;

	while (r == 0 && length) {
		extent = next;
		owner = next_owner;
		while (r == 0 && extent.length < length) {
			r = map(disk, offset + extent.length, length - extent.length, &next, &next_owner);
			if (r < 0 || !joins(&extent, &next))
				break;
			extent.length += next.length;
		}
		if (r == 0)
			r = read_extent(io, owner, &extent, offset, &to);
		offset += extent.length;
		length -= (uint32_t)extent.length;
	}
	return r;
}

uint64_t block_io_unpack(struct block_io *io, struct disk *disk, uint64_t offset, uint32_t length)
{
	uint64_t end = 0;

	while (length) {
		struct disk_extent extent;
		struct disk *owner;

		if (map(disk, offset, length, &extent, &owner) < 0)
			break;
		if (extent.kind == DISK_PACKED && extent.unit_length <= AHEAD_UNIT_MAX) {
			if (!unit_cache_prepare(io->units, owner, &extent))
				break;
			end = extent.unit_offset + extent.unit_length;
		}
		offset += extent.length;
		length -= (uint32_t)extent.length;
	}
	return end;
}

/* ---- writing ---- */

static bool reads_as_zero(struct disk *disk, uint64_t offset, uint64_t length)
{
	while (length) {
		struct disk_extent extent;

		if (map(disk, offset, length, &extent, NULL) < 0 || extent.kind != DISK_ZERO)
			return false;
		offset += extent.length;
		length -= extent.length;
	}
	return true;
}

/* What lies beside the data in its first or last cluster, into buffer. Zeros around a fresh cluster are left out: a
 * hole. */
static int read_beside(struct block_io *io, struct disk *disk, const struct disk_write *w, uint64_t offset,
                       uint32_t *length, uint8_t *buffer)
{
	struct iovec iov = { buffer, *length };

	if (*length && w->fresh && reads_as_zero(disk, offset, *length))
		*length = 0;
	return block_io_read(io, disk, offset, &iov, *length);
}

/* Disks have units of different sizes. */
static bool need_bounce(struct block_io *io, uint32_t unit)
{
	if (io->bounce_unit >= unit)
		return true;
	block_io_release(io);
	io->bounce = malloc(2 * (size_t)unit);
	io->bounce_unit = io->bounce ? unit : 0;
	return io->bounce;
}

static int write_run(struct block_io *io, struct disk *disk, uint64_t offset, struct disk_write *w, struct cursor *from)
{
	uint32_t head = w->head, tail = w->tail;
	unsigned count = 0;
	int r;

	if ((head || tail) && !need_bounce(io, disk->write_unit))
		return -ENOMEM;
	r = read_beside(io, disk, w, offset - head, &head, io->bounce);
	if (r == 0)
		r = read_beside(io, disk, w, offset + w->length, &tail, io->bounce + io->bounce_unit);
	if (r < 0)
		return r;
	if (head)
		io->pieces[count++] = (struct iovec){ io->bounce, head };
	count += cursor_take(from, w->length, io->pieces + count);
	if (tail)
		io->pieces[count++] = (struct iovec){ io->bounce + io->bounce_unit, tail };
	return transfer(pwritev, w->fd, io->pieces, count, w->fd_offset - head);
}

static int write_from(struct block_io *io, struct disk *disk, uint64_t offset, struct cursor *from, uint32_t length)
{
	while (length) {
		struct disk_write w;
		int r = disk->writer->begin(disk, offset, length, &w);

		if (r < 0)
			return r;
		r = write_run(io, disk, offset, &w, from);
		disk->writer->end(disk, &w, r);
		if (r < 0)
			return r;
		offset += w.length;
		length -= w.length;
	}
	return 0;
}

/* ---- zeros that are written ---- */

/* Whether the next length bytes are zeros; the cursor goes behind them. A guest may change them meanwhile: then either is right. */
static bool cursor_skip(struct cursor *c, size_t length)
{
	bool zero = true;

	while (length) {
		size_t n = MIN(c->iov->iov_len - c->skip, length);

		zero = zero && bytes_are_zero((const uint8_t *)c->iov->iov_base + c->skip, n);
		length -= n;
		c->skip += n;
		if (c->skip == c->iov->iov_len && length)
			*c = (struct cursor){ c->iov + 1, 0 };
	}
	return zero;
}

/* A unit that has its place in the file already: zeros go there like other bytes, and cost no tables. */
static bool is_stored(struct disk *disk, uint64_t offset)
{
	struct disk_extent extent;

	return disk->format->map(disk, offset, disk->write_unit, &extent) < 0 || extent.kind == DISK_DATA;
}

/* How much of the write is bytes to be stored (or, from a unit's begin on, new units of zeros that need no room:
 * what mkfs and installers write by the gigabyte). *from goes behind it. */
static uint32_t next_stretch(struct disk *disk, uint64_t offset, struct cursor *from, uint32_t length, bool *ret_zeros)
{
	const uint32_t unit = disk->write_unit;
	uint32_t done = 0;

	*ret_zeros = false;
	while (done < length) {
		uint32_t n = MIN(unit - (uint32_t)((offset + done) % unit), length - done);
		struct cursor behind = *from;
		bool zeros = cursor_skip(&behind, n) && n == unit && !is_stored(disk, offset + done);

		if (done && zeros != *ret_zeros)
			break;
		*ret_zeros = zeros;
		*from = behind;
		done += n;
	}
	return done;
}

int block_io_write(struct block_io *io, struct disk *disk, uint64_t offset, const struct iovec *iov, uint32_t length)
{
	struct cursor from = { iov, 0 };

	while (length) {
		struct cursor stretch = from;
		bool zeros;
		uint32_t n = next_stretch(disk, offset, &from, length, &zeros);
		int r = zeros ? disk->writer->zero(disk, offset, n) : -EOPNOTSUPP;

		if (r == -EOPNOTSUPP)
			r = write_from(io, disk, offset, &stretch, n);
		if (r < 0)
			return r;
		offset += n;
		length -= n;
	}
	return 0;
}

/* ---- discarding ---- */

/* Real zeros. */
static int store_zeros(struct block_io *io, struct disk *disk, uint64_t offset, uint64_t length)
{
	static const uint8_t zeros[4096];
	struct iovec iov[16];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(iov); i++)
		iov[i] = (struct iovec){ (void *)zeros, sizeof(zeros) };
	while (r == 0 && length) {
		struct cursor from = { iov, 0 };
		uint32_t n = (uint32_t)MIN(length, sizeof(zeros) * ARRAY_SIZE(iov));

		r = write_from(io, disk, offset, &from, n);
		offset += n;
		length -= n;
	}
	return r;
}

/* Less than a unit: real zeros, where there are none yet. */
static int write_zeros(struct block_io *io, struct disk *disk, uint64_t offset, uint64_t length)
{
	return length == 0 || reads_as_zero(disk, offset, length) ? 0 : store_zeros(io, disk, offset, length);
}

int block_io_discard(struct block_io *io, struct disk *disk, uint64_t offset, uint32_t length)
{
	const uint32_t unit = disk->write_unit;
	uint64_t end = offset + length;
	uint64_t first = (offset + unit - 1) / unit * unit;
	uint64_t last = end == disk->capacity ? end : end / unit * unit;
	int r;

	if (first > last) /* within one unit */
		return write_zeros(io, disk, offset, length);
	r = write_zeros(io, disk, offset, first - offset);
	if (r == 0)
		r = disk->writer->zero(disk, first, last - first);
	if (r == -EOPNOTSUPP)
		r = store_zeros(io, disk, first, last - first);
	return r < 0 ? r : write_zeros(io, disk, last, end - last);
}
