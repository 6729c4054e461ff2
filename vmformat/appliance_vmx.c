/* SPDX-License-Identifier: MIT */
/* The description as a .vmx that VMware could read too, with a word to the user who edits it. */
#include "vmformat/appliance.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/deployment.h"
#include "vmformat/vmx.h"
#include "vmformat/vmx_fields.h"
#include "vmformat/vmx_text.h"

/* Collects the text; an error sticks, so that the many small writers need not look at it. */
struct writer {
	FILE *out;
	int error;
};

static void put(struct writer *w, const char *value, const char *key_format, ...) __attribute__((format(printf, 3, 4)));

/* key = "value" */
static void put(struct writer *w, const char *value, const char *key_format, ...)
{
	char *quoted = value ? vmx_quote(value) : NULL;
	va_list args;

	if (!quoted) {
		w->error = -ENOMEM;
		return;
	}
	va_start(args, key_format);
	vfprintf(w->out, key_format, args);
	va_end(args);
	fprintf(w->out, " = %s\n", quoted);
	free(quoted);
}

static void put_fields(struct writer *w, const char *device, const struct vmx_field *fields, const void *object)
{
	for (; fields->key; fields++) {
		char *value = fields->type->print((const char *)object + fields->offset);

		if (value && fields->silent && !strcmp(value, fields->silent)) {
			free(value);
			continue;
		}
		if (fields->comment)
			fprintf(w->out, "# %s\n", fields->comment);
		put(w, value, "%s%s%s", device, *device ? "." : "", fields->key);
		free(value);
	}
}

static void put_head(struct writer *w, const struct appliance *a)
{
	char *source = vmx_quote(a->source.name);

	fprintf(w->out,
	        "# A machine as Vitrine plays it%s%s. This text may be edited while it is off; a line that is missing "
	        "has\n"
	        "# VMware's default. A character that cannot stand in quotation marks is written |22 (its code in "
	        "hexadecimal).\n"
	        ".encoding = \"UTF-8\"\n"
	        "config.version = \"8\"\n"
	        "virtualHW.version = \"10\"\n",
	        *a->source.name && source ? ", made from " : "", *a->source.name && source ? source : "");
	free(source);
	put_fields(w, "", vmx_machine_fields, a);
}

static void put_controllers(struct writer *w, const struct appliance *a)
{
	char device[32];

	for (unsigned i = 0; i < a->controller_count; i++) {
		const struct appliance_controller *c = &a->controllers[i];

		if (c->bus >= APPLIANCE_FLOPPY)
			continue;
		snprintf(device, sizeof(device), "%s%u", vmx_buses[c->bus].name, c->number);
		fputc('\n', w->out);
		put(w, "TRUE", "%s.present", device);
		put_fields(w, device, vmx_controller_fields, c);
	}
}

/* What stands behind a drive, in the words that vmx.c reads. */
static void put_backing(struct writer *w, const char *device, const struct appliance_drive *drive)
{
	static const char *const types[][4] = {
		[DRIVE_DISK] = { "disk", "disk", "rawDisk", "disk" },
		[DRIVE_CDROM] = { "cdrom-raw", "cdrom-image", "cdrom-raw", "cdrom-raw" },
		[DRIVE_FLOPPY] = { "device", "file", "device", "device" },
	};
	bool named = drive->backing == BACKING_IMAGE || drive->backing == BACKING_HOST;

	put(w, types[drive->kind][drive->backing], "%s.%s", device,
	    drive->kind == DRIVE_FLOPPY ? "fileType" : "deviceType");
	if (drive->kind == DRIVE_DISK && !named)
		fputs("# Blank: as many bytes of zeros as vitrineCapacity says.\n", w->out);
	put(w, named ? drive->file : drive->kind == DRIVE_DISK ? "" : "auto detect", "%s.fileName", device);
}

static void put_drives(struct writer *w, const struct appliance *a)
{
	char device[32];

	for (unsigned i = 0; i < a->drive_count; i++) {
		const struct appliance_drive *drive = &a->drives[i];

		appliance_drive_name(drive, device);
		fputc('\n', w->out);
		put(w, "TRUE", "%s.present", device);
		put_backing(w, device, drive);
		put_fields(w, device, vmx_drive_fields, drive);
		if (drive->kind == DRIVE_DISK)
			put_fields(w, device, vmx_disk_fields, drive);
	}
	if (!appliance_find_drive(a, "floppy0"))
		fputs("\nfloppy0.present = \"FALSE\"\n", w->out);
}

/* The kinds that VMware has words for; any other network is one that ESX or an OVF names. */
static bool is_connection_type(const char *network)
{
	static const char *const types[] = { "", "nat", "bridged", "hostonly", "custom" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(network, types[i]))
			return true;
	return false;
}

