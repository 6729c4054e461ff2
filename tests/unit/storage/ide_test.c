/* SPDX-License-Identifier: MIT */
/* The PIIX4's IDE function on the fake board: ports, bus master, probing, packet protocol, state. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/chipset/pci.h"
#include "core/storage/ata.h"
#include "core/storage/ide.h"
#include "tests/unit/fake_board.h"
#include "tests/unit/storage/fake_block.c"

#define DISK_BYTES (512ull * 16 * 63 * 100)
#define CD_SECTORS 500u
#define PRIMARY 0x1f0
#define SECONDARY 0x170
#define CONTROL(port) ((uint16_t)((port) + 0x206))
#define PRD_TABLE 0x10000
#define DATA 0x20000
#define STATUS_OK (ATA_DRDY | ATA_DSC)

struct fixture {
	struct fake_board *board;
	struct pci_bus *bus;
	struct device *d;
	struct block *blocks[IDE_DEVICES];
	uint16_t bm; /* the bus master's ports */
};

static const struct ide_config with_cdrom = { .cdrom = { [2] = true } };

static struct device_config config_for(struct fixture *f)
{
	struct device_config c = { .id = "ide",
		                   .irq_count = 2,
		                   .irqs = { 14, 15 },
		                   .pci_bus = f->bus,
		                   .pci_devfn = PCI_DEVFN(1, 1),
		                   .extra = &with_cdrom };

	memcpy(c.blocks, f->blocks, sizeof(f->blocks));
	return c;
}

static void plug_in(struct fixture *f)
{
	struct device_config config;

	f->board = fake_board_new();
	f->bus = pci_bus_new_root(&f->board->board);
	config = config_for(f);
	f->d = fake_board_create(f->board, &ide_class, &config);
	fake_map_bars(f->d->pci);
	pci_config_write(f->d->pci, 0x40, 4, 0x80008000);
	f->bm = (uint16_t)(le32_load(f->d->pci->config + 0x20) & 0xfff0);
}

static void unplug(struct fixture *f)
{
	fake_board_free(f->board);
	pci_bus_free(f->bus);
}

/* A disk as primary master, a CD drive as secondary master, and what else mask says (bit: channel * 2 + unit). */
static struct fixture *fixture_new(unsigned mask)
{
	static const char *const names[] = { "ide0:0", "ide0:1", "ide1:0", "ide1:1" };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	for (unsigned i = 0; i < IDE_DEVICES; i++)
		if (mask & 1u << i)
			f->blocks[i] = fake_block_new(names[i], i == 2 ? CD_SECTORS * 2048 : DISK_BYTES);
	plug_in(f);
	return f;
}

static void fixture_free(struct fixture *f)
{
	unplug(f);
	for (unsigned i = 0; i < IDE_DEVICES; i++)
		if (f->blocks[i])
			fake_block_free(f->blocks[i]);
	free(f);
}

static uint8_t in(struct fixture *f, uint16_t port)
{
	return fake_inb(f->board, port);
}

static void out(struct fixture *f, uint16_t port, uint8_t value)
{
	fake_outb(f->board, port, value);
}

static void out_lba48(struct fixture *f, uint16_t port, uint64_t lba, uint16_t count)
{
	out(f, port + ATA_COUNT, (uint8_t)(count >> 8));
	out(f, port + ATA_COUNT, (uint8_t)count);
	for (unsigned i = 0; i < 3; i++) {
		out(f, port + ATA_LBA_LOW + i, (uint8_t)(lba >> (24 + 8 * i)));
		out(f, port + ATA_LBA_LOW + i, (uint8_t)(lba >> 8 * i));
	}
	out(f, port + ATA_DEVICE, 0x40);
}

static void set_prd(struct fixture *f, unsigned n, uint32_t address, uint32_t bytes, bool last)
{
	uint8_t *p = fake_ram(f->board, PRD_TABLE + 8 * n);

	le32_store(p, address);
	le32_store(p + 4, (bytes & 0xffff) | (last ? 0x80000000u : 0));
}

static void start_bus_master(struct fixture *f, uint16_t bm, bool to_memory)
{
	fake_outl(f->board, bm + 4, PRD_TABLE);
	out(f, bm + 2, 0x06);
	out(f, bm, to_memory ? 0x08 : 0);
	out(f, bm, to_memory ? 0x09 : 0x01);
}

static void fill_pattern(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 11 + i / 512 + seed);
}

/* ---- configuration ---- */

static void function_is_a_piix4_ide_in_compatibility_mode(void **state)
{
	struct fixture *f = fixture_new(1);

	(void)state;
	assert_int_equal(pci_config_read(f->d->pci, 0, 4), 0x71118086);
	assert_int_equal(pci_config_read(f->d->pci, 8, 4) >> 8, 0x010180);
	pci_config_write(f->d->pci, 0x48, 4, 0xffffffff);
	assert_int_equal(pci_config_read(f->d->pci, 0x48, 4), 0x3333000f);
	pci_config_write(f->d->pci, 0x20, 4, 0xffffffff);
	assert_int_equal(pci_config_read(f->d->pci, 0x20, 4) & 0xffff, 0xfff1);
	fixture_free(f);
}

static void ports_answer_only_while_decoded(void **state)
{
	struct fixture *f = fixture_new(1);

	(void)state;
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), STATUS_OK);
	pci_config_write(f->d->pci, 0x40, 2, 0);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), 0xff);
	pci_config_write(f->d->pci, 0x40, 2, 0x8000);
	pci_config_write(f->d->pci, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), 0xff);
	pci_config_write(f->d->pci, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), STATUS_OK);
	fixture_free(f);
}

/* ---- who is there ---- */

