/* SPDX-License-Identifier: MIT */
/* Which network card an appliance gets, in which slot, with which address. The board is its bridges alone. */
#include "fake_board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/machine_private.h"
#include "core/net/e1000_regs.h"
#include "../net/fake_net.h"

struct rig {
	struct fake_board *f;
	struct machine m;
	struct appliance *a;
	struct net_port net;
	struct net_port *nets[4];
};

/* machine.c's, without a machine. */
int machine_add(struct machine *m, const struct device_class *class, const struct device_config *config,
                struct device **ret_device, struct error *e)
{
	(void)ret_device, (void)e;
	fake_board_create(container_of(m, struct rig, m)->f, class, config);
	return 0;
}

static struct rig *rig_new(enum appliance_origin origin)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct bridge_config bridge = { 0x15ad, 0x0790, false, &r->m.bridged[0] };

	r->f = fake_board_new();
	r->m.pci = pci_bus_new_root(&r->f->board);
	fake_board_create(
		r->f, &bridge_class,
		&(struct device_config){
			.id = "pciBridge0", .pci_bus = r->m.pci, .pci_devfn = PCI_DEVFN(0x11, 0), .extra = &bridge });
	r->m.bridge_count = 1;
	r->a = appliance_new();
	r->a->origin = origin;
	r->m.options.appliance = r->a;
	r->m.options.nets = r->nets;
	return r;
}

static void rig_free(struct rig *r)
{
	fake_board_free(r->f);
	pci_bus_free(r->m.pci);
	appliance_free(r->a);
	free(r);
}

static void declare(struct rig *r, const char *model, int slot, const char *mac)
{
	struct appliance_nic *nic = appliance_add_nic(r->a, r->a->nic_count, model);

	nic->pci_slot = slot;
	assert_int_equal(appliance_set_text(&nic->mac, mac), 0);
}

static void plug(struct rig *r)
{
	struct error e = { 0 };

	if (nics_add(&r->m, r->a, &e) < 0)
		fail_msg("%s", e.text);
}

/* The card in that slot, as vendor and device; 0: none. */
static uint32_t card_at(struct rig *r, unsigned slot)
{
	struct pci_device *p = pci_bus_device(cards_slot_bus(&r->m, slot), CARDS_SLOT_DEVFN(slot));

	return p ? pci_config_read(p, 0, 4) : 0;
}

/* Its address as text, read through its ports (BAR `bar`) from the first receive filter. */
static const char *mac_at(struct rig *r, unsigned slot, unsigned bar)
{
	struct pci_device *p = pci_bus_device(cards_slot_bus(&r->m, slot), CARDS_SLOT_DEVFN(slot));
	static char text[18];
	uint8_t mac[8];

	pci_config_write(p, PCI_BAR0 + 4 * bar, 4, 0xc000);
	pci_config_write(p, PCI_COMMAND, 2, PCI_COMMAND_IO);
	fake_outl(r->f, 0xc000, RAL);
	le32_store(mac, fake_inl(r->f, 0xc004));
	fake_outl(r->f, 0xc000, RAH);
	le32_store(mac + 4, fake_inl(r->f, 0xc004));
	pci_config_write(p, PCI_COMMAND, 2, 0);
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return text;
}

static void vmwares_e1000_is_a_82545em_behind_the_bridge(void **state)
{
	struct rig *r = rig_new(ORIGIN_VMWARE);

	(void)state;
	declare(r, "e1000", -1, "00:50:56:01:02:03");
	declare(r, "e1000", 33, "00:50:56:01:02:04"); /* says where; the first does not */
	declare(r, "e1000", 37, "00:50:56:01:02:05");
	plug(r);
	assert_int_equal(card_at(r, 33), 0x100f8086);
	assert_string_equal(mac_at(r, 33, 4), "00:50:56:01:02:04");
	assert_string_equal(mac_at(r, 34, 4), "00:50:56:01:02:03");
	assert_string_equal(mac_at(r, 37, 4), "00:50:56:01:02:05");
	rig_free(r);
}

