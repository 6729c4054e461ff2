/* SPDX-License-Identifier: MIT */
/*
 * Every format of a base, as it is opened for a machine, with the overlay on top: thousands of random requests against a
 * plain copy. qemu-img makes the images that it can make; the rest are built here. Then what the base has is read from it
 * once, for that it is read rightly is other tests' matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/storage/overlay_guest.h"
#include "tests/unit/vmformat/test_esx.h"
#include "tests/unit/vmformat/test_judge.h"
#include "tests/unit/vmformat/test_keep.h"
#include "tests/unit/vmformat/test_vdi.h"
#include "tests/unit/vmformat/test_vhd.h"
#include "tests/unit/vmformat/test_vhdx.h"
#include "vmformat/appliance.h"

#define SECTORS (24u * 1024 + 7)
#define SIZE (SECTORS * 512ull)
#define DAYS 2
#define REQUESTS 900

struct context {
	struct test_dir dir;
	struct test_keep keep;
	struct files files;
	struct appliance *appliance;
};

/* ---- images that are built here: a disk with some blocks, and one over it with others ---- */

static void write_image(struct context *c, const char *name, struct test_image *image)
{
	test_dir_write(&c->dir, name, image->bytes, image->size);
	test_image_free(image);
}

static void build_vdi(struct context *c)
{
	enum { BLOCK = 1 << 20 };
	struct test_vdi t;

	test_vdi_init(&t, TEST_VDI_NORMAL, SIZE, BLOCK, 0, 1);
	for (uint32_t i = 0; i < SIZE / BLOCK; i += 2)
		test_vdi_add(&t, i, i);
	write_image(c, "{01010101-0101-0101-0101-010101010101}.vdi", &t.image);
	test_vdi_init(&t, TEST_VDI_DIFFERENCING, SIZE, BLOCK, 0, 2);
	test_vdi_parent(&t, 1);
	for (uint32_t i = 0; i < SIZE / BLOCK; i += 3)
		test_vdi_add(&t, i, 100 + i);
	write_image(c, "disk.vdi", &t.image);
}

static void build_vhd(struct context *c)
{
	enum { BLOCK = 32 << 10 }; /* the builder's bitmaps have 64 sectors */
	struct test_vhd t;

	test_vhd_init(&t, TEST_VHD_DYNAMIC, SIZE, BLOCK, 1);
	for (uint32_t i = 0; i < SIZE / BLOCK; i += 2)
		test_vhd_add(&t, i, UINT64_MAX, i);
	test_vhd_finish(&t);
	write_image(c, "base.vhd", &t.image);
	test_vhd_init(&t, TEST_VHD_DIFFERENCING, SIZE, BLOCK, 2);
	test_vhd_parent_id(&t, 1);
	test_vhd_locator(&t, 0, "W2ru", ".\\base.vhd");
	for (uint32_t i = 0; i < SIZE / BLOCK; i += 3)
		test_vhd_add(&t, i, 0x0ff0f00f12345678ull * (i | 1), 1000 + i);
	test_vhd_finish(&t);
	write_image(c, "disk.vhd", &t.image);
}

static void build_vhdx(struct context *c)
{
	struct test_vhdx t;
	size_t bitmap;

	test_vhdx_init(&t, SIZE, false, 1);
	for (uint32_t i = 0; i < SIZE / TEST_VHDX_MIB; i += 2)
		test_vhdx_add(&t, i, TEST_VHDX_PRESENT, i);
	write_image(c, "base.vhdx", &t.image);
	test_vhdx_init(&t, SIZE, true, 2);
	test_vhdx_locator(&t, "parent_linkage", "{01010101-0101-0101-0101-010101010101}");
	test_vhdx_locator(&t, "relative_path", ".\\base.vhdx");
	for (uint32_t i = 0; i < SIZE / TEST_VHDX_MIB; i += 3)
		test_vhdx_add(&t, i, i % 2 ? TEST_VHDX_PRESENT : TEST_VHDX_PARTIAL, 100 + i);
	bitmap = test_vhdx_bitmap(&t, 0);
	for (size_t i = 0; i < SIZE / 4096; i++)
		t.image.bytes[bitmap + i] = (uint8_t)(i * 37);
	write_image(c, "disk.vhdx", &t.image);
}

