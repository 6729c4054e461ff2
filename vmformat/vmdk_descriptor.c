/* SPDX-License-Identifier: MIT */
#include "vmformat/vmdk.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/vmx_encoding.h"

#define DEVICE_REASON "stands for a device of another computer; its content is not in this file."
#define VSAN_REASON                                                                                                  \
	"is kept in ESXi's own storage (vSAN), not in this file. Export the machine as OVF, or clone the disk with " \
	"vmkfstools -i."

/*
 * Chapter "The Descriptor File", createType. reason NULL: played; what its extents are is told by their
 * lines.
 */
static const struct create_type {
	const char *name, *reason;
} create_types[] = {
	{ "monolithicSparse", NULL },
	{ "monolithicFlat", NULL },
	{ "twoGbMaxExtentSparse", NULL },
	{ "twoGbMaxExtentFlat", NULL },
	{ "2GbMaxExtentSparse", NULL }, /* older spellings, seen in VMware Server's disks */
	{ "2GbMaxExtentFlat", NULL },
	{ "streamOptimized", NULL },
	{ "vmfs", NULL },
	{ "vmfsPreallocated", NULL },
	{ "vmfsEagerZeroedThick", NULL },
	{ "vmfsThin", NULL },
	{ "custom", NULL },
	{ "fullDevice", DEVICE_REASON },
	{ "partitionedDevice", DEVICE_REASON },
	{ "vmfsRaw", DEVICE_REASON },
	{ "vmfsRawDeviceMap", DEVICE_REASON },
	{ "vmfsRDM", DEVICE_REASON },
	{ "vmfsPassthroughRawDeviceMap", DEVICE_REASON },
	{ "vmfsRDMP", DEVICE_REASON },
	{ "vmfsSparse", NULL },
	{ "vmfsSesparse", NULL },
	{ "seSparse", NULL },
	{ "vsanSparse", VSAN_REASON },
};

static const struct extent_type {
	const char *name, *reason;
	enum vmdk_type type;
} extent_types[] = {
	{ "FLAT", NULL, VMDK_FLAT },      { "SPARSE", NULL, VMDK_SPARSE },     { "ZERO", NULL, VMDK_ZERO },
	{ "VMFS", NULL, VMDK_FLAT },      { "VMFSSPARSE", NULL, VMDK_SPARSE }, { "SESPARSE", NULL, VMDK_SPARSE },
	{ "VSANSPARSE", VSAN_REASON, 0 }, { "VMFSRDM", DEVICE_REASON, 0 },     { "VMFSRAW", DEVICE_REASON, 0 },
};

static const char *const accesses[] = {
	[VMDK_RW] = "RW",
	[VMDK_RDONLY] = "RDONLY",
	[VMDK_NOACCESS] = "NOACCESS",
};

/* A piece of the text; nothing is copied until it is kept. */
struct span {
	const char *at;
	size_t length;
};

struct parser {
	struct span rest; /* what is not read yet */
	unsigned line;    /* 1-based number of the line in work */
	const char *name, *text;
	struct error *e;
	struct vmdk_descriptor *d;
	unsigned room;    /* allocated d->extents */
	uint64_t sectors; /* sum over extents */
	enum vmx_encoding encoding;
	bool has_parent_cid;
	struct span hint; /* length 0: none */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span s)
{
	while (s.length && is_blank(s.at[0]))
		s = (struct span){ s.at + 1, s.length - 1 };
	while (s.length && is_blank(s.at[s.length - 1]))
		s.length--;
	return s;
}

static bool span_is(struct span s, const char *text)
{
	return s.length == strlen(text) && strncasecmp(s.at, text, s.length) == 0;
}

/* For messages: "%.*s" of at most so much foreign text. */
static int shown(struct span s)
{
	return (int)MIN(s.length, 200u);
}

static bool next_line(struct parser *p, struct span *ret_line)
{
	const char *end;
	size_t length;

	if (!p->rest.length)
		return false;
	end = memchr(p->rest.at, '\n', p->rest.length);
	length = end ? (size_t)(end - p->rest.at) : p->rest.length;
	*ret_line = trim((struct span){ p->rest.at, length });
	length += end != NULL;
	p->rest = (struct span){ p->rest.at + length, p->rest.length - length };
	p->line++;
	return true;
}

/*
 * Takes the next word (or quoted string, without its quotes) from *s. False: there is none, or its quote does
 * not end.
 */
