/* SPDX-License-Identifier: MIT */
/* The VGA's register file at ports 0x3b0-0x3df. */
#include "core/video/vga_private.h"

#include <errno.h>

/* Bits that exist; the others read as 0. */
static const uint8_t seq_bits[SEQ_COUNT] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e };
static const uint8_t gc_bits[GC_COUNT] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff };
static const uint8_t crtc_bits[CRTC_COUNT] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0x3f, 0x7f, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xef, 0xff,
};
static const uint8_t attr_bits[ATTR_COUNT] = {
	0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
	0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f,
};
#define MISC_BITS 0xef
#define FEATURE_BITS 0x0b

#define SENSE_SWITCH 0x10 /* input status 0: a monitor loads the DAC's outputs */
#define FIRST_PORT 0x3b0

static uint8_t indexed_read(const uint8_t *registers, unsigned count, uint8_t index)
{
	return index < count ? registers[index] : 0;
}

static void indexed_write(uint8_t *registers, const uint8_t *bits, unsigned count, uint8_t index, uint8_t value)
{
	if (index < count)
		registers[index] = value & bits[index];
}

static void crtc_write(struct vga *v, uint8_t value)
{
	uint8_t index = v->crtc_index;
	if (index <= CRTC_OVERFLOW && v->crtc[CRTC_V_RETRACE_END] & CRTC_PROTECT) {
		if (index != CRTC_OVERFLOW)
			return;
		value = (uint8_t)((v->crtc[index] & ~CRTC_OVERFLOW_LC8) | (value & CRTC_OVERFLOW_LC8));
	}
	indexed_write(v->crtc, crtc_bits, CRTC_COUNT, index, value);
}

/* The index keeps bit 5, "palette address source". Writing the palette while the screen uses it works here, as on
 * most clones. */
static void attribute_write(struct vga *v, uint8_t value)
{
	if (v->attr_data)
		indexed_write(v->attr, attr_bits, ATTR_COUNT, v->attr_index & 0x1f, value);
	else
		v->attr_index = value & 0x3f;
	v->attr_data = !v->attr_data;
}

static void dac_set_index(struct vga *v, uint8_t *index, uint8_t value, enum dac_state state)
{
	*index = value;
	v->dac_component = 0;
	v->dac_state = (uint8_t)state;
}

static void dac_write(struct vga *v, uint8_t value)
{
	v->dac_latch[v->dac_component] = v->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? value : value & 0x3f;
	if (++v->dac_component < 3)
		return;
	v->dac_component = 0;
	memcpy(v->dac[v->dac_write++], v->dac_latch, 3);
}

static uint8_t dac_read(struct vga *v)
{
	uint8_t value = v->dac[v->dac_read][v->dac_component];
	if (++v->dac_component == 3) {
		v->dac_component = 0;
		v->dac_read++;
	}
	return value;
}

/* CRTC, input status 1 and feature control answer at 3dx or 3bx, as miscellaneous output bit 0 says: gives the
 * port as 3dx, or 0 for the one that is switched off. */
static uint16_t relocated(const struct vga *v, uint16_t port)
{
	if (port >= 0x3c0 && port < 0x3d0)
		return port;

	bool color = port >= 0x3d0;

	if (color != (bool)(v->misc & MISC_COLOR))
		return 0;
	return 0x3d0 | (port & 0x0f);
}

uint8_t vga_port_read(struct vga *v, uint16_t port)
{
	switch (relocated(v, port)) {
	case 0x3c0:
		return v->attr_index;
	case 0x3c1:
		return indexed_read(v->attr, ATTR_COUNT, v->attr_index & 0x1f);
	case 0x3c2:
		return SENSE_SWITCH;
	case 0x3c3:
		return v->subsystem;
	case 0x3c4:
		return v->seq_index;
	case 0x3c5:
		return indexed_read(v->seq, SEQ_COUNT, v->seq_index);
	case 0x3c6:
		return v->dac_mask;
	case 0x3c7:
		return v->dac_state;
	case 0x3c8:
		return v->dac_write;
	case 0x3c9:
		return dac_read(v);
	case 0x3ca:
		return v->feature;
	case 0x3cc:
		return v->misc;
	case 0x3ce:
		return v->gc_index;
	case 0x3cf:
		return indexed_read(v->gc, GC_COUNT, v->gc_index);
	case 0x3d4:
		return v->crtc_index;
	case 0x3d5:
		return indexed_read(v->crtc, CRTC_COUNT, v->crtc_index);
	case 0x3da:
		v->attr_data = false;
		return vga_input_status_1(v);
	default:
		return 0xff;
	}
}

