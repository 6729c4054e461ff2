/* SPDX-License-Identifier: MIT */
/* What the board tells the VGA (device_config.extra). */
#ifndef VITRINE_VGA_H
#define VITRINE_VGA_H

#include <stddef.h>

#include "core/device.h"
#include "core/video/screen.h"

struct vga_config {
	struct screen *screen; /* borrowed, or NULL: nobody looks */
	uint8_t *memory;       /* video memory, page aligned, zeroed; outlives the device */
	size_t memory_size;    /* bytes, a power of two: 16 MiB holds 2560x1600x32 */
	const void *rom;       /* VGA BIOS, or NULL; copied into a ROM BAR */
	size_t rom_size;
};

/* Draws what changed into the screen; called by the machine on the I/O thread with the device's lock held, at most once for each
 * frame that the player wants. */
void vga_refresh(struct device *d);

extern const struct device_class vga_class;

#endif
