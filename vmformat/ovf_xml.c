/* SPDX-License-Identifier: MIT */
/*
 * XML from strangers. libxml2 must open nothing (the sandbox kills who opens a file), so it gets UTF-8 or UTF-16, which
 * it converts by itself; other encodings are decoded here. No document type is read: that is where entities come from.
 */
#include "vmformat/ovf_private.h"

#include <ctype.h>
#include <errno.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmformat/bytes.h"
#include "vmformat/ovf.h"
#include "vmformat/vmx_encoding.h"

/* The deepest real text has 9 levels, vbox:Machine included. */
#define MAX_DEPTH 64u
/* Elements and attributes. The largest real text has 4,000; a node takes libxml2 some 200 bytes. */
#define MAX_NODES 200000u
/* libxml2 compares each name with every namespace that is declared; a real text has up to 20. */
#define MAX_NAMESPACES 1024u
/* libxml2 compares each attribute of an element with all others. */
#define MAX_ATTRIBUTES 4096u

/* ---- encodings ---- */

#define UTF_16LE "UTF-16LE"
#define UTF_16BE "UTF-16BE"

/* UTF-16 by its byte order mark, or by how "<?" begins without one (XML 1.0, appendix F). NULL: it is not. */
static const char *find_utf16(const char *bytes, size_t length, size_t *ret_skip)
{
	static const struct {
		const char bytes[4];
		size_t length, skip;
		const char *encoding;
	} starts[] = {
		{ "\xff\xfe", 2, 2, UTF_16LE },
		{ "\xfe\xff", 2, 2, UTF_16BE },
		{ { '<', 0, '?', 0 }, 4, 0, UTF_16LE },
		{ { 0, '<', 0, '?' }, 4, 0, UTF_16BE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (length >= starts[i].length && !memcmp(bytes, starts[i].bytes, starts[i].length)) {
			*ret_skip = starts[i].skip;
			return starts[i].encoding;
		}
	return NULL;
}

/* encoding="..." of the XML declaration into ret_name; "" if it has none. */
static void declared_encoding(const char *bytes, size_t length, char ret_name[32])
{
	char head[256];
	const char *end, *at;
	size_t n = 0;

	*ret_name = '\0';
	snprintf(head, sizeof(head), "%.*s", (int)MIN(length, sizeof(head) - 1), bytes);
	end = strstr(head, "?>");
	at = strstr(head, "encoding");
	if (strncmp(head, "<?xml", 5) || !end || !at || at > end)
		return;
	at += strlen("encoding");
	at += strspn(at, " \t\r\n=\"'");
	while (n < 31 && at < end && (isalnum((unsigned char)*at) || strchr("-_.:", *at)))
		ret_name[n++] = *at++;
	ret_name[n] = '\0';
}

static enum vmx_encoding find_encoding(const char *name)
{
	/* Bytes that Latin-1 leaves to control codes are Windows' quotation marks where they appear at all. */
	static const char *const latin[] = { "ISO-8859-1", "ISO8859-1", "LATIN1", "US-ASCII", "ASCII" };

	if (!*name || !strcasecmp(name, "UTF-8") || !strcasecmp(name, "UTF8"))
		return VMX_UTF_8;
	for (size_t i = 0; i < ARRAY_SIZE(latin); i++)
		if (!strcasecmp(name, latin[i]))
			return VMX_WINDOWS_1252;
	return vmx_encoding_find(name);
}

/* The text in UTF-8: the bytes themselves, or *ret_decoded for the caller to free. */
static int decode(const char **bytes, size_t *length, const char *name, char **ret_decoded, bool *ret_damaged,
                  struct error *e)
{
	char declared[32];
	enum vmx_encoding encoding;
	const char *nul = memchr(*bytes, '\0', *length);

	if (nul)
		return error_set(e, -EINVAL,
		                 "%s is damaged: there is a byte of zero at %zu, which no text has. "
		                 "Download it again.",
		                 name, (size_t)(nul - *bytes));
	declared_encoding(*bytes, *length, declared);
	encoding = find_encoding(declared);
	if (encoding == VMX_OTHER_ENCODING)
		return error_set(e, -ENOTSUP,
		                 "%s, line 1: the encoding %s is not read. Convert the text to UTF-8 "
		                 "(iconv -f %s -t UTF-8), and name UTF-8 in its first line.",
		                 name, declared, declared);
	if (encoding == VMX_UTF_8 && utf8_valid(*bytes, *length))
		return 0;
	*ret_decoded = vmx_decode(encoding, *bytes, *length, ret_damaged);
	if (!*ret_decoded)
		return error_set(e, -ENOMEM, "%s: out of memory", name);
	*bytes = *ret_decoded;
	*length = strlen(*ret_decoded);
	return 0;
}

/* ---- parsing within limits ---- */

struct guard {
	unsigned depth, nodes, namespaces;
	const char *refusal;
};

/* Counted before libxml2 sees an element: it would compare all attributes with each other first. A tag holds no second
 * '<', so the count from one to the next is enough. */
static bool has_huge_element(const char *bytes, size_t length)
{
	bool after_sign = false;
	unsigned count = 0;

	for (size_t i = 0; i < length; i++) {
		char c = bytes[i];

		if (c == '<')
			count = 0;
		if ((c == '"' || c == '\'') && after_sign && ++count > MAX_ATTRIBUTES)
			return true;
		after_sign = c == '=' || (after_sign && (c == '\0' || isspace((unsigned char)c)));
	}
	return false;
}

static struct guard *guard_of(void *context)
{
	return ((xmlParserCtxt *)context)->_private;
}

static void refuse(void *context, const char *why)
{
	guard_of(context)->refusal = why;
	xmlStopParser(context);
}

static void on_doctype(void *context, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
	(void)name;
	(void)id;
	(void)system;
	refuse(context, "it has a document type (<!DOCTYPE>), which no OVF needs and which is not read");
}

static void on_start(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int namespaces,
                     const xmlChar **declared, int attributes, int defaulted, const xmlChar **values)
{
	struct guard *g = guard_of(context);

	g->nodes += 1 + (unsigned)attributes;
	g->namespaces += (unsigned)namespaces;
	if (++g->depth > MAX_DEPTH)
		refuse(context, "its elements are nested deeper than in any OVF");
	else if (g->nodes > MAX_NODES || g->namespaces > MAX_NAMESPACES)
		refuse(context, "it has more elements than any OVF");
	else
		xmlSAX2StartElementNs(context, name, prefix, uri, namespaces, declared, attributes, defaulted, values);
}

static void on_end(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	guard_of(context)->depth--;
	xmlSAX2EndElementNs(context, name, prefix, uri);
}

static int report(xmlParserCtxt *context, const char *name, bool ended, struct error *e)
{
	const struct guard *g = context->_private;
	const xmlError *cause = xmlCtxtGetLastError(context);
	int line = context->input ? context->input->line : 0, column = context->input ? context->input->col : 0;

	if (g->refusal)
		return error_set(e, -EINVAL, "%s, line %d, column %d: %s.", name, line, column, g->refusal);
	if (cause && cause->code == XML_ERR_NO_MEMORY)
		return error_set(e, -ENOMEM, "%s: out of memory", name);
	if (!cause || !cause->message)
		return error_set(e, -EINVAL, "%s is no XML text.", name);
	return error_set(e, -EINVAL, "%s, line %d, column %d: %.*s.%s", name, cause->line, cause->int2,
	                 (int)strcspn(cause->message, "\n"), cause->message,
	                 ended && cause->code != XML_ERR_TAG_NOT_FINISHED
	                         ? ""
	                         : " The text ends too early; the download was probably interrupted. "
	                           "Download it again.");
}

static int parse(const char *bytes, size_t length, const char *encoding, const char *name, xmlDoc **ret_doc,
                 struct error *e)
{
	const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS |
	                    XML_PARSE_NOCDATA | XML_PARSE_COMPACT | XML_PARSE_BIG_LINES | XML_PARSE_IGNORE_ENC;
	xmlParserCtxt *context = xmlNewParserCtxt();
	struct guard g = { 0 };
	size_t end = length;
	xmlDoc *doc;
	int r = 0;

	if (!context)
		return error_set(e, -ENOMEM, "%s: out of memory", name);
	context->_private = &g;
	context->sax->internalSubset = on_doctype;
	context->sax->startElementNs = on_start;
	context->sax->endElementNs = on_end;
	context->sax->comment = NULL; /* comments and instructions would only be nodes to step over */
	context->sax->processingInstruction = NULL;
	doc = xmlCtxtReadMemory(context, bytes, (int)length, NULL, encoding, options);
	while (end && (isspace((unsigned char)bytes[end - 1]) || !bytes[end - 1]))
		end--;
	if (!doc || !context->wellFormed || g.refusal)
		r = report(context, name, end && bytes[end - 1] == '>', e);
	xmlFreeParserCtxt(context);
	if (r < 0)
		xmlFreeDoc(doc);
	else
		*ret_doc = doc;
	return r;
}

int ovf_parse_xml(const char *bytes, size_t length, const char *name, xmlDoc **ret_doc, bool *ret_damaged,
                  struct error *e)
{
	size_t skip = 0;
	const char *encoding = find_utf16(bytes, length, &skip);
	char *decoded = NULL;
	int r = 0;

	*ret_damaged = false;
	if (!encoding && length >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3))
		skip = 3;
	bytes += skip;
	length -= skip;
	if (!encoding)
		r = decode(&bytes, &length, name, &decoded, ret_damaged, e);
	if (!r && has_huge_element(bytes, length))
		r = error_set(e, -EINVAL, "%s: an element has more attributes than any OVF's.", name);
	if (!r)
		r = parse(bytes, length, encoding ? encoding : "UTF-8", name, ret_doc, e);
	free(decoded);
	return r;
}

void ovf_warm_parser(void)
{
	static const char text[] = "<a b='&amp;'>c</a>";
	static const char *const encodings[] = { "UTF-8", UTF_16LE, UTF_16BE };
	struct error e;

	xmlInitParser();
	for (size_t i = 0; i < ARRAY_SIZE(encodings); i++) {
		xmlDoc *doc = NULL;

		e = (struct error){ 0 };
		if (parse(text, sizeof(text) - 1, encodings[i], "", &doc, &e) == 0)
			xmlFreeDoc(doc); /* the others fail, having initialised what reports failures */
	}
}

/* ---- the tree ---- */

static const char *local_name(const xmlChar *name)
{
	const char *colon = strrchr((const char *)name, ':'); /* a prefix that is not bound stays in the name */

	return colon ? colon + 1 : (const char *)name;
}

bool ovf_is(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && (!name || !strcmp(local_name(node->name), name));
}

static const xmlAttr *find_attribute(const xmlNode *node, const char *name)
{
	for (const xmlAttr *a = node->properties; a; a = a->next)
		if (!strcmp(local_name(a->name), name))
			return a;
	return NULL;
}

/* "ovf:DiskSection_Type" */
static bool has_type(const xmlNode *node, const char *name)
{
	const xmlAttr *type = find_attribute(node, "type");
	size_t length = strlen(name);
	const char *value;

	if (!type || !type->children || !type->children->content)
		return false;
	value = local_name(type->children->content);
	return !strncmp(value, name, length) && !strcmp(value + length, "_Type");
}

bool ovf_is_section(const xmlNode *node, const char *name)
{
	return ovf_is(node, name) || ((ovf_is(node, "Section") || ovf_is(node, "Content")) && has_type(node, name));
}

static xmlNode *find_from(xmlNode *node, const char *name, bool (*matches)(const xmlNode *, const char *))
{
	while (node && !matches(node, name))
		node = node->next;
	return node;
}

xmlNode *ovf_child(const xmlNode *node, const char *name)
{
	return node ? find_from(node->children, name, ovf_is) : NULL;
}

xmlNode *ovf_next(const xmlNode *node, const char *name)
{
	return node ? find_from(node->next, name, ovf_is) : NULL;
}

xmlNode *ovf_child_section(const xmlNode *node, const char *name)
{
	return node ? find_from(node->children, name, ovf_is_section) : NULL;
}

xmlNode *ovf_next_section(const xmlNode *node, const char *name)
{
	return node ? find_from(node->next, name, ovf_is_section) : NULL;
}

unsigned ovf_line(const xmlNode *node)
{
	long line = node ? xmlGetLineNo(node) : 0;

	return line > 0 ? (unsigned)line : 0;
}

/* ---- texts ---- */

const char *ovf_keep(struct ovf *o, const char *text, size_t length)
{
	const size_t cost = length + 4 * sizeof(void *); /* the pointer, and malloc's own */
	char *copy;

	if (o->failed)
		return "";
	if (cost > OVF_MAX_KEPT - o->kept) {
		o->failed = error_set(o->e, -EFBIG, "%s: its parts repeat each other's texts beyond any OVF's size",
		                      o->name);
		return "";
	}
	o->kept += cost;
	if (o->text_count == o->text_room) {
		size_t room = o->text_room ? 2 * o->text_room : 256;
		char **texts = reallocarray(o->texts, room, sizeof(*texts));

		if (!texts) {
			o->failed = -ENOMEM;
			return "";
		}
		o->texts = texts;
		o->text_room = room;
	}
	copy = strndup(text, length);
	if (!copy) {
		o->failed = -ENOMEM;
		return "";
	}
	return o->texts[o->text_count++] = copy;
}

void ovf_free_texts(struct ovf *o)
{
	for (size_t i = 0; i < o->text_count; i++)
		free(o->texts[i]);
	free(o->texts);
}

static const char *keep_trimmed(struct ovf *o, const char *text)
{
	size_t length;

	while (isspace((unsigned char)*text))
		text++;
	length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	return ovf_keep(o, text, length);
}

/* Usually one text node; what stood around an element inside is another. */
static const char *keep_nodes(struct ovf *o, const xmlNode *nodes)
{
	const char *first = NULL;
	char *all = NULL;
	size_t length;
	FILE *out;

	for (const xmlNode *n = o->failed ? NULL : nodes; n; n = n->next)
		if (n->type == XML_TEXT_NODE && n->content)
			first = first ? "" : (const char *)n->content;
	if (!first)
		return "";
	if (*first || !nodes->next)
		return keep_trimmed(o, first);
	out = open_memstream(&all, &length);
	for (const xmlNode *n = nodes; n && out; n = n->next)
		if (n->type == XML_TEXT_NODE && n->content)
			fputs((const char *)n->content, out);
	if (!out || fclose(out)) {
		free(all);
		o->failed = -ENOMEM;
		return "";
	}
	first = keep_trimmed(o, all);
	free(all);
	return first;
}

const char *ovf_text(struct ovf *o, const xmlNode *node)
{
	return node ? keep_nodes(o, node->children) : "";
}

const char *ovf_child_text(struct ovf *o, const xmlNode *node, const char *name)
{
	return ovf_text(o, ovf_child(node, name));
}

const char *ovf_attribute(struct ovf *o, const xmlNode *node, const char *name)
{
	const xmlAttr *a = node ? find_attribute(node, name) : NULL;

	return a ? keep_nodes(o, a->children) : NULL;
}

bool ovf_attribute_is(const xmlNode *node, const char *name, const char *value)
{
	const xmlAttr *a = find_attribute(node, name);

	return a && a->children && a->children->content && !strcmp((const char *)a->children->content, value);
}

bool ovf_number(const char *text, uint64_t *ret)
{
	uint64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++)
		if (!isdigit((unsigned char)*text) || mul_overflows(n, 10u, &n) ||
		    add_overflows(n, (unsigned)(*text - '0'), &n))
			return false;
	*ret = n;
	return true;
}

bool ovf_list_has(const char *list, const char *word)
{
	static const char separators[] = " ,;\t\r\n";
	const size_t wanted = strlen(word); /* once: both may be long */

	for (list += strspn(list, separators); *list; list += strspn(list, separators)) {
		size_t length = strcspn(list, separators);

		if (length == wanted && !strncasecmp(list, word, length))
			return true;
		list += length;
	}
	return false;
}

int ovf_error(struct ovf *o, const xmlNode *node, int code, const char *format, ...)
{
	char text[768];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_set(o->e, code, "%s, line %u: %s", o->name, ovf_line(node), text);
}
