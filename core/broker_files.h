/* SPDX-License-Identifier: MIT */
/*
 * The broker's own: which files it opens, and where (broker_files.c), and what the host must offer (broker_host.c).
 *
 * All that arrives here from the core is hostile. Functions return 0 or a negative errno and then fill text with a
 * sentence for the user. Returned descriptors are the caller's, close-on-exec. One thread.
 */
#ifndef VITRINE_BROKER_FILES_H
#define VITRINE_BROKER_FILES_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/protocol.h"

struct broker_files {
	int appliance_fd; /* what the user chose, read only */
	int folder_fd;    /* its folder, O_PATH */
	int state_fd;     /* the state folder, -1: not known yet */
	dev_t device;     /* of the appliance's file */
	ino_t inode;
	off_t size;
	char *head; /* its first bytes, as `origin` keeps them */
	size_t head_length;
	char *path;           /* its real path */
	char *folder_path;    /* path without the last part */
	const char *name;     /* the last part, within path */
	char **allowed;       /* copies of broker_options.allowed, NULL ended; or NULL */
	char fingerprint[33]; /* of the state folder; "" before it is known, then fixed */
	char *state_path;
	char *state_name;                 /* `<name>` of `<name>-<id>` */
	bool keeps;                       /* we hold the lock of what is kept, and so may write it */
	struct broker_in_place *in_place; /* broker_in_place.c's; NULL: nothing was asked for */
	char *configuration;              /* path of the .vmx in the state folder once asked for, else NULL */
};

/* Fills text, free of control characters, and returns code (negative). */
int broker_say(char text[MESSAGE_TEXT], int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

int broker_files_init(struct broker_files *f, const char *path, const char *const *allowed, char text[MESSAGE_TEXT]);
void broker_files_free(struct broker_files *f);
/* Opens what the core asks for by role. */
int broker_files_open(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT]);

/* What the person has allowed this appliance for good: a text in the state folder that the core cannot open. Is it this one?
 * False also while the state folder is not known. */
bool broker_files_consented(const struct broker_files *f, const char *consent);
int broker_files_keep_consent(const struct broker_files *f, const char *consent);

/* Opens a file that the user named: regular files only, never blocks on a FIFO or a device. flags: O_RDONLY ... */
int broker_open_regular(int folder_fd, const char *path, int flags, int *ret_fd, char text[MESSAGE_TEXT]);

/* ---- for broker_in_place.c ---- */

/* openat2, beneath the folder, through no link. A descriptor, or a negative errno. */
int broker_open_beneath(int folder_fd, const char *name, int flags, mode_t mode);
/* Keeps fd only if it is a regular file; makes reads block again (O_NONBLOCK was for FIFOs and devices). */
int broker_keep_regular(int fd, const char *name, int *ret_fd, char text[MESSAGE_TEXT]);
/* An absolute name that leads into the appliance's own folder is only a clumsy relative one. */
const char *broker_relative_name(const struct broker_files *f, const char *name);
bool broker_is_hidden(const char *name);
bool broker_is_edited_by_people(const struct broker_files *f); /* a .vmx */
bool broker_fingerprint_is_sound(const char *text);
bool broker_drive_is_sound(const char *name);
/* $XDG_STATE_HOME/vitrine, made on demand: a descriptor, or a negative errno. */
int broker_state_home(char ret_path[PATH_MAX], char text[MESSAGE_TEXT]);
/* To be read from its beginning, and closed. NULL: errno says why. */
DIR *broker_list_folder(int folder_fd);
/* Looks for a folder of this fingerprint that is ours, or whose owner has gone. 1: found, *ret_name is malloc'ed; 0:
 * there is none; else it cannot be known. */
int broker_find_state_folder(const struct broker_files *f, int home_fd, const char *fingerprint, char **ret_name);

/* ---- broker_host.c ---- */

int broker_open_kvm(int *ret_fd, char text[MESSAGE_TEXT]);
int broker_open_firmware(int *ret_bios_fd, int *ret_vgabios_fd, char text[MESSAGE_TEXT]);
/* A sealed memfd of `size` bytes for both sides. */
int broker_make_shared(const char *name, size_t size, int *ret_fd, char text[MESSAGE_TEXT]);
/* The path of one of our programs (malloc'ed): as the environment says, beside this program, ../libexec, $PATH. */
int broker_find_program(const char *name, const char *variable, char **ret_path, char text[MESSAGE_TEXT]);
/* The same of vitrine-core, with the option first and $VITRINE_CORE. */
int broker_find_core(const char *option, char **ret_path, char text[MESSAGE_TEXT]);

#endif
