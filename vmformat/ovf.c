/* SPDX-License-Identifier: MIT */
/* The OVF as a whole: which of its machines is played, what it is called, and the manifest beside it. */
#include "vmformat/ovf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/manifest.h"
#include "vmformat/ovf_private.h"

/* A manifest has a line of at most 160 bytes and a name for each file. */
#define MANIFEST_MAX_SIZE (1u << 20)

/* A vApp of vCloud Director has at most 128 machines; each is looked for by its id. */
#define MAX_ENTITIES 1024u

/* ---- telling an OVF by its content ---- */

/* Texts begin so within a byte order mark and blanks; a damaged one may have some rubbish before. */
#define BEGINS_WITHIN 64u

/*
 * An Envelope, or OVF's namespace whatever the root is called: both fail to be played with words about the text, where
 * a disk made of its bytes would not. In UTF-16 the letters are every other byte.
 */
bool ovf_probe(const uint8_t *head, size_t n)
{
	static const char *const signs[] = { "<Envelope", ":Envelope", "/ovf/envelope/", "/schema/ovf/1/envelope" };
	bool is_wide = n >= 4 && (!head[0] || !head[1] || head[0] >= 0xfe), found = false;
	char *text = malloc(n + 1);
	size_t length = 0;

	if (!text)
		return false;
	for (size_t i = 0; i < n; i++)
		if (head[i] || !is_wide)
			text[length++] = (char)head[i];
	text[length] = '\0'; /* in a binary file, the text ends at the first NUL */
	if (strcspn(text, "<") < BEGINS_WITHIN)
		for (size_t i = 0; i < ARRAY_SIZE(signs) && !found; i++)
			found = strstr(text, signs[i]) != NULL;
	free(text);
	return found;
}

/* ---- which machine ---- */

static bool is_system(const xmlNode *node)
{
	return ovf_is_section(node, "VirtualSystem");
}

static bool is_collection(const xmlNode *node)
{
	return ovf_is_section(node, "VirtualSystemCollection");
}

/* The next element of the whole text, parents first; without recursion, however deep it is. */
static xmlNode *walk(xmlNode *node, const xmlNode *root)
{
	if (is_collection(node) || node == root) {
		xmlNode *child = ovf_child(node, NULL);

		if (child)
			return child;
	}
	while (node && node != root) {
		xmlNode *next = ovf_next(node, NULL);

		if (next)
			return next;
		node = node->parent;
	}
	return NULL;
}

/* Collections count as entities, too. */
static unsigned count_systems(xmlNode *envelope, xmlNode **ret_first, unsigned *ret_entities)
{
	unsigned count = 0;

	*ret_first = NULL;
	*ret_entities = 0;
	for (xmlNode *n = envelope; n; n = walk(n, envelope)) {
		if (is_system(n) && !count++)
			*ret_first = n;
		*ret_entities += is_system(n) || is_collection(n);
	}
	return count;
}

struct entity {
	xmlNode *node;
	const char *id;
};

/* Those of one collection, whose other elements may be many. choose_system() has counted that they are not too many. */
static unsigned list_entities(struct ovf *o, const xmlNode *collection, struct entity list[MAX_ENTITIES])
{
	unsigned count = 0;

	for (xmlNode *n = ovf_child(collection, NULL); n && count < MAX_ENTITIES; n = ovf_next(n, NULL))
		if (is_system(n) || is_collection(n))
			list[count++] = (struct entity){ n, ovf_attribute(o, n, "id") };
	return count;
}

static xmlNode *find_entity(const struct entity *list, unsigned count, const char *id)
{
	if (strlen(id) > OVF_MAX_ID)
		return NULL;
	for (unsigned i = 0; i < count; i++)
		if (list[i].id && !strcmp(list[i].id, id))
			return list[i].node;
	return NULL;
}

