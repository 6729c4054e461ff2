/* SPDX-License-Identifier: MIT */
/* The commands of ATA/ATAPI-7 (INCITS 397 volume 1), in the table at the end. */
#include "core/storage/ata.h"

#include <ctype.h>
#include <stdio.h>

enum command_flags {
	ON_DISK = 1,
	ON_PACKET = 2, /* who knows it */
	EXT = 4,       /* 48-bit address and 16-bit count */
	SECTORS = 8,   /* addresses sectors: checked before run */
	WRITE = 16,
	DMA = 32,
	MULTIPLE = 64, /* an interrupt for each `multiple` sectors */
	SERIAL = 128,  /* Serial ATA only */
};

struct command {
	void (*run)(struct ata_device *a, const struct command *c);
	uint8_t flags;
};

static void abort_command(struct ata_device *a)
{
	ata_fail(a, ATA_ABRT);
}

/* ---- addresses ---- */

void ata_default_geometry(struct ata_device *a)
{
	a->heads = 16;
	a->sectors_per_track = 63;
}

static uint16_t cylinders(const struct ata_device *a, unsigned heads, unsigned sectors_per_track)
{
	uint64_t n = ata_sectors(a) / (heads * sectors_per_track);

	return (uint16_t)(n < 1 ? 1 : MIN(n, 16383)); /* the most that IDENTIFY DEVICE may say (word 1) */
}

/* The sector that the registers name; false: a CHS address that cannot be. */
static bool address(const struct ata_device *a, const struct command *c, uint64_t *ret_lba)
{
	const uint8_t *r = a->reg, *h = a->hob;
	uint64_t low = r[ATA_LBA_LOW] | (uint64_t)r[ATA_LBA_MID] << 8 | (uint64_t)r[ATA_LBA_HIGH] << 16;
	unsigned head = r[ATA_DEVICE] & 0x0f;

	if (c->flags & EXT) {
		*ret_lba = low | (uint64_t)h[ATA_LBA_LOW] << 24 | (uint64_t)h[ATA_LBA_MID] << 32 |
		           (uint64_t)h[ATA_LBA_HIGH] << 40;
		return true;
	}
	if (r[ATA_DEVICE] & ATA_DEVICE_LBA) {
		*ret_lba = low | (uint64_t)head << 24;
		return true;
	}
	if (!r[ATA_LBA_LOW] || r[ATA_LBA_LOW] > a->sectors_per_track || head >= a->heads)
		return false;
	*ret_lba = ((low >> 8) * a->heads + head) * a->sectors_per_track + r[ATA_LBA_LOW] - 1;
	return true;
}

/* Count 0 means the largest. */
static uint32_t sector_count(const struct ata_device *a, const struct command *c)
{
	uint32_t n = a->reg[ATA_COUNT];

	if (c->flags & EXT)
		n |= (uint32_t)a->hob[ATA_COUNT] << 8;
	return n ? n : c->flags & EXT ? 65536 : 256;
}

/* ---- reading and writing ---- */

static void run_transfer(struct ata_device *a, const struct command *c)
{
	a->dma = c->flags & DMA;
	a->out = c->flags & WRITE;
	if (a->out && block_read_only(a->block)) {
		ata_fail(a, ATA_WP | ATA_ABRT);
		return;
	}
	if (c->flags & MULTIPLE && !a->multiple) {
		abort_command(a);
		return;
	}
	a->block_size = c->flags & MULTIPLE ? a->multiple * ATA_SECTOR : ATA_SECTOR;
	if (a->dma)
		ata_enter(a, ATA_DMA_SECTORS);
	else if (a->out)
		ata_receive(a);
	else
		ata_enter(a, ATA_FILL);
}

static void run_nothing(struct ata_device *a, const struct command *c)
{
	(void)c;
	ata_complete(a);
}

static void run_nop(struct ata_device *a, const struct command *c)
{
	(void)c;
	abort_command(a); /* always: that is what it is for */
}

