/* SPDX-License-Identifier: MIT */
/* What the parts list (machine.c), the firmware's tables (machine_firmware.c) and the life of a machine (machine_run.c) share. */
#ifndef VITRINE_MACHINE_PRIVATE_H
#define VITRINE_MACHINE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/chipset/acpi_tables.h"
#include "core/chipset/chipset.h"
#include "core/chipset/smbios.h"
#include "core/cpu/kvm.h"
#include "core/device.h"
#include "core/legacy/legacy.h"
#include "core/legacy/vmport.h"
#include "core/loop.h"
#include "core/machine.h"
#include "core/memory.h"
#include "core/net/net.h"
#include "core/storage/block.h"
#include "core/storage/ide.h"
#include "core/usb/uhci.h"
#include "core/video/vga.h"

#define MACHINE_SERIALS 4
#define DEBUG_PORT 255u          /* machine_events.serial_output's number for the debug console */
#define VIDEO_MEMORY (16u << 20) /* 2560x1600x32 */

/* What the guest wrote to one serial port and the I/O thread has not told yet. */
struct serial_buffer {
	struct machine *machine;
	unsigned port;
	pthread_mutex_t lock; /* a leaf: the port's callback fills it under the device's lock */
	uint8_t *data;
	size_t count, room;
	struct loop_work work, ready; /* tells the output; tells that there is room for input */
};

/* Things that only the I/O thread can do, asked for by a vCPU or a device. */
enum machine_request { REQUEST_RESET = 1, REQUEST_POWER_OFF = 2, REQUEST_TROUBLE = 4, REQUEST_TRIPLE_FAULT = 8 };

/* A controller in a PCI slot, numbered as in machine_cards.c. */
struct machine_card {
	enum appliance_bus bus;
	unsigned number, slot;
};

struct machine {
	struct machine_options options;
	struct board board;
	struct kvm *kvm;
	struct slot ram_base, ram_main, ram_high, bios;
	uint8_t *ram;          /* host address of guest physical 0; contiguous up to ram_low_size */
	uint64_t ram_low_size; /* bytes below 4 GiB */
	uint64_t memory;       /* bytes of RAM in all */
	unsigned cpus, cores_per_socket;
	unsigned net_count;    /* of options.nets */
	uint8_t boot_order[3]; /* rtc_config's */
	char boot_list[2048];  /* fw_cfg's "bootorder" */
	uint8_t uuid[16];
	uint8_t *video_memory;
	struct pci_bus *pci;
	struct pci_bus *bridged[ACPI_MAX_BRIDGES]; /* behind the bridges, in the parts list's order */
	unsigned bridge_count;
	struct acpi_board acpi_board; /* filled as the parts are put on; what the tables are made of */
	struct acpi_tables acpi;      /* until the firmware's device has copied them, as the next */
	struct smbios_tables smbios;
	struct machine_card cards[APPLIANCE_MAX_CONTROLLERS];
	unsigned card_count;
	struct block *ide_blocks[4];
	struct ide_config ide;
	struct device *devices; /* the last created first */
	struct device *keyboard, *power, *vga, *serials[MACHINE_SERIALS];
	struct device *vmport, *usb;                       /* NULL: not on this board */
	struct serial_buffer outputs[MACHINE_SERIALS + 1]; /* the last is the debug console's */

	/* I/O thread */
	bool running, frame_wanted, frame_armed;
	struct loop_source frame_source; /* a timerfd: the next look at the screen */
	struct loop_work request_work, pointer_work;
	bool pointer_absolute; /* as was told */
	atomic_uint requests;
	pthread_mutex_t trouble_lock;
	struct error trouble; /* the words for REQUEST_TROUBLE; under trouble_lock */
};

/* machine_firmware.c */
void firmware_boot_order(struct machine *m, const struct appliance *a);
int firmware_add_fw_cfg(struct machine *m, struct error *e);

/* machine_tables.c: fills m->acpi and m->smbios, and frees them. */
int machine_build_tables(struct machine *m, enum appliance_origin origin, struct error *e);
void machine_free_tables(struct machine *m);

/* machine_cards.c */
bool cards_have_place(const struct appliance *a, const struct appliance_drive *drive);
int cards_add(struct machine *m, const struct appliance *a, struct error *e); /* after the board's bridges */
/* The drive's place in SeaBIOS's words; "": it has none. */
void cards_boot_path(const struct machine *m, const struct appliance_drive *drive, char *ret_path, size_t size);
/* Slots, numbered as there. The bus that one is on; NULL: this board has none such. */
struct pci_bus *cards_slot_bus(const struct machine *m, unsigned slot);
#define CARDS_SLOT_DEVFN(slot) PCI_DEVFN((slot) % 32, 0)
bool cards_slot_is_free(const struct machine *m, unsigned slot);
/* The first free slot from this one to its bus's end, else of the root bus. -1: all are taken. */
int cards_free_slot(const struct machine *m, unsigned slot);

/* machine_nics.c */
int nics_add(struct machine *m, const struct appliance *a, struct error *e); /* after the board's bridges */
void nics_review(struct appliance *a);

/* machine.c: adds one part to the board. */
int machine_add(struct machine *m, const struct device_class *class, const struct device_config *config,
                struct device **ret_device, struct error *e);

/* machine_run.c: the wires' other ends. */
void machine_request(void *machine, enum machine_request what);
void machine_request_reset(void *machine);
void machine_request_power_off(void *machine);
void machine_trouble(void *machine, enum kvm_trouble what, const struct error *e);
void machine_pointer_changed(void *machine);
void machine_wall_clock(void *machine, uint64_t *ret_seconds, uint32_t *ret_microseconds);
uint64_t machine_tsc_hz(void *machine);
void machine_serial_output(void *serial_buffer, const uint8_t *data, size_t count);
void machine_serial_ready(void *serial_buffer);
int machine_start_kvm(struct machine *m, struct error *e);
int machine_prepare_run(struct machine *m, struct error *e);
void machine_finish_run(struct machine *m);

#endif
