/* SPDX-License-Identifier: MIT */
/*
 * What a guest can cause to be told at any rate: its serial output, and the state of its CD drives. The first of it goes out in
 * the next round of the loop; what follows soon after is gathered, so that the broker gets few messages whatever the guest does:
 * output as full messages and one for the rest, of a drive only the latest state. I/O thread.
 */
#ifndef VITRINE_TELLER_H
#define VITRINE_TELLER_H

#include <stddef.h>
#include <stdint.h>

#include "core/protocol.h"

struct teller;
struct loop;

/* send may block: then the guest's output waits, and is lost when its buffer is full. NULL: no memory or descriptors. */
struct teller *teller_new(struct loop *loop, void (*send)(void *context, union message *m, enum message_type type),
                          void *context);
/* Harmless on NULL. What has not been told is dropped: see teller_flush(). */
void teller_free(struct teller *t);

void teller_serial(struct teller *t, unsigned port, const uint8_t *data, size_t count);
/* cd->drive is less than MESSAGE_MAX_CDS. */
void teller_cd(struct teller *t, const struct message_cd *cd);
/* Everything, now. */
void teller_flush(struct teller *t);

#endif
