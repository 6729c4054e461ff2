/* SPDX-License-Identifier: MIT */
#include "core/sandbox_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmformat/bytes.h"

/*
 * glibc 2.33 to 2.38 ask for an open file's data by newfstatat(fd, "", AT_EMPTY_PATH), which a filter cannot tell
 * from a probe of any path. Our programs use the call that has no path.
 */
int fstat(int fd, struct stat *st)
{
	return (int)syscall(SYS_fstat, fd, st);
}

/* ---- Landlock ---- */

/* The kernel's struct of ABI 6 (linux/landlock.h); older kernels are given the part they know. */
struct landlock_rules {
	uint64_t filesystem, network, scoped;
};

/* An empty domain: all that the ABI can govern is governed (but for `free_network`), and nothing is granted.
 * Descriptors that are open stay usable. */
static int enter_landlock(unsigned free_network, unsigned *ret_abi)
{
	static const struct {
		uint8_t filesystem_bits, network_bits, scoped_bits, size;
	} abis[] = {
		{ 13, 0, 0, 8 }, { 14, 0, 0, 8 }, { 15, 0, 0, 8 }, { 15, 2, 0, 16 }, { 16, 2, 0, 16 }, { 16, 2, 2, 24 },
	};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u /* LANDLOCK_CREATE_RULESET_VERSION */);
	struct landlock_rules r;
	unsigned known;
	int fd, err;

	*ret_abi = 0;
	if (abi <= 0)
		return 0;
	known = (unsigned)MIN((size_t)abi, ARRAY_SIZE(abis)) - 1;
	r = (struct landlock_rules){ .filesystem = (1u << abis[known].filesystem_bits) - 1,
		                     .network = ((1u << abis[known].network_bits) - 1) & ~free_network,
		                     .scoped = (1u << abis[known].scoped_bits) - 1 };
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, (size_t)abis[known].size, 0u);
	if (fd < 0)
		return -errno;
	err = syscall(SYS_landlock_restrict_self, fd, 0u) < 0 ? -errno : 0;
	close(fd);
	*ret_abi = (unsigned)abi;
	return err;
}

/* ---- seccomp ---- */

/* Longest: every rule with its conditions, and the frame. BPF jumps reach 255 instructions; each here skips a few. */
#define PROGRAM_MAX 512

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short length;
};

static void emit(struct program *p, uint16_t code, uint32_t k, uint8_t when_true, uint8_t when_false)
{
	if (p->length < PROGRAM_MAX)
		p->code[p->length] = (struct sock_filter){ code, when_true, when_false, k };
	p->length++; /* beyond the end: install() refuses */
}

#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define IF_EQUAL (BPF_JMP | BPF_JEQ | BPF_K)
#define RETURN (BPF_RET | BPF_K)
#define CONDITION_FRAME 3u /* instructions beside the comparisons: load, mask, refuse */

static unsigned condition_length(const struct condition *c)
{
	return c ? c->count + CONDITION_FRAME : 0;
}

/* Falls through when it holds; else returns. */
static void emit_condition(struct program *p, const struct condition *c)
{
	if (!c)
		return;
	/* The low half: little endian. */
	emit(p, LOAD, (uint32_t)(offsetof(struct seccomp_data, args) + 8 * c->argument), 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, c->mask, 0, 0);
	for (unsigned i = 0; i < c->count; i++)
		emit(p, IF_EQUAL, c->values[i] == OWN_PID ? (uint32_t)getpid() : c->values[i], (uint8_t)(c->count - i),
		     0);
	emit(p, RETURN, c->otherwise, 0, 0);
}

/* Falls through to the next rule when the number is another one; else returns. */
static void emit_rule(struct program *p, const struct rule *rule)
{
	unsigned skip = condition_length(rule->condition) + condition_length(rule->condition2) + 1;

	emit(p, IF_EQUAL, rule->nr, 0, (uint8_t)skip);
	emit_condition(p, rule->condition);
	emit_condition(p, rule->condition2);
	emit(p, RETURN, SECCOMP_RET_ALLOW, 0, 0);
}

static void build(struct program *p, const struct sandbox_table *t, unsigned roles)
{
	p->length = 0;
	emit(p, LOAD, offsetof(struct seccomp_data, arch), 0, 0);
	emit(p, IF_EQUAL, AUDIT_ARCH_X86_64, 1, 0);
	emit(p, RETURN, SECCOMP_RET_KILL_PROCESS, 0, 0);        /* 32-bit calls have other numbers */
	emit(p, LOAD, offsetof(struct seccomp_data, nr), 0, 0); /* x32's numbers are above all of ours */
	for (size_t i = 0; i < t->rule_count; i++)
		if (t->rules[i].roles & roles)
			emit_rule(p, &t->rules[i]);
	for (size_t i = 0; i < t->refused_count; i++) {
		emit(p, IF_EQUAL, t->refused[i].nr, 0, 1);
		emit(p, RETURN, t->refused[i].action, 0, 0);
	}
	emit(p, RETURN, DENY, 0, 0);
}

int sandbox_filter_install(const struct sandbox_table *table, unsigned roles)
{
	struct program program;
	struct sock_fprog code = { .filter = program.code };

	build(&program, table, roles);
	code.len = program.length;
	if (program.length > PROGRAM_MAX)
		return -E2BIG;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &code) < 0 ? -errno : 0;
}

#ifndef NDEBUG
/* write and _exit only: this runs wherever the denied call was made. */
static void report_denied(int signal, siginfo_t *info, void *context)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "sandbox: system call %d is not allowed\n", info->si_syscall);

	(void)signal;
	(void)context;
	if (write(2, text, (size_t)n) < 0)
		_exit(126);
	_exit(127);
}

static void watch_denied(void)
{
	struct sigaction action = { .sa_sigaction = report_denied, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGSYS, &action, NULL);
}
#else
static void watch_denied(void)
{
}
#endif

/* ---- the door ---- */

static int set_limits(unsigned max_descriptors)
{
	struct rlimit none = { 0, 0 }, descriptors;

	if (setrlimit(RLIMIT_CORE, &none) < 0 || getrlimit(RLIMIT_NOFILE, &descriptors) < 0)
		return -errno;
	descriptors.rlim_max = MIN(descriptors.rlim_max, (rlim_t)max_descriptors);
	descriptors.rlim_cur = descriptors.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &descriptors) < 0 ? -errno : 0;
}

int sandbox_filter_shut(const struct sandbox_table *table, unsigned roles, unsigned network, unsigned max_descriptors,
                        unsigned *ret_landlock_abi)
{
	int err = set_limits(max_descriptors);

	/* What a guest entrusts to us is in this process: no debugger of the same user reads it. */
	if (!err && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
		err = -errno;
	if (!err)
		err = enter_landlock(network, ret_landlock_abi);
	if (err)
		return err;
	watch_denied();
	return sandbox_filter_install(table, roles);
}
