/* SPDX-License-Identifier: MIT */
#include "core/chipset/pci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/chipset/msi.h"

struct pci_bus {
	const struct board *board;
	struct pci_device *bridge; /* the function this bus is behind, NULL: root */
	struct pci_device *devices;
	struct pci_bus *root, *children, *sibling;
	/* root only */
	uint32_t address; /* CONFIG_ADDRESS, PCI 3.0 section 3.2.2.3.2 */
	struct region address_port, data_port;
	unsigned pirq_gsi[4];
	unsigned swizzle;
	uint8_t reset_control;
	void (*reset)(void *context);
	void *context;
};

#define CONFIG_ENABLE 0x80000000u
#define STATUS_INTERRUPT 0x08 /* bit 3 of the status register's low byte */
#define ROM_ENABLE 1u

/* ---- interrupts ---- */

/* Each bridge rotates by the device number (PCI-to-PCI Bridge Specification 1.2, 9.1). */
unsigned pci_bus_pirq(const struct pci_bus *bus, unsigned device, unsigned pin)
{
	for (; bus->bridge; bus = bus->bridge->bus) {
		pin += device;
		device = bus->bridge->devfn >> 3;
	}
	return (pin + device + bus->swizzle) & 3;
}

static void route_device(struct pci_device *p)
{
	unsigned pin = p->config[PCI_INTERRUPT_PIN];

	if (pin)
		irq_line_route(&p->intx, p->bus->root->pirq_gsi[pci_bus_pirq(p->bus, p->devfn >> 3, pin - 1u)]);
}

/* Buses hang in a tree that only the board's parts list makes: at most as deep as it says. */
static struct pci_bus *next_bus(struct pci_bus *bus)
{
	if (bus->children)
		return bus->children;
	while (bus && !bus->sibling)
		bus = bus->bridge ? bus->bridge->bus : NULL;
	return bus ? bus->sibling : NULL;
}

void pci_bus_route(struct pci_bus *root, unsigned pirq, unsigned gsi)
{
	root->pirq_gsi[pirq & 3] = gsi;
	for (struct pci_bus *bus = root; bus; bus = next_bus(bus))
		for (struct pci_device *p = bus->devices; p; p = p->next)
			route_device(p);
}

void pci_bus_set_swizzle(struct pci_bus *root, unsigned offset)
{
	root->swizzle = offset;
}

static void update_intx(struct pci_device *p)
{
	bool off = le16_load(p->config + PCI_COMMAND) & PCI_COMMAND_INTX_OFF;

	p->config[PCI_STATUS] =
		(uint8_t)((p->config[PCI_STATUS] & ~STATUS_INTERRUPT) | (p->intx_level ? STATUS_INTERRUPT : 0));
	irq_line_set(&p->intx, p->intx_level && !off && !msi_enabled(p));
}

void pci_set_irq(struct pci_device *p, bool level)
{
	p->intx_level = level;
	update_intx(p);
}

