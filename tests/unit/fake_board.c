/* SPDX-License-Identifier: MIT */
#include "fake_board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/chipset/pci.h"

static int record_irq(void *context, unsigned gsi, bool level)
{
	struct fake_board *f = context;

	if (level && !f->irq_level[gsi])
		f->irq_edges[gsi]++;
	f->irq_level[gsi] = level;
	return level ? f->irq_status : 1;
}

static void record_message(void *context, uint32_t address, uint32_t data)
{
	struct fake_board *f = context;

	if (f->message_count < ARRAY_SIZE(f->messages)) {
		f->messages[f->message_count].address = address;
		f->messages[f->message_count].data = data;
	}
	f->message_count++;
}

struct fake_board *fake_board_new(void)
{
	struct fake_board *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->irq_status = 1;
	f->board = (struct board){ .bus = bus_new(),
		                   .memory = memory_new(),
		                   .irq = irq_router_new(record_irq, record_message, f),
		                   .clock = clock_new(true) };
	f->ram = (struct slot){ .name = "ram",
		                .size = FAKE_RAM_SIZE,
		                .host = memory_allocate(f->board.memory, FAKE_RAM_SIZE) };
	assert_non_null(f->ram.host);
	memory_map(f->board.memory, &f->ram, 0);
	clock_start(f->board.clock);
	return f;
}

void fake_board_free(struct fake_board *f)
{
	while (f->devices) {
		struct device *d = f->devices;

		f->devices = d->next;
		device_destroy(d);
	}
	bus_free(f->board.bus);
	memory_free(f->board.memory);
	irq_router_free(f->board.irq);
	clock_free(f->board.clock);
	free(f);
}

struct device *fake_board_create(struct fake_board *f, const struct device_class *class,
                                 const struct device_config *config)
{
	struct error e = { 0 };
	struct device *d;

	if (device_create(class, &f->board, config, &d, &e) < 0)
		fail_msg("%s", e.text);
	d->next = f->devices;
	f->devices = d;
	if (class->reset) {
		device_lock(d);
		class->reset(d);
		device_unlock(d);
	}
	return d;
}

uint64_t fake_in(struct fake_board *f, uint16_t port, unsigned size)
{
	uint64_t value;

	bus_read(f->board.bus, BUS_PORT, port, size, &value);
	return value;
}

void fake_out(struct fake_board *f, uint16_t port, unsigned size, uint64_t value)
{
	bus_write(f->board.bus, BUS_PORT, port, size, value);
}

uint64_t fake_read(struct fake_board *f, uint64_t address, unsigned size)
{
	uint64_t value = 0;

	if (memory_read(f->board.memory, address, &value, size) < 0)
		bus_read(f->board.bus, BUS_MMIO, address, size, &value);
	return value;
}

void fake_write(struct fake_board *f, uint64_t address, unsigned size, uint64_t value)
{
	if (memory_write(f->board.memory, address, &value, size) < 0)
		bus_write(f->board.bus, BUS_MMIO, address, size, value);
}

uint8_t *fake_ram(struct fake_board *f, uint64_t address)
{
	return f->ram.host + address;
}

void *fake_save(struct device *d, size_t *ret_length)
{
	struct state *s = state_new_save();
	const void *data;
	void *copy;

	assert_non_null(s);
	state_section(s, d->id, d->class->state_version);
	device_lock(d);
	assert_int_equal(d->class->state(d, s), 0);
	device_unlock(d);
	assert_int_equal(state_error(s), 0);
	data = state_data(s, ret_length);
	copy = malloc(*ret_length);
	assert_non_null(copy);
	memcpy(copy, data, *ret_length);
	state_free(s);
	return copy;
}

int fake_load(struct device *d, const void *data, size_t length)
{
	struct state *s = state_new_load(data, length);
	int r;

	assert_non_null(s);
	state_section(s, d->id, d->class->state_version);
	device_lock(d);
	r = d->class->state(d, s);
	device_unlock(d);
	if (!r)
		r = state_error(s);
	state_free(s);
	return r;
}

/* ---- the contract of state() ---- */

void (*fake_settle)(void);

#define MAX_REGIONS 64
#define CHECK_OPERATIONS 3000

struct regions { /* what is mapped now, kept by the bus's listener */
	const struct region *list[MAX_REGIONS];
	unsigned count;
};

