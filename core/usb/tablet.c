/* SPDX-License-Identifier: MIT */
#include "core/usb/tablet.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "vmformat/bytes.h"

#define REPORT_SIZE 6
#define BUTTONS 0x1f
#define WHEEL_MAX 127
#define USED_NS NS_PER_SECOND /* drivers poll every few milliseconds while anybody has their device open */
#define IDLE_UNIT (4 * NS_PER_MS)
#define HID_INPUT 1 /* report type */

enum hid_request { /* HID 7.2 */
	           HID_GET_REPORT = 1,
	           HID_GET_IDLE = 2,
	           HID_GET_PROTOCOL = 3,
	           HID_SET_IDLE = 10,
	           HID_SET_PROTOCOL = 11,
};

/* ---- descriptors ---- */

static const uint8_t report_descriptor[] = {
	0x05, 0x01,                   /* Usage Page (Generic Desktop) */
	0x09, 0x02,                   /* Usage (Mouse) */
	0xa1, 0x01,                   /* Collection (Application) */
	0x09, 0x01,                   /*   Usage (Pointer) */
	0xa1, 0x00,                   /*   Collection (Physical) */
	0x05, 0x09,                   /*     Usage Page (Button) */
	0x19, 0x01, 0x29, 0x05,       /* Usage 1 to 5 */
	0x15, 0x00, 0x25, 0x01,       /* Logical 0 to 1 */
	0x95, 0x05, 0x75, 0x01,       /* 5 of 1 bit */
	0x81, 0x02,                   /*     Input (Data, Variable, Absolute) */
	0x95, 0x01, 0x75, 0x03,       /* 3 bits */
	0x81, 0x01,                   /*     Input (Constant) */
	0x05, 0x01,                   /*     Usage Page (Generic Desktop) */
	0x09, 0x30, 0x09, 0x31,       /* Usage (X), (Y) */
	0x15, 0x00, 0x26, 0xff, 0x7f, /* Logical 0 to 32767 */
	0x35, 0x00, 0x46, 0xff, 0x7f, /* Physical 0 to 32767 */
	0x75, 0x10, 0x95, 0x02,       /* 2 of 16 bits */
	0x81, 0x02,                   /*     Input (Data, Variable, Absolute) */
	0x09, 0x38,                   /*     Usage (Wheel) */
	0x15, 0x81, 0x25, 0x7f,       /* Logical -127 to 127 */
	0x35, 0x00, 0x45, 0x00,       /* Physical: the same */
	0x75, 0x08, 0x95, 0x01,       /* 1 of 8 bits */
	0x81, 0x06,                   /*     Input (Data, Variable, Relative) */
	0xc0, 0xc0,
};

/* The numbers of VirtualBox's tablet: appliances that declare one were made with it, so its guests know the device, and no driver
 * treats it as anything but what its descriptors say. */
static const uint8_t device_descriptor[] = {
	18, 0x01, 0x10, 0x01, 0, 0, 0, USB_PACKET_0, 0xee, 0x80, 0x21, 0x00, 0x00, 0x01, 1, 2, 0, 1,
};

#define HID_DESCRIPTOR 9, 0x21, 0x11, 0x01, 0, 1, 0x22, sizeof(report_descriptor), 0

static const uint8_t hid_descriptor[] = { HID_DESCRIPTOR };

static const uint8_t configuration_descriptor[] = {
	/* one interface, powered by the bus, 100 mA */
	9,
	0x02,
	9 + 9 + 9 + 7,
	0,
	1,
	1,
	0,
	0x80,
	50,
	/* one endpoint, HID, no boot protocol */
	9,
	0x04,
	0,
	0,
	1,
	3,
	0,
	0,
	0,
	HID_DESCRIPTOR,
	/* endpoint 1 IN, interrupt, every 8 ms */
	7,
	0x05,
	0x81,
	3,
	8,
	0,
	8,
};

static const struct usb_descriptor descriptors[] = {
	{ USB_TO_DEVICE, 0x01, device_descriptor, sizeof(device_descriptor) },
	{ USB_TO_DEVICE, 0x02, configuration_descriptor, sizeof(configuration_descriptor) },
	{ USB_TO_INTERFACE, 0x21, hid_descriptor, sizeof(hid_descriptor) },
	{ USB_TO_INTERFACE, 0x22, report_descriptor, sizeof(report_descriptor) },
};

static const char *const strings[] = { "Vitrine", "USB Tablet", NULL };

/* ---- reports ---- */

static int clamp(int value, int low, int high)
{
	return MAX(low, MIN(high, value));
}

