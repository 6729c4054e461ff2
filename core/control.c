/* SPDX-License-Identifier: MIT */
#include "core/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/audio/sound_ring.h"
#include "core/cd_image.h"
#include "core/clock.h"
#include "core/license.h"
#include "core/loop.h"
#include "core/machine.h"
#include "core/network.h"
#include "core/sandbox.h"
#include "core/teller.h"
#include "core/verify.h"
#include "core/video/screen.h"
#include "vmformat/appliance.h"
#include "vmformat/bytes.h"

#define FIRMWARE_MAX (4u << 20) /* SeaBIOS has 256 KiB; OVMF, the largest that fits below 4 GiB, 4 MiB */
#define MESSAGES_PER_ROUND 64   /* so that a flood of input does not starve timers and disks; all that a link keeps */
#define SERIAL_INPUT_MAX 65536  /* typed ahead of a guest that does not read; then bytes are lost, as on a wire */
#define KEEP_SECONDS 5          /* between two looks for writes that a guest has not flushed */

struct cd {
	struct control *control;
	struct block *block;
	char name[MESSAGE_NAME];  /* of the image that is in */
	struct cd_image *opening; /* a packed one on its way, as `wanted` says */
	struct message_cd_insert wanted;
};

struct serial_input {
	unsigned port;
	size_t count;
	uint8_t data[SERIAL_INPUT_MAX];
};

struct control {
	struct session *session;
	struct link *link;
	struct clock *clock;
	struct loop *loop;
	struct loop_source socket;
	struct loop_source keep; /* a timerfd: runs all the time */
	struct machine *machine;
	struct screen screen;
	struct sound_ring *sound;
	struct network network;

	enum machine_state state;
	enum off_reason reason;
	struct error error; /* FAILED, or why it is PAUSED by trouble */
	bool checks_first;  /* START_VERIFY: no run before the digests are right */
	bool was_running;   /* when a question paused it */
	uint32_t question;  /* serial of the one that is open, 0: none */
	enum question_kind question_kind;
	bool screen_busy; /* a MESSAGE_SCREEN is under way */

	struct loop_work stopped; /* the machine stopped by itself */
	bool told_triple_fault;
	struct loop_work trouble; /* a disk of the host gave up */
	struct verify *verify;
	struct cd cds[MESSAGE_MAX_CDS];
	unsigned cd_count;
	struct teller *teller;
	struct serial_input input;
};

/* ---- states ---- */

static void set_state(struct control *c, enum machine_state state, const char *text)
{
	c->state = state;
	link_say_state(c->link, state, OFF_NONE, text);
}

/* The last state is told by control_play(), when the overlays are written. */
static void finish(struct control *c, enum machine_state state, enum off_reason reason)
{
	if (c->state == STATE_OFF || c->state == STATE_FAILED)
		return;
	c->state = state;
	c->reason = reason;
	if (c->machine)
		machine_pause(c->machine);
	loop_quit(c->loop);
}

static void fail(struct control *c, const struct error *e)
{
	if (e != &c->error)
		c->error = *e;
	finish(c, STATE_FAILED, OFF_ERROR);
}

static void run(struct control *c)
{
	struct error e = { 0 };

	if (c->question || c->checks_first || c->state == STATE_RUNNING)
		return;
	block_retry(c->session->engine); /* what waits since a disk of the host gave up would wait for ever */
	if (machine_run(c->machine, &e) < 0)
		fail(c, &e);
	else
		set_state(c, STATE_RUNNING, NULL);
}

static void pause_machine(struct control *c, const char *text)
{
	machine_pause(c->machine);
	set_state(c, STATE_PAUSED, text);
}

static void machine_stopped(void *context, enum machine_stop why, const struct error *e)
{
	struct control *c = context;

	c->reason = OFF_GUEST;
	if (why == MACHINE_STOP_ERROR) {
		c->reason = OFF_ERROR;
		c->error = *e;
	}
	loop_post(c->loop, &c->stopped); /* not from inside one of the machine's own callbacks */
}

static void take_stopped(struct loop_work *work)
{
	struct control *c = container_of(work, struct control, stopped);

	finish(c, c->reason == OFF_ERROR ? STATE_FAILED : STATE_OFF, c->reason);
}

/* Called while a request completes: the machine is paused a little later. */
static void disk_trouble(void *context, struct block *b, const struct error *e)
{
	struct control *c = context;

	(void)b;
	c->error = *e;
	loop_post(c->loop, &c->trouble);
}

