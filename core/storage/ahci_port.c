/* SPDX-License-Identifier: MIT */
/* One port: registers, resets, command slots, FISes, commands that are not queued (AHCI 1.3.1, 3.3 and chapter 5). */
#include <errno.h>
#include <stdlib.h>

#include "core/storage/ahci_private.h"

enum port_register {
	PXCLB = 0x00,
	PXCLBU = 0x04,
	PXFB = 0x08,
	PXFBU = 0x0c,
	PXIS = 0x10,
	PXIE = 0x14,
	PXCMD = 0x18,
	PXTFD = 0x20,
	PXSIG = 0x24,
	PXSSTS = 0x28,
	PXSCTL = 0x2c,
	PXSERR = 0x30,
	PXSACT = 0x34,
	PXCI = 0x38,
};

#define PXIE_WRITABLE 0xfdc000ffu

#define PXCMD_ST (1u << 0)
#define PXCMD_ALWAYS 0x06u /* spun up and powered: neither can be switched (CAP.SSS and PxCMD.CPD are 0) */
#define PXCMD_CLO (1u << 3)
#define PXCMD_FRE (1u << 4)
#define PXCMD_FR (1u << 14)
#define PXCMD_CR (1u << 15)
/* ICC, bits 28 to 31, takes any power state and reads as done. */
#define PXCMD_WRITABLE (PXCMD_ST | PXCMD_FRE | 0x03000000u /* DLAE, ATAPI */)

#define PXSCTL_WRITABLE 0xfffu
#define DET_RESET 1u
#define DET_OFFLINE 4u
#define LINK_UP 0x103u /* interface active, device there */
#define LINK_GEN1 0x010u
#define LINK_GEN2 0x020u

#define SERR_PROTOCOL (1u << 10) /* ERR.P */
#define SERR_PHY_CHANGED (1u << 16)
#define SERR_EXCHANGED (1u << 26) /* DIAG.X: a COMINIT was received */

#define STATUS_NO_DEVICE 0x7f
#define NO_SIGNATURE 0xffffffffu

enum receive_area { RECEIVE_PIO_SETUP = 0x20, RECEIVE_REGISTERS = 0x40 };
enum fis_type { FIS_HOST_TO_DEVICE = 0x27, FIS_REGISTERS = 0x34, FIS_PIO_SETUP = 0x5f };
#define FIS_COMMAND 0x80 /* host to device: the command register was written, not the control register */
#define FIS_PORT_MULTIPLIER 0x0f
#define FIS_INTERRUPT 0x40
#define FIS_TO_HOST 0x20
#define REGISTERS_BYTES 20u

#define ACMD 0x40
#define HEADER_BYTES 32u

static struct ahci_port *port_of(struct ata_device *a)
{
	return container_of(a, struct ahci_port, ata);
}

static struct device *device_of(const struct ahci_port *port)
{
	return &port->hba->pci.device;
}

static bool link_is_up(const struct ahci_port *port)
{
	return port->ata.block && !(port->sctl & 0x0f);
}

/* ---- interrupts ---- */

static uint32_t interrupt_status(const struct ahci_port *port)
{
	return port->is | (port->serr & SERR_EXCHANGED ? PXIS_PCS : 0) |
	       (port->serr & SERR_PHY_CHANGED ? PXIS_PRCS : 0);
}

bool ahci_port_interrupt(const struct ahci_port *port)
{
	return interrupt_status(port) & port->ie;
}

void ahci_port_raise(struct ahci_port *port, uint32_t interrupt)
{
	port->is |= interrupt;
	ahci_update_interrupt(port->hba);
}

void ahci_port_fatal(struct ahci_port *port, uint32_t interrupt)
{
	port->halted = true;
	ahci_port_raise(port, interrupt);
}

/* ---- FISes from the device ---- */

void ahci_port_receive(struct ahci_port *port, unsigned place, const uint8_t *fis, size_t length)
{
	if (!(port->cmd & PXCMD_FRE))
		return;
	if (device_dma_write(device_of(port), port->fb + place, fis, length) < 0)
		ahci_port_fatal(port, PXIS_HBFS);
}

