/* SPDX-License-Identifier: MIT */
#include "fake_board.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/chipset/chipset.h"

struct board_under_test {
	struct fake_board *f;
	struct pci_bus *root;
	struct device *host, *isa, *pm;
	uint8_t *bios;
	unsigned resets, power_offs;
};

static void count_reset(void *context)
{
	((struct board_under_test *)context)->resets++;
}

static void count_power_off(void *context)
{
	((struct board_under_test *)context)->power_offs++;
}

#define BIOS_SIZE 0x40000u

static struct board_under_test *make(void)
{
	struct board_under_test *b = calloc(1, sizeof(*b));
	struct i440fx_config host = { .reset = count_reset, .context = b, .bios_size = BIOS_SIZE };
	struct piix4_pm_config pm = { count_power_off, b };

	b->f = fake_board_new();
	b->root = pci_bus_new_root(&b->f->board);
	/* RAM as machine.c lays it out: the host bridge answers for 0xc0000 to 0xfffff. */
	memory_unmap(b->f->board.memory, &b->f->ram);
	host.ram = b->f->ram.host;
	host.bios = b->bios = memory_allocate(b->f->board.memory, BIOS_SIZE);
	for (unsigned i = 0; i < BIOS_SIZE; i++)
		b->bios[i] = (uint8_t)(i >> 12);
	b->host = fake_board_create(b->f, &i440fx_class,
	                            &(struct device_config){ .id = "host", .pci_bus = b->root, .extra = &host });
	b->isa = fake_board_create(
		b->f, &piix4_isa_class,
		&(struct device_config){ .id = "isa", .pci_bus = b->root, .pci_devfn = PCI_DEVFN(1, 0) });
	b->pm = fake_board_create(b->f, &piix4_pm_class,
	                          &(struct device_config){ .id = "pm",
	                                                   .pci_bus = b->root,
	                                                   .pci_devfn = PCI_DEVFN(1, 3),
	                                                   .irq_count = 1,
	                                                   .irqs = { 9 },
	                                                   .extra = &pm });
	return b;
}

static void drop(struct board_under_test *b)
{
	fake_board_free(b->f);
	pci_bus_free(b->root);
	free(b);
}

static uint32_t config(struct board_under_test *b, unsigned bus, unsigned device, unsigned function, unsigned reg)
{
	fake_outl(b->f, 0xcf8, 0x80000000 | bus << 16 | device << 11 | function << 8 | (reg & 0xfc));
	return fake_inl(b->f, 0xcfc);
}

static void set_config(struct board_under_test *b, unsigned bus, unsigned device, unsigned function, unsigned reg,
                       unsigned size, uint32_t value)
{
	fake_outl(b->f, 0xcf8, 0x80000000 | bus << 16 | device << 11 | function << 8 | (reg & 0xfc));
	fake_out(b->f, (uint16_t)(0xcfc + (reg & 3)), size, value);
}

static void functions_answer_in_their_slots_and_nobody_else(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	assert_int_equal(config(b, 0, 0, 0, 0), 0x12378086);
	assert_int_equal(config(b, 0, 0, 0, 0x2c), 0x11001af4);
	assert_int_equal(config(b, 0, 1, 0, 0), 0x71108086);
	assert_int_equal(config(b, 0, 1, 3, 0), 0x71138086);
	assert_int_equal(config(b, 0, 2, 0, 0), 0xffffffff);
	assert_int_equal(config(b, 7, 0, 0, 0), 0xffffffff);
	fake_outl(b->f, 0xcf8, 0); /* not enabled */
	assert_int_equal(fake_inl(b->f, 0xcfc), 0xffffffff);
	drop(b);
}

static void the_id_registers_are_read_only(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	set_config(b, 0, 0, 0, 0, 4, 0);
	set_config(b, 0, 0, 0, 8, 4, 0);
	assert_int_equal(config(b, 0, 0, 0, 0), 0x12378086);
	assert_int_equal(config(b, 0, 0, 0, 8) >> 8, 0x060000);
	drop(b);
}

