/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/legacy/legacy.h"
#include "tests/unit/fake_board.h"
#include "tests/unit/legacy/twins.h"

#define PORT 0x3f8
#define IRQ 4

enum {
	RBR = PORT,
	THR = PORT,
	DLL = PORT,
	IER = PORT + 1,
	DLM = PORT + 1,
	IIR = PORT + 2,
	FCR = PORT + 2,
	LCR = PORT + 3,
	MCR = PORT + 4,
	LSR = PORT + 5,
	MSR = PORT + 6,
	SCR = PORT + 7
};

struct listener {
	uint8_t bytes[256];
	size_t count;
	unsigned ready;
};

struct rig {
	struct fake_board *f;
	struct device *d;
	struct listener listener;
};

static void listen_to(void *context, const uint8_t *data, size_t count)
{
	struct listener *l = context;

	for (size_t i = 0; i < count; i++)
		l->bytes[l->count++ % sizeof(l->bytes)] = data[i];
}

static void count_ready(void *context)
{
	((struct listener *)context)->ready++;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct serial_config wires = { .output = listen_to, .context = &r->listener, .input_ready = count_ready };
	struct device_config config = {
		.id = "serial0", .port = PORT, .irq_count = 1, .irqs = { IRQ }, .extra = &wires
	};

	r->f = fake_board_new();
	r->d = fake_board_create(r->f, &serial_class, &config);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	fake_board_free(r->f);
	free(r);
	return 0;
}

static void out(struct rig *r, uint16_t port, uint8_t v)
{
	fake_outb(r->f, port, v);
}

static uint8_t in(struct rig *r, uint16_t port)
{
	return fake_inb(r->f, port);
}

static size_t type(struct rig *r, const char *text)
{
	size_t taken;

	device_lock(r->d);
	taken = serial_input(r->d, (const uint8_t *)text, strlen(text));
	device_unlock(r->d);
	return taken;
}

static bool irq(struct rig *r)
{
	return r->f->irq_level[IRQ];
}

/* ---- probing sequences ---- */

/* 8250_port.c, autoconfig() and autoconfig_16550a(): the answers that lead to "16550A" and to no other chip. */
static void linux_8250_autoconfig_says_16550a(void **state)
{
	struct rig *r = *state;
	uint8_t mcr, status1, status2;

	out(r, IER, 0);
	assert_int_equal(in(r, IER) & 0x0f, 0);
	out(r, IER, 0x0f);
	assert_int_equal(in(r, IER) & 0x0f, 0x0f);
	out(r, IER, 0);
	mcr = in(r, MCR);
	out(r, MCR, 0x1a); /* loop, OUT2, RTS */
	assert_int_equal(in(r, MSR) & 0xf0, 0x90);
	out(r, MCR, mcr);
	out(r, LCR, 0xbf);
	out(r, FCR, 0);
	out(r, LCR, 0);
	out(r, FCR, 0x01);
	assert_int_equal(in(r, IIR) >> 6, 3);
	/* not a 16650: EFR does not hide behind DLAB */
	out(r, LCR, 0x80);
	assert_int_not_equal(in(r, FCR), 0);
	out(r, LCR, 0xbf);
	assert_int_not_equal(in(r, FCR), 0);
	/* not a National SuperIO: bank 2 shows no loop bit */
	out(r, LCR, 0);
	status1 = in(r, MCR);
	out(r, LCR, 0xe0);
	status2 = in(r, FCR);
	if (!((status2 ^ status1) & 0x10)) {
		out(r, LCR, 0);
		out(r, MCR, status1 ^ 0x10);
		out(r, LCR, 0xe0);
		status2 = in(r, FCR);
		out(r, LCR, 0);
		out(r, MCR, status1);
		assert_false((status2 ^ status1) & 0x10);
	}
	/* not a 16750: no 64 byte FIFO with or without DLAB */
	out(r, LCR, 0);
	out(r, FCR, 0x01);
	out(r, FCR, 0x21);
	assert_int_equal(in(r, IIR) >> 5, 6);
	out(r, LCR, 0x80);
	out(r, FCR, 0x21);
	assert_int_equal(in(r, IIR) >> 5, 6);
	out(r, LCR, 0);
	/* not an XScale: no UUE bit */
	out(r, IER, 0x40);
	assert_int_equal(in(r, IER) & 0x40, 0);
	out(r, SCR, 0xa5);
	assert_int_equal(in(r, SCR), 0xa5);
}

