/* SPDX-License-Identifier: MIT */
/*
 * The menu of the CD button, filled anew from the model each time something in it changes: what is in, Insert...,
 * recent images, Eject; a submenu for each drive when there are several.
 *
 * Its items activate win.cd-insert(u), win.cd-insert-recent((us)) and win.cd-eject(u), where u is the drive.
 */
#ifndef VITRINE_PLAYER_DISC_MENU_H
#define VITRINE_PLAYER_DISC_MENU_H

#include <gio/gio.h>

#include "player/model.h"

/* Replaces all items of the menu, which may be open meanwhile. recent: GFile * elements, newest first. */
void disc_menu_fill(GMenu *menu, const struct model *m, GPtrArray *recent);
/* What the button says: the first medium's name, or that there is none. */
const char *disc_menu_label(const struct model *m);

#endif
