/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "forbid_opening.h"
#include "test_files.h"
#include "vmformat/appliance.h"
#include "vmformat/bytes.h"
#include "vmformat/manifest.h"
#include "vmformat/ovf.h"

#define MEBIBYTE (1ull << 20)

/* ---- texts ---- */

#define HEAD                                                                                              \
	"<?xml version='1.0'?>\n<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1' "                \
	"xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1' xmlns:rasd='http://schemas.dmtf.org/wbem/r' " \
	"xmlns:vssd='http://schemas.dmtf.org/wbem/v' xmlns:vmw='http://www.vmware.com/schema/ovf' "       \
	"xmlns:vbox='http://www.virtualbox.org/ovf/machine'>"
#define DISK_REFERENCES                                                                            \
	"<References><File ovf:id='f1' ovf:href='one.img'/><File ovf:id='f2' ovf:href='two.img'/>" \
	"<File ovf:id='iso' ovf:href='cd.iso'/></References>"
#define DISKS                                                                                                  \
	"<DiskSection><Disk ovf:diskId='d1' ovf:fileRef='f1' ovf:capacity='1048576' vbox:uuid='11111111-aa'/>" \
	"<Disk ovf:diskId='d2' ovf:fileRef='f2' ovf:capacity='1048576' vbox:uuid='22222222-bb'/>"              \
	"<Disk ovf:diskId='blank' ovf:capacity='2' ovf:capacityAllocationUnits='byte * 2^30'/></DiskSection>"
#define SYSTEM "<VirtualSystem ovf:id='vm'>"
#define HARDWARE "<VirtualHardwareSection><System><vssd:VirtualSystemType>vmx-10</vssd:VirtualSystemType></System>"
#define TAIL "</VirtualHardwareSection></VirtualSystem></Envelope>"
#define ITEM(id, type, more)                                                                                      \
	"\n<Item><rasd:InstanceID>" #id "</rasd:InstanceID><rasd:ResourceType>" #type "</rasd:ResourceType>" more \
	"</Item>"
#define SUBTYPE(words) "<rasd:ResourceSubType>" words "</rasd:ResourceSubType>"
#define ADDRESS(n) "<rasd:Address>" #n "</rasd:Address>"
#define ON(parent, n) "<rasd:Parent>" #parent "</rasd:Parent><rasd:AddressOnParent>" #n "</rasd:AddressOnParent>"
#define HOST(name) "<rasd:HostResource>" name "</rasd:HostResource>"
#define QUANTITY(n, units) \
	"<rasd:AllocationUnits>" units "</rasd:AllocationUnits><rasd:VirtualQuantity>" #n "</rasd:VirtualQuantity>"
#define MACHINE(items) HEAD DISK_REFERENCES DISKS SYSTEM HARDWARE items TAIL

static int set_up(void **state)
{
	struct test_memory *memory = malloc(sizeof(*memory));

	test_memory_init(memory);
	test_memory_resize(memory, "one.img", MEBIBYTE);
	test_memory_resize(memory, "two.img", MEBIBYTE);
	*state = memory;
	return 0;
}

static int tear_down(void **state)
{
	test_memory_free(*state);
	free(*state);
	return 0;
}

static int try_open(struct test_memory *memory, const char *text, size_t length, struct appliance **ret,
                    struct error *e)
{
	struct file file;
	int r;

	test_memory_resize(memory, "vm.ovf", 0);
	test_memory_write(memory, "vm.ovf", text, length);
	file = test_memory_open(memory, "vm.ovf");
	r = appliance_open(&file, &memory->files, ret, e);
	file_close(&file);
	return r;
}

static struct appliance *open_bytes(struct test_memory *memory, const char *text, size_t length)
{
	struct appliance *a = NULL;
	struct error e = { 0 };

	if (try_open(memory, text, length, &a, &e) < 0)
		fail_msg("%s", e.text);
	return a;
}

static struct appliance *open_text(struct test_memory *memory, const char *text)
{
	return open_bytes(memory, text, strlen(text));
}

static void assert_fails(struct test_memory *memory, const char *text, int code, const char *words)
{
	struct appliance *a = NULL;
	struct error e = { 0 };

	assert_int_equal(try_open(memory, text, strlen(text), &a, &e), code);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" does not say \"%s\"", e.text, words);
}

static void assert_remark(const struct appliance *a, const char *words)
{
	for (unsigned i = 0; i < a->remark_count; i++)
		if (strstr(a->remarks[i].text, words))
			return;
	fail_msg("no remark says \"%s\"", words);
}

static void assert_file(const struct appliance *a, const char *drive, const char *file)
{
	const struct appliance_drive *found = appliance_find_drive(a, drive);

	if (!found)
		fail_msg("there is no %s", drive);
	assert_string_equal(found->file, file);
	assert_int_equal(found->backing, BACKING_IMAGE);
}

/* ---- hardware ---- */

