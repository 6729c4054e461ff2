/* SPDX-License-Identifier: MIT */
/*
 * Private to vmformat: VMDK (VMware, "Virtual Disk Format 5.0").
 *
 * vmdk_descriptor.c reads the text; vmdk_grains.c maps one extent of grains, whose tables vmdk_sparse.c, vmdk_cowd.c
 * and vmdk_sesparse.c read; vmdk.c puts extents together to a disk. Descriptor parsing and opening are done by one
 * thread; vmdk_sparse_map() and vmdk_sparse_unpack() by any, they share one struct vmdk_cache.
 */
#ifndef VITRINE_VMDK_H
#define VITRINE_VMDK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/disk.h"

extern const struct disk_format vmdk_format;

/*
 * VMware's largest virtual disk has 62 TB (vSphere "Configuration Maximums"). It also keeps every product
 * below 64 bits.
 */
#define VMDK_MAX_CAPACITY (64ull << 40)

/*
 * If file is a piece of a split disk by its name (foo-s003.vmdk, foo-f001.vmdk, foo-flat.vmdk) and foo.vmdk
 * is a descriptor that lists it, opens foo.vmdk as *ret_whole and returns true.
 */
bool vmdk_find_whole(const struct file *file, const struct files *files, struct file *ret_whole);

/* ---- the descriptor (chapter "The Descriptor File") ---- */

/* 2,048 extent lines with long names are 600 KB; the data base of a real one is a few hundred bytes. */
#define VMDK_MAX_DESCRIPTOR (1u << 20)
/* 4 TB in pieces of 2 GB. Each is an open file; a process has few thousands of them. */
#define VMDK_MAX_EXTENTS 2048u

enum vmdk_access { VMDK_RW, VMDK_RDONLY, VMDK_NOACCESS };
/* VMFS is FLAT under another name; VMFSSPARSE and SESPARSE are SPARSE, for their content tells them apart. */
enum vmdk_type { VMDK_FLAT, VMDK_SPARSE, VMDK_ZERO };

struct vmdk_extent_line {
	enum vmdk_access access;
	enum vmdk_type type;
	uint64_t sectors; /* 1 or more; the sum over all lines is at most VMDK_MAX_CAPACITY */
	uint64_t offset;  /* FLAT: sectors from the beginning of the file */
	unsigned line;    /* 1-based */
	char *file;       /* as written; "" for ZERO */
};

#define VMDK_NO_PARENT 0xffffffffu

struct vmdk_descriptor {
	char *create_type; /* "" if not given */
	bool has_cid, is_delta;
	uint32_t cid, parent_cid; /* "content ID": another one after each session that wrote */
	char *parent_hint;        /* a delta's parent, as written, in UTF-8; else NULL */
	unsigned parent_line;
	size_t cid_offset, cid_length; /* bytes of the text that are its digits; length 0: it has none */
	bool tracks_changes;           /* changeTrackPath: a second file knows which blocks were written */
	unsigned extent_count;
	struct vmdk_extent_line *extents;
};

/* Is this text a descriptor, by its first comment? */
bool vmdk_descriptor_probe(const uint8_t *head, size_t length);

/*
 * Parses length bytes at text, which need not end with a 0. -EINVAL: syntax, e names the line. -ENOTSUP: a
 * kind of disk that is not played. -EFBIG: a limit. On failure *ret is empty.
 */
int vmdk_descriptor_parse(const char *text, size_t length, const char *name, struct vmdk_descriptor *ret,
                          struct error *e);
void vmdk_descriptor_free(struct vmdk_descriptor *d); /* harmless on an empty one */

/*
 * ---- sparse extents (chapter "Hosted Sparse Extents" and "Stream-Optimized Compressed Sparse Extents") ----
 */

struct vmdk_cache;  /* grain tables and decompressors of one disk */
struct vmdk_live;   /* an extent that is written (vmdk_live.h) */
struct vmdk_layout; /* how a kind of extents lays out its tables (vmdk_grains.h) */

struct vmdk_cache *vmdk_cache_new(void);
void vmdk_cache_free(struct vmdk_cache *cache); /* harmless on NULL */

struct vmdk_sparse {
	struct file file;         /* owned */
	struct vmdk_cache *cache; /* borrowed */
	unsigned number;          /* of the extent in its disk: a key in the cache */
	const struct vmdk_layout *layout;
	struct vmdk_live *live;     /* borrowed: through it tables are read; NULL: read only */
	uint64_t capacity;          /* bytes */
	uint32_t grain;             /* bytes */
	uint64_t directories[2];    /* byte offsets in file: the grain directory and the redundant one (0: none) */
	uint64_t tables, grains;    /* byte offsets in file; seSparse: what its entries count from */
	uint64_t descriptor_offset; /* bytes; the embedded descriptor */
	uint64_t descriptor_length; /* bytes; 0: none */
	bool compressed, zeroed_grains, has_footer;
	bool never_alone; /* only a descriptor beside it can say what it is a piece of */
	bool is_delta;    /* unallocated grains are the parent's; set by the disk after opening */
};

/* Is this the header of a sparse extent, of any kind that we know by sight? */
bool vmdk_sparse_probe(const uint8_t *head, size_t length);

/* Tells the kind by the signature and reads the header (and the footer if the grain directory is at the end). Takes over
 * *file on success. */
int vmdk_sparse_open(struct vmdk_sparse *s, struct file *file, struct vmdk_cache *cache, unsigned number,
                     struct error *e);
void vmdk_sparse_close(struct vmdk_sparse *s);

/*
 * Looks into `samples` grain tables, evenly spread, for grains behind the end of the file: a download that
 * was cut.
 */
int vmdk_sparse_check_end(const struct vmdk_sparse *s, unsigned samples, struct error *e);

/* As disk_format.map, with offsets from the beginning of the extent. -EIO: a table is damaged or missing. */
int vmdk_sparse_map(const struct vmdk_sparse *s, uint64_t offset, uint64_t length, struct disk_extent *ret_extent);

/* Unpacks the grain of a PACKED extent. limit: bytes of the grain that are wanted, at most s->grain. */
int vmdk_sparse_unpack(const struct vmdk_sparse *s, uint64_t unit_offset, uint64_t unit_key, void *buffer,
                       uint32_t limit);

#endif
