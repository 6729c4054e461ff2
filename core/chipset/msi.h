/* SPDX-License-Identifier: MIT */
/*
 * Message signalled interrupts (PCI Local Bus Specification 3.0, section 6.8): the capabilities MSI and MSI-X of a function.
 *
 * create() calls msi_add() or msix_add() after pci_device_init(); configuration writes, reset and state are handled by pci.c. The
 * device then calls pci_interrupt() where it would have called pci_set_irq() and needs not know which kind the guest chose. A
 * message is a bus master's write: without PCI_COMMAND_MASTER MSI sends none, and MSI-X keeps it pending.
 */
#ifndef VITRINE_MSI_H
#define VITRINE_MSI_H

#include "core/chipset/pci.h"

#define MSI_MAX_VECTORS 32
#define MSIX_MAX_VECTORS 64 /* our largest: one for each of 8 CPUs' queues in both directions, and room */

/* Adds the capability at this configuration offset (multiple of 4, 0x40 to 0xe8) to the function's list. vectors: 1, 2, 4 .. 32.
 * 64-bit addresses, no per-vector masking. */
void msi_add(struct pci_device *p, uint8_t offset, unsigned vectors);
/* The table and the pending bits lie in BAR `bar`, which is the device's own region: it calls msix_read() and msix_write() for
 * accesses in [table_offset, table_offset + 16 * vectors) and [pba_offset, pba_offset + 8 * DIV_ROUND_UP(vectors, 64)); others
 * read as 0 and are lost. -ENOMEM. */
int msix_add(struct pci_device *p, uint8_t offset, unsigned vectors, unsigned bar, uint32_t table_offset,
             uint32_t pba_offset);
uint64_t msix_read(struct pci_device *p, uint64_t bar_offset, unsigned size);
void msix_write(struct pci_device *p, uint64_t bar_offset, unsigned size, uint64_t value);

bool msi_enabled(const struct pci_device *p); /* MSI or MSI-X: the INTx pin is silent then */
/* One message of that vector; with MSI and fewer vectors enabled than asked for, of vector 0. A masked one of MSI-X is pending
 * until it is unmasked. Nothing if neither is enabled, or if MSI-X has no such vector (its number may be a guest's word). */
void msi_send(struct pci_device *p, unsigned vector);
/* A level as a device with one interrupt sees it: INTx, or with MSI a message for each rise. */
void pci_interrupt(struct pci_device *p, bool level);

/* For pci.c: the rest of a function's life. */
void msi_config_written(struct pci_device *p);
void msi_reset(struct pci_device *p);
void msi_state(struct pci_device *p, struct state *s);
void msi_free(struct pci_device *p);

#endif
