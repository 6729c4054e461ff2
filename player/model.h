/* SPDX-License-Identifier: MIT */
/*
 * What the player knows of the machine it shows, built from the core's messages alone.
 *
 * message_check() has judged each message by itself; model_update() judges it against the conversation (a drive that
 * the machine does not have, damage outside the screen, a second question before the first was answered). The core is
 * not trusted: what it calls things is cleaned of control and direction marks before it can reach a label. No GTK; one
 * thread.
 */
#ifndef VITRINE_PLAYER_MODEL_H
#define VITRINE_PLAYER_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/protocol.h"
#include "player/geometry.h"

struct model_cd {
	bool present, locked;
	char name[MESSAGE_NAME];
};

struct model {
	bool greeted;   /* MESSAGE_HELLO came */
	bool described; /* MESSAGE_MACHINE came */
	char name[256];
	unsigned cd_count;
	struct model_cd cds[MESSAGE_MAX_CDS];

	enum machine_state state;
	enum off_reason reason;
	char text[MESSAGE_TEXT]; /* why it failed or paused itself; "" when there is nothing to say */

	unsigned width, height;  /* of the screen; 0: nothing shown yet */
	struct rectangle damage; /* of the last MESSAGE_SCREEN, within the screen */

	bool absolute; /* the guest wants to know where the pointer is, not how it moved */

	enum notice_level notice_level;
	char notice[MESSAGE_TEXT];

	uint32_t said_count; /* by the last message of the first serial port; cleaned of nothing */
	uint8_t said[MESSAGE_CHUNK];

	char license[LICENSE_MAX]; /* for the user's eyes, with line ends and tabs */
	size_t license_length;
	bool license_whole;

	/* what was downloaded is being prepared: bytes of its file; until the machine is described */
	bool preparing;
	uint64_t prepared, to_prepare;
	char preparing_what[256];

	unsigned port_count; /* of this computer that lead into the machine */
	struct nat_forward ports[NAT_MAX_FORWARDS];

	bool asking;
	uint32_t question_serial;
	enum question_kind question_kind;
	char question[MESSAGE_TEXT], accept[64], reject[64];
};

enum model_change {
	MODEL_MACHINE = 1,
	MODEL_STATE = 2,
	MODEL_SCREEN = 4,
	MODEL_CD = 8,
	MODEL_NOTICE = 16,
	MODEL_QUESTION = 32,
	MODEL_POINTER = 64,
	MODEL_PORTS = 128,
	MODEL_SERIAL = 256,
	MODEL_PROGRESS = 512,
};

/* Returns the enum model_change bits that the message caused, or -EPROTO: the core is broken, *m is unchanged. */
int model_update(struct model *m, const union message *message);

/* The question was answered; the next may come. */
void model_answered(struct model *m);

/* Copies UTF-8 for the user's eyes: no control characters, line ends or marks that change the direction of writing. */
void model_copy_text(char *to, size_t size, const char *from);

#endif
