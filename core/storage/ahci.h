/* SPDX-License-Identifier: MIT */
/*
 * ahci: a SATA controller (Serial ATA AHCI 1.3.1) with disks, which take queued commands, and CD drives on its ports.
 * It shows itself as Intel's ICH8M, as in VirtualBox, or as VMware's.
 * device_config: a place on a PCI bus; blocks[port]; extra: struct ahci_config.
 */
#ifndef VITRINE_AHCI_H
#define VITRINE_AHCI_H

#include "core/device.h"

#define AHCI_MAX_PORTS 30 /* what fits into 4 KiB of registers, and what VMware's and VirtualBox's have at most */

enum ahci_model { AHCI_ICH8M, AHCI_VMWARE };

struct ahci_config {
	enum ahci_model model;
	unsigned ports;             /* 1 to AHCI_MAX_PORTS */
	bool cdrom[AHCI_MAX_PORTS]; /* which blocks are CD drives; such a block may be empty */
};

extern const struct device_class ahci_class;

#endif