bool pci_bus_master(const struct pci_device *p)
{
	return le16_load(p->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

/* ---- base address registers ---- */

static unsigned bar_register(unsigned n)
{
	return n == PCI_ROM_BAR ? PCI_ROM_ADDRESS : PCI_BAR0 + 4 * n;
}

/* Where the guest put BAR n; false: it does not answer now. */
static bool bar_base(const struct pci_device *p, unsigned n, uint64_t *ret_base)
{
	const struct pci_bar *bar = &p->bars[n];
	unsigned at = bar_register(n);
	uint16_t command = le16_load(p->config + PCI_COMMAND);
	uint64_t raw = le32_load(p->config + at);

	if (bar->kind == PCI_BAR_IO) {
		*ret_base = raw & 0xfffc & ~(bar->size - 1);
		return command & PCI_COMMAND_IO && *ret_base;
	}
	if (bar->kind == PCI_BAR_MEMORY64)
		raw |= (uint64_t)le32_load(p->config + at + 4) << 32;
	if (n == PCI_ROM_BAR && !(raw & ROM_ENABLE))
		return false;
	*ret_base = raw & ~(bar->size - 1);
	return command & PCI_COMMAND_MEMORY && *ret_base;
}

static void map_bar(struct pci_device *p, struct pci_bar *bar, bool on, uint64_t base)
{
	const struct board *board = p->device.board;

	if (bar->mapped == on && (!on || bar->base == base))
		return;
	bar->mapped = on;
	bar->base = base;
	if (bar->slot && on)
		memory_map(board->memory, bar->slot, base);
	else if (bar->slot)
		memory_unmap(board->memory, bar->slot);
	else if (on)
		bus_map(board->bus, bar->region, base);
	else
		bus_unmap(board->bus, bar->region);
}

static void update_bars(struct pci_device *p)
{
	for (unsigned n = 0; n < PCI_BARS; n++) {
		uint64_t base = 0;

		if (p->bars[n].kind != PCI_BAR_NONE) {
			bool on = bar_base(p, n, &base);

			map_bar(p, &p->bars[n], on, base);
		}
	}
}

void pci_add_bar(struct pci_device *p, unsigned n, enum pci_bar_kind kind, struct region *region, struct slot *slot)
{
	static const uint8_t type_bits[] = { [PCI_BAR_IO] = 1, [PCI_BAR_MEMORY_PREFETCH] = 8, [PCI_BAR_MEMORY64] = 12 };
	uint64_t size = slot ? slot->size : region->size, mask = ~(size - 1);
	unsigned at = bar_register(n);

	p->bars[n] = (struct pci_bar){ .kind = kind, .size = size, .region = region, .slot = slot };
	if (region) {
		region->device = &p->device;
		region->space = kind == PCI_BAR_IO ? BUS_PORT : BUS_MMIO;
	}
	le32_store(p->config + at, type_bits[kind]);
	le32_store(p->write_mask + at, (uint32_t)(n == PCI_ROM_BAR ? mask | ROM_ENABLE : mask));
	if (kind == PCI_BAR_MEMORY64)
		le32_store(p->write_mask + at + 4, (uint32_t)(mask >> 32));
}

/* ---- devices ---- */

static void unplug(struct pci_device *p)
{
	struct pci_device **at = &p->bus->devices;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	irq_line_set(&p->intx, false);
	for (unsigned n = 0; n < PCI_BARS; n++)
		if (p->bars[n].slot)
			memory_unmap(p->device.board->memory, p->bars[n].slot);
	msi_free(p);
}

int pci_device_init(struct pci_device *p, const struct device_config *config, const struct pci_identity *identity,
                    struct error *e)
{
	const uint16_t command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF;

	if (pci_bus_device(config->pci_bus, config->pci_devfn))
		return error_set(e, -EEXIST, "%s: PCI slot %u.%u is taken by another device", config->id,
		                 config->pci_devfn >> 3, config->pci_devfn & 7);
	p->bus = config->pci_bus;
	p->devfn = config->pci_devfn;
	le16_store(p->config + PCI_VENDOR_ID, identity->vendor);
	le16_store(p->config + PCI_DEVICE_ID, identity->device);
	p->config[PCI_REVISION] = identity->revision;
	p->config[PCI_PROG_IF] = (uint8_t)identity->class_code;
	le16_store(p->config + PCI_SUBCLASS, (uint16_t)(identity->class_code >> 8));
	p->config[PCI_HEADER_TYPE] = identity->header_type;
	p->config[PCI_INTERRUPT_PIN] = identity->interrupt_pin;
	le16_store(p->write_mask + PCI_COMMAND, command);
	p->write_mask[PCI_CACHE_LINE] = 0xff;
	p->write_mask[PCI_LATENCY] = 0xff;
	p->write_mask[PCI_INTERRUPT_LINE] = 0xff;
	if (!(identity->header_type & 0x7f)) {
		le16_store(p->config + PCI_SUBSYSTEM_VENDOR_ID, identity->subsystem_vendor);
		le16_store(p->config + PCI_SUBSYSTEM_ID, identity->subsystem);
	}
	p->intx = (struct irq_line){ .router = config->pci_bus->board->irq, .gsi = IRQ_GSI_COUNT };
	p->unplug = unplug;
	p->device.pci = p;
	p->next = p->bus->devices;
	p->bus->devices = p;
	route_device(p);
	return 0;
}

void pci_device_reset(struct pci_device *p)
{
	le16_store(p->config + PCI_COMMAND, 0);
	p->config[PCI_INTERRUPT_LINE] = 0;
	p->config[PCI_CACHE_LINE] = 0;
	p->config[PCI_LATENCY] = 0;
	for (unsigned n = 0; n < PCI_BARS; n++) {
		unsigned at = bar_register(n), bytes = p->bars[n].kind == PCI_BAR_MEMORY64 ? 8 : 4;

		if (p->bars[n].kind == PCI_BAR_NONE)
			continue;
		for (unsigned i = 0; i < bytes; i++)
			p->config[at + i] &= (uint8_t)~p->write_mask[at + i];
	}
	msi_reset(p);
	update_bars(p);
	pci_set_irq(p, false);
}

void pci_device_state(struct pci_device *p, struct state *s)
{
	state_bytes(s, "pci.config", p->config, sizeof(p->config));
	state_bool(s, "pci.intx", &p->intx_level);
	msi_state(p, s);
	if (!state_loading(s) || state_error(s))
		return;
	update_bars(p);
	update_intx(p);
}

/* ---- configuration space ---- */

void pci_config_write(struct pci_device *p, unsigned reg, unsigned size, uint32_t value)
{
	for (unsigned i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(value >> 8 * i), mask = p->write_mask[reg + i];

		p->config[reg + i] = (uint8_t)((p->config[reg + i] & ~mask) | (byte & mask));
		p->config[reg + i] &= (uint8_t) ~(byte & p->clear_mask[reg + i]);
	}
	update_bars(p);
	update_intx(p);
	msi_config_written(p);
	if (p->config_written)
		p->config_written(p, reg, size);
}

uint32_t pci_config_read(struct pci_device *p, unsigned reg, unsigned size)
{
	uint8_t raw[4] = { 0 };

	if (p->config_reading)
		p->config_reading(p, reg, size);
	memcpy(raw, p->config + reg, size);
	return le32_load(raw);
}

struct pci_device *pci_bus_device(struct pci_bus *bus, uint8_t devfn)
{
	struct pci_device *p = bus->devices;

	while (p && p->devfn != devfn)
		p = p->next;
	return p;
}

/* The function that CONFIG_ADDRESS names now. A bus number is what the guest wrote into the bridge's secondary register; a bridge
 * forwards only what lies behind it, so the way down is followed bridge by bridge. */
static struct pci_device *addressed(struct pci_bus *root)
{
	unsigned number = root->address >> 16 & 0xff;
	struct pci_bus *bus = number ? root->children : root;

	while (bus && bus != root) {
		const uint8_t *bridge = bus->bridge->config;

		if (bridge[PCI_BRIDGE_SECONDARY] == number)
			break;
		if (bridge[PCI_BRIDGE_SECONDARY] < number && number <= bridge[PCI_BRIDGE_SUBORDINATE])
			bus = bus->children;
		else
			bus = bus->sibling;
	}
	return bus ? pci_bus_device(bus, (uint8_t)(root->address >> 8)) : NULL;
}

#define RESET_CONTROL 1 /* offset of 0xcf9 */
#define RESET_CPU 4     /* its bit 2; bit 1 chooses a hard reset, which ours always is */

static uint64_t address_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct pci_bus *root = container_of(r, struct pci_bus, address_port);

	(void)d;
	if (size == 1 && offset == RESET_CONTROL)
		return root->reset_control;
	return size == 4 ? root->address : UINT64_MAX;
}

/* Only a full double word reaches CONFIG_ADDRESS. */
static void address_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct pci_bus *root = container_of(r, struct pci_bus, address_port);

	(void)d;
	if (size == 4) {
		root->address = (uint32_t)value & 0x80fffffc;
	} else if (size == 1 && offset == RESET_CONTROL) {
		bool pulse = value & RESET_CPU && !(root->reset_control & RESET_CPU);

		root->reset_control = value & 0x06;
		if (pulse)
			root->reset(root->context);
	}
}

