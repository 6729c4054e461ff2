/* SPDX-License-Identifier: MIT */
#include "fake_board.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/chipset/msi.h"

#define MSI_AT 0x50
#define MSIX_AT 0x70
#define VECTORS 5
#define TABLE 0x100
#define PBA 0x200
#define BAR 0xe0000000u

/* ---- a card that signals vector n when n is written to its register 0, and sets its pin to what is written to register 4 ---- */

struct card {
	struct pci_device pci;
	struct region registers;
};

static uint64_t card_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct card *c = (struct card *)d;

	(void)r;
	return c->pci.msix && offset >= TABLE ? msix_read(&c->pci, offset, size) : 0;
}

static void card_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct card *c = (struct card *)d;

	(void)r;
	if (offset == 0)
		msi_send(&c->pci, (unsigned)value);
	else if (offset == 4)
		pci_interrupt(&c->pci, value & 1);
	else if (c->pci.msix && offset >= TABLE)
		msix_write(&c->pci, offset, size, value);
}

enum kinds { MSI = 1, MSIX = 2 };

static int card_create(struct device *d, const struct device_config *config, struct error *e)
{
	static const struct region_ops ops = { .read = card_read, .write = card_write, .max_size = 8 };
	static const struct pci_identity identity = { .vendor = 0x1234, .device = 0x5678, .interrupt_pin = 1 };
	struct card *c = (struct card *)d;
	unsigned kinds = *(const unsigned *)config->extra;
	int r = pci_device_init(&c->pci, config, &identity, e);

	if (r < 0)
		return r;
	c->registers = (struct region){ .name = "card", .ops = &ops, .size = 0x1000 };
	pci_add_bar(&c->pci, 0, PCI_BAR_MEMORY, &c->registers, NULL);
	if (kinds & MSI)
		msi_add(&c->pci, MSI_AT, 4);
	return kinds & MSIX ? msix_add(&c->pci, MSIX_AT, VECTORS, 0, TABLE, PBA) : 0;
}

static void card_reset(struct device *d)
{
	pci_device_reset((struct pci_device *)d);
}

static int card_state(struct device *d, struct state *s)
{
	pci_device_state((struct pci_device *)d, s);
	return 0;
}

static const struct device_class card_class = { .name = "card",
	                                        .size = sizeof(struct card),
	                                        .state_version = 1,
	                                        .create = card_create,
	                                        .reset = card_reset,
	                                        .state = card_state };

/* ---- a board with one ---- */

struct rig {
	struct fake_board *f;
	struct pci_bus *bus;
	struct pci_device *card;
};

static struct rig make(unsigned kinds)
{
	struct rig r = { .f = fake_board_new() };

	r.bus = pci_bus_new_root(&r.f->board);
	for (unsigned pirq = 0; pirq < 4; pirq++)
		pci_bus_route(r.bus, pirq, 11);
	r.card = (struct pci_device *)fake_board_create(
		r.f, &card_class, &(struct device_config){ .id = "card", .pci_bus = r.bus, .extra = &kinds });
	fake_map_bars(r.card);
	return r;
}

static void drop(struct rig *r)
{
	fake_board_free(r->f);
	pci_bus_free(r->bus);
}

static void signal_vector(struct rig *r, unsigned vector)
{
	fake_write(r->f, BAR, 4, vector);
}

static void set_pin(struct rig *r, bool level)
{
	fake_write(r->f, BAR + 4, 4, level);
}

static void enable_msi(struct rig *r, uint64_t address, uint16_t data, unsigned enabled_shift)
{
	pci_config_write(r->card, MSI_AT + 4, 4, (uint32_t)address);
	pci_config_write(r->card, MSI_AT + 8, 4, (uint32_t)(address >> 32));
	pci_config_write(r->card, MSI_AT + 12, 2, data);
	pci_config_write(r->card, MSI_AT + 2, 2, enabled_shift << 4 | 1);
}

static void fill_entry(struct rig *r, unsigned vector, uint64_t address, uint32_t data, bool masked)
{
	uint64_t at = BAR + TABLE + 16 * vector;

	fake_write(r->f, at, 8, address);
	fake_write(r->f, at + 8, 4, data);
	fake_write(r->f, at + 12, 4, masked);
}

static void set_msix_control(struct rig *r, uint16_t control)
{
	pci_config_write(r->card, MSIX_AT + 2, 2, control);
}

