/* SPDX-License-Identifier: MIT */
/*
 * What the controller (ahci.c), its ports (ahci_port.c) and their queues (ahci_ncq.c) share. Names are AHCI 1.3.1's.
 *
 * A port runs one command that is not queued, with its struct ata_device, and up to 32 queued ones. Whatever is stopped
 * or reset while the host reads or writes for it is dropped when it comes back; until then PxCMD.CR or PxTFD.STS.BSY
 * stays set, so that a driver does not use that memory for something else.
 */
#ifndef VITRINE_AHCI_PRIVATE_H
#define VITRINE_AHCI_PRIVATE_H

#include "core/chipset/pci.h"
#include "core/storage/ahci.h"
#include "core/storage/ata.h"

#define AHCI_SLOTS 32u  /* command slots; also "no slot" */
#define AHCI_PORT 0x100 /* registers of port 0; each port has AHCI_PORT_SIZE bytes */
#define AHCI_PORT_SIZE 0x80

enum ahci_interrupt { /* PxIS, PxIE (3.3.5, 3.3.6) */
	              PXIS_DHRS = 1u << 0,
	              PXIS_PSS = 1u << 1,
	              PXIS_SDBS = 1u << 3,
	              PXIS_PCS = 1u << 6,
	              PXIS_PRCS = 1u << 22,
	              PXIS_OFS = 1u << 24,
	              PXIS_IFS = 1u << 27,
	              PXIS_HBFS = 1u << 29,
	              PXIS_TFES = 1u << 30,
};

struct ahci_cursor {      /* a place in a physical region descriptor table (4.2.3.3) */
	uint64_t table;   /* the next descriptor */
	uint32_t entries; /* that are left */
	uint64_t address; /* the rest of the one under way */
	uint32_t left;
};

struct ahci_command { /* a command slot, copied from guest memory once */
	uint8_t slot;
	uint32_t length; /* of the command FIS, bytes */
	struct ahci_cursor prd;
	uint8_t table[0x50]; /* command FIS, ACMD at 0x40 (4.2.3) */
};

struct ahci_queued {               /* by tag */
	bool active, out, durable; /* durable: on stable storage before it is done */
	bool flushing;
	uint64_t offset;
	uint32_t left;
	struct ahci_cursor cursor; /* all before it is done */

	/* not saved */
	struct ahci_port *port;
	struct ahci_cursor mapped; /* the end of what the request in flight moves */
	bool in_flight;
	struct block_request request;
	struct iovec iov[ATA_MAX_IOV];
};

struct ahci_port {
	struct ahci *hba;
	unsigned index;
	struct ata_device ata;

	/* registers */
	uint64_t clb, fb;
	uint32_t is, ie, cmd, sig, sctl, serr, sact, ci;
	uint8_t status, error; /* PxTFD */

	uint8_t current;           /* PxCMD.CCS */
	bool halted;               /* after an error, until ST is cleared */
	bool resetting;            /* the signature has not been sent yet */
	uint8_t slot;              /* of the command in ata; AHCI_SLOTS: none */
	uint32_t moved;            /* its bytes */
	bool pio_in;               /* it sent data by programmed I/O */
	struct ahci_cursor cursor; /* all before it is done */

	struct ahci_queued *queue; /* by tag; NULL: not a disk */
	bool queue_failing;        /* an error waits for the others in flight */

	/* not saved */
	struct ahci_cursor mapped; /* the end of what its request in flight moves */
	uint32_t mapped_length;
	unsigned queue_in_flight;
	bool running; /* ahci_port_run() is at work */
};

struct ahci {
	struct pci_device pci;
	struct region registers;
	unsigned port_count;
	uint32_t ghc, is;
	struct ahci_port *ports;
};

/* ahci.c */
void ahci_update_interrupt(struct ahci *hba);

/* ahci_port.c */
int ahci_port_init(struct ahci_port *port, struct block *block, bool packet);
void ahci_port_destroy(struct ahci_port *port);
void ahci_port_power_on(struct ahci_port *port);
void ahci_port_resume(struct ahci_port *port);
void ahci_port_state(struct ahci_port *port, struct state *s);
uint32_t ahci_port_read(const struct ahci_port *port, unsigned offset);
void ahci_port_write(struct ahci_port *port, unsigned offset, uint32_t value);
bool ahci_port_interrupt(const struct ahci_port *port);
void ahci_port_raise(struct ahci_port *port, uint32_t interrupt);
void ahci_port_fatal(struct ahci_port *port, uint32_t interrupt); /* stops until ST is cleared (6.1) */
/* Begins what can begin. Called whenever something ended. */
void ahci_port_run(struct ahci_port *port);
void ahci_port_finish_reset(struct ahci_port *port);
/* Sends a FIS to its place in the receive area (4.2.1). */
void ahci_port_receive(struct ahci_port *port, unsigned place, const uint8_t *fis, size_t length);
/* Memory from *from on for up to length bytes, a multiple of unit; *ret_to: where it ends. 0: the port has halted. */
uint32_t ahci_port_map(struct ahci_port *port, const struct ahci_cursor *from, struct ahci_cursor *ret_to,
                       bool writable, uint32_t length, uint32_t unit, struct iovec *iov, unsigned *ret_count);
void ahci_cursor_state(struct ahci_cursor *c, struct state *s);

/* ahci_ncq.c */
bool ahci_queue_takes(const struct ahci_port *port, uint8_t opcode);
bool ahci_queue_busy(const struct ahci_port *port);
void ahci_queue_issue(struct ahci_port *port, const struct ahci_command *c);
void ahci_queue_drop(struct ahci_port *port);
void ahci_queue_resume(struct ahci_port *port);
void ahci_queue_state(struct ahci_port *port, struct state *s);

#endif
