/* SPDX-License-Identifier: MIT */
#include "core/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmformat/bytes.h"

#define IO SANDBOX_IO
#define VCPU SANDBOX_VCPU
#define WORKER SANDBOX_WORKER
#define ALL (IO | VCPU | WORKER)

#ifdef NDEBUG
#define DENY SECCOMP_RET_KILL_PROCESS
#else
#define DENY SECCOMP_RET_TRAP /* report_denied() names the call, then the process ends */
#endif
#define FAIL(code) (SECCOMP_RET_ERRNO | (code))

/* glibc's pthread_create, and nothing else: a thread of this process, no namespaces, no new process. */
#define THREAD_FLAGS                                                                                       \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#define OWN_PID 0xffffffffu /* in a condition: replaced by getpid() */

/* An argument's low 32 bits, masked, must be one of the values; else the call gets `otherwise`. */
struct condition {
	unsigned argument;
	uint32_t mask;
	uint32_t otherwise;
	unsigned count;
	uint32_t values[31];
};

/* Of KVM's hundred requests those that core/cpu makes, the hottest first; ENOTTY because stdio asks whether it writes to a
 * terminal. A running CPU thread moves slots and windows, raises interrupts, answers in registers (VMware's back door) and
 * reports where it was when KVM gave up. */
#define KVM_OF_A_CPU                                                                                 \
	KVM_RUN, KVM_IRQ_LINE_STATUS, KVM_SIGNAL_MSI, KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG, \
		KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO, KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS
#define KVM_OF_THE_MACHINE                                                                                           \
	KVM_GET_CLOCK, KVM_SET_CLOCK, KVM_GET_LAPIC, KVM_SET_LAPIC, KVM_GET_MSRS, KVM_SET_MSRS, KVM_GET_DEVICE_ATTR, \
		KVM_SET_DEVICE_ATTR, KVM_KVMCLOCK_CTRL, KVM_GET_API_VERSION, KVM_CHECK_EXTENSION, KVM_CREATE_VM,     \
		KVM_GET_VCPU_MMAP_SIZE, KVM_GET_SUPPORTED_CPUID, KVM_SET_IDENTITY_MAP_ADDR, KVM_SET_TSS_ADDR,        \
		KVM_CREATE_IRQCHIP, KVM_SET_GSI_ROUTING, KVM_CREATE_VCPU, KVM_SET_CPUID2, KVM_GET_TSC_KHZ
static const struct condition is_for_a_cpu = { 1, 0xffffffff, FAIL(ENOTTY), 10, { KVM_OF_A_CPU } };
static const struct condition is_for_the_machine = {
	1, 0xffffffff, FAIL(ENOTTY), 31, { KVM_OF_A_CPU, KVM_OF_THE_MACHINE }
};
static const struct condition is_not_executable = { 2, PROT_EXEC, DENY, 1, { 0 } };
static const struct condition is_thread = { 0, 0xffffffff, DENY, 1, { THREAD_FLAGS } };
static const struct condition is_own_process = { 0, 0xffffffff, DENY, 1, { OWN_PID } };
static const struct condition is_self_limit = { 0, 0xffffffff, DENY, 1, { 0 } };
static const struct condition is_thread_name = { 0, 0xffffffff, FAIL(EINVAL), 1, { PR_SET_NAME } };
static const struct condition is_filter = { 0, 0xffffffff, DENY, 1, { SECCOMP_SET_MODE_FILTER } };
static const struct condition is_harmless_fcntl = {
	1, 0xffffffff, FAIL(EINVAL), 4, { F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFL }
};

/* A call that some role may make. Sorted by heat: the filter compares in this order. */
struct rule {
	unsigned nr;
	unsigned roles;
	const struct condition *condition; /* NULL: with any arguments */
};

