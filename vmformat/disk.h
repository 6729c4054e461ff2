/* SPDX-License-Identifier: MIT */
/*
 * A virtual disk: where its bytes live.
 *
 * A format never moves bulk data: map() says where a range is, and the engine (core/storage/block.c, disk_read() for tests
 * and --dump) does the I/O. map and unpack may read tables from the file and are called from several block workers at once:
 * a format locks what it caches. Open and close are called by one thread. Offsets and lengths are bytes; capacity is a
 * multiple of 512. All numbers in a file are hostile: each format checks what it reads, and limits say why.
 */
#ifndef VITRINE_DISK_H
#define VITRINE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/error.h"
#include "vmformat/files.h"

#define DISK_SECTOR 512u
#define DISK_MAX_CHAIN 64 /* a disk and those below it: VMware makes 32 at most, and one that names itself must end */
#define DISK_MAX_PARENT_NAMES 4

enum disk_extent_kind {
	DISK_ZERO,   /* reads as zeros; nothing is stored */
	DISK_DATA,   /* bytes at fd_offset of fd */
	DISK_PACKED, /* inside a compressed unit: unpack() it */
	DISK_PARENT, /* this layer says nothing: ask the disk below (zeros if there is none) */
};

struct disk_extent {
	enum disk_extent_kind kind;
	uint64_t length;      /* bytes from the asked offset for which this holds: 1 to the asked length */
	int fd;               /* DATA: borrowed, lives as long as the disk */
	uint64_t fd_offset;   /* DATA: absolute in fd */
	uint64_t unit_offset; /* PACKED: disk offset where the compressed unit begins */
	uint32_t unit_length; /* PACKED: its size unpacked (the last one may be cut by the capacity) */
	uint64_t unit_key;    /* PACKED: for the format's own use in unpack() (usually the file offset) */
};

struct disk;
struct disk_writer;

struct disk_format {
	const char *name; /* as qemu-img and people spell it: "vmdk", "raw" */
	/* Does this file look like mine? head holds its first bytes (zero filled beyond the end). No I/O but on file. */
	bool (*probe)(const struct file *file, const uint8_t *head, size_t head_length);
	/* Takes over *file on success. files resolves further names (extents, parents) and must outlive the disk.
	 * On failure everything is released and e is filled. */
	int (*open)(struct disk *disk, struct file *file, const struct files *files, struct error *e);
	void (*close)(struct disk *disk); /* accepts a half-opened disk */
	int (*map)(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent);
	/* Fills buffer with the whole unit that a PACKED extent names. -EIO: the compressed bytes are damaged. */
	int (*unpack)(struct disk *disk, const struct disk_extent *extent, void *buffer);
	/* Is this, which was opened by one of disk->parent_names, the disk that ours was made on (CID, UUID)? e says why not.
	 * NULL: whatever has the name is right. */
	int (*check_parent)(const struct disk *disk, const struct disk *parent, struct error *e);
	/* Is this, which is open for reading, of a kind that can be written in place? -ENOTSUP, and e says why
	 * not. NULL: never. */
	int (*check_writable)(const struct disk *disk, struct error *e);
};

struct disk {
	const struct disk_format *format;
	uint64_t capacity;                /* bytes, multiple of DISK_SECTOR; set by open */
	uint32_t unit_limit;              /* the largest unit_length that map can answer; 0: never PACKED */
	bool is_cdrom;                    /* an ISO 9660 or UDF image: 2,048-byte sectors */
	struct disk *parent;              /* owned; for DISK_PARENT; NULL: none */
	const struct disk_writer *writer; /* disk_write.h; NULL: read only */
	uint32_t
		write_unit; /* with a writer: bytes, a power of two. What zero() takes and a head or tail is less than */
	bool in_place;      /* set before open by disk_open_in_place(): the writer is wanted */
	/* Set by open of a disk that lies over another (owned): names to try, in this order, and the format that it says the other
	 * has (a static string; NULL: by content). disk_open() opens the parents one after the other, not open itself: a chain is
	 * foreign data and costs no recursion. */
	char *parent_names[DISK_MAX_PARENT_NAMES];
	const char *parent_format;
	const char *parent_advice; /* what to do when no name leads to it (a static string; NULL: "Put it beside.") */
	char name[256];            /* for errors */
	void *private;             /* the format's own */
};

/* Finds the format by content and opens, with all disks below it. The name decides only where content cannot (.iso or .img of zeros are raw). */
int disk_open(struct file *file, const struct files *files, struct disk **ret_disk, struct error *e);

/* The same with a given format, by its name in the table of disk_formats.c. */
int disk_open_as(const char *format, struct file *file, const struct files *files, struct disk **ret_disk,
                 struct error *e);

/*
 * Opens the disk behind a name of files, to be written in place: files->open_writable is asked for it and the
 * pieces of it; the disks below it are only read. Only raw disks (told by their name, for a guest writes their
 * first bytes: .img, .raw) and VMDK are. -ENOTSUP: it cannot be written so, and e says why; -EBUSY: somebody else
 * writes it; -EXDEV, -EACCES and others as open_writable says.
 */
int disk_open_in_place(const char *name, const struct files *files, struct disk **ret_disk, struct error *e);

/* Is a disk that is open for reading of a kind for that? What else may be in the way, only opening tells. */
int disk_check_in_place(const struct disk *disk, struct error *e);

/* Is this the name of a disk that is raw whatever is in it? */
bool disk_is_raw_by_name(const char *name);

/* As format->map, but never answers PARENT: follows the chain. ret_owner (may be NULL) is the disk whose unpack() fits. */
int disk_map(struct disk *disk, uint64_t offset, uint64_t length, struct disk_extent *ret_extent,
             struct disk **ret_owner);

/* Reads through map and unpack, one extent after the other; for --dump, tests and headers, not for the guest. */
int disk_read(struct disk *disk, uint64_t offset, void *buffer, size_t length);

/* Closes the disk and its parents. Harmless on NULL. */
void disk_close(struct disk *disk);

/* For formats: file `name` has `size` of the `needed` bytes. Fills e in words ("debian.vmdk ends after 1.0 of 3.2 GB; ...") and
 * returns -ENODATA. needed 0: nobody knows. */
int disk_truncated(struct error *e, const char *name, uint64_t size, uint64_t needed);

/* "3.2 GB", as file managers show it. At least 32 bytes. */
void disk_amount(uint64_t bytes, char ret_text[32]);

/* The explicit table of formats, ended by NULL (disk_formats.c). */
extern const struct disk_format *const disk_formats[];

#endif
