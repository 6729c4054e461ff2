/* SPDX-License-Identifier: MIT */
#include "core/bus.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/device.h"
#include "core/util/snapshot.h"

/* One piece of an address space and who answers there; pieces do not overlap and are sorted. */
struct piece {
	uint64_t begin, last; /* both inclusive */
	uint64_t base;        /* the region's when this map was made: it may move while somebody is still in here */
	struct region *region;
};

struct map {
	size_t count;
	struct piece pieces[];
};

struct bus {
	pthread_mutex_t lock;   /* the list below and changes of the maps; a leaf */
	struct region *regions; /* in the order of mapping, the last first */
	struct snapshot maps[2];
	_Atomic(const struct region *) exchanging; /* the one with ops->exchange; NULL: none is mapped */
	void (*changed)(void *context, const struct region *r, bool mapped);
	void *context;
};

struct bus *bus_new(void)
{
	struct bus *bus = calloc(1, sizeof(*bus));

	if (bus)
		pthread_mutex_init(&bus->lock, NULL);
	return bus;
}

void bus_free(struct bus *bus)
{
	if (!bus)
		return;
	for (int i = 0; i < 2; i++)
		free(atomic_load(&bus->maps[i].table));
	pthread_mutex_destroy(&bus->lock);
	free(bus);
}

/* Adds those parts of [begin, last] that no earlier piece covers. pieces[0..count) is sorted and stays so. */
static size_t add_uncovered(struct piece *pieces, size_t count, uint64_t begin, uint64_t last, struct region *r)
{
	size_t i = 0;

	for (;;) {
		while (i < count && pieces[i].last < begin)
			i++;
		uint64_t end = i < count && pieces[i].begin <= last ? pieces[i].begin : last + 1;

		if (i < count && pieces[i].begin <= begin) {
			if (pieces[i].last >= last)
				return count;
			begin = pieces[i].last + 1;
			continue;
		}
		memmove(pieces + i + 1, pieces + i, (count - i) * sizeof(*pieces));
		pieces[i] = (struct piece){ begin, end - 1, r->base, r };
		count++;
		if (end - 1 >= last)
			return count;
		begin = end;
	}
}

/* Each region adds at most one piece more than the pieces it is cut by. */
static struct map *build_map(struct bus *bus, enum bus_space space)
{
	size_t regions = 0, count = 0;
	struct map *map;

	for (struct region *r = bus->regions; r; r = r->next)
		regions += r->space == space;
	map = malloc(sizeof(*map) + (2 * regions + 1) * sizeof(struct piece));
	if (!map)
		abort(); /* a few hundred bytes; going on with a wrong map would be worse */
	for (int below = 0; below < 2; below++)
		for (struct region *r = bus->regions; r; r = r->next)
			if (r->space == space && r->shared_below == (bool)below)
				count = add_uncovered(map->pieces, count, r->base, r->base + r->size - 1, r);
	map->count = count;
	return map;
}

static void rebuild(struct bus *bus, enum bus_space space)
{
	free(snapshot_replace(&bus->maps[space], build_map(bus, space)));
}

static void unlink_region(struct bus *bus, struct region *r)
{
	struct region **at = &bus->regions;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->mapped = false;
	if (r->ops->exchange)
		atomic_store(&bus->exchanging, NULL);
	if (bus->changed)
		bus->changed(bus->context, r, false);
}

void bus_map(struct bus *bus, struct region *r, uint64_t base)
{
	uint64_t limit = r->space == BUS_PORT ? 0x10000 : UINT64_MAX;

	pthread_mutex_lock(&bus->lock);
	if (r->mapped)
		unlink_region(bus, r);
	/* A BAR can be programmed to hang over the end: nobody could address that part. Then it answers nowhere. */
	if (r->size && base < limit && r->size <= limit - base) {
		r->base = base;
		r->mapped = true;
		r->next = bus->regions;
		bus->regions = r;
		if (r->ops->exchange)
			atomic_store(&bus->exchanging, r);
		if (bus->changed)
			bus->changed(bus->context, r, true);
	}
	rebuild(bus, r->space);
	pthread_mutex_unlock(&bus->lock);
}

void bus_unmap(struct bus *bus, struct region *r)
{
	pthread_mutex_lock(&bus->lock);
	if (r->mapped) {
		unlink_region(bus, r);
		rebuild(bus, r->space);
	}
	pthread_mutex_unlock(&bus->lock);
}

void bus_unmap_device(struct bus *bus, struct device *d)
{
	struct region *next;

	pthread_mutex_lock(&bus->lock);
	for (struct region *r = bus->regions; r; r = next) {
		next = r->next;
		if (r->device == d)
			unlink_region(bus, r);
	}
	rebuild(bus, BUS_PORT);
	rebuild(bus, BUS_MMIO);
	pthread_mutex_unlock(&bus->lock);
}

void bus_set_listener(struct bus *bus, void (*changed)(void *context, const struct region *r, bool mapped),
                      void *context)
{
	pthread_mutex_lock(&bus->lock);
	bus->changed = changed;
	bus->context = context;
	for (struct region *r = bus->regions; r && changed; r = r->next)
		changed(context, r, true);
	pthread_mutex_unlock(&bus->lock);
}

