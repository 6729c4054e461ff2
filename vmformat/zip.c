/* SPDX-License-Identifier: MIT */
/*
 * PKWARE's APPNOTE.TXT 6.3.10. The directory at the end rules; each member's own header is only asked where its bytes
 * begin, and must say the same. A file that says two things, or one thing about the same bytes twice, is refused:
 * that is how archives are made to look different to different programs, or to become petabytes.
 */
#include "vmformat/zip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmformat/bytes.h"
#include "vmformat/vmx_encoding.h"
#include "vmformat/wrap.h"

/* 4.3.16: the end of the directory, and a comment of up to 64 KiB behind it. */
#define END_SIZE 22u
#define END_SEARCH (END_SIZE + 0xffffu)
#define END64_SIZE 56u   /* 4.3.14 */
#define LOCATOR_SIZE 20u /* 4.3.15 */
#define ENTRY_SIZE 46u   /* 4.3.12 */
#define LOCAL_SIZE 30u   /* 4.3.7 */
#define MAX_NAME 4096u   /* PATH_MAX */
#define SATURATED 0xffffffffu

enum { FLAG_ENCRYPTED = 1, FLAG_STRONG = 1 << 6, FLAG_UTF_8 = 1 << 11, FLAG_MASKED = 1 << 13 };
enum { MADE_BY_UNIX = 3, MADE_BY_OS_X = 19 };
#define METHOD_AES 99u /* WinZip's: the real method is in an extra field, and of no use to us */

static bool has_signature(const uint8_t *p, char third, char fourth)
{
	return p[0] == 'P' && p[1] == 'K' && p[2] == third && p[3] == fourth;
}

bool zip_probe(const uint8_t *head, size_t n)
{
	/* a member; an empty zip; one of several volumes (8.5.4) */
	return n >= 4 && (has_signature(head, 3, 4) || has_signature(head, 5, 6) || has_signature(head, 7, 8));
}

const char *zip_method_name(uint16_t method)
{
	static const struct {
		uint16_t method;
		const char *name;
	} names[] = {
		{ 1, "Shrink" },
		{ 6, "Implode" },
		{ 9, "Deflate64" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].method == method)
			return names[i].name;
	return "an unusual method";
}

struct directory {
	uint64_t offset, size, entries;
};

struct walk {
	const struct file *file;
	struct zip *zip;
	struct appliance *a;
	struct error *e;
	struct directory directory;
	uint64_t *locals; /* where each member's own header begins */
};

static int damaged(const struct walk *w, const char *what)
{
	return error_set(w->e, -EINVAL, "%s is damaged: %s. Download it again.", w->file->name, what);
}

static int cannot_read(const struct walk *w, int code)
{
	return error_set(w->e, code, "%s cannot be read: %s", w->file->name, strerror(-code));
}

/* ---- the end of the directory ---- */

/* The last place that can be one. The first byte of a comment may look like anything: its length must fit the file. */
static int find_end(const struct walk *w, uint8_t end[END_SIZE], uint64_t *ret_offset)
{
	size_t length = (size_t)MIN(w->file->size, END_SEARCH);
	uint8_t *tail = malloc(END_SEARCH);
	int r = tail ? file_read(w->file, w->file->size - length, tail, length) : -ENOMEM;
	bool found = false;

	for (size_t at = length; r == 0 && !found && at-- > 0;) {
		if (at + END_SIZE > length || !has_signature(tail + at, 5, 6))
			continue;
		found = at + END_SIZE + le16_load(tail + at + 20) <= length;
		memcpy(end, tail + at, END_SIZE);
		*ret_offset = w->file->size - length + at;
	}
	free(tail);
	if (r < 0)
		return cannot_read(w, r);
	return found ? 0 : disk_truncated(w->e, w->file->name, w->file->size, 0);
}

static int refuse_volumes(const struct walk *w)
{
	return error_set(w->e, -ENOTSUP,
	                 "%s is one of several volumes of a zip. Unpack them together, with the program "
	                 "that made them or 7-Zip, then open what was in them.",
	                 w->file->name);
}

