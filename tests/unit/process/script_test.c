/* SPDX-License-Identifier: MIT */
/* The script language of vitrine-core --script, on a machine that only writes down what is done to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* script.c belongs to the program, not to a library that a unit test is linked with */
#include "core/script.c"

struct headless {
	double now;
	const char *shown; /* what is to be seen */
	char log[4096];
	char complaint[512];
};

static struct headless h;

static void note(const char *format, ...)
{
	size_t used = strlen(h.log);
	va_list args;

	va_start(args, format);
	vsnprintf(h.log + used, sizeof(h.log) - used, format, args);
	va_end(args);
}

double headless_now(const struct headless *machine)
{
	return machine->now;
}

void headless_complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(h.complaint, sizeof(h.complaint), format, args);
	va_end(args);
}

void headless_key(struct headless *machine, unsigned code, bool down)
{
	(void)machine;
	note("%c%u ", down ? '+' : '-', code);
}

void headless_pointer(struct headless *machine, int dx, int dy, unsigned buttons)
{
	(void)machine;
	note("pointer %d %d %u ", dx, dy, buttons);
}

void headless_position(struct headless *machine, unsigned x, unsigned y, unsigned buttons)
{
	(void)machine;
	note("position %u %u %u ", x, y, buttons);
}

void headless_command(struct headless *machine, enum command command)
{
	(void)machine;
	note("command %d ", command);
}

int headless_insert_cd(struct headless *machine, const char *path, bool force)
{
	(void)machine;
	note("cd %s%s ", path ? path : "out", force ? "!" : "");
	return 0;
}

void headless_cable(struct headless *machine, unsigned nic, bool connected)
{
	(void)machine;
	note("cable %u %s ", nic, connected ? "in" : "out");
}

void headless_type_serial(struct headless *machine, const char *text)
{
	(void)machine;
	note("serial [%s] ", text);
}

enum headless_text headless_find(const struct headless *machine, const char *text)
{
	return machine->shown && strstr(machine->shown, text) ? TEXT_SERIAL : TEXT_NOWHERE;
}

void headless_forget(struct headless *machine)
{
	machine->shown = "";
}

int headless_screenshot(const struct headless *machine, const char *path)
{
	(void)machine;
	note("screenshot %s ", path);
	return 0;
}

int headless_screen_text(const struct headless *machine, const char *path)
{
	(void)machine;
	note("screen-text %s ", path);
	return 0;
}

static char path[] = "/tmp/vitrine-script-XXXXXX";

static struct script *read_text(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	h = (struct headless){ .shown = "" };
	return script_read(path);
}

/* Steps as the loop does, a tick at a time, for so many seconds at most. */
static int play(struct script *s, double seconds)
{
	int result = 1;

	for (double end = h.now + seconds; result == 1 && h.now < end; h.now += 0.02)
		result = script_step(s, &h);
	return result;
}

static void expect_log(const char *text, const char *log)
{
	struct script *s = read_text(text);

	assert_non_null(s);
	assert_int_equal(play(s, 10), 0);
	assert_string_equal(h.log, log);
	script_free(s);
}

static void acts_are_done_in_order(void **state)
{
	(void)state;
	expect_log(
		"# a comment\n\n pause\nrun # another\nreset\npointer -5 7 1\nposition 65535 12\nserial \"root\\n\"\n"
		"cd insert \"my disc.iso\"\ncd eject\ncd force-eject\nnet disconnect 0\nnet connect 9\nscreenshot "
		"a.png\nscreen-text -\n",
		"command 1 command 0 command 2 pointer -5 7 1 position 65535 12 0 serial [root\n] cd my disc.iso cd "
		"out cd out! cable 0 out cable 9 in "
		"screenshot a.png "
		"screen-text - ");
}

static void texts_are_typed_by_key_positions(void **state)
{
	(void)state;
	expect_log("type \"aZ?\\n\"\n", "+30 -30 +42 +44 -44 -42 +42 +53 -53 -42 +28 -28 ");
}

