/* SPDX-License-Identifier: MIT */
/*
 * Transmission (SDM 3.3 to 3.5): descriptors of three kinds add up to packets, which get their checksums and VLAN tag or are cut
 * into TCP segments.
 *
 * A ring may hold 65,528 descriptors, and one packet of a megabyte may be cut into as many frames: a callback does a bounded
 * share and leaves the rest to a timer, at any byte of any descriptor.
 */
#include <errno.h>

#include "core/net/e1000_private.h"

#define DESCRIPTOR_SIZE 16u
#define ADDRESSES 12u
#define VLAN_TAG 4u
#define FCS 4u
#define SEGMENT_HEADER_MIN 14u

/* What one callback may cost, counted in bytes copied: a quarter of a millisecond or so. Descriptors and frames cost the time that
 * as many bytes would. */
#define BUDGET (128 << 10)
#define DESCRIPTOR_COST 64
#define FRAME_COST 512

struct work {
	int budget;
	uint32_t causes;
	bool delayed; /* a descriptor asked for an interrupt that may wait */
};

static uint8_t command_of(const struct e1000_descriptor *d)
{
	return (uint8_t)(d->lower >> 24);
}

static bool is_extended(const struct e1000_descriptor *d)
{
	return command_of(d) & TXD_DEXT;
}

static bool is_type(const struct e1000_descriptor *d, unsigned type)
{
	return is_extended(d) && (d->lower >> 20 & 0xf) == type;
}

/* Bytes it adds to a packet. One with a null address adds none (SDM 3.3.3). */
static uint32_t length_of(const struct e1000_descriptor *d)
{
	if (!d->address)
		return 0;
	return is_extended(d) ? d->lower & 0xfffff : d->lower & 0xffff;
}

/* ---- frames ---- */

static void count_frame(struct e1000 *e, const uint8_t *frame, uint32_t length)
{
	e1000_count(e, GPTC);
	e1000_count(e, TPT);
	e1000_count_bytes(e, GOTCL, length + FCS);
	e1000_count_bytes(e, TOTL, length + FCS);
	e1000_count_size(e, PTC64, length);
	if (le32_load(frame) == UINT32_MAX && le16_load(frame + 4) == UINT16_MAX)
		e1000_count(e, BPTC);
	else if (frame[0] & 1)
		e1000_count(e, MPTC);
}

/* tx->data becomes a frame on the wire. Short ones are padded whatever TCTL.PSP says: a runt would reach nobody. */
static void send_frame(struct e1000 *e, struct work *work)
{
	struct e1000_tx *tx = &e->tx;
	uint8_t *frame = tx->data;
	uint32_t length = tx->length;

	work->budget -= FRAME_COST;
	if (tx->tagged && length >= ADDRESSES) {
		frame = tx->room;
		memmove(frame, tx->data, ADDRESSES);
		be16_store(frame + ADDRESSES, (uint16_t)e1000_get(e, VET));
		be16_store(frame + ADDRESSES + 2, tx->tag);
		length += VLAN_TAG;
	}
	if (length < E1000_FRAME_MIN) {
		memset(frame + length, 0, E1000_FRAME_MIN - length);
		length = E1000_FRAME_MIN;
	}
	count_frame(e, frame, length);
	if (e1000_loopback(e)) {
		if (!e1000_receive(e, frame, length)) /* nobody keeps it */
			e1000_count(e, MPC);
	} else if (e->net) {
		net_port_send(e->net, &(struct iovec){ .iov_base = frame, .iov_len = length }, 1);
	}
}

static void send_segment(struct e1000 *e, struct work *work)
{
	struct e1000_tx *tx = &e->tx;
	const struct e1000_context *c = &tx->contexts[1];
	uint32_t payload = tx->length - tx->header;
	bool udp = !(c->tucmd & TXD_TUCMD_TCP);

	e1000_segment_headers(tx, payload, tx->sent + payload >= tx->payload);
	if (tx->popts & TXD_POPTS_IXSM)
		e1000_insert_checksum(tx->data, tx->length, c->ipcss, c->ipcso, c->ipcse, false);
	if (tx->popts & TXD_POPTS_TXSM)
		e1000_insert_checksum(tx->data, tx->length, c->tucss, c->tucso, c->tucse, udp);
	send_frame(e, work);
	tx->segments++;
	tx->sent += payload;
	tx->length = tx->header;
}

