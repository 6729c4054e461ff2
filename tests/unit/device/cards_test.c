/* SPDX-License-Identifier: MIT */
/* Which slot a declared controller gets on which board, what hangs on it, and what SeaBIOS is told to start from.
 * No KVM: the board is its bridges alone. */
#include "fake_board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/machine_cards.c"
#include "core/machine_firmware.c"

#define BRIDGES 5

struct fixture {
	struct fake_board *board;
	struct machine *m;
	struct appliance *a;
	struct block *blocks[APPLIANCE_MAX_DRIVES]; /* none: drives are counted, not read */
};

static struct device_config seen; /* the last that a card was created with */
static struct ahci_config seen_ahci;
static struct mpt_config seen_mpt;
static struct fake_board *current;

/* Not inlined: gcc would take fw_cfg's extra for an AHCI's. */
__attribute__((noinline)) int machine_add(struct machine *m, const struct device_class *class,
                                          const struct device_config *config, struct device **ret_device,
                                          struct error *e)
{
	(void)m, (void)ret_device, (void)e;
	seen = *config;
	if (class == &ahci_class)
		seen_ahci = *(const struct ahci_config *)config->extra;
	if (class == &mpt_spi_class || class == &mpt_sas_class)
		seen_mpt = *(const struct mpt_config *)config->extra;
	fake_board_create(current, class, config);
	return 0;
}

bool machine_has_place(const struct appliance *a, const struct appliance_drive *drive)
{
	return drive->bus == APPLIANCE_IDE || cards_have_place(a, drive);
}

static void add_bridges(struct fixture *f)
{
	static const uint8_t devices[BRIDGES] = { 0x11, 0x15, 0x16, 0x17, 0x18 };

	for (unsigned i = 0; i < BRIDGES; i++) {
		struct bridge_config bridge = { 0x15ad, i ? 0x07a0 : 0x0790, i, &f->m->bridged[f->m->bridge_count++] };
		char id[16];

		snprintf(id, sizeof(id), "bridge%u", i);
		fake_board_create(f->board, &bridge_class,
		                  &(struct device_config){ .id = id,
		                                           .pci_bus = f->m->pci,
		                                           .pci_devfn = PCI_DEVFN(devices[i], 0),
		                                           .extra = &bridge });
	}
}

static struct fixture *fixture_new(enum appliance_origin origin)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	current = f->board = fake_board_new();
	f->m = calloc(1, sizeof(*f->m));
	assert_non_null(f->m);
	f->a = appliance_new();
	assert_non_null(f->a);
	f->a->origin = origin;
	f->m->board = f->board->board;
	f->m->pci = pci_bus_new_root(&f->board->board);
	f->m->options = (struct machine_options){ .appliance = f->a, .blocks = f->blocks };
	if (origin == ORIGIN_VMWARE)
		add_bridges(f);
	return f;
}

static void fixture_free(struct fixture *f)
{
	fake_board_free(f->board);
	pci_bus_free(f->m->pci);
	appliance_free(f->a);
	free(f->m);
	free(f);
}

static void add_sata(struct fixture *f, unsigned number, int slot)
{
	appliance_add_controller(f->a, APPLIANCE_SATA, number, "ahci")->pci_slot = slot;
}

static void add_scsi(struct fixture *f, unsigned number, const char *model, int slot)
{
	appliance_add_controller(f->a, APPLIANCE_SCSI, number, model)->pci_slot = slot;
}

static void place(struct fixture *f)
{
	struct error e = { 0 };

	if (cards_add(f->m, f->a, &e) < 0)
		fail_msg("%s", e.text);
}

static unsigned slot_of(const struct fixture *f, unsigned number)
{
	for (unsigned i = 0; i < f->m->card_count; i++)
		if (f->m->cards[i].number == number)
			return f->m->cards[i].slot;
	fail_msg("sata%u has no slot", number);
	return 0;
}

static void each_board_has_its_usual_slot(void **state)
{
	static const unsigned slots[] = { [ORIGIN_OTHER] = 4, [ORIGIN_VMWARE] = 36, [ORIGIN_VIRTUALBOX] = 13 };

	(void)state;
	for (unsigned origin = 0; origin < ARRAY_SIZE(slots); origin++) {
		struct fixture *f = fixture_new(origin);
		struct pci_bus *bus = origin == ORIGIN_VMWARE ? f->m->bridged[0] : f->m->pci;

		add_sata(f, 0, -1);
		place(f);
		assert_int_equal(slot_of(f, 0), slots[origin]);
		assert_non_null(pci_bus_device(bus, PCI_DEVFN(slots[origin] % 32, 0)));
		assert_int_equal(seen_ahci.model, origin == ORIGIN_VMWARE ? AHCI_VMWARE : AHCI_ICH8M);
		assert_string_equal(seen.id, "sata0");
		fixture_free(f);
	}
}

