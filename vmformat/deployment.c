/* SPDX-License-Identifier: MIT */
#include "vmformat/deployment.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/appliance.h"
#include "vmformat/bytes.h"

/* ---- the plain data ---- */

struct deployment *deployment_new(void)
{
	struct deployment *d = calloc(1, sizeof(*d));

	if (d && (appliance_set_text(&d->id, "") < 0 || appliance_set_text(&d->license, "") < 0)) {
		deployment_free(d);
		return NULL;
	}
	return d;
}

static void free_properties(struct deployment_property *properties, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		free(properties[i].key);
		free(properties[i].value);
	}
	free(properties);
}

void deployment_free(struct deployment *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < d->sibling_count; i++) {
		free_properties(d->siblings[i].properties, d->siblings[i].property_count);
		free(d->siblings[i].id);
	}
	free(d->siblings);
	free_properties(d->shared, d->shared_count);
	free_properties(d->properties, d->property_count);
	free(d->license);
	free(d->id);
	free(d);
}

static const struct deployment_property *find(const struct deployment_property *properties, unsigned count,
                                              const char *key)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(properties[i].key, key))
			return &properties[i];
	return NULL;
}

static int add(struct deployment_property **properties, unsigned *count, const struct deployment_property *property)
{
	struct deployment_property copy = *property, *grown = reallocarray(*properties, *count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*properties = grown;
	copy.key = strdup(property->key);
	copy.value = strdup(property->value);
	if (!copy.key || !copy.value) {
		free(copy.key);
		free(copy.value);
		return -ENOMEM;
	}
	grown[(*count)++] = copy;
	return 0;
}

int deployment_add_property(struct deployment *d, const struct deployment_property *property, bool *ret_full)
{
	bool known = find(d->properties, d->property_count, property->key);

	*ret_full = !known && d->property_count == DEPLOYMENT_MAX_PROPERTIES;
	return known || *ret_full ? 0 : add(&d->properties, &d->property_count, property);
}

int deployment_add_shared(struct deployment *d, const struct deployment_property *property, bool *ret_full)
{
	struct deployment_property p = *property;
	bool known = find(d->shared, d->shared_count, p.key), full;
	int r;

	p.shared = true;
	*ret_full = !known && d->shared_count == DEPLOYMENT_MAX_PROPERTIES;
	if (known || *ret_full)
		return 0;
	r = add(&d->shared, &d->shared_count, &p);
	if (r == 0)
		r = deployment_add_property(d, &p, &full);
	*ret_full = r == 0 && full;
	return r;
}

int deployment_add_sibling(struct deployment *d, const char *id)
{
	struct deployment_sibling *grown = reallocarray(d->siblings, d->sibling_count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	d->siblings = grown;
	grown[d->sibling_count] = (struct deployment_sibling){ .id = strdup(id) };
	return grown[d->sibling_count++].id ? 0 : -ENOMEM;
}

int deployment_add_neighbour(struct deployment *d, const struct deployment_property *property, bool *ret_full)
{
	struct deployment_sibling *s = &d->siblings[d->sibling_count - 1];
	bool known = find(s->properties, s->property_count, property->key);

	*ret_full = !known && d->neighbour_count == DEPLOYMENT_MAX_NEIGHBOURS;
	if (known || *ret_full)
		return 0;
	d->neighbour_count++;
	return add(&s->properties, &s->property_count, property);
}

/* ---- the user's values ---- */

/* Keys of a .vmx have no case. */
static const char *value_of(const struct appliance *a, const struct deployment_property *p)
{
	for (unsigned i = 0; i < a->setting_count; i++)
		if (!strcasecmp(a->settings[i].key, p->key))
			return a->settings[i].value;
	return p->value;
}

static bool is_declared(const struct deployment *d, const char *key)
{
	for (unsigned i = 0; d && i < d->property_count; i++)
		if (!strcasecmp(d->properties[i].key, key))
			return true;
	return false;
}

bool deployment_wants_disc(const struct appliance *a)
{
	const struct deployment *d = a->deployment;

	return d && (d->property_count || d->neighbour_count) && d->transports & TRANSPORT_ISO;
}

/* "hostname, vami.ip0, ..." */
static void list_keys(const struct deployment *d, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < d->property_count; i++) {
		const char *key = d->properties[i].key, *comma = i ? ", " : "";

		if (used + strlen(comma) + strlen(key) + sizeof(", ...") > size) {
			snprintf(text + used, size - used, "%s...", comma);
			return;
		}
		used += (size_t)snprintf(text + used, size - used, "%s%s", comma, key);
	}
}

/* A guest without a transport may still have properties: some deployment tools hand them over by themselves. */
static void remark_on_transport(struct appliance *a)
{
	const struct deployment *d = a->deployment;
	char keys[400];

	if (!d->property_count || d->transports & TRANSPORT_ISO)
		return;
	list_keys(d, keys, sizeof(keys));
	if (d->transports & TRANSPORT_OTHER)
		appliance_remark(
			a, 0, "ProductSection",
			"The guest asks for its properties by another way than a CD (VMware's guestInfo), which is not "
			"honoured; it starts without them: %s",
			keys);
	else
		appliance_remark(a, 0, "ProductSection",
		                 "The guest does not say how it would get its properties; it starts without them: %s",
		                 keys);
}

void deployment_review(struct appliance *a)
{
	const struct deployment *d = a->deployment;
	char subject[300];

	for (unsigned i = 0; i < a->setting_count; i++) {
		snprintf(subject, sizeof(subject), "vitrine.property.%.255s", a->settings[i].key);
		if (!is_declared(d, a->settings[i].key))
			appliance_remark(a, 0, subject, "The appliance has no such property.");
	}
	if (!d)
		return;
	remark_on_transport(a);
	for (unsigned i = 0; deployment_wants_disc(a) && i < d->property_count; i++) {
		const struct deployment_property *p = &d->properties[i];

		if (p->user && !*value_of(a, p))
			appliance_remark(a, 0, "ProductSection",
			                 "The guest's property %.255s has no value. Give it one in the machine's "
			                 "configuration file: "
			                 "vitrine.property.%.255s = \"...\"",
			                 p->key, p->key);
	}
}

/* ---- the document ---- */

/* Within an attribute; XML 1.0 section 2.2 has no characters below U+0020 but these, and no U+FFFE, U+FFFF. */
static void put_escaped(FILE *out, const char *text)
{
	static const struct {
		char c;
		const char *escape;
	} escapes[] = { { '&', "&amp;" }, { '<', "&lt;" },   { '>', "&gt;" },  { '"', "&quot;" },
		        { '\t', "&#9;" }, { '\n', "&#10;" }, { '\r', "&#13;" } };

	for (; *text; text++) {
		const char *escape = (unsigned char)*text < 0x20 ? "?" : NULL;

		for (size_t i = 0; i < ARRAY_SIZE(escapes); i++)
			if (*text == escapes[i].c)
				escape = escapes[i].escape;
		if (!strncmp(text, "\xef\xbf\xbe", 3) || !strncmp(text, "\xef\xbf\xbf", 3)) {
			escape = "?";
			text += 2;
		}
		if (escape)
			fputs(escape, out);
		else
			fputc(*text, out);
	}
}

/* before, then pairs of an attribute's name and value up to NULL */
static void put_element(FILE *out, const char *element, ...)
{
	const char *name;
	va_list args;

	fprintf(out, "\t\t<%s", element);
	va_start(args, element);
	while ((name = va_arg(args, const char *))) {
		fprintf(out, " %s=\"", name);
		put_escaped(out, va_arg(args, const char *));
		fputc('"', out);
	}
	va_end(args);
	fputs("/>\n", out);
}

static void put_head(FILE *out, const struct appliance *a)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	      "<Environment xmlns=\"http://schemas.dmtf.org/ovf/environment/1\"\n"
	      "\txmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\n"
	      "\txmlns:oe=\"http://schemas.dmtf.org/ovf/environment/1\"\n"
	      "\txmlns:ve=\"http://www.vmware.com/schema/ovfenv\"\n"
	      "\toe:id=\"",
	      out);
	put_escaped(out, a->deployment->id);
	fputs("\">\n"
	      "\t<PlatformSection>\n"
	      "\t\t<Kind>Vitrine</Kind>\n"
	      "\t\t<Version>1</Version>\n"
	      "\t\t<Vendor>Vitrine</Vendor>\n"
	      "\t\t<Locale>en</Locale>\n"
	      "\t</PlatformSection>\n",
	      out);
}