/* serial8250_do_startup(): THRE must come again whenever its interrupt is enabled, or the driver works around a bug. */
static void linux_8250_startup_finds_no_thre_bug(void **state)
{
	struct rig *r = *state;

	out(r, MCR, 0x0b);
	out(r, IER, 0x02);
	assert_int_equal(in(r, IIR) & 0x0f, 0x02);
	out(r, IER, 0);
	out(r, IER, 0x02);
	assert_int_equal(in(r, IIR) & 0x0f, 0x02);
	out(r, IER, 0);
	out(r, IER, 0x02); /* UART_BUG_TXEN test */
	assert_int_equal(in(r, LSR) & 0x60, 0x60);
	assert_int_equal(in(r, IIR) & 0x01, 0);
	out(r, IER, 0);
	assert_int_not_equal(in(r, LSR), 0xff);
}

static void seabios_and_dos_find_the_port(void **state)
{
	struct rig *r = *state;

	out(r, IER, 0x02); /* SeaBIOS: detect_serial() */
	assert_int_equal(in(r, IER), 0x02);
	assert_int_equal(in(r, IIR), 0x02);
	out(r, IER, 0x00);
	out(r, LCR, 0x80); /* 9600 8N1 by divisor */
	out(r, DLL, 0x0c);
	out(r, DLM, 0x00);
	assert_int_equal(in(r, DLL), 0x0c);
	assert_int_equal(in(r, DLM), 0x00);
	out(r, LCR, 0x03);
	assert_int_equal(in(r, LCR), 0x03);
	out(r, THR, 'x');
	assert_int_equal(r->listener.count, 1);
	assert_int_equal(in(r, IER), 0); /* THR and IER are themselves again */
	assert_int_equal(in(r, MSR) & 0xb0, 0xb0);
}

/* ---- transmitter ---- */

static void byte_is_heard_at_once_and_transmitter_stays_empty(void **state)
{
	struct rig *r = *state;

	for (const char *p = "Hello"; *p; p++) {
		out(r, THR, (uint8_t)*p);
		assert_int_equal(in(r, LSR) & 0x60, 0x60);
	}
	assert_int_equal(r->listener.count, 5);
	assert_memory_equal(r->listener.bytes, "Hello", 5);
}

static void thre_interrupt_follows_the_data_sheet(void **state)
{
	struct rig *r = *state;

	out(r, MCR, 0x08);
	out(r, IER, 0x02);
	assert_true(irq(r));
	assert_int_equal(in(r, IIR), 0x02); /* reading drops it */
	assert_false(irq(r));
	assert_int_equal(in(r, IIR), 0x01);
	out(r, THR, 'a'); /* the next byte raises it when it is gone */
	assert_true(irq(r));
	out(r, IER, 0x00);
	assert_false(irq(r));
}

static void interrupt_driven_sender_gets_an_edge_for_each_batch(void **state)
{
	struct rig *r = *state;
	unsigned sent = 0, rounds = 0;

	out(r, MCR, 0x0b);
	out(r, FCR, 0x01);
	out(r, IER, 0x02);
	while (sent < 160 && r->f->irq_edges[IRQ] > 0 && rounds++ < 20) {
		r->f->irq_edges[IRQ] = 0;
		assert_int_equal(in(r, IIR), 0xc2);
		for (int i = 0; i < 16; i++, sent++)
			out(r, THR, (uint8_t)sent);
	}
	assert_int_equal(r->listener.count, 160);
	assert_int_equal(rounds, 10);
}

static void sender_that_never_reads_iir_gets_edges_too(void **state)
{
	struct rig *r = *state;

	out(r, MCR, 0x08);
	out(r, IER, 0x02);
	for (unsigned i = 1; i < 10; i++) {
		assert_int_equal(r->f->irq_edges[IRQ], i);
		out(r, THR, 'x');
	}
}

