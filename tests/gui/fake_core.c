/* SPDX-License-Identifier: MIT */
/*
 * A core that plays no machine: it speaks core/protocol.h to a player, so that the window can be tested by itself.
 *
 * The "appliance" is its script, a text of one word and perhaps an argument per line:
 *   log FILE        write there what the player says, a line each
 *   size W H        the screen's size (640 480)
 *   cds N           CD drives (1)
 *   locked          the guest holds its tray: only a forced eject takes the CD out
 *   notice TEXT  warning TEXT  question TEXT
 *   license TEXT    a licence agreement that begins so, before it runs; declined, it fails
 *   fail TEXT       the appliance cannot be played
 *   trouble TEXT    pauses itself with this sentence
 *   beep            a tone in the sound ring
 *   preparing       before all that, unpacks for ever, or until it is powered off
 *   absolute        the guest has a tablet
 *   still           its screen does not change by itself
 *   redraw N        but is drawn once more after N seconds
 *   serial TEXT     said on its first serial port (\e \r \n), late, as below; what is typed there comes back
 *   forward A.B.C.D HOST GUEST      a port that it wants to be reached by; up to four
 *   loopback        it wants this computer's own services
 *   flood           then says much more than anybody can read
 *   mouse           late, it has a mouse only
 *   off  die  leave  garbage  nonsense  deaf  resize W H     what it does late, which is a second after its first
 *                   picture was shown: goes off, is killed by a signal, ends with code 3, sends random bytes, sends a well-formed message that makes no sense,
 *                   reads nothing more, changes its screen
 *
 * The screen shows a bar that moves with each frame, one cell for each key by its code, and a cross that the pointer
 * moves.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/audio/sound_ring.h"
#include "core/protocol.h"
#include "vmformat/bytes.h"

#define MAX_WIDTH 2560
#define MAX_HEIGHT 1600
#define FRAME_MS 16
#define BAR 40
#define CELL 10 /* pixels of a key's cell; 32 cells in a row */

struct script {
	char log[256], notice[MESSAGE_TEXT], warning[MESSAGE_TEXT], question[MESSAGE_TEXT], fail[MESSAGE_TEXT],
		trouble[MESSAGE_TEXT], serial[MESSAGE_CHUNK], license[MESSAGE_TEXT];
	struct message_network_wanted network;
	unsigned width, height, cds, late_width, late_height, redraw;
	bool preparing, still, flood, loopback, locked, beep, absolute, mouse, off, die, leave, garbage, nonsense, deaf;
};

struct fake {
	int socket;
	struct script script;
	FILE *log;
	uint32_t *pixels;
	struct sound_ring *sound;
	bool running, ready, late_done;
	bool shown; /* the first picture was: seconds count from then, however slowly the window comes up */
	unsigned frame;
	int pointer_x, pointer_y;
	struct timespec start;
};

/* ---- the script ---- */

static void take_forward(struct script *s, const char *line)
{
	struct nat_forward f = { .protocol = NAT_TCP };
	uint8_t *a = f.address;

	if (sscanf(line, "forward %hhu.%hhu.%hhu.%hhu %hu %hu", a, a + 1, a + 2, a + 3, &f.host_port, &f.guest_port) ==
	            6 &&
	    s->network.forward_count < 4)
		s->network.forwards[s->network.forward_count++] = f;
}

