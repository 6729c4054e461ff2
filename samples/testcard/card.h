/* SPDX-License-Identifier: MIT */
/* The test card: what its files share. It runs alone in ring 3, polls everything, and knows no interrupts. */
#ifndef TESTCARD_CARD_H
#define TESTCARD_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_info {       /* boot.S, at 0x5000 */
	uint64_t memory; /* bytes of RAM that the BIOS's map calls usable */
};
#define BOOT_INFO ((const volatile struct boot_info *)0x5000)
#define FONT ((const uint8_t *)0x6000) /* 256 characters of 8x16 */

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;
	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* hardware.c */
uint32_t pci_read(unsigned device, unsigned function, unsigned reg);
/* The first function with this vendor and device id (device id << 16 | vendor), as device << 3 | function; -1: none. */
int pci_find(uint32_t id);
void serial_write(const char *text);
void cpu_name(char ret_name[49]);
void clock_init(void);            /* measures the TSC against the power management timer */
uint64_t clock_ms(void);          /* since clock_init() */
void clock_rtc(char ret_text[9]); /* "23:59:59" */
void power_off(void);
void speaker(unsigned hertz); /* 0: off */
bool ps2_read(uint8_t *ret_byte, bool *ret_is_mouse);
void ps2_enable_mouse(void);

/* disk.c: the first IDE channel's master is the disk, the second's the CD drive. */
bool disk_model(char ret_model[41], uint64_t *ret_bytes);
bool disk_read(uint32_t sector, void *buffer);
bool disk_write(uint32_t sector, const void *buffer);
bool cd_label(char ret_label[33]); /* false: no medium */

/* draw.c */
#define WIDTH 1280
#define HEIGHT 800
bool screen_init(void);
void fill(int x, int y, int width, int height, uint32_t colour);
void text(int x, int y, int scale, uint32_t colour, uint32_t behind, const char *string);

/* Formats into a buffer: %s %u (unsigned) %x (two hex digits) only. */
void format(char *to, size_t size, const char *how, ...);
void *memset(void *to, int value, size_t count);
void *memcpy(void *to, const void *from, size_t count);

#endif
