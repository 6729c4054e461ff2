/* SPDX-License-Identifier: MIT */
/* What the user can do in a window: its actions, the file choosers, and the questions that are asked first. */
#include <linux/input-event-codes.h>
#include <string.h>

#include "player/port_menu.h"
#include "player/recent.h"
#include "player/window.h"

/* ---- dialogs ---- */

/* One question at a time, about this window only. The caller connects "response" and shows it. */
static GtkWidget *question_new(struct player_window *w, const char *title, const char *text, const char *accept,
                               const char *reject, bool destructive)
{
	if (w->dialog != NULL)
		gtk_widget_destroy(w->dialog);
	GtkWidget *dialog =
		gtk_message_dialog_new(GTK_WINDOW(w->window), GTK_DIALOG_MODAL | GTK_DIALOG_DESTROY_WITH_PARENT,
	                               GTK_MESSAGE_QUESTION, GTK_BUTTONS_NONE, "%s", title);
	gtk_message_dialog_format_secondary_text(GTK_MESSAGE_DIALOG(dialog), "%s", text);
	gtk_dialog_add_button(GTK_DIALOG(dialog), reject, GTK_RESPONSE_CANCEL);
	GtkWidget *yes = gtk_dialog_add_button(GTK_DIALOG(dialog), accept, GTK_RESPONSE_ACCEPT);
	if (destructive)
		gtk_style_context_add_class(gtk_widget_get_style_context(yes), GTK_STYLE_CLASS_DESTRUCTIVE_ACTION);
	gtk_dialog_set_default_response(GTK_DIALOG(dialog), GTK_RESPONSE_CANCEL);
	w->dialog = dialog;
	g_signal_connect(dialog, "destroy", G_CALLBACK(gtk_widget_destroyed), &w->dialog);
	input_release(w->input);
	return dialog;
}

/* Destroys the dialog; true if the answer was yes. */
static bool accepted(GtkDialog *dialog, gint response)
{
	gtk_widget_destroy(GTK_WIDGET(dialog));
	return response == GTK_RESPONSE_ACCEPT;
}

static void close_answered(GtkDialog *dialog, gint response, gpointer data)
{
	struct player_window *w = data;

	if (accepted(dialog, response))
		gtk_widget_destroy(GTK_WIDGET(w->window));
}

static void power_off_answered(GtkDialog *dialog, gint response, gpointer data)
{
	if (accepted(dialog, response))
		player_window_command(data, COMMAND_POWER_OFF);
}

static void restart_answered(GtkDialog *dialog, gint response, gpointer data)
{
	if (accepted(dialog, response))
		player_window_command(data, COMMAND_RESET);
}

static void confirm(struct player_window *w, const char *verb, const char *accept,
                    void (*answered)(GtkDialog *dialog, gint response, gpointer data))
{
	g_autofree char *title = g_strdup_printf("%s “%s”?", verb, player_window_name(w));
	const char *keep = w->view == VIEW_PAUSED ? "_Keep Paused" : "_Keep Running";
	GtkWidget *dialog =
		question_new(w, title, "What its guest has not saved yet will be lost.", accept, keep, true);

	g_signal_connect(dialog, "response", G_CALLBACK(answered), w);
	gtk_widget_show(dialog);
}

void actions_ask_close(struct player_window *w)
{
	confirm(w, "Power off", "_Power Off", close_answered);
}

static void question_answered(GtkDialog *dialog, gint response, gpointer data)
{
	struct player_window *w = data;

	core_client_answer(w->client, accepted(dialog, response));
}

