/* SPDX-License-Identifier: MIT */
/*
 * A small AHCI driver for tests: an ICH8M with a disk on port 0, a CD drive on port 1 and nothing on the others, its
 * lists in the fake board's memory. Requests wait until fake_block_settle() or fake_block_complete().
 */
#ifndef VITRINE_AHCI_RIG_H
#define VITRINE_AHCI_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/chipset/pci.h"
#include "core/storage/ahci.h"
#include "core/storage/ata.h"
#include "tests/unit/fake_board.h"
#include "tests/unit/storage/fake_block.c"

#define DISK_SECTORS 100000ull
#define CD_SECTORS 500u
#define PORTS 6u
#define DISK 0u
#define CD 1u
#define EMPTY 2u
#define GSI 11u

/* Where a port's structures lie; the tables are far apart, so that long descriptor lists fit. */
#define LIST(port) (0x10000u + 0x1000u * (port))
#define RECEIVED(port) (0x18000u + 0x100u * (port))
#define TABLE(slot) (0x100000u + 0x10000u * (slot))
#define DATA 0x400000u

enum { CAP = 0x00, GHC = 0x04, IS = 0x08, PI = 0x0c, VS = 0x10 };
enum {
	PXCLB = 0x00,
	PXCLBU = 0x04,
	PXFB = 0x08,
	PXIS = 0x10,
	PXIE = 0x14,
	PXCMD = 0x18,
	PXTFD = 0x20,
	PXSIG = 0x24,
	PXSSTS = 0x28,
	PXSCTL = 0x2c,
	PXSERR = 0x30,
	PXSACT = 0x34,
	PXCI = 0x38,
};
enum { DHRS = 1, PSS = 2, SDBS = 8, PCS = 0x40, OFS = 1 << 24, IFS = 1 << 27, HBFS = 1 << 29, TFES = 1 << 30 };
enum { ST = 1, CLO = 8, FRE = 0x10, FR = 0x4000, CR = 0x8000 };
enum { GHC_HR = 1, GHC_IE = 2 };

struct rig {
	struct fake_board *board;
	struct pci_bus *bus;
	struct device *d;
	struct block *blocks[2];
};

static const struct ahci_config rig_config = { .model = AHCI_ICH8M, .ports = PORTS, .cdrom = { [CD] = true } };

static struct device_config rig_device_config(struct rig *g)
{
	return (struct device_config){ .id = "sata0",
		                       .pci_bus = g->bus,
		                       .pci_devfn = PCI_DEVFN(13, 0),
		                       .blocks = { g->blocks[0], g->blocks[1] },
		                       .extra = &rig_config };
}

static uint64_t hba_address(unsigned offset)
{
	return 0xe0000000u + offset;
}

static uint32_t hba_read(struct rig *g, unsigned offset)
{
	return (uint32_t)fake_read(g->board, hba_address(offset), 4);
}

static void hba_write(struct rig *g, unsigned offset, uint32_t value)
{
	fake_write(g->board, hba_address(offset), 4, value);
}

static uint32_t get(struct rig *g, unsigned port, unsigned offset)
{
	return hba_read(g, 0x100 + 0x80 * port + offset);
}

static void put(struct rig *g, unsigned port, unsigned offset, uint32_t value)
{
	hba_write(g, 0x100 + 0x80 * port + offset, value);
}

static uint8_t *mem(struct rig *g, uint32_t address)
{
	return fake_ram(g->board, address);
}

static void rig_start_port(struct rig *g, unsigned port)
{
	put(g, port, PXCLB, LIST(port));
	put(g, port, PXFB, RECEIVED(port));
	put(g, port, PXSERR, 0xffffffff);
	put(g, port, PXIS, 0xffffffff);
	put(g, port, PXIE, 0xffffffff);
	put(g, port, PXCMD, FRE);
	put(g, port, PXCMD, FRE | ST);
}

static void rig_start(struct rig *g)
{
	for (unsigned i = 0; i < 4; i++)
		pci_bus_route(g->bus, i, GSI);
	fake_map_bars(g->d->pci);
	hba_write(g, GHC, GHC_IE);
	rig_start_port(g, DISK);
	rig_start_port(g, CD);
}

/* A controller beside another's blocks: what a loaded state goes into. */
static struct rig *rig_beside(struct block *const blocks[2])
{
	struct rig *g = calloc(1, sizeof(*g));
	struct device_config config;

	assert_non_null(g);
	memcpy(g->blocks, blocks, sizeof(g->blocks));
	g->board = fake_board_new();
	g->bus = pci_bus_new_root(&g->board->board);
	config = rig_device_config(g);
	g->d = fake_board_create(g->board, &ahci_class, &config);
	rig_start(g);
	return g;
}

