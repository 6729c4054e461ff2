/* SPDX-License-Identifier: MIT */
/*
 * The two ends of the PS/2 cables: keyboard and mouse as state machines of their own. They know no
 * board: the controller (i8042.c) hands them bytes and the time, and pulls bytes when its output
 * buffer is free. Nothing is queued without bound: a keyboard keeps 16 bytes as the real one does,
 * a mouse adds up its motion until it is asked. All under the controller's lock. Facts: IBM PS/2
 * Hardware Interface Technical Reference, "Keyboard" and "Mouse".
 */
#ifndef VITRINE_PS2_H
#define VITRINE_PS2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/state.h"

#define PS2_ACK 0xfa
#define PS2_RESEND 0xfe
#define PS2_BAT_PASSED 0xaa
#define PS2_NOTHING (-1)
#define PS2_KEYS 256 /* evdev codes that a PS/2 keyboard can have lie below */

struct ps2_fifo {
	uint8_t bytes[16];
	size_t count;
};

static inline bool ps2_push(struct ps2_fifo *f, uint8_t byte)
{
	if (f->count == sizeof(f->bytes))
		return false;
	f->bytes[f->count++] = byte;
	return true;
}

static inline int ps2_pop(struct ps2_fifo *f)
{
	uint8_t byte = f->bytes[0];

	if (!f->count)
		return PS2_NOTHING;
	memmove(f->bytes, f->bytes + 1, --f->count);
	return byte;
}

struct ps2_keyboard {
	struct ps2_fifo replies; /* answers to commands: they go first and take no place in the buffer */
	struct ps2_fifo buffer;  /* scan codes */
	bool overrun;            /* the 17th place: "keys were lost" */
	uint8_t command;         /* waits for its argument; 0: none does */
	uint8_t last;            /* sent, for Resend */
	uint8_t set;             /* scan code set 1 to 3 */
	uint8_t typematic;       /* argument of Set Typematic Rate */
	bool scanning;
	uint8_t types[256];             /* by scan code of set 3: enum key_type */
	uint8_t down[PS2_KEYS / 8];     /* keys held, by evdev code */
	uint8_t released[PS2_KEYS / 8]; /* let go while the buffer was full: their break codes are owed */
	uint8_t print_form;             /* which of its sequences PrintScreen was pressed with */
	uint8_t repeat_code;            /* evdev code of the key that repeats */
	uint64_t repeat_at;             /* guest ns; TIMER_OFF: none */
};

void ps2_keyboard_reset(struct ps2_keyboard *k);
void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t byte); /* from the controller */
/* The next byte that it wants to send, or PS2_NOTHING. replies_only: scan codes have to wait. */
int ps2_keyboard_read(struct ps2_keyboard *k, bool replies_only);
bool ps2_keyboard_has_codes(const struct ps2_keyboard *k); /* scan codes wait */
void ps2_keyboard_key(struct ps2_keyboard *k, unsigned evdev_code, bool down, uint64_t now);
void ps2_keyboard_release_all(struct ps2_keyboard *k);
void ps2_keyboard_repeat(struct ps2_keyboard *k, uint64_t now); /* call at repeat_at */
void ps2_keyboard_state(struct ps2_keyboard *k, struct state *s);

/* Scan code set 2 -> set 1, as the controller's ROM translates and as a keyboard in set 1 sends. */
extern const uint8_t ps2_set2_to_set1[256];

struct ps2_mouse {
	struct ps2_fifo replies;
	struct ps2_fifo packet; /* the rest of the report being sent */
	uint8_t last_packet[4]; /* for Resend */
	uint8_t command;        /* waits for its argument; 0: none does */
	uint8_t id;             /* 0 standard, 3 IntelliMouse, 4 IntelliMouse Explorer */
	uint8_t rate;           /* reports a second */
	uint8_t rates[3];       /* the last ones set, newest last: the knock that changes the id */
	uint8_t resolution;
	bool reporting, remote, wrap, scaling;
	uint8_t buttons;             /* now */
	uint8_t pressed;             /* since the last report, so that a short click is not lost */
	uint8_t reported;            /* what the guest knows */
	int32_t dx, dy, dz;          /* not yet reported */
	bool overflow_x, overflow_y; /* more motion than we keep */
	bool poked;                  /* a report is owed though nothing moved */
	uint64_t next_report;        /* guest ns: not before */
};

void ps2_mouse_reset(struct ps2_mouse *m);
void ps2_mouse_write(struct ps2_mouse *m, uint8_t byte);
int ps2_mouse_read(struct ps2_mouse *m, uint64_t now); /* a byte or PS2_NOTHING */
/* When ps2_mouse_read() will have a report that is only waiting for its time, else TIMER_OFF. */
uint64_t ps2_mouse_deadline(const struct ps2_mouse *m);
void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int dz, unsigned buttons); /* dy: positive is down */
/* Makes one report without motion: an interrupt for a driver that finds the motion elsewhere (vmport.h). */
void ps2_mouse_poke(struct ps2_mouse *m);
void ps2_mouse_state(struct ps2_mouse *m, struct state *s);

#endif
