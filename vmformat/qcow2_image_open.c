/* SPDX-License-Identifier: MIT */
/* The header of an image that others made, and what it names: its backing file and its data file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/beside.h"
#include "vmformat/disk_formats.h"
#include "vmformat/qcow2_image.h"

#define MIN_CLUSTER_BITS 9u
#define MAX_CLUSTER_BITS 21u /* 2 MiB, QEMU's limit, and what bounds the buffers that unpacking takes on each worker */
#define MIN_EXTENDED_BITS 14u

/* "Additional fields" may follow; QEMU writes 112 bytes. The extensions lie in the first cluster, and known writers need
 * less than 1 KiB for them. */
#define MAX_HEADER 65536u
#define MAX_NAME 1023u /* backing_file_size: "must not be longer" */

/* "Feature name table" */
enum { FEATURE_TYPE = 0, FEATURE_BIT = 1, FEATURE_NAME = 2, FEATURE_SIZE = 48 };

/* L2 slices that opening looks at to notice a cut download: 64 KiB, however large the disk is. */
#define END_SAMPLES 16u

#define KNOWN_FEATURES                                                                                   \
	(INCOMPATIBLE_DIRTY | INCOMPATIBLE_CORRUPT | INCOMPATIBLE_DATA_FILE | INCOMPATIBLE_COMPRESSION | \
	 INCOMPATIBLE_EXTENDED_L2)

/* A piece of the header. length 0: not there. */
struct span {
	const uint8_t *at;
	uint32_t length;
};

struct opening {
	const struct file *file;
	const struct files *files;
	struct disk *disk;
	struct qcow2_image *q;
	struct error *e;
	uint8_t *head; /* the first head_length bytes of the file; as many as the version's header has or more */
	uint32_t head_length, header_length;
	uint64_t features;
	struct span backing_format, feature_names, data_name, binding;
};

static int damaged(const struct opening *o, const char *field, uint64_t value, const char *rule)
{
	return error_set(
		o->e, -EINVAL,
		"%s: %s in the header is %llu, but must be %s. The file is damaged; download or copy it again.",
		o->file->name, field, (unsigned long long)value, rule);
}

static bool has_feature(const struct opening *o, enum incompatible_bit bit)
{
	return o->features & bit;
}

/* ---- the header ---- */

static int read_head(struct opening *o)
{
	uint32_t length = (uint32_t)MIN(o->file->size, MAX_HEADER);
	int r;

	if (o->file->size < H_END)
		return disk_truncated(o->e, o->file->name, o->file->size, H_END);
	o->head = malloc(length);
	if (!o->head)
		return error_set(o->e, -ENOMEM, "%s: not enough memory", o->file->name);
	r = file_read(o->file, 0, o->head, length);
	o->head_length = length;
	return r < 0 ? error_set(o->e, r, "%s cannot be read: %s", o->file->name, strerror(-r)) : 0;
}

static int take_version(struct opening *o)
{
	uint32_t version = be32_load(o->head + H_VERSION), length = be32_load(o->head + H_LENGTH);

	if (be32_load(o->head + H_MAGIC) != QCOW2_MAGIC)
		return error_set(o->e, -EINVAL, "%s does not begin as a qcow2 file does. Download or copy it again.",
		                 o->file->name);
	if (version != 2 && version != 3)
		return error_set(
			o->e, -ENOTSUP,
			"%s has version %u of the qcow format; Vitrine knows 2 and 3. Convert a copy of it: qemu-img "
			"convert -O qcow2 FILE NEW.qcow2",
			o->file->name, version);
	o->q->version_2 = version == 2;
	if (version == 2)
		length = QCOW2_V2_HEADER;
	else if (length < H_END || length % 8 || length > o->head_length)
		return damaged(o, "its own length", length, "a multiple of 8 from 104 to a cluster");
	o->header_length = length;
	o->features = version == 2 ? 0 : be64_load(o->head + H_INCOMPATIBLE);
	return 0;
}

