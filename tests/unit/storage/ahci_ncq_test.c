/* SPDX-License-Identifier: MIT */
/* Queued commands of an AHCI port: order, errors and their log, resets in flight, state. */
#include "tests/unit/storage/ahci_rig.h"

#define OK 0x50u

static uint8_t *stored(struct rig *g)
{
	return fake_block_data(g->blocks[DISK]);
}

static uint8_t *data_of(struct rig *g, unsigned tag)
{
	return mem(g, DATA + 0x10000 * tag);
}

/* PxTFD after READ LOG EXT of that log, into DATA. */
static uint32_t read_log(struct rig *g, uint8_t log)
{
	return command(g, DISK, (struct fis){ .command = ATA_CMD_READ_LOG, .lba = log, .count = 1 }, 512);
}

static void commands_end_in_the_disks_order(void **state)
{
	static const unsigned order[] = { 2, 0, 1 };         /* of those that still wait */
	static const uint32_t left[] = { 0x0b, 0x0a, 0x02 }; /* tags 0, 1, 3 of 0, 1, 2, 3; then 2 is left last */
	struct rig *g = rig_new();

	(void)state;
	fill_pattern(stored(g), 65536, 1);
	for (unsigned tag = 0; tag < 4; tag++) {
		prepare_queued(g, tag, false, 8 * tag, 8);
		issue_queued(g, tag);
		assert_int_equal(get(g, DISK, PXCI), 0); /* taken at once */
	}
	assert_int_equal(get(g, DISK, PXSACT), 0x0f);
	assert_int_equal(get(g, DISK, PXTFD) & ATA_BSY, 0);
	assert_int_equal(get(g, DISK, PXIS), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		fake_block_complete(g->blocks[DISK], order[i]);
		assert_int_equal(get(g, DISK, PXSACT), left[i]);
		assert_int_equal(get(g, DISK, PXIS), SDBS);
		put(g, DISK, PXIS, SDBS);
	}
	assert_memory_equal(data_of(g, 2), stored(g) + 2 * 4096, 4096);
	assert_int_equal(data_of(g, 1)[1], 0);
	assert_int_equal(mem(g, RECEIVED(DISK) + 0x58)[0], 0xa1);
	assert_int_equal(le32_load(mem(g, RECEIVED(DISK) + 0x58 + 4)), 0x08);
	assert_int_equal(mem(g, RECEIVED(DISK))[0], 0x41); /* DMA Setup, the last of tag 3 */
	assert_int_equal(mem(g, RECEIVED(DISK))[4], 3);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXSACT), 0);
	for (unsigned tag = 0; tag < 4; tag++)
		assert_memory_equal(data_of(g, tag), stored(g) + 4096 * tag, 4096);
	assert_int_equal(get(g, DISK, PXTFD), OK);
	rig_free(g);
}

static void all_32_tags_are_in_flight_at_once(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	for (unsigned tag = 0; tag < 32; tag++) {
		fill_pattern(data_of(g, tag), 1024, tag);
		prepare_queued(g, tag, true, 2 * tag, 2);
	}
	put(g, DISK, PXSACT, 0xffffffff);
	put(g, DISK, PXCI, 0xffffffff);
	assert_int_equal(get(g, DISK, PXCI), 0);
	assert_int_equal(fake_block_count(g->blocks[DISK], BLOCK_WRITE), 32);
	assert_int_equal(get(g, DISK, PXSACT), 0xffffffff);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXSACT), 0);
	for (unsigned tag = 0; tag < 32; tag++)
		assert_memory_equal(stored(g) + 1024 * tag, data_of(g, tag), 1024);
	rig_free(g);
}

static void many_descriptors_are_read_in_parts(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	fill_pattern(stored(g), 1 << 20, 2);
	prepare_queued(g, 5, false, 3, 1000);
	le16_store(mem(g, LIST(DISK) + 5 * 32 + 2), 1001);
	for (unsigned i = 0; i < 1000; i++)
		set_prd(g, 5, i, DATA + 1000 * i, 510);
	set_prd(g, 5, 1000, DATA + 1000 * 1000, 2000);
	issue_queued(g, 5);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXSACT), 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_memory_equal(mem(g, DATA + 1000 * i), stored(g) + 3 * 512 + 510 * i, 510);
	assert_memory_equal(mem(g, DATA + 1000 * 1000), stored(g) + 3 * 512 + 510 * 1000, 2000);
	assert_in_range(fake_block_count(g->blocks[DISK], BLOCK_READ), 4, 5);
	rig_free(g);
}

