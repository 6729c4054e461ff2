/* SPDX-License-Identifier: MIT */
#include "core/net/net.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/device.h"
#include "core/loop.h"

#define FRAMES_PER_ROUND 64 /* a flood from the network must not starve timers and disks */
#define QUEUE_FRAMES 256    /* what a card may have waiting beyond the socket's buffer: a TCP window of small frames */
#define QUEUE_BYTES (512u << 10) /* eight of the largest */

struct frame { /* that the socket had no room for */
	struct frame *next;
	size_t length;
	uint8_t data[];
};

struct net_port {
	struct loop *loop;
	atomic_bool link; /* as the card has been told */

	pthread_mutex_t lock; /* a leaf, taken under the card's: sending, which vCPUs do, against attaching */
	int fd;               /* -1: no peer. Written on the I/O thread under the lock */
	struct frame *first, **last;
	unsigned queued;
	size_t queued_bytes;

	/* I/O thread */
	struct device *card; /* NULL: not plugged in yet */
	const struct net_port_ops *ops;
	struct loop_source source;
	struct loop_work ready; /* the card has buffers, or the queue wants EPOLLOUT */
	struct loop_work gone;  /* the peer hung up: not from inside the source's own ready() */
	bool connected, held;
	size_t kept; /* length of the frame in `buffer` that the card had no room for; 0: none */
	uint8_t buffer[NET_FRAME_MAX];
};

/* ---- what the loop waits for ---- */

static bool has_queue(struct net_port *port)
{
	bool some;

	pthread_mutex_lock(&port->lock);
	some = port->first;
	pthread_mutex_unlock(&port->lock);
	return some;
}

/* A frame that nobody takes now stays in the socket, where it holds back the sender, and must not wake us meanwhile. */
static void watch(struct net_port *port)
{
	bool takes = port->card && !port->held && !port->kept;

	if (port->fd < 0)
		return;
	port->source.events = (takes ? EPOLLIN : 0u) | (has_queue(port) ? EPOLLOUT : 0u);
	loop_modify(port->loop, &port->source);
}

/* ---- the link ---- */

static void settle_link(struct net_port *port)
{
	bool up = port->fd >= 0 && port->connected;

	if (port->held || up == atomic_load(&port->link))
		return;
	if (!port->card) {
		atomic_store(&port->link, up);
		return;
	}
	device_lock(port->card);
	atomic_store(&port->link, up);
	port->ops->link_changed(port->card, up);
	device_unlock(port->card);
}

/* ---- sending ---- */

