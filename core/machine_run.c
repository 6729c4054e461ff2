/* SPDX-License-Identifier: MIT */
/* The life of a machine: run, pause, reset, and what vCPUs and devices ask the I/O thread for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/machine_private.h"

#define FRAME_NS (NS_PER_SECOND / 62) /* a little under 1/60 s: the player's frame clock sets the pace */
#define OUTPUT_MAX (1u << 20)         /* bytes a guest may write to a port before anybody reads; then they are lost */
#define OUTPUT_MIN 512u

/* ---- requests ---- */

void machine_request(void *context, enum machine_request what)
{
	struct machine *m = context;

	atomic_fetch_or(&m->requests, what);
	if (m->kvm)
		kvm_request_stop(m->kvm); /* the guest must not run on after it asked for a reset */
	loop_post(m->options.loop, &m->request_work);
}

void machine_request_reset(void *context)
{
	machine_request(context, REQUEST_RESET);
}

void machine_request_power_off(void *context)
{
	machine_request(context, REQUEST_POWER_OFF);
}

void machine_trouble(void *context, enum kvm_trouble what, const struct error *e)
{
	struct machine *m = context;

	if (what == KVM_TROUBLE) {
		pthread_mutex_lock(&m->trouble_lock);
		if (!m->trouble.code)
			m->trouble = *e;
		pthread_mutex_unlock(&m->trouble_lock);
	}
	machine_request(m, what == KVM_TROUBLE ? REQUEST_TROUBLE : REQUEST_TRIPLE_FAULT);
}

static void stop_for(struct machine *m, enum machine_stop why)
{
	struct error e;

	machine_pause(m);
	pthread_mutex_lock(&m->trouble_lock);
	e = m->trouble;
	m->trouble = (struct error){ 0 };
	pthread_mutex_unlock(&m->trouble_lock);
	m->options.events.stopped(m->options.events.context, why, why == MACHINE_STOP_ERROR ? &e : NULL);
}

static void reset_after_fault(struct machine *m)
{
	m->options.events.triple_fault(m->options.events.context);
	machine_reset(m);
}

static void serve_requests(struct loop_work *work)
{
	struct machine *m = container_of(work, struct machine, request_work);
	unsigned requests = atomic_exchange(&m->requests, 0);

	if (requests & REQUEST_TROUBLE)
		stop_for(m, MACHINE_STOP_ERROR);
	else if (requests & REQUEST_POWER_OFF)
		stop_for(m, MACHINE_STOP_POWER_OFF);
	else if (requests & REQUEST_TRIPLE_FAULT)
		reset_after_fault(m);
	else if (requests & REQUEST_RESET)
		machine_reset(m);
}

/* ---- serial output ---- */

static void tell_output(struct loop_work *work)
{
	struct serial_buffer *b = container_of(work, struct serial_buffer, work);
	const struct machine_events *events = &b->machine->options.events;
	uint8_t *data;
	size_t count;

	pthread_mutex_lock(&b->lock);
	data = b->data;
	count = b->count;
	b->data = NULL;
	b->count = b->room = 0;
	pthread_mutex_unlock(&b->lock);
	if (count)
		events->serial_output(events->context, b->port, data, count);
	free(data);
}

void machine_serial_output(void *context, const uint8_t *data, size_t count)
{
	struct serial_buffer *b = context;

	pthread_mutex_lock(&b->lock);
	if (b->room - b->count < count && b->count + count <= OUTPUT_MAX) {
		size_t room = MAX(OUTPUT_MIN, 2 * (b->count + count));
		uint8_t *grown = realloc(b->data, room);

		if (grown) {
			b->data = grown;
			b->room = room;
		}
	}
	if (b->room - b->count >= count) {
		memcpy(b->data + b->count, data, count);
		b->count += count;
	}
	pthread_mutex_unlock(&b->lock);
	loop_post(b->machine->options.loop, &b->work);
}

