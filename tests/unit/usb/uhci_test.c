/* SPDX-License-Identifier: MIT */
/* The controller and its tablet, by a small driver that does what Linux' uhci_hcd and usbhid do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/usb/uhci.h"
#include "tests/unit/fake_board.h"

#define IO 0xc000
#define GSI 11

enum { CMD = IO, STS = IO + 2, INTR = IO + 4, FRNUM = IO + 6, LIST = IO + 8, PORT1 = IO + 16, PORT2 = IO + 18 };

/* In guest memory */
#define FRAMES 0x100000u
#define QUEUE 0x101000u
#define TDS 0x102000u
#define BUFFER 0x110000u
#define NO_MEMORY 0x80000000u

#define END 1u
#define IS_QUEUE 2u
#define DEEP 4u
#define ACTIVE (1u << 23)
#define IOC (1u << 24)
#define SPD (1u << 29)
#define TRIES (3u << 27)
#define STALLED (1u << 22)
#define BABBLE (1u << 20)
#define NAK (1u << 19)
#define TIMEOUT (1u << 18)
#define PID_IN 0x69u
#define PID_OUT 0xe1u
#define PID_SETUP 0x2du

struct rig {
	struct fake_board *f;
	struct pci_bus *bus;
	struct device *d;
	unsigned changes;
};

static void changed(void *context)
{
	((struct rig *)context)->changes++;
}

static void put(struct rig *r, uint32_t address, uint32_t value)
{
	fake_write(r->f, address, 4, value);
}

static uint32_t get(struct rig *r, uint32_t address)
{
	return (uint32_t)fake_read(r->f, address, 4);
}

static void pass(struct rig *r, unsigned ms)
{
	clock_advance(r->f->board.clock, ms * NS_PER_MS);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct uhci_config wires = { changed, r };

	r->f = fake_board_new();
	r->bus = pci_bus_new_root(&r->f->board);
	for (unsigned i = 0; i < 4; i++)
		pci_bus_route(r->bus, i, GSI);
	r->d = fake_board_create(
		r->f, &uhci_class,
		&(struct device_config){
			.id = "usb", .pci_bus = r->bus, .pci_devfn = PCI_DEVFN(1, 2), .extra = &wires });
	fake_map_bars(r->d->pci);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	fake_board_free(r->f);
	pci_bus_free(r->bus);
	free(r);
	return 0;
}

/* ---- the driver ---- */

/* Every frame leads to one empty queue. */
static void start(struct rig *r)
{
	for (unsigned i = 0; i < 1024; i++)
		put(r, FRAMES + 4 * i, QUEUE | IS_QUEUE);
	put(r, QUEUE, END);
	put(r, QUEUE + 4, END);
	fake_outw(r->f, CMD, 2);
	fake_outl(r->f, LIST, FRAMES);
	fake_outw(r->f, INTR, 0x0f);
	fake_outw(r->f, CMD, 0xc1);
	assert_int_equal(fake_inw(r->f, STS), 0);
}

static void reset_port(struct rig *r)
{
	fake_outw(r->f, PORT1, 0x200);
	pass(r, 50);
	fake_outw(r->f, PORT1, 0);
	fake_outw(r->f, PORT1, 0x000e); /* enable; the changes are seen */
	assert_int_equal(fake_inw(r->f, PORT1), 0x0095);
}

static uint32_t td_address(unsigned n)
{
	return TDS + 32 * n;
}

static void make_td(struct rig *r, unsigned n, uint32_t link, uint32_t control, uint32_t pid, unsigned address,
                    unsigned endpoint, unsigned length, uint32_t buffer)
{
	put(r, td_address(n), link);
	put(r, td_address(n) + 4, control);
	put(r, td_address(n) + 8, pid | address << 8 | endpoint << 15 | ((length - 1) & 0x7ff) << 21);
	put(r, td_address(n) + 12, buffer);
}

static uint32_t control_of(struct rig *r, unsigned n)
{
	return get(r, td_address(n) + 4);
}

static unsigned actual(struct rig *r, unsigned n)
{
	return ((control_of(r, n) & 0x7ff) + 1) & 0x7ff;
}

static unsigned waited; /* ms that the last transfer took */

