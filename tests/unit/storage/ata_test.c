/* SPDX-License-Identifier: MIT */
/* One device on a host of our own: memory for DMA is an array, the interrupt a flag. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/storage/ata.h"
#include "tests/unit/storage/fake_block.c"

#define DISK_BYTES (512ull * 16 * 63 * 100) /* 100 cylinders */
#define MEMORY (128u << 10)

struct fixture {
	struct device owner;
	struct ata_device a;
	struct block *block;
	unsigned interrupts;
	bool level;
	uint8_t memory[MEMORY];
	uint32_t at, mapped, room; /* DMA: done, handed out, there is */
};

static void count_interrupt(struct ata_device *a)
{
	struct fixture *f = container_of(a, struct fixture, a);

	f->interrupts += a->intrq && !f->level;
	f->level = a->intrq;
}

static uint32_t map_memory(struct ata_device *a, uint32_t length, uint32_t unit, struct iovec *ret_iov,
                           unsigned *ret_count)
{
	struct fixture *f = container_of(a, struct fixture, a);
	uint32_t n = MIN(length, f->room - f->at);

	n -= n % unit;
	f->mapped = n;
	*ret_iov = (struct iovec){ f->memory + f->at, n };
	*ret_count = 1;
	return n;
}

static void advance_memory(struct ata_device *a)
{
	struct fixture *f = container_of(a, struct fixture, a);

	f->at += f->mapped;
}

static const struct ata_host host = { count_interrupt, map_memory, advance_memory };

static struct fixture *fixture_new(uint64_t capacity)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	pthread_mutex_init(&f->owner.lock, NULL);
	f->block = fake_block_new("ide0:0", capacity);
	f->room = MEMORY;
	ata_init(&f->a, &f->owner, &host, 0, f->block, false);
	ata_power_on(&f->a);
	return f;
}

static void fixture_free(struct fixture *f)
{
	ata_destroy(&f->a);
	fake_block_free(f->block);
	free(f);
}

static void set_lba28(struct fixture *f, uint32_t lba, uint8_t count)
{
	ata_write_register(&f->a, ATA_COUNT, count);
	ata_write_register(&f->a, ATA_LBA_LOW, (uint8_t)lba);
	ata_write_register(&f->a, ATA_LBA_MID, (uint8_t)(lba >> 8));
	ata_write_register(&f->a, ATA_LBA_HIGH, (uint8_t)(lba >> 16));
	ata_write_register(&f->a, ATA_DEVICE, (uint8_t)(0xe0 | lba >> 24));
}

static void set_lba48(struct fixture *f, uint64_t lba, uint16_t count)
{
	ata_write_register(&f->a, ATA_COUNT, (uint8_t)(count >> 8));
	ata_write_register(&f->a, ATA_COUNT, (uint8_t)count);
	for (unsigned i = 0; i < 3; i++) {
		ata_write_register(&f->a, ATA_LBA_LOW + i, (uint8_t)(lba >> (24 + 8 * i)));
		ata_write_register(&f->a, ATA_LBA_LOW + i, (uint8_t)(lba >> 8 * i));
	}
	ata_write_register(&f->a, ATA_DEVICE, 0x40);
}

static uint8_t command(struct fixture *f, uint8_t opcode, uint8_t features)
{
	ata_write_register(&f->a, ATA_FEATURES, features);
	ata_run_command(&f->a, opcode);
	fake_block_settle();
	return f->a.status;
}

static uint16_t identify_word(const uint8_t *page, unsigned word)
{
	return le16_load(page + 2 * word);
}

static void identify(struct fixture *f, uint8_t page[512])
{
	assert_int_equal(command(f, ATA_CMD_IDENTIFY, 0), ATA_DRDY | ATA_DSC | ATA_DRQ);
	ata_data_in(&f->a, page, 512);
	assert_int_equal(f->a.status, ATA_DRDY | ATA_DSC);
}

static void fill_pattern(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 512 + seed);
}

