/* SPDX-License-Identifier: MIT */
/*
 * System control port A of the PS/2, at config->port (0x92): fast A20 and fast reset. As in the
 * PIIX4 its A20 bit is a gate of its own, ORed with the keyboard controller's; each reads back what
 * was written to it.
 */
#include "core/legacy/legacy.h"

#define PORT92_RESET 0x01 /* 0 -> 1 resets the CPU */
#define PORT92_A20 0x02
#define PORT92_SCRATCH 0xc8 /* disk lights, password lock: remembered, no effect */

struct port92 {
	struct device device;
	struct i8042_config wires;
	struct region region;
	uint8_t value;
};

static uint64_t port92_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	(void)r, (void)offset, (void)size;
	return ((struct port92 *)d)->value;
}

static void port92_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct port92 *p = (struct port92 *)d;
	uint8_t old = p->value;

	(void)r, (void)offset, (void)size;
	p->value = value & (PORT92_RESET | PORT92_A20 | PORT92_SCRATCH);
	if ((old ^ p->value) & PORT92_A20 && p->wires.set_a20)
		p->wires.set_a20(p->wires.context, p->value & PORT92_A20);
	if (p->value & ~old & PORT92_RESET && p->wires.reset_cpu)
		p->wires.reset_cpu(p->wires.context);
}

static const struct region_ops port92_ops = { .read = port92_read, .write = port92_write, .max_size = 1 };

static int port92_create(struct device *d, const struct device_config *config, struct error *e)
{
	struct port92 *p = (struct port92 *)d;

	(void)e;
	if (config->extra)
		p->wires = *(const struct i8042_config *)config->extra;
	p->region = (struct region){ .name = "port92", .ops = &port92_ops, .device = d, .size = 1, .space = BUS_PORT };
	bus_map(d->board->bus, &p->region, config->port);
	return 0;
}

static void port92_reset(struct device *d)
{
	((struct port92 *)d)->value = 0;
}

static int port92_state(struct device *d, struct state *s)
{
	state_u8(s, "value", &((struct port92 *)d)->value);
	return state_error(s);
}

const struct device_class port92_class = {
	.name = "port92",
	.summary = "system control port A: fast A20 and reset",
	.size = sizeof(struct port92),
	.state_version = 1,
	.create = port92_create,
	.reset = port92_reset,
	.state = port92_state,
};