static void run(struct rig *r, unsigned last)
{
	put(r, QUEUE + 4, td_address(0));
	for (waited = 0; waited < 100; waited++) {
		bool failed = false;

		for (unsigned i = 0; i <= last; i++)
			failed |= control_of(r, i) & STALLED;
		if (failed || !(control_of(r, last) & ACTIVE))
			break;
		pass(r, 1);
	}
	put(r, QUEUE + 4, END);
}

/* A control transfer in packets of 8 bytes; data in BUFFER + 0x100. Bytes that went over, -1: it was refused. */
static int transfer(struct rig *r, unsigned address, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                    uint16_t length)
{
	const uint8_t packet[8] = { type,           request,    (uint8_t)value,  value >> 8,
		                    (uint8_t)index, index >> 8, (uint8_t)length, length >> 8 };
	unsigned n = 0, done = 0;
	bool in = type & 0x80;

	memcpy(fake_ram(r->f, BUFFER), packet, 8);
	make_td(r, n, td_address(n + 1) | DEEP, ACTIVE | TRIES, PID_SETUP, address, 0, 8, BUFFER);
	n++;
	for (unsigned at = 0; at < length; at += 8, n++)
		make_td(r, n, td_address(n + 1) | DEEP, ACTIVE | TRIES | (in ? SPD : 0), in ? PID_IN : PID_OUT, address,
		        0, MIN(8u, length - at), BUFFER + 0x100 + at);
	make_td(r, n, END, ACTIVE | TRIES | IOC, in && length ? PID_OUT : PID_IN, address, 0, 0, 0);
	run(r, n);
	for (unsigned i = 0; i <= n; i++)
		if (control_of(r, i) & STALLED)
			return -1;
	for (unsigned i = 1; i < n && !(control_of(r, i) & ACTIVE); i++)
		done += actual(r, i);
	if (!(control_of(r, n) & ACTIVE))
		return (int)done;
	assert_true(in && done < length); /* short: the driver goes on with the status stage */
	make_td(r, 0, END, ACTIVE | TRIES | IOC, PID_OUT, address, 0, 0, 0);
	run(r, 0);
	return control_of(r, 0) & (ACTIVE | STALLED) ? -1 : (int)done;
}

static const uint8_t *data(struct rig *r)
{
	return fake_ram(r->f, BUFFER + 0x100);
}

static void configure(struct rig *r)
{
	start(r);
	reset_port(r);
	assert_int_equal(transfer(r, 0, 0x00, 5, 3, 0, 0), 0);
	assert_int_equal(transfer(r, 3, 0x00, 9, 1, 0, 0), 0);
}

/* One packet of the interrupt endpoint is asked for and stays so. */
static void poll(struct rig *r)
{
	make_td(r, 0, END, ACTIVE | TRIES | IOC, PID_IN, 3, 1, 8, BUFFER);
	put(r, QUEUE + 4, td_address(0));
}

static void expect_report(struct rig *r, uint8_t buttons, uint16_t x, uint16_t y, int8_t wheel)
{
	const uint8_t *report = fake_ram(r->f, BUFFER);

	for (unsigned i = 0; i < 3 && control_of(r, 0) & ACTIVE; i++)
		pass(r, 1);
	assert_int_equal(control_of(r, 0) & (ACTIVE | STALLED), 0);
	assert_int_equal(actual(r, 0), 6);
	assert_int_equal(report[0], buttons);
	assert_int_equal(le16_load(report + 1), x);
	assert_int_equal(le16_load(report + 3), y);
	assert_int_equal((int8_t)report[5], wheel);
	poll(r);
}

/* ---- registers ---- */

static void it_is_the_piix4s(void **state)
{
	struct rig *r = *state;

	assert_int_equal(pci_config_read(r->d->pci, 0, 4), 0x71128086);
	assert_int_equal(pci_config_read(r->d->pci, 8, 4), 0x0c030001);
	assert_int_equal(pci_config_read(r->d->pci, 0x60, 1), 0x10);
	assert_int_equal(pci_config_read(r->d->pci, 0x3d, 1), 4);
	assert_int_equal(pci_config_read(r->d->pci, 0xc0, 2), 0x2000);
	assert_int_equal(fake_inw(r->f, STS), 0x20);
	assert_int_equal(fake_inb(r->f, IO + 0x0c), 0x40);
	assert_int_equal(fake_inw(r->f, PORT1), 0x0093);
	assert_int_equal(fake_inw(r->f, PORT2), 0x0080);
	assert_int_equal(fake_inw(r->f, PORT2 + 2), 0); /* no third port */
}