static bool next_word(struct span *s, struct span *ret_word)
{
	bool quoted;
	size_t length = 0;

	*s = trim(*s);
	if (!s->length)
		return false;
	quoted = s->at[0] == '"';
	if (quoted)
		*s = (struct span){ s->at + 1, s->length - 1 };
	while (length < s->length && (quoted ? s->at[length] != '"' : !is_blank(s->at[length])))
		length++;
	if (quoted && length == s->length)
		return false;
	*ret_word = (struct span){ s->at, length };
	length += quoted;
	*s = (struct span){ s->at + length, s->length - length };
	return true;
}

static bool parse_number(struct span s, uint64_t *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.length; i++)
		if (s.at[i] < '0' || s.at[i] > '9' || mul_overflows(n, 10, &n) ||
		    add_overflows(n, (uint64_t)(s.at[i] - '0'), &n))
			return false;
	*ret = n;
	return s.length > 0;
}

static int bad_extent(const struct parser *p, const char *what)
{
	return error_set(p->e, -EINVAL,
	                 "%s, line %u: %s. An extent is written like: RW 4192256 SPARSE \"disk-s001.vmdk\". "
	                 "The file is damaged; download or copy it again.",
	                 p->name, p->line, what);
}

static bool find_access(struct span word, enum vmdk_access *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++)
		if (span_is(word, accesses[i])) {
			*ret = i;
			return true;
		}
	return false;
}

static int find_type(const struct parser *p, struct span word, enum vmdk_type *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(extent_types); i++) {
		if (!span_is(word, extent_types[i].name))
			continue;
		if (extent_types[i].reason)
			return error_set(p->e, -ENOTSUP, "%s, line %u: %s %s", p->name, p->line, extent_types[i].name,
			                 extent_types[i].reason);
		*ret = extent_types[i].type;
		return 0;
	}
	return error_set(p->e, -ENOTSUP,
	                 "%s, line %u: the extent type \"%.*s\" is unknown; Vitrine plays FLAT, SPARSE, ZERO, "
	                 "VMFS, VMFSSPARSE and SESPARSE",
	                 p->name, p->line, shown(word), word.at);
}

/*
 * Names are in the text's encoding; files that came to this computer have theirs in UTF-8. Some texts are,
 * whatever they say.
 */
static char *copy_name(const struct parser *p, struct span name)
{
	bool damaged;

	if (p->encoding == VMX_UTF_8 || utf8_valid(name.at, name.length))
		return strndup(name.at, name.length);
	return vmx_decode(p->encoding, name.at, name.length, &damaged);
}

static int append(struct parser *p, struct vmdk_extent_line *extent, struct span file)
{
	struct vmdk_descriptor *d = p->d;

	if (d->extent_count == VMDK_MAX_EXTENTS)
		return error_set(p->e, -EFBIG, "%s, line %u: the disk has more than %u pieces, Vitrine's limit",
		                 p->name, p->line, VMDK_MAX_EXTENTS);
	if (d->extent_count == p->room) {
		unsigned room = p->room ? 2 * p->room : 4;
		struct vmdk_extent_line *grown = reallocarray(d->extents, room, sizeof(*grown));

		if (!grown)
			return error_set(p->e, -ENOMEM, "%s: not enough memory", p->name);
		d->extents = grown;
		p->room = room;
	}
	extent->file = copy_name(p, file);
	if (!extent->file)
		return error_set(p->e, -ENOMEM, "%s: not enough memory", p->name);
	d->extents[d->extent_count++] = *extent;
	return 0;
}

/* The file name and, for flat extents, the offset. */
static int parse_extent_file(const struct parser *p, struct span line, struct vmdk_extent_line *extent,
                             struct span *ret_file)
{
	struct span word;

	if (extent->type == VMDK_ZERO)
		return 0;
	if (!next_word(&line, ret_file) || !ret_file->length)
		return bad_extent(p, "the file name is missing or its quote does not end");
	if (extent->type == VMDK_FLAT && next_word(&line, &word) && !parse_number(word, &extent->offset))
		return bad_extent(p, "the offset is no number");
	if (extent->offset > VMDK_MAX_CAPACITY / DISK_SECTOR)
		return bad_extent(p, "the offset is behind the end of any file");
	return 0;
}

