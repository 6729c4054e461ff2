/* SPDX-License-Identifier: MIT */
/*
 * Drives in memory: the block_* functions of core/storage/block.h as a device sees them, without engine or threads.
 * A test includes fake_block.c, whose functions then take the place of block.c's from the library.
 *
 * Requests wait until fake_block_settle(), so a test can look at a device in mid-command. Sectors beyond the stored
 * bytes read as their own number in every 8 bytes, and writes to them are lost: a disk of terabytes costs nothing.
 */
#ifndef VITRINE_FAKE_BLOCK_H
#define VITRINE_FAKE_BLOCK_H

#include "core/storage/block.h"

#define FAKE_BLOCK_STORED (2u << 20)

struct block *fake_block_new(const char *name, uint64_t capacity); /* 0: no medium */
void fake_block_free(struct block *b);
uint8_t *fake_block_data(struct block *b);
void fake_block_set_read_only(struct block *b, bool read_only);
void fake_block_fail(struct block *b, enum block_op op, int result); /* all of that kind, until result 0 */
unsigned fake_block_count(const struct block *b, enum block_op op);  /* that were submitted */
const struct block_request *fake_block_pending(const struct block *b);
bool fake_block_ejecting(const struct block *b);
void fake_block_insert(struct block *b, uint64_t capacity); /* 0: takes the medium out; tells the drive */
void fake_block_press_eject(struct block *b);
bool fake_block_complete(struct block *b, unsigned n); /* the nth request that waits; false: there is none */
void fake_block_settle(void);                          /* completes all requests and ejects, until there are none */

#endif