static void take_line(struct script *s, char *line)
{
	const struct {
		const char *word;
		char *text;
		size_t size;
	} texts[] = {
		{ "log ", s->log, sizeof(s->log) },
		{ "notice ", s->notice, sizeof(s->notice) },
		{ "warning ", s->warning, sizeof(s->warning) },
		{ "question ", s->question, sizeof(s->question) },
		{ "fail ", s->fail, sizeof(s->fail) },
		{ "trouble ", s->trouble, sizeof(s->trouble) },
		{ "license ", s->license, sizeof(s->license) },
		{ "serial ", s->serial, sizeof(s->serial) },
	};
	const struct {
		const char *word;
		bool *flag;
	} flags[] = {
		{ "locked", &s->locked },     { "beep", &s->beep },           { "off", &s->off },
		{ "die", &s->die },           { "leave", &s->leave },         { "garbage", &s->garbage },
		{ "nonsense", &s->nonsense }, { "deaf", &s->deaf },           { "absolute", &s->absolute },
		{ "mouse", &s->mouse },       { "still", &s->still },         { "flood", &s->flood },
		{ "loopback", &s->loopback }, { "preparing", &s->preparing },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strncmp(line, texts[i].word, strlen(texts[i].word)) == 0)
			snprintf(texts[i].text, texts[i].size, "%s", line + strlen(texts[i].word));
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(line, flags[i].word) == 0)
			*flags[i].flag = true;
	sscanf(line, "size %u %u", &s->width, &s->height);
	sscanf(line, "resize %u %u", &s->late_width, &s->late_height);
	sscanf(line, "cds %u", &s->cds);
	sscanf(line, "redraw %u", &s->redraw);
	take_forward(s, line);
}

static void read_script(struct script *s, int fd)
{
	char text[8192], *rest = text;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	*s = (struct script){ .width = 640, .height = 480, .cds = 1 };
	text[n > 0 ? n : 0] = '\0';
	for (char *line; (line = strsep(&rest, "\n")) != NULL;)
		take_line(s, line);
	if (s->width > MAX_WIDTH || s->height > MAX_HEIGHT || s->late_width > MAX_WIDTH || s->late_height > MAX_HEIGHT)
		exit(2);
}

/* ---- messages ---- */

static void say(struct fake *f, union message *m, enum message_type type)
{
	if (message_send(f->socket, m, type, 0, NULL, 0) < 0)
		exit(0);
}

static void say_state(struct fake *f, enum machine_state state, enum off_reason reason, const char *text)
{
	union message m = { .state = { .state = state, .reason = reason } };

	snprintf(m.state.text, sizeof(m.state.text), "%s", text);
	f->running = state == STATE_RUNNING;
	say(f, &m, MESSAGE_STATE);
}

static void say_notice(struct fake *f, enum notice_level level, const char *text)
{
	union message m = { .notice = { .level = level } };

	snprintf(m.notice.text, sizeof(m.notice.text), "%s", text);
	if (text[0] != '\0')
		say(f, &m, MESSAGE_NOTICE);
}

static void say_cd(struct fake *f, unsigned drive, const char *name)
{
	union message m = {
		.cd = { .drive = drive, .present = name != NULL, .locked = name != NULL && f->script.locked }
	};

	snprintf(m.cd.name, sizeof(m.cd.name), "%s", name != NULL ? name : "");
	say(f, &m, MESSAGE_CD);
}

static void say_pointer_mode(struct fake *f, bool absolute)
{
	union message m = { .pointer_mode = { .absolute = absolute } };

	say(f, &m, MESSAGE_POINTER_MODE);
}

static void say_serial(struct fake *f, const void *data, size_t count)
{
	union message m = { .serial = { .port = 0, .count = (uint32_t)count } };

	memcpy(m.serial.data, data, count);
	say(f, &m, MESSAGE_SERIAL_OUTPUT);
}

static void say_scripted_serial(struct fake *f)
{
	char text[MESSAGE_CHUNK];
	size_t used = 0;

	for (const char *p = f->script.serial; *p; p++) {
		char c = *p;

		if (c == '\\' && p[1])
			c = *++p == 'e' ? '\033' : *p == 'r' ? '\r' : '\n';
		text[used++] = c;
	}
	if (used != 0)
		say_serial(f, text, used);
}

/* Lines of letters, 16 messages at each tick: 2 MB/s. */
static void flood(struct fake *f)
{
	uint8_t line[MESSAGE_CHUNK];

	for (unsigned i = 0; i < 16; i++) {
		for (size_t k = 0; k < sizeof(line); k++)
			line[k] = k % 64 == 63 ? '\n' : (uint8_t)('a' + (k + i + f->frame) % 26);
		say_serial(f, line, sizeof(line));
	}
}

