/* SPDX-License-Identifier: MIT */
/* The clocks against each other. */
#include "checks.h"

#define RTC_TICK_NS 15625000 /* at rate 10: 64 a second */

static void tell_clocks(unsigned pit_ticks, unsigned rtc_ticks)
{
	say("# clocks ");
	say_number(now());
	say(" ");
	say_number(kvmclock_tsc_khz() ? kvmclock() : 0);
	say(" ");
	say_number(pit_ticks * (uint64_t)10 * NS_PER_MS);
	say(" ");
	say_number(rtc_ticks * (uint64_t)RTC_TICK_NS);
	say("\n");
}

/* How long: whoever wants more than a second has put the number of tens of seconds into COM1 before we ran. */
static uint64_t window(void)
{
	return inb(0x3f8 + 5) & 1 && com1_present() ? inb(0x3f8) * 10000 * NS_PER_MS : 1000 * NS_PER_MS;
}

static enum verdict compare(const char *what, uint64_t found, uint64_t right, uint64_t tolerance)
{
	if (found + tolerance < right || found > right + tolerance)
		return because(because(FAIL, what, found), ", should be ", right);
	return PASS;
}

#define DENSE (500 * NS_PER_MS) /* how long at both ends samples come close together */

/* The RTC's line falls when its register C is read, so that it can rise again. */
static void acknowledge_rtc(unsigned vector)
{
	if (vector == VECTOR_IOAPIC + 8)
		cmos_read(0x0c);
}

/* PIT and RTC tick side by side; no tick may be lost. Samples of all clocks go to whoever has a clock of his own. */
enum verdict rates(const void *with)
{
	uint64_t length = window(), begin, elapsed = 0, sample = 0;
	const volatile unsigned *pit_count = &interrupt_counts[VECTOR_IOAPIC + 2];
	const volatile unsigned *rtc_count = &interrupt_counts[VECTOR_IOAPIC + 8];
	enum verdict v;

	(void)with;
	interrupt_hook = acknowledge_rtc;
	ioapic_unmask(2, false);
	ioapic_unmask(8, false);
	interrupts(true);
	rtc_start(10);
	begin = now();
	pit_start(100);
	while (elapsed < length) {
		elapsed = now() - begin;
		if (elapsed < sample)
			continue;
		tell_clocks(*pit_count, *rtc_count);
		sample += elapsed < DENSE || elapsed + DENSE > length ? 20 * NS_PER_MS : DENSE;
	}
	interrupts(false);
	v = compare("ticks of the PIT: ", *pit_count, elapsed / (10 * NS_PER_MS), 2);
	if (v == PASS)
		v = compare("ticks of the RTC: ", *rtc_count, elapsed / RTC_TICK_NS, 2);
	pit_quiet();
	rtc_quiet();
	return v;
}

/* The pair of readings that were nearest in time, of several: a thread of the host may be put aside between any two. */
static void read_pair(uint64_t (*clock)(void), uint64_t *ret_pm, uint64_t *ret_clock)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 8; i++) {
		uint64_t before = now(), value = clock(), after = now();

		if (after - before >= best)
			continue;
		best = after - before;
		*ret_pm = before + best / 2;
		*ret_clock = value;
	}
}

static void elapse(uint64_t (*clock)(void), uint64_t *ret_pm, uint64_t *ret_clock)
{
	uint64_t pm, value;

	read_pair(clock, &pm, &value);
	wait_ms(500);
	read_pair(clock, ret_pm, ret_clock);
	*ret_pm -= pm;
	*ret_clock -= value;
}

enum verdict kvmclock_rate(const void *with)
{
	uint64_t pm, ns;

	(void)with;
	if (!kvmclock_tsc_khz())
		return because(SKIP, "the CPU offers none", NO_NUMBER);
	elapse(kvmclock, &pm, &ns);
	return compare("nanoseconds: ", ns, pm, pm / 500);
}

enum verdict tsc_rate(const void *with)
{
	uint64_t pm, cycles, khz;

	(void)with;
	elapse(rdtsc, &pm, &cycles);
	khz = cycles / (pm / NS_PER_MS);
	if (!kvmclock_tsc_khz())
		return because(SKIP, "nobody says what it should be; kHz: ", khz);
	return compare("kHz: ", khz, kvmclock_tsc_khz(), khz / 200);
}

enum verdict halt_wakes(const void *with)
{
	uint64_t begin = now(), took;

	(void)with;
	ioapic_unmask(2, false);
	pit_start(100);
	for (int i = 0; i < 10; i++)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	took = now() - begin;
	pit_quiet();
	if (took < 80 * NS_PER_MS)
		return because(FAIL, "ten HLTs to a tick of 10 ms ended after ms: ", took / NS_PER_MS);
	return PASS;
}

enum verdict apic_timer(const void *with)
{
	(void)with;
	interrupts(true);
	mmio_write(LAPIC + LAPIC_TIMER_DIVIDE, 0xb);
	mmio_write(LAPIC + LAPIC_LVT_TIMER, VECTOR_TIMER);
	mmio_write(LAPIC + LAPIC_TIMER_COUNT, 1000000);
	if (!counted(VECTOR_TIMER, 1, 1000))
		return because(FAIL, "a million cycles of the bus passed without an interrupt", NO_NUMBER);
	wait_ms(20);
	return interrupt_counts[VECTOR_TIMER] == 1 ? PASS : because(FAIL, "one shot fired twice", NO_NUMBER);
}
