/* SPDX-License-Identifier: MIT */
/*
 * VMware's back door. Facts: open-vm-tools' backdoor_def.h names the commands; the vmmouse protocol as the drivers in X.org and
 * Linux speak it. EAX holds the magic number, ECX's low half the command, EBX an argument; results come in all six registers.
 */
#include "core/legacy/vmport.h"

#include <errno.h>
#include <string.h>

#define MAGIC 0x564d5868u
#define ABSENT 0xffffffffu /* in EAX: no VMware here, or no such command */
#define VERSION 6
#define PRODUCT_SERVER 2
#define CLOCK_LAG_MAX 1000000u /* us: older news than that about the time is to be thrown away */

enum command {
	CMD_GETMHZ = 1,
	CMD_GETVERSION = 10,
	CMD_GETUUID = 19,
	CMD_GETMEMSIZE = 20,
	CMD_GETTIME = 23,
	CMD_ABSPOINTER_DATA = 39,
	CMD_ABSPOINTER_STATUS = 40,
	CMD_ABSPOINTER_COMMAND = 41,
	CMD_GETHZ = 45,
};

/* Arguments of CMD_ABSPOINTER_COMMAND */
#define POINTER_ENABLE 0x45414552u
#define POINTER_DISABLE 0x000000f5u
#define POINTER_RELATIVE 0x4c455252u
#define POINTER_ABSOLUTE 0x53424152u

#define POINTER_ID 0x3442554au    /* the first word after it was enabled */
#define POINTER_ERROR 0xffff0000u /* status: it is not enabled; else the number of words that wait */
#define PACKET_WORDS 4u           /* flags and buttons, x, y, wheel */
#define PACKET_RELATIVE 0x00010000u
#define READ_MAX 6u /* words in one answer: a register each */
#define POSITION_MAX 0xffff

/* Motion is added up while it waits, so that only presses, releases and wheel clicks take places; more of them than this, and the
 * guest does not read. */
#define QUEUE_WORDS (64 * PACKET_WORDS + 1)

struct vmport {
	struct device device;
	struct region region;
	struct vmport_config wires;

	bool enabled; /* the pointer answers */
	uint8_t mode; /* enum vmport_pointer_mode: OFF until the guest asks for one of the others */
	uint32_t queue[QUEUE_WORDS];
	uint32_t count;    /* words in queue */
	uint32_t newest;   /* the first word of the newest packet */
	bool newest_moves; /* and it says nothing but a position */
};

/* ---- vmmouse ---- */

static void set_mode(struct vmport *v, enum vmport_pointer_mode mode)
{
	bool changed = v->mode != mode;

	v->mode = (uint8_t)mode;
	if (changed && v->wires.pointer_changed)
		v->wires.pointer_changed(v->wires.context);
}

static void disable(struct vmport *v)
{
	v->enabled = v->newest_moves = false;
	v->count = v->newest = 0;
	set_mode(v, VMPORT_POINTER_OFF);
}

static void enable(struct vmport *v)
{
	disable(v);
	v->enabled = true;
	v->queue[v->count++] = POINTER_ID;
}

static uint32_t packet_buttons(unsigned buttons)
{
	static const uint8_t bits[] = { 0x20, 0x10, 0x08 }; /* left, right, middle: it knows no more */
	uint32_t word = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		word |= buttons >> i & 1 ? bits[i] : 0;
	return word;
}

static int clamp(int value, int low, int high)
{
	return MAX(low, MIN(high, value));
}

/* Adds motion to a packet that says nothing else and still waits. A press stays where it was made. */
static bool merge(struct vmport *v, const uint32_t packet[PACKET_WORDS])
{
	uint32_t *last = v->queue + v->count - PACKET_WORDS;

	if (v->count < PACKET_WORDS || !v->newest_moves || v->newest != packet[0] || packet[3])
		return false;
	if (packet[0] & PACKET_RELATIVE) {
		last[1] = (uint32_t)clamp((int32_t)(last[1] + packet[1]), -POSITION_MAX, POSITION_MAX);
		last[2] = (uint32_t)clamp((int32_t)(last[2] + packet[2]), -POSITION_MAX, POSITION_MAX);
	} else {
		last[1] = packet[1];
		last[2] = packet[2];
	}
	return true;
}

