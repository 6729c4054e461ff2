/* SPDX-License-Identifier: MIT */
/*
 * What one life of the core works on: the appliance, its configuration from the state folder, and its drives. Used by
 * the main thread; files are asked for through the link. A session owns all it has; session_free() accepts a
 * half-opened one.
 */
#ifndef VITRINE_SESSION_H
#define VITRINE_SESSION_H

#include "core/link.h"
#include "core/storage/block.h"
#include "vmformat/appliance.h"
#include "vmformat/keep.h"

struct loop;

struct session {
	struct link *link; /* borrowed */
	struct message_start start;
	int fds[START_FDS]; /* owned, -1: not brought or given away */
	struct files files;
	struct keep keep;
	int64_t told; /* when progress was last told, in milliseconds of CLOCK_MONOTONIC; 0: never */
	struct appliance *appliance;
	char fingerprint[33];
	struct block_engine *engine;
	struct block *blocks[APPLIANCE_MAX_DRIVES]; /* by appliance->drives[i] */
	struct {
		struct disk *disk;        /* written in place, until its block has it; NULL: not so */
		int lock;                 /* the file of its lock, -1: none */
	} in_place[APPLIANCE_MAX_DRIVES]; /* as blocks */
};

void session_init(struct session *s, struct link *link, const struct message_start *start, const int fds[START_FDS]);
/* Takes all media out, which brings the overlays to stable storage; an error says what may be lost. After the machine
 * is gone. */
int session_keep_changes(struct session *s, struct error *e);
void session_free(struct session *s);

/* Opens the appliance that START brought. */
int session_open_appliance(struct session *s, struct error *e);
/* An OVA, OVF or bare disk is described by the .vmx in its state folder: reads it, or writes the first one. A .vmx is
 * its own. */
int session_configure(struct session *s, struct error *e);
/* One block per drive with its disk and overlay. A CD or floppy whose image cannot be had is empty, and a notice says
 * why. */
int session_plug_drives(struct session *s, struct loop *loop, struct error *e);

/* Are the changes to this disk gone at power-off? */
bool session_is_volatile(const struct session *s, const struct appliance_drive *drive);

/* The disk of a drive with what was written to it so far, read only; for DUMP. */
int session_open_for_reading(struct session *s, const struct appliance_drive *drive, struct disk **ret_disk,
                             struct error *e);

#endif
