/* SPDX-License-Identifier: MIT */
/* Packet commands without a transport: a packet in, a reply and bytes out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/storage/atapi.h"
#include "tests/unit/storage/fake_block.c"

#define CD_SECTORS 1000u
#define DVD_SECTORS 2000000u

struct fixture {
	struct atapi_drive c;
	struct block *block;
	struct atapi_reply reply;
	uint8_t data[ATAPI_BUFFER_MIN];
};

#define PACKET(...) ((const uint8_t[ATAPI_PACKET]){ __VA_ARGS__ })

static enum atapi_action execute(struct fixture *f, const uint8_t *cdb)
{
	memset(f->data, 0xcc, sizeof(f->data));
	atapi_execute(&f->c, cdb, f->data, &f->reply);
	return f->reply.action;
}

static struct fixture *fixture_new(uint32_t sectors)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->block = fake_block_new("ide1:0", (uint64_t)sectors * ATAPI_SECTOR);
	f->c.block = f->block;
	atapi_power_on(&f->c);
	execute(f, PACKET(0x03, 0, 0, 0, 18)); /* takes the unit attention of power on */
	return f;
}

static void fixture_free(struct fixture *f)
{
	fake_block_free(f->block);
	free(f);
}

static void assert_sense(struct fixture *f, uint8_t key, uint8_t asc, uint8_t ascq)
{
	assert_int_equal(f->reply.action, ATAPI_FAILED);
	assert_int_equal(f->c.sense.key, key);
	execute(f, PACKET(0x03, 0, 0, 0, 18));
	assert_int_equal(f->reply.length, 18);
	assert_int_equal(f->data[0], 0x70);
	assert_int_equal(f->data[2], key);
	assert_int_equal(f->data[12], asc);
	assert_int_equal(f->data[13], ascq);
}

static void change_medium(struct fixture *f, uint32_t sectors)
{
	fake_block_insert(f->block, (uint64_t)sectors * ATAPI_SECTOR);
	atapi_medium_changed(&f->c);
}

static void power_on_is_told_once(void **state)
{
	struct fixture *f = fixture_new(CD_SECTORS);

	(void)state;
	atapi_power_on(&f->c);
	assert_int_equal(execute(f, PACKET(0x12, 0, 0, 0, 36)), ATAPI_DATA_IN); /* INQUIRY does not take it */
	execute(f, PACKET(0x00));
	assert_sense(f, 6, 0x29, 0);
	assert_int_equal(execute(f, PACKET(0x00)), ATAPI_DONE);
	fixture_free(f);
}

static void sense_is_forgotten_once_told(void **state)
{
	struct fixture *f = fixture_new(0);

	(void)state;
	execute(f, PACKET(0x00));
	assert_sense(f, 2, 0x3a, 0x01);
	execute(f, PACKET(0x03, 0, 0, 0, 18));
	assert_int_equal(f->data[2], 0);
	fixture_free(f);
}

/* What Linux's sr sees: it polls events and readiness, a disc comes, goes, comes. */
static void media_change_runs_through_attention_and_events(void **state)
{
	struct fixture *f = fixture_new(0);
	const uint8_t *poll = PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8);

	(void)state;
	execute(f, poll);
	assert_int_equal(f->reply.length, 8);
	assert_int_equal(f->data[4], 0);
	assert_int_equal(f->data[5], 0); /* closed, no medium */
	execute(f, PACKET(0x00));
	assert_sense(f, 2, 0x3a, 0x01);
	change_medium(f, CD_SECTORS);
	execute(f, poll);
	assert_int_equal(f->data[2], 4);
	assert_int_equal(f->data[4], 2); /* new media */
	assert_int_equal(f->data[5], 2); /* present */
	execute(f, poll);
	assert_int_equal(f->data[4], 0); /* told once */
	execute(f, PACKET(0x00));
	assert_sense(f, 6, 0x28, 0);
	assert_int_equal(execute(f, PACKET(0x00)), ATAPI_DONE);
	change_medium(f, 0);
	execute(f, PACKET(0x00));
	assert_sense(f, 2, 0x3a, 0x02); /* tray open */
	execute(f, poll);
	assert_int_equal(f->data[4], 3); /* removal */
	assert_int_equal(f->data[5], 1); /* door open */
	fixture_free(f);
}

