/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/legacy/vmport.h"
#include "tests/unit/fake_board.h"

#define PORT 0x5658
#define MAGIC 0x564d5868u
#define ABSENT 0xffffffffu
#define ENABLE 0x45414552u
#define DISABLE 0xf5u
#define RELATIVE 0x4c455252u
#define ABSOLUTE 0x53424152u

enum {
	GETMHZ = 1,
	GETVERSION = 10,
	GETUUID = 19,
	GETMEMSIZE = 20,
	GETTIME = 23,
	DATA = 39,
	STATUS,
	COMMAND,
	GETHZ = 45
};

struct rig {
	struct fake_board *f;
	struct device *d;
	unsigned changes;
	uint64_t hz;
};

static void wall_clock(void *context, uint64_t *ret_seconds, uint32_t *ret_microseconds)
{
	(void)context;
	*ret_seconds = 1700000000;
	*ret_microseconds = 123456;
}

static uint64_t tsc_hz(void *context)
{
	return ((struct rig *)context)->hz;
}

static void changed(void *context)
{
	((struct rig *)context)->changes++;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct vmport_config wires = { .memory = 1536ull << 20,
		                       .uuid = { 0x56, 0x4d, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 },
		                       .wall_clock = wall_clock,
		                       .tsc_hz = tsc_hz,
		                       .apic_hz = 1000000000,
		                       .pointer_changed = changed,
		                       .context = r };
	struct device_config config = { .id = "vmport", .port = PORT, .extra = &wires };

	r->f = fake_board_new();
	r->hz = 5000000000;
	r->d = fake_board_create(r->f, &vmport_class, &config);
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

/* `in eax, dx` as a driver does it: all other registers hold something. */
static struct cpu_registers ask(struct rig *r, uint32_t command, uint32_t argument)
{
	struct cpu_registers g = { MAGIC, argument, 0x77770000u | command, PORT, 0x5151, 0xd1d1 };

	assert_true(bus_exchanges(r->f->board.bus, PORT));
	bus_exchange(r->f->board.bus, PORT, &g);
	return g;
}

static uint32_t waiting(struct rig *r)
{
	return ask(r, STATUS, 0).eax;
}

static void expect_packet(struct rig *r, uint32_t flags, uint32_t x, uint32_t y, uint32_t z)
{
	struct cpu_registers g = ask(r, DATA, 4);

	assert_int_equal(g.eax, flags);
	assert_int_equal(g.ebx, x);
	assert_int_equal(g.ecx, y);
	assert_int_equal(g.edx, z);
	assert_int_equal(g.esi, 0x5151);
	assert_int_equal(g.edi, 0xd1d1);
}

/* As Linux' driver begins. */
static void enable(struct rig *r, uint32_t mode)
{
	ask(r, COMMAND, ENABLE);
	assert_int_not_equal(waiting(r) & 0xffff, 0);
	assert_int_equal(ask(r, DATA, 1).eax, 0x3442554a);
	ask(r, COMMAND, mode);
	assert_int_equal(waiting(r), 0);
}

static void without_the_magic_number_nobody_is_there(void **state)
{
	struct rig *r = *state;
	struct cpu_registers g = { MAGIC + 1, 2, GETVERSION, PORT, 5, 6 };

	bus_exchange(r->f->board.bus, PORT, &g);
	assert_int_equal(g.eax, ABSENT);
	assert_int_equal(g.ebx, 2);
	assert_int_equal(g.ecx, GETVERSION);
	assert_int_equal(fake_inl(r->f, PORT), ABSENT);
	assert_int_equal(fake_inb(r->f, PORT), 0xff);
	assert_false(bus_exchanges(r->f->board.bus, PORT + 1));
	assert_int_equal(fake_inl(r->f, PORT + 1), ABSENT);
}

static void the_machine_is_described(void **state)
{
	struct rig *r = *state;
	struct cpu_registers g = ask(r, GETVERSION, ~MAGIC);

	assert_int_equal(g.eax, 6);
	assert_int_equal(g.ebx, MAGIC);
	assert_int_equal(g.ecx, 2);
	assert_int_equal(ask(r, GETMEMSIZE, 0).eax, 1536);
	assert_int_equal(ask(r, GETMHZ, 0).eax, 5000);
	g = ask(r, GETUUID, 0);
	assert_int_equal(g.eax, 0x02014d56);
	assert_int_equal(g.ebx, 0x06050403);
	assert_int_equal(g.ecx, 0x0a090807);
	assert_int_equal(g.edx, 0x0e0d0c0b);
	g = ask(r, GETTIME, 0);
	assert_int_equal(g.eax, 1700000000);
	assert_int_equal(g.ebx, 123456);
	assert_int_equal(g.ecx, 1000000);
}

static void clock_rates_are_told_if_known(void **state)
{
	struct rig *r = *state;
	struct cpu_registers g = ask(r, GETHZ, ABSENT);

	assert_int_equal(g.eax, (uint32_t)5000000000);
	assert_int_equal(g.ebx, 1);
	assert_int_equal(g.ecx, 1000000000);
	r->hz = 0;
	g = ask(r, GETHZ, ABSENT);
	assert_int_equal(g.eax, ABSENT);
	assert_int_equal(g.ebx, ABSENT);
	assert_int_equal(ask(r, GETMHZ, 0).eax, ABSENT);
}

static void an_unknown_command_changes_eax_alone(void **state)
{
	struct rig *r = *state;
	struct cpu_registers g = ask(r, 30 /* RPC messages: tools */, 5);

	assert_int_equal(g.eax, ABSENT);
	assert_int_equal(g.ebx, 5);
	assert_int_equal(g.ecx, 0x7777001e);
	assert_int_equal(g.edx, PORT);
}

static void vmmouse_is_off_until_it_is_asked_for(void **state)
{
	struct rig *r = *state;

	assert_int_equal(waiting(r), 0xffff0000);
	assert_int_equal(ask(r, COMMAND, ABSOLUTE).eax, ABSENT);
	assert_int_equal(vmport_pointer_mode(r->d), VMPORT_POINTER_OFF);
	ask(r, COMMAND, ENABLE);
	assert_int_equal(waiting(r), 1);
	assert_int_equal(vmport_pointer_mode(r->d), VMPORT_POINTER_OFF);
	vmport_pointer(r->d, 1, 1, 0, 0);
	assert_int_equal(waiting(r), 1);
	assert_int_equal(r->changes, 0);
	ask(r, COMMAND, ABSOLUTE);
	assert_int_equal(vmport_pointer_mode(r->d), VMPORT_POINTER_ABSOLUTE);
	assert_int_equal(r->changes, 1);
	ask(r, COMMAND, DISABLE);
	assert_int_equal(waiting(r), 0xffff0000);
	assert_int_equal(vmport_pointer_mode(r->d), VMPORT_POINTER_OFF);
	assert_int_equal(r->changes, 2);
}

static void positions_buttons_and_wheel_arrive_in_packets(void **state)
{
	struct rig *r = *state;

	enable(r, ABSOLUTE);
	vmport_pointer(r->d, 0x1234, 0xffff, 0, 0);
	vmport_pointer(r->d, 0x1234, 0xffff, 0, 1);
	vmport_pointer(r->d, 0x1234, 0xffff, 0, 2 | 4);
	vmport_pointer(r->d, 0x1234, 0xffff, -1, 0);
	vmport_pointer(r->d, -5, 0x10000, 0, 8 | 16);
	assert_int_equal(waiting(r), 20);
	expect_packet(r, 0, 0x1234, 0xffff, 0);
	expect_packet(r, 0x20, 0x1234, 0xffff, 0);
	expect_packet(r, 0x18, 0x1234, 0xffff, 0);
	expect_packet(r, 0, 0x1234, 0xffff, ABSENT);
	expect_packet(r, 0, 0, 0xffff, 0);
	assert_int_equal(waiting(r), 0);
}

static void motion_that_waits_is_one_packet_and_a_press_keeps_its_place(void **state)
{
	struct rig *r = *state;

	enable(r, ABSOLUTE);
	for (int i = 0; i < 1000; i++)
		vmport_pointer(r->d, i, 2 * i, 0, 0);
	vmport_pointer(r->d, 1000, 2000, 0, 1);
	for (int i = 0; i < 1000; i++)
		vmport_pointer(r->d, 3000 + i, 4000, 0, 1);
	vmport_pointer(r->d, 5000, 4000, 0, 0);
	assert_int_equal(waiting(r), 16);
	expect_packet(r, 0, 999, 1998, 0);
	expect_packet(r, 0x20, 1000, 2000, 0);
	expect_packet(r, 0x20, 3999, 4000, 0);
	expect_packet(r, 0, 5000, 4000, 0);
}

static void a_guest_that_does_not_read_keeps_the_newest(void **state)
{
	struct rig *r = *state;
	uint32_t last = 0, count;

	enable(r, ABSOLUTE);
	for (int i = 1; i <= 10001; i++)
		vmport_pointer(r->d, i, 7, 0, i & 1);
	count = waiting(r);
	assert_true(count >= 64 && count < 1024 && count % 4 == 0);
	for (; count; count -= 4)
		last = ask(r, DATA, 4).ebx;
	assert_int_equal(last, 10001);
}

static void words_are_taken_in_any_number(void **state)
{
	struct rig *r = *state;
	struct cpu_registers g;

	enable(r, ABSOLUTE);
	vmport_pointer(r->d, 1, 2, 3, 4);
	vmport_pointer(r->d, 5, 6, 7, 0);
	g = ask(r, DATA, 6);
	assert_int_equal(g.eax, 8);
	assert_int_equal(g.edx, 3);
	assert_int_equal(g.esi, 0);
	assert_int_equal(g.edi, 5);
	assert_int_equal(ask(r, DATA, 2).ebx, 7);
}

static void one_who_asks_for_more_than_there_is_begins_again(void **state)
{
	static const uint32_t counts[] = { 0, 5, 7, 0x80000000, ABSENT };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		enable(r, ABSOLUTE);
		vmport_pointer(r->d, 1, 2, 0, 0);
		assert_int_equal(ask(r, DATA, counts[i]).eax, ABSENT);
		assert_int_equal(waiting(r), 0xffff0000);
		assert_int_equal(vmport_pointer_mode(r->d), VMPORT_POINTER_OFF);
	}
}

