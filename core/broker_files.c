/* SPDX-License-Identifier: MIT */
/*
 * Which files a core gets. Names of the appliance lead beneath its folder or nowhere; the state folder is found by
 * the fingerprint of the content, and bound to the appliance that it was made for.
 *
 * The binding: a core taken over by a hostile appliance may claim the fingerprint of another one and so ask for that
 * one's overlay. The file `origin` in each state folder names the appliance it was made for, and keeps its size and how
 * it begins; while that file is still where it was, another one of the same fingerprint (a copy, or a liar) gets a
 * folder of its own. A moved file, or one that was downloaded again, finds its state, because nothing is left at the old
 * place and it begins as that one did. Whatever else lies in that place later, or gets that inode, does not. Only a
 * .vmx, which people edit, is known by its place alone.
 */
#include "core/broker_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/broker_in_place.h"
#include "vmformat/bytes.h"
#include "vmformat/keep.h"

#define FINGERPRINT_DIGITS 32
#define NAME_BYTES 100             /* of a state folder's name before its id: leaves room below NAME_MAX for suffixes */
#define HEAD_BYTES 65536           /* of the appliance in `origin`: a whole text, also where it begins a tar */
#define LINE_BYTES (PATH_MAX + 96) /* of `origin`, before that */
#define MAX_COPIES 64              /* state folders of one fingerprint: more copies of one download than anyone plays */

int broker_say(char text[MESSAGE_TEXT], int code, const char *format, ...)
{
	char raw[MESSAGE_TEXT];
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	/* The sentence ends on terminals and quotes foreign names: no escape sequences. */
	for (char *p = raw; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	message_copy_text(text, MESSAGE_TEXT, raw);
	return code;
}

int broker_open_beneath(int folder_fd, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOCTTY),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, folder_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Keeps fd only if it is a regular file; makes reads block again (O_NONBLOCK was for FIFOs and devices). */
int broker_keep_regular(int fd, const char *name, int *ret_fd, char text[MESSAGE_TEXT])
{
	struct stat st = { 0 };
	int flags = fcntl(fd, F_GETFL);

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0) {
		close(fd);
		if (S_ISDIR(st.st_mode))
			return broker_say(text, -EISDIR, "%s is a folder; open the appliance's file in it", name);
		return broker_say(text, -EINVAL, "%s is not a regular file; Vitrine opens only files", name);
	}
	*ret_fd = fd;
	return 0;
}

