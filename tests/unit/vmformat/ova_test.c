/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "test_files.h"
#include "vmformat/appliance.h"
#include "vmformat/bytes.h"
#include "vmformat/manifest.h"
#include "vmformat/ova.h"

#define BLOCK 512u
#define GIBIBYTE (1ull << 30)

/* One disk, as file "f" with the name that is put in. */
#define OVF_TEXT                                                                                                     \
	"<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1'><References><File id='f' href='%s'/></References>" \
	"<DiskSection><Disk diskId='d' fileRef='f' capacity='4096'/></DiskSection><VirtualSystem id='vm'>"           \
	"<VirtualHardwareSection><Item><InstanceID>1</InstanceID><ResourceType>5</ResourceType></Item>"              \
	"<Item><InstanceID>2</InstanceID><Parent>1</Parent><ResourceType>17</ResourceType>"                          \
	"<HostResource>ovf:/disk/d</HostResource></Item></VirtualHardwareSection></VirtualSystem></Envelope>"

/* ---- writing tars ---- */

struct tar {
	struct test_memory memory;
	uint64_t size;
};

static int set_up(void **state)
{
	struct tar *tar = calloc(1, sizeof(*tar));

	test_memory_init(&tar->memory);
	*state = tar;
	return 0;
}

static int tear_down(void **state)
{
	struct tar *tar = *state;

	test_memory_free(&tar->memory);
	free(tar);
	return 0;
}

static void put(struct tar *tar, uint64_t offset, const void *bytes, size_t length)
{
	test_memory_write(&tar->memory, "vm.ova", NULL, 0);
	assert_int_equal(pwrite(test_memory_fd(&tar->memory, "vm.ova"), bytes, length, (off_t)offset), (ssize_t)length);
}

static void seal(uint8_t *header)
{
	unsigned sum = 0;

	memset(header + 148, ' ', 8);
	for (unsigned i = 0; i < BLOCK; i++)
		sum += header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
}

static void make_header(uint8_t *header, const char *name, char type, uint64_t size)
{
	size_t length = strlen(name);

	memset(header, 0, BLOCK);
	memcpy(header, name, MIN(length, 100u)); /* a full field has no end */
	if (size < 8 * GIBIBYTE) {
		snprintf((char *)header + 124, 12, "%011llo", (unsigned long long)size);
	} else { /* GNU's base-256 */
		header[124] = 0x80;
		be64_store(header + 128, size);
	}
	header[156] = (uint8_t)type;
	memcpy(header + 257, "ustar\00000", 8);
	seal(header);
}

/* Adds a header and room for its content (a hole), which begins at what is returned. */
static uint64_t add_room(struct tar *tar, const char *name, char type, uint64_t size)
{
	uint8_t header[BLOCK];
	uint64_t at = tar->size + BLOCK;

	make_header(header, name, type, size);
	put(tar, tar->size, header, BLOCK);
	tar->size = (at + size + BLOCK - 1) / BLOCK * BLOCK;
	test_memory_resize(&tar->memory, "vm.ova", tar->size);
	return at;
}

static void add(struct tar *tar, const char *name, char type, const void *bytes, size_t length)
{
	put(tar, add_room(tar, name, type, length), bytes, length);
}

static void add_ovf(struct tar *tar, const char *disk)
{
	char text[2048];

	snprintf(text, sizeof(text), OVF_TEXT, disk);
	add(tar, "vm.ovf", '0', text, strlen(text));
}

/* A disk of 4 KiB whose first byte tells it from others. */
static void add_disk(struct tar *tar, const char *name, uint8_t mark)
{
	uint8_t bytes[4096] = { mark };

	add(tar, name, '0', bytes, sizeof(bytes));
}

static void add_end(struct tar *tar)
{
	tar->size += 2 * BLOCK;
	test_memory_resize(&tar->memory, "vm.ova", tar->size);
}

/* ---- opening ---- */

static struct appliance *open_ok(struct tar *tar)
{
	struct file file = test_memory_open(&tar->memory, "vm.ova");
	struct appliance *a = NULL;
	struct error e = { 0 };

	if (appliance_open(&file, &tar->memory.files, &a, &e) < 0)
		fail_msg("%s", e.text);
	return a;
}

static void assert_fails(struct tar *tar, int code, const char *words)
{
	struct file file = test_memory_open(&tar->memory, "vm.ova");
	struct appliance *a = NULL;
	struct error e = { 0 };

	assert_int_equal(appliance_open(&file, &tar->memory.files, &a, &e), code);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" does not say \"%s\"", e.text, words);
	file_close(&file);
}

