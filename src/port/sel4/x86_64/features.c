// SPDX-License-Identifier: MIT
#include <stdint.h>

#include <sel4/sel4.h>

/*
 * What the kernel lets threads use of the processor; an instruction for the
 * rest is an undefined one.  Read by copy.S and enter.S.
 *
 * Upper halves of vector registers: if it saves them.  Protection keys: it does
 * not know them.
 */
#ifdef CONFIG_XSAVE_FEATURE_SET
#define VECTOR_SIZE (CONFIG_XSAVE_FEATURE_SET & 4 ? 32 : 16)
#else
#define VECTOR_SIZE 16
#endif

extern const uint8_t prec_vector_size __attribute__((visibility("hidden")));
extern const uint8_t prec_has_keys __attribute__((visibility("hidden")));
const uint8_t prec_vector_size = VECTOR_SIZE;
const uint8_t prec_has_keys = 0;

/* As of a processor whose string instructions are fast: machine.c of Linux. */
extern const uint64_t prec_copy_string_min
	__attribute__((visibility("hidden")));
extern const uint64_t prec_fill_string_min
	__attribute__((visibility("hidden")));
const uint64_t prec_copy_string_min = 3072;
const uint64_t prec_fill_string_min = 16384;
