/* SPDX-License-Identifier: MIT */
/*
 * A 102-key PS/2 keyboard with the keys of all countries. Scan codes: IBM PS/2 Technical Reference
 * (sets 1 to 3) and Microsoft's "Keyboard Scan Code Specification" (E0 keys, F13-F24, international
 * keys). Set 1 is not in the table: it is set 2 translated, in the keyboard as in the controller.
 *
 * The shift states that an enhanced keyboard wraps around its grey cursor keys (E0 12 ...) are left
 * out: they exist for XT programs that ignore E0, every BIOS and system since the AT throws them
 * away. PrintScreen keeps its own, it is found by them.
 */
#include "core/legacy/ps2.h"

#include <errno.h>
#include <linux/input-event-codes.h>

#include "core/clock.h"
#include "vmformat/bytes.h"

enum key_flags { EXTENDED = 1, NO_BREAK = 2 };
enum key_type { MAKE_ONLY = 0, TYPEMATIC = 1, MAKE_BREAK = 2, TYPEMATIC_BREAK = 3 };
enum print_form { PRINT_PLAIN, PRINT_SHIFTED, PRINT_ALT };

struct key {
	uint8_t set2; /* 0: no such key */
	uint8_t flags;
	uint8_t set3; /* 0: not sent in set 3 */
	uint8_t type; /* set 3, as the keyboard starts */
};

