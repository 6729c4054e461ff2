/* SPDX-License-Identifier: MIT */
/* 82371AB (PIIX4) function 1 (Intel 290562 section 5): the channels' ports and the bus master. */
#include "core/storage/ide.h"

#include <errno.h>

#include "core/chipset/pci.h"
#include "core/storage/ata.h"

#define IDETIM 0x40        /* one word for each channel */
#define IDETIM_DECODE 0x80 /* bit 15: the channel's ports are decoded */
#define SIDETIM 0x44
#define UDMACTL 0x48
#define UDMATIM 0x4a
#define TIMING_END 0x4c

/* Bus master registers of a channel (5.2), 8 bytes each */
enum bus_master_register { BMICX = 0, BMISX = 2, BMIDTPX = 4, BM_CHANNEL_SIZE = 8 };
enum { BMICX_START = 0x01, BMICX_WRITE_MEMORY = 0x08 };
enum { BMISX_ACTIVE = 0x01, BMISX_ERROR = 0x02, BMISX_INTERRUPT = 0x04, BMISX_CAPABLE = 0x60 };

/* Nobody drives the data lines: they float up, but for DD7, which the host pulls down, so that an empty channel is not
 * busy (ATA/ATAPI-7 volume 2). */
#define OPEN_BUS 0x7f

struct prd_cursor {       /* a place in a physical region descriptor table */
	uint32_t table;   /* the next descriptor */
	uint32_t address; /* the rest of the one under way */
	uint32_t left;
	bool last; /* it had EOT set */
};

struct ide;

struct channel {
	struct ide *ide;
	unsigned index;
	struct region command, control;
	struct ata_device devices[2];
	uint8_t selected, control_register;
	bool interrupt; /* level of the line */
	uint8_t bmicx, bmisx;
	uint32_t bmidtpx;
	struct prd_cursor cursor; /* all before it is done */
	struct prd_cursor mapped; /* the end of what the request in flight moves; not saved */
};

struct ide {
	struct pci_device pci;
	struct region bus_master;
	struct channel channels[2];
};

static struct channel *channel_of(struct ata_device *a)
{
	return container_of(a - a->unit, struct channel, devices[0]);
}

/* ---- interrupts ---- */

static void update_interrupt(struct channel *ch)
{
	const struct ata_device *a = &ch->devices[ch->selected];
	bool level = a->block && a->intrq && !(ch->control_register & ATA_CONTROL_NIEN);

	if (level && !ch->interrupt)
		ch->bmisx |= BMISX_INTERRUPT;
	ch->interrupt = level;
	device_set_irq(&ch->ide->pci.device, ch->index, level);
}

static void host_interrupt(struct ata_device *a)
{
	update_interrupt(channel_of(a));
}

/* ---- the bus master ---- */

/* Reads the next descriptor. The table may not cross a 64 KiB boundary, which bounds it to 8,192 of them. */
static int next_region(struct channel *ch, struct prd_cursor *p)
{
	uint8_t raw[8];

	if (p->last || (p->table ^ ch->bmidtpx) >> 16)
		return 0;
	if (device_dma_read(&ch->ide->pci.device, p->table, raw, sizeof(raw)) < 0)
		return -EFAULT;
	p->table += sizeof(raw);
	p->address = le32_load(raw) & ~1u;
	p->left = le16_load(raw + 4) & ~1u;
	if (!p->left)
		p->left = 0x10000;
	p->last = raw[7] & 0x80;
	return 1;
}

/* Collects up to length bytes from the cursor on into iov; where it came to is kept in ch->mapped. ret_fault: it ended
 * at an address that is not memory. */
