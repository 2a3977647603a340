/* SPDX-License-Identifier: MIT */
/*
 * Entering a transaction is a plain call with a record of what the caller
 * expects to find again.  Abandoning is done by the fault handler: it points
 * the saved context at prec_land and returns, so the kernel restores mask and
 * state, and no signal frame is jumped over.
 *
 * The frame, 64-bit words:
 *   0 stack pointer, at our return address     1 rbx   2 rbp
 *   3 r12   4 r13   5 r14   6 r15
 *   7 mxcsr (low half), x87 control word (high half)
 *   8 shadow stack pointer, 0 if there is none
 */

	.text

/* int prec_enter(uint64_t *frame, prec_transaction_fn *fn,
 *                struct prec_transaction *transaction, void *argument)
 * 0: fn returned.  1: abandoned. */
	.globl	prec_enter
	.hidden	prec_enter
	.type	prec_enter, @function
	.p2align 4
prec_enter:
	.cfi_startproc
	endbr64
	movq	%rsp, (%rdi)
	movq	%rbx, 8(%rdi)
	movq	%rbp, 16(%rdi)
	movq	%r12, 24(%rdi)
	movq	%r13, 32(%rdi)
	movq	%r14, 40(%rdi)
	movq	%r15, 48(%rdi)
	stmxcsr	56(%rdi)
	fnstcw	60(%rdi)
	xorl	%eax, %eax
	rdsspq	%rax		/* does nothing without a shadow stack */
	movq	%rax, 64(%rdi)
	movq	%rsi, %rax
	movq	%rdx, %rdi
	movq	%rcx, %rsi
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	*%rax
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	xorl	%eax, %eax
	ret
	.cfi_endproc
	.size	prec_enter, . - prec_enter

/*
 * Where an abandoned transaction goes on: %rdi the frame, %rsp the frame's.
 * The kernel has restored floating point as it was at the fault, which the
 * calling convention does not allow to differ from what it was at entry.
 */
	.globl	prec_land
	.hidden	prec_land
	.type	prec_land, @function
	.p2align 4
prec_land:
	.cfi_startproc
	endbr64
	movq	8(%rdi), %rbx
	movq	16(%rdi), %rbp
	movq	24(%rdi), %r12
	movq	32(%rdi), %r13
	movq	40(%rdi), %r14
	movq	48(%rdi), %r15
	fninit			/* the x87 stack is empty at a return */
	fldcw	60(%rdi)
	ldmxcsr	56(%rdi)
	cmpb	$0, prec_has_avx(%rip)
	je	1f
	vzeroupper
1:	movq	64(%rdi), %rdx
	testq	%rdx, %rdx
	jz	3f
	/* Take off what the abandoned calls pushed, at most 255 at a time. */
	rdsspq	%rax
	subq	%rax, %rdx
	shrq	$3, %rdx
2:	movl	$255, %eax
	cmpq	%rax, %rdx
	cmovbq	%rdx, %rax
	incsspq	%rax
	subq	%rax, %rdx
	jnz	2b
3:	movl	$1, %eax
	ret
	.cfi_endproc
	.size	prec_land, . - prec_land

	.section .note.GNU-stack,"",@progbits
	.section .note.gnu.property,"a"
	.balign	8
	.long	4, 16, 5
	.asciz	"GNU"
	.long	0xc0000002, 4, 3, 0	/* IBT and shadow stack */