static void take_trouble(struct loop_work *work)
{
	struct control *c = container_of(work, struct control, trouble);

	if (c->state == STATE_RUNNING)
		pause_machine(c, c->error.text);
}

/* ---- screen ---- */

static void send_screen(struct control *c)
{
	struct screen *s = &c->screen;
	union message m = { .screen = { .width = s->width, .height = s->height } };

	if (!s->size_changed && (s->x0 >= s->x1 || s->y0 >= s->y1))
		return;
	if (s->x0 < s->x1 && s->y0 < s->y1) {
		m.screen.x = s->x0;
		m.screen.y = s->y0;
		m.screen.dx = s->x1 - s->x0;
		m.screen.dy = s->y1 - s->y0;
	}
	screen_clean(s);
	c->screen_busy = true;
	link_send(c->link, &m, MESSAGE_SCREEN, 0);
}

static void screen_changed(void *context, struct screen *s)
{
	struct control *c = context;

	(void)s;
	if (!c->screen_busy)
		send_screen(c);
	machine_refresh_screen(c->machine, !c->screen_busy);
}

static void screen_ready(struct control *c)
{
	c->screen_busy = false;
	send_screen(c); /* what came to pass meanwhile */
	machine_refresh_screen(c->machine, !c->screen_busy);
}

static void send_text_screen(struct control *c, uint32_t serial)
{
	union message m = { .text_screen = { .columns = c->screen.columns, .rows = c->screen.rows } };

	static_assert(sizeof(m.text_screen.cells) == sizeof(c->screen.text), "the same cells");
	memcpy(m.text_screen.cells, c->screen.text, sizeof(m.text_screen.cells));
	link_send(c->link, &m, MESSAGE_TEXT_SCREEN, serial);
}

static void pointer_mode(void *context, bool absolute)
{
	struct control *c = context;
	union message m = { .pointer_mode = { .absolute = absolute } };

	link_send(c->link, &m, MESSAGE_POINTER_MODE, 0);
}

/* Some systems restart so on purpose; of others it is the only word of why they begin anew. A guest can do it at any rate: told once. */
static void triple_fault(void *context)
{
	struct control *c = context;

	if (!c->told_triple_fault)
		link_say_notice(
			c->link, NOTICE_INFO,
			"A processor of the machine shut down (a triple fault), so the machine was reset, as a PC "
			"is. If its system did not mean to restart, look into its own log. Further ones are not told.");
	c->told_triple_fault = true;
}

/* ---- serial ---- */

static void send_for_teller(void *context, union message *m, enum message_type type)
{
	struct control *c = context;

	link_send(c->link, m, type, 0);
}

static void serial_output(void *context, unsigned port, const uint8_t *data, size_t count)
{
	struct control *c = context;

	teller_serial(c->teller, port, data, count);
}

/* What does not fit waits for serial_ready(). */
static void feed_serial(struct control *c)
{
	struct serial_input *in = &c->input;
	size_t taken = machine_serial_input(c->machine, in->port, in->data, in->count);

	in->count -= taken;
	memmove(in->data, in->data + taken, in->count);
}

static void serial_ready(void *context, unsigned port)
{
	struct control *c = context;

	if (port == c->input.port)
		feed_serial(c);
}

static void serial_input(struct control *c, const struct message_serial *m)
{
	struct serial_input *in = &c->input;
	size_t n;

	if (in->port != m->port)
		in->count = 0; /* nobody types into two ports at once; the terminal has one */
	in->port = m->port;
	n = MIN(m->count, sizeof(in->data) - in->count);
	memcpy(in->data + in->count, m->data, n);
	in->count += n;
	feed_serial(c);
}

/* ---- CD drives ---- */

static void tell_cd(void *context, struct block *b)
{
	struct cd *cd = context;
	struct control *c = cd->control;
	struct message_cd m = { .drive = (uint32_t)(cd - c->cds),
		                .present = block_has_medium(b),
		                .locked = block_locked(b) };

	if (!m.present)
		cd->name[0] = 0; /* the guest ejected it */
	message_copy_text(m.name, sizeof(m.name), cd->name);
	teller_cd(c->teller, &m);
}

