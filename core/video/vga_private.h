/* SPDX-License-Identifier: MIT */
/*
 * What the files of the VGA share. Register names and indices are those of the IBM VGA (PS/2 Hardware Interface
 * Technical Reference, "Video Subsystem"); SRx, GRx, CRx and ARx in comments are register x of the sequencer,
 * graphics controller, CRTC and attribute controller. VBE registers: Bochs' "VBE DISPI" interface, version 5.
 *
 * Video memory: byte `offset` of plane p is memory[offset * 4 + p]. A chain-4 or VBE packed address is simply a
 * byte of memory.
 */
#ifndef VITRINE_VGA_PRIVATE_H
#define VITRINE_VGA_PRIVATE_H

#include "core/chipset/pci.h"
#include "core/video/screen.h"
#include "core/video/vga.h"

#define VGA_WINDOW_BASE 0xa0000u
#define VGA_WINDOW_SIZE 0x20000u
#define VGA_PAGE 4096u
#define VGA_MEMORY_MIN (256u << 10) /* a VGA's four planes of 64 KiB */
#define VGA_MEMORY_MAX (256u << 20) /* far from where 32-bit addresses in it would overflow */

enum sequencer_register { SEQ_RESET, SEQ_CLOCKING, SEQ_MAP_MASK, SEQ_FONT, SEQ_MEMORY_MODE, SEQ_COUNT };
#define SEQ_CLOCKING_8_DOTS 0x01
#define SEQ_CLOCKING_HALF 0x08
#define SEQ_CLOCKING_SCREEN_OFF 0x20
#define SEQ_MEMORY_SEQUENTIAL 0x04 /* 0: odd/even */
#define SEQ_MEMORY_CHAIN4 0x08

enum graphics_register {
	GC_SET_RESET,
	GC_SET_RESET_ENABLE,
	GC_COLOR_COMPARE,
	GC_ROTATE,
	GC_READ_MAP,
	GC_MODE,
	GC_MISC,
	GC_COLOR_DONT_CARE,
	GC_BIT_MASK,
	GC_COUNT
};
#define GC_MODE_WRITE 0x03
#define GC_MODE_READ1 0x08
#define GC_MODE_ODD_EVEN 0x10
#define GC_MODE_SHIFT_CGA 0x20
#define GC_MODE_SHIFT_256 0x40
#define GC_MISC_GRAPHICS 0x01
#define GC_MISC_CHAIN_ODD_EVEN 0x02

enum crtc_register {
	CRTC_H_TOTAL,
	CRTC_H_DISPLAY_END,
	CRTC_V_TOTAL = 0x06,
	CRTC_OVERFLOW,
	CRTC_PRESET_ROW_SCAN,
	CRTC_MAX_SCAN,
	CRTC_CURSOR_START,
	CRTC_CURSOR_END,
	CRTC_START_HIGH,
	CRTC_START_LOW,
	CRTC_CURSOR_HIGH,
	CRTC_CURSOR_LOW,
	CRTC_V_RETRACE_START,
	CRTC_V_RETRACE_END,
	CRTC_V_DISPLAY_END,
	CRTC_OFFSET,
	CRTC_UNDERLINE,
	CRTC_V_BLANK_START,
	CRTC_V_BLANK_END,
	CRTC_MODE,
	CRTC_LINE_COMPARE,
	CRTC_COUNT
};
#define CRTC_PROTECT 0x80      /* of V_RETRACE_END */
#define CRTC_OVERFLOW_LC8 0x10 /* the one bit that PROTECT leaves open */
#define CRTC_MODE_NO_RA0 0x01  /* 0: row scan bit 0 is address bit 13 (CGA) */
#define CRTC_MODE_NO_RA1 0x02  /* 0: row scan bit 1 is address bit 14 (Hercules) */
#define CRTC_MODE_WRAP_15 0x20 /* word mode: address bit 0 is counter bit 15, else 13 */
#define CRTC_MODE_BYTE 0x40
#define CRTC_MODE_RUN 0x80
#define CRTC_UNDERLINE_DWORD 0x40

