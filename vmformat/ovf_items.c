/* SPDX-License-Identifier: MIT */
/*
 * The items of a VirtualHardwareSection (DSP0243 section 8): CIM resources (rasd), their storage and network kinds of
 * OVF 2 (sasd, epasd), and OVF 0.9's, which differ in the spelling of one name.
 */
#include "vmformat/ovf_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/vmx_fields.h"

/* CIM_ResourceAllocationSettingData.ResourceType (DMTF CIM schema 2.22); 35 is VirtualBox's and VMware's for sound. */
enum resource_type {
	RESOURCE_OTHER = 1,
	RESOURCE_PROCESSOR = 3,
	RESOURCE_MEMORY = 4,
	RESOURCE_IDE = 5,
	RESOURCE_SCSI = 6,
	RESOURCE_ETHERNET = 10,
	RESOURCE_FLOPPY = 14,
	RESOURCE_CD = 15,
	RESOURCE_DVD = 16,
	RESOURCE_DISK = 17,
	RESOURCE_OTHER_STORAGE = 20,
	RESOURCE_SERIAL = 21,
	RESOURCE_USB = 23,
	RESOURCE_GRAPHICS = 24,
	RESOURCE_LOGICAL_DISK = 31,
	RESOURCE_SOUND = 35,
};

struct item {
	const xmlNode *node;
	const char *id, *parent, *subtype, *address, *bus_number, *on_parent, *host_resource, *connection, *units;
	const char *quantity, *automatic, *type_text, *label, *caption;
	uint64_t type;
	bool configured, required;
	bool is_controller; /* of drives, at bus and number */
	enum appliance_bus bus;
	unsigned number;
};

struct items {
	struct ovf *o;
	struct item *list;
	unsigned count;
	struct item *default_parent; /* of drives that name none; NULL: IDE */
};

/* ---- collecting ---- */

static int read_fields(struct ovf *o, struct item *item)
{
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
		{ "InstanceID", offsetof(struct item, id) },
		{ "InstanceId", offsetof(struct item, id) },
		{ "Parent", offsetof(struct item, parent) },
		{ "ResourceSubType", offsetof(struct item, subtype) },
		{ "Address", offsetof(struct item, address) },
		{ "BusNumber", offsetof(struct item, bus_number) },
		{ "AddressOnParent", offsetof(struct item, on_parent) },
		{ "HostResource", offsetof(struct item, host_resource) },
		{ "Connection", offsetof(struct item, connection) },
		{ "AllocationUnits", offsetof(struct item, units) },
		{ "VirtualQuantity", offsetof(struct item, quantity) },
		{ "AutomaticAllocation", offsetof(struct item, automatic) },
		{ "ResourceType", offsetof(struct item, type_text) },
		{ "ElementName", offsetof(struct item, label) },
		{ "Caption", offsetof(struct item, caption) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		*(const char **)((char *)item + fields[i].offset) = "";
	for (const xmlNode *n = ovf_child(item->node, NULL); n; n = ovf_next(n, NULL))
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			const char **field = (const char **)((char *)item + fields[i].offset);

			if (ovf_is(n, fields[i].name) && !**field) /* the first of a list, as of HostResource */
				*field = ovf_text(o, n);
		}
	if (!*item->label) /* OVF 0.9 */
		item->label = *item->caption ? item->caption : "Item";
	if (strlen(item->id) > OVF_MAX_ID || strlen(item->parent) > OVF_MAX_ID)
		return ovf_error(o, item->node, -EFBIG,
		                 "its InstanceID or Parent is longer than any (the limit is %u).", OVF_MAX_ID);
	return 0;
}

static bool is_true(const char *value, bool fallback)
{
	return value && *value ? vmx_boolean(value, fallback) : fallback;
}

/* An item that belongs to other configurations, or that gives the range of another one, is no part of this machine. */
static bool is_played(struct ovf *o, const xmlNode *node, bool *ret_configured)
{
	const char *bound = ovf_attribute(o, node, "bound"), *configurations = ovf_attribute(o, node, "configuration");

	*ret_configured = configurations && *configurations;
	if (bound && *bound && strcasecmp(bound, "normal"))
		return false;
	return !*ret_configured || (o->configuration && ovf_list_has(configurations, o->configuration));
}

