/* SPDX-License-Identifier: MIT */
/*
 * Entering a transaction is a plain call, with a record of what the caller
 * expects to be preserved; abandoned code lands in prec_land: see enter.h.
 *
 * The frame, 64-bit words:
 *   0 stack pointer   1 to 10 x19 to x28   11 x29   12 x30
 *   13 to 20 d8 to d15   21 fpcr
 *  30, 31 of the port
 */

	.set	FRAME, 72	/* in struct prec_transaction */

	.text

/* enum prec_status prec_enter(struct prec_transaction *transaction,
 *                             prec_transaction_fn *fn, void *argument) */
	.globl	prec_enter
	.hidden	prec_enter
	.type	prec_enter, %function
	.p2align 4
prec_enter:
	.cfi_startproc
	hint	#34			/* bti c */
	mov	x3, sp
	str	x3, [x0, #FRAME]
	add	x3, x0, #FRAME+8
	stp	x19, x20, [x3]
	stp	x21, x22, [x3, #16]
	stp	x23, x24, [x3, #32]
	stp	x25, x26, [x3, #48]
	stp	x27, x28, [x3, #64]
	stp	x29, x30, [x3, #80]
	stp	d8, d9, [x3, #96]
	stp	d10, d11, [x3, #112]
	stp	d12, d13, [x3, #128]
	stp	d14, d15, [x3, #144]
	mrs	x4, fpcr
	str	x4, [x3, #160]
	stp	x0, x30, [sp, #-16]!
	.cfi_adjust_cfa_offset 16
	.cfi_rel_offset x30, 8
	mov	x3, x1
	mov	x1, x2
	blr	x3
	ldp	x0, x30, [sp], #16
	.cfi_adjust_cfa_offset -16
	.cfi_restore x30
	mov	w1, #0
	b	prec_transaction_end
	.cfi_endproc
	.size	prec_enter, . - prec_enter

/* Where an abandoned transaction lands: x0 is the transaction, sp that of the
 * frame. */
	.globl	prec_land
	.hidden	prec_land
	.type	prec_land, %function
	.p2align 4
prec_land:
	.cfi_startproc
	hint	#38			/* bti jc */
	add	x3, x0, #FRAME+8
	ldp	x19, x20, [x3]
	ldp	x21, x22, [x3, #16]
	ldp	x23, x24, [x3, #32]
	ldp	x25, x26, [x3, #48]
	ldp	x27, x28, [x3, #64]
	ldp	x29, x30, [x3, #80]
	ldp	d8, d9, [x3, #96]
	ldp	d10, d11, [x3, #112]
	ldp	d12, d13, [x3, #128]
	ldp	d14, d15, [x3, #144]
	ldr	x4, [x3, #160]
	msr	fpcr, x4
	b	prec_transaction_left
	.cfi_endproc
	.size	prec_land, . - prec_land

	.section .note.GNU-stack,"",%progbits
