/* SPDX-License-Identifier: MIT */
#include "vmformat/vmdk.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/beside.h"
#include "vmformat/bytes.h"
#include "vmformat/vmdk_disk.h"

/*
 * Grain tables that opening looks at, over all extents, to notice a cut download: 32 KiB, however large the
 * disk is.
 */
#define END_SAMPLES 16u

#define EXTENSION ".vmdk"

/* ---- names ---- */

/* The length of a piece's ending in a stem: "-flat", "-delta", "-s001", "-f001"; 0: the stem has none. */
static size_t piece_ending(const char *stem, size_t length)
{
	static const char *const endings[] = { "-flat", "-delta", "-sesparse" };
	size_t digits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (length > strlen(endings[i]) &&
		    strncasecmp(stem + length - strlen(endings[i]), endings[i], strlen(endings[i])) == 0)
			return strlen(endings[i]);
	while (digits < length && isdigit((unsigned char)stem[length - 1 - digits]))
		digits++;
	if (digits < 3 || length < digits + 3 || stem[length - digits - 2] != '-' ||
	    !strchr("sSfF", stem[length - digits - 1]))
		return 0;
	return digits + 2;
}

/* The name of the descriptor that a piece of this name belongs to. False: it is no piece by its name. */
static bool whole_name(const char *piece, char ret_name[BESIDE_NAME])
{
	size_t length = strlen(piece), stem, ending;
	int written;

	if (length <= strlen(EXTENSION) || strcasecmp(piece + length - strlen(EXTENSION), EXTENSION) != 0)
		return false;
	stem = length - strlen(EXTENSION);
	ending = piece_ending(piece, stem);
	written = snprintf(ret_name, BESIDE_NAME, "%.*s%s", (int)(stem - ending), piece, piece + stem);
	return ending && written < (int)BESIDE_NAME;
}

/* ---- descriptors ---- */

/* Reads the text of a descriptor: *ret_text is malloc'ed and ends with a 0. */
static int read_text(const struct file *file, uint64_t offset, uint64_t length, char **ret_text, struct error *e)
{
	char *text;
	int r;

	if (length > VMDK_MAX_DESCRIPTOR)
		return error_set(e, -EFBIG, "%s: the description of the disk has %llu bytes; Vitrine reads up to 1 MiB",
		                 file->name, (unsigned long long)length);
	text = malloc((size_t)length + 1);
	if (!text)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	r = file_read(file, offset, text, (size_t)length);
	if (r < 0) {
		free(text);
		return error_set(e, r, "%s cannot be read: %s", file->name, strerror(-r));
	}
	text[length] = '\0';
	*ret_text = text;
	return 0;
}

/* What a program that rewrites the CID in place may leave behind the zero that ends a text with fewer digits: qemu-img does. */
#define LEFT_BEHIND 8u

/* The length without what may be behind the text's end. A hole in a damaged file leaves more there, and is found by the parser. */
static size_t cut_rest(const char *text, size_t length)
{
	size_t end = strnlen(text, length), left = 0;

	for (size_t i = end; i < length; i++)
		left += text[i] != '\0';
	return left <= LEFT_BEHIND ? end : length;
}

/* A file of its own. Zeros may fill it up to whole sectors. */
static int read_separate(const struct file *file, struct vmdk_descriptor *ret, struct error *e)
{
	char *text = NULL; /* gcc -O3 cannot see that read_text() fills it */
	int r = read_text(file, 0, file->size, &text, e);

	if (r < 0)
		return r;
	r = vmdk_descriptor_parse(text, cut_rest(text, (size_t)file->size), file->name, ret, e);
	free(text);
	return r;
}

/*
 * Inside a sparse extent. It ends with the first zero: a text that became shorter leaves the old one's rest
 * behind.
 */
static int read_embedded(const struct vmdk_sparse *s, struct vmdk_descriptor *ret, struct error *e)
{
	char *text = NULL;
	int r = read_text(&s->file, s->descriptor_offset, s->descriptor_length, &text, e);

	if (r < 0)
		return r;
	r = vmdk_descriptor_parse(text, strlen(text), s->file.name, ret, e);
	free(text);
	return r;
}