static bool is_item(const xmlNode *node)
{
	return ovf_is(node, "Item") || ovf_is(node, "StorageItem") || ovf_is(node, "EthernetPortItem");
}

static struct item *find_item(struct items *items, const char *id)
{
	for (unsigned i = 0; i < items->count; i++)
		if (*id && !strcmp(items->list[i].id, id))
			return &items->list[i];
	return NULL;
}

/* Of two items with one InstanceID the one that names the configuration counts (DSP0243 section 9.8). */
static void collect(struct items *items, const struct item *item)
{
	struct item *same = find_item(items, item->id);

	if (same && (item->configured || same->configured)) {
		if (item->configured)
			*same = *item;
		return;
	}
	if (same)
		ovf_remark(items->o, item->node, item->label, "Its InstanceID %s is that of another item, too.",
		           item->id);
	items->list[items->count++] = *item;
}

static int collect_all(struct items *items)
{
	struct ovf *o = items->o;
	unsigned count = 0;
	int r;

	for (const xmlNode *n = ovf_child(o->hardware, NULL); n; n = ovf_next(n, NULL))
		count += is_item(n);
	if (count > OVF_MAX_ITEMS)
		return ovf_error(o, o->hardware, -EFBIG, "%u items are more than any machine has (the limit is %u).",
		                 count, OVF_MAX_ITEMS);
	items->list = calloc(count + 1, sizeof(*items->list));
	if (!items->list)
		return -ENOMEM;
	for (const xmlNode *n = ovf_child(o->hardware, NULL); n; n = ovf_next(n, NULL)) {
		struct item item = { .node = n };

		if (!is_item(n) || !is_played(o, n, &item.configured))
			continue;
		r = read_fields(o, &item);
		if (r < 0)
			return r;
		item.required = is_true(ovf_attribute(o, n, "required"), true);
		if (ovf_number(item.type_text, &item.type))
			collect(items, &item);
		else
			ovf_remark(o, n, item.label,
			           "It does not say what kind of device it is (ResourceType); it is left "
			           "out.");
	}
	return 0;
}

/* ---- words for models ---- */

/* A list of subtypes names what the guest can work with; of those, the first in this table is the one we play best. */
struct model_word {
	const char *words;
	const char *model;
	enum appliance_bus bus;
};

static const struct model_word storage_words[] = {
	{ "lsilogic lsi", "lsilogic", APPLIANCE_SCSI },
	{ "lsilogicsas lsisas1068", "lsisas1068", APPLIANCE_SCSI },
	{ "virtualscsi pvscsi", "pvscsi", APPLIANCE_SCSI },
	{ "buslogic", "buslogic", APPLIANCE_SCSI },
	{ "vmware.sata.ahci ahci sata", "ahci", APPLIANCE_SATA },
	{ "vmware.nvme.controller nvme", "nvme", APPLIANCE_NVME },
	{ "virtio-scsi virtioscsi virtio", "virtio-scsi", APPLIANCE_VIRTIO },
};

static const struct model_word ethernet_words[] = {
	{ "e1000", "e1000", 0 },   { "pcnet32 vlance pcnet", "vlance", 0 }, { "vmxnet3", "vmxnet3", 0 },
	{ "e1000e", "e1000e", 0 }, { "virtio virtio-net", "virtio", 0 },    { "vmxnet vmxnet2", "vmxnet", 0 },
};

static const struct model_word sound_words[] = {
	{ "vmware.soundcard.ensoniq1371 ensoniq1371 es1371", "es1371", 0 },
	{ "vmware.soundcard.hdaudio hdaudio hda ich9", "hdaudio", 0 },
	{ "ac97 ichac97", "ac97", 0 },
	{ "vmware.soundcard.sb16 sb16 soundblaster16", "sb16", 0 },
};

#define MAX_WORDS 16u /* real lists have up to 3; each is looked up in a table */

static const struct model_word *find_word(const struct model_word *table, size_t count, const char *subtypes)
{
	static const char separators[] = " ,;\t\r\n";

	for (size_t i = 0; i < count; i++) {
		unsigned words = 0;

		for (const char *p = subtypes + strspn(subtypes, separators); *p && words < MAX_WORDS;
		     p += strspn(p, separators), words++) {
			char word[48];
			size_t length = strcspn(p, separators);

			snprintf(word, sizeof(word), "%.*s", (int)MIN(length, sizeof(word)), p);
			if (ovf_list_has(table[i].words, word))
				return &table[i];
			p += length;
		}
	}
	return NULL;
}