/* The messages so far, and what the last one said. */
static void expect(struct rig *r, unsigned count, uint32_t address, uint32_t data)
{
	assert_int_equal(r->f->message_count, count);
	assert_int_equal(r->f->messages[count - 1].address, address);
	assert_int_equal(r->f->messages[count - 1].data, data);
}

/* ---- the list ---- */

static void both_capabilities_are_on_the_list(void **state)
{
	struct rig r = make(MSI | MSIX);
	unsigned at = pci_config_read(r.card, PCI_CAPABILITIES, 1);

	(void)state;
	assert_true(pci_config_read(r.card, PCI_STATUS, 2) & 0x10);
	assert_int_equal(at, MSIX_AT);
	assert_int_equal(pci_config_read(r.card, at, 4), (VECTORS - 1) << 16 | MSI_AT << 8 | 0x11);
	assert_int_equal(pci_config_read(r.card, at + 4, 4), TABLE);
	assert_int_equal(pci_config_read(r.card, at + 8, 4), PBA);
	/* 4 vectors, 64-bit addresses */
	assert_int_equal(pci_config_read(r.card, MSI_AT, 4), (0x80 | 2 << 1) << 16 | 0x05);
	pci_config_write(r.card, PCI_CAPABILITIES, 1, 0);
	assert_int_equal(pci_config_read(r.card, PCI_CAPABILITIES, 1), MSIX_AT);
	drop(&r);
}

/* ---- MSI ---- */

static void a_level_is_a_pin_until_msi_is_enabled_and_then_a_message_for_each_rise(void **state)
{
	struct rig r = make(MSI);

	(void)state;
	set_pin(&r, true);
	assert_true(r.f->irq_level[11]);
	assert_int_equal(r.f->message_count, 0);
	set_pin(&r, false);
	enable_msi(&r, 0xfee01000, 0x4041, 0);
	set_pin(&r, true);
	set_pin(&r, true);
	assert_false(r.f->irq_level[11]);
	expect(&r, 1, 0xfee01000, 0x4041);
	set_pin(&r, false);
	set_pin(&r, true);
	expect(&r, 2, 0xfee01000, 0x4041);
	drop(&r);
}

static void enabling_msi_lowers_a_pin_that_is_up_and_disabling_raises_it_again(void **state)
{
	struct rig r = make(MSI);

	(void)state;
	set_pin(&r, true);
	enable_msi(&r, 0xfee00000, 0x41, 0);
	assert_false(r.f->irq_level[11]);
	pci_config_write(r.card, MSI_AT + 2, 2, 0);
	assert_true(r.f->irq_level[11]);
	drop(&r);
}

static void msi_puts_the_vector_into_the_low_bits_that_were_enabled(void **state)
{
	struct rig r = make(MSI);

	(void)state;
	enable_msi(&r, 0xfee00000, 0x63, 2);
	signal_vector(&r, 2);
	expect(&r, 1, 0xfee00000, 0x62);
	enable_msi(&r, 0xfee00000, 0x63, 1);
	signal_vector(&r, 1);
	expect(&r, 2, 0xfee00000, 0x63);
	signal_vector(&r, 2); /* only two enabled */
	expect(&r, 3, 0xfee00000, 0x62);
	enable_msi(&r, 0xfee00000, 0x7f, 7); /* more than the card has: 4 */
	signal_vector(&r, 1);
	expect(&r, 4, 0xfee00000, 0x7d);
	drop(&r);
}

