/* SPDX-License-Identifier: MIT */
/*
 * A cable without a loop: implements core/net/net.h's card side, so that a card's test sees what it sends and offers it frames.
 * Included by one file of a test, whose definitions the linker takes instead of the library's.
 */
#ifndef VITRINE_FAKE_NET_H
#define VITRINE_FAKE_NET_H

#include <stdlib.h>
#include <string.h>

#include "core/device.h"
#include "core/net/net.h"

#define FAKE_NET_FRAMES 4096

struct net_port {
	struct device *card;
	const struct net_port_ops *ops;
	bool link;
	unsigned ready; /* calls of net_port_ready() */
	unsigned count; /* frames sent; the first FAKE_NET_FRAMES of them are kept */
	uint64_t bytes;
	struct fake_frame {
		size_t length;
		uint8_t *data;
	} frames[FAKE_NET_FRAMES];
};

void net_port_set_card(struct net_port *port, struct device *d, const struct net_port_ops *ops)
{
	port->card = d;
	port->ops = ops;
}

bool net_port_link(const struct net_port *port)
{
	return port->link;
}

void net_port_send(struct net_port *port, const struct iovec *frame, unsigned count)
{
	size_t length = 0, at = 0;
	uint8_t *data;

	for (unsigned i = 0; i < count; i++)
		length += frame[i].iov_len;
	assert_in_range(length, NET_FRAME_MIN, NET_FRAME_MAX);
	port->bytes += length;
	if (port->count++ >= FAKE_NET_FRAMES)
		return;
	data = malloc(length);
	for (unsigned i = 0; i < count; at += frame[i].iov_len, i++)
		memcpy(data + at, frame[i].iov_base, frame[i].iov_len);
	port->frames[port->count - 1] = (struct fake_frame){ length, data };
}

void net_port_ready(struct net_port *port)
{
	port->ready++;
}

/* Forgets what was sent. */
static inline void fake_net_clear(struct net_port *port)
{
	for (unsigned i = 0; i < MIN(port->count, FAKE_NET_FRAMES); i++)
		free(port->frames[i].data);
	port->count = 0;
	port->bytes = 0;
}

/* A frame comes in; false: the card has no buffer. */
static inline bool fake_net_deliver(struct net_port *port, const void *frame, size_t length)
{
	bool taken;

	device_lock(port->card);
	taken = port->ops->receive(port->card, frame, length);
	device_unlock(port->card);
	return taken;
}

static inline void fake_net_set_link(struct net_port *port, bool up)
{
	port->link = up;
	device_lock(port->card);
	port->ops->link_changed(port->card, up);
	device_unlock(port->card);
}

#endif
