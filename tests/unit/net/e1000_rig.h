/* SPDX-License-Identifier: MIT */
/* A card on a fake board with a cable, and the driver's half that the e1000's tests share. */
#ifndef VITRINE_E1000_RIG_H
#define VITRINE_E1000_RIG_H

#include "fake_board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/net/e1000.h"
#include "core/net/e1000_regs.h"
#include "fake_net.h"

#define WINDOW 0xe0000000u /* where fake_map_bars() puts the first memory BAR */
#define PORTS 0xc000u
#define PIRQ_GSI 11u
#define TX_RING 0x100000u
#define RX_RING 0x110000u
#define TX_BUFFERS 0x200000u
#define RX_BUFFERS 0x800000u
#define RX_BUFFER_STEP 0x4000u
#define RING_COUNT 64u

static const uint8_t own_mac[6] = { 0x00, 0x0c, 0x29, 0x12, 0x34, 0x56 };
static const uint8_t peer_mac[6] = { 0x52, 0x54, 0x00, 0xaa, 0xbb, 0xcc };

struct rig {
	struct fake_board *f;
	struct pci_bus *bus;
	struct device *d;
	struct net_port net;
	uint32_t tx_tail, rx_next;
};

static inline uint32_t rd(struct rig *r, uint32_t offset)
{
	return (uint32_t)fake_read(r->f, WINDOW + offset, 4);
}

static inline void wr(struct rig *r, uint32_t offset, uint32_t value)
{
	fake_write(r->f, WINDOW + offset, 4, value);
}

static inline void pass(struct rig *r, uint64_t ns)
{
	clock_advance(r->f->board.clock, ns);
}

/* A card with its link up. */
static inline struct rig *rig_new(enum e1000_model model)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct e1000_config config = { .net = &r->net, .model = model };

	memcpy(config.mac, own_mac, sizeof(own_mac));
	r->net.link = true;
	r->f = fake_board_new();
	r->bus = pci_bus_new_root(&r->f->board);
	for (unsigned i = 0; i < 4; i++)
		pci_bus_route(r->bus, i, PIRQ_GSI);
	r->d = fake_board_create(
		r->f, &e1000_class,
		&(struct device_config){
			.id = "ethernet0", .pci_bus = r->bus, .pci_devfn = PCI_DEVFN(3, 0), .extra = &config });
	fake_map_bars(r->d->pci);
	pass(r, NS_PER_SECOND);
	assert_true(rd(r, STATUS) & STATUS_LU);
	rd(r, ICR);
	return r;
}

static inline void rig_free(struct rig *r)
{
	fake_board_free(r->f);
	pci_bus_free(r->bus);
	fake_net_clear(&r->net);
	free(r);
}

/* Both rings, as a driver sets them up: all but one receive descriptor are the card's. */
static inline void rings_up(struct rig *r, uint32_t rctl)
{
	for (uint32_t i = 0; i < RING_COUNT; i++) {
		uint8_t *descriptor = fake_ram(r->f, RX_RING + 16 * i);

		memset(descriptor, 0, 16);
		le64_store(descriptor, RX_BUFFERS + i * RX_BUFFER_STEP);
	}
	wr(r, RDBAL, RX_RING);
	wr(r, RDBAH, 0);
	wr(r, RDLEN, RING_COUNT * 16);
	wr(r, RDH, 0);
	wr(r, RDT, RING_COUNT - 1);
	wr(r, RCTL, RCTL_EN | rctl);
	wr(r, TDBAL, TX_RING);
	wr(r, TDBAH, 0);
	wr(r, TDLEN, RING_COUNT * 16);
	wr(r, TDH, 0);
	wr(r, TDT, 0);
	wr(r, TCTL, TCTL_EN | TCTL_PSP);
	r->tx_tail = r->rx_next = 0;
}

/* Puts a descriptor into the ring without telling the card. */
static inline uint8_t *put(struct rig *r, uint64_t address, uint32_t lower, uint32_t upper)
{
	uint8_t *at = fake_ram(r->f, TX_RING + 16 * r->tx_tail);

	le64_store(at, address);
	le32_store(at + 8, lower);
	le32_store(at + 12, upper);
	r->tx_tail = (r->tx_tail + 1) % RING_COUNT;
	return at;
}

static inline void kick(struct rig *r)
{
	wr(r, TDT, r->tx_tail);
}

#define LEGACY(length, command) ((length) | (uint32_t)(command) << 24)
#define DATA(length, command) ((length) | TXD_DTYP_DATA << 20 | (uint32_t)((command) | TXD_DEXT) << 24)

static inline void fill(uint8_t *at, size_t length, unsigned seed)
{
	for (size_t i = 0; i < length; i++)
		at[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

/* An Ethernet frame with that type; the rest counts up. */
static inline void make_frame(uint8_t *at, const uint8_t *to, const uint8_t *from, uint16_t type, size_t length)
{
	fill(at, length, 3);
	memcpy(at, to, 6);
	memcpy(at + 6, from, 6);
	be16_store(at + 12, type);
}

/* The textbook's checksum (RFC 1071), bytes two by two. */
static inline uint16_t plain_sum(const uint8_t *data, size_t length, uint32_t begin)
{
	uint32_t sum = begin;

	for (size_t i = 0; i < length; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

#endif
