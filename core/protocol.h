/* SPDX-License-Identifier: MIT */
/*
 * What broker (the player, or vitrine-core --headless) and core say to each other on a SOCK_SEQPACKET socket.
 *
 * Every message is a struct below: fixed size, native byte order (both run on one machine), message_header first. Descriptors
 * travel with SCM_RIGHTS; nfds says how many. Each side validates all that it receives with message_check(): unknown type,
 * wrong length, wrong number of descriptors, a text without its end: the peer is broken and the connection is closed.
 * Texts are UTF-8 without control characters (but tab and newline), ended by 0. The core trusts nobody's numbers and the broker trusts the core least of all.
 */
#ifndef VITRINE_PROTOCOL_H
#define VITRINE_PROTOCOL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/net/nat/config.h"

#define PROTOCOL_VERSION 1u
#define MESSAGE_MAX_FDS 8
#define MESSAGE_TEXT 1024  /* bytes of a sentence */
#define MESSAGE_NAME 512   /* bytes of a file name as an appliance writes it */
#define MESSAGE_CHUNK 2048 /* bytes of a serial line at once */
#define MESSAGE_MAX_CDS 4
#define LICENSE_MAX (128u << 10) /* bytes of a licence agreement, in all of its messages */

enum message_type {
	/* broker -> core */
	MESSAGE_START = 1, /* first of all */
	MESSAGE_OPENED,    /* answers MESSAGE_OPEN, same serial */
	MESSAGE_COMMAND,
	MESSAGE_KEY,
	MESSAGE_POINTER,
	MESSAGE_CD_INSERT,
	MESSAGE_SERIAL_INPUT,
	MESSAGE_ANSWER, /* answers MESSAGE_QUESTION, same serial */
	MESSAGE_POINTER_ABSOLUTE,
	MESSAGE_NETWORK, /* a cable for a card, at first and after the old one's end */
	MESSAGE_CABLE,   /* pull or plug it */
	/* core -> broker */
	MESSAGE_HELLO = 64, /* the sandbox is shut; the appliance has not been read yet */
	MESSAGE_OPEN,
	MESSAGE_MACHINE, /* what is being played */
	MESSAGE_STATE,
	MESSAGE_SCREEN, /* new size or damage */
	MESSAGE_CD,
	MESSAGE_SERIAL_OUTPUT,
	MESSAGE_NOTICE,
	MESSAGE_QUESTION,
	MESSAGE_TEXT_SCREEN, /* answers COMMAND_TEXT_SCREEN */
	MESSAGE_OUTPUT,      /* --describe: text for stdout, in order */
	MESSAGE_POINTER_MODE,
	MESSAGE_NETWORK_WANTED, /* at most one: the machine has cards */
	MESSAGE_LICENSE,        /* before QUESTION_LICENSE: the text, in order */
	MESSAGE_PROGRESS,       /* before MESSAGE_MACHINE: what was downloaded is being unpacked or looked through */
	/* the broker's own, handed to its caller and never on a socket */
	MESSAGE_LISTENING, /* the ports of this computer that lead into the machine have changed */
	MESSAGE_TYPES,     /* one more than the last */
};

struct message_header {
	uint16_t type;
	uint16_t nfds;
	uint32_t length;   /* of the whole message, with this header */
	uint32_t serial;   /* the sender's count; answers repeat it */
	uint32_t reserved; /* 0 */
};
static_assert(sizeof(struct message_header) == 16, "wire");

/* ---- broker -> core ---- */