static void two_devices_cannot_share_a_slot(void **state)
{
	struct board_under_test *b = make();
	struct error e = { 0 };
	struct device *d;

	(void)state;
	assert_int_equal(
		device_create(&piix4_isa_class, &b->f->board,
	                      &(struct device_config){ .id = "isa2", .pci_bus = b->root, .pci_devfn = PCI_DEVFN(1, 0) },
	                      &d, &e),
		-EEXIST);
	assert_non_null(strstr(e.text, "1.0"));
	drop(b);
}

static void the_bios_is_seen_below_1m_and_shadowed_in_ram(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	assert_int_equal(fake_read(b->f, 0xff000, 1), 0x3f);
	assert_int_equal(fake_read(b->f, 0xe0000, 1), 0x20);
	fake_write(b->f, 0xff000, 1, 0xaa); /* ROM: lost */
	assert_int_equal(fake_read(b->f, 0xff000, 1), 0x3f);
	set_config(b, 0, 0, 0, 0x59, 1, 0x30);
	fake_write(b->f, 0xff000, 1, 0xaa);
	assert_int_equal(fake_read(b->f, 0xff000, 1), 0xaa);
	set_config(b, 0, 0, 0, 0x59, 1, 0x10); /* read only shadow */
	fake_write(b->f, 0xff000, 1, 0xbb);
	assert_int_equal(fake_read(b->f, 0xff000, 1), 0xaa);
	set_config(b, 0, 0, 0, 0x59, 1, 0x00); /* the ROM again */
	assert_int_equal(fake_read(b->f, 0xff000, 1), 0x3f);
	drop(b);
}

static void copying_the_rom_onto_itself_works_as_old_bioses_do_it(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	set_config(b, 0, 0, 0, 0x59, 1, 0x20); /* reads ROM, writes RAM */
	for (uint32_t at = 0xf0000; at < 0x100000; at += 4)
		fake_write(b->f, at, 4, fake_read(b->f, at, 4));
	set_config(b, 0, 0, 0, 0x59, 1, 0x10);
	assert_int_equal(fake_read(b->f, 0xff000, 1), 0x3f);
	drop(b);
}

static void pam_segments_are_switched_one_by_one(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	assert_int_equal(fake_read(b->f, 0xc4000, 1), 0xff); /* nobody */
	set_config(b, 0, 0, 0, 0x5a, 1, 0x30);               /* 0xc4000 to 0xc7fff */
	fake_write(b->f, 0xc4000, 1, 0x55);
	assert_int_equal(fake_read(b->f, 0xc4000, 1), 0x55);
	assert_int_equal(fake_read(b->f, 0xc0000, 1), 0xff);
	drop(b);
}

static void apmc_enable_is_set_so_that_the_bios_does_not_wait_for_smm(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	assert_true(config(b, 0, 1, 3, 0x58) & 1u << 25);
	fake_outb(b->f, 0xb2, 0x12);
	fake_outb(b->f, 0xb3, 0x34);
	assert_int_equal(fake_inw(b->f, 0xb2), 0x3412);
	drop(b);
}

/* SeaBIOS's FADT: SMI_CMD 0xb2, ACPI_ENABLE 0xf1, ACPI_DISABLE 0xf0. */
static void the_smi_command_port_switches_acpi_on_and_off(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	set_config(b, 0, 1, 3, 0x40, 4, 0x601);
	set_config(b, 0, 1, 3, 0x80, 1, 1);
	fake_outw(b->f, 0x602, 0x0100);
	device_lock(b->pm);
	piix4_pm_power_button(b->pm);
	device_unlock(b->pm);
	fake_outb(b->f, 0xb2, 0x77);
	assert_int_equal(fake_inw(b->f, 0x604) & 1, 0);
	assert_false(b->f->irq_level[9]);
	fake_outb(b->f, 0xb2, 0xf1);
	assert_int_equal(fake_inw(b->f, 0x604) & 1, 1);
	assert_true(b->f->irq_level[9]);
	fake_outb(b->f, 0xb2, 0xf0);
	assert_int_equal(fake_inw(b->f, 0x604) & 1, 0);
	assert_false(b->f->irq_level[9]);
	drop(b);
}

