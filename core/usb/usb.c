/* SPDX-License-Identifier: MIT */
#include "core/usb/usb.h"

#include <errno.h>
#include <string.h>

#include "vmformat/bytes.h"

#define DESCRIPTOR_STRING 3
#define LANGUAGE_ENGLISH 0x0409
#define FEATURE_ENDPOINT_HALT 0
#define ADDRESS_MAX 127
#define ENDPOINT_1_IN 0x81

void usb_reset(struct usb_function *f)
{
	f->address = f->configuration = 0;
	f->stage = USB_IDLE;
	f->halted = false;
	f->setup = (struct usb_setup){ 0 };
	f->length = f->at = 0;
	memset(f->data, 0, sizeof(f->data));
	f->class->reset(f);
}

/* ---- standard requests (9.4) ---- */

/* 9.6.5: UTF-16, behind length and type; number 0 lists the languages. */
static int get_string(struct usb_function *f, unsigned number)
{
	const char *const *text = f->class->strings;
	unsigned length = 2;

	if (number == 0) {
		le16_store(f->data + length, LANGUAGE_ENGLISH);
		length += 2;
	} else {
		while (*text && --number)
			text++;
		if (!*text)
			return USB_STALL;
		for (const char *c = *text; *c && length + 2 <= sizeof(f->data) - 2; c++, length += 2)
			le16_store(f->data + length, (uint8_t)*c);
	}
	f->data[0] = (uint8_t)length;
	f->data[1] = DESCRIPTOR_STRING;
	return (int)length;
}

static int get_descriptor(struct usb_function *f)
{
	const struct usb_setup *s = &f->setup;
	unsigned type = s->value >> 8, to = s->type & USB_RECIPIENT;

	if (to == USB_TO_DEVICE && type == DESCRIPTOR_STRING)
		return get_string(f, s->value & 0xff);
	for (size_t i = 0; i < f->class->descriptor_count && !(s->value & 0xff); i++) {
		const struct usb_descriptor *d = &f->class->descriptors[i];

		if (d->to != to || d->type != type)
			continue;
		memcpy(f->data, d->data, d->length);
		return (int)d->length;
	}
	return USB_STALL;
}

static int get_status(struct usb_function *f)
{
	bool endpoint = (f->setup.type & USB_RECIPIENT) == USB_TO_ENDPOINT;

	le16_store(f->data, endpoint && f->setup.index == ENDPOINT_1_IN && f->halted);
	return 2;
}

/* An endpoint's halt is all there is to set: no remote wake-up. */
static int change_feature(struct usb_function *f, bool set)
{
	const struct usb_setup *s = &f->setup;

	if ((s->type & USB_RECIPIENT) != USB_TO_ENDPOINT || s->value != FEATURE_ENDPOINT_HALT)
		return USB_STALL;
	if (s->index == ENDPOINT_1_IN)
		f->halted = set;
	return s->index == ENDPOINT_1_IN || !(s->index & 0x7f) ? 0 : USB_STALL;
}

static int set_configuration(struct usb_function *f)
{
	if (f->setup.value > 1)
		return USB_STALL;
	f->class->reset(f);
	f->halted = false;
	f->configuration = (uint8_t)f->setup.value;
	return 0;
}

static int get_byte(struct usb_function *f, uint8_t value)
{
	f->data[0] = value;
	return 1;
}

/* SET_ADDRESS takes effect after its status stage. */
static int standard_request(struct usb_function *f)
{
	switch (f->setup.request) {
	case USB_GET_STATUS:
		return get_status(f);
	case USB_CLEAR_FEATURE:
	case USB_SET_FEATURE:
		return change_feature(f, f->setup.request == USB_SET_FEATURE);
	case USB_SET_ADDRESS:
		return f->setup.value <= ADDRESS_MAX ? 0 : USB_STALL;
	case USB_GET_DESCRIPTOR:
		return get_descriptor(f);
	case USB_GET_CONFIGURATION:
		return get_byte(f, f->configuration);
	case USB_SET_CONFIGURATION:
		return set_configuration(f);
	case USB_GET_INTERFACE: /* there is one alternate setting */
		return get_byte(f, 0);
	case USB_SET_INTERFACE:
		return f->setup.value ? USB_STALL : 0;
	default:
		return USB_STALL;
	}
}

