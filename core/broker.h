/* SPDX-License-Identifier: MIT */
/*
 * The broker: opens files for a core that may open none, and starts that core. Linked into the player and into
 * vitrine-core --headless; knows no GTK. Parses nothing that came from the appliance. One thread.
 *
 * Names that the core asks for are opened with openat2 (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_MAGICLINKS), regular files only, beneath the appliance's folder. State goes to
 * $XDG_STATE_HOME/vitrine/<name>-<id>/ (DESIGN.md section 4).
 */
#ifndef VITRINE_BROKER_H
#define VITRINE_BROKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/protocol.h"

struct broker;

struct broker_options {
	const char *core_path; /* the vitrine-core program; NULL: beside this program, else the installed one */
	const char *appliance; /* path that the user chose */
	enum start_mode mode;
	uint32_t flags;    /* enum start_flags */
	const char *drive; /* START_DUMP */
	int output_fd;     /* START_DUMP; else -1 */
	/* further files that the command line or a consent named, as the appliance writes them; NULL ended; may be
	 * NULL */
	const char *const *allowed;
	bool asks; /* a person is there: what needs a yes comes as a QUESTION, else it is refused in words */
};

/* Opens /dev/kvm, firmware and the appliance, makes screen and sound memfds, starts the core and sends START. On
 * failure text holds the sentence for the user (file, cause, what to do). */
int broker_start(const struct broker_options *options, struct broker **ret_broker, char text[MESSAGE_TEXT]);

int broker_socket(const struct broker *b); /* readable: call broker_receive(). Borrowed; only to be waited on */
/* Receives one message; answers MESSAGE_OPEN and serves the network itself, and adds messages of its own (NOTICE,
 * LISTENING). 1: a message for the caller; 0: handled; -EAGAIN; -EPIPE: the core has gone; -EPROTO: the core talks
 * nonsense and was killed. */
int broker_receive(struct broker *b, union message *ret_message);
int broker_send(struct broker *b, union message *m, enum message_type type, uint32_t serial);
bool broker_listens(const struct broker *b); /* the core's socket has room: a broker_send() would not block */
int broker_command(struct broker *b, enum command command);
/* Opens path (what the user chose) read only, regular files only, and sends it. NULL: eject. */
int broker_insert_cd(struct broker *b, unsigned drive, const char *path, bool force, char text[MESSAGE_TEXT]);

const uint32_t *broker_screen(const struct broker *b);   /* mapped read only, SCREEN_BYTES */
struct sound_ring *broker_sound(const struct broker *b); /* mapped */
const char *broker_state_folder(const struct broker *b); /* path once known, else NULL */
/* The .vmx that a user edits: his own, or the one made beside the state; NULL: not known yet. */
const char *broker_configuration(const struct broker *b);
/* What a core that died unexpectedly had written to its stderr, printable, at most size - 1 bytes; returns its
 * length. */
size_t broker_last_words(const struct broker *b, char *text, size_t size);
pid_t broker_core_pid(const struct broker *b);
pid_t broker_net_process(const struct broker *b); /* 0: no vitrine-net runs */
/* Waits for the core to end, at most timeout_ms, then kills it. Returns its wait status. */
int broker_wait(struct broker *b, int timeout_ms);
void broker_free(struct broker *b); /* kills the core if it runs */

#endif
