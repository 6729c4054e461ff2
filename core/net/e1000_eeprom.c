/* SPDX-License-Identifier: MIT */
/*
 * The EEPROM: 64 words of a 93C46 (Microwire), reached bit by bit through EECD or word by word through EERD (SDM 5). Its contents
 * are the SDM's table 5-2 for this card.
 */
#include <errno.h>

#include "core/net/e1000_private.h"

#define EEPROM_SUM 0xbabau /* of all words: SDM 5.6.35 */

enum eeprom_word {
	WORD_MAC = 0x00,
	WORD_COMPATIBILITY = 0x03,
	WORD_ICW1 = 0x0a,
	WORD_SUBSYSTEM = 0x0b,
	WORD_SUBSYSTEM_VENDOR = 0x0c,
	WORD_DEVICE = 0x0d,
	WORD_VENDOR = 0x0e,
	WORD_ICW2 = 0x0f,
	WORD_LED = 0x2f,
	WORD_CHECKSUM = 0x3f,
};

#define ICW1_DEFAULT 0x440bu /* valid signature, full duplex, power management, load both ids */
#define ICW2_PAUSE 0x3000u   /* flow control both ways is advertised */
#define LED_DEFAULT 0x0602u

void e1000_eeprom_init(struct e1000 *e)
{
	const uint8_t *config = e->pci.config;
	uint16_t sum = 0;

	memset(e->eeprom, 0xff, sizeof(e->eeprom)); /* as erased */
	for (unsigned i = 0; i < 3; i++)
		e->eeprom[WORD_MAC + i] = le16_load(e->mac + 2 * i);
	e->eeprom[WORD_COMPATIBILITY] = 0;
	e->eeprom[WORD_ICW1] = ICW1_DEFAULT;
	e->eeprom[WORD_SUBSYSTEM] = le16_load(config + PCI_SUBSYSTEM_ID);
	e->eeprom[WORD_SUBSYSTEM_VENDOR] = le16_load(config + PCI_SUBSYSTEM_VENDOR_ID);
	e->eeprom[WORD_DEVICE] = le16_load(config + PCI_DEVICE_ID);
	e->eeprom[WORD_VENDOR] = le16_load(config + PCI_VENDOR_ID);
	e->eeprom[WORD_ICW2] = ICW2_PAUSE;
	/* Management, wake-up and the second port's words: nothing is enabled. */
	for (unsigned i = WORD_ICW2 + 1; i < WORD_LED; i++)
		e->eeprom[i] = 0;
	e->eeprom[WORD_LED] = LED_DEFAULT;
	for (unsigned i = 0; i < WORD_CHECKSUM; i++)
		sum = (uint16_t)(sum + e->eeprom[i]);
	e->eeprom[WORD_CHECKSUM] = (uint16_t)(EEPROM_SUM - sum);
}

void e1000_eerd_write(struct e1000 *e, uint32_t value)
{
	unsigned word = value >> 8 & 0xff;

	*e1000_reg(e, EERD) = value & 0xff00;
	if (value & EERD_START)
		*e1000_reg(e, EERD) |= EERD_DONE | (uint32_t)e->eeprom[word % E1000_EEPROM_WORDS] << 16;
}

/* ---- Microwire ---- */

#define ADDRESS_BITS 6u
#define COMMAND_BITS (3u + ADDRESS_BITS) /* with the start bit */
#define WRITE_BITS (COMMAND_BITS + 16u)

enum microwire_opcode { OP_EXTENDED = 0, OP_WRITE = 1, OP_READ = 2, OP_ERASE = 3 };
enum microwire_extended { EXT_WRITE_DISABLE = 0, EXT_WRITE_ALL = 1, EXT_ERASE_ALL = 2, EXT_WRITE_ENABLE = 3 };

static void store(struct e1000 *e, unsigned first, unsigned count, uint16_t word)
{
	for (unsigned i = 0; e->microwire.write_enabled && i < count; i++)
		e->eeprom[first + i] = word;
}

