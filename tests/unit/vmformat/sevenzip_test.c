/* SPDX-License-Identifier: MIT */
/* What a .7z's headers may ask for: headers made by hand, for no tool makes such. That good ones play, wrap_test.c shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libdeflate.h>

#include "test_files.h"
#include "vmformat/bytes.h"
#include "vmformat/sevenzip.h"

#define PLACE 32u /* of the header, behind the first one; `packed` bytes of data lie between */

/* One number below 2^56 in eight bytes: 0xfe, seven of them. */
#define NUMBER(n)                                                                                      \
	0xfe, (uint8_t)(n), (uint8_t)((n) >> 8), (uint8_t)((n) >> 16), (uint8_t)((uint64_t)(n) >> 24), \
		(uint8_t)((uint64_t)(n) >> 32), (uint8_t)((uint64_t)(n) >> 40), (uint8_t)((uint64_t)(n) >> 48)

#define PACK_1(size) 0x06, 0, 1, 0x09, NUMBER(size), 0
#define LZMA(dictionary)                                                                                          \
	0x23, 3, 1, 1, 5, 93, (uint8_t)(dictionary), (uint8_t)((dictionary) >> 8), (uint8_t)((dictionary) >> 16), \
		(uint8_t)((uint64_t)(dictionary) >> 24)
#define PPMD(memory)                                                                                 \
	0x23, 3, 4, 1, 5, 6, (uint8_t)(memory), (uint8_t)((memory) >> 8), (uint8_t)((memory) >> 16), \
		(uint8_t)((uint64_t)(memory) >> 24)
#define LZMA2(code) 0x21, 0x21, 1, code
#define NO_SUBSTREAMS 0
#define UNPACK_1(size, ...) 0x07, 0x0b, 1, 0, 1, __VA_ARGS__, 0x0c, NUMBER(size), 0
#define FILE_A 0x05, 1, 0x11, 5, 0, 'a', 0, 0, 0, 0

#define HEADER(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

static uint8_t bytes[1u << 17];

static struct file archive(const uint8_t *header, size_t length, size_t packed)
{
	static const uint8_t magic[] = { '7', 'z', 0xbc, 0xaf, 0x27, 0x1c, 0, 4 };

	assert_true(PLACE + packed + length <= sizeof(bytes));
	memset(bytes, 0, PLACE + packed);
	memcpy(bytes, magic, sizeof(magic));
	memcpy(bytes + PLACE + packed, header, length);
	le64_store(bytes + 12, packed);
	le64_store(bytes + 20, length);
	le32_store(bytes + 28, libdeflate_crc32(0, header, length));
	le32_store(bytes + 8, libdeflate_crc32(0, bytes + 12, 20));
	return test_file("a.7z", bytes, PLACE + packed + length);
}

static int check(const uint8_t *header, size_t length, struct error *e)
{
	struct file file = archive(header, length, 64);
	int r;

	error_clear(e);
	r = sevenzip_check(&file, e);
	if (r < 0)
		assert_true(e->code == r && e->text[0]);
	file_close(&file);
	return r;
}

static void assert_accepted(const uint8_t *header, size_t length)
{
	struct error e = { 0 };

	if (check(header, length, &e) < 0)
		fail_msg("%s", e.text);
}

static void assert_refused(const uint8_t *header, size_t length, int code, const char *words)
{
	struct error e = { 0 };

	assert_int_equal(check(header, length, &e), code);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" is not in: %s", words, e.text);
}

static void dictionary_of_the_largest_preset_is_accepted(void **state)
{
	(void)state;
	assert_accepted(HEADER(1, 4, PACK_1(9), UNPACK_1(99, LZMA(256u << 20)), NO_SUBSTREAMS, FILE_A, 0));
	assert_accepted(HEADER(1, 4, PACK_1(9), UNPACK_1(99, LZMA2(32)), NO_SUBSTREAMS, FILE_A, 0));
	assert_accepted(HEADER(1, 4, PACK_1(9), UNPACK_1(99, PPMD(192u << 20)), NO_SUBSTREAMS, FILE_A, 0));
	assert_accepted(HEADER(1, 0));
}

static void dictionary_of_gigabytes_is_refused_in_words(void **state)
{
	static const char words[] = "takes 4.3 GB of memory";

	(void)state;
	assert_refused(HEADER(1, 4, PACK_1(9), UNPACK_1(99, LZMA(0xffffffffu)), NO_SUBSTREAMS, FILE_A, 0), -EFBIG,
	               words);
	assert_refused(HEADER(1, 4, PACK_1(9), UNPACK_1(99, LZMA2(40)), NO_SUBSTREAMS, FILE_A, 0), -EFBIG, words);
	assert_refused(HEADER(1, 4, PACK_1(9), UNPACK_1(99, PPMD(0xffffffffu)), NO_SUBSTREAMS, FILE_A, 0), -EFBIG,
	               words);
}

/* Its own list of files may be packed, too. */
static void dictionary_of_a_packed_header_is_refused_in_words(void **state)
{
	(void)state;
	assert_refused(HEADER(0x17, PACK_1(9), UNPACK_1(99, LZMA(0x80000000u)), 0), -EFBIG, "of memory");
	assert_refused(HEADER(0x17, PACK_1(9), UNPACK_1(1ull << 40, LZMA(1u << 20)), 0), -EINVAL, "damaged");
}

