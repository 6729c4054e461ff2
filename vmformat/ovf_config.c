/* SPDX-License-Identifier: MIT */
/* VMware's settings beside the items: vmw:Config, vmw:ExtraConfig (keys of a .vmx) and vmw:BootOrderSection. */
#include "vmformat/ovf_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/vmx_fields.h"

struct setting {
	const xmlNode *node;
	const char *key, *value;
};

static struct setting setting_of(struct ovf *o, const xmlNode *node)
{
	const char *key = ovf_attribute(o, node, "key"), *value = ovf_attribute(o, node, "value");

	return (struct setting){ node, key ? key : "", value ? value : "" };
}

/* ---- vmw:Config ---- */

/* Left alone without a word: how VMware's own program runs, or what every machine of ours has. */
static const struct {
	const char *pattern;
	bool unless_on; /* a remark when the value asks for something */
} ignored[] = {
	{ "allowUnrestrictedCommunication", true },
	{ "autoConnectDevices", true },
	{ "backing.exclusive", false },
	{ "backing.writeThrough", false },
	{ "bootOptions.efiSecureBootEnabled", true },
	{ "connectable.*", false },
	{ "cpuAllocation.*", false },
	{ "cpuHotAddEnabled", false },
	{ "cpuHotRemoveEnabled", false },
	{ "deviceGroupInfo.*", false },
	{ "ehciEnabled", false },
	{ "enable3DSupport", true },
	{ "enableMPTSupport", true },
	{ "fixedPassthruHotPlugEnabled", true },
	{ "flags.vbsEnabled", true },
	{ "flags.vvtdEnabled", true },
	{ "graphicsMemorySizeInKB", false },
	{ "guestReadOnly", true },
	{ "memoryAllocation.*", false },
	{ "memoryHotAddEnabled", false },
	{ "nestedHVEnabled", true },
	{ "numDisplays", false },
	{ "powerOpInfo.*", false },
	{ "sevEnabled", true },
	{ "sgxInfo.*", false },
	{ "shares*", false },
	{ "simultaneousThreads", false },
	{ "slotInfo.*", false },
	{ "tools.*", false },
	{ "uptCompatibilityEnabled", false },
	{ "use3dRenderer", false },
	{ "useAutoDetect", false },
	{ "videoRamSizeInKB", false },
	{ "virtualICH7MPresent", true },
	{ "virtualSMCPresent", true },
	{ "vPMCEnabled", true },
	{ "wakeOnLanEnabled", false },
	{ "yieldOnPoll", false },
};

static void remark_unless_ignored(struct ovf *o, const struct setting *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		if (vmx_key_matches(ignored[i].pattern, s->key) &&
		    (!ignored[i].unless_on || !*s->value || !vmx_boolean(s->value, true)))
			return;
	ovf_remark(o, s->node, s->key, "This setting (\"%s\") is not honoured.", s->value);
}

void ovf_read_item_settings(struct ovf *o, const xmlNode *item, int *pci_slot)
{
	for (const xmlNode *n = ovf_child(item, "Config"); n; n = ovf_next(n, "Config")) {
		struct setting s = setting_of(o, n);
		uint64_t slot;

		if (pci_slot && !strcasecmp(s.key, "slotInfo.pciSlotNumber")) {
			if (ovf_number(s.value, &slot) && slot <= 0xfff)
				*pci_slot = (int)slot;
			continue;
		}
		remark_unless_ignored(o, &s);
	}
}

/* ---- keys of a .vmx ---- */

static const struct vmx_field *find_field(const struct vmx_field *fields, const char *key)
{
	while (fields->key && strcasecmp(fields->key, key))
		fields++;
	return fields->key ? fields : NULL;
}

static int set_field(struct ovf *o, const struct setting *s, const struct vmx_field *field, void *object)
{
	int r = field->type->read(s->value, (char *)object + field->offset);

	if (r == -EINVAL)
		ovf_remark(o, s->node, s->key, "\"%s\" is not %s.", s->value, field->type->expects);
	return r == -EINVAL ? 0 : r;
}

