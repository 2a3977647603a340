/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_ACCESS_X86_64_H
#define PRECARIUM_ACCESS_X86_64_H

#include <stdint.h>

#include <precarium/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Private to accessors inlined into other modules: the table of instructions
 * that may fault, and where each goes on.  Called by the constructor that
 * access.h puts into each module.
 */
struct prec_fixup {
	int32_t at; /* relative to this field */
	int32_t to; /* relative to this field */
};
PREC_EXPORT void prec_fixup_register(const struct prec_fixup *first,
				     const struct prec_fixup *end);
PREC_EXPORT void prec_fixup_unregister(const struct prec_fixup *first);

/*
 * One instruction per access.  Its address and the place to go on at stand in
 * the section prec_fixup of the module; the fault handler looks there.  The
 * caller answers for the range, the right and the alignment: these are for
 * code that has proved them, and for the checked calls of access.h.
 *
 * x86 loads acquire and stores release; the memory clobber keeps the compiler
 * from moving other accesses across.
 */
#define PREC_FIXUP(instruction, gone)          \
	"1:\t" instruction "\n\t"              \
	".pushsection prec_fixup,\"a?\"\n\t"    \
	".balign 4\n\t"                        \
	".long 1b - .\n\t"                     \
	".long %l[" #gone "] - .\n\t"          \
	".popsection\n\t"

#define PREC_DEFINE_RAW(bits, suffix, constraint)                             \
	PREC_MUST_CHECK static inline enum prec_status prec_raw_load##bits(   \
		uint64_t host, uint##bits##_t *out)                           \
	{                                                                     \
		uint##bits##_t value;                                         \
                                                                              \
		__asm__ volatile goto(PREC_FIXUP("mov" suffix " (%1), %0", gone)       \
			     : "=" constraint(value)                          \
			     : "r"(host)                                      \
			     : "memory"                                       \
			     : gone);                                         \
		*out = value;                                                 \
		return PREC_OK;                                               \
	gone:                                                                 \
		return PREC_GONE;                                             \
	}                                                                     \
	PREC_MUST_CHECK static inline enum prec_status prec_raw_store##bits(  \
		uint64_t host, uint##bits##_t value)                          \
	{                                                                     \
		__asm__ volatile goto(PREC_FIXUP("mov" suffix " %1, (%0)", gone)       \
			     :                                                \
			     : "r"(host), constraint(value)                   \
			     : "memory"                                       \
			     : gone);                                         \
		return PREC_OK;                                               \
	gone:                                                                 \
		return PREC_GONE;                                             \
	}

PREC_DEFINE_RAW(8, "b", "q")
PREC_DEFINE_RAW(16, "w", "r")
PREC_DEFINE_RAW(32, "l", "r")
PREC_DEFINE_RAW(64, "q", "r")

#define PREC_DEFINE_RAW_CAS(bits, suffix)                                     \
	PREC_MUST_CHECK static inline enum prec_status prec_raw_cas##bits(    \
		uint64_t host, uint##bits##_t *expected,                      \
		uint##bits##_t desired)                                       \
	{                                                                     \
		uint##bits##_t found = *expected;                             \
                                                                              \
		__asm__ volatile goto(PREC_FIXUP("lock cmpxchg" suffix " %2, (%1)",    \
					gone)                                 \
			     : "+a"(found)                                    \
			     : "r"(host), "r"(desired)                        \
			     : "memory", "cc"                                 \
			     : gone);                                         \
		*expected = found;                                            \
		return PREC_OK;                                               \
	gone:                                                                 \
		return PREC_GONE;                                             \
	}

PREC_DEFINE_RAW_CAS(32, "l")
PREC_DEFINE_RAW_CAS(64, "q")

/* Orders our earlier stores before our later loads of client memory, as
 * "publish the used index, then read the notification hint" needs. */
static inline void prec_raw_fence(void)
{
	__asm__ volatile("lock addl $0, (%%rsp)" ::: "memory", "cc");
}

/*
 * Each module that inlines accessors tells the library of its table when it is
 * loaded, and takes it back when it is unloaded.  The symbols are weak and
 * hidden: one table and one entry a module, however many files include this.
 */
extern const struct prec_fixup __start_prec_fixup[]
	__attribute__((weak, visibility("hidden")));
extern const struct prec_fixup __stop_prec_fixup[]
	__attribute__((weak, visibility("hidden")));

__attribute__((constructor)) static void prec_fixup_module_enter(void)
{
	prec_fixup_register(__start_prec_fixup, __stop_prec_fixup);
}

__attribute__((destructor)) static void prec_fixup_module_leave(void)
{
	prec_fixup_unregister(__start_prec_fixup);
}

#ifdef __cplusplus
}
#endif
#endif