/* Linux (ata_devchk): write a pattern, read it back; then the signature and status after a reset decide. */
static bool latches(struct fixture *f, uint16_t port, uint8_t device)
{
	out(f, port + ATA_DEVICE, device);
	out(f, port + ATA_COUNT, 0x55);
	out(f, port + ATA_LBA_LOW, 0xaa);
	return in(f, port + ATA_COUNT) == 0x55 && in(f, port + ATA_LBA_LOW) == 0xaa;
}

static void absent_slave_is_answered_for_with_status_0(void **state)
{
	struct fixture *f = fixture_new(1);

	(void)state;
	assert_true(latches(f, PRIMARY, 0xa0));
	latches(f, PRIMARY, 0xb0);
	assert_int_equal(in(f, PRIMARY + ATA_DEVICE), 0xb0); /* SeaBIOS reads back what it selected */
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), 0);
	assert_int_equal(in(f, CONTROL(PRIMARY)), 0);
	out(f, PRIMARY + ATA_COMMAND, ATA_CMD_IDENTIFY); /* nobody takes it */
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), 0);
	assert_int_equal(fake_inw(f->board, PRIMARY) & 0xff, 0x7f);
	assert_false(f->board->irq_level[14]);
	out(f, CONTROL(PRIMARY), ATA_CONTROL_SRST);
	out(f, CONTROL(PRIMARY), 0);
	out(f, PRIMARY + ATA_DEVICE, 0xb0);
	assert_int_equal(in(f, PRIMARY + ATA_COUNT), 1); /* device 0's signature, and status 0: no device */
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), 0);
	out(f, PRIMARY + ATA_DEVICE, 0xa0);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), STATUS_OK);
	fixture_free(f);
}

static void empty_channel_floats_and_is_not_busy(void **state)
{
	struct fixture *f = fixture_new(1);

	(void)state;
	assert_false(latches(f, SECONDARY, 0xa0));
	assert_false(latches(f, SECONDARY, 0xb0));
	assert_int_equal(in(f, SECONDARY + ATA_STATUS), 0x7f);
	assert_int_equal(in(f, CONTROL(SECONDARY)), 0x7f);
	fixture_free(f);
}

static void slave_alone_is_found(void **state)
{
	struct fixture *f = fixture_new(2);

	(void)state;
	assert_false(latches(f, PRIMARY, 0xa0));
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), 0x7f);
	out(f, CONTROL(PRIMARY), ATA_CONTROL_SRST);
	out(f, CONTROL(PRIMARY), 0);
	assert_true(latches(f, PRIMARY, 0xb0));
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), STATUS_OK);
	fixture_free(f);
}

static void two_devices_have_commands_of_their_own(void **state)
{
	struct fixture *f = fixture_new(3);
	uint8_t page[512];

	(void)state;
	out(f, PRIMARY + ATA_DEVICE, 0xb0);
	out(f, PRIMARY + ATA_COMMAND, ATA_CMD_IDENTIFY);
	assert_true(f->board->irq_level[14]);
	out(f, PRIMARY + ATA_DEVICE, 0xa0); /* its interrupt is not driven while it is not selected */
	assert_false(f->board->irq_level[14]);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), STATUS_OK);
	out(f, PRIMARY + ATA_DEVICE, 0xb0);
	assert_true(f->board->irq_level[14]);
	bus_read_many(f->board->board.bus, PRIMARY, 2, page, 256);
	assert_memory_equal(page + 20, "TVI-ED-0 1", 8);
	fixture_free(f);
}

static void diagnostic_is_answered_by_device_0(void **state)
{
	struct fixture *f = fixture_new(3);

	(void)state;
	out(f, PRIMARY + ATA_DEVICE, 0xb0);
	out(f, PRIMARY + ATA_COMMAND, ATA_CMD_DIAGNOSTIC);
	assert_true(f->board->irq_level[14]);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), STATUS_OK);
	assert_int_equal(in(f, PRIMARY + ATA_ERROR), 1);
	assert_int_equal(in(f, PRIMARY + ATA_DEVICE), 0);
	fixture_free(f);
}

static void packet_device_shows_its_signature(void **state)
{
	struct fixture *f = fixture_new(4);

	(void)state;
	out(f, CONTROL(SECONDARY), ATA_CONTROL_SRST);
	out(f, CONTROL(SECONDARY), 0);
	assert_int_equal(in(f, SECONDARY + ATA_STATUS), 0);
	assert_int_equal(in(f, SECONDARY + ATA_LBA_MID), 0x14);
	assert_int_equal(in(f, SECONDARY + ATA_LBA_HIGH), 0xeb);
	out(f, SECONDARY + ATA_LBA_MID, 0);
	out(f, SECONDARY + ATA_COMMAND, ATA_CMD_IDENTIFY); /* refused, with the signature */
	assert_int_equal(in(f, SECONDARY + ATA_STATUS), ATA_DRDY | ATA_ERR);
	assert_int_equal(in(f, SECONDARY + ATA_LBA_MID), 0x14);
	out(f, SECONDARY + ATA_COMMAND, ATA_CMD_IDENTIFY_PACKET);
	assert_int_equal(in(f, SECONDARY + ATA_STATUS), ATA_DRDY | ATA_DRQ);
	assert_int_equal(fake_inw(f->board, SECONDARY), 0x85c0);
	out(f, SECONDARY + ATA_COMMAND, ATA_CMD_DEVICE_RESET); /* even in mid-transfer, and without an interrupt */
	assert_int_equal(in(f, SECONDARY + ATA_STATUS), 0);
	assert_false(f->board->irq_level[15]);
	fixture_free(f);
}

/* ---- interrupts ---- */

