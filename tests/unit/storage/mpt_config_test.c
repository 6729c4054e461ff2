/* SPDX-License-Identifier: MIT */
/* Configuration pages as Linux's mptbase, mptspi and mptsas ask for them. */
#include "tests/unit/storage/mpt_rig.h"

enum { HEADER, READ, WRITE, DEFAULT, WRITE_NVRAM, READ_DEFAULT, READ_NVRAM };

/* Asks; header and status are in r->reply, the page at PAGE. Extended types have bit 8 set. Returns the status. */
static uint16_t ask(struct rig *r, uint8_t action, unsigned type, uint8_t number, uint32_t page_address)
{
	uint32_t address, length = action == HEADER ? 0 : 512;
	uint8_t *p = rig_frame(r, MPT_CONFIG, &address);

	p[0] = action;
	p[6] = type > 0xff ? (uint8_t)type : 0;
	p[22] = number;
	p[23] = type > 0xff ? 0x0f : (uint8_t)type;
	le32_store(p + 24, page_address);
	rig_element(p + 28, 0xd1, length, PAGE);
	rig_out(r, 0x40, address);
	assert_int_equal(rig_reply(r), 0x1000 + r->frame - 1);
	return rig_status(r);
}

static uint8_t *page(struct rig *r)
{
	return fake_ram(r->board, PAGE);
}

#define EXT(type) (0x100 | (type))
#define SAS_IO_UNIT EXT(0x10)
#define SAS_DEVICE EXT(0x12)
#define SAS_PHY EXT(0x13)

static void every_page_has_the_size_that_its_header_says(void **state)
{
	static const struct {
		unsigned type;
		uint8_t count;
		bool spi, sas;
	} types[] = {
		{ 0, 5, true, true },        { 1, 7, true, true },  { 9, 11, true, true },
		{ 3, 3, true, false },       { 4, 4, true, false }, { SAS_IO_UNIT, 4, false, true },
		{ SAS_PHY, 2, false, true },
	};

	(void)state;
	for (int sas = 0; sas < 2; sas++) {
		struct rig *r = rig_new(sas ? &mpt_sas_class : &mpt_spi_class);

		for (size_t i = 0; i < ARRAY_SIZE(types); i++)
			for (uint8_t n = 0; n <= types[i].count; n++) {
				bool there = n < types[i].count && (sas ? types[i].sas : types[i].spi);
				bool extended = types[i].type > 0xff;
				unsigned size;

				assert_int_equal(ask(r, HEADER, types[i].type, n, 0),
				                 there ? 0 : MPT_CONFIG_INVALID_PAGE);
				if (!there)
					continue;
				size = 4 * (extended ? le16_load(r->reply + 4) : r->reply[21]);
				memset(page(r), 0xee, 512);
				assert_int_equal(ask(r, READ, types[i].type, n, 0), 0);
				assert_int_equal(page(r)[2], n);
				assert_int_equal(page(r)[3] & 0x0f, extended ? 0x0f : types[i].type);
				assert_in_range(size, 8, 288);
				assert_int_equal(page(r)[size], 0xee);
				assert_false(page(r)[size - 1] == 0xee);
			}
		rig_free(r);
	}
}

static void raid_pages_and_unknown_actions_are_refused(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);

	(void)state;
	assert_int_equal(ask(r, HEADER, 8, 0, 0), MPT_CONFIG_INVALID_PAGE);
	assert_int_equal(ask(r, HEADER, 0x0a, 0, 0), MPT_CONFIG_INVALID_PAGE);
	assert_int_equal(ask(r, 7, 0, 0, 0), MPT_CONFIG_INVALID_ACTION);
	assert_int_equal(ask(r, WRITE, 0, 0, 0), MPT_CONFIG_CANT_COMMIT);
	assert_int_equal(ask(r, READ, 4, 0, 16), MPT_CONFIG_INVALID_PAGE);    /* there is no such target */
	assert_int_equal(ask(r, READ, 4, 0, 0x100), MPT_CONFIG_INVALID_PAGE); /* nor bus */
	rig_free(r);
}

