/* SPDX-License-Identifier: MIT */
/* What the package says beside the hardware: EulaSection, ProductSection and ovf:transport (DSP0243 1.1, sections 9.5,
 * 9.6, 11). */
#include "vmformat/ovf_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/deployment.h"

/* ProductSections of one machine or collection: vCenter has 20; all are walked for each configuration's value. */
#define MAX_PRODUCTS 256u
/* Value elements of a property: one per configuration, of which real texts have up to 15. */
#define MAX_VALUES 256u

static bool is_true(const char *text)
{
	return text && (!strcasecmp(text, "true") || !strcmp(text, "1"));
}

/* ---- texts that stand elsewhere ---- */

/* What the element says itself is the text for who reads no other language; without it, its message. */
static const char *localised(struct ovf *o, const xmlNode *node)
{
	const char *text = ovf_text(o, node), *id = ovf_attribute(o, node, "msgid");

	return *text || !id ? text : ovf_message(o, id);
}

/* ---- licence agreements ---- */

#define BETWEEN "\n\n----------------------------------------\n\n"

/* Line ends of all systems become one; other control characters a blank. */
static void append_clean(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\r')
			fputc('\n', out);
		else if ((unsigned char)*text >= 0x20 || *text == '\t' || *text == '\n')
			fputc(*text == 0x7f ? ' ' : *text, out);
		else
			fputc(' ', out);
		if (*text == '\r' && text[1] == '\n')
			text++;
	}
}

/* What is looked at counts, with or without a text: each may look for its message in all bundles. */
struct licenses {
	FILE *out;
	unsigned looked_at, shown;
};

static void append_licenses(struct ovf *o, const xmlNode *parent, struct licenses *l)
{
	for (const xmlNode *n = ovf_child_section(parent, "EulaSection"); n; n = ovf_next_section(n, "EulaSection")) {
		const char *text;

		if (l->looked_at == MAX_PRODUCTS) {
			ovf_remark(o, n, "EulaSection",
			           "There are more than %u licence sections; only the first ones are shown.",
			           MAX_PRODUCTS);
			return;
		}
		l->looked_at++;
		text = localised(o, ovf_child(n, "License"));
		if (!*text || ftell(l->out) > (long)DEPLOYMENT_MAX_LICENSE)
			continue;
		if (l->shown++)
			fputs(BETWEEN, l->out);
		append_clean(l->out, text);
	}
}

