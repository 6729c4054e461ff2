/* SPDX-License-Identifier: MIT */
/* The core as a process: what `vitrine-core --core-fd N` does. See DESIGN.md section 1. */
#ifndef VITRINE_CORE_PROCESS_H
#define VITRINE_CORE_PROCESS_H

/* Takes the socket over; reads START, shuts the door, does what START says. Returns the exit status: 0, or 1 after a
 * failure that the broker was told in words. */
int core_process(int socket);

#endif