int ovf_set_machine_field(struct ovf *o, const xmlNode *node, const char *key, const char *value)
{
	const struct setting s = { node, key, value };

	return set_field(o, &s, find_field(vmx_machine_fields, key), o->a);
}

static bool device_number(const char *key, const char *device, unsigned *ret)
{
	size_t length = strlen(device);
	char digits[8];
	uint64_t n;

	if (strncasecmp(key, device, length) || strcspn(key + length, ".") >= sizeof(digits))
		return false;
	snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(key + length, "."), key + length);
	if (!ovf_number(digits, &n))
		return false;
	*ret = (unsigned)n;
	return true;
}

/* "scsi0.pciSlotNumber": the controller scsi0; "ethernet1.virtualDev": the second card. NULL: no such device. */
static void *find_device(struct ovf *o, const char *key, const struct vmx_field **ret_fields)
{
	struct appliance *a = o->a;
	unsigned number;

	*ret_fields = vmx_nic_fields;
	for (unsigned i = 0; i < a->nic_count; i++)
		if (device_number(key, "ethernet", &number) && a->nics[i].number == number)
			return &a->nics[i];
	*ret_fields = vmx_controller_fields;
	for (unsigned i = 0; i < a->controller_count; i++)
		if (device_number(key, vmx_buses[a->controllers[i].bus].name, &number) &&
		    a->controllers[i].number == number)
			return &a->controllers[i];
	return NULL;
}

/* What an OVF has elements for is not taken from here: name, guest, memory, CPUs. */
static bool is_machine_key(const char *key)
{
	static const char *const keys[] = { "firmware", "bios.bootOrder", "uuid.bios", "cpuid.coresPerSocket" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcasecmp(keys[i], key))
			return true;
	return false;
}

static int read_extra(struct ovf *o, const struct setting *s)
{
	const char *dot = strchr(s->key, '.');
	const struct vmx_field *fields, *field;
	void *device = dot ? find_device(o, s->key, &fields) : NULL;

	if (is_machine_key(s->key))
		return ovf_set_machine_field(o, s->node, s->key, s->value);
	field = device ? find_field(fields, dot + 1) : NULL;
	if (field)
		return set_field(o, s, field, device);
	if (!vmx_is_ignored(s->key, s->value))
		ovf_remark(o, s->node, s->key, "This setting (\"%s\") is not honoured.", s->value);
	return 0;
}

/* vmw:Config of the whole machine: two have a key in a .vmx. */
static int read_config(struct ovf *o, struct setting *s)
{
	if (!strcasecmp(s->key, "firmware"))
		return ovf_set_machine_field(o, s->node, "firmware", s->value);
	if (!strcasecmp(s->key, "uuid"))
		return ovf_set_machine_field(o, s->node, "uuid.bios", s->value);
	remark_unless_ignored(o, s);
	return 0;
}

/* ---- boot order ---- */

/* One section for each kind of device, in the order in which they are tried. */
static int read_boot_order(struct ovf *o)
{
	static const struct {
		const char *type, *meaning;
	} words[] = { { "disk", "hdd" }, { "cdrom", "cdrom" }, { "net", "ethernet" }, { "floppy", "floppy" } };
	char order[64] = "";

	for (const xmlNode *n = ovf_child(o->system, "BootOrderSection"); n; n = ovf_next(n, "BootOrderSection")) {
		const char *type = ovf_attribute(o, n, "type");

		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			if (type && !strcasecmp(type, words[i].type) && !strstr(order, words[i].meaning))
				snprintf(order + strlen(order), sizeof(order) - strlen(order), "%s%s",
				         *order ? "," : "", words[i].meaning);
	}
	return *order ? appliance_set_text(&o->a->boot_order, order) : 0;
}

int ovf_read_settings(struct ovf *o)
{
	int r = read_boot_order(o);

	for (const xmlNode *n = ovf_child(o->hardware, NULL); n && !r; n = ovf_next(n, NULL)) {
		struct setting s = setting_of(o, n);

		if (ovf_is(n, "Config"))
			r = read_config(o, &s);
		else if (ovf_is(n, "ExtraConfig"))
			r = read_extra(o, &s);
	}
	return r;
}
