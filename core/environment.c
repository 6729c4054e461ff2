/* SPDX-License-Identifier: MIT */
#include "core/environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/machine.h"
#include "vmformat/bytes.h"
#include "vmformat/deployment.h"
#include "vmformat/iso_write.h"

#define DISC "ovf-env.iso" /* as the CD's menu shows it */

/* ---- the drive ---- */

static bool would_be_empty(const struct appliance *a, const struct appliance_drive *drive)
{
	return drive->kind == DRIVE_CDROM && machine_has_place(a, drive) &&
	       (drive->backing != BACKING_IMAGE || !drive->start_connected);
}

static bool has_empty_drive(const struct appliance *a)
{
	for (unsigned i = 0; i < a->drive_count; i++)
		if (would_be_empty(a, &a->drives[i]))
			return true;
	return false;
}

/* Of the board's own IDE, where every guest finds it; the second channel first, for disks are on the first. */
static const char *free_place(const struct appliance *a, unsigned *ret_channel, unsigned *ret_unit)
{
	static const struct {
		const char *name;
		unsigned channel, unit;
	} places[] = { { "ide1:0", 1, 0 }, { "ide1:1", 1, 1 }, { "ide0:1", 0, 1 }, { "ide0:0", 0, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (appliance_find_drive(a, places[i].name))
			continue;
		*ret_channel = places[i].channel;
		*ret_unit = places[i].unit;
		return places[i].name;
	}
	return NULL;
}

int environment_prepare(struct appliance *a, struct error *e)
{
	unsigned channel, unit;
	const char *place;

	deployment_review(a);
	if (!deployment_wants_disc(a) || has_empty_drive(a))
		return 0;
	place = free_place(a, &channel, &unit);
	if (!place || a->drive_count == APPLIANCE_MAX_DRIVES) {
		appliance_remark(a, 0, "ProductSection",
		                 "No drive is left for the CD with the guest's properties; it starts without them.");
		return 0;
	}
	if (!appliance_add_drive(a, DRIVE_CDROM, APPLIANCE_IDE, channel, unit))
		return error_set(e, -ENOMEM, "Out of memory for the drive %s", place);
	appliance_remark(a, 0, place, "A CD drive is added for the guest's properties (%s).", DEPLOYMENT_FILE);
	return 0;
}

/* ---- the disc ---- */

static int make_document(const struct appliance *a, char **ret_xml, size_t *ret_length, struct error *e)
{
	char macs[APPLIANCE_MAX_NICS][18];
	uint8_t b[6];

	for (unsigned i = 0; i < a->nic_count; i++) {
		machine_nic_address(a, &a->nics[i], b);
		snprintf(macs[i], sizeof(macs[i]), "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
	}
	return deployment_environment(a, macs, ret_xml, ret_length, e);
}

static int make_image(const struct appliance *a, uint8_t **ret_image, size_t *ret_size, struct error *e)
{
	struct iso_file file = { .name = DEPLOYMENT_FILE, .short_name = "OVF_ENV.XML" };
	char *xml;
	int err = make_document(a, &xml, &file.length, e);

	if (err)
		return err;
	file.data = xml;
	err = iso_write("OVFENV", &file, time(NULL), ret_image, ret_size);
	free(xml);
	return err ? error_set(e, err, "The CD with the guest's properties cannot be made: %s", strerror(-err)) : 0;
}

static int make_disc(const struct appliance *a, struct disk **ret_disk, struct error *e)
{
	static const struct files alone = { .open = NULL }; /* an image of one file names no other */
	struct file file;
	uint8_t *image;
	size_t size;
	int fd, err = make_image(a, &image, &size, e);

	if (err)
		return err;
	fd = memfd_create(DISC, MFD_CLOEXEC);
	err = fd < 0 ? -errno : file_write_all(fd, 0, image, size);
	free(image);
	if (err)
		error_set(e, err, "The CD with the guest's properties cannot be kept: %s", strerror(-err));
	else
		err = file_from_fd(fd, DISC, &file, e);
	if (err) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	err = disk_open(&file, &alone, ret_disk, e);
	if (err)
		file_close(&file);
	return err;
}

static int insert(struct session *s, unsigned drive, struct error *e)
{
	struct disk *disk;
	int err = make_disc(s->appliance, &disk, e);

	if (err)
		return err;
	err = block_set_medium(s->blocks[drive], disk, -1, e);
	if (err) {
		disk_close(disk);
		return err;
	}
	return appliance_set_text(&s->appliance->drives[drive].file, DISC); /* its name, for who looks into the drive */
}

void environment_insert(struct session *s)
{
	const struct appliance *a = s->appliance;
	struct error e = { 0 };

	for (unsigned i = 0; deployment_wants_disc(a) && i < a->drive_count; i++) {
		if (a->drives[i].kind != DRIVE_CDROM || !s->blocks[i] || block_has_medium(s->blocks[i]))
			continue;
		if (insert(s, i, &e) < 0)
			link_say_notice(s->link, NOTICE_WARNING, e.text);
		return;
	}
}
