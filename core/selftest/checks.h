/* SPDX-License-Identifier: MIT */
/* What the checks share: a verdict and its reason. */
#ifndef SELFTEST_CHECKS_H
#define SELFTEST_CHECKS_H

#include "pc.h"

enum verdict { PASS, FAIL, SKIP };

#define NO_NUMBER UINT64_MAX

/* Adds a text and a number to the reason that is told with the verdict; returns the verdict. */
enum verdict because(enum verdict v, const char *text, uint64_t number);
void wait_ms(unsigned ms);
/* That many interrupts of the vector within that time. */
bool counted(unsigned vector, unsigned count, unsigned ms);

/* lines.c */
struct source;
extern const struct source pit, keyboard, com2, com1, rtc, sci, mouse, ide0, ide1;
void pit_start(unsigned hertz);
void pit_quiet(void);
void rtc_start(uint8_t rate); /* 32768 >> (rate - 1) interrupts a second */
void rtc_quiet(void);
bool com1_present(void);
void kbc_quiet(void);
bool kbc_wait(uint8_t mask, uint8_t value);
void kbc_command(uint8_t command, int parameter); /* below 0: none */
enum verdict by_8259(const void *source);
enum verdict by_ioapic(const void *source);
enum verdict level_by_8259(const void *source);
enum verdict level_by_ioapic(const void *source);
enum verdict level_unmasked(const void *source);
enum verdict pci_pin(const void *unused);

/* clocks.c */
enum verdict rates(const void *unused);
enum verdict kvmclock_rate(const void *unused);
enum verdict tsc_rate(const void *unused);
enum verdict halt_wakes(const void *unused);
enum verdict apic_timer(const void *unused);

#endif
