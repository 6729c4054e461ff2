/* SPDX-License-Identifier: MIT */
/*
 * The .vmx text: a dictionary of `key = "value"` lines.
 *
 * struct vmx_file keeps every byte of the text, so that a writer changes one key and leaves the rest alone. Keys
 * compare without regard to case; the last of two equal keys counts, as in VMware's dictionary. One thread at a time
 * may use one vmx_file.
 */
#ifndef VITRINE_VMX_H
#define VITRINE_VMX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/appliance.h"
#include "vmformat/error.h"

#define VMX_MAX_SIZE (4u << 20) /* bytes; the largest real one seen has 30 KB */

struct vmx_file;

/* Opens every character converter that `.encoding` may need and keeps it, so that vmx_parse() opens no file afterwards:
 * call it once before the sandbox shuts. -ENOSYS: the system lacks one (texts in it then lose their non-ASCII
 * characters, with a remark). */
int vmx_warm_encodings(void);

/* Does this look like a .vmx? The name counts only when the content is text that could be one. */
bool vmx_probe(const uint8_t *head, size_t length, const char *name);

/* Parses text (any of the encodings that .encoding may name; kept as it is, values are given in UTF-8).
 * -EINVAL: e names line and column. -EFBIG: larger than VMX_MAX_SIZE, or too many keys. */
int vmx_parse(const char *text, size_t length, const char *name, struct vmx_file **ret_vmx, struct error *e);
void vmx_free(struct vmx_file *vmx); /* harmless on NULL */

/* The value of key, decoded, or NULL. Borrowed until the next vmx_set. */
const char *vmx_get(const struct vmx_file *vmx, const char *key);

/* Changes or appends one key; every other byte stays. -EILSEQ: value has characters the text's encoding lacks.
 * -EINVAL: not a key that a .vmx can have, or `.encoding`, which would change the meaning of every other byte. */
int vmx_set(struct vmx_file *vmx, const char *key, const char *value, struct error *e);

/* The text as it now is. Borrowed until the next vmx_set. */
const char *vmx_text(const struct vmx_file *vmx, size_t *ret_length);

/* Fills the neutral description (of appliance_new()), with VMware's defaults and a remark for each key that is not
 * honoured. -ENOTSUP: the machine is encrypted. */
int vmx_to_appliance(const struct vmx_file *vmx, struct appliance *a, struct error *e);

#endif
