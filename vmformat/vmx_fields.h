/* SPDX-License-Identifier: MIT */
/*
 * Private to the .vmx reader (vmx.c) and writer (appliance_vmx.c), and the OVF reader, whose extra configuration is .vmx keys: which key is which field of the description, and
 * how a value of each type is read and written. One table for both directions is what makes a written text read back
 * the same.
 */
#ifndef VITRINE_VMX_FIELDS_H
#define VITRINE_VMX_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "vmformat/appliance.h"

struct vmx_type {
	const char *expects; /* what a remark says that a value should be */
	/* -EINVAL: not (wholly) understood, *field is still a good one. -ENOMEM. */
	int (*read)(const char *value, void *field);
	char *(*print)(const void *field); /* malloc'ed, before quoting; NULL: no memory */
};

struct vmx_field {
	const char *key; /* whole, or what follows "ethernet0." */
	const struct vmx_type *type;
	size_t offset;
	const char *comment; /* for the written text, or NULL */
	const char *silent;  /* the value that need not be written, as it is the default; or NULL */
};

/* Ended by an entry without a key. */
extern const struct vmx_field vmx_machine_fields[];    /* of struct appliance */
extern const struct vmx_field vmx_controller_fields[]; /* of struct appliance_controller */
extern const struct vmx_field vmx_drive_fields[];      /* of struct appliance_drive: all drives */
extern const struct vmx_field vmx_disk_fields[];       /* of struct appliance_drive: disks only */
extern const struct vmx_field vmx_nic_fields[];        /* of struct appliance_nic */

/* The buses as keys name them, in the order of enum appliance_bus (without floppies). */
struct vmx_bus {
	const char *name;
	unsigned controllers, units; /* the most that hardware version 21 has; VIRTIO is ours */
	const char *model;           /* NULL: depends on guestOS */
};
extern const struct vmx_bus vmx_buses[APPLIANCE_FLOPPY];
#define VMX_FLOPPIES 2u

/* What VMware gives a guest that the text leaves open (VMware's "Guest OS" tables). */
struct vmx_guest_defaults {
	const char *scsi, *ethernet;
	bool rtc_local_time;
};
struct vmx_guest_defaults vmx_guest_defaults(const char *guest_os);

/* "TRUE", "yes", "1"...; fallback if it is none of them. value may be NULL. */
bool vmx_boolean(const char *value, bool fallback);

/* "tcp:8443:443", "udp:127.0.0.1:5353:53". -EINVAL: *forward is as it was. Its number stays. */
int vmx_forward_read(const char *value, struct appliance_forward *forward);
void vmx_forward_print(const struct appliance_forward *forward, char ret_text[48]);

/* Does key match? '#' in the pattern: one or more digits; '*' at its end: anything. Without regard to case. */
bool vmx_key_matches(const char *pattern, const char *key);

/* Known, and harmless to leave alone (the table is in vmx_ignored.c). */
bool vmx_is_ignored(const char *key, const char *value);

#endif
