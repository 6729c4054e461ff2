/* SPDX-License-Identifier: MIT */
/* Numbers for controllers and places for drives, as asked for where that is possible; CPUs and memory in bounds. */
#include "vmformat/ovf_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmformat/bytes.h"
#include "vmformat/vmx_fields.h"

#define MEMORY_STEP (4ull << 20) /* appliance.h; VMware's memsize is a multiple of it */
#define MEMORY_MAX (24ull << 40) /* hardware version 18 and later */
#define SCSI_OWN_ID 7u           /* the adapter's own target */

/* ---- controllers ---- */

static struct appliance_controller *find_controller(const struct ovf *o, enum appliance_bus bus, unsigned number)
{
	for (unsigned i = 0; i < o->a->controller_count; i++)
		if (o->a->controllers[i].bus == bus && o->a->controllers[i].number == number)
			return &o->a->controllers[i];
	return NULL;
}

const char *ovf_default_model(enum appliance_bus bus)
{
	return vmx_buses[bus].model ? vmx_buses[bus].model : "lsilogic"; /* what exporters write by default */
}

struct appliance_controller *ovf_add_controller(struct ovf *o, struct ovf_controller_kind kind, int number,
                                                const xmlNode *node)
{
	unsigned limit = vmx_buses[kind.bus].controllers, n = number < 0 ? 0 : (unsigned)number;
	struct appliance_controller *added;

	if (n >= limit || find_controller(o, kind.bus, n))
		for (n = 0; n < limit && find_controller(o, kind.bus, n);)
			n++;
	if (n == limit) {
		ovf_remark(
			o, node, vmx_buses[kind.bus].name,
			"There are more controllers of this kind than the %u that a machine can have; this one is left "
			"out.",
			limit);
		return NULL;
	}
	added = appliance_add_controller(o->a, kind.bus, n, kind.model);
	if (!added)
		o->failed = -ENOMEM; /* a bus has few numbers: all controllers together are fewer than the limit */
	return added;
}

/* ---- drives ---- */

static bool is_free(const struct ovf *o, enum appliance_bus bus, unsigned controller, unsigned unit)
{
	if (unit >= vmx_buses[bus].units || (bus == APPLIANCE_SCSI && unit == SCSI_OWN_ID))
		return false;
	for (unsigned i = 0; i < o->a->drive_count; i++) {
		const struct appliance_drive *d = &o->a->drives[i];

		if (d->bus == bus && d->controller == controller && d->unit == unit)
			return false;
	}
	return true;
}

static bool find_free_unit(const struct ovf *o, enum appliance_bus bus, unsigned controller, unsigned *ret_unit)
{
	for (unsigned unit = 0; unit < vmx_buses[bus].units; unit++)
		if (is_free(o, bus, controller, unit)) {
			*ret_unit = unit;
			return true;
		}
	return false;
}

/* On the same controller, else on another one of that bus. */
static bool find_free_place(const struct ovf *o, enum appliance_bus bus, unsigned *controller, unsigned *ret_unit)
{
	if (find_free_unit(o, bus, *controller, ret_unit))
		return true;
	for (unsigned n = 0; n < vmx_buses[bus].controllers; n++)
		if (find_free_unit(o, bus, n, ret_unit)) {
			*controller = n;
			return true;
		}
	return false;
}

struct appliance_drive *ovf_add_drive(struct ovf *o, enum appliance_drive_kind kind, enum appliance_bus bus,
                                      unsigned controller, int unit, const char *label, const xmlNode *node)
{
	unsigned place = unit < 0 ? 0 : (unsigned)unit;
	struct appliance_drive *drive;

	if (bus == APPLIANCE_IDE && controller == 0 && place >= 2 && place < 4) { /* one adapter with both channels */
		controller = 1;
		place -= 2;
	}
	if (unit < 0 || !is_free(o, bus, controller, place)) {
		if (!find_free_place(o, bus, &controller, &place)) {
			ovf_remark(o, node, label, "There is no room for it on any %s controller; it is left out.",
			           vmx_buses[bus].name);
			return NULL;
		}
		if (unit >= 0)
			ovf_remark(o, node, label, "Its place does not exist or is taken; it is at %s%u:%u instead.",
			           vmx_buses[bus].name, controller, place);
	}
	if (!find_controller(o, bus, controller) &&
	    !ovf_add_controller(o, (struct ovf_controller_kind){ bus, ovf_default_model(bus) }, (int)controller, node))
		return NULL;
	drive = appliance_add_drive(o->a, kind, bus, controller, place);
	if (!drive && o->a->drive_count < APPLIANCE_MAX_DRIVES)
		o->failed = -ENOMEM;
	return drive;
}

