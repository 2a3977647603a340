/* SPDX-License-Identifier: MIT */
/*
 * Entering a transaction is a plain call, with a record of what the caller
 * expects to be preserved.  To abandon it, the fault handler sets the saved
 * context to prec_land and returns, so the kernel restores the signal mask and
 * the floating-point state, and no signal frame is jumped over.
 *
 * The frame, 64-bit words:
 *   0 stack pointer, at our return address     1 rbx   2 rbp
 *   3 r12   4 r13   5 r14   6 r15
 *   7 mxcsr (low half), x87 control word (high half)
 *   8 shadow stack pointer, 0 if there is none
 *   9 rights of protection keys (PKRU), where the system has them
 *
 *  30 the pointer to the program's second stack (FRAME_UNSAFE_SP)
 *  31 the stack pointer of abandoned code (FRAME_LEFT_AT of machine.h)
 *
 * If the function is left by an exception, or because its thread ends, the
 * unwinder calls prec_unwind for this frame.
 *
 * Nothing is read back when the function returns, because it preserves these
 * itself.  Both ways out end in a jump, as does the call of prec_enter, so that
 * a transaction is two calls deep and not four.
 */

	.set	FRAME, 72	/* in struct prec_transaction */

	.text

/* enum prec_status prec_enter(struct prec_transaction *transaction,
 *                             prec_transaction_fn *fn, void *argument) */
	.globl	prec_enter
	.hidden	prec_enter
	.type	prec_enter, @function
	.p2align 4
prec_enter:
	.cfi_startproc
	.cfi_personality 0x1b, prec_unwind	/* relative, 32 bits */
	endbr64
	movq	%rsp, FRAME(%rdi)
	movq	%rbx, FRAME+8(%rdi)
	movq	%rbp, FRAME+16(%rdi)
	movq	%r12, FRAME+24(%rdi)
	movq	%r13, FRAME+32(%rdi)
	movq	%r14, FRAME+40(%rdi)
	movq	%r15, FRAME+48(%rdi)
	stmxcsr	FRAME+56(%rdi)
	fnstcw	FRAME+60(%rdi)
	xorl	%eax, %eax
	rdsspq	%rax		/* does nothing without a shadow stack */
	movq	%rax, FRAME+64(%rdi)
	cmpb	$0, prec_has_keys(%rip)
	jne	.Lkeep_keys
.Lkept_keys:
	movq	%rsi, %rax
	movq	%rdx, %rsi
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	call	*%rax
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	xorl	%esi, %esi
	jmp	prec_transaction_end
.Lkeep_keys:
	movq	%rdx, %r8	/* rdpkru clears %edx */
	xorl	%ecx, %ecx
	rdpkru
	movl	%eax, FRAME+72(%rdi)
	movq	%r8, %rdx
	jmp	.Lkept_keys
	.cfi_endproc
	.size	prec_enter, . - prec_enter

/*
 * Where an abandoned transaction lands: %rdi is the transaction, %rsp that of
 * the frame.  The kernel has restored the floating-point state of the fault,
 * but the calling convention wants the control words that were there at entry.
 * So it is with the rights of protection keys: the handler ran with those that
 * the kernel gives it, and the abandoned code may have changed its own.
 */
	.globl	prec_land
	.hidden	prec_land
	.type	prec_land, @function
	.p2align 4
prec_land:
	.cfi_startproc
	endbr64
	cmpb	$0, prec_has_keys(%rip)
	je	1f
	movl	FRAME+72(%rdi), %eax
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	wrpkru
1:	movq	FRAME+8(%rdi), %rbx
	movq	FRAME+16(%rdi), %rbp
	movq	FRAME+24(%rdi), %r12
	movq	FRAME+32(%rdi), %r13
	movq	FRAME+40(%rdi), %r14
	movq	FRAME+48(%rdi), %r15
	fninit			/* the x87 stack is empty at a return */
	fldcw	FRAME+60(%rdi)
	ldmxcsr	FRAME+56(%rdi)
	cmpb	$32, prec_vector_size(%rip)
	jb	1f
	vzeroupper
1:	movq	FRAME+64(%rdi), %rdx
	testq	%rdx, %rdx
	jz	3f
	/* Pop what the abandoned calls pushed, at most 255 at a time. */
	rdsspq	%rax
	subq	%rax, %rdx
	shrq	$3, %rdx
2:	movl	$255, %eax
	cmpq	%rax, %rdx
	cmovbq	%rdx, %rax
	incsspq	%rax
	subq	%rax, %rdx
	jnz	2b
3:	jmp	prec_transaction_left
	.cfi_endproc
	.size	prec_land, . - prec_land

	.section .note.GNU-stack,"",@progbits
	.section .note.gnu.property,"a"
	.balign	8
	.long	4, 16, 5
	.asciz	"GNU"
	.long	0xc0000002, 4, 3, 0	/* IBT and shadow stack */