static void identify_describes_the_disk(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);
	uint8_t page[512], sum = 0;

	(void)state;
	identify(f, page);
	assert_int_equal(identify_word(page, 0), 0x0040);
	assert_int_equal(identify_word(page, 1), 100);
	assert_int_equal(identify_word(page, 3), 16);
	assert_int_equal(identify_word(page, 6), 63);
	assert_memory_equal(page + 54, "iVrtni eidks", 12); /* "Vitrine disk", byte-swapped words */
	assert_memory_equal(page + 20, "TVI-ED-0 0", 8);
	assert_int_equal(identify_word(page, 47), 0x8010);
	assert_int_equal(identify_word(page, 49) & 0x0300, 0x0300);
	assert_int_equal(identify_word(page, 53), 7);
	assert_int_equal(le32_load(page + 120), DISK_BYTES / 512);
	assert_int_equal(le64_load(page + 200), DISK_BYTES / 512);
	assert_int_equal(identify_word(page, 83) & 0xc400, 0x4400);
	assert_int_equal(identify_word(page, 169), 1);
	for (int i = 0; i < 512; i++)
		sum += page[i];
	assert_int_equal(page[510], 0xa5);
	assert_int_equal(sum, 0);
	fixture_free(f);
}

static void identify_caps_lba28_and_cylinders_of_a_large_disk(void **state)
{
	struct fixture *f = fixture_new(3ull << 40);
	uint8_t page[512];

	(void)state;
	identify(f, page);
	assert_int_equal(identify_word(page, 1), 16383);
	assert_int_equal(le32_load(page + 120), 0x0fffffff);
	assert_true(le64_load(page + 200) == (3ull << 40) / 512);
	fixture_free(f);
}

static void set_features_shows_in_identify(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);
	uint8_t page[512];

	(void)state;
	ata_write_register(&f->a, ATA_COUNT, 0x42); /* UDMA 2 */
	assert_int_equal(command(f, 0xef, 0x03) & ATA_ERR, 0);
	assert_int_equal(command(f, 0xef, 0x82) & ATA_ERR, 0); /* write cache off: flushed */
	assert_int_equal(fake_block_count(f->block, BLOCK_FLUSH), 1);
	identify(f, page);
	assert_int_equal(identify_word(page, 88), 0x043f);
	assert_int_equal(identify_word(page, 85) & 0x20, 0);
	ata_write_register(&f->a, ATA_COUNT, 0x47); /* UDMA 7: no such thing */
	assert_int_equal(command(f, 0xef, 0x03) & ATA_ERR, ATA_ERR);
	assert_int_equal(ata_read_register(&f->a, ATA_ERROR), ATA_ABRT);
	fixture_free(f);
}

static void pio_read_interrupts_before_each_sector_and_not_after(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);
	uint8_t sector[512];

	(void)state;
	fill_pattern(fake_block_data(f->block), 65536, 1);
	set_lba28(f, 3, 100); /* more than the buffer holds */
	ata_run_command(&f->a, 0x20);
	assert_int_equal(f->a.status, ATA_BSY);
	for (unsigned i = 0; i < 100; i++) {
		fake_block_settle();
		assert_int_equal(f->interrupts, i + 1);
		assert_int_equal(ata_read_status(&f->a), ATA_DRDY | ATA_DSC | ATA_DRQ);
		ata_data_in(&f->a, sector, 512);
		assert_memory_equal(sector, fake_block_data(f->block) + (3 + i) * 512, 512);
	}
	assert_int_equal(f->a.status, ATA_DRDY | ATA_DSC);
	assert_int_equal(f->interrupts, 100);
	fixture_free(f);
}

static void pio_write_interrupts_after_each_sector(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);
	uint8_t data[100 * 512];

	(void)state;
	fill_pattern(data, sizeof(data), 2);
	set_lba28(f, 5, 100);
	assert_int_equal(command(f, 0x30, 0), ATA_DRDY | ATA_DSC | ATA_DRQ);
	assert_int_equal(f->interrupts, 0); /* the first sector is asked for without */
	for (unsigned i = 0; i < 100; i++) {
		ata_data_out(&f->a, data + i * 512, 512);
		fake_block_settle();
		assert_int_equal(f->interrupts, i + 1);
		ata_read_status(&f->a);
	}
	assert_int_equal(f->a.status, ATA_DRDY | ATA_DSC);
	assert_memory_equal(fake_block_data(f->block) + 5 * 512, data, sizeof(data));
	fixture_free(f);
}

