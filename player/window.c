/* SPDX-License-Identifier: MIT */
#include "player/window.h"

#include <string.h>

#include "player/disc_menu.h"
#include "player/port_menu.h"
#include "player/recent.h"

#define RECENT_SHOWN 6
#define HINT_SECONDS 4
#define NOTICES_MAX 65536          /* bytes: as much as anyone scrolls through */
#define WINDOW_KEY "player-window" /* the struct on its GtkWindow */

/* ---- the looks ---- */

static const struct look {
	const char *page, *subtitle, *run_label, *run_icon, *run_tooltip;
	const char *icon, *title, *action; /* of the page "message" */
} looks[VIEW_COUNT] = {
	[VIEW_EMPTY] = { .page = "empty" },
	[VIEW_STARTING] = { .page = "screen",
	                    .subtitle = "Starting…",
	                    .run_label = "Pause",
	                    .run_icon = "media-playback-pause-symbolic" },
	[VIEW_RUNNING] = { .page = "screen",
	                   .subtitle = "Running",
	                   .run_label = "Pause",
	                   .run_icon = "media-playback-pause-symbolic",
	                   .run_tooltip = "Pause (Ctrl+Alt+P)" },
	[VIEW_PAUSED] = { .page = "screen",
	                  .subtitle = "Paused",
	                  .run_label = "Run",
	                  .run_icon = "media-playback-start-symbolic",
	                  .run_tooltip = "Run (Ctrl+Alt+P)" },
	[VIEW_OFF] = { .page = "message",
	               .subtitle = "Off",
	               .run_label = "Run",
	               .run_icon = "media-playback-start-symbolic",
	               .run_tooltip = "Run (Ctrl+Alt+P)",
	               .icon = "system-shutdown-symbolic",
	               .title = "The machine is off",
	               .action = "_Run" },
	[VIEW_FAILED] = { .page = "message",
	                  .subtitle = "Cannot be played",
	                  .icon = "dialog-warning-symbolic",
	                  .title = "This appliance cannot be played",
	                  .action = "_Check Again" },
	[VIEW_DIED] = { .page = "message",
	                .subtitle = "Stopped",
	                .run_label = "Run",
	                .run_icon = "media-playback-start-symbolic",
	                .run_tooltip = "Run (Ctrl+Alt+P)",
	                .icon = "dialog-error-symbolic",
	                .title = "The machine stopped unexpectedly",
	                .action = "_Run Again" },
};

const struct model *player_window_model(const struct player_window *w)
{
	return w->client != NULL ? core_client_model(w->client) : NULL;
}

const char *player_window_name(const struct player_window *w)
{
	return gtk_header_bar_get_title(w->header);
}

static enum view view_of(const struct player_window *w)
{
	static const enum view views[STATE_COUNT] = {
		[STATE_STARTING] = VIEW_STARTING, [STATE_RUNNING] = VIEW_RUNNING, [STATE_PAUSED] = VIEW_PAUSED,
		[STATE_OFF] = VIEW_OFF,           [STATE_FAILED] = VIEW_FAILED,
	};

	if (w->appliance == NULL)
		return VIEW_EMPTY;
	if (w->client == NULL)
		return VIEW_FAILED;
	if (!w->alive && w->failure[0] != '\0')
		return VIEW_DIED;
	return views[core_client_model(w->client)->state];
}

static void show_message(struct player_window *w, const struct look *look)
{
	const struct model *m = player_window_model(w);
	const char *text = m == NULL || w->view == VIEW_DIED ? w->failure : m->text;
	bool failed = w->view == VIEW_FAILED;

	gtk_image_set_from_icon_name(w->message_icon, look->icon, GTK_ICON_SIZE_DIALOG);
	gtk_label_set_text(w->message_title, failed && w->ran ? "This machine cannot go on" : look->title);
	gtk_label_set_text(w->message_text, text);
	gtk_widget_set_visible(GTK_WIDGET(w->message_text), text[0] != '\0');
	gtk_button_set_label(GTK_BUTTON(w->message_action), look->action);
	gtk_button_set_use_underline(GTK_BUTTON(w->message_action), TRUE);
	gtk_widget_set_visible(w->message_other, failed);
}

static void show_subtitle(struct player_window *w)
{
	const char *subtitle = looks[w->view].subtitle;

	if (w->view == VIEW_RUNNING && console_is_shown(w->console))
		subtitle = "Running: serial console";
	gtk_header_bar_set_subtitle(w->header,
	                            input_has_pointer(w->input) ? "Press Ctrl+Alt to release the pointer" : subtitle);
}

