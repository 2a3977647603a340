/* SPDX-License-Identifier: MIT */
/*
 * Puts an aarch64 processor into the state in which the kernel expects it, and
 * enters the kernel: at EL2 if that is a hypervisor, as boot.py starts the
 * machine, else at EL1.  boot.py places this at the beginning of a page, and in
 * the next page what is read here; it also makes the page tables: the identity
 * for this code, and the kernel's image where it wants to run.
 */
	.text
	.globl	_start
_start:
	msr	daifset, #15
	adr	x20, _start
	add	x20, x20, #4096
	ldp	x10, x11, [x20]		/* translation tables: lower, upper */
	ldr	x12, =0xff440c0400	/* nGnRnE nGnRE GRE NC normal */
	mov	x14, #0x1005		/* MMU and caches on */
	mrs	x13, CurrentEL
	cmp	x13, #8
	b.eq	1f
	msr	mair_el1, x12
	ldr	x12, =0x12b5103510	/* 48 bits each, pages of 4 KiB */
	msr	tcr_el1, x12
	msr	ttbr0_el1, x10
	msr	ttbr1_el1, x11
	mov	x12, #(3 << 20)		/* vector registers may be used */
	msr	cpacr_el1, x12
	tlbi	vmalle1
	ic	iallu
	dsb	sy
	isb
	mrs	x12, sctlr_el1
	orr	x12, x12, x14
	msr	sctlr_el1, x12
	b	2f
1:	msr	mair_el2, x12
	ldr	x12, =0x80823510	/* 48 bits, pages of 4 KiB */
	msr	tcr_el2, x12
	msr	ttbr0_el2, x10
	tlbi	alle2
	ic	iallu
	dsb	sy
	isb
	mrs	x12, sctlr_el2
	orr	x12, x12, x14
	msr	sctlr_el2, x12
2:	isb
	ldp	x9, x0, [x20, #16]	/* the kernel's entry; of the task: */
	ldp	x1, x2, [x20, #32]	/* first byte, end, physical minus */
	ldr	x3, [x20, #48]		/* virtual address, entry */
	mov	x4, #0			/* no device tree */
	mov	x5, #0
	br	x9
	.ltorg
	.section .note.GNU-stack,"",@progbits
