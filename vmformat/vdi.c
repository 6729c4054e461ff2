/* SPDX-License-Identifier: MIT */
/*
 * A VDI is a header, a map with the number of each block's place, and places of equal size. A number can lead
 * nowhere but behind the map, so nothing overlaps tables; two blocks at one place show the guest nothing but its
 * own file. All numbers are little-endian.
 */
#include "vmformat/vdi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/foreign_text.h"
#include "vmformat/table_cache.h"

/* VirtualBox's VDICore.h, VDIPREHEADER and VDIHEADER1PLUS: byte offsets. */
enum {
	PREHEADER_SIGNATURE = 64,
	PREHEADER_VERSION = 68,
	HEADER_BEGIN = 72,
	HEADER_OWN_SIZE = 72,
	HEADER_TYPE = 76,
	HEADER_MAP = 340,
	HEADER_DATA = 344,
	HEADER_SECTOR_SIZE = 360,
	HEADER_DISK_SIZE = 368,
	HEADER_BLOCK_SIZE = 376,
	HEADER_BLOCK_EXTRA = 380,
	HEADER_BLOCKS = 384,
	HEADER_ALLOCATED = 388,
	HEADER_UUID = 392,
	HEADER_MODIFY_UUID = 408,
	HEADER_LINK_UUID = 424,
	HEADER_PARENT_MODIFY_UUID = 440,
	HEADER_SIZE = 456, /* what all headers of version 1 have */
};

enum { TYPE_NORMAL = 1, TYPE_FIXED = 2, TYPE_UNDO = 3, TYPE_DIFFERENCING = 4 };

#define BLOCK_FREE 0xffffffffu
#define BLOCK_ZERO 0xfffffffeu

/* The map of a larger disk would have more than 2^26 entries of the usual block, 1 MiB. */
#define MAX_CAPACITY (64ull << 40)
#define MIN_BLOCK 4096u
#define MAX_BLOCK (256u << 20) /* VirtualBox makes 1 MiB only; the largest of any disk format of its kind */
#define MAX_EXTRA (1u << 20)   /* no known program writes any */
/* 256 KiB of map: 64 GiB of disk, more than a guest works on at once. */
#define PAGE_SIZE 4096u
#define PAGES 64u
#define MAX_RUN 1024u /* blocks that map() answers for at once: a page */

struct vdi {
	struct file file;
	struct table_cache *tables;
	uint64_t map, data;
	uint32_t block, extra, blocks, allocated;
	bool has_parent;
	uint8_t uuid[GUID_SIZE], modify_uuid[GUID_SIZE], link_uuid[GUID_SIZE], parent_modify_uuid[GUID_SIZE];
};

static bool vdi_probe(const struct file *file, const uint8_t *head, size_t head_length)
{
	(void)file;
	return head_length >= PREHEADER_VERSION && memcmp(head + PREHEADER_SIGNATURE, "\x7f\x10\xda\xbe", 4) == 0;
}

/* ---- opening ---- */

static int damaged(struct error *e, const char *name, const char *field, uint64_t value, const char *rule)
{
	return error_set(e, -EINVAL,
	                 "%s: %s in the header is %llu, but must be %s. The file is damaged; download or copy "
	                 "it again.",
	                 name, field, (unsigned long long)value, rule);
}

static int read_header(const struct file *file, uint8_t header[HEADER_SIZE], struct error *e)
{
	uint32_t version;
	int r = file_read(file, 0, header, HEADER_SIZE);

	if (r == -ENODATA)
		return disk_truncated(e, file->name, file->size, HEADER_SIZE);
	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", file->name, strerror(-r));
	if (!vdi_probe(file, header, HEADER_SIZE))
		return error_set(e, -EINVAL, "%s does not begin as a VDI does. It is another kind of file or damaged.",
		                 file->name);
	version = le32_load(header + PREHEADER_VERSION);
	if (version >> 16 != 1)
		return error_set(
			e, -ENOTSUP,
			"%s has version %u.%u of the VDI format; Vitrine knows 1.1. Let VirtualBox write a new "
			"one: VBoxManage clonemedium FILE NEW.vdi",
			file->name, version >> 16, version & 0xffff);
	return 0;
}