static void tell_ready(struct loop_work *work)
{
	struct serial_buffer *b = container_of(work, struct serial_buffer, ready);
	const struct machine_events *events = &b->machine->options.events;

	events->serial_ready(events->context, b->port);
}

void machine_serial_ready(void *context)
{
	struct serial_buffer *b = context;

	loop_post(b->machine->options.loop, &b->ready);
}

size_t machine_serial_input(struct machine *m, unsigned port, const uint8_t *data, size_t count)
{
	struct device *d = port < MACHINE_SERIALS ? m->serials[port] : NULL;
	size_t taken;

	if (!d)
		return count; /* nobody is plugged in: as on a cable that ends in the air */
	device_lock(d);
	taken = serial_input(d, data, count);
	device_unlock(d);
	return taken;
}

/* ---- keyboard and pointer ---- */

void machine_key(struct machine *m, unsigned evdev_code, bool down)
{
	device_lock(m->keyboard);
	i8042_key(m->keyboard, evdev_code, down);
	device_unlock(m->keyboard);
}

void machine_release_keys(struct machine *m)
{
	device_lock(m->keyboard);
	i8042_release_keys(m->keyboard);
	device_unlock(m->keyboard);
}

static bool usb_takes_pointer(struct machine *m)
{
	bool takes;

	if (!m->usb)
		return false;
	device_lock(m->usb);
	takes = uhci_takes_pointer(m->usb);
	device_unlock(m->usb);
	return takes;
}

static enum vmport_pointer_mode vmmouse_mode(struct machine *m)
{
	enum vmport_pointer_mode mode;

	if (!m->vmport)
		return VMPORT_POINTER_OFF;
	device_lock(m->vmport);
	mode = vmport_pointer_mode(m->vmport);
	device_unlock(m->vmport);
	return mode;
}

/* To vmmouse, whose driver is told by the mouse's interrupt: one device after the other. */
static void move_vmmouse(struct machine *m, int x, int y, int dz, unsigned buttons)
{
	device_lock(m->vmport);
	vmport_pointer(m->vmport, x, y, dz, buttons);
	device_unlock(m->vmport);
	device_lock(m->keyboard);
	i8042_poke_pointer(m->keyboard);
	device_unlock(m->keyboard);
}

/* A guest that wants positions may still get motion, on its way when it changed its mind: its mouse is there for it. */
void machine_pointer(struct machine *m, int dx, int dy, int dz, unsigned buttons)
{
	if (vmmouse_mode(m) == VMPORT_POINTER_RELATIVE) {
		move_vmmouse(m, dx, dy, dz, buttons);
		return;
	}
	device_lock(m->keyboard);
	i8042_pointer(m->keyboard, dx, dy, dz, buttons);
	device_unlock(m->keyboard);
}

/* The tablet first: somebody listens to it, while vmmouse may have been switched on by a driver that nobody does. */
void machine_pointer_absolute(struct machine *m, unsigned x, unsigned y, int dz, unsigned buttons)
{
	if (usb_takes_pointer(m)) {
		device_lock(m->usb);
		uhci_pointer(m->usb, x, y, dz, buttons);
		device_unlock(m->usb);
	} else if (vmmouse_mode(m) == VMPORT_POINTER_ABSOLUTE) {
		move_vmmouse(m, (int)x, (int)y, dz, buttons);
	}
}

static void tell_pointer_mode(struct loop_work *work)
{
	struct machine *m = container_of(work, struct machine, pointer_work);
	bool absolute = usb_takes_pointer(m) || vmmouse_mode(m) == VMPORT_POINTER_ABSOLUTE;

	if (absolute == m->pointer_absolute)
		return;
	m->pointer_absolute = absolute;
	m->options.events.pointer_mode(m->options.events.context, absolute);
}

void machine_pointer_changed(void *context)
{
	struct machine *m = context;

	loop_post(m->options.loop, &m->pointer_work);
}

