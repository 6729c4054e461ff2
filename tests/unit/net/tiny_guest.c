/* SPDX-License-Identifier: MIT */
#include "tiny_guest.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmformat/bytes.h"

#define ETHERNET 14
#define IPV4 20
#define IPV6 40
#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMP6 58
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

static const uint8_t everybody[6] = { 255, 255, 255, 255, 255, 255 };

void guest_init(struct guest *g, int fd, uint8_t number)
{
	*g = (struct guest){ .fd = fd, .port = 40000 };
	memcpy(g->mac, (uint8_t[]){ 0x00, 0x0c, 0x29, 1, 2, number }, 6);
	memcpy(g->ip, (uint8_t[]){ 10, 0, number, 15 }, 4);
	memcpy(g->ip6, (uint8_t[]){ 0xfe, 0x80, [8] = 2, [15] = number }, 16);
	memcpy(g->gateway_mac, everybody, 6);
}

void guest_raw(struct guest *g, const void *frame, size_t length)
{
	assert_int_equal(send(g->fd, frame, length, MSG_NOSIGNAL), length);
}

/* ---- checksums ---- */

static uint32_t sum(uint32_t s, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		s += be16_load(data + i);
	if (length % 2)
		s += (uint32_t)data[length - 1] << 8;
	return s;
}

static uint16_t folded(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* ---- frames out ---- */

static void ethernet(struct guest *g, uint8_t *frame, const uint8_t to[6], uint16_t type)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, g->mac, 6);
	be16_store(frame + 12, type);
}

/* payload with its checksum field (at `check`) zero; TCP and UDP have the pseudo header in theirs. */
static void send_ipv4(struct guest *g, const uint8_t to[4], uint8_t protocol, uint8_t *payload, size_t length,
                      size_t check)
{
	static uint8_t frame[GUEST_FRAME];
	uint8_t *ip = frame + ETHERNET;
	uint32_t s = 0;

	assert_true(ETHERNET + IPV4 + length <= sizeof(frame));
	ethernet(g, frame, g->gateway_mac, 0x0800);
	memset(ip, 0, IPV4);
	ip[0] = 0x45;
	be16_store(ip + 2, (uint16_t)(IPV4 + length));
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, g->ip, 4);
	memcpy(ip + 16, to, 4);
	be16_store(ip + 10, folded(sum(0, ip, IPV4)));
	if (protocol != PROTOCOL_ICMP)
		s = sum(protocol + (uint32_t)length, ip + 12, 8);
	be16_store(payload + check, folded(sum(s, payload, length)));
	memcpy(ip + IPV4, payload, length);
	guest_raw(g, frame, ETHERNET + IPV4 + length);
}

static void send_ipv6(struct guest *g, const uint8_t to[16], uint8_t protocol, uint8_t *payload, size_t length,
                      size_t check)
{
	static uint8_t frame[GUEST_FRAME];
	uint8_t *ip = frame + ETHERNET;

	ethernet(g, frame, g->gateway_mac, 0x86dd);
	memset(ip, 0, IPV6);
	ip[0] = 0x60;
	be16_store(ip + 4, (uint16_t)length);
	ip[6] = protocol;
	ip[7] = 255;
	memcpy(ip + 8, g->ip6, 16);
	memcpy(ip + 24, to, 16);
	be16_store(payload + check, folded(sum(sum(protocol + (uint32_t)length, ip + 8, 32), payload, length)));
	memcpy(ip + IPV6, payload, length);
	guest_raw(g, frame, ETHERNET + IPV6 + length);
}