enum attribute_register { ATTR_MODE = 0x10, ATTR_OVERSCAN, ATTR_PLANES, ATTR_PAN, ATTR_COLOR_SELECT, ATTR_COUNT };
#define ATTR_VIDEO_ON 0x20 /* of the index register */
#define ATTR_MODE_LINE_GRAPHICS 0x04
#define ATTR_MODE_BLINK 0x08
#define ATTR_MODE_SPLIT_PAN 0x20 /* no panning below the line compare */
#define ATTR_MODE_P54_SELECT 0x80

#define MISC_COLOR 0x01 /* registers at 3dx, not 3bx */
#define MISC_RAM_ENABLE 0x02

enum dac_state { DAC_WRITING = 0, DAC_READING = 3 }; /* as port 3c7 says it */

enum vbe_register {
	VBE_ID,
	VBE_XRES,
	VBE_YRES,
	VBE_BPP,
	VBE_ENABLE,
	VBE_BANK,
	VBE_VIRT_WIDTH,
	VBE_VIRT_HEIGHT,
	VBE_X_OFFSET,
	VBE_Y_OFFSET,
	VBE_VIDEO_MEMORY_64K,
	VBE_COUNT
};
#define VBE_ENABLED 0x01
#define VBE_GETCAPS 0x02
#define VBE_8BIT_DAC 0x20
#define VBE_LFB_ENABLED 0x40
#define VBE_NOCLEARMEM 0x80

#define VGA_TEXT_COLUMNS 132 /* screen.text's size; a larger text screen is drawn without the cell cache */
#define VGA_TEXT_ROWS 60
#define VGA_LINE_SPARE 32 /* pixels that a line may draw beyond the screen, before panning cuts it */

enum view_kind { VIEW_NONE, VIEW_BLANK, VIEW_TEXT, VIEW_PLANAR, VIEW_CGA, VIEW_256, VIEW_LINEAR };

/* What the registers ask to be shown. uint32_t only, so that two are equal when their bytes are. */
struct vga_view {
	uint32_t kind, width, height;
	uint32_t start, stride; /* VIEW_LINEAR: bytes, else address counter steps */
	uint32_t bpp;           /* VIEW_LINEAR */
	uint32_t units, dots;   /* character clocks in a line, pixels in each */
	uint32_t scale;         /* 2: half dot clock, every pixel is two */
	uint32_t max_scan, preset, doubled;
	uint32_t line_compare, pan, split_pan;
	uint32_t crtc_mode, dword; /* how the counter becomes an address */
	uint32_t counter_mask;
	uint32_t fonts[2], underline, line_graphics, blink, cursor_start, cursor_end;
};

struct vga {
	struct pci_device pci; /* first */

	/* fixed at creation */
	struct screen *screen;
	uint8_t *memory;
	uint32_t memory_size; /* a power of two */
	struct region ports, vbe_ports, planes, mmio;
	struct slot lfb, window, rom;

	/* the register file: this is the state, with the video memory */
	uint8_t misc, feature, subsystem;
	uint8_t seq_index, seq[SEQ_COUNT];
	uint8_t gc_index, gc[GC_COUNT];
	uint8_t crtc_index, crtc[CRTC_COUNT];
	uint8_t attr_index, attr[ATTR_COUNT];
	bool attr_data; /* the flip-flop: the next write to 3c0 is data */
	uint8_t dac_mask, dac_read, dac_write, dac_component, dac_state;
	uint8_t dac_latch[3]; /* a colour comes into force with its third byte */
	uint8_t dac[256][3];
	uint32_t latch; /* the four planes' latches, plane 0 lowest */
	uint16_t vbe_index, vbe[VBE_COUNT];

