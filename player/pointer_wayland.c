/* SPDX-License-Identifier: MIT */
#include "player/pointer_wayland.h"

#include <gdk/gdkwayland.h>
#include <string.h>

#include "pointer-constraints-unstable-v1-client-protocol.h"
#include "relative-pointer-unstable-v1-client-protocol.h"

struct pointer_wayland {
	struct zwp_pointer_constraints_v1 *constraints;
	struct zwp_relative_pointer_manager_v1 *manager;
	struct zwp_locked_pointer_v1 *locked;
	struct zwp_relative_pointer_v1 *relative;
	void (*motion)(void *context, double dx, double dy);
	void *context;
};

static void global_added(void *data, struct wl_registry *registry, uint32_t name, const char *interface,
                         uint32_t version)
{
	struct pointer_wayland *p = data;

	(void)version;
	if (strcmp(interface, zwp_pointer_constraints_v1_interface.name) == 0)
		p->constraints = wl_registry_bind(registry, name, &zwp_pointer_constraints_v1_interface, 1);
	else if (strcmp(interface, zwp_relative_pointer_manager_v1_interface.name) == 0)
		p->manager = wl_registry_bind(registry, name, &zwp_relative_pointer_manager_v1_interface, 1);
}

static void global_removed(void *data, struct wl_registry *registry, uint32_t name)
{
	(void)data;
	(void)registry;
	(void)name;
}

static const struct wl_registry_listener registry_listener = { global_added, global_removed };

/* On a queue of its own: GDK's events must not be dispatched from within one of its handlers. */
static void find_globals(struct pointer_wayland *p, struct wl_display *display)
{
	struct wl_event_queue *queue = wl_display_create_queue(display);
	struct wl_display *wrapper = wl_proxy_create_wrapper(display);

	wl_proxy_set_queue((struct wl_proxy *)wrapper, queue);
	struct wl_registry *registry = wl_display_get_registry(wrapper);
	wl_registry_add_listener(registry, &registry_listener, p);
	wl_display_roundtrip_queue(display, queue);
	wl_registry_destroy(registry);
	wl_proxy_wrapper_destroy(wrapper);
	/* What was bound lives on with GDK's queue. */
	if (p->constraints != NULL)
		wl_proxy_set_queue((struct wl_proxy *)p->constraints, NULL);
	if (p->manager != NULL)
		wl_proxy_set_queue((struct wl_proxy *)p->manager, NULL);
	wl_event_queue_destroy(queue);
}

static void relative_motion(void *data, struct zwp_relative_pointer_v1 *relative, uint32_t time_high, uint32_t time_low,
                            wl_fixed_t dx, wl_fixed_t dy, wl_fixed_t dx_raw, wl_fixed_t dy_raw)
{
	struct pointer_wayland *p = data;

	(void)relative;
	(void)time_high;
	(void)time_low;
	(void)dx_raw; /* the accelerated motion is the one the user has set up and is used to */
	(void)dy_raw;
	p->motion(p->context, wl_fixed_to_double(dx), wl_fixed_to_double(dy));
}

static const struct zwp_relative_pointer_v1_listener relative_listener = { relative_motion };

struct pointer_wayland *pointer_wayland_lock(GdkWindow *window, GdkDevice *pointer,
                                             void (*motion)(void *context, double dx, double dy), void *context)
{
	GdkDisplay *display = gdk_window_get_display(window);

	if (!GDK_IS_WAYLAND_DISPLAY(display))
		return NULL;
	struct wl_surface *surface = gdk_wayland_window_get_wl_surface(gdk_window_get_toplevel(window));
	struct wl_pointer *wl_pointer = gdk_wayland_device_get_wl_pointer(pointer);
	struct pointer_wayland *p = g_new0(struct pointer_wayland, 1);
	p->motion = motion;
	p->context = context;
	find_globals(p, gdk_wayland_display_get_wl_display(display));
	if (p->constraints == NULL || p->manager == NULL || surface == NULL || wl_pointer == NULL) {
		pointer_wayland_unlock(p);
		return NULL;
	}
	p->relative = zwp_relative_pointer_manager_v1_get_relative_pointer(p->manager, wl_pointer);
	zwp_relative_pointer_v1_add_listener(p->relative, &relative_listener, p);
	p->locked = zwp_pointer_constraints_v1_lock_pointer(p->constraints, surface, wl_pointer, NULL,
	                                                    ZWP_POINTER_CONSTRAINTS_V1_LIFETIME_PERSISTENT);
	return p;
}

void pointer_wayland_unlock(struct pointer_wayland *p)
{
	if (p == NULL)
		return;
	g_clear_pointer(&p->locked, zwp_locked_pointer_v1_destroy);
	g_clear_pointer(&p->relative, zwp_relative_pointer_v1_destroy);
	g_clear_pointer(&p->constraints, zwp_pointer_constraints_v1_destroy);
	g_clear_pointer(&p->manager, zwp_relative_pointer_manager_v1_destroy);
	g_free(p);
}
