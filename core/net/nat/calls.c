/* SPDX-License-Identifier: MIT */
#include "core/net/nat/calls.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmformat/bytes.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define DNS_PORT 53u
#define MAX_PEERS \
	64 /* programs of the host that talk to forwarded UDP ports at the same time; then the oldest is forgotten */

/* libslirp answers the guest with an ICMP error. Not ECONNREFUSED: its reset is then made of the guest's own packet, which
 * libslirp 4.7 frees while it still waits for the neighbour's address. */
#define REFUSED ENETUNREACH

struct peer {
	int socket;
	struct sockaddr_in address;
};

static struct {
	bool closed, loopback;
	struct nat_servers servers;
	unsigned changes; /* of servers */
	struct peer peers[MAX_PEERS];
	unsigned next_peer;
} policy;

void calls_set_servers(const struct nat_servers *servers)
{
	policy.servers = *servers;
	policy.changes++;
}

void calls_close_host(bool allow_loopback)
{
	policy.closed = true;
	policy.loopback = allow_loopback;
}

/* ---- where a guest's words may go ---- */

/*
 * The host itself: 127.0.0.0/8, and 0.0.0.0/8, which Linux takes for it. libslirp maps 10.0.2.2 to it, which
 * disable_host_loopback stops; but a guest can as well write 127.0.0.1 into a packet, or have any port of a name
 * server at 127.0.0.53 by 10.0.2.3. So the address is judged where the kernel gets it.
 */
static bool is_host4(const uint8_t a[4])
{
	return a[0] == 127 || a[0] == 0;
}

/* ::, ::1, and the IPv4 addresses ::a.b.c.d (RFC 4291, 2.5.5.1) and ::ffff:a.b.c.d. */
static bool is_host6(const uint8_t a[16])
{
	static const uint8_t zeros[12], mapped[12] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(a, zeros, 12) || (!memcmp(a, mapped, 12) && is_host4(a + 12));
}

static bool may_reach4(int fd, const struct sockaddr_in *to)
{
	const uint8_t *address = (const uint8_t *)&to->sin_addr;

	if (!is_host4(address))
		return true;
	if (ntohs(to->sin_port) == DNS_PORT && !memcmp(address, policy.servers.ipv4, 4))
		return true;
	for (size_t i = 0; i < MAX_PEERS; i++) /* an answer to who asked on a forwarded UDP port */
		if (policy.peers[i].socket == fd && policy.peers[i].address.sin_port == to->sin_port &&
		    policy.peers[i].address.sin_addr.s_addr == to->sin_addr.s_addr)
			return true;
	return false;
}

static bool may_reach6(const struct sockaddr_in6 *to)
{
	const uint8_t *address = to->sin6_addr.s6_addr;

	return !is_host6(address) || (ntohs(to->sin6_port) == DNS_PORT && !memcmp(address, policy.servers.ipv6, 16));
}

static bool may_reach(int fd, const struct sockaddr *to, socklen_t length)
{
	if (!to || !policy.closed || policy.loopback)
		return true;
	if (to->sa_family == AF_INET && length >= sizeof(struct sockaddr_in))
		return may_reach4(fd, (const struct sockaddr_in *)to);
	if (to->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6))
		return may_reach6((const struct sockaddr_in6 *)to);
	return false;
}

int connect(int fd, const struct sockaddr *to, socklen_t length)
{
	if (may_reach(fd, to, length))
		return (int)syscall(SYS_connect, fd, to, length);
	errno = REFUSED;
	return -1;
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length)
{
	if (may_reach(fd, to, length))
		return syscall(SYS_sendto, fd, data, size, flags, to, length);
	errno = REFUSED;
	return -1;
}

/* Who has written to which socket may have an answer on it: a program of the host on a forwarded UDP port. */
static void remember(int fd, const struct sockaddr_in *from)
{
	for (size_t i = 0; i < MAX_PEERS; i++)
		if (policy.peers[i].socket == fd && policy.peers[i].address.sin_port == from->sin_port &&
		    policy.peers[i].address.sin_addr.s_addr == from->sin_addr.s_addr)
			return;
	policy.peers[policy.next_peer] = (struct peer){ fd, *from };
	policy.next_peer = (policy.next_peer + 1) % MAX_PEERS;
}

ssize_t recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *length)
{
	ssize_t n = syscall(SYS_recvfrom, fd, data, size, flags, from, length);

	if (n >= 0 && from && length && *length >= sizeof(struct sockaddr_in) && from->sa_family == AF_INET &&
	    is_host4((const uint8_t *)&((const struct sockaddr_in *)from)->sin_addr))
		remember(fd, (const struct sockaddr_in *)from);
	return n;
}

/* ---- resolv.conf ---- */

/* libslirp reads it when a guest first asks for a name, and again whenever its date changes: long after the door is shut.
 * Here it is what the broker said last. */
static FILE *open_resolv_conf(void)
{
	static const uint8_t none[16];
	static char text[160];
	char address[INET6_ADDRSTRLEN];
	size_t used = 0;

	text[0] = 0;
	if (memcmp(policy.servers.ipv4, none, 4) && inet_ntop(AF_INET, policy.servers.ipv4, address, sizeof(address)))
		used += (size_t)snprintf(text, sizeof(text), "nameserver %s\n", address);
	if (memcmp(policy.servers.ipv6, none, 16) && inet_ntop(AF_INET6, policy.servers.ipv6, address, sizeof(address)))
		snprintf(text + used, sizeof(text) - used, "nameserver %s\n", address);
	if (text[0])
		return fmemopen(text, strlen(text), "r");
	errno = ENOENT;
	return NULL;
}

typedef FILE *open_function(const char *path, const char *mode);
typedef int stat_function(const char *path, struct stat *st);

static FILE *open_or(const char *path, const char *mode, const char *name)
{
	open_function *next = (open_function *)(uintptr_t)dlsym(RTLD_NEXT, name);

	return strcmp(path, RESOLV_CONF) ? next(path, mode) : open_resolv_conf();
}

static int stat_or(const char *path, struct stat *st, const char *name)
{
	stat_function *next = (stat_function *)(uintptr_t)dlsym(RTLD_NEXT, name);

	if (strcmp(path, RESOLV_CONF))
		return next(path, st);
	*st = (struct stat){ .st_mode = S_IFREG | 0444, .st_mtim.tv_sec = policy.changes };
	return 0;
}

/* Both spellings: libslirp may be built with large files or without; on x86-64 they are one. */
FILE *fopen(const char *path, const char *mode)
{
	return open_or(path, mode, "fopen");
}

FILE *fopen64(const char *path, const char *mode)
{
	return open_or(path, mode, "fopen64");
}

int stat(const char *path, struct stat *st)
{
	return stat_or(path, st, "stat");
}

int stat64(const char *path, struct stat64 *st)
{
	static_assert(sizeof(struct stat64) == sizeof(struct stat), "x86-64");
	return stat_or(path, (struct stat *)st, "stat64");
}
