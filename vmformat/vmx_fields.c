/* SPDX-License-Identifier: MIT */
/* The keys of a .vmx that are fields of the description: first how values of each type are read, then the tables. */
#include "vmformat/vmx_fields.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"

#define MEBIBYTE (1ull << 20)
#define MEMORY_STEP 4u           /* MiB: VMware's memsize is a multiple of it */
#define MEMORY_MAX (24ull << 20) /* MiB: 24 TiB, hardware version 18 and later */
#define SECONDS_MAX 253402300799 /* the end of the year 9999: the clock chip has four digits */
#define PCI_SLOT_MAX 0xfff       /* VMware packs bus and function into the number; the largest real one is 1184 */

/* ---- helpers ---- */

static bool read_number(const char *value, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)*value))
		return false;
	for (; isdigit((unsigned char)*value); value++)
		if (mul_overflows(n, 10u, &n) || add_overflows(n, (unsigned)(*value - '0'), &n) || n > max)
			return false;
	if (*value)
		return false;
	*ret = n;
	return true;
}

static char *print_number(uint64_t n)
{
	char *text;

	return asprintf(&text, "%llu", (unsigned long long)n) < 0 ? NULL : text;
}

bool vmx_boolean(const char *value, bool fallback)
{
	static const char *const yes[] = { "TRUE", "T", "YES", "Y", "ON", "1" };
	static const char *const no[] = { "FALSE", "F", "NO", "N", "OFF", "0" };

	for (size_t i = 0; value && i < ARRAY_SIZE(yes); i++)
		if (!strcasecmp(value, yes[i]))
			return true;
	for (size_t i = 0; value && i < ARRAY_SIZE(no); i++)
		if (!strcasecmp(value, no[i]))
			return false;
	return fallback;
}

/* ---- types ---- */

static int text_read(const char *value, void *field)
{
	return appliance_set_text(field, value);
}

static char *text_print(const void *field)
{
	return strdup(*(char *const *)field);
}

