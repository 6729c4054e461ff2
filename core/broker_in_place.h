/* SPDX-License-Identifier: MIT */
/*
 * Disks that are written in place (vitrine.writeInPlace): what a core may open for writing beside the .vmx that
 * the user chose.
 *
 * Only with the person's yes, which is kept by the place of that .vmx; only names that disks have (.vmdk, .img,
 * .raw), so that no other file of the folder can be harmed; only regular files with one name. A disk is locked as
 * VMware locks it (a folder NAME.lck with a file in it), and each file by flock(), so that neither VMware nor
 * another Vitrine writes it, too. What was kept apart for the disk before would no longer fit to it: then it is
 * refused. All that arrives from the core is hostile. One thread.
 */
#ifndef VITRINE_BROKER_IN_PLACE_H
#define VITRINE_BROKER_IN_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/protocol.h"

struct broker_files;

/* May the core have what it asks for by OPEN_IN_PLACE_LOCK? 0: yes; -EAGAIN: a person must be asked; else no,
 * and text says why. */
int broker_in_place_judge(struct broker_files *f, const struct message_open *m, uint32_t start_flags,
                          char text[MESSAGE_TEXT]);
void broker_in_place_question(const struct broker_files *f, struct message_question *ret_question);
/* The person's answer counts for this run; a yes is kept. text: why it could not be, or "". */
void broker_in_place_answer(struct broker_files *f, bool accept, char text[MESSAGE_TEXT]);

/* OPEN_IN_PLACE_LOCK, after a yes: *ret_fd is the lock's file. OPEN_IN_PLACE: a file of a locked disk, for writing. */
int broker_in_place_lock(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT]);
int broker_in_place_open(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT]);

/* Removes the locks, when the core has ended. Harmless if there are none. */
void broker_in_place_free(struct broker_files *f);

#endif
