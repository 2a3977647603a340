// SPDX-License-Identifier: MIT
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#define CALL(name) SYS_##name, #name

const struct call_faults call_faults[] = {
	/* events */
	{ CALL(epoll_wait), .length = LENGTH_EVENTS,
	  .errors = { EINTR, SHORT } },
	{ CALL(epoll_ctl), .by_value = true,
	  .values = { EPOLL_CTL_ADD, EPOLL_CTL_MOD },
	  .errors = { ENOMEM, ENOSPC } },
	{ CALL(poll), .common = true, .waits = true,
	  .errors = { EINTR, EAGAIN, ENOMEM } },
	{ CALL(epoll_create1), .errors = { EMFILE, ENFILE, ENOMEM } },
	{ CALL(eventfd2), .common = true,
	  .errors = { EMFILE, ENFILE, ENOMEM } },
	/* files */
	{ CALL(read), .common = true, .length = LENGTH_BYTES, .on_disk = true,
	  .errors = { EIO, EINTR, EAGAIN, ENOMEM, SHORT } },
	{ CALL(write), .common = true, .length = LENGTH_BYTES, .on_disk = true,
	  .errors = { EIO, ENOSPC, EINTR, EAGAIN, EDQUOT, EFBIG, SHORT } },
	{ CALL(pread64), .common = true, .length = LENGTH_BYTES,
	  .errors = { EIO, EINTR, EAGAIN, ENOMEM, SHORT } },
	{ CALL(preadv), .length = LENGTH_VECTORS,
	  .errors = { EIO, EINTR, EAGAIN, ENOMEM, SHORT } },
	{ CALL(pwritev), .length = LENGTH_VECTORS,
	  .errors = { EIO, ENOSPC, EDQUOT, EFBIG, EPERM, EINTR, EAGAIN, ENOMEM,
		      SHORT } },
	{ CALL(pwritev2), .length = LENGTH_VECTORS,
	  .errors = { EIO, ENOSPC, EDQUOT, EFBIG, EPERM, EINTR, EAGAIN, ENOMEM,
		      SHORT } },
	{ CALL(fdatasync), .errors = { EIO, ENOSPC, EDQUOT, EINTR } },
	{ CALL(fallocate), .waits = true, /* for memory */
	  .errors = { EIO, ENOSPC, EINTR, EOPNOTSUPP, EPERM, ENOMEM } },
	{ CALL(ftruncate), .errors = { EIO, ENOSPC, EFBIG, EINTR, EPERM } },
	{ CALL(lseek), .on_disk = true, .errors = { EIO } },
	{ CALL(openat), .common = true,
	  .errors = { EMFILE, ENFILE, ENOMEM, EIO, EINTR, EACCES } },
	{ CALL(close), .done = true, .errors = { EIO, EINTR, ENOSPC } },
	{ CALL(newfstatat), .common = true, .on_disk = true,
	  .errors = { EIO, ENOMEM, EACCES } },
	{ CALL(fstat), .on_disk = true, .errors = { EIO, ENOMEM } },
	{ CALL(fstatfs), .on_disk = true, .errors = { EIO, EINTR, ENOSYS } },
	{ CALL(statx), .errors = { EIO, ENOMEM, ENOSYS } },
	{ CALL(fcntl), .by_value = true, .values = { F_DUPFD_CLOEXEC },
	  .errors = { EMFILE } },
	{ CALL(fcntl), .by_value = true,
	  .values = { F_OFD_SETLK, F_SETLK, F_OFD_GETLK, F_GETLK },
	  .errors = { ENOLCK, EINTR } },
	{ CALL(fcntl), .by_value = true, .values = { F_ADD_SEALS },
	  .errors = { EBUSY } },
	{ CALL(ioctl), .errors = { ENOMEM } },
	{ CALL(rename), .common = true,
	  .errors = { EIO, ENOSPC, EACCES, ENOMEM } },
	{ CALL(unlink), .common = true, .errors = { EIO, EACCES, ENOMEM } },
	{ CALL(memfd_create), .errors = { ENOMEM, EMFILE, ENFILE } },
	/* memory */
	{ CALL(mmap), .errors = { ENOMEM } },
	{ CALL(mprotect), .errors = { ENOMEM } },
	{ CALL(madvise), .errors = { ENOMEM, EAGAIN, EIO } },
	{ CALL(membarrier), .waits = true, .errors = { ENOMEM } },
	{ CALL(userfaultfd), .errors = { ENOMEM, EMFILE, EPERM, ENOSYS } },
	{ CALL(inotify_init1), .errors = { ENOMEM, EMFILE, ENFILE } },
	{ CALL(inotify_add_watch), .errors = { ENOMEM, ENOSPC, EACCES } },
	/* sockets */
	{ CALL(accept4), .common = true, .waits = true,
	  .errors = { EMFILE, ENFILE, ENOMEM, ENOBUFS, EINTR, EAGAIN,
		      ECONNABORTED, EPERM } },
	{ CALL(recvmsg), .common = true, .length = LENGTH_MESSAGE,
	  .errors = { ENOMEM, ECONNRESET, EINTR, EAGAIN, SHORT } },
	{ CALL(recvfrom), .common = true, .length = LENGTH_BYTES,
	  .errors = { ENOMEM, ECONNRESET, EINTR, EAGAIN, SHORT } },
	{ CALL(sendmsg), .common = true, .length = LENGTH_MESSAGE,
	  .errors = { ENOMEM, ENOBUFS, EPIPE, ECONNRESET, EINTR, EAGAIN,
		      SHORT } },
	{ CALL(sendto), .common = true, .length = LENGTH_BYTES,
	  .errors = { ENOMEM, ENOBUFS, EPIPE, ECONNRESET, EINTR, EAGAIN,
		      SHORT } },
	{ CALL(socket), .common = true,
	  .errors = { EMFILE, ENFILE, ENOMEM, ENOBUFS } },
	{ CALL(bind), .common = true,
	  .errors = { ENOMEM, ENOSPC, EACCES, EROFS } },
	{ CALL(listen), .common = true, .errors = { EOPNOTSUPP } },
	{ CALL(connect), .common = true,
	  .errors = { ECONNREFUSED, EAGAIN, EINTR, EACCES } },
	{ CALL(getsockopt), .common = true, .errors = { ENOBUFS, ENOMEM } },
	{ CALL(getpeername), .common = true, .errors = { ENOBUFS } },
	{ CALL(shutdown), .common = true, .errors = { ENOTCONN, ENOBUFS } },
	{ CALL(fchmod), .common = true, .errors = { EIO, EPERM } },
	{ CALL(chmod), .common = true, .errors = { EIO, EPERM, ENOMEM } },
	{ CALL(fchownat), .common = true, .errors = { EIO, EPERM } },
	/* asynchronous I/O */
	{ CALL(io_submit), .length = LENGTH_COUNT,
	  .errors = { EAGAIN, SHORT } },
	{ CALL(io_setup), .errors = { EAGAIN, ENOMEM } },
	{ CALL(io_getevents), .errors = { EINTR } },
	{ CALL(io_uring_setup), .errors = { ENOMEM, EMFILE, ENFILE, EPERM } },
	{ CALL(io_uring_enter), .waits = true, .length = LENGTH_COUNT,
	  .errors = { EAGAIN, EBUSY, EINTR, ENOMEM, SHORT } },
	{ CALL(io_uring_register), .errors = { ENOMEM, EPERM } },
};

