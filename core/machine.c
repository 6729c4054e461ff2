/* SPDX-License-Identifier: MIT */
/*
 * THE BOARD. One table per kind of machine says which chip sits in which PCI slot, so that a guest finds its devices where it left
 * them (a card's slot is part of its name in Linux and Windows); one table lists the ISA chips, the same on all boards.
 */
#include "core/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/machine_private.h"
#include "core/util/bios_fix.h"

/* ---- the parts ---- */

/* Fills what a part is told beyond its place; extra lives until the part is created. */
union extra {
	struct i440fx_config i440fx;
	struct piix4_pm_config pm;
	struct bridge_config bridge;
	struct vga_config vga;
	struct i8042_config i8042;
	struct serial_config serial;
	struct pit_config pit;
	struct rtc_config rtc;
	struct vmport_config vmport;
	struct uhci_config uhci;
};

struct part {
	const struct device_class *class;
	const char *id;
	uint8_t device, function; /* PCI */
	uint16_t port;            /* ISA */
	uint8_t irq_count, irqs[2];
	void (*tell)(struct machine *m, const struct part *part, struct device_config *config, union extra *extra);
	uint16_t model;                            /* bridges: which */
	uint16_t slot;                             /* bridges: the number of the first slot behind */
	bool (*wanted)(const struct appliance *a); /* NULL: on every board of its kind */
};

static void tell_host(struct machine *m, const struct part *part, struct device_config *config, union extra *extra)
{
	(void)part, (void)config;
	extra->i440fx = (struct i440fx_config){ .ram = m->ram,
		                                .bios = m->bios.host,
		                                .bios_size = m->bios.size,
		                                .reset = machine_request_reset,
		                                .context = m };
}

static void tell_power(struct machine *m, const struct part *part, struct device_config *config, union extra *extra)
{
	(void)part, (void)config;
	extra->pm = (struct piix4_pm_config){ .power_off = machine_request_power_off, .context = m };
}

static void tell_ide(struct machine *m, const struct part *part, struct device_config *config, union extra *extra)
{
	(void)part, (void)extra;
	memcpy(config->blocks, m->ide_blocks, sizeof(m->ide_blocks));
	config->extra = &m->ide;
}

static void tell_vga(struct machine *m, const struct part *part, struct device_config *config, union extra *extra)
{
	(void)part, (void)config;
	extra->vga = (struct vga_config){ .screen = m->options.screen,
		                          .memory = m->video_memory,
		                          .memory_size = VIDEO_MEMORY,
		                          .rom = m->options.vgabios,
		                          .rom_size = m->options.vgabios_size };
}

static void tell_bridge(struct machine *m, const struct part *part, struct device_config *config, union extra *extra)
{
	bool port = part->model == 0x07a0; /* a root port: one device is behind it */

	(void)config;
	m->acpi_board.bridges[m->bridge_count] = (struct acpi_bridge){ .devfn = PCI_DEVFN(part->device, part->function),
		                                                       .devices = port ? 1 : 32,
		                                                       .first_slot = part->slot };
	extra->bridge = (struct bridge_config){ .vendor = 0x15ad,
		                                .device = part->model,
		                                .express = port,
		                                .ret_bus = &m->bridged[m->bridge_count++],
		                                .slot = part->slot };
}

static void tell_keyboard(struct machine *m, const struct part *part, struct device_config *config, union extra *extra)
{
	(void)part, (void)config;
	extra->i8042 = (struct i8042_config){ .reset_cpu = machine_request_reset, .context = m };
}

static void tell_pit(struct machine *m, const struct part *part, struct device_config *config, union extra *extra)
{
	(void)part, (void)config;
	extra->pit = (struct pit_config){ .sound = m->options.sound };
}