/* GPE0_BLK of the same FADT: a pending event there makes SeaBIOS's DSDT unplug PCI slots. */
static void no_general_purpose_event_is_pending(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	fake_outw(b->f, 0xafe0, 0xffff);
	assert_int_equal(fake_inw(b->f, 0xafe0), 0);
	fake_outw(b->f, 0xafe2, 0x1234);
	assert_int_equal(fake_inw(b->f, 0xafe2), 0x1234);
	drop(b);
}

static void port_cf9_resets_on_the_rising_edge_of_bit_2(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	fake_outb(b->f, 0xcf9, 0x02);
	assert_int_equal(b->resets, 0);
	fake_outb(b->f, 0xcf9, 0x06);
	fake_outb(b->f, 0xcf9, 0x06);
	assert_int_equal(b->resets, 1);
	drop(b);
}

static void soft_off_powers_off_and_other_sleep_types_do_not(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	set_config(b, 0, 1, 3, 0x40, 4, 0x601);
	assert_int_equal(fake_inw(b->f, 0x604), 0xffff); /* not decoded yet */
	set_config(b, 0, 1, 3, 0x80, 1, 1);
	fake_outw(b->f, 0x604, 0x2400);
	assert_int_equal(b->power_offs, 0);
	fake_outw(b->f, 0x604, 0x2000);
	assert_int_equal(b->power_offs, 1);
	drop(b);
}

static void the_pm_timer_counts_3579545_a_second_and_wraps_at_24_bits(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	set_config(b, 0, 1, 3, 0x40, 4, 0x601);
	set_config(b, 0, 1, 3, 0x80, 1, 1);
	clock_set(b->f->board.clock, NS_PER_SECOND);
	assert_int_equal(fake_inl(b->f, 0x608), 3579545);
	clock_set(b->f->board.clock, 10 * NS_PER_SECOND);
	assert_int_equal(fake_inl(b->f, 0x608), 35795450 & 0xffffff);
	drop(b);
}

static void the_power_button_raises_the_sci_when_enabled(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	set_config(b, 0, 1, 3, 0x40, 4, 0x601);
	set_config(b, 0, 1, 3, 0x80, 1, 1);
	device_lock(b->pm);
	piix4_pm_power_button(b->pm);
	device_unlock(b->pm);
	assert_false(b->f->irq_level[9]);
	fake_outw(b->f, 0x602, 0x0100);
	fake_outw(b->f, 0x604, 0x0001);
	assert_true(b->f->irq_level[9]);
	fake_outw(b->f, 0x600, 0x0100); /* acknowledged */
	assert_false(b->f->irq_level[9]);
	drop(b);
}

static void the_timer_interrupt_comes_when_bit_23_changes(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	set_config(b, 0, 1, 3, 0x40, 4, 0x601);
	set_config(b, 0, 1, 3, 0x80, 1, 1);
	fake_outw(b->f, 0x602, 1);
	fake_outw(b->f, 0x604, 1);
	clock_advance(b->f->board.clock, 2343 * NS_PER_MS); /* 2^23 / 3579545 = 2.3435 s */
	assert_false(b->f->irq_level[9]);
	clock_advance(b->f->board.clock, 2 * NS_PER_MS);
	assert_true(b->f->irq_level[9]);
	drop(b);
}

/* ---- a card to plug in ---- */

struct card {
	struct pci_device pci;
	struct region io;
};

static uint64_t card_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	(void)d, (void)r, (void)size;
	return 0x5a + offset;
}

static void card_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	(void)r, (void)offset, (void)size;
	pci_set_irq((struct pci_device *)d, value & 1);
}

static int card_create(struct device *d, const struct device_config *config, struct error *e)
{
	static const struct region_ops ops = { .read = card_read, .write = card_write };
	static const struct pci_identity identity = { .vendor = 0x1234, .device = 0x5678, .interrupt_pin = 1 };
	struct card *c = (struct card *)d;
	int r = pci_device_init(&c->pci, config, &identity, e);

	c->io = (struct region){ .name = "card", .ops = &ops, .size = 64 };
	if (r == 0)
		pci_add_bar(&c->pci, 0, PCI_BAR_IO, &c->io, NULL);
	return r;
}

