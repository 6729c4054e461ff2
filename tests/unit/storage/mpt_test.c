/* SPDX-License-Identifier: MIT */
/* The Fusion-MPT controllers' own side: doorbell, FIFOs, scatter-gather, task management, resets, state. */
#include "tests/unit/storage/mpt_rig.h"

#define READ_10(lba, count) 0x28, 0, 0, 0, (lba) >> 8, (lba)&0xff, 0, 0, count, 0

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

/* The low two bits say how much of the frame to fetch. SeaBIOS's stack is aligned to 4. */
static void frames_lie_at_multiples_of_four(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);
	uint8_t *p = fake_ram(r->board, FRAMES + 0x8004);

	(void)state;
	p[0] = DISK;
	p[MPT_MSG_CONTEXT] = 0x77;
	p[4] = 6;
	p[24] = 0x12;
	p[28] = 36;
	le32_store(p + 20, 0x02000000);
	le32_store(p + 40, 36);
	rig_element(p + 48, 0xd1, 36, DATA);
	rig_out(r, 0x40, FRAMES + 0x8004 + 3);
	assert_int_equal(rig_reply(r), 0x77);
	assert_memory_equal(fake_ram(r->board, DATA) + 8, "VITRINE ", 8);
	rig_free(r);
}

static void unknown_messages_are_refused(void **state)
{
	static const uint8_t functions[] = { 0x09, 0x0a, 0x12, 0x15, 0x17, 0x1a, 0xff };
	struct rig *r = rig_new(&mpt_sas_class);

	(void)state;
	for (size_t i = 0; i < sizeof(functions); i++) {
		uint32_t address;

		rig_frame(r, functions[i], &address);
		rig_out(r, 0x40, address);
		assert_int_equal(rig_reply(r), 0x1000 + r->frame - 1);
		assert_int_equal(rig_status(r), MPT_INVALID_FUNCTION);
	}
	rig_free(r);
}

static void events_are_switched_and_acknowledged(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);
	uint32_t address;

	(void)state;
	rig_frame(r, MPT_EVENT_NOTIFICATION, &address)[0] = 1;
	rig_out(r, 0x40, address);
	rig_reply(r);
	assert_int_equal(le32_load(r->reply + 20), 0x0a); /* event change, */
	assert_int_equal(r->reply[28], 1);                /* ... to on */
	rig_frame(r, MPT_EVENT_ACK, &address);
	rig_out(r, 0x40, address);
	rig_reply(r);
	assert_int_equal(r->reply[MPT_MSG_FUNCTION], MPT_EVENT_ACK);
	assert_int_equal(rig_status(r), 0);
	rig_free(r);
}

/* ---- requests and replies ---- */

static void interrupt_stands_while_replies_wait_and_the_mask_lets_it(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);

	(void)state;
	assert_false(r->board->irq_level[11]);
	rig_post(r, DISK, (const uint8_t[]){ 0x12, 0, 0, 0, 36, 0 }, 6, false, 36, DATA);
	rig_post(r, DISK, (const uint8_t[]){ 0x12, 0, 0, 0, 36, 0 }, 6, false, 36, DATA);
	assert_true(r->board->irq_level[11]);
	rig_out(r, 0x34, 8);
	assert_false(r->board->irq_level[11]);
	rig_out(r, 0x34, 1);
	assert_true(r->board->irq_level[11]);
	rig_reply(r);
	assert_true(r->board->irq_level[11]);
	rig_reply(r);
	assert_false(r->board->irq_level[11]);
	rig_free(r);
}

