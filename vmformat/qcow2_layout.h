/* SPDX-License-Identifier: MIT */
/* The bytes of a qcow2 file (QEMU's docs/interop/qcow2.txt), for the overlay and for images that others made. All big endian. */
#ifndef VITRINE_QCOW2_LAYOUT_H
#define VITRINE_QCOW2_LAYOUT_H

#include <stdint.h>

#include "vmformat/qcow2.h"

#define QCOW2_MAGIC 0x514649fbu /* "QFI\xfb" */
#define QCOW2_V2_HEADER 72u     /* where version 2's header ends: after H_SNAPSHOTS_OFFSET */

/* L1 and L2 entries, "L1 table entry", "Standard Cluster Descriptor". */
#define ENTRY_COPIED (1ull << 63) /* the reference count is exactly 1 */
#define ENTRY_COMPRESSED (1ull << 62)
#define ENTRY_ZERO (1ull << 0) /* reads as zeros, whatever the offset */
#define ENTRY_OFFSET 0x00fffffffffffe00ull
#define ENTRY_RESERVED 0x3f000000000001feull

/* Header fields by byte offset. */
enum header_field {
	H_MAGIC = 0,
	H_VERSION = 4,
	H_BACKING_OFFSET = 8,
	H_BACKING_LENGTH = 16,
	H_CLUSTER_BITS = 20,
	H_SIZE = 24,
	H_CRYPT = 32,
	H_L1_SIZE = 36,
	H_L1_OFFSET = 40,
	H_REFTABLE_OFFSET = 48,
	H_REFTABLE_CLUSTERS = 56,
	H_SNAPSHOTS = 60,
	H_SNAPSHOTS_OFFSET = 64,
	H_INCOMPATIBLE = 72,
	H_COMPATIBLE = 80,
	H_AUTOCLEAR = 88,
	H_REFCOUNT_ORDER = 96,
	H_LENGTH = 100,
	H_END = 104,         /* of version 3 */
	H_COMPRESSION = 104, /* a byte, if the header is longer */
};

enum incompatible_bit {
	INCOMPATIBLE_DIRTY = 1,
	INCOMPATIBLE_CORRUPT = 2,
	INCOMPATIBLE_DATA_FILE = 4,
	INCOMPATIBLE_COMPRESSION = 8,
	INCOMPATIBLE_EXTENDED_L2 = 16,
};

enum autoclear_bit { AUTOCLEAR_RAW_DATA_FILE = 2 };

/* Header extensions: type, length, data padded to 8 bytes. Unknown types are kept and ignored by QEMU. */
#define EXTENSION_END 0u
#define EXTENSION_BINDING 0x56747231u /* "Vtr1": our overlays' */
#define EXTENSION_BACKING_FORMAT 0xe2792acau
#define EXTENSION_FEATURE_NAMES 0x6803f857u
#define EXTENSION_DATA_FILE 0x44415441u

/* Our extension: the base's capacity (8 bytes), its fingerprint (zero filled), its name for people. */
enum binding_field { B_CAPACITY = 0, B_FINGERPRINT = 8, B_NAME = B_FINGERPRINT + QCOW2_FINGERPRINT };

static inline uint64_t div_round_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

#endif