static void card_reset(struct device *d)
{
	pci_device_reset((struct pci_device *)d);
}

static const struct device_class card_class = {
	.name = "card", .size = sizeof(struct card), .create = card_create, .reset = card_reset
};

static void a_bar_is_sized_moved_and_follows_the_command_register(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	fake_board_create(b->f, &card_class,
	                  &(struct device_config){ .id = "card", .pci_bus = b->root, .pci_devfn = PCI_DEVFN(4, 0) });
	set_config(b, 0, 4, 0, 0x10, 4, 0xffffffff);
	assert_int_equal(config(b, 0, 4, 0, 0x10), 0xffffffc1);
	set_config(b, 0, 4, 0, 0x10, 4, 0xc000);
	assert_int_equal(fake_inb(b->f, 0xc000), 0xff);
	set_config(b, 0, 4, 0, 0x04, 2, 1);
	assert_int_equal(fake_inb(b->f, 0xc001), 0x5b);
	set_config(b, 0, 4, 0, 0x10, 4, 0xd000);
	assert_int_equal(fake_inb(b->f, 0xc001), 0xff);
	assert_int_equal(fake_inb(b->f, 0xd001), 0x5b);
	set_config(b, 0, 4, 0, 0x04, 2, 0);
	assert_int_equal(fake_inb(b->f, 0xd001), 0xff);
	drop(b);
}

static void intx_follows_the_routing_registers(void **state)
{
	struct board_under_test *b = make();

	(void)state;
	fake_board_create(b->f, &card_class,
	                  &(struct device_config){ .id = "card", .pci_bus = b->root, .pci_devfn = PCI_DEVFN(4, 0) });
	set_config(b, 0, 4, 0, 0x10, 4, 0xc000);
	set_config(b, 0, 4, 0, 0x04, 2, 1);
	set_config(b, 0, 1, 0, 0x63, 1, 11); /* device 4, INTA: PIRQ D */
	fake_outb(b->f, 0xc000, 1);
	assert_true(b->f->irq_level[11]);
	assert_true(config(b, 0, 4, 0, 4) & 0x80000);
	set_config(b, 0, 1, 0, 0x63, 1, 10);
	assert_false(b->f->irq_level[11]);
	assert_true(b->f->irq_level[10]);
	set_config(b, 0, 1, 0, 0x63, 1, 0x80);
	assert_false(b->f->irq_level[10]);
	set_config(b, 0, 1, 0, 0x63, 1, 11);
	set_config(b, 0, 4, 0, 0x04, 2, 0x401); /* INTx disabled */
	assert_false(b->f->irq_level[11]);
	set_config(b, 0, 1, 0, 0x63, 1, 8); /* not routable */
	set_config(b, 0, 4, 0, 0x04, 2, 1);
	assert_false(b->f->irq_level[8]);
	drop(b);
}

static void a_card_behind_a_bridge_is_found_by_its_bus_number_and_its_pin_is_rotated(void **state)
{
	struct board_under_test *b = make();
	struct pci_bus *behind = NULL;
	struct bridge_config wires = { .vendor = 0x15ad, .device = 0x0790, .ret_bus = &behind };

	(void)state;
	fake_board_create(
		b->f, &bridge_class,
		&(struct device_config){
			.id = "bridge", .pci_bus = b->root, .extra = &wires, .pci_devfn = PCI_DEVFN(0x11, 0) });
	fake_board_create(b->f, &card_class,
	                  &(struct device_config){ .id = "card", .pci_bus = behind, .pci_devfn = PCI_DEVFN(1, 0) });
	assert_int_equal(config(b, 2, 1, 0, 0), 0xffffffff);
	set_config(b, 0, 0x11, 0, 0x18, 4, 0x00020200);
	assert_int_equal(config(b, 2, 1, 0, 0), 0x56781234);
	set_config(b, 2, 1, 0, 0x10, 4, 0xc000);
	set_config(b, 2, 1, 0, 0x04, 2, 1);
	/* INTA of device 1 is INTB of the bridge's bus, from device 17: (1 + 17 + 3) & 3 = PIRQ B. */
	set_config(b, 0, 1, 0, 0x61, 1, 5);
	fake_outb(b->f, 0xc000, 1);
	assert_true(b->f->irq_level[5]);
	drop(b);
}