static void multiple_moves_blocks_and_a_rest(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);
	uint8_t data[20 * 512], back[20 * 512];

	(void)state;
	set_lba28(f, 0, 20);
	assert_int_equal(command(f, 0xc4, 0) & ATA_ERR, ATA_ERR); /* READ MULTIPLE before SET MULTIPLE MODE */
	ata_write_register(&f->a, ATA_COUNT, 24);
	assert_int_equal(command(f, 0xc6, 0) & ATA_ERR, ATA_ERR);
	ata_write_register(&f->a, ATA_COUNT, 8);
	assert_int_equal(command(f, 0xc6, 0) & ATA_ERR, 0);
	fill_pattern(data, sizeof(data), 3);
	set_lba28(f, 9, 20);
	command(f, 0xc5, 0);
	f->interrupts = 0;
	f->level = false;
	for (unsigned i = 0; i < 3; i++) {
		ata_data_out(&f->a, data + i * 8 * 512, i < 2 ? 4096 : 2048);
		fake_block_settle();
		ata_read_status(&f->a);
	}
	assert_int_equal(f->interrupts, 3);
	assert_int_equal(f->a.status, ATA_DRDY | ATA_DSC);
	set_lba48(f, 9, 20);
	f->interrupts = 0;
	command(f, 0x29, 0);
	for (unsigned i = 0; i < 3; i++) {
		ata_read_status(&f->a);
		ata_data_in(&f->a, back + i * 8 * 512, i < 2 ? 4096 : 2048);
	}
	assert_int_equal(f->interrupts, 3);
	assert_memory_equal(back, data, sizeof(data));
	fixture_free(f);
}

static void chs_addresses_follow_initialize_device_parameters(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);
	uint8_t sector[512], page[512];

	(void)state;
	fill_pattern(fake_block_data(f->block), FAKE_BLOCK_STORED, 4);
	ata_write_register(&f->a, ATA_COUNT, 17);
	ata_write_register(&f->a, ATA_DEVICE, 0xa3); /* 4 heads */
	command(f, 0x91, 0);
	identify(f, page);
	assert_int_equal(identify_word(page, 55), 4);
	assert_int_equal(identify_word(page, 56), 17);
	ata_write_register(&f->a, ATA_COUNT, 1);
	ata_write_register(&f->a, ATA_LBA_LOW, 6); /* sector 6, cylinder 2, head 1 */
	ata_write_register(&f->a, ATA_LBA_MID, 2);
	ata_write_register(&f->a, ATA_LBA_HIGH, 0);
	ata_write_register(&f->a, ATA_DEVICE, 0xa1);
	command(f, 0x20, 0);
	ata_data_in(&f->a, sector, 512);
	assert_memory_equal(sector, fake_block_data(f->block) + ((2 * 4 + 1) * 17 + 5) * 512, 512);
	ata_write_register(&f->a, ATA_LBA_LOW, 0); /* sectors count from 1 */
	assert_int_equal(command(f, 0x20, 0) & ATA_ERR, ATA_ERR);
	assert_int_equal(ata_read_register(&f->a, ATA_ERROR), ATA_IDNF);
	ata_write_register(&f->a, ATA_LBA_LOW, 1);
	ata_write_register(&f->a, ATA_DEVICE, 0xa4); /* head 4 of 0-3 */
	assert_int_equal(command(f, 0x20, 0) & ATA_ERR, ATA_ERR);
	fixture_free(f);
}

static void lba48_reaches_beyond_2_tib(void **state)
{
	struct fixture *f = fixture_new(3ull << 40);
	uint64_t lba = 0x123456789;
	uint8_t sector[512];

	(void)state;
	set_lba48(f, lba, 1);
	command(f, 0x24, 0);
	ata_data_in(&f->a, sector, 512);
	assert_true(le64_load(sector) == lba);
	set_lba48(f, (3ull << 40) / 512 - 1, 2); /* one sector too many */
	assert_int_equal(command(f, 0x24, 0), ATA_DRDY | ATA_DSC | ATA_ERR);
	assert_int_equal(ata_read_register(&f->a, ATA_ERROR), ATA_IDNF);
	assert_int_equal(command(f, 0x27, 0) & ATA_ERR, 0); /* READ NATIVE MAX ADDRESS EXT */
	assert_int_equal(ata_read_register(&f->a, ATA_LBA_LOW), 0xff);
	ata_write_control(&f->a, ATA_CONTROL_HOB);
	assert_int_equal(ata_read_register(&f->a, ATA_LBA_MID), 0x01); /* 0x17fffffff: bits 32-39 */
	assert_int_equal(ata_read_register(&f->a, ATA_LBA_LOW), 0x7f);
	ata_write_register(&f->a, ATA_COUNT, 0); /* any write takes HOB back */
	assert_int_equal(ata_read_register(&f->a, ATA_LBA_LOW), 0xff);
	fixture_free(f);
}