enum start_mode { START_PLAY, START_DESCRIBE, START_DUMP };
enum start_flags {
	START_AS_DOWNLOADED = 1, /* overlays that are gone at power-off */
	START_VERIFY = 2,        /* a wrong digest is an error, and the machine waits for the check */
	START_PAUSED = 4,        /* created, not run */
	START_TEXT_SCREEN = 8,
	START_HOST_LOOPBACK = 16,  /* vitrine.hostLoopback is granted to who asks; the broker's affair */
	START_WRITE_IN_PLACE = 64, /* vitrine.writeInPlace is granted to who asks; the broker's affair */
	START_LISTEN_OUTSIDE = 32, /* forwards may listen for other computers; the broker's affair */
};
/* The descriptors of START, in this order. DESCRIBE and DUMP bring no KVM, firmware, screen and sound: START_FDS_TOOL of them. */
enum start_fd {
	START_FD_APPLIANCE,
	START_FD_OUTPUT /* DUMP: stdout or a file; else /dev/null */,
	START_FD_LOG /* stderr */,
	START_FD_KVM,
	START_FD_BIOS,
	START_FD_VGABIOS,
	START_FD_SCREEN,
	START_FD_SOUND,
	START_FDS
};
#define START_FDS_TOOL 3

struct message_start {
	struct message_header header;
	uint32_t version; /* PROTOCOL_VERSION */
	uint32_t mode;
	uint32_t flags;
	uint32_t reserved;
	int64_t local_time_offset; /* seconds east of UTC, for RTCs in local time: the core cannot read /etc/localtime */
	char name[MESSAGE_NAME];   /* the appliance's file name, without folder */
	char drive[32];            /* DUMP: "scsi0:0" */
};

struct message_opened { /* 1 descriptor when status is 0, else none */
	struct message_header header;
	int32_t status; /* 0 or negative errno */
	uint32_t reserved;
	char text[MESSAGE_TEXT]; /* why not, for the user */
};

enum command {
	COMMAND_RUN,
	COMMAND_PAUSE,
	COMMAND_RESET,
	COMMAND_POWER_OFF,
	COMMAND_POWER_BUTTON,
	COMMAND_RELEASE_KEYS,
	COMMAND_SCREEN_READY /* the last MESSAGE_SCREEN was drawn: send the next */,
	COMMAND_TEXT_SCREEN,
	COMMAND_RETRY,
	COMMAND_COUNT
};
struct message_command {
	struct message_header header;
	uint32_t command;
	uint32_t reserved;
};

struct message_key {
	struct message_header header;
	uint16_t code; /* Linux evdev key code (linux/input-event-codes.h): a position, not a symbol */
	uint16_t down; /* 0 or 1; repeats are the guest keyboard's own */
	uint32_t reserved;
};

struct message_pointer { /* relative motion */
	struct message_header header;
	int32_t dx, dy, dz; /* counts; dz: wheel clicks, positive is towards the user */
	uint32_t buttons;   /* bit 0 left, 1 right, 2 middle, 3 side, 4 extra */
};

/* Where the pointer is on the guest's screen: what MESSAGE_POINTER_MODE asked for. Lost if the guest has changed its mind. */
struct message_pointer_absolute {
	struct message_header header;
	uint32_t x, y; /* 0 to POINTER_RANGE: left to right, top to bottom */
	int32_t dz;    /* these as in struct message_pointer */
	uint32_t buttons;
};
#define POINTER_RANGE 0xffff

struct message_cd_insert { /* 1 descriptor: insert; none: eject */
	struct message_header header;
	uint32_t drive; /* which CD drive, 0 to MESSAGE_MACHINE's cd_count - 1 */
	uint32_t force; /* 1: even if the guest locked the tray */
	char name[MESSAGE_NAME];
};

struct message_serial { /* both directions */
	struct message_header header;
	uint32_t port;  /* 0 = COM1; 255 = debug console (output only) */
	uint32_t count; /* bytes used of data */
	uint8_t data[MESSAGE_CHUNK];
};

struct message_answer {
	struct message_header header;
	uint32_t accept; /* 1: the first label, 0: the second */
	uint32_t reserved;
};

struct message_network { /* 1 descriptor: the card's frame socket (net/net.h) */
	struct message_header header;
	uint32_t nic; /* which of NETWORK_WANTED's cards */
	uint32_t reserved;
};