/* What register and PIO Setup FISes have in common (Serial ATA 2.6, 10.3.5 and 10.3.11). */
static void put_registers(const struct ata_device *a, uint8_t *fis)
{
	fis[3] = a->error;
	memcpy(fis + 4, a->reg + ATA_LBA_LOW, 3);
	fis[7] = a->reg[ATA_DEVICE];
	memcpy(fis + 8, a->hob + ATA_LBA_LOW, 3);
	fis[12] = a->reg[ATA_COUNT];
	fis[13] = a->hob[ATA_COUNT];
}

static void send_registers(struct ahci_port *port, bool interrupt)
{
	uint8_t fis[REGISTERS_BYTES] = { FIS_REGISTERS, interrupt ? FIS_INTERRUPT : 0, port->ata.status };

	put_registers(&port->ata, fis);
	port->status = port->ata.status;
	port->error = port->ata.error;
	ahci_port_receive(port, RECEIVE_REGISTERS, fis, sizeof(fis));
	if (interrupt)
		ahci_port_raise(port, PXIS_DHRS);
}

/* Only the last of a command's PIO Setup FISes is sent: that is the one a driver finds in memory. */
static void send_pio_setup(struct ahci_port *port)
{
	uint8_t fis[REGISTERS_BYTES] = { FIS_PIO_SETUP, FIS_INTERRUPT | FIS_TO_HOST, ATA_DRDY | ATA_DSC | ATA_DRQ };
	uint32_t count = port->moved % ATA_SECTOR;

	put_registers(&port->ata, fis);
	fis[15] = port->ata.status;
	le16_store(fis + 16, (uint16_t)(count ? count : ATA_SECTOR));
	port->status = port->ata.status;
	port->error = port->ata.error;
	ahci_port_receive(port, RECEIVE_PIO_SETUP, fis, sizeof(fis));
	ahci_port_raise(port, PXIS_PSS);
}

/* ---- memory ---- */

/* Reads the next descriptor. Each has at least two bytes (DBC's bit 0 is always 1), so ATA_MAX_IOV of them make a sector. */
static int next_region(struct ahci_port *port, struct ahci_cursor *c)
{
	uint8_t raw[16];

	if (!c->entries)
		return 0;
	if (device_dma_read(device_of(port), c->table, raw, sizeof(raw)) < 0)
		return -EFAULT;
	c->table += sizeof(raw);
	c->entries--;
	c->address = le64_load(raw) & ~1ull;
	c->left = ((le32_load(raw + 12) & 0x3fffff) | 1) + 1;
	return 1;
}

/* Collects up to length bytes into iov, at most ATA_MAX_IOV pieces. */
static uint32_t walk(struct ahci_port *port, struct ahci_cursor *c, bool writable, uint32_t length, struct iovec *iov,
                     unsigned *ret_count, bool *ret_fault)
{
	uint32_t total = 0;

	*ret_count = 0;
	*ret_fault = false;
	while (total < length && *ret_count < ATA_MAX_IOV) {
		int r = c->left ? 1 : next_region(port, c);
		uint32_t n = MIN(c->left, length - total);

		if (r > 0)
			r = device_dma_map(device_of(port), c->address, n, writable, iov + *ret_count,
			                   ATA_MAX_IOV - *ret_count);
		*ret_fault = r == -EFAULT;
		if (r <= 0)
			break;
		*ret_count += (unsigned)r;
		c->address += n;
		c->left -= n;
		total += n;
	}
	return total;
}