static void track_region(void *context, const struct region *r, bool mapped)
{
	struct regions *regions = context;
	unsigned i = 0;

	while (i < regions->count && regions->list[i] != r)
		i++;
	if (mapped && i == regions->count && i < MAX_REGIONS)
		regions->list[regions->count++] = r;
	else if (!mapped && i < regions->count)
		regions->list[i] = regions->list[--regions->count];
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

struct twin { /* a device on a board of its own */
	struct fake_board *board;
	struct device *device;
	struct regions regions;
	struct pci_bus *pci_bus;
};

void fake_map_bars(struct pci_device *p)
{
	uint32_t io = 0xc000, memory = 0xe0000000;

	for (unsigned n = 0; n < PCI_ROM_BAR; n++) {
		const struct pci_bar *bar = &p->bars[n];

		if (bar->kind == PCI_BAR_NONE)
			continue;
		pci_config_write(p, PCI_BAR0 + 4 * n, 4, bar->kind == PCI_BAR_IO ? io : memory);
		io += bar->kind == PCI_BAR_IO ? (uint32_t)MAX(bar->size, 256) : 0;
		memory += bar->kind == PCI_BAR_IO ? 0 : (uint32_t)MAX(bar->size, 1u << 24);
	}
	pci_config_write(p, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void twin_create(struct twin *t, const struct device_class *class, const struct device_config *config)
{
	struct device_config own = *config;

	t->board = fake_board_new();
	t->regions = (struct regions){ 0 };
	bus_set_listener(t->board->board.bus, track_region, &t->regions);
	own.pci_bus = t->pci_bus = config->pci_bus ? pci_bus_new_root(&t->board->board) : NULL;
	t->device = fake_board_create(t->board, class, &own);
	if (t->device->pci)
		fake_map_bars(t->device->pci);
}

static void twin_free(struct twin *t)
{
	fake_board_free(t->board);
	pci_bus_free(t->pci_bus);
}

static int by_address(const void *a, const void *b)
{
	const struct region *const *x = a, *const *y = b;

	if ((*x)->space != (*y)->space)
		return (*x)->space < (*y)->space ? -1 : 1;
	return (*x)->base < (*y)->base ? -1 : (*x)->base > (*y)->base;
}

/* One random access; returns what was read. The same seed on two equal devices does the same. */
static uint64_t random_operation(struct twin *t, uint32_t *seed)
{
	uint32_t choice = next_random(seed), where = next_random(seed),
		 value = next_random(seed) ^ next_random(seed) << 20;
	unsigned size = 1u << next_random(seed) % 3;
	uint64_t offset, answer = 0;
	const struct region *r;

	if (choice % 32 == 0) {
		clock_advance(t->board->board.clock, where * (uint64_t)10);
	} else if (choice % 32 == 1 && t->device->pci) {
		pci_config_write(t->device->pci, 0x40 + (where % 0xc0 & ~(size - 1)), size, value);
		answer = pci_config_read(t->device->pci, value & 0xfc, 4);
	} else if (t->regions.count) {
		qsort(t->regions.list, t->regions.count, sizeof(t->regions.list[0]), by_address);
		r = t->regions.list[choice / 32 % t->regions.count];
		offset = where % r->size;
		if (offset + size > r->size)
			size = 1;
		if (value & 1u << 30)
			bus_read(t->board->board.bus, r->space, r->base + offset, size, &answer);
		else
			bus_write(t->board->board.bus, r->space, r->base + offset, size, value);
	}
	if (fake_settle)
		fake_settle();
	return answer;
}

/* Reads the first registers of all regions, one after the other, before random writes could hide a difference. */
static bool registers_alike(struct twin *a, struct twin *b, char *text, size_t size)
{
	qsort(a->regions.list, a->regions.count, sizeof(a->regions.list[0]), by_address);
	qsort(b->regions.list, b->regions.count, sizeof(b->regions.list[0]), by_address);
	for (unsigned i = 0; i < a->regions.count && i < b->regions.count; i++)
		for (uint64_t offset = 0; offset < MIN(a->regions.list[i]->size, 64u); offset++) {
			const struct region *r = a->regions.list[i], *q = b->regions.list[i];
			uint64_t from_a, from_b;

			bus_read(a->board->board.bus, r->space, r->base + offset, 1, &from_a);
			bus_read(b->board->board.bus, q->space, q->base + offset, 1, &from_b);
			if (from_a == from_b)
				continue;
			snprintf(text, size, "%s + %u reads %02x after the load, the original %02x", r->name,
			         (unsigned)offset, (unsigned)from_b, (unsigned)from_a);
			return false;
		}
	return true;
}

/* Both go on alike from here: a field that state() forgot shows. */
static bool go_on_alike(struct twin *a, struct twin *b, uint32_t random, char *text, size_t size)
{
	uint32_t random_b = random;
	unsigned messages_a = a->board->message_count, messages_b = b->board->message_count;

	if (!registers_alike(a, b, text, size))
		return false;
	for (int i = 0; i < CHECK_OPERATIONS; i++) {
		uint64_t from_a = random_operation(a, &random), from_b = random_operation(b, &random_b);

		if (from_a != from_b) {
			snprintf(text, size, "read %d after the load gives %llx, the original gives %llx", i,
			         (unsigned long long)from_b, (unsigned long long)from_a);
			return false;
		}
		if (memcmp(a->board->irq_level, b->board->irq_level, sizeof(a->board->irq_level))) {
			snprintf(text, size, "interrupt lines differ %d accesses after the load", i);
			return false;
		}
		if (a->board->message_count - messages_a != b->board->message_count - messages_b) {
			snprintf(text, size, "interrupt messages differ %d accesses after the load", i);
			return false;
		}
	}
	return true;
}

bool fake_state_holds(const struct device_class *class, const struct device_config *config, unsigned seed, char *text,
                      size_t size)
{
	struct twin a, b;
	uint32_t random = seed * 2654435761u + 1;
	size_t length, length_b;
	void *saved, *saved_b;
	bool holds = false;

	twin_create(&a, class, config);
	for (int i = 0; i < CHECK_OPERATIONS; i++)
		random_operation(&a, &random);
	saved = fake_save(a.device, &length);

	twin_create(&b, class, config);
	memcpy(b.board->ram.host, a.board->ram.host, FAKE_RAM_SIZE);
	clock_set(b.board->board.clock, clock_now(a.board->board.clock));
	if (fake_load(b.device, saved, length) < 0) {
		snprintf(text, size, "it refuses its own state");
	} else {
		saved_b = fake_save(b.device, &length_b);
		if (length != length_b || memcmp(saved, saved_b, length))
			snprintf(text, size, "state differs after save, load, save");
		else
			holds = go_on_alike(&a, &b, random, text, size);
		free(saved_b);
	}
	free(saved);
	twin_free(&a);
	twin_free(&b);
	return holds;
}

void fake_check_state(const struct device_class *class, const struct device_config *config, unsigned seed)
{
	char text[160];

	if (!fake_state_holds(class, config, seed, text, sizeof(text)))
		fail_msg("%s: %s (seed %u)", class->name, text, seed);
}
