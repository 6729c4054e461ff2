/* SPDX-License-Identifier: MIT */
#include "vmformat/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "vmformat/bytes.h"
#include "vmformat/disk.h"

#define BUFFER (256u << 10)
#define HOLE 4096u /* the block of common file systems: zeros of this size and place are not written */
/* Left for what the machine writes in its first minutes, and for everybody else. */
#define SPARE (256ull << 20)
/* Between two looks at the free space when the size is not known. */
#define LOOK_AGAIN (64ull << 20)
/* Small things may be packed better than UNPACK_MAX_RATIO by chance and cost nothing. */
#define SMALL (64ull << 20)
#define MAX_NAME 4096u        /* PATH_MAX */
#define MAX_RECORD (8u << 20) /* KEEP_MAX_FILES names and what belongs to them */

/* The record: this, then for each file 8 bytes size, 2 bytes length of the name, the name; then CRC-32 of all before
 * it. */
enum {
	AT_MAGIC = 0,
	AT_KEY = 8,
	AT_COUNT = 40,
	RECORD_HEADER = 44,
	AT_ENTRY_SIZE = 0,
	AT_ENTRY_NAME = 8,
	ENTRY_HEADER = 10
};
#define MAGIC "VITRINUP"

struct entry {
	char *name;
	uint64_t size;
	struct file file;
};

struct unpack {
	const struct keep *keep;
	char *wrapper, *title;
	char fingerprint[33];
	uint8_t key[UNPACK_KEY];
	int record;
	bool is_ours; /* we may write */
	struct entry *entries;
	unsigned count;

	/* of the file that is being written: the last entry */
	uint64_t written, announced, limit, look_at;
	size_t used;
	uint8_t buffer[BUFFER];
};

static int no_memory(const struct unpack *u, struct error *e)
{
	return error_set(e, -ENOMEM, "%s: not enough memory to unpack it", u->wrapper);
}

/* Disk full, most of all: where this happens is not where the download lies. */
static int write_failed(const struct unpack *u, int code, struct error *e)
{
	if (code == -ENOSPC || code == -EDQUOT)
		return error_set(
			e, code,
			"%s cannot be unpacked: the disk that holds Vitrine's state folder "
			"(~/.local/state/vitrine or $XDG_STATE_HOME) has become full. What was unpacked is removed "
			"again. Make room and try again.",
			u->wrapper);
	return error_set(e, code,
	                 "%s cannot be unpacked: %s while writing into Vitrine's state folder. See whether that disk "
	                 "is there and "
	                 "well, then try again.",
	                 u->wrapper, strerror(-code));
}

/* ---- entries ---- */

static void drop_entries(struct unpack *u)
{
	for (unsigned i = 0; i < u->count; i++) {
		free(u->entries[i].name);
		file_close(&u->entries[i].file);
	}
	free(u->entries);
	u->entries = NULL;
	u->count = 0;
}

/* Opens "unpacked-COUNT" as the next entry. */
static int add_entry(struct unpack *u, const char *name, size_t name_length, uint64_t size, struct error *e)
{
	char kept_name[32];
	struct entry *entries;
	struct file file;
	int fd, r;

	if (u->count == KEEP_MAX_FILES)
		return error_set(e, -EFBIG,
		                 "%s holds more than %u files, more than any machine. Unpack it first, then open "
		                 "what was in it.",
		                 u->wrapper, KEEP_MAX_FILES);
	entries = reallocarray(u->entries, u->count + 1, sizeof(*entries));
	if (!entries)
		return no_memory(u, e);
	u->entries = entries;
	snprintf(kept_name, sizeof(kept_name), KEEP_UNPACKED "%u", u->count);
	r = u->keep->open(u->keep, u->fingerprint, u->title, kept_name, &fd, e);
	if (r < 0)
		return r;
	r = file_from_fd(fd, kept_name, &file, e);
	if (r < 0) {
		close(fd);
		return r;
	}
	entries[u->count++] = (struct entry){ strndup(name, name_length), size, file };
	return entries[u->count - 1].name ? 0 : no_memory(u, e);
}

