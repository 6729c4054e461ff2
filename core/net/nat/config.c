/* SPDX-License-Identifier: MIT */
#include "core/net/nat/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "vmformat/bytes.h"

/* ---- the messages ---- */

bool nat_forward_is_sound(const struct nat_forward *f)
{
	return f->protocol < NAT_PROTOCOLS && f->host_port && f->guest_port;
}

static bool start_is_sound(const union nat_message *m)
{
	const struct nat_start *s = &m->start;

	if (s->version != NAT_VERSION || s->flags & ~(uint32_t)NAT_HOST_LOOPBACK || s->nic_count < 1 ||
	    s->nic_count > NAT_MAX_NICS || s->forward_count > NAT_MAX_FORWARDS)
		return false;
	for (unsigned i = 0; i < s->forward_count; i++)
		if (!nat_forward_is_sound(&s->forwards[i]))
			return false;
	return true;
}

static bool always_sound(const union nat_message *m)
{
	(void)m;
	return true;
}

static bool report_is_sound(const union nat_message *m)
{
	for (unsigned i = 0; i < NAT_MAX_FORWARDS; i++)
		if (m->report.forward_errors[i] > 0 || m->report.forward_errors[i] < -4095) /* Linux' MAX_ERRNO */
			return false;
	return true;
}

static const struct shape {
	enum nat_type type;
	enum nat_side from;
	uint32_t length;
	bool (*is_sound)(const union nat_message *m);
} shapes[] = {
	{ NAT_START, FROM_NAT_BROKER, sizeof(struct nat_start), start_is_sound },
	{ NAT_NAMESERVERS, FROM_NAT_BROKER, sizeof(struct nat_nameservers), always_sound },
	{ NAT_REPORT, FROM_NAT, sizeof(struct nat_report), report_is_sound },
};

static const struct shape *shape_of(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}

bool nat_check(const union nat_message *m, size_t length, enum nat_side from)
{
	const struct shape *shape = length >= sizeof(m->header) ? shape_of(m->header.type) : NULL;

	return shape && shape->from == from && length == shape->length && m->header.length == length &&
	       shape->is_sound(m);
}

int nat_send(int socket, union nat_message *m, enum nat_type type)
{
	const struct shape *shape = shape_of(type);

	assert(shape);
	m->header = (struct nat_header){ type, shape->length };
	if (send(socket, m, shape->length, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

int nat_receive(int socket, union nat_message *m, enum nat_side from)
{
	ssize_t n;

	do
		n = recv(socket, m, sizeof(*m), MSG_TRUNC); /* the true length, also of what was cut */
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n <= 0)
		return n == 0 ? -EPIPE : -errno;
	return nat_check(m, (size_t)n, from) ? 0 : -EPROTO;
}

/* ---- resolv.conf ---- */

/* The address of a "nameserver" line, into text; false: another line. */
static bool nameserver_of(const char *line, size_t length, char text[64])
{
	static const char word[] = "nameserver";
	size_t at = sizeof(word) - 1, end;

	if (length <= at || memcmp(line, word, at) || (line[at] != ' ' && line[at] != '\t'))
		return false;
	while (at < length && (line[at] == ' ' || line[at] == '\t'))
		at++;
	for (end = at; end < length && !strchr(" \t\r", line[end]);)
		end++;
	if (end - at >= 64)
		return false;
	memcpy(text, line + at, end - at);
	text[end - at] = 0;
	return true;
}

void nat_read_resolv_conf(const char *text, struct nat_servers *ret_servers)
{
	bool have4 = false, have6 = false;
	char address[64];

	*ret_servers = (struct nat_servers){ { 0 }, { 0 } };
	while (*text) {
		size_t length = strcspn(text, "\n");

		if (nameserver_of(text, length, address)) {
			have4 = have4 || inet_pton(AF_INET, address, ret_servers->ipv4) == 1;
			have6 = have6 || inet_pton(AF_INET6, address, ret_servers->ipv6) == 1;
		}
		text += length + (text[length] == '\n');
	}
	if (!have4 && !have6)
		memcpy(ret_servers->ipv4, (uint8_t[]){ 127, 0, 0, 1 }, 4);
}