static bool is_descriptor(const struct file *file)
{
	uint8_t head[512] = { 0 };

	return file_read(file, 0, head, (size_t)MIN(file->size, sizeof(head))) == 0 &&
	       vmdk_descriptor_probe(head, sizeof(head));
}

/*
 * A descriptor that cannot be read counts as one that lists the piece: opening it will say what is wrong with
 * it.
 */
static bool descriptor_lists(const struct file *whole, const char *piece)
{
	struct vmdk_descriptor d;
	bool found = false;

	if (!is_descriptor(whole))
		return false;
	if (read_separate(whole, &d, NULL) < 0)
		return true;
	for (unsigned i = 0; i < d.extent_count && !found; i++)
		found = strcasecmp(beside_base_name(d.extents[i].file), piece) == 0;
	vmdk_descriptor_free(&d);
	return found;
}

bool vmdk_find_whole(const struct file *file, const struct files *files, struct file *ret_whole)
{
	const char *piece = beside_base_name(beside_own_name(file->name));
	char name[BESIDE_NAME];

	if (!whole_name(piece, name) || beside_open(file->name, name, files, ret_whole, NULL) < 0)
		return false;
	if (descriptor_lists(ret_whole, piece))
		return true;
	file_close(ret_whole);
	return false;
}

/* ---- chains ---- */

/* What the descriptor says about the disk and the one that it lies over. */
static int take_identity(struct disk *disk, const struct vmdk_descriptor *d, struct error *e)
{
	struct vmdk *v = disk->private;
	int r;

	v->has_cid = d->has_cid;
	v->cid = d->cid;
	v->parent_cid = d->parent_cid;
	v->cid_offset = d->cid_offset;
	v->cid_length = (unsigned)d->cid_length;
	v->tracks_changes = d->tracks_changes;
	v->is_split = strncasecmp(d->create_type, "twoGb", 5) == 0 || strncasecmp(d->create_type, "2Gb", 3) == 0;
	for (unsigned i = 0; i < v->extent_count; i++)
		v->extents[i].sparse.is_delta = d->is_delta;
	r = d->is_delta ? beside_set_parent(disk, d->parent_hint) : 0;
	if (r == -EINVAL)
		return error_set(e, r, "%s, line %u: \"%s\" is no name of a disk", disk->name, d->parent_line,
		                 d->parent_hint);
	return r < 0 ? error_set(e, r, "%s: not enough memory", disk->name) : 0;
}

/* A parent that was written after the snapshot would be mixed with changes that were made to something else. */
static int vmdk_check_parent(const struct disk *disk, const struct disk *parent, struct error *e)
{
	const struct vmdk *v = disk->private, *p = parent->private;

	if (parent->format != &vmdk_format)
		return error_set(
			e, -EINVAL,
			"%s holds the changes since a snapshot of %s, which should be a VMDK disk but is %s. Put "
			"the right file in its place.",
			disk->name, parent->name, parent->format->name);
	if (!p->has_cid)
		return error_set(
			e, -EINVAL,
			"%s holds the changes since a snapshot of %s, which has no content ID (CID): nobody knows "
			"whether it is the right one. Download or copy it again.",
			disk->name, parent->name);
	if (p->cid == v->parent_cid)
		return 0;
	return error_set(
		e, -ESTALE,
		"%s holds the changes since a snapshot of %s, but that disk was changed after the snapshot or is "
		"another one (its content ID is %08x, not %08x). Together they would make a damaged disk. Put the "
		"unchanged %s beside it: from a backup, or download both again.",
		disk->name, parent->name, p->cid, v->parent_cid, beside_base_name(parent->name));
}

/* ---- opening ---- */

static struct vmdk *vmdk_new(unsigned extents)
{
	struct vmdk *v = calloc(1, sizeof(*v) + extents * sizeof(v->extents[0]));

