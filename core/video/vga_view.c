/* SPDX-License-Identifier: MIT */
/* What the registers mean: the picture they ask for, and where the beam is. */
#include "core/video/vga_private.h"

/* ---- numbers that the CRTC keeps in pieces ---- */

static uint32_t overflow_bit(const struct vga *v, unsigned from, unsigned to)
{
	return (uint32_t)(v->crtc[CRTC_OVERFLOW] >> from & 1) << to;
}

static uint32_t vertical_total(const struct vga *v)
{
	return (v->crtc[CRTC_V_TOTAL] | overflow_bit(v, 0, 8) | overflow_bit(v, 5, 9)) + 2;
}

static uint32_t vertical_display_end(const struct vga *v)
{
	return (v->crtc[CRTC_V_DISPLAY_END] | overflow_bit(v, 1, 8) | overflow_bit(v, 6, 9)) + 1;
}

static uint32_t vertical_retrace_start(const struct vga *v)
{
	return v->crtc[CRTC_V_RETRACE_START] | overflow_bit(v, 2, 8) | overflow_bit(v, 7, 9);
}

static uint32_t line_compare(const struct vga *v)
{
	return v->crtc[CRTC_LINE_COMPARE] | overflow_bit(v, 4, 8) | (v->crtc[CRTC_MAX_SCAN] & 0x40u) << 3;
}

static uint32_t dots_per_unit(const struct vga *v)
{
	return v->seq[SEQ_CLOCKING] & SEQ_CLOCKING_8_DOTS ? 8 : 9;
}

static uint32_t clock_divider(const struct vga *v)
{
	return v->seq[SEQ_CLOCKING] & SEQ_CLOCKING_HALF ? 2 : 1;
}

/* ---- the picture ---- */

static uint32_t vga_kind(const struct vga *v)
{
	if (!(v->gc[GC_MISC] & GC_MISC_GRAPHICS))
		return VIEW_TEXT;
	if (v->gc[GC_MODE] & GC_MODE_SHIFT_256)
		return VIEW_256;
	return v->gc[GC_MODE] & GC_MODE_SHIFT_CGA ? VIEW_CGA : VIEW_PLANAR;
}

/* SR3: the offset in plane 2 of the font for attribute bit 3 clear (0) or set (1). Two bits choose 16 KiB, the
 * third 8 KiB in it. */
static uint32_t font_offset(const struct vga *v, unsigned which)
{
	uint32_t select = v->seq[SEQ_FONT];
	uint32_t map = which ? select >> 2 & 3 : select & 3;
	uint32_t half = which ? select >> 5 & 1 : select >> 4 & 1;

	return map << 14 | half << 13;
}

static void text_view(const struct vga *v, struct vga_view *w)
{
	w->dots = dots_per_unit(v);
	w->fonts[0] = font_offset(v, 0);
	w->fonts[1] = font_offset(v, 1);
	w->underline = v->crtc[CRTC_UNDERLINE] & 0x1f;
	w->line_graphics = v->attr[ATTR_MODE] & ATTR_MODE_LINE_GRAPHICS;
	w->blink = v->attr[ATTR_MODE] & ATTR_MODE_BLINK;
	w->cursor_start = v->crtc[CRTC_CURSOR_START] & 0x1f;
	w->cursor_end = v->crtc[CRTC_CURSOR_END] & 0x1f;
}

/* AR13. Nine dot characters count 8, 0, 1 .. 7 for a shift of 0 to 8; 256-colour pixels are two dots wide. */
static uint32_t panning(const struct vga *v, const struct vga_view *w)
{
	uint32_t pan = v->attr[ATTR_PAN];

	if (w->kind == VIEW_TEXT && w->dots == 9)
		return pan >= 8 ? 0 : pan + 1;
	return pan & (w->kind == VIEW_256 ? 6 : 7);
}

static struct vga_view vga_modes(const struct vga *v)
{
	struct vga_view w = { .kind = vga_kind(v), .dots = 8, .counter_mask = 0xffff };

	if (w.kind == VIEW_TEXT)
		text_view(v, &w);
	w.scale = clock_divider(v);
	w.units = MIN(v->crtc[CRTC_H_DISPLAY_END] + 1u, SCREEN_MAX_WIDTH / (w.dots * w.scale));
	w.width = w.units * w.dots * w.scale;
	w.height = MIN(vertical_display_end(v), SCREEN_MAX_HEIGHT);
	w.start = vga_start_address(v) + (v->crtc[CRTC_PRESET_ROW_SCAN] >> 5 & 3);
	w.stride = v->crtc[CRTC_OFFSET] * 2u;
	w.max_scan = v->crtc[CRTC_MAX_SCAN] & 0x1f;
	w.doubled = v->crtc[CRTC_MAX_SCAN] >> 7;
	w.preset = v->crtc[CRTC_PRESET_ROW_SCAN] & 0x1f;
	w.line_compare = line_compare(v);
	w.pan = panning(v, &w);
	w.split_pan = v->attr[ATTR_MODE] & ATTR_MODE_SPLIT_PAN ? 0 : w.pan;
	w.crtc_mode = v->crtc[CRTC_MODE] & (CRTC_MODE_NO_RA0 | CRTC_MODE_NO_RA1 | CRTC_MODE_WRAP_15 | CRTC_MODE_BYTE);
	w.dword = v->crtc[CRTC_UNDERLINE] & CRTC_UNDERLINE_DWORD;
	return w;
}