static void tell_rtc(struct machine *m, const struct part *part, struct device_config *config, union extra *extra)
{
	(void)part, (void)config;
	extra->rtc = (struct rtc_config){ .epoch = (int64_t)time(NULL) + m->options.rtc_offset,
		                          .memory_below_4g = m->ram_low_size,
		                          .memory_above_4g = m->ram_high.size,
		                          .boot_order = { m->boot_order[0], m->boot_order[1], m->boot_order[2] },
		                          .cpus = m->cpus };
}

static void tell_vmport(struct machine *m, const struct part *part, struct device_config *config, union extra *extra)
{
	(void)part, (void)config;
	extra->vmport = (struct vmport_config){ .memory = m->memory,
		                                .wall_clock = machine_wall_clock,
		                                .tsc_hz = machine_tsc_hz,
		                                .apic_hz = KVM_APIC_HZ,
		                                .pointer_changed = machine_pointer_changed,
		                                .context = m };
	memcpy(extra->vmport.uuid, m->uuid, sizeof(extra->vmport.uuid));
}

static bool wants_vmport(const struct appliance *a)
{
	return a->vmport;
}

static void tell_usb(struct machine *m, const struct part *part, struct device_config *config, union extra *extra)
{
	(void)part, (void)config;
	extra->uhci = (struct uhci_config){ .pointer_changed = machine_pointer_changed, .context = m };
}

static bool wants_usb(const struct appliance *a)
{
	return a->usb;
}

static void tell_serial(struct machine *m, const struct part *part, struct device_config *config, union extra *extra)
{
	struct serial_buffer *output = &m->outputs[part->class == &debugcon_class ? MACHINE_SERIALS : part->device];

	(void)config;
	extra->serial = (struct serial_config){ .output = machine_serial_output,
		                                .input_ready = machine_serial_ready,
		                                .context = output };
}

/* QEMU's old board, and so the one that generic images were made on. */
static const struct part generic_board[] = {
	{ &i440fx_class, "host", 0x00, 0, .tell = tell_host },
	{ &piix4_isa_class, "isa", 0x01, 0 },
	{ &ide_class, "ide", 0x01, 1, .irq_count = 2, .irqs = { 14, 15 }, .tell = tell_ide },
	{ &uhci_class, "usb", 0x01, 2, .tell = tell_usb, .wanted = wants_usb },
	{ &piix4_pm_class, "pm", 0x01, 3, .irq_count = 1, .irqs = { 9 }, .tell = tell_power },
	{ &vga_class, "vga", 0x02, 0, .tell = tell_vga },
	{ NULL },
};

/* VMware: the south bridge in slot 7, the screen in 15, a PCI bridge in 17 (slots 32 and up lie behind it) and root ports in 21
 * to 24 (slots 160, 192, 224, 256). */
static const struct part vmware_board[] = {
	{ &i440fx_class, "host", 0x00, 0, .tell = tell_host },
	{ &piix4_isa_class, "isa", 0x07, 0 },
	{ &ide_class, "ide", 0x07, 1, .irq_count = 2, .irqs = { 14, 15 }, .tell = tell_ide },
	{ &uhci_class, "usb", 0x07, 2, .tell = tell_usb, .wanted = wants_usb },
	{ &piix4_pm_class, "pm", 0x07, 3, .irq_count = 1, .irqs = { 9 }, .tell = tell_power },
	{ &vga_class, "vga", 0x0f, 0, .tell = tell_vga },
	{ &bridge_class, "pciBridge0", 0x11, 0, .tell = tell_bridge, .model = 0x0790, .slot = 32 },
	{ &bridge_class, "pciBridge4", 0x15, 0, .tell = tell_bridge, .model = 0x07a0, .slot = 160 },
	{ &bridge_class, "pciBridge5", 0x16, 0, .tell = tell_bridge, .model = 0x07a0, .slot = 192 },
	{ &bridge_class, "pciBridge6", 0x17, 0, .tell = tell_bridge, .model = 0x07a0, .slot = 224 },
	{ &bridge_class, "pciBridge7", 0x18, 0, .tell = tell_bridge, .model = 0x07a0, .slot = 256 },
	{ NULL },
};

