/* SPDX-License-Identifier: MIT */
/* Where the guest keeps what in RAM; for C and assembly. */
#ifndef SELFTEST_LAYOUT_H
#define SELFTEST_LAYOUT_H

#define PAGE_TABLES 0x1000 /* PML4, PDPT, four page directories */
#define SURVIVOR 0x8000    /* a word that must be there after a reset */
#define STACK 0x20000      /* of the first CPU, downwards; variables are from 0x10000 */
#define AP_STACKS 0x20000  /* 4 KiB for each APIC id */
#define VECTORS 96

#endif
