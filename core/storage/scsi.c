/* SPDX-License-Identifier: MIT */
/* Targets, and how a request's data moves; the commands of disks are in scsi_disk.c. */
#include "core/storage/scsi.h"

#include <errno.h>

#define NO_SENSE SCSI_SENSE_OF(0, 0, 0)
#define NO_MEDIUM SCSI_SENSE_OF(2, 0x3a, 0x00)
#define WRITE_ERROR SCSI_SENSE_OF(3, 0x0c, 0x00)
#define UNRECOVERED_READ_ERROR SCSI_SENSE_OF(3, 0x11, 0x00)
#define LUN_NOT_SUPPORTED SCSI_SENSE_OF(5, 0x25, 0x00)
#define BUS_RESET_OCCURRED SCSI_SENSE_OF(6, 0x29, 0x02)
#define DEVICE_RESET_OCCURRED SCSI_SENSE_OF(6, 0x29, 0x03)
#define WRITE_PROTECTED SCSI_SENSE_OF(7, 0x27, 0x00)
#define SPACE_ALLOCATION_FAILED SCSI_SENSE_OF(7, 0x27, 0x07)
#define DATA_PHASE_ERROR SCSI_SENSE_OF(0x0b, 0x4b, 0x00)
#define MISCOMPARE SCSI_SENSE_OF(0x0e, 0x1d, 0x00)

static void run(struct scsi_request *q);

/* ---- results ---- */

static void finish(struct scsi_request *q)
{
	q->step = SCSI_IDLE;
	q->done(q);
}

void scsi_complete(struct scsi_request *q)
{
	q->status = SCSI_GOOD;
	finish(q);
}

static void put_sense(uint8_t *to, struct atapi_sense sense)
{
	memset(to, 0, SCSI_SENSE);
	to[0] = 0x70; /* current, fixed format */
	to[2] = sense.key;
	to[7] = SCSI_SENSE - 8;
	to[12] = sense.asc;
	to[13] = sense.ascq;
}

void scsi_fail(struct scsi_request *q, struct atapi_sense sense)
{
	q->status = SCSI_CHECK_CONDITION;
	put_sense(q->sense, sense);
	finish(q);
}

/* The host's disk failed us. The information field names the request's first sector: the engine knows no better. */
static void request_failed(struct scsi_request *q, int result)
{
	uint64_t lba = q->offset / SCSI_SECTOR;
	bool write = q->out || q->step >= SCSI_SAME;
	struct atapi_sense sense = write ? WRITE_ERROR : UNRECOVERED_READ_ERROR;

	if (result == -ENOMEDIUM)
		sense = NO_MEDIUM;
	else if (result == -EROFS)
		sense = WRITE_PROTECTED;
	else if (result == -ENOSPC)
		sense = SPACE_ALLOCATION_FAILED;
	put_sense(q->sense, sense);
	if (sense.key == 3 && q->step != SCSI_FLUSH && !q->target->cdrom && lba <= UINT32_MAX) {
		q->sense[0] |= 0x80;
		be32_store(q->sense + 3, (uint32_t)lba);
	}
	q->status = SCSI_CHECK_CONDITION;
	finish(q);
}

/* ---- the buffer and the memory ---- */

/* Copies between the buffer and the memory from its byte `at` on, as far as it reaches. Returns how many bytes. */
static uint64_t copy(struct scsi_request *q, uint64_t at, uint8_t *buffer, uint64_t length, bool to_memory)
{
	uint64_t done = 0;

	for (unsigned i = 0; i < q->iov_count && done < length; i++) {
		uint64_t size = q->iov[i].iov_len, n;

		if (at >= size) {
			at -= size;
			continue;
		}
		n = MIN(size - at, length - done);
		if (to_memory)
			memcpy((uint8_t *)q->iov[i].iov_base + at, buffer + done, n);
		else
			memcpy(buffer + done, (const uint8_t *)q->iov[i].iov_base + at, n);
		done += n;
		at = 0;
	}
	return done;
}

/* Data that goes the other way than the controller was told never moves: the memory may be read only. */
static bool direction_is(struct scsi_request *q, bool out)
{
	if (q->to_device == out || !q->length)
		return true;
	scsi_fail(q, DATA_PHASE_ERROR);
	return false;
}

void scsi_send(struct scsi_request *q, uint64_t length, uint64_t allocated)
{
	length = MIN(length, allocated);
	if (!direction_is(q, false))
		return;
	q->transferred = copy(q, 0, q->buffer, length, true);
	q->overrun = q->transferred < length;
	scsi_complete(q);
}

