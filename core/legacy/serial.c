/* SPDX-License-Identifier: MIT */
/*
 * A 16550A UART at config->port. Facts and register names: National Semiconductor PC16550D data
 * sheet.
 *
 * Sending takes no time: a byte is with the listener before the OUT returns, so the transmitter is
 * always empty and a guest that polls never waits. Its interrupt keeps the data sheet's order
 * (raised when the transmitter becomes empty, dropped by reading IIR or by the next byte), so
 * drivers that work by interrupt run at full speed too. Receiving is not paced either; only the
 * character timeout is counted in characters of the programmed speed. The line is always connected:
 * CTS, DSR and DCD are on.
 */
#include "core/legacy/legacy.h"

#include <errno.h>

#define FIFO_SIZE 16
#define CLOCK_HZ 1843200ull

enum reg { RBR_THR = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

enum ier { IER_RECEIVED = 1 << 0, IER_THR_EMPTY = 1 << 1, IER_LINE = 1 << 2, IER_MODEM = 1 << 3, IER_MASK = 0x0f };
enum iir {
	IIR_MODEM = 0x00,
	IIR_NONE = 0x01,
	IIR_THR_EMPTY = 0x02,
	IIR_RECEIVED = 0x04,
	IIR_LINE = 0x06,
	IIR_TIMEOUT = 0x0c,
	IIR_FIFO = 0xc0
};
enum fcr { FCR_ENABLE = 1 << 0, FCR_CLEAR_RECEIVER = 1 << 1, FCR_TRIGGER = 0xc0 };
enum lcr { LCR_LENGTH = 0x03, LCR_TWO_STOP = 1 << 2, LCR_PARITY = 1 << 3, LCR_BREAK = 1 << 6, LCR_DLAB = 1 << 7 };
enum mcr {
	MCR_DTR = 1 << 0,
	MCR_RTS = 1 << 1,
	MCR_OUT1 = 1 << 2,
	MCR_OUT2 = 1 << 3,
	MCR_LOOP = 1 << 4,
	MCR_MASK = 0x1f
};
enum lsr {
	LSR_READY = 1 << 0,
	LSR_OVERRUN = 1 << 1,
	LSR_FRAMING = 1 << 3,
	LSR_BREAK = 1 << 4,
	LSR_THR_EMPTY = 1 << 5,
	LSR_EMPTY = 1 << 6,
	LSR_FIFO_ERROR = 1 << 7,
	LSR_ERRORS = 0x1e,
	LSR_WITH_BYTE = LSR_FRAMING | LSR_BREAK
};
enum msr {
	MSR_CTS_CHANGED = 1 << 0,
	MSR_DSR_CHANGED = 1 << 1,
	MSR_RI_ENDED = 1 << 2,
	MSR_DCD_CHANGED = 1 << 3,
	MSR_CTS = 1 << 4,
	MSR_DSR = 1 << 5,
	MSR_RI = 1 << 6,
	MSR_DCD = 1 << 7,
	MSR_LINES = 0xf0
};

struct received {
	uint8_t byte;
	uint8_t errors; /* of this byte: LSR_WITH_BYTE, seen in LSR when it is the next to be read */
};

struct serial {
	struct device device;
	struct serial_config wires;
	struct region region;
	bool input_refused; /* somebody has more to type: host side, not state */

	uint8_t ier, fcr, lcr, mcr, scr;
	uint8_t msr; /* lines and their changes */
	uint16_t divisor;
	bool overrun;
	bool thr_interrupt;  /* transmitter became empty, not yet told */
	bool timeout;        /* bytes lie in the FIFO below its trigger level */
	bool line_interrupt; /* an overrun, or an error of the next byte, that LSR has not told yet */
	struct received fifo[FIFO_SIZE];
	unsigned count;
	struct timer timer; /* character timeout */
};

/* ---- interrupts ---- */

static unsigned fifo_room(const struct serial *u)
{
	return (u->fcr & FCR_ENABLE ? FIFO_SIZE : 1) - u->count;
}

static bool reached_trigger(const struct serial *u)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return u->count >= (u->fcr & FCR_ENABLE ? levels[u->fcr >> 6] : 1);
}

