/* SPDX-License-Identifier: MIT */
/*
 * The NAT behind the cards of one machine: a libslirp network per card (10.0.2.0/24, 10.0.3.0/24, ...; gateway .2, name server .3,
 * the machine .15 by DHCP; IPv6 fd56:6974:7269:2::/64, ...), its frames on a SOCK_SEQPACKET socket each. One thread.
 * A card that does not read holds its network back: what libslirp has for it waits in the host's sockets.
 */
#ifndef VITRINE_NAT_H
#define VITRINE_NAT_H

#include "core/net/nat/config.h"

struct nat;

/* Makes the networks (frame sockets: NAT_FRAME_FD and up) and binds the forwards, errors in ret_errors. NULL: no memory. */
struct nat *nat_new(const struct nat_start *start, int32_t ret_errors[NAT_MAX_FORWARDS]);
/* Serves frames until `control` has something to read (true) or every card has gone (false). */
bool nat_run(struct nat *nat, int control);

#endif