static void say_damage(struct fake *f, unsigned x, unsigned y, unsigned dx, unsigned dy)
{
	union message m = { .screen = { .width = f->script.width, .height = f->script.height, x, y, dx, dy } };

	f->ready = false;
	say(f, &m, MESSAGE_SCREEN);
}

/* ---- the screen ---- */

static void fill(struct fake *f, int x, int y, int dx, int dy, uint32_t colour)
{
	for (int j = y < 0 ? 0 : y; j < y + dy && j < (int)f->script.height; j++)
		for (int i = x < 0 ? 0 : x; i < x + dx && i < (int)f->script.width; i++)
			f->pixels[(size_t)j * f->script.width + (size_t)i] = colour;
}

/* A chequered ground of single pixels, to judge sharpness by, in a frame of one pixel. */
static void draw_ground(struct fake *f)
{
	int width = (int)f->script.width, height = (int)f->script.height;

	fill(f, 0, 0, width, height, 0xffffff);
	fill(f, 1, 1, width - 2, height - 2, 0x20408f);
	for (int y = height / 2; y < height - 1; y++)
		for (int x = 1 + y % 2; x < width / 2; x += 2)
			fill(f, x, y, 1, 1, 0xe0e0e0);
	say_damage(f, 0, 0, f->script.width, f->script.height);
}

static void draw_frame(struct fake *f)
{
	int width = (int)f->script.width, x = (int)(f->frame * 4 % f->script.width);

	f->frame++;
	fill(f, 0, BAR, width, BAR, 0x101018);
	fill(f, x, BAR, BAR, BAR, 0xf0a020);
	fill(f, width - 20, BAR, 20, BAR, f->frame * 0x010307);
	say_damage(f, 0, BAR, f->script.width, BAR);
}

static void draw_key(struct fake *f, unsigned code, bool down)
{
	fill(f, (int)(code % 32) * CELL, 3 * BAR + (int)(code / 32) * CELL, CELL - 1, CELL - 1,
	     down ? 0x40ff40 : 0x406040);
}

static void draw_pointer(struct fake *f, unsigned buttons)
{
	static const uint32_t colours[] = { 0xffffff, 0xff4040, 0x40a0ff, 0xff40ff };
	int x = (int)f->script.width / 2 + f->pointer_x, y = (int)f->script.height / 2 + f->pointer_y;

	fill(f, x - 5, y, 11, 1, colours[buttons & 3]);
	fill(f, x, y - 5, 1, 11, colours[buttons & 3]);
}

/* ---- the licence ---- */

#define LICENSE_LINES 60

static void ask_license(struct fake *f)
{
	union message m;

	for (unsigned i = 0; i <= LICENSE_LINES; i++) {
		m = (union message){ .license = { .last = i == LICENSE_LINES } };
		if (i == 0)
			snprintf(m.license.text, sizeof(m.license.text), "%s\n", f->script.license);
		else
			snprintf(m.license.text, sizeof(m.license.text), "%u. And so on.\n", i);
		say(f, &m, MESSAGE_LICENSE);
	}
	m = (union message){ .question = { .kind = QUESTION_LICENSE, .accept = "Yes", .reject = "No" } };
	snprintf(m.question.text, sizeof(m.question.text), "A licence.");
	say(f, &m, MESSAGE_QUESTION);
}

static void take_license_answer(struct fake *f, bool accepted)
{
	if (accepted) {
		say_state(f, STATE_RUNNING, OFF_NONE, "");
		draw_ground(f);
		return;
	}
	fflush(f->log);
	say_state(f, STATE_FAILED, OFF_ERROR, "Its licence agreement was declined, so the machine was not started.");
	exit(0);
}

/* ---- what the player says ---- */