/* ---- what VMware's back door tells ---- */

void machine_wall_clock(void *context, uint64_t *ret_seconds, uint32_t *ret_microseconds)
{
	struct timespec now;

	(void)context;
	clock_gettime(CLOCK_REALTIME, &now);
	*ret_seconds = (uint64_t)now.tv_sec;
	*ret_microseconds = (uint32_t)now.tv_nsec / 1000;
}

uint64_t machine_tsc_hz(void *context)
{
	const struct machine *m = context;

	return kvm_tsc_hz(m->kvm);
}

void machine_power_button(struct machine *m)
{
	device_lock(m->power);
	piix4_pm_power_button(m->power);
	device_unlock(m->power);
}

/* ---- screen ---- */

static void draw(struct machine *m)
{
	struct screen *screen = m->options.screen;

	kvm_flush_coalesced(m->kvm);
	device_lock(m->vga);
	vga_refresh(m->vga);
	device_unlock(m->vga);
	if (screen && screen->changed && (screen->size_changed || screen->x0 < screen->x1))
		screen->changed(screen->context, screen);
}

static void arm_frame(struct machine *m, uint64_t ns)
{
	struct itimerspec spec = { .it_value.tv_nsec = (long)ns };

	timerfd_settime(m->frame_source.fd, 0, &spec, NULL);
}

/* One look at the screen; as long as somebody waits for a change and the guest runs, another follows. */
static void frame_due(void *context, uint32_t events)
{
	struct machine *m = context;
	uint64_t count;

	(void)events;
	if (read(m->frame_source.fd, &count, sizeof(count)) < 0 || !m->kvm)
		return;
	m->frame_armed = false;
	if (!m->frame_wanted)
		return;
	m->frame_armed = m->running;
	if (m->frame_armed)
		arm_frame(m, FRAME_NS);
	draw(m);
}

void machine_refresh_screen(struct machine *m, bool wanted)
{
	m->frame_wanted = wanted;
	if (wanted && !m->frame_armed) {
		m->frame_armed = true;
		arm_frame(m, 1);
	}
}

/* ---- run, pause, reset ---- */

static void call(struct device *d, void (*callback)(struct device *))
{
	device_lock(d);
	callback(d);
	device_unlock(d);
}

static void hold_nets(struct machine *m, bool held)
{
	for (unsigned i = 0; i < m->net_count; i++)
		net_port_hold(m->options.nets[i], held);
}

int machine_run(struct machine *m, struct error *e)
{
	if (m->running)
		return 0;
	if (!m->kvm) /* a reset failed, which is being told */
		return error_set(e, -EIO, "the machine could not be reset and cannot run on; start it again");
	for (struct device *d = m->devices; d; d = d->next)
		if (d->class->resume)
			call(d, d->class->resume);
	m->running = true;
	hold_nets(m, false);
	clock_start(m->board.clock);
	kvm_run(m->kvm);
	if (m->frame_wanted)
		machine_refresh_screen(m, true);
	return 0;
}

/* The CPUs first: nobody submits any more. Then guest time; then what is in flight comes home, and devices end what they do on
 * the host by themselves. */
void machine_pause(struct machine *m)
{
	if (!m->running)
		return;
	kvm_stop(m->kvm);
	clock_stop(m->board.clock);
	hold_nets(m, true);
	for (unsigned i = 0; i < m->options.appliance->drive_count; i++)
		if (m->options.blocks[i])
			block_drain(m->options.blocks[i]);
	for (struct device *d = m->devices; d; d = d->next)
		if (d->class->pause)
			call(d, d->class->pause);
	m->running = false;
	if (m->frame_wanted)
		draw(m);
}

bool machine_running(const struct machine *m)
{
	return m->running;
}

static int sink(void *context, unsigned gsi, bool level)
{
	struct machine *m = context;

	return m->kvm ? kvm_set_irq(m->kvm, gsi, level) : 1;
}

