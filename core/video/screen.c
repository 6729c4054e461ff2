/* SPDX-License-Identifier: MIT */
#include "core/video/screen.h"

#include "vmformat/bytes.h"

void screen_resize(struct screen *s, unsigned width, unsigned height)
{
	width = MAX(MIN(width, SCREEN_MAX_WIDTH), 1u);
	height = MAX(MIN(height, SCREEN_MAX_HEIGHT), 1u);
	if (s->width != width || s->height != height)
		s->size_changed = true;
	s->width = width;
	s->height = height;
	s->x0 = s->y0 = 0;
	s->x1 = width;
	s->y1 = height;
}

void screen_damage(struct screen *s, unsigned x, unsigned y, unsigned width, unsigned height)
{
	if (x >= s->width || y >= s->height || !width || !height)
		return;
	unsigned right = x + MIN(width, s->width - x);
	unsigned bottom = y + MIN(height, s->height - y);
	if (s->x0 >= s->x1) {
		s->x0 = x;
		s->y0 = y;
		s->x1 = right;
		s->y1 = bottom;
		return;
	}
	s->x0 = MIN(s->x0, x);
	s->y0 = MIN(s->y0, y);
	s->x1 = MAX(s->x1, right);
	s->y1 = MAX(s->y1, bottom);
}

void screen_clean(struct screen *s)
{
	s->x0 = s->x1 = s->y0 = s->y1 = 0;
	s->size_changed = false;
}