	if (!v)
		return NULL;
	v->cache = vmdk_cache_new();
	if (!v->cache) {
		free(v);
		return NULL;
	}
	v->extent_count = extents;
	for (unsigned i = 0; i < extents; i++)
		v->extents[i] = (struct vmdk_extent){ .file = FILE_CLOSED, .sparse.file = FILE_CLOSED };
	return v;
}

/*
 * The extent's file could not be opened for the reason in `cause`; says so once more, with the place that
 * named it.
 */
static int missing(const struct vmdk_extent_line *line, const char *name, int code, const struct error *cause,
                   struct error *e)
{
	if (code == -ENOENT)
		return error_set(e, code,
		                 "%s, line %u: \"%s\", a piece of this disk, is missing. Put all files of the disk "
		                 "into one folder, or download what is missing.",
		                 name, line->line, line->file);
	if (code == -EXDEV || code == -EACCES)
		return error_set(e, code,
		                 "%s, line %u: \"%s\", a piece of this disk, lies outside the appliance's folder, "
		                 "or may not be read. Vitrine opens only what lies beside the disk; copy it there.",
		                 name, line->line, line->file);
	return error_set(e, code, "%s, line %u: \"%s\", a piece of this disk, cannot be opened: %s", name, line->line,
	                 line->file, cause->code ? cause->text : strerror(-code));
}

static int open_flat(struct vmdk_extent *extent, const struct vmdk_extent_line *line, const struct file *file,
                     struct error *e)
{
	uint64_t offset = line->offset * DISK_SECTOR;

	extent->kind = EXTENT_FLAT;
	if (!range_within(offset, extent->length, file->size))
		return disk_truncated(e, file->name, file->size, offset + extent->length);
	return file_window(file, offset, extent->length, file->name, &extent->file, e);
}

static int open_sparse(struct vmdk *v, struct vmdk_extent *extent, const struct vmdk_extent_line *line,
                       const char *name, struct file *file, struct error *e)
{
	int r;

	extent->kind = EXTENT_SPARSE;
	r = vmdk_sparse_open(&extent->sparse, file, v->cache, (unsigned)(extent - v->extents), e);
	if (r < 0)
		return r;
	if (extent->sparse.capacity < extent->length)
		return error_set(e, -EINVAL,
		                 "%s, line %u: %llu sectors of \"%s\" are needed, but it has only %llu. It does not "
		                 "belong to this disk, or one of the two is damaged.",
		                 name, line->line, (unsigned long long)line->sectors, line->file,
		                 (unsigned long long)(extent->sparse.capacity / DISK_SECTOR));
	return vmdk_sparse_check_end(&extent->sparse, END_SAMPLES / v->extent_count + 1, e);
}

/* Who may write only a part of a disk cannot write the disk. */
static int refuse_part(const struct vmdk_extent_line *line, const char *name, struct error *e)
{
	return error_set(e, -ENOTSUP, "%s, line %u: a part of the disk is %s, so it cannot be written in place", name,
	                 line->line, line->access == VMDK_RW ? "only zeros" : "not to be written");
}

static int open_extent(struct disk *disk, struct vmdk_extent *extent, const struct vmdk_extent_line *line,
                       const struct files *files, struct error *e)
{
	const char *name = disk->name;
	struct error cause = { 0 };
	struct file file;
	int r;

	if (disk->in_place && (line->access != VMDK_RW || line->type == VMDK_ZERO))
		return refuse_part(line, name, e);
	if (line->access == VMDK_NOACCESS || line->type == VMDK_ZERO) {
		extent->kind = line->access == VMDK_NOACCESS ? EXTENT_NOACCESS : EXTENT_ZERO;
		return 0;
	}
	if (disk->in_place) {
		r = beside_open_writable(name, line->file, files, &file, e);
		if (r < 0)
			return r;
	} else {
		r = beside_open(name, line->file, files, &file, &cause);
		if (r < 0)
			return missing(line, name, r, &cause, e);
	}
	if (line->type == VMDK_FLAT)
		r = open_flat(extent, line, &file, e);
	else
		r = open_sparse(disk->private, extent, line, name, &file, e);
	file_close(&file);
	return r;
}

