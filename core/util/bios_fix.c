/* SPDX-License-Identifier: MIT */
#include "core/util/bios_fix.h"

#include <stdbool.h>
#include <string.h>

#include "vmformat/bytes.h"

#define FIX_MAX 18

struct fix {
	size_t length;
	size_t any; /* the one byte that differs between builds, kept; at the same place in both */
	uint8_t fault[FIX_MAX], mended[FIX_MAX];
};

static const struct fix fixes[] = {
	/*
	 * SeaBIOS to 1.16 at least, mpt_scsi_cmd(), run in real mode by INT 13h: the compiler clears the request, a
	 * variable on the stack, by a string instruction, which writes to ES. Under KVM, where time is told by the TSC,
	 * nothing has loaded ES with the stack's segment on the way: it still is the drive's own, high in the F
	 * segment. So each read from an LSI Logic disk clears 56 bytes some 20 KB above 1 MiB, where GRUB has just
	 * loaded a kernel: "XZ-compressed data is corrupt". With 16-bit registers there is room to load ES with SS, as
	 * the function itself does a little later.
	 */
	{ 18,
	  5,
	  { 0x67, 0x66, 0x8d, 0x7c, 0x24, 0x00, /* lea edi, [esp + any] */
	    0x66, 0xb9, 0x0e, 0x00, 0x00, 0x00, /* mov ecx, 14 */
	    0x66, 0x31, 0xc0,                   /* xor eax, eax */
	    0x66, 0xf3, 0xab },                 /* rep stosd */
	  { 0x90, 0x67, 0x8d, 0x7c, 0x24, 0x00, /* nop; lea di, [esp + any] */
	    0x16, 0x07, 0x90,                   /* push ss; pop es; nop */
	    0xb9, 0x0e, 0x00,                   /* mov cx, 14 */
	    0x66, 0x31, 0xc0,                   /* xor eax, eax */
	    0x66, 0xf3, 0xab } },               /* rep stosd */
};

static bool is_at(const struct fix *f, const uint8_t *code)
{
	return !memcmp(code, f->fault, f->any) &&
	       !memcmp(code + f->any + 1, f->fault + f->any + 1, f->length - f->any - 1);
}

static void mend(const struct fix *f, uint8_t *code)
{
	uint8_t kept = code[f->any];

	memcpy(code, f->mended, f->length);
	code[f->any] = kept;
}

unsigned bios_fix(uint8_t *image, size_t size)
{
	unsigned count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fixes); i++)
		for (size_t at = 0; at + fixes[i].length <= size; at++)
			if (is_at(&fixes[i], image + at)) {
				mend(&fixes[i], image + at);
				count++;
			}
	return count;
}
