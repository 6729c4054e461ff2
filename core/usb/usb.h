/* SPDX-License-Identifier: MIT */
/*
 * A USB 1.1 function, from the wire's side: the host controller hands it packets, it answers at once. What is the same for all of
 * them is here (endpoint 0, standard requests: USB 1.1 chapters 8 and 9); what it is, is in its struct usb_class. A function
 * belongs to its controller and lives under its lock. The host is the guest: nothing it sends is trusted.
 *
 * Data toggles are not looked at: no packet is ever lost on this wire.
 */
#ifndef VITRINE_USB_H
#define VITRINE_USB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/state.h"

#define USB_PACKET_MAX 64   /* of a full-speed interrupt endpoint */
#define USB_PACKET_0 8      /* of endpoint 0: what every host assumes before it knows */
#define USB_CONTROL_MAX 256 /* bytes of a control transfer: longer than any descriptor of ours */

enum usb_answer { USB_NAK = -1, USB_STALL = -2, USB_TIMEOUT = -3 }; /* where a length could be */

enum usb_request_type { USB_IN = 0x80, USB_TYPE = 0x60, USB_TO_CLASS = 0x20, USB_RECIPIENT = 0x1f };
enum { USB_TO_DEVICE, USB_TO_INTERFACE, USB_TO_ENDPOINT };

enum usb_request { /* table 9-4 */
	           USB_GET_STATUS = 0,
	           USB_CLEAR_FEATURE = 1,
	           USB_SET_FEATURE = 3,
	           USB_SET_ADDRESS = 5,
	           USB_GET_DESCRIPTOR = 6,
	           USB_GET_CONFIGURATION = 8,
	           USB_SET_CONFIGURATION = 9,
	           USB_GET_INTERFACE = 10,
	           USB_SET_INTERFACE = 11,
};

struct usb_setup {
	uint8_t type, request;
	uint16_t value, index, length;
};

struct usb_function;

struct usb_descriptor {
	uint8_t to;   /* USB_TO_DEVICE or USB_TO_INTERFACE */
	uint8_t type; /* high byte of wValue */
	const void *data;
	size_t length;
};

struct usb_class {
	const struct usb_descriptor *descriptors;
	size_t descriptor_count;
	const char *const *strings;            /* ASCII, numbered from 1; NULL at the end */
	void (*reset)(struct usb_function *f); /* back from the bus reset, and before each SET_CONFIGURATION */
	/* Class requests. IN: fills data (USB_CONTROL_MAX), returns its length. OUT: data has setup->length bytes, returns 0.
	 * USB_STALL: there is no such request. */
	int (*control)(struct usb_function *f, const struct usb_setup *setup, uint8_t *data);
	/* Endpoint 1: a report of up to USB_PACKET_MAX bytes, or USB_NAK. Only when configured. */
	int (*interrupt_in)(struct usb_function *f, uint64_t now, uint8_t *data);
};

enum usb_stage { USB_IDLE, USB_DATA_IN, USB_DATA_OUT, USB_STATUS_IN, USB_STALLED };

struct usb_function {
	const struct usb_class *class;
	uint8_t address, configuration;
	uint8_t stage; /* of the control transfer under way */
	bool halted;   /* endpoint 1 */
	struct usb_setup setup;
	uint8_t data[USB_CONTROL_MAX];
	uint16_t length, at; /* of data */
};

void usb_reset(struct usb_function *f); /* the bus' reset */
/* One packet each. SETUP is always taken. OUT and IN return how many bytes went over, or enum usb_answer; buffer has USB_PACKET_MAX
 * bytes. */
void usb_setup(struct usb_function *f, const uint8_t packet[8]);
int usb_out(struct usb_function *f, unsigned endpoint, const uint8_t *data, size_t length);
int usb_in(struct usb_function *f, unsigned endpoint, uint64_t now, uint8_t *buffer); /* now: guest ns */
void usb_state(struct usb_function *f, struct state *s);

#endif
