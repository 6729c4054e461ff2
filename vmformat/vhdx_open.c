/* SPDX-License-Identifier: MIT */
/* Opening a VHDX: headers, regions, metadata, and which disk it lies over. */
#include "vmformat/vhdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"

/* Section 2.2, Header Section. */
enum {
	HEADER_1 = 64 << 10,
	HEADER_2 = 128 << 10,
	REGION_TABLE_1 = 192 << 10,
	REGION_TABLE_2 = 256 << 10,
};

/* Section 2.2.2, Headers. */
enum {
	HEADER_CHECKSUM = 4,
	HEADER_SEQUENCE = 8,
	HEADER_DATA_WRITE_GUID = 32,
	HEADER_LOG_GUID = 48,
	HEADER_LOG_VERSION = 64,
	HEADER_VERSION = 66,
	HEADER_LOG_LENGTH = 68,
	HEADER_LOG_OFFSET = 72,
	HEADER_SIZE = 4096,
};

/* Section 2.2.3, Region Table; section 2.6.1, Metadata Table. */
enum {
	TABLE_SIZE = 64 << 10,
	TABLE_ENTRY_SIZE = 32,
	TABLE_MAX_ENTRIES = 2047,
	REGION_CHECKSUM = 4,
	REGION_COUNT = 8,
	REGION_ENTRIES = 16,
	REGION_OFFSET = 16,
	REGION_LENGTH = 24,
	REGION_REQUIRED = 28,
	METADATA_COUNT = 10,
	METADATA_ENTRIES = 32,
	METADATA_OFFSET = 16,
	METADATA_LENGTH = 20,
	METADATA_FLAGS = 24,
	METADATA_IS_USER = 1,
	METADATA_IS_REQUIRED = 4,
	METADATA_MAX_ITEM = 1 << 20,
};

enum { FILE_PARAMETERS_HAS_PARENT = 2 };

/* Section 2.6.2.6, Parent Locator. */
enum {
	LOCATOR_COUNT = 18,
	LOCATOR_HEADER = 20,
	LOCATOR_KEY = 0,
	LOCATOR_VALUE = 4,
	LOCATOR_KEY_LENGTH = 8,
	LOCATOR_VALUE_LENGTH = 10,
	LOCATOR_ENTRY = 12,
};

#define MIN_BLOCK (1u << 20) /* section 2.6.2.1 */
#define MAX_BLOCK (256u << 20)

#define GUID(a, b, c, ...)                                                                                            \
	{                                                                                                             \
		(a) & 0xff, (a) >> 8 & 0xff, (a) >> 16 & 0xff, (a) >> 24 & 0xff, (b)&0xff, (b) >> 8 & 0xff, (c)&0xff, \
			(c) >> 8 & 0xff, __VA_ARGS__                                                                  \
	}

static int damaged(struct error *e, const char *name, const char *field, uint64_t value, const char *rule)
{
	return error_set(e, -EINVAL, "%s: %s is %llu, but must be %s. The file is damaged; download or copy it again.",
	                 name, field, (unsigned long long)value, rule);
}

static int unreadable(struct error *e, const struct vhdx *vhdx, int code)
{
	return error_set(e, code, "%s cannot be read: %s", vhdx->file.name, strerror(-code));
}

/* ---- headers and log ---- */

/* False: it is damaged or not in the file. */
static bool read_header(const struct file *file, uint64_t offset, uint8_t header[HEADER_SIZE])
{
	return file_read(file, offset, header, HEADER_SIZE) == 0 && memcmp(header, "head", 4) == 0 &&
	       le32_load(header + HEADER_CHECKSUM) == vhdx_crc32c(header, HEADER_SIZE, HEADER_CHECKSUM);
}

/* Section 2.2.2: the sound one with the higher number is current; while it is written, the other one is whole. */
static int find_header(const struct file *file, uint8_t ret_header[HEADER_SIZE], struct error *e)
{
	uint8_t other[HEADER_SIZE];
	bool first = read_header(file, HEADER_1, ret_header), second = read_header(file, HEADER_2, other);

	if (!first && !second)
		return file->size < VHDX_HEADER_SECTION
		               ? disk_truncated(e, file->name, file->size, 0)
		               : error_set(e, -EINVAL,
		                           "%s: both of its headers are damaged; download or copy the file again.",
		                           file->name);
	if (second && (!first || le64_load(other + HEADER_SEQUENCE) > le64_load(ret_header + HEADER_SEQUENCE)))
		memcpy(ret_header, other, HEADER_SIZE);
	return 0;
}