void vmport_pointer(struct device *d, int x, int y, int dz, unsigned buttons)
{
	struct vmport *v = (struct vmport *)d;
	bool relative = v->mode == VMPORT_POINTER_RELATIVE;
	int least = relative ? -POSITION_MAX : 0;
	uint32_t packet[PACKET_WORDS] = { packet_buttons(buttons) | (relative ? PACKET_RELATIVE : 0),
		                          (uint32_t)clamp(x, least, POSITION_MAX),
		                          (uint32_t)clamp(y, least, POSITION_MAX), (uint32_t)clamp(dz, -127, 127) };

	if (v->mode == VMPORT_POINTER_OFF || merge(v, packet))
		return;
	v->newest_moves = v->newest == packet[0] && !packet[3];
	v->newest = packet[0];
	if (v->count + PACKET_WORDS > QUEUE_WORDS) { /* the newest says where the pointer is and what is held */
		v->count -= PACKET_WORDS;
		v->newest_moves = false;
	}
	memcpy(v->queue + v->count, packet, sizeof(packet));
	v->count += PACKET_WORDS;
}

enum vmport_pointer_mode vmport_pointer_mode(struct device *d)
{
	return ((struct vmport *)d)->mode;
}

static void pointer_status(struct vmport *v, struct cpu_registers *r)
{
	r->eax = v->enabled ? v->count : POINTER_ERROR;
}

/* As many words as EBX asks for. One that asks for more than there are has lost its place: it has to begin again. */
static void pointer_data(struct vmport *v, struct cpu_registers *r)
{
	uint32_t *const to[READ_MAX] = { &r->eax, &r->ebx, &r->ecx, &r->edx, &r->esi, &r->edi };
	uint32_t count = r->ebx;

	if (!count || count > READ_MAX || count > v->count) {
		disable(v);
		r->eax = ABSENT;
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		*to[i] = v->queue[i];
	v->count -= count;
	memmove(v->queue, v->queue + count, v->count * sizeof(v->queue[0]));
}

static void pointer_command(struct vmport *v, struct cpu_registers *r)
{
	r->eax = 0;
	if (r->ebx == POINTER_ENABLE)
		enable(v);
	else if (r->ebx == POINTER_DISABLE)
		disable(v);
	else if (r->ebx == POINTER_RELATIVE && v->enabled)
		set_mode(v, VMPORT_POINTER_RELATIVE);
	else if (r->ebx == POINTER_ABSOLUTE && v->enabled)
		set_mode(v, VMPORT_POINTER_ABSOLUTE);
	else
		r->eax = ABSENT;
}

/* ---- what the machine is ---- */

static void get_version(struct vmport *v, struct cpu_registers *r)
{
	(void)v;
	r->eax = VERSION;
	r->ebx = MAGIC;
	r->ecx = PRODUCT_SERVER;
}

static void get_memory(struct vmport *v, struct cpu_registers *r)
{
	r->eax = (uint32_t)(v->wires.memory >> 20);
}

static void get_uuid(struct vmport *v, struct cpu_registers *r)
{
	r->eax = le32_load(v->wires.uuid);
	r->ebx = le32_load(v->wires.uuid + 4);
	r->ecx = le32_load(v->wires.uuid + 8);
	r->edx = le32_load(v->wires.uuid + 12);
}

static void get_time(struct vmport *v, struct cpu_registers *r)
{
	uint64_t seconds;

	v->wires.wall_clock(v->wires.context, &seconds, &r->ebx);
	r->eax = (uint32_t)seconds;
	r->ecx = CLOCK_LAG_MAX;
	r->edx = 0; /* minutes from UTC: it is UTC */
}

static void get_mhz(struct vmport *v, struct cpu_registers *r)
{
	uint64_t hz = v->wires.tsc_hz(v->wires.context);

	r->eax = hz ? (uint32_t)(hz / 1000000) : ABSENT;
}

/* Guests look at EBX, which they filled with ones, for whether it was answered. */
static void get_hz(struct vmport *v, struct cpu_registers *r)
{
	uint64_t hz = v->wires.tsc_hz(v->wires.context);

	r->eax = hz ? (uint32_t)hz : ABSENT;
	if (!hz)
		return;
	r->ebx = (uint32_t)(hz >> 32);
	r->ecx = v->wires.apic_hz;
}

static const struct {
	uint16_t command;
	void (*answer)(struct vmport *v, struct cpu_registers *r);
} commands[] = {
	{ CMD_GETMHZ, get_mhz },
	{ CMD_GETVERSION, get_version },
	{ CMD_GETUUID, get_uuid },
	{ CMD_GETMEMSIZE, get_memory },
	{ CMD_GETTIME, get_time },
	{ CMD_ABSPOINTER_DATA, pointer_data },
	{ CMD_ABSPOINTER_STATUS, pointer_status },
	{ CMD_ABSPOINTER_COMMAND, pointer_command },
	{ CMD_GETHZ, get_hz },
};

static void vmport_exchange(struct device *d, struct region *region, struct cpu_registers *r)
{
	(void)region;
	if (r->eax != MAGIC) {
		r->eax = ABSENT;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].command == (uint16_t)r->ecx) {
			commands[i].answer((struct vmport *)d, r);
			return;
		}
	r->eax = ABSENT;
}