/* Who answers at address, and how many bytes from there on are his (or nobody's); the region outlives the look-up (devices live as
 * long as the machine), so the snapshot is held for the search only. */
static struct region *find(struct bus *bus, enum bus_space space, uint64_t address, uint64_t *ret_base,
                           uint64_t *ret_left)
{
	struct snapshot_ticket ticket;
	const struct map *map = snapshot_enter(&bus->maps[space], &ticket);
	struct region *found = NULL;
	size_t low = 0, high = map ? map->count : 0;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct piece *p = &map->pieces[middle];

		if (address < p->begin) {
			high = middle;
		} else if (address > p->last) {
			low = middle + 1;
		} else {
			found = p->region;
			*ret_base = p->base;
			*ret_left = p->last - address + 1;
			break;
		}
	}
	if (!found) /* low is the first piece behind it */
		*ret_left = map && low < map->count ? map->pieces[low].begin - address : UINT64_MAX;
	snapshot_leave(&bus->maps[space], ticket);
	return found;
}

static unsigned widest(const struct region *r)
{
	return r->ops->max_size ? r->ops->max_size : 4;
}

static uint64_t ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (1ull << size * 8) - 1;
}

/* The region may be moved between find() and the lock: offsets are taken from the base in that map, and stay inside. */
static uint64_t region_read(struct region *r, uint64_t offset, unsigned size)
{
	unsigned step = MIN(size, widest(r));
	uint64_t value = 0;

	device_lock(r->device);
	for (unsigned done = 0; done < size; done += step)
		value |= (r->ops->read(r->device, r, offset + done, step) & ones(step)) << done * 8;
	device_unlock(r->device);
	return value;
}

static void region_write(struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	unsigned step = MIN(size, widest(r));

	device_lock(r->device);
	for (unsigned done = 0; done < size; done += step)
		r->ops->write(r->device, r, offset + done, step, value >> done * 8 & ones(step));
	device_unlock(r->device);
}

bool bus_read(struct bus *bus, enum bus_space space, uint64_t address, unsigned size, uint64_t *ret_value)
{
	uint64_t base, left, byte;
	struct region *r = find(bus, space, address, &base, &left);
	bool answered = r;

	if (r && left >= size && is_power_of_two(size)) {
		*ret_value = region_read(r, address - base, size);
		return true;
	}
	if (!r && left >= size) {
		*ret_value = ones(size);
		return false;
	}
	*ret_value = 0;
	for (unsigned i = 0; i < size; i++) {
		answered |= bus_read(bus, space, address + i, 1, &byte);
		*ret_value |= byte << i * 8;
	}
	return answered;
}

bool bus_write(struct bus *bus, enum bus_space space, uint64_t address, unsigned size, uint64_t value)
{
	uint64_t base, left;
	struct region *r = find(bus, space, address, &base, &left);
	bool answered = r;

	if (r && left >= size && is_power_of_two(size)) {
		region_write(r, address - base, size, value & ones(size));
		return true;
	}
	if (!r && left >= size)
		return false;
	for (unsigned i = 0; i < size; i++)
		answered |= bus_write(bus, space, address + i, 1, value >> i * 8 & 0xff);
	return answered;
}

void bus_read_many(struct bus *bus, uint64_t port, unsigned size, void *data, size_t count)
{
	uint64_t base, left, value;
	struct region *r = find(bus, BUS_PORT, port, &base, &left);
	uint8_t *to = data;

	if (r && r->ops->read_many && left >= size && size <= widest(r)) {
		device_lock(r->device);
		r->ops->read_many(r->device, r, port - base, size, data, count);
		device_unlock(r->device);
		return;
	}
	for (; count; count--, to += size) {
		bus_read(bus, BUS_PORT, port, size, &value);
		memcpy(to, &value, size);
	}
}

void bus_write_many(struct bus *bus, uint64_t port, unsigned size, const void *data, size_t count)
{
	uint64_t base, left;
	struct region *r = find(bus, BUS_PORT, port, &base, &left);
	const uint8_t *from = data;

	if (r && r->ops->write_many && left >= size && size <= widest(r)) {
		device_lock(r->device);
		r->ops->write_many(r->device, r, port - base, size, data, count);
		device_unlock(r->device);
		return;
	}
	for (; count; count--, from += size) {
		uint64_t value = 0;

		memcpy(&value, from, size);
		bus_write(bus, BUS_PORT, port, size, value);
	}
}

bool bus_exchanges(struct bus *bus, uint64_t port)
{
	const struct region *r = atomic_load_explicit(&bus->exchanging, memory_order_acquire);

	return r && port - r->base < r->size;
}

void bus_exchange(struct bus *bus, uint64_t port, struct cpu_registers *registers)
{
	uint64_t base, left;
	struct region *r = find(bus, BUS_PORT, port, &base, &left);

	if (!r || !r->ops->exchange)
		return;
	device_lock(r->device);
	r->ops->exchange(r->device, r, registers);
	device_unlock(r->device);
}