/* ---- frames in ---- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void answer_arp(struct guest *g)
{
	uint8_t reply[60] = { 0 };
	const uint8_t *ask = g->frame + ETHERNET;

	if (be16_load(g->frame + 12) != 0x0806 || be16_load(ask + 6) != 1 || memcmp(ask + 24, g->ip, 4))
		return;
	ethernet(g, reply, g->frame + 6, 0x0806);
	memcpy(reply + ETHERNET, ask, 8);
	be16_store(reply + ETHERNET + 6, 2);
	memcpy(reply + ETHERNET + 8, g->mac, 6);
	memcpy(reply + ETHERNET + 14, g->ip, 4);
	memcpy(reply + ETHERNET + 18, ask + 8, 10);
	guest_raw(g, reply, sizeof(reply));
}

/* The next frame that `wanted` takes, or false after wait_ms. Others are dropped, ARP is answered. */
static bool wait_for(struct guest *g, int wait_ms, bool (*wanted)(struct guest *g, unsigned detail), unsigned detail)
{
	int64_t end = now_ms() + wait_ms;

	for (;;) {
		struct pollfd p = { .fd = g->fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, (int)MAX(end - now_ms(), 0)) <= 0)
			return false;
		n = recv(g->fd, g->frame, sizeof(g->frame), 0);
		if (n <= 0)
			return false;
		g->length = (size_t)n;
		answer_arp(g);
		if (wanted(g, detail))
			return true;
	}
}

static const uint8_t *ipv4_payload(struct guest *g, uint8_t protocol, size_t *ret_length)
{
	const uint8_t *ip = g->frame + ETHERNET;
	size_t header = (size_t)(ip[0] & 15) * 4;

	*ret_length = 0;
	if (g->length < ETHERNET + IPV4 || be16_load(g->frame + 12) != 0x0800 || ip[9] != protocol)
		return NULL;
	*ret_length = be16_load(ip + 2) - header;
	return ip + header;
}

/* ---- ARP ---- */

static bool is_arp_reply(struct guest *g, unsigned detail)
{
	(void)detail;
	return be16_load(g->frame + 12) == 0x0806 && be16_load(g->frame + ETHERNET + 6) == 2;
}

void guest_arp(struct guest *g, const uint8_t ip[4])
{
	uint8_t ask[60] = { 0 };

	ethernet(g, ask, everybody, 0x0806);
	memcpy(ask + ETHERNET, (uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, 1 }, 8);
	memcpy(ask + ETHERNET + 8, g->mac, 6);
	memcpy(ask + ETHERNET + 14, g->ip, 4);
	memcpy(ask + ETHERNET + 24, ip, 4);
	guest_raw(g, ask, sizeof(ask));
	assert_true(wait_for(g, GUEST_WAIT_MS, is_arp_reply, 0));
	memcpy(g->gateway_mac, g->frame + ETHERNET + 8, 6);
}

/* ---- UDP, DHCP ---- */

void guest_udp_send(struct guest *g, const uint8_t ip[4], uint16_t from, uint16_t to, const void *data, size_t length)
{
	uint8_t packet[2048] = { 0 };

	be16_store(packet, from);
	be16_store(packet + 2, to);
	be16_store(packet + 4, (uint16_t)(8 + length));
	memcpy(packet + 8, data, length);
	send_ipv4(g, ip, PROTOCOL_UDP, packet, 8 + length, 6);
}

static bool is_udp(struct guest *g, unsigned port)
{
	size_t length;
	const uint8_t *udp = ipv4_payload(g, PROTOCOL_UDP, &length);

	return udp && be16_load(udp + 2) == port;
}

int guest_udp_receive(struct guest *g, uint16_t to, void *data, size_t size, uint8_t ret_ip[4], uint16_t *ret_from,
                      int wait_ms)
{
	const uint8_t *udp;
	size_t length;

	if (!wait_for(g, wait_ms, is_udp, to))
		return -1;
	udp = ipv4_payload(g, PROTOCOL_UDP, &length);
	if (ret_ip)
		memcpy(ret_ip, g->frame + ETHERNET + 12, 4);
	if (ret_from)
		*ret_from = be16_load(udp);
	length = MIN(size, length - MIN(length, 8));
	memcpy(data, udp + 8, length);
	return (int)length;
}

/* The value of a DHCP option (RFC 2132), 4 bytes. */
static bool dhcp_option(const uint8_t *options, size_t length, uint8_t code, uint8_t ret[4])
{
	for (size_t i = 0; i + 1 < length && options[i] != 255; i += options[i] ? 2u + options[i + 1] : 1u)
		if (options[i] == code && i + 6 <= length) {
			memcpy(ret, options + i + 2, 4);
			return true;
		}
	return false;
}

