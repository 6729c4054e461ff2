/* SPDX-License-Identifier: MIT */
/*
 * Interrupts (SDM 13.4.17 to 13.4.22): causes in ICR, the mask in IMS, one INTx pin; throttled by ITR, and for packets delayed by
 * RDTR and RADV, TIDV and TADV.
 */
#include "core/net/e1000_private.h"

#define ITR_UNIT 256u    /* ns */
#define DELAY_UNIT 1024u /* ns */

static void arm(struct e1000 *e, struct timer *t, uint64_t deadline)
{
	timer_set(e->pci.device.board->clock, t, deadline);
}

/* Asserts and deasserts the pin. ITR: after an assertion the next comes not before its interval is over; a cause that waits for
 * that arms the timer, so an idle card has none. */
void e1000_update_interrupt(struct e1000 *e)
{
	bool pending = e1000_get(e, ICR) & e1000_get(e, IMS) & INT_CAUSES;
	uint64_t now;

	if (pending == e->interrupting)
		return;
	if (pending) {
		now = device_now(&e->pci.device);
		if (now < e->quiet_until) {
			if (e->throttle.deadline == TIMER_OFF)
				arm(e, &e->throttle, e->quiet_until);
			return;
		}
		e->quiet_until = now + (uint64_t)e1000_get(e, ITR) * ITR_UNIT;
	}
	e->interrupting = pending;
	pci_set_irq(&e->pci, pending);
}

static void throttle_over(struct device *d, struct timer *t)
{
	(void)t;
	e1000_update_interrupt((struct e1000 *)d);
}

void e1000_raise(struct e1000 *e, uint32_t causes)
{
	*e1000_reg(e, ICR) |= causes & INT_CAUSES;
	e1000_update_interrupt(e);
}

/* ---- delays ---- */

struct delayed { /* one direction's cause with its timers */
	struct timer *delay, *absolute;
	unsigned delay_register, absolute_register;
	uint32_t cause;
};

static void fire_delayed(struct e1000 *e, const struct delayed *d)
{
	arm(e, d->delay, TIMER_OFF);
	arm(e, d->absolute, TIMER_OFF);
	e1000_raise(e, d->cause);
}

static void delay(struct e1000 *e, const struct delayed *d)
{
	uint32_t after = e1000_get(e, d->delay_register), at_most = e1000_get(e, d->absolute_register);
	uint64_t now;

	if (!after) {
		fire_delayed(e, d);
		return;
	}
	now = device_now(&e->pci.device);
	arm(e, d->delay, now + (uint64_t)after * DELAY_UNIT);
	if (at_most && d->absolute->deadline == TIMER_OFF)
		arm(e, d->absolute, now + (uint64_t)at_most * DELAY_UNIT);
}

static struct delayed receive_delay(struct e1000 *e)
{
	return (struct delayed){ &e->rx_delay, &e->rx_absolute, RDTR, RADV, INT_RXT0 };
}

static struct delayed transmit_delay(struct e1000 *e)
{
	return (struct delayed){ &e->tx_delay, &e->tx_absolute, TIDV, TADV, INT_TXDW };
}

static void rx_delay_over(struct device *d, struct timer *t)
{
	struct delayed delayed = receive_delay((struct e1000 *)d);

	(void)t;
	fire_delayed((struct e1000 *)d, &delayed);
}

static void tx_delay_over(struct device *d, struct timer *t)
{
	struct delayed delayed = transmit_delay((struct e1000 *)d);

	(void)t;
	fire_delayed((struct e1000 *)d, &delayed);
}

void e1000_rx_interrupt(struct e1000 *e, uint32_t length)
{
	struct delayed delayed = receive_delay(e);

	if (length <= e1000_get(e, RSRPD)) { /* small packets are not kept waiting (SDM 13.4.31) */
		e1000_raise(e, INT_SRPD);
		fire_delayed(e, &delayed);
		return;
	}
	delay(e, &delayed);
}

void e1000_tx_interrupt(struct e1000 *e, bool delayed)
{
	struct delayed transmit = transmit_delay(e);

	if (delayed)
		delay(e, &transmit);
	else
		fire_delayed(e, &transmit);
}

/* RDTR.FPD: what waits for the delay is reported now. */
void e1000_flush_rx_delay(struct e1000 *e)
{
	struct delayed delayed = receive_delay(e);

	if (e->rx_delay.deadline != TIMER_OFF || e->rx_absolute.deadline != TIMER_OFF)
		fire_delayed(e, &delayed);
}

/* ---- the part's life ---- */

void e1000_interrupt_init(struct e1000 *e)
{
	struct device *d = &e->pci.device;

	timer_init(&e->throttle, d, throttle_over);
	timer_init(&e->rx_delay, d, rx_delay_over);
	timer_init(&e->rx_absolute, d, rx_delay_over);
	timer_init(&e->tx_delay, d, tx_delay_over);
	timer_init(&e->tx_absolute, d, tx_delay_over);
}

void e1000_interrupt_reset(struct e1000 *e)
{
	struct timer *timers[] = { &e->throttle, &e->rx_delay, &e->rx_absolute, &e->tx_delay, &e->tx_absolute };

	for (size_t i = 0; i < ARRAY_SIZE(timers); i++)
		arm(e, timers[i], TIMER_OFF);
	e->quiet_until = 0;
	e1000_update_interrupt(e);
}

void e1000_interrupt_state(struct e1000 *e, struct state *s)
{
	struct clock *c = e->pci.device.board->clock;

	state_bool(s, "interrupting", &e->interrupting);
	state_u64(s, "quiet_until", &e->quiet_until);
	timer_state(c, s, "throttle", &e->throttle);
	timer_state(c, s, "rx_delay", &e->rx_delay);
	timer_state(c, s, "rx_absolute", &e->rx_absolute);
	timer_state(c, s, "tx_delay", &e->tx_delay);
	timer_state(c, s, "tx_absolute", &e->tx_absolute);
}
