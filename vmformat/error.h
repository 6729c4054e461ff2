/* SPDX-License-Identifier: MIT */
/*
 * Errors that a person reads.
 *
 * Functions return 0 or a negative errno. What a user must read fills one struct error, once, where the cause is known:
 * it names the file, the place (line, or byte offset), the cause and what to do next, as a sentence or two.
 * The first error stays: a caller that only passes an error on never overwrites it. All calls accept e == NULL.
 * Libraries never print and never exit. Not thread safe: an error belongs to one call at a time.
 */
#ifndef VITRINE_ERROR_H
#define VITRINE_ERROR_H

struct error {
	int code;        /* negative errno, 0: nothing set */
	char text[1024]; /* UTF-8, no trailing newline; control characters of foreign strings are replaced by '?' */
};

/* Fills e unless it is filled already, and returns code, so that a failing function can end with
 * `return error_set(e, -EINVAL, ...)`. code must be negative. */
int error_set(struct error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Empties e for another use. */
void error_clear(struct error *e);

/* Texts end on terminals and in GTK labels, and may quote a hostile appliance: no escape sequences. */
void error_replace_controls(char *text);

#endif
