/* SPDX-License-Identifier: MIT */
/*
 * Private to the .vmx parser: what struct vmx_file holds, for those that look at every key (vmx.c) or write one
 * (appliance_vmx.c). The entries are in the order of the text; `sorted` lists them by key without regard to case, equal
 * keys by line.
 */
#ifndef VITRINE_VMX_TEXT_H
#define VITRINE_VMX_TEXT_H

#include "vmformat/vmx.h"
#include "vmformat/vmx_encoding.h"

#define VMX_MAX_KEY 255u    /* characters; the longest real one seen has 62. Bounds the work that is done per key */
#define VMX_MAX_KEYS 65536u /* the largest real text seen has 600; bounds the memory that a hostile one takes */

struct vmx_entry {
	char *key;         /* as written */
	char *value;       /* UTF-8, escapes resolved */
	size_t start, end; /* bytes of the text that are the value, quotation marks included: what vmx_set() replaces */
	unsigned line;     /* 1-based */
	bool damaged;      /* value has U+FFFD for bytes that are no characters */
};

struct vmx_file {
	char *name; /* for errors */
	char *text;
	size_t length;
	enum vmx_encoding encoding;
	struct vmx_entry *entries;
	size_t count, allocated;
	const struct vmx_entry **sorted;
};

/* The entry that counts for key (the last one of that name), or NULL. */
const struct vmx_entry *vmx_find(const struct vmx_file *vmx, const char *key);

/* value in quotation marks, with |XX for what a .vmx cannot hold as it is (UTF-8, malloc'ed). NULL: no memory. */
char *vmx_quote(const char *value);

#endif