static uint32_t walk(struct channel *ch, bool writable, uint32_t length, struct iovec *iov, unsigned *ret_count,
                     bool *ret_fault)
{
	struct prd_cursor *p = &ch->mapped;
	uint32_t total = 0;

	*p = ch->cursor;
	*ret_count = 0;
	*ret_fault = false;
	while (total < length && *ret_count < ATA_MAX_IOV) {
		int r = p->left ? 1 : next_region(ch, p);
		uint32_t n = MIN(p->left, length - total);

		if (r > 0)
			r = device_dma_map(&ch->ide->pci.device, p->address, n, writable, iov + *ret_count,
			                   ATA_MAX_IOV - *ret_count);
		*ret_fault = r == -EFAULT;
		if (r <= 0)
			break;
		*ret_count += (unsigned)r;
		p->address += n;
		p->left -= n;
		total += n;
	}
	return total;
}

static uint32_t host_dma_map(struct ata_device *a, uint32_t length, uint32_t unit, struct iovec *ret_iov,
                             unsigned *ret_count)
{
	struct channel *ch = channel_of(a);
	bool fault, ignored;
	uint32_t n;

	if (!(ch->bmisx & BMISX_ACTIVE))
		return 0;
	n = walk(ch, !a->out, length, ret_iov, ret_count, &fault);
	if (n % unit)
		n = walk(ch, !a->out, n - n % unit, ret_iov, ret_count, &ignored);
	if (n)
		return n;
	/* The regions are used up before the device is: it waits, inactive and without an interrupt (table 15). */
	ch->bmisx &= (uint8_t)~BMISX_ACTIVE;
	if (fault)
		ch->bmisx |= BMISX_ERROR;
	return 0;
}

static void host_dma_advance(struct ata_device *a)
{
	struct channel *ch = channel_of(a);

	ch->cursor = ch->mapped;
	if (ch->cursor.last && !ch->cursor.left)
		ch->bmisx &= (uint8_t)~BMISX_ACTIVE;
}

static const struct ata_host ide_host = { .interrupt = host_interrupt,
	                                  .dma_map = host_dma_map,
	                                  .dma_advance = host_dma_advance };

static void write_bmicx(struct channel *ch, uint8_t value)
{
	bool start = value & BMICX_START && !(ch->bmicx & BMICX_START);

	ch->bmicx = value & (BMICX_START | BMICX_WRITE_MEMORY);
	if (start) {
		ch->bmisx |= BMISX_ACTIVE;
		ch->cursor = (struct prd_cursor){ .table = ch->bmidtpx };
		for (unsigned i = 0; i < 2; i++)
			ata_dma_start(&ch->devices[i]);
	} else if (!(value & BMICX_START)) {
		ch->bmisx &= (uint8_t)~BMISX_ACTIVE;
	}
}

static uint64_t bus_master_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	const struct channel *ch = &((struct ide *)d)->channels[offset / BM_CHANNEL_SIZE];

	(void)r, (void)size;
	offset %= BM_CHANNEL_SIZE;
	switch (offset) {
	case BMICX:
		return ch->bmicx;
	case BMISX:
		return ch->bmisx;
	case BMIDTPX:
	case BMIDTPX + 1:
	case BMIDTPX + 2:
	case BMIDTPX + 3:
		return ch->bmidtpx >> 8 * (offset - BMIDTPX) & 0xff;
	default:
		return 0;
	}
}

static void bus_master_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct channel *ch = &((struct ide *)d)->channels[offset / BM_CHANNEL_SIZE];
	unsigned shift;

	(void)r, (void)size;
	offset %= BM_CHANNEL_SIZE;
	switch (offset) {
	case BMICX:
		write_bmicx(ch, (uint8_t)value);
		break;
	case BMISX: /* a written 1 clears error and interrupt */
		ch->bmisx = (uint8_t)((ch->bmisx & BMISX_ACTIVE) | (value & BMISX_CAPABLE) |
		                      (ch->bmisx & ~value & (BMISX_ERROR | BMISX_INTERRUPT)));
		break;
	case BMIDTPX:
	case BMIDTPX + 1:
	case BMIDTPX + 2:
	case BMIDTPX + 3:
		shift = 8 * (unsigned)(offset - BMIDTPX);
		ch->bmidtpx = ((ch->bmidtpx & ~(0xffu << shift)) | (uint32_t)(value & 0xff) << shift) & ~3u;
		break;
	}
}