static int take_log(struct vhdx *vhdx, const uint8_t *header, struct error *e)
{
	const char *name = vhdx->file.name;
	uint64_t offset = le64_load(header + HEADER_LOG_OFFSET);
	uint32_t length = le32_load(header + HEADER_LOG_LENGTH), version = le16_load(header + HEADER_LOG_VERSION);
	int r;

	if (offset % VHDX_UNIT || length % VHDX_UNIT || (length && offset < VHDX_HEADER_SECTION))
		return damaged(e, name, "the place of its log", offset, "whole MiB behind the headers");
	vhdx->log_range = (struct vhdx_range){ offset, length };
	vhdx->end = vhdx->file.size;
	if (guid_is_nil(header + HEADER_LOG_GUID))
		return 0;
	if (version != 0)
		return error_set(
			e, -ENOTSUP,
			"%s was not closed by its writer, and its log of changes has version %u; Vitrine knows 0. "
			"Attach it in Hyper-V once, which empties the log.",
			name, version);
	if (length == 0)
		return damaged(e, name, "the size of its log", length, "at least 1 MiB, for it is in use");
	if (!range_within(offset, length, vhdx->file.size))
		return offset < VHDX_MAX_CAPACITY ? disk_truncated(e, name, vhdx->file.size, offset + length)
		                                  : damaged(e, name, "the place of its log", offset, "in the file");
	r = vhdx_log_open(&vhdx->file, header + HEADER_LOG_GUID, offset, length, &vhdx->log, e);
	if (r == 0)
		vhdx->end = vhdx_log_file_end(vhdx->log);
	return r;
}

static int take_headers(struct vhdx *vhdx, struct error *e)
{
	uint8_t header[HEADER_SIZE];
	uint32_t version;
	int r = find_header(&vhdx->file, header, e);

	if (r < 0)
		return r;
	version = le16_load(header + HEADER_VERSION);
	if (version != 1)
		return error_set(e, -ENOTSUP, "%s has version %u of the VHDX format; Vitrine knows 1", vhdx->file.name,
		                 version);
	memcpy(vhdx->data_write_guid, header + HEADER_DATA_WRITE_GUID, GUID_SIZE);
	return take_log(vhdx, header, e);
}

/* ---- regions ---- */

static bool read_region_table(const struct vhdx *vhdx, uint64_t offset, uint8_t table[TABLE_SIZE])
{
	return vhdx_read(vhdx, offset, table, TABLE_SIZE) == 0 && memcmp(table, "regi", 4) == 0 &&
	       le32_load(table + REGION_CHECKSUM) == vhdx_crc32c(table, TABLE_SIZE, REGION_CHECKSUM) &&
	       le32_load(table + REGION_COUNT) <= TABLE_MAX_ENTRIES;
}

/* NULL: not one of ours. */
static struct vhdx_range *known_region(struct vhdx *vhdx, const uint8_t *guid)
{
	static const uint8_t bat[] =
		GUID(0x2dc27766u, 0xf623u, 0x4200u, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08);
	static const uint8_t metadata[] =
		GUID(0x8b7ca206u, 0x4790u, 0x4b9au, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e);

	return !memcmp(guid, bat, GUID_SIZE) ? &vhdx->bat : !memcmp(guid, metadata, GUID_SIZE) ? &vhdx->metadata : NULL;
}

static int take_region(struct vhdx *vhdx, const uint8_t *entry, struct error *e)
{
	struct vhdx_range *range = known_region(vhdx, entry), found;
	const char *name = vhdx->file.name;
	char guid[GUID_TEXT_SIZE];

	found = (struct vhdx_range){ le64_load(entry + REGION_OFFSET), le32_load(entry + REGION_LENGTH) };
	if (!range && !(le32_load(entry + REGION_REQUIRED) & 1))
		return 0;
	if (!range) {
		guid_format(entry, guid);
		return error_set(e, -ENOTSUP,
		                 "%s needs a part of the VHDX format that Vitrine does not know (region %s)", name,
		                 guid);
	}
	if (found.offset < VHDX_HEADER_SECTION || found.offset % VHDX_UNIT || !found.length || found.length % VHDX_UNIT)
		return damaged(e, name, "the place of a region", found.offset, "whole MiB behind the headers");
	if (range->length)
		return damaged(e, name, "the place of a second region of a kind", found.offset, "that of the first");
	if (!range_within(found.offset, found.length, vhdx->end))
		return found.offset < VHDX_MAX_CAPACITY
		               ? disk_truncated(e, name, vhdx->file.size, found.offset + found.length)
		               : damaged(e, name, "the place of a region", found.offset, "in the file");
	*range = found;
	return 0;
}

