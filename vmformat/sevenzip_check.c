/* SPDX-License-Identifier: MIT */
/*
 * libarchive allocates what a .7z's headers ask for. Here they are read before it sees them, along 7zFormat.txt of the
 * LZMA SDK, and with limits: strictly, for what we understand otherwise than libarchive does would be a way past them.
 */
#include <errno.h>
#include <libdeflate.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmformat/bytes.h"
#include "vmformat/disk.h"
#include "vmformat/sevenzip.h"

#define MAX_HEADER (16u << 20) /* SEVENZIP_MAX_MEMBERS with names of 1,000 characters */
#define MAX_CODERS 4u          /* BCJ2 and the three that pack its streams; also libarchive's limit */
#define MAX_STREAMS 8u         /* of a folder: BCJ2 has four in and one out, the other coders one of each */
#define MAX_LINK (64u << 10)   /* where a link leads: libarchive takes it into memory */

enum {
	START_HEADER = 32,
	AT_START_CRC = 8,
	AT_NEXT_OFFSET = 12,
	AT_NEXT_SIZE = 20,
	AT_NEXT_CRC = 28,
};

enum property {
	K_END = 0x00,
	K_HEADER = 0x01,
	K_ARCHIVE_PROPERTIES = 0x02,
	K_MAIN_STREAMS = 0x04,
	K_FILES = 0x05,
	K_PACK_INFO = 0x06,
	K_UNPACK_INFO = 0x07,
	K_SUBSTREAMS = 0x08,
	K_SIZE = 0x09,
	K_CRC = 0x0a,
	K_FOLDER = 0x0b,
	K_UNPACK_SIZE = 0x0c,
	K_SUBSTREAM_COUNTS = 0x0d,
	K_EMPTY_STREAM = 0x0e,
	K_EMPTY_FILE = 0x0f,
	K_ANTI = 0x10,
	K_CREATED = 0x12,
	K_ACCESSED = 0x13,
	K_MODIFIED = 0x14,
	K_ATTRIBUTES = 0x15,
	K_ENCODED_HEADER = 0x17,
};

enum method {
	METHOD_COPY = 0x00,
	METHOD_LZMA2 = 0x21,
	METHOD_LZMA = 0x030101,
	METHOD_BCJ2 = 0x0303011b,
	METHOD_PPMD = 0x030401,
	METHOD_ENCRYPTS = 0x06, /* the first byte of all that do */
};

struct coder {
	uint64_t method;
	const uint8_t *properties;
	uint64_t property_length;
};

struct folder {
	struct coder coders[MAX_CODERS];
	unsigned coder_count, out_count, in_count;
	unsigned main_out; /* the stream that is the folder's content */
	uint64_t sizes[MAX_STREAMS];
	uint64_t packed_size;
	uint64_t streams; /* files in it */
	bool has_digest;
};

/* What a header says about the bytes in the archive. */
struct streams {
	uint64_t pack_offset;
	uint64_t *packed; /* sizes, one after the other */
	uint64_t packed_count;
	struct folder *folders;
	uint64_t folder_count;
	uint64_t *sizes; /* of the files that are not empty */
	uint64_t count;
};

struct look {
	const struct file *file;
	struct error *e;
	const uint8_t *at, *end;
	int code; /* the first fault; then all reads are zeros */
};

static int fail(struct look *l, int code)
{
	if (l->code == 0)
		l->code = code;
	l->at = l->end;
	return l->code;
}

static int damaged(struct look *l)
{
	return fail(
		l,
		error_set(
			l->e, -EINVAL,
			"%s is damaged: its list of files is wrong. Download it again, or unpack it with 7-Zip first.",
			l->file->name));
}

static int too_many(struct look *l)
{
	return fail(l, error_set(l->e, -EFBIG, "%s has more than %u files, more than any appliance", l->file->name,
	                         SEVENZIP_MAX_MEMBERS));
}

static int encrypted(struct look *l)
{
	return fail(l, error_set(l->e, -ENOTSUP,
	                         "%s is encrypted. Unpack it with its password first, then open what was in it.",
	                         l->file->name));
}

