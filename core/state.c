/* SPDX-License-Identifier: MIT */
/*
 * Stream: fields one after the other, each: u8 length of the name, the name, u32 length (little endian), the bytes. A section is
 * a field named "=name" whose bytes are its version.
 */
#include "core/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmformat/bytes.h"

struct state {
	uint8_t *data; /* save: ours; load: borrowed */
	size_t length; /* save: bytes written; load: bytes there are */
	size_t room;   /* save: allocated */
	size_t at;     /* load: where the next field begins */
	bool loading;
	int error;
	char section[32];
	char text[160];
};

struct state *state_new_save(void)
{
	return calloc(1, sizeof(struct state));
}

struct state *state_new_load(const void *data, size_t length)
{
	struct state *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->data = (uint8_t *)data; /* never written while loading */
	s->length = length;
	s->loading = true;
	return s;
}

void state_free(struct state *s)
{
	if (!s)
		return;
	if (!s->loading)
		free(s->data);
	free(s);
}

const void *state_data(const struct state *s, size_t *ret_length)
{
	*ret_length = s->length;
	return s->data;
}

bool state_loading(const struct state *s)
{
	return s->loading;
}

int state_error(const struct state *s)
{
	return s->error;
}

const char *state_error_text(const struct state *s)
{
	return s->text;
}

int state_fail(struct state *s, int code, const char *field)
{
	if (!s->error) {
		s->error = code;
		snprintf(s->text, sizeof(s->text), "saved state of %s: field %s does not fit this version of Vitrine",
		         s->section[0] ? s->section : "the machine", field);
	}
	return s->error;
}

static void append(struct state *s, const void *bytes, size_t length)
{
	if (s->error)
		return;
	if (s->room - s->length < length) {
		size_t room = (s->length + length) * 2;
		uint8_t *data = realloc(s->data, room);

		if (!data) {
			state_fail(s, -ENOMEM, "(no memory)");
			return;
		}
		s->data = data;
		s->room = room;
	}
	if (length)
		memcpy(s->data + s->length, bytes, length);
	s->length += length;
}

static void save_field(struct state *s, const char *name, const void *bytes, size_t length)
{
	uint8_t name_length = (uint8_t)strlen(name), raw[4];

	le32_store(raw, (uint32_t)length);
	append(s, &name_length, 1);
	append(s, name, name_length);
	append(s, raw, 4);
	append(s, bytes, length);
}

/* Finds the next field, which must have this name; returns its bytes and moves on. */
static const uint8_t *load_field(struct state *s, const char *name, size_t *ret_length)
{
	size_t name_length = strlen(name), left = s->length - s->at;
	const uint8_t *at = s->data + s->at;
	uint32_t length;

	if (s->error)
		return NULL;
	if (left < 1 + name_length + 4 || at[0] != name_length || memcmp(at + 1, name, name_length)) {
		state_fail(s, -EINVAL, name);
		return NULL;
	}
	length = le32_load(at + 1 + name_length);
	if (length > left - 5 - name_length) {
		state_fail(s, -EINVAL, name);
		return NULL;
	}
	s->at += 5 + name_length + length;
	*ret_length = length;
	return at + 5 + name_length;
}

void state_buffer(struct state *s, const char *name, void *v, size_t *length, size_t max)
{
	size_t found;
	const uint8_t *bytes;

	if (!s->loading) {
		save_field(s, name, v, *length);
		return;
	}
	bytes = load_field(s, name, &found);
	if (!bytes)
		return;
	if (found > max) {
		state_fail(s, -EINVAL, name);
		return;
	}
	memcpy(v, bytes, found);
	*length = found;
}

void state_bytes(struct state *s, const char *name, void *v, size_t length)
{
	size_t found;
	const uint8_t *bytes;

	if (!s->loading) {
		save_field(s, name, v, length);
		return;
	}
	bytes = load_field(s, name, &found);
	if (bytes && found == length)
		memcpy(v, bytes, length);
	else if (bytes)
		state_fail(s, -EINVAL, name);
}

/* Numbers are stored with their own width, so that a field that changed its type is noticed. */
static uint64_t number(struct state *s, const char *name, uint64_t v, size_t width)
{
	uint8_t raw[8];

	le64_store(raw, v);
	state_bytes(s, name, raw, width);
	if (s->error)
		return v;
	memset(raw + width, 0, sizeof(raw) - width);
	return le64_load(raw);
}

void state_u8(struct state *s, const char *name, uint8_t *v)
{
	*v = (uint8_t)number(s, name, *v, 1);
}

void state_u16(struct state *s, const char *name, uint16_t *v)
{
	*v = (uint16_t)number(s, name, *v, 2);
}

void state_u32(struct state *s, const char *name, uint32_t *v)
{
	*v = (uint32_t)number(s, name, *v, 4);
}

void state_u64(struct state *s, const char *name, uint64_t *v)
{
	*v = number(s, name, *v, 8);
}

void state_bool(struct state *s, const char *name, bool *v)
{
	uint64_t value = number(s, name, *v, 1);

	if (value > 1)
		state_fail(s, -EINVAL, name);
	else
		*v = value;
}

void state_section(struct state *s, const char *name, unsigned version)
{
	char field[40];
	uint32_t found = version;

	snprintf(s->section, sizeof(s->section), "%s", name);
	snprintf(field, sizeof(field), "=%s", name);
	state_u32(s, field, &found);
	if (found != version)
		state_fail(s, -EINVAL, field);
}