static void count_zero_is_256_sectors(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);

	(void)state;
	fill_pattern(fake_block_data(f->block), FAKE_BLOCK_STORED, 5);
	set_lba28(f, 1, 0);
	assert_int_equal(command(f, 0xc8, 0), ATA_DRDY | ATA_DSC);
	assert_int_equal(f->at, 256 * 512);
	assert_memory_equal(f->memory, fake_block_data(f->block) + 512, 256 * 512);
	fixture_free(f);
}

static void dma_waits_for_memory_in_mid_transfer(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);

	(void)state;
	fill_pattern(f->memory, MEMORY, 6);
	f->room = 10 * 512 + 100;
	set_lba48(f, 7, 30);
	assert_int_equal(command(f, 0x35, 0), ATA_BSY);
	assert_int_equal(f->interrupts, 0);
	assert_memory_equal(fake_block_data(f->block) + 7 * 512, f->memory, 10 * 512);
	f->room = MEMORY;
	ata_dma_start(&f->a);
	fake_block_settle();
	assert_int_equal(f->a.status, ATA_DRDY | ATA_DSC);
	assert_int_equal(f->interrupts, 1);
	assert_memory_equal(fake_block_data(f->block) + 7 * 512, f->memory, 30 * 512);
	fixture_free(f);
}

static void write_without_cache_is_flushed_before_it_is_done(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);

	(void)state;
	command(f, 0xef, 0x82);
	set_lba28(f, 0, 1);
	ata_run_command(&f->a, 0xca);
	block_drain(f->block);
	assert_int_equal(f->a.status, ATA_DRDY | ATA_DSC);
	assert_int_equal(fake_block_count(f->block, BLOCK_FLUSH), 2);
	fixture_free(f);
}

static void host_errors_become_ata_errors(void **state)
{
	static const struct {
		enum block_op op;
		int result;
		uint8_t opcode, status, error;
	} cases[] = {
		{ BLOCK_READ, -EIO, 0xc8, ATA_ERR, ATA_UNC },
		{ BLOCK_READ, -EIO, 0x20, ATA_ERR, ATA_UNC },
		{ BLOCK_WRITE, -EIO, 0xca, ATA_ERR | ATA_DF, ATA_ABRT },
		{ BLOCK_WRITE, -ENOSPC, 0xca, ATA_ERR | ATA_DF, ATA_ABRT },
		{ BLOCK_WRITE, -EROFS, 0xca, ATA_ERR, ATA_WP | ATA_ABRT },
		{ BLOCK_FLUSH, -EIO, 0xe7, ATA_ERR | ATA_DF, ATA_ABRT },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_new(DISK_BYTES);

		fake_block_fail(f->block, cases[i].op, cases[i].result);
		set_lba28(f, 77, 2);
		assert_int_equal(command(f, cases[i].opcode, 0), cases[i].status | ATA_DRDY | ATA_DSC);
		assert_int_equal(ata_read_register(&f->a, ATA_ERROR), cases[i].error);
		assert_int_equal(ata_read_register(&f->a, ATA_LBA_LOW), 77);
		assert_int_equal(f->interrupts, 1);
		fake_block_fail(f->block, cases[i].op, 0);
		assert_int_equal(command(f, 0xe5, 0) & ATA_ERR, 0); /* it goes on living */
		fixture_free(f);
	}
}

static void read_only_disk_refuses_writes_without_io(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);

	(void)state;
	fake_block_set_read_only(f->block, true);
	set_lba28(f, 0, 1);
	assert_int_equal(command(f, 0x30, 0) & (ATA_ERR | ATA_DRQ), ATA_ERR);
	assert_int_equal(ata_read_register(&f->a, ATA_ERROR), ATA_WP | ATA_ABRT);
	assert_int_equal(fake_block_count(f->block, BLOCK_WRITE), 0);
	fixture_free(f);
}

