/* SPDX-License-Identifier: MIT */
/*
 * The core's door. sandbox_shut() is called once, while there is one thread, before the first byte of an appliance is
 * read; it cannot be undone. Afterwards the process opens no path, runs no program, makes no socket, sees no other
 * process and maps no executable memory; it can use the descriptors it has, memory, time and its own threads.
 *
 * Each thread then tightens itself with sandbox_enter_role() as its first act. A call that a role has no use for ends
 * the process (release: SECCOMP_RET_KILL_PROCESS; debug builds name the call on stderr first). What libc only tries,
 * and can do without, fails with an errno instead. The tables with one reason per call are in sandbox.c.
 */
#ifndef VITRINE_SANDBOX_H
#define VITRINE_SANDBOX_H

enum sandbox_role {
	SANDBOX_IO = 1,     /* the main thread: control, timers, completions, the making of the machine */
	SANDBOX_VCPU = 2,   /* KVM_RUN and what device callbacks need */
	SANDBOX_WORKER = 4, /* block I/O, decompression, digests */
};

/* 0 or negative errno: then nothing may be played. ret_landlock_abi: 0 when this kernel has no Landlock (seccomp
 * alone holds). */
int sandbox_shut(unsigned *ret_landlock_abi);
/* Narrows the calling thread. Does nothing in a process that never called sandbox_shut() (tests). 0 or negative
 * errno. */
int sandbox_enter_role(enum sandbox_role role);

#endif
