/* SPDX-License-Identifier: MIT */
/* The arithmetic that the chip takes off its driver: Internet checksums both ways, and the headers of TCP segments. */
#include "core/net/e1000_private.h"
#include "core/net/inet_sum.h"

#define ETHERNET_HEADER 14u
#define VLAN_TAG 4u
#define TYPE_IPV4 0x0800u
#define TYPE_IPV6 0x86ddu
#define IPV6_HEADER 40u
#define TCP_FIN_PSH 0x09u

/* ---- transmit ---- */

void e1000_insert_checksum(uint8_t *data, uint32_t length, uint32_t start, uint32_t at, uint32_t end, bool udp)
{
	uint16_t sum;

	if (!end || end >= length)
		end = length - 1;
	if (start > end || at + 2 > length)
		return;
	sum = (uint16_t)~inet_fold(inet_sum(data + start, end - start + 1));
	/* Zero means "no checksum" in UDP (RFC 768); both are the same number in one's complement. */
	be16_store(data + at, udp && !sum ? 0xffff : sum);
}

/* SDM 3.5.7: which fields of the prototype header change from frame to frame. Nothing lies outside of the header's bytes. */
static void ip_header(struct e1000_tx *tx, const struct e1000_context *c, uint32_t length)
{
	uint8_t *ip = tx->data + c->ipcss;

	if (c->tucmd & TXD_TUCMD_IP && c->ipcss + 6u <= tx->header) {
		be16_store(ip + 2, (uint16_t)(length - c->ipcss));
		be16_store(ip + 4, (uint16_t)(be16_load(ip + 4) + tx->segments));
	} else if (!(c->tucmd & TXD_TUCMD_IP) && c->ipcss + IPV6_HEADER <= tx->header) {
		be16_store(ip + 4, (uint16_t)(length - c->ipcss - IPV6_HEADER));
	}
}

static void transport_header(struct e1000_tx *tx, const struct e1000_context *c, uint32_t length, bool last)
{
	uint8_t *transport = tx->data + c->tucss;

	if (c->tucmd & TXD_TUCMD_TCP && c->tucss + 14u <= tx->header) {
		be32_store(transport + 4, be32_load(transport + 4) + tx->sent);
		if (!last)
			transport[13] &= (uint8_t)~TCP_FIN_PSH;
	} else if (!(c->tucmd & TXD_TUCMD_TCP) && c->tucss + 6u <= tx->header) {
		be16_store(transport + 4, (uint16_t)(length - c->tucss));
	}
}

void e1000_segment_headers(struct e1000_tx *tx, uint32_t payload, bool last)
{
	const struct e1000_context *c = &tx->contexts[1];
	uint32_t length = tx->header + payload;
	uint8_t *sum = tx->data + c->tucso;

	memcpy(tx->data, tx->prototype, tx->header);
	ip_header(tx, c, length);
	transport_header(tx, c, length, last);
	/* The driver has left the pseudo header's sum there, without the length, which differs from frame to frame. */
	if (tx->popts & TXD_POPTS_TXSM && c->tucso + 2u <= tx->header && c->tucss < tx->header)
		be16_store(sum, inet_fold((uint64_t)be16_load(sum) + length - c->tucss));
}

/* ---- receive ---- */

struct packet {
	const uint8_t *data; /* from the IP header on, as long as IP says */
	size_t length, header;
	uint64_t pseudo; /* the addresses' sum */
	unsigned protocol;
	bool fragment;
};

static bool parse_ipv4(const uint8_t *ip, size_t length, struct packet *ret)
{
	size_t header = (size_t)(ip[0] & 0x0f) * 4, total = length < 20 ? 0 : be16_load(ip + 2);

	if (ip[0] >> 4 != 4 || header < 20 || total < header || total > length)
		return false;
	*ret = (struct packet){ .data = ip,
		                .length = total,
		                .header = header,
		                .pseudo = inet_sum(ip + 12, 8),
		                .protocol = ip[9],
		                .fragment = be16_load(ip + 6) & 0x3fff };
	return true;
}

/* Without extension headers: the chip of this generation looks for no transport header behind them. */
static bool parse_ipv6(const uint8_t *ip, size_t length, struct packet *ret)
{
	size_t payload = length < IPV6_HEADER ? 0 : be16_load(ip + 4);

	if (ip[0] >> 4 != 6 || length < IPV6_HEADER || payload > length - IPV6_HEADER)
		return false;
	*ret = (struct packet){ .data = ip,
		                .length = IPV6_HEADER + payload,
		                .header = IPV6_HEADER,
		                .pseudo = inet_sum(ip + 8, 32),
		                .protocol = ip[6] };
	return true;
}

static void verify_transport(const struct packet *p, uint8_t *status, uint8_t *errors)
{
	size_t length = p->length - p->header;
	const uint8_t *data = p->data + p->header;

	if (p->fragment || (p->protocol == INET_TCP && length < 20) || (p->protocol == INET_UDP && length < 8) ||
	    (p->protocol != INET_TCP && p->protocol != INET_UDP))
		return;
	if (p->protocol == INET_UDP && !be16_load(data + 6)) /* its sender made none */
		return;
	*status |= RXD_TCPCS;
	if (inet_fold(p->pseudo + p->protocol + length + inet_sum(data, length)) != 0xffff)
		*errors |= RXD_ERROR_TCPE;
}

void e1000_verify_checksums(uint32_t rxcsum, uint16_t vlan_type, const uint8_t *frame, size_t length,
                            uint8_t *ret_status, uint8_t *ret_errors)
{
	size_t at = ETHERNET_HEADER;
	struct packet p;
	uint16_t type;

	if (length > ETHERNET_HEADER + VLAN_TAG && be16_load(frame + at - 2) == vlan_type)
		at += VLAN_TAG;
	type = be16_load(frame + at - 2);
	if (length <= at)
		return;
	if (type == TYPE_IPV4 && parse_ipv4(frame + at, length - at, &p)) {
		if (rxcsum & RXCSUM_IPOFLD) {
			*ret_status |= RXD_IPCS;
			if (inet_fold(inet_sum(p.data, p.header)) != 0xffff)
				*ret_errors |= RXD_ERROR_IPE;
		}
		if (rxcsum & RXCSUM_TUOFLD)
			verify_transport(&p, ret_status, ret_errors);
	} else if (type == TYPE_IPV6 && rxcsum & RXCSUM_TUOFLD && rxcsum & RXCSUM_IPV6OFL &&
	           parse_ipv6(frame + at, length - at, &p)) {
		verify_transport(&p, ret_status, ret_errors);
	}
}
