/* SPDX-License-Identifier: MIT */
/* `vitrine-core --dump`: a drive's content as a raw image, holes kept where the output can have them. */
#ifndef VITRINE_DUMP_H
#define VITRINE_DUMP_H

#include "core/session.h"

/* Writes the drive START names to START_FD_OUTPUT. */
int dump_drive(struct session *s, struct error *e);

#endif
