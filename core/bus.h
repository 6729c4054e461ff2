/* SPDX-License-Identifier: MIT */
/*
 * The address spaces: which device answers at a port or an MMIO address.
 *
 * The map is an immutable snapshot (a sorted array): a vCPU dispatches with no bus lock at all; a change (a BAR moves) builds a
 * new one. bus_read/bus_write take the device's lock around its callback. bus_map/unmap may be called from device callbacks.
 * After an unmap another vCPU may still be inside the old map for one access: devices live as long as the machine, so that is
 * only what hardware would do.
 */
#ifndef VITRINE_BUS_H
#define VITRINE_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus;
struct device;
struct region;

enum bus_space { BUS_PORT, BUS_MMIO };

/* Of the CPU that makes an access, for the port that answers in all of them (VMware's back door). */
struct cpu_registers {
	uint32_t eax, ebx, ecx, edx, esi, edi;
};

struct region_ops {
	/* size is 1, 2 or 4 (8 only if max_size is), offset + size never exceeds the region. Reads return the value in the low
	 * bits. */
	uint64_t (*read)(struct device *d, struct region *r, uint64_t offset, unsigned size);
	void (*write)(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value);
	/* For rep ins/outs on a data port: count elements of size bytes each; NULL: the bus loops over read/write. */
	void (*read_many)(struct device *d, struct region *r, uint64_t offset, unsigned size, void *data, size_t count);
	void (*write_many)(struct device *d, struct region *r, uint64_t offset, unsigned size, const void *data,
	                   size_t count);
	/* Instead of read, for `in eax, dx` of a CPU whose registers can be had; NULL: an ordinary port. At most one mapped
	 * region has it, and stays where it is. */
	void (*exchange)(struct device *d, struct region *r, struct cpu_registers *registers);
	/* Larger accesses are cut to this many bytes, lowest address first; 0 means 4. */
	uint8_t max_size;
};

/* Embedded in a device's struct; name, space, size and ops are set before bus_map(), the rest belongs to the bus. */
struct region {
	const char *name;
	const struct region_ops *ops;
	struct device *device;
	uint64_t size; /* bytes */
	enum bus_space space;
	unsigned index;    /* for the device's own use: which BAR, which channel */
	bool coalesced;    /* writes may be batched by KVM (VGA memory): order with other regions is kept */
	bool shared_below; /* lower priority: other regions may lie on top of it */
	/* the bus's */
	uint64_t base;
	bool mapped;
	struct region *next;
};

struct bus *bus_new(void); /* NULL: no memory */
void bus_free(struct bus *bus);

/* Puts the region at base; one that is mapped moves. Overlaps: the region mapped last wins, as an address decoder that answers
 * first would; regions with shared_below always lose. */
void bus_map(struct bus *bus, struct region *r, uint64_t base);
void bus_unmap(struct bus *bus, struct region *r);        /* harmless if not mapped */
void bus_unmap_device(struct bus *bus, struct device *d); /* all of a device's */

/* An access of 1 to 8 bytes. Nobody there: reads give all ones, writes are lost; returns false then. Accesses that cross the
 * end of a region are cut in bytes. */
bool bus_read(struct bus *bus, enum bus_space space, uint64_t address, unsigned size, uint64_t *ret_value);
bool bus_write(struct bus *bus, enum bus_space space, uint64_t address, unsigned size, uint64_t value);
/* count elements at one address (string I/O). */
void bus_read_many(struct bus *bus, uint64_t port, unsigned size, void *data, size_t count);
void bus_write_many(struct bus *bus, uint64_t port, unsigned size, const void *data, size_t count);

/* Whether the port answers in the CPU's registers, and the access that it does so in. Asking is cheap: it is done at each `in`. */
bool bus_exchanges(struct bus *bus, uint64_t port);
void bus_exchange(struct bus *bus, uint64_t port, struct cpu_registers *registers);

/* Called (if set) after every change, with the bus's lock held: KVM registers coalesced zones there. */
void bus_set_listener(struct bus *bus, void (*changed)(void *context, const struct region *r, bool mapped),
                      void *context);

#endif
