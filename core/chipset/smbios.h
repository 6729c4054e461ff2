/* SPDX-License-Identifier: MIT */
/*
 * SMBIOS 2.4 (DSP0134): what the machine is called, for guests that look at it (dmidecode, licences, cloud-init). The BIOS puts
 * both files into memory and fills in the address. Version 2.4 as VMware's boards up to hardware version 12, and because guests
 * then print the uuid's 16 bytes in the order in which they lie there: as uuid.bios has them.
 */
#ifndef VITRINE_SMBIOS_H
#define VITRINE_SMBIOS_H

#include <stddef.h>
#include <stdint.h>

#define SMBIOS_MAX_SOCKETS 64 /* more than a board has; the table's length is a 16-bit number */
#define SMBIOS_MAX_DIMMS 64
#define SMBIOS_ANCHOR_SIZE 31

struct smbios_machine {
	const char *manufacturer, *product, *version, *serial; /* "": none. Up to 64 characters are kept of each */
	uint8_t uuid[16];
	unsigned sockets;
	uint64_t memory, memory_below_4g; /* bytes */
};

struct smbios_tables {
	uint8_t *tables; /* etc/smbios/smbios-tables; malloc'ed */
	size_t size;
	uint8_t anchor[SMBIOS_ANCHOR_SIZE]; /* etc/smbios/smbios-anchor */
};

int smbios_build(const struct smbios_machine *machine, struct smbios_tables *ret_tables); /* 0 or -ENOMEM */
void smbios_free(struct smbios_tables *t);

/* "VMware-56 4d 1a ... -... ": the serial number that VMware makes of a uuid. */
#define SMBIOS_VMWARE_SERIAL 64
void smbios_vmware_serial(const uint8_t uuid[16], char ret_serial[SMBIOS_VMWARE_SERIAL]);

#endif
