/* SPDX-License-Identifier: MIT */
/* The system interface: registers, doorbell, FIFOs, resets; and the device itself. */
#include <errno.h>

#include "core/storage/mpt_private.h"

enum mpt_register {
	REG_DOORBELL = 0x00,
	REG_WRITE_SEQUENCE = 0x04,
	REG_HOST_DIAGNOSTIC = 0x08,
	REG_INTERRUPT_STATUS = 0x30,
	REG_INTERRUPT_MASK = 0x34,
	REG_REQUEST_FIFO = 0x40,
	REG_REPLY_FIFO = 0x44,
	REG_HIGH_PRIORITY_FIFO = 0x48,
	REGISTERS = 0x100,
};
#define MEMORY_SIZE 0x20000u /* of both memory BARs, as VMware's; the registers lie at the first one's beginning */

enum doorbell_function { MESSAGE_UNIT_RESET = 0x40, IO_UNIT_RESET = 0x41, HANDSHAKE = 0x42 };
#define DOORBELL_ACTIVE 0x08000000u
enum interrupt_bits { INTERRUPT_DOORBELL = 0x01, INTERRUPT_REPLY = 0x08, INTERRUPT_BITS = 0x09 };
enum diagnostic_bits {
	DIAG_PREVENT_BOOT = 0x200,
	DIAG_WRITE_ENABLE = 0x80,
	DIAG_RESET_HISTORY = 0x20,
	DIAG_RW_ENABLE = 0x10,
	DIAG_RESET_ADAPTER = 0x04,
	DIAG_DISABLE_ARM = 0x02,
};
#define ADDRESS_REPLY 0x80000000u
#define FIFO_EMPTY 0xffffffffu
#define FRAME_ADDRESS 0xfffffffcu /* the low bits of a posted address say how much of the frame to fetch first */

/* ---- FIFOs ---- */

static bool fifo_push(struct mpt_fifo *f, uint32_t value)
{
	if (f->count == MPT_QUEUE)
		return false;
	f->entries[(f->first + f->count++) % MPT_QUEUE] = value;
	return true;
}

static bool fifo_pop(struct mpt_fifo *f, uint32_t *ret_value)
{
	if (!f->count)
		return false;
	*ret_value = f->entries[f->first];
	f->first = (uint16_t)((f->first + 1) % MPT_QUEUE);
	f->count--;
	return true;
}

static void update_interrupt(struct mpt *m)
{
	m->interrupt_status &= ~(uint32_t)INTERRUPT_REPLY;
	if (m->replies.count)
		m->interrupt_status |= INTERRUPT_REPLY;
	pci_set_irq(&m->pci, m->interrupt_status & ~m->interrupt_mask & INTERRUPT_BITS);
}

/* The controller stops, as its firmware does when it cannot go on; only a reset helps. */
static void fail(struct mpt *m, enum mpt_fault fault)
{
	m->state = MPT_FAULT;
	m->fault = fault;
}

/* ---- requests in, replies out ---- */

void mpt_finish(struct mpt *m, struct mpt_slot *slot)
{
	slot->step = MPT_SLOT_REPLY;
	slot->finished = m->finished++;
}

static struct mpt_slot *first_finished(struct mpt *m)
{
	struct mpt_slot *first = NULL;

	for (unsigned i = 0; i < MPT_SLOTS; i++) {
		struct mpt_slot *slot = &m->slots[i];

		if (slot->step == MPT_SLOT_REPLY && (!first || (int32_t)(slot->finished - first->finished) < 0))
			first = slot;
	}
	return first;
}

/* false: it has to wait until the host reads replies or posts frames for them. */
static bool post_reply(struct mpt *m, struct mpt_slot *slot)
{
	uint32_t frame, length = MIN(slot->reply[MPT_MSG_LENGTH] * 4u, MPT_REPLY);

	if (m->replies.count == MPT_QUEUE)
		return false;
	if (slot->turbo) {
		fifo_push(&m->replies, le32_load(slot->frame + MPT_MSG_CONTEXT) & ~ADDRESS_REPLY);
		return true;
	}
	if (!fifo_pop(&m->frames, &frame))
		return false;
	if (device_dma_write(&m->pci.device, mpt_address(m->message_high, frame), slot->reply,
	                     MIN(length, m->reply_frame_size)) < 0) {
		fail(m, MPT_REPLY_BUS_FAULT);
		return false;
	}
	fifo_push(&m->replies, frame >> 1 | ADDRESS_REPLY);
	return true;
}