int sevenzip_refuse_memory(const char *name, uint64_t memory, struct error *e)
{
	char wanted[32], limit[32];

	disk_amount(memory, wanted);
	disk_amount(SEVENZIP_MEMORY, limit);
	return error_set(e, -EFBIG,
	                 "%s was packed so that unpacking it takes %s of memory; Vitrine gives it %s. Unpack it with "
	                 "7-Zip first, then open what was in it.",
	                 name, wanted, limit);
}

/* ---- bytes, numbers, bits ---- */

/* NULL: there are fewer. */
static const uint8_t *take(struct look *l, uint64_t length)
{
	const uint8_t *bytes = l->at;

	if (length > (uint64_t)(l->end - l->at)) {
		damaged(l);
		return NULL;
	}
	l->at += length;
	return bytes;
}

static uint8_t take_byte(struct look *l)
{
	const uint8_t *byte = take(l, 1);

	return byte ? *byte : 0;
}

/* The leading ones of the first byte say how many bytes follow, the rest of it is the highest part. */
static uint64_t take_number(struct look *l)
{
	unsigned first = take_byte(l);
	uint64_t number = 0;

	for (unsigned i = 0; i < 8; i++) {
		if (!(first & 0x80u >> i)) {
			number |= (uint64_t)(first & (0x7fu >> i)) << (8 * i);
			break;
		}
		number |= (uint64_t)take_byte(l) << (8 * i);
	}
	if (number > INT64_MAX)
		damaged(l);
	return l->code < 0 ? 0 : number;
}

static uint64_t take_count(struct look *l, uint64_t limit)
{
	uint64_t count = take_number(l);

	if (count <= limit)
		return count;
	too_many(l);
	return 0;
}

/* The first is the highest bit of the first byte. */
static const uint8_t *take_bits(struct look *l, uint64_t count)
{
	return take(l, (count + 7) / 8);
}

static bool bit(const uint8_t *bits, uint64_t i)
{
	return bits && (bits[i / 8] & 0x80 >> i % 8);
}

static void expect(struct look *l, uint8_t property)
{
	if (take_byte(l) != property)
		damaged(l);
}

/* Sums. has[i]: is there one? NULL: the caller need not know. */
static void skip_digests(struct look *l, uint64_t count, struct folder *folders)
{
	bool all = take_byte(l);
	const uint8_t *bits = all ? NULL : take_bits(l, count);

	for (uint64_t i = 0; i < count && l->code == 0; i++) {
		bool has = all || bit(bits, i);

		if (folders)
			folders[i].has_digest = has;
		if (has)
			take(l, 4);
	}
}

/* ---- folders: what is packed together, by one or more coders ---- */

static void take_coder(struct look *l, struct folder *f, struct coder *coder)
{
	uint8_t flags = take_byte(l);
	unsigned id_length = flags & 0x0f;
	const uint8_t *id = take(l, id_length);
	uint64_t in = 1, out = 1;

	if (flags & 0xc0 || id_length > 8)
		damaged(l);
	for (unsigned i = 0; l->code == 0 && i < id_length; i++)
		coder->method = coder->method << 8 | id[i];
	if (l->code == 0 && id_length > 1 && id[0] == METHOD_ENCRYPTS)
		encrypted(l);
	if (flags & 0x10) {
		in = take_number(l);
		out = take_number(l);
	}
	if (l->code < 0 || in > MAX_STREAMS - f->in_count || out > MAX_STREAMS - f->out_count) {
		damaged(l);
		return;
	}
	f->in_count += (unsigned)in;
	f->out_count += (unsigned)out;
	if (flags & 0x20) {
		coder->property_length = take_number(l);
		coder->properties = take(l, coder->property_length);
	}
}

/* An output that is bound is the input of another coder; the one that is not is the content. */
static void take_bonds(struct look *l, struct folder *f)
{
	bool bound[MAX_STREAMS] = { false };
	unsigned bonds = f->out_count ? f->out_count - 1 : 0;

	for (unsigned i = 0; i < bonds && l->code == 0; i++) {
		uint64_t in = take_number(l), out = take_number(l);

		if (in >= f->in_count || out >= f->out_count || bound[out])
			damaged(l);
		else
			bound[out] = true;
	}
	if (l->code < 0 || !f->out_count || f->in_count <= bonds) {
		damaged(l);
		return;
	}
	while (bound[f->main_out])
		f->main_out++;
	for (unsigned i = 0, packed = f->in_count - bonds; packed > 1 && i < packed; i++)
		if (take_number(l) >= f->in_count)
			damaged(l);
}