static void run_seek(struct ata_device *a, const struct command *c)
{
	uint64_t lba;

	if (address(a, c, &lba) && lba < ata_sectors(a))
		ata_complete(a);
	else
		ata_fail(a, ATA_IDNF);
}

static void run_flush(struct ata_device *a, const struct command *c)
{
	(void)c;
	ata_enter(a, ATA_FLUSH);
}

static void run_data_set_management(struct ata_device *a, const struct command *c)
{
	uint32_t blocks = a->hob[ATA_COUNT] << 8 | a->reg[ATA_COUNT];

	(void)c;
	if (a->reg[ATA_FEATURES] != 1 || !blocks || blocks > ATA_MAX_TRIM_BLOCKS || block_read_only(a->block)) {
		abort_command(a);
		return;
	}
	a->out = a->dma = true;
	a->length = blocks * ATA_SECTOR;
	a->position = 0;
	ata_enter(a, ATA_DMA_BUFFER);
}

static void run_set_multiple(struct ata_device *a, const struct command *c)
{
	uint8_t n = a->reg[ATA_COUNT];

	(void)c;
	if (n > ATA_MAX_MULTIPLE || n & (n - 1)) {
		abort_command(a);
		return;
	}
	a->multiple = n;
	ata_complete(a);
}

static void run_initialize_parameters(struct ata_device *a, const struct command *c)
{
	(void)c;
	if (!a->reg[ATA_COUNT]) {
		abort_command(a);
		return;
	}
	a->sectors_per_track = a->reg[ATA_COUNT];
	a->heads = (uint8_t)((a->reg[ATA_DEVICE] & 0x0f) + 1);
	ata_complete(a);
}

static void run_native_max(struct ata_device *a, const struct command *c)
{
	uint64_t last = ata_sectors(a) - 1;

	if (!ata_sectors(a)) {
		abort_command(a);
		return;
	}
	ata_set_lba(a, c->flags & EXT ? last : MIN(last, 0x0ffffffe), c->flags & EXT);
	ata_complete(a);
}

/* ---- settings ---- */

/* Types of transfer and the modes that IDENTIFY offers (SET FEATURES 03h). */
static bool transfer_mode_exists(uint8_t mode)
{
	uint8_t n = mode & 7;

	switch (mode >> 3) {
	case 0:
		return n <= 1; /* PIO default, without IORDY */
	case 1:
		return n <= 4; /* PIO */
	case 4:
		return n <= 2; /* multiword DMA */
	case 8:
		return n <= 5; /* Ultra DMA */
	default:
		return false;
	}
}

static bool set_feature(struct ata_device *a, uint8_t feature, uint8_t value)
{
	switch (feature) {
	case 0x03:
		if (!transfer_mode_exists(value))
			return false;
		a->transfer_mode = value;
		return true;
	case 0x02:
	case 0x82:
		a->write_cache = feature == 0x02;
		return !a->packet;
	case 0x55:
	case 0xaa:
		a->look_ahead = feature == 0xaa;
		return !a->packet;
	case 0x66:
	case 0xcc: /* whether a soft reset reverts the settings: ours survive it */
		return true;
	default:
		return false;
	}
}

static void run_set_features(struct ata_device *a, const struct command *c)
{
	(void)c;
	if (!set_feature(a, a->reg[ATA_FEATURES], a->reg[ATA_COUNT]))
		abort_command(a);
	else if (a->write_cache || a->packet)
		ata_complete(a);
	else
		ata_enter(a, ATA_FLUSH); /* what the cache holds is written when it is switched off */
}

enum { POWER_STANDBY = 0x00, POWER_IDLE = 0x80, POWER_ACTIVE = 0xff };

/* STANDBY and SLEEP flush first, as the standard asks; a packet device has nothing to flush. */
static void run_standby(struct ata_device *a, const struct command *c)
{
	(void)c;
	a->power_mode = POWER_STANDBY;
	if (a->packet)
		ata_complete(a);
	else
		ata_enter(a, ATA_FLUSH);
}

