/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/vmdk.h"

#define SPLIT                                       \
	"# Disk DescriptorFile\n"                   \
	"version=1\n"                               \
	"encoding=\"UTF-8\"\n"                      \
	"CID=fffffffe\n"                            \
	"parentCID=ffffffff\n"                      \
	"createType=\"twoGbMaxExtentSparse\"\n"     \
	"\n"                                        \
	"# Extent description\n"                    \
	"RW 4192256 SPARSE \"my disk-s001.vmdk\"\n" \
	"RDONLY 2048 FLAT \"b-f001.vmdk\" 17\n"     \
	"RW 63 ZERO\n"                              \
	"NOACCESS 9 VMFS \"c-flat.vmdk\"\n"         \
	"\n"                                        \
	"# The Disk Data Base\n"                    \
	"#DDB\n"                                    \
	"ddb.adapterType = \"ide\"\n"

static int parse(const char *text, struct vmdk_descriptor *d, struct error *e)
{
	error_clear(e);
	return vmdk_descriptor_parse(text, strlen(text), "a.vmdk", d, e);
}

/* The text is refused with this code, and the message has these words. */
static void check_refused(const char *text, int code, const char *words)
{
	struct vmdk_descriptor d;
	struct error e = { 0 };

	assert_int_equal(parse(text, &d, &e), code);
	assert_int_equal(e.code, code);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" lacks \"%s\"", e.text, words);
	assert_int_equal(d.extent_count, 0);
	assert_null(d.extents);
}

static void check_split(const struct vmdk_descriptor *d)
{
	assert_int_equal(d->extent_count, 4);
	assert_string_equal(d->create_type, "twoGbMaxExtentSparse");
	assert_int_equal(d->extents[0].access, VMDK_RW);
	assert_int_equal(d->extents[0].type, VMDK_SPARSE);
	assert_int_equal(d->extents[0].sectors, 4192256);
	assert_int_equal(d->extents[0].line, 9);
	assert_string_equal(d->extents[0].file, "my disk-s001.vmdk");
	assert_int_equal(d->extents[1].access, VMDK_RDONLY);
	assert_int_equal(d->extents[1].type, VMDK_FLAT);
	assert_int_equal(d->extents[1].offset, 17);
	assert_int_equal(d->extents[2].type, VMDK_ZERO);
	assert_string_equal(d->extents[2].file, "");
	assert_int_equal(d->extents[3].access, VMDK_NOACCESS);
	assert_int_equal(d->extents[3].type, VMDK_FLAT);
	assert_int_equal(d->extents[3].offset, 0);
}

static void descriptor_extents_are_read(void **state)
{
	struct vmdk_descriptor d;
	struct error e = { 0 };

	(void)state;
	assert_int_equal(parse(SPLIT, &d, &e), 0);
	check_split(&d);
	vmdk_descriptor_free(&d);
	assert_int_equal(d.extent_count, 0);
	vmdk_descriptor_free(&d);
}

static void descriptor_of_windows_has_other_line_ends_and_a_mark(void **state)
{
	char text[2 * sizeof(SPLIT) + 3] = "\xef\xbb\xbf", *to = text + 3;
	struct vmdk_descriptor d;
	struct error e = { 0 };

	(void)state;
	for (const char *from = SPLIT; *from; from++) {
		if (*from == '\n')
			*to++ = '\r';
		*to++ = *from;
	}
	*to = '\0';
	assert_true(vmdk_descriptor_probe((const uint8_t *)text, strlen(text)));
	assert_int_equal(parse(text, &d, &e), 0);
	check_split(&d);
	vmdk_descriptor_free(&d);
}

static void descriptor_words_are_read_in_any_case_and_spacing(void **state)
{
	struct vmdk_descriptor d;
	struct error e = { 0 };

	(void)state;
	assert_int_equal(
		parse("CREATETYPE = \"MONOLITHICFLAT\"\n\t rw \t 7  flat\t\"x\"  3 \nParentCID = FFFFFFFF", &d, &e), 0);
	assert_string_equal(d.create_type, "monolithicFlat");
	assert_int_equal(d.extent_count, 1);
	assert_int_equal(d.extents[0].sectors, 7);
	assert_int_equal(d.extents[0].offset, 3);
	vmdk_descriptor_free(&d);
}

static void descriptor_without_a_type_goes_by_its_extents(void **state)
{
	struct vmdk_descriptor d;
	struct error e = { 0 };

	(void)state;
	assert_int_equal(parse("RW 1 FLAT \"x\"", &d, &e), 0);
	assert_string_equal(d.create_type, "");
	vmdk_descriptor_free(&d);
	assert_int_equal(parse("", &d, &e), 0);
	assert_int_equal(d.extent_count, 0);
	vmdk_descriptor_free(&d);
}