struct message_cable {
	struct message_header header;
	uint32_t nic;
	uint32_t connected; /* 0: pulled */
};

/* ---- core -> broker ---- */

struct message_hello {
	struct message_header header;
	uint32_t version;
	uint32_t landlock_abi; /* 0: this kernel has none, seccomp alone holds */
};

enum open_role {
	OPEN_NAMED, /* `name` beneath the appliance's folder, read only */
	OPEN_OVERLAY, /* the qcow2 overlay of drive `name` in the state folder: created empty if missing, read and write, locked */
	OPEN_OVERLAY_TEMPORARY, /* an unnamed file in the state folder (O_TMPFILE): gone when closed */
	OPEN_CONFIGURATION,     /* `<name>.vmx` of the state folder: created empty if missing */
	OPEN_LICENSE,           /* the file `license` of the state folder: created empty if missing, read and write */
	OPEN_OVERLAY_READ,      /* the overlay of drive `name` if there is one, read only (DUMP); else -ENOENT */
	OPEN_KEPT, /* "kept" or "unpacked-N" (vmformat/keep.h): created empty if missing; read only while another has it */
	/* Locks the disk `name`, which drive `drive` writes in place, as VMware does; a person may be asked. -EPERM: not
	 * allowed, -EBUSY: locked by others, -EEXIST: there is an overlay. The descriptor is the lock's. */
	OPEN_IN_PLACE_LOCK,
	OPEN_IN_PLACE, /* `name` beneath the folder of a .vmx, read and write, locked: a file of such a disk */
	OPEN_ROLES
};
struct message_open {
	struct message_header header;
	uint32_t role;
	uint32_t reserved;
	char fingerprint[40]; /* 32 hex digits; "" for OPEN_NAMED */
	char machine[128];    /* displayName, for the state folder's name; "" for OPEN_NAMED */
	char name[MESSAGE_NAME];
	char drive[32]; /* OPEN_IN_PLACE_LOCK; else "" */
	/* OPEN_IN_PLACE_LOCK: the fingerprint by content, which names the state if nothing is written in place; else "" */
	char content[40];
};

struct message_machine {
	struct message_header header;
	uint32_t cd_count; /* 0 to MESSAGE_MAX_CDS */
	uint32_t cpus;
	uint64_t memory; /* bytes */
	char fingerprint[40];
	char name[256];
	char guest_os[64];
};

enum machine_state { STATE_STARTING, STATE_RUNNING, STATE_PAUSED, STATE_OFF, STATE_FAILED, STATE_COUNT };
enum off_reason { OFF_NONE, OFF_GUEST /* it powered itself off */, OFF_USER, OFF_ERROR };
struct message_state {
	struct message_header header;
	uint32_t state;
	uint32_t reason;
	char text[MESSAGE_TEXT]; /* PAUSED by trouble, FAILED: the sentence for the user; else "" */
};

struct message_screen {
	struct message_header header;
	uint32_t width, height; /* pixels in the shared screen, rows `width` pixels apart */
	uint32_t x, y, dx, dy;  /* damaged rectangle within */
};

struct message_cd {
	struct message_header header;
	uint32_t drive;
	uint32_t present; /* 1: a medium is in */
	uint32_t locked;  /* 1: the guest holds the tray */
	uint32_t reserved;
	char name[MESSAGE_NAME]; /* the image's file name */
};

enum notice_level { NOTICE_INFO, NOTICE_WARNING, NOTICE_LEVELS };
struct message_notice {
	struct message_header header;
	uint32_t level;
	uint32_t reserved;
	char text[MESSAGE_TEXT];
};