static void put_properties(FILE *out, const struct appliance *a)
{
	const struct deployment *d = a->deployment;

	fputs("\t<PropertySection>\n", out);
	for (unsigned i = 0; i < d->property_count; i++)
		put_element(out, "Property", "oe:key", d->properties[i].key, "oe:value", value_of(a, &d->properties[i]),
		            NULL);
	fputs("\t</PropertySection>\n", out);
}

/* The user's value is for the played machine's property: the siblings see it where that is the collection's. */
static const char *shared_value(const struct appliance *a, const struct deployment_property *p)
{
	const struct deployment_property *seen = find(a->deployment->properties, a->deployment->property_count, p->key);

	return seen && seen->shared ? value_of(a, seen) : p->value;
}

static void put_neighbour(FILE *out, const char *key, const char *value)
{
	fputc('\t', out);
	put_element(out, "Property", "oe:key", key, "oe:value", value, NULL);
}

/* What the sibling's own environment has: its properties, and those of the collection that it has none for. */
static void put_sibling(FILE *out, const struct appliance *a, const struct deployment_sibling *s)
{
	const struct deployment *d = a->deployment;

	fputs("\t<Entity oe:id=\"", out);
	put_escaped(out, s->id);
	fputs("\">\n\t\t<PropertySection>\n", out);
	for (unsigned i = 0; i < s->property_count; i++)
		put_neighbour(out, s->properties[i].key, s->properties[i].value);
	for (unsigned i = 0; i < d->shared_count && ftell(out) <= (long)DEPLOYMENT_MAX_ENVIRONMENT; i++)
		if (!find(s->properties, s->property_count, d->shared[i].key))
			put_neighbour(out, d->shared[i].key, shared_value(a, &d->shared[i]));
	fputs("\t\t</PropertySection>\n\t</Entity>\n", out);
}

