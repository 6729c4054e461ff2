/* SPDX-License-Identifier: MIT */
#include "vmformat/sevenzip.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/disk.h"
#include "vmformat/wrap.h"

#define CHUNK (256u << 10)

/* Written once, before any thread exists; else made for the call. */
static locale_t warm;

static locale_t make_locale(void)
{
	return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

void sevenzip_warm_locale(void)
{
	warm = make_locale();
}

struct reader {
	const struct file *file;
	struct unpack *u;
	struct appliance *a;
	struct error *e;
	struct archive *archive;
	uint64_t offset;
	int code; /* what a callback found, which libarchive does not hand on */
	uint8_t input[CHUNK], output[CHUNK];
};

/* ---- what libarchive calls ---- */

static la_ssize_t read_more(struct archive *archive, void *context, const void **ret_bytes)
{
	struct reader *r = context;
	size_t length = r->offset < r->file->size ? (size_t)MIN(r->file->size - r->offset, CHUNK) : 0;

	(void)archive;
	r->code = unpack_progress(r->u, MIN(r->offset, r->file->size), r->file->size, r->e);
	if (r->code == 0 && length)
		r->code = file_read(r->file, r->offset, r->input, length);
	if (r->code < 0)
		return -1;
	r->offset += length;
	*ret_bytes = r->input;
	return (la_ssize_t)length;
}

static la_int64_t seek(struct archive *archive, void *context, la_int64_t offset, int whence)
{
	struct reader *r = context;
	uint64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? r->offset : r->file->size;
	int64_t to;

	(void)archive;
	if (add_overflows((int64_t)base, offset, &to) || to < 0)
		return ARCHIVE_FATAL;
	r->offset = (uint64_t)to;
	return to;
}

/* ---- members ---- */

static int failed(struct reader *r)
{
	const char *words = archive_error_string(r->archive);

	if (r->code < 0)
		return error_set(r->e, r->code, "%s cannot be read: %s", r->file->name, strerror(-r->code));
	if (archive_read_has_encrypted_entries(r->archive) > 0 || (words && strstr(words, "ncrypt")))
		return error_set(r->e, -ENOTSUP,
		                 "%s is encrypted. Unpack it with its password first, then open what was in "
		                 "it.",
		                 r->file->name);
	if (words && strstr(words, "runcated"))
		return disk_truncated(r->e, r->file->name, r->file->size, 0);
	return error_set(r->e, -EINVAL,
	                 "%s cannot be unpacked: %.200s. Download it again, or unpack it with 7-Zip first.",
	                 r->file->name, words ? words : "it is damaged");
}

static bool has_name(const struct unpack *u, const char *name)
{
	for (unsigned i = 0; i < unpack_count(u); i++)
		if (!strcmp(unpack_name(u, i), name))
			return true;
	return false;
}

static int unpack_data(struct reader *r)
{
	for (;;) {
		la_ssize_t n = archive_read_data(r->archive, r->output, CHUNK);
		int code;

		if (n < 0)
			return failed(r);
		if (n == 0)
			return unpack_end(r->u, r->e);
		code = unpack_write(r->u, r->output, (size_t)n, r->e);
		if (code < 0)
			return code;
	}
}

static int take_member(struct reader *r, struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);
	int64_t size = archive_entry_size(entry);
	int code;

	if (archive_entry_filetype(entry) == AE_IFDIR)
		return 0;
	if (!name || wrap_leads_outside(name) || archive_entry_filetype(entry) != AE_IFREG) {
		appliance_remark(r->a, 0, name ? name : "?",
		                 "This member of the package is no file, or has a name that "
		                 "leads outside; it is left out.");
		return 0;
	}
	if (archive_entry_is_encrypted(entry))
		return error_set(r->e, -ENOTSUP,
		                 "%s is encrypted. Unpack it with its password first, then open what was in "
		                 "it.",
		                 r->file->name);
	if (has_name(r->u, name))
		return error_set(r->e, -EINVAL,
		                 "%s is refused: it has two files named %s. Unpack it first, then open what was "
		                 "in it.",
		                 r->file->name, name);
	if (size < 0)
		return error_set(r->e, -EINVAL, "%s is damaged: the size of %s is impossible. Download it again.",
		                 r->file->name, name);
	code = unpack_begin(r->u, name, (uint64_t)size, r->file->size, r->e);
	return code < 0 ? code : unpack_data(r);
}

static int unpack_members(struct reader *r)
{
	for (unsigned count = 0;; count++) {
		struct archive_entry *entry;
		int code = archive_read_next_header(r->archive, &entry);

		if (code == ARCHIVE_EOF)
			return 0;
		if (code != ARCHIVE_OK && code != ARCHIVE_WARN) /* WARN: a name that is no Unicode */
			return failed(r);
		if (count == SEVENZIP_MAX_MEMBERS)
			return error_set(r->e, -EFBIG, "%s has more than %u files, more than any appliance",
			                 r->file->name, SEVENZIP_MAX_MEMBERS);
		code = take_member(r, entry);
		if (code < 0)
			return code;
	}
}

static int open_archive(struct reader *r)
{
	struct archive *archive = r->archive = archive_read_new();

	if (!archive)
		return error_set(r->e, -ENOMEM, "%s: not enough memory", r->file->name);
	if (archive_read_support_format_7zip(archive) != ARCHIVE_OK ||
	    archive_read_set_callback_data(archive, r) != ARCHIVE_OK ||
	    archive_read_set_read_callback(archive, read_more) != ARCHIVE_OK ||
	    archive_read_set_seek_callback(archive, seek) != ARCHIVE_OK || archive_read_open1(archive) != ARCHIVE_OK)
		return failed(r);
	return 0;
}

int sevenzip_unpack(const struct file *file, struct unpack *u, struct appliance *a, struct error *e)
{
	locale_t utf8, before = (locale_t)0;
	struct reader *r;
	int code = sevenzip_check(file, e);

	if (code < 0)
		return code;
	r = calloc(1, sizeof(*r));
	if (!r)
		return error_set(e, -ENOMEM, "%s: not enough memory", file->name);
	utf8 = warm ? warm : make_locale();
	*r = (struct reader){ .file = file, .u = u, .a = a, .e = e };
	if (utf8)
		before = uselocale(utf8);
	code = open_archive(r);
	if (code == 0)
		code = unpack_members(r);
	archive_read_free(r->archive);
	if (utf8)
		uselocale(before);
	if (utf8 && utf8 != warm)
		freelocale(utf8);
	free(r);
	return code;
}