static const struct region_ops bus_master_ops = { .read = bus_master_read, .write = bus_master_write, .max_size = 1 };

/* ---- the channels' ports ---- */

/* Who answers: a device 0 that is alone also does for device 1, and says status 0 then (ATA/ATAPI-7: "device 0 only"
 * configurations). */
static struct ata_device *answering(struct channel *ch)
{
	struct ata_device *a = &ch->devices[ch->selected];

	if (!a->block && ch->selected)
		a = &ch->devices[0];
	return a->block ? a : NULL;
}

static bool for_absent(const struct channel *ch, const struct ata_device *a)
{
	return a->unit != ch->selected;
}

static uint8_t read_byte(struct channel *ch, uint64_t offset)
{
	struct ata_device *a = answering(ch);

	if (!a)
		return OPEN_BUS;
	if (offset != ATA_STATUS)
		return ata_read_register(a, (enum ata_register)offset);
	return for_absent(ch, a) ? 0 : ata_read_status(a);
}

/* All devices of a channel latch its registers; the selected one executes commands. */
static void write_command(struct channel *ch, uint8_t opcode)
{
	bool both = opcode == ATA_CMD_DIAGNOSTIC;

	if (both)
		ch->selected = 0;
	for (unsigned i = 0; i < 2; i++)
		if (ch->devices[i].block && (both || i == ch->selected))
			ata_run_command(&ch->devices[i], opcode);
}

static void write_byte(struct channel *ch, uint64_t offset, uint8_t value)
{
	if (offset == ATA_COMMAND) {
		write_command(ch, value);
		return;
	}
	for (unsigned i = 0; i < 2; i++)
		if (ch->devices[i].block)
			ata_write_register(&ch->devices[i], (enum ata_register)offset, value);
	if (offset == ATA_DEVICE) {
		ch->selected = !!(value & ATA_DEVICE_DEV);
		update_interrupt(ch);
	}
}

/* The data port is as wide as the access; the registers above it are bytes. */
static void command_read_many(struct device *d, struct region *r, uint64_t offset, unsigned size, void *data,
                              size_t count)
{
	struct channel *ch = &((struct ide *)d)->channels[r->index];
	struct ata_device *a = &ch->devices[ch->selected];
	uint8_t *p = data;

	if (offset == ATA_DATA && a->block) {
		ata_data_in(a, p, size * count);
		return;
	}
	for (size_t i = 0; i < size * count; i++)
		p[i] = offset == ATA_DATA ? OPEN_BUS : read_byte(ch, offset + i % size);
}

static void command_write_many(struct device *d, struct region *r, uint64_t offset, unsigned size, const void *data,
                               size_t count)
{
	struct channel *ch = &((struct ide *)d)->channels[r->index];
	struct ata_device *a = &ch->devices[ch->selected];
	const uint8_t *p = data;

	if (offset == ATA_DATA) {
		if (a->block)
			ata_data_out(a, p, size * count);
		return;
	}
	for (size_t i = 0; i < size * count; i++)
		write_byte(ch, offset + i % size, p[i]);
}

static uint64_t command_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	uint8_t raw[8] = { 0 };

	command_read_many(d, r, offset, size, raw, 1);
	return le64_load(raw);
}

static void command_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	uint8_t raw[8];

	le64_store(raw, value);
	command_write_many(d, r, offset, size, raw, 1);
}

/* The alternate status: as the status, but leaves the interrupt alone. */
static uint64_t control_read(struct device *d, struct region *r, uint64_t offset, unsigned size)
{
	struct channel *ch = &((struct ide *)d)->channels[r->index];
	const struct ata_device *a = answering(ch);

	(void)offset, (void)size;
	return !a ? OPEN_BUS : for_absent(ch, a) ? 0 : a->status;
}