static int parse_extent(struct parser *p, struct span line, enum vmdk_access access)
{
	struct vmdk_extent_line extent = { .access = access, .line = p->line };
	struct span word, file = { "", 0 };
	int r;

	if (!next_word(&line, &word) || !parse_number(word, &extent.sectors) || extent.sectors == 0)
		return bad_extent(p, "the number of sectors is missing, zero or no number");
	if (!next_word(&line, &word))
		return bad_extent(p, "the type of the extent is missing");
	r = find_type(p, word, &extent.type);
	if (r < 0)
		return r;
	r = parse_extent_file(p, line, &extent, &file);
	if (r < 0)
		return r;
	if (add_overflows(p->sectors, extent.sectors, &p->sectors) || p->sectors > VMDK_MAX_CAPACITY / DISK_SECTOR)
		return error_set(p->e, -EFBIG,
		                 "%s, line %u: the disk has more than 64 TiB up to here, more than VMware allows",
		                 p->name, p->line);
	return append(p, &extent, file);
}

static int take_create_type(struct parser *p, struct span value)
{
	for (unsigned i = 0; i < ARRAY_SIZE(create_types); i++) {
		if (!span_is(value, create_types[i].name))
			continue;
		if (create_types[i].reason)
			return error_set(p->e, -ENOTSUP, "%s, line %u: a %s disk %s", p->name, p->line,
			                 create_types[i].name, create_types[i].reason);
		free(p->d->create_type);
		p->d->create_type = strdup(create_types[i].name);
		return p->d->create_type ? 0 : error_set(p->e, -ENOMEM, "%s: not enough memory", p->name);
	}
	return error_set(p->e, -ENOTSUP, "%s, line %u: the disk type \"%.*s\" is unknown to Vitrine", p->name, p->line,
	                 shown(value), value.at);
}

