/* SPDX-License-Identifier: MIT */
/*
 * The core's part of the network: a port per card, what the broker is asked for, and the cables that come from it, at first
 * and whenever vitrine-net was started anew. I/O thread.
 */
#ifndef VITRINE_NETWORK_H
#define VITRINE_NETWORK_H

#include <stdbool.h>

#include "core/protocol.h"
#include "vmformat/appliance.h"
#include "vmformat/error.h"

struct link;
struct loop;
struct net_port;

struct network {
	struct net_port
		*ports[APPLIANCE_MAX_NICS]; /* by appliance->nics[i]; NULL: no cable. For machine_options.nets */
	unsigned count;                     /* of those that may have one */
};

/* Remarks on what the appliance declares and a NAT cannot give. */
void network_review(struct appliance *a);
/* Ports without a peer yet: their links are down. */
int network_init(struct network *n, const struct appliance *a, struct loop *loop, struct error *e);
/* Asks for the cables; they come as MESSAGE_NETWORK. Nothing is asked for a machine without cards. */
void network_ask(const struct network *n, const struct appliance *a, struct link *link);
void network_take(struct network *n, const struct message_network *m, int fd);
void network_cable(struct network *n, const struct message_cable *m);
void network_free(struct network *n); /* after the machine */

#endif
