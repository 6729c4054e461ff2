/* SPDX-License-Identifier: MIT */
/*
 * Keys that real texts have and that we leave alone without a word: they say how VMware's own program runs or looks, or
 * remember what it did last. What would make the guest see another machine is not in this table, so that the user hears
 * of it.
 */
#include "vmformat/vmx_fields.h"

#include <strings.h>

#include "vmformat/bytes.h"

enum when { ALWAYS, UNLESS_ON /* "", FALSE, 0, "none" and the like ask for nothing */ };

static const struct {
	const char *pattern;
	enum when when;
} ignored[] = {
	/* which program wrote the text, and its other files */
	{ ".encoding", ALWAYS },
	{ "config.version", ALWAYS },
	{ "virtualHW.*", ALWAYS },
	{ "extendedConfigFile", ALWAYS },
	{ "nvram", ALWAYS }, /* with firmware = "efi" vmx.c remarks on it */
	{ "vmx.*", ALWAYS },
	{ "vmxstats.filename", ALWAYS },
	{ "viv.moid", ALWAYS },
	{ "managedvm.*", ALWAYS },
	{ "policy.vm.mvmtid", ALWAYS },
	{ "workingDir", UNLESS_ON },
	/* which copy of the machine this is */
	{ "uuid.location", ALWAYS },
	{ "uuid.action", ALWAYS },
	{ "vc.uuid", ALWAYS },
	{ "vm.genid*", ALWAYS },
	{ "migrate.*", ALWAYS },
	/* how the last run ended */
	{ "cleanShutdown", ALWAYS },
	{ "softPowerOff", ALWAYS },
	{ "checkpoint.vmState*", UNLESS_ON },
	{ "replay.*", ALWAYS },
	{ "snapshot.*", ALWAYS },
	{ "rollingTier*", ALWAYS },
	/* VMware Tools and what they talk to; nothing in the glass case talks to the host */
	{ "tools.*", ALWAYS },
	{ "toolScripts.*", ALWAYS },
	{ "toolsInstallManager.*", ALWAYS },
	{ "vmware.tools.*", ALWAYS },
	{ "guestinfo.detailed.*", ALWAYS },
	{ "guestinfo.vmtools.*", ALWAYS },
	{ "guest.commands.*", ALWAYS },
	{ "guestCustomization.*", ALWAYS },
	{ "isolation.*", ALWAYS },
	{ "hgfs.*", ALWAYS },
	{ "sharedFolder.maxNum", ALWAYS },
	{ "sharedFolder.option", ALWAYS },
	{ "unity.*", ALWAYS },
	{ "time.synchronize.*", ALWAYS },
	{ "vmci#.*", ALWAYS }, /* serves VMware Tools only */
	{ "vmci.filter.*", ALWAYS },
	{ "dvx.*", UNLESS_ON },
	/* how the host shares itself out, and what its CPU was */
	{ "sched.*", ALWAYS },
	{ "numa.*", ALWAYS },
	{ "priority.*", ALWAYS },
	{ "monitor.*", ALWAYS },
	{ "monitor_control.*", UNLESS_ON },
	{ "mainMem.*", ALWAYS },
	{ "MemTrimRate", ALWAYS },
	{ "MemAllowAutoScaleDown", ALWAYS },
	{ "prefvmx.*", ALWAYS },
	{ "vmotion.*", ALWAYS },
	{ "evcCompatibilityMode", ALWAYS },
	{ "featMask.*", ALWAYS },
	{ "featureCompat.*", ALWAYS },
	{ "hostCPUID.*", ALWAYS },
	{ "guestCPUID.*", ALWAYS },
	{ "userCPUID.*", ALWAYS },
	{ "cpuid.coresPerSocket.cookie", ALWAYS },
	{ "chipset.onlineStandby", UNLESS_ON },
	/* changes to a running machine */
	{ "maxvcpus", ALWAYS },
	{ "mem.hotadd", UNLESS_ON },
	{ "vcpu.hotadd", UNLESS_ON },
	{ "vcpu.hotremove", UNLESS_ON },
	{ "vhv.enable", UNLESS_ON },
	{ "vpmc.enable", UNLESS_ON },
	{ "vvtd.enable", UNLESS_ON },
	{ "uefi.secureBoot.enabled", UNLESS_ON },
	{ "bios.forceSetupOnce", UNLESS_ON },
	{ "bios.bootDelay", UNLESS_ON },
	{ "disk.EnableUUID", UNLESS_ON },
	/* VMware's window, log and habits */
	{ "gui.*", ALWAYS },
	{ "powerType.*", ALWAYS },
	{ "roamingVM.*", ALWAYS },
	{ "msg.autoAnswer", ALWAYS },
	{ "answer.msg.*", ALWAYS },
	{ "logging", ALWAYS },
	{ "log.*", ALWAYS },
	{ "debugStub.*", ALWAYS },
	{ "mks.enable3d", UNLESS_ON },
	{ "mks.use3dRenderer", ALWAYS },
	/* every board of ours has these, in the slots that guests expect */
	{ "pciBridge#.*", ALWAYS },
	{ "svga.*", ALWAYS },
	{ "ide#.pciSlotNumber", ALWAYS },
	{ "hpet0.*", ALWAYS }, /* a timer that no guest insists on */
	{ "sound.fileName", ALWAYS },
	{ "sound.autodetect", ALWAYS },
	{ "sound.pciSlotNumber", ALWAYS },
	{ "sound.startConnected", ALWAYS },
	{ "usb.pciSlotNumber", ALWAYS },
	{ "ehci.pciSlotNumber", ALWAYS },
	{ "usb_xhci.pciSlotNumber", ALWAYS },
	{ "usb.vbluetooth.startConnected", ALWAYS },
	{ "usb.autoConnect.*", UNLESS_ON },
	{ "usb.generic.*", UNLESS_ON },
	{ "usb:#.*", ALWAYS }, /* hubs, mice and tablets that VMware attached by itself */
	{ "usb_xhci:#.*", ALWAYS },
	/* drives */
	{ "scsi#.sasWWID", ALWAYS },
	{ "scsi#.sharedBus", UNLESS_ON },
	{ "scsi#:#.sharing", UNLESS_ON },
	{ "*#:#.redo", UNLESS_ON },
	{ "*#:#.allowGuestConnectionControl", ALWAYS },
	{ "*#:#.writeThrough", ALWAYS },
	{ "*#:#.exclusive", ALWAYS },
	{ "*#:#.ctkEnabled", ALWAYS },
	{ "*#:#.shares", ALWAYS },
	{ "*#:#.throughputCap", ALWAYS },
	{ "*#:#.virtualSSD", ALWAYS },
	{ "*#:#.wwid", ALWAYS },
	{ "ctkEnabled", ALWAYS },
	{ "floppy#.allowGuestConnectionControl", ALWAYS },
	{ "floppy#.guestControlsDisabled", ALWAYS },
	{ "nvme#.subnqnUUID", ALWAYS },
	/* network cards */
	{ "ethernet#.generatedAddressOffset", ALWAYS },
	{ "ethernet#.checkMACAddress", ALWAYS },
	{ "ethernet#.wakeOnPcktRcv", ALWAYS },
	{ "ethernet#.linkStatePropagation.enable", ALWAYS },
	{ "ethernet#.allowGuestConnectionControl", ALWAYS },
	{ "ethernet#.uptCompatibility", ALWAYS },
	{ "ethernet#.features", ALWAYS },
	{ "ethernet#.bsdName", ALWAYS },
	{ "ethernet#.displayName", ALWAYS },
};

static bool asks_for_nothing(const char *value)
{
	static const char *const nothing[] = { "", "none", "sharing-none", "nosharing", "." };

	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
		if (!strcasecmp(value, nothing[i]))
			return true;
	return !vmx_boolean(value, true);
}

/* A '*' in front is any bus: the rest must match from the first digit of the key on. */
static bool matches(const char *pattern, const char *key)
{
	return *pattern == '*' ? vmx_key_matches(pattern + 1, key + strcspn(key, "0123456789."))
	                       : vmx_key_matches(pattern, key);
}

bool vmx_is_ignored(const char *key, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		if (matches(ignored[i].pattern, key) && (ignored[i].when == ALWAYS || asks_for_nothing(value)))
			return true;
	return false;
}
