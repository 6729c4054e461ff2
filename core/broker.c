/* SPDX-License-Identifier: MIT */
#include "core/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/audio/sound_ring.h"
#include "core/broker_files.h"
#include "core/broker_in_place.h"
#include "core/broker_net.h"
#include "core/broker_spawn.h"
#include "core/video/screen.h"
#include "vmformat/bytes.h"

#define CORE_EVENT 0u       /* in the epoll set; the others are enum net_event */
#define MAX_EVENTS 5        /* the core, vitrine-net, resolv.conf, its restart, something to say */
#define SEND_TIMEOUT_MS 200 /* a core that does not read for so long must not freeze the window */

struct broker {
	struct broker_files files;
	pid_t pid;  /* 0: not started, or waited for */
	int status; /* its wait status, once pid is 0 */
	int socket;
	int events; /* epoll: the socket (CORE_EVENT), and net's */
	struct broker_net *net;
	uint32_t flags; /* enum start_flags */
	bool asks;
	enum { NOBODY, CORE, NET, IN_PLACE } asker; /* of the one question that the caller has not answered */
	bool question_held;                         /* the core's, until another one is answered */
	struct message_question held;
	bool lock_waits, lock_due; /* a disk to be locked waits for the person; the question has not been asked yet */
	struct message_open lock;
	char trouble[MESSAGE_TEXT]; /* to be told when the person has answered; "": none */
	int log;                    /* read end of the pipe that is the core's stderr */
	int screen_fd, sound_fd;
	uint32_t *screen;
	struct sound_ring *sound;
	bool greeted;                   /* HELLO has come */
	bool playing;                   /* MACHINE has come */
	uint32_t counts[MESSAGE_TYPES]; /* messages received by type */
};

/* What a core may say in one life. A core that says more is broken or hostile, and ends. */
static const struct {
	enum message_type type;
	uint32_t limit;
} limits[] = {
	{ MESSAGE_HELLO, 1 },
	{ MESSAGE_MACHINE, 1 },
	{ MESSAGE_NETWORK_WANTED, 1 },
	{ MESSAGE_OPEN, 8192 },     /* 8 TB in the 2 GB pieces of twoGbMaxExtent, and every file of a manifest again */
	{ MESSAGE_NOTICE, 4096 },   /* 1,024 remarks of an appliance, and troubles while it runs */
	{ MESSAGE_QUESTION, 1024 }, /* one for each file of a manifest */
	{ MESSAGE_LICENSE, LICENSE_MAX / (MESSAGE_CHUNK / 2) },
	{ MESSAGE_OUTPUT, 4096 }, /* 8 MiB: twice the largest .vmx that is read */
};

/* ---- start ---- */

struct start_fds {
	int fds[START_FDS];
	unsigned count;
	bool owned[START_FDS]; /* to be closed after START was sent */
};

static void close_start_fds(struct start_fds *s)
{
	for (unsigned i = 0; i < START_FDS; i++)
		if (s->owned[i])
			close(s->fds[i]);
}

static int take_start_fd(struct start_fds *s, enum start_fd which, int fd)
{
	s->fds[which] = fd;
	s->owned[which] = true;
	return fd < 0 ? -errno : 0;
}

static int map_shared(struct broker *b, char text[MESSAGE_TEXT])
{
	void *screen, *sound;
	int err = broker_make_shared("screen", SCREEN_BYTES, &b->screen_fd, text);

	if (!err)
		err = broker_make_shared("sound", sizeof(struct sound_ring), &b->sound_fd, text);
	if (err)
		return err;
	screen = mmap(NULL, SCREEN_BYTES, PROT_READ, MAP_SHARED, b->screen_fd, 0);
	sound = mmap(NULL, sizeof(struct sound_ring), PROT_READ | PROT_WRITE, MAP_SHARED, b->sound_fd, 0);
	b->screen = screen == MAP_FAILED ? NULL : screen;
	b->sound = sound == MAP_FAILED ? NULL : sound;
	return b->screen && b->sound
	               ? 0
	               : broker_say(text, -ENOMEM, "The shared screen cannot be mapped: %s", strerror(errno));
}

