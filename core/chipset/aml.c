/* SPDX-License-Identifier: MIT */
#include "core/chipset/aml.h"

#include <assert.h>
#include <ctype.h>

#include "vmformat/bytes.h"

/* ---- bytes ---- */

void aml_bytes(struct aml *a, const void *bytes, size_t count)
{
	if (count > a->size - a->used) {
		a->full = true;
		return;
	}
	memcpy(a->data + a->used, bytes, count);
	a->used += count;
}

void aml_byte(struct aml *a, uint8_t byte)
{
	aml_bytes(a, &byte, 1);
}

/* Makes room for bytes in front of what has been written since `at`. */
static void insert(struct aml *a, size_t at, const uint8_t *bytes, size_t count)
{
	if (count > a->size - a->used) {
		a->full = true;
		return;
	}
	memmove(a->data + at + count, a->data + at, a->used - at);
	memcpy(a->data + at, bytes, count);
	a->used += count;
}

void aml_op(struct aml *a, enum aml_op op)
{
	if (op > 0xff)
		aml_byte(a, (uint8_t)(op >> 8));
	aml_byte(a, (uint8_t)op);
}

/* ---- data ---- */

static size_t encode_integer(uint8_t to[5], uint32_t value)
{
	le32_store(to + 1, value);
	if (value <= 1) {
		to[0] = (uint8_t)value; /* ZeroOp, OneOp */
		return 1;
	}
	to[0] = value <= 0xff ? 0x0a : value <= 0xffff ? 0x0b : 0x0c;
	return value <= 0xff ? 2 : value <= 0xffff ? 3 : 5;
}

void aml_integer(struct aml *a, uint32_t value)
{
	uint8_t raw[5];

	aml_bytes(a, raw, encode_integer(raw, value));
}

void aml_string(struct aml *a, const char *text)
{
	aml_byte(a, 0x0d);
	aml_bytes(a, text, strlen(text) + 1);
}

static unsigned hex_digit(char c)
{
	return isdigit((unsigned char)c) ? (unsigned)c - '0' : (unsigned)toupper((unsigned char)c) - 'A' + 10;
}

/* Three letters of five bits and four hex digits, the first byte first (ACPI 6.5, 19.3.4). Always a DWORD: SeaBIOS looks for
 * it so. */
void aml_eisa_id(struct aml *a, const char id[7])
{
	uint8_t raw[5] = { 0x0c };

	be16_store(raw + 1, (uint16_t)((id[0] - '@') << 10 | (id[1] - '@') << 5 | (id[2] - '@')));
	raw[3] = (uint8_t)(hex_digit(id[3]) << 4 | hex_digit(id[4]));
	raw[4] = (uint8_t)(hex_digit(id[5]) << 4 | hex_digit(id[6]));
	aml_bytes(a, raw, sizeof(raw));
}

/* ---- names ---- */

void aml_path(struct aml *a, const char *path)
{
	unsigned parts = 1;

	for (; *path == '\\' || *path == '^'; path++)
		aml_byte(a, (uint8_t)*path);
	if (!*path) {
		aml_byte(a, 0); /* NullName */
		return;
	}
	for (const char *at = path; *at; at++)
		parts += *at == '.';
	if (parts == 2) {
		aml_byte(a, 0x2e); /* DualNamePrefix */
	} else if (parts > 2) {
		aml_byte(a, 0x2f); /* MultiNamePrefix */
		aml_byte(a, (uint8_t)parts);
	}
	while (*path) {
		char part[4] = { '_', '_', '_', '_' };
		size_t length = strcspn(path, ".");

		assert(length && length <= 4);
		memcpy(part, path, length);
		aml_bytes(a, part, sizeof(part));
		path += length + (path[length] == '.');
	}
}

/* ---- lengths ---- */

/* PkgLength (ACPI 6.5, 20.2.4) of content and, except for a field's bits, itself: as short as it can be. */
static size_t encode_length(uint8_t to[4], size_t content, bool with_itself)
{
	size_t bytes = 1, value;

	while (content + (with_itself ? bytes : 0) >= (bytes == 1 ? 0x40u : 1u << (4 + 8 * (bytes - 1))))
		bytes++;
	value = content + (with_itself ? bytes : 0);
	to[0] = (uint8_t)(bytes == 1 ? value : (bytes - 1) << 6 | (value & 0x0f));
	for (size_t i = 1; i < bytes; i++)
		to[i] = (uint8_t)(value >> (4 + 8 * (i - 1)));
	return bytes;
}

static void begin_at(struct aml *a, bool resources)
{
	assert(a->depth < AML_DEPTH);
	a->open[a->depth].at = a->used;
	a->open[a->depth++].resources = resources;
}

