/* SPDX-License-Identifier: MIT */
/*
 * The keyboard controller of the AT and PS/2 (8042 with IBM's ROM) at config->port (0x60) and four
 * above it (0x64).
 *
 * One output buffer of one byte, filled by the controller itself, the keyboard or the mouse; each
 * byte is an interrupt. What does not fit stays where it is: the clock line of a device is held
 * while the buffer is full, as on the wire. Facts: IBM PS/2 Hardware Interface Technical Reference,
 * "Keyboard and Auxiliary Device Controller".
 */
#include "core/legacy/legacy.h"

#include <errno.h>

#include "core/legacy/ps2.h"

#define IRQ_KEYBOARD 0
#define IRQ_MOUSE 1

/* After a byte of the keyboard is read, the next scan code is this far away. The wire takes about 1
 * ms; INT 9 handlers of DOS depend on it: each in the chain reads port 0x60 again and expects the
 * same byte. Answers to commands need not wait. */
#define KEYBOARD_PACE (500 * NS_PER_US)

enum status {
	STATUS_OUTPUT_FULL = 1 << 0,
	STATUS_SYSTEM = 1 << 2,
	STATUS_COMMAND = 1 << 3, /* the last write went to 0x64 */
	STATUS_UNLOCKED = 1 << 4,
	STATUS_AUX = 1 << 5, /* the byte in the buffer is the mouse's */
};

enum mode { /* the command byte: RAM location 0 */
	    MODE_KEYBOARD_IRQ = 1 << 0,
	    MODE_AUX_IRQ = 1 << 1,
	    MODE_SYSTEM = 1 << 2,
	    MODE_KEYBOARD_OFF = 1 << 4,
	    MODE_AUX_OFF = 1 << 5,
	    MODE_TRANSLATE = 1 << 6,
};

enum output_port {
	OUTPUT_NO_RESET = 1 << 0,
	OUTPUT_A20 = 1 << 1,
	OUTPUT_KEYBOARD_IRQ = 1 << 4,
	OUTPUT_AUX_IRQ = 1 << 5,
	OUTPUT_LINES = 0xcc, /* clock and data of the two wires: idle */
};

struct i8042 {
	struct device device;
	struct i8042_config wires;
	struct region data, control;

	uint8_t ram[32]; /* [0] is the command byte, the mode */
	uint8_t command; /* of 0x64, waits for its byte at 0x60; 0: none does */
	bool last_was_command;
	bool a20;

	uint8_t buffer; /* keeps its byte after it was read */
	bool full, from_aux;
	bool from_keyboard; /* not an answer of the controller: paces the next byte */
	uint8_t answer;     /* the controller's own, waits for the buffer */
	bool answer_waits, answer_is_aux;
	bool break_prefix;    /* translation has swallowed an F0 */
	uint64_t paced_until; /* guest ns: no scan code before then */

	struct ps2_keyboard keyboard;
	struct ps2_mouse mouse;
	struct timer timer; /* pace, typematic or the mouse's next report, whichever is first */
};

static uint8_t mode(const struct i8042 *c)
{
	return c->ram[0];
}

/* ---- output buffer ---- */

static void set_irqs(struct i8042 *c)
{
	bool keyboard = c->full && !c->from_aux && mode(c) & MODE_KEYBOARD_IRQ && !(mode(c) & MODE_KEYBOARD_OFF);

	device_set_irq(&c->device, IRQ_KEYBOARD, keyboard);
	device_set_irq(&c->device, IRQ_MOUSE, c->full && c->from_aux && mode(c) & MODE_AUX_IRQ);
}

static void fill(struct i8042 *c, uint8_t byte, bool from_aux, bool from_keyboard)
{
	c->buffer = byte;
	c->full = true;
	c->from_aux = from_aux;
	c->from_keyboard = from_keyboard;
}

/* The next byte from the keyboard, translated if so set. A break is F0 and the code: one byte in
 * set 1. */
