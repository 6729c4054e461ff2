/* SPDX-License-Identifier: MIT */
/* Which files a core can make the broker open: names of an appliance, and the state folder. The asking side is
 * hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/broker_files.h"
#include "tests/unit/process/root.h"
#include "vmformat/bytes.h"

#define ID "0123456789abcdef0123456789abcdef"
#define OTHER_ID "ffffffffffffffffffffffffffffffff"

static char text[MESSAGE_TEXT];

static int prepare(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	make_root();
	write_file("vm/machine.vmx", "appliance");
	write_file("vm/disk.vmdk", "disk");
	write_file("vm/disks/piece.vmdk", "piece");
	write_file("outside/secret", "secret");
	assert_int_equal(symlink("../outside/secret", in_root("vm/link")), 0);
	assert_int_equal(symlink("disk.vmdk", in_root("vm/inner-link")), 0);
	assert_int_equal(symlink("../outside", in_root("vm/folder-link")), 0);
	assert_int_equal(symlink("/proc/self/fd", in_root("vm/magic")), 0);
	assert_int_equal(mkfifo(in_root("vm/fifo"), 0600), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/vm/socket", root);
	assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
	close(s);
	return 0;
}

static struct broker_files open_appliance(const char *name, const char *const *allowed)
{
	struct broker_files f;
	int err = broker_files_init(&f, in_root(name), allowed, text);

	if (err)
		fail_msg("%s", text);
	return f;
}

/* Asks; on success checks that the file begins with `content` (NULL: any). */
static int ask(struct broker_files *f, enum open_role role, const char *id, const char *machine, const char *name,
               const char *content)
{
	struct message_open m = { .role = role };
	char head[16] = "";
	int fd = -1, err;

	strcpy(m.fingerprint, id);
	strcpy(m.machine, machine);
	strcpy(m.name, name);
	strcpy(text, "");
	err = broker_files_open(f, &m, &fd, text);
	if (err) {
		assert_int_equal(fd, -1);
		if (err != -ENOENT || role != OPEN_OVERLAY_READ)
			assert_true(strlen(text) > 10); /* in words */
		return err;
	}
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_true(read(fd, head, sizeof(head) - 1) >= 0);
	if (content)
		assert_string_equal(head, content);
	close(fd);
	return 0;
}

static int ask_name(struct broker_files *f, const char *name, const char *content)
{
	return ask(f, OPEN_NAMED, "", "", name, content);
}

/* ---- names of the appliance ---- */

static void files_of_the_folder_are_opened_for_reading_only(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);
	struct message_open m = { .role = OPEN_NAMED, .name = "disk.vmdk" };
	int fd;

	(void)state;
	assert_int_equal(ask_name(&f, "disk.vmdk", "disk"), 0);
	assert_int_equal(ask_name(&f, "disks/piece.vmdk", "piece"), 0);
	assert_int_equal(ask_name(&f, "./disks/../disk.vmdk", "disk"), 0);
	assert_int_equal(broker_files_open(&f, &m, &fd, text), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
	broker_files_free(&f);
}

static void names_that_lead_outside_are_refused_in_words(void **state)
{
	static const char *const names[] = { "../outside/secret", "disks/../../outside/secret",         "/etc/passwd",
		                             "//etc/passwd",      "disks/../../../../../../etc/passwd", ".." };
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(ask_name(&f, names[i], NULL), -EXDEV);
		assert_non_null(strstr(text, names[i]));
		assert_non_null(strstr(text, "--allow"));
		assert_non_null(strstr(text, "machine.vmx"));
	}
	broker_files_free(&f);
}

static void links_are_not_followed(void **state)
{
	static const char *const names[] = { "link", "inner-link", "folder-link/secret", "magic/0" };
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(ask_name(&f, names[i], NULL), -ELOOP);
	broker_files_free(&f);
}

static void only_regular_files_are_opened_and_nothing_blocks(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	assert_int_equal(ask_name(&f, "fifo", NULL), -EINVAL); /* without a writer: a plain open would wait for ever */
	assert_int_equal(ask_name(&f, "socket", NULL), -ENXIO);
	assert_int_equal(ask_name(&f, "disks", NULL), -EISDIR);
	assert_int_equal(ask_name(&f, ".", NULL), -EISDIR);
	assert_int_equal(ask_name(&f, "", NULL), -EINVAL);
	broker_files_free(&f);
}

