/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/util/bios_fix.h"

/* lea edi, [esp + 30h]; mov ecx, 14; xor eax, eax; rep stosd, as objdump shows it in Debian 12's bios-256k.bin. */
static const uint8_t clears_by_es[] = { 0x67, 0x66, 0x8d, 0x7c, 0x24, 0x30, 0x66, 0xb9, 0x0e,
	                                0x00, 0x00, 0x00, 0x66, 0x31, 0xc0, 0x66, 0xf3, 0xab };
/* nop; lea di, [esp + 30h]; push ss; pop es; nop; mov cx, 14; xor eax, eax; rep stosd */
static const uint8_t clears_by_ss[] = { 0x90, 0x67, 0x8d, 0x7c, 0x24, 0x30, 0x16, 0x07, 0x90,
	                                0xb9, 0x0e, 0x00, 0x66, 0x31, 0xc0, 0x66, 0xf3, 0xab };

static void the_stack_is_cleared_by_its_own_segment(void **state)
{
	uint8_t image[64];

	(void)state;
	memset(image, 0xcc, sizeof(image));
	memcpy(image + 40, clears_by_es, sizeof(clears_by_es));
	assert_int_equal(bios_fix(image, sizeof(image)), 1);
	assert_memory_equal(image + 40, clears_by_ss, sizeof(clears_by_ss));
	assert_int_equal(image[39], 0xcc);
	assert_int_equal(image[58], 0xcc);
	assert_int_equal(bios_fix(image, sizeof(image)), 0);
}

static void another_place_on_the_stack_is_kept(void **state)
{
	uint8_t image[18];

	(void)state;
	memcpy(image, clears_by_es, sizeof(image));
	image[5] = 0x5c;
	assert_int_equal(bios_fix(image, sizeof(image)), 1);
	assert_int_equal(image[5], 0x5c);
}

static void other_code_is_left_alone(void **state)
{
	uint8_t image[64], before[64];

	(void)state;
	memset(image, 0xcc, sizeof(image));
	memcpy(image, clears_by_es, sizeof(clears_by_es));
	image[8] = 0x0d;                      /* 13 words: somebody else's variable */
	memcpy(image + 47, clears_by_es, 17); /* cut off by the image's end */
	memcpy(before, image, sizeof(image));
	assert_int_equal(bios_fix(image, sizeof(image)), 0);
	assert_memory_equal(image, before, sizeof(image));
	assert_int_equal(bios_fix(image, 0), 0);
}

/* If this fails with a newer SeaBIOS, see whether its mpt_scsi_cmd() still clears by ES: tests/boot's `mpt` tells. */
static void debians_firmware_has_the_fault_once(void **state)
{
	static uint8_t image[256 << 10];
	FILE *file = fopen("/usr/share/seabios/bios-256k.bin", "rb");
	size_t size = file ? fread(image, 1, sizeof(image), file) : 0;

	(void)state;
	if (file)
		fclose(file);
	if (!size || !memmem(image, size, "1.16.2-debian", 13)) {
		puts("SKIPPED: Debian 12's SeaBIOS is not installed");
		skip();
	}
	assert_int_equal(bios_fix(image, size), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stack_is_cleared_by_its_own_segment),
		cmocka_unit_test(another_place_on_the_stack_is_kept),
		cmocka_unit_test(other_code_is_left_alone),
		cmocka_unit_test(debians_firmware_has_the_fault_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