static void an_empty_port_cannot_be_enabled(void **state)
{
	struct rig *r = *state;

	fake_outw(r->f, PORT2, 0x0004);
	assert_int_equal(fake_inw(r->f, PORT2), 0x0080);
	fake_outw(r->f, PORT1, 0x0204); /* nor one in reset */
	assert_int_equal(fake_inw(r->f, PORT1) & 4, 0);
}

/* The next frame would begin before it, be due for ever, and nothing else would ever be served. */
static void state_of_a_frame_beyond_any_time_is_refused(void **state)
{
	static const uint8_t field[] = "\x0b"
				       "frame-start\x08\0\0";
	struct rig *r = *state;
	uint8_t *saved, *frame_start;
	size_t length;

	start(r);
	saved = fake_save(r->d, &length);
	frame_start = memmem(saved, length, field, sizeof(field));
	assert_non_null(frame_start);
	le64_store(frame_start + sizeof(field), UINT64_MAX - 1000);
	assert_int_equal(fake_load(r->d, saved, length), -EINVAL);
	clock_run(r->f->board.clock);
	assert_true(clock_next(r->f->board.clock) > clock_now(r->f->board.clock));
	free(saved);
}

static void frames_are_counted_also_when_they_are_not_looked_at(void **state)
{
	struct rig *r = *state;

	start(r);
	assert_int_equal(fake_inw(r->f, FRNUM), 0);
	for (unsigned i = 1; i <= 100; i++) {
		pass(r, 1);
		assert_int_equal(fake_inw(r->f, FRNUM), i);
	}
	pass(r, 2048);
	assert_int_equal(fake_inw(r->f, FRNUM), 100);
	fake_outw(r->f, CMD, 0);
	assert_int_equal(fake_inw(r->f, STS), 0x20);
	pass(r, 10);
	assert_int_equal(fake_inw(r->f, FRNUM), 100);
	fake_outw(r->f, FRNUM, 0x7ff);
	fake_outw(r->f, CMD, 1);
	pass(r, 1);
	assert_int_equal(fake_inw(r->f, FRNUM), 0);
}

static uint64_t sleep_ms(struct rig *r)
{
	uint64_t now = clock_now(r->f->board.clock), next = clock_next(r->f->board.clock);

	return next > now ? (next - now) / NS_PER_MS : 0;
}

static void an_idle_schedule_is_seldom_looked_at(void **state)
{
	struct rig *r = *state;

	configure(r);
	poll(r);
	pass(r, 100);
	for (unsigned walks = 0, ms = 0; ms < 1000; walks++, assert_true(walks <= 64)) {
		uint64_t next = sleep_ms(r) + 1;

		ms += (unsigned)next;
		pass(r, (unsigned)next);
	}
	assert_int_equal(control_of(r, 0) & (ACTIVE | NAK), ACTIVE | NAK);
	pass(r, 1);
	uhci_pointer(r->d, 0x8000, 0x4000, 0, 0);
	assert_true(sleep_ms(r) <= 1);
	pass(r, 1);
	expect_report(r, 0, 0x4000, 0x2000, 0);
	fake_outw(r->f, CMD, 0);
	assert_true(clock_next(r->f->board.clock) == TIMER_OFF);
}

static void a_transfer_put_into_an_idle_schedule_starts_within_16_ms(void **state)
{
	struct rig *r = *state;

	configure(r);
	for (unsigned i = 0; i < 40; i++) {
		pass(r, 100 + i);
		assert_int_equal(transfer(r, 3, 0x80, 8, 0, 0, 1), 1);
		assert_true(waited <= 16);
		assert_int_equal(transfer(r, 3, 0x80, 8, 0, 0, 1), 1);
		assert_true(waited <= 1); /* it looks at each frame now */
	}
}

/* ---- enumeration ---- */

