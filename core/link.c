/* SPDX-License-Identifier: MIT */
#include "core/link.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define KEPT_MAX 64 /* commands while the machine is being made: nobody presses so many buttons in that time */

struct ask { /* on the stack of the thread that waits */
	uint32_t serial;
	bool done;
	int result, fd;
	struct error *error;
	struct ask *next;
};

struct kept {
	union message message;
	int fd;
	struct kept *next;
};

struct link {
	int socket;
	pthread_t receiver;

	pthread_mutex_t lock; /* sending, and: */
	pthread_cond_t answered;
	struct ask *asks;
	bool hung_up;

	/* the receiver's */
	struct kept *kept, **kept_last;
	unsigned kept_count;
};

struct link *link_new(int socket)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->socket = socket;
	l->receiver = pthread_self();
	l->kept_last = &l->kept;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->answered, NULL);
	return l;
}

static struct kept *take_kept(struct link *l)
{
	struct kept *k = l->kept;

	if (k) {
		l->kept = k->next;
		l->kept_count--;
	}
	if (!l->kept)
		l->kept_last = &l->kept;
	return k;
}

void link_free(struct link *l)
{
	struct kept *k;

	if (!l)
		return;
	while ((k = take_kept(l))) {
		if (k->fd >= 0)
			close(k->fd);
		free(k);
	}
	close(l->socket);
	pthread_cond_destroy(&l->answered);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

int link_socket(const struct link *l)
{
	return l->socket;
}

int link_send(struct link *l, union message *m, enum message_type type, uint32_t serial)
{
	int err;

	pthread_mutex_lock(&l->lock);
	err = message_send(l->socket, m, type, serial, NULL, 0);
	pthread_mutex_unlock(&l->lock);
	return err;
}

/* ---- asking for files ---- */

/* Hands an answer to the thread that waits for it; nobody does: the answer is a broker's error, and dropped. */
static int deliver(struct link *l, const struct message_opened *m, int fd)
{
	struct ask **at, *ask;

	pthread_mutex_lock(&l->lock);
	for (at = &l->asks; *at && (*at)->serial != m->header.serial; at = &(*at)->next)
		;
	ask = *at;
	if (ask) {
		*at = ask->next;
		ask->result = m->status ? error_set(ask->error, m->status, "%s", m->text) : 0;
		ask->fd = fd;
		ask->done = true;
		pthread_cond_broadcast(&l->answered);
	}
	pthread_mutex_unlock(&l->lock);
	if (!ask && fd >= 0)
		close(fd);
	return ask ? 0 : -EPROTO;
}

/* From the socket: 1 with a message for the caller, 0 dealt with, or negative. */
static int receive_one(struct link *l, union message *m, int *ret_fd)
{
	int fds[MESSAGE_MAX_FDS], err;
	unsigned nfds;

	err = message_receive(l->socket, m, FROM_BROKER, fds, &nfds);
	if (err)
		return err;
	*ret_fd = nfds ? fds[0] : -1;
	if (m->header.type == MESSAGE_OPENED)
		return deliver(l, &m->opened, *ret_fd);
	if (m->header.type != MESSAGE_START)
		return 1;
	while (nfds) /* a second START: only the first had its place */
		close(fds[--nfds]);
	return -EPROTO;
}

static int keep(struct link *l, const union message *m, int fd)
{
	struct kept *k;

	if (m->header.type == MESSAGE_KEY || m->header.type == MESSAGE_POINTER ||
	    m->header.type == MESSAGE_POINTER_ABSOLUTE ||
	    (m->header.type == MESSAGE_COMMAND && m->command.command == COMMAND_RELEASE_KEYS))
		return 0; /* there is no machine yet that could feel them */
	k = l->kept_count < KEPT_MAX ? malloc(sizeof(*k)) : NULL;
	if (!k) {
		if (fd >= 0)
			close(fd);
		return -EPROTO;
	}
	*k = (struct kept){ .message = *m, .fd = fd };
	*l->kept_last = k;
	l->kept_last = &k->next;
	l->kept_count++;
	return 0;
}

bool link_wants_end(struct link *l)
{
	struct pollfd p = { .fd = l->socket, .events = POLLIN };
	union message m;
	int fd = -1, err = 0;

	while (err >= 0 && poll(&p, 1, 0) > 0) {
		err = receive_one(l, &m, &fd);
		if (err > 0 && m.header.type == MESSAGE_COMMAND && m.command.command == COMMAND_POWER_OFF)
			return true;
		if (err > 0)
			err = keep(l, &m, fd);
	}
	return err < 0;
}

/* The receiving thread waits by receiving. */
static void receive_until_done(struct link *l, struct ask *ask)
{
	union message m;
	int fd = -1, err = 0;

	while (!ask->done && err >= 0) {
		err = receive_one(l, &m, &fd);
		if (err > 0)
			err = keep(l, &m, fd);
	}
	if (!ask->done)
		link_hang_up(l);
}

int link_ask_with(struct link *l, union message *m, int *ret_fd, struct error *e)
{
	struct ask ask = { .fd = -1, .error = e };
	int err;

	pthread_mutex_lock(&l->lock);
	err = l->hung_up ? -EPIPE : message_send(l->socket, m, MESSAGE_OPEN, 0, NULL, 0);
	if (!err) {
		ask.serial = m->header.serial;
		ask.next = l->asks;
		l->asks = &ask;
		if (pthread_equal(pthread_self(), l->receiver)) {
			pthread_mutex_unlock(&l->lock);
			receive_until_done(l, &ask);
			pthread_mutex_lock(&l->lock);
		}
		while (!ask.done)
			pthread_cond_wait(&l->answered, &l->lock);
		err = ask.result;
	}
	pthread_mutex_unlock(&l->lock);
	if (err)
		return error_set(e, err, "%s cannot be opened: the player has gone", m->open.name);
	*ret_fd = ask.fd;
	return 0;
}

int link_ask(struct link *l, enum open_role role, const char *fingerprint, const char *machine, const char *name,
             int *ret_fd, struct error *e)
{
	union message m = { .open = { .role = role } };

	message_copy_text(m.open.fingerprint, sizeof(m.open.fingerprint), fingerprint);
	message_copy_text(m.open.machine, sizeof(m.open.machine), machine);
	message_copy_text(m.open.name, sizeof(m.open.name), name);
	return link_ask_with(l, &m, ret_fd, e);
}

void link_hang_up(struct link *l)
{
	pthread_mutex_lock(&l->lock);
	l->hung_up = true;
	for (; l->asks; l->asks = l->asks->next) {
		l->asks->result = -EPIPE;
		l->asks->done = true;
	}
	pthread_cond_broadcast(&l->answered);
	pthread_mutex_unlock(&l->lock);
}

static int open_by_role(const struct files *files, enum open_role role, const char *name, struct file *ret_file,
                        struct error *e)
{
	int fd, err = link_ask(files->context, role, "", "", name, &fd, e);

	if (err)
		return err;
	err = file_from_fd(fd, name, ret_file, e);
	if (err)
		close(fd);
	return err;
}

int link_files_open(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	return open_by_role(files, OPEN_NAMED, name, ret_file, e);
}

int link_files_open_writable(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	return open_by_role(files, OPEN_IN_PLACE, name, ret_file, e);
}

/* ---- receiving ---- */

int link_receive(struct link *l, union message *ret_message, int *ret_fd)
{
	struct pollfd p = { .fd = l->socket, .events = POLLIN };
	struct kept *k = take_kept(l);
	int err;

	if (k) {
		*ret_message = k->message;
		*ret_fd = k->fd;
		free(k);
		return 0;
	}
	do {
		if (poll(&p, 1, 0) <= 0)
			return -EAGAIN;
		err = receive_one(l, ret_message, ret_fd);
	} while (err == 0);
	return err < 0 ? err : 0;
}

/* ---- saying ---- */

void link_say_state(struct link *l, enum machine_state state, enum off_reason reason, const char *text)
{
	union message m = { .state = { .state = state, .reason = reason } };

	message_copy_text(m.state.text, sizeof(m.state.text), text ? text : "");
	link_send(l, &m, MESSAGE_STATE, 0);
}

void link_say_notice(struct link *l, enum notice_level level, const char *text)
{
	union message m = { .notice = { .level = level } };

	message_copy_text(m.notice.text, sizeof(m.notice.text), text);
	link_send(l, &m, MESSAGE_NOTICE, 0);
}
