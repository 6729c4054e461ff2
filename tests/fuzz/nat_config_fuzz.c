/* SPDX-License-Identifier: MIT */
/* Both ends of vitrine-net's control socket, and a resolv.conf: what was let through must be in range. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/nat/config.h"
#include "vmformat/bytes.h"

static void require(bool claim)
{
	if (!claim)
		abort();
}

static void check_start(const struct nat_start *s)
{
	require(s->nic_count >= 1 && s->nic_count <= NAT_MAX_NICS && s->forward_count <= NAT_MAX_FORWARDS);
	for (unsigned i = 0; i < s->forward_count; i++)
		require(s->forwards[i].protocol < NAT_PROTOCOLS && s->forwards[i].host_port &&
		        s->forwards[i].guest_port);
}

static void check_message(const uint8_t *data, size_t size, enum nat_side from)
{
	static const uint32_t lengths[] = { sizeof(struct nat_start), sizeof(struct nat_nameservers),
		                            sizeof(struct nat_report) };
	union nat_message m = { .header = { 0 } };
	uint32_t length = lengths[size ? data[0] % ARRAY_SIZE(lengths) : 0];

	memcpy(&m, data, MIN(size, sizeof(m)));
	m.header.length = length;
	if (!nat_check(&m, length, from))
		return;
	require(from == FROM_NAT ? m.header.type == NAT_REPORT : m.header.type != NAT_REPORT);
	if (m.header.type == NAT_START)
		check_start(&m.start);
}

static void check_resolv_conf(const uint8_t *data, size_t size)
{
	static const struct nat_servers none;
	char *text = strndup((const char *)data, size);
	struct nat_servers servers;

	require(text);
	nat_read_resolv_conf(text, &servers);
	require(memcmp(&servers, &none, sizeof(none)) || strstr(text, "nameserver"));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_message(data, size, FROM_NAT_BROKER);
	check_message(data, size, FROM_NAT);
	check_resolv_conf(data, size);
	return 0;
}
