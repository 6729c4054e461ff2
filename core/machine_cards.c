/* SPDX-License-Identifier: MIT */
/*
 * Cards in slots: the controllers that an appliance declares beyond its board's own chips. One line per model says where
 * it sits if the appliance does not, as a guest knows its card by its place.
 *
 * A slot is a number as in VMware's pciSlotNumber: 0 to 31 are devices of the root bus, 32 * (n + 1) and up lie behind
 * pciBridge<n>.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/machine_private.h"
#include "core/storage/ahci.h"
#include "core/storage/mpt.h"

#define SLOTS_PER_BUS 32u
#define BRIDGE_DEVICE 0x10u /* pciBridge<n> is device 0x11 + n of the root bus: vmware_board */
#define FIRST_ROOT_PORT 5u  /* slots 160 and up: pciBridge4 to 7, which take device 0 only */
#define FIRST_FREE 4u       /* of the root bus: host, south bridge and screen are below on all boards */
#define AHCI_USUAL_PORTS 6u /* as the ICH8M has; more if drives are declared there */

/* Fills what a card is told beyond its place; extra lives until the card is created. */
union card_extra {
	struct ahci_config ahci;
	struct mpt_config mpt;
};

struct card_model {
	enum appliance_bus bus;
	const char *model; /* as a .vmx spells it */
	const struct device_class *class;
	unsigned units;   /* drives that have a place on it: 0 to units - 1 */
	uint16_t slot[3]; /* by origin */
	void (*tell)(struct machine *m, const struct appliance_controller *c, struct device_config *config,
	             union card_extra *extra);
};

/* Plugs the drives of one controller into blocks[unit]. Returns the highest unit's number and one. */
static unsigned plug_units(struct machine *m, const struct appliance_controller *c, struct device_config *config,
                           bool *cdrom, unsigned units)
{
	const struct appliance *a = m->options.appliance;
	unsigned end = 0;

	for (unsigned i = 0; i < a->drive_count; i++) {
		const struct appliance_drive *drive = &a->drives[i];

		if (drive->bus != c->bus || drive->controller != c->number || drive->unit >= units)
			continue;
		config->blocks[drive->unit] = m->options.blocks[i];
		cdrom[drive->unit] = drive->kind == DRIVE_CDROM;
		end = MAX(end, drive->unit + 1);
	}
	return end;
}

static void tell_ahci(struct machine *m, const struct appliance_controller *c, struct device_config *config,
                      union card_extra *extra)
{
	bool vmware = m->options.appliance->origin == ORIGIN_VMWARE;
	unsigned ports = plug_units(m, c, config, extra->ahci.cdrom, AHCI_MAX_PORTS);

	extra->ahci.model = vmware ? AHCI_VMWARE : AHCI_ICH8M;
	extra->ahci.ports = MAX(ports, AHCI_USUAL_PORTS);
}

static void tell_mpt(struct machine *m, const struct appliance_controller *c, struct device_config *config,
                     union card_extra *extra)
{
	bool vmware = m->options.appliance->origin == ORIGIN_VMWARE;

	plug_units(m, c, config, extra->mpt.cdrom, MPT_TARGETS);
	extra->mpt.subsystem_vendor = vmware ? 0x15ad : 0x1000;
	extra->mpt.subsystem = vmware ? 0x1976 : 0x8000;
}

static const struct card_model models[] = {
	{ APPLIANCE_SATA,
	  "ahci",
	  &ahci_class,
	  AHCI_MAX_PORTS,
	  { [ORIGIN_OTHER] = 4, [ORIGIN_VMWARE] = 36, [ORIGIN_VIRTUALBOX] = 13 },
	  tell_ahci },
	{ APPLIANCE_SCSI,
	  "lsilogic",
	  &mpt_spi_class,
	  MPT_TARGETS,
	  { [ORIGIN_OTHER] = 4, [ORIGIN_VMWARE] = 16, [ORIGIN_VIRTUALBOX] = 20 },
	  tell_mpt },
	{ APPLIANCE_SCSI,
	  "lsisas1068",
	  &mpt_sas_class,
	  MPT_TARGETS,
	  { [ORIGIN_OTHER] = 4, [ORIGIN_VMWARE] = 160, [ORIGIN_VIRTUALBOX] = 22 },
	  tell_mpt },
};

static const char *const bus_names[] = { [APPLIANCE_IDE] = "ide",
	                                 [APPLIANCE_SCSI] = "scsi",
	                                 [APPLIANCE_SATA] = "sata",
	                                 [APPLIANCE_NVME] = "nvme",
	                                 [APPLIANCE_VIRTIO] = "virtio" };

static const struct card_model *model_of(const struct appliance_controller *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		if (models[i].bus == c->bus && !strcmp(models[i].model, c->model))
			return &models[i];
	return NULL;
}