uint32_t ahci_port_map(struct ahci_port *port, const struct ahci_cursor *from, struct ahci_cursor *ret_to,
                       bool writable, uint32_t length, uint32_t unit, struct iovec *iov, unsigned *ret_count)
{
	bool fault, ignored;
	uint32_t n;

	*ret_to = *from;
	n = walk(port, ret_to, writable, length, iov, ret_count, &fault);
	if (n % unit) {
		*ret_to = *from;
		n = walk(port, ret_to, writable, n - n % unit, iov, ret_count, &ignored);
	}
	/* A table that is too short leaves the device waiting; software has to reset the port (6.1.5). */
	if (!n)
		ahci_port_fatal(port, fault ? PXIS_HBFS : PXIS_OFS);
	return n;
}

static uint32_t host_dma_map(struct ata_device *a, uint32_t length, uint32_t unit, struct iovec *ret_iov,
                             unsigned *ret_count)
{
	struct ahci_port *port = port_of(a);

	if (port->slot == AHCI_SLOTS || port->halted)
		return 0;
	port->mapped_length =
		ahci_port_map(port, &port->cursor, &port->mapped, !a->out, length, unit, ret_iov, ret_count);
	return port->mapped_length;
}

static void host_dma_advance(struct ata_device *a)
{
	struct ahci_port *port = port_of(a);

	if (port->slot == AHCI_SLOTS)
		return; /* stopped meanwhile */
	port->cursor = port->mapped;
	port->moved += port->mapped_length;
	port->pio_in = !a->dma && !a->out;
}

/* ---- commands that are not queued ---- */

static void write_back_count(struct ahci_port *port)
{
	uint8_t raw[4];

	le32_store(raw, port->moved);
	if (device_dma_write(device_of(port), port->clb + port->slot * HEADER_BYTES + 4, raw, sizeof(raw)) < 0)
		ahci_port_fatal(port, PXIS_HBFS);
}

/* The device has ended its command. A failed one stays in PxCI, so that software sees which it was (6.2.2.1). */
static void end_command(struct ahci_port *port)
{
	const struct ata_device *a = &port->ata;
	bool failed = a->status & ATA_ERR, ends_with_data = port->pio_in && !failed;

	write_back_count(port);
	if (!failed)
		port->ci &= ~(1u << port->slot);
	port->slot = AHCI_SLOTS;
	if (ends_with_data)
		send_pio_setup(port);
	if (!ends_with_data || a->packet)
		send_registers(port, true);
	if (failed)
		ahci_port_fatal(port, PXIS_TFES);
}

/* A command that was stopped in the middle may still end; then its slot is none. */
static void host_interrupt(struct ata_device *a)
{
	struct ahci_port *port = port_of(a);

	if (!a->intrq)
		return;
	if (port->slot != AHCI_SLOTS)
		end_command(port);
	else if (link_is_up(port))
		send_registers(port, true);
	ahci_port_run(port);
}

static void host_reset_done(struct ata_device *a)
{
	struct ahci_port *port = port_of(a);

	port->resetting = true;
	ahci_port_finish_reset(port);
}

static const struct ata_host ahci_host = { .interrupt = host_interrupt,
	                                   .dma_map = host_dma_map,
	                                   .dma_advance = host_dma_advance,
	                                   .serial = true,
	                                   .reset_done = host_reset_done };

