/* SPDX-License-Identifier: MIT */
/*
 * Private to the .vmx parser: the encodings that `.encoding` may name, to and from UTF-8.
 *
 * iconv loads its tables from files when a converter is opened, which the sandbox forbids later. So converters are
 * opened once per process and kept (vmx_warm_encodings() opens all of them); a lock guards them. In none of these
 * encodings is '"', '=', '#', '\r' or '\n' part of a longer character, so a text is cut into tokens before it is
 * decoded; '|' and '\' can be (GBK, Shift_JIS), so escapes are looked at afterwards.
 */
#ifndef VITRINE_VMX_ENCODING_H
#define VITRINE_VMX_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

enum vmx_encoding { VMX_UTF_8, VMX_WINDOWS_1252, VMX_GBK, VMX_SHIFT_JIS, VMX_OTHER_ENCODING };

/* By the name in `.encoding`; VMX_OTHER_ENCODING: not one of ours (its ASCII characters are still read). */
enum vmx_encoding vmx_encoding_find(const char *name);

/* Is all of it well-formed UTF-8 (RFC 3629)? */
bool utf8_valid(const char *text, size_t length);

/* A malloc'ed UTF-8 text; what the encoding does not know becomes U+FFFD and sets *damaged. NULL: no memory. */
char *vmx_decode(enum vmx_encoding encoding, const char *bytes, size_t length, bool *damaged);

/* The reverse, ended by NUL. -EILSEQ: a character that the encoding lacks. -ENOMEM. */
int vmx_encode(enum vmx_encoding encoding, const char *utf8, char **ret_bytes);

#endif
