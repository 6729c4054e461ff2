/* SPDX-License-Identifier: MIT */
/*
 * L1 table -> L2 table -> cluster. There are always just these levels, so no table can lead in a circle; tables that
 * overlap, or lead to the header, show the guest nothing but its own file.
 */
#include "vmformat/qcow2_image.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUBCLUSTERS 32u
#define L1_RESERVED 0x7f000000000001ffull
#define NO_CLUSTER UINT64_MAX

/* ---- tables ---- */

static int read_l1(const struct qcow2_image *q, uint64_t index, uint64_t *ret_table)
{
	uint8_t raw[8];
	uint64_t entry;
	int r = table_cache_read(q->tables, q->l1_offset + index * 8, raw, sizeof(raw));

	if (r < 0)
		return r;
	entry = be64_load(raw);
	*ret_table = entry & ENTRY_OFFSET;
	return entry & L1_RESERVED || *ret_table % q->cluster ? -EIO : 0;
}

int qcow2_image_read_slice(const struct qcow2_image *q, uint64_t number, uint8_t raw[QCOW2_SLICE])
{
	uint64_t slices_per_table = q->cluster / q->slice_length, table;
	int r = read_l1(q, number / slices_per_table, &table);

	if (r < 0)
		return r;
	if (table)
		return table_cache_read(q->tables, table + number % slices_per_table * q->slice_length, raw,
		                        q->slice_length);
	memset(raw, 0, q->slice_length);
	return 0;
}

/* ---- entries ---- */

void qcow2_image_packed(const struct qcow2_image *q, uint64_t entry, uint64_t *ret_host, uint32_t *ret_length)
{
	/* "Compressed Clusters Descriptor": so many sectors that at most two clusters are named. */
	unsigned x = 62 - (q->cluster_bits - 8);
	uint64_t sectors = ((entry & (ENTRY_COMPRESSED - 1)) >> x) + 1;

	*ret_host = entry & ((1ull << x) - 1);
	*ret_length = (uint32_t)(sectors * 512 - *ret_host % 512);
}

/* "Standard Cluster Descriptor": the cluster in the file, or NO_CLUSTER. */
static int standard_cluster(const struct qcow2_image *q, uint64_t entry, uint64_t cluster_start, uint64_t *ret_host)
{
	bool flag_forbidden = q->version_2 || q->extended;

	*ret_host = entry & ENTRY_OFFSET;
	if (entry & ENTRY_RESERVED || (flag_forbidden && entry & ENTRY_ZERO) || *ret_host % q->cluster)
		return -EIO;
	if (*ret_host == 0 && (q->data.fd < 0 || !(entry & ENTRY_COPIED)))
		*ret_host = NO_CLUSTER;
	else if (q->data.fd >= 0 && *ret_host != cluster_start)
		return -EIO;
	return 0;
}

/* "Subcluster Allocation Bitmap" */
static int subcluster_kind(uint64_t bitmap, unsigned sub, bool has_cluster, enum disk_extent_kind *ret_kind)
{
	bool allocated = bitmap >> sub & 1, zero = bitmap >> (SUBCLUSTERS + sub) & 1;

	*ret_kind = allocated ? DISK_DATA : zero ? DISK_ZERO : DISK_PARENT;
	return allocated && (zero || !has_cluster) ? -EIO : 0;
}

int qcow2_image_place(const struct qcow2_image *q, uint64_t start, const uint8_t *raw, uint64_t index,
                      struct qcow2_place *ret_place)
{
	uint64_t units = q->cluster / q->unit, in_cluster = index % units * q->unit, host;
	const uint8_t *at = raw + index / units * q->entry_size;
	uint64_t entry = be64_load(at);
	int r;

	*ret_place = (struct qcow2_place){ .kind = DISK_PACKED, .entry = entry };
	if (entry & ENTRY_COMPRESSED)
		return q->data.fd >= 0 ? -EIO : 0;
	r = standard_cluster(q, entry, start + index * q->unit - in_cluster, &host);
	if (r < 0)
		return r;
	if (q->extended)
		r = subcluster_kind(be64_load(at + 8), (unsigned)(index % units), host != NO_CLUSTER, &ret_place->kind);
	else
		ret_place->kind = entry & ENTRY_ZERO ? DISK_ZERO : host == NO_CLUSTER ? DISK_PARENT : DISK_DATA;
	ret_place->host = ret_place->kind == DISK_DATA ? host + in_cluster : 0;
	return r;
}