/* ---- one item ---- */

static int leave_out(struct items *items, struct item *item)
{
	ovf_remark(items->o, item->node, item->label,
	           "A device of type %s%s%s is not part of the machine that is played%s.", item->type_text,
	           *item->subtype ? ", " : "", item->subtype, item->required ? "; the guest may miss it" : "");
	return 0;
}

static int read_processor(struct items *items, struct item *item)
{
	struct ovf *o = items->o;
	const char *cores = ovf_child_text(o, item->node, "CoresPerSocket");
	uint64_t n;

	ovf_set_cpus(o, item->quantity, item->node);
	if (ovf_number(cores, &n) && n <= APPLIANCE_MAX_CPUS)
		o->a->cores_per_socket = (unsigned)n;
	ovf_read_item_settings(o, item->node, NULL);
	return 0;
}

static int read_memory(struct items *items, struct item *item)
{
	struct ovf *o = items->o;
	uint64_t quantity, factor = 1, bytes;

	if (!*item->quantity) {
		ovf_remark(o, item->node, item->label, "The text does not say how much; %llu MiB are assumed.",
		           (unsigned long long)(o->a->memory >> 20));
		return 0;
	}
	if (!ovf_number(item->quantity, &quantity))
		return ovf_error(o, item->node, -EINVAL, "the memory's VirtualQuantity \"%s\" is no whole number.",
		                 item->quantity);
	if (*item->units && !ovf_unit_factor(item->units, &factor)) {
		factor = 1u << 20;
		ovf_remark(o, item->node, item->label, "The unit \"%s\" is not known; megabytes are assumed.",
		           item->units);
	} else if (!*item->units && quantity < 1u << 20) {
		factor = 1u << 20; /* bytes, by DSP0004; but nobody means a machine of less than 1 MiB */
	}
	if (mul_overflows(quantity, factor, &bytes))
		bytes = UINT64_MAX;
	ovf_read_item_settings(o, item->node, NULL);
	return ovf_set_memory(o, bytes, item->node);
}

static int address_number(const char *text)
{
	uint64_t n;

	return ovf_number(text, &n) && n < 256 ? (int)n : -1;
}

static unsigned count_of_type(const struct items *items, uint64_t type)
{
	unsigned count = 0;

	for (unsigned i = 0; i < items->count; i++)
		count += items->list[i].type == type;
	return count;
}

static struct ovf_controller_kind controller_kind(struct items *items, const struct item *item)
{
	const struct model_word *word = find_word(storage_words, ARRAY_SIZE(storage_words), item->subtype);
	struct ovf *o = items->o;

	if (item->type == RESOURCE_IDE)
		return (struct ovf_controller_kind){ APPLIANCE_IDE, "piix4" };
	if (word)
		return (struct ovf_controller_kind){ word->bus, word->model };
	if (*item->subtype)
		ovf_remark(o, item->node, item->label, "The controller \"%s\" is not known; the guest gets %s.",
		           item->subtype, ovf_default_model(APPLIANCE_SCSI));
	return (struct ovf_controller_kind){ APPLIANCE_SCSI, ovf_default_model(APPLIANCE_SCSI) };
}

static int read_controller(struct items *items, struct item *item)
{
	struct ovf *o = items->o;
	struct ovf_controller_kind kind = controller_kind(items, item);
	int number = address_number(*item->address ? item->address : item->bus_number);
	struct appliance_controller *controller;

	/* VirtualBox up to 3.0 wrote its one adapter, with both channels, at address 1. */
	if (kind.bus == APPLIANCE_IDE && o->a->origin == ORIGIN_VIRTUALBOX && count_of_type(items, RESOURCE_IDE) == 1)
		number = 0;
	controller = ovf_add_controller(o, kind, number, item->node);
	if (!controller)
		return o->failed;
	item->is_controller = true;
	item->bus = kind.bus;
	item->number = controller->number;
	ovf_read_item_settings(o, item->node, &controller->pci_slot);
	if (!items->default_parent)
		items->default_parent = item;
	return 0;
}

/* Type 20 is any storage adapter: those that we know, or none. */
static int read_other_storage(struct items *items, struct item *item)
{
	return find_word(storage_words, ARRAY_SIZE(storage_words), item->subtype) ? read_controller(items, item)
	                                                                          : leave_out(items, item);
}

