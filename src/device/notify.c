// SPDX-License-Identifier: MIT
#include "device/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Completions that may wait to be reaped. */
#define EVENTS_MAX 128

/* glibc has no wrappers for these. */
static long submit(const struct notifier *notifier, long count,
		   struct iocb **blocks)
{
	return syscall(SYS_io_submit, notifier->context, count, blocks);
}

bool notifier_open(struct notifier *notifier)
{
	int error;

	memset(notifier, 0, sizeof(*notifier));
	notifier->unread_fd = -1;
	notifier->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (notifier->null_fd < 0)
		return false;
	notifier->unread_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (notifier->unread_fd >= 0 &&
	    syscall(SYS_io_setup, EVENTS_MAX, &notifier->context) == 0)
		return true;
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

static void prepare(struct iocb *block, int null_fd, int fd)
{
	memset(block, 0, sizeof(*block));
	block->aio_lio_opcode = IOCB_CMD_PREAD;
	block->aio_fildes = (uint32_t)null_fd;
	block->aio_flags = IOCB_FLAG_RESFD;
	block->aio_resfd = (uint32_t)fd;
}

void notifier_add(struct notifier *notifier, int fd)
{
	if (notifier->count == NOTIFY_BATCH)
		notifier_flush(notifier);
	prepare(&notifier->blocks[notifier->count++], notifier->null_fd, fd);
}

static void take_completions(struct notifier *notifier)
{
	struct io_event events[EVENTS_MAX];

	syscall(SYS_io_getevents, notifier->context, 0L, (long)EVENTS_MAX,
		events, NULL);
	notifier->unreaped = 0;
}

void notifier_flush(struct notifier *notifier)
{
	struct iocb *blocks[NOTIFY_BATCH];
	uint32_t sent = 0;

	for (uint32_t i = 0; i < notifier->count; i++)
		blocks[i] = &notifier->blocks[i];
	if (notifier->unreaped > EVENTS_MAX - 2 * NOTIFY_BATCH)
		take_completions(notifier);
	while (sent < notifier->count) {
		long got = submit(notifier, (long)(notifier->count - sent),
				  &blocks[sent]);

		/* An eventfd that cannot be signalled harms only its owner. */
		sent += got > 0 ? (uint32_t)got : 1;
	}
	notifier->unreaped += notifier->count;
	notifier->count = 0;
}

void notifier_settle(struct notifier *notifier, int fd)
{
	for (uint32_t i = 0; i < notifier->count; i++) {
		if (notifier->blocks[i].aio_resfd == (uint32_t)fd) {
			notifier_flush(notifier);
			return;
		}
	}
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
	prepare(&block, notifier->unread_fd, fd);
	return submit(notifier, 1, blocks) < 0 && errno == EBADF;
}
