/* SPDX-License-Identifier: MIT */
/* Registers, data transfers and block requests of one device; the commands are in ata_commands.c. */
#include "core/storage/ata.h"

#include <errno.h>

#define READY(a) ((uint8_t)((a)->packet ? ATA_DRDY : ATA_DRDY | ATA_DSC)) /* bit 4 is SERV in a packet device */

static void run(struct ata_device *a);

/* ---- results ---- */

uint64_t ata_sectors(const struct ata_device *a)
{
	return block_capacity(a->block) / ATA_SECTOR;
}

void ata_raise(struct ata_device *a)
{
	a->intrq = true;
	a->host->interrupt(a);
}

static void clear_transfer(struct ata_device *a)
{
	a->out = a->dma = false;
	a->parts = 0;
	a->offset = a->left = 0;
	a->length = a->position = a->block_end = 0;
}

static void rest(struct ata_device *a)
{
	clear_transfer(a);
	a->step = ATA_IDLE;
	a->status = READY(a);
}

void ata_complete(struct ata_device *a)
{
	rest(a);
	if (a->command == ATA_CMD_PACKET)
		a->reg[ATA_REASON] = ATA_REASON_CD | ATA_REASON_IO;
	ata_raise(a);
}

void ata_fail(struct ata_device *a, uint8_t error)
{
	a->error = error;
	rest(a);
	a->status |= ATA_ERR;
	ata_raise(a);
}

static void packet_fail(struct ata_device *a)
{
	a->reg[ATA_REASON] = ATA_REASON_CD | ATA_REASON_IO;
	ata_fail(a, (uint8_t)(a->cd.sense.key << 4 | ATA_ABRT));
}

void ata_set_lba(struct ata_device *a, uint64_t lba, bool ext)
{
	for (unsigned i = 0; i < 3; i++) {
		a->reg[ATA_LBA_LOW + i] = (uint8_t)(lba >> 8 * i);
		a->hob[ATA_LBA_LOW + i] = ext ? (uint8_t)(lba >> (24 + 8 * i)) : 0;
	}
	if (!ext)
		a->reg[ATA_DEVICE] = (uint8_t)((a->reg[ATA_DEVICE] & 0xf0) | (lba >> 24 & 0x0f));
}

static void write_fault(struct ata_device *a)
{
	a->error = ATA_ABRT;
	rest(a);
	a->status |= ATA_ERR | ATA_DF;
	ata_raise(a);
}

/* The host's disk failed us. The failing address is that of the request's first sector: the engine knows no better. */
static void request_failed(struct ata_device *a, int result)
{
	uint64_t lba = a->offset / ATA_SECTOR;

	if (a->packet) {
		atapi_read_failed(&a->cd, result);
		packet_fail(a);
		return;
	}
	if (a->step != ATA_FLUSH && a->step != ATA_TRIM)
		ata_set_lba(a, lba, lba >> 28);
	if (a->step == ATA_TRIM || result == -EROFS)
		ata_fail(a, result == -EROFS ? ATA_WP | ATA_ABRT : ATA_ABRT);
	else if (a->out || a->step == ATA_FLUSH)
		write_fault(a);
	else
		ata_fail(a, ATA_UNC);
}

/* ---- programmed I/O ---- */

/* Sets DRQ for the next block. A packet device may not give an odd count but at the end (ATA/ATAPI-7,
 * the PACKET command's byte count limit). */
static void next_block(struct ata_device *a, bool interrupt)
{
	uint32_t n = a->length - a->position;

	if (n > a->block_size)
		n = MAX(a->block_size & ~1u, 2u);
	a->step = a->out ? ATA_PIO_OUT : ATA_PIO_IN;
	a->block_end = a->position + n;
	a->status = READY(a) | ATA_DRQ;
	if (a->command == ATA_CMD_PACKET) {
		a->reg[ATA_REASON] = a->out ? 0 : ATA_REASON_IO;
		a->reg[ATA_LBA_MID] = (uint8_t)n;
		a->reg[ATA_LBA_HIGH] = (uint8_t)(n >> 8);
	}
	if (interrupt)
		ata_raise(a);
}