static void descriptor_names_are_decoded(void **state)
{
	struct vmdk_descriptor d;
	struct error e = { 0 };

	(void)state;
	assert_int_equal(parse("encoding=\"windows-1252\"\nRW 1 FLAT \"gr\xfcn.vmdk\"", &d, &e), 0);
	assert_string_equal(d.extents[0].file, "gr\xc3\xbcn.vmdk");
	vmdk_descriptor_free(&d);
	/* Converted by someone who left the line alone. */
	assert_int_equal(parse("encoding=\"windows-1252\"\nRW 1 FLAT \"gr\xc3\xbcn.vmdk\"", &d, &e), 0);
	assert_string_equal(d.extents[0].file, "gr\xc3\xbcn.vmdk");
	vmdk_descriptor_free(&d);
}

static void descriptor_of_a_snapshot_names_its_parent(void **state)
{
	struct vmdk_descriptor d;
	struct error e = { 0 };

	(void)state;
	assert_int_equal(
		parse("CID=fFfe0a01\nparentFileNameHint=\"gr\xfcn.vmdk\"\nparentCID=1b\nencoding=\"windows-1252\"\n"
	              "RW 1 SPARSE \"x\"",
	              &d, &e),
		0);
	assert_true(d.has_cid && d.is_delta);
	assert_int_equal(d.cid, 0xfffe0a01);
	assert_int_equal(d.parent_cid, 0x1b);
	assert_int_equal(d.parent_line, 3);
	assert_string_equal(d.parent_hint, "gr\xc3\xbcn.vmdk");
	vmdk_descriptor_free(&d);
	assert_null(d.parent_hint);
}

static void descriptor_of_a_snapshot_must_say_of_what(void **state)
{
	(void)state;
	check_refused(
		"version=1\nparentCID=12345678\n", -EINVAL,
		"a.vmdk, line 2: this disk has only what changed since a snapshot, but does not say of which disk");
	check_refused("\n\nparentFileNameHint=\"b.vmdk\"\n", -EINVAL,
	              "line 3: this disk has only what changed since a snapshot of \"b.vmdk\", but not the content ID");
	check_refused("parentCID=123456789\n", -EINVAL, "line 1: \"123456789\" is no content ID");
	check_refused("parentCID=\"\"\n", -EINVAL, "is no content ID");
	check_refused("parentCID=1g\n", -EINVAL, "\"1g\" is no content ID");
}

static void descriptor_with_a_bad_id_of_its_own_is_read(void **state)
{
	struct vmdk_descriptor d;
	struct error e = { 0 };

	(void)state;
	assert_int_equal(parse("CID=word\nRW 1 ZERO", &d, &e), 0);
	assert_false(d.has_cid);
	vmdk_descriptor_free(&d);
}

static void descriptor_hint_without_a_parent_is_harmless(void **state)
{
	struct vmdk_descriptor d;
	struct error e = { 0 };

	(void)state;
	assert_int_equal(parse("parentFileNameHint=\"b\"\nparentCID=ffffffff\nRW 1 ZERO", &d, &e), 0);
	vmdk_descriptor_free(&d);
}

static void descriptor_of_a_kind_not_played_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "createType=\"fullDevice\"", "line 1: a fullDevice disk stands for a device of another computer" },
		{ "createType=\"partitionedDevice\"", "device of another computer" },
		{ "createType=\"vmfsRawDeviceMap\"", "device of another computer" },
		{ "createType=\"vmfsRaw\"", "device of another computer" },
		{ "createType=\"vmfsPassthroughRawDeviceMap\"", "device of another computer" },
		{ "createType=\"vsanSparse\"", "a vsanSparse disk is kept in ESXi's own storage (vSAN)" },
		{ "createType=\"quantum\"", "\"quantum\" is unknown" },
		{ "\nRW 1 VSANSPARSE \"x\"", "line 2: VSANSPARSE is kept in ESXi's own storage" },
		{ "RW 1 VMFSRDM \"x\"", "VMFSRDM stands for a device" },
		{ "RW 1 MOEBIUS \"x\"", "\"MOEBIUS\" is unknown" },
		{ "version=9", "version 9" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_refused(cases[i].text, -ENOTSUP, cases[i].words);
}

static void descriptor_syntax_errors_name_the_line(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "# c\n\nnonsense\n", "a.vmdk, line 3: \"nonsense\" is neither" },
		{ "RW\n", "line 1: \"RW\" is neither" },
		{ "RW x FLAT \"a\"", "number of sectors" },
		{ "RW 0 FLAT \"a\"", "number of sectors" },
		{ "RW -5 FLAT \"a\"", "number of sectors" },
		{ "RW 18446744073709551616 FLAT \"a\"", "number of sectors" },
		{ "RW 99999999999999999999999999 FLAT \"a\"", "number of sectors" },
		{ "RW 5", "type of the extent is missing" },
		{ "RW 5 FLAT", "file name is missing" },
		{ "RW 5 SPARSE \"\"", "file name is missing" },
		{ "RW 5 FLAT \"a.vmdk", "quote does not end" },
		{ "RW 5 FLAT \"a\" x", "offset is no number" },
		{ "RW 5 FLAT \"a\" 18446744073709551615", "behind the end of any file" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_refused(cases[i].text, -EINVAL, cases[i].words);
}

