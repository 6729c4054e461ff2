/* SPDX-License-Identifier: MIT */
/* Opening an overlay: its header, its binding to a base, creation, and a check of all its tables. */
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "vmformat/qcow2.h"
#include "vmformat/qcow2_private.h"

#define VERSION 3u
#define REFCOUNT_ORDER 4u /* 16 bits */

/* 8 MiB of refcount table stand for 2 PiB of file, far more than the largest disk needs; QEMU reads no larger one
 * either. */
#define MAX_REFTABLE_CLUSTERS 128u

/* What an open needs at hand. */
struct opening {
	struct qcow2 *q;
	const char *name;
	const struct disk *base;
	const char *fingerprint;
	struct error *e;
};

static int damaged(const struct opening *o, const char *what, uint64_t offset)
{
	return error_set(o->e, -EINVAL,
	                 "%s, which holds the changes to %s, is damaged: %s at byte %llu. Make a copy of it, then try: "
	                 "qemu-img check -r all FILE",
	                 o->name, o->base->name, what, (unsigned long long)offset);
}

/* ---- sizes ---- */

static int flat_init(struct flat_table *t, uint64_t entries)
{
	t->entries = (uint32_t)entries;
	t->pages = (uint32_t)div_round_up(entries * 8, TABLE_PAGE);
	t->raw = calloc(t->pages, TABLE_PAGE);
	t->dirty = calloc(div_round_up(t->pages, 64), 8);
	return t->raw && t->dirty ? 0 : -ENOMEM;
}

/* Sizes everything for the day when each cluster of the disk has been written, with a 64th to spare for what crashes
 * leave behind and qemu-img -r may add. Untouched parts of these arrays cost no memory. */
static int size_tables(struct qcow2 *q, uint64_t capacity)
{
	uint64_t l2_tables = div_round_up(capacity, L2_SPAN);
	uint64_t clusters = 1 + div_round_up(l2_tables * 8, CLUSTER) + l2_tables + div_round_up(capacity, CLUSTER);
	uint64_t refblocks;

	clusters += clusters / 64 + 4096;
	refblocks = clusters / (REFS_PER_BLOCK - 2) + 1; /* a block counts itself and its part of the table */
	q->max_clusters = refblocks * REFS_PER_BLOCK;
	q->used = calloc(q->max_clusters / 64, 8);
	q->refs_dirty = calloc(div_round_up(refblocks * PAGES_PER_TABLE, 64), 8);
	q->tables = calloc(l2_tables, sizeof(struct qcow2_table *));
	if (!q->used || !q->refs_dirty || !q->tables || flat_init(&q->l1, l2_tables) < 0 ||
	    flat_init(&q->refs, refblocks) < 0)
		return -ENOMEM;
	return 0;
}

static uint64_t flat_clusters(const struct flat_table *t)
{
	return div_round_up((uint64_t)t->entries * 8, CLUSTER);
}

static void flat_mark_all(struct flat_table *t)
{
	for (uint32_t p = 0; p < t->pages; p++)
		bit_set(t->dirty, p);
}

/* ---- the header ---- */

static size_t write_binding(const struct opening *o, uint8_t *to)
{
	size_t name = strnlen(o->base->name, sizeof(o->base->name) - 1);

	be64_store(to + B_CAPACITY, o->base->capacity);
	memcpy(to + B_FINGERPRINT, o->fingerprint, strlen(o->fingerprint));
	memcpy(to + B_NAME, o->base->name, name);
	return B_NAME + name;
}

static void make_header(const struct opening *o)
{
	struct qcow2 *q = o->q;
	uint8_t *h = q->header;

	be32_store(h + H_MAGIC, QCOW2_MAGIC);
	be32_store(h + H_VERSION, VERSION);
	be32_store(h + H_CLUSTER_BITS, CLUSTER_BITS);
	be64_store(h + H_SIZE, o->base->capacity);
	be32_store(h + H_L1_SIZE, q->l1.entries);
	be64_store(h + H_L1_OFFSET, q->l1.offset);
	be64_store(h + H_REFTABLE_OFFSET, q->refs.offset);
	be32_store(h + H_REFTABLE_CLUSTERS, (uint32_t)flat_clusters(&q->refs));
	be32_store(h + H_REFCOUNT_ORDER, REFCOUNT_ORDER);
	be32_store(h + H_LENGTH, H_END);
	be32_store(h + H_END, EXTENSION_BINDING);
	be32_store(h + H_END + 4, (uint32_t)write_binding(o, h + H_END + 8));
	/* The zeros behind are the end extension. */
	q->header_dirty = true;
}

