/* SPDX-License-Identifier: MIT */
#include "core/broker_net.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/broker_files.h"
#include "core/broker_spawn.h"
#include "vmformat/bytes.h"

#define RESTART_SECONDS 60
#define RESTART_DELAY 2       /* seconds: a cable that is out for less is missed by drivers */
#define MAX_SAYINGS 40        /* each forward may be refused or fail, and a little more */
#define RESOLV_CONF_MAX 65536 /* more than any resolver reads with profit */
#define PRIVILEGED_PORTS 1024u

struct broker_net {
	int epoll, core; /* borrowed, as the next */
	const struct broker_files *files;
	uint32_t start_flags;
	bool asks;                          /* a person can be asked */
	struct nat_start start;             /* what was granted */
	struct message_network_wanted wish; /* what is being asked about */
	bool question_due;
	bool wanted;
	char *path; /* of vitrine-net */

	pid_t pid;
	int control, log; /* -1: not running */
	bool reported;
	time_t restarts[NET_RESTARTS]; /* the oldest is overwritten next */
	unsigned restart_at;

	int watch;   /* inotify */
	int restart; /* a timerfd */
	const char *resolv_conf;

	char sayings[MAX_SAYINGS][MESSAGE_TEXT];
	unsigned saying_count, saying_at;
	bool ringing;
	int bell; /* an eventfd: rings until broker_net_next() has said all */
	bool listening_changed;
	struct message_listening listening;
};

/* ---- saying ---- */

void broker_net_ring(struct broker_net *n)
{
	n->ringing = true;
	eventfd_write(n->bell, 1);
}

static void hush(struct broker_net *n)
{
	eventfd_t rings;

	if (n->ringing)
		eventfd_read(n->bell, &rings);
	n->ringing = false;
}

static void say(struct broker_net *n, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct broker_net *n, const char *format, ...)
{
	char raw[MESSAGE_TEXT];
	va_list args;

	if (n->saying_count == MAX_SAYINGS)
		return; /* only a vitrine-net that dies without end says so much, and that is bounded */
	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	message_copy_text(n->sayings[n->saying_count++], MESSAGE_TEXT, raw);
	broker_net_ring(n);
}

static void fill_question(const struct broker_net *n, union message *m);

int broker_net_next(struct broker_net *n, bool may_ask, union message *ret_message)
{
	if (n->saying_at < n->saying_count) {
		struct message_notice *notice = &ret_message->notice;

		*notice = (struct message_notice){ .header = { .type = MESSAGE_NOTICE, .length = sizeof(*notice) },
			                           .level = NOTICE_WARNING };
		memcpy(notice->text, n->sayings[n->saying_at++], MESSAGE_TEXT);
		return 1;
	}
	n->saying_at = n->saying_count = 0;
	if (n->question_due && may_ask) {
		n->question_due = false;
		fill_question(n, ret_message);
		return 1;
	}
	if (!n->listening_changed) {
		hush(n);
		return 0;
	}
	n->listening_changed = false;
	ret_message->listening = n->listening;
	ret_message->header = (struct message_header){ .type = MESSAGE_LISTENING, .length = sizeof(n->listening) };
	return 1;
}

static void forward_words(const struct nat_forward *f, char text[64])
{
	snprintf(text, 64, "%s port %u (%u.%u.%u.%u)", f->protocol == NAT_UDP ? "UDP" : "TCP", f->host_port,
	         f->address[0], f->address[1], f->address[2], f->address[3]);
}

/* ---- what a core may have ---- */

int broker_net_judge(const struct nat_forward *f, uint32_t start_flags, char text[MESSAGE_TEXT])
{
	char words[64];

	forward_words(f, words);
	if (f->host_port < PRIVILEGED_PORTS)
		return broker_say(text, -EACCES,
		                  "%s is not opened: ports below 1024 are for this computer's own services. Choose a "
		                  "higher one in vitrine.forwardN",
		                  words);
	if (f->address[0] != 127 && !(start_flags & START_LISTEN_OUTSIDE))
		return broker_say(text, -EACCES,
		                  "%s is not opened: other computers could reach the machine by it. Leave the address "
		                  "out of vitrine.forwardN, or start with --listen-outside",
		                  words);
	return 0;
}

