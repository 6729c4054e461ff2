/* SPDX-License-Identifier: MIT */
/*
 * Private to the OVF reader: the text as a tree, and what its parts share while one machine is described.
 *
 * Elements and attributes are found by their local names alone: OVF 0.9, 1.x and 2.x, rasd, sasd and epasd spell the
 * same things in different namespaces, and some texts bind a prefix wrongly. Texts live as long as struct ovf. Out of
 * memory, or out of OVF_MAX_KEPT, sticks in `failed`, so that readers need not look after each text. One thread.
 */
#ifndef VITRINE_OVF_PRIVATE_H
#define VITRINE_OVF_PRIVATE_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/appliance.h"

/* A disk with more would not fit on any board (APPLIANCE_MAX_DRIVES); a text that lists several machines has some. */
#define OVF_MAX_DISKS 1024u
/* The largest real text seen has 240 items in its 13 configurations. */
#define OVF_MAX_ITEMS 4096u
#define OVF_MAX_FILES 4096u
/* Of a file, disk or item: each is compared with all others. URLs and paths are longer than any id. */
#define OVF_MAX_ID 255u
/* A text is kept once or twice; only one that has others read again and again needs more than this. */
#define OVF_MAX_KEPT (64u << 20)

/* What vbox:Machine has described, so that the items of the hardware section are not asked. */
enum ovf_part {
	PART_CPU = 1,
	PART_MEMORY = 2,
	PART_STORAGE = 4,
	PART_NETWORK = 8,
	PART_SOUND = 16,
	PART_USB = 32,
	PART_SERIAL = 64,
};

struct ovf_file {
	xmlNode *node;
	const char *id;
};

struct ovf_disk {
	xmlNode *node;
	const char *id;
	const char *uuid; /* vbox:uuid, or NULL */
};

struct ovf_bundle;

struct ovf {
	struct appliance *a;
	const struct files *files;
	struct error *e;
	const char *name; /* of the file, for errors */
	xmlNode *envelope;
	xmlNode *system;           /* the VirtualSystem that is played */
	xmlNode *hardware;         /* its VirtualHardwareSection */
	xmlNode *machine;          /* its vbox:Machine, or NULL */
	const char *configuration; /* the default one, or NULL */
	unsigned settled;          /* enum ovf_part */
	struct ovf_file *package_files;
	struct ovf_disk *disks;
	unsigned file_count, disk_count;
	struct ovf_bundle *bundles; /* NULL: no message was looked for yet */
	unsigned bundle_count;
	size_t bundle_bytes;                /* of their files, so far */
	char **texts;                       /* what ovf_text() and ovf_attribute() gave */
	size_t text_count, text_room, kept; /* kept: bytes, with what each costs */
	int failed;                         /* 0, -ENOMEM, or -EFBIG from ovf_keep() */
};

/* ---- ovf_xml.c: the tree ---- */

/* Parses a text of any of the encodings that OVF writers use, within limits and without opening a file. *ret_damaged:
 * characters had to be replaced. Free with xmlFreeDoc(). */
int ovf_parse_xml(const char *bytes, size_t length, const char *name, xmlDoc **ret_doc, bool *ret_damaged,
                  struct error *e);

bool ovf_is(const xmlNode *node, const char *name);
/* "DiskSection": of that name, or OVF 0.9's <Section xsi:type="ovf:DiskSection_Type">. */
bool ovf_is_section(const xmlNode *node, const char *name);
/* The first child, the next sibling of this name (NULL: any element); NULL: none. Both accept NULL. */
xmlNode *ovf_child(const xmlNode *node, const char *name);
xmlNode *ovf_next(const xmlNode *node, const char *name);
xmlNode *ovf_child_section(const xmlNode *node, const char *name);
xmlNode *ovf_next_section(const xmlNode *node, const char *name);
unsigned ovf_line(const xmlNode *node);

/* Without the blanks around it. "" if the element is empty or NULL. */
const char *ovf_text(struct ovf *o, const xmlNode *node);
const char *ovf_child_text(struct ovf *o, const xmlNode *node, const char *name);
/* NULL: no such attribute, or node is NULL. */
const char *ovf_attribute(struct ovf *o, const xmlNode *node, const char *name);
/* Compares without keeping a copy, for loops. */
bool ovf_attribute_is(const xmlNode *node, const char *name, const char *value);
/* A copy that lives as long as o; "" when o has failed. */
const char *ovf_keep(struct ovf *o, const char *text, size_t length);
void ovf_free_texts(struct ovf *o);

