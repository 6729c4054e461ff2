/* SPDX-License-Identifier: MIT */
/* SCSI requests and task management: frames to struct scsi_request, results to replies. */
#include <errno.h>

#include "core/storage/mpt_private.h"

enum io_request { /* offsets in the frame */
	          IO_TARGET = 0,
	          IO_BUS = 1,
	          IO_CHAIN_OFFSET = 2,
	          IO_CDB_LENGTH = 4,
	          IO_SENSE_LENGTH = 5,
	          IO_LUN = 12,
	          IO_CONTROL = 20,
	          IO_CDB = 24,
	          IO_DATA_LENGTH = 40,
	          IO_SENSE_ADDRESS = 44,
	          IO_SGL = 48,
};
enum io_control { CONTROL_DIRECTION = 0x03000000, CONTROL_WRITE = 0x01000000, CONTROL_READ = 0x02000000 };
enum io_reply {
	IO_REPLY_STATUS = 12,
	IO_REPLY_STATE = 13,
	IO_REPLY_COUNT = 20,
	IO_REPLY_SENSE_COUNT = 24,
	IO_REPLY_LENGTH = 36
};
enum scsi_state { AUTOSENSE_VALID = 0x01, AUTOSENSE_FAILED = 0x02, NO_SCSI_STATUS = 0x04, TERMINATED = 0x08 };

static struct mpt *mpt_of(const struct mpt_slot *slot)
{
	return container_of(slot->io.target->owner, struct mpt, pci.device);
}

/* ---- scatter-gather lists ---- */

unsigned mpt_element_load(const uint8_t *raw, struct mpt_element *ret_element)
{
	uint32_t flags_length = le32_load(raw);
	bool wide = raw[3] & MPT_64_BIT;

	*ret_element = (struct mpt_element){ .flags = raw[3],
		                             .length = flags_length & 0xffffff,
		                             .address = wide ? le64_load(raw + 4) : le32_load(raw + 4) };
	return wide ? 12 : 8;
}

/* A part of a list: the frame's own, or a chain segment in memory. */
struct segment {
	const uint8_t *frame; /* NULL: at address */
	uint64_t address;
	uint32_t at, end; /* bytes from its beginning */
	uint32_t chain;   /* where its chain element stands; 0: it has none */
};

/* An element of 8 bytes may end a segment: what lies behind it reads as zeros. */
static int load_element(struct mpt *m, const struct segment *s, struct mpt_element *ret_element, uint8_t *raw)
{
	uint32_t n;

	if (s->at >= s->end || s->end - s->at < 8)
		return -EINVAL;
	n = MIN(MPT_ELEMENT_MAX, s->end - s->at);
	memset(raw, 0, MPT_ELEMENT_MAX);
	if (s->frame)
		memcpy(raw, s->frame + s->at, n);
	else if (device_dma_read(&m->pci.device, s->address + s->at, raw, n) < 0)
		return -EFAULT;
	n = mpt_element_load(raw, ret_element);
	return ret_element->flags & MPT_LOCAL_ADDRESS ? -EINVAL : (int)n;
}

/* Goes on where the chain element at s->at says: 16 bits of length, 8 of the next one's place, in double words. */
static int follow_chain(struct mpt *m, struct segment *s)
{
	struct mpt_element element;
	uint8_t raw[MPT_ELEMENT_MAX];
	int r = load_element(m, s, &element, raw);

	if (r < 0)
		return r;
	if ((element.flags & MPT_TYPE) != MPT_CHAIN)
		return -EINVAL;
	*s = (struct segment){ .address = element.address, .end = le16_load(raw), .chain = raw[2] * 4u };
	return 0;
}

/* Maps one simple element, as far as the request's data length reaches. */
static int add_pieces(struct mpt *m, struct scsi_request *q, const struct mpt_element *element, uint64_t limit)
{
	uint64_t n = MIN(element->length, limit - q->length);
	int r;

	if (!n)
		return 0;
	r = device_dma_map(&m->pci.device, element->address, n, !q->to_device, q->iov + q->iov_count,
	                   SCSI_MAX_IOV - q->iov_count);
	if (r < 0)
		return r;
	q->iov_count += (unsigned)r;
	q->length += n;
	return 0;
}