static void run_idle(struct ata_device *a, const struct command *c)
{
	(void)c;
	a->power_mode = POWER_IDLE;
	ata_complete(a);
}

static void run_check_power(struct ata_device *a, const struct command *c)
{
	(void)c;
	a->reg[ATA_COUNT] = a->power_mode;
	ata_complete(a);
}

/* ---- identity ---- */

static void put_word(uint8_t *page, unsigned word, unsigned value)
{
	le16_store(page + 2 * word, (uint16_t)value);
}

/* Strings have their first character in the high byte of a word and are padded with spaces. */
static void put_string(uint8_t *page, unsigned word, unsigned words, const char *text)
{
	size_t length = strlen(text);

	for (unsigned i = 0; i < 2 * words; i++)
		page[2 * word + (i ^ 1)] = i < length ? (uint8_t)text[i] : ' ';
}

static void put_checksum(uint8_t *page)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < ATA_SECTOR - 1; i++)
		sum += page[i];
	page[ATA_SECTOR - 1] = (uint8_t)-sum;
}

struct word {
	uint8_t word;
	uint16_t value;
};

static const struct word common_words[] = {
	{ 53, 0x0007 },                                        /* words 54-58, 64-70 and 88 are valid */
	{ 64, 0x0003 },                                        /* PIO modes 3 and 4 */
	{ 65, 120 },    { 66, 120 }, { 67, 120 }, { 68, 120 }, /* cycle times, ns */
};

static const struct word disk_words[] = {
	{ 0, 0x0040 }, /* ATA, not removable */
	{ 47, 0x8000 | ATA_MAX_MULTIPLE },
	{ 49, 0x2f00 }, /* standby timer by the standard, IORDY and its switch, LBA, DMA */
	{ 50, 0x4000 },
	{ 69, 0x4020 }, /* trimmed sectors read alike, and as zeros */
	{ 80, 0x01f0 }, /* ATA/ATAPI-4 to 8 */
	{ 82, 0x4069 }, /* NOP, look-ahead, write cache, power management, SMART */
	{ 83, 0x7400 }, /* FLUSH CACHE (EXT), 48-bit addresses */
	{ 84, 0x4000 },
	{ 86, 0x3400 },
	{ 87, 0x4000 },
	{ 105, ATA_MAX_TRIM_BLOCKS },
	{ 106, 0x4000 }, /* a physical sector is a logical one */
	{ 169, 0x0001 }, /* TRIM */
	{ 217, 0x0001 }, /* does not rotate */
};

static const struct word packet_words[] = {
	{ 0, 0x85c0 }, /* ATAPI, CD/DVD, removable, DRQ within 50 us without an interrupt, 12-byte packets */
	{ 49, 0x0f00 },
	{ 50, 0x4000 },
	{ 80, 0x00f0 },
	{ 82, 0x4218 }, /* NOP, DEVICE RESET, PACKET, power management */
	{ 83, 0x4000 },
	{ 84, 0x4000 },
	{ 85, 0x4218 },
	{ 87, 0x4000 },
	{ 125, ATAPI_MAX_BYTE_COUNT }, /* what a byte count limit of 0 means */
	{ 126, 0 },
};

/* Serial ATA 2.6, 13.2.1. No cable to tell of; 3 Gb/s. */
static const struct word serial_words[] = {
	{ 76, 0x0006 }, /* 1.5 and 3 Gb/s */
	{ 77, 0x0004 }, /* 3 Gb/s now */
	{ 93, 0 },
	{ 222, 0x101f }, /* serial, up to SATA 2.6 */
};

static const struct word queue_words[] = {
	{ 75, ATA_QUEUE_DEPTH - 1 },
	{ 76, 0x0106 }, /* and queued commands */
	{ 84, 0x4020 }, /* general purpose logs, of which log 10h is one */
	{ 87, 0x4020 },
};

static void put_words(uint8_t *page, const struct word *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_word(page, words[i].word, words[i].value);
}

