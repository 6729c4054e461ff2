/* SPDX-License-Identifier: MIT */
/* The AHCI controller by its registers: ports, unqueued commands, CD drive, resets, errors, hostile lists, state. */
#include "tests/unit/storage/ahci_rig.h"

#define OK 0x50u

/* ---- who is there ---- */

static void function_is_an_ich8m_in_ahci_mode(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	assert_int_equal(pci_config_read(g->d->pci, 0, 4), 0x28298086);
	assert_int_equal(pci_config_read(g->d->pci, 8, 4) >> 8, 0x010601);
	pci_config_write(g->d->pci, 0x24, 4, 0xffffffff);
	assert_int_equal(pci_config_read(g->d->pci, 0x24, 4), 0xfffff000);
	rig_free(g);
}

static void vmwares_has_its_own_ids_and_as_many_ports_as_are_asked_for(void **state)
{
	static const struct ahci_config vmware = { .model = AHCI_VMWARE, .ports = AHCI_MAX_PORTS };
	struct fake_board *f = fake_board_new();
	struct pci_bus *bus = pci_bus_new_root(&f->board);
	struct device *d = fake_board_create(
		f, &ahci_class, &(struct device_config){ .id = "sata0", .pci_bus = bus, .extra = &vmware });

	(void)state;
	fake_map_bars(d->pci);
	assert_int_equal(pci_config_read(d->pci, 0, 4), 0x07e015ad);
	assert_int_equal(pci_config_read(d->pci, 0x2c, 4), 0x07e015ad);
	assert_int_equal(fake_read(f, hba_address(CAP), 4) & 0x1f, 29);
	assert_int_equal(fake_read(f, hba_address(PI), 4), 0x3fffffff);
	assert_int_equal(fake_read(f, hba_address(0x100 + 29 * 0x80 + PXTFD), 4), 0x7f);
	fake_board_free(f);
	pci_bus_free(bus);
}

static void global_registers_say_what_there_is(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	assert_int_equal(hba_read(g, CAP), 0xc1249f05u | 1u << 15);
	assert_int_equal(hba_read(g, PI), 0x3f);
	assert_int_equal(hba_read(g, VS), 0x10301);
	assert_int_equal(hba_read(g, GHC), 0x80000002u);
	hba_write(g, CAP, 0);
	hba_write(g, PI, 0);
	assert_int_equal(hba_read(g, PI), 0x3f);
	assert_int_equal(hba_read(g, 0x100 + PORTS * 0x80 + PXSSTS), 0); /* no such port */
	assert_int_equal(fake_read(g->board, hba_address(CAP + 3), 1), 0xc1);
	rig_free(g);
}

static void ports_tell_disk_cd_drive_and_nothing_apart(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	assert_int_equal(get(g, DISK, PXSSTS), 0x123);
	assert_int_equal(get(g, DISK, PXSIG), 0x00000101);
	assert_int_equal(get(g, DISK, PXTFD), 0x0100 | OK);
	assert_int_equal(get(g, CD, PXSIG), 0xeb140101);
	assert_int_equal(get(g, CD, PXTFD) & 0xff, 0);
	assert_int_equal(get(g, EMPTY, PXSSTS), 0);
	assert_int_equal(get(g, EMPTY, PXSIG), 0xffffffff);
	assert_int_equal(get(g, EMPTY, PXTFD), 0x7f);
	rig_free(g);
}

static void registers_keep_only_what_they_have(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	put(g, EMPTY, PXCLB, 0xffffffff);
	put(g, EMPTY, PXCLBU, 0x12345678);
	put(g, EMPTY, PXFB, 0xffffffff);
	put(g, EMPTY, PXIE, 0xffffffff);
	put(g, EMPTY, PXCMD, 0xffffffe0); /* all but ST, FRE */
	assert_int_equal(get(g, EMPTY, PXCLB), 0xfffffc00);
	assert_int_equal(get(g, EMPTY, PXCLBU), 0x12345678);
	assert_int_equal(get(g, EMPTY, PXFB), 0xffffff00);
	assert_int_equal(get(g, EMPTY, PXIE), 0xfdc000ff);
	assert_int_equal(get(g, EMPTY, PXCMD), 0x03000006); /* any power state is taken at once */
	put(g, EMPTY, PXCI, 1);                             /* neither takes a bit while ST is 0 */
	put(g, EMPTY, PXSACT, 1);
	assert_int_equal(get(g, EMPTY, PXCI) | get(g, EMPTY, PXSACT), 0);
	put(g, EMPTY, PXCMD, FRE | ST);
	assert_int_equal(get(g, EMPTY, PXCMD), 0x06 | FRE | FR | ST | CR);
	fake_write(g->board, hba_address(GHC), 1, 0); /* half a register: not a write */
	assert_int_equal(hba_read(g, GHC), 0x80000002u);
	rig_free(g);
}

/* ---- commands ---- */

