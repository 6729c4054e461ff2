/* SPDX-License-Identifier: MIT */
/*
 * uhci: the USB host controller of the 82371AB (PIIX4), its function 2, with a tablet in its first port. extra: struct uhci_config.
 */
#ifndef VITRINE_UHCI_H
#define VITRINE_UHCI_H

#include "core/device.h"

struct uhci_config {
	void (*pointer_changed)(void *context); /* uhci_takes_pointer() answers otherwise now; must not block */
	void *context;
};

/* Does the guest listen to the tablet? */
bool uhci_takes_pointer(struct device *d);
/* x, y: 0 to 0xffff over the screen; dz and buttons as struct message_pointer has them. */
void uhci_pointer(struct device *d, unsigned x, unsigned y, int dz, unsigned buttons);

extern const struct device_class uhci_class;

#endif