/* clang-format off */
static const struct key keys[PS2_KEYS] = {
	[KEY_ESC] = { 0x76, 0, 0x08, MAKE_ONLY },
	[KEY_1] = { 0x16, 0, 0x16, TYPEMATIC }, [KEY_2] = { 0x1e, 0, 0x1e, TYPEMATIC },
	[KEY_3] = { 0x26, 0, 0x26, TYPEMATIC }, [KEY_4] = { 0x25, 0, 0x25, TYPEMATIC },
	[KEY_5] = { 0x2e, 0, 0x2e, TYPEMATIC }, [KEY_6] = { 0x36, 0, 0x36, TYPEMATIC },
	[KEY_7] = { 0x3d, 0, 0x3d, TYPEMATIC }, [KEY_8] = { 0x3e, 0, 0x3e, TYPEMATIC },
	[KEY_9] = { 0x46, 0, 0x46, TYPEMATIC }, [KEY_0] = { 0x45, 0, 0x45, TYPEMATIC },
	[KEY_MINUS] = { 0x4e, 0, 0x4e, TYPEMATIC }, [KEY_EQUAL] = { 0x55, 0, 0x55, TYPEMATIC },
	[KEY_BACKSPACE] = { 0x66, 0, 0x66, TYPEMATIC }, [KEY_TAB] = { 0x0d, 0, 0x0d, TYPEMATIC },
	[KEY_Q] = { 0x15, 0, 0x15, TYPEMATIC }, [KEY_W] = { 0x1d, 0, 0x1d, TYPEMATIC },
	[KEY_E] = { 0x24, 0, 0x24, TYPEMATIC }, [KEY_R] = { 0x2d, 0, 0x2d, TYPEMATIC },
	[KEY_T] = { 0x2c, 0, 0x2c, TYPEMATIC }, [KEY_Y] = { 0x35, 0, 0x35, TYPEMATIC },
	[KEY_U] = { 0x3c, 0, 0x3c, TYPEMATIC }, [KEY_I] = { 0x43, 0, 0x43, TYPEMATIC },
	[KEY_O] = { 0x44, 0, 0x44, TYPEMATIC }, [KEY_P] = { 0x4d, 0, 0x4d, TYPEMATIC },
	[KEY_LEFTBRACE] = { 0x54, 0, 0x54, TYPEMATIC }, [KEY_RIGHTBRACE] = { 0x5b, 0, 0x5b, TYPEMATIC },
	[KEY_ENTER] = { 0x5a, 0, 0x5a, TYPEMATIC }, [KEY_LEFTCTRL] = { 0x14, 0, 0x11, MAKE_BREAK },
	[KEY_A] = { 0x1c, 0, 0x1c, TYPEMATIC }, [KEY_S] = { 0x1b, 0, 0x1b, TYPEMATIC },
	[KEY_D] = { 0x23, 0, 0x23, TYPEMATIC }, [KEY_F] = { 0x2b, 0, 0x2b, TYPEMATIC },
	[KEY_G] = { 0x34, 0, 0x34, TYPEMATIC }, [KEY_H] = { 0x33, 0, 0x33, TYPEMATIC },
	[KEY_J] = { 0x3b, 0, 0x3b, TYPEMATIC }, [KEY_K] = { 0x42, 0, 0x42, TYPEMATIC },
	[KEY_L] = { 0x4b, 0, 0x4b, TYPEMATIC }, [KEY_SEMICOLON] = { 0x4c, 0, 0x4c, TYPEMATIC },
	[KEY_APOSTROPHE] = { 0x52, 0, 0x52, TYPEMATIC }, [KEY_GRAVE] = { 0x0e, 0, 0x0e, TYPEMATIC },
	[KEY_LEFTSHIFT] = { 0x12, 0, 0x12, MAKE_BREAK }, [KEY_BACKSLASH] = { 0x5d, 0, 0x5c, TYPEMATIC },
	[KEY_Z] = { 0x1a, 0, 0x1a, TYPEMATIC }, [KEY_X] = { 0x22, 0, 0x22, TYPEMATIC },
	[KEY_C] = { 0x21, 0, 0x21, TYPEMATIC }, [KEY_V] = { 0x2a, 0, 0x2a, TYPEMATIC },
	[KEY_B] = { 0x32, 0, 0x32, TYPEMATIC }, [KEY_N] = { 0x31, 0, 0x31, TYPEMATIC },
	[KEY_M] = { 0x3a, 0, 0x3a, TYPEMATIC }, [KEY_COMMA] = { 0x41, 0, 0x41, TYPEMATIC },
	[KEY_DOT] = { 0x49, 0, 0x49, TYPEMATIC }, [KEY_SLASH] = { 0x4a, 0, 0x4a, TYPEMATIC },
	[KEY_RIGHTSHIFT] = { 0x59, 0, 0x59, MAKE_BREAK }, [KEY_KPASTERISK] = { 0x7c, 0, 0x7e, MAKE_ONLY },
	[KEY_LEFTALT] = { 0x11, 0, 0x19, MAKE_BREAK }, [KEY_SPACE] = { 0x29, 0, 0x29, TYPEMATIC },
	[KEY_CAPSLOCK] = { 0x58, 0, 0x14, MAKE_BREAK },
	[KEY_F1] = { 0x05, 0, 0x07, MAKE_ONLY }, [KEY_F2] = { 0x06, 0, 0x0f, MAKE_ONLY },
	[KEY_F3] = { 0x04, 0, 0x17, MAKE_ONLY }, [KEY_F4] = { 0x0c, 0, 0x1f, MAKE_ONLY },
	[KEY_F5] = { 0x03, 0, 0x27, MAKE_ONLY }, [KEY_F6] = { 0x0b, 0, 0x2f, MAKE_ONLY },
	[KEY_F7] = { 0x83, 0, 0x37, MAKE_ONLY }, [KEY_F8] = { 0x0a, 0, 0x3f, MAKE_ONLY },
	[KEY_F9] = { 0x01, 0, 0x47, MAKE_ONLY }, [KEY_F10] = { 0x09, 0, 0x4f, MAKE_ONLY },
	[KEY_F11] = { 0x78, 0, 0x56, MAKE_ONLY }, [KEY_F12] = { 0x07, 0, 0x5e, MAKE_ONLY },
	[KEY_NUMLOCK] = { 0x77, 0, 0x76, MAKE_ONLY }, [KEY_SCROLLLOCK] = { 0x7e, 0, 0x5f, MAKE_ONLY },
	[KEY_KP7] = { 0x6c, 0, 0x6c, MAKE_ONLY }, [KEY_KP8] = { 0x75, 0, 0x75, MAKE_ONLY },
	[KEY_KP9] = { 0x7d, 0, 0x7d, MAKE_ONLY }, [KEY_KPMINUS] = { 0x7b, 0, 0x84, MAKE_ONLY },
	[KEY_KP4] = { 0x6b, 0, 0x6b, MAKE_ONLY }, [KEY_KP5] = { 0x73, 0, 0x73, MAKE_ONLY },
	[KEY_KP6] = { 0x74, 0, 0x74, MAKE_ONLY }, [KEY_KPPLUS] = { 0x79, 0, 0x7c, TYPEMATIC },
	[KEY_KP1] = { 0x69, 0, 0x69, MAKE_ONLY }, [KEY_KP2] = { 0x72, 0, 0x72, MAKE_ONLY },
	[KEY_KP3] = { 0x7a, 0, 0x7a, MAKE_ONLY }, [KEY_KP0] = { 0x70, 0, 0x70, MAKE_ONLY },
	[KEY_KPDOT] = { 0x71, 0, 0x71, MAKE_ONLY },
	[KEY_102ND] = { 0x61, 0, 0x13, TYPEMATIC },

	/* the enhanced keyboard's second set of keys */
	[KEY_KPENTER] = { 0x5a, EXTENDED, 0x79, MAKE_ONLY }, [KEY_KPSLASH] = { 0x4a, EXTENDED, 0x77, MAKE_ONLY },
	[KEY_RIGHTCTRL] = { 0x14, EXTENDED, 0x58, MAKE_ONLY }, [KEY_RIGHTALT] = { 0x11, EXTENDED, 0x39, MAKE_ONLY },
	[KEY_HOME] = { 0x6c, EXTENDED, 0x6e, MAKE_ONLY }, [KEY_END] = { 0x69, EXTENDED, 0x65, MAKE_ONLY },
	[KEY_UP] = { 0x75, EXTENDED, 0x63, TYPEMATIC }, [KEY_DOWN] = { 0x72, EXTENDED, 0x60, TYPEMATIC },
	[KEY_LEFT] = { 0x6b, EXTENDED, 0x61, TYPEMATIC }, [KEY_RIGHT] = { 0x74, EXTENDED, 0x6a, TYPEMATIC },
	[KEY_PAGEUP] = { 0x7d, EXTENDED, 0x6f, MAKE_ONLY }, [KEY_PAGEDOWN] = { 0x7a, EXTENDED, 0x6d, MAKE_ONLY },
	[KEY_INSERT] = { 0x70, EXTENDED, 0x67, MAKE_ONLY }, [KEY_DELETE] = { 0x71, EXTENDED, 0x64, TYPEMATIC },
	[KEY_SYSRQ] = { 0x7c, EXTENDED, 0x57, MAKE_ONLY },          /* see make_code() */
	[KEY_PAUSE] = { 0x77, NO_BREAK, 0x62, MAKE_ONLY },          /* see make_code() */
	[KEY_LEFTMETA] = { 0x1f, EXTENDED, 0x8b, MAKE_BREAK }, [KEY_RIGHTMETA] = { 0x27, EXTENDED, 0x8c, MAKE_BREAK },
	[KEY_COMPOSE] = { 0x2f, EXTENDED, 0x8d, MAKE_BREAK },

	/* Japan, Korea, Brazil. Hangul and Hanja send one byte when pressed and none when let go. */
	[KEY_RO] = { 0x51, 0, 0x51, TYPEMATIC }, [KEY_YEN] = { 0x6a, 0, 0x5d, TYPEMATIC },
	[KEY_HENKAN] = { 0x64, 0, 0x86, MAKE_ONLY }, [KEY_MUHENKAN] = { 0x67, 0, 0x85, TYPEMATIC },
	[KEY_KATAKANAHIRAGANA] = { 0x13, 0, 0x87, MAKE_BREAK }, [KEY_ZENKAKUHANKAKU] = { 0x5f, 0, 0, 0 },
	[KEY_KATAKANA] = { 0x63, 0, 0, 0 }, [KEY_HIRAGANA] = { 0x62, 0, 0, 0 },
	[KEY_HANGEUL] = { 0xf2, NO_BREAK, 0, 0 }, [KEY_HANJA] = { 0xf1, NO_BREAK, 0, 0 },
	[KEY_KPCOMMA] = { 0x6d, 0, 0x7b, TYPEMATIC }, [KEY_KPJPCOMMA] = { 0x27, 0, 0, 0 },
	[KEY_KPEQUAL] = { 0x0f, 0, 0, 0 },

	[KEY_F13] = { 0x08, 0, 0, 0 }, [KEY_F14] = { 0x10, 0, 0, 0 }, [KEY_F15] = { 0x18, 0, 0, 0 },
	[KEY_F16] = { 0x20, 0, 0, 0 }, [KEY_F17] = { 0x28, 0, 0, 0 }, [KEY_F18] = { 0x30, 0, 0, 0 },
	[KEY_F19] = { 0x38, 0, 0, 0 }, [KEY_F20] = { 0x40, 0, 0, 0 }, [KEY_F21] = { 0x48, 0, 0, 0 },
	[KEY_F22] = { 0x50, 0, 0, 0 }, [KEY_F23] = { 0x57, 0, 0, 0 }, [KEY_F24] = { 0x5f, 0, 0, 0 },

	[KEY_POWER] = { 0x37, EXTENDED, 0, 0 }, [KEY_SLEEP] = { 0x3f, EXTENDED, 0, 0 },
	[KEY_WAKEUP] = { 0x5e, EXTENDED, 0, 0 }, [KEY_MUTE] = { 0x23, EXTENDED, 0, 0 },
	[KEY_VOLUMEDOWN] = { 0x21, EXTENDED, 0, 0 }, [KEY_VOLUMEUP] = { 0x32, EXTENDED, 0, 0 },
	[KEY_NEXTSONG] = { 0x4d, EXTENDED, 0, 0 }, [KEY_PREVIOUSSONG] = { 0x15, EXTENDED, 0, 0 },
	[KEY_PLAYPAUSE] = { 0x34, EXTENDED, 0, 0 }, [KEY_STOPCD] = { 0x3b, EXTENDED, 0, 0 },
	[KEY_MEDIA] = { 0x50, EXTENDED, 0, 0 }, [KEY_CONFIG] = { 0x50, EXTENDED, 0, 0 },
	[KEY_MAIL] = { 0x48, EXTENDED, 0, 0 }, [KEY_CALC] = { 0x2b, EXTENDED, 0, 0 },
	[KEY_COMPUTER] = { 0x40, EXTENDED, 0, 0 }, [KEY_HOMEPAGE] = { 0x3a, EXTENDED, 0, 0 },
	[KEY_SEARCH] = { 0x10, EXTENDED, 0, 0 }, [KEY_BACK] = { 0x38, EXTENDED, 0, 0 },
	[KEY_FORWARD] = { 0x30, EXTENDED, 0, 0 }, [KEY_STOP] = { 0x28, EXTENDED, 0, 0 },
	[KEY_REFRESH] = { 0x20, EXTENDED, 0, 0 }, [KEY_BOOKMARKS] = { 0x18, EXTENDED, 0, 0 },
};

