/* SPDX-License-Identifier: MIT */
/* The selftest's guest, as core/selftest/ builds it, within the program: it asks for no file. */
__asm__(".section .rodata, \"a\"\n"
        ".balign 16\n"
        ".globl selftest_rom\n"
        "selftest_rom: .incbin \"" SELFTEST_ROM "\"\n"
        ".globl selftest_rom_end\n"
        "selftest_rom_end:\n"
        ".text\n");