static void send_packet(struct e1000 *e, struct work *work)
{
	struct e1000_tx *tx = &e->tx;
	const struct e1000_context *c = &tx->contexts[0];
	const struct e1000_descriptor *d = &tx->current;
	uint8_t command = command_of(d);

	if (!is_extended(d) && command & TXD_IC)
		e1000_insert_checksum(tx->data, tx->length, d->upper >> 8 & 0xff, d->lower >> 16 & 0xff, 0, false);
	if (tx->popts & TXD_POPTS_IXSM)
		e1000_insert_checksum(tx->data, tx->length, c->ipcss, c->ipcso, c->ipcse, false);
	if (tx->popts & TXD_POPTS_TXSM)
		e1000_insert_checksum(tx->data, tx->length, c->tucss, c->tucso, c->tucse, !(c->tucmd & TXD_TUCMD_TCP));
	tx->tagged = command & TXD_VLE && e1000_get(e, CTRL) & CTRL_VME;
	tx->tag = (uint16_t)(d->upper >> 16);
	send_frame(e, work);
}

/* ---- packets ---- */

static void begin_packet(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;
	const struct e1000_descriptor *d = &tx->current;
	const struct e1000_context *c = &tx->contexts[1];

	tx->open = true;
	tx->lost = tx->tagged = false;
	tx->length = tx->sent = tx->segments = 0;
	tx->popts = is_extended(d) ? (uint8_t)(d->upper >> 8) : 0;
	tx->segmented = is_extended(d) && command_of(d) & TXD_TSE;
	if (!tx->segmented)
		return;
	tx->header = c->hdrlen;
	tx->mss = c->mss;
	tx->payload = c->paylen;
	/* VLE counts in the first descriptor here, in the last of other packets (SDM 3.3.7.1). */
	tx->tagged = command_of(d) & TXD_VLE && e1000_get(e, CTRL) & CTRL_VME;
	tx->tag = (uint16_t)(d->upper >> 16);
	tx->lost = !tx->mss || tx->header < SEGMENT_HEADER_MIN || tx->header + tx->mss > E1000_FRAME_MAX;
	e1000_count(e, tx->lost ? TSCTFC : TSCTC);
}

static void end_packet(struct e1000 *e, struct work *work)
{
	struct e1000_tx *tx = &e->tx;

	tx->open = false;
	if (tx->lost || !tx->length)
		return;
	if (!tx->segmented)
		send_packet(e, work);
	else if (tx->length > tx->header)
		send_segment(e, work);
}

/* How much tx->data takes before something must be done with it. */
static uint32_t wanted(const struct e1000_tx *tx)
{
	if (!tx->segmented)
		return E1000_FRAME_MAX - tx->length;
	return tx->length < tx->header ? tx->header - tx->length : tx->header + tx->mss - tx->length;
}

/* The next bytes of the current descriptor. */
static void take(struct e1000 *e, struct work *work)
{
	struct e1000_tx *tx = &e->tx;
	uint32_t left = length_of(&tx->current) - tx->taken, n = MIN(left, wanted(tx));

	if (!n || device_dma_read(&e->pci.device, tx->current.address + tx->taken, tx->data + tx->length, n) < 0) {
		tx->lost = true;
		return;
	}
	work->budget -= (int)n;
	tx->taken += n;
	tx->length += n;
	if (!tx->segmented)
		return;
	if (tx->length == tx->header)
		memcpy(tx->prototype, tx->data, tx->header);
	else if (tx->length == tx->header + tx->mss)
		send_segment(e, work);
}

