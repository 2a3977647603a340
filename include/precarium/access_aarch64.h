/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_ACCESS_AARCH64_H
#define PRECARIUM_ACCESS_AARCH64_H

#include <stdint.h>

#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * As access_x86_64.h has them: one instruction per access, whose address, and
 * where to continue after a fault, are in the section prec_fixup.  The caller
 * is responsible for the range, the right and the alignment.
 *
 * A load acquires and a store releases by the instruction itself.  The memory
 * clobber keeps the compiler from moving other accesses across.
 */
#define PREC_FIXUP_TO(at, to)                     \
	".pushsection prec_fixup,\"aR?\"\n\t"     \
	".balign 4\n\t"                           \
	".long " at " - .\n\t"                    \
	".long " to " - .\n\t"                    \
	".popsection\n"

#define PREC_FIXUP(instruction)                   \
	"1:\t" instruction "\n\t"                 \
	"mov %w[status], #0\n"                    \
	"2:\n\t" PREC_FIXUP_TO("1b", "2b")

#define PREC_DEFINE_RAW(bits, suffix, width)                                  \
	PREC_MUST_CHECK PREC_INLINE enum prec_status prec_raw_load##bits(     \
		uint64_t host, uint##bits##_t *out)                           \
	{                                                                     \
		uint32_t status = PREC_GONE;                                  \
		uint##bits##_t value = 0;                                     \
                                                                              \
		__asm__ volatile(                                             \
			PREC_FIXUP("ldar" suffix                              \
				   " %" width "[value], [%[at]]")             \
			: [value] "=&r"(value), [status] "+&r"(status)        \
			: [at] "r"(host)                                      \
			: "memory");                                          \
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
		__asm__ volatile(                                             \
			PREC_FIXUP("stlr" suffix                              \
				   " %" width "[value], [%[at]]")             \
			: [status] "+&r"(status)                              \
			: [at] "r"(host), [value] "r"(value)                  \
			: "memory");                                          \
		return (enum prec_status)status;                              \
	}

PREC_DEFINE_RAW(8, "b", "w")
PREC_DEFINE_RAW(16, "h", "w")
PREC_DEFINE_RAW(32, "", "w")
PREC_DEFINE_RAW(64, "", "x")

/* A loop of two instructions, each of which may fault: it ends when nobody else
 * has written there between them. */
#define PREC_DEFINE_RAW_CAS(bits, width)                                      \
	PREC_MUST_CHECK PREC_INLINE enum prec_status prec_raw_cas##bits(      \
		uint64_t host, uint##bits##_t *expected,                      \
		uint##bits##_t desired)                                       \
	{                                                                     \
		uint##bits##_t found = 0;                                     \
		uint32_t status = PREC_GONE, failed;                          \
                                                                              \
		__asm__ volatile(                                             \
			"1:\tldaxr %" width "[found], [%[at]]\n\t"            \
			"cmp %" width "[found], %" width "[expected]\n\t"     \
			"b.ne 3f\n"                                           \
			"2:\tstlxr %w[failed], "                              \
			"%" width "[desired], [%[at]]\n\t"                    \
			"cbnz %w[failed], 1b\n"                               \
			"3:\tmov %w[status], #0\n"                            \
			"4:\n\t" PREC_FIXUP_TO("1b", "4b")                    \
			PREC_FIXUP_TO("2b", "4b")                             \
			: [found] "=&r"(found), [failed] "=&r"(failed),       \
			  [status] "+&r"(status)                              \
			: [at] "r"(host), [expected] "r"(*expected),          \
			  [desired] "r"(desired)                              \
			: "memory", "cc");                                    \
		if (status == PREC_OK)                                        \
			*expected = found;                                    \
		return (enum prec_status)status;                              \
	}

PREC_DEFINE_RAW_CAS(32, "w")
PREC_DEFINE_RAW_CAS(64, "x")

PREC_MUST_CHECK PREC_INLINE enum prec_status prec_raw_or8(uint64_t host,
							    uint8_t bits)
{
	uint32_t status = PREC_GONE, found, failed;

	__asm__ volatile("1:\tldaxrb %w[found], [%[at]]\n\t"
			 "orr %w[found], %w[found], %w[bits]\n"
			 "2:\tstlxrb %w[failed], %w[found], [%[at]]\n\t"
			 "cbnz %w[failed], 1b\n\t"
			 "mov %w[status], #0\n"
			 "3:\n\t" PREC_FIXUP_TO("1b", "3b")
				 PREC_FIXUP_TO("2b", "3b")
			 : [found] "=&r"(found), [failed] "=&r"(failed),
			   [status] "+&r"(status)
			 : [at] "r"(host), [bits] "r"(bits)
			 : "memory");
	return (enum prec_status)status;
}

/* Orders our earlier stores before our later loads of client memory, as is
 * needed to publish the used index and then read the notification hint. */
PREC_INLINE void prec_raw_fence(void)
{
	__asm__ volatile("dmb ish" ::: "memory");
}

/* Orders our earlier loads before our later loads and stores, as is needed to
 * see from an epoch whether they were of lost memory. */
PREC_INLINE void prec_raw_load_fence(void)
{
	__asm__ volatile("dmb ishld" ::: "memory");
}

/* A hint for a loop that waits for another thread or a client. */
PREC_INLINE void prec_raw_pause(void)
{
	__asm__ volatile("yield" ::: "memory");
}

#ifdef __cplusplus
}
#endif
#endif
