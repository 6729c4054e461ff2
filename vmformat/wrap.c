/* SPDX-License-Identifier: MIT */
#include "vmformat/wrap.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "vmformat/bytes.h"
#include "vmformat/gz.h"
#include "vmformat/packed.h"
#include "vmformat/sevenzip.h"
#include "vmformat/unpack.h"
#include "vmformat/wrap_choose.h"
#include "vmformat/xz.h"
#include "vmformat/zip.h"
#include "vmformat/zipped.h"

#define CHUNK (256u << 10)
#define SAMPLE (64u << 10)
#define NOT_KEPT UINT32_MAX

static_assert(GZ_KEY == UNPACK_KEY, "one key for both kinds of what is kept");

struct member {
	char *name;
	uint64_t offset, size; /* in the file, unless it is kept */
	unsigned kept;         /* which one of unpack's files, or NOT_KEPT */
};

struct wrap {
	struct file file;
	struct files files;
	const struct files *outer;
	char fingerprint[33];
	uint8_t key[UNPACK_KEY];
	char *title;  /* what a new state folder is called */
	char *folder; /* of the member that was chosen, with its slash: names are relative to it */
	struct member *members;
	unsigned count;
	struct unpack *unpack;
	struct gz_index *gz_index;
};

static int no_memory(const struct wrap *w, struct error *e)
{
	return error_set(e, -ENOMEM, "%s: not enough memory", w->file.name);
}

static const char *base_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

bool wrap_leads_outside(const char *name)
{
	if (name[0] == '/' || name[0] == '\\' || (name[0] && name[1] == ':'))
		return true;
	for (const char *at = name; at; at = strpbrk(at, "/\\"), at = at ? at + 1 : NULL)
		if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || at[2] == '\\' || !at[2]))
			return true;
	return false;
}

char *wrap_strip_name(const char *name)
{
	static const char *const endings[] = { ".gz", ".xz", ".zip", ".7z" };
	const char *base = base_of(name), *dot = strrchr(base, '.');

	for (size_t i = 0; dot && dot != base && i < ARRAY_SIZE(endings); i++)
		if (!strcasecmp(dot, endings[i]))
			return strndup(name, (size_t)(dot - name));
	return strdup(name);
}

/* ---- who it is ---- */

static int hash_part(struct sha256_ctx *hash, const struct file *f, uint64_t offset, uint8_t *buffer)
{
	size_t length = (size_t)MIN(f->size - offset, SAMPLE);
	int r = file_read(f, offset, buffer, length);

	if (r == 0)
		sha256_update(hash, length, buffer);
	return r;
}

/* Its end has the sums of all that is in it: gzip's CRC-32, xz's index, a zip's directory, a .7z's header. */
static int hash_content(const struct file *f, uint8_t ret_digest[SHA256_DIGEST_SIZE])
{
	static const char purpose[] = "a packed appliance";
	uint8_t *buffer = malloc(SAMPLE), size[8];
	struct sha256_ctx hash;
	int r = buffer ? 0 : -ENOMEM;

	le64_store(size, f->size);
	sha256_init(&hash);
	sha256_update(&hash, sizeof(purpose), (const uint8_t *)purpose);
	sha256_update(&hash, sizeof(size), size);
	if (r == 0)
		r = hash_part(&hash, f, 0, buffer);
	if (r == 0)
		r = hash_part(&hash, f, f->size - MIN(f->size, SAMPLE), buffer);
	free(buffer);
	sha256_digest(&hash, SHA256_DIGEST_SIZE, ret_digest);
	return r;
}

/* The fingerprint stays when the file is copied; what was made of it is also bound to when it was last written. */
static int identify(struct wrap *w, struct error *e)
{
	uint8_t digest[SHA256_DIGEST_SIZE], times[16];
	struct sha256_ctx hash;
	struct stat st;
	int r = hash_content(&w->file, digest);

	if (r == 0 && fstat(w->file.fd, &st) < 0)
		r = -errno;
	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", w->file.name, strerror(-r));
	for (unsigned i = 0; i < 16; i++)
		snprintf(w->fingerprint + 2 * i, 3, "%02x", digest[i]);
	le64_store(times, (uint64_t)st.st_mtim.tv_sec);
	le64_store(times + 8, (uint64_t)st.st_mtim.tv_nsec);
	sha256_init(&hash);
	sha256_update(&hash, sizeof(digest), digest);
	sha256_update(&hash, sizeof(times), times);
	sha256_digest(&hash, sizeof(w->key), w->key);
	return 0;
}