static struct appliance_drive *place_drive(struct items *items, struct item *item, enum appliance_drive_kind kind)
{
	struct ovf *o = items->o;
	struct item *parent = find_item(items, item->parent);
	int unit = address_number(item->on_parent);

	if (!parent || !parent->is_controller) {
		parent = items->default_parent;
		if (kind == DRIVE_CDROM && parent && parent->bus == APPLIANCE_SCSI)
			parent = NULL; /* where every guest finds a CD drive */
		unit = -1;
		ovf_remark(o, item->node, item->label, "It is on no controller of this machine; it is put on %s.",
		           parent ? vmx_buses[parent->bus].name : "ide");
	}
	return ovf_add_drive(o, kind, parent ? parent->bus : APPLIANCE_IDE, parent ? parent->number : 0, unit,
	                     item->label, item->node);
}

/* A disk without an image may say how large a blank one is (DSP0243 section 8.2). */
static bool blank_capacity(const struct item *item, uint64_t *ret_bytes)
{
	uint64_t n, factor = 1;

	return ovf_number(item->quantity, &n) && (!*item->units || ovf_unit_factor(item->units, &factor)) &&
	       !mul_overflows(n, factor, ret_bytes) && *ret_bytes >= DISK_SECTOR && *ret_bytes <= INT64_MAX;
}

static int read_disk(struct items *items, struct item *item)
{
	struct ovf *o = items->o;
	struct appliance_drive *drive;
	uint64_t capacity = 0;

	if (!*item->host_resource && !blank_capacity(item, &capacity)) {
		ovf_remark(o, item->node, item->label,
		           "This disk names neither an image (HostResource) nor a capacity; it "
		           "is left out.");
		return 0;
	}
	drive = place_drive(items, item, DRIVE_DISK);
	if (!drive)
		return o->failed;
	ovf_read_item_settings(o, item->node, NULL);
	if (*item->host_resource)
		return ovf_set_backing(o, drive, item->host_resource, item->node);
	drive->backing = BACKING_BLANK;
	drive->capacity = capacity;
	return 0;
}

static int fill_removable(struct items *items, struct item *item, struct appliance_drive *drive)
{
	if (!drive)
		return items->o->failed;
	drive->start_connected = is_true(item->automatic, true);
	ovf_read_item_settings(items->o, item->node, NULL);
	return *item->host_resource ? ovf_set_backing(items->o, drive, item->host_resource, item->node) : 0;
}

static int read_cdrom(struct items *items, struct item *item)
{
	return fill_removable(items, item, place_drive(items, item, DRIVE_CDROM));
}

static int read_floppy(struct items *items, struct item *item)
{
	int unit = address_number(item->on_parent);

	return fill_removable(items, item, ovf_add_floppy(items->o, unit, item->label, item->node));
}

static const char *ethernet_model(struct items *items, const struct item *item)
{
	const struct model_word *word = find_word(ethernet_words, ARRAY_SIZE(ethernet_words), item->subtype);
	const char *model =
		items->o->a->origin == ORIGIN_VMWARE ? vmx_guest_defaults(items->o->a->guest_os).ethernet : "e1000";

	if (!word && *item->subtype)
		ovf_remark(items->o, item->node, item->label,
		           "The network card \"%s\" is not known; the guest gets %s.", item->subtype, model);
	return word ? word->model : model;
}

static int read_ethernet(struct items *items, struct item *item)
{
	struct ovf *o = items->o;
	struct appliance_nic *nic = appliance_add_nic(o->a, o->a->nic_count, ethernet_model(items, item));
	char mac[18];

	if (!nic)
		return o->a->nic_count < APPLIANCE_MAX_NICS ? -ENOMEM : 0;
	nic->start_connected = is_true(item->automatic, true);
	ovf_read_item_settings(o, item->node, &nic->pci_slot);
	if (*item->connection && strcasecmp(item->connection, "nat") && strcasecmp(item->connection, "none"))
		ovf_remark(o, item->node, item->label, "The network \"%s\" is not joined; the card gets NAT.",
		           item->connection);
	if (ovf_normal_mac(item->address, mac) && appliance_set_text(&nic->mac, mac) < 0)
		return -ENOMEM;
	return appliance_set_text(&nic->network, item->connection);
}