static void release(struct mpt_slot *slot)
{
	slot->step = MPT_SLOT_FREE;
	slot->turbo = slot->terminated = false;
	slot->manager = 0;
}

static void post_replies(struct mpt *m)
{
	struct mpt_slot *slot;

	while (m->state == MPT_OPERATIONAL && (slot = first_finished(m)) && post_reply(m, slot))
		release(slot);
}

static struct mpt_slot *free_slot(struct mpt *m, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		if (m->slots[i].step == MPT_SLOT_FREE)
			return &m->slots[i];
	return NULL;
}

/* One message, which is in the slot's frame. */
static void start_message(struct mpt *m, struct mpt_slot *slot)
{
	switch (slot->frame[MPT_MSG_FUNCTION]) {
	case MPT_SCSI_IO_REQUEST:
		mpt_io_start(m, slot);
		break;
	case MPT_SCSI_TASK_MGMT:
		mpt_manage_tasks(m, slot);
		break;
	default:
		mpt_message(m, slot->frame, slot->reply);
		mpt_finish(m, slot);
	}
}

/* Fetches the next frame of the queue into a free slot of these. false: there is none, or no place for it. */
static bool start_next(struct mpt *m, struct mpt_fifo *queue, unsigned first, unsigned end)
{
	struct mpt_slot *slot = m->state == MPT_OPERATIONAL && queue->count ? free_slot(m, first, end) : NULL;
	uint32_t low;

	if (!slot || !fifo_pop(queue, &low))
		return false;
	if (device_dma_read(&m->pci.device, mpt_address(m->message_high, low & FRAME_ADDRESS), slot->frame, MPT_FRAME) <
	    0) {
		fail(m, MPT_REQUEST_BUS_FAULT);
		return false;
	}
	start_message(m, slot);
	return true;
}

void mpt_pump(struct mpt *m)
{
	if (m->pumping)
		return;
	m->pumping = true;
	do {
		post_replies(m);
	} while (start_next(m, &m->urgent, MPT_CREDITS, MPT_SLOTS) || start_next(m, &m->requests, 0, MPT_CREDITS));
	m->pumping = false;
	update_interrupt(m);
}

static void post(struct mpt *m, struct mpt_fifo *fifo, uint32_t value)
{
	if (m->state != MPT_OPERATIONAL && fifo != &m->frames)
		return;
	if (!fifo_push(fifo, value))
		fail(m, MPT_REQUEST_OVERFLOW);
	mpt_pump(m);
}

static uint32_t take_reply(struct mpt *m)
{
	uint32_t value = FIFO_EMPTY;

	fifo_pop(&m->replies, &value);
	mpt_pump(m);
	return value;
}

/* ---- resets ---- */

/* Forgets all requests. What they have in flight cannot be called back: the controller is not ready before it is. */
static void reset_unit(struct mpt *m)
{
	for (unsigned i = 0; i < MPT_SLOTS; i++) {
		struct mpt_slot *slot = &m->slots[i];

		if (slot->step == MPT_SLOT_IO) {
			scsi_cancel(&slot->io);
			slot->step = MPT_SLOT_ORPHAN;
			slot->turbo = slot->terminated = false;
			m->orphans++;
		} else if (slot->step != MPT_SLOT_ORPHAN) {
			release(slot);
		}
	}
	m->requests = m->urgent = m->frames = m->replies = (struct mpt_fifo){ 0 };
	m->finished = 0;
	m->fault = 0;
	m->state = m->orphans ? MPT_RESET : MPT_READY;
	m->doorbell = DOORBELL_IDLE;
	m->doorbell_at = m->doorbell_end = 0;
	m->interrupt_status = 0;
	m->who_init = 0;
	m->reply_frame_size = 0;
	m->message_high = m->sense_high = 0;
	m->events = false;
	update_interrupt(m);
}

