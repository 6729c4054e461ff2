/* SPDX-License-Identifier: MIT */
/*
 * A board without a machine: bus, 16 MiB of RAM at 0, a manual clock and an interrupt recorder, for device tests.
 *
 *	struct fake_board *f = fake_board_new();
 *	struct device *d = fake_board_create(f, &rtc_class, &(struct device_config){ .id = "rtc", .irq_count = 1, .irqs = { 8 } });
 *	fake_outb(f, 0x70, 0x0a); value = fake_inb(f, 0x71); clock_advance(f->board.clock, NS_PER_SECOND);
 */
#ifndef VITRINE_FAKE_BOARD_H
#define VITRINE_FAKE_BOARD_H

#include "core/chipset/pci.h"
#include "core/device.h"
#include "core/memory.h"

#define FAKE_RAM_SIZE (16u << 20)

struct fake_board {
	struct board board;
	struct slot ram;
	bool irq_level[IRQ_GSI_COUNT];
	unsigned irq_edges[IRQ_GSI_COUNT]; /* rising edges seen */
	int irq_status; /* what the sink answers to a rising edge: 1 delivered (default), 0 coalesced */
	struct {        /* interrupt messages, the last at [message_count - 1] */
		uint32_t address, data;
	} messages[64];
	unsigned message_count; /* may be more than the array keeps */
	struct device *devices;
};

struct fake_board *fake_board_new(void);    /* fails the test when out of memory */
void fake_board_free(struct fake_board *f); /* with its devices */

/* Creates (fails the test on error), resets and starts the clock. */
struct device *fake_board_create(struct fake_board *f, const struct device_class *class,
                                 const struct device_config *config);

uint64_t fake_in(struct fake_board *f, uint16_t port, unsigned size);
void fake_out(struct fake_board *f, uint16_t port, unsigned size, uint64_t value);

static inline uint8_t fake_inb(struct fake_board *f, uint16_t port)
{
	return (uint8_t)fake_in(f, port, 1);
}

static inline uint16_t fake_inw(struct fake_board *f, uint16_t port)
{
	return (uint16_t)fake_in(f, port, 2);
}

static inline uint32_t fake_inl(struct fake_board *f, uint16_t port)
{
	return (uint32_t)fake_in(f, port, 4);
}

static inline void fake_outb(struct fake_board *f, uint16_t port, uint8_t v)
{
	fake_out(f, port, 1, v);
}

static inline void fake_outw(struct fake_board *f, uint16_t port, uint16_t v)
{
	fake_out(f, port, 2, v);
}

static inline void fake_outl(struct fake_board *f, uint16_t port, uint32_t v)
{
	fake_out(f, port, 4, v);
}

uint64_t fake_read(struct fake_board *f, uint64_t address, unsigned size); /* MMIO or RAM */
void fake_write(struct fake_board *f, uint64_t address, unsigned size, uint64_t value);
uint8_t *fake_ram(struct fake_board *f, uint64_t address); /* host pointer */

/*
 * The contract every device keeps: random I/O on all its regions and time from `seed`; save; load into a fresh one made with the
 * same config; save again: the streams are equal; then both go on with the same accesses and must answer alike, so that a field
 * left out of state() is found. Fails the test. PCI devices: config->pci_bus is replaced by a bus of the twin's board, and the
 * BARs are mapped at fake addresses first.
 */
void fake_check_state(const struct device_class *class, const struct device_config *config, unsigned seed);
/* The same without failing the test: false, and text says what is wrong. */
bool fake_state_holds(const struct device_class *class, const struct device_config *config, unsigned seed, char *text,
                      size_t size);

/* Gives the BARs addresses (I/O from 0xc000 up, memory from 0xe0000000 up, at least 256 bytes and 16 MiB apart) and switches
 * I/O, memory and bus mastering on. A test's own bus is pci_bus_new_root(&f->board). */
void fake_map_bars(struct pci_device *p);

/* Called after each access of fake_check_state() if set: a test with blocks lets their I/O finish here. */
extern void (*fake_settle)(void);

/* Saves d's state (malloc'ed). */
void *fake_save(struct device *d, size_t *ret_length);
int fake_load(struct device *d, const void *data, size_t length);

#endif
