/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/chipset/smbios.h"
#include "vmformat/bytes.h"

static const struct smbios_machine plain = {
	.manufacturer = "VMware, Inc.",
	.product = "VMware Virtual Platform",
	.version = "None",
	.serial = "VMware-56 4d 00",
	.uuid = { 0x56, 0x4d, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 },
	.sockets = 2,
	.memory = 512u << 20,
	.memory_below_4g = 512u << 20,
};

static uint8_t sum(const uint8_t *bytes, size_t count)
{
	uint8_t total = 0;

	for (size_t i = 0; i < count; i++)
		total = (uint8_t)(total + bytes[i]);
	return total;
}

/* The structure after `s`: behind its strings' double 0. */
static const uint8_t *next(const uint8_t *s, const uint8_t *end)
{
	const uint8_t *at = s + s[1];

	while (at + 1 < end && (at[0] || at[1]))
		at++;
	assert_true(at + 1 < end);
	return at + 2;
}

static const uint8_t *find(const struct smbios_tables *t, uint8_t type, unsigned nth)
{
	const uint8_t *end = t->tables + t->size;

	for (const uint8_t *s = t->tables; s < end; s = next(s, end))
		if (s[0] == type && !nth--)
			return s;
	return NULL;
}

static const char *string(const uint8_t *s, unsigned number)
{
	const char *at = (const char *)s + s[1];

	assert_true(number > 0);
	while (--number)
		at += strlen(at) + 1;
	return at;
}

static struct smbios_tables build(const struct smbios_machine *m)
{
	struct smbios_tables t;

	assert_int_equal(smbios_build(m, &t), 0);
	return t;
}

static void the_anchor_counts_and_sums_what_is_there(void **state)
{
	struct smbios_tables t = build(&plain);
	const uint8_t *end = t.tables + t.size;
	size_t count = 0, longest = 0;

	(void)state;
	for (const uint8_t *s = t.tables; s < end; count++) {
		const uint8_t *after = next(s, end);

		longest = MAX(longest, (size_t)(after - s));
		s = after;
	}
	assert_memory_equal(t.anchor, "_SM_", 4);
	assert_memory_equal(t.anchor + 16, "_DMI_", 5);
	assert_int_equal(sum(t.anchor, 31), 0);
	assert_int_equal(sum(t.anchor + 16, 15), 0);
	assert_int_equal(le16_load(t.anchor + 8), longest);
	assert_int_equal(le16_load(t.anchor + 22), t.size);
	assert_int_equal(le16_load(t.anchor + 28), count);
	assert_int_equal(t.anchor[6] << 8 | t.anchor[7], 0x204);
	smbios_free(&t);
}

static void every_structure_has_a_handle_of_its_own_and_the_last_is_the_end(void **state)
{
	static const uint8_t types[] = { 0, 1, 3, 4, 16, 17, 19, 32, 127 };
	struct smbios_tables t = build(&plain);
	const uint8_t *end = t.tables + t.size;
	static bool seen[65536];

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++)
		assert_non_null(find(&t, types[i], 0));
	for (const uint8_t *s = t.tables; s < end; s = next(s, end)) {
		assert_false(seen[le16_load(s + 2)]);
		seen[le16_load(s + 2)] = true;
	}
	assert_ptr_equal(next(find(&t, 127, 0), end), end);
	smbios_free(&t);
}

static void the_system_has_its_maker_serial_and_uuid_in_its_own_order(void **state)
{
	struct smbios_tables t = build(&plain);
	const uint8_t *s = find(&t, 1, 0);

	(void)state;
	assert_string_equal(string(s, s[4]), plain.manufacturer);
	assert_string_equal(string(s, s[5]), plain.product);
	assert_string_equal(string(s, s[6]), plain.version);
	assert_string_equal(string(s, s[7]), plain.serial);
	assert_memory_equal(s + 8, plain.uuid, 16);
	smbios_free(&t);
}

static void memory_is_told_in_modules_and_ranges(void **state)
{
	struct smbios_machine m = plain;
	struct smbios_tables t;

	(void)state;
	m.memory = 20ull << 30;
	m.memory_below_4g = 3ull << 30;
	t = build(&m);
	assert_int_equal(le16_load(find(&t, 16, 0) + 13), 2);
	assert_int_equal(le16_load(find(&t, 17, 0) + 12), 16384);
	assert_int_equal(le16_load(find(&t, 17, 1) + 12), 4096);
	assert_null(find(&t, 17, 2));
	assert_int_equal(le32_load(find(&t, 19, 0) + 8), (3u << 20) - 1);
	assert_int_equal(le32_load(find(&t, 19, 1) + 4), 4u << 20);
	assert_int_equal(le32_load(find(&t, 19, 1) + 8), (21u << 20) - 1);
	smbios_free(&t);
}

static void counts_and_texts_of_any_size_stay_in_their_limits(void **state)
{
	char text[1000];
	struct smbios_machine m = { .manufacturer = text, .product = text, .version = "", .serial = text };
	struct smbios_tables t;
	const uint8_t *s;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	m.sockets = UINT32_MAX;
	m.memory = UINT64_MAX;
	m.memory_below_4g = 1ull << 31;
	t = build(&m);
	s = find(&t, 1, 0);
	assert_int_equal(strlen(string(s, s[7])), 64);
	assert_int_equal(s[6], 0); /* no text, no number */
	assert_non_null(find(&t, 4, SMBIOS_MAX_SOCKETS - 1));
	assert_null(find(&t, 4, SMBIOS_MAX_SOCKETS));
	assert_null(find(&t, 17, SMBIOS_MAX_DIMMS));
	assert_int_equal(le16_load(t.anchor + 22), t.size);
	smbios_free(&t);
}

static void the_serial_number_is_the_uuid_as_vmware_spells_it(void **state)
{
	char serial[SMBIOS_VMWARE_SERIAL];

	(void)state;
	smbios_vmware_serial(plain.uuid, serial);
	assert_string_equal(serial, "VMware-56 4d 00 01 02 03 04 05-06 07 08 09 0a 0b 0c 0d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_anchor_counts_and_sums_what_is_there),
		cmocka_unit_test(every_structure_has_a_handle_of_its_own_and_the_last_is_the_end),
		cmocka_unit_test(the_system_has_its_maker_serial_and_uuid_in_its_own_order),
		cmocka_unit_test(memory_is_told_in_modules_and_ranges),
		cmocka_unit_test(counts_and_texts_of_any_size_stay_in_their_limits),
		cmocka_unit_test(the_serial_number_is_the_uuid_as_vmware_spells_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