static void a_missing_file_is_named_with_its_folder(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	assert_int_equal(ask_name(&f, "disk-s002.vmdk", NULL), -ENOENT);
	assert_non_null(strstr(text, "disk-s002.vmdk"));
	assert_non_null(strstr(text, root));
	broker_files_free(&f);
}

static void an_absolute_name_within_the_folder_is_a_relative_one(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);
	char name[256];

	(void)state;
	assert_int_equal(ask_name(&f, in_root("vm/disk.vmdk"), "disk"), 0);
	snprintf(name, sizeof(name), "%s/vm/../outside/secret", root);
	assert_int_equal(ask_name(&f, name, NULL), -EXDEV);
	snprintf(name, sizeof(name), "%s/vm-of-others/disk.vmdk", root);
	assert_int_equal(ask_name(&f, name, NULL), -EXDEV);
	broker_files_free(&f);
}

static void what_the_command_line_allows_is_opened_by_exactly_that_name(void **state)
{
	const char *allowed[] = { "../outside/secret", "fifo", NULL };
	struct broker_files f = open_appliance("vm/machine.vmx", allowed);

	(void)state;
	assert_int_equal(ask_name(&f, "../outside/secret", "secret"), 0);
	assert_int_equal(ask_name(&f, "./../outside/secret", NULL), -EXDEV);
	assert_int_equal(ask_name(&f, "fifo", NULL), -EINVAL); /* allowed, and still no file */
	broker_files_free(&f);
}

static void an_appliance_behind_a_link_uses_the_real_folder(void **state)
{
	struct broker_files f;

	(void)state;
	assert_int_equal(symlink("../vm/machine.vmx", in_root("outside/shortcut.vmx")), 0);
	f = open_appliance("outside/shortcut.vmx", NULL);
	assert_string_equal(f.name, "machine.vmx");
	assert_int_equal(ask_name(&f, "disk.vmdk", "disk"), 0);
	assert_int_equal(ask_name(&f, "secret", NULL), -ENOENT);
	broker_files_free(&f);
}

static void what_the_user_chose_must_be_a_file(void **state)
{
	static const char *const names[] = { "vm", "vm/fifo", "vm/nothing" };
	struct broker_files f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_true(broker_files_init(&f, in_root(names[i]), NULL, text) < 0);
		assert_non_null(strstr(text, names[i]));
		broker_files_free(&f);
	}
}

static void words_never_hold_control_characters(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	assert_int_equal(ask_name(&f, "/x\033]0;owned\a\n", NULL), -EXDEV);
	for (const char *p = text; *p; p++)
		assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
	broker_files_free(&f);
}

/* ---- the state folder ---- */

static bool exists(const char *name)
{
	return access(in_root(name), F_OK) == 0;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(in_root(name), &st), 0);
	return st.st_mode & 0777;
}

static void overlays_are_made_in_a_private_folder(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "My Machine", "scsi0:0", ""), 0);
	assert_int_equal(mode_of("state/vitrine"), 0700);
	assert_int_equal(mode_of("state/vitrine/My-Machine-" ID), 0700);
	assert_int_equal(mode_of("state/vitrine/My-Machine-" ID "/scsi0-0.qcow2"), 0600);
	assert_string_equal(f.state_path, in_root("state/vitrine/My-Machine-" ID));
	assert_int_equal(ask(&f, OPEN_CONFIGURATION, ID, "My Machine", "", ""), 0);
	assert_string_equal(f.configuration, in_root("state/vitrine/My-Machine-" ID "/My-Machine.vmx"));
	broker_files_free(&f);
}

static void a_renamed_machine_keeps_its_folder(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "Another Name", "scsi0:0", ""), 0);
	assert_string_equal(f.state_path, in_root("state/vitrine/My-Machine-" ID));
	broker_files_free(&f);
}

static void drive_names_that_cannot_be_are_refused(void **state)
{
	static const char *const names[] = { "",         "scsi",       "scsi0:",  "scsi0:0/../../x", "../scsi0:0",
		                             "scsi0:0.", "scsi0000:0", "hda",     "scsi0:0:0",       "scsi 0:0",
		                             "ide-1:0",  "scsi0:0 ",   "SCSI0:0", "/etc/passwd" };
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "m", names[i], NULL), -EINVAL);
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "m", "floppy0", ""), 0);
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "m", "sata1:29", ""), 0);
	broker_files_free(&f);
}

