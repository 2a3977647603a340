/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_LIBRARY_FOREIGN_H
#define PRECARIUM_TESTS_LIBRARY_FOREIGN_H

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/expect.h"

/* Ways to be sent SIGSEGV or SIGBUS that have nothing to do with lent memory.
 * The instruction that faults stands at foreign_fault, so that its address can
 * be compared, and a register holds a known value. */
#define KNOWN 0x1122334455667788ull

extern const char foreign_fault[];
int foreign_access(void *at, uint64_t known);
__asm__(".text\n"
	".globl foreign_fault\n"
	".type foreign_access, @function\n"
	"foreign_access:\n\t"
	".cfi_startproc\n\t"
	"movq %rsi, %r11\n"
	"foreign_fault:\n\t"
	"lock orl $0, (%rdi)\n\t"
	"xorl %eax, %eax\n\t"
	"ret\n\t"
	".cfi_endproc\n"
	".size foreign_access, . - foreign_access\n");

static inline void at_null(void)
{
	foreign_access(NULL, KNOWN);
}

static inline void at_non_canonical(void)
{
	foreign_access((void *)(uintptr_t)0x8000000000001000ull, KNOWN);
}

static inline void at_read_only(void)
{
	foreign_access(
		mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		KNOWN);
}

static inline void at_truncated(void)
{
	int fd = memfd_create("foreign", 0);
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	foreign_access((char *)at + 24, KNOWN);
}

/* Alignment checks on: a 32-bit access to an odd address. */
static inline void misaligned(void)
{
	static uint64_t there[2];

	__asm__ volatile("pushfq\n\torq $0x40000, (%%rsp)\n\tpopfq\n\t"
			 "movl 1(%0), %%eax"
			 :
			 : "r"(there)
			 : "eax", "memory", "cc");
}

static inline void killed_segv(void)
{
	kill(getpid(), SIGSEGV);
}

static inline void killed_bus(void)
{
	kill(getpid(), SIGBUS);
}

static inline void queued_segv(void)
{
	union sigval value = { .sival_int = 4711 };

	sigqueue(getpid(), SIGSEGV, value);
}

static inline void queued_bus(void)
{
	union sigval value = { .sival_int = 815 };

	sigqueue(getpid(), SIGBUS, value);
}

static inline void raised_segv(void)
{
	raise(SIGSEGV);
}

static inline void raised_bus(void)
{
	raise(SIGBUS);
}

/* What a debugger or a failing memory bank may send: BUS_MCEERR_AO. */
static inline void memory_failed_elsewhere(void)
{
	siginfo_t info = { .si_signo = SIGBUS, .si_code = BUS_MCEERR_AO };

	syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info);
}

static const struct foreign {
	const char *name;
	void (*happen)(void);
	int sig;
	bool sent; /* the code goes on when a handler returns */
} foreign[] = {
	{ "null pointer", at_null, SIGSEGV, false },
	{ "non-canonical pointer", at_non_canonical, SIGSEGV, false },
	{ "read-only mapping", at_read_only, SIGSEGV, false },
	{ "truncated foreign file", at_truncated, SIGBUS, false },
	{ "misaligned", misaligned, SIGBUS, false },
	{ "kill SIGSEGV", killed_segv, SIGSEGV, true },
	{ "kill SIGBUS", killed_bus, SIGBUS, true },
	{ "sigqueue SIGSEGV", queued_segv, SIGSEGV, true },
	{ "sigqueue SIGBUS", queued_bus, SIGBUS, true },
	{ "raise SIGSEGV", raised_segv, SIGSEGV, true },
	{ "raise SIGBUS", raised_bus, SIGBUS, true },
	{ "memory failed elsewhere", memory_failed_elsewhere, SIGBUS, true },
};
#define FOREIGNS (sizeof(foreign) / sizeof(foreign[0]))

#endif