static void take_folder(struct look *l, struct folder *f)
{
	uint64_t coders = take_number(l);

	if (coders > MAX_CODERS) {
		damaged(l);
		return;
	}
	f->coder_count = (unsigned)coders;
	for (unsigned i = 0; i < f->coder_count && l->code == 0; i++)
		take_coder(l, f, &f->coders[i]);
	take_bonds(l, f);
	f->streams = 1;
}

/* LZMA2's one byte: 0 to 40, for 4 KiB to 4 GiB. */
static uint64_t lzma2_dictionary(uint8_t code)
{
	return code < 40 ? (uint64_t)(2 | (code & 1)) << (code / 2 + 11) : UINT32_MAX;
}

static uint64_t coder_memory(struct look *l, const struct folder *f, const struct coder *coder)
{
	uint64_t sum = 0;

	switch (coder->method) {
	case METHOD_LZMA:
	case METHOD_PPMD: /* one byte, then the dictionary, or the memory of the model */
		if (coder->property_length >= 5)
			return le32_load(coder->properties + 1);
		damaged(l);
		return 0;
	case METHOD_LZMA2:
		if (coder->property_length >= 1)
			return lzma2_dictionary(coder->properties[0]);
		damaged(l);
		return 0;
	case METHOD_BCJ2: /* libarchive wants all its inputs but one beforehand; which one, the coders' order says */
		sum = f->packed_size;
		for (unsigned i = 0; i < f->out_count; i++)
			if (i != f->main_out && add_overflows(sum, f->sizes[i], &sum))
				sum = UINT64_MAX;
		return sum;
	default:
		return 0; /* small, or not supported: libarchive says so */
	}
}

static void check_memory(struct look *l, const struct folder *f)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < f->coder_count && l->code == 0; i++)
		if (add_overflows(sum, coder_memory(l, f, &f->coders[i]), &sum))
			sum = UINT64_MAX;
	if (sum > SEVENZIP_MEMORY)
		fail(l, sevenzip_refuse_memory(l->file->name, sum, l->e));
}

/* ---- streams ---- */

static void *allocate(struct look *l, uint64_t count, size_t size)
{
	void *items = l->code == 0 ? calloc(count + 1, size) : NULL;

	if (!items)
		fail(l, error_set(l->e, -ENOMEM, "%s: not enough memory", l->file->name));
	return items;
}

static void take_pack_info(struct look *l, struct streams *s)
{
	uint64_t count;

	s->pack_offset = take_number(l);
	count = take_count(l, SEVENZIP_MAX_MEMBERS * MAX_CODERS);
	expect(l, K_SIZE);
	s->packed = allocate(l, count, sizeof(*s->packed));
	for (s->packed_count = 0; s->packed_count < count && l->code == 0; s->packed_count++)
		s->packed[s->packed_count] = take_number(l);
	switch (take_byte(l)) {
	case K_END:
		return;
	case K_CRC:
		skip_digests(l, count, NULL);
		expect(l, K_END);
		return;
	default:
		damaged(l);
	}
}

/* Which of the packed streams is the next folder's first. */
static uint64_t take_packed(struct look *l, const struct streams *s, struct folder *f, uint64_t next)
{
	unsigned count;

	take_folder(l, f);
	count = l->code == 0 ? f->in_count - (f->out_count - 1) : 0;
	if (count > s->packed_count - next) {
		damaged(l);
		return next;
	}
	for (unsigned i = 0; i < count; i++)
		if (add_overflows(f->packed_size, s->packed[next + i], &f->packed_size))
			damaged(l);
	return next + count;
}

