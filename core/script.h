/* SPDX-License-Identifier: MIT */
/*
 * The script of `vitrine-core --headless --script`: a line per act, in order. The language is described in
 * vitrine-core(1), its words are the table in script.c. Read whole and checked before the machine starts.
 */
#ifndef VITRINE_SCRIPT_H
#define VITRINE_SCRIPT_H

struct headless;
struct script;

/* path "-": standard input. NULL: a complaint was printed. */
struct script *script_read(const char *path);
void script_free(struct script *s); /* harmless on NULL */
/* Goes on, as far as it can now. 1: call again after a tick; 0: the end; negative: an expectation failed (was
 * printed). */
int script_step(struct script *s, struct headless *h);

#endif
