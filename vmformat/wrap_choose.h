/* SPDX-License-Identifier: MIT */
/* Private to wrap: which member of an archive is the appliance. */
#ifndef VITRINE_WRAP_CHOOSE_H
#define VITRINE_WRAP_CHOOSE_H

#include <stdbool.h>

#include "vmformat/error.h"

/* The only .vmx, .ovf or .ova, else the only disk, else the only file. -EINVAL with words that name the candidates.
 * archive: its name, for words. */
int wrap_choose(const char *const *names, unsigned count, const char *archive, unsigned *ret_chosen, struct error *e);

/* Does this member name further files (beside it)? */
bool wrap_names_others(const char *name);

#endif