static void the_tablet_is_enumerated(void **state)
{
	struct rig *r = *state;
	unsigned report_length;

	start(r);
	reset_port(r);
	assert_int_equal(transfer(r, 0, 0x80, 6, 0x0100, 0, 64), 18);
	assert_int_equal(data(r)[7], 8);
	reset_port(r);
	assert_int_equal(transfer(r, 0, 0x00, 5, 9, 0, 0), 0);
	assert_int_equal(transfer(r, 0, 0x80, 6, 0x0100, 0, 18), -1); /* it has moved */
	assert_int_equal(transfer(r, 9, 0x80, 6, 0x0100, 0, 18), 18);
	assert_int_equal(le16_load(data(r) + 2), 0x0110);
	assert_int_equal(le16_load(data(r) + 8), 0x80ee);
	assert_int_equal(transfer(r, 9, 0x80, 6, 0x0600, 0, 10), -1); /* no high speed */
	assert_int_equal(transfer(r, 9, 0x80, 6, 0x0200, 0, 9), 9);
	assert_int_equal(le16_load(data(r) + 2), 34);
	assert_int_equal(transfer(r, 9, 0x80, 6, 0x0200, 0, 34), 34);
	report_length = data(r)[9 + 9 + 7];
	assert_int_equal(data(r)[9 + 5], 3); /* HID */
	assert_int_equal(data(r)[9 + 9 + 9 + 2], 0x81);
	assert_int_equal(transfer(r, 9, 0x80, 6, 0x0300, 0, 255), 4);
	assert_int_equal(transfer(r, 9, 0x80, 6, 0x0302, 0x0409, 255), 22);
	assert_memory_equal(data(r) + 2, u"USB Tablet", 20);
	assert_int_equal(transfer(r, 9, 0x80, 6, 0x0303, 0x0409, 255), -1);
	assert_int_equal(transfer(r, 9, 0x80, 0, 0, 0, 2), 2);
	assert_int_equal(transfer(r, 9, 0x00, 9, 1, 0, 0), 0);
	assert_int_equal(transfer(r, 9, 0x80, 8, 0, 0, 1), 1);
	assert_int_equal(data(r)[0], 1);
	assert_int_equal(transfer(r, 9, 0x21, 10, 0, 0, 0), 0); /* SET_IDLE */
	assert_int_equal(transfer(r, 9, 0x81, 6, 0x2200, 0, 255), report_length);
	assert_int_equal(data(r)[report_length - 1], 0xc0);
}

/* What the report descriptor says, as a HID driver adds it up. */
static void the_report_is_as_long_as_its_descriptor_says(void **state)
{
	struct rig *r = *state;
	unsigned size = 0, count = 0, bits = 0;
	int length;

	configure(r);
	length = transfer(r, 3, 0x81, 6, 0x2200, 0, 255);
	for (int i = 0; i < length;) {
		uint8_t item = data(r)[i];

		size = (item & 0xfc) == 0x74 ? data(r)[i + 1] : size;
		count = (item & 0xfc) == 0x94 ? data(r)[i + 1] : count;
		bits += (item & 0xfc) == 0x80 ? size * count : 0;
		i += 1 + (item & 3);
	}
	assert_int_equal(bits, 6 * 8);
	assert_int_equal(transfer(r, 3, 0xa1, 1, 0x0100, 0, 8), 6); /* GET_REPORT */
}

static void idle_and_protocol_are_kept(void **state)
{
	struct rig *r = *state;

	configure(r);
	assert_int_equal(transfer(r, 3, 0xa1, 3, 0, 0, 1), 1);
	assert_int_equal(data(r)[0], 1);
	assert_int_equal(transfer(r, 3, 0x21, 11, 0, 0, 0), 0);
	assert_int_equal(transfer(r, 3, 0xa1, 3, 0, 0, 1), 1);
	assert_int_equal(data(r)[0], 0);
	assert_int_equal(transfer(r, 3, 0x21, 10, 25 << 8, 0, 0), 0); /* 100 ms */
	assert_int_equal(transfer(r, 3, 0xa1, 2, 0, 0, 1), 1);
	assert_int_equal(data(r)[0], 25);
	poll(r);
	for (unsigned ms = 0; ms < 120 && control_of(r, 0) & ACTIVE; ms++)
		pass(r, 1);
	expect_report(r, 0, 0, 0, 0); /* nothing new, but it is time */
	pass(r, 80);
	assert_true(control_of(r, 0) & ACTIVE);
	pass(r, 40);
	expect_report(r, 0, 0, 0, 0);
	assert_int_equal(transfer(r, 3, 0x21, 9, 0x0200, 0, 1), -1); /* SET_REPORT: there are none */
}

