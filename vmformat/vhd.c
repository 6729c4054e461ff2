/* SPDX-License-Identifier: MIT */
/*
 * A VHD has its header at its end, the footer. A fixed one is the disk's content before that. A dynamic or
 * differencing one begins with a copy of the footer, and has a second header, a table of where blocks are (the
 * BAT), and blocks, each with a bitmap of its sectors before it. There are just these levels, so nothing can lead
 * in a circle. Numbers are big-endian and checked where they are used.
 */
#include "vmformat/vhd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/beside.h"
#include "vmformat/bytes.h"
#include "vmformat/foreign_text.h"
#include "vmformat/table_cache.h"

/* Chapter "Hard Disk Footer Format": byte offsets. */
enum {
	FOOTER_DATA_OFFSET = 16,
	FOOTER_VERSION = 12,
	FOOTER_CREATOR = 28,
	FOOTER_CURRENT_SIZE = 48,
	FOOTER_CYLINDERS = 56,
	FOOTER_HEADS = 58,
	FOOTER_SECTORS = 59,
	FOOTER_TYPE = 60,
	FOOTER_CHECKSUM = 64,
	FOOTER_UNIQUE_ID = 68,
	FOOTER_SIZE = 512,
	OLD_FOOTER_SIZE = 511, /* "Virtual PC before 2004": the last, reserved byte is missing */
};

/* Chapter "Dynamic Disk Header Format". */
enum {
	HEADER_TABLE_OFFSET = 16,
	HEADER_VERSION = 24,
	HEADER_MAX_ENTRIES = 28,
	HEADER_BLOCK_SIZE = 32,
	HEADER_CHECKSUM = 36,
	HEADER_PARENT_ID = 40,
	HEADER_PARENT_NAME = 64,
	HEADER_PARENT_NAME_SIZE = 512,
	HEADER_LOCATORS = 576,
	HEADER_SIZE = 1024,
};

enum { LOCATOR_PLATFORM = 0, LOCATOR_LENGTH = 8, LOCATOR_OFFSET = 16, LOCATOR_SIZE = 24, LOCATORS = 8 };

enum { TYPE_FIXED = 2, TYPE_DYNAMIC = 3, TYPE_DIFFERENCING = 4 };

#define MAJOR_VERSION 1u
#define UNUSED 0xffffffffu /* a block that the BAT knows no place for */

/*
 * Sectors are counted in 32 bits; only a fixed disk can be larger. VMware's largest has 62 TB, and no guest of
 * ours more.
 */
#define MAX_CAPACITY (64ull << 40)
/*
 * "The default block size is 2 MB"; Hyper-V has 512 KiB, too. Larger than the largest of VHDX no known writer
 * makes them.
 */
#define MIN_BLOCK 4096u
#define MAX_BLOCK (256u << 20)
/*
 * A path on Windows has up to 260 characters, with a prefix 32,767; nothing of ours opens one longer than
 * PATH_MAX.
 */
#define MAX_LOCATOR 8192u
/*
 * Pages of the BAT and bitmaps: 512 bytes hold the bitmap of 2 MiB, so 1 MiB of memory serves 4 GiB that are in
 * use at once.
 */
#define PAGES 2048u
#define MAX_RUN 256u /* blocks that map() answers for at once: half a gigabyte */
/* Entries that are read to find where a file without its footer should end: 2 TB in blocks of 2 MB, in a second. */
#define MAX_SCAN (1u << 20)

struct vhd {
	struct file file;
	struct table_cache *tables; /* NULL: fixed */
	uint64_t header, bat;       /* places in the file */
	uint32_t block, bitmap;     /* bytes of a block, and of the bitmap before it */
	uint32_t blocks;            /* that the capacity needs, all of which the BAT has */
	bool is_differencing;
	uint8_t unique_id[GUID_SIZE], parent_id[GUID_SIZE];
};

/* ---- the footer ---- */

/* "The ones' complement of the sum of all bytes without the checksum field." */
static bool checksum_is_right(const uint8_t *bytes, size_t length, size_t field)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += i >= field && i < field + 4 ? 0 : bytes[i];
	return be32_load(bytes + field) == ~sum;
}

