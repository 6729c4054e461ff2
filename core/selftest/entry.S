/* SPDX-License-Identifier: MIT */
/*
 * From the reset vector, or from a start-up IPI, into 64-bit code in ring 0; interrupts' way into C.
 *
 * 64-bit because a KVM without hardware virtualization below it (kvm_pvm) can neither INT nor IRET in 32-bit protected mode.
 */
#include "layout.h"

	.section .start, "ax", @progbits
	.code16
	.globl start
start:	cli				/* ROM offset 0: also where SIPI vector f0 leads */
	cld
	lgdtl	%cs:(gdt_pointer - start)
	xorl	%ebp, %ebp
	movl	$0x1b, %ecx		/* IA32_APIC_BASE.BSP */
	rdmsr
	testw	$0x100, %ax
	jz	enter			/* the others take the tables that are there */
	incl	%ebp

	/* 4 GiB onto itself in pages of 2 MiB */
	movw	$PAGE_TABLES >> 4, %ax
	movw	%ax, %es
	xorl	%eax, %eax
	xorw	%di, %di
	movw	$0x2000 / 4, %cx
	rep	stosl
	movl	$PAGE_TABLES + 0x1003, %es:0
	movl	$PAGE_TABLES + 0x2003, %eax
	movw	$0x1000, %di
	movw	$4, %cx
1:	movl	%eax, %es:(%di)
	addl	$0x1000, %eax
	addw	$8, %di
	loop	1b
	movl	$0x83, %eax		/* present, writable, large */
	xorl	%edx, %edx
	movw	$0x2000, %di
	movw	$2048, %cx
2:	movl	%eax, %es:(%di)
	movl	%edx, %es:4(%di)
	addl	$0x200000, %eax
	addw	$8, %di
	loop	2b

enter:	movl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$PAGE_TABLES, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	orw	$0x100, %ax
	wrmsr
	movl	$0x80000011, %eax	/* PG, ET, PE; CD and NW go */
	movl	%eax, %cr0
	ljmpl	$8, $long_mode

	.code64
long_mode:
	movl	$0x10, %eax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	testl	%ebp, %ebp
	jz	other_cpu
	movl	$STACK, %esp
	movl	$bss_begin, %edi
	movl	$bss_end, %ecx
	subl	%edi, %ecx
	shrl	$3, %ecx
	xorl	%eax, %eax
	rep	stosq
	call	main
	.globl	halt
halt:	cli
	hlt
	jmp	halt

other_cpu:
	movl	$0xfee00020, %eax	/* the local APIC's id */
	movl	(%rax), %edi
	shrl	$24, %edi
	movl	%edi, %esp
	incl	%esp
	shll	$12, %esp
	addl	$AP_STACKS, %esp
	call	other_main
	jmp	halt

	/* Where vector n leads: stubs + 16 n. */
	.balign	16
	.globl	stubs
stubs:	.set	vector, 0
	.rept	VECTORS
	.balign	16
	.if	!(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	pushq	$0			/* the CPU pushes no error code */
	.endif
	pushq	$vector
	jmp	common
	.set	vector, vector + 1
	.endr

common:	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	movq	%rsp, %rdi
	call	interrupt
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq

	.balign	8
gdt:	.quad	0			/* marked as accessed: the CPU cannot do that in a ROM */
	.quad	0x00af9b000000ffff	/* 08: ring 0, 64-bit code */
	.quad	0x00cf93000000ffff	/* 10: ring 0, data */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	.section .reset, "ax", @progbits
	.code16
	ljmp	$0xf000, $0
	.section .note.GNU-stack, "", @progbits