/* ---- members ---- */

static const struct member *find(const struct wrap *w, const char *folder, const char *name,
                                 int (*compare)(const char *, const char *))
{
	size_t length = strlen(folder);

	for (unsigned i = 0; i < w->count; i++)
		if (!strncmp(w->members[i].name, folder, length) && !compare(w->members[i].name + length, name))
			return &w->members[i];
	return NULL;
}

static int open_member(const struct wrap *w, const struct member *m, struct file *ret_file, struct error *e)
{
	char name[256];

	snprintf(name, sizeof(name), "%.120s/%.120s", base_of(w->file.name), m->name);
	return m->kept == NOT_KEPT ? file_window(&w->file, m->offset, m->size, name, ret_file, e)
	                           : unpack_file(w->unpack, m->kept, name, ret_file, e);
}

/* Names are asked for by the main thread and by the one that checks digests: nothing changes after wrap_open(). */
static int open_name(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	const struct wrap *w = files->context;
	const struct member *m = NULL;

	while (name[0] == '.' && name[1] == '/')
		name += 2;
	if (w->folder)
		m = find(w, w->folder, name, strcmp);
	if (w->folder && !m)
		m = find(w, w->folder, name, strcasecmp);
	return m ? open_member(w, m, ret_file, e) : files_open(w->outer, name, ret_file, e);
}

static int add_member(struct wrap *w, const char *name, uint64_t offset, uint64_t size, unsigned kept, struct error *e)
{
	struct member *members = reallocarray(w->members, w->count + 1, sizeof(*members));

	if (!members)
		return no_memory(w, e);
	w->members = members;
	members[w->count] = (struct member){ strdup(name), offset, size, kept };
	return members[w->count++].name ? 0 : no_memory(w, e);
}

/* ---- what is packed twice ---- */

static int refuse_nested(const struct wrap *w, const char *what, struct error *e)
{
	return error_set(e, -ENOTSUP,
	                 "%s holds %s, which is packed once more. Unpack %s first, then open what was in it.",
	                 w->file.name, what, base_of(w->file.name));
}

static int check_inner(const struct wrap *w, struct file *inner, struct error *e)
{
	uint8_t head[64];
	size_t length = (size_t)MIN(inner->size, sizeof(head));
	int r = file_read(inner, 0, head, length);

	if (r == 0 && wrap_probe(head, length))
		r = refuse_nested(w, base_of(inner->name), e);
	if (r < 0)
		file_close(inner);
	return r < 0 ? error_set(e, r, "%s cannot be read: %s", w->file.name, strerror(-r)) : 0;
}

static int open_chosen(struct wrap *w, const char *name, struct file *ret_inner, struct error *e)
{
	const struct member *m = find(w, "", name, strcmp);
	int r;

	w->folder = strndup(name, (size_t)(base_of(name) - name));
	if (!m || !w->folder)
		return no_memory(w, e);
	r = open_member(w, m, ret_inner, e);
	return r < 0 ? r : check_inner(w, ret_inner, e);
}

/* ---- gzip and xz: one file ---- */

static int start_unpacking(struct wrap *w, struct error *e)
{
	return unpack_open(w->outer, w->file.name, w->fingerprint, w->title, w->key, &w->unpack, e);
}

/* One stream from `file`, a window of w->file that begins there at `start`. */
static int copy(struct wrap *w, enum packed_kind kind, const struct file *file, uint64_t start, uint32_t *ret_crc,
                struct error *e)
{
	uint8_t *buffer = malloc(CHUNK);
	struct packed *p = NULL;
	size_t count = CHUNK;
	int r = buffer ? packed_open(kind, file, &p, e) : no_memory(w, e);

	*ret_crc = 0;
	while (r == 0 && count == CHUNK) {
		r = packed_read(p, buffer, CHUNK, &count, e);
		if (r == 0)
			r = unpack_write(w->unpack, buffer, count, e);
		if (r == 0)
			r = unpack_progress(w->unpack, start + packed_taken(p), w->file.size, e);
		*ret_crc = libdeflate_crc32(*ret_crc, buffer, r == 0 ? count : 0);
	}
	packed_close(p);
	free(buffer);
	return r < 0 ? r : unpack_end(w->unpack, e);
}

