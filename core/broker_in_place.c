/* SPDX-License-Identifier: MIT */
#include "core/broker_in_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/broker_files.h"
#include "vmformat/bytes.h"

#define CONSENT "write-in-place" /* beside the state folders: a path of a .vmx on each line */
#define CONSENT_MAX 65536        /* bytes of it that are read: hundreds of machines */
#define MAX_LOCKS 256            /* disks of a machine */
#define LOCK_SUFFIX ".lck"

/*
 * What VMware's programs write into a lock's file (seen in such files, and told by the open-vm-tools' description
 * of them): 512 bytes, text, filled up with zeros: whose computer, which process, its number in the queue, X for
 * exclusive, no payload, and properties. A computer's name that is not VMware's own for this one is never taken
 * for a crashed process of this computer.
 */
#define LOCK_BYTES 512
#define LOCK_WORDS "%s%d-%lld(vitrine) 1 X [ lc=0"

struct lock {
	int parent, folder, file; /* descriptors: what the disk lies in, NAME.lck in it, the file in that */
	char folder_name[NAME_MAX + 1], file_name[16];
	char disk[MESSAGE_NAME]; /* from the .vmx's folder on */
};

struct broker_in_place {
	bool granted, refused;
	unsigned count;
	struct lock locks[MAX_LOCKS];
};

static struct broker_in_place *need_state(struct broker_files *f)
{
	if (!f->in_place)
		f->in_place = calloc(1, sizeof(*f->in_place));
	return f->in_place;
}

/* ---- names ---- */

static bool ends_in(const char *name, const char *ending)
{
	size_t length = strlen(name), wanted = strlen(ending);

	return length > wanted && strcasecmp(name + length - wanted, ending) == 0;
}

/* As the core spells it -> from the .vmx's folder on; NULL: not to be written, and text says why. */
static const char *disk_name(const struct broker_files *f, const char *written, char text[MESSAGE_TEXT])
{
	const char *name = broker_relative_name(f, written);

	if (name[0] == '/' || !strncmp(name, "../", 3) || strstr(name, "/../")) {
		broker_say(text, -EXDEV, "%s lies outside the folder of %s; only what is in there is written in place",
		           written, f->name);
		return NULL;
	}
	if (broker_is_hidden(name) || !(ends_in(name, ".vmdk") || ends_in(name, ".img") || ends_in(name, ".raw"))) {
		broker_say(text, -EACCES,
		           "%s has no name that a disk has (.vmdk, .img, .raw), so Vitrine does not let it be written",
		           written);
		return NULL;
	}
	return name;
}

static int explain(const char *name, int code, char text[MESSAGE_TEXT])
{
	switch (code) {
	case -EXDEV:
		return broker_say(text, code, "%s leads out of its folder; it is not written in place", name);
	case -ELOOP:
		return broker_say(text, code, "%s is or passes through a symbolic link; it is not written in place",
		                  name);
	default:
		return broker_say(text, code, "%s cannot be written: %s", name, strerror(-code));
	}
}

/* ---- the person's yes ---- */

