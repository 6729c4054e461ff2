/* SPDX-License-Identifier: MIT */
/*
 * The pointer's capture on Wayland, where no program may move the pointer: the compositor holds it in place
 * (pointer-constraints-unstable-v1) and tells how the hand moved (relative-pointer-unstable-v1). Main thread.
 */
#ifndef VITRINE_PLAYER_POINTER_WAYLAND_H
#define VITRINE_PLAYER_POINTER_WAYLAND_H

#include <gdk/gdk.h>

struct pointer_wayland;

/* NULL: this is not Wayland, or the compositor lacks one of the protocols. */
struct pointer_wayland *pointer_wayland_lock(GdkWindow *window, GdkDevice *pointer,
                                             void (*motion)(void *context, double dx, double dy), void *context);
void pointer_wayland_unlock(struct pointer_wayland *p); /* NULL-safe */

#endif
