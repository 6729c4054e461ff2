/* SPDX-License-Identifier: MIT */
/* The e1000's registers, EEPROM, PHY, interrupts and reception; transmission is e1000_tx_test.c's. */
#include "e1000_rig.h"

/* ---- registers ---- */

static void each_model_has_its_identity_and_windows(void **state)
{
	struct rig *vbox = rig_new(E1000_82540EM), *vmware = rig_new(E1000_82545EM_VMWARE);

	(void)state;
	assert_int_equal(pci_config_read(vbox->d->pci, 0, 4), 0x100e8086);
	assert_int_equal(pci_config_read(vmware->d->pci, 0, 4), 0x100f8086);
	assert_int_equal(pci_config_read(vmware->d->pci, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x075015ad);
	assert_int_equal(vbox->d->pci->bars[2].kind, PCI_BAR_IO);
	assert_int_equal(vmware->d->pci->bars[0].kind, PCI_BAR_MEMORY64);
	assert_int_equal(vmware->d->pci->bars[4].kind, PCI_BAR_IO);
	assert_int_equal(pci_config_read(vmware->d->pci, PCI_BAR0, 1), 4); /* 64 bits, not prefetchable */
	rig_free(vbox);
	rig_free(vmware);
}

/* The masks that Intel's diagnostics expect (SDM 13). */
static void registers_keep_the_bits_that_exist(void **state)
{
	static const struct {
		uint32_t offset, mask;
	} expected[] = {
		{ FCAL, 0xffffffff },  { FCAH, 0xffff },      { FCT, 0xffff },       { VET, 0xffff },
		{ RDTR, 0xffff },      { RDBAH, 0xffffffff }, { RDLEN, 0xfff80 },    { RDH, 0xffff },
		{ RDT, 0xffff },       { FCRTH, 0xfff8 },     { FCTTV, 0xffff },     { TIPG, 0x3fffffff },
		{ TDBAH, 0xffffffff }, { TDLEN, 0xfff80 },    { TDBAL, 0xfffffff0 }, { RDBAL, 0xfffffff0 },
		{ TIDV, 0xffff },      { RAL, 0xffffffff },   { RAH, 0x8003ffff },   { MTA + 0x1fc, 0xffffffff },
		{ ITR, 0xffff },       { RXCSUM, 0x7ff },
	};
	static const uint32_t patterns[] = { 0x5a5a5a5a, 0xa5a5a5a5, 0, 0xffffffff };
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		for (size_t p = 0; p < ARRAY_SIZE(patterns); p++) {
			uint32_t value = patterns[p] & (expected[i].offset == RDTR ? ~RDTR_FPD : ~0u);

			wr(r, expected[i].offset, value);
			assert_int_equal(rd(r, expected[i].offset), value & expected[i].mask);
		}
	wr(r, RCTL, ~RCTL_EN);
	assert_int_equal(rd(r, RCTL), 0x06dfb3fe & ~RCTL_EN);
	wr(r, STATUS, 0xffffffff);
	assert_true(rd(r, STATUS) & STATUS_LU);
	assert_int_equal(rd(r, 0x2000), 0);  /* no such register */
	assert_int_equal(rd(r, 0x1fffc), 0); /* the window's last */
	rig_free(r);
}

static void writes_of_less_than_a_register_do_nothing(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	wr(r, TIPG, 0x00602008);
	fake_write(r->f, WINDOW + TIPG, 1, 0xff);
	fake_write(r->f, WINDOW + TIPG, 2, 0xffff);
	assert_int_equal(rd(r, TIPG), 0x00602008);
	assert_int_equal(fake_read(r->f, WINDOW + TIPG + 1, 1), 0x20);
	rig_free(r);
}

static void registers_are_reached_through_ports_too(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	fake_outl(r->f, PORTS, TIPG);
	fake_outl(r->f, PORTS + 4, 0x12345678);
	assert_int_equal(rd(r, TIPG), 0x12345678);
	assert_int_equal(fake_inl(r->f, PORTS), TIPG);
	assert_int_equal(fake_inl(r->f, PORTS + 4), 0x12345678);
	fake_outl(r->f, PORTS, 0x20000); /* beyond the registers */
	fake_outl(r->f, PORTS + 4, 0xffffffff);
	assert_int_equal(fake_inl(r->f, PORTS + 4), 0);
	rig_free(r);
}

static void a_reset_takes_the_address_from_the_eeprom_and_keeps_the_link(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	wr(r, RAL, 0);
	wr(r, IMS, INT_LSC);
	wr(r, MTA, 5);
	wr(r, CTRL, CTRL_RST);
	assert_int_equal(rd(r, RAL), le32_load(own_mac));
	assert_int_equal(rd(r, RAH), le16_load(own_mac + 4) | RAH_AV);
	assert_int_equal(rd(r, IMS), 0);
	assert_int_equal(rd(r, MTA), 0);
	assert_false(rd(r, CTRL) & CTRL_RST);
	assert_true(rd(r, STATUS) & STATUS_LU);
	rig_free(r);
}

/* ---- EEPROM ---- */

static void eecd(struct rig *r, uint32_t value)
{
	wr(r, EECD, value | EECD_REQ | EECD_FWE_DISABLED);
}

static void shift_out(struct rig *r, unsigned value, unsigned bits)
{
	while (bits--) {
		uint32_t di = value >> bits & 1 ? EECD_DI : 0;

		eecd(r, EECD_CS | di);
		eecd(r, EECD_CS | di | EECD_SK);
		eecd(r, EECD_CS | di);
	}
}

static uint16_t shift_in(struct rig *r)
{
	uint16_t value = 0;

	for (unsigned i = 0; i < 16; i++) {
		eecd(r, EECD_CS | EECD_SK);
		value = (uint16_t)(value << 1 | !!(rd(r, EECD) & EECD_DO));
		eecd(r, EECD_CS);
	}
	return value;
}

static void deselect(struct rig *r)
{
	eecd(r, 0);
	eecd(r, EECD_SK);
	eecd(r, EECD_SK | EECD_CS);
	eecd(r, EECD_CS);
}

static uint16_t microwire_read(struct rig *r, unsigned word)
{
	uint16_t value;

	deselect(r);
	shift_out(r, 6, 3);
	shift_out(r, word, 6);
	assert_false(rd(r, EECD) & EECD_DO); /* the dummy bit */
	value = shift_in(r);
	deselect(r);
	return value;
}

static uint16_t eerd_read(struct rig *r, unsigned word)
{
	wr(r, EERD, word << 8 | EERD_START);
	assert_true(rd(r, EERD) & EERD_DONE);
	return (uint16_t)(rd(r, EERD) >> 16);
}

static void the_eeprom_has_the_address_ids_and_a_right_sum(void **state)
{
	struct rig *r = rig_new(E1000_82545EM_VMWARE);
	uint16_t sum = 0;

	(void)state;
	assert_true(rd(r, EECD) & EECD_PRES);
	eecd(r, 0);
	assert_true(rd(r, EECD) & EECD_GNT);
	for (unsigned i = 0; i < 64; i++) {
		uint16_t word = microwire_read(r, i);

		assert_int_equal(eerd_read(r, i), word);
		sum = (uint16_t)(sum + word);
	}
	assert_int_equal(sum, 0xbaba);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(eerd_read(r, i), le16_load(own_mac + 2 * i));
	assert_int_equal(eerd_read(r, 0x0b), 0x0750);
	assert_int_equal(eerd_read(r, 0x0d), 0x100f);
	rig_free(r);
}

static void a_read_goes_on_to_the_next_word(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	deselect(r);
	shift_out(r, 6, 3);
	shift_out(r, 0, 6);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(shift_in(r), le16_load(own_mac + 2 * i));
	rig_free(r);
}

static void the_eeprom_is_written_only_when_that_is_enabled(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	for (unsigned enabled = 0; enabled < 2; enabled++) {
		deselect(r);
		if (enabled) {
			shift_out(r, 4, 3);
			shift_out(r, 0x30, 6); /* EWEN */
			deselect(r);
		}
		shift_out(r, 5, 3);
		shift_out(r, 0x20, 6);
		shift_out(r, 0xbeef, 16);
		deselect(r);
		assert_true(rd(r, EECD) & EECD_DO); /* ready */
		assert_int_equal(microwire_read(r, 0x20), enabled ? 0xbeef : 0);
	}
	rig_free(r);
}

/* ---- PHY and link ---- */

static uint16_t phy(struct rig *r, unsigned number)
{
	wr(r, MDIC, 1u << 21 | number << 16 | MDIC_OP_READ << 26);
	assert_int_equal(rd(r, MDIC) & (MDIC_R | MDIC_E), MDIC_R);
	return (uint16_t)rd(r, MDIC);
}

static void set_phy(struct rig *r, unsigned number, uint16_t value)
{
	wr(r, MDIC, 1u << 21 | number << 16 | MDIC_OP_WRITE << 26 | value);
	assert_int_equal(rd(r, MDIC) & (MDIC_R | MDIC_E), MDIC_R);
}

static void the_phy_answers_at_address_1_alone(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	assert_int_equal(phy(r, PHY_ID1), 0x0141);
	assert_int_equal(phy(r, PHY_ID2) & 0xfff0, 0x0c20);
	wr(r, MDIC, 2u << 21 | PHY_ID1 << 16 | MDIC_OP_READ << 26);
	assert_int_equal(rd(r, MDIC) & (MDIC_R | MDIC_E), MDIC_R | MDIC_E);
	set_phy(r, PHY_ID1, 0);
	assert_int_equal(phy(r, PHY_ID1), 0x0141);
	rig_free(r);
}

static void negotiation_takes_the_link_down_and_up_again_with_interrupts(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	wr(r, IMS, INT_LSC);
	set_phy(r, PHY_CONTROL, PHY_CONTROL_AUTONEG | PHY_CONTROL_RESTART);
	assert_false(rd(r, STATUS) & STATUS_LU);
	assert_true(r->f->irq_level[PIRQ_GSI]);
	assert_true(rd(r, ICR) & INT_LSC);
	assert_false(r->f->irq_level[PIRQ_GSI]);
	assert_false(phy(r, PHY_STATUS) & (PHY_STATUS_LINK | PHY_STATUS_COMPLETE));
	pass(r, NS_PER_SECOND);
	assert_true(rd(r, STATUS) & STATUS_LU);
	assert_true(rd(r, ICR) & INT_LSC);
	assert_true(phy(r, PHY_STATUS) & PHY_STATUS_LINK);
	assert_int_equal(phy(r, PHY_SPECIFIC_STATUS) & 0xac00, 0xac00);
	rig_free(r);
}

static void the_phys_link_bit_latches_low(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	phy(r, PHY_STATUS);
	fake_net_set_link(&r->net, false);
	fake_net_set_link(&r->net, true);
	pass(r, NS_PER_SECOND);
	assert_false(phy(r, PHY_STATUS) & PHY_STATUS_LINK);
	assert_true(phy(r, PHY_STATUS) & PHY_STATUS_LINK);
	rig_free(r);
}

static void a_pulled_cable_takes_the_link_down_at_once(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	wr(r, IMS, INT_LSC);
	fake_net_set_link(&r->net, false);
	assert_false(rd(r, STATUS) & STATUS_LU);
	assert_true(rd(r, ICR) & INT_LSC);
	pass(r, 10 * NS_PER_SECOND);
	assert_false(rd(r, STATUS) & STATUS_LU);
	set_phy(r, PHY_CONTROL, PHY_CONTROL_RESET); /* nobody to negotiate with */
	pass(r, 10 * NS_PER_SECOND);
	assert_false(rd(r, STATUS) & STATUS_LU);
	rig_free(r);
}

static void without_slu_the_mac_sees_no_link(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	wr(r, CTRL, CTRL_FD);
	assert_false(rd(r, STATUS) & STATUS_LU);
	assert_true(rd(r, ICR) & INT_LSC);
	wr(r, CTRL, CTRL_FD | CTRL_SLU);
	assert_true(rd(r, STATUS) & STATUS_LU);
	rig_free(r);
}

/* ---- interrupts ---- */

static void causes_are_masked_and_cleared_by_reading(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	wr(r, ICS, INT_LSC | INT_RXT0);
	assert_false(r->f->irq_level[PIRQ_GSI]);
	wr(r, IMS, INT_RXT0);
	assert_true(r->f->irq_level[PIRQ_GSI]);
	assert_int_equal(rd(r, IMS), INT_RXT0);
	assert_int_equal(rd(r, ICR), INT_ASSERTED | INT_LSC | INT_RXT0);
	assert_false(r->f->irq_level[PIRQ_GSI]);
	assert_int_equal(rd(r, ICR), 0);
	wr(r, ICS, INT_RXT0);
	wr(r, IMC, INT_RXT0);
	assert_false(r->f->irq_level[PIRQ_GSI]);
	assert_int_equal(rd(r, ICR), INT_RXT0);
	wr(r, ICS, INT_LSC | INT_RXT0);
	wr(r, ICR, INT_LSC); /* a written 1 clears */
	assert_int_equal(rd(r, ICR), INT_RXT0);
	rig_free(r);
}

static void itr_spaces_interrupts(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	wr(r, ITR, 1000); /* 256 us */
	wr(r, IMS, INT_RXT0);
	for (unsigned i = 1; i <= 5; i++) {
		wr(r, ICS, INT_RXT0);
		assert_int_equal(r->f->irq_edges[PIRQ_GSI], i);
		rd(r, ICR);
		wr(r, ICS, INT_RXT0);
		assert_false(r->f->irq_level[PIRQ_GSI]);
		pass(r, 255 * NS_PER_US);
		assert_false(r->f->irq_level[PIRQ_GSI]);
		pass(r, NS_PER_US);
		assert_true(r->f->irq_level[PIRQ_GSI]);
		rd(r, ICR);
		pass(r, 10 * NS_PER_MS); /* quiet: the next comes at once */
		r->f->irq_edges[PIRQ_GSI] = i;
	}
	rig_free(r);
}

/* ---- reception ---- */

static uint8_t frame[16384];

struct received {
	uint32_t length;
	uint16_t sum, special;
	uint8_t status, errors;
	const uint8_t *data;
};

/* The next filled descriptor; fails the test if there is none. */
static struct received take(struct rig *r)
{
	const uint8_t *raw = fake_ram(r->f, RX_RING + 16 * r->rx_next);
	struct received got = { .length = le16_load(raw + 8),
		                .sum = le16_load(raw + 10),
		                .special = le16_load(raw + 14),
		                .status = raw[12],
		                .errors = raw[13],
		                .data = fake_ram(r->f, RX_BUFFERS + r->rx_next * RX_BUFFER_STEP) };

	assert_true(got.status & RXD_DD);
	r->rx_next = (r->rx_next + 1) % RING_COUNT;
	return got;
}

static bool nothing_came(struct rig *r)
{
	return rd(r, RDH) == r->rx_next;
}

static void send_to(struct rig *r, const uint8_t *to, size_t length)
{
	make_frame(frame, to, peer_mac, 0x88b5, length);
	assert_true(fake_net_deliver(&r->net, frame, length));
}

static void a_frame_for_us_arrives_with_its_fcs(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);
	struct received got;

	(void)state;
	rings_up(r, 0);
	wr(r, IMS, INT_RXT0);
	/* The FCS as Python's binascii.crc32 has it. */
	memset(frame, 0, 60);
	memcpy(frame, own_mac, 6);
	assert_true(fake_net_deliver(&r->net, frame, 60));
	got = take(r);
	assert_int_equal(got.length, 64);
	assert_memory_equal(got.data, frame, 60);
	assert_int_equal(le32_load(got.data + 60), 0x65dde50b);
	assert_int_equal(got.status & (RXD_EOP | RXD_IXSM | RXD_PIF), RXD_EOP | RXD_IXSM);
	assert_true(r->f->irq_level[PIRQ_GSI]);
	assert_true(rd(r, ICR) & INT_RXT0);
	rig_free(r);
}