const uint8_t ps2_set2_to_set1[256] = {
	0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
	0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
	0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
	0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
	0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
	0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
	0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
	0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
	0x80, 0x81, 0x82, 0x41, 0x54, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f,
	0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f,
	0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
	0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf,
	0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf,
	0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf,
	0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee, 0xef,
	0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
};
/* clang-format on */

/* ---- scan codes ---- */

struct sequence {
	uint8_t bytes[8]; /* Pause is the longest */
	size_t count;
};

static bool is_set(const uint8_t *bitmap, unsigned code)
{
	return bitmap[code / 8] & 1u << code % 8;
}

static void set_bit(uint8_t *bitmap, unsigned code, bool on)
{
	bitmap[code / 8] = (uint8_t)((bitmap[code / 8] & ~(1u << code % 8)) | (unsigned)on << code % 8);
}

/* One code of set 2 with its prefix (0, E0, E1), in the set that is chosen. */
static void add(const struct ps2_keyboard *k, struct sequence *q, uint8_t prefix, uint8_t code, bool make)
{
	if (prefix)
		q->bytes[q->count++] = prefix;
	if (k->set == 1) {
		q->bytes[q->count++] = ps2_set2_to_set1[code] | (make ? 0 : 0x80);
		return;
	}
	if (!make)
		q->bytes[q->count++] = 0xf0;
	q->bytes[q->count++] = code;
}

