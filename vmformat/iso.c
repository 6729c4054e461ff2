/* SPDX-License-Identifier: MIT */
#include "vmformat/iso.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/raw.h"

#define SECTOR 2048u

/*
 * ECMA-119 6.2.1 and ECMA-167 2/8: volume descriptors of both begin at sector 16 and end with a terminator.
 * Real discs have up to 8; the limit keeps the probe within its head of 64 KiB.
 */
#define FIRST_DESCRIPTOR 16u
#define DESCRIPTOR_LIMIT 16u

/* ECMA-119 8.1: type, "CD001". */
enum { TYPE_PRIMARY = 1, TYPE_SUPPLEMENTARY = 2, TYPE_TERMINATOR = 255 };

/* ECMA-119 8.4 and 8.5, offsets in a primary or supplementary descriptor. */
#define VOLUME_IDENTIFIER 40u
#define VOLUME_IDENTIFIER_SIZE 32u
#define VOLUME_SPACE_SIZE 80u
#define ESCAPE_SEQUENCES 88u
#define LOGICAL_BLOCK_SIZE 128u

/*
 * Writers count padding that some tools then leave away (mkisofs: 150 sectors). Less than this is not a cut
 * download.
 */
#define PADDING_TOLERANCE (1u << 20)

/* ECMA-167 3/7.2.1: descriptor tags; 3/10.2: the anchor; 3/10.6: the logical volume descriptor. */
#define UDF_ANCHOR_SECTOR 256u
enum { TAG_ANCHOR = 2, TAG_LOGICAL_VOLUME = 6, TAG_TERMINATING = 8 };
#define UDF_LABEL 84u
#define UDF_LABEL_SIZE 128u
#define UDF_SEQUENCE_LIMIT 32u /* sectors; UDF asks for at least 16, writers use 16 or 32 */

static bool is_iso_descriptor(const uint8_t *sector)
{
	return memcmp(sector + 1, "CD001", 5) == 0;
}

/* ECMA-167 2/9: the volume recognition sequence of a disc with UDF holds NSR02 or NSR03. */
static bool is_udf_descriptor(const uint8_t *sector)
{
	return memcmp(sector + 1, "NSR02", 5) == 0 || memcmp(sector + 1, "NSR03", 5) == 0;
}

static bool iso_probe(const struct file *file, const uint8_t *head, size_t head_length)
{
	(void)file;
	for (size_t i = 0; i < DESCRIPTOR_LIMIT; i++) {
		const uint8_t *sector = head + (FIRST_DESCRIPTOR + i) * SECTOR;

		if ((FIRST_DESCRIPTOR + i + 1) * SECTOR > head_length)
			return false;
		if (is_iso_descriptor(sector) || is_udf_descriptor(sector))
			return true;
		/* Anything else but UDF's other structures ends the sequence. */
		if (memcmp(sector + 1, "BEA01", 5) != 0 && memcmp(sector + 1, "BOOT2", 5) != 0)
			return false;
	}
	return false;
}

static int check_complete(const struct file *file, struct error *e)
{
	uint8_t sector[SECTOR];
	uint64_t needed;

	/* A disc with UDF only has no size here; the guest will notice. */
	if (file_read(file, FIRST_DESCRIPTOR * SECTOR, sector, sizeof(sector)) < 0 || !is_iso_descriptor(sector) ||
	    sector[0] != TYPE_PRIMARY)
		return 0;
	needed = (uint64_t)le32_load(sector + VOLUME_SPACE_SIZE) * le16_load(sector + LOGICAL_BLOCK_SIZE);
	if (needed > file->size + PADDING_TOLERANCE)
		return disk_truncated(e, file->name, file->size, needed);
	return 0;
}

static int iso_open(struct disk *disk, struct file *file, const struct files *files, struct error *e)
{
	int r;

	(void)files;
	r = check_complete(file, e);
	if (r < 0)
		return r;
	disk->is_cdrom = true;
	return raw_open_sectors(disk, file, SECTOR, e);
}

/* Appends one character as UTF-8, as long as it and the end fit. */
static void put_character(char *label, uint32_t c)
{
	size_t at = strlen(label);

	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000))
		c = '?'; /* controls, and halves of pairs that UCS-2 does not have */
	if (c < 0x80 && at + 1 < ISO_LABEL_SIZE)
		snprintf(label + at, 2, "%c", (int)c);
	else if (c >= 0x80 && c < 0x800 && at + 2 < ISO_LABEL_SIZE)
		snprintf(label + at, 3, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 0x3f)));
	else if (c >= 0x800 && at + 3 < ISO_LABEL_SIZE)
		snprintf(label + at, 4, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3f)),
		         (int)(0x80 | (c & 0x3f)));
}