static void short_frames_are_padded_and_the_fcs_stripped_on_demand(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);
	struct received got;

	(void)state;
	rings_up(r, RCTL_SECRC);
	memset(fake_ram(r->f, RX_BUFFERS), 0xee, 128);
	send_to(r, own_mac, 42);
	got = take(r);
	assert_int_equal(got.length, 60);
	assert_memory_equal(got.data, frame, 42);
	for (unsigned i = 42; i < 60; i++)
		assert_int_equal(got.data[i], 0);
	assert_int_equal(got.data[60], 0xee);
	rig_free(r);
}

static void filters_take_what_they_should(void **state)
{
	static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
	static const uint8_t multicast[6] = { 0x01, 0x00, 0x5e, 0x12, 0x34, 0x56 };
	static const uint8_t other[6] = { 0x00, 0x0c, 0x29, 0x12, 0x34, 0x57 };
	static const struct {
		const uint8_t *to;
		uint32_t rctl;
		bool taken, inexact;
	} cases[] = {
		{ own_mac, 0, true, false },          { other, 0, false, false },
		{ other, RCTL_UPE, true, true },      { broadcast, 0, false, false },
		{ broadcast, RCTL_BAM, true, false }, { multicast, 0, false, false },
		{ multicast, RCTL_MPE, true, true },  { multicast, RCTL_UPE, false, false },
	};
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		rings_up(r, cases[i].rctl);
		send_to(r, cases[i].to, 100);
		assert_int_equal(nothing_came(r), !cases[i].taken);
		if (cases[i].taken)
			assert_int_equal(!!(take(r).status & RXD_PIF), cases[i].inexact);
	}
	rig_free(r);
}