/* At a character, with a word about what is missing. */
static void cut(struct ovf *o, char *text)
{
	static const char rest[] = "\n\n[This is not all: the appliance's own text says more.]";
	size_t at = DEPLOYMENT_MAX_LICENSE - sizeof(rest);

	if (strlen(text) < DEPLOYMENT_MAX_LICENSE)
		return;
	while (at && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	strcpy(text + at, rest);
	ovf_remark(o, o->system, "EulaSection", "The licence agreement is shown up to its first %u KB.",
	           DEPLOYMENT_MAX_LICENSE >> 10);
}

/* The package's own first, then those of the collections that the machine is in, then the machine's. */
static int read_licenses(struct ovf *o, struct deployment *d, xmlNode *const *path, unsigned depth)
{
	size_t length;
	char *text = NULL;
	struct licenses licenses = { .out = open_memstream(&text, &length) };

	if (!licenses.out)
		return -ENOMEM;
	for (unsigned i = depth; i-- > 0;)
		append_licenses(o, path[i], &licenses);
	if (fclose(licenses.out)) {
		free(text);
		return -ENOMEM;
	}
	cut(o, text);
	free(d->license);
	d->license = text;
	return 0;
}

/* ---- properties ---- */

/* The value of the chosen configuration, else the default one: an attribute, or the first Value that names none. */
static const char *default_value(struct ovf *o, const xmlNode *property)
{
	const char *value = ovf_attribute(o, property, "value"), *chosen = NULL;
	unsigned count = 0;

	for (const xmlNode *n = ovf_child(property, "Value"); n && count++ < MAX_VALUES; n = ovf_next(n, "Value")) {
		const char *configuration = ovf_attribute(o, n, "configuration"), *text = ovf_attribute(o, n, "value");

		if (!configuration || !*configuration)
			value = value ? value : text;
		else if (o->configuration && !strcmp(configuration, o->configuration) && !chosen)
			chosen = text;
	}
	return chosen ? chosen : value ? value : "";
}

static bool is_secret(struct ovf *o, const xmlNode *property)
{
	const char *qualifiers = ovf_attribute(o, property, "qualifiers");

	return is_true(ovf_attribute(o, property, "password")) || (qualifiers && strcasestr(qualifiers, "password"));
}

/* deployment_add_property() or one of its siblings. */
typedef int add_function(struct deployment *d, const struct deployment_property *property, bool *ret_full);

static int add_property(struct ovf *o, struct deployment *d, add_function *add, const xmlNode *section,
                        const xmlNode *property, bool *ret_full)
{
	const char *class = ovf_attribute(o, section, "class"), *instance = ovf_attribute(o, section, "instance");
	const char *key = ovf_attribute(o, property, "key");
	struct deployment_property p = { .value = (char *)default_value(o, property),
		                         .user = is_true(ovf_attribute(o, property, "userConfigurable")),
		                         .secret = is_secret(o, property) };
	int r;

	class = class ? class : "";
	instance = instance ? instance : "";
	if (!key || !*key)
		return 0;
	if (strlen(class) + strlen(key) + strlen(instance) > OVF_MAX_ID) {
		ovf_remark(o, property, "Property", "Its key is too long; the guest does not get it.");
		return 0;
	}
	if (asprintf(&p.key, "%s%s%s%s%s", class, *class ? "." : "", key, *instance ? "." : "", instance) < 0)
		return -ENOMEM;
	r = add(d, &p, ret_full);
	free(p.key);
	return r;
}

static int read_section(struct ovf *o, struct deployment *d, add_function *add, const xmlNode *section, bool *ret_full)
{
	int r = 0;

	for (const xmlNode *n = ovf_child(section, "Property"); n && !r && !*ret_full; n = ovf_next(n, "Property"))
		r = add_property(o, d, add, section, n, ret_full);
	return r;
}

/* All ProductSections of one machine or collection. */
static int read_sections(struct ovf *o, struct deployment *d, add_function *add, const xmlNode *entity, bool *ret_full)
{
	unsigned count = 0;
	int r = 0;

	for (const xmlNode *n = ovf_child_section(entity, "ProductSection");
	     n && !r && !*ret_full && count++ < MAX_PRODUCTS; n = ovf_next_section(n, "ProductSection"))
		r = read_section(o, d, add, n, ret_full);
	return r;
}

/* The machine's own come first and win; then those of its collections, which their machines share (section 9.5). */
static int read_properties(struct ovf *o, struct deployment *d, xmlNode *const *path, unsigned depth)
{
	bool full = false;
	int r = 0;

	for (unsigned i = 0; i < depth && !r && !full; i++) {
		r = read_sections(o, d, i ? deployment_add_shared : deployment_add_property, path[i], &full);
		if (full)
			ovf_remark(o, path[i], "ProductSection",
			           "There are more than %u properties; the guest gets the first ones.",
			           DEPLOYMENT_MAX_PROPERTIES);
	}
	return r;
}

/* Section 11.1: machines and collections beside the machine. Without an id nobody could tell which one is meant. */
static int read_siblings(struct ovf *o, struct deployment *d)
{
	const xmlNode *collection = o->system->parent;
	bool full = false;
	int r = 0;

	if (!ovf_is_section(collection, "VirtualSystemCollection"))
		return 0;
	for (const xmlNode *n = ovf_child(collection, NULL); n && !r && !full; n = ovf_next(n, NULL)) {
		const char *id;

		if (n == o->system ||
		    (!ovf_is_section(n, "VirtualSystem") && !ovf_is_section(n, "VirtualSystemCollection")))
			continue;
		id = ovf_attribute(o, n, "id");
		if (!id || !*id)
			continue;
		r = deployment_add_sibling(d, id);
		if (!r)
			r = read_sections(o, d, deployment_add_neighbour, n, &full);
		if (full)
			ovf_remark(
				o, n, "ProductSection",
				"The machines beside it have more than %u properties; the guest learns the first ones.",
				DEPLOYMENT_MAX_NEIGHBOURS);
	}
	return r;
}

/* ---- the whole ---- */

static unsigned read_transports(struct ovf *o)
{
	const char *transport = ovf_attribute(o, o->hardware, "transport");

	if (!transport || !*transport)
		return 0;
	return ovf_list_has(transport, "iso") ? TRANSPORT_ISO : TRANSPORT_OTHER;
}

#define MAX_PATH 66u /* as deep as a text that is parsed may be */

int ovf_read_products(struct ovf *o)
{
	struct deployment *d = o->a->deployment = deployment_new();
	const char *id = ovf_attribute(o, o->system, "id");
	xmlNode *path[MAX_PATH];
	unsigned depth = 0;
	int r = d ? appliance_set_text(&d->id, id ? id : "") : -ENOMEM;

	for (xmlNode *n = o->system; n && depth < MAX_PATH; n = n == o->envelope ? NULL : n->parent)
		path[depth++] = n;
	if (!r)
		r = read_licenses(o, d, path, depth);
	if (!r)
		r = read_properties(o, d, path, depth);
	if (!r)
		r = read_siblings(o, d);
	if (d)
		d->transports = read_transports(o);
	return r;
}
