/* SPDX-License-Identifier: MIT */
/*
 * The guest's screen as others see it: XRGB8888 pixels in a shared memfd that the player made and sealed. The video card draws
 * into it on the I/O thread; screen_damage() collects a rectangle, which is told to the player when it is ready for it.
 * All calls on the I/O thread, except where a test is alone.
 */
#ifndef VITRINE_SCREEN_H
#define VITRINE_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREEN_MAX_WIDTH 2560
#define SCREEN_MAX_HEIGHT 1600
#define SCREEN_BYTES ((size_t)SCREEN_MAX_WIDTH * SCREEN_MAX_HEIGHT * 4)

struct screen {
	uint32_t *pixels;       /* SCREEN_BYTES, shared; row y begins at y * width */
	unsigned width, height; /* 1 to the maxima; 0: nothing shown yet */
	/* damage since the last told: x0 >= x1 when none */
	unsigned x0, y0, x1, y1;
	bool size_changed;
	/* the text on it while the card is in a text mode, for the judges (`--screen-text`): columns x rows of code page 437
	 * characters; 0 columns in graphics modes. Filled by the card at each refresh. */
	unsigned columns, rows;
	uint8_t text[132 * 60];
	void (*changed)(void *context, struct screen *s); /* called after a refresh that left damage or a new size */
	void *context;
};

/* A size the card programmed; clips to the maxima. All is damaged afterwards. */
void screen_resize(struct screen *s, unsigned width, unsigned height);
void screen_damage(struct screen *s, unsigned x, unsigned y, unsigned width, unsigned height);
/* Forgets the damage (it was told). */
void screen_clean(struct screen *s);

#endif