static void take_command(struct fake *f, enum command command)
{
	static const char *const names[COMMAND_COUNT] = {
		[COMMAND_RUN] = "run",
		[COMMAND_PAUSE] = "pause",
		[COMMAND_RESET] = "reset",
		[COMMAND_POWER_OFF] = "power-off",
		[COMMAND_POWER_BUTTON] = "power-button",
		[COMMAND_RELEASE_KEYS] = "release-keys",
		[COMMAND_TEXT_SCREEN] = "text-screen",
		[COMMAND_RETRY] = "retry",
	};

	if (command == COMMAND_SCREEN_READY) { /* too often for the log */
		if (!f->shown)
			clock_gettime(CLOCK_MONOTONIC, &f->start);
		f->ready = f->shown = true;
		return;
	}
	fprintf(f->log, "command %s\n", names[command]);
	if (command == COMMAND_RUN || command == COMMAND_RETRY)
		say_state(f, STATE_RUNNING, OFF_NONE, "");
	if (command == COMMAND_PAUSE)
		say_state(f, STATE_PAUSED, OFF_NONE, "");
	if (command == COMMAND_POWER_OFF) {
		say_state(f, STATE_OFF, OFF_USER, "");
		fprintf(f->log, "ended cleanly, %u frames, %u heard\n", f->frame, atomic_load(&f->sound->read));
		exit(0);
	}
}

static void take_cd(struct fake *f, const struct message_cd_insert *m)
{
	fprintf(f->log, m->header.nfds ? "insert %u %s\n" : "eject %u%s\n", m->drive,
	        m->header.nfds ? m->name
	        : m->force     ? " forced"
	                       : "");
	if (m->header.nfds == 0 && f->script.locked && !m->force)
		return;
	say_cd(f, m->drive, m->header.nfds != 0 ? m->name : NULL);
}

static void take(struct fake *f, const union message *m)
{
	switch (m->header.type) {
	case MESSAGE_COMMAND:
		take_command(f, m->command.command);
		break;
	case MESSAGE_KEY:
		fprintf(f->log, "key %u %s\n", m->key.code, m->key.down ? "down" : "up");
		draw_key(f, m->key.code, m->key.down);
		say_damage(f, 0, 0, f->script.width, f->script.height);
		break;
	case MESSAGE_POINTER:
		fprintf(f->log, "pointer %d %d %d %u\n", m->pointer.dx, m->pointer.dy, m->pointer.dz,
		        m->pointer.buttons);
		f->pointer_x += m->pointer.dx;
		f->pointer_y += m->pointer.dy;
		draw_pointer(f, m->pointer.buttons);
		say_damage(f, 0, 0, f->script.width, f->script.height);
		break;
	case MESSAGE_POINTER_ABSOLUTE:
		fprintf(f->log, "position %u %u %d %u\n", m->pointer_absolute.x, m->pointer_absolute.y,
		        m->pointer_absolute.dz, m->pointer_absolute.buttons);
		f->pointer_x =
			(int)(m->pointer_absolute.x * f->script.width / (POINTER_RANGE + 1)) - (int)f->script.width / 2;
		f->pointer_y = (int)(m->pointer_absolute.y * f->script.height / (POINTER_RANGE + 1)) -
		               (int)f->script.height / 2;
		draw_pointer(f, m->pointer_absolute.buttons);
		say_damage(f, 0, 0, f->script.width, f->script.height);
		break;
	case MESSAGE_SERIAL_INPUT:
		fprintf(f->log, "typed");
		for (uint32_t i = 0; i < m->serial.count; i++)
			fprintf(f->log, m->serial.data[i] > 32 && m->serial.data[i] < 127 ? " %c" : " %02x",
			        m->serial.data[i]);
		fprintf(f->log, "\n");
		say_serial(f, m->serial.data, m->serial.count);
		break;
	case MESSAGE_CD_INSERT:
		take_cd(f, &m->cd_insert);
		break;
	case MESSAGE_ANSWER:
		fprintf(f->log, "answer %u\n", m->answer.accept);
		if (f->script.license[0] != '\0')
			take_license_answer(f, m->answer.accept);
		break;
	default:
		break;
	}
	fflush(f->log);
}