static void assert_disk_begins_with(struct appliance *a, uint8_t mark)
{
	struct disk *disk = NULL;
	struct error e = { 0 };
	uint8_t byte;

	assert_int_equal(a->drive_count, 1);
	if (appliance_open_disk(a, &a->drives[0], &disk, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(disk_read(disk, 0, &byte, 1), 0);
	assert_int_equal(byte, mark);
	disk_close(disk);
}

static void assert_remark(const struct appliance *a, const char *words)
{
	for (unsigned i = 0; i < a->remark_count; i++)
		if (strstr(a->remarks[i].text, words))
			return;
	fail_msg("no remark says \"%s\"", words);
}

/* ---- tests ---- */

static void a_disk_is_read_inside_of_the_tar(void **state)
{
	struct appliance *a;

	add_ovf(*state, "disk.vmdk");
	add_disk(*state, "disk.vmdk", 0x42);
	add_end(*state);
	a = open_ok(*state);
	assert_string_equal(a->name, "vm");
	assert_disk_begins_with(a, 0x42);
	appliance_free(a);
}

static void members_may_come_in_any_order_and_without_an_end(void **state)
{
	struct appliance *a;

	add(*state, "folder/", '5', NULL, 0);
	add_disk(*state, "./disk.vmdk", 0x43);
	add_ovf(*state, "disk.vmdk");
	a = open_ok(*state);
	assert_disk_begins_with(a, 0x43);
	appliance_free(a);
}

/* Each is looked for among all others, and they differ in their last letters alone. */
static void many_long_names_are_searched_in_time(void **state)
{
	struct tar *tar = *state;
	char name[4081] = "";
	clock_t begin;

	add_ovf(tar, "no disk");
	memset(name, 'x', sizeof(name));
	for (unsigned i = 0; i < 4000; i++) {
		snprintf(name + 4070, 11, "%06u", i);
		add(tar, "././@LongLink", 'L', name, strlen(name) + 1);
		add(tar, "x", '0', NULL, 0);
	}
	begin = clock();
	appliance_free(open_ok(tar));
	assert_true(clock() - begin < 10 * CLOCKS_PER_SEC);
}

static void ustar_prefixes_gnu_long_names_and_pax_paths_name_members(void **state)
{
	char name[220], record[300];
	struct appliance *a;
	struct tar *tar = *state;

	memset(name, 'n', sizeof(name) - 1);
	strcpy(name + 200, "/disk.vmdk");
	for (int form = 0; form < 3; form++) {
		tar->size = 0;
		test_memory_resize(&tar->memory, "vm.ova", 0);
		if (form == 1)
			name[110] = '/';
		add_ovf(tar, form == 1 ? name + 100 : name);
		if (form == 0) {
			add(tar, "././@LongLink", 'L', name, strlen(name) + 1);
			add_disk(tar, "cut", 0x51);
		} else if (form == 1) {
			uint8_t header[BLOCK];
			uint64_t at = tar->size;

			add_disk(tar, name + 111, 0x52);
			make_header(header, name + 111, '0', 4096);
			memcpy(header + 345, name + 100, 10);
			seal(header);
			put(tar, at, header, BLOCK);
		} else {
			int length = snprintf(record, sizeof(record), "%zu path=%s\n", strlen(name) + 10, name);

			add(tar, "PaxHeaders/x", 'x', record, (size_t)length);
			add_disk(tar, "cut", 0x53);
		}
		a = open_ok(tar);
		assert_disk_begins_with(a, (uint8_t)(0x51 + form));
		appliance_free(a);
	}
}

static void pax_and_base_256_sizes_count(void **state)
{
	struct tar *tar = *state;
	struct appliance *a;
	char text[32];
	int length;

	add_ovf(tar, "disk.vmdk");
	length = snprintf(text, sizeof(text), "19 size=%llu\n", 9 * GIBIBYTE);
	assert_int_equal(length, 19);
	add(tar, "PaxHeaders/x", 'x', text, 19);
	add_room(tar, "pax", '0', 0);
	tar->size += 9 * GIBIBYTE;
	test_memory_resize(&tar->memory, "vm.ova", tar->size);
	add_room(tar, "base-256", '0', 10 * GIBIBYTE);
	add_disk(tar, "disk.vmdk", 0x44);
	a = open_ok(tar);
	assert_disk_begins_with(a, 0x44);
	appliance_free(a);
}

static uint64_t bytes_read_so_far(void)
{
	unsigned long long n = 0;
	FILE *file = fopen("/proc/self/io", "r");

	if (!file || fscanf(file, "rchar: %llu", &n) != 1)
		n = 0;
	if (file)
		fclose(file);
	return n;
}

static void opening_reads_as_little_of_4_gib_as_of_10_mib(void **state)
{
	static const uint64_t sizes[] = { 10ull << 20, 4 * GIBIBYTE + 512 };
	struct tar *tar = *state;
	uint64_t read[2];

	for (int i = 0; i < 2; i++) {
		uint64_t before;
		struct appliance *a;

		tar->size = 0;
		test_memory_resize(&tar->memory, "vm.ova", 0);
		add_ovf(tar, "disk.vmdk");
		add_room(tar, "disk.vmdk", '0', sizes[i]);
		add_end(tar);
		before = bytes_read_so_far();
		a = open_ok(tar);
		read[i] = bytes_read_so_far() - before;
		appliance_free(a);
	}
	print_message("%llu and %llu bytes were read\n", (unsigned long long)read[0], (unsigned long long)read[1]);
	assert_true(read[1] < 64u << 10);
	assert_in_range(read[1], read[0] > 64 ? read[0] - 64 : 0, read[0] + 64); /* /proc/self/io itself varies */
}

static void a_cut_download_says_how_much_is_there(void **state)
{
	struct tar *tar = *state;

	add_ovf(tar, "disk.vmdk");
	add_room(tar, "disk.vmdk", '0', 3435973837); /* 3.2 GiB */
	test_memory_resize(&tar->memory, "vm.ova", GIBIBYTE);
	assert_fails(tar, -ENODATA, "vm.ova ends after ");
	assert_fails(tar, -ENODATA, "the download was probably interrupted. Download it again.");
	test_memory_resize(&tar->memory, "vm.ova", BLOCK + 100);
	assert_fails(tar, -ENODATA, "vm.ova ends after ");
}

static void impossible_sizes_are_refused(void **state)
{
	static const struct {
		uint8_t field[12];
		int code;
	} sizes[] = {
		{ { 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, -EINVAL }, /* wraps around */
		{ { 0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, -EINVAL },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0 }, -EINVAL }, /* negative */
		{ { 0x80, 1 }, -EINVAL }, /* beyond 64 bits */
		{ "-1", -EINVAL },
		{ "12x", -EINVAL },
		{ "77777777777", -ENODATA },
	};
	struct tar *tar = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint8_t header[BLOCK];
		uint64_t at;

		tar->size = 0;
		test_memory_resize(&tar->memory, "vm.ova", 0);
		add_ovf(tar, "disk.vmdk");
		at = tar->size;
		add_disk(tar, "disk.vmdk", 1);
		make_header(header, "disk.vmdk", '0', 0);
		memcpy(header + 124, sizes[i].field, 12);
		seal(header);
		put(tar, at, header, BLOCK);
		assert_fails(tar, sizes[i].code, "Download it again.");
	}
}

static void damaged_headers_are_refused(void **state)
{
	struct tar *tar = *state;
	uint64_t at;

	add_ovf(tar, "disk.vmdk");
	at = tar->size;
	add_disk(tar, "disk.vmdk", 1);
	put(tar, at, "D", 1);
	assert_fails(tar, -EINVAL, "its checksum is wrong");
	tar->size = at;
	add(tar, "PaxHeaders/x", 'x', "99 path=disk.vmdk\n", 18);
	assert_fails(tar, -EINVAL, "a pax header is cut");
	tar->size = at;
	add(tar, "PaxHeaders/x", 'x', "0 \n", 3);
	assert_fails(tar, -EINVAL, "a pax header is cut");
	tar->size = at;
	add_room(tar, "././@LongLink", 'L', 1 << 20);
	assert_fails(tar, -EINVAL, "larger than any program writes");
}

static void sparse_members_are_refused_in_words(void **state)
{
	static const char record[] = "22 GNU.sparse.major=1\n";
	struct tar *tar = *state;
	uint64_t at;

	add_ovf(tar, "disk.vmdk");
	at = tar->size;
	add(tar, "PaxHeaders/x", 'x', record, sizeof(record) - 1);
	add_disk(tar, "disk.vmdk", 1);
	assert_fails(tar, -ENOTSUP, "sparse file");
	tar->size = at;
	add(tar, "disk.vmdk", 'S', "x", 1);
	assert_fails(tar, -ENOTSUP, "tar -xf");
}

static void names_that_lead_outside_are_members_alone(void **state)
{
	struct tar *tar = *state;
	struct appliance *a;

	test_memory_write(&tar->memory, "../disk.vmdk", "outside!", 8);
	add_ovf(tar, "../disk.vmdk");
	add_disk(tar, "../disk.vmdk", 0x45);
	a = open_ok(tar);
	assert_disk_begins_with(a, 0x45);
	assert_int_equal(tar->memory.opens, 1); /* the .ova */
	appliance_free(a);
}

static void of_two_members_of_one_name_the_first_counts(void **state)
{
	struct appliance *a;

	add_ovf(*state, "disk.vmdk");
	add_disk(*state, "disk.vmdk", 0x46);
	add_disk(*state, "./disk.vmdk", 0x47);
	a = open_ok(*state);
	assert_disk_begins_with(a, 0x46);
	assert_remark(a, "this file twice");
	appliance_free(a);
}

static void encoded_names_are_found(void **state)
{
	struct appliance *a;

	add_ovf(*state, "my%20disk.vmdk");
	add_disk(*state, "my disk.vmdk", 0x48);
	a = open_ok(*state);
	assert_disk_begins_with(a, 0x48);
	appliance_free(a);
}

static void more_members_than_any_package_are_refused(void **state)
{
	struct tar *tar = *state;
	uint8_t header[BLOCK], *many = malloc(8200 * BLOCK);

	add_ovf(tar, "disk.vmdk");
	for (unsigned i = 0; i < 8200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "m%u", i);
		make_header(header, name, '0', 0);
		memcpy(many + i * BLOCK, header, BLOCK);
	}
	put(tar, tar->size, many, 8200 * BLOCK);
	assert_fails(tar, -EFBIG, "more than any package");
	free(many);
}

