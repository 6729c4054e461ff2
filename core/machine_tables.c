/* SPDX-License-Identifier: MIT */
/* The tables that say what board this is: ACPI's and SMBIOS's, from the parts list and the appliance. */
#include <stdio.h>
#include <string.h>

#include "core/machine_private.h"

/* Whose machine the appliance was made on: programs in it look for these words. */
static const struct {
	const char *manufacturer, *product, *version;
} makers[] = {
	[ORIGIN_OTHER] = { "Vitrine", "Vitrine", "1" },
	[ORIGIN_VMWARE] = { "VMware, Inc.", "VMware Virtual Platform", "None" },
	[ORIGIN_VIRTUALBOX] = { "innotek GmbH", "VirtualBox", "1.2" },
};

static int build_smbios(struct machine *m, enum appliance_origin origin)
{
	char serial[SMBIOS_VMWARE_SERIAL] = "0"; /* as VirtualBox has it */
	struct smbios_machine machine = {
		.manufacturer = makers[origin].manufacturer,
		.product = makers[origin].product,
		.version = makers[origin].version,
		.serial = serial,
		.sockets = (m->cpus + m->cores_per_socket - 1) / m->cores_per_socket,
		.memory = m->memory,
		.memory_below_4g = m->ram_low_size,
	};

	memcpy(machine.uuid, m->uuid, sizeof(machine.uuid));
	if (origin == ORIGIN_VMWARE)
		smbios_vmware_serial(m->uuid, serial);
	return smbios_build(&machine, &m->smbios);
}

static int build_acpi(struct machine *m)
{
	m->acpi_board.root = m->pci;
	m->acpi_board.cpus = m->cpus;
	m->acpi_board.memory_below_4g = m->ram_low_size;
	m->acpi_board.bridge_count = m->bridge_count;
	for (unsigned i = 0; i < m->bridge_count; i++)
		m->acpi_board.bridges[i].bus = m->bridged[i];
	return acpi_tables_build(&m->acpi_board, &m->acpi);
}

int machine_build_tables(struct machine *m, enum appliance_origin origin, struct error *e)
{
	int r = build_acpi(m);

	r = r < 0 ? r : build_smbios(m, origin);
	if (r < 0)
		error_set(e, r, "the machine's tables cannot be made: %s; close other programs", strerror(-r));
	return r;
}

void machine_free_tables(struct machine *m)
{
	acpi_tables_free(&m->acpi);
	smbios_free(&m->smbios);
}
