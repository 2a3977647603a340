// SPDX-License-Identifier: MIT
/*
 * System calls of the server that fail when the page says so.
 *
 * A filter (seccomp) turns each call into a SIGSYS, whose handler makes the
 * call itself, from the one instruction that the filter lets pass, or does
 * not.  So calls are seen that are made without the C library (liburing), and
 * those of libraries.  A tracer could do the same from outside; it was tried,
 * and costs two changes of process a call, some thousand in the life of a
 * client.
 */
#include "shim.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <ucontext.h>

#include "faults.h"

#define FILTER_MAX 128

/* syscall(2), but for the errno, with an instruction that is known. */
long shim_call(long number, long a, long b, long c, long d, long e, long f);
extern const char shim_call_end[];

__asm__(".text\n"
	".globl shim_call, shim_call_end\n"
	".hidden shim_call, shim_call_end\n"
	".type shim_call, @function\n"
	"shim_call:\n"
	"	.cfi_startproc\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	mov %r9, %r8\n"
	"	mov 8(%rsp), %r9\n"
	"	syscall\n"
	"shim_call_end:\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size shim_call, . - shim_call\n");

struct call {
	long number;
	long a[6]; /* arguments */
};

static long make(const struct call *call)
{
	return shim_call(call->number, call->a[0], call->a[1], call->a[2],
			 call->a[3], call->a[4], call->a[5]);
}

/* Make the call with a length halved, if there are two to halve. */
static long make_less(struct call *call, long *length)
{
	if (*length > 1)
		*length /= 2;
	return make(call);
}

static long make_less_there(const struct call *call, size_t *length)
{
	size_t before = *length;
	long got;

	if (before > 1)
		*length /= 2;
	got = make(call);
	*length = before;
	return got;
}

static long make_short(struct call *call, enum length_kind kind)
{
	struct iovec *vectors = (struct iovec *)call->a[1];
	struct msghdr *message = (struct msghdr *)call->a[1];

	switch (kind) {
	case LENGTH_NONE:
		break;
	case LENGTH_BYTES:
	case LENGTH_EVENTS:
		return make_less(call, &call->a[2]);
	case LENGTH_COUNT:
		return make_less(call, &call->a[1]);
	case LENGTH_VECTORS:
		if (call->a[2] > 1)
			return make_less(call, &call->a[2]);
		return make_less_there(call, &vectors->iov_len);
	case LENGTH_MESSAGE:
		if (message->msg_iovlen > 1)
			return make_less_there(call, &message->msg_iovlen);
		return make_less_there(call, &message->msg_iov->iov_len);
	}
	return make(call);
}

/* Pipes, eventfds and files in memory have no errors.  Is it another file, or a
 * path? */
static bool is_on_disk(int fd)
{
	struct statfs about;
	const struct call call = { SYS_fstatfs, { fd, (long)&about } };

	if (fd == AT_FDCWD)
		return true;
	return make(&call) == 0 && about.f_type != TMPFS_MAGIC &&
	       about.f_type != ANON_INODE_FS_MAGIC &&
	       about.f_type != PIPEFS_MAGIC;
}

static bool strikes(const struct call_faults *faults, const struct call *call)
{
	uint32_t index = (uint32_t)(faults - call_faults);
	uint32_t fd = (uint32_t)call->a[0];

	__atomic_add_fetch(&shim_page->calls[index], 1, __ATOMIC_RELAXED);
	return (!faults->on_disk || is_on_disk((int)fd)) &&
	       page_strikes(shim_page, ORDER_CALL, index, fd);
}

static long make_or_fail(struct call *call)
{
	bool known;
	const struct call_faults *faults =
		call_faults_find((uint32_t)call->number, call->a, &known);

	if (call->number == SYS_poll && call->a[1] > 0)
		page_store(shim_page->ready, 1);
	if (!known)
		page_store(shim_page->unknown, (uint32_t)call->number);
	if (!faults || !strikes(faults, call))
		return make(call);
	if (page_load(shim_page->error) == SHORT)
		return make_short(call, faults->length);
	if (faults->done)
		make(call);
	return -page_load(shim_page->error);
}

static void on_call(int signal, siginfo_t *info, void *argument)
{
	greg_t *regs = ((ucontext_t *)argument)->uc_mcontext.gregs;
	struct call call = {
		.number = info->si_syscall,
		.a = { regs[REG_RDI], regs[REG_RSI], regs[REG_RDX],
		       regs[REG_R10], regs[REG_R8], regs[REG_R9] },
	};

	(void)signal;
	regs[REG_RAX] = make_or_fail(&call);
}

static void add(struct sock_fprog *program, uint16_t code, uint32_t k,
		uint8_t jump_true, uint8_t jump_false)
{
	program->filter[program->len++] =
		(struct sock_filter){ code, jump_true, jump_false, k };
}

/* Passes calls from one instruction, and those that cannot fail. */
static bool install_filter(void)
{
	const uint64_t own = (uintptr_t)shim_call_end;
	const uint16_t load = BPF_LD | BPF_W | BPF_ABS;
	const uint16_t equal = BPF_JMP | BPF_JEQ | BPF_K;
	const uint32_t at = offsetof(struct seccomp_data, instruction_pointer);
	struct sock_filter code[FILTER_MAX];
	struct sock_fprog program = { .filter = code };

	add(&program, load, at, 0, 0);
	add(&program, equal, (uint32_t)own, 0, 3);
	add(&program, load, at + 4, 0, 0);
	add(&program, equal, (uint32_t)(own >> 32), 0, 1);
	add(&program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	add(&program, load, offsetof(struct seccomp_data, nr), 0, 0);
	for (uint32_t i = 0; i < calls_passed_count; i++) {
		add(&program, equal, calls_passed[i], 0, 1);
		add(&program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	}
	/* A thread that ends gives its stack back with all signals blocked. */
	add(&program, equal, SYS_madvise, 0, 3);
	add(&program, load, offsetof(struct seccomp_data, args[2]), 0, 0);
	add(&program, equal, MADV_DONTNEED, 0, 1);
	add(&program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	add(&program, BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0, 0);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

bool shim_watch_calls(void)
{
	struct sigaction action = {
		.sa_sigaction = on_call,
		/* A call may be interrupted by a signal whose handler makes
		 * calls. */
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	return sigaction(SIGSYS, &action, NULL) == 0 && install_filter();
}

/* SIGSYS stays open in each thread and each handler: blocked, it would kill. */
int sigaction(int number, const struct sigaction *new, struct sigaction *old)
{
	static int (*next)(int, const struct sigaction *, struct sigaction *);
	struct sigaction open;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "sigaction");
	if (!new)
		return next(number, new, old);
	open = *new;
	sigdelset(&open.sa_mask, SIGSYS);
	return next(number, &open, old);
}

int pthread_sigmask(int how, const sigset_t *new, sigset_t *old)
{
	static int (*next)(int, const sigset_t *, sigset_t *);
	sigset_t open;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "pthread_sigmask");
	if (!new || how == SIG_UNBLOCK)
		return next(how, new, old);
	open = *new;
	sigdelset(&open, SIGSYS);
	return next(how, &open, old);
}