static int keyboard_byte(struct i8042 *c, uint64_t now)
{
	int byte;

	do {
		byte = ps2_keyboard_read(&c->keyboard, now < c->paced_until);
		if (byte == PS2_NOTHING || !(mode(c) & MODE_TRANSLATE))
			return byte;
		if (byte == 0xf0)
			c->break_prefix = true;
	} while (byte == 0xf0);
	byte = ps2_set2_to_set1[byte] | (c->break_prefix ? 0x80 : 0);
	c->break_prefix = false;
	return byte;
}

static void fill_buffer(struct i8042 *c, uint64_t now)
{
	int byte = PS2_NOTHING;

	if (c->full)
		return;
	if (c->answer_waits) {
		c->answer_waits = false;
		fill(c, c->answer, c->answer_is_aux, false);
		return;
	}
	if (!(mode(c) & MODE_KEYBOARD_OFF))
		byte = keyboard_byte(c, now);
	if (byte != PS2_NOTHING) {
		fill(c, (uint8_t)byte, false, true);
		return;
	}
	if (!(mode(c) & MODE_AUX_OFF))
		byte = ps2_mouse_read(&c->mouse, now);
	if (byte != PS2_NOTHING)
		fill(c, (uint8_t)byte, true, false);
}

/* When something happens that nobody asks for. Nothing does while the buffer is full: reading it
 * comes here again. */
static uint64_t next_event(const struct i8042 *c)
{
	uint64_t at = c->keyboard.repeat_at;

	if (c->full)
		return at;
	if (!(mode(c) & MODE_KEYBOARD_OFF) && ps2_keyboard_has_codes(&c->keyboard))
		at = MIN(at, c->paced_until);
	if (!(mode(c) & MODE_AUX_OFF))
		at = MIN(at, ps2_mouse_deadline(&c->mouse));
	return at;
}

/* After anything has changed. */
static void update(struct i8042 *c)
{
	uint64_t now = device_now(&c->device);

	ps2_keyboard_repeat(&c->keyboard, now);
	fill_buffer(c, now);
	set_irqs(c);
	timer_set(c->device.board->clock, &c->timer, next_event(c));
}

static void timer_fired(struct device *d, struct timer *t)
{
	(void)t;
	update((struct i8042 *)d);
}

/* ---- commands ---- */

/* The byte comes next, before anything of the devices; an older answer that nobody has read is
 * lost, as in the ROM. */
static void answer(struct i8042 *c, uint8_t byte, bool as_aux)
{
	c->answer = byte;
	c->answer_is_aux = as_aux;
	c->answer_waits = true;
}

static void set_a20(struct i8042 *c, bool on)
{
	if (c->a20 == on)
		return;
	c->a20 = on;
	if (c->wires.set_a20)
		c->wires.set_a20(c->wires.context, on);
}

static uint8_t output_port(const struct i8042 *c)
{
	uint8_t v = OUTPUT_NO_RESET | OUTPUT_LINES;

	v |= c->a20 ? OUTPUT_A20 : 0;
	if (c->full)
		v |= c->from_aux ? OUTPUT_AUX_IRQ : OUTPUT_KEYBOARD_IRQ;
	return v;
}

static void reset_cpu(struct i8042 *c)
{
	if (c->wires.reset_cpu)
		c->wires.reset_cpu(c->wires.context);
}

static void set_mode(struct i8042 *c, uint8_t clear, uint8_t set)
{
	c->ram[0] = (uint8_t)((c->ram[0] & ~clear) | set);
}

/* 0xaa. The ROM also sets a new command byte, differently from maker to maker; systems write their
 * own afterwards, and those that forget expect a keyboard that goes on working. */
static void self_test(struct i8042 *c)
{
	c->full = false;
	c->break_prefix = false;
	set_mode(c, 0, MODE_SYSTEM);
	answer(c, 0x55, false);
}

