/* SPDX-License-Identifier: MIT */
/*
 * Tar as it is written since 1988: POSIX.1-1988 ustar, POSIX.1-2001 pax ("pax Interchange Format"), and GNU tar's long
 * names and large sizes. Only headers are read; a member is a window of the tar.
 */
#include "vmformat/ova.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/manifest.h"
#include "vmformat/ovf.h"
#include "vmformat/ovf_private.h"

#define BLOCK 512u
/* A package of chunks of 2 GB, as large as the largest disk, has fewer members. Headers are read one by one. */
#define MAX_MEMBERS 8192u
/* Longest name that is kept: PATH_MAX, beyond which no other program could have read it from a disk. */
#define MAX_NAME 4096u
/* pax records and long names are read as a whole; GNU tar and VMware write at most a few hundred bytes. */
#define MAX_EXTENSION (64u << 10)
/* A manifest has a line of at most 160 bytes and a name for each member. */
#define MAX_MANIFEST (2u << 20)

/* Offsets in a header block (POSIX.1-1988, "ustar Header Block"). */
enum {
	AT_NAME = 0,
	AT_SIZE = 124,
	AT_CHECKSUM = 148,
	AT_TYPE = 156,
	AT_MAGIC = 257,
	AT_PREFIX = 345,
	NAME_LENGTH = 100,
	SIZE_LENGTH = 12,
	CHECKSUM_LENGTH = 8,
	PREFIX_LENGTH = 155,
};

struct member {
	char *name;
	uint64_t hash; /* of the name, in lower case: long names are compared only where it is the same */
	uint64_t offset, size;
};

struct ova {
	struct file tar;
	struct member *members;
	unsigned count;
	struct manifest *manifest;
};

/* What is known while the headers are walked. */
struct walk {
	struct appliance *a;
	struct ova *ova;
	struct error *e;
	uint64_t offset;
	uint8_t header[BLOCK];
	unsigned headers;
	/* from extension headers, for the next member alone */
	char *long_name;
	uint64_t long_size;
	bool has_long_size, is_sparse;
};

/* ---- headers ---- */

static bool parse_octal(const uint8_t *field, size_t length, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	while (i < length && field[i] == ' ')
		i++;
	if (i == length || field[i] < '0' || field[i] > '7')
		return false;
	for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
		n = n << 3 | (field[i] - '0'); /* 12 digits at most: they fit */
	if (i < length && field[i] != ' ' && field[i] != '\0')
		return false;
	*ret = n;
	return true;
}

/* GNU's base-256: the top bit set, then a number of 95 bits; negative ones begin with 0xff. */
static bool parse_size(const uint8_t *field, uint64_t *ret)
{
	if (!(field[0] & 0x80))
		return parse_octal(field, SIZE_LENGTH, ret);
	if (field[0] != 0x80 || field[1] || field[2] || field[3])
		return false;
	*ret = be64_load(field + 4);
	return true;
}

/* The sum of all bytes, the checksum itself taken as blanks. */
static bool checksum_fits(const uint8_t *header)
{
	uint64_t wanted, sum = 0;

	if (!parse_octal(header + AT_CHECKSUM, CHECKSUM_LENGTH, &wanted))
		return false;
	for (unsigned i = 0; i < BLOCK; i++)
		sum += i >= AT_CHECKSUM && i < AT_CHECKSUM + CHECKSUM_LENGTH ? ' ' : header[i];
	return sum == wanted;
}

static bool has_magic(const uint8_t *header)
{
	return !memcmp(header + AT_MAGIC, "ustar", 5);
}

/* A tar from before 1988 has no magic, but no other file has this checksum there. */
bool ova_probe(const uint8_t *head, size_t n)
{
	return n >= BLOCK && head[AT_NAME] && (has_magic(head) || checksum_fits(head));
}

/* "prefix/name" of a header, malloc'ed. Neither ends in a NUL when it is full. */
static char *header_name(const uint8_t *header)
{
	const char *name = (const char *)header + AT_NAME, *prefix = (const char *)header + AT_PREFIX;
	/* GNU keeps other things where POSIX has the prefix; its magic ends in a blank. */
	size_t prefix_length = has_magic(header) && header[AT_MAGIC + 5] == '\0' ? strnlen(prefix, PREFIX_LENGTH) : 0;
	size_t name_length = strnlen(name, NAME_LENGTH);
	char *whole = malloc(PREFIX_LENGTH + 1 + NAME_LENGTH + 1), *to = whole;

	if (!whole)
		return NULL;
	if (prefix_length) {
		to = mempcpy(to, prefix, prefix_length);
		*to++ = '/';
	}
	to = mempcpy(to, name, name_length);
	*to = '\0';
	return whole;
}

