/* SPDX-License-Identifier: MIT */
/*
 * How a door is built: a table of system calls becomes a seccomp filter, and an empty Landlock domain. The tables are
 * the programs': sandbox.c (vitrine-core) and net/nat/door.c (vitrine-net). For processes of one thread; x86-64.
 */
#ifndef VITRINE_SANDBOX_FILTER_H
#define VITRINE_SANDBOX_FILTER_H

#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#ifdef NDEBUG
#define DENY SECCOMP_RET_KILL_PROCESS
#else
#define DENY SECCOMP_RET_TRAP /* the call is named on stderr, then the process ends */
#endif
#define FAIL(code) (SECCOMP_RET_ERRNO | (code))
#define OWN_PID 0xffffffffu /* in a condition: replaced by getpid() */

/* An argument's low 32 bits, masked, must be one of the values; else the call gets `otherwise`. */
struct condition {
	unsigned argument;
	uint32_t mask;
	uint32_t otherwise;
	unsigned count;
	uint32_t values[40];
};

/* A call that some role may make. Sorted by heat: the filter compares in this order. */
struct rule {
	unsigned nr;
	unsigned roles;                     /* a program's own bits */
	const struct condition *condition;  /* NULL: with any arguments */
	const struct condition *condition2; /* must hold as well; or NULL */
};

/* What libraries try and can do without: an error instead of death. */
struct refusal {
	unsigned nr;
	uint32_t action;
};

struct sandbox_table {
	const struct rule *rules;
	size_t rule_count;
	const struct refusal *refused;
	size_t refused_count;
};

enum sandbox_network { /* Landlock's bits: what a domain may leave ungoverned */
	               SANDBOX_TCP_BIND = 1,
	               SANDBOX_TCP_CONNECT = 2,
};

/*
 * Limits (descriptors, no core file), no new privileges, no debugger, Landlock, and the filter for `roles`. TCP calls
 * named in `network` stay the filter's affair. Cannot be undone. 0 or negative errno; ret_landlock_abi 0: this kernel
 * has no Landlock.
 */
int sandbox_filter_shut(const struct sandbox_table *table, unsigned roles, unsigned network, unsigned max_descriptors,
                        unsigned *ret_landlock_abi);
/* One more filter on the calling thread, which only ever narrows. */
int sandbox_filter_install(const struct sandbox_table *table, unsigned roles);

#endif
