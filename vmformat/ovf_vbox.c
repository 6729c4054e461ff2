/* SPDX-License-Identifier: MIT */
/*
 * vbox:Machine: VirtualBox's own description, which says what the items cannot (MAC addresses, ports, cables, clock).
 * Its hardware is played; what shares something with the host is not.
 */
#include "vmformat/ovf_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/vmx_fields.h"

static bool attribute_is(struct ovf *o, const xmlNode *node, const char *name, bool fallback)
{
	const char *value = ovf_attribute(o, node, name);

	return value ? vmx_boolean(value, fallback) : fallback;
}

static int attribute_number(struct ovf *o, const xmlNode *node, const char *name)
{
	const char *value = ovf_attribute(o, node, name);
	uint64_t n;

	return value && ovf_number(value, &n) && n < 256 ? (int)n : -1;
}

static const char *attribute_text(struct ovf *o, const xmlNode *node, const char *name)
{
	const char *value = ovf_attribute(o, node, name);

	return value ? value : "";
}

/* ---- board ---- */

static void read_cpu(struct ovf *o, const xmlNode *hardware)
{
	const xmlNode *cpu = ovf_child(hardware, "CPU");
	const char *count = ovf_attribute(o, cpu, "count");

	if (!count)
		return;
	ovf_set_cpus(o, count, cpu);
	o->settled |= PART_CPU;
}

static int read_memory(struct ovf *o, const xmlNode *hardware)
{
	const xmlNode *memory = ovf_child(hardware, "Memory");
	const char *size = ovf_attribute(o, memory, "RAMSize");
	uint64_t mebibytes, bytes;

	if (!size)
		return 0;
	if (!ovf_number(size, &mebibytes) || mul_overflows(mebibytes, 1ull << 20, &bytes))
		return ovf_error(o, memory, -EINVAL, "the memory's RAMSize \"%s\" is no number of MiB.", size);
	o->settled |= PART_MEMORY;
	return ovf_set_memory(o, bytes, memory);
}

static int read_boot_order(struct ovf *o, const xmlNode *hardware)
{
	static const struct {
		const char *device, *meaning;
	} words[] = { { "HardDisk", "hdd" }, { "DVD", "cdrom" }, { "Network", "ethernet" }, { "Floppy", "floppy" } };
	const xmlNode *boot = ovf_child(hardware, "Boot");
	char order[64] = "";

	for (const xmlNode *n = ovf_child(boot, "Order"); n; n = ovf_next(n, "Order")) {
		const char *device = attribute_text(o, n, "device");

		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			if (!strcasecmp(device, words[i].device) && !strstr(order, words[i].meaning))
				snprintf(order + strlen(order), sizeof(order) - strlen(order), "%s%s",
				         *order ? "," : "", words[i].meaning);
	}
	return *order ? appliance_set_text(&o->a->boot_order, order) : 0;
}

/* "{cab1600e-df75-...}" */
static int read_uuid(struct ovf *o)
{
	const char *uuid = attribute_text(o, o->machine, "uuid");

	uuid += strspn(uuid, "{");
	return ovf_set_machine_field(o, o->machine, "uuid.bios", ovf_keep(o, uuid, strcspn(uuid, "}")));
}

static int read_board(struct ovf *o, const xmlNode *hardware)
{
	const xmlNode *firmware = ovf_child(hardware, "Firmware"), *clock = ovf_child(hardware, "RTC");
	int r;

	read_cpu(o, hardware);
	r = read_memory(o, hardware);
	if (!strncasecmp(attribute_text(o, firmware, "type"), "EFI", 3))
		o->a->firmware = FIRMWARE_EFI;
	o->a->rtc_local_time =
		strcasecmp(attribute_text(o, clock, "localOrUTC"), "UTC") != 0; /* VirtualBox's default */
	if (!r)
		r = read_uuid(o);
	return r ? r : read_boot_order(o, hardware);
}

/* ---- storage ---- */