static void show_title(struct player_window *w)
{
	const struct model *m = player_window_model(w);
	g_autofree char *path = w->appliance != NULL ? g_file_get_path(w->appliance) : NULL;
	g_autofree char *base = path != NULL ? g_filename_display_basename(path) : NULL;
	char title[256];

	model_copy_text(title, sizeof(title),
	                m != NULL && m->name[0] != '\0' ? m->name
	                : base != NULL                  ? base
	                                                : "Vitrine");
	gtk_header_bar_set_title(w->header, title);
	gtk_window_set_title(GTK_WINDOW(w->window), title);
}

static void show_cds(struct player_window *w)
{
	const struct model *m = player_window_model(w);
	bool any = m != NULL && w->alive && m->cd_count > 0;

	gtk_widget_set_visible(w->cd, any);
	if (!any)
		return;
	g_autoptr(GPtrArray) recent = recent_list(gtk_recent_manager_get_default(), RECENT_CD, RECENT_SHOWN);
	disc_menu_fill(w->cd_menu, m, recent);
	gtk_label_set_text(w->cd_label, disc_menu_label(m));
}

static void show_recent(struct player_window *w)
{
	g_autoptr(GPtrArray) recent = recent_list(gtk_recent_manager_get_default(), RECENT_APPLIANCE, RECENT_SHOWN);

	gtk_container_foreach(GTK_CONTAINER(w->recent), (GtkCallback)(void (*)(void))gtk_widget_destroy, NULL);
	for (guint i = 0; i < recent->len; i++) {
		g_autofree char *path = g_file_get_path(recent->pdata[i]);
		g_autofree char *base = g_filename_display_basename(path);
		g_autofree char *uri = g_file_get_uri(recent->pdata[i]);
		GtkWidget *label = gtk_label_new(base);
		GtkWidget *button = gtk_button_new();

		gtk_label_set_ellipsize(GTK_LABEL(label), PANGO_ELLIPSIZE_MIDDLE);
		gtk_label_set_max_width_chars(GTK_LABEL(label), 40);
		gtk_container_add(GTK_CONTAINER(button), label);
		gtk_button_set_relief(GTK_BUTTON(button), GTK_RELIEF_NONE);
		if (g_utf8_validate(path, -1, NULL))
			gtk_widget_set_tooltip_text(button, path);
		gtk_actionable_set_action_name(GTK_ACTIONABLE(button), "win.open-recent");
		gtk_actionable_set_action_target(GTK_ACTIONABLE(button), "s", uri);
		gtk_container_add(GTK_CONTAINER(w->recent), button);
	}
	gtk_widget_show_all(w->recent);
}

/* Instead of the spinner, when it is known how long it takes. */
static void show_preparing(struct player_window *w)
{
	const struct model *m = player_window_model(w);
	bool any = w->view == VIEW_STARTING && m != NULL && m->preparing;

	if (any && !gtk_widget_get_visible(w->preparing)) {
		gtk_widget_show(w->preparing);
		gtk_widget_grab_focus(w->cancel);
	}
	gtk_widget_set_visible(w->preparing, any);
	gtk_widget_set_visible(w->spinner, w->view == VIEW_STARTING && !any);
	g_object_set(w->spinner, "active", w->view == VIEW_STARTING && !any, NULL);
	if (!any)
		return;
	g_autofree char *label = g_strdup_printf("Preparing %s for its first run…", m->preparing_what);
	g_autofree char *done = g_format_size(m->prepared), *total = g_format_size(m->to_prepare);
	g_autofree char *text = g_strdup_printf("%s of %s", done, total);
	gtk_label_set_text(w->preparing_label, label);
	gtk_progress_bar_set_text(w->progress, text);
	gtk_progress_bar_set_fraction(w->progress, m->to_prepare ? (double)m->prepared / (double)m->to_prepare : 1);
}

static void focus_what_matters(struct player_window *w)
{
	GtkWidget *guest = console_is_shown(w->console) ? console_terminal(w->console) : w->area;
	GtkWidget *const focus[VIEW_COUNT] = {
		[VIEW_STARTING] = guest,           [VIEW_RUNNING] = guest,
		[VIEW_PAUSED] = w->big_run,        [VIEW_OFF] = w->message_action,
		[VIEW_FAILED] = w->message_action, [VIEW_DIED] = w->message_action,
	};

	if (focus[w->view] != NULL)
		gtk_widget_grab_focus(focus[w->view]);
}

