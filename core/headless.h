/* SPDX-License-Identifier: MIT */
/*
 * `vitrine-core --headless`: a small broker parent without a window. One thread, one poll loop: the core's socket,
 * signals, the terminal, and a tick while something is waited for. script.c drives it through the functions at the
 * end.
 */
#ifndef VITRINE_HEADLESS_H
#define VITRINE_HEADLESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/protocol.h"

/* The exit status; the man page vitrine-core(1) promises these numbers to scripts. */
enum headless_exit {
	EXIT_OFF = 0,
	EXIT_TROUBLE = 1,
	EXIT_USAGE = 2,
	EXIT_ELAPSED = 3,
	EXIT_UNSEEN = 4,
	EXIT_DIGEST = 5,
	EXIT_CHECKS = 6,  /* --selftest: some failed */
	EXIT_LICENSE = 7, /* nobody has accepted the appliance's licence agreement */
	EXIT_SIGNAL = 128
};

struct headless_options {
	const char *appliance;
	enum start_mode mode;
	uint32_t flags;          /* enum start_flags */
	const char *drive;       /* START_DUMP */
	const char *screenshot;  /* PNG at the end; or NULL */
	const char *screen_text; /* file or "-" at the end; or NULL */
	const char *serial;      /* file or "-" (default) */
	const char *debugcon;    /* file or "-"; NULL: dropped */
	bool until_screen;       /* end when the guest's screen is up */
	const char *until;       /* text to end with; or NULL */
	const char *cd;          /* put into the first drive; or NULL */
	const char *script;      /* file or "-"; or NULL */
	double seconds;          /* 0: without end */
	bool accept_license;     /* the caller has read it */
	bool quiet;              /* no remarks, only warnings and errors */
	const char *const *allowed;
};

int headless_run(const struct headless_options *options);

/* ---- for script.c ---- */

struct headless;

enum headless_text { TEXT_NOWHERE, TEXT_SERIAL, TEXT_DEBUG, TEXT_SCREEN };

double headless_now(const struct headless *h); /* seconds since the start */
void headless_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void headless_key(struct headless *h, unsigned code, bool down);
void headless_pointer(struct headless *h, int dx, int dy, unsigned buttons);
void headless_position(struct headless *h, unsigned x, unsigned y, unsigned buttons); /* to POINTER_RANGE */
void headless_command(struct headless *h, enum command command);
int headless_insert_cd(struct headless *h, const char *path, bool force); /* complains by itself */
void headless_cable(struct headless *h, unsigned nic, bool connected);    /* nic below NAT_MAX_NICS */
void headless_type_serial(struct headless *h, const char *text);
/* Where text is to be seen: on the screen now, or in what came since headless_forget(). */
enum headless_text headless_find(const struct headless *h, const char *text);
void headless_forget(struct headless *h); /* what the serial line and the debug console said so far */
int headless_screenshot(const struct headless *h, const char *path);
int headless_screen_text(const struct headless *h, const char *path);

#endif
