/* SPDX-License-Identifier: MIT */
/*
 * Disks that are written in place: what a core, which is hostile, can make the broker open for writing; locks; the
 * person's yes. This program is also the fake core: the broker starts it with --core-fd.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/broker.h"
#include "core/broker_files.h"
#include "core/broker_in_place.h"
#include "tests/unit/process/root.h"
#include "vmformat/bytes.h"

#define ID "0123456789abcdef0123456789abcdef"
#define CONTENT_ID "ffffffffffffffffffffffffffffffff"

static char text[MESSAGE_TEXT];

static int prepare(void **state)
{
	(void)state;
	make_root();
	write_file("vm/machine.vmx", "memsize = 64\n");
	write_file("vm/disk.vmdk", "disk");
	write_file("vm/disks/piece.vmdk", "piece");
	write_file("vm/disk.img", "image");
	write_file("vm/letter.odt", "letter");
	write_file("vm/.hidden.vmdk", "hidden");
	write_file("vm/twin.vmdk", "twin");
	write_file("outside/secret.vmdk", "secret");
	assert_int_equal(link(in_root("vm/twin.vmdk"), in_root("outside/twin")), 0);
	assert_int_equal(symlink("disk.vmdk", in_root("vm/link.vmdk")), 0);
	assert_int_equal(symlink("../outside", in_root("vm/out")), 0);
	assert_int_equal(mkfifo(in_root("vm/fifo.vmdk"), 0600), 0);
	mkdir(in_root("vm/folder.vmdk"), 0700);
	return 0;
}

static struct broker_files open_vmx(void)
{
	struct broker_files f;

	if (broker_files_init(&f, in_root("vm/machine.vmx"), NULL, text))
		fail_msg("%s", text);
	return f;
}

static struct message_open about(enum open_role role, const char *name)
{
	struct message_open m = {
		.role = role, .fingerprint = ID, .machine = "m", .drive = "scsi0:0", .content = CONTENT_ID
	};

	strcpy(m.name, name);
	return m;
}

static int judge(struct broker_files *f, const char *name, uint32_t flags)
{
	struct message_open m = about(OPEN_IN_PLACE_LOCK, name);

	text[0] = 0;
	return broker_in_place_judge(f, &m, flags, text);
}

/* The judgement and the lock, as the broker does it. */
static int lock(struct broker_files *f, const char *name)
{
	struct message_open m = about(OPEN_IN_PLACE_LOCK, name);
	int fd = -1, err = judge(f, name, START_WRITE_IN_PLACE);

	if (!err)
		err = broker_files_open(f, &m, &fd, text);
	if (fd >= 0)
		close(fd);
	return err;
}

/* Keeps the descriptor open if ret_fd is not NULL. */
static int open_as(struct broker_files *f, enum open_role role, const char *name, int *ret_fd)
{
	struct message_open m = about(role, name);
	int fd = -1, err;

	text[0] = 0;
	err = broker_files_open(f, &m, &fd, text);
	assert_int_equal(fd >= 0, err == 0);
	if (err)
		assert_true(strlen(text) > 10);
	if (ret_fd)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	return err;
}

/* ---- what may be written ---- */

static void nothing_is_written_unless_it_was_allowed(void **state)
{
	struct broker_files f = open_vmx();

	(void)state;
	assert_int_equal(open_as(&f, OPEN_IN_PLACE, "disk.vmdk", NULL), -EPERM);
	assert_int_equal(open_as(&f, OPEN_IN_PLACE_LOCK, "disk.vmdk", NULL), -EPERM);
	assert_int_equal(judge(&f, "disk.vmdk", 0), -EAGAIN);
	assert_int_equal(open_as(&f, OPEN_IN_PLACE_LOCK, "disk.vmdk", NULL), -EPERM);
	assert_int_equal(judge(&f, "disk.vmdk", START_WRITE_IN_PLACE | START_AS_DOWNLOADED), -EPERM);
	assert_int_equal(access(in_root("vm/disk.vmdk.lck"), F_OK), -1);
	broker_files_free(&f);
	assert_int_equal(broker_files_init(&f, in_root("vm/disk.vmdk"), NULL, text), 0); /* a bare disk */
	assert_int_equal(judge(&f, "disk.vmdk", START_WRITE_IN_PLACE), -EPERM);
	broker_files_free(&f);
}

