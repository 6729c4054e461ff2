/* SPDX-License-Identifier: MIT */
#include "vmformat/foreign_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/beside.h"
#include "vmformat/bytes.h"

#define REPLACEMENT 0xfffdu

void guid_format(const uint8_t g[GUID_SIZE], char ret_text[GUID_TEXT_SIZE])
{
	snprintf(ret_text, GUID_TEXT_SIZE, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", le32_load(g),
	         le16_load(g + 4), le16_load(g + 6), g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
}

bool guid_is_nil(const uint8_t guid[GUID_SIZE])
{
	static const uint8_t nil[GUID_SIZE];

	return memcmp(guid, nil, GUID_SIZE) == 0;
}

/* ---- UTF-16 ---- */

static char *put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*to++ = (char)(0xe0 | c >> 12);
		} else {
			*to++ = (char)(0xf0 | c >> 18);
			*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

static uint32_t unit_at(const uint8_t *bytes, size_t i, bool big_endian)
{
	return big_endian ? be16_load(bytes + 2 * i) : le16_load(bytes + 2 * i);
}

char *utf16_decode(const uint8_t *bytes, size_t length, bool big_endian)
{
	size_t units = length / 2;
	char *text = malloc(units * 3 + 1), *to = text; /* a unit becomes 3 bytes at most, a pair 4 */

	if (!text)
		return NULL;
	for (size_t i = 0; i < units; i++) {
		uint32_t c = unit_at(bytes, i, big_endian);
		uint32_t low = i + 1 < units ? unit_at(bytes, i + 1, big_endian) : 0;

		if (c == 0)
			break;
		if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
			i++;
		} else if (c >= 0xd800 && c < 0xe000) {
			c = REPLACEMENT;
		}
		to = put_utf8(to, c);
	}
	*to = '\0';
	return text;
}

/* ---- names ---- */

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
	                                    : -1;
}

void url_decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (from[0] == '%' && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0) {
			*to++ = (char)(hex_digit(from[1]) << 4 | hex_digit(from[2]));
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0'; /* %00 ends it earlier, which does no harm */
}

int foreign_parent(struct disk *disk, const char *written)
{
	int r;

	while (written[0] == '.' && (written[1] == '/' || written[1] == '\\'))
		written += 2;
	r = beside_set_parent(disk, written);
	return r == -EINVAL ? 0 : r;
}