static void nien_keeps_the_line_down_until_it_is_cleared(void **state)
{
	struct fixture *f = fixture_new(1);

	(void)state;
	out(f, CONTROL(PRIMARY), ATA_CONTROL_NIEN);
	out(f, PRIMARY + ATA_COMMAND, 0xe7);
	fake_block_settle();
	assert_false(f->board->irq_level[14]);
	assert_int_equal(in(f, f->bm + 2) & 0x04, 0);
	out(f, CONTROL(PRIMARY), 0);
	assert_true(f->board->irq_level[14]);
	assert_int_equal(in(f, CONTROL(PRIMARY)), STATUS_OK); /* the alternate status leaves it */
	assert_true(f->board->irq_level[14]);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), STATUS_OK);
	assert_false(f->board->irq_level[14]);
	assert_int_equal(in(f, f->bm + 2) & 0x04, 0x04); /* the bus master's bit stays until a 1 is written */
	out(f, f->bm + 2, 0x04);
	assert_int_equal(in(f, f->bm + 2) & 0x04, 0);
	fixture_free(f);
}

/* ---- programmed I/O through the ports ---- */

static void data_port_takes_words_and_double_words_and_strings(void **state)
{
	struct fixture *f = fixture_new(1);
	uint8_t sector[512];
	uint32_t value;

	(void)state;
	fill_pattern(fake_block_data(f->blocks[0]), 4096, 1);
	for (unsigned size = 2; size <= 4; size += 2) {
		out_lba48(f, PRIMARY, 2, 1);
		out(f, PRIMARY + ATA_COMMAND, 0x24);
		fake_block_settle();
		for (unsigned i = 0; i < 512; i += size) {
			value = (uint32_t)fake_in(f->board, PRIMARY, size);
			memcpy(sector + i, &value, size);
		}
		assert_memory_equal(sector, fake_block_data(f->blocks[0]) + 1024, 512);
	}
	out_lba48(f, PRIMARY, 3, 1);
	out(f, PRIMARY + ATA_COMMAND, 0x34);
	bus_write_many(f->board->board.bus, PRIMARY, 2, sector, 256);
	fake_block_settle();
	assert_memory_equal(sector, fake_block_data(f->blocks[0]) + 1536, 512);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), STATUS_OK);
	assert_int_equal(fake_inw(f->board, PRIMARY), 0xffff); /* nothing more to read */
	fixture_free(f);
}

/* ---- bus master ---- */

static void dma_read_scatters_over_regions_of_any_size(void **state)
{
	static const uint16_t sizes[] = { 2, 510, 100, 924, 2048, 512 };
	struct fixture *f = fixture_new(1);
	const uint8_t *disk = fake_block_data(f->blocks[0]);
	uint32_t at = DATA, offset = 0;

	(void)state;
	fill_pattern(fake_block_data(f->blocks[0]), 65536, 2);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++, at += 0x2002)
		set_prd(f, i, at, sizes[i], i + 1 == ARRAY_SIZE(sizes));
	start_bus_master(f, f->bm, true); /* before the command: the other order is below */
	out_lba48(f, PRIMARY, 1, 8);
	out(f, PRIMARY + ATA_COMMAND, 0x25);
	assert_int_equal(in(f, f->bm + 2) & 7, 1);
	assert_false(f->board->irq_level[14]);
	fake_block_settle();
	assert_true(f->board->irq_level[14]);
	assert_int_equal(in(f, f->bm + 2) & 7, 4); /* interrupt, regions used up: the normal end */
	at = DATA;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++, at += 0x2002) {
		assert_memory_equal(fake_ram(f->board, at), disk + 512 + offset, sizes[i]);
		assert_int_equal(*fake_ram(f->board, at + sizes[i]), 0);
		offset += sizes[i];
	}
	assert_int_equal(fake_block_count(f->blocks[0], BLOCK_READ), 1);
	fixture_free(f);
}

static void dma_write_with_more_regions_than_one_request_holds(void **state)
{
	struct fixture *f = fixture_new(1);
	uint8_t *data = fake_ram(f->board, DATA);
	unsigned regions = 5000;

	(void)state;
	fill_pattern(data, 512 * 1024, 3);
	for (unsigned i = 0; i < regions; i++)
		set_prd(f, i, DATA + i * 26, 26, false);
	set_prd(f, regions, DATA + regions * 26, 256 * 512 - regions * 26, true);
	out_lba48(f, PRIMARY, 5, 256);
	out(f, PRIMARY + ATA_COMMAND, 0x35);
	start_bus_master(f, f->bm, false);
	fake_block_settle();
	assert_memory_equal(fake_block_data(f->blocks[0]) + 5 * 512, data, 256 * 512);
	assert_int_equal(in(f, f->bm + 2) & 7, 4);
	assert_in_range(fake_block_count(f->blocks[0], BLOCK_WRITE), 19, 25);
	fixture_free(f);
}

static void longer_regions_leave_the_bus_master_active(void **state)
{
	struct fixture *f = fixture_new(1);

	(void)state;
	set_prd(f, 0, DATA, 0, true); /* 0: 64 KiB */
	out_lba48(f, PRIMARY, 0, 4);
	out(f, PRIMARY + ATA_COMMAND, 0x25);
	start_bus_master(f, f->bm, true);
	fake_block_settle();
	assert_int_equal(in(f, f->bm + 2) & 7, 5); /* interrupt and active: allowed */
	out(f, f->bm, 0);
	assert_int_equal(in(f, f->bm + 2) & 7, 4);
	fixture_free(f);
}

