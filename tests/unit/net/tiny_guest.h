/* SPDX-License-Identifier: MIT */
/*
 * A guest of a few hundred lines on the far end of a frame socket: ARP, DHCP, ICMP echo, UDP, and one TCP connection at a time
 * (no retransmission: nothing is lost here). Waits at most GUEST_WAIT_MS for an answer. Fails the test on what cannot be.
 */
#ifndef VITRINE_TINY_GUEST_H
#define VITRINE_TINY_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_WAIT_MS 3000
#define GUEST_QUIET_MS 400 /* long enough to say that nothing comes */
#define GUEST_FRAME 65550

struct guest {
	int fd;
	uint8_t mac[6], ip[4], ip6[16];
	uint8_t gateway_mac[6];
	uint8_t frame[GUEST_FRAME]; /* the last one that was waited for */
	size_t length;
	/* TCP */
	uint16_t port, far_port;
	uint8_t far_ip[4];
	uint32_t sent, got; /* next sequence numbers */
};

struct lease {
	uint8_t ip[4], router[4], nameserver[4];
};

enum tcp_answer { TCP_SILENCE, TCP_OPEN, TCP_REFUSED /* a reset */, TCP_UNREACHABLE /* an ICMP error */ };

void guest_init(struct guest *g, int fd, uint8_t number); /* 10.0.(number).15, the MAC ends in number */
void guest_raw(struct guest *g, const void *frame, size_t length);
void guest_arp(struct guest *g, const uint8_t ip[4]); /* finds gateway_mac */
bool guest_dhcp(struct guest *g, struct lease *ret_lease);
bool guest_ping(struct guest *g, const uint8_t ip[4]);
void guest_udp_send(struct guest *g, const uint8_t ip[4], uint16_t from, uint16_t to, const void *data, size_t length);
/* Waits for a datagram to one of our ports; its length or -1. ret_ip and ret_from may be NULL. */
int guest_udp_receive(struct guest *g, uint16_t to, void *data, size_t size, uint8_t ret_ip[4], uint16_t *ret_from,
                      int wait_ms);
enum tcp_answer guest_tcp_connect(struct guest *g, const uint8_t ip[4], uint16_t port);
bool guest_tcp_accept(struct guest *g, uint16_t port);
void guest_tcp_send(struct guest *g, const void *data, size_t length);
size_t guest_tcp_receive(struct guest *g, void *data, size_t size); /* one segment, acknowledged; 0: none came */
/* ICMPv6 from our link-local address; type of the answer that came, or -1. */
int guest_icmp6(struct guest *g, const uint8_t to[16], uint8_t type, const void *body, size_t length, uint8_t wanted);
enum tcp_answer guest_tcp6_connect(struct guest *g, const uint8_t to[16], uint16_t port);

#endif
