/* SPDX-License-Identifier: MIT */
/*
 * The core's end of the control socket. The thread that made it is the one that receives (link_receive()); any thread
 * may send and may ask for a file and wait. While the receiving thread itself waits for a file, other messages are
 * kept for later, in order. Descriptors handed out are the caller's.
 */
#ifndef VITRINE_LINK_H
#define VITRINE_LINK_H

#include "core/protocol.h"
#include "vmformat/error.h"
#include "vmformat/files.h"

struct link;

struct link *link_new(int socket); /* takes it over. NULL: no memory */
void link_free(struct link *l);
int link_socket(const struct link *l);

int link_send(struct link *l, union message *m, enum message_type type, uint32_t serial);
/* One message if there is one: 0; -EAGAIN; -EPIPE; -EPROTO. *ret_fd: the descriptor that came with it, or -1. Answers
 * to link_ask() are dealt with inside. */
int link_receive(struct link *l, union message *ret_message, int *ret_fd);
/* After the last link_receive(): every thread that still waits for a file gets -EPIPE, now and later. */
void link_hang_up(struct link *l);

/* While something long is done before there is a machine: did the person power it off, or has the player gone? Other
 * messages are kept for later. The receiving thread. */
bool link_wants_end(struct link *l);

/* Asks the broker for a file and waits. fingerprint and machine are "" for OPEN_NAMED. */
int link_ask(struct link *l, enum open_role role, const char *fingerprint, const char *machine, const char *name,
             int *ret_fd, struct error *e);

/* The same with a whole MESSAGE_OPEN. */
int link_ask_with(struct link *l, union message *m, int *ret_fd, struct error *e);

/* How formats reach other files: OPEN_NAMED by files->context, which is the link. */
int link_files_open(const struct files *files, const char *name, struct file *ret_file, struct error *e);
int link_files_open_writable(const struct files *files, const char *name, struct file *ret_file, struct error *e);

/* Short messages. */
void link_say_state(struct link *l, enum machine_state state, enum off_reason reason, const char *text);
void link_say_notice(struct link *l, enum notice_level level, const char *text);

#endif
