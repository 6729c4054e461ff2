/* SPDX-License-Identifier: MIT */
/*
 * e1000: the gigabit Ethernet controllers 82540EM (VirtualBox, QEMU) and 82545EM (VMware), after Intel's "PCI/PCI-X Family of
 * Gigabit Ethernet Controllers Software Developer's Manual" 317453-005 ("SDM" in the comments).
 *
 * device_config.extra is a struct e1000_config. The card's EEPROM is made from it at creation; what a guest writes there lives as
 * long as the machine and its saved state.
 */
#ifndef VITRINE_E1000_H
#define VITRINE_E1000_H

#include "core/device.h"

struct net_port;

enum e1000_model { E1000_82540EM, E1000_82545EM_VMWARE };

struct e1000_config {
	struct net_port *net; /* the cable; borrowed, must outlive. NULL: none */
	uint8_t mac[6];
	enum e1000_model model;
};
extern const struct device_class e1000_class;

#endif
