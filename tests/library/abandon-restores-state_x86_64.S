/* SPDX-License-Identifier: MIT */
/*
 * What abandon-restores-state.c cannot say in C.  A file of its own: the
 * compiler does not see what is called within an asm statement, and drops it
 * when it optimises the program as a whole.
 */
	.text

/* void spoil(volatile void *lost, uint64_t flags) */
	.globl	spoil
	.type	spoil, @function
spoil:
	.cfi_startproc
	endbr64
	movq	%rsi, %r11
	movq	$0x1111, %rbx
	movq	$0x2222, %rbp
	movq	$0x3333, %r12
	movq	$0x4444, %r13
	movq	$0x5555, %r14
	movq	$0x6666, %r15
	fldpi
	fld1
	fldz
	subq	$4096, %rsp
	pushfq
	orq	%r11, (%rsp)
	popfq
	movb	(%rdi), %al
	ud2
	.cfi_endproc
	.size	spoil, . - spoil

/* uint64_t run_watched(struct prec_transaction *t, prec_transaction_fn *fn,
 *                      void *argument, int *status) */
	.globl	run_watched
	.type	run_watched, @function
run_watched:
	.cfi_startproc
	endbr64
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rcx
	.cfi_adjust_cfa_offset 56
	movq	$0xb1, %rbx
	movq	$0xb2, %rbp
	movq	$0xb3, %r12
	movq	$0xb4, %r13
	movq	$0xb5, %r14
	movq	$0xb6, %r15
	call	prec_transaction_run
	popq	%rcx
	movl	%eax, (%rcx)
	xorq	$0xb1, %rbx
	xorq	$0xb2, %rbp
	xorq	$0xb3, %r12
	xorq	$0xb4, %r13
	xorq	$0xb5, %r14
	xorq	$0xb6, %r15
	movq	%rbx, %rax
	orq	%rbp, %rax
	orq	%r12, %rax
	orq	%r13, %rax
	orq	%r14, %rax
	orq	%r15, %rax
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	.cfi_adjust_cfa_offset -56
	ret
	.cfi_endproc
	.size	run_watched, . - run_watched

	.section .note.GNU-stack,"",@progbits