/* A disk takes the first block of a write without an interrupt (PIO data-out protocol); a packet device never does. */
static void move_buffer(struct ata_device *a, bool first)
{
	a->position = 0;
	if (a->dma || a->host->serial)
		ata_enter(a, ATA_DMA_BUFFER);
	else
		next_block(a, !a->out || !first || a->command == ATA_CMD_PACKET);
}

void ata_send_buffer(struct ata_device *a, uint32_t length)
{
	a->length = length;
	a->block_size = ATA_SECTOR;
	move_buffer(a, true);
}

static void receive(struct ata_device *a, bool first)
{
	a->length = (uint32_t)MIN(a->left, ATA_BUFFER);
	move_buffer(a, first);
}

void ata_receive(struct ata_device *a)
{
	a->out = true;
	receive(a, true);
}

/* All that the host wanted to write into the buffer is there. */
static void received(struct ata_device *a)
{
	a->status = ATA_BSY;
	if (a->command == ATA_CMD_DATA_SET_MANAGEMENT) {
		a->position = 0;
		ata_enter(a, ATA_TRIM);
	} else if (a->command != ATA_CMD_PACKET) {
		ata_enter(a, ATA_STORE);
	} else if (atapi_data_out(&a->cd, a->cdb, a->buffer, a->length)) {
		ata_complete(a);
	} else {
		packet_fail(a);
	}
}

static void buffer_moved(struct ata_device *a)
{
	if (a->out)
		received(a);
	else if (a->left)
		ata_enter(a, ATA_FILL);
	else if (a->dma || a->host->serial || a->command == ATA_CMD_PACKET)
		ata_complete(a);
	else
		rest(a); /* the PIO data-in protocol ends without an interrupt */
}

static void run_packet(struct ata_device *a)
{
	struct atapi_reply reply = { .action = ATAPI_DONE };

	memcpy(a->cdb, a->buffer, ATAPI_PACKET);
	atapi_execute(&a->cd, a->cdb, a->buffer, &reply);
	switch (reply.action) {
	case ATAPI_DONE:
		ata_complete(a);
		break;
	case ATAPI_FAILED:
		packet_fail(a);
		break;
	case ATAPI_DATA_IN:
	case ATAPI_DATA_OUT:
		a->out = reply.action == ATAPI_DATA_OUT;
		a->length = reply.length;
		move_buffer(a, true);
		break;
	case ATAPI_READ:
		a->parts = reply.parts;
		a->offset = (uint64_t)reply.lba * ATAPI_SECTOR;
		a->left = (uint64_t)reply.sectors * ATAPI_SECTOR;
		ata_enter(a, a->dma && a->parts == ATAPI_USER_DATA ? ATA_DMA_SECTORS : ATA_FILL);
		break;
	}
}

static void block_done(struct ata_device *a)
{
	if (a->step == ATA_PACKET)
		run_packet(a);
	else if (a->position < a->length)
		next_block(a, true);
	else
		buffer_moved(a);
}

void ata_data_in(struct ata_device *a, uint8_t *data, size_t bytes)
{
	while (bytes) {
		size_t n = a->step == ATA_PIO_IN ? MIN(bytes, a->block_end - a->position) : 0;

		if (!n) {
			memset(data, 0xff, bytes);
			return;
		}
		memcpy(data, a->buffer + a->position, n);
		a->position += (uint32_t)n;
		data += n;
		bytes -= n;
		if (a->position < a->block_end)
			continue;
		if (n & 1 && bytes) { /* the port is 16 bits wide: an odd last byte comes with a pad */
			*data++ = 0;
			bytes--;
		}
		block_done(a);
	}
}

void ata_data_out(struct ata_device *a, const uint8_t *data, size_t bytes)
{
	while (bytes && (a->step == ATA_PIO_OUT || a->step == ATA_PACKET)) {
		size_t n = MIN(bytes, a->block_end - a->position);

		memcpy(a->buffer + a->position, data, n);
		a->position += (uint32_t)n;
		data += n;
		bytes -= n;
		if (a->position < a->block_end)
			continue;
		if (n & 1 && bytes) {
			data++;
			bytes--;
		}
		block_done(a);
	}
}

