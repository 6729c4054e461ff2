/* SPDX-License-Identifier: MIT */
/*
 * The program vitrine-core as a script sees it: exit statuses, words, and what --describe and --dump write. The whole
 * pair of broker and sandboxed core runs; only what needs KVM is left to tests/boot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/process/root.h"
#include "vmformat/bytes.h"

#define DISK_SIZE (8u << 20)

static char program[PATH_MAX];
static char folder[] = "/tmp/vitrine-headless-XXXXXX";
static char output[65536], words[65536];

static void read_into(const char *name, char *text, size_t size)
{
	char path[128];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, size - 1, f);
	text[n] = 0;
	fclose(f);
}

/* Runs `vitrine-core ARGUMENTS` by the shell in the test's folder; returns the exit status, fills output and words. */
static int run(const char *arguments)
{
	char line[PATH_MAX + 512];
	int status;

	if (!program[0]) {
		print_message("SKIPPED: vitrine-core is not built beside the tests\n");
		skip();
	}
	/* the group's output is the default; redirections in arguments go before it */
	snprintf(line, sizeof(line), "cd %s && export XDG_STATE_HOME=%s/state && { %s %s; } >out 2>err </dev/null",
	         folder, folder, program, arguments);
	status = system(line);
	read_into("out", output, sizeof(output));
	read_into("err", words, sizeof(words));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect_usage(const char *arguments, const char *said)
{
	assert_int_equal(run(arguments), 2);
	if (!strstr(words, said))
		fail_msg("vitrine-core %s: \"%s\" does not say \"%s\"", arguments, words, said);
	assert_non_null(strstr(words, "--help"));
	assert_string_equal(output, "");
}

static void wrong_usage_is_2_and_says_what(void **state)
{
	(void)state;
	expect_usage("", "give one of --headless, --describe, --dump and --selftest");
	expect_usage("disk.img", "give one of");
	expect_usage("--headless", "which appliance?");
	expect_usage("--headless a b", "one appliance at a time: b");
	expect_usage("--headless --describe disk.img", "give one of");
	expect_usage("--headless --seconds 0 disk.img", "--seconds takes a number above 0: 0");
	expect_usage("--headless --seconds 1m disk.img", "--seconds takes a number above 0: 1m");
	expect_usage("--headless --until '' disk.img", "--until takes a text");
	expect_usage("--fly disk.img", "fly");
	expect_usage("--dump", "requires an argument");
	expect_usage("--core-fd 1", "--core-fd");
}

static void help_and_version_are_for_standard_output(void **state)
{
	(void)state;
	assert_int_equal(run("--help"), 0);
	assert_non_null(strstr(output, "Usage: vitrine-core --headless"));
	assert_string_equal(words, "");
	assert_int_equal(run("--version"), 0);
	assert_memory_equal(output, "vitrine-core ", 13);
	assert_int_equal(run("--help > /dev/full"), 1);
}

static void errors_are_1_and_name_the_file(void **state)
{
	(void)state;
	assert_int_equal(run("--describe nothing.ova"), 1);
	assert_string_equal(words, "vitrine-core: nothing.ova: No such file or directory\n");
	assert_int_equal(run("--describe ."), 1);
	assert_non_null(strstr(words, "is a folder"));
	assert_int_equal(run("--describe broken.vmx"), 1);
	assert_non_null(strstr(words, "broken.vmx"));
	assert_string_equal(output, "");
}

static void a_disk_is_described_as_a_machine(void **state)
{
	(void)state;
	assert_int_equal(run("--describe disk.img"), 0);
	assert_non_null(strstr(output, "ide0:0.fileName = \"disk.img\"\n"));
	assert_non_null(strstr(output, "memsize = "));
}

static void describing_leaves_no_state(void **state)
{
	char path[128];

	(void)state;
	assert_int_equal(run("--describe disk.img"), 0);
	snprintf(path, sizeof(path), "%s/state", folder);
	assert_int_equal(access(path, F_OK), -1);
}

static bool same_as_disk(const char *name)
{
	char line[256];

	snprintf(line, sizeof(line), "cmp -s %s/disk.img %s/%s", folder, folder, name);
	return system(line) == 0;
}

static void a_dump_into_a_file_keeps_holes(void **state)
{
	char path[128];
	struct stat st;

	(void)state;
	assert_int_equal(run("--dump ide0:0 disk.img"), 0);
	assert_true(same_as_disk("out"));
	snprintf(path, sizeof(path), "%s/out", folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, DISK_SIZE);
	assert_true(st.st_blocks * 512 < DISK_SIZE / 4);
}

static void a_dump_into_a_pipe_has_every_byte(void **state)
{
	(void)state;
	assert_int_equal(run("--dump ide0:0 disk.img | cat > piped.raw"), 0);
	assert_true(same_as_disk("piped.raw"));
}

static void a_dump_over_other_bytes_has_every_byte(void **state)
{
	(void)state;
	assert_int_equal(run("--dump ide0:0 disk.img >> appended.raw"), 0);
	assert_true(same_as_disk("appended.raw"));
	assert_int_equal(run("--version > /dev/null; dd if=/dev/urandom of=old.raw bs=1M count=9 status=none"), 0);
	assert_int_equal(run("--dump ide0:0 disk.img 1<>old.raw && head -c 8388608 old.raw > new.raw"), 0);
	assert_true(same_as_disk("new.raw")); /* holes over old content are written as zeros */
}

static void a_drive_that_is_not_there_is_named_with_those_that_are(void **state)
{
	(void)state;
	assert_int_equal(run("--dump scsi0:0 disk.img"), 1);
	assert_string_equal(words, "vitrine-core: disk.img has no drive scsi0:0 with an image in it; it has: ide0:0\n");
	assert_int_equal(run("--dump ide1:0 disk.img"), 1); /* an empty CD drive */
}

static void a_full_output_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(run("--dump ide0:0 disk.img > /dev/full"), 1);
	assert_non_null(strstr(words, "No space left"));
}

