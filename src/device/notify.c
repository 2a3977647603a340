// SPDX-License-Identifier: MIT
#include "device/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "device/chore.h"
#include "device/pipe.h"

/* Completions that may wait to be reaped. */
#define EVENTS_MAX 128

/* Calls by which it is learned what is usual. */
#define MEASURED 8

/* glibc has no wrappers for these. */
static long submit(const struct notifier *notifier, long count,
		   struct iocb **blocks)
{
	return syscall(SYS_io_submit, notifier->context, count, blocks);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t notify_clock_ns(void)
{
	return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t usual_ns = NOTIFY_USUAL_NS;

uint64_t notify_usual_ns(void)
{
	return __atomic_load_n(&usual_ns, __ATOMIC_RELAXED);
}

static void prepare(struct iocb *block, int null_fd)
{
	memset(block, 0, sizeof(*block));
	block->aio_lio_opcode = IOCB_CMD_PREAD;
	block->aio_fildes = (uint32_t)null_fd;
}

/* The quickest of some calls that wake nobody. */
static uint64_t quickest_call_ns(const struct notifier *notifier)
{
	uint64_t quickest = UINT64_MAX;
	struct iocb block;
	struct iocb *blocks[] = { &block };

	prepare(&block, notifier->null_fd);
	for (int i = 0; i < MEASURED; i++) {
		uint64_t before = notify_clock_ns(), took;

		if (submit(notifier, 1, blocks) != 1)
			return 0;
		took = notify_clock_ns() - before;
		quickest = took < quickest ? took : quickest;
	}
	return quickest;
}

static void learn_usual(struct notifier *notifier)
{
	uint64_t ns = NOTIFY_CALLS * quickest_call_ns(notifier);

	if (ns > notify_usual_ns())
		__atomic_store_n(&usual_ns, ns, __ATOMIC_RELAXED);
	notifier->unreaped = MEASURED;
}

bool notifier_open(struct notifier *notifier)
{
	int error;

	memset(notifier, 0, sizeof(*notifier));
	LIST_INIT(&notifier->pipes);
	notifier->unread_fd = -1;
	notifier->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (notifier->null_fd < 0)
		return false;
	notifier->unread_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (notifier->unread_fd >= 0 &&
	    syscall(SYS_io_setup, EVENTS_MAX, &notifier->context) == 0) {
		learn_usual(notifier);
		return true;
	}
	error = errno;
	notifier_close(notifier);
	errno = error;
	return false;
}

void notifier_close(struct notifier *notifier)
{
	if (notifier->context)
		syscall(SYS_io_destroy, notifier->context);
	if (notifier->null_fd >= 0)
		close(notifier->null_fd);
	if (notifier->unread_fd >= 0)
		close(notifier->unread_fd);
	notifier->context = 0;
	notifier->null_fd = -1;
	notifier->unread_fd = -1;
}

static void prepare_signal(struct iocb *block, int null_fd, int fd)
{
	prepare(block, null_fd);
	block->aio_flags = IOCB_FLAG_RESFD;
	block->aio_resfd = (uint32_t)fd;
}

/* If this is interrupted there is no room when there is none left, and then it
 * is tried again. */
static void take_completions(struct notifier *notifier)
{
	struct io_event events[EVENTS_MAX];

	syscall(SYS_io_getevents, notifier->context, 0L, (long)EVENTS_MAX,
		events, NULL);
	notifier->unreaped = 0;
}

/* Fails with EAGAIN where the system has no room, though we made some. */
static long submit_with_room(struct notifier *notifier, uint32_t count,
			     struct iocb **blocks)
{
	long got = submit(notifier, count, blocks);

	if (got >= 0 || errno != EAGAIN)
		return got;
	take_completions(notifier);
	return submit(notifier, count, blocks);
}

/* How many of the blocks are dealt with.  0: the system has no room just now.
 * An eventfd that cannot be signalled harms only its owner. */
static uint32_t signal_some(struct notifier *notifier, uint32_t count,
			    struct iocb **blocks)
{
	long got = submit_with_room(notifier, count, blocks);

	if (got > 0)
		return (uint32_t)got;
	return got < 0 && errno == EAGAIN ? 0 : 1;
}

/* Forget the first ones. */
static void drop_first(struct notifier *notifier, uint32_t count)
{
	notifier->count -= count;
	memmove(notifier->blocks, &notifier->blocks[count],
		notifier->count * sizeof(notifier->blocks[0]));
}

/* A call that takes so long is suspect, also if this thread only had to wait
 * for a processor. */
#define SUSPECT_NS 50000u

/* How many are then timed one by one. */
#define CAREFUL 256u

static uint8_t weight_of(uint64_t ns)
{
	uint64_t usual = notify_usual_ns();

	if (ns < usual)
		return 0;
	if (ns < NOTIFY_LONG * usual)
		return 1;
	return ns < NOTIFY_MOST * usual ? 7 : 28;
}

void notify_charge(struct notify_cost *cost, uint64_t ns)
{
	uint8_t *oldest = &cost->weights[cost->next++ % NOTIFY_TIMES];

	cost->weight -= *oldest;
	*oldest = weight_of(ns);
	cost->weight += *oldest;
	cost->too_slow |= cost->weight >= NOTIFY_ENOUGH;
}

/* One, and charge its client. */
static uint32_t signal_carefully(struct notifier *notifier, struct iocb **block)
{
	uint64_t before = notify_clock_ns();
	uint32_t some = signal_some(notifier, 1, block);
	struct notify_cost *cost =
		(struct notify_cost *)(uintptr_t)(*block)->aio_data;

	notify_charge(cost, notify_clock_ns() - before);
	notifier->found_slow |= cost->too_slow;
	notifier->careful--;
	return some;
}

static uint32_t signal_next(struct notifier *notifier, uint32_t count,
			    struct iocb **blocks)
{
	uint64_t before;
	uint32_t some;

	if (notifier->careful)
		return signal_carefully(notifier, blocks);
	before = now_ns(CLOCK_MONOTONIC);
	some = signal_some(notifier, count, blocks);
	if (now_ns(CLOCK_MONOTONIC) - before >= SUSPECT_NS)
		notifier->careful = CAREFUL;
	return some;
}

void notifier_flush(struct notifier *notifier)
{
	struct iocb *blocks[NOTIFY_BATCH];
	uint32_t sent = 0, some = 1;

	if (notifier->count == 0)
		return;
	for (uint32_t i = 0; i < notifier->count; i++)
		blocks[i] = &notifier->blocks[i];
	if (notifier->unreaped > EVENTS_MAX - 2 * NOTIFY_BATCH)
		take_completions(notifier);
	while (some && sent < notifier->count) {
		some = signal_next(notifier, notifier->count - sent,
				   &blocks[sent]);
		sent += some;
	}
	notifier->unreaped += sent;
	if (sent < notifier->count)
		drop_first(notifier, sent);
	else
		notifier->count = 0;
}

static bool has(const struct notifier *notifier, int fd)
{
	for (uint32_t i = 0; i < notifier->count; i++)
		if (notifier->blocks[i].aio_resfd == (uint32_t)fd)
			return true;
	return false;
}

/* A pipe, which is known by the client's descriptor and written by ours. */
struct pipe_call {
	struct chore chore;
	LIST_ENTRY(pipe_call) entry;
	uint32_t *descriptors;
	int known;
	int fd;
};

static struct pipe_call *pipe_of(const struct notifier *notifier, int fd)
{
	struct pipe_call *call;

	LIST_FOREACH(call, &notifier->pipes, entry)
	{
		if (call->known == fd)
			return call;
	}
	return NULL;
}

static void write_pipe(struct chore *chore)
{
	pipe_signal(((struct pipe_call *)chore)->fd);
}

static void end_pipe(struct chore *chore)
{
	close(((struct pipe_call *)chore)->fd);
	free(chore);
}

static bool take_pipe(struct notifier *notifier, int fd,
		      struct release_account *account, uint32_t *descriptors)
{
	struct pipe_call *call = calloc(1, sizeof(*call));

	if (!call)
		return false;
	chore_init(&call->chore, account);
	call->chore.run = write_pipe;
	call->chore.end = end_pipe;
	call->descriptors = descriptors;
	call->known = fd;
	call->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (call->fd < 0) {
		free(call);
		return false;
	}
	*descriptors += 1;
	LIST_INSERT_HEAD(&notifier->pipes, call, entry);
	return true;
}

static void drop_pipe(struct notifier *notifier, int fd)
{
	struct pipe_call *call = pipe_of(notifier, fd);

	if (!call)
		return;
	LIST_REMOVE(call, entry);
	*call->descriptors -= 1;
	chore_end(&call->chore);
}

bool notifier_takes(struct notifier *notifier, int fd,
		    struct release_account *account, uint32_t *descriptors)
{
	bool pair = pipe_is_pair(fd);

	if (!pair && !pipe_is(fd, true))
		return notifier_knows(notifier, fd);
	if (!take_pipe(notifier, fd, account, descriptors))
		return false;
	if (pair)
		release_unread(account, fd);
	return true;
}

void notifier_add(struct notifier *notifier, int fd, struct notify_cost *cost)
{
	struct pipe_call *call = pipe_of(notifier, fd);
	struct iocb *block;

	if (call) {
		chore_due(&call->chore);
		return;
	}
	if (notifier->count == NOTIFY_BATCH)
		notifier_flush(notifier);
	/* The system has no room for as many as wait already. */
	if (notifier->count == NOTIFY_BATCH && has(notifier, fd))
		return;
	if (notifier->count == NOTIFY_BATCH)
		drop_first(notifier, 1);
	block = &notifier->blocks[notifier->count++];
	prepare_signal(block, notifier->null_fd, fd);
	block->aio_data = (uintptr_t)cost;
}

static void forget(struct notifier *notifier, int fd)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < notifier->count; i++)
		if (notifier->blocks[i].aio_resfd != (uint32_t)fd)
			notifier->blocks[kept++] = notifier->blocks[i];
	notifier->count = kept;
}

void notifier_settle(struct notifier *notifier, int fd)
{
	drop_pipe(notifier, fd);
	if (!has(notifier, fd))
		return;
	notifier_flush(notifier);
	forget(notifier, fd);
}

/*
 * The kernel checks the eventfd first (EINVAL if it is none), and only then
 * whether the file may be read (EBADF here, because it may not).  A descriptor
 * that only names a path is EBADF too.
 */
bool notifier_knows(struct notifier *notifier, int fd)
{
	struct iocb block;
	struct iocb *blocks[] = { &block };
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || flags & O_PATH)
		return false;
	prepare_signal(&block, notifier->unread_fd, fd);
	return submit_with_room(notifier, 1, blocks) < 0 && errno == EBADF;
}
