/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_LINUX_UNSAFE_STACK_H
#define PRECARIUM_PORT_LINUX_UNSAFE_STACK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A program that is compiled with -fsanitize=safe-stack keeps its arrays on a
 * second stack, whose pointer is thread-local.  Abandoned code does not put it
 * back, so we do.  The names are those of the compiler's run-time; a program
 * without it has neither, and the pointer must not be touched then.
 */
extern void *__get_unsafe_stack_ptr(void) __attribute__((weak));
extern __thread void *__safestack_unsafe_stack_ptr
	__attribute__((weak, tls_model("initial-exec")));

static inline bool prec_unsafe_stack_there(void)
{
	return __get_unsafe_stack_ptr != 0;
}

static inline uint64_t prec_unsafe_stack_pointer(void)
{
	return (uint64_t)(uintptr_t)__safestack_unsafe_stack_ptr;
}

static inline void prec_unsafe_stack_put_back(uint64_t pointer)
{
	__safestack_unsafe_stack_ptr = (void *)(uintptr_t)pointer;
}

#endif
