/* SPDX-License-Identifier: MIT */
#include "vmformat/iso_write.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"

#define SECTOR 2048u
#define MAX_NAME 64u           /* characters of Joliet */
#define LAST_TIME 5869583999ll /* the end of 2155, the last year of a directory record */

/* Where everything lies, in sectors. Each of the two trees (ISO 9660's and Joliet's) has a descriptor, path tables and
 * a root. */
enum place { PRIMARY = 16, SUPPLEMENTARY = 17, TERMINATOR = 18, FIRST_TREE = 19, SECOND_TREE = 22, DATA = 25 };
enum tree_part { PATH_TABLE_L, PATH_TABLE_M, ROOT };

#define PATH_TABLE_SIZE 10u /* the root's record alone */
#define RECORD_SIZE 33u     /* a directory record without its name (ECMA-119 9.1) */
#define NAME_AT 33u
#define FLAG_DIRECTORY 2u

struct date {
	unsigned year, month, day, hour, minute, second;
};

struct image {
	uint8_t *bytes;
	uint32_t sectors;
	const struct iso_file *file;
	struct date date;
};

struct tree {
	enum place first; /* tree_parts follow each other */
	bool joliet;
};

/* ---- numbers and texts ---- */

/* ECMA-119 7.2.3 and 7.3.3: in both orders. */
static void both16(uint8_t *p, uint16_t v)
{
	le16_store(p, v);
	be16_store(p + 2, v);
}

static void both32(uint8_t *p, uint32_t v)
{
	le32_store(p, v);
	be32_store(p + 4, v);
}

/* Padded with blanks; Joliet's are UCS-2, high byte first. */
static void put_text(uint8_t *p, size_t size, const char *text, bool joliet)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < size; i++) {
		size_t at = joliet ? i / 2 : i;
		uint8_t c = at < length ? (uint8_t)text[at] : ' ';

		p[i] = joliet && i % 2 == 0 ? 0 : c;
	}
}

/* libc's would look for a time zone's file. Years are counted from March, so that a leap day is a year's last. */
static struct date date_of(uint64_t seconds)
{
	uint64_t days = seconds / 86400 + 719468, era = days / 146097; /* since 0000-03-01; of 400 years */
	unsigned rest = (unsigned)(seconds % 86400), day = (unsigned)(days % 146097);
	unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned of_year = day - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;

	return (struct date){ .year = (unsigned)(era * 400) + year + (month >= 10),
		              .month = month < 10 ? month + 3 : month - 9,
		              .day = of_year - (153 * month + 2) / 5 + 1,
		              .hour = rest / 3600,
		              .minute = rest / 60 % 60,
		              .second = rest % 60 };
}

/* ECMA-119 9.1.5, UTC */
static void put_short_time(uint8_t p[7], const struct date *d)
{
	const unsigned fields[] = { d->year - 1900, d->month, d->day, d->hour, d->minute, d->second, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		p[i] = (uint8_t)fields[i];
}

/* ECMA-119 8.4.26.1: digits, then the zone */
static void put_long_time(uint8_t p[17], const struct date *d)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%04u%02u%02u%02u%02u%02u00", d->year % 10000, d->month % 100, d->day % 100,
	         d->hour % 100, d->minute % 100, d->second % 100);
	memcpy(p, digits, 16);
	p[16] = 0;
}

/* ECMA-119 8.4.26.1: not given */
static void put_no_time(uint8_t p[17])
{
	memset(p, '0', 16);
	p[16] = 0;
}

static uint8_t *sector(const struct image *im, uint32_t number)
{
	return im->bytes + (size_t)number * SECTOR;
}

/* ---- Rock Ridge (SUSP and RRIP, IEEE P1281 and P1282) ---- */

struct susp {
	uint8_t *at, *start;
};

static uint8_t *susp_entry(struct susp *s, const char *signature, uint8_t length)
{
	uint8_t *entry = s->at;

	memcpy(entry, signature, 2);
	entry[2] = length;
	entry[3] = 1; /* version */
	s->at += length;
	return entry + 4;
}

/* POSIX attributes: mode, links, owner, group */
static void put_px(struct susp *s, bool is_directory)
{
	uint8_t *p = susp_entry(s, "PX", 36);

	both32(p, is_directory ? 0040555 : 0100444);
	both32(p + 8, is_directory ? 2 : 1);
}

/* "." of the root: where the extensions begin, and which they are */
static void put_root_extensions(struct susp *s)
{
	static const char id[] = "RRIP_1991A";
	uint8_t *p = susp_entry(s, "SP", 7);

	p[0] = 0xbe;
	p[1] = 0xef;
	put_px(s, true);
	p = susp_entry(s, "ER", 8 + sizeof(id) - 1);
	p[0] = sizeof(id) - 1; /* then lengths of a description and a source: none */
	p[3] = 1;
	memcpy(p + 4, id, sizeof(id) - 1);
}

static void put_file_extensions(struct susp *s, const char *name)
{
	size_t length = strlen(name);
	uint8_t *p;

	put_px(s, false);
	p = susp_entry(s, "NM", (uint8_t)(5 + length));
	memcpy(p + 1, name, length);
}

/* ---- directories ---- */

/* A record with its name, its length still without extensions. Returns where those go. */
static uint8_t *put_record(const struct image *im, uint8_t *p, uint32_t first, uint32_t length, bool is_directory,
                           const void *name, uint8_t name_length)
{
	both32(p + 2, first);
	both32(p + 10, length);
	put_short_time(p + 18, &im->date);
	p[25] = is_directory ? FLAG_DIRECTORY : 0;
	both16(p + 28, 1); /* volume */
	p[32] = name_length;
	memcpy(p + NAME_AT, name, name_length);
	p[0] = (uint8_t)(RECORD_SIZE + name_length + (name_length % 2 == 0)); /* even */
	return p + p[0];
}

