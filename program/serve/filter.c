// SPDX-License-Identifier: MIT
#include "program/serve/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <linux/userfaultfd.h>
#include <linux/vfio.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

const bool sandbox_has_filter = true;

/* The system calls of a running server that may have any arguments; more are in
 * allow_with and allow_threads.  Its rings of io_uring exist already: neither
 * execve nor io_uring_setup is needed. */
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
	/* the store */
	SCMP_SYS(io_uring_enter), /* the rings are restricted (uring.h) */
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
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
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
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
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
	/* Nobody may read it, and this thread may be a worker. */
	if (poll(&room, 1, 0) != 1 || write(STDERR_FILENO, line, size) < 0)
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

/* A system call that is allowed if one argument fits. */
struct allowed {
	int call;
	struct scmp_arg_cmp if_argument;
};

/* Without the macros, in which clang finds a field missing. */
#define IF_EQUAL(number, value)                                                \
	{                                                                      \
		.arg = (number), .op = SCMP_CMP_EQ, .datum_a = (value),        \
	}
#define IF_NONE_OF(number, bits)                                               \
	{                                                                      \
		.arg = (number), .op = SCMP_CMP_MASKED_EQ, .datum_a = (bits),  \
		.datum_b = 0,                                                  \
	}

/* What would open, make or truncate a file for writing: see opener.h. */
#define WRITING (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

/* A thread of this process, to replace one that hangs; neither a process nor a
 * namespace.  The flags of clone3 lie in memory, where a filter cannot see
 * them: without it the C library uses clone.  0, or an error number. */
static int allow_threads(scmp_filter_ctx filter)
{
	const uint64_t needed_flags = CLONE_VM | CLONE_FS | CLONE_FILES |
				      CLONE_SIGHAND | CLONE_THREAD;
	const uint64_t harmless = CLONE_SYSVSEM | CLONE_SETTLS |
				  CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	const struct scmp_arg_cmp thread = {
		.arg = 0,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = ~harmless,
		.datum_b = needed_flags,
	};
	int status = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
					    SCMP_SYS(clone), 1, &thread);

	return status ? status
		      : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
					 SCMP_SYS(clone3), 0);
}

/* 0, or an error number. */
static int allow_with(scmp_filter_ctx filter)
{
	const scmp_datum_t self = (scmp_datum_t)getpid();
	const struct allowed calls[] = {
		{ SCMP_SYS(mmap), IF_NONE_OF(2, PROT_EXEC) },
		{ SCMP_SYS(mprotect), IF_NONE_OF(2, PROT_EXEC) },
		{ SCMP_SYS(openat), IF_NONE_OF(2, WRITING) },
		{ SCMP_SYS(socket), IF_EQUAL(0, AF_UNIX) },
		{ SCMP_SYS(prctl), IF_EQUAL(0, PR_SET_NAME) },
		/* no other process */
		{ SCMP_SYS(prlimit64), IF_EQUAL(0, 0) },
		{ SCMP_SYS(tgkill), IF_EQUAL(0, self) },
		{ SCMP_SYS(rt_tgsigqueueinfo), IF_EQUAL(0, self) },
		/* of block devices, and of what lines are written to */
		{ SCMP_SYS(ioctl), IF_EQUAL(1, BLKGETSIZE64) },
		{ SCMP_SYS(ioctl), IF_EQUAL(1, BLKSSZGET) },
		{ SCMP_SYS(ioctl), IF_EQUAL(1, BLKPBSZGET) },
		{ SCMP_SYS(ioctl), IF_EQUAL(1, BLKIOMIN) },
		{ SCMP_SYS(ioctl), IF_EQUAL(1, BLKIOOPT) },
		{ SCMP_SYS(ioctl), IF_EQUAL(1, BLKALIGNOFF) },
		{ SCMP_SYS(ioctl), IF_EQUAL(1, TCGETS) },
		/* has a client read its replies? */
		{ SCMP_SYS(ioctl), IF_EQUAL(1, SIOCOUTQ) },
		/* of NVMe controllers: see nvme.h */
		{ SCMP_SYS(ioctl), IF_EQUAL(1, VFIO_IOMMU_MAP_DMA) },
		{ SCMP_SYS(ioctl), IF_EQUAL(1, VFIO_IOMMU_UNMAP_DMA) },
		{ SCMP_SYS(ioctl), IF_EQUAL(1, VFIO_DEVICE_SET_IRQS) },
		{ SCMP_SYS(ioctl), IF_EQUAL(1, VFIO_DEVICE_RESET) },
		/* Holes of lent memory.  Neither puts bytes of a caller's into
		 * a page. */
		{ SCMP_SYS(ioctl), IF_EQUAL(1, UFFDIO_REGISTER) },
		{ SCMP_SYS(ioctl), IF_EQUAL(1, UFFDIO_ZEROPAGE) },
	};
	int status = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (status == 0)
			status = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
							calls[i].call, 1,
							&calls[i].if_argument);
	}
	return status;
}

static int allow(scmp_filter_ctx filter)
{
	int status = allow_with(filter);

	if (status == 0)
		status = allow_threads(filter);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (status == 0)
			status = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
							needed[i], 0, NULL);
	}
	return status;
}

/* Of another architecture (int 0x80, x32) the server makes no call at all.  The
 * default ends only the thread. */
static int end_foreign(scmp_filter_ctx filter)
{
	return seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
				SCMP_ACT_KILL_PROCESS);
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
		status = end_foreign(filter);
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