static void fingerprints_that_are_none_are_refused(void **state)
{
	static const char *const ids[] = { "",
		                           "../../../../../../../../etc/xxxxx",
		                           "0123456789abcdef",
		                           "0123456789ABCDEF0123456789ABCDEF",
		                           ID "0",
		                           "0123456789abcdef/123456789abcdef",
		                           "0123456789abcdef0123456789abcde\n" };
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(ask(&f, OPEN_OVERLAY, ids[i], "m", "scsi0:0", NULL), -EINVAL);
	broker_files_free(&f);
}

/* The folder's name is the hostile machine's, with another one's fingerprint in it and one of its own that is all digits. */
static void a_machine_named_like_a_fingerprint_is_not_found_by_it(void **state)
{
	static const char digits[] = "00000000000000000000000000000001";
	static const char id[] = "c0ffeec0ffeec0ffeec0ffeec0ffee00";
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);
	char planted[PATH_MAX];

	(void)state;
	assert_int_equal(ask(&f, OPEN_OVERLAY, digits, "evil-c0ffeec0ffeec0ffeec0ffeec0ffee00", "ide0:0", ""), 0);
	strcpy(planted, f.state_path);
	broker_files_free(&f);
	assert_int_equal(unlink(in_root("vm/machine.vmx")), 0); /* its owner has gone */
	f = open_appliance("vm/disk.vmdk", NULL);
	assert_int_equal(ask(&f, OPEN_OVERLAY, id, "good", "ide0:0", ""), 0);
	assert_string_not_equal(f.state_path, planted);
	broker_files_free(&f);
	write_file("vm/machine.vmx", "appliance");
}

/* People paste the command that is offered into a shell. */
static void a_name_with_a_quote_is_not_offered_as_a_command(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	assert_int_equal(ask_name(&f, "/x", NULL), -EXDEV);
	assert_non_null(strstr(text, "--allow '/x'"));
	assert_int_equal(ask_name(&f, "/x'; touch owned; '", NULL), -EXDEV);
	assert_null(strstr(text, "--allow"));
	broker_files_free(&f);
}

static void hidden_files_are_refused_in_words(void **state)
{
	static const char *const hidden[] = { ".ssh/id_rsa", "./.netrc", "a/.b/c", "a/..b" };
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
		assert_int_equal(ask_name(&f, hidden[i], NULL), -EACCES);
		assert_non_null(strstr(text, "hidden file"));
	}
	assert_int_equal(ask_name(&f, "../other", NULL), -EXDEV); /* its own words */
	assert_int_equal(ask_name(&f, "./no.such", NULL), -ENOENT);
	broker_files_free(&f);
}

static void machine_names_cannot_leave_the_state_folder(void **state)
{
	static const char *const names[] = { "../../escape", "/etc/x", "..",      ".hidden",     "",
		                             "a/b/c",        "-rf",    "\033[2J", "\xe2\x82\xac" };
	char id[] = "a0000000000000000000000000000000", folder[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct broker_files f = open_appliance("vm/machine.vmx", NULL);
		const char *base;

		id[1] = (char)('0' + i);
		assert_int_equal(ask(&f, OPEN_CONFIGURATION, id, names[i], "", ""), 0);
		assert_non_null(realpath(f.state_path, folder));
		base = strrchr(folder, '/');
		assert_memory_equal(folder, in_root("state/vitrine"), (size_t)(base - folder));
		assert_int_not_equal(base[1], '.');
		assert_int_not_equal(base[1], '-');
		assert_non_null(strstr(base, id));
		broker_files_free(&f);
	}
	assert_false(exists("escape"));
	assert_false(exists("state/escape"));
}

static void one_core_gets_one_state_folder(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "m", "scsi0:0", ""), 0);
	assert_int_equal(ask(&f, OPEN_OVERLAY, OTHER_ID, "m", "scsi0:0", NULL), -EPERM);
	assert_int_equal(ask(&f, OPEN_CONFIGURATION, OTHER_ID, "m", "", NULL), -EPERM);
	broker_files_free(&f);
}

static int hold_overlay(struct broker_files *f, enum open_role role, const char *drive)
{
	struct message_open m = { .role = role, .fingerprint = ID, .machine = "m" };
	int fd;

	strcpy(m.name, drive);
	assert_int_equal(broker_files_open(f, &m, &fd, text), 0);
	return fd;
}