/* Takes over the disk (NULL: the drive is to be empty). */
static int put_in(struct cd *cd, const struct message_cd_insert *m, struct disk *disk, struct error *e)
{
	char old[MESSAGE_NAME];
	int err;

	memcpy(old, cd->name, sizeof(old));
	memcpy(cd->name, m->name, sizeof(cd->name)); /* the watcher tells it */
	err = block_change_medium(cd->block, disk, m->force, e);
	if (err) {
		memcpy(cd->name, old, sizeof(old));
		disk_close(disk);
	}
	return err;
}

static void image_ready(void *context, struct disk *disk, const struct error *e)
{
	struct cd *cd = context;
	struct error why = *e;

	cd_image_free(cd->opening);
	cd->opening = NULL;
	if (!disk || put_in(cd, &cd->wanted, disk, &why) < 0)
		link_say_notice(cd->control->link, NOTICE_WARNING, why.text);
}

/* What is packed comes later: image_ready(). */
static int open_cd(struct cd *cd, const struct message_cd_insert *m, int fd, struct disk **ret_disk, struct error *e)
{
	struct file file;
	int err = file_from_fd(fd, m->name, &file, e);

	*ret_disk = NULL;
	if (err) {
		close(fd);
		return err;
	}
	cd->wanted = *m;
	err = appliance_is_packed(&file) ? cd_image_open(&file, cd->control->loop, image_ready, cd, &cd->opening, e)
	                                 : disk_open(&file, &cd_image_files, ret_disk, e);
	if (err)
		file_close(&file);
	return err;
}

static int change_cd(struct cd *cd, const struct message_cd_insert *m, int fd, struct error *e)
{
	struct disk *disk = NULL;
	int err;

	cd_image_free(cd->opening); /* the last wish counts */
	cd->opening = NULL;
	err = fd >= 0 ? open_cd(cd, m, fd, &disk, e) : 0;
	return err || cd->opening ? err : put_in(cd, m, disk, e);
}

static void insert_cd(struct control *c, const struct message_cd_insert *m, int fd)
{
	struct error e = { 0 };

	if (m->drive >= c->cd_count) {
		if (fd >= 0)
			close(fd);
		link_say_notice(c->link, NOTICE_WARNING, "This machine has no such CD drive");
	} else if (change_cd(&c->cds[m->drive], m, fd, &e) < 0) {
		link_say_notice(c->link, NOTICE_WARNING, e.text);
	}
}

static void find_cds(struct control *c)
{
	const struct appliance *a = c->session->appliance;

	for (unsigned i = 0; i < a->drive_count && c->cd_count < MESSAGE_MAX_CDS; i++) {
		const char *slash = strrchr(a->drives[i].file, '/');
		struct cd *cd = &c->cds[c->cd_count];

		if (a->drives[i].kind != DRIVE_CDROM || !c->session->blocks[i])
			continue;
		*cd = (struct cd){ .control = c, .block = c->session->blocks[i] };
		message_copy_text(cd->name, sizeof(cd->name), slash ? slash + 1 : a->drives[i].file);
		block_set_watcher(cd->block, tell_cd, cd);
		c->cd_count++;
	}
}

/* ---- digests ---- */

static void ask_about_digest(struct control *c, const char *found)
{
	union message m = { .question = { .kind = QUESTION_DIGEST } };

	c->was_running = c->state == STATE_RUNNING;
	if (c->was_running)
		pause_machine(c, NULL);
	message_copy_text(m.question.text, sizeof(m.question.text), found);
	message_copy_text(m.question.accept, sizeof(m.question.accept), "Play Anyway");
	message_copy_text(m.question.reject, sizeof(m.question.reject), "Power Off");
	link_send(c->link, &m, MESSAGE_QUESTION, 0);
	c->question = m.header.serial;
	c->question_kind = QUESTION_DIGEST;
}

static void digest_found(void *context, const struct error *e)
{
	struct control *c = context;

	if (c->state == STATE_OFF || c->state == STATE_FAILED)
		return;
	if (e->code) {
		ask_about_digest(c, e->text);
		return;
	}
	if (!c->checks_first)
		return;
	c->checks_first = false;
	if (c->session->start.flags & START_PAUSED)
		set_state(c, STATE_PAUSED, NULL);
	else
		run(c);
}

static int start_verify(struct control *c, struct error *e)
{
	struct manifest *manifest = appliance_manifest(c->session->appliance);

	if (!manifest)
		return 0;
	c->checks_first = c->session->start.flags & START_VERIFY;
	c->verify = verify_start(manifest, c->loop, digest_found, c);
	return c->verify ? 0 : error_set(e, -ENOMEM, "No thread for checking the download can be had");
}