static void message_sink(void *context, uint32_t address, uint32_t data)
{
	struct machine *m = context;

	if (m->kvm)
		kvm_send_msi(m->kvm, address, data);
}

/* KVM with everything as at power-on, and the devices too; RAM keeps what it held, as on a PC. */
int machine_start_kvm(struct machine *m, struct error *e)
{
	struct kvm_options options = { .kvm_fd = m->options.kvm_fd,
		                       .cpus = m->cpus,
		                       .cores_per_socket = m->cores_per_socket,
		                       .memory = m->board.memory,
		                       .bus = m->board.bus,
		                       .trouble = machine_trouble,
		                       .context = m };

	int r;

	for (struct device *d = m->devices; d; d = d->next)
		if (d->class->reset)
			call(d, d->class->reset);
	r = kvm_create(&options, &m->kvm, e);
	if (r >= 0)
		irq_router_resync(m->board.irq);
	return r;
}

/* A write that waits for room on the host's disk was not completed: the reset ends it, as it does a disk's command. */
static void give_up_requests(struct machine *m)
{
	for (unsigned i = 0; i < m->options.appliance->drive_count; i++)
		if (m->options.blocks[i])
			block_give_up(m->options.blocks[i]);
}

void machine_reset(struct machine *m)
{
	bool running = m->running;
	struct error e = { 0 };

	machine_pause(m);
	give_up_requests(m);
	kvm_destroy(m->kvm);
	m->kvm = NULL;
	atomic_store(&m->requests, 0);
	if (machine_start_kvm(m, &e) < 0) {
		m->options.events.stopped(m->options.events.context, MACHINE_STOP_ERROR, &e);
		return;
	}
	if (running)
		machine_run(m, &e);
}

/* ---- making and unmaking ---- */

int machine_prepare_run(struct machine *m, struct error *e)
{
	m->board = (struct board){ .bus = bus_new(),
		                   .memory = memory_new(),
		                   .irq = irq_router_new(sink, message_sink, m),
		                   .clock = m->options.clock };
	m->request_work.run = serve_requests;
	m->pointer_work.run = tell_pointer_mode;
	pthread_mutex_init(&m->trouble_lock, NULL);
	for (unsigned i = 0; i <= MACHINE_SERIALS; i++) {
		m->outputs[i] = (struct serial_buffer){ .machine = m,
			                                .port = i < MACHINE_SERIALS ? i : DEBUG_PORT,
			                                .work.run = tell_output,
			                                .ready.run = tell_ready };
		pthread_mutex_init(&m->outputs[i].lock, NULL);
	}
	m->frame_source = (struct loop_source){ .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		                                .events = EPOLLIN,
		                                .ready = frame_due,
		                                .context = m };
	if (!m->board.bus || !m->board.memory || !m->board.irq || m->frame_source.fd < 0 ||
	    loop_add(m->options.loop, &m->frame_source) < 0)
		return error_set(e, -ENOMEM, "not enough memory or descriptors for the machine; close other programs");
	return 0;
}

void machine_finish_run(struct machine *m)
{
	loop_remove(m->options.loop, &m->frame_source);
	if (m->frame_source.fd >= 0)
		close(m->frame_source.fd);
	loop_cancel(m->options.loop, &m->request_work);
	loop_cancel(m->options.loop, &m->pointer_work);
	for (unsigned i = 0; i <= MACHINE_SERIALS; i++) {
		loop_cancel(m->options.loop, &m->outputs[i].work);
		loop_cancel(m->options.loop, &m->outputs[i].ready);
		free(m->outputs[i].data);
		pthread_mutex_destroy(&m->outputs[i].lock);
	}
	bus_free(m->board.bus);
	memory_free(m->board.memory);
	irq_router_free(m->board.irq);
	pthread_mutex_destroy(&m->trouble_lock);
}
