/* SPDX-License-Identifier: MIT */
/*
 * What the selftest's guest (core/selftest/) says, line by line in the form of the Test Anything Protocol, turned into verdicts; and
 * its clocks, held against the host's. Pure: no machine, no output. The guest is ours, but what comes from a guest is foreign:
 * lines that make no sense are passed over.
 */
#ifndef VITRINE_SELFTEST_REPORT_H
#define VITRINE_SELFTEST_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum selftest_verdict { SELFTEST_PASS, SELFTEST_FAIL, SELFTEST_SKIP, SELFTEST_VERDICTS };

enum selftest_clock { CLOCK_ACPI, CLOCK_KVM, CLOCK_PIT, CLOCK_RTC_TICKS, SELFTEST_CLOCKS };

struct selftest_report {
	/* the caller's: called from selftest_take() */
	void (*tell)(void *context, enum selftest_verdict v, const char *name, const char *detail);
	void (*clocks)(void *context, const uint64_t ns[SELFTEST_CLOCKS]);
	void *context;
	/* to be read */
	unsigned planned;   /* checks that the guest announced */
	unsigned under_way; /* 1 to planned; 0: none */
	unsigned counts[SELFTEST_VERDICTS];
	char name[96]; /* of what is under way */
	/* private */
	char line[256];
	size_t length;
	unsigned told; /* the last check with a verdict */
};

void selftest_take(struct selftest_report *r, const uint8_t *data, size_t count);
/* A verdict of the host's own, or on the check that is under way. */
void selftest_tell(struct selftest_report *r, enum selftest_verdict v, const char *name, const char *detail);
void selftest_end_under_way(struct selftest_report *r, enum selftest_verdict v, const char *detail);
/* How many of the plan have no verdict. */
unsigned selftest_missing(const struct selftest_report *r);

/*
 * Drift of one guest clock: the difference of two offsets (host less guest), at the window's beginning and at its end. A sample
 * arrives late by as much as the host is busy, never early: of each end's samples the earliest counts.
 */
#define DRIFT_SAMPLES 16

struct drift {
	int64_t first[DRIFT_SAMPLES], last[DRIFT_SAMPLES]; /* last: a ring */
	unsigned count;
};

void drift_add(struct drift *d, uint64_t host_ns, uint64_t guest_ns);
/* Nanoseconds that the guest's clock has lost (below 0: won). false: too few samples for two ends. */
bool drift_result(const struct drift *d, int64_t *ret_ns);

#endif
