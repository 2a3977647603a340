// SPDX-License-Identifier: MIT
/*
 * For LD_PRELOAD into the server: allocations and transfers that fail when the
 * page says so, a count of the heap's blocks, and a clock that the test moves
 * on.
 *
 * A transfer fails in the entry of the ring: it becomes one that does nothing
 * and completes with the result that it is given (Linux 6.10).  So the
 * completion comes as others do, and no sooner or later.
 */
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"

/* The C library's own, by the names under which it keeps them for this. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

struct page *shim_page;

static bool strikes(void)
{
	if (!shim_page)
		return false;
	__atomic_add_fetch(
		&shim_page->allocations[page_load(shim_page->step) % STEPS_MAX],
		1, __ATOMIC_RELAXED);
	if (!page_strikes(shim_page, ORDER_ALLOCATION, 0, 0))
		return false;
	errno = ENOMEM;
	return true;
}

static void *counted(void *block, int more)
{
	if (shim_page && block)
		__atomic_add_fetch(&shim_page->blocks, more, __ATOMIC_RELAXED);
	return block;
}

void *malloc(size_t size)
{
	return strikes() ? NULL : counted(__libc_malloc(size), 1);
}

void *calloc(size_t count, size_t size)
{
	return strikes() ? NULL : counted(__libc_calloc(count, size), 1);
}

void *realloc(void *block, size_t size)
{
	if (strikes())
		return NULL;
	return counted(__libc_realloc(block, size), block ? 0 : 1);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return strikes() ? NULL : counted(__libc_memalign(alignment, size), 1);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
	void *made = aligned_alloc(alignment, size);

	if (!made)
		return ENOMEM;
	*block = made;
	return 0;
}

void free(void *block)
{
	counted(block, -1);
	__libc_free(block);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	int got = (int)syscall(SYS_clock_gettime, clock, time);

	if (got == 0 && shim_page && clock == CLOCK_MONOTONIC)
		time->tv_sec += page_load(shim_page->clock_ns) / 1000000000;
	return got;
}

/* Half of the windows, or of the only one. */
static void shorten(struct io_uring_sqe *sqe)
{
	struct iovec *first = (struct iovec *)(uintptr_t)sqe->addr;

	if (sqe->opcode != IORING_OP_READV && sqe->opcode != IORING_OP_WRITEV)
		return;
	if (sqe->len > 1)
		sqe->len /= 2;
	else
		first->iov_len = (first->iov_len / 2 + 511) / 512 * 512;
}

static void look_at(struct io_uring_sqe *sqe)
{
	uint32_t number = sqe->opcode % TRANSFERS_MAX;

	__atomic_add_fetch(&shim_page->transfers[number], 1, __ATOMIC_RELAXED);
	if (!page_strikes(shim_page, ORDER_TRANSFER, number, 0))
		return;
	if (page_load(shim_page->error) == SHORT)
		shorten(sqe);
	else
		transfer_fail(sqe, page_load(shim_page->error));
}

int io_uring_submit(struct io_uring *ring)
{
	static int (*next)(struct io_uring * ring);
	struct io_uring_sq *sq = &ring->sq;

	for (unsigned int at = sq->sqe_head; shim_page && at != sq->sqe_tail;
	     at++)
		look_at(&sq->sqes[at & *sq->kring_mask]);
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "io_uring_submit");
	return next(ring);
}

/* Before main(), and after the libraries' own preparations. */
__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAILING_PAGE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);

	if (fd < 0 || at == MAP_FAILED)
		_exit(127);
	close(fd);
	shim_page = at;
	if (!shim_watch_calls())
		_exit(126);
}
