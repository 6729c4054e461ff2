/* SPDX-License-Identifier: MIT */
#include "core/net/nat/nat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/net/net.h"
#include "vmformat/bytes.h"

#define FRAMES_PER_ROUND 64 /* of one card, before the others and the host's sockets have their turn */
#define QUEUE_FRAMES \
	512      /* for a card that does not read; libslirp puts out at most its TCP windows after it was stopped */
#define TIMERS 4 /* of one libslirp; it has one, for router advertisements */

struct timer {
	bool used;
	SlirpTimerCb fire;
	void *context;
	int64_t due; /* ms, INT64_MAX: not set */
};

struct frame {
	struct frame *next;
	size_t length;
	uint8_t data[];
};

struct nic {
	struct nat *nat;
	Slirp *slirp;
	int fd;                      /* -1: the core has gone from here */
	struct frame *first, **last; /* that the socket had no room for */
	unsigned queued;
	bool polled; /* this round's descriptors are in nat->polls */
	struct timer timers[TIMERS];
};

struct nat {
	unsigned nic_count;
	struct nic nics[NAT_MAX_NICS];
	struct pollfd *polls; /* the control socket, each card's, then libslirp's */
	unsigned poll_count, poll_room;
	uint8_t frame[NET_FRAME_MAX];
};

/* ---- frames to the card ---- */