static void load_context(struct e1000_tx *tx)
{
	const struct e1000_descriptor *d = &tx->current;
	uint8_t command = command_of(d);

	tx->contexts[!!(command & TXD_TSE)] = (struct e1000_context){
		.ipcss = (uint8_t)d->address,
		.ipcso = (uint8_t)(d->address >> 8),
		.ipcse = (uint16_t)(d->address >> 16),
		.tucss = (uint8_t)(d->address >> 32),
		.tucso = (uint8_t)(d->address >> 40),
		.tucse = (uint16_t)(d->address >> 48),
		.paylen = d->lower & 0xfffff,
		.tucmd = command,
		.hdrlen = (uint8_t)(d->upper >> 8),
		.mss = (uint16_t)(d->upper >> 16),
	};
}

/* ---- descriptors ---- */

static uint64_t descriptor_address(const struct e1000 *e)
{
	return (e1000_get(e, TDBAL) | (uint64_t)e1000_get(e, TDBAH) << 32) +
	       (uint64_t)e1000_get(e, TDH) * DESCRIPTOR_SIZE;
}

/* false: nothing to send. A tail beyond the ring would never be reached: nothing is sent until the guest corrects it. */
static bool fetch(struct e1000 *e)
{
	uint32_t count = e1000_get(e, TDLEN) / DESCRIPTOR_SIZE, tail = e1000_get(e, TDT);
	struct e1000_tx *tx = &e->tx;
	uint8_t raw[DESCRIPTOR_SIZE];

	if (!(e1000_get(e, TCTL) & TCTL_EN) || tail >= count)
		return false;
	if (e1000_get(e, TDH) >= count)
		*e1000_reg(e, TDH) = 0;
	if (e1000_get(e, TDH) == tail)
		return false;
	device_dma_read(&e->pci.device, descriptor_address(e), raw, sizeof(raw));
	tx->current = (struct e1000_descriptor){ le64_load(raw), le32_load(raw + 8), le32_load(raw + 12) };
	tx->taken = 0;
	tx->busy = true;
	return true;
}

/* RS asks for DD; only the status byte's word is written, as the driver may look at no other. */
static void complete(struct e1000 *e, struct work *work)
{
	uint32_t count = e1000_get(e, TDLEN) / DESCRIPTOR_SIZE, *head = e1000_reg(e, TDH);
	struct e1000_tx *tx = &e->tx;
	uint8_t command = command_of(&tx->current), raw[4];

	tx->busy = false;
	if (command & TXD_RS) {
		le32_store(raw, tx->current.upper | TXD_STA_DD);
		device_dma_write(&e->pci.device, descriptor_address(e) + 12, raw, sizeof(raw));
		if (command & TXD_IDE)
			work->delayed = true;
		else
			work->causes |= INT_TXDW;
	}
	*head = *head + 1 >= count ? 0 : *head + 1;
	if (*head == e1000_get(e, TDT))
		work->causes |= INT_TXQE;
}

/* One descriptor, or what the budget allows of it. */
static void advance(struct e1000 *e, struct work *work)
{
	struct e1000_tx *tx = &e->tx;
	bool data = !is_extended(&tx->current) || is_type(&tx->current, TXD_DTYP_DATA);

	work->budget -= DESCRIPTOR_COST;
	if (is_type(&tx->current, TXD_DTYP_CONTEXT))
		load_context(tx);
	if (data && !tx->open)
		begin_packet(e);
	while (data && !tx->lost && tx->taken < length_of(&tx->current)) {
		if (work->budget <= 0)
			return;
		take(e, work);
	}
	if (data && command_of(&tx->current) & TXD_EOP)
		end_packet(e, work);
	complete(e, work);
}