void ata_wait_packet(struct ata_device *a)
{
	uint32_t limit = (uint32_t)(a->reg[ATA_LBA_HIGH] << 8 | a->reg[ATA_LBA_MID]);

	/* 0 means what IDENTIFY PACKET DEVICE word 125 says: the largest, which is also what 0xffff means */
	a->block_size = limit && limit != 0xffff ? limit : ATAPI_MAX_BYTE_COUNT;
	a->dma = a->reg[ATA_FEATURES] & 1;
	a->step = ATA_PACKET;
	a->position = 0;
	a->length = a->block_end = ATAPI_PACKET;
	a->status = READY(a) | ATA_DRQ;
	a->reg[ATA_REASON] = ATA_REASON_CD;
}

/* ---- block requests ---- */

static void submit(struct ata_device *a, enum block_op op, uint64_t offset, uint32_t length, unsigned iov_count);

static void submit_buffer(struct ata_device *a, enum block_op op, uint8_t *at, uint32_t length)
{
	a->iov[0] = (struct iovec){ .iov_base = at, .iov_len = length };
	submit(a, op, a->offset, length, 1);
}

static void moved(struct ata_device *a, uint32_t bytes)
{
	a->offset += bytes;
	a->left -= bytes;
}

/* Sectors of a CD that are handed over other than in their 2,048 bytes are read at the buffer's end and spread from its
 * beginning. */
static bool is_spread(const struct ata_device *a)
{
	return a->packet && a->parts != ATAPI_USER_DATA;
}

static uint32_t fill_size(const struct ata_device *a)
{
	uint32_t sectors = ATA_BUFFER / ATAPI_SECTOR;

	if (is_spread(a))
		sectors = MIN(sectors, ATA_BUFFER / atapi_sector_size(a->parts));
	return (uint32_t)MIN(a->left, sectors * ATAPI_SECTOR);
}

static void fill_begin(struct ata_device *a)
{
	uint32_t n = fill_size(a);

	submit_buffer(a, BLOCK_READ, is_spread(a) ? a->buffer + ATA_BUFFER - n : a->buffer, n);
}

static void fill_done(struct ata_device *a)
{
	uint32_t n = fill_size(a);

	a->length = n;
	if (is_spread(a))
		a->length = atapi_spread(a->buffer, a->buffer + ATA_BUFFER - n, (uint32_t)(a->offset / ATAPI_SECTOR),
		                         n / ATAPI_SECTOR, a->parts);
	moved(a, n);
	move_buffer(a, false);
}

/* With the write cache off a write is not done before it is on stable storage. */
static void written(struct ata_device *a)
{
	if (a->out && !a->write_cache)
		ata_enter(a, ATA_FLUSH);
	else
		ata_complete(a);
}

static void store_begin(struct ata_device *a)
{
	submit_buffer(a, BLOCK_WRITE, a->buffer, a->length);
}

static void store_done(struct ata_device *a)
{
	moved(a, a->length);
	if (a->left)
		receive(a, false);
	else
		written(a);
}

static void dma_sectors_begin(struct ata_device *a)
{
	uint32_t n = (uint32_t)MIN(a->left, BLOCK_MAX_LENGTH);
	unsigned count;

	n = a->host->dma_map(a, n, ATA_SECTOR, a->iov, &count);
	if (n)
		submit(a, a->out ? BLOCK_WRITE : BLOCK_READ, a->offset, n, count);
}

static void dma_sectors_done(struct ata_device *a)
{
	a->host->dma_advance(a);
	moved(a, a->request.length);
	if (a->left)
		run(a);
	else
		written(a);
}

