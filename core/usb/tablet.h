/* SPDX-License-Identifier: MIT */
/*
 * A USB HID tablet: absolute position, five buttons, a wheel (HID 1.11; HID Usage Tables 1.12). Under its controller's lock.
 * Motion is added up while nobody fetches it; presses and releases wait in a short queue, each with the place where it was made.
 */
#ifndef VITRINE_TABLET_H
#define VITRINE_TABLET_H

#include "core/usb/usb.h"

#define TABLET_QUEUE 16 /* clicks that a busy guest is behind by; what comes on top replaces the newest */

struct tablet_report {
	uint16_t x, y; /* 0 to 0x7fff */
	int8_t wheel;  /* positive: away from the user */
	uint8_t buttons;
};

struct tablet {
	struct usb_function usb; /* first */
	struct tablet_report queue[TABLET_QUEUE];
	uint32_t count;
	struct tablet_report told; /* the newest, whether it is in the queue or was fetched */
	bool told_moves;           /* it is in the queue and says nothing but a position */
	uint8_t idle;              /* repeat the report after so many times 4 ms; 0: only what is new */
	uint8_t protocol;
	uint64_t sent_at, polled_at; /* guest ns; TIMER_OFF: never */
};

void tablet_init(struct tablet *t);
/* x, y: 0 to 0xffff; dz: wheel clicks, positive towards the user; buttons as struct message_pointer has them. */
void tablet_pointer(struct tablet *t, unsigned x, unsigned y, int dz, unsigned buttons);
/* What waits is too old to be of use. */
void tablet_forget(struct tablet *t);
bool tablet_has_news(const struct tablet *t);
/* A driver has taken it and somebody listens to that driver: it was polled within the last second. */
bool tablet_is_used(const struct tablet *t, uint64_t now);
void tablet_state(struct tablet *t, struct state *s);

#endif
