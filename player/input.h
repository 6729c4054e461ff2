/* SPDX-License-Identifier: MIT */
/*
 * Keyboard and pointer from the screen's widget to the guest.
 *
 * The keyboard is the guest's while the screen has the focus, accelerators and focus keys included. A click captures
 * the pointer: its motion is the guest's alone until Ctrl+Alt is pressed and released, or the focus is lost. Then every
 * key and button is released. The input belongs to the widget and goes with it; main thread.
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
};

struct input *input_new(GtkWindow *window, GtkWidget *area, const struct input_listener *listener, void *context);
/* Where keys and motion go; NULL: nowhere. Releases everything first. */
void input_set_client(struct input *in, struct core_client *client);
/* Lets go of the pointer and of all keys. */
void input_release(struct input *in);
bool input_has_pointer(const struct input *in);

#endif
