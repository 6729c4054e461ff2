/* SPDX-License-Identifier: MIT */
#include "core/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/environment.h"
#include "core/in_place.h"
#include "core/machine.h"
#include "core/sandbox.h"
#include "vmformat/bytes.h"
#include "vmformat/qcow2.h"
#include "vmformat/vmx.h"

/* Block I/O is mostly waiting: four requests in flight keep an SSD and both IDE channels busy; more only cost memory.
 */
#define WORKERS 4

/* ---- what is kept of a download that cannot be played in place ---- */

#define TELL_EVERY 100 /* milliseconds: as often as a bar moves that looks alive */

static int open_kept(const struct keep *keep, const char *fingerprint, const char *title, const char *name, int *ret_fd,
                     struct error *e)
{
	struct session *s = keep->context;

	return link_ask(s->link, OPEN_KEPT, fingerprint, title, name, ret_fd, e);
}

static int tell_progress(const struct keep *keep, const char *what, uint64_t done, uint64_t total)
{
	struct session *s = keep->context;
	union message m = { .progress = { .done = MIN(done, total), .total = total } };
	struct timespec t;
	int64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	if (now - s->told < TELL_EVERY)
		return 0;
	s->told = now;
	if (link_wants_end(s->link))
		return -ECANCELED;
	message_copy_text(m.progress.what, sizeof(m.progress.what), what);
	return link_send(s->link, &m, MESSAGE_PROGRESS, 0) < 0 ? -ECANCELED : 0;
}

/* ---- beginning and end ---- */

void session_init(struct session *s, struct link *link, const struct message_start *start, const int fds[START_FDS])
{
	*s = (struct session){
		.link = link,
		.start = *start,
		.files = { .open = link_files_open,
		           .open_writable = link_files_open_writable,
		           .context = link,
		           .keep = &s->keep },
		.keep = { open_kept, tell_progress, s },
	};
	memcpy(s->fds, fds, sizeof(s->fds));
	for (size_t i = 0; i < ARRAY_SIZE(s->in_place); i++)
		s->in_place[i].lock = -1;
}

void session_free(struct session *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->blocks); i++)
		if (s->blocks[i])
			block_free(s->blocks[i]);
	if (s->engine)
		block_engine_free(s->engine);
	in_place_free(s);
	appliance_free(s->appliance);
	for (size_t i = 0; i < START_FDS; i++)
		if (s->fds[i] >= 0)
			close(s->fds[i]);
}

int session_keep_changes(struct session *s, struct error *e)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(s->blocks); i++) {
		int r = s->blocks[i] ? block_set_medium(s->blocks[i], NULL, -1, e) : 0;

		err = err ? err : r;
	}
	return err;
}

int session_open_appliance(struct session *s, struct error *e)
{
	struct file source;
	int err = file_from_fd(s->fds[START_FD_APPLIANCE], s->start.name, &source, e);

	if (err)
		return err;
	s->fds[START_FD_APPLIANCE] = -1;
	err = appliance_open(&source, &s->files, &s->appliance, e);
	if (err)
		file_close(&source);
	return err;
}

/* ---- configuration ---- */

