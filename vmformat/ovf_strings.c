/* SPDX-License-Identifier: MIT */
/*
 * Messages of the package's Strings, in the text itself or in files of their own (DSP0243 1.1, section 10).
 * Such a file is opened only when a message is looked for and no bundle before it has it: a translation that
 * nobody reads costs nothing, and cannot be missing.
 */
#include "vmformat/ovf_private.h"

#include <errno.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_BUNDLES 64u     /* of translations */
#define MAX_MESSAGES 65536u /* in all bundles that are looked through, for one text */
/* All files together: thirty languages of the largest licence seen (64 KB). The smallest nodes, four bytes each,
 * would take libxml2 some 100 MB. */
#define MAX_BYTES (2u << 20)

struct ovf_bundle {
	const xmlNode *node;     /* in the OVF */
	const xmlNode *messages; /* the same, or the root of doc; NULL: not opened yet, or of no use */
	const char *file_id;     /* NULL: its messages stand in the OVF */
	bool is_english, is_opened;
	xmlDoc *doc;
};

static int list_bundles(struct ovf *o)
{
	o->bundles = calloc(MAX_BUNDLES, sizeof(*o->bundles));
	if (!o->bundles)
		return -ENOMEM;
	for (const xmlNode *n = ovf_child(o->envelope, "Strings"); n && o->bundle_count < MAX_BUNDLES;
	     n = ovf_next(n, "Strings")) {
		const char *language = ovf_attribute(o, n, "lang"), *id = ovf_attribute(o, n, "fileRef");

		o->bundles[o->bundle_count++] = (struct ovf_bundle){
			.node = n,
			.messages = id && *id ? NULL : n,
			.file_id = id && *id ? id : NULL,
			.is_english = language && !strncasecmp(language, "en", 2),
		};
	}
	return 0;
}

void ovf_free_bundles(struct ovf *o)
{
	for (unsigned i = 0; i < o->bundle_count; i++)
		xmlFreeDoc(o->bundles[i].doc);
	free(o->bundles);
}

/* ---- a file of messages ---- */

static int read_bundle(struct ovf *o, struct ovf_bundle *b, const struct file *file, struct error *e)
{
	bool damaged;
	char *text;
	int r = ovf_read_whole(file, MAX_BYTES - o->bundle_bytes, "messages, with all others of this package", &text,
	                       e);

	if (r < 0)
		return r;
	o->bundle_bytes += (size_t)file->size;
	r = ovf_parse_xml(text, (size_t)file->size, file->name, &b->doc, &damaged, e);
	free(text);
	if (r < 0)
		return r;
	b->messages = xmlDocGetRootElement(b->doc);
	if (b->messages && ovf_is(b->messages, "Strings"))
		return 0;
	b->messages = NULL;
	return error_set(e, -EINVAL, "%s holds no messages: its root element is not Strings.", file->name);
}

/* What cannot be read is a remark: the machine plays without its words. */
static void open_bundle(struct ovf *o, struct ovf_bundle *b)
{
	const char *why, *name = ovf_inside_name(o, b->file_id, &why);
	struct error e = { 0 };
	struct file file;

	b->is_opened = true;
	if (!name) {
		ovf_remark(o, b->node, "Strings", "The messages in the file \"%.255s\" are missing: %s.", b->file_id,
		           why);
		return;
	}
	if (files_open(o->files, name, &file, &e) < 0) {
		ovf_remark(o, b->node, name, "The file with messages cannot be opened: %s", e.text);
		return;
	}
	if (read_bundle(o, b, &file, &e) == -ENOMEM)
		o->failed = -ENOMEM;
	else if (e.code < 0)
		ovf_remark(o, b->node, name, "The messages in this file cannot be used: %s", e.text);
	file_close(&file);
}

/* ---- one message ---- */

static const xmlNode *find_in(const xmlNode *bundle, const char *id, unsigned *messages)
{
	for (const xmlNode *m = ovf_child(bundle, "Msg"); m && (*messages)++ < MAX_MESSAGES; m = ovf_next(m, "Msg"))
		if (ovf_attribute_is(m, "msgid", id))
			return m;
	return NULL;
}

const char *ovf_message(struct ovf *o, const char *id)
{
	const xmlNode *found = NULL;
	unsigned messages = 0;

	if (strlen(id) > OVF_MAX_ID)
		return "";
	if (!o->bundles && list_bundles(o) < 0) {
		o->failed = -ENOMEM;
		return "";
	}
	for (int english = 1; english >= 0 && !found; english--)
		for (unsigned i = 0; i < o->bundle_count && !found; i++) {
			struct ovf_bundle *b = &o->bundles[i];

			if (b->is_english != english)
				continue;
			if (b->file_id && !b->is_opened)
				open_bundle(o, b);
			found = find_in(b->messages, id, &messages);
		}
	return ovf_text(o, found);
}