enum footer_state { FOOTER_MISSING, FOOTER_DAMAGED, FOOTER_GOOD };

static enum footer_state read_footer(const struct file *file, uint64_t offset, size_t length,
                                     uint8_t ret_footer[FOOTER_SIZE])
{
	memset(ret_footer, 0, FOOTER_SIZE);
	if (file_read(file, offset, ret_footer, length) < 0 || memcmp(ret_footer, "conectix", 8) != 0)
		return FOOTER_MISSING;
	return checksum_is_right(ret_footer, FOOTER_SIZE, FOOTER_CHECKSUM) ? FOOTER_GOOD : FOOTER_DAMAGED;
}

/* *ret_end: where it begins, which is where a fixed disk ends. */
static enum footer_state read_end(const struct file *file, uint8_t ret_footer[FOOTER_SIZE], uint64_t *ret_end)
{
	static const size_t sizes[] = { FOOTER_SIZE, OLD_FOOTER_SIZE };
	enum footer_state state = FOOTER_MISSING;

	for (size_t i = 0; i < ARRAY_SIZE(sizes) && state == FOOTER_MISSING; i++)
		if (file->size >= sizes[i]) {
			*ret_end = file->size - sizes[i];
			state = read_footer(file, *ret_end, sizes[i], ret_footer);
		}
	return state;
}

bool vhd_is_fixed(const struct file *file)
{
	uint8_t footer[FOOTER_SIZE];
	uint64_t end;

	return read_end(file, footer, &end) == FOOTER_GOOD && be32_load(footer + FOOTER_TYPE) == TYPE_FIXED;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), end = strlen(suffix);

	return length > end && strcasecmp(name + length - end, suffix) == 0;
}

static bool vhd_probe(const struct file *file, const uint8_t *head, size_t head_length)
{
	uint8_t footer[FOOTER_SIZE];
	uint64_t end;

	if (head_length >= 8 && memcmp(head, "conectix", 8) == 0)
		return true;
	/* What is called .vhd and has no footer was cut: only the name can tell, and it must not be played as raw. */
	return read_end(file, footer, &end) != FOOTER_MISSING || has_suffix(file->name, ".vhd");
}

static int damaged(struct error *e, const char *name, const char *field, uint64_t value, const char *rule)
{
	return error_set(e, -EINVAL, "%s: %s is %llu, but must be %s. The file is damaged; download or copy it again.",
	                 name, field, (unsigned long long)value, rule);
}

/* The footer to go by. *ret_end: where that at the end begins; the file's size when it is missing there. */
static int find_footer(const struct file *file, uint8_t ret_footer[FOOTER_SIZE], uint64_t *ret_end, struct error *e)
{
	enum footer_state at_end = read_end(file, ret_footer, ret_end), copy;

	if (at_end == FOOTER_GOOD)
		return 0;
	*ret_end = file->size;
	copy = read_footer(file, 0, FOOTER_SIZE, ret_footer);
	/* A fixed disk has no copy: there, it is what a guest wrote. */
	if (copy == FOOTER_GOOD && be32_load(ret_footer + FOOTER_TYPE) != TYPE_FIXED)
		return 0;
	if (at_end == FOOTER_DAMAGED || copy == FOOTER_DAMAGED)
		return error_set(e, -EINVAL,
		                 "%s: the checksum of its footer is wrong%s. The file is damaged; download or copy it "
		                 "again.",
		                 file->name,
		                 at_end == FOOTER_DAMAGED && copy == FOOTER_DAMAGED ? ", and of its copy" : "");
	return disk_truncated(e, file->name, file->size, 0);
}

/* ---- how large the disk is ---- */

/*
 * These show a guest cylinders * heads * sectors, whatever the size says, unless the geometry is the largest there
 * is. All others (Virtual Server, Hyper-V, Disk2vhd, XenServer, VirtualBox, Azure; qemu-img with force_size,
 * "qem2") go by the size.
 */
static const char geometry_creators[][5] = { "vpc ", "qemu" };

#define MAX_CYLINDERS 65535u
#define MAX_HEADS 16u
#define MAX_SECTORS 255u