static void a_halted_endpoint_stalls_until_it_is_cleared(void **state)
{
	struct rig *r = *state;

	configure(r);
	assert_int_equal(transfer(r, 3, 0x02, 3, 0, 0x81, 0), 0);
	assert_int_equal(transfer(r, 3, 0x82, 0, 0, 0x81, 2), 2);
	assert_int_equal(data(r)[0], 1);
	fake_outw(r->f, STS, 0x1f);
	poll(r);
	pass(r, 20);
	assert_int_equal(control_of(r, 0) & (ACTIVE | STALLED), STALLED);
	assert_int_equal(get(r, QUEUE + 4), td_address(0)); /* the queue stands still */
	assert_int_equal(fake_inw(r->f, STS), 3);
	assert_int_equal(transfer(r, 3, 0x02, 1, 0, 0x81, 0), 0);
	poll(r);
	pass(r, 20);
	assert_int_equal(control_of(r, 0) & (ACTIVE | STALLED), ACTIVE);
}

/* ---- reports ---- */

static void motion_is_told_with_an_interrupt(void **state)
{
	struct rig *r = *state;
	unsigned edges;

	configure(r);
	assert_false(uhci_takes_pointer(r->d));
	uhci_pointer(r->d, 1, 1, 0, 1); /* lost: nobody listens */
	poll(r);
	pass(r, 17);
	assert_true(uhci_takes_pointer(r->d));
	assert_int_equal(r->changes, 1);
	fake_outw(r->f, STS, 0x1f);
	edges = r->f->irq_edges[GSI];
	uhci_pointer(r->d, 0xffff, 0, 0, 0);
	expect_report(r, 0, 0x7fff, 0, 0);
	assert_int_equal(r->f->irq_edges[GSI], edges + 1);
	assert_int_equal(fake_inw(r->f, STS), 1);
	assert_true(r->f->irq_level[GSI]);
	fake_outw(r->f, STS, 1);
	assert_false(r->f->irq_level[GSI]);
}

static void clicks_are_told_one_by_one_where_they_were_made(void **state)
{
	struct rig *r = *state;

	configure(r);
	poll(r);
	pass(r, 17);
	for (unsigned i = 0; i <= 500; i++)
		uhci_pointer(r->d, 2 * i, 0, 0, 0);
	uhci_pointer(r->d, 1000, 0, 0, 1);
	uhci_pointer(r->d, 2000, 0, 0, 1);
	uhci_pointer(r->d, 3000, 0, 0, 1);
	uhci_pointer(r->d, 3000, 0, 0, 0x1e);
	uhci_pointer(r->d, 3000, 0, -1, 0x1e);
	uhci_pointer(r->d, 3000, 0, 2, 0);
	expect_report(r, 0, 500, 0, 0);
	expect_report(r, 1, 500, 0, 0);
	expect_report(r, 1, 1500, 0, 0);
	expect_report(r, 0x1e, 1500, 0, 0);
	expect_report(r, 0x1e, 1500, 0, 1);
	expect_report(r, 0, 1500, 0, -2);
	pass(r, 20);
	assert_true(control_of(r, 0) & ACTIVE);
}

static void a_busy_guest_gets_the_newest(void **state)
{
	struct rig *r = *state;
	unsigned reports = 0;

	configure(r);
	poll(r);
	pass(r, 17);
	for (unsigned i = 0; i < 1000; i++)
		uhci_pointer(r->d, 2 * i, 0, 0, i & 1);
	for (; pass(r, 2), !(control_of(r, 0) & ACTIVE); reports++)
		poll(r);
	assert_true(reports >= 16 && reports <= 20);
	assert_int_equal(le16_load(fake_ram(r->f, BUFFER) + 1), 999);
	assert_int_equal(fake_ram(r->f, BUFFER)[0], 1);
}

static void who_stops_polling_gets_no_pointer(void **state)
{
	struct rig *r = *state;

	configure(r);
	poll(r);
	pass(r, 17);
	put(r, QUEUE + 4, END);
	pass(r, 900);
	assert_true(uhci_takes_pointer(r->d));
	uhci_pointer(r->d, 100, 100, 0, 1);
	pass(r, 200);
	assert_false(uhci_takes_pointer(r->d));
	assert_int_equal(r->changes, 2);
	poll(r);
	pass(r, 100);
	assert_true(uhci_takes_pointer(r->d));
	assert_true(control_of(r, 0) & ACTIVE); /* the click of then is not told now */
	fake_outw(r->f, CMD, 0);
	assert_false(uhci_takes_pointer(r->d));
	assert_int_equal(r->changes, 4);
}