/* Over base.raw. */
static void build_esx(struct context *c, struct test_esx *t, const char *type, const char *line)
{
	uint8_t *grain = malloc(t->grain);
	char text[512];

	assert_non_null(grain);
	for (uint32_t i = 0; i < SIZE / t->grain; i += 1 + i % 5) {
		test_content(grain, t->grain, 1000 + i);
		test_esx_add(t, i, grain);
	}
	free(grain);
	test_dir_write(&c->dir, "disk-delta.vmdk", t->bytes, t->size);
	test_esx_free(t);
	snprintf(text, sizeof(text),
	         "# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType=\"vmfs\"\nRW %u VMFS "
	         "\"base-flat.vmdk\"\n",
	         SECTORS);
	test_dir_write(&c->dir, "base.vmdk", text, strlen(text));
	snprintf(text, sizeof(text),
	         "# Disk DescriptorFile\nCID=2\nparentCID=00000001\nparentFileNameHint=\"base.vmdk\"\n"
	         "createType=\"%s\"\nRW %u %s \"disk-delta.vmdk\"\n",
	         type, SECTORS, line);
	test_dir_write(&c->dir, "disk.vmdk", text, strlen(text));
}

static void build_cowd(struct context *c)
{
	struct test_esx t;

	test_cowd_init(&t, SECTORS, 1);
	build_esx(c, &t, "vmfsSparse", "VMFSSPARSE");
}

static void build_sesparse(struct context *c)
{
	struct test_esx t;

	test_sesparse_init(&t, SECTORS);
	for (uint32_t i = 0; i < SIZE / t.grain;
	     i += 17) /* some are zeros, or unmapped; build_esx() fills some of them */
		test_sesparse_mark(&t, i, 1 + i % 2);
	build_esx(c, &t, "seSparse", "SESPARSE");
}

static void build_vmfs(struct context *c)
{
	static const char text[] =
		"# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType=\"custom\"\n"
		"RW 1000 VMFS \"base-flat.vmdk\"\nRW 3000 ZERO\nRW 20583 FLAT \"base-flat.vmdk\" 4000\n";

	test_dir_write(&c->dir, "disk.vmdk", text, strlen(text));
}

/* ---- the table ---- */

#define CONVERT(format, options, name) "qemu-img convert -f raw -O " format " -o " options " base.raw " name
/* A disk over one of this format, written by the judge, who also says what is in it. */
#define DELTA(format, options)                                                                                       \
	"qemu-img convert -f raw -O " format " " options " base.raw parent." format " && qemu-img create -f " format \
	" -F " format " -b parent." format " disk." format " && qemu-io -f " format                                  \
	" -c 'write -P 90 70k 300k' -c 'write -P 165 5M 3000k' -c 'write -z 8M 1M' disk." format                     \
	" && qemu-img convert -f " format " -O raw disk." format " base.raw"