/* gzip's end has its size modulo 4 GB, and never of more than the last part: what is surely needed. */
static uint64_t least_size(const struct wrap *w)
{
	uint8_t size[4];

	return file_read(&w->file, w->file.size - 4, size, 4) == 0 ? le32_load(size) : 0;
}

static int unpack_stream(struct wrap *w, enum packed_kind kind, const char *name, struct error *e)
{
	uint64_t size = UNPACK_UNKNOWN;
	uint32_t crc;
	int r = unpack_restart(w->unpack, 1, e);

	if (r == 0)
		r = kind == PACKED_XZ ? xz_unpacked_size(&w->file, &size, e)
		                      : unpack_check_space(w->unpack, least_size(w), e);
	if (r == 0)
		r = unpack_begin(w->unpack, name, size, w->file.size, e);
	if (r == 0)
		r = copy(w, kind, &w->file, 0, &crc, e);
	if (r == 0)
		r = unpack_commit(w->unpack, e);
	if (r < 0)
		unpack_abandon(w->unpack);
	return r;
}

static int open_unpacked_stream(struct wrap *w, enum packed_kind kind, struct file *ret_inner, struct error *e)
{
	char *name = wrap_strip_name(w->file.name);
	int r = name ? start_unpacking(w, e) : no_memory(w, e);

	if (r == 0 && unpack_count(w->unpack) != 1)
		r = unpack_stream(w, kind, base_of(name), e);
	if (r == 0)
		r = unpack_file(w->unpack, 0, name, ret_inner, e);
	free(name);
	return r < 0 ? r : check_inner(w, ret_inner, e);
}