static void a_tar_without_an_ovf_is_refused(void **state)
{
	add_disk(*state, "disk.vmdk", 1);
	assert_fails(*state, -EINVAL, "a tar without an .ovf");
}

static void the_manifest_is_checked_against_members(void **state)
{
	static const char manifest[] = "SHA1(abc.txt)= a9993e364706816aba3e25717850c26c9cd0d89d\r\n"
				       "SHA1(disk.vmdk)= a9993e364706816aba3e25717850c26c9cd0d89d\r\n";
	struct appliance *a;
	struct error e = { 0 };
	int r;

	add_ovf(*state, "disk.vmdk");
	add(*state, "vm.mf", '0', manifest, sizeof(manifest) - 1);
	add(*state, "vm.cert", '0', "x", 1);
	add(*state, "abc.txt", '0', "abc", 3);
	add_disk(*state, "disk.vmdk", 1);
	a = open_ok(*state);
	assert_remark(a, "certificate is not checked");
	assert_non_null(appliance_manifest(a));
	assert_int_equal(manifest_count(appliance_manifest(a)), 2);
	while ((r = manifest_check_step(appliance_manifest(a), 1000, &e)) == 1)
		;
	assert_int_equal(r, -EBADMSG);
	assert_non_null(strstr(e.text, "vm.ova: disk.vmdk"));
	appliance_free(a);
}

