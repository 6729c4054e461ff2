/* SPDX-License-Identifier: MIT */
#include "vmformat/wrap_choose.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"

#define LISTED 5u /* names in a sentence */

enum rank { RANK_MACHINE, RANK_DISK, RANK_OTHER, RANKS };

static const struct {
	const char *ending;
	enum rank rank;
	bool names_others;
} endings[] = {
	{ ".vmx", RANK_MACHINE, true }, { ".ovf", RANK_MACHINE, true }, { ".ova", RANK_MACHINE, false },
	{ ".vmdk", RANK_DISK, true },   { ".vdi", RANK_DISK, true },    { ".vhd", RANK_DISK, true },
	{ ".vhdx", RANK_DISK, true },   { ".qcow2", RANK_DISK, true },  { ".qcow", RANK_DISK, false },
	{ ".img", RANK_DISK, false },   { ".raw", RANK_DISK, false },   { ".iso", RANK_DISK, false },
	{ ".dd", RANK_DISK, false },    { ".dsk", RANK_DISK, false },   { ".hdd", RANK_DISK, false },
};

static bool ends_in(const char *name, const char *ending)
{
	size_t length = strlen(name), tail = strlen(ending);

	return length > tail && !strcasecmp(name + length - tail, ending);
}

/* What macOS and file managers put beside people's files. */
static bool is_hidden(const char *name)
{
	for (const char *at = name; at; at = strchr(at, '/'), at = at ? at + 1 : NULL)
		if (at[0] == '.' || !strncmp(at, "__MACOSX/", 9))
			return true;
	return false;
}

/* "disk-s003.vmdk", "disk-f001.vmdk", "disk-flat.vmdk": found through the disk that they are pieces of. */
static bool is_piece(const char *name)
{
	static const char *const pieces[] = { "-flat.vmdk", "-delta.vmdk", "-sesparse.vmdk" };
	size_t length = strlen(name), digits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
		if (ends_in(name, pieces[i]))
			return true;
	if (!ends_in(name, ".vmdk"))
		return false;
	length -= strlen(".vmdk");
	while (digits < length && name[length - digits - 1] >= '0' && name[length - digits - 1] <= '9')
		digits++;
	return digits >= 3 && length >= digits + 2 && name[length - digits - 2] == '-' &&
	       strchr("sf", name[length - digits - 1]);
}

static enum rank rank_of(const char *name)
{
	if (is_hidden(name) || is_piece(name))
		return RANKS;
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (ends_in(name, endings[i].ending))
			return endings[i].rank;
	return RANK_OTHER;
}

bool wrap_names_others(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (ends_in(name, endings[i].ending))
			return endings[i].names_others;
	return true; /* its content will tell */
}

static void list_names(const char *const *names, unsigned count, enum rank rank, char *list, size_t size)
{
	unsigned listed = 0, all = 0;
	size_t used = 0;

	list[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		if (rank_of(names[i]) != rank)
			continue;
		if (all++ < LISTED && used < size) {
			used += (size_t)snprintf(list + used, size - used, "%s%.60s", listed ? ", " : "", names[i]);
			listed++;
		}
	}
	if (all > listed && used < size)
		snprintf(list + used, size - used, " and %u more", all - listed);
}

static int refuse(const char *const *names, unsigned count, enum rank rank, const char *archive, struct error *e)
{
	static const char *const words[RANKS] = {
		[RANK_MACHINE] = "holds more than one machine",
		[RANK_DISK] = "holds more than one disk and nothing that says which machine they belong to",
		[RANK_OTHER] = "holds neither a machine (.vmx, .ovf, .ova) nor a disk, but several other files",
	};
	char list[LISTED * 64 + 32];

	list_names(names, count, rank, list, sizeof(list));
	return error_set(e, -EINVAL, "%s %s: %s. Unpack it first, then open the one that you want.", archive,
	                 words[rank], list);
}

int wrap_choose(const char *const *names, unsigned count, const char *archive, unsigned *ret_chosen, struct error *e)
{
	unsigned found[RANKS + 1] = { 0 }, last[RANKS + 1] = { 0 };

	for (unsigned i = 0; i < count; i++) {
		enum rank rank = rank_of(names[i]);

		found[rank]++;
		last[rank] = i;
	}
	for (enum rank rank = 0; rank < RANKS; rank++) {
		if (found[rank] > 1)
			return refuse(names, count, rank, archive, e);
		*ret_chosen = last[rank];
		if (found[rank] == 1)
			return 0;
	}
	return error_set(e, -EINVAL, "%s holds no file that could be a machine or a disk", archive);
}