bool guest_dhcp(struct guest *g, struct lease *ret_lease)
{
	static const uint8_t all[4] = { 255, 255, 255, 255 };
	uint8_t message[300] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78 }, answer[600], own[4];
	bool complete = true;

	memcpy(own, g->ip, 4);
	memcpy(message + 28, g->mac, 6);
	memcpy(message + 236, (uint8_t[]){ 0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255 }, 8); /* discover */
	for (uint8_t kind = 1; kind <= 3 && complete; kind += 2) {
		int n;

		message[242] = kind;
		memset(g->ip, 0, 4);
		guest_udp_send(g, all, 68, 67, message, sizeof(message));
		n = guest_udp_receive(g, 68, answer, sizeof(answer), NULL, NULL, GUEST_WAIT_MS);
		complete = n > 240 && memcmp(answer + 4, message + 4, 4) == 0;
		if (!complete)
			break;
		memcpy(ret_lease->ip, answer + 16, 4);
		complete = dhcp_option(answer + 240, (size_t)n - 240, 3, ret_lease->router) &&
		           dhcp_option(answer + 240, (size_t)n - 240, 6, ret_lease->nameserver);
		/* Now a request for what was offered. */
		memcpy(message + 243, (uint8_t[]){ 50, 4 }, 2);
		memcpy(message + 245, ret_lease->ip, 4);
		message[249] = 255;
	}
	memcpy(g->ip, own, 4);
	return complete;
}

/* ---- ICMP ---- */

static bool is_echo_reply(struct guest *g, unsigned sequence)
{
	size_t length;
	const uint8_t *icmp = ipv4_payload(g, PROTOCOL_ICMP, &length);

	return icmp && icmp[0] == 0 && be16_load(icmp + 6) == sequence;
}

bool guest_ping(struct guest *g, const uint8_t ip[4])
{
	static uint8_t sequence;
	uint8_t echo[64] = { 8, 0, 0, 0, 0x77, 0x77, 0, ++sequence };

	send_ipv4(g, ip, PROTOCOL_ICMP, echo, sizeof(echo), 2);
	return wait_for(g, GUEST_QUIET_MS, is_echo_reply, sequence);
}

/* ---- TCP ---- */

static void fill_tcp(struct guest *g, uint8_t *packet, uint8_t flags)
{
	memset(packet, 0, 20);
	be16_store(packet, g->port);
	be16_store(packet + 2, g->far_port);
	be32_store(packet + 4, g->sent);
	be32_store(packet + 8, g->got);
	packet[12] = 5 << 4;
	packet[13] = flags;
	be16_store(packet + 14, 65535);
}

static void send_tcp(struct guest *g, uint8_t flags, const void *data, size_t length)
{
	static uint8_t packet[GUEST_FRAME];

	fill_tcp(g, packet, flags);
	if (length)
		memcpy(packet + 20, data, length);
	send_ipv4(g, g->far_ip, PROTOCOL_TCP, packet, 20 + length, 16);
	g->sent += (uint32_t)length + (flags & (TCP_SYN | TCP_FIN) ? 1 : 0);
}

static bool is_tcp_answer(struct guest *g, unsigned port)
{
	size_t length;
	const uint8_t *tcp = ipv4_payload(g, PROTOCOL_TCP, &length), *icmp = ipv4_payload(g, PROTOCOL_ICMP, &length);

	return (tcp && be16_load(tcp + 2) == port) || (icmp && icmp[0] == 3);
}

enum tcp_answer guest_tcp_connect(struct guest *g, const uint8_t ip[4], uint16_t port)
{
	const uint8_t *tcp;
	size_t length;

	g->port++;
	g->far_port = port;
	memcpy(g->far_ip, ip, 4);
	g->sent = 1000u * g->port;
	g->got = 0;
	send_tcp(g, TCP_SYN, NULL, 0);
	if (!wait_for(g, GUEST_WAIT_MS, is_tcp_answer, g->port))
		return TCP_SILENCE;
	tcp = ipv4_payload(g, PROTOCOL_TCP, &length);
	if (!tcp)
		return TCP_UNREACHABLE;
	if (tcp[13] & TCP_RST)
		return TCP_REFUSED;
	assert_int_equal(tcp[13] & (TCP_SYN | TCP_ACK), TCP_SYN | TCP_ACK);
	g->got = be32_load(tcp + 4) + 1;
	send_tcp(g, TCP_ACK, NULL, 0);
	return TCP_OPEN;
}

