/* SPDX-License-Identifier: MIT */
/* vitrine-core: the core of the player, and a player without a window. See vitrine-core(1). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/core_process.h"
#include "core/headless.h"
#include "core/selftest.h"

#ifndef VITRINE_VERSION
#define VITRINE_VERSION "0.1"
#endif
#define MAX_ALLOWED 256 /* --allow: one for each drive of the largest machine */

enum option_code {
	OPTION_HEADLESS = 256,
	OPTION_DESCRIBE,
	OPTION_DUMP,
	OPTION_CORE_FD,
	OPTION_SCREENSHOT,
	OPTION_SCREEN_TEXT,
	OPTION_SECONDS,
	OPTION_UNTIL,
	OPTION_UNTIL_SCREEN,
	OPTION_SERIAL,
	OPTION_DEBUGCON,
	OPTION_AS_DOWNLOADED,
	OPTION_VERIFY,
	OPTION_CD,
	OPTION_ALLOW,
	OPTION_SCRIPT,
	OPTION_HOST_LOOPBACK,
	OPTION_LISTEN_OUTSIDE,
	OPTION_WRITE_IN_PLACE,
	OPTION_ACCEPT_EULA,
	OPTION_QUIET,
	OPTION_SELFTEST,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{ "headless", no_argument, NULL, OPTION_HEADLESS },
	{ "describe", no_argument, NULL, OPTION_DESCRIBE },
	{ "dump", required_argument, NULL, OPTION_DUMP },
	{ "core-fd", required_argument, NULL, OPTION_CORE_FD },
	{ "screenshot", required_argument, NULL, OPTION_SCREENSHOT },
	{ "screen-text", required_argument, NULL, OPTION_SCREEN_TEXT },
	{ "seconds", required_argument, NULL, OPTION_SECONDS },
	{ "until", required_argument, NULL, OPTION_UNTIL },
	{ "until-screen", no_argument, NULL, OPTION_UNTIL_SCREEN },
	{ "serial", required_argument, NULL, OPTION_SERIAL },
	{ "debugcon", required_argument, NULL, OPTION_DEBUGCON },
	{ "as-downloaded", no_argument, NULL, OPTION_AS_DOWNLOADED },
	{ "verify", no_argument, NULL, OPTION_VERIFY },
	{ "cd", required_argument, NULL, OPTION_CD },
	{ "allow", required_argument, NULL, OPTION_ALLOW },
	{ "script", required_argument, NULL, OPTION_SCRIPT },
	{ "selftest", no_argument, NULL, OPTION_SELFTEST },
	{ "host-loopback", no_argument, NULL, OPTION_HOST_LOOPBACK },
	{ "listen-outside", no_argument, NULL, OPTION_LISTEN_OUTSIDE },
	{ "write-in-place", no_argument, NULL, OPTION_WRITE_IN_PLACE },
	{ "accept-eula", no_argument, NULL, OPTION_ACCEPT_EULA },
	{ "quiet", no_argument, NULL, OPTION_QUIET },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ 0 },
};

static const char help[] =
	"Usage: vitrine-core --headless [OPTION]... FILE\n"
	"       vitrine-core --describe FILE\n"
	"       vitrine-core --dump DRIVE FILE > disk.raw\n"
	"       vitrine-core --selftest [--seconds N]\n"
	"Plays an appliance (.ova, .ovf, .vmx, a disk image, .iso) without a window, prints what it is as a .vmx,\n"
	"or writes the content of one of its drives (scsi0:0, ide1:0, ...) to standard output.\n"
	"--selftest checks what this computer's KVM and our board do right, for a bug report; N: how long clocks\n"
	"are compared.\n"
	"\n"
	"      --seconds N         end after N seconds\n"
	"      --until TEXT        end when TEXT is seen on the serial line, the debug console or the screen\n"
	"      --until-screen      end when the guest's screen is up: a picture, or text that stands still\n"
	"      --script FILE       do what FILE says, line by line (\"-\": standard input)\n"
	"      --screenshot PNG    keep a picture of the screen at the end\n"
	"      --screen-text FILE  keep the screen's text cells at the end (\"-\": standard output)\n"
	"      --serial FILE       what the first serial port says (default \"-\": standard output)\n"
	"      --debugcon FILE     what the firmware's debug console says\n"
	"      --cd FILE           put this image into the first CD drive\n"
	"      --as-downloaded     start from the download; changes are gone at the end\n"
	"      --verify            check all digests first; a wrong one is an error\n"
	"      --allow FILE        let the appliance open FILE, named as it does, outside its folder (repeatable)\n"
	"      --host-loopback     grant vitrine.hostLoopback: the machine reaches this computer's own services\n"
	"      --listen-outside    grant vitrine.forwardN an address that other computers reach\n"
	"      --write-in-place    grant vitrine.writeInPlace: the disks beside a .vmx are changed themselves\n"
	"      --accept-eula       accept the appliance's licence agreement; needed once\n"
	"      --quiet             no remarks, only warnings and errors\n"
	"      --help, --version   this text; the version\n"
	"\n"
	"Exit status: 0 the machine went off, or what was waited for was seen; 1 error; 2 wrong usage;\n"
	"3 --seconds are over; 4 what was waited for was not seen; 5 wrong digest (--verify); 6 a check failed\n"
	"(--selftest); 7 the licence agreement was not accepted; 128+N signal N.\n"
	"Example: vitrine-core --headless --until 'login:' --seconds 120 --screenshot screen.png debian.ova\n";