void aml_begin(struct aml *a, enum aml_op op)
{
	aml_op(a, op);
	begin_at(a, false);
}

void aml_end(struct aml *a)
{
	uint8_t raw[5];
	size_t at;

	assert(a->depth);
	at = a->open[--a->depth].at;
	if (a->open[a->depth].resources) {
		aml_bytes(a, "\x79", 2); /* end tag; checksum 0: not to be checked */
		insert(a, at, raw, encode_integer(raw, (uint32_t)(a->used - at)));
	}
	insert(a, at, raw, encode_length(raw, a->used - at, true));
}

void aml_begin_named(struct aml *a, enum aml_op op, const char *path)
{
	aml_begin(a, op);
	aml_path(a, path);
}

void aml_begin_method(struct aml *a, const char *name, unsigned arguments)
{
	aml_begin_named(a, AML_METHOD, name);
	aml_byte(a, (uint8_t)arguments);
}

void aml_begin_package(struct aml *a, unsigned elements)
{
	assert(elements <= 0xff);
	aml_begin(a, AML_PACKAGE);
	aml_byte(a, (uint8_t)elements);
}

void aml_field(struct aml *a, const char *name, unsigned bits)
{
	uint8_t raw[4];

	aml_path(a, name);
	aml_bytes(a, raw, encode_length(raw, bits, false));
}

/* ---- named objects ---- */

void aml_name(struct aml *a, const char *name)
{
	aml_op(a, AML_NAME);
	aml_path(a, name);
}

void aml_name_integer(struct aml *a, const char *name, uint32_t value)
{
	aml_name(a, name);
	aml_integer(a, value);
}

void aml_name_eisa_id(struct aml *a, const char *name, const char id[7])
{
	aml_name(a, name);
	aml_eisa_id(a, id);
}

/* ---- resources ---- */

void aml_begin_resources(struct aml *a)
{
	aml_op(a, AML_BUFFER);
	begin_at(a, true);
}

/* 6.4.2.5: 16 bits decoded, at this address only. */
void aml_ports(struct aml *a, uint16_t base, uint8_t count)
{
	uint8_t raw[8] = { 0x47, 1 };

	le16_store(raw + 2, base);
	le16_store(raw + 4, base);
	raw[6] = 1;
	raw[7] = count;
	aml_bytes(a, raw, sizeof(raw));
}

/* 6.4.2.1, without flags. */
void aml_isa_irq(struct aml *a, unsigned irq)
{
	uint8_t raw[3] = { 0x22 };

	le16_store(raw + 1, (uint16_t)(1u << irq));
	aml_bytes(a, raw, sizeof(raw));
}

/* 6.4.3.6, extended interrupt: the first number is at byte 5. */
void aml_interrupts(struct aml *a, const uint8_t *irqs, unsigned count)
{
	uint8_t raw[5] = { 0x89 }, number[4];

	le16_store(raw + 1, (uint16_t)(2 + 4 * count));
	raw[3] = 0x09; /* consumer, level, active high, shared */
	raw[4] = (uint8_t)count;
	aml_bytes(a, raw, sizeof(raw));
	for (unsigned i = 0; i < count; i++) {
		le32_store(number, irqs[i]);
		aml_bytes(a, number, sizeof(number));
	}
}

#define WINDOW_FIXED 0x0c /* producer, positive decoding, both ends fixed */

/* 6.4.3.5.3 (words: buses, ports) and 6.4.3.5.2 (double words: memory). */
void aml_window(struct aml *a, enum aml_space space, uint32_t first, uint32_t last, bool cacheable)
{
	unsigned width = space == AML_SPACE_MEMORY ? 4 : 2;
	const uint32_t fields[5] = { 0 /* granularity */, first, last, 0 /* translation */, last - first + 1 };
	uint8_t raw[6 + 5 * 4] = { space == AML_SPACE_MEMORY ? 0x87 : 0x88 };

	le16_store(raw + 1, (uint16_t)(3 + 5 * width));
	raw[3] = (uint8_t)space;
	raw[4] = WINDOW_FIXED;
	raw[5] = space == AML_SPACE_MEMORY  ? (cacheable ? 0x03 : 0x01) /* read and write */
	         : space == AML_SPACE_PORTS ? 0x03                      /* ISA and other ports */
	                                    : 0;
	for (unsigned i = 0; i < 5; i++) {
		if (width == 4)
			le32_store(raw + 6 + 4 * i, fields[i]);
		else
			le16_store(raw + 6 + 2 * i, (uint16_t)fields[i]);
	}
	aml_bytes(a, raw, 6 + 5 * width);
}