static void the_multicast_table_is_indexed_by_the_bits_that_mo_says(void **state)
{
	static const uint8_t multicast[6] = { 0x01, 0x00, 0x5e, 0x12, 0x34, 0x56 };
	/* Of the address read as a 48-bit little endian number: bits 47:36, 46:35, 45:34, 43:32. */
	static const unsigned hashes[] = { 0x563, 0xac6, 0x58d, 0x634 };
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	for (unsigned mo = 0; mo < 4; mo++) {
		for (unsigned i = 0; i < 128; i++)
			wr(r, MTA + 4 * i, 0);
		wr(r, MTA + hashes[mo] / 32 * 4, 1u << hashes[mo] % 32);
		rings_up(r, mo << 12);
		send_to(r, multicast, 100);
		assert_false(nothing_came(r));
		rings_up(r, ((mo + 1) % 4) << 12);
		send_to(r, multicast, 100);
		assert_true(nothing_came(r));
	}
	rig_free(r);
}

static void other_address_filters_and_the_source_are_compared(void **state)
{
	static const uint8_t other[6] = { 2, 1, 2, 3, 4, 5 };
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	wr(r, RAL + 15 * 8, le32_load(other));
	wr(r, RAH + 15 * 8, le16_load(other + 4) | RAH_AV);
	rings_up(r, 0);
	send_to(r, other, 100);
	assert_false(nothing_came(r));
	wr(r, RAL + 15 * 8, le32_load(peer_mac));
	wr(r, RAH + 15 * 8, le16_load(peer_mac + 4) | RAH_AV | RAH_AS_SOURCE);
	rings_up(r, 0);
	send_to(r, other, 100); /* from peer_mac */
	assert_false(nothing_came(r));
	rig_free(r);
}