static uint64_t capacity_of(const uint8_t *footer)
{
	uint64_t cylinders = be16_load(footer + FOOTER_CYLINDERS);
	uint32_t heads = footer[FOOTER_HEADS], sectors = footer[FOOTER_SECTORS];
	uint64_t geometry = cylinders * heads * sectors;

	if (geometry && geometry != (uint64_t)MAX_CYLINDERS * MAX_HEADS * MAX_SECTORS)
		for (size_t i = 0; i < ARRAY_SIZE(geometry_creators); i++)
			if (memcmp(footer + FOOTER_CREATOR, geometry_creators[i], 4) == 0)
				return geometry * DISK_SECTOR;
	return be64_load(footer + FOOTER_CURRENT_SIZE);
}

static int take_footer(struct disk *disk, struct vhd *vhd, const uint8_t *footer, struct error *e)
{
	uint32_t version = be32_load(footer + FOOTER_VERSION);

	if (version >> 16 != MAJOR_VERSION)
		return error_set(e, -ENOTSUP, "%s has version %u.%u of the VHD format; Vitrine knows 1.0", disk->name,
		                 version >> 16, version & 0xffff);
	disk->capacity = capacity_of(footer);
	if (disk->capacity == 0 || disk->capacity > MAX_CAPACITY || disk->capacity % DISK_SECTOR)
		return damaged(e, disk->name, "the disk's size", disk->capacity, "whole sectors, 512 bytes to 64 TiB");
	memcpy(vhd->unique_id, footer + FOOTER_UNIQUE_ID, sizeof(vhd->unique_id));
	return 0;
}

static int check_fixed(struct disk *disk, const struct file *file, const uint8_t *footer, uint64_t end, struct error *e)
{
	/* A geometry beyond the file is a rounded one. */
	if (disk->capacity > end)
		disk->capacity = be64_load(footer + FOOTER_CURRENT_SIZE);
	if (disk->capacity > end)
		return disk_truncated(e, disk->name, file->size, disk->capacity + FOOTER_SIZE);
	if (disk->capacity == 0 || disk->capacity % DISK_SECTOR)
		return damaged(e, disk->name, "the disk's size", disk->capacity, "whole sectors");
	return 0;
}

/* ---- the second header ---- */

static int read_header(struct vhd *vhd, const struct file *file, uint8_t header[HEADER_SIZE], struct error *e)
{
	uint32_t version;
	int r = file_read(file, vhd->header, header, HEADER_SIZE);

	if (r == -ENODATA && vhd->header < MAX_BLOCK)
		return disk_truncated(e, file->name, file->size, vhd->header + HEADER_SIZE);
	if (r == -ENODATA)
		return damaged(e, file->name, "the place of its second header", vhd->header, "in the file");
	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", file->name, strerror(-r));
	if (memcmp(header, "cxsparse", 8) != 0 || !checksum_is_right(header, HEADER_SIZE, HEADER_CHECKSUM))
		return error_set(e, -EINVAL,
		                 "%s: its second header (\"cxsparse\") is damaged; download or copy the file again.",
		                 file->name);
	version = be32_load(header + HEADER_VERSION);
	if (version >> 16 != MAJOR_VERSION)
		return error_set(e, -ENOTSUP, "%s has version %u.%u of the dynamic VHD header; Vitrine knows 1.0",
		                 file->name, version >> 16, version & 0xffff);
	return 0;
}

static int take_header(struct disk *disk, struct vhd *vhd, const uint8_t *header, const struct file *file,
                       struct error *e)
{
	uint64_t blocks, entries = be32_load(header + HEADER_MAX_ENTRIES);

