/* SPDX-License-Identifier: MIT */
/*
 * make_stream_vmdk MEGABYTES FIRST-SECTOR > disk.vmdk: a streamOptimized VMDK (VMware, Virtual Disk Format 5.0) of about
 * that size, every grain of it full. Its first sector is the file FIRST-SECTOR; the rest is noise, the same in every
 * grain: it does not compress, so one packed grain serves for all and gigabytes are made as fast as they can be written.
 */
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SECTOR 512u
#define GRAIN 128u /* sectors */
#define GRAIN_BYTES (GRAIN * SECTOR)
#define TABLE_ENTRIES 512u
#define OVERHEAD 128u /* sectors before the first grain */
#define AT_END UINT64_MAX

enum marker { MARKER_END, MARKER_TABLE, MARKER_DIRECTORY, MARKER_FOOTER };

static uint64_t written; /* sectors */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void put(const void *bytes, size_t length)
{
	static const uint8_t zeros[SECTOR];
	size_t rest = (SECTOR - length % SECTOR) % SECTOR;

	if (fwrite(bytes, 1, length, stdout) != length || fwrite(zeros, 1, rest, stdout) != rest)
		fail("make_stream_vmdk");
	written += (length + rest) / SECTOR;
}

static void put_header(uint64_t capacity, uint64_t directory)
{
	uint8_t raw[SECTOR] = "KDMV";
	const uint32_t version = htole32(3), flags = htole32(0x30001), entries = htole32(TABLE_ENTRIES);
	const uint64_t grain = htole64(GRAIN), overhead = htole64(OVERHEAD), one = htole64(1);

	capacity = htole64(capacity);
	directory = htole64(directory);
	memcpy(raw + 4, &version, 4);
	memcpy(raw + 8, &flags, 4); /* line ends are checked, grains are compressed, markers are there */
	memcpy(raw + 12, &capacity, 8);
	memcpy(raw + 20, &grain, 8);
	memcpy(raw + 28, &one, 8); /* where the descriptor is, and how long */
	memcpy(raw + 36, &one, 8);
	memcpy(raw + 44, &entries, 4);
	memcpy(raw + 56, &directory, 8);
	memcpy(raw + 64, &overhead, 8);
	memcpy(raw + 73, "\n \r\n", 4);
	raw[77] = 1; /* deflate */
	put(raw, sizeof(raw));
}

static void put_descriptor(uint64_t capacity)
{
	char text[SECTOR] = "";

	snprintf(text, sizeof(text),
	         "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
	         "createType=\"streamOptimized\"\nRDONLY %llu SPARSE \"disk.vmdk\"\n"
	         "ddb.adapterType = \"ide\"\n",
	         (unsigned long long)capacity);
	put(text, sizeof(text));
}

static void put_marker(uint64_t sectors, enum marker type)
{
	uint8_t raw[SECTOR] = { 0 };
	const uint32_t kind = htole32(type);

	sectors = htole64(sectors);
	memcpy(raw, &sectors, 8);
	memcpy(raw + 12, &kind, 4);
	put(raw, sizeof(raw));
}

static void put_table(const uint32_t *entries, size_t count, enum marker type)
{
	put_marker((count * 4 + SECTOR - 1) / SECTOR, type);
	put(entries, count * 4);
}

/* A grain's header is its place and its packed length; both go in front of the data without a gap. */
static void put_grain(uint64_t number, uint8_t *packed, size_t length)
{
	const uint64_t place = htole64(number * GRAIN);
	const uint32_t size = htole32((uint32_t)length);

	memcpy(packed, &place, 8);
	memcpy(packed + 8, &size, 4);
	put(packed, 12 + length);
}

static size_t pack(const uint8_t *grain, uint8_t *packed)
{
	uLongf length = compressBound(GRAIN_BYTES);

	if (compress2(packed + 12, &length, grain, GRAIN_BYTES, 1) != Z_OK)
		fail("zlib");
	return length;
}

static void fill_noise(uint8_t *grain)
{
	uint32_t x = 1;

	for (size_t i = 0; i < GRAIN_BYTES; i++) {
		x = x * 1664525 + 1013904223;
		grain[i] = (uint8_t)(x >> 24);
	}
}

int main(int argc, char **argv)
{
	static uint8_t grain[GRAIN_BYTES], packed[GRAIN_BYTES * 2];
	uint64_t grains, tables, directory;
	uint32_t table[TABLE_ENTRIES], *places;
	FILE *first;
	size_t length;

	if (argc != 3 || !(grains = strtoull(argv[1], NULL, 10) * 16) || grains > 1u << 20) {
		fprintf(stderr, "usage: make_stream_vmdk MEGABYTES FIRST-SECTOR > disk.vmdk\n");
		return 2;
	}
	tables = (grains + TABLE_ENTRIES - 1) / TABLE_ENTRIES;
	places = calloc(tables, sizeof(*places));
	first = fopen(argv[2], "rb");
	fill_noise(grain);
	if (!places || !first || fread(grain, 1, SECTOR, first) == 0)
		fail(argv[2]);
	fclose(first);
	put_header(grains * GRAIN, AT_END);
	put_descriptor(grains * GRAIN);
	while (written < OVERHEAD)
		put("", 1);
	length = pack(grain, packed);
	for (uint64_t i = 0, t = 0; i < grains; t++) {
		memset(table, 0, sizeof(table));
		for (size_t k = 0; k < TABLE_ENTRIES && i < grains; k++, i++) {
			table[k] = htole32((uint32_t)written);
			put_grain(i, packed, length);
		}
		places[t] = htole32((uint32_t)written + 1); /* behind its marker */
		put_table(table, TABLE_ENTRIES, MARKER_TABLE);
	}
	directory = written + 1;
	put_table(places, tables, MARKER_DIRECTORY);
	put_marker(1, MARKER_FOOTER);
	put_header(grains * GRAIN, directory);
	put_marker(0, MARKER_END);
	free(places);
	return fflush(stdout) ? 1 : 0;
}