static void take_unpack_info(struct look *l, struct streams *s)
{
	uint64_t next = 0;

	expect(l, K_FOLDER);
	s->folder_count = take_count(l, SEVENZIP_MAX_MEMBERS);
	expect(l, 0); /* not somewhere else in the archive, which no program writes */
	s->folders = allocate(l, s->folder_count, sizeof(*s->folders));
	for (uint64_t i = 0; i < s->folder_count && l->code == 0; i++)
		next = take_packed(l, s, &s->folders[i], next);
	expect(l, K_UNPACK_SIZE);
	for (uint64_t i = 0; i < s->folder_count && l->code == 0; i++) {
		for (unsigned out = 0; out < s->folders[i].out_count; out++)
			s->folders[i].sizes[out] = take_number(l);
		check_memory(l, &s->folders[i]);
	}
	switch (take_byte(l)) {
	case K_END:
		return;
	case K_CRC:
		skip_digests(l, s->folder_count, s->folders);
		expect(l, K_END);
		return;
	default:
		damaged(l);
	}
}

/* All but a folder's last are said; the last is what is left. */
static void take_folder_sizes(struct look *l, struct streams *s, const struct folder *f, bool said)
{
	uint64_t left = f->sizes[f->main_out];

	if (!f->streams)
		return;
	if (f->streams > 1 && !said)
		damaged(l);
	for (uint64_t i = 1; i < f->streams && l->code == 0; i++) {
		uint64_t size = take_number(l);

		if (size > left)
			damaged(l);
		left -= MIN(size, left);
		s->sizes[s->count++] = size;
	}
	if (l->code == 0)
		s->sizes[s->count++] = left;
}

static uint8_t take_substream_counts(struct look *l, struct streams *s, uint64_t *ret_total)
{
	uint8_t property = take_byte(l);

	*ret_total = s->folder_count;
	if (property != K_SUBSTREAM_COUNTS)
		return property;
	*ret_total = 0;
	for (uint64_t i = 0; i < s->folder_count && l->code == 0; i++) {
		s->folders[i].streams = take_count(l, SEVENZIP_MAX_MEMBERS - *ret_total);
		*ret_total += s->folders[i].streams;
	}
	return take_byte(l);
}

static void take_substreams(struct look *l, struct streams *s)
{
	uint64_t total, digests = 0;
	uint8_t property = take_substream_counts(l, s, &total);
	bool said = property == K_SIZE;

	s->sizes = allocate(l, total, sizeof(*s->sizes));
	for (uint64_t i = 0; i < s->folder_count && l->code == 0; i++) {
		const struct folder *f = &s->folders[i];

		take_folder_sizes(l, s, f, said);
		digests += f->streams != 1 || !f->has_digest ? f->streams : 0;
	}
	if (said)
		property = take_byte(l);
	if (property == K_CRC) {
		skip_digests(l, digests, NULL);
		property = take_byte(l);
	}
	if (property != K_END)
		damaged(l);
}

static void take_streams(struct look *l, struct streams *s)
{
	uint8_t property = take_byte(l);

	if (property == K_PACK_INFO) {
		take_pack_info(l, s);
		property = take_byte(l);
	}
	if (property == K_UNPACK_INFO) {
		take_unpack_info(l, s);
		property = take_byte(l);
	}
	if (property == K_SUBSTREAMS) {
		take_substreams(l, s);
		property = take_byte(l);
	}
	if (property != K_END)
		damaged(l);
}

static void free_streams(struct streams *s)
{
	free(s->packed);
	free(s->folders);
	free(s->sizes);
}

/* ---- the files ---- */

struct files_info {
	uint64_t count, empty_count;
	const uint8_t *empty; /* bits: has no stream */
	bool has_attributes;
};

static void take_empty(struct look *l, struct files_info *files)
{
	if (files->empty || files->has_attributes) { /* 7-Zip writes it once, and first */
		damaged(l);
		return;
	}
	files->empty = take_bits(l, files->count);
	for (uint64_t i = 0; i < files->count; i++)
		files->empty_count += bit(files->empty, i);
}

static void skip_times(struct look *l, uint64_t count)
{
	bool all = take_byte(l);
	const uint8_t *defined = all ? NULL : take_bits(l, count);

	expect(l, 0); /* not somewhere else in the archive */
	for (uint64_t i = 0; i < count && l->code == 0; i++)
		if (all || bit(defined, i))
			take(l, 8);
}

