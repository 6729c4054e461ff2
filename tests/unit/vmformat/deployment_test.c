/* SPDX-License-Identifier: MIT */
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
#include "vmformat/vmx_encoding.h"

#define HEAD                                                                               \
	"<?xml version='1.0'?>\n<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1' " \
	"xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1' xmlns:rasd='http://schemas.dmtf.org/wbem/r'>"
#define HARDWARE(transport)                                                                                     \
	"<VirtualHardwareSection " transport "><Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>10" \
	"</rasd:ResourceType><rasd:ResourceSubType>E1000</rasd:ResourceSubType><rasd:Connection>Lab &amp; Co"   \
	"</rasd:Connection></Item></VirtualHardwareSection>"
#define ISO "ovf:transport='com.vmware.guestInfo iso'"
#define MACHINE(sections) HEAD "<VirtualSystem ovf:id='vm &lt;1&gt;'>" sections "</VirtualSystem></Envelope>"
#define EULA(text) "<EulaSection><Info>A licence</Info><License>" text "</License></EulaSection>"
#define PRODUCT(attributes, properties) "<ProductSection " attributes "><Info>x</Info>" properties "</ProductSection>"
#define PROPERTY(key, more) "<Property ovf:key='" key "' ovf:type='string' " more "/>"

static const char macs[1][18] = { "00:0c:29:12:34:56" };

static struct appliance *open_text(const char *text)
{
	struct file file = test_file("vm.ovf", text, strlen(text));
	struct appliance *a = NULL;
	struct error e = { 0 };

	if (appliance_open(&file, &test_no_files, &a, &e) < 0)
		fail_msg("%s", e.text);
	return a;
}

static void assert_license(const char *text, const char *license)
{
	struct appliance *a = open_text(text);

	assert_string_equal(a->deployment->license, license);
	appliance_free(a);
}

static const char *property(const struct appliance *a, const char *key)
{
	for (unsigned i = 0; i < a->deployment->property_count; i++)
		if (!strcmp(a->deployment->properties[i].key, key))
			return a->deployment->properties[i].value;
	return "no such property";
}

static void assert_remark(const struct appliance *a, const char *words)
{
	for (unsigned i = 0; i < a->remark_count; i++)
		if (strstr(a->remarks[i].text, words))
			return;
	fail_msg("no remark says \"%s\"", words);
}

static bool is_remarked(const struct appliance *a, const char *words)
{
	for (unsigned i = 0; i < a->remark_count; i++)
		if (strstr(a->remarks[i].text, words) || strstr(a->remarks[i].subject, words))
			return true;
	return false;
}

static void apply(struct appliance *a, const char *line)
{
	struct error e = { 0 };
	char *text, *whole;

	assert_int_equal(appliance_to_vmx(a, &text, &e), 0);
	assert_true(asprintf(&whole, "%s%s\n", text, line) > 0);
	if (appliance_apply_vmx(a, whole, strlen(whole), "vm.vmx", &e) < 0)
		fail_msg("%s", e.text);
	free(whole);
	free(text);
}