static void a_machine_is_described_by_its_items(void **state)
{
	struct appliance *a = open_text(
		*state,
		MACHINE(ITEM(1, 3, QUANTITY(4, "hertz * 10^6") "<vmw:CoresPerSocket>2</vmw:CoresPerSocket>") ITEM(
			2, 4, QUANTITY(2048, "byte * 2^20")) ITEM(3, 6, SUBTYPE("VirtualSCSI") ADDRESS(1))
	                        ITEM(4, 20, SUBTYPE("vmware.sata.ahci") ADDRESS(0))
	                                ITEM(5, 17, ON(3, 2) HOST("ovf:/disk/d1")) ITEM(6, 15,
	                                                                                ON(4, 3) HOST("ovf:/file/iso"))
	                                        ITEM(7, 10,
	                                             SUBTYPE("VmxNet3") "<rasd:Address>00-50-56-AA-BB-CC</rasd:Address>"
	                                                                "<rasd:AutomaticAllocation>false</"
	                                                                "rasd:AutomaticAllocation>") ITEM(8, 14, "")
	                                                ITEM(9, 23, "") ITEM(10, 21, "")
	                                                        ITEM(11, 1, SUBTYPE("vmware.soundcard.hdaudio"))));

	assert_string_equal(a->name, "vm");
	assert_int_equal(a->origin, ORIGIN_VMWARE);
	assert_int_equal(a->cpus, 4);
	assert_int_equal(a->cores_per_socket, 2);
	assert_int_equal(a->memory, 2048 * MEBIBYTE);
	assert_int_equal(a->controller_count, 2);
	assert_string_equal(a->controllers[0].model, "pvscsi");
	assert_int_equal(a->controllers[0].number, 1);
	assert_file(a, "scsi1:2", "one.img");
	assert_file(a, "sata0:3", "cd.iso");
	assert_non_null(appliance_find_drive(a, "floppy0"));
	assert_int_equal(a->nic_count, 1);
	assert_string_equal(a->nics[0].model, "vmxnet3");
	assert_string_equal(a->nics[0].mac, "00:50:56:aa:bb:cc");
	assert_false(a->nics[0].start_connected);
	assert_int_equal(a->serial_count, 1);
	assert_string_equal(a->sound, "hdaudio");
	assert_true(a->usb);
	assert_int_equal(a->remark_count, 1); /* the serial port */
	appliance_free(a);
}

