/* SPDX-License-Identifier: MIT */
/*
 * What an OVF says beside the hardware: licence agreements to be shown before the first run, and properties that
 * reach the guest as its "OVF environment" (DMTF DSP0243 1.1, sections 9.5, 9.6 and 11). It belongs to the download:
 * the text that the user edits (appliance_apply_vmx()) leaves it as it is, and may give properties other values
 * (vitrine.property.KEY).
 */
#ifndef VITRINE_DEPLOYMENT_H
#define VITRINE_DEPLOYMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "vmformat/error.h"

#define DEPLOYMENT_MAX_LICENSE \
	(128u << 10)                    /* bytes: twice the largest real one seen. More is cut, with a word about it */
#define DEPLOYMENT_MAX_PROPERTIES 1024u /* vCenter's own appliance, the largest seen, has some hundred */
#define DEPLOYMENT_MAX_NEIGHBOURS 2048u /* of all siblings together: a vApp of twenty machines like that */
#define DEPLOYMENT_MAX_ENVIRONMENT (1u << 20) /* bytes: a hundred times the largest seen */
#define DEPLOYMENT_FILE "ovf-env.xml"         /* as guests look for it */

struct appliance;

enum deployment_transport { TRANSPORT_ISO = 1, TRANSPORT_OTHER = 2 };

struct deployment_property {
	char *key;   /* as in the environment: class.key.instance, the first and last where there are any */
	char *value; /* of the chosen configuration; "" if it has none */
	bool user;   /* userConfigurable: the user is meant to give it a value */
	bool secret; /* a password: its value is shown nowhere */
	bool shared; /* of the machine's collection: its siblings see the same */
};

/* A machine or collection of the same collection: the guest is told what its properties are, for their addresses. */
struct deployment_sibling {
	char *id;
	struct deployment_property *properties; /* its own */
	unsigned property_count;
};

struct deployment {
	char *id;                               /* of the machine in its package */
	char *license;                          /* all agreements; "" none */
	unsigned transports;                    /* enum deployment_transport */
	struct deployment_property *properties; /* what the machine sees */
	unsigned property_count;
	struct deployment_property *shared; /* the collection's, with those that the machine has one of its own for */
	unsigned shared_count;
	struct deployment_sibling *siblings;
	unsigned sibling_count, neighbour_count; /* neighbours: properties of all siblings */
};

struct deployment *deployment_new(void);    /* NULL: no memory */
void deployment_free(struct deployment *d); /* harmless on NULL */
/* 0, also when the limit is reached (*ret_full) or the key is there already, which wins; -ENOMEM. */
int deployment_add_property(struct deployment *d, const struct deployment_property *property, bool *ret_full);
/* The same for one of the collection, which the machine sees if it has none of that key. */
int deployment_add_shared(struct deployment *d, const struct deployment_property *property, bool *ret_full);
/* -ENOMEM. Then the same for its own properties. */
int deployment_add_sibling(struct deployment *d, const char *id);
int deployment_add_neighbour(struct deployment *d, const struct deployment_property *property, bool *ret_full);

/* Does the guest get its environment on a disc? */
bool deployment_wants_disc(const struct appliance *a);
/* Remarks on what the user should know of the properties: those that wait for a value, and what is not handed over. */
void deployment_review(struct appliance *a);
/*
 * The environment document (malloc'ed). macs: a text per network card of the appliance, "00:0c:29:12:34:56". -EFBIG:
 * beyond DEPLOYMENT_MAX_ENVIRONMENT; -ENOMEM.
 */
int deployment_environment(const struct appliance *a, const char (*macs)[18], char **ret_xml, size_t *ret_length,
                           struct error *e);

#endif