static void virtualbox_cards_are_where_virtualbox_puts_them(void **state)
{
	struct rig *r = rig_new(ORIGIN_VIRTUALBOX);

	(void)state;
	declare(r, "e1000", -1, "08:00:27:01:02:03");
	declare(r, "82545EM", -1, "08:00:27:01:02:04");
	plug(r);
	assert_int_equal(card_at(r, 3), 0x100e8086);
	assert_int_equal(card_at(r, 8), 0x100f8086);
	assert_string_equal(mac_at(r, 3, 2), "08:00:27:01:02:03");
	rig_free(r);
}

static void other_cards_fill_the_slots_from_3_on(void **state)
{
	struct rig *r = rig_new(ORIGIN_OTHER);

	(void)state;
	declare(r, "", -1, "");
	declare(r, "e1000", 3, "");
	declare(r, "e1000", 500, ""); /* no such slot */
	plug(r);
	for (unsigned slot = 3; slot < 6; slot++)
		assert_int_equal(card_at(r, slot), 0x100e8086);
	assert_int_equal(card_at(r, 6), 0);
	rig_free(r);
}

/* As VMware has it: uuid.bios ends as the address does, further cards lie ten apart. */
static void a_missing_address_is_vmwares_from_the_uuid(void **state)
{
	struct rig *r = rig_new(ORIGIN_VMWARE);

	(void)state;
	assert_int_equal(appliance_set_text(&r->a->uuid, "564d0000000000000000000000123456"), 0);
	memcpy(r->m.uuid + 13, "\x12\x34\x56", 3);
	declare(r, "e1000", 33, "");
	declare(r, "e1000", 34, "");
	plug(r);
	assert_string_equal(mac_at(r, 33, 4), "00:0c:29:12:34:56");
	assert_string_equal(mac_at(r, 34, 4), "00:0c:29:12:34:60");
	rig_free(r);
}

static void without_a_uuid_the_address_follows_from_the_content(void **state)
{
	static const char *const prints[] = { "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef",
		                              "1123456789abcdef0123456789abcdef" };
	char text[3][18];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct rig *r = rig_new(ORIGIN_OTHER);

		strcpy(r->a->fingerprint, prints[i]);
		declare(r, "e1000", -1, "");
		plug(r);
		strcpy(text[i], mac_at(r, 3, 2));
		assert_memory_equal(text[i], "00:0c:29:", 9);
		rig_free(r);
	}
	assert_string_equal(text[0], text[1]);
	assert_string_not_equal(text[0], text[2]);
}

static void a_model_that_is_missing_is_left_out_and_said(void **state)
{
	struct rig *r = rig_new(ORIGIN_VMWARE);

	(void)state;
	declare(r, "vmxnet3", 33, "");
	declare(r, "e1000", 34, "");
	plug(r);
	nics_review(r->a);
	assert_int_equal(card_at(r, 33), 0);
	assert_int_equal(card_at(r, 34), 0x100f8086);
	assert_int_equal(r->a->remark_count, 1);
	assert_string_equal(r->a->remarks[0].subject, "ethernet0");
	assert_non_null(strstr(r->a->remarks[0].text, "vmxnet 3"));
	rig_free(r);
}

static void each_card_gets_its_own_cable(void **state)
{
	struct rig *r = rig_new(ORIGIN_VMWARE);

	(void)state;
	r->nets[1] = &r->net;
	declare(r, "e1000", 33, "");
	declare(r, "e1000", 34, "");
	plug(r);
	assert_ptr_equal(r->net.card->pci, pci_bus_device(r->m.bridged[0], PCI_DEVFN(2, 0)));
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmwares_e1000_is_a_82545em_behind_the_bridge),
		cmocka_unit_test(virtualbox_cards_are_where_virtualbox_puts_them),
		cmocka_unit_test(other_cards_fill_the_slots_from_3_on),
		cmocka_unit_test(a_missing_address_is_vmwares_from_the_uuid),
		cmocka_unit_test(without_a_uuid_the_address_follows_from_the_content),
		cmocka_unit_test(a_model_that_is_missing_is_left_out_and_said),
		cmocka_unit_test(each_card_gets_its_own_cable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