/* bytes: 8 bits (Latin 1) or 16 bits (UCS-2, big endian) per character; padded with blanks or zeros. */
static void take_label(char *ret_label, const uint8_t *bytes, size_t length, unsigned width)
{
	size_t end;

	ret_label[0] = '\0';
	for (size_t i = 0; i + width <= length; i += width) {
		uint32_t c = width == 1 ? bytes[i] : be16_load(bytes + i);

		if (c == 0)
			break;
		put_character(ret_label, c);
	}
	for (end = strlen(ret_label); end && ret_label[end - 1] == ' '; end--)
		ret_label[end - 1] = '\0';
}

/* Joliet, section "Escape sequences": %/@, %/C and %/E are UCS-2 levels 1 to 3. */
static bool is_joliet(const uint8_t *sector)
{
	const uint8_t *escape = sector + ESCAPE_SEQUENCES;

	return sector[0] == TYPE_SUPPLEMENTARY && escape[0] == '%' && escape[1] == '/' &&
	       (escape[2] == '@' || escape[2] == 'C' || escape[2] == 'E');
}

static int iso_9660_label(struct disk *disk, char ret_label[ISO_LABEL_SIZE])
{
	uint8_t sector[SECTOR];

	for (unsigned i = 0; i < DESCRIPTOR_LIMIT; i++) {
		uint64_t offset = (uint64_t)(FIRST_DESCRIPTOR + i) * SECTOR;
		char label[ISO_LABEL_SIZE];
		int r;

		if (!range_within(offset, SECTOR, disk->capacity))
			break;
		r = disk_read(disk, offset, sector, sizeof(sector));
		if (r < 0)
			return r;
		if (!is_iso_descriptor(sector) || sector[0] == TYPE_TERMINATOR)
			break;
		if (sector[0] != TYPE_PRIMARY && !is_joliet(sector))
			continue;
		/* Joliet comes after the primary descriptor and knows lower case: it replaces it. */
		take_label(label, sector + VOLUME_IDENTIFIER, VOLUME_IDENTIFIER_SIZE, is_joliet(sector) ? 2 : 1);
		if (label[0])
			memcpy(ret_label, label, sizeof(label));
	}
	return 0;
}

/* Reads a sector with a UDF descriptor. Returns its tag, 0 when the sum over the tag is wrong, or -errno. */
static int read_udf_descriptor(struct disk *disk, uint64_t number, uint8_t sector[SECTOR])
{
	uint8_t sum = 0;
	int r;

	if (!range_within(number * SECTOR, SECTOR, disk->capacity))
		return 0;
	r = disk_read(disk, number * SECTOR, sector, SECTOR);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < 16; i++)
		sum = (uint8_t)(sum + (i == 4 ? 0 : sector[i])); /* ECMA-167 3/7.2.3 */
	return sum == sector[4] ? le16_load(sector) : 0;
}

/*
 * OSTA UDF 2.1.1 and 2.1.3: a compression ID (8 or 16 bits per character), text, and its length in the
 * field's last byte.
 */
static void take_udf_label(char *ret_label, const uint8_t *field)
{
	size_t length = field[UDF_LABEL_SIZE - 1];

	if (length > 1 && length < UDF_LABEL_SIZE && (field[0] == 8 || field[0] == 16))
		take_label(ret_label, field + 1, length - 1, field[0] / 8);
}

static int udf_label(struct disk *disk, char ret_label[ISO_LABEL_SIZE])
{
	uint8_t sector[SECTOR];
	uint32_t sectors, first;
	int tag = read_udf_descriptor(disk, UDF_ANCHOR_SECTOR, sector);

	if (tag != TAG_ANCHOR)
		return MIN(tag, 0);
	sectors = MIN(le32_load(sector + 16) / SECTOR, UDF_SEQUENCE_LIMIT);
	first = le32_load(sector + 20);
	for (uint32_t i = 0; i < sectors; i++) {
		tag = read_udf_descriptor(disk, (uint64_t)first + i, sector);
		if (tag < 0)
			return tag;
		if (tag == TAG_TERMINATING)
			break;
		if (tag == TAG_LOGICAL_VOLUME)
			take_udf_label(ret_label, sector + UDF_LABEL);
	}
	return 0;
}

int iso_label(struct disk *disk, char ret_label[ISO_LABEL_SIZE])
{
	int r;

	ret_label[0] = '\0';
	if (!disk->is_cdrom)
		return 0;
	r = iso_9660_label(disk, ret_label);
	if (r == 0 && !ret_label[0])
		r = udf_label(disk, ret_label);
	if (r < 0)
		ret_label[0] = '\0';
	return r;
}

const struct disk_format iso_format = {
	.name = "iso",
	.probe = iso_probe,
	.open = iso_open,
	.close = raw_close,
	.map = raw_map,
	.unpack = raw_unpack,
};