static void run_command(struct i8042 *c, uint8_t command)
{
	switch (command) {
	case 0x20 ... 0x3f: /* Read RAM */
		answer(c, c->ram[command & 0x1f], false);
		break;
	case 0x60 ... 0x7f: /* Write RAM */
	case 0xd1 ... 0xd4: /* Write Output Port, Keyboard Buffer, Auxiliary Buffer, to Auxiliary Device */
		c->command = command;
		break;
	case 0xa4: /* Test Password Installed: none */
		answer(c, 0xf1, false);
		break;
	case 0xa7: /* Disable, Enable Auxiliary Device */
		set_mode(c, 0, MODE_AUX_OFF);
		break;
	case 0xa8:
		set_mode(c, MODE_AUX_OFF, 0);
		break;
	case 0xa9: /* Auxiliary, Keyboard Interface Test: no line is stuck */
	case 0xab:
		answer(c, 0, false);
		break;
	case 0xaa:
		self_test(c);
		break;
	case 0xad: /* Disable, Enable Keyboard */
		set_mode(c, 0, MODE_KEYBOARD_OFF);
		break;
	case 0xae:
		set_mode(c, MODE_KEYBOARD_OFF, 0);
		break;
	case 0xc0: /* Read Input Port: not locked, no manufacturing jumper, colour display */
		answer(c, 0xb0, false);
		break;
	case 0xd0: /* Read Output Port */
		answer(c, output_port(c), false);
		break;
	case 0xdd: /* A20 off and on: not IBM's, but every clone has them */
	case 0xdf:
		set_a20(c, command == 0xdf);
		break;
	case 0xe0: /* Read Test Inputs: keyboard clock and data */
		answer(c, mode(c) & MODE_KEYBOARD_OFF ? 2 : 3, false);
		break;
	case 0xf0 ... 0xff: /* Pulse Output Port: the bits that are 0; only the reset line does something in 6 us */
		if (!(command & OUTPUT_NO_RESET))
			reset_cpu(c);
		break;
	}
}

/* The byte that a command of 0x64 waited for. */
static void run_argument(struct i8042 *c, uint8_t command, uint8_t byte)
{
	switch (command) {
	case 0x60 ... 0x7f:
		c->ram[command & 0x1f] = byte;
		break;
	case 0xd1:
		set_a20(c, byte & OUTPUT_A20);
		if (!(byte & OUTPUT_NO_RESET))
			reset_cpu(c);
		break;
	case 0xd2:
	case 0xd3:
		answer(c, byte, command == 0xd3);
		break;
	case 0xd4: /* sending starts the device's clock, or its acknowledge could never come back */
		set_mode(c, MODE_AUX_OFF, 0);
		ps2_mouse_write(&c->mouse, byte);
		break;
	}
}

/* ---- ports ---- */

static uint64_t data_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct i8042 *c = (struct i8042 *)d;
	uint8_t byte = c->buffer;

	(void)r, (void)offset, (void)size;
	if (!c->full)
		return byte;
	if (c->from_keyboard)
		c->paced_until = device_now(d) + KEYBOARD_PACE;
	c->full = false;
	set_irqs(c); /* falls before the next byte raises it: an edge for each */
	update(c);
	return byte;
}

static void data_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct i8042 *c = (struct i8042 *)d;
	uint8_t command = c->command;

	(void)r, (void)offset, (void)size;
	c->last_was_command = false;
	c->command = 0;
	if (command) {
		run_argument(c, command, (uint8_t)value);
	} else {
		set_mode(c, MODE_KEYBOARD_OFF, 0);
		ps2_keyboard_write(&c->keyboard, (uint8_t)value);
	}
	update(c);
}

static uint64_t status_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct i8042 *c = (struct i8042 *)d;
	uint8_t status = STATUS_UNLOCKED;

	(void)r, (void)offset, (void)size;
	status |= c->full ? STATUS_OUTPUT_FULL : 0;
	status |= mode(c) & MODE_SYSTEM ? STATUS_SYSTEM : 0;
	status |= c->last_was_command ? STATUS_COMMAND : 0;
	status |= c->full && c->from_aux ? STATUS_AUX : 0;
	return status;
}

static void command_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct i8042 *c = (struct i8042 *)d;

	(void)r, (void)offset, (void)size;
	c->last_was_command = true;
	c->command = 0;
	run_command(c, (uint8_t)value);
	update(c);
}