struct appliance_drive *ovf_add_floppy(struct ovf *o, int unit, const char *label, const xmlNode *node)
{
	bool taken[VMX_FLOPPIES] = { false };
	unsigned place = unit < 0 || unit >= (int)VMX_FLOPPIES ? 0 : (unsigned)unit;
	struct appliance_drive *drive;

	for (unsigned i = 0; i < o->a->drive_count; i++)
		if (o->a->drives[i].bus == APPLIANCE_FLOPPY)
			taken[o->a->drives[i].unit] = true;
	if (taken[place])
		place = !place;
	if (taken[place]) {
		ovf_remark(o, node, label, "A machine has at most two floppy drives; this one is left out.");
		return NULL;
	}
	drive = appliance_add_drive(o->a, DRIVE_FLOPPY, APPLIANCE_FLOPPY, 0, place);
	if (!drive && o->a->drive_count < APPLIANCE_MAX_DRIVES)
		o->failed = -ENOMEM;
	return drive;
}

static int compare_controllers(const void *x, const void *y)
{
	const struct appliance_controller *a = x, *b = y;

	return a->bus != b->bus ? (int)a->bus - (int)b->bus : (int)a->number - (int)b->number;
}

static int compare_drives(const void *x, const void *y)
{
	const struct appliance_drive *a = x, *b = y;

	if (a->bus != b->bus)
		return (int)a->bus - (int)b->bus;
	return a->controller != b->controller ? (int)a->controller - (int)b->controller : (int)a->unit - (int)b->unit;
}

static int compare_nics(const void *x, const void *y)
{
	return (int)((const struct appliance_nic *)x)->number - (int)((const struct appliance_nic *)y)->number;
}

static int compare_serials(const void *x, const void *y)
{
	return (int)((const struct appliance_serial *)x)->number - (int)((const struct appliance_serial *)y)->number;
}

void ovf_sort(struct appliance *a)
{
	qsort(a->controllers, a->controller_count, sizeof(*a->controllers), compare_controllers);
	qsort(a->drives, a->drive_count, sizeof(*a->drives), compare_drives);
	qsort(a->nics, a->nic_count, sizeof(*a->nics), compare_nics);
	qsort(a->serials, a->serial_count, sizeof(*a->serials), compare_serials);
}

/* ---- CPUs, memory, addresses ---- */

int ovf_set_memory(struct ovf *o, uint64_t bytes, const xmlNode *node)
{
	if (bytes == 0 || bytes > MEMORY_MAX)
		return ovf_error(o, node, -EINVAL, "%llu bytes of memory cannot be; 1 byte to 24 TiB are possible.",
		                 (unsigned long long)bytes);
	o->a->memory = (bytes + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP;
	return 0;
}

void ovf_set_cpus(struct ovf *o, const char *count, const xmlNode *node)
{
	uint64_t n;

	if (ovf_number(count, &n) && n >= 1 && n <= APPLIANCE_MAX_CPUS)
		o->a->cpus = (unsigned)n;
	else
		ovf_remark(o, node, "CPU", "\"%s\" is no possible number of CPUs; 1 is assumed.", count);
}

bool ovf_normal_mac(const char *text, char ret_mac[18])
{
	unsigned digits = 0;

	for (; *text && digits < 12; text++) {
		if ((*text == ':' || *text == '-') && digits && digits % 2 == 0)
			continue;
		if (!isxdigit((unsigned char)*text))
			return false;
		if (digits && digits % 2 == 0)
			ret_mac[digits / 2 * 3 - 1] = ':';
		ret_mac[digits / 2 * 3 + digits % 2] = (char)tolower((unsigned char)*text);
		digits++;
	}
	ret_mac[17] = '\0';
	return digits == 12 && !*text;
}
