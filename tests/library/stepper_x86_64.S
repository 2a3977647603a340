/* SPDX-License-Identifier: MIT */
/*
 * void stepper_window(void (*fn)(void *), void *argument,
 *                     struct stepper_state *state)
 *
 * Calls fn between two places that the parent knows, with a known value in
 * each register and control word that a call must keep, and records what they
 * are afterwards.  The offsets are those of struct stepper_state.
 */
	.text
	.globl	stepper_window, stepper_begin, stepper_end
	.type	stepper_window, @function
stepper_window:
	.cfi_startproc
	endbr64
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdx
	.cfi_adjust_cfa_offset 56
	stmxcsr	0(%rdx)
	fnstcw	4(%rdx)
	ldmxcsr	8(%rdx)
	fldcw	12(%rdx)
	movq	%rsp, 16(%rdx)
	movq	$0x5b, %rbx
	movq	$0x5c, %rbp
	movq	$0x5d, %r12
	movq	$0x5e, %r13
	movq	$0x5f, %r14
	movq	$0x60, %r15
	movq	%rdi, %rax
	movq	%rsi, %rdi
	int3
stepper_begin:
	call	*%rax
stepper_end:
	movq	%rsp, %rax
	movq	(%rsp), %rdx
	movq	%rax, 24(%rdx)
	movq	%rbx, 32(%rdx)
	movq	%rbp, 40(%rdx)
	movq	%r12, 48(%rdx)
	movq	%r13, 56(%rdx)
	movq	%r14, 64(%rdx)
	movq	%r15, 72(%rdx)
	stmxcsr	80(%rdx)
	pushfq
	popq	88(%rdx)
	fnstenv	96(%rdx)
	cld
	fninit
	fldcw	4(%rdx)
	ldmxcsr	0(%rdx)
	popq	%rdx
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	.cfi_adjust_cfa_offset -56
	ret
	.cfi_endproc
	.size	stepper_window, . - stepper_window

/* void stepper_wait(void): between two runs, for the parent. */
	.globl	stepper_wait, stepper_ready
	.type	stepper_wait, @function
stepper_wait:
	.cfi_startproc
	endbr64
	int3
stepper_ready:
	ret
	.cfi_endproc
	.size	stepper_wait, . - stepper_wait

	.section .note.GNU-stack,"",@progbits