/* ---- what can go wrong ---- */

static void a_short_packet_stops_its_queue_if_asked_to(void **state)
{
	struct rig *r = *state;

	configure(r);
	poll(r);
	pass(r, 17);
	fake_outw(r->f, STS, 0x1f);
	fake_outw(r->f, INTR, 8);
	make_td(r, 0, td_address(1), ACTIVE | TRIES | SPD, PID_IN, 3, 1, 8, BUFFER);
	make_td(r, 1, END, ACTIVE | TRIES, PID_IN, 3, 1, 8, BUFFER);
	uhci_pointer(r->d, 10, 10, 0, 0);
	pass(r, 1);
	assert_int_equal(control_of(r, 0) & ACTIVE, 0);
	assert_int_equal(get(r, QUEUE + 4), td_address(0));
	assert_true(r->f->irq_level[GSI]);
	put(r, td_address(0) + 4, ACTIVE | TRIES);
	uhci_pointer(r->d, 20, 20, 0, 0);
	pass(r, 2);
	assert_int_equal(get(r, QUEUE + 4), td_address(1));
}

static void a_packet_longer_than_its_buffer_is_a_babble(void **state)
{
	struct rig *r = *state;

	configure(r);
	memset(fake_ram(r->f, BUFFER), 0xee, 16);
	poll(r);
	make_td(r, 0, END, ACTIVE | TRIES, PID_IN, 3, 1, 5, BUFFER);
	pass(r, 17);
	uhci_pointer(r->d, 10, 10, 0, 0);
	pass(r, 1);
	assert_int_equal(control_of(r, 0) & (ACTIVE | STALLED | BABBLE), STALLED | BABBLE);
	assert_int_equal(fake_ram(r->f, BUFFER)[0], 0xee);
}

static void nobody_at_an_address_times_out_as_often_as_allowed(void **state)
{
	struct rig *r = *state;

	configure(r);
	make_td(r, 0, END, ACTIVE | TRIES, PID_OUT, 77, 0, 0, 0);
	run(r, 0);
	assert_int_equal(control_of(r, 0) & (ACTIVE | STALLED | TIMEOUT | TRIES), STALLED | TIMEOUT);
	make_td(r, 0, END, ACTIVE, PID_OUT, 77, 0, 0, 0); /* for ever */
	put(r, QUEUE + 4, td_address(0));
	pass(r, 100);
	assert_int_equal(control_of(r, 0) & (ACTIVE | STALLED), ACTIVE);
	make_td(r, 0, END, ACTIVE | TRIES, PID_IN, 3, 2, 8, BUFFER); /* an endpoint that is not there */
	run(r, 0);
	assert_int_equal(control_of(r, 0) & (ACTIVE | TIMEOUT), TIMEOUT);
	fake_outw(r->f, PORT1, 0x1004); /* asleep */
	make_td(r, 0, END, ACTIVE | TRIES, PID_IN, 3, 1, 8, BUFFER);
	run(r, 0);
	assert_int_equal(control_of(r, 0) & (ACTIVE | TIMEOUT), TIMEOUT);
}

static void expect_halt(struct rig *r, uint16_t status)
{
	pass(r, 20);
	assert_int_equal(fake_inw(r->f, STS) & 0x38, 0x20 | status);
	assert_int_equal(fake_inw(r->f, CMD) & 1, 0);
	assert_true(r->f->irq_level[GSI]);
	fake_outw(r->f, STS, 0x1f);
	assert_false(r->f->irq_level[GSI]);
	configure(r);
}

static void pointers_to_nowhere_halt_the_controller(void **state)
{
	struct rig *r = *state;

	start(r);
	fake_outl(r->f, LIST, NO_MEMORY);
	expect_halt(r, 8);
	put(r, QUEUE, NO_MEMORY | IS_QUEUE);
	expect_halt(r, 8);
	put(r, QUEUE, NO_MEMORY);
	expect_halt(r, 8);
	put(r, QUEUE + 4, FAKE_RAM_SIZE - 16 + 16);
	expect_halt(r, 8);
	make_td(r, 0, END, ACTIVE | TRIES, PID_SETUP, 3, 0, 8, NO_MEMORY);
	put(r, QUEUE + 4, td_address(0));
	expect_halt(r, 8);
	make_td(r, 0, END, ACTIVE | TRIES, PID_SETUP, 3, 0, 8, 0xfffffffc);
	put(r, QUEUE + 4, td_address(0));
	expect_halt(r, 8);
	assert_int_equal(transfer(r, 3, 0x80, 8, 0, 0, 1), 1);
}

