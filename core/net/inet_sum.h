/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071) for cards that compute it for their guest. Sums are in network order of a 16-bit word and need
 * not be folded until inet_fold(); adding two sums whose data began at even offsets is plain addition.
 */
#ifndef VITRINE_INET_SUM_H
#define VITRINE_INET_SUM_H

#include <stddef.h>
#include <stdint.h>

#include "vmformat/bytes.h"

#define INET_TCP 6u
#define INET_UDP 17u

/* length at most 128 MiB, so that the sum of its words does not overflow. */
static inline uint64_t inet_sum(const uint8_t *data, size_t length)
{
	uint64_t sum = 0;
	size_t i = 0;

	/* Four bytes at a time; folding brings both halves together (2^16 is 1 in one's complement arithmetic). */
	for (; i + 4 <= length; i += 4)
		sum += be32_load(data + i);
	if (i + 2 <= length) {
		sum += be16_load(data + i);
		i += 2;
	}
	if (i < length)
		sum += (uint64_t)data[i] << 8;
	return sum;
}

static inline uint16_t inet_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

#endif
