// SPDX-License-Identifier: MIT
#include "device/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "device/pair.h"

/* fstat would ask a file server. */
static bool is_of_type(int fd, uint16_t type)
{
	struct statx about = { .stx_mask = 0 };

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE,
		     &about) == 0 &&
	       about.stx_mask & STATX_TYPE && (about.stx_mode & S_IFMT) == type;
}

bool pipe_is(int fd, bool to_write)
{
	int flags = fcntl(fd, F_GETFL);
	int others = to_write ? O_RDONLY : O_WRONLY;

	return flags >= 0 && !(flags & O_PATH) &&
	       (flags & O_ACCMODE) != others && is_of_type(fd, S_IFIFO);
}

bool pipe_is_pair(int fd)
{
	return is_of_type(fd, S_IFSOCK) && pair_is_stream(fd) &&
	       pair_is_unnamed(fd);
}

static bool is_ready(int fd, short events)
{
	struct pollfd poller = { .fd = fd, .events = events };

	return poll(&poller, 1, 0) == 1;
}

/* Pipes have RWF_NOWAIT since Linux 6.4.  Before, who is faster than we are, on
 * the same pipe, makes this thread wait. */
static bool lacks_nowait(ssize_t got)
{
	return got < 0 && errno == EOPNOTSUPP;
}

void pipe_signal(int fd)
{
	const uint64_t one = 1;
	const struct iovec part = { (void *)(uintptr_t)&one, sizeof(one) };
	ssize_t got = send(fd, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);

	if (got >= 0 || errno != ENOTSOCK)
		return;
	got = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);
	if (lacks_nowait(got) && is_ready(fd, POLLOUT))
		got = write(fd, &one, sizeof(one));
	(void)got;
}

ssize_t pipe_drain(int fd)
{
	char bytes[PIPE_DRAINED];
	const struct iovec part = { bytes, sizeof(bytes) };
	ssize_t got = preadv2(fd, &part, 1, -1, RWF_NOWAIT);

	if (lacks_nowait(got) && is_ready(fd, POLLIN))
		got = read(fd, bytes, sizeof(bytes));
	return got;
}
