/* SPDX-License-Identifier: MIT */
/*
 * The widget that shows the guest's screen: pixels that the core shares, drawn at the largest size that keeps their
 * aspect, sharp at whole factors. Only what changed is drawn again, and ready() is called after the frame that showed
 * it.
 *
 * The view belongs to its widget and goes with it. The pixels are only read, and must stay mapped until
 * screen_view_detach().
 */
#ifndef VITRINE_PLAYER_SCREEN_H
#define VITRINE_PLAYER_SCREEN_H

#include <gtk/gtk.h>

#include "player/geometry.h"

struct screen_view;

struct screen_view *screen_view_new(GtkDrawingArea *area, void (*ready)(void *context), void *context);
void screen_view_attach(struct screen_view *v, const uint32_t *pixels);
void screen_view_detach(struct screen_view *v);
/* The core drew: `damage` within a screen of this size, which message_check() found to be within the shared memory. */
void screen_view_update(struct screen_view *v, unsigned width, unsigned height, struct rectangle damage);
/* Where a point of the widget lies on the guest's screen, as geometry_position() tells. */
bool screen_view_position(struct screen_view *v, double x, double y, unsigned range, unsigned *ret_x, unsigned *ret_y);
void screen_view_dim(struct screen_view *v, bool dim);

#endif
