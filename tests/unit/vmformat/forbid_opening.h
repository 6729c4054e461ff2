/* SPDX-License-Identifier: MIT */
/*
 * For tests of code that runs in the sandbox: work() must succeed in a process that is killed when it opens a file.
 * prepare() runs in it before that. Include <cmocka.h> (with its four headers) before this file.
 */
#ifndef VITRINE_FORBID_OPENING_H
#define VITRINE_FORBID_OPENING_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORBID_UNAVAILABLE 99

static inline void forbid_opening(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(*filter), .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(FORBID_UNAVAILABLE);
}

static inline void assert_needs_no_files(int (*prepare)(void), int (*work)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (prepare() != 0)
			_exit(1);
		forbid_opening();
		_exit(work());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == FORBID_UNAVAILABLE) {
		print_message("SKIPPED: seccomp is not available\n");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#endif
