/* SPDX-License-Identifier: MIT */
/* Queued commands: READ and WRITE FPDMA QUEUED (Serial ATA 2.6, 13.6; AHCI 1.3.1, 5.6.4). They end in the order in which
 * the host's disk is done with them. */
#include <errno.h>

#include "core/storage/ahci_private.h"

enum receive_area { RECEIVE_DMA_SETUP = 0x00, RECEIVE_DEVICE_BITS = 0x58 };
enum fis_type { FIS_DMA_SETUP = 0x41, FIS_DEVICE_BITS = 0xa1 };
#define FIS_INTERRUPT 0x40
#define FIS_TO_HOST 0x20
#define FIS_DURABLE 0x80           /* FUA, in the device register */
#define STATUS_BY_DEVICE_BITS 0x77 /* bits of PxTFD.STS that the Set Device Bits FIS changes */

static void begin(struct ahci_queued *q);

bool ahci_queue_takes(const struct ahci_port *port, uint8_t opcode)
{
	return port->queue && (opcode == ATA_CMD_READ_QUEUED || opcode == ATA_CMD_WRITE_QUEUED);
}

bool ahci_queue_busy(const struct ahci_port *port)
{
	for (unsigned tag = 0; port->queue && tag < ATA_QUEUE_DEPTH; tag++)
		if (port->queue[tag].active || port->queue[tag].in_flight)
			return true;
	return false;
}

static unsigned tag_of(const struct ahci_queued *q)
{
	return (unsigned)(q - q->port->queue);
}

/* ---- ends ---- */

static void send_device_bits(struct ahci_port *port, uint8_t status, uint8_t error, uint32_t done)
{
	uint8_t fis[8] = { FIS_DEVICE_BITS, FIS_INTERRUPT, status & STATUS_BY_DEVICE_BITS, error };

	le32_store(fis + 4, done);
	port->sact &= ~done;
	port->status = (uint8_t)((port->status & ~STATUS_BY_DEVICE_BITS) | (status & STATUS_BY_DEVICE_BITS));
	port->error = error;
	ahci_port_receive(port, RECEIVE_DEVICE_BITS, fis, sizeof(fis));
	ahci_port_raise(port, PXIS_SDBS);
}

/* An error ends the whole queue, but is told only when no other command touches memory any more. */
static void settle_failure(struct ahci_port *port)
{
	const uint8_t *log = port->ata.queue_error;

	if (!port->queue_failing || port->queue_in_flight)
		return;
	ahci_queue_drop(port);
	port->ata.queue_failed = true;
	send_device_bits(port, log[2], log[3], 0);
	ahci_port_fatal(port, PXIS_TFES);
}

/* Fills log 10h, by which software learns which command it was; the first failure counts. */
static void queue_failed(struct ahci_port *port, unsigned tag, uint64_t lba, uint8_t status, uint8_t error)
{
	uint8_t *log = port->ata.queue_error;

	if (port->queue_failing)
		return;
	port->queue_failing = true;
	memset(log, 0, ATA_QUEUE_ERROR);
	log[0] = (uint8_t)tag;
	log[2] = status;
	log[3] = error;
	log[7] = ATA_DEVICE_LBA;
	for (unsigned i = 0; i < 3; i++) {
		log[4 + i] = (uint8_t)(lba >> 8 * i);
		log[8 + i] = (uint8_t)(lba >> (24 + 8 * i));
	}
}

static void request_failed(struct ahci_queued *q, int result)
{
	uint8_t status = ATA_DRDY | ATA_DSC | ATA_ERR, error = q->out ? ATA_ABRT : ATA_UNC;

	q->active = false;
	if (result == -EROFS)
		error = ATA_WP | ATA_ABRT;
	else if (q->out)
		status |= ATA_DF;
	queue_failed(q->port, tag_of(q), q->offset / ATA_SECTOR, status, error);
}

static void request_done(struct device *d, struct block_request *r, int result)
{
	struct ahci_queued *q = container_of(r, struct ahci_queued, request);
	struct ahci_port *port = q->port;

	(void)d;
	q->in_flight = false;
	port->queue_in_flight--;
	if (q->active && result) {
		request_failed(q, result);
	} else if (q->active) {
		if (!q->flushing) {
			q->cursor = q->mapped;
			q->offset += r->length;
			q->left -= r->length;
		}
		if (!q->left && (q->flushing || !q->durable)) {
			q->active = false;
			send_device_bits(port, ATA_DRDY | ATA_DSC, 0, 1u << tag_of(q));
		} else {
			q->flushing = !q->left;
			begin(q);
		}
	}
	settle_failure(port);
	ahci_port_finish_reset(port);
	ahci_port_run(port);
}

/* ---- beginnings ---- */

static void submit(struct ahci_queued *q, enum block_op op, uint32_t length, unsigned iov_count)
{
	q->request = (struct block_request){ .op = op,
		                             .offset = length ? q->offset : 0,
		                             .length = length,
		                             .iov = q->iov,
		                             .iov_count = iov_count,
		                             .device = &q->port->hba->pci.device,
		                             .done = request_done };
	q->in_flight = true;
	q->port->queue_in_flight++;
	block_submit(q->port->ata.block, &q->request);
}