static void only_disks_of_the_folder_are_written(void **state)
{
	static const struct {
		const char *name;
		int code;
	} cases[] = {
		{ "disk.vmdk", 0 },
		{ "disks/piece.vmdk", 0 },
		{ "disk.img", 0 },
		{ "letter.odt", -EACCES },
		{ "machine.vmx", -EACCES },
		{ ".hidden.vmdk", -EACCES },
		{ "../outside/secret.vmdk", -EACCES },
		{ "disks/../../outside/secret.vmdk", -EACCES },
		{ "/etc/passwd", -EACCES },
		{ "out/secret.vmdk", -ELOOP },
		{ "link.vmdk", -ELOOP },
		{ "twin.vmdk", -EMLINK },
		{ "fifo.vmdk", -EINVAL },
		{ "folder.vmdk", -EISDIR },
		{ "missing.vmdk", -ENOENT },
		{ "", -EACCES },
	};
	struct broker_files f = open_vmx();

	(void)state;
	assert_int_equal(lock(&f, "disk.vmdk"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd, code = open_as(&f, OPEN_IN_PLACE, cases[i].name, &fd);

		if (code != cases[i].code)
			fail_msg("%s: %d, %s", cases[i].name, code, text);
		if (fd >= 0) {
			assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
			close(fd);
		}
	}
	broker_files_free(&f);
}

static void absolute_name_within_the_folder_is_a_relative_one(void **state)
{
	struct broker_files f = open_vmx();

	(void)state;
	assert_int_equal(lock(&f, in_root("vm/disk.vmdk")), 0);
	assert_int_equal(open_as(&f, OPEN_IN_PLACE, in_root("vm/disk.vmdk"), NULL), 0);
	assert_int_equal(access(in_root("vm/disk.vmdk.lck"), F_OK), 0);
	broker_files_free(&f);
}

static void one_file_is_written_by_one(void **state)
{
	struct broker_files f = open_vmx(), other = open_vmx();
	int fd, reader;

	(void)state;
	assert_int_equal(lock(&f, "disk.vmdk"), 0);
	assert_int_equal(lock(&other, "disk.img"), 0);
	assert_int_equal(open_as(&f, OPEN_IN_PLACE, "disks/piece.vmdk", &fd), 0);
	assert_int_equal(open_as(&f, OPEN_IN_PLACE, "disks/piece.vmdk", NULL), -EBUSY); /* named twice */
	assert_int_equal(open_as(&other, OPEN_IN_PLACE, "disks/piece.vmdk", NULL), -EBUSY);
	assert_int_equal(open_as(&other, OPEN_NAMED, "disks/piece.vmdk", NULL), -EBUSY);
	assert_non_null(strstr(text, "being changed by another machine"));
	close(fd);
	assert_int_equal(open_as(&other, OPEN_NAMED, "disks/piece.vmdk", &reader), 0);
	assert_int_equal(open_as(&other, OPEN_NAMED, "disks/piece.vmdk", NULL), 0); /* readers share */
	assert_int_equal(open_as(&f, OPEN_IN_PLACE, "disks/piece.vmdk", NULL), -EBUSY);
	close(reader);
	assert_int_equal(open_as(&f, OPEN_IN_PLACE, "disks/piece.vmdk", NULL), 0);
	broker_files_free(&other);
	broker_files_free(&f);
}

/* ---- locks ---- */

/* The one file in a folder. */
static void only_entry(const char *folder, char ret_name[32])
{
	DIR *d = opendir(in_root(folder));
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(d);
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.') {
			count++;
			snprintf(ret_name, 32, "%.31s", entry->d_name);
		}
	closedir(d);
	assert_int_equal(count, 1);
}

static void lock_has_vmwares_form_and_goes_at_the_end(void **state)
{
	struct broker_files f = open_vmx();
	char name[32], path[64], content[600] = "", machine[65], process[65], kind[8];
	unsigned number;
	int fd;

	(void)state;
	assert_int_equal(lock(&f, "disks/piece.vmdk"), 0);
	only_entry("vm/disks/piece.vmdk.lck", name);
	assert_int_equal(strlen(name), 10);
	assert_int_equal(name[0], 'M');
	assert_int_equal(strspn(name + 1, "0123456789"), 5);
	assert_string_equal(name + 6, ".lck");
	snprintf(path, sizeof(path), "vm/disks/piece.vmdk.lck/%.20s", name);
	fd = open(in_root(path), O_RDONLY);
	assert_int_equal(read(fd, content, sizeof(content)), 512); /* what has another size, VMware deletes */
	close(fd);
	assert_int_equal(sscanf(content, "%64s %64s %u %7s [ lc=", machine, process, &number, kind), 4);
	assert_non_null(strchr(process, '-'));
	assert_int_equal(atoi(process), getpid());
	assert_string_equal(kind, "X");
	broker_files_free(&f);
	assert_int_equal(access(in_root("vm/disks/piece.vmdk.lck"), F_OK), -1);
}