static int damaged(struct walk *w, const char *what)
{
	return error_set(w->e, -EINVAL, "%s is damaged at byte %llu: %s. Download it again.", w->ova->tar.name,
	                 (unsigned long long)w->offset, what);
}

/* ---- extension headers ---- */

static int read_extension(struct walk *w, uint64_t size, char **ret_text)
{
	char *text = NULL; /* gcc -O3 cannot see that it is filled */
	int r;

	if (size > MAX_EXTENSION)
		return damaged(w, "an extended header is larger than any program writes");
	text = malloc((size_t)size + 1);
	if (!text)
		return error_set(w->e, -ENOMEM, "%s: out of memory", w->ova->tar.name);
	r = file_read(&w->ova->tar, w->offset + BLOCK, text, (size_t)size);
	if (r < 0) {
		free(text);
		return error_set(w->e, r, "%s cannot be read at byte %llu: %s", w->ova->tar.name,
		                 (unsigned long long)w->offset, strerror(-r));
	}
	text[size] = '\0';
	*ret_text = text;
	return 0;
}

/* The text without its end beyond the first NUL. */
static int set_long_name(struct walk *w, const char *name, size_t length)
{
	if (strnlen(name, length) > MAX_NAME)
		return damaged(w, "a name is longer than any program writes");
	free(w->long_name);
	w->long_name = strndup(name, length);
	return w->long_name ? 0 : error_set(w->e, -ENOMEM, "%s: out of memory", w->ova->tar.name);
}

static bool record_is(const char *record, const char *end, const char *key)
{
	size_t length = strlen(key);

	return (size_t)(end - record) >= length && !memcmp(record, key, length);
}

static int read_pax_record(struct walk *w, const char *record, const char *end)
{
	if (record_is(record, end, "path="))
		return set_long_name(w, record + 5, (size_t)(end - record - 5));
	if (record_is(record, end, "GNU.sparse."))
		w->is_sparse = true;
	if (record_is(record, end, "size=")) {
		char digits[24] = "";

		memcpy(digits, record + 5, MIN((size_t)(end - record - 5), sizeof(digits) - 1));
		if (!ovf_number(digits, &w->long_size))
			return damaged(w, "the size in a pax header is no number");
		w->has_long_size = true;
	}
	return 0;
}

/* Records "LENGTH KEY=VALUE\n"; LENGTH counts all of it, itself too. */
static int read_pax(struct walk *w, const char *text, size_t size)
{
	const char *end = text + size;
	int r = 0;

	while (text < end && *text && !r) {
		size_t digits = strspn(text, "0123456789"), length;

		length = digits && digits <= 6 ? strtoul(text, NULL, 10) : 0;
		if (length < digits + 2 || length > (size_t)(end - text) || text[digits] != ' ' ||
		    text[length - 1] != '\n')
			return damaged(w, "a pax header is cut");
		r = read_pax_record(w, text + digits + 1, text + length - 1);
		text += length;
	}
	return r;
}

static int read_extended(struct walk *w, char type, uint64_t size)
{
	char *text = NULL; /* gcc -O3 cannot see that it is filled */
	int r = read_extension(w, size, &text);

	if (r < 0)
		return r;
	r = type == 'L' ? set_long_name(w, text, (size_t)size) : read_pax(w, text, (size_t)size);
	free(text);
	return r;
}

/* ---- members ---- */

/* "./disk.vmdk" is disk.vmdk. */
static const char *plain_name(const char *name)
{
	while (name[0] == '.' && name[1] == '/')
		for (name += 2; *name == '/';)
			name++;
	return name;
}

/* FNV-1a, 64 bits. Who makes names collide has only his own package opened slowly. */
static uint64_t hash_of(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)tolower((unsigned char)*name)) * 0x100000001b3u;
	return hash;
}

static const struct member *find_exactly(const struct ova *ova, const char *name,
                                         int (*compare)(const char *, const char *))
{
	uint64_t hash = hash_of(name);

	for (unsigned i = 0; i < ova->count; i++)
		if (ova->members[i].hash == hash && !compare(ova->members[i].name, name))
			return &ova->members[i];
	return NULL;
}