static void two_players_cannot_use_one_overlay(void **state)
{
	struct broker_files a = open_appliance("vm/machine.vmx", NULL), b = open_appliance("vm/machine.vmx", NULL);
	int fd = hold_overlay(&a, OPEN_OVERLAY, "scsi0:0");

	(void)state;
	assert_int_equal(ask(&b, OPEN_OVERLAY, ID, "m", "scsi0:0", NULL), -EBUSY);
	assert_non_null(strstr(text, "already running"));
	assert_int_equal(ask(&b, OPEN_OVERLAY_READ, ID, "m", "scsi0:0", NULL), -EBUSY);
	assert_int_equal(ask(&b, OPEN_OVERLAY_TEMPORARY, ID, "m", "scsi0:0", ""),
	                 0);   /* --as-downloaded beside it is fine */
	broker_files_free(&a); /* the player died; its core still has the file */
	assert_int_equal(ask(&b, OPEN_OVERLAY, ID, "m", "scsi0:0", NULL), -EBUSY);
	close(fd);
	assert_int_equal(ask(&b, OPEN_OVERLAY, ID, "m", "scsi0:0", ""), 0);
	broker_files_free(&b);
}

static int hold_kept(struct broker_files *f, const char *name, int access)
{
	struct message_open m = { .role = OPEN_KEPT, .fingerprint = ID, .machine = "m" };
	int fd;

	strcpy(m.name, name);
	assert_int_equal(broker_files_open(f, &m, &fd, text), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, access);
	return fd;
}

static void what_is_kept_has_one_writer_and_any_readers(void **state)
{
	struct broker_files a = open_appliance("vm/machine.vmx", NULL), b = open_appliance("vm/machine.vmx", NULL);
	int record = hold_kept(&a, "kept", O_RDWR), file = hold_kept(&a, "unpacked-0", O_RDWR), other;

	(void)state;
	assert_int_equal(write(record, "r", 1) + write(file, "f", 1), 2);
	other = hold_kept(&b, "kept", O_RDONLY);
	close(other);
	other = hold_kept(&b, "unpacked-0", O_RDONLY);
	close(other);
	assert_int_equal(ask(&b, OPEN_KEPT, ID, "m", "unpacked-1", NULL), -ENOENT); /* a reader makes none */
	close(record);
	close(file);
	other = hold_kept(&b, "kept", O_RDWR);
	close(other);
	other = hold_kept(&b, "unpacked-0", O_RDWR);
	close(other);
	broker_files_free(&a);
	broker_files_free(&b);
}

static void kept_files_have_no_other_names(void **state)
{
	static const char *const names[] = { "",           "kept/",          "../kept",      "unpacked-",
		                             "unpacked-a", "unpacked-12345", "unpacked-1/x", "unpacked-1.vmdk",
		                             "origin",     "scsi0-0.qcow2" };
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(ask(&f, OPEN_KEPT, ID, "m", names[i], NULL), -EINVAL);
	broker_files_free(&f);
}

static void reading_makes_neither_overlay_nor_folder(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	assert_int_equal(ask(&f, OPEN_OVERLAY_READ,
	                     "b"
	                     "0123456789abcdef0123456789abcde",
	                     "m", "scsi0:0", NULL),
	                 -ENOENT);
	assert_false(exists("state/vitrine/m-b0123456789abcdef0123456789abcde"));
	assert_int_equal(ask(&f, OPEN_OVERLAY_READ, ID, "m", "ide1:1", NULL), -ENOENT);
	assert_false(exists("state/vitrine/My-Machine-" ID "/ide1-1.qcow2"));
	broker_files_free(&f);
}

static unsigned count_files(const char *name)
{
	DIR *folder = opendir(in_root(name));
	unsigned count = 0;

	assert_non_null(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static void temporary_overlays_leave_nothing(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);
	unsigned before = count_files("state/vitrine/My-Machine-" ID);
	int fd = hold_overlay(&f, OPEN_OVERLAY_TEMPORARY, "scsi0:0");

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(count_files("state/vitrine/My-Machine-" ID), before);
	close(fd);
	broker_files_free(&f);
}

static void links_in_the_state_folder_are_not_followed(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	assert_int_equal(symlink(in_root("outside/secret"), in_root("state/vitrine/My-Machine-" ID "/nvme0-0.qcow2")),
	                 0);
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "m", "nvme0:0", NULL), -ELOOP);
	broker_files_free(&f);
}

