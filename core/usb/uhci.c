/* SPDX-License-Identifier: MIT */
/*
 * UHCI (Universal Host Controller Interface Design Guide 1.1; 82371AB data sheet, Intel 290562, chapter 6).
 *
 * A schedule in guest memory says each millisecond what to send. Walking it a thousand times a second for a tablet that lies still
 * would cost more than all the rest of an idle guest. So after QUIET_FRAMES in which nothing was moved the timer comes only every
 * LAZY_FRAMES, and then walks all frames that have passed, as they stand now. New motion calls it at once; a transfer that the guest
 * has put into the schedule meanwhile waits those milliseconds, and those behind it none. The frame number is computed from the
 * clock, so the guest sees it count as ever.
 */
#include "core/usb/uhci.h"

#include <errno.h>
#include <string.h>

#include "core/chipset/pci.h"
#include "core/usb/tablet.h"

enum uhci_register { /* 2.1 */
	             USBCMD = 0x00,
	             USBSTS = 0x02,
	             USBINTR = 0x04,
	             FRNUM = 0x06,
	             FLBASEADD = 0x08,
	             SOFMOD = 0x0c,
	             PORTSC1 = 0x10,
	             REGION = 0x20,
};
enum { CMD_RS = 0x01, CMD_HCRESET = 0x02, CMD_GRESET = 0x04, CMD_KEPT = 0xfd };
enum { STS_USBINT = 0x01, STS_ERROR = 0x02, STS_RESUME = 0x04, STS_HOST = 0x08, STS_PROCESS = 0x10, STS_HALTED = 0x20 };
enum { INTR_ERROR = 0x01, INTR_RESUME = 0x02, INTR_IOC = 0x04, INTR_SHORT = 0x08 };
enum {
	PORT_CONNECTED = 0x0001,
	PORT_CONNECT_CHANGE = 0x0002,
	PORT_ENABLED = 0x0004,
	PORT_ENABLE_CHANGE = 0x0008,
	PORT_LINE_D_PLUS = 0x0010, /* an idle full-speed function holds it up */
	PORT_ONE = 0x0080,         /* drivers count ports by it */
	PORT_RESET = 0x0200,
	PORT_SUSPEND = 0x1000,
	PORT_CHANGES = PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE,
	PORT_WRITABLE = PORT_ENABLED | PORT_RESET | PORT_SUSPEND | 0x0040 /* resume detect */,
};

#define PORTS 2
#define SBRN 0x60 /* configuration: the USB release */
#define LEGSUP 0xc0
#define LEGSUP_PIRQ 0x2000
#define LEGSUP_WRITABLE 0x203f
#define LEGSUP_CLEARED 0x8f00
#define RESUME_ENABLE 0xc4

#define FRAME_NS NS_PER_MS
#define FRAME_NUMBERS 0x800
#define FRAME_LIST 1024u
#define QUIET_FRAMES 8u
#define LAZY_FRAMES 16u /* 62 looks a second: some 0.1 % of a CPU; a hand's motion is not held up by it */

/* What one frame may cost us: 12 Mbit/s leave room for 1,500 bytes, of which each packet takes 13 beside its data (USB 1.1, 5.6.3 to
 * 5.8.4); and the controller fetches no more links meanwhile than these. */
#define FRAME_BYTES 1500
#define PACKET_OVERHEAD 13
#define FRAME_LINKS 256u

#define LINK_END 1u
#define LINK_QUEUE 2u
#define LINK_DEPTH 4u
#define LINK_ADDRESS 0xfffffff0u

enum td_control { /* 3.2.2 */
	          TD_LENGTH = 0x7ff,
	          TD_TIMEOUT = 1 << 18,
	          TD_NAK = 1 << 19,
	          TD_BABBLE = 1 << 20,
	          TD_STALLED = 1 << 22,
	          TD_ACTIVE = 1 << 23,
	          TD_IOC = 1 << 24,
	          TD_ISOCHRONOUS = 1 << 25,
	          TD_ERRORS = 3 << 27, /* that may happen before it is given up; 0: any number */
	          TD_SHORT = 1 << 29,
	          TD_STATUS = 0x7f << 16,
};
#define TD_DATA_MAX 1280 /* 3.2.3: more is a mistake that stops the controller */

enum pid { PID_OUT = 0xe1, PID_IN = 0x69, PID_SETUP = 0x2d };