static int take_regions(struct vhdx *vhdx, const uint8_t *table, struct error *e)
{
	uint32_t count = le32_load(table + REGION_COUNT);
	int r = 0;

	for (uint32_t i = 0; i < count && r == 0; i++)
		r = take_region(vhdx, table + REGION_ENTRIES + i * TABLE_ENTRY_SIZE, e);
	if (r < 0)
		return r;
	if (!vhdx->bat.length || !vhdx->metadata.length)
		return error_set(e, -EINVAL, "%s lacks its %s. The file is damaged; download or copy it again.",
		                 vhdx->file.name, vhdx->bat.length ? "metadata" : "table of blocks");
	if (vhdx_overlap(&vhdx->bat, &vhdx->metadata) || vhdx_overlap(&vhdx->bat, &vhdx->log_range) ||
	    vhdx_overlap(&vhdx->metadata, &vhdx->log_range))
		return error_set(
			e, -EINVAL,
			"%s: its log, table of blocks and metadata overlap. The file is damaged; download or copy it "
			"again.",
			vhdx->file.name);
	return 0;
}

/* ---- metadata ---- */

enum item { FILE_PARAMETERS, DISK_SIZE, LOGICAL_SECTOR, PHYSICAL_SECTOR, PAGE_83, PARENT_LOCATOR, ITEMS };

/* Section 2.6.2. Lengths are the least that an item must have. */
static const struct {
	uint8_t guid[GUID_SIZE];
	const char *name;
	uint32_t length;
} items[ITEMS] = {
	[FILE_PARAMETERS] = { GUID(0xcaa16737u, 0xfa36u, 0x4d43u, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b),
	                      "file parameters", 8 },
	[DISK_SIZE] = { GUID(0x2fa54224u, 0xcd1bu, 0x4876u, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8),
	                "virtual disk size", 8 },
	[LOGICAL_SECTOR] = { GUID(0x8141bf1du, 0xa96fu, 0x4709u, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f),
	                     "logical sector size", 4 },
	[PHYSICAL_SECTOR] = { GUID(0xcda348c7u, 0x445du, 0x4471u, 0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56),
	                      "physical sector size", 4 },
	[PAGE_83] = { GUID(0xbeca12abu, 0xb2e6u, 0x4523u, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46),
	              "virtual disk id", 16 },
	[PARENT_LOCATOR] = { GUID(0xa8d35f2du, 0xb30bu, 0x454du, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c),
	                     "parent locator", LOCATOR_HEADER },
};

static int find_item(const uint8_t *guid)
{
	for (int i = 0; i < ITEMS; i++)
		if (memcmp(items[i].guid, guid, GUID_SIZE) == 0)
			return i;
	return -ENOENT;
}

static int take_item(const struct vhdx *vhdx, const uint8_t *entry, struct vhdx_range ret_items[ITEMS], struct error *e)
{
	uint32_t flags = le32_load(entry + METADATA_FLAGS), length = le32_load(entry + METADATA_LENGTH);
	uint64_t offset = le32_load(entry + METADATA_OFFSET);
	int item = flags & METADATA_IS_USER ? -ENOENT : find_item(entry);
	char guid[GUID_TEXT_SIZE];

	guid_format(entry, guid);
	if (item < 0 && flags & METADATA_IS_REQUIRED)
		return error_set(e, -ENOTSUP,
		                 "%s needs a part of the VHDX format that Vitrine does not know (metadata %s)",
		                 vhdx->file.name, guid);
	if (item < 0)
		return 0;
	if (offset < TABLE_SIZE || length < items[item].length || length > METADATA_MAX_ITEM ||
	    !range_within(offset, length, vhdx->metadata.length))
		return error_set(
			e, -EINVAL,
			"%s: its %s has %u bytes at %llu of the metadata, which cannot be. The file is damaged; "
			"download or copy it again.",
			vhdx->file.name, items[item].name, length, (unsigned long long)offset);
	ret_items[item] = (struct vhdx_range){ vhdx->metadata.offset + offset, length };
	return 0;
}

static int take_metadata_table(const struct vhdx *vhdx, const uint8_t *table, struct vhdx_range ret_items[ITEMS],
                               struct error *e)
{
	uint32_t count = le16_load(table + METADATA_COUNT);
	int r = 0;

