/* SPDX-License-Identifier: MIT */
/* VDI images. The first byte chooses: a whole file, or patches (patched_image.h) on a dynamic or differencing one. */
#include "tests/fuzz/patched_image.h"
#include "tests/unit/vmformat/test_vdi.h"

#define BLOCK 4096u
#define CAPACITY (300 * BLOCK + 512)

enum { WHOLE_FILE, DYNAMIC, DIFFERENCING, KINDS };

static struct patched_image images[KINDS], parent;

static void make(struct patched_image *p, uint32_t type, uint32_t extra, uint8_t id)
{
	struct test_vdi t;

	test_vdi_init(&t, type, CAPACITY, BLOCK, extra, id);
	if (type == TEST_VDI_DIFFERENCING)
		test_vdi_parent(&t, 1);
	for (uint32_t i = 0; i < 6; i++)
		test_vdi_add(&t, i < 3 ? i : i * 50, i);
	test_vdi_entry(&t, 7, 0xfffffffe);
	patched_init(p, t.image.bytes, t.image.size);
	test_image_free(&t.image);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make(&images[DYNAMIC], TEST_VDI_NORMAL, 512, 1);
	make(&images[DIFFERENCING], TEST_VDI_DIFFERENCING, 0, 2);
	make(&parent, TEST_VDI_NORMAL, 0, 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patched_image *image = &images[size ? data[0] % KINDS : 0];

	if (size < 1)
		return 0;
	if (image == &images[WHOLE_FILE]) {
		open_whole("vdi", data + 1, size - 1, &parent);
		return 0;
	}
	patched_apply(image, data + 1, size - 1);
	open_and_walk("vdi", image->fd, &parent);
	patched_restore(image);
	return 0;
}
