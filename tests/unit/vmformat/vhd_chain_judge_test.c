/* SPDX-License-Identifier: MIT */
/*
 * vhdimount (libvhdi) as judge of differencing VHD and VHDX, which qemu-img cannot read: chains with random blocks
 * and bitmaps are built by the specifications; it and we must read the same. It needs FUSE and the right to mount.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/vmformat/test_judge.h"
#include "tests/unit/vmformat/test_vhd.h"
#include "tests/unit/vmformat/test_vhdx.h"

#define VHD_BLOCK (2u << 20)
#define BLOCKS 9u
#define CAPACITY (8ull * VHD_BLOCK + 5 * 512)
#define VHDX_CAPACITY (7ull * TEST_VHDX_MIB + 5 * 512)

static const char *const letters = "cba"; /* from the base up: names say nothing about the order */

/*
 * Runs of random length with and without their bit, of `sectors` bits. Those with it begin anywhere in a byte,
 * which shows the order of bits, but end with it: libvhdi 20210425 takes the rest of the byte to be as the run's
 * last bit.
 */
static void random_bits(uint8_t *bitmap, uint32_t sectors, bool highest_first)
{
	for (uint32_t i = highest_first ? (uint32_t)random() % 20 : 0; i < sectors; i += 1 + (uint32_t)random() % 100) {
		uint32_t end = MIN((i + 1 + (uint32_t)random() % 100 + 7) / 8 * 8, sectors);

		for (; i < end; i++)
			bitmap[i / 8] |= (uint8_t)(highest_first ? 0x80 >> i % 8 : 1 << i % 8);
	}
}

static void write_image(struct test_dir *dir, const char *suffix, unsigned layer, struct test_image *image)
{
	char name[16];

	snprintf(name, sizeof(name), "%c.%s", letters[layer], suffix);
	test_dir_write(dir, name, image->bytes, image->size);
	test_image_free(image);
}

static void write_vhd(struct test_dir *dir, unsigned layer)
{
	struct test_vhd t;
	char parent[16];

	test_vhd_init(&t, layer ? TEST_VHD_DIFFERENCING : TEST_VHD_DYNAMIC, CAPACITY, VHD_BLOCK, (uint8_t)(layer + 1));
	if (layer) {
		snprintf(parent, sizeof(parent), ".\\%c.vhd", letters[layer - 1]);
		test_vhd_parent_id(&t, (uint8_t)layer);
		test_utf16(t.image.bytes + TEST_VHD_HEADER + 64, parent + 2, true);
		test_vhd_locator(&t, 0, "W2ru", parent);
		test_vhd_seal(&t);
	}
	for (uint32_t i = 0; i < BLOCKS; i++)
		if (random() % 3) {
			size_t at = test_vhd_add(&t, i, layer ? 0 : UINT64_MAX, (uint32_t)random());

			if (layer)
				random_bits(t.image.bytes + at, VHD_BLOCK / 512, true);
			else
				memset(t.image.bytes + at, 0xff, t.bitmap);
		}
	test_vhd_finish(&t);
	write_image(dir, "vhd", layer, &t.image);
}

static void add_vhdx_names(struct test_vhdx *t, unsigned layer)
{
	char path[32], guid[40];

	snprintf(guid, sizeof(guid),
	         "{%1$02x%1$02x%1$02x%1$02x-%1$02x%1$02x-%1$02x%1$02x-%1$02x%1$02x-"
	         "%1$02x%1$02x%1$02x%1$02x%1$02x%1$02x}",
	         layer);
	test_vhdx_locator(t, "parent_linkage", guid);
	snprintf(path, sizeof(path), ".\\%c.vhdx", letters[layer - 1]);
	test_vhdx_locator(t, "relative_path", path);
	snprintf(path, sizeof(path), "C:\\%c.vhdx", letters[layer - 1]);
	test_vhdx_locator(t, "absolute_win32_path", path);
}

/*
 * Above the base all blocks are stored and have their first sectors: what lacks them behind a block in parts, libvhdi
 * 20210425 reads from the beginning of the file. Nor does it know the state ZERO.
 */
static void write_vhdx(struct test_dir *dir, unsigned layer)
{
	struct test_vhdx t;
	size_t bitmap = 0;

	test_vhdx_init(&t, VHDX_CAPACITY, layer > 0, (uint8_t)(layer + 1));
	if (layer) {
		add_vhdx_names(&t, layer);
		bitmap = test_vhdx_bitmap(&t, 0);
	}
	for (uint32_t i = 0; i < VHDX_CAPACITY / TEST_VHDX_MIB + 1; i++) {
		unsigned kind = (unsigned)random() % 4;

		if (kind > 0 || layer)
			test_vhdx_add(&t, i, layer && kind > 1 ? TEST_VHDX_PARTIAL : TEST_VHDX_PRESENT,
			              (uint32_t)random());
		if (layer && kind > 1)
			random_bits(t.image.bytes + bitmap + i * 256, TEST_VHDX_MIB / 512, false);
	}
	write_image(dir, "vhdx", layer, &t.image);
}

/* The uppermost layer is the last that vhdimount shows. */
static bool copy_judged(struct test_dir *dir, const char *name, unsigned layers)
{
	char layer[16];
	bool copied;

	snprintf(layer, sizeof(layer), "mnt/vhdi%u", layers);

	assert_int_equal(mkdirat(dir->fd, "mnt", 0700), 0);
	if (run_in(dir, (const char *const[]){ "vhdimount", name, "mnt", NULL }) != 0)
		return false;
	/* It goes into the background before it is mounted. */
	for (unsigned tries = 0; tries < 50 && faccessat(dir->fd, layer, R_OK, 0) != 0; tries++)
		usleep(100000);
	copied = run_in(dir, (const char *const[]){ "cp", layer, "judged.img", NULL }) == 0;
	if (run_in(dir, (const char *const[]){ "umount", "mnt", NULL }) != 0)
		run_in(dir, (const char *const[]){ "fusermount", "-u", "mnt", NULL });
	return copied;
}

/* The base is the last of the letters. */
static void check_chain(void (*write_layer)(struct test_dir *, unsigned), unsigned layers, const char *top)
{
	for (unsigned seed = 1; seed <= 4; seed++) {
		struct test_dir dir;

		test_dir_init(&dir);
		srandom(seed);
		for (unsigned i = 0; i < layers; i++)
			write_layer(&dir, i);
		if (!copy_judged(&dir, top, layers)) {
			test_dir_free(&dir);
			print_message("SKIPPED: vhdimount is not installed, or cannot mount here\n");
			skip();
		}
		check_opens_same(&dir, "judged.img", top);
		test_dir_free(&dir);
	}
}

static void vhd_chains_are_read_as_their_judge_reads_them(void **state)
{
	(void)state;
	check_chain(write_vhd, 3, "a.vhd");
}

static void vhdx_chains_are_read_as_their_judge_reads_them(void **state)
{
	(void)state;
	check_chain(write_vhdx, 2, "b.vhdx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vhd_chains_are_read_as_their_judge_reads_them),
		cmocka_unit_test(vhdx_chains_are_read_as_their_judge_reads_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
