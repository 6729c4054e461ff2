/* SPDX-License-Identifier: MIT */
/*
 * PCI: buses, functions, configuration space (PCI Local Bus Specification 3.0), BARs, INTx. Bridges (bridge.c) make more buses.
 *
 * A PCI device's struct begins with struct pci_device (which begins with struct device). Its create() calls pci_device_init() and
 * pci_add_bar(); configuration reads and writes are handled here through the write masks, and BARs follow the command register.
 */
#ifndef VITRINE_PCI_H
#define VITRINE_PCI_H

#include "core/device.h"
#include "core/memory.h"

#define PCI_BARS 7 /* 0-5 and the expansion ROM */
#define PCI_ROM_BAR 6
#define PCI_DEVFN(device, function) ((uint8_t)((device) << 3 | (function)))

enum pci_register { /* PCI 3.0 section 6.1 */
	            PCI_VENDOR_ID = 0x00,
	            PCI_DEVICE_ID = 0x02,
	            PCI_COMMAND = 0x04,
	            PCI_STATUS = 0x06,
	            PCI_REVISION = 0x08,
	            PCI_PROG_IF = 0x09,
	            PCI_SUBCLASS = 0x0a,
	            PCI_CLASS = 0x0b,
	            PCI_CACHE_LINE = 0x0c,
	            PCI_LATENCY = 0x0d,
	            PCI_HEADER_TYPE = 0x0e,
	            PCI_BAR0 = 0x10,
	            PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
	            PCI_SUBSYSTEM_ID = 0x2e,
	            PCI_BRIDGE_PRIMARY = 0x18,
	            PCI_BRIDGE_SECONDARY = 0x19,
	            PCI_BRIDGE_SUBORDINATE = 0x1a, /* header type 1 */
	            PCI_ROM_ADDRESS = 0x30,
	            PCI_CAPABILITIES = 0x34,
	            PCI_INTERRUPT_LINE = 0x3c,
	            PCI_INTERRUPT_PIN = 0x3d,
};
enum pci_command { PCI_COMMAND_IO = 1, PCI_COMMAND_MEMORY = 2, PCI_COMMAND_MASTER = 4, PCI_COMMAND_INTX_OFF = 0x400 };

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEMORY, PCI_BAR_MEMORY_PREFETCH, PCI_BAR_MEMORY64 };

struct pci_identity {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* class << 16 | subclass << 8 | prog-if */
	uint8_t revision, header_type;
	uint8_t interrupt_pin; /* 0 none, 1 INTA .. 4 INTD */
};

struct pci_bar {
	enum pci_bar_kind kind;
	uint64_t size;         /* a power of two: I/O >= 4, memory >= 16 */
	struct region *region; /* trapped accesses go here, or */
	struct slot *slot;     /* the window is RAM (video memory, ROM) */
	bool mapped;
	uint64_t base;
};

struct pci_device {
	struct device device; /* first */
	struct pci_bus *bus;
	uint8_t devfn;
	uint8_t config[256];
	uint8_t write_mask[256]; /* bits the guest may write */
	uint8_t clear_mask[256]; /* bits that a written 1 clears (status registers) */
	struct pci_bar bars[PCI_BARS];
	struct irq_line intx; /* routed by the bus to a GSI */
	bool intx_level;      /* what the device says, before PCI_COMMAND_INTX_OFF and messages (msi.h) */
	uint8_t msi;          /* offset of the MSI capability, 0: none */
	uint8_t msi_shift;    /* it has 1 << msi_shift vectors */
	struct msix *msix;    /* msi.c's, NULL: none */
	/* Called after the standard handling of a configuration write, device lock held; NULL: none. */
	void (*config_written)(struct pci_device *p, unsigned reg, unsigned size);
	/* Called before a configuration read is answered, for registers that live; NULL: none. */
	void (*config_reading)(struct pci_device *p, unsigned reg, unsigned size);
	void (*unplug)(struct pci_device *p); /* pci.c's: takes it off the bus when the device is destroyed */
	struct pci_device *next;
};

/* Plugs the device into config->pci_bus at config->pci_devfn. -EEXIST: the slot is taken. */
int pci_device_init(struct pci_device *p, const struct device_config *config, const struct pci_identity *identity,
                    struct error *e);
/* region or slot (one of them, the device's own, filled but for its address) becomes BAR n. */
void pci_add_bar(struct pci_device *p, unsigned n, enum pci_bar_kind kind, struct region *region, struct slot *slot);
/* Registers back to power-on: command, BARs, interrupt line; config bytes the device set stay. From the device's reset(). */
void pci_device_reset(struct pci_device *p);
/* The device's INTx pin. */
void pci_set_irq(struct pci_device *p, bool level);
bool pci_bus_master(const struct pci_device *p);
/* The fields of struct pci_device; first call in a PCI device's state(). Loading maps the BARs. */
void pci_device_state(struct pci_device *p, struct state *s);

/* A configuration access of 1, 2 or 4 bytes inside one double word, as the bus makes it; device lock held. */
void pci_config_write(struct pci_device *p, unsigned reg, unsigned size, uint32_t value);
uint32_t pci_config_read(struct pci_device *p, unsigned reg, unsigned size);

/* ---- buses ---- */
struct pci_bus;
struct pci_bus *pci_bus_new_root(const struct board *board);
void pci_bus_free(struct pci_bus *bus); /* after its devices. Harmless on NULL */
/*
 * Maps the configuration mechanism #1 ports 0xcf8-0xcff for host, the host bridge. An access to the data port takes the lock of
 * the addressed function after host's: the one place where a callback reaches into another device, and only this way round.
 * The byte 0xcf9 in their midst is the south bridge's reset control register (82371AB 4.1.6): setting its bit 2 calls reset,
 * which must not block.
 */
void pci_bus_map_ports(struct pci_bus *root, struct device *host, void (*reset)(void *context), void *context);
void pci_bus_state(struct pci_bus *root, struct state *s); /* from host's state() */
void pci_bus_reset(struct pci_bus *root);                  /* from host's reset() */
struct pci_device *pci_bus_device(struct pci_bus *bus, uint8_t devfn);
/* PIRQ A-D (0-3) to a GSI: the south bridge's routing registers. gsi >= IRQ_GSI_COUNT: disabled. */
void pci_bus_route(struct pci_bus *root, unsigned pirq, unsigned gsi);
/* The PIRQ (0-3) that a pin (0-3: INTA-INTD) of a device of this bus arrives at, through the bridges above: what _PRT says. */
unsigned pci_bus_pirq(const struct pci_bus *bus, unsigned device, unsigned pin);
/* INTx swizzling of the root: pirq = (device + pin - 1 + offset) & 3; VMware's, VirtualBox's and QEMU's are the same but for
 * the offset. */
void pci_bus_set_swizzle(struct pci_bus *root, unsigned offset);
/* Bridges: a secondary bus behind p; its number is read from p's configuration. */
struct pci_bus *pci_bus_new_secondary(struct pci_device *bridge);

#endif