static void a_moved_appliance_finds_its_state(void **state)
{
	struct broker_files f;

	(void)state;
	assert_int_equal(rename(in_root("vm/machine.vmx"), in_root("outside/moved.vmx")), 0);
	f = open_appliance("outside/moved.vmx", NULL);
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "x", "scsi0:0", ""), 0);
	assert_string_equal(f.state_path, in_root("state/vitrine/My-Machine-" ID));
	broker_files_free(&f);
	assert_int_equal(rename(in_root("outside/moved.vmx"), in_root("vm/machine.vmx")), 0);
	f = open_appliance("vm/machine.vmx", NULL);
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "x", "scsi0:0", ""), 0);
	assert_string_equal(f.state_path, in_root("state/vitrine/My-Machine-" ID));
	broker_files_free(&f);
}

#define LEFT_ID "00112233445566778899aabbccddeeff"

static void assert_state(const char *appliance, const char *folder)
{
	struct broker_files f = open_appliance(appliance, NULL);

	assert_int_equal(ask(&f, OPEN_OVERLAY, LEFT_ID, "Box", "scsi0:0", ""), 0);
	assert_string_equal(f.state_path, in_root(folder));
	broker_files_free(&f);
}

/* To another disk, or downloaded a second time: only the content is the same. */
static void a_copied_appliance_finds_the_state_of_one_that_has_gone(void **state)
{
	(void)state;
	write_file("vm/box.ova", "a box of some size");
	assert_state("vm/box.ova", "state/vitrine/Box-" LEFT_ID);
	write_file("outside/box.ova", "a box of some size");
	assert_int_equal(unlink(in_root("vm/box.ova")), 0);
	assert_state("outside/box.ova", "state/vitrine/Box-" LEFT_ID);
}

/* Its core claims the fingerprint of the box above, whose owner has gone; file systems give its inode to the next file. */
static void another_appliance_cannot_claim_the_state_of_one_that_has_gone(void **state)
{
	(void)state;
	assert_int_equal(unlink(in_root("outside/box.ova")), 0);
	write_file("outside/evil.ova", "a box of evil size");
	assert_state("outside/evil.ova", "state/vitrine/Box-" LEFT_ID "-2");
	assert_int_equal(unlink(in_root("outside/evil.ova")), 0);
	write_file("outside/box.ova", "another, in its very place");
	assert_state("outside/box.ova", "state/vitrine/Box-" LEFT_ID "-3");
	write_file("outside/box.ova", "a box of some size"); /* the true one is back */
	assert_state("outside/box.ova", "state/vitrine/Box-" LEFT_ID);
	assert_int_equal(unlink(in_root("outside/box.ova")), 0);
}

static void an_edited_text_keeps_its_state(void **state)
{
	struct broker_files f;

	(void)state;
	write_file("vm/machine.vmx", "appliance, with more memory");
	f = open_appliance("vm/machine.vmx", NULL);
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "x", "scsi0:0", ""), 0);
	assert_string_equal(f.state_path, in_root("state/vitrine/My-Machine-" ID));
	broker_files_free(&f);
	write_file("vm/machine.vmx", "appliance");
}

static void another_appliance_cannot_claim_this_ones_state(void **state)
{
	struct broker_files f;

	(void)state;
	write_file("outside/liar.ova", "liar");
	f = open_appliance("outside/liar.ova", NULL);
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "My Machine", "scsi0:0", ""), 0);
	assert_string_equal(f.state_path, in_root("state/vitrine/My-Machine-" ID "-2"));
	broker_files_free(&f);
	f = open_appliance("outside/liar.ova", NULL); /* and finds its own again */
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "My Machine", "scsi0:0", ""), 0);
	assert_string_equal(f.state_path, in_root("state/vitrine/My-Machine-" ID "-2"));
	broker_files_free(&f);
	f = open_appliance("vm/machine.vmx", NULL);
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "My Machine", "scsi0:0", ""), 0);
	assert_string_equal(f.state_path, in_root("state/vitrine/My-Machine-" ID));
	broker_files_free(&f);
}