static void shorter_regions_end_without_an_interrupt(void **state)
{
	struct fixture *f = fixture_new(1);

	(void)state;
	set_prd(f, 0, DATA, 1024, true);
	out_lba48(f, PRIMARY, 0, 4);
	out(f, PRIMARY + ATA_COMMAND, 0x25);
	start_bus_master(f, f->bm, true);
	fake_block_settle();
	assert_int_equal(in(f, f->bm + 2) & 7, 0);
	assert_false(f->board->irq_level[14]);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS) & ATA_BSY, ATA_BSY);
	out(f, f->bm, 0);
	out(f, CONTROL(PRIMARY), ATA_CONTROL_SRST); /* the driver's way out */
	out(f, CONTROL(PRIMARY), 0);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), STATUS_OK);
	fixture_free(f);
}

static void dma_outside_memory_sets_the_error_bit(void **state)
{
	static const uint32_t addresses[] = { FAKE_RAM_SIZE, 0xfffffffe, FAKE_RAM_SIZE - 512 };
	struct fixture *f = fixture_new(1);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
		set_prd(f, 0, addresses[i], 1024, true);
		out_lba48(f, PRIMARY, 0, 2);
		out(f, PRIMARY + ATA_COMMAND, 0x25);
		start_bus_master(f, f->bm, true);
		fake_block_settle();
		assert_int_equal(in(f, f->bm + 2) & 7, 2);
		assert_int_equal(fake_block_count(f->blocks[0], BLOCK_READ), 0);
		out(f, CONTROL(PRIMARY), ATA_CONTROL_SRST);
		out(f, CONTROL(PRIMARY), 0);
		out(f, f->bm, 0);
	}
	fake_outl(f->board, f->bm + 4, 0xfffffff0); /* the table itself is nowhere */
	out_lba48(f, PRIMARY, 0, 2);
	out(f, PRIMARY + ATA_COMMAND, 0x25);
	out(f, f->bm + 2, 0x06);
	out(f, f->bm, 9);
	assert_int_equal(in(f, f->bm + 2) & 7, 2);
	fixture_free(f);
}

static void table_without_end_stops_at_64_kib(void **state)
{
	struct fixture *f = fixture_new(1);

	(void)state;
	for (unsigned i = 0; i < 0x10000 / 8 + 8; i++)
		set_prd(f, i, DATA + 0x20000, 2, false);
	out_lba48(f, PRIMARY, 0, 64);
	out(f, PRIMARY + ATA_COMMAND, 0x25);
	start_bus_master(f, f->bm, true);
	fake_block_settle();
	assert_int_equal(in(f, f->bm + 2) & 7, 0);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS) & ATA_BSY, ATA_BSY);
	fixture_free(f);
}

static void reset_during_dma_waits_for_the_request(void **state)
{
	struct fixture *f = fixture_new(1);

	(void)state;
	set_prd(f, 0, DATA, 2048, true);
	out_lba48(f, PRIMARY, 0, 4);
	out(f, PRIMARY + ATA_COMMAND, 0x25);
	start_bus_master(f, f->bm, true);
	assert_non_null(fake_block_pending(f->blocks[0]));
	out(f, f->bm, 0);
	out(f, CONTROL(PRIMARY), ATA_CONTROL_SRST);
	out(f, CONTROL(PRIMARY), 0);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), ATA_BSY);
	fake_block_settle();
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), STATUS_OK);
	assert_false(f->board->irq_level[14]);
	assert_int_equal(in(f, f->bm + 2) & 7, 0);
	out_lba48(f, PRIMARY, 0, 4);
	out(f, PRIMARY + ATA_COMMAND, 0x25);
	device_lock(f->d);
	ide_class.reset(f->d); /* the reset button */
	device_unlock(f->d);
	fake_block_settle();
	fixture_free(f);
}

/* ---- packets ---- */

static void send_packet(struct fixture *f, uint8_t features, uint16_t limit, const uint8_t *cdb)
{
	out(f, SECONDARY + ATA_DEVICE, 0xa0);
	out(f, SECONDARY + ATA_FEATURES, features);
	out(f, SECONDARY + ATA_LBA_MID, (uint8_t)limit);
	out(f, SECONDARY + ATA_LBA_HIGH, (uint8_t)(limit >> 8));
	out(f, SECONDARY + ATA_COMMAND, ATA_CMD_PACKET);
	assert_int_equal(in(f, SECONDARY + ATA_REASON), ATA_REASON_CD);
	assert_int_equal(in(f, SECONDARY + ATA_STATUS), ATA_DRDY | ATA_DRQ);
	assert_false(f->board->irq_level[15]); /* as IDENTIFY PACKET DEVICE word 0 says */
	bus_write_many(f->board->board.bus, SECONDARY, 2, cdb, 6);
	fake_block_settle();
}

#define PACKET(...) ((const uint8_t[12]){ __VA_ARGS__ })

static uint16_t byte_count(struct fixture *f)
{
	return (uint16_t)(in(f, SECONDARY + ATA_LBA_HIGH) << 8 | in(f, SECONDARY + ATA_LBA_MID));
}

static void assert_packet_end(struct fixture *f, uint8_t status)
{
	assert_true(f->board->irq_level[15]);
	assert_int_equal(in(f, SECONDARY + ATA_REASON), ATA_REASON_CD | ATA_REASON_IO);
	assert_int_equal(in(f, SECONDARY + ATA_STATUS), status);
	assert_false(f->board->irq_level[15]);
}

/* Takes the unit attention of power on. */
static void wake_drive(struct fixture *f)
{
	send_packet(f, 0, 0, PACKET(0x00));
	assert_packet_end(f, ATA_DRDY | ATA_ERR);
	assert_int_equal(in(f, SECONDARY + ATA_ERROR), 0x64);
}

