/* SPDX-License-Identifier: MIT */
/*
 * Saved state: a stream of named fields. The same calls save and load, so the order and names of a device's fields are written
 * once. A field's name is checked on load: a stream of another version fails in words, never silently. All loaded data is
 * foreign: lengths are checked here, values by the device.
 */
#ifndef VITRINE_STATE_H
#define VITRINE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/error.h"

struct state;

struct state *state_new_save(void);                            /* NULL: no memory */
struct state *state_new_load(const void *data, size_t length); /* data is borrowed */
void state_free(struct state *s);
const void *state_data(const struct state *s, size_t *ret_length); /* of a save; borrowed */

bool state_loading(const struct state *s);
/* The first failure sticks: later calls do nothing, and a load leaves its target as it was. */
int state_error(const struct state *s);
const char *state_error_text(const struct state *s);
/* Marks the stream bad (a device refuses a value); returns code. */
int state_fail(struct state *s, int code, const char *field);

void state_section(struct state *s, const char *name,
                   unsigned version); /* begins a device: name and version must match */
void state_u8(struct state *s, const char *name, uint8_t *v);
void state_u16(struct state *s, const char *name, uint16_t *v);
void state_u32(struct state *s, const char *name, uint32_t *v);
void state_u64(struct state *s, const char *name, uint64_t *v);
void state_bool(struct state *s, const char *name, bool *v);
void state_bytes(struct state *s, const char *name, void *v, size_t length);
/* A field of varying length up to max. */
void state_buffer(struct state *s, const char *name, void *v, size_t *length, size_t max);

#endif