/* ---- the licence agreement ---- */

/* Goes online and runs. */
static void begin(struct control *c)
{
	struct error e = { 0 };

	network_ask(&c->network, c->session->appliance, c->link);
	if (start_verify(c, &e) < 0)
		fail(c, &e);
	else if (c->session->start.flags & START_PAUSED && !c->checks_first)
		set_state(c, STATE_PAUSED, NULL);
	else
		run(c);
}

static void license_answered(struct control *c, bool accepted)
{
	struct error e = { 0 };

	if (accepted) {
		license_accepted(c->session);
		begin(c);
		return;
	}
	error_set(&e, -ECANCELED, "Its licence agreement was declined, so the machine was not started.");
	fail(c, &e);
}

static void begin_or_ask(struct control *c)
{
	struct error e = { 0 };
	bool open;

	if (license_check(c->session, &open, &e) < 0) {
		fail(c, &e);
	} else if (open) {
		c->question = license_ask(c->session);
		c->question_kind = QUESTION_LICENSE;
	} else {
		begin(c);
	}
}

/* ---- answers ---- */

static void take_answer(struct control *c, const struct message_answer *m)
{
	if (!c->question || m->header.serial != c->question)
		return;
	c->question = 0;
	if (c->question_kind == QUESTION_LICENSE) {
		license_answered(c, m->accept);
		return;
	}
	if (!m->accept) {
		finish(c, STATE_OFF, OFF_USER);
		return;
	}
	verify_go_on(c->verify);
	if (c->was_running)
		run(c);
}

/* ---- messages ---- */

static void take_command(struct control *c, const struct message_command *m)
{
	switch (m->command) {
	case COMMAND_RUN:
	case COMMAND_RETRY:
		run(c);
		break;
	case COMMAND_PAUSE:
		if (c->state == STATE_RUNNING)
			pause_machine(c, NULL);
		break;
	case COMMAND_RESET:
		machine_reset(c->machine);
		break;
	case COMMAND_POWER_OFF:
		finish(c, STATE_OFF, OFF_USER);
		break;
	case COMMAND_POWER_BUTTON:
		machine_power_button(c->machine);
		break;
	case COMMAND_RELEASE_KEYS:
		machine_release_keys(c->machine);
		break;
	case COMMAND_SCREEN_READY:
		screen_ready(c);
		break;
	case COMMAND_TEXT_SCREEN:
		send_text_screen(c, m->header.serial);
		break;
	}
}

static void dispatch(struct control *c, const union message *m, int fd)
{
	switch (m->header.type) {
	case MESSAGE_COMMAND:
		take_command(c, &m->command);
		break;
	case MESSAGE_KEY:
		machine_key(c->machine, m->key.code, m->key.down);
		break;
	case MESSAGE_POINTER:
		machine_pointer(c->machine, m->pointer.dx, m->pointer.dy, m->pointer.dz, m->pointer.buttons);
		break;
	case MESSAGE_POINTER_ABSOLUTE:
		machine_pointer_absolute(c->machine, m->pointer_absolute.x, m->pointer_absolute.y,
		                         m->pointer_absolute.dz, m->pointer_absolute.buttons);
		break;
	case MESSAGE_CD_INSERT:
		insert_cd(c, &m->cd_insert, fd);
		break;
	case MESSAGE_SERIAL_INPUT:
		serial_input(c, &m->serial);
		break;
	case MESSAGE_ANSWER:
		take_answer(c, &m->answer);
		break;
	case MESSAGE_NETWORK:
		network_take(&c->network, &m->network, fd);
		break;
	case MESSAGE_CABLE:
		network_cable(&c->network, &m->cable);
		break;
	}
}

static void receive(void *context, uint32_t events)
{
	struct control *c = context;
	union message m;
	int fd, err = 0;

	(void)events;
	for (unsigned i = 0; i < MESSAGES_PER_ROUND && c->state != STATE_OFF && c->state != STATE_FAILED; i++) {
		err = link_receive(c->link, &m, &fd);
		if (err)
			break;
		dispatch(c, &m, fd);
	}
	if (err && err != -EAGAIN)
		finish(c, STATE_OFF, OFF_USER); /* the window has gone; what the guest wrote is kept */
}

/* ---- beginning and end ---- */