static void identify_is_sent_as_programmed_io(void **state)
{
	struct rig *g = rig_new();
	const uint8_t *page, *fis = mem(g, RECEIVED(DISK) + 0x20);

	(void)state;
	assert_int_equal(command(g, DISK, (struct fis){ .command = ATA_CMD_IDENTIFY }, 512), OK);
	page = mem(g, DATA);
	assert_memory_equal(page + 54, "iVrtni eidks", 12);
	assert_int_equal(le32_load(page + 120), DISK_SECTORS);
	assert_int_equal(le16_load(page + 2 * 75), 31);          /* queue depth less one */
	assert_int_equal(le16_load(page + 2 * 76), 0x0106);      /* queued commands, 1.5 and 3 Gb/s */
	assert_int_equal(le16_load(page + 2 * 84) & 0x20, 0x20); /* logs */
	assert_int_equal(le16_load(page + 2 * 93), 0);           /* not parallel */
	assert_int_equal(get(g, DISK, PXIS), PSS);               /* and no register FIS: that is the protocol's end */
	assert_int_equal(fis[0], 0x5f);
	assert_int_equal(fis[1], 0x60);
	assert_int_equal(fis[2], 0x58);
	assert_int_equal(fis[15], OK);
	assert_int_equal(le16_load(fis + 16), 512);
	assert_int_equal(le32_load(mem(g, LIST(DISK) + 4)), 512);
	assert_true(g->board->irq_level[GSI]);
	assert_int_equal(hba_read(g, IS), 1);
	rig_free(g);
}

static void interrupt_falls_when_port_and_controller_are_told(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	assert_false(g->board->irq_level[GSI]);
	command(g, DISK, (struct fis){ .command = 0xe5 }, 0);
	assert_true(g->board->irq_level[GSI]);
	hba_write(g, IS, 1); /* too early: the port still asserts it */
	assert_true(g->board->irq_level[GSI]);
	put(g, DISK, PXIS, DHRS);
	assert_true(g->board->irq_level[GSI]);
	hba_write(g, IS, 1);
	assert_false(g->board->irq_level[GSI]);
	hba_write(g, GHC, 0);
	command(g, DISK, (struct fis){ .command = 0xe5 }, 0);
	assert_int_equal(hba_read(g, IS), 1);
	assert_false(g->board->irq_level[GSI]);
	hba_write(g, GHC, GHC_IE);
	assert_true(g->board->irq_level[GSI]);
	put(g, DISK, PXIE, 0); /* the bit in IS is a latch */
	assert_true(g->board->irq_level[GSI]);
	hba_write(g, IS, 1);
	assert_false(g->board->irq_level[GSI]);
	rig_free(g);
}

/* What ends while a driver is busy with an earlier interrupt raises no level, so it has to come as a message of its own. */
static void messages_tell_of_what_came_during_the_handler(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	pci_config_write(g->d->pci, 0x84, 4, 0xfee01000);
	pci_config_write(g->d->pci, 0x8c, 2, 0x41);
	pci_config_write(g->d->pci, 0x82, 2, 1);
	command(g, DISK, (struct fis){ .command = 0xe5 }, 0);
	assert_int_equal(g->board->message_count, 1);
	assert_int_equal(g->board->messages[0].data, 0x41);
	assert_false(g->board->irq_level[GSI]);
	put(g, DISK, PXIS, DHRS);
	command(g, DISK, (struct fis){ .command = 0xe5 }, 0); /* between the port's register and the controller's */
	assert_int_equal(g->board->message_count, 1);
	hba_write(g, IS, 1);
	assert_int_equal(g->board->message_count, 2);
	put(g, DISK, PXIS, DHRS);
	hba_write(g, IS, 1);
	assert_int_equal(g->board->message_count, 2);
	rig_free(g);
}

static void dma_read_scatters_over_descriptors(void **state)
{
	static const uint16_t sizes[] = { 2, 510, 100, 924, 2048, 512 };
	struct rig *g = rig_new();
	const uint8_t *disk = fake_block_data(g->blocks[DISK]);
	uint32_t at = DATA, offset = 0;

	(void)state;
	fill_pattern(fake_block_data(g->blocks[DISK]), 65536, 2);
	prepare(g, DISK, 3, (struct fis){ .command = 0x25, .lba = 1, .count = 8 }, ARRAY_SIZE(sizes));
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++, at += 0x2002)
		set_prd(g, 3, i, at, sizes[i]);
	issue(g, DISK, 3);
	assert_int_equal(get(g, DISK, PXTFD) & 0xff, OK | ATA_BSY);
	assert_int_equal(get(g, DISK, PXCI), 8);
	assert_int_equal(get(g, DISK, PXCMD) >> 8 & 0x1f, 3);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXCI), 0);
	assert_int_equal(get(g, DISK, PXIS), DHRS);
	assert_int_equal(mem(g, RECEIVED(DISK) + 0x40)[0], 0x34);
	assert_int_equal(mem(g, RECEIVED(DISK) + 0x40)[2], OK);
	assert_int_equal(le32_load(mem(g, LIST(DISK) + 3 * 32 + 4)), 4096);
	at = DATA;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++, at += 0x2002) {
		assert_memory_equal(mem(g, at), disk + 512 + offset, sizes[i]);
		assert_int_equal(*mem(g, at + sizes[i]), 0);
		offset += sizes[i];
	}
	rig_free(g);
}