static void forced_unit_access_ends_after_a_flush(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	prepare_queued(g, 0, true, 0, 1);
	mem(g, TABLE(0))[7] |= 0x80;
	issue_queued(g, 0);
	fake_block_complete(g->blocks[DISK], 0);
	assert_int_equal(get(g, DISK, PXSACT), 1);
	assert_int_equal(fake_block_pending(g->blocks[DISK])->op, BLOCK_FLUSH);
	fake_block_complete(g->blocks[DISK], 0);
	assert_int_equal(get(g, DISK, PXSACT), 0);
	prepare_queued(g, 0, true, 0, 1); /* without it, none */
	issue_queued(g, 0);
	fake_block_settle();
	assert_int_equal(fake_block_count(g->blocks[DISK], BLOCK_FLUSH), 1);
	assert_int_equal(command(g, DISK, (struct fis){ .command = 0xef, .features = 0x82 }, 0), OK); /* no cache */
	prepare_queued(g, 0, true, 0, 1);
	issue_queued(g, 0);
	fake_block_settle();
	assert_int_equal(fake_block_count(g->blocks[DISK], BLOCK_FLUSH), 3);
	rig_free(g);
}

static void other_command_waits_for_the_queue(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	prepare_queued(g, 1, true, 0, 1);
	issue_queued(g, 1);
	prepare(g, DISK, 0, (struct fis){ .command = 0xe7 }, 0);
	issue(g, DISK, 0);
	assert_int_equal(get(g, DISK, PXCI), 1);
	assert_int_equal(fake_block_count(g->blocks[DISK], BLOCK_FLUSH), 0);
	fake_block_complete(g->blocks[DISK], 0);
	assert_int_equal(fake_block_count(g->blocks[DISK], BLOCK_FLUSH), 1);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXCI), 0);
	assert_int_equal(get(g, DISK, PXIS), SDBS | DHRS);
	rig_free(g);
}

/* ---- errors ---- */

static void failure_waits_for_the_others_and_is_in_the_log(void **state)
{
	struct rig *g = rig_new();
	const uint8_t *log = mem(g, DATA);
	uint8_t sum = 0;

	(void)state;
	for (unsigned tag = 3; tag < 6; tag++) {
		prepare_queued(g, tag, false, 0x01020304 % DISK_SECTORS + tag, 1);
		issue_queued(g, tag);
	}
	fake_block_fail(g->blocks[DISK], BLOCK_READ, -EIO);
	fake_block_complete(g->blocks[DISK], 1); /* tag 4 */
	fake_block_fail(g->blocks[DISK], BLOCK_READ, 0);
	assert_int_equal(get(g, DISK, PXIS), 0); /* 3 and 5 still write to memory */
	fake_block_complete(g->blocks[DISK], 0);
	assert_int_equal(get(g, DISK, PXIS), SDBS);
	assert_int_equal(get(g, DISK, PXSACT), 0x30);
	fake_block_complete(g->blocks[DISK], 0);
	assert_int_equal(get(g, DISK, PXIS), SDBS | TFES);
	assert_int_equal(get(g, DISK, PXSACT), 0x10);
	assert_int_equal(get(g, DISK, PXTFD), ATA_UNC << 8 | OK | ATA_ERR);
	assert_int_equal(mem(g, RECEIVED(DISK) + 0x58)[3], ATA_UNC);
	restart(g, DISK);
	assert_int_equal(get(g, DISK, PXSACT), 0);

	/* Nothing else is taken before the log has been read. */
	prepare_queued(g, 0, false, 0, 1);
	issue_queued(g, 0);
	assert_int_equal(get(g, DISK, PXTFD), ATA_ABRT << 8 | OK | ATA_ERR);
	assert_int_equal(get(g, DISK, PXIS), DHRS | TFES);
	restart(g, DISK);
	assert_int_equal(command(g, DISK, (struct fis){ .command = 0xe7 }, 0), ATA_ABRT << 8 | OK | ATA_ERR);
	restart(g, DISK);
	assert_int_equal(read_log(g, 0x10), OK);
	assert_int_equal(log[0], 4);
	assert_int_equal(log[2], OK | ATA_ERR);
	assert_int_equal(log[3], ATA_UNC);
	assert_int_equal(log[4] | log[5] << 8 | log[6] << 16, 0x01020304 % DISK_SECTORS + 4);
	for (unsigned i = 0; i < 512; i++)
		sum = (uint8_t)(sum + log[i]);
	assert_int_equal(sum, 0);
	prepare_queued(g, 0, false, 0, 1);
	issue_queued(g, 0);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXTFD), OK);
	rig_free(g);
}