/* 4.3.14: what does not fit the old record's fields. */
static int read_end64(struct walk *w, uint64_t end_offset)
{
	uint8_t locator[LOCATOR_SIZE], end[END64_SIZE];
	uint64_t offset;
	int r;

	if (end_offset < LOCATOR_SIZE)
		return damaged(w, "its directory is missing");
	r = file_read(w->file, end_offset - LOCATOR_SIZE, locator, sizeof(locator));
	if (r < 0)
		return cannot_read(w, r);
	if (!has_signature(locator, 6, 7))
		return 0; /* the numbers are just what they are */
	if (le32_load(locator + 16) > 1)
		return refuse_volumes(w);
	offset = le64_load(locator + 8);
	if (!range_within(offset, END64_SIZE, end_offset))
		return damaged(w, "the end of its directory lies outside it");
	r = file_read(w->file, offset, end, sizeof(end));
	if (r < 0)
		return cannot_read(w, r);
	if (!has_signature(end, 6, 6))
		return damaged(w, "the end of its directory is not where it should be");
	w->directory = (struct directory){ .offset = le64_load(end + 48),
		                           .size = le64_load(end + 40),
		                           .entries = le64_load(end + 32) };
	return 0;
}

static int read_end(struct walk *w)
{
	struct directory *d = &w->directory;
	uint8_t begin[4], end[END_SIZE] = { 0 };
	uint64_t offset = 0;
	int r = file_read(w->file, 0, begin, sizeof(begin));

	if (r < 0)
		return cannot_read(w, r);
	if (has_signature(begin, 7, 8)) /* 8.5.3: the first volume; the directory is in the last */
		return refuse_volumes(w);
	r = find_end(w, end, &offset);
	if (r < 0)
		return r;
	if ((le16_load(end + 4) && le16_load(end + 4) != 0xffff) ||
	    (le16_load(end + 6) && le16_load(end + 6) != 0xffff))
		return refuse_volumes(w);
	*d = (struct directory){ .offset = le32_load(end + 16),
		                 .size = le32_load(end + 12),
		                 .entries = le16_load(end + 10) };
	if (d->offset == SATURATED || d->size == SATURATED || d->entries == 0xffff)
		r = read_end64(w, offset);
	if (r < 0)
		return r;
	if (!range_within(d->offset, d->size, offset))
		return damaged(w, "its directory lies outside it, or its beginning is missing");
	if (d->entries > ZIP_MAX_MEMBERS)
		return error_set(w->e, -EFBIG, "%s has %llu files, more than any appliance (%u are the limit)",
		                 w->file->name, (unsigned long long)d->entries, ZIP_MAX_MEMBERS);
	return 0;
}

/* ---- one entry ---- */

/* 4.5.3: the 64-bit numbers, in this order, of those fields that are full. */
static int read_zip64(const struct walk *w, const uint8_t *extra, size_t length, struct zip_member *m, uint64_t *local)
{
	uint64_t *const wanted[] = { &m->size, &m->packed, local };

	while (length >= 4) {
		size_t size = le16_load(extra + 2), at = 4;

		if (size > length - 4)
			return damaged(w, "an extra field is longer than its place");
		for (size_t i = 0; le16_load(extra) == 1 && i < ARRAY_SIZE(wanted); i++) {
			if (*wanted[i] != SATURATED)
				continue;
			if (at + 8 > 4 + size)
				return damaged(w, "a size of 64 bits is missing");
			*wanted[i] = le64_load(extra + at);
			at += 8;
		}
		if (le16_load(extra) == 1)
			return 0;
		extra += 4 + size;
		length -= 4 + size;
	}
	return 0;
}

/* Where Unix has the type of the file (the upper half of "external attributes"). Others have only files and folders. */
static bool is_regular(const uint8_t *entry)
{
	mode_t type = (mode_t)(le32_load(entry + 38) >> 16) & S_IFMT;

	return (entry[5] != MADE_BY_UNIX && entry[5] != MADE_BY_OS_X) || type == 0 || type == S_IFREG;
}

/* Old programs of Windows write '\', which 4.4.17 forbids; and those before Unicode the code page of their country,
 * for which Windows' western one stands in: such a name is shown, and rarely looked for. */