	if (memcmp(table, "metadata", 8) != 0 || count > TABLE_MAX_ENTRIES)
		return error_set(e, -EINVAL, "%s: its table of metadata is damaged; download or copy the file again.",
		                 vhdx->file.name);
	for (uint32_t i = 0; i < count && r == 0; i++)
		r = take_item(vhdx, table + METADATA_ENTRIES + i * TABLE_ENTRY_SIZE, ret_items, e);
	for (int i = 0; i < PHYSICAL_SECTOR && r == 0; i++)
		if (!ret_items[i].length)
			r = error_set(e, -EINVAL,
			              "%s: its metadata lacks the %s. The file is damaged; download or copy it again.",
			              vhdx->file.name, items[i].name);
	return r;
}

static int check_sizes(struct disk *disk, struct vhdx *vhdx, uint32_t sector, struct error *e)
{
	uint64_t bitmaps, entries;

	if (sector == 4096)
		return error_set(
			e, -ENOTSUP,
			"%s is a disk with sectors of 4,096 bytes; the drives of Vitrine have 512, with which its "
			"guest would not find its partitions. Its files must be copied to a disk that has 512.",
			disk->name);
	if (sector != DISK_SECTOR)
		return damaged(e, disk->name, "the logical sector size", sector, "512 or 4096");
	if (!is_power_of_two(vhdx->block) || vhdx->block < MIN_BLOCK || vhdx->block > MAX_BLOCK)
		return damaged(e, disk->name, "the block size", vhdx->block, "a power of two from 1 to 256 MiB");
	if (disk->capacity == 0 || disk->capacity > VHDX_MAX_CAPACITY || disk->capacity % DISK_SECTOR)
		return damaged(e, disk->name, "the disk's size", disk->capacity, "whole sectors, 512 bytes to 64 TiB");
	vhdx->blocks = (disk->capacity + vhdx->block - 1) / vhdx->block;
	vhdx->chunk = (uint32_t)((uint64_t)VHDX_SECTORS_PER_BITMAP * DISK_SECTOR / vhdx->block);
	bitmaps = (vhdx->blocks - 1) / vhdx->chunk;
	entries = vhdx->has_parent ? (bitmaps + 1) * ((uint64_t)vhdx->chunk + 1) : vhdx->blocks + bitmaps;
	if (entries * 8 > vhdx->bat.length)
		return damaged(e, disk->name, "the size of its table of blocks", vhdx->bat.length,
		               "enough for the disk");
	return 0;
}

static int take_sizes(struct disk *disk, struct vhdx *vhdx, const struct vhdx_range *found, struct error *e)
{
	uint8_t parameters[8], size[8], sector[4];
	int r = vhdx_read(vhdx, found[FILE_PARAMETERS].offset, parameters, sizeof(parameters));

	if (r == 0)
		r = vhdx_read(vhdx, found[DISK_SIZE].offset, size, sizeof(size));
	if (r == 0)
		r = vhdx_read(vhdx, found[LOGICAL_SECTOR].offset, sector, sizeof(sector));
	if (r < 0)
		return unreadable(e, vhdx, r);
	vhdx->block = le32_load(parameters);
	vhdx->has_parent = le32_load(parameters + 4) & FILE_PARAMETERS_HAS_PARENT;
	disk->capacity = le64_load(size);
	return check_sizes(disk, vhdx, le32_load(sector), e);
}

/* ---- the parent ---- */

enum parent_key { RELATIVE_PATH, ABSOLUTE_PATH, VOLUME_PATH, LINKAGE, LINKAGE_2, PARENT_KEYS };

/* Paths in the order in which they are tried. */
static const char *const parent_keys[PARENT_KEYS] = {
	[RELATIVE_PATH] = "relative_path", [ABSOLUTE_PATH] = "absolute_win32_path", [VOLUME_PATH] = "volume_path",
	[LINKAGE] = "parent_linkage",      [LINKAGE_2] = "parent_linkage2",
};

static bool is_key(const uint8_t *bytes, size_t length, const char *key)
{
	if (length != 2 * strlen(key))
		return false;
	for (size_t i = 0; key[i]; i++)
		if (le16_load(bytes + 2 * i) != (uint8_t)key[i])
			return false;
	return true;
}

static int take_value(struct disk *disk, struct vhdx *vhdx, enum parent_key key, const uint8_t *bytes, size_t length)
{
	char *text = utf16_decode(bytes, length, false);
	int r = 0;

	if (!text)
		return -ENOMEM;
	if (key < LINKAGE)
		r = foreign_parent(disk, text);
	else if (strlen(text) < sizeof(vhdx->linkage[0]))
		strcpy(vhdx->linkage[key - LINKAGE], text);
	free(text);
	return r;
}

