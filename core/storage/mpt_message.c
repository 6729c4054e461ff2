/* SPDX-License-Identifier: MIT */
/* Messages about the controller itself: what it is, and what the host wants of it. */
#include "core/storage/mpt_private.h"

#define MSG_VERSION_SPI 0x0102
#define MSG_VERSION_SAS 0x0105
#define FIRMWARE_VERSION 0x01032920 /* 1.3.41.32, the last for both kinds that VMware's have shown */

enum product_id { PRODUCT_53C1030 = 0x0104, PRODUCT_SAS1068 = 0x2102 };
enum { CAPABILITY_HIGH_PRIORITY_QUEUE = 0x01 };
enum { PORT_TYPE_SCSI = 0x01, PORT_TYPE_SAS = 0x30, PROTOCOL_INITIATOR = 0x08 };
enum { EVENT_CHANGE = 0x0a };

void mpt_begin_reply(const uint8_t *frame, uint8_t *reply, unsigned length, enum mpt_ioc_status status)
{
	memset(reply, 0, MPT_REPLY);
	reply[MPT_MSG_LENGTH] = (uint8_t)(length / 4);
	reply[MPT_MSG_FUNCTION] = frame[MPT_MSG_FUNCTION];
	memcpy(reply + MPT_MSG_CONTEXT, frame + MPT_MSG_CONTEXT, 4);
	le16_store(reply + MPT_IOC_STATUS, status);
}

static void set_status(uint8_t *reply, enum mpt_ioc_status status)
{
	le16_store(reply + MPT_IOC_STATUS, status);
}

static void ioc_facts(struct mpt *m, const uint8_t *frame, uint8_t *r)
{
	mpt_begin_reply(frame, r, 80, MPT_SUCCESS);
	le16_store(r, m->sas ? MSG_VERSION_SAS : MSG_VERSION_SPI);
	r[20] = MPT_MAX_CHAIN;
	r[21] = m->who_init;
	r[22] = 8;                         /* BlockSize, in double words */
	le16_store(r + 24, MPT_QUEUE);     /* ReplyQueueDepth */
	le16_store(r + 26, MPT_FRAME / 4); /* RequestFrameSize */
	le16_store(r + 30, m->sas ? PRODUCT_SAS1068 : PRODUCT_53C1030);
	le32_store(r + 32, m->message_high);
	le16_store(r + 36, MPT_CREDITS);
	r[38] = 1; /* NumberOfPorts */
	r[39] = m->events;
	le32_store(r + 40, m->sense_high);
	le16_store(r + 44, m->reply_frame_size);
	r[46] = MPT_TARGETS; /* MaxDevices */
	r[47] = 1;           /* MaxBuses */
	le32_store(r + 52, m->sas ? CAPABILITY_HIGH_PRIORITY_QUEUE : 0);
	le32_store(r + 56, FIRMWARE_VERSION);
	le16_store(r + 60, MPT_URGENT);
}

static void ioc_init(struct mpt *m, const uint8_t *frame, uint8_t *r)
{
	mpt_begin_reply(frame, r, MPT_PLAIN_REPLY, MPT_SUCCESS);
	r[0] = frame[0];
	memcpy(r + 4, frame + 4, 3); /* flags, devices, buses */
	if (m->state != MPT_READY) {
		set_status(r, MPT_INVALID_STATE);
		return;
	}
	m->who_init = frame[0] & 7;
	m->reply_frame_size = le16_load(frame + 12);
	m->message_high = le32_load(frame + 16);
	m->sense_high = le32_load(frame + 20);
	m->state = MPT_OPERATIONAL;
}

static void port_facts(struct mpt *m, const uint8_t *frame, uint8_t *r)
{
	mpt_begin_reply(frame, r, 40, MPT_SUCCESS);
	r[6] = frame[6];
	if (frame[6]) { /* there is only port 0 */
		set_status(r, MPT_INVALID_FIELD);
		return;
	}
	r[21] = m->sas ? PORT_TYPE_SAS : PORT_TYPE_SCSI;
	le16_store(r + 22, MPT_TARGETS);
	le16_store(r + 24, m->sas ? MPT_TARGETS : MPT_HOST_ID); /* PortSCSIID */
	le16_store(r + 26, PROTOCOL_INITIATOR);
}

static void port_enable(struct mpt *m, const uint8_t *frame, uint8_t *r)
{
	(void)m;
	mpt_begin_reply(frame, r, MPT_PLAIN_REPLY, frame[6] ? MPT_INVALID_FIELD : MPT_SUCCESS);
	r[6] = frame[6];
}

/* Nothing comes or goes here while a machine runs: the answer itself is the only event. */
static void event_notification(struct mpt *m, const uint8_t *frame, uint8_t *r)
{
	m->events = frame[0] & 1;
	mpt_begin_reply(frame, r, 32, MPT_SUCCESS);
	le16_store(r, 1); /* EventDataLength */
	le32_store(r + 20, EVENT_CHANGE);
	r[28] = m->events;
}

static void event_ack(struct mpt *m, const uint8_t *frame, uint8_t *r)
{
	(void)m;
	mpt_begin_reply(frame, r, MPT_PLAIN_REPLY, MPT_SUCCESS);
}

/* Operations on PHYs and the table of persistent ids: the links are always up, and no id moves. */
static void sas_io_unit_control(struct mpt *m, const uint8_t *frame, uint8_t *r)
{
	uint8_t operation = frame[0];
	bool phy = operation >= 0x06 && operation <= 0x08; /* link reset, hard reset, clear error log */
	bool known = operation == 0x01 || operation == 0x02 || phy;

	mpt_begin_reply(frame, r, MPT_PLAIN_REPLY, MPT_SUCCESS);
	r[0] = operation;
	memcpy(r + 4, frame + 4, 3); /* DevHandle, IOCParameter */
	if (!m->sas)
		set_status(r, MPT_INVALID_FUNCTION);
	else if (!known || (phy && frame[14] >= MPT_TARGETS))
		set_status(r, MPT_INVALID_FIELD);
}

static const struct {
	uint8_t function; /* enum mpt_function */
	void (*answer)(struct mpt *m, const uint8_t *frame, uint8_t *reply);
} messages[] = {
	{ MPT_IOC_INIT, ioc_init },         { MPT_IOC_FACTS, ioc_facts },
	{ MPT_CONFIG, mpt_config_message }, { MPT_PORT_FACTS, port_facts },
	{ MPT_PORT_ENABLE, port_enable },   { MPT_EVENT_NOTIFICATION, event_notification },
	{ MPT_EVENT_ACK, event_ack },       { MPT_SAS_IO_UNIT_CONTROL, sas_io_unit_control },
};

void mpt_message(struct mpt *m, const uint8_t *frame, uint8_t *reply)
{
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
		if (messages[i].function == frame[MPT_MSG_FUNCTION]) {
			messages[i].answer(m, frame, reply);
			return;
		}
	/* Firmware upload and download, target mode, RAID, pass-through: not in this controller. */
	mpt_begin_reply(frame, reply, MPT_PLAIN_REPLY, MPT_INVALID_FUNCTION);
}