/* Foreign words of any length: plain text, to be scrolled. Closing the dialog is no agreement. */
static void ask_license(struct player_window *w, const struct model *m)
{
	g_autofree char *title = g_strdup_printf("Licence agreement of “%s”", player_window_name(w));
	GtkWidget *dialog = question_new(w, title, "Its maker asks you to accept this before it runs the first time.",
	                                 "_Accept", "_Decline", false);
	GtkWidget *scrolled = gtk_scrolled_window_new(NULL, NULL), *text = gtk_text_view_new();

	gtk_text_buffer_set_text(gtk_text_view_get_buffer(GTK_TEXT_VIEW(text)), m->license, (gint)m->license_length);
	gtk_text_view_set_editable(GTK_TEXT_VIEW(text), FALSE);
	gtk_text_view_set_cursor_visible(GTK_TEXT_VIEW(text), FALSE);
	gtk_text_view_set_accepts_tab(GTK_TEXT_VIEW(text), FALSE);
	gtk_text_view_set_wrap_mode(GTK_TEXT_VIEW(text), GTK_WRAP_WORD_CHAR);
	g_object_set(text, "margin", 6, NULL);
	gtk_scrolled_window_set_shadow_type(GTK_SCROLLED_WINDOW(scrolled), GTK_SHADOW_IN);
	gtk_container_add(GTK_CONTAINER(scrolled), text);
	gtk_widget_set_size_request(scrolled, 560, 320);
	gtk_box_pack_start(GTK_BOX(gtk_dialog_get_content_area(GTK_DIALOG(dialog))), scrolled, TRUE, TRUE, 0);
	gtk_window_set_resizable(GTK_WINDOW(dialog), TRUE);
	gtk_widget_show_all(scrolled);
	g_signal_connect(dialog, "response", G_CALLBACK(question_answered), w);
	gtk_widget_show(dialog);
}

void actions_ask(struct player_window *w)
{
	static const char *const found[QUESTION_ALL_KINDS] = {
		[QUESTION_DIGEST] = "was changed or damaged",
		[QUESTION_LICENSE] = "has a licence agreement",
		[QUESTION_NETWORK] = "asks for more of this computer's network",
		[QUESTION_IN_PLACE] = "asks to change its own disk files",
	};
	const struct model *m = player_window_model(w);

	if (m->question_kind == QUESTION_LICENSE) {
		ask_license(w, m);
		return;
	}
	g_autofree char *title = g_strdup_printf("“%s” %s", player_window_name(w), found[m->question_kind]);
	/* An underscore from the core must not become a mnemonic, and a button needs some label. */
	const char *accept = m->accept[0] != '\0' ? m->accept : "Go On",
		   *reject = m->reject[0] != '\0' ? m->reject : "Stop";
	GtkWidget *dialog = question_new(w, title, m->question, "", "", false);
	GtkDialog *d = GTK_DIALOG(dialog);

	gtk_button_set_use_underline(GTK_BUTTON(gtk_dialog_get_widget_for_response(d, GTK_RESPONSE_ACCEPT)), FALSE);
	gtk_button_set_label(GTK_BUTTON(gtk_dialog_get_widget_for_response(d, GTK_RESPONSE_ACCEPT)), accept);
	gtk_button_set_use_underline(GTK_BUTTON(gtk_dialog_get_widget_for_response(d, GTK_RESPONSE_CANCEL)), FALSE);
	gtk_button_set_label(GTK_BUTTON(gtk_dialog_get_widget_for_response(d, GTK_RESPONSE_CANCEL)), reject);
	g_signal_connect(dialog, "response", G_CALLBACK(question_answered), w);
	gtk_widget_show(dialog);
}

static void notices(GSimpleAction *action, GVariant *target, gpointer data)
{
	struct player_window *w = data;
	GtkWidget *dialog = gtk_dialog_new_with_buttons(
		"Remarks", GTK_WINDOW(w->window),
		GTK_DIALOG_MODAL | GTK_DIALOG_DESTROY_WITH_PARENT | GTK_DIALOG_USE_HEADER_BAR, NULL, NULL);
	GtkWidget *scrolled = gtk_scrolled_window_new(NULL, NULL), *label = gtk_label_new(w->notices->str);

	(void)action;
	(void)target;
	gtk_label_set_line_wrap(GTK_LABEL(label), TRUE);
	gtk_label_set_selectable(GTK_LABEL(label), TRUE);
	gtk_label_set_xalign(GTK_LABEL(label), 0);
	gtk_label_set_yalign(GTK_LABEL(label), 0);
	g_object_set(label, "margin", 12, NULL);
	gtk_container_add(GTK_CONTAINER(scrolled), label);
	gtk_widget_set_vexpand(scrolled, TRUE);
	gtk_container_add(GTK_CONTAINER(gtk_dialog_get_content_area(GTK_DIALOG(dialog))), scrolled);
	gtk_window_set_default_size(GTK_WINDOW(dialog), 560, 360);
	g_signal_connect(dialog, "response", G_CALLBACK(gtk_widget_destroy), NULL);
	input_release(w->input);
	gtk_widget_show_all(dialog);
}

