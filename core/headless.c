/* SPDX-License-Identifier: MIT */
#include "core/headless.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "core/broker.h"
#include "core/screen_file.h"
#include "core/script.h"
#include "vmformat/bytes.h"

#define TICK_MS 20         /* between two looks while something is waited for */
#define SCREEN_PERIOD 0.05 /* seconds between two pictures that a headless run asks for */
#define TEXT_PERIOD 0.1    /* between two looks at the text cells */
#define TEXT_SETTLED 8 /* seconds a text screen must stay the same to count as up: boot loaders count down by seconds */
#define PICTURE_SETTLED 2     /* seconds in a graphics mode */
#define BLANK_SHARE 1000      /* a line of text is more than a thousandth of the pixels, a cursor less */
#define END_TIMEOUT 30        /* seconds that a core may need to write its overlays */
#define TRANSCRIPT 65536      /* bytes of serial and debug output that texts are looked for in */
#define ESCAPE_KEY 0x1d       /* Ctrl+], as in telnet(1) */
#define MESSAGES_PER_ROUND 64 /* so that a guest that prints without end does not hold up signals and the script */

/* The end of what one port said. */
struct transcript {
	size_t length;
	char text[TRANSCRIPT + 1];
};

struct headless {
	const struct headless_options *options;
	struct broker *broker;
	struct script *script;
	struct timespec start;
	int signals;
	int serial_file, debug_file; /* -1: none */
	int input;                   /* the terminal or pipe for the serial line, -1: none (any more) */
	bool raw, escaped;
	struct termios terminal; /* to be restored */

	bool wants_screen, wants_text;
	bool screen_due, text_due;
	double next_screen, next_text;
	unsigned width, height;
	struct message_text_screen cells;
	double settled_since; /* when the text last changed, or the graphics mode began */
	bool handed_over;     /* the BIOS has started somebody, or says that there is nobody */
	struct transcript serial, debug;

	unsigned percent; /* of what is prepared, once told_progress */
	bool told_progress;
	bool counts; /* a line without its end is on the terminal */
	enum machine_state state;
	bool ended;    /* the core said its last state, or has gone */
	bool stopping; /* we asked it to */
	bool pressed;  /* the power button, for a first SIGTERM */
	double stop_deadline;
	int exit;
};

/* ---- saying ---- */

void headless_complain(const char *format, ...)
{
	va_list args;

	fputs("vitrine-core: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

double headless_now(const struct headless *h)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - h->start.tv_sec) + (double)(now.tv_nsec - h->start.tv_nsec) / 1e9;
}

/* ---- the terminal ---- */

static void restore_terminal(struct headless *h)
{
	if (h->raw)
		tcsetattr(h->input, TCSADRAIN, &h->terminal);
	h->raw = false;
}

/* Raw only in the foreground: a background job that touches its terminal would be stopped. */
static void open_terminal(struct headless *h)
{
	struct termios raw;

	h->input = STDIN_FILENO;
	if (h->options->script && !strcmp(h->options->script, "-"))
		h->input = -1;
	if (h->input < 0 || !isatty(h->input))
		return;
	if (tcgetpgrp(h->input) != getpgrp() || tcgetattr(h->input, &h->terminal) < 0) {
		h->input = -1;
		return;
	}
	raw = h->terminal;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST | ONLCR; /* our own words */
	h->raw = tcsetattr(h->input, TCSADRAIN, &raw) == 0;
	if (h->raw && !h->options->quiet)
		headless_complain(
			"the terminal is the guest's first serial port; Ctrl+] q ends, Ctrl+] p pauses and runs");
}

static void stop(struct headless *h, int exit);

static void take_escape(struct headless *h, uint8_t c)
{
	switch (c) {
	case 'q':
		stop(h, EXIT_OFF);
		break;
	case 'p':
		headless_command(h, h->state == STATE_RUNNING ? COMMAND_PAUSE : COMMAND_RUN);
		break;
	case ESCAPE_KEY:
		headless_type_serial(h, "\035");
		break;
	}
}