/* The entity that its collection's StartupSection starts first, else the first of the text. */
static xmlNode *first_to_start(struct ovf *o, const xmlNode *collection)
{
	const xmlNode *startup = ovf_child_section(collection, "StartupSection");
	struct entity entities[MAX_ENTITIES];
	unsigned count = 0, entity_count = list_entities(o, collection, entities);
	xmlNode *best = NULL;
	uint64_t best_order = UINT64_MAX;

	for (const xmlNode *item = ovf_child(startup, "Item"); item && count < MAX_ENTITIES;
	     item = ovf_next(item, "Item"), count++) {
		const char *id = ovf_attribute(o, item, "id"), *text = ovf_attribute(o, item, "order");
		uint64_t order = 0; /* DSP0243 section 9.7: the default */
		xmlNode *entity;

		if (!id || (text && !ovf_number(text, &order)) || order > best_order ||
		    ovf_attribute_is(item, "startAction", "none"))
			continue;
		entity = find_entity(entities, entity_count, id);
		if (!entity || (best && order == best_order && ovf_line(entity) >= ovf_line(best)))
			continue; /* started together: in the order of the text */
		best = entity;
		best_order = order;
	}
	return best ? best : entity_count ? entities[0].node : NULL;
}

static int choose_system(struct ovf *o)
{
	xmlNode *first, *chosen = o->envelope;
	unsigned entities, count = count_systems(o->envelope, &first, &entities);
	const char *id, *name;

	if (count == 0)
		return ovf_error(o, o->envelope, -EINVAL,
		                 "no machine is described (there is no VirtualSystem). Is this the whole package?");
	if (entities > MAX_ENTITIES)
		return ovf_error(o, o->envelope, -EFBIG, "%u machines are more than any package has (the limit is %u).",
		                 entities, MAX_ENTITIES);
	while (chosen && !is_system(chosen))
		chosen = first_to_start(o, chosen);
	o->system = chosen ? chosen : first; /* a collection that starts first may be empty */
	name = ovf_child_text(o, o->system, "Name");
	id = ovf_attribute(o, o->system, "id");
	if (count > 1)
		ovf_remark(o, o->system, "VirtualSystemCollection",
		           "The package has %u machines; \"%s\", which starts first, is played.", count,
		           *name || !id ? name : id);
	return 0;
}

/* A machine may describe itself for several platforms: the first that is VMware's or VirtualBox's, else the first. */
static int choose_hardware(struct ovf *o)
{
	xmlNode *best = NULL, *first = ovf_child_section(o->system, "VirtualHardwareSection");

	for (xmlNode *n = first; n && !best; n = ovf_next_section(n, "VirtualHardwareSection")) {
		const char *type = ovf_child_text(o, ovf_child(n, "System"), "VirtualSystemType");

		if (!strncasecmp(type, "vmx-", 4) || !strncasecmp(type, "virtualbox-", 11))
			best = n;
	}
	o->hardware = best ? best : first;
	o->machine = ovf_child(o->system, "Machine");
	if (!o->hardware && !o->machine)
		return ovf_error(o, o->system, -EINVAL,
		                 "the machine has no VirtualHardwareSection, so nothing says what "
		                 "it is made of. Export it again.");
	if (first && ovf_next_section(first, "VirtualHardwareSection"))
		ovf_remark(o, o->hardware, "VirtualHardwareSection",
		           "There are several descriptions of the hardware; this one is played.");
	return 0;
}

/* Deployment options: the one marked as default, else the first (DSP0243 section 9.8). */
static void choose_configuration(struct ovf *o)
{
	const xmlNode *options = ovf_child_section(o->envelope, "DeploymentOptionSection");
	const xmlNode *best = ovf_child(options, "Configuration");
	unsigned count = 0;

	for (const xmlNode *n = best; n; n = ovf_next(n, "Configuration")) {
		const char *is_default = ovf_attribute(o, n, "default");

		count++;
		if (is_default && (!strcasecmp(is_default, "true") || !strcmp(is_default, "1")))
			best = n;
	}
	if (!best)
		return;
	o->configuration = ovf_attribute(o, best, "id");
	if (count > 1)
		ovf_remark(o, best, "DeploymentOptionSection",
		           "There are %u configurations; the default one, \"%s\", is played.", count,
		           o->configuration ? o->configuration : "");
}

