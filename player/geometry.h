/* SPDX-License-Identifier: MIT */
/*
 * Where the guest's screen lies within its widget. Pure arithmetic, no GTK.
 *
 * Guest pixels are those of the shared screen; device pixels those of the monitor; logical pixels are GTK's, each of
 * `scale_factor` x `scale_factor` device pixels on a HiDPI monitor.
 */
#ifndef VITRINE_PLAYER_GEOMETRY_H
#define VITRINE_PLAYER_GEOMETRY_H

#include <stdbool.h>

struct rectangle {
	int x, y, width, height;
};

struct placement {
	double scale;          /* device pixels for one guest pixel */
	bool crisp;            /* a whole factor: every guest pixel becomes the same square */
	struct rectangle area; /* in device pixels; empty when either side has no size */
};

/* Centres a guest screen in a widget of the given device pixels, aspect kept. A scale just above a whole factor is
 * lowered to it, for a thin border is better than blur. */
struct placement geometry_place(int guest_width, int guest_height, int width, int height);

/* The logical pixels that must be drawn again after `damage` in guest pixels; empty for empty damage. */
struct rectangle geometry_damage(const struct placement *p, struct rectangle damage, int scale_factor);

/* Where a point of the widget, in device pixels, lies on the guest's screen: 0 to range in both directions, the nearest
 * point of it when it lies beside. Returns whether it lies on it. */
bool geometry_position(const struct placement *p, double x, double y, unsigned range, unsigned *ret_x, unsigned *ret_y);

/* The logical size at which a widget shows a guest screen at a whole factor, at most `limit` wide or high: the size
 * that a window takes by itself. Halves nothing: when even factor 1 does not fit, the largest that keeps the aspect. */
void geometry_natural_size(int guest_width, int guest_height, struct rectangle limit, int *ret_width, int *ret_height);

#endif