static const struct row {
	const char *what, *tool, *command; /* NULL: build() */
	const char *name;
	void (*build)(struct context *c);
} rows[] = {
	{ "raw", "cp", "cp base.raw disk.img", "disk.img" },
	{ "VMDK monolithicSparse", "qemu-img", CONVERT("vmdk", "subformat=monolithicSparse", "disk.vmdk"),
	  "disk.vmdk" },
	{ "VMDK with zeroed grains", "qemu-img", CONVERT("vmdk", "zeroed_grain=on", "disk.vmdk"), "disk.vmdk" },
	{ "VMDK monolithicFlat", "qemu-img", CONVERT("vmdk", "subformat=monolithicFlat", "disk.vmdk"), "disk.vmdk" },
	{ "VMDK twoGbMaxExtentSparse", "qemu-img", CONVERT("vmdk", "subformat=twoGbMaxExtentSparse", "disk.vmdk"),
	  "disk.vmdk" },
	{ "VMDK twoGbMaxExtentFlat", "qemu-img", CONVERT("vmdk", "subformat=twoGbMaxExtentFlat", "disk.vmdk"),
	  "disk.vmdk" },
	{ "VMDK streamOptimized", "qemu-img", CONVERT("vmdk", "subformat=streamOptimized", "disk.vmdk"), "disk.vmdk" },
	{ "VMDK delta", "qemu-io", DELTA("vmdk", ""), "disk.vmdk" },
	{ "VMDK custom, VMFS, ZERO and FLAT", "qemu-img", NULL, "disk.vmdk", build_vmfs },
	{ "VMDK vmfsSparse (COWD)", "qemu-img", NULL, "disk.vmdk", build_cowd },
	{ "VMDK seSparse", "qemu-img", NULL, "disk.vmdk", build_sesparse },
	{ "VDI", "qemu-img", CONVERT("vdi", "static=off", "disk.vdi"), "disk.vdi" },
	{ "VDI, fixed", "qemu-img", CONVERT("vdi", "static=on", "disk.vdi"), "disk.vdi" },
	{ "VDI, differencing", "qemu-img", NULL, "disk.vdi", build_vdi },
	{ "VHD", "qemu-img", CONVERT("vpc", "subformat=dynamic,force_size=on", "disk.vhd"), "disk.vhd" },
	{ "VHD, fixed", "qemu-img", CONVERT("vpc", "subformat=fixed,force_size=on", "disk.vhd"), "disk.vhd" },
	{ "VHD, differencing", "qemu-img", NULL, "disk.vhd", build_vhd },
	{ "VHDX", "qemu-img", CONVERT("vhdx", "subformat=dynamic,block_size=1M", "disk.vhdx"), "disk.vhdx" },
	{ "VHDX, fixed", "qemu-img", CONVERT("vhdx", "subformat=fixed", "disk.vhdx"), "disk.vhdx" },
	{ "VHDX, differencing", "qemu-img", NULL, "disk.vhdx", build_vhdx },
	{ "qcow2 version 2", "qemu-img", CONVERT("qcow2", "compat=0.10", "disk.qcow2"), "disk.qcow2" },
	{ "qcow2, clusters of 512 bytes", "qemu-img", CONVERT("qcow2", "cluster_size=512", "disk.qcow2"),
	  "disk.qcow2" },
	{ "qcow2, clusters of 2 MiB", "qemu-img", CONVERT("qcow2", "cluster_size=2M", "disk.qcow2"), "disk.qcow2" },
	{ "qcow2, zlib", "qemu-img", CONVERT("qcow2", "compression_type=zlib -c", "disk.qcow2"), "disk.qcow2" },
	{ "qcow2, zstd", "qemu-img", CONVERT("qcow2", "compression_type=zstd -c", "disk.qcow2"), "disk.qcow2" },
	{ "qcow2, extended L2", "qemu-img", CONVERT("qcow2", "extended_l2=on,cluster_size=128k", "disk.qcow2"),
	  "disk.qcow2" },
	{ "qcow2 with a data file", "qemu-img", CONVERT("qcow2", "data_file=disk.data", "disk.qcow2"), "disk.qcow2" },
	{ "qcow2 over qcow2", "qemu-io", DELTA("qcow2", "-c"), "disk.qcow2" },
	{ "raw in gzip", "gzip", "gzip -1 -c base.raw >disk.img.gz", "disk.img.gz" },
	{ "raw in xz, in blocks", "xz", "xz -0 --block-size=1MiB -c base.raw >disk.img.xz", "disk.img.xz" },
	{ "raw in zip, stored", "zip", "cp base.raw disk.img && zip -0 disk.zip disk.img && rm disk.img", "disk.zip" },
	{ "raw in zip, deflated", "zip", "cp base.raw disk.img && zip -1 disk.zip disk.img && rm disk.img",
	  "disk.zip" },
	{ "raw in 7z", "7z", "cp base.raw disk.img && 7z a -mx=1 disk.7z disk.img && rm disk.img", "disk.7z" },
	{ "VMDK in gzip", "qemu-img", CONVERT("vmdk", "subformat=streamOptimized", "disk.vmdk && gzip -1 disk.vmdk"),
	  "disk.vmdk.gz" },
	{ "VMDK in xz", "qemu-img", CONVERT("vmdk", "subformat=monolithicSparse", "disk.vmdk && xz -0 disk.vmdk"),
	  "disk.vmdk.xz" },
};