static int load_firmware(int fd, const char *name, void **ret_data, size_t *ret_size, struct error *e)
{
	struct file f;
	int err = file_from_fd(fd, name, &f, e);

	if (err)
		return err;
	if (f.size == 0 || f.size > FIRMWARE_MAX)
		return error_set(e, -EINVAL,
		                 "%s has %llu bytes and cannot be a firmware image; install the package seabios again",
		                 name, (unsigned long long)f.size);
	*ret_data = malloc(f.size);
	*ret_size = f.size;
	err = *ret_data ? file_read(&f, 0, *ret_data, f.size) : -ENOMEM;
	return err ? error_set(e, err, "%s: %s", name, strerror(-err)) : 0;
}

static void *map_shared(int fd, size_t size, struct error *e)
{
	struct stat st;
	void *map = MAP_FAILED;

	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)size)
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		error_set(e, -EINVAL, "The player's shared memory cannot be mapped");
		return NULL;
	}
	return map;
}

/* What the clock chip shows more than UTC at power-on: as the text says, else as the guest OS wants it. */
static int64_t rtc_offset(const struct session *s)
{
	const struct appliance *a = s->appliance;
	int64_t offset = a->rtc_local_time ? s->start.local_time_offset : 0;

	if (a->rtc_difference != APPLIANCE_NO_TIME)
		offset = a->rtc_difference;
	if (a->rtc_start != APPLIANCE_NO_TIME)
		offset += a->rtc_start - (int64_t)time(NULL);
	return offset;
}

static int create_machine(struct control *c, struct error *e)
{
	struct session *s = c->session;
	struct machine_options options = {
		.appliance = s->appliance,
		.blocks = s->blocks,
		.nets = c->network.ports,
		.loop = c->loop,
		.clock = c->clock,
		.kvm_fd = s->fds[START_FD_KVM],
		.screen = &c->screen,
		.sound = c->sound,
		.rtc_offset = rtc_offset(s),
		.events = { serial_output, serial_ready, machine_stopped, pointer_mode, triple_fault, c },
	};
	void *bios = NULL, *vgabios = NULL;
	int err = load_firmware(s->fds[START_FD_BIOS], "bios-256k.bin", &bios, &options.bios_size, e);

	if (!err)
		err = load_firmware(s->fds[START_FD_VGABIOS], "vgabios-stdvga.bin", &vgabios, &options.vgabios_size, e);
	options.bios = bios;
	options.vgabios = vgabios;
	if (!err)
		err = machine_create(&options, &c->machine, e);
	free(bios);
	free(vgabios);
	return err;
}

static void keep_writes(void *context, uint32_t events)
{
	struct control *c = context;
	uint64_t count;

	(void)events;
	if (read(c->keep.fd, &count, sizeof(count)) < 0 || c->state != STATE_RUNNING)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(c->session->blocks); i++)
		if (c->session->blocks[i])
			block_keep(c->session->blocks[i]);
}

static int connect_loop(struct control *c, struct error *e)
{
	struct itimerspec often = { { KEEP_SECONDS, 0 }, { KEEP_SECONDS, 0 } };

	c->clock = clock_new(false);
	c->loop = c->clock ? loop_new(c->clock) : NULL;
	c->teller = c->loop ? teller_new(c->loop, send_for_teller, c) : NULL;
	if (!c->teller)
		return error_set(e, -ENOMEM,
		                 "No event loop can be had (%s). Vitrine needs Linux 5.11 or later, and free file "
		                 "descriptors: close other programs, then run it again",
		                 strerror(errno));
	c->socket = (struct loop_source){ link_socket(c->link), EPOLLIN, receive, c };
	c->keep = (struct loop_source){ timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), EPOLLIN,
		                        keep_writes, c };
	timerfd_settime(c->keep.fd, 0, &often, NULL);
	if (loop_add(c->loop, &c->socket) < 0 || loop_add(c->loop, &c->keep) < 0)
		return error_set(e, -ENOMEM, "No event loop can be had");
	return 0;
}