/* An access that is no `in eax, dx`. */
static uint64_t vmport_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	(void)d, (void)r, (void)offset, (void)size;
	return ABSENT;
}

static void vmport_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	(void)d, (void)r, (void)offset, (void)size, (void)value;
}

static const struct region_ops vmport_ops = { .read = vmport_read, .write = vmport_write, .exchange = vmport_exchange };

/* ---- device ---- */

static int vmport_create(struct device *d, const struct device_config *config, struct error *e)
{
	struct vmport *v = (struct vmport *)d;

	(void)e;
	v->wires = *(const struct vmport_config *)config->extra;
	v->region = (struct region){ .name = "vmport", .ops = &vmport_ops, .device = d, .size = 1, .space = BUS_PORT };
	bus_map(d->board->bus, &v->region, config->port);
	return 0;
}

static void vmport_reset(struct device *d)
{
	disable((struct vmport *)d);
}

static int vmport_state(struct device *d, struct state *s)
{
	struct vmport *v = (struct vmport *)d;
	uint8_t mode = v->mode;

	state_bool(s, "enabled", &v->enabled);
	state_u8(s, "mode", &mode);
	state_u32(s, "count", &v->count);
	state_u32(s, "newest", &v->newest);
	state_bool(s, "newest_moves", &v->newest_moves);
	for (size_t i = 0; i < QUEUE_WORDS; i++)
		state_u32(s, "queue", &v->queue[i]);
	if (state_loading(s) && (mode > VMPORT_POINTER_ABSOLUTE || (mode && !v->enabled) || v->count > QUEUE_WORDS ||
	                         (v->count && !v->enabled)))
		state_fail(s, -EINVAL, "mode");
	if (state_loading(s) && state_error(s))
		disable(v); /* half a state is none */
	else
		set_mode(v, mode);
	return state_error(s);
}

const struct device_class vmport_class = {
	.name = "vmport",
	.summary = "VMware's back door: version, clocks, vmmouse",
	.size = sizeof(struct vmport),
	.state_version = 1,
	.create = vmport_create,
	.reset = vmport_reset,
	.state = vmport_state,
};
