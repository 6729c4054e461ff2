/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <linux/input-event-codes.h>

#include "core/legacy/legacy.h"
#include "tests/unit/fake_board.h"
#include "tests/unit/legacy/twins.h"

#define FULL 0x01
#define AUX 0x20

struct wires {
	unsigned resets;
	bool a20;
};

struct rig {
	struct fake_board *f;
	struct device *d;
	struct wires wires;
};

static void count_reset(void *context)
{
	((struct wires *)context)->resets++;
}

static void note_a20(void *context, bool on)
{
	((struct wires *)context)->a20 = on;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct i8042_config wires = { .reset_cpu = count_reset, .set_a20 = note_a20, .context = &r->wires };
	struct device_config config = {
		.id = "i8042", .port = 0x60, .irq_count = 2, .irqs = { 1, 12 }, .extra = &wires
	};

	r->f = fake_board_new();
	r->d = fake_board_create(r->f, &i8042_class, &config);
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

/* ---- helpers: what a driver does ---- */

static void pass(struct rig *r, uint64_t ns)
{
	clock_advance(r->f->board.clock, ns);
}

static void key(struct rig *r, unsigned code, bool down)
{
	device_lock(r->d);
	i8042_key(r->d, code, down);
	device_unlock(r->d);
}

static uint8_t status(struct rig *r)
{
	return fake_inb(r->f, 0x64);
}

static void command(struct rig *r, uint8_t v)
{
	fake_outb(r->f, 0x64, v);
}

static void data(struct rig *r, uint8_t v)
{
	fake_outb(r->f, 0x60, v);
}

/* Waits for a byte as a polling driver: at most 10 ms. -1: none came. */
static int receive(struct rig *r)
{
	for (int i = 0; i < 100 && !(status(r) & FULL); i++)
		pass(r, 100 * NS_PER_US);
	return status(r) & FULL ? fake_inb(r->f, 0x60) : -1;
}

static void set_mode(struct rig *r, uint8_t v)
{
	command(r, 0x60);
	data(r, v);
}

static uint8_t get_mode(struct rig *r)
{
	command(r, 0x20);
	return (uint8_t)receive(r);
}

#define expect(r, ...)                                                          \
	do {                                                                    \
		const int expected_[] = { __VA_ARGS__ };                        \
		for (size_t i_ = 0; i_ < sizeof(expected_) / sizeof(int); i_++) \
			assert_int_equal(receive(r), expected_[i_]);            \
		assert_int_equal(receive(r), -1);                               \
	} while (0)

static void tap(struct rig *r, unsigned code)
{
	key(r, code, true);
	key(r, code, false);
}

/* ---- controller ---- */

static void self_test_and_interface_tests_answer(void **state)
{
	struct rig *r = *state;

	assert_int_equal(status(r) & 0x04, 0);
	command(r, 0xaa);
	assert_int_equal(status(r) & FULL, FULL);
	expect(r, 0x55);
	assert_int_equal(status(r) & 0x04, 0x04);
	command(r, 0xab);
	expect(r, 0x00);
	command(r, 0xa9);
	expect(r, 0x00);
	command(r, 0xa4);
	expect(r, 0xf1);
	command(r, 0xc0);
	assert_int_equal(receive(r) & 0x80, 0x80);
}

static void status_tells_command_from_data(void **state)
{
	struct rig *r = *state;

	command(r, 0xae);
	assert_int_equal(status(r) & 0x08, 0x08);
	data(r, 0xee);
	assert_int_equal(status(r) & 0x08, 0);
	assert_int_equal(status(r) & 0x10, 0x10);
}

static void command_byte_and_ram_read_back(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x47);
	assert_int_equal(get_mode(r), 0x47);
	command(r, 0xad);
	command(r, 0xa7);
	assert_int_equal(get_mode(r), 0x77);
	command(r, 0xae);
	command(r, 0xa8);
	assert_int_equal(get_mode(r), 0x47);
	command(r, 0x7f);
	data(r, 0xa5);
	command(r, 0x3f);
	expect(r, 0xa5);
}