/* One element that is no chain. 1: it is the list's last. */
static int take_simple(struct mpt *m, struct mpt_slot *slot, struct segment *s, const struct mpt_element *element,
                       unsigned size, uint64_t limit)
{
	int r;

	s->at += size;
	if ((element->flags & MPT_TYPE) != MPT_SIMPLE)
		return -EINVAL;
	r = add_pieces(m, &slot->io, element, limit);
	if (r < 0)
		return r;
	if (element->flags & MPT_LAST_ELEMENT)
		s->at = s->chain ? s->chain : s->end;
	return element->flags & MPT_END_OF_LIST ? 1 : 0;
}

/* Collects the memory for limit bytes. Elements without a length are allowed: as many as pieces, and no more. */
static int gather(struct mpt *m, struct mpt_slot *slot, uint64_t limit)
{
	struct segment s = {
		.frame = slot->frame, .at = IO_SGL, .end = MPT_FRAME, .chain = slot->frame[IO_CHAIN_OFFSET] * 4u
	};
	unsigned chains = 0, elements = 0;

	while (slot->io.length < limit) {
		struct mpt_element element;
		uint8_t raw[MPT_ELEMENT_MAX];
		bool ended = s.at >= (s.chain ? s.chain : s.end);
		int r = ended ? 0 : load_element(m, &s, &element, raw);

		if (ended)
			s.at = s.chain ? s.chain : s.end;
		if (ended || (r > 0 && (element.flags & MPT_TYPE) == MPT_CHAIN))
			r = ++chains > MPT_MAX_CHAIN ? -E2BIG : follow_chain(m, &s);
		else if (r > 0)
			r = take_simple(m, slot, &s, &element, (unsigned)r, limit);
		if (r)
			return MIN(r, 0);
		if (++elements > SCSI_MAX_IOV + MPT_MAX_CHAIN)
			return -E2BIG;
	}
	return 0;
}

/* ---- SCSI requests ---- */

static void begin_io_reply(struct mpt_slot *slot, enum mpt_ioc_status status)
{
	mpt_begin_reply(slot->frame, slot->reply, IO_REPLY_LENGTH, status);
	memcpy(slot->reply, slot->frame, 2);         /* target, bus */
	memcpy(slot->reply + 4, slot->frame + 4, 2); /* lengths of CDB and sense buffer */
	slot->reply[MPT_MSG_FLAGS] = slot->frame[MPT_MSG_FLAGS];
}

static void refuse(struct mpt *m, struct mpt_slot *slot, enum mpt_ioc_status status)
{
	begin_io_reply(slot, status);
	slot->reply[IO_REPLY_STATE] = NO_SCSI_STATUS;
	mpt_finish(m, slot);
}

static uint32_t expected_bytes(const struct mpt_slot *slot)
{
	return le32_load(slot->frame + IO_CONTROL) & CONTROL_DIRECTION ? le32_load(slot->frame + IO_DATA_LENGTH) : 0;
}

static void reply_sense(struct mpt *m, struct mpt_slot *slot)
{
	uint64_t address = mpt_address(m->sense_high, le32_load(slot->frame + IO_SENSE_ADDRESS));
	uint32_t n = MIN(SCSI_SENSE, slot->frame[IO_SENSE_LENGTH]);

	if (n && !device_dma_write(&m->pci.device, address, slot->io.sense, n)) {
		slot->reply[IO_REPLY_STATE] |= AUTOSENSE_VALID;
		le32_store(slot->reply + IO_REPLY_SENSE_COUNT, n);
	} else {
		slot->reply[IO_REPLY_STATE] |= AUTOSENSE_FAILED;
	}
}