static int read_serial(struct items *items, struct item *item)
{
	struct appliance *a = items->o->a;
	struct appliance_serial *serial = appliance_add_serial(a, a->serial_count);

	if (!serial)
		return a->serial_count < APPLIANCE_MAX_SERIALS ? -ENOMEM : 0;
	ovf_remark(items->o, item->node, item->label, "The port is there, but not connected to the host.");
	return appliance_set_text(&serial->backing, "device");
}

static int read_usb(struct items *items, struct item *item)
{
	items->o->a->usb = true;
	ovf_read_item_settings(items->o, item->node, NULL);
	return 0;
}

static int read_sound(struct items *items, struct item *item)
{
	struct ovf *o = items->o;
	const struct model_word *word = find_word(sound_words, ARRAY_SIZE(sound_words), item->subtype);
	const char *model = word ? word->model : o->a->origin == ORIGIN_VIRTUALBOX ? "ac97" : "es1371";

	if (!word && *item->subtype)
		ovf_remark(o, item->node, item->label, "The sound card \"%s\" is not known; the guest gets %s.",
		           item->subtype, model);
	return appliance_set_text(&o->a->sound, model);
}

/* Every board has a display; how much memory it has, guests ask. */
static int read_graphics(struct items *items, struct item *item)
{
	ovf_read_item_settings(items->o, item->node, NULL);
	return 0;
}

/* VMware puts into "other" what CIM has no type for. */
static int read_other(struct items *items, struct item *item)
{
	if (find_word(sound_words, ARRAY_SIZE(sound_words), item->subtype))
		return read_sound(items, item);
	if (ovf_list_has(item->subtype, "vmware.vmci")) /* serves VMware Tools only */
		return 0;
	return leave_out(items, item);
}

/* In the order in which they are read: drives need their controllers. */
static const struct {
	enum resource_type type;
	enum ovf_part part;
	bool controller;
	int (*read)(struct items *items, struct item *item);
} kinds[] = {
	{ RESOURCE_IDE, PART_STORAGE, true, read_controller },
	{ RESOURCE_SCSI, PART_STORAGE, true, read_controller },
	{ RESOURCE_OTHER_STORAGE, PART_STORAGE, true, read_other_storage },
	{ RESOURCE_PROCESSOR, PART_CPU, false, read_processor },
	{ RESOURCE_MEMORY, PART_MEMORY, false, read_memory },
	{ RESOURCE_ETHERNET, PART_NETWORK, false, read_ethernet },
	{ RESOURCE_FLOPPY, PART_STORAGE, false, read_floppy },
	{ RESOURCE_CD, PART_STORAGE, false, read_cdrom },
	{ RESOURCE_DVD, PART_STORAGE, false, read_cdrom },
	{ RESOURCE_DISK, PART_STORAGE, false, read_disk },
	{ RESOURCE_LOGICAL_DISK, PART_STORAGE, false, read_disk },
	{ RESOURCE_SERIAL, PART_SERIAL, false, read_serial },
	{ RESOURCE_USB, PART_USB, false, read_usb },
	{ RESOURCE_SOUND, PART_SOUND, false, read_sound },
	{ RESOURCE_GRAPHICS, 0, false, read_graphics },
	{ RESOURCE_OTHER, 0, false, read_other },
};

static int read_item(struct items *items, struct item *item, bool controllers)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].type != item->type)
			continue;
		if (kinds[i].controller != controllers || (items->o->settled & kinds[i].part))
			return 0;
		return kinds[i].read(items, item);
	}
	return controllers ? 0 : leave_out(items, item);
}

int ovf_read_items(struct ovf *o)
{
	struct items items = { .o = o };
	int r = collect_all(&items);

	for (unsigned i = 0; i < items.count && !r; i++)
		r = read_item(&items, &items.list[i], true);
	for (unsigned i = 0; i < items.count && !r; i++)
		r = read_item(&items, &items.list[i], false);
	if (!r && !(o->settled & PART_MEMORY) && !count_of_type(&items, RESOURCE_MEMORY))
		ovf_remark(o, o->hardware, "memory", "The text does not say how much; %llu MiB are assumed.",
		           (unsigned long long)(o->a->memory >> 20));
	if (!r && !o->a->drive_count)
		ovf_remark(o, o->hardware, "drives", "The machine has no disk and no drive, so it starts nothing.");
	free(items.list);
	return r;
}