/* VirtualBox with the PIIX3 chipset: power management sits alone in slot 7. */
static const struct part virtualbox_board[] = {
	{ &i440fx_class, "host", 0x00, 0, .tell = tell_host },
	{ &piix4_isa_class, "isa", 0x01, 0 },
	{ &ide_class, "ide", 0x01, 1, .irq_count = 2, .irqs = { 14, 15 }, .tell = tell_ide },
	{ &uhci_class, "usb", 0x01, 2, .tell = tell_usb, .wanted = wants_usb },
	{ &vga_class, "vga", 0x02, 0, .tell = tell_vga },
	{ &piix4_pm_class, "pm", 0x07, 0, .irq_count = 1, .irqs = { 9 }, .tell = tell_power },
	{ NULL },
};

static const struct part *const boards[] = {
	[ORIGIN_OTHER] = generic_board,
	[ORIGIN_VMWARE] = vmware_board,
	[ORIGIN_VIRTUALBOX] = virtualbox_board,
};

/* The 8259s, their ELCR, the I/O APIC and the local APICs are KVM's. `device` numbers the serial ports. */
static const struct part isa_parts[] = {
	{ &pit_class, "pit", .port = 0x40, .irq_count = 1, .irqs = { 0 }, .tell = tell_pit },
	{ &i8042_class, "i8042", .port = 0x60, .irq_count = 2, .irqs = { 1, 12 }, .tell = tell_keyboard },
	{ &rtc_class, "rtc", .port = 0x70, .irq_count = 1, .irqs = { 8 }, .tell = tell_rtc },
	{ &port92_class, "port92", .port = 0x92, .tell = tell_keyboard },
	{ &vmport_class, "vmport", .port = 0x5658, .tell = tell_vmport, .wanted = wants_vmport },
	{ &debugcon_class, "debugcon", .port = 0x402, .tell = tell_serial },
	{ NULL },
};

/* COM1 is always there: nobody misses a port that answers, and a console on it can be read with --headless. */
static const struct part serial_parts[MACHINE_SERIALS] = {
	{ &serial_class, "serial0", .device = 0, .port = 0x3f8, .irq_count = 1, .irqs = { 4 }, .tell = tell_serial },
	{ &serial_class, "serial1", .device = 1, .port = 0x2f8, .irq_count = 1, .irqs = { 3 }, .tell = tell_serial },
	{ &serial_class, "serial2", .device = 2, .port = 0x3e8, .irq_count = 1, .irqs = { 4 }, .tell = tell_serial },
	{ &serial_class, "serial3", .device = 3, .port = 0x2e8, .irq_count = 1, .irqs = { 3 }, .tell = tell_serial },
};

/* ---- putting them on ---- */

int machine_add(struct machine *m, const struct device_class *class, const struct device_config *config,
                struct device **ret_device, struct error *e)
{
	struct device *d;
	int r = device_create(class, &m->board, config, &d, e);

	if (r < 0)
		return r;
	d->next = m->devices;
	m->devices = d;
	if (ret_device)
		*ret_device = d;
	return 0;
}

static int add_part(struct machine *m, const struct part *part, struct device **ret_device, struct error *e)
{
	union extra extra = { 0 };
	struct device_config config = {
		.id = part->id,
		.port = part->port,
		.irq_count = part->irq_count,
		.irqs = { part->irqs[0], part->irqs[1] },
		.pci_bus = m->pci,
		.pci_devfn = PCI_DEVFN(part->device, part->function),
		.extra = &extra,
	};

	if (part->tell)
		part->tell(m, part, &config, &extra);
	return machine_add(m, part->class, &config, ret_device, e);
}

static struct device *find_device(struct machine *m, const struct device_class *class)
{
	struct device *d = m->devices;

	while (d && d->class != class)
		d = d->next;
	return d;
}