struct td {
	uint32_t address, link, control, token, buffer;
};

enum outcome { TD_IDLE, TD_WAITS, TD_DONE, TD_STOPS_QUEUE };

/* Of one frame */
struct walk {
	unsigned links;
	int bytes;
	bool moved;      /* something was transferred since the mark */
	bool moved_ever; /* in this frame */
	uint32_t mark;
	unsigned steps, span;
};

struct uhci {
	struct pci_device pci;
	struct region io;
	struct uhci_config wires;
	uint16_t command, status, interrupts, ports[PORTS];
	uint32_t list;
	uint8_t sof;
	bool completed, was_short; /* why STS_USBINT is set */
	uint16_t frame;            /* the next to be walked */
	uint64_t frame_start;      /* guest ns at which it begins */
	uint32_t quiet;            /* frames walked since something was moved, up to QUIET_FRAMES */
	bool takes_pointer;        /* as the wire was told last */
	struct timer timer;
	struct tablet tablet;
};

static bool running(const struct uhci *u)
{
	return u->command & CMD_RS;
}

/* ---- after anything has changed ---- */

static bool interrupt_level(const struct uhci *u)
{
	bool level = u->status & (STS_HOST | STS_PROCESS);

	level |= u->status & STS_ERROR && u->interrupts & INTR_ERROR;
	level |= u->status & STS_RESUME && u->interrupts & INTR_RESUME;
	level |= u->status & STS_USBINT && u->completed && u->interrupts & INTR_IOC;
	level |= u->status & STS_USBINT && u->was_short && u->interrupts & INTR_SHORT;
	return level && le16_load(u->pci.config + LEGSUP) & LEGSUP_PIRQ;
}

static uint64_t next_walk(const struct uhci *u)
{
	bool lazy = u->quiet >= QUIET_FRAMES && !(u->takes_pointer && tablet_has_news(&u->tablet));

	if (!running(u))
		return TIMER_OFF;
	return u->frame_start + (lazy ? (LAZY_FRAMES - 1) * FRAME_NS : 0);
}

static void update(struct uhci *u)
{
	struct device *d = &u->pci.device;
	bool takes = running(u) && tablet_is_used(&u->tablet, device_now(d));

	pci_set_irq(&u->pci, interrupt_level(u));
	if (takes != u->takes_pointer) {
		u->takes_pointer = takes;
		tablet_forget(&u->tablet);
		u->wires.pointer_changed(u->wires.context);
	}
	timer_set(d->board->clock, &u->timer, next_walk(u));
}

/* The frame under way: those that were not walked yet count as well. */
static uint16_t current_frame(struct uhci *u)
{
	uint64_t now = device_now(&u->pci.device);

	if (!running(u))
		return u->frame;
	if (now < u->frame_start)
		return (uint16_t)(u->frame - 1) % FRAME_NUMBERS;
	return (uint16_t)((u->frame + (now - u->frame_start) / FRAME_NS) % FRAME_NUMBERS);
}

static void stop(struct uhci *u)
{
	u->frame = current_frame(u);
	u->command &= (uint16_t)~CMD_RS;
	u->status |= STS_HALTED;
}

/* The schedule makes no sense, or lies where there is no memory (2.1.2). */
static void give_up(struct uhci *u, uint16_t why)
{
	stop(u);
	u->status |= why;
}

/* ---- packets ---- */

static struct usb_function *addressed(struct uhci *u, uint32_t token)
{
	bool reachable = (u->ports[0] & (PORT_ENABLED | PORT_RESET | PORT_SUSPEND)) == PORT_ENABLED;

	return reachable && (token >> 8 & 0x7f) == u->tablet.usb.address ? &u->tablet.usb : NULL;
}

static unsigned data_length(const struct td *td)
{
	return ((td->token >> 21) + 1) & TD_LENGTH;
}

/* To the function: bytes that went over, or enum usb_answer. */
static int send(struct uhci *u, struct usb_function *f, const struct td *td)
{
	uint8_t data[USB_PACKET_MAX];
	unsigned length = data_length(td);
	bool setup = (td->token & 0xff) == PID_SETUP;

	if (length > sizeof(data) ||
	    (setup && length != 8)) /* longer than the endpoint's packets: it does not answer */
		return USB_TIMEOUT;
	if (length && device_dma_read(&u->pci.device, td->buffer, data, length) < 0) {
		give_up(u, STS_HOST);
		return USB_NAK;
	}
	if (!setup)
		return usb_out(f, td->token >> 15 & 15, data, length);
	if (td->token >> 15 & 15)
		return USB_TIMEOUT;
	usb_setup(f, data);
	return 8;
}

