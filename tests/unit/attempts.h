/* SPDX-License-Identifier: MIT */
/*
 * What hostile code in a sandboxed process would try, as functions that return 0 or a negative errno: for the tests of
 * both doors. Call attempts_prepare() first: it opens what a process may have open when the door shuts.
 */
#ifndef VITRINE_ATTEMPTS_H
#define VITRINE_ATTEMPTS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "vmformat/bytes.h"

#define EXIT_DONE 0      /* the attempt succeeded */
#define EXIT_REFUSED 10  /* it failed with an errno */
#define EXIT_BROKEN 11   /* the test itself failed */
#define EXIT_TRAPPED 127 /* a debug build's SIGSYS handler; releases are killed by SIGSYS */

#ifndef LANDLOCK_CREATE_RULESET_VERSION
#define LANDLOCK_CREATE_RULESET_VERSION 1u
#endif

static int terminal;  /* a pty's slave, open before the door shuts */
static int udp;       /* an open socket */
static int file;      /* an open file with content */
static uint8_t *page; /* one page of memory */

static int result(long value)
{
	return value < 0 ? -errno : 0;
}

/* ---- the attempts ---- */

static int try_open(void)
{
	return result(syscall(SYS_open, "/etc/passwd", O_RDONLY));
}

static int try_openat(void)
{
	return result(openat(AT_FDCWD, "/etc/passwd", O_RDONLY));
}

static int try_openat2(void)
{
	struct open_how how = { .flags = O_RDONLY };

	return result(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how)));
}

static int try_create(void)
{
	return result(creat("/tmp/vitrine-sandbox-test", 0600));
}

static int try_unlink(void)
{
	return result(unlink("/tmp/vitrine-sandbox-test"));
}

static int try_stat(void)
{
	struct stat st;

	return result(syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, 0));
}

static int try_readlink(void)
{
	char text[64];

	return result(readlink("/proc/self/exe", text, sizeof(text)));
}

static int try_chdir(void)
{
	return result(chdir("/"));
}

static int try_exec(void)
{
	char *arguments[] = { "/bin/true", NULL };

	return result(execve("/bin/true", arguments, NULL)); /* success: its exit status is EXIT_DONE */
}