static void type_bytes(struct headless *h, const uint8_t *data, size_t count)
{
	while (count) {
		union message m = { .serial = { .port = 0, .count = (uint32_t)MIN(count, MESSAGE_CHUNK) } };

		memcpy(m.serial.data, data, m.serial.count);
		broker_send(h->broker, &m, MESSAGE_SERIAL_INPUT, 0);
		data += m.serial.count;
		count -= m.serial.count;
	}
}

static void read_input(struct headless *h)
{
	uint8_t data[512], plain[512];
	ssize_t n = read(h->input, data, sizeof(data));
	size_t used = 0;

	if (n <= 0) { /* end of file: the guest goes on */
		restore_terminal(h);
		h->input = -1;
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (h->escaped)
			take_escape(h, data[i]);
		else if (!h->raw || data[i] != ESCAPE_KEY)
			plain[used++] = data[i];
		h->escaped = !h->escaped && h->raw && data[i] == ESCAPE_KEY;
	}
	type_bytes(h, plain, used);
}

/* ---- what the core says ---- */

static void append(struct transcript *t, const uint8_t *data, size_t count)
{
	size_t keep = MIN(t->length, TRANSCRIPT - MIN(count, TRANSCRIPT));

	if (count > TRANSCRIPT) {
		data += count - TRANSCRIPT;
		count = TRANSCRIPT;
	}
	memmove(t->text, t->text + t->length - keep, keep);
	for (size_t i = 0; i < count; i++)
		t->text[keep + i] = data[i] ? (char)data[i] : ' '; /* a text to search in has no 0 */
	t->length = keep + count;
	t->text[t->length] = 0;
}

static void write_out(struct headless *h, int fd, const uint8_t *data, size_t count)
{
	while (fd >= 0 && count) {
		ssize_t n = write(fd, data, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			headless_complain("the serial line's output cannot be written: %s", strerror(errno));
			stop(h, EXIT_TROUBLE);
			return;
		}
		data += n;
		count -= (size_t)n;
	}
}

static void take_serial(struct headless *h, const union message *m)
{
	bool debug = m->serial.port == 255;

	if (m->serial.port != 0 && !debug)
		return; /* COM2 and later have no file */
	append(debug ? &h->debug : &h->serial, m->serial.data, m->serial.count);
	write_out(h, debug ? h->debug_file : h->serial_file, m->serial.data, m->serial.count);
}

static void take_state(struct headless *h, const union message *m)
{
	h->state = m->state.state;
	if (m->state.state == STATE_OFF || m->state.state == STATE_FAILED) {
		h->ended = true;
		if (m->state.state == STATE_OFF && !h->stopping && (h->options->until || h->script))
			h->exit = EXIT_UNSEEN; /* unless its last words say otherwise */
	}
	if (m->state.text[0])
		headless_complain("%s", m->state.text);
	if (m->state.state == STATE_FAILED)
		h->exit = EXIT_TROUBLE;
	else if (m->state.state == STATE_PAUSED && m->state.text[0])
		stop(h, EXIT_TROUBLE); /* the disk is full: nobody is here who could make room */
}

static void take_screen(struct headless *h, const union message *m)
{
	h->width = m->screen.width;
	h->height = m->screen.height;
	h->screen_due = true;
}

static void take_text_screen(struct headless *h, const union message *m)
{
	if (memcmp(&h->cells.columns, &m->text_screen.columns, sizeof(h->cells) - sizeof(h->cells.header)))
		h->settled_since = headless_now(h);
	h->cells = m->text_screen;
	h->text_due = true;
}

static void take_notice(struct headless *h, const union message *m)
{
	if (m->notice.level != NOTICE_INFO || !h->options->quiet)
		headless_complain("%s: %s", m->notice.level == NOTICE_INFO ? "note" : "warning", m->notice.text);
}

/* The text goes to stderr, where people read; the guest's serial line may have stdout. */
static void take_license(struct headless *h, const union message *m)
{
	if (!h->options->accept_license)
		fprintf(stderr, "%s%s", m->license.text, m->license.last ? "\n" : "");
}