/* The reason of each is the comment beside it. Roles: who makes it once the machine runs. */
static const struct rule rules[] = {
	{ SYS_ioctl, IO, &is_for_the_machine },         /* making, stopping and resetting a virtual machine */
	{ SYS_ioctl, VCPU, &is_for_a_cpu },             /* KVM_RUN, interrupts, memory slots */
	{ SYS_futex, ALL, NULL },                       /* mutexes, condition variables, pthread_join */
	{ SYS_epoll_wait, IO, NULL },                   /* the loop waits */
	{ SYS_epoll_pwait, IO, NULL },                  /* as glibc spells it on some versions */
	{ SYS_epoll_pwait2, IO, NULL },                 /* with a deadline in nanoseconds */
	{ SYS_write, ALL, NULL },                       /* eventfd of the loop; last words on stderr */
	{ SYS_read, IO | WORKER, NULL },                /* eventfd, timerfd, firmware */
	{ SYS_recvmsg, IO, NULL },                      /* messages of the broker */
	{ SYS_sendmsg, ALL, NULL },                     /* messages to the broker: serial output, asking for a file */
	{ SYS_timerfd_settime, ALL, NULL },             /* a device callback moves the nearest deadline */
	{ SYS_clock_gettime, ALL, NULL },               /* where the vDSO cannot: clock sources of virtual machines */
	{ SYS_clock_nanosleep, ALL, NULL },             /* short waits for another thread */
	{ SYS_preadv, IO | WORKER, NULL },              /* guest reads */
	{ SYS_pread64, IO | WORKER, NULL },             /* headers, tables, compressed grains */
	{ SYS_pwritev, IO | WORKER, NULL },             /* guest writes, into overlays */
	{ SYS_pwrite64, IO | WORKER, NULL },            /* tables of overlays */
	{ SYS_fdatasync, IO | WORKER, NULL },           /* guest flushes */
	{ SYS_fallocate, IO | WORKER, NULL },           /* discarded clusters go back to the host */
	{ SYS_ftruncate, IO | WORKER, NULL },           /* overlays grow; --dump sets the size */
	{ SYS_lseek, IO | WORKER, NULL },               /* holes of raw disks; --dump leaves them out */
	{ SYS_fstat, IO | WORKER, NULL },               /* sizes; the path-less one, see fstat() below */
	{ SYS_mmap, ALL, &is_not_executable },          /* guest memory, buffers, stacks */
	{ SYS_munmap, ALL, NULL },                      /* gives them back */
	{ SYS_mremap, ALL, NULL },                      /* realloc of large buffers; keeps protections */
	{ SYS_mprotect, ALL, &is_not_executable },      /* malloc's arenas, guard pages of stacks */
	{ SYS_madvise, ALL, NULL },                     /* huge pages; free() and thread exit return memory */
	{ SYS_brk, ALL, NULL },                         /* malloc */
	{ SYS_close, ALL, NULL },                       /* descriptors that the broker sent */
	{ SYS_fcntl, IO | WORKER, &is_harmless_fcntl }, /* file windows duplicate descriptors */
	{ SYS_clone, IO, &is_thread },                  /* vCPUs, workers */
	{ SYS_set_robust_list, ALL, NULL },             /* a new thread's first act in libc */
	{ SYS_rseq, ALL, NULL },                        /* its second */
	{ SYS_seccomp, IO, &is_filter },                /* its third: sandbox_enter_role(), which takes this away */
	{ SYS_prctl, ALL, &is_thread_name },            /* pthread_setname_np */
	{ SYS_rt_sigaction, IO, NULL },                 /* the signal that calls a vCPU out of KVM_RUN */
	{ SYS_rt_sigprocmask, ALL, NULL },              /* pthread_create, abort */
	{ SYS_rt_sigreturn, ALL, NULL },                /* the end of that signal's handler */
	{ SYS_sigaltstack, ALL, NULL },                 /* sanitized builds, at each thread's start and end */
	{ SYS_tgkill, ALL, &is_own_process },           /* pthread_kill to a vCPU, abort */
	{ SYS_sched_yield, ALL, NULL },                 /* spinning on a vCPU that is about to leave KVM_RUN */
	{ SYS_sched_getaffinity, IO, NULL },            /* malloc counts CPUs for its arenas */
	{ SYS_prlimit64, ALL, &is_self_limit },         /* pthread_getattr_np asks for the stack's size */
	{ SYS_sysinfo, IO, NULL },                      /* is the host's memory enough for the guest's? */
	{ SYS_getrandom, ALL, NULL },                   /* hash seeds of libxml2, generated MAC addresses */
	{ SYS_eventfd2, IO, NULL },                     /* the loop's wake-up */
	{ SYS_epoll_create1, IO, NULL },                /* the loop */
	{ SYS_epoll_ctl, IO, NULL },                    /* its sources */
	{ SYS_timerfd_create, IO, NULL },               /* its timer */
	{ SYS_poll, IO, NULL },                         /* waiting for the broker's answer */
	{ SYS_getpid, ALL, NULL },                      /* abort */
	{ SYS_gettid, ALL, NULL },                      /* abort */
	{ SYS_restart_syscall, ALL, NULL },             /* the kernel's own, after a stop signal */
	{ SYS_exit, ALL, NULL },                        /* a thread ends */
	{ SYS_exit_group, ALL, NULL },                  /* the process ends */
};

