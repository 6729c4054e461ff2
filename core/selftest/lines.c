/* SPDX-License-Identifier: MIT */
/* Each interrupt line, from the device to the handler. */
#include "checks.h"

struct source {
	unsigned irq;
	bool (*present)(void); /* NULL: always */
	void (*raise)(void);   /* the line, or ticks that raise it */
	void (*quiet)(void);   /* and the line falls */
};

static const struct source *active;
static unsigned wanted; /* interrupts until the source is quieted */

static void quiet_when_enough(unsigned vector)
{
	if (interrupt_counts[vector] >= wanted)
		active->quiet();
}

void pit_start(unsigned hertz)
{
	unsigned divisor = 1193182 / hertz;

	outb(0x43, 0x34); /* counter 0, mode 2 */
	outb(0x40, (uint8_t)divisor);
	outb(0x40, (uint8_t)(divisor >> 8));
}

static void pit_raise(void)
{
	pit_start(100);
}

void pit_quiet(void)
{
	outb(0x43, 0x30); /* mode 0 without a count: low and still */
}

bool kbc_wait(uint8_t mask, uint8_t value)
{
	uint64_t end = now() + 100 * NS_PER_MS;

	while ((inb(0x64) & mask) != value)
		if (now() > end)
			return false;
	return true;
}

void kbc_command(uint8_t command, int parameter)
{
	kbc_wait(2, 0);
	outb(0x64, command);
	if (parameter >= 0) {
		kbc_wait(2, 0);
		outb(0x60, (uint8_t)parameter);
	}
}

void kbc_quiet(void)
{
	for (int i = 0; i < 32 && inb(0x64) & 1; i++)
		inb(0x60);
}

/* Both interrupts on; nobody types. */
static bool kbc_present(void)
{
	if (inb(0x64) == 0xff)
		return false;
	kbc_quiet();
	kbc_command(0x60, 0x03);
	kbc_quiet();
	return true;
}

static void keyboard_raise(void)
{
	kbc_command(0xd2, 0x55);
}

static void mouse_raise(void)
{
	kbc_command(0xd3, 0x55);
}

void rtc_start(uint8_t rate)
{
	cmos_write(0x0a, 0x20 | rate);
	cmos_write(0x0b, 0x42);
	cmos_read(0x0c);
}

static void rtc_raise(void)
{
	rtc_start(10); /* 64 a second */
}

void rtc_quiet(void)
{
	cmos_write(0x0b, 0x02);
	cmos_read(0x0c);
}

static void com_raise(uint16_t port)
{
	outb(port + 4, 8); /* OUT2 lets the line through */
	outb(port + 1, 2); /* the transmitter is empty, and says so until IIR is read */
}

static void com_quiet(uint16_t port)
{
	outb(port + 1, 0);
	inb(port + 2);
}

static bool com_there(uint16_t port)
{
	outb(port + 7, 0x5a);
	return inb(port + 7) == 0x5a;
}

bool com1_present(void)
{
	return com_there(0x3f8);
}

static void com1_raise(void)
{
	com_raise(0x3f8);
}

static void com1_quiet(void)
{
	com_quiet(0x3f8);
}

static bool com2_present(void)
{
	return com_there(0x2f8);
}

static void com2_raise(void)
{
	com_raise(0x2f8);
}

static void com2_quiet(void)
{
	com_quiet(0x2f8);
}

/* Switches both channels on (82371AB data sheet, 5.1.3 and 5.2.5: command and timing registers), as a BIOS does. */
static void ide_decode(void)
{
	int ide = pci_find(0x71118086);

	if (ide < 0)
		return; /* QEMU's board has a PIIX3, which answers at once */
	pci_write((unsigned)ide, 0x04, 5);
	pci_write((unsigned)ide, 0x40, 0x80008000);
}