static void write_of_more_descriptors_than_a_request_holds(void **state)
{
	struct rig *g = rig_new();
	uint8_t *data = mem(g, DATA);

	(void)state;
	fill_pattern(data, 512 * 1024, 3);
	prepare(g, DISK, 0, (struct fis){ .command = 0x35, .lba = 5, .count = 256 }, 4001);
	for (unsigned i = 0; i < 4000; i++)
		set_prd(g, 0, i, DATA + i * 26, 26);
	set_prd(g, 0, 4000, DATA + 4000 * 26, 256 * 512 - 4000 * 26);
	issue(g, DISK, 0);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXTFD), OK);
	assert_memory_equal(fake_block_data(g->blocks[DISK]) + 5 * 512, data, 256 * 512);
	assert_in_range(fake_block_count(g->blocks[DISK], BLOCK_WRITE), 15, 20);
	rig_free(g);
}

static void programmed_io_of_many_sectors_uses_the_same_descriptors(void **state)
{
	struct rig *g = rig_new();
	uint8_t *disk = fake_block_data(g->blocks[DISK]);

	(void)state;
	fill_pattern(disk, 256 * 512, 4);
	assert_int_equal(command(g, DISK, (struct fis){ .command = 0x24, .lba = 0, .count = 200 }, 200 * 512), OK);
	assert_memory_equal(mem(g, DATA), disk, 200 * 512);
	assert_int_equal(get(g, DISK, PXIS), PSS);
	put(g, DISK, PXIS, PSS);
	fill_pattern(mem(g, DATA), 200 * 512, 5);
	assert_int_equal(command(g, DISK, (struct fis){ .command = 0x34, .lba = 7, .count = 200 }, 200 * 512), OK);
	assert_memory_equal(mem(g, DATA), disk + 7 * 512, 200 * 512);
	assert_int_equal(get(g, DISK, PXIS), DHRS);
	rig_free(g);
}

static void slots_take_turns(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	for (unsigned slot = 0; slot < 32; slot++)
		prepare(g, DISK, slot, (struct fis){ .command = 0xe7 }, 0);
	put(g, DISK, PXCI, 0x80000011u); /* 0 runs, 4 and 31 wait */
	assert_int_equal(get(g, DISK, PXCI), 0x80000011u);
	fake_block_complete(g->blocks[DISK], 0);
	assert_int_equal(get(g, DISK, PXCI), 0x80000010u);
	issue(g, DISK, 0); /* comes after 31 */
	fake_block_complete(g->blocks[DISK], 0);
	assert_int_equal(get(g, DISK, PXCI), 0x80000001u);
	fake_block_complete(g->blocks[DISK], 0);
	assert_int_equal(get(g, DISK, PXCI), 1);
	fake_block_complete(g->blocks[DISK], 0);
	assert_int_equal(get(g, DISK, PXCI), 0);
	rig_free(g);
}

static void trim_takes_its_ranges_from_memory(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	memset(fake_block_data(g->blocks[DISK]), 0xff, 8192);
	le64_store(mem(g, DATA), 4 | 2ull << 48);
	memset(mem(g, DATA + 8), 0, 504);
	assert_int_equal(command(g, DISK, (struct fis){ .command = 0x06, .features = 1, .count = 1 }, 512), OK);
	assert_int_equal(fake_block_data(g->blocks[DISK])[4 * 512 - 1], 0xff);
	assert_int_equal(fake_block_data(g->blocks[DISK])[4 * 512], 0);
	assert_int_equal(fake_block_data(g->blocks[DISK])[6 * 512], 0xff);
	rig_free(g);
}

/* ---- errors ---- */

static void failed_command_stops_the_port_until_st_is_cleared(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	prepare(g, DISK, 1, (struct fis){ .command = 0xe5 }, 0);
	prepare(g, DISK, 0, (struct fis){ .command = 0x25, .lba = DISK_SECTORS - 1, .count = 2 }, 1);
	put(g, DISK, PXCI, 3);
	assert_int_equal(get(g, DISK, PXTFD), ATA_IDNF << 8 | OK | ATA_ERR);
	assert_int_equal(get(g, DISK, PXIS), TFES | DHRS);
	assert_int_equal(get(g, DISK, PXCI), 3); /* both are there: the failed one and the next */
	assert_int_equal(get(g, DISK, PXCMD) >> 8 & 0x1f, 0);
	put(g, DISK, PXIS, 0xffffffff);
	issue(g, DISK, 1); /* nothing runs */
	assert_int_equal(get(g, DISK, PXIS), 0);
	restart(g, DISK);
	assert_int_equal(get(g, DISK, PXCI), 0);
	assert_int_equal(command(g, DISK, (struct fis){ .command = 0xe5 }, 0), OK);
	rig_free(g);
}

