/* SPDX-License-Identifier: MIT */
/*
 * The guest's OVF environment (vmformat/deployment.h): a disc of our own with ovf-env.xml, in the first CD drive
 * that would be empty, or in one that is added for it. A machine that cannot get it starts without; a remark or
 * notice says why. I/O thread.
 */
#ifndef VITRINE_ENVIRONMENT_H
#define VITRINE_ENVIRONMENT_H

#include "core/session.h"

/* Before the drives are plugged: remarks on the guest's properties, and a drive for their disc. -ENOMEM. */
int environment_prepare(struct appliance *a, struct error *e);
/* After that: makes the disc and inserts it. */
void environment_insert(struct session *s);

#endif