static int open_extents(struct disk *disk, const struct vmdk_descriptor *d, const struct files *files, struct error *e)
{
	struct vmdk *v;

	if (d->extent_count == 0)
		return error_set(e, -EINVAL,
		                 "%s lists no extents: it does not say where the disk's content is. The file is "
		                 "damaged; download or copy it again.",
		                 disk->name);
	v = disk->private = vmdk_new(d->extent_count);
	if (!v)
		return error_set(e, -ENOMEM, "%s: not enough memory", disk->name);
	for (unsigned i = 0; i < d->extent_count; i++) {
		struct vmdk_extent *extent = &v->extents[i];
		int r;

		extent->start = disk->capacity;
		extent->length = d->extents[i].sectors * DISK_SECTOR;
		r = open_extent(disk, extent, &d->extents[i], files, e);
		if (r < 0)
			return r;
		disk->capacity += extent->length;
		if (extent->kind == EXTENT_SPARSE && extent->sparse.compressed)
			disk->unit_limit = MAX(disk->unit_limit, extent->sparse.grain);
	}
	return 0;
}

static int open_separate(struct disk *disk, const struct file *file, const struct files *files, struct error *e)
{
	struct vmdk_descriptor d;
	int r = read_separate(file, &d, e);

	if (r < 0)
		return r;
	r = open_extents(disk, &d, files, e);
	if (r == 0)
		r = take_identity(disk, &d, e);
	if (r == 0 && disk->in_place)
		r = vmdk_make_writable(disk, file, 0, e);
	vmdk_descriptor_free(&d);
	return r;
}

/* The extent line of an embedded descriptor names a file that may have another name by now. */
static int take_embedded(struct disk *disk, const struct vmdk_sparse *s, struct error *e)
{
	struct vmdk_descriptor d;
	int r = read_embedded(s, &d, e);

	if (r < 0)
		return r;
	if (d.extent_count > 1)
		r = error_set(e, -ENOTSUP,
		              "%s is the first of %u pieces and has their list in it, which Vitrine does not play. "
		              "Convert a copy of it: qemu-img convert -O vmdk FILE NEW.vmdk",
		              s->file.name, d.extent_count);
	else
		r = take_identity(disk, &d, e);
	vmdk_descriptor_free(&d);
	return r;
}

/* The descriptor was looked for already, by the piece's name. */
static int refuse_piece(const struct disk *disk, const struct vmdk_sparse *s, struct error *e)
{
	char whole[BESIDE_NAME];

	if (whole_name(beside_base_name(beside_own_name(disk->name)), whole))
		return error_set(
			e, -ENOENT,
			"%s is one piece of a split disk, and \"%s\", which lists the pieces, is not beside it. "
			"Put all files of the disk into one folder.",
			disk->name, whole);
	if (s->never_alone)
		return error_set(
			e, -ENOENT,
			"%s is one piece of an ESX disk. Open the description of the disk instead: the .vmdk file "
			"beside it that names this one.",
			disk->name);
	return 0;
}

/* One sparse file that is the whole disk: monolithicSparse or streamOptimized. */
static int open_monolithic(struct disk *disk, const struct file *file, struct error *e)
{
	struct vmdk_extent *extent;
	struct vmdk *v;
	struct file own;
	int r;

	v = disk->private = vmdk_new(1);
	if (!v)
		return error_set(e, -ENOMEM, "%s: not enough memory", disk->name);
	extent = &v->extents[0];
	extent->kind = EXTENT_SPARSE;
	r = file_window(file, 0, file->size, file->name, &own, e);
	if (r < 0)
		return r;
	r = vmdk_sparse_open(&extent->sparse, &own, v->cache, 0, e);
	file_close(&own);
	if (r < 0)
		return r;
	if (extent->sparse.descriptor_length)
		r = take_embedded(disk, &extent->sparse, e);
	else
		r = refuse_piece(disk, &extent->sparse, e);
	if (r == 0)
		r = vmdk_sparse_check_end(&extent->sparse, END_SAMPLES, e);
	extent->length = disk->capacity = extent->sparse.capacity;
	disk->unit_limit = extent->sparse.compressed ? extent->sparse.grain : 0;
	if (r == 0 && disk->in_place)
		r = vmdk_make_writable(disk, &extent->sparse.file, extent->sparse.descriptor_offset, e);
	return r;
}

