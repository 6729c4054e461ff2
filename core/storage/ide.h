/* SPDX-License-Identifier: MIT */
/*
 * piix4-ide: 82371AB function 1, two channels in compatibility mode with up to two ATA or ATAPI devices each.
 * device_config: irqs 14 and 15; blocks[channel * 2 + unit]; extra: struct ide_config.
 */
#ifndef VITRINE_IDE_H
#define VITRINE_IDE_H

#include "core/device.h"

#define IDE_DEVICES 4

struct ide_config {
	bool cdrom[IDE_DEVICES]; /* which blocks are CD drives; such a block may be empty */
};

extern const struct device_class ide_class;

#endif