static void reply_result(struct mpt *m, struct mpt_slot *slot)
{
	const struct scsi_request *q = &slot->io;
	uint32_t expected = expected_bytes(slot);
	enum mpt_ioc_status status = q->overrun                  ? MPT_SCSI_DATA_OVERRUN
	                             : q->transferred < expected ? MPT_SCSI_DATA_UNDERRUN
	                                                         : MPT_SUCCESS;

	begin_io_reply(slot, status);
	slot->reply[IO_REPLY_STATUS] = q->status;
	le32_store(slot->reply + IO_REPLY_COUNT, (uint32_t)q->transferred);
	if (q->status == SCSI_CHECK_CONDITION)
		reply_sense(m, slot);
	slot->turbo = q->status == SCSI_GOOD && status == MPT_SUCCESS;
}

static void reply_terminated(struct mpt *m, struct mpt_slot *slot)
{
	begin_io_reply(slot, MPT_SCSI_TASK_TERMINATED);
	slot->reply[IO_REPLY_STATE] = NO_SCSI_STATUS | TERMINATED;
	mpt_finish(m, slot);
}

static void tell_manager(struct mpt *m, unsigned manager);

static void io_done(struct scsi_request *q)
{
	struct mpt_slot *slot = container_of(q, struct mpt_slot, io);
	struct mpt *m = mpt_of(slot);

	if (slot->step == MPT_SLOT_ORPHAN) {
		slot->step = MPT_SLOT_FREE;
		if (!--m->orphans && m->state == MPT_RESET)
			m->state = MPT_READY;
	} else if (slot->terminated) {
		reply_terminated(m, slot);
		tell_manager(m, slot->manager);
	} else {
		reply_result(m, slot);
		mpt_finish(m, slot);
	}
	mpt_pump(m);
}

/* Only unit 0, by peripheral (0) or flat (0x40) addressing (SAM-4 4.6). */
static bool names_unit_0(const uint8_t *lun)
{
	static const uint8_t zeros[7];

	return !(lun[0] & ~0x40) && !memcmp(lun + 1, zeros, sizeof(zeros));
}

static enum mpt_ioc_status find_target(struct mpt *m, const uint8_t *frame, struct scsi_target **ret_target)
{
	if (frame[IO_BUS])
		return MPT_SCSI_INVALID_BUS;
	if (frame[IO_TARGET] >= MPT_TARGETS)
		return MPT_SCSI_INVALID_TARGETID;
	*ret_target = &m->targets[frame[IO_TARGET]];
	return (*ret_target)->block ? MPT_SUCCESS : MPT_SCSI_DEVICE_NOT_THERE;
}

void mpt_io_start(struct mpt *m, struct mpt_slot *slot)
{
	const uint8_t *frame = slot->frame;
	struct scsi_request *q = &slot->io;
	enum mpt_ioc_status status = find_target(m, frame, &q->target);
	int r;

	if (status != MPT_SUCCESS) {
		refuse(m, slot, status);
		return;
	}
	memset(q->cdb, 0, sizeof(q->cdb));
	memcpy(q->cdb, frame + IO_CDB, MIN(frame[IO_CDB_LENGTH], SCSI_CDB));
	q->wrong_lun = !names_unit_0(frame + IO_LUN);
	q->to_device = (le32_load(frame + IO_CONTROL) & CONTROL_DIRECTION) == CONTROL_WRITE;
	q->iov = slot->iov;
	q->iov_count = 0;
	q->length = 0;
	q->done = io_done;
	slot->step = MPT_SLOT_IO;
	r = gather(m, slot, expected_bytes(slot));
	if (r < 0)
		refuse(m, slot,
		       r == -EFAULT  ? MPT_SCSI_IO_DATA_ERROR
		       : r == -E2BIG ? MPT_INSUFFICIENT_RESOURCES
		                     : MPT_INVALID_SGL);
	else
		scsi_submit(q);
}

void mpt_io_again(struct mpt *m, struct mpt_slot *slot)
{
	if (!slot->terminated) {
		mpt_io_start(m, slot);
		return;
	}
	reply_terminated(m, slot);
	tell_manager(m, slot->manager);
}

/* ---- task management ---- */