/* With the lock. 0; -EAGAIN: no room now; other errors lose the frame. */
static int write_frame(struct net_port *port, const struct iovec *frame, unsigned count)
{
	struct msghdr h = { .msg_iov = (struct iovec *)frame, .msg_iovlen = count };

	return sendmsg(port->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static size_t frame_length(const struct iovec *frame, unsigned count)
{
	size_t length = 0;

	for (unsigned i = 0; i < count; i++)
		length += frame[i].iov_len;
	return length;
}

static bool queue_frame(struct net_port *port, const struct iovec *frame, unsigned count, size_t length)
{
	struct frame *f;
	uint8_t *to;

	if (port->queued == QUEUE_FRAMES || port->queued_bytes + length > QUEUE_BYTES)
		return false;
	f = malloc(sizeof(*f) + length);
	if (!f)
		return false;
	*f = (struct frame){ .length = length };
	to = f->data;
	for (unsigned i = 0; i < count; i++)
		to = mempcpy(to, frame[i].iov_base, frame[i].iov_len);
	*port->last = f;
	port->last = &f->next;
	port->queued++;
	port->queued_bytes += length;
	return true;
}

static void drop_first(struct net_port *port)
{
	struct frame *f = port->first;

	port->first = f->next;
	if (!port->first)
		port->last = &port->first;
	port->queued--;
	port->queued_bytes -= f->length;
	free(f);
}

static void flush_queue(struct net_port *port)
{
	pthread_mutex_lock(&port->lock);
	while (port->first) {
		struct iovec whole = { port->first->data, port->first->length };

		if (port->fd >= 0 && write_frame(port, &whole, 1) == -EAGAIN)
			break;
		drop_first(port);
	}
	pthread_mutex_unlock(&port->lock);
}

void net_port_send(struct net_port *port, const struct iovec *frame, unsigned count)
{
	size_t length = frame_length(frame, count);
	bool waits = false;

	if (!port || !atomic_load(&port->link) || length < NET_FRAME_MIN || length > NET_FRAME_MAX)
		return;
	pthread_mutex_lock(&port->lock);
	if (port->fd >= 0 && (port->first || write_frame(port, frame, count) == -EAGAIN))
		waits = queue_frame(port, frame, count, length);
	pthread_mutex_unlock(&port->lock);
	if (waits)
		loop_post(port->loop, &port->ready);
}

/* ---- receiving ---- */

/* True when the card took it (or there is nothing). */
static bool offer_kept(struct net_port *port)
{
	bool taken;

	if (!port->kept)
		return true;
	device_lock(port->card);
	taken = port->ops->receive(port->card, port->buffer, port->kept);
	device_unlock(port->card);
	if (taken)
		port->kept = 0;
	return taken;
}

/* 1: a frame is kept; 0: one was lost (too short, too long, link down); negative errno, -EPIPE: the peer may have gone. */
static int read_frame(struct net_port *port)
{
	struct iovec whole = { port->buffer, sizeof(port->buffer) };
	struct msghdr h = { .msg_iov = &whole, .msg_iovlen = 1 };
	ssize_t n = recvmsg(port->fd, &h, MSG_DONTWAIT);

	if (n < 0)
		return errno == EINTR ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	if (n < (ssize_t)NET_FRAME_MIN || h.msg_flags & MSG_TRUNC)
		return 0;
	port->kept = port->connected ? (size_t)n : 0;
	return port->kept ? 1 : 0;
}

static void receive(struct net_port *port)
{
	for (unsigned i = 0; i < FRAMES_PER_ROUND; i++) {
		int r = read_frame(port);

		if (r == -EPIPE)
			loop_post(port->loop, &port->gone);
		if (r < 0 || (r > 0 && !offer_kept(port)))
			return;
	}
}

static void socket_ready(void *context, uint32_t events)
{
	struct net_port *port = context;
	bool takes = port->source.events & EPOLLIN;

	if (events & EPOLLOUT)
		flush_queue(port);
	if (events & EPOLLIN && takes)
		receive(port);
	else if (events & (EPOLLHUP | EPOLLERR))
		loop_post(port->loop, &port->gone); /* reported even when nothing is waited for */
	watch(port);
}

static void go_on(struct loop_work *work)
{
	struct net_port *port = container_of(work, struct net_port, ready);

	flush_queue(port);
	if (port->card && !port->held)
		offer_kept(port);
	watch(port);
}

void net_port_ready(struct net_port *port)
{
	if (port)
		loop_post(port->loop, &port->ready);
}

/* ---- the cable ---- */

static void unplug(struct net_port *port)
{
	int fd = port->fd;

	if (fd < 0)
		return;
	loop_remove(port->loop, &port->source);
	pthread_mutex_lock(&port->lock);
	port->fd = -1;
	while (port->first)
		drop_first(port);
	pthread_mutex_unlock(&port->lock);
	port->kept = 0;
	close(fd);
}

static void plug(struct net_port *port, int fd)
{
	port->source = (struct loop_source){ .fd = fd, .ready = socket_ready, .context = port };
	if (fd < 0)
		return;
	if (loop_add(port->loop, &port->source) < 0) {
		close(fd); /* no memory in the kernel: as if the cable had not come */
		return;
	}
	pthread_mutex_lock(&port->lock);
	port->fd = fd;
	pthread_mutex_unlock(&port->lock);
	watch(port);
}

static void peer_gone(struct loop_work *work)
{
	struct net_port *port = container_of(work, struct net_port, gone);
	struct pollfd p = { .fd = port->fd, .events = POLLRDHUP };

	if (poll(&p, 1, 0) <= 0)
		return; /* an empty message, or the end of a cable that has been replaced since */
	unplug(port);
	settle_link(port);
}

void net_port_attach(struct net_port *port, int fd)
{
	loop_cancel(port->loop, &port->gone); /* it was the old peer's */
	unplug(port);
	settle_link(port); /* a guest sees that the cable was out, and asks for its address again */
	plug(port, fd);
	settle_link(port);
}

void net_port_set_link(struct net_port *port, bool connected)
{
	port->connected = connected;
	settle_link(port);
}

void net_port_set_card(struct net_port *port, struct device *d, const struct net_port_ops *ops)
{
	if (!port)
		return;
	port->card = d;
	port->ops = ops;
	port->kept = 0;
	watch(port);
}

bool net_port_link(const struct net_port *port)
{
	return port && atomic_load(&port->link);
}

void net_port_hold(struct net_port *port, bool held)
{
	if (!port)
		return;
	port->held = held;
	settle_link(port);
	if (!held)
		loop_post(port->loop, &port->ready); /* a kept frame first */
	watch(port);
}

/* ---- making and unmaking ---- */

struct net_port *net_port_new(struct loop *loop, int fd)
{
	struct net_port *port = calloc(1, sizeof(*port));

	if (!port) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	port->loop = loop;
	port->fd = -1;
	port->connected = true;
	port->last = &port->first;
	port->ready.run = go_on;
	port->gone.run = peer_gone;
	pthread_mutex_init(&port->lock, NULL);
	plug(port, fd);
	settle_link(port);
	return port;
}

void net_port_free(struct net_port *port)
{
	if (!port)
		return;
	unplug(port);
	loop_cancel(port->loop, &port->ready);
	loop_cancel(port->loop, &port->gone);
	pthread_mutex_destroy(&port->lock);
	free(port);
}
