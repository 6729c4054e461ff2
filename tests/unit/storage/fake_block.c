/* SPDX-License-Identifier: MIT */
#include "tests/unit/storage/fake_block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/device.h"

struct block {
	char name[32];
	uint64_t capacity;
	uint8_t *data;
	bool read_only, locked, ejecting;
	int fail[BLOCK_DISCARD + 1];
	unsigned count[BLOCK_DISCARD + 1];
	struct block_request *first, **last;
	struct device *drive;
	const struct block_drive_ops *ops;
	struct block *next;
};

static struct block *all_blocks;

struct block *fake_block_new(const char *name, uint64_t capacity)
{
	struct block *b = calloc(1, sizeof(*b));

	strncpy(b->name, name, sizeof(b->name) - 1);
	b->data = calloc(1, FAKE_BLOCK_STORED);
	b->capacity = capacity;
	b->last = &b->first;
	b->next = all_blocks;
	all_blocks = b;
	return b;
}

void fake_block_free(struct block *b)
{
	struct block **at = &all_blocks;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	free(b->data);
	free(b);
}

uint8_t *fake_block_data(struct block *b)
{
	return b->data;
}

void fake_block_set_read_only(struct block *b, bool read_only)
{
	b->read_only = read_only;
}

void fake_block_fail(struct block *b, enum block_op op, int result)
{
	b->fail[op] = result;
}

unsigned fake_block_count(const struct block *b, enum block_op op)
{
	return b->count[op];
}

const struct block_request *fake_block_pending(const struct block *b)
{
	return b->first;
}

bool fake_block_ejecting(const struct block *b)
{
	return b->ejecting;
}

static void move_byte_ranges(struct block *b, const struct block_request *r)
{
	uint64_t at = r->offset;

	for (unsigned i = 0; i < r->iov_count; i++) {
		uint8_t *p = r->iov[i].iov_base;

		for (size_t n = 0; n < r->iov[i].iov_len; n++, at++) {
			uint64_t lba = at / 512;

			if (at >= FAKE_BLOCK_STORED)
				p[n] = r->op == BLOCK_READ ? (uint8_t)(lba >> 8 * (at % 8)) : p[n];
			else if (r->op == BLOCK_READ)
				p[n] = b->data[at];
			else
				b->data[at] = p[n];
		}
	}
}

static int perform(struct block *b, const struct block_request *r)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < r->iov_count; i++)
		sum += r->iov[i].iov_len;
	if (r->op <= BLOCK_WRITE &&
	    (sum != r->length || !sum || sum > BLOCK_MAX_LENGTH || r->iov_count > BLOCK_MAX_IOV))
		abort(); /* the device breaks block.h's contract */
	if (r->offset % 512 || r->length % 512)
		abort();
	if (b->fail[r->op])
		return b->fail[r->op];
	if (!b->capacity && r->op != BLOCK_FLUSH)
		return -ENOMEDIUM;
	if (!range_within(r->offset, r->length, b->capacity))
		return -EIO;
	if (r->op != BLOCK_READ && r->op != BLOCK_FLUSH && b->read_only)
		return -EROFS;
	if (r->op <= BLOCK_WRITE)
		move_byte_ranges(b, r);
	else if (r->op == BLOCK_DISCARD && r->offset < FAKE_BLOCK_STORED)
		memset(b->data + r->offset, 0, MIN(r->length, FAKE_BLOCK_STORED - r->offset));
	return 0;
}

static bool complete_nth(struct block *b, unsigned n)
{
	struct block_request **at = &b->first, *r;
	int result;

	while (n-- && *at)
		at = &(*at)->next;
	r = *at;
	if (!r)
		return false;
	*at = r->next;
	if (!*at)
		b->last = at;
	result = perform(b, r);
	device_lock(r->device);
	r->done(r->device, r, result);
	device_unlock(r->device);
	return true;
}

void block_submit(struct block *b, struct block_request *r)
{
	b->count[r->op]++;
	r->next = NULL;
	*b->last = r;
	b->last = &r->next;
}

void block_drain(struct block *b)
{
	while (complete_nth(b, 0))
		;
}

bool fake_block_complete(struct block *b, unsigned n)
{
	return complete_nth(b, n);
}

static void tell_drive(struct block *b)
{
	if (!b->drive)
		return;
	device_lock(b->drive);
	b->ops->medium_changed(b->drive, b);
	device_unlock(b->drive);
}

void fake_block_insert(struct block *b, uint64_t capacity)
{
	block_drain(b);
	b->capacity = capacity;
	tell_drive(b);
}

void fake_block_press_eject(struct block *b)
{
	device_lock(b->drive);
	b->ops->eject_request(b->drive, b);
	device_unlock(b->drive);
}

void fake_block_settle(void)
{
	for (struct block *b = all_blocks; b; b = b->next) {
		block_drain(b);
		if (b->ejecting) {
			b->ejecting = false;
			fake_block_insert(b, 0);
		}
	}
}

bool block_has_medium(const struct block *b)
{
	return b->capacity;
}

bool block_read_only(const struct block *b)
{
	return b->read_only;
}

uint64_t block_capacity(const struct block *b)
{
	return b->capacity;
}

const char *block_name(const struct block *b)
{
	return b->name;
}

void block_set_drive(struct block *b, struct device *d, const struct block_drive_ops *ops)
{
	b->drive = d;
	b->ops = ops;
}

void block_set_locked(struct block *b, bool locked)
{
	b->locked = locked;
}

bool block_locked(const struct block *b)
{
	return b->locked;
}

void block_eject(struct block *b)
{
	b->ejecting = true;
}
