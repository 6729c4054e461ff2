/* SPDX-License-Identifier: MIT */
#include "core/storage/read_ahead.h"

#include "vmformat/bytes.h"

bool read_ahead_note(struct read_ahead *a, uint64_t offset, uint32_t length, uint64_t capacity)
{
	bool goes_on = offset == a->expected;
	/* The worker of this request takes its first piece: the others begin behind it. */
	uint64_t from = (offset / READ_AHEAD_PIECE + 1) * READ_AHEAD_PIECE;
	uint64_t to = MIN(offset + length + (goes_on ? READ_AHEAD_WINDOW : 0), capacity);

	a->expected = offset + length;
	if (!a->wanted || to <= from)
		return false;
	/* Else some of it has been claimed before; the last piece reached beyond the end, perhaps. */
	if (a->next < from || a->next >= to + READ_AHEAD_PIECE)
		a->next = from;
	a->end = to;
	return a->next < a->end;
}

bool read_ahead_claim(struct read_ahead *a, uint64_t *ret_offset)
{
	if (a->next >= a->end)
		return false;
	*ret_offset = a->next;
	a->next += READ_AHEAD_PIECE;
	return true;
}

void read_ahead_skip(struct read_ahead *a, uint64_t offset)
{
	a->next = MAX(a->next, (offset + READ_AHEAD_PIECE - 1) / READ_AHEAD_PIECE * READ_AHEAD_PIECE);
}

void read_ahead_stop(struct read_ahead *a)
{
	a->next = a->end = 0;
}