/* What a person may grant, by the command line or by an answer. */
#define GRANTS (START_HOST_LOOPBACK | START_LISTEN_OUTSIDE)

static bool needs_a_yes(const struct broker_net *n, const struct nat_forward *f)
{
	char text[MESSAGE_TEXT];

	return broker_net_judge(f, n->start_flags, text) < 0 && broker_net_judge(f, n->start_flags | GRANTS, text) == 0;
}

static bool wants_loopback(const struct broker_net *n)
{
	return n->wish.flags & NAT_HOST_LOOPBACK && !(n->start_flags & START_HOST_LOOPBACK);
}

static bool wants_more(const struct broker_net *n)
{
	bool more = wants_loopback(n);

	for (unsigned i = 0; i < n->wish.forward_count; i++)
		more = more || needs_a_yes(n, &n->wish.forwards[i]);
	return more;
}

static void fill_question(const struct broker_net *n, union message *m)
{
	struct message_question *q = &m->question;
	char text[MESSAGE_TEXT] = "It could then:\n", words[64];
	size_t used = strlen(text);

	if (wants_loopback(n))
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		                         "\xe2\x80\xa2 reach this computer's own services, which nobody else can\n");
	for (unsigned i = 0; i < n->wish.forward_count && used < sizeof(text); i++) {
		if (!needs_a_yes(n, &n->wish.forwards[i]))
			continue;
		forward_words(&n->wish.forwards[i], words);
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		                         "\xe2\x80\xa2 be reached from other computers at %s\n", words);
	}
	*q = (struct message_question){ .header = { .type = MESSAGE_QUESTION, .length = sizeof(*q) },
		                        .kind = QUESTION_NETWORK };
	message_copy_text(q->text, sizeof(q->text), text);
	message_copy_text(q->accept, sizeof(q->accept), "Allow");
	message_copy_text(q->reject, sizeof(q->reject), "Refuse");
}

/* All that a yes is about, so that another wish is another question: also which port of the machine a forward leads to. */
static void write_consent(const struct broker_net *n, char text[MESSAGE_TEXT])
{
	size_t used = 0;

	static_assert(NAT_MAX_FORWARDS * 48 + 32 < MESSAGE_TEXT, "every line fits");
	text[0] = 0;
	if (wants_loopback(n))
		used += (size_t)snprintf(text, MESSAGE_TEXT, "host loopback\n");
	for (unsigned i = 0; i < n->wish.forward_count; i++) {
		const struct nat_forward *f = &n->wish.forwards[i];

		if (needs_a_yes(n, f))
			used += (size_t)snprintf(text + used, MESSAGE_TEXT - used, "%s %u.%u.%u.%u:%u to %u\n",
			                         f->protocol == NAT_UDP ? "udp" : "tcp", f->address[0], f->address[1],
			                         f->address[2], f->address[3], f->host_port, f->guest_port);
	}
}

/* A run "as downloaded" knows nothing of what was before, and leaves nothing. */
static bool is_consented(const struct broker_net *n)
{
	char text[MESSAGE_TEXT];

	write_consent(n, text);
	return !(n->start_flags & START_AS_DOWNLOADED) && broker_files_consented(n->files, text);
}

static void keep_consent(struct broker_net *n)
{
	char text[MESSAGE_TEXT];
	int err;

	write_consent(n, text);
	if (n->start_flags & START_AS_DOWNLOADED)
		return;
	err = broker_files_keep_consent(n->files, text);
	if (err && err != -ENOENT)
		say(n, "What you allowed cannot be kept (%s): it will be asked for again", strerror(-err));
}

