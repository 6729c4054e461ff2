/* SPDX-License-Identifier: MIT */
#include "player/recent.h"

#include <string.h>

#define APPLICATION "Vitrine"

/* Groups are the list's own way of telling kinds apart; a file may be of both (an ISO that was played and inserted). */
static const char *const groups[RECENT_KINDS] = {
	[RECENT_APPLIANCE] = "Vitrine appliance",
	[RECENT_CD] = "Vitrine CD",
};

/* The groups that the file is in already, but for one. NULL: it is not in the list. */
static char **other_groups(GtkRecentManager *manager, const char *uri, const char *except)
{
	GtkRecentInfo *info = gtk_recent_manager_lookup_item(manager, uri, NULL);
	gsize count = 0;

	if (info == NULL)
		return NULL;
	char **found = gtk_recent_info_get_groups(info, &count);
	g_autoptr(GPtrArray) others = g_ptr_array_new();
	for (gsize i = 0; i < count; i++)
		if (strcmp(found[i], except) != 0)
			g_ptr_array_add(others, g_strdup(found[i]));
	g_ptr_array_add(others, NULL);
	g_strfreev(found);
	gtk_recent_info_unref(info);
	return (char **)g_ptr_array_free(g_steal_pointer(&others), FALSE);
}

void recent_add(GtkRecentManager *manager, enum recent_kind kind, GFile *file)
{
	/* GTK 3 drops the groups when the lowest byte of the first name's ADDRESS is 0 (gtk_recent_manager_add_full() compares
	 * a byte of the pointer, not of the text), which one in 16 of malloc's is. So that name lies at an odd one. */
	_Alignas(2) char first[32] = "";
	g_autofree char *uri = g_file_get_uri(file);
	g_auto(GStrv) others = other_groups(manager, uri, groups[kind]);
	g_autoptr(GPtrArray) names = g_ptr_array_new();

	g_strlcpy(first + 1, groups[kind], sizeof(first) - 1);
	g_ptr_array_add(names, first + 1);
	for (char **other = others; other != NULL && *other != NULL; other++)
		g_ptr_array_add(names, *other);
	g_ptr_array_add(names, NULL);
	/* Groups are joined, never lowered, by adding; and the time of the last use would stay. */
	if (others != NULL)
		gtk_recent_manager_remove_item(manager, uri, NULL);
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
