/* SPDX-License-Identifier: MIT */
#include "core/network.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/link.h"
#include "core/net/net.h"
#include "vmformat/bytes.h"

static_assert(NAT_MAX_FORWARDS == APPLIANCE_MAX_FORWARDS, "every wish fits");

void network_review(struct appliance *a)
{
	if (a->nic_count > 1)
		appliance_remark(a, 0, "ethernet",
		                 "its %u network cards are not joined to each other: each has a NAT of its own "
		                 "(10.0.2.0/24, 10.0.3.0/24, ...).",
		                 a->nic_count);
	if (a->nic_count > NAT_MAX_NICS)
		appliance_remark(a, 0, "ethernet", "only the first %u cards have a cable.", NAT_MAX_NICS);
	if (a->forward_count && !a->nic_count)
		appliance_remark(a, 0, "vitrine.forward", "a forwarded port leads nowhere without a network card.");
}

int network_init(struct network *n, const struct appliance *a, struct loop *loop, struct error *e)
{
	for (n->count = 0; n->count < MIN(a->nic_count, NAT_MAX_NICS); n->count++) {
		struct net_port *port = net_port_new(loop, -1);

		if (!port)
			return error_set(e, -ENOMEM, "not enough memory for the machine's network cards");
		net_port_set_link(port, a->nics[n->count].start_connected);
		net_port_hold(port, true); /* until the machine runs */
		n->ports[n->count] = port;
	}
	return 0;
}

static struct nat_forward wish(const struct appliance_forward *f)
{
	struct nat_forward w = { .protocol = f->protocol == FORWARD_UDP ? NAT_UDP : NAT_TCP,
		                 .host_port = f->host_port,
		                 .guest_port = f->guest_port };

	memcpy(w.address, f->address, sizeof(w.address));
	return w;
}

void network_ask(const struct network *n, const struct appliance *a, struct link *link)
{
	union message m = { .network_wanted = { .nic_count = n->count,
		                                .flags = a->host_loopback ? NAT_HOST_LOOPBACK : 0,
		                                .forward_count = a->forward_count } };

	if (!n->count)
		return;
	for (unsigned i = 0; i < a->forward_count; i++)
		m.network_wanted.forwards[i] = wish(&a->forwards[i]);
	link_send(link, &m, MESSAGE_NETWORK_WANTED, 0);
}

void network_take(struct network *n, const struct message_network *m, int fd)
{
	if (m->nic < n->count)
		net_port_attach(n->ports[m->nic], fd);
	else
		close(fd);
}

void network_cable(struct network *n, const struct message_cable *m)
{
	if (m->nic < n->count)
		net_port_set_link(n->ports[m->nic], m->connected);
}

void network_free(struct network *n)
{
	for (unsigned i = 0; i < n->count; i++)
		net_port_free(n->ports[i]);
}