static bool holds(const struct ps2_keyboard *k, unsigned left, unsigned right)
{
	return is_set(k->down, left) || is_set(k->down, right);
}

/* With Ctrl, Pause is Break, one of the E0 keys; else it imitates Ctrl+NumLock of the XT and says
 * so by E1. */
static void add_pause(const struct ps2_keyboard *k, struct sequence *q)
{
	if (holds(k, KEY_LEFTCTRL, KEY_RIGHTCTRL)) {
		add(k, q, 0xe0, 0x7e, true);
		add(k, q, 0xe0, 0x7e, false);
		return;
	}
	add(k, q, 0xe1, 0x14, true);
	add(k, q, 0, 0x77, true);
	add(k, q, 0xe1, 0x14, false);
	add(k, q, 0, 0x77, false);
}

/* PrintScreen imitates Shift+KP* of the XT: it brings the shift along if none is held. With Alt it
 * is SysRq, a key of its own. */
static void add_print(const struct ps2_keyboard *k, struct sequence *q, bool make)
{
	if (k->print_form == PRINT_ALT) {
		add(k, q, 0, 0x84, make);
		return;
	}
	if (k->print_form == PRINT_PLAIN && make)
		add(k, q, 0xe0, 0x12, true);
	add(k, q, 0xe0, 0x7c, make);
	if (k->print_form == PRINT_PLAIN && !make)
		add(k, q, 0xe0, 0x12, false);
}