static void descriptor_capacity_cannot_overflow(void **state)
{
	(void)state;
	check_refused("RW 137438953473 ZERO", -EFBIG, "line 1: the disk has more than 64 TiB");
	check_refused("RW 137438953472 ZERO\nRW 1 ZERO", -EFBIG, "line 2");
	check_refused("RW 1 ZERO\nRW 18446744073709551615 ZERO", -EFBIG, "line 2");
}

static void descriptor_with_zero_bytes_is_refused(void **state)
{
	static const char text[] = "# Disk DescriptorFile\nRW 1 FLAT \"a\0b\"\n";
	struct vmdk_descriptor d;
	struct error e = { 0 };

	(void)state;
	assert_int_equal(vmdk_descriptor_parse(text, sizeof(text) - 1, "a.vmdk", &d, &e), -EINVAL);
	assert_non_null(strstr(e.text, "zero bytes"));
}

static void descriptor_lines_may_have_any_length(void **state)
{
	enum { LENGTH = 300000 };
	char *text = malloc(LENGTH + 100);
	struct vmdk_descriptor d;
	struct error e = { 0 };

	(void)state;
	assert_non_null(text);
	text[0] = '#';
	memset(text + 1, 'x', LENGTH);
	strcpy(text + LENGTH, "\nRW 5 FLAT \"a\"\n");
	assert_int_equal(parse(text, &d, &e), 0);
	assert_int_equal(d.extent_count, 1);
	assert_int_equal(d.extents[0].line, 2);
	vmdk_descriptor_free(&d);
	text[0] = 'x'; /* now a syntax error of 300,000 characters */
	assert_int_equal(parse(text, &d, &e), -EINVAL);
	assert_non_null(strstr(e.text, "is neither"));
	free(text);
}

static void descriptor_size_and_extents_are_limited(void **state)
{
	enum { LINE = 11, LINES = VMDK_MAX_EXTENTS + 1 };
	char *text = malloc(VMDK_MAX_DESCRIPTOR + 1);
	struct vmdk_descriptor d;
	struct error e = { 0 };

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i < LINES; i++)
		memcpy(text + i * LINE, "RW 1 ZERO \n", LINE);
	assert_int_equal(vmdk_descriptor_parse(text, (LINES - 1) * LINE, "a.vmdk", &d, &e), 0);
	assert_int_equal(d.extent_count, VMDK_MAX_EXTENTS);
	vmdk_descriptor_free(&d);
	assert_int_equal(vmdk_descriptor_parse(text, LINES * LINE, "a.vmdk", &d, &e), -EFBIG);
	assert_non_null(strstr(e.text, "line 2049: the disk has more than 2048 pieces"));
	error_clear(&e);
	memset(text, '\n', VMDK_MAX_DESCRIPTOR + 1);
	assert_int_equal(vmdk_descriptor_parse(text, VMDK_MAX_DESCRIPTOR + 1, "a.vmdk", &d, &e), -EFBIG);
	assert_non_null(strstr(e.text, "1 MiB"));
	free(text);
}

static void descriptor_is_told_by_its_first_comment(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} cases[] = {
		{ "# Disk DescriptorFile\n", true },
		{ "#disk descriptorfile", true },
		{ "\r\n# other\r\n# Disk DescriptorFile\r\n", true },
		{ "version=1\n# Disk DescriptorFile\n", false },
		{ "# Disk Descr", false },
		{ "", false },
		{ "Disk DescriptorFile", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(vmdk_descriptor_probe((const uint8_t *)cases[i].text, strlen(cases[i].text)),
		                 cases[i].is);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptor_extents_are_read),
		cmocka_unit_test(descriptor_of_windows_has_other_line_ends_and_a_mark),
		cmocka_unit_test(descriptor_words_are_read_in_any_case_and_spacing),
		cmocka_unit_test(descriptor_without_a_type_goes_by_its_extents),
		cmocka_unit_test(descriptor_names_are_decoded),
		cmocka_unit_test(descriptor_of_a_snapshot_names_its_parent),
		cmocka_unit_test(descriptor_of_a_snapshot_must_say_of_what),
		cmocka_unit_test(descriptor_with_a_bad_id_of_its_own_is_read),
		cmocka_unit_test(descriptor_hint_without_a_parent_is_harmless),
		cmocka_unit_test(descriptor_of_a_kind_not_played_is_refused_with_its_reason),
		cmocka_unit_test(descriptor_syntax_errors_name_the_line),
		cmocka_unit_test(descriptor_capacity_cannot_overflow),
		cmocka_unit_test(descriptor_with_zero_bytes_is_refused),
		cmocka_unit_test(descriptor_lines_may_have_any_length),
		cmocka_unit_test(descriptor_size_and_extents_are_limited),
		cmocka_unit_test(descriptor_is_told_by_its_first_comment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