/* What must be in the header of an overlay, and what to say otherwise. */
static const struct {
	enum header_field field;
	uint32_t value;
	int code;
	const char *otherwise;
} fixed_fields[] = {
	{ H_MAGIC, QCOW2_MAGIC, -EINVAL, "is no qcow2 file" },
	{ H_VERSION, VERSION, -ENOTSUP, "is not of qcow2's version 3, the only one that Vitrine writes" },
	{ H_CLUSTER_BITS, CLUSTER_BITS, -ENOTSUP, "has clusters of another size than Vitrine's 64 KiB" },
	{ H_REFCOUNT_ORDER, REFCOUNT_ORDER, -ENOTSUP, "has reference counts of another size than Vitrine's 16 bits" },
	{ H_CRYPT, 0, -ENOTSUP, "was encrypted by another program, which Vitrine does not write" },
	{ H_SNAPSHOTS, 0, -ENOTSUP, "holds snapshots of another program; delete them with: qemu-img snapshot -d" },
};

static int check_fixed_fields(const struct opening *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(fixed_fields); i++)
		if (be32_load(o->q->header + fixed_fields[i].field) != fixed_fields[i].value)
			return error_set(o->e, fixed_fields[i].code, "%s, which should hold the changes to %s, %s.",
			                 o->name, o->base->name, fixed_fields[i].otherwise);
	return 0;
}

static int check_features(const struct opening *o)
{
	uint64_t incompatible = be64_load(o->q->header + H_INCOMPATIBLE);
	uint64_t autoclear = be64_load(o->q->header + H_AUTOCLEAR);

	if (incompatible & ~(uint64_t)(INCOMPATIBLE_DIRTY | INCOMPATIBLE_CORRUPT))
		return error_set(
			o->e, -ENOTSUP,
			"%s uses features of qcow2 (0x%llx) that Vitrine does not write; another program changed it.",
			o->name, (unsigned long long)incompatible);
	if (incompatible)
		return error_set(o->e, -EINVAL,
		                 "%s is marked as %s. Make a copy of it, then try: qemu-img check -r all FILE", o->name,
		                 incompatible & INCOMPATIBLE_CORRUPT ? "damaged"
		                                                     : "not closed properly by another program");
	/* Who changes a file must clear the bits that he does not know, and lose what they stand for (bitmaps): not
	 * ours to do. */
	if (autoclear)
		return error_set(o->e, -ENOTSUP,
		                 "%s carries additions of another program (0x%llx) that writing would spoil.", o->name,
		                 (unsigned long long)autoclear);
	return 0;
}

/* Finds our extension. They lie within the first page as we write it, and as QEMU rewrites it. */
static const uint8_t *find_binding(const uint8_t *h, uint32_t *ret_length)
{
	uint64_t at = be32_load(h + H_LENGTH);

	while (range_within(at, 8, TABLE_PAGE)) {
		uint32_t type = be32_load(h + at), length = be32_load(h + at + 4);

		if (type == EXTENSION_END || !range_within(at + 8, length, TABLE_PAGE))
			return NULL;
		*ret_length = length;
		if (type == EXTENSION_BINDING)
			return h + at + 8;
		at += 8 + div_round_up(length, 8) * 8;
	}
	return NULL;
}

