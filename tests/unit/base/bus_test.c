/* SPDX-License-Identifier: MIT */
#include "fake_board.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct probe { /* a device that remembers the last access */
	struct device device;
	struct region low, high;
	uint64_t offset, value;
	unsigned size, calls;
	struct region *region;
};

static uint64_t probe_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct probe *p = (struct probe *)d;

	*p = (struct probe){ .device = p->device,
		             .low = p->low,
		             .high = p->high,
		             .offset = offset,
		             .size = size,
		             .calls = p->calls + 1,
		             .region = r };
	return 0x1122334455667788 >> offset * 8;
}

static void probe_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	probe_read(d, r, offset, size);
	((struct probe *)d)->value = value;
}

static const struct region_ops ops = { .read = probe_read, .write = probe_write };
static const struct region_ops byte_ops = { .read = probe_read, .write = probe_write, .max_size = 1 };

static int probe_create(struct device *d, const struct device_config *config, struct error *e)
{
	struct probe *p = (struct probe *)d;

	(void)config, (void)e;
	p->low = (struct region){ .name = "low", .ops = &ops, .device = d, .size = 8, .space = BUS_PORT };
	p->high = (struct region){ .name = "high", .ops = &byte_ops, .device = d, .size = 8, .space = BUS_PORT };
	return 0;
}

static const struct device_class probe_class = { .name = "probe",
	                                         .size = sizeof(struct probe),
	                                         .create = probe_create };

static struct probe *make(struct fake_board **f)
{
	*f = fake_board_new();
	return (struct probe *)fake_board_create(*f, &probe_class, &(struct device_config){ .id = "probe" });
}

static void an_access_reaches_its_region_with_an_offset(void **state)
{
	struct fake_board *f;
	struct probe *p = make(&f);

	(void)state;
	bus_map(f->board.bus, &p->low, 0x100);
	fake_outw(f, 0x106, 0xabcd);
	assert_int_equal(p->offset, 6);
	assert_int_equal(p->size, 2);
	assert_int_equal(p->value, 0xabcd);
	assert_int_equal(fake_inl(f, 0x100), 0x55667788);
	fake_board_free(f);
}

/* What another vCPU does while a BAR moves: the map that it looks into is still the old one. */
static void access_old_place(void *context, const struct region *r, bool mapped)
{
	struct fake_board *f = context;

	if (mapped && r->base == 0x200)
		fake_outw(f, 0x106, 0xabcd);
}

static void an_access_during_a_move_stays_inside_the_region(void **state)
{
	struct fake_board *f;
	struct probe *p = make(&f);

	(void)state;
	bus_map(f->board.bus, &p->low, 0x100);
	bus_set_listener(f->board.bus, access_old_place, f);
	bus_map(f->board.bus, &p->low, 0x200);
	assert_int_equal(p->calls, 1);
	assert_int_equal(p->offset, 6);
	bus_set_listener(f->board.bus, NULL, NULL);
	fake_board_free(f);
}

static void nobody_there_reads_all_ones(void **state)
{
	struct fake_board *f;
	struct probe *p = make(&f);
	uint64_t value;

	(void)state;
	assert_int_equal(fake_inl(f, 0x100), 0xffffffff);
	assert_false(bus_write(f->board.bus, BUS_PORT, 0x100, 4, 0));
	bus_map(f->board.bus, &p->low, 0x100);
	bus_unmap(f->board.bus, &p->low);
	assert_false(bus_read(f->board.bus, BUS_PORT, 0x100, 1, &value));
	assert_int_equal(p->calls, 0);
	fake_board_free(f);
}

static void wide_accesses_are_cut_to_what_the_region_takes(void **state)
{
	struct fake_board *f;
	struct probe *p = make(&f);

	(void)state;
	bus_map(f->board.bus, &p->high, 0x200);
	assert_int_equal(fake_inl(f, 0x200), 0x55667788);
	assert_int_equal(p->calls, 4);
	assert_int_equal(p->size, 1);
	fake_board_free(f);
}

static void an_access_across_the_end_is_cut_in_bytes(void **state)
{
	struct fake_board *f;
	struct probe *p = make(&f);

	(void)state;
	bus_map(f->board.bus, &p->low, 0x100);
	assert_int_equal(fake_inl(f, 0x106), 0xffff1122);
	assert_int_equal(fake_inw(f, 0xff), 0x88ff);
	p->calls = 0;
	assert_int_equal(fake_inl(f, 0xfc), 0xffffffff); /* ends right before it */
	assert_int_equal(fake_inl(f, 0x108), 0xffffffff);
	assert_int_equal(p->calls, 0);
	fake_board_free(f);
}

