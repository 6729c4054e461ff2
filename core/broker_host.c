/* SPDX-License-Identifier: MIT */
/* What the host must offer before a core can start, and the words when it does not. */
#include "core/broker_files.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmformat/bytes.h"

/* ---- /dev/kvm ---- */

/* Does /proc/cpuinfo show Intel's vmx or AMD's svm? Its "flags" line stands within the first processor's 4 KiB. */
static bool cpu_can_virtualise(void)
{
	char text[8192];
	int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return true; /* unknown: do not send the user into the firmware setup for nothing */
	text[n] = 0;
	return strstr(text, " vmx") || strstr(text, " svm");
}

static int explain_missing_kvm(int code, char text[MESSAGE_TEXT])
{
	if (!cpu_can_virtualise())
		return broker_say(
			text, code,
			"/dev/kvm is missing, and this processor shows no hardware virtualization. Switch it on "
			"in the computer's firmware setup (\"Intel VT-x\", \"AMD-V\" or \"SVM\"); in a virtual "
			"machine, its host "
			"must allow nested virtualization");
	return broker_say(text, code,
	                  "/dev/kvm is missing: the kernel's KVM module is not loaded. Try: sudo modprobe kvm_intel "
	                  "(or kvm_amd)");
}

static int explain_forbidden_kvm(int code, char text[MESSAGE_TEXT])
{
	struct stat st;
	struct group *group = stat("/dev/kvm", &st) == 0 ? getgrgid(st.st_gid) : NULL;

	if (!group || !(st.st_mode & S_IWGRP) || st.st_gid == 0)
		return broker_say(text, code,
		                  "/dev/kvm may not be opened by you, and no group may either (%03o). On most systems "
		                  "this helps: sudo chgrp kvm /dev/kvm && sudo chmod 660 /dev/kvm",
		                  (unsigned)st.st_mode & 0777);
	return broker_say(
		text, code,
		"/dev/kvm may be opened by the group \"%s\" only, and you are not in it. Run: sudo usermod -aG %s "
		"$USER, then log out and in again",
		group->gr_name, group->gr_name);
}

int broker_open_kvm(int *ret_fd, char text[MESSAGE_TEXT])
{
	*ret_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (*ret_fd >= 0)
		return 0;
	switch (errno) {
	case ENOENT:
	case ENODEV: /* the node is there, the module is not */
	case ENXIO:
		return explain_missing_kvm(-errno, text);
	case EACCES:
	case EPERM:
		return explain_forbidden_kvm(-errno, text);
	default:
		return broker_say(text, -errno, "/dev/kvm: %s", strerror(errno));
	}
}

/* ---- firmware ---- */

/* SeaBIOS where the distributions put it: Debian, Ubuntu; Fedora; Arch, openSUSE (with QEMU). $VITRINE_FIRMWARE goes
 * first. */
static const struct {
	const char *bios, *vgabios;
} firmware[] = {
	{ "/usr/share/seabios/bios-256k.bin", "/usr/share/seabios/vgabios-stdvga.bin" },
	{ "/usr/share/seabios/bios-256k.bin", "/usr/share/seavgabios/vgabios-stdvga.bin" },
	{ "/usr/share/qemu/bios-256k.bin", "/usr/share/qemu/vgabios-stdvga.bin" },
	{ "/usr/local/share/qemu/bios-256k.bin", "/usr/local/share/qemu/vgabios-stdvga.bin" },
};

static int open_pair(const char *bios, const char *vgabios, int *ret_bios_fd, int *ret_vgabios_fd)
{
	char text[MESSAGE_TEXT];

	if (broker_open_regular(AT_FDCWD, bios, O_RDONLY, ret_bios_fd, text) < 0)
		return -ENOENT;
	if (broker_open_regular(AT_FDCWD, vgabios, O_RDONLY, ret_vgabios_fd, text) == 0)
		return 0;
	close(*ret_bios_fd);
	return -ENOENT;
}

int broker_open_firmware(int *ret_bios_fd, int *ret_vgabios_fd, char text[MESSAGE_TEXT])
{
	const char *folder = getenv("VITRINE_FIRMWARE");

	if (folder) {
		char bios[PATH_MAX], vgabios[PATH_MAX];

		snprintf(bios, sizeof(bios), "%s/bios-256k.bin", folder);
		snprintf(vgabios, sizeof(vgabios), "%s/vgabios-stdvga.bin", folder);
		if (open_pair(bios, vgabios, ret_bios_fd, ret_vgabios_fd) == 0)
			return 0;
		return broker_say(text, -ENOENT,
		                  "$VITRINE_FIRMWARE is %s, which does not hold bios-256k.bin and vgabios-stdvga.bin",
		                  folder);
	}
	for (size_t i = 0; i < ARRAY_SIZE(firmware); i++)
		if (open_pair(firmware[i].bios, firmware[i].vgabios, ret_bios_fd, ret_vgabios_fd) == 0)
			return 0;
	return broker_say(
		text, -ENOENT,
		"The firmware SeaBIOS is not installed (bios-256k.bin and vgabios-stdvga.bin were not found in "
		"/usr/share/seabios, /usr/share/seavgabios and /usr/share/qemu). Install the package seabios, on "
		"Fedora also "
		"seavgabios-bin");
}

/* ---- shared memory, the program ---- */

int broker_make_shared(const char *name, size_t size, int *ret_fd, char text[MESSAGE_TEXT])
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* Sealed: a core that shrank it would end the player with SIGBUS. */
	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
		*ret_fd = fd;
		return 0;
	}
	broker_say(text, -errno, "No shared memory for the %s can be had: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -ENOMEM;
}

static char *program_beside(const char *folder, size_t length, const char *below, const char *name)
{
	char *path;

	if (asprintf(&path, "%.*s%s/%s", (int)length, folder, below, name) < 0)
		return NULL;
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static char *program_in_path(const char *name)
{
	const char *folders = getenv("PATH");

	while (folders && *folders) {
		size_t length = strcspn(folders, ":");
		char *path = *folders == '/' ? program_beside(folders, length, "", name) : NULL;

		if (path)
			return path;
		folders += length + (folders[length] == ':');
	}
	return NULL;
}

static int find_chosen(const char *path, char **ret_path, char text[MESSAGE_TEXT])
{
	*ret_path = access(path, X_OK) == 0 ? strdup(path) : NULL;
	return *ret_path ? 0 : broker_say(text, -ENOENT, "%s cannot be run: %s", path, strerror(errno));
}

int broker_find_program(const char *name, const char *variable, char **ret_path, char text[MESSAGE_TEXT])
{
	const char *chosen = getenv(variable);
	char self[PATH_MAX];
	ssize_t n;

	if (chosen)
		return find_chosen(chosen, ret_path, text);
	n = readlink("/proc/self/exe", self, sizeof(self));
	while (n > 0 && self[n - 1] != '/')
		n--;
	*ret_path = NULL;
	if (n > 0) {
		*ret_path = program_beside(self, (size_t)n - 1, "", name);
		if (!*ret_path)
			*ret_path = program_beside(self, (size_t)n - 1, "/../libexec", name);
	}
	if (!*ret_path)
		*ret_path = program_in_path(name);
	if (!*ret_path)
		return broker_say(text, -ENOENT,
		                  "The program %s was found neither beside this one nor in $PATH; install Vitrine "
		                  "again, or name it in $%s",
		                  name, variable);
	return 0;
}

int broker_find_core(const char *option, char **ret_path, char text[MESSAGE_TEXT])
{
	return option ? find_chosen(option, ret_path, text)
	              : broker_find_program("vitrine-core", "VITRINE_CORE", ret_path, text);
}