/* Everything a START of this mode brings, but the log, which is made with the process. */
static int gather(struct broker *b, const struct broker_options *o, struct start_fds *s, char text[MESSAGE_TEXT])
{
	int err;

	s->count = o->mode == START_PLAY ? START_FDS : START_FDS_TOOL;
	s->fds[START_FD_APPLIANCE] = b->files.appliance_fd;
	if (o->output_fd >= 0 && o->mode == START_DUMP)
		s->fds[START_FD_OUTPUT] = o->output_fd;
	else if (take_start_fd(s, START_FD_OUTPUT, open("/dev/null", O_WRONLY | O_CLOEXEC)) < 0)
		return broker_say(text, -errno, "/dev/null: %s", strerror(errno));
	if (o->mode != START_PLAY)
		return 0;
	err = broker_open_kvm(&s->fds[START_FD_KVM], text);
	s->owned[START_FD_KVM] = !err;
	if (!err)
		err = broker_open_firmware(&s->fds[START_FD_BIOS], &s->fds[START_FD_VGABIOS], text);
	s->owned[START_FD_BIOS] = s->owned[START_FD_VGABIOS] = !err;
	if (!err)
		err = map_shared(b, text);
	s->fds[START_FD_SCREEN] = b->screen_fd;
	s->fds[START_FD_SOUND] = b->sound_fd;
	return err;
}

static int start_core(struct broker *b, const char *option, struct start_fds *s, char text[MESSAGE_TEXT])
{
	static char number[] = "3", flag[] = "--core-fd", name[] = "vitrine-core";
	static_assert(SPAWN_FIRST_FD == 3, "number[] above");
	char *const arguments[] = { name, flag, number, NULL };
	struct spawn spawn = { .arguments = arguments, .fds = { -1 }, .count = 1, .log = -1 };
	struct timeval timeout = { .tv_usec = SEND_TIMEOUT_MS * 1000 };
	char *path;
	int err = broker_find_core(option, &path, text);

	if (err)
		return err;
	spawn.path = path;
	err = spawn_pair(&b->socket, &spawn.fds[0]);
	if (!err)
		err = spawn_log(&b->log, &spawn.log);
	if (!err)
		err = spawn_program(&spawn, &b->pid);
	if (err) {
		b->pid = 0;
		broker_say(text, err, "%s cannot be started: %s", path, strerror(-err));
	}
	if (b->socket >= 0)
		setsockopt(b->socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (spawn.fds[0] >= 0)
		close(spawn.fds[0]);
	take_start_fd(s, START_FD_LOG, spawn.log);
	s->owned[START_FD_LOG] = spawn.log >= 0;
	free(path);
	return err;
}

/* One descriptor for the caller to wait on, whatever there is to hear. */
static int gather_events(struct broker *b, const struct broker_options *o, char text[MESSAGE_TEXT])
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = CORE_EVENT };

	b->events = epoll_create1(EPOLL_CLOEXEC);
	if (b->events >= 0 && epoll_ctl(b->events, EPOLL_CTL_ADD, b->socket, &event) == 0)
		b->net = broker_net_new(b->events, b->socket, &b->files, o->flags, o->asks);
	return b->net ? 0 : broker_say(text, -ENOMEM, "The machine cannot be watched: %s", strerror(errno));
}

static int send_start(struct broker *b, const struct broker_options *o, const struct start_fds *s,
                      char text[MESSAGE_TEXT])
{
	union message m = { .start = { .version = PROTOCOL_VERSION, .mode = o->mode, .flags = o->flags } };
	time_t now = time(NULL);
	struct tm local;
	int err;

	if (localtime_r(&now, &local))
		m.start.local_time_offset = local.tm_gmtoff;
	message_copy_text(m.start.name, sizeof(m.start.name), b->files.name);
	message_copy_text(m.start.drive, sizeof(m.start.drive), o->drive ? o->drive : "");
	err = message_send(b->socket, &m, MESSAGE_START, 0, s->fds, s->count);
	return err ? broker_say(text, err, "vitrine-core ended at its start: %s", strerror(-err)) : 0;
}

int broker_start(const struct broker_options *options, struct broker **ret_broker, char text[MESSAGE_TEXT])
{
	struct broker *b = calloc(1, sizeof(*b));
	struct start_fds s = { .fds = { -1, -1, -1, -1, -1, -1, -1, -1 } };
	int err;

	if (!b)
		return broker_say(text, -ENOMEM, "Out of memory");
	b->socket = b->log = b->screen_fd = b->sound_fd = b->events = -1;
	b->flags = options->flags;
	b->asks = options->asks;
	err = broker_files_init(&b->files, options->appliance, options->allowed, text);
	if (!err)
		err = gather(b, options, &s, text);
	if (!err)
		err = start_core(b, options->core_path, &s, text);
	if (!err)
		err = gather_events(b, options, text);
	if (!err)
		err = send_start(b, options, &s, text);
	close_start_fds(&s);
	if (err) {
		broker_free(b);
		return err;
	}
	*ret_broker = b;
	return 0;
}

/* ---- the conversation ---- */

