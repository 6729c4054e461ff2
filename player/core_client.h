/* SPDX-License-Identifier: MIT */
/*
 * One running core: the broker of core/broker.h as a source in GLib's main loop, and the model that its messages build.
 *
 * The core may be hostile: its messages are handled in small portions after GTK has drawn and served the user, and
 * nothing here waits for it, so that the window stays alive whatever it does. Main thread. A client that ended (why:
 * told by ended()) keeps its model until core_client_close().
 */
#ifndef VITRINE_PLAYER_CORE_CLIENT_H
#define VITRINE_PLAYER_CORE_CLIENT_H

#include "core/broker.h"
#include "player/model.h"

struct core_client;

struct core_listener {
	void (*changed)(void *context, int changes); /* enum model_change bits */
	/* The core has gone. why: a sentence if it should not have (it crashed, it talked nonsense), else NULL. Nothing
	 * follows. */
	void (*ended)(void *context, const char *why);
};

int core_client_start(const char *appliance, uint32_t flags, const struct core_listener *listener, void *context,
                      struct core_client **ret_client, char text[MESSAGE_TEXT]);
/* Powers the machine off, gives its core some seconds to end by itself, then frees both; returns at once and calls no
 * listener any more. The pixels and the sound ring are invalid from now on. NULL-safe. */
void core_client_close(struct core_client *c);

/* Ends a core that does not listen. No listener is called. */
void core_client_kill(struct core_client *c);

const struct model *core_client_model(const struct core_client *c);
const uint32_t *core_client_pixels(const struct core_client *c);
struct sound_ring *core_client_sound(const struct core_client *c);
const char *core_client_configuration(const struct core_client *c);

/* All of these: 0; -EPIPE the core has gone; -EAGAIN it does not listen (its socket is full) and nothing was sent. */
int core_client_command(struct core_client *c, enum command command);
int core_client_key(struct core_client *c, unsigned code, bool down);
int core_client_pointer(struct core_client *c, int dx, int dy, int dz, unsigned buttons);
int core_client_position(struct core_client *c, unsigned x, unsigned y, int dz,
                         unsigned buttons); /* to POINTER_RANGE */
/* Typed into the first serial port; what comes after a message that could not be sent is lost. */
int core_client_serial(struct core_client *c, const uint8_t *data, size_t count);
int core_client_answer(struct core_client *c, bool accept);
/* path NULL: eject. text: why it could not be inserted. */
int core_client_insert_cd(struct core_client *c, unsigned drive, const char *path, bool force, char text[MESSAGE_TEXT]);

#endif
