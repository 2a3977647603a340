// SPDX-License-Identifier: MIT
#include "port/linux/machine.h"

#include <cpuid.h>
#include <stddef.h>

#define EFLAGS_TF   0x100   /* single-stepping */
#define EFLAGS_DF   0x400   /* string instructions go downwards */
#define EFLAGS_AC   0x40000 /* misaligned accesses trap */
#define ERROR_WRITE 2	    /* of the page fault's error code */

/* Read by enter.S and copy.S, which have no cheaper way to ask. */
extern uint8_t prec_vector_size __attribute__((visibility("hidden")));
extern uint8_t prec_has_keys __attribute__((visibility("hidden")));
extern uint64_t prec_copy_string_min __attribute__((visibility("hidden")));
extern uint64_t prec_fill_string_min __attribute__((visibility("hidden")));
uint8_t prec_vector_size = 16, prec_has_keys;

/*
 * Bytes from which one string instruction is used instead of vectors, for
 * processors that say that theirs are fast (ERMS); others move a byte at a
 * time.
 *
 * AMD's say so, too.  But `rep movsb` takes 14 to 30 times as long on Zen 4
 * where the destination, within its page, is up to a line behind the source:
 * a client chooses its addresses, and could choose those.  Vectors take 0.8 to
 * 1.03 of the time of `rep movsb` at every other size and distance there.  So
 * only Intel's copy by it: vectors of 256 bits take as long at 3 KiB, of 512
 * bits at 8.
 *
 * `rep stosb` has no such distance, and is as fast from 16 KiB on.
 */
uint64_t prec_copy_string_min = UINT64_MAX;
uint64_t prec_fill_string_min = UINT64_MAX;
#define COPY_STRING_MIN	    3072u
#define COPY_STRING_MIN_512 8192u
#define FILL_STRING_MIN	    16384u

_Static_assert(offsetof(struct prec_transaction, frame) == 72,
	       "FRAME of enter.S");

/* From the start of a context to the end of what is read of it.  The kernel's
 * context ends there; that of the C library is longer. */
#define CONTEXT_READ (offsetof(ucontext_t, uc_sigmask) + sizeof(uint64_t))
_Static_assert(CONTEXT_READ == 304, "as the kernel lays it out");
_Static_assert(offsetof(ucontext_t, uc_flags) == 0, "find_frame's flags");

/* Of leaf 7, ecx: the system has turned on protection keys. */
#define CPUID_OSPKE (1u << 4)

/* Of leaf 7, ebx: string instructions are fast. */
#define CPUID_ERMS (1u << 9)

/* Of leaf 7.1, eax: the first of Intel's that do not slow down for vectors of
 * 512 bits have these instructions. */
#define CPUID_AVX_VNNI (1u << 4)

static bool is_of_intel(void)
{
	uint32_t a, b, c, d;

	return __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx &&
	       c == signature_INTEL_ecx && d == signature_INTEL_edx;
}

/* Those of 512 bits copy 300 bytes to 2 KiB in two thirds of the time on
 * Intel's processors.  On Zen 4 they were slower, by up to a half at 300 to
 * 512 bytes. */
static uint8_t vector_size(void)
{
	uint32_t a, b, c, d;

	if (!__builtin_cpu_supports("avx"))
		return 16;
	if (__builtin_cpu_supports("avx512f") && is_of_intel() &&
	    __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & CPUID_AVX_VNNI)
		return 64;
	return 32;
}

void prec_machine_setup(void)
{
	uint32_t a, b, c, d;

	prec_vector_size = vector_size();
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return;
	prec_has_keys = (c & CPUID_OSPKE) != 0;
	if (!(b & CPUID_ERMS))
		return;
	if (is_of_intel())
		prec_copy_string_min = prec_vector_size == 64
					       ? COPY_STRING_MIN_512
					       : COPY_STRING_MIN;
	prec_fill_string_min = FILL_STRING_MIN;
}

uint64_t prec_machine_pc(const ucontext_t *context)
{
	return (uint64_t)context->uc_mcontext.gregs[REG_RIP];
}

uint64_t prec_machine_sp(const ucontext_t *context)
{
	return (uint64_t)context->uc_mcontext.gregs[REG_RSP];
}

bool prec_machine_wrote(const ucontext_t *context)
{
	return context->uc_mcontext.gregs[REG_ERR] & ERROR_WRITE;
}

/* The word beneath a context is the address of the return trampoline. */
__attribute__((no_sanitize("address", "thread"))) bool
prec_machine_delivered(const ucontext_t *context, const void *return_address)
{
	return ((const uint64_t *)context)[-1] ==
	       (uint64_t)(uintptr_t)return_address;
}

/* Either flag may be set at the fault, and the calling convention wants DF
 * clear; C code may access misaligned. */
void prec_machine_jump(ucontext_t *context, uint64_t instruction)
{
	greg_t *registers = context->uc_mcontext.gregs;

	registers[REG_RIP] = (greg_t)instruction;
	registers[REG_EFL] &= ~(greg_t)(EFLAGS_DF | EFLAGS_AC);
}

void prec_machine_call(ucontext_t *context, uint64_t instruction, uint64_t sp,
		       uint64_t argument)
{
	greg_t *registers = context->uc_mcontext.gregs;

	registers[REG_RSP] = (greg_t)sp;
	registers[REG_RDI] = (greg_t)argument;
	prec_machine_jump(context, instruction);
}

/* The flags are written only if necessary, and without the trap flag, which
 * reads as set under a debugger that steps. */
void prec_machine_allow_misaligned(void)
{
	uint64_t flags = __builtin_ia32_readeflags_u64();

	if (flags & EFLAGS_AC)
		__builtin_ia32_writeeflags_u64(
			flags & ~(uint64_t)(EFLAGS_AC | EFLAGS_TF));
}

/* A frame is the address of the return trampoline and then the context, whose
 * flags are those of any context in this process.  The address alone is also
 * what sigaction(2) of the C library leaves on the stack. */
__attribute__((no_sanitize("address", "thread"))) const ucontext_t *
prec_machine_find_frame(uint64_t from, uint64_t to, const ucontext_t *ours)
{
	uint64_t trampoline = ((const uint64_t *)ours)[-1];
	uint64_t flags = ((const uint64_t *)ours)[0];
	uint64_t at;

	for (at = (from + 7) & ~7ull; at + 8 + CONTEXT_READ <= to; at += 8)
		if (*(const volatile uint64_t *)at == trampoline &&
		    *(const volatile uint64_t *)(at + 8) == flags)
			return (const ucontext_t *)(at + 8);
	return NULL;
}
