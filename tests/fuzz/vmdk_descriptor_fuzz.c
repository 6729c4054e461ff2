/* SPDX-License-Identifier: MIT */
/* VMDK descriptors: the parser, held against what vmdk.h promises about its result. */
#include <stdlib.h>
#include <string.h>

#include "vmformat/vmdk.h"

#define require(condition) ((condition) ? (void)0 : abort())

static void check(const struct vmdk_descriptor *d)
{
	uint64_t sectors = 0;

	require(d->create_type != NULL);
	require(d->extent_count <= VMDK_MAX_EXTENTS);
	for (unsigned i = 0; i < d->extent_count; i++) {
		const struct vmdk_extent_line *x = &d->extents[i];

		require(x->sectors > 0 && x->file && x->line > 0);
		require((x->type == VMDK_ZERO) == (x->file[0] == '\0'));
		require(x->offset <= VMDK_MAX_CAPACITY / DISK_SECTOR);
		sectors += x->sectors;
		require(sectors <= VMDK_MAX_CAPACITY / DISK_SECTOR);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmdk_descriptor d;
	struct error e = { 0 };
	char *text = malloc(size ? size : 1); /* of its own, so that ASan finds a byte read behind it */

	require(text != NULL);
	if (size)
		memcpy(text, data, size);
	vmdk_descriptor_probe((const uint8_t *)text, size);
	if (vmdk_descriptor_parse(text, size, "fuzz.vmdk", &d, &e) == 0)
		check(&d);
	else
		require(e.code < 0 && e.text[0] && d.extent_count == 0);
	vmdk_descriptor_free(&d);
	free(text);
	return 0;
}