static int index_gzip(struct wrap *w, struct error *e)
{
	const struct keep *keep = w->outer->keep;
	int fd, r;

	if (!keep)
		return error_set(e, -ENOTSUP, "%s is compressed with gzip. Unpack it first, then open what was in it.",
		                 w->file.name);
	r = keep->open(keep, w->fingerprint, w->title, KEEP_RECORD, &fd, e);
	if (r < 0)
		return r;
	r = gz_index_open(&w->file, w->key, fd, (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR, keep, &w->gz_index, e);
	w->files.gz_index = r == 0 ? w->gz_index : NULL;
	return r;
}

/* Can it be read where it is? What needs a file of its own: -EFBIG, -ENOTSUP. */
static int try_in_place(struct wrap *w, enum packed_kind kind, struct error *e)
{
	struct disk *disk;
	struct file file;
	int r = kind == PACKED_GZIP ? index_gzip(w, e) : 0;

	if (r == 0)
		r = file_window(&w->file, 0, w->file.size, w->file.name, &file, e);
	if (r < 0)
		return r;
	r = disk_open(&file, &w->files, &disk, e);
	if (r == 0)
		disk_close(disk);
	else
		file_close(&file);
	return r;
}

static int look_at_content(struct wrap *w, enum packed_kind kind, enum packed_content *ret_content, struct error *e)
{
	uint8_t *head = calloc(1, PACKED_HEAD);
	char *name = wrap_strip_name(w->file.name);
	struct packed *p = NULL;
	size_t length = 0;
	int r = head && name ? packed_open(kind, &w->file, &p, e) : no_memory(w, e);

	if (r == 0)
		r = packed_read(p, head, PACKED_HEAD, &length, e);
	if (r == 0 && length == 0)
		r = error_set(e, -EINVAL, "%s is packed, and nothing is in it", w->file.name);
	if (r == 0)
		*ret_content = packed_content(head, length, name);
	if (r == 0 && *ret_content == CONTENT_WRAPPER)
		r = refuse_nested(w, base_of(name), e);
	packed_close(p);
	free(name);
	free(head);
	return r;
}

static int open_stream(struct wrap *w, enum packed_kind kind, struct file *ret_inner, struct error *e)
{
	enum packed_content content = CONTENT_OTHER;
	struct error why = { 0 };
	int r = look_at_content(w, kind, &content, e);

	if (r < 0)
		return r;
	if (content == CONTENT_OTHER)
		return open_unpacked_stream(w, kind, ret_inner, e);
	r = try_in_place(w, kind, &why);
	if (r == 0)
		return 0;
	if ((r != -EFBIG && r != -ENOTSUP) || !w->outer->keep)
		return error_set(e, r, "%s", why.text);
	w->files.gz_index = NULL;
	gz_index_free(w->gz_index);
	w->gz_index = NULL;
	return open_unpacked_stream(w, kind, ret_inner, e);
}

static int open_gz(struct wrap *w, struct appliance *a, struct file *ret_inner, struct error *e)
{
	(void)a;
	return open_stream(w, PACKED_GZIP, ret_inner, e);
}

static int open_xz(struct wrap *w, struct appliance *a, struct file *ret_inner, struct error *e)
{
	(void)a;
	return open_stream(w, PACKED_XZ, ret_inner, e);
}

/* ---- zip ---- */

static int refuse_encrypted(const struct wrap *w, const char *name, struct error *e)
{
	return error_set(e, -ENOTSUP,
	                 "%s: %s is encrypted. Unpack it with its password first, then open what was in it.",
	                 w->file.name, name);
}

static bool is_unpackable(const struct zip_member *m)
{
	return m->method == ZIP_DEFLATED || m->method == ZIP_XZ || zipped_is_known(m->method);
}

/* The member that was chosen, and what it may name: all that lies in its folder or below. */
static int want(struct wrap *w, struct appliance *a, const struct zip *zip, unsigned chosen, unsigned *kept,
                struct error *e)
{
	const char *top = zip->members[chosen].name;
	size_t folder = (size_t)(base_of(top) - top);
	int r = 0;

	for (unsigned i = 0; i < zip->count && r == 0; i++) {
		const struct zip_member *m = &zip->members[i];

		if (i != chosen && (!wrap_names_others(top) || strncmp(m->name, top, folder) != 0))
			continue;
		if (m->is_encrypted)
			r = refuse_encrypted(w, m->name, e);
		else if (m->method == ZIP_STORED)
			r = add_member(w, m->name, m->data, m->size, NOT_KEPT, e);
		else if (is_unpackable(m))
			r = add_member(w, m->name, m->data, m->size, (*kept)++, e);
		else if (i == chosen)
			r = error_set(e, -ENOTSUP,
			              "%s: %s is packed by %s, which Vitrine cannot unpack. Unpack it with the program "
			              "that made it or 7-Zip first, then open what was in it.",
			              w->file.name, m->name, zip_method_name(m->method));
		else
			appliance_remark(a, 0, m->name,
			                 "This file is packed by %s, which Vitrine cannot unpack; it is left out.",
			                 zip_method_name(m->method));
	}
	return r;
}

static const struct zip_member *zip_member_at(const struct zip *zip, uint64_t data)
{
	for (unsigned i = 0; i < zip->count; i++)
		if (zip->members[i].data == data && zip->members[i].method != ZIP_STORED)
			return &zip->members[i];
	return NULL;
}

/* Not libarchive for xz: it sets no limit to its memory, and each block may declare another one. */
static int unpack_bytes(struct wrap *w, const struct zip_member *m, uint32_t *ret_crc, struct error *e)
{
	struct file window;
	int r;

	if (zipped_is_known(m->method))
		return zipped_unpack(&w->file, m, w->unpack, ret_crc, e);
	r = file_window(&w->file, m->data, m->packed, w->file.name, &window, e);
	if (r < 0)
		return r;
	r = copy(w, m->method == ZIP_XZ ? PACKED_XZ : PACKED_DEFLATE, &window, m->data, ret_crc, e);
	file_close(&window);
	return r;
}

static int unpack_member(struct wrap *w, const struct zip_member *m, struct error *e)
{
	uint32_t crc = 0;
	int r = unpack_begin(w->unpack, m->name, m->size, m->packed, e);

	if (r == 0)
		r = unpack_bytes(w, m, &crc, e);
	if (r == 0 && (crc != m->crc || unpack_size(w->unpack, unpack_count(w->unpack) - 1) != m->size))
		r = error_set(e, -EIO, "%s is damaged: the checksum of %s is wrong. Download it again.", w->file.name,
		              m->name);
	return r;
}

static int unpack_zip(struct wrap *w, const struct zip *zip, unsigned kept, struct error *e)
{
	uint64_t total = 0;
	int r = unpack_restart(w->unpack, kept, e);

	for (unsigned i = 0; i < w->count && r == 0; i++)
		if (w->members[i].kept != NOT_KEPT && add_overflows(total, w->members[i].size, &total))
			total = UINT64_MAX;
	if (r == 0)
		r = unpack_check_space(w->unpack, total, e);
	for (unsigned i = 0; i < w->count && r == 0; i++)
		if (w->members[i].kept != NOT_KEPT)
			r = unpack_member(w, zip_member_at(zip, w->members[i].offset), e);
	if (r == 0)
		r = unpack_commit(w->unpack, e);
	if (r < 0)
		unpack_abandon(w->unpack);
	return r;
}

static bool is_unpacked(const struct wrap *w, unsigned kept)
{
	bool same = unpack_count(w->unpack) == kept;

	for (unsigned i = 0; i < w->count && same; i++) {
		const struct member *m = &w->members[i];

		same = m->kept == NOT_KEPT || (!strcmp(unpack_name(w->unpack, m->kept), m->name) &&
		                               unpack_size(w->unpack, m->kept) == m->size);
	}
	return same;
}

static int choose_in_zip(const struct wrap *w, const struct zip *zip, unsigned *ret_chosen, struct error *e)
{
	const char **names = calloc(zip->count + 1, sizeof(*names));
	int r;

	if (!names)
		return no_memory(w, e);
	for (unsigned i = 0; i < zip->count; i++)
		names[i] = zip->members[i].name;
	r = wrap_choose(names, zip->count, w->file.name, ret_chosen, e);
	free(names);
	return r;
}

static int open_zip_members(struct wrap *w, struct appliance *a, const struct zip *zip, struct file *ret_inner,
                            struct error *e)
{
	unsigned chosen, kept = 0;
	int r = choose_in_zip(w, zip, &chosen, e);

	if (r == 0)
		r = want(w, a, zip, chosen, &kept, e);
	if (r == 0 && kept)
		r = start_unpacking(w, e);
	if (r == 0 && kept && !is_unpacked(w, kept))
		r = unpack_zip(w, zip, kept, e);
	return r < 0 ? r : open_chosen(w, zip->members[chosen].name, ret_inner, e);
}

static int open_zip(struct wrap *w, struct appliance *a, struct file *ret_inner, struct error *e)
{
	struct zip zip = { 0 };
	int r = zip_read(&w->file, &zip, a, e);

	if (r == 0)
		r = open_zip_members(w, a, &zip, ret_inner, e);
	zip_free(&zip);
	return r;
}

/* ---- 7z ---- */

static int unpack_7z(struct wrap *w, struct appliance *a, struct error *e)
{
	int r = unpack_restart(w->unpack, 1, e);

	if (r == 0)
		r = sevenzip_unpack(&w->file, w->unpack, a, e);
	if (r == 0)
		r = unpack_commit(w->unpack, e);
	if (r < 0)
		unpack_abandon(w->unpack);
	return r;
}

static int choose_unpacked(struct wrap *w, unsigned *ret_chosen, struct error *e)
{
	unsigned count = unpack_count(w->unpack);
	const char **names = calloc(count + 1, sizeof(*names));
	int r = names ? 0 : no_memory(w, e);

	for (unsigned i = 0; i < count && r == 0; i++) {
		names[i] = unpack_name(w->unpack, i);
		r = add_member(w, names[i], 0, unpack_size(w->unpack, i), i, e);
	}
	if (r == 0)
		r = wrap_choose(names, count, w->file.name, ret_chosen, e);
	free(names);
	return r;
}

static int open_7z(struct wrap *w, struct appliance *a, struct file *ret_inner, struct error *e)
{
	unsigned chosen;
	int r = start_unpacking(w, e);

	if (r == 0 && unpack_count(w->unpack) == 0)
		r = unpack_7z(w, a, e);
	if (r == 0)
		r = choose_unpacked(w, &chosen, e);
	return r < 0 ? r : open_chosen(w, w->members[chosen].name, ret_inner, e);
}

/* ---- all of them ---- */

static const struct kind {
	bool (*probe)(const uint8_t *head, size_t n);
	const char *magic; /* where there is no probe */
	size_t magic_length;
	int (*open)(struct wrap *w, struct appliance *a, struct file *ret_inner, struct error *e);
} kinds[] = {
	{ .magic = "\x1f\x8b\x08", .magic_length = 3, .open = open_gz },
	{ .magic = "\xfd\x37\x7a\x58\x5a\0", .magic_length = 6, .open = open_xz },
	{ .magic = "7z\xbc\xaf\x27\x1c", .magic_length = 6, .open = open_7z },
	{ .probe = zip_probe, .open = open_zip },
};

static const struct kind *kind_of(const uint8_t *head, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].probe ? kinds[i].probe(head, n)
		                   : n >= kinds[i].magic_length && !memcmp(head, kinds[i].magic, kinds[i].magic_length))
			return &kinds[i];
	return NULL;
}