static void absent_targets_units_and_buses_are_told_apart(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);
	uint32_t address;

	(void)state;
	RUN(r, ABSENT, false, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(rig_status(r), MPT_SCSI_DEVICE_NOT_THERE);
	RUN(r, MPT_HOST_ID, false, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(rig_status(r), MPT_SCSI_DEVICE_NOT_THERE);
	RUN(r, 16, false, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(rig_status(r), MPT_SCSI_INVALID_TARGETID);
	rig_frame(r, MPT_SCSI_IO_REQUEST, &address)[1] = 1;
	rig_out(r, 0x40, address);
	rig_reply(r);
	assert_int_equal(rig_status(r), MPT_SCSI_INVALID_BUS);
	rig_frame(r, MPT_SCSI_IO_REQUEST, &address)[13] = 1; /* unit 1 */
	fake_ram(r->board, address)[4] = 6;
	fake_ram(r->board, address)[5] = 18;
	le32_store(fake_ram(r->board, address) + 44, SENSE);
	rig_out(r, 0x40, address);
	rig_reply(r);
	assert_int_equal(rig_status(r), 0);
	assert_int_equal(r->reply[12], SCSI_CHECK_CONDITION);
	assert_int_equal(rig_sense(r), 0x052500);
	rig_free(r);
}

static void chains_lead_to_more_pieces(void **state)
{
	struct rig *r = rig_new(&mpt_sas_class);
	const uint8_t *disk = fake_block_data(r->blocks[0]);
	uint32_t address, at = 0;
	uint8_t *p, *chain = fake_ram(r->board, PAGE), *second = fake_ram(r->board, PAGE + 0x400);

	(void)state;
	rig_settle_attention(r);
	rig_pattern(fake_block_data(r->blocks[0]), 4096, 5);
	p = rig_frame(r, MPT_SCSI_IO_REQUEST, &address);
	p[2] = 16; /* the chain element's place, in double words */
	p[4] = 10;
	memcpy(p + 24, (const uint8_t[]){ READ_10(0, 8) }, 10);
	le32_store(p + 20, 0x02000000);
	le32_store(p + 40, 4096);
	rig_element(p + 48, 0x90, 700, DATA); /* the last before the chain */
	rig_element(p + 64, 0x30, 16 + 8, PAGE);
	p[66] = 4;                               /* in the chain, again after 4 double words */
	rig_element(chain, 0x10, 0, 0xdead0000); /* of no length: nobody looks there */
	rig_element(chain + 8, 0x90, 1000, DATA + 0x1001);
	rig_element(chain + 16, 0x32, 12, PAGE + 0x400); /* address of 64 bits; what it needs more is read as zeros */
	rig_element(second, 0xd3, 9000, DATA + 0x2000);  /* of 64 bits, and longer than what is left */
	le32_store(second + 8, 0);
	rig_out(r, 0x40, address);
	fake_block_settle();
	assert_int_equal(rig_reply(r), 0x1000 + r->frame - 1);
	assert_int_equal(r->reply[MPT_MSG_LENGTH], 0); /* by context */
	assert_memory_equal(fake_ram(r->board, DATA), disk + at, 700);
	assert_memory_equal(fake_ram(r->board, DATA + 0x1001), disk + 700, 1000);
	assert_memory_equal(fake_ram(r->board, DATA + 0x2000), disk + 1700, 4096 - 1700);
	assert_int_equal(*fake_ram(r->board, DATA + 0x2000 + 4096 - 1700), 0);
	assert_int_equal(fake_block_count(r->blocks[0], BLOCK_READ), 1);
	rig_free(r);
}

/* Lists that lead nowhere, in a circle, or out of memory end in words, and quickly. */
static void bad_lists_are_refused(void **state)
{
	static const struct {
		uint8_t flags, chain_offset;
		uint32_t address;
		uint16_t status;
	} lists[] = {
		{ 0xd9, 0, DATA, MPT_INVALID_SGL },                       /* local address */
		{ 0xc1, 0, DATA, MPT_INVALID_SGL },                       /* transaction element */
		{ 0x10, 0, FAKE_RAM_SIZE - 100, MPT_SCSI_IO_DATA_ERROR }, /* beyond the memory */
		{ 0x30, 12, FAKE_RAM_SIZE, MPT_SCSI_IO_DATA_ERROR },      /* chain beyond the memory */
		{ 0x90, 31, DATA, MPT_INVALID_SGL },                      /* chain element cut off */
		{ 0x90, 0, DATA, MPT_INVALID_SGL },                       /* last, and no chain */
	};
	struct rig *r = rig_new(&mpt_spi_class);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		uint32_t address;
		uint8_t *p = rig_frame(r, MPT_SCSI_IO_REQUEST, &address);

		memcpy(p + 24, (const uint8_t[]){ READ_10(0, 8) }, 10);
		p[2] = lists[i].chain_offset;
		p[4] = 10;
		le32_store(p + 20, 0x02000000);
		le32_store(p + 40, 4096);
		rig_element(p + 48, lists[i].flags, 512, lists[i].address);
		rig_out(r, 0x40, address);
		assert_int_equal(rig_reply(r), 0x1000 + r->frame - 1);
		assert_int_equal(rig_status(r), lists[i].status);
	}
	rig_free(r);
}

static void chain_in_a_circle_ends(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);
	uint32_t address;
	uint8_t *p = rig_frame(r, MPT_SCSI_IO_REQUEST, &address);

	(void)state;
	memcpy(p + 24, (const uint8_t[]){ READ_10(0, 8) }, 10);
	p[2] = 12;
	p[4] = 10;
	le32_store(p + 20, 0x02000000);
	le32_store(p + 40, 0x1000000);
	rig_element(p + 48, 0x30, 8, PAGE);
	rig_element(fake_ram(r->board, PAGE), 0x30, 8, PAGE);
	rig_out(r, 0x40, address);
	rig_reply(r);
	assert_int_equal(rig_status(r), MPT_INSUFFICIENT_RESOURCES);
	rig_free(r);
}

