/* SPDX-License-Identifier: MIT */
/*
 * What a virtual machine monitor gets wrong, asked from inside: one check after the other, told on the debug console in the form of
 * the Test Anything Protocol. A check that resets the machine goes on where the CMOS says. Runs on any PC with a PIIX4 and a
 * debug console: `qemu-system-x86_64 -bios` is the judge of the checks themselves (tests/boot/guests/selftest.sh).
 *
 * An exception, or a machine that stands still, is the failure of the check that was under way.
 */
#include "checks.h"

struct check {
	const char *name;
	enum verdict (*run)(const void *with);
	const void *with;
	bool resets; /* to come back from run() is the failure */
};

/* The last word of a verdict: at most four pieces of text and numbers in between. */
static struct {
	const char *text[4];
	uint64_t number[4];
	unsigned count;
} reason;

enum verdict because(enum verdict v, const char *text, uint64_t number)
{
	if (reason.count < 4) {
		reason.text[reason.count] = text;
		reason.number[reason.count++] = number;
	}
	return v;
}

void wait_ms(unsigned ms)
{
	uint64_t end = now() + ms * NS_PER_MS;

	while (now() < end)
		;
}

bool counted(unsigned vector, unsigned count, unsigned ms)
{
	uint64_t end = now() + ms * NS_PER_MS;

	while (interrupt_counts[vector] < count)
		if (now() > end)
			return false;
	return true;
}

/* ---- CPUs ---- */

#define MAX_CPUS 8

static volatile uint8_t seen[256];     /* by APIC id: how often it came */
static volatile uint8_t cpuid_id[256]; /* what CPUID says there */

void other_main(unsigned id)
{
	cpuid_id[id] = (uint8_t)(cpuid(1).ebx >> 24);
	__atomic_fetch_add(&seen[id], 1, __ATOMIC_SEQ_CST);
}

static void send_ipi(uint32_t command)
{
	mmio_write(LAPIC + LAPIC_ICR_HIGH, 0);
	mmio_write(LAPIC + LAPIC_ICR, command);
	while (mmio_read(LAPIC + LAPIC_ICR) & 0x1000)
		;
}

/* INIT and two start-up IPIs to all but self (Intel SDM volume 3, 9.4.4). */
static enum verdict apic_ids(const void *with)
{
	unsigned cpus = cmos_read(0x5f) + 1u, count = 0;
	uint64_t end;

	(void)with;
	if (mmio_read(LAPIC + LAPIC_ID) >> 24 || cpuid(1).ebx >> 24)
		return because(FAIL, "the first CPU's APIC id is not 0", NO_NUMBER);
	send_ipi(0xc4500);
	wait_ms(10);
	send_ipi(0xc46f0); /* vector f0: the ROM's first byte */
	wait_ms(1);
	send_ipi(0xc46f0);
	end = now() + 2000 * NS_PER_MS;
	do {
		count = 1;
		for (unsigned i = 1; i < MAX_CPUS; i++)
			count += seen[i] != 0;
	} while (count < cpus && now() < end);
	if (count != cpus)
		return because(because(FAIL, "CPUs that came: ", count), ", should be ", cpus);
	for (unsigned i = 1; i < cpus; i++)
		if (seen[i] != 1 || cpuid_id[i] != i)
			return because(FAIL, "CPUID does not say its APIC id, or it started twice: CPU ", i);
	return because(PASS, "CPUs: ", cpus);
}

/* ---- A20 ---- */

/* The gate's bit must read back what was written; whether memory wraps is the CPU's affair, and a hypervisor's has no such pin. With the
 * gate open it must not wrap. */
static bool wraps(void)
{
	volatile uint32_t *low = (volatile uint32_t *)0x9000, *high = (volatile uint32_t *)0x109000;
	uint32_t mark = (uint32_t)rdtsc();

	*low = mark;
	*high = ~mark;
	return *low != mark;
}

static uint8_t kbc_output_port(void)
{
	kbc_quiet();
	kbc_command(0xd0, -1);
	return kbc_wait(1, 1) ? inb(0x60) : 0;
}

static enum verdict a20_port92(const void *with)
{
	uint8_t value = inb(0x92) & 0xfe;

	(void)with;
	for (int i = 0; i < 4; i++) {
		bool on = i & 1;

		outb(0x92, (uint8_t)(on ? value | 2 : value & ~2));
		if (!(inb(0x92) & 2) == on)
			return because(FAIL, "bit 1 does not read back", NO_NUMBER);
		if (on && wraps())
			return because(FAIL, "the second megabyte is the first, with A20 on", NO_NUMBER);
	}
	return PASS;
}

static enum verdict a20_kbc(const void *with)
{
	uint8_t value = kbc_output_port() | 1;

	(void)with;
	if (inb(0x64) == 0xff)
		return because(SKIP, "there is no keyboard controller", NO_NUMBER);
	outb(0x92, inb(0x92) & 0xfc); /* on some boards the two gates are one, on others they are ORed */
	for (int i = 0; i < 4; i++) {
		bool on = i & 1;

		kbc_command(0xd1, on ? value | 2 : value & ~2);
		if (!(kbc_output_port() & 2) == on)
			return because(FAIL, "bit 1 of the output port does not read back", NO_NUMBER);
		if (on && wraps())
			return because(FAIL, "the second megabyte is the first, with A20 on", NO_NUMBER);
	}
	outb(0x92, inb(0x92) | 2);
	return PASS;
}

/* ---- resets ---- */

static enum verdict not_reset(void)
{
	wait_ms(1000);
	return because(FAIL, "the machine runs on", NO_NUMBER);
}

