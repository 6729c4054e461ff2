/* SPDX-License-Identifier: MIT */
/*
 * The core's state machine on the I/O thread: builds the machine of a session and plays it until it is off, obeying
 * the broker's commands. STARTING -> RUNNING <-> PAUSED -> OFF or FAILED; the last state is told when everything is
 * on disk.
 */
#ifndef VITRINE_CONTROL_H
#define VITRINE_CONTROL_H

#include "core/session.h"

/* The process's exit status: 0 when the machine went off, 1 when it failed (the broker has been told why). */
int control_play(struct session *s);

#endif