/* A chain offset beyond the frame, and elements of 12 bytes that end 4 bytes behind it. */
static void list_that_runs_out_of_its_frame_is_refused(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);
	uint32_t address;
	uint8_t *p = rig_frame(r, MPT_SCSI_IO_REQUEST, &address);

	(void)state;
	p[2] = 255;
	p[4] = 6;
	le32_store(p + 20, 0x02000000);
	le32_store(p + 40, 4096);
	for (unsigned i = 0; i < 16; i++)
		rig_element(p + 48 + 12 * i, 0x12, 1, DATA);
	rig_out(r, 0x40, address);
	rig_reply(r);
	assert_int_equal(rig_status(r), MPT_INVALID_SGL);
	rig_free(r);
}

static void replies_wait_for_frames(void **state)
{
	struct rig *r = rig_new_raw(&mpt_spi_class);
	uint32_t context;

	(void)state;
	rig_init(r);
	for (unsigned i = 0; i < REPLY_FRAMES + 2; i++)
		rig_post(r, ABSENT, (const uint8_t[6]){ 0 }, 6, false, 0, DATA);
	for (unsigned i = 0; i < REPLY_FRAMES; i++)
		assert_int_not_equal(rig_in(r, 0x44), NO_REPLY);
	assert_int_equal(rig_in(r, 0x44), NO_REPLY);
	rig_out(r, 0x44, REPLIES);
	context = rig_reply(r); /* gives the frame back, too */
	assert_int_equal(context, 0x1000 + REPLY_FRAMES);
	assert_int_equal(rig_reply(r), context + 1);
	assert_int_equal(rig_reply(r), NO_REPLY);
	rig_free(r);
}

static void more_requests_than_credits_wait_in_the_fifo(void **state)
{
	struct rig *r = rig_new(&mpt_sas_class);
	unsigned replies = 0;

	(void)state;
	rig_settle_attention(r);
	for (unsigned i = 0; i < MPT_CREDITS + 40; i++)
		rig_post(r, DISK, (const uint8_t[]){ READ_10(i, 1) }, 10, false, 512, DATA);
	assert_int_equal(fake_block_count(r->blocks[0], BLOCK_READ), MPT_CREDITS);
	fake_block_settle();
	while (rig_reply(r) != NO_REPLY)
		replies++;
	assert_int_equal(replies, MPT_CREDITS + 40);
	rig_free(r);
}

