/* SPDX-License-Identifier: MIT */
#include "vmformat/appliance.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/deployment.h"
#include "vmformat/ova.h"
#include "vmformat/ovf.h"
#include "vmformat/vhd.h"
#include "vmformat/vmdk.h"
#include "vmformat/vmx.h"
#include "vmformat/vmx_encoding.h"
#include "vmformat/wrap.h"

#define MEBIBYTE (1ull << 20)
/* Enough for a tar header, the root element of an OVF behind its comments, and the first keys of a .vmx. */
#define HEAD_SIZE 16384u
/* What a bare disk or ISO gets: the least that the installers of today's distributions start with, and a part of any
 * host's memory that is not missed. */
#define BARE_MEMORY (1024 * MEBIBYTE)

/* ---- the plain data ---- */

struct appliance *appliance_new(void)
{
	struct appliance *a = calloc(1, sizeof(*a));
	char **texts[] = { &a->name, &a->guest_os, &a->annotation, &a->uuid, &a->sound, &a->boot_order };

	if (!a)
		return NULL;
	*a = (struct appliance){
		.memory = 256 * MEBIBYTE,
		.cpus = 1,
		.cores_per_socket = 1,
		.vmport = true,
		.rtc_difference = APPLIANCE_NO_TIME,
		.rtc_start = APPLIANCE_NO_TIME,
		.source = FILE_CLOSED,
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (appliance_set_text(texts[i], "") < 0) {
			appliance_free(a);
			return NULL;
		}
	return a;
}

static void free_description(struct appliance *a)
{
	char *texts[] = { a->name, a->guest_os, a->annotation, a->uuid, a->sound, a->boot_order };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	for (unsigned i = 0; i < a->controller_count; i++)
		free(a->controllers[i].model);
	for (unsigned i = 0; i < a->drive_count; i++)
		free(a->drives[i].file);
	for (unsigned i = 0; i < a->nic_count; i++) {
		free(a->nics[i].model);
		free(a->nics[i].mac);
		free(a->nics[i].network);
	}
	for (unsigned i = 0; i < a->serial_count; i++)
		free(a->serials[i].backing);
	for (unsigned i = 0; i < a->setting_count; i++) {
		free(a->settings[i].key);
		free(a->settings[i].value);
	}
	free(a->settings);
	for (unsigned i = 0; i < a->remark_count; i++) {
		free(a->remarks[i].subject);
		free(a->remarks[i].text);
	}
	free(a->remarks);
}

void appliance_free(struct appliance *a)
{
	if (!a)
		return;
	free_description(a);
	deployment_free(a->deployment);
	if (a->container_free)
		a->container_free(a->container);
	file_close(&a->source);
	wrap_free(a->wrap);
	free(a);
}

int appliance_set_text(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

struct manifest *appliance_manifest(const struct appliance *a)
{
	return a->manifest;
}

/* ---- remarks ---- */

/* Takes over both texts. Out of memory loses a remark, which is no reason to refuse the machine. */
static void add_remark(struct appliance *a, unsigned line, char *subject, char *text)
{
	struct appliance_remark *remarks = NULL;

	if (subject && text)
		remarks = reallocarray(a->remarks, a->remark_count + 1, sizeof(*remarks));
	if (!remarks) {
		free(subject);
		free(text);
		return;
	}
	error_replace_controls(subject);
	error_replace_controls(text);
	a->remarks = remarks;
	a->remarks[a->remark_count++] = (struct appliance_remark){ line, subject, text };
}

void appliance_remark(struct appliance *a, unsigned line, const char *subject, const char *format, ...)
{
	char *text;
	va_list args;

	if (a->remark_count == APPLIANCE_MAX_REMARKS)
		return;
	if (a->remark_count == APPLIANCE_MAX_REMARKS - 1) {
		add_remark(a, 0, strdup(""), strdup("There is more to remark than is kept here."));
		return;
	}
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	add_remark(a, line, strdup(subject), text);
}

/* Says once that a limit was reached. */
static void *refuse_more(struct appliance *a, const char *what, unsigned limit)
{
	for (unsigned i = 0; i < a->remark_count; i++)
		if (!a->remarks[i].line && !strcmp(a->remarks[i].subject, what))
			return NULL;
	appliance_remark(a, 0, what, "There are more than %u; only the first ones are part of the machine.", limit);
	return NULL;
}

/* ---- elements ---- */

struct appliance_controller *appliance_add_controller(struct appliance *a, enum appliance_bus bus, unsigned number,
                                                      const char *model)
{
	struct appliance_controller *c = &a->controllers[a->controller_count];

	if (a->controller_count == APPLIANCE_MAX_CONTROLLERS)
		return refuse_more(a, "controllers", APPLIANCE_MAX_CONTROLLERS);
	*c = (struct appliance_controller){ .bus = bus, .number = number, .model = strdup(model), .pci_slot = -1 };
	if (!c->model)
		return NULL;
	a->controller_count++;
	return c;
}

struct appliance_drive *appliance_add_drive(struct appliance *a, enum appliance_drive_kind kind, enum appliance_bus bus,
                                            unsigned controller, unsigned unit)
{
	struct appliance_drive *drive = &a->drives[a->drive_count];

	if (a->drive_count == APPLIANCE_MAX_DRIVES)
		return refuse_more(a, "drives", APPLIANCE_MAX_DRIVES);
	*drive = (struct appliance_drive){
		.kind = kind,
		.bus = bus,
		.controller = controller,
		.unit = unit,
		.backing = BACKING_NONE,
		.file = strdup(""),
		.mode = MODE_PERSISTENT,
		.start_connected = true,
	};
	if (!drive->file)
		return NULL;
	a->drive_count++;
	return drive;
}

struct appliance_nic *appliance_add_nic(struct appliance *a, unsigned number, const char *model)
{
	struct appliance_nic *nic = &a->nics[a->nic_count];

	if (a->nic_count == APPLIANCE_MAX_NICS)
		return refuse_more(a, "network cards", APPLIANCE_MAX_NICS);
	*nic = (struct appliance_nic){
		.number = number,
		.model = strdup(model),
		.mac = strdup(""),
		.network = strdup(""),
		.pci_slot = -1,
		.start_connected = true,
	};
	if (!nic->model || !nic->mac || !nic->network) {
		free(nic->model);
		free(nic->mac);
		free(nic->network);
		return NULL;
	}
	a->nic_count++;
	return nic;
}

struct appliance_serial *appliance_add_serial(struct appliance *a, unsigned number)
{
	struct appliance_serial *serial = &a->serials[a->serial_count];

	if (a->serial_count == APPLIANCE_MAX_SERIALS)
		return refuse_more(a, "serial ports", APPLIANCE_MAX_SERIALS);
	*serial = (struct appliance_serial){ .number = number, .backing = strdup("") };
	if (!serial->backing)
		return NULL;
	a->serial_count++;
	return serial;
}

int appliance_add_setting(struct appliance *a, const char *key, const char *value)
{
	struct appliance_setting *grown, s;

	if (a->setting_count == APPLIANCE_MAX_SETTINGS) {
		refuse_more(a, "vitrine.property", APPLIANCE_MAX_SETTINGS);
		return 0;
	}
	grown = reallocarray(a->settings, a->setting_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	a->settings = grown;
	s = (struct appliance_setting){ strdup(key), strdup(value) };
	if (!s.key || !s.value) {
		free(s.key);
		free(s.value);
		return -ENOMEM;
	}
	grown[a->setting_count++] = s;
	return 0;
}

void appliance_drive_name(const struct appliance_drive *drive, char ret_name[32])
{
	static const char *const names[] = {
		[APPLIANCE_IDE] = "ide",   [APPLIANCE_SCSI] = "scsi",     [APPLIANCE_SATA] = "sata",
		[APPLIANCE_NVME] = "nvme", [APPLIANCE_VIRTIO] = "virtio", [APPLIANCE_FLOPPY] = "floppy",
	};

	assert((size_t)drive->bus < ARRAY_SIZE(names));
	if (drive->bus == APPLIANCE_FLOPPY)
		snprintf(ret_name, 32, "floppy%u", drive->unit);
	else
		snprintf(ret_name, 32, "%s%u:%u", names[drive->bus], drive->controller, drive->unit);
}

const struct appliance_drive *appliance_find_drive(const struct appliance *a, const char *name)
{
	char candidate[32];

	for (unsigned i = 0; i < a->drive_count; i++) {
		appliance_drive_name(&a->drives[i], candidate);
		if (!strcasecmp(candidate, name))
			return &a->drives[i];
	}
	return NULL;
}

/* ---- opening ---- */

/* Names that a text writes go to the caller unchanged. */
static int open_outer(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	const struct appliance *a = files->context;

	return files_open(a->outer, name, ret_file, e);
}

/* "/home/eva/Debian 12.img" -> "Debian 12.img", in UTF-8 whatever the file system holds. The caller frees it. */
static char *base_name(const struct file *file)
{
	const char *slash = strrchr(file->name, '/');
	const char *base = slash ? slash + 1 : file->name;
	bool damaged;

	return vmx_decode(VMX_UTF_8, base, strlen(base), &damaged);
}

/* The drive of a bare disk is the file that was opened, wherever it lies. */
static int open_source_or_outer(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	const struct appliance *a = files->context;
	char *base = base_name(&a->source);
	bool is_source = base && !strcmp(name, base);

	free(base);
	if (is_source)
		return file_window(&a->source, 0, a->source.size, a->source.name, ret_file, e);
	return files_open(a->outer, name, ret_file, e);
}

/* "Debian 12.ova" -> "Debian 12"; "Debian 12.img.gz" -> the same */
static int name_after_file(struct appliance *a, const struct file *file)
{
	char *base = base_name(file), *title = base ? wrap_strip_name(base) : NULL, *dot;

	free(base);
	if (!title)
		return -ENOMEM;
	dot = strrchr(title, '.');
	if (dot && dot != title)
		*dot = '\0';
	free(a->name);
	a->name = title;
	return 0;
}

static int open_vmx(struct appliance *a, const struct file *source, struct error *e)
{
	struct vmx_file *vmx;
	char *text;
	int r;

	if (source->size > VMX_MAX_SIZE)
		return error_set(e, -EFBIG, "%s: %llu bytes are too many for a .vmx text (the limit is %u)",
		                 source->name, (unsigned long long)source->size, VMX_MAX_SIZE);
	text = malloc((size_t)source->size);
	r = text ? file_read(source, 0, text, (size_t)source->size) : -ENOMEM;
	if (r < 0)
		error_set(e, r, "%s cannot be read: %s", source->name, strerror(-r));
	else
		r = vmx_parse(text, (size_t)source->size, source->name, &vmx, e);
	free(text);
	if (r < 0)
		return r;
	r = vmx_to_appliance(vmx, a, e);
	if (!r && !vmx_get(vmx, "displayName"))
		r = name_after_file(a, source);
	vmx_free(vmx);
	return r;
}

/* The machine around one disk or disc: both channels, the disk as primary master, the CD as secondary master. */
static int describe_bare(struct appliance *a, const struct disk *disk, const struct file *source)
{
	struct appliance_drive *drive = NULL, *cd;

	if (!appliance_add_controller(a, APPLIANCE_IDE, 0, "piix4") ||
	    !appliance_add_controller(a, APPLIANCE_IDE, 1, "piix4"))
		return -ENOMEM;
	if (!disk->is_cdrom)
		drive = appliance_add_drive(a, DRIVE_DISK, APPLIANCE_IDE, 0, 0);
	cd = appliance_add_drive(a, DRIVE_CDROM, APPLIANCE_IDE, 1, 0);
	if (disk->is_cdrom)
		drive = cd;
	if (!drive || !cd || appliance_set_text(&a->boot_order, disk->is_cdrom ? "cdrom" : "") < 0)
		return -ENOMEM;
	a->memory = BARE_MEMORY;
	a->origin = ORIGIN_OTHER;
	a->usb = true; /* for its tablet: nobody knows which mouse the guest has a driver for */
	free(drive->file);
	drive->file = base_name(source);
	drive->backing = BACKING_IMAGE;
	drive->capacity = disk->capacity;
	return drive->file ? 0 : -ENOMEM;
}

static int open_bare(struct appliance *a, const struct file *source, const struct files *files, struct error *e)
{
	struct file file;
	struct disk *disk;
	int r = file_window(source, 0, source->size, source->name, &file, e);

	if (r < 0)
		return r;
	r = disk_open(&file, files, &disk, e);
	if (r < 0) {
		file_close(&file);
		return r;
	}
	a->inner.open = open_source_or_outer;
	a->source_is_drive = true;
	r = describe_bare(a, disk, source);
	disk_close(disk);
	return r < 0 ? r : name_after_file(a, source);
}

static int open_by_content(struct appliance *a, const struct file *source, const struct files *files, struct error *e)
{
	uint8_t head[HEAD_SIZE];
	size_t length = MIN(source->size, sizeof(head));
	struct file whole;
	int r = file_read(source, 0, head, length);

	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", source->name, strerror(-r));
	/* A piece of a flat disk holds what a guest wrote: that must not be taken for an appliance. */
	if (vmdk_find_whole(source, files, &whole)) {
		file_close(&whole);
		return open_bare(a, source, files, e);
	}
	if (vhd_is_fixed(source)) /* and so does all of a fixed VHD but its end */
		return open_bare(a, source, files, e);
	if (ova_probe(head, length))
		return ova_open(a, source, files, e);
	if (ovf_probe(head, length))
		return ovf_open(a, source, files, e);
	if (vmx_probe(head, length, source->name))
		return open_vmx(a, source, e);
	return open_bare(a, source, files, e);
}

/* What the opened file is, or what was packed in it: *ret_inner, else FILE_CLOSED. */
static int open_wrapped(struct appliance *a, const struct file *source, const struct files *files,
                        struct file *ret_inner, struct error *e)
{
	struct file whole;
	int r;

	*ret_inner = FILE_CLOSED;
	a->outer = files;
	a->inner = (struct files){ .open = open_outer, .context = a };
	/* A piece of a flat disk holds what a guest wrote: that must not be taken for a package. */
	if (vmdk_find_whole(source, files, &whole)) {
		file_close(&whole);
		return 0;
	}
	r = wrap_open(a, source, files, &a->wrap, ret_inner, e);
	if (r == 0 && a->wrap) {
		a->outer = wrap_files(a->wrap);
		a->inner.gz_index = a->outer->gz_index;
	}
	return r;
}

/* ---- writing in place ---- */

bool appliance_is_own_vmx(const struct appliance *a)
{
	return !a->container && !a->has_text_digest && !a->source_is_drive && !a->wrap;
}

/* What was downloaded in one file, or packed, is not what a person works in: its text cannot ask to be changed. */
static void judge_write_in_place(struct appliance *a)
{
	if (!a->write_in_place || appliance_is_own_vmx(a))
		return;
	a->write_in_place = false;
	appliance_remark(a, 0, "vitrine.writeInPlace",
	                 "Only a .vmx with its disks beside it is written in place; all changes go to the overlay.");
}

int appliance_open(struct file *source, const struct files *files, struct appliance **ret_appliance, struct error *e)
{
	struct appliance *a;
	struct file inner, *opened;
	int r;

	if (source->size == 0)
		return error_set(e, -EINVAL, "%s is empty; the download probably failed. Download it again.",
		                 source->name);
	a = appliance_new();
	if (!a)
		return error_set(e, -ENOMEM, "%s: out of memory", source->name);
	r = open_wrapped(a, source, files, &inner, e);
	opened = inner.fd >= 0 ? &inner : source;
	if (!r)
		r = open_by_content(a, opened, a->outer, e);
	if (!r && !*a->name)
		r = name_after_file(a, opened);
	if (r < 0) {
		file_close(&inner);
		appliance_free(a);
		return error_set(e, r, "%s: %s", source->name, strerror(-r));
	}
	judge_write_in_place(a);
	a->source = *opened;
	*opened = FILE_CLOSED;
	file_close(source); /* the wrap has its own */
	*ret_appliance = a;
	return 0;
}

/* ---- the user's edited text over an opened appliance ---- */

/* What the text does not carry: how names resolve, and what the file that was opened was. */
static void keep_private(struct appliance *to, const struct appliance *from)
{
	to->deployment = from->deployment;
	to->outer = from->outer;
	to->inner = from->inner;
	to->container = from->container;
	to->container_free = from->container_free;
	to->manifest = from->manifest;
	to->source = from->source;
	to->source_is_drive = from->source_is_drive;
	to->wrap = from->wrap;
	to->has_text_digest = from->has_text_digest;
	memcpy(to->text_digest, from->text_digest, sizeof(to->text_digest));
	memcpy(to->fingerprint, from->fingerprint, sizeof(to->fingerprint));
}

/* What the text replaces says nothing about what the download declares and we do not honour. */
static void keep_remarks(struct appliance *to, const struct appliance *from)
{
	unsigned own = to->remark_count;

	for (unsigned i = 0; i < from->remark_count; i++) {
		const struct appliance_remark *remark = &from->remarks[i];
		bool said = false;

		for (unsigned j = 0; j < own && !said; j++)
			said = !strcmp(to->remarks[j].subject, remark->subject);
		if (!said)
			appliance_remark(to, remark->line, remark->subject, "%s", remark->text);
	}
}

static int read_over(const struct vmx_file *vmx, struct appliance *a, struct error *e)
{
	struct appliance *fresh = appliance_new();
	int r = fresh ? vmx_to_appliance(vmx, fresh, e) : -ENOMEM;

	if (!r && !vmx_get(vmx, "displayName"))
		r = appliance_set_text(&fresh->name, a->name);
	if (r < 0) {
		appliance_free(fresh);
		return r;
	}
	if (!vmx_get(vmx, "vitrine.origin"))
		fresh->origin = a->origin;
	keep_remarks(fresh, a);
	keep_private(fresh, a);
	free_description(a);
	judge_write_in_place(fresh);
	*a = *fresh; /* in place: the caller's pointer and inner.context stay good */
	free(fresh);
	return 0;
}

int appliance_apply_vmx(struct appliance *a, const char *text, size_t length, const char *name, struct error *e)
{
	char fingerprint[33];
	struct vmx_file *vmx;
	int r = appliance_fingerprint(a, fingerprint, e);

	if (r < 0)
		return r;
	r = vmx_parse(text, length, name, &vmx, e);
	if (r < 0)
		return r;
	r = read_over(vmx, a, e);
	vmx_free(vmx);
	return r < 0 ? error_set(e, r, "%s: %s", name, strerror(-r)) : 0;
}