static bool is_syn(struct guest *g, unsigned port)
{
	size_t length;
	const uint8_t *tcp = ipv4_payload(g, PROTOCOL_TCP, &length);

	return tcp && be16_load(tcp + 2) == port && (tcp[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

bool guest_tcp_accept(struct guest *g, uint16_t port)
{
	const uint8_t *tcp;
	size_t length;

	if (!wait_for(g, GUEST_WAIT_MS, is_syn, port))
		return false;
	tcp = ipv4_payload(g, PROTOCOL_TCP, &length);
	g->port = port;
	g->far_port = be16_load(tcp);
	memcpy(g->far_ip, g->frame + ETHERNET + 12, 4);
	g->got = be32_load(tcp + 4) + 1;
	g->sent = 777;
	send_tcp(g, TCP_SYN | TCP_ACK, NULL, 0);
	return true;
}

void guest_tcp_send(struct guest *g, const void *data, size_t length)
{
	send_tcp(g, TCP_ACK | TCP_PSH, data, length);
}

static bool is_new_data(struct guest *g, unsigned port)
{
	size_t length;
	const uint8_t *tcp = ipv4_payload(g, PROTOCOL_TCP, &length);

	return tcp && be16_load(tcp + 2) == port && length > (size_t)(tcp[12] >> 4) * 4 && be32_load(tcp + 4) == g->got;
}

size_t guest_tcp_receive(struct guest *g, void *data, size_t size)
{
	const uint8_t *tcp;
	size_t length, header;

	if (!wait_for(g, GUEST_WAIT_MS, is_new_data, g->port))
		return 0;
	tcp = ipv4_payload(g, PROTOCOL_TCP, &length);
	header = (size_t)(tcp[12] >> 4) * 4;
	length -= header;
	assert_true(length <= size);
	memcpy(data, tcp + header, length);
	g->got += (uint32_t)length;
	send_tcp(g, TCP_ACK, NULL, 0);
	return length;
}

/* ---- IPv6 ---- */

static bool is_icmp6(struct guest *g, unsigned type)
{
	return be16_load(g->frame + 12) == 0x86dd && g->frame[ETHERNET + 6] == PROTOCOL_ICMP6 &&
	       g->frame[ETHERNET + IPV6] == type;
}

int guest_icmp6(struct guest *g, const uint8_t to[16], uint8_t type, const void *body, size_t length, uint8_t wanted)
{
	uint8_t packet[256] = { type };

	memcpy(packet + 4, body, length);
	send_ipv6(g, to, PROTOCOL_ICMP6, packet, 4 + length, 2);
	return wait_for(g, GUEST_WAIT_MS, is_icmp6, wanted) ? wanted : -1;
}

static bool is_tcp6_answer(struct guest *g, unsigned port)
{
	const uint8_t *ip = g->frame + ETHERNET;

	if (be16_load(g->frame + 12) != 0x86dd)
		return false;
	return (ip[6] == PROTOCOL_TCP && be16_load(ip + IPV6 + 2) == port) ||
	       (ip[6] == PROTOCOL_ICMP6 && ip[IPV6] == 1 /* unreachable */);
}

enum tcp_answer guest_tcp6_connect(struct guest *g, const uint8_t to[16], uint16_t port)
{
	uint8_t packet[20];
	const uint8_t *ip = g->frame + ETHERNET;

	g->port++;
	g->far_port = port;
	g->sent = 1000u * g->port;
	g->got = 0;
	fill_tcp(g, packet, TCP_SYN);
	send_ipv6(g, to, PROTOCOL_TCP, packet, sizeof(packet), 16);
	if (!wait_for(g, GUEST_WAIT_MS, is_tcp6_answer, g->port))
		return TCP_SILENCE;
	if (ip[6] == PROTOCOL_ICMP6)
		return TCP_UNREACHABLE;
	return ip[IPV6 + 13] & TCP_RST ? TCP_REFUSED : TCP_OPEN;
}