const uint32_t call_faults_count = sizeof(call_faults) / sizeof(call_faults[0]);

static bool has_value(const struct call_faults *faults, long value)
{
	for (int i = 0; i < 6 && faults->values[i]; i++)
		if (faults->values[i] == value)
			return true;
	return !faults->by_value;
}

const struct call_faults *call_faults_find(uint32_t number,
					   const long arguments[6], bool *known)
{
	*known = false;
	for (uint32_t i = 0; i < call_faults_count; i++) {
		if (call_faults[i].number != number)
			continue;
		*known = true;
		if (has_value(&call_faults[i], arguments[1]))
			return &call_faults[i];
	}
	return NULL;
}

/* linux/io_uring.h, which may be older. */
#define NOP_INJECT_RESULT 1u

void transfer_fail(struct io_uring_sqe *sqe, int error)
{
	uint64_t user_data = sqe->user_data;

	io_uring_prep_nop(sqe);
	sqe->rw_flags = NOP_INJECT_RESULT;
	sqe->len = (uint32_t)-error;
	sqe->user_data = user_data;
}

#define TRANSFER(name) IORING_OP_##name, #name

const struct transfer_faults transfer_faults[] = {
	{ TRANSFER(READV),
	  { EIO, ENOMEM, ECANCELED, ENODATA, EAGAIN, EINTR, EINVAL, SHORT } },
	{ TRANSFER(WRITEV),
	  { EIO, ENOSPC, EDQUOT, EFBIG, EPERM, ENOMEM, ECANCELED, EAGAIN, EINTR,
	    EINVAL, SHORT } },
	{ TRANSFER(FSYNC), { EIO, ENOSPC, EDQUOT, EAGAIN, EINTR, ECANCELED } },
	{ TRANSFER(FALLOCATE),
	  { EIO, ENOSPC, EDQUOT, EPERM, EBUSY, ENOTTY, EOPNOTSUPP, ENODEV,
	    EINVAL, EAGAIN, EINTR } },
};

const uint32_t transfer_faults_count =
	sizeof(transfer_faults) / sizeof(transfer_faults[0]);

const uint32_t calls_passed[] = {
	/* cannot fail */
	SYS_getpid,
	SYS_gettid,
	SYS_getuid,
	SYS_geteuid,
	SYS_getgid,
	SYS_getegid,
	SYS_rt_sigreturn,
	SYS_rt_sigprocmask,
	SYS_rt_sigaction,
	SYS_sched_yield,
	SYS_clock_gettime,
	SYS_gettimeofday,
	SYS_exit,
	SYS_exit_group,
	SYS_rseq,
	SYS_set_robust_list,
	SYS_sigaltstack,
	SYS_arch_prctl,
	SYS_prlimit64,
	SYS_set_tid_address,
	SYS_getrandom,
	SYS_restart_syscall,
	SYS_umask,
	SYS_uname,
	SYS_sysinfo,
	SYS_prctl,
	SYS_nanosleep,
	SYS_clock_nanosleep,
	/* malloc asks mmap instead */
	SYS_brk,
	/* the C library ends the program, or waits again */
	SYS_futex,
	/* give back, and leave nothing to be done */
	SYS_munmap,
	SYS_io_destroy,
	SYS_inotify_rm_watch,
	/* hints */
	SYS_fadvise64,
	/* made by the C library with all signals blocked */
	SYS_clone,
	SYS_clone3,
	SYS_tgkill,
};

const uint32_t calls_passed_count =
	sizeof(calls_passed) / sizeof(calls_passed[0]);