static struct vga_view vbe_modes(const struct vga *v)
{
	struct vga_view w = { .kind = VIEW_LINEAR,
		              .width = v->vbe[VBE_XRES],
		              .height = v->vbe[VBE_YRES],
		              .bpp = v->vbe[VBE_BPP],
		              .stride = vbe_stride(v) };

	if (w.bpp > 4) {
		w.start = v->vbe[VBE_Y_OFFSET] * w.stride + v->vbe[VBE_X_OFFSET] * ((w.bpp + 7) / 8);
		w.start &= v->memory_size - 1;
		return w;
	}
	w.kind = VIEW_PLANAR;
	w.dots = 8;
	w.scale = 1;
	w.units = (w.width + 7) / 8;
	w.start = v->vbe[VBE_Y_OFFSET] * w.stride + v->vbe[VBE_X_OFFSET] / 8u;
	w.pan = w.split_pan = v->vbe[VBE_X_OFFSET] & 7;
	w.line_compare = UINT32_MAX;
	w.crtc_mode = CRTC_MODE_NO_RA0 | CRTC_MODE_NO_RA1 | CRTC_MODE_BYTE;
	w.counter_mask = v->memory_size / 4 - 1;
	return w;
}

/* Dark: nothing is programmed yet, the screen is switched off (SR1), or the palette belongs to the CPU (AR index
 * bit 5). */
struct vga_view vga_view_now(const struct vga *v)
{
	struct vga_view w;

	if (!vbe_enabled(v) && !(v->crtc[CRTC_MODE] & CRTC_MODE_RUN))
		return (struct vga_view){ .kind = VIEW_BLANK };
	w = vbe_enabled(v) ? vbe_modes(v) : vga_modes(v);
	if (!(v->attr_index & ATTR_VIDEO_ON) || (!vbe_enabled(v) && v->seq[SEQ_CLOCKING] & SEQ_CLOCKING_SCREEN_OFF))
		return (struct vga_view){ .kind = VIEW_BLANK, .width = w.width, .height = w.height };
	return w;
}

/* ---- the beam ---- */

struct timing {
	uint64_t line, frame; /* guest ns */
	uint64_t shown;       /* ns of a line before its blanking */
	uint32_t lines_shown, retrace;
};

/* 640x480 at 60 Hz: for VBE modes, whose timing nobody programs, and for registers that make no frame a monitor
 * would show. */
static const struct timing default_timing = {
	.line = 31746,
	.frame = 31746 * 525,
	.shown = 25397,
	.lines_shown = 480,
	.retrace = 490,
};

static struct timing beam_timing(const struct vga *v)
{
	const uint64_t khz = (v->misc >> 2 & 3) == 1 ? 28322 : 25175;
	uint64_t units = v->crtc[CRTC_H_TOTAL] + 5u, shown = v->crtc[CRTC_H_DISPLAY_END] + 1u;
	struct timing t = { .lines_shown = vertical_display_end(v), .retrace = vertical_retrace_start(v) };

	t.line = units * dots_per_unit(v) * clock_divider(v) * 1000000 / khz;
	t.frame = t.line * vertical_total(v);
	t.shown = t.line * shown / units;
	bool sane = v->crtc[CRTC_MODE] & CRTC_MODE_RUN && shown < units && t.lines_shown <= t.retrace &&
	            t.retrace < vertical_total(v) && t.frame > NS_PER_SECOND / 200 && t.frame < NS_PER_SECOND / 20;

	return sane && !vbe_enabled(v) ? t : default_timing;
}

/* Bit 0: not displaying; bit 3: vertical retrace. Programs wait for both edges of bit 3; it is real for two lines
 * (64 us), which a guest that leaves its CPU for each look can miss for seconds: ours lasts to the end of the
 * frame, about 1 ms. */
uint8_t vga_input_status_1(struct vga *v)
{
	struct timing t = beam_timing(v);
	uint64_t now = device_now(&v->pci.device) % t.frame;
	uint64_t line = now / t.line;
	bool retrace = line >= t.retrace;
	bool blank = line >= t.lines_shown || now % t.line >= t.shown;

	return (uint8_t)(retrace << 3 | blank);
}