static int add_parts(struct machine *m, const struct part *parts, struct error *e)
{
	int r = 0;

	for (const struct part *part = parts; part->class && r >= 0; part++)
		if (!part->wanted || part->wanted(m->options.appliance))
			r = add_part(m, part, NULL, e);
	return r;
}

static int add_serial(struct machine *m, unsigned n, struct error *e)
{
	m->acpi_board.serials[n].port = serial_parts[n].port;
	m->acpi_board.serials[n].irq = serial_parts[n].irqs[0];
	return add_part(m, &serial_parts[n], &m->serials[n], e);
}

static int add_serials(struct machine *m, const struct appliance *a, struct error *e)
{
	bool wanted[MACHINE_SERIALS] = { true };
	int r = 0;

	for (unsigned i = 0; i < a->serial_count; i++)
		if (a->serials[i].number < MACHINE_SERIALS)
			wanted[a->serials[i].number] = true;
	for (unsigned i = 0; i < MACHINE_SERIALS && r >= 0; i++)
		if (wanted[i])
			r = add_serial(m, i, e);
	return r;
}

/* Whatever the board leaves free on the root bus is a slot. VirtualBox numbers none: its guests name their cards by place. */
static void number_slots(struct machine *m, const struct part *parts, enum appliance_origin origin)
{
	m->acpi_board.slots = origin == ORIGIN_VIRTUALBOX ? 0 : UINT32_MAX;
	for (const struct part *part = parts; part->class; part++)
		m->acpi_board.slots &= ~(1u << part->device);
}

static int add_board(struct machine *m, const struct appliance *a, struct error *e)
{
	int r;

	m->pci = pci_bus_new_root(&m->board);
	if (!m->pci)
		return error_set(e, -ENOMEM, "not enough memory for the machine's board");
	r = add_parts(m, boards[a->origin], e);
	r = r < 0 ? r : cards_add(m, a, e);
	r = r < 0 ? r : nics_add(m, a, e);
	firmware_boot_order(m, a);
	r = r < 0 ? r : add_parts(m, isa_parts, e);
	r = r < 0 ? r : add_serials(m, a, e);
	if (r >= 0) {
		m->acpi_board.isa_devfn = find_device(m, &piix4_isa_class)->pci->devfn;
		number_slots(m, boards[a->origin], a->origin);
		r = machine_build_tables(m, a->origin, e);
	}
	r = r < 0 ? r : firmware_add_fw_cfg(m, e);
	machine_free_tables(m);
	m->keyboard = find_device(m, &i8042_class);
	m->power = find_device(m, &piix4_pm_class);
	m->vga = find_device(m, &vga_class);
	m->vmport = find_device(m, &vmport_class);
	m->usb = find_device(m, &uhci_class);
	return r;
}

/* ---- drives ---- */

static bool is_on_board(const struct appliance_drive *drive)
{
	return drive->bus == APPLIANCE_IDE && drive->controller < 2 && drive->unit < 2;
}

bool machine_has_place(const struct appliance *a, const struct appliance_drive *drive)
{
	return is_on_board(drive) || cards_have_place(a, drive);
}

/* Those of the board's own IDE; a card's drives are plugged in with it. */
static void plug_drives(struct machine *m, const struct appliance *a, struct block **blocks)
{
	for (unsigned i = 0; i < a->drive_count; i++) {
		const struct appliance_drive *drive = &a->drives[i];
		unsigned place = drive->controller * 2 + drive->unit;

		if (!is_on_board(drive) || !blocks[i])
			continue;
		m->ide_blocks[place] = blocks[i];
		m->ide.cdrom[place] = drive->kind == DRIVE_CDROM;
	}
}

/* A person knows the card, not the .vmx's word for it. */
static const struct {
	const char *model, *words;
} controllers[] = {
	{ "lsilogic", "LSI Logic SCSI" }, { "lsisas1068", "LSI Logic SAS" },
	{ "buslogic", "BusLogic SCSI" },  { "pvscsi", "VMware paravirtual SCSI" },
	{ "ahci", "SATA (AHCI)" },        { "nvme", "NVMe" },
	{ "virtio", "virtio" },           { "virtio-scsi", "virtio SCSI" },
};