/* A SCSI controller has an address of its own on its bus. */
static bool is_host(const struct appliance_controller *c, unsigned unit)
{
	return c->bus == APPLIANCE_SCSI && unit == MPT_HOST_ID;
}

bool cards_have_place(const struct appliance *a, const struct appliance_drive *drive)
{
	for (unsigned i = 0; i < a->controller_count; i++) {
		const struct appliance_controller *c = &a->controllers[i];
		const struct card_model *model = model_of(c);

		if (c->bus == drive->bus && c->number == drive->controller)
			return model && drive->unit < model->units && !is_host(c, drive->unit);
	}
	return false;
}

/* ---- slots ---- */

struct pci_bus *cards_slot_bus(const struct machine *m, unsigned slot)
{
	unsigned n = slot / SLOTS_PER_BUS, index = n < FIRST_ROOT_PORT ? 0 : n - FIRST_ROOT_PORT + 1;

	if (n == 0)
		return m->pci;
	if ((n > 1 && n < FIRST_ROOT_PORT) || (n >= FIRST_ROOT_PORT && slot % SLOTS_PER_BUS))
		return NULL;
	return index < m->bridge_count ? m->bridged[index] : NULL;
}

bool cards_slot_is_free(const struct machine *m, unsigned slot)
{
	struct pci_bus *bus = cards_slot_bus(m, slot);

	return bus && !pci_bus_device(bus, CARDS_SLOT_DEVFN(slot));
}

int cards_free_slot(const struct machine *m, unsigned slot)
{
	for (unsigned end = slot - slot % SLOTS_PER_BUS + SLOTS_PER_BUS; slot < end; slot++)
		if (cards_slot_is_free(m, slot))
			return (int)slot;
	for (slot = FIRST_FREE; slot < SLOTS_PER_BUS; slot++)
		if (cards_slot_is_free(m, slot))
			return (int)slot;
	return -1;
}

static bool is_declared(const struct machine *m, const struct appliance_controller *c)
{
	return c->pci_slot >= 0 && cards_slot_is_free(m, (unsigned)c->pci_slot);
}

static int add_card(struct machine *m, const struct appliance_controller *c, const struct card_model *model, int slot,
                    struct error *e)
{
	struct machine_card *card = &m->cards[m->card_count];
	union card_extra extra = { 0 };
	char id[24];
	struct device_config config = { .id = id, .extra = &extra };

	snprintf(id, sizeof(id), "%s%u", bus_names[c->bus], c->number);
	if (slot < 0)
		return error_set(e, -ENOSPC, "%s: no PCI slot is left for it", id);
	config.pci_bus = cards_slot_bus(m, (unsigned)slot);
	config.pci_devfn = CARDS_SLOT_DEVFN((unsigned)slot);
	model->tell(m, c, &config, &extra);
	*card = (struct machine_card){ .bus = c->bus, .number = c->number, .slot = (unsigned)slot };
	m->card_count++;
	return machine_add(m, model->class, &config, NULL, e);
}

/* Those first whose place is written down. */
int cards_add(struct machine *m, const struct appliance *a, struct error *e)
{
	bool added[APPLIANCE_MAX_CONTROLLERS] = { false };
	int r = 0;

	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < a->controller_count && r >= 0; i++) {
			const struct appliance_controller *c = &a->controllers[i];
			const struct card_model *model = model_of(c);

			if (!model || added[i] || (!pass && !is_declared(m, c)))
				continue;
			added[i] = true;
			r = add_card(m, c, model, pass ? cards_free_slot(m, model->slot[a->origin]) : c->pci_slot, e);
		}
	return r;
}

/* ---- what the BIOS calls them ---- */

/* As SeaBIOS spells a drive's place (its boot.c: build_pci_path()). */
void cards_boot_path(const struct machine *m, const struct appliance_drive *drive, char *ret_path, size_t size)
{
	size_t used;

	*ret_path = 0;
	for (unsigned i = 0; i < m->card_count; i++) {
		const struct machine_card *card = &m->cards[i];

		if (card->bus != drive->bus || card->number != drive->controller)
			continue;
		used = (size_t)snprintf(ret_path, size, "/pci@i0cf8");
		if (card->slot >= SLOTS_PER_BUS)
			used += (size_t)snprintf(ret_path + used, size - used, "/pci-bridge@%x",
			                         BRIDGE_DEVICE + card->slot / SLOTS_PER_BUS);
		snprintf(ret_path + used, size - used,
		         card->bus == APPLIANCE_SCSI ? "/%s@%x/channel@0/disk@%x,0" : "/%s@%x/drive@%x/disk@0",
		         bus_names[card->bus], card->slot % SLOTS_PER_BUS, drive->unit);
		return;
	}
}