static void grant(struct broker_net *n)
{
	const struct message_network_wanted *wish = &n->wish;
	struct nat_start *s = &n->start;
	char text[MESSAGE_TEXT];

	*s = (struct nat_start){ .version = NAT_VERSION, .nic_count = wish->nic_count };
	for (unsigned i = 0; i < wish->forward_count; i++) {
		if (broker_net_judge(&wish->forwards[i], n->start_flags, text) < 0)
			say(n, "%s", text);
		else
			s->forwards[s->forward_count++] = wish->forwards[i];
	}
	if (!(wish->flags & NAT_HOST_LOOPBACK))
		return;
	if (n->start_flags & START_HOST_LOOPBACK)
		s->flags |= NAT_HOST_LOOPBACK;
	else
		say(n,
		    "The machine asks for this computer's own services (vitrine.hostLoopback), which is not granted by "
		    "a file alone: start it with --host-loopback if you trust it");
}

/* ---- the host's name servers ---- */

static void read_resolv_conf(const struct broker_net *n, struct nat_servers *ret_servers)
{
	char *text = calloc(1, RESOLV_CONF_MAX + 1);
	int fd = open(n->resolv_conf, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t used = 0;
	ssize_t got;

	while (text && fd >= 0 && used < RESOLV_CONF_MAX && (got = read(fd, text + used, RESOLV_CONF_MAX - used)) > 0)
		used += (size_t)got;
	nat_read_resolv_conf(text ? text : "", ret_servers);
	if (fd >= 0)
		close(fd);
	free(text);
}

static void watch_folder_of(struct broker_net *n, const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash || (size_t)(slash - path) >= sizeof(folder))
		return;
	snprintf(folder, sizeof(folder), "%.*s", (int)MAX(slash - path, 1), path);
	inotify_add_watch(n->watch, folder, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE);
}

/* The file is often a link to one that a network manager replaces: both folders tell of changes. */
static void watch_resolv_conf(struct broker_net *n)
{
	char real[PATH_MAX];

	watch_folder_of(n, n->resolv_conf);
	if (realpath(n->resolv_conf, real))
		watch_folder_of(n, real);
}

static void start_watching(struct broker_net *n)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = NET_EVENT_RESOLV };

	n->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (n->watch < 0)
		return; /* no more of them for this user: the name servers stay those of the start */
	watch_resolv_conf(n);
	epoll_ctl(n->epoll, EPOLL_CTL_ADD, n->watch, &event);
}

static void take_resolv_event(struct broker_net *n)
{
	char events[4096] __attribute__((aligned(8)));
	union nat_message m = { .nameservers = { .servers = { { 0 }, { 0 } } } };

	while (read(n->watch, events, sizeof(events)) > 0)
		;
	watch_resolv_conf(n);
	read_resolv_conf(n, &m.nameservers.servers);
	if (!memcmp(&m.nameservers.servers, &n->start.servers, sizeof(n->start.servers)))
		return;
	n->start.servers = m.nameservers.servers;
	if (n->control >= 0)
		nat_send(n->control, &m, NAT_NAMESERVERS);
}

/* ---- the process ---- */