static void copy_pieces(struct ata_device *a, uint8_t *buffer, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (a->out)
			memcpy(buffer, a->iov[i].iov_base, a->iov[i].iov_len);
		else
			memcpy(a->iov[i].iov_base, buffer, a->iov[i].iov_len);
		buffer += a->iov[i].iov_len;
	}
}

static void dma_buffer_begin(struct ata_device *a)
{
	while (a->position < a->length) {
		unsigned count;
		uint32_t n = a->host->dma_map(a, a->length - a->position, 1, a->iov, &count);

		if (!n)
			return;
		copy_pieces(a, a->buffer + a->position, count);
		a->host->dma_advance(a);
		a->position += n;
	}
	buffer_moved(a);
}

static void flush_begin(struct ata_device *a)
{
	submit(a, BLOCK_FLUSH, 0, 0, 0);
}

/* Ranges of 8 bytes: 48 bits of address, 16 of length; length 0 is unused (ACS-2, DATA SET MANAGEMENT). */
static void trim_begin(struct ata_device *a)
{
	for (; a->position < a->length; a->position += 8) {
		uint64_t range = le64_load(a->buffer + a->position), sectors = range >> 48;

		range &= (1ull << 48) - 1;
		if (!sectors)
			continue;
		if (range_within(range, sectors, ata_sectors(a)))
			submit(a, BLOCK_DISCARD, range * ATA_SECTOR, (uint32_t)(sectors * ATA_SECTOR), 0);
		else
			ata_fail(a, ATA_IDNF);
		return;
	}
	ata_complete(a);
}

static void trim_done(struct ata_device *a)
{
	a->position += 8;
	run(a);
}

static void finish_reset(struct ata_device *a);

static const struct {
	void (*begin)(struct ata_device *a); /* may be repeated until its request came back */
	void (*done)(struct ata_device *a);
} steps[ATA_STEPS] = {
	[ATA_FILL] = { fill_begin, fill_done },
	[ATA_STORE] = { store_begin, store_done },
	[ATA_DMA_SECTORS] = { dma_sectors_begin, dma_sectors_done },
	[ATA_DMA_BUFFER] = { dma_buffer_begin },
	[ATA_FLUSH] = { flush_begin, ata_complete },
	[ATA_TRIM] = { trim_begin, trim_done },
	[ATA_RESETTING] = { finish_reset, finish_reset },
};

static void run(struct ata_device *a)
{
	if (!a->in_flight && steps[a->step].begin)
		steps[a->step].begin(a);
}

void ata_enter(struct ata_device *a, enum ata_step step)
{
	a->step = step;
	a->status = ATA_BSY;
	run(a);
}

static void request_done(struct device *d, struct block_request *r, int result)
{
	struct ata_device *a = container_of(r, struct ata_device, request);

	(void)d;
	a->in_flight = false;
	if (result && a->step != ATA_RESETTING)
		request_failed(a, result);
	else
		steps[a->step].done(a);
}

static void submit(struct ata_device *a, enum block_op op, uint64_t offset, uint32_t length, unsigned iov_count)
{
	a->request = (struct block_request){ .op = op,
		                             .offset = offset,
		                             .length = length,
		                             .iov = a->iov,
		                             .iov_count = iov_count,
		                             .device = a->owner,
		                             .done = request_done };
	a->in_flight = true;
	block_submit(a->block, &a->request);
}

void ata_dma_start(struct ata_device *a)
{
	if (a->step == ATA_DMA_SECTORS || a->step == ATA_DMA_BUFFER)
		run(a);
}

void ata_resume(struct ata_device *a)
{
	if (a->block)
		run(a);
}

/* ---- resets ---- */

/* By this the host tells disks and packet devices apart (ATA/ATAPI-7, "Signature and persistence"). */
void ata_set_signature(struct ata_device *a)
{
	memset(a->hob, 0, sizeof(a->hob));
	a->reg[ATA_COUNT] = a->reg[ATA_LBA_LOW] = 1;
	a->reg[ATA_LBA_MID] = a->packet ? 0x14 : 0;
	a->reg[ATA_LBA_HIGH] = a->packet ? 0xeb : 0;
	a->reg[ATA_DEVICE] &= ATA_DEVICE_DEV;
}

