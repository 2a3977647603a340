// SPDX-License-Identifier: MIT
/* Inside a process that has done what a server does before its first client:
 * what the filter refuses cannot be had in another way, either.  Through a ring
 * of io_uring each operation and flag is tried, text is written to through each
 * door, and other architectures' system calls are made. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program/serve/opener.h"
#include "program/serve/sandbox.h"
#include "store/file/uring.h"
#include "store/stores.h"

#define PAGE		  4096ul
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static int wrong;
static int points;

#define REFUSED(call)                                                          \
	do {                                                                   \
		points++;                                                      \
		errno = 0;                                                     \
		if ((long)(call) != -1 || errno != EPERM) {                    \
			printf("%s: not refused: %s\n", #call,                 \
			       strerror(errno));                               \
			wrong = 1;                                             \
		}                                                              \
	} while (0)

#define CHECK(condition)                                                       \
	do {                                                                   \
		points++;                                                      \
		if (!(condition)) {                                            \
			printf("line %d: %s: %s\n", __LINE__, #condition,      \
			       strerror(errno));                               \
			wrong = 1;                                             \
		}                                                              \
	} while (0)

/* What is tried to be overwritten. */
__attribute__((noinline)) static int text(void)
{
	return 42;
}

/* The result of one entry. */
static int through_ring(struct io_uring *ring, uint8_t opcode, uint8_t flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int result;

	if (!sqe)
		return -1000;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->flags = flags;
	sqe->fd = -1;
	if (io_uring_submit(ring) != 1 || io_uring_wait_cqe(ring, &cqe) < 0)
		return -1000;
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

static bool is_needed(uint8_t opcode)
{
	return opcode == IORING_OP_NOP || opcode == IORING_OP_READV ||
	       opcode == IORING_OP_WRITEV || opcode == IORING_OP_FSYNC ||
	       opcode == IORING_OP_FALLOCATE ||
	       opcode == IORING_OP_ASYNC_CANCEL ||
	       opcode == IORING_OP_FADVISE || opcode == IORING_OP_URING_CMD;
}

static void try_ring(struct io_uring *ring)
{
	for (unsigned int opcode = 0; opcode < 256; opcode++) {
		int got = through_ring(ring, (uint8_t)opcode, 0);

		points++;
		if (is_needed((uint8_t)opcode))
			continue;
		/* EINVAL: this kernel has no such operation. */
		if (got != -EACCES && got != -EINVAL) {
			printf("operation %u: %d\n", opcode, got);
			wrong = 1;
		}
	}
	CHECK(through_ring(ring, IORING_OP_SOCKET, 0) == -EACCES);
	CHECK(through_ring(ring, IORING_OP_CONNECT, 0) == -EACCES);
	CHECK(through_ring(ring, IORING_OP_OPENAT, 0) == -EACCES);
	CHECK(through_ring(ring, IORING_OP_NOP, 0) == 0);
	CHECK(through_ring(ring, IORING_OP_NOP, IOSQE_ASYNC) == 0);
	CHECK(through_ring(ring, IORING_OP_NOP, IOSQE_FIXED_FILE) == -EACCES);
	CHECK(through_ring(ring, IORING_OP_NOP, IOSQE_BUFFER_SELECT) < 0);
}

static void try_other_rings(int ring_fd)
{
	struct io_uring_params params = { .flags = 0 };
	struct io_uring_restriction none[1];

	memset(none, 0, sizeof(none));
	REFUSED(syscall(SYS_io_uring_setup, 8, &params));
	for (unsigned int what = 0; what < 64; what++)
		REFUSED(syscall(SYS_io_uring_register, ring_fd, what, none, 1));
	REFUSED(syscall(SYS_io_uring_register, -1, 0, NULL, 0));
	REFUSED(syscall(SYS_io_setup, 1, none));
}

static void try_memory_files(void)
{
	static const char *const paths[] = { "/proc/self/mem",
					     "/proc/thread-self/mem",
					     "/proc/self/../self/mem", "link",
					     "stats.1/../link" };
	static const int ways[] = { O_RDWR, O_WRONLY, O_RDWR | O_DIRECT,
				    O_ACCMODE };
	char of_task[60], of_parent[60];
	uint8_t ret = 0xc3;
	int fd;

	snprintf(of_task, sizeof(of_task), "/proc/self/task/%ld/mem",
		 syscall(SYS_gettid));
	snprintf(of_parent, sizeof(of_parent), "/proc/%d/mem", getpid());
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(paths); j++) {
			REFUSED(open(paths[j], ways[i]));
			errno = 0;
			CHECK(opener_open(paths[j], ways[i]) == -1);
		}
		REFUSED(open(of_task, ways[i]));
		REFUSED(open(of_parent, ways[i]));
		CHECK(opener_open(of_parent, ways[i]) == -1);
	}
	REFUSED(opener_open(of_parent, O_RDWR));
	REFUSED(opener_open("/proc/self/mem", O_RDWR));
	REFUSED(opener_open("link", O_RDWR));
	REFUSED(syscall(SYS_open, "/proc/self/mem", O_RDWR));
	REFUSED(syscall(SYS_creat, "/proc/self/mem", 0600));
	REFUSED(syscall(SYS_openat2, AT_FDCWD, "/proc/self/mem",
			(uint64_t[]){ O_RDWR, 0, 0 }, 24));
	REFUSED(syscall(SYS_open_by_handle_at, AT_FDCWD, &ret, O_RDWR));
	/* One that is open for reading stays that. */
	fd = open("/proc/self/mem", O_RDONLY);
	CHECK(fd >= 0);
	CHECK(pwrite(fd, &ret, 1, (off_t)(uintptr_t)text) == -1);
	CHECK(fcntl(fd, F_SETFL, O_RDWR) == 0 &&
	      pwrite(fd, &ret, 1, (off_t)(uintptr_t)text) == -1);
	CHECK(open("/proc/self/fd/0", O_RDONLY) >= 0);
	REFUSED(openat(AT_FDCWD, "made", O_RDONLY | O_CREAT, 0600));
	REFUSED(openat(AT_FDCWD, "image", O_RDONLY | O_TRUNC));
	REFUSED(openat(AT_FDCWD, ".", O_WRONLY | O_TMPFILE, 0600));
}