static int check_binding(const struct opening *o)
{
	char fingerprint[QCOW2_FINGERPRINT + 1] = { 0 }, name[256] = { 0 };
	uint32_t length;
	const uint8_t *b = find_binding(o->q->header, &length);
	uint64_t capacity;

	if (!b || length < B_NAME)
		return error_set(o->e, -EINVAL,
		                 "%s is a qcow2 file, but no overlay that Vitrine made: it does not say which disk it "
		                 "belongs to.",
		                 o->name);
	capacity = be64_load(b + B_CAPACITY);
	memcpy(fingerprint, b + B_FINGERPRINT, QCOW2_FINGERPRINT);
	memcpy(name, b + B_NAME, MIN(length - B_NAME, sizeof(name) - 1));
	if (capacity != o->base->capacity || strcmp(fingerprint, o->fingerprint) != 0)
		return error_set(
			o->e, -ESTALE,
			"%s belongs to another version of the download (%s, a disk of %llu bytes); %s is a disk of "
			"%llu bytes with other content. Move it away to start as downloaded.",
			o->name, name, (unsigned long long)capacity, o->base->name,
			(unsigned long long)o->base->capacity);
	if (be64_load(o->q->header + H_SIZE) != capacity)
		return error_set(o->e, -ENOTSUP, "%s was resized by another program; the disk below it has %llu bytes.",
		                 o->name, (unsigned long long)capacity);
	return 0;
}

static int check_header(const struct opening *o)
{
	int r = check_fixed_fields(o);

	if (r == 0)
		r = check_features(o);
	if (r == 0)
		r = check_binding(o);
	if (r == 0 && be32_load(o->q->header + H_L1_SIZE) != o->q->l1.entries)
		r = damaged(o, "the size of the L1 table does not fit the disk", H_L1_SIZE);
	return r;
}

/* ---- creation ---- */

/* Only in memory: the first commit writes it, the header last, so that a file with a header is complete. */
static int create(const struct opening *o)
{
	struct qcow2 *q = o->q;
	uint64_t tables, first, count;
	int r;

	if (q->read_only) /* and nothing in it */
		return 0;
	if (q->io.ftruncate(q->io.context, q->fd, 0) < 0)
		return error_set(o->e, -errno, "%s cannot be written: %s", o->name, strerror(errno));
	q->file_clusters = q->fresh_from = 0;
	tables = flat_clusters(&q->refs) + flat_clusters(&q->l1);
	bit_set(q->used, 0);
	/* The block of counts comes first, then the tables in a row: the file is new. */
	r = qcow2_ensure_refblock(q, 0);
	if (r == 0)
		r = qcow2_allocate(q, tables, &first, &count);
	if (r < 0)
		return error_set(o->e, r, "%s cannot be written: %s", o->name, strerror(-r));
	q->refs.offset = first * CLUSTER;
	q->l1.offset = q->refs.offset + flat_clusters(&q->refs) * CLUSTER;
	flat_mark_all(&q->refs);
	flat_mark_all(&q->l1);
	make_header(o);
	return 0;
}

/* ---- loading ---- */

static int read_table(const struct opening *o, uint64_t offset, void *buffer, size_t length)
{
	int r = qcow2_read(o->q, offset, buffer, length);

	if (r == -ENODATA)
		return damaged(o, "the file ends within a table", offset);
	if (r < 0)
		return error_set(o->e, r, "%s: byte %llu cannot be read: %s", o->name, (unsigned long long)offset,
		                 strerror(-r));
	return 0;
}

/* Each cluster of the file may belong to one owner only: a second one would be overwritten by the first. */
static int claim(const struct opening *o, uint64_t offset, uint64_t clusters, const char *what)
{
	struct qcow2 *q = o->q;

	if (offset % CLUSTER || !range_within(offset / CLUSTER, clusters, q->file_clusters))
		return damaged(o, what, offset);
	for (uint64_t c = offset / CLUSTER; clusters; c++, clusters--) {
		if (bit_test(q->used, c))
			return damaged(o, "two owners of the cluster", offset);
		bit_set(q->used, c);
	}
	return 0;
}

static int load_l1(const struct opening *o)
{
	struct flat_table *l1 = &o->q->l1;
	int r;

	l1->offset = be64_load(o->q->header + H_L1_OFFSET);
	r = claim(o, l1->offset, flat_clusters(l1), "a wrong place of the L1 table");
	return r < 0 ? r : read_table(o, l1->offset, l1->raw, (size_t)l1->entries * 8);
}

