/* SPDX-License-Identifier: MIT */
/*
 * Copies that may stop at any byte.
 *
 * The C library's memcpy cannot be used: the place of a fault says nothing
 * about what it has delivered.  Here the rules are:
 *   - every load of a block comes before its first store,
 *   - stores go upwards,
 *   - %rax counts the bytes of the blocks that are complete.
 * When a load faults, exactly the bytes before %rax are done.  When a store
 * faults, the earlier stores of its block are done as well and must be counted:
 * each store continues at a place that adds them.  (It would be wrong to copy
 * these bytes again and to leave them uncounted if they are out of reach then:
 * a client that took the memory back between two stores still sees the first.)
 * Then a byte-wise loop finishes the block up to the edge.  No store is made
 * beyond the first byte that is out of reach.
 *
 * A long copy aligns its stores, because one that crosses a cache line costs
 * twice: it goes back by less than a vector after its first block.  %r10 has the
 * end of that block, below which all is done whatever %rax says.
 *
 * `rep movsb` keeps its count in %rcx exact.  From which size it, and `rep
 * stosb`, is the quickest, depends on the processor (machine.c).
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

/* A block of four vectors of \width bytes at offset \at: all loads, then the
 * stores.  A store that faults continues at the label that counts those before
 * it, in a block on the way (stored) or in the last, which overlaps (tail). */
	.macro	copy_block move:req, register:req, width:req, at:req, count:req
	may_fault .Lbytes, \move (%rsi,\at), %\register\()0
	may_fault .Lbytes, \move \width(%rsi,\at), %\register\()1
	may_fault .Lbytes, \move 2*\width(%rsi,\at), %\register\()2
	may_fault .Lbytes, \move 3*\width(%rsi,\at), %\register\()3
	may_fault .Lbytes, \move %\register\()0, (%rdi,\at)
	may_fault .L\count\()_1x\width, \move %\register\()1, \width(%rdi,\at)
	may_fault .L\count\()_2x\width, \move %\register\()2, 2*\width(%rdi,\at)
	may_fault .L\count\()_3x\width, \move %\register\()3, 3*\width(%rdi,\at)
	.endm

/* One or two vectors' worth: the first and the last, overlapping. */
	.macro	copy_pair move:req, register:req, width:req
	may_fault .Lbytes, \move (%rsi), %\register\()0
	may_fault .Lbytes, \move -\width(%rsi,%rdx), %\register\()1
	may_fault .Lbytes, \move %\register\()0, (%rdi)
	may_fault .Lstored_1x\width, \move %\register\()1, -\width(%rdi,%rdx)
	.endm

/* Two to four vectors' worth: the first two and the last two, overlapping. */
	.macro	copy_ends move:req, register:req, width:req
	may_fault .Lbytes, \move (%rsi), %\register\()0
	may_fault .Lbytes, \move \width(%rsi), %\register\()1
	may_fault .Lbytes, \move -2*\width(%rsi,%rdx), %\register\()2
	may_fault .Lbytes, \move -\width(%rsi,%rdx), %\register\()3
	may_fault .Lbytes, \move %\register\()0, (%rdi)
	may_fault .Lstored_1x\width, \move %\register\()1, \width(%rdi)
	may_fault .Lstored_2x\width, \move %\register\()2, -2*\width(%rdi,%rdx)
	may_fault .Lends_3x\width, \move %\register\()3, -\width(%rdi,%rdx)
	.endm

/* More than four vectors' worth, at .L\name. */
	.macro	copy_long name:req, move:req, register:req, width:req
.L\name:
	leaq	-4*\width(%rdx), %r8
	copy_block \move, \register, \width, %rax, stored
	movl	$4*\width, %eax
	cmpq	$8*\width, %rdx
	jbe	.L\name\()_last
	movl	%eax, %r10d
	movl	%edi, %ecx
	andl	$\width-1, %ecx
	subq	%rcx, %rax
	.p2align 4
.L\name\()_block:
	copy_block \move, \register, \width, %rax, stored
	addq	$4*\width, %rax
	cmpq	%r8, %rax
	jbe	.L\name\()_block
	cmpq	%rdx, %rax
	je	.L\name\()_out
.L\name\()_last:
	copy_block \move, \register, \width, %r8, tail
	movq	%rdx, %rax
.L\name\()_out:
	vzeroupper
	ret
	.endm

	.text