static void a_manifest_that_cannot_be_read_is_a_remark(void **state)
{
	struct appliance *a;

	add_ovf(*state, "disk.vmdk");
	add(*state, "vm.mf", '0', "nonsense", 8);
	a = open_ok(*state);
	assert_null(appliance_manifest(a));
	assert_remark(a, "The manifest cannot be used");
	appliance_free(a);
}

static void other_bytes_are_no_tar(void **state)
{
	uint8_t block[BLOCK] = { 'a' };

	(void)state;
	assert_false(ova_probe(block, BLOCK));
	make_header(block, "a", '0', 0);
	assert_true(ova_probe(block, BLOCK));
	assert_false(ova_probe(block, BLOCK - 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_disk_is_read_inside_of_the_tar),
		TEST(members_may_come_in_any_order_and_without_an_end),
		TEST(many_long_names_are_searched_in_time),
		TEST(ustar_prefixes_gnu_long_names_and_pax_paths_name_members),
		TEST(pax_and_base_256_sizes_count),
		TEST(opening_reads_as_little_of_4_gib_as_of_10_mib),
		TEST(a_cut_download_says_how_much_is_there),
		TEST(impossible_sizes_are_refused),
		TEST(damaged_headers_are_refused),
		TEST(sparse_members_are_refused_in_words),
		TEST(names_that_lead_outside_are_members_alone),
		TEST(of_two_members_of_one_name_the_first_counts),
		TEST(encoded_names_are_found),
		TEST(more_members_than_any_package_are_refused),
		TEST(a_tar_without_an_ovf_is_refused),
		TEST(the_manifest_is_checked_against_members),
		TEST(a_manifest_that_cannot_be_read_is_a_remark),
		TEST(other_bytes_are_no_tar),
	};

	return cmocka_run_group_tests_name("ova", tests, NULL, NULL);
}