static void the_region_mapped_last_wins_and_shared_below_loses(void **state)
{
	struct fake_board *f;
	struct probe *p = make(&f);

	(void)state;
	bus_map(f->board.bus, &p->low, 0x100);
	bus_map(f->board.bus, &p->high, 0x104);
	fake_inb(f, 0x105);
	assert_ptr_equal(p->region, &p->high);
	fake_inb(f, 0x103);
	assert_ptr_equal(p->region, &p->low);
	bus_unmap(f->board.bus, &p->high);
	fake_inb(f, 0x105);
	assert_ptr_equal(p->region, &p->low);
	p->high.shared_below = true;
	bus_map(f->board.bus, &p->high, 0x104);
	fake_inb(f, 0x105);
	assert_ptr_equal(p->region, &p->low);
	fake_inb(f, 0x109);
	assert_ptr_equal(p->region, &p->high);
	fake_board_free(f);
}

static void a_region_that_hangs_over_the_end_answers_nowhere(void **state)
{
	struct fake_board *f;
	struct probe *p = make(&f);

	(void)state;
	bus_map(f->board.bus, &p->low, 0xfffc);
	assert_int_equal(fake_inb(f, 0xfffd), 0xff);
	bus_map(f->board.bus, &p->low, 0xfff8);
	assert_int_equal(fake_inb(f, 0xffff), 0x11);
	fake_board_free(f);
}

static void string_io_without_an_op_loops(void **state)
{
	struct fake_board *f;
	struct probe *p = make(&f);
	uint16_t data[3];

	(void)state;
	bus_map(f->board.bus, &p->low, 0x100);
	bus_read_many(f->board.bus, 0x102, 2, data, 3);
	assert_int_equal(p->calls, 3);
	assert_int_equal(data[2], 0x5566);
	fake_board_free(f);
}

static void add_registers(struct device *d, struct region *r, struct cpu_registers *registers)
{
	((struct probe *)d)->region = r;
	registers->eax += 1;
	registers->edi += 2;
}

static void a_port_may_answer_in_registers(void **state)
{
	static const struct region_ops exchanging = { .read = probe_read,
		                                      .write = probe_write,
		                                      .exchange = add_registers };
	struct cpu_registers registers = { .eax = 5, .edi = 6 };
	struct fake_board *f;
	struct probe *p = make(&f);

	(void)state;
	p->low.ops = &exchanging;
	bus_map(f->board.bus, &p->high, 0x200);
	assert_false(bus_exchanges(f->board.bus, 0x100));
	bus_map(f->board.bus, &p->low, 0x100);
	assert_true(bus_exchanges(f->board.bus, 0x100));
	assert_true(bus_exchanges(f->board.bus, 0x107));
	assert_false(bus_exchanges(f->board.bus, 0x108));
	assert_false(bus_exchanges(f->board.bus, 0xff));
	assert_false(bus_exchanges(f->board.bus, 0x200));
	bus_exchange(f->board.bus, 0x100, &registers);
	assert_int_equal(registers.eax, 6);
	assert_int_equal(registers.edi, 8);
	bus_exchange(f->board.bus, 0x200, &registers); /* an ordinary port: nothing happens */
	assert_int_equal(registers.eax, 6);
	bus_unmap(f->board.bus, &p->low);
	assert_false(bus_exchanges(f->board.bus, 0x100));
	fake_board_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_access_reaches_its_region_with_an_offset),
		cmocka_unit_test(an_access_during_a_move_stays_inside_the_region),
		cmocka_unit_test(nobody_there_reads_all_ones),
		cmocka_unit_test(wide_accesses_are_cut_to_what_the_region_takes),
		cmocka_unit_test(an_access_across_the_end_is_cut_in_bytes),
		cmocka_unit_test(the_region_mapped_last_wins_and_shared_below_loses),
		cmocka_unit_test(a_region_that_hangs_over_the_end_answers_nowhere),
		cmocka_unit_test(string_io_without_an_op_loops),
		cmocka_unit_test(a_port_may_answer_in_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