/* DSP0243 1.1, section 11.1. What is beyond all measure need not be finished to be refused. */
static void put_siblings(FILE *out, const struct appliance *a)
{
	for (unsigned i = 0; i < a->deployment->sibling_count && ftell(out) <= (long)DEPLOYMENT_MAX_ENVIRONMENT; i++)
		put_sibling(out, a, &a->deployment->siblings[i]);
}

/* As VMware does: guests find out by it which of their cards is which network. Its unit numbers begin at 7. */
static void put_adapters(FILE *out, const struct appliance *a, const char (*macs)[18])
{
	char unit[12];

	fputs("\t<ve:EthernetAdapterSection>\n", out);
	for (unsigned i = 0; i < a->nic_count; i++) {
		snprintf(unit, sizeof(unit), "%u", 7 + i);
		put_element(out, "ve:Adapter", "ve:mac", macs[i], "ve:network", a->nics[i].network, "ve:unitNumber",
		            unit, NULL);
	}
	fputs("\t</ve:EthernetAdapterSection>\n", out);
}

int deployment_environment(const struct appliance *a, const char (*macs)[18], char **ret_xml, size_t *ret_length,
                           struct error *e)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return error_set(e, -ENOMEM, "%s: out of memory", a->name);
	put_head(out, a);
	put_properties(out, a);
	put_adapters(out, a, macs);
	put_siblings(out, a);
	fputs("</Environment>\n", out);
	if (fclose(out)) {
		free(text);
		return error_set(e, -ENOMEM, "%s: out of memory", a->name);
	}
	if (length > DEPLOYMENT_MAX_ENVIRONMENT) {
		free(text);
		return error_set(
			e, -EFBIG,
			"Its properties fill %zu bytes; the guest gets no more than %u, and starts without them",
			length, DEPLOYMENT_MAX_ENVIRONMENT);
	}
	*ret_xml = text;
	*ret_length = length;
	return 0;
}