static void a_long_frame_fills_several_buffers(void **state)
{
	static const uint32_t sizes[] = { 256, 512, 1024, 2048, 4096, 8192, 16384 };
	static const uint32_t fields[] = {
		3u << 16, 2u << 16, 1u << 16, 0, RCTL_BSEX | 3u << 16, RCTL_BSEX | 2u << 16, RCTL_BSEX | 1u << 16
	};
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint32_t left = 9014;

		rings_up(r, RCTL_LPE | RCTL_SECRC | fields[i]);
		send_to(r, own_mac, left);
		for (uint32_t at = 0; left;) {
			struct received got = take(r);

			assert_int_equal(got.length, MIN(left, sizes[i]));
			assert_memory_equal(got.data, frame + at, got.length);
			at += got.length;
			left -= got.length;
			assert_int_equal(!!(got.status & RXD_EOP), !left);
		}
		assert_true(nothing_came(r));
	}
	rig_free(r);
}

static void frames_over_1522_bytes_need_long_packet_enable(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	rings_up(r, 0);
	send_to(r, own_mac, 1518);
	assert_int_equal(take(r).length, 1522);
	send_to(r, own_mac, 1519);
	assert_true(nothing_came(r));
	assert_int_equal(rd(r, ROC), 1);
	rig_free(r);
}

