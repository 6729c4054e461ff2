/* SPDX-License-Identifier: MIT */
/*
 * What the keys of a .vmx mean. Values that are one field of the description are in the tables of vmx_fields.c, keys
 * that are left alone in vmx_ignored.c; here is what takes more than one key to say. Every key that is looked at is
 * marked, so that what remains at the end is what we do not honour.
 */
#include "vmformat/vmx.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/vmx_fields.h"
#include "vmformat/vmx_text.h"
#include "vmformat/vmdk.h"

#define DEFAULT_MEMORY (32ull << 20) /* VMware's, when memsize is not given */
#define KEY_SIZE (VMX_MAX_KEY + 1)

struct reader {
	const struct vmx_file *vmx;
	struct appliance *a;
	struct vmx_guest_defaults defaults;
	bool *seen; /* one per entry of vmx */
};

/* Devices that exist only if the text says present = "TRUE". Others are there when the text speaks of them. */
static const char *const absent_by_default[] = {
	"scsi#",      "scsi#:#",   "sata#",        "sata#:#",       "nvme#",      "nvme#:#",
	"virtio#",    "virtio#:#", "ide#:#",       "ethernet#",     "serial#",    "sound",
	"usb",        "ehci",      "usb_xhci",     "parallel#",     "floppy1",    "usb:#",
	"usb_xhci:#", "smc",       "pciPassthru#", "sharedFolder#", "vusbcamera", "RemoteDisplay.vnc",
};

/* ---- looking up ---- */

