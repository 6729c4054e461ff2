/* SPDX-License-Identifier: MIT */
#include "vmformat/vmx_encoding.h"

#include <errno.h>
#include <iconv.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/vmx.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
/* No byte of these encodings becomes more bytes than U+FFFD has, nor the reverse. */
#define MAX_GROWTH 3

/* What VMware and people write. ASCII and Latin-1 are read as the larger sets that contain them. */
static const struct {
	const char *name;
	enum vmx_encoding encoding;
} encoding_names[] = {
	{ "UTF-8", VMX_UTF_8 },
	{ "UTF8", VMX_UTF_8 },
	{ "US-ASCII", VMX_UTF_8 },
	{ "windows-1252", VMX_WINDOWS_1252 },
	{ "ISO-8859-1", VMX_WINDOWS_1252 },
	{ "GBK", VMX_GBK },
	{ "GB2312", VMX_GBK },
	{ "windows-936", VMX_GBK },
	{ "Shift_JIS", VMX_SHIFT_JIS },
	{ "windows-932", VMX_SHIFT_JIS },
	{ "windows-31j", VMX_SHIFT_JIS },
};

/* Windows means code page 932 by Shift_JIS: 0x5c is a backslash there, in JIS X 0201 it is the yen sign. */
static const char *const iconv_names[] = {
	[VMX_WINDOWS_1252] = "CP1252",
	[VMX_GBK] = "GBK",
	[VMX_SHIFT_JIS] = "CP932",
};

enum direction { TO_UTF_8, FROM_UTF_8 };

/* The one piece of process-wide state in vmformat: see the top of vmx_encoding.h. */
static struct {
	pthread_mutex_t lock;
	iconv_t converters[ARRAY_SIZE(iconv_names)][2]; /* NULL: not opened yet; (iconv_t)-1: this system has none */
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Call with the lock held. (iconv_t)-1: there is no such converter. */
static iconv_t converter(enum vmx_encoding encoding, enum direction direction)
{
	iconv_t *slot = &kept.converters[encoding][direction];

	if (!*slot)
		*slot = direction == TO_UTF_8 ? iconv_open("UTF-8", iconv_names[encoding])
		                              : iconv_open(iconv_names[encoding], "UTF-8");
	return *slot;
}

int vmx_warm_encodings(void)
{
	int r = 0;

	pthread_mutex_lock(&kept.lock);
	for (size_t i = 0; i < ARRAY_SIZE(iconv_names); i++)
		for (int direction = TO_UTF_8; iconv_names[i] && direction <= FROM_UTF_8; direction++)
			if (converter((enum vmx_encoding)i, (enum direction)direction) == (iconv_t)-1)
				r = -ENOSYS;
	pthread_mutex_unlock(&kept.lock);
	return r;
}

enum vmx_encoding vmx_encoding_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(encoding_names); i++)
		if (!strcasecmp(encoding_names[i].name, name))
			return encoding_names[i].encoding;
	return VMX_OTHER_ENCODING;
}

/* Length of the well-formed UTF-8 character at text (RFC 3629, section 4), 0: there is none. */
static size_t utf8_character(const char *text, size_t length)
{
	const uint8_t *b = (const uint8_t *)text;
	size_t n = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;

	if (n > length)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] >= 0xa0) || (b[0] == 0xf0 && b[1] < 0x90) ||
	    (b[0] == 0xf4 && b[1] >= 0x90))
		return 0; /* too long a form, a surrogate, or beyond U+10FFFF */
	return n;
}

bool utf8_valid(const char *text, size_t length)
{
	while (length) {
		size_t n = utf8_character(text, length);

		if (!n)
			return false;
		text += n;
		length -= n;
	}
	return true;
}

/* One character or a run of them from *from to *to; 0 when the next byte belongs to no character. */
static size_t decode_some(enum vmx_encoding encoding, const char *from, size_t length, char **to, size_t room)
{
	char *in = (char *)from; /* iconv's prototype lacks const; it does not write there */
	size_t left = length;
	iconv_t c;

	if (encoding == VMX_UTF_8 || encoding == VMX_OTHER_ENCODING) {
		size_t n = encoding == VMX_UTF_8 ? utf8_character(from, length) : (*from & 0x80) == 0;

		memcpy(*to, from, n);
		*to += n;
		return n;
	}
	c = converter(encoding, TO_UTF_8);
	if (c == (iconv_t)-1)
		return decode_some(VMX_OTHER_ENCODING, from, length, to, room);
	iconv(c, NULL, NULL, NULL, NULL);
	iconv(c, &in, &left, to, &room);
	return length - left;
}

char *vmx_decode(enum vmx_encoding encoding, const char *bytes, size_t length, bool *damaged)
{
	size_t size = length * MAX_GROWTH + 1;
	char *text = malloc(size), *to = text, *smaller;

	if (!text)
		return NULL;
	pthread_mutex_lock(&kept.lock);
	while (length) {
		size_t n = decode_some(encoding, bytes, length, &to, size - 1 - (size_t)(to - text));

		if (!n) {
			to = mempcpy(to, REPLACEMENT, strlen(REPLACEMENT));
			*damaged = true;
			n = 1;
		}
		bytes += n;
		length -= n;
	}
	pthread_mutex_unlock(&kept.lock);
	*to = '\0';
	smaller = realloc(text, (size_t)(to - text) + 1);
	return smaller ? smaller : text;
}

int vmx_encode(enum vmx_encoding encoding, const char *utf8, char **ret_bytes)
{
	size_t left = strlen(utf8), room = left * MAX_GROWTH;
	char *in = (char *)utf8, *bytes = malloc(room + 1), *to = bytes;
	bool good = utf8_valid(utf8, left);
	iconv_t c;

	if (!bytes)
		return -ENOMEM;
	if (encoding == VMX_OTHER_ENCODING)
		for (const char *p = utf8; *p; p++)
			good = good && !(*p & 0x80);
	if (good && (encoding == VMX_UTF_8 || encoding == VMX_OTHER_ENCODING)) {
		to = mempcpy(to, utf8, left);
	} else if (good) {
		pthread_mutex_lock(&kept.lock);
		c = converter(encoding, FROM_UTF_8);
		good = c != (iconv_t)-1 && iconv(c, NULL, NULL, NULL, NULL) == 0 &&
		       iconv(c, &in, &left, &to, &room) == 0; /* more than 0: something was approximated */
		pthread_mutex_unlock(&kept.lock);
	}
	if (!good) {
		free(bytes);
		return -EILSEQ;
	}
	*to = '\0';
	*ret_bytes = bytes;
	return 0;
}