static uint64_t data_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct pci_bus *root = container_of(r, struct pci_bus, data_port);
	struct pci_device *p = root->address & CONFIG_ENABLE ? addressed(root) : NULL;
	uint32_t value;

	if (!p)
		return UINT64_MAX;
	if (&p->device != d)
		device_lock(&p->device);
	value = pci_config_read(p, (root->address & 0xfc) + (unsigned)offset, size);
	if (&p->device != d)
		device_unlock(&p->device);
	return value;
}

static void data_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct pci_bus *root = container_of(r, struct pci_bus, data_port);
	struct pci_device *p = root->address & CONFIG_ENABLE ? addressed(root) : NULL;

	if (!p)
		return;
	if (&p->device != d)
		device_lock(&p->device);
	pci_config_write(p, (root->address & 0xfc) + (unsigned)offset, size, (uint32_t)value);
	if (&p->device != d)
		device_unlock(&p->device);
}

static const struct region_ops address_ops = { .read = address_read, .write = address_write };
static const struct region_ops data_ops = { .read = data_read, .write = data_write };

/* ---- buses ---- */

struct pci_bus *pci_bus_new_root(const struct board *board)
{
	struct pci_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return NULL;
	bus->board = board;
	bus->root = bus;
	bus->swizzle = 3; /* PIRQ A is INTA of device 1, as SeaBIOS and the PIIX boards have it */
	for (unsigned i = 0; i < 4; i++)
		bus->pirq_gsi[i] = IRQ_GSI_COUNT;
	return bus;
}

