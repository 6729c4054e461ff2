/* SPDX-License-Identifier: MIT */
/* The Fusion-MPT controllers' own side: doorbell, FIFOs, scatter-gather, task management, resets, state. */
#include "tests/unit/storage/mpt_rig.h"

/* ---- finding and starting it ---- */

static void functions_are_a_53c1030_and_a_sas1068(void **state)
{
	struct rig *spi = rig_new_raw(&mpt_spi_class), *sas = rig_new_raw(&mpt_sas_class);

	(void)state;
	assert_int_equal(pci_config_read(spi->d->pci, 0, 4), 0x00301000);
	assert_int_equal(pci_config_read(sas->d->pci, 0, 4), 0x00541000);
	assert_int_equal(pci_config_read(spi->d->pci, 8, 4) >> 8, 0x010000);
	assert_int_equal(pci_config_read(spi->d->pci, 0x2c, 4), 0x197615ad);
	assert_int_equal(rig_in(spi, 0) >> 28, MPT_READY);
	assert_int_equal(fake_read(spi->board, 0xe0000000, 4), 0x10000000); /* the same in memory */
	rig_free(spi);
	rig_free(sas);
}

static void handshake_tells_facts(void **state)
{
	struct rig *r = rig_new_raw(&mpt_sas_class);
	uint8_t facts[12] = { 0, 0, 0, MPT_IOC_FACTS, [8] = 0x78, 0x56, 0x34, 0x12 };
	uint8_t port[12] = { 0, 0, 0, MPT_PORT_FACTS };

	(void)state;
	assert_int_equal(rig_shake(r, facts, 3), 20);
	assert_int_equal(le16_load(r->reply), 0x0105);
	assert_int_equal(le32_load(r->reply + 8), 0x12345678);
	assert_int_equal(rig_status(r), 0);
	assert_int_equal(le16_load(r->reply + 26) * 4, MPT_FRAME);
	assert_int_equal(le16_load(r->reply + 36), MPT_CREDITS);
	assert_int_equal(rig_shake(r, port, 3), 10);
	assert_int_equal(r->reply[21], 0x30);
	assert_int_equal(le16_load(r->reply + 26), 8);
	port[6] = 1;
	rig_shake(r, port, 3);
	assert_int_equal(rig_status(r), MPT_INVALID_FIELD);
	rig_free(r);
}

/* SeaBIOS: no waiting, no acknowledging between the parts, a reply frame of 4 bytes, frames on its stack. */
static void bios_driver_reads_a_sector(void **state)
{
	struct rig *r = rig_new_raw(&mpt_spi_class);
	uint8_t init[24] = { 2, 0, 0, MPT_IOC_INIT, 0, 8, 1, [12] = 4 }, halves[20];
	uint32_t context;

	(void)state;
	rig_pattern(fake_block_data(r->blocks[0]), 512, 1);
	rig_out(r, 0, 0x40000000);
	rig_out(r, 0x34, 9);
	rig_out(r, 0x30, 0);
	rig_out(r, 0, 0x42060000);
	bus_write_many(r->board->board.bus, r->port, 4, init, 6);
	for (unsigned i = 0; i < sizeof(halves) / 2; i++)
		le16_store(halves + 2 * i, (uint16_t)rig_in(r, 0));
	rig_out(r, 0x30, 0);
	assert_int_equal(halves[3], MPT_IOC_INIT);
	assert_int_equal(le16_load(halves + 14), 0);
	rig_out(r, 0x44, REPLIES);
	memset(fake_ram(r->board, REPLIES), 0xee, 8);

	context = rig_post(r, DISK, (const uint8_t[16]){ 0x12, [4] = 36 }, 16, false, 36, DATA);
	assert_int_equal(rig_in(r, 0x44), context);
	rig_post(r, DISK, (const uint8_t[16]){ 0 }, 16, false, 0, DATA);
	assert_int_equal(rig_in(r, 0x44), REPLIES >> 1 | 0x80000000); /* a unit attention */
	assert_int_equal(fake_ram(r->board, REPLIES)[4], 0xee);       /* 4 bytes, and no more */
	rig_out(r, 0x44, REPLIES);
	context = rig_post(r, DISK, (const uint8_t[16]){ 0x28, [8] = 1 }, 16, false, 512, DATA);
	fake_block_settle();
	assert_int_equal(rig_in(r, 0x30) & 8, 8);
	assert_int_equal(rig_in(r, 0x44), context);
	assert_int_equal(rig_in(r, 0x30) & 8, 0);
	assert_memory_equal(fake_ram(r->board, DATA), fake_block_data(r->blocks[0]), 512);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_a_53c1030_and_a_sas1068),
		cmocka_unit_test(handshake_tells_facts),
		cmocka_unit_test(bios_driver_reads_a_sector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