/* A table that is longer than ours must be empty there: such counts are of clusters that cannot be. */
static int load_reftable(const struct opening *o, uint8_t *buffer)
{
	struct flat_table *refs = &o->q->refs;
	uint32_t clusters = be32_load(o->q->header + H_REFTABLE_CLUSTERS);
	int r;

	refs->offset = be64_load(o->q->header + H_REFTABLE_OFFSET);
	if (clusters == 0 || clusters > MAX_REFTABLE_CLUSTERS)
		return damaged(o, "a wrong size of the refcount table", H_REFTABLE_CLUSTERS);
	r = claim(o, refs->offset, clusters, "a wrong place of the refcount table");
	for (uint64_t c = 0; r == 0 && c < clusters; c++) {
		r = read_table(o, refs->offset + c * CLUSTER, buffer, CLUSTER);
		for (uint64_t i = 0; r == 0 && i < CLUSTER / 8; i++) {
			uint64_t entry = be64_load(buffer + i * 8), index = c * (CLUSTER / 8) + i;

			if (!entry)
				continue;
			r = index < refs->entries ? claim(o, entry, 1, "a wrong place of reference counts")
			                          : damaged(o, "reference counts of nothing", refs->offset + index * 8);
			if (r == 0)
				be64_store(refs->raw + index * 8, entry);
		}
	}
	o->q->header_dirty = clusters < flat_clusters(refs); /* it must grow: see fit_reftable() */
	return r;
}

static int check_l2_entry(const struct opening *o, uint64_t entry, uint64_t place)
{
	if (entry & ENTRY_COMPRESSED)
		return error_set(o->e, -ENOTSUP,
		                 "%s holds compressed clusters (byte %llu), which Vitrine does not write; another "
		                 "program changed it.",
		                 o->name, (unsigned long long)place);
	if (entry & ENTRY_RESERVED)
		return damaged(o, "an L2 entry with reserved bits", place);
	if (!(entry & ENTRY_OFFSET))
		return 0;
	return claim(o, entry & ENTRY_OFFSET, 1, "a wrong place of a cluster");
}

/* The truth: who is named by an L2 entry is in use. 64 KiB are read for each 512 MiB of disk that was ever written. */
static int check_l2_tables(const struct opening *o, uint8_t *buffer)
{
	const struct flat_table *l1 = &o->q->l1;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < l1->entries; i++) {
		uint64_t entry = flat_get(l1, i), offset = entry & ENTRY_OFFSET;

		if (!entry)
			continue;
		if (entry & ~(ENTRY_COPIED | ENTRY_OFFSET) || !offset)
			return damaged(o, "an L1 entry with reserved bits", l1->offset + i * 8);
		r = claim(o, offset, 1, "a wrong place of an L2 table");
		if (r == 0)
			r = read_table(o, offset, buffer, CLUSTER);
		for (uint64_t n = 0; r == 0 && n < L2_ENTRIES; n++)
			r = check_l2_entry(o, be64_load(buffer + n * 8), offset + n * 8);
	}
	return r;
}

/* Counts that a crash or another program left wrong are put right by the next commit. */
static int compare_refcounts(const struct opening *o, uint8_t *buffer)
{
	struct qcow2 *q = o->q;
	uint8_t expected[TABLE_PAGE];
	int r = 0;

	for (uint64_t block = 0; r == 0 && block < q->refs.entries; block++) {
		uint64_t offset = flat_get(&q->refs, block);

		if (!offset)
			continue;
		r = read_table(o, offset, buffer, CLUSTER);
		for (uint64_t p = 0; r == 0 && p < PAGES_PER_TABLE; p++) {
			qcow2_render_refcounts(q, block * PAGES_PER_TABLE + p, expected);
			if (memcmp(buffer + p * TABLE_PAGE, expected, TABLE_PAGE) != 0)
				bit_set(q->refs_dirty, block * PAGES_PER_TABLE + p);
		}
	}
	return r;
}

