/* SPDX-License-Identifier: MIT */
/*
 * An appliance: the neutral description of one virtual machine, whatever text or file it came from.
 *
 * appliance_open() takes any file that a user can double-click and tells it by content. The description owns all its strings
 * (UTF-8, never NULL: an absent text is ""). One thread at a time may use an appliance. It is plain data: tests may make one.
 */
#ifndef VITRINE_APPLIANCE_H
#define VITRINE_APPLIANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/disk.h"
#include "vmformat/error.h"
#include "vmformat/files.h"

/* Limits: the largest that VMware's hardware version 21 allows, or more than any real file has. */
#define APPLIANCE_MAX_CONTROLLERS 32 /* 4 SCSI + 4 SATA + 4 NVMe + 2 IDE + floppy, and room for VirtualBox's */
#define APPLIANCE_MAX_DRIVES 256     /* 4 x 64 on pvscsi */
#define APPLIANCE_MAX_NICS 36        /* VirtualBox with ICH9 */
#define APPLIANCE_MAX_SERIALS 32
#define APPLIANCE_MAX_FORWARDS 16   /* more ports than any appliance's documentation asks to open */
#define APPLIANCE_MAX_SETTINGS 1024 /* as many as an OVF has properties */
#define APPLIANCE_MAX_CPUS 768
#define APPLIANCE_NO_TIME INT64_MIN
#define APPLIANCE_MAX_REMARKS 1024 /* a hostile text cannot make us keep more */

enum appliance_origin { ORIGIN_OTHER, ORIGIN_VMWARE, ORIGIN_VIRTUALBOX };
enum appliance_firmware { FIRMWARE_BIOS, FIRMWARE_EFI };
enum appliance_bus {
	APPLIANCE_IDE,
	APPLIANCE_SCSI,
	APPLIANCE_SATA,
	APPLIANCE_NVME,
	APPLIANCE_VIRTIO,
	APPLIANCE_FLOPPY
};
enum appliance_drive_kind { DRIVE_DISK, DRIVE_CDROM, DRIVE_FLOPPY };

/* What stands behind a drive. */
enum appliance_backing {
	BACKING_NONE,  /* nothing: an empty CD drive, "auto detect", clientDevice */
	BACKING_IMAGE, /* a file: name it in `file` */
	BACKING_HOST, /* a device of the host that the text names (cdrom-raw, /dev/sr0): `file` has it; never opened unasked */
	BACKING_BLANK, /* an OVF disk without a file reference: `capacity` bytes of zeros */
};

/* VMware's disk modes (VMware, "Virtual Disk Modes"). Both nonpersistent ones lose their changes at power-off. */
enum appliance_disk_mode {
	MODE_PERSISTENT,
	MODE_INDEPENDENT_PERSISTENT,
	MODE_NONPERSISTENT,
	MODE_INDEPENDENT_NONPERSISTENT
};

/* IDE channels and adapters for drives. The floppy controller is part of every board and has no entry here. */
struct appliance_controller {
	enum appliance_bus bus;
	unsigned number; /* scsi0: 0. IDE: the channel, ide1: 1 */
	char *model;  /* as a .vmx spells it: "piix4", "lsilogic", "lsisas1068", "pvscsi", "buslogic", "ahci", "nvme" */
	int pci_slot; /* pciSlotNumber, -1: not given */
};

struct appliance_drive {
	enum appliance_drive_kind kind;
	enum appliance_bus bus;
	unsigned controller, unit; /* scsi0:3 -> 0, 3. IDE: channel 0 or 1, unit 0 (master) or 1 (slave) */
	enum appliance_backing backing;
	char *file;        /* as the appliance writes it; resolved by appliance_open_disk() */
	uint64_t capacity; /* bytes, 0: only the image knows */
	enum appliance_disk_mode mode;
	bool start_connected; /* CD and floppy: in the drive at power-on */
};

struct appliance_nic {
	unsigned number; /* ethernet0: 0 */
	char *model;     /* "e1000", "e1000e", "vlance" (PCnet), "vmxnet", "vmxnet3", "virtio", ... */
	char *mac;       /* "00:0c:29:12:34:56", "" : to be generated */
	char *network;   /* "nat", "bridged", "hostonly", or the OVF network's name */
	int pci_slot;    /* -1: not given */
	bool start_connected;
};

enum appliance_protocol { FORWARD_TCP, FORWARD_UDP };

/* A port of the host that leads to one of the first card's machine. A wish: whoever binds the port judges it. */
struct appliance_forward {
	unsigned number; /* vitrine.forward0: 0 */
	enum appliance_protocol protocol;
	uint8_t address[4];             /* where the host listens, 127.0.0.1 unless the text says otherwise */
	uint16_t host_port, guest_port; /* not 0 */
};