/* They end with their end mark, or where the backing file's name or the next cluster begins. */
static int take_extensions(struct opening *o)
{
	struct {
		uint32_t type;
		struct span *span;
	} wanted[] = {
		{ EXTENSION_BACKING_FORMAT, &o->backing_format },
		{ EXTENSION_FEATURE_NAMES, &o->feature_names },
		{ EXTENSION_DATA_FILE, &o->data_name },
		{ EXTENSION_BINDING, &o->binding },
	};
	uint64_t backing = be64_load(o->head + H_BACKING_OFFSET);
	uint64_t end = MIN(o->head_length, o->q->cluster), at = o->header_length;

	if (backing)
		end = MIN(end, backing);
	while (range_within(at, 8, end)) {
		uint32_t type = be32_load(o->head + at), length = be32_load(o->head + at + 4);

		if (type == EXTENSION_END)
			return 0;
		if (!range_within(at + 8, length, end))
			return damaged(o, "the length of an extension", length, "within the first cluster");
		for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
			if (wanted[i].type == type)
				*wanted[i].span = (struct span){ o->head + at + 8, length };
		at += 8 + div_round_up(length, 8) * 8;
	}
	return 0;
}

/* What the file itself calls its incompatible feature of this number; "". */
static void feature_name(const struct opening *o, unsigned bit, char ret_name[FEATURE_SIZE])
{
	const struct span *table = &o->feature_names;

	ret_name[0] = '\0';
	for (uint32_t at = 0; range_within(at, FEATURE_SIZE, table->length); at += FEATURE_SIZE) {
		const uint8_t *entry = table->at + at;

		if (entry[FEATURE_TYPE] == 0 && entry[FEATURE_BIT] == bit)
			snprintf(ret_name, FEATURE_SIZE, "%.*s", FEATURE_SIZE - FEATURE_NAME,
			         (const char *)entry + FEATURE_NAME);
	}
}

static int check_features(const struct opening *o)
{
	uint64_t unknown = o->features & ~(uint64_t)KNOWN_FEATURES;
	char name[FEATURE_SIZE];
	unsigned bit;

	if (has_feature(o, INCOMPATIBLE_CORRUPT))
		return error_set(
			o->e, -EINVAL,
			"%s is marked as damaged by the program that wrote it. Download it again, or make a copy of "
			"it and try: qemu-img check -r all FILE",
			o->file->name);
	if (!unknown)
		return 0;
	bit = (unsigned)__builtin_ctzll(unknown);
	feature_name(o, bit, name);
	return error_set(
		o->e, -ENOTSUP,
		"%s uses a feature of qcow2 that Vitrine does not know: %s%s(incompatible bit %u). Convert a copy "
		"of it with the program that wrote it.",
		o->file->name, name, *name ? " " : "", bit);
}

static int check_encryption(const struct opening *o)
{
	static const char *const methods[] = { "", "AES", "LUKS" };
	uint32_t method = be32_load(o->head + H_CRYPT);

	if (method == 0)
		return 0;
	if (method >= ARRAY_SIZE(methods))
		return damaged(o, "the method of encryption", method, "0, 1 or 2");
	return error_set(o->e, -ENOTSUP,
	                 "%s is encrypted (%s), which Vitrine does not play. Convert a copy of it, with the password: "
	                 "qemu-img convert --object secret,id=p,file=PASSWORDFILE --image-opts "
	                 "driver=qcow2,encrypt.key-secret=p,file.filename=FILE -O qcow2 NEW.qcow2",
	                 o->file->name, methods[method]);
}

static int take_compression(struct opening *o)
{
	uint8_t type = o->header_length > H_COMPRESSION ? o->head[H_COMPRESSION] : 0;

	if (has_feature(o, INCOMPATIBLE_COMPRESSION) != (type != 0))
		return damaged(o, "the compression type", type, type ? "0 without its feature bit" : "another with it");
	if (type > 1)
		return error_set(o->e, -ENOTSUP,
		                 "%s is compressed by method %u; Vitrine knows 0 (deflate) and 1 (zstd)", o->file->name,
		                 type);
	o->q->zstd = type == 1;
	return 0;
}

static int take_cluster_size(struct opening *o)
{
	uint32_t bits = be32_load(o->head + H_CLUSTER_BITS);

	if (bits < MIN_CLUSTER_BITS || bits > MAX_CLUSTER_BITS)
		return damaged(o, "the cluster size (a power of two)", bits, "from 9 to 21");
	o->q->cluster_bits = bits;
	o->q->cluster = 1u << bits;
	return 0;
}