static void close_dialog(struct player_window *w)
{
	if (w->dialog != NULL)
		gtk_widget_destroy(w->dialog); /* which clears w->dialog */
}

/* Everything that follows from what is shown. */
static void show(struct player_window *w)
{
	enum view view = view_of(w);
	const struct look *look = &looks[view];
	bool changed = view != w->view;
	bool screen = view == VIEW_RUNNING || view == VIEW_PAUSED;

	w->view = view;
	w->ran = w->ran || screen;
	input_set_client(w->input, view == VIEW_RUNNING ? w->client : NULL);
	console_set_client(w->console, view == VIEW_RUNNING ? w->client : NULL);
	if (w->sound != NULL)
		sound_set_running(w->sound, view == VIEW_RUNNING);
	screen_view_dim(w->screen, view == VIEW_PAUSED);

	gtk_widget_set_visible(w->run, look->run_label != NULL);
	if (look->run_label != NULL) {
		gtk_label_set_text(w->run_label, look->run_label);
		gtk_image_set_from_icon_name(w->run_icon, look->run_icon, GTK_ICON_SIZE_BUTTON);
		gtk_widget_set_tooltip_text(w->run, look->run_tooltip);
	}
	gtk_widget_set_visible(w->big_run, view == VIEW_PAUSED);
	show_preparing(w);
	if (look->title != NULL)
		show_message(w, look);
	if (view == VIEW_EMPTY)
		show_recent(w);
	gtk_stack_set_visible_child_name(w->stack, look->page);
	show_title(w);
	show_subtitle(w);
	show_cds(w);
	actions_enable(w);
	if (!changed)
		return;
	if (!screen)
		close_dialog(w); /* what it asked about is over */
	focus_what_matters(w);
}

/* ---- the window's size ---- */

static GdkRectangle work_area(struct player_window *w)
{
	GdkDisplay *display = gtk_widget_get_display(w->area);
	GdkWindow *window = gtk_widget_get_window(GTK_WIDGET(w->window));
	GdkMonitor *monitor = window != NULL ? gdk_display_get_monitor_at_window(display, window) : NULL;
	GdkRectangle area = { .width = 1280, .height = 800 };

	if (monitor != NULL)
		gdk_monitor_get_workarea(monitor, &area);
	return area;
}

/* Does the screen have the size that the window took for it, or is about to have it? Then the user has not chosen
 * another. */
static bool fits_guest(const struct player_window *w)
{
	return w->fitted_width != 0 &&
	       (w->fit_pending || (w->fitted_width == gtk_widget_get_allocated_width(GTK_WIDGET(w->guest)) &&
	                           w->fitted_height == gtk_widget_get_allocated_height(GTK_WIDGET(w->guest))));
}

static int bar_height(struct player_window *w)
{
	int height = 0;

	if (gtk_widget_get_visible(w->info))
		gtk_widget_get_preferred_height_for_width(w->info, MAX(w->fitted_width, 1), NULL, &height);
	return height;
}

/* The info bar takes its room from the desktop, not from a screen that is shown pixel by pixel. */
static void take_fitted_size(struct player_window *w)
{
	if (w->full_screen || gtk_window_is_maximized(GTK_WINDOW(w->window)))
		return;
	w->fit_pending = true;
	/* GTK adds the header bar and shadows to this size. */
	gtk_window_resize(GTK_WINDOW(w->window), w->fitted_width, w->fitted_height + bar_height(w));
}

static void guest_allocated(GtkWidget *guest, GdkRectangle *allocation, gpointer data)
{
	struct player_window *w = data;

	(void)guest;
	if (allocation->width == w->fitted_width && allocation->height == w->fitted_height)
		w->fit_pending = false;
}

/* ---- the info bar ---- */

void player_window_hush(struct player_window *w)
{
	bool fits = fits_guest(w);

	if (!gtk_widget_get_visible(w->info))
		return;
	gtk_widget_hide(w->info);
	if (fits)
		take_fitted_size(w);
}