static enum print_form print_form(const struct ps2_keyboard *k)
{
	if (holds(k, KEY_LEFTALT, KEY_RIGHTALT))
		return PRINT_ALT;
	if (holds(k, KEY_LEFTSHIFT, KEY_RIGHTSHIFT) || holds(k, KEY_LEFTCTRL, KEY_RIGHTCTRL))
		return PRINT_SHIFTED;
	return PRINT_PLAIN;
}

static struct sequence set3_sequence(const struct ps2_keyboard *k, uint8_t code, bool make)
{
	struct sequence q = { 0 };

	if (!code || (!make && !(k->types[code] & MAKE_BREAK)))
		return q;
	if (!make)
		q.bytes[q.count++] = 0xf0;
	q.bytes[q.count++] = code;
	return q;
}

static struct sequence make_sequence(const struct ps2_keyboard *k, unsigned code, bool make)
{
	const struct key *key = &keys[code];
	struct sequence q = { 0 };

	if (k->set == 3)
		return set3_sequence(k, key->set3, make);
	if (!make && key->flags & NO_BREAK)
		return q;
	if (code == KEY_PAUSE)
		add_pause(k, &q);
	else if (code == KEY_SYSRQ)
		add_print(k, &q, make);
	else
		add(k, &q, key->flags & EXTENDED ? 0xe0 : 0, key->set2, make);
	return q;
}

/* A sequence goes in whole or not at all, so that a guest never sees half a key. */
static bool has_room(const struct ps2_keyboard *k, size_t count)
{
	return !k->overrun && k->buffer.count + count <= sizeof(k->buffer.bytes);
}

static void put(struct ps2_keyboard *k, const struct sequence *q)
{
	for (size_t i = 0; i < q->count; i++)
		ps2_push(&k->buffer, q->bytes[i]);
}

/* Break codes that found no room: a key that stays down in the guest for ever is worse than a late
 * break. */
static void put_released(struct ps2_keyboard *k)
{
	for (unsigned code = 0; code < PS2_KEYS; code++) {
		struct sequence q;

		if (!k->released[code / 8]) {
			code |= 7;
			continue;
		}
		if (!is_set(k->released, code))
			continue;
		q = make_sequence(k, code, false);
		if (!has_room(k, q.count))
			return;
		put(k, &q);
		set_bit(k->released, code, false);
	}
}

static void clear_buffer(struct ps2_keyboard *k)
{
	k->buffer.count = 0;
	k->overrun = false;
}

/* ---- typematic ---- */

static bool repeats(const struct ps2_keyboard *k, unsigned code)
{
	if (k->set == 3)
		return k->types[keys[code].set3] & TYPEMATIC;
	return !(keys[code].flags & NO_BREAK);
}

/* Bits 6-5: 250 ms steps. */
static uint64_t repeat_delay(const struct ps2_keyboard *k)
{
	return ((k->typematic >> 5 & 3) + 1) * 250 * NS_PER_MS;
}

/* Period = (8 + bits 2-0) * 2^(bits 4-3) * 1/240 s */
static uint64_t repeat_period(const struct ps2_keyboard *k)
{
	return ((8ull + (k->typematic & 7)) << (k->typematic >> 3 & 3)) * NS_PER_SECOND / 240;
}