/* ---- files ---- */

static void insert(struct player_window *w, unsigned drive, GFile *file, bool force)
{
	g_autofree char *path = file != NULL ? g_file_get_path(file) : NULL;
	char text[MESSAGE_TEXT];

	if (w->client == NULL || !w->alive)
		return;
	if (file != NULL && path == NULL)
		player_window_say(w, INFO_ACTION, GTK_MESSAGE_ERROR, "Only a file on this computer can be inserted.",
		                  NULL, NULL);
	else if (core_client_insert_cd(w->client, drive, path, force, text) < 0)
		player_window_say(w, INFO_ACTION, GTK_MESSAGE_ERROR,
		                  text[0] != '\0' ? text : "The CD could not be inserted.", NULL, NULL);
	else if (file != NULL)
		recent_add(gtk_recent_manager_get_default(), RECENT_CD, file);
}

static void add_filter(GtkFileChooser *chooser, const char *name, const char *const *patterns)
{
	GtkFileFilter *filter = gtk_file_filter_new();

	gtk_file_filter_set_name(filter, name);
	for (; *patterns != NULL; patterns++)
		gtk_file_filter_add_pattern(filter, *patterns);
	gtk_file_chooser_add_filter(chooser, filter);
}

static const char *const appliance_patterns[] = { "*.[oO][vV][aAfF]",
	                                          "*.[vV][mM][xX]",
	                                          "*.[vV][mM][dD][kK]",
	                                          "*.[vV][dD][iI]",
	                                          "*.[vV][hH][dD]",
	                                          "*.[vV][hH][dD][xX]",
	                                          "*.[qQ][cC][oO][wW]2",
	                                          "*.[iI][mM][gG]",
	                                          "*.[iI][sS][oO]",
	                                          "*.[rR][aA][wW]",
	                                          "*.[gGxX][zZ]",
	                                          "*.[zZ][iI][pP]",
	                                          "*.7[zZ]",
	                                          NULL };
static const char *const cd_patterns[] = { "*.[iI][sS][oO]", "*.[iI][sS][oO].[gGxX][zZ]", "*.[iI][sS][oO].[zZ][iI][pP]",
	                                   NULL };
static const char *const all_patterns[] = { "*", NULL };

static GtkFileChooserNative *chooser_new(struct player_window *w, const char *title, const char *accept,
                                         const char *filter, const char *const *patterns, const char *folder)
{
	GtkFileChooserNative *chooser =
		gtk_file_chooser_native_new(title, GTK_WINDOW(w->window), GTK_FILE_CHOOSER_ACTION_OPEN, accept, NULL);

	add_filter(GTK_FILE_CHOOSER(chooser), filter, patterns);
	add_filter(GTK_FILE_CHOOSER(chooser), "All files", all_patterns);
	if (folder != NULL)
		gtk_file_chooser_set_current_folder(GTK_FILE_CHOOSER(chooser), folder);
	gtk_native_dialog_set_modal(GTK_NATIVE_DIALOG(chooser), TRUE);
	/* It belongs to the window, so that it goes with it. */
	g_object_set_data_full(G_OBJECT(w->window), "file-chooser", chooser, g_object_unref);
	input_release(w->input);
	return chooser;
}

static void open_chosen(GtkNativeDialog *dialog, gint response, gpointer data)
{
	g_autoptr(GFile) file = gtk_file_chooser_get_file(GTK_FILE_CHOOSER(dialog));

	gtk_native_dialog_hide(dialog);
	if (response == GTK_RESPONSE_ACCEPT && file != NULL)
		player_window_open(data, file, 0);
}

static void insert_chosen(GtkNativeDialog *dialog, gint response, gpointer data)
{
	unsigned drive = GPOINTER_TO_UINT(g_object_get_data(G_OBJECT(dialog), "drive"));
	g_autoptr(GFile) file = gtk_file_chooser_get_file(GTK_FILE_CHOOSER(dialog));

	gtk_native_dialog_hide(dialog);
	if (response == GTK_RESPONSE_ACCEPT && file != NULL)
		insert(data, drive, file, false);
}