static void eject_request_is_an_event(void **state)
{
	struct fixture *f = fixture_new(CD_SECTORS);

	(void)state;
	atapi_eject_request(&f->c);
	execute(f, PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8));
	assert_int_equal(f->data[4], 1);
	execute(f, PACKET(0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8)); /* asynchronous: not ours */
	assert_sense(f, 5, 0x24, 0);
	execute(f, PACKET(0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8)); /* a class without events */
	assert_int_equal(f->reply.length, 4);
	assert_int_equal(f->data[2], 0x80);
	fixture_free(f);
}

static void locked_tray_refuses_eject_until_allowed(void **state)
{
	struct fixture *f = fixture_new(CD_SECTORS);

	(void)state;
	execute(f, PACKET(0x1e, 0, 0, 0, 1));
	assert_true(block_locked(f->block));
	execute(f, PACKET(0x1b, 0, 0, 0, 2));
	assert_sense(f, 5, 0x53, 0x02);
	assert_false(fake_block_ejecting(f->block));
	execute(f, PACKET(0x1e, 0, 0, 0, 0));
	assert_false(block_locked(f->block));
	assert_int_equal(execute(f, PACKET(0x1b, 0, 0, 0, 2)), ATAPI_DONE);
	assert_true(fake_block_ejecting(f->block));
	execute(f, PACKET(0x00)); /* open at once, though the medium is still being taken out */
	assert_sense(f, 2, 0x3a, 0x02);
	change_medium(f, 0);
	assert_int_equal(execute(f, PACKET(0x1b, 0, 0, 0, 3)), ATAPI_DONE); /* load: closed and empty */
	execute(f, PACKET(0x00));
	assert_sense(f, 2, 0x3a, 0x01);
	fixture_free(f);
}

static void power_on_opens_the_lock(void **state)
{
	struct fixture *f = fixture_new(CD_SECTORS);

	(void)state;
	execute(f, PACKET(0x1e, 0, 0, 0, 1));
	atapi_power_on(&f->c);
	assert_false(block_locked(f->block));
	fixture_free(f);
}

static void inquiry_names_a_removable_cd_drive(void **state)
{
	struct fixture *f = fixture_new(0);

	(void)state;
	execute(f, PACKET(0x12, 0, 0, 0, 255));
	assert_int_equal(f->reply.length, 36);
	assert_int_equal(f->data[0], 5);
	assert_int_equal(f->data[1], 0x80);
	assert_memory_equal(f->data + 8, "VITRINE Vitrine CD-ROM  1.0 ", 28);
	execute(f, PACKET(0x12, 0, 0, 0, 5));
	assert_int_equal(f->reply.length, 5);
	assert_int_equal(execute(f, PACKET(0x12, 0, 0, 0, 0)), ATAPI_DONE);
	execute(f, PACKET(0x12, 1, 0x80, 0, 255));
	assert_sense(f, 5, 0x24, 0);
	fixture_free(f);
}