static void reset_bus(struct mpt *m)
{
	for (unsigned i = 0; i < MPT_TARGETS; i++)
		scsi_target_reset(&m->targets[i], true);
}

static void reset_adapter(struct mpt *m)
{
	m->diagnostic = DIAG_RESET_HISTORY;
	m->sequence = 0;
	m->interrupt_mask = 0;
	mpt_config_defaults(m);
	reset_bus(m);
	reset_unit(m);
}

/* ---- doorbell ---- */

/* The whole message is here. Task management is answered by the reply FIFO, all else by the doorbell. */
static void shake_hands(struct mpt *m)
{
	struct mpt_slot *slot = free_slot(m, MPT_CREDITS, MPT_SLOTS);

	m->doorbell_at = 0;
	m->doorbell = DOORBELL_READ;
	m->interrupt_status |= INTERRUPT_DOORBELL;
	if (m->doorbell_frame[MPT_MSG_FUNCTION] != MPT_SCSI_TASK_MGMT || m->state != MPT_OPERATIONAL || !slot) {
		mpt_message(m, m->doorbell_frame, m->doorbell_reply);
		m->doorbell_end = m->doorbell_reply[MPT_MSG_LENGTH] * 2;
		return;
	}
	m->doorbell = DOORBELL_IDLE;
	memcpy(slot->frame, m->doorbell_frame, MPT_FRAME);
	start_message(m, slot);
}

static void take_doorbell_word(struct mpt *m, uint32_t value)
{
	if (m->doorbell_at < MPT_FRAME / 4)
		le32_store(m->doorbell_frame + m->doorbell_at * 4, value);
	if (++m->doorbell_at == m->doorbell_end)
		shake_hands(m);
}

static void write_doorbell(struct mpt *m, uint32_t value)
{
	if (m->doorbell == DOORBELL_WRITE) {
		take_doorbell_word(m, value);
		mpt_pump(m);
		return;
	}
	switch (value >> 24) {
	case MESSAGE_UNIT_RESET:
		reset_unit(m);
		break;
	case IO_UNIT_RESET:
		reset_bus(m);
		reset_unit(m);
		break;
	case HANDSHAKE:
		if (m->doorbell != DOORBELL_IDLE || !(value >> 16 & 0xff))
			break;
		memset(m->doorbell_frame, 0, sizeof(m->doorbell_frame));
		m->doorbell = DOORBELL_WRITE;
		m->doorbell_at = 0;
		m->doorbell_end = (uint8_t)(value >> 16);
		m->interrupt_status |= INTERRUPT_DOORBELL;
		update_interrupt(m);
		break;
	}
}

/* Each read brings the next 16 bits of the reply, whether the host acknowledges the interrupt between them or not. */
static uint32_t read_doorbell(struct mpt *m)
{
	uint32_t value = (uint32_t)m->state << 28 | (uint32_t)m->who_init << 24 | m->fault;

	if (m->doorbell == DOORBELL_WRITE)
		value |= DOORBELL_ACTIVE;
	if (m->doorbell != DOORBELL_READ)
		return value;
	value = (value & ~0xffffu) | DOORBELL_ACTIVE;
	if (m->doorbell_at < m->doorbell_end)
		value |= le16_load(m->doorbell_reply + m->doorbell_at++ * 2);
	return value;
}

/* While a reply is read the interrupt stands again for each part of it, and once more at its end. */
static void write_interrupt_status(struct mpt *m)
{
	if (m->doorbell != DOORBELL_READ)
		m->interrupt_status &= ~(uint32_t)INTERRUPT_DOORBELL;
	else if (m->doorbell_at == m->doorbell_end)
		m->doorbell = DOORBELL_IDLE;
	update_interrupt(m);
}

/* ---- diagnostic registers ---- */

static void write_sequence(struct mpt *m, uint32_t value)
{
	static const uint8_t keys[] = { 0x4, 0xb, 0x2, 0x7, 0xd };

	if ((value & 0x0f) != keys[m->sequence]) {
		m->diagnostic &= ~(uint32_t)DIAG_WRITE_ENABLE;
		m->sequence = 0;
	}
	if ((value & 0x0f) != keys[m->sequence] || ++m->sequence < ARRAY_SIZE(keys))
		return;
	m->diagnostic |= DIAG_WRITE_ENABLE;
	m->sequence = 0;
}