static const char *controller_words(const struct appliance *a, const struct appliance_drive *drive)
{
	const char *model = "";

	if (drive->kind == DRIVE_FLOPPY)
		return "floppy";
	for (unsigned i = 0; i < a->controller_count; i++)
		if (a->controllers[i].bus == drive->bus && a->controllers[i].number == drive->controller)
			model = a->controllers[i].model;
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (!strcmp(controllers[i].model, model))
			return controllers[i].words;
	return *model ? model : "of no named model";
}

/* Remarks on each drive that has no place. Returns the first disk of them, if there is nothing else to start from. */
static const struct appliance_drive *review_drives(struct appliance *a)
{
	const struct appliance_drive *lost = NULL;
	bool startable = false;

	for (unsigned i = 0; i < a->drive_count; i++) {
		const struct appliance_drive *drive = &a->drives[i];
		char name[32];

		if (machine_has_place(a, drive)) {
			startable |= drive->kind == DRIVE_DISK ||
			             (drive->backing == BACKING_IMAGE && drive->start_connected);
			continue;
		}
		appliance_drive_name(drive, name);
		appliance_remark(a, 0, name,
		                 "its controller (%s) is not in this version of Vitrine, so it is not plugged in.",
		                 controller_words(a, drive));
		if (drive->kind == DRIVE_DISK && !lost)
			lost = drive;
	}
	return startable ? NULL : lost;
}

int machine_review(struct appliance *a, struct error *e)
{
	const struct appliance_drive *lost = review_drives(a);
	char name[32];

	if (a->firmware == FIRMWARE_EFI)
		appliance_remark(a, 0, "firmware",
		                 "EFI is not in this version of Vitrine; the machine starts with a BIOS.");
	nics_review(a);
	if (*a->sound)
		appliance_remark(a, 0, "sound",
		                 "sound cards are not in this version of Vitrine; only the speaker is heard.");
	if (a->usb && a->origin != ORIGIN_OTHER) /* a bare disk did not ask for more */
		appliance_remark(a, 0, "usb",
		                 "the machine gets USB 1.1 with a tablet as its pointer; other USB devices are not in "
		                 "this version of Vitrine.");
	if (a->cpus > KVM_MAX_CPUS)
		appliance_remark(a, 0, "numvcpus", "the machine gets %u CPUs instead of %u", KVM_MAX_CPUS, a->cpus);
	if (!lost)
		return 0;
	appliance_drive_name(lost, name);
	return error_set(e, -ENOTSUP,
	                 "%s starts from its disk %s, whose controller (%s) is not in this version of Vitrine; "
	                 "a machine with an IDE, SATA or LSI Logic SCSI disk plays.",
	                 *a->name ? a->name : "This machine", name, controller_words(a, lost));
}

/* ---- memory ---- */

#define BELOW_4G_MAX 0xc0000000ull /* the last gigabyte is for devices, ROM and APICs */
#define VGA_HOLE 0xa0000u
#define MEMORY_MIN (16ull << 20) /* the BIOS needs some */