/*
 * uint64_t prec_port_copy_in(unsigned char *to, uint64_t host, uint64_t size)
 * uint64_t prec_port_copy_out(uint64_t host, const unsigned char *from,
 *                             uint64_t size)
 * uint64_t prec_port_copy_across(uint64_t to, uint64_t from, uint64_t size)
 *
 * %rdi to, %rsi from, %rdx size; %rax bytes done.
 */
	.globl	prec_port_copy_in, prec_port_copy_out, prec_port_copy_across
	.hidden	prec_port_copy_in, prec_port_copy_out, prec_port_copy_across
	.type	prec_port_copy_in, @function
	.type	prec_port_copy_out, @function
	.type	prec_port_copy_across, @function
	.p2align 6
prec_port_copy_in:
prec_port_copy_out:
prec_port_copy_across:
	.cfi_startproc
	endbr64
	xorl	%eax, %eax
	xorl	%r10d, %r10d
	cmpq	$16, %rdx
	jb	.Lunder16
	cmpq	$32, %rdx
	jbe	.Lto32
	cmpq	$64, %rdx
	jbe	.Lto64
	cmpq	prec_copy_string_min(%rip), %rdx
	jae	.Lstring
	cmpb	$32, prec_vector_size(%rip)
	jb	.Lblocks
#ifdef PREC_VECTORS_512
	ja	.Lwidest
#endif
	cmpq	$128, %rdx
	ja	.Lwide

	/* 65 to 128 */
	copy_ends vmovdqu, ymm, 32
	movq	%rdx, %rax
	vzeroupper
	ret

.Lto64:
	copy_ends movdqu, xmm, 16
	movq	%rdx, %rax
	ret

.Lto32:
	copy_pair movdqu, xmm, 16
	movq	%rdx, %rax
	ret

	copy_long wide, vmovdqu, ymm, 32

#ifdef PREC_VECTORS_512
.Lwidest:
	cmpq	$128, %rdx
	ja	.Lwidest_to256

	/* 65 to 128 */
	copy_pair vmovdqu64, zmm, 64
	movq	%rdx, %rax
	vzeroupper
	ret

.Lwidest_to256:
	cmpq	$256, %rdx
	ja	.Lwidest_long
	copy_ends vmovdqu64, zmm, 64
	movq	%rdx, %rax
	vzeroupper
	ret

	copy_long widest_long, vmovdqu64, zmm, 64
#endif

.Lblocks:
	leaq	-64(%rdx), %r8
	.p2align 4
.Lblock:
	copy_block movdqu, xmm, 16, %rax, stored
	addq	$64, %rax
	cmpq	%r8, %rax
	jbe	.Lblock
	cmpq	%rdx, %rax
	je	.Lout
	copy_block movdqu, xmm, 16, %r8, tail
	movq	%rdx, %rax
.Lout:
	ret

.Lstring:
	movq	%rdx, %rcx
	may_fault .Lstring_cut, rep movsb
	movq	%rdx, %rax
	ret
.Lstring_cut:
	movq	%rdx, %rax
	subq	%rcx, %rax
	ret

.Lunder16:
	cmpq	$8, %rdx
	jb	.Lunder8
	may_fault .Lbytes, movq (%rsi), %r8
	may_fault .Lbytes, movq -8(%rsi,%rdx), %r9
	may_fault .Lbytes, movq %r8, (%rdi)
	may_fault .Lstored8, movq %r9, -8(%rdi,%rdx)
	movq	%rdx, %rax
	ret
.Lunder8:
	cmpq	$4, %rdx
	jb	.Lbyte
	may_fault .Lbytes, movl (%rsi), %r8d
	may_fault .Lbytes, movl -4(%rsi,%rdx), %r9d
	may_fault .Lbytes, movl %r8d, (%rdi)
	may_fault .Lstored4, movl %r9d, -4(%rdi,%rdx)
	movq	%rdx, %rax
	ret

	/* A store faulted after so many bytes of its block. */
#ifdef PREC_VECTORS_512
.Lstored_3x64:
	addq	$64, %rax
.Lstored_2x64:
	addq	$32, %rax
#endif
.Lstored_3x32:
	addq	$32, %rax
.Lstored_1x64:
.Lstored_2x32:
	addq	$16, %rax
.Lstored_3x16:
	addq	$16, %rax
.Lstored_1x32:
.Lstored_2x16:
	addq	$16, %rax
.Lstored_1x16:
	addq	$8, %rax