/* The drive's place makes its serial number: a guest finds its disks again. */
static void put_identity(const struct ata_device *a, uint8_t *page)
{
	char serial[21];
	bool udma = a->transfer_mode >> 3 == 8, mwdma = a->transfer_mode >> 3 == 4;
	unsigned selected = 0x100u << (a->transfer_mode & 7);

	snprintf(serial, sizeof(serial), "VT-%s", block_name(a->block));
	for (char *p = serial; *p; p++)
		*p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '-';
	put_string(page, 10, 10, serial);
	put_string(page, 23, 4, "1.0");
	put_string(page, 27, 20, a->packet ? "Vitrine CD-ROM" : "Vitrine disk");
	put_word(page, 63, 0x0007 | (mwdma ? selected : 0));
	put_word(page, 88, 0x003f | (udma ? selected : 0));
	/* 80-wire cable; passed diagnostics; place given by a jumper (word 93) */
	put_word(page, 93, a->unit ? 0x6b00 : 0x600b);
	put_words(page, common_words, ARRAY_SIZE(common_words));
	if (a->host->serial)
		put_words(page, serial_words, ARRAY_SIZE(serial_words));
	if (a->host->serial && !a->packet)
		put_words(page, queue_words, ARRAY_SIZE(queue_words));
}

static void put_capacity(const struct ata_device *a, uint8_t *page)
{
	uint64_t sectors = ata_sectors(a);
	uint32_t chs = (uint32_t)cylinders(a, a->heads, a->sectors_per_track) * a->heads * a->sectors_per_track;

	put_word(page, 1, cylinders(a, 16, 63));
	put_word(page, 3, 16);
	put_word(page, 6, 63);
	put_word(page, 54, cylinders(a, a->heads, a->sectors_per_track));
	put_word(page, 55, a->heads);
	put_word(page, 56, a->sectors_per_track);
	le32_store(page + 2 * 57, chs);
	le32_store(page + 2 * 60, (uint32_t)MIN(sectors, 0x0fffffff));
	le64_store(page + 2 * 100, sectors);
}

static void run_identify(struct ata_device *a, const struct command *c)
{
	uint8_t *page = a->buffer;

	(void)c;
	memset(page, 0, ATA_SECTOR);
	put_words(page, disk_words, ARRAY_SIZE(disk_words));
	put_identity(a, page);
	put_capacity(a, page);
	put_word(page, 59, a->multiple ? 0x0100u | a->multiple : 0);
	put_word(page, 85, 0x4008u | a->smart | (unsigned)a->write_cache << 5 | (unsigned)a->look_ahead << 6);
	page[2 * 255] = 0xa5;
	put_checksum(page);
	ata_send_buffer(a, ATA_SECTOR);
}

static void run_identify_packet(struct ata_device *a, const struct command *c)
{
	(void)c;
	memset(a->buffer, 0, ATA_SECTOR);
	put_words(a->buffer, packet_words, ARRAY_SIZE(packet_words));
	put_identity(a, a->buffer);
	a->buffer[2 * 255] = 0xa5;
	put_checksum(a->buffer);
	ata_send_buffer(a, ATA_SECTOR);
}

/* ---- SMART: a disk that is always well ---- */

static void smart_data(struct ata_device *a)
{
	memset(a->buffer, 0, ATA_SECTOR);
	a->buffer[0] = 0x01; /* revision of the structure; no attributes */
	a->buffer[367] = 0;  /* no off-line collection, no self-test */
	put_checksum(a->buffer);
	ata_send_buffer(a, ATA_SECTOR);
}