static const struct member *find_member(const struct ova *ova, const char *name)
{
	const struct member *found = find_exactly(ova, plain_name(name), strcmp);

	return found ? found : find_exactly(ova, plain_name(name), strcasecmp);
}

static int add_member(struct walk *w, const char *name, uint64_t size)
{
	struct ova *ova = w->ova;
	struct member *members;

	name = plain_name(name);
	if (find_exactly(ova, name, strcmp)) {
		appliance_remark(w->a, 0, name, "The package has this file twice; the first one is used.");
		return 0;
	}
	members = reallocarray(ova->members, ova->count + 1, sizeof(*members));
	if (!members)
		return -ENOMEM;
	ova->members = members;
	members[ova->count] = (struct member){ strdup(name), hash_of(name), w->offset + BLOCK, size };
	return members[ova->count].name ? (int)(ova->count++, 0) : -ENOMEM;
}

static int read_member(struct walk *w, char type, uint64_t size)
{
	char *name = w->long_name ? strdup(w->long_name) : header_name(w->header);
	int r = 0;

	if (!name)
		return -ENOMEM;
	if (type == 'S' || w->is_sparse)
		r = error_set(w->e, -ENOTSUP,
		              "%s: %s is stored as a sparse file, which is not played. Unpack the "
		              "package (tar -xf) and open its .ovf.",
		              w->ova->tar.name, name);
	else if (type == '0' || type == '\0' || type == '7')
		r = add_member(w, name, size);
	else if (type != '5')
		appliance_remark(w->a, 0, name, "This member of the package is no file; it is left out.");
	free(name);
	free(w->long_name);
	w->long_name = NULL;
	w->has_long_size = w->is_sparse = false;
	return r;
}

/* ---- walking ---- */

/* The next header, or 1 at the end: a block of zeros, or no block at all. */
static int read_header(struct walk *w)
{
	const struct file *tar = &w->ova->tar;
	int r;

	if (w->offset == tar->size)
		return 1;
	if (tar->size - w->offset < BLOCK)
		return disk_truncated(w->e, tar->name, tar->size, w->offset + BLOCK);
	r = file_read(tar, w->offset, w->header, BLOCK);
	if (r < 0)
		return error_set(w->e, r, "%s cannot be read at byte %llu: %s", tar->name,
		                 (unsigned long long)w->offset, strerror(-r));
	if (bytes_are_zero(w->header, BLOCK))
		return 1;
	if (!checksum_fits(w->header))
		return damaged(w, "this is no header of a tar (its checksum is wrong)");
	if (++w->headers > MAX_MEMBERS)
		return error_set(w->e, -EFBIG, "%s has more than %u files, more than any package", tar->name,
		                 MAX_MEMBERS);
	return 0;
}

/* Where the next header is; only growing, so that the walk ends. */
static int next_offset(struct walk *w, uint64_t size, uint64_t *ret_next)
{
	const struct file *tar = &w->ova->tar;
	uint64_t end;

	if (size > INT64_MAX || add_overflows(w->offset + BLOCK, size, &end) || end > INT64_MAX - BLOCK)
		return damaged(w, "a file's size is impossible");
	if (end > tar->size)
		return disk_truncated(w->e, tar->name, tar->size, end);
	end = (end + BLOCK - 1) / BLOCK * BLOCK;
	*ret_next = MIN(end, tar->size); /* some writers do not fill up the last block */
	return 0;
}

static int read_one(struct walk *w)
{
	char type = (char)w->header[AT_TYPE];
	bool is_extension = strchr("LKxgX", type) && type;
	uint64_t size, next = w->offset;
	int r;

	if (!parse_size(w->header + AT_SIZE, &size))
		return damaged(w, "a file's size is no number");
	if (!is_extension && w->has_long_size)
		size = w->long_size;
	if (type == '5' || type == '1' || type == '2')
		size = 0; /* folders and links have no content, whatever some writers put there */
	r = next_offset(w, size, &next);
	if (!r && is_extension && type != 'K' && type != 'g')
		r = read_extended(w, type, size);
	else if (!r && !is_extension)
		r = read_member(w, type, size);
	w->offset = next;
	return r;
}

static int index_members(struct appliance *a, struct ova *ova, struct error *e)
{
	struct walk w = { .a = a, .ova = ova, .e = e };
	int r;

	do {
		r = read_header(&w);
		if (!r)
			r = read_one(&w);
	} while (!r);
	free(w.long_name);
	return r < 0 ? r : 0;
}

