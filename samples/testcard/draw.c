/* SPDX-License-Identifier: MIT */
/* Pixels, by the Bochs display interface (QEMU's docs/specs/standard-vga.rst) on a PCI display 1234:1111. */
#include <stdarg.h>

#include "card.h"

#define DISPI_INDEX 0x1ce
#define DISPI_DATA 0x1cf

static uint32_t *pixels;

static void dispi(uint16_t index, uint16_t value)
{
	outw(DISPI_INDEX, index);
	outw(DISPI_DATA, value);
}

bool screen_init(void)
{
	int at = pci_find(0x11111234);

	if (at < 0)
		return false;
	pixels = (uint32_t *)(uintptr_t)(pci_read((unsigned)at >> 3, (unsigned)at & 7, 0x10) & ~0xfu);
	dispi(4, 0);
	dispi(1, WIDTH);
	dispi(2, HEIGHT);
	dispi(3, 32);
	dispi(4, 0x41); /* enabled, linear */
	return pixels;
}

void fill(int x, int y, int width, int height, uint32_t colour)
{
	for (int row = y; row < y + height; row++)
		for (int column = x; column < x + width; column++)
			pixels[row * WIDTH + column] = colour;
}

void text(int x, int y, int scale, uint32_t colour, uint32_t behind, const char *string)
{
	for (; *string && x + 8 * scale <= WIDTH; string++, x += 8 * scale)
		for (int row = 0; row < 16 * scale; row++)
			for (int column = 0; column < 8 * scale; column++) {
				uint8_t bits = FONT[(uint8_t)*string * 16 + row / scale];

				pixels[(y + row) * WIDTH + x + column] =
					bits >> (7 - column / scale) & 1 ? colour : behind;
			}
}

static void put_number(char **to, char *end, uint64_t value, unsigned base, unsigned digits)
{
	char reversed[24];
	unsigned n = 0;

	do {
		reversed[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value || n < digits);
	while (n && *to < end)
		*(*to)++ = reversed[--n];
}

void format(char *to, size_t size, const char *how, ...)
{
	char *end = to + size - 1;
	va_list args;

	va_start(args, how);
	for (; *how && to < end; how++) {
		if (*how != '%') {
			*to++ = *how;
		} else if (*++how == 's') {
			const char *s = va_arg(args, const char *);

			while (*s && to < end)
				*to++ = *s++;
		} else {
			put_number(&to, end, va_arg(args, uint64_t), *how == 'x' ? 16 : 10, *how == 'x' ? 2 : 1);
		}
	}
	*to = 0;
	va_end(args);
}

void *memset(void *to, int value, size_t count)
{
	uint8_t *at = to;

	while (count--)
		*at++ = (uint8_t)value;
	return to;
}

void *memcpy(void *to, const void *from, size_t count)
{
	uint8_t *at = to;
	const uint8_t *source = from;

	while (count--)
		*at++ = *source++;
	return to;
}