static void hosts_errors_reach_the_guest_in_the_task_file(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	fake_block_fail(g->blocks[DISK], BLOCK_READ, -EIO);
	assert_int_equal(command(g, DISK, (struct fis){ .command = 0x25, .lba = 9, .count = 1 }, 512),
	                 ATA_UNC << 8 | OK | ATA_ERR);
	assert_int_equal(mem(g, RECEIVED(DISK) + 0x40)[4], 9);
	restart(g, DISK);
	fake_block_fail(g->blocks[DISK], BLOCK_WRITE, -EIO);
	assert_int_equal(command(g, DISK, (struct fis){ .command = 0x35, .count = 1 }, 512),
	                 ATA_ABRT << 8 | OK | ATA_DF | ATA_ERR);
	rig_free(g);
}

static void command_that_is_not_known_is_aborted(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	assert_int_equal(command(g, DISK, (struct fis){ .command = ATA_CMD_IDENTIFY_PACKET }, 512),
	                 ATA_ABRT << 8 | OK | ATA_ERR);
	restart(g, DISK);
	assert_int_equal(command(g, CD, (struct fis){ .command = ATA_CMD_READ_QUEUED }, 512) & 0xff,
	                 ATA_DRDY | ATA_ERR);
	rig_free(g);
}

/* ---- hostile lists ---- */

static void lists_that_are_not_memory_are_a_host_bus_error(void **state)
{
	static const uint32_t nowhere = 0x80000000u;
	struct rig *g = rig_new();

	(void)state;
	prepare(g, DISK, 0, (struct fis){ .command = 0x25, .count = 1 }, 1); /* the command table */
	le32_store(mem(g, LIST(DISK) + 8), nowhere);
	issue(g, DISK, 0);
	assert_int_equal(get(g, DISK, PXIS), HBFS);
	assert_int_equal(get(g, DISK, PXCI), 1);
	hba_is_alive(g);
	prepare(g, DISK, 0, (struct fis){ .command = 0x25, .count = 1 }, 1); /* its data */
	set_prd(g, 0, 0, nowhere, 512);
	put(g, DISK, PXIS, 0xffffffff);
	issue(g, DISK, 0);
	assert_int_equal(get(g, DISK, PXIS), HBFS);
	assert_int_equal(fake_block_count(g->blocks[DISK], BLOCK_READ), 0);
	hba_is_alive(g);
	put(g, DISK, PXCMD, 0); /* the command list */
	put(g, DISK, PXCLB, nowhere);
	put(g, DISK, PXIS, 0xffffffff);
	put(g, DISK, PXCMD, FRE | ST);
	issue(g, DISK, 31);
	assert_int_equal(get(g, DISK, PXIS), HBFS);
	hba_is_alive(g);
	put(g, DISK, PXCMD, 0); /* the top of the address space, where the sum wraps */
	put(g, DISK, PXCLB, 0xfffffc00);
	put(g, DISK, PXCLBU, 0xffffffff);
	put(g, DISK, PXCMD, FRE | ST);
	issue(g, DISK, 31);
	assert_int_equal(get(g, DISK, PXIS) & HBFS, HBFS);
	put(g, DISK, PXCLBU, 0);
	hba_is_alive(g);
	rig_free(g);
}

static void receive_area_that_is_not_memory_is_a_host_bus_error(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	put(g, DISK, PXFB, 0x80000000u);
	command(g, DISK, (struct fis){ .command = 0xe5 }, 0);
	assert_int_equal(get(g, DISK, PXIS) & HBFS, HBFS);
	hba_is_alive(g);
	put(g, DISK, PXCMD, ST); /* and one that is off takes nothing */
	put(g, DISK, PXFB, 0x80000000u);
	put(g, DISK, PXIS, 0xffffffff);
	assert_int_equal(command(g, DISK, (struct fis){ .command = 0xe5 }, 0), OK);
	assert_int_equal(get(g, DISK, PXIS), DHRS);
	rig_free(g);
}

static void descriptors_that_are_too_few_overflow(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	fill_pattern(fake_block_data(g->blocks[DISK]), 4096, 6);
	assert_int_equal(command(g, DISK, (struct fis){ .command = 0x25, .count = 4 }, 1024) & 0xff, OK | ATA_BSY);
	assert_int_equal(get(g, DISK, PXIS), OFS);
	assert_memory_equal(mem(g, DATA), fake_block_data(g->blocks[DISK]), 1024);
	assert_int_equal(*mem(g, DATA + 1024), 0);
	hba_is_alive(g);
	put(g, DISK, PXIS, 0xffffffff);
	command(g, DISK, (struct fis){ .command = 0x25, .count = 1 }, 0); /* none at all */
	assert_int_equal(get(g, DISK, PXIS), OFS);
	hba_is_alive(g);
	rig_free(g);
}

/* 65,535 descriptors, of the smallest and of the largest size. */
static void longest_tables_are_read_only_as_far_as_they_are_needed(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	prepare(g, DISK, 0, (struct fis){ .command = 0x25, .count = 256 }, 65535);
	for (unsigned i = 0; i < 65535; i++)
		set_prd(g, 0, i, DATA + 2 * i, 2);
	issue(g, DISK, 0);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXTFD) & 0xff, OK | ATA_BSY); /* 2 bytes short of 128 KiB */
	assert_int_equal(get(g, DISK, PXIS), OFS);
	assert_int_equal(fake_block_count(g->blocks[DISK], BLOCK_READ), 255);
	hba_is_alive(g);
	prepare(g, DISK, 0, (struct fis){ .command = 0x25, .count = 0 }, 65535); /* 65,536 sectors */
	for (unsigned i = 0; i < 65535; i++)
		set_prd(g, 0, i, DATA, 1u << 22);
	issue(g, DISK, 0);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXTFD), OK);
	rig_free(g);
}

