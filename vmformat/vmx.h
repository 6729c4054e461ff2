/* SPDX-License-Identifier: MIT */
/*
 * The .vmx text: a dictionary of `key = "value"` lines.
 *
 * struct vmx_file keeps every byte of the text, so that a writer changes one key and leaves the rest alone. Keys compare
 * without regard to case; the last of two equal keys counts, as in VMware's dictionary.
 */
#ifndef VITRINE_VMX_H
#define VITRINE_VMX_H

#include <stdbool.h>
#include <stddef.h>

#include "vmformat/appliance.h"
#include "vmformat/error.h"

#define VMX_MAX_SIZE (4u << 20) /* bytes; the largest real one seen has 30 KB */

struct vmx_file;

/* Parses text (any of the encodings that .encoding may name; kept as it is, values are given in UTF-8).
 * -EINVAL: e names line and column. */
int vmx_parse(const char *text, size_t length, const char *name, struct vmx_file **ret_vmx, struct error *e);
void vmx_free(struct vmx_file *vmx);

/* The value of key, decoded, or NULL. Borrowed until the next vmx_set. */
const char *vmx_get(const struct vmx_file *vmx, const char *key);

/* Changes or appends one key; every other byte stays. -EILSEQ: value has characters the text's encoding lacks. */
int vmx_set(struct vmx_file *vmx, const char *key, const char *value, struct error *e);

/* The text as it now is. Borrowed until the next vmx_set. */
const char *vmx_text(const struct vmx_file *vmx, size_t *ret_length);

/* Fills the neutral description, with VMware's defaults and a remark for each key that is not honoured. */
int vmx_to_appliance(const struct vmx_file *vmx, struct appliance *a, struct error *e);

#endif