/* The first pair with this key; a locator has few, so it is gone through once for each. */
static int take_key(struct disk *disk, struct vhdx *vhdx, enum parent_key key, const uint8_t *locator, size_t length)
{
	uint32_t count = le16_load(locator + LOCATOR_COUNT);

	for (uint32_t i = 0; i < count && LOCATOR_HEADER + (i + 1) * LOCATOR_ENTRY <= length; i++) {
		const uint8_t *pair = locator + LOCATOR_HEADER + i * LOCATOR_ENTRY;
		uint32_t at = le32_load(pair + LOCATOR_KEY), value = le32_load(pair + LOCATOR_VALUE);
		uint32_t key_length = le16_load(pair + LOCATOR_KEY_LENGTH);
		uint32_t value_length = le16_load(pair + LOCATOR_VALUE_LENGTH);

		if (range_within(at, key_length, length) && range_within(value, value_length, length) &&
		    is_key(locator + at, key_length, parent_keys[key]))
			return take_value(disk, vhdx, key, locator + value, value_length);
	}
	return 0;
}

static int take_locator(struct disk *disk, struct vhdx *vhdx, const uint8_t *locator, size_t length, struct error *e)
{
	static const uint8_t type[] =
		GUID(0xb04aefb7u, 0xd19eu, 0x4a81u, 0xb7, 0x89, 0x25, 0xb8, 0xe9, 0x44, 0x59, 0x13);
	int r = 0;

	if (memcmp(locator, type, GUID_SIZE) != 0)
		return error_set(e, -ENOTSUP, "%s lies over another disk that is no VHDX, which Vitrine does not know",
		                 disk->name);
	for (enum parent_key key = 0; key < PARENT_KEYS && r == 0; key++)
		r = take_key(disk, vhdx, key, locator, length);
	if (r < 0)
		return error_set(e, r, "%s: not enough memory", disk->name);
	if (!disk->parent_names[0] || !vhdx->linkage[0][0])
		return error_set(
			e, -EINVAL,
			"%s holds only changes to another disk, but does not say to which. The file is damaged; "
			"download or copy it again.",
			disk->name);
	disk->parent_format = "vhdx";
	return 0;
}

static int read_locator(struct disk *disk, struct vhdx *vhdx, const struct vhdx_range *item, struct error *e)
{
	uint8_t *locator;
	int r;

	if (!item->length)
		return error_set(
			e, -EINVAL,
			"%s holds only changes to another disk, but its metadata lacks the parent locator. The file "
			"is damaged; download or copy it again.",
			disk->name);
	locator = malloc((size_t)item->length);
	if (!locator)
		return error_set(e, -ENOMEM, "%s: not enough memory", disk->name);
	r = vhdx_read(vhdx, item->offset, locator, (size_t)item->length);
	r = r < 0 ? unreadable(e, vhdx, r) : take_locator(disk, vhdx, locator, (size_t)item->length, e);
	free(locator);
	return r;
}

/* ---- all of it ---- */

/* table is room for one. */
static int take_tables(struct disk *disk, struct vhdx *vhdx, uint8_t *table, struct error *e)
{
	struct vhdx_range found[ITEMS] = { 0 };
	int r;

	if (!read_region_table(vhdx, REGION_TABLE_1, table) && !read_region_table(vhdx, REGION_TABLE_2, table))
		return vhdx->file.size < VHDX_HEADER_SECTION ? disk_truncated(e, vhdx->file.name, vhdx->file.size, 0)
		                                             : error_set(e, -EINVAL,
		                                                         "%s: both copies of its region table are "
		                                                         "damaged; download or copy the file again.",
		                                                         vhdx->file.name);
	r = take_regions(vhdx, table, e);
	if (r < 0)
		return r;
	r = vhdx_read(vhdx, vhdx->metadata.offset, table, TABLE_SIZE);
	if (r < 0)
		return unreadable(e, vhdx, r);
	r = take_metadata_table(vhdx, table, found, e);
	if (r == 0)
		r = take_sizes(disk, vhdx, found, e);
	return r == 0 && vhdx->has_parent ? read_locator(disk, vhdx, &found[PARENT_LOCATOR], e) : r;
}

int vhdx_parse(struct disk *disk, struct vhdx *vhdx, struct error *e)
{
	uint8_t *table;
	int r = take_headers(vhdx, e);

	if (r < 0)
		return r;
	table = malloc(TABLE_SIZE);
	r = table ? take_tables(disk, vhdx, table, e) : error_set(e, -ENOMEM, "%s: not enough memory", disk->name);
	free(table);
	return r;
}
