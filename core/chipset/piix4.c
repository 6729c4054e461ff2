/* SPDX-License-Identifier: MIT */
/* 82371AB (PIIX4) function 0: the PCI to ISA bridge (Intel 290562). Interrupt steering; the APM ports are in acpi.c,
 * the rest of ISA is on the board as devices of their own, the 8259s and their ELCR in KVM. */
#include <errno.h>
#include <string.h>

#include "core/chipset/chipset.h"

#define PIRQ_DISABLED 0x80
#define ROUTABLE 0xdef8u /* IRQ 3-7, 9-12, 14, 15; the others are reserved (4.1.10) */

struct piix4_isa {
	struct pci_device pci;
};

static void route(struct piix4_isa *p)
{
	for (unsigned i = 0; i < 4; i++) {
		uint8_t value = p->pci.config[PIIX4_PIRQRC + i];
		bool on = !(value & PIRQ_DISABLED) && ROUTABLE >> (value & 15) & 1;

		pci_bus_route(p->pci.bus, i, on ? value & 15u : IRQ_GSI_COUNT);
	}
}

static void config_written(struct pci_device *pci, unsigned reg, unsigned size)
{
	if (reg + size > PIIX4_PIRQRC && reg < PIIX4_PIRQRC + 4)
		route(container_of(pci, struct piix4_isa, pci));
}

static int piix4_isa_create(struct device *d, const struct device_config *config, struct error *e)
{
	static const struct pci_identity identity = {
		.vendor = 0x8086, .device = 0x7110, .class_code = 0x060100, .header_type = 0x80, .revision = 2
	};
	struct piix4_isa *p = (struct piix4_isa *)d;
	int r = pci_device_init(&p->pci, config, &identity, e);

	if (r < 0)
		return r;
	le16_store(p->pci.config + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	le16_store(p->pci.write_mask + PCI_COMMAND, 0); /* an ISA bridge always decodes */
	memset(p->pci.write_mask + PIIX4_PIRQRC, 0x8f, 4);
	memset(p->pci.write_mask + 0x4c, 0xff, 4); /* ISA I/O recovery timer, X-bus chip select */
	p->pci.write_mask[0x64] = 0xff;            /* serial IRQ control */
	memset(p->pci.write_mask + 0x69, 0xff, 3); /* top of memory, miscellaneous status */
	memset(p->pci.write_mask + 0xb0, 0xff, 4); /* general configuration */
	p->pci.config_written = config_written;
	return 0;
}

static void piix4_isa_reset(struct device *d)
{
	struct piix4_isa *p = (struct piix4_isa *)d;

	memset(p->pci.config + PIIX4_PIRQRC, PIRQ_DISABLED, 4);
	route(p);
}

static int piix4_isa_state(struct device *d, struct state *s)
{
	struct piix4_isa *p = (struct piix4_isa *)d;

	pci_device_state(&p->pci, s);
	if (state_loading(s) && !state_error(s))
		route(p);
	return state_error(s);
}

const struct device_class piix4_isa_class = {
	.name = "piix4-isa",
	.summary = "PCI to ISA bridge 82371AB",
	.size = sizeof(struct piix4_isa),
	.state_version = 1,
	.create = piix4_isa_create,
	.reset = piix4_isa_reset,
	.state = piix4_isa_state,
};
