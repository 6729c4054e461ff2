/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an .ovf: parsed and described; what plays is written as a .vmx, read again and compared.
 * What stands behind a line "#bundle" is the file that it finds under any name. Seeds: the corpus' texts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/vmformat/same_appliance.h"
#include "vmformat/deployment.h"
#include "vmformat/iso_write.h"
#include "vmformat/ovf.h"
#include "vmformat/ovf_private.h"
#include "vmformat/vmx.h"

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

struct text {
	const uint8_t *bytes;
	size_t size;
};

static struct file make_file(const struct text *text, const char *name)
{
	int fd = memfd_create("fuzz", 0);
	struct file file;

	require(fd >= 0 && write(fd, text->bytes, text->size) == (ssize_t)text->size, "set-up");
	require(file_from_fd(fd, name, &file, NULL) == 0, "file");
	return file;
}

static int open_bundle(const struct files *files, const char *name, struct file *ret_file, struct error *e)
{
	const struct text *bundle = files->context;

	if (!bundle->bytes)
		return error_set(e, -ENOENT, "%s: no such file", name);
	*ret_file = make_file(bundle, name);
	return 0;
}

/* *text becomes what stands before the line. */
static struct text split(struct text *text)
{
	static const char line[] = "\n#bundle\n";
	const uint8_t *found = memmem(text->bytes, text->size, line, strlen(line));
	struct text bundle = { 0 };

	if (!found)
		return bundle;
	bundle.bytes = found + strlen(line);
	bundle.size = text->size - (size_t)(bundle.bytes - text->bytes);
	text->size = (size_t)(found - text->bytes);
	return bundle;
}

/* Names that a .vmx takes for an empty drive, and separators of another system, do not read back. */
static bool reads_back(const struct appliance *a)
{
	static const char *const words[] = { "auto detect", "emptyBackingString", "vmware-null-remote-floppy" };

	for (unsigned i = 0; i < a->drive_count; i++) {
		if (strchr(a->drives[i].file, '\\'))
			return false;
		for (size_t j = 0; j < sizeof(words) / sizeof(*words); j++)
			if (!strcasecmp(a->drives[i].file, words[j]))
				return false;
	}
	return true;
}

static void check_round_trip(const struct appliance *a)
{
	struct appliance *again = appliance_new();
	struct vmx_file *vmx;
	struct error e = { 0 };
	const char *difference;
	char *text;

	require(appliance_to_vmx(a, &text, &e) == 0, "to_vmx");
	if (vmx_parse(text, strlen(text), "written", &vmx, &e) == 0) {
		require(vmx_to_appliance(vmx, again, &e) == 0, e.text);
		difference = different_appliance(a, again);
		if (difference)
			fprintf(stderr, "%s differs in:\n%s", difference, text);
		require(!difference, "round trip");
		vmx_free(vmx);
	} else {
		require(e.code == -EFBIG, e.text); /* names of megabytes */
	}
	appliance_free(again);
	free(text);
}

/* What the guest gets is XML to others, whatever the properties are, and fits on its disc. */
static void check_environment(struct appliance *a)
{
	static const char macs[APPLIANCE_MAX_NICS][18];
	struct iso_file file = { .name = DEPLOYMENT_FILE, .short_name = "OVF_ENV.XML" };
	struct error e = { 0 };
	xmlDoc *doc = NULL;
	uint8_t *image;
	bool damaged;
	size_t size;
	char *xml;

	require(strlen(a->deployment->license) <= DEPLOYMENT_MAX_LICENSE, "licence");
	require(a->deployment->property_count <= DEPLOYMENT_MAX_PROPERTIES, "properties");
	require(a->deployment->neighbour_count <= DEPLOYMENT_MAX_NEIGHBOURS, "properties of siblings");
	deployment_review(a);
	if (deployment_environment(a, macs, &xml, &file.length, &e) < 0) {
		require(e.code == -EFBIG, e.text);
		return;
	}
	file.data = xml;
	require(ovf_parse_xml(xml, file.length, "written", &doc, &damaged, &e) == 0 && !damaged, "environment");
	require(iso_write("OVFENV", &file, 0, &image, &size) == 0, "disc");
	xmlFreeDoc(doc);
	free(image);
	free(xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text text = { data, size }, bundle = split(&text);
	const struct files files = { .open = open_bundle, .context = &bundle };
	struct appliance *a = appliance_new();
	struct file source = make_file(&text, "fuzz.ovf");
	struct error e = { 0 };

	require(a != NULL, "set-up");
	a->inner = files;
	a->outer = &files;
	ovf_probe(data, size);
	if (ovf_open(a, &source, &files, &e) < 0)
		require(e.code < 0 && *e.text, "an error without words");
	else if (reads_back(a))
		check_round_trip(a);
	if (!e.code)
		check_environment(a);
	appliance_free(a);
	file_close(&source);
	return 0;
}
