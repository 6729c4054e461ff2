/* SPDX-License-Identifier: MIT */
/* Bochs' VBE DISPI registers: ports 0x1ce (index) and 0x1cf (data), and as words in BAR 2. */
#include "core/video/vga_private.h"

#include <errno.h>

#define VBE_ID_FIRST 0xb0c0
#define VBE_ID_LAST 0xb0c5
#define VBE_ENABLE_BITS (VBE_ENABLED | VBE_GETCAPS | VBE_8BIT_DAC | VBE_LFB_ENABLED | VBE_NOCLEARMEM)

static bool depth_known(uint16_t bpp)
{
	return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

uint32_t vbe_virtual_width(const struct vga *v)
{
	return MAX(v->vbe[VBE_VIRT_WIDTH], v->vbe[VBE_XRES]);
}

uint32_t vbe_stride(const struct vga *v)
{
	uint32_t width = vbe_virtual_width(v);

	if (v->vbe[VBE_BPP] == 4)
		return (width + 7) / 8;
	return width * ((v->vbe[VBE_BPP] + 7u) / 8);
}

static uint16_t bank_mask(const struct vga *v)
{
	return (uint16_t)((v->memory_size >> 16) - 1);
}

uint16_t vbe_read(struct vga *v, unsigned index)
{
	bool caps = v->vbe[VBE_ENABLE] & VBE_GETCAPS;
	uint32_t plane_size = v->vbe[VBE_BPP] == 4 ? v->memory_size / 4 : v->memory_size;

	switch (index) {
	case VBE_XRES:
		return caps ? SCREEN_MAX_WIDTH : v->vbe[index];
	case VBE_YRES:
		return caps ? SCREEN_MAX_HEIGHT : v->vbe[index];
	case VBE_BPP:
		return caps ? 32 : v->vbe[index];
	case VBE_VIRT_WIDTH:
		return (uint16_t)vbe_virtual_width(v);
	case VBE_VIRT_HEIGHT: /* as many rows as the memory holds: not for the guest to choose */
		return (uint16_t)MIN(plane_size / vbe_stride(v), 0xffffu);
	case VBE_VIDEO_MEMORY_64K:
		return (uint16_t)(v->memory_size >> 16);
	default:
		return index < VBE_COUNT ? v->vbe[index] : 0xffff;
	}
}

/* A new mode begins at its top left, its virtual screen as wide as the real one, and black unless asked otherwise. */
static void mode_begins(struct vga *v, bool clear)
{
	v->vbe[VBE_BANK] = 0;
	v->vbe[VBE_VIRT_WIDTH] = 0;
	v->vbe[VBE_X_OFFSET] = 0;
	v->vbe[VBE_Y_OFFSET] = 0;
	if (!clear)
		return;
	uint64_t length = (uint64_t)vbe_stride(v) * v->vbe[VBE_YRES] * (v->vbe[VBE_BPP] == 4 ? 4 : 1);
	memset(v->memory, 0, MIN(length, v->memory_size));
	v->redraw = true;
}

static void enable_write(struct vga *v, uint16_t value)
{
	bool was = vbe_enabled(v);

	v->vbe[VBE_ENABLE] = value & VBE_ENABLE_BITS;
	if (vbe_enabled(v) && !was)
		mode_begins(v, !(value & VBE_NOCLEARMEM));
	else if (!vbe_enabled(v))
		v->vbe[VBE_BANK] = 0;
}

/* Geometry is accepted while enabled too: drivers written against QEMU do that. A value that we cannot show is not
 * taken, which a driver sees by reading it back. */
void vbe_write(struct vga *v, unsigned index, uint16_t value)
{
	bool taken = true;

	switch (index) {
	case VBE_ID:
		taken = value >= VBE_ID_FIRST && value <= VBE_ID_LAST;
		break;
	case VBE_XRES:
		taken = value >= 1 && value <= SCREEN_MAX_WIDTH;
		break;
	case VBE_YRES:
		taken = value >= 1 && value <= SCREEN_MAX_HEIGHT;
		break;
	case VBE_BPP:
		value = value ? value : 8; /* the interface's first version said so */
		taken = depth_known(value);
		break;
	case VBE_ENABLE:
		enable_write(v, value);
		taken = false;
		break;
	case VBE_BANK:
		value &= bank_mask(v);
		break;
	case VBE_VIRT_WIDTH:
	case VBE_X_OFFSET:
	case VBE_Y_OFFSET:
		break;
	default:
		taken = false;
	}
	if (taken)
		v->vbe[index] = value;
	vga_window_update(v);
}

static uint64_t ports_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct vga *v = (struct vga *)d;

	(void)r;
	(void)size;
	return offset == 0 ? v->vbe_index : vbe_read(v, v->vbe_index);
}

static void ports_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vga *v = (struct vga *)d;

	(void)r;
	(void)size;
	if (offset == 0)
		v->vbe_index = (uint16_t)value;
	else
		vbe_write(v, v->vbe_index, (uint16_t)value);
}

const struct region_ops vbe_port_ops = { .read = ports_read, .write = ports_write, .max_size = 2 };

void vbe_reset(struct vga *v)
{
	memset(v->vbe, 0, sizeof(v->vbe));
	v->vbe_index = 0;
	v->vbe[VBE_ID] = VBE_ID_LAST;
	v->vbe[VBE_XRES] = 640;
	v->vbe[VBE_YRES] = 480;
	v->vbe[VBE_BPP] = 8;
}

static bool possible(const struct vga *v)
{
	const uint16_t *r = v->vbe;

	return r[VBE_ID] >= VBE_ID_FIRST && r[VBE_ID] <= VBE_ID_LAST && depth_known(r[VBE_BPP]) && r[VBE_XRES] >= 1 &&
	       r[VBE_XRES] <= SCREEN_MAX_WIDTH && r[VBE_YRES] >= 1 && r[VBE_YRES] <= SCREEN_MAX_HEIGHT &&
	       !(r[VBE_ENABLE] & ~VBE_ENABLE_BITS) && !(r[VBE_BANK] & ~bank_mask(v));
}

void vbe_state(struct vga *v, struct state *s)
{
	static const struct {
		const char *name;
		enum vbe_register index;
	} fields[] = {
		{ "vbe_id", VBE_ID },
		{ "vbe_xres", VBE_XRES },
		{ "vbe_yres", VBE_YRES },
		{ "vbe_bpp", VBE_BPP },
		{ "vbe_enable", VBE_ENABLE },
		{ "vbe_bank", VBE_BANK },
		{ "vbe_virt_width", VBE_VIRT_WIDTH },
		{ "vbe_x_offset", VBE_X_OFFSET },
		{ "vbe_y_offset", VBE_Y_OFFSET },
	};
	state_u16(s, "vbe_index", &v->vbe_index);
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
		state_u16(s, fields[i].name, &v->vbe[fields[i].index]);
	if (!possible(v)) {
		vbe_reset(v); /* sizes and banks that all else relies on: never leave them wrong */
		state_fail(s, -EINVAL, "vbe");
	}
}
