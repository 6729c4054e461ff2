/* SPDX-License-Identifier: MIT */
/*
 * The appliance's licence agreement, shown to the person before the first run. That it was accepted is kept in the
 * state folder by the text's digest, so that another text is another question. Main thread.
 */
#ifndef VITRINE_LICENSE_H
#define VITRINE_LICENSE_H

#include "core/session.h"

/* Is there one that nobody has accepted yet? *ret_open says so; an error: the state folder cannot be used. */
int license_check(struct session *s, bool *ret_open, struct error *e);
/* Sends the text and the question. Returns the question's serial. */
uint32_t license_ask(struct session *s);
/* A yes that cannot be kept is asked for again next time. */
void license_accepted(struct session *s);

#endif