static void a_descriptor_without_sense_halts_the_controller(void **state)
{
	struct rig *r = *state;

	configure(r);
	make_td(r, 0, END, ACTIVE | TRIES, 0xa5, 3, 0, 8, BUFFER);
	put(r, QUEUE + 4, td_address(0));
	expect_halt(r, 0x10);
	make_td(r, 0, END, ACTIVE | TRIES, PID_OUT, 3, 0, 1281, BUFFER);
	put(r, QUEUE + 4, td_address(0));
	expect_halt(r, 0x10);
	make_td(r, 0, END, ACTIVE | TRIES, PID_OUT, 3, 0, 1280, BUFFER); /* allowed, but no packet for endpoint 0 */
	run(r, 0);
	assert_int_equal(control_of(r, 0) & (ACTIVE | TIMEOUT), TIMEOUT);
	make_td(r, 0, END, ACTIVE | TRIES, PID_SETUP, 3, 0, 7, BUFFER);
	run(r, 0);
	assert_int_equal(control_of(r, 0) & (ACTIVE | TIMEOUT), TIMEOUT);
}

/* Drivers make rings on purpose; none may hold us, and frames go on. */
static void rings_in_the_schedule_end_with_their_frame(void **state)
{
	struct rig *r = *state;
	uint16_t frame;

	configure(r);
	put(r, QUEUE, QUEUE | IS_QUEUE); /* a queue that follows itself */
	frame = fake_inw(r->f, FRNUM);
	pass(r, 100);
	assert_int_equal((fake_inw(r->f, FRNUM) - frame) & 0x7ff, 100);
	put(r, QUEUE + 4, QUEUE | IS_QUEUE); /* and lies in itself */
	pass(r, 100);
	for (unsigned i = 0; i < 7; i++) { /* seven that wait for a tablet that lies still */
		put(r, QUEUE + 16 * i, (QUEUE + 16 * ((i + 1) % 7)) | IS_QUEUE);
		put(r, QUEUE + 16 * i + 4, td_address(0));
	}
	make_td(r, 0, td_address(0) | DEEP, ACTIVE | TRIES, PID_IN, 3, 1, 8, BUFFER);
	pass(r, 100);
	make_td(r, 0, td_address(0), 0, PID_IN, 3, 1, 8, BUFFER); /* a descriptor that follows itself */
	for (unsigned i = 0; i < 1024; i++)
		put(r, FRAMES + 4 * i, td_address(0));
	pass(r, 100);
	assert_int_equal(fake_inw(r->f, STS) & 0x38, 0);
}

/* A ring that always has something to do: one frame's worth is done in a frame. */
static void a_ring_that_moves_data_is_held_to_12_mbit(void **state)
{
	struct rig *r = *state;

	configure(r);
	put(r, QUEUE, QUEUE | IS_QUEUE);
	for (unsigned i = 0; i < 400; i++)
		make_td(r, i, td_address(i + 1) | DEEP, ACTIVE | TRIES, PID_IN, 3, 0, 8, BUFFER);
	make_td(r, 400, END, 0, PID_IN, 3, 0, 8, BUFFER);
	memcpy(fake_ram(r->f, BUFFER), "\x80\x06\x00\x01\x00\x00\x12\x00", 8);
	make_td(r, 0, td_address(1) | DEEP, ACTIVE | TRIES, PID_SETUP, 3, 0, 8, BUFFER);
	put(r, QUEUE + 4, td_address(0));
	pass(r, 1);
	assert_true(control_of(r, 60) == (ACTIVE | TRIES) || !(control_of(r, 60) & ACTIVE));
	assert_true(control_of(r, 150) & ACTIVE);
	pass(r, 30);
	assert_false(control_of(r, 399) & ACTIVE);
}