static void reads_become_sector_requests_within_the_medium(void **state)
{
	struct fixture *f = fixture_new(CD_SECTORS);

	(void)state;
	execute(f, PACKET(0x28, 0, 0, 0, 0, 16, 0, 0, 3));
	assert_int_equal(f->reply.action, ATAPI_READ);
	assert_int_equal(f->reply.lba, 16);
	assert_int_equal(f->reply.sectors, 3);
	assert_int_equal(f->reply.parts, ATAPI_USER_DATA);
	execute(f, PACKET(0xa8, 0, 0, 0, 3, 0xe7, 0, 0, 0, 1)); /* the last */
	assert_int_equal(f->reply.action, ATAPI_READ);
	execute(f, PACKET(0xa8, 0, 0, 0, 3, 0xe7, 0, 0, 0, 2));
	assert_sense(f, 5, 0x21, 0);
	execute(f, PACKET(0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
	assert_sense(f, 5, 0x21, 0);
	assert_int_equal(execute(f, PACKET(0x28, 0, 0, 0, 0, 16)), ATAPI_DONE); /* no sectors: no error */
	execute(f, PACKET(0xb9, 0, 0, 0, 2, 16, 0, 2, 18, 0x10));               /* READ CD MSF */
	assert_int_equal(f->reply.lba, 16);
	assert_int_equal(f->reply.sectors, 2);
	fixture_free(f);
}

static void read_cd_gives_the_parts_asked_for(void **state)
{
	struct fixture *f = fixture_new(CD_SECTORS);
	uint8_t user[2 * ATAPI_SECTOR], raw[2 * 2352];

	(void)state;
	execute(f, PACKET(0xbe, 0, 0, 0, 0, 1, 0, 0, 1, 0xf8));
	assert_int_equal(f->reply.action, ATAPI_READ);
	assert_int_equal(atapi_sector_size(f->reply.parts), 2352);
	execute(f, PACKET(0xbe, 4, 0, 0, 0, 1, 0, 0, 1, 0x10)); /* CD-DA expected */
	assert_sense(f, 5, 0x64, 0);
	execute(f, PACKET(0xbe, 0, 0, 0, 0, 1, 0, 0, 1, 0x10, 1)); /* sub-channel data */
	assert_sense(f, 5, 0x24, 0);
	memset(user, 1, ATAPI_SECTOR);
	memset(user + ATAPI_SECTOR, 2, ATAPI_SECTOR);
	assert_int_equal(atapi_spread(raw, user, 59 * 75 - 150 + 74, 2, 0xb8), 2 * 2352);
	assert_memory_equal(raw, "\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0", 12);
	assert_memory_equal(raw + 12, ((uint8_t[]){ 0, 0x59, 0x74, 1 }), 4);
	assert_int_equal(raw[16], 1);
	assert_memory_equal(raw + 2352 + 12, ((uint8_t[]){ 1, 0, 0, 1 }), 4);
	assert_int_equal(raw[2352 + 16 + 2047], 2);
	assert_int_equal(raw[2352 + 16 + 2048], 0);
	fixture_free(f);
}

static void capacity_and_toc_agree(void **state)
{
	struct fixture *f = fixture_new(CD_SECTORS);

	(void)state;
	execute(f, PACKET(0x25));
	assert_int_equal(be32_load(f->data), CD_SECTORS - 1);
	assert_int_equal(be32_load(f->data + 4), 2048);
	execute(f, PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 20));
	assert_int_equal(f->reply.length, 20);
	assert_int_equal(be16_load(f->data), 18);
	assert_int_equal(f->data[5], 0x14);
	assert_int_equal(f->data[6], 1);
	assert_int_equal(f->data[14], 0xaa);
	assert_int_equal(be32_load(f->data + 16), CD_SECTORS);
	execute(f, PACKET(0x43, 2, 0, 0, 0, 0, 0xaa, 0, 255)); /* MSF, lead-out only */
	assert_int_equal(f->reply.length, 12);
	assert_memory_equal(f->data + 8, ((uint8_t[]){ 0, 0, 15, 25 }), 4); /* 1,150 frames */
	execute(f, PACKET(0x43, 0, 1, 0, 0, 0, 0, 0, 12));                  /* sessions */
	assert_int_equal(f->reply.length, 12);
	execute(f, PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40)); /* format as SFF-8020 says it */
	assert_int_equal(be16_load(f->data), 10);
	execute(f, PACKET(0x43, 2, 2, 0, 0, 0, 1, 0, 255)); /* raw */
	assert_int_equal(f->reply.length, 4 + 4 * 11);
	assert_int_equal(f->data[4 + 3], 0xa0);
	assert_int_equal(f->data[4 + 33 + 3], 1);
	execute(f, PACKET(0x43, 0, 0, 0, 0, 0, 2, 0, 20)); /* no track 2 */
	assert_sense(f, 5, 0x24, 0);
	execute(f, PACKET(0x43, 0, 5, 0, 0, 0, 0, 0, 20)); /* CD-TEXT */
	assert_sense(f, 5, 0x24, 0);
	fixture_free(f);
}

static void configuration_follows_the_medium(void **state)
{
	static const struct {
		uint32_t sectors;
		uint16_t profile;
	} cases[] = { { 0, 0 }, { CD_SECTORS, 0x08 }, { DVD_SECTORS, 0x10 } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_new(cases[i].sectors);
		uint32_t at = 8;

		execute(f, PACKET(0x46, 0, 0, 0, 0, 0, 0, 0x10, 0));
		assert_int_equal(be16_load(f->data + 6), cases[i].profile);
		assert_int_equal(be32_load(f->data), f->reply.length - 4);
		while (at < f->reply.length)
			at += 4u + f->data[at + 3];
		assert_int_equal(at, f->reply.length);
		execute(f, PACKET(0x46, 2, 0, 0x1e, 0, 0, 0, 0, 64)); /* CD read alone */
		assert_int_equal(be16_load(f->data + 8), 0x1e);
		assert_int_equal(f->data[10] & 1, cases[i].profile == 0x08);
		assert_int_equal(f->reply.length, 16);
		execute(f, PACKET(0x46, 1, 0, 0x1e, 0, 0, 0, 0, 64)); /* current ones from there on */
		assert_int_equal(be16_load(f->data + 8), i == 0 ? 0x100 : i == 1 ? 0x1e : 0x1f);
		fixture_free(f);
	}
}