bool scsi_receive(struct scsi_request *q, uint64_t length)
{
	if (length > SCSI_BUFFER) {
		scsi_fail(q, SCSI_PARAMETER_LIST_LENGTH);
		return false;
	}
	if (!direction_is(q, true))
		return false;
	memset(q->buffer, 0, sizeof(q->buffer));
	q->transferred = copy(q, 0, q->buffer, length, false);
	if (q->transferred == length)
		return true;
	q->overrun = true;
	scsi_fail(q, SCSI_PARAMETER_LIST_LENGTH);
	return false;
}

/* ---- steps ---- */

static void request_done(struct device *d, struct block_request *r, int result);

static void submit(struct scsi_request *q, enum block_op op, uint64_t length, const struct iovec *iov, unsigned count)
{
	q->request = (struct block_request){ .op = op,
		                             .offset = op == BLOCK_FLUSH ? 0 : q->offset,
		                             .length = (uint32_t)length,
		                             .iov = iov,
		                             .iov_count = count,
		                             .device = q->target->owner,
		                             .done = request_done };
	q->in_flight = true;
	block_submit(q->target->block, &q->request);
}

static uint64_t moved(struct scsi_request *q)
{
	q->offset += q->request.length;
	q->left -= q->request.length;
	return q->left;
}

static void all_moved(struct scsi_request *q)
{
	if (q->flush_after)
		scsi_enter(q, SCSI_FLUSH);
	else
		scsi_complete(q);
}

/* The next pieces of memory, whole sectors of limit bytes at most. What the last piece has beyond them is cut off. */
static uint64_t take_pieces(struct scsi_request *q, uint64_t limit)
{
	uint64_t total = 0, wanted;
	unsigned n = 0;

	while (total < limit && n < BLOCK_MAX_IOV && q->first + n < q->iov_count)
		total += q->iov[q->first + n++].iov_len;
	wanted = MIN(limit, total - total % SCSI_SECTOR);
	q->cut = total - wanted;
	while (n && q->cut >= q->iov[q->first + n - 1].iov_len)
		q->cut -= q->iov[q->first + --n].iov_len;
	if (n)
		q->iov[q->first + n - 1].iov_len -= q->cut;
	q->pieces = n;
	return wanted;
}

static void return_cut(struct scsi_request *q)
{
	struct iovec *last = &q->iov[q->first + q->pieces - 1];

	q->first += q->pieces;
	if (!q->cut)
		return;
	last->iov_base = (uint8_t *)last->iov_base + last->iov_len;
	last->iov_len = q->cut;
	q->first--;
}

static void sectors_begin(struct scsi_request *q)
{
	uint64_t n = take_pieces(q, MIN(q->left, BLOCK_MAX_LENGTH));

	if (n) {
		submit(q, q->out ? BLOCK_WRITE : BLOCK_READ, n, q->iov + q->first, q->pieces);
		return;
	}
	/* Memory in so many pieces that a block request's worth of them makes no sector: no driver does that. */
	scsi_fail(q, DATA_PHASE_ERROR);
}

static void sectors_done(struct scsi_request *q)
{
	return_cut(q);
	q->transferred += q->request.length;
	if (moved(q))
		run(q);
	else
		all_moved(q);
}

static void submit_buffer(struct scsi_request *q, uint8_t *at, uint64_t length)
{
	q->spare = (struct iovec){ .iov_base = at, .iov_len = length };
	submit(q, BLOCK_READ, length, &q->spare, 1);
}

/* One sector at a time, read into the buffer's end and spread from its beginning. */
#define SPREAD_FROM (SCSI_BUFFER - ATAPI_SECTOR)

static void spread_begin(struct scsi_request *q)
{
	submit_buffer(q, q->buffer + SPREAD_FROM, ATAPI_SECTOR);
}

static void spread_done(struct scsi_request *q)
{
	uint32_t lba = (uint32_t)(q->offset / ATAPI_SECTOR);
	uint32_t length = atapi_spread(q->buffer, q->buffer + SPREAD_FROM, lba, 1, q->parts);
	uint64_t n = copy(q, q->transferred, q->buffer, length, true);

	q->transferred += n;
	q->overrun = n < length;
	if (moved(q) && !q->overrun)
		run(q);
	else
		scsi_complete(q);
}

static void compare_begin(struct scsi_request *q)
{
	submit_buffer(q, q->buffer, MIN(q->left, SCSI_BUFFER));
}

