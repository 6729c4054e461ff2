/* SPDX-License-Identifier: MIT */
/*
 * Numbers in foreign bytes: loads and stores of a stated byte order at any alignment, and checked arithmetic.
 * Disk bytes are never cast to a struct: le64_load(raw + 12).
 */
#ifndef VITRINE_BYTES_H
#define VITRINE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

static inline uint16_t le16_load(const void *p)
{
	const uint8_t *b = p;
	return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t le32_load(const void *p)
{
	const uint8_t *b = p;
	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t le64_load(const void *p)
{
	return le32_load(p) | (uint64_t)le32_load((const uint8_t *)p + 4) << 32;
}

static inline uint16_t be16_load(const void *p)
{
	const uint8_t *b = p;
	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t be32_load(const void *p)
{
	const uint8_t *b = p;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline uint64_t be64_load(const void *p)
{
	return (uint64_t)be32_load(p) << 32 | be32_load((const uint8_t *)p + 4);
}

static inline void le16_store(void *p, uint16_t v)
{
	uint8_t *b = p;
	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
}

static inline void le32_store(void *p, uint32_t v)
{
	le16_store(p, (uint16_t)v);
	le16_store((uint8_t *)p + 2, (uint16_t)(v >> 16));
}

static inline void le64_store(void *p, uint64_t v)
{
	le32_store(p, (uint32_t)v);
	le32_store((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

static inline void be16_store(void *p, uint16_t v)
{
	uint8_t *b = p;
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static inline void be32_store(void *p, uint32_t v)
{
	be16_store(p, (uint16_t)(v >> 16));
	be16_store((uint8_t *)p + 2, (uint16_t)v);
}

static inline void be64_store(void *p, uint64_t v)
{
	be32_store(p, (uint32_t)(v >> 32));
	be32_store((uint8_t *)p + 4, (uint32_t)v);
}

/* True when [offset, offset + length) lies within [0, size), without overflow. */
static inline bool range_within(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

/* Have [a, a + a_length) and [b, b + b_length) a byte in common? Neither may wrap around. */
static inline bool ranges_overlap(uint64_t a, uint64_t a_length, uint64_t b, uint64_t b_length)
{
	return a < b + b_length && b < a + a_length && a_length && b_length;
}

/* Are these all zeros? None are. */
static inline bool bytes_are_zero(const void *bytes, size_t length)
{
	const uint8_t *b = bytes;

	return !length || (!b[0] && memcmp(b, b + 1, length - 1) == 0);
}

static inline bool is_power_of_two(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* The usual names of the compiler's checked arithmetic: true when the result did NOT fit. */
#define add_overflows(a, b, ret) __builtin_add_overflow(a, b, ret)
#define mul_overflows(a, b, ret) __builtin_mul_overflow(a, b, ret)

#endif
