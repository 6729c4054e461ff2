/* SPDX-License-Identifier: MIT */
/* The clocks against each other. */
#include "checks.h"

#define DENSE (1000 * NS_PER_MS)    /* how long at both ends samples come close together */
#define PATIENCE (5000 * NS_PER_MS) /* with ticks that are late */

/* Slow, for hosts that can hardly keep up. */
#define PIT_HZ 20
#define PIT_TICK_NS (1000 * NS_PER_MS / PIT_HZ)
#define RTC_RATE 13 /* 8 a second */
#define RTC_TICK_NS 125000000

static void tell_clocks(unsigned pit_ticks, unsigned rtc_ticks)
{
	say("# clocks ");
	say_number(now());
	say(" ");
	say_number(kvmclock_tsc_khz() ? kvmclock() : 0);
	say(" ");
	say_number(pit_ticks * PIT_TICK_NS);
	say(" ");
	say_number(rtc_ticks * (uint64_t)RTC_TICK_NS);
	say("\n");
}

/* How long: whoever wants more than two seconds has put the number of tens of seconds into COM1 before we ran. */
static uint64_t window(void)
{
	return inb(0x3f8 + 5) & 1 && com1_present() ? inb(0x3f8) * 10000 * NS_PER_MS - DENSE : DENSE;
}

static bool near(uint64_t found, uint64_t right, uint64_t tolerance)
{
	return found + tolerance >= right && found <= right + tolerance;
}

/* The RTC's line falls when its register C is read, so that it can rise again. */
static void acknowledge_rtc(unsigned vector)
{
	if (vector == VECTOR_PIC + 8)
		cmos_read(0x0c);
}

/* Until the next interrupt; a guest that polls would take the time that a busy host needs to tick. Not if none has ever come. */
static void sleep(bool ticking)
{
	if (ticking)
		__asm__ volatile("hlt" : : : "memory");
}

static uint64_t ticks_begin;

/* To the next wake-up, with a sample if one is due; returns what has passed. */
static uint64_t step(uint64_t *sample, uint64_t spacing)
{
	unsigned pit_count = interrupt_counts[VECTOR_PIC], rtc_count = interrupt_counts[VECTOR_PIC + 8];
	uint64_t elapsed;

	sleep(pit_count && rtc_count);
	elapsed = now() - ticks_begin;
	if (elapsed >= *sample) {
		tell_clocks(interrupt_counts[VECTOR_PIC], interrupt_counts[VECTOR_PIC + 8]);
		*sample = elapsed + spacing;
	}
	return elapsed;
}

static bool in_step(uint64_t elapsed)
{
	return near(interrupt_counts[VECTOR_PIC], elapsed / PIT_TICK_NS, 2) &&
	       near(interrupt_counts[VECTOR_PIC + 8], elapsed / RTC_TICK_NS, 2);
}

/* PIT and RTC tick side by side; no tick may be lost, but a busy host may bring it late. Samples of all clocks go to whoever has a clock
 * of his own: close together at both ends, where they are compared. */
enum verdict rates(const void *with)
{
	uint64_t length = window(), end = length + PATIENCE, elapsed = 0, sample = 0;
	enum verdict v;

	(void)with;
	interrupt_hook = acknowledge_rtc;
	pic_unmask(1 | 1 << 8, false);
	interrupts(true);
	rtc_start(RTC_RATE);
	ticks_begin = now();
	pit_start(PIT_HZ);
	while (elapsed < DENSE)
		elapsed = step(&sample, 20 * NS_PER_MS);
	while (elapsed < length || (!in_step(elapsed) && elapsed < end))
		elapsed = step(&sample, DENSE);
	v = in_step(elapsed) ? PASS : FAIL;
	if (v == FAIL) {
		because(v, "PIT ticks: ", interrupt_counts[VECTOR_PIC]);
		because(v, ", RTC ticks: ", interrupt_counts[VECTOR_PIC + 8]);
		because(v, ", in ms: ", elapsed / NS_PER_MS);
	}
	end = elapsed + DENSE;
	sample = 0;
	while (elapsed < end)
		elapsed = step(&sample, 20 * NS_PER_MS);
	interrupts(false);
	pit_quiet();
	rtc_quiet();
	return v;
}

static enum verdict compare(const char *what, uint64_t found, uint64_t right, uint64_t tolerance)
{
	return near(found, right, tolerance) ? PASS : because(because(FAIL, what, found), ", should be ", right);
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