static enum verdict reset_cf9(const void *with)
{
	(void)with;
	outb(0xcf9, 0x02);
	outb(0xcf9, 0x06);
	return not_reset();
}

static enum verdict reset_kbc(const void *with)
{
	(void)with;
	kbc_command(0xfe, -1);
	return not_reset();
}

static enum verdict reset_port92(const void *with)
{
	(void)with;
	outb(0x92, inb(0x92) & 0xfe);
	outb(0x92, inb(0x92) | 1);
	return not_reset();
}

static enum verdict reset_triple_fault(const void *with)
{
	static const uint8_t no_table[10];

	(void)with;
	__asm__ volatile("lidt %0; ud2" : : "m"(no_table));
	return not_reset();
}

/* The machine is off then: whoever watches it says that this passed. */
static enum verdict soft_off(const void *with)
{
	(void)with;
	outw(PM_CONTROL, 0x2000);
	return not_reset();
}

/* ---- the list ---- */

#define LINE(number, what, source)                                                     \
	{ "IRQ " number " (" what ") by the 8259s", by_8259, &source, false },         \
	{                                                                              \
		"IRQ " number " (" what ") by the I/O APIC", by_ioapic, &source, false \
	}

static const struct check checks[] = {
	{ "PIT and RTC tick at their rates, none lost", rates, 0, false },
	{ "kvmclock against the ACPI timer", kvmclock_rate, 0, false },
	{ "TSC against kvmclock's rate", tsc_rate, 0, false },
	{ "local APIC timer, one shot", apic_timer, 0, false },
	{ "HLT sleeps until the timer's tick", halt_wakes, 0, false },
	LINE("0", "PIT", pit),
	LINE("1", "keyboard", keyboard),
	LINE("3", "COM2", com2),
	LINE("4", "COM1", com1),
	LINE("8", "RTC", rtc),
	LINE("9", "SCI, level", sci),
	LINE("12", "mouse", mouse),
	LINE("14", "IDE", ide0),
	LINE("15", "IDE", ide1),
	{ "a level that stays fires again, by the 8259s", level_by_8259, &com1, false },
	{ "a level that stays fires again, by the I/O APIC", level_by_ioapic, &com1, false },
	{ "a level that rose under the mask fires when unmasked", level_unmasked, &com1, false },
	{ "PCI INTA through its PIRQ, level", pci_pin, 0, false },
	{ "APIC ids, INIT and start-up IPIs", apic_ids, 0, false },
	{ "A20 by port 92", a20_port92, 0, false },
	{ "A20 by the keyboard controller", a20_kbc, 0, false },
	{ "reset by port cf9", reset_cf9, 0, true },
	{ "reset by the keyboard controller", reset_kbc, 0, true },
	{ "reset by port 92", reset_port92, 0, true },
	{ "reset by a triple fault", reset_triple_fault, 0, true },
	{ "ACPI soft off", soft_off, 0, true },
};

#define COUNT (sizeof(checks) / sizeof(checks[0]))

static void report(unsigned i, enum verdict v)
{
	say(v == FAIL ? "not ok " : "ok ");
	say_number(i + 1);
	say(" - ");
	say(checks[i].name);
	if (v == SKIP || reason.count)
		say(v == SKIP ? " # SKIP " : " # ");
	for (unsigned j = 0; j < reason.count; j++) {
		say(reason.text[j]);
		if (reason.number[j] != NO_NUMBER)
			say_number(reason.number[j]);
	}
	say("\n");
	reason.count = 0;
}

/* ---- one after the other ---- */

/* Cells of the CMOS that no firmware uses: the check that is under way, and its complement, so that chance is not taken for it. */
#define CMOS_CHECK 0x68
#define CMOS_CHECK_INVERTED 0x69
#define SURVIVOR_WORD 0x5ec7e57aull

static void *escape[5];

void exception(unsigned vector, uint64_t error, uint64_t rip)
{
	reason.count = 0;
	because(FAIL, "exception ", vector);
	because(FAIL, ", error code ", error);
	because(FAIL, ", at (decimal) ", rip);
	__builtin_longjmp(escape, 1);
}

static void run(unsigned i)
{
	enum verdict v = FAIL;

	say("# begin ");
	say_number(i + 1);
	say(" ");
	say(checks[i].name);
	say("\n");
	cmos_write(CMOS_CHECK, (uint8_t)i);
	cmos_write(CMOS_CHECK_INVERTED, (uint8_t)~i);
	*(volatile uint64_t *)SURVIVOR = SURVIVOR_WORD + i;
	all_masked();
	if (!__builtin_setjmp(escape))
		v = checks[i].run(checks[i].with);
	all_masked();
	report(i, v);
}

/* The check that the machine came back from, or -1: it was just switched on. */
static int returned(void)
{
	uint8_t i = cmos_read(CMOS_CHECK);

	return i < COUNT && (cmos_read(CMOS_CHECK_INVERTED) ^ i) == 0xff ? i : -1;
}

void main(void)
{
	int last = returned();
	unsigned next = (unsigned)(last + 1);
	bool kept;

	if (last < 0) {
		say("1..");
		say_number(COUNT);
		say("\n");
	} else {
		kept = *(volatile uint64_t *)SURVIVOR == SURVIVOR_WORD + (unsigned)last;
		if (!checks[last].resets)
			because(FAIL, "the machine was reset", NO_NUMBER);
		else if (!kept)
			because(FAIL, "memory did not survive", NO_NUMBER);
		report((unsigned)last, checks[last].resets && kept ? PASS : FAIL);
	}
	interrupts_init();
	if (!pm_init())
		say("Bail out! There is no ACPI timer (PIIX4).\n");
	kvmclock_init();
	while (next < COUNT)
		run(next++);
}
