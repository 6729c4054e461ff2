/* SPDX-License-Identifier: MIT */
/*
 * The boot sector: loads the card behind it, asks the BIOS for what only the BIOS knows (memory map, font), and enters 64-bit code
 * in ring 3 with I/O privilege and without interrupts.
 *
 * Ring 3 because a KVM without hardware virtualization below it (a cloud machine's, say) runs that natively and emulates the rest.
 */
#define LOAD_SEGMENT 0x1000		/* the card at 0x10000 */
#define BOOT_INFO 0x5000		/* struct boot_info of card.h */
#define FONT 0x6000
#define PAGE_TABLES 0x70000		/* PML4, PDPT, four page directories */
#define STACK 0x70000
#define TSS 0x78000			/* with an I/O permission map of zeros: every port is allowed */
#define TSS_SIZE (104 + 8192 + 1)
#define CHUNK 64			/* sectors a read: within one 64 KiB segment */

	.section .boot, "ax", @progbits
	.code16
	.globl boot
boot:	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	ljmp	$0, $1f
1:	sti
	cld
	movb	%dl, drive

	/* ---- load, with the LBA read of INT 13h (EDD 1.1) ---- */
	movw	$card_sectors, %bp
2:	movw	$CHUNK, %ax
	cmpw	%ax, %bp
	jae	3f
	movw	%bp, %ax
3:	movw	%ax, packet_count
	movw	$packet, %si
	movb	$0x42, %ah
	movb	drive, %dl
	int	$0x13
	jc	failed
	movw	packet_count, %ax
	subw	%ax, %bp
	addw	%ax, packet_lba
	shlw	$5, %ax			/* sectors to paragraphs */
	addw	%ax, packet_segment
	testw	%bp, %bp
	jnz	2b

	/* ---- usable memory, from the BIOS's map (INT 15h, E820h) ---- */
	xorl	%ebx, %ebx
	movl	%ebx, BOOT_INFO
	movl	%ebx, BOOT_INFO + 4
4:	movl	$0xe820, %eax
	movl	$20, %ecx
	movl	$0x534d4150, %edx
	movw	$entry, %di
	int	$0x15
	jc	6f
	cmpl	$1, entry + 16
	jne	5f
	movl	entry + 8, %eax
	addl	%eax, BOOT_INFO
	movl	entry + 12, %eax
	adcl	%eax, BOOT_INFO + 4
5:	testl	%ebx, %ebx
	jnz	4b

	/* ---- the 8x16 font of the VGA BIOS ---- */
6:	movw	$0x1130, %ax
	movb	$6, %bh
	int	$0x10
	pushw	%ds
	pushw	%es
	popw	%ds
	movw	%bp, %si
	xorw	%ax, %ax
	movw	%ax, %es
	movw	$FONT, %di
	movw	$1024, %cx
	rep	movsl
	popw	%ds

	/* ---- page tables: 4 GiB onto itself in pages of 2 MiB, for ring 3 ---- */
	cli
	movb	$0xff, %al		/* nobody will answer the 8259s */
	outb	%al, $0x21
	outb	%al, $0xa1
	movw	$PAGE_TABLES >> 4, %ax
	movw	%ax, %es
	xorw	%di, %di
	xorl	%eax, %eax
	movw	$(TSS + TSS_SIZE + 3 - PAGE_TABLES) / 4, %cx
	rep	stosl
	movb	$104, %es:(TSS - PAGE_TABLES + 102)
	movb	$0xff, %es:(TSS - PAGE_TABLES + TSS_SIZE - 1)
	movl	$PAGE_TABLES + 0x1007, %es:0
	movl	$PAGE_TABLES + 0x2007, %eax
	movw	$0x1000, %di
	movw	$4, %cx
7:	movl	%eax, %es:(%di)
	addl	$0x1000, %eax
	addw	$8, %di
	loop	7b
	movl	$0x87, %eax		/* present, writable, user, large */
	movw	$0x2000, %di
	movw	$2048, %cx
8:	movl	%eax, %es:(%di)
	addl	$0x200000, %eax
	addw	$8, %di
	loop	8b

	/* ---- long mode ---- */
	lgdt	gdt_pointer
	movl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$PAGE_TABLES, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	orw	$0x100, %ax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000001, %eax
	movl	%eax, %cr0
	ljmpl	$8, $long_mode

failed:	movw	$message, %si
9:	lodsb
	testb	%al, %al
	jz	.
	movb	$0xe, %ah
	movw	$7, %bx
	int	$0x10
	jmp	9b

	.code64
long_mode:
	movl	$0x1b, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	$0x28, %eax		/* IOPL 3 would do; an emulated ring 3 looks at the map all the same */
	ltr	%ax
	pushq	$0x1b
	pushq	$STACK
	pushq	$0x3002			/* IOPL 3, interrupts off */
	pushq	$0x23
	pushq	$LOAD_SEGMENT * 16
	iretq

	.balign 8
gdt:	.quad	0
	.quad	0x00af9a000000ffff	/* 08: ring 0, 64-bit code */
	.quad	0x00cf92000000ffff	/* 10: ring 0, data */
	.quad	0x00cff2000000ffff	/* 18: ring 3, data */
	.quad	0x00affa000000ffff	/* 20: ring 3, 64-bit code */
	.quad	0x0000890000000000 | (TSS & 0xffffff) << 16 | (TSS_SIZE - 1) /* 28: the task's state */
	.quad	0
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

packet:	.byte	16, 0
packet_count:
	.word	0
	.word	0
packet_segment:
	.word	LOAD_SEGMENT
packet_lba:
	.quad	1

message:
	.asciz	"The test card cannot be read."
drive:	.byte	0
	.org	510
	.word	0xaa55
entry = 0x5100
	.section .note.GNU-stack, "", @progbits