/* Content IDs are written as up to 8 hexadecimal digits. */
static bool parse_cid(struct span value, uint32_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < value.length; i++) {
		char c = value.at[i];

		if (!isxdigit((unsigned char)c))
			return false;
		*ret = *ret << 4 | (uint32_t)(isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value.length >= 1 && value.length <= 8;
}

/* Only a disk that lies over this one asks for it. */
static int take_cid(struct parser *p, struct span value)
{
	p->d->has_cid = parse_cid(value, &p->d->cid);
	if (p->d->has_cid) {
		p->d->cid_offset = (size_t)(value.at - p->text);
		p->d->cid_length = value.length;
	}
	return 0;
}

static int take_parent_cid(struct parser *p, struct span value)
{
	if (!parse_cid(value, &p->d->parent_cid))
		return error_set(
			p->e, -EINVAL,
			"%s, line %u: \"%.*s\" is no content ID, which has up to 8 hexadecimal digits. The file "
			"is damaged; download or copy it again.",
			p->name, p->line, shown(value), value.at);
	p->has_parent_cid = true;
	p->d->is_delta = p->d->parent_cid != VMDK_NO_PARENT;
	p->d->parent_line = p->line;
	return 0;
}

static int take_parent_hint(struct parser *p, struct span value)
{
	p->hint = value;
	if (!p->has_parent_cid)
		p->d->parent_line = p->line;
	return 0;
}

static int take_change_track(struct parser *p, struct span value)
{
	p->d->tracks_changes = value.length > 0;
	return 0;
}

static int take_version(struct parser *p, struct span value)
{
	uint64_t version;

	/* All three describe extents alike. */
	if (parse_number(value, &version) && version >= 1 && version <= 3)
		return 0;
	return error_set(p->e, -ENOTSUP, "%s, line %u: the descriptor has version %.*s; Vitrine knows 1 to 3", p->name,
	                 p->line, shown(value), value.at);
}

static int take_encoding(struct parser *p, struct span value)
{
	char name[32];

	snprintf(name, sizeof(name), "%.*s", (int)MIN(value.length, sizeof(name)), value.at);
	p->encoding = vmx_encoding_find(name);
	return 0;
}

static const struct {
	const char *name;
	int (*take)(struct parser *p, struct span value);
} keys[] = {
	{ "version", take_version },
	{ "encoding", take_encoding },
	{ "createType", take_create_type },
	{ "CID", take_cid },
	{ "parentCID", take_parent_cid },
	{ "parentFileNameHint", take_parent_hint },
	{ "changeTrackPath", take_change_track },
};

static int parse_key(struct parser *p, struct span line)
{
	const char *equals = memchr(line.at, '=', line.length);
	struct span key, value, word;

	if (!equals)
		return error_set(p->e, -EINVAL,
		                 "%s, line %u: \"%.*s\" is neither a comment, an extent nor key = value. The file is "
		                 "damaged; download or copy it again.",
		                 p->name, p->line, shown(line), line.at);
	key = trim((struct span){ line.at, (size_t)(equals - line.at) });
	value = (struct span){ equals + 1, line.length - (size_t)(equals + 1 - line.at) };
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		if (span_is(key, keys[i].name))
			return next_word(&value, &word) ? keys[i].take(p, word) : 0;
	return 0; /* the disk data base and what others add say nothing about where bytes are */
}

static int parse_line(struct parser *p, struct span line)
{
	struct span rest = line, word;
	enum vmdk_access access;

	if (!line.length || line.at[0] == '#')
		return 0;
	if (next_word(&rest, &word) && find_access(word, &access) && trim(rest).length && trim(rest).at[0] != '=')
		return parse_extent(p, rest, access);
	return parse_key(p, line);
}

/* The encoding may be declared behind the name: hence at the end. */
static int take_parent(struct parser *p)
{
	struct vmdk_descriptor *d = p->d;

	if (!p->hint.length && !d->is_delta)
		return 0;
	if (!p->hint.length)
		return error_set(
			p->e, -EINVAL,
			"%s, line %u: this disk has only what changed since a snapshot, but does not say of which "
			"disk (parentFileNameHint). The file is damaged; download or copy it again.",
			p->name, d->parent_line);
	if (!p->has_parent_cid)
		return error_set(
			p->e, -EINVAL,
			"%s, line %u: this disk has only what changed since a snapshot of \"%.*s\", but not the "
			"content ID that tells the right one (parentCID). The file is damaged; download or copy "
			"it again.",
			p->name, d->parent_line, shown(p->hint), p->hint.at);
	if (!d->is_delta) /* ffffffff: what is left of a parent that was merged */
		return 0;
	d->parent_hint = copy_name(p, p->hint);
	return d->parent_hint ? 0 : error_set(p->e, -ENOMEM, "%s: not enough memory", p->name);
}

static int parse_lines(struct parser *p)
{
	struct span line;

	while (next_line(p, &line)) {
		int r = parse_line(p, line);

		if (r < 0)
			return r;
	}
	if (!p->d->create_type)
		p->d->create_type = strdup("");
	return p->d->create_type ? take_parent(p) : error_set(p->e, -ENOMEM, "%s: not enough memory", p->name);
}

int vmdk_descriptor_parse(const char *text, size_t length, const char *name, struct vmdk_descriptor *ret,
                          struct error *e)
{
	struct parser p = { .rest = { text, length }, .text = text, .name = name, .e = e, .d = ret };
	int r;

	*ret = (struct vmdk_descriptor){ 0 };
	if (length > VMDK_MAX_DESCRIPTOR)
		return error_set(e, -EFBIG, "%s: the description of the disk has %zu bytes; Vitrine reads up to 1 MiB",
		                 name, length);
	if (memchr(text, 0, length))
		return error_set(e, -EINVAL,
		                 "%s: there are zero bytes in the description of the disk. The file is damaged; "
		                 "download or copy it again.",
		                 name);
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* editors on Windows put it there */
		p.rest = (struct span){ text + 3, length - 3 };
	r = parse_lines(&p);
	if (r < 0)
		vmdk_descriptor_free(ret);
	return r;
}

void vmdk_descriptor_free(struct vmdk_descriptor *d)
{
	for (unsigned i = 0; i < d->extent_count; i++)
		free(d->extents[i].file);
	free(d->extents);
	free(d->create_type);
	free(d->parent_hint);
	*d = (struct vmdk_descriptor){ 0 };
}

bool vmdk_descriptor_probe(const uint8_t *head, size_t length)
{
	static const char signature[] = "Disk DescriptorFile";
	struct parser p = { .rest = { (const char *)head, MIN(length, 4096u) } };
	struct span line;

	if (length >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0)
		p.rest = (struct span){ p.rest.at + 3, p.rest.length - 3 };
	while (next_line(&p, &line)) {
		if (!line.length)
			continue;
		if (line.at[0] != '#')
			return false;
		line = trim((struct span){ line.at + 1, line.length - 1 });
		if (line.length >= sizeof(signature) - 1 && strncasecmp(line.at, signature, sizeof(signature) - 1) == 0)
			return true;
	}
	return false;
}
