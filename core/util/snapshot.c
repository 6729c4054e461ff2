/* SPDX-License-Identifier: MIT */
#include "core/util/snapshot.h"

unsigned snapshot_stripe(void)
{
	static atomic_uint threads;
	static _Thread_local unsigned mine; /* from 1; 0: this thread has not asked yet */

	if (!mine)
		mine = atomic_fetch_add(&threads, 1) % SNAPSHOT_STRIPES + 1;
	return mine - 1;
}