static const struct {
	const char *type;
	struct ovf_controller_kind kind;
} controllers[] = {
	{ "PIIX3", { APPLIANCE_IDE, "piix4" } },
	{ "PIIX4", { APPLIANCE_IDE, "piix4" } },
	{ "ICH6", { APPLIANCE_IDE, "piix4" } },
	{ "AHCI", { APPLIANCE_SATA, "ahci" } },
	{ "IntelAhci", { APPLIANCE_SATA, "ahci" } },
	{ "LsiLogic", { APPLIANCE_SCSI, "lsilogic" } },
	{ "LsiLogicSas", { APPLIANCE_SCSI, "lsisas1068" } },
	{ "BusLogic", { APPLIANCE_SCSI, "buslogic" } },
	{ "NVMe", { APPLIANCE_NVME, "nvme" } },
	{ "VirtioSCSI", { APPLIANCE_VIRTIO, "virtio-scsi" } },
	{ "I82078", { APPLIANCE_FLOPPY, "" } },
};

static const struct ovf_controller_kind *controller_kind(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (!strcasecmp(type, controllers[i].type))
			return &controllers[i].kind;
	return NULL;
}

/* Settings version 1.19 moved them into Hardware. */
static const xmlNode *find_storage(const struct ovf *o, const xmlNode *hardware)
{
	const xmlNode *storage = ovf_child(hardware, "StorageControllers");

	return storage ? storage : ovf_child(o->machine, "StorageControllers");
}

static const struct ovf_disk *disk_of(struct ovf *o, const xmlNode *device)
{
	return ovf_disk_by_uuid(o, attribute_text(o, ovf_child(device, "Image"), "uuid"));
}

static unsigned count_devices(const xmlNode *storage)
{
	unsigned count = 0;

	for (const xmlNode *c = ovf_child(storage, "StorageController"); c; c = ovf_next(c, "StorageController"))
		for (const xmlNode *d = ovf_child(c, "AttachedDevice"); d; d = ovf_next(d, "AttachedDevice"))
			count++;
	return count;
}

/* The items describe the drives as well, if coarsely: they serve when a disk here is in no DiskSection. */
static bool knows_all_disks(struct ovf *o, const xmlNode *storage)
{
	for (const xmlNode *c = ovf_child(storage, "StorageController"); c; c = ovf_next(c, "StorageController"))
		for (const xmlNode *d = ovf_child(c, "AttachedDevice"); d; d = ovf_next(d, "AttachedDevice"))
			if (!strcasecmp(attribute_text(o, d, "type"), "HardDisk") && !disk_of(o, d))
				return false;
	return true;
}

static enum appliance_drive_kind drive_kind(const char *type)
{
	return !strcasecmp(type, "HardDisk") ? DRIVE_DISK : !strcasecmp(type, "Floppy") ? DRIVE_FLOPPY : DRIVE_CDROM;
}

static int read_device(struct ovf *o, const xmlNode *device, enum appliance_bus bus, unsigned number)
{
	const char *type = attribute_text(o, device, "type");
	enum appliance_drive_kind kind = drive_kind(type);
	int port = attribute_number(o, device, "port"), unit = attribute_number(o, device, "device");
	const struct ovf_disk *disk = disk_of(o, device);
	struct appliance_drive *drive;

	if (bus == APPLIANCE_FLOPPY)
		drive = ovf_add_floppy(o, unit, type, device);
	else if (kind == DRIVE_FLOPPY)
		return 0; /* on no other controller */
	else if (bus == APPLIANCE_IDE)
		drive = ovf_add_drive(o, kind, bus, port == 1, unit, type, device);
	else
		drive = ovf_add_drive(o, kind, bus, number, port, type, device);
	if (!drive)
		return o->failed;
	if (disk)
		return ovf_set_disk(o, drive, disk);
	if (ovf_child(device, "Image") || ovf_child(device, "HostDrive"))
		ovf_remark(o, device, type, "What was in the drive is not in this package; it is empty.");
	return 0;
}