static void receive(struct fake *f)
{
	union message m;
	int fds[MESSAGE_MAX_FDS];
	unsigned count;
	int r = message_receive(f->socket, &m, FROM_BROKER, fds, &count);

	if (r < 0) {
		fprintf(f->log, "the player has gone (%d)\n", r);
		exit(0);
	}
	while (count > 0 && m.header.type != MESSAGE_NETWORK) /* a cable stays plugged */
		close(fds[--count]);
	take(f, &m);
}

/* ---- misbehaviour ---- */

static void be_nonsense(struct fake *f)
{
	union message m = { .cd = { .drive = 3, .present = 1, .name = "not a drive of this machine" } };

	say(f, &m, MESSAGE_CD);
}

static void be_garbage(struct fake *f)
{
	uint8_t noise[512];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)rand();
	while (write(f->socket, noise, sizeof(noise)) > 0)
		;
	exit(0);
}

static void do_late_things(struct fake *f)
{
	const struct script *s = &f->script;

	f->late_done = true;
	say_scripted_serial(f);
	if (s->off) {
		say_state(f, STATE_OFF, OFF_GUEST, "");
		exit(0);
	}
	if (s->die)
		raise(SIGKILL);
	if (s->leave)
		exit(3);
	if (s->garbage)
		be_garbage(f);
	if (s->nonsense)
		be_nonsense(f);
	if (s->mouse)
		say_pointer_mode(f, false);
	if (s->trouble[0] != '\0')
		say_state(f, STATE_PAUSED, OFF_NONE, s->trouble);
	if (s->late_width != 0) {
		f->script.width = s->late_width;
		f->script.height = s->late_height;
		draw_ground(f);
	}
	while (s->deaf)
		pause();
}

/* 440 Hz, a square wave that stays ahead of the player. */
static void beep(struct fake *f)
{
	uint32_t written = atomic_load(&f->sound->written), waiting = written - atomic_load(&f->sound->read);

	for (; waiting < SOUND_FRAMES / 2; waiting++, written++)
		for (unsigned c = 0; c < SOUND_CHANNELS; c++)
			f->sound->samples[written % SOUND_FRAMES * SOUND_CHANNELS + c] =
				written * 440 * 2 / SOUND_RATE % 2 ? 3000 : -3000;
	atomic_store(&f->sound->written, written);
}

static long elapsed_ms(const struct fake *f)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - f->start.tv_sec) * 1000 + (now.tv_nsec - f->start.tv_nsec) / 1000000;
}

static void play(struct fake *f)
{
	struct pollfd p = { .fd = f->socket, .events = POLLIN };
	long next = 0;

	for (;;) {
		long now = elapsed_ms(f);
		next = next > now + FRAME_MS ? now : next; /* the count began anew */
		if (poll(&p, 1, next > now ? (int)(next - now) : 0) > 0) {
			receive(f);
			continue;
		}
		next = elapsed_ms(f) + FRAME_MS;
		if (f->shown && now > 1000 && !f->late_done)
			do_late_things(f);
		if (f->shown && f->script.redraw && now > f->script.redraw * 1000L) {
			f->script.redraw = 0;
			draw_ground(f);
		}
		if (f->script.flood && f->late_done && f->running)
			flood(f);
		if (f->running && f->ready && !f->script.still)
			draw_frame(f);
		if (f->running && f->script.beep)
			beep(f);
	}
}

/* The state folder comes first, as with a core that has read its appliance: consent is kept there. */
static void want_network(struct fake *f)
{
	union message m = { .open = { .role = OPEN_CONFIGURATION,
		                      .fingerprint = "0123456789abcdef0123456789abcdef",
		                      .machine = "fake" } };
	int fds[MESSAGE_MAX_FDS];
	unsigned count;

	say(f, &m, MESSAGE_OPEN);
	if (message_receive(f->socket, &m, FROM_BROKER, fds, &count) < 0 || m.header.type != MESSAGE_OPENED)
		exit(2);
	m.network_wanted = f->script.network;
	m.network_wanted.nic_count = 1;
	m.network_wanted.flags = f->script.loopback ? NAT_HOST_LOOPBACK : 0;
	say(f, &m, MESSAGE_NETWORK_WANTED);
}

