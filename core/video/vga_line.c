/* SPDX-License-Identifier: MIT */
/* Video memory to pixels, one scan line at a time. */
#include "core/video/vga_private.h"

#define CELL_CURSOR 0x10000u
#define CELL_DARK 0x20000u

uint32_t vga_plane_offset(const struct vga_view *w, uint32_t counter, uint32_t row_scan)
{
	uint32_t address = counter & w->counter_mask, carried;

	/* Double word mode serves chain-4, which our memory layout has already undone. */
	if (!w->dword && !(w->crtc_mode & CRTC_MODE_BYTE)) {
		carried = address >> (w->crtc_mode & CRTC_MODE_WRAP_15 ? 15 : 13) & 1;
		address = (address << 1 | carried) & w->counter_mask;
	}
	if (!(w->crtc_mode & CRTC_MODE_NO_RA0))
		address = (address & ~0x2000u) | (row_scan & 1) << 13;
	if (!(w->crtc_mode & CRTC_MODE_NO_RA1))
		address = (address & ~0x4000u) | (row_scan >> 1 & 1) << 14;
	return address;
}

/* counter_mask is at most memory_size / 4 - 1, so the four bytes are there. */
static const uint8_t *planes_at(const struct vga *v, uint32_t counter, uint32_t row_scan)
{
	return v->memory + (size_t)vga_plane_offset(&v->view, counter, row_scan) * 4;
}

/* ---- text ---- */

uint32_t vga_cell(const struct vga *v, uint32_t counter)
{
	const uint8_t *quad = planes_at(v, counter, 0);
	uint32_t cell = le16_load(quad);

	if ((counter & v->view.counter_mask) == v->cursor)
		cell |= CELL_CURSOR;
	if (v->blink_dark && v->view.blink && cell & 0x8000)
		cell |= CELL_DARK;
	return cell;
}

/* The dots of a cell's line, leftmost in the highest of `dots` bits. */
static uint32_t glyph_line(const struct vga *v, uint32_t cell, uint32_t row_scan)
{
	const struct vga_view *w = &v->view;
	uint32_t character = cell & 0xff, attribute = cell >> 8 & 0xff;
	uint32_t all = (1u << w->dots) - 1, bits;

	if (cell & CELL_CURSOR && row_scan >= w->cursor_start && row_scan <= w->cursor_end)
		return all;
	if (cell & CELL_DARK)
		return 0;
	if (row_scan == w->underline && (attribute & 0x77) == 0x01) /* monochrome's underlined attribute */
		return all;
	bits = v->memory[((w->fonts[attribute >> 3 & 1] + character * 32 + row_scan) & 0xffff) * 4 + 2];
	if (w->dots == 9)
		bits = bits << 1 | (w->line_graphics && character >= 0xc0 && character <= 0xdf ? bits & 1 : 0);
	return bits;
}

static uint32_t *text_unit(const struct vga *v, uint32_t counter, uint32_t row_scan, uint32_t *out)
{
	uint32_t cell = vga_cell(v, counter), attribute = cell >> 8 & 0xff;
	uint32_t front = v->pens[attribute & 15], back = v->pens[attribute >> 4 & (v->view.blink ? 7 : 15)];
	uint32_t bits = glyph_line(v, cell, row_scan);

	for (unsigned dot = v->view.dots; dot--;)
		*out++ = bits >> dot & 1 ? front : back;
	return out;
}

/* ---- graphics through the shift registers ---- */

/* Bit 7 - i of b in byte i: eight pixels, leftmost first. (b times 2^9k puts bit 7 - k on top of byte k, and no
 * two meet.) */
static uint64_t spread_pixels(uint8_t b)
{
	return b * 0x8040201008040201ull >> 7 & 0x0101010101010101ull;
}

static uint32_t *planar_unit(const struct vga *v, uint32_t counter, uint32_t row_scan, uint32_t *out)
{
	const uint8_t *quad = planes_at(v, counter, row_scan);
	uint64_t pixels = spread_pixels(quad[0]) | spread_pixels(quad[1]) << 1 | spread_pixels(quad[2]) << 2 |
	                  spread_pixels(quad[3]) << 3;

	for (unsigned i = 0; i < 8; i++)
		*out++ = v->pens[pixels >> 8 * i & 15];
	return out;
}