static void relative_motion_is_added_up(void **state)
{
	struct rig *r = *state;

	enable(r, RELATIVE);
	assert_int_equal(vmport_pointer_mode(r->d), VMPORT_POINTER_RELATIVE);
	vmport_pointer(r->d, 5, -3, 0, 0);
	vmport_pointer(r->d, 6, -4, 0, 0);
	vmport_pointer(r->d, 0, 0, 0, 1);
	expect_packet(r, 0x10000, 5, (uint32_t)-3, 0); /* the first in a mode says which it is */
	expect_packet(r, 0x10000, 6, (uint32_t)-4, 0);
	expect_packet(r, 0x10020, 0, 0, 0);
	vmport_pointer(r->d, 1, 0, 0, 1);
	for (int i = 0; i < 1000; i++)
		vmport_pointer(r->d, 0x7fffffff, -0x7fffffff, 0, 1);
	expect_packet(r, 0x10020, 0xffff, (uint32_t)-0xffff, 0);
}

static void a_reset_switches_it_off(void **state)
{
	struct rig *r = *state;

	enable(r, ABSOLUTE);
	vmport_class.reset(r->d);
	assert_int_equal(vmport_pointer_mode(r->d), VMPORT_POINTER_OFF);
	assert_int_equal(r->changes, 2);
	assert_int_equal(waiting(r), 0xffff0000);
}