/* As libarchive reads them: the byte before the bits, which is the wrong way round but for "all". */
static void check_links(struct look *l, const struct streams *s, struct files_info *files)
{
	bool all = take_byte(l);
	const uint8_t *defined = (take_byte(l), all) ? NULL : take_bits(l, files->count);
	uint64_t next = 0;

	if (files->has_attributes)
		damaged(l);
	files->has_attributes = true;
	for (uint64_t i = 0; i < files->count && l->code == 0; i++) {
		uint64_t size = !bit(files->empty, i) && next < s->count ? s->sizes[next++] : 0;
		const uint8_t *attributes = all || bit(defined, i) ? take(l, 4) : NULL;

		if (attributes && S_ISLNK(le32_load(attributes) >> 16) && size > MAX_LINK)
			damaged(l);
	}
}

/* What libarchive reads by its own count must be as long as it is said to be: else it goes on elsewhere than we do. */
static void take_files_property(struct look *l, uint8_t property, const struct streams *s, struct files_info *files)
{
	uint64_t size = take_number(l);
	const uint8_t *start = l->at;

	switch (property) {
	case K_EMPTY_STREAM:
		take_empty(l, files);
		break;
	case K_EMPTY_FILE:
	case K_ANTI:
		take(l, files->empty_count ? (files->empty_count + 7) / 8 : size);
		break;
	case K_CREATED:
	case K_ACCESSED:
	case K_MODIFIED:
		skip_times(l, files->count);
		break;
	case K_ATTRIBUTES:
		check_links(l, s, files);
		break;
	default:
		take(l, size);
	}
	if (l->code == 0 && (uint64_t)(l->at - start) != size)
		damaged(l);
}

static void take_files(struct look *l, const struct streams *s)
{
	struct files_info files = { .count = take_count(l, SEVENZIP_MAX_MEMBERS) };

	while (l->code == 0) {
		uint8_t property = take_byte(l);

		if (property == K_END)
			return;
		take_files_property(l, property, s, &files);
	}
}

static void take_header(struct look *l)
{
	struct streams s = { 0 };
	uint8_t property = take_byte(l);

	if (property == K_ARCHIVE_PROPERTIES) { /* none was ever defined */
		damaged(l);
		return;
	}
	if (property == K_MAIN_STREAMS) {
		take_streams(l, &s);
		property = take_byte(l);
	}
	if (property == K_FILES) {
		take_files(l, &s);
		property = take_byte(l);
	}
	if (property != K_END)
		damaged(l);
	free_streams(&s);
}

/* ---- a header that is packed itself ---- */

static int decode_filter(const struct coder *coder, uint64_t size, lzma_filter *filter)
{
	lzma_options_lzma *options;

	filter->id = coder->method == METHOD_LZMA2 ? LZMA_FILTER_LZMA2 : LZMA_FILTER_LZMA1;
	if (lzma_properties_decode(filter, NULL, coder->properties, (size_t)coder->property_length) != LZMA_OK)
		return -EINVAL;
	options = filter->options; /* no match leads to before the beginning */
	options->dict_size = MIN(options->dict_size, (uint32_t)MAX(size, LZMA_DICT_SIZE_MIN));
	return 0;
}

static int decode(const struct coder *coder, const uint8_t *from, uint64_t length, uint8_t *to, uint64_t size)
{
	lzma_filter filters[] = { { 0 }, { .id = LZMA_VLI_UNKNOWN } };
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_ret code = LZMA_OK;
	int r;

	if (coder->method == METHOD_COPY) {
		memcpy(to, from, MIN(length, size));
		return length == size ? 0 : -EINVAL;
	}
	r = decode_filter(coder, size, filters);
	if (r < 0)
		return r;
	if (lzma_raw_decoder(&s, filters) == LZMA_OK) {
		s.next_in = from;
		s.avail_in = (size_t)length;
		s.next_out = to;
		s.avail_out = (size_t)size;
		while (code == LZMA_OK && s.avail_out)
			code = lzma_code(&s, LZMA_FINISH);
	}
	r = s.total_out == size ? 0 : -EINVAL;
	lzma_end(&s);
	free(filters[0].options);
	return r;
}

