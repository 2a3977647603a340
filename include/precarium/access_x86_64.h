/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_ACCESS_X86_64_H
#define PRECARIUM_ACCESS_X86_64_H

#include <stdint.h>

#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One instruction per access.  Its address, and where to continue after a
 * fault, are in the section prec_fixup of the module, for the fault handler.
 * The caller is responsible for the range, the right and the alignment: these
 * are for code that has proved them, and for the checked calls of access.h.
 *
 * x86 loads acquire and stores release; the memory clobber keeps the compiler
 * from moving other accesses across.
 *
 * R: a linker that drops unused sections must keep the table, which only the
 * names __start_ and __stop_ below refer to; lld does not keep it for these.
 * ?: the entry goes when the linker drops this copy of an inline function.
 *
 * The status is an operand: GONE on the way in, cleared by the instruction
 * after the one that may fault.  An asm goto with outputs would save that, but
 * gcc 11 to 13 lose its outputs or all of it (their bug 113921).
 */
#define PREC_FIXUP(instruction)                \
	"1:\t" instruction "\n\t"              \
	"xorl %[status], %[status]\n"          \
	"2:\t.pushsection prec_fixup,\"aR?\"\n\t" \
	".balign 4\n\t"                        \
	".long 1b - .\n\t"                     \
	".long 2b - .\n\t"                     \
	".popsection\n\t"

#define PREC_DEFINE_RAW(bits, suffix, constraint)                             \
	PREC_MUST_CHECK PREC_INLINE enum prec_status prec_raw_load##bits(     \
		uint64_t host, uint##bits##_t *out)                           \
	{                                                                     \
		uint32_t status = PREC_GONE;                                  \
		uint##bits##_t value = 0;                                     \
                                                                              \
		__asm__ volatile(PREC_FIXUP("mov" suffix " (%[at]), %[value]") \
				 : [value] "=" constraint(value),             \
				   [status] "+r"(status)                      \
				 : [at] "r"(host)                             \
				 : "memory", "cc");                           \
		if (status != PREC_OK)                                        \
			return PREC_GONE;                                     \
		*out = value;                                                 \
		return PREC_OK;                                               \
	}                                                                     \
	PREC_MUST_CHECK PREC_INLINE enum prec_status prec_raw_store##bits(    \
		uint64_t host, uint##bits##_t value)                          \
	{                                                                     \
		uint32_t status = PREC_GONE;                                  \
                                                                              \
		__asm__ volatile(PREC_FIXUP("mov" suffix " %[value], (%[at])") \
				 : [status] "+r"(status)                      \
				 : [at] "r"(host), [value] constraint(value)  \
				 : "memory", "cc");                           \
		return (enum prec_status)status;                              \
	}

PREC_DEFINE_RAW(8, "b", "q")
PREC_DEFINE_RAW(16, "w", "r")
PREC_DEFINE_RAW(32, "l", "r")
PREC_DEFINE_RAW(64, "q", "r")

#define PREC_DEFINE_RAW_CAS(bits, suffix)                                     \
	PREC_MUST_CHECK PREC_INLINE enum prec_status prec_raw_cas##bits(      \
		uint64_t host, uint##bits##_t *expected,                      \
		uint##bits##_t desired)                                       \
	{                                                                     \
		uint##bits##_t found = *expected;                             \
		uint32_t status = PREC_GONE;                                  \
                                                                              \
		__asm__ volatile(PREC_FIXUP("lock cmpxchg" suffix             \
					    " %[desired], (%[at])")           \
				 : [found] "+a"(found),                       \
				   [status] "+r"(status)                      \
				 : [at] "r"(host), [desired] "r"(desired)     \
				 : "memory", "cc");                           \
		if (status == PREC_OK)                                        \
			*expected = found;                                    \
		return (enum prec_status)status;                              \
	}

PREC_DEFINE_RAW_CAS(32, "l")
PREC_DEFINE_RAW_CAS(64, "q")

/* One instruction, which does not depend on how often others write to the byte
 * meanwhile. */
PREC_MUST_CHECK PREC_INLINE enum prec_status prec_raw_or8(uint64_t host,
							    uint8_t bits)
{
	uint32_t status = PREC_GONE;

	__asm__ volatile(PREC_FIXUP("lock orb %[bits], (%[at])")
			 : [status] "+r"(status)
			 : [at] "r"(host), [bits] "q"(bits)
			 : "memory", "cc");
	return (enum prec_status)status;
}

/* Orders our earlier stores before our later loads of client memory, as is
 * needed to publish the used index and then read the notification hint. */
PREC_INLINE void prec_raw_fence(void)
{
	__asm__ volatile("lock addl $0, (%%rsp)" ::: "memory", "cc");
}

/* Orders our earlier loads before our later loads and stores, as is needed to
 * see from an epoch whether they were of lost memory.  x86 keeps them in
 * order; the compiler must, too. */
PREC_INLINE void prec_raw_load_fence(void)
{
	__asm__ volatile("" ::: "memory");
}

/* A hint for a loop that waits for another thread or a client: leaves more of
 * the core to its other thread, and more of the bus to others. */
PREC_INLINE void prec_raw_pause(void)
{
	__builtin_ia32_pause();
}

#ifdef __cplusplus
}
#endif
#endif