static void fault_ends_with_a_reset(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);

	(void)state;
	rig_out(r, 0x40, 0xf0000000); /* no memory there */
	assert_int_equal(rig_in(r, 0), 0x40000000 | 4 << 24 | MPT_REQUEST_BUS_FAULT);
	rig_post(r, DISK, (const uint8_t[6]){ 0 }, 6, false, 0, DATA);
	assert_int_equal(rig_in(r, 0x44), NO_REPLY);
	rig_out(r, 0, 0x40000000);
	assert_int_equal(rig_in(r, 0), 0x10000000);
	rig_init(r);
	rig_free(r);
}

static void diagnostic_register_opens_by_its_keys(void **state)
{
	static const uint8_t keys[] = { 0xf, 0x4, 0xb, 0x2, 0x7, 0xd };
	struct rig *r = rig_new(&mpt_sas_class);

	(void)state;
	rig_out(r, 0x08, 4);
	assert_int_equal(rig_in(r, 0) >> 28, MPT_OPERATIONAL);
	for (size_t i = 0; i < sizeof(keys); i++)
		rig_out(r, 0x04, keys[i]);
	assert_int_equal(rig_in(r, 0x08), 0x80);
	rig_out(r, 0x08, 0x86);
	assert_int_equal(rig_in(r, 0x08), 0x20); /* it remembers the reset */
	assert_int_equal(rig_in(r, 0) >> 28, MPT_READY);
	for (size_t i = 0; i < sizeof(keys); i++)
		rig_out(r, 0x04, keys[i]);
	rig_out(r, 0x08, 0x80);
	assert_int_equal(rig_in(r, 0x08), 0x80);
	rig_out(r, 0x04, 0xffffffff);
	assert_int_equal(rig_in(r, 0x08), 0);
	rig_free(r);
}

/* ---- task management ---- */

static uint8_t *task(struct rig *r, uint8_t type, uint8_t target, uint32_t context, uint32_t *ret_address)
{
	uint8_t *p = rig_frame(r, MPT_SCSI_TASK_MGMT, ret_address);

	p[0] = target;
	p[5] = type;
	le32_store(p + 48, context);
	return p;
}

static void aborted_request_ends_before_its_abort(void **state)
{
	struct rig *r = rig_new(&mpt_sas_class);
	uint32_t address, one, two;

	(void)state;
	rig_settle_attention(r);
	one = rig_post(r, DISK, (const uint8_t[]){ READ_10(0, 8) }, 10, false, 4096, DATA);
	two = rig_post(r, DISK, (const uint8_t[]){ READ_10(8, 8) }, 10, false, 4096, DATA + 4096);
	task(r, 1, DISK, one, &address);
	rig_out(r, 0x48, address);
	assert_int_equal(rig_reply(r), NO_REPLY); /* its memory is still written to */
	fake_block_settle();
	assert_int_equal(rig_reply(r), one);
	assert_int_equal(rig_status(r), MPT_SCSI_TASK_TERMINATED);
	assert_int_equal(rig_reply(r), two + 1); /* the abort */
	assert_int_equal(r->reply[MPT_MSG_FUNCTION], MPT_SCSI_TASK_MGMT);
	assert_int_equal(r->reply[4], 0);
	assert_int_equal(le32_load(r->reply + 20), 1);
	assert_int_equal(rig_reply(r), two);
	assert_int_equal(r->reply[MPT_MSG_LENGTH], 0);
	rig_free(r);
}

