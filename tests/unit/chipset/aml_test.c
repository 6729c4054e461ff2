/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/chipset/aml.h"

static uint8_t room[0x400000];

static struct aml writer(void)
{
	return (struct aml){ .data = room, .size = sizeof(room) };
}

#define assert_written(a, ...)                                         \
	do {                                                           \
		static const uint8_t wanted[] = { __VA_ARGS__ };       \
		assert_false((a).full);                                \
		assert_int_equal((a).used, sizeof(wanted));            \
		assert_memory_equal((a).data, wanted, sizeof(wanted)); \
	} while (0)

static void integers_take_the_shortest_form(void **state)
{
	struct aml a = writer();

	(void)state;
	aml_integer(&a, 0);
	aml_integer(&a, 1);
	aml_integer(&a, 2);
	aml_integer(&a, 0x100);
	aml_integer(&a, 0x12345678);
	assert_written(a, 0x00, 0x01, 0x0a, 0x02, 0x0b, 0x00, 0x01, 0x0c, 0x78, 0x56, 0x34, 0x12);
}

static void names_are_filled_and_prefixed(void **state)
{
	struct aml a = writer();

	(void)state;
	aml_path(&a, "ISA");
	aml_path(&a, "\\_SB.LNKA");
	aml_path(&a, "^A.B.C");
	aml_path(&a, "");
	aml_path(&a, "\\");
	assert_written(a, 'I', 'S', 'A', '_', '\\', 0x2e, '_', 'S', 'B', '_', 'L', 'N', 'K', 'A', '^', 0x2f, 3, 'A',
	               '_', '_', '_', 'B', '_', '_', '_', 'C', '_', '_', '_', 0, '\\', 0);
}

static void eisa_ids_are_compressed(void **state)
{
	struct aml a = writer();

	(void)state;
	aml_eisa_id(&a, "PNP0C0F");
	assert_written(a, 0x0c, 0x41, 0xd0, 0x0c, 0x0f);
}

/* A package of so many bytes inside: the length before it counts itself and takes as many bytes as it must. */
static void check_length(size_t inside, const uint8_t *wanted, size_t bytes)
{
	struct aml a = writer();

	aml_begin(&a, AML_SCOPE);
	for (size_t i = 0; i < inside; i++)
		aml_byte(&a, 0xee);
	aml_end(&a);
	assert_false(a.full);
	assert_int_equal(a.used, 1 + bytes + inside);
	assert_memory_equal(a.data + 1, wanted, bytes);
	assert_int_equal(a.data[1 + bytes], 0xee);
	assert_int_equal(a.data[a.used - 1], 0xee);
}

static void lengths_count_themselves_in_one_to_four_bytes(void **state)
{
	(void)state;
	check_length(62, (const uint8_t[]){ 0x3f }, 1);
	check_length(63, (const uint8_t[]){ 0x41, 0x04 }, 2); /* 65: with one byte more than it would fit in */
	check_length(0xffd, (const uint8_t[]){ 0x4f, 0xff }, 2);
	check_length(0xffe, (const uint8_t[]){ 0x81, 0x00, 0x01 }, 3);
	check_length(0xffffc, (const uint8_t[]){ 0x8f, 0xff, 0xff }, 3);
	check_length(0xffffd, (const uint8_t[]){ 0xc1, 0x00, 0x00, 0x01 }, 4);
}

static void constructs_nest(void **state)
{
	struct aml a = writer();

	(void)state;
	aml_begin_named(&a, AML_DEVICE, "DEV");
	aml_begin_method(&a, "_STA", 0);
	aml_op(&a, AML_RETURN);
	aml_integer(&a, 15);
	aml_end(&a);
	aml_end(&a);
	assert_written(a, 0x5b, 0x82, 0x0f, 'D', 'E', 'V', '_', 0x14, 0x09, '_', 'S', 'T', 'A', 0, 0xa4, 0x0a, 0x0f);
	assert_int_equal(a.depth, 0);
}

static void packages_and_fields_have_their_counts(void **state)
{
	struct aml a = writer();

	(void)state;
	aml_begin_package(&a, 2);
	aml_integer(&a, 0);
	aml_integer(&a, 0x40);
	aml_end(&a);
	aml_field(&a, "BIT0", 8);
	aml_field(&a, "BITS", 0x48);
	assert_written(a, 0x12, 0x05, 2, 0x00, 0x0a, 0x40, 'B', 'I', 'T', '0', 0x08, 'B', 'I', 'T', 'S', 0x48, 0x04);
}

static void resource_buffers_end_with_their_tag(void **state)
{
	struct aml a = writer();

	(void)state;
	aml_begin_resources(&a);
	aml_ports(&a, 0x3f8, 8);
	aml_isa_irq(&a, 4);
	aml_end(&a);
	assert_written(a, 0x11, 0x10, 0x0a, 0x0d, 0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0, 0x79, 0);
}

static void windows_say_their_length(void **state)
{
	struct aml a = writer();

	(void)state;
	aml_window(&a, AML_SPACE_BUSES, 0, 255, false);
	aml_window(&a, AML_SPACE_MEMORY, 0x80000000, 0xfebfffff, false);
	assert_written(a, 0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 1, 0x87, 23, 0, 0, 0x0c, 1, 0, 0, 0, 0,
	               0, 0, 0, 0x80, 0xff, 0xff, 0xbf, 0xfe, 0, 0, 0, 0, 0, 0, 0xc0, 0x7e);
}

static void interrupts_are_level_high_and_shared(void **state)
{
	struct aml a = writer();

	(void)state;
	aml_interrupts(&a, (const uint8_t[]){ 5, 11 }, 2);
	assert_written(a, 0x89, 10, 0, 0x09, 2, 5, 0, 0, 0, 11, 0, 0, 0);
}

static void a_full_buffer_is_noticed_and_nothing_is_written_beyond(void **state)
{
	(void)state;
	for (size_t size = 0; size < 14; size++) {
		uint8_t *small = malloc(size + 1); /* exact, for ASan */
		struct aml a = { .data = small, .size = size };

		small[size] = 0xa5;
		aml_begin_named(&a, AML_DEVICE, "DEV");
		aml_begin_resources(&a);
		aml_isa_irq(&a, 4);
		aml_end(&a);
		aml_end(&a);
		assert_true(a.full);
		assert_true(a.used <= size);
		assert_int_equal(small[size], 0xa5);
		free(small);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_take_the_shortest_form),
		cmocka_unit_test(names_are_filled_and_prefixed),
		cmocka_unit_test(eisa_ids_are_compressed),
		cmocka_unit_test(lengths_count_themselves_in_one_to_four_bytes),
		cmocka_unit_test(constructs_nest),
		cmocka_unit_test(packages_and_fields_have_their_counts),
		cmocka_unit_test(resource_buffers_end_with_their_tag),
		cmocka_unit_test(windows_say_their_length),
		cmocka_unit_test(interrupts_are_level_high_and_shared),
		cmocka_unit_test(a_full_buffer_is_noticed_and_nothing_is_written_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