/* ---- the record ---- */

static bool load_entry(struct unpack *u, const uint8_t *record, size_t end, size_t *at)
{
	struct error ignored = { 0 };
	size_t length;

	if (!range_within(*at, ENTRY_HEADER, end))
		return false;
	length = le16_load(record + *at + AT_ENTRY_NAME);
	if (length > MAX_NAME || !range_within(*at + ENTRY_HEADER, length, end))
		return false;
	if (add_entry(u, (const char *)record + *at + ENTRY_HEADER, length, le64_load(record + *at + AT_ENTRY_SIZE),
	              &ignored) < 0)
		return false;
	*at += ENTRY_HEADER + length;
	return u->entries[u->count - 1].file.size == u->entries[u->count - 1].size;
}

static bool load_entries(struct unpack *u, const uint8_t *record, size_t length)
{
	size_t at = RECORD_HEADER, end = length - 4;
	uint32_t count;

	if (memcmp(record + AT_MAGIC, MAGIC, 8) != 0 || memcmp(record + AT_KEY, u->key, UNPACK_KEY) != 0 ||
	    le32_load(record + end) != libdeflate_crc32(0, record, end))
		return false;
	count = le32_load(record + AT_COUNT);
	for (uint32_t i = 0; i < count; i++)
		if (!load_entry(u, record, end, &at))
			return false;
	return true;
}

/* Nothing that is not whole counts. */
static void load(struct unpack *u)
{
	struct file file;
	uint8_t *record;

	if (file_from_fd(u->record, "the record", &file, NULL) < 0 || file.size < RECORD_HEADER + 4 ||
	    file.size > MAX_RECORD)
		return;
	record = malloc((size_t)file.size);
	if (record && file_read(&file, 0, record, (size_t)file.size) == 0 &&
	    !load_entries(u, record, (size_t)file.size))
		drop_entries(u);
	free(record);
}

int unpack_commit(struct unpack *u, struct error *e)
{
	size_t length = RECORD_HEADER + 4, at = RECORD_HEADER;
	uint8_t *record;
	int r;

	for (unsigned i = 0; i < u->count; i++)
		length += ENTRY_HEADER + strlen(u->entries[i].name);
	record = calloc(1, length);
	if (!record)
		return no_memory(u, e);
	memcpy(record + AT_MAGIC, MAGIC, 8);
	memcpy(record + AT_KEY, u->key, UNPACK_KEY);
	le32_store(record + AT_COUNT, u->count);
	for (unsigned i = 0; i < u->count; i++) {
		size_t name = strlen(u->entries[i].name);

		le64_store(record + at + AT_ENTRY_SIZE, u->entries[i].size);
		le16_store(record + at + AT_ENTRY_NAME, (uint16_t)name);
		memcpy(record + at + ENTRY_HEADER, u->entries[i].name, name);
		at += ENTRY_HEADER + name;
	}
	le32_store(record + at, libdeflate_crc32(0, record, at));
	r = file_write_all(u->record, 0, record, length);
	if (r == 0 && fdatasync(u->record) < 0)
		r = -errno;
	free(record);
	return r < 0 ? write_failed(u, r, e) : 0;
}

/* ---- opening ---- */

int unpack_open(const struct files *files, const char *wrapper, const char *fingerprint, const char *title,
                const uint8_t key[UNPACK_KEY], struct unpack **ret_unpack, struct error *e)
{
	struct unpack *u;
	int r;

	if (!files->keep)
		return error_set(e, -ENOTSUP,
		                 "%s cannot be played in place, and it cannot be unpacked here. Unpack it "
		                 "first, then open what was in it.",
		                 wrapper);
	u = calloc(1, sizeof(*u));
	if (!u)
		return error_set(e, -ENOMEM, "%s: not enough memory", wrapper);
	u->record = -1;
	u->keep = files->keep;
	u->wrapper = strdup(wrapper);
	u->title = strdup(title);
	snprintf(u->fingerprint, sizeof(u->fingerprint), "%s", fingerprint);
	memcpy(u->key, key, UNPACK_KEY);
	r = u->wrapper && u->title ? u->keep->open(u->keep, fingerprint, title, KEEP_RECORD, &u->record, e)
	                           : error_set(e, -ENOMEM, "%s: not enough memory", wrapper);
	if (r < 0) {
		unpack_free(u);
		return r;
	}
	u->is_ours = (fcntl(u->record, F_GETFL) & O_ACCMODE) == O_RDWR;
	load(u);
	*ret_unpack = u;
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	drop_entries(u);
	if (u->record >= 0)
		close(u->record);
	free(u->wrapper);
	free(u->title);
	free(u);
}

