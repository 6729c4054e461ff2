/* SPDX-License-Identifier: MIT */
/* The register file (SDM 13): which registers there are, which of their bits, and what touching them does. */
#include <errno.h>
#include <stdlib.h>

#include "core/net/e1000_private.h"

/* One register, or an array of equal ones up to `last`. Without read and write it is memory of the bits that exist. */
struct register_row {
	const char *name;
	uint16_t first, last;
	uint32_t bits, initial;
	uint32_t (*read)(struct e1000 *e, uint32_t offset);
	void (*write)(struct e1000 *e, uint32_t offset, uint32_t value); /* value: `bits` of what is written */
};

/* ---- control and status ---- */

#define CTRL_BITS 0x58fc1bedu

static void write_ctrl(struct e1000 *e, uint32_t offset, uint32_t value)
{
	bool up = e1000_link_up(e);

	if (value & CTRL_RST)
		e1000_mac_reset(e);
	else
		*e1000_reg(e, offset) = value & CTRL_BITS;
	if (value & CTRL_PHY_RST)
		e1000_phy_reset(e);
	else if (up != e1000_link_up(e) && !(value & CTRL_RST))
		e1000_raise(e, INT_LSC);
}

static uint32_t read_status(struct e1000 *e, uint32_t offset)
{
	(void)offset;
	return STATUS_FD | STATUS_SPEED_1000 | STATUS_ASDV_1000 | (e1000_link_up(e) ? STATUS_LU : 0);
}

static void write_ctrl_ext(struct e1000 *e, uint32_t offset, uint32_t value)
{
	*e1000_reg(e, offset) = value & ~CTRL_EXT_EE_RST;
	if (value & CTRL_EXT_EE_RST)
		e1000_load_eeprom(e);
}

static void ignore(struct e1000 *e, uint32_t offset, uint32_t value)
{
	(void)e, (void)offset, (void)value;
}

static uint32_t read_zero(struct e1000 *e, uint32_t offset)
{
	(void)e, (void)offset;
	return 0;
}

static uint32_t read_eecd(struct e1000 *e, uint32_t offset)
{
	(void)offset;
	return e1000_eecd_read(e);
}

static void write_eecd(struct e1000 *e, uint32_t offset, uint32_t value)
{
	(void)offset;
	e1000_eecd_write(e, value);
}

static void write_eerd(struct e1000 *e, uint32_t offset, uint32_t value)
{
	(void)offset;
	e1000_eerd_write(e, value);
}

static void write_mdic(struct e1000 *e, uint32_t offset, uint32_t value)
{
	(void)offset;
	e1000_mdic_write(e, value);
}

/* The 64 KiB of packet memory not given to reception are for transmission (SDM 13.4.12). */
static void write_pba(struct e1000 *e, uint32_t offset, uint32_t value)
{
	uint32_t receive = MIN(value & 0xffff, 64u);

	*e1000_reg(e, offset) = receive | (64 - receive) << 16;
}

/* ---- interrupts ---- */

/* Any read acknowledges all causes. */
static uint32_t read_icr(struct e1000 *e, uint32_t offset)
{
	uint32_t value = e1000_get(e, offset);

	if (value & e1000_get(e, IMS))
		value |= INT_ASSERTED;
	*e1000_reg(e, offset) = 0;
	e1000_update_interrupt(e);
	return value;
}

static void write_icr(struct e1000 *e, uint32_t offset, uint32_t value)
{
	*e1000_reg(e, offset) &= ~value;
	e1000_update_interrupt(e);
}

static void write_ics(struct e1000 *e, uint32_t offset, uint32_t value)
{
	(void)offset;
	e1000_raise(e, value);
}

static void write_ims(struct e1000 *e, uint32_t offset, uint32_t value)
{
	*e1000_reg(e, offset) |= value;
	e1000_update_interrupt(e);
}

static void write_imc(struct e1000 *e, uint32_t offset, uint32_t value)
{
	(void)offset;
	*e1000_reg(e, IMS) &= ~value;
	e1000_update_interrupt(e);
}

static void write_rdtr(struct e1000 *e, uint32_t offset, uint32_t value)
{
	*e1000_reg(e, offset) = value & ~RDTR_FPD;
	if (value & RDTR_FPD)
		e1000_flush_rx_delay(e);
}

/* ---- rings ---- */

static void write_receive(struct e1000 *e, uint32_t offset, uint32_t value)
{
	*e1000_reg(e, offset) = value;
	e1000_rx_ready(e);
}

static void write_transmit(struct e1000 *e, uint32_t offset, uint32_t value)
{
	*e1000_reg(e, offset) = value;
	e1000_tx_kick(e);
}

/* What is in the middle of a descriptor forgets it: it will be read again. */
static void write_tdh(struct e1000 *e, uint32_t offset, uint32_t value)
{
	*e1000_reg(e, offset) = value;
	e1000_tx_abandon(e);
}