static char *read_name(const char *raw, size_t length)
{
	bool ignored;
	char *name = vmx_decode(utf8_valid(raw, length) ? VMX_UTF_8 : VMX_WINDOWS_1252, raw, length, &ignored);

	for (char *p = name; p && *p; p++)
		if (*p == '\\')
			*p = '/';
	if (name)
		for (char *from = name; from[0] == '.' && from[1] == '/';)
			memmove(name, from + 2, strlen(from + 2) + 1);
	return name;
}

/* The member's own header: where it ends, its bytes begin. */
static int read_local(const struct walk *w, uint64_t offset, const char *raw_name, size_t raw_length,
                      struct zip_member *m)
{
	uint8_t local[LOCAL_SIZE];
	char *name;
	bool same;
	int r;

	if (!range_within(offset, LOCAL_SIZE + raw_length, w->directory.offset))
		return damaged(w, "a file in it begins outside it");
	r = file_read(w->file, offset, local, sizeof(local));
	if (r < 0)
		return cannot_read(w, r);
	if (!has_signature(local, 3, 4) || le16_load(local + 8) != m->method || le16_load(local + 26) != raw_length)
		return damaged(w, "a file is not where its directory says");
	name = malloc(raw_length + 1);
	r = name ? file_read(w->file, offset + LOCAL_SIZE, name, raw_length) : -ENOMEM;
	same = r == 0 && memcmp(name, raw_name, raw_length) == 0;
	free(name);
	if (r < 0)
		return cannot_read(w, r);
	if (!same)
		return damaged(w, "a file has two names");
	m->data = offset + LOCAL_SIZE + raw_length + le16_load(local + 28);
	if (!range_within(m->data, m->packed, w->directory.offset))
		return damaged(w, "a file in it reaches beyond its end");
	return 0;
}

static int check_sizes(const struct walk *w, const struct zip_member *m)
{
	if (m->method == ZIP_STORED && !m->is_encrypted && m->packed != m->size)
		return damaged(w, "a stored file has two sizes");
	/* RFC 1951: 258 bytes for two bits at best */
	if (m->method == ZIP_DEFLATED && m->size / 1040 > m->packed)
		return error_set(w->e, -EFBIG, "%s is refused: %s is said to become %llu bytes, which its %llu cannot.",
		                 w->file->name, m->name, (unsigned long long)m->size, (unsigned long long)m->packed);
	return m->size > INT64_MAX ? damaged(w, "a file's size is impossible") : 0;
}

static int add_member(struct walk *w, const struct zip_member *m, uint64_t local)
{
	for (unsigned i = 0; i < w->zip->count; i++)
		if (!strcmp(w->zip->members[i].name, m->name))
			return error_set(w->e, -EINVAL,
			                 "%s is refused: it has two files named %s, and programs differ in which "
			                 "one they take. Unpack it first, then open what was in it.",
			                 w->file->name, m->name);
	w->locals[w->zip->count] = local;
	w->zip->members[w->zip->count++] = *m;
	return 0;
}

/* Takes over m->name. */
static int take_member(struct walk *w, const uint8_t *entry, const char *raw, size_t raw_length, struct zip_member *m,
                       uint64_t local)
{
	int r = 0;

	if (raw_length == 0 || raw[raw_length - 1] == '/' || raw[raw_length - 1] == '\\')
		goto leave_out; /* a folder */
	if (wrap_leads_outside(m->name) || !is_regular(entry)) {
		appliance_remark(w->a, 0, m->name, "This member of the package %s; it is left out.",
		                 is_regular(entry) ? "has a name that leads outside" : "is no file");
		goto leave_out;
	}
	r = read_local(w, local, raw, raw_length, m);
	if (r == 0)
		r = check_sizes(w, m);
	if (r == 0)
		r = add_member(w, m, local);
	if (r == 0)
		return 0;
leave_out:
	free(m->name);
	return r;
}