static bool write_frame(struct nic *nic, const void *frame, size_t length)
{
	return send(nic->fd, frame, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno != EAGAIN;
}

static void queue_frame(struct nic *nic, const void *frame, size_t length)
{
	struct frame *f = nic->queued < QUEUE_FRAMES ? malloc(sizeof(*f) + length) : NULL;

	if (!f)
		return; /* lost, as on a wire */
	*f = (struct frame){ .length = length };
	memcpy(f->data, frame, length);
	*nic->last = f;
	nic->last = &f->next;
	nic->queued++;
}

static void flush_queue(struct nic *nic)
{
	while (nic->first && write_frame(nic, nic->first->data, nic->first->length)) {
		struct frame *f = nic->first;

		nic->first = f->next;
		if (!nic->first)
			nic->last = &nic->first;
		nic->queued--;
		free(f);
	}
}

static ssize_t send_packet(const void *frame, size_t length, void *opaque)
{
	struct nic *nic = opaque;

	if (nic->fd >= 0 && (nic->first || !write_frame(nic, frame, length)))
		queue_frame(nic, frame, length);
	return (ssize_t)length;
}

/* ---- what libslirp needs of us ---- */

static int64_t clock_ns(void *opaque)
{
	struct timespec now;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *timer_new(SlirpTimerCb fire, void *context, void *opaque)
{
	struct nic *nic = opaque;

	for (unsigned i = 0; i < TIMERS; i++)
		if (!nic->timers[i].used) {
			nic->timers[i] = (struct timer){ true, fire, context, INT64_MAX };
			return &nic->timers[i];
		}
	abort(); /* another libslirp than any we know */
}

static void timer_free(void *timer, void *opaque)
{
	(void)opaque;
	if (timer)
		*(struct timer *)timer = (struct timer){ 0 };
}

static void timer_mod(void *timer, int64_t due, void *opaque)
{
	(void)opaque;
	((struct timer *)timer)->due = due;
}

static void run_timers(struct nic *nic)
{
	int64_t now = clock_ns(NULL) / 1000000;

	for (unsigned i = 0; i < TIMERS; i++) {
		struct timer *t = &nic->timers[i];

		if (!t->used || t->due > now)
			continue;
		t->due = INT64_MAX;
		t->fire(t->context);
	}
}

static uint32_t next_timer(const struct nic *nic, uint32_t timeout)
{
	int64_t now = clock_ns(NULL) / 1000000;

	for (unsigned i = 0; i < TIMERS; i++) {
		const struct timer *t = &nic->timers[i];

		if (t->used && t->due != INT64_MAX)
			timeout = (uint32_t)MIN((int64_t)timeout, MAX(t->due - now, 0));
	}
	return timeout;
}

static void ignore_fd(int fd, void *opaque)
{
	(void)fd, (void)opaque;
}

static void ignore(void *opaque)
{
	(void)opaque;
}

static void ignore_guest_error(const char *message, void *opaque)
{
	(void)message, (void)opaque; /* a guest's mistakes are its own affair */
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = ignore_guest_error,
	.clock_get_ns = clock_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = ignore_fd,
	.unregister_poll_fd = ignore_fd,
	.notify = ignore,
};

/* ---- the networks ---- */

static struct in_addr ipv4(unsigned network, unsigned host)
{
	return (struct in_addr){ htonl(10u << 24 | network << 8 | host) };
}

/* A unique local prefix (RFC 4193) of our own, "Vitri" in ASCII, so that guests prefer IPv4 for what has both. */
static struct in6_addr ipv6(unsigned network, unsigned host)
{
	return (struct in6_addr){ { { 0xfd, 'V', 'i', 't', 'r', 'i', 0, (uint8_t)network, [15] = (uint8_t)host } } };
}

static bool has_udp_forward(const struct nat_start *start)
{
	for (unsigned i = 0; i < start->forward_count; i++)
		if (start->forwards[i].protocol == NAT_UDP)
			return true;
	return false;
}

/* What is forbidden here and in calls.c is forbidden twice: here by the address that the guest wrote, there by the one that the
 * kernel gets. But libslirp's ban also stops a guest's answers to programs of the host on a forwarded UDP port. */
static bool bans_loopback(const struct nat_start *start)
{
	return !(start->flags & NAT_HOST_LOOPBACK) && !has_udp_forward(start);
}

static Slirp *make_network(struct nic *nic, unsigned network, bool ban_loopback)
{
	const SlirpConfig config = {
		.version = 1, /* all that we set is in it, and every libslirp since 4.1 takes it */
		.in_enabled = true,
		.vnetwork = ipv4(network, 0),
		.vnetmask.s_addr = htonl(0xffffff00),
		.vhost = ipv4(network, 2),
		.vdhcp_start = ipv4(network, 15),
		.vnameserver = ipv4(network, 3),
		.in6_enabled = true,
		.vprefix_addr6 = ipv6(network, 0),
		.vprefix_len = 64,
		.vhost6 = ipv6(network, 2),
		.vnameserver6 = ipv6(network, 3),
		.disable_host_loopback = ban_loopback,
		.enable_emu = false,
	};

	return slirp_new(&config, &callbacks, nic);
}

static int add_forward(const struct nat *nat, const struct nat_forward *f)
{
	struct in_addr address;

	memcpy(&address, f->address, sizeof(address));
	if (slirp_add_hostfwd(nat->nics[0].slirp, f->protocol == NAT_UDP, address, f->host_port, ipv4(2, 15),
	                      f->guest_port) == 0)
		return 0;
	return errno > 0 ? -errno : -EIO;
}

struct nat *nat_new(const struct nat_start *start, int32_t ret_errors[NAT_MAX_FORWARDS])
{
	struct nat *nat = calloc(1, sizeof(*nat));

	if (!nat)
		return NULL;
	nat->nic_count = start->nic_count;
	for (unsigned i = 0; i < nat->nic_count; i++) {
		struct nic *nic = &nat->nics[i];

		*nic = (struct nic){ .nat = nat, .fd = NAT_FRAME_FD + (int)i, .last = &nic->first };
		nic->slirp = make_network(nic, 2 + i, bans_loopback(start));
		if (!nic->slirp)
			return NULL; /* the process ends with it */
	}
	for (unsigned i = 0; i < start->forward_count; i++)
		ret_errors[i] = add_forward(nat, &start->forwards[i]);
	return nat;
}

/* ---- one round ---- */

static const struct {
	int slirp;
	short poll;
} event_words[] = {
	{ SLIRP_POLL_IN, POLLIN },   { SLIRP_POLL_OUT, POLLOUT }, { SLIRP_POLL_PRI, POLLPRI },
	{ SLIRP_POLL_ERR, POLLERR }, { SLIRP_POLL_HUP, POLLHUP },
};

static int add_poll(struct nat *nat, int fd, short events)
{
	if (nat->poll_count == nat->poll_room) {
		unsigned room = MAX(2 * nat->poll_room, 64u);
		struct pollfd *polls = reallocarray(nat->polls, room, sizeof(*polls));

		if (!polls)
			abort(); /* as GLib does below libslirp */
		nat->polls = polls;
		nat->poll_room = room;
	}
	nat->polls[nat->poll_count] = (struct pollfd){ fd, events, 0 };
	return (int)nat->poll_count++;
}

static int add_slirp_poll(int fd, int events, void *opaque)
{
	short words = 0;

	for (size_t i = 0; i < ARRAY_SIZE(event_words); i++)
		if (events & event_words[i].slirp)
			words = (short)(words | event_words[i].poll);
	return add_poll(opaque, fd, words);
}

static int slirp_events(int index, void *opaque)
{
	const struct nat *nat = opaque;
	int events = 0;

	for (size_t i = 0; i < ARRAY_SIZE(event_words); i++)
		if (nat->polls[index].revents & event_words[i].poll)
			events |= event_words[i].slirp;
	return events;
}

/* Returns how long to sleep, in ms. The first polls are the control socket's, then one per card. */
static int fill_polls(struct nat *nat, int control)
{
	uint32_t timeout = INT_MAX;

	nat->poll_count = 0;
	add_poll(nat, control, POLLIN);
	for (unsigned i = 0; i < nat->nic_count; i++)
		add_poll(nat, nat->nics[i].fd, POLLIN | (nat->nics[i].first ? POLLOUT : 0));
	for (unsigned i = 0; i < nat->nic_count; i++) {
		struct nic *nic = &nat->nics[i];

		nic->polled = nic->fd >= 0 && !nic->first;
		if (nic->polled)
			slirp_pollfds_fill(nic->slirp, &timeout, add_slirp_poll, nat);
		timeout = next_timer(nic, timeout);
	}
	return (int)MIN(timeout, (uint32_t)INT_MAX);
}

static void take_frames(struct nic *nic)
{
	for (unsigned i = 0; i < FRAMES_PER_ROUND; i++) {
		ssize_t n = recv(nic->fd, nic->nat->frame, sizeof(nic->nat->frame), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) { /* the card has gone, or has another cable */
			close(nic->fd);
			nic->fd = -1;
			return;
		}
		if (n >= (ssize_t)NET_FRAME_MIN)
			slirp_input(nic->slirp, nic->nat->frame, (int)n);
	}
}

static bool serve(struct nat *nat, bool failed)
{
	bool some = false;

	for (unsigned i = 0; i < nat->nic_count; i++) {
		struct nic *nic = &nat->nics[i];
		short events = nat->polls[1 + i].revents;

		if (events & POLLOUT)
			flush_queue(nic);
		if (nic->polled) /* before new frames: they change what libslirp would look up by index */
			slirp_pollfds_poll(nic->slirp, failed, slirp_events, nat);
		if (events & (POLLIN | POLLHUP | POLLERR))
			take_frames(nic);
		run_timers(nic);
		some |= nic->fd >= 0;
	}
	return some;
}

bool nat_run(struct nat *nat, int control)
{
	for (;;) {
		int timeout = fill_polls(nat, control);
		int ready = poll(nat->polls, nat->poll_count, timeout);
		bool failed = ready < 0 && errno != EINTR;

		if (!serve(nat, failed))
			return false;
		if (ready > 0 && nat->polls[0].revents)
			return true;
	}
}