static void finish_reset(struct ata_device *a)
{
	if (a->reset_held)
		return;
	a->step = ATA_IDLE;
	a->status = a->packet ? 0 : READY(a); /* a packet device is not ready before its first command */
	if (a->host->reset_done)
		a->host->reset_done(a);
}

/* Forgets the command under way. A request that is in flight cannot be called back: finish_reset() waits for it. */
static void abandon(struct ata_device *a)
{
	a->step = ATA_RESETTING;
	a->status = ATA_BSY;
	a->error = 1; /* diagnostic code: passed */
	a->command = 0;
	a->hob_selected = a->intrq = a->queue_failed = false;
	clear_transfer(a);
	a->host->interrupt(a);
	ata_set_signature(a);
	run(a);
}

void ata_device_reset(struct ata_device *a)
{
	abandon(a);
}

void ata_write_control(struct ata_device *a, uint8_t value)
{
	bool srst = value & ATA_CONTROL_SRST;

	a->hob_selected = value & ATA_CONTROL_HOB;
	if (srst && !a->reset_held) {
		a->reset_held = true;
		a->reg[ATA_DEVICE] = 0;
		abandon(a);
	} else if (!srst && a->reset_held) {
		a->reset_held = false;
		run(a);
	}
}

void ata_power_on(struct ata_device *a)
{
	if (!a->block)
		return;
	memset(a->reg, 0, sizeof(a->reg));
	memset(a->cdb, 0, sizeof(a->cdb));
	a->reset_held = false;
	a->block_size = ATA_SECTOR;
	a->multiple = 0;
	a->transfer_mode = 0x08;
	a->power_mode = 0xff;
	a->write_cache = a->look_ahead = a->smart = true;
	ata_default_geometry(a);
	if (a->packet)
		atapi_power_on(&a->cd);
	abandon(a);
}

void ata_init(struct ata_device *a, struct device *owner, const struct ata_host *host, unsigned unit,
              struct block *block, bool packet)
{
	a->owner = owner;
	a->host = host;
	a->unit = (uint8_t)unit;
	a->block = block;
	a->packet = packet;
	if (block && packet)
		a->cd.block = block;
}

void ata_destroy(struct ata_device *a)
{
	if (a->block)
		block_drain(a->block);
}

/* ---- registers ---- */

uint8_t ata_read_register(const struct ata_device *a, enum ata_register r)
{
	if (r == ATA_ERROR)
		return a->error;
	return a->hob_selected && r != ATA_DEVICE ? a->hob[r] : a->reg[r];
}

void ata_write_register(struct ata_device *a, enum ata_register r, uint8_t value)
{
	a->hob_selected = false;
	if (a->status & (ATA_BSY | ATA_DRQ))
		return;
	a->hob[r] = a->reg[r];
	a->reg[r] = value;
}

uint8_t ata_read_status(struct ata_device *a)
{
	a->intrq = false;
	a->host->interrupt(a);
	return a->status;
}

/* ---- state ---- */

static bool transfer_is_sane(const struct ata_device *a)
{
	bool medium = a->step == ATA_FILL || a->step == ATA_STORE || a->step == ATA_DMA_SECTORS;

	if (a->left > 1ull << 48 || a->offset > 1ull << 60 || a->left % ATA_SECTOR || a->offset % ATA_SECTOR)
		return false;
	if (medium && (!a->left || a->length > ATA_BUFFER))
		return false;
	if (!a->packet)
		return !a->out || (!(a->length % ATA_SECTOR) &&
		                   (a->command == ATA_CMD_DATA_SET_MANAGEMENT || a->length <= a->left));
	if (a->parts > ATAPI_ALL_PARTS || (is_spread(a) && a->left && !atapi_sector_size(a->parts)))
		return false;
	return a->step == ATA_DMA_SECTORS || !(a->left % ATAPI_SECTOR);
}

