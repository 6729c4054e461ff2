/* SPDX-License-Identifier: MIT */
/*
 * The part of the main menu that says where the machine can be reached: an item for each forwarded TCP port, filled anew
 * when they change. Its items activate win.open-port(u), where u is the port on this computer: the action looks it up
 * here again, so that nothing but a port of this machine is ever opened.
 */
#ifndef VITRINE_PLAYER_PORT_MENU_H
#define VITRINE_PLAYER_PORT_MENU_H

#include <gio/gio.h>

#include "player/model.h"

enum port_use { PORT_NONE, PORT_BROWSER, PORT_SHELL };

void port_menu_fill(GMenu *menu, const struct model *m);
/* What to do with that port, and with what: the web address, or the command line to copy (g_free). PORT_NONE: not ours. */
enum port_use port_menu_use(const struct model *m, unsigned host_port, char **ret_text);

#endif
