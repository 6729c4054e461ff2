/* SPDX-License-Identifier: MIT */
/*
 * An OVF descriptor (DMTF DSP0243, versions 0.9 to 2.x), as a file of its own or as the member of an OVA.
 */
#ifndef VITRINE_OVF_H
#define VITRINE_OVF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/appliance.h"

#define OVF_MAX_SIZE (8u << 20) /* bytes; the largest real one seen has 142 KB, translated licences make some larger */

/* Initialises libxml2, so that ovf_open() opens no file besides those it asks files for: call it once before the
 * sandbox shuts. vmx_warm_encodings() serves texts that are not in Unicode. */
void ovf_warm_parser(void);

/* Do these first bytes (n of them) begin an XML text whose root is an OVF Envelope? */
bool ovf_probe(const uint8_t *head, size_t n);

/*
 * Fills a (from appliance_new(), with outer and inner set) from the whole of source, and calls appliance_hash_text()
 * with its bytes. Names in it are resolved by files. Every drive's controller is in a->controllers, and every disk has
 * a backing of IMAGE, HOST or BLANK: appliance_to_vmx() relies on both. A manifest beside it goes to a->manifest,
 * owned by a->container. source is borrowed for the call. When this fails, the caller frees a.
 */
int ovf_open(struct appliance *a, const struct file *source, const struct files *files, struct error *e);

#endif