/* Reads one data-in phase in 16-bit words, checks it, returns its bytes. */
static unsigned data_phase(struct fixture *f, uint8_t *to)
{
	unsigned n = byte_count(f);

	assert_true(f->board->irq_level[15]);
	assert_int_equal(in(f, SECONDARY + ATA_REASON), ATA_REASON_IO);
	assert_int_equal(in(f, SECONDARY + ATA_STATUS), ATA_DRDY | ATA_DRQ);
	assert_false(f->board->irq_level[15]);
	for (unsigned i = 0; i < n; i += 2) {
		uint16_t word = fake_inw(f->board, SECONDARY);

		memcpy(to + i, &word, MIN(2u, n - i));
	}
	fake_block_settle();
	return n;
}

static void packet_read_keeps_the_byte_count_limit(void **state)
{
	static const struct {
		uint16_t limit, first;
		unsigned phases;
	} cases[] = {
		{ 2048, 2048, 3 },   { 4096, 4096, 2 }, { 6144, 6144, 1 }, { 0xffff, 6144, 1 },
		{ 0, 6144, 1 },      { 2049, 2048, 3 }, { 1001, 1000, 7 }, { 6143, 6142, 2 },
		{ 0xfffe, 6144, 1 }, { 3, 2, 3072 },    { 1, 2, 3072 },
	};
	struct fixture *f = fixture_new(5);
	uint8_t data[3 * 2048];

	(void)state;
	fill_pattern(fake_block_data(f->blocks[2]), 65536, 4);
	wake_drive(f);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned at = 0, phases = 0;

		memset(data, 0, sizeof(data));
		send_packet(f, 0, cases[i].limit, PACKET(0x28, 0, 0, 0, 0, 5, 0, 0, 3));
		assert_int_equal(byte_count(f), cases[i].first);
		for (; at < sizeof(data); phases++)
			at += data_phase(f, data + at);
		assert_int_equal(phases, cases[i].phases);
		assert_packet_end(f, ATA_DRDY);
		assert_memory_equal(data, fake_block_data(f->blocks[2]) + 5 * 2048, sizeof(data));
	}
	fixture_free(f);
}

static void odd_answers_are_padded_and_end(void **state)
{
	struct fixture *f = fixture_new(4);
	uint8_t data[40];

	(void)state;
	wake_drive(f);
	send_packet(f, 0, 0xffff, PACKET(0x12, 0, 0, 0, 5));
	assert_int_equal(data_phase(f, data), 5);
	assert_int_equal(data[4], 31);
	assert_packet_end(f, ATA_DRDY);
	send_packet(f, 0, 5, PACKET(0x12, 0, 0, 0, 5)); /* an odd limit that is not exceeded */
	assert_int_equal(data_phase(f, data), 5);
	assert_packet_end(f, ATA_DRDY);
	fixture_free(f);
}

static void long_packet_read_refills_its_buffer(void **state)
{
	struct fixture *f = fixture_new(4);
	uint8_t *data = malloc(100 * 2352);
	unsigned at = 0;

	(void)state;
	fill_pattern(fake_block_data(f->blocks[2]), FAKE_BLOCK_STORED, 5);
	wake_drive(f);
	send_packet(f, 0, 0xfffe, PACKET(0xa8, 0, 0, 0, 0, 1, 0, 0, 0, 100));
	while (at < 100 * 2048)
		at += data_phase(f, data + at);
	assert_packet_end(f, ATA_DRDY);
	assert_memory_equal(data, fake_block_data(f->blocks[2]) + 2048, 100 * 2048);
	send_packet(f, 0, 0xfffe, PACKET(0xbe, 0, 0, 0, 0, 1, 0, 0, 100, 0xf8)); /* raw */
	for (at = 0; at < 100 * 2352;)
		at += data_phase(f, data + at);
	assert_packet_end(f, ATA_DRDY);
	for (unsigned i = 0; i < 100; i++)
		assert_memory_equal(data + i * 2352 + 16, fake_block_data(f->blocks[2]) + (i + 1) * 2048, 2048);
	free(data);
	fixture_free(f);
}

static void packet_dma_moves_sectors_and_short_answers(void **state)
{
	struct fixture *f = fixture_new(4);

	(void)state;
	fill_pattern(fake_block_data(f->blocks[2]), 65536, 6);
	wake_drive(f);
	set_prd(f, 0, DATA, 3000, false);
	set_prd(f, 1, DATA + 0x8000, 2 * 2048 - 3000, true);
	start_bus_master(f, f->bm + 8, true);
	send_packet(f, 1, 0, PACKET(0x28, 0, 0, 0, 0, 7, 0, 0, 2));
	assert_packet_end(f, ATA_DRDY);
	assert_int_equal(in(f, f->bm + 10) & 7, 4);
	assert_memory_equal(fake_ram(f->board, DATA), fake_block_data(f->blocks[2]) + 7 * 2048, 3000);
	assert_memory_equal(fake_ram(f->board, DATA + 0x8000), fake_block_data(f->blocks[2]) + 7 * 2048 + 3000, 1096);
	out(f, f->bm + 8, 0);
	set_prd(f, 0, DATA, 64, true);
	send_packet(f, 1, 0, PACKET(0x12, 0, 0, 0, 36));
	start_bus_master(f, f->bm + 8, true);
	assert_packet_end(f, ATA_DRDY);
	assert_int_equal(in(f, f->bm + 10) & 7, 5); /* fewer bytes than the region */
	assert_memory_equal(fake_ram(f->board, DATA + 8), "VITRINE ", 8);
	out(f, f->bm + 8, 0);
	set_prd(f, 0, DATA, 0, true);
	start_bus_master(f, f->bm + 8, true);
	send_packet(f, 1, 0, PACKET(0xbe, 0, 0, 0, 0, 2, 0, 0, 20, 0xf8)); /* raw, through the buffer */
	assert_packet_end(f, ATA_DRDY);
	assert_memory_equal(fake_ram(f->board, DATA + 19 * 2352 + 16), fake_block_data(f->blocks[2]) + 21 * 2048, 2048);
	fixture_free(f);
}

