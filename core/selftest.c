/* SPDX-License-Identifier: MIT */
#include "core/selftest.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "core/broker_files.h"
#include "core/clock.h"
#include "core/cpu/kvm.h"
#include "core/headless.h"
#include "core/loop.h"
#include "core/machine.h"
#include "core/sandbox.h"
#include "core/selftest_report.h"
#include "core/storage/block.h"
#include "core/video/screen.h"
#include "vmformat/bytes.h"

#define CPUS 4u
#define MEMORY (64ull << 20)
#define DEBUG_CONSOLE 255u
#define SILENCE 60   /* seconds without a word: the machine stands still. A busy host in a nested machine is slow */
#define PAUSE_MS 300 /* of the one pause in the middle of the clocks' window */
#define DRIFT_LIMIT_MS 10

extern const uint8_t selftest_rom[], selftest_rom_end[];

struct selftest {
	struct clock *clock;
	struct loop *loop;
	struct loop_source watchdog;
	struct appliance *appliance;
	struct block_engine *engine;
	struct block *blocks[APPLIANCE_MAX_DRIVES];
	struct screen screen;
	struct machine *machine;
	struct selftest_report report;
	uint64_t last_word; /* host ns */
	/* the clocks' window */
	double seconds;
	struct drift drift[SELFTEST_CLOCKS];
	uint64_t arrival[2];   /* of what is being read: CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW */
	uint64_t first_sample; /* the guest's ACPI timer */
	uint64_t lost;         /* host ns that the guest stood still */
	bool sampled, paused;
	unsigned triple_faults; /* that were told */
};

static uint64_t host_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

/* ---- what this computer is ---- */

/* The value of "key : value" in /proc/cpuinfo's first processor, or the text of a small file. */
static void read_text(const char *path, const char *key, char *ret_text, size_t size)
{
	char buffer[4096];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(buffer, 1, sizeof(buffer) - 1, f) : 0;
	char *at = buffer;

	if (f)
		fclose(f);
	buffer[n] = 0;
	if (key)
		at = strstr(buffer, key);
	if (at && key)
		at = strchr(at, ':');
	snprintf(ret_text, size, "%.*s", at ? (int)strcspn(at + (key ? 2 : 0), "\n") : 1,
	         at ? at + (key ? 2 : 0) : "?");
}