static void fw_cfg_gives_items_by_port_and_by_dma(void **state)
{
	static const char list_data[] = "boot me";
	const struct fw_cfg_item items[] = { { FW_CFG_NB_CPUS, NULL, "\2\0", 2 }, { 0, "bootorder", list_data, 8 } };
	const struct fw_cfg_config list = { items, 2 };
	struct fake_board *f = fake_board_new();
	uint8_t directory[4 + 64];

	(void)state;
	fake_board_create(f, &fw_cfg_class, &(struct device_config){ .id = "fw_cfg", .port = 0x510, .extra = &list });
	fake_outw(f, 0x510, 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(fake_inb(f, 0x511), "QEMU"[i]);
	assert_int_equal(fake_inb(f, 0x511), 0); /* beyond the end */
	fake_outw(f, 0x510, 5);
	assert_int_equal(fake_inb(f, 0x511), 2);
	fake_outw(f, 0x510, 0x19);
	bus_read_many(f->board.bus, 0x511, 1, directory, sizeof(directory));
	assert_int_equal(be32_load(directory), 1);
	assert_int_equal(be32_load(directory + 4), 8);
	assert_int_equal(be16_load(directory + 8), 0x20);
	assert_string_equal((char *)directory + 12, "bootorder");

	assert_int_equal(fake_inl(f, 0x514), 0x554d4551);    /* "QEMU", little endian */
	be32_store(fake_ram(f, 0x1000), 0x20 << 16 | 8 | 2); /* select and read */
	be32_store(fake_ram(f, 0x1004), 8);
	be64_store(fake_ram(f, 0x1008), 0x2000);
	fake_outl(f, 0x518, __builtin_bswap32(0x1000));
	assert_int_equal(be32_load(fake_ram(f, 0x1000)), 0);
	assert_string_equal((char *)fake_ram(f, 0x2000), list_data);
	be32_store(fake_ram(f, 0x1000), 2);
	be64_store(fake_ram(f, 0x1008), 0xf0000000); /* no RAM there */
	fake_outl(f, 0x518, __builtin_bswap32(0x1000));
	assert_int_equal(be32_load(fake_ram(f, 0x1000)), 1);
	fake_board_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_answer_in_their_slots_and_nobody_else),
		cmocka_unit_test(the_id_registers_are_read_only),
		cmocka_unit_test(two_devices_cannot_share_a_slot),
		cmocka_unit_test(the_bios_is_seen_below_1m_and_shadowed_in_ram),
		cmocka_unit_test(copying_the_rom_onto_itself_works_as_old_bioses_do_it),
		cmocka_unit_test(pam_segments_are_switched_one_by_one),
		cmocka_unit_test(apmc_enable_is_set_so_that_the_bios_does_not_wait_for_smm),
		cmocka_unit_test(the_smi_command_port_switches_acpi_on_and_off),
		cmocka_unit_test(no_general_purpose_event_is_pending),
		cmocka_unit_test(port_cf9_resets_on_the_rising_edge_of_bit_2),
		cmocka_unit_test(soft_off_powers_off_and_other_sleep_types_do_not),
		cmocka_unit_test(the_pm_timer_counts_3579545_a_second_and_wraps_at_24_bits),
		cmocka_unit_test(the_power_button_raises_the_sci_when_enabled),
		cmocka_unit_test(the_timer_interrupt_comes_when_bit_23_changes),
		cmocka_unit_test(a_bar_is_sized_moved_and_follows_the_command_register),
		cmocka_unit_test(intx_follows_the_routing_registers),
		cmocka_unit_test(a_card_behind_a_bridge_is_found_by_its_bus_number_and_its_pin_is_rotated),
		cmocka_unit_test(fw_cfg_gives_items_by_port_and_by_dma),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
