/* SPDX-License-Identifier: MIT */
/*
 * The machine: a board with its chips, memory and CPUs. Made by the core from an appliance's description; all calls on the I/O
 * thread. State: created -> running <-> paused -> destroyed.
 */
#ifndef VITRINE_MACHINE_H
#define VITRINE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/appliance.h"
#include "vmformat/error.h"

struct machine;
struct block;
struct clock;
struct loop;
struct net_port;
struct screen;
struct sound_ring;

enum machine_stop {
	MACHINE_STOP_POWER_OFF, /* the guest switched itself off */
	MACHINE_STOP_ERROR,     /* KVM or the CPU gave up; the error says how */
};

struct machine_events { /* all called on the I/O thread */
	void (*serial_output)(void *context, unsigned port, const uint8_t *data,
	                      size_t count); /* port 255: debug console */
	void (*serial_ready)(void *context,
	                     unsigned port); /* machine_serial_input() took less than all: it has room again */
	void (*stopped)(void *context, enum machine_stop why, const struct error *e); /* the machine is paused then */
	/* The guest wants positions, machine_pointer_absolute(), or motion, machine_pointer(): at first the latter. */
	void (*pointer_mode)(void *context, bool absolute);
	void (*triple_fault)(void *context); /* a CPU shut down; the machine is reset after this, as a PC is */
	void *context;
};

struct machine_options {
	const struct appliance *appliance; /* borrowed, must outlive: a reset looks at its drives */
	struct block **blocks;  /* one per appliance->drives[i], NULL: not to be plugged in. Borrowed, must outlive */
	struct net_port **nets; /* one per appliance->nics[i], NULL: no cable. Borrowed, must outlive; or NULL */
	struct loop *loop;      /* borrowed, with `clock` in it */
	struct clock *clock;    /* guest time; borrowed, stopped and at 0 */
	int kvm_fd;             /* borrowed, must outlive */
	const void *bios, *vgabios; /* firmware images, copied */
	size_t bios_size, vgabios_size;
	struct screen *screen;    /* borrowed */
	struct sound_ring *sound; /* borrowed, or NULL: nobody listens */
	int64_t rtc_offset;       /* seconds added to UTC for the RTC */
	struct machine_events events;
};

/* Builds all; nothing runs yet. Fails in words when KVM lacks something, memory is short or a device cannot be had. */
int machine_create(const struct machine_options *options, struct machine **ret_machine, struct error *e);
void machine_destroy(struct machine *m); /* stops and frees. Harmless on NULL */

int machine_run(struct machine *m, struct error *e); /* power-on or resume */
void machine_pause(struct machine *m);               /* when it returns no vCPU runs and no host I/O is in flight */
bool machine_running(const struct machine *m);
void machine_reset(struct machine *m); /* the reset button; keeps running or paused */

void machine_key(struct machine *m, unsigned evdev_code, bool down);
void machine_release_keys(struct machine *m);
void machine_power_button(struct machine *m);
void machine_pointer(struct machine *m, int dx, int dy, int dz, unsigned buttons);
/* x, y: 0 to 0xffff over the screen. Lost while the guest has a mouse only. */
void machine_pointer_absolute(struct machine *m, unsigned x, unsigned y, int dz, unsigned buttons);
/* Bytes typed into a serial port; returns how many were taken (the rest: later). */
size_t machine_serial_input(struct machine *m, unsigned port, const uint8_t *data, size_t count);
/* The player is ready for the next frame; without it the card does not redraw. */
void machine_refresh_screen(struct machine *m, bool wanted);

/* Whether this board has the controller that the drive hangs on. No KVM needed, as for the next. */
bool machine_has_place(const struct appliance *a, const struct appliance_drive *drive);

/* The hardware address of one of its network cards: as it is given, else the one that is made for it. */
void machine_nic_address(const struct appliance *a, const struct appliance_nic *nic, uint8_t ret_address[6]);

/* What the appliance declares that this board lacks, as remarks on the appliance. -ENOTSUP when that leaves nothing to start
 * from: its disks are all on controllers that are missing, and no CD is in a drive. */
int machine_review(struct appliance *a, struct error *e);

#endif
