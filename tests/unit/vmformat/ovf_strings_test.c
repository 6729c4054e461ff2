/* SPDX-License-Identifier: MIT */
/* Messages that lie in files of their own: found as those in the OVF are, and never a reason not to play. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test_files.h"
#include "vmformat/appliance.h"
#include "vmformat/bytes.h"
#include "vmformat/deployment.h"

#define OVF(references, bundles)                                                                                \
	"<?xml version='1.0'?>\n<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1' "                      \
	"xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1' xmlns:rasd='http://schemas.dmtf.org/wbem/r'>"       \
	"<References>" references "</References><VirtualSystem ovf:id='vm'><EulaSection><Info>A licence</Info>" \
	"<License ovf:msgid='eula'/></EulaSection><VirtualHardwareSection/></VirtualSystem>" bundles "</Envelope>"
#define FILE_REFERENCE(id, href, more) "<File ovf:id='" id "' ovf:href='" href "' " more "/>"
#define OUTSIDE(language, id) "<Strings xml:lang='" language "' ovf:fileRef='" id "'/>"
#define INSIDE(language, text) "<Strings xml:lang='" language "'><Msg ovf:msgid='eula'>" text "</Msg></Strings>"
#define BUNDLE(text)                                                                                                  \
	"<Strings xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1' xmlns='http://schemas.dmtf.org/ovf/envelope/1' " \
	"xml:lang='x'><Msg ovf:msgid='other'>-</Msg><Msg ovf:msgid='eula'>" text "</Msg></Strings>"
#define BOTH FILE_REFERENCE("en", "en.msg", "") FILE_REFERENCE("de", "text/de.msg", "")

struct rig {
	struct test_memory memory;
};

/* No file of a package, and nobody is to be asked about one. */
static int open_inside(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	if (name[0] == '/' || strstr(name, "..") || strchr(name, ':'))
		fail_msg("%s is asked for", name);
	return test_memory_files_open(files, name, ret_file, e);
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	test_memory_init(&rig->memory);
	rig->memory.files.open = open_inside;
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	test_memory_free(&rig->memory);
	free(rig);
	return 0;
}

static void put(struct rig *rig, const char *name, const char *text)
{
	test_memory_write(&rig->memory, name, NULL, 0); /* what stood there goes */
	assert_int_equal(ftruncate(test_memory_fd(&rig->memory, name), 0), 0);
	test_memory_write(&rig->memory, name, text, strlen(text));
}

/* The licence is what the message says; "": there is none. For the caller to free. */
static struct appliance *open_text(struct rig *rig, const char *text, const char *license)
{
	struct file file = test_file("vm.ovf", text, strlen(text));
	struct appliance *a = NULL;
	struct error e = { 0 };