static void write_diagnostic(struct mpt *m, uint32_t value)
{
	const uint32_t writable = DIAG_PREVENT_BOOT | DIAG_RW_ENABLE | DIAG_DISABLE_ARM;

	if (!(m->diagnostic & DIAG_WRITE_ENABLE))
		return;
	if (value & DIAG_RESET_ADAPTER) {
		reset_adapter(m);
		return;
	}
	m->diagnostic = (m->diagnostic & ~(writable | DIAG_RESET_HISTORY)) | (value & writable) |
	                (m->diagnostic & value & DIAG_RESET_HISTORY);
}

/* ---- registers ---- */

static uint64_t register_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct mpt *m = (struct mpt *)d;
	unsigned shift = 8 * (unsigned)(offset & 3);
	uint32_t value = 0;

	(void)r, (void)size;
	switch (offset & ~3ull) {
	case REG_DOORBELL:
		value = read_doorbell(m);
		break;
	case REG_HOST_DIAGNOSTIC:
		value = m->diagnostic;
		break;
	case REG_INTERRUPT_STATUS:
		value = m->interrupt_status;
		break;
	case REG_INTERRUPT_MASK:
		value = m->interrupt_mask;
		break;
	case REG_REPLY_FIFO:
		value = take_reply(m);
		break;
	}
	return value >> shift;
}

/* Registers are written as double words, or not at all. */
static void register_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct mpt *m = (struct mpt *)d;
	uint32_t v = (uint32_t)value;

	(void)r;
	if (size != 4)
		return;
	switch (offset) {
	case REG_DOORBELL:
		write_doorbell(m, v);
		break;
	case REG_WRITE_SEQUENCE:
		write_sequence(m, v);
		break;
	case REG_HOST_DIAGNOSTIC:
		write_diagnostic(m, v);
		break;
	case REG_INTERRUPT_STATUS:
		write_interrupt_status(m);
		break;
	case REG_INTERRUPT_MASK:
		m->interrupt_mask = v & INTERRUPT_BITS;
		update_interrupt(m);
		break;
	case REG_REQUEST_FIFO:
		post(m, &m->requests, v);
		break;
	case REG_REPLY_FIFO:
		post(m, &m->frames, v);
		break;
	case REG_HIGH_PRIORITY_FIFO:
		post(m, &m->urgent, v);
		break;
	}
}

static const struct region_ops register_ops = { .read = register_read, .write = register_write };

/* The window to the controller's own memory: nothing runs in there. */
static uint64_t diagnostic_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	(void)d, (void)r, (void)offset, (void)size;
	return 0;
}

static void diagnostic_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	(void)d, (void)r, (void)offset, (void)size, (void)value;
}

static const struct region_ops diagnostic_ops = { .read = diagnostic_read, .write = diagnostic_write };

/* ---- CD drives ---- */

static struct scsi_target *target_of(struct device *d, const struct block *b)
{
	struct mpt *m = (struct mpt *)d;

	for (unsigned i = 0; i < MPT_TARGETS; i++)
		if (m->targets[i].block == b)
			return &m->targets[i];
	return NULL;
}

static void medium_changed(struct device *d, struct block *b)
{
	struct scsi_target *t = target_of(d, b);

	if (t)
		atapi_medium_changed(&t->cd);
}

static void eject_request(struct device *d, struct block *b)
{
	struct scsi_target *t = target_of(d, b);

	if (t)
		atapi_eject_request(&t->cd);
}

static const struct block_drive_ops drive_ops = { .medium_changed = medium_changed, .eject_request = eject_request };

/* ---- the device ---- */

static void add_regions(struct mpt *m)
{
	m->ports = (struct region){ .name = "mpt ports", .ops = &register_ops, .size = REGISTERS };
	m->registers = (struct region){ .name = "mpt registers", .ops = &register_ops, .size = MEMORY_SIZE };
	m->diagnostic_memory =
		(struct region){ .name = "mpt diagnostic memory", .ops = &diagnostic_ops, .size = MEMORY_SIZE };
	pci_add_bar(&m->pci, 0, PCI_BAR_IO, &m->ports, NULL);
	pci_add_bar(&m->pci, 1, PCI_BAR_MEMORY64, &m->registers, NULL);
	pci_add_bar(&m->pci, 3, PCI_BAR_MEMORY64, &m->diagnostic_memory, NULL);
}

