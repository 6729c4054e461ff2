/* SPDX-License-Identifier: MIT */
/* A window to drag a file from, as a file manager would: drag_source FILE. For drop.sh. */
#include <gtk/gtk.h>

static void give(GtkWidget *widget, GdkDragContext *context, GtkSelectionData *selection, guint info, guint time,
                 gpointer data)
{
	char *uris[] = { data, NULL };

	(void)widget;
	(void)context;
	(void)info;
	(void)time;
	gtk_selection_data_set_uris(selection, uris);
}

int main(int argc, char **argv)
{
	gtk_init(&argc, &argv);
	if (argc != 2)
		return 2;
	g_autoptr(GFile) file = g_file_new_for_commandline_arg(argv[1]);
	g_autofree char *uri = g_file_get_uri(file);
	GtkWidget *window = gtk_window_new(GTK_WINDOW_POPUP), *box = gtk_event_box_new();

	gtk_container_add(GTK_CONTAINER(window), box);
	gtk_drag_source_set(box, GDK_BUTTON1_MASK, NULL, 0, GDK_ACTION_COPY);
	gtk_drag_source_add_uri_targets(box);
	g_signal_connect(box, "drag-data-get", G_CALLBACK(give), uri);
	gtk_window_resize(GTK_WINDOW(window), 100, 100);
	gtk_window_move(GTK_WINDOW(window), 1100, 600);
	gtk_widget_show_all(window);
	gtk_main();
}