static void nothing_more_begins_after_a_failure(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	for (unsigned tag = 0; tag < 2; tag++) {
		prepare_queued(g, tag, true, 0, 100);
		for (unsigned i = 0; i < 1024; i++)
			set_prd(g, tag, i, DATA + 50 * i, 50);
		le16_store(mem(g, LIST(DISK) + tag * 32 + 2), 1024);
		issue_queued(g, tag);
	}
	fake_block_fail(g->blocks[DISK], BLOCK_WRITE, -EIO);
	fake_block_complete(g->blocks[DISK], 0);
	fake_block_fail(g->blocks[DISK], BLOCK_WRITE, 0);
	prepare_queued(g, 7, false, 0, 1);
	issue_queued(g, 7);
	fake_block_settle();
	assert_int_equal(fake_block_count(g->blocks[DISK], BLOCK_WRITE), 2);
	assert_int_equal(fake_block_count(g->blocks[DISK], BLOCK_READ), 0);
	assert_int_equal(get(g, DISK, PXCI), 0x80);
	assert_int_equal(get(g, DISK, PXSACT), 0x83);
	assert_int_equal(get(g, DISK, PXTFD), ATA_ABRT << 8 | OK | ATA_DF | ATA_ERR);
	rig_free(g);
}

static void impossible_commands_fail_like_others(void **state)
{
	static const struct {
		uint64_t lba;
		uint16_t count;
		uint8_t tag, error; /* in slot 2 */
	} bad[] = {
		{ DISK_SECTORS, 1, 2, ATA_IDNF },
		{ DISK_SECTORS - 1, 2, 2, ATA_IDNF },
		{ (1ull << 48) - 1, 0, 2, ATA_IDNF },
		{ 0, 1, 3, ATA_ABRT }, /* another slot's tag */
	};
	struct rig *g = rig_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		prepare_queued(g, 2, false, bad[i].lba, bad[i].count);
		mem(g, TABLE(2))[12] = (uint8_t)(bad[i].tag << 3);
		issue_queued(g, 2);
		assert_int_equal(get(g, DISK, PXTFD), bad[i].error << 8 | OK | ATA_ERR);
		assert_int_equal(get(g, DISK, PXIS), TFES | SDBS);
		restart(g, DISK);
		read_log(g, 0x10);
		assert_int_equal(*mem(g, DATA), bad[i].tag);
		put(g, DISK, PXIS, 0xffffffff);
	}
	prepare_queued(g, 2, false, 0, 1); /* the same tag twice */
	issue_queued(g, 2);
	issue_queued(g, 2);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXTFD), ATA_ABRT << 8 | OK | ATA_ERR);
	assert_int_equal(fake_block_count(g->blocks[DISK], BLOCK_READ), 1);
	rig_free(g);
}

static void read_only_disk_refuses_to_write(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	fake_block_set_read_only(g->blocks[DISK], true);
	prepare_queued(g, 0, true, 0, 1);
	issue_queued(g, 0);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXTFD), (ATA_WP | ATA_ABRT) << 8 | OK | ATA_ERR);
	rig_free(g);
}

static void data_that_is_not_memory_is_a_host_bus_error(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	prepare_queued(g, 0, false, 0, 8);
	issue_queued(g, 0);
	prepare_queued(g, 1, false, 0, 1);
	set_prd(g, 1, 0, 0x80000000u, 512);
	issue_queued(g, 1);
	assert_int_equal(get(g, DISK, PXIS), HBFS);
	put(g, DISK, PXCMD, FRE);
	assert_int_equal(get(g, DISK, PXCMD) & CR, CR);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXCMD) & CR, 0);
	hba_is_alive(g);
	prepare_queued(g, 1, false, 0, 2); /* and a table that is too short overflows */
	set_prd(g, 1, 0, DATA, 512);
	issue_queued(g, 1);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXIS) & OFS, OFS);
	hba_is_alive(g);
	rig_free(g);
}

static void logs_are_listed_and_others_refused(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	assert_int_equal(read_log(g, 0), OK);
	assert_int_equal(le16_load(mem(g, DATA)), 1);
	assert_int_equal(le16_load(mem(g, DATA + 0x20)), 1);
	assert_int_equal(read_log(g, 0x04), ATA_ABRT << 8 | OK | ATA_ERR);
	rig_free(g);
}

/* ---- resets and state ---- */

static void comreset_drops_the_queue_and_waits_for_memory(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	for (unsigned tag = 0; tag < 3; tag++) {
		prepare_queued(g, tag, true, tag, 1);
		issue_queued(g, tag);
	}
	comreset(g, DISK);
	put(g, DISK, PXIS, 0xffffffff);
	for (unsigned left = 3; left; left--) {
		assert_int_equal(get(g, DISK, PXTFD) & 0xff, ATA_BSY);
		fake_block_complete(g->blocks[DISK], left - 1);
	}
	assert_int_equal(get(g, DISK, PXTFD), 0x0100 | OK);
	assert_int_equal(get(g, DISK, PXIS) & SDBS, 0);
	assert_int_equal(get(g, DISK, PXSACT), 0);
	hba_is_alive(g);
	rig_free(g);
}