static int mpt_create(struct device *d, const struct device_config *config, struct error *e)
{
	const struct mpt_config *told = config->extra;
	struct mpt *m = (struct mpt *)d;
	struct pci_identity identity = { .vendor = 0x1000,
		                         .device = d->class == &mpt_sas_class ? 0x0054 : 0x0030,
		                         .subsystem_vendor = told->subsystem_vendor,
		                         .subsystem = told->subsystem,
		                         .class_code = 0x010000,
		                         .revision = 1,
		                         .interrupt_pin = 1 };
	int r = pci_device_init(&m->pci, config, &identity, e);

	if (r < 0)
		return r;
	m->sas = d->class == &mpt_sas_class;
	add_regions(m);
	for (unsigned i = 0; i < MPT_TARGETS; i++) {
		struct block *block = i == MPT_HOST_ID ? NULL : config->blocks[i];

		scsi_target_init(&m->targets[i], d, block, told->cdrom[i]);
		if (block && told->cdrom[i])
			block_set_drive(block, d, &drive_ops);
	}
	return 0;
}

static void mpt_destroy(struct device *d)
{
	struct mpt *m = (struct mpt *)d;

	for (unsigned i = 0; i < MPT_TARGETS; i++) {
		struct scsi_target *t = &m->targets[i];

		if (t->block && t->cdrom)
			block_set_drive(t->block, NULL, NULL);
		if (t->block)
			block_drain(t->block);
	}
}

static void mpt_reset(struct device *d)
{
	struct mpt *m = (struct mpt *)d;

	pci_device_reset(&m->pci);
	reset_adapter(m);
	m->diagnostic = 0;
	for (unsigned i = 0; i < MPT_TARGETS; i++)
		scsi_target_power_on(&m->targets[i]);
}

static void mpt_resume(struct device *d)
{
	struct mpt *m = (struct mpt *)d;

	m->pumping = true; /* nothing new before all that was under way has begun again */
	for (unsigned i = 0; i < MPT_SLOTS; i++)
		if (m->slots[i].step == MPT_SLOT_IO && !m->slots[i].io.in_flight)
			mpt_io_again(m, &m->slots[i]);
	m->pumping = false;
	mpt_pump(m);
}

/* ---- state ---- */

static void fifo_state(struct mpt_fifo *f, struct state *s, const char *name)
{
	uint8_t raw[MPT_QUEUE * 4];
	size_t length = f->count * 4u;

	for (unsigned i = 0; i < f->count; i++)
		le32_store(raw + 4 * i, f->entries[(f->first + i) % MPT_QUEUE]);
	state_buffer(s, name, raw, &length, sizeof(raw));
	if (!state_loading(s) || state_error(s))
		return;
	*f = (struct mpt_fifo){ .count = (uint16_t)(length / 4) };
	for (unsigned i = 0; i < f->count; i++)
		f->entries[i] = le32_load(raw + 4 * i);
}

static bool slot_is_sane(const struct mpt_slot *slot)
{
	if (slot->step >= MPT_SLOT_STEPS || slot->manager >= MPT_SLOTS)
		return false;
	if (slot->step == MPT_SLOT_IO)
		return slot->frame[MPT_MSG_FUNCTION] == MPT_SCSI_IO_REQUEST;
	return slot->step != MPT_SLOT_ORPHAN; /* a load has nothing in flight */
}

static void slot_state(struct mpt_slot *slot, struct state *s)
{
	uint8_t step = slot->step == MPT_SLOT_ORPHAN ? MPT_SLOT_FREE : slot->step;

	if (state_loading(s) && slot->io.in_flight)
		state_fail(s, -EBUSY, "request"); /* drained first, by whoever loads */
	state_u8(s, "step", &step);
	if (state_loading(s) && !state_error(s))
		slot->step = step;
	if (step == MPT_SLOT_FREE)
		return;
	state_bool(s, "turbo", &slot->turbo);
	state_bool(s, "terminated", &slot->terminated);
	state_u8(s, "manager", &slot->manager);
	state_u32(s, "finished", &slot->finished);
	state_bytes(s, "frame", slot->frame, sizeof(slot->frame));
	state_bytes(s, "reply", slot->reply, sizeof(slot->reply));
}