static void frames_that_are_no_commands_are_refused(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} bad[] = { { 0, 0x34 }, { 0, 0 }, { 1, 0x8f } }; /* not to a device, to nobody's port of a multiplier */
	struct rig *g = rig_new();

	(void)state;
	for (size_t i = 0; i <= ARRAY_SIZE(bad); i++) {
		prepare(g, DISK, 0, (struct fis){ .command = 0xe5 }, 0);
		if (i < ARRAY_SIZE(bad))
			mem(g, TABLE(0))[bad[i].at] = bad[i].value;
		else
			*mem(g, LIST(DISK)) = 1; /* four bytes of command FIS */
		put(g, DISK, PXIS, 0xffffffff);
		issue(g, DISK, 0);
		assert_int_equal(get(g, DISK, PXIS), IFS);
		assert_int_equal(get(g, DISK, PXSERR), 1 << 10);
		restart(g, DISK);
	}
	hba_is_alive(g);
	rig_free(g);
}

/* ---- resets ---- */

static void comreset_drops_what_is_in_flight(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	prepare(g, DISK, 0, (struct fis){ .command = 0x25, .count = 8 }, 2);
	set_prd(g, 0, 0, DATA, 512);
	set_prd(g, 0, 1, DATA + 512, 4096);
	issue(g, DISK, 0);
	put(g, DISK, PXIS, 0xffffffff);
	put(g, DISK, PXSCTL, 1);
	assert_int_equal(get(g, DISK, PXSSTS), 0);
	assert_int_equal(get(g, DISK, PXTFD) & 0xff, 0x7f);
	put(g, DISK, PXSCTL, 0);
	assert_int_equal(get(g, DISK, PXSSTS), 0x123);
	assert_int_equal(get(g, DISK, PXTFD) & 0xff, ATA_BSY); /* memory may still be written to */
	assert_int_equal(get(g, DISK, PXIS) & ~(1 << 22), PCS);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXTFD), 0x0100 | OK);
	assert_int_equal(get(g, DISK, PXIS) & DHRS, 0);
	assert_int_equal(mem(g, RECEIVED(DISK) + 0x40)[0], 0x34); /* the signature */
	assert_int_equal(fake_block_count(g->blocks[DISK], BLOCK_READ), 1);
	put(g, DISK, PXSERR, 1 << 26);
	assert_int_equal(get(g, DISK, PXIS) & PCS, 0);
	assert_int_equal(command(g, DISK, (struct fis){ .command = 0xe5 }, 0), OK);
	rig_free(g);
}

static void stopping_shows_cr_until_memory_is_left_alone(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	prepare(g, DISK, 0, (struct fis){ .command = 0x25, .count = 8 }, 1);
	set_prd(g, 0, 0, DATA, 4096);
	issue(g, DISK, 0);
	put(g, DISK, PXCMD, FRE);
	assert_int_equal(get(g, DISK, PXCMD) & CR, CR);
	assert_int_equal(get(g, DISK, PXCI), 0);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXCMD) & CR, 0);
	hba_is_alive(g);
	rig_free(g);
}

static void controller_reset_begins_anew(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	prepare(g, DISK, 0, (struct fis){ .command = 0x25, .count = 8 }, 1);
	set_prd(g, 0, 0, DATA, 4096);
	issue(g, DISK, 0);
	hba_write(g, GHC, GHC_HR);
	assert_int_equal(hba_read(g, GHC), 0x80000000u);
	assert_int_equal(hba_read(g, IS), 0);
	assert_int_equal(get(g, DISK, PXCLB) | get(g, DISK, PXFB) | get(g, DISK, PXIE) | get(g, DISK, PXCI), 0);
	assert_false(g->board->irq_level[GSI]);
	assert_int_equal(get(g, DISK, PXTFD) & 0xff, ATA_BSY);
	assert_int_equal(get(g, CD, PXTFD) & 0xff, 0);
	fake_block_settle();
	assert_int_equal(get(g, DISK, PXTFD) & 0xff, OK);
	hba_write(g, GHC, GHC_IE);
	rig_start_port(g, DISK);
	hba_is_alive(g);
	rig_free(g);
}

/* As Linux does it: two control frames; CLO first, in case the device is busy. */
static void software_reset_brings_the_signature(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	prepare(g, CD, 0, (struct fis){ .command = ATA_CMD_PACKET }, 0);
	*mem(g, LIST(CD)) = 5;
	put(g, CD, PXCMD, FRE | CLO);
	put(g, CD, PXCMD, FRE | ST);
	for (unsigned i = 0; i < 2; i++) {
		prepare(g, CD, 0, (struct fis){ 0 }, 0);
		mem(g, TABLE(0))[1] = 0;
		mem(g, TABLE(0))[15] = i ? 0 : ATA_CONTROL_SRST;
		issue(g, CD, 0);
		assert_int_equal(get(g, CD, PXCI), 0);
	}
	assert_int_equal(get(g, CD, PXSIG), 0xeb140101);
	assert_int_equal(get(g, CD, PXTFD), 0x0100);
	assert_int_equal(mem(g, RECEIVED(CD) + 0x40)[6], 0xeb);
	assert_int_equal(command(g, CD, (struct fis){ .command = ATA_CMD_IDENTIFY_PACKET }, 512), ATA_DRDY);
	rig_free(g);
}

