/* SPDX-License-Identifier: MIT */
/* The commands of disks (SBC-3, SPC-4). They are in the table at the end. */
#include "core/storage/scsi.h"

#include <errno.h>

#define NO_SENSE SCSI_SENSE_OF(0, 0, 0)
#define NO_MEDIUM SCSI_SENSE_OF(2, 0x3a, 0x00)
#define SAVING_NOT_SUPPORTED SCSI_SENSE_OF(5, 0x39, 0x00)
#define WRITE_PROTECTED SCSI_SENSE_OF(7, 0x27, 0x00)

enum cdb_flags { /* byte 1 */
	         FORCE_UNIT_ACCESS = 0x08,
	         BYTE_CHECK = 0x02,
	         SAME_UNMAP = 0x08,
	         SAME_NO_DATA = 0x01, /* WRITE SAME (16) */
};

struct extent {
	uint64_t lba, count;
};

/* Address and length stand where the group of the opcode says (SPC-4 4.3.1). */
static struct extent extent_of(const uint8_t *cdb)
{
	switch (cdb[0] >> 5) {
	case 0:
		return (struct extent){ be32_load(cdb) & 0x1fffff, cdb[4] ? cdb[4] : 256 };
	case 4:
		return (struct extent){ be64_load(cdb + 2), be32_load(cdb + 10) };
	case 5:
		return (struct extent){ be32_load(cdb + 2), be32_load(cdb + 6) };
	default:
		return (struct extent){ be32_load(cdb + 2), be16_load(cdb + 7) };
	}
}

static uint32_t allocation_length(const uint8_t *cdb)
{
	return cdb[0] >> 5 ? be16_load(cdb + 7) : cdb[4];
}

/* The extent, which lies on the medium; false: it does not, and the command has failed. */
static bool take_extent(struct scsi_request *q, struct extent *ret_extent)
{
	*ret_extent = extent_of(q->cdb);
	if (range_within(ret_extent->lba, ret_extent->count, scsi_sectors(q->target)))
		return true;
	scsi_fail(q, SCSI_LBA_OUT_OF_RANGE);
	return false;
}

/* ---- reading and writing ---- */

static void read_sectors(struct scsi_request *q)
{
	struct extent x;

	if (take_extent(q, &x))
		scsi_move(q, SCSI_SECTORS, false, x.lba * SCSI_SECTOR, x.count * SCSI_SECTOR);
}

static bool writes_through(const struct scsi_request *q)
{
	return !q->target->write_cache || (q->cdb[0] >> 5 && q->cdb[1] & FORCE_UNIT_ACCESS);
}

static void write_sectors(struct scsi_request *q)
{
	struct extent x;

	q->flush_after = writes_through(q);
	if (take_extent(q, &x))
		scsi_move(q, SCSI_SECTORS, true, x.lba * SCSI_SECTOR, x.count * SCSI_SECTOR);
}

/* What was written is on stable storage then: the host's own disk answers for its being readable. */
static void write_and_verify(struct scsi_request *q)
{
	struct extent x;

	q->flush_after = true;
	if (take_extent(q, &x))
		scsi_move(q, SCSI_SECTORS, true, x.lba * SCSI_SECTOR, x.count * SCSI_SECTOR);
}

static void verify(struct scsi_request *q)
{
	struct extent x;

	if (!take_extent(q, &x))
		return;
	if (q->cdb[1] & BYTE_CHECK)
		scsi_move(q, SCSI_COMPARE, false, x.lba * SCSI_SECTOR, x.count * SCSI_SECTOR);
	else
		scsi_complete(q);
}

/* Seek, pre-fetch: nothing to do, if the place exists. */
static void check_place(struct scsi_request *q)
{
	struct extent x = extent_of(q->cdb);

	if (range_within(x.lba, 1, scsi_sectors(q->target)))
		scsi_complete(q);
	else
		scsi_fail(q, SCSI_LBA_OUT_OF_RANGE);
}

static void synchronize_cache(struct scsi_request *q)
{
	struct extent x;

	if (take_extent(q, &x))
		scsi_enter(q, SCSI_FLUSH); /* of all: that is allowed */
}

