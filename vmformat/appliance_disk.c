/* SPDX-License-Identifier: MIT */
/* The disks behind an appliance: opening them, blank ones, and the fingerprint that is taken of them. */
#include "vmformat/appliance.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"

#define DIGEST_SIZE 32u /* SHA-256 */
#define SAMPLE_SIZE (64u << 10)
/* VMware's largest virtual disk has 62 TB (vSphere "Configuration Maximums"); an overlay's tables grow with it. */
#define BLANK_MAX_CAPACITY (64ull << 40)

/* ---- blank disks ---- */

static void blank_close(struct disk *disk)
{
	(void)disk; /* it has no file */
}

static int blank_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	(void)disk;
	(void)offset;
	*ret_extent = (struct disk_extent){ .kind = DISK_ZERO, .length = length, .fd = -1 };
	return 0;
}

/* Not in the table of disk_formats.c: no file is one. */
static const struct disk_format blank_format = { .name = "blank", .close = blank_close, .map = blank_map };

static int open_blank(const struct appliance_drive *drive, const char *name, struct disk **ret_disk, struct error *e)
{
	struct disk *disk;

	if (drive->capacity == 0 || drive->capacity > BLANK_MAX_CAPACITY)
		return error_set(e, -EFBIG, "%s is a blank disk of %llu bytes; 1 byte to 64 TiB are possible", name,
		                 (unsigned long long)drive->capacity);
	disk = calloc(1, sizeof(*disk));
	if (!disk)
		return error_set(e, -ENOMEM, "%s: out of memory", name);
	disk->format = &blank_format;
	disk->capacity = (drive->capacity + DISK_SECTOR - 1) / DISK_SECTOR * DISK_SECTOR;
	snprintf(disk->name, sizeof(disk->name), "%s", name);
	*ret_disk = disk;
	return 0;
}

int appliance_open_disk(const struct appliance *a, const struct appliance_drive *drive, struct disk **ret_disk,
                        struct error *e)
{
	char name[32];
	struct file file;
	int r;

	appliance_drive_name(drive, name);
	if (drive->backing == BACKING_BLANK)
		return open_blank(drive, name, ret_disk, e);
	if (drive->backing != BACKING_IMAGE)
		return error_set(e, -EINVAL, "%s has no disk image", name);
	r = files_open(&a->inner, drive->file, &file, e);
	if (r < 0)
		return error_set(e, r, "%s: %s cannot be opened: %s", name, drive->file, strerror(-r));
	/* A guest has written the first bytes of such a disk. */
	if (a->write_in_place && disk_is_raw_by_name(drive->file))
		r = disk_open_as("raw", &file, &a->inner, ret_disk, e);
	else
		r = disk_open(&file, &a->inner, ret_disk, e);
	if (r < 0)
		file_close(&file);
	return r;
}

int appliance_open_disk_in_place(const struct appliance *a, const struct appliance_drive *drive, struct disk **ret_disk,
                                 struct error *e)
{
	char name[32];

	appliance_drive_name(drive, name);
	if (!a->write_in_place || drive->kind != DRIVE_DISK || drive->backing != BACKING_IMAGE)
		return error_set(e, -ENOTSUP, "%s has no disk of its own that can be written in place", name);
	return disk_open_in_place(drive->file, a->outer, ret_disk, e);
}

/* ---- the fingerprint ---- */

void appliance_hash_text(struct appliance *a, const void *text, size_t length)
{
	struct sha256_ctx hash;

	sha256_init(&hash);
	sha256_update(&hash, length, text);
	sha256_digest(&hash, DIGEST_SIZE, a->text_digest);
	a->has_text_digest = true;
}

static int hash_sample(struct sha256_ctx *hash, struct disk *disk, uint64_t offset, uint8_t *buffer)
{
	size_t length = offset < disk->capacity ? (size_t)MIN(disk->capacity - offset, SAMPLE_SIZE) : 0;
	int r = disk_read(disk, offset, buffer, length);

	if (!r)
		sha256_update(hash, length, buffer);
	return r;
}

/* Boot code and partition table, then the first file system with its own identity (an ISO 9660 has it at 32 KiB). The
 * content, not the file: whichever piece of a split disk was opened, it is the same machine. */
