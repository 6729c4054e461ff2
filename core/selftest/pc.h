/* SPDX-License-Identifier: MIT */
/* The PC as the checks see it. Time is the ACPI timer's: all other clocks are held against it. */
#ifndef SELFTEST_PC_H
#define SELFTEST_PC_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

#define NS_PER_MS 1000000ull

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t mmio_read(uint32_t address)
{
	return *(volatile uint32_t *)(uintptr_t)address;
}

static inline void mmio_write(uint32_t address, uint32_t v)
{
	*(volatile uint32_t *)(uintptr_t)address = v;
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t index, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "c"(index), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf)
{
	struct cpuid c;

	__asm__ volatile("cpuid" : "=a"(c.eax), "=b"(c.ebx), "=c"(c.ecx), "=d"(c.edx) : "a"(leaf), "c"(0));
	return c;
}

static inline void interrupts(bool on)
{
	if (on)
		__asm__ volatile("sti" : : : "memory");
	else
		__asm__ volatile("cli" : : : "memory");
}

/* Words to the debug console. */
void say(const char *text);
void say_number(uint64_t n);

uint8_t cmos_read(uint8_t reg);
void cmos_write(uint8_t reg, uint8_t v);

uint32_t pci_read(unsigned devfn, unsigned reg); /* bus 0 */
void pci_write(unsigned devfn, unsigned reg, uint32_t v);
int pci_find(uint32_t id); /* devfn, or -1 */

/* The ACPI timer in nanoseconds since pm_init(); to be called at least every 2 seconds. */
bool pm_init(void); /* false: no PIIX4 */
uint64_t now(void);
enum pm_register { PM_STATUS = 0x600, PM_ENABLE = 0x602, PM_CONTROL = 0x604, PM_TIMER = 0x608 };

/* kvmclock in nanoseconds. */
bool kvmclock_init(void); /* false: no such thing here */
uint64_t kvmclock(void);
uint64_t kvmclock_tsc_khz(void); /* what it takes the TSC's rate for; 0: there is no kvmclock */

/* Interrupts: vectors 0x20 are the 8259s', 0x30 the I/O APIC's pins', 0x50 the local APIC timer's. */
enum { VECTOR_PIC = 0x20, VECTOR_IOAPIC = 0x30, VECTOR_TIMER = 0x50, VECTOR_SPURIOUS = 0x5f };
enum {
	LAPIC = 0xfee00000,
	LAPIC_ID = 0x20,
	LAPIC_EOI = 0xb0,
	LAPIC_SVR = 0xf0,
	LAPIC_ICR = 0x300,
	LAPIC_ICR_HIGH = 0x310
};
enum { LAPIC_LVT_TIMER = 0x320, LAPIC_LVT_LINT0 = 0x350, LAPIC_TIMER_COUNT = 0x380, LAPIC_TIMER_DIVIDE = 0x3e0 };
extern volatile unsigned interrupt_counts[VECTORS];
/* Called for each device interrupt before its EOI, with its vector; NULL: nobody. */
extern void (*volatile interrupt_hook)(unsigned vector);
/* Called for an exception; does not return. */
void exception(unsigned vector, uint64_t error, uint64_t rip) __attribute__((noreturn));
void interrupts_init(void);
void pic_unmask(uint16_t irqs, bool level); /* a bit for each */
void ioapic_unmask(unsigned pin, bool level);
void ioapic_mask(unsigned pin, bool level);
void all_masked(void);

#endif