static void take_license_question(struct headless *h, const union message *m)
{
	union message yes = { .answer = { .accept = 1 } };

	if (h->options->accept_license) {
		broker_send(h->broker, &yes, MESSAGE_ANSWER, m->header.serial);
		return;
	}
	headless_complain(
		"this licence agreement comes with the appliance; --accept-eula accepts it, once for all runs");
	stop(h, EXIT_LICENSE);
}

static void take_question(struct headless *h, const union message *m)
{
	bool accept = !(h->options->flags & START_VERIFY);
	union message answer = { .answer = { .accept = accept } };

	if (m->question.kind == QUESTION_LICENSE) {
		take_license_question(h, m);
		return;
	}
	headless_complain("%s: %s", accept ? "warning" : "error", m->question.text);
	broker_send(h->broker, &answer, MESSAGE_ANSWER, m->header.serial);
	if (!accept)
		stop(h, EXIT_DIGEST);
}

static void take_machine(struct headless *h, const union message *m)
{
	char text[MESSAGE_TEXT];

	if (h->wants_text)
		h->text_due = true;
	if (!h->options->cd)
		return;
	if (!m->machine.cd_count)
		headless_complain("the machine has no CD drive for %s", h->options->cd);
	else if (broker_insert_cd(h->broker, 0, h->options->cd, false, text) < 0)
		headless_complain("%s", text);
	else
		return;
	stop(h, EXIT_TROUBLE);
}

/* Unpacking takes minutes: a line that counts on a terminal, else one at each tenth. */
static void take_progress(struct headless *h, const union message *m)
{
	const struct message_progress *p = &m->progress;
	unsigned percent = p->total ? (unsigned)((double)p->done * 100 / (double)p->total) : 100;
	unsigned step = isatty(STDERR_FILENO) ? 1 : 10;

	if (h->options->quiet || (h->told_progress && percent / step == h->percent / step))
		return;
	h->told_progress = true;
	h->percent = percent;
	h->counts = step == 1;
	fprintf(stderr, "%svitrine-core: note: %s is being prepared: %u%%%s", h->counts ? "\r" : "", p->what, percent,
	        h->counts ? "" : "\n");
}

static void end_counting(struct headless *h)
{
	if (h->counts)
		fputc('\n', stderr);
	h->counts = false;
}

static void take_output(struct headless *h, const union message *m)
{
	write_out(h, STDOUT_FILENO, (const uint8_t *)m->output.data, m->output.count);
}

static void take_listening(struct headless *h, const union message *m)
{
	for (unsigned i = 0; i < m->listening.count && !h->options->quiet; i++) {
		const struct nat_forward *f = &m->listening.ports[i];

		headless_complain("note: %s %u.%u.%u.%u:%u leads to port %u of the machine",
		                  f->protocol == NAT_UDP ? "UDP" : "TCP", f->address[0], f->address[1], f->address[2],
		                  f->address[3], f->host_port, f->guest_port);
	}
}

static void take_nothing(struct headless *h, const union message *m)
{
	(void)h;
	(void)m;
}

static const struct {
	enum message_type type;
	void (*take)(struct headless *h, const union message *m);
} takers[] = {
	{ MESSAGE_HELLO, take_nothing },
	{ MESSAGE_MACHINE, take_machine },
	{ MESSAGE_STATE, take_state },
	{ MESSAGE_SCREEN, take_screen },
	{ MESSAGE_CD, take_nothing },
	{ MESSAGE_SERIAL_OUTPUT, take_serial },
	{ MESSAGE_NOTICE, take_notice },
	{ MESSAGE_QUESTION, take_question },
	{ MESSAGE_TEXT_SCREEN, take_text_screen },
	{ MESSAGE_OUTPUT, take_output },
	{ MESSAGE_LISTENING, take_listening },
	{ MESSAGE_LICENSE, take_license },
	{ MESSAGE_PROGRESS, take_progress },
};

static void explain_death(struct headless *h)
{
	int status = broker_wait(h->broker, 1000);
	char words[16384];

	end_counting(h);
	h->ended = true;
	h->exit = EXIT_TROUBLE;
	if (broker_last_words(h->broker, words, sizeof(words)))
		fputs(words, stderr);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		headless_complain(
			"the machine was ended by its sandbox: it tried a system call that it has no use for");
	else if (WIFSIGNALED(status))
		headless_complain("the machine crashed (%s)", strsignal(WTERMSIG(status)));
	else
		headless_complain("the machine ended without a word (exit status %d)", WEXITSTATUS(status));
}

