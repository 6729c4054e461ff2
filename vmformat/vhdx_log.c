/* SPDX-License-Identifier: MIT */
/*
 * The log of a VHDX, [MS-VHDX] section 2.3: a ring of entries, each a header, descriptors, and pages. What counts
 * is the active sequence: valid entries with consecutive numbers, of which the last says where the first is. Pages
 * stay in the file; the index knows where. The writer's log is at most some megabytes, a hostile one is bounded
 * here.
 */
#include "vmformat/vhdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"

/* Section 2.3.1.1, Entry Header. */
enum {
	ENTRY_CHECKSUM = 4,
	ENTRY_LENGTH = 8,
	ENTRY_TAIL = 12,
	ENTRY_SEQUENCE = 16,
	ENTRY_DESCRIPTORS = 24,
	ENTRY_GUID = 32,
	ENTRY_FLUSHED_END = 48,
	ENTRY_LAST_END = 56,
	ENTRY_HEADER = 64,
};

/* Sections 2.3.1.2 and 2.3.1.3, Zero and Data Descriptor. */
enum {
	DESCRIPTOR_TRAILING = 4,
	DESCRIPTOR_LEADING = 8, /* of a zero descriptor: the length */
	DESCRIPTOR_OFFSET = 16,
	DESCRIPTOR_SEQUENCE = 24,
	DESCRIPTOR_SIZE = 32,
	LEADING_SIZE = 8,
	TRAILING_SIZE = 4,
};

/* Section 2.3.1.4, Data Sector: its first 8 and last 4 bytes are its own; those of the page are in the descriptor. */
enum { SECTOR_SEQUENCE_HIGH = 4, SECTOR_SEQUENCE_LOW = 4092 };

/* Hyper-V and QEMU make 1 MiB. All of it is read when the file is opened: 64 MiB take a fraction of a second. */
#define MAX_LOG (64u << 20)
/*
 * As many as there are pages in the largest log. Each is inserted into a sorted array: in the worst order some GB are
 * moved, in a second or two.
 */
#define MAX_DESCRIPTORS 16384u
/*
 * A sound log's bytes are summed up once or twice while its sequences are found; entries that overlap could cost a
 * square.
 */
#define MAX_PASSES 4u

struct change {
	uint64_t start, end;
	bool is_zero;
	uint32_t sector; /* page: its data sector's place in the log */
	uint8_t leading[LEADING_SIZE], trailing[TRAILING_SIZE];
};

struct vhdx_log {
	const struct file *file;
	uint8_t guid[GUID_SIZE];
	uint64_t offset; /* of the log in the file */
	uint32_t length;
	uint64_t file_end;
	uint64_t budget;        /* bytes that may still be summed up */
	struct change *changes; /* sorted, none overlap */
	size_t count, room;
	unsigned descriptors;
};

/* An entry that is in the log and sound. Offsets are in the log. */
struct entry {
	uint32_t at, length, tail, descriptors;
	uint64_t sequence, flushed_end, last_end;
};

/* ---- CRC-32C ---- */

