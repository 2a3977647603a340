/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_ACCESS_X86_64_H
#define PRECARIUM_ACCESS_X86_64_H

#include <stdint.h>

#include <precarium/status.h>

/*
 * In place of the installed header, for one measurement: what the same driver
 * would do if it trusted its clients.  Each access is a plain one that cannot
 * fail, so the compiler drops what is done about failures.  A driver built with
 * this dies of the first client that takes its memory back.
 */
#define PREC_DEFINE_RAW(bits)                                                  \
	PREC_MUST_CHECK static inline enum prec_status prec_raw_load##bits(    \
		uint64_t host, uint##bits##_t *out)                            \
	{                                                                      \
		*out = __atomic_load_n((uint##bits##_t *)(uintptr_t)host,      \
				       __ATOMIC_ACQUIRE);                      \
		return PREC_OK;                                                \
	}                                                                      \
	PREC_MUST_CHECK static inline enum prec_status prec_raw_store##bits(   \
		uint64_t host, uint##bits##_t value)                           \
	{                                                                      \
		__atomic_store_n((uint##bits##_t *)(uintptr_t)host, value,     \
				 __ATOMIC_RELEASE);                            \
		return PREC_OK;                                                \
	}

PREC_DEFINE_RAW(8)
PREC_DEFINE_RAW(16)
PREC_DEFINE_RAW(32)
PREC_DEFINE_RAW(64)

#define PREC_DEFINE_RAW_CAS(bits)                                              \
	PREC_MUST_CHECK static inline enum prec_status prec_raw_cas##bits(     \
		uint64_t host, uint##bits##_t *expected,                       \
		uint##bits##_t desired)                                        \
	{                                                                      \
		__atomic_compare_exchange_n(                                   \
			(uint##bits##_t *)(uintptr_t)host, expected, desired,  \
			0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                \
		return PREC_OK;                                                \
	}

PREC_DEFINE_RAW_CAS(32)
PREC_DEFINE_RAW_CAS(64)

PREC_MUST_CHECK static inline enum prec_status prec_raw_or8(uint64_t host,
							    uint8_t bits)
{
	__atomic_fetch_or((uint8_t *)(uintptr_t)host, bits, __ATOMIC_SEQ_CST);
	return PREC_OK;
}

static inline void prec_raw_fence(void)
{
	__asm__ volatile("lock addl $0, (%%rsp)" ::: "memory", "cc");
}

static inline void prec_raw_load_fence(void)
{
	__asm__ volatile("" ::: "memory");
}

static inline void prec_raw_pause(void)
{
	__builtin_ia32_pause();
}

#endif