static void receive(struct headless *h)
{
	union message m;

	for (unsigned n = 0; n < MESSAGES_PER_ROUND && !h->ended; n++) {
		int result = broker_receive(h->broker, &m);

		if (result == -EAGAIN)
			return;
		if (result < 0) {
			explain_death(h);
			return;
		}
		if (result == 1 && m.header.type != MESSAGE_PROGRESS)
			end_counting(h);
		for (size_t i = 0; result == 1 && i < ARRAY_SIZE(takers); i++)
			if (takers[i].type == m.header.type)
				takers[i].take(h, &m);
	}
}

/* ---- for the script ---- */

void headless_key(struct headless *h, unsigned code, bool down)
{
	union message m = { .key = { .code = (uint16_t)code, .down = down } };

	broker_send(h->broker, &m, MESSAGE_KEY, 0);
}

void headless_pointer(struct headless *h, int dx, int dy, unsigned buttons)
{
	union message m = { .pointer = { .dx = dx, .dy = dy, .buttons = buttons & 31 } };

	broker_send(h->broker, &m, MESSAGE_POINTER, 0);
}

void headless_position(struct headless *h, unsigned x, unsigned y, unsigned buttons)
{
	union message m = { .pointer_absolute = {
				    .x = MIN(x, POINTER_RANGE), .y = MIN(y, POINTER_RANGE), .buttons = buttons & 31 } };

	broker_send(h->broker, &m, MESSAGE_POINTER_ABSOLUTE, 0);
}

void headless_command(struct headless *h, enum command command)
{
	if (command == COMMAND_POWER_OFF)
		stop(h, EXIT_OFF);
	else
		broker_command(h->broker, command);
}

int headless_insert_cd(struct headless *h, const char *path, bool force)
{
	char text[MESSAGE_TEXT];
	int err = broker_insert_cd(h->broker, 0, path, force, text);

	if (err)
		headless_complain("%s", text);
	return err;
}

void headless_cable(struct headless *h, unsigned nic, bool connected)
{
	union message m = { .cable = { .nic = nic, .connected = connected } };

	broker_send(h->broker, &m, MESSAGE_CABLE, 0);
}

void headless_type_serial(struct headless *h, const char *text)
{
	type_bytes(h, (const uint8_t *)text, strlen(text));
}

static bool screen_shows(const struct headless *h, const char *text)
{
	char *screen = screen_file_utf8(h->cells.cells, h->cells.columns, h->cells.rows);
	bool shows = screen && strstr(screen, text);

	free(screen);
	return shows;
}

enum headless_text headless_find(const struct headless *h, const char *text)
{
	if (strstr(h->serial.text, text))
		return TEXT_SERIAL;
	if (strstr(h->debug.text, text))
		return TEXT_DEBUG;
	return screen_shows(h, text) ? TEXT_SCREEN : TEXT_NOWHERE;
}

void headless_forget(struct headless *h)
{
	h->serial.length = h->debug.length = 0;
	h->serial.text[0] = h->debug.text[0] = 0;
}

int headless_screenshot(const struct headless *h, const char *path)
{
	int err;

	if (!h->width || !h->height) {
		headless_complain("%s: the machine has shown no picture yet", path);
		return -ENODATA;
	}
	err = screen_file_png(path, broker_screen(h->broker), h->width, h->height);
	if (err)
		headless_complain("%s: %s", path, strerror(-err));
	return err;
}

int headless_screen_text(const struct headless *h, const char *path)
{
	int err = screen_file_text(path, h->cells.cells, h->cells.columns, h->cells.rows);

	if (err)
		headless_complain("%s: %s", path, strerror(-err));
	return err;
}

/* ---- waiting ---- */

/* The first reason to end counts. */
static void stop(struct headless *h, int exit)
{
	if (h->stopping || h->ended)
		return;
	h->stopping = true;
	h->exit = exit;
	h->stop_deadline = headless_now(h) + END_TIMEOUT;
	broker_command(h->broker, COMMAND_POWER_OFF);
}

