/* SPDX-License-Identifier: MIT */
/*
 * How the CPU sees video memory at 0xa0000-0xbffff. Planes are trapped: each access goes through latches, rotator,
 * set/reset, logic unit and bit mask. Where none of that has an effect (VBE packed modes; chain-4 as mode 13h uses
 * it), video memory itself is mapped over the trap, and nothing exits.
 */
#include "core/video/vga_private.h"

struct range {
	uint32_t offset, size; /* from VGA_WINDOW_BASE */
};

static bool window_open(const struct vga *v)
{
	return v->misc & MISC_RAM_ENABLE && le16_load(v->pci.config + PCI_COMMAND) & PCI_COMMAND_MEMORY;
}

/* GR6 bits 3-2. Packed VBE modes have their 64 KiB bank at 0xa0000 whatever it says. */
static struct range window_range(const struct vga *v)
{
	static const struct range ranges[] = {
		{ 0, 0x20000 },
		{ 0, 0x10000 },
		{ 0x10000, 0x8000 },
		{ 0x18000, 0x8000 },
	};

	return vbe_packed(v) ? ranges[1] : ranges[v->gc[GC_MISC] >> 2 & 3];
}

static uint32_t bank_offset(const struct vga *v)
{
	return ((uint32_t)v->vbe[VBE_BANK] << 16) & (v->memory_size - 1);
}

/* Chain-4 with every plane writable, and each byte going in and out as it is. */
static bool chain4_linear(const struct vga *v)
{
	return v->seq[SEQ_MEMORY_MODE] & SEQ_MEMORY_CHAIN4 && v->seq[SEQ_MAP_MASK] == 0x0f &&
	       !v->gc[GC_SET_RESET_ENABLE] && !v->gc[GC_ROTATE] && v->gc[GC_BIT_MASK] == 0xff &&
	       !(v->gc[GC_MODE] & (GC_MODE_WRITE | GC_MODE_READ1));
}

/* ---- the planes ---- */

/* Four bits to four bytes, plane 0 lowest. */
static uint32_t spread(uint32_t bits)
{
	return ((bits & 0xf) * 0x00204081u & 0x01010101u) * 0xffu;
}

static uint32_t every_plane(uint8_t value)
{
	return value * 0x01010101u;
}

static uint32_t logic_unit(const struct vga *v, uint32_t data)
{
	switch (v->gc[GC_ROTATE] >> 3) {
	case 1:
		return data & v->latch;
	case 2:
		return data | v->latch;
	case 3:
		return data ^ v->latch;
	default:
		return data;
	}
}

static uint8_t rotated(const struct vga *v, uint8_t value)
{
	unsigned count = v->gc[GC_ROTATE] & 7;

	return (uint8_t)(value >> count | value << (8 - count));
}

/* The four write modes (GR5 bits 1-0): what the graphics controller sends to the planes for a byte from the CPU. */
static uint32_t written(const struct vga *v, uint8_t value)
{
	uint32_t data, mask = every_plane(v->gc[GC_BIT_MASK]);

	switch (v->gc[GC_MODE] & GC_MODE_WRITE) {
	case 0: {
		uint32_t enable = spread(v->gc[GC_SET_RESET_ENABLE]);

		data = every_plane(rotated(v, value));
		data = logic_unit(v, (data & ~enable) | (spread(v->gc[GC_SET_RESET]) & enable));
		break;
	}
	case 1:
		return v->latch;
	case 2:
		data = logic_unit(v, spread(value));
		break;
	default:
		mask &= every_plane(rotated(v, value));
		data = logic_unit(v, spread(v->gc[GC_SET_RESET]));
	}
	return (data & mask) | (v->latch & ~mask);
}

/* Where a CPU address leads: an offset in all planes, and the one plane that the address itself selects. */
struct target {
	uint8_t *quad;         /* the four planes' bytes */
	uint32_t address;      /* of quad in video memory */
	unsigned write_planes; /* mask */
	unsigned read_plane;
};

static struct target find_target(const struct vga *v, uint32_t offset)
{
	struct target t = { .write_planes = v->seq[SEQ_MAP_MASK], .read_plane = v->gc[GC_READ_MAP] & 3u };

	offset += bank_offset(v);
	if (v->seq[SEQ_MEMORY_MODE] & SEQ_MEMORY_CHAIN4) {
		t.read_plane = offset & 3;
		t.write_planes &= 1u << t.read_plane;
		t.address = offset & ~3u;
	} else {
		if (!(v->seq[SEQ_MEMORY_MODE] & SEQ_MEMORY_SEQUENTIAL))
			t.write_planes &= offset & 1 ? 0xa : 0x5;
		if (v->gc[GC_MODE] & GC_MODE_ODD_EVEN)
			t.read_plane = (t.read_plane & 2) | (offset & 1);
		if (v->gc[GC_MISC] & GC_MISC_CHAIN_ODD_EVEN)
			offset &= ~1u;
		t.address = offset * 4;
	}
	t.address &= v->memory_size - 1;
	t.quad = v->memory + t.address;
	return t;
}

