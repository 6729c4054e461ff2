/* SPDX-License-Identifier: MIT */
/*
 * Which disks of a session are written in place (vitrine.writeInPlace), and their opening. The broker asks the
 * person and locks them; what cannot be written so is remarked on, and its changes go to the overlay. Main thread,
 * before the machine is made.
 */
#ifndef VITRINE_IN_PLACE_H
#define VITRINE_IN_PLACE_H

#include "core/session.h"

/*
 * Fills s->in_place, and chooses s->fingerprint: nothing of the state folder may have been asked for before.
 * -EBUSY: somebody else has the disk; -EEXIST: there is an overlay that would be spoilt; -ECANCELED: the person
 * has powered off.
 */
int in_place_open(struct session *s, struct error *e);
void in_place_free(struct session *s);

#endif
