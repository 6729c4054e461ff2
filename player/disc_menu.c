/* SPDX-License-Identifier: MIT */
#include "player/disc_menu.h"

/* A menu takes an underscore for a mnemonic: "debian_12.iso" would lose it. */
static char *literal(const char *text)
{
	GString *s = g_string_new(NULL);

	for (; *text != '\0'; text++) {
		if (*text == '_')
			g_string_append_c(s, '_');
		g_string_append_c(s, *text);
	}
	return g_string_free(s, FALSE);
}

static void append(GMenu *menu, const char *label, const char *action, GVariant *target)
{
	g_autoptr(GMenuItem) item = g_menu_item_new(label, NULL);

	g_menu_item_set_action_and_target_value(item, action, target);
	g_menu_append_item(menu, item);
}

static void append_recent(GMenu *menu, unsigned drive, GPtrArray *recent)
{
	g_autoptr(GMenu) section = g_menu_new();

	for (guint i = 0; i < recent->len; i++) {
		g_autofree char *path = g_file_get_path(recent->pdata[i]);
		g_autofree char *base = path != NULL ? g_filename_display_basename(path) : NULL;
		if (base == NULL || !g_utf8_validate(path, -1, NULL))
			continue;
		char shown[MESSAGE_NAME];
		model_copy_text(shown, sizeof(shown), base);
		g_autofree char *label = literal(shown);
		append(section, label, "win.cd-insert-recent", g_variant_new("(us)", drive, path));
	}
	if (g_menu_model_get_n_items(G_MENU_MODEL(section)) > 0)
		g_menu_append_section(menu, "Recent", G_MENU_MODEL(section));
}

static const char *content(const struct model_cd *cd)
{
	return !cd->present ? "No CD" : cd->name[0] != '\0' ? cd->name : "CD";
}

static void append_drive(GMenu *menu, const struct model *m, unsigned drive, GPtrArray *recent)
{
	g_autoptr(GMenu) section = g_menu_new();
	const struct model_cd *cd = &m->cds[drive];

	append(section, "_Insert…", "win.cd-insert", g_variant_new_uint32(drive));
	if (cd->present)
		append(section, "_Eject", "win.cd-eject", g_variant_new_uint32(drive));
	g_menu_append_section(menu, content(cd), G_MENU_MODEL(section));
	append_recent(menu, drive, recent);
}

void disc_menu_fill(GMenu *menu, const struct model *m, GPtrArray *recent)
{
	g_menu_remove_all(menu);
	if (m->cd_count == 1)
		append_drive(menu, m, 0, recent);
	for (unsigned i = 0; m->cd_count > 1 && i < m->cd_count; i++) {
		g_autoptr(GMenu) sub = g_menu_new();
		g_autofree char *name = literal(content(&m->cds[i]));
		g_autofree char *label = g_strdup_printf("Drive %u: %s", i + 1, name);

		append_drive(sub, m, i, recent);
		g_menu_append_submenu(menu, label, G_MENU_MODEL(sub));
	}
}

const char *disc_menu_label(const struct model *m)
{
	for (unsigned i = 0; i < m->cd_count; i++)
		if (m->cds[i].present)
			return content(&m->cds[i]);
	return "No CD";
}