static struct rig *rig_new(void)
{
	struct block *blocks[2] = { fake_block_new("sata0:0", DISK_SECTORS * 512),
		                    fake_block_new("sata0:1", CD_SECTORS * 2048) };

	return rig_beside(blocks);
}

static void rig_free_beside(struct rig *g)
{
	fake_board_free(g->board);
	pci_bus_free(g->bus);
	free(g);
}

static void rig_free(struct rig *g)
{
	struct block *blocks[2] = { g->blocks[0], g->blocks[1] };

	rig_free_beside(g);
	fake_block_free(blocks[0]);
	fake_block_free(blocks[1]);
}

static void fill_pattern(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 11 + i / 512 + seed);
}

/* ---- commands ---- */

struct fis { /* a command FIS's registers */
	uint8_t command, features, device;
	uint64_t lba;
	uint16_t count;
	uint8_t features_high;
};

static void set_prd(struct rig *g, unsigned slot, unsigned n, uint64_t address, uint32_t bytes)
{
	uint8_t *p = mem(g, TABLE(slot) + 0x80 + 16 * n);

	memset(p, 0, 16);
	le64_store(p, address);
	le32_store(p + 12, (bytes - 1) & 0x3fffff);
}

/* Writes command header and table of a slot; its descriptors are the caller's. */
static void prepare(struct rig *g, unsigned port, unsigned slot, struct fis f, unsigned descriptors)
{
	uint8_t *header = mem(g, LIST(port) + 32 * slot), *table = mem(g, TABLE(slot));

	memset(header, 0, 32);
	header[0] = 5 | (f.command == ATA_CMD_PACKET ? 0x20 : 0);
	le16_store(header + 2, (uint16_t)descriptors);
	le32_store(header + 8, TABLE(slot));
	memset(table, 0, 0x40);
	table[0] = 0x27;
	table[1] = 0x80;
	table[2] = f.command;
	table[3] = f.features;
	table[7] = f.device ? f.device : ATA_DEVICE_LBA;
	table[11] = f.features_high;
	le16_store(table + 12, f.count);
	for (unsigned i = 0; i < 3; i++) {
		table[4 + i] = (uint8_t)(f.lba >> 8 * i);
		table[8 + i] = (uint8_t)(f.lba >> (24 + 8 * i));
	}
}

static void issue(struct rig *g, unsigned port, unsigned slot)
{
	put(g, port, PXCI, 1u << slot);
}

/* One command with one descriptor of `bytes` at DATA, to its end. Returns PxTFD. */
static uint32_t command(struct rig *g, unsigned port, struct fis f, uint32_t bytes)
{
	prepare(g, port, 0, f, bytes ? 1 : 0);
	if (bytes)
		set_prd(g, 0, 0, DATA, bytes);
	issue(g, port, 0);
	fake_block_settle();
	return get(g, port, PXTFD);
}

static void prepare_queued(struct rig *g, unsigned tag, bool out, uint64_t lba, uint16_t sectors)
{
	prepare(g, DISK, tag,
	        (struct fis){ .command = out ? ATA_CMD_WRITE_QUEUED : ATA_CMD_READ_QUEUED,
	                      .features = (uint8_t)sectors,
	                      .features_high = (uint8_t)(sectors >> 8),
	                      .lba = lba,
	                      .count = (uint16_t)(tag << 3) },
	        1);
	set_prd(g, tag, 0, DATA + 0x10000 * tag, sectors * 512u);
}

static void issue_queued(struct rig *g, unsigned tag)
{
	put(g, DISK, PXSACT, 1u << tag);
	issue(g, DISK, tag);
}

static void comreset(struct rig *g, unsigned port)
{
	put(g, port, PXSCTL, 1);
	put(g, port, PXSCTL, 0);
}

/* What a driver does after an error (6.2.2). */
static void restart(struct rig *g, unsigned port)
{
	put(g, port, PXCMD, FRE);
	put(g, port, PXSERR, 0xffffffff);
	put(g, port, PXIS, 0xffffffff);
	put(g, port, PXCMD, FRE | ST);
}

static void hba_is_alive(struct rig *g)
{
	fake_block_settle();
	put(g, DISK, PXCMD, 0);
	comreset(g, DISK);
	fake_block_settle();
	rig_start_port(g, DISK);
	assert_int_equal(command(g, DISK, (struct fis){ .command = ATA_CMD_IDENTIFY }, 512) & 0xff, 0x50);
	assert_int_equal(get(g, DISK, PXCI), 0);
}

#endif