static int take_sizes(struct disk *disk, struct vdi *vdi, const uint8_t *header, struct error *e)
{
	uint32_t sector = le32_load(header + HEADER_SECTOR_SIZE);
	uint64_t size = le64_load(header + HEADER_DISK_SIZE);

	vdi->block = le32_load(header + HEADER_BLOCK_SIZE);
	vdi->extra = le32_load(header + HEADER_BLOCK_EXTRA);
	vdi->blocks = le32_load(header + HEADER_BLOCKS);
	vdi->allocated = le32_load(header + HEADER_ALLOCATED);
	if (sector != DISK_SECTOR)
		return damaged(e, disk->name, "the sector size", sector, "512");
	if (!is_power_of_two(vdi->block) || vdi->block < MIN_BLOCK || vdi->block > MAX_BLOCK)
		return damaged(e, disk->name, "the block size", vdi->block, "a power of two from 4 KiB to 256 MiB");
	if (vdi->extra > MAX_EXTRA)
		return damaged(e, disk->name, "the size of a block's extra data", vdi->extra, "at most 1 MiB");
	if (size == 0 || size > MAX_CAPACITY)
		return damaged(e, disk->name, "the disk's size", size, "from 1 byte to 64 TiB");
	if (size > (uint64_t)vdi->blocks * vdi->block)
		return damaged(e, disk->name, "the number of blocks", vdi->blocks, "enough for the disk's size");
	if (vdi->allocated > vdi->blocks)
		return damaged(e, disk->name, "the number of blocks in use", vdi->allocated, "at most that of all");
	/* "VBoxManage convertfromraw" makes disks of any number of bytes. Blocks are whole. */
	disk->capacity = (size + DISK_SECTOR - 1) / DISK_SECTOR * DISK_SECTOR;
	return 0;
}

static int take_places(struct vdi *vdi, const uint8_t *header, const struct file *file, struct error *e)
{
	uint64_t own_end = HEADER_BEGIN + (uint64_t)le32_load(header + HEADER_OWN_SIZE), map_end;

	vdi->map = le32_load(header + HEADER_MAP);
	vdi->data = le32_load(header + HEADER_DATA);
	map_end = vdi->map + (uint64_t)vdi->blocks * 4;
	if (own_end < HEADER_SIZE)
		return damaged(e, file->name, "its own size", own_end - HEADER_BEGIN, "at least 384");
	if (vdi->map < own_end)
		return damaged(e, file->name, "the place of the block map", vdi->map, "behind the header");
	if (vdi->data < map_end)
		return damaged(e, file->name, "the place of the blocks", vdi->data, "behind their map");
	if (map_end > file->size)
		return disk_truncated(e, file->name, file->size, map_end);
	return 0;
}

/* Blocks lie one after the other, as many as are in use. A last one may be cut by the capacity. */
static int check_end(const struct disk *disk, const struct vdi *vdi, const struct file *file, struct error *e)
{
	uint64_t slack = (uint64_t)vdi->blocks * vdi->block - disk->capacity;
	uint64_t needed = vdi->data + (uint64_t)vdi->allocated * ((uint64_t)vdi->block + vdi->extra);

	if (needed <= file->size || needed - file->size <= MIN(slack, vdi->block))
		return 0;
	return disk_truncated(e, file->name, file->size, needed);
}

/*
 * VirtualBox keeps names in the machine's .vbox file, and in the disk only the parent's UUID. Snapshots are named for
 * theirs, in the folder Snapshots; a first disk has any name, so the user must help.
 */
static int take_parent(struct disk *disk, struct vdi *vdi, struct error *e)
{
	static const char *const forms[] = { "{%s}.vdi", "%s.vdi", "Snapshots/{%s}.vdi" };
	char uuid[GUID_TEXT_SIZE], name[64];

	if (guid_is_nil(vdi->link_uuid))
		return error_set(
			e, -EINVAL,
			"%s holds only changes to another disk, but does not say to which. The file is damaged; "
			"download or copy it again.",
			disk->name);
	guid_format(vdi->link_uuid, uuid);
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		snprintf(name, sizeof(name), forms[i], uuid);
		if (foreign_parent(disk, name) < 0)
			return error_set(e, -ENOMEM, "%s: not enough memory", disk->name);
	}
	disk->parent_format = "vdi";
	disk->parent_advice =
		"A VDI knows of the disk below it only this UUID: VBoxManage showmediuminfo tells which of "
		"your disks has it; give a copy of that this name.";
	return 0;
}

static int parse(struct disk *disk, struct vdi *vdi, const struct file *file, struct error *e)
{
	uint8_t header[HEADER_SIZE];
	uint32_t type;
	int r = read_header(file, header, e);

	if (r == 0)
		r = take_sizes(disk, vdi, header, e);
	if (r == 0)
		r = take_places(vdi, header, file, e);
	if (r == 0)
		r = check_end(disk, vdi, file, e);
	if (r < 0)
		return r;
	memcpy(vdi->uuid, header + HEADER_UUID, GUID_SIZE);
	memcpy(vdi->modify_uuid, header + HEADER_MODIFY_UUID, GUID_SIZE);
	memcpy(vdi->link_uuid, header + HEADER_LINK_UUID, GUID_SIZE);
	memcpy(vdi->parent_modify_uuid, header + HEADER_PARENT_MODIFY_UUID, GUID_SIZE);
	type = le32_load(header + HEADER_TYPE);
	if (type < TYPE_NORMAL || type > TYPE_DIFFERENCING)
		return damaged(e, disk->name, "the type", type, "from 1 to 4");
	vdi->has_parent = type == TYPE_UNDO || type == TYPE_DIFFERENCING;
	return vdi->has_parent ? take_parent(disk, vdi, e) : 0;
}