/* A sector of zeros, or one that may be unmapped, becomes a hole: both read as zeros afterwards. */
static void write_same(struct scsi_request *q)
{
	bool no_data = q->cdb[0] >> 5 == 4 && q->cdb[1] & SAME_NO_DATA;
	struct extent x;

	if (!take_extent(q, &x))
		return;
	if (!x.count || x.count > SCSI_MAX_SAME) { /* VPD page B0: WSNZ, MAXIMUM WRITE SAME LENGTH */
		scsi_fail(q, SCSI_INVALID_FIELD);
		return;
	}
	memset(q->buffer, 0, SCSI_BUFFER);
	if (!no_data && !scsi_receive(q, SCSI_SECTOR))
		return;
	q->flush_after = !q->target->write_cache;
	q->offset = x.lba * SCSI_SECTOR;
	q->left = x.count * SCSI_SECTOR;
	if (bytes_are_zero(q->buffer, SCSI_SECTOR)) {
		scsi_enter(q, SCSI_DISCARD);
		return;
	}
	if (q->cdb[1] & SAME_UNMAP) { /* what is unmapped reads as zeros: that is not this sector */
		scsi_fail(q, SCSI_INVALID_PARAMETER);
		return;
	}
	for (size_t at = SCSI_SECTOR; at < SCSI_BUFFER; at += SCSI_SECTOR)
		memcpy(q->buffer + at, q->buffer, SCSI_SECTOR);
	scsi_enter(q, SCSI_SAME);
}

static void unmap(struct scsi_request *q)
{
	uint32_t length = be16_load(q->cdb + 7), list;

	if (q->cdb[1] & 1) { /* ANCHOR */
		scsi_fail(q, SCSI_INVALID_FIELD);
		return;
	}
	if (!length) {
		scsi_complete(q);
		return;
	}
	if (!scsi_receive(q, length))
		return;
	list = length < 8 ? 0 : be16_load(q->buffer + 2);
	if (length < 8 || list % 16 || list > length - 8)
		scsi_fail(q, SCSI_PARAMETER_LIST_LENGTH);
	else
		scsi_unmap(q, 8 + list);
}

/* ---- about the disk ---- */

static void accept(struct scsi_request *q)
{
	scsi_complete(q);
}

static void request_sense(struct scsi_request *q)
{
	struct atapi_sense sense = q->target->attention;

	if (q->cdb[1] & 1) { /* descriptor format */
		scsi_fail(q, SCSI_INVALID_FIELD);
		return;
	}
	q->target->attention = NO_SENSE;
	scsi_request_sense(q, sense);
}

static void read_capacity_10(struct scsi_request *q)
{
	be32_store(q->buffer, (uint32_t)MIN(scsi_sectors(q->target) - 1, UINT32_MAX));
	be32_store(q->buffer + 4, SCSI_SECTOR);
	scsi_send(q, 8, 8);
}

#define READ_CAPACITY_16 0x10

static void service_action_in_16(struct scsi_request *q)
{
	if ((q->cdb[1] & 0x1f) != READ_CAPACITY_16) {
		scsi_fail(q, SCSI_INVALID_FIELD);
		return;
	}
	memset(q->buffer, 0, 32);
	be64_store(q->buffer, scsi_sectors(q->target) - 1);
	be32_store(q->buffer + 8, SCSI_SECTOR);
	q->buffer[14] = 0xc0; /* provisioning is managed; unmapped sectors read as zeros */
	scsi_send(q, 32, be32_load(q->cdb + 10));
}

/* The list of supported pages is the only one. */
static void log_sense(struct scsi_request *q)
{
	if (q->cdb[1] & 1 || q->cdb[2] & 0x3f || q->cdb[3]) {
		scsi_fail(q, SCSI_INVALID_FIELD);
		return;
	}
	memset(q->buffer, 0, 5);
	q->buffer[3] = 1;
	scsi_send(q, 5, be16_load(q->cdb + 7));
}

/* ---- mode pages ---- */

enum { PAGE_ERRORS = 0x01, PAGE_FORMAT = 0x03, PAGE_GEOMETRY = 0x04, PAGE_CACHING = 0x08, PAGE_CONTROL = 0x0a };
#define CACHING_WCE 0x04
#define ALL_PAGES 0x3f

static const struct mode_page {
	uint8_t code, size; /* whole size */
	uint8_t data[24];   /* from byte 2 on */
} mode_pages[] = {
	{ PAGE_ERRORS, 12, { 0xc0 } },                                          /* reallocates by itself */
	{ PAGE_FORMAT, 24, { [8] = 0, 63, SCSI_SECTOR >> 8, 0, [18] = 0x40 } }, /* 63 sectors a track, hard */
	{ PAGE_GEOMETRY, 24, { [3] = 255 } },
	{ PAGE_CACHING, 20, { 0 } },
	{ PAGE_CONTROL, 12, { 0, 0x10 /* reorders as it likes */ } },
};

