/* SPDX-License-Identifier: MIT */
/*
 * The cable between a network card and vitrine-net: Ethernet frames without preamble and FCS, in both directions.
 *
 * One struct net_port per card. The card sends from its callbacks (any thread, its lock held); frames come in, and the cable is
 * pulled and plugged, on the I/O thread with the card's lock held. Nothing here blocks: what does not fit into the socket waits
 * in a short queue, then is lost, as on a wire. A port without a peer (vitrine-net has died, or the appliance says
 * startConnected = FALSE) has its link down; what is sent is lost.
 */
#ifndef VITRINE_NET_H
#define VITRINE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct device;
struct loop;
struct net_port;

#define NET_FRAME_MIN 14u    /* a header; cards pad to 60 themselves */
#define NET_FRAME_MAX 65550u /* a TCP segment of 64 KiB before segmentation, with its Ethernet header */

struct net_port_ops {
	/* A frame has come in. false: the card has no buffer for it; it is kept and offered again after net_port_ready(). */
	bool (*receive)(struct device *d, const uint8_t *frame, size_t length);
	void (*link_changed)(struct device *d, bool up);
};

/* fd: a SOCK_SEQPACKET socket, one frame per message, owned from now on; -1: no cable. NULL: no memory. I/O thread. */
struct net_port *net_port_new(struct loop *loop, int fd);
void net_port_free(struct net_port *port);                     /* after its card. Harmless on NULL */
void net_port_attach(struct net_port *port, int fd);           /* another cable, or -1: pulled. I/O thread */
void net_port_set_link(struct net_port *port, bool connected); /* ethernetN.startConnected; I/O thread */

/* The card's side. port NULL: a card without a cable. */
void net_port_set_card(struct net_port *port, struct device *d, const struct net_port_ops *ops);
bool net_port_link(const struct net_port *port);
/* frame: NET_FRAME_MIN to NET_FRAME_MAX bytes in all, copied. */
void net_port_send(struct net_port *port, const struct iovec *frame, unsigned count);
/* The card has receive buffers again: kept frames are offered from the I/O thread. */
void net_port_ready(struct net_port *port);

/* I/O thread: while held, no frame reaches the card (the machine is paused); frames wait in the socket. */
void net_port_hold(struct net_port *port, bool held);

#endif