static void put_nics(struct writer *w, const struct appliance *a)
{
	char device[32];

	for (unsigned i = 0; i < a->nic_count; i++) {
		const struct appliance_nic *nic = &a->nics[i];

		snprintf(device, sizeof(device), "ethernet%u", nic->number);
		fputc('\n', w->out);
		put(w, "TRUE", "%s.present", device);
		put_fields(w, device, vmx_nic_fields, nic);
		put(w, *nic->mac ? "static" : "generated", "%s.addressType", device);
		if (*nic->mac)
			put(w, nic->mac, "%s.address", device);
		put(w, nic->network, "%s.%s", device,
		    is_connection_type(nic->network) ? "connectionType" : "networkName");
	}
}

static void put_forwards(struct writer *w, const struct appliance *a)
{
	char text[48];

	if (a->nic_count)
		fputs("\n# A port of this computer that leads into the machine (protocol, port here, port there):\n"
		      "# vitrine.forward0 = \"tcp:8443:443\" shows its https at https://127.0.0.1:8443/.\n",
		      w->out);
	for (unsigned i = 0; i < a->forward_count; i++) {
		vmx_forward_print(&a->forwards[i], text);
		put(w, text, "vitrine.forward%u", a->forwards[i].number);
	}
}

/* Could be the rest of a key of a .vmx, behind "vitrine.property." */
static bool is_key(const char *key)
{
	for (const char *p = key; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("=\"#", *p))
			return false;
	return strlen(key) + strlen("vitrine.property.") <= VMX_MAX_KEY;
}

/* What the guest asks for, ready to be changed. A password is left out: this text may be shown to others. */
static void put_properties(struct writer *w, const struct appliance *a)
{
	const struct deployment *d = a->deployment;

	for (unsigned i = 0; i < a->setting_count; i++)
		put(w, a->settings[i].value, "vitrine.property.%s", a->settings[i].key);
	if (!deployment_wants_disc(a))
		return;
	fputs("\n# The guest reads these properties from a CD (its OVF environment). Take the # away to give one "
	      "another "
	      "value:\n",
	      w->out);
	for (unsigned i = 0; i < d->property_count; i++)
		if (is_key(d->properties[i].key))
			put(w, d->properties[i].secret ? "" : d->properties[i].value, "# vitrine.property.%s",
			    d->properties[i].key);
}

static void put_serials(struct writer *w, const struct appliance *a)
{
	for (unsigned i = 0; i < a->serial_count; i++) {
		const struct appliance_serial *serial = &a->serials[i];
		const char *colon = strchr(serial->backing, ':');
		char *type = strndup(serial->backing, strcspn(serial->backing, ":"));

		fprintf(w->out, "\n# The port is not connected to the host.\n");
		put(w, "TRUE", "serial%u.present", serial->number);
		put(w, type, "serial%u.fileType", serial->number);
		if (colon)
			put(w, colon + 1, "serial%u.fileName", serial->number);
		free(type);
	}
}

static void put_sound_and_usb(struct writer *w, const struct appliance *a)
{
	fputc('\n', w->out);
	put(w, *a->sound ? "TRUE" : "FALSE", "sound.present");
	if (*a->sound)
		put(w, a->sound, "sound.virtualDev");
	put(w, a->usb ? "TRUE" : "FALSE", "usb.present");
}

static void put_remarks(struct writer *w, const struct appliance *a)
{
	if (a->remark_count)
		fputs("\n# What was declared but is not honoured, or was assumed:\n", w->out);
	for (unsigned i = 0; i < a->remark_count; i++) {
		const struct appliance_remark *remark = &a->remarks[i];

		if (remark->line)
			fprintf(w->out, "# line %u, %s: %s\n", remark->line, remark->subject, remark->text);
		else
			fprintf(w->out, "# %s%s%s\n", remark->subject, *remark->subject ? ": " : "", remark->text);
	}
}

int appliance_to_vmx(const struct appliance *a, char **ret_text, struct error *e)
{
	static void (*const parts[])(struct writer *, const struct appliance *) = {
		put_head,    put_controllers,   put_drives,     put_nics,    put_forwards,
		put_serials, put_sound_and_usb, put_properties, put_remarks,
	};
	char *text = NULL;
	size_t length;
	struct writer w = { .out = open_memstream(&text, &length) };

	if (!w.out)
		return error_set(e, -ENOMEM, "%s: out of memory", a->name);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		parts[i](&w, a);
	if (ferror(w.out))
		w.error = -ENOMEM;
	if (fclose(w.out) || w.error) {
		free(text);
		return error_set(e, -ENOMEM, "%s: out of memory", a->name);
	}
	if (length > VMX_MAX_SIZE) { /* could be written, but not read again */
		free(text);
		return error_set(e, -EFBIG,
		                 "%.100s: its description would fill a configuration of %zu bytes (the limit is %u). "
		                 "Shorten its annotation and names.",
		                 a->name, length, VMX_MAX_SIZE);
	}
	*ret_text = text;
	return 0;
}
