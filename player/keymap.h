/* SPDX-License-Identifier: MIT */
/*
 * The keyboard between host and guest: which key it is (by its place, never by its symbol), which are down, and which
 * chords are the player's own. Pure, no GTK; one struct keys per window.
 *
 * Every shortcut of the player starts with Ctrl+Alt. Both keys go to the guest as they are pressed, for no one can know
 * yet what follows; when a shortcut follows, the guest is told that all keys are up.
 */
#ifndef VITRINE_PLAYER_KEYMAP_H
#define VITRINE_PLAYER_KEYMAP_H

#include <stdbool.h>
#include <stdint.h>

/* More than keyboards send: hardware key codes have 8 bits on X11, and few more on Wayland. */
#define KEY_CODES 512

/* How a display server numbers keys. Every Linux desktop and Wayland count evdev codes from 8; X servers without evdev
 * rules (some VNC servers, XQuartz's kin) keep the older XFree86 numbers. */
enum keymap_kind { KEYMAP_EVDEV, KEYMAP_XFREE86 };

/* The evdev code (linux/input-event-codes.h) of a hardware key code; 0: no such key. */
unsigned keymap_code(enum keymap_kind kind, unsigned hardware_code);

/* What a key means to the player when it follows Ctrl+Alt; by symbol, as shortcuts are printed. */
enum shortcut { SHORTCUT_NONE, SHORTCUT_FULL_SCREEN, SHORTCUT_RUN_PAUSE, SHORTCUT_MENU, SHORTCUT_RELEASE_POINTER };

enum key_fate {
	FATE_DROP,     /* a repeat, or the second half of a shortcut */
	FATE_SEND,     /* the guest's */
	FATE_SHORTCUT, /* ret_shortcut; the guest's keys must be released */
};

struct keys {
	uint8_t down[KEY_CODES / 8];      /* as the guest knows it */
	uint8_t swallowed[KEY_CODES / 8]; /* pressed for the player: its release is not the guest's either */
	bool chord;                       /* Ctrl and Alt went down and nothing else since */
};

enum key_fate keys_press(struct keys *k, unsigned code, enum shortcut meaning, enum shortcut *ret_shortcut);
enum key_fate keys_release(struct keys *k, unsigned code, enum shortcut *ret_shortcut);
bool keys_is_down(const struct keys *k, unsigned code);
/* Focus was lost, or a shortcut came: nothing is down any more. True if something was. */
bool keys_forget(struct keys *k);

#endif