	vhd->bat = be64_load(header + HEADER_TABLE_OFFSET);
	vhd->block = be32_load(header + HEADER_BLOCK_SIZE);
	if (!is_power_of_two(vhd->block) || vhd->block < MIN_BLOCK || vhd->block > MAX_BLOCK)
		return damaged(e, disk->name, "the block size", vhd->block, "a power of two from 4 KiB to 256 MiB");
	/* "Padded to a 512-byte sector boundary." */
	vhd->bitmap = (vhd->block / DISK_SECTOR / 8 + DISK_SECTOR - 1) / DISK_SECTOR * DISK_SECTOR;
	blocks = (disk->capacity + vhd->block - 1) / vhd->block;
	if (blocks > entries)
		return damaged(e, disk->name, "the number of entries in its table", entries, "as many as blocks");
	vhd->blocks = (uint32_t)blocks;
	if (!range_within(vhd->bat, blocks * 4, file->size))
		return vhd->bat < MAX_BLOCK ? disk_truncated(e, disk->name, file->size, vhd->bat + blocks * 4)
		                            : damaged(e, disk->name, "the place of its table", vhd->bat, "in the file");
	if (ranges_overlap(vhd->bat, blocks * 4, vhd->header, HEADER_SIZE) || vhd->bat < FOOTER_SIZE)
		return damaged(e, disk->name, "the place of its table", vhd->bat, "behind its headers");
	memcpy(vhd->parent_id, header + HEADER_PARENT_ID, sizeof(vhd->parent_id));
	return 0;
}

/* ---- the parent's names ---- */

enum name_kind { NAME_UTF_16, NAME_URL };

/* In the order in which they are tried: a relative one leads beside the disk, where the user put it. */
static const struct {
	char platform[5];
	enum name_kind kind;
} locators[] = { { "W2ru", NAME_UTF_16 }, { "W2ku", NAME_UTF_16 }, { "MacX", NAME_URL } };

static int add_name(struct disk *disk, const uint8_t *bytes, size_t length, enum name_kind kind, bool big_endian)
{
	char *name = kind == NAME_URL ? strndup((const char *)bytes, length) : utf16_decode(bytes, length, big_endian);
	int r;

	if (!name)
		return -ENOMEM;
	if (kind == NAME_URL)
		url_decode(name);
	r = foreign_parent(disk, kind == NAME_URL ? beside_base_name(name) : name);
	free(name);
	return r;
}

/* A locator that leads nowhere is none: there are others. */
static int add_locator(struct disk *disk, const uint8_t *locator, enum name_kind kind, const struct file *file)
{
	uint32_t length = be32_load(locator + LOCATOR_LENGTH);
	uint8_t bytes[MAX_LOCATOR];

	if (length > sizeof(bytes) || file_read(file, be64_load(locator + LOCATOR_OFFSET), bytes, length) < 0)
		return 0;
	return add_name(disk, bytes, length, kind, false);
}

static int take_names(struct disk *disk, const uint8_t *header, const struct file *file, struct error *e)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(locators); i++)
		for (unsigned j = 0; j < LOCATORS && r == 0; j++) {
			const uint8_t *locator = header + HEADER_LOCATORS + j * LOCATOR_SIZE;

			if (memcmp(locator + LOCATOR_PLATFORM, locators[i].platform, 4) == 0)
				r = add_locator(disk, locator, locators[i].kind, file);
		}
	if (r == 0)
		r = add_name(disk, header + HEADER_PARENT_NAME, HEADER_PARENT_NAME_SIZE, NAME_UTF_16, true);
	if (r < 0)
		return error_set(e, r, "%s: not enough memory", disk->name);
	if (!disk->parent_names[0])
		return error_set(e, -EINVAL,
		                 "%s holds only changes to another disk, but does not name it. The file is damaged; "
		                 "download or copy it again.",
		                 disk->name);
	disk->parent_format = "vhd";
	return 0;
}

static int vhd_check_parent(const struct disk *disk, const struct disk *parent, struct error *e)
{
	const struct vhd *vhd = disk->private, *below = parent->private;

	if (memcmp(vhd->parent_id, below->unique_id, sizeof(vhd->parent_id)) == 0)
		return 0;
	return error_set(e, -EINVAL,
	                 "%s holds changes to another disk than %s, though it has that name: their unique ids differ. "
	                 "Put the disk that it was made on in its place.",
	                 disk->name, parent->name);
}

/* ---- blocks ---- */

static int read_from_file(const void *context, uint64_t offset, void *buffer, size_t length)
{
	return file_read(context, offset, buffer, length);
}

static int get_entry(const struct vhd *vhd, uint64_t block, uint32_t *ret_entry)
{
	uint8_t raw[4];
	int r = table_cache_read(vhd->tables, vhd->bat + block * 4, raw, sizeof(raw));

	*ret_entry = be32_load(raw);
	return r;
}