static void foreign_lock_refuses_and_is_named(void **state)
{
	static const char *const places[] = { "disk.vmdk", "machine.vmx" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct broker_files f = open_vmx();
		char folder[64], file[96];

		snprintf(folder, sizeof(folder), "vm/%s.lck", places[i]);
		snprintf(file, sizeof(file), "%s/M54321.lck", folder);
		mkdir(in_root(folder), 0700);
		assert_int_equal(judge(&f, "disk.vmdk", START_WRITE_IN_PLACE), 0); /* empty: nobody's */
		write_file(file, "");
		assert_int_equal(judge(&f, "disk.vmdk", START_WRITE_IN_PLACE), -EBUSY);
		assert_non_null(strstr(text, file + 3));
		assert_non_null(strstr(text, "delete the folder"));
		assert_int_equal(access(in_root(file), F_OK), 0); /* never ours to remove */
		unlink(in_root(file));
		rmdir(in_root(folder));
		broker_files_free(&f);
	}
}

static void lock_that_is_no_folder_is_a_lock(void **state)
{
	struct broker_files f = open_vmx();

	(void)state;
	write_file("vm/disk.vmdk.lck", "");
	assert_int_equal(judge(&f, "disk.vmdk", START_WRITE_IN_PLACE), -EBUSY);
	unlink(in_root("vm/disk.vmdk.lck"));
	assert_int_equal(symlink("../outside", in_root("vm/disk.vmdk.lck")), 0);
	assert_int_equal(judge(&f, "disk.vmdk", START_WRITE_IN_PLACE), -EBUSY);
	assert_int_equal(access(in_root("outside/secret.vmdk"), F_OK), 0);
	broker_files_free(&f);
}

static void locked_piece_of_a_disk_is_not_opened(void **state)
{
	struct broker_files f = open_vmx();

	(void)state;
	mkdir(in_root("vm/disks/piece.vmdk.lck"), 0700);
	write_file("vm/disks/piece.vmdk.lck/M00001.lck", "");
	assert_int_equal(lock(&f, "disk.vmdk"), 0);
	assert_int_equal(open_as(&f, OPEN_IN_PLACE, "disks/piece.vmdk", NULL), -EBUSY);
	broker_files_free(&f);
}

/* A piece may be called as the disk is, in another folder. */
static void lock_of_a_name_is_none_of_its_namesake(void **state)
{
	struct broker_files f = open_vmx();

	(void)state;
	write_file("vm/disks/disk.vmdk", "another disk");
	mkdir(in_root("vm/disks/disk.vmdk.lck"), 0700);
	write_file("vm/disks/disk.vmdk.lck/M00001.lck", "");
	assert_int_equal(lock(&f, "disk.vmdk"), 0);
	assert_int_equal(open_as(&f, OPEN_IN_PLACE, "disks/disk.vmdk", NULL), -EBUSY);
	assert_int_equal(open_as(&f, OPEN_IN_PLACE, "disk.vmdk", NULL), 0);
	broker_files_free(&f);
}

/* The judgement, with only so many descriptors left to the process. */
static int judge_with(struct broker_files *f, unsigned descriptors)
{
	struct rlimit all, few;
	int lowest = dup(0), verdict;

	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = (struct rlimit){ (rlim_t)lowest + descriptors, all.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	verdict = judge(f, "disk.vmdk", START_WRITE_IN_PLACE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	return verdict;
}

static int keep_apart(const char *id, const char *drive, const char *content);

/* A hostile core may have the broker run out of descriptors. */
static void what_cannot_be_looked_for_may_be_there(void **state)
{
	struct broker_files f = open_vmx();

	(void)state;
	mkdir(in_root("vm/disk.vmdk.lck"), 0700);
	write_file("vm/disk.vmdk.lck/M00001.lck", "");
	for (unsigned i = 0; i < 8; i++)
		if (judge_with(&f, i) >= 0)
			fail_msg("a lock is not seen with %u descriptors left", i);
	assert_int_equal(judge_with(&f, 8), -EBUSY);
	unlink(in_root("vm/disk.vmdk.lck/M00001.lck"));
	keep_apart(CONTENT_ID, "scsi0:0", "changes");
	for (unsigned i = 0; i < 8; i++)
		if (judge_with(&f, i) >= 0)
			fail_msg("an overlay is not seen with %u descriptors left", i);
	assert_int_equal(judge_with(&f, 8), -EEXIST);
	broker_files_free(&f);
}

static void our_lock_refuses_us_until_its_process_has_ended(void **state)
{
	struct broker_files f = open_vmx();
	char line[2];
	int ready[2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		struct broker_files own = open_vmx();

		lock(&own, "disk.vmdk");
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], line, 1), 1);
	assert_int_equal(lock(&f, "disk.vmdk"), -EBUSY);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(access(in_root("vm/disk.vmdk.lck"), F_OK), 0); /* left behind */
	assert_int_equal(lock(&f, "disk.vmdk"), 0);
	broker_files_free(&f);
	assert_int_equal(access(in_root("vm/disk.vmdk.lck"), F_OK), -1);
	close(ready[0]);
	close(ready[1]);
}