static bool any_used(const struct qcow2 *q, uint64_t block)
{
	for (uint64_t i = 0; i < REFS_PER_BLOCK / 64; i++)
		if (q->used[block * (REFS_PER_BLOCK / 64) + i])
			return true;
	return false;
}

static int complete_refblocks(const struct opening *o)
{
	struct qcow2 *q = o->q;
	int r = 0;

	for (uint64_t block = 0; r == 0 && block * REFS_PER_BLOCK < q->file_clusters; block++)
		if (any_used(q, block))
			r = qcow2_ensure_refblock(q, block);
	return r < 0 ? error_set(o->e, r, "%s cannot be written: %s", o->name, strerror(-r)) : 0;
}

/* qcow2's tables of counts may be too short when `qemu-img check -r` rebuilt them. A new one goes to the end of the
 * file; the header follows it in the same commit, before anything that needs the new counts. */
static int fit_reftable(const struct opening *o)
{
	struct qcow2 *q = o->q;
	uint64_t wanted = flat_clusters(&q->refs), first, count;
	int r;

	if (!q->header_dirty)
		return 0;
	q->free_hint = q->file_clusters; /* free in a row there */
	r = qcow2_allocate(q, wanted, &first, &count);
	q->free_hint = 0;
	if (r == 0 && count < wanted)
		r = -EFBIG;
	if (r == 0) {
		q->refs.offset = first * CLUSTER;
		flat_mark_all(&q->refs);
		be64_store(q->header + H_REFTABLE_OFFSET, q->refs.offset);
		be32_store(q->header + H_REFTABLE_CLUSTERS, (uint32_t)wanted);
		r = qcow2_commit(q);
	}
	return r < 0 ? error_set(o->e, r, "%s cannot be written: %s", o->name, strerror(-r)) : 0;
}

static int load_tables(const struct opening *o, uint8_t *buffer)
{
	int r = claim(o, 0, 1, "no header");

	if (r == 0)
		r = load_l1(o);
	if (r == 0)
		r = load_reftable(o, buffer);
	if (r == 0)
		r = check_l2_tables(o, buffer);
	if (r < 0 || o->q->read_only)
		return r;
	r = complete_refblocks(o);
	if (r == 0)
		r = compare_refcounts(o, buffer);
	return r < 0 ? r : fit_reftable(o);
}

/* Sets file_clusters. A file that ends within a cluster (others may leave that) is made whole. */
static int measure(const struct opening *o, uint64_t size)
{
	struct qcow2 *q = o->q;

	q->file_clusters = div_round_up(size, CLUSTER);
	q->fresh_from = q->file_clusters;
	if (q->file_clusters > q->max_clusters)
		return error_set(o->e, -EFBIG,
		                 "%s is larger (%llu bytes) than the changes to a disk of %llu bytes can be.", o->name,
		                 (unsigned long long)size, (unsigned long long)o->base->capacity);
	if (size % CLUSTER && !q->read_only &&
	    q->io.ftruncate(q->io.context, q->fd, (off_t)(q->file_clusters * CLUSTER)) < 0)
		return error_set(o->e, -errno, "%s cannot be written: %s", o->name, strerror(errno));
	return 0;
}