/* An empty CD drive is enough: it answers IDENTIFY PACKET DEVICE. */
static bool ide_there(uint16_t port)
{
	uint64_t end = now() + 500 * NS_PER_MS;

	ide_decode();
	outb(port + 0x206, 0);
	outb(port + 6, 0xa0);
	while (inb(port + 7) & 0x80)
		if (now() > end)
			return false;
	return inb(port + 4) == 0x14 && inb(port + 5) == 0xeb; /* ATAPI's signature */
}

static void ide_raise(uint16_t port)
{
	outb(port + 7, 0xa1);
}

/* Its status read, its data taken. */
static void ide_quiet(uint16_t port)
{
	for (int words = 0; inb(port + 7) & 8 && words < 256; words++)
		inw(port);
}

static bool ide0_present(void)
{
	return ide_there(0x1f0);
}

static void ide0_raise(void)
{
	ide_raise(0x1f0);
}

static void ide0_quiet(void)
{
	ide_quiet(0x1f0);
}

static bool ide1_present(void)
{
	return ide_there(0x170);
}

static void ide1_raise(void)
{
	ide_raise(0x170);
}

static void ide1_quiet(void)
{
	ide_quiet(0x170);
}

/* The status bit is set every 2.34 seconds whether somebody wants the interrupt or not. */
static void sci_raise(void)
{
	uint64_t end = now() + 2500 * NS_PER_MS;

	outw(PM_CONTROL, inw(PM_CONTROL) | 1);
	while (!(inw(PM_STATUS) & 1) && now() < end)
		;
	outw(PM_ENABLE, 1);
}

static void sci_quiet(void)
{
	outw(PM_ENABLE, 0);
	outw(PM_STATUS, 1);
}

const struct source pit = { 0, 0, pit_raise, pit_quiet };
const struct source keyboard = { 1, kbc_present, keyboard_raise, kbc_quiet };
const struct source com2 = { 3, com2_present, com2_raise, com2_quiet };
const struct source com1 = { 4, com1_present, com1_raise, com1_quiet };
const struct source rtc = { 8, 0, rtc_raise, rtc_quiet };
const struct source sci = { 9, 0, sci_raise, sci_quiet };
const struct source mouse = { 12, kbc_present, mouse_raise, kbc_quiet };
const struct source ide0 = { 14, ide0_present, ide0_raise, ide0_quiet };
const struct source ide1 = { 15, ide1_present, ide1_raise, ide1_quiet };

/* Raises the line; `times` interrupts must come, and then no more. */
static enum verdict take(const struct source *s, unsigned vector, unsigned times)
{
	unsigned count;

	active = s;
	wanted = times;
	interrupt_hook = quiet_when_enough;
	interrupts(true);
	s->raise();
	if (!counted(vector, times, 1000)) {
		count = interrupt_counts[vector];
		s->quiet();
		return because(because(FAIL, "interrupts within a second: ", count), ", wanted: ", times);
	}
	wait_ms(20);
	interrupts(false);
	count = interrupt_counts[vector];
	s->quiet();
	if (count > times + 1) /* one may have been on its way */
		return because(FAIL, "it fires on after it was quieted: ", count);
	return PASS;
}

enum verdict by_8259(const void *with)
{
	const struct source *s = with;

	if (s->present && !s->present())
		return because(SKIP, "there is no such device", NO_NUMBER);
	pic_unmask((uint16_t)(1u << s->irq), s == &sci);
	return take(s, VECTOR_PIC + s->irq, s == &sci ? 3 : 1);
}

enum verdict by_ioapic(const void *with)
{
	const struct source *s = with;
	unsigned pin = s->irq ? s->irq : 2; /* as every PC is wired, and our ACPI tables say */

	if (s->present && !s->present())
		return because(SKIP, "there is no such device", NO_NUMBER);
	ioapic_unmask(pin, s == &sci);
	return take(s, VECTOR_IOAPIC + pin, s == &sci ? 3 : 1);
}

