/* SPDX-License-Identifier: MIT */
/*
 * A device: one file, one struct device_class at its end, one line in device_list.c.
 *
 * A device knows offsets, not addresses. It never sees kvm.h, has no file-static state, never blocks and never locks: the bus
 * (vCPU threads) and the loop (I/O thread: timers, completions, control) hold device->lock around every callback, so a device
 * is single threaded. A callback must not enter another device: wires (irq, timers, blocks) are the only way out.
 * Everything a device stands on comes in by struct board, so that it runs the same in the machine and in tests/unit/fake_board.
 */
#ifndef VITRINE_DEVICE_H
#define VITRINE_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/bus.h"
#include "core/clock.h"
#include "core/irq.h"
#include "core/state.h"
#include "vmformat/bytes.h"
#include "vmformat/error.h"

struct device;
struct block;
struct memory;
struct pci_bus;
struct screen;
struct sound_ring;

#define DEVICE_MAX_IRQS 4
#define DEVICE_MAX_BLOCKS 30 /* an AHCI has 6, a SCSI bus 15, SAS and pvscsi more: see there */

/* What every device stands on. Owned by the machine (or the fake board), lives longer than the devices. */
struct board {
	struct bus *bus;
	struct memory *memory;
	struct irq_router *irq;
	struct clock *clock;
};

/* What the board's parts list says of one chip; only read by create(), which copies what it keeps. */
struct device_config {
	const char *id; /* unique in the machine: "ide", "serial0" */
	unsigned irq_count;
	unsigned irqs[DEVICE_MAX_IRQS]; /* ISA interrupt lines (GSIs); PCI INTx is wired by pci_bus */
	uint16_t port;                  /* I/O base of an ISA device */
	struct pci_bus *pci_bus;        /* PCI devices: where it is plugged in */
	uint8_t pci_devfn;              /* device << 3 | function */
	struct block
		*blocks[DEVICE_MAX_BLOCKS]; /* drives by position (IDE: channel * 2 + unit), NULL: none. Borrowed */
	const void *extra;                  /* a struct that the device's header names, or NULL. Borrowed */
};

struct device_class {
	const char *name;       /* as the .vmx spells it where it can be declared: "e1000"; else the chip: "i8042" */
	const char *summary;    /* one line for --help and the README */
	size_t size;            /* of its own struct, struct device first */
	unsigned state_version; /* raise with every change of state() */
	int (*create)(struct device *, const struct device_config *, struct error *);
	void (*destroy)(struct device *); /* NULL: nothing to do. Accepts a half-built device */
	void (*reset)(struct device *);   /* power-on and bus reset; called once before the first run */
	void (*pause)(struct device *);   /* NULL: nothing to do. No host I/O of its own after it returns (blocks are
					     drained and timers stopped by the machine) */
	void (*resume)(struct device *);  /* NULL: nothing to do */
	/* ONE function saves and loads, by named field. Timers that run are fields (timer_state()). 0 or negative errno:
	 * a loaded value that the device could never have had is -EINVAL. */
	int (*state)(struct device *, struct state *);
};

struct device {
	const struct device_class *class;
	const struct board *board;
	char id[24];
	pthread_mutex_t lock; /* taken by bus, loop and machine; never by the device */
	struct irq_line irqs[DEVICE_MAX_IRQS];
	unsigned irq_count;
	struct pci_device *pci; /* set by pci_device_init(); NULL: not a PCI device */
	struct device *next;    /* the machine's list, in creation order */
};

/* Allocates class->size zeroed bytes, fills struct device, calls create. On failure destroy has been called. */
int device_create(const struct device_class *class, const struct board *board, const struct device_config *config,
                  struct device **ret_device, struct error *e);
/* Unmaps its regions, stops its timers, lowers its lines, calls destroy, frees. Harmless on NULL. */
void device_destroy(struct device *d);

static inline void device_lock(struct device *d)
{
	pthread_mutex_lock(&d->lock);
}

static inline void device_unlock(struct device *d)
{
	pthread_mutex_unlock(&d->lock);
}

/* Interrupt line n of device_config.irqs (level; an edge is 1 then 0). PCI devices use pci_set_irq(),
 * or pci_interrupt() of chipset/msi.h. */
void device_set_irq(struct device *d, unsigned n, bool level);

/* DMA: reach RAM slots only, bounds checked. A range that is not all RAM: reads give 0xff and -EFAULT, writes are dropped
 * with -EFAULT, as on a bus where nobody answers. PCI devices: also -EFAULT while bus mastering is off. */
int device_dma_read(struct device *d, uint64_t address, void *buffer, size_t length);
int device_dma_write(struct device *d, uint64_t address, const void *buffer, size_t length);
/* Host pointers to guest RAM for I/O that runs outside the callback; valid for the machine's life. writable: the device will
 * write there (ROM is -EFAULT). The range may need several pieces: fills up to max_iov, returns how many, or -EFAULT, -E2BIG. */
int device_dma_map(struct device *d, uint64_t address, size_t length, bool writable, struct iovec *ret_iov,
                   unsigned max_iov);

/* Guest time in nanoseconds: stands still while paused (clock.h). */
static inline uint64_t device_now(struct device *d)
{
	return clock_now(d->board->clock);
}

/* The class with that name in device_list.c, or NULL. */
const struct device_class *device_class_find(const char *name);
extern const struct device_class *const device_list[]; /* ended by NULL */

#endif