/* Also one that is packed: .iso.gz, .iso.xz, .iso.zip. */
static bool named_iso(GFile *file)
{
	g_autofree char *base = g_file_get_basename(file);
	g_autofree char *name = base != NULL ? g_ascii_strdown(base, -1) : NULL;
	static const char *const endings[] = { ".iso", ".iso.gz", ".iso.xz", ".iso.zip" };

	for (size_t i = 0; name != NULL && i < G_N_ELEMENTS(endings); i++)
		if (strlen(name) > strlen(endings[i]) && g_str_has_suffix(name, endings[i]))
			return true;
	return false;
}

/* An image dropped on a machine goes into its first empty drive, else into its first. */
void actions_drop(struct player_window *w, GFile *file)
{
	const struct model *m = player_window_model(w);
	unsigned drive = 0;

	if (m == NULL || !w->alive || m->cd_count == 0 || !named_iso(file)) {
		player_window_open(w, file, 0);
		return;
	}
	for (unsigned i = 0; i < m->cd_count; i++)
		if (!m->cds[i].present) {
			drive = i;
			break;
		}
	insert(w, drive, file, false);
}

/* ---- the actions ---- */

static void run_pause(GSimpleAction *action, GVariant *target, gpointer data)
{
	struct player_window *w = data;

	(void)action;
	(void)target;
	if (w->view == VIEW_RUNNING)
		player_window_command(w, COMMAND_PAUSE);
	else if (w->view == VIEW_PAUSED) /* one that paused itself first tries again what failed */
		player_window_command(w, player_window_model(w)->text[0] != '\0' ? COMMAND_RETRY : COMMAND_RUN);
	else
		player_window_start(w); /* also for Check Again: the file may be a new one by now */
}

static void open_appliance(GSimpleAction *action, GVariant *target, gpointer data)
{
	GtkFileChooserNative *chooser =
		chooser_new(data, "Open an Appliance", "_Open", "Appliances", appliance_patterns,
	                    g_get_user_special_dir(G_USER_DIRECTORY_DOWNLOAD));

	(void)action;
	(void)target;
	g_signal_connect(chooser, "response", G_CALLBACK(open_chosen), data);
	gtk_native_dialog_show(GTK_NATIVE_DIALOG(chooser));
}

static void open_recent(GSimpleAction *action, GVariant *target, gpointer data)
{
	g_autoptr(GFile) file = g_file_new_for_uri(g_variant_get_string(target, NULL));

	(void)action;
	player_window_open(data, file, 0);
}

static void cd_insert(GSimpleAction *action, GVariant *target, gpointer data)
{
	struct player_window *w = data;
	g_autofree char *path = w->appliance != NULL ? g_file_get_path(w->appliance) : NULL;
	g_autofree char *folder = path != NULL ? g_path_get_dirname(path) : NULL;
	GtkFileChooserNative *chooser = chooser_new(w, "Insert a CD", "_Insert", "CD images", cd_patterns, folder);

	(void)action;
	g_object_set_data(G_OBJECT(chooser), "drive", GUINT_TO_POINTER(g_variant_get_uint32(target)));
	g_signal_connect(chooser, "response", G_CALLBACK(insert_chosen), data);
	gtk_native_dialog_show(GTK_NATIVE_DIALOG(chooser));
}

static void cd_insert_recent(GSimpleAction *action, GVariant *target, gpointer data)
{
	guint32 drive;
	const char *path;

	(void)action;
	g_variant_get(target, "(u&s)", &drive, &path);
	g_autoptr(GFile) file = g_file_new_for_path(path);
	insert(data, drive, file, false);
}