/* VMware spells models in any case ("LsiLogic"); the description in lower case. "" leaves the default. */
static int model_read(const char *value, void *field)
{
	char **model = field;
	int r = *value ? appliance_set_text(model, value) : 0;

	for (char *p = *model; !r && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return r;
}

static int boolean_read(const char *value, void *field)
{
	bool *b = field;
	bool known = vmx_boolean(value, false) == vmx_boolean(value, true);

	*b = vmx_boolean(value, *b);
	return known ? 0 : -EINVAL;
}

static char *boolean_print(const void *field)
{
	return strdup(*(const bool *)field ? "TRUE" : "FALSE");
}

static int memory_read(const char *value, void *field)
{
	uint64_t n;

	if (!read_number(value, MEMORY_MAX, &n) || n == 0)
		return -EINVAL;
	*(uint64_t *)field = (n + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP * MEBIBYTE;
	return n % MEMORY_STEP ? -EINVAL : 0;
}

static char *memory_print(const void *field)
{
	return print_number(*(const uint64_t *)field / MEBIBYTE);
}

static int bytes_read(const char *value, void *field)
{
	return read_number(value, UINT64_MAX, field) ? 0 : -EINVAL;
}

static char *bytes_print(const void *field)
{
	return print_number(*(const uint64_t *)field);
}

static int cpus_read(const char *value, void *field)
{
	uint64_t n;

	if (!read_number(value, APPLIANCE_MAX_CPUS, &n) || n == 0)
		return -EINVAL;
	*(unsigned *)field = (unsigned)n;
	return 0;
}

static char *cpus_print(const void *field)
{
	return print_number(*(const unsigned *)field);
}

/* "" is none. */
static int seconds_read(const char *value, void *field)
{
	bool negative = *value == '-';
	uint64_t n;

	*(int64_t *)field = APPLIANCE_NO_TIME;
	if (!*value)
		return 0;
	if (!read_number(value + negative, SECONDS_MAX, &n))
		return -EINVAL;
	*(int64_t *)field = negative ? -(int64_t)n : (int64_t)n;
	return 0;
}

static char *seconds_print(const void *field)
{
	int64_t n = *(const int64_t *)field;
	char *text;

	if (n == APPLIANCE_NO_TIME)
		return strdup("");
	return asprintf(&text, "%lld", (long long)n) < 0 ? NULL : text;
}

/* -1 is VMware's word for "choose one". */
static int slot_read(const char *value, void *field)
{
	uint64_t n;
	bool given = strcmp(value, "-1") != 0;

	if (given && !read_number(value, PCI_SLOT_MAX, &n))
		return -EINVAL;
	*(int *)field = given ? (int)n : -1;
	return 0;
}

static char *slot_print(const void *field)
{
	char *text;

	return asprintf(&text, "%d", *(const int *)field) < 0 ? NULL : text;
}

/* "56 4d 96 af e6 46 bd 86-5c 4d 65 4e 77 36 ef 31" -> 32 digits without anything between. */
static int uuid_read(const char *value, void *field)
{
	char digits[33];
	size_t n = 0;

	if (!*value)
		return appliance_set_text(field, "");
	for (; *value; value++) {
		if (*value == ' ' || *value == '-')
			continue;
		if (!isxdigit((unsigned char)*value) || n == 32)
			return -EINVAL;
		digits[n++] = (char)tolower((unsigned char)*value);
	}
	digits[n] = '\0';
	return n == 32 ? appliance_set_text(field, digits) : -EINVAL;
}

static char *uuid_print(const void *field)
{
	const char *digits = *(char *const *)field;
	char text[48], *to = text;

	if (strlen(digits) != 32)
		return strdup("");
	for (unsigned i = 0; i < 16; i++)
		to += sprintf(to, "%.2s%s", digits + 2 * i, i == 15 ? "" : i == 7 ? "-" : " ");
	return strdup(text);
}

/* Words for the values of an enum, NULL at the end; the first of a value is the one that is written. */
struct word {
	const char *text;
	int value;
};

static int word_read(const struct word *words, const char *value, int *ret)
{
	for (; words->text; words++)
		if (!strcasecmp(words->text, value)) {
			*ret = words->value;
			return 0;
		}
	return -EINVAL;
}

static char *word_print(const struct word *words, int value)
{
	while (words->text && words->value != value)
		words++;
	return strdup(words->text ? words->text : "");
}

static const struct word firmware_words[] = { { "bios", FIRMWARE_BIOS }, { "efi", FIRMWARE_EFI }, { NULL, 0 } };

static int firmware_read(const char *value, void *field)
{
	int n = FIRMWARE_BIOS, r = word_read(firmware_words, value, &n);

	*(enum appliance_firmware *)field = (enum appliance_firmware)n;
	return r;
}

static char *firmware_print(const void *field)
{
	return word_print(firmware_words, (int)*(const enum appliance_firmware *)field);
}

static const struct word origin_words[] = {
	{ "vmware", ORIGIN_VMWARE },
	{ "virtualbox", ORIGIN_VIRTUALBOX },
	{ "other", ORIGIN_OTHER },
	{ NULL, 0 },
};

static int origin_read(const char *value, void *field)
{
	int n = ORIGIN_VMWARE, r = word_read(origin_words, value, &n);

	*(enum appliance_origin *)field = (enum appliance_origin)n;
	return r;
}

static char *origin_print(const void *field)
{
	return word_print(origin_words, (int)*(const enum appliance_origin *)field);
}

static const struct word mode_words[] = {
	{ "persistent", MODE_PERSISTENT },
	{ "independent-persistent", MODE_INDEPENDENT_PERSISTENT },
	{ "nonpersistent", MODE_NONPERSISTENT },
	{ "independent-nonpersistent", MODE_INDEPENDENT_NONPERSISTENT },
	{ "undoable", MODE_PERSISTENT }, /* asked at power-off whether to keep the changes, until GSX Server 3 */
	{ NULL, 0 },
};

static int mode_read(const char *value, void *field)
{
	int n = MODE_PERSISTENT, r = *value ? word_read(mode_words, value, &n) : 0;

	*(enum appliance_disk_mode *)field = (enum appliance_disk_mode)n;
	return r;
}

static char *mode_print(const void *field)
{
	return word_print(mode_words, (int)*(const enum appliance_disk_mode *)field);
}

/* bios.bootOrder: what a word of it means in the description. ethernet0 and ethernet1 are both the network. */
static const struct {
	const char *pattern, *meaning;
} boot_words[] = {
	{ "hdd", "hdd" },
	{ "hd", "hdd" },
	{ "cdrom", "cdrom" },
	{ "cd", "cdrom" },
	{ "floppy", "floppy" },
	{ "ethernet", "ethernet" },
	{ "ethernet#", "ethernet" },
	{ "net", "ethernet" },
};

static const char *boot_meaning(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(boot_words); i++)
		if (vmx_key_matches(boot_words[i].pattern, word))
			return boot_words[i].meaning;
	return NULL;
}

static int boot_order_read(const char *value, void *field)
{
	char order[64] = "", *copy = strdup(value), *rest = copy, *word;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while ((word = strsep(&rest, ", \t;"))) {
		const char *meaning = boot_meaning(word);

		if (!meaning && *word)
			r = -EINVAL;
		if (!meaning || strstr(order, meaning)) /* each of the four once: they fit */
			continue;
		if (*order)
			strcat(order, ",");
		strcat(order, meaning);
	}
	free(copy);
	return appliance_set_text(field, order) < 0 ? -ENOMEM : r;
}

static const struct vmx_type text = { "a text", text_read, text_print };
static const struct vmx_type model = { "a device", model_read, text_print };
static const struct vmx_type boolean = { "TRUE or FALSE", boolean_read, boolean_print };
static const struct vmx_type memory = { "a number of MiB that is a multiple of 4", memory_read, memory_print };
static const struct vmx_type bytes = { "a number of bytes", bytes_read, bytes_print };
static const struct vmx_type cpus = { "a number of CPUs", cpus_read, cpus_print };
static const struct vmx_type seconds = { "a number of seconds", seconds_read, seconds_print };
static const struct vmx_type slot = { "a PCI slot number", slot_read, slot_print };
static const struct vmx_type uuid = { "32 hexadecimal digits", uuid_read, uuid_print };
static const struct vmx_type firmware = { "\"bios\" or \"efi\"", firmware_read, firmware_print };
static const struct vmx_type origin = { "\"vmware\", \"virtualbox\" or \"other\"", origin_read, origin_print };
static const struct vmx_type mode = { "a disk mode", mode_read, mode_print };
static const struct vmx_type boot_order = { "a list of hdd, cdrom, floppy and ethernet", boot_order_read, text_print };

/* ---- the tables ---- */

#define MACHINE(field) offsetof(struct appliance, field)

const struct vmx_field vmx_machine_fields[] = {
	{ "displayName", &text, MACHINE(name), NULL },
	{ "annotation", &text, MACHINE(annotation), NULL },
	{ "guestOS", &text, MACHINE(guest_os), NULL },
	{ "vitrine.origin", &origin, MACHINE(origin), "Whose board: \"vmware\", \"virtualbox\" or \"other\"." },
	{ "memsize", &memory, MACHINE(memory), "MiB, a multiple of 4." },
	{ "numvcpus", &cpus, MACHINE(cpus), NULL },
	{ "cpuid.coresPerSocket", &cpus, MACHINE(cores_per_socket), NULL },
	{ "firmware", &firmware, MACHINE(firmware), "\"bios\" or \"efi\"." },
	{ "bios.bootOrder", &boot_order, MACHINE(boot_order),
	  "Of hdd, cdrom, floppy, ethernet; \"\": the usual order." },
	{ "uuid.bios", &uuid, MACHINE(uuid), NULL },
	{ "vitrine.rtcLocalTime", &boolean, MACHINE(rtc_local_time),
	  "TRUE: the clock chip shows local time (Windows)." },
	{ "vitrine.vmport", &boolean, MACHINE(vmport),
	  "FALSE: VMware's back door, with its absolute mouse, is not there." },
	{ "rtc.diffFromUTC", &seconds, MACHINE(rtc_difference), "Seconds that it shows more than UTC.", "" },
	{ "rtc.startTime", &seconds, MACHINE(rtc_start), "UTC, in seconds since 1970, that it starts at.", "" },
	{ "vitrine.hostLoopback", &boolean, MACHINE(host_loopback),
	  "TRUE: the machine asks to reach what listens on this computer's own 127.0.0.1.", "FALSE" },
	{ "vitrine.writeInPlace", &boolean, MACHINE(write_in_place),
	  "TRUE: the disks beside this text are changed themselves, as VMware does, if you allow it.", "FALSE" },
	{ 0 },
};

const struct vmx_field vmx_controller_fields[] = {
	{ "virtualDev", &model, offsetof(struct appliance_controller, model), NULL },
	{ "pciSlotNumber", &slot, offsetof(struct appliance_controller, pci_slot), NULL, "-1" },
	{ 0 },
};

const struct vmx_field vmx_drive_fields[] = {
	{ "startConnected", &boolean, offsetof(struct appliance_drive, start_connected), NULL },
	{ "vitrineCapacity", &bytes, offsetof(struct appliance_drive, capacity), NULL, "0" },
	{ 0 },
};

const struct vmx_field vmx_disk_fields[] = {
	{ "mode", &mode, offsetof(struct appliance_drive, mode), NULL },
	{ 0 },
};

const struct vmx_field vmx_nic_fields[] = {
	{ "virtualDev", &model, offsetof(struct appliance_nic, model), NULL },
	{ "pciSlotNumber", &slot, offsetof(struct appliance_nic, pci_slot), NULL, "-1" },
	{ "startConnected", &boolean, offsetof(struct appliance_nic, start_connected), NULL },
	{ 0 },
};

const struct vmx_bus vmx_buses[APPLIANCE_FLOPPY] = {
	[APPLIANCE_IDE] = { "ide", 2, 2, "piix4" },
	[APPLIANCE_SCSI] = { "scsi", 4, 64, NULL },
	[APPLIANCE_SATA] = { "sata", 4, 30, "ahci" },
	[APPLIANCE_NVME] = { "nvme", 4, 64, "nvme" },
	[APPLIANCE_VIRTIO] = { "virtio", 4, 256, "virtio-scsi" },
};

/*
 * By guestOS, the first that matches. 64-bit guests have no driver for BusLogic and PCnet, nor have 32-bit Windows
 * since Vista and Mac OS X; VMware gives those LSI Logic and the e1000. Windows and DOS keep local time in the clock.
 */
static const struct {
	const char *pattern;
	struct vmx_guest_defaults defaults;
} guests[] = {
	/* clang-format off: one guest a line, their order counts */
	{ "winvista*", { "lsilogic", "e1000", true } }, { "windows*-64", { "lsilogic", "e1000", true } },
	{ "windows7*", { "lsilogic", "e1000", true } }, { "windows8*", { "lsilogic", "e1000", true } },
	{ "windows9*", { "lsilogic", "e1000", true } }, /* Windows 10 and 11 */
	{ "longhorn*", { "lsilogic", "e1000", true } }, /* Server 2008 */
	{ "win*-64", { "lsilogic", "e1000", true } },   { "winnet*", { "lsilogic", "vlance", true } }, /* Server 2003 */
	{ "win*", { "buslogic", "vlance", true } },     { "nt4", { "buslogic", "vlance", true } },
	{ "dos", { "buslogic", "vlance", true } },      { "os2*", { "buslogic", "vlance", true } },
	{ "darwin*", { "lsilogic", "e1000", false } },  { "*-64", { "lsilogic", "e1000", false } },
	{ "*", { "buslogic", "vlance", false } },
	/* clang-format on */
};

/* As vmx_key_matches(), with a '*' anywhere in the pattern, once. */
static bool guest_matches(const char *pattern, const char *guest_os)
{
	const char *star = strchr(pattern, '*');
	size_t before, after, length = strlen(guest_os);

	if (!star)
		return !strcasecmp(pattern, guest_os);
	before = (size_t)(star - pattern);
	after = strlen(star + 1);
	return length >= before + after && !strncasecmp(pattern, guest_os, before) &&
	       !strcasecmp(star + 1, guest_os + length - after);
}

struct vmx_guest_defaults vmx_guest_defaults(const char *guest_os)
{
	size_t i = 0;

	while (!guest_matches(guests[i].pattern, guest_os))
		i++; /* the last one matches everything */
	return guests[i].defaults;
}

bool vmx_key_matches(const char *pattern, const char *key)
{
	for (; *pattern; pattern++) {
		if (*pattern == '*' && !pattern[1])
			return true;
		if (*pattern == '#') {
			if (!isdigit((unsigned char)*key))
				return false;
			key += strspn(key, "0123456789");
		} else if (tolower((unsigned char)*pattern) != tolower((unsigned char)*key++)) {
			return false;
		}
	}
	return !*key;
}