static int try_memfd_exec(void)
{
	char buffer[65536], *arguments[] = { "true", NULL };
	int from = open("/bin/true", O_RDONLY), fd = memfd_create("true", 0);
	ssize_t n;

	while (from >= 0 && fd >= 0 && (n = read(from, buffer, sizeof(buffer))) > 0)
		if (write(fd, buffer, (size_t)n) != n)
			return -EIO;
	return result(syscall(SYS_execveat, fd, "", arguments, NULL, AT_EMPTY_PATH));
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int try_process_clone(void)
{
	long pid = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int try_clone3(void)
{
	uint64_t arguments[8] = { [4] = SIGCHLD };
	long pid = syscall(SYS_clone3, arguments, sizeof(arguments));

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int try_ptrace(void)
{
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_socket(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_unix_socket(void)
{
	return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int try_socketpair(void)
{
	int pair[2];

	return result(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

static int try_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(9),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return result(connect(udp, (struct sockaddr *)&to, sizeof(to)));
}

static int try_bind(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return result(bind(udp, (struct sockaddr *)&to, sizeof(to)));
}

static int try_executable_mmap(void)
{
	void *map = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return map == MAP_FAILED ? -errno : 0;
}

static int try_executable_mprotect(void)
{
	return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int try_executable_pkey_mprotect(void)
{
	return result(syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1));
}

static int try_personality(void)
{
	return result(personality(READ_IMPLIES_EXEC));
}

static int try_shm(void)
{
	return result(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
}

static int try_io_uring(void)
{
	struct io_uring_params params = { 0 };

	return result(syscall(SYS_io_uring_setup, 4, &params));
}

static int try_kill(void)
{
	return result(kill(getppid(), 0));
}

static int try_tgkill(void)
{
	pid_t parent = getppid();

	return result(syscall(SYS_tgkill, parent, parent, 0));
}

static int try_pidfd(void)
{
	return result(syscall(SYS_pidfd_open, 1, 0));
}

static int try_process_vm_readv(void)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { page, 1 }; /* the same address in the parent */

	return result(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int try_terminal_ioctl(void)
{
	struct termios t;

	return result(ioctl(terminal, TCGETS, &t));
}

static int try_type_into_terminal(void)
{
	return result(ioctl(terminal, TIOCSTI, "x"));
}

static int try_setuid(void)
{
	return result(syscall(SYS_setuid, getuid()));
}

static int try_unshare(void)
{
	return result(unshare(CLONE_FILES));
}

static int try_mount(void)
{
	return result(mount("none", "/nowhere", "tmpfs", 0, NULL));
}

static int try_bpf(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	return result(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int try_perf(void)
{
	struct perf_event_attr attr = { .size = sizeof(attr),
		                        .type = PERF_TYPE_SOFTWARE,
		                        .config = PERF_COUNT_SW_CPU_CLOCK };

	return result(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int try_userfaultfd(void)
{
	return result(syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */));
}

static int try_keyctl(void)
{
	return result(syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -1, 0));
}

static int try_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int try_signal_on_io(void)
{
	return result(fcntl(udp, F_SETOWN, getppid())); /* a way to send signals to others */
}

static int try_limits_of_others(void)
{
	uint64_t limits[2];

	return result(syscall(SYS_prlimit64, getppid(), 7 /* RLIMIT_NOFILE */, NULL, limits));
}

/* getpid by the 32-bit door, whose numbers mean other calls. */
static int try_32_bit_call(void)
{
	long value;

	__asm__ volatile("int $0x80" : "=a"(value) : "a"(20) : "memory", "cc", "r8", "r9", "r10", "r11");
	return value > 0 ? 0 : -ENOSYS;
}

static int try_x32_call(void)
{
	return result(syscall(0x40000000 | SYS_getpid));
}

#define ATTEMPT(name, free)             \
	{                               \
#name, try_##name, free \
	}
static const struct attempt {
	const char *name;
	int (*run)(void);
	bool works_free; /* false: needs privileges or kernel options that a test host may lack */
} attempts[] = {
	ATTEMPT(open, true),
	ATTEMPT(openat, true),
	ATTEMPT(openat2, true),
	ATTEMPT(create, true),
	ATTEMPT(unlink, true),
	ATTEMPT(stat, true),
	ATTEMPT(readlink, true),
	ATTEMPT(chdir, true),
	ATTEMPT(exec, true),
	ATTEMPT(memfd_exec, true),
	ATTEMPT(fork, true),
	ATTEMPT(process_clone, true),
	ATTEMPT(clone3, true),
	ATTEMPT(ptrace, true),
	ATTEMPT(socket, true),
	ATTEMPT(unix_socket, true),
	ATTEMPT(socketpair, true),
	ATTEMPT(bind, true),
	ATTEMPT(connect, true),
	ATTEMPT(executable_mmap, true),
	ATTEMPT(executable_mprotect, true),
	ATTEMPT(executable_pkey_mprotect, false),
	ATTEMPT(personality, true),
	ATTEMPT(shm, true),
	ATTEMPT(io_uring, false),
	ATTEMPT(kill, true),
	ATTEMPT(tgkill, true),
	ATTEMPT(pidfd, true),
	ATTEMPT(process_vm_readv, false),
	ATTEMPT(terminal_ioctl, true),
	ATTEMPT(type_into_terminal, false),
	ATTEMPT(setuid, true),
	ATTEMPT(unshare, true),
	ATTEMPT(mount, false),
	ATTEMPT(bpf, false),
	ATTEMPT(perf, false),
	ATTEMPT(userfaultfd, false),
	ATTEMPT(keyctl, false),
	ATTEMPT(dumpable, true),
	ATTEMPT(signal_on_io, true),
	ATTEMPT(limits_of_others, false),
	ATTEMPT(32_bit_call, false),
	ATTEMPT(x32_call, false),
};

/* ---- running them ---- */

static void silence(void)
{
	int fd = open("/dev/null", O_WRONLY);

	dup2(fd, 2); /* "system call 257 is not allowed" */
}

static bool was_prevented(int status)
{
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS;
	return WEXITSTATUS(status) == EXIT_REFUSED || WEXITSTATUS(status) == EXIT_TRAPPED;
}

static bool was_done(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE;
}

static int attempts_prepare(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	(void)state;
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return -1;
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	file = open("/etc/passwd", O_RDONLY);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return terminal < 0 || udp < 0 || file < 0 || page == MAP_FAILED ? -1 : 0;
}

#endif