static int build(struct control *c, struct error *e)
{
	struct session *s = c->session;
	int err = session_open_appliance(s, e);

	if (!err)
		err = session_configure(s, e);
	if (!err)
		err = machine_review(s->appliance, e);
	if (!err)
		err = connect_loop(c, e);
	if (err)
		return err;
	network_review(s->appliance);
	c->screen.pixels = map_shared(s->fds[START_FD_SCREEN], SCREEN_BYTES, e);
	c->sound = map_shared(s->fds[START_FD_SOUND], sizeof(struct sound_ring), e);
	if (!c->screen.pixels || !c->sound)
		return e->code;
	c->screen.changed = screen_changed;
	c->screen.context = c;
	err = session_plug_drives(s, c->loop, e);
	if (!err)
		err = network_init(&c->network, s->appliance, c->loop, e);
	if (!err)
		err = create_machine(c, e);
	if (!err)
		block_engine_set_stop(s->engine, disk_trouble, c);
	return err;
}

static void introduce(struct control *c)
{
	const struct appliance *a = c->session->appliance;
	union message m = { .machine = { .cd_count = c->cd_count, .cpus = a->cpus, .memory = a->memory } };
	char line[MESSAGE_TEXT];

	message_copy_text(m.machine.fingerprint, sizeof(m.machine.fingerprint), c->session->fingerprint);
	message_copy_text(m.machine.name, sizeof(m.machine.name), a->name);
	message_copy_text(m.machine.guest_os, sizeof(m.machine.guest_os), a->guest_os);
	link_send(c->link, &m, MESSAGE_MACHINE, 0);
	for (unsigned i = 0; i < c->cd_count; i++)
		tell_cd(&c->cds[i], c->cds[i].block);
	teller_flush(c->teller);
	for (unsigned i = 0; i < a->remark_count; i++) {
		snprintf(line, sizeof(line), "%s: %s", a->remarks[i].subject, a->remarks[i].text);
		link_say_notice(c->link, NOTICE_INFO, line);
	}
}

static void play(struct control *c)
{
	struct error e = { 0 };

	if (build(c, &e) < 0) {
		c->error = e;
		c->state = e.code == -ECANCELED ? STATE_OFF : STATE_FAILED;
		c->reason = e.code == -ECANCELED ? OFF_USER : OFF_ERROR;
		return;
	}
	find_cds(c);
	introduce(c);
	machine_refresh_screen(c->machine, true);
	begin_or_ask(c);
	receive(c, EPOLLIN); /* what was kept while files were asked for raises no event */
	loop_run(c->loop);
}

/* Requests that wait since a disk of the host gave up try once more, and then reach their devices as errors. */
static void end_requests(struct session *s)
{
	if (!s->engine)
		return;
	block_engine_set_stop(s->engine, NULL, NULL);
	block_retry(s->engine);
	for (size_t i = 0; i < ARRAY_SIZE(s->blocks); i++)
		if (s->blocks[i])
			block_drain(s->blocks[i]);
}

static void take_apart(struct control *c)
{
	struct error e = { 0 };

	link_hang_up(c->link);
	verify_free(c->verify);
	for (unsigned i = 0; i < c->cd_count; i++)
		cd_image_free(c->cds[i].opening);
	end_requests(c->session);
	machine_destroy(c->machine);
	network_free(&c->network);
	for (unsigned i = 0; i < c->cd_count; i++)
		block_set_watcher(c->cds[i].block, NULL, NULL);
	if (session_keep_changes(c->session, &e) < 0 && c->state != STATE_FAILED) {
		c->state = STATE_FAILED;
		c->reason = OFF_ERROR;
		c->error = e;
	}
	session_free(c->session);
	if (c->keep.fd > 0)
		close(c->keep.fd);
	teller_free(c->teller);
	loop_free(c->loop);
	clock_free(c->clock);
	if (c->screen.pixels)
		munmap(c->screen.pixels, SCREEN_BYTES);
	if (c->sound)
		munmap(c->sound, sizeof(*c->sound));
}

int control_play(struct session *s)
{
	struct control *c = calloc(1, sizeof(*c));
	enum machine_state state;

	if (!c) {
		link_say_state(s->link, STATE_FAILED, OFF_ERROR, "Out of memory");
		return 1;
	}
	*c = (struct control){
		.session = s, .link = s->link, .stopped = { .run = take_stopped }, .trouble = { .run = take_trouble }
	};
	link_say_state(c->link, STATE_STARTING, OFF_NONE, NULL);
	play(c);
	if (c->teller)
		teller_flush(c->teller);
	send_screen(c); /* the last picture */
	take_apart(c);
	state = c->state;
	link_say_state(s->link, state, c->reason, state == STATE_FAILED ? c->error.text : NULL);
	free(c);
	return state == STATE_FAILED;
}