/* Domain validation: the driver writes what it wants, and reads what came of it. */
static void parameters_that_were_asked_for_are_agreed_on(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);

	(void)state;
	ask(r, READ, 4, 1, SECOND_DISK);
	le32_store(page(r) + 4, 0x200f0c00);
	assert_int_equal(ask(r, WRITE, 4, 1, SECOND_DISK), 0);
	ask(r, READ, 4, 0, SECOND_DISK);
	assert_int_equal(le32_load(page(r) + 4), 0x200f0c00);
	ask(r, READ, 4, 0, DISK);
	assert_int_not_equal(le32_load(page(r) + 4), 0x200f0c00);
	ask(r, READ, 4, 0, ABSENT);
	assert_int_equal(le32_load(page(r) + 4), 0);
	ask(r, READ_DEFAULT, 4, 1, SECOND_DISK);
	assert_int_not_equal(le32_load(page(r) + 4), 0x200f0c00);
	assert_int_equal(ask(r, DEFAULT, 4, 1, SECOND_DISK), 0);
	ask(r, READ, 4, 0, SECOND_DISK);
	assert_int_not_equal(le32_load(page(r) + 4), 0x200f0c00);
	rig_free(r);
}

static void spi_targets_are_to_be_scanned(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);

	(void)state;
	ask(r, READ_NVRAM, 3, 2, 0);
	for (unsigned i = 0; i < MPT_TARGETS; i++)
		assert_int_equal(le16_load(page(r) + 12 + 4 * i + 2) & 0x06, 0x06); /* id and unit scan */
	ask(r, READ, 3, 1, 0);
	assert_int_equal(page(r)[4], MPT_HOST_ID);
	rig_free(r);
}

/* As mptsas goes: PHYs with what hangs on them, then each device by its handle. */
static void sas_topology_leads_to_the_drives(void **state)
{
	struct rig *r = rig_new(&mpt_sas_class);
	unsigned found = 0;

	(void)state;
	ask(r, READ, SAS_IO_UNIT, 0, 0);
	assert_int_equal(page(r)[12], MPT_TARGETS);
	for (unsigned i = 0; i < MPT_TARGETS; i++) {
		uint64_t address;
		uint16_t handle;

		assert_int_equal(ask(r, READ, SAS_PHY, 0, i), 0);
		handle = le16_load(page(r) + 20);
		address = le64_load(page(r) + 12);
		assert_int_equal(!!handle, i <= CDROM);
		if (!handle)
			continue;
		found++;
		assert_int_equal(ask(r, READ, SAS_DEVICE, 0, 2u << 28 | handle), 0);
		assert_true(le64_load(page(r) + 12) == address);
		assert_int_equal(address >> 36, 0x5000c29);
		assert_int_equal(page(r)[26], i); /* the target id that requests go to */
		assert_int_equal(le32_load(page(r) + 28) & 0x407, 0x401);
		assert_int_equal(ask(r, READ, SAS_DEVICE, 0, 1u << 28 | i), 0);
		assert_int_equal(le16_load(page(r) + 24), handle);
	}
	assert_int_equal(found, 3);
	assert_int_equal(ask(r, READ, SAS_PHY, 0, MPT_TARGETS), MPT_CONFIG_INVALID_PAGE);
	assert_int_equal(ask(r, READ, SAS_DEVICE, 0, 1u << 28 | ABSENT), MPT_CONFIG_INVALID_PAGE);
	rig_free(r);
}

static void handles_are_walked_to_the_last(void **state)
{
	struct rig *r = rig_new(&mpt_sas_class);
	uint32_t handle = 0xffff;
	unsigned count = 0;

	(void)state;
	while (!ask(r, READ, SAS_DEVICE, 0, handle)) {
		assert_int_not_equal(le16_load(page(r) + 24), handle);
		handle = le16_load(page(r) + 24);
		count++;
	}
	assert_int_equal(rig_status(r), MPT_CONFIG_INVALID_PAGE);
	assert_int_equal(count, MPT_TARGETS + 3);
	assert_int_equal(ask(r, READ, SAS_DEVICE, 0, 2u << 28), MPT_CONFIG_INVALID_PAGE); /* handle 0 */
	rig_free(r);
}

static void buffers_that_are_no_memory_are_refused(void **state)
{
	struct rig *r = rig_new(&mpt_spi_class);
	uint32_t address;
	uint8_t *p = rig_frame(r, MPT_CONFIG, &address);

	(void)state;
	p[0] = READ;
	rig_element(p + 28, 0xd1, 64, FAKE_RAM_SIZE);
	rig_out(r, 0x40, address);
	rig_reply(r);
	assert_int_equal(rig_status(r), MPT_INVALID_SGL);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_page_has_the_size_that_its_header_says),
		cmocka_unit_test(raid_pages_and_unknown_actions_are_refused),
		cmocka_unit_test(parameters_that_were_asked_for_are_agreed_on),
		cmocka_unit_test(spi_targets_are_to_be_scanned),
		cmocka_unit_test(sas_topology_leads_to_the_drives),
		cmocka_unit_test(handles_are_walked_to_the_last),
		cmocka_unit_test(buffers_that_are_no_memory_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