/* ---- map ---- */

static const struct file *data_file(const struct qcow2_image *q)
{
	return q->data.fd >= 0 ? &q->data : &q->file;
}

/* How many bytes from `offset` on are in the same cluster, or the disk's last part of one. */
static uint64_t rest_of(const struct disk *disk, uint64_t offset, uint32_t size)
{
	return MIN(offset - offset % size + size, disk->capacity) - offset;
}

/* All of the cluster is one unit for unpack(). */
static void answer_packed(const struct disk *disk, uint64_t offset, uint64_t length, uint32_t size, uint64_t entry,
                          struct disk_extent *ret_extent)
{
	uint64_t start = offset - offset % size;

	*ret_extent = (struct disk_extent){
		.kind = DISK_PACKED,
		.length = MIN(length, rest_of(disk, offset, size)),
		.unit_offset = start,
		.unit_length = (uint32_t)rest_of(disk, start, size),
		.unit_key = entry,
	};
}

static bool goes_on(const struct qcow2_image *q, const struct qcow2_place *before, const struct qcow2_place *place)
{
	if (before->kind != place->kind || place->kind == DISK_PACKED)
		return false;
	return place->kind != DISK_DATA ||
	       (place->host == before->host + q->unit && range_within(place->host, q->unit, data_file(q)->size));
}

/* How far the kind of the unit at `offset` goes on in this slice, at most to the end of what is wanted. */
static uint64_t run_length(const struct disk *disk, const uint8_t *raw, uint64_t offset, uint64_t wanted,
                           struct qcow2_place place)
{
	const struct qcow2_image *q = disk->private;
	uint64_t start = offset - offset % q->slice_span, index = offset % q->slice_span / q->unit;
	uint64_t length = rest_of(disk, offset, q->unit);
	struct qcow2_place next;

	while (length < wanted && ++index < q->slice_span / q->unit) {
		if (qcow2_image_place(q, start, raw, index, &next) < 0 || !goes_on(q, &place, &next))
			break;
		length += rest_of(disk, offset + length, q->unit);
		place = next;
	}
	return MIN(length, wanted);
}

static int answer_data(const struct disk *disk, const uint8_t *raw, uint64_t offset, uint64_t length,
                       const struct qcow2_place *place, struct disk_extent *ret_extent)
{
	const struct qcow2_image *q = disk->private;
	const struct file *file = data_file(q);

	if (place->host >= file->size)
		return -ENODATA;
	if (!range_within(place->host, rest_of(disk, offset - offset % q->unit, q->unit), file->size)) {
		/* The file's last cluster need not be whole. */
		answer_packed(disk, offset, length, q->unit, place->entry, ret_extent);
		return 0;
	}
	*ret_extent = (struct disk_extent){
		.kind = DISK_DATA,
		.length = run_length(disk, raw, offset, length, *place),
		.fd = file->fd,
		.fd_offset = file->start + place->host + offset % q->unit,
	};
	return 0;
}

/* The data file is the disk. It need not have all of the last sector. */
static int map_raw(const struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	const struct qcow2_image *q = disk->private;
	uint64_t whole = q->data.size - q->data.size % DISK_SECTOR;

	if (offset >= q->data.size)
		return -ENODATA;
	if (offset < whole)
		*ret_extent = (struct disk_extent){
			.kind = DISK_DATA,
			.length = MIN(length, whole - offset),
			.fd = q->data.fd,
			.fd_offset = q->data.start + offset,
		};
	else
		answer_packed(disk, offset, length, DISK_SECTOR, offset - offset % q->cluster, ret_extent);
	return 0;
}

static int qcow2_image_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	struct qcow2_image *q = disk->private;
	uint8_t raw[QCOW2_SLICE];
	struct qcow2_place place;
	int r;

	if (q->raw_data)
		return map_raw(disk, offset, length, ret_extent);
	r = qcow2_image_read_slice(q, offset / q->slice_span, raw);
	if (r == 0)
		r = qcow2_image_place(q, offset - offset % q->slice_span, raw, offset % q->slice_span / q->unit,
		                      &place);
	if (r < 0)
		return r;
	if (place.kind == DISK_DATA)
		return answer_data(disk, raw, offset, length, &place, ret_extent);
	if (place.kind == DISK_PACKED)
		answer_packed(disk, offset, length, q->cluster, place.entry, ret_extent);
	else
		*ret_extent = (struct disk_extent){
			.kind = place.kind,
			.length = run_length(disk, raw, offset, length, place),
			.fd = -1,
		};
	return 0;
}