/* Main, call and jump streams through LZMA; the range coder's as it is. */
#define BCJ2_FOLDER(packed, main, call)                                                                              \
	0x06, 0, 4, 0x09, 9, 9, 9, NUMBER(packed), 0, 0x07, 0x0b, 1, 0, 4, 0x14, 3, 3, 1, 0x1b, 4, 1, LZMA(1 << 20), \
		LZMA(1 << 16), LZMA(1 << 16), 0, 1, 1, 2, 2, 3, 4, 5, 6, 3, 0x0c, NUMBER(1 << 20), NUMBER(main),     \
		NUMBER(call), 9, 0

static void streams_that_are_wanted_in_memory_count(void **state)
{
	static const char words[] = "of memory";

	(void)state;
	assert_accepted(HEADER(1, 4, BCJ2_FOLDER(9, 1 << 20, 1 << 16), NO_SUBSTREAMS, FILE_A, 0));
	assert_refused(HEADER(1, 4, BCJ2_FOLDER(9, 1 << 20, 1ull << 33), NO_SUBSTREAMS, FILE_A, 0), -EFBIG, words);
	assert_refused(HEADER(1, 4, BCJ2_FOLDER(9, 1ull << 33, 1 << 16), NO_SUBSTREAMS, FILE_A, 0), -EFBIG, words);
	assert_refused(HEADER(1, 4, BCJ2_FOLDER(1ull << 33, 1 << 20, 1 << 16), NO_SUBSTREAMS, FILE_A, 0), -EFBIG,
	               words);
}

static void counts_beyond_those_of_any_appliance_are_refused(void **state)
{
	static const char words[] = "more than 8192 files";

	(void)state;
	assert_refused(HEADER(1, 5, NUMBER(100000000), 0), -EFBIG, words);
	assert_refused(HEADER(1, 4, 6, 0, NUMBER(100000000), 9, 0), -EFBIG, words);
	assert_refused(HEADER(1, 4, PACK_1(9), 7, 0x0b, NUMBER(100000000), 0), -EFBIG, words);
	assert_refused(HEADER(1, 4, PACK_1(9), UNPACK_1(99, LZMA(1 << 20)), 8, 0x0d, NUMBER(100000000), 9, 0), -EFBIG,
	               words);
}

/* libarchive takes a link's content into memory; the attributes say which file is one. */
static void link_of_gigabytes_is_refused(void **state)
{
#define LINK_FILE 0x05, 1, 0x15, 6, 1, 0, 0x20, 0x80, 0xff, 0xa1, 0
	(void)state;
	assert_accepted(HEADER(1, 4, PACK_1(9), UNPACK_1(99, LZMA(1 << 20)), 8, 0, 0, LINK_FILE, 0));
	assert_refused(HEADER(1, 4, PACK_1(9), UNPACK_1(1ull << 33, LZMA(1 << 20)), 8, 0, 0, LINK_FILE, 0), -EINVAL,
	               "damaged");
}

static void property_that_is_longer_than_its_content_is_refused(void **state)
{
	(void)state;
	/* Behind the one byte of bits, libarchive would go on reading what is "inside" here. */
	assert_refused(HEADER(1, 5, 1, 0x0e, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), -EINVAL, "damaged");
	assert_refused(HEADER(1, 5, 1, 0x14, 11, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), -EINVAL, "damaged");
}

static void encrypted_headers_and_files_are_refused_in_words(void **state)
{
	(void)state;
	assert_refused(HEADER(1, 4, PACK_1(9), UNPACK_1(99, 0x24, 6, 0xf1, 7, 1, 2, 0, 0), 0), -ENOTSUP,
	               "is encrypted");
	assert_refused(HEADER(0x17, PACK_1(9), UNPACK_1(99, 0x24, 6, 0xf1, 7, 1, 2, 0, 0), 0), -ENOTSUP,
	               "is encrypted");
}

static void any_cut_of_a_header_is_damaged(void **state)
{
	static const uint8_t header[] = { 1, 4, BCJ2_FOLDER(9, 1 << 20, 1 << 16), 8, 0, 0, FILE_A, 0 };

	(void)state;
	assert_accepted(header, sizeof(header));
	for (size_t length = 1; length < sizeof(header); length++)
		assert_refused(header, length, -EINVAL, "damaged");
}

static void header_that_lies_behind_the_end_was_cut_off(void **state)
{
	struct file file = archive(HEADER(1, 0), 1000);
	struct error e = { 0 };

	(void)state;
	file.size -= 1;
	assert_int_equal(sevenzip_check(&file, &e), -ENODATA);
	assert_non_null(strstr(e.text, "interrupted"));
	file_close(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dictionary_of_the_largest_preset_is_accepted),
		cmocka_unit_test(dictionary_of_gigabytes_is_refused_in_words),
		cmocka_unit_test(dictionary_of_a_packed_header_is_refused_in_words),
		cmocka_unit_test(streams_that_are_wanted_in_memory_count),
		cmocka_unit_test(counts_beyond_those_of_any_appliance_are_refused),
		cmocka_unit_test(link_of_gigabytes_is_refused),
		cmocka_unit_test(property_that_is_longer_than_its_content_is_refused),
		cmocka_unit_test(encrypted_headers_and_files_are_refused_in_words),
		cmocka_unit_test(any_cut_of_a_header_is_damaged),
		cmocka_unit_test(header_that_lies_behind_the_end_was_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