bool wrap_probe(const uint8_t *head, size_t n)
{
	return kind_of(head, n) != NULL;
}

/* "disk.7z.001": the rest is in other files. */
static bool is_volume(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && strlen(dot) == 4 && strspn(dot + 1, "0123456789") == 3;
}

/* ".zip", ".7z", and as their volumes are called: ".z02", ".7z.002". */
static bool is_called_archive(const char *name)
{
	size_t length = strlen(name);

	if (is_volume(name))
		length -= 4;
	if (length > 4 && !strncasecmp(name + length - 4, ".zip", 4))
		return true;
	if (length > 3 && !strncasecmp(name + length - 3, ".7z", 3))
		return true;
	return length > 4 && !strncasecmp(name + length - 4, ".z", 2) && strspn(name + length - 2, "0123456789") == 2;
}

/* The last volume of a zip, and all but the first of a .7z, begin anyhow: taken for raw, they would be a disk full
 * of rubbish. (A .gz or .xz that is none is played as what it is: browsers unpack them on the way and leave the
 * name.) */
static int refuse_misnamed(const struct file *source, struct error *e)
{
	if (!is_called_archive(base_of(source->name)))
		return 0;
	return error_set(e, -EINVAL,
	                 "%s does not begin as it is called: it is one of several volumes, which must be unpacked "
	                 "together, or damaged. Download it again.",
	                 source->name);
}

