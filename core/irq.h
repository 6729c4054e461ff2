/* SPDX-License-Identifier: MIT */
/*
 * Interrupt wires. A line is one device's contribution to one GSI (ISA interrupt 0-15, I/O APIC pins above); lines on the same
 * GSI are ORed. The router's lock is a leaf: it may be taken under a device's lock and takes none itself.
 */
#ifndef VITRINE_IRQ_H
#define VITRINE_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#define IRQ_GSI_COUNT 24

struct irq_router;

struct irq_line {
	struct irq_router *router; /* NULL: not connected, all calls do nothing */
	unsigned gsi;
	bool level; /* what this line says now */
};

/* Where the ORed level goes: KVM_IRQ_LINE_STATUS, or a test's recorder. Returns KVM's status: below 0 masked (nobody will
 * see it), 0 coalesced with one that is still pending, above 0 delivered. */
typedef int (*irq_sink)(void *context, unsigned gsi, bool level);

/* Where a message signalled interrupt goes: KVM_SIGNAL_MSI, or a test's recorder. */
typedef void (*irq_message_sink)(void *context, uint32_t address, uint32_t data);

struct irq_router *irq_router_new(irq_sink sink, irq_message_sink messages, void *context); /* NULL: no memory */
void irq_router_free(struct irq_router *router);

/* Sets this line. Returns the sink's status when the ORed level changed, else 1. */
int irq_line_set(struct irq_line *line, bool level);
/* Moves a line to another GSI, keeping its level (PIRQ routing). gsi >= IRQ_GSI_COUNT: to nowhere. */
void irq_line_route(struct irq_line *line, unsigned gsi);
/* Tells the sink all levels again (after reset or a state load of the interrupt controllers). */
void irq_router_resync(struct irq_router *router);
bool irq_router_level(struct irq_router *router, unsigned gsi);

/* A write to the local APICs' addresses, 0xfeexxxxx (Intel SDM volume 3, 11.11: message address and data). It is a moment, not a
 * level: nothing is kept, so no lock is taken. */
#define IRQ_MESSAGE_BASE 0xfee00000u
#define IRQ_MESSAGE_SIZE 0x00100000u
void irq_send_msi(struct irq_router *router, uint32_t address, uint32_t data);

#endif
