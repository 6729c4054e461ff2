/* SPDX-License-Identifier: MIT */
/* References and DiskSection (DSP0243 sections 7.1 and 9.1): from what an item names to a file or a blank disk. */
#include "vmformat/ovf_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/wrap.h"

/* ---- the tables ---- */

static const struct ovf_file *find_file(const struct ovf *o, const char *id)
{
	for (unsigned i = 0; i < o->file_count; i++)
		if (!strcmp(o->package_files[i].id, id))
			return &o->package_files[i];
	return NULL;
}

static const struct ovf_disk *find_disk(const struct ovf *o, const char *id)
{
	for (unsigned i = 0; i < o->disk_count; i++)
		if (!strcmp(o->disks[i].id, id))
			return &o->disks[i];
	return NULL;
}

static unsigned count_children(const xmlNode *parent, const char *name)
{
	unsigned count = 0;

	for (const xmlNode *n = ovf_child(parent, name); n; n = ovf_next(n, name))
		count++;
	return count;
}

static int read_files(struct ovf *o)
{
	const xmlNode *references = ovf_child(o->envelope, "References");
	unsigned count = count_children(references, "File");

	if (count > OVF_MAX_FILES)
		return ovf_error(o, references, -EFBIG, "%u files are more than any package has (the limit is %u).",
		                 count, OVF_MAX_FILES);
	o->package_files = calloc(count + 1, sizeof(*o->package_files));
	if (!o->package_files)
		return -ENOMEM;
	for (xmlNode *n = ovf_child(references, "File"); n; n = ovf_next(n, "File")) {
		const char *id = ovf_attribute(o, n, "id"), *href = ovf_attribute(o, n, "href");

		if (!href || !*href)
			ovf_remark(o, n, "File", "This file has no name (href).");
		if (!id)
			ovf_remark(o, n, "File", "A file without an id cannot be referred to.");
		else if (strlen(id) > OVF_MAX_ID)
			ovf_remark(o, n, "File", "A file cannot be referred to by an id as long as this.");
		else if (find_file(o, id))
			ovf_remark(o, n, id, "This id is used twice; the first file of that id counts.");
		else
			o->package_files[o->file_count++] = (struct ovf_file){ n, id };
	}
	return 0;
}

/* A UUID with braces. Longer ones are none, and long to compare: each drive's with each disk's. */
#define UUID_LENGTH 38u

static const char *disk_uuid(struct ovf *o, const xmlNode *node)
{
	const char *uuid = ovf_attribute(o, node, "uuid");

	return uuid && strlen(uuid) <= UUID_LENGTH ? uuid : NULL;
}

static void read_disk(struct ovf *o, xmlNode *node)
{
	const char *id = ovf_attribute(o, node, "diskId");

	if (!id)
		ovf_remark(o, node, "Disk", "A disk without a diskId cannot be part of a machine.");
	else if (strlen(id) > OVF_MAX_ID)
		ovf_remark(o, node, "Disk", "A disk cannot be part of a machine by an id as long as this.");
	else if (find_disk(o, id))
		ovf_remark(o, node, id, "This diskId is used twice; the first disk of that id counts.");
	else
		o->disks[o->disk_count++] = (struct ovf_disk){ node, id, disk_uuid(o, node) };
}

/* DSP0243 has the section in the envelope only; some writers put it into the machine. */
static const xmlNode *find_disk_section(struct ovf *o)
{
	const xmlNode *section = ovf_child_section(o->envelope, "DiskSection");

	if (section)
		return section;
	section = ovf_child_section(o->system, "DiskSection");
	if (section)
		ovf_remark(o, section, "DiskSection", "It belongs before the machine, but is read here.");
	return section;
}

int ovf_read_references(struct ovf *o)
{
	const xmlNode *section = find_disk_section(o);
	unsigned count = count_children(section, "Disk");
	int r = read_files(o);

	if (r < 0)
		return r;
	if (count > OVF_MAX_DISKS)
		return ovf_error(o, section, -EFBIG, "%u disks are more than any package has (the limit is %u).", count,
		                 OVF_MAX_DISKS);
	o->disks = calloc(count + 1, sizeof(*o->disks));
	if (!o->disks)
		return -ENOMEM;
	for (xmlNode *n = ovf_child(section, "Disk"); n; n = ovf_next(n, "Disk"))
		read_disk(o, n);
	return 0;
}

/* "{5F042839-...}" and "5f042839-..." are the same. */
static bool same_uuid(const char *a, const char *b)
{
	size_t length;

	a += strspn(a, "{");
	b += strspn(b, "{");
	length = strcspn(a, "}");
	return length && length == strcspn(b, "}") && !strncasecmp(a, b, length);
}

const struct ovf_disk *ovf_disk_by_uuid(const struct ovf *o, const char *uuid)
{
	if (strlen(uuid) > UUID_LENGTH)
		return NULL;
	for (unsigned i = 0; i < o->disk_count; i++)
		if (o->disks[i].uuid && same_uuid(o->disks[i].uuid, uuid))
			return &o->disks[i];
	return NULL;
}

/* ---- units (DSP0004 annex C, and what writers made of them) ---- */