static void look_for_until(struct headless *h)
{
	static const char *const places[] = { "", "on the serial line", "on the debug console", "on the screen" };
	enum headless_text where = h->options->until ? headless_find(h, h->options->until) : TEXT_NOWHERE;

	if (!where || h->stopping)
		return;
	if (!h->options->quiet)
		headless_complain("\"%s\" was seen %s after %.1f seconds", h->options->until, places[where],
		                  headless_now(h));
	if (h->ended)
		h->exit = EXIT_OFF;
	else
		stop(h, EXIT_OFF);
}

/* Nearly all of one colour: before the firmware has drawn (a cursor blinks), between two modes, or asleep. */
static bool is_blank(const struct headless *h)
{
	const uint32_t *pixels = broker_screen(h->broker);
	size_t count = (size_t)h->width * h->height, different = 0;

	for (size_t i = 1; i < count && different * BLANK_SHARE < count; i++)
		different += pixels[i] != pixels[0];
	return different * BLANK_SHARE < count;
}

/* Until then the screen is the BIOS's own, which on a busy computer stands still for long. SeaBIOS says it on its debug console. */
static bool is_handed_over(const struct headless *h)
{
	static const char *const words[] = { "Booting from 0000:7c00", "Booting from ROM", "No bootable device" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(h->debug.text, words[i]))
			return true;
	return false;
}

/* Nobody can know what a guest's last screen looks like: a picture that stays one for a while, or text that stands
 * still. */
static void look_at_screen(struct headless *h)
{
	double enough = h->cells.columns ? TEXT_SETTLED : PICTURE_SETTLED;

	if (!h->options->until_screen || h->stopping || !h->width || !h->cells.header.length)
		return;
	h->handed_over = h->handed_over || is_handed_over(h);
	if (!h->handed_over || is_blank(h))
		h->settled_since = headless_now(h);
	else if (headless_now(h) - h->settled_since >= enough)
		stop(h, EXIT_OFF);
}

static void step_script(struct headless *h)
{
	int result;

	if (!h->script || h->stopping || h->state == STATE_STARTING || h->state == STATE_FAILED)
		return;
	result = script_step(h->script, h);
	if (h->ended && result == 0)
		h->exit = EXIT_OFF; /* it waited for the machine's last words */
	else if (result < 0)
		stop(h, EXIT_UNSEEN);
	else if (result == 0 && !h->options->until)
		stop(h, EXIT_OFF);
}

static void check_time(struct headless *h)
{
	double now = headless_now(h), limit = h->options->seconds;

	if (limit > 0 && now >= limit && !h->stopping) {
		if (h->options->until)
			headless_complain("\"%s\" was not seen within %g seconds", h->options->until, limit);
		stop(h, h->options->until || h->script ? EXIT_UNSEEN : EXIT_ELAPSED);
	}
	if (h->stopping && !h->ended && now >= h->stop_deadline) {
		headless_complain("the machine did not end within %d seconds and was killed", END_TIMEOUT);
		h->ended = true;
		h->exit = EXIT_TROUBLE;
	}
}

static void ask_for_screen(struct headless *h)
{
	double now = headless_now(h);

	if (h->wants_screen && h->screen_due && now >= h->next_screen) {
		h->screen_due = false;
		h->next_screen = now + SCREEN_PERIOD;
		broker_command(h->broker, COMMAND_SCREEN_READY);
	}
	if (h->text_due && now >= h->next_text) {
		h->text_due = false;
		h->next_text = now + TEXT_PERIOD;
		broker_command(h->broker, COMMAND_TEXT_SCREEN);
	}
}

static int poll_timeout(const struct headless *h)
{
	double limit = h->options->seconds, left;

	if (h->wants_screen || h->wants_text || h->script || h->stopping)
		return TICK_MS;
	if (limit <= 0)
		return -1;
	left = limit - headless_now(h);
	return left <= 0 ? 0 : (int)MIN(left * 1000 + 1, 1e6);
}

/* SIGTERM is how a service manager asks politely: the guest is asked, too. One that does not listen is switched off by the
 * next. */