enum page_control { CURRENT, CHANGEABLE, DEFAULT, SAVED };

static void fill_mode_page(const struct scsi_target *t, const struct mode_page *page, uint8_t control, uint8_t *at)
{
	uint32_t cylinders = (uint32_t)MIN(scsi_sectors(t) / (255 * 63), 0xffffff);

	memset(at, 0, page->size);
	at[0] = page->code;
	at[1] = page->size - 2;
	if (page->code == PAGE_CACHING && (control != CURRENT || t->write_cache))
		at[2] = CACHING_WCE;
	if (control == CHANGEABLE || page->code == PAGE_CACHING)
		return;
	memcpy(at + 2, page->data, page->size - 2u);
	if (page->code == PAGE_GEOMETRY)
		be32_store(at + 2, cylinders << 8 | 255);
}

/* Adds those pages that were asked for; returns their size, 0: there is no such page. */
static uint32_t put_mode_pages(const struct scsi_target *t, uint8_t *at, uint8_t code, uint8_t control)
{
	uint32_t length = 0;

	for (size_t i = 0; i < ARRAY_SIZE(mode_pages); i++) {
		if (code != ALL_PAGES && code != mode_pages[i].code)
			continue;
		fill_mode_page(t, &mode_pages[i], control, at + length);
		length += mode_pages[i].size;
	}
	return length;
}

static uint32_t put_block_descriptor(const struct scsi_target *t, uint8_t *at)
{
	memset(at, 0, 8);
	be32_store(at, (uint32_t)MIN(scsi_sectors(t), UINT32_MAX));
	be32_store(at + 4, SCSI_SECTOR);
	return 8;
}

static bool is_ten(const struct scsi_request *q)
{
	return q->cdb[0] >> 5;
}

static void mode_sense(struct scsi_request *q)
{
	uint8_t control = q->cdb[2] >> 6, *p = q->buffer, descriptor = 0;
	uint8_t specific = (uint8_t)(0x10 | (block_read_only(q->target->block) ? 0x80 : 0)); /* DPOFUA, WP */
	uint32_t header = is_ten(q) ? 8 : 4, length;

	if (control == SAVED) {
		scsi_fail(q, SAVING_NOT_SUPPORTED);
		return;
	}
	memset(p, 0, header);
	if (!(q->cdb[1] & 0x08)) /* DBD */
		descriptor = (uint8_t)put_block_descriptor(q->target, p + header);
	length = put_mode_pages(q->target, p + header + descriptor, q->cdb[2] & 0x3f, control);
	if (!length || (q->cdb[3] && q->cdb[3] != 0xff)) {
		scsi_fail(q, SCSI_INVALID_FIELD);
		return;
	}
	length += header + descriptor;
	if (is_ten(q)) {
		be16_store(p, (uint16_t)(length - 2));
		p[3] = specific;
		p[7] = descriptor;
	} else {
		p[0] = (uint8_t)(length - 1);
		p[2] = specific;
		p[3] = descriptor;
	}
	scsi_send(q, length, allocation_length(q->cdb));
}

/* A page may come back only as it was, but for WCE; returns its size, 0: not a page of ours. */
static uint32_t check_mode_page(const struct scsi_target *t, const uint8_t *at, uint32_t length)
{
	uint8_t now[32];

	for (size_t i = 0; i < ARRAY_SIZE(mode_pages); i++) {
		const struct mode_page *page = &mode_pages[i];

		if ((at[0] & 0x3f) != page->code)
			continue;
		if (length < page->size || at[1] != page->size - 2)
			return 0;
		fill_mode_page(t, page, CURRENT, now);
		if (page->code == PAGE_CACHING)
			now[2] = (uint8_t)((now[2] & ~CACHING_WCE) | (at[2] & CACHING_WCE));
		return memcmp(at + 2, now + 2, page->size - 2u) ? 0 : page->size;
	}
	return 0;
}

