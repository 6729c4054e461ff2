/* SPDX-License-Identifier: MIT */
#include "vmformat/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

void error_replace_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = *text == '\n' ? ' ' : '?';
}

int error_set(struct error *e, int code, const char *format, ...)
{
	va_list args;

	assert(code < 0);
	if (!e || e->code)
		return code;
	e->code = code;
	va_start(args, format);
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	error_replace_controls(e->text);
	return code;
}

void error_clear(struct error *e)
{
	if (e)
		*e = (struct error){ 0 };
}