/* Words that look like links and descriptors, at random, in all of the schedule's memory. */
static void a_schedule_of_noise_does_no_harm(void **state)
{
	static const uint32_t pids[] = { PID_IN, PID_OUT, PID_SETUP, PID_IN, 0xa5 };
	struct rig *r = *state;
	uint32_t seed = 1;

	for (unsigned round = 0; round < 300; round++) {
		configure(r);
		for (uint32_t at = FRAMES; at < FRAMES + 0x3000; at += 4) {
			uint32_t noise = seed = seed * 1664525 + 1013904223, word = FRAMES + (noise >> 8 & 0x2ff0);

			if (at % 16 == 4 && at >= QUEUE && noise >> 30)
				word = ACTIVE | (noise >> 3 & 0x3f000000);
			else if (at % 16 == 8 && at >= QUEUE)
				word = pids[noise >> 8 & 3 ? 0 : (noise >> 10) % 5] | (noise >> 13 & 1) << 15 | 3 << 8 |
				       (noise >> 14 & 15) << 21;
			else if (noise >> 28 == 0)
				word = noise;
			else
				word |= noise >> 20 & 7;
			put(r, at, word);
		}
		pass(r, 40);
		uhci_pointer(r->d, seed >> 16, seed & 0xffff, 0, seed >> 8 & 31);
		pass(r, 5);
		fake_outw(r->f, CMD, 0);
	}
	configure(r); /* it can be used as ever */
	assert_int_equal(transfer(r, 3, 0x80, 8, 0, 0, 1), 1);
}

static void without_bus_mastering_nothing_is_read(void **state)
{
	struct rig *r = *state;

	configure(r);
	poll(r);
	pci_config_write(r->d->pci, PCI_COMMAND, 2, PCI_COMMAND_IO);
	pass(r, 100);
	assert_int_equal(control_of(r, 0), ACTIVE | TRIES | IOC);
	assert_int_equal(fake_inw(r->f, STS) & 0x38, 0);
	pci_config_write(r->d->pci, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
	pass(r, 20);
	assert_true(control_of(r, 0) & NAK);
}

static void a_transfer_survives_save_and_load(void **state)
{
	struct rig *r = *state;
	size_t length;
	void *saved;

	configure(r);
	memcpy(fake_ram(r->f, BUFFER), "\x80\x06\x00\x01\x00\x00\x12\x00", 8);
	make_td(r, 0, END, ACTIVE | TRIES, PID_SETUP, 3, 0, 8, BUFFER);
	run(r, 0);
	make_td(r, 0, END, ACTIVE | TRIES, PID_IN, 3, 0, 8, BUFFER);
	run(r, 0);
	saved = fake_save(r->d, &length);
	uhci_class.reset(r->d);
	assert_int_equal(fake_load(r->d, saved, length), 0);
	make_td(r, 0, END, ACTIVE | TRIES, PID_IN, 3, 0, 8, BUFFER);
	run(r, 0);
	assert_int_equal(actual(r, 0), 8);
	assert_int_equal(le16_load(fake_ram(r->f, BUFFER)), 0x80ee); /* bytes 8 and 9 of the descriptor */
	free(saved);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_is_the_piix4s),
		TEST(an_empty_port_cannot_be_enabled),
		TEST(frames_are_counted_also_when_they_are_not_looked_at),
		TEST(state_of_a_frame_beyond_any_time_is_refused),
		TEST(an_idle_schedule_is_seldom_looked_at),
		TEST(a_transfer_put_into_an_idle_schedule_starts_within_16_ms),
		TEST(the_tablet_is_enumerated),
		TEST(the_report_is_as_long_as_its_descriptor_says),
		TEST(idle_and_protocol_are_kept),
		TEST(a_halted_endpoint_stalls_until_it_is_cleared),
		TEST(motion_is_told_with_an_interrupt),
		TEST(clicks_are_told_one_by_one_where_they_were_made),
		TEST(a_busy_guest_gets_the_newest),
		TEST(who_stops_polling_gets_no_pointer),
		TEST(a_short_packet_stops_its_queue_if_asked_to),
		TEST(a_packet_longer_than_its_buffer_is_a_babble),
		TEST(nobody_at_an_address_times_out_as_often_as_allowed),
		TEST(pointers_to_nowhere_halt_the_controller),
		TEST(a_descriptor_without_sense_halts_the_controller),
		TEST(rings_in_the_schedule_end_with_their_frame),
		TEST(a_ring_that_moves_data_is_held_to_12_mbit),
		TEST(a_schedule_of_noise_does_no_harm),
		TEST(without_bus_mastering_nothing_is_read),
		TEST(a_transfer_survives_save_and_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