/* A decimal number that is the whole text. */
bool ovf_number(const char *text, uint64_t *ret);
/* Is word one of the words of a list that blanks and commas part, whatever the case? */
bool ovf_list_has(const char *list, const char *word);

#define ovf_remark(o, node, ...) appliance_remark((o)->a, ovf_line(node), __VA_ARGS__)
/* Fills the error with file and line; returns code. */
int ovf_error(struct ovf *o, const xmlNode *node, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- ovf_disks.c: References and DiskSection ---- */

int ovf_read_references(struct ovf *o);
/* The name of a file that is read only if it is a part of the package; NULL with words: it is not. */
const char *ovf_inside_name(struct ovf *o, const char *file_id, const char **ret_why);
/* "byte * 2^20", "MegaBytes", "GB": bytes in one unit. */
bool ovf_unit_factor(const char *units, uint64_t *ret_factor);
/* What HostResource says, into the drive. asker is what wants it, for errors. */
int ovf_set_backing(struct ovf *o, struct appliance_drive *drive, const char *host_resource, const xmlNode *asker);
int ovf_set_disk(struct ovf *o, struct appliance_drive *drive, const struct ovf_disk *disk);
const struct ovf_disk *ovf_disk_by_uuid(const struct ovf *o, const char *uuid);

/* ---- ovf_place.c: where drives go ---- */

struct ovf_controller_kind {
	enum appliance_bus bus;
	const char *model;
};

/* Adds the controller at the number that is asked for (-1: any), or at the next free one. NULL: there is no room, as a
 * remark says. */
struct appliance_controller *ovf_add_controller(struct ovf *o, struct ovf_controller_kind kind, int number,
                                                const xmlNode *node);
const char *ovf_default_model(enum appliance_bus bus);
/* Adds the drive at the unit that is asked for (-1: any), or at another one, as a remark says. NULL: no room (a
 * remark), or no memory (o->failed). The controller is added if it is not there. */
struct appliance_drive *ovf_add_drive(struct ovf *o, enum appliance_drive_kind kind, enum appliance_bus bus,
                                      unsigned controller, int unit, const char *label, const xmlNode *node);
struct appliance_drive *ovf_add_floppy(struct ovf *o, int unit, const char *label, const xmlNode *node);
/* "00-0C-29-12-34-56", "000C29123456" -> "00:0c:29:12:34:56" */
bool ovf_normal_mac(const char *text, char ret_mac[18]);
int ovf_set_memory(struct ovf *o, uint64_t bytes, const xmlNode *node);
void ovf_set_cpus(struct ovf *o, const char *count, const xmlNode *node);
/* In the order that a .vmx has them, as appliance.h promises that a text made of it reads back the same. */
void ovf_sort(struct appliance *a);

/* ---- the readers ---- */

int ovf_read_items(struct ovf *o);    /* ovf_items.c */
int ovf_read_machine(struct ovf *o);  /* ovf_vbox.c: vbox:Machine */
int ovf_read_settings(struct ovf *o); /* ovf_config.c: vmw:Config and vmw:ExtraConfig of the machine */
/* vmw:Config in an item. pci_slot may be NULL. */
void ovf_read_item_settings(struct ovf *o, const xmlNode *item, int *pci_slot);
/* A value as the .vmx key of that name has it; a remark if it is none. */
int ovf_set_machine_field(struct ovf *o, const xmlNode *node, const char *key, const char *value);
int ovf_read_guest(struct ovf *o);    /* ovf_guest.c: OperatingSystemSection */
int ovf_read_products(struct ovf *o); /* ovf_product.c: into a->deployment */

/* ovf_strings.c: the message of that id, of the English bundle, else of the first that has it; "" if none does. */
const char *ovf_message(struct ovf *o, const char *id);
void ovf_free_bundles(struct ovf *o);

/* All of source, with a NUL behind it, for the caller to free. what: "an OVF", for words. */
int ovf_read_whole(const struct file *source, size_t limit, const char *what, char **ret_text, struct error *e);

/* As ovf_open(), without looking for a manifest. */
int ovf_read(struct appliance *a, const struct file *source, const struct files *files, struct error *e);

#endif