static void trim_discards_each_range_and_checks_it(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);

	(void)state;
	memset(fake_block_data(f->block), 0xaa, 65536);
	le64_store(f->memory, 2 | 3ull << 48);
	le64_store(f->memory + 16, 10 | 1ull << 48);
	set_lba48(f, 0, 1);
	assert_int_equal(command(f, ATA_CMD_DATA_SET_MANAGEMENT, 1), ATA_DRDY | ATA_DSC);
	assert_int_equal(fake_block_count(f->block, BLOCK_DISCARD), 2);
	assert_int_equal(fake_block_data(f->block)[2 * 512 - 1], 0xaa);
	assert_int_equal(fake_block_data(f->block)[2 * 512], 0);
	assert_int_equal(fake_block_data(f->block)[5 * 512 - 1], 0);
	assert_int_equal(fake_block_data(f->block)[5 * 512], 0xaa);
	assert_int_equal(fake_block_data(f->block)[10 * 512], 0);
	f->at = 0;
	le64_store(f->memory, (DISK_BYTES / 512 - 1) | 2ull << 48);
	set_lba48(f, 0, 1);
	assert_int_equal(command(f, ATA_CMD_DATA_SET_MANAGEMENT, 1) & ATA_ERR, ATA_ERR);
	set_lba48(f, 0, ATA_MAX_TRIM_BLOCKS + 1);
	assert_int_equal(command(f, ATA_CMD_DATA_SET_MANAGEMENT, 1) & ATA_ERR, ATA_ERR);
	fixture_free(f);
}

static void commands_without_data_answer(void **state)
{
	static const struct {
		uint8_t opcode, error;
	} cases[] = {
		{ 0x00, ATA_ABRT },
		{ 0x10, 0 },
		{ 0x40, 0 },
		{ 0x70, 0 },
		{ 0xe0, 0 },
		{ 0xe1, 0 },
		{ 0xe7, 0 },
		{ 0xea, 0 },
		{ 0xe6, 0 },
		{ 0xf8, 0 },
		{ ATA_CMD_PACKET, ATA_ABRT },
		{ ATA_CMD_IDENTIFY_PACKET, ATA_ABRT },
		{ ATA_CMD_DEVICE_RESET, ATA_ABRT },
		{ 0x2f, ATA_ABRT },
	};
	struct fixture *f = fixture_new(DISK_BYTES);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		set_lba28(f, 5, 1);
		f->interrupts = 0;
		ata_read_status(&f->a);
		assert_int_equal(command(f, cases[i].opcode, 0) & ATA_ERR, !!cases[i].error);
		assert_int_equal(ata_read_register(&f->a, ATA_ERROR), cases[i].error);
		assert_int_equal(f->interrupts, 1);
	}
	command(f, 0xe0, 0);
	command(f, 0xe5, 0);
	assert_int_equal(ata_read_register(&f->a, ATA_COUNT), 0); /* standby */
	set_lba28(f, 0, 1);
	command(f, 0xc8, 0);
	command(f, 0xe5, 0);
	assert_int_equal(ata_read_register(&f->a, ATA_COUNT), 0xff);
	fixture_free(f);
}

static void smart_reports_health_only_while_enabled(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);
	uint8_t page[512], sum = 0;

	(void)state;
	set_lba28(f, 0xc24f00, 1);
	assert_int_equal(command(f, 0xb0, 0xda) & ATA_ERR, 0);
	assert_int_equal(ata_read_register(&f->a, ATA_LBA_MID), 0x4f);
	command(f, 0xb0, 0xd0);
	ata_data_in(&f->a, page, 512);
	for (int i = 0; i < 512; i++)
		sum += page[i];
	assert_int_equal(sum, 0);
	assert_int_equal(command(f, 0xb0, 0xd9) & ATA_ERR, 0);
	assert_int_equal(command(f, 0xb0, 0xda) & ATA_ERR, ATA_ERR);
	assert_int_equal(command(f, 0xb0, 0xd8) & ATA_ERR, 0);
	assert_int_equal(command(f, 0xb0, 0xda) & ATA_ERR, 0);
	fixture_free(f);
}

static void soft_reset_leaves_a_signature(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);

	(void)state;
	set_lba28(f, 0x123456, 77);
	ata_write_control(&f->a, ATA_CONTROL_SRST);
	assert_int_equal(f->a.status, ATA_BSY);
	ata_run_command(&f->a, ATA_CMD_IDENTIFY); /* nobody listens */
	ata_write_control(&f->a, 0);
	assert_int_equal(f->a.status, ATA_DRDY | ATA_DSC);
	assert_int_equal(ata_read_register(&f->a, ATA_ERROR), 1);
	assert_int_equal(ata_read_register(&f->a, ATA_COUNT), 1);
	assert_int_equal(ata_read_register(&f->a, ATA_LBA_LOW), 1);
	assert_int_equal(ata_read_register(&f->a, ATA_LBA_MID), 0);
	assert_int_equal(ata_read_register(&f->a, ATA_LBA_HIGH), 0);
	assert_int_equal(ata_read_register(&f->a, ATA_DEVICE), 0);
	assert_int_equal(f->interrupts, 0);
	fixture_free(f);
}

