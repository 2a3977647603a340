/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_PORT_LINUX_MACHINE_H
#define PRECARIUM_PORT_LINUX_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "port/enter.h"

/*
 * What the Linux port asks of a processor.  The folder beside this file that
 * has the processor's name answers it, and meson picks that folder:
 *
 *   machine.c    the prec_machine_ functions of this page
 *
 * What any system needs of a processor is in a folder of that name in
 * src/port: enter.S is what enter.h asks for, and copy.S the copies of port.h.
 *
 * What inlined code needs as well (loads and stores that may fault, fences, the
 * hint that a thread spins) is in include/precarium/access_<processor>.h.  No
 * other file of the library knows a processor.
 *
 * Everything here that takes a context runs in the fault handler: it must be
 * async-signal-safe, must not allocate, and must not touch lent memory.
 *
 * How processors differ:
 *
 *   - The kernel reports a write in the context of x86_64 and, in a record that
 *     need not be there, of aarch64 (ESR, bit WnR).  On riscv64 the instruction
 *     must be decoded.
 *   - si_addr is exact on x86_64.  On aarch64 its tag bits are cleared, and for
 *     instructions that copy or zero a block it may be any address in it.  The
 *     port decides by the region and the page alone; the exact address only
 *     goes into the note.
 *   - Only x86_64 has a red zone.  Nothing depends on it: what lies below the
 *     stack pointer of abandoned code is dead.
 *   - Only x86_64 has the return address of a handler in its signal frame; see
 *     prec_machine_find_frame.
 *   - Landing from a fault must undo what the calling convention does not allow
 *     at a function's entry or return: direction and alignment flags on x86_64,
 *     BTYPE and streaming mode on aarch64, on each the rounding mode.
 *   - Where there are rights that a thread can change by itself (protection
 *     keys), landing puts back those at entry.
 *   - Where a shadow stack exists, landing takes off what the abandoned calls
 *     pushed: `incssp` on x86_64, GCSPOPM on aarch64.
 *   - The page is 4 KiB on x86_64 and may be larger on aarch64: admit.c asks
 *     the system.
 *   - On x86_64 loads stay in order.  Elsewhere those of a transaction must be
 *     kept before what its end reads: prec_raw_load_fence.
 */
#pragma GCC visibility push(hidden)

/* Called once, before the first fault is handled and from one thread: look up
 * what this processor can do. */
void prec_machine_setup(void);

/* Where the interrupted code was: its instruction and its stack pointer. */
uint64_t prec_machine_pc(const ucontext_t *context);
uint64_t prec_machine_sp(const ucontext_t *context);

/* Was the access that faulted a store?  Goes into the note and decides nothing:
 * false if neither the kernel nor the instruction says. */
bool prec_machine_wrote(const ucontext_t *context);

/* Did the kernel call the handler that got this context and returns to
 * `return_address`?  Else it was called by another handler. */
bool prec_machine_delivered(const ucontext_t *context,
			    const void *return_address);

/*
 * When the handler returns, continue at `instruction`, with all other registers
 * as they were at the fault, except for the flags that compiled code expects to
 * find clear.
 */
void prec_machine_jump(ucontext_t *context, uint64_t instruction);

/* The same, with the given stack pointer and first argument: what the start of
 * an assembly routine finds. */
void prec_machine_call(ucontext_t *context, uint64_t instruction, uint64_t sp,
		       uint64_t argument);

/*
 * The kernel starts a handler with some of the interrupted code's flags still
 * in force.  Clear those under which compiled code, or the dynamic linker, does
 * not run.  This is the first call of the handler: before it, the handler calls
 * nothing that the dynamic linker may have to bind.
 */
void prec_machine_allow_misaligned(void);

/*
 * The context in the lowest signal frame of [from, to) on this thread's stack,
 * or NULL.  The frame, up to the first 64 bits of the context's signal mask,
 * lies in that range wholly.  `ours` is the context that the handler was given:
 * it shows what frames look like in this process.  To find the next frame, pass
 * the returned address as `from`.
 *
 * May return something that only looks like a frame, but must not miss one.
 * The range is live stack, 8 bytes of it are read at a time, and the function
 * is exempt from sanitizers.
 *
 * On x86_64 the word beneath a context is the address of the C library's return
 * trampoline.  On aarch64 and riscv64 there is a siginfo beneath it, and the
 * context itself must be recognised: by the magic number of its first record on
 * aarch64; by uc_flags, and by uc_stack being as in `ours`, on riscv64.
 */
const ucontext_t *prec_machine_find_frame(uint64_t from, uint64_t to,
					  const ucontext_t *ours);

#pragma GCC visibility pop

#endif
