/* SPDX-License-Identifier: MIT */
/* A Fusion-MPT controller on the fake board with drives in memory, and a driver for it in a few functions. */
#ifndef VITRINE_MPT_RIG_H
#define VITRINE_MPT_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/storage/mpt_private.h"
#include "tests/unit/fake_board.h"
#include "tests/unit/storage/fake_block.c"

#define DISK_SECTORS (1ull << 20)
#define CD_SECTORS 500u
#define DISK 0u
#define SECOND_DISK 1u
#define CDROM 2u
#define ABSENT 5u

/* Places in the fake board's memory */
#define FRAMES 0x10000u /* request frames of 256 bytes */
#define REPLIES 0x20000u
#define SENSE 0x28000u
#define PAGE 0x29000u
#define DATA 0x100000u

#define REPLY_FRAMES 8u
#define REPLY_STEP 128u
#define NO_REPLY 0xffffffffu

struct rig {
	struct fake_board *board;
	struct pci_bus *bus;
	struct device *d;
	struct block *blocks[3];
	uint16_t port;
	unsigned frame; /* the next one's number */
	uint8_t reply[MPT_REPLY];
};

static const struct mpt_config rig_told = { .subsystem_vendor = 0x15ad,
	                                    .subsystem = 0x1976,
	                                    .cdrom = { [CDROM] = true } };

static struct device_config rig_config(struct rig *r)
{
	struct device_config c = {
		.id = "scsi0", .pci_bus = r->bus, .pci_devfn = PCI_DEVFN(16, 0), .extra = &rig_told
	};

	memcpy(c.blocks, r->blocks, sizeof(r->blocks));
	return c;
}

static inline uint32_t rig_in(struct rig *r, unsigned reg)
{
	return fake_inl(r->board, (uint16_t)(r->port + reg));
}

static inline void rig_out(struct rig *r, unsigned reg, uint32_t value)
{
	fake_outl(r->board, (uint16_t)(r->port + reg), value);
}

static void rig_plug_in(struct rig *r, const struct device_class *class)
{
	struct device_config config;

	r->board = fake_board_new();
	r->bus = pci_bus_new_root(&r->board->board);
	pci_bus_route(r->bus, (16 + 0 + 3) & 3, 11);
	config = rig_config(r);
	r->d = fake_board_create(r->board, class, &config);
	fake_map_bars(r->d->pci);
	r->port = (uint16_t)(le32_load(r->d->pci->config + PCI_BAR0) & 0xfffc);
}

/* A handshake as drivers do it, each double word and each half of the reply by itself. Returns the reply's words. */
static unsigned rig_shake(struct rig *r, const uint8_t *message, unsigned words)
{
	unsigned halves = 2;

	rig_out(r, 0x30, 0);
	rig_out(r, 0, 0x42000000 | words << 16);
	assert_int_equal(rig_in(r, 0x30) & 1, 1);
	assert_true(rig_in(r, 0) & 0x08000000);
	rig_out(r, 0x30, 0);
	for (unsigned i = 0; i < words; i++) {
		assert_int_equal(rig_in(r, 0x30) & 0x80000000, 0);
		rig_out(r, 0, le32_load(message + 4 * i));
	}
	memset(r->reply, 0, sizeof(r->reply));
	for (unsigned i = 0; i < halves; i++) {
		assert_int_equal(rig_in(r, 0x30) & 1, 1);
		le16_store(r->reply + 2 * i, (uint16_t)rig_in(r, 0));
		rig_out(r, 0x30, 0);
		if (i == 1)
			halves = r->reply[MPT_MSG_LENGTH] * 2u;
		assert_in_range(halves, 2, MPT_REPLY / 2);
	}
	assert_int_equal(rig_in(r, 0x30) & 1, 1);
	rig_out(r, 0x30, 0);
	assert_false(rig_in(r, 0) & 0x08000000);
	return halves / 2;
}

static void rig_init(struct rig *r)
{
	uint8_t init[24] = { 4, 0, 0, MPT_IOC_INIT, 0, 16, 1 };

	le16_store(init + 12, 128);
	rig_shake(r, init, 6);
	assert_int_equal(le16_load(r->reply + MPT_IOC_STATUS), 0);
	assert_int_equal(rig_in(r, 0) >> 28, MPT_OPERATIONAL);
	for (unsigned i = 0; i < REPLY_FRAMES; i++)
		rig_out(r, 0x44, REPLIES + i * REPLY_STEP);
}