/* A line that nobody lowers fires again after each EOI. */
enum verdict level_by_8259(const void *with)
{
	if (!com1_present())
		return because(SKIP, "there is no COM1", NO_NUMBER);
	pic_unmask((uint16_t)(1u << com1.irq), true);
	return take(with, VECTOR_PIC + com1.irq, 5);
}

enum verdict level_by_ioapic(const void *with)
{
	if (!com1_present())
		return because(SKIP, "there is no COM1", NO_NUMBER);
	ioapic_unmask(com1.irq, true);
	return take(with, VECTOR_IOAPIC + com1.irq, 5);
}

/* A line that rose while its pin was masked is seen when the mask goes. */
enum verdict level_unmasked(const void *with)
{
	const struct source *s = with;
	enum verdict v;

	if (!com1_present())
		return because(SKIP, "there is no COM1", NO_NUMBER);
	ioapic_mask(s->irq, true);
	com1_raise();
	active = s;
	wanted = 1;
	interrupt_hook = quiet_when_enough;
	interrupts(true);
	wait_ms(5);
	if (interrupt_counts[VECTOR_IOAPIC + s->irq])
		return because(FAIL, "a masked pin fired", NO_NUMBER);
	ioapic_unmask(s->irq, true);
	v = counted(VECTOR_IOAPIC + s->irq, 1, 1000) ? PASS : FAIL;
	com1_quiet();
	return v == PASS ? v : because(v, "nothing came when it was unmasked", NO_NUMBER);
}

/* ---- PCI ---- */

/* An 82540EM or its kin raises its pin when its interrupt cause is set by hand (8254x Software Developer's Manual, 13.4.17 on). */
enum e1000_register { E1000_ICR = 0xc0, E1000_ICS = 0xc8, E1000_IMS = 0xd0, E1000_IMC = 0xd8, E1000_CAUSE = 4 };
#define E1000_BASE 0xfe000000u
static const uint8_t pirq_irqs[4] = { 5, 7, 10, 11 };

static void nic_raise(void)
{
	mmio_write(E1000_BASE + E1000_IMS, E1000_CAUSE);
	mmio_write(E1000_BASE + E1000_ICS, E1000_CAUSE);
}

static void nic_quiet(void)
{
	mmio_write(E1000_BASE + E1000_IMC, ~0u);
	mmio_read(E1000_BASE + E1000_ICR);
}

static int find_nic(void)
{
	static const uint32_t ids[] = { 0x100e8086, 0x100f8086, 0x10048086 };
	int devfn = -1;

	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]) && devfn < 0; i++)
		devfn = pci_find(ids[i]);
	return devfn;
}

enum verdict pci_pin(const void *with)
{
	int devfn = find_nic(), isa = pci_find(0x71108086);
	struct source s = { 0, 0, nic_raise, nic_quiet };
	unsigned pirq;
	enum verdict v;

	(void)with;
	if (isa < 0)
		isa = pci_find(0x70008086);
	if (devfn < 0 || isa < 0)
		return because(SKIP, "there is no network card (82540EM) whose pin can be raised", NO_NUMBER);
	pci_write((unsigned)isa, 0x60, 0x0b0a0705); /* PIRQ A-D */
	pci_write((unsigned)devfn, 0x10, E1000_BASE);
	pci_write((unsigned)devfn, 4, 6);
	nic_quiet();
	pirq = ((unsigned)devfn / 8 + 3) & 3; /* INTA of device 1 is PIRQ A */
	s.irq = pirq_irqs[pirq];
	for (unsigned i = 0; i < 4; i++)
		ioapic_unmask(pirq_irqs[i], true);
	v = take(&s, VECTOR_IOAPIC + s.irq, 3);
	for (unsigned i = 0; i < 4; i++)
		if (i != pirq && interrupt_counts[VECTOR_IOAPIC + pirq_irqs[i]])
			return because(FAIL, "it fired on the wrong PIRQ: ", i);
	pci_write((unsigned)isa, 0x60, 0x80808080);
	return v;
}
