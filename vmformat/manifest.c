/* SPDX-License-Identifier: MIT */
#include "vmformat/manifest.h"

#include <ctype.h>
#include <errno.h>
#include <nettle/nettle-meta.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"

/* A package of chunks of 2 GB, as large as the largest disk, has fewer files. */
#define MAX_ENTRIES 8192u
#define MAX_DIGEST 64u /* SHA-512 */
/* Small enough that a guest's own reads of the same disk are not held up. */
#define READ_SIZE (128u << 10)

static const struct algorithm {
	const char *name;
	unsigned length; /* of the digest, in bytes */
	const struct nettle_hash *hash;
} algorithms[] = {
	{ "SHA1", 20, &nettle_sha1 },
	{ "SHA256", 32, &nettle_sha256 },
	{ "SHA512", 64, &nettle_sha512 },
};

struct entry {
	const struct algorithm *algorithm;
	char *name;
	uint8_t digest[MAX_DIGEST];
};

struct manifest {
	const struct files *files;
	struct entry *entries;
	unsigned count;

	/* the check, as far as it is */
	unsigned current;
	struct file file;
	void *hash; /* the algorithm's context; NULL: the current file is not open */
	uint64_t offset;
	uint64_t bytes_done;
	uint8_t *buffer;
};

/* ---- parsing ---- */

struct line {
	const char *text, *end;
	const char *name; /* of the manifest, for errors */
	unsigned number;
};

static int line_error(const struct line *line, struct error *e, const char *what)
{
	return error_set(e, -EINVAL, "%s, line %u: %s. A line of a manifest is: SHA256(name)= digits", line->name,
	                 line->number, what);
}

