/* SPDX-License-Identifier: MIT */
/*
 * One ATA or ATAPI device: its registers, commands and data transfers (ATA/ATAPI-7, INCITS 397). No PCI: the channel it
 * is plugged into (ide.c, ahci_port.c) brings the wires as struct ata_host. All calls with the owner's lock held; nothing blocks.
 *
 * A device has at most one block request in flight. What it does next is its step; a step changes nothing before its
 * request has come back, so a state saved at any moment begins that step again after a load (ata_resume). A reset while
 * a request is in flight leaves the device busy until it returns; what it brought is dropped.
 */
#ifndef VITRINE_ATA_H
#define VITRINE_ATA_H

#include "core/device.h"
#include "core/storage/atapi.h"
#include "core/storage/block.h"

#define ATA_SECTOR 512u
#define ATA_BUFFER 32768u      /* bytes read ahead or gathered for programmed I/O */
#define ATA_MAX_IOV 256u       /* pieces of 2 bytes, the smallest a PRD has, still make one sector */
#define ATA_MAX_MULTIPLE 16u   /* sectors of a READ/WRITE MULTIPLE block, as real disks have */
#define ATA_QUEUE_DEPTH 32u    /* queued commands of a serial disk */
#define ATA_QUEUE_ERROR 14u    /* bytes of log 10h that say something (ATA8-ACS, "NCQ Command Error log") */
#define ATA_MAX_TRIM_BLOCKS 8u /* 512 ranges in one DATA SET MANAGEMENT command: fits the buffer many times */

enum ata_register { /* offsets in the command block */
	            ATA_DATA,
	            ATA_FEATURES,
	            ATA_COUNT,
	            ATA_LBA_LOW,
	            ATA_LBA_MID,
	            ATA_LBA_HIGH,
	            ATA_DEVICE,
	            ATA_COMMAND,
	            ATA_REGISTERS,
	            ATA_ERROR = ATA_FEATURES,
	            ATA_REASON = ATA_COUNT,
	            ATA_STATUS = ATA_COMMAND,
};
enum ata_status_bits { ATA_ERR = 0x01, ATA_DRQ = 0x08, ATA_DSC = 0x10, ATA_DF = 0x20, ATA_DRDY = 0x40, ATA_BSY = 0x80 };
enum ata_error_bits { ATA_ABRT = 0x04, ATA_IDNF = 0x10, ATA_WP = 0x40, ATA_UNC = 0x40 };
enum ata_device_bits { ATA_DEVICE_DEV = 0x10, ATA_DEVICE_LBA = 0x40 };
enum ata_control_bits { ATA_CONTROL_NIEN = 0x02, ATA_CONTROL_SRST = 0x04, ATA_CONTROL_HOB = 0x80 };
enum ata_reason_bits { ATA_REASON_CD = 0x01, ATA_REASON_IO = 0x02 };

enum ata_opcode { /* those that code outside the table of commands asks for */
	          ATA_CMD_DATA_SET_MANAGEMENT = 0x06,
	          ATA_CMD_DEVICE_RESET = 0x08,
	          ATA_CMD_READ_SECTORS = 0x20,
	          ATA_CMD_READ_LOG = 0x2f,
	          ATA_CMD_READ_QUEUED = 0x60, /* READ, WRITE FPDMA QUEUED: the host's affair (ahci_ncq.c) */
	          ATA_CMD_WRITE_QUEUED = 0x61,
	          ATA_CMD_DIAGNOSTIC = 0x90,
	          ATA_CMD_PACKET = 0xa0,
	          ATA_CMD_IDENTIFY_PACKET = 0xa1,
	          ATA_CMD_IDENTIFY = 0xec,
};

enum ata_step {
	ATA_IDLE,        /* waits for a command */
	ATA_PACKET,      /* DRQ: the host writes a command packet */
	ATA_PIO_IN,      /* DRQ: the host reads the buffer */
	ATA_PIO_OUT,     /* DRQ: the host fills the buffer */
	ATA_FILL,        /* medium to buffer */
	ATA_STORE,       /* buffer to medium */
	ATA_DMA_SECTORS, /* medium to memory, or back */
	ATA_DMA_BUFFER,  /* buffer to memory, or back */
	ATA_FLUSH,
	ATA_TRIM, /* the ranges in the buffer */
	ATA_RESETTING,
	ATA_STEPS
};

struct ata_device;