static void compare_done(struct scsi_request *q)
{
	uint64_t n = q->request.length;
	uint8_t wanted[SCSI_BUFFER];

	q->transferred += copy(q, q->transferred, wanted, n, false);
	if (memcmp(q->buffer, wanted, n))
		scsi_fail(q, MISCOMPARE);
	else if (moved(q))
		run(q);
	else
		scsi_complete(q);
}

/* The buffer holds the sector as often as it fits; the pieces, whose data has been fetched, all point at it. */
static void same_begin(struct scsi_request *q)
{
	uint64_t n = MIN(q->left, (uint64_t)SCSI_MAX_IOV * SCSI_BUFFER), at = 0;
	unsigned count = 0;

	for (; at < n; at += q->iov[count++].iov_len)
		q->iov[count] = (struct iovec){ .iov_base = q->buffer, .iov_len = MIN(n - at, SCSI_BUFFER) };
	submit(q, BLOCK_WRITE, n, q->iov, count);
}

static void same_done(struct scsi_request *q)
{
	if (moved(q))
		run(q);
	else
		all_moved(q);
}

/* The next range of an UNMAP list that has a length; false: it was the last, or one is wrong. */
static bool next_range(struct scsi_request *q)
{
	while (q->next < q->list_end) {
		const uint8_t *descriptor = q->buffer + q->next;
		uint64_t lba = be64_load(descriptor), count = be32_load(descriptor + 8);

		if (!range_within(lba, count, scsi_sectors(q->target))) {
			scsi_fail(q, SCSI_LBA_OUT_OF_RANGE);
			return false;
		}
		q->next += 16;
		q->offset = lba * SCSI_SECTOR;
		q->left = count * SCSI_SECTOR;
		if (count)
			return true;
	}
	all_moved(q);
	return false;
}

static void discard_begin(struct scsi_request *q)
{
	if (q->left || next_range(q))
		submit(q, BLOCK_DISCARD, MIN(q->left, BLOCK_MAX_LENGTH), NULL, 0);
}

static void discard_done(struct scsi_request *q)
{
	moved(q);
	run(q);
}

static void flush_begin(struct scsi_request *q)
{
	submit(q, BLOCK_FLUSH, 0, NULL, 0);
}

static const struct {
	void (*begin)(struct scsi_request *q);
	void (*done)(struct scsi_request *q);
} steps[SCSI_STEPS] = {
	[SCSI_SECTORS] = { sectors_begin, sectors_done }, [SCSI_SPREAD] = { spread_begin, spread_done },
	[SCSI_COMPARE] = { compare_begin, compare_done }, [SCSI_SAME] = { same_begin, same_done },
	[SCSI_DISCARD] = { discard_begin, discard_done }, [SCSI_FLUSH] = { flush_begin, scsi_complete },
};

static void run(struct scsi_request *q)
{
	steps[q->step].begin(q);
}

void scsi_enter(struct scsi_request *q, enum scsi_step step)
{
	q->step = step;
	run(q);
}

static void request_done(struct device *d, struct block_request *r, int result)
{
	struct scsi_request *q = container_of(r, struct scsi_request, request);

	(void)d;
	q->in_flight = false;
	if (q->cancelled)
		finish(q);
	else if (result)
		request_failed(q, result);
	else
		steps[q->step].done(q);
}

void scsi_move(struct scsi_request *q, enum scsi_step step, bool out, uint64_t offset, uint64_t bytes)
{
	uint64_t room = q->length - q->length % SCSI_SECTOR;

	if (bytes && !direction_is(q, out || step == SCSI_COMPARE))
		return;
	q->overrun = step != SCSI_SPREAD && bytes > room;
	q->out = out;
	q->offset = offset;
	q->left = step == SCSI_SPREAD ? bytes : MIN(bytes, room);
	if (q->left)
		scsi_enter(q, step);
	else
		scsi_complete(q);
}

void scsi_unmap(struct scsi_request *q, uint32_t list_end)
{
	q->next = 8;
	q->list_end = list_end;
	scsi_enter(q, SCSI_DISCARD);
}

/* ---- CD drives ---- */

static void cd_failed(struct scsi_request *q)
{
	struct atapi_sense sense = q->target->cd.sense;

	q->target->cd.sense = NO_SENSE; /* it goes with the status: a later REQUEST SENSE asks for what came since */
	scsi_fail(q, sense);
}

static void cd_data_out(struct scsi_request *q, uint32_t length)
{
	if (!scsi_receive(q, length))
		return;
	if (atapi_data_out(&q->target->cd, q->cdb, q->buffer, length))
		scsi_complete(q);
	else
		cd_failed(q);
}