static void print_backend(void)
{
	static const char *const parameters[][2] = { { "kvm_intel", "ept" },    { "kvm_intel", "unrestricted_guest" },
		                                     { "kvm_intel", "nested" }, { "kvm_amd", "npt" },
		                                     { "kvm_amd", "avic" },     { "kvm_amd", "nested" } };
	static const char *const modules[] = { "kvm_intel", "kvm_amd", "kvm_pvm" };
	char path[96], text[80];

	printf("backend:");
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		snprintf(path, sizeof(path), "/sys/module/%s", modules[i]);
		if (access(path, F_OK) == 0)
			printf(" %s", modules[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", parameters[i][0], parameters[i][1]);
		read_text(path, NULL, text, sizeof(text));
		if (access(path, R_OK) == 0)
			printf(", %s %s", parameters[i][1], text);
	}
	puts("");
}

static void print_capability(void *context, const char *name, int value)
{
	const char **separator = context;

	printf("%s%s %d", *separator, name, value);
	*separator = ", ";
}

static void print_host(int kvm_fd, const char *version)
{
	struct utsname u;
	char cpu[128], flags[4096], source[64];
	const char *separator = "KVM: ";

	uname(&u);
	read_text("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
	read_text("/proc/cpuinfo", "flags", flags, sizeof(flags));
	read_text("/sys/devices/system/clocksource/clocksource0/current_clocksource", NULL, source, sizeof(source));
	printf("vitrine-core %s --selftest\n", version);
	printf("CPU: %s, %ld online%s\n", cpu, sysconf(_SC_NPROCESSORS_ONLN),
	       strstr(flags, " hypervisor") ? ", itself in a virtual machine" : "");
	printf("kernel: %s %s, clock source %s\n", u.sysname, u.release, source);
	print_backend();
	kvm_report(kvm_fd, print_capability, &separator);
	puts("\n");
}

/* ---- verdicts ---- */

static void print_verdict(void *context, enum selftest_verdict v, const char *name, const char *detail)
{
	static const char *const words[] = {
		[SELFTEST_PASS] = "PASS", [SELFTEST_FAIL] = "FAIL", [SELFTEST_SKIP] = "SKIP"
	};

	(void)context;
	printf("%s  %s%s%s\n", words[v], name, *detail ? ": " : "", detail);
	fflush(stdout);
}

/* Guest time stands still in a pause: what the host's clock goes on by meanwhile is not the guest's. How long it stood, the machine's
 * clock says, which must be as long as nobody ran at least, and at most as long as all of it took; KVM's own clock must agree. */
static void pause_once(struct selftest *t)
{
	struct timespec nap = { 0, PAUSE_MS * 1000000 };
	uint64_t host = host_ns(CLOCK_MONOTONIC), guest = clock_now(t->clock), stood, took;
	struct error e = { 0 };
	char text[80];

	t->paused = true;
	machine_pause(t->machine);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	if (machine_run(t->machine, &e) < 0)
		selftest_tell(&t->report, SELFTEST_FAIL, "run after a pause", e.text);
	took = host_ns(CLOCK_MONOTONIC) - host;
	stood = took - (clock_now(t->clock) - guest);
	t->lost = stood;
	snprintf(text, sizeof(text), "it stood for %.2f ms of %.2f", (double)stood / NS_PER_MS,
	         (double)took / NS_PER_MS);
	if (stood < PAUSE_MS * NS_PER_MS || stood > took)
		selftest_tell(&t->report, SELFTEST_FAIL, "guest time in a pause", text);
}

/* kvmclock follows the host's raw clock, which NTP does not bend; our own clocks follow the one that it does. */
static void take_clocks(void *context, const uint64_t ns[SELFTEST_CLOCKS])
{
	struct selftest *t = context;

	if (!t->sampled)
		t->first_sample = ns[CLOCK_ACPI];
	t->sampled = true;
	for (unsigned i = 0; i < SELFTEST_CLOCKS; i++)
		if (ns[i] || i != CLOCK_KVM)
			drift_add(&t->drift[i], t->arrival[i == CLOCK_KVM] - t->lost, ns[i]);
	if (!t->paused && (double)(ns[CLOCK_ACPI] - t->first_sample) > t->seconds / 2 * NS_PER_SECOND)
		pause_once(t);
}

static void judge_clocks(struct selftest *t)
{
	static const struct {
		const char *name;
		double tick_ms; /* its steps */
	} clocks[SELFTEST_CLOCKS] = { [CLOCK_ACPI] = { "ACPI timer against this computer's clock, through a pause", 0 },
		                      [CLOCK_KVM] = { "kvmclock against this computer's clock, through a pause", 0 },
		                      [CLOCK_PIT] = { "PIT's ticks against this computer's clock", 50 },
		                      [CLOCK_RTC_TICKS] = { "RTC's ticks against this computer's clock", 125 } };

	for (unsigned i = 0; i < SELFTEST_CLOCKS; i++) {
		double limit = DRIFT_LIMIT_MS + clocks[i].tick_ms, ms;
		char text[120];
		int64_t ns;

		if (!drift_result(&t->drift[i], &ns)) {
			snprintf(text, sizeof(text), "the guest told it %u times only", t->drift[i].count);
			selftest_tell(&t->report, SELFTEST_SKIP, clocks[i].name, text);
			continue;
		}
		ms = (double)ns / NS_PER_MS;
		snprintf(text, sizeof(text), "%.2f ms lost in %g s (at most %.2f)", ms, t->seconds, limit);
		selftest_tell(&t->report, ms > limit || ms < -limit ? SELFTEST_FAIL : SELFTEST_PASS, clocks[i].name,
		              text);
	}
}

/* ---- the machine's events ---- */

static void serial_output(void *context, unsigned port, const uint8_t *data, size_t count)
{
	struct selftest *t = context;

	if (port != DEBUG_CONSOLE)
		return;
	t->arrival[0] = host_ns(CLOCK_MONOTONIC);
	t->arrival[1] = host_ns(CLOCK_MONOTONIC_RAW);
	t->last_word = t->arrival[0];
	selftest_take(&t->report, data, count);
}

static void serial_ready(void *context, unsigned port)
{
	(void)context, (void)port;
}

static void pointer_mode(void *context, bool absolute)
{
	(void)context, (void)absolute;
}

static void triple_fault(void *context)
{
	struct selftest *t = context;

	t->triple_faults++;
}

/* The last check switches the machine off: that it is off is its verdict. */
static void stopped(void *context, enum machine_stop why, const struct error *e)
{
	struct selftest *t = context;
	bool was_last = t->report.under_way && t->report.under_way == t->report.planned;

	if (why == MACHINE_STOP_ERROR)
		selftest_end_under_way(&t->report, SELFTEST_FAIL, e->text);
	else
		selftest_end_under_way(&t->report, was_last ? SELFTEST_PASS : SELFTEST_FAIL,
		                       was_last ? "" : "the machine went off");
	loop_quit(t->loop);
}

static void watch(void *context, uint32_t events)
{
	struct selftest *t = context;
	uint64_t count;

	(void)events;
	if (read(t->watchdog.fd, &count, sizeof(count)) < 0 ||
	    host_ns(CLOCK_MONOTONIC) - t->last_word < SILENCE * NS_PER_SECOND)
		return;
	machine_pause(t->machine);
	if (t->report.under_way)
		selftest_end_under_way(&t->report, SELFTEST_FAIL, "the machine stands still");
	else
		selftest_tell(&t->report, SELFTEST_FAIL, "the machine", "it does not say a word");
	loop_quit(t->loop);
}

/* ---- beginning and end ---- */

static void narrow_worker(void *context)
{
	(void)context;
	if (sandbox_enter_role(SANDBOX_WORKER) < 0)
		abort();
}

/* Two empty CD drives answer on the two IDE interrupts, COM2 on the third line; a network card has a PCI pin that can be raised. */
static int describe_machine(struct selftest *t)
{
	struct appliance *a = t->appliance = appliance_new();

	if (!a)
		return -ENOMEM;
	a->cpus = CPUS;
	a->cores_per_socket = 2;
	a->memory = MEMORY;
	for (unsigned channel = 0; channel < 2; channel++) {
		t->blocks[channel] = block_new(t->engine, channel ? "ide1:0" : "ide0:0");
		if (!t->blocks[channel] || !appliance_add_controller(a, APPLIANCE_IDE, channel, "piix4") ||
		    !appliance_add_drive(a, DRIVE_CDROM, APPLIANCE_IDE, channel, 0))
			return -ENOMEM;
	}
	return appliance_set_text(&a->name, "selftest") < 0 || !appliance_add_serial(a, 1) ||
	                       !appliance_add_nic(a, 0, "e1000")
	               ? -ENOMEM
	               : 0;
}

static int build(struct selftest *t, int kvm_fd, struct error *e)
{
	struct itimerspec often = { { 1, 0 }, { 1, 0 } };
	struct machine_options options = { .blocks = t->blocks,
		                           .kvm_fd = kvm_fd,
		                           .bios = selftest_rom,
		                           .bios_size = (size_t)(selftest_rom_end - selftest_rom),
		                           .screen = &t->screen,
		                           .events = { serial_output, serial_ready, stopped, pointer_mode, triple_fault,
		                                       t } };
	uint8_t tens = (uint8_t)(t->seconds / 10);

	options.clock = t->clock = clock_new(false);
	options.loop = t->loop = t->clock ? loop_new(t->clock) : NULL;
	t->engine = t->loop ? block_engine_new_with_setup(t->loop, 1, narrow_worker, NULL) : NULL;
	t->screen.pixels = calloc(1, SCREEN_BYTES);
	if (!t->engine || !t->screen.pixels || describe_machine(t) < 0)
		return error_set(e, -ENOMEM, "not enough memory; close other programs and try again");
	t->watchdog =
		(struct loop_source){ timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), EPOLLIN, watch, t };
	timerfd_settime(t->watchdog.fd, 0, &often, NULL);
	if (loop_add(t->loop, &t->watchdog) < 0)
		return error_set(e, -ENOMEM, "not enough descriptors; close other programs and try again");
	options.appliance = t->appliance;
	if (machine_create(&options, &t->machine, e) < 0)
		return e->code;
	if (tens) /* the guest looks there before it begins */
		machine_serial_input(t->machine, 0, &tens, 1);
	t->last_word = host_ns(CLOCK_MONOTONIC);
	return machine_run(t->machine, e);
}

static void tear_down(struct selftest *t)
{
	machine_destroy(t->machine);
	for (size_t i = 0; i < ARRAY_SIZE(t->blocks); i++)
		block_free(t->blocks[i]);
	block_engine_free(t->engine);
	appliance_free(t->appliance);
	if (t->loop) {
		loop_remove(t->loop, &t->watchdog);
		close(t->watchdog.fd);
	}
	loop_free(t->loop);
	clock_free(t->clock);
	free(t->screen.pixels);
}

static int conclude(struct selftest *t)
{
	const struct selftest_report *r = &t->report;
	unsigned missing = selftest_missing(r);
	char text[16];

	judge_clocks(t);
	/* The other resets are not taken for one, and who plays a machine hears of it. */
	snprintf(text, sizeof(text), "%u", t->triple_faults);
	selftest_tell(&t->report, t->triple_faults == 1 ? SELFTEST_PASS : SELFTEST_FAIL, "triple faults told of one",
	              text);
	printf("\n%u passed, %u failed, %u skipped", r->counts[SELFTEST_PASS], r->counts[SELFTEST_FAIL],
	       r->counts[SELFTEST_SKIP]);
	if (missing || !r->planned)
		printf(", %u were not reached", missing);
	puts("");
	return r->counts[SELFTEST_FAIL] || missing || !r->planned ? EXIT_CHECKS : EXIT_OFF;
}

int selftest_run(double seconds, const char *version)
{
	/* The guest takes tens of seconds, in a byte. */
	struct selftest t = { .seconds = seconds >= 10 ? MIN(255, (unsigned)(seconds / 10)) * 10 : 2 };
	char text[MESSAGE_TEXT];
	struct error e = { 0 };
	int kvm_fd, status = EXIT_TROUBLE;
	unsigned abi;

	t.report = (struct selftest_report){ .tell = print_verdict, .clocks = take_clocks, .context = &t };
	if (broker_open_kvm(&kvm_fd, text) < 0) {
		fprintf(stderr, "vitrine-core: %s\n", text);
		return EXIT_TROUBLE;
	}
	print_host(kvm_fd, version);
	fflush(stdout);
	if (sandbox_shut(&abi) < 0 || sandbox_enter_role(SANDBOX_IO) < 0) {
		fputs("vitrine-core: the sandbox cannot be shut\n", stderr);
		return EXIT_TROUBLE;
	}
	if (build(&t, kvm_fd, &e) < 0) {
		fprintf(stderr, "vitrine-core: %s\n", e.text);
	} else {
		loop_run(t.loop);
		status = conclude(&t);
	}
	tear_down(&t);
	fflush(stdout);
	_exit(status); /* as core_process() does: what libraries do at exit is not in the sandbox's tables */
}