static void clo_lets_a_reset_through_to_a_device_that_hangs(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	command(g, DISK, (struct fis){ .command = 0x25, .count = 4 }, 1024); /* waits for ever */
	put(g, DISK, PXCMD, FRE);
	assert_int_equal(get(g, DISK, PXTFD) & ATA_BSY, ATA_BSY);
	put(g, DISK, PXCMD, FRE | CLO);
	assert_int_equal(get(g, DISK, PXTFD) & ATA_BSY, 0);
	put(g, DISK, PXCMD, FRE | ST);
	for (unsigned i = 0; i < 2; i++) {
		prepare(g, DISK, 0, (struct fis){ 0 }, 0);
		mem(g, TABLE(0))[1] = 0;
		mem(g, TABLE(0))[15] = i ? 0 : ATA_CONTROL_SRST;
		issue(g, DISK, 0);
	}
	assert_int_equal(get(g, DISK, PXTFD), 0x0100 | OK);
	assert_int_equal(command(g, DISK, (struct fis){ .command = ATA_CMD_IDENTIFY }, 512), OK);
	rig_free(g);
}

/* ---- the CD drive ---- */

static uint32_t packet(struct rig *g, const uint8_t cdb[12], bool dma, uint32_t bytes)
{
	memcpy(mem(g, TABLE(0) + 0x40), cdb, 12);
	return command(g, CD, (struct fis){ .command = ATA_CMD_PACKET, .features = dma }, bytes);
}

static const uint8_t request_sense[12] = { 0x03, 0, 0, 0, 18 };
static const uint8_t test_unit_ready[12] = { 0 };

static void drive_is_ready(struct rig *g)
{
	packet(g, test_unit_ready, false, 0); /* unit attention: power on */
	restart(g, CD);
	assert_int_equal(packet(g, request_sense, false, 18) & ATA_ERR, 0);
	assert_int_equal(packet(g, test_unit_ready, false, 0) & 0xff, ATA_DRDY);
}

static void packet_commands_move_data_both_ways(void **state)
{
	static const uint8_t read_10[12] = { 0x28, 0, 0, 0, 0, 7, 0, 0, 20 };
	static const uint8_t inquiry[12] = { 0x12, 0, 0, 0, 36 };
	static const uint8_t mode_select[12] = { 0x55, 0x10, 0, 0, 0, 0, 0, 0, 20 };
	static const uint8_t list[20] = { [8] = 0x01, [9] = 10, [10] = 0x20, [11] = 9 };
	struct rig *g = rig_new();

	(void)state;
	fill_pattern(fake_block_data(g->blocks[CD]), 64 * 2048, 8);
	drive_is_ready(g);
	for (unsigned dma = 0; dma < 2; dma++) {
		memset(mem(g, DATA), 0, 20 * 2048);
		put(g, CD, PXIS, 0xffffffff);
		assert_int_equal(packet(g, read_10, dma, 20 * 2048), ATA_DRDY);
		assert_memory_equal(mem(g, DATA), fake_block_data(g->blocks[CD]) + 7 * 2048, 20 * 2048);
		assert_int_equal(get(g, CD, PXIS), dma ? DHRS : PSS | DHRS);
		assert_int_equal(le32_load(mem(g, LIST(CD) + 4)), 20 * 2048);
	}
	packet(g, inquiry, false, 36);
	assert_memory_equal(mem(g, DATA + 8), "VITRINE Vitrine CD-ROM", 22);
	memcpy(mem(g, DATA), list, sizeof(list));
	assert_int_equal(packet(g, mode_select, false, 20), ATA_DRDY);
	rig_free(g);
}

static void media_change_and_eject_are_told(void **state)
{
	static const uint8_t get_event[12] = { 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8 };
	static const uint8_t eject[12] = { 0x1b, 0, 0, 0, 2 };
	static const uint8_t lock[12] = { 0x1e, 0, 0, 0, 1 };
	struct rig *g = rig_new();

	(void)state;
	drive_is_ready(g);
	fake_block_insert(g->blocks[CD], 100 * 2048);
	packet(g, get_event, false, 8);
	assert_int_equal(mem(g, DATA)[4], 2); /* new media */
	assert_int_equal(packet(g, test_unit_ready, false, 0), 6 << 12 | ATA_ABRT << 8 | ATA_DRDY | ATA_ERR);
	restart(g, CD);
	packet(g, request_sense, false, 18);
	assert_int_equal(mem(g, DATA)[12], 0x28);
	assert_int_equal(packet(g, lock, false, 0), ATA_DRDY);
	assert_true(block_locked(g->blocks[CD]));
	fake_block_press_eject(g->blocks[CD]);
	packet(g, get_event, false, 8);
	assert_int_equal(mem(g, DATA)[4], 1); /* the person wants it */
	assert_int_equal(packet(g, eject, false, 0) & ATA_ERR, ATA_ERR);
	restart(g, CD);
	comreset(g, CD); /* breaks the lock */
	assert_false(block_locked(g->blocks[CD]));
	drive_is_ready(g);
	assert_int_equal(packet(g, eject, false, 0), ATA_DRDY);
	assert_false(block_has_medium(g->blocks[CD]));
	rig_free(g);
}