static void cd_execute(struct scsi_request *q)
{
	struct atapi_reply reply;

	atapi_execute(&q->target->cd, q->cdb, q->buffer, &reply);
	switch (reply.action) {
	case ATAPI_DONE:
		scsi_complete(q);
		break;
	case ATAPI_FAILED:
		cd_failed(q);
		break;
	case ATAPI_DATA_IN:
		scsi_send(q, reply.length, reply.length);
		break;
	case ATAPI_DATA_OUT:
		cd_data_out(q, reply.length);
		break;
	case ATAPI_READ:
		q->parts = reply.parts;
		scsi_move(q, reply.parts == ATAPI_USER_DATA ? SCSI_SECTORS : SCSI_SPREAD, false,
		          (uint64_t)reply.lba * ATAPI_SECTOR, (uint64_t)reply.sectors * ATAPI_SECTOR);
		break;
	}
}

/* ---- requests ---- */

enum { REQUEST_SENSE = 0x03, INQUIRY = 0x12, REPORT_LUNS = 0xa0 };

void scsi_submit(struct scsi_request *q)
{
	memset(q->sense, 0, sizeof(q->sense));
	q->transferred = q->offset = q->left = q->cut = 0;
	q->overrun = q->cancelled = q->out = q->flush_after = false;
	q->first = q->pieces = 0;
	q->next = q->list_end = 0;
	q->step = SCSI_IDLE;
	if (q->cdb[0] == INQUIRY)
		scsi_inquiry(q);
	else if (q->cdb[0] == REPORT_LUNS)
		scsi_report_luns(q);
	else if (q->wrong_lun && q->cdb[0] == REQUEST_SENSE)
		scsi_request_sense(q, LUN_NOT_SUPPORTED);
	else if (q->wrong_lun)
		scsi_fail(q, LUN_NOT_SUPPORTED);
	else if (q->target->cdrom)
		cd_execute(q);
	else
		scsi_disk_execute(q);
}

void scsi_cancel(struct scsi_request *q)
{
	q->cancelled = q->in_flight;
}

void scsi_request_sense(struct scsi_request *q, struct atapi_sense sense)
{
	put_sense(q->buffer, sense);
	scsi_send(q, SCSI_SENSE, q->cdb[4]);
}

/* ---- targets ---- */

uint64_t scsi_sectors(const struct scsi_target *t)
{
	return block_capacity(t->block) / SCSI_SECTOR;
}

/* FNV-1a, folded: short names that differ in a digit differ in many bits. */
uint64_t scsi_target_number(const struct scsi_target *t)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *p = block_name(t->block); *p; p++)
		hash = (hash ^ (uint8_t)*p) * 0x100000001b3;
	return (hash ^ hash >> 36) & 0xfffffffffull;
}

void scsi_target_init(struct scsi_target *t, struct device *owner, struct block *block, bool cdrom)
{
	t->owner = owner;
	t->block = block;
	t->cdrom = cdrom;
	t->cd.block = block;
}

void scsi_target_power_on(struct scsi_target *t)
{
	if (!t->block)
		return;
	t->write_cache = true;
	t->attention = SCSI_POWER_ON;
	if (t->cdrom)
		atapi_power_on(&t->cd);
}

/* A CD drive's tray stays open or closed, but it lets go of the medium (MMC-5, "Prevent/Allow Medium Removal"). */
void scsi_target_reset(struct scsi_target *t, bool bus)
{
	struct atapi_sense sense = bus ? BUS_RESET_OCCURRED : DEVICE_RESET_OCCURRED;
	bool tray_open = t->cd.tray_open;

	if (!t->block)
		return;
	scsi_target_power_on(t);
	t->cd.tray_open = tray_open;
	t->attention = t->cd.attention = sense;
}

void scsi_target_state(struct scsi_target *t, struct state *s)
{
	bool present = t->block, cdrom = t->cdrom;
	uint8_t attention[3] = { t->attention.key, t->attention.asc, t->attention.ascq };

	state_bool(s, "present", &present);
	state_bool(s, "cdrom", &cdrom);
	if (present != !!t->block || cdrom != t->cdrom)
		state_fail(s, -EINVAL, "present");
	if (!t->block)
		return;
	state_bytes(s, "attention", attention, sizeof(attention));
	state_bool(s, "write_cache", &t->write_cache);
	t->attention = SCSI_SENSE_OF(attention[0] & 0x0f, attention[1], attention[2]);
	if (t->cdrom)
		atapi_state(&t->cd, s);
}