/* Linux's SPI driver sends it by the doorbell; the reply comes by the FIFO. */
static void target_reset_comes_by_the_doorbell(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);
	uint32_t address, io, other;
	const uint8_t *p;

	(void)state;
	rig_settle_attention(r);
	io = rig_post(r, DISK, (const uint8_t[]){ READ_10(0, 8) }, 10, false, 4096, DATA);
	other = rig_post(r, SECOND_DISK, (const uint8_t[]){ READ_10(0, 8) }, 10, false, 4096, DATA + 4096);
	p = task(r, 3, DISK, 0, &address);
	rig_out(r, 0, 0x42000000 | 13 << 16);
	for (unsigned i = 0; i < 13; i++)
		rig_out(r, 0, le32_load(p + 4 * i));
	rig_out(r, 0x30, 0);
	assert_int_equal(rig_in(r, 0) >> 24, 0x24); /* operational, the doorbell idle */
	fake_block_settle();
	assert_int_equal(rig_reply(r), other); /* not meant */
	assert_int_equal(r->reply[MPT_MSG_LENGTH], 0);
	assert_int_equal(rig_reply(r), io);
	assert_int_equal(rig_status(r), MPT_SCSI_TASK_TERMINATED);
	assert_int_equal(rig_reply(r), other + 1);
	assert_int_equal(RUN(r, DISK, false, 0, 0, 0, 0, 0, 0, 0), SCSI_CHECK_CONDITION);
	assert_int_equal(rig_sense(r), 0x062903);
	assert_int_equal(RUN(r, SECOND_DISK, false, 0, 0, 0, 0, 0, 0, 0), SCSI_GOOD);
	rig_free(r);
}

static void task_queries_and_unknown_types_are_answered(void **state)
{
	struct rig *r = rig_new(&mpt_sas_class);
	uint32_t address, io;

	(void)state;
	rig_settle_attention(r);
	io = rig_post(r, DISK, (const uint8_t[]){ READ_10(0, 8) }, 10, false, 4096, DATA);
	task(r, 7, DISK, io, &address);
	rig_out(r, 0x40, address);
	rig_reply(r);
	assert_int_equal(r->reply[4], 8);
	task(r, 7, DISK, io + 5, &address);
	rig_out(r, 0x40, address);
	rig_reply(r);
	assert_int_equal(r->reply[4], 0);
	task(r, 99, DISK, io, &address);
	rig_out(r, 0x40, address);
	rig_reply(r);
	assert_int_equal(r->reply[4], 4);
	task(r, 3, ABSENT, 0, &address);
	rig_out(r, 0x40, address);
	rig_reply(r);
	assert_int_equal(rig_status(r), MPT_SCSI_DEVICE_NOT_THERE);
	rig_free(r);
}

/* ---- resets and state ---- */

static void reset_waits_for_what_is_in_flight(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);

	(void)state;
	rig_settle_attention(r);
	rig_post(r, DISK, (const uint8_t[]){ READ_10(0, 8) }, 10, false, 4096, DATA);
	rig_out(r, 0, 0x40000000);
	assert_int_equal(rig_in(r, 0) >> 28, MPT_RESET);
	fake_block_settle();
	assert_int_equal(rig_in(r, 0) >> 28, MPT_READY);
	rig_init(r);
	assert_int_equal(rig_reply(r), NO_REPLY);
	rig_free(r);
}

static void request_in_flight_begins_again_after_a_load(void **state)
{
	struct rig *r = rig_new(&mpt_sas_class), *q = rig_new_raw(&mpt_sas_class);
	uint32_t one, two, address;
	size_t length;
	void *saved;

	(void)state;
	rig_settle_attention(r);
	rig_pattern(fake_block_data(q->blocks[0]), 8192, 9);
	one = rig_post(r, DISK, (const uint8_t[]){ READ_10(0, 8) }, 10, false, 4096, DATA);
	two = rig_post(r, DISK, (const uint8_t[]){ READ_10(8, 8) }, 10, false, 4096, DATA + 4096);
	task(r, 1, DISK, two, &address);
	rig_out(r, 0x48, address);
	saved = fake_save(r->d, &length);
	memcpy(q->board->ram.host, r->board->ram.host, FAKE_RAM_SIZE);
	assert_int_equal(fake_load(q->d, saved, length), 0);
	device_lock(q->d);
	q->d->class->resume(q->d);
	device_unlock(q->d);
	fake_block_settle();
	assert_int_equal(rig_reply(q), two);
	assert_int_equal(rig_status(q), MPT_SCSI_TASK_TERMINATED);
	assert_int_equal(rig_reply(q), two + 1);
	assert_int_equal(rig_reply(q), one);
	assert_memory_equal(fake_ram(q->board, DATA), fake_block_data(q->blocks[0]), 4096);
	free(saved);
	rig_free(r);
	rig_free(q);
}