int broker_open_regular(int folder_fd, const char *path, int flags, int *ret_fd, char text[MESSAGE_TEXT])
{
	int fd = openat(folder_fd, path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return broker_say(text, -errno, "%s: %s", path, strerror(errno));
	return broker_keep_regular(fd, path, ret_fd, text);
}

/* Who reads a disk keeps others from writing it in place, and the other way round. Where files cannot be locked,
 * nothing is. */
static int read_lock(int fd, const char *name, char text[MESSAGE_TEXT])
{
	if (flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 0;
	return broker_say(text, -EBUSY,
	                  "%s is being changed by another machine (vitrine.writeInPlace). Close that one first", name);
}

/* ---- the appliance and its folder ---- */

/* The real path of an open file, so that a link on the desktop finds the files beside the real one. */
static char *real_path(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0 || path[0] != '/')
		return NULL;
	path[n] = 0;
	return strdup(path);
}

/* Only kept and compared, never understood. */
static int read_head(struct broker_files *f)
{
	ssize_t n;

	f->head = malloc(HEAD_BYTES);
	n = f->head ? pread(f->appliance_fd, f->head, HEAD_BYTES, 0) : -1;
	if (n < 0)
		return -EIO;
	f->head_length = (size_t)n;
	return 0;
}

static int copy_allowed(struct broker_files *f, const char *const *allowed)
{
	size_t count = 0;

	if (!allowed)
		return 0;
	while (allowed[count])
		count++;
	f->allowed = calloc(count + 1, sizeof(*f->allowed));
	for (size_t i = 0; f->allowed && i < count; i++)
		if (!(f->allowed[i] = strdup(allowed[i])))
			return -ENOMEM;
	return f->allowed ? 0 : -ENOMEM;
}

int broker_files_init(struct broker_files *f, const char *path, const char *const *allowed, char text[MESSAGE_TEXT])
{
	struct stat st;
	char *slash;
	int err;

	*f = (struct broker_files){ .appliance_fd = -1, .folder_fd = -1, .state_fd = -1 };
	err = broker_open_regular(AT_FDCWD, path, O_RDONLY, &f->appliance_fd, text);
	if (err)
		return err;
	err = read_lock(f->appliance_fd, path, text);
	if (err)
		return err;
	f->path = real_path(f->appliance_fd);
	if (!f->path || fstat(f->appliance_fd, &st) < 0 || copy_allowed(f, allowed) < 0 || read_head(f) < 0)
		return broker_say(text, -EIO, "%s: its real place cannot be found out (is /proc mounted?)", path);
	f->device = st.st_dev;
	f->inode = st.st_ino;
	f->size = st.st_size;
	slash = strrchr(f->path, '/');
	f->name = slash + 1;
	f->folder_path = slash == f->path ? strdup("/") : strndup(f->path, (size_t)(slash - f->path));
	f->folder_fd = f->folder_path ? open(f->folder_path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (f->folder_fd < 0)
		return broker_say(text, -errno, "%s: its folder cannot be opened: %s", path, strerror(errno));
	return 0;
}

void broker_files_free(struct broker_files *f)
{
	int fds[] = { f->appliance_fd, f->folder_fd, f->state_fd };

	broker_in_place_free(f);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (size_t i = 0; f->allowed && f->allowed[i]; i++)
		free(f->allowed[i]);
	free(f->allowed);
	free(f->head);
	free(f->path);
	free(f->folder_path);
	free(f->state_path);
	free(f->state_name);
	free(f->configuration);
	*f = (struct broker_files){ .appliance_fd = -1, .folder_fd = -1, .state_fd = -1 };
}

/* ---- OPEN_NAMED ---- */

static bool is_allowed(const struct broker_files *f, const char *name)
{
	for (size_t i = 0; f->allowed && f->allowed[i]; i++)
		if (!strcmp(f->allowed[i], name))
			return true;
	return false;
}

/* An absolute name that leads into the appliance's own folder is only a clumsy relative one. */
const char *broker_relative_name(const struct broker_files *f, const char *name)
{
	size_t length = strlen(f->folder_path);

	return !strncmp(name, f->folder_path, length) && name[length] == '/' ? name + length + 1 : name;
}

static int refuse_outside(const struct broker_files *f, const char *name, char text[MESSAGE_TEXT])
{
	/* The command may be pasted into a shell: a name with a quote in it would be more than a name there. */
	if (strchr(name, '\'') || strchr(f->name, '\''))
		return broker_say(
			text, -EXDEV,
			"%s asks for %s, which lies outside its folder %s. Vitrine opens only files of that folder; "
			"put it there if you trust the appliance with it",
			f->name, name, f->folder_path);
	return broker_say(
		text, -EXDEV,
		"%s asks for %s, which lies outside its folder %s. Vitrine opens only files of that folder unasked; if "
		"you trust the appliance with this one, start it with: vitrine-core --headless --allow '%s' '%s'",
		f->name, name, f->folder_path, name, f->name);
}

static int explain_name(const struct broker_files *f, const char *name, int code, char text[MESSAGE_TEXT])
{
	switch (code) {
	case -EXDEV:
		return refuse_outside(f, name, text);
	case -ENOENT:
	case -ENOTDIR:
		return broker_say(
			text, code,
			"%s needs the file %s, which is not in %s. If it was downloaded in several pieces, put "
			"them all into one folder",
			f->name, name, f->folder_path);
	case -ELOOP:
		return broker_say(text, code,
		                  "%s asks for %s, which is or passes through a symbolic link; Vitrine does not follow "
		                  "the links of an appliance. Put the real file there",
		                  f->name, name);
	case -ENOSYS:
		return broker_say(
			text, code,
			"This kernel lacks openat2 (Linux 5.6), without which Vitrine cannot keep an appliance "
			"within its folder; %s was not opened",
			name);
	default:
		return broker_say(text, code, "%s asks for %s: %s", f->name, name, strerror(-code));
	}
}

/* A component that begins with a dot: ".ssh/id_rsa", if the download lies in the home folder. No maker names a disk so. */
bool broker_is_hidden(const char *name)
{
	for (const char *at = name; at; at = strchr(at, '/'), at = at ? at + 1 : NULL)
		if (at[0] == '.' && at[1] != '/' && at[1] && strncmp(at, "../", 3) && strcmp(at, ".."))
			return true;
	return false;
}

static int refuse_hidden(const struct broker_files *f, const char *name, char text[MESSAGE_TEXT])
{
	return broker_say(
		text, -EACCES,
		"%s asks for the hidden file %s; Vitrine opens none for an appliance. If it really belongs to it, "
		"rename it and its name in the appliance's text",
		f->name, name);
}

static int open_named(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT])
{
	const char *name = broker_relative_name(f, m->name);
	int fd, err;

	if (is_allowed(f, m->name))
		return broker_open_regular(f->folder_fd, m->name, O_RDONLY, ret_fd, text);
	if (!name[0])
		return broker_say(text, -EINVAL, "%s names a file without a name", f->name);
	if (name[0] == '/')
		return refuse_outside(f, m->name, text);
	if (broker_is_hidden(name))
		return refuse_hidden(f, m->name, text);
	fd = broker_open_beneath(f->folder_fd, name, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return explain_name(f, m->name, fd, text);
	err = broker_keep_regular(fd, m->name, ret_fd, text);
	if (err)
		return err;
	err = read_lock(*ret_fd, m->name, text);
	if (err) {
		close(*ret_fd);
		*ret_fd = -1;
	}
	return err;
}

/* ---- the state folder ---- */

/* `name` of the machine as the beginning of a folder's name: no path, no hidden file, no surprise on a command line. */
static void folder_name(const char *machine, char ret_name[NAME_BYTES + 1])
{
	static const char awkward[] = "/\\:*?\"<>|'`$&;!";
	size_t used = 0;

	message_copy_text(ret_name, NAME_BYTES + 1, machine); /* cut at a character */
	for (char *p = ret_name; *p; p++) {
		char c = *p;

		if ((unsigned char)c < 0x20 || c == 0x7f || strchr(awkward, c))
			c = '_';
		else if (c == ' ')
			c = '-';
		if (used == 0 && (c == '.' || c == '-'))
			continue;
		ret_name[used++] = c;
	}
	ret_name[used] = 0;
	if (!used)
		strcpy(ret_name, "appliance");
}

bool broker_fingerprint_is_sound(const char *text)
{
	return strlen(text) == FINGERPRINT_DIGITS && strspn(text, "0123456789abcdef") == FINGERPRINT_DIGITS;
}

static int make_folders(const char *path)
{
	char part[PATH_MAX];

	if (strlen(path) >= sizeof(part))
		return -ENAMETOOLONG;
	strcpy(part, path);
	for (char *p = part + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = 0;
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
		if (!c)
			return 0;
		*p = c;
	}
}

/* $XDG_STATE_HOME/vitrine, made on demand (XDG Base Directory Specification: relative paths are to be ignored). */
int broker_state_home(char ret_path[PATH_MAX], char text[MESSAGE_TEXT])
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int err, fd, n;

	if (state && state[0] == '/')
		n = snprintf(ret_path, PATH_MAX, "%s/vitrine", state);
	else if (home && home[0] == '/')
		n = snprintf(ret_path, PATH_MAX, "%s/.local/state/vitrine", home);
	else
		return broker_say(
			text, -ENOENT,
			"Neither HOME nor XDG_STATE_HOME says where to keep what the machine writes; set one");
	err = n < PATH_MAX ? make_folders(ret_path) : -ENAMETOOLONG;
	if (err)
		return broker_say(text, err, "%s, where the machine's changes are kept, cannot be made: %s", ret_path,
		                  strerror(-err));
	fd = open(ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return broker_say(text, -errno, "%s: %s", ret_path, strerror(errno));
	return fd;
}

/* Who a state folder belongs to, as its file `origin` says. */
enum owner { OWNER_US, OWNER_GONE /* it moved, maybe to where we are */, OWNER_OTHER };

bool broker_is_edited_by_people(const struct broker_files *f)
{
	size_t length = strlen(f->name);

	return length > 4 && !strcasecmp(f->name + length - 4, ".vmx");
}

static enum owner judge_origin(const struct broker_files *f, const char *origin, size_t length)
{
	unsigned long long device, inode, size;
	const char *head = memchr(origin, '\n', length);
	char line[LINE_BYTES], path[PATH_MAX];
	bool same, here;
	struct stat st;

	if (!head || head - origin >= LINE_BYTES)
		return OWNER_OTHER;
	snprintf(line, sizeof(line), "%.*s", (int)(head - origin), origin);
	if (sscanf(line, "%llu %llu %llu %4095[^\n]", &device, &inode, &size, path) != 4)
		return OWNER_OTHER;
	length -= (size_t)(++head - origin);
	same = size == (unsigned long long)f->size && length == f->head_length && !memcmp(head, f->head, length);
	here = !strcmp(path, f->path) || (device == f->device && inode == f->inode);
	if (here && (same || broker_is_edited_by_people(f)))
		return OWNER_US;
	if (!here && stat(path, &st) == 0 && st.st_dev == device && st.st_ino == inode)
		return OWNER_OTHER;
	return same ? OWNER_GONE : OWNER_OTHER;
}

/* enum owner; or -errno, which is no answer. */
static int owner_of(const struct broker_files *f, int state_fd)
{
	const size_t room = LINE_BYTES + HEAD_BYTES;
	int fd = broker_open_beneath(state_fd, "origin", O_RDONLY | O_NONBLOCK, 0);
	enum owner owner = OWNER_OTHER;
	char *origin;
	ssize_t n;

	if (fd < 0)
		return fd == -ENOENT ? OWNER_GONE : fd; /* made by hand */
	origin = malloc(room);
	n = origin ? read(fd, origin, room) : -1;
	if (n > 0)
		owner = judge_origin(f, origin, (size_t)n);
	free(origin);
	close(fd);
	return owner;
}

static int write_origin(const struct broker_files *f, int state_fd)
{
	char line[LINE_BYTES];
	int n = snprintf(line, sizeof(line), "%llu %llu %llu %s\n", (unsigned long long)f->device,
	                 (unsigned long long)f->inode, (unsigned long long)f->size, f->path);
	struct iovec parts[] = { { line, (size_t)n }, { f->head, f->head_length } };
	int fd = broker_open_beneath(state_fd, "origin", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int err = fd < 0 ? fd : writev(fd, parts, 2) == (ssize_t)(parts[0].iov_len + parts[1].iov_len) ? 0 : -EIO;

	if (fd >= 0)
		close(fd);
	return err;
}

#define COPY_DIGITS 2 /* of MAX_COPIES; so another id, which may be all digits, is never taken for a copy's number */

/* True for `<anything>-<id>` and its copies `<anything>-<id>-2`. ret_length: of <anything>. */
static bool has_fingerprint(const char *entry, const char *fingerprint, size_t *ret_length)
{
	const char *id = strstr(entry, fingerprint);
	const char *rest = id ? id + FINGERPRINT_DIGITS : NULL;

	if (!id || id < entry + 2 || id[-1] != '-')
		return false;
	*ret_length = (size_t)(id - 1 - entry);
	return !*rest || (*rest == '-' && rest[1] && strlen(rest + 1) <= COPY_DIGITS &&
	                  strspn(rest + 1, "0123456789") == strlen(rest + 1));
}

DIR *broker_list_folder(int folder_fd)
{
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

	if (fd >= 0 && !folder)
		close(fd);
	return folder;
}

static int owner_of_entry(const struct broker_files *f, int home_fd, const char *entry)
{
	int owner, fd = broker_open_beneath(home_fd, entry, O_RDONLY | O_DIRECTORY, 0);

	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return fd;
	if (fd < 0)
		return OWNER_OTHER; /* no folder, or one that we may not look into */
	owner = owner_of(f, fd);
	close(fd);
	return owner;
}

int broker_find_state_folder(const struct broker_files *f, int home_fd, const char *fingerprint, char **ret_name)
{
	DIR *folder = broker_list_folder(home_fd);
	int best = OWNER_OTHER;
	struct dirent *entry;
	size_t length;

	*ret_name = NULL;
	if (!folder)
		return -errno;
	while (best >= 0 && (entry = readdir(folder))) {
		int owner = has_fingerprint(entry->d_name, fingerprint, &length)
		                    ? owner_of_entry(f, home_fd, entry->d_name)
		                    : OWNER_OTHER;

		if (owner >= best)
			continue;
		best = owner;
		free(*ret_name);
		*ret_name = owner < 0 ? NULL : strdup(entry->d_name);
	}
	closedir(folder);
	if (best == OWNER_US || best == OWNER_GONE)
		return *ret_name ? 1 : -ENOMEM;
	return best == OWNER_OTHER ? 0 : best;
}

static int make_state_folder(int home_fd, const char *fingerprint, const char *machine, char **ret_name)
{
	char name[NAME_BYTES + 1];

	folder_name(machine, name);
	for (unsigned copy = 1; copy <= MAX_COPIES; copy++) {
		char suffix[8] = "";

		if (copy > 1)
			snprintf(suffix, sizeof(suffix), "-%u", copy);
		if (asprintf(ret_name, "%s-%s%s", name, fingerprint, suffix) < 0)
			return -ENOMEM;
		if (mkdirat(home_fd, *ret_name, 0700) == 0)
			return 0;
		free(*ret_name);
		*ret_name = NULL;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int bind_state_folder(struct broker_files *f, int home_fd, const char *home, const struct message_open *m)
{
	char *entry;
	size_t length;
	int err = broker_find_state_folder(f, home_fd, m->fingerprint, &entry), fd;

	if (err == 0)
		err = m->role == OPEN_OVERLAY_READ ? -ENOENT
		                                   : make_state_folder(home_fd, m->fingerprint, m->machine, &entry);
	if (err < 0)
		return err;
	fd = broker_open_beneath(home_fd, entry, O_RDONLY | O_DIRECTORY, 0);
	err = fd < 0 ? fd : write_origin(f, fd);
	if (!err && has_fingerprint(entry, m->fingerprint, &length)) {
		f->state_name = strndup(entry, length);
		if (asprintf(&f->state_path, "%s/%s", home, entry) < 0)
			f->state_path = NULL;
		err = f->state_name && f->state_path ? 0 : -ENOMEM;
	}
	free(entry);
	if (err && fd >= 0)
		close(fd);
	else
		f->state_fd = fd;
	if (!err)
		strcpy(f->fingerprint, m->fingerprint);
	return err;
}

static int need_state_folder(struct broker_files *f, const struct message_open *m, char text[MESSAGE_TEXT])
{
	char home[PATH_MAX];
	int home_fd, err;

	if (!broker_fingerprint_is_sound(m->fingerprint))
		return broker_say(text, -EINVAL, "The core asked for a state folder by a fingerprint that is none");
	if (f->state_fd >= 0 && !strcmp(f->fingerprint, m->fingerprint))
		return 0;
	if (f->state_fd >= 0)
		return broker_say(text, -EPERM,
		                  "The core asked for the state folder of another appliance, which was refused");
	home_fd = broker_state_home(home, text);
	if (home_fd < 0)
		return home_fd;
	err = bind_state_folder(f, home_fd, home, m);
	close(home_fd);
	if (err)
		return broker_say(text, err, "No folder for the machine's changes can be made in %s: %s", home,
		                  strerror(-err));
	return 0;
}

/* ---- files of the state folder ---- */

/* "scsi0:0", "floppy0": the only names a drive has. Not one byte more gets into a path. */
bool broker_drive_is_sound(const char *name)
{
	static const char *const buses[] = { "ide", "scsi", "sata", "nvme", "virtio", "floppy" };

	for (size_t i = 0; i < ARRAY_SIZE(buses); i++) {
		size_t length = strlen(buses[i]), digits;

		if (strncmp(name, buses[i], length))
			continue;
		digits = strspn(name + length, "0123456789");
		length += digits;
		if (digits < 1 || digits > 3 || !name[length])
			return digits >= 1 && digits <= 3;
		digits = strspn(name + length + 1, "0123456789");
		return name[length] == ':' && digits >= 1 && digits <= 3 && !name[length + 1 + digits];
	}
	return false;
}

static int open_state_file(struct broker_files *f, const char *name, int flags, int *ret_fd, char text[MESSAGE_TEXT])
{
	int fd = broker_open_beneath(f->state_fd, name, flags | O_NONBLOCK, flags & O_CREAT ? 0600 : 0);

	if (fd < 0)
		return broker_say(text, fd, "%s/%s: %s", f->state_path, name, strerror(-fd));
	return broker_keep_regular(fd, name, ret_fd, text);
}

/* flock belongs to the open file, which the core shares: it ends when both have gone, so a dead player leaves no
 * lock. */
static int open_overlay(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT])
{
	bool reads = m->role == OPEN_OVERLAY_READ;
	char name[MESSAGE_NAME + 8];
	int err, fd;

	if (!broker_drive_is_sound(m->name))
		return broker_say(text, -EINVAL, "The core asked for the overlay of a drive that cannot be: %s",
		                  m->name);
	snprintf(name, sizeof(name), "%s.qcow2", m->name);
	/* "scsi0:0.qcow2" would be a protocol to qemu-img, which people rescue overlays with */
	if (strchr(name, ':'))
		*strchr(name, ':') = '-';
	err = open_state_file(f, name, reads ? O_RDONLY : O_RDWR | O_CREAT, &fd, text);
	if (err)
		return err;
	if (flock(fd, (reads ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
		close(fd);
		return broker_say(text, -EBUSY, "%s is already running (%s/%s is in use). Close its other window first",
		                  f->name, f->state_path, name);
	}
	*ret_fd = fd;
	return 0;
}

static int open_temporary(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT])
{
	char name[] = "temporary-XXXXXX", path[64];
	int fd = openat(f->state_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);

	(void)m;
	if (fd < 0) { /* file systems without O_TMPFILE (NFS, overlayfs before 6.3): a name that lives for a moment */
		snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", f->state_fd, name);
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
	}
	if (fd < 0)
		return broker_say(text, -errno, "%s: no file for the changes of this run can be made: %s",
		                  f->state_path, strerror(errno));
	*ret_fd = fd;
	return 0;
}

static int open_configuration(struct broker_files *f, const struct message_open *m, int *ret_fd,
                              char text[MESSAGE_TEXT])
{
	char *name;
	int err;

	(void)m;
	if (asprintf(&name, "%s.vmx", f->state_name) < 0)
		return broker_say(text, -ENOMEM, "Out of memory");
	err = open_state_file(f, name, O_RDWR | O_CREAT, ret_fd, text);
	free(f->configuration);
	f->configuration = NULL;
	if (!err && asprintf(&f->configuration, "%s/%s", f->state_path, name) < 0)
		f->configuration = NULL;
	free(name);
	return err;
}

static int open_license(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT])
{
	(void)m;
	return open_state_file(f, "license", O_RDWR | O_CREAT, ret_fd, text);
}

/* "kept", "unpacked-0" to "unpacked-9999": the only names of vmformat/keep.h. */
static bool kept_is_sound(const char *name)
{
	size_t length = strlen(KEEP_UNPACKED);
	size_t digits = strncmp(name, KEEP_UNPACKED, length) ? 0 : strspn(name + length, "0123456789");

	return !strcmp(name, KEEP_RECORD) || (digits >= 1 && digits <= 4 && !name[length + digits]);
}

/* Who locks the record writes; anybody else reads what is complete, and never waits. */
static int open_kept(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT])
{
	bool is_record = !strcmp(m->name, KEEP_RECORD);
	int err;

	if (!kept_is_sound(m->name))
		return broker_say(text, -EINVAL, "The core asked to keep a file under a name that cannot be: %s",
		                  m->name);
	if (!is_record && !f->keeps)
		return open_state_file(f, m->name, O_RDONLY, ret_fd, text);
	err = open_state_file(f, m->name, O_RDWR | O_CREAT, ret_fd, text);
	if (err || !is_record)
		return err;
	f->keeps = flock(*ret_fd, LOCK_EX | LOCK_NB) == 0;
	if (f->keeps)
		return 0;
	close(*ret_fd);
	return open_state_file(f, m->name, O_RDONLY, ret_fd, text);
}

static const struct {
	bool needs_state;
	int (*open)(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT]);
} roles[OPEN_ROLES] = {
	[OPEN_NAMED] = { false, open_named },
	[OPEN_OVERLAY] = { true, open_overlay },
	[OPEN_OVERLAY_TEMPORARY] = { true, open_temporary },
	[OPEN_CONFIGURATION] = { true, open_configuration },
	[OPEN_LICENSE] = { true, open_license },
	[OPEN_OVERLAY_READ] = { true, open_overlay },
	[OPEN_KEPT] = { true, open_kept },
	[OPEN_IN_PLACE_LOCK] = { false, broker_in_place_lock },
	[OPEN_IN_PLACE] = { false, broker_in_place_open },
};

int broker_files_open(struct broker_files *f, const struct message_open *m, int *ret_fd, char text[MESSAGE_TEXT])
{
	int err = roles[m->role].needs_state ? need_state_folder(f, m, text) : 0;

	return err ? err : roles[m->role].open(f, m, ret_fd, text);
}

/* ---- what the person has allowed ---- */

#define CONSENT "network-consent"

bool broker_files_consented(const struct broker_files *f, const char *consent)
{
	char kept[MESSAGE_TEXT + 1];
	int fd = f->state_fd >= 0 ? broker_open_beneath(f->state_fd, CONSENT, O_RDONLY | O_NONBLOCK, 0) : -1;
	ssize_t n = fd >= 0 ? read(fd, kept, sizeof(kept)) : -1;

	if (fd >= 0)
		close(fd);
	return n > 0 && (size_t)n == strlen(consent) && !memcmp(kept, consent, (size_t)n);
}

int broker_files_keep_consent(const struct broker_files *f, const char *consent)
{
	size_t length = strlen(consent);
	int fd, err;

	if (f->state_fd < 0)
		return -ENOENT;
	fd = broker_open_beneath(f->state_fd, CONSENT, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, 0600);
	if (fd < 0)
		return fd;
	err = write(fd, consent, length) == (ssize_t)length ? 0 : -EIO;
	close(fd);
	return err;
}