static char *environment(const struct appliance *a)
{
	struct error e = { 0 };
	size_t length;
	char *xml;

	if (deployment_environment(a, macs, &xml, &length, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(strlen(xml), length);
	return xml;
}

static void assert_environment_has(const struct appliance *a, const char *words)
{
	char *xml = environment(a);

	if (!strstr(xml, words))
		fail_msg("\"%s\" is not in: %s", words, xml);
	free(xml);
}

/* ---- licences ---- */

static void licences_are_shown_in_the_order_of_what_they_are_about(void **state)
{
	(void)state;
	assert_license(MACHINE(HARDWARE("")), "");
	assert_license(MACHINE(EULA("Be good.") HARDWARE("")), "Be good.");
	assert_license(MACHINE(EULA("  One&#13;\n  and more\n\n ") EULA("") EULA("Two") HARDWARE("")),
	               "One\n  and more\n\n----------------------------------------\n\nTwo");
	assert_license(HEAD "<VirtualSystemCollection>" EULA("All") "<VirtualSystem ovf:id='a'>" EULA("This")
	                       HARDWARE("") "</VirtualSystem><VirtualSystem ovf:id='b'>" EULA("Other")
	                               HARDWARE("") "</VirtualSystem></VirtualSystemCollection></Envelope>",
	               "All\n\n----------------------------------------\n\nThis");
}

static void a_licence_that_is_only_a_message_is_found_in_english_first(void **state)
{
#define MESSAGE "<EulaSection><License ovf:msgid='eula'> </License></EulaSection>"
#define BUNDLE(language, text) "<Strings xml:lang='" language "'><Msg ovf:msgid='eula'>" text "</Msg></Strings>"
	(void)state;
	assert_license(HEAD "<VirtualSystem ovf:id='a'>" MESSAGE HARDWARE("") "</VirtualSystem>" BUNDLE("de-DE", "Gut")
	                       BUNDLE("en-US", "Good") BUNDLE("en-GB", "Fine") "</Envelope>",
	               "Good");
	assert_license(HEAD "<VirtualSystem ovf:id='a'>" MESSAGE HARDWARE("") "</VirtualSystem>" BUNDLE("de-DE", "Gut")
	                       BUNDLE("fr-FR", "Bon") "</Envelope>",
	               "Gut");
	assert_license(HEAD "<VirtualSystem ovf:id='a'>" MESSAGE HARDWARE("") "</VirtualSystem></Envelope>", "");
}

static void a_licence_without_end_is_cut_at_a_character(void **state)
{
	char *text, *umlauts = malloc(400001);
	struct appliance *a;

	(void)state;
	for (size_t i = 0; i < 400000; i += 2)
		memcpy(umlauts + i, "\xc3\xa4", 2);
	umlauts[400000] = '\0';
	assert_true(asprintf(&text, MACHINE(EULA("%s") HARDWARE("")), umlauts) > 0);
	a = open_text(text);
	assert_true(strlen(a->deployment->license) < DEPLOYMENT_MAX_LICENSE);
	assert_true(utf8_valid(a->deployment->license, strlen(a->deployment->license)));
	assert_non_null(strstr(a->deployment->license, "[This is not all"));
	assert_remark(a, "up to its first 128 KB");
	appliance_free(a);
	free(text);
	free(umlauts);
}

/* ---- properties ---- */

/* Each looks for its message in all bundles: 40,000 sections and 60,000 messages, which a text may have, took a minute. */
static void licences_without_text_count_too(void **state)
{
	static const char none[] = "<EulaSection><License ovf:msgid='x'/></EulaSection>";
	struct appliance *a;
	size_t length;
	char *text;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	assert_non_null(out);
	fputs(HEAD "<VirtualSystem ovf:id='vm'>", out);
	for (unsigned i = 0; i < 40000; i++)
		fputs(none, out);
	fputs(EULA("late") HARDWARE(ISO) "</VirtualSystem><Strings>", out);
	for (unsigned i = 0; i < 60000; i++)
		fputs("<Msg/>", out);
	fputs("</Strings></Envelope>", out);
	assert_int_equal(fclose(out), 0);
	a = open_text(text);
	assert_string_equal(a->deployment->license, "");
	assert_remark(a, "more than 256 licence sections");
	appliance_free(a);
	free(text);
}

static void keys_are_made_of_class_key_and_instance(void **state)
{
	struct appliance *a = open_text(
		MACHINE(PRODUCT("", PROPERTY("plain", "ovf:value='1'"))
	                        PRODUCT("ovf:class='vami'", PROPERTY("ip", "ovf:value='2'"))
	                                PRODUCT("ovf:class='vami' ovf:instance='VM_1'",
	                                        PROPERTY("ip", "ovf:value='3'") PROPERTY("", "ovf:value='4'"))
	                                        PRODUCT("", PROPERTY("plain", "ovf:value='again'")) HARDWARE(ISO)));

	(void)state;
	assert_int_equal(a->deployment->property_count, 3);
	assert_string_equal(property(a, "plain"), "1");
	assert_string_equal(property(a, "vami.ip"), "2");
	assert_string_equal(property(a, "vami.ip.VM_1"), "3");
	appliance_free(a);
}

static void the_default_configuration_decides_on_values(void **state)
{
#define VALUES                                                                               \
	PRODUCT("", "<Property ovf:key='size' ovf:type='string' ovf:value='none'>"           \
	            "<Value ovf:value='big' ovf:configuration='large'/>"                     \
	            "<Value ovf:value='little' ovf:configuration='small'/></Property>"       \
	            "<Property ovf:key='other' ovf:type='string'><Value ovf:value='usual'/>" \
	            "<Value ovf:value='big' ovf:configuration='large'/></Property>")
#define OPTIONS(default_of_small)                                                                                 \
	"<DeploymentOptionSection><Configuration ovf:id='large'/><Configuration ovf:id='small' " default_of_small \
	"/></DeploymentOptionSection>"
#define WITH(options) HEAD options "<VirtualSystem ovf:id='a'>" VALUES HARDWARE(ISO) "</VirtualSystem></Envelope>"
	struct appliance *a = open_text(WITH(OPTIONS("ovf:default='true'")));

	(void)state;
	assert_string_equal(property(a, "size"), "little");
	assert_string_equal(property(a, "other"), "usual");
	assert_remark(a, "\"small\", is played");
	appliance_free(a);
	a = open_text(WITH(OPTIONS("")));
	assert_string_equal(property(a, "size"), "big");
	assert_string_equal(property(a, "other"), "big");
	appliance_free(a);
	a = open_text(WITH(""));
	assert_string_equal(property(a, "size"), "none");
	appliance_free(a);
}

static void a_machine_shares_the_properties_of_its_collection(void **state)
{
	struct appliance *a = open_text(HEAD "<VirtualSystemCollection>" PRODUCT(
		"",
		PROPERTY("who", "ovf:value='all'") PROPERTY(
			"dns", "ovf:value='d'")) "<VirtualSystem ovf:id='a'>" PRODUCT("",
	                                                                              PROPERTY("who", "ovf:value='me'"))
	                                        HARDWARE(ISO) "</VirtualSystem></VirtualSystemCollection></Envelope>");

	(void)state;
	assert_string_equal(property(a, "who"), "me");
	assert_string_equal(property(a, "dns"), "d");
	appliance_free(a);
}

static void too_many_properties_are_cut_with_a_word(void **state)
{
	struct appliance *a;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	fputs(HEAD "<VirtualSystem ovf:id='a'><ProductSection>", out);
	for (unsigned i = 0; i < DEPLOYMENT_MAX_PROPERTIES + 5; i++)
		fprintf(out, "<Property ovf:key='k%u'/>", i);
	fputs("</ProductSection>" HARDWARE(ISO) "</VirtualSystem></Envelope>", out);
	fclose(out);
	a = open_text(text);
	assert_int_equal(a->deployment->property_count, DEPLOYMENT_MAX_PROPERTIES);
	assert_remark(a, "There are more than 1024 properties");
	appliance_free(a);

	memcpy(strstr(text, "'com.vmware") + 1, "another way altogether  ", 24); /* no CD: their names are many, too */
	a = open_text(text);
	deployment_review(a);
	assert_remark(a, ", k3, k4");
	assert_remark(a, ", ...");
	appliance_free(a);
	free(text);
}

/* ---- the user's text, and what it is told ---- */

#define SOME                                                                                \
	PRODUCT("",                                                                         \
	        PROPERTY("Host", "ovf:value='debian' ovf:userConfigurable='true'")          \
	                PROPERTY("ip", "ovf:userConfigurable='true'")                       \
	                        PROPERTY("secret", "ovf:value='xyzzy' ovf:password='true'") \
	                                PROPERTY("other", "ovf:value='plugh' ovf:qualifiers='MinLen(3) Password'"))

static void the_text_gives_a_property_another_value(void **state)
{
	struct appliance *a = open_text(MACHINE(SOME HARDWARE(ISO)));

	(void)state;
	assert_environment_has(a, "<Property oe:key=\"Host\" oe:value=\"debian\"/>");
	apply(a, "vitrine.property.host = \"mine\"");
	assert_int_equal(a->setting_count, 1);
	assert_false(is_remarked(a, "vitrine.property"));
	assert_environment_has(a, "<Property oe:key=\"Host\" oe:value=\"mine\"/>");
	assert_string_equal(a->deployment->license, "");
	apply(a, ""); /* what is written of it reads back */
	assert_int_equal(a->setting_count, 1);
	assert_environment_has(a, "<Property oe:key=\"Host\" oe:value=\"mine\"/>");
	appliance_free(a);
}

static void properties_stand_in_the_text_without_their_passwords(void **state)
{
	struct appliance *a = open_text(MACHINE(SOME HARDWARE(ISO)));
	struct error e = { 0 };
	char *text;

	(void)state;
	deployment_review(a);
	assert_int_equal(appliance_to_vmx(a, &text, &e), 0);
	assert_non_null(strstr(text, "\n# vitrine.property.Host = \"debian\"\n"));
	assert_non_null(strstr(text, "\n# vitrine.property.secret = \"\"\n"));
	assert_non_null(strstr(text, "\n# vitrine.property.other = \"\"\n"));
	assert_null(strstr(text, "xyzzy"));
	assert_null(strstr(text, "plugh"));
	free(text);
	assert_environment_has(a, "oe:value=\"xyzzy\""); /* but the guest gets it */
	appliance_free(a);
}

static void what_waits_for_a_value_is_remarked(void **state)
{
	struct appliance *a = open_text(MACHINE(SOME HARDWARE(ISO)));

	(void)state;
	deployment_review(a);
	assert_remark(a, "The guest's property ip has no value");
	assert_false(is_remarked(a, "property Host has"));
	assert_false(is_remarked(a, "property secret has"));
	appliance_free(a);

	a = open_text(MACHINE(SOME HARDWARE(ISO)));
	apply(a, "vitrine.property.ip = \"10.0.0.1\"\nvitrine.property.nothing = \"1\"");
	deployment_review(a);
	assert_false(is_remarked(a, "property ip has"));
	assert_remark(a, "has no such property");
	appliance_free(a);
}

static void other_ways_to_the_guest_are_remarked(void **state)
{
	struct appliance *a = open_text(MACHINE(SOME HARDWARE("ovf:transport='com.vmware.guestInfo'")));

	(void)state;
	assert_false(deployment_wants_disc(a));
	deployment_review(a);
	assert_remark(a,
	              "(VMware's guestInfo), which is not honoured; it starts without them: Host, ip, secret, other");
	appliance_free(a);

	a = open_text(MACHINE(SOME HARDWARE("")));
	assert_false(deployment_wants_disc(a));
	deployment_review(a);
	assert_remark(a,
	              "does not say how it would get its properties; it starts without them: Host, ip, secret, other");
	appliance_free(a);

	a = open_text(MACHINE(HARDWARE(ISO))); /* a CD without anything on it */
	assert_false(deployment_wants_disc(a));
	deployment_review(a);
	assert_false(is_remarked(a, "propert"));
	appliance_free(a);
}

/* ---- the document ---- */

static void whatever_stands_in_a_text_is_a_value_and_no_markup(void **state)
{
	struct appliance *a = open_text(MACHINE(PRODUCT(
		"", PROPERTY("k&lt;&quot;", "ovf:value='&quot;/&gt;&lt;x&gt;&amp;&#10;&#9;\xc3\xa4'")) HARDWARE(ISO)));

	(void)state;
	assert_environment_has(a, "oe:id=\"vm &lt;1&gt;\"");
	assert_environment_has(a, "oe:key=\"k&lt;&quot;\" oe:value=\"&quot;/&gt;&lt;x&gt;&amp;&#10;&#9;\xc3\xa4\"/>");
	assert_environment_has(
		a, "<ve:Adapter ve:mac=\"00:0c:29:12:34:56\" ve:network=\"Lab &amp; Co\" ve:unitNumber=\"7\"/>");
	appliance_free(a);

	a = open_text(MACHINE(SOME HARDWARE(ISO)));
	apply(a, "vitrine.property.Host = \"a|01b|EF|BF|BFc|EF|BF|BEd\"");
	assert_environment_has(a, "oe:value=\"a?b?c?d\"");
	appliance_free(a);
}

#define COLLECTION(inside) HEAD "<VirtualSystemCollection ovf:id='all'>" inside "</VirtualSystemCollection></Envelope>"
#define SYSTEM(id, inside) "<VirtualSystem ovf:id='" id "'>" inside "</VirtualSystem>"
#define ROW(key, value) "\t\t\t<Property oe:key=\"" key "\" oe:value=\"" value "\"/>\n"
#define ENTITY(id, rows) \
	"\t<Entity oe:id=\"" id "\">\n\t\t<PropertySection>\n" rows "\t\t</PropertySection>\n\t</Entity>\n"

/* Behind all sections, as DSP8027's sequence has it, to the end. */
static void assert_entities(const struct appliance *a, const char *entities)
{
	char *xml = environment(a), *found = strstr(xml, "\t<Entity"), *expected;

	assert_true(asprintf(&expected, "%s</Environment>\n", entities) > 0);
	assert_string_equal(found ? found : strstr(xml, "</Environment>"), expected);
	free(expected);
	free(xml);
}

static void the_machines_beside_it_are_entities_with_what_they_see(void **state)
{
	struct appliance *a = open_text(COLLECTION(
		PRODUCT("", PROPERTY("dns", "ovf:value='d'") PROPERTY("who", "ovf:value='all'"))
			SYSTEM("web", PRODUCT("", PROPERTY("who", "ovf:value='me'")) HARDWARE(ISO)) SYSTEM(
				"db &lt;1&gt;", PRODUCT("ovf:class='c'", PROPERTY("ip", "ovf:value='10.0.0.2'"))
							PRODUCT("", PROPERTY("dns", "ovf:value='own'")) HARDWARE(""))
				SYSTEM("bare",
	                               HARDWARE("")) "<VirtualSystem/>"
						     "<VirtualSystemCollection ovf:id='rest'>" PRODUCT(
							     "", PROPERTY("net", "ovf:value='n'"))
							     SYSTEM("inner",
	                                                            SOME HARDWARE("")) "</VirtualSystemCollection>"));

	(void)state;
	assert_string_equal(a->deployment->id, "web");
	assert_entities(a, ENTITY("db &lt;1&gt;", ROW("c.ip", "10.0.0.2") ROW("dns", "own") ROW("who", "all"))
	                           ENTITY("bare", ROW("dns", "d") ROW("who", "all"))
	                                   ENTITY("rest", ROW("net", "n") ROW("dns", "d") ROW("who", "all")));
	appliance_free(a);
}

static void a_machine_alone_has_no_entities(void **state)
{
	struct appliance *a = open_text(MACHINE(SOME HARDWARE(ISO)));

	(void)state;
	assert_entities(a, "");
	appliance_free(a);
	a = open_text(COLLECTION(SYSTEM("a", SOME HARDWARE(ISO))));
	assert_entities(a, "");
	appliance_free(a);
	a = open_text(HEAD SYSTEM("a", SOME HARDWARE(ISO)) SYSTEM("b", SOME HARDWARE(ISO)) "</Envelope>");
	assert_entities(a, ""); /* in no collection */
	appliance_free(a);
}

/* The guest asks where the others are, though there is nothing to say to itself. */
static void a_machine_without_properties_learns_those_beside_it(void **state)
{
	struct appliance *a = open_text(COLLECTION(
		SYSTEM("a", HARDWARE(ISO)) SYSTEM("b", PRODUCT("", PROPERTY("ip", "ovf:value='i'")) HARDWARE(""))));

	(void)state;
	assert_true(deployment_wants_disc(a));
	assert_entities(a, ENTITY("b", ROW("ip", "i")));
	appliance_free(a);
	a = open_text(COLLECTION(SYSTEM("a", HARDWARE(ISO)) SYSTEM("b", HARDWARE(""))));
	assert_false(deployment_wants_disc(a));
	appliance_free(a);
}

static void a_value_of_the_user_is_seen_beside_where_it_is_the_collections(void **state)
{
	struct appliance *a =
		open_text(COLLECTION(PRODUCT("", PROPERTY("dns", "ovf:value='d'") PROPERTY("who", "ovf:value='all'"))
	                                     SYSTEM("a", PRODUCT("", PROPERTY("who", "ovf:value='me'")) HARDWARE(ISO))
	                                             SYSTEM("b", HARDWARE(""))));

	(void)state;
	apply(a, "vitrine.property.dns = \"1.1.1.1\"\nvitrine.property.who = \"you\"");
	assert_environment_has(a, "\t\t<Property oe:key=\"who\" oe:value=\"you\"/>\n");
	assert_entities(a, ENTITY("b", ROW("dns", "1.1.1.1") ROW("who", "all")));
	appliance_free(a);
}

static void too_many_properties_beside_are_cut_with_a_word(void **state)
{
	struct appliance *a;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	fputs(HEAD "<VirtualSystemCollection ovf:id='all'>" SYSTEM("a", SOME HARDWARE(ISO)), out);
	for (unsigned i = 0; i < DEPLOYMENT_MAX_NEIGHBOURS + 5; i++)
		fprintf(out, "%s<Property ovf:key='k%u'/>",
		        i % 500 ? ""
		        : i     ? "</ProductSection></VirtualSystem><VirtualSystem ovf:id='x'><ProductSection>"
		                : "<VirtualSystem ovf:id='x'><ProductSection>",
		        i);
	fputs("</ProductSection></VirtualSystem></VirtualSystemCollection></Envelope>", out);
	fclose(out);
	a = open_text(text);
	assert_int_equal(a->deployment->neighbour_count, DEPLOYMENT_MAX_NEIGHBOURS);
	assert_remark(a, "beside it have more than 2048 properties");
	appliance_free(a);
	free(text);
}

/* Each of a thousand machines sees what the collection says: a gigabyte, if it were written. */
static void entities_beyond_all_measure_are_refused(void **state)
{
	struct appliance *a;
	struct error e = { 0 };
	char *text = NULL, *value = malloc(1000001), *xml;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	memset(value, 'v', 1000000);
	value[1000000] = '\0';
	fprintf(out,
	        HEAD "<VirtualSystemCollection ovf:id='all'>" PRODUCT("", PROPERTY("k", "ovf:value='%s'"))
	                SYSTEM("a", PRODUCT("", PROPERTY("k", "ovf:value='small'")) HARDWARE(ISO)),
	        value);
	for (unsigned i = 0; i < 1000; i++)
		fprintf(out, "<VirtualSystem ovf:id='x%u'/>", i);
	fputs("</VirtualSystemCollection></Envelope>", out);
	fclose(out);
	a = open_text(text);
	assert_int_equal(deployment_environment(a, macs, &xml, &length, &e), -EFBIG);
	assert_non_null(strstr(e.text, "starts without them"));
	appliance_free(a);
	free(text);
	free(value);
}

static void an_environment_beyond_all_measure_is_refused(void **state)
{
	struct appliance *a;
	struct error e = { 0 };
	char *text, *value = malloc(300001), *xml;
	size_t length;

	(void)state;
	memset(value, '"', 300000); /* six bytes each */
	value[300000] = '\0';
	assert_true(asprintf(&text, MACHINE(PRODUCT("", PROPERTY("k", "ovf:value='%s'")) HARDWARE(ISO)), value) > 0);
	a = open_text(text);
	assert_int_equal(deployment_environment(a, macs, &xml, &length, &e), -EFBIG);
	assert_non_null(strstr(e.text, "starts without them"));
	appliance_free(a);
	free(text);
	free(value);
}

/* An XML reader that is not ours, and the specification's own namespace. */
static void the_document_is_xml_to_others(void **state)
{
	struct appliance *a = open_text(MACHINE(SOME HARDWARE(ISO)));
	char *xml = environment(a), command[320], path[] = "/tmp/vitrine-env-XXXXXX";
	int fd;

	(void)state;
	if (system("command -v xmllint >/dev/null") != 0) {
		free(xml);
		appliance_free(a);
		print_message("SKIPPED: xmllint is not installed\n");
		skip();
	}
	fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, xml, strlen(xml)) == (ssize_t)strlen(xml));
	close(fd);
	snprintf(command, sizeof(command),
	         "test $(xmllint --nonet --xpath \"count(//*[local-name()='Property' and "
	         "namespace-uri()='http://schemas.dmtf.org/ovf/environment/1'])\" %s) = 4",
	         path);
	assert_int_equal(system(command), 0);
	unlink(path);
	free(xml);
	appliance_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(licences_are_shown_in_the_order_of_what_they_are_about),
		cmocka_unit_test(a_licence_that_is_only_a_message_is_found_in_english_first),
		cmocka_unit_test(a_licence_without_end_is_cut_at_a_character),
		cmocka_unit_test(licences_without_text_count_too),
		cmocka_unit_test(keys_are_made_of_class_key_and_instance),
		cmocka_unit_test(the_default_configuration_decides_on_values),
		cmocka_unit_test(a_machine_shares_the_properties_of_its_collection),
		cmocka_unit_test(too_many_properties_are_cut_with_a_word),
		cmocka_unit_test(the_text_gives_a_property_another_value),
		cmocka_unit_test(properties_stand_in_the_text_without_their_passwords),
		cmocka_unit_test(what_waits_for_a_value_is_remarked),
		cmocka_unit_test(other_ways_to_the_guest_are_remarked),
		cmocka_unit_test(whatever_stands_in_a_text_is_a_value_and_no_markup),
		cmocka_unit_test(the_machines_beside_it_are_entities_with_what_they_see),
		cmocka_unit_test(a_machine_alone_has_no_entities),
		cmocka_unit_test(a_machine_without_properties_learns_those_beside_it),
		cmocka_unit_test(a_value_of_the_user_is_seen_beside_where_it_is_the_collections),
		cmocka_unit_test(too_many_properties_beside_are_cut_with_a_word),
		cmocka_unit_test(entities_beyond_all_measure_are_refused),
		cmocka_unit_test(an_environment_beyond_all_measure_is_refused),
		cmocka_unit_test(the_document_is_xml_to_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