unsigned unpack_count(const struct unpack *u)
{
	return u->count;
}

const char *unpack_name(const struct unpack *u, unsigned i)
{
	return u->entries[i].name;
}

uint64_t unpack_size(const struct unpack *u, unsigned i)
{
	return u->entries[i].size;
}

int unpack_file(const struct unpack *u, unsigned i, const char *name, struct file *ret_file, struct error *e)
{
	return file_window(&u->entries[i].file, 0, u->entries[i].size, name, ret_file, e);
}

/* ---- unpacking ---- */

int unpack_restart(struct unpack *u, unsigned expected, struct error *e)
{
	int r = 0;

	drop_entries(u);
	if (!u->is_ours)
		return error_set(e, -EBUSY,
		                 "%s is being unpacked in another window. Wait until that is done, then try "
		                 "again.",
		                 u->wrapper);
	if (ftruncate(u->record, 0) < 0)
		return write_failed(u, -errno, e);
	/* What an unpacking that was killed has left takes room that is about to be counted. */
	for (unsigned i = 0; i < expected && r == 0; i++) {
		r = add_entry(u, "", 0, 0, e);
		if (r == 0 && ftruncate(u->entries[i].file.fd, 0) < 0)
			r = write_failed(u, -errno, e);
	}
	drop_entries(u);
	return r;
}

static int free_space(const struct unpack *u, uint64_t *ret_free)
{
	struct statfs st;

	if (fstatfs(u->record, &st) < 0)
		return -errno;
	/* No blocks at all: a file system that does not count them. */
	if (!st.f_blocks || mul_overflows((uint64_t)st.f_bavail, (uint64_t)st.f_bsize, ret_free))
		*ret_free = UINT64_MAX;
	return 0;
}

int unpack_check_space(const struct unpack *u, uint64_t size, struct error *e)
{
	char needed[32], available[32];
	uint64_t space = 0, wanted;
	int r = free_space(u, &space);

	if (r < 0)
		return write_failed(u, r, e);
	if (!add_overflows(size, SPARE, &wanted) && wanted <= space)
		return 0;
	disk_amount(add_overflows(size, SPARE, &wanted) ? size : wanted, needed);
	disk_amount(space, available);
	return error_set(e, -ENOSPC,
	                 "%s must be unpacked to be played, for which %s must be free; the disk that holds "
	                 "Vitrine's state folder (~/.local/state/vitrine or $XDG_STATE_HOME) has %s. Make room and try "
	                 "again.",
	                 u->wrapper, needed, available);
}

/* Zeros, deflated, become a thousandth; by LZMA a seven thousandth. What promises more is made to fill disks. */
static int check_ratio(const struct unpack *u, uint64_t size, uint64_t packed, struct error *e)
{
	if (!packed || size <= SMALL || size / UNPACK_MAX_RATIO <= packed)
		return 0;
	return error_set(e, -EFBIG,
	                 "%s is refused: %llu bytes of it would become %llu, more than %u times as many, as no "
	                 "disk does but one that is made to do harm.",
	                 u->wrapper, (unsigned long long)packed, (unsigned long long)size, UNPACK_MAX_RATIO);
}

