/* SPDX-License-Identifier: MIT */
/*
 * What libslirp asks of libc and we answer: where it may send to, and what stands in resolv.conf. The functions of
 * calls.c have libc's names (connect, sendto, recvfrom, fopen, stat), so that libslirp's calls come here; no argument
 * of theirs is ours, hence one policy for the process.
 */
#ifndef VITRINE_NAT_CALLS_H
#define VITRINE_NAT_CALLS_H

#include <stdbool.h>

#include "core/net/nat/config.h"

void calls_set_servers(const struct nat_servers *servers);
/* Before: anything goes (the forwards are being bound). From now on the host itself cannot be reached, unless allowed. */
void calls_close_host(bool allow_loopback);

#endif