static void control_write(struct device *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct channel *ch = &((struct ide *)d)->channels[r->index];

	(void)offset, (void)size;
	ch->control_register = (uint8_t)value;
	if (value & ATA_CONTROL_SRST)
		ch->selected = 0;
	for (unsigned i = 0; i < 2; i++)
		if (ch->devices[i].block)
			ata_write_control(&ch->devices[i], (uint8_t)value);
	update_interrupt(ch);
}

static const struct region_ops command_ops = {
	.read = command_read, .write = command_write, .read_many = command_read_many, .write_many = command_write_many
};
static const struct region_ops control_ops = { .read = control_read, .write = control_write, .max_size = 1 };

/* ---- configuration ---- */

static const uint16_t command_base[2] = { 0x1f0, 0x170 };
static const uint16_t control_base[2] = { 0x3f6, 0x376 };

static void decode(struct ide *ide, struct region *r, bool on, uint16_t base)
{
	struct bus *bus = ide->pci.device.board->bus;

	if (on && !r->mapped)
		bus_map(bus, r, base);
	else if (!on && r->mapped)
		bus_unmap(bus, r);
}

static void update_decode(struct ide *ide)
{
	bool io = le16_load(ide->pci.config + PCI_COMMAND) & PCI_COMMAND_IO;

	for (unsigned i = 0; i < 2; i++) {
		bool on = io && ide->pci.config[IDETIM + 2 * i + 1] & IDETIM_DECODE;

		decode(ide, &ide->channels[i].command, on, command_base[i]);
		decode(ide, &ide->channels[i].control, on, control_base[i]);
	}
}

static void config_written(struct pci_device *p, unsigned reg, unsigned size)
{
	(void)reg, (void)size;
	update_decode(container_of(p, struct ide, pci));
}

/* ---- CD drives ---- */

static struct ata_device *device_of(struct device *d, const struct block *b)
{
	for (unsigned i = 0; i < IDE_DEVICES; i++) {
		struct ata_device *a = &((struct ide *)d)->channels[i / 2].devices[i % 2];

		if (a->block == b)
			return a;
	}
	return NULL;
}

static void medium_changed(struct device *d, struct block *b)
{
	struct ata_device *a = device_of(d, b);

	if (a)
		atapi_medium_changed(&a->cd);
}

static void eject_request(struct device *d, struct block *b)
{
	struct ata_device *a = device_of(d, b);

	if (a)
		atapi_eject_request(&a->cd);
}

static const struct block_drive_ops drive_ops = { .medium_changed = medium_changed, .eject_request = eject_request };

/* ---- the device ---- */

static void channel_init(struct ide *ide, unsigned index, const struct device_config *config)
{
	const struct ide_config *extra = config->extra;
	struct channel *ch = &ide->channels[index];
	struct device *d = &ide->pci.device;

	ch->ide = ide;
	ch->index = index;
	ch->command = (struct region){ .name = "ide command",
		                       .ops = &command_ops,
		                       .device = d,
		                       .size = ATA_REGISTERS,
		                       .space = BUS_PORT,
		                       .index = index };
	ch->control = (struct region){
		.name = "ide control", .ops = &control_ops, .device = d, .size = 1, .space = BUS_PORT, .index = index
	};
	for (unsigned unit = 0; unit < 2; unit++) {
		struct block *block = config->blocks[index * 2 + unit];
		bool packet = extra && extra->cdrom[index * 2 + unit];

		ata_init(&ch->devices[unit], d, &ide_host, unit, block, packet);
		if (block && packet)
			block_set_drive(block, d, &drive_ops);
	}
}