static void loading_over_a_request_in_flight_is_refused(void **state)
{
	struct rig *r = rig_new(&mpt_sas_class);
	size_t length;
	void *saved = fake_save(r->d, &length);

	(void)state;
	rig_settle_attention(r);
	rig_post(r, DISK, (const uint8_t[]){ READ_10(0, 8) }, 10, false, 4096, DATA);
	assert_int_equal(fake_load(r->d, saved, length), -EBUSY);
	fake_block_settle();
	free(saved);
	rig_free(r);
}

static void damaged_states_are_refused_or_harmless(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);
	uint8_t *saved, *damaged;
	size_t length;
	uint32_t random = 1;

	(void)state;
	rig_settle_attention(r);
	rig_post(r, DISK, (const uint8_t[]){ READ_10(0, 8) }, 10, false, 4096, DATA);
	saved = fake_save(r->d, &length);
	fake_block_settle();
	damaged = malloc(length);
	assert_non_null(damaged);
	for (int i = 0; i < 400; i++) {
		memcpy(damaged, saved, length);
		random = random * 1664525 + 1013904223;
		damaged[(random >> 8) % length] ^= (uint8_t)(1 << (random >> 29));
		fake_load(r->d, damaged, length);
		device_lock(r->d);
		r->d->class->resume(r->d);
		device_unlock(r->d);
		for (unsigned reg = 0; reg < 0x50; reg += 4)
			rig_in(r, reg);
		fake_block_settle();
	}
	free(damaged);
	free(saved);
	rig_free(r);
}

static void state_survives_random_accesses(void **state)
{
	struct rig *r = rig_new_raw(&mpt_spi_class);
	struct device_config config = rig_config(r);

	(void)state;
	fake_settle = fake_block_settle;
	for (unsigned seed = 0; seed < 3; seed++) {
		fake_check_state(&mpt_spi_class, &config, seed);
		fake_check_state(&mpt_sas_class, &config, seed);
	}
	fake_settle = NULL;
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_a_53c1030_and_a_sas1068),
		cmocka_unit_test(handshake_tells_facts),
		cmocka_unit_test(bios_driver_reads_a_sector),
		cmocka_unit_test(frames_lie_at_multiples_of_four),
		cmocka_unit_test(unknown_messages_are_refused),
		cmocka_unit_test(events_are_switched_and_acknowledged),
		cmocka_unit_test(interrupt_stands_while_replies_wait_and_the_mask_lets_it),
		cmocka_unit_test(absent_targets_units_and_buses_are_told_apart),
		cmocka_unit_test(chains_lead_to_more_pieces),
		cmocka_unit_test(bad_lists_are_refused),
		cmocka_unit_test(chain_in_a_circle_ends),
		cmocka_unit_test(list_that_runs_out_of_its_frame_is_refused),
		cmocka_unit_test(replies_wait_for_frames),
		cmocka_unit_test(more_requests_than_credits_wait_in_the_fifo),
		cmocka_unit_test(fault_ends_with_a_reset),
		cmocka_unit_test(diagnostic_register_opens_by_its_keys),
		cmocka_unit_test(aborted_request_ends_before_its_abort),
		cmocka_unit_test(target_reset_comes_by_the_doorbell),
		cmocka_unit_test(task_queries_and_unknown_types_are_answered),
		cmocka_unit_test(reset_waits_for_what_is_in_flight),
		cmocka_unit_test(request_in_flight_begins_again_after_a_load),
		cmocka_unit_test(loading_over_a_request_in_flight_is_refused),
		cmocka_unit_test(damaged_states_are_refused_or_harmless),
		cmocka_unit_test(state_survives_random_accesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