static void declared_slots_are_kept_and_come_first(void **state)
{
	struct fixture *f = fixture_new(ORIGIN_VMWARE);

	(void)state;
	add_sata(f, 0, -1); /* would like 36 */
	add_sata(f, 1, 36);
	add_sata(f, 2, 19);
	add_sata(f, 3, 192);
	place(f);
	assert_int_equal(slot_of(f, 0), 37);
	assert_int_equal(slot_of(f, 1), 36);
	assert_int_equal(slot_of(f, 2), 19);
	assert_int_equal(slot_of(f, 3), 192);
	assert_non_null(pci_bus_device(f->m->bridged[2], 0)); /* pciBridge5 */
	fixture_free(f);
}

static void slots_that_cannot_be_are_replaced(void **state)
{
	static const int bad[] = { 17 /* the bridge */, 64, 161, 288, 1056, 0x7fffffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fixture *f = fixture_new(ORIGIN_VMWARE);

		add_sata(f, 0, bad[i]);
		place(f);
		assert_int_equal(slot_of(f, 0), 36);
		fixture_free(f);
	}
	for (size_t i = 1; i < ARRAY_SIZE(bad); i++) { /* no bridges there */
		struct fixture *f = fixture_new(ORIGIN_VIRTUALBOX);

		add_sata(f, 0, bad[i]);
		place(f);
		assert_int_equal(slot_of(f, 0), 13);
		fixture_free(f);
	}
}

static void board_without_a_free_slot_is_refused_in_words(void **state)
{
	struct fixture *f = fixture_new(ORIGIN_OTHER);
	struct error e = { 0 };

	(void)state;
	for (unsigned i = 0; i < 29; i++)
		add_sata(f, i, -1);
	assert_int_equal(cards_add(f->m, f->a, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "sata28: no PCI slot is left"));
	fixture_free(f);
}

static void drives_have_a_place_on_controllers_that_there_are(void **state)
{
	struct fixture *f = fixture_new(ORIGIN_VMWARE);
	const struct appliance_drive *drive;

	(void)state;
	add_sata(f, 1, -1);
	appliance_add_controller(f->a, APPLIANCE_SCSI, 0, "buslogic");
	drive = appliance_add_drive(f->a, DRIVE_DISK, APPLIANCE_SATA, 1, 29);
	assert_true(cards_have_place(f->a, drive));
	drive = appliance_add_drive(f->a, DRIVE_DISK, APPLIANCE_SATA, 1, 30);
	assert_false(cards_have_place(f->a, drive));
	drive = appliance_add_drive(f->a, DRIVE_DISK, APPLIANCE_SATA, 0, 0); /* not declared */
	assert_false(cards_have_place(f->a, drive));
	drive = appliance_add_drive(f->a, DRIVE_DISK, APPLIANCE_SCSI, 0, 0);
	assert_false(cards_have_place(f->a, drive));
	appliance_add_drive(f->a, DRIVE_CDROM, APPLIANCE_SATA, 1, 7);
	place(f);
	assert_int_equal(seen_ahci.ports, 30);
	assert_true(seen_ahci.cdrom[7]);
	assert_false(seen_ahci.cdrom[29]);
	fixture_free(f);
}

static void scsi_controllers_have_their_usual_slots(void **state)
{
	static const unsigned spi[] = { [ORIGIN_OTHER] = 4, [ORIGIN_VMWARE] = 16, [ORIGIN_VIRTUALBOX] = 20 };
	static const unsigned sas[] = { [ORIGIN_OTHER] = 5, [ORIGIN_VMWARE] = 160, [ORIGIN_VIRTUALBOX] = 22 };

	(void)state;
	for (unsigned origin = 0; origin < ARRAY_SIZE(spi); origin++) {
		struct fixture *f = fixture_new(origin);

		add_scsi(f, 0, "lsilogic", -1);
		add_scsi(f, 1, "lsisas1068", -1);
		place(f);
		assert_int_equal(slot_of(f, 0), spi[origin]);
		assert_int_equal(slot_of(f, 1), sas[origin]);
		assert_int_equal(seen_mpt.subsystem_vendor, origin == ORIGIN_VMWARE ? 0x15ad : 0x1000);
		fixture_free(f);
	}
}

