/* SPDX-License-Identifier: MIT */
/*
 * The debug console of Bochs at config->port (0x402): a byte written to the port is a byte of
 * firmware's log. Reading gives 0xe9, which is how SeaBIOS and OVMF find out that somebody listens.
 */
#include "core/legacy/legacy.h"

#define DEBUGCON_PRESENT 0xe9

struct debugcon {
	struct device device;
	struct serial_config wires;
	struct region region;
};

static uint64_t debugcon_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	(void)d, (void)r, (void)offset, (void)size;
	return DEBUGCON_PRESENT;
}

static void debugcon_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct debugcon *c = (struct debugcon *)d;
	uint8_t byte = (uint8_t)value;

	(void)r, (void)offset, (void)size;
	if (c->wires.output)
		c->wires.output(c->wires.context, &byte, 1);
}

/* OVMF logs by rep outsb. Wider elements are not text. */
static void debugcon_write_many(struct device *d, struct region *r, uint64_t offset, unsigned size, const void *data,
                                size_t count)
{
	struct debugcon *c = (struct debugcon *)d;

	(void)r, (void)offset;
	if (c->wires.output && size == 1)
		c->wires.output(c->wires.context, data, count);
}

static const struct region_ops debugcon_ops = {
	.read = debugcon_read,
	.write = debugcon_write,
	.write_many = debugcon_write_many,
	.max_size = 1,
};

static int debugcon_create(struct device *d, const struct device_config *config, struct error *e)
{
	struct debugcon *c = (struct debugcon *)d;

	(void)e;
	if (config->extra)
		c->wires = *(const struct serial_config *)config->extra;
	c->region =
		(struct region){ .name = "debugcon", .ops = &debugcon_ops, .device = d, .size = 1, .space = BUS_PORT };
	bus_map(d->board->bus, &c->region, config->port);
	return 0;
}

static void debugcon_reset(struct device *d)
{
	(void)d; /* what was said is said */
}

static int debugcon_state(struct device *d, struct state *s)
{
	(void)d; /* keeps nothing */
	return state_error(s);
}

const struct device_class debugcon_class = {
	.name = "debugcon",
	.summary = "debug console of SeaBIOS and OVMF at 0x402",
	.size = sizeof(struct debugcon),
	.state_version = 1,
	.create = debugcon_create,
	.reset = debugcon_reset,
	.state = debugcon_state,
};