static int read_from_file(const void *context, uint64_t offset, void *buffer, size_t length)
{
	return file_read(context, offset, buffer, length);
}

static int vdi_open(struct disk *disk, struct file *file, const struct files *files, struct error *e)
{
	struct vdi *vdi = disk->private = calloc(1, sizeof(*vdi));
	int r;

	(void)files;
	if (!vdi)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	vdi->file = FILE_CLOSED;
	r = parse(disk, vdi, file, e);
	if (r < 0)
		return r;
	vdi->tables = table_cache_new(PAGE_SIZE, PAGES, read_from_file, &vdi->file, file->size);
	if (!vdi->tables)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	vdi->file = *file;
	*file = FILE_CLOSED;
	return 0;
}

static void vdi_close(struct disk *disk)
{
	struct vdi *vdi = disk->private;

	if (!vdi)
		return;
	table_cache_free(vdi->tables);
	file_close(&vdi->file);
	free(vdi);
}

/*
 * The second UUID is a new one whenever VirtualBox begins to write to a disk: then what lies over it does not fit
 * any more.
 */
static int vdi_check_parent(const struct disk *disk, const struct disk *parent, struct error *e)
{
	const struct vdi *vdi = disk->private, *below = parent->private;
	char found[GUID_TEXT_SIZE];

	guid_format(below->uuid, found);
	if (memcmp(vdi->link_uuid, below->uuid, GUID_SIZE) != 0)
		return error_set(
			e, -EINVAL,
			"%s holds changes to another disk than %s, which has the UUID %s. Put the disk that it was "
			"made on in its place.",
			disk->name, parent->name, found);
	if (!guid_is_nil(vdi->parent_modify_uuid) &&
	    memcmp(vdi->parent_modify_uuid, below->modify_uuid, GUID_SIZE) != 0)
		return error_set(
			e, -EINVAL,
			"%s holds changes to %s, which was written to since; together they would show a damaged "
			"disk. Put an older copy of %s in its place.",
			disk->name, parent->name, parent->name);
	return 0;
}

/* ---- where bytes are ---- */

static int get_entry(const struct vdi *vdi, uint64_t block, uint32_t *ret_entry)
{
	uint8_t raw[4];
	int r = table_cache_read(vdi->tables, vdi->map + block * 4, raw, sizeof(raw));

	*ret_entry = le32_load(raw);
	return r;
}

static enum disk_extent_kind kind_of(const struct vdi *vdi, uint32_t entry)
{
	if (entry == BLOCK_FREE)
		return vdi->has_parent ? DISK_PARENT : DISK_ZERO;
	return entry == BLOCK_ZERO ? DISK_ZERO : DISK_DATA;
}

/* The block that is `ahead` blocks behind one with entry `first`: does it go on in the same way? */
static bool goes_on(const struct vdi *vdi, uint32_t first, uint32_t entry, uint32_t ahead)
{
	enum disk_extent_kind kind = kind_of(vdi, first);

	if (kind != DISK_DATA)
		return kind_of(vdi, entry) == kind;
	return vdi->extra == 0 && kind_of(vdi, entry) == kind && entry == (uint64_t)first + ahead;
}

/* Only for whole sectors of the file: what lies behind its end may be another's. */
static int cut_to_file(const struct vdi *vdi, struct disk_extent *extent, uint64_t place)
{
	uint64_t left = place < vdi->file.size ? vdi->file.size - place : 0;

	if (left < extent->length)
		extent->length = left / DISK_SECTOR * DISK_SECTOR;
	extent->fd = vdi->file.fd;
	extent->fd_offset = vdi->file.start + place;
	return extent->length ? 0 : -ENODATA;
}

static int vdi_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	const struct vdi *vdi = disk->private;
	uint64_t block = offset / vdi->block, within = offset % vdi->block, found = vdi->block - within;
	uint32_t entry;
	int r = get_entry(vdi, block, &entry);

	if (r < 0)
		return r;
	for (uint32_t i = 1; i < MAX_RUN && found < length && block + i < vdi->blocks; i++) {
		uint32_t next;

		if (get_entry(vdi, block + i, &next) < 0 || !goes_on(vdi, entry, next, i))
			break;
		found += vdi->block;
	}
	*ret_extent = (struct disk_extent){ .kind = kind_of(vdi, entry), .length = MIN(length, found) };
	if (ret_extent->kind != DISK_DATA)
		return 0;
	return cut_to_file(vdi, ret_extent,
	                   vdi->data + entry * ((uint64_t)vdi->block + vdi->extra) + vdi->extra + within);
}

const struct disk_format vdi_format = {
	.name = "vdi",
	.probe = vdi_probe,
	.open = vdi_open,
	.close = vdi_close,
	.map = vdi_map,
	.check_parent = vdi_check_parent,
};
