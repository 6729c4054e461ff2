/* SPDX-License-Identifier: MIT */
#include "core/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/util/snapshot.h"
#include "vmformat/bytes.h"

#define MAX_SLOTS 32 /* RAM in two pieces, ROMs, two windows for each video card; KVM offers 509 or more */

struct range { /* what DMA needs to know of a slot; a copy, so that a moving slot cannot change under a reader */
	uint64_t base, size;
	uint8_t *host;
	bool writable;
};

struct table {
	unsigned count;
	struct range ranges[MAX_SLOTS];
};

struct allocation {
	void *address;
	size_t size;
	struct allocation *next;
};

struct memory {
	pthread_mutex_t lock; /* slots and the listener; a leaf but for the listener's ioctl */
	struct slot *slots;
	bool id_used[MAX_SLOTS];
	struct snapshot tables;
	struct allocation *allocations;
	struct memory_listener listener;
};

struct memory *memory_new(void)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (m)
		pthread_mutex_init(&m->lock, NULL);
	return m;
}

void memory_free(struct memory *m)
{
	if (!m)
		return;
	while (m->allocations) {
		struct allocation *a = m->allocations;

		m->allocations = a->next;
		munmap(a->address, a->size);
		free(a);
	}
	free(atomic_load(&m->tables.table));
	pthread_mutex_destroy(&m->lock);
	free(m);
}

void *memory_allocate(struct memory *m, size_t size)
{
	struct allocation *a = malloc(sizeof(*a));
	void *address;

	if (!a)
		return NULL;
	address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (address == MAP_FAILED) {
		free(a);
		return NULL;
	}
	/* Huge pages are half the cost of a nested page walk; worth it only where a guest keeps programs. */
	if (size >= 64u << 20)
		madvise(address, size, MADV_HUGEPAGE);
	*a = (struct allocation){ address, size, m->allocations };
	m->allocations = a;
	return address;
}

static void rebuild(struct memory *m)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		abort(); /* a few hundred bytes; DMA through a stale table would be worse */
	for (struct slot *s = m->slots; s; s = s->next)
		if (!(s->flags & SLOT_NO_DMA))
			t->ranges[t->count++] =
				(struct range){ s->base, s->size, s->host, !(s->flags & SLOT_READONLY) };
	free(snapshot_replace(&m->tables, t));
}

static void unlink_slot(struct memory *m, struct slot *slot)
{
	struct slot **at = &m->slots;

	while (*at != slot)
		at = &(*at)->next;
	*at = slot->next;
	slot->mapped = false;
	if (m->listener.changed)
		m->listener.changed(m->listener.context, slot, false);
	m->id_used[slot->id] = false;
}

static bool overlaps(const struct memory *m, uint64_t base, uint64_t size)
{
	static const struct {
		uint64_t base, size;
	} taken[] = { { MEMORY_APIC_PAGE, 4096 }, { MEMORY_IDENTITY_PAGE, 4096 }, { MEMORY_TSS_PAGES, 3 * 4096 } };

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (base < taken[i].base + taken[i].size && taken[i].base < base + size)
			return true;
	for (struct slot *s = m->slots; s; s = s->next)
		if (base < s->base + s->size && s->base < base + size)
			return true;
	return false;
}

bool memory_map(struct memory *m, struct slot *slot, uint64_t base)
{
	unsigned id = 0;
	uint64_t end;

	pthread_mutex_lock(&m->lock);
	if (slot->mapped)
		unlink_slot(m, slot);
	while (id < MAX_SLOTS && m->id_used[id])
		id++;
	/* A guest can program a BAR on top of RAM: RAM stays, the window does not appear. */
	if (id < MAX_SLOTS && !add_overflows(base, slot->size, &end) && !overlaps(m, base, slot->size)) {
		m->id_used[id] = true;
		slot->id = id;
		slot->base = base;
		slot->mapped = true;
		slot->next = m->slots;
		m->slots = slot;
		if (m->listener.changed)
			m->listener.changed(m->listener.context, slot, true);
	}
	rebuild(m);
	pthread_mutex_unlock(&m->lock);
	return slot->mapped;
}

void memory_unmap(struct memory *m, struct slot *slot)
{
	pthread_mutex_lock(&m->lock);
	if (slot->mapped) {
		unlink_slot(m, slot);
		rebuild(m);
	}
	pthread_mutex_unlock(&m->lock);
}

/* Cuts [address, address + length) into host ranges. Returns their number, or -EFAULT, -E2BIG. */
int memory_iov(struct memory *m, uint64_t address, size_t length, bool writable, struct iovec *ret_iov,
               unsigned max_iov)
{
	struct snapshot_ticket ticket;
	unsigned count = 0, i;
	const struct table *t = snapshot_enter(&m->tables, &ticket);
	int result = 0;

	while (length && !result) {
		const struct range *r = NULL;

		for (i = 0; t && i < t->count && !r; i++)
			if (address >= t->ranges[i].base && address - t->ranges[i].base < t->ranges[i].size)
				r = &t->ranges[i];
		if (!r || (writable && !r->writable)) {
			result = -EFAULT;
		} else if (count == max_iov) {
			result = -E2BIG;
		} else {
			uint64_t offset = address - r->base;
			size_t piece = MIN(length, r->size - offset);

			ret_iov[count++] = (struct iovec){ r->host + offset, piece };
			address += piece;
			length -= piece;
		}
	}
	snapshot_leave(&m->tables, ticket);
	return result ? result : (int)count;
}

int memory_read(struct memory *m, uint64_t address, void *buffer, size_t length)
{
	struct iovec iov[MAX_SLOTS];
	int count = memory_iov(m, address, length, false, iov, MAX_SLOTS);
	uint8_t *to = buffer;

	for (int i = 0; i < count; i++) {
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
	return MIN(count, 0);
}

int memory_write(struct memory *m, uint64_t address, const void *buffer, size_t length)
{
	struct iovec iov[MAX_SLOTS];
	int count = memory_iov(m, address, length, true, iov, MAX_SLOTS);
	const uint8_t *from = buffer;

	for (int i = 0; i < count; i++) {
		memcpy(iov[i].iov_base, from, iov[i].iov_len);
		from += iov[i].iov_len;
	}
	return MIN(count, 0);
}

void memory_dirty(struct memory *m, struct slot *slot, uint64_t *bitmap)
{
	pthread_mutex_lock(&m->lock);
	if (slot->mapped && m->listener.dirty)
		m->listener.dirty(m->listener.context, slot, bitmap);
	else if (slot->mapped)
		memset(bitmap, 0xff, (slot->size / 4096 + 63) / 64 * 8);
	pthread_mutex_unlock(&m->lock);
}

void memory_set_listener(struct memory *m, const struct memory_listener *listener)
{
	pthread_mutex_lock(&m->lock);
	m->listener = *listener;
	for (struct slot *s = m->slots; s && listener->changed; s = s->next)
		listener->changed(listener->context, s, true);
	pthread_mutex_unlock(&m->lock);
}
