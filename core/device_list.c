/* SPDX-License-Identifier: MIT */
/* Every device there is. A new one gets a line here and a place on a board in machine.c. */
#include <string.h>

#include "core/chipset/chipset.h"
#include "core/legacy/legacy.h"
#include "core/legacy/vmport.h"
#include "core/net/e1000.h"
#include "core/storage/ahci.h"
#include "core/storage/ide.h"
#include "core/storage/mpt.h"
#include "core/usb/uhci.h"
#include "core/video/vga.h"

const struct device_class *const device_list[] = {
	/* chipset */
	&i440fx_class,
	&piix4_isa_class,
	&piix4_pm_class,
	&bridge_class,
	&fw_cfg_class,
	/* legacy */
	&pit_class,
	&rtc_class,
	&i8042_class,
	&port92_class,
	&serial_class,
	&debugcon_class,
	&vmport_class,
	/* storage */
	&ide_class,
	&ahci_class,
	&mpt_spi_class,
	&mpt_sas_class,
	/* net */
	&e1000_class,
	/* usb */
	&uhci_class,
	/* video */
	&vga_class,
	NULL,
};

const struct device_class *device_class_find(const char *name)
{
	for (size_t i = 0; device_list[i]; i++)
		if (!strcmp(device_list[i]->name, name))
			return device_list[i];
	return NULL;
}