static int ide_create(struct device *d, const struct device_config *config, struct error *e)
{
	static const struct pci_identity identity = {
		.vendor = 0x8086, .device = 0x7111, .class_code = 0x010180, .revision = 1
	};
	struct ide *ide = (struct ide *)d;
	int r = pci_device_init(&ide->pci, config, &identity, e);

	if (r < 0)
		return r;
	le16_store(ide->pci.config + PCI_STATUS, 0x0280);
	memset(ide->pci.write_mask + IDETIM, 0xff, 5); /* IDETIM, SIDETIM */
	ide->pci.write_mask[UDMACTL] = 0x0f;
	ide->pci.write_mask[UDMATIM] = ide->pci.write_mask[UDMATIM + 1] = 0x33;
	ide->pci.config_written = config_written;
	ide->bus_master =
		(struct region){ .name = "ide bus master", .ops = &bus_master_ops, .size = 2 * BM_CHANNEL_SIZE };
	pci_add_bar(&ide->pci, 4, PCI_BAR_IO, &ide->bus_master, NULL);
	for (unsigned i = 0; i < 2; i++)
		channel_init(ide, i, config);
	return 0;
}

static void ide_destroy(struct device *d)
{
	struct ide *ide = (struct ide *)d;

	for (unsigned i = 0; i < IDE_DEVICES; i++) {
		struct ata_device *a = &ide->channels[i / 2].devices[i % 2];

		if (a->block && a->packet)
			block_set_drive(a->block, NULL, NULL);
		ata_destroy(a);
	}
}

static void ide_reset(struct device *d)
{
	struct ide *ide = (struct ide *)d;

	pci_device_reset(&ide->pci);
	memset(ide->pci.config + IDETIM, 0, TIMING_END - IDETIM);
	for (unsigned i = 0; i < 2; i++) {
		struct channel *ch = &ide->channels[i];

		ch->selected = ch->control_register = 0;
		ch->bmicx = ch->bmisx = 0;
		ch->bmidtpx = 0;
		ch->cursor = (struct prd_cursor){ 0 };
		for (unsigned unit = 0; unit < 2; unit++)
			ata_power_on(&ch->devices[unit]);
		ch->bmisx = 0;
		update_interrupt(ch);
	}
	update_decode(ide);
}

static void ide_resume(struct device *d)
{
	struct ide *ide = (struct ide *)d;

	for (unsigned i = 0; i < IDE_DEVICES; i++)
		ata_resume(&ide->channels[i / 2].devices[i % 2]);
}

static void channel_state(struct channel *ch, struct state *s)
{
	state_u8(s, "selected", &ch->selected);
	state_u8(s, "control", &ch->control_register);
	state_bool(s, "interrupt", &ch->interrupt);
	state_u8(s, "bmicx", &ch->bmicx);
	state_u8(s, "bmisx", &ch->bmisx);
	state_u32(s, "bmidtpx", &ch->bmidtpx);
	state_u32(s, "prd_table", &ch->cursor.table);
	state_u32(s, "prd_address", &ch->cursor.address);
	state_u32(s, "prd_left", &ch->cursor.left);
	state_bool(s, "prd_last", &ch->cursor.last);
	if (ch->selected > 1) {
		ch->selected = 0;
		state_fail(s, -EINVAL, "selected");
	}
	for (unsigned unit = 0; unit < 2; unit++)
		ata_state(&ch->devices[unit], s);
}

static int ide_state(struct device *d, struct state *s)
{
	struct ide *ide = (struct ide *)d;

	pci_device_state(&ide->pci, s);
	for (unsigned i = 0; i < 2; i++)
		channel_state(&ide->channels[i], s);
	if (!state_loading(s))
		return state_error(s);
	update_decode(ide);
	for (unsigned i = 0; i < 2; i++)
		device_set_irq(d, i, ide->channels[i].interrupt);
	return state_error(s);
}

const struct device_class ide_class = {
	.name = "piix4-ide",
	.summary = "IDE controller 82371AB with ATA disks and ATAPI CD drives",
	.size = sizeof(struct ide),
	.state_version = 1,
	.create = ide_create,
	.destroy = ide_destroy,
	.reset = ide_reset,
	.resume = ide_resume,
	.state = ide_state,
};