static void units_of_memory_are_understood(void **state)
{
	static const struct {
		const char *item;
		unsigned mebibytes;
	} cases[] = {
		{ QUANTITY(512, "byte * 2^20"), 512 },
		{ QUANTITY(512, "byte*1024*1024"), 512 },
		{ QUANTITY(2, "byte * 2 ^ 30"), 2048 },
		{ QUANTITY(512, "MegaBytes"), 512 },
		{ QUANTITY(512, "MB"), 512 },
		{ QUANTITY(2, "GigaBytes"), 2048 },
		{ QUANTITY(524288, "KB"), 512 },
		{ QUANTITY(536870912, "byte"), 512 },
		{ QUANTITY(536870912, ""), 512 },
		{ QUANTITY(512, ""), 512 },
		{ QUANTITY(510, "MB"), 512 },
		{ QUANTITY(512, "furlongs"), 512 },
		{ QUANTITY(512000, "byte * 10^3"), 492 },
		{ "", 256 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct appliance *a;
		char text[4096];

		snprintf(text, sizeof(text), "%s<Item><rasd:ResourceType>4</rasd:ResourceType>%s</Item>%s",
		         HEAD SYSTEM HARDWARE, cases[i].item, TAIL);
		a = open_text(*state, text);
		if (a->memory != cases[i].mebibytes * MEBIBYTE)
			fail_msg("%s is %llu MiB", cases[i].item, (unsigned long long)(a->memory / MEBIBYTE));
		appliance_free(a);
	}
}

static void impossible_memory_is_refused_with_its_line(void **state)
{
	assert_fails(*state, MACHINE(ITEM(1, 4, QUANTITY(0, "MB"))), -EINVAL, "vm.ovf, line 3: ");
	assert_fails(*state, MACHINE(ITEM(1, 4, QUANTITY(99999999999999999999, "MB"))), -EINVAL, "no whole number");
	assert_fails(*state, MACHINE(ITEM(1, 4, QUANTITY(18446744073709551615, "byte * 2^63"))), -EINVAL, "24 TiB");
}

static void models_are_chosen_from_lists_in_any_case(void **state)
{
	static const struct {
		const char *item, *model;
		bool nic;
	} cases[] = {
		{ ITEM(1, 6, SUBTYPE("lsilogic VirtualSCSI")), "lsilogic", false },
		{ ITEM(1, 6, SUBTYPE("buslogic, LSILOGIC")), "lsilogic", false },
		{ ITEM(1, 6, SUBTYPE("someother,buslogic")), "buslogic", false },
		{ ITEM(1, 6, SUBTYPE("LsiLogicSAS")), "lsisas1068", false },
		{ ITEM(1, 6, SUBTYPE("unheard-of")), "lsilogic", false },
		{ ITEM(1, 6, ""), "lsilogic", false },
		{ ITEM(1, 20, SUBTYPE("vmware.nvme.controller")), "nvme", false },
		{ ITEM(1, 20, SUBTYPE("AHCI")), "ahci", false },
		{ ITEM(1, 20, SUBTYPE("VirtioSCSI")), "virtio-scsi", false },
		{ ITEM(1, 10, SUBTYPE("PCNet32")), "vlance", true },
		{ ITEM(1, 10, SUBTYPE("E1000e")), "e1000e", true },
		{ ITEM(1, 10, SUBTYPE("VmxNet2, E1000")), "e1000", true },
		{ ITEM(1, 10, SUBTYPE("Vmxnet")), "vmxnet", true },
		{ ITEM(1, 10, SUBTYPE("virtio")), "virtio", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct appliance *a;
		char text[4096];

		snprintf(text, sizeof(text), "%s%s%s", HEAD SYSTEM HARDWARE, cases[i].item, TAIL);
		a = open_text(*state, text);
		assert_int_equal(cases[i].nic ? a->nic_count : a->controller_count, 1);
		assert_string_equal(cases[i].nic ? a->nics[0].model : a->controllers[0].model, cases[i].model);
		appliance_free(a);
	}
}

static void all_spellings_of_a_host_resource_find_the_disk(void **state)
{
	static const char *const spellings[] = { "ovf:/disk/d1", "ovf://disk/d1", "/disk/d1",   "disk/d1",
		                                 "OVF:/disk/d1", "ovf:/file/f1",  " /disk/d1 ", "file/f1" };

	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		struct appliance *a;
		char text[4096];

		snprintf(text, sizeof(text), "%s" HOST("%s") "</Item>%s",
		         HEAD DISK_REFERENCES DISKS SYSTEM HARDWARE ITEM(
				 1, 5, "") "<Item><rasd:ResourceType>17</rasd:ResourceType>" ON(1, 0),
		         spellings[i], TAIL);
		a = open_text(*state, text);
		assert_file(a, "ide0:0", "one.img");
		appliance_free(a);
	}
}

static void missing_and_taken_addresses_are_given_in_order(void **state)
{
	struct appliance *a = open_text(
		*state,
		MACHINE(ITEM(1, 6, "") ITEM(2, 6, "") ITEM(3, 17, "<rasd:Parent>1</rasd:Parent>" HOST("/disk/d1"))
	                        ITEM(4, 17, ON(1, 0) HOST("/disk/d2")) ITEM(5, 17, ON(1, 7) HOST("/disk/blank"))
	                                ITEM(6, 15, ON(2, 99)) ITEM(7, 15, "")));

	assert_file(a, "scsi0:0", "one.img");
	assert_file(a, "scsi0:1", "two.img");
	assert_non_null(appliance_find_drive(a, "scsi0:2")); /* 7 is the adapter's own */
	assert_non_null(appliance_find_drive(a, "scsi1:0"));
	assert_non_null(appliance_find_drive(a, "ide0:0"));
	assert_remark(a, "it is at scsi0:1 instead");
	assert_remark(a, "It is on no controller");
	appliance_free(a);
}

static void one_ide_adapter_may_have_four_drives(void **state)
{
	struct appliance *a =
		open_text(*state, MACHINE(ITEM(1, 5, "") ITEM(2, 17, ON(1, 2) HOST("/disk/d1"))
	                                          ITEM(3, 17, ON(1, 1) HOST("/disk/d2")) ITEM(4, 15, ON(1, 0))
	                                                  ITEM(5, 15, ON(1, 3)) ITEM(6, 15, ON(1, 4))));

	assert_file(a, "ide1:0", "one.img");
	assert_file(a, "ide0:1", "two.img");
	assert_int_equal(a->drive_count, 4);
	assert_remark(a, "no room for it on any ide controller");
	appliance_free(a);
}

static void a_disk_without_a_file_is_blank(void **state)
{
	struct appliance *a = open_text(*state, MACHINE(ITEM(1, 6, "") ITEM(2, 17, ON(1, 0) HOST("/disk/blank"))));
	struct disk *disk = NULL;

	assert_int_equal(a->drives[0].backing, BACKING_BLANK);
	assert_int_equal(appliance_open_disk(a, &a->drives[0], &disk, NULL), 0);
	assert_int_equal(disk->capacity, 2048 * MEBIBYTE);
	disk_close(disk);
	appliance_free(a);
}

static void what_is_not_played_is_a_remark(void **state)
{
	struct appliance *a = open_text(
		*state,
		MACHINE("<Item ovf:required='false'><rasd:ElementName>tpm</rasd:ElementName><rasd:ResourceType>1"
	                "</rasd:ResourceType>" SUBTYPE("vmware.vtpm") "</Item>" ITEM(
				2, 22, "") "<Item><rasd:ElementName>what</rasd:ElementName></Item>"));

	assert_remark(a, "vmware.vtpm is not part of the machine");
	assert_remark(a, "the guest may miss it");
	assert_remark(a, "does not say what kind of device");
	assert_remark(a, "starts nothing");
	appliance_free(a);
}

/* ---- configurations and bounds ---- */

static void only_items_of_the_default_configuration_count(void **state)
{
	struct appliance *a = open_text(
		*state, HEAD
		"<DeploymentOptionSection><Configuration ovf:id='small'/><Configuration ovf:id='big' "
		"ovf:default='true'/>"
		"</DeploymentOptionSection>" SYSTEM HARDWARE "<Item "
		"ovf:configuration='small'><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>"
		"<rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>"
		"<Item ovf:configuration='medium big'><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3"
		"</rasd:ResourceType><rasd:VirtualQuantity>8</rasd:VirtualQuantity></Item>" ITEM(1, 3, QUANTITY(1, ""))
			TAIL);

	assert_int_equal(a->cpus, 8);
	assert_remark(a, "the default one, \"big\", is played");
	appliance_free(a);
}

static void bounds_are_not_values(void **state)
{
	struct appliance *a = open_text(
		*state, MACHINE("<Item ovf:bound='min'><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2"
	                        "</rasd:VirtualQuantity></Item><Item "
	                        "ovf:bound='normal'><rasd:ResourceType>3</rasd:ResourceType>"
	                        "<rasd:VirtualQuantity>3</rasd:VirtualQuantity></Item><Item "
	                        "ovf:bound='max'><rasd:ResourceType>3"
	                        "</rasd:ResourceType><rasd:VirtualQuantity>9</rasd:VirtualQuantity></Item>"));

	assert_int_equal(a->cpus, 3);
	appliance_free(a);
}

/* ---- collections ---- */

static void of_several_machines_the_first_to_start_is_played(void **state)
{
	struct appliance *a = open_text(
		*state, HEAD
		"<VirtualSystemCollection ovf:id='all'><StartupSection><Item ovf:id='inner' ovf:order='1'/>"
		"<Item ovf:id='a' ovf:order='2'/></StartupSection><VirtualSystem ovf:id='a'><VirtualHardwareSection/>"
		"</VirtualSystem><VirtualSystemCollection ovf:id='inner'><VirtualSystem ovf:id='b'>"
		"<VirtualHardwareSection/></VirtualSystem><VirtualSystem ovf:id='c'><Name>The third</Name>"
		"<VirtualHardwareSection/></VirtualSystem><StartupSection><Item ovf:id='c' ovf:order='0'/>"
		"</StartupSection></VirtualSystemCollection></VirtualSystemCollection></Envelope>");

	assert_string_equal(a->name, "The third");
	assert_remark(a, "The package has 3 machines; \"The third\", which starts first, is played.");
	appliance_free(a);
}

static void ovf_0_9_is_read(void **state)
{
	struct appliance *a = open_text(
		*state,
		"<ovf:Envelope xmlns:ovf='http://www.vmware.com/schema/ovf/1/envelope' xmlns:x='http://www.w3.org/2001/"
		"XMLSchema-instance' xmlns:r='urn:r'><References><File ovf:id='f' ovf:href='one.img'/></References>"
		"<Section x:type='ovf:DiskSection_Type'><Disk ovf:diskId='d' ovf:fileRef='f' "
		"ovf:capacity='1'/></Section>"
		"<Content x:type='ovf:VirtualSystem_Type' ovf:id='old'><Section x:type='ovf:AnnotationSection_Type'>"
		"<Annotation>Text</Annotation></Section><Section x:type='ovf:OperatingSystemSection_Type' ovf:id='67'/>"
		"<Section "
		"x:type='ovf:VirtualHardwareSection_Type'><Item><r:InstanceId>5</r:InstanceId><r:ResourceType>6"
		"</r:ResourceType><r:BusNumber>2</r:BusNumber></Item><Item><r:Caption>Disk</r:Caption><r:InstanceId>6"
		"</r:InstanceId><r:ResourceType>17</r:ResourceType><r:HostResource>disk/d</r:HostResource><r:Parent>5"
		"</r:Parent><r:AddressOnParent>3</r:AddressOnParent></Item></Section></Content></ovf:Envelope>");

	assert_string_equal(a->name, "old");
	assert_string_equal(a->annotation, "Text");
	assert_string_equal(a->guest_os, "winxppro");
	assert_true(a->rtc_local_time);
	assert_file(a, "scsi2:3", "one.img");
	appliance_free(a);
}

/* ---- names and settings ---- */

#define SIXTY "sixty_characters_that_are_no_system_whatever_else_they_may_be"

/* The long one is a fuzzer's: cut in the middle of a character, it did not read back from the .vmx. */
static void guest_systems_get_the_names_of_a_vmx(void **state)
{
	static const struct {
		const char *attributes, *guest;
	} cases[] = {
		{ "vmw:osType='debian10_64Guest' ovf:id='1'", "debian10-64" },
		{ "vmw:osType='otherGuest64'", "other-64" },
		{ "vmw:osType='windows7Server64Guest'", "windows7srv-64" },
		{ "vmw:osType='winNetStandardGuest'", "winnetstandard" },
		{ "vmw:osType='other3xLinux64Guest'", "other3xlinux-64" },
		{ "vmw:osType='" SIXTY "1234567890\xc3\xa4\xc3\xa4\xc3\xa4'",
		  SIXTY "1234567890\xc3\xa4\xc3\xa4\xc3\xa4" },
		{ "ovf:id='94'", "ubuntu-64" },
		{ "ovf:id='1'", "Plan 9" },
		{ "ovf:id='99999'", "Plan 9" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct appliance *a;
		char text[4096];

		snprintf(text, sizeof(text),
		         "%s<OperatingSystemSection %s><Description>Plan 9</Description>"
		         "</OperatingSystemSection>%s",
		         HEAD SYSTEM, cases[i].attributes, HARDWARE TAIL);
		a = open_text(*state, text);
		assert_string_equal(a->guest_os, cases[i].guest);
		appliance_free(a);
	}
}

static void settings_of_vmware_are_applied_or_remarked(void **state)
{
	struct appliance *a = open_text(
		*state,
		MACHINE(ITEM(1, 3, QUANTITY(4, "")) ITEM(2, 6, "") ITEM(
			3, 10,
			"<vmw:Config ovf:required='false' "
			"vmw:key='slotInfo.pciSlotNumber' vmw:value='33'/><vmw:Config vmw:key='wakeOnLanEnabled' "
			"vmw:value='true'/>") "<vmw:Config vmw:key='firmware' vmw:value='efi'/><vmw:Config "
	                                      "vmw:key='nestedHVEnabled' vmw:value='false'/>"
	                                      "<vmw:Config vmw:key='flags.vbsEnabled' vmw:value='true'/>"
	                                      "<vmw:ExtraConfig vmw:key='cpuid.coresPerSocket' vmw:value='2'/>"
	                                      "<vmw:ExtraConfig vmw:key='scsi0.pciSlotNumber' vmw:value='16'/>"
	                                      "<vmw:ExtraConfig vmw:key='tools.syncTime' vmw:value='TRUE'/>"
	                                      "<vmw:ExtraConfig vmw:key='serial9.fileName' vmw:value='/etc/passwd'/>"
	                                      "<vmw:ExtraConfig vmw:key='displayName' vmw:value='not this'/>"));

	assert_int_equal(a->firmware, FIRMWARE_EFI);
	assert_int_equal(a->cores_per_socket, 2);
	assert_int_equal(a->controllers[0].pci_slot, 16);
	assert_int_equal(a->nics[0].pci_slot, 33);
	assert_string_equal(a->name, "vm");
	assert_remark(a, "(\"true\") is not honoured");
	assert_remark(a, "/etc/passwd");
	assert_int_equal(a->serial_count, 0);
	for (unsigned i = 0; i < a->remark_count; i++)
		assert_null(strstr(a->remarks[i].subject, "tools."));
	appliance_free(a);
}

/* ---- VirtualBox ---- */

static void virtualbox_describes_its_hardware_better(void **state)
{
	struct appliance *a = open_text(
		*state,
		HEAD DISK_REFERENCES DISKS SYSTEM HARDWARE ITEM(1, 3, QUANTITY(1, "")) ITEM(2, 4, QUANTITY(64, "MB"))
			ITEM(3, 6, "") ITEM(4, 17, ON(3, 0) HOST("/disk/d1")) ITEM(
				5, 10,
				"") "</VirtualHardwareSection>"
				    "<vbox:Machine version='1.15-linux' uuid='{CAB1600E-df75-47c2-a237-cfb10215b42b}' "
				    "OSType='Debian_64'>"
				    "<Hardware><CPU count='2'/><Memory RAMSize='512'/><Firmware "
				    "type='EFI'/><Boot><Order position='1' "
				    "device='DVD'/><Order position='2' device='HardDisk'/></Boot><Network><Adapter "
				    "slot='1' enabled='true' "
				    "MACAddress='080027AABBCC' cable='true' type='82540EM'><NAT/></Adapter><Adapter "
				    "slot='2' enabled='false'/>"
				    "<Adapter slot='3' enabled='true' type='Am79C973'><BridgedInterface "
				    "name='eth0'/></Adapter></Network>"
				    "<UART><Port slot='0' enabled='true' hostMode='HostPipe' path='/tmp/pipe'/></UART>"
				    "<AudioAdapter controller='HDA' enabled='true'/><RTC "
				    "localOrUTC='UTC'/><USB><Controllers><Controller/>"
				    "</Controllers></USB><SharedFolders><SharedFolder name='home' "
				    "hostPath='/home'/></SharedFolders></Hardware>"
				    "<StorageControllers><StorageController type='PIIX4'><AttachedDevice type='DVD' "
				    "port='1' device='0'/>"
				    "</StorageController><StorageController type='AHCI'><AttachedDevice "
				    "type='HardDisk' port='3' device='0'>"
				    "<Image "
				    "uuid='{22222222-BB}'/></AttachedDevice></StorageController></StorageControllers></"
				    "vbox:Machine>"
				    "</VirtualSystem></Envelope>");

	assert_int_equal(a->origin, ORIGIN_VIRTUALBOX);
	assert_string_equal(a->uuid, "cab1600edf7547c2a237cfb10215b42b");
	assert_string_equal(a->guest_os, "debian10-64");
	assert_int_equal(a->cpus, 2);
	assert_int_equal(a->memory, 512 * MEBIBYTE);
	assert_int_equal(a->firmware, FIRMWARE_EFI);
	assert_string_equal(a->boot_order, "cdrom,hdd");
	assert_int_equal(a->drive_count, 2);
	assert_file(a, "sata0:3", "two.img");
	assert_non_null(appliance_find_drive(a, "ide1:0"));
	assert_int_equal(a->nic_count, 2);
	assert_int_equal(a->nics[0].number, 1);
	assert_string_equal(a->nics[0].model, "e1000");
	assert_string_equal(a->nics[0].mac, "08:00:27:aa:bb:cc");
	assert_true(a->nics[0].start_connected);
	assert_string_equal(a->nics[1].model, "vlance");
	assert_false(a->nics[1].start_connected); /* no cable attribute, before settings version 1.16 */
	assert_string_equal(a->sound, "hdaudio");
	assert_true(a->usb);
	assert_false(a->rtc_local_time);
	assert_remark(a, "not connected to \"/tmp/pipe\"");
	assert_remark(a, "Folders of the host are not shared");
	appliance_free(a);
}

static void a_virtualbox_disk_of_unknown_uuid_leaves_storage_to_the_items(void **state)
{
	struct appliance *a = open_text(
		*state,
		HEAD DISK_REFERENCES DISKS SYSTEM HARDWARE ITEM(3, 6, "") ITEM(
			4, 17,
			ON(3, 0) HOST("/disk/d1")) "</VirtualHardwareSection><vbox:Machine><Hardware/"
						   "><StorageControllers><StorageController type='AHCI'>"
						   "<AttachedDevice type='HardDisk' port='0'><Image "
						   "uuid='{33}'/></AttachedDevice></StorageController>"
						   "</StorageControllers></vbox:Machine></VirtualSystem></Envelope>");

	assert_file(a, "scsi0:0", "one.img");
	assert_int_equal(a->drive_count, 1);
	appliance_free(a);
}

/* A fuzzer found that the digits were read beyond their end. */
static void an_odd_uuid_is_a_remark(void **state)
{
	struct appliance *a =
		open_text(*state, HEAD SYSTEM "<vbox:Machine uuid='{cab1600e-df75-47c2-a237-cfb10215b42b4}'>"
	                                      "<Hardware/></vbox:Machine></VirtualSystem></Envelope>");

	assert_string_equal(a->uuid, "");
	assert_remark(a, "is not 32 hexadecimal digits");
	appliance_free(a);
}

/* ---- files ---- */

static void files_that_cannot_be_played_are_refused_in_words(void **state)
{
	static const struct {
		const char *references, *words;
		int code;
	} cases[] = {
		{ "<File ovf:id='f1' ovf:href='http://example.com/disk.vmdk'/>", "Download it into the folder",
		  -ENOTSUP },
		{ "<File ovf:id='f1' ovf:href='disk.vmdk.gz' ovf:compression='gzip'/>", "gunzip", -ENOTSUP },
		{ "<File ovf:id='f1' ovf:href='disk.vmdk' ovf:chunkSize='1000'/>", "cat 'disk.vmdk'.*", -ENOTSUP },
		{ "<File ovf:id='f1'/>", "has no name (href)", -EINVAL },
		{ "<File ovf:id='other' ovf:href='disk.vmdk'/>", "References do not list", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[4096];

		snprintf(text, sizeof(text), "%s<References>%s</References>%s", HEAD, cases[i].references,
		         DISKS SYSTEM HARDWARE ITEM(1, 6, "") ITEM(2, 17, ON(1, 0) HOST("/disk/d1")) TAIL);
		assert_fails(*state, text, cases[i].code, cases[i].words);
	}
	assert_fails(*state, MACHINE(ITEM(1, 17, HOST("/disk/nothing"))), -EINVAL, "names \"/disk/nothing\"");
}

static void encoded_file_names_are_tried_as_they_are_first(void **state)
{
	static const char text[] =
		HEAD "<References><File ovf:id='f' ovf:href='a%20b.img'/></References>" SYSTEM HARDWARE ITEM(1, 6, "")
			ITEM(2, 17, ON(1, 0) HOST("/file/f")) TAIL;
	struct appliance *a = open_text(*state, text);

	assert_file(a, "scsi0:0", "a%20b.img");
	appliance_free(a);
	test_memory_resize(*state, "a b.img", 512);
	a = open_text(*state, text);
	assert_file(a, "scsi0:0", "a b.img");
	appliance_free(a);
	test_memory_resize(*state, "a%20b.img", 512);
	a = open_text(*state, text);
	assert_file(a, "scsi0:0", "a%20b.img");
	appliance_free(a);
}

static void the_manifest_beside_it_is_found(void **state)
{
	static const char text[] = MACHINE("");
	struct appliance *a = open_text(*state, text);

	assert_null(appliance_manifest(a));
	appliance_free(a);
	test_memory_write(*state, "vm.mf", "SHA1(one.img)= 3b71f43ff30f4b15b5cd85dd9e95ebc7e84eb5a3\n", 56);
	a = open_text(*state, text);
	assert_non_null(appliance_manifest(a));
	assert_int_equal(manifest_check_step(appliance_manifest(a), 2 << 20, NULL), 0); /* 1 MiB of zeros */
	appliance_free(a);
}

/* ---- XML ---- */

static void faults_name_line_and_column(void **state)
{
	assert_fails(*state, "<?xml version='1.0'?>\n<Envelope>\n  <A></B>\n</Envelope>", -EINVAL,
	             "vm.ovf, line 3, column ");
	assert_fails(*state, "<Envelope>\n<References>", -EINVAL, "the download was probably interrupted");
	assert_fails(*state, "<Envelope/>", -EINVAL, "no machine is described");
	assert_fails(*state, "<A xmlns='http://schemas.dmtf.org/ovf/envelope/1'/>", -EINVAL, "not an Envelope");
	assert_fails(*state, HEAD SYSTEM "</VirtualSystem></Envelope>", -EINVAL, "no VirtualHardwareSection");
	assert_fails(*state, HEAD "<EncryptedData/></Envelope>", -ENOTSUP, "encrypted");
}

static void document_types_are_refused(void **state)
{
	assert_fails(*state, "<!DOCTYPE Envelope [<!ENTITY a 'aaaaaaaa'><!ENTITY b '&a;&a;'>]><Envelope>&b;</Envelope>",
	             -EINVAL, "document type");
	assert_fails(*state, "<!DOCTYPE Envelope SYSTEM 'file:///etc/passwd'><Envelope/>", -EINVAL, "document type");
	assert_fails(*state, "<Envelope>&b;</Envelope>", -EINVAL, "line 1");
}

/* "<x>" n times inside of an Envelope */
static char *repeat(const char *what, size_t n, const char *before, const char *after)
{
	size_t length = strlen(what);
	char *text = malloc(strlen(before) + n * length + strlen(after) + 1), *to = stpcpy(text, before);

	for (size_t i = 0; i < n; i++)
		to = mempcpy(to, what, length);
	strcpy(to, after);
	return text;
}

static void what_is_larger_than_any_ovf_is_refused(void **state)
{
	static const struct {
		const char *what;
		size_t n;
		const char *before, *after, *words;
		int code;
	} cases[] = {
		{ "<a>", 100, "<Envelope>", "", "nested deeper", -EINVAL },
		{ "<a/>", 250000, "<Envelope>", "</Envelope>", "more elements", -EINVAL },
		{ " a='b'", 5000, "<Envelope", "/>", "more attributes", -EINVAL },
		{ "<File/>", 5000, HEAD "<References>", "</References>" SYSTEM HARDWARE TAIL, "5000 files", -EFBIG },
		{ "<Disk/>", 1500, HEAD "<DiskSection>", "</DiskSection>" SYSTEM HARDWARE TAIL, "1500 disks", -EFBIG },
		{ "<Item/>", 5000, HEAD SYSTEM HARDWARE, TAIL, "5000 items", -EFBIG },
		{ "<AttachedDevice/>", 5000,
		  HEAD SYSTEM "<vbox:Machine><Hardware><StorageControllers><StorageController>",
		  "</StorageController></StorageControllers></Hardware></vbox:Machine></VirtualSystem></Envelope>",
		  "5000 drives", -EFBIG },
		{ "          ", 900000, "<Envelope>", "</Envelope>", "too many for an OVF", -EFBIG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = repeat(cases[i].what, cases[i].n, cases[i].before, cases[i].after);

		assert_fails(*state, text, cases[i].code, cases[i].words);
		free(text);
	}
}

/* 200 drives of one disk, whose capacity is looked for in a text of 2 MB each time. */
static void a_text_that_is_kept_too_often_is_refused(void **state)
{
	char *value = repeat("0123456789", 200000,
	                     HEAD DISK_REFERENCES "<DiskSection><Disk ovf:diskId='d1' ovf:fileRef='f1' "
	                                          "ovf:capacity='${none}'/></DiskSection>" SYSTEM
	                                          "<ProductSection><Property ovf:key='k' ovf:value='",
	                     "'/></ProductSection>" HARDWARE ITEM(1, 20, SUBTYPE("virtio")));
	char *text = repeat(ITEM(, 17, "<rasd:Parent>1</rasd:Parent>" HOST("ovf:/disk/d1")), 200, value, TAIL);

	assert_fails(*state, text, -EFBIG, "repeat");
	free(value);
	free(text);
}

/* Each of the items is looked for among the machines, not among all elements of the collection. */
static void a_long_collection_is_searched_in_time(void **state)
{
	char *head = repeat("<Item ovf:id='x'/>", 1024, HEAD "<VirtualSystemCollection><StartupSection>",
	                    "</StartupSection>");
	char *text = repeat("<Section/>", 150000, head,
	                    SYSTEM "<VirtualHardwareSection/></VirtualSystem></VirtualSystemCollection></Envelope>");
	clock_t begin = clock();

	appliance_free(open_text(*state, text));
	assert_true(clock() - begin < 10 * CLOCKS_PER_SEC); /* with sanitizers 1, a product of both numbers 100 */
	free(head);
	free(text);
}

/* A configuration's name of 1 MB against a list of a million words; an item of as many kinds of controller. */
static void long_lists_of_words_are_searched_in_time(void **state)
{
	char *id = repeat("b", 1000000, HEAD "<DeploymentOptionSection><Configuration ovf:id='",
	                  "'/></DeploymentOptionSection>" SYSTEM HARDWARE "<Item ovf:configuration='");
	char *list = repeat("a ", 1000000, id, "'/>" TAIL);
	char *words = repeat("a ", 1000000,
	                     HEAD SYSTEM HARDWARE "<Item><rasd:ResourceType>20</rasd:ResourceType>"
	                                          "<rasd:ResourceSubType>",
	                     "</rasd:ResourceSubType></Item>" TAIL);
	clock_t begin = clock();

	appliance_free(open_text(*state, list));
	appliance_free(open_text(*state, words));
	assert_true(clock() - begin < 10 * CLOCKS_PER_SEC);
	free(id);
	free(list);
	free(words);
}

/* Written as a configuration, each quotation mark takes three bytes: the next start could not read it. */
static void a_description_that_no_configuration_holds_is_refused(void **state)
{
	char *text = repeat("\"", 1500000, HEAD "<VirtualSystem ovf:id='vm'><AnnotationSection><Annotation>",
	                    "</Annotation></AnnotationSection>" HARDWARE TAIL);
	struct appliance *a = open_text(*state, text);
	struct error e = { 0 };
	char *configuration;

	assert_int_equal(appliance_to_vmx(a, &configuration, &e), -EFBIG);
	assert_non_null(strstr(e.text, "configuration"));
	appliance_free(a);
	free(text);
}

static void encodings_are_read(void **state)
{
	static const char utf8[] =
		"\xef\xbb\xbf<Envelope><VirtualSystem><Name>B\xc3\xa4r</Name><VirtualHardwareSection/>"
		"</VirtualSystem></Envelope>";
	static const char latin[] =
		"<?xml version='1.0' encoding='ISO-8859-1'?><Envelope><VirtualSystem><Name>B\xe4r</Name>"
		"<VirtualHardwareSection/></VirtualSystem></Envelope>";
	static const char wrong[] = "<?xml version='1.0' encoding='UTF-8'?><Envelope><VirtualSystem><Name>B\xe4r</Name>"
				    "<VirtualHardwareSection/></VirtualSystem></Envelope>";
	char wide[2 * sizeof(utf8)];
	size_t length = 0;
	struct appliance *a = open_text(*state, utf8);

	assert_string_equal(a->name, "B\xc3\xa4r");
	appliance_free(a);
	a = open_text(*state, latin);
	assert_string_equal(a->name, "B\xc3\xa4r");
	appliance_free(a);
	a = open_text(*state, wrong);
	assert_string_equal(a->name, "B\xef\xbf\xbdr");
	assert_remark(a, "not in the encoding");
	appliance_free(a);
	wide[length++] = '\xff';
	wide[length++] = '\xfe';
	for (const char *p = utf8 + 3; *p; p++) {
		wide[length++] = *p == '\xc3' ? (char)0xe4 : *p;
		wide[length++] = '\0';
		p += *p == '\xc3';
	}
	a = open_bytes(*state, wide, length);
	assert_string_equal(a->name, "B\xc3\xa4r");
	appliance_free(a);
	assert_fails(*state, "<?xml version='1.0' encoding='EBCDIC-CP-US'?><Envelope/>", -ENOTSUP, "iconv -f EBCDIC");
}

/* ---- in the sandbox ---- */

static int warm(void)
{
	ovf_warm_parser();
	return 0;
}

static int open_in_sandbox(void)
{
	static const char *const texts[] = {
		MACHINE(ITEM(1, 4, QUANTITY(64, "MB"))),
		"<?xml version='1.0' encoding='ISO-8859-2'?><Envelope/>",
		"<?xml version='1.0' encoding='UTF-8'?><Envelope><!DOCTYPE a SYSTEM 'file:///etc/passwd'></Envelope>",
		"<!DOCTYPE Envelope SYSTEM 'file:///etc/passwd'><Envelope/>",
		"<Envelope>&amp;&lt;&#228;&unknown;</Envelope>",
		"<?xml-stylesheet href='file:///etc/passwd'?><Envelope/>",
		"<Envelope xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='/etc/passwd'/></Envelope>",
		"\xff\xfe<",
	};
	unsigned opened = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct appliance *a = appliance_new();
		struct file file = test_file("vm.ovf", texts[i], strlen(texts[i]));

		a->outer = &test_no_files;
		opened += ovf_open(a, &file, &test_no_files, NULL) == 0;
		appliance_free(a);
		file_close(&file);
	}
	return opened == 1 ? 0 : 2;
}

static void parsing_opens_no_file(void **state)
{
	(void)state;
	assert_needs_no_files(warm, open_in_sandbox);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing_opens_no_file), /* first: libxml2 is not yet initialised */
		TEST(a_machine_is_described_by_its_items),
		TEST(units_of_memory_are_understood),
		TEST(impossible_memory_is_refused_with_its_line),
		TEST(models_are_chosen_from_lists_in_any_case),
		TEST(all_spellings_of_a_host_resource_find_the_disk),
		TEST(missing_and_taken_addresses_are_given_in_order),
		TEST(one_ide_adapter_may_have_four_drives),
		TEST(a_disk_without_a_file_is_blank),
		TEST(what_is_not_played_is_a_remark),
		TEST(only_items_of_the_default_configuration_count),
		TEST(bounds_are_not_values),
		TEST(of_several_machines_the_first_to_start_is_played),
		TEST(ovf_0_9_is_read),
		TEST(guest_systems_get_the_names_of_a_vmx),
		TEST(settings_of_vmware_are_applied_or_remarked),
		TEST(virtualbox_describes_its_hardware_better),
		TEST(a_virtualbox_disk_of_unknown_uuid_leaves_storage_to_the_items),
		TEST(an_odd_uuid_is_a_remark),
		TEST(files_that_cannot_be_played_are_refused_in_words),
		TEST(encoded_file_names_are_tried_as_they_are_first),
		TEST(the_manifest_beside_it_is_found),
		TEST(faults_name_line_and_column),
		TEST(document_types_are_refused),
		TEST(what_is_larger_than_any_ovf_is_refused),
		TEST(a_text_that_is_kept_too_often_is_refused),
		TEST(a_long_collection_is_searched_in_time),
		TEST(long_lists_of_words_are_searched_in_time),
		TEST(a_description_that_no_configuration_holds_is_refused),
		TEST(encodings_are_read),
	};

	return cmocka_run_group_tests_name("ovf", tests, NULL, NULL);
}
