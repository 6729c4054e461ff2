/* SPDX-License-Identifier: MIT */
/*
 * The broker's part of the network: judges what a core asks for, starts vitrine-net between core and host, tells it
 * the host's name servers as they change, and starts it again when it dies (at most NET_RESTARTS times a minute).
 * One thread; its descriptors are in the broker's epoll set with NET_EVENT_* as data.
 */
#ifndef VITRINE_BROKER_NET_H
#define VITRINE_BROKER_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/protocol.h"

#define NET_RESTARTS 5u

enum net_event {
	NET_EVENT_CONTROL = 1,
	NET_EVENT_RESOLV,
	NET_EVENT_RESTART,
	NET_EVENT_BELL /* there is something to say */
};

struct broker_net;
struct broker_files;

/* core: the core's control socket; files: where a person's yes is kept; all borrowed. NULL: no memory. */
struct broker_net *broker_net_new(int epoll, int core, const struct broker_files *files, uint32_t start_flags,
                                  bool asks);
void broker_net_free(struct broker_net *n); /* ends vitrine-net. Harmless on NULL */
/* The core's one wish. What is refused or fails is told by broker_net_next(); the machine then plays without. */
void broker_net_want(struct broker_net *n, const struct message_network_wanted *wish);
void broker_net_event(struct broker_net *n, enum net_event event);
/* 1: a NOTICE, a LISTENING, or, if it may_ask now, a QUESTION, for the broker's caller; 0: nothing to say. */
int broker_net_next(struct broker_net *n, bool may_ask, union message *ret_message);
/* Makes the epoll set readable, so that broker_net_next() is called again: a question may now be asked. */
void broker_net_ring(struct broker_net *n);
void broker_net_answer(struct broker_net *n, bool accept); /* to that question */
pid_t broker_net_pid(const struct broker_net *n);          /* 0: not running */

/* May a core have this forward? 0, or a negative errno with the words. */
int broker_net_judge(const struct nat_forward *f, uint32_t start_flags, char text[MESSAGE_TEXT]);

#endif