	/* drawing: can be made anew at any time */
	uint64_t *dirty;     /* one bit for each page of memory: to be drawn again */
	uint64_t *lfb_dirty; /* as long; for vga_collect_dirty() alone */
	bool redraw;         /* forget what was drawn */
	bool font_written;   /* plane 2 changed */
	struct vga_view view;
	uint32_t palette[256], pens[16];
	uint32_t cursor; /* address counter of the cursor; UINT32_MAX: none, or in its dark phase */
	bool blink_dark;
	uint32_t cells[VGA_TEXT_ROWS][VGA_TEXT_COLUMNS]; /* as drawn */
	uint32_t line[SCREEN_MAX_WIDTH + VGA_LINE_SPARE];
};

/* ---- vga_ports.c: the register file ---- */
extern const struct region_ops vga_port_ops;
uint8_t vga_port_read(struct vga *v, uint16_t port);
void vga_port_write(struct vga *v, uint16_t port, uint8_t value);
void vga_registers_reset(struct vga *v);
void vga_registers_state(struct vga *v, struct state *s);

/* ---- vbe.c ---- */
extern const struct region_ops vbe_port_ops;
uint16_t vbe_read(struct vga *v, unsigned index);
void vbe_write(struct vga *v, unsigned index, uint16_t value);
void vbe_reset(struct vga *v);
void vbe_state(struct vga *v, struct state *s);
uint32_t vbe_virtual_width(const struct vga *v); /* pixels, never 0 */
uint32_t vbe_stride(const struct vga *v);        /* bytes; of one plane at 4 bpp. Never 0 */

static inline bool vbe_enabled(const struct vga *v)
{
	return v->vbe[VBE_ENABLE] & VBE_ENABLED;
}

static inline bool vbe_packed(const struct vga *v) /* and so the planes are out of the game */
{
	return vbe_enabled(v) && v->vbe[VBE_BPP] > 4;
}

/* ---- vga_memory.c ---- */
extern const struct region_ops vga_planes_ops;
/* After any register write that may have changed how 0xa0000-0xbffff is answered: maps or unmaps the linear
 * window. */
void vga_window_update(struct vga *v);
/* Adds what was written through the slots to v->dirty; returns whether there was anything. */
bool vga_collect_dirty(struct vga *v);

static inline void vga_mark_dirty(struct vga *v, uint32_t address)
{
	v->dirty[address / VGA_PAGE / 64] |= 1ull << address / VGA_PAGE % 64;
}

/* ---- vga_view.c: registers to picture and timing ---- */
struct vga_view vga_view_now(const struct vga *v);
uint8_t vga_input_status_1(struct vga *v);

static inline uint32_t vga_start_address(const struct vga *v)
{
	return (uint32_t)(v->crtc[CRTC_START_HIGH] << 8 | v->crtc[CRTC_START_LOW]);
}

/* ---- vga_line.c: one scan line of pixels ---- */

/* A scan line on its way: where the CRTC's counters stand. */
struct vga_scan {
	uint32_t counter;  /* memory address counter at the line's left */
	uint32_t row_scan; /* line within the character row */
	uint32_t pan;      /* pixels that are cut off at the left */
	bool repeating;    /* double scan: this is the second of two equal lines */
};

/* Draws one line into v->line, of v->view.width pixels and at most VGA_LINE_SPARE more; returns its first pixel
 * shown. */
const uint32_t *vga_draw_scan(struct vga *v, const struct vga_scan *at);
/* A line of VIEW_LINEAR; the pixels may be guest memory itself. */
const uint32_t *vga_draw_linear(struct vga *v, uint32_t address);
/* What is drawn of a text cell: character, attribute << 8, cursor, dark phase of blinking. */
uint32_t vga_cell(const struct vga *v, uint32_t counter);
/* The CRTC's address for a counter and row scan: an offset in each plane. */
uint32_t vga_plane_offset(const struct vga_view *w, uint32_t counter, uint32_t row_scan);

#endif
