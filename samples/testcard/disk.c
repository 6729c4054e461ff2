/* SPDX-License-Identifier: MIT */
/* IDE by programmed I/O (ATA/ATAPI-7): the disk's identity, single sectors, and a CD's volume label. */
#include "card.h"

#define DISK 0x1f0
#define CD 0x170
#define STATUS 7
#define BUSY 0x80
#define DATA_REQUEST 0x08
#define ERROR 0x01

/* Waits until the drive asks for data (true), or is done or has failed (false). */
static bool wait_data(uint16_t base)
{
	for (int patience = 0; patience < 200000; patience++) {
		uint8_t status = inb(base + STATUS);

		if (status == 0xff || status == 0)
			return false;
		if (!(status & BUSY))
			return status & DATA_REQUEST && !(status & ERROR);
	}
	return false;
}

static void read_words(uint16_t base, uint16_t *to, unsigned count)
{
	while (count--)
		*to++ = inw(base);
}

static bool command(uint8_t opcode, uint32_t sector)
{
	outb(DISK + 6, (uint8_t)(0xe0 | sector >> 24));
	outb(DISK + 2, 1);
	outb(DISK + 3, (uint8_t)sector);
	outb(DISK + 4, (uint8_t)(sector >> 8));
	outb(DISK + 5, (uint8_t)(sector >> 16));
	outb(DISK + STATUS, opcode);
	return wait_data(DISK);
}

bool disk_model(char ret_model[41], uint64_t *ret_bytes)
{
	uint16_t words[256];

	if (!command(0xec, 0))
		return false;
	read_words(DISK, words, 256);
	for (int i = 0; i < 20; i++) {
		ret_model[2 * i] = (char)(words[27 + i] >> 8);
		ret_model[2 * i + 1] = (char)words[27 + i];
	}
	ret_model[40] = 0;
	for (int i = 39; i >= 0 && ret_model[i] == ' '; i--)
		ret_model[i] = 0;
	*ret_bytes = ((uint64_t)words[61] << 16 | words[60]) * 512;
	return true;
}

bool disk_read(uint32_t sector, void *buffer)
{
	if (!command(0x20, sector))
		return false;
	read_words(DISK, buffer, 256);
	return true;
}

bool disk_write(uint32_t sector, const void *buffer)
{
	const uint16_t *words = buffer;

	if (!command(0x30, sector))
		return false;
	for (int i = 0; i < 256; i++)
		outw(DISK, words[i]);
	while (inb(DISK + STATUS) & BUSY)
		;
	outb(DISK + STATUS, 0xe7); /* flush */
	while (inb(DISK + STATUS) & BUSY)
		;
	return !(inb(DISK + STATUS) & ERROR);
}

/* Sends a packet; true: `bytes` of data are waiting. */
static bool packet(const uint8_t bytes[12], uint16_t limit)
{
	outb(CD + 6, 0xa0);
	outb(CD + 1, 0);
	outb(CD + 4, (uint8_t)limit);
	outb(CD + 5, (uint8_t)(limit >> 8));
	outb(CD + STATUS, 0xa0);
	if (!wait_data(CD))
		return false;
	for (int i = 0; i < 6; i++)
		outw(CD, (uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8));
	return wait_data(CD);
}

/* The primary volume descriptor is sector 16, its volume identifier 32 characters at 40 (ECMA-119, 8.4). A medium that has just
 * been put in answers UNIT ATTENTION first: the next poll gets it. */
bool cd_label(char ret_label[33])
{
	static const uint8_t read_descriptor[12] = { 0x28, 0, 0, 0, 0, 16, 0, 0, 1 };
	uint8_t sector[2048];
	char *to = ret_label;

	if (!packet(read_descriptor, sizeof(sector)))
		return false;
	read_words(CD, (uint16_t *)sector, sizeof(sector) / 2);
	for (int i = 40; i < 72; i++)
		*to++ = sector[i] >= 32 && sector[i] < 127 ? (char)sector[i] : ' ';
	*to = 0;
	while (to > ret_label && to[-1] == ' ')
		*--to = 0;
	return true;
}