void player_window_say(struct player_window *w, enum info_about about, GtkMessageType type, const char *text,
                       const char *label, const char *action)
{
	bool fits = fits_guest(w);

	w->info_about = about;
	gtk_info_bar_set_message_type(GTK_INFO_BAR(w->info), type);
	gtk_label_set_text(w->info_label, text);
	gtk_widget_set_tooltip_text(GTK_WIDGET(w->info_label), text);
	gtk_widget_set_visible(w->info_action, label != NULL);
	if (label != NULL) {
		gtk_button_set_label(GTK_BUTTON(w->info_action), label);
		gtk_button_set_use_underline(GTK_BUTTON(w->info_action), TRUE);
		gtk_actionable_set_detailed_action_name(GTK_ACTIONABLE(w->info_action), action);
	}
	gtk_widget_show(w->info);
	if (fits) /* also for a longer sentence */
		take_fitted_size(w);
}

static void info_response(GtkInfoBar *info, gint response, gpointer data)
{
	struct player_window *w = data;

	(void)info;
	(void)response;
	w->notice_count = 0; /* they were seen */
	player_window_hush(w);
}

/* An appliance may bring hundreds of remarks: one is shown as it is, more are counted, all can be read. What waits for
 * the user's decision stays. */
static void add_notice(struct player_window *w, const struct model *m)
{
	bool busy = gtk_widget_get_visible(w->info) && w->info_about > INFO_NOTICES;
	GtkMessageType type = m->notice_level == NOTICE_WARNING ? GTK_MESSAGE_WARNING : GTK_MESSAGE_INFO;

	if (w->notice_count++ == 0)
		g_string_truncate(w->notices, 0);
	if (w->notices->len < NOTICES_MAX)
		g_string_append_printf(w->notices, "• %s\n", m->notice);
	if (busy)
		return;
	if (w->notice_count == 1) {
		player_window_say(w, INFO_NOTICES, type, m->notice, NULL, NULL);
		return;
	}
	g_autofree char *text = g_strdup_printf("There are %u remarks about this machine.", w->notice_count);
	player_window_say(w, INFO_NOTICES, type, text, "_Show", "win.notices");
}

void player_window_command(struct player_window *w, enum command command)
{
	if (w->client != NULL && core_client_command(w->client, command) == -EAGAIN)
		player_window_say(w, INFO_ACTION, GTK_MESSAGE_WARNING, "The machine does not answer.", "_End It",
		                  "win.end");
}

/* ---- what the core says ---- */

/* A window that fits its guest goes on fitting it when the guest changes its mode; one that the user has sized stays.
 */
static void fit_guest(struct player_window *w, int guest_width, int guest_height)
{
	if (guest_width == 0 || guest_height == 0 || (w->fitted_width != 0 && !fits_guest(w)))
		return;
	GdkRectangle limit = work_area(w);
	struct rectangle room = { .width = limit.width, .height = limit.height - bar_height(w) };
	room.height -= gtk_widget_get_allocated_height(GTK_WIDGET(w->header));
	if (room.width <= 0 || room.height <= 0)
		return;
	geometry_natural_size(guest_width, guest_height, room, &w->fitted_width, &w->fitted_height);
	take_fitted_size(w);
}

static void state_changed(struct player_window *w, const struct model *m)
{
	if (m->state == STATE_PAUSED && m->text[0] != '\0')
		player_window_say(w, INFO_STATE, GTK_MESSAGE_WARNING, m->text, "_Try Again", "win.run-pause");
	else if (w->info_about == INFO_STATE)
		player_window_hush(w);
}

static void console_was_turned(void *context, bool by_itself)
{
	struct player_window *w = context;
	bool busy = gtk_widget_get_visible(w->info) && w->info_about != INFO_ACTION;

	input_release(w->input);
	actions_turned(w);
	show_subtitle(w);
	if (w->view == VIEW_RUNNING)
		focus_what_matters(w);
	if (console_is_shown(w->console) && by_itself && !busy)
		player_window_say(w, INFO_CONSOLE, GTK_MESSAGE_INFO,
		                  "The machine draws nothing on its screen. This is its serial console.",
		                  "Show _Screen", "win.serial-console");
	else if (w->info_about == INFO_CONSOLE)
		player_window_hush(w);
}

static void take_serial(struct player_window *w, const struct model *m)
{
	bool first = !console_has_spoken(w->console);

	console_output(w->console, m->said, m->said_count);
	if (first)
		actions_enable(w);
}