uint32_t vhdx_crc32c_add(uint32_t crc, const uint8_t *bytes, size_t length)
{
	/* Of the sixteen halves of a byte, for the reversed polynomial 0x82f63b78. */
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	crc = ~crc;
	for (size_t i = 0; i < length; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

uint32_t vhdx_crc32c(const uint8_t *bytes, size_t length, size_t field)
{
	static const uint8_t zeros[4];
	uint32_t crc;

	if (field > length || length - field < sizeof(zeros))
		return vhdx_crc32c_add(0, bytes, length);
	crc = vhdx_crc32c_add(0, bytes, field);
	crc = vhdx_crc32c_add(crc, zeros, sizeof(zeros));
	return vhdx_crc32c_add(crc, bytes + field + sizeof(zeros), length - field - sizeof(zeros));
}

/* ---- entries ---- */

/* Sectors of the log are whole, its end is its beginning. */
static int read_sector(const struct vhdx_log *log, uint64_t at, uint8_t sector[VHDX_PAGE])
{
	return file_read(log->file, log->offset + at % log->length, sector, VHDX_PAGE);
}

/* Header and descriptors lie in whole sectors before the data sectors. */
static uint64_t descriptor_area(uint32_t descriptors)
{
	uint64_t bytes = ENTRY_HEADER + (uint64_t)descriptors * DESCRIPTOR_SIZE;

	return (bytes + VHDX_PAGE - 1) / VHDX_PAGE * VHDX_PAGE;
}

static bool take_entry(const struct vhdx_log *log, uint32_t at, const uint8_t *header, struct entry *ret_entry)
{
	*ret_entry = (struct entry){
		.at = at,
		.length = le32_load(header + ENTRY_LENGTH),
		.tail = le32_load(header + ENTRY_TAIL),
		.descriptors = le32_load(header + ENTRY_DESCRIPTORS),
		.sequence = le64_load(header + ENTRY_SEQUENCE),
		.flushed_end = le64_load(header + ENTRY_FLUSHED_END),
		.last_end = le64_load(header + ENTRY_LAST_END),
	};
	return memcmp(header, "loge", 4) == 0 && memcmp(header + ENTRY_GUID, log->guid, GUID_SIZE) == 0 &&
	       ret_entry->length && ret_entry->length % VHDX_PAGE == 0 && ret_entry->length <= log->length &&
	       ret_entry->tail % VHDX_PAGE == 0 && ret_entry->tail < log->length && ret_entry->sequence &&
	       descriptor_area(ret_entry->descriptors) <= ret_entry->length;
}

/* -ENOENT: there is no sound entry. -E2BIG: too much was summed up. Else what reading says. */
static int read_entry(struct vhdx_log *log, uint32_t at, struct entry *ret_entry)
{
	uint8_t sector[VHDX_PAGE];
	uint32_t wanted, crc;
	int r = read_sector(log, at, sector);

	if (r < 0 || !take_entry(log, at, sector, ret_entry))
		return r < 0 ? r : -ENOENT;
	if (ret_entry->length > log->budget)
		return -E2BIG;
	log->budget -= ret_entry->length;
	wanted = le32_load(sector + ENTRY_CHECKSUM);
	crc = vhdx_crc32c(sector, VHDX_PAGE, ENTRY_CHECKSUM);
	for (uint32_t done = VHDX_PAGE; done < ret_entry->length; done += VHDX_PAGE) {
		r = read_sector(log, (uint64_t)at + done, sector);
		if (r < 0)
			return r;
		crc = vhdx_crc32c_add(crc, sector, VHDX_PAGE);
	}
	return crc == wanted ? 0 : -ENOENT;
}

static uint32_t after(const struct vhdx_log *log, const struct entry *entry)
{
	return (uint32_t)(((uint64_t)entry->at + entry->length) % log->length);
}

/* ---- the active sequence ---- */

/* A run of sound entries with consecutive numbers; it is a sequence if the last one's tail is in it. */
struct sequence {
	struct entry head;
	uint32_t count; /* of entries, from the tail to the head */
};

/* The header of an entry that was found sound. */
static int read_again(const struct vhdx_log *log, uint32_t at, struct entry *ret_entry)
{
	uint8_t sector[VHDX_PAGE];
	int r = read_sector(log, at, sector);

	if (r < 0)
		return r;
	return take_entry(log, at, sector, ret_entry) ? 0 : -EIO;
}

/*
 * Entries from the one at `start`, of `count`, up to the one that the head calls its tail are too old: how many
 * are left?
 */
static int count_from_tail(const struct vhdx_log *log, uint32_t start, uint32_t count, uint32_t tail)
{
	struct entry entry = { .at = start };

	while (count && entry.at != tail) {
		int r = read_again(log, entry.at, &entry);

		if (r < 0)
			return r;
		entry.at = after(log, &entry);
		count--;
	}
	return (int)count;
}

/* *ret_length: bytes of the run from `start` on, 0 when no entry begins there. */
static int find_run(struct vhdx_log *log, uint32_t start, struct sequence *ret_sequence, uint32_t *ret_length)
{
	struct entry entry;
	uint32_t at = start, count = 0;
	int r;

	*ret_length = 0;
	*ret_sequence = (struct sequence){ 0 };
	for (;;) {
		r = read_entry(log, at, &entry);
		if (r < 0 || (count && entry.sequence != ret_sequence->head.sequence + 1) ||
		    entry.length > log->length - *ret_length)
			break;
		ret_sequence->head = entry;
		*ret_length += entry.length;
		at = after(log, &entry);
		count++;
	}
	if (r < 0 && r != -ENOENT)
		return r;
	r = count_from_tail(log, start, count, ret_sequence->head.tail);
	if (r >= 0)
		ret_sequence->count = (uint32_t)r;
	return r < 0 ? r : 0;
}

/* Section 2.3.2: of all sequences, the one with the highest number. */
static int find_active(struct vhdx_log *log, struct sequence *ret_active)
{
	*ret_active = (struct sequence){ 0 };
	for (uint32_t at = 0; at < log->length;) {
		struct sequence sequence;
		uint32_t length;
		int r = find_run(log, at, &sequence, &length);

		if (r < 0)
			return r;
		if (sequence.count && sequence.head.sequence > ret_active->head.sequence)
			*ret_active = sequence;
		at += MAX(length, VHDX_PAGE);
	}
	return 0;
}

/* ---- the index ---- */

/* The first change that ends behind offset. */
static size_t find_change(const struct vhdx_log *log, uint64_t offset)
{
	size_t low = 0, high = log->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (log->changes[middle].end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int make_room(struct vhdx_log *log)
{
	size_t room = MAX(log->room * 2, 64u);
	struct change *changes;

	if (log->count + 2 <= log->room)
		return 0;
	changes = reallocarray(log->changes, room, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	log->changes = changes;
	log->room = room;
	return 0;
}

/* What comes later hides what came before. Pages are never cut, since all begins and ends at multiples of a page. */
static int insert(struct vhdx_log *log, const struct change *change)
{
	size_t first = find_change(log, change->start), last = first, put = 0;
	struct change pieces[3];
	int r = make_room(log);

	if (r < 0)
		return r;
	while (last < log->count && log->changes[last].start < change->end)
		last++;
	if (first < last && log->changes[first].start < change->start) {
		pieces[put] = log->changes[first];
		pieces[put++].end = change->start;
	}
	pieces[put++] = *change;
	if (first < last && log->changes[last - 1].end > change->end) {
		pieces[put] = log->changes[last - 1];
		pieces[put++].start = change->end;
	}
	memmove(log->changes + first + put, log->changes + last, (log->count - last) * sizeof(*change));
	memcpy(log->changes + first, pieces, put * sizeof(*change));
	log->count = log->count + put - (last - first);
	return 0;
}

/* A data sector of an entry with this number? */
static int check_sector(const struct vhdx_log *log, uint64_t at, uint64_t sequence)
{
	uint8_t sector[VHDX_PAGE];
	int r = read_sector(log, at, sector);

	if (r < 0)
		return r;
	return memcmp(sector, "data", 4) == 0 && le32_load(sector + SECTOR_SEQUENCE_HIGH) == sequence >> 32 &&
	                       le32_load(sector + SECTOR_SEQUENCE_LOW) == (uint32_t)sequence
	               ? 0
	               : -EINVAL;
}

/* *data: where the entry's next data sector lies, counted from the entry. */
static int replay_descriptor(struct vhdx_log *log, const struct entry *entry, const uint8_t *d, uint64_t *data)
{
	struct change change = { .start = le64_load(d + DESCRIPTOR_OFFSET), .is_zero = memcmp(d, "zero", 4) == 0 };
	uint64_t length = change.is_zero ? le64_load(d + DESCRIPTOR_LEADING) : VHDX_PAGE;
	int r;

	if ((!change.is_zero && memcmp(d, "desc", 4) != 0) || le64_load(d + DESCRIPTOR_SEQUENCE) != entry->sequence ||
	    change.start % VHDX_PAGE || length % VHDX_PAGE || add_overflows(change.start, length, &change.end))
		return -EINVAL;
	if (++log->descriptors > MAX_DESCRIPTORS)
		return -E2BIG;
	if (change.is_zero)
		return length ? insert(log, &change) : 0;
	if (*data >= entry->length)
		return -EINVAL;
	r = check_sector(log, entry->at + *data, entry->sequence);
	if (r < 0)
		return r;
	change.sector = (uint32_t)((entry->at + *data) % log->length);
	memcpy(change.leading, d + DESCRIPTOR_LEADING, LEADING_SIZE);
	memcpy(change.trailing, d + DESCRIPTOR_TRAILING, TRAILING_SIZE);
	*data += VHDX_PAGE;
	return insert(log, &change);
}

static int replay_entry(struct vhdx_log *log, const struct entry *entry)
{
	uint64_t data = descriptor_area(entry->descriptors);
	uint8_t sector[VHDX_PAGE];

	for (uint32_t i = 0; i < entry->descriptors; i++) {
		uint64_t place = ENTRY_HEADER + (uint64_t)i * DESCRIPTOR_SIZE; /* never crosses a sector */
		int r = i == 0 || place % VHDX_PAGE == 0
		                ? read_sector(log, entry->at + place / VHDX_PAGE * VHDX_PAGE, sector)
		                : 0;

		if (r == 0)
			r = replay_descriptor(log, entry, sector + place % VHDX_PAGE, &data);
		if (r < 0)
			return r;
	}
	return 0;
}

static int replay(struct vhdx_log *log, const struct sequence *active)
{
	struct entry entry = { .at = active->head.tail };

	for (uint32_t i = 0; i < active->count; i++) {
		int r = read_again(log, entry.at, &entry);

		if (r == 0)
			r = replay_entry(log, &entry);
		if (r < 0)
			return r;
		entry.at = after(log, &entry);
	}
	return 0;
}

/* ---- for vhdx.c ---- */

static int tell(struct error *e, int code, const char *name)
{
	switch (code) {
	case -ENOMEM:
		return error_set(e, code, "%s: not enough memory", name);
	case -E2BIG:
		return error_set(
			e, -EINVAL,
			"%s was not closed by its writer, and its log of changes is larger than any known program "
			"makes it. Attach it in Hyper-V once, which empties the log.",
			name);
	case -EINVAL:
		return error_set(
			e, code,
			"%s was not closed by its writer, and its log of changes is damaged: without it the disk is "
			"in pieces. Copy or download the file again.",
			name);
	default:
		return error_set(e, code, "%s: its log cannot be read: %s", name, strerror(-code));
	}
}

static int build(struct vhdx_log *log, struct error *e)
{
	struct sequence active;
	int r = find_active(log, &active);

	/* A log that is said to be in use has at least one entry. */
	if (r == 0 && !active.count)
		r = -EINVAL;
	if (r < 0)
		return tell(e, r, log->file->name);
	if (active.head.flushed_end > log->file->size)
		return disk_truncated(e, log->file->name, log->file->size, active.head.flushed_end);
	log->file_end = MAX(log->file->size, active.head.last_end);
	r = replay(log, &active);
	return r < 0 ? tell(e, r, log->file->name) : 0;
}

int vhdx_log_open(const struct file *file, const uint8_t guid[GUID_SIZE], uint64_t offset, uint32_t length,
                  struct vhdx_log **ret_log, struct error *e)
{
	struct vhdx_log *log;
	int r;

	if (length > MAX_LOG)
		return tell(e, -E2BIG, file->name);
	log = calloc(1, sizeof(*log));
	if (!log)
		return tell(e, -ENOMEM, file->name);
	*log = (struct vhdx_log){
		.file = file, .offset = offset, .length = length, .budget = (uint64_t)length * MAX_PASSES
	};
	memcpy(log->guid, guid, GUID_SIZE);
	r = build(log, e);
	if (r < 0) {
		vhdx_log_free(log);
		return r;
	}
	*ret_log = log;
	return 0;
}

void vhdx_log_free(struct vhdx_log *log)
{
	if (!log)
		return;
	free(log->changes);
	free(log);
}

uint64_t vhdx_log_file_end(const struct vhdx_log *log)
{
	return log->file_end;
}

struct vhdx_log_piece vhdx_log_find(const struct vhdx_log *log, uint64_t offset, uint64_t length)
{
	size_t i = log ? find_change(log, offset) : 0;
	const struct change *change = log && i < log->count ? &log->changes[i] : NULL;

	if (!change || change->start >= offset + length)
		return (struct vhdx_log_piece){ VHDX_LOG_UNTOUCHED, length, 0 };
	if (change->start > offset)
		return (struct vhdx_log_piece){ VHDX_LOG_UNTOUCHED, change->start - offset, 0 };
	return (struct vhdx_log_piece){ change->is_zero ? VHDX_LOG_ZERO : VHDX_LOG_PAGE,
		                        MIN(length, change->end - offset), i };
}

int vhdx_log_page(const struct vhdx_log *log, uint64_t page, uint8_t ret_bytes[VHDX_PAGE])
{
	const struct change *change = &log->changes[page];
	int r = read_sector(log, change->sector, ret_bytes);

	memcpy(ret_bytes, change->leading, LEADING_SIZE);
	memcpy(ret_bytes + VHDX_PAGE - TRAILING_SIZE, change->trailing, TRAILING_SIZE);
	return r;
}