/* ---- what was kept apart ---- */

static int keep_apart(const char *id, const char *drive, const char *content)
{
	struct message_open m = { .role = OPEN_OVERLAY, .machine = "m" };
	struct broker_files f = open_vmx();
	int fd, err;

	strcpy(m.fingerprint, id);
	strcpy(m.name, drive);
	err = broker_files_open(&f, &m, &fd, text);
	assert_int_equal(err, 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
	broker_files_free(&f);
	return 0;
}

static void overlay_with_changes_refuses_and_is_named(void **state)
{
	static const struct {
		const char *id, *drive, *content;
		int code;
	} cases[] = {
		{ CONTENT_ID, "scsi0:0", "", -EAGAIN }, /* made, never written */
		{ CONTENT_ID, "scsi0:0", "changes", -EEXIST },
		{ CONTENT_ID, "ide1:0", "changes", -EEXIST }, /* another disk of the machine as it was */
		{ ID, "scsi0:0", "changes", -EEXIST },
		{ ID, "ide1:0", "changes", -EAGAIN }, /* a disk that is never written in place */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct broker_files f = open_vmx();

		keep_apart(cases[i].id, cases[i].drive, cases[i].content);
		if (judge(&f, "disk.vmdk", 0) != cases[i].code)
			fail_msg("case %zu: %s", i, text);
		if (cases[i].code == -EEXIST)
			assert_non_null(strstr(text, cases[i].drive[0] == 's' ? "/scsi0-0.qcow2" : "/ide1-0.qcow2"));
		broker_files_free(&f);
		remove_tree(in_root("state/vitrine"));
	}
}

/* ---- the person ---- */

static void yes_is_kept_by_the_place_of_the_text(void **state)
{
	struct broker_files f = open_vmx();

	(void)state;
	assert_int_equal(judge(&f, "disk.vmdk", 0), -EAGAIN);
	broker_in_place_answer(&f, true, text);
	assert_string_equal(text, "");
	assert_int_equal(judge(&f, "disk.vmdk", 0), 0);
	broker_files_free(&f);
	f = open_vmx();
	assert_int_equal(judge(&f, "disk.vmdk", 0), 0);
	broker_files_free(&f);
	write_file("vm/machine.vmx2.vmx", "memsize = 64\n");
	assert_int_equal(broker_files_init(&f, in_root("vm/machine.vmx2.vmx"), NULL, text), 0);
	assert_int_equal(judge(&f, "disk.vmdk", 0), -EAGAIN);
	broker_in_place_answer(&f, false, text);
	assert_int_equal(judge(&f, "disk.vmdk", 0), -EPERM);
	broker_files_free(&f);
	assert_int_equal(unlink(in_root("state/vitrine/write-in-place")), 0);
	f = open_vmx();
	assert_int_equal(judge(&f, "disk.vmdk", 0), -EAGAIN);
	broker_files_free(&f);
}

static unsigned lines_of(const char *words)
{
	unsigned count = 1;

	while ((words = strchr(words, '\n'))) {
		words++;
		count++;
	}
	return count;
}

/* An archive can hold folders of any name: none may speak for us, or for another .vmx. */
static void name_of_two_lines_says_and_allows_nothing(void **state)
{
	struct message_question honest, forged;
	struct broker_files f = open_vmx();
	char path[128], beside[128];

	(void)state;
	broker_in_place_question(&f, &honest);
	snprintf(path, sizeof(path), "%s\n%s", f.path, f.path);
	broker_files_free(&f);
	assert_true(strlen(path) < sizeof(path) - 1);

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(path, 0700); /* .../machine.vmx<line's end>/tmp/... */
		*slash = '/';
	}
	snprintf(beside, sizeof(beside), "%.*sdisk.vmdk", (int)(strlen(path) - strlen("machine.vmx")), path);
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(close(open(beside, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(broker_files_init(&f, path, NULL, text), 0);
	broker_in_place_question(&f, &forged);
	assert_int_equal(lines_of(forged.text), lines_of(honest.text));
	broker_files_free(&f);

	f = open_vmx();
	for (unsigned i = 0; i < 2; i++) /* two lines, one after the other */
		broker_in_place_answer(&f, true, text);
	broker_files_free(&f);
	assert_int_equal(broker_files_init(&f, path, NULL, text), 0);
	assert_int_equal(judge(&f, "disk.vmdk", 0), -EAGAIN);
	broker_in_place_answer(&f, true, text);
	assert_non_null(strstr(text, "cannot be kept"));
	broker_files_free(&f);
}

/* ---- the fake core: locks a disk, tells the status, and waits ---- */

static int fake_core(int s)
{
	union message m = { .hello = { .version = PROTOCOL_VERSION } };
	int fds[MESSAGE_MAX_FDS];
	unsigned nfds;

	if (message_receive(s, &m, FROM_BROKER, fds, &nfds) < 0)
		return 7;
	while (nfds)
		close(fds[--nfds]);
	m = (union message){ .hello = { .version = PROTOCOL_VERSION } };
	message_send(s, &m, MESSAGE_HELLO, 0, NULL, 0);
	m.open = about(OPEN_IN_PLACE_LOCK, "disk.vmdk");
	message_send(s, &m, MESSAGE_OPEN, 0, NULL, 0);
	while (message_receive(s, &m, FROM_BROKER, fds, &nfds) == 0) {
		char words[64];

		snprintf(words, sizeof(words), "%d %u", m.header.type == MESSAGE_OPENED ? m.opened.status : 1, nfds);
		m = (union message){ .notice = { .level = NOTICE_INFO } };
		message_copy_text(m.notice.text, sizeof(m.notice.text), words);
		message_send(s, &m, MESSAGE_NOTICE, 0, NULL, 0);
	}
	return 0;
}

static struct broker *start(bool asks, uint32_t flags)
{
	struct broker_options options = { .core_path = "/proc/self/exe",
		                          .appliance = in_root("vm/machine.vmx"),
		                          .mode = START_DESCRIBE,
		                          .flags = flags,
		                          .asks = asks,
		                          .output_fd = -1 };
	struct broker *b;

	if (broker_start(&options, &b, text) < 0)
		fail_msg("%s", text);
	return b;
}

static void expect(struct broker *b, enum message_type type, union message *m)
{
	struct pollfd p = { .fd = broker_socket(b), .events = POLLIN };

	do {
		int r = -EAGAIN;

		while ((r == 0 || r == -EAGAIN) && poll(&p, 1, 10000) > 0)
			r = broker_receive(b, m);
		assert_int_equal(r, 1);
	} while (m->header.type != type);
}

static void expect_told(struct broker *b, const char *words)
{
	union message m;

	expect(b, MESSAGE_NOTICE, &m);
	assert_string_equal(m.notice.text, words);
}

static void person_is_asked_once(void **state)
{
	struct broker *b = start(true, 0);
	union message m;

	(void)state;
	expect(b, MESSAGE_QUESTION, &m);
	assert_int_equal(m.question.kind, QUESTION_IN_PLACE);
	assert_non_null(strstr(m.question.text, "machine.vmx"));
	assert_non_null(strstr(m.question.text, in_root("vm")));
	m = (union message){ .answer = { .accept = 1 } };
	assert_int_equal(broker_send(b, &m, MESSAGE_ANSWER, 0), 0);
	expect_told(b, "0 1");
	assert_int_equal(access(in_root("vm/disk.vmdk.lck"), F_OK), 0);
	broker_free(b);
	assert_int_equal(access(in_root("vm/disk.vmdk.lck"), F_OK), -1);
	b = start(true, 0);
	expect_told(b, "0 1");
	broker_free(b);
}

static void no_person_or_a_no_refuses(void **state)
{
	struct broker *b = start(false, 0);
	union message m;

	(void)state;
	expect_told(b, "-1 0");
	broker_free(b);
	b = start(true, 0);
	expect(b, MESSAGE_QUESTION, &m);
	m = (union message){ .answer = { .accept = 0 } };
	assert_int_equal(broker_send(b, &m, MESSAGE_ANSWER, 0), 0);
	expect_told(b, "-1 0");
	broker_free(b);
	b = start(false, START_WRITE_IN_PLACE);
	expect_told(b, "0 1");
	broker_free(b);
}

static void answer_that_came_too_late_locks_nothing(void **state)
{
	struct broker *b = start(true, 0);
	char words[16];
	union message m;

	(void)state;
	expect(b, MESSAGE_QUESTION, &m);
	mkdir(in_root("vm/machine.vmx.lck"), 0700);
	write_file("vm/machine.vmx.lck/M00001.lck", ""); /* VMware was quicker */
	m = (union message){ .answer = { .accept = 1 } };
	assert_int_equal(broker_send(b, &m, MESSAGE_ANSWER, 0), 0);
	snprintf(words, sizeof(words), "%d 0", -EBUSY);
	expect_told(b, words);
	broker_free(b);
}

static void yes_that_cannot_be_kept_counts_once_and_is_told(void **state)
{
	struct broker *b = start(true, 0);
	union message m;

	(void)state;
	expect(b, MESSAGE_QUESTION, &m);
	mkdir(in_root("state/vitrine/write-in-place"), 0700);
	m = (union message){ .answer = { .accept = 1 } };
	assert_int_equal(broker_send(b, &m, MESSAGE_ANSWER, 0), 0);
	expect(b, MESSAGE_NOTICE, &m);
	assert_int_equal(m.notice.level, NOTICE_WARNING);
	assert_non_null(strstr(m.notice.text, "asked for again"));
	expect_told(b, "0 1");
	broker_free(b);
}

/* The core waits for the answer, and hears nothing else. */
static void power_off_ends_the_question(void **state)
{
	struct broker *b = start(true, 0);
	union message m;
	char words[16];

	(void)state;
	expect(b, MESSAGE_QUESTION, &m);
	assert_int_equal(broker_command(b, COMMAND_POWER_OFF), 0);
	snprintf(words, sizeof(words), "%d 0", -ECANCELED);
	expect_told(b, words);
	broker_free(b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_written_unless_it_was_allowed, prepare, remove_root),
		cmocka_unit_test_setup_teardown(only_disks_of_the_folder_are_written, prepare, remove_root),
		cmocka_unit_test_setup_teardown(absolute_name_within_the_folder_is_a_relative_one, prepare,
		                                remove_root),
		cmocka_unit_test_setup_teardown(one_file_is_written_by_one, prepare, remove_root),
		cmocka_unit_test_setup_teardown(lock_has_vmwares_form_and_goes_at_the_end, prepare, remove_root),
		cmocka_unit_test_setup_teardown(foreign_lock_refuses_and_is_named, prepare, remove_root),
		cmocka_unit_test_setup_teardown(lock_that_is_no_folder_is_a_lock, prepare, remove_root),
		cmocka_unit_test_setup_teardown(locked_piece_of_a_disk_is_not_opened, prepare, remove_root),
		cmocka_unit_test_setup_teardown(lock_of_a_name_is_none_of_its_namesake, prepare, remove_root),
		cmocka_unit_test_setup_teardown(what_cannot_be_looked_for_may_be_there, prepare, remove_root),
		cmocka_unit_test_setup_teardown(our_lock_refuses_us_until_its_process_has_ended, prepare, remove_root),
		cmocka_unit_test_setup_teardown(overlay_with_changes_refuses_and_is_named, prepare, remove_root),
		cmocka_unit_test_setup_teardown(yes_is_kept_by_the_place_of_the_text, prepare, remove_root),
		cmocka_unit_test_setup_teardown(name_of_two_lines_says_and_allows_nothing, prepare, remove_root),
		cmocka_unit_test_setup_teardown(person_is_asked_once, prepare, remove_root),
		cmocka_unit_test_setup_teardown(no_person_or_a_no_refuses, prepare, remove_root),
		cmocka_unit_test_setup_teardown(answer_that_came_too_late_locks_nothing, prepare, remove_root),
		cmocka_unit_test_setup_teardown(yes_that_cannot_be_kept_counts_once_and_is_told, prepare, remove_root),
		cmocka_unit_test_setup_teardown(power_off_ends_the_question, prepare, remove_root),
	};

	if (argc == 3 && !strcmp(argv[1], "--core-fd"))
		return fake_core(atoi(argv[2]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