/* ---- */

static struct disk *open_base(struct guest *g)
{
	struct context *c = g->context;
	struct error e = { 0 };
	struct disk *disk;

	if (appliance_open_disk(c->appliance, &c->appliance->drives[0], &disk, &e) < 0)
		fail_msg("%s", e.text);
	return disk;
}

static void make_base(struct context *c, const struct row *row)
{
	char command[1024];

	make_raw(&c->dir, "base.raw", SIZE, (unsigned)strlen(row->what) + (unsigned)row->name[5]);
	make_raw(&c->dir, "base-flat.vmdk", SIZE, 1);
	if (!row->command) {
		row->build(c);
		return;
	}
	snprintf(command, sizeof(command), "cd %s && { %s; } >output 2>&1", c->dir.path, row->command);
	if (system(command) != 0)
		fail_msg("%s: %s failed", row->what, command);
}

/* For images that are built here. */
static void read_base(struct guest *g)
{
	struct disk *disk = open_base(g);
	int fd = open(g->rig.base_path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	uint8_t *bytes = malloc(SIZE);

	assert_true(fd >= 0 && bytes);
	assert_int_equal(disk->capacity, SIZE);
	assert_int_equal(disk_read(disk, 0, bytes, SIZE), 0);
	assert_int_equal(pwrite(fd, bytes, SIZE, 0), SIZE);
	free(bytes);
	close(fd);
	disk_close(disk);
}

static void open_appliance(struct guest *g, const struct row *row)
{
	struct context *c = g->context;
	struct file source = test_dir_open(&c->dir, row->name);
	struct error e = { 0 };
	struct disk *disk;

	if (appliance_open(&source, &c->files, &c->appliance, &e) < 0)
		fail_msg("%s: %s", row->what, e.text);
	if (!row->command)
		read_base(g);
	disk = open_base(g);
	g->rig.capacity = disk->capacity;
	disk_close(disk);
	assert_true(g->rig.capacity >= SIZE && g->rig.capacity < SIZE + MIB); /* some round up */
	assert_int_equal(truncate(g->rig.base_path, (off_t)g->rig.capacity), 0);
}

static void play_row(const struct row *row, unsigned number)
{
	struct context c = { 0 };
	struct guest g = { .open_base = open_base, .context = &c };

	test_dir_init(&c.dir);
	test_keep_init(&c.keep);
	c.files = c.dir.files;
	c.files.keep = &c.keep.keep;
	snprintf(g.rig.folder, sizeof(g.rig.folder), "%s", c.dir.path);
	snprintf(g.rig.base_path, sizeof(g.rig.base_path), "%s/base.raw", c.dir.path);
	snprintf(g.rig.overlay_path, sizeof(g.rig.overlay_path), "%s/overlay.qcow2", c.dir.path);
	make_base(&c, row);
	open_appliance(&g, row);
	g.windows[1] = SECTORS / 2 * 512ull - WINDOW / 2;
	g.windows[2] = g.rig.capacity - WINDOW;
	guest_start(&g, 0x5eed + number, true);
	guest_days(&g, DAYS, REQUESTS);
	guest_stop(&g);
	appliance_free(c.appliance);
	test_keep_free(&c.keep);
	test_dir_free(&c.dir);
}

static void every_format_agrees_with_a_plain_copy_under_an_overlay(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		char command[64];

		snprintf(command, sizeof(command), "command -v %s >/dev/null", rows[i].tool);
		if (system(command) != 0) {
			print_message("SKIPPED: %s: %s is not installed\n", rows[i].what, rows[i].tool);
			continue;
		}
		print_message("%s\n", rows[i].what);
		play_row(&rows[i], i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_agrees_with_a_plain_copy_under_an_overlay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