void tablet_pointer(struct tablet *t, unsigned x, unsigned y, int dz, unsigned buttons)
{
	struct tablet_report r = { .x = (uint16_t)(MIN(x, 0xffff) >> 1),
		                   .y = (uint16_t)(MIN(y, 0xffff) >> 1),
		                   .wheel = (int8_t)-clamp(dz, -WHEEL_MAX, WHEEL_MAX),
		                   .buttons = buttons & BUTTONS };
	bool moves = !r.wheel && r.buttons == t->told.buttons, replace = moves && t->told_moves && t->count;

	if (moves && r.x == t->told.x && r.y == t->told.y)
		return;
	if (t->count == TABLET_QUEUE)
		replace = true;
	if (replace)
		t->count--;
	t->queue[t->count++] = t->told = r;
	t->told_moves = moves;
}

void tablet_forget(struct tablet *t)
{
	t->count = 0;
}

bool tablet_has_news(const struct tablet *t)
{
	return t->count;
}

bool tablet_is_used(const struct tablet *t, uint64_t now)
{
	return t->usb.configuration && t->polled_at != TIMER_OFF && now - t->polled_at < USED_NS;
}

static int write_report(const struct tablet_report *r, uint8_t *data)
{
	data[0] = r->buttons;
	le16_store(data + 1, r->x);
	le16_store(data + 3, r->y);
	data[5] = (uint8_t)r->wheel;
	return REPORT_SIZE;
}

static int tablet_interrupt_in(struct usb_function *f, uint64_t now, uint8_t *data)
{
	struct tablet *t = (struct tablet *)f;
	struct tablet_report r = t->told;

	t->polled_at = now;
	r.wheel = 0;
	if (t->count) {
		r = t->queue[0];
		t->count--;
		memmove(t->queue, t->queue + 1, t->count * sizeof(t->queue[0]));
	} else if (!t->idle || now - t->sent_at < t->idle * IDLE_UNIT) {
		return USB_NAK;
	}
	t->sent_at = now;
	return write_report(&r, data);
}

static int tablet_control(struct usb_function *f, const struct usb_setup *setup, uint8_t *data)
{
	struct tablet *t = (struct tablet *)f;
	struct tablet_report r = t->told;

	r.wheel = 0;
	switch (setup->request) {
	case HID_GET_REPORT:
		return setup->value >> 8 == HID_INPUT ? write_report(&r, data) : USB_STALL;
	case HID_GET_IDLE:
		data[0] = t->idle;
		return 1;
	case HID_GET_PROTOCOL:
		data[0] = t->protocol;
		return 1;
	case HID_SET_IDLE:
		t->idle = (uint8_t)(setup->value >> 8);
		return 0;
	case HID_SET_PROTOCOL:
		t->protocol = setup->value & 1;
		return 0;
	default: /* there are no output reports to set */
		return USB_STALL;
	}
}

static void tablet_reset(struct usb_function *f)
{
	struct tablet *t = (struct tablet *)f;

	t->count = 0;
	memset(t->queue, 0, sizeof(t->queue));
	t->told = (struct tablet_report){ 0 };
	t->told_moves = false;
	t->idle = 0;
	t->protocol = 1; /* the report protocol */
	t->sent_at = 0;
	t->polled_at = TIMER_OFF;
}

void tablet_init(struct tablet *t)
{
	static const struct usb_class class = { .descriptors = descriptors,
		                                .descriptor_count = ARRAY_SIZE(descriptors),
		                                .strings = strings,
		                                .reset = tablet_reset,
		                                .control = tablet_control,
		                                .interrupt_in = tablet_interrupt_in };

	t->usb.class = &class;
	usb_reset(&t->usb);
}

static void report_state(struct tablet_report *r, struct state *s)
{
	state_u16(s, "tablet.x", &r->x);
	state_u16(s, "tablet.y", &r->y);
	state_u8(s, "tablet.wheel", (uint8_t *)&r->wheel);
	state_u8(s, "tablet.buttons", &r->buttons);
}

void tablet_state(struct tablet *t, struct state *s)
{
	usb_state(&t->usb, s);
	for (size_t i = 0; i < TABLET_QUEUE; i++)
		report_state(&t->queue[i], s);
	state_u32(s, "tablet.count", &t->count);
	report_state(&t->told, s);
	state_bool(s, "tablet.told_moves", &t->told_moves);
	state_u8(s, "tablet.idle", &t->idle);
	state_u8(s, "tablet.protocol", &t->protocol);
	state_u64(s, "tablet.sent_at", &t->sent_at);
	state_u64(s, "tablet.polled_at", &t->polled_at);
	if (state_loading(s) && !state_error(s) && t->count > TABLET_QUEUE)
		state_fail(s, -EINVAL, "tablet.count");
}