static struct rig *rig_new_raw(const struct device_class *class)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->blocks[DISK] = fake_block_new("scsi0:0", DISK_SECTORS * 512);
	r->blocks[SECOND_DISK] = fake_block_new("scsi0:1", DISK_SECTORS * 512);
	r->blocks[CDROM] = fake_block_new("scsi0:2", CD_SECTORS * 2048);
	rig_plug_in(r, class);
	return r;
}

/* Initialised, with free reply frames. */
static inline struct rig *rig_new(const struct device_class *class)
{
	struct rig *r = rig_new_raw(class);

	rig_init(r);
	return r;
}

static void rig_free(struct rig *r)
{
	fake_board_free(r->board);
	pci_bus_free(r->bus);
	for (unsigned i = 0; i < ARRAY_SIZE(r->blocks); i++)
		fake_block_free(r->blocks[i]);
	free(r);
}

/* The next frame, cleared, with its function and a context of its own. */
static uint8_t *rig_frame(struct rig *r, enum mpt_function function, uint32_t *ret_address)
{
	uint8_t *p;

	*ret_address = FRAMES + r->frame % 200 * 256;
	p = fake_ram(r->board, *ret_address);
	memset(p, 0, 256);
	p[MPT_MSG_FUNCTION] = (uint8_t)function;
	le32_store(p + MPT_MSG_CONTEXT, 0x1000 + r->frame++);
	return p;
}

static inline void rig_element(uint8_t *at, uint8_t flags, uint32_t length, uint32_t address)
{
	le32_store(at, (uint32_t)flags << 24 | length);
	le32_store(at + 4, address);
}

/* A SCSI request with one element. write: towards the device. Returns its context. */
static uint32_t rig_post(struct rig *r, uint8_t target, const uint8_t *cdb, uint8_t cdb_length, bool write,
                         uint32_t length, uint32_t data)
{
	uint32_t address;
	uint8_t *p = rig_frame(r, MPT_SCSI_IO_REQUEST, &address);

	p[0] = target;
	p[4] = cdb_length;
	p[5] = 18;
	le32_store(p + 20, !length ? 0 : write ? 0x01000000 : 0x02000000);
	memcpy(p + 24, cdb, cdb_length);
	le32_store(p + 40, length);
	le32_store(p + 44, SENSE);
	rig_element(p + 48, 0xd1 | (write ? 4 : 0), length, data);
	rig_out(r, 0x40, address);
	return 0x1000 + r->frame - 1;
}

/* The next reply: a context, or NO_REPLY. An address reply is copied to r->reply and its frame given back. */
static uint32_t rig_reply(struct rig *r)
{
	uint32_t value = rig_in(r, 0x44);

	memset(r->reply, 0, sizeof(r->reply));
	if (value == NO_REPLY || !(value & 0x80000000))
		return value;
	memcpy(r->reply, fake_ram(r->board, value << 1), sizeof(r->reply));
	rig_out(r, 0x44, value << 1);
	return le32_load(r->reply + MPT_MSG_CONTEXT);
}

static inline uint16_t rig_status(const struct rig *r)
{
	return le16_load(r->reply + MPT_IOC_STATUS);
}

/* Runs one command; a reply by address is in r->reply, all zeros after one by context. Returns the SCSI status. */
static uint8_t rig_run(struct rig *r, uint8_t target, const uint8_t *cdb, uint8_t cdb_length, bool write,
                       uint32_t length)
{
	uint32_t context = rig_post(r, target, cdb, cdb_length, write, length, DATA);

	fake_block_settle();
	assert_int_equal(rig_reply(r), context);
	assert_int_equal(rig_in(r, 0x44), NO_REPLY);
	return r->reply[12];
}

#define RUN(r, target, write, length, ...) \
	rig_run(r, target, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), write, length)

/* key << 16 | asc << 8 | ascq of the last sense data. */
static inline uint32_t rig_sense(struct rig *r)
{
	const uint8_t *p = fake_ram(r->board, SENSE);

	return (uint32_t)(p[2] & 0x0f) << 16 | (uint32_t)p[12] << 8 | p[13];
}

/* Takes the power-on unit attentions away. */
static inline void rig_settle_attention(struct rig *r)
{
	for (uint8_t target = 0; target <= CDROM; target++)
		assert_int_equal(RUN(r, target, false, 0, 0, 0, 0, 0, 0, 0), 2);
}

static inline void rig_pattern(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 13 + i / 512 + seed);
}

#endif