static void prepare(struct fake *f)
{
	for (uint64_t done = 0;; done = MIN(done + 100000000, 2900000000)) {
		union message m = { .progress = { .done = done, .total = 3000000000, .what = "debian-12.img.gz" } };
		struct pollfd p = { .fd = f->socket, .events = POLLIN };
		int fds[MESSAGE_MAX_FDS];
		unsigned count;

		say(f, &m, MESSAGE_PROGRESS);
		if (poll(&p, 1, 100) <= 0)
			continue;
		if (message_receive(f->socket, &m, FROM_BROKER, fds, &count) < 0)
			exit(0);
		if (m.header.type == MESSAGE_COMMAND && m.command.command == COMMAND_POWER_OFF)
			break;
	}
	fprintf(f->log, "cancelled\n");
	fflush(f->log);
	say_state(f, STATE_OFF, OFF_USER, "debian-12.img.gz was not unpacked to its end, as you wished");
	exit(0);
}

static void introduce(struct fake *f, const char *name)
{
	union message m = { .hello = { .version = PROTOCOL_VERSION } };

	say(f, &m, MESSAGE_HELLO);
	say_notice(f, NOTICE_INFO, f->script.notice);
	say_notice(f, NOTICE_WARNING, f->script.warning);
	if (f->script.fail[0] != '\0') {
		say_state(f, STATE_FAILED, OFF_ERROR, f->script.fail);
		exit(0);
	}
	if (f->script.preparing)
		prepare(f);
	m = (union message){ .machine = { .cd_count = f->script.cds, .cpus = 1, .memory = 64 << 20 } };
	snprintf(m.machine.name, sizeof(m.machine.name), "Fake of %.200s", name);
	say(f, &m, MESSAGE_MACHINE);
	if (f->script.network.forward_count != 0 || f->script.loopback)
		want_network(f);
	if (f->script.license[0] != '\0') {
		ask_license(f);
		return;
	}
	say_state(f, STATE_RUNNING, OFF_NONE, "");
	draw_ground(f);
	if (f->script.absolute)
		say_pointer_mode(f, true);
	if (f->script.question[0] != '\0') {
		m = (union message){ .question = {
					     .kind = QUESTION_DIGEST, .accept = "Play It", .reject = "Power Off" } };
		snprintf(m.question.text, sizeof(m.question.text), "%s", f->script.question);
		say(f, &m, MESSAGE_QUESTION);
	}
}

int main(int argc, char **argv)
{
	struct fake f = { .socket = argc == 3 && strcmp(argv[1], "--core-fd") == 0 ? atoi(argv[2]) : -1 };
	int fds[MESSAGE_MAX_FDS];
	unsigned count;
	union message m;

	if (f.socket < 0 || message_receive(f.socket, &m, FROM_BROKER, fds, &count) < 0 ||
	    m.header.type != MESSAGE_START || count != START_FDS)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &f.start);
	read_script(&f.script, fds[START_FD_APPLIANCE]);
	f.log = fopen(f.script.log[0] != '\0' ? f.script.log : "/dev/null", "a");
	f.pixels = mmap(NULL, (size_t)MAX_WIDTH * MAX_HEIGHT * 4, PROT_READ | PROT_WRITE, MAP_SHARED,
	                fds[START_FD_SCREEN], 0);
	f.sound = mmap(NULL, sizeof(*f.sound), PROT_READ | PROT_WRITE, MAP_SHARED, fds[START_FD_SOUND], 0);
	if (f.log == NULL || f.pixels == MAP_FAILED || f.sound == MAP_FAILED)
		return 2;
	fprintf(f.log, "start %s flags %u\n", m.start.name, m.start.flags);
	fflush(f.log);
	introduce(&f, m.start.name);
	play(&f);
}