static void each_byte_is_an_edge_on_its_own_line(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x03);
	data(r, 0xf2);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(r->f->irq_edges[1], i);
		assert_true(r->f->irq_level[1]);
		fake_inb(r->f, 0x60);
	}
	assert_false(r->f->irq_level[1]);
	command(r, 0xd4);
	data(r, 0xf4);
	assert_int_equal(status(r) & (FULL | AUX), FULL | AUX);
	assert_true(r->f->irq_level[12]);
	assert_int_equal(fake_inb(r->f, 0x60), 0xfa);
	assert_false(r->f->irq_level[12]);
	assert_int_equal(r->f->irq_edges[1], 3);
	assert_int_equal(r->f->irq_edges[12], 1);
}

static void disabled_interrupts_stay_low_until_enabled(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x00);
	data(r, 0xee);
	assert_false(r->f->irq_level[1]);
	set_mode(r, 0x01);
	assert_true(r->f->irq_level[1]);
}

static void disabled_keyboard_keeps_its_keys(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x50);
	tap(r, KEY_A);
	assert_int_equal(receive(r), -1);
	command(r, 0xae);
	expect(r, 0x1e, 0x9e);
}

static void loop_commands_come_back_as_if_from_the_devices(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x03);
	command(r, 0xd2);
	data(r, 0x5a);
	assert_int_equal(status(r) & (FULL | AUX), FULL);
	assert_true(r->f->irq_level[1]);
	expect(r, 0x5a);
	command(r, 0xd3); /* Linux's i8042_check_aux() waits for this interrupt */
	data(r, 0xa5);
	assert_int_equal(status(r) & (FULL | AUX), FULL | AUX);
	assert_true(r->f->irq_level[12]);
	expect(r, 0xa5);
}

static void output_port_drives_a20_and_reset(void **state)
{
	struct rig *r = *state;

	assert_true(r->wires.a20);
	command(r, 0xd0);
	assert_int_equal(receive(r) & 3, 3);
	command(r, 0xd1);
	data(r, 0xdd);
	assert_false(r->wires.a20);
	command(r, 0xd0);
	assert_int_equal(receive(r) & 3, 1);
	command(r, 0xdf);
	assert_true(r->wires.a20);
	command(r, 0xdd);
	assert_false(r->wires.a20);
	assert_int_equal(r->wires.resets, 0);
	command(r, 0xff);
	assert_int_equal(r->wires.resets, 0);
	command(r, 0xfe);
	assert_int_equal(r->wires.resets, 1);
	command(r, 0xf0);
	assert_int_equal(r->wires.resets, 2);
	command(r, 0xd1);
	data(r, 0xfe);
	assert_int_equal(r->wires.resets, 3);
}

static void empty_buffer_repeats_its_last_byte(void **state)
{
	struct rig *r = *state;

	data(r, 0xee);
	assert_int_equal(fake_inb(r->f, 0x60), 0xee);
	assert_int_equal(fake_inb(r->f, 0x60), 0xee);
}

/* An INT 9 handler of DOS reads port 0x60 and chains to the BIOS, which reads it again. */
static void scan_code_can_be_read_twice_by_chained_handlers(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x41);
	tap(r, KEY_A);
	assert_int_equal(fake_inb(r->f, 0x60), 0x1e);
	assert_int_equal(fake_inb(r->f, 0x60), 0x1e);
	assert_int_equal(r->f->irq_edges[1], 1);
	pass(r, NS_PER_MS);
	assert_int_equal(r->f->irq_edges[1], 2);
	assert_int_equal(fake_inb(r->f, 0x60), 0x9e);
}

static void answers_do_not_wait_for_the_pace(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x00);
	data(r, 0xf2);
	assert_int_equal(fake_inb(r->f, 0x60), 0xfa);
	assert_int_equal(fake_inb(r->f, 0x60), 0xab);
	assert_int_equal(fake_inb(r->f, 0x60), 0x83);
}

static void controller_answer_comes_before_scan_codes(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x40);
	key(r, KEY_A, true);
	key(r, KEY_B, true);
	command(r, 0x20);
	assert_int_equal(receive(r), 0x1e);
	assert_int_equal(receive(r), 0x40);
	assert_int_equal(receive(r), 0x30);
}

/* ---- probing sequences ---- */

