/* SPDX-License-Identifier: MIT */
/* Every device of device_list.c keeps the contract of core/device.h: its state survives save and load, also in the middle of things,
 * a stream that was cut is refused, its name is unique. */
#include "fake_board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/audio/sound_ring.h"
#include "core/chipset/chipset.h"
#include "core/legacy/legacy.h"
#include "core/legacy/vmport.h"
#include "core/net/e1000.h"
#include "core/storage/ahci.h"
#include "core/storage/ide.h"
#include "core/storage/mpt.h"
#include "core/usb/uhci.h"
#include "core/video/vga.h"

#define SEEDS 6
#define VIDEO_BYTES (256u << 10)
#define BIOS_BYTES 0x40000u

static void nothing(void *context)
{
	(void)context;
}

static void swallow(void *context, const uint8_t *data, size_t count)
{
	(void)context, (void)data, (void)count;
}

static struct sound_ring ring;
static struct screen screen;
static struct pci_bus *behind;
static uint8_t video[VIDEO_BYTES] __attribute__((aligned(4096)));
static uint8_t bios[BIOS_BYTES] __attribute__((aligned(4096)));
static uint8_t ram[1 << 20] __attribute__((aligned(4096)));
static const struct fw_cfg_item items[] = { { FW_CFG_NB_CPUS, NULL, "\1\0", 2 },
	                                    { 0, "etc/e820", "twelve bytes", 12 } };

/* What each class is told. Drives' controllers are here without drives: with them they have tests of their own. */
static const struct i440fx_config host = { ram, bios, sizeof(bios), nothing, NULL };
static const struct piix4_pm_config pm = { nothing, NULL };
static const struct bridge_config bridge = { 0x15ad, 0x07a0, true, &behind };
static const struct fw_cfg_config fw_cfg = { items, ARRAY_SIZE(items) };
static const struct i8042_config i8042 = { .reset_cpu = nothing };
static const struct serial_config serial = { swallow, NULL };
static const struct pit_config pit = { &ring };
static const struct rtc_config rtc = { .epoch = 1700000000, .memory_below_4g = 64 << 20, .cpus = 1 };
static const struct vga_config vga = { .screen = &screen, .memory = video, .memory_size = sizeof(video) };
static const struct ide_config ide;
static const struct ahci_config ahci = { .model = AHCI_ICH8M, .ports = 6 };
static const struct mpt_config mpt = { .subsystem_vendor = 0x15ad, .subsystem = 0x1976 };
static const struct e1000_config e1000 = { .mac = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } };

static const struct vmport_config vmport = { .memory = 64 << 20, .pointer_changed = nothing };
static const struct uhci_config uhci = { nothing, NULL };

static const struct {
	const struct device_class *class;
	const void *extra;
	bool pci;
} told[] = {
	{ &i440fx_class, &host, true },   { &piix4_isa_class, NULL, true },  { &piix4_pm_class, &pm, true },
	{ &bridge_class, &bridge, true }, { &fw_cfg_class, &fw_cfg, false }, { &i8042_class, &i8042, false },
	{ &port92_class, &i8042, false }, { &serial_class, &serial, false }, { &debugcon_class, &serial, false },
	{ &pit_class, &pit, false },      { &rtc_class, &rtc, false },       { &vga_class, &vga, true },
	{ &ide_class, &ide, true },       { &ahci_class, &ahci, true },      { &e1000_class, &e1000, true },
	{ &uhci_class, &uhci, true },     { &vmport_class, &vmport, false }, { &mpt_spi_class, &mpt, true },
	{ &mpt_sas_class, &mpt, true },
};

static struct device_config configure(const struct device_class *class, struct pci_bus *bus)
{
	struct device_config config = { .id = class->name, .irq_count = 2, .irqs = { 4, 5 }, .port = 0x3f8 };

	for (size_t i = 0; i < ARRAY_SIZE(told); i++)
		if (told[i].class == class) {
			config.extra = told[i].extra;
			config.pci_bus = told[i].pci ? bus : NULL;
			return config;
		}
	fail_msg("%s is in device_list.c but not in this test: add what it is told", class->name);
	return config;
}

static void every_device_survives_save_and_load(void **state)
{
	struct pci_bus *marker = (struct pci_bus *)1; /* "on a bus": fake_check_state() makes one for each twin */

	(void)state;
	for (size_t i = 0; device_list[i]; i++)
		for (unsigned seed = 0; seed < SEEDS; seed++) {
			struct device_config config = configure(device_list[i], marker);

			fake_check_state(device_list[i], &config, seed);
		}
}

static void every_device_refuses_a_stream_that_ends_early(void **state)
{
	(void)state;
	for (size_t i = 0; device_list[i]; i++) {
		struct fake_board *f = fake_board_new();
		struct pci_bus *bus = pci_bus_new_root(&f->board);
		struct device_config config = configure(device_list[i], bus);
		struct device *d = fake_board_create(f, device_list[i], &config);
		size_t length, step;
		void *saved = fake_save(d, &length);

		step = MAX(length / 97, 1ul);
		for (size_t cut = 0; cut < length; cut += step)
			if (fake_load(d, saved, cut) == 0)
				fail_msg("%s accepts %zu of %zu bytes", device_list[i]->name, cut, length);
		assert_int_equal(fake_load(d, saved, length), 0);
		free(saved);
		fake_board_free(f);
		pci_bus_free(bus);
	}
}

static void names_are_unique_and_found(void **state)
{
	(void)state;
	for (size_t i = 0; device_list[i]; i++)
		assert_ptr_equal(device_class_find(device_list[i]->name), device_list[i]);
	assert_null(device_class_find("flux capacitor"));
}

/* ---- the contract test's own test: it must notice a forgotten field ---- */

struct forgetful {
	struct device device;
	struct region region;
	uint8_t kept, forgotten;
};

static uint64_t forgetful_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct forgetful *f = (struct forgetful *)d;

	(void)r, (void)size;
	return offset ? f->forgotten : f->kept;
}

static void forgetful_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct forgetful *f = (struct forgetful *)d;

	(void)r, (void)size;
	*(offset ? &f->forgotten : &f->kept) = (uint8_t)value;
}

static int forgetful_create(struct device *d, const struct device_config *config, struct error *e)
{
	static const struct region_ops ops = { .read = forgetful_read, .write = forgetful_write, .max_size = 1 };
	struct forgetful *f = (struct forgetful *)d;

	(void)config, (void)e;
	f->region = (struct region){ .name = "f", .ops = &ops, .device = d, .size = 2, .space = BUS_PORT };
	bus_map(d->board->bus, &f->region, 0x300);
	return 0;
}

static int forgetful_state(struct device *d, struct state *s)
{
	state_u8(s, "kept", &((struct forgetful *)d)->kept);
	return state_error(s);
}

static const struct device_class forgetful_class = {
	.name = "forgetful", .size = sizeof(struct forgetful), .create = forgetful_create, .state = forgetful_state
};

static void a_field_left_out_is_noticed(void **state)
{
	char text[160] = "";

	(void)state;
	assert_false(fake_state_holds(&forgetful_class, &(struct device_config){ .id = "forgetful" }, 1, text,
	                              sizeof(text)));
	assert_non_null(strstr(text, "after the load"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_device_survives_save_and_load),
		cmocka_unit_test(every_device_refuses_a_stream_that_ends_early),
		cmocka_unit_test(names_are_unique_and_found),
		cmocka_unit_test(a_field_left_out_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
