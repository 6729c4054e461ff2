/* SPDX-License-Identifier: MIT */
/*
 * An OVA: the files of an OVF package in one tar (DSP0243 section 5.3), played by offset, never unpacked.
 */
#ifndef VITRINE_OVA_H
#define VITRINE_OVA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmformat/appliance.h"

/* Do these first bytes (n of them, 512 or more of a real tar) begin a tar: ustar, GNU or PAX? */
bool ova_probe(const uint8_t *head, size_t n);

/*
 * Fills a (from appliance_new(), with outer and inner set to the caller's files): indexes the members, gives the OVF to
 * ovf_open(), and sets a->inner to a resolver that looks among the members first and then asks a->outer. a->container,
 * a->container_free and a->manifest are its own. source is borrowed for the call: what is kept is a
 * file_window() of it. When this fails, the caller frees a, and with it what container_free frees.
 */
int ova_open(struct appliance *a, const struct file *source, const struct files *files, struct error *e);

#endif
