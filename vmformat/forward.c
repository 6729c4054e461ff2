/* SPDX-License-Identifier: MIT */
/* vitrine.forwardN = "tcp:8443:443", "udp:127.0.0.1:5353:53": a port of the host that leads into the machine. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/vmx_fields.h"

static const char *const protocols[] = { [FORWARD_TCP] = "tcp", [FORWARD_UDP] = "udp" };

static bool read_protocol(const char *text, enum appliance_protocol *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (!strcasecmp(protocols[i], text)) {
			*ret = (enum appliance_protocol)i;
			return true;
		}
	return false;
}

/* 1 to 65535, digits only. */
static bool read_port(const char *text, uint16_t *ret)
{
	size_t length = strspn(text, "0123456789");
	unsigned long n = length && length <= 5 && !text[length] ? strtoul(text, NULL, 10) : 0;

	*ret = (uint16_t)n;
	return n > 0 && n <= 65535;
}

static bool read_address(const char *text, uint8_t ret[4])
{
	return inet_pton(AF_INET, text, ret) == 1;
}

int vmx_forward_read(const char *value, struct appliance_forward *forward)
{
	struct appliance_forward f = { .number = forward->number, .address = { 127, 0, 0, 1 } };
	char copy[48], *rest = copy, *words[5];
	unsigned count = 0;
	bool sound;

	if (strlen(value) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, value);
	while (count < ARRAY_SIZE(words) && (words[count] = strsep(&rest, ":")))
		count++;
	if (count != 3 && count != 4)
		return -EINVAL;
	sound = read_protocol(words[0], &f.protocol) && (count == 3 || read_address(words[1], f.address)) &&
	        read_port(words[count - 2], &f.host_port) && read_port(words[count - 1], &f.guest_port);
	if (!sound)
		return -EINVAL;
	*forward = f;
	return 0;
}

void vmx_forward_print(const struct appliance_forward *f, char ret_text[48])
{
	static const uint8_t usual[4] = { 127, 0, 0, 1 };
	char address[20] = "";

	if (memcmp(f->address, usual, 4))
		snprintf(address, sizeof(address), "%u.%u.%u.%u:", f->address[0], f->address[1], f->address[2],
		         f->address[3]);
	snprintf(ret_text, 48, "%s:%s%u:%u", protocols[f->protocol], address, f->host_port, f->guest_port);
}