static int digest_disk(struct disk *disk, uint8_t ret_digest[DIGEST_SIZE])
{
	uint8_t *buffer = malloc(SAMPLE_SIZE), capacity[8];
	struct sha256_ctx hash;
	int r;

	if (!buffer)
		return -ENOMEM;
	le64_store(capacity, disk->capacity);
	sha256_init(&hash);
	sha256_update(&hash, sizeof(capacity), capacity);
	r = hash_sample(&hash, disk, 0, buffer);
	if (!r)
		r = hash_sample(&hash, disk, 1u << 20, buffer);
	free(buffer);
	if (!r)
		sha256_digest(&hash, DIGEST_SIZE, ret_digest);
	return r;
}

static int digest_drive(const struct appliance *a, const struct appliance_drive *drive, uint8_t ret_digest[DIGEST_SIZE],
                        struct error *e)
{
	struct disk *disk;
	int r = appliance_open_disk(a, drive, &disk, e);

	if (r < 0)
		return r;
	r = digest_disk(disk, ret_digest);
	if (r < 0)
		error_set(e, r, "%s cannot be read: %s", disk->name, strerror(-r));
	disk_close(disk);
	return r;
}

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, DIGEST_SIZE);
}

/* A CD counts only when it is what was opened: elsewhere it is a thing that users change. */
static bool identifies(const struct appliance *a, const struct appliance_drive *drive)
{
	return drive->backing == BACKING_IMAGE && (drive->kind == DRIVE_DISK || a->source_is_drive);
}

/* The digests of all disks, sorted: a machine whose disks moved to another controller is the same. */
static int digest_drives(const struct appliance *a, uint8_t (*digests)[DIGEST_SIZE], unsigned *ret_count,
                         struct error *e)
{
	unsigned count = 0;

	for (unsigned i = 0; i < a->drive_count; i++) {
		int r = identifies(a, &a->drives[i]) ? digest_drive(a, &a->drives[i], digests[count], e) : 0;

		if (r < 0)
			return r;
		count += identifies(a, &a->drives[i]);
	}
	qsort(digests, count, sizeof(*digests), compare_digests);
	*ret_count = count;
	return 0;
}

static void print_hex(const uint8_t digest[DIGEST_SIZE], char ret_hex[33])
{
	for (unsigned i = 0; i < 16; i++)
		sprintf(ret_hex + 2 * i, "%02x", digest[i]);
}

static void hash_identity(struct sha256_ctx *hash, const struct appliance *a)
{
	sha256_update(hash, strlen(a->uuid) + 1, (const uint8_t *)a->uuid);
	sha256_update(hash, strlen(a->name) + 1, (const uint8_t *)a->name);
}

static int digest_appliance(const struct appliance *a, uint8_t ret_digest[DIGEST_SIZE], struct error *e)
{
	uint8_t digests[APPLIANCE_MAX_DRIVES][DIGEST_SIZE];
	struct sha256_ctx hash;
	unsigned count;
	int r = digest_drives(a, digests, &count, e);

	if (r < 0)
		return r;
	sha256_init(&hash);
	if (a->has_text_digest)
		sha256_update(&hash, DIGEST_SIZE, a->text_digest);
	sha256_update(&hash, count * sizeof(*digests), digests[0]);
	if (!a->has_text_digest && !count)
		hash_identity(&hash, a);
	sha256_digest(&hash, DIGEST_SIZE, ret_digest);
	return 0;
}

void appliance_fingerprint_in_place(const struct appliance *a, char ret_hex[33])
{
	static const char kind[] = "in place";
	uint8_t digest[DIGEST_SIZE];
	struct sha256_ctx hash;

	sha256_init(&hash);
	sha256_update(&hash, sizeof(kind), (const uint8_t *)kind);
	hash_identity(&hash, a);
	sha256_digest(&hash, DIGEST_SIZE, digest);
	print_hex(digest, ret_hex);
}

int appliance_fingerprint(struct appliance *a, char ret_hex[33], struct error *e)
{
	uint8_t digest[DIGEST_SIZE];

	if (!*a->fingerprint) {
		int r = digest_appliance(a, digest, e);

		if (r < 0)
			return error_set(e, r, "The fingerprint of the appliance cannot be taken: %s", strerror(-r));
		print_hex(digest, a->fingerprint);
	}
	memcpy(ret_hex, a->fingerprint, sizeof(a->fingerprint));
	return 0;
}
