/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/legacy/legacy.h"
#include "tests/unit/fake_board.h"

struct seen {
	unsigned resets, a20_changes;
	bool a20;
	uint8_t bytes[64];
	size_t count, calls;
};

static void count_reset(void *context)
{
	((struct seen *)context)->resets++;
}

static void note_a20(void *context, bool on)
{
	struct seen *s = context;

	s->a20 = on;
	s->a20_changes++;
}

static void collect(void *context, const uint8_t *data, size_t count)
{
	struct seen *s = context;

	s->calls++;
	for (size_t i = 0; i < count; i++)
		s->bytes[s->count++ % sizeof(s->bytes)] = data[i];
}

static void port92_gates_a20_and_resets_on_the_rising_bit(void **state)
{
	struct fake_board *f = fake_board_new();
	struct seen seen = { 0 };
	struct i8042_config wires = { .reset_cpu = count_reset, .set_a20 = note_a20, .context = &seen };

	(void)state;
	fake_board_create(f, &port92_class, &(struct device_config){ .id = "port92", .port = 0x92, .extra = &wires });
	assert_int_equal(fake_inb(f, 0x92), 0);
	fake_outb(f, 0x92, 0x02); /* SeaBIOS's set_a20(1) */
	assert_int_equal(fake_inb(f, 0x92), 0x02);
	assert_true(seen.a20);
	fake_outb(f, 0x92, 0x02);
	assert_int_equal(seen.a20_changes, 1);
	fake_outb(f, 0x92, 0x00);
	assert_false(seen.a20);
	assert_int_equal(seen.resets, 0);
	fake_outb(f, 0x92, 0x01);
	fake_outb(f, 0x92, 0x01);
	assert_int_equal(seen.resets, 1);
	fake_outb(f, 0x92, 0xfe);
	assert_int_equal(fake_inb(f, 0x92), 0xca);
	fake_board_free(f);
}

static void debugcon_is_found_and_delivers_each_byte_at_once(void **state)
{
	struct fake_board *f = fake_board_new();
	struct seen seen = { 0 };
	struct serial_config wires = { .output = collect, .context = &seen };

	(void)state;
	fake_board_create(f, &debugcon_class,
	                  &(struct device_config){ .id = "debugcon", .port = 0x402, .extra = &wires });
	assert_int_equal(fake_inb(f, 0x402), 0xe9);
	fake_outb(f, 0x402, 'S');
	assert_int_equal(seen.count, 1);
	fake_outb(f, 0x402, 'e');
	assert_int_equal(seen.count, 2);
	bus_write_many(f->board.bus, 0x402, 1, "aBIOS", 5); /* rep outsb */
	assert_int_equal(seen.calls, 3);
	assert_int_equal(seen.count, 7);
	assert_memory_equal(seen.bytes, "SeaBIOS", 7);
	bus_write_many(f->board.bus, 0x402, 4, "12345678", 2);
	fake_board_free(f);
}

static void nobody_needs_to_listen(void **state)
{
	struct fake_board *f = fake_board_new();

	(void)state;
	fake_board_create(f, &port92_class, &(struct device_config){ .id = "port92", .port = 0x92 });
	fake_board_create(f, &debugcon_class, &(struct device_config){ .id = "debugcon", .port = 0x402 });
	for (unsigned i = 0; i < 100000; i++) {
		fake_outb(f, 0x92, (uint8_t)(i * 7));
		fake_outb(f, 0x402, (uint8_t)i);
		fake_in(f, 0x92, 1u << i % 3);
	}
	fake_board_free(f);
}

static void contract_holds(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 10; seed++) {
		fake_check_state(&port92_class, &(struct device_config){ .id = "port92", .port = 0x92 }, seed);
		fake_check_state(&debugcon_class, &(struct device_config){ .id = "debugcon", .port = 0x402 }, seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port92_gates_a20_and_resets_on_the_rising_bit),
		cmocka_unit_test(debugcon_is_found_and_delivers_each_byte_at_once),
		cmocka_unit_test(nobody_needs_to_listen),
		cmocka_unit_test(contract_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