static void every_ascii_character_has_a_key(void **state)
{
	uint16_t code;
	bool shift;

	(void)state;
	for (char c = ' '; c < 127; c++)
		assert_true(find_key(c, &code, &shift));
	assert_true(find_key('|', &code, &shift) && code == KEY_BACKSLASH && shift);
	assert_true(find_key('~', &code, &shift) && code == KEY_GRAVE && shift);
	assert_true(find_key('"', &code, &shift) && code == KEY_APOSTROPHE && shift);
	assert_false(find_key('\xe9', &code, &shift));
	assert_false(find_key(0, &code, &shift));
}

static void chords_are_released_in_reverse(void **state)
{
	(void)state;
	expect_log("key KEY_LEFTCTRL LEFTALT KEY_DELETE\n", "+29 +56 +111 -111 -56 -29 ");
}

static void waiting_goes_on_when_the_text_is_seen(void **state)
{
	struct script *s = read_text("wait-text \"login:\" 5\nserial ok\nwait-text \"login:\" 1\n");

	(void)state;
	assert_int_equal(play(s, 1), 1);
	h.shown = "debian login: ";
	assert_int_equal(script_step(s, &h), 1);
	assert_string_equal(h.log, "serial [ok] ");
	assert_int_equal(play(s, 10), -ETIME); /* what was seen once is not seen twice */
	assert_non_null(strstr(h.complaint, "login:"));
	script_free(s);
}

static void waiting_ends_with_its_time(void **state)
{
	struct script *s = read_text("pause\nwait-text never 2\n");

	(void)state;
	assert_int_equal(play(s, 1), 1);
	assert_int_equal(play(s, 2), -ETIME);
	assert_non_null(strstr(h.complaint, ":2: \"never\" was not seen within 2 seconds"));
	script_free(s);
}

static void an_expectation_is_judged_at_once(void **state)
{
	struct script *s = read_text("expect-text here\nexpect-text gone\n");

	(void)state;
	h.shown = "it is here";
	assert_int_equal(script_step(s, &h), -ENOENT);
	assert_non_null(strstr(h.complaint, "gone"));
	script_free(s);
}

static void sleep_takes_its_time(void **state)
{
	struct script *s = read_text("sleep 1.5\nserial done\n");

	(void)state;
	assert_int_equal(play(s, 1.4), 1);
	assert_string_equal(h.log, "");
	assert_int_equal(play(s, 1), 0);
	script_free(s);
}

static void a_power_off_waits_for_the_machine(void **state)
{
	struct script *s = read_text("poweroff\nserial never\n");
	char log[32];

	(void)state;
	snprintf(log, sizeof(log), "command %d ", COMMAND_POWER_OFF);
	assert_int_equal(play(s, 1), 1);
	assert_string_equal(h.log, log); /* once, not at every tick */
	script_free(s);
}

static void mistakes_are_named_with_their_line(void **state)
{
	static const struct {
		const char *text, *words;
	} mistakes[] = {
		{ "pause\nfly high\n", ":2: \"fly\"" },
		{ "wait-text\n", ":1: \"wait-text\" takes 1 to 2 arguments, here are 0" },
		{ "pause now\n", "takes 0 to 0" },
		{ "key KEY_ANY\n", "KEY_ANY" },
		{ "key 1 2 3 4 5 6 7 8 9\n", "takes" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		assert_null(read_text(mistakes[i].text));
		if (!strstr(h.complaint, mistakes[i].words))
			fail_msg("\"%s\" does not say \"%s\"", h.complaint, mistakes[i].words);
	}
	assert_null(script_read("/nonexistent/script"));
	assert_non_null(strstr(h.complaint, "/nonexistent/script: No such file"));
}

static int prepare(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int tidy(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acts_are_done_in_order),
		cmocka_unit_test(texts_are_typed_by_key_positions),
		cmocka_unit_test(every_ascii_character_has_a_key),
		cmocka_unit_test(chords_are_released_in_reverse),
		cmocka_unit_test(waiting_goes_on_when_the_text_is_seen),
		cmocka_unit_test(waiting_ends_with_its_time),
		cmocka_unit_test(an_expectation_is_judged_at_once),
		cmocka_unit_test(sleep_takes_its_time),
		cmocka_unit_test(a_power_off_waits_for_the_machine),
		cmocka_unit_test(mistakes_are_named_with_their_line),
	};

	return cmocka_run_group_tests(tests, prepare, tidy);
}