struct appliance_serial {
	unsigned number; /* serial0: 0 = COM1 */
	char *backing;   /* what the text asked for ("file:/tmp/x", "pipe:..."): reported, never honoured unasked */
};

/* vitrine.property.KEY: the user's value for one of the properties of an OVF. */
struct appliance_setting {
	char *key, *value;
};

/* One line for the user: declared but not honoured, assumed, or chosen ("plays the first of 3 machines"). */
struct appliance_remark {
	unsigned line; /* in the text, 1-based; 0: none */
	char *subject; /* the key or element: "ethernet0.virtualDev" */
	char *text;    /* a sentence */
};

struct wrap;

struct appliance {
	char *name;     /* displayName */
	char *guest_os; /* VMware's guestOS identifier where one is known ("debian10-64"), else the text's words, or "" */
	char *annotation;
	char *uuid; /* uuid.bios as 32 lower-case hex digits, or "" */
	enum appliance_origin origin;
	enum appliance_firmware firmware;
	uint64_t memory;           /* bytes, multiple of 4 MiB */
	unsigned cpus;             /* 1 to APPLIANCE_MAX_CPUS */
	unsigned cores_per_socket; /* 1 to cpus */
	char *sound;               /* "" none, else "es1371", "hdaudio", "ac97", "sb16" */
	bool usb;                  /* any USB controller declared */
	bool vmport;               /* VMware's back door answers */
	bool host_loopback;        /* a wish: the machine may reach what listens on the host's 127.0.0.1 */
	bool write_in_place; /* a wish: its disks are to be changed themselves; only of a .vmx of the user's own */
	bool rtc_local_time; /* the RTC shows local time (Windows guests) instead of UTC */
	int64_t rtc_difference; /* seconds that it shows more than UTC, whatever rtc_local_time says; or APPLIANCE_NO_TIME */
	int64_t rtc_start;      /* UTC, since 1970, that it starts at instead of now; or APPLIANCE_NO_TIME */
	char *boot_order; /* bios.bootOrder: comma separated of "hdd", "cdrom", "floppy", "ethernet"; "" default */

	struct appliance_controller controllers[APPLIANCE_MAX_CONTROLLERS];
	struct appliance_drive drives[APPLIANCE_MAX_DRIVES];
	struct appliance_nic nics[APPLIANCE_MAX_NICS];
	struct appliance_serial serials[APPLIANCE_MAX_SERIALS];
	struct appliance_forward forwards[APPLIANCE_MAX_FORWARDS];
	struct appliance_setting *settings;
	struct appliance_remark *remarks;
	unsigned controller_count, drive_count, nic_count, serial_count, forward_count, setting_count, remark_count;

	struct deployment *deployment; /* what an OVF says beside the hardware (deployment.h); NULL: it is none */

	/* Private to vmformat: the container that names are resolved in. */
	const struct files *outer; /* borrowed: the caller's */
	struct files inner;        /* what drives' files are resolved with: members of an OVA first */
	void *container;           /* the tar's index and manifest, or NULL */
	void (*container_free)(void *);
	struct manifest *manifest; /* owned by the container; NULL: none came */
	struct file source;        /* the opened file itself, or what was packed in it */
	struct wrap *wrap;         /* owned; NULL: it was not packed */
	bool source_is_drive;      /* a bare disk or ISO: the source is what its drive names */
	bool has_text_digest;      /* appliance_hash_text() was called: an OVF */
	uint8_t text_digest[32];
	char fingerprint[33]; /* 32 lower-case hex digits: see appliance_fingerprint() */
};

/*
 * Opens what a user double-clicked: .vmx, .ovf, .ova, a disk image, any piece of a split disk, or an ISO, or one of these in a
 * .gz, .xz, .zip or .7z, told by content; source.name only breaks ties. A bare disk becomes a machine with that disk on IDE 0:0 and an empty CD on IDE 1:0; an ISO a
 * machine with that CD and a blank-less board. Takes over *source on success. files must outlive the appliance; what cannot be
 * played in place needs files->keep, and takes as long as unpacking does (-ECANCELED, -ENOSPC, -EBUSY).
 * Errors: -EINVAL not an appliance or damaged; -ENOTSUP understood but not played; -EFBIG a limit; those of file_read().
 */
int appliance_open(struct file *source, const struct files *files, struct appliance **ret_appliance, struct error *e);
void appliance_free(struct appliance *a); /* harmless on NULL */

/* Opens the image of a drive with backing IMAGE or BLANK. The disk must be closed before the appliance is freed.
 * -EINVAL: no image behind this drive. */