static void without_buffers_a_frame_is_kept_until_the_guest_gives_some(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);
	uint32_t causes;

	(void)state;
	rings_up(r, 0);
	wr(r, RDT, 2);
	send_to(r, own_mac, 100);
	send_to(r, own_mac, 100);
	causes = rd(r, ICR);
	assert_true(causes & INT_RXDMT0);
	assert_false(causes & INT_RXO);
	assert_false(fake_net_deliver(&r->net, frame, 100));
	assert_true(rd(r, ICR) & INT_RXO);
	assert_int_equal(rd(r, RNBC), 1);
	assert_int_equal(rd(r, RNBC), 0);
	assert_int_equal(r->net.ready, 0);
	wr(r, RDT, 8);
	assert_int_equal(r->net.ready, 1);
	assert_true(fake_net_deliver(&r->net, frame, 100));
	rig_free(r);
}

static void a_disabled_receiver_and_a_dead_link_lose_frames(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	rings_up(r, 0);
	wr(r, RCTL, 0);
	send_to(r, own_mac, 100);
	wr(r, RCTL, RCTL_EN);
	assert_true(nothing_came(r));
	wr(r, CTRL, 0);
	send_to(r, own_mac, 100);
	assert_true(nothing_came(r));
	rig_free(r);
}

/* An IPv4 frame with right sums: `payload` bytes of TCP or UDP. */
static size_t make_ipv4(uint8_t protocol, size_t payload)
{
	size_t transport = 20 + payload;
	uint8_t *ip = frame + 14, *l4 = ip + 20;
	unsigned at = protocol == 6 ? 16 : 6;

	make_frame(frame, own_mac, peer_mac, 0x0800, 14 + 20 + transport);
	memcpy(ip, "\x45\x00\x00\x00\x12\x34\x40\x00\x40\x00\x00\x00\x0a\x00\x02\x02\x0a\x00\x02\x0f", 20);
	be16_store(ip + 2, (uint16_t)(20 + transport));
	ip[9] = protocol;
	be16_store(ip + 10, (uint16_t)~plain_sum(ip, 20, 0));
	if (protocol == 17)
		be16_store(l4 + 4, (uint16_t)transport);
	be16_store(l4 + at, 0);
	be16_store(l4 + at,
	           (uint16_t)~plain_sum(l4, transport, plain_sum(ip + 12, 8, 0) + protocol + (uint32_t)transport));
	return 14 + 20 + transport;
}

