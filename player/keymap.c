/* SPDX-License-Identifier: MIT */
#include "player/keymap.h"

#include <linux/input-event-codes.h>
#include <stddef.h>
#include <string.h>

/* X key codes 9 to 96 are the same in both countings (xkeyboard-config's keycodes/xfree86 and keycodes/evdev). */
static const struct {
	uint8_t hardware;
	uint16_t code;
} xfree86[] = {
	{ 97, KEY_HOME },       { 98, KEY_UP },
	{ 99, KEY_PAGEUP },     { 100, KEY_LEFT },
	{ 101, KEY_KP5 },       { 102, KEY_RIGHT },
	{ 103, KEY_END },       { 104, KEY_DOWN },
	{ 105, KEY_PAGEDOWN },  { 106, KEY_INSERT },
	{ 107, KEY_DELETE },    { 108, KEY_KPENTER },
	{ 109, KEY_RIGHTCTRL }, { 110, KEY_PAUSE },
	{ 111, KEY_SYSRQ },     { 112, KEY_KPSLASH },
	{ 113, KEY_RIGHTALT },  { 114, KEY_PAUSE },
	{ 115, KEY_LEFTMETA },  { 116, KEY_RIGHTMETA },
	{ 117, KEY_COMPOSE },   { 120, KEY_KATAKANAHIRAGANA },
	{ 121, KEY_MUHENKAN },  { 124, KEY_HENKAN },
	{ 126, KEY_KPEQUAL },   { 131, KEY_HENKAN },
	{ 133, KEY_YEN },       { 208, KEY_KATAKANAHIRAGANA },
	{ 211, KEY_RO },
};

unsigned keymap_code(enum keymap_kind kind, unsigned hardware_code)
{
	if (hardware_code <= 8 || hardware_code - 8 >= KEY_CODES)
		return 0;
	if (kind == KEYMAP_EVDEV || hardware_code < 97)
		return hardware_code - 8;
	for (size_t i = 0; i < sizeof(xfree86) / sizeof(xfree86[0]); i++)
		if (xfree86[i].hardware == hardware_code)
			return xfree86[i].code;
	return 0;
}

static bool get(const uint8_t *set, unsigned code)
{
	return set[code / 8] >> (code % 8) & 1;
}

static void put(uint8_t *set, unsigned code, bool value)
{
	if (value)
		set[code / 8] |= (uint8_t)(1u << (code % 8));
	else
		set[code / 8] &= (uint8_t) ~(1u << (code % 8));
}

bool keys_is_down(const struct keys *k, unsigned code)
{
	return code < KEY_CODES && get(k->down, code);
}

/* The left Alt only: the right one is AltGr on half of all keyboards, and Ctrl+AltGr types characters. */
static bool part_of_chord(unsigned code)
{
	return code == KEY_LEFTCTRL || code == KEY_RIGHTCTRL || code == KEY_LEFTALT;
}

static bool chord_held(const struct keys *k)
{
	return (get(k->down, KEY_LEFTCTRL) || get(k->down, KEY_RIGHTCTRL)) && get(k->down, KEY_LEFTALT);
}

/* The held keys are no longer the guest's, but their releases are still to come. */
static void swallow_all(struct keys *k)
{
	for (size_t i = 0; i < sizeof(k->down); i++) {
		k->swallowed[i] |= k->down[i];
		k->down[i] = 0;
	}
	k->chord = false;
}

enum key_fate keys_press(struct keys *k, unsigned code, enum shortcut meaning, enum shortcut *ret_shortcut)
{
	*ret_shortcut = SHORTCUT_NONE;
	if (code == 0 || code >= KEY_CODES || get(k->down, code) || get(k->swallowed, code))
		return FATE_DROP;
	if (meaning != SHORTCUT_NONE && chord_held(k)) {
		*ret_shortcut = meaning;
		put(k->down, code, true);
		swallow_all(k);
		return FATE_SHORTCUT;
	}
	put(k->down, code, true);
	k->chord = part_of_chord(code) && chord_held(k);
	return FATE_SEND;
}

enum key_fate keys_release(struct keys *k, unsigned code, enum shortcut *ret_shortcut)
{
	*ret_shortcut = SHORTCUT_NONE;
	if (code == 0 || code >= KEY_CODES)
		return FATE_DROP;
	if (get(k->swallowed, code)) {
		put(k->swallowed, code, false);
		return FATE_DROP;
	}
	if (!get(k->down, code))
		return FATE_DROP;
	if (k->chord && part_of_chord(code)) {
		*ret_shortcut = SHORTCUT_RELEASE_POINTER;
		swallow_all(k);
		put(k->swallowed, code, false);
		return FATE_SHORTCUT;
	}
	put(k->down, code, false);
	return FATE_SEND;
}

bool keys_forget(struct keys *k)
{
	bool any = false;

	for (size_t i = 0; i < sizeof(k->down); i++)
		any = any || k->down[i] != 0;
	memset(k, 0, sizeof(*k));
	return any;
}