static void take_signal(struct headless *h)
{
	struct signalfd_siginfo info;

	if (read(h->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGTERM || h->pressed || h->state != STATE_RUNNING) {
		stop(h, EXIT_SIGNAL + (int)info.ssi_signo);
		return;
	}
	h->pressed = true;
	broker_command(h->broker, COMMAND_POWER_BUTTON);
	if (!h->options->quiet)
		headless_complain("the power button was pressed; SIGTERM once more switches the machine off");
}

static void play(struct headless *h)
{
	while (!h->ended) {
		struct pollfd fds[] = { { .fd = broker_socket(h->broker), .events = POLLIN },
			                { .fd = h->signals, .events = POLLIN },
			                { .fd = h->input, .events = POLLIN } };

		if (poll(fds, 3, poll_timeout(h)) > 0) {
			if (fds[1].revents)
				take_signal(h);
			if (fds[2].revents)
				read_input(h);
		}
		receive(h);
		look_for_until(h);
		look_at_screen(h);
		step_script(h);
		check_time(h);
		ask_for_screen(h);
	}
}

/* ---- beginning and end ---- */

static int open_output(const char *path, int *ret_fd)
{
	*ret_fd = !path                ? -1
	          : !strcmp(path, "-") ? STDOUT_FILENO
	                               : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (path && *ret_fd < 0) {
		headless_complain("%s: %s", path, strerror(errno));
		return -errno;
	}
	return 0;
}

static int prepare(struct headless *h)
{
	const struct headless_options *o = h->options;
	sigset_t set;

	if (o->mode == START_PLAY && (open_output(o->serial ? o->serial : "-", &h->serial_file) < 0 ||
	                              open_output(o->debugcon, &h->debug_file) < 0))
		return -1;
	if (o->script) {
		h->script = script_read(o->script);
		if (!h->script)
			return -1;
	}
	h->wants_text = o->screen_text || o->until || o->until_screen || o->script;
	h->wants_screen = h->wants_text || o->screenshot;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	h->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return 0;
}

static int start(struct headless *h)
{
	const struct headless_options *o = h->options;
	struct broker_options options = {
		.core_path = getenv("VITRINE_CORE") ? NULL : "/proc/self/exe",
		.appliance = o->appliance,
		.mode = o->mode,
		.flags = o->flags | (h->wants_text ? START_TEXT_SCREEN : 0),
		.drive = o->drive,
		.output_fd = o->mode == START_DUMP ? STDOUT_FILENO : -1,
		.allowed = o->allowed,
	};
	char text[MESSAGE_TEXT];
	int err = broker_start(&options, &h->broker, text);

	if (err)
		headless_complain("%s", text);
	return err;
}

static void keep_results(struct headless *h)
{
	int err = 0;

	if (h->options->screenshot && h->exit != EXIT_TROUBLE)
		err |= headless_screenshot(h, h->options->screenshot);
	if (h->options->screen_text)
		err |= headless_screen_text(h, h->options->screen_text);
	if (err && h->exit == EXIT_OFF)
		h->exit = EXIT_TROUBLE;
}

int headless_run(const struct headless_options *options)
{
	struct headless *h = calloc(1, sizeof(*h));
	int exit;

	if (!h)
		return EXIT_TROUBLE;
	*h = (struct headless){
		.options = options, .signals = -1, .serial_file = -1, .debug_file = -1, .input = -1, .exit = EXIT_OFF
	};
	clock_gettime(CLOCK_MONOTONIC, &h->start);
	if (prepare(h) < 0 || start(h) < 0) {
		h->exit = EXIT_TROUBLE;
	} else {
		if (options->mode == START_PLAY)
			open_terminal(h);
		play(h);
		restore_terminal(h);
		keep_results(h);
		broker_wait(h->broker, 1000);
	}
	broker_free(h->broker);
	script_free(h->script);
	if (h->signals >= 0)
		close(h->signals);
	for (size_t i = 0; i < 2; i++) {
		int fd = i ? h->debug_file : h->serial_file;

		if (fd > STDERR_FILENO)
			close(fd);
	}
	exit = h->exit;
	free(h);
	return exit;
}
