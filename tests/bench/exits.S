/* SPDX-License-Identifier: MIT */
/*
 * A boot sector that does nothing but leave the guest: BURSTS times BURST port writes, then port reads, MMIO writes and
 * MMIO reads where nobody answers, first on one CPU, then on two at once. On the debug console (port 0x402) it says "@exits",
 * then a line for each burst: the kind, a to d on one CPU and e to h on two, and the ticks of the time stamp counter that it
 * took; at last "exits@". Bursts are short, so that many of them are not disturbed by other work of the host. A bare loop of
 * KVM_RUN may jump to 0:7c00 as a BIOS does.
 */
#define BURSTS 160
#define CONSOLE 0x402
#define PORT 0x2220		/* above ISA's, below PCI's */
#define MEMORY 0xd0000000	/* above the RAM of a small machine, below what SeaBIOS gives to PCI */
#define APIC 0xfee00000
#define SIPI_PAGE 0x7000

	.code16
	.globl	start
start:	cli				/* both CPUs come here */
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	gdt_pointer
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$8, $flat

	.code32
flat:	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$1, %eax
	lock xaddl %eax, cpus
	testl	%eax, %eax
	jnz	second

	movl	$0x7c00, %esp
	movl	$begin_mark, %esi
	call	say
	call	measure

	/* INIT, start-up IPI: the second CPU begins at the page's begin, from where it jumps to start. */
	movb	$0xea, SIPI_PAGE
	movl	$start, SIPI_PAGE + 1
	movl	$0x1ff, APIC + 0xf0
	movl	$0xc4500, APIC + 0x300	/* to all but this one */
	movl	$0xc4600 + SIPI_PAGE / 0x1000, APIC + 0x300
1:	pause
	cmpl	$2, cpus
	jb	1b
	call	measure
	movl	$end_mark, %esi
	call	say
rest:	hlt
	jmp	rest

second:	movl	$0x6c00, %esp
	movl	$kinds, %ebx
1:	movl	$BURSTS, %edi
2:	incl	%ebp			/* 0 after a reset */
3:	pause
	cmpl	round, %ebp
	ja	3b
	call	*(%ebx)
	incl	finished
	decl	%edi
	jnz	2b
	addl	$4, %ebx
	cmpl	$kinds_end, %ebx
	jb	1b
	jmp	rest

	/* All kinds, alone or with the second CPU, which sees by round when to go. */
measure:
	movl	$kinds, %ebx
1:	movl	$BURSTS, %edi
2:	rdtsc
	pushl	%eax
	cmpl	$2, cpus
	jb	3f
	incl	round
3:	call	*(%ebx)
4:	pause
	movl	round, %eax
	cmpl	finished, %eax
	ja	4b
	rdtsc
	popl	%edx
	subl	%edx, %eax
	call	report
	decl	%edi
	jnz	2b
	incb	letter
	addl	$4, %ebx
	cmpl	$kinds_end, %ebx
	jb	1b
	ret

	/* Of eax: hexadecimal. */
report:	movl	$letter, %esi
	call	say
	movl	$8, %ecx
1:	roll	$4, %eax
	pushl	%eax
	andb	$15, %al
	addb	$'0', %al
	cmpb	$'9', %al
	jbe	2f
	addb	$'a' - '9' - 1, %al
2:	outb	%al, %dx		/* CONSOLE, by say */
	popl	%eax
	loop	1b
	movl	$line_end, %esi
say:	pushl	%eax			/* the text at esi */
	movl	$CONSOLE, %edx
1:	lodsb
	outb	%al, %dx
	testb	%al, %al
	jnz	1b
	popl	%eax
	ret

	/* Each: BURST times. */
port_write:
	movl	$PORT, %edx
	movl	$BURST, %ecx
1:	outb	%al, %dx
	decl	%ecx
	jnz	1b
	ret
port_read:
	movl	$PORT, %edx
	movl	$BURST, %ecx
1:	inl	%dx, %eax
	decl	%ecx
	jnz	1b
	ret
memory_write:
	movl	$BURST, %ecx
1:	movl	%eax, MEMORY
	decl	%ecx
	jnz	1b
	ret
memory_read:
	movl	$BURST, %ecx
1:	movl	MEMORY, %eax
	decl	%ecx
	jnz	1b
	ret

	.balign	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* 08: 32-bit code, flat */
	.quad	0x00cf93000000ffff	/* 10: data, flat */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt
kinds:	.long	port_write, port_read, memory_write, memory_read
kinds_end:
cpus:	.long	0
round:	.long	0
finished:
	.long	0
begin_mark:
	.asciz	"@exits\n"
end_mark:
	.asciz	"exits@\n"
letter:	.asciz	"a "
line_end:
	.asciz	"\n"
	.org	510
	.word	0xaa55
