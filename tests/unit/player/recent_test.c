/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <glib/gstdio.h>

#include "player/recent.h"

struct fixture {
	char *folder;
	GtkRecentManager *manager;
};

static int set_up(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->folder = g_dir_make_tmp("vitrine-recent-XXXXXX", NULL);
	g_autofree char *list = g_build_filename(f->folder, "recent.xbel", NULL);
	f->manager = g_object_new(GTK_TYPE_RECENT_MANAGER, "filename", list, NULL);
	*state = f;
	return f->folder != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	GDir *dir = g_dir_open(f->folder, 0, NULL);

	g_object_unref(f->manager);
	for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
		g_autofree char *path = g_build_filename(f->folder, name, NULL);
		g_unlink(path);
	}
	g_dir_close(dir);
	g_rmdir(f->folder);
	g_free(f->folder);
	g_free(f);
	return 0;
}

static GFile *make_file(struct fixture *f, const char *name)
{
	g_autofree char *path = g_build_filename(f->folder, name, NULL);

	assert_true(g_file_set_contents(path, "x", 1, NULL));
	return g_file_new_for_path(path);
}

static void assert_named(GPtrArray *list, guint i, const char *name)
{
	assert_true(i < list->len);
	g_autofree char *base = g_file_get_basename(list->pdata[i]);
	assert_string_equal(base, name);
}

static void each_kind_has_its_own_list(void **state)
{
	struct fixture *f = *state;
	g_autoptr(GFile) ova = make_file(f, "a.ova");
	g_autoptr(GFile) iso = make_file(f, "cd_1.iso");

	recent_add(f->manager, RECENT_APPLIANCE, ova);
	recent_add(f->manager, RECENT_CD, iso);
	g_autoptr(GPtrArray) appliances = recent_list(f->manager, RECENT_APPLIANCE, 9);
	g_autoptr(GPtrArray) cds = recent_list(f->manager, RECENT_CD, 9);
	assert_int_equal(appliances->len, 1);
	assert_named(appliances, 0, "a.ova");
	assert_int_equal(cds->len, 1);
	assert_named(cds, 0, "cd_1.iso");
}

static void an_iso_may_be_of_both_kinds(void **state)
{
	struct fixture *f = *state;
	g_autoptr(GFile) iso = make_file(f, "both.iso");

	recent_add(f->manager, RECENT_APPLIANCE, iso);
	recent_add(f->manager, RECENT_CD, iso);
	recent_add(f->manager, RECENT_CD, iso);
	g_autoptr(GPtrArray) appliances = recent_list(f->manager, RECENT_APPLIANCE, 9);
	g_autoptr(GPtrArray) cds = recent_list(f->manager, RECENT_CD, 9);
	assert_int_equal(appliances->len, 1);
	assert_int_equal(cds->len, 1);
}

static void files_that_are_gone_and_those_of_other_programs_are_left_out(void **state)
{
	struct fixture *f = *state;
	g_autoptr(GFile) gone = make_file(f, "gone.ova");
	g_autoptr(GFile) other = make_file(f, "other.ova");
	g_autofree char *gone_path = g_file_get_path(gone);
	g_autofree char *other_uri = g_file_get_uri(other);
	GtkRecentData data = { .mime_type = (char *)"text/plain",
		               .app_name = (char *)"Other",
		               .app_exec = (char *)"other %u" };

	recent_add(f->manager, RECENT_APPLIANCE, gone);
	gtk_recent_manager_add_full(f->manager, other_uri, &data);
	g_unlink(gone_path);
	g_autoptr(GPtrArray) list = recent_list(f->manager, RECENT_APPLIANCE, 9);
	assert_int_equal(list->len, 0);
}

static void the_list_is_no_longer_than_asked(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 5; i++) {
		g_autofree char *name = g_strdup_printf("%u.ova", i);
		g_autoptr(GFile) file = make_file(f, name);
		recent_add(f->manager, RECENT_APPLIANCE, file);
	}
	g_autoptr(GPtrArray) list = recent_list(f->manager, RECENT_APPLIANCE, 3);
	assert_int_equal(list->len, 3);
}

/* GTK loses a group whose name lies at an address that it mistakes for an end: with this many files one would. */
static void no_file_loses_its_kind(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 100; i++) {
		g_autofree char *name = g_strdup_printf("%u.iso", i);
		g_autoptr(GFile) file = make_file(f, name);
		g_autofree char *shift = g_malloc(16 * (i % 8)); /* the next allocations lie elsewhere */
		(void)shift;
		recent_add(f->manager, RECENT_CD, file);
	}
	g_autoptr(GPtrArray) list = recent_list(f->manager, RECENT_CD, 200);
	assert_int_equal(list->len, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_kind_has_its_own_list, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_iso_may_be_of_both_kinds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_that_are_gone_and_those_of_other_programs_are_left_out, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(the_list_is_no_longer_than_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_file_loses_its_kind, set_up, tear_down),
	};

	/* GtkRecentManager asks the display whether the user wants such a list at all. */
	if (!gtk_init_check(NULL, NULL)) {
		puts("SKIPPED: there is no display");
		return 77;
	}
	g_set_application_name("Vitrine");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