static void without_bus_mastering_msi_is_silent(void **state)
{
	struct rig r = make(MSI);

	(void)state;
	enable_msi(&r, 0xfee00000, 0x41, 0);
	pci_config_write(r.card, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	signal_vector(&r, 0);
	assert_int_equal(r.f->message_count, 0);
	drop(&r);
}

static void a_message_elsewhere_is_four_bytes_of_dma(void **state)
{
	struct rig r = make(MSI);

	(void)state;
	memset(fake_ram(r.f, 0x1000), 0xaa, 8);
	enable_msi(&r, 0x1000, 0x4142, 0);
	signal_vector(&r, 0);
	assert_int_equal(le64_load(fake_ram(r.f, 0x1000)), 0xaaaaaaaa00004142);
	enable_msi(&r, 0x1fee00000, 0x41, 0); /* above 4 GiB no APIC listens, and no RAM is there */
	signal_vector(&r, 0);
	enable_msi(&r, 0xfef00000, 0x41, 0);
	signal_vector(&r, 0);
	assert_int_equal(r.f->message_count, 0);
	drop(&r);
}

/* ---- MSI-X ---- */

static void each_vector_of_msix_has_its_own_message(void **state)
{
	struct rig r = make(MSIX);

	(void)state;
	for (unsigned i = 0; i < VECTORS; i++)
		fill_entry(&r, i, 0xfee00000 + (i << 12), 0x40 + i, false);
	signal_vector(&r, 3);
	assert_int_equal(r.f->message_count, 0); /* not enabled */
	set_msix_control(&r, 0x8000);
	signal_vector(&r, 3);
	expect(&r, 1, 0xfee03000, 0x43);
	signal_vector(&r, 4);
	expect(&r, 2, 0xfee04000, 0x44);
	signal_vector(&r, VECTORS);
	signal_vector(&r, UINT32_MAX);
	assert_int_equal(r.f->message_count, 2);
	set_pin(&r, true); /* one interrupt alone: the first vector, and no pin */
	expect(&r, 3, 0xfee00000, 0x40);
	assert_false(r.f->irq_level[11]);
	drop(&r);
}

static void entries_are_masked_at_first_and_keep_only_bits_that_exist(void **state)
{
	struct rig r = make(MSIX);

	(void)state;
	assert_int_equal(fake_read(r.f, BAR + TABLE + 12, 4), 1);
	fill_entry(&r, 1, ~0ull, ~0u, false);
	fake_write(r.f, BAR + TABLE + 16 + 12, 4, ~0u);
	assert_int_equal(fake_read(r.f, BAR + TABLE + 16, 8), ~3ull);
	assert_int_equal(fake_read(r.f, BAR + TABLE + 24, 8), 0x1ffffffff);
	fake_write(r.f, BAR + TABLE + 16 * VECTORS, 8, ~0ull); /* behind the last */
	assert_int_equal(fake_read(r.f, BAR + TABLE + 16 * VECTORS, 8), 0);
	fake_write(r.f, BAR + PBA, 8, ~0ull); /* read only */
	assert_int_equal(fake_read(r.f, BAR + PBA, 8), 0);
	drop(&r);
}

static void a_masked_vector_is_pending_and_sent_once_when_unmasked(void **state)
{
	struct rig r = make(MSIX);

	(void)state;
	fill_entry(&r, 2, 0xfee02000, 0x52, true);
	fill_entry(&r, 4, 0xfee04000, 0x54, true);
	set_msix_control(&r, 0x8000);
	signal_vector(&r, 2);
	signal_vector(&r, 2);
	signal_vector(&r, 4);
	assert_int_equal(r.f->message_count, 0);
	assert_int_equal(fake_read(r.f, BAR + PBA, 8), 1 << 2 | 1 << 4);
	fake_write(r.f, BAR + TABLE + 32 + 12, 4, 0);
	expect(&r, 1, 0xfee02000, 0x52);
	assert_int_equal(fake_read(r.f, BAR + PBA, 8), 1 << 4);
	drop(&r);
}

static void the_function_mask_holds_all_vectors_and_lets_them_go_together(void **state)
{
	struct rig r = make(MSIX);

	(void)state;
	fill_entry(&r, 0, 0xfee00000, 0x50, false);
	fill_entry(&r, 1, 0xfee01000, 0x51, false);
	set_msix_control(&r, 0xc000);
	signal_vector(&r, 0);
	signal_vector(&r, 1);
	assert_int_equal(r.f->message_count, 0);
	assert_int_equal(fake_read(r.f, BAR + PBA, 1), 3);
	set_msix_control(&r, 0x8000);
	expect(&r, 2, 0xfee01000, 0x51);
	assert_int_equal(fake_read(r.f, BAR + PBA, 1), 0);
	drop(&r);
}

static void without_bus_mastering_msix_is_pending_until_it_is_back(void **state)
{
	struct rig r = make(MSIX);

	(void)state;
	fill_entry(&r, 0, 0xfee00000, 0x50, false);
	set_msix_control(&r, 0x8000);
	pci_config_write(r.card, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	signal_vector(&r, 0);
	assert_int_equal(r.f->message_count, 0);
	pci_config_write(r.card, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	expect(&r, 1, 0xfee00000, 0x50);
	drop(&r);
}

/* ---- reset and state ---- */

static void reset_disables_and_masks(void **state)
{
	struct rig r = make(MSI | MSIX);

	(void)state;
	enable_msi(&r, 0xfee00000, 0x41, 2);
	fill_entry(&r, 0, 0xfee00000, 0x50, true);
	set_msix_control(&r, 0xc000);
	signal_vector(&r, 0);
	device_lock(&r.card->device);
	card_reset(&r.card->device);
	device_unlock(&r.card->device);
	fake_map_bars(r.card);
	assert_false(msi_enabled(r.card));
	assert_int_equal(pci_config_read(r.card, MSI_AT + 2, 2), 0x80 | 2 << 1);
	assert_int_equal(pci_config_read(r.card, MSI_AT + 4, 4), 0);
	assert_int_equal(pci_config_read(r.card, MSIX_AT + 2, 2), VECTORS - 1);
	assert_int_equal(fake_read(r.f, BAR + PBA, 8), 0);
	assert_int_equal(fake_read(r.f, BAR + TABLE, 8), 0);
	assert_int_equal(fake_read(r.f, BAR + TABLE + 12, 4), 1);
	drop(&r);
}

static void what_is_pending_survives_save_and_load(void **state)
{
	struct rig a = make(MSIX), b = make(MSIX);
	size_t length;
	uint8_t *saved;

	(void)state;
	fill_entry(&a, 2, 0xfee02000, 0x52, true);
	set_msix_control(&a, 0x8000);
	signal_vector(&a, 2);
	saved = fake_save(&a.card->device, &length);
	assert_int_equal(fake_load(&b.card->device, saved, length), 0);
	assert_int_equal(b.f->message_count, 0);
	fake_write(b.f, BAR + TABLE + 32 + 12, 4, 0);
	expect(&b, 1, 0xfee02000, 0x52);
	free(saved);
	drop(&a);
	drop(&b);
}

/* The table is the stream's last field: its last byte belongs to a control word that has one bit. */
static void a_state_with_bits_that_do_not_exist_is_refused(void **state)
{
	struct rig r = make(MSIX);
	size_t length;
	uint8_t *saved = fake_save(&r.card->device, &length);

	(void)state;
	saved[length - 1] = 0x80;
	assert_int_equal(fake_load(&r.card->device, saved, length), -EINVAL);
	saved[length - 1] = 0;
	assert_int_equal(fake_load(&r.card->device, saved, length), 0);
	free(saved);
	drop(&r);
}

static void the_state_is_whole_whatever_the_guest_did(void **state)
{
	(void)state;
	for (unsigned kinds = 0; kinds <= (MSI | MSIX); kinds++)
		for (unsigned seed = 0; seed < 4; seed++)
			fake_check_state(&card_class,
			                 &(struct device_config){ .id = "card", .pci_bus = (void *)1, .extra = &kinds },
			                 seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_capabilities_are_on_the_list),
		cmocka_unit_test(a_level_is_a_pin_until_msi_is_enabled_and_then_a_message_for_each_rise),
		cmocka_unit_test(enabling_msi_lowers_a_pin_that_is_up_and_disabling_raises_it_again),
		cmocka_unit_test(msi_puts_the_vector_into_the_low_bits_that_were_enabled),
		cmocka_unit_test(without_bus_mastering_msi_is_silent),
		cmocka_unit_test(a_message_elsewhere_is_four_bytes_of_dma),
		cmocka_unit_test(each_vector_of_msix_has_its_own_message),
		cmocka_unit_test(entries_are_masked_at_first_and_keep_only_bits_that_exist),
		cmocka_unit_test(a_masked_vector_is_pending_and_sent_once_when_unmasked),
		cmocka_unit_test(the_function_mask_holds_all_vectors_and_lets_them_go_together),
		cmocka_unit_test(without_bus_mastering_msix_is_pending_until_it_is_back),
		cmocka_unit_test(reset_disables_and_masks),
		cmocka_unit_test(what_is_pending_survives_save_and_load),
		cmocka_unit_test(a_state_with_bits_that_do_not_exist_is_refused),
		cmocka_unit_test(the_state_is_whole_whatever_the_guest_did),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
