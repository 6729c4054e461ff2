/* SPDX-License-Identifier: MIT */
/*
 * Guest physical memory: RAM, ROM and the linear windows of the video card, as slots of one host mapping each.
 *
 * Slots are added before the run or from a device callback (a BAR moves); the table is an immutable snapshot, so DMA takes no
 * lock. Host pointers stay valid for the machine's life. memory_set_listener() lets KVM follow (KVM_SET_USER_MEMORY_REGION).
 */
#ifndef VITRINE_MEMORY_H
#define VITRINE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmformat/error.h"

struct memory;

enum slot_flags {
	SLOT_READONLY = 1, /* ROM: guest writes go to MMIO (and are lost) */
	SLOT_LOG_DIRTY = 2,
	SLOT_NO_DMA = 4, /* a device's window: DMA does not reach it */
};

struct slot {
	const char *name;
	uint64_t base, size; /* guest physical, multiples of 4 KiB */
	uint8_t *host;       /* page aligned; owned by whoever made it, alive as long as the machine */
	unsigned flags;
	unsigned id; /* KVM's slot number, the memory's choice */
	bool mapped;
	struct slot *next;
};

struct memory *memory_new(void);
void memory_free(struct memory *m);

/* Anonymous memory for slots: zeroed, not reserved. NULL: none to be had. Unmapped by memory_free. */
void *memory_allocate(struct memory *m, size_t size);

/* Where KVM has pages of its own among the guest's, on which it takes no slot: the local APICs' page and, below the BIOS, what
 * Intel's processors need for real mode (KVM API, KVM_SET_IDENTITY_MAP_ADDR and KVM_SET_TSS_ADDR). */
#define MEMORY_APIC_PAGE 0xfee00000u
#define MEMORY_IDENTITY_PAGE 0xfffbc000u
#define MEMORY_TSS_PAGES 0xfffbd000u /* three */

/* A mapped slot moves. false: it would lie on another slot or on KVM's pages (a guest can program that) and is not mapped at
 * all. */
bool memory_map(struct memory *m, struct slot *slot, uint64_t base);
void memory_unmap(struct memory *m, struct slot *slot);

/* All RAM slots (no NO_DMA). -EFAULT when any byte lies outside; nothing is copied then. */
int memory_read(struct memory *m, uint64_t address, void *buffer, size_t length);
int memory_write(struct memory *m, uint64_t address, const void *buffer, size_t length); /* READONLY: -EFAULT */
int memory_iov(struct memory *m, uint64_t address, size_t length, bool writable, struct iovec *ret_iov,
               unsigned max_iov);

/* Dirty pages of a SLOT_LOG_DIRTY slot since the last call: one bit per 4 KiB page, ORed into bitmap (size / 4096 bits, rounded
 * up to 64). Without a listener (tests) all pages are dirty. */
void memory_dirty(struct memory *m, struct slot *slot, uint64_t *bitmap);

struct memory_listener {
	void (*changed)(void *context, const struct slot *slot, bool mapped);
	void (*dirty)(void *context, const struct slot *slot, uint64_t *bitmap);
	void *context;
};
void memory_set_listener(struct memory *m, const struct memory_listener *listener);

#endif