/* "2^20": its value, and *text behind it. */
static bool parse_power(const char **text, uint64_t *ret)
{
	unsigned long base, exponent = 1;
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	base = strtoul(*text, &end, 10);
	if (*end == '^') {
		if (!isdigit((unsigned char)end[1]))
			return false;
		exponent = strtoul(end + 1, &end, 10);
	}
	*text = end;
	if (base == 0 || exponent > 63)
		return false;
	for (*ret = 1; exponent; exponent--)
		if (mul_overflows(*ret, base, ret))
			return false;
	return true;
}

/* "2^20", "1024*1024" */
static bool parse_product(const char *text, uint64_t *ret)
{
	uint64_t factor;

	*ret = 1;
	while (parse_power(&text, &factor) && !mul_overflows(*ret, factor, ret)) {
		if (!*text)
			return true;
		if (*text++ != '*')
			return false;
	}
	return false;
}

bool ovf_unit_factor(const char *units, uint64_t *ret_factor)
{
	static const struct {
		const char *words;
		unsigned shift;
	} table[] = {
		{ "byte bytes b", 0 },
		{ "kilobyte kilobytes kibibytes kb kib k", 10 },
		{ "megabyte megabytes mebibytes mb mib m", 20 },
		{ "gigabyte gigabytes gibibytes gb gib g", 30 },
		{ "terabyte terabytes tebibytes tb tib t", 40 },
	};
	char text[64];
	size_t n = 0;

	for (; *units && n < sizeof(text) - 1; units++)
		if (!isspace((unsigned char)*units))
			text[n++] = (char)tolower((unsigned char)*units);
	text[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (ovf_list_has(table[i].words, text)) {
			*ret_factor = 1ull << table[i].shift;
			return true;
		}
	if (!strncmp(text, "byte*", 5) || !strncmp(text, "bytes*", 6))
		return parse_product(strchr(text, '*') + 1, ret_factor);
	return false;
}

/* ---- capacity ---- */

/* "${disk.size}" is the value of a property (DSP0243 section 9.1), here always its default. */
static const char *property(struct ovf *o, const char *reference)
{
	size_t length = strlen(reference);
	const char *key;

	if (length < 4 || strncmp(reference, "${", 2) || reference[length - 1] != '}')
		return reference;
	key = ovf_keep(o, reference + 2, length - 3);
	for (const xmlNode *s = ovf_child_section(o->system, "ProductSection"); s;
	     s = ovf_next_section(s, "ProductSection"))
		for (const xmlNode *p = ovf_child(s, "Property"); p; p = ovf_next(p, "Property")) {
			const char *name = ovf_attribute(o, p, "key"), *value = ovf_attribute(o, p, "value");
			size_t tail = name ? strlen(name) : 0;
			const char *at = key + strlen(key) - MIN(tail, strlen(key));

			/* "class.key.instance" without the class is close enough */
			if (value && tail && !strcmp(at, name) && (at == key || at[-1] == '.'))
				return value;
		}
	return reference;
}

static bool read_capacity(struct ovf *o, const xmlNode *disk, uint64_t *ret_bytes)
{
	const char *capacity = ovf_attribute(o, disk, "capacity");
	const char *units = ovf_attribute(o, disk, "capacityAllocationUnits");
	uint64_t factor = 1, n;

	if (!capacity || !ovf_number(property(o, capacity), &n))
		return false;
	if (units && *units && !ovf_unit_factor(units, &factor))
		return false;
	return !mul_overflows(n, factor, ret_bytes) && *ret_bytes <= INT64_MAX;
}

/* ---- files ---- */

static bool is_url(const char *href)
{
	size_t scheme = strspn(href, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	return scheme > 1 && !strncmp(href + scheme, "://", 3);
}

static int hex_digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* Without its escapes, malloc'ed. Control characters stay escaped. NULL: no memory. */
static char *decode(const char *href)
{
	char *copy = strdup(href), *to = copy;

	for (const char *from = href; copy && *from; from++) {
		int high = *from == '%' ? hex_digit(from[1]) : -1, low = high >= 0 ? hex_digit(from[2]) : -1;
		int c = low >= 0 ? high << 4 | low : 0;

		*to++ = c >= 0x20 ? (char)c : *from;
		from += c >= 0x20 ? 2 : 0;
	}
	if (copy)
		*to = '\0';
	return copy;
}

/* A reference is a URI, but most writers put the file's name as it is. Whichever of the two is there counts. */
static const char *decoded_href(struct ovf *o, const char *href)
{
	const char *kept = href;
	struct file file;
	char *copy;

	if (!strchr(href, '%') || files_open(o->files, href, &file, NULL) == 0) {
		if (strchr(href, '%'))
			file_close(&file);
		return href;
	}
	copy = decode(href);
	if (copy && files_open(o->files, copy, &file, NULL) == 0) {
		kept = ovf_keep(o, copy, strlen(copy));
		file_close(&file);
	}
	free(copy);
	return kept;
}

static bool is_compressed(const char *compression)
{
	return compression && *compression && strcasecmp(compression, "identity");
}

static bool leads_outside(const char *href)
{
	char *name = decode(href);
	bool outside = !name || is_url(href) || wrap_leads_outside(href) || wrap_leads_outside(name);

	free(name);
	return outside;
}

/* Asked before anything is opened: the user would be asked about a file elsewhere, as about a disk's. */
const char *ovf_inside_name(struct ovf *o, const char *file_id, const char **ret_why)
{
	const struct ovf_file *file = strlen(file_id) <= OVF_MAX_ID ? find_file(o, file_id) : NULL;
	const char *href = file ? ovf_attribute(o, file->node, "href") : NULL;

	*ret_why = NULL;
	if (!file)
		*ret_why = "the References do not list it";
	else if (!href || !*href)
		*ret_why = "it has no name (href)";
	else if (leads_outside(href))
		*ret_why = "its name leads outside of the package";
	else if (ovf_attribute(o, file->node, "chunkSize") ||
	         is_compressed(ovf_attribute(o, file->node, "compression")))
		*ret_why = "it is compressed or in chunks, which is not read";
	return *ret_why ? NULL : decoded_href(o, href);
}

static int set_file(struct ovf *o, struct appliance_drive *drive, const struct ovf_file *file)
{
	const char *href = ovf_attribute(o, file->node, "href");
	const char *compression = ovf_attribute(o, file->node, "compression");

	if (!href || !*href)
		return ovf_error(o, file->node, -EINVAL,
		                 "the file \"%s\" has no name (href). Export the machine again.", file->id);
	if (is_url(href))
		return ovf_error(o, file->node, -ENOTSUP,
		                 "the file %s is on the network, where nothing is fetched from. "
		                 "Download it into the folder of this OVF, and write its bare name here.",
		                 href);
	if (ovf_attribute(o, file->node, "chunkSize"))
		return ovf_error(o, file->node, -ENOTSUP,
		                 "the file %s comes in chunks, which are not played. Put them "
		                 "together (cat '%s'.* > '%s'), and remove chunkSize here.",
		                 href, href, href);
	if (is_compressed(compression))
		return ovf_error(o, file->node, -ENOTSUP,
		                 "the file %s is compressed (%s), which is not played. Unpack "
		                 "it (gunzip), write its new name here, and remove the compression.",
		                 href, compression);
	drive->backing = BACKING_IMAGE;
	return appliance_set_text(&drive->file, decoded_href(o, href));
}

int ovf_set_disk(struct ovf *o, struct appliance_drive *drive, const struct ovf_disk *disk)
{
	const char *reference = ovf_attribute(o, disk->node, "fileRef");
	const char *parent = ovf_attribute(o, disk->node, "parentRef");
	bool sized = read_capacity(o, disk->node, &drive->capacity);
	const struct ovf_file *file;

	if (parent && *parent)
		return ovf_error(o, disk->node, -ENOTSUP,
		                 "the disk \"%s\" holds only what differs from the disk \"%s\", "
		                 "which is not played. Deploy the package and export it again.",
		                 disk->id, parent);
	if (!sized)
		drive->capacity = 0;
	if (!reference || !*reference) {
		if (!sized || !drive->capacity)
			return ovf_error(o, disk->node, -EINVAL,
			                 "the disk \"%s\" has neither a file nor a capacity that "
			                 "is a number.",
			                 disk->id);
		drive->backing = BACKING_BLANK;
		return 0;
	}
	if (!sized)
		ovf_remark(o, disk->node, disk->id, "Its capacity is not a number; the image says how large it is.");
	file = find_file(o, reference);
	if (!file)
		return ovf_error(o, disk->node, -EINVAL,
		                 "the disk \"%s\" is in the file \"%s\", which the References do "
		                 "not list.",
		                 disk->id, reference);
	return set_file(o, drive, file);
}

/* "ovf:/disk/x", "ovf://disk/x", "/disk/x", "disk/x": what follows kind, or NULL. */
static const char *resource_id(const char *resource, const char *kind)
{
	if (!strncasecmp(resource, "ovf:", 4))
		resource += 4;
	resource += strspn(resource, "/");
	return !strncasecmp(resource, kind, strlen(kind)) ? resource + strlen(kind) : NULL;
}

int ovf_set_backing(struct ovf *o, struct appliance_drive *drive, const char *host_resource, const xmlNode *asker)
{
	const char *disk_id = resource_id(host_resource, "disk/"), *file_id = resource_id(host_resource, "file/");
	const struct ovf_disk *disk = disk_id ? find_disk(o, disk_id) : NULL;
	const struct ovf_file *file = file_id ? find_file(o, file_id) : NULL;

	if (disk)
		return ovf_set_disk(o, drive, disk);
	if (file)
		return set_file(o, drive, file);
	if (disk_id || file_id || drive->kind == DRIVE_DISK)
		return ovf_error(o, asker, -EINVAL, "the device names \"%s\", which this OVF does not have.",
		                 host_resource);
	drive->backing = BACKING_HOST;
	ovf_remark(o, asker, host_resource, "This is a device of the host, which is not opened; the drive is empty.");
	return appliance_set_text(&drive->file, host_resource);
}
