/* SPDX-License-Identifier: MIT */
/*
 * Copies that may stop at any byte.  Eight bytes at a time where the target is
 * aligned, so that a store that faults has stored nothing; else byte by byte.
 * A load may straddle the edge: then nothing of it is delivered, and the bytes
 * before the edge follow one by one.
 */

/* An instruction that may fault, and where it continues then. */
	.macro	may_fault label:req, instruction:vararg
9:	\instruction
	.pushsection prec_fixup,"aR"
	.balign	4
	.long	9b - .
	.long	\label - .
	.popsection
	.endm

	.text

/*
 * uint64_t prec_port_copy_in(unsigned char *to, uint64_t host, uint64_t size)
 * uint64_t prec_port_copy_out(uint64_t host, const unsigned char *from,
 *                             uint64_t size)
 * uint64_t prec_port_copy_across(uint64_t to, uint64_t from, uint64_t size)
 *
 * x0 to, x1 from, x2 size; x3 bytes done.
 */
	.globl	prec_port_copy_in, prec_port_copy_out, prec_port_copy_across
	.hidden	prec_port_copy_in, prec_port_copy_out, prec_port_copy_across
	.type	prec_port_copy_in, %function
	.type	prec_port_copy_out, %function
	.type	prec_port_copy_across, %function
	.p2align 4
prec_port_copy_in:
prec_port_copy_out:
prec_port_copy_across:
	.cfi_startproc
	hint	#34			/* bti c */
	mov	x3, #0
.Lnext:
	cmp	x3, x2
	b.hs	.Lout
	add	x4, x0, x3
	sub	x5, x2, x3
	tst	x4, #7
	b.ne	.Lbyte
	cmp	x5, #8
	b.lo	.Lbyte
	may_fault .Lbyte, ldr x6, [x1, x3]
	may_fault .Lout, str x6, [x0, x3]
	add	x3, x3, #8
	b	.Lnext
.Lbyte:
	may_fault .Lout, ldrb w6, [x1, x3]
	may_fault .Lout, strb w6, [x0, x3]
	add	x3, x3, #1
	b	.Lnext
.Lout:
	mov	x0, x3
	ret
	.cfi_endproc
	.size	prec_port_copy_in, . - prec_port_copy_in
	.size	prec_port_copy_out, . - prec_port_copy_out
	.size	prec_port_copy_across, . - prec_port_copy_across

/*
 * uint64_t prec_port_fill(uint64_t host, uint8_t value, uint64_t size)
 * x0 to, w1 value, x2 size; x3 bytes done.
 */
	.globl	prec_port_fill
	.hidden	prec_port_fill
	.type	prec_port_fill, %function
	.p2align 4
prec_port_fill:
	.cfi_startproc
	hint	#34
	mov	x3, #0
.Lfill_next:
	cmp	x3, x2
	b.hs	.Lfill_out
	may_fault .Lfill_out, strb w1, [x0, x3]
	add	x3, x3, #1
	b	.Lfill_next
.Lfill_out:
	mov	x0, x3
	ret
	.cfi_endproc
	.size	prec_port_fill, . - prec_port_fill

	.section .note.GNU-stack,"",%progbits
