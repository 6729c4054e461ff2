/* SPDX-License-Identifier: MIT */
/* The host bus adapter: its PCI function, global registers and interrupt (AHCI 1.3.1, chapters 2 and 3.1). */
#include "core/storage/ahci.h"

#include <errno.h>
#include <stdlib.h>

#include "core/chipset/msi.h"
#include "core/storage/ahci_private.h"

#define REGISTERS_SIZE 0x1000
#define MSI_CAPABILITY 0x80
#define PCS 0x92 /* ICH8's port control and status: which ports are enabled */

enum ahci_register { CAP = 0x00, GHC = 0x04, IS = 0x08, PI = 0x0c, VS = 0x10 };

#define CAP_S64A (1u << 31)
#define CAP_SNCQ (1u << 30)
#define CAP_SCLO (1u << 24)
#define CAP_ISS_GEN2 (2u << 20)
#define CAP_SAM (1u << 18) /* there is no legacy interface */
#define CAP_PMD (1u << 15) /* programmed I/O of several DRQ blocks */
#define CAP_NCS ((AHCI_SLOTS - 1) << 8)
#define GHC_AE (1u << 31)
#define GHC_IE (1u << 1)
#define GHC_HR (1u << 0)
#define VERSION_1_3_1 0x00010301

void ahci_update_interrupt(struct ahci *hba)
{
	for (unsigned i = 0; i < hba->port_count; i++)
		if (ahci_port_interrupt(&hba->ports[i]))
			hba->is |= 1u << i;
	pci_interrupt(&hba->pci, hba->is && hba->ghc & GHC_IE);
}

/* All that HBA Reset resets (10.4.3); the PCI registers stay. */
static void reset_registers(struct ahci *hba)
{
	hba->ghc = GHC_AE; /* read only, since CAP.SAM is set */
	hba->is = 0;
	for (unsigned i = 0; i < hba->port_count; i++)
		ahci_port_power_on(&hba->ports[i]);
	ahci_update_interrupt(hba);
}

/* ---- registers ---- */

static uint32_t ports_implemented(const struct ahci *hba)
{
	return (uint32_t)((1ull << hba->port_count) - 1);
}

static uint32_t read_register(const struct ahci *hba, unsigned offset)
{
	unsigned port = (offset - AHCI_PORT) / AHCI_PORT_SIZE;

	if (offset >= AHCI_PORT)
		return port < hba->port_count ? ahci_port_read(&hba->ports[port], offset % AHCI_PORT_SIZE) : 0;
	switch (offset) {
	case CAP:
		return CAP_S64A | CAP_SNCQ | CAP_SCLO | CAP_ISS_GEN2 | CAP_SAM | CAP_PMD | CAP_NCS |
		       (hba->port_count - 1);
	case GHC:
		return hba->ghc;
	case IS:
		return hba->is;
	case PI:
		return ports_implemented(hba);
	case VS:
		return VERSION_1_3_1;
	default:
		return 0;
	}
}

static void write_register(struct ahci *hba, unsigned offset, uint32_t value)
{
	unsigned port = (offset - AHCI_PORT) / AHCI_PORT_SIZE;

	if (offset >= AHCI_PORT) {
		if (port < hba->port_count)
			ahci_port_write(&hba->ports[port], offset % AHCI_PORT_SIZE, value);
	} else if (offset == GHC && value & GHC_HR) {
		reset_registers(hba);
	} else if (offset == GHC) {
		hba->ghc = GHC_AE | (value & GHC_IE);
	} else if (offset == IS) {
		hba->is &= ~value; /* a port that still asserts its interrupt sets its bit again */
		/* A message tells of a rise: what is left, or came meanwhile, is told anew, or it would be lost. */
		if (msi_enabled(&hba->pci))
			pci_interrupt(&hba->pci, false);
	}
	ahci_update_interrupt(hba);
}

static uint64_t ahci_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	(void)r, (void)size;
	return read_register((struct ahci *)d, (unsigned)offset & ~3u) >> 8 * (offset & 3);
}

/* Software may only write whole registers (chapter 3); half of one would clear bits that it did not mean. */
static void ahci_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	(void)r;
	if (size == 4 && !(offset & 3))
		write_register((struct ahci *)d, (unsigned)offset, (uint32_t)value);
}

static const struct region_ops register_ops = { .read = ahci_read, .write = ahci_write };

/* ---- CD drives ---- */

static struct ahci_port *port_of(struct device *d, const struct block *b)
{
	struct ahci *hba = (struct ahci *)d;

	for (unsigned i = 0; i < hba->port_count; i++)
		if (hba->ports[i].ata.block == b)
			return &hba->ports[i];
	return NULL;
}

