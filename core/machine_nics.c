/* SPDX-License-Identifier: MIT */
/*
 * Network cards in slots (machine_cards.c says what a slot's number means). One line per model. Linux names a card by its slot
 * (ens33, enp0s3), and a guest's configuration hangs on that name: declared slots are honoured, and the others are where the
 * appliance's origin puts them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/machine_private.h"
#include "core/net/e1000.h"

#define VMWARE_FIRST 33u /* behind pciBridge0: ens33 */
#define GENERIC_FIRST 3u /* QEMU's order on the root bus */
#define VMWARE_MAC_STEP 10u

union nic_extra {
	struct e1000_config e1000;
};

struct nic { /* what every card is told, whatever its model */
	struct net_port *net;
	uint8_t mac[6];
	enum appliance_origin origin;
};

static void tell_e1000(const struct nic *nic, union nic_extra *extra)
{
	extra->e1000 = (struct e1000_config){ .net = nic->net };
	memcpy(extra->e1000.mac, nic->mac, sizeof(nic->mac));
	extra->e1000.model = nic->origin == ORIGIN_VMWARE ? E1000_82545EM_VMWARE : E1000_82540EM;
}

static void tell_82545em(const struct nic *nic, union nic_extra *extra)
{
	tell_e1000(nic, extra);
	extra->e1000.model = E1000_82545EM_VMWARE; /* VirtualBox's "MT Server" has VMware's subsystem, too */
}

static const struct nic_model {
	const char *model; /* as a .vmx spells it, or VirtualBox */
	const struct device_class *class;
	void (*tell)(const struct nic *nic, union nic_extra *extra);
} models[] = {
	{ "e1000", &e1000_class, tell_e1000 },
	{ "", &e1000_class, tell_e1000 }, /* undeclared */
	{ "82540EM", &e1000_class, tell_e1000 },
	{ "82543GC", &e1000_class, tell_e1000 }, /* its drivers know the 82540EM */
	{ "82545EM", &e1000_class, tell_82545em },
};

static const struct nic_model *model_of(const struct appliance_nic *nic)
{
	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		if (!strcmp(models[i].model, nic->model))
			return &models[i];
	return NULL;
}

/* ---- what is missing ---- */

void nics_review(struct appliance *a)
{
	static const struct {
		const char *model, *words;
	} known[] = {
		{ "vlance", "AMD PCnet" },        { "e1000e", "Intel 82574L" },     { "vmxnet", "VMware vmxnet" },
		{ "vmxnet2", "VMware vmxnet 2" }, { "vmxnet3", "VMware vmxnet 3" }, { "virtio", "virtio" },
	};
	char name[24];

	for (unsigned i = 0; i < a->nic_count; i++) {
		const char *words = a->nics[i].model;

		if (model_of(&a->nics[i]))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(known); k++)
			if (!strcmp(known[k].model, words))
				words = known[k].words;
		snprintf(name, sizeof(name), "ethernet%u", a->nics[i].number);
		appliance_remark(a, 0, name,
		                 "the network card %s is not in this version of Vitrine, so it is not plugged in; with "
		                 "%s.virtualDev = \"e1000\" in its configuration file the machine is online.",
		                 words, name);
	}
}

/* ---- addresses ---- */

/* FNV-1a: nothing secret, only the same each time. */
static uint32_t hash_text(const char *text)
{
	uint32_t hash = 0x811c9dc5;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x01000193;
	return hash;
}

/*
 * An address that the appliance does not give is generated in VMware's form and must stay the same at every start, for guests
 * remember it. Nothing is written down for that: it is made of what stays. With a uuid it is the address that VMware itself would
 * have generated, its last three bytes, ten more for each further card; else it is made of the content's fingerprint, which
 * survives moving and editing.
 */
static void generate_mac(const struct appliance *a, unsigned number, uint8_t *ret_mac)
{
	uint32_t low;

	if (strlen(a->uuid) != 32 || sscanf(a->uuid + 24, "%8" SCNx32, &low) != 1)
		low = hash_text(*a->fingerprint ? a->fingerprint : a->name);
	low += number * VMWARE_MAC_STEP;
	be32_store(ret_mac + 2, low);
	memcpy(ret_mac, "\x00\x0c\x29", 3);
}

void machine_nic_address(const struct appliance *a, const struct appliance_nic *nic, uint8_t ret_address[6])
{
	uint8_t *b = ret_address;

	if (sscanf(nic->mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", b, b + 1, b + 2, b + 3, b + 4, b + 5) != 6)
		generate_mac(a, nic->number, ret_address);
}

/* ---- slots ---- */

static unsigned usual_slot(const struct appliance *a, const struct appliance_nic *nic)
{
	/* VirtualBox's own table: enp0s3, enp0s8, ... */
	static const uint8_t virtualbox[] = { 3, 8, 9, 10, 16, 17, 18, 19 };

	if (a->origin == ORIGIN_VMWARE)
		return VMWARE_FIRST;
	if (a->origin == ORIGIN_VIRTUALBOX && nic->number < ARRAY_SIZE(virtualbox))
		return virtualbox[nic->number];
	return GENERIC_FIRST;
}

static int add_nic(struct machine *m, const struct appliance *a, unsigned index, bool declared, struct error *e)
{
	const struct appliance_nic *nic = &a->nics[index];
	const struct nic_model *model = model_of(nic);
	struct nic told = { .net = m->options.nets ? m->options.nets[index] : NULL, .origin = a->origin };
	int slot = declared ? nic->pci_slot : cards_free_slot(m, usual_slot(a, nic));
	union nic_extra extra = { 0 };
	char id[24];
	struct device_config config = { .id = id, .extra = &extra };

	snprintf(id, sizeof(id), "ethernet%u", nic->number);
	if (slot < 0)
		return error_set(e, -ENOSPC, "%s: no PCI slot is left for it", id);
	config.pci_bus = cards_slot_bus(m, (unsigned)slot);
	config.pci_devfn = CARDS_SLOT_DEVFN((unsigned)slot);
	machine_nic_address(a, nic, told.mac);
	model->tell(&told, &extra);
	return machine_add(m, model->class, &config, NULL, e);
}

/* Those first whose place is written down. */
int nics_add(struct machine *m, const struct appliance *a, struct error *e)
{
	bool added[APPLIANCE_MAX_NICS] = { false };
	int r = 0;

	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < a->nic_count && r >= 0; i++) {
			const struct appliance_nic *nic = &a->nics[i];
			bool declared = nic->pci_slot >= 0 && cards_slot_is_free(m, (unsigned)nic->pci_slot);

			if (!model_of(nic) || added[i] || (!pass && !declared))
				continue;
			added[i] = true;
			r = add_nic(m, a, i, !pass, e);
		}
	return r;
}