static void a_machine_cannot_reach_outside_its_folder(void **state)
{
	(void)state;
	assert_int_equal(run("--dump ide0:0 outside.vmx"), 1);
	assert_non_null(strstr(words, "lies outside its folder"));
	assert_non_null(strstr(words, "--allow '/etc/passwd'"));
	assert_string_equal(output, "");
}

static void allow_opens_exactly_what_it_names(void **state)
{
	(void)state;
	assert_int_equal(run("--allow ../nowhere --dump ide0:0 outside.vmx"), 1);
	assert_non_null(strstr(words, "lies outside its folder"));
	assert_int_equal(run("--allow /etc/passwd --dump ide0:0 outside.vmx"), 0);
}

static void a_bad_script_is_found_before_the_machine_starts(void **state)
{
	(void)state;
	assert_int_equal(run("--headless --script nothing.script disk.img"), 1);
	assert_string_equal(words, "vitrine-core: nothing.script: No such file or directory\n");
}

static void write_text(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int prepare(void **state)
{
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 32);
	char path[128], data[4096];
	int fd;

	(void)state;
	if (n <= 0 || !mkdtemp(folder))
		return -1;
	program[n] = 0;
	strcpy(strrchr(program, '/'), "/../vitrine-core");
	if (access(program, X_OK) < 0)
		program[0] = 0;
	snprintf(path, sizeof(path), "%s/disk.img", folder);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	memset(data, 0xa5, sizeof(data));
	if (fd < 0 || ftruncate(fd, DISK_SIZE) < 0)
		return -1;
	for (off_t at = 0; at < DISK_SIZE; at += 1 << 20)
		if (pwrite(fd, data, sizeof(data), at) != sizeof(data))
			return -1;
	close(fd);
	write_text("broken.vmx", ".encoding = \"UTF-8\"\nmemsize = \"64\ndisplayName = \"x\"\n");
	write_text(
		"outside.vmx",
		".encoding = \"UTF-8\"\nconfig.version = \"8\"\nvirtualHW.version = \"10\"\ndisplayName = \"outside\"\n"
		"ide0:0.present = \"TRUE\"\nide0:0.fileName = \"/etc/passwd\"\n");
	return 0;
}

static int tidy(void **state)
{
	(void)state;
	return remove_tree(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_usage_is_2_and_says_what),
		cmocka_unit_test(help_and_version_are_for_standard_output),
		cmocka_unit_test(errors_are_1_and_name_the_file),
		cmocka_unit_test(a_disk_is_described_as_a_machine),
		cmocka_unit_test(describing_leaves_no_state),
		cmocka_unit_test(a_dump_into_a_file_keeps_holes),
		cmocka_unit_test(a_dump_into_a_pipe_has_every_byte),
		cmocka_unit_test(a_dump_over_other_bytes_has_every_byte),
		cmocka_unit_test(a_drive_that_is_not_there_is_named_with_those_that_are),
		cmocka_unit_test(a_full_output_is_an_error),
		cmocka_unit_test(a_machine_cannot_reach_outside_its_folder),
		cmocka_unit_test(allow_opens_exactly_what_it_names),
		cmocka_unit_test(a_bad_script_is_found_before_the_machine_starts),
	};

	return cmocka_run_group_tests(tests, prepare, tidy);
}