static void read_error_of_the_cd_is_a_medium_error(void **state)
{
	static const uint8_t read_10[12] = { 0x28, 0, 0, 0, 0, 7, 0, 0, 2 };
	struct rig *g = rig_new();

	(void)state;
	drive_is_ready(g);
	fake_block_fail(g->blocks[CD], BLOCK_READ, -EIO);
	assert_int_equal(packet(g, read_10, true, 4096), 3 << 12 | ATA_ABRT << 8 | ATA_DRDY | ATA_ERR);
	assert_int_equal(get(g, CD, PXIS) & TFES, TFES);
	rig_free(g);
}

/* ---- state ---- */

static void command_in_flight_begins_again_after_a_load(void **state)
{
	struct rig *g = rig_new(), *h;
	size_t length;
	void *saved;

	(void)state;
	fill_pattern(fake_block_data(g->blocks[DISK]), 65536, 7);
	prepare(g, DISK, 2, (struct fis){ .command = 0x25, .lba = 1, .count = 16 }, 300);
	for (unsigned i = 0; i < 300; i++)
		set_prd(g, 2, i, DATA + 28 * i, 28);
	issue(g, DISK, 2);
	fake_block_complete(g->blocks[DISK], 0); /* the second part is in flight */
	assert_non_null(fake_block_pending(g->blocks[DISK]));
	saved = fake_save(g->d, &length);
	h = rig_beside(g->blocks);
	memcpy(mem(h, 0), mem(g, 0), FAKE_RAM_SIZE);
	assert_int_equal(fake_load(h->d, saved, length), 0);
	fake_block_settle();
	memset(mem(h, DATA + 7168), 0, 1024);
	ahci_class.resume(h->d);
	fake_block_settle();
	assert_int_equal(get(h, DISK, PXTFD), OK);
	assert_int_equal(get(h, DISK, PXCI), 0);
	assert_int_equal(le32_load(mem(h, LIST(DISK) + 2 * 32 + 4)), 8192);
	assert_memory_equal(mem(h, DATA), fake_block_data(g->blocks[DISK]) + 512, 8192);
	free(saved);
	rig_free_beside(h);
	rig_free(g);
}

static void state_contract_holds(void **state)
{
	struct rig g = { .bus = (struct pci_bus *)1 };
	struct device_config config;

	(void)state;
	fake_settle = fake_block_settle;
	for (unsigned seed = 0; seed < 20; seed++) {
		g.blocks[DISK] = fake_block_new("sata0:0", DISK_SECTORS * 512);
		g.blocks[CD] = fake_block_new("sata0:1", CD_SECTORS * 2048);
		config = rig_device_config(&g);
		fake_check_state(&ahci_class, &config, seed);
		fake_block_free(g.blocks[DISK]);
		fake_block_free(g.blocks[CD]);
	}
	fake_settle = NULL;
}

static void damaged_states_are_refused_and_leave_a_port_in_order(void **state)
{
	struct rig *g = rig_new();
	size_t length;
	uint8_t *saved, *copy;

	(void)state;
	prepare_queued(g, 4, false, 1, 8);
	issue_queued(g, 4);
	saved = fake_save(g->d, &length);
	fake_block_settle();
	copy = malloc(length);
	assert_non_null(copy);
	srand(5);
	for (unsigned i = 0; i < 3000; i++) {
		memcpy(copy, saved, length);
		for (unsigned n = 0; n < 3; n++)
			copy[(unsigned)rand() % length] = (uint8_t)rand();
		fake_load(g->d, copy, length);
		ahci_class.resume(g->d);
		fake_block_settle();
	}
	assert_int_equal(fake_load(g->d, saved, length), 0);
	hba_is_alive(g);
	free(copy);
	free(saved);
	rig_free(g);
}

/* ---- a guest that means harm ---- */

