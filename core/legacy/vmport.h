/* SPDX-License-Identifier: MIT */
/*
 * vmport: VMware's back door, `in eax, dx` at config->port (0x5658), as far as guests use it that have no tools installed:
 * version, memory, clocks, and vmmouse, a pointer with absolute positions. extra: struct vmport_config.
 *
 * vmmouse has no interrupt of its own: its driver is told by the PS/2 mouse that there is something to fetch. So whoever calls
 * vmport_pointer() calls i8042_poke_pointer() afterwards, with one device's lock after the other. Port 0x5659, which moves data
 * of VMware's tools, is not there.
 */
#ifndef VITRINE_VMPORT_H
#define VITRINE_VMPORT_H

#include "core/device.h"

struct vmport_config {
	uint64_t memory; /* bytes of RAM */
	uint8_t uuid[16];
	/* vCPU thread, device lock held: must not block. */
	void (*wall_clock)(void *context, uint64_t *ret_seconds, uint32_t *ret_microseconds); /* UTC since 1970 */
	uint64_t (*tsc_hz)(void *context);                                                    /* 0: not known */
	void (*pointer_changed)(void *context); /* vmport_pointer_mode() may answer otherwise now; any thread */
	void *context;
	uint32_t apic_hz;
};

enum vmport_pointer_mode { VMPORT_POINTER_OFF, VMPORT_POINTER_RELATIVE, VMPORT_POINTER_ABSOLUTE };

/* How the guest wants its pointer, if it wants one of here. */
enum vmport_pointer_mode vmport_pointer_mode(struct device *d);
/* Absolute: x and y from 0 to 0xffff over the screen. Relative: counts, y positive downwards. dz: wheel clicks, positive towards
 * the user; buttons as struct message_pointer has them. Does nothing in VMPORT_POINTER_OFF. */
void vmport_pointer(struct device *d, int x, int y, int dz, unsigned buttons);

extern const struct device_class vmport_class;

#endif