static bool any_cd_locked(const struct model *m)
{
	bool locked = false;

	for (unsigned i = 0; i < m->cd_count; i++)
		locked = locked || (m->cds[i].present && m->cds[i].locked);
	return locked;
}

static void changed(void *context, int changes)
{
	struct player_window *w = context;
	const struct model *m = core_client_model(w->client);

	if (changes & MODEL_SCREEN) {
		if (changes & MODEL_MACHINE)
			fit_guest(w, (int)m->width, (int)m->height);
		screen_view_update(w->screen, m->width, m->height, m->damage);
		console_see_screen(w->console, m, core_client_pixels(w->client));
		if (changes == MODEL_SCREEN)
			return; /* sixty times a second */
	}
	if (changes & MODEL_SERIAL)
		take_serial(w, m);
	if (changes & MODEL_STATE)
		state_changed(w, m);
	if (changes & MODEL_POINTER)
		input_set_absolute(w->input, m->absolute);
	if (changes & MODEL_NOTICE)
		add_notice(w, m);
	if (changes & MODEL_CD && w->info_about == INFO_LOCKED_CD && !any_cd_locked(m))
		player_window_hush(w);
	if (changes & MODEL_PROGRESS)
		show_preparing(w);
	if (changes & MODEL_PORTS)
		port_menu_fill(w->port_menu, m);
	if (changes & (MODEL_MACHINE | MODEL_STATE | MODEL_CD))
		show(w);
	if (changes & MODEL_QUESTION)
		actions_ask(w);
}

static void ended(void *context, const char *why)
{
	struct player_window *w = context;

	w->alive = false;
	g_menu_remove_all(w->port_menu);
	model_copy_text(w->failure, sizeof(w->failure), why != NULL ? why : "");
	if (why != NULL)
		player_window_hush(w);
	show(w);
}

static const struct core_listener core_listener = { .changed = changed, .ended = ended };

static void sound_trouble(void *context, const char *text)
{
	player_window_say(context, INFO_ACTION, GTK_MESSAGE_INFO, text, NULL, NULL);
}

/* ---- starting and ending ---- */

static void let_go(struct player_window *w)
{
	close_dialog(w);
	input_set_client(w->input, NULL);
	console_set_client(w->console, NULL);
	input_set_absolute(w->input, false);
	screen_view_detach(w->screen);
	g_clear_pointer(&w->sound, sound_free);
	core_client_close(w->client);
	w->client = NULL;
	w->alive = false;
	g_menu_remove_all(w->port_menu);
}

void player_window_start(struct player_window *w)
{
	g_autofree char *path = g_file_get_path(w->appliance);

	let_go(w);
	player_window_hush(w);
	w->notice_count = 0;
	w->failure[0] = '\0';
	w->ran = false;
	console_start(w->console);
	if (path == NULL)
		g_strlcpy(w->failure, "Only a file on this computer can be played: copy the appliance here first.",
		          sizeof(w->failure));
	else if (core_client_start(path, w->flags, &core_listener, w, &w->client, w->failure) == 0) {
		w->alive = true;
		w->failure[0] = '\0';
		w->sound = sound_new(core_client_sound(w->client), sound_trouble, w);
		screen_view_attach(w->screen, core_client_pixels(w->client));
	}
	show(w);
}

void player_window_end_core(struct player_window *w, const char *why)
{
	if (w->client == NULL || !w->alive)
		return;
	core_client_kill(w->client);
	ended(w, why);
}

static struct player_window *find_window(GtkApplication *application, GFile *appliance)
{
	for (GList *l = gtk_application_get_windows(application); l != NULL; l = l->next) {
		struct player_window *w = player_window_of(l->data);
		if (w != NULL && w->appliance != NULL && g_file_equal(w->appliance, appliance))
			return w;
	}
	return NULL;
}

void player_window_open(struct player_window *w, GFile *appliance, uint32_t flags)
{
	GtkApplication *application = gtk_window_get_application(GTK_WINDOW(w->window));
	struct player_window *other = find_window(application, appliance);
	/* An appliance that could not be played leaves its window to the next one. */
	bool free_for_it = w->view == VIEW_EMPTY || w->view == VIEW_FAILED;

	if (other != NULL && other != w) {
		gtk_window_present(GTK_WINDOW(other->window));
		return;
	}
	if (!free_for_it && other == NULL) {
		player_window_new(application, appliance, flags);
		return;
	}
	if (!free_for_it)
		return;
	g_set_object(&w->appliance, appliance);
	w->flags = flags;
	recent_add(gtk_recent_manager_get_default(), RECENT_APPLIANCE, appliance);
	player_window_start(w);
}