static void mode_pages_can_be_read_and_changed(void **state)
{
	struct fixture *f = fixture_new(CD_SECTORS);
	uint8_t list[8 + 16] = { [8] = 0x0e, [9] = 14, [8 + 8] = 9, [8 + 9] = 0x40, [8 + 11] = 0x50 };

	(void)state;
	execute(f, PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 30));
	assert_int_equal(f->reply.length, 30);
	assert_int_equal(be16_load(f->data), 28);
	assert_int_equal(f->data[8], 0x2a);
	assert_int_equal(f->data[8 + 6] & 0x29, 0x29);
	execute(f, PACKET(0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0));
	assert_int_equal(f->reply.length, 8 + 12 + 8 + 16 + 22);
	execute(f, PACKET(0x1a, 0, 0x01, 0, 255));
	assert_int_equal(f->reply.length, 16);
	assert_int_equal(f->data[0], 15);
	execute(f, PACKET(0x5a, 0, 0xc1, 0, 0, 0, 0, 0, 30)); /* saved values */
	assert_sense(f, 5, 0x39, 0);
	execute(f, PACKET(0x5a, 0, 0x05, 0, 0, 0, 0, 0, 30)); /* write parameters: a reader has none */
	assert_sense(f, 5, 0x24, 0);
	execute(f, PACKET(0x55, 0x10, 0, 0, 0, 0, 0, 0, sizeof(list)));
	assert_int_equal(f->reply.action, ATAPI_DATA_OUT);
	assert_int_equal(f->reply.length, sizeof(list));
	assert_true(atapi_data_out(&f->c, PACKET(0x55), list, sizeof(list)));
	execute(f, PACKET(0x5a, 0, 0x0e, 0, 0, 0, 0, 0, 255));
	assert_int_equal(f->data[8 + 9], 0x40);
	assert_int_equal(f->data[8 + 11], 0x50);
	assert_int_equal(f->data[8 + 8], 1); /* not changeable */
	list[9] = 13;
	assert_false(atapi_data_out(&f->c, PACKET(0x55), list, sizeof(list)));
	assert_int_equal(f->c.sense.asc, 0x26);
	list[7] = 200; /* block descriptors beyond the end */
	assert_false(atapi_data_out(&f->c, PACKET(0x55), list, sizeof(list)));
	assert_int_equal(f->c.sense.asc, 0x1a);
	assert_false(atapi_data_out(&f->c, PACKET(0x55), list, 3));
	fixture_free(f);
}

static void disc_and_track_information_describe_one_track(void **state)
{
	struct fixture *f = fixture_new(CD_SECTORS);

	(void)state;
	execute(f, PACKET(0x51, 0, 0, 0, 0, 0, 0, 0, 255));
	assert_int_equal(f->reply.length, 34);
	assert_int_equal(f->data[2], 0x0e);
	execute(f, PACKET(0x52, 1, 0, 0, 0, 1, 0, 0, 255));
	assert_int_equal(f->reply.length, 36);
	assert_int_equal(be32_load(f->data + 24), CD_SECTORS);
	execute(f, PACKET(0x52, 1, 0, 0, 0, 2, 0, 0, 255));
	assert_sense(f, 5, 0x24, 0);
	execute(f, PACKET(0x52, 0, 0, 0, 3, 0xe8, 0, 0, 255)); /* by address, one too far */
	assert_sense(f, 5, 0x24, 0);
	fixture_free(f);
}

