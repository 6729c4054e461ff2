/* SPDX-License-Identifier: MIT */
#include "core/chipset/smbios.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmformat/bytes.h"

#define STRUCTURE_MAX 512   /* the longest here has 35 bytes and seven strings of 64 */
#define TEXT_MAX (size_t)64 /* DSP0134 6.1.3: what version 2.x allows */
#define STRUCTURES (8 + SMBIOS_MAX_SOCKETS + SMBIOS_MAX_DIMMS)
#define DIMM_MB 16384u /* a size field of 15 bits counts up to 32,766 */
#define MEMORY_ARRAY 0x1000
#define NO_HANDLE 0xffff
#define NO_ERROR_HANDLE 0xfffe

struct builder {
	uint8_t *at, *start; /* room for STRUCTURES times STRUCTURE_MAX */
	uint8_t *current;    /* the structure that is being written */
	uint8_t strings;
	unsigned count;
	size_t longest;
};

/* Each structure: type, length of the formatted part, handle; then its strings; then a 0. */
static uint8_t *begin(struct builder *b, uint8_t type, uint8_t length, uint16_t handle)
{
	b->current = b->at;
	b->current[0] = type;
	b->current[1] = length;
	le16_store(b->current + 2, handle);
	b->at += length;
	b->strings = 0;
	return b->current;
}

static uint8_t string(struct builder *b, const char *text)
{
	size_t length = MIN(strlen(text), TEXT_MAX);

	if (!length)
		return 0;
	memcpy(b->at, text, length);
	b->at += length + 1;
	return ++b->strings;
}

static void end(struct builder *b)
{
	b->at += b->strings ? 1 : 2;
	b->count++;
	b->longest = MAX(b->longest, (size_t)(b->at - b->current));
}

static void add_bios(struct builder *b)
{
	uint8_t *s = begin(b, 0, 24, 0);

	s[4] = string(b, "Vitrine");
	s[5] = string(b, "1.0");
	le16_store(s + 6, 0xf000);
	s[8] = string(b, "01/01/2026");
	s[9] = 3;       /* (3 + 1) * 64 KiB */
	s[10] = 1 << 3; /* characteristics are not told */
	s[19] = 1 << 4; /* a virtual machine */
	s[20] = 1;
	s[22] = s[23] = 0xff; /* no embedded controller */
	end(b);
}

static void add_system(struct builder *b, const struct smbios_machine *m)
{
	uint8_t *s = begin(b, 1, 27, 0x100);

	s[4] = string(b, m->manufacturer);
	s[5] = string(b, m->product);
	s[6] = string(b, m->version);
	s[7] = string(b, m->serial);
	memcpy(s + 8, m->uuid, 16);
	s[24] = 6; /* woken by the power switch */
	end(b);
}

static void add_chassis(struct builder *b, const struct smbios_machine *m)
{
	uint8_t *s = begin(b, 3, 21, 0x300);

	s[4] = string(b, m->manufacturer);
	s[5] = 1;            /* another kind */
	memset(s + 9, 3, 3); /* boot-up, power supply, temperature: safe */
	s[12] = 2;           /* security unknown */
	end(b);
}

static void add_processor(struct builder *b, unsigned n)
{
	uint8_t *s = begin(b, 4, 35, (uint16_t)(0x400 + n));
	char name[16];

	snprintf(name, sizeof(name), "CPU %u", n);
	s[4] = string(b, name);
	s[5] = 3;     /* central processor */
	s[6] = 2;     /* family unknown: CPUID knows */
	s[24] = 0x41; /* socket populated, enabled */
	s[25] = 1;
	for (unsigned cache = 26; cache <= 30; cache += 2)
		le16_store(s + cache, NO_HANDLE);
	end(b);
}

static void add_memory_device(struct builder *b, unsigned n, uint16_t megabytes)
{
	uint8_t *s = begin(b, 17, 27, (uint16_t)(0x1100 + n));
	char name[16];

	snprintf(name, sizeof(name), "DIMM %u", n);
	le16_store(s + 4, MEMORY_ARRAY);
	le16_store(s + 6, NO_ERROR_HANDLE);
	le16_store(s + 8, 64);
	le16_store(s + 10, 64);
	le16_store(s + 12, megabytes);
	s[14] = 9; /* DIMM */
	s[16] = string(b, name);
	s[18] = 7;             /* RAM */
	le16_store(s + 19, 2); /* detail: another */
	end(b);
}

