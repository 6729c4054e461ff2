/* SPDX-License-Identifier: MIT */
#include "player/recent.h"

#define APPLICATION "Vitrine"

/* Groups are the list's own way of telling kinds apart; a file may be of both (an ISO that was played and inserted). */
static const char *const groups[RECENT_KINDS] = {
	[RECENT_APPLIANCE] = "Vitrine appliance",
	[RECENT_CD] = "Vitrine CD",
};

static void copy_groups(GPtrArray *names, GtkRecentInfo *info, const char *except)
{
	gsize count = 0;
	char **old = gtk_recent_info_get_groups(info, &count);

	for (gsize i = 0; i < count; i++)
		if (g_strcmp0(old[i], except) != 0)
			g_ptr_array_add(names, g_strdup(old[i]));
	g_strfreev(old);
}

void recent_add(GtkRecentManager *manager, enum recent_kind kind, GFile *file)
{
	g_autofree char *uri = g_file_get_uri(file);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	GtkRecentInfo *old = gtk_recent_manager_lookup_item(manager, uri, NULL);

	g_ptr_array_add(names, g_strdup(groups[kind]));
	if (old != NULL) {
		copy_groups(names, old, groups[kind]);
		gtk_recent_info_unref(old);
		/* Groups are joined, never lowered, by adding; and the time of the last use would stay. */
		gtk_recent_manager_remove_item(manager, uri, NULL);
	}
	g_ptr_array_add(names, NULL);
	GtkRecentData data = {
		.mime_type = (char *)"application/octet-stream",
		.app_name = (char *)APPLICATION,
		.app_exec = (char *)"vitrine %u",
		.groups = (char **)names->pdata,
	};
	gtk_recent_manager_add_full(manager, uri, &data);
}

static int newest_first(gconstpointer a, gconstpointer b)
{
	time_t left = gtk_recent_info_get_modified((GtkRecentInfo *)a);
	time_t right = gtk_recent_info_get_modified((GtkRecentInfo *)b);

	return left < right ? 1 : left > right ? -1 : 0;
}

static void unref_info(gpointer info)
{
	gtk_recent_info_unref(info);
}

GPtrArray *recent_list(GtkRecentManager *manager, enum recent_kind kind, unsigned limit)
{
	GPtrArray *files = g_ptr_array_new_with_free_func(g_object_unref);
	GList *items = g_list_sort(gtk_recent_manager_get_items(manager), newest_first);

	for (GList *l = items; l != NULL && files->len < limit; l = l->next) {
		GtkRecentInfo *info = l->data;
		/* exists() would wait for a sleeping file server; only local files are played anyway. */
		if (gtk_recent_info_has_application(info, APPLICATION) &&
		    gtk_recent_info_has_group(info, groups[kind]) && gtk_recent_info_is_local(info) &&
		    gtk_recent_info_exists(info))
			g_ptr_array_add(files, g_file_new_for_uri(gtk_recent_info_get_uri(info)));
	}
	g_list_free_full(items, unref_info);
	return files;
}