static void out2_connects_the_interrupt_line(void **state)
{
	struct rig *r = *state;

	out(r, IER, 0x02);
	assert_false(irq(r));
	out(r, MCR, 0x08);
	assert_true(irq(r));
	out(r, MCR, 0x00);
	assert_false(irq(r));
}

/* ---- receiver ---- */

static void received_bytes_are_read_in_order(void **state)
{
	struct rig *r = *state;

	out(r, FCR, 0x01);
	assert_int_equal(in(r, LSR) & 0x01, 0);
	assert_int_equal(type(r, "abc"), 3);
	assert_int_equal(in(r, LSR), 0x61);
	assert_int_equal(in(r, RBR), 'a');
	assert_int_equal(in(r, RBR), 'b');
	assert_int_equal(in(r, RBR), 'c');
	assert_int_equal(in(r, LSR), 0x60);
	assert_int_equal(in(r, RBR), 'c'); /* empty: the last byte again */
}

static void input_takes_what_fits_and_asks_for_the_rest(void **state)
{
	struct rig *r = *state;

	assert_int_equal(type(r, "ab"), 1); /* no FIFO: a register */
	assert_int_equal(in(r, RBR), 'a');
	assert_int_equal(r->listener.ready, 1);
	out(r, FCR, 0x01);
	assert_int_equal(type(r, "0123456789abcdefXYZ"), 16);
	assert_int_equal(type(r, "X"), 0);
	assert_int_equal(r->listener.ready, 1);
	assert_int_equal(in(r, RBR), '0');
	assert_int_equal(r->listener.ready, 2);
	assert_int_equal(in(r, RBR), '1'); /* asked once */
	assert_int_equal(r->listener.ready, 2);
	assert_int_equal(in(r, LSR) & 0x02, 0); /* and nothing was lost */
}

static void trigger_levels_raise_the_interrupt(void **state)
{
	static const struct {
		uint8_t fcr;
		unsigned level;
	} levels[] = { { 0x01, 1 }, { 0x41, 4 }, { 0x81, 8 }, { 0xc1, 14 } };
	struct rig *r = *state;

	out(r, MCR, 0x08);
	out(r, IER, 0x01);
	for (unsigned i = 0; i < 4; i++) {
		out(r, FCR, levels[i].fcr | 0x02);
		for (unsigned n = 1; n <= levels[i].level; n++) {
			assert_false(irq(r));
			type(r, "x");
		}
		assert_true(irq(r));
		assert_int_equal(in(r, IIR), 0xc4);
		in(r, RBR);
		assert_false(irq(r)); /* below the level again */
	}
}

static void few_bytes_are_announced_after_four_characters(void **state)
{
	struct rig *r = *state;
	const uint64_t four = 4 * 10 * NS_PER_SECOND / 9600;

	out(r, LCR, 0x83);
	out(r, DLL, 12);
	out(r, DLM, 0);
	out(r, LCR, 0x03);
	out(r, MCR, 0x08);
	out(r, FCR, 0xc1);
	out(r, IER, 0x01);
	type(r, "ab");
	clock_advance(r->f->board.clock, four - NS_PER_US);
	assert_false(irq(r));
	clock_advance(r->f->board.clock, 2 * NS_PER_US);
	assert_true(irq(r));
	assert_int_equal(in(r, IIR), 0xcc);
	assert_int_equal(in(r, RBR), 'a');
	assert_false(irq(r));
	clock_advance(r->f->board.clock, four + NS_PER_US); /* the other byte: again */
	assert_int_equal(in(r, IIR), 0xcc);
	assert_int_equal(in(r, RBR), 'b');
	assert_int_equal(in(r, IIR), 0xc1);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
}

static void interrupts_are_told_by_priority(void **state)
{
	struct rig *r = *state;

	out(r, FCR, 0x01);
	out(r, IER, 0x0f);
	out(r, MCR, 0x1b);
	in(r, MSR);
	in(r, IIR);
	for (int i = 0; i < 17; i++)
		out(r, THR, 'x'); /* loop: the 17th overruns */
	out(r, MCR, 0x18);        /* modem lines change */
	assert_int_equal(in(r, IIR), 0xc6);
	assert_int_equal(in(r, LSR) & 0x02, 0x02);
	assert_int_equal(in(r, LSR) & 0x02, 0);
	assert_int_equal(in(r, IIR), 0xc4);
	out(r, FCR, 0x03);
	assert_int_equal(in(r, IIR), 0xc2);
	assert_int_equal(in(r, IIR), 0xc0);
	assert_int_equal(in(r, MSR) & 0x0f, 0x03);
	assert_int_equal(in(r, IIR), 0xc1);
	assert_false(irq(r));
}