static void send_dma_setup(struct ahci_queued *q, uint32_t length)
{
	uint8_t fis[28] = { FIS_DMA_SETUP, q->out ? 0 : FIS_TO_HOST };

	le32_store(fis + 4, tag_of(q));
	le32_store(fis + 20, length);
	ahci_port_receive(q->port, RECEIVE_DMA_SETUP, fis, sizeof(fis));
}

/* The next part of q's command, which may be begun again after a load. Nothing more begins once another has failed. */
static void begin(struct ahci_queued *q)
{
	unsigned count;
	uint32_t n;

	if (q->port->queue_failing || q->port->halted)
		return;
	if (q->flushing) {
		submit(q, BLOCK_FLUSH, 0, 0);
		return;
	}
	n = ahci_port_map(q->port, &q->cursor, &q->mapped, !q->out, q->left, ATA_SECTOR, q->iov, &count);
	if (!n)
		return; /* the port has halted */
	send_dma_setup(q, n);
	submit(q, q->out ? BLOCK_WRITE : BLOCK_READ, n, count);
}

/* The count is where other commands have their features, the tag where they have the count. */
void ahci_queue_issue(struct ahci_port *port, const struct ahci_command *c)
{
	const uint8_t *fis = c->table;
	unsigned tag = fis[12] >> 3;
	uint32_t count = fis[3] | (uint32_t)fis[11] << 8;
	uint64_t lba = (le32_load(fis + 4) & 0xffffff) | (uint64_t)(le32_load(fis + 8) & 0xffffff) << 24;
	struct ahci_queued *q = &port->queue[tag];
	uint8_t status = ATA_DRDY | ATA_DSC | ATA_ERR;

	count = count ? count : 65536;
	if (port->ata.queue_failed) {
		port->slot = c->slot;
		port->moved = 0;
		port->pio_in = false;
		ata_fail(&port->ata, ATA_ABRT);
		return;
	}
	port->ci &= ~(1u << c->slot); /* taken: the device is ready for the next */
	if (q->active || q->in_flight || tag != c->slot) {
		queue_failed(port, tag, lba, status, ATA_ABRT);
	} else if (!range_within(lba, count, ata_sectors(&port->ata))) {
		queue_failed(port, tag, lba, status, ATA_IDNF);
	} else {
		q->active = true;
		q->out = fis[2] == ATA_CMD_WRITE_QUEUED;
		q->durable = q->out && (fis[7] & FIS_DURABLE || !port->ata.write_cache);
		q->flushing = false;
		q->offset = lba * ATA_SECTOR;
		q->left = count * ATA_SECTOR;
		q->cursor = c->prd;
		port->ata.power_mode = 0xff;
		begin(q);
	}
	settle_failure(port);
}

void ahci_queue_drop(struct ahci_port *port)
{
	port->queue_failing = false;
	for (unsigned tag = 0; port->queue && tag < ATA_QUEUE_DEPTH; tag++)
		port->queue[tag].active = false;
}

/* ---- state ---- */

void ahci_queue_resume(struct ahci_port *port)
{
	for (unsigned tag = 0; port->queue && tag < ATA_QUEUE_DEPTH; tag++)
		if (port->queue[tag].active && !port->queue[tag].in_flight)
			begin(&port->queue[tag]);
	settle_failure(port);
}

static bool is_sane(const struct ahci_queued *q)
{
	return q->left <= BLOCK_MAX_LENGTH && !(q->left % ATA_SECTOR) && q->offset <= 1ull << 60 &&
	       !(q->offset % ATA_SECTOR) && (q->flushing ? q->durable && !q->left : q->left);
}

static void queued_state(struct ahci_queued *q, struct state *s)
{
	state_bool(s, "out", &q->out);
	state_bool(s, "durable", &q->durable);
	state_bool(s, "flushing", &q->flushing);
	state_u64(s, "offset", &q->offset);
	state_u32(s, "left", &q->left);
	ahci_cursor_state(&q->cursor, s);
	if (state_loading(s) && !is_sane(q))
		state_fail(s, -EINVAL, "left");
}

void ahci_queue_state(struct ahci_port *port, struct state *s)
{
	uint32_t active = 0;

	if (!port->queue)
		return;
	if (state_loading(s) && port->queue_in_flight)
		state_fail(s, -EBUSY, "request"); /* drained first, by whoever loads */
	for (unsigned tag = 0; tag < ATA_QUEUE_DEPTH; tag++)
		active |= (uint32_t)port->queue[tag].active << tag;
	state_bool(s, "queue_failing", &port->queue_failing);
	state_u32(s, "queue_active", &active);
	for (unsigned tag = 0; tag < ATA_QUEUE_DEPTH; tag++) {
		port->queue[tag].active = active >> tag & 1;
		if (port->queue[tag].active)
			queued_state(&port->queue[tag], s);
	}
}
