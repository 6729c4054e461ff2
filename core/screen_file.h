/* SPDX-License-Identifier: MIT */
/* What headless keeps of a screen: a PNG of its pixels, UTF-8 of its text cells. "-": standard output. 0 or negative
 * errno. */
#ifndef VITRINE_SCREEN_FILE_H
#define VITRINE_SCREEN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* XRGB8888, rows `width` pixels apart; width and height are at least 1. Written beside path first, then renamed. */
int screen_file_png(const char *path, const uint32_t *pixels, unsigned width, unsigned height);

/* Code page 437 cells as UTF-8 lines without what is blank at their ends (malloc'ed). NULL: no memory. */
char *screen_file_utf8(const uint8_t *cells, unsigned columns, unsigned rows);
int screen_file_text(const char *path, const uint8_t *cells, unsigned columns, unsigned rows);

#endif
