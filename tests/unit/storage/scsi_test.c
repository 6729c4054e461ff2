/* SPDX-License-Identifier: MIT */
/* SCSI disks and CD drives, as they answer behind a controller. */
#include "tests/unit/storage/mpt_rig.h"

static struct rig *ready_rig(void)
{
	struct rig *r = rig_new(&mpt_sas_class);

	rig_settle_attention(r);
	return r;
}

static uint8_t *data(struct rig *r)
{
	return fake_ram(r->board, DATA);
}

static uint8_t *disk(struct rig *r)
{
	return fake_block_data(r->blocks[DISK]);
}

/* ---- what it says of itself ---- */

static void inquiry_names_disk_and_cd_drive(void **state)
{
	struct rig *r = rig_new(&mpt_sas_class); /* with unit attentions waiting: INQUIRY leaves them alone */

	(void)state;
	assert_int_equal(RUN(r, DISK, false, 36, 0x12, 0, 0, 0, 36, 0), SCSI_GOOD);
	assert_int_equal(data(r)[0], 0x00);
	assert_int_equal(data(r)[1], 0x00);
	assert_memory_equal(data(r) + 8, "VITRINE Vitrine disk    1.0 ", 28);
	assert_int_equal(RUN(r, CDROM, false, 96, 0x12, 0, 0, 0, 96, 0), SCSI_GOOD);
	assert_int_equal(rig_status(r), MPT_SCSI_DATA_UNDERRUN);
	assert_int_equal(le32_load(r->reply + 20), 36);
	assert_int_equal(data(r)[0], 0x05);
	assert_int_equal(data(r)[1], 0x80);
	assert_int_equal(RUN(r, DISK, false, 36, 0x12, 0, 0x80, 0, 36, 0), SCSI_CHECK_CONDITION);
	assert_int_equal(rig_sense(r), 0x052400);
	rig_settle_attention(r);
	rig_free(r);
}

static void vital_product_data_is_listed_and_there(void **state)
{
	struct rig *r = ready_rig();
	uint8_t first[20];

	(void)state;
	RUN(r, DISK, false, 255, 0x12, 1, 0, 0, 255, 0);
	assert_int_equal(be16_load(data(r) + 2), 6);
	assert_memory_equal(data(r) + 4, "\x00\x80\x83\xb0\xb1\xb2", 6);
	RUN(r, CDROM, false, 255, 0x12, 1, 0, 0, 255, 0);
	assert_int_equal(be16_load(data(r) + 2), 3);
	RUN(r, DISK, false, 255, 0x12, 1, 0x80, 0, 255, 0);
	memcpy(first, data(r), 16);
	RUN(r, SECOND_DISK, false, 255, 0x12, 1, 0x80, 0, 255, 0);
	assert_memory_equal(first, data(r), 4);
	assert_memory_not_equal(first + 4, data(r) + 4, 11); /* each has a serial of its own */
	RUN(r, DISK, false, 255, 0x12, 1, 0x83, 0, 255, 0);
	assert_memory_equal(data(r) + 8, "VITRINE VT", 10);
	assert_int_equal(data(r)[4 + 4 + 19] & 0x0f, 1);   /* then a binary one, */
	assert_int_equal(data(r)[4 + 4 + 19 + 4] >> 4, 3); /* ... assigned locally */
	RUN(r, DISK, false, 64, 0x12, 1, 0xb0, 0, 64, 0);
	assert_int_equal(be32_load(data(r) + 24), 255); /* UNMAP descriptors */
	RUN(r, DISK, false, 8, 0x12, 1, 0xb2, 0, 8, 0);
	assert_int_equal(data(r)[5], 0xe4);
	assert_int_equal(RUN(r, CDROM, false, 64, 0x12, 1, 0xb0, 0, 64, 0), SCSI_CHECK_CONDITION);
	rig_free(r);
}

