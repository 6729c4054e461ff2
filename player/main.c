/* SPDX-License-Identifier: MIT */
/* vitrine: one process for all windows, one window and one core for each appliance. */
#include <SDL.h>
#include <gtk/gtk.h>
#include <signal.h>

#include "player/resources.h"
#include "player/window.h"

#define APPLICATION_ID "org.vitrine.Vitrine"

static void startup(GApplication *application, gpointer data)
{
	static const struct {
		const char *action;
		const char *keys[2];
	} shortcuts[] = {
		{ "win.full-screen", { "<Primary><Alt>Return", NULL } },
		{ "win.run-pause", { "<Primary><Alt>p", NULL } },
		{ "win.menu", { "<Primary><Alt>m", NULL } },
	};
	g_autoptr(GtkCssProvider) css = gtk_css_provider_new();

	(void)data;
	for (size_t i = 0; i < G_N_ELEMENTS(shortcuts); i++)
		gtk_application_set_accels_for_action(GTK_APPLICATION(application), shortcuts[i].action,
		                                      shortcuts[i].keys);
	gtk_css_provider_load_from_resource(css, "/org/vitrine/player/vitrine.css");
	gtk_style_context_add_provider_for_screen(gdk_screen_get_default(), GTK_STYLE_PROVIDER(css),
	                                          GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
}

static void open_files(GtkApplication *application, GFile **files, gint count, uint32_t flags)
{
	GtkWindow *active = gtk_application_get_active_window(application);
	struct player_window *w = active != NULL ? player_window_of(active) : NULL;

	if (w == NULL)
		w = player_window_new(application, NULL, 0);
	for (gint i = 0; i < count; i++)
		player_window_open(w, files[i], flags);
}

static void activate(GApplication *application, gpointer data)
{
	(void)data;
	player_window_new(GTK_APPLICATION(application), NULL, 0);
}

/* A double click in a D-Bus activated desktop; the command line comes by the next. */
static void open_requested(GApplication *application, GFile **files, gint count, const char *hint, gpointer data)
{
	(void)hint;
	(void)data;
	open_files(GTK_APPLICATION(application), files, count, 0);
}

/* Also for a second `vitrine FILE`, which only tells the first and ends. */
static gint command_line(GApplication *application, GApplicationCommandLine *line, gpointer data)
{
	GVariantDict *options = g_application_command_line_get_options_dict(line);
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_object_unref);
	g_autofree const char **names = NULL;
	uint32_t flags = 0;

	(void)data;
	if (g_variant_dict_contains(options, "as-downloaded"))
		flags |= START_AS_DOWNLOADED;
	if (g_variant_dict_contains(options, "verify"))
		flags |= START_VERIFY;
	if (g_variant_dict_contains(options, "host-loopback"))
		flags |= START_HOST_LOOPBACK;
	if (g_variant_dict_contains(options, "listen-outside"))
		flags |= START_LISTEN_OUTSIDE;
	if (g_variant_dict_contains(options, "write-in-place"))
		flags |= START_WRITE_IN_PLACE;
	g_variant_dict_lookup(options, G_OPTION_REMAINING, "^a&ay", &names);
	for (const char **name = names; name != NULL && *name != NULL; name++)
		g_ptr_array_add(files, g_application_command_line_create_file_for_arg(line, *name));
	if (files->len == 0)
		g_application_activate(application);
	else
		open_files(GTK_APPLICATION(application), (GFile **)files->pdata, (gint)files->len, flags);
	return 0;
}

static gint local_options(GApplication *application, GVariantDict *options, gpointer data)
{
	(void)application;
	(void)data;
	if (!g_variant_dict_contains(options, "version"))
		return -1;
	g_print("vitrine %s\n", VITRINE_VERSION);
	return 0;
}

static const GOptionEntry options[] = {
	{ .long_name = "as-downloaded",
	  .arg = G_OPTION_ARG_NONE,
	  .description = "Forget all changes of this run when the machine goes off" },
	{ .long_name = "verify",
	  .arg = G_OPTION_ARG_NONE,
	  .description = "Check the appliance's digests before it runs; a wrong one is an error" },
	{ .long_name = "host-loopback",
	  .arg = G_OPTION_ARG_NONE,
	  .description = "Grant the appliance's wish to reach this computer's own services" },
	{ .long_name = "listen-outside",
	  .arg = G_OPTION_ARG_NONE,
	  .description = "Grant the appliance's wish to be reached from other computers" },
	{ .long_name = "write-in-place",
	  .arg = G_OPTION_ARG_NONE,
	  .description = "Grant a .vmx's wish to change the disks beside it themselves" },
	{ .long_name = "version", .arg = G_OPTION_ARG_NONE, .description = "Show the version" },
	{ .long_name = G_OPTION_REMAINING, .arg = G_OPTION_ARG_FILENAME_ARRAY, .arg_description = "[FILE…]" },
	{ 0 },
};

int main(int argc, char **argv)
{
	g_autoptr(GtkApplication) application =
		gtk_application_new(APPLICATION_ID, G_APPLICATION_HANDLES_OPEN | G_APPLICATION_HANDLES_COMMAND_LINE);

	signal(SIGPIPE, SIG_IGN); /* a core may be gone at any time; its sends tell us */
	SDL_SetMainReady();
	g_set_application_name("Vitrine");
	player_register_resource();
	gtk_window_set_default_icon_name(APPLICATION_ID);
	g_application_add_main_option_entries(G_APPLICATION(application), options);
	g_application_set_option_context_summary(
		G_APPLICATION(application),
		"Plays virtual machines from files: .ova .ovf .vmx .vmdk .vdi .vhd .vhdx .qcow2 .img .iso.\n"
		"Each has a window of its own, and nothing in it can reach the rest of your computer. The files\n"
		"themselves are not changed, unless you allow a .vmx to change its disks.");
	g_signal_connect(application, "startup", G_CALLBACK(startup), NULL);
	g_signal_connect(application, "activate", G_CALLBACK(activate), NULL);
	g_signal_connect(application, "open", G_CALLBACK(open_requested), NULL);
	g_signal_connect(application, "command-line", G_CALLBACK(command_line), NULL);
	g_signal_connect(application, "handle-local-options", G_CALLBACK(local_options), NULL);
	return g_application_run(G_APPLICATION(application), argc, argv);
}