static void seabios_keyboard_setup_works(void **state)
{
	struct rig *r = *state;

	while (status(r) & FULL) /* i8042_flush */
		fake_inb(r->f, 0x60);
	command(r, 0xaa);
	expect(r, 0x55);
	command(r, 0xab);
	expect(r, 0x00);
	set_mode(r, 0x30);
	command(r, 0xae);
	data(r, 0xff);
	expect(r, 0xfa, 0xaa);
	data(r, 0xf5);
	expect(r, 0xfa);
	data(r, 0xf0);
	assert_int_equal(receive(r), 0xfa);
	data(r, 0x02);
	expect(r, 0xfa);
	set_mode(r, 0x61);
	data(r, 0xf4);
	expect(r, 0xfa);
	r->f->irq_edges[1] = 0;
	key(r, KEY_ENTER, true);
	assert_int_equal(r->f->irq_edges[1], 1);
	expect(r, 0x1c);
}

static void linux_i8042_probe_finds_keyboard_and_aux(void **state)
{
	struct rig *r = *state;
	uint8_t mode;

	set_mode(r, 0x45);
	mode = get_mode(r);
	assert_int_equal(mode & 0x40, 0x40); /* or the driver goes "direct" */
	set_mode(r, (uint8_t)((mode | 0x30) & ~3));
	command(r, 0xd3); /* aux loop: 5a must come back, as mouse data */
	data(r, 0x5a);
	assert_int_equal(status(r) & (FULL | AUX), FULL | AUX);
	expect(r, 0x5a);
	command(r, 0xa9);
	assert_int_equal(receive(r), 0);
	command(r, 0xa7);
	assert_int_equal(get_mode(r) & 0x20, 0x20);
	command(r, 0xa8);
	assert_int_equal(get_mode(r) & 0x20, 0);
	/* a multiplexer would answer its version to the third of these: we have none, it loops */
	static const uint8_t mux[] = { 0xf0, 0x56, 0xa4 };
	for (unsigned i = 0; i < sizeof(mux); i++) {
		command(r, 0xd3);
		data(r, mux[i]);
		assert_int_equal(receive(r), mux[i]);
	}
}

static void linux_atkbd_probe_sees_a_translated_keyboard(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x41);
	data(r, 0xf2);
	expect(r, 0xfa, 0xab, 0x41); /* the id's second byte is translated, as on every PC */
	data(r, 0xf5);
	expect(r, 0xfa);
	data(r, 0xed);
	assert_int_equal(receive(r), 0xfa);
	data(r, 0x00);
	expect(r, 0xfa);
	data(r, 0xf3);
	assert_int_equal(receive(r), 0xfa);
	data(r, 0x00);
	expect(r, 0xfa);
	data(r, 0xf4);
	expect(r, 0xfa);
	tap(r, KEY_A);
	expect(r, 0x1e, 0x9e);
}

/* ---- keyboard commands ---- */

static void keyboard_answers_each_command(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x00);
	data(r, 0xee);
	expect(r, 0xee);
	data(r, 0xef);
	expect(r, 0xfe);
	data(r, 0x12);
	expect(r, 0xfe);
	data(r, 0xf0);
	assert_int_equal(receive(r), 0xfa);
	data(r, 0x00);
	expect(r, 0xfa, 0x02);
	data(r, 0xf0);
	assert_int_equal(receive(r), 0xfa);
	data(r, 0x04);
	expect(r, 0xfe);
	data(r, 0xf6);
	expect(r, 0xfa);
}

static void resend_repeats_the_last_byte(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x00);
	key(r, KEY_A, true);
	expect(r, 0x1c);
	data(r, 0xfe);
	expect(r, 0x1c);
	data(r, 0xee);
	expect(r, 0xee);
	data(r, 0xfe);
	expect(r, 0xee);
}

static void command_instead_of_argument_starts_anew(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x00);
	data(r, 0xed);
	expect(r, 0xfa);
	data(r, 0xf2);
	expect(r, 0xfa, 0xab, 0x83);
}

static void keyboard_does_not_scan_between_command_and_argument(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x00);
	data(r, 0xed);
	expect(r, 0xfa);
	key(r, KEY_A, true);
	assert_int_equal(receive(r), -1);
	data(r, 0x02);
	expect(r, 0xfa, 0x1c);
}

static void disabled_scanning_sends_nothing(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x00);
	data(r, 0xf5);
	expect(r, 0xfa);
	tap(r, KEY_A);
	assert_int_equal(receive(r), -1);
	data(r, 0xf4);
	expect(r, 0xfa);
	tap(r, KEY_A);
	expect(r, 0x1c, 0xf0, 0x1c);
}