/* The pending interrupt of the highest priority (table 3 of the data sheet). */
static uint8_t interrupt_id(const struct serial *u)
{
	if (u->ier & IER_LINE && u->line_interrupt)
		return IIR_LINE;
	if (u->ier & IER_RECEIVED && reached_trigger(u))
		return IIR_RECEIVED;
	if (u->ier & IER_RECEIVED && u->timeout)
		return IIR_TIMEOUT;
	if (u->ier & IER_THR_EMPTY && u->thr_interrupt)
		return IIR_THR_EMPTY;
	if (u->ier & IER_MODEM && u->msr & ~MSR_LINES)
		return IIR_MODEM;
	return IIR_NONE;
}

/* OUT2 is what connects the chip to the interrupt line of a PC. */
static void update_irq(struct serial *u)
{
	device_set_irq(&u->device, 0, u->mcr & MCR_OUT2 && interrupt_id(u) != IIR_NONE);
}

/* ---- receiver ---- */

/* Start bit, 5 to 8 data bits, parity, stop bits; a divisor of 0 counts as 1. */
static uint64_t character_ns(const struct serial *u)
{
	unsigned bits = 1 + 5 + (u->lcr & LCR_LENGTH) + !!(u->lcr & LCR_PARITY) + (u->lcr & LCR_TWO_STOP ? 2 : 1);

	return bits * 16 * NS_PER_SECOND * MAX(u->divisor, 1u) / CLOCK_HZ;
}

/* Four characters' time after the last byte came or was read, what lies in the FIFO is announced
 * whatever the trigger says. */
static void start_timeout(struct serial *u)
{
	bool runs = u->fcr & FCR_ENABLE && u->count && !u->timeout && u->ier & IER_RECEIVED;

	timer_set(u->device.board->clock, &u->timer, runs ? device_now(&u->device) + 4 * character_ns(u) : TIMER_OFF);
}

static void timeout_fired(struct device *d, struct timer *t)
{
	struct serial *u = (struct serial *)d;

	(void)t;
	u->timeout = true;
	update_irq(u);
}

static void receive(struct serial *u, uint8_t byte, uint8_t errors)
{
	if (!fifo_room(u)) {
		u->overrun = u->line_interrupt = true;
		if (u->fcr & FCR_ENABLE)
			return;
		u->count = 0; /* without FIFOs the new byte replaces the old */
	}
	u->fifo[u->count++] = (struct received){ byte, errors };
	u->line_interrupt |= u->fifo[0].errors;
	start_timeout(u);
}

static void clear_receiver(struct serial *u)
{
	u->count = 0;
	u->timeout = false;
	start_timeout(u);
}

static uint8_t read_received(struct serial *u)
{
	uint8_t byte = u->fifo[0].byte; /* an empty receiver gives its last byte again */

	if (!u->count)
		return byte;
	u->count--;
	if (u->count)
		memmove(u->fifo, u->fifo + 1, u->count * sizeof(u->fifo[0]));
	u->line_interrupt |= u->count && u->fifo[0].errors;
	u->timeout = false;
	start_timeout(u);
	update_irq(u);
	return byte;
}

static void offer_room(struct serial *u)
{
	if (!u->input_refused || u->mcr & MCR_LOOP || !fifo_room(u))
		return;
	u->input_refused = false;
	if (u->wires.input_ready)
		u->wires.input_ready(u->wires.context);
}

size_t serial_input(struct device *d, const uint8_t *data, size_t count)
{
	struct serial *u = (struct serial *)d;
	size_t taken = 0;

	if (!(u->mcr & MCR_LOOP)) {
		while (taken < count && fifo_room(u))
			receive(u, data[taken++], 0);
	}
	u->input_refused = taken < count;
	update_irq(u);
	return taken;
}

/* ---- transmitter and modem lines ---- */