static int take_geometry(struct opening *o)
{
	struct qcow2_image *q = o->q;
	uint64_t size = be64_load(o->head + H_SIZE);

	if (size == 0 || size > QCOW2_MAX_CAPACITY)
		return damaged(o, "the size of the disk", size, "from 1 byte to 64 TiB");
	q->extended = has_feature(o, INCOMPATIBLE_EXTENDED_L2);
	if (q->extended && q->cluster_bits < MIN_EXTENDED_BITS)
		return damaged(o, "the cluster size (a power of two)", q->cluster_bits, "14 or more with subclusters");
	q->entry_size = q->extended ? 16 : 8;
	q->unit = q->extended ? q->cluster / 32 : q->cluster;
	q->slice_length = MIN(q->cluster, QCOW2_SLICE);
	q->slice_span = (uint64_t)(q->slice_length / q->entry_size) * q->cluster;
	o->disk->capacity = div_round_up(size, DISK_SECTOR) * DISK_SECTOR;
	o->disk->unit_limit = q->cluster;
	return 0;
}

/* No file is longer than its disk with a few snapshots: what a place behind that means is damage, not a cut download. */
static bool plausible(const struct opening *o, uint64_t place)
{
	return place < 8 * o->disk->capacity + (1ull << 30);
}

/* Only the part that the disk needs is ever read, 8 bytes at a time: a table of any size costs nothing. What lies behind
 * it is a snapshot's saved memory. */
static int take_l1(struct opening *o)
{
	struct qcow2_image *q = o->q;
	uint64_t entries = div_round_up(o->disk->capacity, q->slice_span * (q->cluster / q->slice_length));
	uint32_t present = be32_load(o->head + H_L1_SIZE);

	q->l1_offset = be64_load(o->head + H_L1_OFFSET);
	if (present < entries)
		return damaged(o, "the number of L1 entries", present, "what the disk's size needs");
	if (q->l1_offset == 0 || q->l1_offset % q->cluster)
		return damaged(o, "the L1 table's place", q->l1_offset, "a cluster behind the header");
	if (range_within(q->l1_offset, entries * 8, o->file->size))
		return 0;
	if (plausible(o, q->l1_offset))
		return disk_truncated(o->e, o->file->name, o->file->size, q->l1_offset + entries * 8);
	return damaged(o, "the L1 table's place", q->l1_offset, "inside the file");
}

/* ---- names ---- */

/* "nbd://host/disk", "json:{...}": what QEMU takes for something else than a file. One letter is a drive of Windows. */
static size_t protocol_length(const char *name)
{
	size_t length = strcspn(name, "/:");

	return name[length] == ':' && length > 1 ? length : 0;
}

/* A name in the header, as a text of its own. what: "backing file", for errors. */
static int take_name(const struct opening *o, struct span span, const char *what, char ret_name[MAX_NAME + 1])
{
	size_t protocol;

	if (span.length > MAX_NAME || memchr(span.at, 0, span.length))
		return error_set(o->e, -EINVAL,
		                 "%s: the name of its %s is damaged (%u bytes; at most %u without zeros are possible). "
		                 "Download or copy it again.",
		                 o->file->name, what, span.length, MAX_NAME);
	memcpy(ret_name, span.at, span.length);
	ret_name[span.length] = '\0';
	protocol = protocol_length(ret_name);
	if (protocol == 4 && strncmp(ret_name, "file", 4) == 0)
		memmove(ret_name, ret_name + 5, span.length - 4);
	else if (protocol)
		return error_set(
			o->e, -ENOTSUP,
			"%s needs \"%.*s\" as its %s; Vitrine reads only files that lie beside the disk. Put a copy "
			"of it there, and write its name: qemu-img rebase -u -b NAME -F FORMAT FILE",
			o->file->name, 200, ret_name, what);
	return 0;
}

