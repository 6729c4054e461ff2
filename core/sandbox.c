/* SPDX-License-Identifier: MIT */
#include "core/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core/sandbox_filter.h"
#include "vmformat/bytes.h"

#define IO SANDBOX_IO
#define VCPU SANDBOX_VCPU
#define WORKER SANDBOX_WORKER
#define ALL (IO | VCPU | WORKER)

/* glibc's pthread_create, and nothing else: a thread of this process, no namespaces, no new process. */
#define THREAD_FLAGS                                                                                       \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

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

/* The reason of each is the comment beside it. Roles: who makes it once the machine runs. */
static const struct rule rules[] = {
	{ SYS_ioctl, IO, &is_for_the_machine },         /* making, stopping and resetting a virtual machine */
	{ SYS_ioctl, VCPU, &is_for_a_cpu },             /* KVM_RUN, interrupts, memory slots */
	{ SYS_futex, ALL, NULL },                       /* mutexes, condition variables, pthread_join */
	{ SYS_epoll_pwait2, IO, NULL },                 /* the loop waits, to the nanosecond */
	{ SYS_write, ALL, NULL },                       /* eventfd of the loop; last words on stderr */
	{ SYS_read, IO | WORKER, NULL },                /* eventfd, timerfd, firmware */
	{ SYS_recvmsg, IO, NULL },                      /* messages of the broker */
	{ SYS_sendmsg, ALL, NULL },                     /* messages to the broker: serial output, asking for a file */
	{ SYS_timerfd_settime, IO, NULL },              /* when the next frame, or a message that waits, is due */
	{ SYS_clock_gettime, ALL, NULL },               /* where the vDSO cannot: clock sources of virtual machines */
	{ SYS_clock_nanosleep, ALL, NULL },             /* short waits for another thread */
	{ SYS_preadv, IO | WORKER, NULL },              /* guest reads */
	{ SYS_pread64, IO | WORKER, NULL },             /* headers, tables, compressed grains */
	{ SYS_pwritev, IO | WORKER, NULL },             /* guest writes, into overlays */
	{ SYS_pwrite64, IO | WORKER, NULL },            /* tables of overlays */
	{ SYS_fdatasync, IO | WORKER, NULL },           /* guest flushes */
	{ SYS_fallocate, IO | WORKER, NULL },           /* discarded clusters go back to the host */
	{ SYS_ftruncate, IO | WORKER, NULL },           /* overlays grow; --dump sets the size */
	{ SYS_memfd_create, IO, NULL },                 /* the disc with the guest's properties */
	{ SYS_lseek, IO | WORKER, NULL },               /* holes of raw disks; --dump leaves them out */
	{ SYS_fstat, IO | WORKER, NULL },               /* sizes; the path-less one, see fstat() below */
	{ SYS_fstatfs, IO, NULL },                      /* is there room to unpack a download? */
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
	{ SYS_timerfd_create, IO, NULL },               /* of frames and messages */
	{ SYS_poll, IO, NULL },                         /* waiting for the broker's answer */
	{ SYS_getpid, ALL, NULL },                      /* abort */
	{ SYS_gettid, ALL, NULL },                      /* abort */
	{ SYS_restart_syscall, ALL, NULL },             /* the kernel's own, after a stop signal */
	{ SYS_exit, ALL, NULL },                        /* a thread ends */
	{ SYS_exit_group, ALL, NULL },                  /* the process ends */
};

static const struct refusal refused[] = {
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

/* ---- the door ---- */

static const struct sandbox_table table = { rules, ARRAY_SIZE(rules), refused, ARRAY_SIZE(refused) };

/* Files of an appliance cut in pieces: 256 drives of a few, or one disk of 8 TB in 2 GB pieces. */
#define MAX_DESCRIPTORS 8192

/* Written once, before any thread exists. */
static bool is_shut;

int sandbox_shut(unsigned *ret_landlock_abi)
{
	int err = sandbox_filter_shut(&table, ALL, 0, MAX_DESCRIPTORS, ret_landlock_abi);

	is_shut = !err;
	return err;
}

int sandbox_enter_role(enum sandbox_role role)
{
	return is_shut ? sandbox_filter_install(&table, role) : 0;
}
