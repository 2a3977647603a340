/* SPDX-License-Identifier: MIT */
/* The first instruction of a root task.  rdi: its boot information. */
	.text
	.globl	_start
_start:
	leaq	stack_top(%rip), %rsp
	xorl	%ebp, %ebp
	call	root_start
1:	jmp	1b

	.bss
	.balign	4096
	.skip	65536
stack_top:
	.section .note.GNU-stack,"",@progbits