static const struct vmx_entry *find(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static const struct vmx_entry *find(struct reader *r, const char *format, ...)
{
	const struct vmx_entry *entry;
	char key[KEY_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(key, sizeof(key), format, args);
	va_end(args);
	entry = vmx_find(r->vmx, key);
	if (entry)
		r->seen[entry - r->vmx->entries] = true;
	return entry;
}

static const char *value_of(const struct vmx_entry *entry)
{
	return entry ? entry->value : "";
}

static unsigned line_of(const struct vmx_entry *entry)
{
	return entry ? entry->line : 0;
}

static bool is_present(struct reader *r, const char *device, bool fallback)
{
	const struct vmx_entry *entry = find(r, "%s.present", device);

	return vmx_boolean(entry ? entry->value : NULL, fallback);
}

/* Does any key begin with "device."? */
static bool is_mentioned(const struct vmx_file *vmx, const char *device)
{
	size_t length = strlen(device), low = 0, high = vmx->count;
	char prefix[KEY_SIZE + 1];

	snprintf(prefix, sizeof(prefix), "%s.", device);
	while (low < high) { /* the first entry that is not less */
		size_t middle = low + (high - low) / 2;

		if (strcasecmp(vmx->sorted[middle]->key, prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < vmx->count && !strncasecmp(vmx->sorted[low]->key, prefix, length + 1);
}

/* Reads the fields of a table from "device.key" (device "": key alone) into object. */
static int read_fields(struct reader *r, const char *device, const struct vmx_field *fields, void *object)
{
	for (; fields->key; fields++) {
		const struct vmx_entry *entry = find(r, "%s%s%s", device, *device ? "." : "", fields->key);
		void *field = (char *)object + fields->offset;
		int result = entry ? fields->type->read(entry->value, field) : 0;
		char *kept;

		if (!result)
			continue;
		kept = result == -EINVAL ? fields->type->print(field) : NULL;
		if (!kept)
			return -ENOMEM;
		appliance_remark(r->a, entry->line, entry->key, "\"%s\" is not %s; \"%s\" is used.", entry->value,
		                 fields->type->expects, kept);
		free(kept);
	}
	return 0;
}

/* ---- the machine ---- */

static int read_machine(struct reader *r)
{
	struct appliance *a = r->a;
	const struct vmx_entry *entry;
	int result;

	a->origin = ORIGIN_VMWARE;
	a->memory = DEFAULT_MEMORY;
	a->rtc_local_time = r->defaults.rtc_local_time;
	result = read_fields(r, "", vmx_machine_fields, a);
	if (!find(r, "memsize"))
		appliance_remark(a, 0, "memsize",
		                 "It is not given: VMware's default of 32 MiB is used. Most guests need more.");
	if (a->cores_per_socket > a->cpus) {
		appliance_remark(a, line_of(find(r, "cpuid.coresPerSocket")), "cpuid.coresPerSocket",
		                 "%u cores for %u CPUs; one socket with %u is used.", a->cores_per_socket, a->cpus,
		                 a->cpus);
		a->cores_per_socket = a->cpus;
	}
	entry = find(r, "checkpoint.vmState");
	if (*value_of(entry))
		appliance_remark(a, entry->line, entry->key,
		                 "The machine was suspended in VMware; here it starts as after a power failure.");
	if (a->firmware == FIRMWARE_EFI && (entry = find(r, "nvram")))
		appliance_remark(a, entry->line, entry->key, "Settings that EFI keeps in this file are not read.");
	return result;
}

static int read_sound_and_usb(struct reader *r)
{
	static const char *const usb[] = { "usb", "ehci", "usb_xhci" };
	const struct vmx_entry *entry;

	for (size_t i = 0; i < ARRAY_SIZE(usb); i++)
		r->a->usb |= is_present(r, usb[i], false);
	if (!is_present(r, "sound", false))
		return 0;
	entry = find(r, "sound.virtualDev");
	if (appliance_set_text(&r->a->sound, *value_of(entry) ? entry->value : "es1371") < 0)
		return -ENOMEM;
	for (char *p = r->a->sound; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}

/* ---- drives ---- */

/* deviceType. Which backing a word gives; whether it stays depends on the file's name. */
static const struct {
	const char *word;
	enum appliance_drive_kind kind;
	enum appliance_backing backing;
} device_types[] = {
	{ "disk", DRIVE_DISK, BACKING_IMAGE },          { "scsi-hardDisk", DRIVE_DISK, BACKING_IMAGE },
	{ "ata-hardDisk", DRIVE_DISK, BACKING_IMAGE },  { "sata-hardDisk", DRIVE_DISK, BACKING_IMAGE },
	{ "nvme-hardDisk", DRIVE_DISK, BACKING_IMAGE }, { "plainDisk", DRIVE_DISK, BACKING_IMAGE },
	{ "rawDisk", DRIVE_DISK, BACKING_HOST },        { "cdrom-image", DRIVE_CDROM, BACKING_IMAGE },
	{ "cdrom-raw", DRIVE_CDROM, BACKING_HOST },     { "atapi-cdrom", DRIVE_CDROM, BACKING_HOST },
};

/* What VMware writes as a file's name where there is none: the host's first drive, or that of a remote console. */
static bool names_nothing(const char *file)
{
	static const char *const words[] = { "", "auto detect", "emptyBackingString", "vmware-null-remote-floppy" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(file, words[i]))
			return true;
	return false;
}

/* Windows writes '\'; on Linux and ESX a name never has one. */
static int set_file(struct appliance_drive *drive, const char *name)
{
	if (appliance_set_text(&drive->file, name) < 0)
		return -ENOMEM;
	for (char *p = drive->file; *p && *drive->file != '/'; p++)
		if (*p == '\\')
			*p = '/';
	return 0;
}

/* Fills backing and file from the device's keys; a remark when the host's own drive was meant. */
static int read_backing(struct reader *r, const char *device, struct appliance_drive *drive,
                        enum appliance_backing backing)
{
	const struct vmx_entry *name = find(r, "%s.fileName", device);
	const struct vmx_entry *client = find(r, "%s.clientDevice", device);
	const struct vmx_entry *automatic = find(r, "%s.autodetect", device);
	bool host = backing == BACKING_HOST;

	if (vmx_boolean(client ? client->value : NULL, false) || names_nothing(value_of(name)) ||
	    (host && vmx_boolean(automatic ? automatic->value : NULL, false)))
		return 0;
	drive->backing = backing;
	if (host)
		appliance_remark(r->a, name->line, name->key,
		                 "\"%s\" is a device of the host, which is not opened; %s.", name->value,
		                 drive->kind == DRIVE_DISK ? "the disk is missing" : "the drive is empty");
	return set_file(drive, name->value);
}

/* A disk without a file: blank if a size is given (our own key, for OVF), else no disk at all. */
static void settle_empty_disk(struct reader *r, const char *device, struct appliance_drive *drive)
{
	if (drive->capacity) {
		drive->backing = BACKING_BLANK;
		return;
	}
	appliance_remark(r->a, line_of(find(r, "%s.present", device)), device,
	                 "This disk names no file; it is left out.");
	free(drive->file);
	r->a->drive_count--; /* the one that was added last */
}

static int read_drive(struct reader *r, enum appliance_bus bus, unsigned controller, unsigned unit, const char *device)
{
	const struct vmx_entry *type = find(r, "%s.deviceType", device);
	struct appliance_drive *drive;
	size_t i = 0;
	int result;

	while (type && i < ARRAY_SIZE(device_types) && strcasecmp(device_types[i].word, type->value))
		i++;
	if (i == ARRAY_SIZE(device_types)) {
		appliance_remark(r->a, type->line, type->key,
		                 "\"%s\" is no kind of drive that is known; it is left out.", type->value);
		return 0;
	}
	drive = appliance_add_drive(r->a, device_types[i].kind, bus, controller, unit);
	if (!drive)
		return 0; /* a remark says so */
	result = read_backing(r, device, drive, device_types[i].backing);
	if (!result)
		result = read_fields(r, device, vmx_drive_fields, drive);
	if (!result && drive->kind == DRIVE_DISK)
		result = read_fields(r, device, vmx_disk_fields, drive);
	if (!result && drive->kind == DRIVE_DISK && drive->backing == BACKING_NONE)
		settle_empty_disk(r, device, drive);
	return result;
}

static int read_drives_of(struct reader *r, enum appliance_bus bus, unsigned number, bool controller,
                          unsigned *ret_count)
{
	char device[KEY_SIZE];
	int result = 0;

	*ret_count = 0;
	for (unsigned unit = 0; unit < vmx_buses[bus].units && !result; unit++) {
		snprintf(device, sizeof(device), "%s%u:%u", vmx_buses[bus].name, number, unit);
		if (!is_present(r, device, false))
			continue;
		if (controller)
			result = read_drive(r, bus, number, unit, device);
		else
			appliance_remark(r->a, line_of(find(r, "%s.present", device)), device,
			                 "Its controller is not present, so it is left out, as VMware does.");
		++*ret_count;
	}
	return result;
}

/* IDE channels are part of the board: they need no word. Other controllers exist if they are declared. */
static int read_controller(struct reader *r, enum appliance_bus bus, unsigned number)
{
	const char *model = vmx_buses[bus].model ? vmx_buses[bus].model : r->defaults.scsi;
	struct appliance_controller *controller = NULL;
	bool is_ide = bus == APPLIANCE_IDE, present, declared;
	char device[KEY_SIZE];
	unsigned drives;
	int result;

	snprintf(device, sizeof(device), "%s%u", vmx_buses[bus].name, number);
	declared = is_present(r, device, false);
	present = is_ide ? is_present(r, device, true) : declared;
	if (is_ide && !present)
		return 0; /* switched off, and its drives with it */
	result = read_drives_of(r, bus, number, present, &drives);
	if (result || !present || (!declared && !drives))
		return result;
	controller = appliance_add_controller(r->a, bus, number, model);
	return controller ? read_fields(r, device, vmx_controller_fields, controller) : 0;
}

static int read_controllers(struct reader *r)
{
	int result = 0;

	for (int bus = APPLIANCE_IDE; bus < APPLIANCE_FLOPPY && !result; bus++)
		for (unsigned number = 0; number < vmx_buses[bus].controllers && !result; number++)
			result = read_controller(r, (enum appliance_bus)bus, number);
	return result;
}

/* floppy0 is there unless switched off; a text that never speaks of it comes from a host without one. */
static int read_floppies(struct reader *r)
{
	char device[KEY_SIZE];
	int result = 0;

	for (unsigned unit = 0; unit < VMX_FLOPPIES && !result; unit++) {
		struct appliance_drive *drive;
		bool image;

		snprintf(device, sizeof(device), "floppy%u", unit);
		if (!is_mentioned(r->vmx, device) || !is_present(r, device, unit == 0))
			continue;
		drive = appliance_add_drive(r->a, DRIVE_FLOPPY, APPLIANCE_FLOPPY, 0, unit);
		if (!drive)
			return 0;
		image = !strcasecmp(value_of(find(r, "%s.fileType", device)), "file");
		result = read_backing(r, device, drive, image ? BACKING_IMAGE : BACKING_HOST);
		if (!result)
			result = read_fields(r, device, vmx_drive_fields, drive);
	}
	return result;
}

/* ---- network and serial ---- */

/* "00-0C-29-12-34-56" -> "00:0c:29:12:34:56" */
static bool normal_mac(const char *text, char ret_mac[18])
{
	if (strlen(text) != 17)
		return false;
	for (unsigned i = 0; i < 17; i++) {
		bool separator = i % 3 == 2;

		if (separator ? text[i] != ':' && text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
		ret_mac[i] = separator ? ':' : (char)tolower((unsigned char)text[i]);
	}
	ret_mac[17] = '\0';
	return true;
}

/* addressType "static" takes `address`; "generated" (the default) and "vpx" what VMware chose once. */
static int read_mac(struct reader *r, const char *device, struct appliance_nic *nic)
{
	const struct vmx_entry *type = find(r, "%s.addressType", device);
	const struct vmx_entry *fixed = find(r, "%s.address", device);
	const struct vmx_entry *generated = find(r, "%s.generatedAddress", device);
	const struct vmx_entry *entry = !strcasecmp(value_of(type), "static") ? fixed : generated;
	char mac[18];

	if (!*value_of(entry))
		return 0;
	if (!normal_mac(entry->value, mac)) {
		appliance_remark(r->a, entry->line, entry->key, "\"%s\" is no network address; one is generated.",
		                 entry->value);
		return 0;
	}
	return appliance_set_text(&nic->mac, mac);
}

/* A network of ESX by its name, a virtual one by its number, else the kind. These are wishes; what we give is NAT. */
static int read_network(struct reader *r, const char *device, struct appliance_nic *nic)
{
	const struct vmx_entry *kind = find(r, "%s.connectionType", device);
	const struct vmx_entry *vnet = find(r, "%s.vnet", device);
	const struct vmx_entry *name = find(r, "%s.networkName", device);
	const struct vmx_entry *entry = kind;

	if (*value_of(name))
		entry = name;
	else if (*value_of(vnet) && (!kind || !strcasecmp(kind->value, "custom")))
		entry = vnet;
	if (entry && *entry->value && strcasecmp(entry->value, "nat"))
		appliance_remark(r->a, entry->line, entry->key,
		                 "The network \"%s\" of the host is not joined; the card gets NAT.", entry->value);
	return appliance_set_text(&nic->network, entry ? entry->value : "bridged");
}

static int read_nics(struct reader *r)
{
	char device[KEY_SIZE];
	int result = 0;

	for (unsigned number = 0; number < APPLIANCE_MAX_NICS && !result; number++) {
		struct appliance_nic *nic;

		snprintf(device, sizeof(device), "ethernet%u", number);
		if (!is_present(r, device, false))
			continue;
		nic = appliance_add_nic(r->a, number, r->defaults.ethernet);
		if (!nic)
			return -ENOMEM;
		result = read_fields(r, device, vmx_nic_fields, nic);
		if (!result)
			result = read_mac(r, device, nic);
		if (!result)
			result = read_network(r, device, nic);
	}
	return result;
}

static int read_forwards(struct reader *r)
{
	for (unsigned number = 0; number < APPLIANCE_MAX_FORWARDS; number++) {
		const struct vmx_entry *entry = find(r, "vitrine.forward%u", number);
		struct appliance_forward forward = { .number = number };

		if (!entry || !*entry->value)
			continue;
		if (vmx_forward_read(entry->value, &forward) < 0)
			appliance_remark(r->a, entry->line, entry->key,
			                 "\"%s\" is no forwarded port; write it as \"tcp:8443:443\" (protocol, port "
			                 "here, port in the machine).",
			                 entry->value);
		else
			r->a->forwards[r->a->forward_count++] = forward;
	}
	return 0;
}

#define PROPERTY "vitrine.property."

/* In the order of their names. Of two that are equal the last one counts, as of all keys. */
static int read_properties(struct reader *r)
{
	const size_t length = strlen(PROPERTY);
	int result = 0;

	for (size_t i = 0; i < r->vmx->count && !result; i++) {
		const struct vmx_entry *entry = r->vmx->sorted[i];

		if (strncasecmp(entry->key, PROPERTY, length) || !entry->key[length] ||
		    vmx_find(r->vmx, entry->key) != entry)
			continue;
		r->seen[entry - r->vmx->entries] = true;
		result = appliance_add_setting(r->a, entry->key + length, entry->value);
	}
	return result;
}

static int read_serials(struct reader *r)
{
	char device[KEY_SIZE];

	for (unsigned number = 0; number < APPLIANCE_MAX_SERIALS; number++) {
		const struct vmx_entry *present, *type, *name;
		struct appliance_serial *serial;

		snprintf(device, sizeof(device), "serial%u", number);
		if (!is_present(r, device, false))
			continue;
		present = find(r, "%s.present", device);
		type = find(r, "%s.fileType", device);
		name = find(r, "%s.fileName", device);
		serial = appliance_add_serial(r->a, number);
		if (!serial)
			return -ENOMEM;
		free(serial->backing);
		if (asprintf(&serial->backing, "%s%s%s", type || !*value_of(name) ? value_of(type) : "device",
		             *value_of(name) ? ":" : "", value_of(name)) < 0) {
			serial->backing = NULL;
			return -ENOMEM;
		}
		appliance_remark(r->a, present->line, device,
		                 "The port is there, but not connected to \"%s\" of the host.", serial->backing);
		for (size_t i = 0; i < r->vmx->count; i++) /* its other keys say how to connect: one remark is enough */
			if (!strncasecmp(r->vmx->entries[i].key, device, strlen(device)) &&
			    r->vmx->entries[i].key[strlen(device)] == '.')
				r->seen[i] = true;
	}
	return 0;
}

/* ---- what remains ---- */

static bool is_absent_by_default(const char *device)
{
	for (size_t i = 0; i < ARRAY_SIZE(absent_by_default); i++)
		if (vmx_key_matches(absent_by_default[i], device))
			return true;
	return false;
}

#define MAX_NAMESPACES 4u /* of one key; VMware's have up to 3, "RemoteDisplay.vnc.key": each is looked up */

/* Is any of the namespaces that key is in ("scsi0", "scsi0:1" for scsi0:1.mode) switched off, or never switched on? */
static bool is_off(const struct vmx_file *vmx, const char *key)
{
	char present[KEY_SIZE + sizeof(".present")];
	unsigned depth = 0;

	for (const char *p = key; *p && depth < MAX_NAMESPACES; p++) {
		size_t length = (size_t)(p - key);
		const char *value;

		if ((*p != '.' && *p != ':') || !length)
			continue;
		depth++;
		memcpy(present, key, length);
		strcpy(present + length, ".present");
		value = vmx_get(vmx, present);
		present[length] = '\0';
		if (!vmx_boolean(value, !is_absent_by_default(present)))
			return true;
	}
	return false;
}

static bool is_dishonoured(const struct reader *r, const struct vmx_entry *entry)
{
	return !r->seen[entry - r->vmx->entries] && vmx_find(r->vmx, entry->key) == entry &&
	       !vmx_is_ignored(entry->key, entry->value) && !is_off(r->vmx, entry->key);
}

static bool same_namespace(const char *a, const char *b)
{
	size_t length = strcspn(a, ".");

	return length == strcspn(b, ".") && !strncasecmp(a, b, length);
}

/* The group of keys of one namespace, on one line for the user: "mks.*: enable3d, gl.allowBlacklistedDrivers". */
struct group {
	const struct vmx_entry *first; /* in the text */
	unsigned count;
	char names[256]; /* without the namespace; cut when there are many */
};

static void group_add(struct group *g, const struct vmx_entry *entry)
{
	const char *dot = strchr(entry->key, '.');
	size_t used = strlen(g->names);

	if (!g->first || entry->line < g->first->line)
		g->first = entry;
	g->count++;
	if (used < sizeof(g->names) - 64)
		snprintf(g->names + used, sizeof(g->names) - used, "%s%.60s", used ? ", " : "",
		         dot ? dot + 1 : entry->key);
	else if (g->names[used - 1] != '.')
		strcpy(g->names + used, ", ...");
}

static void group_remark(struct reader *r, struct group *g)
{
	char subject[KEY_SIZE + 2];

	if (g->count > 1) {
		snprintf(subject, sizeof(subject), "%.*s.*", (int)strcspn(g->first->key, "."), g->first->key);
		appliance_remark(r->a, g->first->line, subject, "%u settings are not honoured: %s", g->count, g->names);
	} else if (g->count) {
		appliance_remark(r->a, g->first->line, g->first->key, "This setting is not honoured.");
	}
	*g = (struct group){ 0 };
}

/* Keys of one namespace are neighbours in `sorted`: '.' ends a name and everything that a name goes on with differs. */
static void remark_on_the_rest(struct reader *r)
{
	struct group group = { 0 };

	for (size_t i = 0; i < r->vmx->count; i++) {
		const struct vmx_entry *entry = r->vmx->sorted[i];

		if (group.count && !same_namespace(group.first->key, entry->key))
			group_remark(r, &group);
		if (is_dishonoured(r, entry))
			group_add(&group, entry);
	}
	group_remark(r, &group);
}

static void remark_on_damage(struct reader *r)
{
	for (size_t i = 0; i < r->vmx->count; i++)
		if (r->vmx->entries[i].damaged) {
			const char *encoding = vmx_get(r->vmx, ".encoding");

			appliance_remark(r->a, r->vmx->entries[i].line, r->vmx->entries[i].key,
			                 "Here or below, characters cannot be read in the encoding %s.",
			                 encoding ? encoding : "windows-1252");
			return;
		}
}

static int by_line(const void *a, const void *b)
{
	const struct appliance_remark *x = a, *y = b;
	int r = (x->line > y->line) - (x->line < y->line);

	return r ? r : strcmp(x->subject, y->subject);
}

/* ---- the whole ---- */

int vmx_to_appliance(const struct vmx_file *vmx, struct appliance *a, struct error *e)
{
	static int (*const parts[])(struct reader *) = { read_machine,  read_sound_and_usb, read_controllers,
		                                         read_floppies, read_nics,          read_serials,
		                                         read_forwards, read_properties };
	const char *guest_os = vmx_get(vmx, "guestOS");
	struct reader r = { .vmx = vmx, .a = a, .defaults = vmx_guest_defaults(guest_os ? guest_os : "") };
	int result = 0;

	if (vmx_get(vmx, "encryption.keySafe") || vmx_get(vmx, "encryption.data"))
		return error_set(e, -ENOTSUP, "%s is encrypted. Remove its encryption in VMware, then open it again",
		                 vmx->name);
	r.seen = calloc(vmx->count + 1, sizeof(*r.seen));
	if (!r.seen)
		return error_set(e, -ENOMEM, "%s: out of memory", vmx->name);
	for (size_t i = 0; i < ARRAY_SIZE(parts) && !result; i++)
		result = parts[i](&r);
	if (!result) {
		remark_on_the_rest(&r);
		remark_on_damage(&r);
		if (a->remark_count)
			qsort(a->remarks, a->remark_count, sizeof(*a->remarks), by_line);
	}
	free(r.seen);
	return result < 0 ? error_set(e, result, "%s: %s", vmx->name, strerror(-result)) : 0;
}

/* ---- telling a .vmx by its content ---- */

/* What at least one line of every real text begins with. */
static const char *const telling_keys[] = { ".encoding", "config.version", "virtualHW.", "displayName", "guestOS",
	                                    "memsize",   "numvcpus",       "scsi0",      "ide0",        "ide1" };

/* The next line of a text that need not end, or NULL. */
static const char *next_line(const char *line, const char *end)
{
	const char *newline = memchr(line, '\n', (size_t)(end - line));

	return newline ? newline + 1 : NULL;
}

static bool line_tells(const char *line, const char *end)
{
	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	for (size_t i = 0; i < ARRAY_SIZE(telling_keys); i++) {
		size_t length = strlen(telling_keys[i]);

		if ((size_t)(end - line) > length && !strncasecmp(line, telling_keys[i], length))
			return true;
	}
	return false;
}

bool vmx_probe(const uint8_t *head, size_t length, const char *name)
{
	const char *dot = strrchr(name, '.'), *text = (const char *)head, *end = text + length;

	if (memchr(head, '\0', length) || vmdk_descriptor_probe(head, length))
		return false;
	if (length >= 3 && !memcmp(head, "\xef\xbb\xbf", 3))
		text += 3;
	while (text < end && isspace((unsigned char)*text))
		text++;
	if (text < end && *text == '<')
		return false; /* XML, or the web page that came instead of a download */
	for (const char *line = text; line; line = next_line(line, end))
		if (line_tells(line, end))
			return true;
	return dot && !strcasecmp(dot, ".vmx");
}
