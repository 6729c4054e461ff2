/* SPDX-License-Identifier: MIT */
#include "player/input.h"

#include <gdk/gdkx.h>
#include <math.h>

#include "player/pointer_wayland.h"

struct input {
	GtkWidget *area;
	const struct input_listener *listener;
	void *context;
	struct core_client *client; /* NULL: nobody listens */
	struct keys keys;
	enum keymap_kind keymap;

	bool captured;
	GdkSeat *seat;                /* whose grab we hold; NULL: none */
	struct pointer_wayland *lock; /* the compositor gives us relative motion; NULL: we count it from positions */
	double last_x, last_y;        /* on the screen, of the last motion event */
	bool warping;                 /* the pointer was sent to the middle and has not been seen there yet */
	int middle_x, middle_y;
	double rest_x, rest_y, rest_scroll; /* fractions not yet sent */
	unsigned buttons;

	bool absolute; /* the guest has a tablet */
	unsigned x, y; /* where it was told that the pointer is */
	bool hidden;   /* our cursor: the guest draws its own there */
};

bool input_has_pointer(const struct input *in)
{
	return in->captured;
}

/* ---- keys ---- */

static void release_keys(struct input *in)
{
	if (in->client != NULL)
		core_client_command(in->client, COMMAND_RELEASE_KEYS);
}

static enum shortcut meaning_of(guint symbol)
{
	switch (symbol) {
	case GDK_KEY_Return:
	case GDK_KEY_KP_Enter:
		return SHORTCUT_FULL_SCREEN;
	case GDK_KEY_p:
	case GDK_KEY_P:
		return SHORTCUT_RUN_PAUSE;
	case GDK_KEY_m:
	case GDK_KEY_M:
		return SHORTCUT_MENU;
	default:
		return SHORTCUT_NONE;
	}
}

static void release_pointer(struct input *in);

static gboolean handle_key(struct input *in, GdkEventKey *event)
{
	bool down = event->type == GDK_KEY_PRESS;
	unsigned code = keymap_code(in->keymap, event->hardware_keycode);
	enum shortcut shortcut;
	enum key_fate fate = down ? keys_press(&in->keys, code, meaning_of(event->keyval), &shortcut)
	                          : keys_release(&in->keys, code, &shortcut);

	if (fate == FATE_SEND && in->client != NULL)
		core_client_key(in->client, code, down);
	if (fate == FATE_SHORTCUT) {
		release_keys(in);
		release_pointer(in);
		if (shortcut != SHORTCUT_RELEASE_POINTER)
			in->listener->shortcut(in->context, shortcut);
	}
	return TRUE;
}

/* On the window, before its own handler, which would look for accelerators, mnemonics and the next widget to focus. */
static gboolean window_key(GtkWidget *window, GdkEventKey *event, gpointer data)
{
	struct input *in = data;

	(void)window;
	if (in->client == NULL || !gtk_widget_is_focus(in->area))
		return FALSE;
	return handle_key(in, event);
}

static gboolean focus_out(GtkWidget *area, GdkEventFocus *event, gpointer data)
{
	(void)area;
	(void)event;
	input_release(data);
	return FALSE;
}

/* XFree86's numbers are known by where they put the Up arrow. */
static enum keymap_kind keymap_of(GdkDisplay *display)
{
	enum keymap_kind kind = KEYMAP_EVDEV;
	GdkKeymapKey *keys;
	gint count;

	if (!GDK_IS_X11_DISPLAY(display) ||
	    !gdk_keymap_get_entries_for_keyval(gdk_keymap_get_for_display(display), GDK_KEY_Up, &keys, &count))
		return KEYMAP_EVDEV;
	for (gint i = 0; i < count; i++)
		if (keys[i].keycode == 98)
			kind = KEYMAP_XFREE86;
	g_free(keys);
	return kind;
}

/* ---- the pointer's capture ---- */

static void send_motion(struct input *in, double dx, double dy)
{
	in->rest_x += dx;
	in->rest_y += dy;
	int whole_x = (int)trunc(in->rest_x), whole_y = (int)trunc(in->rest_y);
	if ((whole_x == 0 && whole_y == 0) || in->client == NULL)
		return;
	in->rest_x -= whole_x;
	in->rest_y -= whole_y;
	core_client_pointer(in->client, whole_x, whole_y, 0, in->buttons);
}

static void relative_motion(void *context, double dx, double dy)
{
	send_motion(context, dx, dy);
}

/* On X11 the pointer is put back to the middle of the screen when it strays, so that it never meets an edge. */
static void warp_to_middle(struct input *in, GdkDevice *pointer)
{
	GdkWindow *window = gtk_widget_get_window(in->area);

	gdk_window_get_root_coords(window, gtk_widget_get_allocated_width(in->area) / 2,
	                           gtk_widget_get_allocated_height(in->area) / 2, &in->middle_x, &in->middle_y);
	in->warping = true;
	gdk_device_warp(pointer, gtk_widget_get_screen(in->area), in->middle_x, in->middle_y);
}