/* Returns the next record's place. */
static uint8_t *end_record(uint8_t *record, const struct susp *s)
{
	size_t length = record[0] + (size_t)(s->at - s->start);

	record[0] = (uint8_t)(length + length % 2);
	return record + record[0];
}

static uint8_t *put_dot(const struct image *im, const struct tree *t, uint8_t *p, uint8_t name)
{
	uint8_t *end = put_record(im, p, t->first + ROOT, SECTOR, true, &name, 1);
	struct susp s = { end, end };

	if (!t->joliet && name == 0)
		put_root_extensions(&s);
	else if (!t->joliet)
		put_px(&s, true);
	return end_record(p, &s);
}

static void put_file(const struct image *im, const struct tree *t, uint8_t *p)
{
	uint8_t name[2 * (MAX_NAME + 2)], *end;
	size_t length;
	struct susp s;

	if (t->joliet) {
		length = 2 * strlen(im->file->name);
		put_text(name, length, im->file->name, true);
	} else {
		length = strlen(im->file->short_name) + 2;
		memcpy(name, im->file->short_name, length - 2);
		memcpy(name + length - 2, ";1", 2); /* ECMA-119 7.5.1: the version */
	}
	end = put_record(im, p, DATA, (uint32_t)im->file->length, false, name, (uint8_t)length);
	s = (struct susp){ end, end };
	if (!t->joliet)
		put_file_extensions(&s, im->file->name);
	end_record(p, &s);
}

static void put_root(const struct image *im, const struct tree *t)
{
	uint8_t *p = sector(im, t->first + ROOT);

	p = put_dot(im, t, p, 0);
	p = put_dot(im, t, p, 1);
	put_file(im, t, p);
}

/* ECMA-119 9.4 */
static void put_path_tables(const struct image *im, const struct tree *t)
{
	uint8_t *l = sector(im, t->first + PATH_TABLE_L), *m = sector(im, t->first + PATH_TABLE_M);

	l[0] = m[0] = 1; /* length of the root's name, a zero */
	le32_store(l + 2, t->first + ROOT);
	be32_store(m + 2, t->first + ROOT);
	le16_store(l + 6, 1);
	be16_store(m + 6, 1);
}

/* ---- descriptors ---- */

/* ECMA-119 8.4 and 8.5: one differs from the other by its type, escape sequences and character set. */
static void put_descriptor(const struct image *im, const struct tree *t, const char *label)
{
	static const uint8_t root = 0;
	uint8_t *p = sector(im, t->joliet ? SUPPLEMENTARY : PRIMARY);

	memcpy(p, t->joliet ? "\2CD001\1" : "\1CD001\1", 7);
	put_text(p + 8, 32, "", t->joliet);
	put_text(p + 40, 32, label, t->joliet);
	both32(p + 80, im->sectors);
	if (t->joliet)
		memcpy(p + 88, "%/E", 3); /* UCS-2 level 3 */
	both16(p + 120, 1);               /* volumes of the set */
	both16(p + 124, 1);
	both16(p + 128, SECTOR);
	both32(p + 132, PATH_TABLE_SIZE);
	le32_store(p + 140, t->first + PATH_TABLE_L);
	be32_store(p + 148, t->first + PATH_TABLE_M);
	put_record(im, p + 156, t->first + ROOT, SECTOR, true, &root, 1);
	/* set, publisher, preparer, application; copyright, abstract, bibliography: none is given */
	put_text(p + 190, 512, "", t->joliet);
	put_text(p + 702, 110, "", t->joliet);
	p[812] = ' ';
	put_long_time(p + 813, &im->date);
	put_long_time(p + 830, &im->date);
	put_no_time(p + 847);
	put_no_time(p + 864);
	p[881] = 1; /* version of the structure */
}

static bool is_short_name(const char *name, size_t size, size_t max)
{
	return size <= max && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") >= size;
}

static bool is_sound(const char *label, const struct iso_file *f)
{
	const char *dot = strchr(f->short_name, '.');
	size_t length = strlen(f->name);

	for (size_t i = 0; i < length; i++)
		if (f->name[i] <= ' ' || f->name[i] > '~' || strchr("*/:;?\\", f->name[i]))
			return false;
	return length && length <= MAX_NAME && f->length <= ISO_WRITE_MAX && is_short_name(label, strlen(label), 11) &&
	       dot && is_short_name(f->short_name, (size_t)(dot - f->short_name), 8) &&
	       is_short_name(dot + 1, strlen(dot + 1), 3);
}

int iso_write(const char *label, const struct iso_file *file, int64_t time, uint8_t **ret_image, size_t *ret_size)
{
	static const struct tree trees[] = { { FIRST_TREE, false }, { SECOND_TREE, true } };
	struct image im = { .file = file };

	if (!is_sound(label, file) || time < 0 || time > LAST_TIME)
		return -EINVAL;
	im.date = date_of((uint64_t)time);
	im.sectors = DATA + (uint32_t)((file->length + SECTOR - 1) / SECTOR);
	im.bytes = calloc(im.sectors, SECTOR);
	if (!im.bytes)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		put_descriptor(&im, &trees[i], label);
		put_path_tables(&im, &trees[i]);
		put_root(&im, &trees[i]);
	}
	memcpy(sector(&im, TERMINATOR), "\377CD001\1", 7);
	if (file->length)
		memcpy(sector(&im, DATA), file->data, file->length);
	*ret_image = im.bytes;
	*ret_size = (size_t)im.sectors * SECTOR;
	return 0;
}