/* ---- scan codes ---- */

static void choose_set(struct rig *r, uint8_t set)
{
	set_mode(r, 0x00);
	data(r, 0xf0);
	assert_int_equal(receive(r), 0xfa);
	data(r, set);
	assert_int_equal(receive(r), 0xfa);
}

static void pause_has_its_own_sequence_and_no_break(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x00);
	key(r, KEY_PAUSE, true);
	expect(r, 0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
	key(r, KEY_PAUSE, false);
	assert_int_equal(receive(r), -1);
	set_mode(r, 0x40);
	tap(r, KEY_PAUSE);
	expect(r, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
	key(r, KEY_LEFTCTRL, true);
	tap(r, KEY_PAUSE);
	expect(r, 0x1d, 0xe0, 0x46, 0xe0, 0xc6);
}

static void print_screen_depends_on_the_modifiers(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x40);
	tap(r, KEY_SYSRQ);
	expect(r, 0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa);
	key(r, KEY_LEFTSHIFT, true);
	tap(r, KEY_SYSRQ);
	expect(r, 0x2a, 0xe0, 0x37, 0xe0, 0xb7);
	key(r, KEY_LEFTSHIFT, false);
	expect(r, 0xaa);
	key(r, KEY_RIGHTALT, true);
	key(r, KEY_SYSRQ, true);
	expect(r, 0xe0, 0x38, 0x54);
	key(r, KEY_RIGHTALT, false); /* the break belongs to the make, whatever is held by then */
	key(r, KEY_SYSRQ, false);
	expect(r, 0xe0, 0xb8, 0xd4);
	set_mode(r, 0x00);
	key(r, KEY_LEFTALT, true);
	tap(r, KEY_SYSRQ);
	expect(r, 0x11, 0x84, 0xf0, 0x84);
}

static void same_keys_in_all_sets(void **state)
{
	static const struct {
		unsigned code;
		int set1, set2, set3; /* 0x100: behind E0 */
	} keys[] = {
		{ KEY_ESC, 0x01, 0x76, 0x08 },
		{ KEY_A, 0x1e, 0x1c, 0x1c },
		{ KEY_F7, 0x41, 0x83, 0x37 },
		{ KEY_F11, 0x57, 0x78, 0x56 },
		{ KEY_F12, 0x58, 0x07, 0x5e },
		{ KEY_102ND, 0x56, 0x61, 0x13 },
		{ KEY_KP7, 0x47, 0x6c, 0x6c },
		{ KEY_HOME, 0x147, 0x16c, 0x6e },
		{ KEY_KPENTER, 0x11c, 0x15a, 0x79 },
		{ KEY_KPSLASH, 0x135, 0x14a, 0x77 },
		{ KEY_RIGHTCTRL, 0x11d, 0x114, 0x58 },
		{ KEY_RIGHTALT, 0x138, 0x111, 0x39 },
		{ KEY_UP, 0x148, 0x175, 0x63 },
		{ KEY_DELETE, 0x153, 0x171, 0x64 },
		{ KEY_LEFTMETA, 0x15b, 0x11f, 0x8b },
		{ KEY_COMPOSE, 0x15d, 0x12f, 0x8d },
		{ KEY_RO, 0x73, 0x51, 0x51 },
		{ KEY_YEN, 0x7d, 0x6a, 0x5d },
		{ KEY_HENKAN, 0x79, 0x64, 0x86 },
		{ KEY_MUHENKAN, 0x7b, 0x67, 0x85 },
		{ KEY_KATAKANAHIRAGANA, 0x70, 0x13, 0x87 },
		{ KEY_F13, 0x64, 0x08, 0 },
		{ KEY_F23, 0x6e, 0x57, 0 },
		{ KEY_F24, 0x76, 0x5f, 0 },
		{ KEY_MUTE, 0x120, 0x123, 0 },
		{ KEY_VOLUMEUP, 0x130, 0x132, 0 },
		{ KEY_NEXTSONG, 0x119, 0x14d, 0 },
		{ KEY_POWER, 0x15e, 0x137, 0 },
		{ KEY_SLEEP, 0x15f, 0x13f, 0 },
		{ KEY_WAKEUP, 0x163, 0x15e, 0 },
		{ KEY_BOOKMARKS, 0x166, 0x118, 0 },
		{ KEY_KPCOMMA, 0x7e, 0x6d, 0x7b },
		{ KEY_HANGEUL, 0xf2, 0xf2, 0 },
		{ KEY_HANJA, 0xf1, 0xf1, 0 },
	};

	for (int set = 1; set <= 3; set++) {
		struct rig *r = *state;

		choose_set(r, (uint8_t)set);
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
			int code = set == 1 ? keys[i].set1 : set == 2 ? keys[i].set2 : keys[i].set3;

			key(r, keys[i].code, true);
			if (code & 0x100)
				assert_int_equal(receive(r), 0xe0);
			assert_int_equal(receive(r), code ? code & 0xff : -1);
			key(r, keys[i].code, false);
			while (receive(r) >= 0)
				;
		}
	}
}