/* Fills the lists with random frames, addresses and descriptors. */
static void random_lists(struct rig *g)
{
	static const uint8_t opcodes[] = { 0x60, 0x61, 0x60, 0x61, 0x25, 0x35, 0x24, 0x34, 0xec, 0xa1, 0xa0,
		                           0xa0, 0x06, 0x2f, 0x2f, 0xe7, 0xef, 0x08, 0x90, 0xc8, 0xca, 0xb0 };
	unsigned port = (unsigned)rand() % 2, slot = (unsigned)rand() % 32, descriptors = (unsigned)rand() % 40;
	struct fis f = { .command = opcodes[(unsigned)rand() % ARRAY_SIZE(opcodes)],
		         .features = (uint8_t)(rand() % 4),
		         .lba = (uint64_t)rand() % (DISK_SECTORS + 100),
		         .count = (uint16_t)(rand() % 3 ? slot << 3 : (unsigned)rand() % 300) };

	prepare(g, port, slot, f, descriptors);
	for (unsigned i = 0; i < descriptors; i++)
		set_prd(g, slot, i, (unsigned)rand() % (FAKE_RAM_SIZE + 4096), 1u + (unsigned)rand() % 8192);
	for (unsigned i = 0; i < 12; i++)
		mem(g, TABLE(slot) + 0x40)[i] = (uint8_t)(i ? rand() % 4 : rand());
	if (rand() % 8 == 0)
		mem(g, TABLE(slot))[(unsigned)rand() % 20] = (uint8_t)rand();
	if (rand() % 32 == 0)
		le32_store(mem(g, LIST(port) + 32 * slot + 8), (uint32_t)rand());
}

static void random_access_does_no_harm(void **state)
{
	struct rig *g = rig_new();

	(void)state;
	srand(3);
	for (unsigned i = 0; i < 150000; i++) {
		unsigned port = (unsigned)rand() % 3;

		switch (rand() % 16) {
		case 0:
			fake_write(g->board, hba_address(4u * ((unsigned)rand() % 0x100)), 4, (uint32_t)rand());
			break;
		case 1:
			fake_read(g->board, hba_address((unsigned)rand() % 0xffc), 1u << rand() % 3);
			break;
		case 2:
			restart(g, port);
			break;
		case 3:
			if (rand() % 4 == 0)
				comreset(g, port);
			rig_start_port(g, port);
			break;
		case 4:
			fake_block_complete(g->blocks[(unsigned)rand() % 2], (unsigned)rand() % 4);
			break;
		case 5:
			if (rand() % 10 == 0)
				fake_block_settle();
			if (rand() % 100 == 0)
				fake_block_insert(g->blocks[CD], rand() % 3 ? CD_SECTORS * 2048 : 0);
			break;
		case 6:
			fake_block_fail(g->blocks[DISK], BLOCK_READ, rand() % 8 ? 0 : -EIO);
			break;
		case 7:
			pci_config_write(g->d->pci, PCI_COMMAND, 2, rand() % 8 ? 7 : 3);
			break;
		default:
			random_lists(g);
			put(g, port, PXSACT, (uint32_t)rand() & (uint32_t)rand());
			put(g, port, PXCI, (uint32_t)rand() & (uint32_t)rand());
		}
	}
	fake_block_fail(g->blocks[DISK], BLOCK_READ, 0);
	fake_map_bars(g->d->pci);
	hba_is_alive(g);
	rig_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(function_is_an_ich8m_in_ahci_mode),
		cmocka_unit_test(vmwares_has_its_own_ids_and_as_many_ports_as_are_asked_for),
		cmocka_unit_test(global_registers_say_what_there_is),
		cmocka_unit_test(ports_tell_disk_cd_drive_and_nothing_apart),
		cmocka_unit_test(registers_keep_only_what_they_have),
		cmocka_unit_test(identify_is_sent_as_programmed_io),
		cmocka_unit_test(interrupt_falls_when_port_and_controller_are_told),
		cmocka_unit_test(messages_tell_of_what_came_during_the_handler),
		cmocka_unit_test(dma_read_scatters_over_descriptors),
		cmocka_unit_test(write_of_more_descriptors_than_a_request_holds),
		cmocka_unit_test(programmed_io_of_many_sectors_uses_the_same_descriptors),
		cmocka_unit_test(slots_take_turns),
		cmocka_unit_test(trim_takes_its_ranges_from_memory),
		cmocka_unit_test(failed_command_stops_the_port_until_st_is_cleared),
		cmocka_unit_test(hosts_errors_reach_the_guest_in_the_task_file),
		cmocka_unit_test(command_that_is_not_known_is_aborted),
		cmocka_unit_test(lists_that_are_not_memory_are_a_host_bus_error),
		cmocka_unit_test(receive_area_that_is_not_memory_is_a_host_bus_error),
		cmocka_unit_test(descriptors_that_are_too_few_overflow),
		cmocka_unit_test(longest_tables_are_read_only_as_far_as_they_are_needed),
		cmocka_unit_test(frames_that_are_no_commands_are_refused),
		cmocka_unit_test(comreset_drops_what_is_in_flight),
		cmocka_unit_test(stopping_shows_cr_until_memory_is_left_alone),
		cmocka_unit_test(controller_reset_begins_anew),
		cmocka_unit_test(software_reset_brings_the_signature),
		cmocka_unit_test(clo_lets_a_reset_through_to_a_device_that_hangs),
		cmocka_unit_test(packet_commands_move_data_both_ways),
		cmocka_unit_test(media_change_and_eject_are_told),
		cmocka_unit_test(read_error_of_the_cd_is_a_medium_error),
		cmocka_unit_test(command_in_flight_begins_again_after_a_load),
		cmocka_unit_test(state_contract_holds),
		cmocka_unit_test(damaged_states_are_refused_and_leave_a_port_in_order),
		cmocka_unit_test(random_access_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