/* What the other process does, and what it does not. */
static void try_opener(void)
{
	char byte = 1;
	int fd = opener_open("image", O_RDWR);

	CHECK(fd >= 0 && pwrite(fd, &byte, 1, 0) == 1);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	close(fd);
	fd = opener_open("stats.1", O_WRONLY | O_CREAT | O_EXCL);
	CHECK(fd >= 0 && close(fd) == 0);
	CHECK(opener_open("nowhere", O_RDWR) == -1 && errno == ENOENT);
	REFUSED(opener_open("made", O_RDWR | O_CREAT));
	REFUSED(opener_open("stats.1x", O_RDWR | O_CREAT));
	REFUSED(opener_open("image", O_RDWR | O_TRUNC));
	REFUSED(opener_open("/dev/null", O_RDWR));
	REFUSED(opener_open("/proc/self/oom_score_adj", O_RDWR));
	REFUSED(opener_open("/proc/sys/kernel/core_pattern", O_RDWR));
}

static void try_executable_memory(void)
{
	void *page = (void *)((uintptr_t)text & ~(PAGE - 1));
	char *const nothing[] = { NULL };
	struct iovec from = { page, 16 }, to = { page, 16 };
	int fd = memfd_create("code", 0);
	char *mine;

	CHECK(fd >= 0 && ftruncate(fd, PAGE) == 0);
	mine = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mine != MAP_FAILED);
	REFUSED(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
	REFUSED(mmap(NULL, PAGE, PROT_EXEC, MAP_PRIVATE, fd, 0));
	REFUSED(mmap(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	REFUSED(mprotect(mine, PAGE, PROT_READ | PROT_EXEC));
	REFUSED(syscall(SYS_mprotect, mine, PAGE, 1ul << 32 | PROT_EXEC));
	REFUSED(syscall(SYS_pkey_mprotect, mine, PAGE, PROT_EXEC, -1));
	REFUSED(syscall(SYS_remap_file_pages, mine, PAGE, PROT_EXEC, 0, 0));
	REFUSED(syscall(SYS_shmget, 1, PAGE, 0600));
	REFUSED(syscall(SYS_shmat, 0, NULL, 0100000 /* SHM_EXEC */));
	REFUSED(syscall(SYS_personality, READ_IMPLIES_EXEC));
	REFUSED(syscall(SYS_execveat, fd, "", nothing, nothing, AT_EMPTY_PATH));
	REFUSED(syscall(SYS_execve, "/proc/self/exe", nothing, nothing));
	REFUSED(syscall(SYS_process_vm_writev, getpid(), &from, 1, &to, 1, 0));
	REFUSED(syscall(SYS_ptrace, 0, 0, 0, 0));
	REFUSED(syscall(SYS_prctl, 35 /* PR_SET_MM */, 1, page, 0, 0));
	REFUSED(syscall(SYS_arch_prctl, 0x1002, page));
	REFUSED(syscall(SYS_modify_ldt, 1, page, 16));
	REFUSED(syscall(SYS_userfaultfd, 0));
	REFUSED(ioctl(0, UFFDIO_COPY, page));
	REFUSED(ioctl(0, UFFDIO_WRITEPROTECT, page));
	REFUSED(ioctl(0, UFFDIO_API, page));
	REFUSED(syscall(SYS_ioctl, 0, 1ul << 32 | TIOCSTI, page));
}

static void try_programs_and_network(void)
{
	static const int families[] = { AF_INET,     AF_INET6, AF_NETLINK,
					AF_PACKET,   AF_VSOCK, AF_ALG,
					AF_BLUETOOTH };
	static const int calls[] = {
		SYS_clone,	   SYS_fork,
		SYS_vfork,	   SYS_socketpair,
		SYS_pidfd_open,	   SYS_pidfd_getfd,
		SYS_bpf,	   SYS_perf_event_open,
		SYS_mount,	   SYS_unshare,
		SYS_setns,	   SYS_seccomp,
		SYS_keyctl,	   SYS_kill,
		SYS_tkill,	   SYS_link,
		SYS_symlink,	   SYS_truncate,
		SYS_chroot,	   SYS_process_madvise,
		SYS_init_module,   SYS_kexec_load,
		SYS_setuid,	   SYS_setgid,
		SYS_capset,	   SYS_memfd_secret,
		SYS_fanotify_init, SYS_landlock_create_ruleset,
	};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		REFUSED(socket(families[i], SOCK_STREAM, 0));
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		REFUSED(syscall(calls[i], 0, 0, 0, 0, 0, 0));
	/* So that the C library makes threads by clone, whose flags are
	 * seen. */
	CHECK(syscall(SYS_clone3, 0, 0) == -1 && errno == ENOSYS);
	REFUSED(syscall(SYS_clone,
			CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
				CLONE_THREAD | CLONE_NEWUSER,
			0, 0, 0, 0));
	/* Other processes are left alone. */
	REFUSED(syscall(SYS_tgkill, getppid(), getppid(), 0));
	REFUSED(syscall(SYS_rt_tgsigqueueinfo, getppid(), getppid(), 0, NULL));
	REFUSED(syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, NULL));
	CHECK(syscall(SYS_tgkill, getpid(), getpid(), 0) == 0);
}

/* A child makes one call of another architecture: it does not survive it. */
static void check_foreign(long (*call)(void), const char *what)
{
	struct vhost_error error;
	pid_t pid = fork();
	int status = 0;

	points++;
	if (pid == 0) {
		if (!sandbox_filter(&error))
			_exit(2);
		call();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return;
	printf("%s: survived, status %x\n", what, (unsigned int)status);
	wrong = 1;
}

static long call_i386(void)
{
	long result = 20; /* getpid */

	__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
	return result;
}

static long call_x32(void)
{
	return syscall(0x40000000 | SYS_getpid);
}

static bool make_files(char *folder)
{
	int fd;

	if (!mkdtemp(folder) || chdir(folder) < 0 ||
	    symlink("/proc/self/mem", "link") < 0)
		return false;
	fd = open("image", O_RDWR | O_CREAT, 0600);
	return fd >= 0 && ftruncate(fd, 1 << 20) == 0 && close(fd) == 0;
}

static void remove_files(const char *folder)
{
	unlink("link");
	unlink("image");
	unlink("stats.1");
	if (chdir("/") == 0)
		rmdir(folder);
}

int main(void)
{
	char folder[] = "/tmp/precarium-XXXXXX";
	struct vhost_error error;
	struct store_error why;
	struct io_uring ring;
	pid_t cleaner;
	int lines[2], status;

	if (!sandbox_has_filter) {
		puts("skipped: built without the filter");
		return 77;
	}
	check_foreign(call_i386, "int 0x80");
	check_foreign(call_x32, "x32");
	if (!make_files(folder) || pipe(lines) < 0)
		return 1;
	/* The filter lets nobody remove a folder. */
	cleaner = fork();
	if (cleaner > 0) {
		waitpid(cleaner, &status, 0);
		remove_files(folder);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	if (!file_uring_open(&ring, &why)) {
		printf("skipped: %s\n", why.text);
		return 77;
	}
	if (!opener_start("stats", &error) ||
	    fcntl(lines[1], F_SETFL, O_NONBLOCK) < 0 || dup2(lines[1], 2) < 0 ||
	    !sandbox_filter(&error))
		return 1;
	try_ring(&ring);
	try_other_rings(ring.ring_fd);
	try_memory_files();
	try_opener();
	try_executable_memory();
	try_programs_and_network();
	CHECK(text() == 42);
	printf("%d points tried\n", points);
	return wrong;
}
