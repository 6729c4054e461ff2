/* SPDX-License-Identifier: MIT */
/*
 * Checks an appliance's manifest on a thread of its own while the machine runs. Each finding is told on the loop's
 * thread; after a mismatch the thread waits for verify_go_on(). Made, told and freed on the loop's thread.
 */
#ifndef VITRINE_VERIFY_H
#define VITRINE_VERIFY_H

#include "core/loop.h"
#include "vmformat/error.h"
#include "vmformat/manifest.h"

struct verify;

/* e->code 0: all was read and the thread has nothing more to do. Else what is wrong with one file; it waits for
 * verify_go_on(). */
typedef void (*verify_found)(void *context, const struct error *e);

/* NULL: no memory or thread. manifest and loop are borrowed. */
struct verify *verify_start(struct manifest *manifest, struct loop *loop, verify_found found, void *context);
void verify_go_on(struct verify *v);
/* Stops and joins, after the loop's last round; link_hang_up() must have freed a thread that waits for a file.
 * Harmless on NULL. */
void verify_free(struct verify *v);

#endif