/* What a device can be: everything that later code uses as a length or an index without looking again. */
static bool is_sane(const struct ata_device *a)
{
	bool drq = a->step == ATA_PACKET || a->step == ATA_PIO_IN || a->step == ATA_PIO_OUT;
	bool for_disk = a->step == ATA_STORE || a->step == ATA_TRIM || a->step == ATA_FLUSH;
	bool packet_command = a->command == ATA_CMD_PACKET;

	if (a->step >= ATA_STEPS || !a->block_size)
		return false;
	if (a->multiple > ATA_MAX_MULTIPLE || !a->heads || !a->sectors_per_track)
		return false;
	if (a->position > a->length || a->block_end > a->length || (drq && a->position >= a->block_end))
		return false;
	if (a->packet ? for_disk || (a->out && !packet_command) : packet_command)
		return false;
	if (a->step == ATA_PACKET && (!packet_command || a->length != ATAPI_PACKET))
		return false;
	if (!a->out && (a->step == ATA_PIO_OUT || a->step == ATA_STORE || a->step == ATA_TRIM))
		return false;
	if (a->out && (a->step == ATA_PIO_IN || a->step == ATA_FILL))
		return false;
	if ((a->step == ATA_STORE && !a->length) || (a->step == ATA_TRIM && a->position % 8))
		return false;
	return transfer_is_sane(a);
}

static void state_flags(struct ata_device *a, struct state *s)
{
	state_bool(s, "hob_selected", &a->hob_selected);
	state_bool(s, "intrq", &a->intrq);
	state_bool(s, "write_cache", &a->write_cache);
	state_bool(s, "look_ahead", &a->look_ahead);
	state_bool(s, "smart", &a->smart);
	state_bool(s, "out", &a->out);
	state_bool(s, "dma", &a->dma);
	state_bool(s, "reset_held", &a->reset_held);
}

static void state_transfer(struct ata_device *a, struct state *s)
{
	uint8_t step = (uint8_t)a->step;
	size_t length = a->length;

	state_u8(s, "step", &step);
	state_u8(s, "parts", &a->parts);
	state_bytes(s, "cdb", a->cdb, sizeof(a->cdb));
	state_u64(s, "offset", &a->offset);
	state_u64(s, "left", &a->left);
	state_u32(s, "block_size", &a->block_size);
	state_u32(s, "position", &a->position);
	state_u32(s, "block_end", &a->block_end);
	state_buffer(s, "buffer", a->buffer, &length, ATA_BUFFER);
	a->step = step;
	a->length = (uint32_t)length;
}

void ata_state(struct ata_device *a, struct state *s)
{
	bool present = a->block, packet = a->packet;

	state_bool(s, "present", &present);
	state_bool(s, "packet", &packet);
	if (present != !!a->block || packet != a->packet)
		state_fail(s, -EINVAL, "present");
	if (state_loading(s) && a->in_flight)
		state_fail(s, -EBUSY, "request"); /* drained first, by whoever loads */
	if (!a->block)
		return;
	state_bytes(s, "registers", a->reg, sizeof(a->reg));
	state_bytes(s, "previous", a->hob, sizeof(a->hob));
	state_u8(s, "status", &a->status);
	state_u8(s, "error", &a->error);
	state_u8(s, "command", &a->command);
	state_u8(s, "multiple", &a->multiple);
	state_u8(s, "transfer_mode", &a->transfer_mode);
	state_u8(s, "power_mode", &a->power_mode);
	state_u8(s, "heads", &a->heads);
	state_u8(s, "sectors_per_track", &a->sectors_per_track);
	state_flags(a, s);
	state_transfer(a, s);
	if (a->host->serial) {
		state_bool(s, "queue_failed", &a->queue_failed);
		state_bytes(s, "queue_error", a->queue_error, sizeof(a->queue_error));
	}
	if (a->packet)
		atapi_state(&a->cd, s);
	if (state_loading(s) && (state_error(s) || !is_sane(a))) {
		state_fail(s, -EINVAL, "transfer");
		ata_power_on(a); /* whoever goes on after a refused load finds a device in order */
	}
}
