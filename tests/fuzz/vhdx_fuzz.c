/* SPDX-License-Identifier: MIT */
/*
 * VHDX images. The first byte chooses: a whole file, or patches (patched_image.h) on a dynamic, differencing or
 * unclosed one. The CRCs of headers, region tables and log entries are made right again, without which nothing
 * behind them would be tested, unless the byte's highest bit is set.
 */
#include "tests/fuzz/patched_image.h"
#include "tests/unit/vmformat/test_vhdx.h"

#define CAPACITY (60ull * TEST_VHDX_MIB + 512) /* small: its table is gone through for each input */
#define ID 0x77
#define KEEP_SUMS 0x80u

enum { WHOLE_FILE, DYNAMIC, DIFFERENCING, UNCLOSED, KINDS };

static struct patched_image images[KINDS], parent;

static void keep(struct patched_image *p, struct test_vhdx *t)
{
	patched_init(p, t->image.bytes, t->image.size);
	test_image_free(&t->image);
}

static void make_log(struct test_vhdx *t)
{
	uint8_t page[4096];
	uint32_t at, tail = TEST_VHDX_MIB - 2 * 4096;
	const struct test_vhdx_change changes[] = {
		{ .offset = TEST_VHDX_BAT, .page = t->image.bytes + TEST_VHDX_BAT },
		{ .offset = TEST_VHDX_BLOCKS + 4096, .page = page },
		{ .offset = TEST_VHDX_BLOCKS + 9 * 4096, .length = 5 * 4096 },
	};

	test_content(page, sizeof(page), 7);
	at = test_vhdx_log(t, tail, ID, 5, tail, changes + 1, 1);
	at = test_vhdx_log(t, at, ID, 6, tail, changes, ARRAY_SIZE(changes));
	test_vhdx_log(t, at, ID, 7, tail, changes + 2, 1);
	test_vhdx_use_log(t, ID);
}

static void make(struct patched_image *p, unsigned kind, uint8_t id)
{
	struct test_vhdx t;

	test_vhdx_init(&t, CAPACITY, kind == DIFFERENCING, id);
	test_vhdx_add(&t, 0, kind == DIFFERENCING ? TEST_VHDX_PARTIAL : TEST_VHDX_PRESENT, 1);
	test_vhdx_add(&t, 60, TEST_VHDX_PRESENT, 2);
	if (kind == DIFFERENCING) {
		size_t bitmap = test_vhdx_bitmap(&t, 0);

		memset(t.image.bytes + bitmap, 0x3c, 200);
		test_vhdx_locator(&t, "parent_linkage", "{01010101-0101-0101-0101-010101010101}");
		test_vhdx_locator(&t, "relative_path", ".\\base.vhdx");
	}
	if (kind == UNCLOSED)
		make_log(&t);
	keep(p, &t);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make(&images[DYNAMIC], DYNAMIC, 1);
	make(&images[DIFFERENCING], DIFFERENCING, 2);
	make(&images[UNCLOSED], UNCLOSED, 3);
	make(&parent, DYNAMIC, 1);
	return 0;
}

/* All entries as the log has them: from where one begins that is not too long, what it covers is summed up. */
static void repair_log(struct patched_image *p)
{
	struct test_vhdx t = { .image = { .bytes = p->bytes, .size = p->size } };

	for (uint32_t at = 0; at < TEST_VHDX_MIB; at += 4096) {
		const uint8_t *entry = p->bytes + TEST_VHDX_LOG + at;
		uint32_t length = le32_load(entry + 8);

		if (memcmp(entry, "loge", 4) == 0 && length % 4096 == 0 && length <= TEST_VHDX_MIB &&
		    patched_touch(p, TEST_VHDX_LOG + at + 4, 4))
			test_vhdx_log_sum(&t, at);
	}
}

static void repair(struct patched_image *p)
{
	static const struct {
		size_t place, length;
	} sums[] = {
		{ TEST_VHDX_HEADER_1, 4096 },
		{ TEST_VHDX_HEADER_2, 4096 },
		{ TEST_VHDX_REGIONS_1, 65536 },
		{ TEST_VHDX_REGIONS_2, 65536 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		if (patched_in(p, sums[i].place, sums[i].length) && patched_touch(p, sums[i].place + 4, 4))
			test_vhdx_sum(p->bytes + sums[i].place, sums[i].length);
	if (patched_in(p, TEST_VHDX_LOG, TEST_VHDX_MIB))
		repair_log(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patched_image *image = &images[size ? (data[0] & ~KEEP_SUMS) % KINDS : 0];

	if (size < 1)
		return 0;
	if (image == &images[WHOLE_FILE]) {
		open_whole("vhdx", data + 1, size - 1, &parent);
		return 0;
	}
	patched_apply(image, data + 1, size - 1);
	if (!(data[0] & KEEP_SUMS))
		repair(image);
	open_and_walk("vhdx", image->fd, &parent);
	patched_restore(image);
	return 0;
}