/* "SHA256", "sha-256" */
static const struct algorithm *find_algorithm(const char *text, size_t length)
{
	char word[8];
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '-')
			continue;
		if (n == sizeof(word) - 1)
			return NULL;
		word[n++] = text[i];
	}
	word[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (!strcasecmp(word, algorithms[i].name))
			return &algorithms[i];
	return NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_digest(const char *digits, const char *end, struct entry *entry)
{
	if ((size_t)(end - digits) != 2 * entry->algorithm->length)
		return false;
	for (unsigned i = 0; i < entry->algorithm->length; i++) {
		int high = hex_digit(digits[2 * i]), low = hex_digit(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		entry->digest[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static const char *skip_blanks(const char *text, const char *end)
{
	while (text < end && isspace((unsigned char)*text))
		text++;
	return text;
}

static const char *cut_blanks(const char *text, const char *end)
{
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	return end;
}

/* The name may hold brackets and equal signs, the digest none: so the line is taken apart from both its ends. */
static int parse_line(const struct line *line, struct entry *ret_entry, struct error *e)
{
	const char *open = memchr(line->text, '(', (size_t)(line->end - line->text));
	const char *sign = memrchr(line->text, '=', (size_t)(line->end - line->text));
	const char *close, *name;
	struct entry entry = { 0 };

	if (!open || !sign || sign < open)
		return line_error(line, e, "this names no file and its digest");
	close = cut_blanks(open + 1, sign) - 1;
	if (close <= open || *close != ')')
		return line_error(line, e, "the file's name is not in brackets");
	entry.algorithm = find_algorithm(line->text, (size_t)(cut_blanks(line->text, open) - line->text));
	if (!entry.algorithm)
		return line_error(line, e, "the digest is none of SHA1, SHA256 and SHA512");
	if (!read_digest(skip_blanks(sign + 1, line->end), line->end, &entry))
		return line_error(line, e, "the digest has not as many hexadecimal digits as it should");
	name = skip_blanks(open + 1, close);
	close = cut_blanks(name, close);
	if (name == close || memchr(name, '\0', (size_t)(close - name)))
		return line_error(line, e, "the file has no name");
	entry.name = strndup(name, (size_t)(close - name));
	if (!entry.name)
		return error_set(e, -ENOMEM, "%s: out of memory", line->name);
	*ret_entry = entry;
	return 0;
}

static int add_line(struct manifest *m, struct line *line, struct error *e)
{
	struct entry *entries;
	int r;

	line->text = skip_blanks(line->text, line->end);
	line->end = cut_blanks(line->text, line->end);
	if (line->text == line->end)
		return 0;
	if (m->count == MAX_ENTRIES)
		return error_set(e, -EFBIG, "%s: more than %u files are listed", line->name, MAX_ENTRIES);
	entries = reallocarray(m->entries, m->count + 1, sizeof(*entries));
	if (!entries)
		return error_set(e, -ENOMEM, "%s: out of memory", line->name);
	m->entries = entries;
	r = parse_line(line, &m->entries[m->count], e);
	if (!r)
		m->count++;
	return r;
}

/* Lines end in LF, CR LF or CR. */
static int parse_lines(struct manifest *m, const char *text, const char *end, const char *name, struct error *e)
{
	unsigned number = 0;
	int r = 0;

	while (text < end && !r) {
		struct line line = { .text = text, .name = name, .number = ++number };

		while (text < end && *text != '\n' && *text != '\r')
			text++;
		line.end = text;
		if (text < end)
			text += text + 1 < end && text[0] == '\r' && text[1] == '\n' ? 2 : 1;
		r = add_line(m, &line, e);
	}
	return r;
}

int manifest_parse(const char *text, size_t length, const char *name, const struct files *files,
                   struct manifest **ret_manifest, struct error *e)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct manifest *m = calloc(1, sizeof(*m));
	const char *end = text + length;
	int r;

	if (!m)
		return error_set(e, -ENOMEM, "%s: out of memory", name);
	m->files = files;
	m->file = FILE_CLOSED;
	if (length >= 3 && !memcmp(text, byte_order_mark, 3))
		text += 3;
	r = parse_lines(m, text, end, name, e);
	if (r < 0)
		manifest_free(m);
	else
		*ret_manifest = m;
	return r;
}

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->count; i++)
		free(m->entries[i].name);
	free(m->entries);
	file_close(&m->file);
	free(m->hash);
	free(m->buffer);
	free(m);
}

unsigned manifest_count(const struct manifest *m)
{
	return m->count;
}

uint64_t manifest_bytes_done(const struct manifest *m)
{
	return m->bytes_done;
}

/* ---- checking ---- */

static int begin_file(struct manifest *m, struct error *e)
{
	const struct entry *entry = &m->entries[m->current];
	int r = files_open(m->files, entry->name, &m->file, e);

	if (r < 0)
		return error_set(e, r, "%s, which the manifest lists, cannot be opened: %s", entry->name, strerror(-r));
	m->offset = 0;
	m->hash = malloc(entry->algorithm->hash->context_size);
	if (!m->buffer)
		m->buffer = malloc(READ_SIZE);
	if (!m->hash || !m->buffer)
		return error_set(e, -ENOMEM, "%s: out of memory", entry->name);
	entry->algorithm->hash->init(m->hash);
	return 0;
}

static void leave_file(struct manifest *m)
{
	free(m->hash);
	m->hash = NULL;
	file_close(&m->file);
	m->current++;
}

static int compare_digest(struct manifest *m, struct error *e)
{
	const struct entry *entry = &m->entries[m->current];
	uint8_t digest[MAX_DIGEST];

	entry->algorithm->hash->digest(m->hash, entry->algorithm->length, digest);
	if (memcmp(digest, entry->digest, entry->algorithm->length))
		return error_set(e, -EBADMSG,
		                 "%s is not what its maker published: its %s digest differs from the "
		                 "manifest's. It was damaged or changed on its way. Download it again.",
		                 m->file.name, entry->algorithm->name);
	return 0;
}

/* Hashes up to *budget bytes more of the current file. 1: there is more of it. */
static int read_on(struct manifest *m, size_t *budget, struct error *e)
{
	while (m->offset < m->file.size && *budget) {
		size_t length = (size_t)MIN(MIN(m->file.size - m->offset, READ_SIZE), *budget);
		int r = file_read(&m->file, m->offset, m->buffer, length);

		if (r < 0)
			return error_set(e, r, "%s cannot be read at byte %llu: %s", m->file.name,
			                 (unsigned long long)m->offset, strerror(-r));
		m->entries[m->current].algorithm->hash->update(m->hash, length, m->buffer);
		m->offset += length;
		m->bytes_done += length;
		*budget -= length;
	}
	return m->offset < m->file.size;
}

int manifest_check_step(struct manifest *m, size_t budget, struct error *e)
{
	int r;

	if (m->current == m->count)
		return 0;
	r = m->hash ? 0 : begin_file(m, e);
	if (!r)
		r = read_on(m, &budget, e);
	if (r > 0)
		return 1;
	if (!r)
		r = compare_digest(m, e);
	leave_file(m);
	return r < 0 ? r : m->current < m->count;
}
