/* SPDX-License-Identifier: MIT */
/*
 * PCI to PCI bridge (PCI-to-PCI Bridge Specification 1.2). Configuration cycles are forwarded by the bus numbers the guest
 * writes (pci.c). Memory and I/O are decoded by the devices behind themselves: the windows are remembered, as a bridge whose
 * windows are wide enough would answer.
 */
#include <errno.h>
#include <string.h>

#include "core/chipset/chipset.h"

#define CAPABILITY_EXPRESS 0x40
#define BRIDGE_CONTROL 0x3e

struct bridge {
	struct pci_device pci;
	struct pci_bus *bus;
	bool express;
};

/* Capability version 2, root port, slot implemented; a x1 link of 2.5 GT/s that is up (PCI Express Base 2.0, 7.8). */
static void add_express_capability(struct pci_device *p, unsigned slot)
{
	uint8_t *at = p->config + CAPABILITY_EXPRESS;

	p->config[PCI_STATUS] |= 0x10;
	p->config[PCI_CAPABILITIES] = CAPABILITY_EXPRESS;
	at[0] = 0x10;
	le16_store(at + 0x02, 0x0142);
	le32_store(at + 0x04, 0x00008000); /* role-based error reporting */
	le16_store(p->write_mask + CAPABILITY_EXPRESS + 0x08, 0x00ff);
	le32_store(at + 0x0c, 0x00000011); /* link: x1, 2.5 GT/s */
	le16_store(p->write_mask + CAPABILITY_EXPRESS + 0x10, 0x00c3);
	le16_store(at + 0x12, 0x0011);
	le32_store(at + 0x14, (uint32_t)slot << 19); /* physical slot number */
	le16_store(p->write_mask + CAPABILITY_EXPRESS + 0x18, 0x0000);
	le16_store(at + 0x1a, 0x0040); /* presence detected */
	le16_store(p->write_mask + CAPABILITY_EXPRESS + 0x1c, 0x001f);
}

static int bridge_create(struct device *d, const struct device_config *config, struct error *e)
{
	const struct bridge_config *wires = config->extra;
	struct pci_identity identity = { .vendor = wires->vendor,
		                         .device = wires->device,
		                         .class_code = 0x060400,
		                         .header_type = 1,
		                         .revision = 1 };
	struct bridge *b = (struct bridge *)d;
	struct pci_device *p = &b->pci;
	int r;

	if (!wires->express)
		identity.class_code = 0x060401; /* subtractive decoding */
	if (config->pci_devfn & 7 || wires->express)
		identity.header_type |= 0x80;
	r = pci_device_init(p, config, &identity, e);
	if (r < 0)
		return r;
	b->express = wires->express;
	b->bus = pci_bus_new_secondary(p);
	if (!b->bus)
		return -ENOMEM;
	memset(p->write_mask + PCI_BRIDGE_PRIMARY, 0xff, 4);
	le16_store(p->write_mask + 0x1c, 0xf0f0);     /* I/O window */
	le32_store(p->write_mask + 0x20, 0xfff0fff0); /* memory window */
	le32_store(p->write_mask + 0x24, 0xfff0fff0); /* prefetchable window */
	le32_store(p->config + 0x24, 0x00010001);     /* of 64 bits */
	memset(p->write_mask + 0x28, 0xff, 8);
	le16_store(p->write_mask + BRIDGE_CONTROL, 0x0057);
	if (b->express)
		add_express_capability(p, wires->slot);
	*wires->ret_bus = b->bus;
	return 0;
}

static void bridge_destroy(struct device *d)
{
	pci_bus_free(((struct bridge *)d)->bus);
}

static void bridge_reset(struct device *d)
{
	struct pci_device *p = &((struct bridge *)d)->pci;

	pci_device_reset(p);
	memset(p->config + PCI_BRIDGE_PRIMARY, 0, 6);
	memset(p->config + 0x20, 0, 16);
	le32_store(p->config + 0x24, 0x00010001);
	le16_store(p->config + BRIDGE_CONTROL, 0);
}

static int bridge_state(struct device *d, struct state *s)
{
	pci_device_state(&((struct bridge *)d)->pci, s);
	return state_error(s);
}

const struct device_class bridge_class = {
	.name = "pci-bridge",
	.summary = "PCI to PCI bridge and PCI Express root port",
	.size = sizeof(struct bridge),
	.state_version = 1,
	.create = bridge_create,
	.destroy = bridge_destroy,
	.reset = bridge_reset,
	.state = bridge_state,
};
