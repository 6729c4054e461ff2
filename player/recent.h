/* SPDX-License-Identifier: MIT */
/*
 * What was opened and inserted before, in the desktop's own list (GtkRecentManager), so that "Clear History" in the
 * settings clears ours too. GTK's main thread.
 */
#ifndef VITRINE_PLAYER_RECENT_H
#define VITRINE_PLAYER_RECENT_H

#include <gtk/gtk.h>

enum recent_kind { RECENT_APPLIANCE, RECENT_CD, RECENT_KINDS };

/* Remembers a file that the user chose, as the newest of its kind. */
void recent_add(GtkRecentManager *manager, enum recent_kind kind, GFile *file);

/* The newest first, at most `limit`, of this kind only and only what still exists. Elements are GFile *, freed with the
 * array. */
GPtrArray *recent_list(GtkRecentManager *manager, enum recent_kind kind, unsigned limit);

#endif