/* From the function. More than asked for is a babble: *ret_babble. */
static int fetch(struct uhci *u, struct usb_function *f, const struct td *td, bool *ret_babble)
{
	uint8_t data[USB_PACKET_MAX];
	int n = usb_in(f, td->token >> 15 & 15, device_now(&u->pci.device), data);

	*ret_babble = n > (int)data_length(td);
	if (n <= 0 || *ret_babble)
		return n;
	if (device_dma_write(&u->pci.device, td->buffer, data, (size_t)n) < 0) {
		give_up(u, STS_HOST);
		return USB_NAK;
	}
	return n;
}

/* ---- transfer descriptors (3.2) ---- */

static bool read_words(struct uhci *u, uint32_t address, uint32_t *words, unsigned count)
{
	uint8_t raw[16];

	if (device_dma_read(&u->pci.device, address, raw, 4 * count) < 0) {
		give_up(u, STS_HOST);
		return false;
	}
	for (unsigned i = 0; i < count; i++)
		words[i] = le32_load(raw + 4 * i);
	return true;
}

static void write_word(struct uhci *u, uint32_t address, uint32_t value)
{
	uint8_t raw[4];

	le32_store(raw, value);
	if (device_dma_write(&u->pci.device, address, raw, 4) < 0)
		give_up(u, STS_HOST);
}

static bool makes_sense(const struct td *td)
{
	uint8_t pid = td->token & 0xff;

	return (pid == PID_IN || pid == PID_OUT || pid == PID_SETUP) && data_length(td) <= TD_DATA_MAX;
}

static void complete(struct uhci *u, struct td *td, uint32_t status)
{
	if (status & (TD_STALLED | TD_TIMEOUT | TD_BABBLE))
		u->status |= STS_ERROR;
	if (td->control & TD_IOC) {
		u->status |= STS_USBINT;
		u->completed = true;
	}
	td->control = (td->control & ~(uint32_t)(TD_ACTIVE | TD_STATUS)) | status;
	write_word(u, td->address + 4, td->control);
}

/* It stays as it is, to be tried again in the next round; the driver may look why. */
static enum outcome put_off(struct uhci *u, struct td *td, uint32_t why)
{
	if ((td->control & TD_STATUS) != why)
		write_word(u, td->address + 4, (td->control & ~(uint32_t)TD_STATUS) | why);
	return TD_WAITS;
}

/* Nobody answers. The wire is as quiet the next time, so all the tries that the driver allows fail at once. */
static enum outcome time_out(struct uhci *u, struct td *td)
{
	if (!(td->control & (TD_ERRORS | TD_ISOCHRONOUS)))
		return put_off(u, td, TD_TIMEOUT);
	td->control &= ~(uint32_t)TD_ERRORS;
	complete(u, td, td->control & TD_ISOCHRONOUS ? TD_TIMEOUT : TD_TIMEOUT | TD_STALLED);
	return TD_STOPS_QUEUE;
}

static enum outcome take_answer(struct uhci *u, struct td *td, int n)
{
	td->control = (td->control & ~(uint32_t)TD_LENGTH) | ((unsigned)(n - 1) & TD_LENGTH);
	complete(u, td, 0);
	if ((td->token & 0xff) != PID_IN || n == (int)data_length(td) || !(td->control & TD_SHORT))
		return TD_DONE;
	u->status |= STS_USBINT;
	u->was_short = true;
	return TD_STOPS_QUEUE; /* for the driver to look at */
}

static enum outcome run_td(struct uhci *u, struct walk *w, uint32_t address, struct td *td)
{
	struct usb_function *f;
	uint32_t words[4];
	bool babble = false;
	int n;