static void mode_select_takes_its_list_by_programmed_io(void **state)
{
	struct fixture *f = fixture_new(4);
	uint8_t list[24] = { [8] = 0x0e, [9] = 14, [17] = 0x33 }, data[64];

	(void)state;
	wake_drive(f);
	send_packet(f, 0, 16, PACKET(0x55, 0x10, 0, 0, 0, 0, 0, 0, 24));
	for (unsigned at = 0; at < 24; at += 16) {
		assert_true(f->board->irq_level[15]);
		assert_int_equal(in(f, SECONDARY + ATA_REASON), 0);
		assert_int_equal(byte_count(f), at ? 8 : 16);
		assert_int_equal(in(f, SECONDARY + ATA_STATUS), ATA_DRDY | ATA_DRQ);
		bus_write_many(f->board->board.bus, SECONDARY, 2, list + at, at ? 4 : 8);
	}
	assert_packet_end(f, ATA_DRDY);
	send_packet(f, 0, 64, PACKET(0x5a, 0, 0x0e, 0, 0, 0, 0, 0, 24));
	data_phase(f, data);
	assert_int_equal(data[17], 0x33);
	assert_packet_end(f, ATA_DRDY);
	fixture_free(f);
}

static void read_error_is_a_medium_error(void **state)
{
	struct fixture *f = fixture_new(4);

	(void)state;
	wake_drive(f);
	fake_block_fail(f->blocks[2], BLOCK_READ, -EIO);
	send_packet(f, 0, 2048, PACKET(0x28, 0, 0, 0, 0, 1, 0, 0, 1));
	assert_packet_end(f, ATA_DRDY | ATA_ERR);
	assert_int_equal(in(f, SECONDARY + ATA_ERROR), 0x34);
	fixture_free(f);
}

static void person_changes_the_medium_and_asks_for_it(void **state)
{
	struct fixture *f = fixture_new(4);
	uint8_t data[8];

	(void)state;
	wake_drive(f);
	fake_block_insert(f->blocks[2], 0);
	send_packet(f, 0, 0, PACKET(0x00));
	assert_packet_end(f, ATA_DRDY | ATA_ERR);
	assert_int_equal(in(f, SECONDARY + ATA_ERROR), 0x24);
	fake_block_insert(f->blocks[2], 300 * 2048);
	send_packet(f, 0, 0, PACKET(0x00));
	assert_packet_end(f, ATA_DRDY | ATA_ERR);
	assert_int_equal(in(f, SECONDARY + ATA_ERROR), 0x64); /* unit attention */
	send_packet(f, 0, 8, PACKET(0x25));
	data_phase(f, data);
	assert_int_equal(be32_load(data), 299);
	assert_packet_end(f, ATA_DRDY);
	send_packet(f, 0, 0, PACKET(0x1e, 0, 0, 0, 1));
	assert_true(block_locked(f->blocks[2]));
	fake_block_press_eject(f->blocks[2]);
	in(f, SECONDARY + ATA_STATUS);
	send_packet(f, 0, 8, PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8));
	data_phase(f, data);
	assert_int_equal(data[4], 1);
	assert_packet_end(f, ATA_DRDY);
	fixture_free(f);
}

/* ---- state ---- */

/* The same blocks in a new machine, from the old one's saved state; guest memory comes along. */
static void move_to_new_machine(struct fixture *f)
{
	const struct block_drive_ops *ops = f->blocks[2] ? f->blocks[2]->ops : NULL;
	struct fixture old = *f;
	size_t length, again;
	void *saved = fake_save(f->d, &length), *saved_again;

	plug_in(f);
	memcpy(fake_ram(f->board, 0), fake_ram(old.board, 0), FAKE_RAM_SIZE);
	assert_int_equal(fake_load(f->d, saved, length), 0);
	saved_again = fake_save(f->d, &again);
	assert_int_equal(again, length);
	assert_memory_equal(saved, saved_again, length);
	assert_int_equal(f->board->irq_level[14], old.board->irq_level[14]);
	assert_int_equal(f->board->irq_level[15], old.board->irq_level[15]);
	free(saved);
	free(saved_again);
	unplug(&old);
	if (f->blocks[2]) /* the old device has taken itself off the drive, and the new one with it */
		block_set_drive(f->blocks[2], f->d, ops);
	device_lock(f->d);
	ide_class.resume(f->d);
	device_unlock(f->d);
	fake_block_settle();
}

static void packet_protocol_survives_save_and_load_in_each_phase(void **state)
{
	struct fixture *f = fixture_new(4);
	const uint8_t *cdb = PACKET(0x28, 0, 0, 0, 0, 5, 0, 0, 20);
	uint8_t data[20 * 2048];
	unsigned at = 0;

	(void)state;
	fill_pattern(fake_block_data(f->blocks[2]), 65536, 7);
	wake_drive(f);
	out(f, SECONDARY + ATA_FEATURES, 0);
	out(f, SECONDARY + ATA_LBA_MID, 0);
	out(f, SECONDARY + ATA_LBA_HIGH, 0x10);
	out(f, SECONDARY + ATA_COMMAND, ATA_CMD_PACKET);
	for (unsigned i = 0; i < 12; i += 2) {
		move_to_new_machine(f);
		fake_outw(f->board, SECONDARY, le16_load(cdb + i));
	}
	move_to_new_machine(f); /* the request is in flight */
	while (at < sizeof(data)) {
		at += data_phase(f, data + at);
		move_to_new_machine(f);
	}
	assert_packet_end(f, ATA_DRDY);
	assert_memory_equal(data, fake_block_data(f->blocks[2]) + 5 * 2048, sizeof(data));
	fixture_free(f);
}