/* raw: the name, the extra fields behind it. */
static int read_fields(struct walk *w, const uint8_t *entry, const uint8_t *raw)
{
	size_t name_length = le16_load(entry + 28), extra_length = le16_load(entry + 30);
	uint16_t flags = le16_load(entry + 8);
	uint64_t local = le32_load(entry + 42);
	struct zip_member m = {
		.packed = le32_load(entry + 20),
		.size = le32_load(entry + 24),
		.crc = le32_load(entry + 16),
		.method = le16_load(entry + 10),
		.is_encrypted = flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED),
	};
	int r = read_zip64(w, raw + name_length, extra_length, &m, &local);

	m.is_encrypted |= m.method == METHOD_AES;
	if (r < 0)
		return r;
	if (name_length > MAX_NAME || memchr(raw, '\0', name_length))
		return damaged(w, "a name is none");
	m.name = read_name((const char *)raw, name_length);
	if (!m.name)
		return error_set(w->e, -ENOMEM, "%s: not enough memory", w->file->name);
	return take_member(w, entry, (const char *)raw, name_length, &m, local);
}

static int read_entry(struct walk *w, uint64_t *at, uint64_t end)
{
	uint8_t entry[ENTRY_SIZE], *raw;
	size_t length;
	int r;

	if (!range_within(*at, ENTRY_SIZE, end))
		return damaged(w, "its directory ends too early");
	r = file_read(w->file, *at, entry, sizeof(entry));
	if (r < 0)
		return cannot_read(w, r);
	if (!has_signature(entry, 1, 2))
		return damaged(w, "its directory is not where it should be");
	length = (size_t)le16_load(entry + 28) + le16_load(entry + 30);
	*at += ENTRY_SIZE;
	if (!range_within(*at, length + le16_load(entry + 32), end))
		return damaged(w, "its directory ends too early");
	raw = malloc(length + 1);
	r = raw ? file_read(w->file, *at, raw, length) : -ENOMEM;
	*at += length + le16_load(entry + 32);
	r = r < 0 ? cannot_read(w, r) : read_fields(w, entry, raw);
	free(raw);
	return r;
}

/* ---- the whole ---- */

struct range {
	uint64_t start, end;
};

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Members that share bytes make petabytes of kilobytes (D. Fifield, "A better zip bomb"). */
static int check_overlaps(const struct walk *w)
{
	unsigned count = w->zip->count;
	struct range *ranges = calloc(count + 1, sizeof(*ranges));
	int r = 0;

	if (!ranges)
		return error_set(w->e, -ENOMEM, "%s: not enough memory", w->file->name);
	for (unsigned i = 0; i < count; i++)
		ranges[i] = (struct range){ w->locals[i], w->zip->members[i].data + w->zip->members[i].packed };
	qsort(ranges, count, sizeof(*ranges), compare_ranges);
	for (unsigned i = 1; i < count && r == 0; i++)
		if (ranges[i].start < ranges[i - 1].end)
			r = error_set(w->e, -EINVAL,
			              "%s is refused: two of its files share the same bytes, as no program "
			              "packs them but one that is made to do harm.",
			              w->file->name);
	free(ranges);
	return r;
}

static int read_directory(struct walk *w)
{
	uint64_t at = w->directory.offset, end = at + w->directory.size;
	int r = 0;

	w->zip->members = calloc(w->directory.entries + 1, sizeof(*w->zip->members));
	w->locals = calloc(w->directory.entries + 1, sizeof(*w->locals));
	if (!w->zip->members || !w->locals)
		r = error_set(w->e, -ENOMEM, "%s: not enough memory", w->file->name);
	for (uint64_t i = 0; i < w->directory.entries && r == 0; i++)
		r = read_entry(w, &at, end);
	if (r == 0)
		r = check_overlaps(w);
	free(w->locals);
	return r;
}

int zip_read(const struct file *file, struct zip *zip, struct appliance *a, struct error *e)
{
	struct walk w = { .file = file, .zip = zip, .a = a, .e = e };
	int r = read_end(&w);

	return r < 0 ? r : read_directory(&w);
}

void zip_free(struct zip *zip)
{
	for (unsigned i = 0; i < zip->count; i++)
		free(zip->members[i].name);
	free(zip->members);
	*zip = (struct zip){ 0 };
}