static void what_waits_survives_save_and_load(void **state)
{
	struct rig *r = *state;
	size_t length;
	void *saved;

	enable(r, ABSOLUTE);
	vmport_pointer(r->d, 1, 2, 0, 0);
	vmport_pointer(r->d, 3, 4, 0, 1);
	vmport_pointer(r->d, 5, 6, 0, 1);
	saved = fake_save(r->d, &length);
	vmport_class.reset(r->d);
	assert_int_equal(fake_load(r->d, saved, length), 0);
	assert_int_equal(vmport_pointer_mode(r->d), VMPORT_POINTER_ABSOLUTE);
	assert_int_equal(r->changes, 3);
	vmport_pointer(r->d, 7, 8, 0, 1);
	expect_packet(r, 0, 1, 2, 0);
	expect_packet(r, 0x20, 3, 4, 0);
	expect_packet(r, 0x20, 7, 8, 0);
	free(saved);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(without_the_magic_number_nobody_is_there),
		TEST(the_machine_is_described),
		TEST(clock_rates_are_told_if_known),
		TEST(an_unknown_command_changes_eax_alone),
		TEST(vmmouse_is_off_until_it_is_asked_for),
		TEST(positions_buttons_and_wheel_arrive_in_packets),
		TEST(motion_that_waits_is_one_packet_and_a_press_keeps_its_place),
		TEST(a_guest_that_does_not_read_keeps_the_newest),
		TEST(words_are_taken_in_any_number),
		TEST(one_who_asks_for_more_than_there_is_begins_again),
		TEST(relative_motion_is_added_up),
		TEST(a_reset_switches_it_off),
		TEST(what_waits_survives_save_and_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