static void without_fifo_the_new_byte_overruns_the_old(void **state)
{
	struct rig *r = *state;

	out(r, MCR, 0x10);
	out(r, THR, 'a');
	out(r, THR, 'b');
	assert_int_equal(in(r, LSR) & 0x03, 0x03);
	assert_int_equal(in(r, RBR), 'b');
	assert_int_equal(in(r, LSR) & 0x01, 0);
}

static void switching_fifos_empties_them(void **state)
{
	struct rig *r = *state;

	out(r, FCR, 0x01);
	type(r, "abc");
	out(r, FCR, 0x00);
	assert_int_equal(in(r, LSR) & 0x01, 0);
	assert_int_equal(in(r, IIR) >> 6, 0);
}

/* ---- loopback, modem lines, break ---- */

static void loopback_returns_bytes_and_lines(void **state)
{
	static const struct {
		uint8_t mcr, msr;
	} lines[] = { { 0x01, 0x20 }, { 0x02, 0x10 }, { 0x04, 0x40 }, { 0x08, 0x80 } };
	struct rig *r = *state;

	out(r, MCR, 0x10);
	assert_int_equal(in(r, MSR) & 0xf0, 0);
	for (unsigned i = 0; i < 4; i++) {
		out(r, MCR, 0x10 | lines[i].mcr);
		assert_int_equal(in(r, MSR) & 0xf0, lines[i].msr);
	}
	out(r, THR, 0x42);
	assert_int_equal(r->listener.count, 0);
	assert_int_equal(in(r, RBR), 0x42);
	assert_int_equal(type(r, "x"), 0); /* the plug is pulled */
	out(r, MCR, 0x00);
	assert_int_equal(r->listener.ready, 1);
	assert_int_equal(in(r, MSR) & 0xf0, 0xb0);
}

static void modem_changes_are_told_once(void **state)
{
	struct rig *r = *state;

	out(r, MCR, 0x17);
	in(r, MSR);
	out(r, MCR, 0x13); /* RI ends: trailing edge */
	assert_int_equal(in(r, MSR), 0x34);
	assert_int_equal(in(r, MSR), 0x30);
	out(r, MCR, 0x17); /* RI begins: no edge that counts */
	assert_int_equal(in(r, MSR), 0x70);
	out(r, MCR, 0x10);
	assert_int_equal(in(r, MSR), 0x07);
}

static void break_is_a_zero_with_its_flag(void **state)
{
	struct rig *r = *state;

	out(r, FCR, 0x01);
	out(r, MCR, 0x10);
	out(r, THR, 'a');
	out(r, LCR, 0x43);
	assert_int_equal(in(r, LSR) & 0x9f, 0x81); /* an error lies behind the 'a' */
	assert_int_equal(in(r, RBR), 'a');
	assert_int_equal(in(r, LSR) & 0x9f, 0x99);
	assert_int_equal(in(r, LSR) & 0x9f, 0x01);
	assert_int_equal(in(r, RBR), 0x00);
}

/* ---- contract ---- */

static void state_holds_with_bytes_waiting(void **state)
{
	struct rig *r = *state, *copy;
	void *other = NULL, *saved;
	size_t length;

	setup(&other);
	copy = other;
	out(r, MCR, 0x0b);
	out(r, FCR, 0x81);
	out(r, IER, 0x05);
	type(r, "abc");
	saved = fake_save(r->d, &length);
	assert_int_equal(fake_load(copy->d, saved, length), 0);
	clock_advance(copy->f->board.clock, NS_PER_SECOND);
	assert_int_equal(in(copy, IIR), 0xcc);
	assert_true(irq(copy));
	assert_int_equal(in(copy, RBR), 'a');
	assert_int_equal(in(copy, RBR), 'b');
	assert_int_equal(in(copy, RBR), 'c');
	free(saved);
	teardown(&other);
}

