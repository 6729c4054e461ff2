/* SPDX-License-Identifier: MIT */
/*
 * Reception (SDM 3.2): filters, the frame in one or more of the guest's buffers, its descriptors, the interrupt.
 *
 * A frame that finds no buffers stays with net_port, as it would in the chip's packet memory; e1000_rx_ready() asks for it again.
 */
#include <libdeflate.h>
#include <stdatomic.h>

#include "core/net/e1000_private.h"
#include "core/net/inet_sum.h"

#define DESCRIPTOR_SIZE 16u
#define ETHERNET_ADDRESSES 12u
#define VLAN_TAG 4u
#define VLAN_CFI 0x1000u
#define FCS 4u
#define LENGTH_MAX 1522u /* with FCS, unless RCTL.LPE */

/* A frame as it goes to the guest, in up to two pieces (a VLAN tag between them is taken out) and FCS. */
struct arrival {
	const uint8_t *data;
	uint32_t length; /* bytes in data, padding included */
	uint32_t total;  /* bytes for the guest */
	uint8_t pieces[E1000_FRAME_MAX + FCS];
	uint8_t status, errors;
	uint16_t sum, special;
};

/* ---- filters ---- */

static bool exact_match(const struct e1000 *e, const uint8_t *frame)
{
	for (unsigned at = RAL; at < RAH_LAST; at += 8) {
		uint32_t low = e1000_get(e, at), high = e1000_get(e, at + 4);
		const uint8_t *address = high & RAH_AS_SOURCE ? frame + 6 : frame;

		if (high & RAH_AV && low == le32_load(address) && (high & 0xffff) == le16_load(address + 4))
			return true;
	}
	return false;
}

/* Twelve bits of the address choose one of 4,096 bits; which twelve, RCTL.MO says (SDM table 13-67). */
static bool multicast_match(const struct e1000 *e, const uint8_t *frame)
{
	static const uint8_t shifts[] = { 4, 3, 2, 0 };
	unsigned hash = le16_load(frame + 4) >> shifts[e1000_get(e, RCTL) >> 12 & 3] & 0xfff;

	return e1000_get(e, MTA + hash / 32 * 4) >> hash % 32 & 1;
}

static bool is_broadcast(const uint8_t *frame)
{
	return le32_load(frame) == UINT32_MAX && le16_load(frame + 4) == UINT16_MAX;
}

static bool address_accepted(const struct e1000 *e, const uint8_t *frame, uint8_t *ret_status)
{
	uint32_t rctl = e1000_get(e, RCTL);

	if (exact_match(e, frame))
		return true;
	if (is_broadcast(frame) && rctl & RCTL_BAM)
		return true;
	*ret_status |= RXD_PIF;
	if (frame[0] & 1)
		return rctl & RCTL_MPE || multicast_match(e, frame);
	return rctl & RCTL_UPE;
}

static bool is_tagged(const struct e1000 *e, const uint8_t *frame)
{
	return be16_load(frame + ETHERNET_ADDRESSES) == e1000_get(e, VET);
}

static bool vlan_accepted(const struct e1000 *e, const uint8_t *frame)
{
	uint32_t rctl = e1000_get(e, RCTL);
	unsigned tag = be16_load(frame + ETHERNET_ADDRESSES + 2);

	if (!(rctl & RCTL_VFE) || !is_tagged(e, frame))
		return true;
	if (rctl & RCTL_CFIEN && !(tag & VLAN_CFI) != !(rctl & RCTL_CFI))
		return false;
	return e1000_get(e, VFTA + (tag & 0xfff) / 32 * 4) >> tag % 32 & 1;
}

/* ---- buffers ---- */

static uint32_t buffer_size(const struct e1000 *e)
{
	uint32_t rctl = e1000_get(e, RCTL), size = 2048u >> (rctl >> 16 & 3);

	/* BSEX: 16 times as much; of 2,048 bytes that is reserved (SDM table 13-67). */
	return rctl & RCTL_BSEX && size < 2048 ? size * 16 : size;
}

/* Descriptors that the guest has given. A head or tail beyond the ring is the guest's mistake: such a head starts again, and such
 * a tail is never reached. */
static uint32_t available(struct e1000 *e, uint32_t count)
{
	uint32_t tail = e1000_get(e, RDT);

	if (e1000_get(e, RDH) >= count)
		*e1000_reg(e, RDH) = 0;
	return tail >= count ? count : (tail + count - e1000_get(e, RDH)) % count;
}

static void fill_descriptor(struct e1000 *e, uint64_t at, const struct arrival *a, uint32_t offset, uint32_t length)
{
	struct device *d = &e->pci.device;
	uint8_t raw[DESCRIPTOR_SIZE];
	bool last = offset + length == a->total;

	device_dma_read(d, at, raw, sizeof(raw));
	device_dma_write(d, le64_load(raw), a->data + offset, length);
	le16_store(raw + 8, (uint16_t)length);
	le16_store(raw + 10, a->sum);
	raw[12] = RXD_DD | (last ? a->status | RXD_EOP : a->status & RXD_VP);
	raw[13] = last ? a->errors : 0;
	le16_store(raw + 14, a->special);
	/* The driver looks at DD alone: the data must be there first. */
	atomic_thread_fence(memory_order_release);
	device_dma_write(d, at + 8, raw + 8, 8);
}