static int read_controller(struct ovf *o, const xmlNode *node)
{
	const char *type = attribute_text(o, node, "type");
	const struct ovf_controller_kind *kind = controller_kind(type);
	unsigned number = 0;
	int r = 0;

	if (!kind) {
		ovf_remark(o, node, type, "This storage controller is not known; it is left out with its drives.");
		return 0;
	}
	if (kind->bus == APPLIANCE_IDE) { /* one adapter has both channels */
		if (!ovf_add_controller(o, *kind, 0, node) || !ovf_add_controller(o, *kind, 1, node))
			return o->failed;
	} else if (kind->bus != APPLIANCE_FLOPPY) {
		const struct appliance_controller *added = ovf_add_controller(o, *kind, -1, node);

		if (!added)
			return o->failed;
		number = added->number;
	}
	for (const xmlNode *d = ovf_child(node, "AttachedDevice"); d && !r; d = ovf_next(d, "AttachedDevice"))
		r = read_device(o, d, kind->bus, number);
	return r;
}

static int read_storage(struct ovf *o, const xmlNode *hardware)
{
	const xmlNode *storage = find_storage(o, hardware);
	unsigned count = count_devices(storage);
	int r = 0;

	if (!storage)
		return 0;
	if (count > OVF_MAX_ITEMS)
		return ovf_error(o, storage, -EFBIG, "%u drives are more than any machine has (the limit is %u).",
		                 count, OVF_MAX_ITEMS);
	if (!knows_all_disks(o, storage)) {
		ovf_remark(o, storage, "StorageControllers",
		           "A disk here is not in the package's DiskSection; the drives "
		           "are those of the VirtualHardwareSection.");
		return 0;
	}
	o->settled |= PART_STORAGE;
	for (const xmlNode *c = ovf_child(storage, "StorageController"); c && !r; c = ovf_next(c, "StorageController"))
		r = read_controller(o, c);
	return r;
}

/* ---- network ---- */

static const char *nic_model(struct ovf *o, const xmlNode *adapter)
{
	static const struct {
		const char *type, *model;
	} models[] = {
		{ "82540EM", "e1000" },    { "82543GC", "e1000" },   { "82545EM", "e1000" },
		{ "82583V", "e1000e" },    { "virtio", "virtio" },   { "virtio_1.0", "virtio" },
		{ "Am79C970A", "vlance" }, { "Am79C973", "vlance" }, { "Am79C960", "vlance" },
		{ "", "vlance" },
	};
	const char *type = attribute_text(o, adapter, "type");

	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		if (!strcasecmp(type, models[i].type))
			return models[i].model;
	ovf_remark(o, adapter, type, "This network card is not known; the guest gets e1000.");
	return "e1000";
}

