/* SPDX-License-Identifier: MIT */
/* PCI, serial port, clocks, power, speaker, keyboard and mouse. */
#include "card.h"

#define COM1 0x3f8
#define PM_TIMER_HZ 3579545u

uint32_t pci_read(unsigned device, unsigned function, unsigned reg)
{
	outl(0xcf8, 0x80000000 | device << 11 | function << 8 | (reg & 0xfc));
	return inl(0xcfc);
}

int pci_find(uint32_t id)
{
	for (unsigned device = 0; device < 32; device++) {
		if (pci_read(device, 0, 0) == 0xffffffff)
			continue;
		for (unsigned function = 0; function < 8; function++)
			if (pci_read(device, function, 0) == id)
				return (int)(device << 3 | function);
	}
	return -1;
}

void serial_write(const char *string)
{
	for (; *string; string++) {
		for (int patience = 0; !(inb(COM1 + 5) & 0x20) && patience < 10000; patience++)
			;
		outb(COM1, (uint8_t)*string);
	}
}

void cpu_name(char ret_name[49])
{
	uint32_t regs[4];

	for (uint32_t i = 0; i < 3; i++) {
		__asm__ volatile("cpuid"
		                 : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3])
		                 : "a"(0x80000002 + i), "c"(0));
		memcpy(ret_name + 16 * i, regs, 16);
	}
	ret_name[48] = 0;
}

/* ---- time ---- */

static uint16_t pm_base;
static uint64_t tsc_start, tsc_per_ms;

void clock_init(void)
{
	int pm = pci_find(0x71138086);
	uint32_t begin;
	uint64_t tsc;

	pm_base = pm < 0 ? 0 : (uint16_t)(pci_read((unsigned)pm >> 3, (unsigned)pm & 7, 0x40) & 0xffc0);
	tsc_start = rdtsc();
	tsc_per_ms = 1000000; /* a guess of 1 GHz for a board without that timer */
	if (!pm_base)
		return;
	begin = inl(pm_base + 8);
	tsc = rdtsc();
	while (((inl(pm_base + 8) - begin) & 0xffffff) < PM_TIMER_HZ / 20)
		;
	tsc_per_ms = (rdtsc() - tsc) / 50;
	tsc_start = rdtsc();
}

uint64_t clock_ms(void)
{
	return (rdtsc() - tsc_start) / tsc_per_ms;
}

static uint8_t cmos(uint8_t reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

void clock_rtc(char ret_text[9])
{
	static const uint8_t registers[3] = { 4, 2, 0 };
	char *to = ret_text;

	for (int i = 0; i < 3; i++) {
		uint8_t bcd = cmos(registers[i]);

		*to++ = (char)('0' + (bcd >> 4 & 7));
		*to++ = (char)('0' + (bcd & 15));
		*to++ = i < 2 ? ':' : 0;
	}
}

void power_off(void)
{
	if (pm_base)
		outw(pm_base + 4, 0x2000); /* SLP_EN, type 0: soft off */
}

/* ---- speaker ---- */

void speaker(unsigned hertz)
{
	unsigned divisor = hertz ? 1193182 / hertz : 0;

	if (!hertz) {
		outb(0x61, inb(0x61) & 0xfc);
		return;
	}
	outb(0x43, 0xb6);
	outb(0x42, (uint8_t)divisor);
	outb(0x42, (uint8_t)(divisor >> 8));
	outb(0x61, inb(0x61) | 3);
}

/* ---- keyboard and mouse ---- */

bool ps2_read(uint8_t *ret_byte, bool *ret_is_mouse)
{
	uint8_t status = inb(0x64);

	if (!(status & 1))
		return false;
	*ret_is_mouse = status & 0x20;
	*ret_byte = inb(0x60);
	return true;
}

static void ps2_command(uint16_t port, uint8_t value)
{
	for (int patience = 0; inb(0x64) & 2 && patience < 10000; patience++)
		;
	outb(port, value);
}

void ps2_enable_mouse(void)
{
	uint8_t byte;
	bool is_mouse;

	ps2_command(0x64, 0xa8);
	ps2_command(0x64, 0xd4);
	ps2_command(0x60, 0xf4);
	/* Its acknowledge, 0xfa, has the mark of a packet's first byte: it must not reach who takes packets. */
	for (int patience = 0; patience < 10000; patience++)
		if (ps2_read(&byte, &is_mouse) && is_mouse && byte == 0xfa)
			return;
}