static void run(struct e1000 *e)
{
	struct work work = { .budget = BUDGET };
	struct device *d = &e->pci.device;

	while (work.budget > 0 && (e->tx.busy || fetch(e)))
		advance(e, &work);
	if (work.causes & INT_TXDW)
		e1000_tx_interrupt(e, false);
	else if (work.delayed)
		e1000_tx_interrupt(e, true);
	if (work.causes & INT_TXQE)
		e1000_raise(e, INT_TXQE);
	if (work.budget <= 0)
		timer_set(d->board->clock, &e->tx_more, device_now(d));
}

static void go_on(struct device *d, struct timer *t)
{
	(void)t;
	run((struct e1000 *)d);
}

void e1000_tx_kick(struct e1000 *e)
{
	if (e->tx_more.deadline == TIMER_OFF)
		run(e);
}

/* ---- the part's life ---- */

void e1000_tx_init(struct e1000 *e)
{
	timer_init(&e->tx_more, &e->pci.device, go_on);
}

void e1000_tx_abandon(struct e1000 *e)
{
	e->tx.busy = e->tx.open = false;
	e->tx.taken = 0;
	timer_set(e->pci.device.board->clock, &e->tx_more, TIMER_OFF);
}

void e1000_tx_reset(struct e1000 *e)
{
	e1000_tx_abandon(e);
	e->tx = (struct e1000_tx){ 0 };
}

static void context_state(struct e1000_context *c, struct state *s)
{
	state_u8(s, "ipcss", &c->ipcss);
	state_u8(s, "ipcso", &c->ipcso);
	state_u16(s, "ipcse", &c->ipcse);
	state_u8(s, "tucss", &c->tucss);
	state_u8(s, "tucso", &c->tucso);
	state_u16(s, "tucse", &c->tucse);
	state_u32(s, "paylen", &c->paylen);
	state_u8(s, "tucmd", &c->tucmd);
	state_u8(s, "hdrlen", &c->hdrlen);
	state_u16(s, "mss", &c->mss);
}

static bool is_sane(const struct e1000_tx *tx)
{
	if (tx->length > E1000_FRAME_MAX || (tx->busy && tx->taken > length_of(&tx->current)))
		return false;
	if (!tx->open || !tx->segmented || tx->lost)
		return true;
	return tx->mss && tx->header >= SEGMENT_HEADER_MIN && tx->header + tx->mss <= E1000_FRAME_MAX &&
	       tx->length < (uint32_t)tx->header + tx->mss && (tx->length >= tx->header || !tx->segments);
}

void e1000_tx_state(struct e1000 *e, struct state *s)
{
	struct e1000_tx *tx = &e->tx;

	for (unsigned i = 0; i < ARRAY_SIZE(tx->contexts); i++)
		context_state(&tx->contexts[i], s);
	state_u64(s, "tx.descriptor.address", &tx->current.address);
	state_u32(s, "tx.descriptor.lower", &tx->current.lower);
	state_u32(s, "tx.descriptor.upper", &tx->current.upper);
	state_u32(s, "tx.taken", &tx->taken);
	state_bool(s, "tx.busy", &tx->busy);
	state_bool(s, "tx.open", &tx->open);
	state_bool(s, "tx.segmented", &tx->segmented);
	state_bool(s, "tx.lost", &tx->lost);
	state_bool(s, "tx.tagged", &tx->tagged);
	state_u8(s, "tx.popts", &tx->popts);
	state_u16(s, "tx.tag", &tx->tag);
	state_u32(s, "tx.length", &tx->length);
	state_u32(s, "tx.segments", &tx->segments);
	state_u32(s, "tx.sent", &tx->sent);
	state_u32(s, "tx.payload", &tx->payload);
	state_u16(s, "tx.mss", &tx->mss);
	state_u8(s, "tx.header", &tx->header);
	if (!is_sane(tx)) {
		e->tx = (struct e1000_tx){ 0 };
		state_fail(s, -EINVAL, "tx");
	}
	state_bytes(s, "tx.prototype", tx->prototype, sizeof(tx->prototype));
	state_bytes(s, "tx.data", tx->data, tx->length);
	timer_state(e->pci.device.board->clock, s, "tx.more", &e->tx_more);
}