static int request(struct usb_function *f)
{
	unsigned type = f->setup.type & USB_TYPE;

	if (type == USB_TO_CLASS)
		return f->class->control(f, &f->setup, f->data);
	return type ? USB_STALL : standard_request(f);
}

/* ---- control transfers (8.5.2) ---- */

static void run_request(struct usb_function *f)
{
	bool in = f->setup.type & USB_IN;
	int r = request(f);

	if (r < 0) {
		f->stage = USB_STALLED;
		return;
	}
	f->stage = in ? USB_DATA_IN : USB_STATUS_IN;
	f->length = in ? MIN((uint16_t)r, f->setup.length) : 0;
	f->at = 0;
}

void usb_setup(struct usb_function *f, const uint8_t packet[8])
{
	f->setup = (struct usb_setup){ .type = packet[0],
		                       .request = packet[1],
		                       .value = le16_load(packet + 2),
		                       .index = le16_load(packet + 4),
		                       .length = le16_load(packet + 6) };
	f->length = f->at = 0;
	if (f->setup.type & USB_IN || !f->setup.length)
		run_request(f);
	else
		f->stage = f->setup.length <= sizeof(f->data) ? USB_DATA_OUT : USB_STALLED;
}

static int control_in(struct usb_function *f, uint8_t *buffer)
{
	uint16_t n = MIN((uint16_t)(f->length - f->at), USB_PACKET_0);

	switch (f->stage) {
	case USB_DATA_IN:
		memcpy(buffer, f->data + f->at, n);
		f->at += n;
		return n;
	case USB_STATUS_IN:
		if (!(f->setup.type & USB_TYPE) && f->setup.request == USB_SET_ADDRESS)
			f->address = (uint8_t)f->setup.value;
		f->stage = USB_IDLE;
		return 0;
	default:
		return USB_STALL;
	}
}

static int control_out(struct usb_function *f, const uint8_t *data, size_t length)
{
	uint16_t n = (uint16_t)MIN(length, (size_t)f->setup.length - f->length);

	if (f->stage == USB_DATA_IN) { /* the status stage: the host has what it wanted */
		f->stage = USB_IDLE;
		return 0;
	}
	if (f->stage != USB_DATA_OUT || length > USB_PACKET_0)
		return USB_STALL;
	memcpy(f->data + f->length, data, n);
	f->length += n;
	if (f->length == f->setup.length)
		run_request(f);
	return (int)length;
}

int usb_out(struct usb_function *f, unsigned endpoint, const uint8_t *data, size_t length)
{
	return endpoint ? USB_TIMEOUT : control_out(f, data, length);
}

int usb_in(struct usb_function *f, unsigned endpoint, uint64_t now, uint8_t *buffer)
{
	if (endpoint == 0)
		return control_in(f, buffer);
	if (endpoint != 1 || !f->configuration)
		return USB_TIMEOUT;
	return f->halted ? USB_STALL : f->class->interrupt_in(f, now, buffer);
}

/* ---- state ---- */

static bool valid(const struct usb_function *f)
{
	return f->address <= ADDRESS_MAX && f->configuration <= 1 && f->stage <= USB_STALLED &&
	       f->length <= sizeof(f->data) && f->at <= f->length &&
	       (f->stage != USB_DATA_OUT || (f->setup.length <= sizeof(f->data) && f->length < f->setup.length));
}

void usb_state(struct usb_function *f, struct state *s)
{
	state_u8(s, "usb.address", &f->address);
	state_u8(s, "usb.configuration", &f->configuration);
	state_u8(s, "usb.stage", &f->stage);
	state_bool(s, "usb.halted", &f->halted);
	state_u8(s, "usb.type", &f->setup.type);
	state_u8(s, "usb.request", &f->setup.request);
	state_u16(s, "usb.value", &f->setup.value);
	state_u16(s, "usb.index", &f->setup.index);
	state_u16(s, "usb.setup_length", &f->setup.length);
	state_bytes(s, "usb.data", f->data, sizeof(f->data));
	state_u16(s, "usb.length", &f->length);
	state_u16(s, "usb.at", &f->at);
	if (state_loading(s) && !state_error(s) && !valid(f))
		state_fail(s, -EINVAL, "usb.stage");
}