static void close_all(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Makes the control socket, the log, and a cable per card. */
static int make_sockets(struct broker_net *n, struct spawn *s, int cables[NAT_MAX_NICS])
{
	int err = spawn_log(&n->log, &s->log);

	if (!err)
		err = spawn_pair(&n->control, &s->fds[0]);
	s->count = err ? 0 : 1;
	for (unsigned i = 0; i < n->start.nic_count && !err; i++) {
		err = spawn_pair(&cables[i], &s->fds[s->count]);
		s->count += !err;
	}
	return err;
}

static int give_cables(struct broker_net *n, const int cables[NAT_MAX_NICS])
{
	int err = 0;

	for (unsigned i = 0; i < n->start.nic_count && !err; i++) {
		union message m = { .network = { .nic = i } };

		err = message_send(n->core, &m, MESSAGE_NETWORK, 0, &cables[i], 1);
	}
	return err;
}

static void forget_process(struct broker_net *n)
{
	if (n->control >= 0)
		close(n->control); /* which takes it out of the epoll set */
	if (n->log >= 0)
		close(n->log);
	n->control = n->log = -1;
	n->reported = false;
}

static int start_process(struct broker_net *n)
{
	static char name[] = "vitrine-net";
	char *const arguments[] = { name, NULL };
	struct spawn s = { .path = n->path, .arguments = arguments, .log = -1 };
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = NET_EVENT_CONTROL };
	union nat_message m = { .start = n->start };
	int cables[NAT_MAX_NICS], err;

	memset(cables, -1, sizeof(cables));
	err = make_sockets(n, &s, cables);
	if (!err)
		err = spawn_program(&s, &n->pid);
	if (err)
		n->pid = 0;
	if (!err && epoll_ctl(n->epoll, EPOLL_CTL_ADD, n->control, &event) < 0)
		err = -errno;
	if (!err)
		err = nat_send(n->control, &m, NAT_START);
	if (!err)
		err = give_cables(n, cables);
	close_all(s.fds, s.count);
	close_all(&s.log, 1);
	close_all(cables, n->start.nic_count);
	return err;
}

/* Ends it if it has not ended by itself; returns its wait status. */
static int end_process(struct broker_net *n)
{
	int status = 0;

	if (!n->pid)
		return 0;
	if (!spawn_wait(n->pid, 200)) /* it hung up: it is about to go */
		kill(n->pid, SIGKILL);
	while (waitpid(n->pid, &status, 0) < 0 && errno == EINTR)
		;
	n->pid = 0;
	return status;
}

static void try_start(struct broker_net *n)
{
	int err = start_process(n);

	if (!err)
		return;
	say(n,
	    "The machine is offline: %s cannot be started: %s. Restart the machine to try again; if that does not "
	    "help, install "
	    "Vitrine anew",
	    n->path, strerror(-err));
	if (n->pid)
		kill(n->pid, SIGKILL);
	end_process(n);
	forget_process(n);
}

static void go_online(struct broker_net *n)
{
	char text[MESSAGE_TEXT];

	grant(n);
	if (broker_find_program("vitrine-net", "VITRINE_NET", &n->path, text) < 0) {
		say(n, "The machine is offline: %s", text);
		return;
	}
	read_resolv_conf(n, &n->start.servers);
	start_watching(n);
	try_start(n);
}

void broker_net_want(struct broker_net *n, const struct message_network_wanted *wish)
{
	if (n->wanted)
		return;
	n->wanted = true;
	n->wish = *wish;
	if (wants_more(n) && is_consented(n))
		n->start_flags |= GRANTS;
	if (n->asks && wants_more(n)) {
		n->question_due = true; /* the machine starts without a cable meanwhile */
		broker_net_ring(n);
	} else {
		go_online(n);
	}
}

void broker_net_answer(struct broker_net *n, bool accept)
{
	if (accept) {
		keep_consent(n);
		n->start_flags |= GRANTS;
	}
	go_online(n);
}
/* ---- what it says, and its end ---- */

static void explain_forward(struct broker_net *n, const struct nat_forward *f, int code)
{
	char words[64];

	forward_words(f, words);
	if (code == -EADDRINUSE)
		say(n,
		    "%s is taken by another program, so port %u of the machine cannot be reached by it. Close that "
		    "program "
		    "and start again, or choose another in vitrine.forwardN",
		    words, f->guest_port);
	else
		say(n,
		    "%s cannot be opened (%s), so port %u of the machine cannot be reached by it. Choose another port "
		    "or "
		    "address in vitrine.forwardN",
		    words, strerror(-code), f->guest_port);
}

