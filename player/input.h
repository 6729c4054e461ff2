/* SPDX-License-Identifier: MIT */
/*
 * Keyboard and pointer from the screen's widget to the guest.
 *
 * The keyboard is the guest's while the screen has the focus, accelerators and focus keys included. A guest with a
 * mouse: a click captures the pointer, its motion is the guest's alone until Ctrl+Alt is pressed and released, or the
 * focus is lost. A guest with a tablet: it is told where the pointer is while that is over the screen, nothing is
 * captured. When the focus is lost every key and button is released. The input belongs to the widget and goes with it;
 * main thread.
 */
#ifndef VITRINE_PLAYER_INPUT_H
#define VITRINE_PLAYER_INPUT_H

#include <gtk/gtk.h>

#include "player/core_client.h"
#include "player/keymap.h"

struct input;

struct input_listener {
	void (*shortcut)(void *context,
	                 enum shortcut shortcut); /* not SHORTCUT_RELEASE_POINTER, which was done already */
	void (*captured)(void *context, bool captured);
	/* Where a point of the widget lies on the guest's screen (geometry_position(), POINTER_RANGE). */
	bool (*position)(void *context, double x, double y, unsigned *ret_x, unsigned *ret_y);
};

struct input *input_new(GtkWindow *window, GtkWidget *area, const struct input_listener *listener, void *context);
/* Where keys and motion go; NULL: nowhere. Releases everything first. */
void input_set_client(struct input *in, struct core_client *client);
/* Whether the guest has a tablet. */
void input_set_absolute(struct input *in, bool absolute);
/* Lets go of the pointer and of all keys. */
void input_release(struct input *in);
bool input_has_pointer(const struct input *in);

#endif
