/* SPDX-License-Identifier: MIT */
#include "core/in_place.h"

#include <errno.h>
#include <unistd.h>

#include "core/machine.h"

/* Which failures end the start: played on the overlay, the machine would not be the one that the person wants to
 * go on with. */
static bool is_final(int code)
{
	return code == -EBUSY || code == -EEXIST || code == -ECANCELED || code == -EPIPE;
}

static int remark(struct session *s, const char *drive, const struct error *why)
{
	appliance_remark(s->appliance, 0, drive,
	                 "all changes to this disk go to the overlay, not to the disk itself, although "
	                 "vitrine.writeInPlace is set: %s.",
	                 why->text);
	return 0;
}

/* So that nobody is asked about a disk that cannot be written anyway. */
static int check_kind(const struct session *s, const struct appliance_drive *drive, struct error *e)
{
	struct disk *disk;
	int err = appliance_open_disk(s->appliance, drive, &disk, e);

	if (err)
		return err;
	err = disk_check_in_place(disk, e);
	disk_close(disk);
	return err;
}

static int take_lock(struct session *s, unsigned i, const char *drive, struct error *e)
{
	union message m = { .open = { .role = OPEN_IN_PLACE_LOCK } };
	char fingerprint[33];

	appliance_fingerprint_in_place(s->appliance, fingerprint);
	message_copy_text(m.open.fingerprint, sizeof(m.open.fingerprint), fingerprint);
	message_copy_text(m.open.content, sizeof(m.open.content), s->fingerprint);
	message_copy_text(m.open.machine, sizeof(m.open.machine), s->appliance->name);
	message_copy_text(m.open.name, sizeof(m.open.name), s->appliance->drives[i].file);
	message_copy_text(m.open.drive, sizeof(m.open.drive), drive);
	return link_ask_with(s->link, &m, &s->in_place[i].lock, e);
}

/* 0 also when the disk's changes go to the overlay. */
static int open_one(struct session *s, unsigned i, bool *ret_refused, struct error *e)
{
	const struct appliance_drive *drive = &s->appliance->drives[i];
	struct error why = { 0 };
	char name[32];
	int err = check_kind(s, drive, &why);

	appliance_drive_name(drive, name);
	if (!err) {
		err = take_lock(s, i, name, &why);
		*ret_refused = err == -EPERM;
	}
	if (!err)
		err = appliance_open_disk_in_place(s->appliance, drive, &s->in_place[i].disk, &why);
	if (is_final(err))
		return error_set(e, err, "%s", why.text);
	return err ? remark(s, name, &why) : 0;
}

static bool wants(const struct session *s, const struct appliance_drive *drive)
{
	return drive->kind == DRIVE_DISK && drive->backing == BACKING_IMAGE && !session_is_volatile(s, drive) &&
	       machine_has_place(s->appliance, drive);
}

int in_place_open(struct session *s, struct error *e)
{
	bool any = s->start.flags & START_AS_DOWNLOADED, refused = false;
	int err = 0;

	if (!s->appliance->write_in_place)
		return 0;
	for (unsigned i = 0; i < s->appliance->drive_count && !err && !refused; i++) {
		if (!wants(s, &s->appliance->drives[i]))
			continue;
		err = open_one(s, i, &refused, e);
		any = any || s->in_place[i].disk;
	}
	if (any) /* what its disks hold will be something else the next time */
		appliance_fingerprint_in_place(s->appliance, s->fingerprint);
	return err;
}

void in_place_free(struct session *s)
{
	for (unsigned i = 0; i < APPLIANCE_MAX_DRIVES; i++) {
		disk_close(s->in_place[i].disk);
		if (s->in_place[i].lock >= 0)
			close(s->in_place[i].lock);
	}
}
