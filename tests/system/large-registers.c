// SPDX-License-Identifier: MIT
/*
 * Preloaded into a User-Mode Linux, for processors whose vector and matrix
 * registers take more than the buffer that it was built with: Linux refuses to
 * set a part of them.  What it gives is completed with what its process has.
 */
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define REGISTERS_MAX (1u << 16)

typedef long trace(enum __ptrace_request, pid_t, void *, void *);

/* All registers, of which the first are the caller's. */
static long set_all(trace *next, pid_t pid, void *set, struct iovec *some)
{
	static char registers[REGISTERS_MAX];
	struct iovec all = { registers, sizeof(registers) };

	if (next(PTRACE_GETREGSET, pid, set, &all) ||
	    some->iov_len > all.iov_len)
		return next(PTRACE_SETREGSET, pid, set, some);
	memcpy(registers, some->iov_base, some->iov_len);
	return next(PTRACE_SETREGSET, pid, set, &all);
}

/* As it is declared. */
long ptrace(enum __ptrace_request request, ...)
{
	void *address, *data;
	va_list more;
	trace *next;
	pid_t pid;

	*(void **)&next = dlsym(RTLD_NEXT, "ptrace");
	va_start(more, request);
	pid = va_arg(more, pid_t);
	address = va_arg(more, void *);
	data = va_arg(more, void *);
	va_end(more);
	if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE)
		return set_all(next, pid, address, data);
	return next(request, pid, address, data);
}
