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

void deployment_free(struct deployment *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < d->property_count; i++) {
		free(d->properties[i].key);
		free(d->properties[i].value);
	}
	free(d->properties);
	free(d->license);
	free(d->id);
	free(d);
}

int deployment_add_property(struct deployment *d, const struct deployment_property *property, bool *ret_full)
{
	struct deployment_property copy = *property, *grown;

	*ret_full = false;
	for (unsigned i = 0; i < d->property_count; i++)
		if (!strcmp(d->properties[i].key, property->key))
			return 0;
	if (d->property_count == DEPLOYMENT_MAX_PROPERTIES) {
		*ret_full = true;
		return 0;
	}
	grown = reallocarray(d->properties, d->property_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	d->properties = grown;
	copy.key = strdup(property->key);
	copy.value = strdup(property->value);
	if (!copy.key || !copy.value) {
		free(copy.key);
		free(copy.value);
		return -ENOMEM;
	}
	grown[d->property_count++] = copy;
	return 0;
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
	return a->deployment && a->deployment->property_count && a->deployment->transports & TRANSPORT_ISO;
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