static const struct region_ops data_ops = { .read = data_read, .write = data_write, .max_size = 1 };
static const struct region_ops control_ops = { .read = status_read, .write = command_write, .max_size = 1 };

/* ---- from the player ---- */

void i8042_key(struct device *d, unsigned evdev_code, bool down)
{
	struct i8042 *c = (struct i8042 *)d;

	ps2_keyboard_key(&c->keyboard, evdev_code, down, device_now(d));
	update(c);
}

void i8042_release_keys(struct device *d)
{
	struct i8042 *c = (struct i8042 *)d;

	ps2_keyboard_release_all(&c->keyboard);
	update(c);
}

void i8042_pointer(struct device *d, int dx, int dy, int dz, unsigned buttons)
{
	struct i8042 *c = (struct i8042 *)d;

	ps2_mouse_move(&c->mouse, dx, dy, dz, buttons);
	update(c);
}

void i8042_poke_pointer(struct device *d)
{
	struct i8042 *c = (struct i8042 *)d;

	ps2_mouse_poke(&c->mouse);
	update(c);
}

/* ---- device ---- */

static int i8042_create(struct device *d, const struct device_config *config, struct error *e)
{
	struct i8042 *c = (struct i8042 *)d;

	(void)e;
	if (config->extra)
		c->wires = *(const struct i8042_config *)config->extra;
	timer_init(&c->timer, d, timer_fired);
	c->data = (struct region){ .name = "i8042 data", .ops = &data_ops, .device = d, .size = 1, .space = BUS_PORT };
	c->control = (struct region){
		.name = "i8042 control", .ops = &control_ops, .device = d, .size = 1, .space = BUS_PORT
	};
	bus_map(d->board->bus, &c->data, config->port);
	bus_map(d->board->bus, &c->control, config->port + 4u);
	return 0;
}

static void i8042_reset(struct device *d)
{
	struct i8042 *c = (struct i8042 *)d;

	memset(c->ram, 0, sizeof(c->ram));
	c->ram[0] = MODE_TRANSLATE | MODE_KEYBOARD_OFF | MODE_AUX_OFF;
	c->command = c->buffer = c->answer = 0;
	c->last_was_command = c->full = c->from_aux = c->from_keyboard = false;
	c->answer_waits = c->answer_is_aux = c->break_prefix = false;
	c->paced_until = 0;
	set_a20(c, true);
	ps2_keyboard_reset(&c->keyboard);
	ps2_mouse_reset(&c->mouse);
	update(c);
}

static int i8042_state(struct device *d, struct state *s)
{
	struct i8042 *c = (struct i8042 *)d;

	state_bytes(s, "ram", c->ram, sizeof(c->ram));
	state_u8(s, "command", &c->command);
	state_bool(s, "last_was_command", &c->last_was_command);
	state_bool(s, "a20", &c->a20);
	state_u8(s, "buffer", &c->buffer);
	state_bool(s, "full", &c->full);
	state_bool(s, "from_aux", &c->from_aux);
	state_bool(s, "from_keyboard", &c->from_keyboard);
	state_u8(s, "answer", &c->answer);
	state_bool(s, "answer_waits", &c->answer_waits);
	state_bool(s, "answer_is_aux", &c->answer_is_aux);
	state_bool(s, "break_prefix", &c->break_prefix);
	state_u64(s, "paced_until", &c->paced_until);
	ps2_keyboard_state(&c->keyboard, s);
	ps2_mouse_state(&c->mouse, s);
	timer_state(d->board->clock, s, "timer", &c->timer);
	if (state_loading(s) && state_error(s))
		i8042_reset(d); /* half a state is none */
	set_irqs(c);
	return state_error(s);
}

const struct device_class i8042_class = {
	.name = "i8042",
	.summary = "keyboard controller with PS/2 keyboard and IntelliMouse Explorer",
	.size = sizeof(struct i8042),
	.state_version = 2,
	.create = i8042_create,
	.reset = i8042_reset,
	.state = i8042_state,
};