/* ---- unpack ---- */

/* The last sector need not be whole in the file; more missing is a cut file. */
static int read_packed(const struct qcow2_image *q, uint64_t entry, uint8_t *packed, uint32_t *ret_length)
{
	uint64_t host;

	qcow2_image_packed(q, entry, &host, ret_length);
	if (host >= q->file.size || *ret_length - MIN(*ret_length, q->file.size - host) >= 512)
		return -ENODATA;
	*ret_length = (uint32_t)MIN(*ret_length, q->file.size - host);
	return file_read(&q->file, host, packed, *ret_length);
}

/* "Deflate, raw, window of 4 KiB"; rubbish may follow in the last sector, with either method. */
static int inflate_cluster(const struct unpacker *u, uint32_t packed, uint8_t *to, uint32_t size, size_t *ret_length)
{
	enum libdeflate_result result =
		libdeflate_deflate_decompress(u->deflate, u->packed, packed, to, size, ret_length);

	return result == LIBDEFLATE_SUCCESS ? 0 : -EIO;
}

/* In one step: a frame's header could ask for a window of 128 MiB otherwise. */
static int unzstd_cluster(const struct unpacker *u, uint32_t packed, uint8_t *to, uint32_t size, size_t *ret_length)
{
	size_t frame = ZSTD_findFrameCompressedSize(u->packed, packed);

	if (ZSTD_isError(frame))
		return -EIO;
	*ret_length = ZSTD_decompressDCtx(u->zstd, to, size, u->packed, frame);
	return ZSTD_isError(*ret_length) ? -EIO : 0;
}

static int unpack_cluster(struct qcow2_image *q, const struct disk_extent *extent, void *buffer)
{
	struct unpacker *u = unpacker_get(&q->unpackers, q->cluster);
	bool cut = extent->unit_length < q->cluster; /* by the capacity: the cluster was packed whole */
	size_t length = 0;
	uint32_t packed;
	uint8_t *to;
	int r;

	if (!u)
		return -ENOMEM;
	to = cut ? u->unit : buffer;
	r = read_packed(q, extent->unit_key, u->packed, &packed);
	if (r == 0)
		r = (q->zstd ? unzstd_cluster : inflate_cluster)(u, packed, to, q->cluster, &length);
	if (r == 0 && length < extent->unit_length)
		r = -EIO;
	if (r == 0 && cut)
		memcpy(buffer, u->unit, extent->unit_length);
	unpacker_put(&q->unpackers, u);
	return r;
}

/* What is missing at the end of the file was never written. */
static int read_tail(const struct qcow2_image *q, const struct disk_extent *extent, uint8_t *buffer)
{
	const struct file *file = data_file(q);
	uint64_t host = (extent->unit_key & ENTRY_OFFSET) + extent->unit_offset % q->cluster;
	size_t present = (size_t)MIN(extent->unit_length, file->size - host);

	memset(buffer + present, 0, extent->unit_length - present);
	return file_read(file, host, buffer, present);
}

static int qcow2_image_unpack(struct disk *disk, const struct disk_extent *extent, void *buffer)
{
	struct qcow2_image *q = disk->private;

	assert(extent->kind == DISK_PACKED && extent->unit_length <= q->cluster);
	if (extent->unit_key & ENTRY_COMPRESSED)
		return unpack_cluster(q, extent, buffer);
	return read_tail(q, extent, buffer);
}

static void qcow2_image_close(struct disk *disk)
{
	struct qcow2_image *q = disk->private;

	if (!q)
		return;
	file_close(&q->file);
	file_close(&q->data);
	unpacker_pool_free(&q->unpackers);
	table_cache_free(q->tables);
	free(q);
	disk->private = NULL;
}

static bool qcow2_image_probe(const struct file *file, const uint8_t *head, size_t head_length)
{
	(void)file;
	return head_length >= 4 && be32_load(head + H_MAGIC) == QCOW2_MAGIC;
}

const struct disk_format qcow2_image_format = {
	.name = "qcow2",
	.probe = qcow2_image_probe,
	.open = qcow2_image_open,
	.close = qcow2_image_close,
	.map = qcow2_image_map,
	.unpack = qcow2_image_unpack,
};
