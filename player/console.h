/* SPDX-License-Identifier: MIT */
/*
 * The serial console: a terminal beside the guest's screen that shows what COM1 says and types into it.
 * console_rule.h says when it comes by itself.
 *
 * The guest's bytes are hostile. The terminal interprets them and does nothing else: no links, no pictures, no bell;
 * what they ask of the window or the clipboard nobody listens to. Its past is bounded, and so is what waits to be
 * shown: a flood loses bytes, and says so. The console belongs to the stack and goes with it; main thread.
 */
#ifndef VITRINE_PLAYER_CONSOLE_H
#define VITRINE_PLAYER_CONSOLE_H

#include <gtk/gtk.h>

#include "player/core_client.h"

struct console;

/* The page was turned to the console or back; by_itself: not by console_turn(). */
typedef void console_turned(void *context, bool by_itself);

/* Adds the page to a stack that holds the guest's screen. */
struct console *console_new(GtkWindow *window, GtkStack *stack, GtkWidget *screen, console_turned *turned,
                            void *context);
void console_start(struct console *c); /* a machine was switched on: forgets all */
/* Whose serial port it is; NULL: it is paused or off, and hears nothing. */
void console_set_client(struct console *c, struct core_client *client);
void console_output(struct console *c, const uint8_t *data, size_t count);
/* After each message about the screen. */
void console_see_screen(struct console *c, const struct model *m, const uint32_t *pixels);
void console_turn(struct console *c, bool to_console); /* by the user */

bool console_is_shown(const struct console *c);
bool console_has_spoken(const struct console *c);
GtkWidget *console_terminal(struct console *c); /* for the focus */

#endif
