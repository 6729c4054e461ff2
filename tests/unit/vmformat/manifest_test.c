/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forbid_opening.h"
#include "test_files.h"
#include "vmformat/manifest.h"

/* Digests of "abc" (FIPS 180-4, the examples). */
#define ABC_SHA1 "a9993e364706816aba3e25717850c26c9cd0d89d"
#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_SHA512                                                         \
	"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" \
	"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static int set_up(void **state)
{
	struct test_memory *memory = malloc(sizeof(*memory));

	test_memory_init(memory);
	test_memory_write(memory, "abc.vmdk", "abc", 3);
	test_memory_write(memory, "other (copy)=1.vmdk", "other", 5);
	*state = memory;
	return 0;
}

static int tear_down(void **state)
{
	test_memory_free(*state);
	free(*state);
	return 0;
}

static struct manifest *parse(struct test_memory *memory, const char *text)
{
	struct manifest *m = NULL;
	struct error e = { 0 };

	if (manifest_parse(text, strlen(text), "test.mf", &memory->files, &m, &e) < 0)
		fail_msg("%s", e.text);
	return m;
}

static int check_all(struct manifest *m, size_t budget, struct error *e)
{
	int r;

	while ((r = manifest_check_step(m, budget, e)) == 1)
		;
	return r;
}

static void every_digest_and_spacing_is_read(void **state)
{
	static const char *const texts[] = {
		"SHA1(abc.vmdk)= " ABC_SHA1 "\n",
		"SHA256(abc.vmdk)= " ABC_SHA256 "\n",
		"SHA512(abc.vmdk)= " ABC_SHA512 "\n",
		"SHA256 (abc.vmdk) = " ABC_SHA256 "\r\n",
		"sha256(abc.vmdk)=" ABC_SHA256,
		"  Sha-256  ( abc.vmdk )  =  " ABC_SHA256 "  \r\r",
		"\xef\xbb\xbf\n\nSHA1(abc.vmdk)=\tA9993E364706816ABA3E25717850C26C9CD0D89D\n\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct manifest *m = parse(*state, texts[i]);
		struct error e = { 0 };

		assert_int_equal(manifest_count(m), 1);
		if (check_all(m, 1 << 20, &e) < 0)
			fail_msg("%zu: %s", i, e.text);
		assert_int_equal(manifest_bytes_done(m), 3);
		manifest_free(m);
	}
}

static void names_with_brackets_and_signs_are_whole(void **state)
{
	struct manifest *m = parse(*state, "SHA1(other (copy)=1.vmdk)= d0941e68da8f38151ff86a61fc59f7c5cf9fcaa2\n");
	struct error e = { 0 };

	assert_int_equal(check_all(m, 64, &e), 0);
	manifest_free(m);
}

static void a_wrong_digest_names_its_file_and_the_next_is_checked(void **state)
{
	struct manifest *m = parse(*state, "SHA1(other (copy)=1.vmdk)= " ABC_SHA1 "\nSHA1(abc.vmdk)= " ABC_SHA1 "\n");
	struct error e = { 0 };

	assert_int_equal(check_all(m, 64, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "other (copy)=1.vmdk"));
	assert_non_null(strstr(e.text, "SHA1"));
	assert_int_equal(check_all(m, 64, &e), 0);
	assert_int_equal(manifest_bytes_done(m), 8);
	manifest_free(m);
}

static void a_missing_file_is_an_error_and_the_next_is_checked(void **state)
{
	struct manifest *m = parse(*state, "SHA1(gone.vmdk)= " ABC_SHA1 "\nSHA1(abc.vmdk)= " ABC_SHA1 "\n");
	struct error e = { 0 };

	assert_int_equal(check_all(m, 64, &e), -ENOENT);
	assert_non_null(strstr(e.text, "gone.vmdk"));
	assert_int_equal(check_all(m, 64, &e), 0);
	manifest_free(m);
}

static void a_step_reads_no_more_than_its_budget(void **state)
{
	struct manifest *m = parse(*state, "SHA1(abc.vmdk)= " ABC_SHA1 "\n");

	assert_int_equal(manifest_check_step(m, 1, NULL), 1);
	assert_int_equal(manifest_bytes_done(m), 1);
	assert_int_equal(manifest_check_step(m, 1, NULL), 1);
	assert_int_equal(manifest_bytes_done(m), 2);
	assert_int_equal(manifest_check_step(m, 1, NULL), 0);
	assert_int_equal(manifest_check_step(m, 1, NULL), 0);
	manifest_free(m);
}

static void faults_name_their_line(void **state)
{
	static const char *const texts[] = {
		"SHA1(abc.vmdk)= " ABC_SHA1 "0\n",
		"SHA1(abc.vmdk)= " ABC_SHA256 "\n",
		"MD5(abc.vmdk)= " ABC_SHA1 "\n",
		"SHA1 abc.vmdk = " ABC_SHA1 "\n",
		"SHA1(abc.vmdk= " ABC_SHA1 "\n",
		"SHA1()= " ABC_SHA1 "\n",
		"SHA1(abc.vmdk)\n",
		"(abc.vmdk)= " ABC_SHA1 "\n",
		"SHA1(abc.vmdk)= g9993e364706816aba3e25717850c26c9cd0d89d\n",
		"SHA1)(= " ABC_SHA1 "\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct test_memory *memory = *state;
		struct manifest *m = NULL;
		struct error e = { 0 };
		char text[512];

		snprintf(text, sizeof(text), "SHA1(abc.vmdk)= %s\n\n%s", ABC_SHA1, texts[i]);
		assert_int_equal(manifest_parse(text, strlen(text), "test.mf", &memory->files, &m, &e), -EINVAL);
		assert_non_null(strstr(e.text, "test.mf, line 3"));
	}
}

/* ---- in the sandbox ---- */

static struct test_memory sandbox_memory;

static int prepare_nothing(void)
{
	return 0;
}

static int check_in_sandbox(void)
{
	static const char text[] = "SHA1(abc)= " ABC_SHA1 "\nSHA256(abc)= " ABC_SHA256 "\nSHA512(abc)= " ABC_SHA512;
	struct manifest *m;

	if (manifest_parse(text, strlen(text), "test.mf", &sandbox_memory.files, &m, NULL) < 0)
		return 2;
	return check_all(m, 1 << 20, NULL) == 0 ? 0 : 3;
}

static void checking_opens_no_file_by_itself(void **state)
{
	(void)state;
	test_memory_init(&sandbox_memory);
	test_memory_write(&sandbox_memory, "abc", "abc", 3);
	assert_needs_no_files(prepare_nothing, check_in_sandbox);
	test_memory_free(&sandbox_memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checking_opens_no_file_by_itself), /* first: nothing was hashed yet */
		cmocka_unit_test_setup_teardown(every_digest_and_spacing_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_with_brackets_and_signs_are_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_wrong_digest_names_its_file_and_the_next_is_checked, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(a_missing_file_is_an_error_and_the_next_is_checked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_step_reads_no_more_than_its_budget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(faults_name_their_line, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