/* ---- the widgets ---- */

static void screen_ready(void *context)
{
	struct player_window *w = context;

	if (w->client != NULL && w->alive)
		core_client_command(w->client, COMMAND_SCREEN_READY);
}

static void activate(struct player_window *w, const char *action)
{
	g_action_group_activate_action(G_ACTION_GROUP(w->window), action, NULL);
}

static void shortcut(void *context, enum shortcut shortcut)
{
	struct player_window *w = context;

	if (shortcut == SHORTCUT_FULL_SCREEN)
		activate(w, "full-screen");
	else if (shortcut == SHORTCUT_RUN_PAUSE)
		activate(w, "run-pause");
	else if (shortcut == SHORTCUT_MENU)
		activate(w, "menu");
}

static void captured(void *context, bool is_captured)
{
	(void)is_captured;
	show_subtitle(context);
}

static bool position(void *context, double x, double y, unsigned *ret_x, unsigned *ret_y)
{
	struct player_window *w = context;

	return screen_view_position(w->screen, x, y, POINTER_RANGE, ret_x, ret_y);
}

static const struct input_listener input_listener = { .shortcut = shortcut,
	                                              .captured = captured,
	                                              .position = position };

static gboolean hide_hint(gpointer data)
{
	struct player_window *w = data;

	w->hint_timer = 0;
	gtk_widget_hide(w->hint);
	return G_SOURCE_REMOVE;
}

static gboolean window_state(GtkWidget *widget, GdkEventWindowState *event, gpointer data)
{
	struct player_window *w = data;
	bool full = (event->new_window_state & GDK_WINDOW_STATE_FULLSCREEN) != 0;

	(void)widget;
	if (full == w->full_screen)
		return FALSE;
	w->full_screen = full;
	gtk_widget_set_visible(w->hint, full);
	if (w->hint_timer != 0)
		g_source_remove(w->hint_timer);
	w->hint_timer = full ? g_timeout_add_seconds(HINT_SECONDS, hide_hint, w) : 0;
	actions_enable(w);
	return FALSE;
}

static void focus_changed(GObject *window, GParamSpec *property, gpointer data)
{
	struct player_window *w = data;

	(void)property;
	if (!gtk_window_is_active(GTK_WINDOW(window)))
		input_release(w->input);
}

static gboolean delete_event(GtkWidget *widget, GdkEvent *event, gpointer data)
{
	struct player_window *w = data;

	(void)widget;
	(void)event;
	/* A paused machine is on, too: what it has in memory would be lost as well. */
	if ((w->view != VIEW_RUNNING && w->view != VIEW_PAUSED) || !w->alive)
		return FALSE;
	actions_ask_close(w);
	return TRUE;
}

static void drag_data(GtkWidget *widget, GdkDragContext *context, gint x, gint y, GtkSelectionData *selection,
                      guint info, guint time, gpointer data)
{
	char **uris = gtk_selection_data_get_uris(selection);

	(void)widget;
	(void)context;
	(void)x;
	(void)y;
	(void)info;
	(void)time;
	for (char **uri = uris; uri != NULL && *uri != NULL; uri++) {
		g_autoptr(GFile) file = g_file_new_for_uri(*uri);
		actions_drop(data, file);
	}
	g_strfreev(uris);
}

/* Runs while the children are still there: what hangs on them lets go before they do. */
static void destroyed(GtkWidget *widget, gpointer data)
{
	struct player_window *w = data;

	g_signal_handlers_disconnect_by_data(widget, w);
	let_go(w);
	if (w->hint_timer != 0)
		g_source_remove(w->hint_timer);
	w->hint_timer = 0;
}

static void free_window(gpointer data)
{
	struct player_window *w = data;

	g_clear_object(&w->cd_menu);
	g_clear_object(&w->port_menu);
	g_string_free(w->notices, TRUE);
	g_clear_object(&w->appliance);
	g_free(w);
}

