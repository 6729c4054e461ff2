/* SPDX-License-Identifier: MIT */
/*
 * What the controller's registers (mpt.c), messages (mpt_message.c), SCSI requests (mpt_io.c) and configuration pages
 * (mpt_config.c) share. Names and layouts are those of LSI's Fusion-MPT Message Passing Interface, 1.05.
 *
 * A request frame that the host posts occupies a slot until its reply lies in the reply FIFO.
 */
#ifndef VITRINE_MPT_PRIVATE_H
#define VITRINE_MPT_PRIVATE_H

#include "core/chipset/pci.h"
#include "core/storage/mpt.h"
#include "core/storage/scsi.h"

#define MPT_FRAME 128u   /* bytes of a request frame, as IOC_FACTS says */
#define MPT_REPLY 80u    /* of the longest reply: that of IOC_FACTS */
#define MPT_CREDITS 128u /* GlobalCredits: requests that a host may have posted; as many drives' queues as matter */
#define MPT_URGENT 4u    /* slots for what comes by the doorbell or the high priority queue: task management */
#define MPT_SLOTS (MPT_CREDITS + MPT_URGENT)
#define MPT_QUEUE 256u    /* places in each FIFO: credits, and replies that a host may post */
#define MPT_MAX_CHAIN 64u /* MaxChainDepth: chain segments of one request */
#define MPT_STORE 1024u   /* bytes of all changeable configuration pages; mpt_config.c asserts it */

enum mpt_function {
	MPT_SCSI_IO_REQUEST = 0x00,
	MPT_SCSI_TASK_MGMT = 0x01,
	MPT_IOC_INIT = 0x02,
	MPT_IOC_FACTS = 0x03,
	MPT_CONFIG = 0x04,
	MPT_PORT_FACTS = 0x05,
	MPT_PORT_ENABLE = 0x06,
	MPT_EVENT_NOTIFICATION = 0x07,
	MPT_EVENT_ACK = 0x08,
	MPT_SAS_IO_UNIT_CONTROL = 0x1b,
};

/* Every message: byte 3 the function, 4 bytes at 8 the host's context. Every reply too, and: */
enum mpt_header {
	MPT_MSG_LENGTH = 2,
	MPT_MSG_FUNCTION = 3,
	MPT_MSG_FLAGS = 7,
	MPT_MSG_CONTEXT = 8,
	MPT_IOC_STATUS = 14
};
#define MPT_PLAIN_REPLY 20u /* bytes of a reply that says no more */

enum mpt_ioc_status {
	MPT_SUCCESS = 0x00,
	MPT_INVALID_FUNCTION = 0x01,
	MPT_INVALID_SGL = 0x03,
	MPT_INSUFFICIENT_RESOURCES = 0x06,
	MPT_INVALID_FIELD = 0x07,
	MPT_INVALID_STATE = 0x08,
	MPT_CONFIG_INVALID_ACTION = 0x20,
	MPT_CONFIG_INVALID_PAGE = 0x22,
	MPT_CONFIG_INVALID_DATA = 0x23,
	MPT_CONFIG_CANT_COMMIT = 0x25,
	MPT_SCSI_INVALID_BUS = 0x41,
	MPT_SCSI_INVALID_TARGETID = 0x42,
	MPT_SCSI_DEVICE_NOT_THERE = 0x43,
	MPT_SCSI_DATA_OVERRUN = 0x44,
	MPT_SCSI_DATA_UNDERRUN = 0x45,
	MPT_SCSI_IO_DATA_ERROR = 0x46,
	MPT_SCSI_TASK_TERMINATED = 0x48,
};

enum mpt_state { MPT_RESET, MPT_READY, MPT_OPERATIONAL, MPT_FAULT = 4 }; /* the doorbell's upper 4 bits */
/* The doorbell's lower 16 bits then. Of an overflow the specification does not speak: that code is ours. */
enum mpt_fault { MPT_REQUEST_OVERFLOW = 0x8110, MPT_REQUEST_BUS_FAULT = 0x8112, MPT_REPLY_BUS_FAULT = 0x8114 };

struct mpt_fifo {
	uint32_t entries[MPT_QUEUE];
	uint16_t first, count;
};