/* status: of what was asked before opening, with its words. */
static int answer_open(struct broker *b, const struct message_open *open, int status, const char *text)
{
	union message m = { .opened = { .status = status } };
	int fd = -1, err;

	if (status)
		message_copy_text(m.opened.text, sizeof(m.opened.text), text);
	else
		m.opened.status = broker_files_open(&b->files, open, &fd, m.opened.text);
	err = message_send(b->socket, &m, MESSAGE_OPENED, open->header.serial, &fd, fd >= 0);
	if (fd >= 0)
		close(fd);
	return err;
}

/* ---- disks that are written in place ---- */

static void ask_about_lock(struct broker *b, union message *ret_message)
{
	b->lock_due = false;
	b->asker = IN_PLACE;
	broker_in_place_question(&b->files, &ret_message->question);
}

/* 1: a question for the caller. */
static int take_lock(struct broker *b, const struct message_open *open, union message *ret_message)
{
	char text[MESSAGE_TEXT] = "";
	int verdict = b->lock_waits ? broker_say(text, -EBUSY, "The core asks for two disks at once")
	                            : broker_in_place_judge(&b->files, open, b->flags, text);

	if (verdict == -EAGAIN && !b->asks)
		verdict = broker_say(text, -EPERM, "nobody has allowed it yet; --write-in-place does");
	if (verdict != -EAGAIN)
		return answer_open(b, open, verdict, text);
	b->lock = *open;
	b->lock_waits = b->lock_due = true;
	if (b->asker != NOBODY)
		return 0; /* later: next_of_ours() */
	ask_about_lock(b, ret_message);
	return 1;
}

static int finish_lock(struct broker *b, int status, const char *text)
{
	b->lock_waits = b->lock_due = false;
	return answer_open(b, &b->lock, status, text);
}

/* A person takes minutes, in which somebody else may have locked the disk or written to an overlay of it. */
static int answer_lock(struct broker *b, bool accept)
{
	char text[MESSAGE_TEXT];

	broker_in_place_answer(&b->files, accept, b->trouble);
	return b->lock_waits ? finish_lock(b, broker_in_place_judge(&b->files, &b->lock, b->flags, text), text) : 0;
}

static bool is_in_order(struct broker *b, const union message *m)
{
	uint16_t type = m->header.type;

	b->counts[type]++;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i].type == type && b->counts[type] > limits[i].limit)
			return false;
	if (type == MESSAGE_HELLO)
		b->greeted = true;
	if (type == MESSAGE_MACHINE)
		b->playing = true;
	return b->greeted;
}

static void kill_core(struct broker *b)
{
	if (b->pid)
		kill(b->pid, SIGKILL);
}

/* One question at a time for the caller, whose else it be. 1: it may be handed on. */
static int take_question(struct broker *b, const struct message_question *q)
{
	if (b->asker == CORE || b->question_held)
		return -EPROTO; /* it asks again before the answer */
	if (b->asker == NOBODY) {
		b->asker = CORE;
		return 1;
	}
	b->held = *q;
	b->question_held = true;
	return 0;
}

static void tell_trouble(struct broker *b, union message *ret_message)
{
	struct message_notice *notice = &ret_message->notice;

	*notice = (struct message_notice){ .header = { .type = MESSAGE_NOTICE, .length = sizeof(*notice) },
		                           .level = NOTICE_WARNING };
	message_copy_text(notice->text, sizeof(notice->text), b->trouble);
	b->trouble[0] = 0;
}

static bool next_of_ours(struct broker *b, union message *ret_message)
{
	if (b->trouble[0]) {
		tell_trouble(b, ret_message);
		return true;
	}
	if (b->question_held && b->asker == NOBODY) {
		b->question_held = false;
		b->asker = CORE;
		ret_message->question = b->held;
		return true;
	}
	if (b->lock_due && b->asker == NOBODY) {
		ask_about_lock(b, ret_message);
		return true;
	}
	if (!broker_net_next(b->net, b->asker == NOBODY, ret_message))
		return false;
	if (ret_message->header.type == MESSAGE_QUESTION)
		b->asker = NET;
	return true;
}

/* 1: a message for the caller; 0: dealt with. */
static int receive_from_core(struct broker *b, union message *ret_message)
{
	int fds[MESSAGE_MAX_FDS], err;
	unsigned nfds;

	err = message_receive(b->socket, ret_message, FROM_CORE, fds,
	                      &nfds); /* no message of a core carries descriptors */
	if (!err && !is_in_order(b, ret_message))
		err = -EPROTO;
	if (err)
		return err;
	switch (ret_message->header.type) {
	case MESSAGE_OPEN:
		if (ret_message->open.role == OPEN_IN_PLACE_LOCK) {
			const struct message_open open = ret_message->open;

			return take_lock(b, &open, ret_message);
		}
		return answer_open(b, &ret_message->open, 0, "");
	case MESSAGE_NETWORK_WANTED:
		broker_net_want(b->net, &ret_message->network_wanted);
		return 0;
	case MESSAGE_QUESTION:
		return take_question(b, &ret_message->question);
	default:
		return 1;
	}
}