/* Which network it was on: a wish, for every card gets NAT. */
static const char *nic_network(struct ovf *o, const xmlNode *adapter)
{
	static const struct {
		const char *element, *network;
	} networks[] = {
		{ "NAT", "nat" },
		{ "NATNetwork", "nat" },
		{ "BridgedInterface", "bridged" },
		{ "HostInterface", "bridged" }, /* before version 3 */
		{ "HostOnlyInterface", "hostonly" },
		{ "InternalNetwork", "custom" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(networks); i++)
		if (ovf_child(adapter, networks[i].element)) {
			if (strcmp(networks[i].network, "nat"))
				ovf_remark(o, adapter, networks[i].element,
				           "This network is not joined; the card gets NAT.");
			return networks[i].network;
		}
	return "";
}

/* Since settings version 1.16 a cable is in by default. */
static bool cable_by_default(struct ovf *o)
{
	const char *version = attribute_text(o, o->machine, "version"), *dot = strchr(version, '.');

	return !dot || strtoul(dot + 1, NULL, 10) >= 16;
}

static int read_adapter(struct ovf *o, const xmlNode *adapter)
{
	int slot = attribute_number(o, adapter, "slot");
	struct appliance_nic *nic;
	char mac[18];

	if (!attribute_is(o, adapter, "enabled", false) || slot < 0 || slot >= APPLIANCE_MAX_NICS)
		return 0;
	for (unsigned i = 0; i < o->a->nic_count; i++)
		if (o->a->nics[i].number == (unsigned)slot)
			return 0;
	nic = appliance_add_nic(o->a, (unsigned)slot, nic_model(o, adapter));
	if (!nic)
		return -ENOMEM; /* there are no more slots than network cards */
	nic->start_connected = attribute_is(o, adapter, "cable", cable_by_default(o));
	if (ovf_normal_mac(attribute_text(o, adapter, "MACAddress"), mac) && appliance_set_text(&nic->mac, mac) < 0)
		return -ENOMEM;
	return appliance_set_text(&nic->network, nic_network(o, adapter));
}

static int read_network(struct ovf *o, const xmlNode *hardware)
{
	const xmlNode *network = ovf_child(hardware, "Network");
	int r = 0;

	if (!ovf_child(network, "Adapter"))
		return 0;
	o->settled |= PART_NETWORK;
	for (const xmlNode *n = ovf_child(network, "Adapter"); n && !r; n = ovf_next(n, "Adapter"))
		r = read_adapter(o, n);
	return r;
}

/* ---- the rest ---- */

static int read_sound(struct ovf *o, const xmlNode *hardware)
{
	static const struct {
		const char *controller, *model;
	} models[] = { { "AC97", "ac97" }, { "HDA", "hdaudio" }, { "SB16", "sb16" }, { "", "ac97" } };
	const xmlNode *audio = ovf_child(hardware, "AudioAdapter");
	const char *controller = attribute_text(o, audio, "controller");

	if (!audio)
		return 0;
	o->settled |= PART_SOUND;
	for (size_t i = 0; i < ARRAY_SIZE(models) && attribute_is(o, audio, "enabled", true); i++)
		if (!strcasecmp(controller, models[i].controller))
			return appliance_set_text(&o->a->sound, models[i].model);
	return 0;
}

static int read_usb(struct ovf *o, const xmlNode *hardware)
{
	const xmlNode *usb = ovf_child(hardware, "USB"), *old = ovf_child(hardware, "USBController");

	if (!usb && !old)
		return 0;
	o->a->usb = ovf_child(ovf_child(usb, "Controllers"), "Controller") || attribute_is(o, old, "enabled", false);
	o->settled |= PART_USB;
	return 0;
}

static int read_serials(struct ovf *o, const xmlNode *hardware)
{
	const xmlNode *uart = ovf_child(hardware, "UART");

	if (!uart)
		return 0;
	o->settled |= PART_SERIAL;
	for (const xmlNode *n = ovf_child(uart, "Port"); n; n = ovf_next(n, "Port")) {
		struct appliance_serial *serial;

		if (!attribute_is(o, n, "enabled", false))
			continue;
		serial = appliance_add_serial(o->a, o->a->serial_count);
		if (!serial)
			return o->a->serial_count < APPLIANCE_MAX_SERIALS ? -ENOMEM : 0;
		if (appliance_set_text(&serial->backing, "device") < 0)
			return -ENOMEM;
		ovf_remark(o, n, "UART", "The port is there, but not connected to \"%s\" of the host.",
		           attribute_text(o, n, "path"));
	}
	return 0;
}

/* What lets the guest reach out of its case. */
static int remark_on_sharing(struct ovf *o, const xmlNode *hardware)
{
	const xmlNode *folder = ovf_child(ovf_child(hardware, "SharedFolders"), "SharedFolder");
	const xmlNode *display = ovf_child(hardware, "RemoteDisplay");

	if (folder)
		ovf_remark(o, folder, "SharedFolders", "Folders of the host are not shared with the guest.");
	if (display && attribute_is(o, display, "enabled", false))
		ovf_remark(o, display, "RemoteDisplay", "The screen is not served to other computers.");
	return 0;
}

int ovf_read_machine(struct ovf *o)
{
	static int (*const parts[])(struct ovf *, const xmlNode *) = { read_board,       read_storage, read_network,
		                                                       read_sound,       read_usb,     read_serials,
		                                                       remark_on_sharing };
	const xmlNode *hardware = ovf_child(o->machine, "Hardware");
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && hardware && !r; i++)
		r = parts[i](o, hardware);
	return r;
}