static void scsi_drives_have_15_places_without_the_hosts(void **state)
{
	struct fixture *f = fixture_new(ORIGIN_VMWARE);

	(void)state;
	add_scsi(f, 0, "lsilogic", 192);
	for (unsigned unit = 0; unit < 17; unit++)
		assert_int_equal(
			cards_have_place(f->a, appliance_add_drive(f->a, DRIVE_CDROM, APPLIANCE_SCSI, 0, unit)),
			unit < 16 && unit != 7);
	place(f);
	assert_int_equal(slot_of(f, 0), 192);
	assert_true(seen_mpt.cdrom[15]);
	fixture_free(f);
}

static void boot_order_names_scsi_disks_by_channel_and_target(void **state)
{
	struct fixture *f = fixture_new(ORIGIN_VMWARE);

	(void)state;
	add_scsi(f, 0, "lsilogic", -1);
	add_scsi(f, 1, "lsisas1068", -1);
	appliance_add_drive(f->a, DRIVE_DISK, APPLIANCE_SCSI, 0, 3);
	appliance_add_drive(f->a, DRIVE_DISK, APPLIANCE_SCSI, 1, 10);
	place(f);
	firmware_boot_order(f->m, f->a);
	assert_string_equal(f->m->boot_list, "/pci@i0cf8/scsi@10/channel@0/disk@3,0\n"
	                                     "/pci@i0cf8/pci-bridge@15/scsi@0/channel@0/disk@a,0");
	fixture_free(f);
}

static void boot_order_names_places_as_seabios_does(void **state)
{
	struct fixture *f = fixture_new(ORIGIN_VMWARE), *g = fixture_new(ORIGIN_VIRTUALBOX);

	(void)state;
	add_sata(f, 0, -1);
	appliance_add_drive(f->a, DRIVE_CDROM, APPLIANCE_SATA, 0, 1);
	appliance_add_drive(f->a, DRIVE_DISK, APPLIANCE_SATA, 0, 10);
	appliance_add_drive(f->a, DRIVE_DISK, APPLIANCE_IDE, 1, 0);
	appliance_add_drive(f->a, DRIVE_DISK, APPLIANCE_SATA, 3, 0); /* has no place */
	current = f->board;
	place(f);
	firmware_boot_order(f->m, f->a);
	assert_string_equal(f->m->boot_list, "/pci@i0cf8/pci-bridge@11/sata@4/drive@a/disk@0\n"
	                                     "/pci@i0cf8/ide@7,1/drive@1/disk@0\n"
	                                     "/pci@i0cf8/pci-bridge@11/sata@4/drive@1/disk@0");
	add_sata(g, 0, -1);
	appliance_add_drive(g->a, DRIVE_DISK, APPLIANCE_SATA, 0, 0);
	current = g->board;
	place(g);
	firmware_boot_order(g->m, g->a);
	assert_string_equal(g->m->boot_list, "/pci@i0cf8/sata@d/drive@0/disk@0");
	fixture_free(f);
	fixture_free(g);
}

static void boot_list_that_is_full_ends_with_a_whole_line(void **state)
{
	struct fixture *f = fixture_new(ORIGIN_VMWARE);
	size_t length;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		add_sata(f, i, -1);
		for (unsigned unit = 0; unit < 30; unit++)
			appliance_add_drive(f->a, DRIVE_DISK, APPLIANCE_SATA, i, unit);
	}
	place(f);
	firmware_boot_order(f->m, f->a);
	length = strlen(f->m->boot_list);
	assert_in_range(length, sizeof(f->m->boot_list) - 96, sizeof(f->m->boot_list) - 1);
	assert_string_equal(f->m->boot_list + length - 7, "/disk@0");
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_board_has_its_usual_slot),
		cmocka_unit_test(declared_slots_are_kept_and_come_first),
		cmocka_unit_test(slots_that_cannot_be_are_replaced),
		cmocka_unit_test(board_without_a_free_slot_is_refused_in_words),
		cmocka_unit_test(drives_have_a_place_on_controllers_that_there_are),
		cmocka_unit_test(scsi_controllers_have_their_usual_slots),
		cmocka_unit_test(scsi_drives_have_15_places_without_the_hosts),
		cmocka_unit_test(boot_order_names_scsi_disks_by_channel_and_target),
		cmocka_unit_test(boot_order_names_places_as_seabios_does),
		cmocka_unit_test(boot_list_that_is_full_ends_with_a_whole_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