struct ata_host {
	/* a->intrq was raised or taken back. */
	void (*interrupt)(struct ata_device *a);
	/* The guest memory for the next bytes of a DMA transfer, up to length, a multiple of unit; fills at most
	 * ATA_MAX_IOV pieces. 0: none now; ata_dma_start() when there is. The place stays until dma_advance(). */
	uint32_t (*dma_map)(struct ata_device *a, uint32_t length, uint32_t unit, struct iovec *ret_iov,
	                    unsigned *ret_count);
	void (*dma_advance)(struct ata_device *a);
	/* Serial ATA: programmed I/O goes through dma_map() too, and its end raises intrq; IDENTIFY tells of it. */
	bool serial;
	void (*reset_done)(struct ata_device *a); /* serial: a reset is over, the registers hold the signature */
};

struct ata_device {
	/* set by ata_init() */
	struct device *owner;
	struct block *block; /* NULL: nothing is plugged in here */
	const struct ata_host *host;
	uint8_t unit; /* 0 or 1 on its channel */
	bool packet;  /* a CD drive */

	/* registers: now, and the previous contents (HOB) */
	uint8_t reg[ATA_REGISTERS], hob[ATA_REGISTERS];
	uint8_t status, error, command;
	bool hob_selected, intrq;

	/* settings */
	uint8_t multiple, transfer_mode, power_mode;
	uint8_t heads, sectors_per_track; /* CHS translation; INITIALIZE DEVICE PARAMETERS changes it */
	bool write_cache, look_ahead, smart;

	/* the command under way */
	enum ata_step step;
	bool out, dma;   /* towards the device; through dma_map() */
	bool reset_held; /* SRST is still set */
	uint8_t parts;   /* enum atapi_parts of each CD sector */
	uint8_t cdb[ATAPI_PACKET];
	uint64_t offset, left; /* bytes on the medium: where, and how many are still to move */
	uint32_t block_size;   /* bytes between two interrupts of programmed I/O, at most */
	uint32_t length;       /* valid (or wanted) bytes in the buffer */
	uint32_t position, block_end;
	struct atapi_drive cd;

	/* serial: after a queued command failed only READ LOG EXT, which clears this, is taken */
	bool queue_failed;
	uint8_t queue_error[ATA_QUEUE_ERROR];

	/* not saved */
	bool in_flight;
	struct block_request request;
	struct iovec iov[ATA_MAX_IOV];
	uint8_t buffer[ATA_BUFFER];
};

/* block NULL: an empty place, that takes part in nothing. */
void ata_init(struct ata_device *a, struct device *owner, const struct ata_host *host, unsigned unit,
              struct block *block, bool packet);
void ata_destroy(struct ata_device *a); /* without the owner's lock */
void ata_power_on(struct ata_device *a);
void ata_resume(struct ata_device *a);
void ata_state(struct ata_device *a, struct state *s);

/* The command block: registers 1 to 6. Reading the status and writing the command are calls of their own. */
uint8_t ata_read_register(const struct ata_device *a, enum ata_register r);
void ata_write_register(struct ata_device *a, enum ata_register r, uint8_t value);
void ata_write_control(struct ata_device *a, uint8_t value);
uint8_t ata_read_status(struct ata_device *a); /* takes the interrupt back; a->status does not */
void ata_run_command(struct ata_device *a, uint8_t opcode);
void ata_data_in(struct ata_device *a, uint8_t *data, size_t bytes);
void ata_data_out(struct ata_device *a, const uint8_t *data, size_t bytes);
void ata_dma_start(struct ata_device *a); /* dma_map() has memory now */

/* ---- between ata.c and ata_commands.c ---- */
void ata_complete(struct ata_device *a);
void ata_fail(struct ata_device *a, uint8_t error);
void ata_send_buffer(struct ata_device *a, uint32_t length); /* programmed I/O; in blocks of a sector */
void ata_enter(struct ata_device *a, enum ata_step step);
void ata_receive(struct ata_device *a);     /* out: fills the buffer with the next of a->left, by a->dma */
void ata_wait_packet(struct ata_device *a); /* PACKET */
void ata_device_reset(struct ata_device *a);
void ata_set_signature(struct ata_device *a);
void ata_set_lba(struct ata_device *a, uint64_t lba, bool ext);
void ata_default_geometry(struct ata_device *a);
uint64_t ata_sectors(const struct ata_device *a);
void ata_raise(struct ata_device *a);

#endif