static void cd_eject(GSimpleAction *action, GVariant *target, gpointer data)
{
	struct player_window *w = data;
	guint32 drive = g_variant_get_uint32(target);
	const struct model *m = player_window_model(w);

	(void)action;
	if (m == NULL || drive >= m->cd_count)
		return;
	/* A guest that holds the tray is asked by the drive's button; some let go, others need the paper clip. */
	if (m->cds[drive].locked) {
		g_autofree char *force = g_strdup_printf("win.cd-eject-locked(uint32 %u)", drive);
		player_window_say(w, INFO_LOCKED_CD, GTK_MESSAGE_INFO,
		                  "The guest is using this CD and was asked to let it go.", "_Eject Anyway", force);
	}
	insert(w, drive, NULL, false);
}

static void cd_eject_locked(GSimpleAction *action, GVariant *target, gpointer data)
{
	(void)action;
	player_window_hush(data);
	insert(data, g_variant_get_uint32(target), NULL, true);
}

static void full_screen(GSimpleAction *action, GVariant *target, gpointer data)
{
	struct player_window *w = data;

	(void)action;
	(void)target;
	if (w->full_screen)
		gtk_window_unfullscreen(GTK_WINDOW(w->window));
	else
		gtk_window_fullscreen(GTK_WINDOW(w->window));
}

static void serial_console(GSimpleAction *action, GVariant *to_console, gpointer data)
{
	struct player_window *w = data;

	(void)action;
	console_turn(w->console, g_variant_get_boolean(to_console));
}

void actions_turned(struct player_window *w)
{
	GAction *action = g_action_map_lookup_action(G_ACTION_MAP(w->window), "serial-console");

	g_simple_action_set_state(G_SIMPLE_ACTION(action), g_variant_new_boolean(console_is_shown(w->console)));
}

static void ctrl_alt_del(GSimpleAction *action, GVariant *target, gpointer data)
{
	static const unsigned chord[] = { KEY_LEFTCTRL, KEY_LEFTALT, KEY_DELETE };
	struct player_window *w = data;

	(void)action;
	(void)target;
	for (size_t i = 0; i < G_N_ELEMENTS(chord); i++)
		core_client_key(w->client, chord[i], true);
	for (size_t i = G_N_ELEMENTS(chord); i-- > 0;)
		core_client_key(w->client, chord[i], false);
}

/* Nothing is lost, so nothing is asked: what the button does is up to the guest, which may ask by itself. */
static void shut_down(GSimpleAction *action, GVariant *target, gpointer data)
{
	(void)action;
	(void)target;
	player_window_command(data, COMMAND_POWER_BUTTON);
}

static void power_off(GSimpleAction *action, GVariant *target, gpointer data)
{
	(void)action;
	(void)target;
	confirm(data, "Power off", "_Power Off", power_off_answered);
}

static void restart(GSimpleAction *action, GVariant *target, gpointer data)
{
	(void)action;
	(void)target;
	confirm(data, "Restart", "_Restart", restart_answered);
}

static void configuration(GSimpleAction *action, GVariant *target, gpointer data)
{
	struct player_window *w = data;
	const char *path = w->client != NULL ? core_client_configuration(w->client) : NULL;
	g_autoptr(GAppInfo) editor = g_app_info_get_default_for_type("text/plain", FALSE);

	(void)action;
	(void)target;
	if (path == NULL) {
		player_window_say(w, INFO_ACTION, GTK_MESSAGE_INFO, "This machine has no configuration file yet.", NULL,
		                  NULL);
		return;
	}
	g_autoptr(GFile) file = g_file_new_for_path(path);
	GList files = { .data = file };
	g_autoptr(GdkAppLaunchContext) context = gdk_display_get_app_launch_context(gtk_widget_get_display(w->area));
	if (editor == NULL || !g_app_info_launch(editor, &files, G_APP_LAUNCH_CONTEXT(context), NULL)) {
		g_autofree char *shown = g_filename_display_name(path);
		g_autofree char *text = g_strdup_printf("No text editor is set up here. The file is %s", shown);
		player_window_say(w, INFO_ACTION, GTK_MESSAGE_INFO, text, NULL, NULL);
	}
}