/* What libraries try and can do without: an error instead of death. */
static const struct {
	unsigned nr;
	uint32_t action;
} refused[] = {
	{ SYS_clone3, FAIL(ENOSYS) },     /* its flags lie where no filter sees them; glibc then uses clone */
	{ SYS_openat, FAIL(ENOENT) },     /* libc: CPU counts, overcommit policy */
	{ SYS_open, FAIL(ENOENT) },       /* the same, older */
	{ SYS_newfstatat, FAIL(ENOENT) }, /* stdio asks for block sizes; paths must not be probed */
	{ SYS_readlink, FAIL(ENOENT) },   /* sanitizers look for their program */
	{ SYS_access, FAIL(ENOENT) },     /* library searches */
	{ SYS_uname, FAIL(EPERM) },       /* sanitizers */
	{ SYS_sysinfo, FAIL(EPERM) },     /* qsort in libc sizes its buffer by it; it has a default */
	{ SYS_membarrier, FAIL(ENOSYS) }, /* libraries fall back to fences */
};

/*
 * glibc 2.33 to 2.38 ask for an open file's data by newfstatat(fd, "", AT_EMPTY_PATH), which a filter cannot tell
 * from a probe of any path. The core uses the call that has no path.
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

/* An empty domain: all that the ABI can govern is governed, and nothing is granted. Descriptors that are open stay
 * usable. */
static int enter_landlock(unsigned *ret_abi)
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
		                     .network = (1u << abis[known].network_bits) - 1,
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

/* Longest: every rule with its condition, and the frame. BPF jumps reach 255 instructions; each here skips a few. */
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

/* Falls through to the next rule when the number is another one; else returns. */
static void emit_rule(struct program *p, const struct rule *rule)
{
	const struct condition *c = rule->condition;

	if (!c) {
		emit(p, IF_EQUAL, rule->nr, 0, 1);
		emit(p, RETURN, SECCOMP_RET_ALLOW, 0, 0);
		return;
	}
	emit(p, IF_EQUAL, rule->nr, 0, (uint8_t)(c->count + 4));
	/* The low half: little endian. */
	emit(p, LOAD, (uint32_t)(offsetof(struct seccomp_data, args) + 8 * c->argument), 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, c->mask, 0, 0);
	for (unsigned i = 0; i < c->count; i++)
		emit(p, IF_EQUAL, c->values[i] == OWN_PID ? (uint32_t)getpid() : c->values[i], (uint8_t)(c->count - i),
		     0);
	emit(p, RETURN, c->otherwise, 0, 0);
	emit(p, RETURN, SECCOMP_RET_ALLOW, 0, 0);
}

static void build(struct program *p, unsigned roles)
{
	p->length = 0;
	emit(p, LOAD, offsetof(struct seccomp_data, arch), 0, 0);
	emit(p, IF_EQUAL, AUDIT_ARCH_X86_64, 1, 0);
	emit(p, RETURN, SECCOMP_RET_KILL_PROCESS, 0, 0);        /* 32-bit calls have other numbers */
	emit(p, LOAD, offsetof(struct seccomp_data, nr), 0, 0); /* x32's numbers are above all of ours */
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].roles & roles)
			emit_rule(p, &rules[i]);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		emit(p, IF_EQUAL, refused[i].nr, 0, 1);
		emit(p, RETURN, refused[i].action, 0, 0);
	}
	emit(p, RETURN, DENY, 0, 0);
}

static int install(const struct program *p)
{
	struct sock_fprog program = { .len = p->length, .filter = (struct sock_filter *)p->code };

	if (p->length > PROGRAM_MAX)
		return -E2BIG;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
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

/* Files of an appliance cut in pieces: 256 drives of a few, or one disk of 8 TB in 2 GB pieces. */
#define MAX_DESCRIPTORS 8192

static int set_limits(void)
{
	struct rlimit none = { 0, 0 }, descriptors;

	if (setrlimit(RLIMIT_CORE, &none) < 0 || getrlimit(RLIMIT_NOFILE, &descriptors) < 0)
		return -errno;
	descriptors.rlim_max = MIN(descriptors.rlim_max, (rlim_t)MAX_DESCRIPTORS);
	descriptors.rlim_cur = descriptors.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &descriptors) < 0 ? -errno : 0;
}

/* Written once, before any thread exists. */
static bool is_shut;

int sandbox_shut(unsigned *ret_landlock_abi)
{
	struct program program;
	int err = set_limits();

	/* Guest memory and the appliance's secrets are in this process: no debugger of the same user reads it. */
	if (!err && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
		err = -errno;
	if (!err)
		err = enter_landlock(ret_landlock_abi);
	if (err)
		return err;
	watch_denied();
	build(&program, ALL);
	err = install(&program);
	is_shut = !err;
	return err;
}

int sandbox_enter_role(enum sandbox_role role)
{
	struct program program;

	if (!is_shut)
		return 0;
	build(&program, role);
	return install(&program);
}