static void every_key_makes_and_breaks_alike_by_controller_and_keyboard(void **state)
{
	struct rig *r = *state;
	uint8_t translated[256][16] = { 0 }, direct[256][16] = { 0 };
	unsigned keys = 0;

	for (int pass_ = 0; pass_ < 2; pass_++) {
		if (pass_)
			choose_set(r, 1);
		else
			set_mode(r, 0x40);
		for (unsigned code = 0; code < 300; code++) {
			uint8_t *at = (pass_ ? direct : translated)[code & 255];

			tap(r, code);
			for (int byte; code < 256 && (byte = receive(r)) >= 0;)
				*at++ = (uint8_t)byte;
			keys += !pass_ && code < 256 && translated[code][0];
		}
	}
	assert_memory_equal(translated, direct, sizeof(direct));
	assert_true(keys >= 140);
}

static void hangul_and_hanja_have_no_break(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x40);
	tap(r, KEY_HANGEUL);
	tap(r, KEY_HANJA);
	expect(r, 0xf2, 0xf1);
}

static void unknown_and_repeated_key_events_are_ignored(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x40);
	key(r, 0, true);
	key(r, 255, true);
	key(r, 4000000000u, true);
	key(r, KEY_A, false);
	key(r, KEY_A, true);
	key(r, KEY_A, true);
	expect(r, 0x1e);
}

static void set_3_obeys_key_types(void **state)
{
	struct rig *r = *state;

	choose_set(r, 3);
	tap(r, KEY_A);
	tap(r, KEY_LEFTSHIFT);
	tap(r, KEY_F1);
	expect(r, 0x1c, 0x12, 0xf0, 0x12, 0x07);
	data(r, 0xf8); /* all make/break */
	expect(r, 0xfa);
	tap(r, KEY_A);
	expect(r, 0x1c, 0xf0, 0x1c);
	data(r, 0xfd); /* these make only */
	assert_int_equal(receive(r), 0xfa);
	data(r, 0x1c);
	assert_int_equal(receive(r), 0xfa);
	data(r, 0x12);
	assert_int_equal(receive(r), 0xfa);
	data(r, 0xf4);
	expect(r, 0xfa);
	tap(r, KEY_A);
	tap(r, KEY_LEFTSHIFT);
	tap(r, KEY_B);
	expect(r, 0x1c, 0x12, 0x32, 0xf0, 0x32);
	data(r, 0xfa);
	expect(r, 0xfa);
	tap(r, KEY_A);
	expect(r, 0x1c, 0xf0, 0x1c);
}

/* ---- typematic ---- */

static unsigned count_bytes(struct rig *r, uint8_t byte, uint64_t ns)
{
	unsigned count = 0;

	for (uint64_t t = 0; t < ns; t += NS_PER_MS) {
		pass(r, NS_PER_MS);
		if (status(r) & FULL)
			count += fake_inb(r->f, 0x60) == byte;
	}
	return count;
}

static void held_key_repeats_at_the_programmed_rate(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x00);
	data(r, 0xf3);
	assert_int_equal(receive(r), 0xfa);
	data(r, 0x00); /* 250 ms, 30 a second */
	expect(r, 0xfa);
	key(r, KEY_A, true);
	assert_int_equal(count_bytes(r, 0x1c, 245 * NS_PER_MS), 1);
	assert_in_range(count_bytes(r, 0x1c, NS_PER_SECOND), 29, 31);
	key(r, KEY_A, false);
	assert_int_equal(count_bytes(r, 0xf0, 100 * NS_PER_MS), 1);
	assert_int_equal(count_bytes(r, 0x1c, NS_PER_SECOND), 0);
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
}

