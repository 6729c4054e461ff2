/* SPDX-License-Identifier: MIT */
/*
 * The dictionary under a .vmx. A line is empty, a comment (`#`, so also the `#!/usr/bin/vmware` of old Linux versions),
 * or `key = value`, where value is "quoted" or bare and a comment may follow. In a value |XX is the byte XX (VMware
 * writes '"' as |22, '|' as |7C and a line end as |0A).
 */
#include "vmformat/vmx_text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* Where the parser is in the text. */
struct cursor {
	struct vmx_file *vmx;
	size_t at, line_start, line_end; /* line_end: before '\n' and a '\r' in front of it */
	unsigned line;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static bool is_key_character(char c)
{
	return (unsigned char)c > ' ' && (unsigned char)c < 0x7f && c != '=' && c != '"' && c != '#';
}

/* Counts characters, as an editor does, if the text is UTF-8; bytes otherwise. */
static unsigned column(const struct cursor *c)
{
	bool utf8 = utf8_valid(c->vmx->text + c->line_start, c->line_end - c->line_start);
	unsigned n = 1;

	for (size_t i = c->line_start; i < c->at; i++)
		n += !(utf8 && (c->vmx->text[i] & 0xc0) == 0x80);
	return n;
}

static int syntax_error(const struct cursor *c, struct error *e, const char *what)
{
	return error_set(e, -EINVAL, "%s: line %u, column %u: %s. A line of this file is written: key = \"value\"",
	                 c->vmx->name, c->line, column(c), what);
}

static char peek(const struct cursor *c)
{
	return c->at < c->line_end ? c->vmx->text[c->at] : '\0';
}

static void skip_blanks(struct cursor *c)
{
	while (is_blank(peek(c)))
		c->at++;
}

/* ---- lines and tokens ---- */

static struct vmx_entry *add_entry(struct vmx_file *vmx)
{
	if (vmx->count == vmx->allocated) {
		size_t allocated = vmx->allocated ? vmx->allocated * 2 : 128;
		struct vmx_entry *entries = reallocarray(vmx->entries, allocated, sizeof(*entries));

		if (!entries)
			return NULL;
		vmx->entries = entries;
		vmx->allocated = allocated;
	}
	vmx->entries[vmx->count] = (struct vmx_entry){ 0 };
	return &vmx->entries[vmx->count++];
}

static int parse_key(struct cursor *c, struct vmx_entry *entry, struct error *e)
{
	size_t start = c->at;

	while (is_key_character(peek(c)))
		c->at++;
	if (c->at == start)
		return syntax_error(c, e,
		                    peek(c) == '=' ? "there is no key before the '='" : "this cannot begin a key");
	if (c->at - start > VMX_MAX_KEY)
		return syntax_error(c, e, "the key is too long");
	entry->key = strndup(c->vmx->text + start, c->at - start);
	if (!entry->key)
		return error_set(e, -ENOMEM, "%s: out of memory", c->vmx->name);
	skip_blanks(c);
	if (peek(c) != '=')
		return syntax_error(c, e, "a '=' is missing after the key");
	c->at++;
	skip_blanks(c);
	return 0;
}

static int parse_quoted(struct cursor *c, struct vmx_entry *entry, struct error *e)
{
	const char *opening = c->vmx->text + c->at;
	const char *closing = memchr(opening + 1, '"', c->line_end - c->at - 1);

	if (!closing)
		return syntax_error(c, e, "this quotation mark is not closed (inside a value it is written |22)");
	c->at = (size_t)(closing + 1 - c->vmx->text);
	entry->end = c->at;
	skip_blanks(c);
	if (peek(c) && peek(c) != '#')
		return syntax_error(c, e, "text follows the closing quotation mark (inside a value it is written |22)");
	return 0;
}

/* Up to a comment or the end of the line, without the blanks before it. */
static int parse_bare(struct cursor *c, struct vmx_entry *entry, struct error *e)
{
	size_t end = c->at;

	for (; c->at < c->line_end; c->at++) {
		if (peek(c) == '"')
			return syntax_error(c, e, "a quotation mark inside a value that does not begin with one");
		if (peek(c) == '#' && (c->at == entry->start || is_blank(c->vmx->text[c->at - 1])))
			break;
		if (!is_blank(peek(c)))
			end = c->at + 1;
	}
	entry->end = end;
	return 0;
}

static int parse_line(struct cursor *c, struct error *e)
{
	struct vmx_entry *entry;
	int r;

	skip_blanks(c);
	if (c->at == c->line_end || peek(c) == '#')
		return 0;
	if (c->vmx->count == VMX_MAX_KEYS)
		return error_set(e, -EFBIG, "%s: more than %u keys; this is no description of a machine", c->vmx->name,
		                 VMX_MAX_KEYS);
	entry = add_entry(c->vmx);
	if (!entry)
		return error_set(e, -ENOMEM, "%s: out of memory", c->vmx->name);
	entry->line = c->line;
	r = parse_key(c, entry, e);
	if (r < 0)
		return r;
	entry->start = c->at;
	return peek(c) == '"' ? parse_quoted(c, entry, e) : parse_bare(c, entry, e);
}

static int parse_lines(struct vmx_file *vmx, struct error *e)
{
	struct cursor c = { .vmx = vmx };
	size_t next = 0;
	const char *nul = memchr(vmx->text, '\0', vmx->length);

	if (vmx->length >= 3 && !memcmp(vmx->text, BYTE_ORDER_MARK, 3))
		next = 3;
	while (next < vmx->length) {
		const char *newline = memchr(vmx->text + next, '\n', vmx->length - next);
		int r;

		c.line++;
		c.at = c.line_start = next;
		c.line_end = newline ? (size_t)(newline - vmx->text) : vmx->length;
		next = c.line_end + 1;
		if (nul && nul < vmx->text + c.line_end) {
			c.at = (size_t)(nul - vmx->text);
			return syntax_error(&c, e, "a zero byte: this is not a text, or it was damaged");
		}
		if (c.line_end > c.line_start && vmx->text[c.line_end - 1] == '\r')
			c.line_end--;
		r = parse_line(&c, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- values ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* The byte that the three characters |XX mean, -1: they are no escape. |00 is none: a text cannot hold it. */
static int escaped_byte(const char *p)
{
	int high, low;

	if (p[0] != '|')
		return -1;
	high = hex_digit(p[1]);
	low = high < 0 ? -1 : hex_digit(p[2]);
	return low < 0 || high * 16 + low == 0 ? -1 : high * 16 + low;
}

/* A run of escapes of 0x80 and above at *from spells characters in the text's encoding. Returns where to go on. */
static char *unescape_run(const struct vmx_file *vmx, const char **from, char *to, bool *damaged)
{
	size_t length = 0;
	char *bytes, *decoded;

	while (escaped_byte(*from + 3 * length) >= 0x80)
		length++;
	bytes = malloc(length);
	if (!bytes)
		return NULL;
	for (size_t i = 0; i < length; i++, *from += 3)
		bytes[i] = (char)escaped_byte(*from);
	decoded = vmx_decode(vmx->encoding, bytes, length, damaged);
	free(bytes);
	if (!decoded)
		return NULL;
	/* Fits, but without its NUL: no byte becomes more than the three characters that spelt it. */
	to = mempcpy(to, decoded, strlen(decoded));
	free(decoded);
	return to;
}

/* In place: what an escape stands for is never longer than the escape. */
static int unescape(const struct vmx_file *vmx, char *text, bool *damaged)
{
	const char *from = strchrnul(text, '|');
	char *to = (char *)from;

	while (*from) {
		int byte = escaped_byte(from);

		if (byte < 0) {
			*to++ = *from++;
		} else if (byte < 0x80) {
			*to++ = (char)byte;
			from += 3;
		} else {
			to = unescape_run(vmx, &from, to, damaged);
			if (!to)
				return -ENOMEM;
		}
	}
	*to = '\0';
	return 0;
}

static int decode_value(const struct vmx_file *vmx, struct vmx_entry *entry)
{
	bool quoted = entry->end > entry->start && vmx->text[entry->start] == '"';
	size_t start = entry->start + quoted, end = entry->end - quoted;

	free(entry->value);
	entry->value = vmx_decode(vmx->encoding, vmx->text + start, end - start, &entry->damaged);
	return entry->value ? unescape(vmx, entry->value, &entry->damaged) : -ENOMEM;
}

/* Without `.encoding` VMware takes the host's; we take UTF-8 if the text is that, else what most Windows hosts had. */
static int decode_values(struct vmx_file *vmx)
{
	bool utf8 = utf8_valid(vmx->text, vmx->length);
	int r = 0;

	vmx->encoding = utf8 ? VMX_UTF_8 : VMX_WINDOWS_1252;
	for (size_t i = 0; i < vmx->count && !r; i++)
		if (!strcasecmp(vmx->entries[i].key, ".encoding")) {
			r = decode_value(vmx, &vmx->entries[i]);
			if (!r)
				vmx->encoding = vmx_encoding_find(vmx->entries[i].value);
		}
	for (size_t i = 0; i < vmx->count && !r; i++)
		if (!vmx->entries[i].value)
			r = decode_value(vmx, &vmx->entries[i]);
	return r;
}

/* ---- lookup ---- */

static int compare_entries(const void *a, const void *b)
{
	const struct vmx_entry *x = *(const struct vmx_entry *const *)a, *y = *(const struct vmx_entry *const *)b;
	int r = strcasecmp(x->key, y->key);

	return r ? r : (x > y) - (x < y);
}

static int sort_entries(struct vmx_file *vmx)
{
	vmx->sorted = calloc(vmx->count + 1, sizeof(*vmx->sorted));
	if (!vmx->sorted)
		return -ENOMEM;
	for (size_t i = 0; i < vmx->count; i++)
		vmx->sorted[i] = &vmx->entries[i];
	qsort(vmx->sorted, vmx->count, sizeof(*vmx->sorted), compare_entries);
	return 0;
}

const struct vmx_entry *vmx_find(const struct vmx_file *vmx, const char *key)
{
	size_t low = 0, high = vmx->count;

	while (low < high) { /* the first entry after all that are less or equal */
		size_t middle = low + (high - low) / 2;

		if (strcasecmp(vmx->sorted[middle]->key, key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low && !strcasecmp(vmx->sorted[low - 1]->key, key) ? vmx->sorted[low - 1] : NULL;
}

const char *vmx_get(const struct vmx_file *vmx, const char *key)
{
	const struct vmx_entry *entry = vmx_find(vmx, key);

	return entry ? entry->value : NULL;
}

const char *vmx_text(const struct vmx_file *vmx, size_t *ret_length)
{
	*ret_length = vmx->length;
	return vmx->text;
}

/* ---- life ---- */

int vmx_parse(const char *text, size_t length, const char *name, struct vmx_file **ret_vmx, struct error *e)
{
	struct vmx_file *vmx;
	int r;

	if (length > VMX_MAX_SIZE)
		return error_set(e, -EFBIG, "%s: %zu bytes are too many for a .vmx text (the limit is %u)", name,
		                 length, VMX_MAX_SIZE);
	vmx = calloc(1, sizeof(*vmx));
	if (!vmx)
		return error_set(e, -ENOMEM, "%s: out of memory", name);
	vmx->name = strdup(name);
	vmx->text = malloc(length + 1);
	vmx->length = length;
	r = vmx->name && vmx->text ? 0 : -ENOMEM;
	if (!r) {
		memcpy(vmx->text, text, length);
		vmx->text[length] = '\0';
		r = parse_lines(vmx, e);
	}
	if (!r)
		r = decode_values(vmx);
	if (!r)
		r = sort_entries(vmx);
	if (r < 0) {
		vmx_free(vmx);
		return error_set(e, r, "%s: %s", name, strerror(-r));
	}
	*ret_vmx = vmx;
	return 0;
}

static void release(struct vmx_file *vmx)
{
	for (size_t i = 0; i < vmx->count; i++) {
		free(vmx->entries[i].key);
		free(vmx->entries[i].value);
	}
	free(vmx->entries);
	free(vmx->sorted);
	free(vmx->text);
	free(vmx->name);
}

void vmx_free(struct vmx_file *vmx)
{
	if (!vmx)
		return;
	release(vmx);
	free(vmx);
}

/* ---- writing ---- */

static bool needs_escape(char c)
{
	return c == '"' || c == '|' || (unsigned char)c < 0x20 || c == 0x7f;
}

char *vmx_quote(const char *value)
{
	char *quoted = malloc(strlen(value) * 3 + 3), *to = quoted;

	if (!quoted)
		return NULL;
	*to++ = '"';
	for (; *value; value++)
		if (needs_escape(*value))
			to += sprintf(to, "|%02X", (unsigned char)*value);
		else
			*to++ = *value;
	*to++ = '"';
	*to = '\0';
	return quoted;
}

static const char *line_ending(const struct vmx_file *vmx)
{
	const char *newline = memchr(vmx->text, '\n', vmx->length);

	return newline && newline > vmx->text && newline[-1] == '\r' ? "\r\n" : "\n";
}

/* The text with the bytes from start to end replaced; malloc'ed. */
static char *splice(const struct vmx_file *vmx, size_t start, size_t end, const char *with, size_t *ret_length)
{
	size_t inserted = strlen(with);
	char *text = malloc(vmx->length - (end - start) + inserted + 1), *to = text;

	if (!text)
		return NULL;
	to = mempcpy(to, vmx->text, start);
	to = mempcpy(to, with, inserted);
	to = mempcpy(to, vmx->text + end, vmx->length - end);
	*ret_length = (size_t)(to - text);
	return text;
}

/* The text with the value of key replaced, or a line for it at the end. */
static char *edited_text(const struct vmx_file *vmx, const char *key, const char *value, size_t *ret_length)
{
	const struct vmx_entry *entry = vmx_find(vmx, key);
	const char *ending = line_ending(vmx);
	bool open_line = vmx->length && vmx->text[vmx->length - 1] != '\n';
	char *line, *text;

	if (entry)
		return splice(vmx, entry->start, entry->end, value, ret_length);
	if (asprintf(&line, "%s%s = %s%s", open_line ? ending : "", key, value, ending) < 0)
		return NULL;
	text = splice(vmx, vmx->length, vmx->length, line, ret_length);
	free(line);
	return text;
}

static bool is_key(const char *key)
{
	size_t n = 0;

	while (is_key_character(key[n]))
		n++;
	return n && n <= VMX_MAX_KEY && !key[n];
}

/* Parsing the new text again is what keeps all positions right; a .vmx is small. It also shows whether the value can be
 * read back: code pages have characters that are written alike, and a text without .encoding is told by its bytes. */
static int reparse(struct vmx_file *vmx, const char *text, size_t length, const char *key, const char *value,
                   struct error *e)
{
	struct vmx_file *fresh;
	int r = vmx_parse(text, length, vmx->name, &fresh, e);

	if (r < 0)
		return r;
	if (strcmp(vmx_get(fresh, key), value) != 0) {
		vmx_free(fresh);
		return -EILSEQ;
	}
	release(vmx);
	*vmx = *fresh;
	free(fresh);
	return 0;
}

int vmx_set(struct vmx_file *vmx, const char *key, const char *value, struct error *e)
{
	char *quoted = NULL, *encoded = NULL, *text = NULL;
	size_t length;
	int r;

	if (!is_key(key) || !strcasecmp(key, ".encoding"))
		return error_set(e, -EINVAL, "%s: \"%s\" is not a key that can be set", vmx->name, key);
	quoted = vmx_quote(value);
	r = quoted ? vmx_encode(vmx->encoding, quoted, &encoded) : -ENOMEM;
	if (!r) {
		text = edited_text(vmx, key, encoded, &length);
		r = text ? reparse(vmx, text, length, key, value, e) : -ENOMEM;
	}
	if (r == -EILSEQ)
		error_set(e, r,
		          "%s: \"%s\" has characters that the encoding of this file lacks (see its .encoding line)",
		          vmx->name, value);
	free(text);
	free(encoded);
	free(quoted);
	return r < 0 ? error_set(e, r, "%s: %s", vmx->name, strerror(-r)) : 0;
}