static int make_title(struct wrap *w)
{
	char *name = wrap_strip_name(base_of(w->file.name)), *dot = name ? strrchr(name, '.') : NULL;

	if (dot && dot != name)
		*dot = '\0';
	w->title = name;
	return name ? 0 : -ENOMEM;
}

static int open_kind(const struct kind *kind, struct wrap *w, struct appliance *a, const struct file *source,
                     struct file *ret_inner, struct error *e)
{
	int r = file_window(source, 0, source->size, source->name, &w->file, e);

	if (r < 0)
		return r;
	if (is_volume(source->name))
		return error_set(e, -ENOTSUP,
		                 "%s is one of several volumes of an archive. Unpack them together, with 7-Zip, "
		                 "then open what was in them.",
		                 source->name);
	r = make_title(w);
	if (r == 0)
		r = identify(w, e);
	if (r == 0)
		r = kind->open(w, a, ret_inner, e);
	return r < 0 ? error_set(e, r, "%s: %s", source->name, strerror(-r)) : 0;
}

int wrap_open(struct appliance *a, const struct file *source, const struct files *files, struct wrap **ret_wrap,
              struct file *ret_inner, struct error *e)
{
	uint8_t head[64];
	size_t length = (size_t)MIN(source->size, sizeof(head));
	const struct kind *kind;
	struct wrap *w;
	int r = file_read(source, 0, head, length);

	*ret_wrap = NULL;
	*ret_inner = FILE_CLOSED;
	if (r < 0)
		return error_set(e, r, "%s cannot be read: %s", source->name, strerror(-r));
	kind = kind_of(head, length);
	if (!kind)
		return refuse_misnamed(source, e);
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_set(e, -ENOMEM, "%s: not enough memory", source->name);
	w->file = FILE_CLOSED;
	w->outer = files;
	w->files = (struct files){ .open = open_name, .context = w };
	r = open_kind(kind, w, a, source, ret_inner, e);
	if (r < 0) {
		file_close(ret_inner);
		wrap_free(w);
		return r;
	}
	memcpy(a->fingerprint, w->fingerprint, sizeof(a->fingerprint));
	*ret_wrap = w;
	return 0;
}

const struct files *wrap_files(const struct wrap *w)
{
	return &w->files;
}

void wrap_free(struct wrap *w)
{
	if (!w)
		return;
	gz_index_free(w->gz_index);
	unpack_free(w->unpack);
	for (unsigned i = 0; i < w->count; i++)
		free(w->members[i].name);
	free(w->members);
	free(w->folder);
	free(w->title);
	file_close(&w->file);
	free(w);
}