static struct received offload(struct rig *r, size_t length)
{
	assert_true(fake_net_deliver(&r->net, frame, length));
	return take(r);
}

static void checksums_of_what_comes_are_checked(void **state)
{
	static const uint8_t protocols[] = { 6, 17 };
	struct rig *r = rig_new(E1000_82540EM);
	struct received got;
	size_t length;

	(void)state;
	rings_up(r, 0);
	wr(r, RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD);
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		for (size_t payload = 0; payload < 5; payload++) { /* padded ones too */
			length = make_ipv4(protocols[i], payload);
			got = offload(r, length);
			assert_int_equal(got.status & (RXD_IPCS | RXD_TCPCS | RXD_IXSM), RXD_IPCS | RXD_TCPCS);
			assert_int_equal(got.errors, 0);
			frame[length - 1] ^= 1;
			got = offload(r, length);
			assert_int_equal(got.errors, RXD_ERROR_TCPE);
			frame[length - 1] ^= 1;
			frame[14 + 8] ^= 1; /* the time to live */
			got = offload(r, length);
			assert_int_equal(got.errors, RXD_ERROR_IPE);
			wr(r, RDT, (rd(r, RDH) + RING_COUNT - 1) % RING_COUNT);
		}
	rig_free(r);
}

static void what_is_no_whole_packet_is_not_called_wrong(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);
	struct received got;
	size_t length;

	(void)state;
	rings_up(r, 0);
	wr(r, RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD);
	length = make_ipv4(17, 100);
	be16_store(frame + 14 + 6, 0x2000); /* a fragment */
	be16_store(frame + 14 + 10, 0);
	be16_store(frame + 14 + 10, (uint16_t)~plain_sum(frame + 14, 20, 0));
	got = offload(r, length);
	assert_int_equal(got.status & (RXD_IPCS | RXD_TCPCS), RXD_IPCS);
	assert_int_equal(got.errors, 0);
	make_ipv4(17, 100);
	be16_store(frame + 14 + 2, 2000); /* longer than the frame */
	got = offload(r, length);
	assert_int_equal(got.status & (RXD_IXSM | RXD_IPCS), RXD_IXSM);
	make_ipv4(17, 100);
	be16_store(frame + 14 + 20 + 6, 0); /* its sender made no sum */
	assert_false(offload(r, length).status & RXD_TCPCS);
	for (unsigned ihl = 0; ihl < 16; ihl++) { /* any header length is survived */
		make_ipv4(6, 0);
		frame[14] = (uint8_t)(0x40 | ihl);
		offload(r, 60);
	}
	rig_free(r);
}

static void the_packet_checksum_begins_at_pcss(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	rings_up(r, 0);
	wr(r, RXCSUM, 14);
	send_to(r, own_mac, 101);
	assert_int_equal(take(r).sum, plain_sum(frame + 14, 87, 0));
	rig_free(r);
}