static void medium_changed(struct device *d, struct block *b)
{
	struct ahci_port *port = port_of(d, b);

	if (port)
		atapi_medium_changed(&port->ata.cd);
}

static void eject_request(struct device *d, struct block *b)
{
	struct ahci_port *port = port_of(d, b);

	if (port)
		atapi_eject_request(&port->ata.cd);
}

static const struct block_drive_ops drive_ops = { .medium_changed = medium_changed, .eject_request = eject_request };

/* ---- the device ---- */

static const struct pci_identity identities[] = {
	[AHCI_ICH8M] = { .vendor = 0x8086,
	                 .device = 0x2829,
	                 .class_code = 0x010601,
	                 .revision = 2,
	                 .interrupt_pin = 1 },
	[AHCI_VMWARE] = { .vendor = 0x15ad,
	                  .device = 0x07e0,
	                  .subsystem_vendor = 0x15ad,
	                  .subsystem = 0x07e0,
	                  .class_code = 0x010601,
	                  .interrupt_pin = 1 },
};

static int add_ports(struct ahci *hba, const struct device_config *config, const struct ahci_config *extra)
{
	int r = 0;

	hba->ports = calloc(extra->ports, sizeof(*hba->ports));
	if (!hba->ports)
		return -ENOMEM;
	hba->port_count = extra->ports;
	for (unsigned i = 0; i < hba->port_count; i++) {
		hba->ports[i].hba = hba;
		hba->ports[i].index = i;
	}
	for (unsigned i = 0; i < hba->port_count && r == 0; i++) {
		struct block *block = config->blocks[i];

		r = ahci_port_init(&hba->ports[i], block, extra->cdrom[i]);
		if (block && extra->cdrom[i])
			block_set_drive(block, &hba->pci.device, &drive_ops);
	}
	return r;
}

static int ahci_create(struct device *d, const struct device_config *config, struct error *e)
{
	const struct ahci_config *extra = config->extra;
	struct ahci *hba = (struct ahci *)d;
	int r = pci_device_init(&hba->pci, config, &identities[extra->model], e);

	if (r < 0)
		return r;
	if (add_ports(hba, config, extra) < 0)
		return error_set(e, -ENOMEM, "%s: not enough memory for its ports", config->id);
	le16_store(hba->pci.config + PCS, (uint16_t)ports_implemented(hba));
	le16_store(hba->pci.write_mask + PCS, (uint16_t)ports_implemented(hba));
	msi_add(&hba->pci, MSI_CAPABILITY, 1);
	hba->registers = (struct region){ .name = "ahci", .ops = &register_ops, .size = REGISTERS_SIZE };
	pci_add_bar(&hba->pci, 5, PCI_BAR_MEMORY, &hba->registers, NULL);
	return 0;
}

static void ahci_destroy(struct device *d)
{
	struct ahci *hba = (struct ahci *)d;

	for (unsigned i = 0; i < hba->port_count; i++) {
		struct ahci_port *port = &hba->ports[i];

		if (port->ata.block && port->ata.packet)
			block_set_drive(port->ata.block, NULL, NULL);
		ahci_port_destroy(port);
	}
	free(hba->ports);
}

static void ahci_reset(struct device *d)
{
	struct ahci *hba = (struct ahci *)d;

	pci_device_reset(&hba->pci);
	le16_store(hba->pci.config + PCS, (uint16_t)ports_implemented(hba));
	reset_registers(hba);
}

static void ahci_resume(struct device *d)
{
	struct ahci *hba = (struct ahci *)d;

	for (unsigned i = 0; i < hba->port_count; i++)
		ahci_port_resume(&hba->ports[i]);
}

static int ahci_state(struct device *d, struct state *s)
{
	struct ahci *hba = (struct ahci *)d;
	uint32_t count = hba->port_count;

	pci_device_state(&hba->pci, s);
	state_u32(s, "ports", &count);
	if (count != hba->port_count)
		state_fail(s, -EINVAL, "ports");
	state_u32(s, "ghc", &hba->ghc);
	state_u32(s, "is", &hba->is);
	hba->ghc = GHC_AE | (hba->ghc & GHC_IE);
	for (unsigned i = 0; i < hba->port_count; i++)
		ahci_port_state(&hba->ports[i], s);
	return state_error(s);
}

const struct device_class ahci_class = {
	.name = "ahci",
	.summary = "SATA controller (AHCI 1.3.1) with disks and CD drives",
	.size = sizeof(struct ahci),
	.state_version = 1,
	.create = ahci_create,
	.destroy = ahci_destroy,
	.reset = ahci_reset,
	.resume = ahci_resume,
	.state = ahci_state,
};