/* Does one of the lines name this .vmx? A path of two lines names none. */
static bool lists(const char *consents, const char *path)
{
	size_t length = strlen(path);

	if (strchr(path, '\n'))
		return false;

	for (const char *line = consents; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		if (!strncmp(line, path, length) && line[length] == '\n')
			return true;
	return false;
}

static bool is_consented(const struct broker_files *f)
{
	char home[PATH_MAX], text[MESSAGE_TEXT], *consents = calloc(1, CONSENT_MAX + 1);
	int home_fd = consents ? broker_state_home(home, text) : -1;
	int fd = home_fd >= 0 ? broker_open_beneath(home_fd, CONSENT, O_RDONLY | O_NONBLOCK, 0) : -1;
	bool found = fd >= 0 && read(fd, consents, CONSENT_MAX) > 0 && lists(consents, f->path);

	if (fd >= 0)
		close(fd);
	if (home_fd >= 0)
		close(home_fd);
	free(consents);
	return found;
}

static int keep_consent(const struct broker_files *f)
{
	char home[PATH_MAX], text[MESSAGE_TEXT], line[PATH_MAX + 2];
	int n = snprintf(line, sizeof(line), "%s\n", f->path), home_fd, fd, err;

	if (strchr(f->path, '\n'))
		return -EINVAL;
	home_fd = broker_state_home(home, text);
	if (home_fd < 0)
		return home_fd;
	fd = broker_open_beneath(home_fd, CONSENT, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0600);
	close(home_fd);
	if (fd < 0)
		return fd;
	err = write(fd, line, (size_t)n) == n ? 0 : -EIO;
	close(fd);
	return err;
}

void broker_in_place_question(const struct broker_files *f, struct message_question *ret_question)
{
	char name[MESSAGE_TEXT], folder[MESSAGE_TEXT], text[MESSAGE_TEXT];

	broker_say(name, 0, "%s", f->name); /* one line each: the others are ours */
	broker_say(folder, 0, "%s", f->folder_path);
	snprintf(text, sizeof(text),
	         "%.200s has vitrine.writeInPlace. What the machine writes is then not kept apart, but goes into the "
	         "disks "
	         "in %.400s and the folders in it (.vmdk, .img, .raw), as VMware does it:\n"
	         "\xe2\x80\xa2 VMware can go on with them\n"
	         "\xe2\x80\xa2 there is no way back to how they are now",
	         name, folder);
	*ret_question =
		(struct message_question){ .header = { .type = MESSAGE_QUESTION, .length = sizeof(*ret_question) },
		                           .kind = QUESTION_IN_PLACE };
	message_copy_text(ret_question->text, sizeof(ret_question->text), text);
	message_copy_text(ret_question->accept, sizeof(ret_question->accept), "Change the Disks");
	message_copy_text(ret_question->reject, sizeof(ret_question->reject), "Keep Changes Apart");
}

void broker_in_place_answer(struct broker_files *f, bool accept, char text[MESSAGE_TEXT])
{
	struct broker_in_place *p = need_state(f);
	int err = accept ? keep_consent(f) : 0;

	text[0] = 0;
	if (p) {
		p->granted = accept;
		p->refused = !accept;
	}
	if (err)
		broker_say(text, err, "What you allowed cannot be kept (%s): it will be asked for again",
		           strerror(-err));
}

/* ---- what was kept apart before ---- */

static bool is_overlay(const char *entry, const char *drive)
{
	char own[64];

	if (!drive)
		return ends_in(entry, ".qcow2");
	snprintf(own, sizeof(own), "%.40s.qcow2", drive);
	if (strchr(own, ':'))
		*strchr(own, ':') = '-'; /* as open_overlay() of broker_files.c calls it */
	return strcmp(entry, own) == 0;
}

/* 1: there is an overlay that has something in it, by that name. drive NULL: of any drive. */
static int find_overlay(int folder_fd, const char *drive, char ret_name[NAME_MAX + 1])
{
	DIR *folder = broker_list_folder(folder_fd);
	struct dirent *entry;
	struct stat st;
	int found = folder ? 0 : -errno;

	while (!found && (entry = readdir(folder))) {
		found = is_overlay(entry->d_name, drive) &&
		        fstatat(folder_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0;
		snprintf(ret_name, NAME_MAX + 1, "%s", entry->d_name);
	}
	if (folder)
		closedir(folder);
	return found;
}

static int refuse_overlay(const struct broker_files *f, int home_fd, const char *home, const char *fingerprint,
                          const char *drive, char text[MESSAGE_TEXT])
{
	char name[NAME_MAX + 1], *entry = NULL;
	int fd = -1, err = broker_find_state_folder(f, home_fd, fingerprint, &entry);

	if (err == 1) {
		fd = broker_open_beneath(home_fd, entry, O_RDONLY | O_DIRECTORY, 0);
		err = fd < 0 ? fd : find_overlay(fd, drive, name);
	}
	if (err < 0) /* what cannot be seen may be there */
		broker_say(text, err, "%s cannot be looked through for what %s has changed so far: %s", home, f->name,
		           strerror(-err));
	else if (err == 1)
		err = broker_say(
			text, -EEXIST,
			"What %s has changed so far is kept apart, in %s/%s/%s. It would be lost if the disk below it "
			"were changed now. Take vitrine.writeInPlace out of %s to go on with it, or delete that file "
			"to go on with the disk as it is",
			f->name, home, entry, name, f->name);
	if (fd >= 0)
		close(fd);
	free(entry);
	return err;
}

/* The state folder that this machine would have if its disks were only read is known by their content, the other
 * one not. */
static int check_overlays(const struct broker_files *f, const struct message_open *m, char text[MESSAGE_TEXT])
{
	char home[PATH_MAX];
	int home_fd, err;

	if (!broker_fingerprint_is_sound(m->fingerprint) || !broker_fingerprint_is_sound(m->content) ||
	    !broker_drive_is_sound(m->drive))
		return broker_say(text, -EINVAL, "The core asked for a disk by a fingerprint or name that is none");
	home_fd = broker_state_home(home, text);
	if (home_fd < 0)
		return home_fd;
	err = refuse_overlay(f, home_fd, home, m->content, NULL, text);
	if (!err)
		err = refuse_overlay(f, home_fd, home, m->fingerprint, m->drive, text);
	close(home_fd);
	return err;
}

/* ---- locks of others ---- */

#define OWNER 80 /* bytes of "vitrine@host " */

static void own_name(char ret_name[OWNER])
{
	char host[64] = "localhost";

	gethostname(host, sizeof(host) - 1);
	for (char *c = host; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == '=' || (unsigned char)*c >= 0x7f)
			*c = '-'; /* blanks are between words */
	snprintf(ret_name, OWNER, "vitrine@%s ", host);
}

/* Our lock of a process of this computer that has ended: nobody holds its file any more. */
static bool is_our_stale(int folder_fd, const char *entry)
{
	char own[OWNER], head[OWNER] = "";
	int fd = openat(folder_fd, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool stale;

	own_name(own);
	stale = fd >= 0 && read(fd, head, strlen(own)) == (ssize_t)strlen(own) && !strcmp(head, own) &&
	        flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd >= 0)
		close(fd);
	return stale;
}

/* Finds what another program holds in the folder, or that it cannot be looked into (ret_name ""); our own leavings
 * are removed. own: the file that is not another's, or NULL. */
static bool find_foreign(int folder_fd, const char *own, char ret_name[NAME_MAX + 1])
{
	DIR *folder = broker_list_folder(folder_fd);
	struct dirent *entry;
	bool found = !folder;

	ret_name[0] = 0;
	while (!found && (entry = readdir(folder))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || (own && !strcmp(entry->d_name, own)))
			continue;
		if (is_our_stale(folder_fd, entry->d_name) && unlinkat(folder_fd, entry->d_name, 0) == 0)
			continue;
		found = true;
		snprintf(ret_name, NAME_MAX + 1, "%s", entry->d_name);
	}
	if (folder)
		closedir(folder);
	return found;
}

static int refuse_locked(const struct broker_files *f, const char *name, const char *entry, char text[MESSAGE_TEXT])
{
	return broker_say(text, -EBUSY,
	                  "%s is locked by VMware or another Vitrine (%s/%s" LOCK_SUFFIX
	                  "%s%s). Close the machine there first. If "
	                  "nobody runs it, the lock was left by a crash: delete the folder %s" LOCK_SUFFIX,
	                  name, f->folder_path, name, *entry ? "/" : "", entry, name);
}

/* A lock that cannot be looked into is a lock. */
static int check_lock(const struct broker_files *f, const char *name, char text[MESSAGE_TEXT])
{
	char folder_name[MESSAGE_NAME + sizeof(LOCK_SUFFIX)], entry[NAME_MAX + 1] = "";
	int fd, err = 0;

	snprintf(folder_name, sizeof(folder_name), "%s" LOCK_SUFFIX, name);
	fd = broker_open_beneath(f->folder_fd, folder_name, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0 || find_foreign(fd, NULL, entry))
		err = refuse_locked(f, name, entry, text);
	if (fd >= 0)
		close(fd);
	return err;
}

/* A name that leads elsewhere is not one that somebody has locked. */
static int check_exists(const struct broker_files *f, const char *name, char text[MESSAGE_TEXT])
{
	int fd = broker_open_beneath(f->folder_fd, name, O_RDONLY | O_NONBLOCK, 0);

	if (fd < 0)
		return explain(name, fd, text);
	close(fd);
	return 0;
}

int broker_in_place_judge(struct broker_files *f, const struct message_open *m, uint32_t start_flags,
                          char text[MESSAGE_TEXT])
{
	struct broker_in_place *p = need_state(f);
	const char *name;
	int err;

	if (!p)
		return broker_say(text, -ENOMEM, "Out of memory");
	if (!broker_is_edited_by_people(f) || start_flags & START_AS_DOWNLOADED)
		return broker_say(text, -EPERM, "%s is not to be changed in this run", f->name);
	name = disk_name(f, m->name, text);
	if (!name)
		return -EACCES;
	err = check_exists(f, name, text);
	if (!err)
		err = check_overlays(f, m, text);
	if (!err)
		err = check_lock(f, f->name, text); /* VMware's of the whole machine */
	if (!err)
		err = check_lock(f, name, text);
	if (err)
		return err;
	if (p->refused)
		return broker_say(text, -EPERM, "changing the disks themselves was not allowed");
	p->granted = p->granted || start_flags & START_WRITE_IN_PLACE || is_consented(f);
	return p->granted ? 0 : -EAGAIN;
}

/* ---- our lock ---- */

static void lock_release(struct lock *l)
{
	if (l->folder >= 0 && *l->file_name)
		unlinkat(l->folder, l->file_name, 0);
	if (l->parent >= 0 && l->folder >= 0)
		unlinkat(l->parent, l->folder_name, AT_REMOVEDIR); /* stays if another program's lock is in it */
	if (l->file >= 0)
		close(l->file);
	if (l->folder >= 0)
		close(l->folder);
	if (l->parent >= 0)
		close(l->parent);
}

static int write_lock(const struct lock *l)
{
	char words[LOCK_BYTES] = "", own[OWNER];

	own_name(own);
	snprintf(words, sizeof(words), LOCK_WORDS, own, (int)getpid(), (long long)time(NULL));
	return write(l->file, words, sizeof(words)) == sizeof(words) ? 0 : -EIO;
}

/* "disks/a.vmdk": the folder disks, and in it a.vmdk.lck with a file of ours. */
static int lock_take(const struct broker_files *f, const char *name, struct lock *l)
{
	const char *slash = strrchr(name, '/');
	char parent[MESSAGE_NAME];
	unsigned number;

	snprintf(l->disk, sizeof(l->disk), "%s", name);
	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - name) : 1, slash ? name : ".");
	if (snprintf(l->folder_name, sizeof(l->folder_name), "%s" LOCK_SUFFIX, slash ? slash + 1 : name) >
	    (int)sizeof(l->folder_name) - 1)
		return -ENAMETOOLONG;
	l->parent = broker_open_beneath(f->folder_fd, parent, O_RDONLY | O_DIRECTORY, 0);
	if (l->parent < 0)
		return l->parent;
	if (mkdirat(l->parent, l->folder_name, 0777) < 0 && errno != EEXIST)
		return -errno;
	l->folder = broker_open_beneath(l->parent, l->folder_name, O_RDONLY | O_DIRECTORY, 0);
	if (l->folder < 0)
		return l->folder;
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -EIO;
	snprintf(l->file_name, sizeof(l->file_name), "M%05u.lck", number % 100000);
	l->file = openat(l->folder, l->file_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (l->file < 0) {
		l->file_name[0] = 0;
		return -errno;
	}
	if (flock(l->file, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return write_lock(l);
}

int broker_in_place_lock(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT])
{
	struct broker_in_place *p = need_state(f);
	struct lock l = { .parent = -1, .folder = -1, .file = -1 };
	char foreign[NAME_MAX + 1];
	const char *name;
	int err;

	if (!p || !p->granted || p->count == MAX_LOCKS)
		return broker_say(text, -EPERM, "The core asked for a disk to be locked, which nobody has allowed");
	name = disk_name(f, m->name, text);
	if (!name)
		return -EACCES;
	err = lock_take(f, name, &l);
	if (err)
		broker_say(text, err,
		           "%s cannot be locked against VMware (%s/%s" LOCK_SUFFIX
		           ": %s), so it is not written in place",
		           name, f->folder_path, name, strerror(-err));
	else if (find_foreign(l.folder, l.file_name, foreign)) /* it came at the same moment */
		err = refuse_locked(f, name, foreign, text);
	*ret_fd = err ? -1 : fcntl(l.file, F_DUPFD_CLOEXEC, 0);
	if (!err && *ret_fd < 0)
		err = broker_say(text, -errno, "%s: %s", name, strerror(errno));
	if (err)
		lock_release(&l);
	else
		p->locks[p->count++] = l;
	return err;
}

void broker_in_place_free(struct broker_files *f)
{
	for (unsigned i = 0; f->in_place && i < f->in_place->count; i++)
		lock_release(&f->in_place->locks[i]);
	free(f->in_place);
	f->in_place = NULL;
}

/* ---- files for writing ---- */

/* Is this the disk that we have locked ourselves? */
static bool is_locked_by_us(const struct broker_in_place *p, const char *name)
{
	for (unsigned i = 0; i < p->count; i++)
		if (!strcmp(p->locks[i].disk, name))
			return true;
	return false;
}

/* A second name of the file may be anywhere, and would change with it. */
static int check_alone(int fd, const char *name, char text[MESSAGE_TEXT])
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return broker_say(text, -errno, "%s: %s", name, strerror(errno));
	if (st.st_nlink != 1)
		return broker_say(text, -EMLINK,
		                  "%s is one file under %lu names (hard links), which would all change; it is not "
		                  "written in place. Make a copy of it",
		                  name, (unsigned long)st.st_nlink);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return broker_say(text, errno == EWOULDBLOCK ? -EBUSY : -errno,
		                  errno == EWOULDBLOCK ? "%s is in use by another machine, or twice by this one. Close "
		                                         "the other one first"
		                                       : "%s cannot be locked, so it is not written in place",
		                  name);
	return 0;
}

int broker_in_place_open(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT])
{
	const struct broker_in_place *p = f->in_place;
	const char *name;
	int fd, err;

	if (!p || !p->granted || p->count == 0)
		return broker_say(text, -EPERM, "The core asked to write %s, which nobody has allowed", m->name);
	name = disk_name(f, m->name, text);
	if (!name)
		return -EACCES;
	fd = broker_open_beneath(f->folder_fd, name, O_RDWR | O_NONBLOCK, 0);
	if (fd < 0)
		return explain(name, fd, text);
	err = broker_keep_regular(fd, name, ret_fd, text);
	if (err)
		return err;
	err = check_alone(*ret_fd, name, text);
	if (!err && !is_locked_by_us(p, name))
		err = check_lock(f, name, text);
	if (err) {
		close(*ret_fd);
		*ret_fd = -1;
	}
	return err;
}