static void reset_drops_what_a_request_in_flight_brings(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);

	(void)state;
	set_lba28(f, 0, 1);
	ata_run_command(&f->a, 0x20);
	assert_non_null(fake_block_pending(f->block));
	ata_write_control(&f->a, ATA_CONTROL_SRST);
	ata_write_control(&f->a, 0);
	assert_int_equal(f->a.status, ATA_BSY); /* until the request is back */
	ata_run_command(&f->a, ATA_CMD_IDENTIFY);
	assert_int_equal(f->a.status, ATA_BSY);
	fake_block_settle();
	assert_int_equal(f->a.status, ATA_DRDY | ATA_DSC);
	assert_int_equal(f->interrupts, 0);
	ata_run_command(&f->a, ATA_CMD_IDENTIFY);
	assert_int_equal(f->a.status, ATA_DRDY | ATA_DSC | ATA_DRQ);
	fixture_free(f);
}

static void registers_are_closed_while_busy(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);

	(void)state;
	set_lba28(f, 5, 1);
	ata_run_command(&f->a, 0x20);
	ata_write_register(&f->a, ATA_LBA_LOW, 0x99);
	assert_int_equal(ata_read_register(&f->a, ATA_LBA_LOW), 5);
	fake_block_settle();
	fixture_free(f);
}

/* Saves f's device into a fresh one on the same block; frees f. */
static struct fixture *reload(struct fixture *f)
{
	struct fixture *g = calloc(1, sizeof(*g));
	struct state *save = state_new_save(), *load;
	const void *data;
	size_t length;

	assert_non_null(g);
	ata_state(&f->a, save);
	data = state_data(save, &length);
	*g = *f;
	ata_init(&g->a, &g->owner, &host, 0, f->block, false);
	g->a.in_flight = false;
	ata_power_on(&g->a);
	memset(g->a.buffer, 0xcc, sizeof(g->a.buffer));
	load = state_new_load(data, length);
	ata_state(&g->a, load);
	assert_int_equal(state_error(load), 0);
	state_free(load);
	state_free(save);
	fake_block_settle(); /* what the old one had in flight */
	free(f);
	return g;
}

static void pio_transfer_survives_save_and_load_anywhere(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);
	uint8_t data[80 * 512], back[80 * 512];

	(void)state;
	fill_pattern(data, sizeof(data), 7);
	set_lba28(f, 11, 80);
	command(f, 0x30, 0);
	for (unsigned i = 0; i < sizeof(data); i += 128) {
		ata_data_out(&f->a, data + i, 128);
		fake_block_settle();
		f = reload(f);
	}
	assert_int_equal(f->a.status, ATA_DRDY | ATA_DSC);
	set_lba28(f, 11, 80);
	command(f, 0x20, 0);
	for (unsigned i = 0; i < sizeof(back); i += 128) {
		f = reload(f);
		ata_data_in(&f->a, back + i, 128);
		fake_block_settle();
	}
	assert_memory_equal(back, data, sizeof(data));
	fixture_free(f);
}

static void request_in_flight_is_begun_again_after_a_load(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);

	(void)state;
	fill_pattern(fake_block_data(f->block), 65536, 8);
	set_lba28(f, 2, 4);
	ata_run_command(&f->a, 0xc8);
	assert_non_null(fake_block_pending(f->block));
	f = reload(f);
	assert_int_equal(f->a.status, ATA_BSY);
	memset(f->memory, 0, MEMORY);
	ata_resume(&f->a);
	fake_block_settle();
	assert_int_equal(f->a.status, ATA_DRDY | ATA_DSC);
	assert_memory_equal(f->memory, fake_block_data(f->block) + 1024, 4 * 512);
	fixture_free(f);
}