enum question_kind {
	QUESTION_DIGEST,  /* the machine is paused; yes: go on */
	QUESTION_LICENSE, /* after MESSAGE_LICENSE: the machine has not run yet; yes: run */
	QUESTION_KINDS,
	QUESTION_NETWORK = QUESTION_KINDS, /* the broker's own: may the machine have what its text asks for? */
	QUESTION_IN_PLACE, /* the broker's own, before MESSAGE_MACHINE: may its disks be changed themselves? */
	QUESTION_ALL_KINDS
};
struct message_question {
	struct message_header header;
	uint32_t kind;
	uint32_t reserved;
	char text[MESSAGE_TEXT];
	char accept[64], reject[64]; /* labels of the two buttons */
};

struct message_text_screen {
	struct message_header header;
	uint32_t columns, rows;  /* 0: the card is in a graphics mode */
	uint8_t cells[132 * 60]; /* code page 437, row after row */
};

struct message_output {
	struct message_header header;
	uint32_t count;
	uint32_t last; /* 1: no more follows */
	char data[MESSAGE_CHUNK];
};

/* Relative until the first of these comes. */
struct message_pointer_mode {
	struct message_header header;
	uint32_t absolute; /* 1: the guest has a tablet and listens to it; 0: a mouse */
	uint32_t reserved;
};

struct message_network_wanted {
	struct message_header header;
	uint32_t nic_count; /* 1 to NAT_MAX_NICS */
	uint32_t flags;     /* enum nat_flags */
	uint32_t forward_count;
	uint32_t reserved;
	struct nat_forward forwards[NAT_MAX_FORWARDS]; /* wishes: the broker judges them */
};

struct message_license {
	struct message_header header;
	uint32_t last; /* 1: no more follows, but the question */
	uint32_t reserved;
	char text[MESSAGE_CHUNK];
};

/* COMMAND_POWER_OFF cancels. */
struct message_progress {
	struct message_header header;
	uint64_t done, total; /* bytes of the download, done <= total */
	char what[256];       /* its file name */
};

/* ---- the broker's own ---- */

struct message_listening {
	struct message_header header;
	uint32_t count;
	uint32_t reserved;
	struct nat_forward ports[NAT_MAX_FORWARDS];
};

union message {
	struct message_header header;
	struct message_start start;
	struct message_opened opened;
	struct message_command command;
	struct message_key key;
	struct message_pointer pointer;
	struct message_pointer_absolute pointer_absolute;
	struct message_cd_insert cd_insert;
	struct message_serial serial;
	struct message_answer answer;
	struct message_hello hello;
	struct message_open open;
	struct message_machine machine;
	struct message_state state;
	struct message_screen screen;
	struct message_cd cd;
	struct message_notice notice;
	struct message_question question;
	struct message_text_screen text_screen;
	struct message_output output;
	struct message_pointer_mode pointer_mode;
	struct message_network network;
	struct message_cable cable;
	struct message_network_wanted network_wanted;
	struct message_license license;
	struct message_progress progress;
	struct message_listening listening;
};

enum message_side { FROM_BROKER, FROM_CORE };

/* All that can be checked without knowing the conversation: type allowed from that side, exact length, descriptor count,
 * ended texts, valid UTF-8, enumerations and counts in range. */
bool message_check(const union message *m, size_t length, unsigned nfds, enum message_side from);

/* Copies text into a message's field so that message_check() accepts it: cut at a character, what may not be in it becomes '?'. */
void message_copy_text(char *to, size_t size, const char *text);

/* Sends one message: fills type, length, nfds and serial (its own count unless answering). fds are duplicated by the kernel,
 * the caller keeps his. -EPIPE: the peer has gone. Blocks while the socket is full. Any thread, one at a time. */
int message_send(int socket, union message *m, enum message_type type, uint32_t serial, const int *fds, unsigned nfds);

/* Receives and checks one message. Received descriptors (close-on-exec) are the caller's. 0; -EAGAIN (non-blocking or timeout);
 * -EPIPE the peer has gone; -EPROTO the peer is broken (descriptors were closed). */
int message_receive(int socket, union message *m, enum message_side from, int ret_fds[MESSAGE_MAX_FDS],
                    unsigned *ret_nfds);

#endif