int broker_receive(struct broker *b, union message *ret_message)
{
	struct epoll_event events[MAX_EVENTS];
	int count = epoll_wait(b->events, events, MAX_EVENTS, 0), result = count > 0 ? 0 : -EAGAIN;
	bool core = false;

	for (int i = 0; i < count; i++) {
		core |= events[i].data.u32 == CORE_EVENT;
		if (events[i].data.u32 != CORE_EVENT)
			broker_net_event(b->net, (enum net_event)events[i].data.u32);
	}
	if (next_of_ours(b, ret_message))
		return 1;
	if (core)
		result = receive_from_core(b, ret_message);
	if (result == -EPROTO)
		kill_core(b);
	return result;
}

bool broker_listens(const struct broker *b)
{
	struct pollfd p = { .fd = b->socket, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

int broker_send(struct broker *b, union message *m, enum message_type type, uint32_t serial)
{
	bool for_net = type == MESSAGE_ANSWER && b->asker == NET;
	bool for_lock = type == MESSAGE_ANSWER && b->asker == IN_PLACE;

	if (type == MESSAGE_ANSWER) {
		b->asker = NOBODY;
		broker_net_ring(b->net); /* another question may be waiting */
	}
	if (for_net) {
		broker_net_answer(b->net, m->answer.accept);
		return 0;
	}
	if (for_lock)
		return answer_lock(b, m->answer.accept);
	if (type == MESSAGE_COMMAND && m->command.command == COMMAND_POWER_OFF && b->lock_waits)
		finish_lock(b, -ECANCELED, "the machine was powered off"); /* it waits, and hears nothing else */
	return message_send(b->socket, m, type, serial, NULL, 0);
}

int broker_command(struct broker *b, enum command command)
{
	union message m = { .command = { .command = command } };

	return broker_send(b, &m, MESSAGE_COMMAND, 0);
}

int broker_insert_cd(struct broker *b, unsigned drive, const char *path, bool force, char text[MESSAGE_TEXT])
{
	union message m = { .cd_insert = { .drive = drive, .force = force } };
	int fd = -1, err;

	if (path) {
		const char *slash = strrchr(path, '/');

		err = broker_open_regular(AT_FDCWD, path, O_RDONLY, &fd, text);
		if (err)
			return err;
		message_copy_text(m.cd_insert.name, sizeof(m.cd_insert.name), slash ? slash + 1 : path);
	}
	err = message_send(b->socket, &m, MESSAGE_CD_INSERT, 0, &fd, fd >= 0);
	if (fd >= 0)
		close(fd);
	return err ? broker_say(text, err, "The machine does not answer: %s", strerror(-err)) : 0;
}

/* ---- what the caller asks ---- */

int broker_socket(const struct broker *b)
{
	return b->events;
}

const uint32_t *broker_screen(const struct broker *b)
{
	return b->screen;
}

struct sound_ring *broker_sound(const struct broker *b)
{
	return b->sound;
}

const char *broker_state_folder(const struct broker *b)
{
	return b->files.state_path;
}

const char *broker_configuration(const struct broker *b)
{
	if (b->files.configuration)
		return b->files.configuration;
	return b->playing ? b->files.path : NULL; /* the core asked for none: the user's own file is it */
}

pid_t broker_net_process(const struct broker *b)
{
	return broker_net_pid(b->net);
}

pid_t broker_core_pid(const struct broker *b)
{
	return b->pid;
}

size_t broker_last_words(const struct broker *b, char *text, size_t size)
{
	char *raw = calloc(1, size);

	text[0] = 0;
	if (raw && b->log >= 0 && read(b->log, raw, size - 1) > 0) /* non-blocking */
		message_copy_text(text, size, raw);
	free(raw);
	return strlen(text);
}

/* ---- the end ---- */

int broker_wait(struct broker *b, int timeout_ms)
{
	if (b->pid && !spawn_wait(b->pid, timeout_ms))
		kill_core(b);
	if (b->pid) {
		while (waitpid(b->pid, &b->status, 0) < 0 && errno == EINTR)
			;
		b->pid = 0;
	}
	return b->status;
}

void broker_free(struct broker *b)
{
	if (!b)
		return;

	int fds[] = { b->socket, b->events, b->log, b->screen_fd, b->sound_fd };

	kill_core(b);
	broker_wait(b, 1000);
	broker_net_free(b->net);
	broker_files_free(&b->files);
	if (b->screen)
		munmap(b->screen, SCREEN_BYTES);
	if (b->sound)
		munmap(b->sound, sizeof(*b->sound));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(b);
}
