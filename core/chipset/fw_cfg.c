/* SPDX-License-Identifier: MIT */
/* fw_cfg: named data for the firmware, read only, by port and by DMA (QEMU's docs/specs/fw_cfg.rst). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/chipset/chipset.h"

#define KEY_SIGNATURE 0x00
#define KEY_ID 0x01
#define KEY_FILE_DIR 0x19
#define KEY_FILE_FIRST 0x20
#define ID_TRADITIONAL 1
#define ID_DMA 2
#define FILE_ENTRY 64 /* be32 size, be16 key, be16 reserved, name[56] */

#define DMA_ERROR 1u
#define DMA_READ 2u
#define DMA_SKIP 4u
#define DMA_SELECT 8u
#define DMA_WRITE 16u
#define DMA_CHUNK 4096u

struct item {
	uint16_t key;
	uint8_t *data;
	size_t size;
};

struct fw_cfg {
	struct device device;
	struct region ports, dma;
	struct item *items;
	size_t count;
	uint16_t selected;
	uint32_t offset;
	uint32_t dma_high; /* the upper half of the descriptor's address, waiting for the lower */
};

static const struct item *selected_item(const struct fw_cfg *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].key == f->selected)
			return &f->items[i];
	return NULL;
}

/* Up to length bytes of the selected item; zeros beyond its end, as the interface promises. */
static void take(struct fw_cfg *f, uint8_t *to, size_t length)
{
	const struct item *item = selected_item(f);
	size_t have = item && f->offset < item->size ? MIN(length, item->size - f->offset) : 0;

	memset(to, 0, length);
	if (have)
		memcpy(to, item->data + f->offset, have);
	f->offset += (uint32_t)MIN(length, (size_t)(UINT32_MAX - f->offset));
}

static void select_key(struct fw_cfg *f, uint16_t key)
{
	f->selected = key;
	f->offset = 0;
}

static uint64_t ports_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	uint8_t byte;

	(void)r, (void)size;
	if (offset != 1)
		return 0;
	take((struct fw_cfg *)d, &byte, 1);
	return byte;
}

static void ports_read_many(struct device *d, struct region *r, uint64_t offset, unsigned size, void *data,
                            size_t count)
{
	(void)r;
	memset(data, 0, size * count);
	if (offset == 1 && size == 1)
		take((struct fw_cfg *)d, data, count);
}

static void ports_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	(void)r;
	if (offset == 0 && size == 2)
		select_key((struct fw_cfg *)d, (uint16_t)value);
}

/* Beyond an item's end only zeros follow: a length that a guest makes up is cut to what is there, so this ends soon. */
static int dma_copy(struct fw_cfg *f, uint64_t address, uint32_t length)
{
	uint8_t chunk[DMA_CHUNK];
	const struct item *item = selected_item(f);
	uint32_t left = MIN(length, (uint32_t)(item ? item->size : 0) + DMA_CHUNK);

	while (left) {
		uint32_t n = MIN(left, DMA_CHUNK);
		int r;

		take(f, chunk, n);
		r = device_dma_write(&f->device, address, chunk, n);
		if (r < 0)
			return r;
		address += n;
		left -= n;
	}
	return 0;
}

static void dma_run(struct fw_cfg *f, uint64_t descriptor)
{
	uint8_t raw[16], answer[4];
	uint32_t control, length, result = 0;

	if (device_dma_read(&f->device, descriptor, raw, sizeof(raw)) < 0)
		return;
	control = be32_load(raw);
	length = be32_load(raw + 4);
	if (control & DMA_SELECT)
		select_key(f, (uint16_t)(control >> 16));
	if (control & DMA_READ) {
		if (dma_copy(f, be64_load(raw + 8), length) < 0)
			result = DMA_ERROR;
	} else if (control & DMA_WRITE) {
		result = DMA_ERROR; /* nothing here may be written */
	} else if (control & DMA_SKIP) {
		f->offset += MIN(length, UINT32_MAX - f->offset);
	}
	be32_store(answer, result);
	device_dma_write(&f->device, descriptor, answer, sizeof(answer));
}

static uint64_t dma_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	static const uint8_t signature[8] = "QEMU CFG";
	uint64_t value = 0;

	(void)d, (void)r;
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)signature[offset + i] << 8 * i;
	return value;
}