/* "Whose is it?" cannot be answered then, and no answer is no yes. */
static void nobodys_state_is_claimed_for_want_of_descriptors(void **state)
{
	struct rlimit all, few;

	(void)state;
	write_file("outside/liar.ova", "liar");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	for (int descriptors = 0; descriptors < 8; descriptors++) {
		struct message_open m = { .role = OPEN_OVERLAY, .machine = "m", .name = "scsi0:0" };
		struct broker_files f = open_appliance("vm/machine.vmx", NULL);
		int lowest, fd = -1;
		char *honest;

		snprintf(m.fingerprint, sizeof(m.fingerprint), "%032x", descriptors);
		assert_int_equal(ask(&f, OPEN_OVERLAY, m.fingerprint, "m", "scsi0:0", ""), 0);
		honest = strdup(f.state_path);
		broker_files_free(&f);
		f = open_appliance("outside/liar.ova", NULL);
		lowest = dup(0);
		close(lowest);
		few = (struct rlimit){ (rlim_t)(lowest + descriptors), all.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		if (broker_files_open(&f, &m, &fd, text) == 0)
			close(fd);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
		if (f.state_path && !strcmp(f.state_path, honest))
			fail_msg("with %d descriptors left", descriptors);
		free(honest);
		broker_files_free(&f);
	}
}

static void a_home_that_cannot_be_written_is_said(void **state)
{
	struct broker_files f = open_appliance("vm/machine.vmx", NULL);

	(void)state;
	setenv("XDG_STATE_HOME", in_root("outside/secret"), 1); /* a file */
	assert_true(ask(&f, OPEN_OVERLAY, ID, "m", "scsi0:0", NULL) < 0);
	assert_non_null(strstr(text, "outside/secret"));
	setenv("XDG_STATE_HOME", "relative", 1); /* to be ignored, says the specification */
	setenv("HOME", root, 1);
	assert_int_equal(ask(&f, OPEN_OVERLAY, ID, "m", "scsi0:0", ""), 0);
	assert_true(exists(".local/state/vitrine"));
	setenv("XDG_STATE_HOME", in_root("state"), 1);
	broker_files_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_the_folder_are_opened_for_reading_only),
		cmocka_unit_test(names_that_lead_outside_are_refused_in_words),
		cmocka_unit_test(links_are_not_followed),
		cmocka_unit_test(only_regular_files_are_opened_and_nothing_blocks),
		cmocka_unit_test(a_missing_file_is_named_with_its_folder),
		cmocka_unit_test(an_absolute_name_within_the_folder_is_a_relative_one),
		cmocka_unit_test(what_the_command_line_allows_is_opened_by_exactly_that_name),
		cmocka_unit_test(an_appliance_behind_a_link_uses_the_real_folder),
		cmocka_unit_test(what_the_user_chose_must_be_a_file),
		cmocka_unit_test(words_never_hold_control_characters),
		cmocka_unit_test(overlays_are_made_in_a_private_folder),
		cmocka_unit_test(a_renamed_machine_keeps_its_folder),
		cmocka_unit_test(drive_names_that_cannot_be_are_refused),
		cmocka_unit_test(fingerprints_that_are_none_are_refused),
		cmocka_unit_test(a_machine_named_like_a_fingerprint_is_not_found_by_it),
		cmocka_unit_test(a_name_with_a_quote_is_not_offered_as_a_command),
		cmocka_unit_test(hidden_files_are_refused_in_words),
		cmocka_unit_test(machine_names_cannot_leave_the_state_folder),
		cmocka_unit_test(one_core_gets_one_state_folder),
		cmocka_unit_test(two_players_cannot_use_one_overlay),
		cmocka_unit_test(what_is_kept_has_one_writer_and_any_readers),
		cmocka_unit_test(kept_files_have_no_other_names),
		cmocka_unit_test(reading_makes_neither_overlay_nor_folder),
		cmocka_unit_test(temporary_overlays_leave_nothing),
		cmocka_unit_test(links_in_the_state_folder_are_not_followed),
		cmocka_unit_test(a_moved_appliance_finds_its_state),
		cmocka_unit_test(a_copied_appliance_finds_the_state_of_one_that_has_gone),
		cmocka_unit_test(another_appliance_cannot_claim_the_state_of_one_that_has_gone),
		cmocka_unit_test(an_edited_text_keeps_its_state),
		cmocka_unit_test(another_appliance_cannot_claim_this_ones_state),
		cmocka_unit_test(nobodys_state_is_claimed_for_want_of_descriptors),
		cmocka_unit_test(a_home_that_cannot_be_written_is_said),
	};

	return cmocka_run_group_tests(tests, prepare, remove_root);
}