static int vmdk_open(struct disk *disk, struct file *file, const struct files *files, struct error *e)
{
	uint8_t head[512] = { 0 };
	int r = file_read(file, 0, head, (size_t)MIN(file->size, sizeof(head)));

	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", file->name, strerror(-r));
	if (vmdk_sparse_probe(head, sizeof(head)))
		r = open_monolithic(disk, file, e);
	else
		r = open_separate(disk, file, files, e);
	if (r == 0)
		file_close(file); /* the extents have their own handles */
	return r;
}

static void vmdk_close(struct disk *disk)
{
	struct vmdk *v = disk->private;

	if (!v)
		return;
	vmdk_end_writing(v);
	for (unsigned i = 0; i < v->extent_count; i++) {
		file_close(&v->extents[i].file);
		vmdk_sparse_close(&v->extents[i].sparse);
	}
	vmdk_cache_free(v->cache);
	free(v);
	disk->private = NULL;
}

static bool vmdk_probe(const struct file *file, const uint8_t *head, size_t head_length)
{
	(void)file;
	return vmdk_sparse_probe(head, head_length) || vmdk_descriptor_probe(head, head_length);
}

/* ---- reading ---- */

struct vmdk_extent *vmdk_find_extent(struct vmdk *v, uint64_t offset)
{
	unsigned low = 0, high = v->extent_count;

	while (high - low > 1) {
		unsigned middle = low + (high - low) / 2;

		if (v->extents[middle].start <= offset)
			low = middle;
		else
			high = middle;
	}
	return &v->extents[low];
}

static int map_sparse(const struct vmdk_extent *extent, uint64_t offset, uint64_t length,
                      struct disk_extent *ret_extent)
{
	int r = vmdk_sparse_map(&extent->sparse, offset, length, ret_extent);

	if (r == 0 && ret_extent->kind == DISK_PACKED) {
		/* A unit must not reach into the next extent, where other bytes are. */
		ret_extent->unit_length =
			(uint32_t)MIN(ret_extent->unit_length, extent->length - ret_extent->unit_offset);
		ret_extent->unit_offset += extent->start;
	}
	return r;
}

static int vmdk_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent)
{
	struct vmdk_extent *extent = vmdk_find_extent(disk->private, offset);

	offset -= extent->start;
	length = MIN(length, extent->length - offset);
	switch (extent->kind) {
	case EXTENT_FLAT:
		*ret_extent = (struct disk_extent){
			.kind = DISK_DATA,
			.length = length,
			.fd = extent->file.fd,
			.fd_offset = extent->file.start + offset,
		};
		return 0;
	case EXTENT_SPARSE:
		return map_sparse(extent, offset, length, ret_extent);
	case EXTENT_ZERO:
		*ret_extent = (struct disk_extent){ .kind = DISK_ZERO, .length = length };
		return 0;
	case EXTENT_NOACCESS:
		return -EACCES; /* the descriptor forbids even reading: the guest sees bad sectors there */
	}
	return -EINVAL;
}

static int vmdk_unpack(struct disk *disk, const struct disk_extent *unit, void *buffer)
{
	const struct vmdk_extent *extent = vmdk_find_extent(disk->private, unit->unit_offset);

	assert(extent->kind == EXTENT_SPARSE && unit->kind == DISK_PACKED);
	return vmdk_sparse_unpack(&extent->sparse, unit->unit_offset - extent->start, unit->unit_key, buffer,
	                          unit->unit_length);
}

const struct disk_format vmdk_format = {
	.name = "vmdk",
	.probe = vmdk_probe,
	.open = vmdk_open,
	.close = vmdk_close,
	.map = vmdk_map,
	.unpack = vmdk_unpack,
	.check_parent = vmdk_check_parent,
	.check_writable = vmdk_check_writable,
};