static int write_configuration(const struct appliance *a, int fd, struct error *e)
{
	char *text;
	size_t length, done = 0;
	int err = appliance_to_vmx(a, &text, e);

	if (err)
		return err;
	for (length = strlen(text); done < length && !err;) {
		ssize_t n = pwrite(fd, text + done, length - done, (off_t)done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			err = n == 0 ? -EIO : -errno;
	}
	free(text);
	/* A half-written text would be read as the machine next time: an empty one is written anew. */
	if (err && ftruncate(fd, 0) < 0)
		err = -errno;
	return err ? error_set(e, err, "The machine's configuration file cannot be written: %s", strerror(-err)) : 0;
}

static int read_configuration(struct appliance *a, const struct file *f, struct error *e)
{
	char *text;
	int err;

	if (f->size > VMX_MAX_SIZE)
		return error_set(
			e, -EFBIG,
			"%s is too large for a configuration (%llu bytes); restore it, or delete it to have a new "
			"one made",
			f->name, (unsigned long long)f->size);
	text = malloc(f->size + 1);
	if (!text)
		return error_set(e, -ENOMEM, "Out of memory");
	err = file_read(f, 0, text, f->size);
	if (err)
		error_set(e, err, "%s: %s", f->name, strerror(-err));
	else
		err = appliance_apply_vmx(a, text, f->size, f->name, e);
	free(text);
	return err;
}

int session_configure(struct session *s, struct error *e)
{
	struct appliance *a = s->appliance;
	char name[160];
	struct file f;
	int fd, err = appliance_fingerprint(a, s->fingerprint, e);

	if (err || appliance_is_own_vmx(a))
		return err;
	snprintf(name, sizeof(name), "%.140s.vmx", a->name);
	err = link_ask(s->link, OPEN_CONFIGURATION, s->fingerprint, a->name, "", &fd, e);
	if (err)
		return err;
	err = file_from_fd(fd, name, &f, e);
	if (err) {
		close(fd);
		return err;
	}
	err = f.size ? read_configuration(a, &f, e) : write_configuration(a, f.fd, e);
	file_close(&f);
	return err;
}

/* ---- drives ---- */

bool session_is_volatile(const struct session *s, const struct appliance_drive *drive)
{
	return s->start.flags & START_AS_DOWNLOADED || drive->mode == MODE_NONPERSISTENT ||
	       drive->mode == MODE_INDEPENDENT_NONPERSISTENT;
}

static int plug_disk(struct session *s, const struct appliance_drive *drive, struct block *block, struct error *e)
{
	enum open_role role = session_is_volatile(s, drive) ? OPEN_OVERLAY_TEMPORARY : OPEN_OVERLAY;
	struct disk *disk;
	int overlay, err = appliance_open_disk(s->appliance, drive, &disk, e);

	if (err)
		return err;
	err = link_ask(s->link, role, s->fingerprint, s->appliance->name, block_name(block), &overlay, e);
	if (err) {
		disk_close(disk);
		return err;
	}
	err = block_set_medium(block, disk, overlay, e);
	if (err) {
		disk_close(disk);
		close(overlay);
	}
	return err;
}

static int plug_in_place(struct session *s, unsigned i, struct error *e)
{
	int err = block_set_medium(s->blocks[i], s->in_place[i].disk, -1, e);

	if (!err)
		s->in_place[i].disk = NULL;
	return err;
}

/* A machine starts without its CD rather than not at all; the person sees why and can put another one in. */
static int plug_removable(struct session *s, const struct appliance_drive *drive, struct block *block)
{
	struct error e = { 0 };
	struct disk *disk;
	int err;

	if (drive->backing != BACKING_IMAGE || !drive->start_connected)
		return 0;
	err = appliance_open_disk(s->appliance, drive, &disk, &e);
	if (!err) {
		err = block_set_medium(block, disk, -1, &e);
		if (err)
			disk_close(disk);
	}
	if (err)
		link_say_notice(s->link, NOTICE_WARNING, e.text);
	return 0;
}

static int plug_drive(struct session *s, unsigned i, struct error *e)
{
	const struct appliance_drive *drive = &s->appliance->drives[i];
	char name[32];

	appliance_drive_name(drive, name);
	s->blocks[i] = block_new(s->engine, name);
	if (!s->blocks[i])
		return error_set(e, -ENOMEM, "Out of memory for the drive %s", name);
	if (s->in_place[i].disk)
		return plug_in_place(s, i, e);
	return drive->kind == DRIVE_DISK ? plug_disk(s, drive, s->blocks[i], e)
	                                 : plug_removable(s, drive, s->blocks[i]);
}

static void narrow_worker(void *context)
{
	(void)context;
	if (sandbox_enter_role(SANDBOX_WORKER) < 0)
		abort(); /* a thread that cannot be narrowed must not read hostile bytes */
}

int session_plug_drives(struct session *s, struct loop *loop, struct error *e)
{
	int err = environment_prepare(s->appliance, e);

	if (!err)
		err = in_place_open(s, e);
	if (err)
		return err;
	s->engine = block_engine_new_with_setup(loop, WORKERS, narrow_worker, NULL);
	if (!s->engine)
		return error_set(e, -ENOMEM, "No threads for the machine's disks can be had");
	for (unsigned i = 0; i < s->appliance->drive_count && !err; i++)
		if (machine_has_place(s->appliance, &s->appliance->drives[i]))
			err = plug_drive(s, i, e);
	if (!err)
		environment_insert(s);
	return err;
}

/* Of a machine whose disks are written in place, a disk that cannot be has its overlay in the folder of that
 * machine. */
static int ask_overlay(struct session *s, const char *drive, int *ret_fd, struct error *e)
{
	struct error absent = { 0 };
	int err = link_ask(s->link, OPEN_OVERLAY_READ, s->fingerprint, s->appliance->name, drive, ret_fd, &absent);

	if (err == -ENOENT && s->appliance->write_in_place) {
		appliance_fingerprint_in_place(s->appliance, s->fingerprint);
		return link_ask(s->link, OPEN_OVERLAY_READ, s->fingerprint, s->appliance->name, drive, ret_fd, e);
	}
	return err ? error_set(e, err, "%s", absent.text) : 0;
}

int session_open_for_reading(struct session *s, const struct appliance_drive *drive, struct disk **ret_disk,
                             struct error *e)
{
	struct error absent = { 0 };
	char name[32];
	struct disk *disk, *overlay;
	int fd, err = appliance_open_disk(s->appliance, drive, &disk, e);

	if (err)
		return err;
	*ret_disk = disk;
	if (drive->kind != DRIVE_DISK || s->start.flags & START_AS_DOWNLOADED)
		return 0;
	appliance_drive_name(drive, name);
	err = appliance_fingerprint(s->appliance, s->fingerprint, e);
	if (!err)
		err = ask_overlay(s, name, &fd, &absent);
	if (err == -ENOENT)
		return 0; /* never written to */
	if (!err && lseek(fd, 0, SEEK_END) == 0) {
		close(fd);
		return 0;
	}
	if (!err) {
		err = qcow2_overlay_open(fd, name, disk, "", &overlay, &absent);
		if (err)
			close(fd);
	}
	if (err) {
		disk_close(disk);
		return error_set(e, err, "%s", absent.text);
	}
	*ret_disk = overlay;
	return 0;
}