.Lstored8:
	addq	$4, %rax
.Lstored4:
	addq	$4, %rax
	jmp	.Lbytes

	/* A store of the last block faulted.  The block overlaps what is done:
	 * the copy came that far, or further. */
.Lends_3x16:
	leaq	-16(%rdx), %r8
	movl	$32, %eax
	jmp	.Ltail
.Lends_3x32:
	leaq	-32(%rdx), %r8
	movl	$64, %eax
	jmp	.Ltail
#ifdef PREC_VECTORS_512
.Lends_3x64:
	leaq	-64(%rdx), %r8
	movl	$128, %eax
	jmp	.Ltail
.Ltail_3x64:
	addq	$64, %r8
.Ltail_2x64:
	addq	$32, %r8
#endif
.Ltail_3x32:
	addq	$32, %r8
.Ltail_1x64:
.Ltail_2x32:
	addq	$16, %r8
.Ltail_3x16:
	addq	$16, %r8
.Ltail_1x32:
.Ltail_2x16:
	addq	$16, %r8
.Ltail_1x16:
	addq	$16, %r8
.Ltail:
	cmpq	%r8, %rax
	cmovbq	%r8, %rax

	/*
	 * Byte by byte from %rax, up to the edge.  A vector block gets here by a
	 * fault only, and then the upper halves must be cleared first.
	 */
.Lbytes:
	cmpq	%r10, %rax
	cmovbq	%r10, %rax
	cmpb	$32, prec_vector_size(%rip)
	jb	.Lbyte
	vzeroupper
.Lbyte:
	cmpq	%rdx, %rax
	jae	.Lout
	may_fault .Lout, movzbl (%rsi,%rax), %ecx
	may_fault .Lout, movb %cl, (%rdi,%rax)
	incq	%rax
	jmp	.Lbyte
	.cfi_endproc
	.size	prec_port_copy_in, . - prec_port_copy_in
	.size	prec_port_copy_out, . - prec_port_copy_out
	.size	prec_port_copy_across, . - prec_port_copy_across

/* Four vectors of \width bytes at \at.  A store that faults continues at the
 * label that counts those before it. */
	.macro	fill_block move:req, register:req, width:req, at:req, count:req
	may_fault .Lfill_bytes, \move %\register, (%rdi,\at)
	may_fault .L\count\()_1x\width, \move %\register, \width(%rdi,\at)
	may_fault .L\count\()_2x\width, \move %\register, 2*\width(%rdi,\at)
	may_fault .L\count\()_3x\width, \move %\register, 3*\width(%rdi,\at)
	.endm

/* Two to four vectors' worth: the first two and the last two, overlapping. */
	.macro	fill_ends move:req, register:req, width:req
	may_fault .Lfill_bytes, \move %\register, (%rdi)
	may_fault .Lfilled_1x\width, \move %\register, \width(%rdi)
	may_fault .Lfilled_2x\width, \move %\register, -2*\width(%rdi,%rdx)
	may_fault .Lfill_ends_3x\width, \move %\register, -\width(%rdi,%rdx)
	.endm

/* Two words' worth at most: the first and the last, overlapping. */
	.macro	fill_pair move:req, register:req, width:req
	may_fault .Lfill_bytes, \move %\register, (%rdi)
	may_fault .Lfilled_1x\width, \move %\register, -\width(%rdi,%rdx)
	.endm

/*
 * uint64_t prec_port_fill(uint64_t host, uint8_t value, uint64_t size)
 * %rdi to, %sil value, %rdx size; %rax bytes done, %r10 as above.
 */
	.globl	prec_port_fill
	.hidden	prec_port_fill
	.type	prec_port_fill, @function
	.p2align 6
prec_port_fill:
	.cfi_startproc
	endbr64
	movzbl	%sil, %esi
	movabsq	$0x0101010101010101, %rcx
	imulq	%rcx, %rsi
	xorl	%eax, %eax
	xorl	%r10d, %r10d
	cmpq	$16, %rdx
	jb	.Lfill_under16
	cmpq	prec_fill_string_min(%rip), %rdx
	jae	.Lfill_string
	movq	%rsi, %xmm0
	punpcklqdq %xmm0, %xmm0
	cmpq	$32, %rdx
	jbe	.Lfill_to32
	cmpq	$64, %rdx
	jbe	.Lfill_to64
	cmpb	$32, prec_vector_size(%rip)
	jb	.Lfill_blocks
	vinsertf128 $1, %xmm0, %ymm0, %ymm0
	cmpq	$128, %rdx
	ja	.Lfill_wide

	/* 65 to 128 */
	fill_ends vmovdqu, ymm0, 32
	movq	%rdx, %rax
	vzeroupper
	ret