void ps2_keyboard_repeat(struct ps2_keyboard *k, uint64_t now)
{
	struct sequence q;

	if (now < k->repeat_at)
		return;
	if (!k->scanning || !is_set(k->down, k->repeat_code)) {
		k->repeat_at = TIMER_OFF;
		return;
	}
	if (!k->buffer.count && !k->overrun) { /* a guest that does not read finds one make code, not a buffer full */
		q = make_sequence(k, k->repeat_code, true);
		put(k, &q);
	}
	k->repeat_at = now + repeat_period(k);
}

/* ---- keys ---- */

static void press(struct ps2_keyboard *k, unsigned code, uint64_t now)
{
	struct sequence q;

	if (code == KEY_SYSRQ)
		k->print_form = print_form(k);
	set_bit(k->down, code, true);
	set_bit(k->released, code, false);
	if (!k->scanning)
		return;
	k->repeat_code = (uint8_t)code;
	k->repeat_at = repeats(k, code) ? now + repeat_delay(k) : TIMER_OFF;
	q = make_sequence(k, code, true);
	if (has_room(k, q.count))
		put(k, &q);
	else
		k->overrun = true;
}

static void let_go(struct ps2_keyboard *k, unsigned code)
{
	struct sequence q;

	set_bit(k->down, code, false);
	if (k->repeat_code == code)
		k->repeat_at = TIMER_OFF;
	if (!k->scanning)
		return;
	q = make_sequence(k, code, false);
	if (has_room(k, q.count))
		put(k, &q);
	else
		set_bit(k->released, code, true);
}

void ps2_keyboard_key(struct ps2_keyboard *k, unsigned evdev_code, bool down, uint64_t now)
{
	if (evdev_code >= PS2_KEYS || !keys[evdev_code].set2 || is_set(k->down, evdev_code) == down)
		return;
	if (down)
		press(k, evdev_code, now);
	else
		let_go(k, evdev_code);
}

void ps2_keyboard_release_all(struct ps2_keyboard *k)
{
	for (unsigned code = 0; code < PS2_KEYS; code++) {
		if (is_set(k->down, code))
			let_go(k, code);
	}
}

/* ---- to the controller ---- */

bool ps2_keyboard_has_codes(const struct ps2_keyboard *k)
{
	static const uint8_t none[sizeof(k->released)];

	return !k->command && (k->buffer.count || k->overrun || memcmp(k->released, none, sizeof(none)));
}

int ps2_keyboard_read(struct ps2_keyboard *k, bool replies_only)
{
	int byte = ps2_pop(&k->replies);

	if (byte == PS2_NOTHING && (replies_only || k->command))
		return PS2_NOTHING; /* between a command and its argument the keyboard does not scan */
	if (byte == PS2_NOTHING)
		byte = ps2_pop(&k->buffer);
	if (byte == PS2_NOTHING && k->overrun) {
		k->overrun = false;
		byte = k->set == 1 ? 0xff : 0x00;
	}
	if (byte == PS2_NOTHING) {
		put_released(k);
		byte = ps2_pop(&k->buffer);
	}
	if (byte != PS2_NOTHING)
		k->last = (uint8_t)byte;
	return byte;
}

/* ---- commands ---- */

static void set_types(struct ps2_keyboard *k, enum key_type type)
{
	memset(k->types, type, sizeof(k->types));
}

static void set_defaults(struct ps2_keyboard *k)
{
	clear_buffer(k);
	k->typematic = 0x2b; /* 500 ms, 10.9 a second */
	k->repeat_at = TIMER_OFF;
	set_types(k, TYPEMATIC);
	for (unsigned code = 0; code < PS2_KEYS; code++) {
		if (keys[code].set3)
			k->types[keys[code].set3] = keys[code].type;
	}
}

void ps2_keyboard_reset(struct ps2_keyboard *k)
{
	*k = (struct ps2_keyboard){ .set = 2, .scanning = true };
	set_defaults(k);
}

static void self_test(struct ps2_keyboard *k)
{
	uint8_t down[sizeof(k->down)];

	memcpy(down, k->down, sizeof(down)); /* fingers stay where they are */
	ps2_keyboard_reset(k);
	memcpy(k->down, down, sizeof(down));
	ps2_push(&k->replies, PS2_ACK);
	ps2_push(&k->replies, PS2_BAT_PASSED);
}

