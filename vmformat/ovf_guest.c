/* SPDX-License-Identifier: MIT */
/* The guest's operating system, in a .vmx's words, from what OVF, vCenter and VirtualBox call it. */
#include "vmformat/ovf_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/vmx_fields.h"

/* CIM_OperatingSystem.OSType (DMTF CIM schema 2.50) where a .vmx has a word for it. */
static const char *const cim_guests[] = {
	[1] = "other",
	[2] = "macos",
	[12] = "os2",
	[14] = "dos",
	[15] = "win31",
	[16] = "win95",
	[17] = "win98",
	[18] = "winnt",
	[21] = "netware6",
	[25] = "unixware7",
	[26] = "openserver5",
	[29] = "solaris10",
	[36] = "otherlinux",
	[42] = "freebsd",
	[58] = "win2000pro",
	[63] = "winme",
	[67] = "winxppro",
	[69] = "winnetstandard",
	[70] = "winnetstandard-64",
	[71] = "winxppro-64",
	[73] = "winvista",
	[74] = "winvista-64",
	[76] = "longhorn",
	[77] = "longhorn-64",
	[78] = "freebsd-64",
	[79] = "rhel6",
	[80] = "rhel6-64",
	[81] = "solaris10-64",
	[82] = "suse",
	[83] = "suse-64",
	[84] = "sles",
	[85] = "sles-64",
	[88] = "sjds",
	[89] = "mandriva",
	[90] = "mandriva-64",
	[91] = "turbolinux",
	[92] = "turbolinux-64",
	[93] = "ubuntu",
	[94] = "ubuntu-64",
	[95] = "debian10",
	[96] = "debian10-64",
	[97] = "other24xlinux",
	[98] = "other24xlinux-64",
	[99] = "other26xlinux",
	[100] = "other26xlinux-64",
	[101] = "otherlinux-64",
	[102] = "other-64",
	[103] = "windows7srv-64",
	[104] = "vmkernel6",
	[105] = "windows7",
	[106] = "centos",
	[107] = "centos-64",
	[108] = "oraclelinux",
	[109] = "oraclelinux-64",
	[110] = "os2experimental",
	[112] = "windows8srv-64",
	[113] = "windows8",
	[114] = "windows8-64",
	[115] = "windows8srv-64",
	[116] = "windows9srv-64",
	[117] = "windows8",
	[118] = "windows8-64",
	[119] = "windows9",
	[120] = "windows9-64",
};

/* VirtualBox's OSType without "_64". */
static const struct {
	const char *virtualbox, *vmx;
} virtualbox_guests[] = {
	{ "Other", "other" },
	{ "DOS", "dos" },
	{ "Windows31", "win31" },
	{ "Windows95", "win95" },
	{ "Windows98", "win98" },
	{ "WindowsMe", "winme" },
	{ "WindowsNT4", "winnt" },
	{ "Windows2000", "win2000pro" },
	{ "WindowsXP", "winxppro" },
	{ "Windows2003", "winnetstandard" },
	{ "WindowsVista", "winvista" },
	{ "Windows2008", "longhorn" },
	{ "Windows7", "windows7" },
	{ "Windows8", "windows8" },
	{ "Windows81", "windows8" },
	{ "Windows2012", "windows8srv" },
	{ "Windows10", "windows9" },
	{ "Windows11", "windows9" },
	{ "Windows2016", "windows9srv" },
	{ "Windows2019", "windows2019srv" },
	{ "Windows2022", "windows2019srvnext" },
	{ "Linux", "otherlinux" },
	{ "Linux22", "otherlinux" },
	{ "Linux24", "other24xlinux" },
	{ "Linux26", "other26xlinux" },
	{ "ArchLinux", "other3xlinux" },
	{ "Debian", "debian10" },
	{ "Fedora", "fedora" },
	{ "Gentoo", "other3xlinux" },
	{ "Mandriva", "mandriva" },
	{ "OpenSUSE", "opensuse" },
	{ "SUSE_LE", "sles" },
	{ "Oracle", "oraclelinux" },
	{ "RedHat", "rhel6" },
	{ "Turbolinux", "turbolinux" },
	{ "Ubuntu", "ubuntu" },
	{ "FreeBSD", "freebsd" },
	{ "OpenBSD", "other" },
	{ "NetBSD", "other" },
	{ "Solaris", "solaris10" },
	{ "OpenSolaris", "solaris10" },
	{ "OS2Warp45", "os2" },
	{ "MacOS", "darwin" },
	{ "QNX", "other" },
};