static void packet_with_data_out_and_dma_survives_save_and_load(void **state)
{
	struct fixture *f = fixture_new(4);
	uint8_t list[24] = { [8] = 0x0e, [9] = 14, [17] = 0x33 };
	const uint8_t *cdb = PACKET(0x5a, 0, 0x0e, 0, 0, 0, 0, 0, 24);

	(void)state;
	wake_drive(f);
	send_packet(f, 0, 64, PACKET(0x55, 0x10, 0, 0, 0, 0, 0, 0, 24)); /* MODE SELECT */
	bus_write_many(f->board->board.bus, SECONDARY, 2, list, 6);
	move_to_new_machine(f);
	bus_write_many(f->board->board.bus, SECONDARY, 2, list + 12, 6);
	assert_packet_end(f, ATA_DRDY);
	set_prd(f, 0, DATA, 24, true);
	out(f, SECONDARY + ATA_FEATURES, 1); /* MODE SENSE by DMA, started in another machine than it was asked for */
	out(f, SECONDARY + ATA_COMMAND, ATA_CMD_PACKET);
	move_to_new_machine(f);
	bus_write_many(f->board->board.bus, SECONDARY, 2, cdb, 6);
	assert_false(f->board->irq_level[15]);
	move_to_new_machine(f);
	start_bus_master(f, f->bm + 8, true);
	assert_packet_end(f, ATA_DRDY);
	assert_int_equal(*fake_ram(f->board, DATA + 17), 0x33);
	send_packet(f, 0, 0, PACKET(0x00)); /* sense, attention, tray and lock */
	send_packet(f, 0, 0, PACKET(0x1e, 0, 0, 0, 1));
	block_set_locked(f->blocks[2], false);
	fake_block_fail(f->blocks[2], BLOCK_READ, -EIO);
	send_packet(f, 0, 0, PACKET(0x28, 0, 0, 0, 0, 1, 0, 0, 1));
	move_to_new_machine(f);
	assert_true(block_locked(f->blocks[2]));
	assert_packet_end(f, ATA_DRDY | ATA_ERR);
	send_packet(f, 0, 18, PACKET(0x03, 0, 0, 0, 18));
	data_phase(f, list);
	assert_int_equal(list[2], 3);
	assert_int_equal(list[12], 0x11);
	fixture_free(f);
}

static void tray_and_media_event_survive_save_and_load(void **state)
{
	struct fixture *f = fixture_new(4);
	uint8_t data[8];

	(void)state;
	wake_drive(f);
	fake_block_insert(f->blocks[2], 0);
	move_to_new_machine(f);
	send_packet(f, 0, 8, PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8));
	data_phase(f, data);
	assert_int_equal(data[4], 3); /* removal */
	assert_int_equal(data[5], 1); /* tray open */
	assert_packet_end(f, ATA_DRDY);
	fixture_free(f);
}

static void dma_in_flight_survives_save_and_load(void **state)
{
	struct fixture *f = fixture_new(1);

	(void)state;
	fill_pattern(fake_block_data(f->blocks[0]), 65536, 8);
	set_prd(f, 0, DATA, 1000, false);
	set_prd(f, 1, DATA + 0x4000, 4096 - 1000, true);
	out_lba48(f, PRIMARY, 3, 8);
	out(f, PRIMARY + ATA_COMMAND, 0x25);
	start_bus_master(f, f->bm, true);
	assert_non_null(fake_block_pending(f->blocks[0]));
	move_to_new_machine(f);
	assert_true(f->board->irq_level[14]);
	assert_int_equal(in(f, f->bm + 2) & 7, 4);
	assert_memory_equal(fake_ram(f->board, DATA), fake_block_data(f->blocks[0]) + 3 * 512, 1000);
	assert_memory_equal(fake_ram(f->board, DATA + 0x4000), fake_block_data(f->blocks[0]) + 3 * 512 + 1000, 3096);
	fixture_free(f);
}

/* The second request begins in mid-region: the first ended at a sector's end. */
static void dma_between_two_requests_survives_save_and_load(void **state)
{
	struct fixture *f = fixture_new(1);
	uint8_t *data = fake_ram(f->board, DATA);

	(void)state;
	fill_pattern(data, 40 * 512, 9);
	set_prd(f, 0, DATA, 14, false);
	for (unsigned i = 0; i < 300; i++)
		set_prd(f, 1 + i, DATA + 14 + i * 28, 28, false);
	set_prd(f, 301, DATA + 14 + 300 * 28, 40 * 512 - 14 - 300 * 28, true);
	out_lba48(f, PRIMARY, 3, 40);
	out(f, PRIMARY + ATA_COMMAND, 0x35);
	start_bus_master(f, f->bm, false);
	assert_int_equal(fake_block_pending(f->blocks[0])->length, 13 * 512);
	fake_block_complete(f->blocks[0], 0);
	assert_non_null(fake_block_pending(f->blocks[0]));
	move_to_new_machine(f);
	assert_int_equal(in(f, f->bm + 2) & 7, 4);
	assert_memory_equal(fake_block_data(f->blocks[0]) + 3 * 512, fake_ram(f->board, DATA), 40 * 512);
	fixture_free(f);
}

/* The twins' accesses see the channels only when one of them happened to be decoded, hence the many seeds. */
static void state_contract_holds(void **state)
{
	struct fixture *f = fixture_new(1);
	struct device_config config = config_for(f);

	(void)state;
	fake_settle = fake_block_settle;
	for (unsigned seed = 0; seed < 40; seed++) {
		for (unsigned i = 0; i < IDE_DEVICES; i++)
			config.blocks[i] = fake_block_new("ide", i == 2 ? CD_SECTORS * 2048 : DISK_BYTES);
		fake_check_state(&ide_class, &config, seed);
		for (unsigned i = 0; i < IDE_DEVICES; i++)
			fake_block_free(config.blocks[i]);
	}
	fake_settle = NULL;
	fixture_free(f);
}

