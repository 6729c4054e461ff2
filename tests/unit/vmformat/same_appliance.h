/* SPDX-License-Identifier: MIT */
/*
 * For tests and fuzz targets: are two descriptions the same machine? Remarks are not compared, they belong to a text.
 * Returns the name of the first field that differs, or NULL.
 */
#ifndef VITRINE_SAME_APPLIANCE_H
#define VITRINE_SAME_APPLIANCE_H

#include <string.h>

#include "vmformat/appliance.h"

#define DIFFERS(x, y)   \
	if ((x) != (y)) \
	return #x
#define TEXT_DIFFERS(x, y)         \
	if (strcmp((x), (y)) != 0) \
	return #x

static inline const char *different_drive(const struct appliance_drive *x, const struct appliance_drive *y)
{
	DIFFERS(x->kind, y->kind);
	DIFFERS(x->bus, y->bus);
	DIFFERS(x->controller, y->controller);
	DIFFERS(x->unit, y->unit);
	DIFFERS(x->backing, y->backing);
	TEXT_DIFFERS(x->file, y->file);
	DIFFERS(x->capacity, y->capacity);
	DIFFERS(x->mode, y->mode);
	DIFFERS(x->start_connected, y->start_connected);
	return NULL;
}

static inline const char *different_nic(const struct appliance_nic *x, const struct appliance_nic *y)
{
	DIFFERS(x->number, y->number);
	TEXT_DIFFERS(x->model, y->model);
	TEXT_DIFFERS(x->mac, y->mac);
	TEXT_DIFFERS(x->network, y->network);
	DIFFERS(x->pci_slot, y->pci_slot);
	DIFFERS(x->start_connected, y->start_connected);
	return NULL;
}

static inline const char *different_forwards(const struct appliance *x, const struct appliance *y)
{
	DIFFERS(x->forward_count, y->forward_count);
	for (unsigned i = 0; i < x->forward_count; i++) {
		DIFFERS(x->forwards[i].number, y->forwards[i].number);
		DIFFERS(x->forwards[i].protocol, y->forwards[i].protocol);
		DIFFERS(memcmp(x->forwards[i].address, y->forwards[i].address, 4), 0);
		DIFFERS(x->forwards[i].host_port, y->forwards[i].host_port);
		DIFFERS(x->forwards[i].guest_port, y->forwards[i].guest_port);
	}
	return NULL;
}

static inline const char *different_elements(const struct appliance *x, const struct appliance *y)
{
	const char *difference = NULL;

	DIFFERS(x->controller_count, y->controller_count);
	DIFFERS(x->drive_count, y->drive_count);
	DIFFERS(x->nic_count, y->nic_count);
	DIFFERS(x->serial_count, y->serial_count);
	for (unsigned i = 0; i < x->controller_count; i++) {
		DIFFERS(x->controllers[i].bus, y->controllers[i].bus);
		DIFFERS(x->controllers[i].number, y->controllers[i].number);
		TEXT_DIFFERS(x->controllers[i].model, y->controllers[i].model);
		DIFFERS(x->controllers[i].pci_slot, y->controllers[i].pci_slot);
	}
	for (unsigned i = 0; i < x->drive_count && !difference; i++)
		difference = different_drive(&x->drives[i], &y->drives[i]);
	for (unsigned i = 0; i < x->nic_count && !difference; i++)
		difference = different_nic(&x->nics[i], &y->nics[i]);
	for (unsigned i = 0; i < x->serial_count && !difference; i++) {
		DIFFERS(x->serials[i].number, y->serials[i].number);
		TEXT_DIFFERS(x->serials[i].backing, y->serials[i].backing);
	}
	DIFFERS(x->setting_count, y->setting_count);
	for (unsigned i = 0; i < x->setting_count && !difference; i++) {
		TEXT_DIFFERS(x->settings[i].key, y->settings[i].key);
		TEXT_DIFFERS(x->settings[i].value, y->settings[i].value);
	}
	return difference ? difference : different_forwards(x, y);
}

static inline const char *different_appliance(const struct appliance *x, const struct appliance *y)
{
	TEXT_DIFFERS(x->name, y->name);
	TEXT_DIFFERS(x->guest_os, y->guest_os);
	TEXT_DIFFERS(x->annotation, y->annotation);
	TEXT_DIFFERS(x->uuid, y->uuid);
	DIFFERS(x->origin, y->origin);
	DIFFERS(x->firmware, y->firmware);
	DIFFERS(x->memory, y->memory);
	DIFFERS(x->cpus, y->cpus);
	DIFFERS(x->cores_per_socket, y->cores_per_socket);
	TEXT_DIFFERS(x->sound, y->sound);
	DIFFERS(x->usb, y->usb);
	DIFFERS(x->host_loopback, y->host_loopback);
	DIFFERS(x->write_in_place, y->write_in_place);
	DIFFERS(x->rtc_local_time, y->rtc_local_time);
	DIFFERS(x->vmport, y->vmport);
	DIFFERS(x->rtc_difference, y->rtc_difference);
	DIFFERS(x->rtc_start, y->rtc_start);
	TEXT_DIFFERS(x->boot_order, y->boot_order);
	return different_elements(x, y);
}

#undef DIFFERS
#undef TEXT_DIFFERS

#endif
