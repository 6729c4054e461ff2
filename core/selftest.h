/* SPDX-License-Identifier: MIT */
/*
 * `vitrine-core --selftest`: plays a guest of our own (core/selftest/, in place of the BIOS) on the real board, and prints what this
 * computer's KVM is and how each check went, to be pasted into a bug report. One process: it trusts the guest's text as little as
 * any, and shuts the sandbox's door before it runs.
 */
#ifndef VITRINE_SELFTEST_H
#define VITRINE_SELFTEST_H

/* seconds: how long clocks are compared (below 10: two). The exit status: EXIT_OFF when nothing failed, EXIT_TROUBLE when it could not be
 * run, EXIT_CHECKS. */
int selftest_run(double seconds, const char *version);

#endif