/* ---- the package ---- */

static bool ends_in(const char *name, const char *ending)
{
	size_t length = strlen(name), tail = strlen(ending);

	return length > tail && !strcasecmp(name + length - tail, ending);
}

static const struct member *find_ending(const struct ova *ova, const char *ending, unsigned *ret_count)
{
	const struct member *first = NULL;

	*ret_count = 0;
	for (unsigned i = 0; i < ova->count; i++)
		if (ends_in(ova->members[i].name, ending) && !(*ret_count)++)
			first = &ova->members[i];
	return first;
}

static int open_member(const struct ova *ova, const struct member *member, struct file *ret_file, struct error *e)
{
	const char *slash = strrchr(ova->tar.name, '/');
	char name[256];

	snprintf(name, sizeof(name), "%.120s: %.120s", slash ? slash + 1 : ova->tar.name, member->name);
	return file_window(&ova->tar, member->offset, member->size, name, ret_file, e);
}

/* A name that a member has is that member, also "../x" and "/x": nothing outside is meant by it. */
static int open_inner(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	const struct appliance *a = files->context;
	const struct member *member = find_member(a->container, name);

	return member ? open_member(a->container, member, ret_file, e) : files_open(a->outer, name, ret_file, e);
}

static int read_ovf(struct appliance *a, const struct ova *ova, struct error *e)
{
	unsigned count;
	const struct member *member = find_ending(ova, ".ovf", &count);
	struct file file;
	int r;

	if (!member)
		return error_set(e, -EINVAL,
		                 "%s is a tar without an .ovf in it, so nothing describes a machine. "
		                 "Unpack it (tar -xf) and open what is inside.",
		                 ova->tar.name);
	if (count > 1)
		appliance_remark(a, 0, member->name, "The package has %u .ovf texts; the first one is played.", count);
	r = open_member(ova, member, &file, e);
	if (r < 0)
		return r;
	r = ovf_read(a, &file, &a->inner, e);
	file_close(&file);
	return r;
}

static int parse_manifest(struct appliance *a, struct ova *ova, const struct member *member, struct error *e)
{
	char *text = member->size <= MAX_MANIFEST ? malloc((size_t)member->size + 1) : NULL;
	int r;

	if (!text)
		return error_set(e, -EFBIG, "%s: %llu bytes are too many", member->name,
		                 (unsigned long long)member->size);
	r = file_read(&ova->tar, member->offset, text, (size_t)member->size);
	if (!r)
		r = manifest_parse(text, (size_t)member->size, member->name, &a->inner, &ova->manifest, e);
	free(text);
	return r < 0 ? error_set(e, r, "%s: %s", member->name, strerror(-r)) : 0;
}

/* A manifest that cannot be read is no reason not to play. */
static void read_manifest(struct appliance *a, struct ova *ova)
{
	unsigned count;
	const struct member *manifest = find_ending(ova, ".mf", &count), *certificate;
	struct error e = { 0 };

	if (manifest && parse_manifest(a, ova, manifest, &e) < 0)
		appliance_remark(a, 0, manifest->name, "The manifest cannot be used: %s", e.text);
	a->manifest = ova->manifest;
	certificate = find_ending(ova, ".cert", &count);
	if (certificate)
		appliance_remark(a, 0, certificate->name,
		                 "The certificate is not checked: who signed this is not known.");
}

static void free_ova(void *container)
{
	struct ova *ova = container;

	for (unsigned i = 0; i < ova->count; i++)
		free(ova->members[i].name);
	free(ova->members);
	manifest_free(ova->manifest);
	file_close(&ova->tar);
	free(ova);
}

int ova_open(struct appliance *a, const struct file *source, const struct files *files, struct error *e)
{
	struct ova *ova = calloc(1, sizeof(*ova));
	int r;

	(void)files; /* the same as a->outer, which outlives this call */
	if (!ova)
		return error_set(e, -ENOMEM, "%s: out of memory", source->name);
	ova->tar = FILE_CLOSED;
	a->container = ova;
	a->container_free = free_ova;
	a->inner = (struct files){ .open = open_inner, .context = a };
	r = file_window(source, 0, source->size, source->name, &ova->tar, e);
	if (!r)
		r = index_members(a, ova, e);
	if (!r)
		r = read_ovf(a, ova, e);
	if (r < 0)
		return error_set(e, r, "%s: %s", source->name, strerror(-r));
	read_manifest(a, ova);
	return 0;
}