static void units_are_reported(void **state)
{
	struct rig *r = ready_rig();

	(void)state;
	assert_int_equal(RUN(r, DISK, false, 16, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0), SCSI_GOOD);
	assert_int_equal(be32_load(data(r)), 8);
	assert_int_equal(be64_load(data(r) + 8), 0);
	assert_int_equal(RUN(r, CDROM, false, 16, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0), SCSI_GOOD);
	rig_free(r);
}

static void capacity_is_told_in_both_sizes(void **state)
{
	struct rig *r = ready_rig();

	(void)state;
	RUN(r, DISK, false, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(be32_load(data(r)), DISK_SECTORS - 1);
	assert_int_equal(be32_load(data(r) + 4), 512);
	RUN(r, DISK, false, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0);
	assert_int_equal(be64_load(data(r)), DISK_SECTORS - 1);
	assert_int_equal(data(r)[14], 0xc0);
	RUN(r, CDROM, false, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(be32_load(data(r)), CD_SECTORS - 1);
	assert_int_equal(be32_load(data(r) + 4), 2048);
	rig_free(r);
}

static void disk_beyond_2_tib_is_read_by_16_byte_commands(void **state)
{
	struct rig *r = rig_new_raw(&mpt_sas_class);

	(void)state;
	fake_block_insert(r->blocks[DISK], 5ull << 40);
	rig_init(r);
	rig_settle_attention(r);
	RUN(r, DISK, false, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(be32_load(data(r)), 0xffffffff);
	assert_int_equal(RUN(r, DISK, false, 512, 0x88, 0, 0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0), SCSI_GOOD);
	assert_int_equal(le64_load(data(r)), 0x200000007);
	rig_free(r);
}

/* ---- reading and writing ---- */

static void every_size_of_command_reads_and_writes(void **state)
{
	struct rig *r = ready_rig();
	uint8_t saved[1024];

	(void)state;
	rig_pattern(disk(r), 65536, 1);
	assert_int_equal(RUN(r, DISK, false, 1024, 0x08, 0, 0, 3, 2, 0), SCSI_GOOD);
	assert_memory_equal(data(r), disk(r) + 3 * 512, 1024);
	RUN(r, DISK, false, 1024, 0x28, 0, 0, 0, 0, 4, 0, 0, 2, 0);
	assert_memory_equal(data(r), disk(r) + 4 * 512, 1024);
	RUN(r, DISK, false, 1024, 0xa8, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0);
	assert_memory_equal(data(r), disk(r) + 5 * 512, 1024);
	RUN(r, DISK, false, 1024, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 2, 0, 0);
	assert_memory_equal(data(r), disk(r) + 6 * 512, 1024);
	memcpy(saved, data(r), 1024);
	RUN(r, DISK, true, 1024, 0x0a, 0, 0, 20, 2, 0);
	RUN(r, DISK, true, 1024, 0x2a, 0, 0, 0, 0, 30, 0, 0, 2, 0);
	RUN(r, DISK, true, 1024, 0xaa, 0, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0);
	RUN(r, DISK, true, 1024, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 50, 0, 0, 0, 2, 0, 0);
	for (unsigned lba = 20; lba <= 50; lba += 10)
		assert_memory_equal(disk(r) + lba * 512, saved, 1024);
	RUN(r, DISK, false, 256 * 512, 0x08, 0, 0, 0, 0, 0); /* 0 is 256 in the old ones */
	assert_memory_equal(data(r), disk(r), 256 * 512);
	assert_int_equal(RUN(r, DISK, false, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	                 SCSI_GOOD); /* and nothing in the others */
	rig_free(r);
}

static void addresses_beyond_the_end_are_refused(void **state)
{
	struct rig *r = ready_rig();

	(void)state;
	RUN(r, DISK, false, 1024, 0x28, 0, 0, 0x0f, 0xff, 0xff, 0, 0, 2, 0);
	assert_int_equal(rig_sense(r), 0x052100);
	assert_int_equal(fake_block_count(r->blocks[DISK], BLOCK_READ), 0);
	RUN(r, DISK, false, 512, 0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0);
	assert_int_equal(rig_sense(r), 0x052100);
	rig_free(r);
}

/* Memory for less than the command says takes whole sectors; data that goes the other way never moves. */
static void short_buffers_and_wrong_directions_are_told(void **state)
{
	struct rig *r = ready_rig();

	(void)state;
	rig_pattern(disk(r), 4096, 1);
	RUN(r, DISK, false, 1300, 0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0);
	assert_int_equal(rig_status(r), MPT_SCSI_DATA_OVERRUN);
	assert_int_equal(le32_load(r->reply + 20), 1024);
	assert_memory_equal(data(r), disk(r), 1024);
	assert_int_equal(data(r)[1024], 0);
	assert_int_equal(RUN(r, DISK, true, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), SCSI_CHECK_CONDITION);
	assert_int_equal(rig_sense(r), 0x0b4b00);
	assert_int_equal(RUN(r, DISK, false, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), SCSI_CHECK_CONDITION);
	assert_int_equal(rig_sense(r), 0x0b4b00);
	assert_int_equal(RUN(r, DISK, true, 36, 0x12, 0, 0, 0, 36, 0), SCSI_CHECK_CONDITION);
	rig_free(r);
}

static void host_errors_become_sense(void **state)
{
	static const struct {
		enum block_op op;
		int result;
		uint32_t sense;
	} errors[] = {
		{ BLOCK_READ, -EIO, 0x031100 },       { BLOCK_WRITE, -EIO, 0x030c00 },
		{ BLOCK_WRITE, -ENOSPC, 0x072707 },   { BLOCK_WRITE, -EROFS, 0x072700 },
		{ BLOCK_READ, -ENOMEDIUM, 0x023a00 },
	};
	struct rig *r = ready_rig();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		bool write = errors[i].op == BLOCK_WRITE;

		fake_block_fail(r->blocks[DISK], errors[i].op, errors[i].result);
		assert_int_equal(RUN(r, DISK, write, 512, write ? 0x2a : 0x28, 0, 0, 0, 0, 77, 0, 0, 1, 0),
		                 SCSI_CHECK_CONDITION);
		assert_int_equal(rig_sense(r), errors[i].sense);
		fake_block_fail(r->blocks[DISK], errors[i].op, 0);
	}
	fake_block_fail(r->blocks[DISK], BLOCK_READ, -EIO);
	RUN(r, DISK, false, 512, 0x28, 0, 0, 0, 0, 77, 0, 0, 1, 0);
	assert_int_equal(fake_ram(r->board, SENSE)[0], 0xf0);
	assert_int_equal(be32_load(fake_ram(r->board, SENSE) + 3), 77);
	rig_free(r);
}

static void read_only_disk_is_write_protected(void **state)
{
	struct rig *r = ready_rig();

	(void)state;
	fake_block_set_read_only(r->blocks[DISK], true);
	RUN(r, DISK, true, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	assert_int_equal(rig_sense(r), 0x072700);
	RUN(r, DISK, false, 4, 0x1a, 8, 0x08, 0, 4, 0);
	assert_int_equal(data(r)[2] & 0x80, 0x80);
	rig_free(r);
}

/* ---- caches ---- */

static void flushes_come_when_they_should(void **state)
{
	struct rig *r = ready_rig();
	struct block *b = r->blocks[DISK];

	(void)state;
	RUN(r, DISK, true, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	assert_int_equal(fake_block_count(b, BLOCK_FLUSH), 0);
	RUN(r, DISK, true, 512, 0x2a, 8, 0, 0, 0, 0, 0, 0, 1, 0); /* force unit access */
	assert_int_equal(fake_block_count(b, BLOCK_FLUSH), 1);
	RUN(r, DISK, false, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(fake_block_count(b, BLOCK_FLUSH), 2);
	RUN(r, DISK, true, 512, 0x2e, 0, 0, 0, 0, 0, 0, 0, 1, 0); /* write and verify */
	assert_int_equal(fake_block_count(b, BLOCK_FLUSH), 3);

	RUN(r, DISK, false, 24, 0x1a, 8, 0x08, 0, 24, 0); /* caching page: take WCE away */
	assert_int_equal(data(r)[4 + 2], 0x04);
	data(r)[4 + 2] = 0;
	data(r)[0] = data(r)[2] = 0;
	assert_int_equal(RUN(r, DISK, true, 24, 0x15, 0x10, 0, 0, 24, 0), SCSI_GOOD);
	assert_int_equal(fake_block_count(b, BLOCK_FLUSH), 4);
	RUN(r, DISK, true, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0);
	assert_int_equal(fake_block_count(b, BLOCK_FLUSH), 5);
	RUN(r, DISK, false, 24, 0x1a, 8, 0x08, 0, 24, 0);
	assert_int_equal(data(r)[4 + 2], 0);
	rig_free(r);
}

static void mode_pages_that_cannot_change_are_guarded(void **state)
{
	struct rig *r = ready_rig();

	(void)state;
	assert_int_equal(RUN(r, DISK, false, 255, 0x1a, 0, 0x3f, 0, 255, 0), SCSI_GOOD);
	assert_int_equal(data(r)[0] + 1, 4 + 8 + 12 + 24 + 24 + 20 + 12);
	assert_int_equal(le32_load(r->reply + 20), data(r)[0] + 1);
	RUN(r, DISK, false, 255, 0x5a, 8, 0x0a, 0, 0, 0, 0, 0, 255, 0);
	assert_int_equal(be16_load(data(r)) + 2, 8 + 12);
	data(r)[8 + 4] ^= 0xff;
	RUN(r, DISK, true, 20, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 20, 0);
	assert_int_equal(rig_sense(r), 0x052600);
	RUN(r, DISK, true, 20, 0x55, 0x11, 0, 0, 0, 0, 0, 0, 20, 0);
	assert_int_equal(rig_sense(r), 0x052400);
	RUN(r, DISK, false, 255, 0x1a, 0, 0xc8, 0, 255, 0); /* saved values */
	assert_int_equal(rig_sense(r), 0x053900);
	rig_free(r);
}

/* ---- holes ---- */

static void unmapped_ranges_read_as_zeros(void **state)
{
	struct rig *r = ready_rig();
	uint8_t *p = data(r);

	(void)state;
	rig_pattern(disk(r), 65536, 1);
	memset(p, 0, 56);
	be16_store(p, 54);
	be16_store(p + 2, 48);
	be64_store(p + 8, 2);
	be32_store(p + 16, 3);
	be64_store(p + 24, 9); /* of no length */
	be64_store(p + 40, 20);
	be32_store(p + 48, 1);
	assert_int_equal(RUN(r, DISK, true, 56, 0x42, 0, 0, 0, 0, 0, 0, 0, 56, 0), SCSI_GOOD);
	assert_int_equal(fake_block_count(r->blocks[DISK], BLOCK_DISCARD), 2);
	memset(p, 0, 4096);
	assert_memory_equal(disk(r) + 2 * 512, p, 3 * 512);
	assert_memory_equal(disk(r) + 20 * 512, p, 512);
	assert_int_not_equal(disk(r)[9 * 512], 0);
	be16_store(p + 2, 16);
	be64_store(p + 8, DISK_SECTORS);
	be32_store(p + 16, 1);
	RUN(r, DISK, true, 24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0);
	assert_int_equal(rig_sense(r), 0x052100);
	be16_store(p + 2, 32); /* more than there is */
	RUN(r, DISK, true, 24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0);
	assert_int_equal(rig_sense(r), 0x051a00);
	rig_free(r);
}

static void same_sector_is_written_again_and_again(void **state)
{
	struct rig *r = ready_rig();

	(void)state;
	rig_pattern(data(r), 512, 7);
	assert_int_equal(RUN(r, DISK, true, 512, 0x41, 0, 0, 0, 0, 1, 0, 0, 21, 0), SCSI_GOOD);
	for (unsigned lba = 1; lba <= 21; lba++)
		assert_memory_equal(disk(r) + lba * 512, data(r), 512);
	assert_int_equal(disk(r)[22 * 512 + 1], 0);
	memset(data(r), 0, 512);
	assert_int_equal(RUN(r, DISK, true, 512, 0x93, 8, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0), SCSI_GOOD);
	assert_int_equal(fake_block_count(r->blocks[DISK], BLOCK_DISCARD), 1);
	assert_memory_equal(disk(r) + 3 * 512, data(r), 512);
	assert_int_equal(RUN(r, DISK, false, 0, 0x93, 1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0),
	                 SCSI_GOOD); /* no data */
	assert_memory_equal(disk(r) + 6 * 512, data(r), 512);
	RUN(r, DISK, true, 512, 0x41, 0, 0, 0, 0, 1, 0, 0, 0, 0);
	assert_int_equal(rig_sense(r), 0x052400);
	rig_free(r);
}

static void long_discards_and_sames_are_cut(void **state)
{
	struct rig *r = ready_rig();

	(void)state;
	memset(data(r), 0, 512);
	RUN(r, DISK, true, 512, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0); /* 64 MiB and a sector */
	assert_int_equal(fake_block_count(r->blocks[DISK], BLOCK_DISCARD), 3);
	data(r)[0] = 1;
	RUN(r, DISK, true, 512, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 1, 0, 0); /* 4 MiB and a sector */
	assert_int_equal(fake_block_count(r->blocks[DISK], BLOCK_WRITE), 2);
	rig_free(r);
}

static void verify_compares_if_asked(void **state)
{
	struct rig *r = ready_rig();

	(void)state;
	rig_pattern(disk(r), 65536, 1);
	memcpy(data(r), disk(r) + 512, 20 * 512);
	assert_int_equal(RUN(r, DISK, false, 0, 0x2f, 0, 0, 0, 0, 1, 0, 0, 20, 0), SCSI_GOOD);
	assert_int_equal(RUN(r, DISK, true, 20 * 512, 0x2f, 2, 0, 0, 0, 1, 0, 0, 20, 0), SCSI_GOOD);
	data(r)[19 * 512] ^= 1;
	RUN(r, DISK, true, 20 * 512, 0x2f, 2, 0, 0, 0, 1, 0, 0, 20, 0);
	assert_int_equal(rig_sense(r), 0x0e1d00);
	rig_free(r);
}

/* ---- the rest ---- */

static void unit_attention_is_told_once(void **state)
{
	struct rig *r = rig_new(&mpt_sas_class);

	(void)state;
	RUN(r, DISK, false, 18, 0x03, 0, 0, 0, 18, 0);
	assert_int_equal(data(r)[2], 6);
	assert_int_equal(data(r)[12], 0x29);
	assert_int_equal(RUN(r, DISK, false, 0, 0, 0, 0, 0, 0, 0), SCSI_GOOD);
	RUN(r, DISK, false, 18, 0x03, 0, 0, 0, 18, 0);
	assert_int_equal(data(r)[2], 0);
	rig_free(r);
}

static void small_commands_are_accepted_and_unknown_ones_refused(void **state)
{
	static const uint8_t accepted[] = { 0x00, 0x01, 0x0b, 0x16, 0x17, 0x1b, 0x1d, 0x1e, 0x2b, 0x34, 0x56, 0x57 };
	static const uint8_t refused[] = { 0x04, 0x3c, 0x5e, 0x7f, 0xff };
	struct rig *r = ready_rig();

	(void)state;
	for (size_t i = 0; i < sizeof(accepted); i++)
		assert_int_equal(RUN(r, DISK, false, 0, accepted[i], 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_GOOD);
	for (size_t i = 0; i < sizeof(refused); i++) {
		RUN(r, DISK, false, 0, refused[i], 0, 0, 0, 0, 0, 0, 0, 0, 0);
		assert_int_equal(rig_sense(r), 0x052000);
	}
	assert_int_equal(RUN(r, DISK, false, 5, 0x4d, 0, 0x40, 0, 0, 0, 0, 0, 5, 0), SCSI_GOOD);
	rig_free(r);
}

/* ---- CD drives ---- */

static void cd_is_read_whole_and_raw(void **state)
{
	struct rig *r = ready_rig();
	uint8_t *cd = fake_block_data(r->blocks[CDROM]);

	(void)state;
	rig_pattern(cd, 65536, 4);
	assert_int_equal(RUN(r, CDROM, false, 4096, 0x28, 0, 0, 0, 0, 2, 0, 0, 2, 0), SCSI_GOOD);
	assert_memory_equal(data(r), cd + 4096, 4096);
	assert_int_equal(RUN(r, CDROM, false, 2 * 2352, 0xbe, 0, 0, 0, 0, 3, 0, 0, 2, 0xf8, 0, 0), SCSI_GOOD);
	assert_memory_equal(data(r) + 16, cd + 3 * 2048, 2048);
	assert_memory_equal(data(r) + 2352 + 16, cd + 4 * 2048, 2048);
	RUN(r, CDROM, true, 2048, 0x2a, 0, 0, 0, 0, 2, 0, 0, 1, 0);
	assert_int_equal(rig_sense(r), 0x052000);
	rig_free(r);
}

static void disc_that_changes_is_noticed(void **state)
{
	struct rig *r = ready_rig();

	(void)state;
	RUN(r, CDROM, false, 0, 0x1b, 0, 0, 0, 2, 0); /* eject */
	assert_false(block_has_medium(r->blocks[CDROM]));
	RUN(r, CDROM, false, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(rig_sense(r) >> 8, 0x023a);
	fake_block_insert(r->blocks[CDROM], 100 * 2048);
	RUN(r, CDROM, false, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(rig_sense(r), 0x062800);
	RUN(r, CDROM, false, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(be32_load(data(r)), 99);
	rig_free(r);
}

static void cd_mode_select_takes_its_list(void **state)
{
	struct rig *r = ready_rig();
	uint8_t *p = data(r);

	(void)state;
	RUN(r, CDROM, false, 24, 0x5a, 8, 0x0e, 0, 0, 0, 0, 0, 24, 0);
	memset(p, 0, 8);
	p[8 + 9] = 0x42;
	assert_int_equal(RUN(r, CDROM, true, 24, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 24, 0), SCSI_GOOD);
	RUN(r, CDROM, false, 24, 0x5a, 8, 0x0e, 0, 0, 0, 0, 0, 24, 0);
	assert_int_equal(p[8 + 9], 0x42);
	RUN(r, CDROM, true, 12, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 24, 0); /* less than it says */
	assert_int_equal(rig_sense(r), 0x051a00);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inquiry_names_disk_and_cd_drive),
		cmocka_unit_test(vital_product_data_is_listed_and_there),
		cmocka_unit_test(units_are_reported),
		cmocka_unit_test(capacity_is_told_in_both_sizes),
		cmocka_unit_test(disk_beyond_2_tib_is_read_by_16_byte_commands),
		cmocka_unit_test(every_size_of_command_reads_and_writes),
		cmocka_unit_test(addresses_beyond_the_end_are_refused),
		cmocka_unit_test(short_buffers_and_wrong_directions_are_told),
		cmocka_unit_test(host_errors_become_sense),
		cmocka_unit_test(read_only_disk_is_write_protected),
		cmocka_unit_test(flushes_come_when_they_should),
		cmocka_unit_test(mode_pages_that_cannot_change_are_guarded),
		cmocka_unit_test(unmapped_ranges_read_as_zeros),
		cmocka_unit_test(same_sector_is_written_again_and_again),
		cmocka_unit_test(long_discards_and_sames_are_cut),
		cmocka_unit_test(verify_compares_if_asked),
		cmocka_unit_test(unit_attention_is_told_once),
		cmocka_unit_test(small_commands_are_accepted_and_unknown_ones_refused),
		cmocka_unit_test(cd_is_read_whole_and_raw),
		cmocka_unit_test(disc_that_changes_is_noticed),
		cmocka_unit_test(cd_mode_select_takes_its_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