static void add_range(struct builder *b, unsigned n, uint64_t first, uint64_t last)
{
	uint8_t *s = begin(b, 19, 15, (uint16_t)(0x1300 + n));

	le32_store(s + 4, (uint32_t)(first >> 10));
	le32_store(s + 8, (uint32_t)(last >> 10));
	le16_store(s + 12, MEMORY_ARRAY);
	s[14] = 1;
	end(b);
}

static void add_memory(struct builder *b, const struct smbios_machine *m)
{
	uint64_t left = m->memory >> 20;
	unsigned dimms = (unsigned)MIN((left + DIMM_MB - 1) / DIMM_MB, SMBIOS_MAX_DIMMS);
	uint8_t *s = begin(b, 16, 15, MEMORY_ARRAY);

	s[4] = 3; /* on the system board */
	s[5] = 3; /* system memory */
	s[6] = 3; /* no error correction */
	le32_store(s + 7, (uint32_t)MIN(m->memory >> 10, 0x80000000u));
	le16_store(s + 11, NO_ERROR_HANDLE);
	le16_store(s + 13, (uint16_t)dimms);
	end(b);
	for (unsigned i = 0; i < dimms; i++, left -= MIN(left, DIMM_MB))
		add_memory_device(b, i, (uint16_t)MIN(left, DIMM_MB));
	add_range(b, 0, 0, m->memory_below_4g - 1);
	if (m->memory > m->memory_below_4g)
		add_range(b, 1, 1ull << 32, (1ull << 32) + m->memory - m->memory_below_4g - 1);
}

static uint8_t checksum(const uint8_t *bytes, size_t count)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

/* The entry point (5.2.1). The address stays 0: the BIOS writes it, and the checksums again. */
static void write_anchor(const struct builder *b, uint8_t *anchor, size_t size)
{
	memcpy(anchor, "_SM_", 4);
	anchor[5] = SMBIOS_ANCHOR_SIZE;
	anchor[6] = 2;
	anchor[7] = 4;
	le16_store(anchor + 8, (uint16_t)b->longest);
	memcpy(anchor + 16, "_DMI_", 5);
	le16_store(anchor + 22, (uint16_t)size);
	le16_store(anchor + 28, (uint16_t)b->count);
	anchor[30] = 0x24;
	anchor[21] = checksum(anchor + 16, SMBIOS_ANCHOR_SIZE - 16);
	anchor[4] = checksum(anchor, SMBIOS_ANCHOR_SIZE);
}

int smbios_build(const struct smbios_machine *m, struct smbios_tables *t)
{
	struct builder b = { .start = calloc(STRUCTURES, STRUCTURE_MAX) };

	*t = (struct smbios_tables){ .tables = b.start };
	if (!b.start)
		return -ENOMEM;
	b.at = b.start;
	add_bios(&b);
	add_system(&b, m);
	add_chassis(&b, m);
	for (unsigned i = 0; i < MIN(m->sockets, SMBIOS_MAX_SOCKETS); i++)
		add_processor(&b, i);
	add_memory(&b, m);
	begin(&b, 32, 11, 0x2000); /* boot status: no errors */
	end(&b);
	begin(&b, 127, 4, 0x7f00); /* end of table */
	end(&b);
	t->size = (size_t)(b.at - b.start);
	write_anchor(&b, t->anchor, t->size);
	return 0;
}

void smbios_free(struct smbios_tables *t)
{
	free(t->tables);
	*t = (struct smbios_tables){ 0 };
}

void smbios_vmware_serial(const uint8_t uuid[16], char ret_serial[SMBIOS_VMWARE_SERIAL])
{
	size_t used = (size_t)snprintf(ret_serial, SMBIOS_VMWARE_SERIAL, "VMware");

	for (unsigned i = 0; i < 16; i++)
		used += (size_t)snprintf(ret_serial + used, SMBIOS_VMWARE_SERIAL - used, "%c%02x", i & 7 ? ' ' : '-',
		                         uuid[i]);
}