struct command_line {
	struct headless_options options;
	const char *allowed[MAX_ALLOWED + 1];
	unsigned allowed_count;
	unsigned modes; /* how many of --headless, --describe, --dump were given */
	const char *core_fd;
	bool selftest;
};

static int usage(const char *problem, const char *what)
{
	fprintf(stderr, "vitrine-core: %s%s%s\nTry 'vitrine-core --help'.\n", problem, what ? ": " : "",
	        what ? what : "");
	return EXIT_USAGE;
}

static int take_seconds(struct headless_options *o, const char *text)
{
	char *end;

	o->seconds = strtod(text, &end);
	if (end == text || *end || !(o->seconds > 0 && o->seconds < 1e9))
		return usage("--seconds takes a number above 0", text);
	return 0;
}

static void take_mode(struct command_line *l, enum start_mode mode)
{
	l->options.mode = mode;
	l->modes++;
}

/* 0, or the exit status after a complaint. */
static int take_option(struct command_line *l, int option, const char *argument)
{
	struct headless_options *o = &l->options;

	switch (option) {
	case OPTION_HEADLESS:
		take_mode(l, START_PLAY);
		return 0;
	case OPTION_DESCRIBE:
		take_mode(l, START_DESCRIBE);
		return 0;
	case OPTION_DUMP:
		take_mode(l, START_DUMP);
		o->drive = argument;
		return 0;
	case OPTION_SELFTEST:
		l->selftest = true;
		l->modes++;
		return 0;
	case OPTION_CORE_FD:
		l->core_fd = argument;
		return 0;
	case OPTION_SCREENSHOT:
		o->screenshot = argument;
		return 0;
	case OPTION_SCREEN_TEXT:
		o->screen_text = argument;
		return 0;
	case OPTION_SECONDS:
		return take_seconds(o, argument);
	case OPTION_UNTIL:
		o->until = argument;
		return *argument ? 0 : usage("--until takes a text", NULL);
	case OPTION_UNTIL_SCREEN:
		o->until_screen = true;
		return 0;
	case OPTION_SERIAL:
		o->serial = argument;
		return 0;
	case OPTION_DEBUGCON:
		o->debugcon = argument;
		return 0;
	case OPTION_AS_DOWNLOADED:
		o->flags |= START_AS_DOWNLOADED;
		return 0;
	case OPTION_VERIFY:
		o->flags |= START_VERIFY;
		return 0;
	case OPTION_CD:
		o->cd = argument;
		return 0;
	case OPTION_ALLOW:
		if (l->allowed_count == MAX_ALLOWED)
			return usage("too many --allow", NULL);
		l->allowed[l->allowed_count++] = argument;
		return 0;
	case OPTION_SCRIPT:
		o->script = argument;
		return 0;
	case OPTION_HOST_LOOPBACK:
		o->flags |= START_HOST_LOOPBACK;
		return 0;
	case OPTION_LISTEN_OUTSIDE:
		o->flags |= START_LISTEN_OUTSIDE;
		return 0;
	case OPTION_WRITE_IN_PLACE:
		o->flags |= START_WRITE_IN_PLACE;
		return 0;
	case OPTION_ACCEPT_EULA:
		o->accept_license = true;
		return 0;
	case OPTION_QUIET:
		o->quiet = true;
		return 0;
	default: /* getopt_long has complained */
		fputs("Try 'vitrine-core --help'.\n", stderr);
		return EXIT_USAGE;
	}
}

static int run_core(const char *number)
{
	char *end;
	long fd = strtol(number, &end, 10);

	if (end == number || *end || fd < 3 || fd > 1023)
		return usage("--core-fd is for the player's use", number);
	return core_process((int)fd);
}

static int check(struct command_line *l, int argc, char **argv)
{
	if (l->modes != 1)
		return usage("give one of --headless, --describe, --dump and --selftest", NULL);
	if (l->selftest)
		return optind < argc ? usage("--selftest takes no appliance", argv[optind]) : 0;
	if (optind >= argc)
		return usage("which appliance?", NULL);
	if (optind + 1 < argc)
		return usage("one appliance at a time", argv[optind + 1]);
	if (l->options.mode == START_DUMP && isatty(STDOUT_FILENO))
		return usage("a disk's content is nothing for a terminal; add > disk.raw", NULL);
	l->options.appliance = argv[optind];
	l->options.allowed = l->allowed;
	return 0;
}

int main(int argc, char **argv)
{
	struct command_line line = { .options = { .mode = START_PLAY } };
	int option, status;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == OPTION_HELP)
			return fputs(help, stdout) < 0 || fflush(stdout) ? EXIT_TROUBLE : 0;
		if (option == OPTION_VERSION)
			return printf("vitrine-core %s\n", VITRINE_VERSION) < 0 || fflush(stdout) ? EXIT_TROUBLE : 0;
		status = take_option(&line, option, optarg);
		if (status)
			return status;
	}
	if (line.core_fd)
		return run_core(line.core_fd);
	status = check(&line, argc, argv);
	if (status)
		return status;
	return line.selftest ? selftest_run(line.options.seconds, VITRINE_VERSION) : headless_run(&line.options);
}
