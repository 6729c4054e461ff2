/* SPDX-License-Identifier: MIT */
/*
 * What the broker tells vitrine-net, and what comes back: fixed-size messages on a SOCK_SEQPACKET socket, native byte
 * order, no descriptors. vitrine-net is born with that socket as NAT_CONTROL_FD and one frame socket per card from
 * NAT_FRAME_FD on. It talks to guests and to the whole internet, so the broker believes it nothing but numbers in
 * range: the sentences for the user are the broker's own.
 */
#ifndef VITRINE_NAT_CONFIG_H
#define VITRINE_NAT_CONFIG_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAT_VERSION 1u
#define NAT_CONTROL_FD 3
#define NAT_FRAME_FD 4
#define NAT_MAX_NICS 10u     /* VMware's virtual hardware has ten */
#define NAT_MAX_FORWARDS 16u /* vmformat's APPLIANCE_MAX_FORWARDS */

enum nat_type {
	NAT_START = 1,   /* broker -> vitrine-net, first of all */
	NAT_NAMESERVERS, /* broker -> vitrine-net: the host's have changed */
	NAT_REPORT = 64, /* vitrine-net -> broker, once: the door is shut, frames are served */
};

enum nat_flags { NAT_HOST_LOOPBACK = 1 /* guests reach the host's 127.0.0.1 as 10.0.x.2 */ };
enum nat_protocol { NAT_TCP, NAT_UDP, NAT_PROTOCOLS };

struct nat_forward { /* to the first card's machine */
	uint8_t protocol;
	uint8_t reserved[3];
	uint8_t address[4]; /* where the host listens */
	uint16_t host_port, guest_port;
};
static_assert(sizeof(struct nat_forward) == 12, "wire");

struct nat_servers { /* the host's first name server of each family; all zeros: none */
	uint8_t ipv4[4];
	uint8_t ipv6[16];
};

struct nat_header {
	uint32_t type;
	uint32_t length; /* of the whole message */
};

struct nat_start {
	struct nat_header header;
	uint32_t version;
	uint32_t flags;
	uint32_t nic_count;
	uint32_t forward_count;
	struct nat_forward forwards[NAT_MAX_FORWARDS];
	struct nat_servers servers;
};

struct nat_nameservers {
	struct nat_header header;
	struct nat_servers servers;
};

struct nat_report {
	struct nat_header header;
	uint32_t landlock_abi;
	int32_t forward_errors[NAT_MAX_FORWARDS]; /* 0: listening; else a negative errno */
};

union nat_message {
	struct nat_header header;
	struct nat_start start;
	struct nat_nameservers nameservers;
	struct nat_report report;
};

enum nat_side { FROM_NAT_BROKER, FROM_NAT };

bool nat_forward_is_sound(const struct nat_forward *f);
/* Everything that can be checked without knowing the conversation. */
bool nat_check(const union nat_message *m, size_t length, enum nat_side from);
/* Fills type and length. 0, -EPIPE, or another negative errno; does not block. */
int nat_send(int socket, union nat_message *m, enum nat_type type);
/* One checked message. 0; -EAGAIN (does not block if the socket does not); -EPIPE: the peer has gone; -EPROTO. */
int nat_receive(int socket, union nat_message *m, enum nat_side from);

/* The first name server of each family in a resolv.conf; as resolv.conf(5) says, the host itself if there is none.
 * Link-local IPv6 servers ("fe80::1%eth0") are passed over: their zone means nothing to a guest. */
void nat_read_resolv_conf(const char *text, struct nat_servers *ret_servers);

#endif
