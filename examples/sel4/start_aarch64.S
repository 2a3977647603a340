/* SPDX-License-Identifier: MIT */
/* The first instruction of a root task.  x0: its boot information. */
	.text
	.globl	_start
_start:
	adrp	x1, stack_top
	add	x1, x1, :lo12:stack_top
	mov	sp, x1
	mov	x29, xzr
	bl	root_start
1:	b	1b

	.bss
	.balign	4096
	.skip	65536
stack_top:
	.section .note.GNU-stack,"",@progbits
