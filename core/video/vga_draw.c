/* SPDX-License-Identifier: MIT */
/*
 * A refresh: find what may have changed since the last one (registers, dirty pages, text cells), draw those lines,
 * and compare them with what the screen shows, so that the damage is exact to the pixel.
 */
#include "core/video/vga_private.h"

/* The cursor is 8 frames on and 8 off, blinking text 16 and 16: at 60 Hz of guest time. */
#define CURSOR_PHASE (NS_PER_SECOND * 8 / 60)

static void show_line(struct screen *s, uint32_t y, const uint32_t *line)
{
	uint32_t *shown = s->pixels + (size_t)y * s->width;
	uint32_t left = 0, right = s->width;

	if (!memcmp(shown, line, (size_t)s->width * 4))
		return;
	/* line may be guest memory that changes under us: no further than the bounds, whatever memcmp said */
	while (left < right && shown[left] == line[left])
		left++;
	while (left < right && shown[right - 1] == line[right - 1])
		right--;
	memcpy(shown + left, line + left, (size_t)(right - left) * 4);
	screen_damage(s, left, y, right - left, 1);
}

static bool range_dirty(const struct vga *v, uint32_t first, uint32_t last)
{
	for (uint32_t page = first / VGA_PAGE; page <= last / VGA_PAGE; page++) {
		if (v->dirty[page / 64] >> page % 64 & 1)
			return true;
	}
	return false;
}

/* ---- pictures that the CRTC's counters scan ---- */

/* One unit more than is shown, for panning. A line that wraps around the end of a plane counts as dirty. */
static bool scan_dirty(const struct vga *v, const struct vga_scan *at)
{
	uint32_t first = vga_plane_offset(&v->view, at->counter, at->row_scan);
	uint32_t last = vga_plane_offset(&v->view, at->counter + v->view.units, at->row_scan);

	return last < first || range_dirty(v, first * 4, last * 4 + 3);
}

/* A new row of characters has come: keeps its text, and says whether it differs from what was drawn in its place. */
static bool text_row_changed(struct vga *v, uint32_t counter, uint32_t row)
{
	const struct vga_view *w = &v->view;
	struct screen *s = v->screen;
	uint32_t drawn = w->units + (w->pan ? 1 : 0);
	bool changed = false;

	if (row >= VGA_TEXT_ROWS)
		return true;
	for (uint32_t i = 0; i < MIN(drawn, VGA_TEXT_COLUMNS); i++) {
		uint32_t cell = vga_cell(v, counter + i);

		changed |= v->cells[row][i] != cell;
		v->cells[row][i] = cell;
		if (i < s->columns)
			s->text[row * s->columns + i] = (uint8_t)cell;
	}
	return changed || drawn > VGA_TEXT_COLUMNS;
}

/* To the next scan line; true when a row of characters begins there. */
static bool scan_next(const struct vga_view *w, struct vga_scan *at, uint32_t y)
{
	if (y == w->line_compare) {
		*at = (struct vga_scan){ .pan = w->split_pan };
		return true;
	}
	if (w->doubled) {
		at->repeating = !at->repeating;
		if (at->repeating)
			return false;
	}
	if (at->row_scan != w->max_scan) {
		at->row_scan = (at->row_scan + 1) & 0x1f;
		return false;
	}
	at->row_scan = 0;
	at->counter += w->stride;
	return true;
}

static void draw_scanned(struct vga *v, bool all)
{
	const struct vga_view *w = &v->view;
	const uint32_t in_address = ~w->crtc_mode & (CRTC_MODE_NO_RA0 | CRTC_MODE_NO_RA1);
	const uint32_t row_scan_bits = w->kind == VIEW_TEXT ? 0x1f : in_address;
	struct vga_scan at = { .counter = w->start, .row_scan = w->preset, .pan = w->pan }, drawn = at;
	const uint32_t *pixels = NULL; /* of drawn */
	bool begins = true, changed = all;
	uint32_t row = 0;

	for (uint32_t y = 0; y < w->height; y++) {
		if (w->kind != VIEW_TEXT)
			changed = all || scan_dirty(v, &at);
		else if (begins)
			changed = text_row_changed(v, at.counter, row++) || all;
		if (changed) {
			if (!pixels || at.counter != drawn.counter || at.pan != drawn.pan ||
			    (at.row_scan ^ drawn.row_scan) & row_scan_bits)
				pixels = vga_draw_scan(v, &at);
			drawn = at;
			show_line(v->screen, y, pixels);
		}
		begins = scan_next(w, &at, y);
	}
	v->screen->rows = w->kind == VIEW_TEXT ? MIN(row, VGA_TEXT_ROWS) : 0;
}

/* ---- packed pixels ---- */