enum { TASK_TYPE = 5, TASK_CONTEXT = 48, TASK_RESPONSE = 4, TASK_COUNT = 20, TASK_REPLY_LENGTH = 24 };
enum task_type {
	ABORT_TASK = 1,
	ABORT_TASK_SET,
	TARGET_RESET,
	RESET_BUS,
	LOGICAL_UNIT_RESET,
	CLEAR_TASK_SET,
	QUERY_TASK,
};
enum task_response { TASK_COMPLETE = 0x00, TASK_NOT_SUPPORTED = 0x04, TASK_SUCCEEDED = 0x08 };

static bool is_meant(const struct mpt_slot *slot, const uint8_t *frame)
{
	uint8_t type = frame[TASK_TYPE];

	if (slot->step != MPT_SLOT_IO || slot->terminated)
		return false;
	if (type == RESET_BUS)
		return true;
	if (type == ABORT_TASK || type == QUERY_TASK)
		return !memcmp(slot->frame + MPT_MSG_CONTEXT, frame + TASK_CONTEXT, 4);
	return slot->frame[IO_TARGET] == frame[IO_TARGET];
}

static unsigned count_managed(const struct mpt *m, unsigned manager)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MPT_SLOTS; i++)
		count += m->slots[i].step == MPT_SLOT_IO && m->slots[i].terminated && m->slots[i].manager == manager;
	return count;
}

static void tell_manager(struct mpt *m, unsigned manager)
{
	struct mpt_slot *slot = &m->slots[manager];

	if (slot->step == MPT_SLOT_MANAGE && !count_managed(m, manager))
		mpt_finish(m, slot);
}

/* The requests end when what they have in flight is back: only then may the host use their memory again. */
static uint32_t terminate(struct mpt *m, unsigned manager)
{
	const uint8_t *frame = m->slots[manager].frame;
	uint32_t count = 0;

	for (unsigned i = 0; i < MPT_SLOTS; i++) {
		struct mpt_slot *slot = &m->slots[i];

		if (!is_meant(slot, frame))
			continue;
		slot->terminated = true;
		slot->manager = (uint8_t)manager;
		scsi_cancel(&slot->io);
		count++;
	}
	return count;
}

static void reset_targets(struct mpt *m, const uint8_t *frame)
{
	uint8_t type = frame[TASK_TYPE];

	if (type == RESET_BUS)
		for (unsigned i = 0; i < MPT_TARGETS; i++)
			scsi_target_reset(&m->targets[i], true);
	else if (type == TARGET_RESET || type == LOGICAL_UNIT_RESET)
		scsi_target_reset(&m->targets[frame[IO_TARGET]], false);
}

static uint8_t query_task(const struct mpt *m, const uint8_t *frame)
{
	for (unsigned i = 0; i < MPT_SLOTS; i++)
		if (is_meant(&m->slots[i], frame))
			return TASK_SUCCEEDED;
	return TASK_COMPLETE;
}

void mpt_manage_tasks(struct mpt *m, struct mpt_slot *slot)
{
	const uint8_t *frame = slot->frame;
	uint8_t type = frame[TASK_TYPE], *reply = slot->reply;
	struct scsi_target *target;
	enum mpt_ioc_status status = type == RESET_BUS ? MPT_SUCCESS : find_target(m, frame, &target);

	mpt_begin_reply(frame, reply, TASK_REPLY_LENGTH, status);
	memcpy(reply, frame, 2);
	reply[TASK_TYPE] = type;
	slot->step = MPT_SLOT_MANAGE;
	if (status == MPT_SUCCESS && (type < ABORT_TASK || type > QUERY_TASK)) {
		reply[TASK_RESPONSE] = TASK_NOT_SUPPORTED;
	} else if (status == MPT_SUCCESS && type == QUERY_TASK) {
		reply[TASK_RESPONSE] = query_task(m, frame);
	} else if (status == MPT_SUCCESS) {
		le32_store(reply + TASK_COUNT, terminate(m, (unsigned)(slot - m->slots)));
		reset_targets(m, frame);
	}
	tell_manager(m, (unsigned)(slot - m->slots));
}