static void state_of_another_board_is_refused(void **state)
{
	struct fixture *f = fixture_new(1), *g = fixture_new(3);
	size_t length;
	void *saved = fake_save(f->d, &length);

	(void)state;
	assert_int_equal(fake_load(g->d, saved, length), -EINVAL);
	free(saved);
	fixture_free(f);
	fixture_free(g);
}

/* ---- hostile guests ---- */

static uint16_t random_port(struct fixture *f)
{
	static const uint16_t bases[] = { PRIMARY, SECONDARY };

	switch (rand() % 8) {
	case 0:
		return CONTROL(bases[rand() % 2]);
	case 1:
		return (uint16_t)(f->bm + rand() % 16);
	default:
		return (uint16_t)(bases[rand() % 2] + rand() % 8);
	}
}

static void random_access_does_no_harm(void **state)
{
	struct fixture *f = fixture_new(7);
	uint8_t string[1024] = { 0 };

	(void)state;
	srand(3);
	for (unsigned i = 0; i < 400000; i++) {
		static const uint8_t opcodes[] = { 0xa0, 0xa0, 0x20, 0x24, 0x25, 0x30, 0x35, 0xc4, 0xc5, 0xc6, 0xc8,
			                           0xca, 0xec, 0xa1, 0x08, 0x06, 0x90, 0xe7, 0xef, 0x91, 0xb0 };
		uint16_t port = random_port(f), base = rand() % 2 ? PRIMARY : SECONDARY;
		unsigned size = 1u << rand() % 3;
		uint32_t value = rand() % 2 ? (uint32_t)rand() % 16 : (uint32_t)rand() * 2654435761u;

		switch (rand() % 10) {
		case 0:
			out(f, base + ATA_COMMAND, opcodes[(unsigned)rand() % ARRAY_SIZE(opcodes)]);
			break;
		case 1:
			set_prd(f, (unsigned)rand() % 64, value % (FAKE_RAM_SIZE + 4096), (uint32_t)rand(),
			        rand() % 4 == 0);
			start_bus_master(f, f->bm + 8 * (rand() % 2), rand() % 2);
			break;
		case 2:
			bus_read_many(f->board->board.bus, base, 2, string, (unsigned)rand() % 512);
			break;
		case 3:
			for (unsigned n = 0; n < 12; n++)
				string[n] = (uint8_t)(n ? rand() % 4 : rand());
			bus_write_many(f->board->board.bus, base, 2, string, rand() % 2 ? 6 : (unsigned)rand() % 512);
			break;
		case 4:
			if (rand() % 50 == 0)
				fake_block_insert(f->blocks[2], rand() % 3 ? CD_SECTORS * 2048 : 0);
			out(f, CONTROL(base), rand() % 8 ? 0 : 4);
			break;
		case 5:
		case 6:
			fake_in(f->board, port, size);
			break;
		default:
			fake_out(f->board, port, size, value);
		}
		if (rand() % 3 == 0)
			fake_block_settle();
	}
	fake_block_settle();
	out(f, CONTROL(PRIMARY), ATA_CONTROL_SRST); /* and it still comes back */
	out(f, CONTROL(PRIMARY), 0);
	assert_int_equal(in(f, PRIMARY + ATA_STATUS), STATUS_OK);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(function_is_a_piix4_ide_in_compatibility_mode),
		cmocka_unit_test(ports_answer_only_while_decoded),
		cmocka_unit_test(absent_slave_is_answered_for_with_status_0),
		cmocka_unit_test(empty_channel_floats_and_is_not_busy),
		cmocka_unit_test(slave_alone_is_found),
		cmocka_unit_test(two_devices_have_commands_of_their_own),
		cmocka_unit_test(diagnostic_is_answered_by_device_0),
		cmocka_unit_test(packet_device_shows_its_signature),
		cmocka_unit_test(nien_keeps_the_line_down_until_it_is_cleared),
		cmocka_unit_test(data_port_takes_words_and_double_words_and_strings),
		cmocka_unit_test(dma_read_scatters_over_regions_of_any_size),
		cmocka_unit_test(dma_write_with_more_regions_than_one_request_holds),
		cmocka_unit_test(longer_regions_leave_the_bus_master_active),
		cmocka_unit_test(shorter_regions_end_without_an_interrupt),
		cmocka_unit_test(dma_outside_memory_sets_the_error_bit),
		cmocka_unit_test(table_without_end_stops_at_64_kib),
		cmocka_unit_test(reset_during_dma_waits_for_the_request),
		cmocka_unit_test(packet_read_keeps_the_byte_count_limit),
		cmocka_unit_test(odd_answers_are_padded_and_end),
		cmocka_unit_test(long_packet_read_refills_its_buffer),
		cmocka_unit_test(packet_dma_moves_sectors_and_short_answers),
		cmocka_unit_test(mode_select_takes_its_list_by_programmed_io),
		cmocka_unit_test(read_error_is_a_medium_error),
		cmocka_unit_test(person_changes_the_medium_and_asks_for_it),
		cmocka_unit_test(packet_protocol_survives_save_and_load_in_each_phase),
		cmocka_unit_test(packet_with_data_out_and_dma_survives_save_and_load),
		cmocka_unit_test(tray_and_media_event_survive_save_and_load),
		cmocka_unit_test(dma_in_flight_survives_save_and_load),
		cmocka_unit_test(dma_between_two_requests_survives_save_and_load),
		cmocka_unit_test(state_contract_holds),
		cmocka_unit_test(state_of_another_board_is_refused),
		cmocka_unit_test(random_access_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