static void draw_linear(struct vga *v, bool all)
{
	const struct vga_view *w = &v->view;
	uint32_t length = w->width * ((w->bpp + 7) / 8);

	for (uint32_t y = 0; y < w->height; y++) {
		uint32_t address = (w->start + y * w->stride) & (v->memory_size - 1);
		bool wraps = length > v->memory_size - address;

		if (all || wraps || range_dirty(v, address, address + length - 1))
			show_line(v->screen, y, vga_draw_linear(v, address));
	}
}

static void draw_blank(struct vga *v)
{
	memset(v->line, 0, sizeof(v->line));
	for (uint32_t y = 0; y < v->screen->height; y++)
		show_line(v->screen, y, v->line);
}

/* ---- the refresh ---- */

static uint32_t dac_color(const struct vga *v, uint8_t index)
{
	const uint8_t *rgb = v->dac[index & v->dac_mask];

	if (v->vbe[VBE_ENABLE] & VBE_8BIT_DAC)
		return (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
	uint32_t six = (rgb[0] & 63u) << 16 | (rgb[1] & 63u) << 8 | (rgb[2] & 63u);

	return six << 2 | (six >> 4 & 0x030303);
}

/* AR0-15 make six bits; AR14 adds two above, and can take over bits 5-4. */
static uint8_t pen_index(const struct vga *v, unsigned pen)
{
	uint8_t index = v->attr[pen & v->attr[ATTR_PLANES] & 15], select = v->attr[ATTR_COLOR_SELECT];

	if (v->attr[ATTR_MODE] & ATTR_MODE_P54_SELECT)
		index = (uint8_t)((index & 0x0f) | (select & 3) << 4);
	return (uint8_t)(index | (select & 0x0c) << 4);
}

static bool palette_update(struct vga *v)
{
	bool changed = false;
	uint32_t color;

	for (unsigned i = 0; i < 256; i++) {
		color = dac_color(v, (uint8_t)i);
		changed |= v->palette[i] != color;
		v->palette[i] = color;
	}
	for (unsigned i = 0; i < 16; i++) {
		color = v->palette[pen_index(v, i)];
		changed |= v->pens[i] != color;
		v->pens[i] = color;
	}
	return changed;
}

/* Text that scrolls by its start address is found out cell by cell. */
static bool same_picture(const struct vga_view *a, const struct vga_view *b)
{
	struct vga_view c = *b;

	if (a->kind == VIEW_TEXT)
		c.start = a->start;
	return !memcmp(a, &c, sizeof(c));
}

static void blink_update(struct vga *v)
{
	const uint8_t *crtc = v->crtc;
	uint64_t phase = device_now(&v->pci.device) / CURSOR_PHASE;
	bool on = !(crtc[CRTC_CURSOR_START] & 0x20) && !(phase & 1);

	v->cursor = on ? (uint32_t)(crtc[CRTC_CURSOR_HIGH] << 8 | crtc[CRTC_CURSOR_LOW]) : UINT32_MAX;
	v->blink_dark = phase >> 1 & 1;
}

/* Takes over what the registers say now; returns whether every line must be drawn. */
static bool view_update(struct vga *v)
{
	struct vga_view w = vga_view_now(v);
	bool written = vga_collect_dirty(v);
	bool all = palette_update(v) || v->redraw || !same_picture(&v->view, &w);

	/* Which of the pages that came through a slot hold fonts cannot be told: planes are interleaved. */
	if (w.kind == VIEW_TEXT && (written || v->font_written))
		all = true;
	v->view = w;
	v->redraw = v->font_written = false;
	blink_update(v);
	return all;
}

static void draw(struct vga *v, bool all)
{
	struct screen *s = v->screen;

	s->columns = v->view.kind == VIEW_TEXT ? MIN(v->view.units, VGA_TEXT_COLUMNS) : 0;
	switch (v->view.kind) {
	case VIEW_BLANK:
		if (all)
			draw_blank(v);
		s->rows = 0;
		break;
	case VIEW_LINEAR:
		draw_linear(v, all);
		s->rows = 0;
		break;
	default:
		draw_scanned(v, all);
	}
}

void vga_refresh(struct device *d)
{
	struct vga *v = (struct vga *)d;
	struct screen *s = v->screen;
	bool all;

	if (!s)
		return;
	all = view_update(v);
	if (v->view.width && (v->view.width != s->width || v->view.height != s->height)) {
		screen_resize(s, v->view.width, v->view.height);
		all = true;
	}
	draw(v, all);
	memset(v->dirty, 0, v->memory_size / VGA_PAGE / 8);
	if (s->changed && (s->size_changed || s->x0 < s->x1))
		s->changed(s->context, s);
}
