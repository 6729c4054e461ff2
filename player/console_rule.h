/* SPDX-License-Identifier: MIT */
/*
 * When the serial console comes to the front by itself: the guest speaks on its serial port and draws nothing.
 *
 * "Draws nothing": for CONSOLE_QUIET_MS nothing but a cursor has changed on its screen, nor has the user done
 * anything to it; what the firmware and a boot loader have left there does not count. It has said CONSOLE_WORDS
 * bytes since. So a guest that says the same on both is left alone. The page comes once, and goes back once, when
 * the guest begins to draw after all; from then on, or from the user's first word in this matter, only the user
 * turns it. No GTK; times in milliseconds of any clock.
 */
#ifndef VITRINE_PLAYER_CONSOLE_RULE_H
#define VITRINE_PLAYER_CONSOLE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "player/geometry.h"

#define CONSOLE_QUIET_MS 3000
#define CONSOLE_ECHO_MS 500 /* what is said so soon after a drawing belongs to it */
#define CONSOLE_WORDS 32    /* a login prompt has more, a stray byte or a modem's probe less */

struct console_rule {
	enum { CONSOLE_WAITS, CONSOLE_CAME, CONSOLE_SETTLED } phase;
	int64_t drawn_at; /* also what the user did */
	size_t said;      /* bytes since */
};

void console_rule_start(struct console_rule *r, int64_t now); /* a machine was switched on */
/* The guest changed this part of its screen; shows_something: the screen is not all of one colour. True: back to the
 * screen. */
bool console_rule_drawn(struct console_rule *r, struct rectangle damage, unsigned width, unsigned height,
                        bool shows_something, int64_t now);
void console_rule_said(struct console_rule *r, size_t count, int64_t now);
void console_rule_touched(struct console_rule *r, int64_t now); /* the user typed or clicked into the screen */
void console_rule_chosen(struct console_rule *r);               /* the user turned the page, or used the console */
/* 0: to the console, now, which counts as done; else milliseconds after which to ask again, -1: when something
 * happened. */
int console_rule_wait(struct console_rule *r, int64_t now);

#endif
