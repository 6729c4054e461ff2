/* SPDX-License-Identifier: MIT */
/*
 * Faults of a packaged firmware that no device can make good: SeaBIOS comes from the distribution, which mends it slowly or never, and
 * an appliance must boot with the one that is installed. Each fix is tied to the exact instructions of the fault, so that another or a
 * mended firmware is left alone.
 */
#ifndef VITRINE_BIOS_FIX_H
#define VITRINE_BIOS_FIX_H

#include <stddef.h>
#include <stdint.h>

/* Mends image in place; returns how many places were mended. The firmware has no checksum over itself. */
unsigned bios_fix(uint8_t *image, size_t size);

#endif