static void take_report(struct broker_net *n, const struct nat_report *r)
{
	n->reported = true;
	n->listening.count = 0;
	for (unsigned i = 0; i < n->start.forward_count; i++) {
		if (r->forward_errors[i])
			explain_forward(n, &n->start.forwards[i], r->forward_errors[i]);
		else
			n->listening.ports[n->listening.count++] = n->start.forwards[i];
	}
	n->listening_changed = n->start.forward_count > 0;
	broker_net_ring(n);
}

/* False: too many of late. */
static bool may_restart(struct broker_net *n)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (n->restarts[n->restart_at] && now.tv_sec - n->restarts[n->restart_at] < RESTART_SECONDS)
		return false;
	n->restarts[n->restart_at] = MAX(now.tv_sec, 1);
	n->restart_at = (n->restart_at + 1) % NET_RESTARTS;
	return true;
}

static void take_end(struct broker_net *n)
{
	char how[80];
	int status;

	status = end_process(n);
	forget_process(n);
	if (n->listening.count) {
		n->listening.count = 0;
		n->listening_changed = true;
		broker_net_ring(n);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return; /* the core has gone, or has pulled every cable for good */
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "exit status %d", WEXITSTATUS(status));
	if (!may_restart(n)) {
		say(n,
		    "The machine is offline: its network program has ended %u times within a minute (%s). Restart the "
		    "machine to try again",
		    NET_RESTARTS + 1, how);
		return;
	}
	say(n,
	    "The machine's network was interrupted: its program ended (%s) and is started again. Open connections are "
	    "lost",
	    how);
	timerfd_settime(n->restart, 0, &(struct itimerspec){ .it_value.tv_sec = RESTART_DELAY }, NULL);
}

static void take_restart(struct broker_net *n)
{
	uint64_t times;

	if (read(n->restart, &times, sizeof(times)) == sizeof(times) && !n->pid)
		try_start(n);
}

static void take_control_event(struct broker_net *n)
{
	union nat_message m;
	int err = nat_receive(n->control, &m, FROM_NAT);

	if (!err && !n->reported) {
		take_report(n, &m.report);
		return;
	}
	if (err != -EPIPE && n->pid) /* nonsense, or a second report: no vitrine-net of ours */
		kill(n->pid, SIGKILL);
	take_end(n);
}

void broker_net_event(struct broker_net *n, enum net_event event)
{
	if (event == NET_EVENT_RESTART)
		take_restart(n);
	else if (event == NET_EVENT_RESOLV && n->watch >= 0)
		take_resolv_event(n);
	else if (event == NET_EVENT_CONTROL && n->control >= 0)
		take_control_event(n);
}

/* ---- making and unmaking ---- */

struct broker_net *broker_net_new(int epoll, int core, const struct broker_files *files, uint32_t start_flags,
                                  bool asks)
{
	struct broker_net *n = calloc(1, sizeof(*n));
	const char *other = getenv("VITRINE_RESOLV_CONF");
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = NET_EVENT_BELL };

	if (!n)
		return NULL;
	n->epoll = epoll;
	n->core = core;
	n->files = files;
	n->start_flags = start_flags;
	n->asks = asks;
	n->control = n->log = n->watch = -1;
	n->resolv_conf = other ? other : "/etc/resolv.conf";
	n->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	n->restart = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (n->bell < 0 || n->restart < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, n->restart,
	              &(struct epoll_event){ EPOLLIN, { .u32 = NET_EVENT_RESTART } }) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, n->bell, &event) < 0) {
		broker_net_free(n);
		return NULL;
	}
	return n;
}

void broker_net_free(struct broker_net *n)
{
	if (!n)
		return;
	if (n->pid)
		kill(n->pid, SIGKILL);
	end_process(n);
	forget_process(n);
	if (n->watch >= 0)
		close(n->watch);
	if (n->bell >= 0)
		close(n->bell);
	if (n->restart >= 0)
		close(n->restart);
	free(n->path);
	free(n);
}

pid_t broker_net_pid(const struct broker_net *n)
{
	return n->pid;
}