/* A block over a header or the table is a lie. */
static bool is_misplaced(const struct vhd *vhd, uint64_t place)
{
	uint64_t length = (uint64_t)vhd->bitmap + vhd->block;

	return ranges_overlap(place, length, 0, FOOTER_SIZE) ||
	       ranges_overlap(place, length, vhd->header, HEADER_SIZE) ||
	       ranges_overlap(place, length, vhd->bat, (uint64_t)vhd->blocks * 4);
}

static enum disk_extent_kind absent(const struct vhd *vhd)
{
	return vhd->is_differencing ? DISK_PARENT : DISK_ZERO;
}

/* How many sectors from `sector` of a block on have bits as the first of them; *ret_bit is that. At most `wanted`. */
static int measure_run(const struct vhd *vhd, uint64_t place, uint32_t sector, uint32_t wanted, bool *ret_bit,
                       uint32_t *ret_count)
{
	uint8_t bits[DISK_SECTOR]; /* all of the usual block; a larger one is answered for in parts */
	uint32_t first = sector / 8, bytes = (uint32_t)MIN(sizeof(bits), vhd->bitmap - first), count = 0;
	int r;

	bytes = (uint32_t)MIN(bytes, (sector % 8 + wanted + 7) / 8);
	r = table_cache_read(vhd->tables, place + first, bits, bytes);
	if (r < 0)
		return r;
	for (uint32_t i = sector % 8; i / 8 < bytes && count < wanted; i++, count++) {
		bool bit = bits[i / 8] & 0x80 >> i % 8;

		if (count == 0)
			*ret_bit = bit;
		else if (bit != *ret_bit)
			break;
	}
	*ret_count = count;
	return 0;
}

/* Only for whole sectors of the file: what lies behind its end may be another's. */
static int cut_to_file(const struct vhd *vhd, struct disk_extent *extent, uint64_t place)
{
	uint64_t left = place < vhd->file.size ? vhd->file.size - place : 0;

	if (left < extent->length)
		extent->length = left / DISK_SECTOR * DISK_SECTOR;
	extent->fd = vhd->file.fd;
	extent->fd_offset = vhd->file.start + place;
	return extent->length ? 0 : -ENODATA;
}

static int map_block(const struct vhd *vhd, uint64_t place, uint64_t within, uint64_t length,
                     struct disk_extent *ret_extent)
{
	uint64_t wanted = MIN(length, vhd->block - within);
	uint32_t count;
	bool bit;
	int r;

	if (is_misplaced(vhd, place))
		return -EIO;
	r = measure_run(vhd, place, (uint32_t)(within / DISK_SECTOR),
	                (uint32_t)((within % DISK_SECTOR + wanted + DISK_SECTOR - 1) / DISK_SECTOR), &bit, &count);
	if (r < 0)
		return r;
	*ret_extent = (struct disk_extent){
		.kind = bit ? DISK_DATA : absent(vhd),
		.length = MIN(wanted, (uint64_t)count * DISK_SECTOR - within % DISK_SECTOR),
	};
	return bit ? cut_to_file(vhd, ret_extent, place + vhd->bitmap + within) : 0;
}

/* The blocks from `block` on that are nowhere in the file. */
static void map_absent(const struct vhd *vhd, uint64_t block, uint64_t within, uint64_t length,
                       struct disk_extent *ret_extent)
{
	uint64_t found = vhd->block - within;

	for (unsigned i = 1; i < MAX_RUN && found < length && block + i < vhd->blocks; i++) {
		uint32_t entry;

		if (get_entry(vhd, block + i, &entry) < 0 || entry != UNUSED)
			break;
		found += vhd->block;
	}
	*ret_extent = (struct disk_extent){ .kind = absent(vhd), .length = MIN(length, found) };
}