/* Each register twice, as with the two writes of a 48-bit command on a parallel cable. */
static void write_registers(struct ata_device *a, const uint8_t *fis)
{
	static const struct {
		uint8_t r, previous, now; /* register, and where the FIS has it (Serial ATA 2.6, 10.3.4) */
	} places[] = {
		{ ATA_FEATURES, 11, 3 }, { ATA_LBA_LOW, 8, 4 }, { ATA_LBA_MID, 9, 5 },
		{ ATA_LBA_HIGH, 10, 6 }, { ATA_COUNT, 13, 12 }, { ATA_DEVICE, 7, 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		ata_write_register(a, places[i].r, fis[places[i].previous]);
		ata_write_register(a, places[i].r, fis[places[i].now]);
	}
}

static void issue(struct ahci_port *port, const struct ahci_command *c)
{
	struct ata_device *a = &port->ata;

	write_registers(a, c->table);
	port->cursor = c->prd;
	port->moved = 0;
	port->pio_in = false;
	port->slot = c->slot;
	port->status |= ATA_BSY;
	ata_run_command(a, c->table[2]);
	if (a->step == ATA_PACKET) {
		uint8_t packet[ATAPI_PACKET];

		memcpy(packet, c->table + ACMD, sizeof(packet));
		ata_data_out(a, packet, sizeof(packet));
	}
}

/* A FIS that writes the control register: the two halves of a software reset (10.4.1). */
static void write_control(struct ahci_port *port, const struct ahci_command *c)
{
	port->ci &= ~(1u << c->slot);
	if (c->table[15] & ATA_CONTROL_SRST) {
		port->slot = AHCI_SLOTS;
		port->resetting = true;
		ahci_queue_drop(port);
	} else if (port->ata.reset_held) {
		port->status |= ATA_BSY;
	}
	ata_write_control(&port->ata, c->table[15]);
}

static bool fetch(struct ahci_port *port, struct ahci_command *c)
{
	uint8_t header[HEADER_BYTES];
	uint64_t table;

	if (device_dma_read(device_of(port), port->clb + c->slot * HEADER_BYTES, header, sizeof(header)) < 0)
		return false;
	table = le64_load(header + 8) & ~0x7full;
	c->length = (header[0] & 0x1fu) * 4;
	c->prd = (struct ahci_cursor){ .table = table + 0x80, .entries = le16_load(header + 2) };
	return device_dma_read(device_of(port), table, c->table, sizeof(c->table)) == 0;
}

/* false: it has to wait. */
static bool execute(struct ahci_port *port, uint8_t slot)
{
	struct ahci_command c = { .slot = slot };

	port->current = slot;
	if (!fetch(port, &c)) {
		ahci_port_fatal(port, PXIS_HBFS);
	} else if (c.table[0] != FIS_HOST_TO_DEVICE || c.length < REGISTERS_BYTES || c.table[1] & FIS_PORT_MULTIPLIER) {
		port->serr |= SERR_PROTOCOL; /* the device answers R_ERR */
		ahci_port_fatal(port, PXIS_IFS);
	} else if (!(c.table[1] & FIS_COMMAND)) {
		write_control(port, &c);
	} else if (ahci_queue_takes(port, c.table[2])) {
		ahci_queue_issue(port, &c);
	} else if (ahci_queue_busy(port)) {
		return false; /* a disk would drop its queue; ours lets it end */
	} else {
		issue(port, &c);
	}
	return true;
}

static bool can_execute(const struct ahci_port *port)
{
	return port->cmd & PXCMD_ST && port->ci && link_is_up(port) && !port->halted && !port->queue_failing &&
	       !(port->status & (ATA_BSY | ATA_DRQ)) && port->slot == AHCI_SLOTS;
}

/* Slots take turns. */
static uint8_t next_slot(const struct ahci_port *port)
{
	uint32_t later = port->ci & ~((2u << port->current) - 1);

	return (uint8_t)__builtin_ctz(later ? later : port->ci);
}

/* Each turn takes a bit out of PxCI, makes the port busy or halts it; so there are at most 32. */
void ahci_port_run(struct ahci_port *port)
{
	if (port->running)
		return;
	port->running = true;
	while (can_execute(port) && execute(port, next_slot(port)))
		;
	port->running = false;
}

/* ---- resets ---- */

void ahci_port_finish_reset(struct ahci_port *port)
{
	const struct ata_device *a = &port->ata;

	if (!port->resetting || port->queue_in_flight || a->step == ATA_RESETTING || !link_is_up(port))
		return;
	port->resetting = false;
	port->sig = a->reg[ATA_COUNT] | (uint32_t)a->reg[ATA_LBA_LOW] << 8 | (uint32_t)a->reg[ATA_LBA_MID] << 16 |
	            (uint32_t)a->reg[ATA_LBA_HIGH] << 24;
	if (port->slot != AHCI_SLOTS) /* DEVICE RESET */
		port->ci &= ~(1u << port->slot);
	port->slot = AHCI_SLOTS;
	send_registers(port, false);
	ahci_port_run(port);
}

/* Forgets all commands. */
static void stop(struct ahci_port *port)
{
	port->ci = port->sact = 0;
	port->halted = false;
	port->slot = AHCI_SLOTS;
	port->current = AHCI_SLOTS - 1; /* begin with slot 0 */
	ahci_queue_drop(port);
}

/* The device answers a COMRESET, or power, with a COMINIT, then with its signature. */
static void come_up(struct ahci_port *port)
{
	if (!port->ata.block)
		return;
	port->serr |= SERR_EXCHANGED | SERR_PHY_CHANGED;
	port->status = ATA_BSY;
	port->resetting = true;
	ata_power_on(&port->ata);
}

static void write_sctl(struct ahci_port *port, uint32_t value)
{
	uint32_t old = port->sctl & 0x0f;

	port->sctl = value & PXSCTL_WRITABLE;
	if (!link_is_up(port)) {
		stop(port);
		port->status = STATUS_NO_DEVICE;
	} else if (old) {
		come_up(port);
	}
}

void ahci_port_power_on(struct ahci_port *port)
{
	stop(port);
	port->clb = port->fb = 0;
	port->is = port->ie = port->sctl = port->serr = 0;
	port->cmd = PXCMD_ALWAYS;
	port->sig = NO_SIGNATURE;
	port->status = STATUS_NO_DEVICE;
	port->error = 0;
	port->moved = 0;
	port->pio_in = port->resetting = false;
	port->cursor = (struct ahci_cursor){ 0 };
	come_up(port);
}

/* ---- registers ---- */

static uint32_t link_status(const struct ahci_port *port)
{
	if ((port->sctl & 0x0f) == DET_OFFLINE)
		return DET_OFFLINE;
	if (!link_is_up(port))
		return 0;
	return LINK_UP | ((port->sctl & 0xf0) == LINK_GEN1 ? LINK_GEN1 : LINK_GEN2);
}

static uint32_t command_and_status(const struct ahci_port *port)
{
	bool moving = port->ata.in_flight || port->queue_in_flight;
	uint32_t value = port->cmd;

	if (value & PXCMD_FRE)
		value |= PXCMD_FR;
	if (value & PXCMD_ST)
		value |= port->ci ? (uint32_t)port->current << 8 : 0;
	return value & PXCMD_ST || moving ? value | PXCMD_CR : value;
}

uint32_t ahci_port_read(const struct ahci_port *port, unsigned offset)
{
	switch (offset) {
	case PXCLB:
		return (uint32_t)port->clb;
	case PXCLBU:
		return (uint32_t)(port->clb >> 32);
	case PXFB:
		return (uint32_t)port->fb;
	case PXFBU:
		return (uint32_t)(port->fb >> 32);
	case PXIS:
		return interrupt_status(port);
	case PXIE:
		return port->ie;
	case PXCMD:
		return command_and_status(port);
	case PXTFD:
		return (uint32_t)port->error << 8 | port->status;
	case PXSIG:
		return port->sig;
	case PXSSTS:
		return link_status(port);
	case PXSCTL:
		return port->sctl;
	case PXSERR:
		return port->serr;
	case PXSACT:
		return port->sact;
	case PXCI:
		return port->ci;
	default:
		return 0;
	}
}

static void write_cmd(struct ahci_port *port, uint32_t value)
{
	bool was_started = port->cmd & PXCMD_ST;

	port->cmd = PXCMD_ALWAYS | (value & PXCMD_WRITABLE);
	if (was_started && !(value & PXCMD_ST))
		stop(port);
	if (!was_started && value & PXCMD_ST)
		port->halted = false;
	if (value & PXCMD_CLO && !was_started)
		port->status &= (uint8_t) ~(ATA_BSY | ATA_DRQ);
}

static void set_half(uint64_t *address, unsigned offset, uint32_t value)
{
	unsigned shift = 8 * (offset & 4);

	*address = (*address & ~(0xffffffffull << shift)) | (uint64_t)value << shift;
}

void ahci_port_write(struct ahci_port *port, unsigned offset, uint32_t value)
{
	bool started = port->cmd & PXCMD_ST;

	switch (offset) {
	case PXCLB:
	case PXCLBU:
		set_half(&port->clb, offset, offset == PXCLB ? value & ~0x3ffu : value);
		break;
	case PXFB:
	case PXFBU:
		set_half(&port->fb, offset, offset == PXFB ? value & ~0xffu : value);
		break;
	case PXIS:
		port->is &= ~value;
		break;
	case PXIE:
		port->ie = value & PXIE_WRITABLE;
		break;
	case PXCMD:
		write_cmd(port, value);
		break;
	case PXSCTL:
		write_sctl(port, value);
		break;
	case PXSERR:
		port->serr &= ~value;
		break;
	case PXSACT:
		port->sact |= started ? value : 0;
		break;
	case PXCI:
		port->ci |= started ? value : 0;
		break;
	}
	ahci_port_run(port);
}

/* ---- life ---- */

int ahci_port_init(struct ahci_port *port, struct block *block, bool packet)
{
	ata_init(&port->ata, device_of(port), &ahci_host, 0, block, packet);
	port->slot = AHCI_SLOTS;
	if (!block || packet)
		return 0;
	port->queue = calloc(ATA_QUEUE_DEPTH, sizeof(*port->queue));
	if (!port->queue)
		return -ENOMEM;
	for (unsigned tag = 0; tag < ATA_QUEUE_DEPTH; tag++)
		port->queue[tag].port = port;
	return 0;
}

void ahci_port_destroy(struct ahci_port *port)
{
	ata_destroy(&port->ata);
	free(port->queue);
}

void ahci_port_resume(struct ahci_port *port)
{
	ata_resume(&port->ata);
	ahci_queue_resume(port);
	ahci_port_finish_reset(port);
	ahci_port_run(port);
}

void ahci_cursor_state(struct ahci_cursor *c, struct state *s)
{
	state_u64(s, "prd_table", &c->table);
	state_u32(s, "prd_entries", &c->entries);
	state_u64(s, "prd_address", &c->address);
	state_u32(s, "prd_left", &c->left);
}

static void registers_state(struct ahci_port *port, struct state *s)
{
	state_u64(s, "clb", &port->clb);
	state_u64(s, "fb", &port->fb);
	state_u32(s, "is", &port->is);
	state_u32(s, "ie", &port->ie);
	state_u32(s, "cmd", &port->cmd);
	state_u32(s, "sig", &port->sig);
	state_u32(s, "sctl", &port->sctl);
	state_u32(s, "serr", &port->serr);
	state_u32(s, "sact", &port->sact);
	state_u32(s, "ci", &port->ci);
	state_u8(s, "status", &port->status);
	state_u8(s, "error", &port->error);
	port->ie &= PXIE_WRITABLE;
	port->cmd = PXCMD_ALWAYS | (port->cmd & PXCMD_WRITABLE);
	port->sctl &= PXSCTL_WRITABLE;
}

void ahci_port_state(struct ahci_port *port, struct state *s)
{
	registers_state(port, s);
	state_u8(s, "current", &port->current);
	state_bool(s, "halted", &port->halted);
	state_bool(s, "resetting", &port->resetting);
	state_u8(s, "slot", &port->slot);
	state_u32(s, "moved", &port->moved);
	state_bool(s, "pio_in", &port->pio_in);
	ahci_cursor_state(&port->cursor, s);
	ata_state(&port->ata, s);
	ahci_queue_state(port, s);
	if (state_loading(s) && (state_error(s) || port->slot > AHCI_SLOTS || port->current >= AHCI_SLOTS)) {
		state_fail(s, -EINVAL, "slot");
		ahci_port_power_on(port); /* whoever goes on after a refused load finds a port in order */
	}
}