int appliance_open_disk(const struct appliance *a, const struct appliance_drive *drive, struct disk **ret_disk,
                        struct error *e);

/* Is it a .gz, .xz, .zip or .7z, by its first bytes? */
bool appliance_is_packed(const struct file *file);

/* The one disc (or disk) in a file, packed or not, for a drive whose medium is changed. Takes over *file on success; after a
 * failure it may be closed. The disk owns all that it needs; files need not outlive this call. Errors: those of
 * appliance_open() and disk_open(); -EINVAL: a machine is in it. */
int appliance_open_medium(struct file *file, const struct files *files, struct disk **ret_disk, struct error *e);

/*
 * The same, to be written in place; only of an appliance with that wish. Raw disks are told by their name then: see
 * disk_open_in_place(), whose errors these are.
 */
int appliance_open_disk_in_place(const struct appliance *a, const struct appliance_drive *drive, struct disk **ret_disk,
                                 struct error *e);

/* True when the user's own file is a .vmx: neither a package, nor an OVF's text, nor a bare disk, nor packed. */
bool appliance_is_own_vmx(const struct appliance *a);

/*
 * 32 hex digits that stay when the file is moved, renamed or its text edited, and change with a new version of the download:
 * SHA-256 (cut) over the OVF's bytes, the ISO's or disks' capacities, their first 64 KiB, and 64 KiB at 1 MiB, where
 * the first partition usually begins. For a .vmx: over its disks alone, or over its uuid and name if it has none. In
 * any order of the disks. Opens them the first time; -errno when that fails.
 */
int appliance_fingerprint(struct appliance *a, char ret_hex[33], struct error *e);

/* The same of a machine whose disks are written in place, so that their content says nothing: over its uuid and
 * name. */
void appliance_fingerprint_in_place(const struct appliance *a, char ret_hex[33]);

/*
 * Reads a user-edited text that appliance_to_vmx() made of this appliance: it replaces the machine (hardware, name, boot
 * order), while file names in it still resolve as the appliance's own do (members of an OVA, the opened disk). The
 * fingerprint is taken before, so that edits do not change it. Drives got before are gone. On failure the appliance is
 * as it was.
 * Errors: those of vmx_parse(), vmx_to_appliance() and appliance_fingerprint().
 */
int appliance_apply_vmx(struct appliance *a, const char *text, size_t length, const char *name, struct error *e);

/* The description as a commented .vmx (malloc'ed, for the caller to free): what --describe prints and what is written
 * beside an OVA's or a bare disk's state for the user to edit. Reading it again gives the same description. -EFBIG: it would
 * be larger than VMX_MAX_SIZE. */
int appliance_to_vmx(const struct appliance *a, char **ret_text, struct error *e);

/* The drive "scsi0:0", "ide1:0", "sata0:1", "nvme0:0", "floppy0"; NULL: none. And the reverse (at least 32 bytes). */
const struct appliance_drive *appliance_find_drive(const struct appliance *a, const char *name);
void appliance_drive_name(const struct appliance_drive *drive, char ret_name[32]);

/* ---- for the parsers (vmx.c, ovf.c, ova.c) ---- */

struct appliance *appliance_new(void); /* defaults: 1 CPU, 256 MiB, BIOS; NULL: no memory */

/* Replaces *field by a copy of text; -ENOMEM. */
int appliance_set_text(char **field, const char *text);

/* -ENOMEM; beyond APPLIANCE_MAX_SETTINGS a remark says so. */
int appliance_add_setting(struct appliance *a, const char *key, const char *value);

/* Adds and returns an element with defaults, or NULL when the limit is reached (a remark says so, once). */
struct appliance_controller *appliance_add_controller(struct appliance *a, enum appliance_bus bus, unsigned number,
                                                      const char *model);
struct appliance_drive *appliance_add_drive(struct appliance *a, enum appliance_drive_kind kind, enum appliance_bus bus,
                                            unsigned controller, unsigned unit);
struct appliance_nic *appliance_add_nic(struct appliance *a, unsigned number, const char *model);
struct appliance_serial *appliance_add_serial(struct appliance *a, unsigned number);
/* Takes the OVF's bytes into the fingerprint; for ovf_open(). */
void appliance_hash_text(struct appliance *a, const void *text, size_t length);
/* Control characters of both texts become '?'. Beyond APPLIANCE_MAX_REMARKS the last one says that there are more. */
void appliance_remark(struct appliance *a, unsigned line, const char *subject, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Digests of a manifest (.mf), checked while the machine runs; see manifest.h. */
struct manifest;
/* The manifest that came with the appliance, or NULL. Borrowed. */
struct manifest *appliance_manifest(const struct appliance *a);

#endif