.Lfill_to64:
	fill_ends movdqu, xmm0, 16
	movq	%rdx, %rax
	ret

.Lfill_to32:
	fill_pair movdqu, xmm0, 16
	movq	%rdx, %rax
	ret

.Lfill_wide:
	leaq	-128(%rdx), %r8
	may_fault .Lfill_bytes, vmovdqu %ymm0, (%rdi)
	movl	$32, %eax
	movl	%eax, %r10d
	movl	%edi, %ecx
	andl	$31, %ecx
	subq	%rcx, %rax
	cmpq	%r8, %rax
	ja	.Lfill_last
	.p2align 4
.Lfill_wide_block:
	fill_block vmovdqu, ymm0, 32, %rax, filled
	subq	$-128, %rax
	cmpq	%r8, %rax
	jbe	.Lfill_wide_block
.Lfill_last:
	fill_block vmovdqu, ymm0, 32, %r8, fill_tail
	movq	%rdx, %rax
	vzeroupper
	ret

.Lfill_blocks:
	leaq	-64(%rdx), %r8
	.p2align 4
.Lfill_block:
	fill_block movdqu, xmm0, 16, %rax, filled
	addq	$64, %rax
	cmpq	%r8, %rax
	jbe	.Lfill_block
	fill_block movdqu, xmm0, 16, %r8, fill_tail
	movq	%rdx, %rax
	ret

.Lfill_under16:
	cmpq	$8, %rdx
	jb	.Lfill_under8
	fill_pair movq, rsi, 8
	movq	%rdx, %rax
	ret
.Lfill_under8:
	cmpq	$4, %rdx
	jb	.Lfill_byte
	fill_pair movl, esi, 4
	movq	%rdx, %rax
	ret

.Lfill_string:
	movq	%rdx, %rcx
	movl	%esi, %eax
	may_fault .Lfill_cut, rep stosb
	movq	%rdx, %rax
	ret
.Lfill_cut:
	movq	%rdx, %rax
	subq	%rcx, %rax
	ret

	/* A store faulted after so many bytes of its block. */
.Lfilled_3x32:
	addq	$32, %rax
.Lfilled_2x32:
	addq	$16, %rax
.Lfilled_3x16:
	addq	$16, %rax
.Lfilled_1x32:
.Lfilled_2x16:
	addq	$16, %rax
.Lfilled_1x16:
	addq	$8, %rax
.Lfilled_1x8:
	addq	$4, %rax
.Lfilled_1x4:
	addq	$4, %rax
	jmp	.Lfill_bytes

	/* One of the last block, which overlaps what is done. */
.Lfill_ends_3x16:
	leaq	-16(%rdx), %r8
	movl	$32, %eax
	jmp	.Lfill_tail
.Lfill_ends_3x32:
	leaq	-32(%rdx), %r8
	movl	$64, %eax
	jmp	.Lfill_tail
.Lfill_tail_3x32:
	addq	$32, %r8
.Lfill_tail_2x32:
	addq	$16, %r8
.Lfill_tail_3x16:
	addq	$16, %r8
.Lfill_tail_1x32:
.Lfill_tail_2x16:
	addq	$16, %r8
.Lfill_tail_1x16:
	addq	$16, %r8
.Lfill_tail:
	cmpq	%r8, %rax
	cmovbq	%r8, %rax

	/* Byte by byte, as above. */
.Lfill_bytes:
	cmpq	%r10, %rax
	cmovbq	%r10, %rax
	cmpb	$32, prec_vector_size(%rip)
	jb	.Lfill_byte
	vzeroupper
.Lfill_byte:
	cmpq	%rdx, %rax
	jae	.Lfill_out
	may_fault .Lfill_out, movb %sil, (%rdi,%rax)
	incq	%rax
	jmp	.Lfill_byte
.Lfill_out:
	ret
	.cfi_endproc
	.size	prec_port_fill, . - prec_port_fill

	.section .note.GNU-stack,"",@progbits
	.section .note.gnu.property,"a"
	.balign	8
	.long	4, 16, 5
	.asciz	"GNU"
	.long	0xc0000002, 4, 3, 0	/* IBT and shadow stack */