static void dvd_structure_needs_a_dvd(void **state)
{
	struct fixture *f = fixture_new(DVD_SECTORS);

	(void)state;
	execute(f, PACKET(0xad, 0, 0, 0, 0, 0, 0, 0, 0x10, 0));
	assert_int_equal(f->reply.length, 2052);
	assert_int_equal(be32_load(f->data + 12), 0x30000 + DVD_SECTORS - 1);
	execute(f, PACKET(0xad, 0, 0, 0, 0, 0, 0, 0x77, 0x10, 0));
	assert_sense(f, 5, 0x24, 0);
	change_medium(f, CD_SECTORS);
	execute(f, PACKET(0x00));
	execute(f, PACKET(0xad, 0, 0, 0, 0, 0, 0, 0, 0x10, 0));
	assert_sense(f, 5, 0x30, 0x02);
	fixture_free(f);
}

static void audio_is_refused_and_sub_channel_is_silent(void **state)
{
	static const uint8_t play[] = { 0x45, 0x47, 0xa5 };
	struct fixture *f = fixture_new(CD_SECTORS);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(play); i++) {
		execute(f, PACKET(play[i], 0, 0, 0, 0, 0, 0, 0, 1));
		assert_sense(f, 5, 0x64, 0);
	}
	execute(f, PACKET(0x42, 0, 0x40, 1, 0, 0, 0, 0, 16));
	assert_int_equal(f->reply.length, 16);
	assert_int_equal(f->data[1], 0x15);
	execute(f, PACKET(0x42, 0, 0x40, 7, 0, 0, 0, 0, 16));
	assert_sense(f, 5, 0x24, 0);
	execute(f, PACKET(0x2b, 0, 0, 0, 3, 0xe8)); /* SEEK to the end */
	assert_sense(f, 5, 0x21, 0);
	assert_int_equal(execute(f, PACKET(0xbb, 0, 0xff, 0xff)), ATAPI_DONE);
	execute(f, PACKET(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8));
	assert_int_equal(f->reply.length, 8);
	execute(f, PACKET(0x2a, 0, 0, 0, 0, 0, 0, 0, 1)); /* WRITE */
	assert_sense(f, 5, 0x20, 0);
	fixture_free(f);
}

static void any_packet_keeps_the_reply_within_bounds(void **state)
{
	struct fixture *f = fixture_new(DVD_SECTORS);
	uint8_t cdb[ATAPI_PACKET];

	(void)state;
	srand(2);
	for (unsigned i = 0; i < 300000; i++) {
		for (unsigned n = 0; n < ATAPI_PACKET; n++)
			cdb[n] = (uint8_t)(rand() % 4 ? rand() % 8 : rand());
		cdb[0] = (uint8_t)rand();
		atapi_execute(&f->c, cdb, f->data, &f->reply);
		if (f->reply.action == ATAPI_DATA_IN || f->reply.action == ATAPI_DATA_OUT)
			assert_in_range(f->reply.length, 1, ATAPI_BUFFER_MIN);
		if (f->reply.action == ATAPI_DATA_OUT)
			atapi_data_out(&f->c, cdb, f->data, f->reply.length);
		if (f->reply.action == ATAPI_READ)
			assert_true(range_within(f->reply.lba, f->reply.sectors, DVD_SECTORS) && f->reply.sectors);
		if (f->reply.action == ATAPI_FAILED)
			assert_int_not_equal(f->c.sense.key, 0);
		if (i % 100 == 0)
			change_medium(f, DVD_SECTORS);
	}
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_on_is_told_once),
		cmocka_unit_test(sense_is_forgotten_once_told),
		cmocka_unit_test(media_change_runs_through_attention_and_events),
		cmocka_unit_test(eject_request_is_an_event),
		cmocka_unit_test(locked_tray_refuses_eject_until_allowed),
		cmocka_unit_test(power_on_opens_the_lock),
		cmocka_unit_test(inquiry_names_a_removable_cd_drive),
		cmocka_unit_test(reads_become_sector_requests_within_the_medium),
		cmocka_unit_test(read_cd_gives_the_parts_asked_for),
		cmocka_unit_test(capacity_and_toc_agree),
		cmocka_unit_test(configuration_follows_the_medium),
		cmocka_unit_test(mode_pages_can_be_read_and_changed),
		cmocka_unit_test(disc_and_track_information_describe_one_track),
		cmocka_unit_test(dvd_structure_needs_a_dvd),
		cmocka_unit_test(audio_is_refused_and_sub_channel_is_silent),
		cmocka_unit_test(any_packet_keeps_the_reply_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