static void open_port(GSimpleAction *action, GVariant *target, gpointer data)
{
	struct player_window *w = data;
	const struct model *m = player_window_model(w);
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;

	(void)action;
	if (m == NULL || !w->alive)
		return;
	switch (port_menu_use(m, g_variant_get_uint32(target), &text)) {
	case PORT_BROWSER:
		if (!gtk_show_uri_on_window(GTK_WINDOW(w->window), text, GDK_CURRENT_TIME, &error)) {
			g_autofree char *sentence =
				g_strdup_printf("No browser could be opened. The address is %s", text);
			player_window_say(w, INFO_ACTION, GTK_MESSAGE_INFO, sentence, NULL, NULL);
		}
		break;
	case PORT_SHELL:
		gtk_clipboard_set_text(gtk_widget_get_clipboard(w->area, GDK_SELECTION_CLIPBOARD), text, -1);
		break;
	case PORT_NONE:
		break;
	}
}

static void menu(GSimpleAction *action, GVariant *target, gpointer data)
{
	struct player_window *w = data;

	(void)action;
	(void)target;
	gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(w->menu), TRUE);
}

static void end_core(GSimpleAction *action, GVariant *target, gpointer data)
{
	(void)action;
	(void)target;
	player_window_end_core(data, "It did not answer any more and was ended.");
}

static void about(GSimpleAction *action, GVariant *target, gpointer data)
{
	struct player_window *w = data;

	(void)action;
	(void)target;
	gtk_show_about_dialog(
		GTK_WINDOW(w->window), "program-name", "Vitrine", "version", VITRINE_VERSION, "logo-icon-name",
		"org.vitrine.Vitrine", "license-type", GTK_LICENSE_MIT_X11, "comments",
		"Plays one virtual machine from a file. Nothing in it can reach the rest of your computer.", NULL);
}

/* What is being prepared begins anew the next time. */
static void cancel(GSimpleAction *action, GVariant *parameter, gpointer data)
{
	(void)action;
	(void)parameter;
	player_window_command(data, COMMAND_POWER_OFF);
}

static const GActionEntry entries[] = {
	{ .name = "run-pause", .activate = run_pause },
	{ .name = "open", .activate = open_appliance },
	{ .name = "open-recent", .activate = open_recent, .parameter_type = "s" },
	{ .name = "cd-insert", .activate = cd_insert, .parameter_type = "u" },
	{ .name = "cd-insert-recent", .activate = cd_insert_recent, .parameter_type = "(us)" },
	{ .name = "cd-eject", .activate = cd_eject, .parameter_type = "u" },
	{ .name = "cd-eject-locked", .activate = cd_eject_locked, .parameter_type = "u" },
	{ .name = "full-screen", .activate = full_screen },
	{ .name = "serial-console", .state = "false", .change_state = serial_console },
	{ .name = "ctrl-alt-del", .activate = ctrl_alt_del },
	{ .name = "shut-down", .activate = shut_down },
	{ .name = "power-off", .activate = power_off },
	{ .name = "restart", .activate = restart },
	{ .name = "configuration", .activate = configuration },
	{ .name = "open-port", .activate = open_port, .parameter_type = "u" },
	{ .name = "notices", .activate = notices },
	{ .name = "cancel", .activate = cancel },
	{ .name = "menu", .activate = menu },
	{ .name = "end", .activate = end_core },
	{ .name = "about", .activate = about },
};

void actions_add(struct player_window *w)
{
	g_action_map_add_action_entries(G_ACTION_MAP(w->window), entries, G_N_ELEMENTS(entries), w);
}

/* An action that would do nothing cannot be chosen. */
void actions_enable(struct player_window *w)
{
	bool running = w->view == VIEW_RUNNING, on = running || w->view == VIEW_PAUSED;
	const struct {
		const char *name;
		bool enabled;
	} states[] = {
		{ "run-pause", w->view != VIEW_EMPTY && w->view != VIEW_STARTING },
		{ "full-screen", w->full_screen || w->view == VIEW_STARTING || on },
		{ "serial-console", on && console_has_spoken(w->console) },
		{ "ctrl-alt-del", running },
		{ "shut-down", running },
		{ "power-off", on },
		{ "cancel", w->view == VIEW_STARTING },
		{ "restart", on },
		{ "configuration", w->client != NULL && core_client_configuration(w->client) != NULL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
		GAction *action = g_action_map_lookup_action(G_ACTION_MAP(w->window), states[i].name);
		g_simple_action_set_enabled(G_SIMPLE_ACTION(action), states[i].enabled);
	}
}