static void only_the_last_key_pressed_repeats(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x00);
	key(r, KEY_A, true);
	key(r, KEY_B, true);
	expect(r, 0x1c, 0x32);
	assert_true(count_bytes(r, 0x32, NS_PER_SECOND) > 3);
	key(r, KEY_B, false);
	assert_int_equal(count_bytes(r, 0x1c, NS_PER_SECOND), 0);
}

static void repeats_do_not_fill_the_buffer_of_a_deaf_guest(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x00);
	key(r, KEY_A, true);
	pass(r, 20 * NS_PER_SECOND);
	key(r, KEY_A, false);
	expect(r, 0x1c, 0x1c, 0xf0, 0x1c);
}

/* ---- the buffer of 16 ---- */

static void overrun_is_marked_and_no_key_stays_down(void **state)
{
	struct rig *r = *state;
	int byte, down = 0, overruns = 0;

	set_mode(r, 0x50); /* keyboard off: all stays in it */
	for (unsigned code = KEY_1; code <= KEY_0; code++)
		key(r, code, true);
	for (unsigned code = KEY_1; code <= KEY_0; code++)
		key(r, code, false);
	set_mode(r, 0x40);
	while ((byte = receive(r)) >= 0) {
		if (byte == 0xff)
			overruns++;
		else
			down += byte & 0x80 ? -1 : 1;
	}
	assert_int_equal(down, 0);
	set_mode(r, 0x50);
	for (unsigned code = KEY_1; code < KEY_1 + 20; code++)
		key(r, code, true);
	set_mode(r, 0x40);
	for (int i = 0; i < 16; i++)
		assert_int_equal(receive(r), 0x02 + i);
	assert_int_equal(receive(r), 0xff);
	assert_int_equal(receive(r), -1);
}

static void release_keys_lets_go_of_everything(void **state)
{
	struct rig *r = *state;
	static const unsigned held[] = { KEY_LEFTCTRL, KEY_LEFTALT, KEY_RIGHTALT, KEY_LEFTMETA, KEY_UP,
		                         KEY_DOWN,     KEY_LEFT,    KEY_RIGHT,    KEY_HOME,     KEY_END };
	unsigned breaks = 0;
	int byte;

	set_mode(r, 0x40);
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		key(r, held[i], true);
		while (receive(r) >= 0)
			;
	}
	device_lock(r->d);
	i8042_release_keys(r->d);
	device_unlock(r->d);
	while ((byte = receive(r)) >= 0)
		breaks += byte != 0xe0 && byte & 0x80;
	assert_int_equal(breaks, sizeof(held) / sizeof(held[0]));
	assert_int_equal(clock_next(r->f->board.clock), TIMER_OFF);
}

static void keyboard_reset_empties_its_buffer(void **state)
{
	struct rig *r = *state;

	set_mode(r, 0x40);
	tap(r, KEY_A);
	tap(r, KEY_B);
	data(r, 0xff);
	expect(r, 0x1e, 0xfa, 0xaa); /* the 1e was with the controller already */
}

/* ---- state ---- */

static void state_holds_mid_sequence(void **state)
{
	struct rig *r = *state, *copy;
	void *saved, *again, *other = NULL;
	size_t length, length_again;

	setup(&other);
	copy = other;
	set_mode(r, 0x41);
	key(r, KEY_PAUSE, true);
	key(r, KEY_LEFTALT, true);
	receive(r);
	receive(r);
	saved = fake_save(r->d, &length);
	clock_set(copy->f->board.clock, clock_now(r->f->board.clock));
	assert_int_equal(fake_load(copy->d, saved, length), 0);
	again = fake_save(copy->d, &length_again);
	assert_int_equal(length, length_again);
	assert_memory_equal(saved, again, length);
	expect(copy, 0x45, 0xe1, 0x9d, 0xc5, 0x38);
	assert_true(count_bytes(copy, 0x38, NS_PER_SECOND) > 3); /* and Alt repeats */
	free(saved);
	free(again);
	teardown(&other);
}