/* GR5 bit 5: planes 0 and 1 give two bits to each pixel, one after the other; planes 2 and 3 two more above them. */
static uint32_t *cga_unit(const struct vga *v, uint32_t counter, uint32_t row_scan, uint32_t *out)
{
	const uint8_t *quad = planes_at(v, counter, row_scan);
	uint32_t low = (uint32_t)quad[0] << 8 | quad[1], high = (uint32_t)quad[2] << 8 | quad[3];

	for (int shift = 14; shift >= 0; shift -= 2)
		*out++ = v->pens[(low >> shift & 3) | (high >> shift & 3) << 2];
	return out;
}

static uint32_t *bytes_unit(const struct vga *v, uint32_t counter, uint32_t row_scan, uint32_t *out)
{
	const uint8_t *quad = planes_at(v, counter, row_scan);

	for (unsigned i = 0; i < 4; i++, out += 2)
		out[0] = out[1] = v->palette[quad[i]];
	return out;
}

static void double_pixels(uint32_t *line, uint32_t count)
{
	while (count--)
		line[2 * count] = line[2 * count + 1] = line[count];
}

const uint32_t *vga_draw_scan(struct vga *v, const struct vga_scan *at)
{
	static uint32_t *(*const draw_unit[])(const struct vga *, uint32_t, uint32_t, uint32_t *) = {
		[VIEW_TEXT] = text_unit,
		[VIEW_PLANAR] = planar_unit,
		[VIEW_CGA] = cga_unit,
		[VIEW_256] = bytes_unit,
	};
	const struct vga_view *w = &v->view;
	uint32_t *out = v->line;
	uint32_t units = w->units + (at->pan ? 1 : 0);

	for (uint32_t i = 0; i < units; i++)
		out = draw_unit[w->kind](v, at->counter + i, at->row_scan, out);
	if (w->scale == 2)
		double_pixels(v->line, (uint32_t)(out - v->line));
	return v->line + at->pan * w->scale;
}

/* ---- packed pixels ---- */

static void convert_8(const struct vga *v, const uint8_t *in, uint32_t *out, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		out[i] = v->palette[in[i]];
}

/* n bits of colour to 8: the upper bits again below, so that full is full. */
static uint32_t widen(uint32_t value, unsigned bits)
{
	return value << (8 - bits) | value >> (2 * bits - 8);
}

static void convert_15(const struct vga *v, const uint8_t *in, uint32_t *out, uint32_t count)
{
	(void)v;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t p = le16_load(in + 2 * i);

		out[i] = widen(p >> 10 & 31, 5) << 16 | widen(p >> 5 & 31, 5) << 8 | widen(p & 31, 5);
	}
}

static void convert_16(const struct vga *v, const uint8_t *in, uint32_t *out, uint32_t count)
{
	(void)v;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t p = le16_load(in + 2 * i);

		out[i] = widen(p >> 11, 5) << 16 | widen(p >> 5 & 63, 6) << 8 | widen(p & 31, 5);
	}
}

static void convert_24(const struct vga *v, const uint8_t *in, uint32_t *out, uint32_t count)
{
	(void)v;
	for (uint32_t i = 0; i < count; i++, in += 3)
		out[i] = in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16;
}

/* Bytes at address, where video memory may end and begin anew within a line: then it is put together in bounce. */
static const uint8_t *line_bytes(const struct vga *v, uint32_t address, uint32_t length, uint8_t *bounce)
{
	uint32_t left = v->memory_size - address;

	if (length <= left)
		return v->memory + address;
	memcpy(bounce, v->memory + address, left);
	memcpy(bounce + left, v->memory, length - left);
	return bounce;
}

const uint32_t *vga_draw_linear(struct vga *v, uint32_t address)
{
	const struct vga_view *w = &v->view;
	uint8_t bounce[SCREEN_MAX_WIDTH * 4] __attribute__((aligned(4)));
	const uint8_t *in = line_bytes(v, address, w->width * ((w->bpp + 7) / 8), bounce);

	switch (w->bpp) {
	case 8:
		convert_8(v, in, v->line, w->width);
		break;
	case 15:
		convert_15(v, in, v->line, w->width);
		break;
	case 16:
		convert_16(v, in, v->line, w->width);
		break;
	case 24:
		convert_24(v, in, v->line, w->width);
		break;
	default: /* 32: as the screen has it; address is a multiple of 4 because start and stride are */
		if (in != bounce)
			return (const uint32_t *)(const void *)in;
		memcpy(v->line, bounce, (size_t)w->width * 4);
	}
	return v->line;
}