static void software_reset_drops_the_queue_too(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	prepare_queued(g, 5, false, 0, 1);
	issue_queued(g, 5);
	for (unsigned i = 0; i < 2; i++) {
		prepare(g, DISK, 0, (struct fis){ 0 }, 0);
		mem(g, TABLE(0))[1] = 0;
		mem(g, TABLE(0))[15] = i ? 0 : ATA_CONTROL_SRST;
		issue(g, DISK, 0);
	}
	assert_int_equal(get(g, DISK, PXTFD) & ATA_BSY, ATA_BSY);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXTFD), 0x0100 | OK);
	assert_int_equal(get(g, DISK, PXIS), 0);
	rig_free(g);
}

static void queue_in_flight_begins_again_after_a_load(void **state)
{
	struct rig *g = rig_new(), *h;
	size_t length, again;
	void *saved, *saved_again;

	(void)state;
	fill_pattern(stored(g), 65536, 9);
	for (unsigned tag = 0; tag < 3; tag++) {
		prepare_queued(g, tag, tag == 1, 16 * tag, 16);
		fill_pattern(data_of(g, tag), 8192, 20 + tag);
		mem(g, TABLE(tag))[7] |= tag == 1 ? 0x80 : 0;
		le16_store(mem(g, LIST(DISK) + tag * 32 + 2), 512);
		for (unsigned i = 0; i < 512; i++)
			set_prd(g, tag, i, DATA + 0x10000 * tag + 16 * i, 16);
		issue_queued(g, tag);
	}
	fake_block_complete(g->blocks[DISK], 0); /* tag 0 is half done */
	fake_block_complete(g->blocks[DISK], 0);
	for (unsigned i = 0; i < 2; i++) /* tag 1 is all written but not flushed */
		fake_block_complete(g->blocks[DISK], 2);
	saved = fake_save(g->d, &length);
	h = rig_beside(g->blocks);
	memcpy(mem(h, 0), mem(g, 0), FAKE_RAM_SIZE);
	assert_int_equal(fake_load(h->d, saved, length), 0);
	saved_again = fake_save(h->d, &again);
	assert_int_equal(length, again);
	assert_memory_equal(saved, saved_again, length);
	fake_block_settle(); /* those of the first go their way */
	ahci_class.resume(h->d);
	fake_block_settle();
	assert_int_equal(get(h, DISK, PXSACT), 0);
	assert_memory_equal(data_of(h, 0), stored(g), 8192);
	assert_memory_equal(data_of(h, 1), stored(g) + 16 * 512, 8192);
	assert_memory_equal(data_of(h, 2), stored(g) + 32 * 512, 8192);
	free(saved);
	free(saved_again);
	rig_free_beside(h);
	rig_free(g);
}

static void failure_that_is_not_told_yet_survives_a_load(void **state)
{
	struct rig *g = rig_new(), *h;
	size_t length;
	void *saved;

	(void)state;
	for (unsigned tag = 0; tag < 2; tag++) {
		prepare_queued(g, tag, false, tag, 1);
		issue_queued(g, tag);
	}
	fake_block_fail(g->blocks[DISK], BLOCK_READ, -EIO);
	fake_block_complete(g->blocks[DISK], 0);
	fake_block_fail(g->blocks[DISK], BLOCK_READ, 0);
	saved = fake_save(g->d, &length);
	h = rig_beside(g->blocks);
	memcpy(mem(h, 0), mem(g, 0), FAKE_RAM_SIZE);
	assert_int_equal(fake_load(h->d, saved, length), 0);
	assert_int_equal(get(h, DISK, PXIS), 0);
	ahci_class.resume(h->d);
	fake_block_settle();
	assert_int_equal(get(h, DISK, PXIS), SDBS | TFES);
	assert_int_equal(get(h, DISK, PXSACT), 3); /* neither was done */
	free(saved);
	rig_free_beside(h);
	rig_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_end_in_the_disks_order),
		cmocka_unit_test(all_32_tags_are_in_flight_at_once),
		cmocka_unit_test(many_descriptors_are_read_in_parts),
		cmocka_unit_test(forced_unit_access_ends_after_a_flush),
		cmocka_unit_test(other_command_waits_for_the_queue),
		cmocka_unit_test(failure_waits_for_the_others_and_is_in_the_log),
		cmocka_unit_test(nothing_more_begins_after_a_failure),
		cmocka_unit_test(impossible_commands_fail_like_others),
		cmocka_unit_test(read_only_disk_refuses_to_write),
		cmocka_unit_test(data_that_is_not_memory_is_a_host_bus_error),
		cmocka_unit_test(logs_are_listed_and_others_refused),
		cmocka_unit_test(comreset_drops_the_queue_and_waits_for_memory),
		cmocka_unit_test(software_reset_drops_the_queue_too),
		cmocka_unit_test(queue_in_flight_begins_again_after_a_load),
		cmocka_unit_test(failure_that_is_not_told_yet_survives_a_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