/* Translation has swallowed an F0, its code has not come yet: only Resend and a change of mode get there. */
static void state_holds_half_a_break_code(void **state)
{
	struct rig *r = *state, *copy;
	void *other = NULL, *saved;
	size_t length;

	setup(&other);
	copy = other;
	set_mode(r, 0x00);
	key(r, KEY_A, true);
	expect(r, 0x1c);
	key(r, KEY_A, false);
	set_mode(r, 0x40);
	assert_int_equal(fake_inb(r->f, 0x60), 0xf0);
	data(r, 0xfe);
	saved = fake_save(r->d, &length);
	clock_set(copy->f->board.clock, clock_now(r->f->board.clock));
	assert_int_equal(fake_load(copy->d, saved, length), 0);
	expect(copy, 0x9e);
	free(saved);
	teardown(&other);
}

static void state_holds_the_key_types_of_set_3(void **state)
{
	struct rig *r = *state, *copy;
	void *other = NULL, *saved;
	size_t length;

	setup(&other);
	copy = other;
	choose_set(r, 3);
	data(r, 0xf8);
	expect(r, 0xfa);
	saved = fake_save(r->d, &length);
	assert_int_equal(fake_load(copy->d, saved, length), 0);
	tap(copy, KEY_A);
	expect(copy, 0x1c, 0xf0, 0x1c);
	free(saved);
	teardown(&other);
}

static void damaged_state_is_refused_or_harmless(void **state)
{
	struct rig *r = *state;
	uint8_t *saved, *bad;
	size_t length;

	set_mode(r, 0x43);
	key(r, KEY_A, true);
	saved = fake_save(r->d, &length);
	bad = malloc(length);
	srand(1);
	for (int i = 0; i < 3000; i++) {
		memcpy(bad, saved, length);
		bad[(size_t)rand() % length] = (uint8_t)rand();
		fake_load(r->d, bad, (size_t)rand() % 8 ? length : (size_t)rand() % length);
		for (int n = 0; n < 30; n++) {
			tap(r, (unsigned)rand() % 256);
			fake_outb(r->f, rand() & 1 ? 0x60 : 0x64, (uint8_t)rand());
			fake_inb(r->f, 0x60);
		}
	}
	free(saved);
	free(bad);
}

static void contract_holds(void **state)
{
	struct device_config config = { .id = "i8042", .port = 0x60, .irq_count = 2, .irqs = { 1, 12 } };

	(void)state;
	for (unsigned seed = 0; seed < 40; seed++)
		fake_check_state(&i8042_class, &config, seed);
}

static void talk(struct twin *t, bool to_mouse, uint8_t byte)
{
	if (to_mouse)
		fake_outb(t->f, 0x64, 0xd4);
	fake_outb(t->f, 0x60, byte);
}

static void touch(struct twin *t)
{
	static const unsigned codes[] = {
		KEY_A, KEY_B, KEY_LEFTSHIFT, KEY_LEFTALT, KEY_SYSRQ, KEY_PAUSE, KEY_UP, KEY_F1
	};
	unsigned code = codes[twin_random(t, 8)], what = twin_random(t, 8), buttons = twin_random(t, 32);
	int dx = (int)twin_random(t, 600) - 300, dy = (int)twin_random(t, 10000) - 5000;
	int dz = (int)twin_random(t, 9) - 4;

	device_lock(t->d);
	if (what == 0)
		i8042_release_keys(t->d);
	else if (what < 6)
		i8042_key(t->d, code, what & 1);
	else
		i8042_pointer(t->d, dx, what == 6 ? dy : 0, dz, buttons);
	device_unlock(t->d);
}