void vga_port_write(struct vga *v, uint16_t port, uint8_t value)
{
	switch (relocated(v, port)) {
	case 0x3c0:
		attribute_write(v, value);
		break;
	case 0x3c2:
		v->misc = value & MISC_BITS;
		vga_window_update(v);
		break;
	case 0x3c3: /* a PCI card is switched off by its command register: kept, without effect */
		v->subsystem = value & 1;
		break;
	case 0x3c4:
		v->seq_index = value;
		break;
	case 0x3c5:
		indexed_write(v->seq, seq_bits, SEQ_COUNT, v->seq_index, value);
		vga_window_update(v);
		break;
	case 0x3c6:
		v->dac_mask = value;
		break;
	case 0x3c7:
		dac_set_index(v, &v->dac_read, value, DAC_READING);
		break;
	case 0x3c8:
		dac_set_index(v, &v->dac_write, value, DAC_WRITING);
		break;
	case 0x3c9:
		dac_write(v, value);
		break;
	case 0x3ce:
		v->gc_index = value;
		break;
	case 0x3cf:
		indexed_write(v->gc, gc_bits, GC_COUNT, v->gc_index, value);
		vga_window_update(v);
		break;
	case 0x3d4:
		v->crtc_index = value;
		break;
	case 0x3d5:
		crtc_write(v, value);
		break;
	case 0x3da:
		v->feature = value & FEATURE_BITS;
		break;
	default:
		break;
	}
}

static uint64_t ports_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	(void)r;
	(void)size;
	return vga_port_read((struct vga *)d, (uint16_t)(FIRST_PORT + offset));
}

static void ports_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	(void)r;
	(void)size;
	vga_port_write((struct vga *)d, (uint16_t)(FIRST_PORT + offset), (uint8_t)value);
}

/* Byte wide: `outw 0x3c4` is an index and then its data. */
const struct region_ops vga_port_ops = { .read = ports_read, .write = ports_write, .max_size = 1 };

void vga_registers_reset(struct vga *v)
{
	v->misc = v->feature = 0;
	v->subsystem = 1;
	v->seq_index = v->gc_index = v->crtc_index = v->attr_index = 0;
	v->attr_data = false;
	memset(v->seq, 0, sizeof(v->seq));
	memset(v->gc, 0, sizeof(v->gc));
	memset(v->crtc, 0, sizeof(v->crtc));
	memset(v->attr, 0, sizeof(v->attr));
	v->dac_mask = 0xff;
	v->dac_read = v->dac_write = v->dac_component = 0;
	v->dac_state = DAC_WRITING;
	memset(v->dac_latch, 0, sizeof(v->dac_latch));
	memset(v->dac, 0, sizeof(v->dac));
	v->latch = 0;
}

static void indexed_state(struct state *s, const char *name, uint8_t *registers, const uint8_t *bits, unsigned count)
{
	state_bytes(s, name, registers, count);
	for (unsigned i = 0; i < count; i++) {
		if (registers[i] & ~bits[i])
			state_fail(s, -EINVAL, name);
	}
}

void vga_registers_state(struct vga *v, struct state *s)
{
	state_u8(s, "misc", &v->misc);
	state_u8(s, "feature", &v->feature);
	state_u8(s, "subsystem", &v->subsystem);
	state_u8(s, "seq_index", &v->seq_index);
	indexed_state(s, "seq", v->seq, seq_bits, SEQ_COUNT);
	state_u8(s, "gc_index", &v->gc_index);
	indexed_state(s, "gc", v->gc, gc_bits, GC_COUNT);
	state_u8(s, "crtc_index", &v->crtc_index);
	indexed_state(s, "crtc", v->crtc, crtc_bits, CRTC_COUNT);
	state_u8(s, "attr_index", &v->attr_index);
	indexed_state(s, "attr", v->attr, attr_bits, ATTR_COUNT);
	state_bool(s, "attr_data", &v->attr_data);
	state_u8(s, "dac_mask", &v->dac_mask);
	state_u8(s, "dac_read", &v->dac_read);
	state_u8(s, "dac_write", &v->dac_write);
	state_u8(s, "dac_component", &v->dac_component);
	state_u8(s, "dac_state", &v->dac_state);
	state_bytes(s, "dac_latch", v->dac_latch, sizeof(v->dac_latch));
	state_bytes(s, "dac", v->dac, sizeof(v->dac));
	state_u32(s, "latch", &v->latch);
	if (v->misc & ~MISC_BITS || v->feature & ~FEATURE_BITS || v->subsystem > 1 || v->attr_index > 0x3f)
		state_fail(s, -EINVAL, "misc");
	if (v->dac_component > 2 || (v->dac_state != DAC_WRITING && v->dac_state != DAC_READING)) {
		v->dac_component = 0; /* an array index: never left wrong, even in a device that failed to load */
		state_fail(s, -EINVAL, "dac");
	}
}