static void register_state(struct mpt *m, struct state *s)
{
	uint8_t state = m->orphans && m->state == MPT_RESET ? MPT_READY : m->state; /* a load has no orphans */

	state_u8(s, "ioc_state", &state);
	m->state = state_loading(s) ? state : m->state;
	state_u16(s, "fault", &m->fault);
	state_u8(s, "sequence", &m->sequence);
	state_u32(s, "diagnostic", &m->diagnostic);
	state_u32(s, "interrupt_status", &m->interrupt_status);
	state_u32(s, "interrupt_mask", &m->interrupt_mask);
	state_u8(s, "doorbell", &m->doorbell);
	state_u8(s, "doorbell_at", &m->doorbell_at);
	state_u8(s, "doorbell_end", &m->doorbell_end);
	state_bytes(s, "doorbell_frame", m->doorbell_frame, sizeof(m->doorbell_frame));
	state_bytes(s, "doorbell_reply", m->doorbell_reply, sizeof(m->doorbell_reply));
	fifo_state(&m->requests, s, "requests");
	fifo_state(&m->urgent, s, "urgent");
	fifo_state(&m->frames, s, "frames");
	fifo_state(&m->replies, s, "replies");
	state_u8(s, "who_init", &m->who_init);
	state_u16(s, "reply_frame_size", &m->reply_frame_size);
	state_u32(s, "message_high", &m->message_high);
	state_u32(s, "sense_high", &m->sense_high);
	state_bool(s, "events", &m->events);
	state_bytes(s, "pages", m->store, sizeof(m->store));
	state_u32(s, "finished", &m->finished);
}

/* Everything that later code uses as an index or a length without looking again. */
static bool is_sane(const struct mpt *m)
{
	bool reading = m->doorbell == DOORBELL_READ;

	if (m->state > MPT_FAULT || m->sequence > 4 || m->doorbell > DOORBELL_READ || m->who_init > 7)
		return false;
	if (m->doorbell != DOORBELL_IDLE && m->doorbell_at >= m->doorbell_end + (reading ? 1 : 0))
		return false;
	if (reading && m->doorbell_end > MPT_REPLY / 2)
		return false;
	for (unsigned i = 0; i < MPT_SLOTS; i++)
		if (!slot_is_sane(&m->slots[i]))
			return false;
	return true;
}

static int mpt_state(struct device *d, struct state *s)
{
	struct mpt *m = (struct mpt *)d;

	pci_device_state(&m->pci, s);
	register_state(m, s);
	for (unsigned i = 0; i < MPT_TARGETS; i++)
		scsi_target_state(&m->targets[i], s);
	for (unsigned i = 0; i < MPT_SLOTS; i++)
		slot_state(&m->slots[i], s);
	if (state_loading(s) && (state_error(s) || !is_sane(m))) {
		state_fail(s, -EINVAL, "slots");
		for (unsigned i = 0; i < MPT_SLOTS; i++)
			if (!m->slots[i].io.in_flight)
				m->slots[i].step = MPT_SLOT_FREE;
		mpt_reset(d); /* whoever goes on after a refused load finds a device in order */
	}
	return state_error(s);
}

const struct device_class mpt_spi_class = {
	.name = "lsilogic",
	.summary = "LSI53C1030, Fusion-MPT parallel SCSI controller",
	.size = sizeof(struct mpt),
	.state_version = 1,
	.create = mpt_create,
	.destroy = mpt_destroy,
	.reset = mpt_reset,
	.resume = mpt_resume,
	.state = mpt_state,
};

const struct device_class mpt_sas_class = {
	.name = "lsisas1068",
	.summary = "SAS1068, Fusion-MPT serial attached SCSI controller",
	.size = sizeof(struct mpt),
	.state_version = 1,
	.create = mpt_create,
	.destroy = mpt_destroy,
	.reset = mpt_reset,
	.resume = mpt_resume,
	.state = mpt_state,
};
