/* SPDX-License-Identifier: MIT */
/*
 * What code inside the sandbox can do. Each attempt runs in a child of its own, once free and once behind the door:
 * free it must succeed (or the test proves nothing), behind the door it must fail or the child must die.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <pthread.h>
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

#include "../attempts.h"
#include "core/sandbox.h"

/* ---- running them ---- */

/* role 0: free; else behind the door and in that role. Returns the wait status. */
static int run_in_child(int (*attempt)(void), unsigned role)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		unsigned abi;

		silence();
		if (role && (sandbox_shut(&abi) < 0 || sandbox_enter_role((enum sandbox_role)role) < 0))
			_exit(EXIT_BROKEN);
		_exit(attempt() < 0 ? EXIT_REFUSED : EXIT_DONE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void free_attempts_succeed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		int status = run_in_child(attempts[i].run, 0);

		if (attempts[i].works_free && !was_done(status))
			fail_msg("%s fails even without a sandbox: the test proves nothing (status 0x%x)",
			         attempts[i].name, status);
		else if (!was_done(status))
			print_message("%s is not to be had on this host anyway\n", attempts[i].name);
	}
}

static void every_attempt_fails_behind_the_door(void **state)
{
	static const unsigned roles[] = { SANDBOX_IO, SANDBOX_VCPU, SANDBOX_WORKER };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		for (size_t r = 0; r < ARRAY_SIZE(roles); r++) {
			int status = run_in_child(attempts[i].run, roles[r]);

			if (!was_prevented(status))
				fail_msg("%s was possible in role %u (status 0x%x)", attempts[i].name, roles[r],
				         status);
		}
	}
}

/* ---- what must go on working ---- */

static void *worker(void *context)
{
	char byte;
	void *memory = malloc(1 << 20);
	bool fine = memory && sandbox_enter_role(SANDBOX_WORKER) == 0 && pread(file, &byte, 1, 0) == 1;

	free(memory);
	*(bool *)context = fine;
	return NULL;
}

static int use_threads_and_memory(void)
{
	bool fine = false;
	pthread_t thread;
	void *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stat st;

	if (map == MAP_FAILED || mprotect(map, 4096, PROT_READ) < 0 || munmap(map, 1 << 20) < 0)
		return -1;
	if (fstat(file, &st) < 0 || st.st_size == 0 || eventfd(0, EFD_CLOEXEC) < 0 ||
	    fcntl(file, F_DUPFD_CLOEXEC, 0) < 0)
		return -2;
	if (pthread_create(&thread, NULL, worker, &fine) || pthread_join(thread, NULL) || !fine)
		return -3;
	return 0;
}

static void the_core_can_do_its_work(void **state)
{
	(void)state;
	assert_true(was_done(run_in_child(use_threads_and_memory, SANDBOX_IO)));
}

static int ask_kvm(void)
{
	return result(ioctl(file, 0xae00 /* KVM_GET_API_VERSION */, 0));
}

static int read_file(void)
{
	char byte;

	return result(pread(file, &byte, 1, 0));
}

static int make_thread(void)
{
	bool fine;
	pthread_t thread;

	return pthread_create(&thread, NULL, worker, &fine) ? -EPERM : 0;
}

static void only_the_thread_that_makes_machines_may_ask_kvm_for_more_than_running(void **state)
{
	int data = file, status[3];

	(void)state;
	file = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (file < 0) {
		file = data;
		print_message("SKIPPED: no /dev/kvm\n");
		skip();
	}
	status[0] = run_in_child(ask_kvm, SANDBOX_IO);
	status[1] = run_in_child(ask_kvm, SANDBOX_VCPU);
	status[2] = run_in_child(ask_kvm, SANDBOX_WORKER);
	close(file);
	file = data;
	assert_true(was_done(status[0]));
	assert_true(was_prevented(status[1]));
	assert_true(was_prevented(status[2]));
}

static void a_vcpu_thread_cannot_read_files(void **state)
{
	(void)state;
	assert_true(was_done(run_in_child(read_file, SANDBOX_WORKER)));
	assert_true(was_prevented(run_in_child(read_file, SANDBOX_VCPU)));
}

static void only_the_main_thread_makes_threads(void **state)
{
	(void)state;
	assert_true(was_done(run_in_child(make_thread, SANDBOX_IO)));
	assert_true(was_prevented(run_in_child(make_thread, SANDBOX_VCPU)));
	assert_true(was_prevented(run_in_child(make_thread, SANDBOX_WORKER)));
}

static int widen(void)
{
	/* A second role on top never gives back what the first took. */
	return sandbox_enter_role(SANDBOX_IO) < 0 || make_thread() < 0 ? -1 : 0;
}

static void a_role_cannot_be_left(void **state)
{
	(void)state;
	assert_true(was_prevented(run_in_child(widen, SANDBOX_WORKER)));
}

static int find_landlock(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	unsigned told;

	return sandbox_shut(&told) == 0 && told == (abi > 0 ? (unsigned)abi : 0) ? 0 : -1;
}

static void the_landlock_version_is_told(void **state)
{
	(void)state;
	assert_true(was_done(run_in_child(find_landlock, 0)));
}

static int enter_role_again(void)
{
	return sandbox_enter_role(SANDBOX_WORKER);
}

static void a_role_takes_the_means_to_enter_one_away(void **state)
{
	(void)state;
	assert_true(was_prevented(run_in_child(enter_role_again, SANDBOX_WORKER)));
	assert_true(was_prevented(run_in_child(enter_role_again, SANDBOX_VCPU)));
}

static int enter_role_only(void)
{
	return sandbox_enter_role(SANDBOX_VCPU) < 0 ? -1 : try_openat();
}

static void roles_without_a_door_change_nothing(void **state)
{
	(void)state;
	assert_true(was_done(run_in_child(enter_role_only, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(free_attempts_succeed),
		cmocka_unit_test(every_attempt_fails_behind_the_door),
		cmocka_unit_test(the_core_can_do_its_work),
		cmocka_unit_test(only_the_thread_that_makes_machines_may_ask_kvm_for_more_than_running),
		cmocka_unit_test(a_vcpu_thread_cannot_read_files),
		cmocka_unit_test(only_the_main_thread_makes_threads),
		cmocka_unit_test(a_role_cannot_be_left),
		cmocka_unit_test(a_role_takes_the_means_to_enter_one_away),
		cmocka_unit_test(the_landlock_version_is_told),
		cmocka_unit_test(roles_without_a_door_change_nothing),
	};

	return cmocka_run_group_tests(tests, attempts_prepare, NULL);
}