static void write_tctl(struct e1000 *e, uint32_t offset, uint32_t value)
{
	if (!(value & TCTL_EN))
		e1000_tx_abandon(e);
	write_transmit(e, offset, value);
}

static void write_receive_address(struct e1000 *e, uint32_t offset, uint32_t value)
{
	*e1000_reg(e, offset) = offset & 4 ? value & (RAH_AV | RAH_AS_MASK | 0xffff) : value;
}

/* ---- statistics ---- */

static const uint16_t wide_counters[] = { GORCL, GOTCL, TORL, TOTL }; /* the upper half follows */

/* Reading clears; a counter of 64 bits is cleared when its upper half is read (SDM 13.7.24). */
static uint32_t read_statistics(struct e1000 *e, uint32_t offset)
{
	uint32_t value = e1000_get(e, offset);

	for (size_t i = 0; i < ARRAY_SIZE(wide_counters); i++) {
		if (offset == wide_counters[i])
			return value;
		if (offset == wide_counters[i] + 4u)
			*e1000_reg(e, offset - 4) = 0;
	}
	*e1000_reg(e, offset) = 0;
	return value;
}

void e1000_count(struct e1000 *e, unsigned offset)
{
	uint32_t *counter = e1000_reg(e, offset);

	*counter += *counter != UINT32_MAX;
}

void e1000_count_bytes(struct e1000 *e, unsigned offset_low, uint32_t bytes)
{
	uint64_t sum = e1000_get(e, offset_low) | (uint64_t)e1000_get(e, offset_low + 4) << 32;

	if (add_overflows(sum, (uint64_t)bytes, &sum))
		sum = UINT64_MAX;
	*e1000_reg(e, offset_low) = (uint32_t)sum;
	*e1000_reg(e, offset_low + 4) = (uint32_t)(sum >> 32);
}

void e1000_count_size(struct e1000 *e, unsigned first, uint32_t length)
{
	static const uint16_t limits[] = { 64, 127, 255, 511, 1023 };
	unsigned i = 0;

	while (i < ARRAY_SIZE(limits) && length + 4 > limits[i])
		i++;
	e1000_count(e, first + 4 * i);
}

/* ---- the table ---- */

#define ALL 0xffffffffu

