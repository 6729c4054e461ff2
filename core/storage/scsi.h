/* SPDX-License-Identifier: MIT */
/*
 * SCSI targets: disks (SBC-3, SPC-4) and CD drives (atapi.c behind a SCSI front), whatever controller they hang on. A
 * controller fills a struct scsi_request with a command and the guest memory for its data, submits it, and is told when
 * it is done. Requests of one target run side by side and may finish in any order.
 *
 * All calls with the owner's lock held; nothing blocks. A request that waits for its block changes nothing else before
 * it is done: a controller saves the command, and after a load submits it again. Memory must stay until done().
 */
#ifndef VITRINE_SCSI_H
#define VITRINE_SCSI_H

#include "core/device.h"
#include "core/storage/atapi.h"
#include "core/storage/block.h"

#define SCSI_CDB 16u
#define SCSI_SECTOR 512u
#define SCSI_SENSE 18u    /* fixed format without additional bytes */
#define SCSI_BUFFER 4096u /* longest answer or parameter list: ATAPI_BUFFER_MIN, and 255 descriptors of UNMAP */
#define SCSI_MAX_IOV BLOCK_MAX_IOV
#define SCSI_MAX_SAME 0x400000u /* sectors of a WRITE SAME, 2 GiB: it takes seconds, and no driver's patience ends */

enum scsi_status { SCSI_GOOD = 0x00, SCSI_CHECK_CONDITION = 0x02 };

struct scsi_target {
	/* set by scsi_target_init() */
	struct device *owner;
	struct block *block; /* NULL: nobody has this address */
	bool cdrom;

	struct atapi_drive cd;
	struct atapi_sense attention; /* a disk's: unit attention that the host has not heard of; key 0: none */
	bool write_cache;             /* a disk's caching mode page: WCE */
};

enum scsi_step {
	SCSI_IDLE,
	SCSI_SECTORS, /* medium to memory, or back */
	SCSI_SPREAD,  /* sectors of a CD that are handed over other than in their 2,048 bytes */
	SCSI_COMPARE, /* medium with memory */
	SCSI_SAME,    /* one sector again and again */
	SCSI_DISCARD, /* zeros; of an UNMAP list one range after the other */
	SCSI_FLUSH,
	SCSI_STEPS
};

struct scsi_request {
	/* the controller's */
	struct scsi_target *target;
	uint8_t cdb[SCSI_CDB];
	bool wrong_lun;    /* not unit 0 */
	bool to_device;    /* the memory is for data from the host, and may be read only */
	struct iovec *iov; /* room for SCSI_MAX_IOV pieces, iov_count of them filled; scsi.c changes them */
	unsigned iov_count;
	uint64_t length;                      /* bytes of all pieces */
	void (*done)(struct scsi_request *q); /* also from inside scsi_submit() */

	/* the answer */
	uint8_t status; /* enum scsi_status */
	uint8_t sense[SCSI_SENSE];
	uint64_t transferred;
	bool overrun;   /* the target had, or wanted, more than length */
	bool cancelled; /* by scsi_cancel(): the rest says nothing */

	/* scsi.c's */
	enum scsi_step step;
	bool in_flight, out, flush_after;
	uint8_t parts;           /* SPREAD: enum atapi_parts */
	uint64_t offset, left;   /* bytes on the medium: where, and how many are still to move */
	unsigned first, pieces;  /* SECTORS: the next piece, and how many the request in flight has */
	uint64_t cut;            /* ... and what was cut from the last of them */
	uint32_t next, list_end; /* DISCARD: the next descriptor in the buffer */
	struct iovec spare;      /* the buffer, for a request in flight */
	struct block_request request;
	uint8_t buffer[SCSI_BUFFER];
};

/* block NULL: an empty address. A CD drive's block may be empty. */
void scsi_target_init(struct scsi_target *t, struct device *owner, struct block *block, bool cdrom);
void scsi_target_power_on(struct scsi_target *t);
/* A reset that the guest asked for: settings to their defaults, and a unit attention. bus: of all targets at once. */
void scsi_target_reset(struct scsi_target *t, bool bus);
void scsi_target_state(struct scsi_target *t, struct state *s);
/* A number that stays with the drive's name ("scsi0:0"): the 36 bits after the OUI in SAS addresses, and its serial. */
uint64_t scsi_target_number(const struct scsi_target *t);

void scsi_submit(struct scsi_request *q);
/* The request ends as soon as what it has in flight is back: memory is not touched after done(). */
void scsi_cancel(struct scsi_request *q);

/* ---- between scsi.c, scsi_disk.c and scsi_inquiry.c ---- */

#define SCSI_SENSE_OF(k, a, q) ((struct atapi_sense){ .key = (k), .asc = (a), .ascq = (q) })
#define SCSI_PARAMETER_LIST_LENGTH SCSI_SENSE_OF(5, 0x1a, 0x00)
#define SCSI_INVALID_OPCODE SCSI_SENSE_OF(5, 0x20, 0x00)
#define SCSI_LBA_OUT_OF_RANGE SCSI_SENSE_OF(5, 0x21, 0x00)
#define SCSI_INVALID_FIELD SCSI_SENSE_OF(5, 0x24, 0x00)
#define SCSI_INVALID_PARAMETER SCSI_SENSE_OF(5, 0x26, 0x00)
#define SCSI_POWER_ON SCSI_SENSE_OF(6, 0x29, 0x00)

void scsi_complete(struct scsi_request *q);
void scsi_fail(struct scsi_request *q, struct atapi_sense sense);
/* Ends the command with length bytes of the buffer, or as many as the host has allocated for them. */
void scsi_send(struct scsi_request *q, uint64_t length, uint64_t allocated);
/* Fetches length bytes of the host's data into the buffer. false: it has failed the command. */
bool scsi_receive(struct scsi_request *q, uint64_t length);
/* Sectors of the medium from or to memory (step SECTORS) or through the buffer. */
void scsi_move(struct scsi_request *q, enum scsi_step step, bool out, uint64_t offset, uint64_t bytes);
void scsi_enter(struct scsi_request *q, enum scsi_step step);
void scsi_unmap(struct scsi_request *q, uint32_t list_end); /* the descriptors of 16 bytes from 8 on in the buffer */

void scsi_disk_execute(struct scsi_request *q);
void scsi_inquiry(struct scsi_request *q);
void scsi_report_luns(struct scsi_request *q);
void scsi_request_sense(struct scsi_request *q, struct atapi_sense sense);
uint64_t scsi_sectors(const struct scsi_target *t);

#endif