static int vhd_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	const struct vhd *vhd = disk->private;
	uint32_t entry;
	int r;

	if (!vhd->tables) {
		*ret_extent = (struct disk_extent){ .kind = DISK_DATA, .length = length };
		return cut_to_file(vhd, ret_extent, offset);
	}
	r = get_entry(vhd, offset / vhd->block, &entry);
	if (r < 0)
		return r;
	if (entry != UNUSED)
		return map_block(vhd, (uint64_t)entry * DISK_SECTOR, offset % vhd->block, length, ret_extent);
	map_absent(vhd, offset / vhd->block, offset % vhd->block, length, ret_extent);
	return 0;
}

/* ---- opening ---- */

/*
 * A file without its footer was cut, or its writer was: a program that lets the file grow writes blocks over the
 * footer, and then a new one. The table knows; it is read only in this case.
 */
static int check_end(const struct vhd *vhd, const struct file *file, struct error *e)
{
	uint64_t stored = (uint64_t)vhd->bitmap + vhd->block, needed = 0;
	/* Further no block can lie if they lie one after the other: what leads there is damaged, not cut. */
	uint64_t limit = vhd->bat + vhd->blocks * (stored + 4) + MAX_BLOCK;

	for (uint64_t i = 0; i < MIN(vhd->blocks, MAX_SCAN); i++) {
		uint64_t end;
		uint32_t entry;

		if (get_entry(vhd, i, &entry) < 0 || entry == UNUSED)
			continue;
		end = (uint64_t)entry * DISK_SECTOR + stored;
		if (end <= limit)
			needed = MAX(needed, end);
	}
	return needed > file->size ? disk_truncated(e, file->name, file->size, needed + FOOTER_SIZE) : 0;
}

static int open_dynamic(struct disk *disk, struct vhd *vhd, const struct file *file, const uint8_t *footer,
                        struct error *e)
{
	uint8_t header[HEADER_SIZE];
	int r;

	vhd->header = be64_load(footer + FOOTER_DATA_OFFSET);
	r = read_header(vhd, file, header, e);
	if (r == 0)
		r = take_header(disk, vhd, header, file, e);
	if (r == 0 && vhd->is_differencing)
		r = take_names(disk, header, file, e);
	if (r < 0)
		return r;
	vhd->tables = table_cache_new(DISK_SECTOR, PAGES, read_from_file, &vhd->file, file->size);
	return vhd->tables ? 0 : error_set(e, -ENOMEM, "%s: not enough memory", file->name);
}

static int open_type(struct disk *disk, struct vhd *vhd, const struct file *file, const uint8_t *footer, uint64_t end,
                     struct error *e)
{
	uint32_t type = be32_load(footer + FOOTER_TYPE);

	switch (type) {
	case TYPE_FIXED:
		return check_fixed(disk, file, footer, end, e);
	case TYPE_DIFFERENCING:
	case TYPE_DYNAMIC:
		vhd->is_differencing = type == TYPE_DIFFERENCING;
		return open_dynamic(disk, vhd, file, footer, e);
	default:
		return damaged(e, disk->name, "the disk's type", type, "2 (fixed), 3 (dynamic) or 4 (differencing)");
	}
}

static int vhd_open(struct disk *disk, struct file *file, const struct files *files, struct error *e)
{
	struct vhd *vhd = disk->private = calloc(1, sizeof(*vhd));
	uint8_t footer[FOOTER_SIZE];
	uint64_t end;
	int r;

	(void)files;
	if (!vhd)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	vhd->file = FILE_CLOSED;
	r = find_footer(file, footer, &end, e);
	if (r == 0)
		r = take_footer(disk, vhd, footer, e);
	if (r == 0)
		r = open_type(disk, vhd, file, footer, end, e);
	if (r < 0)
		return r;
	vhd->file = *file;
	if (end == file->size)
		r = check_end(vhd, file, e);
	if (r < 0) {
		vhd->file = FILE_CLOSED; /* still the caller's */
		return r;
	}
	*file = FILE_CLOSED;
	return 0;
}

static void vhd_close(struct disk *disk)
{
	struct vhd *vhd = disk->private;

	if (!vhd)
		return;
	table_cache_free(vhd->tables);
	file_close(&vhd->file);
	free(vhd);
}

const struct disk_format vhd_format = {
	.name = "vhd",
	.probe = vhd_probe,
	.open = vhd_open,
	.close = vhd_close,
	.map = vhd_map,
	.check_parent = vhd_check_parent,
};