/* After nine bits the command and its address are known; writes then need their 16 data bits. */
static void command(struct e1000 *e, unsigned opcode, unsigned address)
{
	struct e1000_microwire *w = &e->microwire;
	unsigned extended = opcode == OP_EXTENDED ? address >> (ADDRESS_BITS - 2) : 0;

	w->address = (uint8_t)address;
	if (opcode == OP_READ) {
		w->reading = true;
		w->out = e->eeprom[address];
		w->out_left = 16;
		w->data_out = false; /* a dummy zero comes before the first bit */
	} else if (opcode == OP_ERASE) {
		store(e, address, 1, 0xffff);
	} else if (opcode == OP_EXTENDED && extended == EXT_ERASE_ALL) {
		store(e, 0, E1000_EEPROM_WORDS, 0xffff);
	} else if (opcode == OP_EXTENDED && (extended == EXT_WRITE_ENABLE || extended == EXT_WRITE_DISABLE)) {
		w->write_enabled = extended == EXT_WRITE_ENABLE;
	}
}

static void data_word(struct e1000 *e)
{
	struct e1000_microwire *w = &e->microwire;
	bool all = w->write_all;

	store(e, all ? 0 : w->address, all ? E1000_EEPROM_WORDS : 1, w->shift);
}

static void clock_out(struct e1000 *e)
{
	struct e1000_microwire *w = &e->microwire;

	if (!w->out_left) { /* sequential read */
		w->address = (uint8_t)((w->address + 1) % E1000_EEPROM_WORDS);
		w->out = e->eeprom[w->address];
		w->out_left = 16;
	}
	w->data_out = w->out & 0x8000;
	w->out = (uint16_t)(w->out << 1);
	w->out_left--;
}

static void clock_in(struct e1000 *e, bool bit)
{
	struct e1000_microwire *w = &e->microwire;
	unsigned opcode;

	if (!w->count && !bit)
		return;
	if (w->count < WRITE_BITS)
		w->count++;
	w->shift = (uint16_t)(w->shift << 1 | bit);
	if (w->count == COMMAND_BITS) {
		opcode = w->shift >> ADDRESS_BITS & 3;
		w->write_all = opcode == OP_EXTENDED && (w->shift >> (ADDRESS_BITS - 2) & 3) == EXT_WRITE_ALL;
		w->writing = opcode == OP_WRITE || w->write_all;
		command(e, opcode, w->shift & (E1000_EEPROM_WORDS - 1));
	} else if (w->count == WRITE_BITS && w->writing) {
		data_word(e);
		w->writing = false;
	}
}

void e1000_eecd_write(struct e1000 *e, uint32_t value)
{
	struct e1000_microwire *w = &e->microwire;
	uint32_t old = e1000_get(e, EECD);
	bool rising = value & EECD_SK && !(old & EECD_SK);

	*e1000_reg(e, EECD) = value & (EECD_SK | EECD_CS | EECD_DI | EECD_FWE_MASK | EECD_REQ);
	if (!(value & EECD_CS)) { /* ends any instruction; a write has taken no time, so DO says ready */
		*w = (struct e1000_microwire){ .write_enabled = w->write_enabled, .data_out = true };
		return;
	}
	if (!rising)
		return;
	if (w->reading)
		clock_out(e);
	else
		clock_in(e, value & EECD_DI);
}

uint32_t e1000_eecd_read(const struct e1000 *e)
{
	uint32_t value = e1000_get(e, EECD) | EECD_PRES;

	if (value & EECD_REQ)
		value |= EECD_GNT;
	return e->microwire.data_out ? value | EECD_DO : value;
}

void e1000_eeprom_state(struct e1000 *e, struct state *s)
{
	struct e1000_microwire *w = &e->microwire;

	state_bytes(s, "eeprom", e->eeprom, sizeof(e->eeprom));
	state_u16(s, "microwire.shift", &w->shift);
	state_u16(s, "microwire.out", &w->out);
	state_u8(s, "microwire.count", &w->count);
	state_u8(s, "microwire.address", &w->address);
	state_u8(s, "microwire.out_left", &w->out_left);
	state_bool(s, "microwire.reading", &w->reading);
	state_bool(s, "microwire.writing", &w->writing);
	state_bool(s, "microwire.write_all", &w->write_all);
	state_bool(s, "microwire.write_enabled", &w->write_enabled);
	state_bool(s, "microwire.data_out", &w->data_out);
	if (w->count <= WRITE_BITS && w->address < E1000_EEPROM_WORDS && w->out_left <= 16)
		return;
	*w = (struct e1000_microwire){ 0 };
	state_fail(s, -EINVAL, "microwire");
}