/* The name in our table of formats for what QEMU calls a format; NULL: there is none. */
static const char *find_format(struct span name)
{
	static const struct {
		const char *qemu, *ours;
	} aliases[] = { { "vpc", "vhd" }, { "file", "raw" }, { "host_device", "raw" } };
	char wanted[32];

	snprintf(wanted, sizeof(wanted), "%.*s", (int)MIN(name.length, sizeof(wanted) - 1), (const char *)name.at);
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcmp(wanted, aliases[i].qemu) == 0)
			snprintf(wanted, sizeof(wanted), "%s", aliases[i].ours);
	for (const struct disk_format *const *format = disk_formats; *format; format++)
		if (strcmp((*format)->name, wanted) == 0)
			return (*format)->name;
	return NULL;
}

static int take_backing_format(const struct opening *o)
{
	const struct span *name = &o->backing_format;

	if (!name->length)
		return 0;
	o->disk->parent_format = find_format(*name);
	if (o->disk->parent_format)
		return 0;
	return error_set(o->e, -ENOTSUP,
	                 "%s says that the disk below it has the format \"%.*s\", which Vitrine does not play",
	                 o->file->name, (int)MIN(name->length, 40u), (const char *)name->at);
}

static int take_backing(const struct opening *o)
{
	uint64_t offset = be64_load(o->head + H_BACKING_OFFSET);
	uint32_t length = be32_load(o->head + H_BACKING_LENGTH);
	char name[MAX_NAME + 1];
	int r;

	if (offset == 0 || length == 0)
		return 0;
	if (!range_within(offset, length, o->head_length))
		return damaged(o, "the place of the backing file's name", offset, "in the first cluster");
	r = take_name(o, (struct span){ o->head + offset, length }, "backing file", name);
	if (r == 0)
		r = take_backing_format(o);
	if (r < 0)
		return r;
	r = beside_set_parent(o->disk, name);
	if (r == -EINVAL)
		return error_set(o->e, r, "%s: \"%s\" is no name of a backing file", o->file->name, name);
	return r < 0 ? error_set(o->e, r, "%s: not enough memory", o->file->name) : 0;
}

/* One of our overlays without the disk below it: what is in it would look like a disk full of holes. */
static int refuse_overlay(const struct opening *o)
{
	const struct span *b = &o->binding;

	if (!b->length || o->disk->parent_names[0])
		return 0;
	return error_set(
		o->e, -EINVAL,
		"%s holds what was changed in a machine that Vitrine plays, not a disk of its own. Open what the "
		"machine was opened from (its disk is %.*s).",
		o->file->name, b->length > B_NAME ? (int)MIN(b->length - B_NAME, 255u) : 0,
		(const char *)b->at + MIN(b->length, (uint32_t)B_NAME));
}

static int check_data_file(const struct opening *o)
{
	struct qcow2_image *q = o->q;
	uint64_t size = be64_load(o->head + H_SIZE);

	q->raw_data = be64_load(o->head + H_AUTOCLEAR) & AUTOCLEAR_RAW_DATA_FILE;
	if (q->raw_data && o->disk->parent_names[0])
		return error_set(
			o->e, -EINVAL,
			"%s says that %s is all of the disk, and that there is another one below it. The file is "
			"damaged; download or copy it again.",
			o->file->name, q->data.name);
	return q->raw_data && q->data.size < size ? disk_truncated(o->e, q->data.name, q->data.size, size) : 0;
}

static int open_data_file(struct opening *o)
{
	char name[MAX_NAME + 1];
	struct error cause = { 0 };
	int r;

	if (!has_feature(o, INCOMPATIBLE_DATA_FILE))
		return 0;
	if (!o->data_name.length)
		return error_set(
			o->e, -EINVAL,
			"%s has its content in another file, but does not say in which one. The file is damaged; "
			"download or copy it again.",
			o->file->name);
	r = take_name(o, o->data_name, "data file", name);
	if (r < 0)
		return r;
	r = beside_open(o->file->name, name, o->files, &o->q->data, &cause);
	if (r < 0)
		return error_set(o->e, r, "%s has its content in %s, which cannot be opened: %s. Put it beside.",
		                 o->file->name, name, cause.code ? cause.text : strerror(-r));
	return check_data_file(o);
}

/* ---- the end ---- */