static void capture(struct input *in, const GdkEventButton *event)
{
	GdkDisplay *display = gtk_widget_get_display(in->area);
	GdkWindow *window = gtk_widget_get_window(in->area);
	g_autoptr(GdkCursor) blank = gdk_cursor_new_for_display(display, GDK_BLANK_CURSOR);
	GdkSeat *seat = gdk_event_get_seat((const GdkEvent *)event);

	in->captured = true;
	in->last_x = event->x_root;
	in->last_y = event->y_root;
	in->rest_x = in->rest_y = in->rest_scroll = 0;
	gdk_window_set_cursor(window, blank);
	/* With the keyboard, so that Alt+F4 and Alt+Tab are the guest's as well. A refused grab (another program holds
	 * one) still leaves the motion inside the window. */
	if (gdk_seat_grab(seat, window, GDK_SEAT_CAPABILITY_ALL, TRUE, blank, (const GdkEvent *)event, NULL, NULL) ==
	    GDK_GRAB_SUCCESS)
		in->seat = g_object_ref(seat);
	if (GDK_IS_X11_DISPLAY(display))
		warp_to_middle(in, gdk_seat_get_pointer(seat));
	else
		in->lock = pointer_wayland_lock(window, gdk_seat_get_pointer(seat), relative_motion, in);
	in->listener->captured(in->context, true);
}

static void hide_cursor(struct input *in, bool hidden)
{
	GdkWindow *window = gtk_widget_get_window(in->area);

	if (hidden == in->hidden || window == NULL)
		return;
	in->hidden = hidden;
	g_autoptr(GdkCursor) blank =
		hidden ? gdk_cursor_new_for_display(gtk_widget_get_display(in->area), GDK_BLANK_CURSOR) : NULL;
	gdk_window_set_cursor(window, blank);
}

static void send_buttons(struct input *in, int clicks)
{
	if (in->client == NULL)
		return;
	if (in->absolute)
		core_client_position(in->client, in->x, in->y, clicks, in->buttons);
	else
		core_client_pointer(in->client, 0, 0, clicks, in->buttons);
}

static void release_pointer(struct input *in)
{
	bool held = in->buttons != 0;

	in->buttons = 0;
	if (held)
		send_buttons(in, 0);
	if (!in->captured)
		return;
	in->captured = false;
	in->warping = false;
	g_clear_pointer(&in->lock, pointer_wayland_unlock);
	if (in->seat != NULL) {
		gdk_seat_ungrab(in->seat);
		g_clear_object(&in->seat);
	}
	if (gtk_widget_get_window(in->area) != NULL)
		gdk_window_set_cursor(gtk_widget_get_window(in->area), NULL);
	in->listener->captured(in->context, false);
}

void input_release(struct input *in)
{
	if (keys_forget(&in->keys))
		release_keys(in);
	release_pointer(in);
}

static gboolean grab_broken(GtkWidget *area, GdkEventGrabBroken *event, gpointer data)
{
	struct input *in = data;

	(void)area;
	/* Our own grab of the same window on behalf of a press (GTK's implicit one) is no reason. */
	if (event->grab_window == NULL && in->seat != NULL)
		input_release(in);
	return FALSE;
}

void input_set_absolute(struct input *in, bool absolute)
{
	if (in->absolute == absolute)
		return;
	release_pointer(in);
	hide_cursor(in, false); /* until the pointer moves */
	in->absolute = absolute;
	in->rest_scroll = 0;
}

/* ---- the pointer's events ---- */

/* Beside the screen our own cursor is seen, while the guest's waits at the edge: so its edges and corners can be hit. */
static void move_to(struct input *in, double x, double y)
{
	unsigned old_x = in->x, old_y = in->y;
	bool over = in->listener->position(in->context, x, y, &in->x, &in->y);

	hide_cursor(in, over || in->buttons != 0);
	if (in->x != old_x || in->y != old_y)
		send_buttons(in, 0);
}

static bool strayed(struct input *in, const GdkEventMotion *event)
{
	return fabs(event->x_root - in->middle_x) > gtk_widget_get_allocated_width(in->area) / 4.0 ||
	       fabs(event->y_root - in->middle_y) > gtk_widget_get_allocated_height(in->area) / 4.0;
}

static gboolean motion(GtkWidget *area, GdkEventMotion *event, gpointer data)
{
	struct input *in = data;
	double dx = event->x_root - in->last_x, dy = event->y_root - in->last_y;

	if (in->absolute && in->client != NULL) {
		move_to(in, event->x, event->y);
		return TRUE;
	}
	if (!in->captured || in->lock != NULL)
		return FALSE;
	in->last_x = event->x_root;
	in->last_y = event->y_root;
	/* The jump itself is no motion. Events from before it, still under way, are. */
	if (in->warping && fabs(event->x_root - in->middle_x) < 2 && fabs(event->y_root - in->middle_y) < 2) {
		in->warping = false;
		return TRUE;
	}
	send_motion(in, dx, dy);
	if (GDK_IS_X11_DISPLAY(gtk_widget_get_display(area)) && !in->warping && strayed(in, event))
		warp_to_middle(in, event->device);
	return TRUE;
}