static void dma_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct fw_cfg *f = (struct fw_cfg *)d;

	(void)r;
	if (size != 4)
		return;
	if (offset == 0) {
		f->dma_high = __builtin_bswap32((uint32_t)value);
	} else if (offset == 4) {
		dma_run(f, (uint64_t)f->dma_high << 32 | __builtin_bswap32((uint32_t)value));
		f->dma_high = 0;
	}
}

static const struct region_ops ports_ops = {
	.read = ports_read, .write = ports_write, .read_many = ports_read_many, .max_size = 2
};
static const struct region_ops dma_ops = { .read = dma_read, .write = dma_write };

static int add_item(struct fw_cfg *f, uint16_t key, const void *data, size_t size)
{
	struct item *item = &f->items[f->count];

	item->data = malloc(size + 1);
	if (!item->data)
		return -ENOMEM;
	memcpy(item->data, data, size);
	item->key = key;
	item->size = size;
	f->count++;
	return 0;
}

static int add_directory(struct fw_cfg *f, const struct fw_cfg_config *list)
{
	size_t files = 0, size;
	uint8_t *directory;
	int r;

	for (size_t i = 0; i < list->count; i++)
		files += !list->items[i].key;
	size = 4 + files * FILE_ENTRY;
	directory = calloc(1, size);
	if (!directory)
		return -ENOMEM;
	be32_store(directory, (uint32_t)files);
	files = 0;
	for (size_t i = 0; i < list->count; i++) {
		uint8_t *entry = directory + 4 + files * FILE_ENTRY;

		if (list->items[i].key)
			continue;
		be32_store(entry, (uint32_t)list->items[i].size);
		be16_store(entry + 4, (uint16_t)(KEY_FILE_FIRST + files++));
		snprintf((char *)entry + 8, FILE_ENTRY - 8, "%s", list->items[i].name);
	}
	r = add_item(f, KEY_FILE_DIR, directory, size);
	free(directory);
	return r;
}

static int fw_cfg_create(struct device *d, const struct device_config *config, struct error *e)
{
	static const uint8_t id[4] = { ID_TRADITIONAL | ID_DMA };
	const struct fw_cfg_config *list = config->extra;
	struct fw_cfg *f = (struct fw_cfg *)d;
	uint16_t file = KEY_FILE_FIRST;
	int r;

	(void)e;
	f->items = calloc(list->count + 3, sizeof(*f->items));
	if (!f->items)
		return -ENOMEM;
	r = add_item(f, KEY_SIGNATURE, "QEMU", 4);
	r = r < 0 ? r : add_item(f, KEY_ID, id, sizeof(id));
	r = r < 0 ? r : add_directory(f, list);
	for (size_t i = 0; i < list->count && r >= 0; i++) {
		const struct fw_cfg_item *item = &list->items[i];

		r = add_item(f, item->key ? item->key : file++, item->data, item->size);
	}
	if (r < 0)
		return r;
	f->ports = (struct region){ .name = "fw_cfg", .ops = &ports_ops, .device = d, .size = 2, .space = BUS_PORT };
	f->dma = (struct region){ .name = "fw_cfg-dma", .ops = &dma_ops, .device = d, .size = 8, .space = BUS_PORT };
	bus_map(d->board->bus, &f->ports, config->port);
	bus_map(d->board->bus, &f->dma, config->port + 4);
	return 0;
}

static void fw_cfg_destroy(struct device *d)
{
	struct fw_cfg *f = (struct fw_cfg *)d;

	for (size_t i = 0; i < f->count; i++)
		free(f->items[i].data);
	free(f->items);
}

static void fw_cfg_reset(struct device *d)
{
	struct fw_cfg *f = (struct fw_cfg *)d;

	select_key(f, KEY_SIGNATURE);
	f->dma_high = 0;
}

static int fw_cfg_state(struct device *d, struct state *s)
{
	struct fw_cfg *f = (struct fw_cfg *)d;

	state_u16(s, "selected", &f->selected);
	state_u32(s, "offset", &f->offset);
	state_u32(s, "dma-high", &f->dma_high);
	return state_error(s);
}

const struct device_class fw_cfg_class = {
	.name = "fw_cfg",
	.summary = "firmware configuration",
	.size = sizeof(struct fw_cfg),
	.state_version = 1,
	.create = fw_cfg_create,
	.destroy = fw_cfg_destroy,
	.reset = fw_cfg_reset,
	.state = fw_cfg_state,
};