/* Drivers' commands with their arguments, fingers and time. */
static uint64_t act(struct twin *t)
{
	static const uint8_t keyboard[] = { 0xed, 0xee, 0xf0, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf8, 0xfc, 0xfe, 0xff };
	static const uint8_t mouse[] = { 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xee,
		                         0xf0, 0xf2, 0xf3, 0xf4, 0xf4, 0xf5, 0xfe, 0xff };
	static const uint8_t arguments[] = { 0, 1, 2, 3, 10, 200, 100, 80, 0x1c };
	static const uint8_t modes[] = { 0x03, 0x43, 0x43, 0x00, 0x53, 0x63 };
	static const uint8_t controller[] = { 0x20, 0xd0, 0xd1, 0xd2, 0xd3, 0xad, 0xae, 0xaa, 0x60 };
	bool to_mouse = twin_random(t, 2);

	switch (twin_random(t, 16)) {
	case 0:
		fake_outb(t->f, 0x64, 0x60);
		fake_outb(t->f, 0x60, modes[twin_random(t, 6)]);
		return 0;
	case 1:
		talk(t, to_mouse, to_mouse ? mouse[twin_random(t, 16)] : keyboard[twin_random(t, 12)]);
		return 0;
	case 2:
		talk(t, to_mouse, arguments[twin_random(t, 9)]);
		return 0;
	case 3:
		talk(t, to_mouse, 0xf4);
		return 0;
	case 4: /* a wheel */
		for (unsigned i = 0; i < 6; i++)
			talk(t, true, (const uint8_t[]){ 0xf3, 200, 0xf3, 100, 0xf3, 80 }[i]);
		return 0;
	case 5:
		fake_outb(t->f, 0x64, controller[twin_random(t, 9)]);
		return 0;
	case 6:
	case 7:
	case 8:
		touch(t);
		return 0;
	case 9:
		clock_advance(t->f->board.clock, twin_random(t, 400) * NS_PER_MS);
		return 0;
	case 10:
		clock_advance(t->f->board.clock, twin_random(t, 600) * NS_PER_US);
		return 0;
	default:
		return fake_inb(t->f, 0x64) << 8 | fake_inb(t->f, 0x60);
	}
}

static void saved_in_mid_talk_it_goes_on_alike(void **state)
{
	struct device_config config = { .id = "i8042", .port = 0x60, .irq_count = 2, .irqs = { 1, 12 } };

	(void)state;
	check_twins(&i8042_class, &config, act, 800);
}

static void random_use_is_survived(void **state)
{
	struct rig *r = *state;

	srand(2);
	for (int i = 0; i < 100000; i++) {
		uint16_t port = rand() & 1 ? 0x60 : 0x64;

		switch (rand() % 5) {
		case 0:
			fake_in(r->f, port, 1u << rand() % 3);
			break;
		case 1:
			key(r, (unsigned)rand() % 260, rand() & 1);
			break;
		case 2:
			device_lock(r->d);
			i8042_pointer(r->d, rand() - rand(), rand() - rand(), rand() - rand(), (unsigned)rand());
			device_unlock(r->d);
			break;
		case 3:
			pass(r, (uint64_t)rand() % (3 * NS_PER_MS));
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
		test(self_test_and_interface_tests_answer),
		test(status_tells_command_from_data),
		test(command_byte_and_ram_read_back),
		test(each_byte_is_an_edge_on_its_own_line),
		test(disabled_interrupts_stay_low_until_enabled),
		test(disabled_keyboard_keeps_its_keys),
		test(loop_commands_come_back_as_if_from_the_devices),
		test(output_port_drives_a20_and_reset),
		test(empty_buffer_repeats_its_last_byte),
		test(scan_code_can_be_read_twice_by_chained_handlers),
		test(answers_do_not_wait_for_the_pace),
		test(controller_answer_comes_before_scan_codes),
		test(seabios_keyboard_setup_works),
		test(linux_i8042_probe_finds_keyboard_and_aux),
		test(linux_atkbd_probe_sees_a_translated_keyboard),
		test(keyboard_answers_each_command),
		test(resend_repeats_the_last_byte),
		test(command_instead_of_argument_starts_anew),
		test(keyboard_does_not_scan_between_command_and_argument),
		test(disabled_scanning_sends_nothing),
		test(pause_has_its_own_sequence_and_no_break),
		test(print_screen_depends_on_the_modifiers),
		test(same_keys_in_all_sets),
		test(every_key_makes_and_breaks_alike_by_controller_and_keyboard),
		test(hangul_and_hanja_have_no_break),
		test(unknown_and_repeated_key_events_are_ignored),
		test(set_3_obeys_key_types),
		test(held_key_repeats_at_the_programmed_rate),
		test(only_the_last_key_pressed_repeats),
		test(repeats_do_not_fill_the_buffer_of_a_deaf_guest),
		test(overrun_is_marked_and_no_key_stays_down),
		test(release_keys_lets_go_of_everything),
		test(keyboard_reset_empties_its_buffer),
		test(state_holds_mid_sequence),
		test(state_holds_half_a_break_code),
		test(state_holds_the_key_types_of_set_3),
		test(damaged_state_is_refused_or_harmless),
		test(contract_holds),
		test(saved_in_mid_talk_it_goes_on_alike),
		test(random_use_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
