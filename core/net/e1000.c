/* SPDX-License-Identifier: MIT */
/* The card: PCI function, the two windows on its registers, reset, cable, state. Its parts are the other e1000 files. */
#include "core/net/e1000.h"

#include "core/net/e1000_private.h"

#define MEMORY_SIZE 0x20000u
#define IO_SIZE 0x40u
#define IOADDR 0x00u
#define IODATA 0x04u
#define POWER_MANAGEMENT 0xdcu
#define BAR_PREFETCHABLE 0x08u

/* ---- windows ---- */

/* Registers are double words; of a part of one, reads give that part and writes do nothing (SDM 13.2). */
static uint64_t memory_read_register(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	unsigned within = offset & 3;

	(void)r, (void)size;
	return e1000_read((struct e1000 *)d, (uint32_t)offset & ~3u) >> 8 * within;
}

static void memory_write_register(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	(void)r;
	if (size == 4 && !(offset & 3))
		e1000_write((struct e1000 *)d, (uint32_t)offset, (uint32_t)value);
}

/* SDM 13.2.2: an address and a data port, for code that cannot reach the memory window. */
static uint64_t io_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct e1000 *e = (struct e1000 *)d;
	uint32_t value = 0;

	(void)r, (void)size;
	if ((offset & ~3ull) == IOADDR)
		value = e->io_address;
	else if ((offset & ~3ull) == IODATA && e->io_address < MEMORY_SIZE)
		value = e1000_read(e, e->io_address & ~3u);
	return value >> 8 * (offset & 3);
}

static void io_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct e1000 *e = (struct e1000 *)d;

	(void)r;
	if (size != 4)
		return;
	if (offset == IOADDR)
		e->io_address = (uint32_t)value;
	else if (offset == IODATA && e->io_address < MEMORY_SIZE)
		e1000_write(e, e->io_address & ~3u, (uint32_t)value);
}

static const struct region_ops memory_ops = { .read = memory_read_register, .write = memory_write_register };
static const struct region_ops io_ops = { .read = io_read, .write = io_write };

/* ---- the cable ---- */

static bool receive(struct device *d, const uint8_t *frame, size_t length)
{
	struct e1000 *e = (struct e1000 *)d;

	if (length < NET_FRAME_MIN || e1000_loopback(e)) /* a looped receiver hears itself alone */
		return true;
	return e1000_receive(e, frame, length);
}

static void link_changed(struct device *d, bool up)
{
	e1000_phy_set_cable((struct e1000 *)d, up);
}

static const struct net_port_ops net_ops = { .receive = receive, .link_changed = link_changed };

/* ---- the device ---- */

/* The first receive address filter is the card's own (SDM 13.5.2). */
void e1000_load_eeprom(struct e1000 *e)
{
	*e1000_reg(e, RAL) = e->eeprom[0] | (uint32_t)e->eeprom[1] << 16;
	*e1000_reg(e, RAH) = e->eeprom[2] | RAH_AV;
}

void e1000_mac_reset(struct e1000 *e)
{
	e1000_registers_reset(e);
	e1000_tx_reset(e);
	e1000_interrupt_reset(e);
	e1000_load_eeprom(e);
	e1000_rx_ready(e);
}

/* PCI Power Management 1.1: D0 and D3hot, and what the card knows stays in either. */
static void add_power_management(struct pci_device *p)
{
	uint8_t *at = p->config + POWER_MANAGEMENT;

	p->config[PCI_STATUS] |= 0x10;
	p->config[PCI_CAPABILITIES] = POWER_MANAGEMENT;
	at[0] = 0x01;
	le16_store(at + 2, 0x0002);
	le16_store(at + 4, 0x0008);
	p->write_mask[POWER_MANAGEMENT + 4] = 0x03;
}

static const struct pci_identity identities[] = {
	[E1000_82540EM] = { .vendor = 0x8086,
	                    .device = 0x100e,
	                    .subsystem_vendor = 0x8086,
	                    .subsystem = 0x001e,
	                    .class_code = 0x020000,
	                    .revision = 2,
	                    .interrupt_pin = 1 },
	[E1000_82545EM_VMWARE] = { .vendor = 0x8086,
	                           .device = 0x100f,
	                           .subsystem_vendor = 0x15ad,
	                           .subsystem = 0x0750,
	                           .class_code = 0x020000,
	                           .revision = 1,
	                           .interrupt_pin = 1 },
};

static int e1000_create(struct device *d, const struct device_config *config, struct error *e)
{
	const struct e1000_config *told = config->extra;
	struct e1000 *card = (struct e1000 *)d;
	bool vmware = told->model == E1000_82545EM_VMWARE;
	int r = pci_device_init(&card->pci, config, &identities[told->model], e);

	if (r < 0)
		return r;
	card->model = told->model;
	card->net = told->net;
	memcpy(card->mac, told->mac, sizeof(card->mac));
	card->memory = (struct region){ .name = "e1000", .ops = &memory_ops, .size = MEMORY_SIZE };
	card->io = (struct region){ .name = "e1000 ports", .ops = &io_ops, .size = IO_SIZE };
	pci_add_bar(&card->pci, 0, vmware ? PCI_BAR_MEMORY64 : PCI_BAR_MEMORY, &card->memory, NULL);
	card->pci.config[PCI_BAR0] &= (uint8_t)~BAR_PREFETCHABLE; /* reading ICR acknowledges */
	pci_add_bar(&card->pci, vmware ? 4 : 2, PCI_BAR_IO, &card->io, NULL);
	add_power_management(&card->pci);
	e1000_eeprom_init(card);
	e1000_phy_init(card);
	e1000_interrupt_init(card);
	e1000_tx_init(card);
	if (card->net)
		net_port_set_card(card->net, d, &net_ops);
	return 0;
}

static void e1000_destroy(struct device *d)
{
	struct e1000 *e = (struct e1000 *)d;

	if (e->net)
		net_port_set_card(e->net, NULL, NULL);
}

static void e1000_reset(struct device *d)
{
	struct e1000 *e = (struct e1000 *)d;

	pci_device_reset(&e->pci);
	e->pci.config[POWER_MANAGEMENT + 4] &= 0xfc;
	e->io_address = 0;
	e->cable = e->net && net_port_link(e->net);
	e1000_phy_reset(e);
	e1000_mac_reset(e);
	e->microwire = (struct e1000_microwire){ .data_out = true };
}

/* The cable may have been pulled while the machine stood still, or be another one since its state was saved. */
static void e1000_resume(struct device *d)
{
	struct e1000 *e = (struct e1000 *)d;

	e1000_phy_set_cable(e, e->net && net_port_link(e->net));
}

static int e1000_state(struct device *d, struct state *s)
{
	struct e1000 *e = (struct e1000 *)d;

	pci_device_state(&e->pci, s);
	state_u32(s, "io_address", &e->io_address);
	e1000_registers_state(e, s);
	e1000_eeprom_state(e, s);
	e1000_phy_state(e, s);
	e1000_interrupt_state(e, s);
	e1000_tx_state(e, s);
	state_bool(s, "rx_refused", &e->rx_refused);
	return state_error(s);
}

const struct device_class e1000_class = {
	.name = "e1000",
	.summary = "gigabit Ethernet 82540EM (VirtualBox, QEMU) and 82545EM (VMware)",
	.size = sizeof(struct e1000),
	.state_version = 1,
	.create = e1000_create,
	.destroy = e1000_destroy,
	.reset = e1000_reset,
	.resume = e1000_resume,
	.state = e1000_state,
};