/* Where a unit's bytes end that are not in the file, within reason; 0: they are there, or there are none. */
static uint64_t missing_end(const struct opening *o, uint64_t start, const uint8_t *raw, uint64_t index)
{
	const struct qcow2_image *q = o->q;
	struct qcow2_place place;
	/* The last cluster need not be whole; of a packed one, its last sector. */
	uint32_t length = q->unit, optional = q->unit - 1;

	if (qcow2_image_place(q, start, raw, index, &place) < 0)
		return 0;
	if (place.kind == DISK_PACKED) {
		qcow2_image_packed(q, place.entry, &place.host, &length);
		optional = MIN(length, DISK_SECTOR) - 1;
	} else if (place.kind != DISK_DATA) {
		return 0;
	}
	return place.host + length - optional > o->file->size && plausible(o, place.host) ? place.host + length : 0;
}

/* The same for all clusters of a slice, by the first subcluster that is stored of each. */
static uint64_t furthest_missing(const struct opening *o, uint64_t number, const uint8_t *raw)
{
	const struct qcow2_image *q = o->q;
	uint64_t furthest = 0, start = number * q->slice_span, units = q->cluster / q->unit;

	for (uint64_t c = 0; c < q->slice_length / q->entry_size && start + c * q->cluster < o->disk->capacity; c++) {
		const uint8_t *entry = raw + c * q->entry_size;
		uint32_t stored = q->extended ? be32_load(entry + 12) : 1;

		if (be64_load(entry))
			furthest =
				MAX(furthest, missing_end(o, start, raw,
			                                  c * units + (stored ? (unsigned)__builtin_ctz(stored) : 0)));
	}
	return furthest;
}

/* Damage is told when the guest comes there: what is left can still be rescued. */
static int check_end(const struct opening *o)
{
	const struct qcow2_image *q = o->q;
	uint64_t slices = div_round_up(o->disk->capacity, q->slice_span), needed = 0, size = o->file->size;
	unsigned count = q->data.fd >= 0 ? 0 : (unsigned)MIN(slices, END_SAMPLES);
	uint8_t raw[QCOW2_SLICE];

	for (unsigned i = 1; i <= count; i++) {
		uint64_t number = slices * i / count - 1;
		int r = qcow2_image_read_slice(q, number, raw);

		if (r == -ENODATA)
			return disk_truncated(o->e, o->file->name, size, 0);
		if (r == 0)
			needed = MAX(needed, furthest_missing(o, number, raw));
	}
	return needed ? disk_truncated(o->e, o->file->name, size, needed) : 0;
}

/* ---- entry point ---- */

static int parse(struct opening *o)
{
	int (*const steps[])(struct opening *) = { read_head, take_version, take_cluster_size, take_extensions };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = steps[i](o);
	if (r == 0)
		r = check_features(o);
	if (r == 0)
		r = check_encryption(o);
	if (r == 0)
		r = take_compression(o);
	if (r == 0)
		r = take_geometry(o);
	if (r == 0)
		r = take_l1(o);
	if (r == 0)
		r = take_backing(o);
	if (r == 0)
		r = refuse_overlay(o);
	return r == 0 ? open_data_file(o) : r;
}

static int read_tables(const void *context, uint64_t offset, void *buffer, size_t length)
{
	return file_read(context, offset, buffer, length);
}

static struct qcow2_image *new_image(uint64_t file_size)
{
	struct qcow2_image *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->file = q->data = FILE_CLOSED;
	q->tables = table_cache_new(QCOW2_SLICE, QCOW2_CACHED_PAGES, read_tables, &q->file, file_size);
	if (!q->tables) {
		free(q);
		return NULL;
	}
	unpacker_pool_init(&q->unpackers);
	return q;
}

int qcow2_image_open(struct disk *disk, struct file *file, const struct files *files, struct error *e)
{
	struct opening o = { .file = file, .files = files, .disk = disk, .e = e };
	int r;

	o.q = disk->private = new_image(file->size);
	if (!o.q)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	r = parse(&o);
	free(o.head);
	if (r < 0)
		return r;
	o.q->file = *file; /* for check_end(); given back if that fails */
	r = check_end(&o);
	if (r < 0) {
		o.q->file = FILE_CLOSED;
		return r;
	}
	*file = FILE_CLOSED;
	return 0;
}
