/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SANITIZER_H
#define PRECARIUM_TESTS_SANITIZER_H

/* Which sanitizer a test was built with: gcc defines, clang is asked. */
#ifndef __has_feature
#define __has_feature(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#else
#define UNDER_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif

#define UNDER_SANITIZER (UNDER_ASAN || UNDER_TSAN)

/* Functions that may be abandoned: TSan keeps a stack of calls, and these do
 * not return.  Not inline: clang watches what it has moved into a caller that
 * is watched. */
#if defined(__clang__)
#define UNWATCHED __attribute__((noinline, disable_sanitizer_instrumentation))
#else
#define UNWATCHED __attribute__((noinline, no_sanitize("thread")))
#endif

#endif