static unsigned button_bit(guint button)
{
	/* GDK counts left, middle, right, the four directions of old wheels, back, forward */
	static const uint8_t bits[] = { [1] = 1, [2] = 4, [3] = 2, [8] = 8, [9] = 16 };

	return button < G_N_ELEMENTS(bits) ? bits[button] : 0;
}

/* Returns whether the event means anything for the buttons held. */
static bool hold(struct input *in, const GdkEventButton *event)
{
	unsigned bit = button_bit(event->button);

	if (event->type == GDK_BUTTON_PRESS)
		in->buttons |= bit;
	else if (event->type == GDK_BUTTON_RELEASE && (in->buttons & bit) != 0)
		in->buttons &= ~bit;
	else
		return false; /* GTK's double and triple clicks; the end of a click that was not the guest's */
	return true;
}

static void absolute_button(struct input *in, const GdkEventButton *event)
{
	unsigned x, y;
	bool over = in->listener->position(in->context, event->x, event->y, &x, &y);

	if (event->type == GDK_BUTTON_PRESS)
		gtk_widget_grab_focus(in->area);
	if (event->type == GDK_BUTTON_PRESS && !over)
		return;
	in->x = x;
	in->y = y;
	if (hold(in, event))
		send_buttons(in, 0);
	hide_cursor(in, over || in->buttons != 0);
}

static gboolean button(GtkWidget *area, GdkEventButton *event, gpointer data)
{
	struct input *in = data;

	if (in->client == NULL)
		return FALSE;
	if (in->absolute) {
		absolute_button(in, event);
		return TRUE;
	}
	if (!in->captured) { /* the click that captures is not the guest's: it was aimed at our window */
		if (event->type != GDK_BUTTON_PRESS)
			return FALSE;
		gtk_widget_grab_focus(area);
		capture(in, event);
		return TRUE;
	}
	if (hold(in, event))
		send_buttons(in, 0);
	return TRUE;
}

static gboolean scroll(GtkWidget *area, GdkEventScroll *event, gpointer data)
{
	struct input *in = data;

	(void)area;
	if ((!in->captured && !in->absolute) || in->client == NULL)
		return FALSE;
	if (event->direction == GDK_SCROLL_SMOOTH)
		in->rest_scroll += event->delta_y;
	else if (event->direction == GDK_SCROLL_UP || event->direction == GDK_SCROLL_DOWN)
		in->rest_scroll += event->direction == GDK_SCROLL_DOWN ? 1 : -1;
	int clicks = (int)trunc(in->rest_scroll);
	in->rest_scroll -= clicks;
	if (clicks != 0)
		send_buttons(in, clicks);
	return TRUE;
}

void input_set_client(struct input *in, struct core_client *client)
{
	if (in->client == client)
		return;
	input_release(in);
	hide_cursor(in, false);
	in->client = client;
}

static void unrealized(GtkWidget *area, gpointer data)
{
	struct input *in = data;

	(void)area;
	input_release(in);
	in->hidden = false; /* the next window has its own cursor */
}

static void free_input(GtkWidget *area, gpointer data)
{
	(void)area;
	g_free(data);
}

struct input *input_new(GtkWindow *window, GtkWidget *area, const struct input_listener *listener, void *context)
{
	const struct {
		const char *signal;
		GCallback handler;
	} handlers[] = {
		{ "focus-out-event", G_CALLBACK(focus_out) }, { "motion-notify-event", G_CALLBACK(motion) },
		{ "button-press-event", G_CALLBACK(button) }, { "button-release-event", G_CALLBACK(button) },
		{ "scroll-event", G_CALLBACK(scroll) },       { "grab-broken-event", G_CALLBACK(grab_broken) },
		{ "unrealize", G_CALLBACK(unrealized) },      { "destroy", G_CALLBACK(free_input) },
	};
	struct input *in = g_new0(struct input, 1);

	*in = (struct input){ .area = area, .listener = listener, .context = context };
	in->keymap = keymap_of(gtk_widget_get_display(area));
	gtk_widget_add_events(area, GDK_POINTER_MOTION_MASK | GDK_BUTTON_PRESS_MASK | GDK_BUTTON_RELEASE_MASK |
	                                    GDK_SCROLL_MASK | GDK_SMOOTH_SCROLL_MASK | GDK_KEY_PRESS_MASK |
	                                    GDK_KEY_RELEASE_MASK | GDK_FOCUS_CHANGE_MASK);
	gtk_widget_set_can_focus(area, TRUE);
	for (size_t i = 0; i < G_N_ELEMENTS(handlers); i++)
		g_signal_connect(area, handlers[i].signal, handlers[i].handler, in);
	g_signal_connect(window, "key-press-event", G_CALLBACK(window_key), in);
	g_signal_connect(window, "key-release-event", G_CALLBACK(window_key), in);
	return in;
}