	*td = (struct td){ .link = LINK_END };
	if (!read_words(u, address, words, 4))
		return TD_STOPS_QUEUE;
	*td = (struct td){ address, words[0], words[1], words[2], words[3] };
	if (!(td->control & TD_ACTIVE))
		return TD_IDLE;
	if (!makes_sense(td)) {
		give_up(u, STS_PROCESS);
		return TD_STOPS_QUEUE;
	}
	w->bytes -= PACKET_OVERHEAD;
	f = addressed(u, td->token);
	if (!f)
		n = USB_TIMEOUT;
	else
		n = (td->token & 0xff) == PID_IN ? fetch(u, f, td, &babble) : send(u, f, td);
	if (n == USB_NAK)
		return running(u) ? put_off(u, td, TD_NAK) : TD_STOPS_QUEUE;
	if (n == USB_TIMEOUT)
		return time_out(u, td);
	w->moved = w->moved_ever = true;
	if (n == USB_STALL || babble) {
		complete(u, td, babble ? TD_BABBLE | TD_STALLED : TD_STALLED);
		return TD_STOPS_QUEUE;
	}
	w->bytes -= n;
	return take_answer(u, td, n);
}

/* ---- the schedule (3.4) ---- */

/* One visit to a queue head: the transfer at its front, and those behind it as long as they ask for going deeper. Returns where to go
 * on. */
static uint32_t run_queue(struct uhci *u, struct walk *w, uint32_t address)
{
	uint32_t head[2], element;
	struct td td;

	if (!read_words(u, address, head, 2))
		return LINK_END;
	element = head[1];
	if (element & LINK_QUEUE && !(element & LINK_END))
		return element;
	while (!(element & (LINK_END | LINK_QUEUE)) && w->links++ < FRAME_LINKS && w->bytes > 0) {
		if (run_td(u, w, element & LINK_ADDRESS, &td) != TD_DONE)
			break;
		element = td.link;
		write_word(u, address + 4, element);
		if (!(element & LINK_DEPTH) || !running(u))
			break;
	}
	return head[0];
}

/* Drivers close the list to a ring, to use what is left of a frame: once round with nothing done is enough. The mark is moved on after
 * 1, 2, 4 ... steps, so that a ring of any length is found (Brent). */
static bool went_round(struct walk *w, uint32_t link)
{
	if (link == w->mark && !w->moved)
		return true;
	if (w->moved || ++w->steps >= w->span) {
		w->span = w->moved ? 1 : 2 * w->span;
		w->steps = 0;
		w->mark = link;
		w->moved = false;
	}
	return false;
}

/* Returns whether anything was transferred. */
static bool run_frame(struct uhci *u)
{
	struct walk w = { .bytes = FRAME_BYTES, .mark = LINK_END, .span = 1 };
	uint32_t link;
	struct td td;

	if (!read_words(u, u->list + 4 * (u->frame % FRAME_LIST), &link, 1))
		return false;
	while (!(link & LINK_END) && running(u) && w.links++ < FRAME_LINKS && w.bytes > 0 && !went_round(&w, link)) {
		if (link & LINK_QUEUE) {
			link = run_queue(u, &w, link & LINK_ADDRESS);
		} else {
			run_td(u, &w, link & LINK_ADDRESS, &td);
			link = td.link;
		}
	}
	return w.moved_ever;
}

/* All frames that have begun. More than we put off ourselves were lost because the host had no time: they are not made up for. */
static void walk(struct device *d, struct timer *t)
{
	struct uhci *u = (struct uhci *)d;
	uint64_t now = device_now(d);
	bool moved = false;

	(void)t;
	for (unsigned i = 0; i < LAZY_FRAMES && running(u) && u->frame_start <= now; i++) {
		u->quiet = MIN(u->quiet + 1, QUIET_FRAMES);
		moved |= pci_bus_master(&u->pci) && run_frame(u);
		if (!running(u))
			break;
		u->frame = (u->frame + 1) % FRAME_NUMBERS;
		u->frame_start += FRAME_NS;
	}
	if (running(u) && u->frame_start <= now) {
		uint64_t lost = (now - u->frame_start) / FRAME_NS + 1;

		u->frame = (uint16_t)((u->frame + lost) % FRAME_NUMBERS);
		u->frame_start += lost * FRAME_NS;
	}
	if (moved)
		u->quiet = 0;
	update(u);
}

/* ---- registers ---- */

static void reset_ports(struct uhci *u)
{
	u->ports[0] = PORT_CONNECTED | PORT_CONNECT_CHANGE | PORT_LINE_D_PLUS | PORT_ONE;
	u->ports[1] = PORT_ONE;
	usb_reset(&u->tablet.usb);
}

