/* SPDX-License-Identifier: MIT */
#include "vmformat/beside.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *beside_own_name(const char *name)
{
	const char *colon;

	for (colon = strstr(name, ": "); colon; colon = strstr(name, ": "))
		name = colon + 2;
	return name;
}

const char *beside_base_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

/* False: the asking file's folder says nothing, or all of it is too long. */
static bool in_folder_of(const char *asking, const char *name, char ret_path[BESIDE_NAME])
{
	const char *own = beside_own_name(asking);
	int folder = (int)(beside_base_name(own) - own);

	if (folder == 0 || own[0] == '/' || name[0] == '/')
		return false;
	return snprintf(ret_path, BESIDE_NAME, "%.*s%s", folder, own, name) < (int)BESIDE_NAME;
}

int beside_open(const char *asking, const char *name, const struct files *files, struct file *ret_file, struct error *e)
{
	char path[BESIDE_NAME];

	if (in_folder_of(asking, name, path) && files_open(files, path, ret_file, NULL) == 0)
		return 0;
	return files_open(files, name, ret_file, e);
}

int beside_open_writable(const char *asking, const char *name, const struct files *files, struct file *ret_file,
                         struct error *e)
{
	struct error first = { 0 };
	char path[BESIDE_NAME];
	int r;

	if (!files->open_writable)
		return error_set(e, -EACCES, "%s may not be written", name);
	if (!in_folder_of(asking, name, path))
		return files->open_writable(files, name, ret_file, e);
	r = files->open_writable(files, path, ret_file, &first);
	if (r == -ENOENT) /* only then it is the other file that is read, too */
		return files->open_writable(files, name, ret_file, e);
	return r < 0 ? error_set(e, r, "%s", first.text) : 0;
}

/* ---- parents ---- */

static int add_name(struct disk *disk, const char *name)
{
	unsigned i = 0;

	for (; i < DISK_MAX_PARENT_NAMES && disk->parent_names[i]; i++)
		if (strcmp(disk->parent_names[i], name) == 0)
			return 0;
	if (i == DISK_MAX_PARENT_NAMES)
		return 0;
	disk->parent_names[i] = strdup(name);
	return disk->parent_names[i] ? 0 : -ENOMEM;
}

static int add_beside(struct disk *disk, const char *name)
{
	char path[BESIDE_NAME];
	int r = in_folder_of(disk->name, name, path) ? add_name(disk, path) : 0;

	return r < 0 ? r : add_name(disk, name);
}

/* "/vmfs/volumes/a/b.vmdk", "C:/a/b.vmdk", "//server/a/b.vmdk" */
static bool is_absolute(const char *path)
{
	return path[0] == '/' || (isalpha((unsigned char)path[0]) && path[1] == ':');
}

int beside_set_parent(struct disk *disk, const char *written)
{
	char *path = strdup(written);
	const char *last;
	int r;

	if (!path)
		return -ENOMEM;
	for (char *c = path; *c; c++) /* no known writer makes names with a backslash in them */
		if (*c == '\\')
			*c = '/';
	last = beside_base_name(path);
	if (is_absolute(last)) /* "C:b.vmdk" */
		last += 2;
	/* What lies beside is asked for before another place of this computer, for which the user must be asked. */
	r = *last ? 0 : -EINVAL;
	if (r == 0 && !is_absolute(path))
		r = add_beside(disk, path);
	if (r == 0)
		r = add_beside(disk, last);
	if (r == 0 && path[0] == '/')
		r = add_name(disk, path);
	free(path);
	return r;
}