static void tags_are_filtered_and_stripped(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);
	struct received got;
	uint8_t plain[100];

	(void)state;
	make_frame(plain, own_mac, peer_mac, 0x88b5, sizeof(plain));
	memcpy(frame, plain, 12);
	be16_store(frame + 12, 0x8100);
	be16_store(frame + 14, 0x6123);
	memcpy(frame + 16, plain + 12, 88);
	rings_up(r, RCTL_SECRC);
	assert_true(fake_net_deliver(&r->net, frame, 104));
	got = take(r);
	assert_int_equal(got.length, 104);
	assert_false(got.status & RXD_VP);
	wr(r, CTRL, rd(r, CTRL) | CTRL_VME);
	assert_true(fake_net_deliver(&r->net, frame, 104));
	got = take(r);
	assert_int_equal(got.length, 100);
	assert_memory_equal(got.data, plain, 100);
	assert_true(got.status & RXD_VP);
	assert_int_equal(got.special, 0x6123);
	rings_up(r, RCTL_SECRC | RCTL_VFE);
	assert_true(fake_net_deliver(&r->net, frame, 104));
	assert_true(nothing_came(r));
	wr(r, VFTA + 0x123 / 32 * 4, 1u << 0x123 % 32);
	assert_true(fake_net_deliver(&r->net, frame, 104));
	assert_int_equal(take(r).length, 100);
	assert_true(fake_net_deliver(&r->net, plain, 100)); /* untagged: not the filter's affair */
	assert_int_equal(take(r).length, 100);
	rig_free(r);
}

static void receive_interrupts_are_delayed_by_rdtr_and_at_most_by_radv(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	rings_up(r, 0);
	wr(r, RDTR, 10); /* 10.24 us */
	wr(r, RADV, 25); /* 25.6 us */
	send_to(r, own_mac, 100);
	assert_false(rd(r, ICR) & INT_RXT0);
	pass(r, 11 * NS_PER_US);
	assert_true(rd(r, ICR) & INT_RXT0);
	pass(r, NS_PER_MS);
	assert_false(rd(r, ICR) & INT_RXT0); /* once */
	for (unsigned i = 0; i < 3; i++) {
		send_to(r, own_mac, 100);
		pass(r, 8 * NS_PER_US);
		assert_false(rd(r, ICR) & INT_RXT0); /* each one puts it off */
	}
	pass(r, 2 * NS_PER_US);
	assert_true(rd(r, ICR) & INT_RXT0); /* but only so long */
	send_to(r, own_mac, 100);
	wr(r, RDTR, RDTR_FPD | 10);
	assert_true(rd(r, ICR) & INT_RXT0);
	assert_int_equal(rd(r, RDTR), 10);
	rig_free(r);
}

static void statistics_count_and_clear_on_read(void **state)
{
	static const size_t lengths[] = { 60, 61, 124, 252, 508, 1020, 1514 };
	struct rig *r = rig_new(E1000_82540EM);
	static const uint8_t counts[] = { 1, 1, 1, 1, 1, 2 }; /* by bytes with FCS */
	uint32_t bytes = 0;

	(void)state;
	rings_up(r, 0);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		send_to(r, own_mac, lengths[i]);
		bytes += (uint32_t)lengths[i] + 4;
	}
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(rd(r, PRC64 + 4 * i), counts[i]);
	assert_int_equal(rd(r, GPRC), 7);
	assert_int_equal(rd(r, GPRC), 0);
	assert_int_equal(rd(r, GORCL), bytes);
	assert_int_equal(rd(r, GORCL), bytes);
	assert_int_equal(rd(r, GORCH), 0);
	assert_int_equal(rd(r, GORCL), 0);
	rig_free(r);
}

static void rings_that_make_no_sense_do_no_harm(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	rings_up(r, RCTL_LPE);
	wr(r, RDLEN, 0);
	send_to(r, own_mac, 100);
	wr(r, RDLEN, 128); /* eight descriptors: never enough for this one */
	wr(r, RCTL, RCTL_EN | RCTL_LPE | 3u << 16);
	send_to(r, own_mac, 9000);
	assert_int_equal(rd(r, MPC), 2);
	wr(r, RDH, 0xffff);
	wr(r, RDT, 0xffff);
	send_to(r, own_mac, 1000);
	assert_in_range(rd(r, RDH), 0, 7);
	wr(r, RDBAH, 0xffffffff); /* no memory there */
	send_to(r, own_mac, 1000);
	wr(r, RDBAH, 0);
	for (unsigned i = 0; i < RING_COUNT; i++)
		le64_store(fake_ram(r->f, RX_RING + 16 * i), i % 2 ? UINT64_MAX - 100 : FAKE_RAM_SIZE - 10);
	for (unsigned i = 0; i < 10; i++)
		send_to(r, own_mac, 1400);
	rig_free(r);
}