static void settings_survive_save_and_load(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);
	uint8_t page[512];

	(void)state;
	command(f, 0xef, 0x82); /* write cache off */
	command(f, 0xef, 0x55); /* look-ahead off */
	set_lba28(f, 0xc24f00, 4);
	command(f, 0xb0, 0xd9); /* SMART off */
	command(f, 0xc6, 0);    /* 4 sectors in a multiple */
	ata_write_register(&f->a, ATA_COUNT, 0x44);
	command(f, 0xef, 0x03); /* UDMA 4 */
	ata_write_register(&f->a, ATA_COUNT, 32);
	ata_write_register(&f->a, ATA_DEVICE, 0xa7);
	command(f, 0x91, 0); /* 8 heads, 32 sectors */
	command(f, 0xe1, 0); /* idle */
	f = reload(f);
	command(f, 0xe5, 0);
	assert_int_equal(ata_read_register(&f->a, ATA_COUNT), 0x80);
	identify(f, page);
	assert_int_equal(identify_word(page, 55), 8);
	assert_int_equal(identify_word(page, 56), 32);
	assert_int_equal(identify_word(page, 88), 0x103f);
	assert_int_equal(identify_word(page, 85), 0x4008);
	assert_int_equal(identify_word(page, 59), 0x0104);
	set_lba48(f, 0x123456789abc, 1);
	ata_write_control(&f->a, ATA_CONTROL_HOB);
	f = reload(f);
	assert_int_equal(ata_read_register(&f->a, ATA_LBA_HIGH), 0x12);
	set_lba28(f, 0, 12);
	command(f, 0xc4, 0);
	f = reload(f);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(f->a.block_end, 2048 * (i + 1));
		ata_data_in(&f->a, page, 512);
		f = reload(f);
		for (unsigned n = 0; n < 3; n++)
			ata_data_in(&f->a, page, 512);
	}
	fixture_free(f);
}

/* Whatever bytes a state holds, the device refuses it or lives with it. */
static void damaged_states_do_no_harm(void **state)
{
	struct fixture *f = fixture_new(DISK_BYTES);
	struct state *save = state_new_save();
	const void *data;
	size_t length;
	uint8_t *copy, word[2];

	(void)state;
	set_lba28(f, 11, 80);
	command(f, 0x30, 0);
	ata_data_out(&f->a, f->memory, 700);
	ata_state(&f->a, save);
	data = state_data(save, &length);
	copy = malloc(length);
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		struct state *load;

		memcpy(copy, data, length);
		for (unsigned n = 0; n < 3; n++)
			copy[(unsigned)rand() % MIN(length, 700u)] = (uint8_t)(rand() % 3 ? rand() % 12 : rand());
		load = state_new_load(copy, length);
		ata_state(&f->a, load);
		state_free(load);
		ata_resume(&f->a);
		fake_block_settle();
		ata_data_in(&f->a, word, 2);
		for (unsigned n = 0; n < 600; n++)
			ata_data_out(&f->a, word, 2);
		fake_block_settle();
		f->at = 0;
	}
	free(copy);
	state_free(save);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identify_describes_the_disk),
		cmocka_unit_test(identify_caps_lba28_and_cylinders_of_a_large_disk),
		cmocka_unit_test(set_features_shows_in_identify),
		cmocka_unit_test(pio_read_interrupts_before_each_sector_and_not_after),
		cmocka_unit_test(pio_write_interrupts_after_each_sector),
		cmocka_unit_test(multiple_moves_blocks_and_a_rest),
		cmocka_unit_test(chs_addresses_follow_initialize_device_parameters),
		cmocka_unit_test(lba48_reaches_beyond_2_tib),
		cmocka_unit_test(count_zero_is_256_sectors),
		cmocka_unit_test(dma_waits_for_memory_in_mid_transfer),
		cmocka_unit_test(write_without_cache_is_flushed_before_it_is_done),
		cmocka_unit_test(host_errors_become_ata_errors),
		cmocka_unit_test(read_only_disk_refuses_writes_without_io),
		cmocka_unit_test(trim_discards_each_range_and_checks_it),
		cmocka_unit_test(commands_without_data_answer),
		cmocka_unit_test(smart_reports_health_only_while_enabled),
		cmocka_unit_test(soft_reset_leaves_a_signature),
		cmocka_unit_test(reset_drops_what_a_request_in_flight_brings),
		cmocka_unit_test(registers_are_closed_while_busy),
		cmocka_unit_test(pio_transfer_survives_save_and_load_anywhere),
		cmocka_unit_test(request_in_flight_is_begun_again_after_a_load),
		cmocka_unit_test(settings_survive_save_and_load),
		cmocka_unit_test(damaged_states_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