	if (appliance_open(&file, &rig->memory.files, &a, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(a->deployment->license, license);
	return a;
}

static bool is_remarked(const struct appliance *a, const char *words)
{
	for (unsigned i = 0; i < a->remark_count; i++)
		if (strstr(a->remarks[i].text, words))
			return true;
	return false;
}

static void assert_says(struct rig *rig, const char *text, const char *license)
{
	struct appliance *a = open_text(rig, text, license);

	assert_false(is_remarked(a, "messages"));
	appliance_free(a);
}

/* It plays without the message, and says why. */
static void assert_misses(struct rig *rig, const char *text, const char *words)
{
	struct appliance *a = open_text(rig, text, "");

	if (!is_remarked(a, words))
		fail_msg("\"%s\" is not remarked, but \"%s\"", words,
		         a->remark_count ? a->remarks[a->remark_count - 1].text : "nothing");
	appliance_free(a);
}

/* ---- what is found ---- */

static void messages_of_a_file_are_found_in_english_first(void **state)
{
	struct rig *rig = *state;

	put(rig, "en.msg", BUNDLE("Good &lt;3"));
	put(rig, "text/de.msg", "\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?>\n" BUNDLE("G\xc3\xbct"));
	assert_says(rig, OVF(BOTH, OUTSIDE("de-DE", "de") OUTSIDE("en-US", "en")), "Good <3");
	assert_says(rig, OVF(BOTH, OUTSIDE("de-DE", "de")), "G\xc3\xbct");
	assert_says(rig, OVF(BOTH, OUTSIDE("de-DE", "de") INSIDE("fr", "Bon")), "G\xc3\xbct");
	assert_says(rig, OVF(BOTH, INSIDE("fr", "Bon") OUTSIDE("de-DE", "de")), "Bon");
	assert_says(rig, OVF(BOTH, OUTSIDE("de-DE", "de") INSIDE("en-GB", "Fine")), "Fine");
	assert_says(rig, OVF(BOTH, INSIDE("de-DE", "Gut") OUTSIDE("EN", "en")), "Good <3");
}

static void a_file_without_the_message_leaves_it_to_the_next(void **state)
{
	struct rig *rig = *state;

	put(rig, "en.msg", "<Strings/>");
	put(rig, "text/de.msg", BUNDLE("Gut"));
	assert_says(rig, OVF(BOTH, OUTSIDE("en", "en") OUTSIDE("de", "de")), "Gut");
}

static void a_file_that_nobody_reads_is_not_opened(void **state)
{
	struct rig *rig = *state;
	unsigned opens;

	put(rig, "en.msg", BUNDLE("Good"));
	assert_says(rig, OVF("", INSIDE("en", "Fine")), "Fine");
	opens = rig->memory.opens; /* the manifest */
	assert_says(rig, OVF(BOTH, OUTSIDE("de", "de") INSIDE("en", "Fine")), "Fine");
	assert_int_equal(rig->memory.opens, 2 * opens);
	assert_says(rig, OVF(BOTH, OUTSIDE("de", "de") OUTSIDE("en", "en")), "Good"); /* German is not there */
	assert_int_equal(rig->memory.opens, 3 * opens + 1);
}

static void a_reference_may_be_escaped_as_a_uri_is(void **state)
{
	struct rig *rig = *state;

	put(rig, "in English.msg", BUNDLE("Good"));
	put(rig, "a%20b.msg", BUNDLE("Fine"));
	assert_says(rig, OVF(FILE_REFERENCE("en", "in%20English.msg", ""), OUTSIDE("en", "en")), "Good");
	assert_says(rig, OVF(FILE_REFERENCE("en", "a%20b.msg", "ovf:compression='identity'"), OUTSIDE("en", "en")),
	            "Fine");
}

static void a_member_of_an_ova_is_found(void **state)
{
	static const char ovf[] = OVF(BOTH, OUTSIDE("de", "de") OUTSIDE("en", "en"));
	struct rig *rig = *state;
	struct appliance *a;
	struct test_dir dir;
	struct file file;
	struct error e = { 0 };
	char command[256];

	test_dir_init(&dir);
	test_dir_write(&dir, "vm.ovf", ovf, strlen(ovf));
	test_dir_write(&dir, "en.msg", BUNDLE("Good"), strlen(BUNDLE("Good")));
	snprintf(command, sizeof(command), "cd %s && tar --format=ustar -cf vm.ova vm.ovf en.msg", dir.path);
	assert_int_equal(system(command), 0);
	file = test_dir_open(&dir, "vm.ova");
	assert_int_equal(appliance_open(&file, &rig->memory.files, &a, &e), 0);
	assert_string_equal(a->deployment->license, "Good");
	appliance_free(a);
	test_dir_free(&dir);
}

/* ---- what is not ---- */

static void a_name_that_leads_outside_is_never_opened(void **state)
{
	static const char words[] = "its name leads outside of the package";
	struct rig *rig = *state;

	assert_misses(rig, OVF(FILE_REFERENCE("en", "../en.msg", ""), OUTSIDE("en", "en")), words);
	assert_misses(rig, OVF(FILE_REFERENCE("en", "a/../../en.msg", ""), OUTSIDE("en", "en")), words);
	assert_misses(rig, OVF(FILE_REFERENCE("en", "%2e%2e/en.msg", ""), OUTSIDE("en", "en")), words);
	assert_misses(rig, OVF(FILE_REFERENCE("en", "%2fetc%2fpasswd", ""), OUTSIDE("en", "en")), words);
	assert_misses(rig, OVF(FILE_REFERENCE("en", "/etc/passwd", ""), OUTSIDE("en", "en")), words);
	assert_misses(rig, OVF(FILE_REFERENCE("en", "c:\\en.msg", ""), OUTSIDE("en", "en")), words);
	assert_misses(rig, OVF(FILE_REFERENCE("en", "https://example.org/en.msg", ""), OUTSIDE("en", "en")), words);
}

static void a_reference_that_leads_nowhere_is_remarked(void **state)
{
	struct rig *rig = *state;

	assert_misses(rig, OVF("", OUTSIDE("en", "en")), "the References do not list it");
	assert_misses(rig, OVF("<File ovf:id='en'/>", OUTSIDE("en", "en")), "it has no name");
	assert_misses(rig, OVF(BOTH, OUTSIDE("en", "en")), "cannot be opened");
	put(rig, "en.msg", BUNDLE("Good"));
	assert_misses(rig, OVF(FILE_REFERENCE("en", "en.msg", "ovf:compression='gzip'"), OUTSIDE("en", "en")),
	              "it is compressed");
	assert_misses(rig, OVF(FILE_REFERENCE("en", "en.msg", "ovf:chunkSize='1000'"), OUTSIDE("en", "en")),
	              "or in chunks");
}

static void a_file_that_is_no_bundle_is_remarked(void **state)
{
	static const struct {
		const char *text, *words;
	} files[] = {
		{ "", "cannot be used" },
		{ "<Strings><Msg ovf:msgid='eula'>Good</Msg>", "ends too early" },
		{ "<Messages><Msg msgid='eula'>Good</Msg></Messages>", "its root element is not Strings" },
		{ "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><Strings><Msg "
		  "msgid='eula'>&e;</Msg></Strings>",
		  "document type" },
		{ "<Strings><Msg msgid='eula'>&e;</Msg></Strings>", "en.msg, line 1" },
		{ "<?xml version='1.0' encoding='EBCDIC-US'?><Strings/>", "encoding EBCDIC-US is not read" },
	};
	struct rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		put(rig, "en.msg", files[i].text);
		assert_misses(rig, OVF(BOTH, OUTSIDE("en", "en")), files[i].words);
	}
}

static void a_file_that_names_another_is_not_followed(void **state)
{
	struct rig *rig = *state;

	put(rig, "en.msg", "<Strings fileRef='de'/>");
	put(rig, "text/de.msg", BUNDLE("Gut"));
	assert_says(rig, OVF(BOTH, OUTSIDE("en", "en")), "");
}

static void files_of_messages_are_of_limited_size_together(void **state)
{
	static const char start[] = "<Strings><!--", end[] = "--></Strings>";
	struct rig *rig = *state;
	struct appliance *a;
	const size_t size = 1200000;
	char *text = malloc(size + 1);

	memset(text, ' ', size);
	memcpy(text, start, strlen(start));
	strcpy(text + size - strlen(end), end);
	put(rig, "en.msg", text);
	put(rig, "text/de.msg", text);
	assert_says(rig, OVF(BOTH, OUTSIDE("en", "en")), "");
	a = open_text(rig, OVF(BOTH, OUTSIDE("en", "en") OUTSIDE("de", "de") INSIDE("fr", "Bon")), "Bon");
	assert_true(is_remarked(a, "with all others of this package"));
	appliance_free(a);
	free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(messages_of_a_file_are_found_in_english_first),
		TEST(a_file_without_the_message_leaves_it_to_the_next),
		TEST(a_file_that_nobody_reads_is_not_opened),
		TEST(a_reference_may_be_escaped_as_a_uri_is),
		TEST(a_member_of_an_ova_is_found),
		TEST(a_name_that_leads_outside_is_never_opened),
		TEST(a_reference_that_leads_nowhere_is_remarked),
		TEST(a_file_that_is_no_bundle_is_remarked),
		TEST(a_file_that_names_another_is_not_followed),
		TEST(files_of_messages_are_of_limited_size_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
