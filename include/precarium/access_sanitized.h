/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_ACCESS_SANITIZED_H
#define PRECARIUM_ACCESS_SANITIZED_H

#include <stddef.h>
#include <stdint.h>

#include <precarium/access.h>

/*
 * Private.  In a program that is compiled with AddressSanitizer or
 * MemorySanitizer, which do not see what the copies of a library do to the
 * program's memory, each copy tells them: the buffer of the program is checked
 * before it, and what was copied in is known to be initialised after it.  Bytes
 * that are copied out must be initialised: a client may read them.  It does not
 * matter how the library was compiled.
 */
#ifdef __has_feature
#define PREC_HAS_FEATURE(name) __has_feature(name)
#else
#define PREC_HAS_FEATURE(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || PREC_HAS_FEATURE(address_sanitizer)
#define PREC_UNDER_ASAN 1
#else
#define PREC_UNDER_ASAN 0
#endif
#define PREC_UNDER_MSAN PREC_HAS_FEATURE(memory_sanitizer)

#if PREC_UNDER_ASAN || PREC_UNDER_MSAN

#ifdef __cplusplus
extern "C" {
#endif

#if PREC_UNDER_ASAN
void *__asan_region_is_poisoned(void *at, size_t size);
void __asan_report_error(void *pc, void *bp, void *sp, void *at, int is_write,
			 size_t size);
#endif
#if PREC_UNDER_MSAN
void __msan_unpoison(const volatile void *at, size_t size);
void __msan_check_mem_is_initialized(const volatile void *at, size_t size);
#endif

/* Before a copy: has the program the bytes that it reads or writes? */
static inline void prec_sanitizer_reach(const void *at, uint64_t size,
					int is_write)
{
#if PREC_UNDER_ASAN
	void *bad = __asan_region_is_poisoned((void *)(uintptr_t)at, size);

	if (bad)
		__asan_report_error(__builtin_return_address(0),
				    __builtin_frame_address(0),
				    __builtin_frame_address(0), bad, is_write,
				    1);
#else
	if (!is_write)
		__msan_check_mem_is_initialized(at, size);
#endif
}

/* After a copy to the program. */
static inline struct prec_result prec_sanitizer_came(const void *to,
						     struct prec_result result)
{
#if PREC_UNDER_MSAN
	__msan_unpoison(&result, sizeof(result));
	__msan_unpoison(to, result.done);
#else
	(void)to;
#endif
	return result;
}

PREC_MUST_CHECK static inline struct prec_result
prec_sanitized_copy_in(void *to, struct prec_span span, uint64_t offset,
		       uint64_t size)
{
	prec_sanitizer_reach(to, size, 1);
	return prec_sanitizer_came(to, prec_copy_in(to, span, offset, size));
}

PREC_MUST_CHECK static inline struct prec_result
prec_sanitized_copy_out(struct prec_span span, uint64_t offset,
			const void *from, uint64_t size)
{
	prec_sanitizer_reach(from, size, 0);
	return prec_copy_out(span, offset, from, size);
}

PREC_MUST_CHECK static inline struct prec_result
prec_sanitized_gather(void *to, uint64_t size, const struct prec_span *spans,
		      uint32_t count)
{
	prec_sanitizer_reach(to, size, 1);
	return prec_sanitizer_came(to, prec_gather(to, size, spans, count));
}

PREC_MUST_CHECK static inline struct prec_result
prec_sanitized_scatter(const struct prec_span *spans, uint32_t count,
		       const void *from, uint64_t size)
{
	prec_sanitizer_reach(from, size, 0);
	return prec_scatter(spans, count, from, size);
}

#ifdef __cplusplus
}
#endif

#define prec_copy_in  prec_sanitized_copy_in
#define prec_copy_out prec_sanitized_copy_out
#define prec_gather   prec_sanitized_gather
#define prec_scatter  prec_sanitized_scatter

#endif
#endif