static void find_widgets(struct player_window *w, GtkBuilder *builder)
{
	const struct {
		const char *name;
		void *ret_object; /* a pointer to the pointer, whatever its GTK type */
	} objects[] = {
		{ "window", &w->window },
		{ "header", &w->header },
		{ "stack", &w->stack },
		{ "guest", &w->guest },
		{ "screen", &w->area },
		{ "run", &w->run },
		{ "run_icon", &w->run_icon },
		{ "run_label", &w->run_label },
		{ "big_run", &w->big_run },
		{ "cd", &w->cd },
		{ "cd_label", &w->cd_label },
		{ "menu", &w->menu },
		{ "info", &w->info },
		{ "info_label", &w->info_label },
		{ "info_action", &w->info_action },
		{ "spinner", &w->spinner },
		{ "preparing", &w->preparing },
		{ "cancel", &w->cancel },
		{ "preparing_label", &w->preparing_label },
		{ "progress", &w->progress },
		{ "hint", &w->hint },
		{ "recent", &w->recent },
		{ "message_icon", &w->message_icon },
		{ "message_title", &w->message_title },
		{ "message_text", &w->message_text },
		{ "message_action", &w->message_action },
		{ "message_other", &w->message_other },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(objects); i++) {
		GObject *object = gtk_builder_get_object(builder, objects[i].name);
		g_assert(object != NULL);
		memcpy(objects[i].ret_object, &object, sizeof(object));
	}
}

/* The list of recent files is shared with every program of the desktop: it is told to us late, and by others, too. */
static void recent_changed(GtkWindow *window)
{
	struct player_window *w = player_window_of(window);

	show_cds(w);
	if (w->view == VIEW_EMPTY)
		show_recent(w);
}

static void connect_signals(struct player_window *w)
{
	g_signal_connect(w->window, "delete-event", G_CALLBACK(delete_event), w);
	g_signal_connect(w->window, "destroy", G_CALLBACK(destroyed), w);
	g_signal_connect(w->window, "window-state-event", G_CALLBACK(window_state), w);
	g_signal_connect(w->window, "notify::is-active", G_CALLBACK(focus_changed), w);
	g_signal_connect(w->window, "drag-data-received", G_CALLBACK(drag_data), w);
	g_signal_connect(w->guest, "size-allocate", G_CALLBACK(guest_allocated), w);
	g_signal_connect(w->info, "response", G_CALLBACK(info_response), w);
	g_signal_connect_object(gtk_recent_manager_get_default(), "changed", G_CALLBACK(recent_changed), w->window,
	                        G_CONNECT_SWAPPED);
	gtk_drag_dest_set(GTK_WIDGET(w->window), GTK_DEST_DEFAULT_ALL, NULL, 0, GDK_ACTION_COPY);
	gtk_drag_dest_add_uri_targets(GTK_WIDGET(w->window));
}

struct player_window *player_window_of(GtkWindow *window)
{
	return g_object_get_data(G_OBJECT(window), WINDOW_KEY);
}

struct player_window *player_window_new(GtkApplication *application, GFile *appliance, uint32_t flags)
{
	g_autoptr(GtkBuilder) builder = gtk_builder_new_from_resource("/org/vitrine/player/window.ui");
	g_autoptr(GtkBuilder) shortcuts = gtk_builder_new_from_resource("/org/vitrine/player/shortcuts.ui");
	struct player_window *w = g_new0(struct player_window, 1);

	find_widgets(w, builder);
	w->cd_menu = g_menu_new();
	w->port_menu = g_menu_new();
	g_menu_insert_section(G_MENU(gtk_builder_get_object(builder, "main_menu")), 0, NULL,
	                      G_MENU_MODEL(w->port_menu));
	w->notices = g_string_new(NULL);
	gtk_menu_button_set_menu_model(GTK_MENU_BUTTON(w->cd), G_MENU_MODEL(w->cd_menu));
	g_object_set_data_full(G_OBJECT(w->window), WINDOW_KEY, w, free_window);
	connect_signals(w);
	w->screen = screen_view_new(GTK_DRAWING_AREA(w->area), screen_ready, w);
	w->console = console_new(GTK_WINDOW(w->window), w->guest, w->area, console_was_turned, w);
	w->input = input_new(GTK_WINDOW(w->window), w->area, &input_listener, w);
	gtk_application_window_set_help_overlay(
		w->window, GTK_SHORTCUTS_WINDOW(gtk_builder_get_object(shortcuts, "help_overlay")));
	actions_add(w);
	gtk_window_set_application(GTK_WINDOW(w->window), application);
	show(w);
	if (appliance != NULL)
		player_window_open(w, appliance, flags);
	gtk_window_present(GTK_WINDOW(w->window));
	return w;
}
