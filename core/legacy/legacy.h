/* SPDX-License-Identifier: MIT */
/*
 * What the machine says to the legacy chips beyond their registers; each call on the I/O thread with the device's lock held.
 * device_config.extra of each class is the struct named beside it.
 */
#ifndef VITRINE_LEGACY_H
#define VITRINE_LEGACY_H

#include <stddef.h>

#include "core/device.h"

/* i8042: keyboard controller with a PS/2 keyboard and mouse (IntelliMouse). irqs: 1, 12. */
struct i8042_config {
	void (*reset_cpu)(void *context);        /* pulse of output line 0: any callback's thread; must not block */
	void (*set_a20)(void *context, bool on); /* KVM cannot mask A20: recorded, for port 0x92 to agree */
	void *context;
};
void i8042_key(struct device *d, unsigned evdev_code, bool down);
void i8042_release_keys(struct device *d);
void i8042_pointer(struct device *d, int dx, int dy, int dz, unsigned buttons);
/* The mouse interrupts with a report that says nothing: for vmmouse, see vmport.h. */
void i8042_poke_pointer(struct device *d);
extern const struct device_class i8042_class;

/* serial: a 16550A at config->port, one irq. */
struct serial_config {
	void (*output)(void *context, const uint8_t *data, size_t count); /* vCPU or I/O thread; must not block */
	void *context;
	/* May be NULL. After serial_input() took less than it was given: there is room again. Called with the device's lock held,
	 * on any thread: post the next serial_input() to the loop. */
	void (*input_ready)(void *context);
};
size_t serial_input(struct device *d, const uint8_t *data, size_t count); /* how many fitted */
extern const struct device_class serial_class;

/* debugcon: port 0x402 (SeaBIOS), extra: struct serial_config. */
extern const struct device_class debugcon_class;

/* pit: 8254 at 0x40 with the gate and speaker bits of port 0x61, irq 0. extra: struct pit_config. */
struct pit_config {
	struct sound_ring *sound; /* borrowed; NULL: silent */
};
extern const struct device_class pit_class;

/* rtc: MC146818 with 128 bytes of CMOS at 0x70, irq 8. extra: struct rtc_config. */
struct rtc_config {
	int64_t epoch; /* seconds since 1970 (already shifted to local time if the guest wants that) at guest time 0 */
	uint64_t memory_below_4g, memory_above_4g; /* bytes: the sizes that SeaBIOS reads from CMOS */
	uint8_t boot_order[3];                     /* CMOS 0x3d/0x38: 1 floppy, 2 disk, 3 CD, 4 network; 0 none */
	unsigned cpus;
};
extern const struct device_class rtc_class;

/* port92: fast A20 and reset at 0x92. extra: struct i8042_config. */
extern const struct device_class port92_class;

#endif