static const struct register_row rows[] = {
	/* by address: find_row() halves */
	{ "CTRL", CTRL, CTRL, CTRL_BITS | CTRL_RST | CTRL_PHY_RST, CTRL_FD | CTRL_SLU | CTRL_SPEED_1000, NULL,
	  write_ctrl },
	{ "STATUS", STATUS, STATUS, 0, 0, read_status, ignore },
	{ "EECD", EECD, EECD, 0x0000007f & ~EECD_DO, EECD_FWE_DISABLED, read_eecd, write_eecd },
	{ "EERD", EERD, EERD, 0xffffff11, 0, NULL, write_eerd },
	{ "CTRL_EXT", CTRL_EXT, CTRL_EXT, 0x00ffffff, 0, NULL, write_ctrl_ext },
	{ "MDIC", MDIC, MDIC, 0x7fffffff, MDIC_R, NULL, write_mdic },
	{ "FCAL", FCAL, FCAL, ALL, 0, NULL, NULL },
	{ "FCAH", FCAH, FCAH, 0x0000ffff, 0, NULL, NULL },
	{ "FCT", FCT, FCT, 0x0000ffff, 0, NULL, NULL },
	{ "VET", VET, VET, 0x0000ffff, 0x8100, NULL, NULL },
	{ "ICR", ICR, ICR, INT_CAUSES, 0, read_icr, write_icr },
	{ "ITR", ITR, ITR, 0x0000ffff, 0, NULL, NULL },
	{ "ICS", ICS, ICS, INT_CAUSES, 0, read_zero, write_ics },
	{ "IMS", IMS, IMS, INT_CAUSES, 0, NULL, write_ims },
	{ "IMC", IMC, IMC, INT_CAUSES, 0, read_zero, write_imc },
	{ "RCTL", RCTL, RCTL, 0x06dfb3fe, 0, NULL, write_receive },
	{ "FCTTV", FCTTV, FCTTV, 0x0000ffff, 0, NULL, NULL },
	{ "TXCW", TXCW, TXCW, 0xc000ffff, 0, NULL, NULL },
	{ "TCTL", TCTL, TCTL, 0x037ffffa, 0, NULL, write_tctl },
	{ "TIPG", TIPG, TIPG, 0x3fffffff, 0, NULL, NULL },
	{ "AIFS", AIFS, AIFS, 0x0000ffff, 0, NULL, NULL },
	{ "LEDCTL", LEDCTL, LEDCTL, ALL, 0x07068302, NULL, NULL },
	{ "PBA", PBA, PBA, 0x007f007f, 0x00100030, NULL, write_pba },
	{ "FCRTL", FCRTL, FCRTL, 0x8000fff8, 0, NULL, NULL },
	{ "FCRTH", FCRTH, FCRTH, 0x0000fff8, 0, NULL, NULL },
	{ "RDFH", RDFH, RDFPC, 0x00001fff, 0, NULL, NULL },
	{ "RDBAL", RDBAL, RDBAL, 0xfffffff0, 0, NULL, NULL },
	{ "RDBAH", RDBAH, RDBAH, ALL, 0, NULL, NULL },
	{ "RDLEN", RDLEN, RDLEN, 0x000fff80, 0, NULL, NULL },
	{ "RDH", RDH, RDH, 0x0000ffff, 0, NULL, NULL },
	{ "RDT", RDT, RDT, 0x0000ffff, 0, NULL, write_receive },
	{ "RDTR", RDTR, RDTR, RDTR_FPD | 0xffff, 0, NULL, write_rdtr },
	{ "RXDCTL", RXDCTL, RXDCTL, 0x013f3f3f, 0x01000000, NULL, NULL },
	{ "RADV", RADV, RADV, 0x0000ffff, 0, NULL, NULL },
	{ "RSRPD", RSRPD, RSRPD, 0x00000fff, 0, NULL, NULL },
	{ "TXDMAC", TXDMAC, TXDMAC, 0x00000001, 1, NULL, NULL },
	{ "TDFH", TDFH, TDFPC, 0x00001fff, 0, NULL, NULL },
	{ "TDBAL", TDBAL, TDBAL, 0xfffffff0, 0, NULL, NULL },
	{ "TDBAH", TDBAH, TDBAH, ALL, 0, NULL, NULL },
	{ "TDLEN", TDLEN, TDLEN, 0x000fff80, 0, NULL, NULL },
	{ "TDH", TDH, TDH, 0x0000ffff, 0, NULL, write_tdh },
	{ "TDT", TDT, TDT, 0x0000ffff, 0, NULL, write_transmit },
	{ "TIDV", TIDV, TIDV, 0x0000ffff, 0, NULL, NULL },
	{ "TXDCTL", TXDCTL, TXDCTL, 0xff3f3f3f, 0, NULL, NULL },
	{ "TADV", TADV, TADV, 0x0000ffff, 0, NULL, NULL },
	{ "TSPMT", TSPMT, TSPMT, ALL, 0x01000400, NULL, NULL },
	{ "statistics", STATISTICS, STATISTICS_LAST, ALL, 0, read_statistics, ignore },
	{ "RXCSUM", RXCSUM, RXCSUM, 0x000007ff, 0, NULL, NULL },
	{ "MTA", MTA, MTA_LAST, ALL, 0, NULL, NULL },
	{ "RA", RAL, RAH_LAST, ALL, 0, NULL, write_receive_address },
	{ "VFTA", VFTA, VFTA_LAST, ALL, 0, NULL, NULL },
	{ "WUC", WUC, WUC, 0x0000000f, 0, NULL, NULL }, /* waking up: remembered, never done */
	{ "WUFC", WUFC, WUFC, 0x000f80ff, 0, NULL, NULL },
	{ "IPAV", IPAV, IPAV, 0x0001000f, 0, NULL, NULL },
	{ "IP4AT", IP4AT, IP4AT_LAST, ALL, 0, NULL, NULL },
	{ "IP6AT", IP6AT, IP6AT_LAST, ALL, 0, NULL, NULL },
	{ "FFLT", FFLT, FFLT_LAST, 0x000007ff, 0, NULL, NULL },
};

static int compare_row(const void *key, const void *element)
{
	uint32_t offset = *(const uint32_t *)key;
	const struct register_row *row = element;

	return offset < row->first ? -1 : offset > row->last;
}

static const struct register_row *find_row(uint32_t offset)
{
	return bsearch(&offset, rows, ARRAY_SIZE(rows), sizeof(rows[0]), compare_row);
}

uint32_t e1000_read(struct e1000 *e, uint32_t offset)
{
	const struct register_row *row = find_row(offset);

	if (!row)
		return 0;
	return row->read ? row->read(e, offset) : e1000_get(e, offset);
}

void e1000_write(struct e1000 *e, uint32_t offset, uint32_t value)
{
	const struct register_row *row = find_row(offset);

	if (!row)
		return;
	if (row->write)
		row->write(e, offset, value & row->bits);
	else
		*e1000_reg(e, offset) = value & row->bits;
}

void e1000_registers_reset(struct e1000 *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (unsigned offset = rows[i].first; offset <= rows[i].last; offset += 4)
			*e1000_reg(e, offset) = rows[i].initial;
}

void e1000_registers_state(struct e1000 *e, struct state *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		state_bytes(s, rows[i].name, e1000_reg(e, rows[i].first), rows[i].last - rows[i].first + 4u);
		for (unsigned offset = rows[i].first; offset <= rows[i].last; offset += 4)
			if (e1000_get(e, offset) & ~rows[i].bits)
				state_fail(s, -EINVAL, rows[i].name);
	}
}