static void reset_controller(struct uhci *u)
{
	u->command = u->interrupts = u->frame = 0;
	u->status = STS_HALTED;
	u->list = 0;
	u->sof = 0x40;
	u->completed = u->was_short = false;
	u->frame_start = 0;
	u->quiet = 0;
	reset_ports(u);
}

static void write_command(struct uhci *u, uint16_t value)
{
	bool was_running = running(u);

	if (value & CMD_HCRESET) {
		reset_controller(u);
		return;
	}
	if (value & CMD_GRESET)
		reset_ports(u);
	if (was_running && !(value & CMD_RS))
		stop(u);
	u->command = value & CMD_KEPT;
	if (was_running || !running(u))
		return;
	u->status &= (uint16_t)~STS_HALTED;
	u->frame_start = device_now(&u->pci.device);
	u->quiet = 0;
}

static void write_status(struct uhci *u, uint16_t value)
{
	u->status &= (uint16_t) ~(value & ~STS_HALTED);
	if (value & STS_USBINT)
		u->completed = u->was_short = false;
}

/* The reset of a port lasts as long as its bit is set; then it is for the driver to enable it. */
static void write_port(struct uhci *u, unsigned n, uint16_t value)
{
	uint16_t *port = &u->ports[n], kept = *port & (uint16_t) ~(PORT_WRITABLE | (value & PORT_CHANGES));

	if (value & PORT_RESET && !(*port & PORT_RESET) && n == 0)
		usb_reset(&u->tablet.usb);
	*port = kept | (value & PORT_WRITABLE);
	if (*port & PORT_RESET || !(*port & PORT_CONNECTED))
		*port &= (uint16_t)~PORT_ENABLED;
}

static uint16_t read_register(struct uhci *u, unsigned at)
{
	switch (at) {
	case USBCMD:
		return u->command;
	case USBSTS:
		return u->status;
	case USBINTR:
		return u->interrupts;
	case FRNUM:
		return current_frame(u);
	case FLBASEADD:
		return (uint16_t)u->list;
	case FLBASEADD + 2:
		return (uint16_t)(u->list >> 16);
	case SOFMOD:
		return u->sof;
	case PORTSC1:
	case PORTSC1 + 2:
		return u->ports[(at - PORTSC1) / 2];
	default:
		return 0;
	}
}

/* written: the bits that the access covers; value is 0 in the others. */
static void write_register(struct uhci *u, unsigned at, uint16_t written, uint16_t value)
{
	uint16_t whole = (uint16_t)(read_register(u, at) & ~written) | value;

	switch (at) {
	case USBCMD:
		write_command(u, whole);
		break;
	case USBSTS:
		write_status(u, value);
		break;
	case USBINTR:
		u->interrupts = whole & (INTR_ERROR | INTR_RESUME | INTR_IOC | INTR_SHORT);
		break;
	case FRNUM: /* 2.1.4: only while it is halted */
		u->frame = running(u) ? u->frame : whole % FRAME_NUMBERS;
		break;
	case FLBASEADD:
		u->list = (u->list & 0xffff0000u) | (whole & 0xf000u);
		break;
	case FLBASEADD + 2:
		u->list = (u->list & 0xffffu) | (uint32_t)whole << 16;
		break;
	case SOFMOD:
		u->sof = whole & 0x7f;
		break;
	case PORTSC1:
	case PORTSC1 + 2: /* a 0 in a change bit does nothing, also where the access does not reach */
		write_port(u, (at - PORTSC1) / 2, (whole & (uint16_t)~PORT_CHANGES) | (value & PORT_CHANGES));
		break;
	}
}

static uint64_t uhci_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct uhci *u = (struct uhci *)d;
	uint64_t value = 0;

	(void)r;
	for (unsigned i = 0; i < size; i++) {
		unsigned at = (unsigned)offset + i;

		value |= (uint64_t)(read_register(u, at & ~1u) >> 8 * (at & 1) & 0xff) << 8 * i;
	}
	return value;
}

static void uhci_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct uhci *u = (struct uhci *)d;
	unsigned shift = 8 * (offset & 1);

	(void)r;
	if (size == 1)
		write_register(u, (unsigned)offset & ~1u, (uint16_t)(0xff << shift), (uint16_t)(value << shift));
	for (unsigned i = 0; i + 2 <= size; i += 2)
		write_register(u, (unsigned)offset + i, 0xffff, (uint16_t)(value >> 8 * i));
	update(u);
}