/* ---- state ---- */

static void the_state_of_a_card_at_work_survives(void **state)
{
	struct rig *a = rig_new(E1000_82540EM), *b = rig_new(E1000_82540EM);
	size_t length;
	void *saved;

	(void)state;
	rings_up(a, RCTL_BAM);
	wr(a, ITR, 1000);
	wr(a, IMS, INT_RXT0 | INT_LSC);
	wr(a, RDTR, 100);
	send_to(a, own_mac, 100);
	deselect(a);
	shift_out(a, 6, 3);
	shift_out(a, 1, 6);
	set_phy(a, PHY_ADVERTISE, 0x0041);
	saved = fake_save(a->d, &length);
	memcpy(fake_ram(b->f, 0), fake_ram(a->f, 0), FAKE_RAM_SIZE);
	clock_set(b->f->board.clock, clock_now(a->f->board.clock));
	assert_int_equal(fake_load(b->d, saved, length), 0);
	assert_int_equal(shift_in(b), le16_load(own_mac + 2));
	assert_int_equal(phy(b, PHY_ADVERTISE), 0x0041);
	assert_false(b->f->irq_level[PIRQ_GSI]);
	pass(b, NS_PER_MS);
	assert_true(b->f->irq_level[PIRQ_GSI]);
	assert_int_equal(rd(b, RDH), 1);
	free(saved);
	rig_free(a);
	rig_free(b);
}

static void a_cable_that_changed_during_a_pause_is_noticed(void **state)
{
	struct rig *r = rig_new(E1000_82540EM);

	(void)state;
	r->net.link = false;
	device_lock(r->d);
	r->d->class->resume(r->d);
	device_unlock(r->d);
	assert_false(rd(r, STATUS) & STATUS_LU);
	assert_true(rd(r, ICR) & INT_LSC);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_model_has_its_identity_and_windows),
		cmocka_unit_test(registers_keep_the_bits_that_exist),
		cmocka_unit_test(writes_of_less_than_a_register_do_nothing),
		cmocka_unit_test(registers_are_reached_through_ports_too),
		cmocka_unit_test(a_reset_takes_the_address_from_the_eeprom_and_keeps_the_link),
		cmocka_unit_test(the_eeprom_has_the_address_ids_and_a_right_sum),
		cmocka_unit_test(a_read_goes_on_to_the_next_word),
		cmocka_unit_test(the_eeprom_is_written_only_when_that_is_enabled),
		cmocka_unit_test(the_phy_answers_at_address_1_alone),
		cmocka_unit_test(negotiation_takes_the_link_down_and_up_again_with_interrupts),
		cmocka_unit_test(the_phys_link_bit_latches_low),
		cmocka_unit_test(a_pulled_cable_takes_the_link_down_at_once),
		cmocka_unit_test(without_slu_the_mac_sees_no_link),
		cmocka_unit_test(causes_are_masked_and_cleared_by_reading),
		cmocka_unit_test(itr_spaces_interrupts),
		cmocka_unit_test(a_frame_for_us_arrives_with_its_fcs),
		cmocka_unit_test(short_frames_are_padded_and_the_fcs_stripped_on_demand),
		cmocka_unit_test(filters_take_what_they_should),
		cmocka_unit_test(the_multicast_table_is_indexed_by_the_bits_that_mo_says),
		cmocka_unit_test(other_address_filters_and_the_source_are_compared),
		cmocka_unit_test(a_long_frame_fills_several_buffers),
		cmocka_unit_test(frames_over_1522_bytes_need_long_packet_enable),
		cmocka_unit_test(without_buffers_a_frame_is_kept_until_the_guest_gives_some),
		cmocka_unit_test(a_disabled_receiver_and_a_dead_link_lose_frames),
		cmocka_unit_test(checksums_of_what_comes_are_checked),
		cmocka_unit_test(what_is_no_whole_packet_is_not_called_wrong),
		cmocka_unit_test(the_packet_checksum_begins_at_pcss),
		cmocka_unit_test(tags_are_filtered_and_stripped),
		cmocka_unit_test(receive_interrupts_are_delayed_by_rdtr_and_at_most_by_radv),
		cmocka_unit_test(statistics_count_and_clear_on_read),
		cmocka_unit_test(rings_that_make_no_sense_do_no_harm),
		cmocka_unit_test(the_state_of_a_card_at_work_survives),
		cmocka_unit_test(a_cable_that_changed_during_a_pause_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