enum mpt_slot_step {
	MPT_SLOT_FREE,
	MPT_SLOT_IO,     /* its SCSI request is under way */
	MPT_SLOT_MANAGE, /* task management, waits for those that it has terminated */
	MPT_SLOT_REPLY,  /* waits for a place in the reply FIFO, or a reply frame */
	MPT_SLOT_ORPHAN, /* as IO, but a reset has come since: nobody waits for it */
	MPT_SLOT_STEPS
};

struct mpt_slot {
	uint8_t step;      /* enum mpt_slot_step */
	bool turbo;        /* REPLY: the context is all of it */
	bool terminated;   /* IO: by task management, */
	uint8_t manager;   /* ... of this slot */
	uint32_t finished; /* REPLY: counts up; the first that is done is told first */
	uint8_t frame[MPT_FRAME];
	uint8_t reply[MPT_REPLY];
	struct scsi_request io;
	struct iovec iov[SCSI_MAX_IOV];
};

enum mpt_doorbell {
	DOORBELL_IDLE,
	DOORBELL_WRITE, /* the host writes a message */
	DOORBELL_READ,  /* ... and reads the reply */
};

struct mpt {
	struct pci_device pci; /* first */
	struct region ports, registers, diagnostic_memory;
	bool sas;
	struct scsi_target targets[MPT_TARGETS];

	/* registers */
	uint8_t state; /* enum mpt_state */
	uint16_t fault;
	uint8_t sequence; /* keys of WRITE_SEQUENCE seen */
	uint32_t diagnostic, interrupt_status, interrupt_mask;
	uint8_t doorbell;                  /* enum mpt_doorbell */
	uint8_t doorbell_at, doorbell_end; /* double words written; words read */
	uint8_t doorbell_frame[MPT_FRAME], doorbell_reply[MPT_REPLY];
	struct mpt_fifo requests, urgent, frames, replies; /* frames: free reply frames */

	/* what IOC_INIT said */
	uint8_t who_init;
	uint16_t reply_frame_size;
	uint32_t message_high, sense_high;
	bool events;

	uint8_t store[MPT_STORE]; /* of the configuration pages: what the host may change */
	uint32_t finished;
	struct mpt_slot slots[MPT_SLOTS];

	/* not saved */
	bool pumping;
	unsigned orphans;
};

static inline uint64_t mpt_address(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}

/* mpt.c */
void mpt_finish(struct mpt *m, struct mpt_slot *slot); /* the reply is made: it goes out as soon as there is room */
void mpt_pump(struct mpt *m); /* replies out, frames in; after anything that may allow either */

/* mpt_message.c: makes the reply to all but SCSI requests and task management. */
void mpt_message(struct mpt *m, const uint8_t *frame, uint8_t *reply);
/* An empty reply of that many bytes with the frame's function and context. */
void mpt_begin_reply(const uint8_t *frame, uint8_t *reply, unsigned length, enum mpt_ioc_status status);

/* mpt_io.c */
void mpt_io_start(struct mpt *m, struct mpt_slot *slot);
void mpt_io_again(struct mpt *m, struct mpt_slot *slot); /* after a load */
void mpt_manage_tasks(struct mpt *m, struct mpt_slot *slot);

/* A scatter-gather element; of a chain element only the address means the same. */
struct mpt_element {
	uint8_t flags;
	uint32_t length;
	uint64_t address;
};
enum mpt_element_flags {
	MPT_LAST_ELEMENT = 0x80,
	MPT_TYPE = 0x30,
	MPT_SIMPLE = 0x10,
	MPT_CHAIN = 0x30,
	MPT_LOCAL_ADDRESS = 0x08,
	MPT_64_BIT = 0x02,
	MPT_END_OF_LIST = 0x01,
};
#define MPT_ELEMENT_MAX 12u
/* raw has MPT_ELEMENT_MAX bytes; returns how many of them are the element's. */
unsigned mpt_element_load(const uint8_t *raw, struct mpt_element *ret_element);

/* mpt_config.c */
void mpt_config_message(struct mpt *m, const uint8_t *frame, uint8_t *reply);
void mpt_config_defaults(struct mpt *m);

#endif