int unpack_begin(struct unpack *u, const char *name, uint64_t size, uint64_t packed, struct error *e)
{
	int r = check_ratio(u, size, packed, e);

	if (r == 0)
		r = add_entry(u, name, strnlen(name, MAX_NAME), 0, e);
	if (r < 0)
		return r;
	if (ftruncate(u->entries[u->count - 1].file.fd, 0) < 0)
		return write_failed(u, -errno, e);
	u->written = u->used = 0;
	u->announced = size;
	u->look_at = LOOK_AGAIN;
	u->limit = size;
	if (size == UNPACK_UNKNOWN && (!packed || mul_overflows(packed, (uint64_t)UNPACK_MAX_RATIO, &u->limit)))
		u->limit = INT64_MAX;
	if (size == UNPACK_UNKNOWN)
		u->limit = MAX(u->limit, SMALL);
	return unpack_check_space(u, size, e);
}

/* Runs of blocks that are not zero. The buffer begins at a multiple of its size. */
static int flush(struct unpack *u)
{
	int fd = u->entries[u->count - 1].file.fd, r = 0;

	for (size_t at = 0; at < u->used && r == 0;) {
		size_t end = at;

		while (end < u->used && !bytes_are_zero(u->buffer + end, MIN(HOLE, u->used - end)))
			end += MIN(HOLE, u->used - end);
		if (end > at)
			r = file_write_all(fd, u->written + at, u->buffer + at, end - at);
		at = end + (end < u->used ? MIN(HOLE, u->used - end) : 0);
	}
	u->written += u->used;
	u->used = 0;
	return r;
}

static int too_long(const struct unpack *u, struct error *e)
{
	const char *name = u->entries[u->count - 1].name;

	if (u->announced)
		return error_set(e, -EINVAL,
		                 "%s is damaged: %s is longer than the %llu bytes that it is said to have. "
		                 "Download it again.",
		                 u->wrapper, name, (unsigned long long)u->announced);
	return error_set(e, -EFBIG,
	                 "%s is refused: it becomes more than %u times as many bytes, as no disk does but one "
	                 "that is made to do harm.",
	                 u->wrapper, UNPACK_MAX_RATIO);
}

int unpack_write(struct unpack *u, const void *bytes, size_t length, struct error *e)
{
	const uint8_t *from = bytes;

	if (length > u->limit - MIN(u->limit, u->written + u->used))
		return too_long(u, e);
	while (length) {
		size_t n = MIN(length, BUFFER - u->used);
		int r;

		memcpy(u->buffer + u->used, from, n);
		u->used += n;
		from += n;
		length -= n;
		r = u->used == BUFFER ? flush(u) : 0;
		if (r < 0)
			return write_failed(u, r, e);
	}
	if (u->announced || u->written < u->look_at)
		return 0;
	u->look_at = u->written + LOOK_AGAIN;
	return unpack_check_space(u, 0, e);
}

int unpack_end(struct unpack *u, struct error *e)
{
	struct entry *entry = &u->entries[u->count - 1];
	int r = flush(u);

	if (r == 0 && (ftruncate(entry->file.fd, (off_t)u->written) < 0 || fdatasync(entry->file.fd) < 0))
		r = -errno;
	if (r < 0)
		return write_failed(u, r, e);
	if (u->announced && u->written != u->announced)
		return error_set(e, -EINVAL,
		                 "%s is damaged: %s has only %llu of the %llu bytes that it is said to have. "
		                 "Download it again.",
		                 u->wrapper, entry->name, (unsigned long long)u->written,
		                 (unsigned long long)u->announced);
	entry->size = entry->file.size = u->written;
	return 0;
}

void unpack_abandon(struct unpack *u)
{
	for (unsigned i = 0; u->is_ours && i < u->count; i++)
		if (ftruncate(u->entries[i].file.fd, 0) < 0)
			break; /* its room is given back when all begins anew */
	drop_entries(u);
}

int unpack_progress(const struct unpack *u, uint64_t done, uint64_t total, struct error *e)
{
	int r = u->keep->progress(u->keep, u->wrapper, done, total);

	return r < 0 ? error_set(e, r, "%s was not unpacked to its end, as you wished", u->wrapper) : 0;
}