static void damaged_state_is_refused_or_harmless(void **state)
{
	struct rig *r = *state;
	uint8_t *saved, *bad;
	size_t length;

	out(r, FCR, 0x01);
	type(r, "0123456789");
	saved = fake_save(r->d, &length);
	bad = malloc(length);
	srand(1);
	for (int i = 0; i < 5000; i++) {
		memcpy(bad, saved, length);
		bad[(size_t)rand() % length] = (uint8_t)rand();
		fake_load(r->d, bad, (size_t)rand() % 8 ? length : (size_t)rand() % length);
		for (int n = 0; n < 10; n++) {
			type(r, "0123456789abcdef");
			in(r, (uint16_t)(PORT + rand() % 8));
			out(r, (uint16_t)(PORT + rand() % 8), (uint8_t)rand());
		}
	}
	free(saved);
	free(bad);
}

static void contract_holds(void **state)
{
	struct device_config config = { .id = "serial0", .port = PORT, .irq_count = 1, .irqs = { IRQ } };

	(void)state;
	for (unsigned seed = 0; seed < 40; seed++)
		fake_check_state(&serial_class, &config, seed);
}

static uint64_t act(struct twin *t)
{
	uint16_t port = (uint16_t)(PORT + twin_random(t, 8));
	uint8_t v = (uint8_t)twin_random(t, 256);
	size_t taken;

	switch (twin_random(t, 6)) {
	case 0:
		device_lock(t->d);
		taken = serial_input(t->d, (const uint8_t *)"some text to type", 1 + v % 16);
		device_unlock(t->d);
		return taken;
	case 1:
		clock_advance(t->f->board.clock, v * NS_PER_MS);
		return 0;
	case 2:
		fake_outb(t->f, MCR, v & 0x1b);
		fake_outb(t->f, FCR, v | 1);
		fake_outb(t->f, IER, 1 | v >> 4);
		return 0;
	case 3:
		fake_outb(t->f, port, v);
		return 0;
	default:
		return fake_inb(t->f, port);
	}
}

static void saved_in_mid_talk_it_goes_on_alike(void **state)
{
	struct device_config config = { .id = "serial0", .port = PORT, .irq_count = 1, .irqs = { IRQ } };

	(void)state;
	check_twins(&serial_class, &config, act, 500);
}

static void random_use_is_survived(void **state)
{
	struct rig *r = *state;

	srand(3);
	for (int i = 0; i < 100000; i++) {
		uint16_t port = (uint16_t)(PORT + rand() % 8);

		switch (rand() % 4) {
		case 0:
			fake_in(r->f, port, 1u << rand() % 3);
			break;
		case 1:
			type(r, "some text that does not fit");
			break;
		case 2:
			clock_advance(r->f->board.clock, (uint64_t)rand() % NS_PER_MS);
			break;
		default:
			fake_out(r->f, port, 1u << rand() % 3, (uint64_t)rand());
		}
	}
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(linux_8250_autoconfig_says_16550a),
		test(linux_8250_startup_finds_no_thre_bug),
		test(seabios_and_dos_find_the_port),
		test(byte_is_heard_at_once_and_transmitter_stays_empty),
		test(thre_interrupt_follows_the_data_sheet),
		test(interrupt_driven_sender_gets_an_edge_for_each_batch),
		test(sender_that_never_reads_iir_gets_edges_too),
		test(out2_connects_the_interrupt_line),
		test(received_bytes_are_read_in_order),
		test(input_takes_what_fits_and_asks_for_the_rest),
		test(trigger_levels_raise_the_interrupt),
		test(few_bytes_are_announced_after_four_characters),
		test(interrupts_are_told_by_priority),
		test(without_fifo_the_new_byte_overruns_the_old),
		test(switching_fifos_empties_them),
		test(loopback_returns_bytes_and_lines),
		test(modem_changes_are_told_once),
		test(break_is_a_zero_with_its_flag),
		test(state_holds_with_bytes_waiting),
		test(damaged_state_is_refused_or_harmless),
		test(contract_holds),
		test(saved_in_mid_talk_it_goes_on_alike),
		test(random_use_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