static void run_smart(struct ata_device *a, const struct command *c)
{
	uint8_t feature = a->reg[ATA_FEATURES];

	(void)c;
	if (a->reg[ATA_LBA_MID] != 0x4f || a->reg[ATA_LBA_HIGH] != 0xc2 || (!a->smart && feature != 0xd8)) {
		abort_command(a);
		return;
	}
	switch (feature) {
	case 0xd0: /* READ DATA, and the thresholds of old */
	case 0xd1:
		smart_data(a);
		break;
	case 0xd8: /* ENABLE, DISABLE OPERATIONS */
	case 0xd9:
		a->smart = feature == 0xd8;
		ata_complete(a);
		break;
	case 0xd2: /* ATTRIBUTE AUTOSAVE */
	case 0xda: /* RETURN STATUS: 4fh and c2h left as they are say that no threshold is exceeded */
		ata_complete(a);
		break;
	default:
		abort_command(a);
	}
}

/* ---- logs ---- */

enum { LOG_DIRECTORY = 0x00, LOG_QUEUE_ERROR = 0x10 };

/* READ LOG EXT, one page at a time: the directory of logs, and why the last queued command failed. */
static void run_read_log(struct ata_device *a, const struct command *c)
{
	uint8_t log = a->reg[ATA_LBA_LOW];
	bool one_page = sector_count(a, c) == 1 && !a->reg[ATA_LBA_MID] && !a->hob[ATA_LBA_MID];

	if (!one_page || (log != LOG_DIRECTORY && log != LOG_QUEUE_ERROR)) {
		abort_command(a);
		return;
	}
	memset(a->buffer, 0, ATA_SECTOR);
	if (log == LOG_DIRECTORY) {
		put_word(a->buffer, 0, 1); /* version of the directory; then the pages of each log */
		put_word(a->buffer, LOG_QUEUE_ERROR, 1);
	} else {
		memcpy(a->buffer, a->queue_error, ATA_QUEUE_ERROR);
		put_checksum(a->buffer);
		a->queue_failed = false;
	}
	ata_send_buffer(a, ATA_SECTOR);
}

/* ---- packet devices and resets ---- */

static void run_packet(struct ata_device *a, const struct command *c)
{
	(void)c;
	if (a->reg[ATA_FEATURES] & 2) /* overlapped */
		abort_command(a);
	else
		ata_wait_packet(a);
}

/* Both devices of a channel run it, device 0 answers for both. */
static void run_diagnostic(struct ata_device *a, const struct command *c)
{
	(void)c;
	a->reg[ATA_DEVICE] = 0;
	ata_set_signature(a);
	a->error = 1;
	a->status = a->packet ? 0 : ATA_DRDY | ATA_DSC;
	if (!a->unit)
		ata_raise(a);
}

/* ---- the table ---- */

#define READS (ON_DISK | SECTORS)
#define WRITES (ON_DISK | SECTORS | WRITE)
#define BOTH (ON_DISK | ON_PACKET)

