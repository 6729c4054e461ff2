/* SPDX-License-Identifier: MIT */
/*
 * LSI Logic Fusion-MPT controllers: lsilogic (LSI53C1030, parallel SCSI, one bus) and lsisas1068 (SAS1068, 16 PHYs).
 * Targets are numbered as the .vmx does, 0 to 15 without 7, the parallel host's own address and nobody's on SAS.
 * device_config: blocks[target]; extra: struct mpt_config.
 */
#ifndef VITRINE_MPT_H
#define VITRINE_MPT_H

#include "core/device.h"

#define MPT_TARGETS 16u
#define MPT_HOST_ID 7u

struct mpt_config {
	uint16_t subsystem_vendor, subsystem;
	bool cdrom[MPT_TARGETS]; /* which blocks are CD drives; such a block may be empty */
};

extern const struct device_class mpt_spi_class, mpt_sas_class;

#endif