static void transmit(struct serial *u, uint8_t byte)
{
	u->thr_interrupt = false;
	update_irq(u); /* falls, then rises as the byte is gone: an edge for drivers that do not read IIR */
	if (u->mcr & MCR_LOOP)
		receive(u, byte, 0);
	else if (u->wires.output)
		u->wires.output(u->wires.context, &byte, 1);
	u->thr_interrupt = true;
	update_irq(u);
}

/* What comes in on the modem lines: all ready; in loopback our own outputs. */
static uint8_t modem_lines(const struct serial *u)
{
	if (!(u->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) | (u->mcr & MCR_OUT1 ? MSR_RI : 0) |
	       (u->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void update_modem_lines(struct serial *u)
{
	uint8_t old = u->msr & MSR_LINES, now = modem_lines(u), changed = old ^ now;

	u->msr = (uint8_t)((u->msr & ~MSR_LINES) | now);
	u->msr |= (changed & MSR_CTS ? MSR_CTS_CHANGED : 0) | (changed & MSR_DSR ? MSR_DSR_CHANGED : 0) |
	          (old & ~now & MSR_RI ? MSR_RI_ENDED : 0) | (changed & MSR_DCD ? MSR_DCD_CHANGED : 0);
}

/* ---- registers ---- */

static uint8_t read_iir(struct serial *u)
{
	uint8_t id = interrupt_id(u);

	if (id == IIR_THR_EMPTY)
		u->thr_interrupt = false;
	update_irq(u);
	return id | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static bool has_errors(const struct serial *u)
{
	uint8_t errors = 0;

	for (unsigned i = 0; i < u->count; i++)
		errors |= u->fifo[i].errors;
	return errors;
}

/* Reading takes the errors of the next byte and the overrun away. */
static uint8_t read_lsr(struct serial *u)
{
	uint8_t v = LSR_THR_EMPTY | LSR_EMPTY;

	v |= u->fcr & FCR_ENABLE && has_errors(u) ? LSR_FIFO_ERROR : 0;
	v |= u->overrun ? LSR_OVERRUN : 0;
	if (u->count) {
		v |= LSR_READY | u->fifo[0].errors;
		u->fifo[0].errors = 0;
	}
	u->overrun = u->line_interrupt = false;
	update_irq(u);
	return v;
}

static uint8_t read_msr(struct serial *u)
{
	uint8_t v = u->msr;

	u->msr &= MSR_LINES;
	update_irq(u);
	return v;
}

static void write_ier(struct serial *u, uint8_t v)
{
	/* Enabled while the transmitter is empty, its interrupt comes at once: how drivers start to
	 * send. */
	if (v & ~u->ier & IER_THR_EMPTY)
		u->thr_interrupt = true;
	u->ier = v & IER_MASK;
	start_timeout(u);
}

static void write_fcr(struct serial *u, uint8_t v)
{
	if (!(v & FCR_ENABLE))
		v = 0; /* the other bits are not programmed then */
	if ((v ^ u->fcr) & FCR_ENABLE || v & FCR_CLEAR_RECEIVER)
		clear_receiver(u);
	u->fcr = v & (FCR_ENABLE | FCR_TRIGGER);
}

static void write_lcr(struct serial *u, uint8_t v)
{
	if (v & ~u->lcr & LCR_BREAK && u->mcr & MCR_LOOP)
		receive(u, 0, LSR_BREAK | LSR_FRAMING);
	u->lcr = v;
}

static uint64_t serial_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct serial *u = (struct serial *)d;
	uint8_t v;

	(void)r, (void)size;
	switch (offset) {
	case RBR_THR:
		if (u->lcr & LCR_DLAB)
			return u->divisor & 0xff;
		v = read_received(u);
		offer_room(u);
		return v;
	case IER:
		return u->lcr & LCR_DLAB ? u->divisor >> 8 : u->ier;
	case IIR_FCR:
		return read_iir(u);
	case LCR:
		return u->lcr;
	case MCR:
		return u->mcr;
	case LSR:
		return read_lsr(u);
	case MSR:
		return read_msr(u);
	default:
		return u->scr;
	}
}

static void serial_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct serial *u = (struct serial *)d;
	uint8_t v = (uint8_t)value;
	bool dlab = u->lcr & LCR_DLAB;

	(void)r, (void)size;
	switch (offset) {
	case RBR_THR:
		if (dlab)
			u->divisor = (uint16_t)((u->divisor & 0xff00) | v);
		else
			transmit(u, v);
		break;
	case IER:
		if (dlab)
			u->divisor = (uint16_t)((u->divisor & 0xff) | v << 8);
		else
			write_ier(u, v);
		break;
	case IIR_FCR:
		write_fcr(u, v);
		break;
	case LCR:
		write_lcr(u, v);
		break;
	case MCR:
		u->mcr = v & MCR_MASK;
		update_modem_lines(u);
		break;
	case SCR:
		u->scr = v;
		break;
	} /* LSR and MSR are written in the factory only */
	update_irq(u);
	offer_room(u);
}

static const struct region_ops serial_ops = { .read = serial_read, .write = serial_write, .max_size = 1 };

/* ---- device ---- */

static int serial_create(struct device *d, const struct device_config *config, struct error *e)
{
	struct serial *u = (struct serial *)d;

	(void)e;
	if (config->extra)
		u->wires = *(const struct serial_config *)config->extra;
	timer_init(&u->timer, d, timeout_fired);
	u->region = (struct region){ .name = "serial", .ops = &serial_ops, .device = d, .size = 8, .space = BUS_PORT };
	bus_map(d->board->bus, &u->region, config->port);
	return 0;
}

static void serial_reset(struct device *d)
{
	struct serial *u = (struct serial *)d;

	u->ier = u->fcr = u->lcr = u->mcr = u->scr = 0;
	u->msr = modem_lines(u);
	u->divisor = 12; /* 9600; the data sheet leaves it undefined */
	u->overrun = u->thr_interrupt = u->line_interrupt = false;
	memset(u->fifo, 0, sizeof(u->fifo));
	clear_receiver(u);
	update_irq(u);
	offer_room(u);
}

static void fifo_state(struct serial *u, struct state *s)
{
	uint8_t raw[FIFO_SIZE * 2];
	size_t length = u->count * 2;

	for (unsigned i = 0; i < u->count; i++) {
		raw[2 * i] = u->fifo[i].byte;
		raw[2 * i + 1] = u->fifo[i].errors;
	}
	state_buffer(s, "fifo", raw, &length, sizeof(raw));
	if (!state_loading(s) || state_error(s))
		return;
	if (length % 2 || length / 2 > (u->fcr & FCR_ENABLE ? FIFO_SIZE : 1)) {
		state_fail(s, -EINVAL, "fifo");
		return;
	}
	u->count = (unsigned)length / 2;
	for (unsigned i = 0; i < u->count; i++)
		u->fifo[i] = (struct received){ raw[2 * i], raw[2 * i + 1] & LSR_WITH_BYTE };
}

static int serial_state(struct device *d, struct state *s)
{
	struct serial *u = (struct serial *)d;

	state_u8(s, "ier", &u->ier);
	state_u8(s, "fcr", &u->fcr);
	state_u8(s, "lcr", &u->lcr);
	state_u8(s, "mcr", &u->mcr);
	state_u8(s, "msr", &u->msr);
	state_u8(s, "scr", &u->scr);
	state_u16(s, "divisor", &u->divisor);
	state_bool(s, "overrun", &u->overrun);
	state_bool(s, "thr_interrupt", &u->thr_interrupt);
	state_bool(s, "timeout", &u->timeout);
	state_bool(s, "line_interrupt", &u->line_interrupt);
	state_u8(s, "last_byte", &u->fifo[0].byte);
	fifo_state(u, s);
	timer_state(d->board->clock, s, "timer", &u->timer);
	if (state_loading(s) && state_error(s))
		serial_reset(d); /* half a state is none */
	update_irq(u);
	return state_error(s);
}

const struct device_class serial_class = {
	.name = "serial",
	.summary = "16550A serial port",
	.size = sizeof(struct serial),
	.state_version = 1,
	.create = serial_create,
	.reset = serial_reset,
	.state = serial_state,
};
