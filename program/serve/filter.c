// SPDX-License-Identifier: MIT
#include "program/serve/sandbox.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

const bool sandbox_has_filter = true;

/* The system calls of a running server.  Its threads exist already, and those
 * of io_uring are the kernel's: neither clone nor execve is needed. */
static const int needed[] = {
	/* lent memory; mmap and mprotect are below */
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(memfd_create),
	SCMP_SYS(membarrier),
	SCMP_SYS(inotify_add_watch),
	SCMP_SYS(inotify_rm_watch),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(fstatfs),
	SCMP_SYS(statfs),
	SCMP_SYS(fcntl),
	SCMP_SYS(lseek),
	/* faults */
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(tgkill),
	/* the store */
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(preadv),
	SCMP_SYS(pwritev),
	SCMP_SYS(preadv2),
	SCMP_SYS(pwritev2),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fallocate),
	SCMP_SYS(ftruncate),
	SCMP_SYS(flock),
	SCMP_SYS(fadvise64),
	/* events, and notifications that cannot block */
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(eventfd2),
	SCMP_SYS(io_submit),
	SCMP_SYS(io_getevents),
	SCMP_SYS(io_destroy),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	/* sockets; socket itself is below */
	SCMP_SYS(accept4),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(connect),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getpeername),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(shutdown),
	SCMP_SYS(fchmod),
	SCMP_SYS(chmod),
	SCMP_SYS(fchownat),
	/* files: a configuration that is read again, statistics, sockets */
	SCMP_SYS(openat),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(lstat),
	SCMP_SYS(stat),
	SCMP_SYS(readlink),
	/* threads and time */
	SCMP_SYS(futex),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(sched_yield),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(getrandom),
	SCMP_SYS(prlimit64),
	SCMP_SYS(getrlimit),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

#define CALLS_MAX 512

/* The names are looked up before: the handler must not call the library. */
static char *names[CALLS_MAX];
static bool told[CALLS_MAX];

/* The system call fails with EPERM; the first time, it is logged. */
static void on_refusal(int number, siginfo_t *info, void *context)
{
	static const char before[] = "precarium: system call refused: ";
	ucontext_t *user = context;
	int error = errno;
	unsigned int call = (unsigned int)info->si_syscall;
	char line[100];
	size_t size;

	(void)number;
	user->uc_mcontext.gregs[REG_RAX] = -EPERM;
	if (call >= CALLS_MAX || !names[call] ||
	    __atomic_exchange_n(&told[call], true, __ATOMIC_RELAXED))
		return;
	size = strnlen(names[call], 40);
	memcpy(line, before, sizeof(before) - 1);
	memcpy(line + sizeof(before) - 1, names[call], size);
	size += sizeof(before) - 1;
	line[size++] = '\n';
	if (write(STDERR_FILENO, line, size) < 0)
		__atomic_store_n(&told[call], false, __ATOMIC_RELAXED);
	errno = error;
}

static bool take_refusals(void)
{
	struct sigaction action;

	for (int call = 0; call < CALLS_MAX; call++)
		names[call] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE,
							       call);
	memset(&action, 0, sizeof(action));
	sigfillset(&action.sa_mask);
	sigdelset(&action.sa_mask, SIGBUS);
	sigdelset(&action.sa_mask, SIGSEGV);
	action.sa_flags = SA_SIGINFO | SA_ONSTACK;
	action.sa_sigaction = on_refusal;
	return sigaction(SIGSYS, &action, NULL) == 0;
}

/* 0, or an error number. */
static int allow_with(scmp_filter_ctx filter)
{
	/* of block devices, and of what lines are written to */
	static const unsigned int ioctls[] = {
		BLKGETSIZE64,
		BLKSSZGET,
		BLKPBSZGET,
		BLKIOMIN,
		BLKIOOPT,
		BLKALIGNOFF,
		TCGETS,
		/* holes of lent memory */
		UFFDIO_REGISTER,
		UFFDIO_ZEROPAGE,
	};
	const struct scmp_arg_cmp not_executable =
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	/* Without the macros, in which clang finds a field missing. */
	const struct scmp_arg_cmp local = {
		.arg = 0,
		.op = SCMP_CMP_EQ,
		.datum_a = AF_UNIX,
	};
	int status = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
					    SCMP_SYS(mmap), 1, &not_executable);

	if (status == 0)
		status = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
						SCMP_SYS(mprotect), 1,
						&not_executable);
	if (status == 0)
		status = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
						SCMP_SYS(socket), 1, &local);
	for (size_t i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]); i++) {
		const struct scmp_arg_cmp this = {
			.arg = 1,
			.op = SCMP_CMP_EQ,
			.datum_a = ioctls[i],
		};

		if (status == 0)
			status = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
							SCMP_SYS(ioctl), 1,
							&this);
	}
	return status;
}

static int allow(scmp_filter_ctx filter)
{
	int status = allow_with(filter);

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (status == 0)
			status = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
							needed[i], 0, NULL);
	}
	return status;
}

bool sandbox_filter(struct vhost_error *error)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int status = filter ? 0 : -ENOMEM;

	if (status == 0 && !take_refusals())
		status = -errno;
	if (status == 0) /* all threads, or none */
		status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (status == 0)
		status = allow(filter);
	if (status == 0)
		status = seccomp_load(filter);
	seccomp_release(filter);
	if (status == 0)
		return true;
	snprintf(error->text, sizeof(error->text),
		 "seccomp: %s; expected a kernel that filters system calls, or "
		 "--seccomp=off",
		 strerror(-status));
	return false;
}