/* ret_header is malloc'ed; what it is made of lies in the archive. */
static int unpack_header(struct look *l, const struct streams *s, uint8_t **ret_header, uint64_t *ret_size)
{
	const struct folder *f = s->folders;
	uint64_t method = f->coders[0].method, size = f->sizes[0], offset, length = f->packed_size;
	uint8_t *packed;
	int r;

	if (f->coder_count != 1 || f->out_count != 1 || f->in_count != 1 || !size || size > MAX_HEADER ||
	    length > MAX_HEADER || (method != METHOD_COPY && method != METHOD_LZMA && method != METHOD_LZMA2) ||
	    add_overflows(s->pack_offset, (uint64_t)START_HEADER, &offset))
		return damaged(l);
	packed = malloc((size_t)length + 1);
	*ret_header = malloc((size_t)size);
	*ret_size = size;
	r = packed && *ret_header ? file_read(l->file, offset, packed, (size_t)length) : -ENOMEM;
	if (r == 0 && decode(&f->coders[0], packed, length, *ret_header, size) < 0)
		r = damaged(l);
	free(packed);
	return r < 0 ? fail(l, error_set(l->e, r, "%s cannot be read: %s", l->file->name, strerror(-r))) : 0;
}

static void take_encoded_header(struct look *l)
{
	struct streams s = { 0 };
	uint8_t *header = NULL;
	uint64_t size = 0;

	take_streams(l, &s);
	if (l->code == 0 && s.folder_count != 1)
		damaged(l);
	if (l->code == 0 && unpack_header(l, &s, &header, &size) == 0) {
		l->at = header;
		l->end = header + size;
		expect(l, K_HEADER); /* packed once, not twice */
		if (l->code == 0)
			take_header(l);
	}
	free(header);
	free_streams(&s);
}

/* ---- the file ---- */

/* *ret_header is malloc'ed. NULL: there are no files in it. */
static int read_next_header(const struct file *file, uint8_t **ret_header, size_t *ret_size, struct error *e)
{
	uint8_t start[START_HEADER], *header;
	uint64_t offset, size, end;
	int r = file_read(file, 0, start, sizeof(start));

	*ret_header = NULL;
	if (r == -ENODATA)
		return disk_truncated(e, file->name, file->size, 0);
	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", file->name, strerror(-r));
	offset = le64_load(start + AT_NEXT_OFFSET);
	size = le64_load(start + AT_NEXT_SIZE);
	if (le32_load(start + AT_START_CRC) !=
	            libdeflate_crc32(0, start + AT_NEXT_OFFSET, START_HEADER - AT_NEXT_OFFSET) ||
	    add_overflows(offset, size, &end) || add_overflows(end, (uint64_t)START_HEADER, &end))
		return error_set(e, -EINVAL, "%s is damaged: its first %u bytes are wrong. Download it again.",
		                 file->name, START_HEADER);
	if (end > file->size)
		return disk_truncated(e, file->name, file->size, end);
	if (size > MAX_HEADER)
		return error_set(e, -EFBIG, "%s has a list of files longer than that of any appliance", file->name);
	if (!size)
		return 0;
	header = malloc((size_t)size);
	r = header ? file_read(file, START_HEADER + offset, header, (size_t)size) : -ENOMEM;
	if (r == 0 && le32_load(start + AT_NEXT_CRC) != libdeflate_crc32(0, header, (size_t)size))
		r = error_set(e, -EINVAL,
		              "%s is damaged: the checksum of its list of files is wrong. Download it again.",
		              file->name);
	if (r < 0) {
		free(header);
		return error_set(e, r, "%s cannot be read: %s", file->name, strerror(-r));
	}
	*ret_header = header;
	*ret_size = (size_t)size;
	return 0;
}

int sevenzip_check(const struct file *file, struct error *e)
{
	struct look l = { .file = file, .e = e };
	uint8_t *header;
	size_t size;
	int r = read_next_header(file, &header, &size, e);

	if (r < 0 || !header)
		return r;
	l.at = header;
	l.end = header + size;
	switch (take_byte(&l)) {
	case K_HEADER:
		take_header(&l);
		break;
	case K_ENCODED_HEADER:
		take_encoded_header(&l);
		break;
	default:
		damaged(&l);
	}
	free(header);
	return l.code;
}
