/* SPDX-License-Identifier: MIT */
/*
 * VHD images. The first byte chooses: a whole file, or patches (patched_image.h) on a fixed, dynamic or
 * differencing one. Sums of footers and header are made right again, without which nothing behind them would be
 * tested, unless the byte's highest bit is set.
 */
#include "tests/fuzz/patched_image.h"
#include "tests/unit/vmformat/test_vhd.h"

#define BLOCK 4096u
#define CAPACITY (300 * BLOCK + 512)
#define KEEP_SUMS 0x80u

enum { WHOLE_FILE, FIXED, DYNAMIC, DIFFERENCING, KINDS };

static struct patched_image images[KINDS], parent;

static void keep(struct patched_image *p, struct test_vhd *t)
{
	test_vhd_seal(t);
	test_vhd_finish(t);
	patched_init(p, t->image.bytes, t->image.size);
	test_image_free(&t->image);
}

static void make(struct patched_image *p, uint32_t type, uint8_t id)
{
	struct test_vhd t;

	test_vhd_init(&t, type, CAPACITY, BLOCK, id);
	if (type == TEST_VHD_DIFFERENCING) {
		test_vhd_parent_id(&t, 1);
		test_vhd_locator(&t, 0, "W2ru", ".\\base.vhd");
		test_vhd_locator(&t, 1, "MacX", "file://localhost/base.vhd");
	}
	for (uint32_t i = 0; i < 6; i++)
		test_vhd_add(&t, i < 3 ? i : i * 50, 0x5555u >> i, i);
	keep(p, &t);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct test_vhd t;

	(void)argc;
	(void)argv;
	test_vhd_init(&t, TEST_VHD_FIXED, CAPACITY, 0, 1);
	test_image_append(&t.image, CAPACITY);
	keep(&images[FIXED], &t);
	make(&images[DYNAMIC], TEST_VHD_DYNAMIC, 1);
	make(&images[DIFFERENCING], TEST_VHD_DIFFERENCING, 2);
	make(&parent, TEST_VHD_DYNAMIC, 1);
	return 0;
}

static void repair(struct patched_image *p)
{
	const struct {
		size_t place, length, field;
	} sums[] = { { 0, 512, 64 }, { p->size - 512, 512, 64 }, { TEST_VHD_HEADER, 1024, 36 } };

	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		if (patched_in(p, sums[i].place, sums[i].length) && patched_touch(p, sums[i].place + sums[i].field, 4))
			test_vhd_sum(p->bytes + sums[i].place, sums[i].length, sums[i].field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patched_image *image = &images[size ? (data[0] & ~KEEP_SUMS) % KINDS : 0];

	if (size < 1)
		return 0;
	if (image == &images[WHOLE_FILE]) {
		open_whole("vhd", data + 1, size - 1, &parent);
		return 0;
	}
	patched_apply(image, data + 1, size - 1);
	if (!(data[0] & KEEP_SUMS))
		repair(image);
	open_and_walk("vhd", image->fd, &parent);
	patched_restore(image);
	return 0;
}