/* RAM: below the VGA's hole and the BIOS area one slot; that area is the host bridge's affair; then from 1 MiB up. */
static int add_memory(struct machine *m, const struct appliance *a, struct error *e)
{
	uint64_t low, high;
	uint8_t *ram;
	long pages = sysconf(_SC_PHYS_PAGES);

	m->memory = MAX(a->memory, MEMORY_MIN);
	if (pages > 0 && m->memory > (uint64_t)pages * 4096)
		return error_set(e, -ENOMEM,
		                 "%s wants %llu MB of memory, this computer has %llu MB; lower memsize in its "
		                 "configuration file",
		                 a->name, (unsigned long long)(m->memory >> 20),
		                 (unsigned long long)pages * 4096 >> 20);
	low = MIN(m->memory, BELOW_4G_MAX);
	high = m->memory - low;
	ram = memory_allocate(m->board.memory, m->memory);
	if (!ram)
		return error_set(e, -ENOMEM,
		                 "%s wants %llu MB of memory, which this computer does not give; close other "
		                 "programs, or lower memsize in its configuration file",
		                 a->name, (unsigned long long)(m->memory >> 20));
	m->ram = ram;
	m->ram_low_size = low;
	m->ram_high = (struct slot){ .name = "ram above 4 GiB", .size = high, .host = ram + low };
	m->ram_base = (struct slot){ .name = "base ram", .size = VGA_HOLE, .host = ram };
	m->ram_main = (struct slot){ .name = "main ram", .size = low - 0x100000, .host = ram + 0x100000 };
	memory_map(m->board.memory, &m->ram_base, 0);
	memory_map(m->board.memory, &m->ram_main, 0x100000);
	if (high)
		memory_map(m->board.memory, &m->ram_high, 1ull << 32);
	return 0;
}

static int add_bios(struct machine *m, struct error *e)
{
	size_t size = m->options.bios_size;
	uint8_t *rom;

	/* Below its end at 4 GiB lie KVM's own pages and the I/O APIC's: 16 MiB is the most a PC ever had. */
	if (size < 0x10000 || size & 0xffff || size > 256u << 10)
		return error_set(e, -EINVAL,
		                 "the firmware image has %zu bytes; a PC BIOS of 64 to 256 KiB is needed: reinstall "
		                 "the package seabios",
		                 size);
	rom = memory_allocate(m->board.memory, size);
	m->video_memory = memory_allocate(m->board.memory, VIDEO_MEMORY);
	if (!rom || !m->video_memory)
		return error_set(e, -ENOMEM, "not enough memory for the machine's board; close other programs");
	memcpy(rom, m->options.bios, size);
	bios_fix(rom, size);
	m->bios = (struct slot){ .name = "bios", .size = size, .host = rom, .flags = SLOT_READONLY };
	memory_map(m->board.memory, &m->bios, (1ull << 32) - size);
	return 0;
}

/* ---- the machine ---- */

/* Who was given none is known by the appliance's fingerprint: a number that stays from start to start. */
static void read_uuid(struct machine *m, const struct appliance *a)
{
	const char *hex = *a->uuid ? a->uuid : a->fingerprint;

	for (unsigned i = 0; i < 16 && strlen(hex) == 32; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &m->uuid[i]) != 1)
			return;
}

int machine_create(const struct machine_options *options, struct machine **ret_machine, struct error *e)
{
	const struct appliance *a = options->appliance;
	struct machine *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return error_set(e, -ENOMEM, "not enough memory for the machine");
	m->options = *options;
	m->net_count = options->nets ? a->nic_count : 0;
	m->cpus = MAX(1u, MIN(a->cpus, KVM_MAX_CPUS));
	m->cores_per_socket = MAX(1u, MIN(a->cores_per_socket, m->cpus));
	read_uuid(m, a);
	r = machine_prepare_run(m, e);
	r = r < 0 ? r : add_memory(m, a, e);
	r = r < 0 ? r : add_bios(m, e);
	if (r >= 0)
		plug_drives(m, a, options->blocks);
	r = r < 0 ? r : add_board(m, a, e);
	r = r < 0 ? r : machine_start_kvm(m, e);
	if (r < 0) {
		machine_destroy(m);
		return r;
	}
	*ret_machine = m;
	return 0;
}

void machine_destroy(struct machine *m)
{
	if (!m)
		return;
	if (m->running)
		machine_pause(m);
	kvm_destroy(m->kvm);
	m->kvm = NULL;
	while (m->devices) { /* the last first: what is behind a bridge before the bridge */
		struct device *d = m->devices;

		m->devices = d->next;
		device_destroy(d);
	}
	pci_bus_free(m->pci);
	machine_finish_run(m);
	free(m);
}