static uint8_t plane_read(struct vga *v, uint32_t offset)
{
	struct target t = find_target(v, offset);

	v->latch = le32_load(t.quad);
	if (!(v->gc[GC_MODE] & GC_MODE_READ1))
		return (uint8_t)(v->latch >> 8 * t.read_plane);
	uint32_t differs = (v->latch ^ spread(v->gc[GC_COLOR_COMPARE])) & spread(v->gc[GC_COLOR_DONT_CARE]);

	differs |= differs >> 16;
	return (uint8_t) ~(differs | differs >> 8);
}

static void plane_write(struct vga *v, uint32_t offset, uint8_t value)
{
	struct target t = find_target(v, offset);
	uint32_t planes = spread(t.write_planes);

	if (!planes)
		return;
	le32_store(t.quad, (le32_load(t.quad) & ~planes) | (written(v, value) & planes));
	vga_mark_dirty(v, t.address);
	if (t.write_planes & 4)
		v->font_written = true;
}

/* ---- the trapped region ---- */

static uint8_t *packed_byte(const struct vga *v, uint32_t offset)
{
	return v->memory + ((bank_offset(v) + offset) & (v->memory_size - 1));
}

static uint64_t planes_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct vga *v = (struct vga *)d;
	struct range window = window_range(v);
	uint64_t value = 0;

	(void)r;
	for (unsigned i = 0; i < size; i++) {
		uint32_t at = (uint32_t)offset + i - window.offset; /* wraps to a large number below the window */
		uint8_t byte = 0xff;

		if (at < window.size && window_open(v))
			byte = vbe_packed(v) ? *packed_byte(v, at) : plane_read(v, at);
		value |= (uint64_t)byte << 8 * i;
	}
	return value;
}

/* Packed accesses come here only when they were under way (or batched) while the linear window was being mapped. */
static void planes_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vga *v = (struct vga *)d;
	struct range window = window_range(v);

	(void)r;
	if (!window_open(v))
		return;
	for (unsigned i = 0; i < size; i++, value >>= 8) {
		uint32_t at = (uint32_t)offset + i - window.offset;

		if (at >= window.size)
			continue;
		if (vbe_packed(v)) {
			*packed_byte(v, at) = (uint8_t)value;
			vga_mark_dirty(v, (uint32_t)(packed_byte(v, at) - v->memory));
		} else {
			plane_write(v, at, (uint8_t)value);
		}
	}
}

const struct region_ops vga_planes_ops = { .read = planes_read, .write = planes_write, .max_size = 8 };

/* ---- the linear window ---- */

static bool collect_window(struct vga *v)
{
	uint64_t pages[VGA_WINDOW_SIZE / VGA_PAGE / 64 + 1] = { 0 };
	uint32_t first = (uint32_t)(v->window.host - v->memory) / VGA_PAGE;
	bool any = false;

	memory_dirty(v->pci.device.board->memory, &v->window, pages);
	for (uint32_t i = 0; i < v->window.size / VGA_PAGE; i++) {
		if (!(pages[i / 64] >> i % 64 & 1))
			continue;
		vga_mark_dirty(v, (first + i) * VGA_PAGE);
		any = true;
	}
	return any;
}

void vga_window_update(struct vga *v)
{
	struct memory *memory = v->pci.device.board->memory;
	struct range range = window_range(v);
	uint64_t base = VGA_WINDOW_BASE + range.offset;
	uint8_t *host = v->memory + bank_offset(v);
	/* Where a bank's window would reach over the end of video memory, the trap wraps around. */
	bool fits = range_within(bank_offset(v), range.size, v->memory_size);
	bool wanted = fits && window_open(v) && (vbe_packed(v) || (!vbe_enabled(v) && chain4_linear(v)));

	if (v->window.mapped) {
		if (wanted && v->window.base == base && v->window.size == range.size && v->window.host == host)
			return;
		if (collect_window(v))
			v->font_written = true;
		memory_unmap(memory, &v->window);
	}
	if (!wanted)
		return;
	v->window.host = host;
	v->window.size = range.size;
	memory_map(memory, &v->window, base); /* refused: the trap answers, slower */
}

static bool any_bit(const uint64_t *bits, size_t words)
{
	uint64_t all = 0;

	for (size_t i = 0; i < words; i++)
		all |= bits[i];
	return all;
}

bool vga_collect_dirty(struct vga *v)
{
	size_t words = v->memory_size / VGA_PAGE / 64;
	bool window = v->window.mapped && collect_window(v);

	if (!v->lfb.mapped)
		return window;
	memset(v->lfb_dirty, 0, words * sizeof(v->lfb_dirty[0]));
	memory_dirty(v->pci.device.board->memory, &v->lfb, v->lfb_dirty);
	for (size_t i = 0; i < words; i++)
		v->dirty[i] |= v->lfb_dirty[i];
	return any_bit(v->lfb_dirty, words) || window;
}
