/* SPDX-License-Identifier: MIT */
/*
 * vitrine-net's door, shut once before the first frame of a guest is read. Afterwards the process opens no path, runs no
 * program, makes no thread and no AF_UNIX socket, and binds and listens to nothing; it can use the sockets it has and
 * make Internet ones: TCP, UDP and ICMP echo, no raw ones. One reason per allowed call is in door.c.
 */
#ifndef VITRINE_NAT_DOOR_H
#define VITRINE_NAT_DOOR_H

/* 0 or negative errno: then no guest may be served. */
int door_shut(unsigned *ret_landlock_abi);

#endif
