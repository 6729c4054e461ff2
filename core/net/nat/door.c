/* SPDX-License-Identifier: MIT */
#include "core/net/nat/door.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "core/sandbox_filter.h"
#include "vmformat/bytes.h"

#define NET 1u /* the one role */

/* A guest that opens connections without end gets no further than this; of each, libslirp keeps two buffers of 128 KiB. */
#define MAX_DESCRIPTORS 1024

static const struct condition is_internet = { 0, 0xffffffff, FAIL(EAFNOSUPPORT), 2, { AF_INET, AF_INET6 } };
/* Of a socket's type the part without SOCK_NONBLOCK and SOCK_CLOEXEC: never SOCK_RAW. */
static const struct condition is_not_raw = { 1, 0xf, FAIL(EPERM), 2, { SOCK_STREAM, SOCK_DGRAM } };
static const struct condition is_socket_ioctl = { 1, 0xffffffff, FAIL(ENOTTY), 2, { FIONREAD, FIONBIO } };
static const struct condition is_harmless_fcntl = {
	1, 0xffffffff, FAIL(EINVAL), 4, { F_GETFL, F_SETFL, F_GETFD, F_SETFD }
};
static const struct condition is_not_executable = { 2, PROT_EXEC, DENY, 1, { 0 } };
static const struct condition is_own_process = { 0, 0xffffffff, DENY, 1, { OWN_PID } };
static const struct condition is_self_limit = { 0, 0xffffffff, DENY, 1, { 0 } };

/* The reason of each is the comment beside it. */
static const struct rule rules[] = {
	{ SYS_poll, NET },                              /* the loop waits */
	{ SYS_recvfrom, NET },                          /* frames, messages of the broker, data for the guest */
	{ SYS_sendto, NET },                            /* frames, data of the guest; where to: calls.c */
	{ SYS_recvmsg, NET },                           /* libslirp: ICMP errors of its sockets */
	{ SYS_clock_gettime, NET },                     /* timers of TCP, where the vDSO cannot */
	{ SYS_socket, NET, &is_internet, &is_not_raw }, /* a guest's connection */
	{ SYS_connect, NET },                           /* the same; where to: calls.c */
	{ SYS_accept, NET },                            /* a forwarded port is used */
	{ SYS_accept4, NET },                           /* as newer versions do it */
	{ SYS_setsockopt, NET },                        /* TCP_NODELAY, urgent data inline, TTL */
	{ SYS_getsockopt, NET },                        /* did a connection succeed (SO_ERROR)? */
	{ SYS_getsockname, NET },                       /* libslirp notes the ports it was given */
	{ SYS_getpeername, NET },                       /* the same of the far end */
	{ SYS_shutdown, NET },                          /* half-closed connections */
	{ SYS_close, NET },                             /* closed ones */
	{ SYS_ioctl, NET, &is_socket_ioctl },           /* how much is there; non-blocking */
	{ SYS_fcntl, NET, &is_harmless_fcntl },         /* non-blocking, close-on-exec */
	{ SYS_mmap, NET, &is_not_executable },          /* malloc */
	{ SYS_munmap, NET },                            /* free */
	{ SYS_mremap, NET },                            /* realloc; keeps protections */
	{ SYS_mprotect, NET, &is_not_executable },      /* malloc's arenas */
	{ SYS_madvise, NET },                           /* free returns memory */
	{ SYS_brk, NET },                               /* malloc */
	{ SYS_futex, NET },                             /* GLib's once-only initialisations */
	{ SYS_getrandom, NET },                         /* seeds of GLib's hash tables */
	{ SYS_write, NET },                             /* last words on stderr */
	{ SYS_rt_sigprocmask, NET },                    /* abort() */
	{ SYS_rt_sigreturn, NET },                      /* the end of a debug build's SIGSYS handler */
	{ SYS_rt_sigaction, NET },                      /* abort() resets SIGABRT */
	{ SYS_sigaltstack, NET },                       /* sanitized builds, at the end */
	{ SYS_tgkill, NET, &is_own_process },           /* abort(): libslirp's assertions */
	{ SYS_getpid, NET },                            /* abort() */
	{ SYS_gettid, NET },                            /* abort() */
	{ SYS_prlimit64, NET, &is_self_limit },         /* sanitized builds ask for the stack's size */
	{ SYS_sched_yield, NET },                       /* sanitized builds */
	{ SYS_restart_syscall, NET },                   /* the kernel's own, after a stop signal */
	{ SYS_exit_group, NET },                        /* the end */
};

static const struct refusal refused[] = {
	{ SYS_openat, FAIL(ENOENT) },     /* libraries: locales, CPU counts */
	{ SYS_open, FAIL(ENOENT) },       /* the same, older */
	{ SYS_newfstatat, FAIL(ENOENT) }, /* stdio asks for block sizes */
	{ SYS_fstat, FAIL(EBADF) },       /* the same */
	{ SYS_readlink, FAIL(ENOENT) },   /* sanitizers look for their program */
	{ SYS_sysinfo, FAIL(EPERM) },     /* qsort sizes its buffer by it; it has a default */
	{ SYS_bind, FAIL(EACCES) },       /* forwards were bound before; outgoing sockets need none */
	{ SYS_listen, FAIL(EACCES) },     /* the same */
};

static const struct sandbox_table table = { rules, ARRAY_SIZE(rules), refused, ARRAY_SIZE(refused) };

int door_shut(unsigned *ret_landlock_abi)
{
	return sandbox_filter_shut(&table, NET, SANDBOX_TCP_CONNECT, MAX_DESCRIPTORS, ret_landlock_abi);
}
