/* SPDX-License-Identifier: MIT */
/*
 * A CD/DVD drive's packet commands (MMC-5, SPC-3), whatever transport they come by. The transport gives a command
 * packet and a buffer and does what the reply says: send bytes of the buffer, fetch bytes for it, or read sectors of
 * the medium.
 * All calls with the device's lock held; nothing blocks.
 */
#ifndef VITRINE_ATAPI_H
#define VITRINE_ATAPI_H

#include "core/device.h"
#include "core/storage/block.h"

#define ATAPI_PACKET 12u
#define ATAPI_SECTOR 2048u
#define ATAPI_MAX_BYTE_COUNT 0xfffeu
#define ATAPI_BUFFER_MIN 4096u /* bytes that the transport's buffer must have: the longest answer is 2,052 */
#define ATAPI_MODE_BYTES 36u   /* of all changeable mode pages */

enum atapi_parts { /* what of each sector a host wants: READ CD byte 9 */
	           ATAPI_EDC = 0x08,
	           ATAPI_USER_DATA = 0x10,
	           ATAPI_HEADER = 0x20,
	           ATAPI_SUBHEADER = 0x40,
	           ATAPI_SYNC = 0x80,
	           ATAPI_ALL_PARTS = 0xf8,
};

struct atapi_sense {
	uint8_t key, asc, ascq; /* SPC-3, sense data */
};

struct atapi_drive {
	struct block *block;          /* set by the transport */
	struct atapi_sense sense;     /* of the last command */
	struct atapi_sense attention; /* unit attention that the host has not heard of; key 0: none */
	uint8_t event;                /* media event for GET EVENT STATUS NOTIFICATION; 0: none */
	bool tray_open, locked;
	uint8_t mode[ATAPI_MODE_BYTES];
};

enum atapi_action { ATAPI_DONE, ATAPI_FAILED /* sense says why */, ATAPI_DATA_IN, ATAPI_DATA_OUT, ATAPI_READ };

struct atapi_reply {
	enum atapi_action action;
	uint32_t length;       /* DATA: bytes, 1 to ATAPI_BUFFER_MIN */
	uint32_t lba, sectors; /* READ: within the medium, at least one */
	uint8_t parts;
};

void atapi_power_on(struct atapi_drive *c);
void atapi_execute(struct atapi_drive *c, const uint8_t *cdb, uint8_t *buffer, struct atapi_reply *ret_reply);
/* The bytes that DATA_OUT asked for have come. false: refused, sense says why. */
bool atapi_data_out(struct atapi_drive *c, const uint8_t *cdb, const uint8_t *data, uint32_t length);
void atapi_read_failed(struct atapi_drive *c, int result); /* negative errno of the block request */

/* Bytes of one sector with these parts; 0: a choice that READ CD does not have. */
uint32_t atapi_sector_size(uint8_t parts);
/* Makes sectors with these parts from the count * 2,048 bytes of user data at from, which may lie at the end of to's
 * buffer. Returns the bytes made. */
uint32_t atapi_spread(uint8_t *to, const uint8_t *from, uint32_t lba, uint32_t count, uint8_t parts);

/* From struct block_drive_ops. */
void atapi_medium_changed(struct atapi_drive *c);
void atapi_eject_request(struct atapi_drive *c);

void atapi_state(struct atapi_drive *c, struct state *s);

#endif