static int load_or_create(const struct opening *o, uint8_t *buffer)
{
	const struct file whole = { .fd = o->q->fd, .size = UINT64_MAX };
	struct stat st;
	size_t head;
	int r;

	if (fstat(o->q->fd, &st) < 0)
		return error_set(o->e, -errno, "%s: %s", o->name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(o->e, -EINVAL, "%s is not a regular file; changes to a disk are kept only in files.",
		                 o->name);
	head = (size_t)MIN((uint64_t)st.st_size, CLUSTER);
	r = file_read(&whole, 0, buffer, head);
	if (r < 0)
		return error_set(o->e, r, "%s cannot be read: %s", o->name, strerror(-r));
	if (bytes_are_zero(buffer, head))
		return create(o);
	if (head < TABLE_PAGE)
		return damaged(o, "the file ends within the header", head);
	memcpy(o->q->header, buffer, TABLE_PAGE);
	r = check_header(o);
	if (r == 0)
		r = measure(o, (uint64_t)st.st_size);
	return r < 0 ? r : load_tables(o, buffer);
}

/* ---- the base ---- */

#define SAMPLE 65536u

static int digest_samples(struct disk *base, struct sha256_ctx *digest, uint8_t *buffer)
{
	const uint64_t places[] = { 0, 1u << 20, base->capacity - MIN(base->capacity, SAMPLE) };
	uint8_t capacity[8];

	be64_store(capacity, base->capacity);
	sha256_init(digest);
	sha256_update(digest, sizeof(capacity), capacity);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		size_t length = places[i] < base->capacity ? (size_t)MIN(SAMPLE, base->capacity - places[i]) : 0;
		int r = disk_read(base, places[i], buffer, length);

		if (r < 0)
			return r;
		sha256_update(digest, length, buffer);
	}
	return 0;
}

int qcow2_base_fingerprint(struct disk *base, char ret_hex[33], struct error *e)
{
	struct sha256_ctx digest;
	uint8_t *buffer = malloc(SAMPLE);
	uint8_t hash[SHA256_DIGEST_SIZE];
	int r = buffer ? digest_samples(base, &digest, buffer) : -ENOMEM;

	if (r == 0)
		sha256_digest(&digest, sizeof(hash), hash);
	for (size_t i = 0; r == 0 && i < 16; i++)
		snprintf(ret_hex + i * 2, 3, "%02x", hash[i]);
	free(buffer);
	return r < 0 ? error_set(e, r, "%s cannot be read: %s", base->name, strerror(-r)) : 0;
}

/* ---- entry points ---- */

static int open_tables(const struct opening *o)
{
	uint8_t *buffer = malloc(CLUSTER);
	int r = size_tables(o->q, o->base->capacity);

	if (!buffer || r < 0)
		r = error_set(o->e, -ENOMEM, "%s: not enough memory for the tables of a disk of %llu bytes.", o->name,
		              (unsigned long long)o->base->capacity);
	else
		r = load_or_create(o, buffer);
	free(buffer);
	return r;
}

static struct qcow2 *new_qcow2(int fd)
{
	struct qcow2 *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->fd = fd;
	q->read_only = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
	q->io = disk_real_io;
	pthread_mutex_init(&q->flush_lock, NULL);
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->locks.released, NULL);
	return q;
}

int qcow2_overlay_open(int fd, const char *name, struct disk *base, const char *fingerprint, struct disk **ret_overlay,
                       struct error *e)
{
	struct disk *overlay;
	char own[33];
	struct opening o = { .name = name, .base = base, .fingerprint = *fingerprint ? fingerprint : own, .e = e };
	int r;

	if (base->capacity == 0 || base->capacity > QCOW2_MAX_CAPACITY || base->capacity % DISK_SECTOR)
		return error_set(e, -EFBIG,
		                 "%s: changes can be kept for disks of up to 64 TiB; this one has %llu bytes.",
		                 base->name, (unsigned long long)base->capacity);
	if (strlen(fingerprint) > QCOW2_FINGERPRINT)
		return error_set(e, -EINVAL, "%s: the fingerprint of its base is too long.", name);
	if (!*fingerprint) {
		r = qcow2_base_fingerprint(base, own, e);
		if (r < 0)
			return r;
	}
	overlay = calloc(1, sizeof(*overlay));
	o.q = new_qcow2(fd);
	r = overlay && o.q ? open_tables(&o) : error_set(e, -ENOMEM, "%s: not enough memory.", name);
	if (r < 0) {
		qcow2_free(o.q);
		free(overlay);
		return r;
	}
	*overlay = (struct disk){
		.format = &qcow2_overlay_format,
		.capacity = base->capacity,
		.parent = base,
		.writer = &qcow2_writer,
		.write_unit = CLUSTER,
		.private = o.q,
	};
	snprintf(overlay->name, sizeof(overlay->name), "%s", name);
	*ret_overlay = overlay;
	return 0;
}
