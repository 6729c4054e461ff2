/* SPDX-License-Identifier: MIT */
#include "pc.h"

#define CONSOLE 0x402

void say(const char *text)
{
	uint64_t count = 0;

	while (text[count])
		count++;
	__asm__ volatile("rep outsb"
	                 : "+S"(text), "+c"(count)
	                 : "d"(CONSOLE)
	                 : "memory"); /* one exit, not one a letter */
}

void say_number(uint64_t n)
{
	char digits[21], *at = digits + sizeof(digits) - 1;

	*at = 0;
	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	say(at);
}

uint8_t cmos_read(uint8_t reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

void cmos_write(uint8_t reg, uint8_t v)
{
	outb(0x70, reg);
	outb(0x71, v);
}

/* ---- PCI ---- */

uint32_t pci_read(unsigned devfn, unsigned reg)
{
	outl(0xcf8, 0x80000000 | devfn << 8 | (reg & 0xfc));
	return inl(0xcfc);
}

void pci_write(unsigned devfn, unsigned reg, uint32_t v)
{
	outl(0xcf8, 0x80000000 | devfn << 8 | (reg & 0xfc));
	outl(0xcfc, v);
}

int pci_find(uint32_t id)
{
	for (unsigned devfn = 0; devfn < 256; devfn += devfn & 7 || pci_read(devfn, 0) != 0xffffffff ? 1 : 8)
		if (pci_read(devfn, 0) == id)
			return (int)devfn;
	return -1;
}

/* ---- time ---- */

#define PM_HZ 3579545u
#define PM_MASK 0xffffffu /* 24 bits, 4.7 seconds */

static uint64_t pm_ticks;
static uint32_t pm_last;

bool pm_init(void)
{
	int pm = pci_find(0x71138086);

	if (pm < 0)
		return false;
	pci_write((unsigned)pm, 0x40, PM_STATUS | 1);
	pci_write((unsigned)pm, 0x80, pci_read((unsigned)pm, 0x80) | 1);
	pm_last = inl(PM_TIMER) & PM_MASK;
	return true;
}

uint64_t now(void)
{
	uint32_t timer = inl(PM_TIMER) & PM_MASK;

	pm_ticks += (timer - pm_last) & PM_MASK;
	pm_last = timer;
	return pm_ticks / PM_HZ * 1000000000 + pm_ticks % PM_HZ * 1000000000 / PM_HZ;
}

/* Linux, Documentation/virt/kvm/x86/msr.rst: MSR_KVM_SYSTEM_TIME_NEW. */
static struct kvm_time {
	volatile uint32_t version, pad;
	uint64_t tsc, system;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad2[2];
} kvm_time __attribute__((aligned(32)));

bool kvmclock_init(void)
{
	struct cpuid c = cpuid(0x40000000);

	if (c.ebx != 0x4b4d564b || c.ecx != 0x564b4d56 || c.edx != 0x4d /* KVMKVMKVM */ || !(cpuid(0x40000001).eax & 8))
		return false;
	wrmsr(0x4b564d01, (uintptr_t)&kvm_time | 1);
	return kvm_time.mul;
}

uint64_t kvmclock(void)
{
	uint64_t ns, delta;
	uint32_t version;

	do {
		version = kvm_time.version;
		__asm__ volatile("" : : : "memory");
		delta = rdtsc() - kvm_time.tsc;
		delta = kvm_time.shift < 0 ? delta >> -kvm_time.shift : delta << kvm_time.shift;
		ns = kvm_time.system + (uint64_t)((unsigned __int128)delta * kvm_time.mul >> 32);
		__asm__ volatile("" : : : "memory");
	} while (version & 1 || version != kvm_time.version);
	return ns;
}

uint64_t kvmclock_tsc_khz(void)
{
	uint64_t khz = kvm_time.mul ? (1000000ull << 32) / kvm_time.mul : 0;

	return kvm_time.shift < 0 ? khz << -kvm_time.shift : khz >> kvm_time.shift;
}

/* ---- interrupts ---- */

#define IOAPIC 0xfec00000
#define IOAPIC_PINS 24
#define ENTRY_MASKED 0x10000
#define ENTRY_LEVEL 0x8000

struct gate { /* Intel SDM volume 3, 6.14.1 */
	uint16_t offset_low, selector, type;
	uint16_t offset_middle;
	uint32_t offset_high, zero;
};

struct frame {
	uint64_t registers[9], vector, error, rip;
};

volatile unsigned interrupt_counts[VECTORS];
void (*volatile interrupt_hook)(unsigned vector);
static struct gate idt[VECTORS];
extern const uint8_t stubs[][16];

void interrupt(const struct frame *f)
{
	unsigned vector = (unsigned)f->vector;

	if (vector < VECTOR_PIC)
		exception(vector, f->error, f->rip);
	interrupt_counts[vector]++;
	if (interrupt_hook)
		interrupt_hook(vector);
	if (vector == VECTOR_SPURIOUS)
		return;
	if (vector >= VECTOR_IOAPIC) {
		mmio_write(LAPIC + LAPIC_EOI, 0);
		return;
	}
	if (vector >= VECTOR_PIC + 8)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

static void ioapic_write(unsigned reg, uint32_t v)
{
	mmio_write(IOAPIC, reg);
	mmio_write(IOAPIC + 0x10, v);
}

void all_masked(void)
{
	interrupts(false);
	interrupt_hook = 0;
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	outb(0x4d0, 0);
	outb(0x4d1, 0);
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic_mask(pin, false);
	mmio_write(LAPIC + LAPIC_LVT_TIMER, ENTRY_MASKED);
	for (unsigned i = 0; i < VECTORS; i++)
		interrupt_counts[i] = 0;
}

/* Edges that a masked line remembers are forgotten by a new ICW1 (8259A data sheet). */
static void pic_init(void)
{
	static const uint8_t words[][2] = {
		{ 0x20, 0x11 }, { 0xa0, 0x11 }, { 0x21, VECTOR_PIC }, { 0xa1, VECTOR_PIC + 8 }, { 0x21, 4 },
		{ 0xa1, 2 },    { 0x21, 1 },    { 0xa1, 1 },          { 0x21, 0xff },           { 0xa1, 0xff }
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		outb(words[i][0], words[i][1]);
}

void pic_unmask(uint16_t irqs, bool level)
{
	uint16_t masked = (uint16_t) ~(irqs | (irqs >> 8 ? 1u << 2 : 0)); /* the cascade */

	pic_init();
	outb(0x4d0, (uint8_t)(level ? irqs : 0));
	outb(0x4d1, (uint8_t)(level ? irqs >> 8 : 0));
	outb(0x21, (uint8_t)masked);
	outb(0xa1, (uint8_t)(masked >> 8));
}

void ioapic_unmask(unsigned pin, bool level)
{
	ioapic_write(0x11 + 2 * pin, mmio_read(LAPIC + LAPIC_ID));
	ioapic_write(0x10 + 2 * pin, (VECTOR_IOAPIC + pin) | (level ? ENTRY_LEVEL : 0));
}

void ioapic_mask(unsigned pin, bool level)
{
	ioapic_write(0x10 + 2 * pin, ENTRY_MASKED | (VECTOR_IOAPIC + pin) | (level ? ENTRY_LEVEL : 0));
}

void interrupts_init(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uintptr_t)idt };

	for (unsigned i = 0; i < VECTORS; i++)
		idt[i] = (struct gate){ .offset_low = (uint16_t)(uintptr_t)stubs[i],
			                .offset_middle = (uint16_t)((uintptr_t)stubs[i] >> 16),
			                .selector = 8,
			                .type = 0x8e00 };
	__asm__ volatile("lidt %0" : : "m"(pointer));
	mmio_write(LAPIC + LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
	mmio_write(LAPIC + LAPIC_LVT_LINT0, 0x700); /* ExtINT: the 8259s */
	pic_init();
	all_masked();
}
