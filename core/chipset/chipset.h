/* SPDX-License-Identifier: MIT */
/*
 * The chipset's parts: what the board tells each of them in device_config.extra. All are PCI functions but fw_cfg.
 * Wires (reset, power_off) may be called on a vCPU thread with the device's lock held: they must not block.
 */
#ifndef VITRINE_CHIPSET_H
#define VITRINE_CHIPSET_H

#include "core/chipset/pci.h"

/* i440fx: host bridge 82441FX with the PAM registers that shadow the BIOS. */
struct i440fx_config {
	uint8_t *ram;        /* host address of guest physical 0; at least 1 MiB */
	const uint8_t *bios; /* the image whose end lies at 1 MiB and 4 GiB; page aligned; outlives the device */
	size_t bios_size;    /* bytes, multiple of 64 KiB */
	void (*reset)(void *context);
	void *context;
};
extern const struct device_class i440fx_class;

/* piix4-isa: PCI to ISA bridge 82371AB function 0: PIRQ routing. No extra. */
#define PIIX4_PIRQRC 0x60 /* to 0x63: PIRQ A-D route control */
extern const struct device_class piix4_isa_class;

/* piix4-pm: power management, 82371AB function 3: ACPI fixed hardware, APM ports. The places that the FADT names; SeaBIOS puts
 * PMBASE there when it is given tables (and at 0xb000 when it makes its own). */
#define ACPI_PM_BASE 0x600
#define ACPI_PM_SIZE 0x40
#define ACPI_GPE_BASE 0xafe0
#define ACPI_GPE_SIZE 4 /* status and enable, 16 events each */
#define ACPI_SMI_CMD 0xb2
#define ACPI_ENABLE 0xf1
#define ACPI_DISABLE 0xf0
struct piix4_pm_config {
	void (*power_off)(void *context);
	void *context;
};
extern const struct device_class piix4_pm_class;
/* The person presses the power button; I/O thread, device lock held. */
void piix4_pm_power_button(struct device *d);

/* pci-bridge: PCI to PCI. */
struct bridge_config {
	uint16_t vendor, device;
	bool express;             /* a PCI Express root port: has that capability */
	struct pci_bus **ret_bus; /* the new bus, for the parts behind it */
	uint16_t slot;            /* the number of a root port's slot */
};
extern const struct device_class bridge_class;

/* fw_cfg: the firmware's configuration at 0x510, with DMA (QEMU docs/specs/fw_cfg). */
struct fw_cfg_item {
	uint16_t key;     /* 0: a file, numbered by its place in the list */
	const char *name; /* of a file, up to 55 characters */
	const void *data; /* copied */
	size_t size;
};
struct fw_cfg_config {
	const struct fw_cfg_item *items;
	size_t count;
};
enum fw_cfg_key { /* 0, 1 and 0x19 are answered by the device itself */
	          FW_CFG_UUID = 0x02,
	          FW_CFG_RAM_SIZE = 0x03,
	          FW_CFG_NOGRAPHIC = 0x04,
	          FW_CFG_NB_CPUS = 0x05,
	          FW_CFG_BOOT_DEVICE = 0x0c,
	          FW_CFG_NUMA = 0x0d,
	          FW_CFG_BOOT_MENU = 0x0e,
	          FW_CFG_MAX_CPUS = 0x0f,
	          FW_CFG_IRQ0_OVERRIDE = 0x8002,
};
extern const struct device_class fw_cfg_class;

#endif