static void store_frame(struct e1000 *e, const struct arrival *a, uint32_t count)
{
	uint64_t base = e1000_get(e, RDBAL) | (uint64_t)e1000_get(e, RDBAH) << 32;
	uint32_t size = buffer_size(e), *head = e1000_reg(e, RDH);

	for (uint32_t offset = 0; offset < a->total; offset += size) {
		fill_descriptor(e, base + *head * DESCRIPTOR_SIZE, a, offset, MIN(size, a->total - offset));
		*head = *head + 1 >= count ? 0 : *head + 1;
	}
}

/* ---- frames ---- */

/* Pads, takes the tag out, adds the FCS, checks what RXCSUM asks for. */
static void prepare(const struct e1000 *e, struct arrival *a, const uint8_t *frame, uint32_t length)
{
	uint32_t rxcsum = e1000_get(e, RXCSUM), start = rxcsum & RXCSUM_PCSS;
	uint32_t wire = MAX(length, E1000_FRAME_MIN);
	uint8_t checked = 0;
	uint8_t *out = a->pieces;

	memcpy(out, frame, length);
	memset(out + length, 0, wire - length);
	if (!(e1000_get(e, RCTL) & RCTL_SECRC))
		le32_store(out + wire, libdeflate_crc32(0, out, wire));
	a->total = e1000_get(e, RCTL) & RCTL_SECRC ? wire : wire + FCS;
	e1000_verify_checksums(rxcsum, (uint16_t)e1000_get(e, VET), out, wire, &checked, &a->errors);
	a->status |= checked ? checked : RXD_IXSM;
	if (e1000_get(e, CTRL) & CTRL_VME && is_tagged(e, out)) {
		a->status |= RXD_VP;
		a->special = be16_load(out + ETHERNET_ADDRESSES + 2);
		memmove(out + VLAN_TAG, out, ETHERNET_ADDRESSES);
		out += VLAN_TAG;
		a->total -= VLAN_TAG;
		wire -= VLAN_TAG;
	}
	a->data = out;
	a->sum = start < wire ? inet_fold(inet_sum(out + start, wire - start)) : 0;
}

static void count_frame(struct e1000 *e, const uint8_t *frame, uint32_t length)
{
	e1000_count(e, GPRC);
	e1000_count_bytes(e, GORCL, length + FCS);
	e1000_count_size(e, PRC64, length);
	if (is_broadcast(frame))
		e1000_count(e, BPRC);
	else if (frame[0] & 1)
		e1000_count(e, MPRC);
}

/* RCTL.RDMTS: a half, quarter or eighth of the ring's descriptors are left. */
static bool runs_short(struct e1000 *e, uint32_t count)
{
	return available(e, count) <= count >> (1 + MIN(e1000_get(e, RCTL) >> 8 & 3, 2u));
}

/* false: wait. The ring that could never hold this frame loses it. */
static bool has_room(struct e1000 *e, uint32_t total, uint32_t count, bool *ret_drop)
{
	uint32_t needed = (total + buffer_size(e) - 1) / buffer_size(e);

	*ret_drop = needed >= count;
	if (*ret_drop)
		e1000_count(e, MPC);
	return !*ret_drop && needed <= available(e, count);
}

static void refuse(struct e1000 *e)
{
	if (e->rx_refused)
		return;
	e->rx_refused = true;
	e1000_count(e, RNBC);
	e1000_raise(e, INT_RXO);
}

bool e1000_receive(struct e1000 *e, const uint8_t *frame, size_t length)
{
	uint32_t rctl = e1000_get(e, RCTL), count = e1000_get(e, RDLEN) / DESCRIPTOR_SIZE;
	uint32_t wire = (uint32_t)MAX(length, E1000_FRAME_MIN);
	struct arrival a;
	bool drop;

	a.status = a.errors = 0;
	a.special = 0;
	if (!(rctl & RCTL_EN) || !(e1000_link_up(e) || e1000_loopback(e)) || length > E1000_FRAME_MAX)
		return true;
	e1000_count(e, TPR);
	e1000_count_bytes(e, TORL, wire + FCS);
	if (!address_accepted(e, frame, &a.status) || !vlan_accepted(e, frame))
		return true;
	if (wire + FCS > LENGTH_MAX && !(rctl & RCTL_LPE)) {
		e1000_count(e, ROC);
		return true;
	}
	prepare(e, &a, frame, (uint32_t)length);
	if (!has_room(e, a.total, count, &drop)) {
		if (!drop)
			refuse(e);
		return drop;
	}
	store_frame(e, &a, count);
	count_frame(e, frame, wire);
	if (runs_short(e, count))
		e1000_raise(e, INT_RXDMT0);
	e1000_rx_interrupt(e, wire);
	return true;
}

void e1000_rx_ready(struct e1000 *e)
{
	if (!e->rx_refused)
		return;
	e->rx_refused = false;
	if (e->net)
		net_port_ready(e->net);
}