static const struct command commands[256] = {
	[0x00] = { run_nop, BOTH },
	[ATA_CMD_DATA_SET_MANAGEMENT] = { run_data_set_management, ON_DISK },
	[0x10 ... 0x1f] = { run_nothing, ON_DISK },        /* RECALIBRATE */
	[0x20 ... 0x21] = { run_transfer, READS },         /* READ SECTORS, with and without retries */
	[0x24] = { run_transfer, READS | EXT },            /* READ SECTORS EXT */
	[0x25] = { run_transfer, READS | EXT | DMA },      /* READ DMA EXT */
	[0x27] = { run_native_max, ON_DISK | EXT },        /* READ NATIVE MAX ADDRESS EXT */
	[0x29] = { run_transfer, READS | EXT | MULTIPLE }, /* READ MULTIPLE EXT */
	[ATA_CMD_READ_LOG] = { run_read_log, ON_DISK | EXT | SERIAL },
	[0x30 ... 0x31] = { run_transfer, WRITES },         /* WRITE SECTORS */
	[0x34] = { run_transfer, WRITES | EXT },            /* WRITE SECTORS EXT */
	[0x35] = { run_transfer, WRITES | EXT | DMA },      /* WRITE DMA EXT */
	[0x39] = { run_transfer, WRITES | EXT | MULTIPLE }, /* WRITE MULTIPLE EXT */
	[0x40 ... 0x41] = { run_nothing, READS },           /* READ VERIFY SECTORS */
	[0x42] = { run_nothing, READS | EXT },              /* READ VERIFY SECTORS EXT */
	[0x70 ... 0x7f] = { run_seek, ON_DISK },            /* SEEK */
	[ATA_CMD_DIAGNOSTIC] = { run_diagnostic, BOTH },
	[0x91] = { run_initialize_parameters, ON_DISK }, /* INITIALIZE DEVICE PARAMETERS */
	[0x94] = { run_standby, BOTH },
	[0x95] = { run_idle, BOTH }, /* the old numbers of E0h to E6h */
	[0x96] = { run_standby, BOTH },
	[0x97] = { run_idle, BOTH },
	[0x98] = { run_check_power, BOTH },
	[0x99] = { run_standby, BOTH },
	[ATA_CMD_PACKET] = { run_packet, ON_PACKET },
	[ATA_CMD_IDENTIFY_PACKET] = { run_identify_packet, ON_PACKET },
	[0xb0] = { run_smart, ON_DISK },
	[0xc4] = { run_transfer, READS | MULTIPLE },      /* READ MULTIPLE */
	[0xc5] = { run_transfer, WRITES | MULTIPLE },     /* WRITE MULTIPLE */
	[0xc6] = { run_set_multiple, ON_DISK },           /* SET MULTIPLE MODE */
	[0xc8 ... 0xc9] = { run_transfer, READS | DMA },  /* READ DMA */
	[0xca ... 0xcb] = { run_transfer, WRITES | DMA }, /* WRITE DMA */
	[0xe0] = { run_standby, BOTH },                   /* STANDBY IMMEDIATE */
	[0xe1] = { run_idle, BOTH },                      /* IDLE IMMEDIATE */
	[0xe2] = { run_standby, BOTH },                   /* STANDBY */
	[0xe3] = { run_idle, BOTH },                      /* IDLE */
	[0xe5] = { run_check_power, BOTH },               /* CHECK POWER MODE */
	[0xe6] = { run_standby, BOTH },                   /* SLEEP: ours wakes without a reset */
	[0xe7] = { run_flush, ON_DISK },
	[0xea] = { run_flush, ON_DISK }, /* FLUSH CACHE, EXT */
	[ATA_CMD_IDENTIFY] = { run_identify, ON_DISK },
	[0xef] = { run_set_features, BOTH },
	[0xf8] = { run_native_max, ON_DISK }, /* READ NATIVE MAX ADDRESS */
};

/* Prepares offset and left for a command that addresses sectors. */
static bool locate(struct ata_device *a, const struct command *c)
{
	uint64_t lba, count = sector_count(a, c);

	if (!address(a, c, &lba) || !range_within(lba, count, ata_sectors(a)))
		return false;
	a->offset = lba * ATA_SECTOR;
	a->left = count * ATA_SECTOR;
	a->power_mode = POWER_ACTIVE;
	return true;
}

void ata_run_command(struct ata_device *a, uint8_t opcode)
{
	const struct command *c = &commands[opcode];

	if (opcode == ATA_CMD_DEVICE_RESET && a->packet && !a->reset_held) {
		ata_device_reset(a);
		return;
	}
	if (a->status & (ATA_BSY | ATA_DRQ))
		return;
	a->command = opcode;
	a->error = 0;
	a->hob_selected = a->intrq = false;
	a->host->interrupt(a);
	if (a->queue_failed && opcode != ATA_CMD_READ_LOG) {
		abort_command(a);
	} else if (!(c->flags & (a->packet ? ON_PACKET : ON_DISK)) || (c->flags & SERIAL && !a->host->serial)) {
		/* a host that takes us for a disk learns better */
		if (a->packet && (opcode == ATA_CMD_IDENTIFY || opcode == ATA_CMD_READ_SECTORS))
			ata_set_signature(a);
		abort_command(a);
	} else if (c->flags & SECTORS && !locate(a, c)) {
		ata_fail(a, ATA_IDNF);
	} else {
		c->run(a, c);
	}
}
