/* SPDX-License-Identifier: MIT */
/*
 * The PHY, a Marvell 88E1011 at address 1, behind MDIC (SDM 13.4.8), and the link. Its partner at the other end of the cable takes
 * any mode; the two agree on 1000 Mb/s, full duplex.
 */
#include <errno.h>

#include "core/net/e1000_private.h"

#define PHY_ADDRESS 1u
/* Drivers look for a link only after their set-up, and some want its interrupt then: it comes this much later, sooner than the two
 * seconds that real negotiation takes. */
#define NEGOTIATION_TIME (500 * NS_PER_MS)

static const struct {
	uint16_t initial, writable;
} phy_registers[PHY_REGISTERS] = {
	[PHY_CONTROL] = { 0x1140, 0x7dc0 }, /* negotiate, 1000 Mb/s, full duplex; RESET and RESTART clear themselves */
	[PHY_STATUS] = { 0x7949, 0 },       /* all modes, extended status, extended registers */
	[PHY_ID1] = { 0x0141, 0 },          /* Marvell */
	[PHY_ID2] = { 0x0c20, 0 },          /* 88E1011 */
	[PHY_ADVERTISE] = { 0x0de1, 0xffff },     /* 10 and 100 Mb/s, pause */
	[PHY_PARTNER] = { 0x45e1, 0 },            /* acknowledges; the same modes */
	[PHY_EXPANSION] = { 0x0003, 0 },          /* the partner negotiates, a page was received */
	[7] = { 0x2001, 0xffff },                 /* next page */
	[PHY_1000T_CONTROL] = { 0x0300, 0xff00 }, /* advertises 1000BASE-T */
	[PHY_1000T_STATUS] = { 0x3c00, 0 },       /* both receivers are fine, the partner has 1000BASE-T */
	[PHY_EXTENDED_STATUS] = { 0x3000, 0 },    /* 1000BASE-T */
	[PHY_SPECIFIC_CONTROL] = { 0x0360, 0xffff },
	[PHY_SPECIFIC_STATUS] = { 0, 0 }, /* answered by phy_read() */
	[18] = { 0, 0xffff },             /* interrupt enable: its pin is not connected */
	[PHY_EXTENDED_CONTROL] = { 0x0d60, 0xffff },
	[29] = { 0, 0xffff }, /* page select and the paged register: known from errata work-arounds */
	[30] = { 0, 0xffff },
};

#define SPECIFIC_STATUS_LINK 0xac00u /* 1000 Mb/s, full duplex, resolved, link */

bool e1000_loopback(const struct e1000 *e)
{
	return e1000_get(e, RCTL) & RCTL_LBM || e->phy.reg[PHY_CONTROL] & PHY_CONTROL_LOOPBACK;
}

/* SLU connects the MAC to the PHY's link signal (SDM 8.6.2.1). */
bool e1000_link_up(const struct e1000 *e)
{
	return (e->phy.link || e->phy.reg[PHY_CONTROL] & PHY_CONTROL_LOOPBACK) && e1000_get(e, CTRL) & CTRL_SLU;
}

static void set_link(struct e1000 *e, bool link)
{
	if (e->phy.link == link)
		return;
	e->phy.link = link;
	e->phy.link_failed |= !link;
	e1000_raise(e, INT_LSC);
	if (link)
		e1000_rx_ready(e);
}

/* The link goes down, and comes up after a while if there is somebody to negotiate with. */
static void negotiate(struct e1000 *e)
{
	bool possible = e->cable && !(e->phy.reg[PHY_CONTROL] & PHY_CONTROL_POWER_DOWN);

	set_link(e, false);
	timer_set(e->pci.device.board->clock, &e->link,
	          possible ? device_now(&e->pci.device) + NEGOTIATION_TIME : TIMER_OFF);
}

static void negotiated(struct device *d, struct timer *t)
{
	(void)t;
	set_link((struct e1000 *)d, true);
}

void e1000_phy_set_cable(struct e1000 *e, bool cable)
{
	if (e->cable == cable)
		return;
	e->cable = cable;
	negotiate(e);
}

void e1000_phy_reset(struct e1000 *e)
{
	for (unsigned i = 0; i < PHY_REGISTERS; i++)
		e->phy.reg[i] = phy_registers[i].initial;
	negotiate(e);
}

void e1000_phy_init(struct e1000 *e)
{
	timer_init(&e->link, &e->pci.device, negotiated);
}

static uint16_t phy_read(struct e1000 *e, unsigned number)
{
	struct e1000_phy *phy = &e->phy;
	uint16_t value = phy->reg[number];

	switch (number) {
	case PHY_STATUS:
		if (phy->link)
			value |= PHY_STATUS_COMPLETE | (phy->link_failed ? 0 : PHY_STATUS_LINK);
		phy->link_failed = false;
		return value;
	case PHY_PARTNER:
	case PHY_EXPANSION:
	case PHY_1000T_STATUS: /* nobody to hear from */
		return phy->link ? value : 0;
	case PHY_SPECIFIC_STATUS:
		return phy->link ? SPECIFIC_STATUS_LINK : 0;
	default:
		return value;
	}
}

static void phy_write(struct e1000 *e, unsigned number, uint16_t value)
{
	uint16_t old = e->phy.reg[number], writable = phy_registers[number].writable;

	e->phy.reg[number] = (uint16_t)((old & ~writable) | (value & writable));
	if (number != PHY_CONTROL)
		return;
	if (value & PHY_CONTROL_RESET)
		e1000_phy_reset(e);
	else if (value & PHY_CONTROL_RESTART || (old ^ value) & PHY_CONTROL_POWER_DOWN)
		negotiate(e);
}

void e1000_mdic_write(struct e1000 *e, uint32_t value)
{
	unsigned number = value >> 16 & 0x1f, operation = value >> 26 & 3;

	*e1000_reg(e, MDIC) = (value & (0x0fffffff | MDIC_I)) | MDIC_R;
	if ((value >> 21 & 0x1f) != PHY_ADDRESS)
		*e1000_reg(e, MDIC) |= MDIC_E;
	else if (operation == MDIC_OP_READ)
		*e1000_reg(e, MDIC) = (e1000_get(e, MDIC) & ~0xffffu) | phy_read(e, number);
	else if (operation == MDIC_OP_WRITE)
		phy_write(e, number, (uint16_t)value);
	if (value & MDIC_I)
		e1000_raise(e, INT_MDAC);
}

void e1000_phy_state(struct e1000 *e, struct state *s)
{
	state_bytes(s, "phy", e->phy.reg, sizeof(e->phy.reg));
	state_bool(s, "phy.link", &e->phy.link);
	state_bool(s, "phy.link_failed", &e->phy.link_failed);
	state_bool(s, "cable", &e->cable);
	timer_state(e->pci.device.board->clock, s, "phy.negotiating", &e->link);
	for (unsigned i = 0; i < PHY_REGISTERS; i++)
		if ((e->phy.reg[i] ^ phy_registers[i].initial) & ~phy_registers[i].writable)
			state_fail(s, -EINVAL, "phy");
}