/* Sections that are read, or that say nothing about the machine. Others are a remark, unless they may be ignored. */
static bool is_known_section(const xmlNode *node)
{
	static const char *const names[] = {
		"Info",
		"Name",
		"References",
		"DiskSection",
		"NetworkSection",
		"VirtualSystem",
		"VirtualSystemCollection",
		"VirtualHardwareSection",
		"AnnotationSection",
		"ProductSection",
		"EulaSection",
		"StartupSection",
		"OperatingSystemSection",
		"InstallSection",
		"DeploymentOptionSection",
		"ResourceAllocationSection",
		"BootOrderSection",
		"EnvironmentFilesSection",
		"Strings",
		"Machine",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (ovf_is_section(node, names[i]))
			return true;
	return false;
}

static void remark_on_sections(struct ovf *o, const xmlNode *parent)
{
	for (const xmlNode *n = ovf_child(parent, NULL); n; n = ovf_next(n, NULL)) {
		const char *required = ovf_attribute(o, n, "required"), *type = ovf_attribute(o, n, "type");

		if (!is_known_section(n) && !(required && (!strcasecmp(required, "false") || !strcmp(required, "0"))))
			ovf_remark(o, n, ovf_is(n, "Section") && type ? type : (const char *)n->name,
			           "This section is not known, and not honoured.");
	}
	if (parent == o->envelope && ovf_child_section(parent, "VirtualHardwareSection"))
		ovf_remark(o, parent, "VirtualHardwareSection", "One that is outside of a machine says nothing.");
}

static int read_sections(struct ovf *o)
{
	remark_on_sections(o, o->envelope);
	remark_on_sections(o, o->system);
	return 0;
}

/* ---- what it is called ---- */

static enum appliance_origin find_origin(struct ovf *o)
{
	const char *type = ovf_child_text(o, ovf_child(o->hardware, "System"), "VirtualSystemType");

	if (o->machine || !strncasecmp(type, "virtualbox-", 11))
		return ORIGIN_VIRTUALBOX;
	return !strncasecmp(type, "vmx-", 4) ? ORIGIN_VMWARE : ORIGIN_OTHER;
}

/* "Debian 12.5 (SPI)" of a ProductSection; "" if it has none. */
static const char *product_line(struct ovf *o)
{
	const xmlNode *section = ovf_child_section(o->system, "ProductSection");
	const char *product = ovf_child_text(o, section, "Product"), *version = ovf_child_text(o, section, "Version");
	const char *vendor = ovf_child_text(o, section, "Vendor"), *kept;
	char *line;

	if (!*product)
		return "";
	if (asprintf(&line, "%s%s%s%s%s%s", product, *version ? " " : "", version, *vendor ? " (" : "", vendor,
	             *vendor ? ")" : "") < 0) {
		o->failed = -ENOMEM;
		return "";
	}
	kept = ovf_keep(o, line, strlen(line));
	free(line);
	return kept;
}

/* The first of several texts that is not empty. */
static int set_first(char **field, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (texts[i] && *texts[i])
			return appliance_set_text(field, texts[i]);
	return 0;
}

static int read_names(struct ovf *o)
{
	const char *names[] = { ovf_child_text(o, o->system, "Name"), ovf_attribute(o, o->machine, "name"),
		                ovf_attribute(o, o->system, "id") };
	const xmlNode *annotation = ovf_child_section(o->system, "AnnotationSection");
	const char *annotations[] = { ovf_child_text(o, annotation, "Annotation"),
		                      ovf_child_text(o, o->machine, "Description"), product_line(o) };
	int r = set_first(&o->a->name, names, ARRAY_SIZE(names));

	o->a->origin = find_origin(o);
	return r ? r : set_first(&o->a->annotation, annotations, ARRAY_SIZE(annotations));
}

/* ---- reading ---- */

static int find_envelope(struct ovf *o, xmlDoc *doc)
{
	o->envelope = xmlDocGetRootElement(doc);
	if (!o->envelope || !ovf_is(o->envelope, "Envelope"))
		return ovf_error(o, o->envelope, -EINVAL, "this is no OVF: its root element is not an Envelope.");
	for (const xmlNode *n = ovf_child(o->envelope, NULL); n; n = ovf_next(n, NULL))
		if (ovf_is(n, "EncryptionSection") || ovf_is(n, "EncryptedData"))
			return ovf_error(o, n, -ENOTSUP,
			                 "the package is encrypted. Have it decrypted by the program "
			                 "that made it, then open it again.");
	return 0;
}

/* cores_per_socket must divide the CPUs, or guests see a topology that cannot be. */
static int settle_cores(struct ovf *o)
{
	struct appliance *a = o->a;

	if (a->cores_per_socket >= 1 && a->cores_per_socket <= a->cpus && a->cpus % a->cores_per_socket == 0)
		return 0;
	ovf_remark(o, o->hardware, "CoresPerSocket", "%u CPUs cannot have %u cores in a socket; 1 is assumed.", a->cpus,
	           a->cores_per_socket);
	a->cores_per_socket = 1;
	return 0;
}

static int describe(struct ovf *o, xmlDoc *doc)
{
	static int (*const parts[])(struct ovf *) = { choose_system,       choose_hardware, read_sections,
		                                      ovf_read_references, read_names,      ovf_read_guest,
		                                      ovf_read_machine,    ovf_read_items,  ovf_read_settings,
		                                      ovf_read_products,   settle_cores };
	int r = find_envelope(o, doc);

	if (!r)
		choose_configuration(o);
	for (size_t i = 0; i < ARRAY_SIZE(parts) && !r; i++) {
		r = parts[i](o);
		if (o->failed) /* the cause of what parts say about texts that they did not get */
			r = o->failed;
	}
	ovf_sort(o->a);
	return r;
}

int ovf_read_whole(const struct file *source, size_t limit, const char *what, char **ret_text, struct error *e)
{
	char *text;
	int r;

	if (source->size > limit)
		return error_set(e, -EFBIG, "%s: %llu bytes are too many for %s (the limit is %zu)", source->name,
		                 (unsigned long long)source->size, what, limit);
	text = malloc((size_t)source->size + 1);
	r = text ? file_read(source, 0, text, (size_t)source->size) : -ENOMEM;
	if (r < 0) {
		free(text);
		return error_set(e, r, "%s cannot be read: %s", source->name, strerror(-r));
	}
	text[source->size] = '\0';
	*ret_text = text;
	return 0;
}

int ovf_read(struct appliance *a, const struct file *source, const struct files *files, struct error *e)
{
	struct ovf o = { .a = a, .files = files, .e = e, .name = source->name };
	xmlDoc *doc = NULL;
	bool damaged;
	char *text;
	int r = ovf_read_whole(source, OVF_MAX_SIZE, "an OVF", &text, e);

	if (r < 0)
		return r;
	appliance_hash_text(a, text, (size_t)source->size);
	r = ovf_parse_xml(text, (size_t)source->size, source->name, &doc, &damaged, e);
	free(text);
	if (!r) {
		if (damaged)
			appliance_remark(a, 0, "encoding",
			                 "Some characters are not in the encoding that the text names.");
		r = describe(&o, doc);
		xmlFreeDoc(doc);
	}
	ovf_free_bundles(&o);
	ovf_free_texts(&o);
	free(o.package_files);
	free(o.disks);
	return r < 0 ? error_set(e, r, "%s: %s", source->name, strerror(-r)) : 0;
}

/* ---- the manifest beside it ---- */

static void free_manifest(void *container)
{
	manifest_free(container);
}

/* "/home/eva/debian.ovf" -> "debian.mf". The caller frees it. */
static char *manifest_name(const struct file *source)
{
	const char *slash = strrchr(source->name, '/'), *base = slash ? slash + 1 : source->name;
	const char *dot = strrchr(base, '.');
	char *name;

	return asprintf(&name, "%.*s.mf", (int)(dot && dot != base ? dot - base : (int)strlen(base)), base) < 0 ? NULL
	                                                                                                        : name;
}

/* No manifest is no fault, and one that cannot be read is no reason not to play. */
static int find_manifest(struct appliance *a, const struct file *source, const struct files *files)
{
	char *name = manifest_name(source), *text = NULL;
	struct error e = { 0 };
	struct file file;
	int r;

	if (!name)
		return -ENOMEM;
	r = files_open(files, name, &file, &e);
	if (!r) {
		r = ovf_read_whole(&file, MANIFEST_MAX_SIZE, "a manifest", &text, &e);
		if (!r)
			r = manifest_parse(text, (size_t)file.size, name, &a->inner, &a->manifest, &e);
		if (r < 0)
			appliance_remark(a, 0, name, "The manifest cannot be used: %s", e.text);
		file_close(&file);
	}
	free(text);
	free(name);
	a->container = a->manifest;
	a->container_free = a->manifest ? free_manifest : NULL;
	return 0;
}

int ovf_open(struct appliance *a, const struct file *source, const struct files *files, struct error *e)
{
	int r = ovf_read(a, source, files, e);

	return r ? r : find_manifest(a, source, files);
}