static const struct region_ops uhci_ops = { .read = uhci_read, .write = uhci_write };

static void config_written(struct pci_device *p, unsigned reg, unsigned size)
{
	(void)reg, (void)size;
	update(container_of(p, struct uhci, pci));
}

/* ---- from the player ---- */

bool uhci_takes_pointer(struct device *d)
{
	return ((struct uhci *)d)->takes_pointer;
}

void uhci_pointer(struct device *d, unsigned x, unsigned y, int dz, unsigned buttons)
{
	struct uhci *u = (struct uhci *)d;

	if (!u->takes_pointer)
		return;
	tablet_pointer(&u->tablet, x, y, dz, buttons);
	update(u);
}

/* ---- device ---- */

static int uhci_create(struct device *d, const struct device_config *config, struct error *e)
{
	static const struct pci_identity identity = {
		.vendor = 0x8086, .device = 0x7112, .class_code = 0x0c0300, .revision = 1, .interrupt_pin = 4
	};
	struct uhci *u = (struct uhci *)d;
	int r = pci_device_init(&u->pci, config, &identity, e);

	if (r < 0)
		return r;
	u->wires = *(const struct uhci_config *)config->extra;
	u->io = (struct region){ .name = "uhci", .ops = &uhci_ops, .device = d, .size = REGION, .space = BUS_PORT };
	pci_add_bar(&u->pci, 4, PCI_BAR_IO, &u->io, NULL);
	u->pci.config[SBRN] = 0x10;
	le16_store(u->pci.write_mask + LEGSUP, LEGSUP_WRITABLE);
	le16_store(u->pci.clear_mask + LEGSUP, LEGSUP_CLEARED);
	u->pci.write_mask[RESUME_ENABLE] = 3;
	u->pci.config_written = config_written;
	timer_init(&u->timer, d, walk);
	tablet_init(&u->tablet);
	return 0;
}

static void uhci_reset(struct device *d)
{
	struct uhci *u = (struct uhci *)d;

	pci_device_reset(&u->pci);
	le16_store(u->pci.config + LEGSUP, LEGSUP_PIRQ);
	u->pci.config[RESUME_ENABLE] = 0;
	reset_controller(u);
	update(u);
}

static bool valid(const struct uhci *u)
{
	/* A frame near the end of time would come round, and be due for ever. */
	return u->frame < FRAME_NUMBERS && !(u->list & 0xfff) && u->quiet <= QUIET_FRAMES &&
	       u->frame_start <= INT64_MAX && !running(u) == !!(u->status & STS_HALTED);
}

static int uhci_state(struct device *d, struct state *s)
{
	struct uhci *u = (struct uhci *)d;

	pci_device_state(&u->pci, s);
	state_u16(s, "command", &u->command);
	state_u16(s, "status", &u->status);
	state_u16(s, "interrupts", &u->interrupts);
	for (unsigned i = 0; i < PORTS; i++)
		state_u16(s, "port", &u->ports[i]);
	state_u32(s, "list", &u->list);
	state_u8(s, "sof", &u->sof);
	state_bool(s, "completed", &u->completed);
	state_bool(s, "was-short", &u->was_short);
	state_u16(s, "frame", &u->frame);
	state_u64(s, "frame-start", &u->frame_start);
	state_u32(s, "quiet", &u->quiet);
	state_bool(s, "takes-pointer", &u->takes_pointer);
	timer_state(d->board->clock, s, "timer", &u->timer);
	tablet_state(&u->tablet, s);
	if (state_loading(s) && !state_error(s) && !valid(u))
		state_fail(s, -EINVAL, "frame");
	if (state_loading(s) && state_error(s))
		reset_controller(u); /* half a state is none */
	if (state_loading(s)) {
		pci_set_irq(&u->pci, interrupt_level(u));
		u->wires.pointer_changed(u->wires.context);
	}
	return state_error(s);
}

const struct device_class uhci_class = {
	.name = "uhci",
	.summary = "USB host controller 82371AB with a tablet",
	.size = sizeof(struct uhci),
	.state_version = 1,
	.create = uhci_create,
	.reset = uhci_reset,
	.state = uhci_state,
};