static void mode_select(struct scsi_request *q)
{
	uint32_t length = allocation_length(q->cdb), header = is_ten(q) ? 8 : 4, at = header;
	bool write_cache = q->target->write_cache;

	if (q->cdb[1] & 1) { /* SP: pages are not saved */
		scsi_fail(q, SCSI_INVALID_FIELD);
		return;
	}
	if (!length) {
		scsi_complete(q);
		return;
	}
	if (!scsi_receive(q, length))
		return;
	if (length >= header)
		at += is_ten(q) ? be16_load(q->buffer + 6) : q->buffer[3];
	if (length < at) {
		scsi_fail(q, SCSI_PARAMETER_LIST_LENGTH);
		return;
	}
	while (at < length) {
		const uint8_t *page = q->buffer + at;
		uint32_t size = length - at < 3 ? 0 : check_mode_page(q->target, page, length - at);

		if (!size) {
			scsi_fail(q, SCSI_INVALID_PARAMETER);
			return;
		}
		if ((page[0] & 0x3f) == PAGE_CACHING)
			write_cache = page[2] & CACHING_WCE;
		at += size;
	}
	q->target->write_cache = write_cache;
	if (write_cache)
		scsi_complete(q);
	else
		scsi_enter(q, SCSI_FLUSH); /* what the cache holds goes out (SBC-3 6.4.5, WCE) */
}

/* ---- the table ---- */

enum command_flags {
	MEDIUM = 1, /* needs one */
	QUIET = 2,  /* answered even when a unit attention waits to be told (SPC-4 5.14) */
	WRITES = 4,
};

static const struct command {
	void (*run)(struct scsi_request *q);
	uint8_t flags;
} commands[256] = {
	[0x00] = { accept, MEDIUM }, /* TEST UNIT READY */
	[0x01] = { accept, MEDIUM }, /* REZERO UNIT */
	[0x03] = { request_sense, QUIET },
	[0x08] = { read_sectors, MEDIUM },
	[0x0a] = { write_sectors, MEDIUM | WRITES },
	[0x0b] = { check_place, MEDIUM }, /* SEEK (6) */
	[0x15] = { mode_select, 0 },
	[0x16] = { accept, 0 }, /* RESERVE: there is no other initiator */
	[0x17] = { accept, 0 }, /* RELEASE */
	[0x1a] = { mode_sense, 0 },
	[0x1b] = { accept, 0 }, /* START STOP UNIT: nothing spins */
	[0x1d] = { accept, 0 }, /* SEND DIAGNOSTIC: the self-test passes */
	[0x1e] = { accept, 0 }, /* PREVENT ALLOW MEDIUM REMOVAL */
	[0x25] = { read_capacity_10, MEDIUM },
	[0x28] = { read_sectors, MEDIUM },
	[0x2a] = { write_sectors, MEDIUM | WRITES },
	[0x2b] = { check_place, MEDIUM }, /* SEEK (10) */
	[0x2e] = { write_and_verify, MEDIUM | WRITES },
	[0x2f] = { verify, MEDIUM },
	[0x34] = { check_place, MEDIUM }, /* PRE-FETCH (10) */
	[0x35] = { synchronize_cache, MEDIUM },
	[0x41] = { write_same, MEDIUM | WRITES },
	[0x42] = { unmap, MEDIUM | WRITES },
	[0x4d] = { log_sense, 0 },
	[0x55] = { mode_select, 0 },
	[0x56] = { accept, 0 }, /* RESERVE (10) */
	[0x57] = { accept, 0 }, /* RELEASE (10) */
	[0x5a] = { mode_sense, 0 },
	[0x88] = { read_sectors, MEDIUM },
	[0x8a] = { write_sectors, MEDIUM | WRITES },
	[0x8e] = { write_and_verify, MEDIUM | WRITES },
	[0x8f] = { verify, MEDIUM },
	[0x90] = { check_place, MEDIUM }, /* PRE-FETCH (16) */
	[0x91] = { synchronize_cache, MEDIUM },
	[0x93] = { write_same, MEDIUM | WRITES },
	[0x9e] = { service_action_in_16, MEDIUM },
	[0xa8] = { read_sectors, MEDIUM },
	[0xaa] = { write_sectors, MEDIUM | WRITES },
	[0xae] = { write_and_verify, MEDIUM | WRITES },
	[0xaf] = { verify, MEDIUM },
};

void scsi_disk_execute(struct scsi_request *q)
{
	const struct command *command = &commands[q->cdb[0]];
	struct scsi_target *t = q->target;
	struct atapi_sense attention = t->attention;

	if (!command->run) {
		scsi_fail(q, SCSI_INVALID_OPCODE);
	} else if (attention.key && !(command->flags & QUIET)) {
		t->attention = NO_SENSE;
		scsi_fail(q, attention);
	} else if (command->flags & MEDIUM && !block_has_medium(t->block)) {
		scsi_fail(q, NO_MEDIUM);
	} else if (command->flags & WRITES && block_read_only(t->block)) {
		scsi_fail(q, WRITE_PROTECTED);
	} else {
		command->run(q);
	}
}