/* vCenter's names that are not just the .vmx's with another spelling of "64". */
static const struct {
	const char *vcenter, *vmx;
} vcenter_guests[] = {
	{ "winlonghorn", "longhorn" },       { "windows7server", "windows7srv" }, { "windows8server", "windows8srv" },
	{ "windows9server", "windows9srv" }, { "vmwarephoton", "vmware-photon" },
};

/* Cuts one ending off the text. */
static bool cut(char *text, const char *ending)
{
	size_t length = strlen(text), tail = strlen(ending);

	if (length <= tail || strcasecmp(text + length - tail, ending))
		return false;
	text[length - tail] = '\0';
	return true;
}

static int set_guest(struct ovf *o, const char *base, bool is_64)
{
	char name[80];

	snprintf(name, sizeof(name), "%s%s", base, is_64 ? "-64" : "");
	return appliance_set_text(&o->a->guest_os, name);
}

/* "debian10_64Guest" -> "debian10-64", "otherGuest64" -> "other-64" */
static int set_vcenter_guest(struct ovf *o, const char *type)
{
	char name[72];
	bool is_64;

	if (strlen(type) >= sizeof(name))
		return appliance_set_text(&o->a->guest_os,
		                          type); /* no name that is known; a cut one may not be UTF-8 */
	strcpy(name, type);
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	is_64 = cut(name, "guest64");
	if (!is_64) {
		cut(name, "guest");
		is_64 = cut(name, "_64") || cut(name, "64");
	}
	for (size_t i = 0; i < ARRAY_SIZE(vcenter_guests); i++)
		if (!strcmp(name, vcenter_guests[i].vcenter))
			return set_guest(o, vcenter_guests[i].vmx, is_64);
	return set_guest(o, name, is_64);
}

static bool find_virtualbox_guest(const char *type, const char **ret_base, bool *ret_64)
{
	char name[72];

	snprintf(name, sizeof(name), "%s", type);
	*ret_64 = cut(name, "_64");
	for (size_t i = 0; i < ARRAY_SIZE(virtualbox_guests); i++)
		if (!strcasecmp(name, virtualbox_guests[i].virtualbox)) {
			*ret_base = virtualbox_guests[i].vmx;
			return true;
		}
	return false;
}

int ovf_read_guest(struct ovf *o)
{
	const xmlNode *section = ovf_child_section(o->system, "OperatingSystemSection");
	const char *vcenter = ovf_attribute(o, section, "osType"), *id = ovf_attribute(o, section, "id");
	const char *virtualbox = ovf_attribute(o, o->machine, "OSType"), *base;
	const char *words = ovf_child_text(o, section, "Description");
	uint64_t n = 0;
	bool is_64;
	int r;

	if (!virtualbox)
		virtualbox = ovf_child_text(o, section, "OSType"); /* vbox:OSType */
	if (vcenter && *vcenter)
		r = set_vcenter_guest(o, vcenter);
	else if (find_virtualbox_guest(virtualbox, &base, &is_64))
		r = set_guest(o, base, is_64);
	else if (id && ovf_number(id, &n) && n < ARRAY_SIZE(cim_guests) && cim_guests[n] && n != 1)
		r = appliance_set_text(&o->a->guest_os, cim_guests[n]);
	else
		r = appliance_set_text(&o->a->guest_os, *words ? words : n == 1 ? "other" : "");
	o->a->rtc_local_time = vmx_guest_defaults(o->a->guest_os).rtc_local_time;
	return r;
}