static uint8_t choose_set(struct ps2_keyboard *k, uint8_t set)
{
	if (set > 3)
		return PS2_RESEND;
	if (set) {
		k->set = set;
		clear_buffer(k);
		k->repeat_at = TIMER_OFF;
	}
	return PS2_ACK;
}

static void take_argument(struct ps2_keyboard *k, uint8_t byte)
{
	uint8_t command = k->command, reply = PS2_ACK;

	k->command = 0;
	switch (command) {
	case 0xed: /* lights that nobody sees */
		break;
	case 0xf0:
		reply = choose_set(k, byte);
		break;
	case 0xf3:
		k->typematic = byte & 0x7f;
		break;
	case 0xfb: /* one key after the other, until a command ends the list */
		k->types[byte] = TYPEMATIC;
		k->command = command;
		break;
	case 0xfc:
		k->types[byte] = MAKE_BREAK;
		k->command = command;
		break;
	case 0xfd:
		k->types[byte] = MAKE_ONLY;
		k->command = command;
		break;
	}
	ps2_push(&k->replies, reply);
	if (command == 0xf0 && byte == 0)
		ps2_push(&k->replies, k->set);
}

void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t byte)
{
	static const enum key_type all_types[] = { TYPEMATIC, MAKE_BREAK, MAKE_ONLY, TYPEMATIC_BREAK };
	uint8_t reply = PS2_ACK;

	if (k->command && byte < 0xed) {
		take_argument(k, byte);
		return;
	}
	k->command = 0; /* a command instead of the argument: the old one is forgotten */
	switch (byte) {
	case 0xed: /* Set/Reset Indicators */
	case 0xf0: /* Select Alternate Scan Codes */
	case 0xf3: /* Set Typematic Rate/Delay */
	case 0xfb: /* Set Key Type: Typematic, Make/Break, Make */
	case 0xfc:
	case 0xfd:
		k->command = byte;
		break;
	case 0xee: /* Echo */
		reply = byte;
		break;
	case 0xf2: /* Read ID */
		break;
	case 0xf4: /* Enable */
		clear_buffer(k);
		k->scanning = true;
		break;
	case 0xf5: /* Default Disable */
		set_defaults(k);
		k->scanning = false;
		break;
	case 0xf6: /* Set Default */
		set_defaults(k);
		break;
	case 0xf7 ... 0xfa: /* Set All Keys */
		set_types(k, all_types[byte - 0xf7]);
		break;
	case 0xfe: /* Resend */
		reply = k->last;
		break;
	case 0xff: /* Reset */
		self_test(k);
		return;
	default:
		reply = PS2_RESEND;
	}
	ps2_push(&k->replies, reply);
	if (byte == 0xf2) {
		ps2_push(&k->replies, 0xab);
		ps2_push(&k->replies, 0x83);
	}
}

/* ---- state ---- */

static bool valid(const struct ps2_keyboard *k)
{
	return k->set >= 1 && k->set <= 3 && k->print_form <= PRINT_ALT && (!k->command || k->command >= 0xed);
}

void ps2_keyboard_state(struct ps2_keyboard *k, struct state *s)
{
	state_buffer(s, "kbd.replies", k->replies.bytes, &k->replies.count, sizeof(k->replies.bytes));
	state_buffer(s, "kbd.buffer", k->buffer.bytes, &k->buffer.count, sizeof(k->buffer.bytes));
	state_bool(s, "kbd.overrun", &k->overrun);
	state_u8(s, "kbd.command", &k->command);
	state_u8(s, "kbd.last", &k->last);
	state_u8(s, "kbd.set", &k->set);
	state_u8(s, "kbd.typematic", &k->typematic);
	state_bool(s, "kbd.scanning", &k->scanning);
	state_bytes(s, "kbd.types", k->types, sizeof(k->types));
	state_bytes(s, "kbd.down", k->down, sizeof(k->down));
	state_bytes(s, "kbd.released", k->released, sizeof(k->released));
	state_u8(s, "kbd.print_form", &k->print_form);
	state_u8(s, "kbd.repeat_code", &k->repeat_code);
	state_u64(s, "kbd.repeat_at", &k->repeat_at);
	if (state_loading(s) && !valid(k))
		state_fail(s, -EINVAL, "kbd.set");
}