struct pci_bus *pci_bus_new_secondary(struct pci_device *bridge)
{
	struct pci_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return NULL;
	bus->board = bridge->bus->board;
	bus->root = bridge->bus->root;
	bus->bridge = bridge;
	bus->sibling = bridge->bus->children;
	bridge->bus->children = bus;
	return bus;
}

/* Devices are gone by now; a secondary bus dies with its bridge (bridge.c), the root with the machine. */
void pci_bus_free(struct pci_bus *bus)
{
	struct pci_bus **at;

	if (!bus)
		return;
	if (bus->bridge) {
		at = &bus->bridge->bus->children;
		while (*at != bus)
			at = &(*at)->sibling;
		*at = bus->sibling;
	}
	free(bus);
}

void pci_bus_map_ports(struct pci_bus *root, struct device *host, void (*reset)(void *context), void *context)
{
	root->reset = reset;
	root->context = context;
	root->address_port = (struct region){
		.name = "pci-config-address", .ops = &address_ops, .device = host, .size = 4, .space = BUS_PORT
	};
	root->data_port = (struct region){
		.name = "pci-config-data", .ops = &data_ops, .device = host, .size = 4, .space = BUS_PORT
	};
	bus_map(root->board->bus, &root->address_port, 0xcf8);
	bus_map(root->board->bus, &root->data_port, 0xcfc);
}

void pci_bus_state(struct pci_bus *root, struct state *s)
{
	state_u32(s, "config-address", &root->address);
	state_u8(s, "reset-control", &root->reset_control);
	if (root->address & ~0x80fffffcu)
		state_fail(s, -EINVAL, "config-address");
}

void pci_bus_reset(struct pci_bus *root)
{
	root->address = 0;
	root->reset_control = 0;
}
