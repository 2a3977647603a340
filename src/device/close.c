// SPDX-License-Identifier: MIT
#include "device/close.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* Descriptors on their way to the thread.  When the pipe is full because a
 * close hangs, further descriptors stay open: a leak, bounded by the limits on
 * clients, is better than a server that hangs. */
static int pipe_fds[2] = { -1, -1 };

static void *discard_thread(void *argument)
{
	int fd;

	(void)argument;
	while (read(pipe_fds[0], &fd, sizeof(fd)) == sizeof(fd))
		close(fd);
	return NULL;
}

static int start_thread(void)
{
	sigset_t all, before;
	pthread_t thread;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, discard_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error)
		pthread_detach(thread);
	return error;
}

bool close_start(void)
{
	int error = 0;

	if (pipe_fds[0] >= 0)
		return true;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return false;
	if (fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK) < 0)
		error = errno;
	else
		error = start_thread();
	if (!error)
		return true;
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	pipe_fds[0] = -1;
	errno = error;
	return false;
}

/* Only files in memory have seals. */
bool close_is_in_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

void close_lent(int fd)
{
	if (fd < 0)
		return;
	if (close_is_in_memory(fd) || fcntl(fd, F_GETPIPE_SZ) >= 0) {
		close(fd);
		return;
	}
	if (write(pipe_fds[1], &fd, sizeof(fd)) != sizeof(fd))
		return;
}
